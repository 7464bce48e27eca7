//! Whatever lies on a disk after a crash, or after somebody else wrote there: recovery of a log
//! ends in a log or an error, never in a panic, and in time and memory that follow from the bytes
//! that are there. What it hands out can be read, and a second recovery finds the same.

#![no_main]

use std::path::Path;
use std::time::Duration;

use base::{Offset, PartitionIndex, TopicPartition};
use batch::{BatchView, Batches};
use libfuzzer_sys::fuzz_target;
use reactor::Core;
use reactor::sim::{Node, NodeOptions, World};
use storage::{
    Engine, Log, LogConfig, OpenLog, Piece, Planted, ReadRequest, RecoveryVisitor, StorageError,
};

const DIR: &str = "/data";
/// Virtual time that no recovery of such small files takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Files may lie about sizes; a log that believed them would need more memory than this.
const CHUNKS_BYTES_MAX: usize = 8 << 20;
/// As many batches as a few kilobytes can hold, over and over.
const BATCHES_MAX: u64 = 1 << 16;

/// The files of a log's directory, and what the node knows of it.
struct Disk {
    files: Vec<(String, Vec<u8>)>,
    open: OpenLog,
}

/// Takes bytes from the front of the fuzzer's input; zeros when it has run out.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A small number mostly, sometimes one at the other end of what fits.
    fn offset(&mut self) -> Offset {
        match self.byte() {
            255 => Offset(i64::MAX - i64::from(self.byte())),
            254 => Offset((1 << 31) + i64::from(self.byte())),
            small => Offset(i64::from(small)),
        }
    }
}

impl Disk {
    fn new(bytes: &[u8]) -> Self {
        let mut input = Input(bytes);
        let flags = input.byte();
        let open = OpenLog {
            partition: TopicPartition { topic: "t".to_owned(), partition: PartitionIndex(0) },
            config: LogConfig { index_interval_bytes: 100, ..LogConfig::default() },
            recovery_point: input.offset(),
            log_start: input.offset(),
            clean: flags & 1 != 0,
        };
        let mut files = Vec::new();
        for _ in 0..1 + (flags >> 6) {
            let base = input.offset();
            let len = usize::from(input.byte()) << 4 | usize::from(input.byte() & 15);
            let mut segment = input.take(len).to_vec();
            if flags & 2 != 0 {
                heal(&mut segment);
            }
            files.push((format!("{:020}.log", base.0), segment));
            for (flag, extension) in [(4, "index"), (8, "timeindex"), (16, "snapshot")] {
                if flags & flag != 0 {
                    let len = usize::from(input.byte());
                    files.push((format!("{:020}.{extension}", base.0), input.take(len).to_vec()));
                }
            }
        }
        if flags & 32 != 0 {
            files.push(("forebay-standing".to_owned(), input.0.to_vec()));
        }
        Self { files, open }
    }
}

/// Gives batches their right checksums: one that must fit by chance would hide all behind it.
fn heal(segment: &mut [u8]) {
    let mut position = 0;
    while let Ok(Some((view, rest))) = batch::next_batch(&segment[position..]) {
        let crc = view.computed_crc().to_be_bytes();
        let next = segment.len() - rest.len();
        segment[position + 17..position + 21].copy_from_slice(&crc);
        assert!(next > position, "a batch has bytes");
        position = next;
    }
}

#[derive(Default)]
struct Visitor {
    batches: u64,
}

impl RecoveryVisitor for Visitor {
    fn load_snapshot(&mut self, _: Offset, bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|first| first % 2 == 0)
    }

    fn replay(&mut self, batch: &BatchView<'_>) {
        self.batches += 1;
        assert!(self.batches < BATCHES_MAX, "more batches than bytes");
        let _ = batch.next_offset();
    }

    fn progress(&mut self, _: u64, _: u64) {}
}

/// Recovers the log and reads all of it; its first offset and its end.
async fn recover(core: Core, open: OpenLog) -> Result<(Offset, Offset), StorageError> {
    let engine = Engine::start(&core, Path::new(DIR), Planted::default());
    let (log, _) = Log::open(&engine, &open, &mut Visitor::default()).await?;
    let (start, end) = (log.log_start(), log.log_end());
    assert!(start <= end, "a log ends behind its start");
    let mut next = start;
    while next < end {
        let request = ReadRequest {
            offset: next,
            bytes_max: 1 << 16,
            at_least_one: true,
            upper_bound: end,
        };
        let read = match log.read(&request).await {
            Ok(read) => read,
            // A sealed segment below the recovery point is believed until it is read.
            Err(StorageError::Corrupt { .. }) => break,
            Err(error) => return Err(error),
        };
        let before = next;
        for piece in read.pieces {
            let bytes = match piece {
                Piece::Memory(bytes) => bytes,
                Piece::File { file, position, len } => {
                    file.read_at(position, base::usize_from_u64(len)).await?
                }
            };
            for view in Batches::new(&bytes) {
                let Ok(view) = view else { break };
                next = next.max(view.next_offset());
            }
        }
        if next == before {
            break;
        }
    }
    Ok((start, end))
}

fn run(world: &World, node: Node, open: &OpenLog) -> Result<(Offset, Offset), String> {
    let open = open.clone();
    let found = world.run_process(node, LIMIT, |core| recover(core, open));
    let found = found.expect("recovery ends");
    found.map_err(|error| error.to_string())
}

fuzz_target!(|bytes: &[u8]| {
    let disk = Disk::new(bytes);
    let mut world = World::new(7);
    let mut options = NodeOptions::numbered(1);
    options.chunks_bytes_max = CHUNKS_BYTES_MAX;
    let node = world.add_node(options);
    let dir = Path::new(DIR).join(disk.open.partition.to_string());
    let files = disk.files;
    let prepared = world.run_process(node, LIMIT, |core| async move {
        core.create_dir_all(&dir).await?;
        core.sync_dir(Path::new(DIR)).await?;
        core.sync_dir(Path::new("/")).await?;
        for (name, bytes) in files {
            core.replace(&dir.join(name), &bytes).await?;
        }
        Ok::<_, reactor::IoError>(())
    });
    assert!(matches!(prepared, Some(Ok(()))), "the files are there");
    let first = run(&world, node, &disk.open);
    world.power_cut(node);
    let mut again = disk.open.clone();
    again.clean = false;
    let second = run(&world, node, &again);
    // Files that a clean stop vouches for are believed where others are looked at.
    if let (Ok((_, end)), false) = (first, disk.open.clean) {
        let (_, found) = second.expect("what was recovered once is recovered again");
        assert!(end == found, "recovery found {end}, and then {found}");
    }
});
