//! A count that one core keeps.

use std::cell::Cell;

/// A number that only grows; it belongs to one core.
#[derive(Debug, Default)]
pub struct Counter {
    value: Cell<u64>,
}

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `count` more.
    pub fn add(&self, count: u64) {
        self.value.set(self.value.get().wrapping_add(count));
    }

    /// What was counted so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.value.get()
    }
}
