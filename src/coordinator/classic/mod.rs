//! Groups of the classic protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use crate::ReplayError;

/// A classic group, or a simple one that only keeps offsets.
#[derive(Debug, Default)]
pub(crate) struct ClassicGroup {
    image: Option<Vec<u8>>,
}

impl ClassicGroup {
    pub(crate) fn replay(&mut self, value: Option<&[u8]>) -> Result<(), ReplayError> {
        self.image = value.map(<[u8]>::to_vec);
        Ok(())
    }

    pub(crate) fn is_void(&self) -> bool {
        self.image.is_none()
    }
}
