//! The story: bits flip in the journal before the node starts again. In a frame that others follow
//! that is told, and no log is given anything behind what it lacks; in the last frame it looks as
//! where the power went while it was written.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{BLOCK_SIZE, NodeId, Offset, Random, Uuid};
use reactor::sim::{NodeOptions, World};
use reactor::{Core, OpenMode, Pool};

use super::model::{DIR, Model, Seen, append, open_with, read_all, trickling};
use super::seeds;
use crate::journal::frame::{FRAMES_FROM, Salt, decode};
use crate::layout::journal_name;
use crate::{DataDir, Engine, JournalLimits, Log, LogConfig, OpenLog};

const LOGS: usize = 4;
const ROUNDS: usize = 12;
const LIMIT: Duration = Duration::from_secs(600);

async fn open(core: &Core) -> (DataDir, Engine) {
    let limits = JournalLimits {
        lanes_min: 1,
        file_bytes: 1 << 20,
        age_max: Duration::from_secs(3600),
        ..JournalLimits::default()
    };
    open_with(core, limits).await
}

/// Appends a little to each log, one after the other, and lets it be acknowledged.
async fn fill(core: Core, seed: u64) -> Vec<Model> {
    let random = &mut Random::new(seed);
    let (_dir, engine) = open(&core).await;
    let mut logs = Vec::new();
    for log in 0..LOGS {
        let made = Log::create(
            &engine,
            trickling(log),
            Uuid(77),
            LogConfig::default(),
            None,
        )
        .await;
        logs.push((made.unwrap(), Model::default()));
    }
    for round in 0..ROUNDS {
        for (log, model) in &mut logs {
            let (sent, batch) = model.random_batch(random, 300, 1_000);
            append(log, &sent, &batch).await.unwrap();
            model.batches.push(batch);
            log.flush().await.unwrap();
        }
        if round == 0 {
            // The journal is being made.
            core.sleep(Duration::from_secs(1)).await;
        }
    }
    let frames = engine.counters().journal_frames.get();
    assert_eq!(frames, u64::try_from(LOGS * (ROUNDS - 1)).unwrap());
    logs.into_iter().map(|(_, model)| model).collect()
}

/// Flips a bit among the first `len` bytes of a block.
async fn flip_in_block(core: &Core, at: usize, len: usize, random: &mut Random) {
    let path: PathBuf = Path::new(DIR).join(journal_name(core.id(), 0));
    let bytes = core.read_small(&path).await.unwrap();
    let mut block = bytes[at..at + BLOCK_SIZE].to_vec();
    block[usize::try_from(random.below(len as u64)).unwrap()] ^= 1 << random.below(8);
    let mut buffer = Pool::new(BLOCK_SIZE).take(BLOCK_SIZE).await;
    buffer.append(&block);
    let file = core.open(&path, OpenMode::Existing).await.unwrap();
    let blocks = buffer.blocks(0..BLOCK_SIZE);
    file.write_durably(blocks, at as u64).await.unwrap();
}

/// Flips a bit in the frame with this number.
async fn flip(core: &Core, number: usize, random: &mut Random) {
    let path: PathBuf = Path::new(DIR).join(journal_name(core.id(), 0));
    let bytes = core.read_small(&path).await.unwrap();
    let salt = Salt::of_head(&bytes).unwrap();
    let mut at = usize::try_from(FRAMES_FROM).unwrap();
    for _ in 0..number {
        let frame = decode(&bytes[at..], salt).unwrap();
        at += frame.len.next_multiple_of(BLOCK_SIZE);
    }
    let len = decode(&bytes[at..], salt).unwrap().len.min(BLOCK_SIZE);
    flip_in_block(core, at, len, random).await;
}

/// Starts again; the directory's report, and how many batches of each log are there.
async fn start_again(core: Core, models: Vec<Model>) -> (crate::JournalReport, Vec<usize>) {
    let (dir, engine) = open(&core).await;
    let mut counts = Vec::new();
    for (log, model) in models.iter().enumerate() {
        let found = dir
            .logs()
            .iter()
            .find(|found| found.partition == trickling(log));
        let open = OpenLog {
            partition: trickling(log),
            config: LogConfig::default(),
            recovery_point: found.unwrap().recovery_point,
            log_start: Offset(0),
            clean: dir.was_clean(),
        };
        let opened = Log::open(&engine, &open, &mut Seen::default()).await;
        let (opened, _) = opened.unwrap();
        let end = opened.log_end().0;
        let bytes = read_all(&opened).await.unwrap();
        assert_eq!(bytes, model.bytes_from(0, end));
        counts.push(model.batches.iter().filter(|one| one.next <= end).count());
    }
    let left = core.list(Path::new(DIR)).await.unwrap();
    let is_journal = |name: &str| crate::layout::parse_journal_name(name).is_some();
    assert!(left.iter().all(|entry| !is_journal(&entry.name)));
    (dir.journal().clone(), counts)
}

#[test]
fn a_damaged_frame_is_told_and_nothing_is_put_behind_what_it_had() {
    let last = LOGS * (ROUNDS - 1) - 1;
    for seed in seeds(1..=40) {
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let models = world.run_process(node, LIMIT, move |core| fill(core, seed));
        let models = models.expect("it ends");
        world.power_cut(node);
        let mut random = Random::salted(seed, 1);
        let number = match random.chance(1, 3) {
            true => last,
            false => usize::try_from(random.below(last as u64)).unwrap(),
        };
        let again = world.run_process(node, LIMIT, move |core| async move {
            flip(&core, number, &mut Random::salted(seed, 3)).await;
            start_again(core, models).await
        });
        let (report, counts) = again.expect("it ends");
        assert_eq!(report.damaged.is_empty(), number == last, "seed {seed}");
        assert_eq!(report.frames, u64::try_from(last).unwrap(), "seed {seed}");
        for (log, count) in counts.into_iter().enumerate() {
            // The first round went to the segments, and each frame has one log.
            let expected = match number % LOGS == log {
                true => 1 + number / LOGS,
                false => ROUNDS,
            };
            assert_eq!(count, expected, "seed {seed}: log {log}, frame {number}");
        }
    }
}

/// The story: one log's small file was hurt. The others get what is theirs, the node starts, and
/// what the journal has of that log is kept.
#[test]
fn a_log_whose_small_file_is_damaged_is_left_out_alone() {
    use crate::layout::PARTITION_FILE;
    for seed in seeds(1..=5) {
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let models = world.run_process(node, LIMIT, move |core| fill(core, seed));
        let models = models.expect("it ends");
        world.power_cut(node);
        let hurt = Path::new(DIR)
            .join(trickling(1).to_string())
            .join(PARTITION_FILE);
        assert!(world.decay(node, &hurt, 0, b"?????????????"));
        let again = world.run_process(node, LIMIT, move |core| async move {
            let before = core.list(Path::new(DIR)).await.unwrap().len();
            let dir = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster").await;
            let dir = dir.expect("the others can be opened");
            let report = dir.journal();
            let names: Vec<_> = report.left_out.iter().map(|(log, _)| log.clone()).collect();
            assert_eq!(names, [trickling(1)], "seed {seed}");
            for kept in &report.kept {
                assert!(core.read_small(kept).await.is_ok(), "seed {seed}: {kept:?}");
            }
            assert_eq!(report.kept.len(), 2, "seed {seed}");
            let after = core.list(Path::new(DIR)).await.unwrap().len();
            assert_eq!(before, after, "seed {seed}");
            drop(dir);
            // As good as ever once it is mended.
            let path = Path::new(DIR)
                .join(trickling(1).to_string())
                .join(PARTITION_FILE);
            let text = crate::layout::encode_topic_id(Uuid(77));
            core.replace(&path, text.as_bytes()).await.unwrap();
            start_again(core, models).await
        });
        let (_, counts) = again.expect("it ends");
        assert_eq!(counts, vec![ROUNDS, 1, ROUNDS, ROUNDS], "seed {seed}");
    }
}

/// The story: a bit flips in a segment, in the length of a batch before all that the journal has. So
/// nothing that the journal has of it finds its place; that is told.
#[test]
fn entries_that_find_no_place_are_told() {
    for seed in seeds(1..=5) {
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let models = world.run_process(node, LIMIT, move |core| fill(core, seed));
        assert!(models.is_some(), "it ends");
        world.power_cut(node);
        let segment = Path::new(DIR).join(trickling(2).to_string());
        let segment = segment.join(crate::layout::FileKind::Log.name(Offset(0)));
        // Behind the base offset.
        assert!(world.decay(node, &segment, 8, &[0x7F]));
        let report = world.run_process(node, LIMIT, |core| async move {
            let (dir, _engine) = open(&core).await;
            dir.journal().clone()
        });
        let report = report.expect("it ends");
        assert_eq!(report.unplaced, [segment], "seed {seed}");
    }
}

/// The story: the device does not give a part of the journal back. It is asked again block by block,
/// and nothing of it keeps the node from starting.
#[test]
fn a_read_of_the_journal_that_fails_keeps_no_node_from_starting() {
    use reactor::sim::DiskOperation;
    let mut starts = 0;
    for before in 0..30 {
        let mut world = World::new(before);
        let node = world.add_node(NodeOptions::numbered(1));
        let models = world.run_process(node, LIMIT, move |core| fill(core, before));
        assert!(models.is_some(), "it ends");
        world.power_cut(node);
        world.plan_disk_error(node, DiskOperation::Read, before);
        let opened = world.run_process(node, LIMIT, |core| async move {
            let dir = DataDir::open(&core, Path::new(DIR), NodeId(1), "a-cluster").await;
            dir.map(|dir| dir.journal().frames)
                .map_err(|error| error.to_string())
        });
        match opened.expect("it ends") {
            Err(error) => {
                let is_read = error.starts_with("read ");
                assert!(!(is_read && error.contains("journal")), "{before}: {error}");
            }
            Ok(frames) => {
                starts += 1;
                assert_eq!(frames, u64::try_from(LOGS * (ROUNDS - 1)).unwrap());
            }
        }
    }
    assert!(starts > 0, "a read of the journal failed, too");
}

/// The story: a bit flips in what stands before the first frame. Without it no frame can be read, so
/// it stands there twice.
#[test]
fn a_damaged_head_costs_nothing_and_two_are_told() {
    let salt_end = 4 + 4 + 8;
    for seed in seeds(1..=20) {
        let blocks = match seed % 3 {
            0 => vec![0],
            1 => vec![BLOCK_SIZE],
            _ => vec![0, BLOCK_SIZE],
        };
        let is_lost = blocks.len() == 2;
        let mut world = World::new(seed);
        let node = world.add_node(NodeOptions::numbered(1));
        let models = world.run_process(node, LIMIT, move |core| fill(core, seed));
        let models = models.expect("it ends");
        world.power_cut(node);
        let again = world.run_process(node, LIMIT, move |core| async move {
            for at in blocks {
                flip_in_block(&core, at, salt_end, &mut Random::salted(seed, at as u64)).await;
            }
            start_again(core, models).await
        });
        let (report, counts) = again.expect("it ends");
        assert_eq!(report.damaged.len(), usize::from(is_lost), "seed {seed}");
        let expected = if is_lost { 1 } else { ROUNDS };
        assert_eq!(counts, vec![expected; LOGS], "seed {seed}");
    }
}
