//! CreateTopics (key 19), versions 0-7: topics by name with partitions, replicas, configuration.
//!
//! Each topic is decided on its own; the answer comes when the created ones serve.
//!
//! Deviations from Apache Kafka: a topic that was only validated is answered without an id, since
//! none was given. When the client's timeout ends first it is told REQUEST_TIMED_OUT, as in Kafka,
//! but what was begun goes on; Kafka drops what its controller has not begun.
//!
//! - 0: first layout (`forebay.legacy.protocol.enable`, as all below 2)
//! - 1: the request gains validate_only, the response error_message (KIP-4)
//! - 2: the response gains throttle_time_ms (KIP-124); the first version of Kafka 4 (KIP-896)
//! - 3: the same layout (KIP-219)
//! - 4: -1 asks for the default number of partitions and replicas (KIP-464); older versions get
//!   it too, as in Kafka
//! - 5: flexible encoding (KIP-482); the response gains partitions, replicas and configuration
//!   (KIP-525)
//! - 6: the same layout (KIP-599)
//! - 7: the response gains topic_id (KIP-516)

use std::borrow::Cow;
use std::collections::BTreeSet;

use access::Operation;
use base::{ErrorCode, NodeId, Uuid};
use metadata::Refusal;
use metadata::decide::{CreatedTopic, NewTopic};
use wire::WireError;
use wire::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::fault;
use crate::handlers::{begin, read, within};
use crate::table::Request;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: CreateTopicsRequest<'_> = read(&mut request)?;
    let (patience_ms, validate_only) = (asked.timeout_ms, asked.validate_only);
    let access = context.access();
    let may_all = access.cluster(Operation::Create).is_ok();
    let may = |topic: &NewTopic| may_all || access.topic(Operation::Create, &topic.name).is_ok();
    let topics = asked.topics.iter().map(new_topic);
    let (topics, hidden): (Vec<_>, Vec<_>) = topics.partition(may);
    let hidden = hidden.into_iter().map(|topic| topic.name).collect();
    let refused = refuse_all(
        hidden,
        &Refusal::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed."),
    );
    let names: BTreeSet<String> = topics.iter().map(|topic| topic.name.clone()).collect();
    let context = context.clone();
    let broker = context.broker().clone();
    let deciding = begin(context.core(), async move {
        broker.create_topics(topics, validate_only).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let outcomes = match within(context.core(), patience_ms, deciding).await {
            Some(Ok(outcomes)) => outcomes,
            Some(Err(error)) => refuse_all(names, &fault::refusal_of_controller(&error)),
            None => refuse_all(names, &fault::timed_out()),
        };
        let config = context.broker().config();
        let outcomes = refused.iter().chain(&outcomes);
        let topics = outcomes.map(|(name, outcome)| match outcome {
            Ok(created) => {
                let result = success(&config.settings, name, created, validate_only);
                let shown = access.topic(Operation::DescribeConfigs, name);
                match shown {
                    Ok(()) => result,
                    Err(code) => without_configs(&result, code),
                }
            }
            Err(refusal) => failure(name, refusal),
        });
        let response = CreateTopicsResponse {
            topics: topics.collect(),
            throttle_time_ms: 0,
        };
        question.encode(&response)
    })))
}

fn new_topic(asked: &CreatableTopic<'_>) -> NewTopic {
    let assignments = asked.assignments.iter().map(|assignment| {
        let nodes = assignment.broker_ids.iter().copied().map(NodeId).collect();
        (assignment.partition_index, nodes)
    });
    let configs = asked.configs.iter().map(|config| {
        (
            config.name.to_string(),
            config.value.as_deref().map(str::to_owned),
        )
    });
    NewTopic {
        name: asked.name.to_string(),
        partitions: asked.num_partitions,
        replication_factor: asked.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
    }
}

fn refuse_all(
    names: BTreeSet<String>,
    refusal: &Refusal,
) -> Vec<(String, Result<CreatedTopic, Refusal>)> {
    names
        .into_iter()
        .map(|name| (name, Err(refusal.clone())))
        .collect()
}

fn success<'a>(
    settings: &config::Settings,
    name: &'a str,
    created: &CreatedTopic,
    validate_only: bool,
) -> CreatableTopicResult<'a> {
    let described = config::describe(settings, config::Resource::Topic(&created.configs));
    let listed = described.into_iter().filter(|entry| entry.listed);
    let configs = listed.map(|entry| CreatableTopicConfigs {
        name: Cow::Owned(entry.name),
        value: entry.value.map(Cow::Owned),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.sensitive,
    });
    CreatableTopicResult {
        name: Cow::Borrowed(name),
        topic_id: if validate_only {
            Uuid::ZERO
        } else {
            created.id
        },
        error_code: ErrorCode::None.code(),
        error_message: None,
        topic_config_error_code: ErrorCode::None.code(),
        num_partitions: i32::try_from(created.partitions).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(created.replication_factor).unwrap_or(i16::MAX),
        configs: Some(configs.collect()),
    }
}

/// The same for clients that may not look at the topic's configuration.
fn without_configs<'a>(
    result: &CreatableTopicResult<'a>,
    code: ErrorCode,
) -> CreatableTopicResult<'a> {
    CreatableTopicResult {
        name: result.name.clone(),
        topic_id: result.topic_id,
        error_message: None,
        topic_config_error_code: code.code(),
        num_partitions: -1,
        replication_factor: -1,
        configs: None,
        ..Default::default()
    }
}

fn failure<'a>(name: &'a str, refusal: &'a Refusal) -> CreatableTopicResult<'a> {
    CreatableTopicResult {
        name: Cow::Borrowed(name),
        error_code: refusal.code.code(),
        error_message: Some(Cow::Borrowed(&refusal.message)),
        num_partitions: -1,
        replication_factor: -1,
        configs: Some(Vec::new()),
        ..Default::default()
    }
}
