//! Logs whose name the directory's checkpoints may know from an earlier log.
//!
//! Checkpoints are by name, in Kafka's format, and are written now and then. A topic that is deleted
//! and made again in between would be recovered by what is known of the deleted one: it would seem
//! to have lost records, or to begin behind its first ones. So such a log says in its directory that
//! it is not to be believed, until the checkpoints speak of it. So does a log whose end was cut: what
//! is written down of its longer self would make damage of what is appended next.
//!
//! Invariants: [`crate::DataDir`] alone knows which names the checkpoints on the device may speak
//! of, and every engine of the directory knows them before it makes a log; a mark goes when
//! checkpoints that speak of the very log that has it are on the device, and not before.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::TopicPartition;

/// Names of logs, shared by the engines of a directory.
pub type LogNames = Arc<BTreeSet<TopicPartition>>;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct FreshLogs {
    /// The logs that the checkpoints on the device may speak of.
    spoken: RefCell<LogNames>,
    /// The open logs with a mark, and whether the checkpoints that are being written speak of them.
    marked: RefCell<BTreeMap<TopicPartition, bool>>,
}

impl FreshLogs {
    /// A log of this name is made; true when its directory has to say so.
    pub(crate) fn note_made(&self, partition: &TopicPartition) -> bool {
        let is_spoken = self.is_spoken(partition);
        if is_spoken {
            self.note_marked(partition);
        }
        is_spoken
    }

    /// The log's directory says so, and checkpoints that were gathered before do not mean the log
    /// as it is now.
    pub(crate) fn note_marked(&self, partition: &TopicPartition) {
        self.marked.borrow_mut().insert(partition.clone(), false);
    }

    pub(crate) fn is_marked(&self, partition: &TopicPartition) -> bool {
        self.marked.borrow().contains_key(partition)
    }

    /// The log is open no more.
    pub(crate) fn forget(&self, partition: &TopicPartition) {
        self.marked.borrow_mut().remove(partition);
    }

    /// What the checkpoints on the device may speak of from now on.
    pub(crate) fn note_spoken(&self, names: &LogNames) {
        *self.spoken.borrow_mut() = Arc::clone(names);
    }

    pub(crate) fn is_spoken(&self, partition: &TopicPartition) -> bool {
        self.spoken.borrow().contains(partition)
    }

    /// Checkpoints are gathered, to be written next.
    pub(crate) fn note_gathered(&self, is_gathered: impl Fn(&TopicPartition) -> bool) {
        for (partition, gathered) in self.marked.borrow_mut().iter_mut() {
            *gathered = is_gathered(partition);
        }
    }

    /// What was gathered is on the device: the logs that need no mark any more.
    pub(crate) fn settle(&self) -> BTreeSet<TopicPartition> {
        let mut settled = BTreeSet::new();
        self.marked.borrow_mut().retain(|partition, gathered| {
            if *gathered {
                settled.insert(partition.clone());
            }
            !*gathered
        });
        settled
    }
}
