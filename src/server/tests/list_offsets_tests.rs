//! A wrong answer here makes a consumer skip records or read them again.

use base::{ErrorCode, Timestamp};
use broker::ListTarget;
use wire::ApiKey;
use wire::list_offsets::{ListOffsetsResponse, ListOffsetsTopicResponse};

use super::{Found, NOTHING, target, written};
use crate::handlers::sample::check_every_version;

/// The first version of each special timestamp, and what becomes of it before; as Apache Kafka
/// 4.3.1 answered.
#[test]
fn special_timestamps_have_their_versions() {
    let rows = [
        (-1, ListTarget::Latest, 0),
        (-2, ListTarget::Earliest, 0),
        (-3, ListTarget::MaxTimestamp, 7),
        (-4, ListTarget::EarliestLocal, 8),
        (-5, ListTarget::LatestTiered, 9),
        (-6, ListTarget::EarliestPendingUpload, 11),
        (0, ListTarget::Timestamp(Timestamp(0)), 0),
        (
            1_700_000_000_000,
            ListTarget::Timestamp(Timestamp(1_700_000_000_000)),
            0,
        ),
    ];
    for (timestamp, expected, version_min) in rows {
        for version in 0..=11 {
            let expected = if version < version_min {
                Err(ErrorCode::UnsupportedVersion)
            } else {
                Ok(expected)
            };
            assert_eq!(
                target(timestamp, version),
                expected,
                "{timestamp} in {version}"
            );
        }
    }
    assert_eq!(target(-7, 11), Err(ErrorCode::UnsupportedVersion));
    assert_eq!(target(i64::MIN, 11), Err(ErrorCode::UnsupportedVersion));
}

/// Every version must be able to carry what was found and what was not.
#[test]
fn every_version_is_carried() {
    let found = |version| match version {
        0 => Found {
            old_style: vec![6, 0],
            ..NOTHING
        },
        _ => Found {
            timestamp: 5,
            offset: 6,
            leader_epoch: 7,
            old_style: Vec::new(),
        },
    };
    check_every_version(ApiKey::ListOffsets, |version| ListOffsetsResponse {
        throttle_time_ms: 0,
        topics: vec![ListOffsetsTopicResponse {
            name: "a".into(),
            partitions: vec![
                written((0, Ok(found(version))), version),
                written((1, Err(ErrorCode::FencedLeaderEpoch)), version),
            ],
        }],
    });
    assert_eq!(written((0, Ok(found(3))), 3).leader_epoch, -1);
    assert_eq!(written((0, Ok(found(4))), 4).leader_epoch, 7);
    let old = written((0, Ok(found(0))), 0);
    assert_eq!(old.old_style_offsets, [6, 0]);
}
