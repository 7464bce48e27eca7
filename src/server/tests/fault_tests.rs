//! Producers decide by the code whether to send again, so each fault has exactly the right one.

use base::{ErrorCode, Offset, ProducerEpoch, ProducerId, Timestamp};
use batch::{BatchError, Codec, CodecError, RecordFault, Refusal, RefusalReason, Refusals};
use broker::ProducerError;
use broker::StorageError;
use broker::{ControllerError, Unavailable};

use super::{
    of_batch, of_producer, of_storage, of_unavailable, refusal_of_controller, refused_records,
};

/// What ends by itself is retried by clients; what does not, is not.
#[test]
fn unavailable_partitions_are_asked_again() {
    assert_eq!(
        of_unavailable(Unavailable::Opening),
        ErrorCode::NotLeaderOrFollower
    );
    assert_eq!(
        of_unavailable(Unavailable::Stopping),
        ErrorCode::NotLeaderOrFollower
    );
    assert_eq!(
        of_unavailable(Unavailable::Unknown),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        of_unavailable(Unavailable::Offline),
        ErrorCode::KafkaStorageError
    );
}

fn refused(reason: RefusalReason) -> BatchError {
    BatchError::Refused(Refusals {
        records: vec![Refusal { index: 3, reason }],
        total: 1,
        has_timestamp: reason != RefusalReason::NoKey,
    })
}

/// The codes that Apache Kafka gives for the same bytes.
#[test]
fn batches_have_the_codes_of_kafka() {
    let malformed = CodecError::Malformed {
        codec: Codec::Lz4,
        reason: String::new(),
    };
    let too_large = CodecError::TooLarge {
        codec: Codec::Lz4,
        bytes_max: 1,
    };
    let record = |fault| BatchError::Record { index: 0, fault };
    let sequence = BatchError::Sequence {
        producer_id: ProducerId(1),
        base_sequence: -1,
    };
    let rows = [
        (
            BatchError::Checksum {
                stored: 1,
                computed: 2,
            },
            ErrorCode::CorruptMessage,
        ),
        (BatchError::Length { length: 3 }, ErrorCode::CorruptMessage),
        (BatchError::Codec(malformed), ErrorCode::CorruptMessage),
        (BatchError::Codec(too_large), ErrorCode::MessageTooLarge),
        (
            BatchError::TooLarge {
                bytes: 2,
                bytes_max: 1,
            },
            ErrorCode::MessageTooLarge,
        ),
        (
            record(RecordFault::TooLarge { bytes: 9 }),
            ErrorCode::MessageTooLarge,
        ),
        (
            record(RecordFault::OffsetDelta { found: 9 }),
            ErrorCode::InvalidRecord,
        ),
        (
            BatchError::UnknownCodec { id: 7 },
            ErrorCode::UnsupportedCompressionType,
        ),
        (BatchError::Magic { magic: 1 }, ErrorCode::InvalidRecord),
        (BatchError::NoBatch, ErrorCode::InvalidRecord),
        (BatchError::SeveralBatches, ErrorCode::InvalidRecord),
        (
            BatchError::BaseOffset {
                base_offset: Offset(1),
            },
            ErrorCode::InvalidRecord,
        ),
        (BatchError::ControlBatch, ErrorCode::InvalidRecord),
        (BatchError::TrailingBytes, ErrorCode::InvalidRecord),
        (sequence, ErrorCode::InvalidRecord),
        (refused(RefusalReason::NoKey), ErrorCode::InvalidRecord),
        (
            refused(RefusalReason::LogAppendTimeFromProducer),
            ErrorCode::InvalidTimestamp,
        ),
    ];
    for (error, code) in rows {
        assert_eq!(of_batch(&error), code, "{error}");
    }
}

/// A producer is told which of its records were refused and why (KIP-467).
#[test]
fn refused_records_are_named() {
    let range = RefusalReason::TimestampOutOfRange {
        timestamp: Timestamp(1),
        earliest: Timestamp(2),
        latest: Timestamp(3),
    };
    let records = refused_records(&refused(range));
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].0, 3);
    assert!(
        records[0]
            .1
            .as_ref()
            .is_some_and(|text| text.contains("[2, 3]"))
    );
    assert!(refused_records(&BatchError::NoBatch).is_empty());
}

/// Sequence faults are fatal to a producer, so no other fault may look like one.
#[test]
fn producers_have_the_codes_of_kafka() {
    let epoch = ProducerEpoch(1);
    let rows = [
        (
            ProducerError::OutOfOrderSequence { found: 5, last: 1 },
            ErrorCode::OutOfOrderSequenceNumber,
        ),
        (
            ProducerError::InvalidEpoch {
                found: epoch,
                current: epoch,
            },
            ErrorCode::InvalidProducerEpoch,
        ),
        (
            ProducerError::InvalidTransactionState {
                transaction_start: Offset(1),
            },
            ErrorCode::InvalidTxnState,
        ),
        (ProducerError::Unverified, ErrorCode::InvalidTxnState),
        (
            ProducerError::CoordinatorFenced {
                found: 1,
                current: 2,
            },
            ErrorCode::TransactionCoordinatorFenced,
        ),
    ];
    for (error, code) in rows {
        assert_eq!(of_producer(&error), code, "{error:?}");
    }
}

/// A device that failed and an offset that is gone lead a client to different places.
#[test]
fn storage_faults_are_told_apart() {
    let out_of_range = StorageError::OutOfRange {
        offset: Offset(9),
        log_start: Offset(0),
        log_end: Offset(5),
    };
    assert_eq!(of_storage(&out_of_range), ErrorCode::OffsetOutOfRange);
    assert_eq!(
        of_storage(&StorageError::Closed),
        ErrorCode::NotLeaderOrFollower
    );
    let metadata = StorageError::Metadata {
        path: "x".into(),
        reason: "y".into(),
    };
    assert_eq!(of_storage(&metadata), ErrorCode::KafkaStorageError);
    let large = StorageError::TooLarge {
        bytes: 2,
        bytes_max: 1,
    };
    assert_eq!(of_storage(&large), ErrorCode::MessageTooLarge);
    let refusal = refusal_of_controller(&ControllerError::Storage(metadata));
    assert_eq!(refusal.code, ErrorCode::KafkaStorageError);
    assert!(!refusal.message.is_empty());
    let stopping = refusal_of_controller(&ControllerError::Stopping);
    assert_eq!(stopping.code, ErrorCode::NotController);
}
