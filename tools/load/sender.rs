//! One connection's producing: records at their moments, or as many as fit in flight.
//!
//! Invariant: a record's latency counts from the moment at which it should have left, also when it
//! had to wait for room.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use base::PartitionIndex;
use batch::{BatchBuilder, BatchOptions};
use client::{Client, ClientError, Delivery, Producer, ProducerOptions};
use reactor::{Core, Signal};

use crate::options::Options;
use crate::payload::Payload;
use crate::running::Running;
use crate::schedule::Schedule;
use crate::spread::Spread;
use crate::tally::{Tally, Window};

/// Sleeps shorter than this are not worth their wake-up; others' tasks run meanwhile.
const SLEEP_MIN: Duration = Duration::from_micros(50);

/// Sends until the window ends.
pub(crate) struct Sender {
    core: Core,
    producer: Producer,
    options: Options,
    /// Where batches go, and how many are under way to each.
    targets: Vec<Target>,
    spread: Spread,
    turn: usize,
    payload: Payload,
    window: Window,
    tally: Rc<RefCell<Tally>>,
    /// The tasks that wait for the fate of a batch.
    notes: Running,
    /// A batch was settled.
    settled: Signal,
}

#[derive(Clone)]
struct Target {
    partition: PartitionIndex,
    in_flight: Rc<Cell<usize>>,
}

/// When the records of one batch should have left.
#[derive(Clone, Copy)]
enum Moments {
    /// All when the batch was handed over.
    Once(Duration),
    /// One by one.
    Scheduled { schedule: Schedule, first: u64 },
}

impl Sender {
    pub(crate) async fn new(
        client: &Client,
        options: &Options,
        partitions: Vec<PartitionIndex>,
        (mark, window): (u64, Window),
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Self, ClientError> {
        let producer_options = ProducerOptions {
            acks: options.acks(),
            is_idempotent: options.idempotent,
            in_flight_max: options.in_flight,
            buffer_bytes_max: options.window_bytes,
            ..ProducerOptions::default()
        };
        Ok(Self {
            core: client.core().clone(),
            producer: Producer::new(client, producer_options).await?,
            options: options.clone(),
            spread: Spread::new(partitions.len(), options.hot_percent, options.hot_share),
            targets: partitions
                .into_iter()
                .map(|partition| Target {
                    partition,
                    in_flight: Rc::default(),
                })
                .collect(),
            turn: 0,
            payload: Payload::new(mark, options.record_bytes),
            window,
            tally,
            notes: Running::default(),
            settled: Signal::new(),
        })
    }

    /// Sends at `rate` records a second, or as much as possible, and waits for the last answer.
    pub(crate) async fn run(mut self, rate: Option<f64>) {
        match rate {
            Some(rate) => self.run_at(Schedule::new(self.core.now(), rate)).await,
            None => self.run_flat_out().await,
        }
        self.producer.settled().await;
        self.notes.all_ended().await;
    }

    async fn run_at(&mut self, schedule: Schedule) {
        let mut builder = self.builder();
        let mut next: u64 = 0;
        while self.core.now() < self.window.end {
            let first = next;
            let closes = schedule.moment(first) + self.options.linger();
            // As in Kafka's clients: a batch leaves when it is full or has lingered, but it goes on
            // filling while its partition has as many under way as are allowed.
            while !self.is_full(&builder) {
                let (now, moment) = (self.core.now(), schedule.moment(next));
                if moment <= now {
                    self.append(&mut builder, moment);
                    next += 1;
                } else if builder.record_count() == 0 {
                    self.pause(moment.saturating_sub(now)).await;
                } else if self.has_room() && now >= closes {
                    break;
                } else {
                    let until = if now < closes {
                        moment.min(closes)
                    } else {
                        moment
                    };
                    let settled = self.settled.wait();
                    reactor::first(settled, self.pause(until.saturating_sub(now))).await;
                }
            }
            self.send(&mut builder, Moments::Scheduled { schedule, first })
                .await;
        }
    }

    async fn run_flat_out(&mut self) {
        let mut builder = self.builder();
        while self.core.now() < self.window.end {
            let now = self.core.now();
            while !self.is_full(&builder) {
                self.append(&mut builder, now);
            }
            self.send(&mut builder, Moments::Once(now)).await;
            self.core.yield_now().await;
        }
    }

    fn builder(&self) -> BatchBuilder {
        let compression = self.options.compression();
        BatchBuilder::new(BatchOptions {
            compression,
            ..BatchOptions::default()
        })
    }

    fn is_full(&self, builder: &BatchBuilder) -> bool {
        let with_another = builder.plain_bytes() + self.options.record_bytes;
        builder.record_count() > 0 && with_another > self.options.batch_bytes
    }

    fn append(&mut self, builder: &mut BatchBuilder, moment: Duration) {
        let timestamp = self.core.wall();
        builder.append(timestamp, None, Some(self.payload.stamped(moment)), &[]);
    }

    async fn pause(&self, until_next: Duration) {
        if until_next < SLEEP_MIN {
            self.core.yield_now().await;
        } else {
            self.core.sleep(until_next).await;
        }
    }

    fn target(&self) -> Option<&Target> {
        self.targets.get(self.spread.place(self.turn)?)
    }

    /// Whether the partition whose turn it is may have another batch under way.
    fn has_room(&self) -> bool {
        self.target()
            .is_some_and(|target| target.in_flight.get() < self.options.in_flight)
    }

    /// Hands a batch over and leaves a task behind that takes note of its fate.
    async fn send(&mut self, builder: &mut BatchBuilder, moments: Moments) {
        let Some(target) = self.target().cloned() else {
            return;
        };
        self.turn = self.turn.wrapping_add(1);
        let count = builder.record_count();
        let topic = &self.options.topic;
        let delivery = match self
            .producer
            .deliver(topic, target.partition, builder)
            .await
        {
            Ok(delivery) => delivery,
            Err(error) => {
                return self
                    .tally
                    .borrow_mut()
                    .fail(&error.what(), u64::from(count));
            }
        };
        let noted = Noted {
            count,
            moments,
            bytes_each: self.options.record_bytes,
        };
        let tally = Rc::clone(&self.tally);
        let note = note(self.core.clone(), delivery, noted, self.window, tally);
        let settled = self.settled.clone();
        target.in_flight.set(target.in_flight.get() + 1);
        self.notes.spawn(&self.core, async move {
            note.await;
            target
                .in_flight
                .set(target.in_flight.get().saturating_sub(1));
            settled.notify();
        });
    }
}

/// What a batch held.
struct Noted {
    count: u32,
    moments: Moments,
    bytes_each: usize,
}

async fn note(
    core: Core,
    delivery: Delivery,
    noted: Noted,
    window: Window,
    tally: Rc<RefCell<Tally>>,
) {
    let outcome = delivery.outcome().await;
    let now = core.now();
    let mut tally = tally.borrow_mut();
    let count = u64::from(noted.count);
    if let Err(error) = outcome {
        tally.fail(&format!("{}: {}", error.what(), error.why()), count);
        return;
    }
    if window.contains(now) {
        tally.produced.count(count, count * noted.bytes_each as u64);
    }
    for index in 0..count {
        let moment = match noted.moments {
            Moments::Once(moment) => moment,
            Moments::Scheduled { schedule, first } => schedule.moment(first + index),
        };
        if window.contains(moment) {
            tally.produced.record(now.saturating_sub(moment));
        }
    }
}
