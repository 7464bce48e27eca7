//! DescribeProducers (key 61), version 0: who wrote to partitions, and which transactions are open
//! there (KIP-664).
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout, flexible from the start

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use access::Operation;
use base::{ErrorCode, Offset};
use broker::{ActiveProducer, Unavailable};
use metadata::decide::validate_topic_name;
use wire::WireError;
use wire::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState,
    TopicResponse,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{locate, read};
use crate::table::Request;

type Asked = Pin<Box<dyn Future<Output = Result<Vec<ActiveProducer>, Unavailable>>>>;

/// One partition's line before its core has answered.
enum Line {
    Known(i32, ErrorCode, Option<String>),
    Asked(i32, Asked),
}

/// Asks every partition at once, and answers when all have.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeProducersRequest<'_> = read(&mut request)?;
    let topics: Vec<(String, Vec<Line>)> = asked
        .topics
        .iter()
        .map(|topic| {
            let indexes = topic.partition_indexes.iter();
            let lines = indexes.map(|index| ask(context, &topic.name, *index));
            (topic.name.to_string(), lines.collect())
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut answered = Vec::with_capacity(topics.len());
        for (name, lines) in topics {
            let mut partitions = Vec::with_capacity(lines.len());
            for line in lines {
                partitions.push(line.end().await);
            }
            answered.push(TopicResponse {
                name: Cow::Owned(name),
                partitions,
            });
        }
        question.encode(&DescribeProducersResponse {
            throttle_time_ms: 0,
            topics: answered,
        })
    })))
}

fn ask(context: &Context, topic: &str, index: i32) -> Line {
    if let Err(refusal) = validate_topic_name(topic) {
        return Line::Known(index, refusal.code, Some(refusal.message));
    }
    if let Err(code) = context.access().topic(Operation::Read, topic) {
        return Line::Known(index, code, Some(denied(code).message));
    }
    let broker = context.broker();
    match locate(&broker.image(), broker.node_id(), topic, index) {
        Ok(id) => {
            let asked = broker.on_partition(id, |partition| {
                std::future::ready(partition.active_producers())
            });
            Line::Asked(index, Box::pin(asked))
        }
        Err(code) => {
            let text = "This server does not host this topic-partition.";
            Line::Known(index, code, Some(text.to_owned()))
        }
    }
}

impl Line {
    async fn end(self) -> PartitionResponse<'static> {
        let (index, code, text, producers) = match self {
            Self::Known(index, code, text) => (index, code, text, Vec::new()),
            Self::Asked(index, asked) => match asked.await {
                Ok(producers) => (index, ErrorCode::None, None, producers),
                Err(unavailable) => {
                    let code = fault::of_unavailable(unavailable);
                    (index, code, Some(unavailable.to_string()), Vec::new())
                }
            },
        };
        PartitionResponse {
            partition_index: index,
            error_code: code.code(),
            error_message: text.map(Cow::Owned),
            active_producers: producers.iter().map(written).collect(),
        }
    }
}

fn written(producer: &ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: producer.id.get(),
        producer_epoch: i32::from(producer.epoch.get()),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp.get(),
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.map_or(-1, Offset::get),
    }
}

#[cfg(test)]
#[path = "../tests/describe_producers_tests.rs"]
mod tests;
