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

/// Every well-formed request is asked about further, whatever its timeout: that is a matter of the
/// coordinator, and means nothing without one.
#[test]
fn half_a_producer_is_nonsense() {
    for id in [None, Some("x")] {
        for expected in [(-1, -1), (5, 3), (0, 0)] {
            assert_eq!(refusal(&asked(id, 0, expected)), None);
        }
        for expected in [(5, -1), (-1, 3)] {
            let code = refusal(&asked(id, 0, expected));
            assert_eq!(code, Some(ErrorCode::InvalidRequest));
        }
    }
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
