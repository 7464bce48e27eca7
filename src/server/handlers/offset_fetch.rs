//! OffsetFetch (key 9), versions 0-10: how far groups have read.
//!
//! Deviations from Apache Kafka: version 0 is still served, from the same offsets as all others,
//! not from ZooKeeper.
//!
//! - 0: first layout
//! - 1: the same layout
//! - 2: null asks for all of the group's topics; the response gains an error for the whole
//! - 3: the response gains throttle_time_ms (KIP-124)
//! - 4: the same layout (KIP-219)
//! - 5: the response gains committed_leader_epoch (KIP-320)
//! - 6: flexible encoding (KIP-482)
//! - 7: require_stable: offsets of open transactions are waited for (KIP-447)
//! - 8: several groups at once (KIP-709)
//! - 9: members of consumer groups (KIP-848)
//! - 10: topics by id (KIP-848)

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use access::Operation;
use base::{ErrorCode, LeaderEpoch, PartitionIndex, Uuid};
use broker::coordinator::{
    Answer as Coordinated, Ask, FetchTopic, FetchedPartition, FetchedTopic, OffsetFetchAsk, Refusal,
};
use metadata::Image;
use wire::WireError;
use wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};

use crate::access::Access;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::handlers::groups::{self, owned};
use crate::handlers::read;
use crate::table::Request;

/// The first version with an error for the whole.
const WHOLE_ERROR_VERSION_MIN: i16 = 2;
/// The first version that asks for several groups.
const SEVERAL_VERSION_MIN: i16 = 8;
/// The first version that names topics by id.
const BY_ID_VERSION_MIN: i16 = 10;

type Fetched = Result<Vec<FetchedTopic>, Refusal>;
type Asking = Pin<Box<dyn Future<Output = Coordinated>>>;

/// A topic that the coordinator is not asked for, and why: nobody knows its id, or the client may
/// not look at it.
type Refused = (FetchTopic, ErrorCode);

/// One group's part of the request.
struct Part {
    group: String,
    /// What was asked for; nothing for everything.
    topics: Option<Vec<FetchTopic>>,
    /// What the coordinator is not asked for.
    refused: Vec<Refused>,
    asking: Asking,
}

/// Asks the coordinator of each group.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: OffsetFetchRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let access = context.access();
    let stable = asked.require_stable;
    let parts: Vec<Part> = if question.version < SEVERAL_VERSION_MIN {
        let mut refused = Vec::new();
        let topics = asked.topics.as_ref().map(|topics| {
            let topics = topics.iter();
            let topics =
                topics.map(|topic| wanted(&topic.name, Uuid::ZERO, &topic.partition_indexes));
            allowed(&access, topics, &mut refused)
        });
        let ask = OffsetFetchAsk {
            group: asked.group_id.to_string(),
            member: None,
            member_epoch: -1,
            topics,
            require_stable: stable,
        };
        vec![begin(context, ask, refused)]
    } else {
        let groups = asked.groups.iter();
        groups
            .map(|group| {
                let (mut ask, mut refused) = to_ask(&image, group, stable, question.version);
                ask.topics = ask
                    .topics
                    .map(|topics| allowed(&access, topics.into_iter(), &mut refused));
                begin(context, ask, refused)
            })
            .collect()
    };
    let context = context.clone();
    Ok(Answer::Later(Box::pin(async move {
        let mut answered = Vec::with_capacity(parts.len());
        for part in parts {
            match part.asking.await {
                Coordinated::OffsetFetch(mut fetched) => {
                    if let Ok(topics) = &mut fetched {
                        topics.retain(|one| access.topic(Operation::Describe, &one.name).is_ok());
                    }
                    answered.push(Answered {
                        group: part.group,
                        topics: part.topics,
                        refused: part.refused,
                        fetched,
                    });
                }
                other => groups::mismatched(&other),
            }
        }
        respond(question, &context.broker().image(), &answered)
    })))
}

/// The topics that the client may look at.
fn allowed(
    access: &Access,
    topics: impl Iterator<Item = FetchTopic>,
    refused: &mut Vec<Refused>,
) -> Vec<FetchTopic> {
    let mut allowed = Vec::new();
    for mut topic in topics {
        match access.topic(Operation::Describe, &topic.name) {
            Ok(()) => allowed.push(topic),
            Err(code) => {
                // Who named it by its id is not told its name.
                if !topic.id.is_zero() {
                    topic.name.clear();
                }
                refused.push((topic, code));
            }
        }
    }
    allowed
}

fn wanted(name: &str, id: Uuid, indexes: &[i32]) -> FetchTopic {
    FetchTopic {
        name: name.to_owned(),
        id,
        partitions: indexes.iter().copied().map(PartitionIndex).collect(),
    }
}

fn to_ask(
    image: &Image,
    group: &OffsetFetchRequestGroup<'_>,
    require_stable: bool,
    version: i16,
) -> (OffsetFetchAsk, Vec<Refused>) {
    let mut refused = Vec::new();
    let topics = group.topics.as_ref().map(|topics| {
        let mut known = Vec::with_capacity(topics.len());
        for topic in topics {
            if version < BY_ID_VERSION_MIN {
                known.push(wanted(&topic.name, Uuid::ZERO, &topic.partition_indexes));
                continue;
            }
            match groups::find_topic(image, true, "", topic.topic_id) {
                Ok(found) => known.push(wanted(&found.name, found.id, &topic.partition_indexes)),
                Err(code) => {
                    refused.push((wanted("", topic.topic_id, &topic.partition_indexes), code));
                }
            }
        }
        known
    });
    let ask = OffsetFetchAsk {
        group: group.group_id.to_string(),
        member: owned(group.member_id.as_ref()),
        member_epoch: group.member_epoch,
        topics,
        require_stable,
    };
    (ask, refused)
}

fn begin(context: &Context, ask: OffsetFetchAsk, refused: Vec<Refused>) -> Part {
    let (group, topics) = (ask.group.clone(), ask.topics.clone());
    Part {
        group,
        topics,
        refused,
        asking: Box::pin(groups::ask(
            context,
            Operation::Describe,
            Ask::OffsetFetch(ask),
        )),
    }
}

/// One group's part, answered.
struct Answered {
    group: String,
    topics: Option<Vec<FetchTopic>>,
    refused: Vec<Refused>,
    fetched: Fetched,
}

fn respond(
    question: Question,
    image: &Image,
    answered: &[Answered],
) -> Result<Response, WireError> {
    if question.version < SEVERAL_VERSION_MIN {
        let only = answered.first();
        let response = only.map(|one| single(one, question.version));
        return question.encode(&response.unwrap_or_default());
    }
    let groups = answered.iter();
    let groups = groups.map(|one| of_group(one, image, question.version));
    question.encode(&OffsetFetchResponse {
        groups: groups.collect(),
        ..OffsetFetchResponse::default()
    })
}

/// The response of versions for one group.
fn single(answered: &Answered, version: i16) -> OffsetFetchResponse<'_> {
    let partition = |one: &FetchedPartition| OffsetFetchResponsePartition {
        partition_index: one.partition.get(),
        committed_offset: one.offset.get(),
        committed_leader_epoch: one.leader_epoch.get(),
        metadata: Some(Cow::Owned(one.metadata.clone())),
        error_code: one.error.code(),
    };
    match &answered.fetched {
        Ok(topics) => {
            let topics = topics.iter().map(|topic| OffsetFetchResponseTopic {
                name: Cow::Borrowed(&topic.name),
                partitions: topic.partitions.iter().map(partition).collect(),
            });
            let refused = answered.refused.iter();
            let refused = refused.map(|(topic, code)| OffsetFetchResponseTopic {
                name: Cow::Borrowed(&topic.name),
                partitions: nothing(topic, *code).map(|one| partition(&one)).collect(),
            });
            OffsetFetchResponse {
                topics: topics.chain(refused).collect(),
                ..OffsetFetchResponse::default()
            }
        }
        Err(refusal) if version >= WHOLE_ERROR_VERSION_MIN => OffsetFetchResponse {
            error_code: refusal.code.code(),
            ..OffsetFetchResponse::default()
        },
        Err(refusal) => {
            // Without a place for the whole, every partition carries its error.
            let refused = answered.refused.iter().map(|(topic, _)| topic);
            let topics = answered.topics.iter().flatten().chain(refused);
            let topics = topics.map(|topic| OffsetFetchResponseTopic {
                name: Cow::Borrowed(&topic.name),
                partitions: nothing(topic, refusal.code)
                    .map(|one| partition(&one))
                    .collect(),
            });
            OffsetFetchResponse {
                topics: topics.collect(),
                ..OffsetFetchResponse::default()
            }
        }
    }
}

fn of_group<'a>(
    answered: &'a Answered,
    image: &Image,
    version: i16,
) -> OffsetFetchResponseGroup<'a> {
    let group_id = Cow::Borrowed(answered.group.as_str());
    let fetched = match &answered.fetched {
        Ok(fetched) => fetched,
        Err(refusal) => {
            return OffsetFetchResponseGroup {
                group_id,
                topics: Vec::new(),
                error_code: refusal.code.code(),
            };
        }
    };
    let by_id = version >= BY_ID_VERSION_MIN;
    let id_of = |topic: &FetchedTopic| {
        let known = image.topic(&topic.name).map(|topic| topic.id);
        if topic.id.is_zero() {
            known
        } else {
            Some(topic.id)
        }
    };
    let known = fetched.iter().filter_map(|topic| {
        // A topic that is gone has offsets, for a while, but no id.
        let id = if by_id { id_of(topic)? } else { Uuid::ZERO };
        Some(OffsetFetchResponseTopics {
            name: Cow::Borrowed(&topic.name),
            topic_id: id,
            partitions: topic.partitions.iter().map(partition).collect(),
        })
    });
    let refused = answered.refused.iter().map(|(topic, code)| {
        let partitions = nothing(topic, *code);
        OffsetFetchResponseTopics {
            name: Cow::Borrowed(&topic.name),
            topic_id: topic.id,
            partitions: partitions.map(|one| partition(&one)).collect(),
        }
    });
    OffsetFetchResponseGroup {
        group_id,
        topics: known.chain(refused).collect(),
        error_code: ErrorCode::None.code(),
    }
}

fn partition(one: &FetchedPartition) -> OffsetFetchResponsePartitions<'static> {
    OffsetFetchResponsePartitions {
        partition_index: one.partition.get(),
        committed_offset: one.offset.get(),
        committed_leader_epoch: one.leader_epoch.get(),
        metadata: Some(Cow::Owned(one.metadata.clone())),
        error_code: one.error.code(),
    }
}

/// Partitions of which nothing but an error is known.
fn nothing(topic: &FetchTopic, error: ErrorCode) -> impl Iterator<Item = FetchedPartition> {
    topic
        .partitions
        .iter()
        .map(move |partition| FetchedPartition {
            partition: *partition,
            offset: base::Offset(-1),
            leader_epoch: LeaderEpoch::UNKNOWN,
            metadata: String::new(),
            committed_at: base::Timestamp::NONE,
            error,
        })
}

#[cfg(test)]
#[path = "../tests/offset_fetch_tests.rs"]
mod tests;
