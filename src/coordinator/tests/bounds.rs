//! Hostile sizes, hostile bytes, hostile order.
//!
//! Story: whoever can connect can send anything, and whoever had the disk before us can have
//! written anything. The right answer is an error, in bounded time and memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Random, Uuid,
};
use wire::record::consumer_offsets_group_metadata::{
    GroupMetadataKey, GroupMetadataValue, MemberMetadata,
};
use wire::{ConsumerOffsetsKey, encode_versioned};

use super::seeds;
use super::world::{World, config};
use crate::{
    Answer, Ask, Census, CommitPartition, CommitTopic, DeleteGroupAsk, DescribeGroupAsk,
    FetchTopic, Groups, GroupsConfig, HeartbeatAsk, JoinAsk, JoinProtocol, LeaveAsk, LeavingMember,
    ListGroupsAsk, OffsetCommitAsk, OffsetDeleteAsk, OffsetFetchAsk, Opaque, Planted, Producer,
    Record, SyncAsk, TxnOffsetCommitAsk,
};

fn join(group: &str, member: &str, bytes: usize) -> JoinAsk {
    JoinAsk {
        group: group.to_owned(),
        member: member.to_owned(),
        instance: None,
        client_id: "c".to_owned(),
        client_host: "/10.0.0.1".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinProtocol {
            name: "range".to_owned(),
            metadata: vec![7; bytes].into(),
        }],
        reason: None,
        needs_known_member: false,
        can_skip_assignment: false,
        fresh: Uuid(7),
    }
}

pub(super) fn commit(group: &str, topic: &str, partition: i32, offset: i64) -> Ask {
    Ask::OffsetCommit(OffsetCommitAsk {
        group: group.to_owned(),
        member: String::new(),
        instance: None,
        generation_or_epoch: -1,
        retention_ms: None,
        topics: vec![CommitTopic {
            name: topic.to_owned(),
            id: Uuid::ZERO,
            partitions: vec![CommitPartition {
                partition: PartitionIndex(partition),
                offset: Offset(offset),
                leader_epoch: LeaderEpoch(3),
                metadata: None,
            }],
        }],
        is_legacy: false,
    })
}

#[test]
fn members_cannot_leave_more_here_than_a_group_may_keep() {
    let mut world = World::new(config(), Planted::default());
    let (_, answers) = world.ask(Ask::Join(join("g", "", 17 << 20)));
    let [(_, Answer::Join(Err(refusal)))] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!(refusal.refusal.code, ErrorCode::GroupMaxSizeReached);
    assert!(world.log.is_empty(), "nothing remains of it");

    world.ask(Ask::Join(join("g", "", 100)));
    let answers = world.pass(Duration::ZERO);
    let [(_, Answer::Join(Ok(joined)))] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    let sync = |bytes: usize| {
        Ask::Sync(SyncAsk {
            group: "g".to_owned(),
            generation: joined.generation,
            member: joined.member.clone(),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: vec![(joined.member.clone(), vec![1; bytes].into())],
        })
    };
    let (_, answers) = world.ask(sync(17 << 20));
    let [(_, Answer::Sync(Err(refusal)))] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!(refusal.code, ErrorCode::UnknownServerError);
    let (_, answers) = world.ask(Ask::Join(join("g", &joined.member, 100)));
    assert!(
        matches!(answers.as_slice(), [(_, Answer::Join(Ok(again)))] if again.generation == 2),
        "the group goes on: {answers:?}"
    );
}

#[test]
fn a_hundred_thousand_groups_are_one_map_and_expire_in_small_steps() {
    let config = config();
    let mut groups = Groups::new(config);
    let mut world = World::new(super::world::config(), Planted::default());
    let _ = groups.loaded(world.now);
    for number in 0..100_000 {
        let ask = commit(&format!("group-{number}"), "orders", 0, number);
        let step = groups.handle(world.now, crate::Caller(0), ask);
        assert_eq!(step.records.len(), 1);
    }
    let step = groups.handle(
        world.now,
        crate::Caller(0),
        Ask::ListGroups(ListGroupsAsk::default()),
    );
    let [(_, Answer::ListGroups(listed))] = step.answers.as_slice() else {
        panic!("one answer");
    };
    assert_eq!(listed.len(), 100_000);

    world.now.wall.0 += 8 * 86_400_000;
    let mut records = 0;
    let mut ticks = 0;
    while groups.group_summaries().next().is_some() {
        world.now.since_start = groups.deadline().expect("expiry is due some day");
        let step = groups.tick(world.now);
        assert!(step.records.len() <= 2000, "one tick does not do it all");
        records += step.records.len();
        ticks += 1;
        assert!(ticks < 2000, "expiry comes to an end");
    }
    assert_eq!(records, 100_000);
    assert!(ticks >= 50, "{ticks} ticks are too few for small steps");
}

#[test]
fn a_record_of_another_program_does_no_harm() {
    let member = |id: &'static str, instance: Option<&'static str>| MemberMetadata {
        member_id: id.into(),
        group_instance_id: instance.map(Into::into),
        session_timeout: -5,
        rebalance_timeout: i32::MIN,
        subscription: b"?".as_slice().into(),
        ..MemberMetadata::default()
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: i32::MAX,
        protocol: None,
        leader: Some("nobody".into()),
        members: vec![
            member("a", Some("i")),
            member("a", None),
            member("b", Some("i")),
        ],
        ..GroupMetadataValue::default()
    };
    let key = ConsumerOffsetsKey::GroupMetadata(GroupMetadataKey { group: "g".into() });
    let mut world = World::new(config(), Planted::default());
    world.log.push(Record {
        key: key.encode().unwrap(),
        value: Some(encode_versioned(&value, 3).unwrap()),
    });
    world.restart(1);
    let (_, answers) = world.ask(Ask::DescribeGroup(DescribeGroupAsk {
        group: "g".to_owned(),
    }));
    assert!(matches!(
        answers.as_slice(),
        [(_, Answer::DescribeGroup(Ok(_)))]
    ));
    let (_, mut answers) = world.ask(Ask::Join(join("g", "", 1)));
    answers.extend(world.pass(Duration::from_secs(4000)));
    assert!(!answers.is_empty(), "the newcomer is answered");
    assert!(world.waiting.is_empty());
}

#[test]
fn damaged_records_are_refused_and_later_kinds_passed_over() {
    let mut random = Random::salted(3, 9);
    let mut world = World::new(config(), Planted::default());
    world.ask(commit("g", "orders", 1, 5));
    world.ask(Ask::Join(join("g", "", 20)));
    world.pass(Duration::ZERO);
    let originals = world.log.clone();
    for _ in 0..20_000 {
        let mut groups = Groups::new(config());
        let original = &originals[usize::try_from(random.below(originals.len() as u64)).unwrap()];
        let mut record = original.clone();
        let bytes = match (&mut record.value, random.chance(1, 3)) {
            (Some(value), false) => value,
            _ => &mut record.key,
        };
        let place = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        if random.chance(1, 4) {
            bytes.truncate(place);
        } else {
            bytes[place] ^= 1 << random.below(8);
        }
        if groups.replay(&record.key, record.value.as_deref()).is_ok() {
            let step = groups.loaded(world.now);
            drop(step);
            world.now.since_start += Duration::from_secs(1);
            drop(groups.tick(world.now));
        }
    }
    let mut groups = Groups::new(config());
    groups.replay(&[0, 99, 1, 2, 3], Some(&[1])).unwrap();
    assert!(groups.replay(&[0], Some(&[1])).is_err());
    assert!(groups.group_summaries().next().is_none());
}

/// One of few, so that asks meet.
fn pick<'t>(random: &mut Random, list: &[&'t str]) -> &'t str {
    list[usize::try_from(random.below(list.len() as u64)).unwrap()]
}

struct Hostile<'w> {
    random: Random,
    world: &'w mut World,
    ids: Vec<String>,
}

impl Hostile<'_> {
    fn id(&mut self) -> String {
        if self.ids.is_empty() || self.random.chance(1, 4) {
            return pick(&mut self.random, &["", "ghost"]).to_owned();
        }
        let place = self.random.below(self.ids.len() as u64);
        self.ids[usize::try_from(place).unwrap()].clone()
    }

    fn instance(&mut self) -> Option<String> {
        let is_some = self.random.chance(1, 3);
        is_some.then(|| pick(&mut self.random, &["i1", "i2"]).to_owned())
    }

    fn number(&mut self) -> i32 {
        let few = [-1, 0, 1, 2, 3, 4, i32::MAX, i32::MIN];
        few[usize::try_from(self.random.below(8)).unwrap()]
    }

    fn topics(&mut self) -> Vec<FetchTopic> {
        let partition = PartitionIndex(self.number());
        let name = pick(&mut self.random, &["orders", "bills", ""]).to_owned();
        vec![FetchTopic {
            name,
            id: Uuid::ZERO,
            partitions: vec![partition; 2],
        }]
    }

    fn join(&mut self, group: &str) -> Ask {
        let mut protocols = Vec::new();
        for _ in 0..self.random.below(3) {
            protocols.push(JoinProtocol {
                name: pick(&mut self.random, &["x", "y", ""]).to_owned(),
                metadata: super::transcripts::subscription(&["orders"]),
            });
        }
        let timeouts = [6000, 10_000, 1_800_000, -1];
        let timeout = timeouts[usize::try_from(self.random.below(4)).unwrap()];
        Ask::Join(JoinAsk {
            instance: self.instance(),
            session_timeout_ms: timeout,
            rebalance_timeout_ms: self.number().min(1_000_000),
            protocol_type: pick(&mut self.random, &["consumer", "consumer", "connect", ""])
                .to_owned(),
            protocols,
            needs_known_member: self.random.chance(1, 2),
            can_skip_assignment: self.random.chance(1, 2),
            fresh: Uuid(u128::from(self.random.below(1000))),
            ..join(group, &self.id(), 0)
        })
    }

    fn commit_transactional(
        &mut self,
        group: String,
        member: String,
        instance: Option<String>,
    ) -> Ask {
        let generation = self.number();
        let Ask::OffsetCommit(ask) = commit(&group, "orders", generation, 1) else {
            unreachable!();
        };
        let is_silent = self.random.chance(1, 2);
        Ask::TxnOffsetCommit(TxnOffsetCommitAsk {
            transactional_id: String::new(),
            producer: Producer {
                id: ProducerId(i64::from(self.number())),
                epoch: ProducerEpoch(-1),
            },
            group,
            member: if is_silent { String::new() } else { member },
            instance: instance.filter(|_| !is_silent),
            generation_or_epoch: if is_silent { -1 } else { generation },
            topics: ask.topics,
        })
    }

    fn ask(&mut self) -> Ask {
        let group = pick(&mut self.random, &["g", "h", ""]).to_owned();
        let (member, instance, generation) = (self.id(), self.instance(), self.number());
        match self.random.below(14) {
            0..=3 => self.join(&group),
            4 | 5 => Ask::Sync(SyncAsk {
                group,
                generation,
                assignments: vec![(member.clone(), Opaque::from([1]))],
                member,
                instance,
                protocol_type: None,
                protocol: None,
            }),
            6 => Ask::Heartbeat(HeartbeatAsk {
                group,
                generation,
                member,
                instance,
            }),
            7 => Ask::Leave(LeaveAsk {
                group,
                members: vec![
                    LeavingMember {
                        member,
                        instance,
                        reason: Some("é".repeat(200)),
                    };
                    2
                ],
            }),
            8 => {
                let Ask::OffsetCommit(ask) = commit(&group, "orders", generation, 1) else {
                    unreachable!();
                };
                Ask::OffsetCommit(OffsetCommitAsk {
                    member,
                    instance,
                    generation_or_epoch: generation,
                    retention_ms: Some(i64::from(generation)),
                    ..ask
                })
            }
            9 => Ask::OffsetFetch(OffsetFetchAsk {
                group,
                member: Some(member),
                member_epoch: generation,
                topics: Some(self.topics()),
                require_stable: true,
            }),
            10 => Ask::OffsetDelete(OffsetDeleteAsk {
                group,
                topics: self.topics(),
            }),
            11 | 12 => self.commit_transactional(group, member, instance),
            _ => Ask::DeleteGroup(DeleteGroupAsk { group }),
        }
    }

    fn hear(&mut self, answers: Vec<(crate::Caller, Answer)>) {
        for (_, answer) in answers {
            match answer {
                Answer::Join(Ok(join)) => self.ids.push(join.member),
                Answer::Join(Err(refusal)) if !refusal.member.is_empty() => {
                    self.ids.push(refusal.member);
                }
                _ => {}
            }
        }
        if self.ids.len() > 12 {
            self.ids.remove(0);
        }
    }

    fn one(&mut self) {
        let ask = self.ask();
        let answers = self.world.ask(ask).1;
        self.hear(answers);
        if self.random.chance(1, 8) {
            let producer = ProducerId(i64::from(self.number()));
            self.world.end(producer, self.random.chance(1, 2));
        }
        if self.random.chance(1, 4) {
            let time = Duration::from_millis(self.random.below(3000));
            let answers = self.world.pass(time);
            self.hear(answers);
        }
        if self.random.chance(1, 50) {
            let kept = self.world.log.len();
            let answers = self.world.restart(kept);
            self.hear(answers);
        }
        if self.random.chance(1, 60) {
            self.world.now.wall.0 += 4 * 86_400_000;
        }
    }
}

/// Whatever is asked in whatever order: no panic, everybody answered, live equals folded.
#[test]
fn nonsense_in_any_order_is_answered() {
    for seed in seeds(1..=40) {
        println!("seed {seed}");
        let mut settings = config();
        settings.members_max = 4;
        settings.retention_check_interval = Duration::from_secs(7);
        let mut world = World::new(settings, Planted::default());
        let mut hostile = Hostile {
            random: Random::salted(seed, 8),
            world: &mut world,
            ids: Vec::new(),
        };
        for _ in 0..400 {
            hostile.one();
        }
        for _ in 0..3 {
            world.pass(Duration::from_secs(2000));
        }
        let waiting = &world.waiting;
        assert!(waiting.is_empty(), "seed {seed}: {waiting:?} wait for ever");
    }
}

/// The story: somebody looks at the metrics of a node with many groups. They are counted a part at
/// a time, and come to the same however small the parts are.
#[test]
fn a_census_in_parts_counts_everything_once() {
    let world = World::new(config(), Planted::default());
    let mut groups = Groups::new(config());
    for group in 0..50 {
        for partition in 0..group % 7 + 1 {
            let ask = commit(&format!("group-{group}"), "orders", partition, 1_000);
            let made = groups.handle(world.now, crate::Caller(0), ask).records;
            for record in made {
                groups.replay(&record.key, record.value.as_deref()).unwrap();
            }
        }
    }
    let mut whole = Census::default();
    assert!(!groups.census(&mut whole, usize::MAX));
    assert_eq!(whole.offsets, groups.committed_offsets().count());
    assert_eq!(whole.states.values().sum::<u64>(), 50);
    assert!(whole.bytes > whole.offsets * 20);
    for work in [1, 2, 10, 33, 200] {
        let (mut parts, mut rounds) = (Census::default(), 1);
        while groups.census(&mut parts, work) {
            rounds += 1;
        }
        assert_eq!(parts, whole);
        assert!(rounds > 40 / work, "{rounds} parts of {work}");
        let (mut after, mut names) = (None::<String>, 0);
        loop {
            let found = groups.group_summaries_behind(after.as_deref(), work);
            let Some(last) = found.last() else { break };
            after = Some(last.group.clone());
            names += found.len();
        }
        assert_eq!(names, 50);
    }
}

/// A log with a million offsets of a hundred thousand groups.
fn million() -> Vec<Record> {
    let mut groups = Groups::new(config());
    let world = World::new(config(), Planted::default());
    let mut log = Vec::new();
    for group in 0..100_000 {
        let group = format!("consumers-of-orders-{group}");
        for partition in 0..10 {
            let ask = commit(&group, "orders-by-region", partition, 1_000_000);
            log.extend(groups.handle(world.now, crate::Caller(0), ask).records);
        }
    }
    log
}

/// Speed is measured from outside: `cargo test --release -- --ignored a_million` tells how long each
/// takes, and the second less the first is what a load takes.
#[test]
#[ignore = "a figure, not a check"]
fn a_million_commits_are_made() {
    assert_eq!(million().len(), 1_000_000);
}

#[test]
#[ignore = "a figure, not a check"]
fn a_million_commits_are_made_and_loaded_three_times() {
    let log = million();
    let world = World::new(config(), Planted::default());
    for _ in 0..3 {
        let mut groups = Groups::new(config());
        for record in &log {
            groups.replay(&record.key, record.value.as_deref()).unwrap();
        }
        let step = groups.loaded(world.now);
        assert!(step.records.is_empty());
        assert_eq!(groups.committed_offsets().count(), 1_000_000);
    }
}

/// The rebalance of a large group: each member joins, is answered, and syncs.
#[test]
fn five_hundred_members_rebalance() {
    let mut world = World::new(config(), Planted::default());
    let mut ids: Vec<String> = Vec::new();
    for round in 0..3_u128 {
        let mut answers = Vec::new();
        for number in 0..500_usize {
            let id = ids.get(number).cloned().unwrap_or_default();
            let mut ask = join("g", &id, 100 + usize::try_from(round).unwrap());
            ask.fresh = Uuid(u128::try_from(number).unwrap() + 1);
            answers.extend(world.ask(Ask::Join(ask)).1);
        }
        answers.extend(world.pass(Duration::ZERO));
        ids.clear();
        let mut leader = None;
        for (_, answer) in answers {
            let Answer::Join(Ok(join)) = answer else {
                continue;
            };
            ids.push(join.member.clone());
            if !join.members.is_empty() {
                leader = Some(join);
            }
        }
        let leader = leader.expect("somebody leads");
        assert_eq!((ids.len(), leader.members.len()), (500, 500));
        let share: Opaque = Arc::from([1_u8; 50]);
        let mut assigned = 0;
        for id in ids
            .iter()
            .filter(|id| **id != leader.member)
            .chain([&leader.member])
        {
            let assignments = if *id == leader.member {
                ids.iter()
                    .map(|id| (id.clone(), Arc::clone(&share)))
                    .collect()
            } else {
                Vec::new()
            };
            let (_, answers) = world.ask(Ask::Sync(SyncAsk {
                group: "g".to_owned(),
                generation: leader.generation,
                member: id.clone(),
                instance: None,
                protocol_type: None,
                protocol: None,
                assignments,
            }));
            let is_share = |answer: &Answer| matches!(answer, Answer::Sync(Ok(sync)) if sync.assignment == share);
            assigned += answers
                .iter()
                .filter(|(_, answer)| is_share(answer))
                .count();
        }
        assert_eq!(assigned, 500);
    }
}

/// The operator may have drawn the bounds closer since a group was given its settings.
#[test]
fn stored_settings_count_within_the_nodes_bounds() {
    let stored = [
        ("consumer.session.timeout.ms", "90000"),
        ("consumer.heartbeat.interval.ms", "1"),
        ("consumer.assignment.interval.ms", "2000"),
    ];
    let stored = stored.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let groups = BTreeMap::from([("g".to_owned(), BTreeMap::from(stored))]);
    let config = GroupsConfig::new(&config::Settings::default(), &groups);
    let own = config.consumer_settings("g");
    assert_eq!(own.session_timeout, Duration::from_secs(60));
    assert_eq!(own.heartbeat_interval_ms, 5_000);
    assert_eq!(own.assignment_interval, Duration::from_secs(2));
    assert_eq!(config.consumer_settings("other"), config.consumer);
}
