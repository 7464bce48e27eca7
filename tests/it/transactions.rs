//! KIP-98 and KIP-890 through real sockets: what is committed is seen whole, what is aborted never,
//! who comes late is told so, and none of it depends on the process that was asked.

use std::thread;
use std::time::{Duration, Instant};

use base::{ErrorCode, ProducerEpoch, ProducerId, Uuid};
use batch::{BatchBuilder, BatchOptions, Batches};
use wire::add_offsets_to_txn::AddOffsetsToTxnRequest;
use wire::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use wire::describe_transactions::DescribeTransactionsRequest;
use wire::end_txn::EndTxnRequest;
use wire::fetch::FetchRequest;
use wire::find_coordinator::FindCoordinatorRequest;
use wire::init_producer_id::InitProducerIdRequest;
use wire::list_transactions::ListTransactionsRequest;
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::produce::ProduceRequest;
use wire::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use crate::connection::Connection;
use crate::groups;
use crate::log;
use crate::records::wall_clock;
use crate::server::Server;
use crate::topics::{self, Topic};

const PATIENCE: Duration = Duration::from_secs(30);
/// The versions of clients that add partitions themselves.
const OLD_PRODUCE: i16 = 9;
const OLD_ADD: i16 = 3;
const OLD_END: i16 = 3;
const OLD_COMMIT: i16 = 3;
/// The last version of OffsetFetch that names topics by their names.
const OFFSETS_BY_NAME: i16 = 9;
const READ_COMMITTED: i8 = 1;

/// A producer with a transactional id.
#[derive(Clone, Debug)]
struct Producer {
    name: String,
    id: i64,
    epoch: i16,
    /// The next sequence number in each partition.
    next: [i32; 2],
}

/// Asks again while the node is busy with what went before.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, ErrorCode>) -> Result<T, ErrorCode> {
    let begin = Instant::now();
    loop {
        let result = ask();
        let passes = matches!(
            result,
            Err(ErrorCode::ConcurrentTransactions
                | ErrorCode::CoordinatorLoadInProgress
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NotCoordinator
                | ErrorCode::NotEnoughReplicas)
        );
        if !passes || begin.elapsed() > PATIENCE {
            return result;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn checked<T>(code: i16, value: T) -> Result<T, ErrorCode> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(value),
        code => Err(code),
    }
}

fn find_coordinator(connection: &mut Connection, name: &str) {
    let found = patiently(|| {
        let answer = connection.ask(&FindCoordinatorRequest {
            key_type: 1,
            coordinator_keys: vec![name.into()],
            ..Default::default()
        });
        let response = answer.read::<FindCoordinatorRequest<'_>>();
        checked(response.coordinators[0].error_code, ())
    });
    assert_eq!(found, Ok(()));
}

impl Producer {
    /// Begins the life of a producer, and ends its earlier ones.
    fn begin(connection: &mut Connection, name: &str) -> Self {
        find_coordinator(connection, name);
        let (id, epoch) = patiently(|| init(connection, name, (-1, -1))).unwrap();
        Self {
            name: name.to_owned(),
            id,
            epoch,
            next: [0; 2],
        }
    }

    fn batch(&mut self, partition: i32, count: i32) -> Vec<u8> {
        let next = &mut self.next[usize::try_from(partition).unwrap()];
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(self.id),
            producer_epoch: ProducerEpoch(self.epoch),
            base_sequence: *next,
            is_transactional: true,
            ..BatchOptions::default()
        });
        for number in 0..count {
            let value = [[0; 8], u64::from(number.unsigned_abs()).to_be_bytes()].concat();
            builder.append(wall_clock(), None, Some(&value), &[]);
        }
        *next += count;
        let mut bytes = Vec::new();
        builder.build(&mut bytes).unwrap();
        bytes
    }

    fn produce(
        &self,
        connection: &mut Connection,
        version: i16,
        place: (&Topic, i32),
        batch: &[u8],
    ) -> Result<i64, ErrorCode> {
        patiently(|| {
            let mut request = topics::produce_request(place.0, place.1, -1, version, batch);
            request.transactional_id = Some(self.name.as_str().into());
            let appended = topics::appended(&connection.call(version, &request));
            checked(appended.error_code, appended.base_offset)
        })
    }

    /// Adds a partition to the transaction, as clients of before KIP-890 do.
    fn add(
        &self,
        connection: &mut Connection,
        (topic, partition): (&Topic, i32),
    ) -> Result<(), ErrorCode> {
        patiently(|| {
            let answer = connection.call(
                OLD_ADD,
                &AddPartitionsToTxnRequest {
                    v3_and_below_transactional_id: self.name.as_str().into(),
                    v3_and_below_producer_id: self.id,
                    v3_and_below_producer_epoch: self.epoch,
                    v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                        name: topic.name.as_str().into(),
                        partitions: vec![partition],
                    }],
                    ..Default::default()
                },
            );
            let response = answer.read::<AddPartitionsToTxnRequest<'_>>();
            let result = &response.results_by_topic_v3_and_below[0].results_by_partition[0];
            checked(result.partition_error_code, ())
        })
    }

    /// Writes one batch as clients of today do.
    fn write(&mut self, connection: &mut Connection, place: (&Topic, i32)) -> i64 {
        let batch = self.batch(place.1, 3);
        let version = connection.newest::<ProduceRequest<'_>>();
        self.produce(connection, version, place, &batch).unwrap()
    }

    /// Ends the transaction; who the producer is from then on.
    fn end(
        &mut self,
        connection: &mut Connection,
        version: i16,
        committed: bool,
    ) -> Result<(), ErrorCode> {
        let (id, epoch) = patiently(|| {
            let request = EndTxnRequest {
                transactional_id: self.name.as_str().into(),
                producer_id: self.id,
                producer_epoch: self.epoch,
                committed,
            };
            let answer = connection.call(version, &request);
            let response = answer.read::<EndTxnRequest<'_>>();
            let next = (response.producer_id, response.producer_epoch);
            checked(response.error_code, next)
        })?;
        if id >= 0 {
            assert!(
                id != self.id || epoch > self.epoch,
                "each end raises the epoch"
            );
            (self.id, self.epoch, self.next) = (id, epoch, [0; 2]);
        }
        Ok(())
    }

    fn finish(&mut self, connection: &mut Connection, committed: bool) {
        let version = connection.newest::<EndTxnRequest<'_>>();
        self.end(connection, version, committed).unwrap();
    }
}

fn init(
    connection: &mut Connection,
    name: &str,
    (id, epoch): (i64, i16),
) -> Result<(i64, i16), ErrorCode> {
    let answer = connection.ask(&InitProducerIdRequest {
        transactional_id: Some(name.into()),
        transaction_timeout_ms: 60_000,
        producer_id: id,
        producer_epoch: epoch,
        ..Default::default()
    });
    let response = answer.read::<InitProducerIdRequest<'_>>();
    let producer = (response.producer_id, response.producer_epoch);
    checked(response.error_code, producer)
}

/// What a reader of committed records is given: the base offsets of batches that it does not leave
/// out, and up to where it may read.
fn committed(connection: &mut Connection, (topic, partition): (&Topic, i32)) -> (Vec<i64>, i64) {
    let version = connection.newest::<FetchRequest<'_>>();
    let mut request = log::fetch_request(topic, partition, 0, version);
    request.isolation_level = READ_COMMITTED;
    let answer = connection.call(version, &request);
    let response = answer.read::<FetchRequest<'_>>();
    let data = &response.responses[0].partitions[0];
    assert_eq!(data.error_code, 0);
    let mut aborted: Vec<(i64, i64)> = data
        .aborted_transactions
        .iter()
        .flatten()
        .map(|one| (one.first_offset, one.producer_id))
        .collect();
    aborted.sort_unstable();
    let mut left_out = std::collections::BTreeSet::new();
    let mut seen = Vec::new();
    for batch in Batches::new(data.records.bytes().unwrap()) {
        let batch = batch.unwrap();
        while aborted
            .first()
            .is_some_and(|(first, _)| *first <= batch.last_offset().0)
        {
            left_out.insert(aborted.remove(0).1);
        }
        let producer = batch.producer_id().0;
        if batch.attributes().is_control() {
            left_out.remove(&producer);
        } else if !left_out.contains(&producer) {
            seen.push(batch.base_offset().0);
        }
    }
    (seen, data.last_stable_offset)
}

/// Waits until the last stable offset is the end of the log: markers are written behind answers.
fn wait_stable(connection: &mut Connection, place: (&Topic, i32)) -> Vec<i64> {
    let begin = Instant::now();
    loop {
        let (seen, stable) = committed(connection, place);
        let end = log::fetch_at(connection, place, 0).high_watermark;
        if stable == end {
            return seen;
        }
        assert!(begin.elapsed() < PATIENCE, "{stable} stays below {end}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The story: what is open is not seen, what is aborted never, what is committed all at once.
#[test]
fn a_transaction_is_seen_whole_or_not_at_all() {
    let server = Server::any("txn-whole");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-whole", 2);
    let mut producer = Producer::begin(&mut connection, &groups::group("whole"));
    let kept = producer.write(&mut connection, (&topic, 0));
    producer.write(&mut connection, (&topic, 1));
    assert_eq!(committed(&mut connection, (&topic, 0)), (vec![], 0));
    assert_eq!(
        log::fetch_at(&mut connection, (&topic, 0), 0).high_watermark,
        3
    );
    producer.finish(&mut connection, true);
    for partition in 0..2 {
        let seen = wait_stable(&mut connection, (&topic, partition));
        assert_eq!(seen, [0], "partition {partition}");
    }
    producer.write(&mut connection, (&topic, 0));
    producer.finish(&mut connection, false);
    let last = producer.write(&mut connection, (&topic, 0));
    producer.finish(&mut connection, true);
    assert_eq!(wait_stable(&mut connection, (&topic, 0)), [kept, last]);
}

/// The story: somebody looks at a topic on the command line, and wants to see what consumers of
/// committed records see: nothing of aborted transactions, nothing behind one that is open.
#[test]
fn the_command_line_leaves_out_what_was_aborted() {
    let server = Server::any("txn-shown");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-shown", 1);
    let place = (&topic, 0);
    let mut producer = Producer::begin(&mut connection, &groups::group("shown"));
    let mut kept = Vec::new();
    for committed in [true, false, true] {
        let first = producer.write(&mut connection, place);
        producer.finish(&mut connection, committed);
        wait_stable(&mut connection, place);
        if committed {
            kept.extend(first..first + 3);
        }
    }
    let open = producer.write(&mut connection, place);
    let shown = |option: &[&str]| -> Vec<i64> {
        let fixed = ["consume", &topic.name, "--exit", "--format", "%o\\n"];
        let said = server.tell(&[&fixed, option].concat());
        said.lines().map(|line| line.parse().unwrap()).collect()
    };
    assert_eq!(shown(&["--committed"]), kept);
    let group = groups::group("shown-group");
    assert_eq!(shown(&["--committed", "--group", &group]), kept);
    assert_eq!(shown(&[]).last(), Some(&(open + 2)));
    producer.finish(&mut connection, false);
}

/// The story: a client of before KIP-890 adds its partitions itself; one that it forgot is refused,
/// since nobody would ever end what it opened there.
#[test]
fn clients_that_add_partitions_are_held_to_it() {
    let server = Server::any("txn-old");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-old", 2);
    let mut producer = Producer::begin(&mut connection, &groups::group("old"));
    for round in 0..3 {
        let added = producer.add(&mut connection, (&topic, 0));
        assert_eq!(added, Ok(()));
        let batch = producer.batch(0, 2);
        let appended = producer.produce(&mut connection, OLD_PRODUCE, (&topic, 0), &batch);
        assert_eq!(appended, Ok(round * 3));
        let unknown = producer.clone().batch(1, 2);
        let refused = producer.produce(&mut connection, OLD_PRODUCE, (&topic, 1), &unknown);
        assert_eq!(refused, Err(ErrorCode::InvalidTxnState));
        producer.end(&mut connection, OLD_END, round != 1).unwrap();
        wait_stable(&mut connection, (&topic, 0));
    }
    assert_eq!(wait_stable(&mut connection, (&topic, 0)), [0, 6]);
}

/// The story: a producer is started a second time while the first one lives on, paused; when the
/// first one wakes up it is told, and what it had begun is gone.
#[test]
fn an_earlier_life_is_fenced() {
    let server = Server::any("txn-fenced");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-fenced", 1);
    let name = groups::group("fenced");
    let mut zombie = Producer::begin(&mut connection, &name);
    zombie.write(&mut connection, (&topic, 0));
    let mut successor = Producer::begin(&mut connection, &name);
    assert!(successor.id != zombie.id || successor.epoch > zombie.epoch);
    let late = zombie.batch(0, 1);
    let version = connection.newest::<ProduceRequest<'_>>();
    let refused = zombie.produce(&mut connection, version, (&topic, 0), &late);
    assert_eq!(refused, Err(ErrorCode::InvalidProducerEpoch));
    let version = connection.newest::<EndTxnRequest<'_>>();
    let refused = zombie.end(&mut connection, version, true);
    assert_eq!(refused, Err(ErrorCode::ProducerFenced));
    let kept = successor.write(&mut connection, (&topic, 0));
    successor.finish(&mut connection, true);
    assert_eq!(wait_stable(&mut connection, (&topic, 0)), [kept]);
}

/// The story: the first batch of a transaction was lost on the way, its second one was not. Whose
/// transactions begin at zero each is told; older clients' count goes on over transactions, so of
/// them nothing can be said in a partition that does not know them (KIP-890).
#[test]
fn a_transaction_cannot_begin_in_its_middle() {
    let server = Server::any("txn-middle");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-middle", 2);
    let version = connection.newest::<ProduceRequest<'_>>();
    let mut producer = Producer::begin(&mut connection, &groups::group("middle"));
    producer.next = [5, 5];
    let lost = producer.batch(0, 1);
    let refused = producer.produce(&mut connection, version, (&topic, 0), &lost);
    assert_eq!(refused, Err(ErrorCode::OutOfOrderSequenceNumber));
    producer.next = [0; 2];
    let first = producer.write(&mut connection, (&topic, 0));
    producer.finish(&mut connection, true);
    assert_eq!(wait_stable(&mut connection, (&topic, 0)), [first]);
    // Nor does a producer that is known from its last transaction begin in the middle.
    producer.next = [3, 3];
    let lost = producer.batch(0, 1);
    let refused = producer.produce(&mut connection, version, (&topic, 0), &lost);
    assert_eq!(refused, Err(ErrorCode::OutOfOrderSequenceNumber));

    let mut old = Producer::begin(&mut connection, &groups::group("middle-old"));
    old.next = [5, 5];
    old.add(&mut connection, (&topic, 1)).unwrap();
    let batch = old.batch(1, 1);
    let appended = old.produce(&mut connection, OLD_PRODUCE, (&topic, 1), &batch);
    assert_eq!(appended, Ok(0));
    old.end(&mut connection, OLD_END, true).unwrap();
    assert_eq!(wait_stable(&mut connection, (&topic, 1)), [0]);
}

/// The offsets of a group, or the code that keeps them back.
fn stable_offset(
    connection: &mut Connection,
    group: &str,
    topic: &Topic,
) -> Result<i64, ErrorCode> {
    let wanted = OffsetFetchRequestTopics {
        name: topic.name.as_str().into(),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: Some(vec![wanted]),
            ..Default::default()
        }],
        require_stable: true,
        ..Default::default()
    };
    let answer = connection.call(OFFSETS_BY_NAME, &request);
    let response = answer.read::<OffsetFetchRequest<'_>>();
    let group = &response.groups[0];
    checked(group.error_code, ())?;
    let partition = &group.topics[0].partitions[0];
    checked(partition.error_code, partition.committed_offset)
}

fn commit_offset(
    connection: &mut Connection,
    version: i16,
    producer: &Producer,
    (group, topic, offset): (&str, &Topic, i64),
) -> Result<(), ErrorCode> {
    let by_id = version >= 6;
    patiently(|| {
        let request = TxnOffsetCommitRequest {
            transactional_id: producer.name.as_str().into(),
            group_id: group.into(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            generation_id_or_member_epoch: -1,
            topics: vec![TxnOffsetCommitRequestTopic {
                // Since KIP-1319 a topic is named by its id.
                name: if by_id { "" } else { &topic.name }.into(),
                topic_id: if by_id { topic.id } else { Uuid::ZERO },
                partitions: vec![TxnOffsetCommitRequestPartition {
                    partition_index: 0,
                    committed_offset: offset,
                    committed_leader_epoch: -1,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        };
        let answer = connection.call(version, &request);
        let response = answer.read::<TxnOffsetCommitRequest<'_>>();
        checked(response.topics[0].partitions[0].error_code, ())
    })
}

/// The story: an application reads, writes and commits what it read in one transaction. Whoever
/// takes over must not begin at an offset that may yet be taken back.
#[test]
fn offsets_count_with_their_transaction() {
    let server = Server::any("txn-offsets");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-offsets", 1);
    let group = groups::group("txn-offsets");
    groups::find_coordinator(&mut connection, &group);
    let mut producer = Producer::begin(&mut connection, &groups::group("offsets"));
    let newest = connection.newest::<TxnOffsetCommitRequest<'_>>();
    for (offset, committed) in [(5, true), (9, false), (7, true)] {
        let before = patiently(|| stable_offset(&mut connection, &group, &topic)).unwrap();
        let asked = (group.as_str(), &topic, offset);
        commit_offset(&mut connection, newest, &producer, asked).unwrap();
        let unstable = stable_offset(&mut connection, &group, &topic);
        assert_eq!(unstable, Err(ErrorCode::UnstableOffsetCommit));
        producer.finish(&mut connection, committed);
        let begin = Instant::now();
        let after = loop {
            match stable_offset(&mut connection, &group, &topic) {
                Err(ErrorCode::UnstableOffsetCommit) => {
                    assert!(begin.elapsed() < PATIENCE, "the marker never comes");
                    thread::sleep(Duration::from_millis(10));
                }
                offset => break offset.unwrap(),
            }
        };
        assert_eq!(after, if committed { offset } else { before });
    }
    // A client of before KIP-890 says first which group it will commit for, again while the last
    // transaction is ending.
    let added = patiently(|| {
        let answer = connection.ask(&AddOffsetsToTxnRequest {
            transactional_id: producer.name.as_str().into(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            group_id: group.as_str().into(),
        });
        let code = answer.read::<AddOffsetsToTxnRequest<'_>>().error_code;
        checked(code, ())
    });
    assert_eq!(added, Ok(()));
    let asked = (group.as_str(), &topic, 11);
    commit_offset(&mut connection, OLD_COMMIT, &producer, asked).unwrap();
    producer.end(&mut connection, OLD_END, true).unwrap();
    let begin = Instant::now();
    while stable_offset(&mut connection, &group, &topic) != Ok(11) {
        assert!(begin.elapsed() < PATIENCE, "the offset never counts");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The story: an application begins its next transaction as soon as it is told of the end of the
/// last one, whose markers are on their way still, and was refused for what it did right.
#[test]
fn transactions_follow_one_another_at_once() {
    let server = Server::any("txn-next");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-next", 1);
    let group = groups::group("txn-next");
    groups::find_coordinator(&mut connection, &group);
    let newest = connection.newest::<TxnOffsetCommitRequest<'_>>();
    let mut producer = Producer::begin(&mut connection, &groups::group("next"));
    let mut kept = Vec::new();
    for round in 0..40 {
        let asked = (group.as_str(), &topic, round);
        if round % 2 == 0 {
            commit_offset(&mut connection, newest, &producer, asked).unwrap();
        }
        let base = producer.write(&mut connection, (&topic, 0));
        let is_commit = round % 5 != 0;
        producer.finish(&mut connection, is_commit);
        kept.extend(is_commit.then_some(base));
    }
    assert_eq!(wait_stable(&mut connection, (&topic, 0)), kept);
}

fn state(connection: &mut Connection, name: &str) -> String {
    let answer = connection.ask(&DescribeTransactionsRequest {
        transactional_ids: vec![name.into()],
    });
    let response = answer.read::<DescribeTransactionsRequest<'_>>();
    let described = &response.transaction_states[0];
    assert_eq!(described.error_code, 0);
    described.transaction_state.to_string()
}

/// The story: the node is killed with one transaction open and another one just decided. The open
/// one goes on where it was, the decided one is what it was said to be.
#[test]
fn transactions_survive_the_node() {
    let Some(mut server) = Server::own("txn-killed", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "txn-killed", 2);
    let (open, decided) = (groups::group("open"), groups::group("decided"));
    let mut open = Producer::begin(&mut connection, &open);
    let mut decided = Producer::begin(&mut connection, &decided);
    open.write(&mut connection, (&topic, 0));
    decided.write(&mut connection, (&topic, 1));
    decided.finish(&mut connection, true);
    server.kill();
    server.start();
    connection = server.connect();
    find_coordinator(&mut connection, &open.name);
    let listed = patiently(|| {
        let answer = connection.ask(&ListTransactionsRequest {
            duration_filter: -1,
            ..Default::default()
        });
        let response = answer.read::<ListTransactionsRequest<'_>>();
        checked(response.error_code, response.transaction_states.len())
    });
    assert_eq!(listed, Ok(2));
    assert_eq!(state(&mut connection, &open.name), "Ongoing");
    assert_eq!(wait_stable(&mut connection, (&topic, 1)), [0]);
    assert_eq!(committed(&mut connection, (&topic, 0)), (vec![], 0));
    open.write(&mut connection, (&topic, 0));
    open.finish(&mut connection, true);
    assert_eq!(wait_stable(&mut connection, (&topic, 0)), [0, 3]);
    // Readers may know of the end before the coordinator does.
    let begin = Instant::now();
    while state(&mut connection, &open.name) != "CompleteCommit" {
        assert!(begin.elapsed() < PATIENCE, "the end is never told of");
        thread::sleep(Duration::from_millis(10));
    }
}
