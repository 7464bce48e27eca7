//! The room's own bytes: what goes in comes out, and nothing else does.

use crate::{
    CodecError, Entry, EntryKind, HardState, Index, Message, MessageKind, Options, PersistentState,
    Quorum, Recovered, SnapshotMark, VoterChange,
};
use base::{LeaderEpoch, NodeId, Offset, Random};

fn random_entry(random: &mut Random) -> Entry {
    let node = NodeId(random.below(9) as i32);
    let kind = match random.below(4) {
        0 => EntryKind::Election { leader: node },
        1 => EntryKind::Voters(VoterChange::Add(node)),
        2 => EntryKind::Voters(VoterChange::Remove(node)),
        _ => EntryKind::Payload,
    };
    let mut payload = vec![0; 1 + random.below(40) as usize];
    random.fill(&mut payload);
    if matches!(kind, EntryKind::Election { .. }) {
        payload.clear();
    }
    Entry {
        index: Index(random.below(30)),
        epoch: LeaderEpoch(random.below(5) as i32),
        kind,
        payload,
    }
}

fn random_message(random: &mut Random) -> Message {
    let kinds = MessageKind::ALL;
    let kind = kinds[random.below(kinds.len() as u64) as usize];
    Message {
        kind,
        from: NodeId(random.below(4) as i32),
        to: NodeId(random.below(4) as i32),
        epoch: LeaderEpoch(random.below(9) as i32),
        index: Index(random.below(30)),
        index_epoch: LeaderEpoch(random.below(5) as i32),
        commit: Index(random.below(30)),
        commit_epoch: LeaderEpoch(random.below(5) as i32),
        reject: random.chance(1, 3),
        reject_hint: Index(random.below(30)),
        transfer: random.chance(1, 9),
        entries: (0..random.below(4)).map(|_| random_entry(random)).collect(),
        snapshot: random.chance(1, 4).then(|| SnapshotMark {
            index: Index(random.below(30)),
            epoch: LeaderEpoch(random.below(5) as i32),
            end_offset: Offset(random.below(999) as i64),
            voters: (0..random.below(4)).map(|id| NodeId(id as i32)).collect(),
        }),
    }
}

/// Any message survives its own encoding.
#[test]
fn messages_round_trip() {
    let mut random = Random::new(11);
    for _ in 0..5_000 {
        let message = random_message(&mut random);
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

/// Damaged bytes are errors; bytes with a repaired checksum are an error or a message, never more.
#[test]
fn damaged_bytes_are_errors() {
    let mut random = Random::new(12);
    for _ in 0..5_000 {
        let mut bytes = random_message(&mut random).encode();
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] ^= 1 << random.below(8);
        assert_eq!(Message::decode(&bytes), Err(CodecError::Checksum));
        let body = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..body]).to_be_bytes();
        bytes[body..].copy_from_slice(&crc);
        if let Ok(message) = Message::decode(&bytes) {
            assert_eq!(message.encode(), bytes, "two encodings of one message");
        }
        assert!(Message::decode(&bytes[..place]).is_err());
    }
}

/// A count of thousands of millions in a short message is refused before anything is allocated.
#[test]
fn a_claimed_count_is_bounded_by_the_bytes() {
    let mut random = Random::new(13);
    let mut message = random_message(&mut random);
    message.entries.clear();
    message.snapshot = None;
    let mut bytes = message.encode();
    let body = bytes.len() - 4;
    bytes[body - 4..body].copy_from_slice(&u32::MAX.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[..body]).to_be_bytes();
    bytes[body..].copy_from_slice(&crc);
    assert_eq!(Message::decode(&bytes), Err(CodecError::Short));
}

/// The state file's bytes are a contract with the next release.
#[test]
fn the_state_file_is_golden() {
    let state = PersistentState {
        hard_state: HardState {
            epoch: LeaderEpoch(7),
            voted_for: None,
            commit: Index(9),
        },
        snapshot: SnapshotMark {
            index: Index(8),
            epoch: LeaderEpoch(6),
            end_offset: Offset(40),
            voters: vec![NodeId(1), NodeId(2)],
        },
    };
    let bytes = state.encode();
    let text: String = bytes[..bytes.len() - 4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let golden = concat!(
        "01",
        "00000007",
        "ffffffff",
        "0000000000000009", // version, epoch, vote, commit
        "0000000000000008",
        "00000006",
        "0000000000000028", // index, epoch, end offset
        "00000002",
        "00000001",
        "00000002" // voters
    );
    assert_eq!(text, golden);
    assert_eq!(PersistentState::decode(&bytes), Ok(state));
    assert_eq!(PersistentState::decode(b""), Err(CodecError::Short));
}

/// Whatever well-formed message arrives, in whatever order, the process lives.
#[test]
fn hostile_messages_never_end_the_process() {
    for seed in 0..300 {
        let mut random = Random::salted(seed, 3);
        let voters = vec![NodeId(0), NodeId(1), NodeId(2)];
        let options = Options::new(NodeId(0), voters, seed);
        let mut quorum = Quorum::new(options, Recovered::default()).unwrap();
        for _ in 0..200 {
            let mut message = random_message(&mut random);
            message.to = NodeId(0);
            if random.chance(2, 3) {
                make_plausible(&mut message);
            }
            if random.chance(1, 2) {
                message.epoch = quorum.epoch();
            }
            let _refused_or_not = quorum.step(&message);
            if random.chance(1, 3) {
                quorum.tick();
            }
            if quorum.is_leader() {
                let _full_or_not = quorum.propose(vec![1]);
            }
            while let Some(ready) = quorum.poll_ready() {
                quorum.persisted(ready.number);
            }
        }
    }
}

/// Repairs what the first checks would refuse, so that deeper ones are reached.
fn make_plausible(message: &mut Message) {
    if message.kind != MessageKind::Append {
        message.entries.clear();
    }
    if message.kind != MessageKind::Snapshot {
        message.snapshot = None;
    }
    for (place, entry) in message.entries.iter_mut().enumerate() {
        entry.index = message.index.plus(1 + place as u64);
        entry.epoch = message.epoch;
    }
    message.index_epoch = message.index_epoch.min(message.epoch);
}
