//! What can be wrong with a history, told so that a person finds the place.
//!
//! The list is closed: what is not here is allowed. Allowed are, among others: offsets that nobody
//! reads (markers, aborted records), writes of others between those of one transaction (Kafka
//! isolates readers, not writers), cycles over the order of writes, aborted and open records shown
//! to readers of everything, and places in a log that a reader left by seek, assignment or
//! rebalance.

use std::fmt;

use base::{Offset, TopicPartition};

use crate::operation::{Moment, Operation, Process, Transaction, Value};

/// A call, for the reader of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Who called.
    pub process: Process,
    /// When.
    pub invoked: Moment,
}

/// What is all there or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// The batch that this call sent, outside of any transaction.
    Batch(Call),
    /// All batches of a transaction.
    Transaction(Transaction),
}

/// Within what two calls stand in the wrong order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Within one poll or one transaction.
    Internal,
    /// Within one process.
    External,
    /// Between processes: one was answered before the other called.
    RealTime,
}

/// A record where somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// What it says.
    pub value: Value,
    /// Where it was seen.
    pub key: TopicPartition,
    /// At which offset.
    pub offset: Offset,
    /// By which poll.
    pub poll: Call,
}

/// A record that should be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// What it says.
    pub value: Value,
    /// Where it was sent to.
    pub key: TopicPartition,
    /// At which offset it is, as far as anybody was told.
    pub offset: Option<Offset>,
    /// What sent it.
    pub writer: Writer,
    /// The poll that should have seen it, unless somebody did before.
    pub poll: Call,
}

/// One reader of a cycle: it saw the value of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Who wrote the value.
    pub writer: Transaction,
    /// The transaction that saw it, and the writer of the next edge.
    pub reader: Transaction,
    /// What it saw.
    pub seen: Sighting,
}

/// One thing that must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// Two records at one offset, by what producers were told and consumers saw.
    InconsistentOffsets {
        /// Where.
        key: TopicPartition,
        /// At which offset.
        offset: Offset,
        /// All that is said to be there.
        values: Vec<Value>,
    },
    /// One record at several offsets.
    Duplicate {
        /// Which.
        value: Value,
        /// Where it is said to be.
        places: Vec<(TopicPartition, Offset)>,
    },
    /// A record that nobody had sent, or not there, or not yet.
    Phantom {
        /// Where it was seen.
        seen: Sighting,
        /// Where to and by whom it was sent after all.
        sent: Option<(TopicPartition, Call)>,
    },
    /// An acknowledged record that a reader passed, and that nobody ever saw.
    LostWrite(Missing),
    /// An acknowledged record that nobody saw, though somebody read to the end of the log later.
    Unseen(Missing),
    /// Part of a transaction or batch was seen, another part is missing.
    Torn {
        /// Of what.
        writer: Writer,
        /// Something of it that was seen.
        seen: Sighting,
        /// All of it that is missing.
        missing: Vec<Missing>,
    },
    /// A record that was refused, or whose transaction was aborted, shown to a reader that must
    /// not see it (G1a).
    AbortedRead {
        /// What sent it.
        writer: Writer,
        /// Where it was seen.
        seen: Sighting,
    },
    /// A transaction was shown what it had not yet committed.
    OwnUncommittedRead {
        /// Which.
        transaction: Transaction,
        /// What it saw.
        seen: Sighting,
    },
    /// A reader of committed records was shown one before anybody asked to commit it.
    UncommittedRead {
        /// Whose it is.
        transaction: Transaction,
        /// What was seen.
        seen: Sighting,
    },
    /// A reader was shown a record that lies before its place.
    NonMonotonicPoll {
        /// Within what it went back.
        scope: Scope,
        /// The next offset that it wanted.
        place: Offset,
        /// What it was shown.
        seen: Sighting,
    },
    /// A reader was not shown what others were shown.
    PollSkip {
        /// Within what it jumped.
        scope: Scope,
        /// Where.
        key: TopicPartition,
        /// The next offset that it wanted.
        place: Offset,
        /// The offset that it was at behind the jump.
        next: Offset,
        /// The first one that it was not shown.
        missed: Value,
        /// By which poll.
        poll: Call,
    },
    /// Of two sends into one partition the later one got the lower offset.
    NonMonotonicSend {
        /// Within what.
        scope: Scope,
        /// Where.
        key: TopicPartition,
        /// The earlier one, with its value.
        first: (Call, Value, Offset),
        /// The later one.
        second: (Call, Value, Offset),
    },
    /// Transactions that saw one another's writes in a circle (G1c).
    Cycle(Vec<Edge>),
    /// A group was told an offset that was not its last one.
    WrongOffset {
        /// Whose.
        group: String,
        /// In which partition.
        key: TopicPartition,
        /// What it was told.
        told: Option<Offset>,
        /// What it could have been told.
        possible: Vec<Option<Offset>>,
        /// By which call.
        call: Call,
    },
    /// Two transactions that took effect consumed one record for one group.
    ConsumedTwice {
        /// For which.
        group: String,
        /// What they consumed, by the later poll.
        seen: Sighting,
        /// Both.
        transactions: (Transaction, Transaction),
    },
    /// A group's offset went past a record that none of its transactions consumed.
    ConsumedNever {
        /// For which.
        group: String,
        /// Where.
        key: TopicPartition,
        /// At which offset.
        offset: Offset,
        /// What it says.
        value: Value,
        /// The transaction that went past it.
        passed_by: Transaction,
    },
}

impl Call {
    pub(crate) const fn of(operation: &Operation) -> Self {
        Self {
            process: operation.process,
            invoked: operation.invoked,
        }
    }
}

impl Anomaly {
    /// What this kind of fault is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InconsistentOffsets { .. } => "inconsistent-offsets",
            Self::Duplicate { .. } => "duplicate",
            Self::Phantom { .. } => "phantom",
            Self::LostWrite(_) => "lost-write",
            Self::Unseen(_) => "unseen",
            Self::Torn { writer, .. } => match writer {
                Writer::Batch(_) => "torn-batch",
                Writer::Transaction(_) => "torn-transaction",
            },
            Self::AbortedRead { .. } => "aborted-read",
            Self::OwnUncommittedRead { .. } => "own-uncommitted-read",
            Self::UncommittedRead { .. } => "uncommitted-read",
            Self::NonMonotonicPoll { scope, .. } => match scope {
                Scope::Internal => "internal-nonmonotonic-poll",
                Scope::External | Scope::RealTime => "nonmonotonic-poll",
            },
            Self::PollSkip { scope, .. } => match scope {
                Scope::Internal => "internal-poll-skip",
                Scope::External | Scope::RealTime => "poll-skip",
            },
            Self::NonMonotonicSend { scope, .. } => match scope {
                Scope::Internal => "internal-nonmonotonic-send",
                Scope::External => "nonmonotonic-send",
                Scope::RealTime => "realtime-nonmonotonic-send",
            },
            Self::Cycle(_) => "cycle",
            Self::WrongOffset { .. } => "wrong-offset",
            Self::ConsumedTwice { .. } => "consumed-twice",
            Self::ConsumedNever { .. } => "consumed-never",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {} at {}", self.process, self.invoked)
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(call) => write!(formatter, "the batch of {call}"),
            Self::Transaction(transaction) => write!(formatter, "transaction {transaction}"),
        }
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            value,
            key,
            offset,
            poll,
        } = self;
        write!(
            formatter,
            "value {value}, seen in {key} at offset {offset} by {poll}"
        )
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            value, key, writer, ..
        } = self;
        write!(formatter, "value {value} in {key}")?;
        if let Some(offset) = self.offset {
            write!(formatter, " at offset {offset}")?;
        }
        write!(
            formatter,
            " of {writer}, not seen although {} passed",
            self.poll
        )
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.name())?;
        match self {
            Self::InconsistentOffsets {
                key,
                offset,
                values,
            } => write!(
                formatter,
                "{key} has at offset {offset} {}",
                list(values, " and ")
            ),
            Self::Duplicate { value, places } => {
                let places = places
                    .iter()
                    .map(|(key, offset)| format!("{key} at {offset}"));
                let places: Vec<String> = places.collect();
                write!(formatter, "value {value} is in {}", places.join(" and in "))
            }
            Self::Phantom { seen, sent } => match sent {
                None => write!(formatter, "{seen}; nobody sent it"),
                Some((key, call)) => write!(formatter, "{seen}; {call} sent it to {key}"),
            },
            Self::LostWrite(missing) | Self::Unseen(missing) => missing.fmt(formatter),
            Self::Torn {
                writer,
                seen,
                missing,
            } => write!(
                formatter,
                "of {writer} there is {seen}; there is no {}",
                list(missing, "; no ")
            ),
            Self::AbortedRead { writer, seen } => {
                write!(formatter, "{seen}; {writer} was aborted or refused")
            }
            Self::OwnUncommittedRead { transaction, seen } => {
                write!(
                    formatter,
                    "{seen}, which was in transaction {transaction} itself"
                )
            }
            Self::UncommittedRead { transaction, seen } => write!(
                formatter,
                "{seen}, before anybody asked to commit transaction {transaction}"
            ),
            Self::NonMonotonicPoll { place, seen, .. } => {
                write!(formatter, "{seen}, which was at {place} already")
            }
            Self::Cycle(edges) => {
                let edges = edges
                    .iter()
                    .map(|edge| format!("{} saw {} ({})", edge.reader, edge.writer, edge.seen));
                let edges: Vec<String> = edges.collect();
                write!(formatter, "transaction {}", edges.join("; transaction "))
            }
            Self::PollSkip { .. }
            | Self::NonMonotonicSend { .. }
            | Self::WrongOffset { .. }
            | Self::ConsumedTwice { .. }
            | Self::ConsumedNever { .. } => self.describe_place(formatter),
        }
    }
}

impl Anomaly {
    /// The rest of `Display`: what is about places rather than sightings.
    fn describe_place(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PollSkip {
                key,
                place,
                next,
                missed,
                poll,
                ..
            } => write!(
                formatter,
                "{poll} went in {key} from {place} to {next} without value {missed}, which others \
                 saw"
            ),
            Self::NonMonotonicSend {
                key, first, second, ..
            } => write!(
                formatter,
                "in {key} value {} of {} is at {}, value {} of the later {} at {}",
                first.1, first.0, first.2, second.1, second.0, second.2
            ),
            Self::WrongOffset {
                group,
                key,
                told,
                possible,
                call,
            } => {
                let possible = possible.iter().map(|offset| show(*offset));
                let possible: Vec<String> = possible.collect();
                write!(
                    formatter,
                    "{call} was told that {group} is in {key} at {}, but it is at {}",
                    show(*told),
                    possible.join(" or ")
                )
            }
            Self::ConsumedTwice {
                group,
                seen,
                transactions,
            } => write!(
                formatter,
                "{seen}, was consumed for {group} by transactions {} and {}",
                transactions.0, transactions.1
            ),
            Self::ConsumedNever {
                group,
                key,
                offset,
                value,
                passed_by,
            } => write!(
                formatter,
                "{group} went past value {value} in {key} at {offset} with transaction \
                 {passed_by}, and no transaction consumed it"
            ),
            Self::InconsistentOffsets { .. }
            | Self::Duplicate { .. }
            | Self::Phantom { .. }
            | Self::LostWrite(_)
            | Self::Unseen(_)
            | Self::Torn { .. }
            | Self::AbortedRead { .. }
            | Self::OwnUncommittedRead { .. }
            | Self::UncommittedRead { .. }
            | Self::NonMonotonicPoll { .. }
            | Self::Cycle(_) => Ok(()),
        }
    }
}

fn show(offset: Option<Offset>) -> String {
    offset.map_or_else(|| "no offset".to_owned(), |offset| offset.to_string())
}

fn list(items: &[impl fmt::Display], between: &str) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(between)
}
