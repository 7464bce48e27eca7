//! Many requests on one connection before the first answer: answered in order, appended in order.

use wire::metadata::MetadataRequest;

use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics;

const REQUESTS: u64 = 300;

/// A producer with requests in flight relies on the order of both the log and the answers; the
/// connection checks the latter by correlation id.
#[test]
fn requests_are_answered_and_appended_in_the_order_sent() {
    let server = Server::any("order");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "order", 1);
    let mut writer = Writer::new(0, 200);
    let mut produced = Vec::new();
    let mut asked = Vec::new();
    let metadata_version = connection.newest::<MetadataRequest<'_>>();
    for round in 0..REQUESTS {
        let batch = writer.batch(1 + round % 3);
        let sent = topics::send_batch(&mut connection, (&topic, 0), -1, &batch.bytes).unwrap();
        produced.push((sent, batch));
        // A quick question behind a slow one must not overtake it.
        let request = topics::metadata_of(&topic.name);
        asked.push(connection.send(metadata_version, &request));
    }
    for ((sent, batch), question) in produced.into_iter().zip(asked) {
        let appended = topics::appended(&connection.receive(sent));
        assert_eq!(appended.error_code, 0);
        assert_eq!(appended.base_offset as u64, batch.first);
        connection.receive(question);
    }
    let found = log::read_all(&mut connection, (&topic, 0), 0);
    assert_eq!(found.len() as u64, writer.next);
    assert!(
        found
            .iter()
            .all(|record| record.offset as u64 == record.number)
    );
}
