//! Who asks for all credentials learns that there are none; who asks for one's learns so of each.
//! Texts and codes are those of Apache Kafka 4.3.1.

use wire::ApiKey;
use wire::describe_user_scram_credentials::{DescribeUserScramCredentialsResponse, UserName};

use super::not_found;
use crate::handlers::sample::check_every_version;

fn users(names: &[&'static str]) -> Vec<UserName<'static>> {
    let users = names.iter().map(|name| UserName {
        name: (*name).into(),
    });
    users.collect()
}

#[test]
fn nobody_has_credentials() {
    assert!(not_found(&[]).is_empty());
    let asked = users(&["b", "a", "b"]);
    let results = not_found(&asked);
    let said: Vec<_> = results
        .iter()
        .map(|result| {
            assert!(result.credential_infos.is_empty());
            let text = result.error_message.as_deref().unwrap();
            (result.user.as_ref(), result.error_code, text)
        })
        .collect();
    assert_eq!(
        said,
        [
            (
                "a",
                91,
                "Attempt to describe a user credential that does not exist: a"
            ),
            (
                "b",
                92,
                "Cannot describe SCRAM credentials for the same user twice in a single request: b"
            ),
        ]
    );
    check_every_version(ApiKey::DescribeUserScramCredentials, |_| {
        DescribeUserScramCredentialsResponse {
            results: not_found(&asked),
            ..Default::default()
        }
    });
}
