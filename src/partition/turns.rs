//! The transactional appends of one producer, one after the other until they are admitted: the
//! coordinator may have to be asked before, and they must keep their order meanwhile.
//!
//! Invariant: whoever has a turn or waits for one is counted, and a producer of whom nobody is has
//! no gate.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

use base::ProducerId;
use storage::{Gate, GateGuard};

use crate::partition::Partition;

#[derive(Default)]
struct Queue {
    gate: Gate,
    users: usize,
}

/// The gates of the producers that append now.
#[derive(Clone, Default)]
pub(crate) struct Turns {
    queues: Rc<RefCell<BTreeMap<ProducerId, Queue>>>,
}

/// Counted as long as it lives.
struct User {
    turns: Turns,
    id: ProducerId,
}

/// A producer's turn, until it is dropped.
pub struct ProducerTurn {
    // In this order: the gate is handed on while its queue is there.
    _alone: GateGuard,
    _user: User,
}

impl Turns {
    /// Waits for the producer's turn; the place in the queue is taken now.
    pub(crate) fn enter(&self, id: ProducerId) -> impl Future<Output = ProducerTurn> + use<> {
        let (entering, user) = {
            let mut queues = self.queues.borrow_mut();
            let queue = queues.entry(id).or_default();
            queue.users += 1;
            let turns = self.clone();
            (queue.gate.enter(), User { turns, id })
        };
        async move {
            ProducerTurn {
                _alone: entering.await,
                _user: user,
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.queues.borrow().len()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut queues = self.turns.queues.borrow_mut();
        if let Some(queue) = queues.get_mut(&self.id) {
            queue.users = queue.users.saturating_sub(1);
            if queue.users == 0 {
                queues.remove(&self.id);
            }
        }
    }
}

impl Partition {
    /// The turn of one producer's transactional append, which it has until it is admitted, so that
    /// asking the coordinator keeps its batches in order. Other producers do not wait for it.
    pub fn producer_turn(&self, id: ProducerId) -> impl Future<Output = ProducerTurn> + use<> {
        self.shared.turns.enter(id)
    }
}
