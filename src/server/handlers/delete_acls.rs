//! DeleteAcls (key 31), versions 0-3: the access control lists that filters select are taken out
//! (KIP-140).
//!
//! Every filter is answered with what it selected; a list that several select is taken out once.
//! The answer comes when no core goes by them any more and that is on the device.
//!
//! Deviations from Apache Kafka: at a filter with numbers of no type, operation or permission Kafka
//! ends the connection; here this filter is answered with INVALID_REQUEST.
//!
//! - 0: first layout, literal patterns only (`forebay.legacy.protocol.enable`)
//! - 1: both gain the pattern type (KIP-290); the first version of Kafka 4 (KIP-896)
//! - 2: flexible encoding (KIP-482)
//! - 3: resources of type USER may be named (KIP-373)

use std::borrow::Cow;
use std::sync::Arc;

use access::{Acl, AclFilter, Operation};
use metadata::Refusal;
use wire::WireError;
use wire::delete_acls::{
    DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl, DeleteAclsRequest,
    DeleteAclsResponse,
};

use crate::access::denied;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::fault;
use crate::handlers::acls::{Travelling, disabled};
use crate::handlers::altering::told;
use crate::handlers::{begin, read};
use crate::table::Request;

type Outcome = Result<Vec<Arc<Acl>>, Refusal>;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DeleteAclsRequest<'_> = read(&mut request)?;
    let count = asked.filters.len();
    if let Some(refusal) = refusal(context) {
        return Ok(Answer::Now(respond(question, &vec![Err(refusal); count])?));
    }
    let mut meant: Vec<Result<AclFilter, Refusal>> = asked.filters.iter().map(filter).collect();
    let good: Vec<AclFilter> = meant.iter().flatten().cloned().collect();
    let broker = context.broker().clone();
    let deciding = begin(
        context.core(),
        async move { broker.delete_acls(good).await },
    );
    Ok(Answer::Later(Box::pin(async move {
        let decided = match deciding.await {
            Ok(Ok(decided)) => Ok(decided),
            Ok(Err(error)) => Err(fault::refusal_of_controller(&error)),
            Err(_gone) => Err(fault::timed_out()),
        };
        let mut decided = decided.map(Vec::into_iter);
        let outcomes = meant.drain(..).map(|meant| match (meant, &mut decided) {
            (Err(refusal), _) => Err(refusal),
            (Ok(_), Ok(decided)) => Ok(decided.next().unwrap_or_default()),
            (Ok(_), Err(refusal)) => Err(refusal.clone()),
        });
        let outcomes: Vec<Outcome> = outcomes.collect();
        assert_eq!(outcomes.len(), count, "every filter is answered for");
        respond(question, &outcomes)
    })))
}

/// Why this client may take out nothing here.
fn refusal(context: &Context) -> Option<Refusal> {
    let access = context.access();
    match access.cluster(Operation::Alter) {
        Err(code) => Some(denied(code)),
        Ok(()) => (!access.is_controlled()).then(disabled),
    }
}

fn filter(asked: &DeleteAclsFilter<'_>) -> Result<AclFilter, Refusal> {
    let travelling = Travelling {
        resource_type: asked.resource_type_filter,
        pattern_type: asked.pattern_type_filter,
        name: asked.resource_name_filter.as_ref(),
        principal: asked.principal_filter.as_ref(),
        host: asked.host_filter.as_ref(),
        operation: asked.operation,
        permission: asked.permission_type,
    };
    travelling.read()
}

fn respond(question: Question, outcomes: &[Outcome]) -> Result<Response, WireError> {
    let results = outcomes.iter().map(|outcome| {
        let (error_code, error_message) = told(outcome.as_ref().err());
        let deleted = outcome.as_ref().map_or(&[][..], Vec::as_slice);
        DeleteAclsFilterResult {
            error_code,
            error_message,
            matching_acls: deleted.iter().map(deleted_acl).collect(),
        }
    });
    question.encode(&DeleteAclsResponse {
        throttle_time_ms: 0,
        filter_results: results.collect(),
    })
}

fn deleted_acl(acl: &Arc<Acl>) -> DeleteAclsMatchingAcl<'_> {
    DeleteAclsMatchingAcl {
        error_code: 0,
        error_message: None,
        resource_type: acl.resource_type.code(),
        resource_name: Cow::Borrowed(&acl.name),
        pattern_type: acl.pattern_type.code(),
        principal: Cow::Borrowed(&acl.principal),
        host: Cow::Borrowed(&acl.host),
        operation: acl.operation.code(),
        permission_type: acl.permission.code(),
    }
}
