//! The topics of the cluster, as far as groups care.

use std::collections::BTreeMap;

use base::Uuid;

/// One topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// Its id; a topic that is deleted and created anew has another one.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
}

/// All topics in the order of their names. Shared between partitions of `__consumer_offsets`, and
/// replaced as a whole when something changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    by_name: BTreeMap<String, TopicImage>,
    names: BTreeMap<u128, String>,
}

impl Topics {
    /// The topics of an image.
    pub fn new(topics: impl IntoIterator<Item = (String, TopicImage)>) -> Self {
        let by_name: BTreeMap<String, TopicImage> = topics.into_iter().collect();
        let names = by_name
            .iter()
            .map(|(name, topic)| (topic.id.0, name.clone()))
            .collect();
        Self { by_name, names }
    }

    /// The topic of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TopicImage> {
        self.by_name.get(name).copied()
    }

    /// The name of the topic with this id.
    #[must_use]
    pub fn name(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id.0).map(String::as_str)
    }

    /// All topics, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, TopicImage)> {
        self.by_name
            .iter()
            .map(|(name, topic)| (name.as_str(), *topic))
    }
}
