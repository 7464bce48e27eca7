//! Tools list first and then describe what was listed, so a name that is missing cannot be found.

use metadata::{Change, Resource, ResourceKind};
use wire::ApiKey;
use wire::list_config_resources::ListConfigResourcesResponse;

use super::{listed, wanted};
use crate::handlers::sample::{check_every_version, cluster};

#[test]
fn every_kind_is_listed() {
    let mut image = cluster(2, &[("a", 1), ("b", 1)]);
    for (kind, name) in [
        (ResourceKind::Group, "g"),
        (ResourceKind::ClientMetrics, "m"),
    ] {
        let resource = Resource {
            kind,
            name: name.into(),
        };
        let change = Change::Config {
            resource,
            key: "k".into(),
            value: Some("v".into()),
        };
        image.apply(&change).unwrap();
    }
    let names = |code| {
        let found = listed(&image, code).into_iter();
        found
            .map(|one| one.resource_name.into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(2), ["a", "b"]);
    assert_eq!(names(4), ["1", "2"]);
    assert_eq!(names(8), ["1", "2"]);
    assert_eq!(names(16), ["m"]);
    assert_eq!(names(32), ["g"]);
}

/// Version 0 knew one type only; no type means all; an unknown one is an error for the whole.
#[test]
fn types_are_chosen() {
    assert_eq!(
        wanted(&[], 0).unwrap().into_iter().collect::<Vec<_>>(),
        [16]
    );
    assert_eq!(wanted(&[], 1).unwrap().len(), 5);
    assert_eq!(wanted(&[2, 2], 1).unwrap().len(), 1);
    assert_eq!(wanted(&[2, 99], 1), None);
}

#[test]
fn every_version_is_carried() {
    let image = cluster(1, &[("a", 1)]);
    // Version 0 carries names of subscriptions alone, so it must be given nothing else.
    check_every_version(ApiKey::ListConfigResources, |version| {
        let code = if version == 0 { 16 } else { 2 };
        ListConfigResourcesResponse {
            config_resources: listed(&image, code),
            ..Default::default()
        }
    });
}
