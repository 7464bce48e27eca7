//! DeleteTopics (key 20), versions 0-6: topics go, by name or by id.
//!
//! When the answer comes, the topics are gone from all further answers; their files go behind it.
//!
//! Deviations from Apache Kafka: when the client's timeout ends first it is told
//! REQUEST_TIMED_OUT, but what was begun goes on.
//!
//! - 0: first layout (`forebay.legacy.protocol.enable`)
//! - 1: the response gains throttle_time_ms (KIP-124); the first version of Kafka 4 (KIP-896)
//! - 2: the same layout (KIP-219)
//! - 3: a node that deletes no topics answers TOPIC_DELETION_DISABLED (KIP-322)
//! - 4: flexible encoding (KIP-482)
//! - 5: the response gains error_message (KIP-599)
//! - 6: topics by name or by id (KIP-516)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, Uuid};
use broker::ControllerError;
use metadata::decide::{Deletion, TopicSelector};
use metadata::{Image, Refusal};
use wire::WireError;
use wire::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};

use crate::access::{Access, denied};
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{begin, read, within};
use crate::table::Request;

/// The first version in which topics may be named by their ids.
const BY_ID_VERSION_MIN: i16 = 6;
/// The first version whose clients know TOPIC_DELETION_DISABLED.
const DISABLED_VERSION_MIN: i16 = 3;

/// What became of the topics the controller was asked to delete; nothing when time ran out.
type Decided = Option<Result<Vec<(TopicSelector, Deletion)>, ControllerError>>;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DeleteTopicsRequest<'_> = read(&mut request)?;
    let Selection {
        mut selectors,
        mut refused,
    } = selection(&asked, question.version);
    if !context.broker().config().topics.delete_enabled {
        let refusal = disabled(question.version);
        let all = selectors.iter().map(|selector| failure(selector, &refusal));
        let responses = refused.into_iter().chain(all).collect();
        return Ok(question.answer(&DeleteTopicsResponse {
            throttle_time_ms: 0,
            responses,
        }));
    }
    let (access, image) = (context.access(), context.broker().image());
    selectors.retain(|selector| {
        let hidden = hidden(&access, &image, selector);
        let may = hidden.is_none();
        refused.extend(hidden);
        may
    });
    let patience_ms = asked.timeout_ms;
    let refused: Vec<_> = refused.into_iter().map(owned).collect();
    let context = context.clone();
    let broker = context.broker().clone();
    let asked = selectors.clone();
    let deciding = begin(
        context.core(),
        async move { broker.delete_topics(asked).await },
    );
    Ok(Answer::Later(Box::pin(async move {
        let decided = within(context.core(), patience_ms, deciding).await;
        let outcomes = outcomes(selectors, decided);
        let decided = outcomes.iter().map(|(selector, outcome)| match outcome {
            Ok((name, id, _change)) => success(name, *id),
            Err(refusal) => failure(selector, refusal),
        });
        let responses = refused.into_iter().chain(decided).collect();
        question.encode(&DeleteTopicsResponse {
            throttle_time_ms: 0,
            responses,
        })
    })))
}

/// What a request names, sorted by whether it can be looked at.
struct Selection<'a> {
    selectors: Vec<TopicSelector>,
    refused: Vec<DeletableTopicResult<'a>>,
}

fn selection<'a>(asked: &DeleteTopicsRequest<'a>, version: i16) -> Selection<'a> {
    let mut selection = Selection {
        selectors: Vec::new(),
        refused: Vec::new(),
    };
    if version < BY_ID_VERSION_MIN {
        let names = asked
            .topic_names
            .iter()
            .map(|name| TopicSelector::Name(name.to_string()));
        selection.selectors.extend(names);
        return selection;
    }
    for topic in &asked.topics {
        let text = match (&topic.name, topic.topic_id.is_zero()) {
            (Some(name), true) => {
                selection
                    .selectors
                    .push(TopicSelector::Name(name.to_string()));
                continue;
            }
            (None, false) => {
                selection.selectors.push(TopicSelector::Id(topic.topic_id));
                continue;
            }
            (Some(_), false) => "You may not specify both topic name and topic id.",
            (None, true) => "Neither topic name nor id were specified.",
        };
        selection.refused.push(DeletableTopicResult {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            error_code: ErrorCode::InvalidRequest.code(),
            error_message: Some(Cow::Borrowed(text)),
        });
    }
    selection
}

/// The result for a topic that the client may not delete. One that it may not look at either is
/// not told by its name unless the client said it, and told whether or not it is there.
fn hidden(
    access: &Access,
    image: &Image,
    selector: &TopicSelector,
) -> Option<DeletableTopicResult<'static>> {
    access.cluster(Operation::Delete).err()?;
    let (name, topic_id) = match selector {
        TopicSelector::Name(name) => (name.clone(), Uuid::ZERO),
        TopicSelector::Id(id) => (image.topic_by_id(*id)?.name.to_string(), *id),
    };
    let is_described = access.topic(Operation::Describe, &name).is_ok();
    if is_described && access.topic(Operation::Delete, &name).is_ok() {
        return None;
    }
    let is_told = is_described || topic_id.is_zero();
    let code = ErrorCode::TopicAuthorizationFailed;
    Some(DeletableTopicResult {
        name: is_told.then_some(Cow::Owned(name)),
        topic_id,
        error_code: code.code(),
        error_message: Some(Cow::Owned(denied(code).message)),
    })
}

fn owned(result: DeletableTopicResult<'_>) -> DeletableTopicResult<'static> {
    DeletableTopicResult {
        name: result.name.map(|name| Cow::Owned(name.into_owned())),
        topic_id: result.topic_id,
        error_code: result.error_code,
        error_message: result
            .error_message
            .map(|text| Cow::Owned(text.into_owned())),
    }
}

fn disabled(version: i16) -> Refusal {
    let code = if version < DISABLED_VERSION_MIN {
        ErrorCode::InvalidRequest
    } else {
        ErrorCode::TopicDeletionDisabled
    };
    Refusal::new(
        code,
        "Topics cannot be deleted while delete.topic.enable is false.",
    )
}

fn outcomes(selectors: Vec<TopicSelector>, decided: Decided) -> Vec<(TopicSelector, Deletion)> {
    let refusal = match decided {
        Some(Ok(outcomes)) => return outcomes,
        Some(Err(error)) => fault::refusal_of_controller(&error),
        None => fault::timed_out(),
    };
    selectors
        .into_iter()
        .map(|selector| (selector, Err(refusal.clone())))
        .collect()
}

fn success(name: &str, id: Uuid) -> DeletableTopicResult<'_> {
    DeletableTopicResult {
        name: Some(Cow::Borrowed(name)),
        topic_id: id,
        ..Default::default()
    }
}

fn failure<'a>(selector: &'a TopicSelector, refusal: &'a Refusal) -> DeletableTopicResult<'a> {
    let (name, topic_id) = match selector {
        TopicSelector::Name(name) => (Some(Cow::Borrowed(name.as_str())), Uuid::ZERO),
        TopicSelector::Id(id) => (None, *id),
    };
    DeletableTopicResult {
        name,
        topic_id,
        error_code: refusal.code.code(),
        error_message: Some(Cow::Borrowed(&refusal.message)),
    }
}

#[cfg(test)]
#[path = "../tests/delete_topics_tests.rs"]
mod tests;
