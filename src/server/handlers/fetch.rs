//! Fetch (key 1), versions 0-18: reads record batches.
//!
//! Waits until `min_bytes` are there or `max_wait_ms` is over, woken by what becomes durable and
//! never by a timer in between. Hot batches leave from the memory they were appended to, sealed
//! segments by `sendfile`.
//!
//! Deviations from Apache Kafka: a session belongs to the core of its connection (KIP-227 lets
//! the client start over). `rack_id` finds no other replica on a single node. Versions 0-3, which
//! Kafka 4 dropped, are served with batches made the message sets of their time; a consumer whose
//! limit is smaller than a message gets that message whole instead of a useless part of it.
//!
//! - 0: message sets of format 0 (`forebay.legacy.protocol.enable`, as all below 4)
//! - 1: the response gains throttle_time_ms (KIP-13)
//! - 2: message sets of format 1, with timestamps (KIP-32)
//! - 3: max_bytes for the whole answer (KIP-74)
//! - 4: isolation level, aborted transactions (KIP-98); the first version of Kafka 4 (KIP-896)
//! - 5: log_start_offset both ways (KIP-107)
//! - 6: KAFKA_STORAGE_ERROR may be answered (KIP-112)
//! - 7: sessions (KIP-227)
//! - 8: the same layout (KIP-219)
//! - 9: current_leader_epoch (KIP-320)
//! - 10: zstd may be read (KIP-110)
//! - 11: rack_id, preferred_read_replica (KIP-392)
//! - 12: flexible encoding (KIP-482), last_fetched_epoch (KIP-595)
//! - 13: topics by id (KIP-516)
//! - 14: OFFSET_MOVED_TO_TIERED_STORAGE may be answered (KIP-405)
//! - 15: replica_state in place of replica_id (KIP-903)
//! - 16: endpoints of new leaders (KIP-951)
//! - 17: replica directories (KIP-853)
//! - 18: the replica's high watermark (KIP-1166)

use std::borrow::Cow;
use std::time::Duration;

use access::Operation;
use base::{ErrorCode, LeaderEpoch, Offset, Random, Uuid};
use broker::{FetchError, FetchRequest as ReadRequest, Fetched, Isolation, PartitionId, Portion};
use wire::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use wire::{Records, WireError};

use crate::access::Access;
use crate::answer::{Answer, Part, Question, Response};
use crate::context::Context;
use crate::fault;
use crate::handlers::{check_epoch, locate, read};
use crate::legacy;
use crate::sessions::{Plan, SessionRequest, Told, TopicKey, Wanted};
use crate::table::Request;

/// The first version that names topics by id.
const BY_ID_VERSION: i16 = 13;
/// The first version that limits the answer as a whole; before, each partition had its own limit.
const MAX_BYTES_VERSION: i16 = 3;
/// The first version whose clients know KAFKA_STORAGE_ERROR (KIP-112).
const STORAGE_ERROR_VERSION: i16 = 6;
/// The first version with sessions.
const SESSION_VERSION: i16 = 7;

/// The limits of one request.
#[derive(Clone)]
struct Limits {
    access: Access,
    bytes_min: u64,
    bytes_max: u64,
    wait_max: Duration,
    isolation: Isolation,
    version: i16,
}

/// One partition's answer so far.
struct Line {
    wanted: Wanted,
    outcome: Result<Fetched, ErrorCode>,
}

/// Plans the session, then reads as often as it takes.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: FetchRequest<'_> = read(&mut request)?;
    let limits = Limits {
        access: context.access(),
        bytes_min: u64::try_from(asked.min_bytes).unwrap_or(0),
        bytes_max: bytes_max(context, asked.max_bytes),
        wait_max: Duration::from_millis(u64::try_from(asked.max_wait_ms).unwrap_or(0)),
        isolation: if asked.isolation_level == 1 {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        },
        version: question.version,
    };
    let plan = match plan(context, question.version, &asked) {
        Ok(plan) => plan,
        Err(code) => {
            let response = FetchResponse {
                error_code: code.code(),
                ..FetchResponse::default()
            };
            return Ok(question.answer(&response));
        }
    };
    let context = context.clone();
    Ok(Answer::Later(Box::pin(async move {
        let lines = gather(&context, &plan, &limits).await;
        respond(&context, question, &plan, lines)
    })))
}

fn bytes_max(context: &Context, asked: i32) -> u64 {
    let configured = u64::from(context.broker().config().network.fetch_bytes_max);
    u64::try_from(asked).unwrap_or(0).min(configured)
}

fn plan(context: &Context, version: i16, asked: &FetchRequest<'_>) -> Result<Plan, ErrorCode> {
    let by_id = version >= BY_ID_VERSION;
    let mut wanted = Vec::new();
    for topic in &asked.topics {
        let key = topic_key(by_id, &topic.topic, topic.topic_id);
        for partition in &topic.partitions {
            wanted.push(Wanted {
                topic: key.clone(),
                index: partition.partition,
                fetch_offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
            });
        }
    }
    if version < SESSION_VERSION {
        return Ok(Plan {
            session_id: 0,
            incremental: false,
            wanted,
        });
    }
    let mut forgotten = Vec::new();
    for topic in &asked.forgotten_topics_data {
        let key = topic_key(by_id, &topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.iter().map(|index| (key.clone(), *index)));
    }
    let request = SessionRequest {
        id: asked.session_id,
        epoch: asked.session_epoch,
        by_id,
    };
    let mut random = Random::new(context.core().entropy());
    let mut sessions = context.server.sessions.borrow_mut();
    sessions.plan(
        context.core().now(),
        &mut random,
        request,
        wanted,
        &forgotten,
    )
}

fn topic_key(by_id: bool, name: &str, id: Uuid) -> TopicKey {
    if by_id {
        TopicKey {
            name: String::new(),
            id,
        }
    } else {
        TopicKey {
            name: name.to_owned(),
            id: Uuid::ZERO,
        }
    }
}

/// Reads all partitions, again and again, until there is enough, an error, or no time left.
async fn gather(context: &Context, plan: &Plan, limits: &Limits) -> Vec<Line> {
    let deadline = context.core().now() + limits.wait_max;
    loop {
        let lines = read_all(context, plan, limits).await;
        let left = deadline.saturating_sub(context.core().now());
        if is_enough(&lines, limits) || left.is_zero() || context.broker().is_stopping() {
            return lines;
        }
        // Watched before the second look, so that nothing that becomes durable in between is
        // missed; the first look spares a busy partition the watch.
        let woken = context
            .broker()
            .watch(&placed(context, plan, &limits.access));
        let lines = read_all(context, plan, limits).await;
        if is_enough(&lines, limits) {
            return lines;
        }
        // Either end leads back to reading: for what came, or for the answer at the deadline.
        let _ = reactor::first(woken, context.core().sleep(left)).await;
    }
}

/// Whether a client that waits for so many bytes is answered now: errors are told at once.
fn is_enough(lines: &[Line], limits: &Limits) -> bool {
    let bytes: u64 = lines.iter().map(Line::len).sum();
    bytes >= limits.bytes_min || lines.iter().any(|line| line.outcome.is_err())
}

/// The partitions of the plan that are led here.
fn placed(context: &Context, plan: &Plan, access: &Access) -> Vec<PartitionId> {
    plan.wanted
        .iter()
        .filter_map(|wanted| place(context, access, wanted).ok())
        .collect()
}

fn place(context: &Context, access: &Access, wanted: &Wanted) -> Result<PartitionId, ErrorCode> {
    let broker = context.broker();
    let image = broker.image();
    if wanted.topic.id.is_zero() {
        access.topic(Operation::Read, &wanted.topic.name)?;
        return locate(&image, broker.node_id(), &wanted.topic.name, wanted.index);
    }
    let topic = image
        .topic_by_id(wanted.topic.id)
        .ok_or(ErrorCode::UnknownTopicId)?;
    access.topic(Operation::Read, &topic.name)?;
    locate(&image, broker.node_id(), &topic.name, wanted.index)
}

/// Reads every partition once. What is left of the request's bytes goes down from partition to
/// partition; the first one that has anything gives at least one whole batch (KIP-74).
async fn read_all(context: &Context, plan: &Plan, limits: &Limits) -> Vec<Line> {
    let mut lines = Vec::with_capacity(plan.wanted.len());
    let mut left = limits.bytes_max;
    let mut at_least_one = true;
    for wanted in &plan.wanted {
        let outcome = read_one(context, wanted, left, at_least_one, limits).await;
        if let Ok(fetched) = &outcome {
            left = left.saturating_sub(fetched.len);
            let each = limits.version < MAX_BYTES_VERSION && left > 0;
            at_least_one &= fetched.len == 0 || each;
        }
        lines.push(Line {
            wanted: wanted.clone(),
            outcome,
        });
    }
    lines
}

async fn read_one(
    context: &Context,
    wanted: &Wanted,
    left: u64,
    at_least_one: bool,
    limits: &Limits,
) -> Result<Fetched, ErrorCode> {
    let id = place(context, &limits.access, wanted)?;
    let partition_max = u64::try_from(wanted.bytes_max).unwrap_or(0);
    let request = ReadRequest {
        offset: Offset(wanted.fetch_offset),
        bytes_max: base::usize_from_u64(partition_max.min(left)),
        at_least_one,
        isolation: limits.isolation,
    };
    if let Some(format) = legacy::format_of_fetch(limits.version) {
        return legacy::fetch(context, id, request, format).await;
    }
    let believed = LeaderEpoch(wanted.current_leader_epoch);
    let fetched = context
        .broker()
        .on_partition(id, move |partition| async move {
            check_epoch(partition.leader_epoch(), believed)?;
            partition
                .fetch(request)
                .await
                .map_err(|error: FetchError| fault::of_fetch(&error))
        });
    match fetched.await {
        Ok(fetched) => fetched,
        Err(unavailable) => Err(fault::of_unavailable(unavailable)),
    }
}

impl Line {
    fn len(&self) -> u64 {
        self.outcome.as_ref().map_or(0, |fetched| fetched.len)
    }
}

fn respond(
    context: &Context,
    question: Question,
    plan: &Plan,
    lines: Vec<Line>,
) -> Result<Response, WireError> {
    let mut topics: Vec<FetchableTopicResponse<'_>> = Vec::new();
    let mut pieces: Vec<Vec<Part>> = Vec::new();
    for line in lines {
        if !tell(context, plan, &line) {
            continue;
        }
        let key = line.wanted.topic.clone();
        let mut data = partition_data(line, &mut pieces);
        if question.version < STORAGE_ERROR_VERSION
            && data.error_code == ErrorCode::KafkaStorageError.code()
        {
            data.error_code = ErrorCode::NotLeaderOrFollower.code();
        }
        match topics.last_mut() {
            Some(topic) if topic.topic == key.name && topic.topic_id == key.id => {
                topic.partitions.push(data);
            }
            _ => topics.push(FetchableTopicResponse {
                topic: Cow::Owned(key.name),
                topic_id: key.id,
                partitions: vec![data],
            }),
        }
    }
    let response = FetchResponse {
        session_id: plan.session_id,
        responses: topics,
        ..FetchResponse::default()
    };
    question.encode_with(&response, pieces)
}

/// Notes in the session what the client is about to hear; false when it need not hear it.
fn tell(context: &Context, plan: &Plan, line: &Line) -> bool {
    if plan.session_id == 0 {
        return true;
    }
    let told = match &line.outcome {
        Ok(fetched) => Told {
            high_watermark: fetched.high_watermark.0,
            log_start_offset: fetched.log_start_offset.0,
        },
        Err(_) => Told {
            high_watermark: -1,
            log_start_offset: -1,
        },
    };
    let notable = line.outcome.is_err() || line.len() > 0;
    let mut sessions = context.server.sessions.borrow_mut();
    let must = sessions.tell(plan.session_id, &line.wanted, told, notable);
    must || !plan.incremental
}

/// One partition's part of the response. Its records are never null: an empty answer has empty
/// records, which some clients insist on.
fn partition_data(line: Line, pieces: &mut Vec<Vec<Part>>) -> PartitionData<'static> {
    let partition_index = line.wanted.index;
    let fetched = match line.outcome {
        Ok(fetched) => fetched,
        Err(code) => {
            return PartitionData {
                partition_index,
                error_code: code.code(),
                high_watermark: -1,
                last_stable_offset: -1,
                log_start_offset: -1,
                records: Records::Borrowed(&[]),
                ..PartitionData::default()
            };
        }
    };
    let aborted = fetched.aborted.iter().map(|one| AbortedTransaction {
        producer_id: one.producer_id.get(),
        first_offset: one.first_offset.0,
    });
    let aborted = aborted.collect();
    let records = if fetched.len == 0 {
        Records::Borrowed(&[])
    } else {
        let token = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(fetched.len).unwrap_or(u32::MAX);
        pieces.push(fetched.portions.into_iter().map(part).collect());
        Records::External { token, length }
    };
    PartitionData {
        partition_index,
        high_watermark: fetched.high_watermark.0,
        last_stable_offset: fetched.last_stable_offset.0,
        log_start_offset: fetched.log_start_offset.0,
        aborted_transactions: Some(aborted),
        records,
        ..PartitionData::default()
    }
}

fn part(portion: Portion) -> Part {
    match portion {
        Portion::Memory(bytes) => Part::Bytes(bytes),
        Portion::File(range) => Part::File(range),
    }
}
