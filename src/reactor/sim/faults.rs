//! What may go wrong, and how often.
//!
//! One [`Faults`] holds for a whole world at a time and can be exchanged while it runs: tests run
//! a faulty phase, then a calm one in which everything must heal. In swarm style each seed enables
//! a random subset: a run with every fault at once mostly shows refusals, not mistakes.

use std::time::Duration;

use base::Random;

/// Frequencies and sizes of the faults; `..._per_million` counts per operation of that kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The slowest ordinary disk operation.
    pub disk_latency_max: Duration,
    /// Disk operations that stall.
    pub disk_stall_per_million: u32,
    /// The longest stall.
    pub disk_stall_max: Duration,
    /// Reads that fail with EIO.
    pub read_error_per_million: u32,
    /// Writes (creations, renames and removals too) that fail with EIO, in part performed.
    pub write_error_per_million: u32,
    /// Flushes (directory syncs too) that fail with EIO; what they covered may be lost for good.
    pub flush_error_per_million: u32,
    /// The slowest ordinary packet.
    pub network_delay_max: Duration,
    /// Packets that are delayed much longer; those behind them on the same connection wait.
    pub network_spike_per_million: u32,
    /// The longest such delay.
    pub network_spike_max: Duration,
    /// Packets in whose place the connection is reset.
    pub cut_per_million: u32,
    /// Packets after which the connection goes silent for ever: both ends live, nothing arrives.
    pub silence_per_million: u32,
    /// Packets in whose place one direction ends: the receiver sees the end of its input, the
    /// sender can send no more, the other direction works.
    pub half_close_per_million: u32,
    /// Reads return an arbitrary part of what has arrived, writes are taken in arbitrary parts.
    pub partial_transfers: bool,
    /// Polls after which the whole core seems to have been away for a while.
    pub hiccup_per_million: u32,
    /// The longest such pause.
    pub hiccup_max: Duration,
}

impl Faults {
    /// A machine on its best day: only delays, and short ones.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            disk_latency_max: Duration::from_micros(100),
            disk_stall_per_million: 0,
            disk_stall_max: Duration::ZERO,
            read_error_per_million: 0,
            write_error_per_million: 0,
            flush_error_per_million: 0,
            network_delay_max: Duration::from_micros(100),
            network_spike_per_million: 0,
            network_spike_max: Duration::ZERO,
            cut_per_million: 0,
            silence_per_million: 0,
            half_close_per_million: 0,
            partial_transfers: false,
            hiccup_per_million: 0,
            hiccup_max: Duration::ZERO,
        }
    }

    /// A random subset of faults that a program must survive without any operation failing:
    /// slowness of every kind, arbitrary partial transfers.
    #[must_use]
    pub fn slow(seed: u64) -> Self {
        let mut random = Random::salted(seed, 0x510);
        let mut faults = Self::none();
        faults.disk_latency_max = Duration::from_micros(20 + random.below(5_000));
        faults.network_delay_max = Duration::from_micros(10 + random.below(5_000));
        faults.partial_transfers = random.chance(1, 2);
        if random.chance(1, 3) {
            faults.disk_stall_per_million = 5_000;
            faults.disk_stall_max = Duration::from_millis(100 + random.below(5_000));
        }
        if random.chance(1, 3) {
            faults.network_spike_per_million = 5_000;
            faults.network_spike_max = Duration::from_millis(50 + random.below(1_000));
        }
        if random.chance(1, 4) {
            faults.hiccup_per_million = 500;
            faults.hiccup_max = Duration::from_millis(1 + random.below(500));
        }
        faults
    }

    /// A random subset of everything: slowness, failing devices, cut and silent connections.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut random = Random::salted(seed, 0x5_3A_12);
        let mut faults = Self::slow(seed);
        if random.chance(1, 8) {
            faults.read_error_per_million = 2_000;
        }
        if random.chance(1, 8) {
            faults.write_error_per_million = 2_000;
        }
        if random.chance(1, 6) {
            faults.flush_error_per_million = 5_000;
        }
        if random.chance(1, 3) {
            faults.cut_per_million = 2_000;
        }
        if random.chance(1, 6) {
            faults.silence_per_million = 500;
        }
        if random.chance(1, 6) {
            faults.half_close_per_million = 1_000;
        }
        faults
    }

    /// How long one disk operation takes.
    pub(super) fn disk_delay(&self, random: &mut Random) -> Duration {
        delay(
            random,
            self.disk_latency_max,
            self.disk_stall_per_million,
            self.disk_stall_max,
        )
    }

    /// How long one packet travels.
    pub(super) fn network_delay(&self, random: &mut Random) -> Duration {
        delay(
            random,
            self.network_delay_max,
            self.network_spike_per_million,
            self.network_spike_max,
        )
    }

    /// How long a core is away after a poll; almost always not at all.
    pub(super) fn hiccup(&self, random: &mut Random) -> Duration {
        if self.hiccup_per_million == 0 || !happens(random, self.hiccup_per_million) {
            return Duration::ZERO;
        }
        below(random, self.hiccup_max)
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

/// An operation that can be told to fail, by its place in the order of such operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// A read of file content.
    Read,
    /// A write, allocation, truncation, creation, rename or removal.
    Write,
    /// A flush of a file.
    Flush,
    /// A directory sync.
    SyncDir,
}

/// True in `per_million` of a million cases; draws nothing when the fault is off.
pub(super) fn happens(random: &mut Random, per_million: u32) -> bool {
    per_million > 0 && random.chance(u64::from(per_million), 1_000_000)
}

/// A uniform duration below `bound`, which may be zero.
pub(super) fn below(random: &mut Random, bound: Duration) -> Duration {
    let bound_ns = super::timeline::nanoseconds(bound);
    Duration::from_nanos(random.below(bound_ns.max(1)))
}

/// Most operations are quick, a few are as slow as the bound, and the unlucky ones stall.
fn delay(random: &mut Random, ordinary: Duration, stall: u32, stall_max: Duration) -> Duration {
    const QUICKEST: Duration = Duration::from_micros(2);
    if happens(random, stall) {
        return QUICKEST + below(random, stall_max);
    }
    let bound = if random.chance(7, 8) {
        ordinary / 8
    } else {
        ordinary
    };
    QUICKEST + below(random, bound)
}
