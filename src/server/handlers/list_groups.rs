//! ListGroups (key 16), versions 0-5: all groups that this node coordinates.
//!
//! While any of them are being loaded the answer is COORDINATOR_LOAD_IN_PROGRESS, as in Kafka.
//!
//! Deviations from Apache Kafka: groups are listed in the order of their ids.
//!
//! - 0: first layout
//! - 1: the response gains throttle_time_ms (KIP-124)
//! - 2: the same layout (KIP-219)
//! - 3: flexible encoding (KIP-482)
//! - 4: states, and a filter by them (KIP-518)
//! - 5: types, and a filter by them (KIP-848)

use std::borrow::Cow;

use access::Operation;
use broker::coordinator::{ListGroupsAsk, ListedGroup as Listed, Refusal};
use wire::WireError;
use wire::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Asks all coordinators of this node.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: ListGroupsRequest<'_> = read(&mut request)?;
    let texts = |list: &[Cow<'_, str>]| list.iter().map(|text| text.to_string()).collect();
    let ask = ListGroupsAsk {
        states: texts(&asked.states_filter),
        types: texts(&asked.types_filter),
    };
    let access = context.access();
    let broker = context.broker().clone();
    let listing = begin(context.core(), async move { broker.list_groups(ask).await });
    Ok(Answer::Later(Box::pin(async move {
        let mut listed: Result<Vec<Listed>, Refusal> = match listing.await {
            Ok(listed) => listed,
            Err(_gone) => Err(base::ErrorCode::CoordinatorNotAvailable.into()),
        };
        if let Ok(groups) = &mut listed
            && access.cluster(Operation::Describe).is_err()
        {
            groups.retain(|one| access.group(Operation::Describe, &one.group).is_ok());
        }
        question.encode(&match &listed {
            Ok(groups) => ListGroupsResponse {
                groups: groups.iter().map(shown).collect(),
                ..ListGroupsResponse::default()
            },
            Err(refusal) => ListGroupsResponse {
                error_code: refusal.code.code(),
                ..ListGroupsResponse::default()
            },
        })
    })))
}

fn shown(group: &Listed) -> ListedGroup<'_> {
    ListedGroup {
        group_id: Cow::Borrowed(&group.group),
        protocol_type: Cow::Borrowed(&group.protocol_type),
        group_state: Cow::Borrowed(group.state),
        group_type: Cow::Borrowed(group.kind),
    }
}
