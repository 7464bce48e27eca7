//! The one place where what went wrong becomes an error code of Kafka.
//!
//! Rooms below tell faults apart by what happened; clients tell codes apart by what to do next:
//! ask again (the leader may have moved), mend the request, or give up. So the rule here: what
//! heals by itself gets a code that clients retry, what is the client's mistake gets Kafka's code
//! for that mistake, and what is wrong with this node's devices is KAFKA_STORAGE_ERROR. Nothing
//! becomes UNKNOWN_SERVER_ERROR, at which producers give up without knowing whether they wrote.

use base::ErrorCode;
use batch::legacy::LegacyFault;
use batch::{BatchError, CodecError, RecordFault, Refusals};
use broker::{
    AppendError, ControllerError, FetchError, MarkerFailure, ProducerError, ReplicaRefusal,
    StorageError, Unavailable,
};
use metadata::Refusal;

/// The code of a partition that cannot be worked on.
pub(crate) fn of_unavailable(unavailable: Unavailable) -> ErrorCode {
    match unavailable {
        Unavailable::Unknown => ErrorCode::UnknownTopicOrPartition,
        // Both end by themselves: the client refreshes its metadata and comes back.
        Unavailable::Opening | Unavailable::Stopping => ErrorCode::NotLeaderOrFollower,
        Unavailable::Offline => ErrorCode::KafkaStorageError,
    }
}

/// What every topic of a request is told when the controller did not decide.
pub(crate) fn refusal_of_controller(error: &ControllerError) -> Refusal {
    let code = match error {
        ControllerError::Refused(refusal) => return refusal.clone(),
        // Administrators' clients look for the controller anew and ask again.
        ControllerError::NotLeading(_) | ControllerError::Stopping => ErrorCode::NotController,
        ControllerError::Storage(_) => ErrorCode::KafkaStorageError,
    };
    Refusal::new(code, error.to_string())
}

/// What every topic of a request is told when the client's timeout ended first.
pub(crate) fn timed_out() -> Refusal {
    let text = "The request timed out; what it asked for may still be done.";
    Refusal::new(ErrorCode::RequestTimedOut, text)
}

/// The code of a fault of a log.
pub(crate) fn of_storage(error: &StorageError) -> ErrorCode {
    match error {
        StorageError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        StorageError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        // Its topic was deleted, or the node stops: ask again and hear which.
        StorageError::Closed => ErrorCode::NotLeaderOrFollower,
        // Producers try again until their own patience ends; there may be room by then.
        StorageError::DiskFull { .. }
        | StorageError::Io(_)
        | StorageError::Offline { .. }
        | StorageError::Corrupt { .. }
        | StorageError::Metadata { .. } => ErrorCode::KafkaStorageError,
    }
}

/// The code of a read that gave nothing.
pub(crate) fn of_fetch(error: &FetchError) -> ErrorCode {
    match error {
        FetchError::OutOfRange => ErrorCode::OffsetOutOfRange,
        // Kafka's own code for a batch that its checks refuse. Java's consumer throws it with the
        // offset and librdkafka hands it to the application; at KAFKA_STORAGE_ERROR both ask
        // again for ever without a word, and nothing would heal meanwhile.
        FetchError::Storage(StorageError::Corrupt { .. }) => ErrorCode::CorruptMessage,
        FetchError::Storage(error) => of_storage(error),
    }
}

/// The records that a client is told to leave out, each with the reason.
pub(crate) type RefusedRecords = Vec<(i32, Option<String>)>;

/// What a producer is told of a batch that was not appended: the code, the reason for people, and
/// the records that were to blame.
pub(crate) fn of_append(error: &AppendError) -> (ErrorCode, Option<String>, RefusedRecords) {
    let code = match error {
        AppendError::Batch(error) => of_batch(error),
        AppendError::Replica(ReplicaRefusal::NotLeader) => ErrorCode::NotLeaderOrFollower,
        AppendError::Replica(ReplicaRefusal::NotEnoughReplicas) => ErrorCode::NotEnoughReplicas,
        AppendError::Replica(ReplicaRefusal::Producer(error)) => of_producer(error),
        AppendError::Transaction(code, _) => *code,
        AppendError::CodecTooNew => ErrorCode::UnsupportedCompressionType,
        AppendError::Storage(error) => of_storage(error),
    };
    let records = match error {
        AppendError::Batch(error) => refused_records(error),
        _ => Vec::new(),
    };
    (code, Some(error.to_string()), records)
}

/// The code of a marker that was not written.
pub(crate) fn of_marker(error: &MarkerFailure) -> ErrorCode {
    match error {
        MarkerFailure::Refused(error) => of_append(error).0,
        MarkerFailure::Gone => ErrorCode::UnknownTopicOrPartition,
        MarkerFailure::Unavailable(unavailable) => of_unavailable(*unavailable),
    }
}

/// The code of bytes that are no batch, or none that the topic takes.
pub(crate) fn of_batch(error: &BatchError) -> ErrorCode {
    match error {
        // The bytes are not what the producer meant to send; it sends them again.
        BatchError::Length { .. }
        | BatchError::Checksum { .. }
        | BatchError::Codec(CodecError::Malformed { .. }) => ErrorCode::CorruptMessage,
        BatchError::TooLarge { .. }
        | BatchError::Codec(CodecError::TooLarge { .. })
        | BatchError::Record {
            fault: RecordFault::TooLarge { .. },
            ..
        } => ErrorCode::MessageTooLarge,
        BatchError::UnknownCodec { .. } | BatchError::Legacy(LegacyFault::CodecTooNew) => {
            ErrorCode::UnsupportedCompressionType
        }
        BatchError::Refused(Refusals {
            has_timestamp: true,
            ..
        }) => ErrorCode::InvalidTimestamp,
        // The producer made them this way and would do so again.
        BatchError::Truncated { .. }
        | BatchError::Magic { .. }
        | BatchError::NoBatch
        | BatchError::SeveralBatches
        | BatchError::BaseOffset { .. }
        | BatchError::Count { .. }
        | BatchError::ControlBatch
        | BatchError::Sequence { .. }
        | BatchError::Record { .. }
        | BatchError::TrailingBytes
        | BatchError::Legacy(_)
        | BatchError::Refused(_) => ErrorCode::InvalidRecord,
    }
}

/// The code of a batch that its producer's earlier ones forbid.
fn of_producer(error: &ProducerError) -> ErrorCode {
    match error {
        ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        // Produce keeps the older code for a fenced producer (KIP-588).
        ProducerError::InvalidEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        ProducerError::InvalidTransactionState { .. } | ProducerError::Unverified => {
            ErrorCode::InvalidTxnState
        }
        ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
    }
}

/// The records that made a batch unacceptable, with the reason for each (KIP-467).
fn refused_records(error: &BatchError) -> RefusedRecords {
    let BatchError::Refused(refusals) = error else {
        return Vec::new();
    };
    let records = refusals.records.iter();
    records
        .map(|refusal| {
            let index = i32::try_from(refusal.index).unwrap_or(i32::MAX);
            (index, Some(refusal.reason.to_string()))
        })
        .collect()
}

#[cfg(test)]
#[path = "tests/fault_tests.rs"]
mod tests;
