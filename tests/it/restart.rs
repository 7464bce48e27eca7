//! What a node knows, it knows after a restart, whether it was asked to end or killed; and only
//! one process at a time works on a directory.

use std::thread;
use std::time::{Duration, Instant};

use wire::describe_configs;
use wire::describe_configs::DescribeConfigsRequest;
use wire::metadata::MetadataRequest;

use crate::connection::Connection;
use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics::{self, Topic};

/// The kind of resource that a topic is.
const TOPIC_RESOURCE: i8 = 2;
const PATIENCE: Duration = Duration::from_secs(30);
const RETENTION: &str = "retention.ms";
const RETENTION_MS: &str = "123456789";

/// What is compared before and after.
#[derive(Debug, PartialEq, Eq)]
struct Knowledge {
    cluster_id: Option<String>,
    kept: Option<(Topic, i32)>,
    gone: Option<(Topic, i32)>,
    retention: Option<String>,
}

impl Knowledge {
    fn of(connection: &mut Connection, kept: &Topic, gone: &Topic) -> Self {
        let answer = connection.ask(&topics::metadata_of(&kept.name));
        let response = answer.read::<MetadataRequest<'_>>();
        Self {
            cluster_id: response.cluster_id.map(|id| id.into_owned()),
            kept: topics::find(connection, &kept.name),
            gone: topics::find(connection, &gone.name),
            retention: config(connection, &kept.name, RETENTION),
        }
    }
}

#[test]
fn topics_ids_configs_and_records_survive_restarts() {
    let Some(mut server) = Server::own("restart", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let configs = [(RETENTION, RETENTION_MS)];
    let kept = topics::create_with(&mut connection, "kept", 5, &configs);
    let gone = topics::create(&mut connection, "gone", 2);
    let batch = Writer::new(0, 300).batch(10);
    topics::append(&mut connection, (&kept, 3), &batch.bytes);
    topics::delete(&mut connection, &gone);
    let before = Knowledge::of(&mut connection, &kept, &gone);
    assert_eq!(before.kept, Some((kept.clone(), 5)));
    assert_eq!(before.retention.as_deref(), Some(RETENTION_MS));
    assert_eq!(before.gone, None);
    for round in 0..4 {
        // Every other time without a chance to tidy up.
        if round % 2 == 0 {
            server.ask_to_end();
            assert_eq!(server.wait().0.code(), Some(0), "{}", server.log());
        } else {
            server.kill();
        }
        server.start();
        let mut connection = server.connect();
        assert_eq!(
            Knowledge::of(&mut connection, &kept, &gone),
            before,
            "round {round}"
        );
        assert_eq!(log::read_all(&mut connection, (&kept, 3), 0).len(), 10);
    }
}

/// Two processes on one directory would each overwrite what the other acknowledged.
#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let Some(mut server) = Server::own("second", &[]) else {
        return;
    };
    let (status, said) = server.start_second();
    println!("second process: {}", said.trim());
    assert!(!status.success());
    let folder = server.data_folder().display().to_string();
    assert!(
        said.contains(&folder),
        "the message names the directory: {said}"
    );
    let says_why = ["another process", "in use", "locked"]
        .iter()
        .any(|why| said.contains(why));
    assert!(says_why, "the message says why: {said}");
    assert!(server.is_running());
    server.connect();
}

/// Deleting a topic is how an operator makes room.
#[test]
fn a_deleted_topic_gives_its_files_back() {
    let Some(server) = Server::own("deleted", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "deleted", 2);
    topics::append(
        &mut connection,
        (&topic, 0),
        &Writer::new(0, 1000).batch(10).bytes,
    );
    assert!(folders_of(&server, &topic) > 0);
    topics::delete(&mut connection, &topic);
    let begin = Instant::now();
    while folders_of(&server, &topic) > 0 {
        let waited = begin.elapsed().as_secs();
        assert!(waited < 90, "the files are still there after {waited} s");
        thread::sleep(Duration::from_millis(50));
    }
}

fn folders_of(server: &Server, topic: &Topic) -> usize {
    let entries = std::fs::read_dir(server.data_folder()).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&topic.name))
        .count()
}

/// The value of one of a topic's configuration keys.
fn config(connection: &mut Connection, topic: &str, key: &str) -> Option<String> {
    let resource = describe_configs::DescribeConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: topic.into(),
        configuration_keys: Some(vec![key.into()]),
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        ..Default::default()
    };
    let answer = connection.ask(&request);
    let response = answer.read::<DescribeConfigsRequest<'_>>();
    let result = &response.results[0];
    assert_eq!(result.error_code, 0);
    let found = result.configs.iter().find(|config| config.name == key)?;
    found.value.as_ref().map(|value| value.clone().into_owned())
}

/// The story: a topic is emptied by deleting it and making it again under its name, as people do,
/// and the machine fails soon after. What was written down of the old topic must not be held
/// against the new one, whose records would seem to be missing.
#[test]
fn a_topic_made_again_is_not_taken_for_the_old_one() {
    make_again("made-again", false);
}

/// The story: the old one is damaged and nobody can open it, so that it is deleted. What is written
/// down of it stays written down, lest its damage be forgotten; the new one has nothing to do with it.
#[test]
fn a_topic_made_again_is_not_taken_for_the_damaged_old_one() {
    make_again("made-again-damaged", true);
}

fn make_again(folder: &str, is_damaged: bool) {
    let settings = ["log.flush.offset.checkpoint.interval.ms=1500"];
    let Some(mut server) = Server::own(folder, &settings) else {
        return;
    };
    let mut connection = server.connect();
    let old = topics::create(&mut connection, "made-again", 1);
    let mut writer = Writer::new(0, 300);
    for _ in 0..5 {
        topics::append(&mut connection, (&old, 0), &writer.batch(20).bytes);
    }
    let points = server
        .data_folder()
        .join("recovery-point-offset-checkpoint");
    let line = format!("{} 0 100\n", old.name);
    wait_until(|| std::fs::read_to_string(&points).is_ok_and(|text| text.contains(&line)));
    // The old one was found by this start, too.
    server.kill();
    if is_damaged {
        let log = format!("{}-0/00000000000000000000.log", old.name);
        let log = server.data_folder().join(log);
        let mut bytes = std::fs::read(&log).unwrap();
        bytes[100] ^= 4;
        std::fs::write(&log, bytes).unwrap();
    }
    server.start();
    let mut connection = server.connect();
    assert_eq!(server.log().contains("partition offline"), is_damaged);
    topics::delete(&mut connection, &old);
    wait_until(|| topics::find(&mut connection, &old.name).is_none());
    let new = topics::create_named(&mut connection, &old.name, 1, &[]);
    topics::append(
        &mut connection,
        (&new, 0),
        &Writer::new(1, 300).batch(7).bytes,
    );
    let marker = server
        .data_folder()
        .join(format!("{}-0/forebay-fresh", new.name));
    for _ in 0..2 {
        server.kill();
        server.start();
        let mut connection = server.connect();
        assert_eq!(log::read_all(&mut connection, (&new, 0), 0).len(), 7);
        // Once the checkpoints speak of the new one, they are believed again.
        wait_until(|| !marker.exists());
    }
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it never comes to pass");
        thread::sleep(Duration::from_millis(10));
    }
}
