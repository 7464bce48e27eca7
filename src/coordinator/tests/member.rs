//! A client of the classic protocol, as simple as it can be and as careless as clients are.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Random, Uuid,
};

use super::network::{Event, Network};
use super::transcripts::subscription;
use crate::{
    Answer, Ask, CommitPartition, CommitTopic, FetchTopic, HeartbeatAsk, JoinAnswer, JoinAsk,
    JoinProtocol, JoinRefusal, LeaveAsk, LeavingMember, OffsetCommitAsk, OffsetFetchAsk, Opaque,
    Producer, SyncAsk, TxnOffsetCommitAsk,
};

/// The partitions that the group shares.
const PARTITIONS: u8 = 6;
pub(super) const TOPIC: &str = "orders";

/// What the client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Has to join.
    Out,
    /// Has sent a join, or a sync, and waits until then.
    Waiting(Duration),
    /// Has an assignment and asked where to begin.
    Fetching(Duration),
    /// Reads and commits.
    Reading,
}

/// How far a client's transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// There is none.
    None,
    /// Offsets are on their way to be committed in it; it is aborted when that takes so long.
    Open(Duration),
    /// It was decided, and its end is on its way.
    Ending,
}

/// One client.
#[derive(Debug)]
pub(super) struct Member {
    index: usize,
    /// Counts up when it starts anew.
    pub(super) life: u64,
    group: &'static str,
    instance: Option<String>,
    pub(super) id: String,
    pub(super) generation: i32,
    phase: Phase,
    /// What it reads, and how far it is.
    pub(super) positions: BTreeMap<u8, i64>,
    paused_until: Duration,
    /// Commits in transactions, always.
    is_transactional: bool,
    transaction: Transaction,
    producers: i64,
    /// Heard that offsets are not stable yet, and asks again.
    is_unstable: bool,
    session_timeout_ms: i32,
    version: u64,
    fresh: u128,
}

impl Member {
    pub(super) fn new(index: u64, group: &'static str, random: &mut Random) -> Self {
        let is_static = random.chance(2, 5);
        Self {
            index: usize::try_from(index).unwrap(),
            life: 0,
            group,
            instance: is_static.then(|| format!("i{index}")),
            id: String::new(),
            generation: -1,
            phase: Phase::Out,
            positions: BTreeMap::new(),
            paused_until: Duration::ZERO,
            is_transactional: random.chance(1, 2),
            transaction: Transaction::None,
            producers: 0,
            is_unstable: false,
            session_timeout_ms: 6000 + i32::try_from(random.below(40_000)).unwrap(),
            version: random.below(10),
            fresh: u128::from(index) << 64,
        }
    }

    /// The id of its producer, which is another one after each transaction that did not work out.
    fn producer(&self) -> ProducerId {
        ProducerId(i64::try_from(self.index).unwrap() * 1_000_000 + self.producers)
    }

    /// Ends its transaction; after an abort its producer is fenced, and it takes another one.
    fn end(&mut self, now: Duration, delay_ms: u64, is_commit: bool, network: &mut Network) {
        network.after_from(now, delay_ms, Event::End(self.producer(), is_commit));
        if is_commit {
            self.transaction = Transaction::Ending;
        } else {
            self.transaction = Transaction::None;
            self.producers += 1;
        }
    }

    /// The end of a transaction is durable.
    pub(super) fn ended(&mut self, producer: ProducerId) {
        if self.producer() == producer && self.transaction == Transaction::Ending {
            self.transaction = Transaction::None;
        }
    }

    /// Dies, and comes back knowing nothing but its static name. Its transaction times out.
    pub(super) fn crash(&mut self, now: Duration, after_ms: u64, network: &mut Network) -> u64 {
        if matches!(self.transaction, Transaction::Open(_)) {
            self.end(now, after_ms, false, network);
        } else {
            self.producers += 1;
            self.transaction = Transaction::None;
        }
        self.is_unstable = false;
        self.life += 1;
        self.id.clear();
        self.generation = -1;
        self.phase = Phase::Out;
        self.positions.clear();
        self.life
    }

    /// Stands still, as in a long garbage collection, and then goes on as if nothing had been.
    pub(super) fn pause(&mut self, now: Duration, random: &mut Random) {
        self.paused_until = now + Duration::from_millis(random.below(60_000));
    }

    pub(super) fn leave(&mut self, now: Duration, random: &mut Random, network: &mut Network) {
        let ask = Ask::Leave(LeaveAsk {
            group: self.group.to_owned(),
            members: vec![LeavingMember {
                member: self.id.clone(),
                instance: self.instance.clone(),
                reason: None,
            }],
        });
        self.send(now, random, network, ask);
        self.id.clear();
        self.phase = Phase::Out;
        self.positions.clear();
    }

    /// A producer that says nothing of members commits in a transaction, as before KIP-447.
    pub(super) fn produce(group: &str, producer: ProducerId, random: &mut Random) -> Ask {
        let partition = i32::try_from(random.below(u64::from(PARTITIONS))).unwrap();
        Ask::TxnOffsetCommit(TxnOffsetCommitAsk {
            transactional_id: "t".to_owned(),
            producer: Producer {
                id: producer,
                epoch: ProducerEpoch(0),
            },
            group: group.to_owned(),
            member: String::new(),
            instance: None,
            generation_or_epoch: -1,
            topics: vec![commit_topic([(partition, 0)])],
        })
    }

    /// An administrator moves an offset.
    pub(super) fn reset(group: &str, random: &mut Random) -> Ask {
        let partition = i32::try_from(random.below(u64::from(PARTITIONS))).unwrap();
        Ask::OffsetCommit(OffsetCommitAsk {
            group: group.to_owned(),
            member: String::new(),
            instance: None,
            generation_or_epoch: -1,
            retention_ms: None,
            topics: vec![commit_topic([(partition, 0)])],
            is_legacy: false,
        })
    }

    /// Requests go over two connections, since commits may take another way than joins.
    fn send(&self, now: Duration, random: &mut Random, network: &mut Network, ask: Ask) {
        let is_commit = matches!(ask, Ask::OffsetCommit(_) | Ask::TxnOffsetCommit(_));
        let connection = if is_commit { "commits" } else { "group" };
        let is_slow = is_commit && random.chance(1, 6);
        let delay = random.below(if is_slow { 20_000 } else { 60 });
        let from = (self.index, self.life, connection);
        network.send(now, delay, from, ask);
    }

    /// Does what is to be done; the answer is when to do so again, in milliseconds.
    pub(super) fn wake(
        &mut self,
        now: Duration,
        random: &mut Random,
        network: &mut Network,
    ) -> u64 {
        if now < self.paused_until {
            return 500;
        }
        if let Transaction::Open(until) = self.transaction
            && now >= until
        {
            self.end(now, random.below(9000), false, network);
        }
        match self.phase {
            Phase::Out => self.join(now, random, network),
            Phase::Waiting(until) | Phase::Fetching(until) if now >= until => {
                self.phase = Phase::Out;
            }
            Phase::Fetching(_) if self.is_unstable => self.fetch(now, random, network),
            Phase::Waiting(_) | Phase::Fetching(_) => {}
            Phase::Reading => {
                for position in self.positions.values_mut() {
                    *position += i64::try_from(random.below(50)).unwrap();
                }
                if random.chance(2, 3) && self.transaction == Transaction::None {
                    self.commit(now, random, network);
                }
                let ask = Ask::Heartbeat(HeartbeatAsk {
                    group: self.group.to_owned(),
                    generation: self.generation,
                    member: self.id.clone(),
                    instance: self.instance.clone(),
                });
                self.send(now, random, network, ask);
                if random.chance(1, 30) {
                    // As when its subscription was looked at again and found the same.
                    self.join(now, random, network);
                }
            }
        }
        300 + random.below(2500)
    }

    fn join(&mut self, now: Duration, random: &mut Random, network: &mut Network) {
        self.fresh += 1;
        self.phase = Phase::Waiting(now + Duration::from_secs(90));
        let ask = Ask::Join(JoinAsk {
            group: self.group.to_owned(),
            member: self.id.clone(),
            instance: self.instance.clone(),
            client_id: format!("c{}", self.index),
            client_host: "/10.0.0.1".to_owned(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".to_owned(),
            protocols: vec![JoinProtocol {
                name: "range".to_owned(),
                metadata: subscription(&[TOPIC]),
            }],
            reason: None,
            needs_known_member: self.version >= 4 && self.instance.is_none(),
            can_skip_assignment: self.version >= 9,
            fresh: Uuid(self.fresh),
        });
        self.send(now, random, network, ask);
    }

    fn commit(&mut self, now: Duration, random: &mut Random, network: &mut Network) {
        let positions = self.positions.iter();
        let positions = positions.map(|(partition, position)| (i32::from(*partition), *position));
        if self.is_transactional && random.chance(9, 10) {
            let ask = TxnOffsetCommitAsk {
                transactional_id: format!("t{}", self.index),
                producer: Producer {
                    id: self.producer(),
                    epoch: ProducerEpoch(0),
                },
                group: self.group.to_owned(),
                member: self.id.clone(),
                instance: self.instance.clone(),
                generation_or_epoch: self.generation,
                topics: vec![commit_topic(positions)],
            };
            self.transaction = Transaction::Open(now + Duration::from_secs(15));
            return self.send(now, random, network, Ask::TxnOffsetCommit(ask));
        }
        let ask = Ask::OffsetCommit(OffsetCommitAsk {
            group: self.group.to_owned(),
            member: self.id.clone(),
            instance: self.instance.clone(),
            generation_or_epoch: self.generation,
            retention_ms: None,
            topics: vec![commit_topic(positions)],
            is_legacy: false,
        });
        self.send(now, random, network, ask);
    }

    pub(super) fn hear(
        &mut self,
        now: Duration,
        answer: Answer,
        random: &mut Random,
        network: &mut Network,
    ) {
        match answer {
            Answer::Join(Ok(join)) => self.joined(now, join, random, network),
            Answer::Join(Err(JoinRefusal { refusal, member })) => match refusal.code {
                ErrorCode::MemberIdRequired => {
                    self.id = member;
                    self.join(now, random, network);
                }
                code => self.refused(code),
            },
            Answer::Sync(Ok(sync)) if matches!(self.phase, Phase::Waiting(_)) => {
                self.assigned(now, &sync.assignment, random, network);
            }
            Answer::TxnOffsetCommit(outcome) => {
                if matches!(self.transaction, Transaction::Open(_)) {
                    let is_commit = outcome.is_ok() && random.chance(4, 5);
                    self.end(now, random.below(4000), is_commit, network);
                }
            }
            Answer::OffsetFetch(Ok(topics)) if matches!(self.phase, Phase::Fetching(_)) => {
                let mut all = topics.iter().flat_map(|topic| &topic.partitions);
                self.is_unstable = all.any(|one| one.error != ErrorCode::None);
                if self.is_unstable {
                    return;
                }
                for one in topics.iter().flat_map(|topic| &topic.partitions) {
                    let partition = u8::try_from(one.partition.get()).unwrap();
                    if let Some(position) = self.positions.get_mut(&partition) {
                        *position = one.offset.get().max(*position);
                    }
                }
                self.phase = Phase::Reading;
            }
            Answer::Sync(Err(refusal)) | Answer::Heartbeat(Err(refusal)) => {
                self.refused(refusal.code);
            }
            _ => {}
        }
    }

    fn refused(&mut self, code: ErrorCode) {
        match code {
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                self.id.clear();
                self.positions.clear();
                self.phase = Phase::Out;
            }
            // It joins again with what it has; its commits may still be on their way.
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration
                if self.phase != Phase::Out =>
            {
                self.phase = Phase::Out;
            }
            ErrorCode::NotCoordinator if !matches!(self.phase, Phase::Reading) => {
                self.phase = Phase::Out;
            }
            _ => {}
        }
    }

    fn joined(
        &mut self,
        now: Duration,
        join: JoinAnswer,
        random: &mut Random,
        network: &mut Network,
    ) {
        if !matches!(self.phase, Phase::Waiting(_)) {
            return;
        }
        if join.generation != self.generation || join.member != self.id {
            // What it read in another generation may be read by others since.
            self.positions.clear();
        }
        self.id = join.member;
        self.generation = join.generation;
        let mut shares: Vec<Vec<u8>> = vec![Vec::new(); join.members.len()];
        let is_assigning = !join.members.is_empty() && !join.skip_assignment;
        if is_assigning {
            for partition in 0..PARTITIONS {
                // Not always the same way round, so that partitions move.
                let turn = usize::from(partition) + usize::try_from(self.generation).unwrap();
                shares[turn % join.members.len()].push(partition);
            }
        }
        let members = join.members.into_iter().map(|member| member.member);
        let assignments = members.zip(shares.into_iter().map(Opaque::from));
        let ask = Ask::Sync(SyncAsk {
            group: self.group.to_owned(),
            generation: self.generation,
            member: self.id.clone(),
            instance: self.instance.clone(),
            protocol_type: Some("consumer".to_owned()),
            protocol: Some("range".to_owned()),
            assignments: if is_assigning {
                assignments.collect()
            } else {
                Vec::new()
            },
        });
        self.send(now, random, network, ask);
    }

    fn assigned(
        &mut self,
        now: Duration,
        assignment: &[u8],
        random: &mut Random,
        network: &mut Network,
    ) {
        let before = std::mem::take(&mut self.positions);
        let position = |partition: &u8| before.get(partition).copied().unwrap_or(0);
        let positions = assignment.iter().map(|one| (*one, position(one)));
        self.positions = positions.collect();
        self.phase = Phase::Fetching(now + Duration::from_secs(30));
        self.fetch(now, random, network);
    }

    fn fetch(&mut self, now: Duration, random: &mut Random, network: &mut Network) {
        self.is_unstable = false;
        let ask = Ask::OffsetFetch(OffsetFetchAsk {
            group: self.group.to_owned(),
            member: None,
            member_epoch: -1,
            topics: Some(vec![FetchTopic {
                name: TOPIC.to_owned(),
                id: Uuid::ZERO,
                partitions: (0..PARTITIONS)
                    .map(|one| PartitionIndex(one.into()))
                    .collect(),
            }]),
            require_stable: true,
        });
        self.send(now, random, network, ask);
    }
}

fn commit_topic(positions: impl IntoIterator<Item = (i32, i64)>) -> CommitTopic {
    let partitions = positions
        .into_iter()
        .map(|(partition, offset)| CommitPartition {
            partition: PartitionIndex(partition),
            offset: Offset(offset),
            leader_epoch: LeaderEpoch::UNKNOWN,
            metadata: None,
        });
    CommitTopic {
        name: TOPIC.to_owned(),
        id: Uuid::ZERO,
        partitions: partitions.collect(),
    }
}
