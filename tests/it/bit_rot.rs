//! A bit flips in a complete segment: consumers get everything else, an error for what is
//! damaged, and the operator is told where it is. Nothing is cut, and the neighbours go on.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use base::{ErrorCode, Offset};
use batch::Batches;

use crate::admin_port::scrape;
use crate::connection::Connection;
use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics::{self, Topic};

const PATIENCE: Duration = Duration::from_secs(60);
const BATCHES: i64 = 60;
const RECORDS: i64 = 100;

/// A topic of two partitions with a few segments each, on a node that has been stopped in order.
fn written(server: &mut Server) -> Topic {
    let mut connection = server.connect();
    let configs = [("segment.bytes", "1048576")];
    let topic = topics::create_with(&mut connection, "rotten", 2, &configs);
    for partition in 0..2 {
        let mut writer = Writer::new(1, 1_000);
        for _ in 0..BATCHES {
            let batch = writer.batch(u64::try_from(RECORDS).unwrap());
            let appended = topics::append(&mut connection, (&topic, partition), &batch.bytes);
            assert_eq!(appended.error_code, 0);
        }
    }
    drop(connection);
    server.ask_to_end();
    assert!(server.wait().0.success());
    topic
}

/// Flips a bit in the fourth batch of the second segment of partition 0; the file and the
/// batch's place and offsets.
fn flip(server: &Server, topic: &Topic) -> (PathBuf, usize, Offset, Offset) {
    let folder = server.data_folder().join(format!("{}-0", topic.name));
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    files.sort();
    let file = files.swap_remove(1);
    let mut bytes = fs::read(&file).unwrap();
    let (mut position, mut hit) = (0, None);
    for (number, batch) in Batches::new(&bytes).map(Result::unwrap).enumerate() {
        if number == 3 {
            hit = Some((batch.base_offset(), batch.next_offset(), batch.len()));
            break;
        }
        position += batch.len();
    }
    let (base, next, len) = hit.unwrap();
    bytes[position + len / 2] ^= 0x10;
    fs::write(&file, &bytes).unwrap();
    (file, position, base, next)
}

fn wait_for_log(server: &Server, text: &str) -> String {
    let begin = Instant::now();
    loop {
        let log = server.log();
        if let Some(line) = log.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        assert!(begin.elapsed() < PATIENCE, "no {text:?} in:\n{log}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Reads the partition past the damage; at which offsets there was an error.
fn read_past(connection: &mut Connection, topic: &Topic, resume: Offset) -> (Vec<i64>, i64) {
    let (mut offset, mut errors, mut records) = (0, Vec::new(), 0);
    while offset < BATCHES * RECORDS {
        let fetched = log::fetch_at(connection, (topic, 0), offset);
        if fetched.error_code != 0 {
            assert_eq!(fetched.error_code, ErrorCode::CorruptMessage.code());
            assert!(fetched.records.is_empty());
            errors.push(offset);
            offset = resume.0;
            continue;
        }
        let before = offset;
        for batch in Batches::new(&fetched.records).map(Result::unwrap) {
            batch.verify_checksum().unwrap();
            assert_eq!(batch.base_offset().0, offset);
            offset = batch.next_offset().0;
            records += i64::from(batch.record_count());
        }
        assert!(offset > before, "no progress at {offset}");
    }
    (errors, records)
}

/// The story: a disk flips one bit while the node is down. Whoever reads there is told, and can go
/// on behind it; the log names the file, the place and the offsets.
#[test]
fn a_flipped_bit_is_told_of_and_never_served() {
    let Some(mut server) = Server::own("bit-rot", &["forebay.scrub.enable=false"]) else {
        return;
    };
    let topic = written(&mut server);
    let (file, position, base, next) = flip(&server, &topic);
    let len = fs::metadata(&file).unwrap().len();
    server.start();
    let mut connection = server.connect();
    for _ in 0..2 {
        let (errors, records) = read_past(&mut connection, &topic, next);
        assert_eq!(
            errors,
            vec![base.0],
            "the batches before it are given first"
        );
        assert_eq!(records, (BATCHES - 1) * RECORDS);
    }
    let line = wait_for_log(&server, "is damaged from byte");
    let name = file.file_name().unwrap().to_str().unwrap();
    for told in [
        format!("{name} is damaged from byte {position} "),
        format!("the offsets from {base} to {}", next.0 - 1),
        format!("go on at offset {next}"),
    ] {
        assert!(line.contains(&told), "{told:?} in {line}");
    }
    let told = server.log().matches("is damaged from byte").count();
    assert_eq!(told, 1, "once, however often it is asked for");
    // The neighbour has everything, and so has what is written from now on.
    let neighbour = log::read_all(&mut connection, (&topic, 1), 0);
    assert_eq!(neighbour.len() as i64, BATCHES * RECORDS);
    let batch = Writer::new(2, 100).batch(1);
    let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
    assert_eq!(appended.error_code, 0);
    assert_eq!(fs::metadata(&file).unwrap().len(), len, "nothing is cut");
    let page = scrape(server.admin());
    assert!((page.sum("forebay_damages_found_total", &[]) - 1.0).abs() < 0.5);
    assert!(page.sum("forebay_fetch_verified_bytes_total", &[]) > 0.0);
}

/// The story: a bit flips in an active segment, below what was known to be on the device, and the
/// node dies. It says so at the next start and serves the other partition; whether it is then
/// stopped in order or dies again, the start after that must say the same, and cut nothing.
#[test]
fn damage_is_told_of_at_every_start() {
    let Some(mut server) = Server::own("still-rotten", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "still-rotten", 2);
    let append = |connection: &mut Connection| {
        let batch = Writer::new(1, 1_000).batch(10);
        for partition in 0..2 {
            topics::append(connection, (&topic, partition), &batch.bytes);
        }
    };
    append(&mut connection);
    server.ask_to_end();
    assert!(server.wait().0.success());
    server.start();
    append(&mut server.connect());
    server.kill();
    let folder = server.data_folder().join(format!("{}-0", topic.name));
    let file = folder.join("00000000000000000000.log");
    let mut bytes = fs::read(&file).unwrap();
    bytes[200] ^= 0x10;
    fs::write(&file, &bytes).unwrap();
    for round in 0..4 {
        let told = server.log().len();
        server.start();
        let said = server.log().split_off(told);
        let damage = "00000000000000000000.log is damaged at byte 0";
        assert!(said.contains(damage), "round {round}: {said}");
        assert_eq!(fs::read(&file).unwrap(), bytes, "round {round}");
        let mut connection = server.connect();
        assert_eq!(log::read_all(&mut connection, (&topic, 1), 0).len(), 20);
        if round % 2 == 0 {
            server.ask_to_end();
            assert!(server.wait().0.success());
        } else {
            server.kill();
        }
    }
}

/// The story: nobody reads what was damaged; the scrub does.
#[test]
fn the_scrub_tells_of_what_nobody_reads() {
    let settings = [
        "forebay.scrub.interval.ms=1000",
        "log.initial.task.delay.ms=0",
    ];
    let Some(mut server) = Server::own("scrub", &settings) else {
        return;
    };
    let topic = written(&mut server);
    let (file, ..) = flip(&server, &topic);
    server.start();
    let line = wait_for_log(&server, "is damaged from byte");
    assert!(line.contains(file.to_str().unwrap()), "{line}");
    let begin = Instant::now();
    loop {
        let page = scrape(server.admin());
        if page.sum("forebay_scrub_ended_timestamp_seconds", &[]) > 0.0 {
            assert!((page.sum("forebay_damages_found_total", &[]) - 1.0).abs() < 0.5);
            assert!(page.sum("forebay_scrub_bytes_total", &[]) > 5e6);
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the scrub does not end");
        thread::sleep(Duration::from_millis(100));
    }
}
