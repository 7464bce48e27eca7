//! How much room the disk has, and what logs do while there is little.
//!
//! Below the soft bound files grow in small steps and removed ones go at once. Below the hard one
//! clients' batches are refused, and what is left is a reserve: for what consumers commit, for
//! checkpoints, for the room that deletions need themselves. Should that be used up too, a flush
//! waits until there is room, and nothing that was not written is acknowledged. None of it needs a
//! restart: it ends when there is room.
//!
//! Invariant: running out of room is never taken for a failed device.

use std::cell::Cell;
use std::time::Duration;

use reactor::{IoErrorKind, Space};

use crate::engine::Engine;
use crate::error::StorageError;

/// How long a flush without room waits before it looks again.
const ROOM_INTERVAL: Duration = Duration::from_millis(200);
/// The soft bound is never more than this part of the disk.
const SOFT_PART: u64 = 20;
/// The hard bound is never more than this part of the disk.
const HARD_PART: u64 = 50;

/// How much room is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskLevel {
    /// Enough.
    #[default]
    Ample,
    /// Less than the soft bound.
    Low,
    /// Less than the hard bound.
    Full,
}

/// From which room on what happens; on small disks less, a twentieth and a fiftieth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskBounds {
    /// `forebay.disk.soft.free.bytes`.
    pub soft_free: u64,
    /// `forebay.disk.hard.free.bytes`.
    pub hard_free: u64,
}

/// What one core knows of its directory's disk.
#[derive(Default)]
pub(crate) struct Disk {
    bounds: Cell<DiskBounds>,
    space: Cell<Option<Space>>,
    /// What this core has taken since the disk was asked.
    taken: Cell<u64>,
}

impl Engine {
    /// Sets from which room on what happens.
    pub fn set_disk_bounds(&self, bounds: DiskBounds) {
        self.disk().bounds.set(bounds);
    }

    /// How much room is left, as far as is known.
    #[must_use]
    pub fn disk_level(&self) -> DiskLevel {
        let Some(space) = self.disk().space.get() else {
            return DiskLevel::Ample;
        };
        let bounds = self.disk().bounds.get();
        let free = space.free.saturating_sub(self.disk().taken.get());
        if free < bounds.hard_free.min(space.total / HARD_PART) {
            DiskLevel::Full
        } else if free < bounds.soft_free.min(space.total / SOFT_PART) {
            DiskLevel::Low
        } else {
            DiskLevel::Ample
        }
    }

    /// The bytes that are left, as far as is known.
    #[must_use]
    pub fn disk_free(&self) -> Option<u64> {
        self.disk().space.get().map(|space| space.free)
    }

    /// # Errors
    /// `DiskFull` while clients' batches are refused.
    pub fn check_room(&self) -> Result<(), StorageError> {
        if self.disk_level() < DiskLevel::Full {
            return Ok(());
        }
        Err(StorageError::DiskFull {
            dir: self.dir().to_path_buf(),
            free: self.disk_free().unwrap_or(0),
        })
    }

    /// Asks the disk.
    pub(crate) async fn refresh_disk(&self) {
        if let Ok(space) = self.core().space(self.dir()).await {
            self.disk().space.set(Some(space));
            self.disk().taken.set(0);
        }
        if self.disk_level() > DiskLevel::Ample {
            self.discard_at_once();
        }
    }

    /// Notes that a file was made larger.
    pub(crate) fn note_taken(&self, bytes: u64) {
        let disk = self.disk();
        disk.taken.set(disk.taken.get().saturating_add(bytes));
    }

    /// Waits until it is worth while to try again what there was no room for.
    ///
    /// # Errors
    /// When the directory is offline, or the engine was stopped.
    pub(crate) async fn wait_for_room(&self) -> Result<(), StorageError> {
        self.refresh_disk().await;
        self.core().sleep(ROOM_INTERVAL).await;
        self.check_online()?;
        if self.is_stopped() {
            return Err(StorageError::Closed);
        }
        Ok(())
    }
}

impl StorageError {
    /// Whether it is only that the disk has no room.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Io(error) => error.kind == IoErrorKind::NoSpace,
            Self::DiskFull { .. } => true,
            _ => false,
        }
    }
}
