//! Stories of single groups: who joins, who leaves, who is fenced, and what everybody is told.

use std::time::Duration;

use base::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp, Uuid,
};

use super::world::{Consumer, World, check_covered, check_owners, config, topic_id};
use crate::{
    Answer, Ask, CommitPartition, CommitTopic, OffsetCommitAsk, OffsetFetchAsk, Producer, Refusal,
    TopicIdPartitions, TxnOffsetCommitAsk,
};

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ErrorCode {
    result.unwrap_err().code
}

fn commit(world: &mut World, consumer: &Consumer, epoch: i32, partition: i32) -> ErrorCode {
    let ask = OffsetCommitAsk {
        group: super::world::GROUP.to_owned(),
        member: consumer.id.clone(),
        instance: None,
        generation_or_epoch: epoch,
        retention_ms: None,
        topics: vec![CommitTopic {
            name: "orders".to_owned(),
            id: Uuid::ZERO,
            partitions: vec![CommitPartition {
                partition: PartitionIndex(partition),
                offset: Offset(7),
                leader_epoch: LeaderEpoch(0),
                metadata: None,
            }],
        }],
        is_legacy: false,
    };
    match world.answer(Ask::OffsetCommit(ask)) {
        Answer::OffsetCommit(Ok(topics)) => topics[0].partitions[0].1,
        Answer::OffsetCommit(Err(refusal)) => refusal.code,
        other => panic!("a commit was answered with {other:?}"),
    }
}

/// What a producer's commit in a transaction is answered.
fn commit_transactional(
    world: &mut World,
    (member, epoch): (&str, i32),
    instance: Option<&str>,
    partition: i32,
) -> ErrorCode {
    let ask = TxnOffsetCommitAsk {
        transactional_id: "t".to_owned(),
        producer: Producer {
            id: ProducerId(1),
            epoch: ProducerEpoch(0),
        },
        group: super::world::GROUP.to_owned(),
        member: member.to_owned(),
        instance: instance.map(str::to_owned),
        generation_or_epoch: epoch,
        topics: vec![CommitTopic {
            name: "orders".to_owned(),
            id: Uuid::ZERO,
            partitions: vec![CommitPartition {
                partition: PartitionIndex(partition),
                offset: Offset(7),
                leader_epoch: LeaderEpoch(0),
                metadata: None,
            }],
        }],
    };
    match world.answer(Ask::TxnOffsetCommit(ask)) {
        Answer::TxnOffsetCommit(Ok(topics)) => topics[0].partitions[0].1,
        Answer::TxnOffsetCommit(Err(refusal)) => refusal.code,
        other => panic!("a commit was answered with {other:?}"),
    }
}

/// Producers know generations only, so whatever is wrong with an epoch is said as such; and those
/// before KIP-447 say nothing of members at all.
#[test]
fn commits_in_transactions_are_fenced_by_epochs_as_by_generations() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut first = Consumer::new("first", &["orders"]);
    first.beat(&mut world).unwrap();
    let mut commit = |member, epoch, instance, partition| {
        commit_transactional(&mut world, (member, epoch), instance, partition)
    };
    let id = first.id.as_str();
    assert_eq!(commit(id, 2, None, 0), ErrorCode::None);
    assert_eq!(commit("", -1, None, 0), ErrorCode::None);
    assert_eq!(commit(id, 3, None, 0), ErrorCode::IllegalGeneration);
    assert_eq!(commit(id, -1, None, 0), ErrorCode::IllegalGeneration);
    assert_eq!(commit("", -2, None, 0), ErrorCode::UnknownMemberId);
    assert_eq!(commit("", 2, None, 0), ErrorCode::UnknownMemberId);
    assert_eq!(commit("", -1, Some("i"), 0), ErrorCode::UnknownMemberId);
    assert_eq!(commit("x", 2, None, 0), ErrorCode::UnknownMemberId);

    let mut second = Consumer::new("second", &["orders"]);
    second.beat(&mut world).unwrap();
    for _ in 0..4 {
        first.beat(&mut world).unwrap();
        second.beat(&mut world).unwrap();
    }
    // Of what it has held since then it may say so under the epoch it knew (KIP-1251).
    let kept: Vec<i32> = (0..6)
        .filter(|partition| {
            let code = commit_transactional(&mut world, (&first.id, 2), None, *partition);
            assert!([ErrorCode::None, ErrorCode::IllegalGeneration].contains(&code));
            code == ErrorCode::None
        })
        .collect();
    assert_eq!(kept.len(), 3);
}

/// The first consumer has everything at once; the second one gets its half only after the first
/// has given it back, and the first is told so by its next heartbeat.
#[test]
fn a_second_member_gets_what_the_first_gave_back() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut first = Consumer::new("first", &["orders"]);
    let answer = world.heartbeat(first.ask()).unwrap();
    assert_eq!(answer.member_epoch, 2);
    assert_eq!(answer.heartbeat_interval_ms, 5000);
    assert_eq!(answer.assignment.as_ref().unwrap()[0].partitions.len(), 6);
    first.hear(answer);
    assert_eq!(world.describe().state, "Stable");

    let mut second = Consumer::new("second", &["orders"]);
    let answer = world.heartbeat(second.ask()).unwrap();
    assert_eq!(answer.member_epoch, 3);
    assert_eq!(answer.assignment, Some(Vec::new()), "nothing is free yet");
    second.hear(answer);
    assert_eq!(world.describe().state, "Reconciling");
    assert!(!second.beat(&mut world).unwrap(), "still nothing is free");

    let answer = world.heartbeat(first.ask()).unwrap();
    assert_eq!(
        answer.member_epoch, 2,
        "it stays in its epoch until it has given back"
    );
    assert_eq!(answer.assignment.as_ref().unwrap()[0].partitions.len(), 3);
    first.hear(answer);
    assert!(!second.beat(&mut world).unwrap(), "told is not given back");
    let answer = world.heartbeat(first.ask()).unwrap();
    assert_eq!((answer.member_epoch, &answer.assignment), (3, &None));
    first.hear(answer);
    let answer = world.heartbeat(second.ask()).unwrap();
    assert_eq!(answer.assignment.as_ref().unwrap()[0].partitions.len(), 3);
    second.hear(answer);
    assert_eq!(world.describe().state, "Stable");
    let members = [first, second];
    check_owners(&members);
    check_covered(&world, &members, &["orders"]);
}

/// Each malformed heartbeat gets its code, and none leaves a trace.
#[test]
fn malformed_heartbeats_are_refused() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let good = Consumer::new("m", &["orders"]).ask();
    let mut cases = Vec::new();
    let mut case = |change: fn(&mut crate::ConsumerHeartbeatAsk), code| {
        let mut ask = good.clone();
        change(&mut ask);
        cases.push((ask, code));
    };
    case(
        |ask| ask.rebalance_timeout_ms = -1,
        ErrorCode::InvalidRequest,
    );
    case(|ask| ask.owned = None, ErrorCode::InvalidRequest);
    case(
        |ask| {
            ask.owned = Some(vec![TopicIdPartitions {
                id: Uuid(1),
                partitions: vec![],
            }]);
        },
        ErrorCode::InvalidRequest,
    );
    case(|ask| ask.topic_names = None, ErrorCode::InvalidRequest);
    case(
        |ask| ask.instance = Some(String::new()),
        ErrorCode::InvalidRequest,
    );
    case(
        |ask| ask.rack = Some(String::new()),
        ErrorCode::InvalidRequest,
    );
    case(|ask| ask.member_epoch = -3, ErrorCode::InvalidRequest);
    case(|ask| ask.member_epoch = -2, ErrorCode::InvalidRequest);
    case(
        |ask| ask.assignor = Some("sticky".to_owned()),
        ErrorCode::UnsupportedAssignor,
    );
    case(
        |ask| ask.topic_regex = Some("(".to_owned()),
        ErrorCode::InvalidRegularExpression,
    );
    case(|ask| ask.member_epoch = 5, ErrorCode::GroupIdNotFound);
    case(|ask| ask.member_epoch = -1, ErrorCode::GroupIdNotFound);
    case(
        |ask| ask.topic_names = Some(vec!["x".repeat(249); 5000]),
        ErrorCode::InvalidRequest,
    );
    for (ask, expected) in cases {
        assert_eq!(code(world.heartbeat(ask)), expected);
        assert!(world.log.is_empty(), "a refused heartbeat leaves no trace");
    }
}

/// Epochs: of the future, of the past, of the answer that was lost, and the new beginning.
#[test]
fn epochs_fence_members() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut first = Consumer::new("first", &["orders"]);
    let mut second = Consumer::new("second", &["orders"]);
    first.beat(&mut world).unwrap();
    let mut ask = first.ask();
    ask.member_epoch = 3;
    assert_eq!(code(world.heartbeat(ask)), ErrorCode::FencedMemberEpoch);
    second.beat(&mut world).unwrap();
    first.beat(&mut world).unwrap();
    // The answer with epoch 3 is lost: the member asks again with what it knows.
    let lost = world.heartbeat(first.ask()).unwrap();
    assert_eq!(lost.member_epoch, 3);
    first.repeat_all();
    let answer = world.heartbeat(first.ask()).unwrap();
    assert_eq!(answer.member_epoch, 3);
    assert!(answer.assignment.is_some(), "who tells all is told all");
    let mut stale = first.ask();
    stale.owned = None;
    assert_eq!(code(world.heartbeat(stale)), ErrorCode::FencedMemberEpoch);
    first.hear(answer);
    // A member may begin anew under its id at any time, and gets its share again.
    first.abandon();
    let answer = world.heartbeat(first.ask()).unwrap();
    assert_eq!(answer.assignment.unwrap()[0].partitions.len(), 3);
    assert_eq!(
        code(world.heartbeat(ConsumerUnknown::ask())),
        ErrorCode::UnknownMemberId
    );
}

struct ConsumerUnknown;

impl ConsumerUnknown {
    fn ask() -> crate::ConsumerHeartbeatAsk {
        let mut ask = Consumer::new("stranger", &["orders"]).ask();
        ask.member_epoch = 3;
        ask
    }
}

/// A static member goes for a while and comes back under another id: nobody else is disturbed.
#[test]
fn static_members_come_back_to_their_share() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut members = [
        Consumer::fixed("a-1", "a", &["orders"]),
        Consumer::fixed("b-1", "b", &["orders"]),
    ];
    world.settle(&mut members);
    let share = members[0].owned.clone();
    let disturbed = members[1].disturbed;
    let rival = Consumer::fixed("a-2", "a", &["orders"]);
    let refusal = world.heartbeat(rival.ask()).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::UnreleasedInstanceId);

    assert_eq!(members[0].leave(&mut world, -2).unwrap(), -2);
    members[1].beat(&mut world).unwrap();
    members[0] = rival;
    members[0].beat(&mut world).unwrap();
    assert_eq!(members[0].owned, share, "it has what it had");
    world.settle(&mut members);
    assert_eq!(
        members[1].disturbed, disturbed,
        "the other one noticed nothing"
    );

    let mut ghost = Consumer::fixed("a-1", "a", &["orders"]).ask();
    ghost.member_epoch = 2;
    assert_eq!(code(world.heartbeat(ghost)), ErrorCode::FencedInstanceId);
    let mut stranger = Consumer::fixed("c-1", "c", &["orders"]).ask();
    stranger.member_epoch = 2;
    assert_eq!(code(world.heartbeat(stranger)), ErrorCode::UnknownMemberId);

    // Who does not come back within its session is gone, and the other one has everything.
    members[0].leave(&mut world, -2).unwrap();
    for _ in 0..10 {
        world.pass(Duration::from_secs(5));
        members[1].beat(&mut world).unwrap();
    }
    world.settle(&mut members[1..]);
    assert_eq!(members[1].owned.len(), 6);
}

/// A member that says nothing for its session timeout, and one that keeps what it must give back.
#[test]
fn silent_and_stubborn_members_are_removed() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut first = Consumer::new("first", &["orders"]);
    first.beat(&mut world).unwrap();
    let mut second = Consumer::new("second", &["orders"]);
    second.beat(&mut world).unwrap();
    // The first is told to give back, and goes on sending heartbeats without doing so.
    world.heartbeat(first.ask()).unwrap();
    for _ in 0..2 {
        world.pass(Duration::from_secs(4));
        let mut ask = first.ask();
        ask.owned = None;
        world.heartbeat(ask).unwrap();
        second.beat(&mut world).unwrap();
    }
    assert!(second.owned.is_empty(), "the partitions are not free");
    world.pass(Duration::from_secs(4));
    assert_eq!(
        code(world.heartbeat(first.ask())),
        ErrorCode::UnknownMemberId
    );
    world.settle(std::slice::from_mut(&mut second));
    assert_eq!(second.owned.len(), 6);
    world.pass(Duration::from_secs(46));
    assert_eq!(world.describe().state, "Empty");
    assert_eq!(
        code(world.heartbeat(second.ask())),
        ErrorCode::UnknownMemberId
    );
}

/// Expressions: resolved at once, again when a topic appears, and not for every one of a thousand.
#[test]
fn expressions_follow_the_topics() {
    let mut world = World::new(config(), &[("orders-1", 2), ("bills", 2)]);
    let mut members = [
        Consumer::by_regex("a", "orders-.*"),
        Consumer::by_regex("b", "orders-.*"),
    ];
    world.settle(&mut members);
    check_covered(&world, &members, &["orders-1"]);
    world.set_topics(&[("orders-1", 2), ("orders-2", 2), ("bills", 2)]);
    world.pass(Duration::from_millis(1));
    world.settle(&mut members);
    check_covered(&world, &members, &["orders-1", "orders-2"]);
    let epoch = world.describe().epoch;
    for count in 3..50 {
        let names: Vec<String> = (1..=count).map(|topic| format!("orders-{topic}")).collect();
        let list: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 2)).collect();
        world.set_topics(&list);
        world.pass(Duration::from_millis(10));
        members[0].beat(&mut world).unwrap();
    }
    world.pass(Duration::from_secs(10));
    world.settle(&mut members);
    check_covered(&world, &members, &["orders-1", "orders-49"]);
    let epochs = world.describe().epoch - epoch;
    assert!(epochs <= 4, "47 topics in a row led to {epochs} epochs");
    // Back to names: the expression is forgotten, and so are its topics.
    for member in &mut members {
        member.regex = Some(String::new());
        member.topics = vec!["orders-1".to_owned()];
        member.repeat_all();
    }
    world.settle(&mut members);
    let held = members.iter().flat_map(|member| &member.owned);
    assert!(
        held.clone()
            .all(|(topic, _)| *topic == topic_id("orders-1"))
    );
}

/// A topic grows, vanishes and is created anew: the group follows without a restart.
#[test]
fn topics_that_change_change_the_assignment() {
    let mut world = World::new(config(), &[("orders", 2)]);
    let mut members = [
        Consumer::new("a", &["orders", "bills"]),
        Consumer::new("b", &["orders", "bills"]),
    ];
    world.settle(&mut members);
    world.set_topics(&[("orders", 4), ("bills", 2)]);
    world.settle(&mut members);
    check_covered(&world, &members, &["orders", "bills"]);
    world.set_topics(&[("orders", 4)]);
    world.settle(&mut members);
    assert_eq!(
        members
            .iter()
            .map(|member| member.owned.len())
            .sum::<usize>(),
        4
    );
    world.restart();
    let epoch = world.describe().epoch;
    world.settle(&mut members);
    assert_eq!(
        world.describe().epoch,
        epoch,
        "a restart alone is no reason to rebalance"
    );
}

/// Commits: with the epoch of the moment, with an older one for what was held since (KIP-1251).
#[test]
fn commits_are_fenced_by_epochs() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut first = Consumer::new("first", &["orders"]);
    first.beat(&mut world).unwrap();
    assert_eq!(commit(&mut world, &first, 2, 0), ErrorCode::None);
    assert_eq!(
        commit(&mut world, &first, 3, 0),
        ErrorCode::StaleMemberEpoch
    );
    let mut second = Consumer::new("second", &["orders"]);
    second.beat(&mut world).unwrap();
    for _ in 0..2 {
        first.beat(&mut world).unwrap();
        second.beat(&mut world).unwrap();
    }
    let (kept, given): (Vec<i32>, Vec<i32>) =
        (0..6).partition(|index| first.owned.contains(&(topic_id("orders"), *index)));
    assert_eq!(
        commit(&mut world, &first, 2, kept[0]),
        ErrorCode::None,
        "held since"
    );
    assert_eq!(
        commit(&mut world, &first, 2, given[0]),
        ErrorCode::StaleMemberEpoch
    );
    assert_eq!(
        commit(&mut world, &second, 2, given[0]),
        ErrorCode::StaleMemberEpoch
    );
    assert_eq!(commit(&mut world, &second, 3, given[0]), ErrorCode::None);
    let stranger = Consumer::new("stranger", &["orders"]);
    assert_eq!(
        commit(&mut world, &stranger, 3, 0),
        ErrorCode::UnknownMemberId
    );
    let fetch = |member: Option<&str>, member_epoch| {
        Ask::OffsetFetch(OffsetFetchAsk {
            group: super::world::GROUP.to_owned(),
            member: member.map(str::to_owned),
            member_epoch,
            topics: None,
            require_stable: false,
        })
    };
    let mut fetched = |ask| match world.answer(ask) {
        Answer::OffsetFetch(result) => {
            result.map_or_else(|refusal| refusal.code, |_| ErrorCode::None)
        }
        other => panic!("a fetch was answered with {other:?}"),
    };
    assert_eq!(fetched(fetch(None, -1)), ErrorCode::None);
    assert_eq!(fetched(fetch(Some("first"), 3)), ErrorCode::None);
    assert_eq!(
        fetched(fetch(Some("first"), 2)),
        ErrorCode::StaleMemberEpoch
    );
    assert_eq!(
        fetched(fetch(Some("stranger"), 1)),
        ErrorCode::UnknownMemberId
    );
}

/// The group is full; assignors are voted for; range gives neighbours; the wall clock jumps.
#[test]
fn settings_of_the_group_are_obeyed() {
    let mut settings = config();
    settings.consumer_members_max = 2;
    settings.consumer.assignment_interval = Duration::from_secs(1);
    let mut world = World::new(settings, &[("orders", 4)]);
    let mut members = [
        Consumer::new("a", &["orders"]),
        Consumer::new("b", &["orders"]),
    ];
    for member in &mut members {
        member.assignor = Some("range".to_owned());
    }
    members[0].beat(&mut world).unwrap();
    members[1].beat(&mut world).unwrap();
    assert_eq!(
        world.describe().state,
        "Assigning",
        "too early for another target"
    );
    // The clock is set back by a day: that must not keep the group from its assignment.
    world.now.wall = Timestamp(world.now.wall.0 - 86_400_000);
    world.settle(&mut members);
    assert_eq!(world.describe().assignor, "range");
    let first: Vec<i32> = members[0].owned.iter().map(|(_, index)| *index).collect();
    assert_eq!(first, [0, 1]);
    let third = Consumer::new("c", &["orders"]);
    assert_eq!(
        code(world.heartbeat(third.ask())),
        ErrorCode::GroupMaxSizeReached
    );
    members[0].leave(&mut world, -1).unwrap();
    world.heartbeat(third.ask()).unwrap();
}

/// A member without an id gets one (version 0).
#[test]
fn a_member_without_id_gets_one() {
    let mut world = World::new(config(), &[("orders", 4)]);
    let mut member = Consumer::new("", &["orders"]);
    member.beat(&mut world).unwrap();
    assert_eq!(member.id, Uuid(77).to_string());
    assert!(!member.beat(&mut world).unwrap());
}
