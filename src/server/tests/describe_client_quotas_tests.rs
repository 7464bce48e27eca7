//! Who asks for one user's limits must not see another's. Texts and codes are those of Apache Kafka
//! 4.3.1.

use metadata::{Change, Image, QuotaEntity, QuotaValue};
use wire::ApiKey;
use wire::describe_client_quotas::{ComponentData, DescribeClientQuotasResponse};

use super::{filter, found};
use crate::handlers::sample::{check_every_version, cluster};

fn component(
    kind: &'static str,
    match_type: i8,
    name: Option<&'static str>,
) -> ComponentData<'static> {
    ComponentData {
        entity_type: kind.into(),
        match_type,
        r#match: name.map(Into::into),
    }
}

fn image() -> Image {
    let mut image = cluster(1, &[]);
    let entities: [&[(&str, Option<&str>)]; 4] = [
        &[("user", Some("u"))],
        &[("user", None)],
        &[("user", Some("u")), ("client-id", Some("c"))],
        &[("ip", Some("127.0.0.1"))],
    ];
    for entity in entities {
        let parts = entity
            .iter()
            .map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned)));
        let change = Change::ClientQuota {
            entity: QuotaEntity(parts.collect()),
            key: "producer_byte_rate".into(),
            value: Some(QuotaValue(7.0)),
        };
        image.apply(&change).unwrap();
    }
    image
}

#[test]
fn filters_choose_entities() {
    let image = image();
    let count = |components: &[ComponentData<'_>], strict| {
        found(&image, &filter(components).unwrap(), strict).len()
    };
    assert_eq!(count(&[], false), 4);
    assert_eq!(count(&[], true), 0);
    assert_eq!(count(&[component("user", 0, Some("u"))], false), 2);
    assert_eq!(count(&[component("user", 0, Some("u"))], true), 1);
    assert_eq!(count(&[component("user", 1, None)], false), 1);
    assert_eq!(count(&[component("user", 2, None)], false), 3);
    assert_eq!(count(&[component("ip", 2, None)], true), 1);
    check_every_version(ApiKey::DescribeClientQuotas, |_| {
        DescribeClientQuotasResponse {
            entries: Some(found(&image, &filter(&[]).unwrap(), false)),
            ..Default::default()
        }
    });
}

#[test]
fn filters_are_refused() {
    let refused = |components: &[ComponentData<'_>]| {
        let refusal = filter(components).unwrap_err();
        (refusal.code.code(), refusal.message)
    };
    let any = |kind| component(kind, 2, None);
    assert_eq!(refused(&[any("user"), any("user")]).0, 42);
    assert_eq!(refused(&[any("ip"), any("user")]).0, 42);
    assert_eq!(
        refused(&[any("planet")]),
        (35, "Unsupported entity type planet".into())
    );
    assert_eq!(refused(&[any("")]).1, "Invalid empty entity type.");
    assert_eq!(
        refused(&[component("user", 7, None)]).1,
        "Unknown match type 7"
    );
    assert_eq!(refused(&[component("user", 0, None)]).0, 42);
    assert_eq!(refused(&[component("user", 1, Some("x"))]).0, 42);
}
