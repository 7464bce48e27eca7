//! What a log has promised for good: where it starts, how far its segments are complete, how far
//! it was compacted, and which segments are being replaced at this moment.
//!
//! One small file in the log's directory, replaced all or nothing and durable before anything is
//! done that relies on it. Kafka writes two of these numbers into checkpoints of the whole data
//! directory, once a minute; so do we, for its tools, but a promise cannot wait for a minute.
//!
//! Invariants: the start only rises, except when the log's end is cut below it; nothing below
//! `sealed` is ever taken for a torn tail, since compaction leaves gaps there.

use std::path::Path;

use base::Offset;
use reactor::{Core, IoErrorKind};

use crate::error::StorageError;
use crate::layout;
use crate::log::Log;

/// See the module's head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The first offset that can be read.
    pub(crate) log_start: Offset,
    /// Segments that end here or earlier are complete, whatever gaps they have.
    pub(crate) sealed: Offset,
    /// Up to here the log was compacted.
    pub(crate) cleaned: Offset,
    /// The segments from the first offset to the second are being replaced by one file.
    pub(crate) replacing: Option<(Offset, Offset)>,
}

/// The standing of a log as its directory has it; the beginning of everything where it has none.
pub(crate) async fn read_standing(core: &Core, dir: &Path) -> Result<Standing, StorageError> {
    let path = dir.join(layout::STANDING_FILE);
    let bytes = match core.read_small(&path).await {
        Err(error) if error.kind == IoErrorKind::NotFound => return Ok(Standing::default()),
        read => read?,
    };
    let text = std::str::from_utf8(&bytes).ok();
    text.and_then(layout::decode_standing)
        .ok_or_else(|| StorageError::Metadata {
            path,
            reason: "not a log's standing of version 0; restore it from a backup, or delete it, \
                     and deleted records whose files are still there can be read again"
                .to_owned(),
        })
}

impl Log {
    pub(crate) fn standing(&self) -> Standing {
        self.shared.state.borrow().standing
    }

    /// Makes a new standing durable, then counts with it. The caller holds the structure gate.
    ///
    /// # Errors
    /// When the device refuses; the standing before counts then.
    pub(crate) async fn write_standing(&self, standing: Standing) -> Result<(), StorageError> {
        if standing == self.standing() {
            return Ok(());
        }
        let path = self.dir().join(layout::STANDING_FILE);
        let text = layout::encode_standing(&standing);
        let core = self.engine().core();
        core.replace(&path, text.as_bytes()).await?;
        self.shared.state.borrow_mut().standing = standing;
        Ok(())
    }
}
