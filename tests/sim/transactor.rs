//! One life of a client with a transactional id, down at its requests: it begins transactions,
//! writes with five batches under way, commits offsets, ends what it began; it asks again when an
//! answer is lost, hangs for longer than its transactions may, and has copies of its requests come
//! late over other connections.
//!
//! A client of `transaction.version` 1 keeps its epoch from one transaction to the next, so that a
//! request of one which comes late may do something to a later one: Kafka has no cure for that but
//! version 2. So where such a client lost an answer it takes a new epoch before it goes on, and
//! nothing of it is copied.

use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Offset, ProducerEpoch, ProducerId, Random};
use batch::BatchBuilder;
use client::Answer;
use history::Ticket;
use reactor::{Bytes, Core};
use wire::add_offsets_to_txn::AddOffsetsToTxnRequest;
use wire::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnTopic};
use wire::end_txn::EndTxnRequest;
use wire::init_producer_id::InitProducerIdRequest;
use wire::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use wire::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use wire::{Records, Request};

use crate::batches;
use crate::history::Name;
use crate::outcomes::{Life, Outcomes, Place, Who, key_of};
use crate::wires::{Lost, Wire, passes, send_late};

/// Brokers remember this many batches of a producer.
const IN_FLIGHT_MAX: usize = 5;
const PAUSE: Duration = Duration::from_millis(30);
const BATCHES_MAX: u64 = 14;

/// The partitions that are written to: topic, index, and whether it is compacted.
pub(crate) const PLACES: [(&str, i32, bool); 3] = [
    ("orders", 0, false),
    ("orders", 1, false),
    ("totals", 0, true),
];

/// Which versions a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    One,
    Two,
}

/// What a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) level: Level,
    pub(crate) timeout_ms: i32,
}

impl Client {
    pub(crate) fn transactional_id(&self) -> String {
        format!("client-{}", self.index)
    }

    pub(crate) fn group(&self) -> String {
        format!("group-{}", self.index)
    }
}

/// What a life goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Its next transaction.
    Go,
    /// A new epoch.
    Anew,
    /// Somebody has taken over.
    Over,
}

/// A batch of the present transaction.
struct Parcel {
    place: Place,
    ticket: Option<Ticket>,
    names: Vec<Name>,
    bytes: Bytes,
}

/// One life.
pub(crate) struct Transactor {
    core: Core,
    outcomes: Rc<Outcomes>,
    random: Random,
    client: Client,
    life: Life,
    /// Requests to coordinators, and batches, travel apart and overtake each other.
    asking: Wire,
    writing: Wire,
    who: Who,
    sequences: [i32; PLACES.len()],
    /// An answer was lost: what was asked may yet arrive.
    is_tainted: bool,
}

impl Transactor {
    pub(crate) fn new(core: &Core, outcomes: Rc<Outcomes>, client: Client, life: u32) -> Self {
        Self {
            core: core.clone(),
            outcomes,
            random: Random::new(core.entropy()),
            client,
            life: (client.index, life),
            asking: Wire::new(core),
            writing: Wire::new(core),
            who: (ProducerId::NONE, ProducerEpoch(-1)),
            sequences: [0; PLACES.len()],
            is_tainted: false,
        }
    }

    /// Lives until somebody takes over, or `is_over` says so between two transactions.
    pub(crate) async fn live(mut self, is_over: impl Fn() -> bool) {
        let mut next = self.begin(false).await;
        let pause_us_max = 1 + self.random.below(100_000);
        while next != Next::Over && !is_over() {
            next = match self.transaction().await {
                Next::Anew => self.begin(true).await,
                next => next,
            };
            let pause = Duration::from_micros(self.random.below(pause_us_max));
            self.core.sleep(pause).await;
        }
        if next == Next::Over {
            self.outcomes.note_fenced();
        }
    }

    /// Takes over from all lives before, and does not rest before a commit is promised.
    pub(crate) async fn live_last(mut self) {
        let mut next = self.begin(false).await;
        while !self.outcomes.has_kept(self.life) {
            next = match next {
                Next::Go => self.transaction().await,
                Next::Anew => self.begin(true).await,
                // It hung for too long itself; nobody else is left.
                Next::Over => self.begin(false).await,
            };
        }
    }

    fn is_two(&self) -> bool {
        self.client.level == Level::Two
    }

    fn version(&self, one: i16, two: i16) -> i16 {
        if self.is_two() { two } else { one }
    }

    /// Now and then a copy of what is sent comes late.
    fn maybe_late<R: Request + 'static>(
        &mut self,
        request: impl FnOnce() -> R,
        version: i16,
        externals: &[Bytes],
    ) -> bool {
        let is_late = self.is_two() && self.random.chance(1, 6);
        if is_late {
            self.outcomes.note_late();
            send_late(&self.core, request(), version, externals.to_vec());
        }
        is_late
    }

    /// Asks until the code is one that does not pass by itself.
    async fn ask<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        code: impl Fn(&Answer) -> i16,
    ) -> (ErrorCode, Answer) {
        loop {
            match self.asking.ask(request, version).await {
                Ok(answer) => {
                    let code = ErrorCode::from_code(code(&answer));
                    if !passes(code) {
                        return (code, answer);
                    }
                    // Somebody else may know it to be done.
                    self.is_tainted |= is_open(code);
                    self.core.sleep(PAUSE).await;
                }
                Err(Lost::Unsent) => {}
                Err(Lost::Unknown) => self.is_tainted = true,
            }
            if self.random.chance(1, 30) {
                self.asking.hang_up();
            }
        }
    }

    /// Is told who it is; what an earlier life left open is ended. One that `recovers` says who it
    /// was.
    async fn begin(&mut self, recovers: bool) -> Next {
        let who = if recovers {
            self.who
        } else {
            (ProducerId::NONE, ProducerEpoch(-1))
        };
        let version = self.version(4, 5);
        let request = InitProducerIdRequest {
            transactional_id: Some(self.client.transactional_id().into()),
            transaction_timeout_ms: self.client.timeout_ms,
            producer_id: who.0.0,
            producer_epoch: who.1.0,
            ..Default::default()
        };
        if recovers {
            // Without a name a copy would be one more life.
            let copy = request.clone();
            self.maybe_late(|| copy, version, &[]);
        }
        let code = |answer: &Answer| init(answer).0;
        let (code, answer) = self.ask(&request, version, code).await;
        match code {
            ErrorCode::None => {
                let (_, id, epoch) = init(&answer);
                self.named((ProducerId(id), ProducerEpoch(epoch)));
                self.is_tainted = false;
                Next::Go
            }
            ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch if recovers => Next::Over,
            code => panic!("{:?} begins: {code:?}", self.life),
        }
    }

    fn named(&mut self, who: Who) {
        self.outcomes.named(who, self.life);
        if who != self.who {
            self.sequences = [0; PLACES.len()];
        }
        self.who = who;
    }

    /// One transaction, to its end.
    async fn transaction(&mut self) -> Next {
        let number = self.outcomes.begin(self.life);
        let mut places: Vec<Place> = (0..PLACES.len()).collect();
        places.retain(|_| self.random.chance(2, 3));
        let has_offset = self.random.chance(1, 3);
        let done = self.work(number, &places, has_offset).await;
        let is_commit = match done {
            Ok(()) => self.random.chance(3, 4),
            Err(Next::Go) => {
                // What was given sequence numbers and not sent leaves a gap in this epoch.
                self.is_tainted = true;
                false
            }
            Err(next) => return next,
        };
        if self.random.chance(1, 25) {
            // Perhaps for longer than a transaction may take.
            self.hang().await;
        }
        let is_empty = places.is_empty() && !has_offset;
        if is_empty && (is_commit || !self.is_two()) {
            // Clients do not end what never began.
            return Next::Go;
        }
        self.end(number, is_commit).await
    }

    async fn hang(&mut self) {
        let hang = Duration::from_micros(self.random.below(3_000_000));
        if hang.as_millis() > u128::from(self.client.timeout_ms.unsigned_abs()) {
            self.outcomes.note_overdue();
        }
        self.core.sleep(hang).await;
    }

    /// Writes and commits offsets; `Err(Next::Go)` where the transaction is to be aborted.
    async fn work(&mut self, number: u32, places: &[Place], has_offset: bool) -> Result<(), Next> {
        if !self.is_two() {
            for place in places {
                self.add_partition(*place).await?;
            }
        }
        let mut waiting = self.parcels(number, places);
        while !waiting.is_empty() {
            waiting = self.write(waiting).await?;
            if self.random.chance(1, 60) {
                self.hang().await;
            }
        }
        if has_offset {
            self.commit_offset(number).await?;
        }
        Ok(())
    }

    async fn add_partition(&mut self, place: Place) -> Result<(), Next> {
        let (topic, index, _) = PLACES[place];
        let request = AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: self.client.transactional_id().into(),
            v3_and_below_producer_id: self.who.0.0,
            v3_and_below_producer_epoch: self.who.1.0,
            v3_and_below_topics: vec![AddPartitionsToTxnTopic {
                name: topic.into(),
                partitions: vec![index],
            }],
            ..Default::default()
        };
        let code = |answer: &Answer| {
            let response =
                answer.decode::<<AddPartitionsToTxnRequest<'_> as Request>::Response<'_>>();
            let response = response.expect("an answer");
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
        };
        let (code, _) = self.ask(&request, 3, code).await;
        self.judge(code)
    }

    /// What a refusal means for the transaction.
    fn judge(&self, code: ErrorCode) -> Result<(), Next> {
        match code {
            ErrorCode::None => Ok(()),
            ErrorCode::ProducerFenced
            | ErrorCode::InvalidProducerEpoch
            | ErrorCode::InvalidProducerIdMapping => Err(Next::Over),
            // It took too long.
            ErrorCode::InvalidTxnState | ErrorCode::TransactionAbortable => Err(Next::Go),
            code => panic!("{:?} as {:?}: {code:?}", self.life, self.who),
        }
    }

    /// The batches of a transaction, in order.
    fn parcels(&mut self, number: u32, places: &[Place]) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        if places.is_empty() {
            return parcels;
        }
        let count = self.random.below(BATCHES_MAX);
        for index in 0..count.max(places.len() as u64) {
            // Each partition is written to, as clients add what they write to.
            let place = match places.get(usize::try_from(index).unwrap()) {
                Some(place) => *place,
                None => places[usize::try_from(self.random.below(places.len() as u64)).unwrap()],
            };
            parcels.push(self.parcel(number, place));
        }
        parcels
    }

    fn parcel(&mut self, number: u32, place: Place) -> Parcel {
        let mut options = batches::options(self.who.0.0, 0, &mut self.random);
        options.producer_epoch = self.who.1;
        options.base_sequence = self.sequences[place];
        options.is_transactional = true;
        let mut builder = BatchBuilder::new(options);
        let count = 1 + self.random.below(4);
        let names = (0..count).map(|_| self.outcomes.send(number, place));
        let names: Vec<Name> = names.collect();
        for name in &names {
            let key = PLACES[place].2.then(|| key_of(*name));
            builder.append(self.core.wall(), key.as_deref(), Some(&name.value()), &[]);
        }
        self.sequences[place] += i32::try_from(count).unwrap();
        let mut bytes = Vec::new();
        builder.build(&mut bytes).expect("records compress");
        Parcel {
            place,
            ticket: self.outcomes.send_batch(number, place, &names),
            names,
            bytes: Bytes::from(bytes),
        }
    }

    fn produce_request(&self, parcel: &Parcel) -> ProduceRequest<'static> {
        let (topic, index, _) = PLACES[parcel.place];
        let length = u32::try_from(parcel.bytes.len()).unwrap();
        ProduceRequest {
            transactional_id: Some(self.client.transactional_id().into()),
            acks: -1,
            timeout_ms: 1_500,
            topic_data: vec![TopicProduceData {
                name: topic.into(),
                partition_data: vec![PartitionProduceData {
                    index,
                    records: Records::External { token: 0, length },
                }],
                ..Default::default()
            }],
        }
    }

    /// Sends as many as may be under way; those that are to be sent again, and the rest.
    async fn write(&mut self, mut waiting: Vec<Parcel>) -> Result<Vec<Parcel>, Next> {
        let Some(connection) = self.writing.connection().await else {
            return Ok(waiting);
        };
        let version = self.version(9, 12);
        let mut rest = waiting.split_off(waiting.len().min(IN_FLIGHT_MAX));
        let mut pending = Vec::new();
        let mut is_begun = [false; PLACES.len()];
        for parcel in waiting {
            let externals = [parcel.bytes.clone()];
            let request = self.produce_request(&parcel);
            let sent = self
                .writing
                .start(&connection, &request, version, &externals);
            // A copy may overtake what it repeats, but nothing that goes before that: of a
            // producer that it does not know a partition takes any sequence number (KIP-360).
            let is_first = !std::mem::replace(&mut is_begun[parcel.place], true);
            if is_first {
                self.maybe_late(|| request, version, &externals);
            }
            pending.push((parcel, sent, is_first));
        }
        if self.random.chance(1, 25) {
            // Before the answers are there.
            let soon = Duration::from_micros(self.random.below(3_000));
            self.core.sleep(soon).await;
            self.writing.hang_up();
        }
        drop(connection);
        let mut again = Vec::new();
        let mut verdict = Ok(());
        let mut is_lacking = [false; PLACES.len()];
        for (mut parcel, sent, is_first) in pending {
            let is_behind = &mut is_lacking[parcel.place];
            let is_taken = match sent {
                Ok(answer) => match answer.await {
                    Ok(answer) => self.read(&mut parcel, &answer, *is_behind),
                    Err(_) => {
                        self.is_tainted = true;
                        Ok(false)
                    }
                },
                Err(_) => Ok(false),
            };
            if is_taken == Ok(true) && !is_first {
                let request = self.produce_request(&parcel);
                self.maybe_late(|| request, version, std::slice::from_ref(&parcel.bytes));
            } else if is_taken != Ok(true) {
                *is_behind = true;
                again.push(parcel);
            }
            verdict = verdict.and(is_taken.map(|_| ()));
        }
        verdict?;
        if !again.is_empty() {
            self.core.sleep(PAUSE).await;
        }
        again.append(&mut rest);
        Ok(again)
    }

    /// Whether the batch is there for good; `is_behind` says that one before it is not.
    fn read(
        &mut self,
        parcel: &mut Parcel,
        answer: &Answer,
        is_behind: bool,
    ) -> Result<bool, Next> {
        let response = answer.decode::<<ProduceRequest<'_> as Request>::Response<'_>>();
        let response = response.expect("an answer");
        let partition = &response.responses[0].partition_responses[0];
        match ErrorCode::from_code(partition.error_code) {
            ErrorCode::None => {
                assert!(partition.base_offset >= 0, "the node says where");
                if let Some(ticket) = parcel.ticket.take() {
                    let offset = Offset(partition.base_offset);
                    self.outcomes.batch_acked(ticket, offset);
                }
                let offsets = partition.base_offset..;
                for (name, offset) in parcel.names.iter().zip(offsets) {
                    self.outcomes.acked(parcel.place, Offset(offset), *name);
                }
                Ok(true)
            }
            // One that was lost may have been appended, or never come.
            ErrorCode::RequestTimedOut => {
                self.is_tainted = true;
                Ok(false)
            }
            ErrorCode::OutOfOrderSequenceNumber if is_behind => Ok(false),
            ErrorCode::OutOfOrderSequenceNumber => panic!(
                "{:?} as {:?}: of five batches under way the first one is not known any more",
                self.life, self.who
            ),
            code if passes(code) => Ok(false),
            code => self.judge(code).map(|()| true),
        }
    }

    /// Commits the transaction's number as an offset of the client's group.
    async fn commit_offset(&mut self, number: u32) -> Result<(), Next> {
        let group = self.client.group();
        if !self.is_two() {
            let request = AddOffsetsToTxnRequest {
                transactional_id: self.client.transactional_id().into(),
                producer_id: self.who.0.0,
                producer_epoch: self.who.1.0,
                group_id: group.clone().into(),
            };
            let code = |answer: &Answer| {
                let response =
                    answer.decode::<<AddOffsetsToTxnRequest<'_> as Request>::Response<'_>>();
                response.expect("an answer").error_code
            };
            let (code, _) = self.ask(&request, 3, code).await;
            self.judge(code)?;
        }
        let (topic, index, _) = PLACES[0];
        let request = TxnOffsetCommitRequest {
            transactional_id: self.client.transactional_id().into(),
            group_id: group.into(),
            producer_id: self.who.0.0,
            producer_epoch: self.who.1.0,
            generation_id_or_member_epoch: -1,
            topics: vec![TxnOffsetCommitRequestTopic {
                name: topic.into(),
                partitions: vec![TxnOffsetCommitRequestPartition {
                    partition_index: index,
                    committed_offset: i64::from(number),
                    committed_leader_epoch: -1,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let version = self.version(3, 5);
        let copy = request.clone();
        self.maybe_late(|| copy, version, &[]);
        let code = |answer: &Answer| {
            let response = answer.decode::<<TxnOffsetCommitRequest<'_> as Request>::Response<'_>>();
            response.expect("an answer").topics[0].partitions[0].error_code
        };
        let (code, _) = self.ask(&request, version, code).await;
        self.judge(code)?;
        self.outcomes.offset_sent(number);
        Ok(())
    }

    /// Ends the transaction, and is told how it ended.
    async fn end(&mut self, number: u32, is_commit: bool) -> Next {
        self.outcomes.ending(number, is_commit);
        let request = EndTxnRequest {
            transactional_id: self.client.transactional_id().into(),
            producer_id: self.who.0.0,
            producer_epoch: self.who.1.0,
            committed: is_commit,
        };
        let version = self.version(3, 5);
        let was_tainted = std::mem::take(&mut self.is_tainted);
        let copy = request.clone();
        let mut may_be_done = self.maybe_late(|| copy, version, &[]);
        let (code, answer) = self.ask(&request, version, |answer| end(answer).0).await;
        may_be_done |= self.is_tainted;
        self.is_tainted |= was_tainted;
        if code == ErrorCode::None {
            self.outcomes.ended(number, is_commit);
            if self.is_two() {
                let (_, id, epoch) = end(&answer);
                self.named((ProducerId(id), ProducerEpoch(epoch)));
                self.is_tainted = false;
            }
            return if self.is_tainted {
                Next::Anew
            } else {
                Next::Go
            };
        }
        // Where it is the only answer, it has not been committed.
        if !may_be_done || !is_commit {
            self.outcomes.ended(number, false);
        }
        match self.judge(code) {
            Err(Next::Over) => Next::Over,
            _ => Next::Anew,
        }
    }
}

/// Whether what was refused so may be done all the same.
const fn is_open(code: ErrorCode) -> bool {
    let was_not_begun = matches!(
        code,
        ErrorCode::ConcurrentTransactions | ErrorCode::CoordinatorLoadInProgress
    );
    !was_not_begun
}

fn init(answer: &Answer) -> (i16, i64, i16) {
    let response = answer.decode::<<InitProducerIdRequest<'_> as Request>::Response<'_>>();
    let response = response.expect("an answer");
    (
        response.error_code,
        response.producer_id,
        response.producer_epoch,
    )
}

fn end(answer: &Answer) -> (i16, i64, i16) {
    let response = answer.decode::<<EndTxnRequest<'_> as Request>::Response<'_>>();
    let response = response.expect("an answer");
    (
        response.error_code,
        response.producer_id,
        response.producer_epoch,
    )
}
