//! The way of one partition's batches: in order, several under way, again after a failure that
//! may pass.
//!
//! Invariants: batches are started in the order in which they were given; after a failure nothing
//! new is started before every batch behind the failed one is settled, and what failed goes first.
//! All that is under way is on one connection, so that no batch overtakes one that got lost: a
//! broker that knows nothing of a producer takes any sequence number for its first. And no batch is
//! started before all but the last few in front of it are settled, even if some behind those are: a
//! broker remembers only so many.
//! With a producer id the broker drops what it has twice (KIP-98); without one, a batch whose
//! answer was lost may be there twice, as with every Kafka producer.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, Timestamp};
use reactor::{Bytes, First, Replier, Signal, first};

use crate::cluster::Client;
use crate::connection::{Answer, Connection, Pending};
use crate::error::ClientError;
use crate::produce::{self, Acks, Parcel, Produced};

/// How a lane sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaneOptions {
    pub(crate) acks: Acks,
    pub(crate) in_flight_max: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) is_idempotent: bool,
}

/// A batch that waits or travels.
pub(crate) struct Sealed {
    pub(crate) records: Bytes,
    /// When it is given up.
    pub(crate) deadline: Duration,
    pub(crate) replier: Replier<Result<Produced, ClientError>>,
}

/// One partition's batches.
pub(crate) struct Lane {
    client: Client,
    topic: String,
    partition: PartitionIndex,
    options: LaneOptions,
    /// Each with how many were given before it.
    queue: RefCell<VecDeque<(u64, Sealed)>>,
    given: Cell<u64>,
    queued: Signal,
    is_closed: Cell<bool>,
    /// Bytes that wait or travel, in all lanes of one producer.
    buffered_bytes: Rc<Cell<usize>>,
    relieved: Signal,
}

/// A batch under way.
struct Flight {
    place: u64,
    sealed: Sealed,
    /// The answer to come, and over which connection; nothing when it could not even be started.
    pending: Option<Pending>,
    connection: Option<Connection>,
    failure: Option<ClientError>,
}

impl Lane {
    pub(crate) fn start(
        client: &Client,
        topic: &str,
        partition: PartitionIndex,
        options: LaneOptions,
        (buffered_bytes, relieved): (Rc<Cell<usize>>, Signal),
    ) -> Rc<Self> {
        let lane = Rc::new(Self {
            client: client.clone(),
            topic: topic.to_owned(),
            partition,
            options,
            queue: RefCell::default(),
            given: Cell::new(0),
            queued: Signal::new(),
            is_closed: Cell::new(false),
            buffered_bytes,
            relieved,
        });
        client.core().spawn(run(Rc::clone(&lane)));
        lane
    }

    /// Takes a batch to be sent behind all that were given before.
    pub(crate) fn push(&self, sealed: Sealed) {
        self.buffered_bytes
            .set(self.buffered_bytes.get() + sealed.records.len());
        let place = self.given.get();
        self.given.set(place + 1);
        self.queue.borrow_mut().push_back((place, sealed));
        self.queued.notify();
    }

    /// Lets the lane end when what it has is settled.
    pub(crate) fn close(&self) {
        self.is_closed.set(true);
        self.queued.notify();
    }

    /// The next batch, when it is one of the few that may be under way with the oldest.
    fn next_within(&self, oldest: Option<u64>) -> Option<(u64, Sealed)> {
        let in_flight_max = self.options.in_flight_max as u64;
        let mut queue = self.queue.borrow_mut();
        let (place, _) = queue.front()?;
        let is_within = oldest.is_none_or(|oldest| place - oldest < in_flight_max);
        if is_within { queue.pop_front() } else { None }
    }

    fn settle(&self, sealed: Sealed, result: Result<Produced, ClientError>) {
        let left = self.buffered_bytes.get().checked_sub(sealed.records.len());
        assert!(left.is_some(), "a batch settled twice");
        self.buffered_bytes.set(left.unwrap_or(0));
        sealed.replier.send(result);
        self.relieved.notify();
    }

    /// Starts a batch behind `before`, unless that would take another connection.
    async fn launch(
        &self,
        (place, sealed): (u64, Sealed),
        before: Option<&Flight>,
    ) -> Option<Flight> {
        let before = before.and_then(|flight| flight.connection.as_ref());
        match self.try_launch(&sealed.records, before).await {
            Ok(Some((pending, connection))) => Some(Flight {
                place,
                sealed,
                pending: Some(pending),
                connection: Some(connection),
                failure: None,
            }),
            Ok(None) => {
                let nowhere = Produced {
                    base_offset: Offset(-1),
                    append_time: Timestamp::NONE,
                };
                self.settle(sealed, Ok(nowhere));
                None
            }
            Err(error) => Some(Flight {
                place,
                sealed,
                pending: None,
                connection: None,
                failure: Some(error),
            }),
        }
    }

    async fn try_launch(
        &self,
        records: &Bytes,
        before: Option<&Connection>,
    ) -> Result<Option<(Pending, Connection)>, ClientError> {
        let leader = self.client.leader(&self.topic, self.partition).await?;
        let connection = self.client.broker(leader.node).await?;
        if before.is_some_and(|before| !before.is_same(&connection)) {
            return Err(self.lost());
        }
        connection.ready().await;
        let parcel = Parcel {
            topic: &self.topic,
            topic_id: leader.topic_id,
            partition: self.partition,
            records: records.clone(),
        };
        let options = &self.options;
        let pending = produce::start(&connection, &parcel, options.acks, options.request_timeout)?;
        if pending.is_none() {
            // Nobody will say that it arrived; at least it must have left this process.
            connection.written().await?;
        }
        Ok(pending.map(|pending| (pending, connection)))
    }

    fn read(&self, answer: Result<Answer, ClientError>) -> Result<Produced, ClientError> {
        let subject = format!("{}-{}", self.topic, self.partition);
        match produce::read(&answer?, &subject) {
            // The broker has it already, from an attempt whose answer was lost.
            Err(ClientError::Refused {
                code: ErrorCode::DuplicateSequenceNumber,
                ..
            }) => Ok(Produced {
                base_offset: Offset(-1),
                append_time: Timestamp::NONE,
            }),
            result => result,
        }
    }

    /// After a failure: settles what is under way, and puts what may be tried again back in front.
    async fn recover(&self, failed: Flight, error: ClientError, flying: VecDeque<Flight>) {
        let mut again = VecDeque::new();
        let mut fatal = self.give_up(&failed.sealed, &error).then_some(error);
        match &fatal {
            Some(error) => self.settle(failed.sealed, Err(error.clone())),
            None => again.push_back((failed.place, failed.sealed)),
        }
        for mut flight in flying {
            let result = match flight.pending.take() {
                Some(pending) => self.read(pending.await),
                None => Err(flight.failure.take().unwrap_or_else(|| self.lost())),
            };
            match result {
                Ok(produced) => self.settle(flight.sealed, Ok(produced)),
                Err(error) => {
                    // Behind a failed batch an idempotent one is out of order until that came.
                    let follows = !again.is_empty() && is_out_of_order(&error);
                    if follows || !self.give_up(&flight.sealed, &error) {
                        again.push_back((flight.place, flight.sealed));
                    } else {
                        self.settle(flight.sealed, Err(error.clone()));
                        fatal.get_or_insert(error);
                    }
                }
            }
        }
        let mut queue = self.queue.borrow_mut();
        while let Some(sealed) = again.pop_back() {
            queue.push_front(sealed);
        }
        if let (Some(error), true) = (&fatal, self.options.is_idempotent) {
            // With a gap in the sequence numbers nothing behind it can be accepted.
            let hopeless = std::mem::take(&mut *queue);
            drop(queue);
            for (_, sealed) in hopeless {
                self.settle(sealed, Err(error.clone()));
            }
        }
        self.client.forget(&self.topic);
    }

    fn give_up(&self, sealed: &Sealed, error: &ClientError) -> bool {
        !error.is_retriable() || self.client.core().now() >= sealed.deadline
    }

    fn lost(&self) -> ClientError {
        let subject = format!("{}-{}", self.topic, self.partition);
        ClientError::NoLeader {
            subject,
            node: None,
        }
    }
}

fn is_out_of_order(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Refused {
            code: ErrorCode::OutOfOrderSequenceNumber,
            ..
        }
    )
}

async fn run(lane: Rc<Lane>) {
    let mut flying: VecDeque<Flight> = VecDeque::new();
    loop {
        let woken = lane.queued.wait();
        // Behind a batch that could not be started nothing is, so that the order stays.
        let is_grounded = |flight: &Flight| flight.pending.is_none();
        while !flying.back().is_some_and(is_grounded) {
            let oldest = flying.front().map(|flight| flight.place);
            let Some(next) = lane.next_within(oldest) else {
                break;
            };
            let launched = lane.launch(next, flying.back()).await;
            flying.extend(launched);
        }
        let is_full = flying.len() >= lane.options.in_flight_max;
        let Some(oldest) = flying.front_mut() else {
            if lane.is_closed.get() {
                return;
            }
            woken.await;
            continue;
        };
        let result = match &mut oldest.pending {
            Some(pending) => match answered_or_woken(pending, woken, is_full).await {
                Some(answer) => lane.read(answer),
                None => continue,
            },
            None => Err(oldest.failure.take().unwrap_or_else(|| lane.lost())),
        };
        let Some(oldest) = flying.pop_front() else {
            continue;
        };
        match result {
            Ok(produced) => lane.settle(oldest.sealed, Ok(produced)),
            Err(error) => {
                lane.recover(oldest, error, std::mem::take(&mut flying))
                    .await;
                lane.client
                    .core()
                    .sleep(lane.client.options().retry_pause)
                    .await;
            }
        }
    }
}

/// The oldest batch's answer, or nothing when there is something new to start meanwhile.
async fn answered_or_woken(
    pending: &mut Pending,
    woken: impl Future<Output = ()>,
    is_full: bool,
) -> Option<Result<Answer, ClientError>> {
    if is_full {
        return Some(pending.await);
    }
    match first(pending, woken).await {
        First::Left(answer) => Some(answer),
        First::Right(()) => None,
    }
}
