//! Groups that change their protocol while members are in them (KIP-848, migration).
//!
//! A consumer that joins a classic group takes the whole group along: its classic members stay and
//! are served under their own protocol. When the last consumer leaves, the group goes back.
//!
//! Invariant: what members hold is the same before and after a change of protocol.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use base::ErrorCode;
use wire::ConsumerOffsetsKey;
use wire::record::consumer_offsets_group_metadata as classic_record;

use super::advance::{cancel_timers, renew_session};
use super::embedded::{
    AssignmentFault, Subscription, read_assignment, read_subscription, write_assignment,
};
use super::member::{ClassicMember, Member, MemberAssignment, MemberMetadata, MemberState};
use super::partitions::{Held, Partitions};
use super::{emit, of, refuse, subscription};
use crate::classic::{self, ClassicGroup};
use crate::context::Context;
use crate::group::{Group, Kind};
use crate::timeline::TimelineCause;
use crate::{JoinProtocol, Opaque, Refusal};

/// The embedded protocol of consumers.
pub(super) const PROTOCOL_TYPE: &str = "consumer";
/// The version of classic groups' records that tools of all ages read.
const CLASSIC_VERSION: i16 = 3;

/// Which changes `group.consumer.migration.policy` allows.
pub(super) fn allows_upgrade(ctx: &Context<'_>) -> bool {
    matches!(
        &*ctx.config.consumer_migration_policy,
        "bidirectional" | "upgrade"
    )
}

/// Which changes `group.consumer.migration.policy` allows.
pub(super) fn allows_downgrade(ctx: &Context<'_>) -> bool {
    matches!(
        &*ctx.config.consumer_migration_policy,
        "bidirectional" | "downgrade"
    )
}

/// A classic group as a consumer group.
#[derive(Debug)]
pub(super) struct Upgrade {
    generation: i32,
    members: BTreeMap<Arc<str>, (MemberMetadata, Partitions)>,
}

impl Upgrade {
    /// Whether one more member fits.
    pub(super) fn check_room(&self, ctx: &Context<'_>, id: &str) -> Result<(), Refusal> {
        let members_max = ctx.config.consumer_members_max;
        if self.members.len() >= members_max && !self.members.contains_key(id) {
            return Err(refuse::full(members_max));
        }
        Ok(())
    }

    /// The id of the static member of this name.
    pub(super) fn static_member(&self, instance: Option<&str>) -> Option<Arc<str>> {
        let instance = instance?;
        let mut members = self.members.iter();
        let found = members.find(|(_, (member, _))| member.instance.as_deref() == Some(instance));
        found.map(|(id, _)| Arc::clone(id))
    }
}

/// Whether a classic group can become a consumer group, and how; nothing for one without members,
/// which simply gives way.
pub(super) fn plan_upgrade(
    ctx: &Context<'_>,
    group: &Group,
    classic: &ClassicGroup,
) -> Result<Option<Upgrade>, Refusal> {
    if classic.members().len() == 0 {
        return Ok(None);
    }
    let refuse = |why: &str| {
        let id = &group.id;
        let text = format!("Cannot upgrade classic group {id} to consumer group because {why}.");
        Refusal::new(ErrorCode::GroupIdNotFound, text)
    };
    if !allows_upgrade(ctx) {
        return Err(refuse("online upgrade is disabled"));
    }
    if classic.protocol_type.as_deref() != Some(PROTOCOL_TYPE) {
        return Err(refuse(
            "the group does not use the consumer embedded protocol",
        ));
    }
    if classic.members().len() > ctx.config.consumer_members_max {
        return Err(refuse(
            "the group size exceeds the consumer group maximum size",
        ));
    }
    let malformed = || refuse("the embedded consumer protocol is malformed");
    let mut members = BTreeMap::new();
    for member in classic.members() {
        let upgraded = upgrade_member(ctx, classic, member).map_err(|fault| match fault {
            AssignmentFault::Malformed => malformed(),
            AssignmentFault::UserData => refuse(
                "an unsupported custom assignor is in use. Please refer to the documentation or \
                 switch to a default assignor before re-attempting the upgrade",
            ),
        })?;
        members.insert(Arc::clone(&member.id), upgraded);
    }
    Ok(Some(Upgrade {
        generation: classic.generation,
        members,
    }))
}

fn upgrade_member(
    ctx: &Context<'_>,
    classic: &ClassicGroup,
    member: &classic::Member,
) -> Result<(MemberMetadata, Partitions), AssignmentFault> {
    let chosen = classic
        .protocol
        .as_deref()
        .and_then(|name| member.metadata(name));
    let first = member.protocols.first().map(|protocol| &protocol.metadata);
    let subscription: Subscription = chosen
        .or(first)
        .and_then(|bytes| read_subscription(bytes, ctx.topics))
        .ok_or(AssignmentFault::Malformed)?;
    let metadata = MemberMetadata {
        instance: member.instance.clone(),
        rack: subscription.rack,
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        topic_names: subscription.topics,
        topic_regex: String::new(),
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        assignor: None,
        classic: Some(ClassicMember {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
        }),
    };
    Ok((metadata, read_assignment(&member.assignment, ctx.topics)?))
}

/// Makes a classic group, empty or planned to be upgraded, a consumer group.
pub(super) fn become_consumer(ctx: &mut Context<'_>, group: &mut Group, upgrade: Option<Upgrade>) {
    let Kind::Classic(classic) = &group.kind else {
        return;
    };
    let has_record = classic.image.is_some();
    let Some(upgrade) = upgrade else {
        if let Some(mut scene) = group.scene(ctx) {
            scene.remove_group();
        }
        group.kind = Kind::Consumer(Box::default());
        return;
    };
    classic::dismiss(ctx, group);
    if let Some(mut scene) = group.scene(ctx)
        && has_record
    {
        scene.write_tombstone();
    }
    group.kind = Kind::Consumer(Box::default());
    for (id, (metadata, _)) in &upgrade.members {
        emit::member(ctx, group, id, metadata);
    }
    let hash = subscription::metadata_hash(ctx, group);
    emit::epoch(ctx, group, upgrade.generation, hash);
    // A group that never finished a rebalance may claim a partition twice; the first one has it.
    let mut owned = Partitions::default();
    for (id, (_, partitions)) in &upgrade.members {
        let own: Partitions = partitions
            .iter()
            .filter(|(topic, partition)| !owned.contains(*topic, *partition))
            .collect();
        for (topic, partition) in own.iter() {
            owned.insert(topic, partition);
        }
        emit::target(ctx, group, id, &own);
        let pairs = own.iter();
        let assigned: Held = pairs
            .map(|(topic, partition)| (topic, partition, upgrade.generation))
            .collect();
        let assignment = MemberAssignment {
            epoch: upgrade.generation,
            previous_epoch: upgrade.generation,
            state: MemberState::Stable,
            assigned,
            revoking: Held::default(),
        };
        emit::current(ctx, group, id, &assignment);
        renew_session(ctx, group, id);
    }
    emit::target_epoch(ctx, group, upgrade.generation, 0);
    subscription::note(ctx, group, TimelineCause::Converted, "consumer", "");
}

/// Whether the group goes back to the classic protocol when these members leave.
pub(super) fn may_downgrade_without(
    ctx: &Context<'_>,
    group: &Group,
    leaving: &[Arc<str>],
) -> bool {
    let consumer = of(group);
    let left = leaving.iter().filter_map(|id| consumer.member(id));
    let classics_left = left.clone().filter(|member| member.is_classic()).count();
    let remaining = consumer.members.len() - left.count();
    remaining > 0
        && consumer.classics() - classics_left == remaining
        && allows_downgrade(ctx)
        && remaining <= ctx.config.members_max
}

/// Makes the group a classic one, without some of its members.
pub(super) fn downgrade(
    ctx: &mut Context<'_>,
    group: &mut Group,
    leaving: &[Arc<str>],
    is_to_rebalance: bool,
) {
    let consumer = of(group);
    let generation = consumer.epoch;
    let remaining = consumer
        .members
        .iter()
        .filter(|(id, _)| !leaving.contains(id));
    let members: Vec<(Arc<str>, Member)> = remaining
        .map(|(id, member)| (Arc::clone(id), member.clone()))
        .collect();
    // Members in different places can only be brought together by a rebalance.
    let is_settled = members
        .iter()
        .all(|(_, member)| member.assignment.is_reconciled_to(generation));
    let is_to_rebalance = is_to_rebalance || !is_settled;
    let subject = leaving.first().map(ToString::to_string).unwrap_or_default();
    let ids: Vec<Arc<str>> = consumer.members.keys().cloned().collect();
    for id in &ids {
        cancel_timers(ctx, group, id);
    }
    let no_member = Arc::clone(ctx.no_member);
    ctx.cancel_timer(group, &no_member, crate::timers::TimerKind::Regex);
    emit::group_gone(ctx, group);
    write_classic(ctx, group, generation, &members);
    let cause = (TimelineCause::Converted, subject.as_str());
    classic::resume(ctx, group, cause, is_to_rebalance);
}

fn write_classic(
    ctx: &mut Context<'_>,
    group: &mut Group,
    generation: i32,
    members: &[(Arc<str>, Member)],
) {
    let protocol = common_protocol(members);
    let parts: Vec<(Opaque, Opaque)> = members
        .iter()
        .map(|(_, member)| {
            let protocols = member
                .metadata
                .classic
                .as_ref()
                .map(|classic| &classic.protocols);
            let mut protocols = protocols.into_iter().flatten();
            let metadata: Opaque = protocols
                .find(|known| known.name == protocol)
                .map_or_else(|| Opaque::from([]), |known| Arc::clone(&known.metadata));
            let held = &member.assignment.assigned;
            let assignment = write_assignment(held, &metadata, ctx.topics);
            (metadata, assignment)
        })
        .collect();
    let leader = members.first().map(|(id, _)| id);
    let records = members.iter().zip(&parts);
    let value = classic_record::GroupMetadataValue {
        protocol_type: Cow::Borrowed(PROTOCOL_TYPE),
        generation,
        protocol: Some(Cow::Borrowed(&protocol)),
        leader: leader.map(|id| Cow::Borrowed(&**id)),
        current_state_timestamp: ctx.now.wall.0,
        members: records
            .map(|((id, member), (subscription, assignment))| {
                let metadata = &member.metadata;
                let classic = metadata.classic.as_ref();
                classic_record::MemberMetadata {
                    member_id: Cow::Borrowed(id),
                    group_instance_id: metadata.instance.as_deref().map(Cow::Borrowed),
                    client_id: Cow::Borrowed(&metadata.client_id),
                    client_host: Cow::Borrowed(&metadata.client_host),
                    rebalance_timeout: metadata.rebalance_timeout_ms,
                    session_timeout: classic.map_or(0, |classic| classic.session_timeout_ms),
                    subscription: Cow::Borrowed(subscription),
                    assignment: Cow::Borrowed(assignment),
                }
            })
            .collect(),
    };
    let id = Arc::clone(&group.id);
    let key = classic_record::GroupMetadataKey {
        group: Cow::Borrowed(&id),
    };
    let key = ConsumerOffsetsKey::from(key);
    ctx.emit(group, &key, Some((&value, CLASSIC_VERSION)));
}

/// The first protocol of the first member that all members know; there is one, since members that
/// share none with the others are not let in.
fn common_protocol(members: &[(Arc<str>, Member)]) -> String {
    let protocols = |member: &Member| -> Vec<JoinProtocol> {
        let classic = member.metadata.classic.as_ref();
        classic.map_or_else(Vec::new, |classic| classic.protocols.clone())
    };
    let first = members.first().map(|(_, member)| protocols(member));
    let mut candidates = first.into_iter().flatten();
    let common = candidates.find(|candidate| {
        let mut others = members.iter();
        others.all(|(_, member)| {
            let classic = member.metadata.classic.as_ref();
            classic.is_some_and(|classic| knows(&classic.protocols, &candidate.name))
        })
    });
    common.map(|protocol| protocol.name).unwrap_or_default()
}

/// Whether a list of protocols has one of this name.
pub(super) fn knows(protocols: &[JoinProtocol], name: &str) -> bool {
    protocols.iter().any(|protocol| protocol.name == name)
}
