//! CreatePartitions (key 37), versions 0-3: existing topics grow.
//!
//! Each topic is decided on its own and each is answered; an empty list of placements, other than
//! none, is refused like any list of the wrong length. The answer comes when new partitions serve.
//!
//! Deviations from Apache Kafka: when the client's timeout ends first it is told
//! REQUEST_TIMED_OUT, but what was begun goes on.
//!
//! - 0: first layout (KIP-195)
//! - 1: the same layout (KIP-219)
//! - 2: flexible encoding (KIP-482)
//! - 3: the same layout (KIP-599)

use std::borrow::Cow;
use std::collections::BTreeSet;

use access::Operation;
use base::{ErrorCode, NodeId};
use metadata::Refusal;
use metadata::decide::NewPartitions;
use wire::WireError;
use wire::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{begin, read, within};
use crate::table::Request;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: CreatePartitionsRequest<'_> = read(&mut request)?;
    let (patience_ms, validate_only) = (asked.timeout_ms, asked.validate_only);
    let access = context.access();
    let may = |topic: &NewPartitions| access.topic(Operation::Alter, &topic.name).is_ok();
    let topics = asked.topics.iter().map(new_partitions);
    let (topics, hidden): (Vec<_>, Vec<_>) = topics.partition(may);
    let hidden = hidden.into_iter().map(|topic| topic.name).collect();
    let refused = refuse_all(hidden, &denied(ErrorCode::TopicAuthorizationFailed));
    let names: BTreeSet<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let context = context.clone();
    let broker = context.broker().clone();
    let deciding = begin(context.core(), async move {
        broker.create_partitions(topics, validate_only).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let outcomes = match within(context.core(), patience_ms, deciding).await {
            Some(Ok(outcomes)) => outcomes,
            Some(Err(error)) => refuse_all(names, &fault::refusal_of_controller(&error)),
            None => refuse_all(names, &fault::timed_out()),
        };
        let results = refused.iter().chain(&outcomes);
        let results = results.map(|(name, outcome)| result(name, outcome));
        let response = CreatePartitionsResponse {
            throttle_time_ms: 0,
            results: results.collect(),
        };
        question.encode(&response)
    })))
}

fn new_partitions(asked: &CreatePartitionsTopic<'_>) -> NewPartitions {
    let assignments = asked.assignments.as_ref().map(|assignments| {
        let nodes = assignments
            .iter()
            .map(|one| one.broker_ids.iter().copied().map(NodeId));
        nodes.map(Iterator::collect).collect()
    });
    NewPartitions {
        name: asked.name.to_string(),
        count: asked.count,
        assignments,
    }
}

fn refuse_all(names: BTreeSet<String>, refusal: &Refusal) -> Vec<(String, Result<(), Refusal>)> {
    names
        .into_iter()
        .map(|name| (name, Err(refusal.clone())))
        .collect()
}

fn result<'a>(name: &'a str, outcome: &'a Result<(), Refusal>) -> CreatePartitionsTopicResult<'a> {
    let refusal = outcome.as_ref().err();
    CreatePartitionsTopicResult {
        name: Cow::Borrowed(name),
        error_code: refusal
            .map_or(ErrorCode::None, |refusal| refusal.code)
            .code(),
        error_message: refusal.map(|refusal| Cow::Borrowed(refusal.message.as_str())),
    }
}
