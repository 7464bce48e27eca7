//! KIP-98: a batch that a producer sends twice is appended once, and the second time is answered
//! like the first.

use std::thread;
use std::time::Duration;

use base::{ProducerEpoch, ProducerId};
use wire::describe_producers::{DescribeProducersRequest, TopicRequest};
use wire::init_producer_id::InitProducerIdRequest;

use crate::connection::Connection;
use crate::log;
use crate::records::Writer;
use crate::server::Server;
use crate::topics;

const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
/// How many batches per producer a broker remembers.
const WINDOW: usize = 5;

/// An identity of its own from the broker.
pub(crate) fn identity(connection: &mut Connection) -> (ProducerId, ProducerEpoch) {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    loop {
        let answer = connection.ask(&request);
        let response = answer.read::<InitProducerIdRequest<'_>>();
        // A broker that has just started may still be fetching ids to give out.
        if response.error_code == COORDINATOR_LOAD_IN_PROGRESS {
            thread::sleep(Duration::from_millis(20));
            continue;
        }
        assert_eq!(response.error_code, 0);
        return (
            ProducerId(response.producer_id),
            ProducerEpoch(response.producer_epoch),
        );
    }
}

#[test]
fn identities_differ() {
    let server = Server::any("identities");
    let mut connection = server.connect();
    let (first, first_epoch) = identity(&mut connection);
    let (second, second_epoch) = identity(&mut connection);
    assert_ne!(first, second);
    assert_eq!((first_epoch.0, second_epoch.0), (0, 0));
}

#[test]
fn a_repeated_batch_gets_its_first_offset() {
    let server = Server::any("repeated");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "repeated", 1);
    let mut writer = Writer::new(0, 100);
    writer.identity = Some(identity(&mut connection));
    let batches: Vec<_> = (0..WINDOW).map(|_| writer.batch(3)).collect();
    for _ in 0..2 {
        for batch in &batches {
            let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
            assert_eq!(
                (appended.error_code, appended.base_offset as u64),
                (0, batch.first)
            );
        }
    }
    assert_eq!(
        log::read_all(&mut connection, (&topic, 0), 0).len(),
        3 * WINDOW
    );
}

#[test]
fn a_gap_is_refused_and_an_old_repetition_is_known() {
    let server = Server::any("gap");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "gap", 1);
    let mut writer = Writer::new(0, 100);
    writer.identity = Some(identity(&mut connection));
    let oldest = writer.batch(1);
    topics::append(&mut connection, (&topic, 0), &oldest.bytes);
    for _ in 0..2 * WINDOW {
        let batch = writer.batch(1);
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
            0
        );
    }
    let skipped = writer.batch(1);
    let ahead = writer.batch(1);
    let refused = topics::append(&mut connection, (&topic, 0), &ahead.bytes);
    assert_eq!(refused.error_code, OUT_OF_ORDER_SEQUENCE_NUMBER);
    let known = topics::append(&mut connection, (&topic, 0), &oldest.bytes);
    // Kafka cannot tell any more whether it was that batch, so either answer is one of its own.
    assert!(
        [OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER].contains(&known.error_code),
        "{known:?}"
    );
    for batch in [skipped, ahead] {
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
            0
        );
    }
    let found = log::read_all(&mut connection, (&topic, 0), 0);
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(index, record)| record.number == index as u64)
    );
}

/// The answer to the first sending may be what the crash swallowed; the second one must not
/// append again.
#[test]
fn a_repetition_is_known_after_a_crash() {
    let Some(mut server) = Server::own("repeated-crash", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "crash", 1);
    let mut writer = Writer::new(0, 100);
    writer.identity = Some(identity(&mut connection));
    let batches: Vec<_> = (0..WINDOW).map(|_| writer.batch(2)).collect();
    for batch in &batches {
        assert_eq!(
            topics::append(&mut connection, (&topic, 0), &batch.bytes).error_code,
            0
        );
    }
    server.kill();
    server.start();
    let mut connection = server.connect();
    for batch in &batches {
        let appended = topics::append(&mut connection, (&topic, 0), &batch.bytes);
        assert_eq!(
            (appended.error_code, appended.base_offset as u64),
            (0, batch.first)
        );
    }
    assert_eq!(
        log::read_all(&mut connection, (&topic, 0), 0).len(),
        2 * WINDOW
    );
    assert_ne!(
        identity(&mut connection).0,
        writer.identity.unwrap().0,
        "ids are never reused"
    );
}

/// KIP-854: the broker forgets whoever is silent for long, at the pace that it is told.
#[test]
fn a_silent_producer_is_forgotten() {
    let settings = ["producer.id.expiration.check.interval.ms=100"];
    let Some(server) = Server::own("forgotten", &settings) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "forgotten", 1);
    let mut writer = Writer::new(0, 100);
    writer.identity = Some(identity(&mut connection));
    let batch = writer.batch(3);
    topics::append(&mut connection, (&topic, 0), &batch.bytes);
    let mut known = || {
        let answer = connection.ask(&DescribeProducersRequest {
            topics: vec![TopicRequest {
                name: topic.name.as_str().into(),
                partition_indexes: vec![0],
            }],
        });
        let response = answer.read::<DescribeProducersRequest<'_>>();
        let partition = &response.topics[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        partition.active_producers.len()
    };
    assert_eq!(known(), 1);
    server.run(&[
        "config",
        "set",
        "broker",
        "all",
        "producer.id.expiration.ms=1",
    ]);
    let mut patience = 300;
    while known() > 0 {
        assert!(patience > 0, "the producer is still known");
        patience -= 1;
        thread::sleep(Duration::from_millis(100));
    }
}
