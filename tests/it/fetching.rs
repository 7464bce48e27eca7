//! What a consumer may rely on beyond getting its bytes: where a fetch begins, how much it brings,
//! how long it waits, and what a session saves it from repeating.

use std::thread;
use std::time::{Duration, Instant};

use batch::Batches;
use wire::fetch::FetchRequest;

use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics;

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

/// A consumer that seeks into the middle of a batch gets the whole batch and skips by itself.
#[test]
fn a_fetch_from_the_middle_of_a_batch_brings_the_whole_batch() {
    let server = Server::any("middle");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "middle", 1);
    let mut writer = Writer::new(0, 64);
    for _ in 0..3 {
        topics::append(&mut connection, (&topic, 0), &writer.batch(10).bytes);
    }
    let fetched = log::fetch_at(&mut connection, (&topic, 0), 15);
    let first = Batches::new(&fetched.records).next().unwrap().unwrap();
    assert_eq!((first.base_offset().0, first.next_offset().0), (10, 20));
}

/// A batch larger than every limit still arrives, or its consumer would be stuck for ever (KIP-74).
#[test]
fn the_first_batch_is_whole_whatever_the_limits() {
    let server = Server::any("limits");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "limits", 1);
    let batch = Writer::new(0, 100_000).batch(5);
    topics::append(&mut connection, (&topic, 0), &batch.bytes);
    topics::append(
        &mut connection,
        (&topic, 0),
        &Writer::new(1, 100).batch(1).bytes,
    );
    let version = connection.newest::<FetchRequest<'_>>();
    let mut request = log::fetch_request(&topic, 0, 0, version);
    request.max_bytes = 1;
    request.topics[0].partitions[0].partition_max_bytes = 1;
    let fetched = log::fetched(&connection.call(version, &request));
    let batches: Vec<_> = Batches::new(&fetched.records).map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].next_offset().0, 5);
}

#[test]
fn offsets_outside_the_log_and_unknown_partitions_are_refused_by_name() {
    let server = Server::any("outside");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "outside", 1);
    topics::append(
        &mut connection,
        (&topic, 0),
        &Writer::new(0, 64).batch(4).bytes,
    );
    let at_end = log::fetch_at(&mut connection, (&topic, 0), 4);
    assert_eq!((at_end.error_code, at_end.records.len()), (0, 0));
    let beyond = log::fetch_at(&mut connection, (&topic, 0), 5);
    assert_eq!(beyond.error_code, OFFSET_OUT_OF_RANGE);
    let unknown = log::fetch_at(&mut connection, (&topic, 9), 0);
    assert_eq!(unknown.error_code, UNKNOWN_TOPIC_OR_PARTITION);
}

/// A consumer at the end waits in the broker and hears of a record at once, not at its time-out.
#[test]
fn a_waiting_fetch_ends_with_the_next_record() {
    let server = Server::any("waiting");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "waiting", 1);
    let version = connection.newest::<FetchRequest<'_>>();
    let mut request = log::fetch_request(&topic, 0, 0, version);
    request.max_wait_ms = 20_000;
    request.min_bytes = 1;
    let begin = Instant::now();
    let sent = connection.send(version, &request);
    let mut producer = server.connect();
    thread::sleep(Duration::from_millis(200));
    topics::append(
        &mut producer,
        (&topic, 0),
        &Writer::new(0, 64).batch(1).bytes,
    );
    let fetched = log::fetched(&connection.receive(sent));
    assert!(!fetched.records.is_empty());
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "woken by its time-out"
    );
}

#[test]
fn a_waiting_fetch_ends_at_its_time_out_with_nothing() {
    let server = Server::any("timeout");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "timeout", 1);
    let version = connection.newest::<FetchRequest<'_>>();
    let mut request = log::fetch_request(&topic, 0, 0, version);
    request.max_wait_ms = 300;
    request.min_bytes = 1;
    let begin = Instant::now();
    let fetched = log::fetched(&connection.call(version, &request));
    assert_eq!((fetched.error_code, fetched.records.len()), (0, 0));
    assert!(
        begin.elapsed() >= Duration::from_millis(290),
        "it did not wait"
    );
}

/// KIP-227: a consumer of many partitions names them once; later answers hold only news.
#[test]
fn a_session_answers_only_with_partitions_that_have_news() {
    let server = Server::any("session");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "session", 2);
    let version = connection.newest::<FetchRequest<'_>>();
    let mut request = log::fetch_request(&topic, 0, 0, version);
    let mut second = request.topics[0].partitions[0];
    second.partition = 1;
    request.topics[0].partitions.push(second);
    request.session_epoch = 0;
    let answer = connection.call(version, &request);
    let first = answer.read::<FetchRequest<'_>>();
    assert_ne!(first.session_id, 0, "a session was opened");
    assert_eq!(first.responses[0].partitions.len(), 2);

    let mut next = FetchRequest {
        session_id: first.session_id,
        session_epoch: 1,
        topics: Vec::new(),
        ..request.clone()
    };
    let answer = connection.call(version, &next);
    assert!(
        answer.read::<FetchRequest<'_>>().responses.is_empty(),
        "there is no news"
    );

    topics::append(
        &mut connection,
        (&topic, 1),
        &Writer::new(0, 64).batch(1).bytes,
    );
    next.session_epoch = 2;
    let answer = connection.call(version, &next);
    let news = answer.read::<FetchRequest<'_>>();
    let partitions = &news.responses[0].partitions;
    assert_eq!((partitions.len(), partitions[0].partition_index), (1, 1));
}
