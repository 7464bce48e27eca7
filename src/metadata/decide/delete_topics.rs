//! DeleteTopics, by name or by id.
//!
//! Invariant: no topic is removed twice by one request.

use crate::change::Change;
use crate::image::Image;
use crate::refusal::Refusal;
use base::{ErrorCode, Uuid};
use std::collections::BTreeSet;

/// How a topic is named in a request (KIP-516 brought the id).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicSelector {
    /// By its name.
    Name(String),
    /// By its id.
    Id(Uuid),
}

/// What became of one selected topic: its name and id with the record that removes it.
pub type Deletion = Result<(String, Uuid, Change), Refusal>;

/// Decides which topics go. The outcomes stand in the order of the request.
#[must_use]
pub fn delete_topics(image: &Image, selected: &[TopicSelector]) -> Vec<(TopicSelector, Deletion)> {
    let mut seen = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for selector in selected {
        if !seen.insert(selector) {
            twice.insert(selector);
        }
    }
    let mut by_id = BTreeSet::new();
    for selector in selected {
        if let TopicSelector::Id(id) = selector {
            by_id.insert(*id);
        }
    }
    let mut answered = BTreeSet::new();
    let mut outcomes = Vec::new();
    for selector in selected {
        if !answered.insert(selector) {
            continue;
        }
        let outcome = if twice.contains(selector) {
            let text = match selector {
                TopicSelector::Name(_) => "Duplicate topic name.",
                TopicSelector::Id(_) => "Duplicate topic id.",
            };
            Err(Refusal::new(ErrorCode::InvalidRequest, text))
        } else {
            delete_one(image, selector, &by_id)
        };
        outcomes.push((selector.clone(), outcome));
    }
    outcomes
}

fn delete_one(image: &Image, selector: &TopicSelector, by_id: &BTreeSet<Uuid>) -> Deletion {
    let topic = match selector {
        TopicSelector::Id(id) => image.topic_by_id(*id).ok_or_else(|| {
            let text = "This server does not host this topic ID.";
            Refusal::new(ErrorCode::UnknownTopicId, text)
        }),
        TopicSelector::Name(name) => image.topic(name).ok_or_else(|| {
            let text = "This server does not host this topic-partition.";
            Refusal::new(ErrorCode::UnknownTopicOrPartition, text)
        }),
    }?;
    if matches!(selector, TopicSelector::Name(_)) && by_id.contains(&topic.id) {
        let text = "The provided topic name maps to an ID that was already supplied.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, text));
    }
    let change = Change::RemoveTopic { id: topic.id };
    Ok((topic.name.to_string(), topic.id, change))
}
