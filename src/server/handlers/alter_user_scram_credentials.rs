//! AlterUserScramCredentials (key 51), version 0: passwords for SCRAM are set and removed (KIP-554).
//!
//! The client salts the password and never sends it; of what it sends only the keys are kept that
//! prove the password (KIP-900). Each user is decided on its own. The answer comes when all of it
//! holds on every core and is on the device. Nobody signs in with a password yet.
//!
//! Deviations from Apache Kafka: an empty salt is refused, where Kafka keeps it; an empty salted
//! password is UNACCEPTABLE_CREDENTIAL, where Kafka fails with UNKNOWN_SERVER_ERROR; a salt longer
//! than 1 KiB is refused; results are by user's name.
//!
//! - 0: first layout, flexible from the start

use std::collections::BTreeSet;

use access::Operation;
use metadata::Refusal;
use metadata::decide::{AlterScram, ScramOperation};
use wire::WireError;
use wire::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
};

use crate::access::denied;
use crate::answer::{Answer, Question, Response};
use crate::context::Context;
use crate::fault;
use crate::handlers::altering::told;
use crate::handlers::{begin, read};
use crate::table::Request;

/// What became of each user.
type Outcomes = Vec<(String, Result<(), Refusal>)>;

/// Lets the controller decide, and answers when it has.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: AlterUserScramCredentialsRequest<'_> = read(&mut request)?;
    let alters = alters(asked);
    let users: BTreeSet<String> = alters.iter().map(|alter| alter.user.clone()).collect();
    if let Err(code) = context.access().cluster(Operation::Alter) {
        let outcomes = refused(users, &denied(code));
        return Ok(Answer::Now(respond(question, &outcomes)?));
    }
    let broker = context.broker().clone();
    let deciding = begin(
        context.core(),
        async move { broker.alter_scram(alters).await },
    );
    Ok(Answer::Later(Box::pin(async move {
        let outcomes = match deciding.await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(error)) => refused(users, &fault::refusal_of_controller(&error)),
            Err(_gone) => refused(users, &fault::timed_out()),
        };
        respond(question, &outcomes)
    })))
}

/// What is asked for; removals come first, as in Kafka, which tells a user's first mistake.
fn alters(asked: AlterUserScramCredentialsRequest<'_>) -> Vec<AlterScram> {
    let deletions = asked.deletions.into_iter().map(|deletion| AlterScram {
        user: deletion.name.into_owned(),
        mechanism: deletion.mechanism,
        operation: ScramOperation::Delete,
    });
    let upsertions = asked.upsertions.into_iter().map(|upsertion| AlterScram {
        user: upsertion.name.into_owned(),
        mechanism: upsertion.mechanism,
        operation: ScramOperation::Upsert {
            iterations: upsertion.iterations,
            salt: upsertion.salt.into_owned(),
            salted_password: upsertion.salted_password.into_owned(),
        },
    });
    deletions.chain(upsertions).collect()
}

fn refused(users: BTreeSet<String>, refusal: &Refusal) -> Outcomes {
    let outcomes = users.into_iter().map(|user| (user, Err(refusal.clone())));
    outcomes.collect()
}

fn respond(question: Question, outcomes: &Outcomes) -> Result<Response, WireError> {
    let results = outcomes.iter().map(|(user, outcome)| {
        let (error_code, error_message) = told(outcome.as_ref().err());
        AlterUserScramCredentialsResult {
            user: user.as_str().into(),
            error_code,
            error_message,
        }
    });
    question.encode(&AlterUserScramCredentialsResponse {
        throttle_time_ms: 0,
        results: results.collect(),
    })
}
