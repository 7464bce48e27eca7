//! A bug on purpose, named by `PLANTED_BUG`: only in builds with the feature `planted`, which
//! exist to prove that the tests with real power cuts would notice one, and to measure what a node
//! costs apart from its disk.

use broker::NodePlan;
use storage::{Planted, PlantedBug};

use super::failure::{Failure, Kind};

/// Switches on the bug that the environment names, if it names one.
pub(super) fn plant(plan: &mut NodePlan, environment: &[(String, String)]) -> Result<(), Failure> {
    let named = environment.iter().find(|(name, _)| name == "PLANTED_BUG");
    let Some((_, named)) = named else {
        return Ok(());
    };
    let bug = match named.as_str() {
        "ack-before-flush" => PlantedBug::AckBeforeFlush,
        "skip-directory-sync" => PlantedBug::SkipDirectorySync,
        "discard-bytes" => PlantedBug::DiscardBytes,
        _ => {
            return Err(Failure::new(
                Kind::Data,
                "PLANTED_BUG cannot be used",
                format!("there is no bug called {named}"),
                "name ack-before-flush, skip-directory-sync or discard-bytes",
            ));
        }
    };
    plan.planted = Planted(Some(bug));
    Ok(())
}
