//! A count of what exists now, shared by all cores, with an upper limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many of something exist in the process. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    count: Arc<AtomicUsize>,
}

/// One of the counted things; dropping it counts down.
#[derive(Debug)]
pub struct Held {
    count: Arc<AtomicUsize>,
}

impl Gauge {
    /// A gauge at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one more unless `max` exist already.
    #[must_use]
    pub fn try_hold(&self, max: usize) -> Option<Held> {
        // Relaxed: the number guards a limit and orders no other memory.
        let taken = self
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < max).then_some(count + 1)
            });
        taken.ok().map(|_| Held {
            count: Arc::clone(&self.count),
        })
    }

    /// How many exist now.
    #[must_use]
    pub fn get(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let before = self.count.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "more was given back than was held");
    }
}
