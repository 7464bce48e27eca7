//! CreateAcls (key 30), versions 0-3: access control lists are added (KIP-140).
//!
//! Each list is decided on its own; one that is there already is no mistake. The answer comes when
//! all of them hold on every core and are on the device.
//!
//! Deviations from Apache Kafka: at numbers of no type, operation or permission Kafka ends the
//! connection, and at those that only filters may carry it answers UNKNOWN_SERVER_ERROR; here both
//! are INVALID_REQUEST for their list alone.
//!
//! - 0: first layout, literal patterns only (`forebay.legacy.protocol.enable`)
//! - 1: the request gains the pattern type (KIP-290); the first version of Kafka 4 (KIP-896)
//! - 2: flexible encoding (KIP-482)
//! - 3: resources of type USER may be named (KIP-373)

use access::{Acl, Operation};
use metadata::Refusal;
use wire::WireError;
use wire::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};

use crate::access::denied;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::fault;
use crate::handlers::acls::{self, disabled};
use crate::handlers::altering::told;
use crate::handlers::{begin, read};
use crate::table::Request;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: CreateAclsRequest<'_> = read(&mut request)?;
    let count = asked.creations.len();
    if let Some(refusal) = refusal(context) {
        let outcomes = vec![Err(refusal); count];
        return Ok(Answer::Now(respond(question, &outcomes)?));
    }
    let mut meant: Vec<Result<Acl, Refusal>> = asked.creations.iter().map(acls::acl).collect();
    let good: Vec<Acl> = meant.iter().flatten().cloned().collect();
    let broker = context.broker().clone();
    let deciding = begin(
        context.core(),
        async move { broker.create_acls(good).await },
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
            (Ok(_), Ok(decided)) => decided.next().unwrap_or(Ok(())),
            (Ok(_), Err(refusal)) => Err(refusal.clone()),
        });
        let outcomes: Vec<Result<(), Refusal>> = outcomes.collect();
        assert_eq!(outcomes.len(), count, "every list is answered for");
        respond(question, &outcomes)
    })))
}

/// Why this client may add nothing here.
fn refusal(context: &Context) -> Option<Refusal> {
    let access = context.access();
    match access.cluster(Operation::Alter) {
        Err(code) => Some(denied(code)),
        Ok(()) => (!access.is_controlled()).then(disabled),
    }
}

fn respond(question: Question, outcomes: &[Result<(), Refusal>]) -> Result<Response, WireError> {
    let results = outcomes.iter().map(|outcome| {
        let (error_code, error_message) = told(outcome.as_ref().err());
        AclCreationResult {
            error_code,
            error_message,
        }
    });
    question.encode(&CreateAclsResponse {
        throttle_time_ms: 0,
        results: results.collect(),
    })
}
