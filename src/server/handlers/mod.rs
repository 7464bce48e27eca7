//! One file per API, and what all of them share: reading a request whole, finding a partition,
//! and seeing a decision to its end.
//!
//! Invariants: a handler decodes, starts its work and returns; it never waits itself, so the
//! requests behind it are dispatched meanwhile. What waits owns its data. A decision of the
//! controller, once begun, is not abandoned because its client is.

use std::future::Future;
use std::time::Duration;

use ::metadata::Image;
use base::{ErrorCode, LeaderEpoch, NodeId, PartitionIndex};
use broker::PartitionId;
use reactor::{Core, First, Reply, first};
use wire::{Decode, WireError};

use crate::table::Request;

mod acls;
pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod alter_client_quotas;
pub(crate) mod alter_configs;
pub(crate) mod alter_partition_reassignments;
pub(crate) mod alter_replica_log_dirs;
pub(crate) mod alter_user_scram_credentials;
mod altering;
pub(crate) mod api_versions;
pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod create_acls;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_acls;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_acls;
pub(crate) mod describe_client_quotas;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_quorum;
pub(crate) mod describe_topic_partitions;
pub(crate) mod describe_transactions;
pub(crate) mod describe_user_scram_credentials;
pub(crate) mod elect_leaders;
pub(crate) mod end_txn;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod get_telemetry_subscriptions;
mod groups;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_config_resources;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_partition_reassignments;
pub(crate) mod list_transactions;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod push_telemetry;
mod shown;
pub(crate) mod sync_group;
mod transactions;
pub(crate) mod txn_offset_commit;
pub(crate) mod unregister_broker;
pub(crate) mod update_features;
pub(crate) mod write_txn_markers;

/// The request. Bytes behind it are passed over, as Kafka does: librdkafka leaves some behind a
/// Metadata request for one topic.
pub(crate) fn read<'f, M: Decode<'f>>(request: &mut Request<'f>) -> Result<M, WireError> {
    M::decode(&mut request.reader, request.question.version)
}

/// Where a partition is, if this node leads it.
pub(crate) fn locate(
    image: &Image,
    node: NodeId,
    topic: &str,
    index: i32,
) -> Result<PartitionId, ErrorCode> {
    let topic = image
        .topic(topic)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let index = PartitionIndex(index);
    let partition = topic
        .partition(index)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if partition.leader != Some(node) {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    Ok(PartitionId {
        topic: topic.id,
        index,
    })
}

/// Whether a client that believes in the leader epoch `believed` may be answered by the leader of
/// epoch `current` (KIP-320); a client without a belief may.
pub(crate) fn check_epoch(current: LeaderEpoch, believed: LeaderEpoch) -> Result<(), ErrorCode> {
    if believed < LeaderEpoch(0) {
        return Ok(());
    }
    match believed.cmp(&current) {
        std::cmp::Ordering::Less => Err(ErrorCode::FencedLeaderEpoch),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(ErrorCode::UnknownLeaderEpoch),
    }
}

/// Work that goes on to its end whether or not anybody waits for it.
pub(crate) fn begin<R: Send + 'static>(
    core: &Core,
    work: impl Future<Output = R> + 'static,
) -> Reply<R> {
    let (replier, answer) = reactor::reply();
    core.spawn(async move { replier.send(work.await) });
    answer
}

/// What the work gave, unless the client's patience ended first; the work goes on then.
pub(crate) async fn within<R: Send>(core: &Core, patience_ms: i32, work: Reply<R>) -> Option<R> {
    let patience = Duration::from_millis(u64::try_from(patience_ms).unwrap_or(0));
    match first(work, core.sleep(patience)).await {
        First::Left(Ok(result)) => Some(result),
        // The other end goes only when this core does.
        First::Left(Err(_)) | First::Right(()) => None,
    }
}

#[cfg(test)]
#[path = "../tests/sample.rs"]
pub(crate) mod sample;
