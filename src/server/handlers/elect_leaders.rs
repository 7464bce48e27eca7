//! ElectLeaders (key 43), versions 0-2: leadership goes back to preferred replicas, or to any.
//!
//! Null asks for all partitions; then those whose election was not needed are left out, though
//! their topics are named.
//!
//! Deviations from Apache Kafka: when the client's timeout ends first it is told
//! REQUEST_TIMED_OUT, but what was begun goes on.
//!
//! - 0: preferred elections only (KIP-183)
//! - 1: the request gains election_type, the response error_code (KIP-460)
//! - 2: flexible encoding (KIP-482)

use std::borrow::Cow;

use access::Operation;
use base::{ErrorCode, PartitionIndex};
use broker::NamedPartition;
use metadata::decide::ElectionKind;
use metadata::{Image, Refusal};
use wire::WireError;
use wire::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
    TopicPartitions,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::shown::indexed;
use crate::handlers::{begin, read, within};
use crate::table::Request;

type Outcomes = Vec<(NamedPartition, Result<(), Refusal>)>;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ElectLeadersRequest<'_> = read(&mut request)?;
    let patience_ms = asked.timeout_ms;
    let is_all = asked.topic_partitions.is_none();
    let named = match &asked.topic_partitions {
        None => all(&context.broker().image()),
        Some(topics) => topics.iter().flat_map(named).collect(),
    };
    let Some(kind) = kind(asked.election_type) else {
        let named = if is_all { Vec::new() } else { named };
        return Ok(question.answer(&unknown_type(&named, asked.election_type)));
    };
    if let Err(code) = context.access().cluster(Operation::Alter) {
        let named = if is_all { Vec::new() } else { named };
        let all = named.into_iter().map(|one| (one, Err(denied(code))));
        let outcomes: Outcomes = all.collect();
        return Ok(question.answer(&response(&outcomes, code, is_all)));
    }
    let context = context.clone();
    let broker = context.broker().clone();
    let partitions = named.clone();
    let deciding = begin(context.core(), async move {
        broker.elect_leaders(partitions, kind).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let refusal = match within(context.core(), patience_ms, deciding).await {
            Some(Ok(outcomes)) => {
                let response = response(&outcomes, ErrorCode::None, is_all);
                return question.encode(&response);
            }
            Some(Err(error)) => fault::refusal_of_controller(&error),
            None => fault::timed_out(),
        };
        let all = named.into_iter().map(|one| (one, Err(refusal.clone())));
        let outcomes: Outcomes = all.collect();
        question.encode(&response(&outcomes, refusal.code, is_all))
    })))
}

const fn kind(election_type: i8) -> Option<ElectionKind> {
    match election_type {
        0 => Some(ElectionKind::Preferred),
        1 => Some(ElectionKind::Unclean),
        _ => None,
    }
}

fn all(image: &Image) -> Vec<NamedPartition> {
    let topics = image.topics().iter();
    let partitions =
        topics.flat_map(|topic| indexed(topic).map(|(index, _)| (topic.name.to_string(), index)));
    partitions.collect()
}

fn named<'a>(topic: &'a TopicPartitions<'_>) -> impl Iterator<Item = NamedPartition> + 'a {
    let indexes = topic.partitions.iter();
    indexes.map(|index| (topic.topic.to_string(), PartitionIndex(*index)))
}

fn unknown_type(named: &[NamedPartition], election_type: i8) -> ElectLeadersResponse<'_> {
    let mut results = Vec::new();
    for (topic, index) in named {
        let text = format!("Unknown election type {election_type}");
        let refusal = Refusal::new(ErrorCode::InvalidRequest, text);
        push(&mut results, topic, Some(result(*index, Some(&refusal))));
    }
    ElectLeadersResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::InvalidRequest.code(),
        replica_election_results: results,
    }
}

fn response(outcomes: &Outcomes, code: ErrorCode, is_all: bool) -> ElectLeadersResponse<'_> {
    let mut results = Vec::new();
    for ((topic, index), outcome) in outcomes {
        let refusal = outcome.as_ref().err();
        let is_news = refusal.is_none_or(|refusal| refusal.code != ErrorCode::ElectionNotNeeded);
        let shown = (is_news || !is_all).then(|| result(*index, refusal));
        push(&mut results, topic, shown);
    }
    ElectLeadersResponse {
        throttle_time_ms: 0,
        error_code: code.code(),
        replica_election_results: results,
    }
}

/// Adds a result below its topic; results of one topic stand together.
fn push<'a>(
    results: &mut Vec<ReplicaElectionResult<'a>>,
    topic: &'a str,
    result: Option<PartitionResult<'a>>,
) {
    let known = results.iter().rposition(|known| known.topic == topic);
    let found = known.and_then(|at| results.get_mut(at));
    match found {
        Some(known) => known.partition_result.extend(result),
        None => results.push(ReplicaElectionResult {
            topic: Cow::Borrowed(topic),
            partition_result: result.into_iter().collect(),
        }),
    }
}

fn result<'a>(index: PartitionIndex, refusal: Option<&Refusal>) -> PartitionResult<'a> {
    PartitionResult {
        partition_id: index.get(),
        error_code: refusal
            .map_or(ErrorCode::None, |refusal| refusal.code)
            .code(),
        error_message: refusal.map(|refusal| Cow::Owned(refusal.message.clone())),
    }
}

#[cfg(test)]
#[path = "../tests/elect_leaders_tests.rs"]
mod tests;
