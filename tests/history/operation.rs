//! What one client asked for, and what it was told.
//!
//! An operation is one call of one process: it is invoked at one moment and returns at a later
//! one, or never. Calls that belong to a transaction carry its number; its fate follows from the
//! call that ended it, see [`crate::History::transactions`].
//!
//! Invariants that a recorder keeps: every value is sent once in a whole history, however often a
//! client sends the same batch again under the same sequence numbers (that is one operation, which
//! returns when the client gives up or is answered); a process is one thread of control with at
//! most one producer and one consumer, and a process that died comes back under a new number.

use base::{Offset, TopicPartition};

/// Defines a transparent number with an order.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number! {
    /// One client's life, from its start to its end or crash.
    Process
}
number! {
    /// A tick of the one counter that orders all calls and returns of a history.
    Moment
}
number! {
    /// One transaction of one process.
    Transaction
}
number! {
    /// What a record says; no two records that were sent say the same.
    Value
}

/// One call and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who called.
    pub process: Process,
    /// When it called.
    pub invoked: Moment,
    /// When it was answered or gave up; nothing when it never came back.
    pub returned: Option<Moment>,
    /// What it knows about the effect.
    pub outcome: Outcome,
    /// The transaction that the call is part of.
    pub transaction: Option<Transaction>,
    /// What it asked for, with what it was told.
    pub action: Action,
}

/// What a process knows about the effect of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen, and never will.
    Failed,
    /// It may have happened, may happen later, or never: an answer that was lost, or an error
    /// that leaves it open.
    Indefinite,
}

/// Which records a poll is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Everything that is in the log.
    ReadUncommitted,
    /// Nothing of aborted transactions, and nothing behind an open one (KIP-98).
    ReadCommitted,
}

/// What was asked for. The answer's part is empty while there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes one batch, in the order of `values`, at offsets without a gap.
    Send {
        /// Where.
        key: TopicPartition,
        /// The records.
        values: Vec<Value>,
        /// Answer: the offset of the first record, if it was told.
        base_offset: Option<Offset>,
    },
    /// Reads on from where the process is. Give each call of a consumer its own operation.
    Poll {
        /// What the consumer wants to see.
        isolation: Isolation,
        /// Answer: the records in the order in which they were handed out.
        records: Vec<Polled>,
        /// Answer: how far that brought the consumer; may be left out.
        reached: Vec<Reached>,
    },
    /// Commits a group's offsets, within the operation's transaction if it has one.
    CommitOffsets {
        /// Whose.
        group: String,
        /// The next offset to consume, per partition.
        offsets: Vec<(TopicPartition, Offset)>,
    },
    /// Ends the operation's transaction. One operation, however often the client asks again.
    ///
    /// [`Outcome::Failed`] of a commit means that it can never take effect. A client that was
    /// fenced when it asked for the second time does not know that: [`Outcome::Indefinite`].
    End {
        /// False to abort it.
        commit: bool,
    },
    /// From now on the process reads these partitions, by its own choice. It keeps its place in
    /// those that it had before.
    Assign {
        /// All of them.
        keys: Vec<TopicPartition>,
    },
    /// From now on a group says what the process reads; it forgets its places.
    Subscribe {
        /// The topics.
        topics: Vec<String>,
    },
    /// The group took these partitions from the process or gave them to it: it has no place in
    /// them any more. What it reads next there it reads wherever it was told to.
    Rebalanced {
        /// Taken and given.
        keys: Vec<TopicPartition>,
    },
    /// The process goes to an offset by its own choice.
    Seek {
        /// Where.
        key: TopicPartition,
        /// The next offset that it wants.
        offset: Offset,
    },
    /// The process asks where its group is, and goes there if it is told an offset.
    Resume {
        /// Whose offset.
        group: String,
        /// In which partition.
        key: TopicPartition,
        /// Answer: nothing when the group has none yet.
        offset: Option<Offset>,
    },
}

/// One record as a poll handed it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Where it lies.
    pub key: TopicPartition,
    /// At which offset.
    pub offset: Offset,
    /// What it says.
    pub value: Value,
}

/// How far a poll has come in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Where.
    pub key: TopicPartition,
    /// The next offset that it will ask for: everything below was handed out, or is nothing that
    /// this consumer wants (markers, aborted records).
    pub next: Offset,
    /// True when `next` was the end of the log for readers of everything (the high watermark), as
    /// the broker told it in answer to this very poll or to a question asked after its begin.
    /// The last stable offset alone does not count.
    pub is_end: bool,
}

impl Operation {
    /// True when the process was told that it happened.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}
