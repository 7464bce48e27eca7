//! Tests of the image, its records and the controller's decisions.
#![allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of these tests are small"
)]
#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

mod acls;
mod administration;
mod brokers;
mod configs;
mod directories;
mod folding;
mod kafka_log;
mod oracle;
mod placement;
mod scram;

use crate::decide::{Registration, register_broker, unfence_broker};
use crate::{Endpoint, FEATURES, FeatureRange, Image, bootstrap_changes};
use base::{NodeId, Uuid};

/// A registration of broker `id` in `rack`.
fn registration(id: i32, rack: Option<&str>) -> Registration {
    let range = |feature: &crate::Feature| {
        let range = FeatureRange {
            min: feature.min,
            max: feature.max,
        };
        (feature.name.to_owned(), range)
    };
    Registration {
        id: NodeId(id),
        cluster_id: "cluster".into(),
        incarnation_id: Uuid(77),
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: FEATURES.iter().map(range).collect(),
        rack: rack.map(str::to_owned),
        log_dirs: vec![Uuid(1000 + u128::from(id.unsigned_abs()))],
    }
}

/// Registers and unfences a broker.
fn join(image: &mut Image, id: i32, rack: Option<&str>) {
    let epoch = image.offset().get() + 1;
    let changes = register_broker(image, registration(id, rack), epoch).unwrap();
    image.apply_all(&changes).unwrap();
    let changes = unfence_broker(image, NodeId(id)).unwrap();
    image.apply_all(&changes).unwrap();
}

/// A new cluster with `brokers` active brokers, numbered from one.
fn cluster(brokers: i32) -> Image {
    let mut image = Image::new("cluster");
    image.apply_all(&bootstrap_changes()).unwrap();
    (1..=brokers).for_each(|id| join(&mut image, id, None));
    image
}
