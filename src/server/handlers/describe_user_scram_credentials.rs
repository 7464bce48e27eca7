//! DescribeUserScramCredentials (key 50), version 0: who has passwords for SCRAM, by
//! which mechanisms, salted how often (KIP-554).
//!
//! Of the passwords themselves nothing is told. Nobody signs in with one yet.
//!
//! Deviations from Apache Kafka: none known.
//!
//! - 0: first layout, flexible from the start

use std::borrow::Cow;
use std::collections::BTreeMap;

use access::{Operation, ScramCredential, ScramMechanism};
use base::ErrorCode;
use metadata::ScramCredentials;
use wire::WireError;
use wire::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult, UserName,
};

use crate::access::denied;
use crate::answer::Answer;
use crate::context::Context;
use crate::handlers::read;
use crate::table::Request;

/// Answers from the image.
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
    let image = context.broker().image();
    let users = asked.users.as_deref().unwrap_or_default();
    Ok(question.answer(&DescribeUserScramCredentialsResponse {
        results: described(image.scram(), users),
        ..Default::default()
    }))
}

type Described<'a> = DescribeUserScramCredentialsResult<'a>;

/// One result for each user that is named, or for all where none is, by name.
fn described<'a>(scram: &'a ScramCredentials, users: &'a [UserName<'a>]) -> Vec<Described<'a>> {
    if users.is_empty() {
        let all = scram.iter();
        return all.map(|(user, known)| shown(user, known)).collect();
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for user in users {
        *times.entry(user.name.as_ref()).or_default() += 1;
    }
    let results = times.into_iter().map(|(user, times)| {
        if times > 1 {
            let text = "Cannot describe SCRAM credentials for the same user twice in a single \
                        request: ";
            return refused(user, ErrorCode::DuplicateResource, text);
        }
        let text = "Attempt to describe a user credential that does not exist: ";
        match scram.get(user) {
            Some(known) => shown(user, known),
            None => refused(user, ErrorCode::ResourceNotFound, text),
        }
    });
    results.collect()
}

/// What anybody may know of a user's passwords.
fn shown<'a>(user: &'a str, known: &BTreeMap<ScramMechanism, ScramCredential>) -> Described<'a> {
    let infos = known.iter().map(|(mechanism, credential)| CredentialInfo {
        mechanism: mechanism.code(),
        iterations: credential.iterations,
    });
    Described {
        user: Cow::Borrowed(user),
        credential_infos: infos.collect(),
        ..Default::default()
    }
}

fn refused<'a>(user: &'a str, code: ErrorCode, text: &str) -> Described<'a> {
    Described {
        user: Cow::Borrowed(user),
        error_code: code.code(),
        error_message: Some(Cow::Owned(format!("{text}{user}"))),
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "../tests/describe_user_scram_credentials_tests.rs"]
mod tests;
