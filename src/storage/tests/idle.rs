//! A node with ten thousand quiet partitions must not hold ten thousand files open.

use std::time::Duration;

use base::{Offset, Random};
use reactor::sim::{NodeOptions, World};

use super::model::{Model, append, open, read_all};
use crate::{Log, LogConfig, Planted};

/// Whether the active file is open, and how much room it has ahead of need.
fn held(log: &Log) -> (bool, u64) {
    let active = log.shared.state.borrow().active();
    let ahead = active.allocated.get().saturating_sub(active.len.get());
    (active.is_open(), ahead)
}

/// The story: a log is written to, left alone, written to again; what it let go of comes back,
/// and everything is there after a restart too.
#[test]
fn a_quiet_log_holds_nothing() {
    let mut world = World::new(3);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, Duration::from_secs(600), |core| async move {
        let mut random = Random::new(3);
        let opened = open(&core, LogConfig::default(), Planted::default());
        let opened = opened.await.unwrap();
        let (log, mut model) = (opened.log, Model::default());
        assert_eq!(held(&log), (false, 0), "nobody has written to it yet");
        for _ in 0..3 {
            let (sent, batch) = model.random_batch(&mut random, 3_000, 1_000);
            append(&log, &sent, &batch).await.unwrap();
            log.wait_durable(Offset(batch.next)).await.unwrap();
            model.batches.push(batch);
            let (is_open, ahead) = held(&log);
            assert!(is_open && ahead > 0, "a busy log is ready for more");
            core.sleep(Duration::from_secs(80)).await;
            assert_eq!(held(&log), (false, 0));
            assert_eq!(read_all(&log).await.unwrap(), model.bytes_from(0, i64::MAX));
        }
        true
    });
    assert_eq!(done, Some(true));
}
