//! AlterReplicaLogDirs (key 34), versions 0-2: partitions move between directories of this node.
//!
//! The answer comes when the moves have begun; DescribeLogDirs tells how far they are. A move to
//! where the partition lies ends the one that is under way.
//!
//! Deviations from Apache Kafka: a directory is named as in `log.dirs`, also where that is relative
//! to the directory that the node was started in. Kafka remembers the directory for a partition
//! that does not exist yet; here it is refused and forgotten.
//!
//! - 0: first layout (KIP-113); Kafka 4 dropped it (KIP-896)
//! - 1: the same layout (KIP-219); the first version of Kafka 4
//! - 2: flexible encoding (KIP-482)

use std::borrow::Cow;
use std::collections::BTreeMap;

use access::Operation;
use base::{ErrorCode, PartitionIndex};
use broker::{Broker, MoveRefusal};
use wire::WireError;
use wire::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// What was asked or answered for each partition of each topic.
type ByPartition<T> = BTreeMap<String, BTreeMap<i32, T>>;

/// Begins the moves, one after the other.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AlterReplicaLogDirsRequest<'_> = read(&mut request)?;
    let denied = context.access().cluster(Operation::Alter).err();
    let mut wanted = ByPartition::<String>::new();
    for dir in &asked.dirs {
        for topic in &dir.topics {
            let of_topic = wanted.entry(topic.name.to_string()).or_default();
            for index in &topic.partitions {
                // Of a partition that is asked for twice the last one counts, as in Kafka.
                of_topic.insert(*index, dir.path.to_string());
            }
        }
    }
    if let Some(denied) = denied {
        let refused = wanted.into_iter().map(|(topic, partitions)| {
            let partitions = partitions.into_keys().map(|index| (index, denied));
            (topic, partitions.collect())
        });
        let codes = refused.collect();
        return Ok(Answer::Now(question.encode(&response(&codes))?));
    }
    let broker = context.broker().clone();
    let beginning = begin(
        context.core(),
        async move { begin_all(&broker, wanted).await },
    );
    Ok(Answer::Later(Box::pin(async move {
        let codes = beginning.await.unwrap_or_default();
        question.encode(&response(&codes))
    })))
}

async fn begin_all(broker: &Broker, wanted: ByPartition<String>) -> ByPartition<ErrorCode> {
    let mut codes = ByPartition::new();
    for (topic, partitions) in wanted {
        let mut of_topic = BTreeMap::new();
        for (index, path) in partitions {
            let begun = broker.move_partition(&topic, PartitionIndex(index), &path);
            of_topic.insert(index, begun.await.map_or_else(code, |()| ErrorCode::None));
        }
        codes.insert(topic, of_topic);
    }
    codes
}

fn code(refusal: MoveRefusal) -> ErrorCode {
    match refusal {
        MoveRefusal::NoDirectory => ErrorCode::LogDirNotFound,
        MoveRefusal::Offline => ErrorCode::KafkaStorageError,
        MoveRefusal::Unknown => ErrorCode::UnknownTopicOrPartition,
        MoveRefusal::NotHere => ErrorCode::ReplicaNotAvailable,
        MoveRefusal::NameTooLong => ErrorCode::InvalidTopicException,
    }
}

fn response(codes: &ByPartition<ErrorCode>) -> AlterReplicaLogDirsResponse<'_> {
    let results = codes.iter().map(|(name, partitions)| {
        let partitions = partitions.iter();
        AlterReplicaLogDirTopicResult {
            topic_name: Cow::Borrowed(name),
            partitions: partitions
                .map(|(index, code)| AlterReplicaLogDirPartitionResult {
                    partition_index: *index,
                    error_code: code.code(),
                })
                .collect(),
        }
    });
    AlterReplicaLogDirsResponse {
        throttle_time_ms: 0,
        results: results.collect(),
    }
}

#[cfg(test)]
#[path = "../tests/alter_replica_log_dirs_tests.rs"]
mod tests;
