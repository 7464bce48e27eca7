//! AlterConfigs (key 33), versions 0-2: everything that is set for a resource is replaced, the form
//! before KIP-339.
//!
//! Deviations from Apache Kafka: a resource that occurs twice is refused; Kafka never answers such
//! a request.
//!
//! - 0: first layout (KIP-133)
//! - 1: the same layout (KIP-219)
//! - 2: flexible encoding (KIP-482)

use std::borrow::Cow;

use access::Operation;
use base::NodeId;
use metadata::Refusal;
use metadata::decide::ReplaceResource;
use wire::WireError;
use wire::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::access::{Access, denied};
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::altering::{self, Line};
use crate::handlers::{begin, read};
use crate::table::Request;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AlterConfigsRequest<'_> = read(&mut request)?;
    let validate_only = asked.validate_only;
    let (lines, replaces) = sort(
        &asked.resources,
        &context.access(),
        context.broker().node_id(),
    );
    let broker = context.broker().clone();
    let deciding = begin(context.core(), async move {
        broker.replace_configs(replaces, validate_only).await
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
        question.encode(&AlterConfigsResponse {
            throttle_time_ms: 0,
            responses: responses.collect(),
        })
    })))
}

fn sort(
    resources: &[AlterConfigsResource<'_>],
    access: &Access,
    node: NodeId,
) -> (Vec<Line>, Vec<ReplaceResource>) {
    let mut replaces = Vec::new();
    let mut lines = Vec::with_capacity(resources.len());
    for asked in resources {
        let known = match judge(asked, access, node) {
            Ok(replace) => {
                replaces.push(replace);
                None
            }
            Err(refusal) => Some(Err(refusal)),
        };
        lines.push(Line {
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.to_string(),
            known,
        });
    }
    (lines, replaces)
}

fn judge(
    asked: &AlterConfigsResource<'_>,
    access: &Access,
    node: NodeId,
) -> Result<ReplaceResource, Refusal> {
    let name = asked.resource_name.as_ref();
    let allowed = access.config(Operation::AlterConfigs, asked.resource_type, name);
    allowed.map_err(denied)?;
    let resource = altering::resource(asked.resource_type, name, node)?;
    let configs = asked.configs.iter().map(|config| {
        let value = config.value.as_deref().map(str::to_owned);
        (config.name.to_string(), value)
    });
    Ok(ReplaceResource {
        resource,
        configs: configs.collect(),
    })
}
