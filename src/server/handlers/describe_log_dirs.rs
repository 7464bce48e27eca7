//! DescribeLogDirs (key 35), versions 0-5: what lies in this node's log directories.
//!
//! A size is the bytes of a partition's segments as they will be read; the volume's numbers are the
//! system's. Partitions that are asked for and are not here are left out. A partition on its way to
//! another directory is told of in both, there as a future one with how far it is behind.
//!
//! Deviations from Apache Kafka: a directory is named as in `log.dirs`, also where that is relative
//! to the directory that the node was started in.
//!
//! - 0: first layout (KIP-113); Kafka 4 dropped it (KIP-896)
//! - 1: the same layout (KIP-219); the first version of Kafka 4
//! - 2: flexible encoding (KIP-482)
//! - 3: the response gains error_code
//! - 4: the response gains the volume's total and usable bytes (KIP-827)
//! - 5: the response gains is_cordoned (KIP-1066)

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use access::Operation;
use base::{ErrorCode, TopicPartition};
use broker::LogDir;
use wire::WireError;
use wire::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest,
    DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Partitions that are asked for; nothing asks for all.
type Wanted = Option<BTreeSet<(String, i32)>>;

/// Asks every core what it has, and answers when all have told.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeLogDirsRequest<'_> = read(&mut request)?;
    if let Err(code) = context.access().cluster(Operation::Describe) {
        return Ok(question.answer(&DescribeLogDirsResponse {
            error_code: code.code(),
            ..DescribeLogDirsResponse::default()
        }));
    }
    let wanted = asked.topics.as_deref().map(wanted);
    let broker = context.broker().clone();
    let looking = begin(context.core(), async move { broker.log_dirs().await });
    Ok(Answer::Later(Box::pin(async move {
        let dirs = looking.await.unwrap_or_default();
        let results = dirs.iter().map(|dir| result(dir, &wanted));
        question.encode(&DescribeLogDirsResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::None.code(),
            results: results.collect(),
        })
    })))
}

fn wanted(topics: &[DescribableLogDirTopic<'_>]) -> BTreeSet<(String, i32)> {
    let pairs = topics.iter().flat_map(|topic| {
        let indexes = topic.partitions.iter();
        indexes.map(|index| (topic.topic.to_string(), *index))
    });
    pairs.collect()
}

fn result<'a>(dir: &'a LogDir, wanted: &Wanted) -> DescribeLogDirsResult<'a> {
    let bytes = |count: Option<u64>| count.map_or(-1, |count| i64::try_from(count).unwrap_or(-1));
    let is_offline = dir.offline.is_some();
    let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for log in dir.logs.iter().filter(|_| !is_offline) {
        let name = &log.partition;
        if is_wanted(wanted, name) {
            let partition = DescribeLogDirsPartition {
                partition_index: name.partition.get(),
                partition_size: i64::try_from(log.bytes).unwrap_or(i64::MAX),
                offset_lag: log.copy_lag.unwrap_or(0),
                is_future_key: log.copy_lag.is_some(),
            };
            topics.entry(&name.topic).or_default().push(partition);
        }
    }
    let code = if is_offline {
        ErrorCode::KafkaStorageError
    } else {
        ErrorCode::None
    };
    DescribeLogDirsResult {
        error_code: code.code(),
        log_dir: Cow::Borrowed(&dir.path),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic {
                name: Cow::Borrowed(name),
                partitions,
            })
            .collect(),
        total_bytes: bytes(dir.total_bytes.filter(|_| !is_offline)),
        usable_bytes: bytes(dir.usable_bytes.filter(|_| !is_offline)),
        is_cordoned: dir.is_cordoned,
    }
}

fn is_wanted(wanted: &Wanted, name: &TopicPartition) -> bool {
    let Some(wanted) = wanted else { return true };
    wanted.contains(&(name.topic.clone(), name.partition.get()))
}

#[cfg(test)]
#[path = "../tests/describe_log_dirs_tests.rs"]
mod tests;
