//! One voter alone: the usual case of a node started without configuration.

use crate::{
    Entry, EntryKind, HardState, Index, Options, PersistentState, ProposeError, Quorum, Ready,
    RecoverError, Recovered, Role, SnapshotMark,
};
use base::{LeaderEpoch, NodeId, Offset};

fn options() -> Options {
    Options::new(NodeId(0), vec![NodeId(0)], 7)
}

fn entry(index: u64, epoch: i32) -> Entry {
    Entry {
        index: Index(index),
        epoch: LeaderEpoch(epoch),
        kind: EntryKind::Payload,
        payload: vec![1],
    }
}

fn drain(quorum: &mut Quorum) -> Vec<Ready> {
    let mut readies = Vec::new();
    while let Some(ready) = quorum.poll_ready() {
        quorum.persisted(ready.number);
        readies.push(ready);
    }
    readies
}

/// A single voter leads without waiting for a timeout: the node answers within milliseconds.
#[test]
fn a_single_voter_elects_itself_at_once() {
    let mut quorum = Quorum::new(options(), Recovered::default()).unwrap();
    let ready = quorum.poll_ready().unwrap();
    let epoch = LeaderEpoch(1);
    assert_eq!(ready.role, Some(Role::Leader { epoch }));
    let vote = ready.hard_state.unwrap();
    assert_eq!((vote.epoch, vote.voted_for), (epoch, Some(NodeId(0))));
    assert_eq!(ready.entries.len(), 1);
    assert_eq!(
        ready.entries[0].kind,
        EntryKind::Election { leader: NodeId(0) }
    );
    assert!(
        ready.committed.is_empty(),
        "nothing is committed before it is persisted"
    );
    assert!(ready.must_persist());
    quorum.persisted(ready.number);
    let ready = quorum.poll_ready().unwrap();
    assert_eq!(ready.committed.len(), 1);
    assert!(!ready.must_persist());
}

/// A proposal is committed by the persisting of its ready and by nothing else.
#[test]
fn a_proposal_is_committed_once_persisted() {
    let mut quorum = Quorum::new(options(), Recovered::default()).unwrap();
    drain(&mut quorum);
    let proposal = quorum.propose(b"topic".to_vec()).unwrap();
    assert_eq!(proposal.index, Index(2));
    let ready = quorum.poll_ready().unwrap();
    assert_eq!(ready.entries[0].payload, b"topic");
    assert_eq!(
        ready.hard_state, None,
        "a proposal changes neither epoch nor vote"
    );
    for _ in 0..100 {
        quorum.tick();
    }
    assert!(
        quorum
            .poll_ready()
            .is_none_or(|ready| ready.committed.is_empty())
    );
    quorum.persisted(ready.number);
    let committed = quorum.poll_ready().unwrap().committed;
    assert_eq!(committed.len(), 1);
    assert_eq!(committed[0].payload, b"topic");
    assert_eq!(quorum.propose(Vec::new()), Err(ProposeError::Empty));
    assert_eq!(
        quorum.propose(vec![0; 9 << 20]),
        Err(ProposeError::TooLarge)
    );
}

/// After a restart everything behind the snapshot is committed again, in the next epoch.
#[test]
fn a_restart_replays_the_log_behind_the_snapshot() {
    let state = PersistentState {
        hard_state: HardState {
            epoch: LeaderEpoch(3),
            voted_for: Some(NodeId(0)),
            commit: Index(11),
        },
        snapshot: SnapshotMark {
            index: Index(10),
            epoch: LeaderEpoch(2),
            end_offset: Offset(55),
            voters: vec![NodeId(0)],
        },
    };
    let entries = vec![entry(11, 3), entry(12, 3)];
    let mut quorum = Quorum::new(options(), Recovered { state, entries }).unwrap();
    let readies = drain(&mut quorum);
    let committed: Vec<u64> = readies
        .iter()
        .flat_map(|ready| ready.committed.iter().map(|entry| entry.index.get()))
        .collect();
    assert_eq!(committed, [11, 12, 13]);
    assert_eq!(quorum.epoch(), LeaderEpoch(4));
    let mark = quorum.compact(Index(13), Offset(60));
    assert_eq!((mark.index, mark.epoch), (Index(13), LeaderEpoch(4)));
    assert_eq!(quorum.snapshot(), &mark);
}

/// A disk that lost acknowledged metadata is named as such, not silently started from.
#[test]
fn an_impossible_past_is_refused() {
    let mut recovered = Recovered {
        entries: vec![entry(1, 1), entry(2, 1)],
        ..Recovered::default()
    };
    recovered.state.hard_state.commit = Index(3);
    let outcome = Quorum::new(options(), recovered.clone()).map(|_| ());
    let lost = RecoverError::LogLost {
        commit: Index(3),
        last: Index(2),
    };
    assert_eq!(outcome, Err(lost));
    recovered.state.hard_state.commit = Index(0);
    recovered.entries[1].index = Index(3);
    assert_eq!(recovered.check(), Err(RecoverError::Gap(Index(3))));
    recovered.entries = vec![entry(1, 2), entry(2, 1)];
    assert_eq!(recovered.check(), Err(RecoverError::Epoch(Index(2))));
    let twice = Options::new(NodeId(1), vec![NodeId(1), NodeId(1)], 7);
    let outcome = Quorum::new(twice, Recovered::default()).map(|_| ());
    assert_eq!(outcome, Err(RecoverError::Voters));
}
