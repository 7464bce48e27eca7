//! Bugs planted on purpose: which of those that the log carries are the replica's.

/// The replica's part of what the log's engine was started with.
pub(crate) fn of_replica(planted: storage::Planted) -> replica::Planted {
    #[cfg(feature = "planted")]
    let bug = replica::Planted(match planted.0 {
        Some(storage::PlantedBug::StableTooFar) => Some(replica::PlantedBug::StableTooFar),
        Some(storage::PlantedBug::WindowOfFour) => Some(replica::PlantedBug::WindowOfFour),
        _ => None,
    });
    #[cfg(not(feature = "planted"))]
    let bug = {
        let _ = planted;
        replica::Planted::default()
    };
    bug
}
