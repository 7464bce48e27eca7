//! All operations of a run in the order of their calls, and what became of its transactions.
//!
//! Invariants: no two moments are the same, values are sent once, a transaction belongs to one
//! process and nothing of it is invoked behind its end, and only calls that succeeded carry
//! answers. A recording that breaks one of these is refused: a checker that went on would accuse
//! the broker of the recorder's mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::operation::{Action, Moment, Operation, Outcome, Process, Transaction, Value};

/// See the head of this file.
#[derive(Clone, Debug)]
pub struct History {
    operations: Vec<Operation>,
    transactions: BTreeMap<Transaction, Life>,
}

/// What is known of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Whose it is.
    pub process: Process,
    /// Its first call.
    pub invoked: Moment,
    /// When somebody asked for its end; nothing when nobody ever did.
    pub end_asked: Option<Moment>,
    /// When its end was answered.
    pub returned: Option<Moment>,
    /// What became of it.
    pub fate: Fate,
    /// Its calls, as places in [`History::operations`].
    pub calls: Vec<usize>,
}

/// What became of a transaction, as far as its process can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its process was told so.
    Committed,
    /// Nobody asked to commit it, so nobody ever can: a coordinator that ends a transaction by
    /// itself, since it took too long or a successor came, aborts it (KIP-98). Or it was asked
    /// for and definitely refused.
    Aborted,
    /// A commit was asked for, and its answer was lost.
    Indefinite,
}

/// Why a recording is no history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryError {
    /// Two calls or answers at one moment, or an answer before its call.
    Moment(Moment),
    /// A value that was sent by two operations, or twice by one.
    SentTwice(Value),
    /// A transaction with calls of two processes.
    TwoProcesses(Transaction),
    /// A call of a transaction behind the call that ended it.
    BehindTheEnd(Transaction, Moment),
    /// The end of no transaction.
    EndOfNothing(Moment),
    /// A call with a definite outcome that never returned.
    NeverReturned(Moment),
    /// An answer of a call that was not answered with success.
    AnswerWithoutSuccess(Moment),
}

impl fmt::Display for HistoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moment(moment) => write!(
                formatter,
                "moment {moment} comes twice, or is an answer before its call; every call and \
                 every answer takes the next tick of one counter"
            ),
            Self::SentTwice(value) => write!(
                formatter,
                "value {value} is sent twice; a client's own retries are one operation"
            ),
            Self::TwoProcesses(transaction) => {
                write!(
                    formatter,
                    "transaction {transaction} has calls of two processes"
                )
            }
            Self::BehindTheEnd(transaction, moment) => write!(
                formatter,
                "the call at {moment} belongs to transaction {transaction}, which was ended before"
            ),
            Self::EndOfNothing(moment) => {
                write!(formatter, "the call at {moment} ends no transaction")
            }
            Self::NeverReturned(moment) => write!(
                formatter,
                "the call at {moment} never returned, so its outcome cannot be known"
            ),
            Self::AnswerWithoutSuccess(moment) => write!(
                formatter,
                "the call at {moment} did not succeed and has an answer nevertheless"
            ),
        }
    }
}

impl std::error::Error for HistoryError {}

impl History {
    /// The history of these operations, in whatever order they come.
    ///
    /// # Errors
    /// When they break an invariant, see the head of this file.
    pub fn new(mut operations: Vec<Operation>) -> Result<Self, HistoryError> {
        operations.sort_by_key(|operation| operation.invoked);
        refuse_moments(&operations)?;
        refuse_values(&operations)?;
        let mut transactions = BTreeMap::new();
        for (place, operation) in operations.iter().enumerate() {
            if has_answer(operation) && !operation.is_ok() {
                return Err(HistoryError::AnswerWithoutSuccess(operation.invoked));
            }
            if operation.returned.is_none() && operation.outcome != Outcome::Indefinite {
                return Err(HistoryError::NeverReturned(operation.invoked));
            }
            match operation.transaction {
                Some(transaction) => {
                    let life = transactions
                        .entry(transaction)
                        .or_insert_with(|| Life::new(operation));
                    life.add(place, transaction, operation)?;
                }
                None if matches!(operation.action, Action::End { .. }) => {
                    return Err(HistoryError::EndOfNothing(operation.invoked));
                }
                None => {}
            }
        }
        Ok(Self {
            operations,
            transactions,
        })
    }

    /// All calls, in the order in which they were invoked.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// All transactions.
    #[must_use]
    pub const fn transactions(&self) -> &BTreeMap<Transaction, Life> {
        &self.transactions
    }
}

impl Life {
    const fn new(first: &Operation) -> Self {
        Self {
            process: first.process,
            invoked: first.invoked,
            end_asked: None,
            returned: None,
            fate: Fate::Aborted,
            calls: Vec::new(),
        }
    }

    fn add(
        &mut self,
        place: usize,
        transaction: Transaction,
        operation: &Operation,
    ) -> Result<(), HistoryError> {
        if self.process != operation.process {
            return Err(HistoryError::TwoProcesses(transaction));
        }
        if self.end_asked.is_some() {
            return Err(HistoryError::BehindTheEnd(transaction, operation.invoked));
        }
        self.calls.push(place);
        if let Action::End { commit } = operation.action {
            self.end_asked = Some(operation.invoked);
            self.returned = operation.returned;
            self.fate = match (commit, operation.outcome) {
                (true, Outcome::Ok) => Fate::Committed,
                (true, Outcome::Indefinite) => Fate::Indefinite,
                (true, Outcome::Failed) | (false, _) => Fate::Aborted,
            };
        }
        Ok(())
    }
}

fn refuse_moments(operations: &[Operation]) -> Result<(), HistoryError> {
    let mut moments = BTreeSet::new();
    for operation in operations {
        let returned = operation.returned;
        if !moments.insert(operation.invoked) {
            return Err(HistoryError::Moment(operation.invoked));
        }
        if let Some(returned) = returned
            && (returned <= operation.invoked || !moments.insert(returned))
        {
            return Err(HistoryError::Moment(returned));
        }
    }
    Ok(())
}

fn refuse_values(operations: &[Operation]) -> Result<(), HistoryError> {
    let mut sent = BTreeSet::new();
    for operation in operations {
        if let Action::Send { values, .. } = &operation.action {
            for value in values {
                if !sent.insert(*value) {
                    return Err(HistoryError::SentTwice(*value));
                }
            }
        }
    }
    Ok(())
}

fn has_answer(operation: &Operation) -> bool {
    match &operation.action {
        Action::Send { base_offset, .. } => base_offset.is_some(),
        Action::Poll {
            records, reached, ..
        } => !records.is_empty() || !reached.is_empty(),
        Action::Resume { offset, .. } => offset.is_some(),
        Action::CommitOffsets { .. }
        | Action::End { .. }
        | Action::Assign { .. }
        | Action::Subscribe { .. }
        | Action::Rebalanced { .. }
        | Action::Seek { .. } => false,
    }
}
