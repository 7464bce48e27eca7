//! Changes of the voters, step by step.

use crate::{
    EntryKind, Message, MessageKind, Options, ProposeError, Quorum, Recovered, StepError,
    VoterChange,
};
use base::NodeId;

/// Runs messages to and fro until nobody has anything left to do.
fn settle(quorums: &mut [Quorum]) -> Vec<EntryKind> {
    let mut applied = Vec::new();
    loop {
        let mut mail: Vec<Message> = Vec::new();
        for (place, quorum) in quorums.iter_mut().enumerate() {
            while let Some(ready) = quorum.poll_ready() {
                quorum.persisted(ready.number);
                mail.extend(ready.messages);
                mail.extend(ready.messages_after_persist);
                if place == 0 {
                    applied.extend(ready.committed.iter().map(|entry| entry.kind));
                }
            }
        }
        if mail.is_empty() {
            return applied;
        }
        for message in mail {
            let to = usize::try_from(message.to.get()).unwrap();
            if let Some(quorum) = quorums.get_mut(to) {
                quorum.step(&message).unwrap();
            }
        }
    }
}

fn trio() -> Vec<Quorum> {
    let voters = vec![NodeId(0), NodeId(1), NodeId(2)];
    (0..3)
        .map(|id| {
            let options = Options::new(NodeId(id), voters.clone(), id as u64);
            Quorum::new(options, Recovered::default()).unwrap()
        })
        .collect()
}

/// One more voter and one fewer, each agreed on by the log; a second change waits for the first.
#[test]
fn voters_change_one_at_a_time() {
    let mut quorums = trio();
    quorums[0].campaign();
    settle(&mut quorums);
    assert!(quorums[0].is_leader());
    let add = VoterChange::Add(NodeId(3));
    let proposal = quorums[0].propose_voters(add, b"voters record").unwrap();
    let again = quorums[0].propose_voters(add, b"");
    assert_eq!(again, Err(ProposeError::ChangePending));
    let applied = settle(&mut quorums);
    assert_eq!(applied, [EntryKind::Voters(add)]);
    for quorum in &quorums {
        assert_eq!(quorum.voters(), (0..4).map(NodeId).collect::<Vec<_>>());
        assert_eq!(quorum.applied_index(), proposal.index);
    }
    let remove = VoterChange::Remove(NodeId(3));
    quorums[0].propose_voters(remove, b"").unwrap();
    settle(&mut quorums);
    assert_eq!(quorums[2].voters().len(), 3);
    assert_eq!(quorums[0].progress().len(), 3);
}

/// The leader steps aside on request, and the follower asked takes over in the next epoch.
#[test]
fn leadership_moves_on_request() {
    let mut quorums = trio();
    quorums[0].campaign();
    settle(&mut quorums);
    quorums[0].transfer_leadership(NodeId(2));
    settle(&mut quorums);
    assert!(quorums[2].is_leader() && !quorums[0].is_leader());
    assert_eq!(quorums[0].leader(), Some(NodeId(2)));
    let refused = quorums[0].propose(vec![1]);
    let epoch = quorums[2].epoch();
    assert_eq!(
        refused,
        Err(ProposeError::NotLeader {
            leader: Some(NodeId(2)),
            epoch
        })
    );
}

/// A voter whose disk was wiped is told so by the leader's first heartbeat instead of crashing.
#[test]
fn a_wiped_voter_learns_that_it_lost_its_log() {
    let mut quorums = trio();
    quorums[0].campaign();
    settle(&mut quorums);
    let voters = vec![NodeId(0), NodeId(1), NodeId(2)];
    let options = Options::new(NodeId(1), voters, 1);
    let mut wiped = Quorum::new(options, Recovered::default()).unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        quorums[0].tick();
        while let Some(ready) = quorums[0].poll_ready() {
            quorums[0].persisted(ready.number);
            let beats = ready.messages.iter().filter(|message| {
                message.kind == MessageKind::Heartbeat && message.to == NodeId(1)
            });
            outcomes.extend(beats.map(|message| wiped.step(message)));
        }
    }
    assert!(matches!(
        outcomes.first(),
        Some(Err(StepError::LogLost { .. }))
    ));
}
