//! A client must be able to go on whatever is changed under it, and cost no more than its pace.
#![allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of these tests are small"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use base::Uuid;
use config::ClientTraits;
use metadata::{Change, Image, Resource, ResourceKind};

use super::{ClientMetrics, INSTANCES_MAX, TelemetryRefusal, demand};
use crate::otlp::{Point, PointKind};

fn subscribe(image: &mut Image, name: &str, pairs: &[(&str, &str)]) {
    for (key, value) in pairs {
        let change = Change::Config {
            resource: Resource {
                kind: ResourceKind::ClientMetrics,
                name: name.into(),
            },
            key: (*key).into(),
            value: Some((*value).into()),
        };
        image.apply(&change).unwrap();
    }
}

fn client(id: &str) -> ClientTraits {
    ClientTraits {
        client_id: id.into(),
        ..ClientTraits::default()
    }
}

/// Subscriptions add up: all prefixes, the shortest interval; `*` swallows the rest.
#[test]
fn subscriptions_add_up() {
    let mut image = Image::new("cluster");
    let none = demand(&image, Uuid(5), &client("a"));
    assert_eq!((none.metrics.len(), none.interval_ms), (0, 300_000));
    subscribe(
        &mut image,
        "one",
        &[("metrics", "x.,y."), ("interval.ms", "5000")],
    );
    subscribe(
        &mut image,
        "two",
        &[("metrics", "z."), ("match", "client_id=b.*")],
    );
    let of_a = demand(&image, Uuid(5), &client("a"));
    assert_eq!(of_a.metrics, ["x.", "y."]);
    assert_eq!(of_a.interval_ms, 5000);
    assert_eq!(demand(&image, Uuid(5), &client("bb")).metrics.len(), 3);
    assert_ne!(of_a.subscription_id, none.subscription_id);
    assert_eq!(of_a, demand(&image, Uuid(5), &client("a")));
    subscribe(&mut image, "three", &[("metrics", "*")]);
    assert_eq!(demand(&image, Uuid(5), &client("a")).metrics, ["*"]);
}

#[test]
fn a_client_is_held_to_its_pace() {
    let mut image = Image::new("cluster");
    subscribe(
        &mut image,
        "one",
        &[("metrics", "*"), ("interval.ms", "1000")],
    );
    let metrics = ClientMetrics::default();
    let ms = Duration::from_millis;
    let now = demand(&image, Uuid(5), &client("a"));
    let ask = |at| metrics.ask(&now, client("a"), ms(at));
    let push = |at, id, last| metrics.begin_push(&now, client("a"), id, last, ms(at));
    let id = now.subscription_id;
    assert_eq!(ask(10), Ok(()));
    assert_eq!(ask(20), Err(TelemetryRefusal::TooSoon));
    assert_eq!(
        push(30, id, false),
        Ok(()),
        "the first push may come at any time"
    );
    assert_eq!(push(40, id, false), Err(TelemetryRefusal::TooSoon));
    assert_eq!(push(1030, id, false), Ok(()));
    let unknown = Err(TelemetryRefusal::UnknownSubscription);
    assert_eq!(push(2030, id + 1, false), unknown);
    assert_eq!(ask(2031), Ok(()), "who was sent back may ask at once");
    assert_eq!(push(2032, id, true), Ok(()));
    assert_eq!(push(9000, id, false), Err(TelemetryRefusal::Terminating));
}

#[test]
fn deltas_add_up_and_a_new_demand_begins_anew() {
    let mut image = Image::new("cluster");
    subscribe(&mut image, "one", &[("metrics", "*")]);
    let metrics = ClientMetrics::default();
    let first = demand(&image, Uuid(5), &client("a"));
    metrics.ask(&first, client("a"), Duration::ZERO).unwrap();
    let point = |value, kind| Point {
        name: "n".into(),
        attributes: BTreeMap::new(),
        value,
        kind,
    };
    metrics.take(Uuid(5), vec![point(2.0, PointKind::Delta)]);
    metrics.take(Uuid(5), vec![point(3.0, PointKind::Delta)]);
    metrics.take(Uuid(6), vec![point(3.0, PointKind::Delta)]);
    let pushed = metrics.values(None).unwrap();
    assert_eq!(pushed.instance_id, Uuid(5));
    let values = pushed.values;
    assert_eq!((values.len(), values[0].value), (1, 5.0));
    assert!(values[0].is_counter);
    assert_eq!(metrics.values(Some(Uuid(5))), None, "nobody else was asked");
    subscribe(&mut image, "one", &[("metrics", "n")]);
    let second = demand(&image, Uuid(5), &client("a"));
    metrics
        .ask(&second, client("a"), Duration::from_secs(400))
        .unwrap();
    assert!(metrics.values(None).unwrap().values.is_empty());
}

/// Ids are free to make up, so their number must cost nothing.
#[test]
fn clients_are_bounded() {
    let image = Image::new("cluster");
    let metrics = ClientMetrics::default();
    for id in 1..=INSTANCES_MAX as u128 + 10 {
        let demand = demand(&image, Uuid(id), &client("a"));
        metrics
            .ask(&demand, client("a"), Duration::from_millis(id as u64))
            .unwrap();
    }
    let instances = metrics.instances.borrow();
    assert_eq!(instances.len(), INSTANCES_MAX);
    assert!(!instances.contains_key(&Uuid(1)));
}
