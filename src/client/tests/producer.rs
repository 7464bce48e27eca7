//! Stories of a producer whose broker fails now and then: nothing lost, nothing twice, in order.

use std::cell::RefCell;
use std::rc::Rc;

use base::{ErrorCode, PartitionIndex, Random, Timestamp};
use batch::{BatchBuilder, BatchOptions, next_batch};
use wire::init_producer_id::InitProducerIdResponse;
use wire::produce::{
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use wire::{ApiKey, Decode};

use super::fake_broker::{Answer, Asked, against, broker_address, metadata, versions};
use crate::{Address, Client, Options, Producer, ProducerOptions};

const TOPIC: &str = "t";
const BATCHES: i32 = 40;

/// How many batches of a producer a broker remembers.
const REMEMBERED: i32 = 5;

/// The log of a broker that keeps Kafka's rules: a sequence number must follow the last one, but a
/// producer of which nothing is known may begin with any.
#[derive(Default)]
struct Log {
    sequences: Vec<i32>,
}

impl Log {
    fn append(&mut self, sequence: i32) -> ErrorCode {
        let expected = self.sequences.last().map_or(sequence, |last| last + 1);
        if (expected - REMEMBERED..expected).contains(&sequence) {
            ErrorCode::DuplicateSequenceNumber
        } else if sequence == expected {
            self.sequences.push(sequence);
            ErrorCode::None
        } else {
            ErrorCode::OutOfOrderSequenceNumber
        }
    }
}

fn produced(code: ErrorCode) -> ProduceResponse<'static> {
    ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: TOPIC.into(),
            partition_responses: vec![PartitionProduceResponse {
                error_code: code.code(),
                ..PartitionProduceResponse::default()
            }],
            ..TopicProduceResponse::default()
        }],
        ..ProduceResponse::default()
    }
}

fn sequence_of(asked: &Asked) -> i32 {
    let request = ProduceRequest::decode_all(&asked.body, asked.version).unwrap();
    let partition = &request.topic_data[0].partition_data[0];
    let (batch, rest) = next_batch(partition.records.bytes().unwrap())
        .unwrap()
        .unwrap();
    batch.verify_checksum().unwrap();
    assert!(rest.is_empty());
    batch.base_sequence()
}

/// The broker refuses, loses answers and hangs up at random, before and after it has appended.
fn unreliable(log: Rc<RefCell<Log>>, seed: u64) -> impl FnMut(&Asked) -> Answer + Clone {
    let random = Rc::new(RefCell::new(Random::salted(seed, 9)));
    move |asked: &Asked| match asked.key {
        ApiKey::ApiVersions => {
            let served = [
                (ApiKey::ApiVersions, 5),
                (ApiKey::Metadata, 9),
                (ApiKey::Produce, 9),
                (ApiKey::InitProducerId, 4),
            ];
            Answer::Send(Box::new(versions(&served, 0)), asked.version)
        }
        ApiKey::Metadata => Answer::Send(Box::new(metadata(TOPIC)), asked.version),
        ApiKey::InitProducerId => {
            let response = InitProducerIdResponse {
                producer_id: 7,
                ..InitProducerIdResponse::default()
            };
            Answer::Send(Box::new(response), asked.version)
        }
        _ => match random.borrow_mut().below(8) {
            // A refusal of the very first batch alone would let the second one take its place.
            0 if !log.borrow().sequences.is_empty() => Answer::Send(
                Box::new(produced(ErrorCode::NotLeaderOrFollower)),
                asked.version,
            ),
            1 => Answer::Cut,
            2 => {
                log.borrow_mut().append(sequence_of(asked));
                Answer::Cut
            }
            _ => {
                let code = log.borrow_mut().append(sequence_of(asked));
                Answer::Send(Box::new(produced(code)), asked.version)
            }
        },
    }
}

/// Whatever the broker does in between, each acknowledged batch is in its log once and in order.
#[test]
fn an_idempotent_producer_keeps_order_through_failures() {
    for seed in 0..300 {
        let log = Rc::new(RefCell::new(Log::default()));
        let broker = unreliable(Rc::clone(&log), seed);
        let outcomes = against(seed, broker, |core| async move {
            let place = broker_address();
            let address = Address {
                host: place.ip().to_string(),
                port: place.port(),
            };
            let client = Client::connect(&core, &[address], Options::default())
                .await
                .unwrap();
            let producer = Producer::new(&client, ProducerOptions::default())
                .await
                .unwrap();
            let mut deliveries = Vec::new();
            for number in 0..BATCHES {
                let mut builder = BatchBuilder::new(BatchOptions::default());
                let value = number.to_be_bytes();
                builder.append(Timestamp(0), None, Some(&value), &[]);
                let delivery = producer
                    .deliver(TOPIC, PartitionIndex(0), &mut builder)
                    .await;
                deliveries.push(delivery.unwrap());
            }
            let mut outcomes = Vec::new();
            for delivery in deliveries {
                outcomes.push(delivery.outcome().await);
            }
            outcomes
        });
        for (number, outcome) in outcomes.iter().enumerate() {
            assert!(outcome.is_ok(), "seed {seed}, batch {number}: {outcome:?}");
        }
        let expected: Vec<i32> = (0..BATCHES).collect();
        assert_eq!(log.borrow().sequences, expected, "seed {seed}");
    }
}
