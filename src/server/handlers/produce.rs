//! Produce (key 0), versions 0-13: appends record batches.
//!
//! Every partition's batch is placed in its log, on the core that owns it, before the next request
//! of the connection is looked at; the answer waits for the device (or for memory, where
//! `forebay.ack.durability` says so). With acks=0 nothing is answered, and a failure ends the
//! connection, since the producer has no other way to hear of it. Before the first batch of a
//! transaction in a partition the transaction's coordinator is asked (KIP-890).
//!
//! Deviations from Apache Kafka: acknowledged records are on the device, not in a page cache.
//! A request that brings several batches for one partition is refused, as there. Versions 0-2,
//! which Kafka 4 dropped, are served with the message sets of their time made one batch.
//!
//! - 0: message sets (`forebay.legacy.protocol.enable`, as all below 3)
//! - 1: the response gains throttle_time_ms (KIP-13)
//! - 2: timestamps (KIP-32); the response gains log_append_time_ms
//! - 3: record batches of format version 2, transactional id (KIP-98); the first version of Kafka
//!   4 (KIP-896)
//! - 4: KAFKA_STORAGE_ERROR may be answered (KIP-112)
//! - 5: the response gains log_start_offset (KIP-107)
//! - 6: the same layout (KIP-219)
//! - 7: zstd may be sent (KIP-110)
//! - 8: refused records are named one by one (KIP-467)
//! - 9: flexible encoding (KIP-482)
//! - 10: the new leader in case of NOT_LEADER_OR_FOLLOWER (KIP-951)
//! - 11: ABORTABLE_TRANSACTION may be answered (KIP-890)
//! - 12: implicit AddPartitionsToTxn (KIP-890)
//! - 13: topics by id (KIP-516)

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use access::Operation;
use base::{ErrorCode, PartitionIndex, TopicPartition, Uuid};
use broker::{
    AppendError, AppendOutcome, AppendRequest, Appender, Custom, InTransaction, PartitionId,
    Unavailable,
};
use metadata::Image;
use reactor::{Bytes, First, first};
use wire::produce::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceResponse,
};
use wire::{Records, WireError};

use crate::access::Access;
use crate::answer::{Answer, Question, Response};
use crate::context::{Connection, Context};
use crate::fault;
use crate::handlers::shown::is_internal;
use crate::handlers::{locate, read};
use crate::legacy;
use crate::table::Request;

/// The first version that names topics by id.
const BY_ID_VERSION: i16 = 13;
/// The first version that brings record batches alone.
const BATCHES_VERSION: i16 = 3;
/// The first version in which zstd may be sent.
const ZSTD_VERSION: i16 = 7;
/// The first version in which TRANSACTION_ABORTABLE may be answered.
const ABORTABLE_VERSION: i16 = 11;
/// The first version in which writing adds a partition to its transaction.
const IMPLICIT_VERSION: i16 = 12;

/// Only a client of this name may write to the topics that the node writes itself, as in Kafka.
const ADMIN_CLIENT_ID: &str = "__admin_client";

type Appending = Pin<Box<dyn Future<Output = Outcome>>>;
type Outcome = Result<Result<AppendOutcome, AppendError>, Unavailable>;

/// One partition's part of the request, begun.
struct Part {
    index: i32,
    state: State,
}

enum State {
    Refused(ErrorCode),
    Begun(Appending),
}

struct Topic {
    name: String,
    id: Uuid,
    parts: Vec<Part>,
}

/// Begins all appends and answers when all of them ended.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let frame = request.frame.clone();
    let asked: ProduceRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let allowed = Allowed {
        access: context.access(),
        whole: whole_refusal(context, &asked),
        may_write_internal: request.client_id == ADMIN_CLIENT_ID,
    };
    let mut topics = Vec::with_capacity(asked.topic_data.len());
    for data in &asked.topic_data {
        let (name, id) = named(&image, question.version, &data.name, data.topic_id);
        let by_id = question.version >= BY_ID_VERSION;
        let writable = allowed.topic(&name, by_id);
        let mut parts = Vec::with_capacity(data.partition_data.len());
        for partition in &data.partition_data {
            let begun = writable.and_then(|()| {
                let place = place(
                    context,
                    &image,
                    question.version,
                    (&name, id),
                    partition.index,
                )?;
                let records = share(&frame, partition.records, question.version)?;
                let request = AppendRequest {
                    records,
                    acks_all: asked.acks == -1,
                    zstd_allowed: question.version >= ZSTD_VERSION,
                    appender: Appender::Producer,
                };
                let whose = whose(context, question.version, &asked, (&name, place), &request)?;
                Ok(begin(context, place, request, whose))
            });
            let state = begun.map_or_else(State::Refused, State::Begun);
            parts.push(Part {
                index: partition.index,
                state,
            });
        }
        topics.push(Topic { name, id, parts });
    }
    if asked.acks == 0 {
        let connection = Rc::clone(&context.connection);
        context.core().spawn(report_silently(topics, connection));
        return Ok(Answer::Silence);
    }
    let core = context.core().clone();
    let patience = Duration::from_millis(u64::try_from(asked.timeout_ms).unwrap_or(0));
    Ok(Answer::Later(Box::pin(async move {
        let deadline = core.now() + patience;
        let mut answered = Vec::with_capacity(topics.len());
        for topic in topics {
            let mut partitions = Vec::with_capacity(topic.parts.len());
            for part in topic.parts {
                let left = deadline.saturating_sub(core.now());
                partitions.push(end(&core, part, left).await);
            }
            answered.push(TopicProduceResponse {
                name: Cow::Owned(topic.name),
                topic_id: topic.id,
                partition_responses: partitions,
            });
        }
        write(question, answered)
    })))
}

fn write(
    question: Question,
    responses: Vec<TopicProduceResponse<'_>>,
) -> Result<Response, WireError> {
    question.encode(&ProduceResponse {
        responses,
        ..ProduceResponse::default()
    })
}

/// What the client may write.
struct Allowed {
    access: Access,
    /// Why nothing at all.
    whole: Option<ErrorCode>,
    may_write_internal: bool,
}

impl Allowed {
    fn topic(&self, name: &str, by_id: bool) -> Result<(), ErrorCode> {
        if let Some(code) = self.whole {
            return Err(code);
        }
        // An id that nobody knows has no name; its place tells so.
        if by_id && name.is_empty() {
            return Ok(());
        }
        self.access.topic(Operation::Write, name)?;
        if is_internal(name) && !self.may_write_internal {
            return Err(ErrorCode::InvalidTopicException);
        }
        Ok(())
    }
}

/// Why the request as a whole is refused.
fn whole_refusal(context: &Context, asked: &ProduceRequest<'_>) -> Option<ErrorCode> {
    let transactional_id = asked.transactional_id.as_deref();
    let denied = transactional_id.and_then(|id| {
        let access = context.access();
        access.transactional_id(Operation::Write, id).err()
    });
    let bad_acks = !matches!(asked.acks, -1..=1);
    denied.or(bad_acks.then_some(ErrorCode::InvalidRequiredAcks))
}

/// The topic's name and id, whichever the request brought; the other one is empty when unknown.
fn named(image: &Image, version: i16, name: &str, id: Uuid) -> (String, Uuid) {
    if version >= BY_ID_VERSION {
        let name = image.topic_by_id(id).map(|topic| topic.name.to_string());
        (name.unwrap_or_default(), id)
    } else {
        (
            name.to_owned(),
            image.topic(name).map_or(Uuid::ZERO, |topic| topic.id),
        )
    }
}

fn place(
    context: &Context,
    image: &Image,
    version: i16,
    (name, id): (&str, Uuid),
    index: i32,
) -> Result<PartitionId, ErrorCode> {
    if version >= BY_ID_VERSION && image.topic_by_id(id).is_none() {
        return Err(ErrorCode::UnknownTopicId);
    }
    let found = locate(image, context.broker().node_id(), name, index)?;
    assert_eq!(found.index, PartitionIndex(index));
    Ok(found)
}

/// The records as a view of the frame that outlives this call; those of old clients as a batch.
fn share(frame: &Bytes, records: Records<'_>, version: i16) -> Result<Bytes, ErrorCode> {
    let Records::Borrowed(bytes) = records else {
        return Err(ErrorCode::InvalidRecord);
    };
    let start = (bytes.as_ptr() as usize).checked_sub(frame.as_ptr() as usize);
    let end = start.and_then(|start| start.checked_add(bytes.len()));
    let (Some(start), Some(end)) = (start, end) else {
        return Err(ErrorCode::InvalidRecord);
    };
    assert!(end <= frame.len(), "records are read from their frame");
    let records = frame.slice(start..end);
    if version < BATCHES_VERSION {
        legacy::upgraded(records)
    } else {
        Ok(records)
    }
}

/// Whose transaction the batch belongs to, where the coordinator is to be asked about it.
fn whose(
    context: &Context,
    version: i16,
    asked: &ProduceRequest<'_>,
    (topic, place): (&str, PartitionId),
    request: &AppendRequest,
) -> Result<Option<InTransaction>, ErrorCode> {
    // What is no batch is refused where batches are judged.
    let Ok(Some((view, _))) = batch::next_batch(&request.records) else {
        return Ok(None);
    };
    let producer = view.producer();
    let Some(producer) = producer.filter(|_| view.attributes().is_transactional()) else {
        return Ok(None);
    };
    // Nobody may write in the transaction of an id that is not told.
    let transactional_id = asked
        .transactional_id
        .as_ref()
        .ok_or(ErrorCode::TransactionalIdAuthorizationFailed)?;
    let custom = match version {
        IMPLICIT_VERSION.. => Custom::Added,
        ABORTABLE_VERSION.. => Custom::VerifiedAbortable,
        _ => Custom::Verified,
    };
    let is_asked = custom == Custom::Added || context.broker().verifies_transactions();
    Ok(is_asked.then(|| InTransaction {
        transactional_id: transactional_id.to_string(),
        producer,
        partition: TopicPartition {
            topic: topic.to_owned(),
            partition: place.index,
        },
        custom,
    }))
}

/// Places the batch in its log now; what is given back waits for the device.
fn begin(
    context: &Context,
    id: PartitionId,
    request: AppendRequest,
    whose: Option<InTransaction>,
) -> Appending {
    let broker = context.broker();
    match whose {
        None => Box::pin(broker.append(id, request)),
        Some(whose) => Box::pin(broker.append_in_transaction(id, request, whose)),
    }
}

async fn end(
    core: &reactor::Core,
    part: Part,
    patience: Duration,
) -> PartitionProduceResponse<'static> {
    let index = part.index;
    let outcome = match part.state {
        State::Refused(code) => return refusal(index, code, None, Vec::new()),
        State::Begun(appending) => first(appending, core.sleep(patience)).await,
    };
    match outcome {
        First::Left(Ok(Ok(appended))) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset.0,
            log_append_time_ms: appended.log_append_time.0,
            log_start_offset: appended.log_start_offset.0,
            ..PartitionProduceResponse::default()
        },
        First::Left(Ok(Err(error))) => {
            let (code, message, records) = fault::of_append(&error);
            refusal(index, code, message, records)
        }
        First::Left(Err(unavailable)) => {
            refusal(index, fault::of_unavailable(unavailable), None, Vec::new())
        }
        // The batch may still become durable; an idempotent producer finds out by asking again.
        First::Right(()) => refusal(index, ErrorCode::RequestTimedOut, None, Vec::new()),
    }
}

fn refusal(
    index: i32,
    code: ErrorCode,
    message: Option<String>,
    records: Vec<(i32, Option<String>)>,
) -> PartitionProduceResponse<'static> {
    let records = records
        .into_iter()
        .map(|(batch_index, message)| BatchIndexAndErrorMessage {
            batch_index,
            batch_index_error_message: message.map(Cow::Owned),
        });
    PartitionProduceResponse {
        index,
        error_code: code.code(),
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
        record_errors: records.collect(),
        error_message: message.map(Cow::Owned),
        ..PartitionProduceResponse::default()
    }
}

/// With acks=0 the only way to tell a producer of a failure is to end its connection.
async fn report_silently(topics: Vec<Topic>, connection: Rc<Connection>) {
    for part in topics.into_iter().flat_map(|topic| topic.parts) {
        let failed = match part.state {
            State::Refused(_) => true,
            State::Begun(appending) => !matches!(appending.await, Ok(Ok(_))),
        };
        if failed {
            connection.close_for("a produce request with acks=0 failed");
        }
    }
}
