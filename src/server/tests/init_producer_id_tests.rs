//! An idempotent producer cannot start without an id, and must not wait for what never comes.

use base::ErrorCode;
use wire::init_producer_id::InitProducerIdRequest;

use super::{refusal, refuse};
use crate::answer::Question;
use crate::table::API_TABLE;

fn asked(
    transactional_id: Option<&'static str>,
    timeout_ms: i32,
    (id, epoch): (i64, i16),
) -> InitProducerIdRequest<'static> {
    InitProducerIdRequest {
        transactional_id: transactional_id.map(Into::into),
        transaction_timeout_ms: timeout_ms,
        producer_id: id,
        producer_epoch: epoch,
        ..Default::default()
    }
}

/// Without a transactional id every well-formed request gets an id, as in Kafka; the timeout of
/// transactions means nothing there.
#[test]
fn idempotent_producers_are_served() {
    for (id, epoch) in [(-1, -1), (5, 3), (0, 0)] {
        assert_eq!(refusal(&asked(None, 0, (id, epoch)), 900_000), None);
    }
    for (id, epoch) in [(5, -1), (-1, 3)] {
        let code = refusal(&asked(None, 0, (id, epoch)), 900_000);
        assert_eq!(code, Some(ErrorCode::InvalidRequest));
    }
}

/// With one, what can never succeed is told apart from what waits for a coordinator.
#[test]
fn transactional_producers_are_told_why_not() {
    let code = |id, timeout_ms| refusal(&asked(Some(id), timeout_ms, (-1, -1)), 900_000);
    assert_eq!(code("", 1000), Some(ErrorCode::InvalidRequest));
    assert_eq!(code("x", 0), Some(ErrorCode::InvalidTransactionTimeout));
    assert_eq!(
        code("x", 900_001),
        Some(ErrorCode::InvalidTransactionTimeout)
    );
    assert_eq!(code("x", 900_000), Some(ErrorCode::CoordinatorNotAvailable));
}

/// Every version must be able to carry a refusal.
#[test]
fn every_version_is_carried() {
    let row = API_TABLE
        .iter()
        .find(|row| row.key == wire::ApiKey::InitProducerId)
        .unwrap();
    for version in row.versions().iter() {
        let question = Question {
            key: row.key,
            version,
            correlation_id: 7,
        };
        assert!(
            refuse(question, ErrorCode::CoordinatorNotAvailable).is_ok(),
            "{version}"
        );
    }
}
