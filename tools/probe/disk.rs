//! Scratch files for the disk probes: direct I/O, in a directory that vanishes with the probe.
//!
//! Invariant: `Scratch` removes its directory on drop, also when a probe fails half-way.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::memory::Pages;
use crate::sys;

/// Bytes of one write when a file is filled.
const FILL: usize = 1 << 20;

/// A directory of our own below the one the caller named.
pub(crate) struct Scratch {
    dir: PathBuf,
}

/// What a file's blocks look like before they are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extents {
    /// No blocks and a size of zero: every write extends the file.
    None,
    /// Blocks and size from `fallocate`, never written: the first write converts them.
    Unwritten,
    /// Every block was written and flushed once, as in a recycled segment.
    Written,
}

impl Scratch {
    /// Creates `forebay-probe-<process id>` in `parent`.
    pub(crate) fn create(parent: &Path) -> io::Result<Scratch> {
        let dir = parent.join(format!("forebay-probe-{}", std::process::id()));
        std::fs::create_dir(&dir)?;
        Ok(Scratch { dir })
    }

    /// A path inside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A new file for direct I/O, `len` bytes long unless it is to have no extents.
    pub(crate) fn direct_file(&self, name: &str, len: u64, extents: Extents) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_DIRECT)
            .open(self.path(name))?;
        if extents != Extents::None {
            sys::fallocate(&file, 0, len)?;
        }
        if extents == Extents::Written {
            let pages = Pages::touched(FILL)?;
            let mut position = 0;
            while position < len {
                let span = usize::try_from(len - position).map_or(FILL, |rest| rest.min(FILL));
                let bytes = pages.as_slice().get(..span).unwrap_or(&[]);
                file.write_all_at(bytes, position)?;
                position += span as u64;
            }
        }
        file.sync_all()?;
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            eprintln!(
                "forebay-probe: {} is left behind: {error}",
                self.dir.display()
            );
        }
    }
}
