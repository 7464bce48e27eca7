//! One partition on one simulated node, and a producer's batches for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base::{
    LeaderEpoch, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp,
    TopicPartition, Uuid,
};
use batch::{BatchBuilder, BatchOptions, Batches};
use config::{Inputs, Settings, TopicConfig};
use reactor::sim::{Node, NodeOptions, World};
use reactor::{Bytes, Core};
use storage::{DataDir, Engine, Piece, Planted, ReadRequest, StorageError};

use crate::{AppendRequest, FetchRequest, Isolation, OpenPartition, Partition};

pub(crate) const LIMIT: Duration = Duration::from_secs(3600);

pub(crate) fn world(seed: u64) -> (World, Node) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    (world, node)
}

pub(crate) fn topic(pairs: &[(&str, &str)]) -> TopicConfig {
    let settings = Settings::load(&Inputs {
        file: None,
        environment: &[],
        overrides: &[],
    });
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let overrides: BTreeMap<String, String> = pairs.collect();
    TopicConfig::new(&settings.expect("defaults load"), &overrides).expect("the topic is valid")
}

pub(crate) struct Opened {
    pub(crate) dir: DataDir,
    pub(crate) engine: Engine,
    pub(crate) partition: Partition,
}

/// Starts the node, and makes its one partition leader of `epoch`.
pub(crate) async fn start(
    core: &Core,
    config: &TopicConfig,
    epoch: i32,
) -> Result<Opened, StorageError> {
    let dir = DataDir::open(core, Path::new("/data"), NodeId(1), "a-cluster").await?;
    let engine = Engine::start(core, dir.path(), Planted::default());
    let name = TopicPartition {
        topic: "payments".to_owned(),
        partition: PartitionIndex(0),
    };
    let open = OpenPartition {
        name,
        topic_id: Uuid(5),
        config: config.clone(),
        found: dir.logs().first().cloned(),
        clean: dir.was_clean(),
        leader_epoch: LeaderEpoch(epoch),
    };
    let partition = Partition::open(&engine, open).await?;
    partition.lead(LeaderEpoch(epoch)).await?;
    Ok(Opened {
        dir,
        engine,
        partition,
    })
}

impl Opened {
    /// Stops in order.
    pub(crate) async fn stop(self) {
        self.partition.close().await.unwrap();
        let checkpoint = self.partition.log().checkpoint();
        let points = [(self.partition.name(), checkpoint)].into();
        self.dir.close_in_order(&points).await.unwrap();
        self.engine.stop();
    }
}

/// A batch of `values`, by an idempotent producer where `sequence` is given.
pub(crate) fn request(values: &[Vec<u8>], sequence: Option<i32>) -> AppendRequest {
    let mut options = BatchOptions::default();
    if let Some(sequence) = sequence {
        options.producer_id = ProducerId(9);
        options.producer_epoch = ProducerEpoch(0);
        options.base_sequence = sequence;
    }
    let mut builder = BatchBuilder::new(options);
    for value in values {
        builder.append(Timestamp(1_000), None, Some(value), &[]);
    }
    let mut records = Vec::new();
    builder.build(&mut records).unwrap();
    AppendRequest {
        records: Bytes::from(records),
        acks_all: true,
        zstd_allowed: true,
        appender: crate::Appender::Producer,
    }
}

pub(crate) fn fetch_request(offset: Offset) -> FetchRequest {
    FetchRequest {
        offset,
        bytes_max: 1 << 20,
        at_least_one: true,
        isolation: Isolation::ReadUncommitted,
    }
}

/// All records that a consumer sees from the beginning: offsets and values.
pub(crate) async fn consume(partition: &Partition) -> Vec<(i64, Vec<u8>)> {
    let mut offset = partition.log_start_offset();
    let mut seen = Vec::new();
    let mut scratch = batch::Scratch::new();
    while offset < partition.high_watermark() {
        let fetched = partition.fetch(fetch_request(offset)).await.unwrap();
        let bytes = read(partition, offset, fetched.high_watermark).await;
        assert!(bytes.len() as u64 >= fetched.len.min(1 << 20));
        let before = offset;
        for view in Batches::new(&bytes) {
            let view = view.unwrap();
            view.verify_checksum().unwrap();
            assert!(view.next_offset() <= partition.high_watermark());
            for record in batch::records(&view, &mut scratch, usize::MAX).unwrap() {
                let record = record.unwrap();
                if record.offset >= offset {
                    seen.push((record.offset.0, record.value.unwrap_or(&[]).to_vec()));
                }
            }
            offset = view.next_offset();
        }
        assert!(
            offset > before,
            "a fetch below the high watermark returns records"
        );
    }
    seen
}

/// All bytes of the log.
pub(crate) async fn log_bytes(partition: &Partition) -> Vec<u8> {
    let end = partition.high_watermark();
    let (mut offset, mut bytes) = (partition.log_start_offset(), Vec::new());
    while offset < end {
        let part = read(partition, offset, end).await;
        let last = Batches::new(&part).last().unwrap().unwrap();
        offset = last.next_offset();
        bytes.extend_from_slice(&part);
    }
    bytes
}

/// The bytes behind a fetch: parts of files can only be sent, so they are read from the log.
async fn read(partition: &Partition, offset: Offset, upper_bound: Offset) -> Vec<u8> {
    let request = ReadRequest {
        offset,
        bytes_max: 1 << 20,
        at_least_one: true,
        upper_bound,
    };
    let mut bytes = Vec::new();
    for piece in partition.log().read(&request).await.unwrap().pieces {
        match piece {
            Piece::Memory(part) => bytes.extend_from_slice(&part),
            Piece::File {
                file,
                position,
                len,
            } => {
                let len = usize::try_from(len).unwrap();
                bytes.extend_from_slice(&file.read_at(position, len).await.unwrap());
            }
        }
    }
    bytes
}
