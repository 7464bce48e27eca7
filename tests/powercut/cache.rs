//! The disk's write cache: sectors that were written and not yet flushed.
//!
//! Invariant: the image changes only in `flush`, and in `keep_some` when the power is cut.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use base::Random;

use crate::SECTOR_BYTES;

const SECTOR: usize = 512;

/// An image and what would be lost.
pub(crate) struct Cache {
    image: File,
    dirty: BTreeMap<u64, Vec<u8>>,
}

impl Cache {
    pub(crate) const fn new(image: File) -> Self {
        Self {
            image,
            dirty: BTreeMap::new(),
        }
    }

    /// The bytes as the computer sees them while the power is on.
    pub(crate) fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let start = range.start / SECTOR_BYTES;
        let end = range.end.div_ceil(SECTOR_BYTES);
        let mut bytes = vec![0; base::usize_from_u64((end - start) * SECTOR_BYTES)];
        self.image.read_exact_at(&mut bytes, start * SECTOR_BYTES)?;
        for (number, sector) in (start..end).zip(bytes.chunks_mut(SECTOR)) {
            if let Some(written) = self.dirty.get(&number) {
                sector.copy_from_slice(written);
            }
        }
        let skipped = base::usize_from_u64(range.start - start * SECTOR_BYTES);
        bytes.drain(..skipped);
        bytes.truncate(base::usize_from_u64(range.end - range.start));
        Ok(bytes)
    }

    /// Takes a write; devices are written in whole sectors.
    pub(crate) fn write(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        if !position.is_multiple_of(SECTOR_BYTES) || !bytes.len().is_multiple_of(SECTOR) {
            return Err(io::Error::other("a write of a part of a sector"));
        }
        for (number, sector) in (position / SECTOR_BYTES..).zip(bytes.chunks(SECTOR)) {
            self.dirty.insert(number, sector.to_vec());
        }
        Ok(())
    }

    /// Everything that was written is on the disk.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        for (number, sector) in std::mem::take(&mut self.dirty) {
            self.image.write_all_at(&sector, number * SECTOR_BYTES)?;
        }
        Ok(())
    }

    /// Keeps each unflushed sector with a chance of `tenths`, and loses the others; how many of
    /// how many were kept.
    pub(crate) fn keep_some(&mut self, random: &mut Random, tenths: u64) -> io::Result<(u64, u64)> {
        let (mut kept, mut all) = (0, 0);
        for (number, sector) in std::mem::take(&mut self.dirty) {
            all += 1;
            if random.chance(tenths, 10) {
                self.image.write_all_at(&sector, number * SECTOR_BYTES)?;
                kept += 1;
            }
        }
        Ok((kept, all))
    }
}
