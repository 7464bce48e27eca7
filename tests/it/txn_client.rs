//! A client of transactions that lives on when its connection breaks, and knows of each of its
//! requests whether it had its effect, had none, or may have either.
//!
//! Invariant: what is asked again carries the same sequence numbers and epoch as the first time,
//! so that a broker can tell that it is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use base::{ErrorCode, ProducerEpoch, ProducerId, Uuid};
use batch::{BatchBuilder, BatchOptions, BatchView, Batches, Scratch};
use wire::Request;
use wire::end_txn::EndTxnRequest;
use wire::fetch::FetchRequest;
use wire::find_coordinator::FindCoordinatorRequest;
use wire::init_producer_id::InitProducerIdRequest;
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::produce::ProduceRequest;
use wire::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use crate::connection::{Answer, Connection};
use crate::log;
use crate::records::wall_clock;
use crate::topics::{self, Topic};

/// However busy the machine is, no request takes so long.
const PATIENCE: Duration = Duration::from_secs(300);
const RETRY_EVERY: Duration = Duration::from_millis(5);
/// The last version of OffsetFetch that names topics by their names.
const OFFSETS_BY_NAME: i16 = 9;
const READ_COMMITTED: i8 = 1;
const TRANSACTION_TIMEOUT_MS: i32 = 60_000;
/// Small, so that what is there takes several polls.
const POLL_BYTES_MAX: i32 = 2_000;
const PLAIN_BYTES_MAX: usize = 1 << 20;

/// Why one asking had no answer that settles it.
enum Trouble {
    /// The connection broke, with whatever effect.
    Broken(io::Error),
    /// The broker says so.
    Code(ErrorCode),
}

/// A request that was refused in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    /// True when it had no effect; an earlier asking whose answer was lost leaves that open.
    pub(crate) is_definite: bool,
}

/// What one fetch of one partition gave.
pub(crate) struct Fetched {
    /// Offsets and values.
    pub(crate) records: Vec<(i64, u64)>,
    /// Where to go on.
    pub(crate) next: i64,
    pub(crate) high_watermark: i64,
}

/// See the head of this file.
pub(crate) struct TxnClient {
    address: SocketAddr,
    connection: Option<Connection>,
    name: String,
    id: i64,
    epoch: i16,
    /// The next sequence number in each partition.
    next: BTreeMap<(String, i32), i32>,
}

impl TxnClient {
    /// A client that is no producer yet.
    pub(crate) fn new(address: SocketAddr, name: &str) -> Self {
        Self {
            address,
            connection: None,
            name: name.to_owned(),
            id: -1,
            epoch: -1,
            next: BTreeMap::new(),
        }
    }

    /// Makes it a producer, and ends what an earlier life of the same name has left open.
    pub(crate) fn begin_life(&mut self) {
        let name = self.name.clone();
        let begun = self.persist(|client| {
            let answer = client.ask(&FindCoordinatorRequest {
                key_type: 1,
                coordinator_keys: vec![name.as_str().into()],
                ..Default::default()
            })?;
            let response = answer.read::<FindCoordinatorRequest<'_>>();
            checked(response.coordinators[0].error_code)?;
            let answer = client.ask(&InitProducerIdRequest {
                transactional_id: Some(name.as_str().into()),
                transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
                producer_id: -1,
                producer_epoch: -1,
                ..Default::default()
            })?;
            let response = answer.read::<InitProducerIdRequest<'_>>();
            checked(response.error_code)?;
            Ok((response.producer_id, response.producer_epoch))
        });
        (self.id, self.epoch) = begun.unwrap();
        self.next.clear();
    }

    /// The batch of these values, with the next sequence numbers of its partition.
    fn batch(&mut self, (topic, partition): (&Topic, i32), values: &[u64]) -> Vec<u8> {
        let next = self.next.entry((topic.name.clone(), partition));
        let next = next.or_default();
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(self.id),
            producer_epoch: ProducerEpoch(self.epoch),
            base_sequence: *next,
            is_transactional: true,
            ..BatchOptions::default()
        });
        for value in values {
            builder.append(wall_clock(), None, Some(&value.to_be_bytes()), &[]);
        }
        *next += i32::try_from(values.len()).unwrap();
        let mut bytes = Vec::new();
        builder.build(&mut bytes).unwrap();
        bytes
    }

    /// Writes one batch within the transaction; the offset that it was told, if any.
    pub(crate) fn send(
        &mut self,
        place: (&Topic, i32),
        values: &[u64],
    ) -> Result<Option<i64>, Refused> {
        let batch = self.batch(place, values);
        self.persist(|client| {
            let version = client.connection()?.newest::<ProduceRequest<'_>>();
            let mut request = topics::produce_request(place.0, place.1, -1, version, &batch);
            let name = client.name.clone();
            request.transactional_id = Some(name.as_str().into());
            let appended = topics::appended(&client.call(version, &request)?);
            checked(appended.error_code)?;
            Ok((appended.base_offset >= 0).then_some(appended.base_offset))
        })
    }

    /// Commits a group's offset within the transaction.
    pub(crate) fn commit_offset(
        &mut self,
        group: &str,
        (topic, partition): (&Topic, i32),
        offset: i64,
    ) -> Result<(), Refused> {
        self.persist(|client| {
            let version = client.connection()?.newest::<TxnOffsetCommitRequest<'_>>();
            // Since KIP-1319 a topic is named by its id.
            let by_id = version >= 6;
            let name = client.name.clone();
            let request = TxnOffsetCommitRequest {
                transactional_id: name.as_str().into(),
                group_id: group.into(),
                producer_id: client.id,
                producer_epoch: client.epoch,
                generation_id_or_member_epoch: -1,
                topics: vec![TxnOffsetCommitRequestTopic {
                    name: if by_id { "" } else { &topic.name }.into(),
                    topic_id: if by_id { topic.id } else { Uuid::ZERO },
                    partitions: vec![TxnOffsetCommitRequestPartition {
                        partition_index: partition,
                        committed_offset: offset,
                        committed_leader_epoch: -1,
                        ..Default::default()
                    }],
                }],
                ..Default::default()
            };
            let answer = client.call(version, &request)?;
            let response = answer.read::<TxnOffsetCommitRequest<'_>>();
            checked(response.topics[0].partitions[0].error_code)
        })
    }

    fn end_request<'name>(&self, name: &'name str, committed: bool) -> EndTxnRequest<'name> {
        EndTxnRequest {
            transactional_id: name.into(),
            producer_id: self.id,
            producer_epoch: self.epoch,
            committed,
        }
    }

    /// Ends the transaction.
    pub(crate) fn end(&mut self, commit: bool) -> Result<(), Refused> {
        let (id, epoch) = self.persist(|client| {
            let name = client.name.clone();
            let answer = client.ask(&client.end_request(&name, commit))?;
            let response = answer.read::<EndTxnRequest<'_>>();
            checked(response.error_code)?;
            Ok((response.producer_id, response.producer_epoch))
        })?;
        // Since KIP-890 each transaction has an epoch of its own.
        if id >= 0 {
            (self.id, self.epoch) = (id, epoch);
            self.next.clear();
        }
        Ok(())
    }

    /// Asks for the end and dies before the answer; whether the question left, nobody knows.
    pub(crate) fn end_and_die(mut self, commit: bool) {
        let name = self.name.clone();
        let request = self.end_request(&name, commit);
        if let Ok(connection) = self.connection() {
            let version = connection.newest::<EndTxnRequest<'_>>();
            let sent = connection.try_send(version, &request);
            if let Err(error) = sent {
                println!("{name} died, and so did its connection: {error}");
            }
        }
    }

    /// Where the group is, once no transaction can change that any more.
    pub(crate) fn group_offset(
        &mut self,
        group: &str,
        (topic, partition): (&Topic, i32),
    ) -> Result<Option<i64>, Refused> {
        self.persist(|client| {
            let request = OffsetFetchRequest {
                groups: vec![OffsetFetchRequestGroup {
                    group_id: group.into(),
                    topics: Some(vec![OffsetFetchRequestTopics {
                        name: topic.name.as_str().into(),
                        partition_indexes: vec![partition],
                        ..Default::default()
                    }]),
                    ..Default::default()
                }],
                require_stable: true,
                ..Default::default()
            };
            let answer = client.call(OFFSETS_BY_NAME, &request)?;
            let response = answer.read::<OffsetFetchRequest<'_>>();
            let group = &response.groups[0];
            checked(group.error_code)?;
            let partition = &group.topics[0].partitions[0];
            checked(partition.error_code)?;
            let offset = partition.committed_offset;
            Ok((offset >= 0).then_some(offset))
        })
    }

    /// What the partition has from an offset on, as a consumer of that isolation shows it.
    pub(crate) fn fetch(
        &mut self,
        (topic, partition): (&Topic, i32),
        offset: i64,
        is_committed: bool,
    ) -> Fetched {
        let fetched = self.persist(|client| {
            let version = client.connection()?.newest::<FetchRequest<'_>>();
            let mut request = log::fetch_request(topic, partition, offset, version);
            request.max_bytes = POLL_BYTES_MAX;
            request.topics[0].partitions[0].partition_max_bytes = POLL_BYTES_MAX;
            if is_committed {
                request.isolation_level = READ_COMMITTED;
            }
            let answer = client.call(version, &request)?;
            let response = answer.read::<FetchRequest<'_>>();
            checked(response.error_code)?;
            let data = &response.responses[0].partitions[0];
            checked(data.error_code)?;
            let aborted = data.aborted_transactions.iter().flatten();
            let aborted = aborted.map(|one| (one.first_offset, one.producer_id));
            // The broker lists what was aborted for readers of committed records alone.
            let aborted = if is_committed {
                aborted.collect()
            } else {
                Vec::new()
            };
            let bytes = data.records.bytes().unwrap();
            let (records, next) = records(bytes, aborted, offset);
            Ok(Fetched {
                records,
                next,
                high_watermark: data.high_watermark,
            })
        });
        fetched.unwrap()
    }

    fn connection(&mut self) -> Result<&mut Connection, Trouble> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::try_open(self.address).map_err(Trouble::Broken)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn ask<R: Request>(&mut self, request: &R) -> Result<Answer, Trouble> {
        let version = self.connection()?.newest::<R>();
        self.call(version, request)
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<Answer, Trouble> {
        let connection = self.connection()?;
        let sent = connection.try_send(version, request);
        let answer = sent.and_then(|sent| connection.try_receive(sent));
        answer.map_err(Trouble::Broken)
    }

    /// Asks until the answer settles it.
    fn persist<T>(
        &mut self,
        mut ask: impl FnMut(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Refused> {
        let begin = Instant::now();
        let mut is_definite = true;
        loop {
            let code = match ask(self) {
                Ok(value) => return Ok(value),
                Err(Trouble::Broken(error)) => {
                    let is_expected = !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    );
                    assert!(is_expected, "a request was never answered: {error}");
                    self.connection = None;
                    None
                }
                Err(Trouble::Code(code)) => Some(code),
            };
            if let Some(code) = code.filter(|code| !passes(*code)) {
                return Err(Refused { code, is_definite });
            }
            is_definite &= code.is_some_and(refuses_unseen);
            assert!(begin.elapsed() < PATIENCE, "still {code:?}");
            thread::sleep(RETRY_EVERY);
        }
    }
}

fn checked(code: i16) -> Result<(), Trouble> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        code => Err(Trouble::Code(code)),
    }
}

/// What a client asks again after.
fn passes(code: ErrorCode) -> bool {
    refuses_unseen(code)
        || matches!(
            code,
            ErrorCode::CoordinatorNotAvailable
                | ErrorCode::NotCoordinator
                | ErrorCode::NotEnoughReplicas
                | ErrorCode::NotEnoughReplicasAfterAppend
                | ErrorCode::NotLeaderOrFollower
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::RequestTimedOut
                | ErrorCode::UnknownTopicId
                | ErrorCode::UnknownTopicOrPartition
        )
}

/// What a broker answers that has not begun with the request.
fn refuses_unseen(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ConcurrentTransactions
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::UnstableOffsetCommit
    )
}

/// The records that are not left out, and the offset behind all of them.
fn records(bytes: &[u8], mut aborted: Vec<(i64, i64)>, offset: i64) -> (Vec<(i64, u64)>, i64) {
    aborted.sort_unstable();
    let mut aborted = aborted.into_iter().peekable();
    let mut left_out = BTreeSet::new();
    let (mut found, mut next) = (Vec::new(), offset);
    for batch in Batches::new(bytes) {
        let batch = batch.unwrap();
        batch.verify_checksum().unwrap();
        while let Some((_, producer)) =
            aborted.next_if(|(first, _)| *first <= batch.last_offset().0)
        {
            left_out.insert(producer);
        }
        let producer = batch.producer_id().0;
        if batch.attributes().is_control() {
            left_out.remove(&producer);
        } else if !left_out.contains(&producer) {
            found.extend(values_of(&batch).filter(|(at, _)| *at >= offset));
        }
        next = batch.next_offset().0;
    }
    (found, next)
}

fn values_of(batch: &BatchView<'_>) -> impl Iterator<Item = (i64, u64)> + use<> {
    let mut scratch = Scratch::new();
    let mut found = Vec::new();
    for record in batch::records(batch, &mut scratch, PLAIN_BYTES_MAX).unwrap() {
        let record = record.unwrap();
        let value = record.value.unwrap().try_into().unwrap();
        found.push((record.offset.0, u64::from_be_bytes(value)));
    }
    found.into_iter()
}
