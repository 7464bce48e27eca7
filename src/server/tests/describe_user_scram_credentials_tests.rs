//! Who asks for all credentials learns of all users; who asks for one's learns of that one, or that
//! there are none. Texts and codes are those of Apache Kafka 4.3.1.

use access::{ScramCredential, ScramMechanism};
use metadata::ScramCredentials;
use wire::ApiKey;
use wire::describe_user_scram_credentials::{DescribeUserScramCredentialsResponse, UserName};

use super::described;
use crate::handlers::sample::check_every_version;

fn users(names: &[&'static str]) -> Vec<UserName<'static>> {
    let users = names.iter().map(|name| UserName {
        name: (*name).into(),
    });
    users.collect()
}

/// User "a" with both mechanisms, user "c" with one.
fn scram() -> ScramCredentials {
    let both = [ScramMechanism::Sha512, ScramMechanism::Sha256];
    let credential = |mechanism: ScramMechanism| {
        let iterations = 4096 + i32::from(mechanism.code());
        let credential = ScramCredential::new(mechanism, vec![1], &[2], iterations);
        (mechanism, credential)
    };
    let one = [(both[1], credential(both[1]).1)];
    [
        ("a".to_owned(), both.into_iter().map(credential).collect()),
        ("c".to_owned(), one.into_iter().collect()),
    ]
    .into_iter()
    .collect()
}

/// One line for each result: user, code, text, mechanisms with iterations. Without a mistake the
/// text is empty, not absent.
fn told(scram: &ScramCredentials, names: &[&'static str]) -> Vec<String> {
    let asked = users(names);
    let results = described(scram, &asked);
    let lines = results.iter().map(|result| {
        let infos = result.credential_infos.iter();
        let infos: Vec<_> = infos.map(|one| (one.mechanism, one.iterations)).collect();
        let text = result.error_message.as_deref().unwrap();
        format!("{} {} '{text}' {infos:?}", result.user, result.error_code)
    });
    lines.collect()
}

#[test]
fn everybody_is_told_of() {
    let all = ["a 0 '' [(1, 4097), (2, 4098)]", "c 0 '' [(1, 4097)]"];
    assert_eq!(told(&scram(), &[]), all);
    assert!(told(&ScramCredentials::new(), &[]).is_empty());
    let named = [
        "a 0 '' [(1, 4097), (2, 4098)]",
        "b 91 'Attempt to describe a user credential that does not exist: b' []",
        "c 92 'Cannot describe SCRAM credentials for the same user twice in a single request: c' []",
    ];
    assert_eq!(told(&scram(), &["c", "b", "a", "c"]), named);
    let scram = scram();
    let asked = users(&["a", "b"]);
    check_every_version(ApiKey::DescribeUserScramCredentials, |_| {
        DescribeUserScramCredentialsResponse {
            results: described(&scram, &asked),
            ..Default::default()
        }
    });
}
