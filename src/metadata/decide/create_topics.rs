//! CreateTopics, in Kafka's order of checks: duplicates, names, existence, configuration, shape.
//!
//! Invariant: the outcome lists every requested name once, in the order of the request.

use crate::change::Change;
use crate::decide::configs::check_creation_configs;
use crate::decide::directories::DirectoryLoads;
use crate::decide::names::validate_topic_name;
use crate::decide::placement::{new_partition, place, validate_manual};
use crate::image::Image;
use crate::refusal::Refusal;
use crate::resource::Resource;
use base::{ErrorCode, NodeId, PartitionIndex, Random, Uuid};
use std::collections::{BTreeMap, BTreeSet};

/// The log of the metadata itself; nobody creates or deletes it.
pub(crate) const METADATA_TOPIC: &str = "__cluster_metadata";
/// The most partitions that one request may create.
const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// One topic that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions, -1 for the default.
    pub partitions: i32,
    /// How many replicas of each, -1 for the default.
    pub replication_factor: i16,
    /// Partitions placed by hand: index and brokers; both numbers above must be -1 then.
    pub assignments: Vec<(i32, Vec<NodeId>)>,
    /// Its configuration.
    pub configs: Vec<(String, Option<String>)>,
}

/// What counts where a request says -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    /// `num.partitions`.
    pub partitions: i32,
    /// `default.replication.factor`.
    pub replication_factor: i16,
}

/// What a topic became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: usize,
    /// How many replicas each has.
    pub replication_factor: usize,
    /// Its configuration as stored.
    pub configs: BTreeMap<String, String>,
    /// The records that make it.
    pub changes: Vec<Change>,
}

/// The outcome of one topic: its name, and what became of it.
pub type Creation = (String, Result<CreatedTopic, Refusal>);

/// Decides which topics come into being. With `validate_only` in the request, the caller answers
/// with the outcome and drops the changes.
///
/// # Errors
/// Only for the request as a whole: more partitions than one request may create.
pub fn create_topics(
    image: &Image,
    requested: &[NewTopic],
    defaults: TopicDefaults,
    random: &mut Random,
) -> Result<Vec<Creation>, Refusal> {
    check_total(requested, defaults)?;
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for topic in requested {
        if !seen.insert(topic.name.as_str()) {
            twice.insert(topic.name.as_str());
        }
    }
    let mut outcomes: Vec<Creation> = Vec::new();
    let mut loads = DirectoryLoads::default();
    let mut answered = BTreeSet::new();
    for topic in requested {
        if !answered.insert(topic.name.as_str()) {
            continue;
        }
        let outcome = if twice.contains(topic.name.as_str()) {
            Err(Refusal::new(
                ErrorCode::InvalidRequest,
                "Duplicate topic name.",
            ))
        } else {
            create_one(image, topic, defaults, (random, &mut loads))
        };
        outcomes.push((topic.name.clone(), outcome));
    }
    Ok(outcomes)
}

fn check_total(requested: &[NewTopic], defaults: TopicDefaults) -> Result<(), Refusal> {
    let mut total: usize = 0;
    for topic in requested {
        let count = match (topic.assignments.len(), topic.partitions) {
            (0, -1) => usize::try_from(defaults.partitions).unwrap_or(0),
            (0, count) => usize::try_from(count).unwrap_or(0),
            (count, _) => count,
        };
        total = total.saturating_add(count);
    }
    if total > PARTITIONS_PER_REQUEST_MAX {
        return Err(Refusal::new(
            ErrorCode::PolicyViolation,
            "Excessively large number of partitions per request.",
        ));
    }
    Ok(())
}

fn create_one(
    image: &Image,
    topic: &NewTopic,
    defaults: TopicDefaults,
    (random, loads): (&mut Random, &mut DirectoryLoads),
) -> Result<CreatedTopic, Refusal> {
    if topic.name == METADATA_TOPIC {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ));
    }
    validate_topic_name(&topic.name)?;
    if image.topic(&topic.name).is_some() {
        let text = format!("Topic '{}' already exists.", topic.name);
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, text));
    }
    if let Some(other) = image.topics().colliding_with(&topic.name) {
        let text = format!(
            "Topic '{}' collides with existing topic: {other}",
            topic.name
        );
        return Err(Refusal::new(ErrorCode::InvalidTopicException, text));
    }
    let configs = check_creation_configs(&topic.configs)?;
    let assignments = if topic.assignments.is_empty() {
        placed(image, topic, defaults, random)?
    } else {
        by_hand(image, topic)?
    };
    let id = fresh_id(image, random);
    let replication_factor = assignments.first().map_or(0, Vec::len);
    let partitions = assignments.len();
    assert!(partitions > 0 && replication_factor > 0);
    let changes = topic_changes(image, (&topic.name, id), assignments, &configs, loads)?;
    Ok(CreatedTopic {
        id,
        partitions,
        replication_factor,
        configs,
        changes,
    })
}

fn placed(
    image: &Image,
    topic: &NewTopic,
    defaults: TopicDefaults,
    random: &mut Random,
) -> Result<Vec<Vec<NodeId>>, Refusal> {
    if topic.replication_factor < -1 || topic.replication_factor == 0 {
        return Err(Refusal::new(
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ));
    }
    if topic.partitions < -1 || topic.partitions == 0 {
        return Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ));
    }
    let count = match topic.partitions {
        -1 => defaults.partitions,
        count => count,
    };
    let factor = match topic.replication_factor {
        -1 => defaults.replication_factor,
        factor => factor,
    };
    let count = usize::try_from(count).unwrap_or(1).max(1);
    place(image, count, factor, random)
}

fn by_hand(image: &Image, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let both = |what: &str| {
        let text =
            format!("A manual partition assignment was specified, but {what} was not set to -1.");
        Err(Refusal::new(ErrorCode::InvalidRequest, text))
    };
    if topic.replication_factor != -1 {
        return both("replication factor");
    }
    if topic.partitions != -1 {
        return both("numPartitions");
    }
    let refuse = |text: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, text));
    let mut partitions: BTreeMap<i32, &Vec<NodeId>> = BTreeMap::new();
    let mut factor = None;
    for (index, replicas) in &topic.assignments {
        if partitions.contains_key(index) {
            return refuse(format!(
                "Found multiple manual partition assignments for partition {index}"
            ));
        }
        validate_manual(image, replicas, factor)?;
        factor = Some(replicas.len());
        if !replicas.iter().any(|id| image.is_active(*id)) {
            return refuse(all_inactive(*index));
        }
        partitions.insert(*index, replicas);
    }
    let in_sequence = (0_i32..)
        .zip(partitions.keys())
        .all(|(at, index)| at == *index);
    if !in_sequence {
        return refuse("partitions should be a consecutive 0-based integer sequence".into());
    }
    Ok(partitions.into_values().cloned().collect())
}

/// The text for a placement on brokers none of which may lead.
pub(crate) fn all_inactive(index: i32) -> String {
    format!(
        "All brokers specified in the manual partition assignment for partition {index} are \
         fenced or in controlled shutdown."
    )
}

fn fresh_id(image: &Image, random: &mut Random) -> Uuid {
    loop {
        let id = Uuid::random(random);
        if image.topic_by_id(id).is_none() {
            return id;
        }
    }
}

/// A topic's records in Kafka's order: the topic, its configuration, its partitions.
fn topic_changes(
    image: &Image,
    (name, id): (&str, Uuid),
    assignments: Vec<Vec<NodeId>>,
    configs: &BTreeMap<String, String>,
    loads: &mut DirectoryLoads,
) -> Result<Vec<Change>, Refusal> {
    let mut changes = vec![Change::Topic {
        name: name.to_owned(),
        id,
    }];
    changes.extend(configs.iter().map(|(key, value)| Change::Config {
        resource: Resource::topic(name),
        key: key.clone(),
        value: Some(value.clone()),
    }));
    for (index, replicas) in (0_i32..).zip(assignments) {
        let partition = new_partition(image, replicas, loads).ok_or_else(|| {
            Refusal::new(ErrorCode::InvalidReplicaAssignment, all_inactive(index))
        })?;
        changes.push(Change::Partition {
            topic: id,
            index: PartitionIndex(index),
            partition,
        });
    }
    Ok(changes)
}
