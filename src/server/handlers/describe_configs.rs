//! DescribeConfigs (key 32), versions 0-4: every key of a topic, broker, group or subscription
//! with its value, where that comes from, and what it means.
//!
//! Null or no keys ask for all, except those that are told by name alone. A resource that cannot be described has its own error; the others
//! are described all the same.
//!
//! Deviations from Apache Kafka: broker loggers (KIP-412) are described as none, since levels of
//! loggers cannot be set here. Keys in two units tell the truth about where their value came
//! from, see `config::describe`.
//!
//! - 0: whether a value is the default (`forebay.legacy.protocol.enable`)
//! - 1: synonyms and sources (KIP-226); the first version of Kafka 4 (KIP-896)
//! - 2: the same layout (KIP-219)
//! - 3: type and documentation of each key (KIP-569)
//! - 4: flexible encoding (KIP-482)

use std::borrow::Cow;
use std::collections::BTreeSet;

use access::Operation;
use base::{ErrorCode, NodeId};
use config::Entry;
use metadata::decide::validate_topic_name;
use metadata::{Image, Refusal, Resource, ResourceKind};
use wire::WireError;
use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};

use crate::access::{Access, denied};
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::read;
use crate::table::Request;

/// The loggers of one broker; the one kind of resource that has no records.
const BROKER_LOGGER: i8 = 8;

/// Answers from the image and this node's own configuration.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeConfigsRequest<'_> = read(&mut request)?;
    let image = context.broker().image();
    let config = context.broker().config();
    let describer = Describer {
        access: context.access(),
        image: &image,
        settings: &config.settings,
        node: context.broker().node_id(),
        synonyms: asked.include_synonyms,
        documentation: asked.include_documentation,
    };
    let mut seen = BTreeSet::new();
    let once = asked
        .resources
        .iter()
        .filter(|resource| seen.insert((resource.resource_type, resource.resource_name.as_ref())));
    let results = once.map(|resource| describer.result(resource)).collect();
    Ok(question.answer(&DescribeConfigsResponse {
        throttle_time_ms: 0,
        results,
    }))
}

/// What a description is made from, and how much of it.
struct Describer<'a> {
    access: Access,
    image: &'a Image,
    settings: &'a config::Settings,
    node: NodeId,
    synonyms: bool,
    documentation: bool,
}

impl Describer<'_> {
    fn result<'r>(&self, asked: &'r DescribeConfigsResource<'_>) -> DescribeConfigsResult<'r> {
        let mut result = DescribeConfigsResult {
            resource_type: asked.resource_type,
            resource_name: Cow::Borrowed(&asked.resource_name),
            error_code: ErrorCode::None.code(),
            error_message: None,
            configs: Vec::new(),
        };
        let entries = match self.entries(asked.resource_type, &asked.resource_name) {
            Ok(entries) => entries,
            Err(refusal) => {
                result.error_code = refusal.code.code();
                result.error_message = Some(Cow::Owned(refusal.message));
                return result;
            }
        };
        let keys = asked.configuration_keys.as_deref().unwrap_or(&[]);
        let is_named = |entry: &Entry| keys.iter().any(|key| *key == entry.name);
        let wanted = |entry: &Entry| (keys.is_empty() && entry.listed) || is_named(entry);
        let entries = entries.into_iter().filter(wanted);
        result.configs = entries.map(|entry| self.described(entry)).collect();
        result
    }

    fn entries(&self, kind: i8, name: &str) -> Result<Vec<Entry>, Refusal> {
        let allowed = self.access.config(Operation::DescribeConfigs, kind, name);
        allowed.map_err(denied)?;
        if kind == BROKER_LOGGER {
            self.check_broker(name, "")?;
            return Ok(Vec::new());
        }
        let Some(kind) = ResourceKind::from_code(kind) else {
            return refuse(format!("Resources of type {kind} cannot be described."));
        };
        let resource = Resource {
            kind,
            name: name.to_owned(),
        };
        let own = self.image.configs(&resource);
        let described = match kind {
            ResourceKind::Topic => {
                self.check_topic(name)?;
                config::Resource::Topic(own)
            }
            ResourceKind::Broker if name.is_empty() => config::Resource::ClusterDefaults,
            ResourceKind::Broker => {
                self.check_broker(name, " or empty string")?;
                config::Resource::Broker
            }
            ResourceKind::Group => {
                check_named(name, "Group name")?;
                config::Resource::Group(own)
            }
            ResourceKind::ClientMetrics => {
                check_named(name, "Client metrics subscription name")?;
                config::Resource::ClientMetrics(own)
            }
        };
        Ok(config::describe(self.settings, described))
    }

    fn check_topic(&self, name: &str) -> Result<(), Refusal> {
        validate_topic_name(name)?;
        if self.image.topic(name).is_none() {
            let text = "This server does not host this topic-partition.";
            return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, text));
        }
        Ok(())
    }

    /// Each broker describes itself alone: only it knows its file and environment.
    fn check_broker(&self, name: &str, alternative: &str) -> Result<(), Refusal> {
        if name.parse() == Ok(self.node.get()) {
            return Ok(());
        }
        refuse(format!(
            "Unexpected broker id, expected {}{alternative}, but received {name}",
            self.node
        ))
    }

    fn described(&self, entry: Entry) -> DescribeConfigsResourceResult<'static> {
        let synonyms = entry.synonyms.into_iter().filter(|_| self.synonyms);
        DescribeConfigsResourceResult {
            name: Cow::Owned(entry.name),
            value: entry.value.map(Cow::Owned),
            read_only: entry.read_only,
            is_default: entry.is_default,
            config_source: entry.source.code(),
            is_sensitive: entry.sensitive,
            synonyms: synonyms
                .map(|synonym| DescribeConfigsSynonym {
                    name: Cow::Owned(synonym.name),
                    value: synonym.value.map(Cow::Owned),
                    source: synonym.source.code(),
                })
                .collect(),
            config_type: entry.kind.code(),
            documentation: self
                .documentation
                .then_some(Cow::Owned(entry.documentation)),
        }
    }
}

fn check_named(name: &str, what: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        refuse(format!("{what} must not be empty"))
    } else {
        Ok(())
    }
}

fn refuse<T>(text: String) -> Result<T, Refusal> {
    Err(Refusal::new(ErrorCode::InvalidRequest, text))
}

#[cfg(test)]
#[path = "../tests/describe_configs_tests.rs"]
mod tests;
