//! A small cluster to answer from, and a check that every version carries an answer.

use base::{NodeId, Random, Uuid};
use metadata::decide::{
    NewTopic, Registration, TopicDefaults, create_topics, fence_broker, register_broker,
    unfence_broker,
};
use metadata::{Endpoint, FEATURES, FeatureRange, Image, bootstrap_changes};
use wire::{ApiKey, Message};

use crate::answer::{Answer, Question};
use crate::table::API_TABLE;

/// Brokers 1 to `brokers`, and topics with the given numbers of partitions, one replica each.
pub(crate) fn cluster(brokers: i32, topics: &[(&str, i32)]) -> Image {
    let mut image = Image::new("cluster");
    image.apply_all(&bootstrap_changes()).unwrap();
    (1..=brokers).for_each(|id| join(&mut image, id));
    let requested: Vec<NewTopic> = topics
        .iter()
        .map(|(name, partitions)| NewTopic {
            name: (*name).to_owned(),
            partitions: *partitions,
            replication_factor: 1,
            ..Default::default()
        })
        .collect();
    let defaults = TopicDefaults {
        partitions: 1,
        replication_factor: 1,
    };
    let created = create_topics(&image, &requested, defaults, &mut Random::new(7)).unwrap();
    for (_, outcome) in created {
        image.apply_all(&outcome.unwrap().changes).unwrap();
    }
    image
}

fn join(image: &mut Image, id: i32) {
    let ranges = FEATURES.iter().map(|feature| {
        (
            feature.name.to_owned(),
            FeatureRange {
                min: feature.min,
                max: feature.max,
            },
        )
    });
    let registration = Registration {
        id: NodeId(id),
        cluster_id: "cluster".into(),
        incarnation_id: Uuid(77),
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: ranges.collect(),
        rack: None,
        log_dirs: vec![Uuid(1000 + u128::from(id.unsigned_abs()))],
    };
    let epoch = image.offset().get() + 1;
    let changes = register_broker(image, registration, epoch).unwrap();
    image.apply_all(&changes).unwrap();
    let changes = unfence_broker(image, NodeId(id)).unwrap();
    image.apply_all(&changes).unwrap();
}

/// Fences one broker.
pub(crate) fn fence(image: &mut Image, id: i32) {
    let changes = fence_broker(image, NodeId(id)).unwrap();
    image.apply_all(&changes).unwrap();
}

/// Checks that each version served carries what `response` gives for it.
pub(crate) fn check_every_version<M: Message>(key: ApiKey, response: impl Fn(i16) -> M) {
    let row = API_TABLE.iter().find(|row| row.key == key).unwrap();
    for version in row.versions().iter() {
        let question = Question {
            key,
            version,
            correlation_id: 7,
        };
        match question.answer(&response(version)) {
            Answer::Now(_) => {}
            Answer::Close(reason) => panic!("{key} version {version}: {reason}"),
            Answer::Later(_) | Answer::Silence => panic!("{key} version {version} has no answer"),
        }
    }
}
