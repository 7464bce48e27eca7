//! What both ways of changing configurations share: which resources this node may be asked about,
//! and how their outcomes become lines of a response.
//!
//! Invariant: every resource of a request gets one line, in the order of the request.

use base::{ErrorCode, NodeId};
use broker::{Altered, ControllerError};
use metadata::{Refusal, Resource, ResourceKind};

use crate::fault;

/// The loggers of one broker; the one kind of resource that has no records.
pub(crate) const BROKER_LOGGER: i8 = 8;

/// One resource of a request.
pub(crate) struct Line {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: String,
    /// What is known before the controller was asked; nothing where it is to be asked.
    pub(crate) known: Option<Result<(), Refusal>>,
}

/// The resource that is meant, when it is one that this node may decide about.
pub(crate) fn resource(kind: i8, name: &str, node: NodeId) -> Result<Resource, Refusal> {
    let Some(kind) = ResourceKind::from_code(kind) else {
        return Err(invalid(format!("Unknown resource type {kind}")));
    };
    if kind == ResourceKind::Broker && !name.is_empty() {
        let id = node_id(name)?;
        // Only a broker itself knows whether it can follow.
        if id != node {
            return Err(invalid(format!(
                "Unexpected broker id, expected {node}, but received {id}"
            )));
        }
    }
    Ok(Resource {
        kind,
        name: name.to_owned(),
    })
}

/// Refuses to change loggers: the levels of this node's log cannot be changed while it runs, so no
/// logger is there to be found (KIP-412).
pub(crate) fn logger(name: &str, node: NodeId, operations: &[(&str, i8)]) -> Result<(), Refusal> {
    let id = node_id(name)?;
    if id != node {
        return Err(invalid(format!(
            "Unexpected node id. Expected {node}, but received {id}"
        )));
    }
    let Some((logger, operation)) = operations.first() else {
        return Ok(());
    };
    let word = match operation {
        2 => "APPEND",
        3 => "SUBTRACT",
        _ => {
            let text = format!("Logger {logger} does not exist!");
            return Err(Refusal::new(ErrorCode::InvalidConfig, text));
        }
    };
    Err(invalid(format!(
        "{word} operation is not allowed for the BROKER_LOGGER resource"
    )))
}

fn node_id(name: &str) -> Result<NodeId, Refusal> {
    let parsed = name.parse().map(NodeId);
    parsed.map_err(|_| invalid(format!("Node id must be an integer, but it is: {name}")))
}

pub(crate) fn invalid(text: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, text)
}

/// Each line with its outcome: what was known, else what the controller decided, in its order.
pub(crate) fn settle(
    lines: Vec<Line>,
    decided: Result<Vec<Altered>, ControllerError>,
) -> Vec<(i8, String, Option<Refusal>)> {
    let mut outcomes = match decided {
        Ok(altered) => Ok(altered.into_iter()),
        Err(error) => Err(fault::refusal_of_controller(&error)),
    };
    let settled = lines.into_iter().map(|line| {
        let outcome = line.known.unwrap_or_else(|| match &mut outcomes {
            Ok(outcomes) => outcomes.next().map_or(Ok(()), |(_, outcome)| outcome),
            Err(refusal) => Err(refusal.clone()),
        });
        (line.resource_type, line.resource_name, outcome.err())
    });
    settled.collect()
}

/// Code and text of an outcome.
pub(crate) fn told(refusal: Option<&Refusal>) -> (i16, Option<std::borrow::Cow<'_, str>>) {
    match refusal {
        None => (ErrorCode::None.code(), None),
        Some(refusal) => (refusal.code.code(), Some(refusal.message.as_str().into())),
    }
}
