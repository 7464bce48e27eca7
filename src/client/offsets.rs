//! From "the beginning" or "yesterday noon" to an offset (ListOffsets, KIP-79).

use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, Timestamp};
use wire::Request;
use wire::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};

use crate::cluster::Client;
use crate::error::ClientError;

/// Which offset is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that the log still has.
    Earliest,
    /// The one behind the last record that consumers may read.
    Latest,
    /// The one below which every transaction has ended.
    LatestStable,
    /// The first record of this time or later.
    At(Timestamp),
    /// The record with the greatest timestamp (KIP-734).
    MaxTimestamp,
}

impl OffsetSpec {
    const fn number(self) -> i64 {
        match self {
            Self::Latest | Self::LatestStable => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::At(timestamp) => timestamp.0,
        }
    }
}

impl Client {
    /// The offset for `spec`, or nothing when no record is as young as the time asked for.
    ///
    /// # Errors
    /// When the partition has no leader that answers in time.
    pub async fn offset(
        &self,
        topic: &str,
        partition: PartitionIndex,
        spec: OffsetSpec,
    ) -> Result<Option<Offset>, ClientError> {
        let give_up = self.core().now() + self.options().retry_time_max;
        loop {
            match self.try_offset(topic, partition, spec).await {
                Err(error) if error.is_retriable() && self.core().now() < give_up => {
                    self.forget(topic);
                    self.core().sleep(self.options().retry_pause).await;
                }
                done => return done,
            }
        }
    }

    async fn try_offset(
        &self,
        topic: &str,
        partition: PartitionIndex,
        spec: OffsetSpec,
    ) -> Result<Option<Offset>, ClientError> {
        let leader = self.leader(topic, partition).await?;
        let connection = self.broker(leader.node).await?;
        let version = connection.version(ListOffsetsRequest::KEY)?;
        if version == 0 {
            // Version 0 speaks of segments, not of records; brokers since 0.10.1 know better.
            let subject = format!("ListOffsets at {}", connection.peer());
            let code = ErrorCode::UnsupportedVersion;
            return Err(ClientError::Refused {
                subject,
                code,
                message: None,
            });
        }
        let wanted = ListOffsetsPartition {
            partition_index: partition.0,
            current_leader_epoch: leader.epoch.0,
            timestamp: spec.number(),
            ..ListOffsetsPartition::default()
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            isolation_level: i8::from(spec == OffsetSpec::LatestStable),
            topics: vec![ListOffsetsTopic {
                name: topic.into(),
                partitions: vec![wanted],
            }],
            timeout_ms: i32::try_from(self.options().request_timeout.as_millis())
                .unwrap_or(i32::MAX),
        };
        let allowed = self.options().request_timeout + Duration::from_secs(1);
        let answer = connection.call(&request, allowed).await?;
        let response: ListOffsetsResponse<'_> = answer.decode()?;
        let found = response
            .topics
            .first()
            .and_then(|topic| topic.partitions.first());
        let Some(found) = found else {
            return Err(ClientError::Unexpected {
                peer: connection.peer().to_owned(),
                detail: "an answer to ListOffsets without the partition asked for".to_owned(),
            });
        };
        match ErrorCode::from_code(found.error_code) {
            ErrorCode::None => Ok((found.offset >= 0).then_some(Offset(found.offset))),
            code => {
                let subject = format!("{topic}-{partition}");
                Err(ClientError::Refused {
                    subject,
                    code,
                    message: None,
                })
            }
        }
    }
}
