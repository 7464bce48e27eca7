//! A naive model of one log, and the ways to compare the real one with it.

use std::path::Path;
use std::time::Duration;

use base::{LeaderEpoch, NodeId, Offset, PartitionIndex, Random, Timestamp, TopicPartition, Uuid};
use batch::{BatchBuilder, BatchOptions, BatchView, Scratch, next_batch};
use reactor::Core;

use crate::{
    BatchShape, DataDir, Engine, FoundLog, JournalLimits, Log, LogConfig, OpenLog, Piece, Planted,
    ReadRequest, ReadResult, RecoveryReport, RecoveryVisitor, Stamp, StorageError,
};

pub(crate) const DIR: &str = "/data/forebay";
pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(3);

pub(crate) fn partition() -> TopicPartition {
    TopicPartition {
        topic: "orders".to_owned(),
        partition: PartitionIndex(7),
    }
}

/// One of many logs that get a little now and then.
pub(crate) fn trickling(log: usize) -> TopicPartition {
    TopicPartition {
        topic: "trickle".to_owned(),
        partition: PartitionIndex(i32::try_from(log).unwrap()),
    }
}

/// Opens the directory with a journal of these limits, and none of its logs.
pub(crate) async fn open_with(core: &Core, limits: JournalLimits) -> (DataDir, Engine) {
    let dir = DataDir::open(core, Path::new(DIR), NodeId(1), "a-cluster").await;
    let dir = dir.expect("nothing keeps the node from starting");
    let engine = Engine::start(core, dir.path(), Planted::default());
    engine.set_journal_limits(limits);
    (dir, engine)
}

/// A batch as it must stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelBatch {
    pub(crate) base: i64,
    pub(crate) next: i64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) times: Vec<i64>,
}

/// What was appended, and how much of it was acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) batches: Vec<ModelBatch>,
    pub(crate) acked: i64,
    pub(crate) log_start: i64,
}

impl Model {
    pub(crate) fn end(&self) -> i64 {
        self.batches
            .last()
            .map_or(self.log_start, |batch| batch.next)
    }

    /// A producer's batch of random records, and what it becomes at `base`.
    pub(crate) fn random_batch(
        &self,
        random: &mut Random,
        bytes_max: u64,
        clock: i64,
    ) -> (Vec<u8>, ModelBatch) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let count = 1 + random.below(6);
        let mut times = Vec::new();
        for _ in 0..count {
            let mut value = vec![0; usize::try_from(random.below(bytes_max / count + 1)).unwrap()];
            random.fill(&mut value);
            let time = clock + i64::try_from(random.below(50)).unwrap() - 20;
            builder.append(Timestamp(time), None, Some(&value), &[]);
            times.push(time);
        }
        let mut sent = Vec::new();
        builder.build(&mut sent).unwrap();
        let base = self.end();
        let mut bytes = sent.clone();
        batch::stamp(&mut bytes, Offset(base), EPOCH);
        let next = base + i64::try_from(count).unwrap();
        let batch = ModelBatch {
            base,
            next,
            bytes,
            times,
        };
        (sent, batch)
    }

    /// The bytes from the batch that holds `offset` on, below `bound`.
    pub(crate) fn bytes_from(&self, offset: i64, bound: i64) -> Vec<u8> {
        let wanted = |batch: &&ModelBatch| batch.next > offset && batch.base < bound;
        let batches = self.batches.iter().filter(wanted);
        batches.flat_map(|batch| batch.bytes.clone()).collect()
    }

    pub(crate) fn first_at_or_after(&self, time: i64, bound: i64) -> Option<(i64, i64)> {
        let records = self.batches.iter().flat_map(|batch| {
            let offsets = batch.base..batch.next;
            offsets.zip(batch.times.iter().copied())
        });
        let mut records =
            records.filter(|(offset, _)| *offset < bound && *offset >= self.log_start);
        records.find(|(_, found)| *found >= time)
    }

    pub(crate) fn greatest_time(&self, bound: i64) -> Option<i64> {
        let batches = self.batches.iter().filter(|batch| batch.base < bound);
        batches.flat_map(|batch| batch.times.iter().copied()).max()
    }
}

/// Notes what recovery shows.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) replayed: Vec<(i64, i64)>,
    pub(crate) snapshot: Option<(i64, Vec<u8>)>,
}

impl RecoveryVisitor for Seen {
    fn load_snapshot(&mut self, offset: Offset, bytes: &[u8]) -> bool {
        self.snapshot = Some((offset.0, bytes.to_vec()));
        true
    }
    fn replay(&mut self, batch: &BatchView<'_>) {
        self.replayed
            .push((batch.base_offset().0, batch.next_offset().0));
    }
    fn progress(&mut self, _: u64, _: u64) {}
}

pub(crate) struct Opened {
    pub(crate) dir: DataDir,
    pub(crate) engine: Engine,
    pub(crate) log: Log,
    pub(crate) report: RecoveryReport,
}

/// Opens the directory and its one log, which is made where it does not exist.
pub(crate) async fn open(
    core: &Core,
    config: LogConfig,
    planted: Planted,
) -> Result<Opened, StorageError> {
    open_at(core, Path::new(DIR), config, planted).await
}

/// The same in any directory.
pub(crate) async fn open_at(
    core: &Core,
    path: &Path,
    config: LogConfig,
    planted: Planted,
) -> Result<Opened, StorageError> {
    let dir = DataDir::open(core, path, NodeId(1), "a-cluster").await?;
    let engine = Engine::start(core, dir.path(), planted);
    if core.entropy().is_multiple_of(2) {
        // Half of all lives go through the journal wherever they may, and fill it all the time.
        engine.set_journal_limits(JournalLimits {
            lanes_min: 1,
            file_bytes: 32 << 10,
            age_max: Duration::from_secs(1),
            ..JournalLimits::default()
        });
    }
    let (log, report) = match dir.logs() {
        [] => {
            let log = Log::create(&engine, partition(), Uuid(77), config, None).await?;
            (log, RecoveryReport::default())
        }
        [found] => open_found(&engine, &dir, found, config).await?,
        more => panic!("one log was made, {} are there", more.len()),
    };
    Ok(Opened {
        dir,
        engine,
        log,
        report,
    })
}

/// Opens a log that the directory has.
pub(crate) async fn open_found(
    engine: &Engine,
    dir: &DataDir,
    found: &FoundLog,
    config: LogConfig,
) -> Result<(Log, RecoveryReport), StorageError> {
    let open = OpenLog {
        partition: found.partition.clone(),
        config,
        recovery_point: found.recovery_point,
        log_start: found.log_start,
        clean: dir.was_clean(),
    };
    Log::open(engine, &open, &mut Seen::default()).await
}

/// Appends a producer's batch.
pub(crate) async fn append(
    log: &Log,
    sent: &[u8],
    expected: &ModelBatch,
) -> Result<(), StorageError> {
    let (view, _) = next_batch(sent).unwrap().unwrap();
    let shape = BatchShape {
        len: sent.len(),
        offset_count: u32::try_from(view.record_count()).unwrap(),
        max_timestamp: view.max_timestamp(),
    };
    let reservation = log.reserve(shape).await?;
    let stamp = Stamp::Leader {
        base_offset: log.log_end(),
        leader_epoch: EPOCH,
        timestamps: None,
    };
    let appended = log.append(sent, &stamp, reservation);
    assert_eq!(appended.base_offset.0, expected.base);
    assert_eq!(appended.next_offset.0, expected.next);
    Ok(())
}

/// The bytes of a result, from wherever they are.
pub(crate) async fn collect(result: &ReadResult) -> Result<Vec<u8>, StorageError> {
    let mut bytes = Vec::new();
    for piece in &result.pieces {
        match piece {
            Piece::Memory(piece) => bytes.extend_from_slice(piece),
            Piece::File {
                file,
                position,
                len,
            } => {
                let len = usize::try_from(*len).unwrap();
                let read = file.read_at(*position, len).await?;
                assert_eq!(read.len(), len, "a file piece lies inside its file");
                bytes.extend_from_slice(&read);
            }
        }
    }
    assert_eq!(bytes.len() as u64, result.len);
    Ok(bytes)
}

/// Reads from a random offset and compares with the model.
pub(crate) async fn check_read(log: &Log, model: &Model, random: &mut Random, bound: i64) {
    let span = u64::try_from(bound - model.log_start).unwrap();
    if span == 0 {
        return;
    }
    let offset = model.log_start + i64::try_from(random.below(span)).unwrap();
    let request = ReadRequest {
        offset: Offset(offset),
        bytes_max: usize::try_from(random.below(100_000)).unwrap(),
        at_least_one: random.chance(3, 4),
        upper_bound: Offset(bound),
    };
    let result = log.read(&request).await.unwrap();
    let bytes = collect(&result).await.unwrap();
    let expected = model.bytes_from(offset, bound);
    assert!(
        expected.starts_with(&bytes),
        "offset {offset}, bound {bound}"
    );
    let first = model
        .batches
        .iter()
        .find(|batch| batch.next > offset)
        .unwrap();
    if request.at_least_one || first.bytes.len() <= request.bytes_max {
        assert!(bytes.len() >= first.bytes.len(), "the first batch is whole");
        assert_eq!(result.base_offset, Some(Offset(first.base)));
    } else {
        assert!(bytes.is_empty());
    }
    assert!(bytes.len() <= request.bytes_max.max(first.bytes.len()));
}

/// Reads the whole log from its start to its end.
pub(crate) async fn read_all(log: &Log) -> Result<Vec<u8>, StorageError> {
    let (mut offset, mut bytes) = (log.log_start(), Vec::new());
    while offset < log.log_end() {
        let request = ReadRequest {
            offset,
            bytes_max: 50_000,
            at_least_one: true,
            upper_bound: log.log_end(),
        };
        let result = log.read(&request).await?;
        let part = collect(&result).await?;
        let mut rest = part.as_slice();
        let before = offset;
        while let Ok(Some((view, behind))) = next_batch(rest) {
            view.verify_checksum()
                .expect("a log hands out intact batches");
            bytes.extend_from_slice(view.bytes());
            offset = view.next_offset();
            rest = behind;
        }
        assert!(offset > before, "a read returns at least a batch");
    }
    Ok(bytes)
}

/// Compares the answers about time.
pub(crate) async fn check_times(
    log: &Log,
    model: &Model,
    random: &mut Random,
    clock: i64,
    bound: i64,
) {
    let mut scratch = Scratch::new();
    let time = clock - i64::try_from(random.below(2_000)).unwrap();
    let found = log
        .offset_for_timestamp(Timestamp(time), Offset(bound), &mut scratch)
        .await
        .unwrap();
    let found = found.map(|found| (found.offset.0, found.timestamp.0));
    assert_eq!(found, model.first_at_or_after(time, bound), "time {time}");
    let greatest = log
        .max_timestamp(Offset(bound), &mut scratch)
        .await
        .unwrap();
    assert_eq!(
        greatest.map(|found| found.timestamp.0),
        model.greatest_time(bound)
    );
}
