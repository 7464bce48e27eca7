//! ListConfigResources (key 74), versions 0-1: the names of everything that can be configured.
//!
//! Groups and subscriptions are listed when something is set for them, topics and brokers always.
//!
//! Deviations from Apache Kafka: none known; asked for a type that does not exist it answers
//! UNSUPPORTED_VERSION, as Kafka does.
//!
//! - 0: subscriptions to client metrics only (KIP-714, as ListClientMetricsResources)
//! - 1: any types, all of them when none is named (KIP-1142)

use std::borrow::Cow;
use std::collections::BTreeSet;

use access::Operation;
use base::ErrorCode;
use metadata::{Image, ResourceKind};
use wire::WireError;
use wire::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::altering::BROKER_LOGGER;
use crate::handlers::read;
use crate::table::Request;

/// Every type there is.
const TYPES: [i8; 5] = [
    ResourceKind::Topic.code(),
    ResourceKind::Broker.code(),
    BROKER_LOGGER,
    ResourceKind::ClientMetrics.code(),
    ResourceKind::Group.code(),
];
/// The first version in which types can be named.
const TYPES_VERSION_MIN: i16 = 1;

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ListConfigResourcesRequest = read(&mut request)?;
    if let Err(code) = context.access().cluster(Operation::DescribeConfigs) {
        return Ok(question.answer(&ListConfigResourcesResponse {
            error_code: code.code(),
            ..Default::default()
        }));
    }
    let image = context.broker().image();
    let response = match wanted(&asked.resource_types, question.version) {
        Some(types) => ListConfigResourcesResponse {
            config_resources: types
                .iter()
                .flat_map(|code| listed(&image, *code))
                .collect(),
            ..Default::default()
        },
        None => ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion.code(),
            ..Default::default()
        },
    };
    Ok(question.answer(&response))
}

/// The types that are asked for; nothing when one of them does not exist.
fn wanted(types: &[i8], version: i16) -> Option<BTreeSet<i8>> {
    if version < TYPES_VERSION_MIN {
        return Some(BTreeSet::from([ResourceKind::ClientMetrics.code()]));
    }
    if types.is_empty() {
        return Some(TYPES.into());
    }
    let known = types.iter().all(|code| TYPES.contains(code));
    known.then(|| types.iter().copied().collect())
}

fn listed(image: &Image, code: i8) -> Vec<ConfigResource<'_>> {
    let brokers = || image.brokers().filter(|broker| !broker.fenced);
    let names: Vec<Cow<'_, str>> = match ResourceKind::from_code(code) {
        Some(ResourceKind::Topic) => {
            let topics = image.topics().iter();
            topics.map(|topic| Cow::Borrowed(&*topic.name)).collect()
        }
        Some(ResourceKind::Broker) | None => brokers()
            .map(|broker| Cow::Owned(broker.id.to_string()))
            .collect(),
        Some(kind) => image.configured(kind).map(Cow::Borrowed).collect(),
    };
    let resource = |resource_name| ConfigResource {
        resource_name,
        resource_type: code,
    };
    names.into_iter().map(resource).collect()
}

#[cfg(test)]
#[path = "../tests/list_config_resources_tests.rs"]
mod tests;
