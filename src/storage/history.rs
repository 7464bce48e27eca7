//! Where the segments of a log begin and how new they are: all that clients before Kafka 0.10.1
//! could ask about times.

use base::{Offset, Timestamp};

use crate::error::StorageError;
use crate::log::Log;

impl Log {
    /// The first offset of every segment with the greatest timestamp of its records, oldest
    /// segment first; no timestamp where its records have none.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub async fn segment_times(&self) -> Result<Vec<(Offset, Option<Timestamp>)>, StorageError> {
        let segments = self.segments();
        let mut times = Vec::with_capacity(segments.len());
        for segment in segments {
            times.push((segment.base, self.largest_timestamp(&segment).await?));
        }
        assert!(!times.is_empty(), "a log always has a segment");
        Ok(times)
    }
}
