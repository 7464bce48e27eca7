//! Unit tests of the room: transcripts for people, a simulation for everything nobody thought of.

mod bounds;
pub(crate) mod conversations;
mod member;
mod model;
mod network;
mod render;
mod simulation;
mod statuses;
mod transactions;
mod transcripts;
mod watch;
mod world;

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
