//! Nothing is shown before the in-sync set has it, and nothing that was shown is taken back.

use crate::{
    Admission, AppendError, Effects, LeaderEpochs, ProducerStates, Replica, ReplicaStart, Role,
};
use base::{LeaderEpoch, NodeId, Offset, Random, Timestamp};
use batch::{Codec, ProducerBatch, Validated};

pub(crate) fn start(log_end: i64) -> ReplicaStart {
    ReplicaStart {
        log_start: Offset(0),
        log_end: Offset(log_end),
        high_watermark: Offset(0),
        epochs: LeaderEpochs::new(),
        producers: ProducerStates::new(100),
    }
}

pub(crate) fn validated(
    record_count: u32,
    producer: Option<ProducerBatch>,
    is_transactional: bool,
) -> Validated {
    Validated {
        len: 100,
        record_count,
        codec: Codec::None,
        producer,
        is_transactional,
        is_control: false,
        max_timestamp: Timestamp(5),
        needs_timestamps: false,
    }
}

#[test]
fn a_lone_leader_acknowledges_after_its_own_flush() {
    let mut replica = Replica::new(start(10));
    let refused = replica.handle_append(&validated(1, None, false), true);
    assert_eq!(refused, Err(AppendError::NotLeader));
    let led = replica.handle_lead(LeaderEpoch(4), &[], 1);
    assert_eq!(
        led.high_watermark,
        Some(Offset(10)),
        "what recovery found is agreed upon"
    );
    assert!(led.persist_epochs);
    let admitted = replica.handle_append(&validated(3, None, false), true);
    let (base_offset, leader_epoch) = (Offset(10), LeaderEpoch(4));
    assert_eq!(
        admitted,
        Ok(Admission::Append {
            base_offset,
            leader_epoch
        })
    );
    assert_eq!(replica.high_watermark(), Offset(10), "not before the flush");
    let high_watermark = Some(Offset(13));
    let effects = Effects {
        high_watermark,
        last_stable_offset: high_watermark,
        persist_epochs: false,
    };
    assert_eq!(replica.handle_durable(Offset(13)), effects);
    assert_eq!(
        replica.handle_durable(Offset(12)),
        Effects::default(),
        "late news are no news"
    );
}

#[test]
fn the_slowest_in_sync_replica_holds_the_high_watermark() {
    let mut replica = Replica::new(start(0));
    replica.handle_lead(LeaderEpoch(0), &[NodeId(2), NodeId(3)], 2);
    replica
        .handle_append(&validated(10, None, false), true)
        .unwrap();
    assert_eq!(replica.handle_durable(Offset(10)), Effects::default());
    assert_eq!(
        replica.handle_follower_durable(NodeId(2), Offset(8)),
        Effects::default()
    );
    let moved = replica.handle_follower_durable(NodeId(3), Offset(5));
    assert_eq!(moved.high_watermark, Some(Offset(5)));
    let moved = replica.handle_in_sync(&[NodeId(2)], 2);
    assert_eq!(
        moved.high_watermark,
        Some(Offset(8)),
        "who leaves the set no longer counts"
    );
    assert_eq!(
        replica.handle_in_sync(&[], 2),
        Effects::default(),
        "too few for more (KIP-966)"
    );
    let refused = replica.handle_append(&validated(1, None, false), true);
    assert_eq!(refused, Err(AppendError::NotEnoughReplicas));
    assert!(
        replica
            .handle_append(&validated(1, None, false), false)
            .is_ok()
    );
}

#[test]
fn an_empty_reign_leaves_nothing_behind_when_truncated() {
    let mut replica = Replica::new(start(10));
    replica.handle_lead(LeaderEpoch(1), &[], 1);
    replica.handle_follow(LeaderEpoch(2));
    let effects = replica.handle_truncate(Offset(10), ProducerStates::new(100));
    assert!(
        effects.persist_epochs,
        "KAFKA-10706: the log was no longer, the epochs were"
    );
    assert_eq!(replica.epochs().latest(), None);
    assert_eq!(replica.role(), Role::Follower);
}

fn marker(is_abort: bool) -> crate::Marker {
    crate::Marker {
        producer_id: base::ProducerId(7),
        producer_epoch: base::ProducerEpoch(0),
        coordinator_epoch: 0,
        is_abort,
        timestamp: Timestamp(5),
    }
}

/// Random appends, transactions, flushes, followers and set changes; the replica's own assertions
/// and a naive model of who has what watch.
#[test]
fn random_clusters_show_only_what_all_in_sync_replicas_have() {
    for seed in 0..200_u64 {
        println!("seed {seed}");
        let mut random = Random::salted(seed, 1);
        let mut replica = Replica::new(start(0));
        let mut ends = [0_i64; 3];
        let mut in_sync = vec![1_usize, 2];
        replica.handle_lead(LeaderEpoch(0), &[NodeId(1), NodeId(2)], 1);
        let (mut shown, mut sequence, mut open) = (0, 0, None);
        for _ in 0..300 {
            let log_end = replica.log_end().0;
            match random.below(6) {
                0 | 1 => {
                    let count = u32::try_from(random.below(5)).unwrap() + 1;
                    let last = sequence + i32::try_from(count).unwrap() - 1;
                    let producer = super::producers_tests::batch(7, 0, sequence, last);
                    let sent = validated(count, Some(producer), true);
                    assert!(replica.handle_append(&sent, true).is_ok());
                    open.get_or_insert(log_end);
                    sequence = last + 1;
                }
                2 => {
                    let marker = marker(random.chance(1, 2));
                    let (offset, completed) = replica.handle_marker(&marker, 0).unwrap();
                    assert_eq!(offset.0, log_end);
                    assert_eq!(completed.map(|ended| ended.first_offset.0), open.take());
                }
                3 => {
                    let behind = i64::try_from(random.below(3)).unwrap();
                    ends[0] = ends[0].max(log_end - behind);
                    replica.handle_durable(Offset(ends[0]));
                }
                4 => {
                    let who = usize::try_from(random.below(2)).unwrap() + 1;
                    let behind = i64::try_from(random.below(3)).unwrap();
                    ends[who] = ends[who].max(log_end - behind);
                    let node = NodeId(i32::try_from(who).unwrap());
                    replica.handle_follower_durable(node, Offset(ends[who].max(0)));
                }
                _ => {
                    // Only a replica that has caught up may join.
                    in_sync = (1..3).filter(|who| ends[*who] >= shown).collect();
                    in_sync.retain(|_| random.chance(2, 3));
                    let nodes: Vec<NodeId> = in_sync
                        .iter()
                        .map(|who| NodeId(i32::try_from(*who).unwrap()))
                        .collect();
                    replica.handle_in_sync(&nodes, 1);
                }
            }
            let high_watermark = replica.high_watermark().0;
            assert!(high_watermark >= shown, "never backwards");
            assert!(high_watermark <= ends[0], "never above the own device");
            for who in &in_sync {
                assert!(
                    high_watermark <= ends[*who].max(shown),
                    "seed {seed} replica {who}"
                );
            }
            let stable = replica.last_stable_offset().0;
            assert!(
                open.is_none_or(|first| stable <= first),
                "open transactions stay hidden"
            );
            shown = high_watermark;
        }
        assert!(shown > 0, "seed {seed} showed something");
    }
}
