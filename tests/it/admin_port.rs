//! What a node tells over HTTP is true, is readable by anything that reads Prometheus' text, and
//! costs the node nothing when somebody abuses it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::exposition::Page;
use crate::records::Writer;
use crate::server::Server;
use crate::topics::{self, Topic};
use crate::{groups, log};

const PATIENCE: Duration = Duration::from_secs(30);

/// Sends `bytes` and reads until the end.
fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A connection that the node resets has said all it will say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The status and the body of one request.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = send(address, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let code = head.split(' ').nth(1).unwrap_or_default();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    if method == "GET" {
        assert_eq!(length.unwrap().parse::<usize>().unwrap(), body.len());
    }
    (code.parse().unwrap_or(0), body.to_owned())
}

pub(crate) fn scrape(address: SocketAddr) -> Page {
    let (code, body) = ask(address, "GET", "/metrics");
    assert_eq!(code, 200);
    Page::read(&body)
}

fn append(connection: &mut Connection, topic: &Topic, batches: u64) {
    let mut writer = Writer::new(1, 100);
    for _ in 0..batches {
        let batch = writer.batch(10);
        let appended = topics::append(connection, (topic, 0), &batch.bytes);
        assert_eq!(appended.error_code, 0);
    }
}

/// The story: somebody writes, reads wrongly and commits; each of it is found on the page, and
/// nothing that counts ever falls.
#[test]
fn a_scrape_tells_what_happened() {
    let Some(server) = Server::own("metrics", &[]) else {
        return;
    };
    let admin = server.admin();
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "counted", 1);
    append(&mut connection, &topic, 3);
    assert_eq!(
        log::fetch_at(&mut connection, (&topic, 0), 999).error_code,
        1
    );
    let group = groups::group("a \"quoted\\ group\"");
    groups::find_coordinator(&mut connection, &group);
    groups::commit(&mut connection, &group, None, &topic, &[(0, 12)]);
    let page = scrape(admin);
    let of_topic = [("topic", topic.name.as_str()), ("partition", "0")];
    let of_group = [("group", group.as_str()), of_topic[0], of_topic[1]];
    let is = |name: &str, labels: &[(&str, &str)], expected: f64| {
        let found = page.find(name, labels);
        assert_eq!(found, [expected], "{name} {labels:?}");
    };
    is("forebay_partition_log_end_offset", &of_topic, 30.0);
    is("forebay_partition_high_watermark", &of_topic, 30.0);
    is("forebay_partition_log_start_offset", &of_topic, 0.0);
    is("forebay_group_committed_offset", &of_group, 12.0);
    is("forebay_group_lag_records", &of_group, 18.0);
    is("forebay_group_members", &of_group[..1], 0.0);
    assert!(page.sum("forebay_group_lag_seconds", &of_group) < 600.0);
    assert!(page.sum("forebay_partition_size_bytes", &of_topic) > 3_000.0);
    let counted = |name, labels: &[(&str, &str)]| page.sum(name, labels);
    let produce = [("api", "Produce")];
    assert!((counted("forebay_requests_total", &produce) - 3.0).abs() < 0.5);
    assert!(counted("forebay_request_bytes_total", &produce) > 3_000.0);
    assert!(counted("forebay_response_bytes_total", &produce) > 30.0);
    assert!((counted("forebay_request_duration_seconds_count", &produce) - 3.0).abs() < 0.5);
    let error = [("api", "Fetch"), ("error", "OFFSET_OUT_OF_RANGE")];
    assert!((counted("forebay_errors_total", &error) - 1.0).abs() < 0.5);
    assert!(counted("forebay_connections", &[]) >= 1.0);
    assert!(counted("forebay_flush_duration_seconds_count", &[]) >= 3.0);
    assert!(counted("forebay_memory_bytes", &[("use", "chunks")]) > 0.0);
    assert!(counted("forebay_log_dir_free_bytes", &[]) > 0.0);
    assert!(counted("forebay_partitions", &[("state", "serving")]) >= 1.0);
    assert!((counted("forebay_log_dir_offline", &[])).abs() < 0.5);
    append(&mut connection, &topic, 2);
    let later = scrape(admin);
    later.assert_behind(&page);
    assert!((later.sum("forebay_requests_total", &produce) - 5.0).abs() < 0.5);
}

/// Series per partition and group can be switched off, and what is left out is counted.
#[test]
fn series_are_bounded() {
    let settings = [
        "forebay.metrics.partitions.max=0",
        "forebay.metrics.groups.max=0",
    ];
    let Some(server) = Server::own("metrics-bounded", &settings) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "many", 5);
    let group = groups::group("bounded");
    groups::find_coordinator(&mut connection, &group);
    groups::commit(&mut connection, &group, None, &topic, &[(0, 0), (1, 0)]);
    let page = scrape(server.admin());
    assert!(page.find("forebay_partition_size_bytes", &[]).is_empty());
    assert!(page.find("forebay_group_lag_records", &[]).is_empty());
    assert!(page.sum("forebay_series_omitted", &[("of", "partitions")]) >= 5.0);
    assert!((page.sum("forebay_series_omitted", &[("of", "offsets")]) - 2.0).abs() < 0.5);
    assert!((page.sum("forebay_groups", &[("kind", "classic")]) - 1.0).abs() < 0.5);
}

/// The story: whatever is sent to the admin port, it answers by the book or hangs up, and it goes
/// on answering.
#[test]
fn hostile_http_is_refused() {
    let Some(server) = Server::own("hostile-http", &[]) else {
        return;
    };
    let admin = server.admin();
    let healthy = || assert_eq!(ask(admin, "GET", "/healthz"), (200, "ok\n".to_owned()));
    healthy();
    for (method, path, code) in [
        ("POST", "/metrics", 405),
        ("DELETE", "/v1/groups/g", 405),
        ("POST", "/nowhere", 404),
        ("GET", "/", 404),
        ("GET", "/metrics/more", 404),
        ("GET", "/v1/groups/nobody", 404),
        ("GET", "/v1/groups/%zz", 400),
        ("GET", "/v3/kafka/other/consumer/g/lag", 404),
        ("HEAD", "/healthz", 200),
    ] {
        assert_eq!(ask(admin, method, path).0, code, "{method} {path}");
    }
    assert_eq!(ask(admin, "HEAD", "/healthz").1, "", "a head alone");
    let long = [b"GET /".as_slice(), &[b'a'; 20_000]].concat();
    assert!(send(admin, &long).starts_with("HTTP/1.1 431 ") || send(admin, &long).is_empty());
    assert!(send(admin, b"\x00\x00\x00\x01\x02").starts_with("HTTP/1.1 400 "));
    assert!(send(admin, b"\x16\x03\x01 TLS\r\n\r\n").starts_with("HTTP/1.1 400 "));
    healthy();
    // Silent ones have their time, then their places are free again; who hangs up frees it at once.
    let silent: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(admin).unwrap())
        .collect();
    let mut half = TcpStream::connect(admin).unwrap();
    let _ = half.write_all(b"GET /heal");
    let begin = Instant::now();
    loop {
        let mut stream = TcpStream::connect(admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n");
        if asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 200 "));
            break;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "silent clients keep everyone out"
        );
        thread::sleep(Duration::from_millis(100));
    }
    drop(silent);
    healthy();
    // The data path did not notice.
    topics::create(&mut server.connect(), "still", 1);
}

/// The story: two nodes are started on one machine with the same admin address.
#[test]
fn a_taken_port_does_not_stop_the_node() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let setting = format!("forebay.admin.listeners={address}");
    let Some(server) = Server::own("admin-taken", &[&setting]) else {
        return;
    };
    topics::create(&mut server.connect(), "serves", 1);
    let begin = Instant::now();
    while !server.log().contains("no metrics there") {
        assert!(begin.elapsed() < PATIENCE, "{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    let Some(other) = Server::own("admin-first", &[]) else {
        return;
    };
    let setting = format!("forebay.admin.listeners={}", other.admin());
    let Some(second) = Server::own("admin-second", &[&setting]) else {
        return;
    };
    let begin = Instant::now();
    while !second.log().contains("no metrics there") {
        assert!(begin.elapsed() < PATIENCE, "{}", second.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the command line shows of a group comes from the node: records, seconds, and the word.
#[test]
fn groups_are_described_with_their_lag_and_their_past() {
    let Some(server) = Server::own("admin-groups", &[]) else {
        return;
    };
    let admin = server.admin().to_string();
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "lagging", 1);
    append(&mut connection, &topic, 3);
    let group = groups::group("behind/us");
    groups::find_coordinator(&mut connection, &group);
    groups::commit(&mut connection, &group, None, &topic, &[(0, 12)]);
    let described = server.run(&["group", "describe", &group, "--admin", &admin]);
    let head = described
        .lines()
        .find(|line| line.starts_with("topic"))
        .unwrap();
    let head: Vec<_> = head.split_whitespace().collect();
    assert_eq!(head[4..7], ["lag", "lag-seconds", "status"], "{described}");
    let row = described
        .lines()
        .find(|line| line.starts_with(&topic.name) && line.contains(" 12 "));
    let row: Vec<_> = row.unwrap().split_whitespace().collect();
    assert_eq!((row[4], row[6]), ("18", "OK"), "{described}");
    assert!(row[5].parse::<f64>().unwrap() < 600.0, "{described}");
    assert!(
        described.contains("the group has no members"),
        "{described}"
    );
    // Without an admin port the records are still there.
    let bare = server.run(&["group", "describe", &group]);
    assert!(bare.contains(" 18 "), "{bare}");
    let lag = server.run(&["group", "describe", &group, "--json", "--admin", &admin]);
    assert!(lag.contains("\"status\":\"OK\""), "{lag}");
    // A group that lives has a past.
    let living = groups::group("living");
    groups::join_alone(&mut connection, &living);
    let timeline = server.run(&["group", "timeline", &living, "--admin", &admin]);
    for cause in ["joined", "completed"] {
        assert!(timeline.contains(cause), "{timeline}");
    }
    // Burrow's own tools read the same.
    let encoded = group.replace('/', "%2F");
    let (code, clusters) = ask(server.admin(), "GET", "/v3/kafka");
    assert_eq!(code, 200);
    let cluster = clusters.split('"').find(|text| text.len() == 22).unwrap();
    let path = format!("/v3/kafka/{cluster}/consumer/{encoded}/lag");
    let (code, status) = ask(server.admin(), "GET", &path);
    assert_eq!(code, 200, "{status}");
    for part in ["\"totallag\":18", "\"status\":\"OK\"", "\"current_lag\":18"] {
        assert!(status.contains(part), "{status}");
    }
}
