//! A node with two log directories: partitions are spread, one moves while the process is killed,
//! and wrong directories are refused before anything is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base::ErrorCode;
use wire::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
};
use wire::describe_log_dirs::DescribeLogDirsRequest;

use crate::connection::Connection;
use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics::{self, Topic};

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder, and a server whose `log.dirs` are these names in it.
fn server(name: &str, dirs: &[&str], settings: &[&str]) -> Option<(PathBuf, Server)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("it-{}-log-dirs-{name}", std::process::id()));
    let paths: Vec<String> = dirs.iter().map(|dir| path(&folder, dir)).collect();
    let setting = format!("log.dirs={}", paths.join(","));
    let all: Vec<&str> = [setting.as_str()]
        .into_iter()
        .chain(settings.iter().copied())
        .collect();
    let server = Server::without_start(name, &folder, &all)?;
    Some((folder, server))
}

fn path(folder: &Path, dir: &str) -> String {
    folder.join(dir).display().to_string()
}

/// Asks for one move; the code.
fn alter(connection: &mut Connection, (topic, index): (&str, i32), path: &str) -> ErrorCode {
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: path.into(),
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.into(),
                partitions: vec![index],
            }],
        }],
    };
    let answer = connection.ask(&request);
    let response = answer.read::<AlterReplicaLogDirsRequest<'_>>();
    let one = &response.results[0].partitions[0];
    ErrorCode::from_code(one.error_code)
}

/// For each directory: partition, whether it is a future one, lag.
type Content = Vec<(String, Vec<(i32, bool, i64)>)>;

fn described(connection: &mut Connection, topic: &Topic) -> Content {
    let answer = connection.ask(&DescribeLogDirsRequest { topics: None });
    let response = answer.read::<DescribeLogDirsRequest<'_>>();
    let dirs = response.results.iter().map(|dir| {
        assert_eq!(dir.error_code, 0);
        assert!(dir.total_bytes > 0);
        let topics = dir.topics.iter().filter(|one| one.name == topic.name);
        let partitions = topics.flat_map(|one| &one.partitions);
        let content =
            partitions.map(|one| (one.partition_index, one.is_future_key, one.offset_lag));
        (dir.log_dir.to_string(), content.collect())
    });
    dirs.collect()
}

/// Where the partition lies, once no move is under way.
fn settled(connection: &mut Connection, topic: &Topic, index: i32) -> String {
    let begin = Instant::now();
    loop {
        let all = described(connection, topic);
        let mut homes = Vec::new();
        let mut moving = false;
        for (dir, content) in all {
            for (partition, is_future, _) in content {
                moving |= partition == index && is_future;
                if partition == index && !is_future {
                    homes.push(dir.clone());
                }
            }
        }
        if let ([home], false) = (homes.as_slice(), moving) {
            return home.clone();
        }
        assert!(begin.elapsed() < PATIENCE, "{homes:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The names of a partition's folders in a directory, whatever their endings.
fn folders(dir: &Path, topic: &Topic, index: i32) -> Vec<String> {
    let stem = format!("{}-{index}", topic.name);
    let names = fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| *name == stem || name.starts_with(&format!("{stem}.")))
        .collect();
    names.sort();
    names
}

/// Every record of partition 0 is there once, in order.
fn check(connection: &mut Connection, topic: &Topic) {
    let found = log::read_all(connection, (topic, 0), 0);
    assert_eq!(found.len(), 8_100);
    for (place, record) in (0..).zip(&found) {
        assert_eq!(record.offset, i64::try_from(place).unwrap());
        assert_eq!(record.number, place);
    }
}

/// The story: an operator moves a partition to a second disk; the process is killed half-way and
/// started again. The move comes to its end, and every record is there once.
#[test]
fn a_partition_moves_though_the_process_is_killed() {
    let rate = "replica.alter.log.dirs.io.max.bytes.per.second=4194304";
    let Some((folder, mut server)) = server("move", &["one", "two"], &[rate]) else {
        return;
    };
    server.start();
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "moving", 4);
    let spread: Vec<usize> = described(&mut connection, &topic)
        .iter()
        .map(|(_, content)| content.len())
        .collect();
    assert_eq!(spread, [2, 2]);
    let mut writer = Writer::new(0, 1000);
    for _ in 0..20 {
        let batch = writer.batch(400);
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
            0
        );
    }
    let (one, two) = (path(&folder, "one"), path(&folder, "two"));
    assert_eq!(settled(&mut connection, &topic, 0), one);
    let to = (topic.name.as_str(), 0);
    assert_eq!(
        alter(&mut connection, to, "/no/such"),
        ErrorCode::LogDirNotFound
    );
    assert_eq!(alter(&mut connection, to, &one), ErrorCode::None);
    let unknown = alter(&mut connection, ("nobody", 0), &two);
    assert_eq!(unknown, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(alter(&mut connection, to, &two), ErrorCode::None);
    thread::sleep(Duration::from_millis(300));
    let content = described(&mut connection, &topic);
    let (_, in_two) = content.iter().find(|(dir, _)| *dir == two).unwrap();
    let copy = in_two.iter().find(|(index, _, _)| *index == 0).unwrap();
    assert!(copy.1 && copy.2 > 0, "a copy that is behind: {copy:?}");
    let names = folders(Path::new(&two), &topic, 0);
    assert!(
        names.len() == 1 && names[0].ends_with("-future"),
        "{names:?}"
    );
    server.kill();
    server.start();
    let mut connection = server.connect();
    // It is written to while it moves.
    let batch = writer.batch(100);
    let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
    assert_eq!(appended.error_code, 0);
    let begin = Instant::now();
    while settled(&mut connection, &topic, 0) != two {
        assert!(begin.elapsed() < PATIENCE, "{}", server.log());
        thread::sleep(Duration::from_millis(50));
    }
    check(&mut connection, &topic);
    server.ask_to_end();
    assert_eq!(server.wait().0.code(), Some(0), "{}", server.log());
    let stem = format!("{}-0", topic.name);
    assert_eq!(folders(Path::new(&two), &topic, 0), [stem]);
    assert!(folders(Path::new(&one), &topic, 0).is_empty());
    server.start();
    let mut connection = server.connect();
    assert_eq!(settled(&mut connection, &topic, 0), two);
    check(&mut connection, &topic);
    let shown = server.run(&["log", "dirs"]);
    assert!(shown.contains(&one) && shown.contains(&two), "{shown}");
}

/// What a node says that does not start with these directories.
fn refusal(server: &mut Server, name: &str) -> String {
    server.begin();
    let (status, _) = server.wait();
    assert_eq!(status.code().map(|code| code == 0), Some(false), "{name}");
    server.log()
}

/// The story: disks of two machines are mixed up, one is named twice, the first one is missing. A
/// node that starts anyway would take data for what was deleted.
#[test]
fn directories_that_do_not_belong_together_are_refused() {
    let Some((folder, mut both)) = server("refused", &["one", "two"], &[]) else {
        return;
    };
    both.start();
    both.ask_to_end();
    assert_eq!(both.wait().0.code(), Some(0));
    let meta = folder.join("two/meta.properties");
    let text = fs::read_to_string(&meta).unwrap();
    let swap = |from: &str, to: &str| {
        let changed: Vec<String> = text
            .lines()
            .map(|line| match line.split_once('=') {
                Some((key, _)) if key == from => format!("{key}={to}"),
                _ => line.to_owned(),
            })
            .collect();
        fs::write(&meta, changed.join("\n")).unwrap();
    };
    swap("cluster.id", "another");
    let said = refusal(&mut both, "cluster");
    assert!(said.contains("must belong to one cluster"), "{said}");
    swap("node.id", "77");
    let said = refusal(&mut both, "node");
    assert!(said.contains("belongs to node 77"), "{said}");
    let first = fs::read_to_string(folder.join("one/meta.properties")).unwrap();
    let id = first.lines().find(|line| line.starts_with("directory.id"));
    swap("directory.id", id.unwrap().split_once('=').unwrap().1);
    let said = refusal(&mut both, "twice");
    assert!(said.contains("are the same directory"), "{said}");
    fs::write(&meta, &text).unwrap();
    // The directory with the metadata log is gone; the other one must not become strays.
    fs::rename(folder.join("one"), folder.join("away")).unwrap();
    let said = refusal(&mut both, "metadata");
    assert!(said.contains("metadata.log.dir"), "{said}");
    let _ = fs::remove_dir_all(folder.join("one"));
    fs::rename(folder.join("away"), folder.join("one")).unwrap();
    both.start();
}

/// The story: a second disk is given to a node that has data, later it is not there at a start.
/// What was there before is served throughout; what lies on the disk is back with it.
#[test]
fn a_directory_comes_and_goes() {
    let Some((folder, mut server)) = server("grow", &["one"], &[]) else {
        return;
    };
    server.start();
    let mut connection = server.connect();
    let old = topics::create(&mut connection, "old", 2);
    let batch = Writer::new(0, 100).batch(10);
    topics::append(&mut connection, (&old, 1), &batch.bytes);
    server.kill();
    let two = path(&folder, "two");
    let dirs = format!("log.dirs={},{two}", path(&folder, "one"));
    server.add_setting(&dirs);
    server.start();
    let mut connection = server.connect();
    assert_eq!(log::read_all(&mut connection, (&old, 1), 0).len(), 10);
    let new = topics::create(&mut connection, "new", 2);
    assert_eq!(settled(&mut connection, &new, 0), two);
    assert_eq!(settled(&mut connection, &new, 1), two);
    topics::append(&mut connection, (&new, 0), &batch.bytes);
    server.kill();
    // A file where the directory should be: it can be neither read nor made.
    fs::rename(&two, folder.join("away")).unwrap();
    fs::write(&two, "not a directory").unwrap();
    server.start();
    let mut connection = server.connect();
    assert_eq!(log::read_all(&mut connection, (&old, 1), 0).len(), 10);
    let answer = connection.ask(&DescribeLogDirsRequest { topics: None });
    let response = answer.read::<DescribeLogDirsRequest<'_>>();
    let codes: Vec<i16> = response.results.iter().map(|dir| dir.error_code).collect();
    assert_eq!(codes, [0, ErrorCode::KafkaStorageError.code()]);
    server.kill();
    fs::remove_file(&two).unwrap();
    fs::rename(folder.join("away"), &two).unwrap();
    server.start();
    let mut connection = server.connect();
    assert_eq!(log::read_all(&mut connection, (&new, 0), 0).len(), 10);
}
