//! One seed per random test: printed when the test begins, taken from `SEED` to replay.

use std::time::{SystemTime, UNIX_EPOCH};

use base::Random;

/// A random stream for the test `name`; its seed is printed, and `SEED` sets it.
pub(crate) fn random(name: &str) -> Random {
    let from_clock = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    };
    let seed = std::env::var("SEED").map_or_else(
        |_| from_clock(),
        |text| text.parse().expect("SEED is a number"),
    );
    println!("{name}: SEED={seed}");
    Random::new(seed)
}

/// The number in the environment variable `name`, or `default`.
pub(crate) fn knob(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}
