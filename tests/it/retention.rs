//! Old segments go, deleted or replaced records stay away, and a process killed in the middle of
//! it comes back with all the rest.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use base::Timestamp;
use batch::{BatchBuilder, BatchOptions, Scratch};

use crate::connection::Connection;
use crate::log;
use crate::records::{Writer, wall_clock};
use crate::server::Server;
use crate::topics::{self, Topic};

const PATIENCE: Duration = Duration::from_secs(60);
const SETTINGS: &[&str] = &[
    "log.retention.check.interval.ms=100",
    "log.cleaner.backoff.ms=100",
];

/// Kafka's stand-ins for the log's beginning in ListOffsets.
const EARLIEST: i64 = -2;

fn log_start(connection: &mut Connection, topic: &Topic) -> i64 {
    log::list_offset(connection, (topic, 0), EARLIEST, 1)
}

/// How many files of the partition end with `suffix`.
fn files(data: &Path, topic: &Topic, suffix: &str) -> usize {
    let folder = data.join(format!("{}-0", topic.name));
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(suffix))
        .count()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "in vain waited until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The story: a topic keeps 3 MiB in segments of 1 MiB; 18 MiB are written, the process is killed
/// while segments go, and again. What was gone stays gone, what was kept is whole.
#[test]
fn old_segments_go_and_stay_away() {
    let Some(mut server) = Server::own("retention", SETTINGS) else {
        return;
    };
    let mut connection = server.connect();
    let configs = [
        ("segment.bytes", "1048576"),
        ("retention.bytes", "3145728"),
        ("file.delete.delay.ms", "200"),
    ];
    let topic = topics::create_with(&mut connection, "short", 1, &configs);
    let mut writer = Writer::new(1, 1_000);
    for round in 0..3 {
        let mut end = 0;
        for _ in 0..60 {
            let batch = writer.batch(100);
            let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
            assert_eq!(appended.error_code, 0);
            end = appended.base_offset + 100;
        }
        wait_until("old segments are gone", || {
            end - log_start(&mut connection, &topic) < 4_500
        });
        let start = log_start(&mut connection, &topic);
        assert!(start > 0 && end - start >= 2_900, "{start} to {end}");
        let refused = log::fetch_at(&mut connection, (&topic, 0), start - 1);
        assert_eq!(refused.error_code, 1, "OFFSET_OUT_OF_RANGE");
        server.kill();
        server.start();
        connection = server.connect();
        let after = log_start(&mut connection, &topic);
        assert!(
            after >= start,
            "round {round}: {start} came back as {after}"
        );
        let found = log::read_all(&mut connection, (&topic, 0), after);
        assert_eq!(found.first().map(|first| first.offset), Some(after));
        assert_eq!(found.len() as i64, end - after);
        let numbers = found.iter().map(|found| (found.offset, found.number));
        assert!(
            numbers
                .clone()
                .all(|(offset, number)| offset as u64 == number)
        );
    }
    let data = server.data_folder();
    wait_until("the files are gone", || {
        files(&data, &topic, ".deleted") == 0
    });
    assert!(files(&data, &topic, ".log") <= 5);
}

/// The story: everything is older than the topic keeps it, the active segment too.
#[test]
fn the_active_segment_goes_when_it_is_old() {
    let Some(server) = Server::own("retention-ms", SETTINGS) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create_with(&mut connection, "old", 1, &[("retention.ms", "1000")]);
    let mut writer = Writer::new(1, 100);
    let batch = writer.batch(10);
    assert_eq!(
        topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
        0
    );
    wait_until("all is gone", || log_start(&mut connection, &topic) == 10);
    let batch = writer.batch(1);
    let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
    assert_eq!((appended.error_code, appended.base_offset), (0, 10));
}

fn one(key: Option<&str>, value: Option<&[u8]>) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let now = Timestamp(wall_clock().0);
    builder.append(now, key.map(str::as_bytes), value, &[]);
    let mut bytes = Vec::new();
    builder.build(&mut bytes).unwrap();
    bytes
}

/// The keys and lengths of values that a consumer sees from the beginning.
fn table(connection: &mut Connection, topic: &Topic) -> Vec<(i64, String, Option<usize>)> {
    let (mut next, mut seen, mut scratch) = (0, Vec::new(), Scratch::new());
    loop {
        let fetched = log::fetch_at(connection, (topic, 0), next);
        assert_eq!(fetched.error_code, 0);
        for view in batch::Batches::new(&fetched.records).map(Result::unwrap) {
            view.verify_checksum().unwrap();
            for record in batch::records(&view, &mut scratch, 1 << 24).unwrap() {
                let record = record.unwrap();
                let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                seen.push((record.offset.0, key, record.value.map(<[u8]>::len)));
            }
            next = view.next_offset().0;
        }
        if next >= fetched.high_watermark {
            return seen;
        }
    }
}

/// The story: twenty keys are written again and again into a compacted topic, and the process is
/// killed while it is compacted. Each key keeps its last value at its old offset; records without a
/// key are refused.
#[test]
fn a_compacted_topic_keeps_the_last_of_each_key() {
    let Some(mut server) = Server::own("compaction", SETTINGS) else {
        return;
    };
    let mut connection = server.connect();
    let configs = [
        ("segment.bytes", "1048576"),
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("file.delete.delay.ms", "100"),
    ];
    let topic = topics::create_with(&mut connection, "table", 1, &configs);
    let nameless = one(None, Some(b"v"));
    let refused = topics::append(&mut connection, (&topic, 0), &nameless);
    assert_eq!(refused.error_code, 87, "INVALID_RECORD");
    let value = vec![b'v'; 20_000];
    let (mut last, mut end) = (std::collections::BTreeMap::new(), 0);
    for round in 0..3_usize {
        for step in 0..250_usize {
            let key = format!("key-{}", step % 20);
            let len = value.len() - round - step;
            let batch = one(Some(&key), value.get(..len));
            let appended = topics::append(&mut connection, (&topic, 0), &batch);
            assert_eq!(appended.error_code, 0);
            last.insert(key, (appended.base_offset, len));
            end = appended.base_offset + 1;
        }
        if round < 2 {
            server.kill();
            server.start();
            connection = server.connect();
        }
    }
    wait_until("old values are gone", || {
        table(&mut connection, &topic).len() < 150
    });
    server.kill();
    server.start();
    connection = server.connect();
    let seen = table(&mut connection, &topic);
    for (key, (offset, len)) in &last {
        let known = seen.iter().rfind(|(_, seen, _)| seen == key);
        assert_eq!(known, Some(&(*offset, key.clone(), Some(*len))));
    }
    assert!(seen.iter().all(|(offset, ..)| *offset < end));
    assert!(seen.is_sorted());
}
