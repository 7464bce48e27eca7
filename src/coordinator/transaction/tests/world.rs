//! A machine with its log and its clocks, checked after every step.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{ProducerEpoch, ProducerId, Timestamp};
use config::Settings;

use crate::transaction::state::Durable;
use crate::transaction::{
    Answer, Ask, MarkerOutcome, MarkerReport, Markers, Planted, Step, TransactionLevel,
    TransactionStatus, Transactions, TransactionsConfig,
};
use crate::{Caller, Now, Record};

/// 2026-11-21, noon.
pub(super) const BIRTH: i64 = 1_795_262_400_000;
/// The coordinator's epoch.
pub(super) const EPOCH: i32 = 7;

/// What left the machine in one step.
#[derive(Default)]
pub(super) struct Output {
    pub(super) answers: Vec<(Caller, Answer)>,
    pub(super) markers: Vec<Markers>,
}

/// One machine, its log, and the fold of the log beside it.
pub(super) struct World {
    pub(super) machine: Transactions,
    pub(super) log: Vec<Record>,
    pub(super) now: Now,
    pub(super) config: TransactionsConfig,
    planted: Planted,
    folded: Transactions,
    caller: u64,
    next_id: i64,
}

/// The settings of a node with nothing configured, at the newest level.
pub(super) fn config() -> TransactionsConfig {
    TransactionsConfig::new(&Settings::default(), 2)
}

/// A producer without a transaction.
pub(super) fn idle(producer_id: ProducerId, epoch: ProducerEpoch) -> Durable {
    Durable {
        producer_id,
        previous_id: producer_id,
        next_id: ProducerId::NONE,
        epoch,
        timeout_ms: 60_000,
        status: TransactionStatus::Empty,
        partitions: BTreeSet::new(),
        updated_at: BIRTH,
        started_at: -1,
        level: TransactionLevel::One,
    }
}

impl World {
    pub(super) fn new(config: TransactionsConfig, planted: Planted) -> Self {
        let mut world = Self {
            machine: Transactions::with_bug(config.clone(), EPOCH, planted),
            folded: Transactions::new(config.clone(), EPOCH),
            log: Vec::new(),
            now: Now {
                since_start: Duration::from_secs(1),
                wall: Timestamp(BIRTH),
            },
            config,
            planted,
            caller: 0,
            next_id: 1000,
        };
        let output = world.restart(0);
        assert!(output.markers.is_empty(), "nothing was begun yet");
        world
    }

    /// Loads anew from the first `kept` records; whoever waited is forgotten.
    pub(super) fn restart(&mut self, kept: usize) -> Output {
        self.log.truncate(kept);
        self.machine = Transactions::with_bug(self.config.clone(), EPOCH, self.planted);
        self.folded = Transactions::new(self.config.clone(), EPOCH);
        for record in &self.log {
            for machine in [&mut self.machine, &mut self.folded] {
                machine
                    .replay(&record.key, record.value.as_deref())
                    .unwrap();
            }
        }
        let step = self.machine.loaded(self.now);
        self.take(step)
    }

    pub(super) fn ask(&mut self, ask: Ask) -> (Caller, Output) {
        // The host gives ids when they run low, a few at a time.
        while self.machine.is_short_of_ids() {
            self.machine.supply(self.next_id..self.next_id + 5);
            self.next_id += 5;
        }
        self.caller += 1;
        let caller = Caller(self.caller);
        let step = self.machine.handle(self.now, caller, ask);
        let output = self.take(step);
        assert!(
            output.answers.len() == 1 && output.answers[0].0 == caller,
            "whoever asks is answered at once"
        );
        (caller, output)
    }

    pub(super) fn mark(&mut self, report: MarkerReport) -> Output {
        let step = self.machine.marked(self.now, report);
        self.take(step)
    }

    /// Reports one outcome for all partitions of these markers.
    pub(super) fn mark_all(&mut self, markers: &Markers, outcome: MarkerOutcome) -> Output {
        let mut all = Output::default();
        for partition in &markers.partitions {
            let output = self.mark(MarkerReport {
                ticket: markers.ticket,
                transactional_id: markers.transactional_id.clone(),
                partition: partition.clone(),
                outcome,
            });
            all.markers.extend(output.markers);
        }
        all
    }

    /// Lets time pass, ticking whenever something is due.
    pub(super) fn pass(&mut self, time: Duration) -> Output {
        let end = self.now.since_start + time;
        let mut all = Output::default();
        let mut idle = 0;
        while let Some(due) = self.machine.deadline().filter(|due| *due <= end) {
            idle = if due > self.now.since_start {
                0
            } else {
                idle + 1
            };
            assert!(idle < 1000, "the machine does not come to rest");
            self.advance(due.saturating_sub(self.now.since_start));
            let step = self.machine.tick(self.now);
            let output = self.take(step);
            all.answers.extend(output.answers);
            all.markers.extend(output.markers);
        }
        self.advance(end.saturating_sub(self.now.since_start));
        all
    }

    fn advance(&mut self, time: Duration) {
        self.now.since_start += time;
        self.now.wall.0 += i64::try_from(time.as_millis()).unwrap();
    }

    /// What every step must leave true: live state is the fold of the log.
    fn take(&mut self, step: Step) -> Output {
        for record in step.records {
            self.folded
                .replay(&record.key, record.value.as_deref())
                .unwrap();
            self.log.push(record);
        }
        assert!(
            self.machine.is_durably_equal(&self.folded),
            "live state differs from the fold of the log: {:#?}\n{:#?}",
            self.machine,
            self.folded
        );
        Output {
            answers: step.answers,
            markers: step.markers,
        }
    }
}
