//! How many tasks are still at work, and a way to wait for all of them.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use reactor::{Core, Signal};

/// Counts tasks from their start to their end. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Running {
    count: Rc<Cell<usize>>,
    ended: Signal,
}

impl Running {
    /// Runs `task` on `core` and counts it until it ends.
    pub(crate) fn spawn(&self, core: &Core, task: impl Future<Output = ()> + 'static) {
        self.count.set(self.count.get() + 1);
        let running = self.clone();
        core.spawn(async move {
            task.await;
            assert!(running.count.get() > 0, "more ends than beginnings");
            running.count.set(running.count.get() - 1);
            running.ended.notify();
        });
    }

    /// Waits until none is at work.
    pub(crate) async fn all_ended(&self) {
        while self.count.get() > 0 {
            self.ended.wait().await;
        }
    }
}
