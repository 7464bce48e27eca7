//! Everything that can be asked over HTTP, on one screen.
//!
//! `/v1` is our own; `/v3/kafka` is as much of Burrow's interface as tools for lag use, so that
//! they can be pointed here.

use base::ErrorCode;
use broker::{Broker, Unavailable};
use metrics::{Labels, names};

use crate::http::{Answer, Code, EXPOSITION, Request, decoded};
use crate::{burrow, clients, groups};

/// Answers one request.
pub(crate) async fn answer(broker: &Broker, request: &Request) -> Answer {
    let segments: Option<Vec<String>> = request
        .path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decoded)
        .collect();
    let Some(segments) = segments else {
        return Answer::refusal(Code::BadRequest);
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    if !is_known(&segments) {
        return Answer::refusal(Code::NotFound);
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::refusal(Code::MethodNotAllowed);
    }
    match segments.as_slice() {
        ["metrics"] => metrics(broker).await,
        ["metrics", "clients"] => clients::metrics(broker).await,
        ["healthz"] => health(broker).await,
        ["v1", "groups"] => groups::list(broker).await,
        ["v1", "groups", group] => groups::describe(broker, group).await,
        ["v1", "groups", group, "timeline"] => groups::timeline(broker, group).await,
        ["v3", "kafka", rest @ ..] => burrow::answer(broker, &request.path, rest).await,
        _ => Answer::refusal(Code::NotFound),
    }
}

/// Whether anything stands at this path, whatever is to be done with it.
fn is_known(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["metrics"]
            | ["metrics", "clients"]
            | ["healthz"]
            | ["v1", "groups"]
            | ["v1", "groups", _]
            | ["v1", "groups", _, "timeline"]
            | ["v3", "kafka"]
            | ["v3", "kafka", _, "consumer"]
            | ["v3", "kafka", _, "consumer", _, "lag" | "status"]
    )
}

async fn metrics(broker: &Broker) -> Answer {
    let mut page = broker.metrics().await;
    let version = Labels::of("version", env!("CARGO_PKG_VERSION"));
    page.whole(&names::BUILD_INFO, version, 1);
    let up = broker.core().now().as_secs_f64();
    page.level(&names::UPTIME, Labels::none(), up);
    let mut body = String::new();
    while let Some(family) = page.take_text() {
        body.push_str(&family);
        broker.core().yield_now().await;
    }
    Answer {
        code: Code::Ok,
        kind: EXPOSITION,
        body,
    }
}

/// Healthy is a node that serves; one whose log directory went offline must not get traffic.
async fn health(broker: &Broker) -> Answer {
    if broker.is_stopping() {
        return Answer::text(Code::Unavailable, "stopping\n");
    }
    match broker.offline().await {
        Some(error) => Answer::text(Code::Unavailable, format!("{error}\n")),
        None => Answer::text(Code::Ok, "ok\n"),
    }
}

/// What a program is told that asks while the node cannot answer.
pub(crate) fn unavailable(unavailable: Unavailable) -> Answer {
    Answer::json(
        Code::Unavailable,
        &serde_json::json!({
            "error": match unavailable {
                Unavailable::Opening => ErrorCode::CoordinatorLoadInProgress.name(),
                _ => ErrorCode::CoordinatorNotAvailable.name(),
            },
            "message": unavailable.to_string(),
        }),
    )
}
