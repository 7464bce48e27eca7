//! Following a partition: every record once, in order, as soon as it is durable.

use base::Offset;

use crate::error::LogError;
use crate::partition::Partition;
use crate::record::Record;

/// About how many bytes of records are handed out at a time.
const BYTES_MAX: usize = 1 << 20;

/// See the module's head. Dropping it ends it; it holds nothing but its place.
pub struct Tail {
    partition: Partition,
    next: Offset,
}

impl Tail {
    pub(crate) fn new(partition: Partition, from: Offset) -> Self {
        Self {
            partition,
            next: from,
        }
    }

    /// The offset of the record that comes next: where to go on after a restart.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The next records, at least one; waits until there are any.
    ///
    /// # Errors
    /// `Storage` when the place is not in the log any more, what is there is damaged, or the
    /// store went offline or was closed and nothing more will come.
    pub async fn next(&mut self) -> Result<Vec<Record>, LogError> {
        loop {
            self.partition.wait_durable(self.next.plus(1)).await?;
            let (found, next) = self.partition.read_on(self.next, BYTES_MAX).await?;
            assert!(next > self.next, "what is durable can be read");
            self.next = next;
            // Where only markers lie, there is nothing to hand out.
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
}
