//! Bugs that can be switched on, to prove that the tests would catch them.
//!
//! Without the `planted` feature the type has no values, so nothing of this is in the product.

/// A bug to run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// Batches count as durable when their write was begun, not when the flush has ended.
    #[cfg(feature = "planted")]
    AckBeforeFlush,
    /// Recovery believes the index of the active segment instead of reading the log.
    #[cfg(feature = "planted")]
    TrustIndexOverLog,
    /// A new segment's directory entry is not made durable.
    #[cfg(feature = "planted")]
    SkipDirectorySync,
    /// Recovery leaves stale bytes behind the cut of a torn tail.
    #[cfg(feature = "planted")]
    KeepTornTail,
    /// The start of a log is told before it is durable.
    #[cfg(feature = "planted")]
    ForgetLogStart,
    /// A compacted file takes its segments' place before it is on the device.
    #[cfg(feature = "planted")]
    SwapWithoutFlush,
    /// Nothing says that segments are being replaced, or that they are complete with gaps.
    #[cfg(feature = "planted")]
    SwapWithoutMark,
    /// A compacted segment takes its name before the names of those it replaces are gone for good.
    #[cfg(feature = "planted")]
    SwapWithoutSync,
    /// Compaction takes the last record of a key for an earlier one.
    #[cfg(feature = "planted")]
    DropNewest,
    /// Compaction takes a key that the dirty part does not have for one that is replaced there.
    #[cfg(feature = "planted")]
    DropUnknown,
    /// Compaction takes tombstones away at once.
    #[cfg(feature = "planted")]
    DropTombstones,
    /// A log is compacted while it is copied to another directory.
    #[cfg(feature = "planted")]
    CompactWhileCopied,
    /// A log's copy takes its name in another directory without that being durable.
    #[cfg(feature = "planted")]
    MoveWithoutSync,
    /// A sealed segment's true size is not made durable.
    #[cfg(feature = "planted")]
    SealWithoutFlush,
    /// A sealed segment is sent without anybody having looked at it.
    #[cfg(feature = "planted")]
    ServeUnverified,
    /// What is in a frame of the journal counts as durable before the frame is.
    #[cfg(feature = "planted")]
    JournalAckEarly,
    /// A half of the journal is filled again although segments lack what it has.
    #[cfg(feature = "planted")]
    JournalFreedEarly,
    /// A log is cut or taken away without voiding what the journal has of it.
    #[cfg(feature = "planted")]
    JournalNotVoided,
    /// What clients sent is acknowledged and forgotten: no test needs that, but what is left of a
    /// node's costs is what everything but its disk costs.
    #[cfg(feature = "planted")]
    DiscardBytes,
    /// Compaction drops a transaction's marker while records of it are there.
    #[cfg(feature = "planted")]
    DropMarkers,
    /// Readers of committed records see one offset too far. Like those below this is no bug of the
    /// log: it travels here to the room that has it.
    #[cfg(feature = "planted")]
    StableTooFar,
    /// A partition remembers four batches of a producer, which may have five under way.
    #[cfg(feature = "planted")]
    WindowOfFour,
    /// An EndTxn that comes late ends the transaction that is open now.
    #[cfg(feature = "planted")]
    LateEndAccepted,
}

/// Which bug is switched on, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted(pub Option<PlantedBug>);

/// True when `$bug` is switched on; always false without the feature.
macro_rules! planted {
    ($planted:expr, $bug:ident) => {{
        #[cfg(feature = "planted")]
        let is_on = $planted.0 == Some($crate::planted::PlantedBug::$bug);
        #[cfg(not(feature = "planted"))]
        let is_on = {
            let _ = $planted;
            false
        };
        is_on
    }};
}
pub(crate) use planted;
