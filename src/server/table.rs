//! The protocol on one screen: which APIs are served, at which versions, by which handler.
//!
//! ApiVersions is answered from this table and README's list is checked against it, so a version
//! is served exactly when it is advertised.

use std::borrow::Cow;

use reactor::Bytes;
use wire::{ApiKey, Reader, VersionRange};

use crate::answer::{Answer, Part, Question, Response};
use crate::context::Context;
use crate::counters::Row;
use crate::handlers;

/// One API that is served.
pub struct ApiRow {
    /// The API.
    pub key: ApiKey,
    /// The first version served.
    pub version_min: i16,
    /// The last version served.
    pub version_max: i16,
    /// Versions below this one are served only while `forebay.legacy.protocol.enable` is true.
    pub legacy_below: i16,
    handle: Handler,
}

/// A request on its way to its handler.
pub(crate) struct Request<'f> {
    /// What is asked, and how to answer.
    pub(crate) question: Question,
    /// What the client calls itself; empty where it does not say.
    pub(crate) client_id: Cow<'f, str>,
    /// The frame, for record bytes that outlive the handler's call.
    pub(crate) frame: &'f Bytes,
    /// Positioned at the request itself.
    pub(crate) reader: Reader<'f>,
}

type Handler = fn(&Context, Request<'_>) -> Result<Answer, wire::WireError>;

const fn row(key: ApiKey, version_min: i16, version_max: i16, handle: Handler) -> ApiRow {
    ApiRow {
        key,
        version_min,
        version_max,
        legacy_below: version_min,
        handle,
    }
}

/// Every API that is served, a line each.
#[rustfmt::skip]
pub static API_TABLE: &[ApiRow] = &[
    row(ApiKey::Produce, 0, 13, handlers::produce::handle).legacy_below(3),
    row(ApiKey::Fetch, 0, 18, handlers::fetch::handle).legacy_below(4),
    row(ApiKey::ListOffsets, 0, 11, handlers::list_offsets::handle).legacy_below(1),
    row(ApiKey::Metadata, 0, 13, handlers::metadata::handle),
    row(ApiKey::OffsetCommit, 0, 10, handlers::offset_commit::handle).legacy_below(2),
    row(ApiKey::OffsetFetch, 0, 10, handlers::offset_fetch::handle).legacy_below(1),
    row(ApiKey::FindCoordinator, 0, 6, handlers::find_coordinator::handle),
    row(ApiKey::JoinGroup, 0, 9, handlers::join_group::handle),
    row(ApiKey::Heartbeat, 0, 4, handlers::heartbeat::handle),
    row(ApiKey::LeaveGroup, 0, 5, handlers::leave_group::handle),
    row(ApiKey::SyncGroup, 0, 5, handlers::sync_group::handle),
    row(ApiKey::DescribeGroups, 0, 6, handlers::describe_groups::handle),
    row(ApiKey::ListGroups, 0, 5, handlers::list_groups::handle),
    row(ApiKey::ApiVersions, 0, 5, handlers::api_versions::handle),
    row(ApiKey::CreateTopics, 0, 7, handlers::create_topics::handle).legacy_below(2),
    row(ApiKey::DeleteTopics, 0, 6, handlers::delete_topics::handle).legacy_below(1),
    row(ApiKey::DeleteRecords, 0, 2, handlers::delete_records::handle),
    row(ApiKey::InitProducerId, 0, 5, handlers::init_producer_id::handle),
    row(ApiKey::AddPartitionsToTxn, 0, 5, handlers::add_partitions_to_txn::handle),
    row(ApiKey::AddOffsetsToTxn, 0, 4, handlers::add_offsets_to_txn::handle),
    row(ApiKey::EndTxn, 0, 5, handlers::end_txn::handle),
    row(ApiKey::WriteTxnMarkers, 0, 2, handlers::write_txn_markers::handle).legacy_below(1),
    row(ApiKey::TxnOffsetCommit, 0, 6, handlers::txn_offset_commit::handle),
    row(ApiKey::OffsetForLeaderEpoch, 0, 4, handlers::offset_for_leader_epoch::handle).legacy_below(2),
    row(ApiKey::DescribeAcls, 0, 3, handlers::describe_acls::handle).legacy_below(1),
    row(ApiKey::CreateAcls, 0, 3, handlers::create_acls::handle).legacy_below(1),
    row(ApiKey::DeleteAcls, 0, 3, handlers::delete_acls::handle).legacy_below(1),
    row(ApiKey::DescribeConfigs, 0, 4, handlers::describe_configs::handle).legacy_below(1),
    row(ApiKey::AlterConfigs, 0, 2, handlers::alter_configs::handle),
    row(ApiKey::AlterReplicaLogDirs, 0, 2, handlers::alter_replica_log_dirs::handle).legacy_below(1),
    row(ApiKey::DescribeLogDirs, 0, 5, handlers::describe_log_dirs::handle).legacy_below(1),
    row(ApiKey::CreatePartitions, 0, 3, handlers::create_partitions::handle),
    row(ApiKey::DeleteGroups, 0, 3, handlers::delete_groups::handle),
    row(ApiKey::ElectLeaders, 0, 2, handlers::elect_leaders::handle),
    row(ApiKey::IncrementalAlterConfigs, 0, 1, handlers::incremental_alter_configs::handle),
    row(ApiKey::AlterPartitionReassignments, 0, 1, handlers::alter_partition_reassignments::handle),
    row(ApiKey::ListPartitionReassignments, 0, 0, handlers::list_partition_reassignments::handle),
    row(ApiKey::OffsetDelete, 0, 0, handlers::offset_delete::handle),
    row(ApiKey::DescribeClientQuotas, 0, 1, handlers::describe_client_quotas::handle),
    row(ApiKey::AlterClientQuotas, 0, 1, handlers::alter_client_quotas::handle),
    row(ApiKey::DescribeUserScramCredentials, 0, 0, handlers::describe_user_scram_credentials::handle),
    row(ApiKey::AlterUserScramCredentials, 0, 0, handlers::alter_user_scram_credentials::handle),
    row(ApiKey::DescribeQuorum, 0, 2, handlers::describe_quorum::handle),
    row(ApiKey::UpdateFeatures, 0, 2, handlers::update_features::handle),
    row(ApiKey::DescribeCluster, 0, 2, handlers::describe_cluster::handle),
    row(ApiKey::DescribeProducers, 0, 0, handlers::describe_producers::handle),
    row(ApiKey::UnregisterBroker, 0, 0, handlers::unregister_broker::handle),
    row(ApiKey::DescribeTransactions, 0, 0, handlers::describe_transactions::handle),
    row(ApiKey::ListTransactions, 0, 2, handlers::list_transactions::handle),
    row(ApiKey::ConsumerGroupHeartbeat, 0, 1, handlers::consumer_group_heartbeat::handle),
    row(ApiKey::ConsumerGroupDescribe, 0, 1, handlers::consumer_group_describe::handle),
    row(ApiKey::GetTelemetrySubscriptions, 0, 0, handlers::get_telemetry_subscriptions::handle),
    row(ApiKey::PushTelemetry, 0, 0, handlers::push_telemetry::handle),
    row(ApiKey::ListConfigResources, 0, 1, handlers::list_config_resources::handle),
    row(ApiKey::DescribeTopicPartitions, 0, 0, handlers::describe_topic_partitions::handle),
];

impl ApiRow {
    /// The same row, its versions below `version` being those that Kafka 4 dropped (KIP-896).
    const fn legacy_below(mut self, version: i16) -> Self {
        assert!(self.version_min < version && version <= self.version_max);
        self.legacy_below = version;
        self
    }

    /// All versions that can be served.
    #[must_use]
    pub fn versions(&self) -> VersionRange {
        self.served(true)
    }

    /// The versions served with or without those that Kafka 4 dropped.
    #[must_use]
    pub fn served(&self, legacy: bool) -> VersionRange {
        VersionRange {
            min: if legacy {
                self.version_min
            } else {
                self.legacy_below
            },
            max: self.version_max,
        }
    }
}

/// The first bytes of every request: key, version, correlation id.
struct Prefix {
    key: i16,
    version: i16,
    correlation_id: i32,
}

fn prefix(frame: &[u8]) -> Option<Prefix> {
    let (key, rest) = frame.split_first_chunk::<2>()?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (correlation_id, _) = rest.split_first_chunk::<4>()?;
    Some(Prefix {
        key: i16::from_be_bytes(*key),
        version: i16::from_be_bytes(*version),
        correlation_id: i32::from_be_bytes(*correlation_id),
    })
}

/// Decodes a frame's header and hands the request to its handler; the row is for counting.
pub(crate) fn dispatch(context: &Context, frame: Bytes) -> (Row, Answer) {
    context.counters().requests.increment();
    let prefix = prefix(&frame);
    let row = prefix.as_ref().and_then(|prefix| {
        let mut rows = API_TABLE.iter();
        rows.position(|row| row.key.code() == prefix.key)
    });
    let answer = match prefix {
        Some(prefix) => try_dispatch(context, &frame, prefix, row),
        None => Ok(Answer::Close(
            "a request shorter than the shortest header".to_owned(),
        )),
    };
    let reason = match answer {
        Ok(Answer::Close(reason)) => reason,
        Ok(answer) => return (row, answer),
        Err(error) => error.to_string(),
    };
    context.counters().requests_refused.increment();
    (row, Answer::Close(reason))
}

fn try_dispatch(
    context: &Context,
    frame: &Bytes,
    prefix: Prefix,
    row: Row,
) -> Result<Answer, wire::WireError> {
    let row = row.and_then(|row| API_TABLE.get(row));
    let legacy = context.serves_legacy();
    let row = match row {
        Some(row) if row.served(legacy).contains(prefix.version) => row,
        Some(row) if row.key == ApiKey::ApiVersions => {
            return Ok(handlers::api_versions::unsupported(
                context,
                prefix.correlation_id,
            ));
        }
        _ => {
            context.counters().requests_refused.increment();
            tracing::debug!(
                peer = %context.connection.peer(),
                api_key = prefix.key,
                version = prefix.version,
                "request for an API or version that is not served"
            );
            return Ok(unsupported(prefix.correlation_id));
        }
    };
    let mut reader = Reader::new(frame);
    let (key, header) = wire::decode_request_header(&mut reader)?;
    let question = Question {
        key,
        version: prefix.version,
        correlation_id: header.correlation_id,
    };
    (row.handle)(
        context,
        Request {
            question,
            client_id: header.client_id.unwrap_or_default(),
            frame,
            reader,
        },
    )
}

/// The shortest response that says UNSUPPORTED_VERSION (35): the header and the error code that
/// most responses begin with.
fn unsupported(correlation_id: i32) -> Answer {
    let mut response = Vec::with_capacity(10);
    response.extend_from_slice(&6_i32.to_be_bytes());
    response.extend_from_slice(&correlation_id.to_be_bytes());
    response.extend_from_slice(&base::ErrorCode::UnsupportedVersion.code().to_be_bytes());
    Answer::Now(Response {
        parts: vec![Part::Bytes(Bytes::from(response))],
        errors: vec![base::ErrorCode::UnsupportedVersion.code()],
    })
}

#[cfg(test)]
#[path = "tests/table_tests.rs"]
mod tests;
