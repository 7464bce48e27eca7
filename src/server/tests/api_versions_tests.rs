//! ApiVersions is the first thing every client asks; a wrong answer locks it out.

use base::{ErrorCode, NodeId};
use wire::api_versions::ApiVersionsRequest;
use wire::{ApiKey, Reader};

use super::{check, is_software_word, served, supported};
use crate::handlers::sample::{check_every_version, cluster};
use crate::table::API_TABLE;

fn asked(name: &str, cluster: Option<&str>, node: i32) -> ApiVersionsRequest<'static> {
    ApiVersionsRequest {
        client_software_name: name.to_owned().into(),
        client_software_version: "1.0".into(),
        cluster_id: cluster.map(|id| id.to_owned().into()),
        node_id: node,
    }
}

/// Older Java clients fail to read a feature that begins at level zero (KAFKA-17011).
#[test]
fn version_3_leaves_out_features_from_level_zero() {
    let names = |version| -> Vec<(String, i16)> {
        let features = supported(version).into_iter();
        features
            .map(|feature| (feature.name.into_owned(), feature.min_version))
            .collect()
    };
    assert_eq!(names(3), [("metadata.version".to_owned(), 7)]);
    assert!(names(4).contains(&("group.version".to_owned(), 0)));
}

/// Clients act on what is finalised: the Java client ends transactions in another way from
/// transaction.version 2 on, and joins share groups where share.version is on.
#[test]
fn only_what_is_served_is_promised() {
    let image = cluster(1, &[]);
    let response = served(&image, 4, true);
    let finalised: Vec<(&str, i16)> = response
        .finalized_features
        .iter()
        .map(|one| (&*one.name, one.max_version_level))
        .collect();
    let expected = [
        ("eligible.leader.replicas.version", 1),
        ("group.version", 1),
        ("metadata.version", 33),
        ("transaction.version", 2),
    ];
    assert_eq!(finalised, expected);
    for unserved in ["share.version", "streams.version"] {
        let mut features = response.supported_features.iter();
        assert!(features.all(|feature| feature.name != unserved));
    }
}

/// librdkafka before 2.11 gives up on brokers whose first Produce version is above zero.
#[test]
fn produce_is_advertised_from_version_0() {
    let image = cluster(1, &[]);
    let response = served(&image, 0, true);
    let produce = response
        .api_keys
        .iter()
        .find(|row| row.api_key == ApiKey::Produce.code());
    assert_eq!(produce.map(|row| row.min_version), Some(0));
    assert_eq!(response.api_keys.len(), API_TABLE.len());
    assert!(response.supported_features.is_empty());
}

/// What is not served is not listed, but for Produce, which must look as it does in Kafka 4.
#[test]
fn without_the_legacy_floor_the_versions_of_kafka_4_are_listed() {
    let image = cluster(1, &[]);
    let floor = |legacy| -> Vec<i16> {
        let response = served(&image, 0, legacy);
        let keys = [
            ApiKey::Produce,
            ApiKey::Fetch,
            ApiKey::ListOffsets,
            ApiKey::CreateTopics,
        ];
        let found = keys.map(|key| {
            let mut rows = response.api_keys.iter();
            rows.find(|row| row.api_key == key.code())
                .unwrap()
                .min_version
        });
        found.to_vec()
    };
    assert_eq!(floor(true), [0, 0, 0, 0]);
    assert_eq!(floor(false), [0, 4, 1, 2]);
}

/// A level of zero is "off", which is told by leaving the feature out.
#[test]
fn finalised_features_are_those_that_are_on() {
    let image = cluster(1, &[]);
    let response = served(&image, 4, true);
    assert_eq!(response.finalized_features_epoch, image.offset().get());
    assert!(
        response
            .finalized_features
            .iter()
            .all(|feature| feature.max_version_level > 0)
    );
    let names: Vec<&str> = response
        .finalized_features
        .iter()
        .map(|one| &*one.name)
        .collect();
    assert!(names.contains(&"metadata.version") && !names.contains(&"kraft.version"));
}

/// The words end up in metrics and logs, so Kafka takes only harmless ones (KIP-511).
#[test]
fn software_words_are_checked() {
    for good in ["a", "apache-kafka-java", "1.0.3-rc1", "9"] {
        assert!(is_software_word(good), "{good}");
    }
    for bad in ["", "-a", "a-", ".", "a b", "a_b", "ä"] {
        assert!(!is_software_word(bad), "{bad}");
    }
}

/// A client that was led to another cluster must not go on as if nothing were wrong (KIP-1242).
#[test]
fn a_misled_client_is_told() {
    let check =
        |asked: &ApiVersionsRequest<'_>, version| check(asked, version, "cluster", NodeId(1));
    assert_eq!(check(&asked("x", None, -1), 5), Ok(()));
    assert_eq!(check(&asked("x", Some("cluster"), 1), 5), Ok(()));
    let rebootstrap = Err(ErrorCode::RebootstrapRequired);
    assert_eq!(check(&asked("x", Some("other"), 1), 5), rebootstrap);
    assert_eq!(check(&asked("x", Some("cluster"), 2), 5), rebootstrap);
    let invalid = Err(ErrorCode::InvalidRequest);
    assert_eq!(check(&asked("x", Some("cluster"), -1), 5), invalid);
    assert_eq!(check(&asked("x", None, 1), 5), invalid);
    assert_eq!(check(&asked("-", None, -1), 3), invalid);
    assert_eq!(check(&asked("", None, -1), 2), Ok(()));
}

/// Every version must be able to carry the whole answer.
#[test]
fn every_version_is_carried() {
    let image = cluster(1, &[]);
    check_every_version(ApiKey::ApiVersions, |version| served(&image, version, true));
}

/// A malformed request must be an error, not a guess.
#[test]
fn a_cut_request_is_refused() {
    use wire::Decode;
    let cut = [9_u8, b'x'];
    assert!(ApiVersionsRequest::decode(&mut Reader::new(&cut), 3).is_err());
}
