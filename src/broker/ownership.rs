//! Which core owns a partition.

use base::{CoreId, PartitionIndex, Uuid};

/// A partition, by the id its topic keeps for life and its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic.
    pub topic: Uuid,
    /// The partition's index.
    pub index: PartitionIndex,
}

impl PartitionId {
    /// The core that owns this partition among `cores`: neighbours in a topic lie on different
    /// cores, and topics begin at different ones. It depends on nothing else, so every core knows
    /// the way without asking.
    #[must_use]
    pub fn owner(self, cores: u16) -> CoreId {
        assert!(cores > 0, "a node without cores");
        let folded = (self.topic.0 >> 64) ^ self.topic.0;
        let index = u128::try_from(self.index.0).unwrap_or(0);
        let core = (folded & u128::from(u64::MAX)).wrapping_add(index) % u128::from(cores);
        CoreId(u16::try_from(core).unwrap_or(0))
    }
}
