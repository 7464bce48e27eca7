//! IncrementalAlterConfigs (key 44), versions 0-1: single keys of topics, brokers, groups and
//! subscriptions are set, removed, or edited as lists (KIP-339).
//!
//! Each resource is decided on its own. The answer comes when the values are durable and all cores
//! of this node go by them. An empty broker name means all brokers; another broker's own settings
//! are refused, since only it knows whether it can follow.
//!
//! Deviations from Apache Kafka: an unknown key of a broker is refused, with the known one that is
//! nearest, where Kafka keeps it for plug-ins. An operation that does not exist is an
//! INVALID_REQUEST instead of UNKNOWN_SERVER_ERROR. There are no loggers to change (KIP-412).
//!
//! - 0: first layout
//! - 1: flexible encoding (KIP-482)

use std::borrow::Cow;

use access::Operation;
use metadata::Refusal;
use metadata::decide::{AlterResource, ConfigOperation, OperationKind};
use wire::WireError;
use wire::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use base::NodeId;

use crate::access::{Access, denied};
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::altering::{self, BROKER_LOGGER, Line};
use crate::handlers::{begin, read};
use crate::table::Request;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: IncrementalAlterConfigsRequest<'_> = read(&mut request)?;
    let validate_only = asked.validate_only;
    let (lines, alters) = sort(
        &asked.resources,
        &context.access(),
        context.broker().node_id(),
    );
    let broker = context.broker().clone();
    let deciding = begin(context.core(), async move {
        broker.alter_configs(alters, validate_only).await
    });
    Ok(Answer::Later(Box::pin(async move {
        let decided = deciding.await;
        let decided = decided.unwrap_or(Err(broker::ControllerError::Stopping));
        let settled = altering::settle(lines, decided);
        let responses = settled.iter().map(|(kind, name, refusal)| {
            let (error_code, error_message) = altering::told(refusal.as_ref());
            AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: *kind,
                resource_name: Cow::Borrowed(name),
            }
        });
        question.encode(&IncrementalAlterConfigsResponse {
            throttle_time_ms: 0,
            responses: responses.collect(),
        })
    })))
}

/// A line for each resource, and what the controller is asked, in the same order.
fn sort(
    resources: &[AlterConfigsResource<'_>],
    access: &Access,
    node: NodeId,
) -> (Vec<Line>, Vec<AlterResource>) {
    let mut alters = Vec::new();
    let mut lines = Vec::with_capacity(resources.len());
    for resource in resources {
        let known = match judge(resource, access, node) {
            Ok(Some(alter)) => {
                alters.push(alter);
                None
            }
            Ok(None) => Some(Ok(())),
            Err(refusal) => Some(Err(refusal)),
        };
        lines.push(Line {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.to_string(),
            known,
        });
    }
    (lines, alters)
}

fn judge(
    asked: &AlterConfigsResource<'_>,
    access: &Access,
    node: NodeId,
) -> Result<Option<AlterResource>, Refusal> {
    let name = asked.resource_name.as_ref();
    let allowed = access.config(Operation::AlterConfigs, asked.resource_type, name);
    allowed.map_err(denied)?;
    if asked.resource_type == BROKER_LOGGER {
        let operations: Vec<(&str, i8)> = asked
            .configs
            .iter()
            .map(|config| (config.name.as_ref(), config.config_operation))
            .collect();
        return altering::logger(name, node, &operations).map(|()| None);
    }
    let operations: Result<Vec<_>, Refusal> = asked.configs.iter().map(operation).collect();
    let operations = operations?;
    let resource = altering::resource(asked.resource_type, name, node)?;
    Ok(Some(AlterResource {
        resource,
        operations,
    }))
}

fn operation(asked: &AlterableConfig<'_>) -> Result<ConfigOperation, Refusal> {
    let kind = match asked.config_operation {
        0 => OperationKind::Set,
        1 => OperationKind::Delete,
        2 => OperationKind::Append,
        3 => OperationKind::Subtract,
        other => {
            return Err(altering::invalid(format!(
                "Unknown operation {other} on {}; 0 sets, 1 deletes, 2 appends, 3 subtracts",
                asked.name
            )));
        }
    };
    Ok(ConfigOperation {
        key: asked.name.to_string(),
        kind,
        value: asked.value.as_deref().map(str::to_owned),
    })
}

#[cfg(test)]
#[path = "../tests/incremental_alter_configs_tests.rs"]
mod tests;
