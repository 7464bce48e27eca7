//! Tools read all keys of a topic, change one and write all back, so every key must be there.

use base::{ErrorCode, NodeId};
use config::{BrokerConfig, Inputs};
use metadata::{Change, Image, Resource};
use wire::ApiKey;
use wire::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
};

use super::Describer;
use crate::handlers::sample::{check_every_version, cluster};

fn image() -> Image {
    let mut image = cluster(1, &[("a", 1)]);
    let change = Change::Config {
        resource: Resource::topic("a"),
        key: "retention.ms".into(),
        value: Some("77".into()),
    };
    image.apply(&change).unwrap();
    image
}

fn resource(
    kind: i8,
    name: &'static str,
    keys: Option<&[&'static str]>,
) -> DescribeConfigsResource<'static> {
    DescribeConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configuration_keys: keys.map(|keys| keys.iter().map(|key| (*key).into()).collect()),
    }
}

/// Describes one resource, with or without all extras.
fn check<R>(
    asked: &DescribeConfigsResource<'_>,
    extras: bool,
    look: impl FnOnce(&DescribeConfigsResult<'_>) -> R,
) -> R {
    let image = image();
    let config = BrokerConfig::load(&Inputs::default()).unwrap();
    let describer = Describer {
        access: crate::access::Access::OPEN,
        image: &image,
        settings: &config.settings,
        node: NodeId(1),
        synonyms: extras,
        documentation: extras,
    };
    look(&describer.result(asked))
}

/// Null and an empty list ask for all keys; names ask for those of them that exist.
#[test]
fn keys_are_filtered() {
    let count = |keys| {
        check(&resource(2, "a", keys), false, |result| {
            result.configs.len()
        })
    };
    assert!(count(None) > 30);
    assert_eq!(count(Some(&[])), count(None));
    assert_eq!(count(Some(&["retention.ms", "no.such.key"])), 1);
}

/// What a topic sets itself comes with its source, and with what lies behind it when asked.
#[test]
fn a_topic_value_has_its_source() {
    let asked = resource(2, "a", Some(&["retention.ms"]));
    check(&asked, true, |result| {
        let retention = &result.configs[0];
        assert_eq!(retention.value.as_deref(), Some("77"));
        assert_eq!(retention.config_source, 1);
        assert_eq!(retention.synonyms[0].name, "retention.ms");
        assert!(retention.documentation.is_some());
    });
    check(&asked, false, |result| {
        assert!(result.configs[0].synonyms.is_empty());
        assert!(result.configs[0].documentation.is_none());
    });
}

/// Each resource that cannot be described says why; ksqlDB and Connect act on the code.
#[test]
fn refusals_have_their_codes() {
    let code = |kind, name| {
        check(&resource(kind, name, None), false, |result| {
            assert_eq!(result.error_message.is_some(), result.error_code != 0);
            ErrorCode::from_code(result.error_code)
        })
    };
    assert_eq!(code(2, "nope"), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(code(2, "n@pe"), ErrorCode::InvalidTopicException);
    assert_eq!(code(4, "1"), ErrorCode::None);
    assert_eq!(code(4, ""), ErrorCode::None);
    assert_eq!(code(4, "2"), ErrorCode::InvalidRequest);
    assert_eq!(code(4, "x"), ErrorCode::InvalidRequest);
    assert_eq!(code(8, "1"), ErrorCode::None);
    assert_eq!(code(8, ""), ErrorCode::InvalidRequest);
    assert_eq!(code(16, "subscription"), ErrorCode::None);
    assert_eq!(code(16, ""), ErrorCode::InvalidRequest);
    assert_eq!(code(32, "group"), ErrorCode::None);
    assert_eq!(code(32, ""), ErrorCode::InvalidRequest);
    assert_eq!(code(5, "x"), ErrorCode::InvalidRequest);
}

/// Every version must be able to carry a full description.
#[test]
fn every_version_is_carried() {
    check(&resource(4, "1", None), true, |result| {
        assert!(result.configs.len() > 200);
        check_every_version(ApiKey::DescribeConfigs, |_| DescribeConfigsResponse {
            throttle_time_ms: 0,
            results: vec![result.clone()],
        });
    });
}
