//! The beginnings of segments before a time: how ListOffsets answered before KIP-79.

use base::{Offset, Timestamp};
use storage::StorageError;

use crate::offsets::ListTarget;
use crate::partition::Partition;

impl Partition {
    /// At most `count` offsets below the high watermark at which segments begin, newest first:
    /// those of segments that were complete at the target's time. The end of the log counts as the
    /// beginning of a segment of the present.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn offsets_before(
        &self,
        target: ListTarget,
        count: usize,
    ) -> Result<Vec<Offset>, StorageError> {
        let segments = self.log().segment_times().await?;
        let now = self.shared.core.wall();
        let start = self.log_start_offset();
        let starts = starts(&segments, (start, self.log().log_end()), now);
        Ok(select(&starts, target, count, self.high_watermark()))
    }
}

/// Where segments begin and when they were last written, oldest first. Segments whose records have
/// no time count as being as new as what follows them, so that nobody skips them by mistake.
fn starts(
    segments: &[(Offset, Option<Timestamp>)],
    (start, end): (Offset, Offset),
    now: Timestamp,
) -> Vec<(Offset, Timestamp)> {
    let mut newer = now;
    let mut starts = Vec::with_capacity(segments.len() + 1);
    let last = segments.last().map_or(start, |(base, _)| *base);
    if end > last {
        starts.push((end, now));
    }
    for (base, largest) in segments.iter().rev() {
        newer = largest.unwrap_or(newer);
        starts.push(((*base).max(start), newer));
    }
    starts.reverse();
    starts
}

fn select(
    starts: &[(Offset, Timestamp)],
    target: ListTarget,
    count: usize,
    high_watermark: Offset,
) -> Vec<Offset> {
    let eligible = match target {
        ListTarget::Latest => starts.len(),
        ListTarget::Timestamp(time) => starts
            .iter()
            .rposition(|(_, written)| *written <= time)
            .map_or(0, |index| index + 1),
        _ => 1,
    };
    let newest_first = starts.iter().take(eligible).rev().take(count);
    let offsets: Vec<Offset> = newest_first.map(|(offset, _)| *offset).collect();
    if offsets.iter().all(|offset| *offset <= high_watermark) {
        return offsets;
    }
    // Nobody is sent to where there is nothing to see yet.
    let visible = offsets
        .into_iter()
        .filter(|offset| *offset <= high_watermark);
    std::iter::once(high_watermark).chain(visible).collect()
}

#[cfg(test)]
#[path = "tests/history_tests.rs"]
mod tests;
