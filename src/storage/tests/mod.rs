//! The log engine on the simulated machine: round trips against a naive model, crashes, damage.

mod aborted;
mod bit_rot;
mod compaction;
mod crashes;
mod creation;
mod damage;
mod faults;
mod full_disk;
mod future;
mod idle;
mod journal;
mod journal_damage;
mod journal_forged;
mod journal_frames;
mod journal_reads;
mod journal_stop;
mod journal_voids;
mod kernel;
mod memory;
mod model;
mod names;
mod retention;
mod round_trips;
mod units;

/// The seeds to run: `SEED=17` replays one, `SEEDS=5000` runs so many.
pub(crate) fn seeds(all: std::ops::RangeInclusive<u64>) -> std::ops::RangeInclusive<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match (number("SEED"), number("SEEDS")) {
        (Some(one), _) => one..=one,
        (None, Some(count)) => 1..=count,
        (None, None) => all,
    }
}
