//! How fast compaction may go: not faster than configured, and never for long at a time.
//!
//! Compaction runs on the core of its partition. After each small piece of work everybody else
//! has a turn, and compaction rests for as long as the piece took: it never has more than half of
//! the core or of the device, and nobody waits for it longer than for one piece.

use std::time::Duration;

use reactor::Core;

/// Bytes after which others have a turn.
const PIECE_BYTES: u64 = 64 << 10;
/// The longest rest after one piece.
const REST_MAX: Duration = Duration::from_millis(10);

/// See the module's head.
pub(crate) struct Pace {
    core: Core,
    bytes_per_second_max: u64,
    begun: Duration,
    piece_begun: Duration,
    piece: u64,
    spent: u64,
}

impl Pace {
    pub(crate) fn new(core: &Core, bytes_per_second_max: u64) -> Self {
        Self {
            core: core.clone(),
            bytes_per_second_max: bytes_per_second_max.max(1),
            begun: core.now(),
            piece_begun: core.now(),
            piece: 0,
            spent: 0,
        }
    }

    /// Notes that `bytes` were read or written, and rests when it is time to.
    pub(crate) async fn spend(&mut self, bytes: u64) {
        self.spent += bytes;
        self.piece += bytes;
        if self.piece < PIECE_BYTES {
            return;
        }
        self.piece = 0;
        self.core.yield_now().await;
        let took = self.core.now().saturating_sub(self.piece_begun);
        let due = Duration::from_secs_f64(self.spent as f64 / self.bytes_per_second_max as f64);
        let ahead = due.saturating_sub(self.core.now().saturating_sub(self.begun));
        let rest = took.min(REST_MAX).max(ahead.min(Duration::from_secs(1)));
        if !rest.is_zero() {
            self.core.sleep(rest).await;
        }
        self.piece_begun = self.core.now();
    }
}
