//! AddPartitionsToTxn (key 24), versions 0-5: partitions take part in a transaction.
//!
//! Up to version 3 a producer asks for one transaction; from 4 on brokers ask for several, or only
//! whether partitions take part (KIP-890).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-98)
//! - 1: the same layout (KIP-219)
//! - 2: PRODUCER_FENCED may be answered (KIP-588)
//! - 3: flexible encoding (KIP-482)
//! - 4: several transactions, and verifying (KIP-890)
//! - 5: TRANSACTION_ABORTABLE may be answered (KIP-890)

use std::time::Duration;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use access::Operation;
use base::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use broker::coordinator::transaction::{
    AddPartitionsAsk, Answer as Coordinated, Ask, VerifyPartitionsAsk,
};
use metadata::Image;
use wire::WireError;
use wire::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction,
};

use crate::access::Access;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{read, transactions};
use crate::table::Request;

/// The first version that carries several transactions.
const SEVERAL_VERSION_MIN: i16 = 4;
/// The first version that knows PRODUCER_FENCED.
const FENCED_VERSION_MIN: i16 = 2;

/// Codes of partitions.
type Codes = Vec<(TopicPartition, ErrorCode)>;

/// Asks the coordinator of each transaction.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let mut asked: AddPartitionsToTxnRequest<'_> = read(&mut request)?;
    let is_single = question.version < SEVERAL_VERSION_MIN;
    if is_single {
        asked.transactions = vec![AddPartitionsToTxnTransaction {
            transactional_id: asked.v3_and_below_transactional_id,
            producer_id: asked.v3_and_below_producer_id,
            producer_epoch: asked.v3_and_below_producer_epoch,
            verify_only: false,
            topics: asked.v3_and_below_topics,
        }];
    }
    let image = context.broker().image();
    let asking: Vec<_> = asked
        .transactions
        .iter()
        .map(|one| {
            let id = one.transactional_id.to_string();
            (id, begin(context, &image, question.version, one))
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut results = Vec::with_capacity(asking.len());
        for (transactional_id, asking) in asking {
            results.push(AddPartitionsToTxnResult {
                transactional_id: Cow::Owned(transactional_id),
                topic_results: by_topic(asking.await),
            });
        }
        let mut response = AddPartitionsToTxnResponse::default();
        if is_single {
            let only = results.pop().unwrap_or_default();
            response.results_by_topic_v3_and_below = only.topic_results;
        } else {
            response.results_by_transaction = results;
        }
        question.encode(&response)
    })))
}

/// Begins to ask for one transaction. A producer's partitions join together or not at all.
fn begin(
    context: &Context,
    image: &Image,
    version: i16,
    asked: &AddPartitionsToTxnTransaction<'_>,
) -> Pin<Box<dyn Future<Output = Codes>>> {
    let partitions = match check(&context.access(), image, version, asked) {
        Ok(partitions) => partitions,
        Err(codes) => return Box::pin(std::future::ready(codes)),
    };
    let transactional_id = asked.transactional_id.to_string();
    let (producer_id, producer_epoch) = (
        ProducerId(asked.producer_id),
        ProducerEpoch(asked.producer_epoch),
    );
    let ask = if asked.verify_only {
        Ask::VerifyPartitions(VerifyPartitionsAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            partitions: partitions.clone(),
        })
    } else {
        Ask::AddPartitions(AddPartitionsAsk {
            transactional_id,
            producer_id,
            producer_epoch,
            partitions: partitions.clone(),
            level: transactions::level(version, SEVERAL_VERSION_MIN),
            wait: Duration::ZERO,
            is_legacy: version < FENCED_VERSION_MIN,
        })
    };
    let asking = transactions::ask(context, ask);
    Box::pin(async move {
        let same = |code: ErrorCode| partitions.into_iter().map(|one| (one, code)).collect();
        match asking.await {
            Coordinated::VerifyPartitions(Ok(codes)) => codes,
            Coordinated::AddPartitions(Ok(())) => same(ErrorCode::None),
            Coordinated::AddPartitions(Err(refusal))
            | Coordinated::VerifyPartitions(Err(refusal)) => same(refusal.code),
            other => transactions::mismatched(&other),
        }
    })
}

/// The partitions, if all of them exist and the client may write to them in this transaction; else
/// a code for each.
fn check(
    access: &Access,
    image: &Image,
    version: i16,
    asked: &AddPartitionsToTxnTransaction<'_>,
) -> Result<Vec<TopicPartition>, Codes> {
    let partitions = transactions::partitions(image, &asked.topics);
    // Only brokers ask for several transactions.
    let whole = if version >= SEVERAL_VERSION_MIN {
        access.cluster(Operation::ClusterAction)
    } else {
        access.transactional_id(Operation::Write, &asked.transactional_id)
    };
    let judge = |partition: &TopicPartition, exists: bool| -> Result<(), ErrorCode> {
        whole?;
        if version < SEVERAL_VERSION_MIN {
            access.topic(Operation::Write, &partition.topic)?;
        }
        exists
            .then_some(())
            .ok_or(ErrorCode::UnknownTopicOrPartition)
    };
    let judged = partitions.into_iter().map(|(partition, exists)| {
        let judged = judge(&partition, exists);
        (partition, judged)
    });
    let judged: Vec<_> = judged.collect();
    if judged.iter().all(|(_, judged)| judged.is_ok()) {
        return Ok(judged.into_iter().map(|(one, _)| one).collect());
    }
    let codes = judged.into_iter();
    let code =
        |judged: Result<(), ErrorCode>| judged.err().unwrap_or(ErrorCode::OperationNotAttempted);
    Err(codes.map(|(one, judged)| (one, code(judged))).collect())
}

fn by_topic(codes: Codes) -> Vec<AddPartitionsToTxnTopicResult<'static>> {
    let mut topics: Vec<AddPartitionsToTxnTopicResult<'static>> = Vec::new();
    for (partition, code) in codes {
        let result = AddPartitionsToTxnPartitionResult {
            partition_index: partition.partition.0,
            partition_error_code: code.code(),
        };
        match topics.last_mut() {
            Some(last) if last.name == partition.topic => last.results_by_partition.push(result),
            _ => topics.push(AddPartitionsToTxnTopicResult {
                name: Cow::Owned(partition.topic),
                results_by_partition: vec![result],
            }),
        }
    }
    topics
}
