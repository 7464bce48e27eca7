//! AlterReplicaLogDirs (key 34), versions 0-2: partitions move between directories of this node.
//!
//! This node keeps its data in one directory, so a partition either is where it shall be already,
//! or shall go where there is nothing: LOG_DIR_NOT_FOUND.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-113); Kafka 4 dropped it (KIP-896)
//! - 1: the same layout (KIP-219); the first version of Kafka 4
//! - 2: flexible encoding (KIP-482)

use std::borrow::Cow;
use std::collections::BTreeMap;

use access::Operation;
use base::{ErrorCode, NodeId};
use metadata::Image;
use wire::WireError;
use wire::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{locate, read};
use crate::table::Request;

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AlterReplicaLogDirsRequest<'_> = read(&mut request)?;
    let broker = context.broker();
    let (image, node) = (broker.image(), broker.node_id());
    let denied = context.access().cluster(Operation::Alter).err();
    let mut codes: BTreeMap<&str, BTreeMap<i32, ErrorCode>> = BTreeMap::new();
    for dir in &asked.dirs {
        let has_dir = broker.has_log_dir(&dir.path);
        for topic in &dir.topics {
            let of_topic = codes.entry(&topic.name).or_default();
            for index in &topic.partitions {
                let code = match denied {
                    Some(code) => code,
                    None => judge(&image, node, has_dir, (&topic.name, *index)),
                };
                of_topic.insert(*index, code);
            }
        }
    }
    let results = codes.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter();
        AlterReplicaLogDirTopicResult {
            topic_name: Cow::Borrowed(name),
            partitions: partitions
                .map(
                    |(partition_index, code)| AlterReplicaLogDirPartitionResult {
                        partition_index,
                        error_code: code.code(),
                    },
                )
                .collect(),
        }
    });
    Ok(question.answer(&AlterReplicaLogDirsResponse {
        throttle_time_ms: 0,
        results: results.collect(),
    }))
}

fn judge(image: &Image, node: NodeId, has_dir: bool, (topic, index): (&str, i32)) -> ErrorCode {
    if !has_dir {
        return ErrorCode::LogDirNotFound;
    }
    match locate(image, node, topic, index) {
        // Leading is not asked for, only holding; with one node both are the same.
        Ok(_) | Err(ErrorCode::NotLeaderOrFollower) => ErrorCode::None,
        Err(code) => code,
    }
}

#[cfg(test)]
#[path = "../tests/alter_replica_log_dirs_tests.rs"]
mod tests;
