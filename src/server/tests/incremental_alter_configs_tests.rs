//! What is refused must be refused before anything is set, and each resource must get its own
//! answer at its own place; administrators' clients match answers with questions.

use base::{ErrorCode, NodeId};
use metadata::{Refusal, Resource};
use wire::ApiKey;
use wire::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    IncrementalAlterConfigsResponse,
};

use super::sort;
use crate::handlers::altering::{settle, told};
use crate::handlers::sample::check_every_version;

fn resource(kind: i8, name: &'static str, operation: i8) -> AlterConfigsResource<'static> {
    AlterConfigsResource {
        resource_type: kind,
        resource_name: name.into(),
        configs: vec![AlterableConfig {
            name: "key".into(),
            config_operation: operation,
            value: Some("value".into()),
        }],
    }
}

/// The texts are those of Apache Kafka 4.3.1.
#[test]
fn resources_of_others_are_refused_here() {
    let asked = [
        resource(77, "x", 0),
        resource(4, "2", 0),
        resource(4, "x", 0),
        resource(8, "3", 0),
        resource(8, "1", 0),
        resource(8, "1", 2),
        resource(2, "t", 9),
        resource(4, "1", 0),
        resource(4, "", 0),
    ];
    let (lines, alters) = sort(&asked, &crate::access::Access::OPEN, NodeId(1));
    let texts: Vec<String> = lines
        .iter()
        .filter_map(|line| line.known.clone()?.err())
        .map(|refusal| refusal.message)
        .collect();
    let expected = [
        "Unknown resource type 77",
        "Unexpected broker id, expected 1, but received 2",
        "Node id must be an integer, but it is: x",
        "Unexpected node id. Expected 1, but received 3",
        "Logger key does not exist!",
        "APPEND operation is not allowed for the BROKER_LOGGER resource",
        "Unknown operation 9 on key; 0 sets, 1 deletes, 2 appends, 3 subtracts",
    ];
    assert_eq!(texts, expected);
    let asked: Vec<_> = alters.iter().map(|alter| alter.resource.clone()).collect();
    assert_eq!(
        asked,
        [Resource::broker(NodeId(1)), Resource::cluster_default()]
    );
}

/// What the controller says belongs to the resources that it was asked about.
#[test]
fn outcomes_keep_their_places() {
    let asked = [
        resource(2, "a", 0),
        resource(77, "x", 0),
        resource(2, "b", 0),
    ];
    let (lines, _) = sort(&asked, &crate::access::Access::OPEN, NodeId(1));
    let refusal = Refusal::new(ErrorCode::InvalidConfig, "no");
    let decided = vec![
        (Resource::topic("a"), Ok(())),
        (Resource::topic("b"), Err(refusal)),
    ];
    let settled = settle(lines, Ok(decided));
    let codes: Vec<i16> = settled
        .iter()
        .map(|(_, _, refusal)| told(refusal.as_ref()).0)
        .collect();
    assert_eq!(codes, [0, 42, 40]);
}

#[test]
fn every_version_is_carried() {
    check_every_version(ApiKey::IncrementalAlterConfigs, |_| {
        IncrementalAlterConfigsResponse {
            throttle_time_ms: 0,
            responses: vec![AlterConfigsResourceResponse {
                error_code: 40,
                error_message: Some("no".into()),
                resource_type: 2,
                resource_name: "a".into(),
            }],
        }
    });
}
