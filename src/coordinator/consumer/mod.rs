//! Groups of KIP-848: one heartbeat, assignments made here, moved step by step.
//!
//! The rest of the room enters through the functions of this file.

use wire::ConsumerOffsetsKey;

use crate::ReplayError;
use crate::group::Group;

/// A group of KIP-848.
#[derive(Debug, Default)]
pub(crate) struct ConsumerGroup {}

/// Applies a record of kinds 3 to 8 and 16. A group of the other kind becomes a consumer group by
/// the first record that tells of one, and a classic one again by the tombstone of its metadata.
pub(crate) fn replay(
    _group: &mut Group,
    _key: &ConsumerOffsetsKey<'_>,
    _value: Option<&[u8]>,
) -> Result<(), ReplayError> {
    Ok(())
}

/// Applies a record of kind 2 (classic group metadata) to a consumer group.
pub(crate) fn replay_classic(_group: &mut Group, _value: Option<&[u8]>) -> Result<(), ReplayError> {
    Ok(())
}
