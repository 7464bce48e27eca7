//! Producer states as a file: Kafka's `<offset>.snapshot`, which its own tools read.
//!
//! Kafka's file holds the last batch of each producer. The older ones of the window follow behind
//! its entries, where Kafka's reader does not look but its checksum reaches, so that a restart
//! does not forget what a retry could repeat.
//!
//! Invariants: decoding allocates in proportion to the bytes that are there; a file that passes
//! the checksum and then makes no sense is still an error, never a panic.

use crate::producer::{AppendedBatch, BATCHES_MAX, Producer};
use crate::producers::ProducerStates;
use base::{Offset, ProducerEpoch, ProducerId, Timestamp};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 2 + 4;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;
const WINDOW_MAGIC: [u8; 4] = *b"FBW1";
const WINDOW_ENTRY_BYTES: usize = 8 + 4 + 8 + 4 + 8;

const _: () = assert!(ENTRY_BYTES == 46, "the entry is Kafka's");

/// Why a snapshot cannot be used; the log itself has everything that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The file ends too early, or holds something else behind its entries.
    Length,
    /// The version is not the known one.
    Version {
        /// What stands there.
        version: i16,
    },
    /// The bytes are not those that were written.
    Checksum,
    /// A number is impossible.
    Entry {
        /// The producer's id.
        producer_id: ProducerId,
    },
}

impl ProducerStates {
    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(HEADER_BYTES + 4 + self.len() * ENTRY_BYTES);
        file.extend_from_slice(&VERSION.to_be_bytes());
        file.extend_from_slice(&[0; 4]);
        file.extend_from_slice(&count_bytes(self.len()));
        for (id, producer) in self.iter() {
            put_entry(&mut file, id, producer);
        }
        file.extend_from_slice(&WINDOW_MAGIC);
        let older = || {
            self.iter().flat_map(|(id, producer)| {
                let older = producer.batches.len().saturating_sub(1);
                producer
                    .batches
                    .iter()
                    .take(older)
                    .map(move |batch| (id, batch))
            })
        };
        file.extend_from_slice(&count_bytes(older().count()));
        for (id, batch) in older() {
            file.extend_from_slice(&id.0.to_be_bytes());
            put_batch(&mut file, batch);
        }
        let (header, covered) = file.split_at_mut(HEADER_BYTES);
        let checksum = crc32c::crc32c(covered).to_be_bytes();
        let slots = header.iter_mut().skip(2).zip(checksum);
        slots.for_each(|(slot, byte)| *slot = byte);
        assert!(
            file.len() >= HEADER_BYTES + 4,
            "a snapshot has a header and a count"
        );
        file
    }

    /// Reads a file of ours or of Kafka's.
    ///
    /// # Errors
    /// When it is not intact; then the log is replayed instead.
    pub fn decode(file: &[u8], producers_max: usize) -> Result<Self, SnapshotError> {
        let mut header = Fields { rest: file };
        let version = i16::from_be_bytes(header.take()?);
        if version != VERSION {
            return Err(SnapshotError::Version { version });
        }
        let stored = u32::from_be_bytes(header.take()?);
        if stored != crc32c::crc32c(header.rest) {
            return Err(SnapshotError::Checksum);
        }
        let mut fields = header;
        let mut states = Self::new(producers_max);
        for _ in 0..fields.count(ENTRY_BYTES)? {
            let (id, producer) = fields.entry()?;
            if let Some(first_offset) = producer.transaction_start {
                states.transactions.begin_loaded(id, first_offset)?;
            }
            states.producers.insert(id, producer);
        }
        if !fields.rest.is_empty() {
            fields.window(&mut states)?;
        }
        assert!(
            states.len() * ENTRY_BYTES <= file.len(),
            "no producer from nowhere"
        );
        Ok(states)
    }
}

fn count_bytes(count: usize) -> [u8; 4] {
    assert!(count < 1 << 24, "budgets keep snapshots small");
    i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes()
}

fn put_entry(file: &mut Vec<u8>, id: ProducerId, producer: &Producer) {
    let before = file.len();
    let last = producer.batches.back();
    let delta = last.map_or(0, offset_delta);
    file.extend_from_slice(&id.0.to_be_bytes());
    file.extend_from_slice(&producer.epoch.0.to_be_bytes());
    file.extend_from_slice(&producer.last_sequence().to_be_bytes());
    let last_offset = last.map_or(-1, |batch| batch.last_offset.0);
    file.extend_from_slice(&last_offset.to_be_bytes());
    file.extend_from_slice(&delta.to_be_bytes());
    file.extend_from_slice(&producer.last_timestamp.0.to_be_bytes());
    file.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
    let start = producer.transaction_start.map_or(-1, |offset| offset.0);
    file.extend_from_slice(&start.to_be_bytes());
    assert!(file.len() - before == ENTRY_BYTES, "entries have one size");
}

fn put_batch(file: &mut Vec<u8>, batch: &AppendedBatch) {
    file.extend_from_slice(&batch.last_sequence.to_be_bytes());
    file.extend_from_slice(&batch.last_offset.0.to_be_bytes());
    file.extend_from_slice(&offset_delta(batch).to_be_bytes());
    file.extend_from_slice(&batch.timestamp.0.to_be_bytes());
}

fn offset_delta(batch: &AppendedBatch) -> i32 {
    let delta = batch.last_offset.0 - batch.first_offset.0;
    assert!(delta >= 0, "batches go forwards");
    i32::try_from(delta).unwrap_or(i32::MAX)
}

/// What is left to read of a snapshot.
struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let taken = self.rest.split_first_chunk::<N>();
        let (field, rest) = taken.ok_or(SnapshotError::Length)?;
        self.rest = rest;
        Ok(*field)
    }

    /// A number of entries that the remaining bytes can hold.
    fn count(&mut self, entry_bytes: usize) -> Result<usize, SnapshotError> {
        let count = i32::from_be_bytes(self.take()?);
        let count = usize::try_from(count).map_err(|_| SnapshotError::Length)?;
        if count <= self.rest.len() / entry_bytes {
            Ok(count)
        } else {
            Err(SnapshotError::Length)
        }
    }

    fn entry(&mut self) -> Result<(ProducerId, Producer), SnapshotError> {
        let id = ProducerId(i64::from_be_bytes(self.take()?));
        let mut producer = Producer::new();
        producer.epoch = ProducerEpoch(i16::from_be_bytes(self.take()?));
        let batch = self.batch(id)?;
        producer.coordinator_epoch = i32::from_be_bytes(self.take()?);
        let start = i64::from_be_bytes(self.take()?);
        producer.transaction_start = (start >= 0).then_some(Offset(start));
        match batch {
            Loaded::Batch(batch) => {
                producer.last_timestamp = batch.timestamp;
                producer.batches.push_back(batch);
            }
            Loaded::None(timestamp) => producer.last_timestamp = timestamp,
        }
        Ok((id, producer))
    }

    fn batch(&mut self, producer_id: ProducerId) -> Result<Loaded, SnapshotError> {
        let last_sequence = i32::from_be_bytes(self.take()?);
        let last_offset = Offset(i64::from_be_bytes(self.take()?));
        let delta = i32::from_be_bytes(self.take()?);
        let timestamp = Timestamp(i64::from_be_bytes(self.take()?));
        if last_offset < Offset(0) {
            return Ok(Loaded::None(timestamp));
        }
        if delta < 0 || i64::from(delta) > last_offset.0 || producer_id <= ProducerId::NONE {
            return Err(SnapshotError::Entry { producer_id });
        }
        let first_sequence = if last_sequence < 0 {
            last_sequence
        } else {
            last_sequence.wrapping_sub(delta) & i32::MAX
        };
        Ok(Loaded::Batch(AppendedBatch {
            first_sequence,
            last_sequence,
            first_offset: Offset(last_offset.0 - i64::from(delta)),
            last_offset,
            timestamp,
        }))
    }

    /// The older batches, in the order in which they were appended.
    fn window(&mut self, states: &mut ProducerStates) -> Result<(), SnapshotError> {
        if self.take()? != WINDOW_MAGIC {
            return Err(SnapshotError::Length);
        }
        for _ in 0..self.count(WINDOW_ENTRY_BYTES)? {
            let producer_id = ProducerId(i64::from_be_bytes(self.take()?));
            let wrong = SnapshotError::Entry { producer_id };
            let Loaded::Batch(batch) = self.batch(producer_id)? else {
                return Err(wrong);
            };
            let producer = states.producers.get_mut(&producer_id).ok_or(wrong)?;
            let newest = producer.batches.pop_back().ok_or(wrong)?;
            if producer.batches.len() + 2 > BATCHES_MAX || batch.last_offset >= newest.first_offset
            {
                return Err(wrong);
            }
            producer.batches.push_back(batch);
            producer.batches.push_back(newest);
        }
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(SnapshotError::Length)
        }
    }
}

/// The batch part of an entry; a producer whose last word was a marker may have none.
enum Loaded {
    Batch(AppendedBatch),
    None(Timestamp),
}

impl std::error::Error for SnapshotError {}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length => out.write_str("the producer snapshot is torn or has trailing bytes"),
            Self::Version { version } => {
                write!(
                    out,
                    "the producer snapshot has the unknown version {version}"
                )
            }
            Self::Checksum => out.write_str("the producer snapshot is corrupt"),
            Self::Entry { producer_id } => write!(
                out,
                "the producer snapshot has an impossible entry for producer {producer_id}"
            ),
        }
    }
}
