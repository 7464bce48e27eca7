//! DeleteGroups (key 42), versions 0-3: groups without members go, with their offsets.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout (KIP-229)
//! - 1: the same layout (KIP-219)
//! - 2: flexible encoding (KIP-482)
//! - 3: the response gains error_message

use std::borrow::Cow;

use access::Operation;
use broker::coordinator::{Answer as Coordinated, Ask, DeleteGroupAsk};
use wire::WireError;
use wire::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::groups::{self, code_of};
use crate::handlers::read;
use crate::table::Request;

/// Asks the coordinator of each group.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DeleteGroupsRequest<'_> = read(&mut request)?;
    let deleting: Vec<_> = asked
        .groups_names
        .iter()
        .map(|name| {
            let group = name.to_string();
            let ask = DeleteGroupAsk {
                group: group.clone(),
            };
            (
                group,
                groups::ask(context, Operation::Delete, Ask::DeleteGroup(ask)),
            )
        })
        .collect();
    Ok(Answer::Later(Box::pin(async move {
        let mut results = Vec::with_capacity(deleting.len());
        for (group, deleting) in deleting {
            let deleted = match deleting.await {
                Coordinated::DeleteGroup(deleted) => deleted,
                other => groups::mismatched(&other),
            };
            results.push(DeletableGroupResult {
                group_id: Cow::Owned(group),
                error_code: code_of(&deleted).code(),
                error_message: deleted.err().and_then(groups::text_of),
            });
        }
        question.encode(&DeleteGroupsResponse {
            throttle_time_ms: 0,
            results,
        })
    })))
}
