//! DescribeCluster (key 60), versions 0-2: the cluster's id, its controller and its brokers.
//!
//! Deviations from Apache Kafka: Kafka names a random broker as controller, since brokers forward
//! to it; here it is the controller itself.
//!
//! - 0: first layout (KIP-700)
//! - 1: endpoint_type says whether brokers or controllers are meant (KIP-919); a broker's
//!   listener knows brokers only
//! - 2: fenced brokers on request (KIP-1073)

use std::borrow::Cow;

use base::{ErrorCode, NodeId};
use wire::WireError;
use wire::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::read;
use crate::handlers::shown::{self, ShownNode};
use crate::table::Request;

/// The endpoints of brokers.
const BROKERS: i8 = 1;
/// The endpoints of controllers.
const CONTROLLERS: i8 = 2;

/// Answers from the image.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeClusterRequest = read(&mut request)?;
    if let Some((code, text)) = misplaced(asked.endpoint_type) {
        return Ok(question.answer(&DescribeClusterResponse {
            error_code: code.code(),
            error_message: Some(Cow::Borrowed(text)),
            ..Default::default()
        }));
    }
    let image = context.broker().image();
    let nodes = shown::nodes(context, &image, asked.include_fenced_brokers);
    Ok(question.answer(&DescribeClusterResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None.code(),
        error_message: None,
        endpoint_type: BROKERS,
        cluster_id: Cow::Borrowed(image.cluster_id()),
        controller_id: context.broker().controller_id().map_or(-1, NodeId::get),
        brokers: nodes.iter().map(broker).collect(),
        cluster_authorized_operations: if asked.include_cluster_authorized_operations {
            context.access().cluster_operations()
        } else {
            shown::OPERATIONS_NOT_ASKED
        },
    }))
}

fn misplaced(endpoint_type: i8) -> Option<(ErrorCode, &'static str)> {
    match endpoint_type {
        BROKERS => None,
        CONTROLLERS => Some((
            ErrorCode::MismatchedEndpointType,
            "The request asks for controllers, but was sent to a broker's listener.",
        )),
        _ => Some((
            ErrorCode::UnsupportedEndpointType,
            "The request asks for an unknown type of endpoint; 1 is brokers, 2 is controllers.",
        )),
    }
}

fn broker(node: &ShownNode) -> DescribeClusterBroker<'_> {
    DescribeClusterBroker {
        broker_id: node.id.get(),
        host: Cow::Borrowed(&node.host),
        port: node.port,
        rack: node.rack.as_deref().map(Cow::Borrowed),
        is_fenced: node.fenced,
    }
}
