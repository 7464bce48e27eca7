//! DescribeTopicPartitions (key 75), version 0: topics in order of their names, page by page.
//!
//! No topics asks for all. A page holds as many partitions as the client and
//! `max.request.partition.size.limit` both allow, at least one; where more are to come, the
//! response's cursor names the first of them, and the client sends it back.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-966)

use std::borrow::Cow;
use std::collections::BTreeSet;

use access::{Operation, ResourceType};
use base::{ErrorCode, Uuid};
use metadata::decide::validate_topic_name;
use metadata::{Image, Topic};
use wire::WireError;
use wire::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
};

use crate::access::Access;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::read;
use crate::handlers::shown;
use crate::table::Request;

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeTopicPartitionsRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let alive = shown::alive(&shown::nodes(context, &image, false), &image);
    let limit_max = context.broker().config().network.describe_partitions_max;
    let limit_max = base::usize_from_u32(limit_max);
    let limit = base::usize_from_i32(asked.response_partition_limit).unwrap_or(0);
    let access = context.access();
    let view = View {
        image: &image,
        alive: &alive,
        access: &access,
    };
    let response = page(view, &asked, limit.min(limit_max).max(1));
    Ok(question.answer(&response))
}

/// Where a page begins.
struct Start<'a> {
    topic: &'a str,
    index: usize,
}

/// The cluster as one client sees it.
#[derive(Clone, Copy)]
struct View<'a, 'v> {
    image: &'a Image,
    alive: &'v shown::Alive,
    access: &'v Access,
}

fn page<'a>(
    view: View<'a, '_>,
    asked: &'a DescribeTopicPartitionsRequest<'_>,
    limit: usize,
) -> DescribeTopicPartitionsResponse<'a> {
    assert!(limit > 0, "a page without room would never end");
    let start = match &asked.cursor {
        None => Start {
            topic: "",
            index: 0,
        },
        Some(cursor) => match base::usize_from_i32(cursor.partition_index) {
            Some(index) => Start {
                topic: &cursor.topic_name,
                index,
            },
            None => return malformed(view.access, asked),
        },
    };
    let mut page = Page {
        view,
        start: &start,
        room: limit,
        topics: Vec::new(),
    };
    let rest = if asked.topics.is_empty() {
        let all = view
            .image
            .topics()
            .iter_from(start.topic)
            .map(|topic| &*topic.name);
        page.fill(all, true)
    } else {
        let named = asked.topics.iter().map(|topic| topic.name.as_ref());
        let mut names: BTreeSet<&str> = named.filter(|name| *name >= start.topic).collect();
        // Also when the cursor's topic is gone: the client hears that.
        names.extend(
            asked
                .cursor
                .as_ref()
                .map(|cursor| cursor.topic_name.as_ref()),
        );
        page.fill(names.into_iter(), false)
    };
    DescribeTopicPartitionsResponse {
        throttle_time_ms: 0,
        topics: page.topics,
        next_cursor: rest.map(|(topic_name, partition_index)| ResponseCursor {
            topic_name: Cow::Borrowed(topic_name),
            partition_index,
        }),
    }
}

struct Page<'a, 's> {
    view: View<'a, 's>,
    start: &'s Start<'s>,
    room: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
}

impl<'a> Page<'a, '_> {
    /// Fills the page; returns what the next one begins with. Topics that do not exist take no
    /// room, and are left out where nobody asked for them.
    fn fill(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        only_existing: bool,
    ) -> Option<(&'a str, i32)> {
        for name in names {
            if self.room == 0 {
                return Some((name, 0));
            }
            if self.view.access.topic(Operation::Describe, name).is_err() {
                if !only_existing {
                    self.topics.push(hidden(name));
                }
                continue;
            }
            match self.view.image.topic(name) {
                Some(topic) => {
                    if let Some(next) = self.add(topic) {
                        return Some((name, next));
                    }
                }
                None if only_existing => {}
                None => self.topics.push(unknown(self.view.access, name)),
            }
        }
        None
    }

    /// Adds a topic; returns the index of the first partition that found no room.
    fn add(&mut self, topic: &'a Topic) -> Option<i32> {
        let skip = if *topic.name == *self.start.topic {
            self.start.index
        } else {
            0
        };
        let eligible = shown::indexed(topic).skip(skip).take(self.room);
        let partitions: Vec<_> = eligible
            .map(|(index, partition)| {
                let shown = shown::partition(index, partition, self.view.alive);
                DescribeTopicPartitionsResponsePartition {
                    error_code: shown.error.code(),
                    partition_index: shown.index,
                    leader_id: shown.leader_id,
                    leader_epoch: shown.leader_epoch,
                    replica_nodes: shown.replicas,
                    isr_nodes: shown.isr,
                    eligible_leader_replicas: Some(shown::numbers(
                        &partition.eligible_leader_replicas,
                    )),
                    last_known_elr: Some(shown::numbers(&partition.last_known_leader)),
                    offline_replicas: shown.offline,
                }
            })
            .collect();
        let next = skip + partitions.len();
        self.room -= partitions.len();
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(Cow::Borrowed(&topic.name)),
            topic_id: topic.id,
            is_internal: shown::is_internal(&topic.name),
            partitions,
            topic_authorized_operations: self.view.operations(&topic.name),
        });
        (next < topic.partitions.len()).then(|| i32::try_from(next).unwrap_or(i32::MAX))
    }
}

impl View<'_, '_> {
    fn operations(&self, topic: &str) -> i32 {
        self.access.operations(ResourceType::Topic, topic)
    }
}

/// A topic that the client may not look at, there or not.
fn hidden(name: &str) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::TopicAuthorizationFailed.code(),
        name: Some(Cow::Borrowed(name)),
        ..Default::default()
    }
}

fn unknown<'a>(access: &Access, name: &'a str) -> DescribeTopicPartitionsResponseTopic<'a> {
    let code = match validate_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(refusal) => refusal.code,
    };
    failed(access, name, code)
}

fn failed<'a>(
    access: &Access,
    name: &'a str,
    code: ErrorCode,
) -> DescribeTopicPartitionsResponseTopic<'a> {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        name: Some(Cow::Borrowed(name)),
        topic_id: Uuid::ZERO,
        is_internal: shown::is_internal(name),
        partitions: Vec::new(),
        topic_authorized_operations: access.operations(ResourceType::Topic, name),
    }
}

/// A cursor before the first partition: every topic asked for is refused.
fn malformed<'a>(
    access: &Access,
    asked: &'a DescribeTopicPartitionsRequest<'_>,
) -> DescribeTopicPartitionsResponse<'a> {
    let topics = asked.topics.iter();
    DescribeTopicPartitionsResponse {
        topics: topics
            .map(|topic| failed(access, &topic.name, ErrorCode::InvalidRequest))
            .collect(),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "../tests/describe_topic_partitions_tests.rs"]
mod tests;
