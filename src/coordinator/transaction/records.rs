//! Records of `__transaction_state`: bytes and back.
//!
//! Written is version 1 of the value from `transaction.version` 1 on, as Kafka does, else
//! version 0, which has no room for what the second level needs. Read is everything.

use std::collections::BTreeSet;
use std::fmt;

use base::{PartitionIndex, ProducerEpoch, ProducerId, TopicPartition};
use wire::record::transaction_state_transaction_log::{
    PartitionsSchema, TransactionLogKey, TransactionLogValue,
};
use wire::{Fault, TransactionStateKey, WireError, decode_versioned, encode_versioned};

use super::state::Durable;
use super::{TransactionLevel, TransactionStatus};
use crate::Record;

/// A record of the log that does not make sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionReplayError {
    /// The bytes do not follow the format.
    Format(WireError),
    /// The state is none that is ever written.
    Status(i8),
}

impl fmt::Display for TransactionReplayError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record of __transaction_state does not follow its format (")?;
        match self {
            Self::Format(source) => write!(formatter, "{source}")?,
            Self::Status(number) => write!(formatter, "there is no state {number}")?,
        }
        formatter
            .write_str("); the partition cannot be loaded: restore it from a replica or a backup")
    }
}

impl std::error::Error for TransactionReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Format(source) => Some(source),
            Self::Status(_) => None,
        }
    }
}

impl From<WireError> for TransactionReplayError {
    fn from(source: WireError) -> Self {
        Self::Format(source)
    }
}

/// The version of values under this `transaction.version`.
pub(crate) const fn value_version(transaction_version: i16) -> i16 {
    if transaction_version >= 1 { 1 } else { 0 }
}

/// The transactional id of a key; nothing for kinds that a later Kafka added.
pub(crate) fn decode_key(bytes: &[u8]) -> Result<Option<String>, TransactionReplayError> {
    match TransactionStateKey::decode(bytes) {
        Ok(TransactionStateKey::TransactionLog(key)) => Ok(Some(key.transactional_id.into_owned())),
        Err(WireError {
            fault: Fault::RecordUnknown { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<Durable, TransactionReplayError> {
    let (_, value): (_, TransactionLogValue<'_>) = decode_versioned(bytes)?;
    let number = value.transaction_status;
    let status = TransactionStatus::from_number(number);
    let status = status.ok_or(TransactionReplayError::Status(number))?;
    let mut partitions = BTreeSet::new();
    for topic in value.transaction_partitions.iter().flatten() {
        partitions.extend(topic.partition_ids.iter().map(|partition| TopicPartition {
            topic: topic.topic.clone().into_owned(),
            partition: PartitionIndex(*partition),
        }));
    }
    Ok(Durable {
        producer_id: ProducerId(value.producer_id),
        previous_id: ProducerId(value.previous_producer_id),
        next_id: ProducerId(value.next_producer_id),
        epoch: ProducerEpoch(value.producer_epoch),
        timeout_ms: value.transaction_timeout_ms,
        status,
        partitions,
        updated_at: value.transaction_last_update_timestamp_ms,
        started_at: value.transaction_start_timestamp_ms,
        level: TransactionLevel::from_number(value.client_transaction_version),
    })
}

/// The record that says what is so; nothing for "it is gone".
#[expect(
    clippy::expect_used,
    reason = "texts come from requests, whose strings are no longer than a record's may be"
)]
pub(crate) fn encode(
    transactional_id: &str,
    durable: Option<&Durable>,
    transaction_version: i16,
) -> Record {
    let key = TransactionStateKey::TransactionLog(TransactionLogKey {
        transactional_id: transactional_id.into(),
    });
    let version = value_version(transaction_version);
    Record {
        key: key.encode().expect("a key fits its format"),
        value: durable.map(|durable| {
            let value = value(durable, version);
            encode_versioned(&value, version).expect("a value fits its format")
        }),
    }
}

fn value(durable: &Durable, version: i16) -> TransactionLogValue<'_> {
    // Kafka writes null, and not an empty list, in the state in which there are never any.
    let is_none = durable.status == TransactionStatus::Empty;
    assert!(
        !is_none || durable.partitions.is_empty(),
        "no partitions without a transaction"
    );
    let mut value = TransactionLogValue {
        producer_id: durable.producer_id.0,
        producer_epoch: durable.epoch.0,
        transaction_timeout_ms: durable.timeout_ms,
        transaction_status: durable.status.number(),
        transaction_partitions: (!is_none).then(|| by_topic(&durable.partitions)),
        transaction_last_update_timestamp_ms: durable.updated_at,
        transaction_start_timestamp_ms: durable.started_at,
        ..TransactionLogValue::default()
    };
    if version >= 1 {
        value.previous_producer_id = durable.previous_id.0;
        value.next_producer_id = durable.next_id.0;
        value.client_transaction_version = durable.level.number();
    }
    value
}

fn by_topic(partitions: &BTreeSet<TopicPartition>) -> Vec<PartitionsSchema<'_>> {
    let mut topics: Vec<PartitionsSchema<'_>> = Vec::new();
    for one in partitions {
        match topics.last_mut() {
            Some(last) if last.topic == one.topic => last.partition_ids.push(one.partition.0),
            _ => topics.push(PartitionsSchema {
                topic: one.topic.as_str().into(),
                partition_ids: vec![one.partition.0],
            }),
        }
    }
    topics
}
