//! The store on the simulated machine: what it promises, after power cuts too.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{Random, Timestamp};
use reactor::Core;
use reactor::sim::{DiskOperation, Node, NodeOptions, World};

use crate::{LogConfig, LogError, NewRecord, Offset, StorageError, Store};

const DIR: &str = "/data/lines";
const LIMIT: Duration = Duration::from_secs(3600);

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 20_000,
        ..LogConfig::default()
    }
}

fn world(seed: u64) -> (World, Node) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    (world, node)
}

async fn open(core: &Core) -> Store {
    Store::open(core, Path::new(DIR)).await.unwrap()
}

fn text(number: i64) -> String {
    format!(
        "line {number} {}",
        "x".repeat(usize::try_from(number % 300).unwrap())
    )
}

/// The story: a program appends, reads by offset and by time, follows the end, forgets the
/// beginning, closes, and finds all of it again.
#[test]
fn what_goes_in_comes_out() {
    let (world, node) = world(1);
    let done = world.run_process(node, LIMIT, |core| async move {
        let store = open(&core).await;
        let lines = store.partition("lines", 0, config()).await.unwrap();
        let mut tail = lines.tail(Offset(0));
        for number in 0..500 {
            let text = text(number);
            let record = NewRecord {
                key: Some(b"key"),
                value: Some(text.as_bytes()),
                timestamp: Some(Timestamp(1_000 + number)),
            };
            let appended = lines.append(&[record]).await.unwrap();
            assert_eq!(appended.base_offset, Offset(number));
        }
        assert!(lines.durable_end() < lines.end(), "many share a flush");
        let mut seen = 0;
        while seen < 500 {
            for record in tail.next().await.unwrap() {
                assert_eq!(record.offset, Offset(seen));
                assert_eq!(record.value.unwrap(), text(seen).into_bytes());
                assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
                seen += 1;
            }
        }
        assert_eq!(
            lines.first_at(Timestamp(1_321)).await.unwrap(),
            Some(Offset(321))
        );
        assert_eq!(lines.first_at(Timestamp(9_999)).await.unwrap(), None);
        lines.forget_below(Offset(400)).await.unwrap();
        let gone = lines.read(Offset(10), 100).await.unwrap_err();
        assert!(matches!(
            gone,
            LogError::Storage(StorageError::OutOfRange { .. })
        ));
        store.close().await.unwrap();
        let closed = lines.append(&[NewRecord::value(b"late")]).await;
        assert!(matches!(
            closed,
            Err(LogError::Storage(StorageError::Closed))
        ));
    });
    assert_eq!(done, Some(()));
    let done = world.run_process(node, LIMIT, |core| async move {
        let store = open(&core).await;
        assert_eq!(store.partitions().len(), 1);
        let lines = store.partition("lines", 0, config()).await.unwrap();
        assert_eq!((lines.start(), lines.end()), (Offset(400), Offset(500)));
        let found = lines.read(Offset(450), 1).await.unwrap();
        assert_eq!(found[0].value.as_deref(), Some(text(450).as_bytes()));
        // Two handles are one partition.
        let again = store.partition("lines", 0, config()).await.unwrap();
        let offset = again
            .append_durably(NewRecord::value(b"more"))
            .await
            .unwrap();
        assert_eq!((offset, lines.end()), (Offset(500), Offset(501)));
    });
    assert_eq!(done, Some(()));
}

/// The story: names become directories, and somebody passes on what a client wrote.
#[test]
fn names_stay_in_the_directory() {
    let (world, node) = world(2);
    let done = world.run_process(node, LIMIT, |core| async move {
        let store = open(&core).await;
        let long = "x".repeat(250);
        for (topic, number) in [
            ("", 0),
            ("..", 0),
            ("a/b", 0),
            ("ä", 0),
            ("a", -1),
            (&long, 0),
        ] {
            let refused = store.partition(topic, number, config()).await;
            assert!(matches!(refused, Err(LogError::Name { .. })), "{topic:?}");
        }
        let lines = store.partition("lines", 0, config()).await.unwrap();
        assert!(matches!(lines.append(&[]).await, Err(LogError::Empty)));
        assert!(matches!(
            lines.append_batch(b"no batch").await,
            Err(LogError::Batch(_))
        ));
        assert_eq!(lines.end(), Offset(0));
    });
    assert_eq!(done, Some(()));
}

/// The story: the power fails at any moment. What was confirmed is there, at its offset, and no
/// reader ever saw anything that is gone.
#[test]
fn what_was_confirmed_outlives_power_cuts() {
    for seed in 1..=4 {
        let (world, node) = world(seed);
        // How many were confirmed, and how many somebody has seen.
        let told = Rc::new(RefCell::new((0_i64, 0_i64)));
        let mut random = Random::salted(seed, 3);
        for _ in 0..4 {
            let inner = Rc::clone(&told);
            world.start(node, 1, move |core| live(core, Rc::clone(&inner), seed));
            world.run_for(Duration::from_micros(50_000 + random.below(400_000)));
            world.power_cut(node);
        }
        let (confirmed, seen) = *told.borrow();
        assert!(confirmed > 0 && seen > 0, "seed {seed} got nowhere");
        let done = world.run_process(node, LIMIT, move |core| async move {
            let store = open(&core).await;
            let lines = store.partition("lines", 0, config()).await.unwrap();
            check(&lines, confirmed.max(seen)).await;
        });
        assert_eq!(done, Some(()));
    }
}

async fn live(core: Core, told: Rc<RefCell<(i64, i64)>>, seed: u64) {
    let mut random = Random::salted(seed, core.entropy());
    let store = open(&core).await;
    let lines = store.partition("lines", 0, config()).await.unwrap();
    let (confirmed, seen) = *told.borrow();
    check(&lines, confirmed.max(seen)).await;
    let (mut tail, following) = (lines.tail(Offset(seen)), Rc::clone(&told));
    core.spawn(async move {
        while let Ok(records) = tail.next().await {
            let last = records.last().unwrap().offset.0;
            following.borrow_mut().1 = last + 1;
        }
    });
    loop {
        let number = lines.end().0;
        let appended = lines
            .append(&[NewRecord::value(text(number).as_bytes())])
            .await;
        if random.chance(1, 3) {
            lines
                .wait_durable(appended.unwrap().next_offset)
                .await
                .unwrap();
            told.borrow_mut().0 = number + 1;
        }
        if random.chance(1, 100) {
            store.checkpoint().await.unwrap();
        }
    }
}

/// Everything below `end` is there.
async fn check(lines: &crate::Partition, end: i64) {
    assert!(lines.end().0 >= end, "{} of {end}", lines.end());
    let mut next = 0;
    while next < end {
        for record in lines.read(Offset(next), 5_000).await.unwrap() {
            assert_eq!(record.offset.0, next);
            assert_eq!(record.value.unwrap(), text(next).into_bytes());
            next += 1;
        }
    }
}

/// The story: the device fails one flush. Who waits is told, what was confirmed can be read.
#[test]
fn a_failed_flush_is_told_of() {
    let (world, node) = world(5);
    world.plan_disk_error(node, DiskOperation::Flush, 30);
    let done = world.run_process(node, LIMIT, |core| async move {
        let store = open(&core).await;
        let lines = store.partition("lines", 0, config()).await.unwrap();
        let mut confirmed = 0;
        let error = loop {
            match lines
                .append_durably(NewRecord::value(text(confirmed).as_bytes()))
                .await
            {
                Ok(_) => confirmed += 1,
                Err(error) => break error,
            }
        };
        assert!(
            error.to_string().contains("is offline since an operation"),
            "{error}"
        );
        check(&lines, confirmed).await;
        confirmed
    });
    assert!(done > Some(0));
}
