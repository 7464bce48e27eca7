//! What a producer is told while its coordinator cannot say yes. Kafka 4.3 tells a producer that adds
//! partitions by writing that its last transaction is still ending, and those before it a code
//! that they know: a new client that reads NOT_ENOUGH_REPLICAS looks for a fault that is not there.

use base::ErrorCode;

use super::{Custom, told};

#[test]
fn a_new_producer_is_told_that_its_last_transaction_is_ending() {
    let code = ErrorCode::ConcurrentTransactions;
    assert_eq!(told(code, Custom::Added), code);
    for old in [Custom::Verified, Custom::VerifiedAbortable] {
        assert_eq!(told(code, old), ErrorCode::NotEnoughReplicas);
    }
}

#[test]
fn a_coordinator_that_moves_is_nobodys_concern() {
    for code in [
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotCoordinator,
    ] {
        for custom in [Custom::Verified, Custom::VerifiedAbortable, Custom::Added] {
            assert_eq!(told(code, custom), ErrorCode::NotEnoughReplicas);
        }
    }
}

#[test]
fn an_old_producer_knows_no_code_for_aborting() {
    let code = ErrorCode::TransactionAbortable;
    assert_eq!(told(code, Custom::Verified), ErrorCode::InvalidTxnState);
    assert_eq!(told(code, Custom::VerifiedAbortable), code);
    assert_eq!(
        told(ErrorCode::ProducerFenced, Custom::Added),
        ErrorCode::InvalidProducerEpoch
    );
}
