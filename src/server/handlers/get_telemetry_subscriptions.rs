//! GetTelemetrySubscriptions (key 71), version 0: what a client shall measure and push (KIP-714).
//!
//! Answered from the subscriptions that match the client; without one nothing is asked for, and the
//! client comes back after five minutes.
//!
//! Deviations from Apache Kafka: served always, where Kafka serves it only with a plug-in that
//! takes the metrics; here the node takes them itself.
//!
//! - 0: first layout, flexible from the start

use std::borrow::Cow;

use base::{ErrorCode, Uuid};
use broker::{Demand, TelemetryRefusal};
use wire::WireError;
use wire::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Codecs that pushes may be compressed with, the best first: zstd, lz4, gzip, snappy.
const COMPRESSION_TYPES: [i8; 4] = [4, 3, 1, 2];
/// Ids below are kept for special uses; Kafka refuses the first of them.
const RESERVED: Uuid = Uuid(1);

/// Asks core 0, which remembers all clients.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let client = context.traits(&request.client_id);
    let asked: GetTelemetrySubscriptionsRequest = read(&mut request)?;
    let id = asked.client_instance_id;
    if id == RESERVED {
        return Ok(question.answer(&refused(ErrorCode::InvalidRequest)));
    }
    let bytes_max = telemetry_bytes_max(context);
    let asking = context.broker().client_demand(id, client);
    let asking = begin(context.core(), asking);
    Ok(Answer::Later(Box::pin(async move {
        match asking.await {
            Ok(Ok(Ok(demand))) => question.encode(&asked_for(&demand, bytes_max)),
            Ok(Ok(Err(refusal))) => question.encode(&refused(code_of(refusal))),
            // The node stops; the client goes to another.
            Ok(Err(_)) | Err(_) => question.encode(&refused(ErrorCode::NetworkException)),
        }
    })))
}

/// The most bytes that one push may have, `telemetry.max.bytes`.
pub(crate) fn telemetry_bytes_max(context: &Context) -> i32 {
    let config = context.broker().config();
    let effective = config.settings.effective("telemetry.max.bytes");
    let value = effective.and_then(|effective| effective.value);
    // The key has a default and its rule lets only numbers in.
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(i32::MAX)
}

pub(crate) fn code_of(refusal: TelemetryRefusal) -> ErrorCode {
    match refusal {
        TelemetryRefusal::TooSoon => ErrorCode::ThrottlingQuotaExceeded,
        TelemetryRefusal::Terminating => ErrorCode::InvalidRequest,
        TelemetryRefusal::UnknownSubscription => ErrorCode::UnknownSubscriptionId,
    }
}

fn asked_for(demand: &Demand, bytes_max: i32) -> GetTelemetrySubscriptionsResponse<'_> {
    let metrics = demand.metrics.iter();
    GetTelemetrySubscriptionsResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None.code(),
        client_instance_id: demand.instance_id,
        subscription_id: demand.subscription_id,
        accepted_compression_types: COMPRESSION_TYPES.into(),
        push_interval_ms: demand.interval_ms,
        telemetry_max_bytes: bytes_max,
        delta_temporality: true,
        requested_metrics: metrics.map(|name| Cow::Borrowed(name.as_str())).collect(),
    }
}

fn refused(code: ErrorCode) -> GetTelemetrySubscriptionsResponse<'static> {
    GetTelemetrySubscriptionsResponse {
        error_code: code.code(),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "../tests/get_telemetry_subscriptions_tests.rs"]
mod tests;
