//! OffsetCommit, TxnOffsetCommit, OffsetFetch and OffsetDelete, for groups of all kinds.

use std::collections::BTreeSet;

use base::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp};
use wire::ConsumerOffsetsKey;
use wire::record::consumer_offsets_offset_commit::{OffsetCommitKey, OffsetCommitValue};

use crate::classic::{ClassicGroup, State};
use crate::consumer;
use crate::context::Context;
use crate::group::{Group, Kind};
use crate::offsets::{Committed, EXPIRING_VALUE_VERSION, VALUE_VERSION};
use crate::planted::planted;
use crate::{
    CommitPartition, CommitTopic, FetchTopic, FetchedPartition, FetchedTopic, OffsetCommitAsk,
    OffsetDeleteAsk, OffsetFetchAsk, Producer, Refusal, TopicCodes, TxnOffsetCommitAsk,
};

/// Who commits what, in a transaction or not.
pub(crate) struct Committing<'a> {
    pub(crate) member: &'a str,
    pub(crate) instance: Option<&'a str>,
    pub(crate) generation_or_epoch: i32,
    pub(crate) topics: &'a [CommitTopic],
    /// Its client does not know the codes of KIP-848.
    pub(crate) is_legacy: bool,
    pub(crate) is_transactional: bool,
}

/// How a commit's records are written.
#[derive(Clone, Copy)]
enum Way {
    /// At once, for as long as was asked for.
    Ordinary { expires_at: Option<i64> },
    /// In this producer's transaction.
    Transactional(Producer),
}

/// Commits offsets. `is_absent`: nothing was known of the group before; then only a commit without
/// membership makes it, as a simple group.
pub(crate) fn commit(
    ctx: &mut Context<'_>,
    group: &mut Group,
    ask: OffsetCommitAsk,
    is_absent: bool,
) -> Result<Vec<TopicCodes>, Refusal> {
    let committing = Committing {
        member: &ask.member,
        instance: ask.instance.as_deref(),
        generation_or_epoch: ask.generation_or_epoch,
        topics: &ask.topics,
        is_legacy: ask.is_legacy,
        is_transactional: false,
    };
    check_commit(ctx, group, &committing, is_absent)?;
    keep_session(ctx, group, &ask.member);
    let now = ctx.now.wall.get();
    let expires_at = ask.retention_ms.filter(|retention| *retention >= 0);
    let expires_at = expires_at.map(|retention| now.saturating_add(retention));
    let way = Way::Ordinary { expires_at };
    Ok(commit_topics(ctx, group, ask.topics, way))
}

/// Commits offsets in a transaction: they wait for its end (KIP-98).
pub(crate) fn commit_transactional(
    ctx: &mut Context<'_>,
    group: &mut Group,
    ask: TxnOffsetCommitAsk,
    is_absent: bool,
) -> Result<Vec<TopicCodes>, Refusal> {
    if ask.group.is_empty() {
        return Err(ErrorCode::InvalidGroupId.into());
    }
    let committing = Committing {
        member: &ask.member,
        instance: ask.instance.as_deref(),
        generation_or_epoch: ask.generation_or_epoch,
        topics: &ask.topics,
        is_legacy: false,
        is_transactional: true,
    };
    let checked = check_commit(ctx, group, &committing, is_absent);
    checked.map_err(|refusal| match refusal.code {
        // Producers know generations only, also those of consumers that have member epochs.
        ErrorCode::StaleMemberEpoch | ErrorCode::GroupIdNotFound => {
            ErrorCode::IllegalGeneration.into()
        }
        _ => refusal,
    })?;
    let way = Way::Transactional(ask.producer);
    Ok(commit_topics(ctx, group, ask.topics, way))
}

fn commit_topics(
    ctx: &mut Context<'_>,
    group: &mut Group,
    topics: Vec<CommitTopic>,
    way: Way,
) -> Vec<TopicCodes> {
    let mut codes = Vec::with_capacity(topics.len());
    for topic in topics {
        codes.push(commit_topic(ctx, group, topic, way));
    }
    codes
}

fn check_commit(
    ctx: &Context<'_>,
    group: &Group,
    ask: &Committing<'_>,
    is_absent: bool,
) -> Result<(), Refusal> {
    if is_absent && ask.generation_or_epoch >= 0 {
        // Clients before KIP-848 know of generations only.
        return Err(if ask.is_legacy {
            ErrorCode::IllegalGeneration.into()
        } else {
            ErrorCode::GroupIdNotFound.into()
        });
    }
    match &group.kind {
        Kind::Classic(classic) => match classic.check_commit(ask) {
            Err(ErrorCode::IllegalGeneration) if planted!(ctx.planted, StaleGenerationAccepted) => {
                Ok(())
            }
            result => result.map_err(Refusal::from),
        },
        Kind::Consumer(consumer) => consumer::check_commit(consumer, ctx.topics, ask),
    }
}

/// A member of a classic group that commits is alive.
fn keep_session(ctx: &mut Context<'_>, group: &mut Group, member: &str) {
    if let Some(mut scene) = group.scene(ctx)
        && matches!(scene.group.state, State::Stable | State::PreparingRebalance)
    {
        scene.renew_session_of(member);
    }
}

fn commit_topic(
    ctx: &mut Context<'_>,
    group: &mut Group,
    topic: CommitTopic,
    way: Way,
) -> TopicCodes {
    let mut codes = Vec::with_capacity(topic.partitions.len());
    for partition in topic.partitions {
        let index = partition.partition;
        let is_too_long = is_too_long(&partition, ctx.config.offset_metadata_bytes_max);
        let code = if is_too_long {
            ErrorCode::OffsetMetadataTooLarge
        } else {
            write(ctx, group, &topic.name, partition, way);
            ErrorCode::None
        };
        codes.push((index, code));
    }
    TopicCodes {
        name: topic.name,
        id: topic.id,
        partitions: codes,
    }
}

/// Kafka counts the UTF-16 units of a Java string here, whatever the key's name says.
fn is_too_long(partition: &CommitPartition, bytes_max: usize) -> bool {
    let text = partition.metadata.as_deref().unwrap_or_default();
    text.len() > bytes_max && text.encode_utf16().count() > bytes_max
}

fn write(
    ctx: &mut Context<'_>,
    group: &mut Group,
    topic: &str,
    partition: CommitPartition,
    way: Way,
) {
    let expires_at = match way {
        Way::Ordinary { expires_at } => expires_at,
        Way::Transactional(_) => None,
    };
    let value = OffsetCommitValue {
        offset: partition.offset.get(),
        leader_epoch: partition.leader_epoch.get(),
        metadata: partition.metadata.unwrap_or_default().into(),
        commit_timestamp: ctx.now.wall.get(),
        expire_timestamp: expires_at.unwrap_or(-1),
        ..OffsetCommitValue::default()
    };
    let version = match expires_at {
        Some(_) => EXPIRING_VALUE_VERSION,
        None => VALUE_VERSION,
    };
    let id = std::sync::Arc::clone(&group.id);
    let index = partition.partition.get();
    let key = key(&id, topic, index);
    if let Way::Transactional(producer) = way {
        return ctx.emit_transactional(group, producer, &key, (&value, version));
    }
    ctx.emit(group, &key, Some((&value, version)));
    let end = ctx.ends.get(topic, index);
    let offset = partition.offset.get();
    ctx.windows
        .note(&id, (topic, index), offset, ctx.now.wall, end);
}

/// Forgets one offset, with what waits to replace it.
pub(crate) fn forget(ctx: &mut Context<'_>, group: &mut Group, topic: &str, partition: i32) {
    let id = std::sync::Arc::clone(&group.id);
    ctx.emit(group, &key(&id, topic, partition), None);
    ctx.windows.forget(&id, topic, partition);
}

/// Forgets all offsets, with what waits to replace them.
pub(crate) fn forget_all(ctx: &mut Context<'_>, group: &mut Group) {
    let all = group.places().into_iter();
    let all: Vec<(String, i32)> = all
        .map(|(topic, partition)| (topic.to_owned(), partition))
        .collect();
    for (topic, partition) in all {
        forget(ctx, group, &topic, partition);
    }
    assert!(group.has_no_offsets(), "all offsets were forgotten");
}

fn key<'k>(group: &'k str, topic: &'k str, partition: i32) -> ConsumerOffsetsKey<'k> {
    ConsumerOffsetsKey::OffsetCommit(OffsetCommitKey {
        group: group.into(),
        topic: topic.into(),
        partition,
    })
}

/// Tells what is committed. A group that does not exist has committed nothing.
pub(crate) fn fetch(
    ctx: &Context<'_>,
    group: &Group,
    ask: &OffsetFetchAsk,
) -> Result<Vec<FetchedTopic>, Refusal> {
    if let Kind::Consumer(consumer) = &group.kind {
        consumer::check_fetch(consumer, ask)?;
    }
    let is_stable = ask.require_stable && !planted!(ctx.planted, UnstableTold);
    let Some(topics) = &ask.topics else {
        return Ok(fetch_all(group, is_stable));
    };
    let fetch_topic = |topic: &FetchTopic| {
        let fetch = |partition: &PartitionIndex| {
            if is_stable && group.pending.contains(&topic.name, partition.get()) {
                return unstable(*partition);
            }
            let committed = group.offsets.get(&topic.name, partition.get());
            fetched(*partition, committed)
        };
        FetchedTopic {
            name: topic.name.clone(),
            id: topic.id,
            partitions: topic.partitions.iter().map(fetch).collect(),
        }
    };
    Ok(topics.iter().map(fetch_topic).collect())
}

fn fetch_all(group: &Group, is_stable: bool) -> Vec<FetchedTopic> {
    let topics = group.offsets.topics().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|(partition, committed)| {
            let index = PartitionIndex(*partition);
            if is_stable && group.pending.contains(name, *partition) {
                return unstable(index);
            }
            fetched(index, Some(committed))
        });
        FetchedTopic {
            name: name.to_owned(),
            id: base::Uuid::ZERO,
            partitions: partitions.collect(),
        }
    });
    topics.collect()
}

/// What is told of a partition whose offset a transaction may change any moment (KIP-447).
fn unstable(partition: PartitionIndex) -> FetchedPartition {
    FetchedPartition {
        error: ErrorCode::UnstableOffsetCommit,
        ..fetched(partition, None)
    }
}

fn fetched(partition: PartitionIndex, committed: Option<&Committed>) -> FetchedPartition {
    let nothing = FetchedPartition {
        partition,
        offset: Offset(-1),
        leader_epoch: LeaderEpoch::UNKNOWN,
        metadata: String::new(),
        committed_at: Timestamp::NONE,
        error: ErrorCode::None,
    };
    let Some(committed) = committed else {
        return nothing;
    };
    FetchedPartition {
        offset: Offset(committed.offset),
        leader_epoch: LeaderEpoch(committed.leader_epoch),
        metadata: committed.metadata.to_string(),
        committed_at: Timestamp(committed.committed_at),
        ..nothing
    }
}

/// Deletes offsets of topics that nobody in the group reads (KIP-496).
pub(crate) fn delete(
    ctx: &mut Context<'_>,
    group: &mut Group,
    ask: OffsetDeleteAsk,
    is_absent: bool,
) -> Result<Vec<TopicCodes>, Refusal> {
    if ask.group.is_empty() {
        return Err(ErrorCode::InvalidGroupId.into());
    }
    if is_absent {
        return Err(ErrorCode::GroupIdNotFound.into());
    }
    if let Kind::Classic(classic) = &group.kind {
        classic.check_offset_delete()?;
    }
    let subscribed = Subscribed::of(group);
    let mut codes = Vec::with_capacity(ask.topics.len());
    for topic in ask.topics {
        let code = if subscribed.contains(group, &topic.name) {
            ErrorCode::GroupSubscribedToTopic
        } else {
            ErrorCode::None
        };
        for partition in &topic.partitions {
            let index = partition.get();
            let exists = group.offsets.get(&topic.name, index).is_some()
                || group.pending.contains(&topic.name, index);
            if code == ErrorCode::None && exists {
                forget(ctx, group, &topic.name, index);
            }
        }
        let partitions = topic.partitions.into_iter();
        codes.push(TopicCodes {
            name: topic.name,
            id: topic.id,
            partitions: partitions.map(|partition| (partition, code)).collect(),
        });
    }
    Ok(codes)
}

/// Which topics a group reads, asked once for many topics.
pub(crate) enum Subscribed {
    /// A group without members that read: none.
    Nothing,
    /// A classic group whose members' metadata could be read.
    Topics(BTreeSet<String>),
    /// A classic group with members of which nobody knows what they read.
    Unknown,
    /// A consumer group knows itself.
    AskConsumer,
}

impl Subscribed {
    pub(crate) fn of(group: &Group) -> Self {
        match &group.kind {
            Kind::Classic(classic) if classic.state == State::Empty => Self::Nothing,
            Kind::Classic(classic) => Self::of_classic(classic),
            Kind::Consumer(_) => Self::AskConsumer,
        }
    }

    fn of_classic(classic: &ClassicGroup) -> Self {
        match classic.subscribed_topics() {
            Some(topics) => Self::Topics(topics),
            None => Self::Unknown,
        }
    }

    pub(crate) fn contains(&self, group: &Group, topic: &str) -> bool {
        match (self, &group.kind) {
            (Self::Nothing, _) => false,
            (Self::Topics(topics), _) => topics.contains(topic),
            (Self::AskConsumer, Kind::Consumer(consumer)) => {
                consumer::is_subscribed(consumer, topic)
            }
            (Self::Unknown | Self::AskConsumer, _) => true,
        }
    }
}
