//! Passwords for SCRAM through real sockets: who sets one finds it again, also after a crash, and
//! who may not ask is told nothing.

use wire::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use wire::describe_user_scram_credentials::{DescribeUserScramCredentialsRequest, UserName};

use crate::connection::Connection;
use crate::server::Server;

const AUTHORIZER: &str =
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";

const CLUSTER_DENIED: i16 = 31;
const NOT_FOUND: i16 = 91;
const DUPLICATE: i16 = 92;
const UNACCEPTABLE: i16 = 93;

fn upsertion(user: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion<'_> {
    ScramCredentialUpsertion {
        name: user.into(),
        mechanism,
        iterations,
        salt: b"salt"[..].into(),
        salted_password: b"salted"[..].into(),
    }
}

fn deletion(user: &str, mechanism: i8) -> ScramCredentialDeletion<'_> {
    ScramCredentialDeletion {
        name: user.into(),
        mechanism,
    }
}

/// Users with codes.
fn alter(
    connection: &mut Connection,
    deletions: Vec<ScramCredentialDeletion<'_>>,
    upsertions: Vec<ScramCredentialUpsertion<'_>>,
) -> Vec<(String, i16)> {
    let answer = connection.ask(&AlterUserScramCredentialsRequest {
        deletions,
        upsertions,
    });
    let response = answer.read::<AlterUserScramCredentialsRequest<'_>>();
    let results = response.results.iter();
    results
        .map(|one| (one.user.to_string(), one.error_code))
        .collect()
}

/// A user with code, and iterations by mechanism.
type Known = (String, i16, Vec<(i8, i32)>);

/// The request's code, and each user.
fn describe(connection: &mut Connection, users: Option<&[&'static str]>) -> (i16, Vec<Known>) {
    let users = users.map(|users| {
        let users = users.iter();
        let users = users.map(|user| UserName {
            name: (*user).into(),
        });
        users.collect()
    });
    let answer = connection.ask(&DescribeUserScramCredentialsRequest { users });
    let response = answer.read::<DescribeUserScramCredentialsRequest<'_>>();
    let results = response.results.iter().map(|one| {
        let infos = one.credential_infos.iter();
        let infos = infos.map(|info| (info.mechanism, info.iterations));
        (one.user.to_string(), one.error_code, infos.collect())
    });
    (response.error_code, results.collect())
}

#[test]
fn passwords_outlive_a_crash() {
    let Some(mut server) = Server::own("scram-kept", &[]) else {
        return;
    };
    let mut connection = server.connect();
    assert_eq!(describe(&mut connection, None), (0, Vec::new()));
    let told = alter(
        &mut connection,
        vec![deletion("nobody", 1)],
        vec![
            upsertion("alice", 1, 8192),
            upsertion("bob", 2, 4096),
            upsertion("carol", 1, 4095),
            upsertion("dave", 1, 4096),
            upsertion("dave", 2, 4096),
        ],
    );
    let expected = [
        ("alice", 0),
        ("bob", 0),
        ("carol", UNACCEPTABLE),
        ("dave", DUPLICATE),
        ("nobody", NOT_FOUND),
    ];
    assert_eq!(told, expected.map(|(user, code)| (user.to_owned(), code)));
    let second = alter(&mut connection, vec![], vec![upsertion("alice", 2, 16_384)]);
    assert_eq!(second, [("alice".to_owned(), 0)]);
    server.kill();
    server.start();
    let mut connection = server.connect();
    let alice = ("alice".to_owned(), 0, vec![(1, 8192), (2, 16_384)]);
    let bob = ("bob".to_owned(), 0, vec![(2, 4096)]);
    let all = (0, vec![alice.clone(), bob]);
    assert_eq!(describe(&mut connection, None), all);
    assert_eq!(describe(&mut connection, Some(&[])), all);
    let carol = ("carol".to_owned(), NOT_FOUND, Vec::new());
    let named = describe(&mut connection, Some(&["carol", "alice"]));
    assert_eq!(named, (0, vec![alice, carol]));
    let gone = alter(&mut connection, vec![deletion("bob", 2)], vec![]);
    assert_eq!(gone, [("bob".to_owned(), 0)]);
    server.kill();
    server.start();
    let mut connection = server.connect();
    let bob = ("bob".to_owned(), NOT_FOUND, Vec::new());
    assert_eq!(describe(&mut connection, Some(&["bob"])), (0, vec![bob]));
}

#[test]
fn who_may_not_ask_learns_nothing() {
    let Some(server) = Server::own("scram-denied", &[AUTHORIZER]) else {
        return;
    };
    let mut connection = server.connect();
    let told = alter(
        &mut connection,
        vec![deletion("b", 1)],
        vec![upsertion("a", 1, 4096), upsertion("b", 1, 4096)],
    );
    let denied = |user: &str| (user.to_owned(), CLUSTER_DENIED);
    assert_eq!(told, [denied("a"), denied("b")]);
    let described = describe(&mut connection, None);
    assert_eq!(described, (CLUSTER_DENIED, Vec::new()));
}
