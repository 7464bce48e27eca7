//! Groups that change their protocol while members are in them, both ways.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{ErrorCode, Uuid};
use wire::encode_versioned;
use wire::record::consumer_protocol_assignment::ConsumerProtocolAssignment;
use wire::record::consumer_protocol_subscription::{ConsumerProtocolSubscription, TopicPartition};

use super::world::{Consumer, GROUP, World, config};
use crate::{
    Answer, Ask, HeartbeatAsk, JoinAnswer, JoinAsk, JoinProtocol, JoinRefusal, LeaveAsk,
    LeavingMember, Opaque, SyncAsk,
};

/// A classic consumer with the cooperative protocol.
struct Classic {
    id: String,
    generation: i32,
    owned: BTreeSet<i32>,
}

fn subscription(owned: &BTreeSet<i32>) -> Opaque {
    let value = ConsumerProtocolSubscription {
        topics: vec![Cow::Borrowed("orders")],
        user_data: None,
        owned_partitions: vec![TopicPartition {
            topic: Cow::Borrowed("orders"),
            partitions: owned.iter().copied().collect(),
        }],
        generation_id: -1,
        rack_id: None,
    };
    encode_versioned(&value, 3).unwrap().into()
}

impl Classic {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            generation: -1,
            owned: BTreeSet::new(),
        }
    }

    fn join_ask(&self, protocol_type: &str) -> Ask {
        Ask::Join(JoinAsk {
            group: GROUP.to_owned(),
            member: self.id.clone(),
            instance: None,
            client_id: "classic".to_owned(),
            client_host: "/10.0.0.2".to_owned(),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: protocol_type.to_owned(),
            protocols: vec![JoinProtocol {
                name: "cooperative-sticky".to_owned(),
                metadata: subscription(&self.owned),
            }],
            reason: None,
            needs_known_member: false,
            can_skip_assignment: true,
            fresh: Uuid(99),
        })
    }

    fn join(&mut self, world: &mut World) -> Result<JoinAnswer, JoinRefusal> {
        let ask = self.join_ask("consumer");
        match world.answer(ask) {
            Answer::Join(result) => {
                let joined = result?;
                self.id.clone_from(&joined.member);
                self.generation = joined.generation;
                Ok(joined)
            }
            other => panic!("a join was answered with {other:?}"),
        }
    }

    fn sync(&mut self, world: &mut World, assignments: Vec<(String, Opaque)>) -> ErrorCode {
        let ask = Ask::Sync(SyncAsk {
            group: GROUP.to_owned(),
            generation: self.generation,
            member: self.id.clone(),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments,
        });
        match world.answer(ask) {
            Answer::Sync(Ok(answer)) => {
                let read: (i16, ConsumerProtocolAssignment<'_>) =
                    wire::decode_versioned(&answer.assignment).unwrap();
                let topics = read.1.assigned_partitions.iter();
                self.owned = topics.flat_map(|topic| topic.partitions.clone()).collect();
                ErrorCode::None
            }
            Answer::Sync(Err(refusal)) => refusal.code,
            other => panic!("a sync was answered with {other:?}"),
        }
    }

    fn heartbeat(&self, world: &mut World) -> ErrorCode {
        let ask = Ask::Heartbeat(HeartbeatAsk {
            group: GROUP.to_owned(),
            generation: self.generation,
            member: self.id.clone(),
            instance: None,
        });
        match world.answer(ask) {
            Answer::Heartbeat(result) => {
                result.map_or_else(|refusal| refusal.code, |()| ErrorCode::None)
            }
            other => panic!("a heartbeat was answered with {other:?}"),
        }
    }

    /// Heartbeats, and joins whenever it is told to.
    fn go_on(&mut self, world: &mut World) {
        match self.heartbeat(world) {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => {
                self.join(world).unwrap();
                assert_eq!(self.sync(world, Vec::new()), ErrorCode::None);
            }
            other => panic!("the classic member was refused with {other}"),
        }
    }
}

fn assignment(partitions: impl Iterator<Item = i32>) -> Opaque {
    use wire::record::consumer_protocol_assignment::TopicPartition;
    let value = ConsumerProtocolAssignment {
        assigned_partitions: vec![TopicPartition {
            topic: Cow::Borrowed("orders"),
            partitions: partitions.collect(),
        }],
        user_data: None,
    };
    encode_versioned(&value, 3).unwrap().into()
}

/// A classic group of one member that has everything.
fn classic_group(world: &mut World) -> Classic {
    let mut classic = Classic::new("");
    let joined = classic.join(world).unwrap();
    assert_eq!(joined.leader, joined.member);
    let all = vec![(classic.id.clone(), assignment(0..6))];
    assert_eq!(classic.sync(world, all), ErrorCode::None);
    assert_eq!(classic.owned.len(), 6);
    classic
}

/// A consumer joins a classic group: the classic member keeps its work, gives half of it back in
/// its own protocol, and takes it back when the consumer has left.
#[test]
fn a_group_goes_over_and_comes_back() {
    let mut world = World::new(config(), &[("orders", 6)]);
    let mut classic = classic_group(&mut world);
    let mut consumer = Consumer::new("consumer", &["orders"]);
    consumer.beat(&mut world).unwrap();
    let described = world.describe();
    let kinds: Vec<bool> = described
        .members
        .iter()
        .map(|member| member.is_classic)
        .collect();
    assert_eq!(kinds.iter().filter(|is_classic| **is_classic).count(), 1);
    assert!(
        consumer.owned.is_empty(),
        "the classic member has everything still"
    );
    assert_eq!(
        classic.heartbeat(&mut world),
        ErrorCode::RebalanceInProgress
    );
    world.restart();
    for _ in 0..4 {
        classic.go_on(&mut world);
        consumer.beat(&mut world).unwrap();
        let index: BTreeSet<i32> = consumer.owned.iter().map(|(_, index)| *index).collect();
        assert!(
            index.is_disjoint(&classic.owned),
            "no partition has two owners"
        );
        world.pass(Duration::from_secs(3));
    }
    assert_eq!((classic.owned.len(), consumer.owned.len()), (3, 3));
    assert_eq!(world.describe().state, "Stable");
    assert_eq!(classic.heartbeat(&mut world), ErrorCode::None);
    assert_eq!(
        classic.join_protocol_mismatch(&mut world),
        ErrorCode::InconsistentGroupProtocol
    );

    consumer.leave(&mut world, -1).unwrap();
    let names = world
        .groups
        .group_summaries()
        .next()
        .map(|summary| summary.kind);
    assert_eq!(names, Some("classic"));
    assert_ne!(
        classic.heartbeat(&mut world),
        ErrorCode::None,
        "it must join anew"
    );
    let joined = classic.join(&mut world).unwrap();
    assert_eq!(joined.leader, classic.id);
    let all = vec![(classic.id.clone(), assignment(0..6))];
    assert_eq!(classic.sync(&mut world, all), ErrorCode::None);
    world.restart();
    assert_eq!(classic.heartbeat(&mut world), ErrorCode::None);
}

impl Classic {
    fn join_protocol_mismatch(&self, world: &mut World) -> ErrorCode {
        match world.answer(self.join_ask("connect")) {
            Answer::Join(result) => result.unwrap_err().refusal.code,
            other => panic!("a join was answered with {other:?}"),
        }
    }
}

/// Groups that may not change, or cannot.
#[test]
fn a_group_that_may_not_change_stays() {
    for (policy, protocol_type) in [
        ("disabled", "consumer"),
        ("downgrade", "consumer"),
        ("bidirectional", "connect"),
    ] {
        let mut settings = config();
        settings.consumer_migration_policy = policy.to_owned();
        let mut world = World::new(settings, &[("orders", 6)]);
        world.answer(Classic::new("").join_ask(protocol_type));
        let records = world.log.len();
        let consumer = Consumer::new("consumer", &["orders"]);
        let refusal = world.heartbeat(consumer.ask()).unwrap_err();
        assert_eq!(
            refusal.code,
            ErrorCode::GroupIdNotFound,
            "{policy}: {refusal}"
        );
        assert_eq!(world.log.len(), records, "{policy}: no trace");
    }
    let mut settings = config();
    settings.consumer_migration_policy = "disabled".to_owned();
    let mut world = World::new(settings, &[("orders", 6)]);
    Consumer::new("consumer", &["orders"])
        .beat(&mut world)
        .unwrap();
    let refusal = Classic::new("").join(&mut world).unwrap_err().refusal;
    assert_eq!(refusal.code, ErrorCode::InconsistentGroupProtocol);
}

/// With the way back closed, the group stays a consumer group of classic members.
#[test]
fn upgrade_only_groups_stay_consumer_groups() {
    let mut settings = config();
    settings.consumer_migration_policy = "upgrade".to_owned();
    let mut world = World::new(settings, &[("orders", 6)]);
    let mut classic = classic_group(&mut world);
    let mut consumer = Consumer::new("consumer", &["orders"]);
    for _ in 0..4 {
        consumer.beat(&mut world).unwrap();
        classic.go_on(&mut world);
    }
    consumer.leave(&mut world, -1).unwrap();
    for _ in 0..3 {
        classic.go_on(&mut world);
    }
    assert_eq!(classic.owned.len(), 6);
    assert_eq!(world.describe().members.len(), 1);
    // A classic member that is told to join and does not is removed after its rebalance timeout.
    let mut other = Classic::new("other");
    other.join(&mut world).unwrap();
    assert_eq!(
        classic.heartbeat(&mut world),
        ErrorCode::RebalanceInProgress
    );
    assert_eq!(other.sync(&mut world, Vec::new()), ErrorCode::None);
    world.pass(Duration::from_secs(11));
    assert_eq!(classic.heartbeat(&mut world), ErrorCode::UnknownMemberId);
    for _ in 0..3 {
        other.go_on(&mut world);
    }
    assert_eq!(other.owned.len(), 6);
    let leave = Ask::Leave(LeaveAsk {
        group: GROUP.to_owned(),
        members: ["other", "stranger"].map(leaving).to_vec(),
    });
    let Answer::Leave(Ok(left)) = world.answer(leave) else {
        panic!("leaving is answered member by member");
    };
    assert!(left[0].result.is_ok());
    assert_eq!(
        left[1].result.as_ref().unwrap_err().code,
        ErrorCode::UnknownMemberId
    );
    assert_eq!(world.describe().state, "Empty");
    // An empty consumer group gives way to whoever joins by the classic protocol.
    let mut again = Classic::new("");
    let _ = again.join(&mut world);
    let kind = world
        .groups
        .group_summaries()
        .next()
        .map(|summary| summary.kind);
    assert_eq!(kind, Some("classic"));
}

fn leaving(member: &str) -> LeavingMember {
    LeavingMember {
        member: member.to_owned(),
        instance: None,
        reason: None,
    }
}

/// Bytes of clients are read within their size, and never panic.
#[test]
fn malformed_embedded_bytes_are_refused() {
    let world = World::new(config(), &[("orders", 6)]);
    let topics = Arc::clone(&world.topics);
    let good = subscription(&BTreeSet::from([1, 2]));
    for seed in 1..=2000_u64 {
        let mut random = base::Random::salted(seed, 5);
        let mut bytes = good.to_vec();
        for _ in 0..1 + random.below(4) {
            let place = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[place] = random.next_u64().to_be_bytes()[0];
        }
        bytes.truncate(usize::try_from(random.below(bytes.len() as u64 + 1)).unwrap());
        let _ = crate::consumer::embedded::read_subscription(&bytes, &topics);
        let _ = crate::consumer::embedded::read_assignment(&bytes, &topics);
    }
    let mut hostile = Classic::new("").join_ask("consumer");
    let mut world = World::new(config(), &[("orders", 6)]);
    Consumer::new("consumer", &["orders"])
        .beat(&mut world)
        .unwrap();
    if let Ask::Join(ask) = &mut hostile {
        ask.protocols[0].metadata = Opaque::from([0, 3, 0x7F, 0xFF, 0xFF, 0xFF]);
    }
    let Answer::Join(Err(refused)) = world.answer(hostile) else {
        panic!("malformed metadata is refused");
    };
    assert_eq!(refused.refusal.code, ErrorCode::InconsistentGroupProtocol);
}
