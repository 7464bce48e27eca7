//! Makes a group's target assignment.
//!
//! Joins come in storms, so a group's target is made no more often than its assignment interval
//! allows (KIP-1263): members that join meanwhile are let in with nothing and get their share with
//! a heartbeat after that.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base::Uuid;

use super::assignor::{Assignor, Spec, SpecMember, SpecTopic};
use super::member::MemberMetadata;
use super::partitions::Partitions;
use super::state::ConsumerGroup;
use super::{emit, of, subscription};
use crate::context::Context;
use crate::group::Group;
use crate::timeline::TimelineCause;
use crate::timers::TimerKind;
use crate::{GroupsConfig, Topics};

/// Makes the target of the group's epoch, unless it stands already. When it is too early, a timer
/// makes it later.
pub(super) fn update(ctx: &mut Context<'_>, group: &mut Group) {
    if of(group).epoch <= of(group).assignment_epoch {
        return;
    }
    if let Some(wait) = wait(ctx, group) {
        let no_member = Arc::clone(ctx.no_member);
        let at = ctx.now.since_start.saturating_add(wait);
        ctx.set_timer(group, &no_member, TimerKind::Assignment, at);
        return;
    }
    let consumer = of(group);
    let epoch = consumer.epoch;
    let name = assignor_name(ctx.config, consumer);
    let assignor = Assignor::named(&name).unwrap_or(Assignor::Uniform);
    let changed = compute(consumer, ctx.topics, assignor);
    for (id, partitions) in &changed {
        emit::target(ctx, group, id, partitions);
    }
    let made_at = ctx.now.wall.0;
    emit::target_epoch(ctx, group, epoch, made_at);
    assert!(
        of(group).assignment_epoch == epoch,
        "the target is that of the group's epoch"
    );
    subscription::note(ctx, group, TimelineCause::Completed, "", "");
}

/// True when the group's epoch has no target yet and one may be made.
pub(super) fn is_due(ctx: &Context<'_>, group: &Group) -> bool {
    of(group).epoch > of(group).assignment_epoch && wait(ctx, group).is_none()
}

/// How long the next target has to wait; nothing when it may be made now.
fn wait(ctx: &Context<'_>, group: &Group) -> Option<Duration> {
    let interval = ctx.config.consumer_settings(&group.id).assignment_interval;
    let made_at = of(group).assigned_at;
    if made_at == 0 {
        return None;
    }
    // A wall clock that was set back must not keep a group from its assignment.
    let passed = ctx.now.wall.0.saturating_sub(made_at);
    let passed = Duration::from_millis(u64::try_from(passed).ok()?);
    interval.checked_sub(passed).filter(|wait| !wait.is_zero())
}

/// The assignor that most members ask for, or the default one.
pub(super) fn assignor_name(config: &GroupsConfig, group: &ConsumerGroup) -> String {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    for name in group
        .members
        .values()
        .filter_map(|member| member.metadata.assignor.as_deref())
    {
        if config
            .consumer_assignors
            .iter()
            .any(|offered| offered == name)
        {
            *votes.entry(name).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    let chosen = most.map(|(name, _)| name);
    let default = config.consumer_assignors.first().map(String::as_str);
    chosen.or(default).unwrap_or("uniform").to_owned()
}

/// The members whose target changes, with what it changes to.
fn compute(
    group: &ConsumerGroup,
    topics: &Topics,
    assignor: Assignor,
) -> Vec<(Arc<str>, Partitions)> {
    let nothing = Partitions::default();
    let spec = spec(group, topics, &nothing);
    let assignment = assignor.assign(&spec);
    let members = group.members.keys().zip(assignment);
    members
        .filter(|(id, partitions)| group.target(id) != Some(partitions))
        .map(|(id, partitions)| (Arc::clone(id), partitions))
        .collect()
}

fn spec<'a>(group: &'a ConsumerGroup, topics: &Topics, nothing: &'a Partitions) -> Spec<'a> {
    let mut wanted: Vec<(Uuid, &str, usize)> = group
        .wanted()
        .filter_map(|name| topics.get(name).map(|topic| (name, topic)))
        .map(|(name, topic)| {
            (
                topic.id,
                name,
                usize::try_from(topic.partitions).unwrap_or(0),
            )
        })
        .collect();
    wanted.sort_unstable();
    let places: BTreeMap<&str, usize> = wanted.iter().map(|topic| topic.1).zip(0..).collect();
    let mut subscriptions = Subscriptions {
        group,
        places: &places,
        known: BTreeMap::new(),
        last: None,
    };
    let members = group.members.iter();
    Spec {
        members: members
            .map(|(id, member)| SpecMember {
                id,
                instance: member.metadata.instance.as_deref(),
                topics: subscriptions.of(&member.metadata),
                target: group.target(id).unwrap_or(nothing),
            })
            .collect(),
        topics: wanted
            .iter()
            .map(|(id, _, partitions)| SpecTopic {
                id: *id,
                partitions: *partitions,
            })
            .collect(),
    }
}

/// Turns names into places, once per different subscription: most members want the same.
struct Subscriptions<'a> {
    group: &'a ConsumerGroup,
    places: &'a BTreeMap<&'a str, usize>,
    known: BTreeMap<(&'a BTreeSet<String>, &'a str), Rc<[usize]>>,
    last: Option<(&'a MemberMetadata, Rc<[usize]>)>,
}

impl<'a> Subscriptions<'a> {
    fn of(&mut self, metadata: &'a MemberMetadata) -> Rc<[usize]> {
        if let Some((last, places)) = &self.last
            && last.topic_names == metadata.topic_names
            && last.topic_regex == metadata.topic_regex
        {
            return Rc::clone(places);
        }
        let key = (&metadata.topic_names, metadata.topic_regex.as_str());
        let places = self.known.entry(key).or_insert_with(|| {
            let resolved = self.group.resolved.get(&metadata.topic_regex);
            let by_regex = resolved.into_iter().flat_map(|resolved| &resolved.topics);
            let names = metadata.topic_names.iter().chain(by_regex);
            let places = names.filter_map(|name| self.places.get(name.as_str()).copied());
            let places: BTreeSet<usize> = places.collect();
            places.into_iter().collect()
        });
        let places = Rc::clone(places);
        self.last = Some((metadata, Rc::clone(&places)));
        places
    }
}
