//! Sending batches to partitions, and records to batches.
//!
//! Lifecycle: a [`Producer`] opens one lane per partition on first use; dropping it lets the lanes
//! end when what they have is settled.
//!
//! Invariant: what waits or travels takes at most `buffer_bytes_max`, plus one batch.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId};
use batch::BatchBuilder;
use reactor::{Bytes, Reply, Signal, reply};
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::cluster::Client;
use crate::error::ClientError;
use crate::lane::{Lane, LaneOptions, Sealed};
use crate::produce::{Acks, Produced};

/// How a producer behaves, and its limits.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// When the broker answers.
    pub acks: Acks,
    /// Whether the broker drops what arrives twice (KIP-98); needs [`Acks::All`].
    pub is_idempotent: bool,
    /// How many batches of one partition may be under way; brokers remember five.
    pub in_flight_max: usize,
    /// How many bytes may wait or travel in all.
    pub buffer_bytes_max: usize,
    /// For how long a batch is tried.
    pub delivery_time_max: Duration,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            is_idempotent: true,
            in_flight_max: 5,
            buffer_bytes_max: 32 << 20,
            delivery_time_max: Duration::from_secs(120),
        }
    }
}

/// Sends batches, each partition's in order.
pub struct Producer {
    client: Client,
    options: ProducerOptions,
    identity: Option<(ProducerId, ProducerEpoch)>,
    lanes: RefCell<BTreeMap<String, BTreeMap<PartitionIndex, Entry>>>,
    buffered_bytes: Rc<Cell<usize>>,
    relieved: Signal,
}

struct Entry {
    lane: Rc<Lane>,
    next_sequence: i32,
}

/// A batch's fate, to be awaited.
pub struct Delivery {
    reply: Reply<Result<Produced, ClientError>>,
}

impl Producer {
    /// A producer, with an id from the cluster if it is to be idempotent.
    ///
    /// # Errors
    /// When the cluster gives no id.
    pub async fn new(client: &Client, options: ProducerOptions) -> Result<Self, ClientError> {
        assert!(
            !options.is_idempotent || options.acks == Acks::All,
            "an idempotent producer waits for all replicas"
        );
        let identity = if options.is_idempotent {
            Some(identify(client).await?)
        } else {
            None
        };
        Ok(Self {
            client: client.clone(),
            options,
            identity,
            lanes: RefCell::default(),
            buffered_bytes: Rc::default(),
            relieved: Signal::new(),
        })
    }

    /// Sends the builder's records to a partition as one batch and empties the builder. Waits only
    /// for room.
    ///
    /// # Errors
    /// When the records cannot be compressed.
    pub async fn deliver(
        &self,
        topic: &str,
        partition: PartitionIndex,
        builder: &mut BatchBuilder,
    ) -> Result<Delivery, ClientError> {
        while self.buffered_bytes.get() >= self.options.buffer_bytes_max {
            self.relieved.wait().await;
        }
        self.deliver_now(topic, partition, builder)
    }

    /// As [`Producer::deliver`], without waiting for room: the caller bounds what is under way.
    ///
    /// # Errors
    /// When the records cannot be compressed.
    pub fn deliver_now(
        &self,
        topic: &str,
        partition: PartitionIndex,
        builder: &mut BatchBuilder,
    ) -> Result<Delivery, ClientError> {
        let mut lanes = self.lanes.borrow_mut();
        if !lanes.contains_key(topic) {
            lanes.insert(topic.to_owned(), BTreeMap::new());
        }
        let of_topic = lanes.entry(topic.to_owned()).or_default();
        let entry = of_topic
            .entry(partition)
            .or_insert_with(|| self.open_lane(topic, partition));
        if let Some((id, epoch)) = self.identity {
            builder.options.producer_id = id;
            builder.options.producer_epoch = epoch;
            builder.options.base_sequence = entry.next_sequence;
        }
        let count = i32::try_from(builder.record_count()).unwrap_or(i32::MAX);
        let mut bytes = Vec::with_capacity(builder.plain_bytes());
        builder.build(&mut bytes)?;
        // Sequence numbers wrap from the greatest to zero (KIP-98).
        entry.next_sequence = entry.next_sequence.wrapping_add(count) & i32::MAX;
        let (replier, reply) = reply();
        let deadline = self.client.core().now() + self.options.delivery_time_max;
        entry.lane.push(Sealed {
            records: Bytes::from(bytes),
            deadline,
            replier,
        });
        Ok(Delivery { reply })
    }

    /// Waits until nothing waits or travels any more, whatever became of it.
    pub async fn settled(&self) {
        while self.buffered_bytes.get() > 0 {
            self.relieved.wait().await;
        }
    }

    /// How many bytes wait or travel.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes.get()
    }

    fn open_lane(&self, topic: &str, partition: PartitionIndex) -> Entry {
        let options = LaneOptions {
            acks: self.options.acks,
            in_flight_max: self.options.in_flight_max.max(1),
            request_timeout: self.client.options().request_timeout,
            is_idempotent: self.options.is_idempotent,
        };
        let meter = (Rc::clone(&self.buffered_bytes), self.relieved.clone());
        let lane = Lane::start(&self.client, topic, partition, options, meter);
        Entry {
            lane,
            next_sequence: 0,
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        for entry in self.lanes.borrow().values().flat_map(BTreeMap::values) {
            entry.lane.close();
        }
    }
}

impl Delivery {
    /// Waits until the batch is acknowledged or given up.
    ///
    /// # Errors
    /// Why it was given up.
    pub async fn outcome(self) -> Result<Produced, ClientError> {
        match self.reply.await {
            Ok(result) => result,
            Err(_gone) => Err(ClientError::Closed {
                peer: "the producer".to_owned(),
                detail: "it was dropped with batches under way".to_owned(),
            }),
        }
    }
}

/// Asks the cluster for a producer id.
async fn identify(client: &Client) -> Result<(ProducerId, ProducerEpoch), ClientError> {
    let give_up = client.core().now() + client.options().retry_time_max;
    let request = InitProducerIdRequest {
        transactional_id: None,
        // Without a transactional id nothing times out; Kafka's producer sends the same.
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    loop {
        let answer = client.ask_any(&request, Duration::ZERO).await?;
        let response: InitProducerIdResponse = answer.decode()?;
        let code = ErrorCode::from_code(response.error_code);
        if code == ErrorCode::None {
            let epoch = ProducerEpoch(response.producer_epoch);
            return Ok((ProducerId(response.producer_id), epoch));
        }
        let subject = "a producer id".to_owned();
        let error = ClientError::Refused {
            subject,
            code,
            message: None,
        };
        if !error.is_retriable() || client.core().now() >= give_up {
            return Err(error);
        }
        client.core().sleep(client.options().retry_pause).await;
    }
}
