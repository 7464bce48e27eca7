//! What every handler has at hand: the time, the settings, fresh ids, the timers, the step.
//!
//! Invariant: [`Context::emit`] and [`Context::forget`] are the only ways in which a live step
//! changes durable state, and `emit` does so by reading back the very bytes that go to the log.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use base::ProducerId;

use super::planted::Planted;
use super::state::{Durable, Transaction};
use super::{Answer, Step, Ticket, TransactionsConfig};
use crate::timers::{TimerKey, TimerKind, Timers};
use crate::{Caller, Now};

use super::records;

/// The surroundings of one input to one transactional id.
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) id: &'a Arc<str>,
    pub(crate) config: &'a TransactionsConfig,
    pub(crate) coordinator_epoch: i32,
    pub(crate) timers: &'a mut Timers,
    pub(crate) fresh: &'a mut FreshIds,
    pub(crate) next_ticket: &'a mut u64,
    pub(crate) step: &'a mut Step,
    pub(crate) no_member: &'a Arc<str>,
    pub(crate) planted: Planted,
}

/// Producer ids that nobody has yet, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct FreshIds {
    blocks: VecDeque<Range<i64>>,
}

impl FreshIds {
    pub(crate) fn supply(&mut self, block: Range<i64>) {
        assert!(block.start >= 0, "producer ids are not negative");
        if !block.is_empty() {
            self.blocks.push_back(block);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        let sizes = self.blocks.iter();
        let sizes = sizes.map(|block| (block.end - block.start).unsigned_abs());
        sizes.sum()
    }

    pub(crate) fn take(&mut self) -> Option<ProducerId> {
        let block = self.blocks.front_mut()?;
        let id = block.next()?;
        if block.is_empty() {
            self.blocks.pop_front();
        }
        Some(ProducerId(id))
    }
}

impl Context<'_> {
    /// The wall clock in milliseconds.
    pub(crate) const fn now_ms(&self) -> i64 {
        self.now.wall.0
    }

    /// Puts a record into the step and applies it.
    pub(crate) fn emit(&mut self, transaction: &mut Transaction, durable: &Durable) {
        transaction.durable = self.record(durable);
    }

    /// Puts the first record of a transactional id into the step.
    pub(crate) fn begin(&mut self, durable: &Durable) -> Transaction {
        Transaction::new(self.record(durable))
    }

    #[expect(clippy::expect_used, reason = "what was just encoded can be replayed")]
    fn record(&mut self, durable: &Durable) -> Durable {
        let version = self.config.transaction_version;
        let record = records::encode(self.id, Some(durable), version);
        let value = record.value.as_deref().unwrap_or_default();
        let replayed = records::decode_value(value).expect("it can be replayed");
        self.step.records.push(record);
        replayed
    }

    /// Puts a record into the step that says that the transactional id is no more.
    pub(crate) fn forget(&mut self) {
        let version = self.config.transaction_version;
        let record = records::encode(self.id, None, version);
        self.step.records.push(record);
    }

    /// Answers a caller.
    pub(crate) fn answer(&mut self, caller: Caller, answer: Answer) {
        self.step.answers.push((caller, answer));
    }

    /// A name for a sending of markers that no other has in this machine's life.
    pub(crate) fn ticket(&mut self) -> Ticket {
        *self.next_ticket += 1;
        Ticket(*self.next_ticket)
    }

    pub(crate) fn set_timer(&mut self, kind: TimerKind, at: Duration) {
        let key = self.key(kind);
        self.timers.set(key, at);
    }

    pub(crate) fn cancel_timer(&mut self, kind: TimerKind) {
        let key = self.key(kind);
        self.timers.cancel(&key);
    }

    fn key(&self, kind: TimerKind) -> TimerKey {
        TimerKey {
            group: Arc::clone(self.id),
            member: Arc::clone(self.no_member),
            kind,
        }
    }
}
