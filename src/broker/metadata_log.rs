//! The quorum's log on disk: `__cluster_metadata-0`, in Kafka's records, with its snapshots and
//! the voter's state file beside it.
//!
//! Invariants: an entry is one batch; everything handed to `append` is on the device when it
//! returns; the state file is replaced whole; a snapshot file is durable before the state names
//! it, and the log and the snapshots in front of it go only after that.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use base::{LeaderEpoch, NodeId, Offset, PartitionIndex, Timestamp, TopicPartition, Uuid};
use batch::{BatchBuilder, BatchOptions, BatchView, Batches, ControlRecord, next_batch};
use metadata::Image;
use quorum::{Entry, EntryKind, HardState, Index, OffsetMap, PersistentState, SnapshotMark};
use reactor::{Core, IoErrorKind};
use storage::{
    BatchShape, DataDir, Engine, Fault, Log, LogConfig, OpenLog, Piece, ReadRequest,
    RecoveryVisitor, Stamp, StorageError,
};

use crate::controller::apply_batch;

/// The id of the metadata topic, the same in every cluster.
const TOPIC_ID: Uuid = Uuid(1);
const STATE_FILE: &str = "quorum-state";
const SNAPSHOT_SUFFIX: &str = ".checkpoint";
/// How much of the log one step of the start reads.
const READ_BYTES: usize = 1 << 20;
/// Snapshots are written in batches of about so many changes.
const SNAPSHOT_BATCH_CHANGES: usize = 1000;

/// The log, and what is known of its entries.
pub(crate) struct MetadataLog {
    core: Core,
    log: Log,
    offsets: RefCell<OffsetMap>,
    state: RefCell<PersistentState>,
    snapshot_position: Cell<u64>,
    node_id: NodeId,
}

/// What was found at the start.
pub(crate) struct Found {
    pub(crate) log: MetadataLog,
    /// For the quorum.
    pub(crate) entries: Vec<Entry>,
    pub(crate) state: PersistentState,
    /// The image of the snapshot, without the entries behind it.
    pub(crate) image: Image,
}

/// The metadata log holds no producers.
struct NoProducers;

impl RecoveryVisitor for NoProducers {
    fn load_snapshot(&mut self, _offset: Offset, _bytes: &[u8]) -> bool {
        true
    }

    fn replay(&mut self, _batch: &BatchView<'_>) {}

    fn progress(&mut self, done_bytes: u64, all_bytes: u64) {
        tracing::info!(done_bytes, all_bytes, "reading the metadata log");
    }
}

impl MetadataLog {
    /// Opens the log, or makes it for a new cluster.
    pub(crate) async fn open(
        engine: &Engine,
        data_dir: &DataDir,
        node_id: NodeId,
    ) -> Result<Found, StorageError> {
        let core = engine.core().clone();
        let partition = partition();
        let found = data_dir
            .logs()
            .iter()
            .find(|found| found.partition == partition);
        let config = LogConfig::default();
        let log = match found {
            None => Log::create(engine, partition, TOPIC_ID, config, None).await?,
            Some(found) => {
                let open = OpenLog {
                    partition,
                    config,
                    recovery_point: found.recovery_point,
                    log_start: found.log_start,
                    clean: data_dir.was_clean(),
                };
                Log::open(engine, &open, &mut NoProducers).await?.0
            }
        };
        let state = read_state(&core, &log).await?;
        let mut image = Image::new(&data_dir.identity().cluster_id);
        if state.snapshot.index > Index(0) {
            read_snapshot(&core, &log, &state.snapshot, &mut image).await?;
        }
        let metadata_log = Self {
            core,
            log,
            offsets: RefCell::new(OffsetMap::new(&state.snapshot)),
            state: RefCell::new(state.clone()),
            snapshot_position: Cell::new(0),
            node_id,
        };
        let entries = metadata_log.read_entries().await?;
        Ok(Found {
            log: metadata_log,
            entries,
            state,
            image,
        })
    }

    /// Reads every batch behind the snapshot as the entry it was.
    async fn read_entries(&self) -> Result<Vec<Entry>, StorageError> {
        let mut entries = Vec::new();
        let mut offset = self
            .offsets
            .borrow()
            .log_end_offset()
            .max(self.log.log_start());
        let end = self.log.log_end();
        while offset < end {
            let request = ReadRequest {
                offset,
                bytes_max: READ_BYTES,
                at_least_one: true,
                upper_bound: end,
            };
            let bytes = flatten(self.log.read(&request).await?.pieces).await?;
            let before = offset;
            for view in Batches::new(&bytes) {
                let view = view.map_err(|error| self.damaged(offset, Fault::Batch(error)))?;
                let index = self.offsets.borrow().last_index().plus(1);
                entries.push(entry(&view, index, self.node_id));
                let count = view.next_offset().0 - view.base_offset().0;
                let base = self.offsets.borrow_mut().append(index, count);
                if base != view.base_offset() {
                    let found = view.base_offset();
                    return Err(self.damaged(base, Fault::Offset { found }));
                }
                offset = view.next_offset();
            }
            if offset == before {
                return Err(self.damaged(offset, Fault::Missing));
            }
        }
        Ok(entries)
    }

    fn damaged(&self, offset: Offset, fault: Fault) -> StorageError {
        StorageError::Corrupt {
            path: self.log.dir(),
            position: 0,
            offset,
            fault,
        }
    }

    /// The error for a committed entry that cannot be applied.
    pub(crate) fn corrupt(&self, index: Index, reason: String) -> StorageError {
        StorageError::Metadata {
            path: self.log.dir(),
            reason: format!(
                "entry {index} cannot be applied: {reason}; a later forebay may have written it"
            ),
        }
    }

    /// Up to where entries are in the log.
    pub(crate) fn log_end(&self) -> Offset {
        self.offsets.borrow().log_end_offset()
    }

    /// The offset of the last record of the entry at `index`.
    pub(crate) fn last_offset(&self, index: Index) -> Offset {
        let end = self.offsets.borrow().end_offset(index);
        assert!(end.is_some(), "an applied entry is in the log");
        Offset(end.unwrap_or_default().0 - 1)
    }

    /// Appends entries; they are on the device when this returns.
    pub(crate) async fn append(&self, entries: &[Entry]) -> Result<(), StorageError> {
        for entry in entries {
            let bytes = batch_of(entry, self.core.wall());
            let count = record_count(&bytes);
            let base_offset = self.offsets.borrow_mut().append(entry.index, count);
            let shape = BatchShape {
                len: bytes.len(),
                offset_count: u32::try_from(count).unwrap_or(u32::MAX),
                max_timestamp: self.core.wall(),
            };
            let reservation = self.log.reserve(shape).await?;
            let stamp = Stamp::Leader {
                base_offset,
                leader_epoch: entry.epoch,
                timestamps: None,
            };
            let appended = self.log.append(&bytes, &stamp, reservation);
            assert_eq!(
                appended.base_offset, base_offset,
                "the map and the log agree"
            );
        }
        self.log.flush().await
    }

    /// Cuts the log before the entry at `index`.
    pub(crate) async fn truncate_from(&self, index: Index) -> Result<(), StorageError> {
        let offset = self.offsets.borrow_mut().truncate_from(index);
        self.log.truncate_to(offset).await.map(|_| ())
    }

    /// Replaces the voter's state.
    pub(crate) async fn write_state(&self, hard_state: HardState) -> Result<(), StorageError> {
        self.state.borrow_mut().hard_state = hard_state;
        let bytes = self.state.borrow().encode();
        Ok(self
            .core
            .replace(&self.log.dir().join(STATE_FILE), &bytes)
            .await?)
    }

    /// How much the log has grown since the last snapshot.
    pub(crate) fn bytes_since_snapshot(&self) -> u64 {
        self.log.size().saturating_sub(self.snapshot_position.get())
    }

    /// Writes the image, with everything up to `index`, as a snapshot file.
    pub(crate) async fn write_snapshot(
        &self,
        image: &Image,
        index: Index,
    ) -> Result<(), StorageError> {
        let end = self.last_offset(index).plus(1);
        let bytes = encode_snapshot(image, self.core.wall());
        let path = self.log.dir().join(snapshot_name(end, image.epoch()));
        Ok(self.core.replace(&path, &bytes).await?)
    }

    /// Makes the snapshot count, and lets go of the log in front of it.
    pub(crate) async fn finish_snapshot(
        &self,
        mark: SnapshotMark,
        hard_state: HardState,
    ) -> Result<(), StorageError> {
        let end = mark.end_offset;
        self.offsets.borrow_mut().compact(mark.index);
        let name = snapshot_name(end, mark.epoch);
        self.state.borrow_mut().snapshot = mark;
        self.write_state(hard_state).await?;
        self.remove_snapshots_but(&name).await?;
        self.log.advance_log_start(end).await?;
        self.snapshot_position.set(self.log.size());
        Ok(())
    }

    /// Removes all other snapshots: those before, and what a crash left that never counted.
    async fn remove_snapshots_but(&self, kept: &str) -> Result<(), StorageError> {
        let dir = self.log.dir();
        for entry in self.core.list(&dir).await? {
            if is_snapshot(&entry.name) && entry.name != kept {
                self.core.remove_file(&dir.join(&entry.name)).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn close(&self) -> Result<(), StorageError> {
        self.log.close().await
    }
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition {
        topic: "__cluster_metadata".to_owned(),
        partition: PartitionIndex(0),
    }
}

/// The file's name, as Kafka has it: end offset and epoch.
fn snapshot_name(end: Offset, epoch: LeaderEpoch) -> String {
    format!("{:020}-{:010}{SNAPSHOT_SUFFIX}", end.0, epoch.0)
}

fn is_snapshot(name: &str) -> bool {
    name.ends_with(SNAPSHOT_SUFFIX)
}

async fn read_state(core: &Core, log: &Log) -> Result<PersistentState, StorageError> {
    let path = log.dir().join(STATE_FILE);
    let bytes = match core.read_small(&path).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind == IoErrorKind::NotFound => {
            return Ok(PersistentState::default());
        }
        Err(error) => return Err(error.into()),
    };
    PersistentState::decode(&bytes).map_err(|error| StorageError::Metadata {
        path,
        reason: format!("not a voter's state: {error}; restore it from a backup"),
    })
}

async fn read_snapshot(
    core: &Core,
    log: &Log,
    mark: &SnapshotMark,
    image: &mut Image,
) -> Result<(), StorageError> {
    let path = log.dir().join(snapshot_name(mark.end_offset, mark.epoch));
    let bytes = core.read_small(&path).await?;
    let failed = |path: PathBuf, reason: String| StorageError::Metadata { path, reason };
    for view in Batches::new(&bytes) {
        let view = view.map_err(|error| failed(path.clone(), error.to_string()))?;
        view.verify_checksum()
            .map_err(|error| failed(path.clone(), error.to_string()))?;
        if !view.attributes().is_control() {
            apply_batch(image, view.bytes()).map_err(|reason| failed(path.clone(), reason))?;
        }
    }
    image.advance(Offset(mark.end_offset.0 - 1), mark.epoch);
    Ok(())
}

/// A header, the changes, a footer: Kafka's snapshot format (KIP-630).
fn encode_snapshot(image: &Image, now: Timestamp) -> Vec<u8> {
    let changes = image.to_changes();
    let mut bytes = Vec::new();
    let mut next = Offset(0);
    let header = ControlRecord::SnapshotHeader {
        last_contained_log_timestamp: now,
    };
    append_control(&mut bytes, &mut next, image.epoch(), now, &header);
    for chunk in changes.chunks(SNAPSHOT_BATCH_CHANGES) {
        let options = BatchOptions {
            base_offset: next,
            leader_epoch: image.epoch(),
            ..Default::default()
        };
        let mut builder = BatchBuilder::new(options);
        for change in chunk {
            match change.encode() {
                Ok(value) => builder.append(now, None, Some(&value), &[]),
                Err(error) => unreachable!("a change of the image no record can carry: {error}"),
            }
        }
        next = next.plus(i64::try_from(chunk.len()).unwrap_or(i64::MAX));
        finish(builder, &mut bytes);
    }
    append_control(
        &mut bytes,
        &mut next,
        image.epoch(),
        now,
        &ControlRecord::SnapshotFooter,
    );
    bytes
}

fn append_control(
    bytes: &mut Vec<u8>,
    next: &mut Offset,
    epoch: LeaderEpoch,
    now: Timestamp,
    record: &ControlRecord,
) {
    let options = BatchOptions {
        base_offset: *next,
        leader_epoch: epoch,
        is_control: true,
        ..Default::default()
    };
    let mut builder = BatchBuilder::new(options);
    builder.append_control(now, record);
    *next = next.plus(1);
    finish(builder, bytes);
}

fn finish(mut builder: BatchBuilder, bytes: &mut Vec<u8>) {
    if let Err(error) = builder.build(bytes) {
        unreachable!("an uncompressed batch cannot fail to be built: {error}");
    }
}

/// The entry that a batch of the log was.
fn entry(view: &BatchView<'_>, index: Index, node_id: NodeId) -> Entry {
    let epoch = view.leader_epoch();
    if view.attributes().is_control() {
        // With one voter every reign's leader is this node; who led is in the record for others.
        let kind = EntryKind::Election { leader: node_id };
        return Entry {
            index,
            epoch,
            kind,
            payload: Vec::new(),
        };
    }
    Entry {
        index,
        epoch,
        kind: EntryKind::Payload,
        payload: view.bytes().to_vec(),
    }
}

/// The batch that an entry becomes.
fn batch_of(entry: &Entry, now: Timestamp) -> Vec<u8> {
    match entry.kind {
        EntryKind::Payload => entry.payload.clone(),
        EntryKind::Election { leader } => {
            let mut bytes = Vec::new();
            let mut next = Offset(0);
            let record = leader_change(leader);
            append_control(&mut bytes, &mut next, entry.epoch, now, &record);
            bytes
        }
        EntryKind::Voters(_) => unreachable!("the voters of a lone node do not change"),
    }
}

fn leader_change(leader: NodeId) -> ControlRecord {
    ControlRecord::LeaderChange {
        leader,
        voters: vec![leader],
        granting_voters: vec![leader],
    }
}

fn record_count(bytes: &[u8]) -> i64 {
    match next_batch(bytes) {
        Ok(Some((view, _))) => view.next_offset().0 - view.base_offset().0,
        Ok(None) | Err(_) => unreachable!("an entry's batch was built here"),
    }
}

/// The bytes of a read that is not meant for a socket.
async fn flatten(pieces: Vec<Piece>) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Memory(memory) => bytes.extend_from_slice(&memory),
            Piece::File {
                file,
                position,
                len,
            } => {
                let read = file.read_at(position, base::usize_from_u64(len)).await?;
                bytes.extend_from_slice(&read);
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "tests/metadata_log.rs"]
mod tests;
