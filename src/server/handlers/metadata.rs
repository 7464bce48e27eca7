//! Metadata (key 3), versions 0-13: which brokers there are, and who leads which partition.
//!
//! Topics that do not exist are created when client and node both allow it; the answer waits for
//! them and names them with their leaders.
//!
//! Deviations from Apache Kafka: Kafka creates in the background and answers
//! UNKNOWN_TOPIC_OR_PARTITION until the client asks again; here the first answer has the topic.
//! Kafka names a random broker as controller, since brokers forward; here it is the controller.
//! The topics of coordinators are never created this way: they come with their coordinator.
//!
//! - 0: an empty list of topics asks for all
//! - 1: null asks for all, an empty list for none; the response gains rack, controller_id and
//!   is_internal (KIP-4)
//! - 2: the response gains cluster_id (KIP-78)
//! - 3: the response gains throttle_time_ms (KIP-124)
//! - 4: the request gains allow_auto_topic_creation (KIP-204)
//! - 5: the response gains offline_replicas (KIP-112)
//! - 6: the same layout (KIP-219)
//! - 7: the response gains leader_epoch (KIP-320)
//! - 8: authorised operations on request (KIP-430)
//! - 9: flexible encoding (KIP-482)
//! - 10: topic ids, in requests without effect yet (KIP-516)
//! - 11: authorised operations of the cluster moved to DescribeCluster (KIP-700)
//! - 12: topics may be asked for by id (KIP-516)
//! - 13: the response gains a top-level error (KIP-1102)

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use access::{Operation, ResourceType};
use base::{ErrorCode, NodeId, Uuid};
use metadata::decide::{NewTopic, validate_topic_name};
use metadata::{Image, Topic};
use wire::WireError;
use wire::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};

use crate::access::Access;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::fault;
use crate::handlers::shown::{self, ShownNode, ShownPartition};
use crate::handlers::{begin, read};
use crate::table::Request;

/// The first version in which a topic may be named by its id.
const BY_ID_VERSION_MIN: i16 = 12;

/// Which topics a client wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Named(Vec<String>),
    Identified(Vec<Uuid>),
}

/// A request, owned.
struct Ask {
    wanted: Wanted,
    may_create: bool,
    cluster_operations: bool,
    topic_operations: bool,
}

/// Why topics that should have been created were not, by name.
type Refused = BTreeMap<String, ErrorCode>;

/// Answers at once, unless topics must be created first.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: MetadataRequest<'_> = read(&mut request)?;
    let Some(wanted) = wanted(&asked, question.version) else {
        return Ok(question.answer(&malformed(&asked, question.version)));
    };
    let ask = Ask {
        wanted,
        may_create: asked.allow_auto_topic_creation && context.broker().config().topics.auto_create,
        cluster_operations: asked.include_cluster_authorized_operations,
        topic_operations: asked.include_topic_authorized_operations,
    };
    let access = context.access();
    let (missing, denied) = missing(&context.broker().image(), &access, &ask);
    if missing.is_empty() {
        return Ok(Answer::Now(respond(context, question, &ask, &denied)?));
    }
    let context = context.clone();
    let broker = context.broker().clone();
    let names = missing.clone();
    let created = begin(context.core(), async move {
        let topics = missing.into_iter().map(new_topic).collect();
        broker.create_topics(topics, false).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let mut refused: Refused = match created.await {
            Ok(Ok(outcomes)) => outcomes.into_iter().filter_map(refusal).collect(),
            // The request as a whole was refused, or the controller is not there.
            Ok(Err(error)) => every(names, fault::refusal_of_controller(&error).code),
            Err(_gone) => every(names, ErrorCode::LeaderNotAvailable),
        };
        refused.extend(denied);
        respond(&context, question, &ask, &refused)
    })))
}

/// What is asked for; nothing when a topic is named in a way that its version does not know.
fn wanted(asked: &MetadataRequest<'_>, version: i16) -> Option<Wanted> {
    let Some(topics) = &asked.topics else {
        return Some(Wanted::All);
    };
    if version == 0 && topics.is_empty() {
        return Some(Wanted::All);
    }
    let by_id = |id: &Uuid| !id.is_zero();
    if version < BY_ID_VERSION_MIN && topics.iter().any(|topic| by_id(&topic.topic_id)) {
        return None;
    }
    let mut seen = BTreeSet::new();
    let ids = topics.iter().map(|topic| topic.topic_id).filter(by_id);
    let ids: Vec<Uuid> = ids.filter(|id| seen.insert(*id)).collect();
    // A request that names any topic by its id is a request by ids.
    if !ids.is_empty() {
        return Some(Wanted::Identified(ids));
    }
    let names: Option<Vec<&str>> = topics.iter().map(|topic| topic.name.as_deref()).collect();
    let mut seen = BTreeSet::new();
    let names = names?.into_iter().filter(|name| seen.insert(*name));
    Some(Wanted::Named(names.map(str::to_owned).collect()))
}

fn malformed<'a>(asked: &'a MetadataRequest<'_>, version: i16) -> MetadataResponse<'a> {
    let topics = asked.topics.iter().flatten().map(|topic| {
        let name = topic.name.as_deref().map(Cow::Borrowed);
        // Null names travel from version 12 on.
        let nothing = (version < BY_ID_VERSION_MIN).then_some(Cow::Borrowed(""));
        MetadataResponseTopic {
            topic_id: topic.topic_id,
            ..failed(name.or(nothing), ErrorCode::InvalidRequest)
        }
    });
    MetadataResponse {
        topics: topics.collect(),
        error_code: ErrorCode::InvalidRequest.code(),
        ..Default::default()
    }
}

/// The topics to create before the answer, and those that the client may look at but not create.
fn missing(image: &Image, access: &Access, ask: &Ask) -> (Vec<String>, Refused) {
    let Wanted::Named(names) = &ask.wanted else {
        return (Vec::new(), Refused::new());
    };
    let creatable = |name: &&String| {
        image.topic(name).is_none()
            && validate_topic_name(name).is_ok()
            && !shown::is_internal(name)
            && access.topic(Operation::Describe, name).is_ok()
    };
    let names = names
        .iter()
        .filter(|_| ask.may_create)
        .filter(creatable)
        .cloned();
    let may_all = access.cluster(Operation::Create).is_ok();
    let may = |name: &String| may_all || access.topic(Operation::Create, name).is_ok();
    let (missing, hidden): (Vec<String>, Vec<String>) = names.partition(may);
    (missing, every(hidden, ErrorCode::TopicAuthorizationFailed))
}

fn new_topic(name: String) -> NewTopic {
    NewTopic {
        name,
        partitions: -1,
        replication_factor: -1,
        ..Default::default()
    }
}

fn refusal<T>(
    (name, outcome): (String, Result<T, metadata::Refusal>),
) -> Option<(String, ErrorCode)> {
    match outcome {
        Err(refusal) if refusal.code != ErrorCode::TopicAlreadyExists => Some((name, refusal.code)),
        _ => None,
    }
}

fn every(names: Vec<String>, code: ErrorCode) -> Refused {
    names.into_iter().map(|name| (name, code)).collect()
}

fn respond(
    context: &Context,
    question: Question,
    ask: &Ask,
    refused: &Refused,
) -> Result<Response, WireError> {
    let image = context.broker().image();
    let nodes = shown::nodes(context, &image, false);
    let alive = shown::alive(&nodes, &image);
    let access = context.access();
    let view = View {
        image: &image,
        alive: &alive,
        access: &access,
        version: question.version,
    };
    let mut topics = match &ask.wanted {
        Wanted::All => {
            let topics = image.topics().iter();
            let shown = topics.filter(|topic| view.allowed(&topic.name).is_ok());
            shown.map(|topic| view.topic(topic)).collect()
        }
        Wanted::Named(names) => names
            .iter()
            .map(|name| view.named(name, refused))
            .collect::<Vec<_>>(),
        Wanted::Identified(ids) => ids.iter().map(|id| view.identified(*id)).collect(),
    };
    if ask.topic_operations {
        let hidden = ErrorCode::TopicAuthorizationFailed.code();
        let shown = topics.iter_mut().filter(|topic| topic.error_code != hidden);
        for topic in shown {
            let name = topic.name.as_deref().unwrap_or_default();
            topic.topic_authorized_operations = access.operations(ResourceType::Topic, name);
        }
    }
    let response = MetadataResponse {
        throttle_time_ms: 0,
        brokers: nodes.iter().map(broker).collect(),
        cluster_id: Some(Cow::Borrowed(image.cluster_id())),
        controller_id: context.broker().controller_id().map_or(-1, NodeId::get),
        topics,
        cluster_authorized_operations: if ask.cluster_operations {
            access.cluster_operations()
        } else {
            shown::OPERATIONS_NOT_ASKED
        },
        error_code: ErrorCode::None.code(),
    };
    question.encode(&response)
}

fn broker(node: &ShownNode) -> MetadataResponseBroker<'_> {
    MetadataResponseBroker {
        node_id: node.id.get(),
        host: Cow::Borrowed(&node.host),
        port: node.port,
        rack: node.rack.as_deref().map(Cow::Borrowed),
    }
}

/// The cluster as one client sees it.
struct View<'a> {
    image: &'a Image,
    alive: &'a shown::Alive,
    access: &'a Access,
    version: i16,
}

impl<'a> View<'a> {
    fn allowed(&self, topic: &str) -> Result<(), ErrorCode> {
        self.access.topic(Operation::Describe, topic)
    }

    fn named(&self, name: &'a str, refused: &Refused) -> MetadataResponseTopic<'a> {
        // Whether it is there or not; nor is it said whether it would be an internal one.
        if let Err(code) = self.allowed(name) {
            return MetadataResponseTopic {
                is_internal: false,
                ..failed(Some(Cow::Borrowed(name)), code)
            };
        }
        if let Some(topic) = self.image.topic(name) {
            return self.topic(topic);
        }
        let code = match (refused.get(name), validate_topic_name(name)) {
            (Some(code), _) => *code,
            (None, Err(refusal)) => refusal.code,
            (None, Ok(())) => ErrorCode::UnknownTopicOrPartition,
        };
        failed(Some(Cow::Borrowed(name)), code)
    }

    fn identified(&self, id: Uuid) -> MetadataResponseTopic<'a> {
        match self.image.topic_by_id(id) {
            // An id is no secret, the name behind it may be one.
            Some(topic) => match self.allowed(&topic.name) {
                Ok(()) => self.topic(topic),
                Err(code) => MetadataResponseTopic {
                    topic_id: id,
                    ..failed(None, code)
                },
            },
            None => MetadataResponseTopic {
                topic_id: id,
                ..failed(None, ErrorCode::UnknownTopicId)
            },
        }
    }

    fn topic(&self, topic: &'a Topic) -> MetadataResponseTopic<'a> {
        let partitions = shown::indexed(topic);
        MetadataResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(Cow::Borrowed(&topic.name)),
            topic_id: topic.id,
            is_internal: shown::is_internal(&topic.name),
            partitions: partitions
                .map(|(index, partition)| {
                    self.partition(shown::partition(index, partition, self.alive))
                })
                .collect(),
            topic_authorized_operations: shown::OPERATIONS_NOT_ASKED,
        }
    }

    fn partition(&self, mut shown: ShownPartition) -> MetadataResponsePartition {
        // Version 0 has no place for replicas that are down, so it leaves them out and says so.
        if self.version == 0 && !shown.offline.is_empty() {
            shown.replicas.retain(|id| !shown.offline.contains(id));
            shown.isr.retain(|id| !shown.offline.contains(id));
            if shown.error == ErrorCode::None {
                shown.error = ErrorCode::ReplicaNotAvailable;
            }
        }
        MetadataResponsePartition {
            error_code: shown.error.code(),
            partition_index: shown.index,
            leader_id: shown.leader_id,
            leader_epoch: shown.leader_epoch,
            replica_nodes: shown.replicas,
            isr_nodes: shown.isr,
            offline_replicas: shown.offline,
        }
    }
}

fn failed(name: Option<Cow<'_, str>>, code: ErrorCode) -> MetadataResponseTopic<'_> {
    let is_internal = name.as_deref().is_some_and(shown::is_internal);
    MetadataResponseTopic {
        error_code: code.code(),
        name,
        is_internal,
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "../tests/metadata_tests.rs"]
mod tests;
