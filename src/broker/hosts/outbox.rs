//! What a machine has said and the device does not have yet: records in batches, and behind them
//! what has to wait for them.
//!
//! Invariants: batches are numbered in the order in which their records were said; a thing is held
//! until the last batch said before it, and all batches before that one, are durable; things leave
//! in the order they came in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{ProducerId, Timestamp};
use batch::{BatchBuilder, BatchOptions, Compression};
use coordinator::{Producer, Record};

use super::marker::MarkerRequest;

/// Two appends keep the device busy while records gather for the next.
const IN_FLIGHT_MAX: usize = 2;

/// The number of a batch, counted from the first one of its partition's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchNumber(pub(crate) u64);

impl BatchNumber {
    fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What goes into the log in one piece.
pub(crate) enum Sending {
    /// A batch of records.
    Batch(Vec<u8>),
    /// The end of a producer's transaction.
    Marker(MarkerRequest),
}

/// The records of one machine that are on their way, and the things that wait for them.
pub(crate) struct Outbox<T> {
    gathering: BatchBuilder,
    /// In whose transaction the records are that are gathered.
    producer: Option<Producer>,
    compression: Compression,
    /// The number that the batch which is gathered will have.
    number: BatchNumber,
    /// What is complete and waits for its turn.
    full: VecDeque<(BatchNumber, Sending)>,
    /// The ends of transactions that are not known to be in the log.
    ends: BTreeMap<BatchNumber, MarkerRequest>,
    /// Batches on their way to the device.
    flying: BTreeSet<BatchNumber>,
    held: VecDeque<(BatchNumber, T)>,
    batch_bytes_max: usize,
}

impl<T> Outbox<T> {
    /// Nothing on its way; the first batch will be `number`. A batch takes no further step once it
    /// has `batch_bytes_max` bytes.
    pub(crate) fn new(
        number: BatchNumber,
        compression: Compression,
        batch_bytes_max: usize,
    ) -> Self {
        Self {
            gathering: builder(compression, None),
            producer: None,
            compression,
            number,
            full: VecDeque::new(),
            ends: BTreeMap::new(),
            flying: BTreeSet::new(),
            held: VecDeque::new(),
            batch_bytes_max,
        }
    }

    /// The number that the next batch will have.
    pub(crate) fn number(&self) -> BatchNumber {
        self.number
    }

    /// Takes in the records of one step, which may be in a producer's transaction.
    pub(crate) fn put(&mut self, now: Timestamp, records: &[Record], producer: Option<Producer>) {
        if records.is_empty() {
            return;
        }
        if self.producer != producer {
            self.close_gathering();
            self.gathering = builder(self.compression, producer);
            self.producer = producer;
        }
        let step_bytes: usize = records.iter().map(bytes_of).sum();
        let gathered = self.gathering.plain_bytes();
        if self.gathering.record_count() > 0 && gathered + step_bytes > self.batch_bytes_max {
            self.close_batch();
        }
        for record in records {
            self.gathering
                .append(now, Some(&record.key), record.value.as_deref(), &[]);
        }
        assert!(self.gathering.record_count() > 0, "a step's records are in");
    }

    /// Takes in the end of a producer's transaction.
    pub(crate) fn put_marker(&mut self, marker: MarkerRequest) {
        self.close_gathering();
        self.ends.insert(self.number, marker);
        self.close(Sending::Marker(marker));
    }

    /// The end of a producer's transaction that is on its way into the log: whatever is said from
    /// now on comes behind it.
    pub(crate) fn end_of(&self, id: ProducerId) -> Option<MarkerRequest> {
        let ends = self.ends.values().filter(|end| end.producer_id == id);
        ends.max_by_key(|end| end.producer_epoch).copied()
    }

    fn close_gathering(&mut self) {
        if self.gathering.record_count() > 0 {
            self.close_batch();
        }
    }

    /// Takes in a thing; gives it back when nothing that it rests upon is on its way.
    pub(crate) fn hold(&mut self, thing: T) -> Option<T> {
        if self.is_empty() {
            assert!(self.held.is_empty(), "a thing is held for a batch");
            return Some(thing);
        }
        let last = if self.gathering.record_count() > 0 {
            self.number
        } else {
            BatchNumber(self.number.0.saturating_sub(1))
        };
        self.held.push_back((last, thing));
        None
    }

    /// The next batch to append, when another one may be on its way.
    pub(crate) fn next_batch(&mut self) -> Option<(BatchNumber, Sending)> {
        if self.flying.len() >= IN_FLIGHT_MAX {
            return None;
        }
        if self.full.is_empty() && self.gathering.record_count() > 0 {
            self.close_batch();
        }
        let (number, sending) = self.full.pop_front()?;
        self.flying.insert(number);
        Some((number, sending))
    }

    fn close_batch(&mut self) {
        let mut bytes = Vec::with_capacity(self.gathering.plain_bytes());
        let built = self.gathering.build(&mut bytes);
        assert!(built.is_ok(), "levels were checked when they were set");
        self.close(Sending::Batch(bytes));
    }

    fn close(&mut self, sending: Sending) {
        self.full.push_back((self.number, sending));
        self.number = self.number.next();
    }

    /// Notes that a batch is durable; gives the things that may leave now.
    pub(crate) fn durable(&mut self, number: BatchNumber) -> Vec<T> {
        let was_flying = self.flying.remove(&number);
        assert!(was_flying, "a batch becomes durable once");
        self.ends.remove(&number);
        let first_missing = self.first_missing();
        let held = self.held.iter();
        let ready = held.take_while(|(needs, _)| *needs < first_missing);
        let ready = ready.count();
        let released = self.held.drain(..ready);
        released.map(|(_, thing)| thing).collect()
    }

    /// The first batch that is not durable.
    fn first_missing(&self) -> BatchNumber {
        let flying = self.flying.first().copied();
        let full = self.full.front().map(|(number, _)| *number);
        flying.or(full).unwrap_or(self.number)
    }

    /// True when everything said is durable.
    pub(crate) fn is_empty(&self) -> bool {
        self.gathering.record_count() == 0 && self.full.is_empty() && self.flying.is_empty()
    }
}

/// What gathers a batch; one without sequence numbers, as coordinators write.
fn builder(compression: Compression, producer: Option<Producer>) -> BatchBuilder {
    let mut options = BatchOptions {
        compression,
        ..BatchOptions::default()
    };
    if let Some(producer) = producer {
        options.producer_id = producer.id;
        options.producer_epoch = producer.epoch;
        options.is_transactional = true;
    }
    BatchBuilder::new(options)
}

/// About what a record takes in a batch.
fn bytes_of(record: &Record) -> usize {
    const FRAME_BYTES: usize = 20;
    FRAME_BYTES + record.key.len() + record.value.as_ref().map_or(0, Vec::len)
}
