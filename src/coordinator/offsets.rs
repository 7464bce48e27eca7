//! The committed offsets of one group.

use std::collections::BTreeMap;

use crate::ReplayError;

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Box<str>,
    pub(crate) committed_at: i64,
    /// From commits that asked for a retention of their own; -1 for none.
    pub(crate) expires_at: i64,
}

/// All committed offsets of one group, by topic and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    topics: BTreeMap<Box<str>, BTreeMap<i32, Committed>>,
}

impl Offsets {
    /// Applies one record: a new offset, or none any more.
    pub(crate) fn replay(
        &mut self,
        topic: &str,
        partition: i32,
        value: Option<&[u8]>,
    ) -> Result<(), ReplayError> {
        let Some(value) = value else {
            if let Some(partitions) = self.topics.get_mut(topic) {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    self.topics.remove(topic);
                }
            }
            return Ok(());
        };
        let (_, value): (
            _,
            wire::record::consumer_offsets_offset_commit::OffsetCommitValue<'_>,
        ) = wire::decode_versioned(value)?;
        let committed = Committed {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_ref().into(),
            committed_at: value.commit_timestamp,
            expires_at: value.expire_timestamp,
        };
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.insert(partition, committed);
        } else {
            let partitions = BTreeMap::from([(partition, committed)]);
            self.topics.insert(topic.into(), partitions);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }
}
