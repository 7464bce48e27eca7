//! FindCoordinator (key 10), versions 0-6: which node coordinates a group or a transactional id.
//!
//! The first request for a group creates `__consumer_offsets`, the first one for a transactional id
//! `__transaction_state`; the answer waits for it. Coordinators of share groups are not served
//! yet: their keys are answered with COORDINATOR_NOT_AVAILABLE, at which clients ask again later.
//!
//! Deviations from Apache Kafka: Kafka answers COORDINATOR_NOT_AVAILABLE until the topic is there,
//! and the client asks again; here the first answer names the coordinator.
//!
//! - 0: first layout; groups only
//! - 1: key_type says whether groups or transactions are meant (KIP-98)
//! - 2: the same layout (KIP-219)
//! - 3: flexible encoding (KIP-482)
//! - 4: several keys at once (KIP-699)
//! - 5: TRANSACTION_ABORTABLE may be answered (KIP-890)
//! - 6: share groups' state may be asked for (KIP-932)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, NodeId, Uuid};
use broker::ControllerError;
use wire::WireError;
use wire::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::access::{Access, denied};
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::fault;
use crate::handlers::{begin, read, shown};
use crate::table::Request;

/// The coordinator of a group.
const GROUP: i8 = 0;
/// The coordinator of a transactional id.
const TRANSACTION: i8 = 1;
/// The coordinator of a share group's state on one partition.
const SHARE: i8 = 2;
/// The first version that carries several keys.
const SEVERAL_VERSION_MIN: i16 = 4;
/// The first version that knows share groups.
const SHARE_VERSION_MIN: i16 = 6;

/// What became of one key: the coordinator's node, or the code and the reason.
type Found = Result<NodeId, (ErrorCode, Cow<'static, str>)>;

/// Answers when the topic of coordinators is there.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: FindCoordinatorRequest<'_> = read(&mut request)?;
    let keys: Vec<String> = if question.version >= SEVERAL_VERSION_MIN {
        let keys = asked.coordinator_keys.iter();
        keys.map(|key| key.to_string()).collect()
    } else {
        vec![asked.key.to_string()]
    };
    let key_type = asked.key_type;
    let context = context.clone();
    let access = context.access();
    if !matches!(key_type, GROUP | TRANSACTION) {
        let found = keys.iter().map(|key| {
            allowed(&access, key_type, key)?;
            Err(elsewhere(key_type, question.version, key))
        });
        let found: Vec<Found> = found.collect();
        return Ok(Answer::Now(respond(&context, question, &keys, &found)?));
    }
    let broker = context.broker().clone();
    let ready = begin(context.core(), async move {
        match key_type {
            GROUP => broker.ensure_offsets_topic().await,
            _ => broker.ensure_transactions_topic().await,
        }
    });
    Ok(Answer::Later(Box::pin(async move {
        let ready = ready.await.unwrap_or(Err(ControllerError::Stopping));
        let found: Vec<Found> = match ready {
            Ok(()) => {
                let keys = keys.iter();
                keys.map(|key| {
                    allowed(&access, key_type, key)?;
                    locate(&context, key_type, key)
                })
                .collect()
            }
            Err(error) => {
                tracing::warn!(%error, "the topic of coordinators cannot be created");
                let text = fault::refusal_of_controller(&error).message;
                let refused = (ErrorCode::CoordinatorNotAvailable, Cow::Owned(text));
                keys.iter().map(|_| Err(refused.clone())).collect()
            }
        };
        respond(&context, question, &keys, &found)
    })))
}

/// Refuses to tell the coordinator of what the client may not even look at.
fn allowed(access: &Access, key_type: i8, key: &str) -> Result<(), (ErrorCode, Cow<'static, str>)> {
    let outcome = match key_type {
        GROUP => access.group(Operation::Describe, key),
        TRANSACTION => access.transactional_id(Operation::Describe, key),
        SHARE => access.cluster(Operation::ClusterAction),
        _ => Ok(()),
    };
    outcome.map_err(|code| (code, Cow::Owned(denied(code).message)))
}

fn locate(context: &Context, key_type: i8, key: &str) -> Found {
    let broker = context.broker();
    let node = match key_type {
        GROUP => broker.group_coordinator(key),
        _ => broker.transaction_coordinator(key),
    };
    node.ok_or((
        ErrorCode::CoordinatorNotAvailable,
        Cow::Borrowed("The coordinator is not available."),
    ))
}

/// Why there is no coordinator for a key that names neither a group nor a transaction.
fn elsewhere(key_type: i8, version: i16, key: &str) -> (ErrorCode, Cow<'static, str>) {
    let not_served = |what: &'static str| (ErrorCode::CoordinatorNotAvailable, Cow::Borrowed(what));
    match key_type {
        SHARE if version >= SHARE_VERSION_MIN && is_share_key(key) => {
            not_served("This node does not coordinate share groups yet.")
        }
        _ => (
            ErrorCode::InvalidRequest,
            Cow::Borrowed("The type of the key is unknown, or the key does not fit its type."),
        ),
    }
}

/// Group, topic id and partition.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let partition = parts
        .next()
        .is_some_and(|part| part.parse::<i32>().is_ok_and(|index| index >= 0));
    let topic = parts
        .next()
        .is_some_and(|part| part.parse::<Uuid>().is_ok());
    partition && topic && parts.next().is_some_and(|group| !group.is_empty())
}

fn respond(
    context: &Context,
    question: Question,
    keys: &[String],
    found: &[Found],
) -> Result<Response, WireError> {
    assert_eq!(keys.len(), found.len(), "every key is answered");
    let image = context.broker().image();
    let nodes = shown::nodes(context, &image, false);
    let coordinators = keys.iter().zip(found).map(|(key, found)| {
        let node = match found {
            Ok(id) => nodes.iter().find(|node| node.id == *id),
            Err(_) => None,
        };
        let code = match (found, node) {
            (Err((code, _)), _) => *code,
            (Ok(_), None) => ErrorCode::CoordinatorNotAvailable,
            (Ok(_), Some(_)) => ErrorCode::None,
        };
        let text = match found {
            Err((_, text)) => Some(Cow::Borrowed(text.as_ref())),
            Ok(_) => None,
        };
        Coordinator {
            key: Cow::Borrowed(key),
            node_id: node.map_or(-1, |node| node.id.get()),
            host: node.map_or(Cow::Borrowed(""), |node| Cow::Borrowed(node.host.as_str())),
            port: node.map_or(-1, |node| node.port),
            error_code: code.code(),
            error_message: text,
        }
    });
    let mut coordinators: Vec<Coordinator<'_>> = coordinators.collect();
    if question.version >= SEVERAL_VERSION_MIN {
        return question.encode(&FindCoordinatorResponse {
            coordinators,
            ..FindCoordinatorResponse::default()
        });
    }
    let only = coordinators.pop().unwrap_or_default();
    question.encode(&FindCoordinatorResponse {
        error_code: only.error_code,
        error_message: only.error_message,
        node_id: only.node_id,
        host: only.host,
        port: only.port,
        ..FindCoordinatorResponse::default()
    })
}

#[cfg(test)]
#[path = "../tests/find_coordinator_tests.rs"]
mod tests;
