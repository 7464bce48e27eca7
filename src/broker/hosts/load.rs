//! Replaying a partition into a machine.
//!
//! The next piece of the log is read while the last one is replayed, and the core's other tasks
//! run in between.

use std::fmt;
use std::time::Duration;

use base::Offset;
use batch::{BatchError, BatchView, Batches, ControlRecord, Scratch};
use partition::Partition;
use reactor::{Bytes, Core, Reply, reply};
use storage::{ReadRequest, StorageError};

use super::machine::Machine;

/// How long records are replayed in one go. Everything else that the core has to do, a node's start
/// included, takes one such slice longer at each of its steps.
const REPLAY_SLICE: Duration = Duration::from_micros(250);
/// After so many records the clock is looked at.
const RECORDS_PER_LOOK: u64 = 64;
/// The most that one batch decompresses to.
const PLAIN_BYTES_MAX: usize = 1 << 30;

/// Why a partition could not be loaded.
#[derive(Clone, Debug)]
pub(crate) enum LoadError {
    /// The log cannot be read.
    Storage(StorageError),
    /// A batch is not what was written.
    Batch(Offset, BatchError),
    /// A record does not follow its format.
    Replay(Offset, String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(error) => error.fmt(formatter),
            Self::Batch(offset, error) => {
                write!(formatter, "the batch at offset {offset}: {error}")
            }
            Self::Replay(offset, error) => {
                write!(formatter, "the record at offset {offset}: {error}")
            }
        }
    }
}

impl From<StorageError> for LoadError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loaded {
    /// How many records.
    pub(crate) records: u64,
    /// How many bytes of batches.
    pub(crate) bytes: u64,
}

/// True when there is nothing to load.
pub(crate) fn is_empty(partition: &Partition) -> bool {
    partition.log().log_end() == partition.log_start_offset()
}

/// Replays the whole log.
pub(crate) async fn load(
    core: &Core,
    partition: &Partition,
    piece_bytes: usize,
    machine: &mut impl Machine,
) -> Result<Loaded, LoadError> {
    let end = acknowledged_end(partition).await?;
    let mut loading = Loading {
        core: core.clone(),
        loaded: Loaded::default(),
        slice_began: core.now(),
        scratch: Scratch::new(),
    };
    let read = |offset| begin_read(core, partition, offset, end, piece_bytes);
    let mut reading = read(partition.log_start_offset());
    loop {
        // The other end goes only when this core does.
        let piece = reading.await.map_err(|_| StorageError::Closed)??;
        let Some(next) = next_offset(&piece)? else {
            return Ok(loading.loaded);
        };
        reading = read(next);
        loading.replay(&piece, machine).await?;
    }
}

/// Waits until everything in the log is acknowledged: what an earlier machine appended may still
/// be on its way.
async fn acknowledged_end(partition: &Partition) -> Result<Offset, StorageError> {
    loop {
        let changed = partition.change();
        let end = partition.log().log_end();
        if partition.high_watermark() >= end {
            return Ok(end);
        }
        if let Some(error) = partition.log().engine().offline() {
            return Err(error);
        }
        if partition.is_closed() {
            return Err(StorageError::Closed);
        }
        changed.await;
    }
}

/// Begins to read the piece of the log at `offset`; an empty one is its end.
fn begin_read(
    core: &Core,
    partition: &Partition,
    offset: Offset,
    end: Offset,
    bytes_max: usize,
) -> Reply<Result<Bytes, StorageError>> {
    let (replier, piece) = reply();
    let log = partition.log().clone();
    core.spawn(async move {
        let request = ReadRequest {
            offset,
            bytes_max,
            at_least_one: true,
            upper_bound: end,
        };
        let read = async { log.read(&request).await?.into_bytes().await };
        replier.send(read.await);
    });
    piece
}

/// Where the piece behind this one begins; nothing when this one is empty.
fn next_offset(piece: &[u8]) -> Result<Option<Offset>, LoadError> {
    let mut next = None;
    for view in Batches::new(piece) {
        let view = view.map_err(|error| LoadError::Batch(next.unwrap_or(Offset(0)), error))?;
        next = Some(view.next_offset());
    }
    Ok(next)
}

struct Loading {
    core: Core,
    loaded: Loaded,
    slice_began: Duration,
    scratch: Scratch,
}

impl Loading {
    async fn replay(&mut self, piece: &[u8], machine: &mut impl Machine) -> Result<(), LoadError> {
        for view in Batches::new(piece) {
            let view = view.map_err(|error| LoadError::Batch(Offset(-1), error))?;
            self.loaded.bytes += view.len() as u64;
            if view.attributes().is_control() {
                self.replay_marker(&view, machine)?;
            } else {
                self.replay_batch(&view, machine).await?;
            }
        }
        Ok(())
    }

    fn replay_marker(
        &mut self,
        view: &BatchView<'_>,
        machine: &mut impl Machine,
    ) -> Result<(), LoadError> {
        let broken = |error| LoadError::Batch(view.base_offset(), error);
        let records = batch::records(view, &mut self.scratch, PLAIN_BYTES_MAX).map_err(broken)?;
        for record in records {
            let record = record.map_err(broken)?;
            let is_commit = match ControlRecord::parse(record.key, record.value) {
                Some(ControlRecord::Commit { .. }) => true,
                Some(ControlRecord::Abort { .. }) => false,
                _ => continue,
            };
            machine.replay_end(view.producer_id(), is_commit);
        }
        Ok(())
    }

    async fn replay_batch(
        &mut self,
        view: &BatchView<'_>,
        machine: &mut impl Machine,
    ) -> Result<(), LoadError> {
        let broken = |error| LoadError::Batch(view.base_offset(), error);
        let is_transactional = view.attributes().is_transactional();
        let producer = is_transactional.then(|| view.producer_id());
        let records = batch::records(view, &mut self.scratch, PLAIN_BYTES_MAX).map_err(broken)?;
        for record in records {
            let record = record.map_err(broken)?;
            let key = record.key.unwrap_or(&[]);
            let replayed = machine.replay(producer, key, record.value);
            replayed.map_err(|error| LoadError::Replay(record.offset, error.to_string()))?;
            self.loaded.records += 1;
            if self.loaded.records.is_multiple_of(RECORDS_PER_LOOK)
                && self.core.now() - self.slice_began > REPLAY_SLICE
            {
                self.core.yield_now().await;
                self.slice_began = self.core.now();
            }
        }
        Ok(())
    }
}
