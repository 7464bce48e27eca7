//! DescribeUserScramCredentials (key 50), version 0: who may sign in with SCRAM (KIP-554).
//!
//! Nobody may on a node that offers no SASL, and it says so: tools ask this together with the quotas
//! of users and give up on all of it where there is no answer.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout, flexible from the start

use std::borrow::Cow;
use std::collections::BTreeMap;

use access::Operation;
use base::ErrorCode;
use wire::WireError;
use wire::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult, UserName,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::read;
use crate::table::Request;

/// Answers that there are no credentials.
pub(crate) fn handle(context: &Context, mut request: Request<'_>) -> Result<Answer, WireError> {
    let question = request.question;
    let asked: DescribeUserScramCredentialsRequest<'_> = read(&mut request)?;
    if let Err(code) = context.access().cluster(Operation::Describe) {
        return Ok(question.answer(&DescribeUserScramCredentialsResponse {
            error_code: code.code(),
            error_message: Some(Cow::Owned(denied(code).message)),
            ..Default::default()
        }));
    }
    Ok(question.answer(&DescribeUserScramCredentialsResponse {
        results: not_found(asked.users.as_deref().unwrap_or_default()),
        ..Default::default()
    }))
}

/// One result for each name: no user has credentials.
fn not_found<'a>(users: &'a [UserName<'a>]) -> Vec<DescribeUserScramCredentialsResult<'a>> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users {
        *times.entry(user.name.as_ref()).or_default() += 1;
    }
    let results = times.into_iter().map(|(user, times)| {
        let (code, text) = if times > 1 {
            (
                ErrorCode::DuplicateResource,
                "Cannot describe SCRAM credentials for the same user twice in a single request: ",
            )
        } else {
            (
                ErrorCode::ResourceNotFound,
                "Attempt to describe a user credential that does not exist: ",
            )
        };
        DescribeUserScramCredentialsResult {
            user: Cow::Borrowed(user),
            error_code: code.code(),
            error_message: Some(Cow::Owned(format!("{text}{user}"))),
            ..Default::default()
        }
    });
    results.collect()
}

#[cfg(test)]
#[path = "../tests/describe_user_scram_credentials_tests.rs"]
mod tests;
