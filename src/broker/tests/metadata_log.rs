//! The metadata log on the simulated machine: what it keeps beside its entries.

use std::path::Path;
use std::time::Duration;

use base::{LeaderEpoch, NodeId, Offset, Timestamp};
use batch::{BatchBuilder, BatchOptions};
use metadata::{Change, Image};
use quorum::{Entry, EntryKind, HardState, Index, SnapshotMark};
use reactor::Core;
use reactor::sim::{NodeOptions, World};
use storage::{DataDir, Engine, Planted};

use super::{Found, MetadataLog, is_snapshot};
use crate::controller::apply_batch;

const DIR: &str = "/data";
const EPOCH: LeaderEpoch = LeaderEpoch(1);
const SNAPSHOTS: u64 = 3;

fn change(number: u64) -> Vec<u8> {
    let level = Change::FeatureLevel {
        name: "metadata.version".to_owned(),
        level: i16::try_from(number).unwrap(),
    };
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: Offset(i64::try_from(number).unwrap() - 1),
        leader_epoch: EPOCH,
        ..BatchOptions::default()
    });
    builder.append(Timestamp(5), None, Some(&level.encode().unwrap()), &[]);
    let mut bytes = Vec::new();
    builder.build(&mut bytes).unwrap();
    bytes
}

async fn open(core: &Core) -> (DataDir, Found) {
    let dir = DataDir::open(core, Path::new(DIR), NodeId(1), "a-cluster").await;
    let dir = dir.unwrap();
    let engine = Engine::start(core, dir.path(), Planted::default());
    let found = MetadataLog::open(&engine, &dir, NodeId(1)).await.unwrap();
    (dir, found)
}

async fn snapshots(core: &Core, log: &MetadataLog) -> Vec<String> {
    let entries = core.list(&log.log.dir()).await.unwrap().into_iter();
    let names = entries.map(|entry| entry.name);
    names.filter(|name| is_snapshot(name)).collect()
}

/// The story: a node lives for years and writes a snapshot now and then; one of them was written and
/// never counted, since the process died. Only the one that counts is there, and it is read.
#[test]
fn only_the_snapshot_that_counts_stays() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let limit = Duration::from_secs(60);
    let done = world.run_process(node, limit, |core| async move {
        let (_dir, found) = open(&core).await;
        let (log, mut image) = (found.log, found.image);
        for number in 1..=SNAPSHOTS {
            let (index, payload) = (Index(number), change(number));
            apply_batch(&mut image, &payload).unwrap();
            let end = Offset(i64::try_from(number).unwrap());
            image.advance(Offset(end.0 - 1), EPOCH);
            let entry = Entry {
                index,
                epoch: EPOCH,
                kind: EntryKind::Payload,
                payload,
            };
            log.append(&[entry]).await.unwrap();
            log.write_snapshot(&image, index).await.unwrap();
            if number == 1 {
                // It dies here, so to speak.
                continue;
            }
            let mark = SnapshotMark {
                index,
                epoch: EPOCH,
                end_offset: end,
                voters: vec![NodeId(1)],
            };
            log.finish_snapshot(mark, HardState::default())
                .await
                .unwrap();
            let there = snapshots(&core, &log).await;
            assert_eq!(there, [format!("{number:020}-0000000001.checkpoint")]);
        }
    });
    assert_eq!(done, Some(()));
    let image = world.run_process(node, limit, |core| async move {
        let (_dir, found) = open(&core).await;
        found.image
    });
    let image: Image = image.unwrap();
    let level = i16::try_from(SNAPSHOTS).unwrap();
    assert_eq!(image.features().get("metadata.version"), Some(&level));
}
