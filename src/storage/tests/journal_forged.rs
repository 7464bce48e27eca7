//! The story: a producer knows how the journal's frames look, and sends some as the values of its
//! records, again and again, so that one of them lies at the beginning of a block. Later turns write
//! over a part of it, the power goes, and who reads the journal comes by. Nothing of it is taken for
//! a frame: the node starts, and nobody's records are gone.

use std::time::Duration;

use base::{BLOCK_SIZE, Offset, PartitionIndex, Random, Timestamp, TopicPartition, Uuid};
use batch::{BatchBuilder, BatchOptions};
use reactor::Core;
use reactor::sim::{NodeOptions, World};

use super::model::{EPOCH, Model, ModelBatch, append, open_found, open_with, read_all};
use super::seeds;
use crate::journal::frame::{FrameBuilder, HEADER_BYTES, Salt};
use crate::{DataDir, Engine, JournalLimits, Log, LogConfig};

const LOGS: usize = 6;
const LIMIT: Duration = Duration::from_secs(600);

fn name(log: usize) -> TopicPartition {
    TopicPartition {
        topic: "a-log-of-trickles".to_owned(),
        partition: PartitionIndex(i32::try_from(log).unwrap()),
    }
}

/// An intact frame of the first log, but for the salt: a void, or of a kind that there is not.
fn forged(random: &mut Random) -> Vec<u8> {
    let mut builder = FrameBuilder::default();
    builder.push_void(&name(0));
    let turn = (1 + random.below(8), random.below(8));
    let mut bytes = builder.finish(Salt(random.next_u64()), turn);
    if random.chance(1, 2) {
        bytes[HEADER_BYTES] = 9;
        let checksum = crc32c::crc32c(&bytes[8..]).to_be_bytes();
        bytes[4..8].copy_from_slice(&checksum);
    }
    assert!(BLOCK_SIZE.is_multiple_of(bytes.len()), "each block has one");
    bytes
}

fn batch_of_frames(model: &Model, random: &mut Random) -> (Vec<u8>, ModelBatch) {
    let mut value = vec![0; usize::try_from(random.below(64)).unwrap()];
    let frame = forged(random);
    (0..20 + random.below(30)).for_each(|_| value.extend_from_slice(&frame));
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(Timestamp(1_000), None, Some(&value), &[]);
    let mut sent = Vec::new();
    builder.build(&mut sent).unwrap();
    let base = model.end();
    let mut bytes = sent.clone();
    batch::stamp(&mut bytes, Offset(base), EPOCH);
    let batch = ModelBatch {
        base,
        next: base + 1,
        bytes,
        times: vec![1_000],
    };
    (sent, batch)
}

async fn open(core: &Core) -> (DataDir, Engine) {
    let limits = JournalLimits {
        lanes_min: 1,
        file_bytes: 64 << 10,
        ..JournalLimits::default()
    };
    open_with(core, limits).await
}

async fn fill(core: Core, seed: u64) -> Vec<Model> {
    let random = &mut Random::new(seed);
    let (_dir, engine) = open(&core).await;
    let mut logs = Vec::new();
    for log in 0..LOGS {
        let made = Log::create(&engine, name(log), Uuid(77), LogConfig::default(), None).await;
        logs.push((made.unwrap(), Model::default()));
    }
    for _ in 0..40 + random.below(100) {
        // One frame of several blocks.
        for (log, model) in &mut logs {
            if random.chance(1, 2) {
                let (sent, batch) = batch_of_frames(model, random);
                append(log, &sent, &batch).await.unwrap();
                model.batches.push(batch);
            }
        }
        for (log, _) in &logs {
            log.flush().await.unwrap();
        }
        core.sleep(Duration::from_millis(random.below(300))).await;
    }
    assert!(engine.counters().journal_frames.get() > 0);
    logs.into_iter().map(|(_, model)| model).collect()
}

async fn start_again(core: Core, models: Vec<Model>) {
    let (dir, engine) = open(&core).await;
    assert_eq!(dir.journal().damaged, Vec::<std::path::PathBuf>::new());
    for found in dir.logs() {
        let config = LogConfig::default();
        let (log, _) = open_found(&engine, &dir, found, config).await.unwrap();
        let model = &models[usize::try_from(found.partition.partition.0).unwrap()];
        let all = model.bytes_from(0, model.end());
        assert!(read_all(&log).await.unwrap() == all, "{log:?}");
    }
}

#[test]
fn a_frame_that_a_client_sent_is_none() {
    for seed in seeds(1..=40) {
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let models = world.run_process(node, LIMIT, move |core| fill(core, seed));
        let models = models.expect("it ends");
        world.power_cut(node);
        let again = world.run_process(node, LIMIT, move |core| start_again(core, models));
        again.expect("it ends");
    }
}
