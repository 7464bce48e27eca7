//! A consumer group: what the log tells of it, and the indexes that follow from that.
//!
//! Invariants: the indexes (static members, owners, wanted topics and expressions) are functions of
//! the members and the resolved expressions, kept up by the few functions here that change them;
//! a partition has at most one owner, a member that holds it or still has to give it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Uuid;

use super::member::{Member, MemberAssignment, MemberMetadata, MemberState};
use super::partitions::Partitions;
use super::resolve::Resolution;

/// What an expression matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) topics: BTreeSet<String>,
    pub(crate) version: i64,
    pub(crate) timestamp: i64,
}

/// A group of KIP-848.
#[derive(Debug, Default)]
pub(crate) struct ConsumerGroup {
    // What the log tells.
    pub(super) epoch: i32,
    pub(super) metadata_hash: i64,
    pub(super) assignment_epoch: i32,
    pub(super) assigned_at: i64,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    pub(super) targets: BTreeMap<Arc<str>, Partitions>,
    pub(super) resolved: BTreeMap<String, Resolved>,
    /// Kafka before 4.1 wrote the topics' metadata; the next epoch removes such a record.
    pub(super) has_partition_metadata: bool,
    // What follows from it.
    statics: BTreeMap<Arc<str>, Arc<str>>,
    owners: BTreeMap<(Uuid, i32), Arc<str>>,
    /// How many members and expressions want a topic.
    wanted: BTreeMap<String, usize>,
    /// How many members want by an expression.
    regexes: BTreeMap<String, usize>,
    classics: usize,
    // What is live only.
    /// Topics may have changed since the last heartbeat.
    pub(super) is_stale: bool,
    pub(super) resolution: Option<Resolution>,
    /// When topics last made the expressions be resolved again.
    pub(super) resolved_at: Option<std::time::Duration>,
}

impl ConsumerGroup {
    pub(super) fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// The id of the static member of this name.
    pub(super) fn static_member(&self, instance: &str) -> Option<(&Arc<str>, &Member)> {
        self.members.get_key_value(self.statics.get(instance)?)
    }

    pub(super) fn owner(&self, topic: Uuid, partition: i32) -> Option<&str> {
        self.owners.get(&(topic, partition)).map(AsRef::as_ref)
    }

    /// The topics that anybody wants, by name or by expression.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &str> {
        self.wanted.keys().map(String::as_str)
    }

    /// True when anybody wants this topic.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        self.wanted.contains_key(topic)
    }

    /// The expressions that anybody wants by.
    pub(super) fn regexes(&self) -> impl Iterator<Item = &str> {
        self.regexes.keys().map(String::as_str)
    }

    pub(super) fn regex_members(&self, regex: &str) -> usize {
        self.regexes.get(regex).copied().unwrap_or(0)
    }

    /// How many members speak the classic protocol.
    pub(super) fn classics(&self) -> usize {
        self.classics
    }

    pub(super) fn target(&self, member: &str) -> Option<&Partitions> {
        self.targets.get(member)
    }

    /// The topics that a member wants.
    pub(super) fn wants(&self, metadata: &MemberMetadata, topic: &str) -> bool {
        metadata.topic_names.contains(topic)
            || self
                .resolved
                .get(&metadata.topic_regex)
                .is_some_and(|resolved| resolved.topics.contains(topic))
    }

    /// Kafka's name of the state.
    pub(crate) fn state_name(&self) -> &'static str {
        let members = self.members.values();
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if members
            .clone()
            .all(|member| member.assignment.is_reconciled_to(self.assignment_epoch))
        {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The member says something else of itself, or appears.
    pub(super) fn set_metadata(&mut self, id: &Arc<str>, metadata: MemberMetadata) {
        let mut member = self.members.remove(id).unwrap_or_default();
        self.count(id, &member.metadata, false);
        member.metadata = metadata;
        self.count(id, &member.metadata, true);
        self.members.insert(Arc::clone(id), member);
    }

    /// The member moves on, or appears.
    pub(super) fn set_assignment(&mut self, id: &Arc<str>, assignment: MemberAssignment) {
        let mut member = self.members.remove(id).unwrap_or_default();
        self.disown(id, &member.assignment);
        for (topic, partition, _) in assignment.assigned.iter().chain(assignment.revoking.iter()) {
            self.owners.insert((topic, partition), Arc::clone(id));
        }
        member.assignment = assignment;
        self.members.insert(Arc::clone(id), member);
    }

    /// The member is gone.
    pub(super) fn remove_member(&mut self, id: &str) {
        if let Some((id, member)) = self.members.remove_entry(id) {
            self.count(&id, &member.metadata, false);
            self.disown(&id, &member.assignment);
        }
    }

    /// An expression matches these topics from now on, or nobody uses it any more.
    pub(super) fn set_resolved(&mut self, regex: &str, resolved: Option<Resolved>) {
        if let Some(before) = self.resolved.remove(regex) {
            for topic in &before.topics {
                count_one(&mut self.wanted, topic, false);
            }
        }
        if let Some(resolved) = resolved {
            for topic in &resolved.topics {
                count_one(&mut self.wanted, topic, true);
            }
            self.resolved.insert(regex.to_owned(), resolved);
        }
    }

    fn disown(&mut self, id: &str, assignment: &MemberAssignment) {
        for (topic, partition, _) in assignment.assigned.iter().chain(assignment.revoking.iter()) {
            // A log that was compacted in parts may tell of the next owner before the last one
            // lets go.
            if self.owner(topic, partition) == Some(id) {
                self.owners.remove(&(topic, partition));
            }
        }
    }

    fn count(&mut self, id: &Arc<str>, metadata: &MemberMetadata, add: bool) {
        for topic in &metadata.topic_names {
            count_one(&mut self.wanted, topic, add);
        }
        if !metadata.topic_regex.is_empty() {
            count_one(&mut self.regexes, &metadata.topic_regex, add);
        }
        if metadata.classic.is_some() {
            let classics = self.classics.checked_add_signed(if add { 1 } else { -1 });
            assert!(classics.is_some(), "a member is counted before it goes");
            self.classics = classics.unwrap_or(0);
        }
        if let Some(instance) = &metadata.instance {
            if add {
                self.statics.insert(Arc::clone(instance), Arc::clone(id));
            } else if self.statics.get(instance) == Some(id) {
                self.statics.remove(instance);
            }
        }
    }

    /// True when a partition that this member waits for is still held by another one.
    pub(super) fn waits_for_others(&self, id: &str, member: &Member) -> bool {
        if member.assignment.state != MemberState::UnreleasedPartitions {
            return false;
        }
        let mut target = self.target(id).into_iter().flat_map(Partitions::iter);
        target.any(|(topic, partition)| {
            let owner = self.owner(topic, partition);
            owner.is_some_and(|owner| owner != id)
        })
    }

    /// Whether the log says the same of both; the indexes follow from it, and are compared too.
    pub(super) fn is_durably_equal(&self, other: &Self) -> bool {
        let numbers = |group: &Self| {
            let made = (group.assignment_epoch, group.assigned_at);
            (
                group.epoch,
                group.metadata_hash,
                made,
                group.has_partition_metadata,
            )
        };
        numbers(self) == numbers(other)
            && self.members == other.members
            && self.targets == other.targets
            && self.resolved == other.resolved
            && self.statics == other.statics
            && self.owners == other.owners
            && self.wanted == other.wanted
            && self.regexes == other.regexes
            && self.classics == other.classics
    }
}

fn count_one(counts: &mut BTreeMap<String, usize>, name: &str, add: bool) {
    if add {
        if let Some(count) = counts.get_mut(name) {
            *count += 1;
        } else {
            counts.insert(name.to_owned(), 1);
        }
        return;
    }
    let count = counts.get_mut(name);
    assert!(count.is_some(), "what is counted down was counted up");
    if let Some(count) = count {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}
