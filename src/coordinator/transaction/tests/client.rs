//! One transactional id's producer, life after life: begins transactions, ends them, crashes, hangs.

use std::time::Duration;

use std::collections::BTreeMap;

use base::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, Random, TopicPartition};

use super::partitions::{Number, Partitions};
use crate::transaction::{
    AddPartitionsAsk, Answer, Ask, EndAsk, InitAsk, TransactionLevel, VerifyPartitionsAsk,
};

/// What the client was told of a transaction that it ended: committed or not.
pub(super) type Promises = BTreeMap<Number, bool>;

/// What it does next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Init,
    Begin,
    Write,
    End(bool),
}

/// One producer.
pub(super) struct Client {
    id: String,
    pub(super) level: TransactionLevel,
    pub(super) life: u64,
    phase: Phase,
    /// Who it is, once it knows.
    who: Option<(ProducerId, ProducerEpoch)>,
    /// Whether it says who it is when it begins anew.
    recovers: bool,
    pub(super) number: Number,
    adding: Vec<TopicPartition>,
    is_waiting: bool,
}

impl Client {
    pub(super) fn new(index: u64, level: TransactionLevel) -> Self {
        Self {
            id: format!("x{index}"),
            level,
            life: 0,
            phase: Phase::Init,
            who: None,
            recovers: false,
            number: 0,
            adding: Vec::new(),
            is_waiting: false,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Another instance takes over.
    pub(super) fn crash(&mut self) -> u64 {
        self.life += 1;
        self.begin_anew(false);
        self.who = None;
        self.is_waiting = false;
        self.life
    }

    fn begin_anew(&mut self, recovers: bool) {
        self.phase = Phase::Init;
        self.recovers = recovers && self.who.is_some();
    }

    /// The next request, unless an answer is still due.
    pub(super) fn next(&mut self, random: &mut Random, numbers: &mut Number) -> Option<Ask> {
        if self.is_waiting {
            return None;
        }
        self.is_waiting = true;
        let transactional_id = self.id.clone();
        let Some((producer_id, producer_epoch)) = self.who.filter(|_| self.phase != Phase::Init)
        else {
            return Some(Ask::Init(InitAsk {
                transactional_id,
                timeout_ms: 2000 + i32::try_from(random.below(8000)).unwrap(),
                expected: self.who.filter(|_| self.recovers),
                is_legacy: false,
            }));
        };
        if self.phase == Phase::Begin {
            *numbers += 1;
            self.number = *numbers;
            self.phase = Phase::Write;
        }
        if let Phase::End(is_commit) = self.phase {
            return Some(Ask::End(EndAsk {
                transactional_id,
                producer_id,
                producer_epoch,
                is_commit,
                level: self.level,
                is_legacy: false,
            }));
        }
        let mut partitions = Vec::new();
        for index in 0..4 {
            if random.chance(1, 2) {
                partitions.push(TopicPartition {
                    topic: "t".to_owned(),
                    partition: PartitionIndex(index),
                });
            }
        }
        self.adding.clone_from(&partitions);
        if random.chance(1, 20) {
            self.adding.clear();
            return Some(Ask::VerifyPartitions(VerifyPartitionsAsk {
                transactional_id,
                producer_id,
                producer_epoch,
                partitions,
            }));
        }
        Some(Ask::AddPartitions(AddPartitionsAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            partitions,
            level: self.level,
            wait: Duration::ZERO,
            is_legacy: false,
        }))
    }

    /// An answer has come; the same request is sent again where it says so.
    pub(super) fn hear(
        &mut self,
        answer: &Answer,
        random: &mut Random,
        partitions: &mut Partitions,
        promises: &mut Promises,
    ) {
        assert!(self.is_waiting, "one request at a time");
        self.is_waiting = false;
        match answer {
            Answer::Init(Ok(who)) => {
                self.who = Some((who.producer_id, who.producer_epoch));
                self.phase = Phase::Begin;
            }
            Answer::AddPartitions(Ok(())) => self.write(random, partitions),
            Answer::End(Ok(ended)) => {
                if let Phase::End(is_commit) = self.phase {
                    promises.insert(self.number, is_commit);
                }
                if self.level == TransactionLevel::Two {
                    self.who = Some((ended.producer_id, ended.producer_epoch));
                }
                self.phase = Phase::Begin;
                if random.chance(1, 20) {
                    self.begin_anew(true);
                }
            }
            Answer::VerifyPartitions(Ok(_)) => {}
            Answer::Init(Err(refusal))
            | Answer::AddPartitions(Err(refusal))
            | Answer::VerifyPartitions(Err(refusal))
            | Answer::End(Err(refusal)) => self.refused(refusal.code),
            other => panic!("{other:?} was not asked for"),
        }
    }

    fn write(&mut self, random: &mut Random, partitions: &mut Partitions) {
        let who = self.who.unwrap();
        let mut is_whole = true;
        for partition in std::mem::take(&mut self.adding) {
            is_whole &= partitions.append(&partition, who, self.number);
        }
        if !is_whole {
            self.phase = Phase::End(false);
        } else if random.chance(2, 3) {
            self.phase = Phase::End(random.chance(3, 4));
        }
    }

    fn refused(&mut self, code: ErrorCode) {
        match code {
            ErrorCode::ConcurrentTransactions
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::NotCoordinator => {}
            // It took too long, and may recover.
            ErrorCode::InvalidTxnState if self.phase != Phase::Init => self.begin_anew(true),
            // It was fenced or has been forgotten.
            ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping => {
                self.who = None;
                self.begin_anew(false);
            }
            other => panic!("{other:?} is not expected"),
        }
    }
}
