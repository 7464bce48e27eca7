//! Logs whose name the directory's checkpoints may know from an earlier log.
//!
//! Checkpoints are by name, in Kafka's format, and are written now and then. A topic that is deleted
//! and made again in between would be recovered by what is known of the deleted one: it would seem
//! to have lost records, or to begin behind its first ones. So such a log says in its directory that
//! it is not to be believed, until the checkpoints speak of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::TopicPartition;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct FreshLogs {
    /// The logs of the checkpoints that were written last, or are being written.
    checkpointed: RefCell<Arc<BTreeSet<TopicPartition>>>,
    /// Logs made since under such a name, and whether checkpoints were gathered with them.
    fresh: RefCell<BTreeMap<TopicPartition, bool>>,
}

impl FreshLogs {
    /// A log of this name is made; true when its directory has to say so.
    pub(crate) fn note_made(&self, partition: &TopicPartition) -> bool {
        let is_known = self.is_checkpointed(partition);
        if is_known {
            self.note_found(partition);
        }
        is_known
    }

    /// The log's directory says so.
    pub(crate) fn note_found(&self, partition: &TopicPartition) {
        self.fresh.borrow_mut().insert(partition.clone(), false);
    }

    /// Checkpoints of these logs are about to be written.
    pub(crate) fn note_checkpointed(&self, logs: &Arc<BTreeSet<TopicPartition>>) {
        *self.checkpointed.borrow_mut() = Arc::clone(logs);
    }

    pub(crate) fn is_checkpointed(&self, partition: &TopicPartition) -> bool {
        self.checkpointed.borrow().contains(partition)
    }

    /// Checkpoints are gathered, to be written next. The logs that the ones before spoke of
    /// already, which are on the device by now.
    pub(crate) fn note_gathered(
        &self,
        is_gathered: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<TopicPartition> {
        let mut settled = Vec::new();
        self.fresh.borrow_mut().retain(|partition, gathered| {
            if *gathered {
                settled.push(partition.clone());
                return false;
            }
            *gathered = is_gathered(partition);
            true
        });
        settled
    }
}
