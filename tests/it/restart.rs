//! What a node knows, it knows after a restart, whether it was asked to end or killed; and only
//! one process at a time works on a directory.

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
    let begin = std::time::Instant::now();
    while folders_of(&server, &topic) > 0 {
        let waited = begin.elapsed().as_secs();
        assert!(waited < 90, "the files are still there after {waited} s");
        std::thread::sleep(std::time::Duration::from_millis(50));
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
