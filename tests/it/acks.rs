//! What each setting of `acks` promises, and what a broker does with a setting that is none.

use wire::metadata::MetadataRequest;

use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics;

const INVALID_REQUIRED_ACKS: i16 = 21;
const MESSAGE_TOO_LARGE: i16 = 10;
const CORRUPT_MESSAGE: i16 = 2;

/// A producer that asked for no answer must not get one: it would take it for the answer to its
/// next question.
#[test]
fn acks_0_is_not_answered_and_still_appended() {
    let server = Server::any("acks-0");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "acks-0", 1);
    let mut writer = Writer::new(0, 500);
    for _ in 0..50 {
        let batch = writer.batch(3);
        topics::send_batch(&mut connection, (&topic, 0), 0, &batch.bytes).unwrap();
    }
    let version = connection.newest::<MetadataRequest<'_>>();
    connection.call(version, &topics::metadata_of(&topic.name));
    let closing = writer.batch(1);
    let appended = topics::append(&mut connection, (&topic, 0), &closing.bytes);
    assert_eq!((appended.error_code, appended.base_offset), (0, 150));
    let found = log::read_all(&mut connection, (&topic, 0), 0);
    assert_eq!(found.len(), 151);
    assert!(
        found
            .iter()
            .all(|record| record.offset as u64 == record.number)
    );
}

#[test]
fn acks_1_and_all_answer_with_the_offset() {
    let server = Server::any("acks");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "acks", 1);
    let mut writer = Writer::new(0, 500);
    for (round, acks) in [1, -1, 1, -1].into_iter().enumerate() {
        let batch = writer.batch(2);
        let sent = topics::send_batch(&mut connection, (&topic, 0), acks, &batch.bytes).unwrap();
        let appended = topics::appended(&connection.receive(sent));
        assert_eq!(
            (appended.error_code, appended.base_offset),
            (0, 2 * round as i64)
        );
    }
    assert_eq!(log::read_all(&mut connection, (&topic, 0), 0).len(), 8);
}

#[test]
fn other_acks_are_refused_and_nothing_is_appended() {
    let server = Server::any("acks-2");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "acks-2", 1);
    let batch = Writer::new(0, 100).batch(1);
    for acks in [2, -2, i16::MAX] {
        let sent = topics::send_batch(&mut connection, (&topic, 0), acks, &batch.bytes).unwrap();
        let appended = topics::appended(&connection.receive(sent));
        assert_eq!(appended.error_code, INVALID_REQUIRED_ACKS, "acks {acks}");
    }
    assert!(log::read_all(&mut connection, (&topic, 0), 0).is_empty());
}

/// A bad batch costs its sender an error, not the connection, and the log nothing.
#[test]
fn damaged_and_oversized_batches_are_refused_by_name() {
    let server = Server::any("refused");
    let mut connection = server.connect();
    let configs = [("max.message.bytes", "10000")];
    let topic = topics::create_with(&mut connection, "refused", 1, &configs);
    let mut damaged = Writer::new(0, 100).batch(5).bytes;
    *damaged.last_mut().unwrap() ^= 1;
    let refused = topics::append(&mut connection, (&topic, 0), &damaged);
    assert_eq!(refused.error_code, CORRUPT_MESSAGE);
    let large = Writer::new(0, 20_000).batch(1).bytes;
    let refused = topics::append(&mut connection, (&topic, 0), &large);
    assert_eq!(refused.error_code, MESSAGE_TOO_LARGE);
    let good = Writer::new(0, 9_000).batch(1).bytes;
    let appended = topics::append(&mut connection, (&topic, 0), &good);
    assert_eq!((appended.error_code, appended.base_offset), (0, 0));
}
