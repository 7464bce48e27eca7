//! The fingerprint of a run: every decision the simulation takes is mixed into one number.
//!
//! Two runs of one seed must give the same number; where they do not, something outside the
//! seed (an address, a hash map's order, a real clock) leaked into the program under test.

use std::cell::Cell;

/// What kind of thing happened; the first word of every entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A task was picked and polled.
    Poll = 1,
    /// A timer fired.
    Timer = 2,
    /// A disk operation was handed to the device.
    DiskSubmitted = 3,
    /// A disk operation ended.
    DiskCompleted = 4,
    /// Something travelled over the network.
    Network = 5,
    /// A process started, died or lost power.
    Process = 6,
    /// A core drew entropy.
    Entropy = 7,
}

/// A running hash over everything that happened so far.
#[derive(Debug)]
pub(super) struct Trace {
    hash: Cell<u64>,
    entries: Cell<u64>,
}

impl Trace {
    /// An empty trace of the run of `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            hash: Cell::new(seed ^ 0xCBF2_9CE4_8422_2325),
            entries: Cell::new(0),
        }
    }

    /// Mixes one happening in; `subject` and `detail` tell it from others of its kind.
    pub(super) fn record(&self, kind: Kind, now_ns: u64, subject: u64, detail: u64) {
        let mut hash = self.hash.get();
        for word in [kind as u64, now_ns, subject, detail] {
            hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01B3);
            hash ^= hash >> 29;
        }
        self.hash.set(hash);
        self.entries.set(self.entries.get() + 1);
    }

    /// The fingerprint so far.
    pub(super) const fn hash(&self) -> u64 {
        self.hash.get()
    }

    /// How many things happened so far.
    pub(super) const fn entries(&self) -> u64 {
        self.entries.get()
    }
}
