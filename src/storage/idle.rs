//! What a log lets go of while nobody appends to it: open files, and room ahead of need.
//!
//! A node may have ten thousand partitions of which a hundred are busy. An open file costs a
//! descriptor and memory, room ahead of need costs disk.
//!
//! Invariants: a log rests only while everything in it is on the device in its segments and nobody
//! appends; what was let go of comes back by itself when it is needed.

use std::time::Duration;

use crate::error::StorageError;
use crate::log::Log;
use crate::state::STEP_FIRST;

impl Log {
    /// Lets go of what only appends need, if there was none for `idle`; and of open files.
    ///
    /// # Errors
    /// When the device refuses.
    pub(crate) async fn rest(&self, idle: Duration) -> Result<(), StorageError> {
        if !self.is_idle(idle) {
            return Ok(());
        }
        // Whoever holds it is about to append, or cuts.
        let Some(_appends) = self.append_gate().try_enter() else {
            return Ok(());
        };
        let active = self.shared.state.borrow().active();
        if active.growing.get() || active.sealing.get() {
            return Ok(());
        }
        if active.allocated.get() > active.len.get() {
            let file = active.file(self.engine().core()).await?;
            file.truncate(active.len.get()).await?;
            active.allocated.set(active.len.get());
            self.shared.state.borrow_mut().step = STEP_FIRST;
        }
        let state = self.shared.state.borrow();
        state.check();
        state.segments.values().for_each(|segment| segment.close());
        Ok(())
    }

    fn is_idle(&self, idle: Duration) -> bool {
        let state = self.shared.state.borrow();
        let now = self.engine().core().now();
        let is_durable = state.durable.offset == state.end && !state.debt.is_owed();
        is_durable && !state.closed && now.saturating_sub(state.appended_last) >= idle
    }
}
