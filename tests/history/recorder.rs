//! Takes down a history while it happens.
//!
//! One recorder serves all processes of a run; threads share it behind a lock, tasks of one core
//! behind a cell. A call is noted before its request leaves and its answer after it came, so that
//! the moments never claim an order that was not there.

use base::Offset;

use crate::history::{History, HistoryError};
use crate::operation::{
    Action, Moment, Operation, Outcome, Polled, Process, Reached, Transaction, Value,
};

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Recorder {
    operations: Vec<Operation>,
    now: u64,
    processes: u64,
    transactions: u64,
    values: u64,
}

/// A call that was noted and not yet answered.
#[derive(Debug)]
#[must_use = "a call without an answer counts as one that never returned"]
pub struct Ticket(usize);

impl Recorder {
    /// A process that nobody was before.
    pub const fn new_process(&mut self) -> Process {
        self.processes += 1;
        Process(self.processes)
    }

    /// A transaction that begins now.
    pub const fn new_transaction(&mut self) -> Transaction {
        self.transactions += 1;
        Transaction(self.transactions)
    }

    /// A value that nobody has sent.
    pub const fn new_value(&mut self) -> Value {
        self.values += 1;
        Value(self.values)
    }

    /// Notes a call. Until it is answered it is one of unknown effect that never returned.
    pub fn invoke(
        &mut self,
        process: Process,
        transaction: Option<Transaction>,
        action: Action,
    ) -> Ticket {
        let invoked = self.tick();
        self.operations.push(Operation {
            process,
            invoked,
            returned: None,
            outcome: Outcome::Indefinite,
            transaction,
            action,
        });
        Ticket(self.operations.len() - 1)
    }

    /// Notes an answer, or that the client gave up, when there is no more to tell than that.
    pub fn answer(&mut self, ticket: Ticket, outcome: Outcome) {
        self.answer_with(ticket, outcome, |_| {});
    }

    /// A batch is in the log, from this offset on if it was told.
    pub fn answer_send(&mut self, ticket: Ticket, told: Option<Offset>) {
        self.answer_with(ticket, Outcome::Ok, |action| {
            let Action::Send { base_offset, .. } = action else {
                panic!("no send: {action:?}");
            };
            *base_offset = told;
        });
    }

    /// A poll has come back with these.
    pub fn answer_poll(&mut self, ticket: Ticket, polled: Vec<Polled>, ends: Vec<Reached>) {
        self.answer_with(ticket, Outcome::Ok, |action| {
            let Action::Poll {
                records, reached, ..
            } = action
            else {
                panic!("no poll: {action:?}");
            };
            (*records, *reached) = (polled, ends);
        });
    }

    /// A group is here.
    pub fn answer_resume(&mut self, ticket: Ticket, told: Option<Offset>) {
        self.answer_with(ticket, Outcome::Ok, |action| {
            let Action::Resume { offset, .. } = action else {
                panic!("no question for a group's offset: {action:?}");
            };
            *offset = told;
        });
    }

    /// Notes what a process does by itself, without asking anybody: assign, subscribe, seek, or
    /// that it was told of a rebalance.
    pub fn note(&mut self, process: Process, action: Action) {
        let ticket = self.invoke(process, None, action);
        self.answer(ticket, Outcome::Ok);
    }

    /// The history so far.
    ///
    /// # Errors
    /// When the recorder was used in a way that makes no history.
    pub fn finish(self) -> Result<History, HistoryError> {
        History::new(self.operations)
    }

    fn answer_with(&mut self, ticket: Ticket, outcome: Outcome, tell: impl FnOnce(&mut Action)) {
        let returned = self.tick();
        let operation = self.operations.get_mut(ticket.0);
        let Some(operation) = operation else {
            panic!("a ticket of another recorder");
        };
        assert!(operation.returned.is_none(), "answered twice");
        operation.returned = Some(returned);
        operation.outcome = outcome;
        tell(&mut operation.action);
    }

    const fn tick(&mut self) -> Moment {
        self.now += 1;
        Moment(self.now)
    }
}
