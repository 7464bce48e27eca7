//! Runs properties over seeds, and says how to run a failed one again.
//!
//! `SIM_SEEDS` says how many seeds each property gets, `SIM_SEED` runs exactly one and, with
//! `SIM_TRACE=1`, tells what happens in it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Once;

use reactor::sim::World;

/// Every so many seeds the run is repeated and must take the very same way.
const REPEAT_INTERVAL: u64 = 50;

/// Long runs say so often how far they are.
const PROGRESS_INTERVAL: u64 = 500;

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())?;
    let parsed = value.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{variable}={value} is not a number")))
}

/// Runs `property` for `count` seeds, or as the environment says. It returns the trace hash of its
/// world, which must be a function of the seed. Gives the number of seeds that were run: a single
/// one may happen to achieve nothing.
pub(crate) fn each_seed(name: &str, count: u64, property: impl Fn(u64) -> u64) -> u64 {
    if let Some(seed) = number("SIM_SEED") {
        property(seed);
        return 1;
    }
    let seeds = number("SIM_SEEDS").unwrap_or(count);
    for seed in 0..seeds {
        if seed > 0 && seed % PROGRESS_INTERVAL == 0 {
            eprintln!("{name}: {seed} of {seeds} seeds");
        }
        let run = || catch_unwind(AssertUnwindSafe(|| property(seed)));
        match run() {
            Ok(hash) if seed % REPEAT_INTERVAL == 0 => {
                let again = run().unwrap_or_else(|panic| resume_unwind(panic));
                assert_eq!(hash, again, "{name}: seed {seed} took two different ways");
            }
            Ok(_) => {}
            Err(panic) => {
                eprintln!(
                    "{name}: seed {seed} failed; to replay: make sim SEED={seed} ARGS={name}"
                );
                resume_unwind(panic);
            }
        }
    }
    seeds
}

thread_local! {
    /// Whether panics of this thread are expected, and so not worth a message.
    static PANICS_ARE_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The first of `count` seeds for which `property` fails, with what it said of that, and without
/// the noise of its panic.
pub(crate) fn first_failure(count: u64, property: impl Fn(u64)) -> Option<(u64, String)> {
    static QUIET_HOOK: Once = Once::new();
    QUIET_HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !PANICS_ARE_EXPECTED.get() {
                usual(panic);
            }
        }));
    });
    PANICS_ARE_EXPECTED.set(true);
    let failed = (0..count).find_map(|seed| {
        let panic = catch_unwind(AssertUnwindSafe(|| property(seed))).err()?;
        let said = match panic.downcast_ref::<String>() {
            Some(said) => said.as_str(),
            None => panic.downcast_ref::<&str>().copied().unwrap_or_default(),
        };
        Some((seed, said.to_owned()))
    });
    PANICS_ARE_EXPECTED.set(false);
    failed
}

/// Lets a world tell what happens when one seed is looked at.
pub(crate) fn narrate(world: &World) {
    if std::env::var_os("SIM_TRACE").is_some() {
        world.set_narrator(|line| eprintln!("{line}"));
    }
}
