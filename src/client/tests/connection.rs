//! Stories of single connections: old brokers, silent ones, ones that hang up.

use std::time::Duration;

use base::ErrorCode;
use wire::ApiKey;
use wire::metadata::{MetadataRequest, MetadataResponse};

use super::fake_broker::{Answer, Asked, against, broker_address, metadata, versions};
use crate::{ClientError, Connection, Options};

const ALLOWED: Duration = Duration::from_secs(5);

async fn open(core: &reactor::Core) -> Result<Connection, ClientError> {
    Connection::open(core, broker_address(), "broker", &Options::default()).await
}

/// A broker of 2015 does not know our ApiVersions request; it answers at version 0 with what it
/// does know, and must not be given up (KIP-511).
#[test]
fn an_old_broker_is_spoken_to_in_its_own_versions() {
    let old = |asked: &Asked| match (asked.key, asked.version) {
        (ApiKey::ApiVersions, 0) => {
            let served = [(ApiKey::ApiVersions, 0), (ApiKey::Metadata, 1)];
            Answer::Send(Box::new(versions(&served, 0)), 0)
        }
        (ApiKey::ApiVersions, _) => {
            let served = [(ApiKey::ApiVersions, 0)];
            let code = ErrorCode::UnsupportedVersion.code();
            Answer::Send(Box::new(versions(&served, code)), 0)
        }
        (ApiKey::Metadata, 1) => Answer::Send(Box::new(metadata("t")), 1),
        _ => Answer::Cut,
    };
    let (produce, topics) = against(1, old, |core| async move {
        let connection = open(&core).await.unwrap();
        let answer = connection
            .call(&MetadataRequest::default(), ALLOWED)
            .await
            .unwrap();
        let response: MetadataResponse<'_> = answer.decode().unwrap();
        (connection.version(ApiKey::Produce), response.topics.len())
    });
    assert_eq!(topics, 1);
    assert!(matches!(
        produce,
        Err(ClientError::NoCommonVersion { theirs: None, .. })
    ));
}

/// Many requests may be under way, and each gets its own answer although they arrive in pieces.
#[test]
fn answers_find_their_requests() {
    let broker = |asked: &Asked| match asked.key {
        ApiKey::ApiVersions => {
            let served = [(ApiKey::ApiVersions, 5), (ApiKey::Metadata, 13)];
            Answer::Send(Box::new(versions(&served, 0)), asked.version)
        }
        _ => {
            // Each answer says how long the request was, so that a mix-up is seen.
            let response = MetadataResponse {
                controller_id: i32::try_from(asked.body.len()).unwrap(),
                ..MetadataResponse::default()
            };
            Answer::Send(Box::new(response), asked.version)
        }
    };
    let lengths = against(2, broker, |core| async move {
        let connection = open(&core).await.unwrap();
        let version = connection.version(ApiKey::Metadata).unwrap();
        let request = |topics: usize| MetadataRequest {
            topics: Some(vec![
                wire::metadata::MetadataRequestTopic::default();
                topics
            ]),
            ..MetadataRequest::default()
        };
        let pending: Vec<_> = (0..20)
            .map(|topics| {
                connection
                    .start(&request(topics), version, &[], ALLOWED)
                    .unwrap()
            })
            .collect();
        let mut lengths = Vec::new();
        for pending in pending {
            let answer = pending.await.unwrap();
            lengths.push(
                answer
                    .decode::<MetadataResponse<'_>>()
                    .unwrap()
                    .controller_id,
            );
        }
        lengths
    });
    assert_eq!(lengths.len(), 20);
    assert!(
        lengths.is_sorted() && lengths.first() < lengths.last(),
        "{lengths:?}"
    );
}

/// A broker that hangs must not hang its clients: everything that waits is told, once.
#[test]
fn silence_ends_in_a_timeout_for_all_that_wait() {
    let silent = |asked: &Asked| match asked.key {
        ApiKey::ApiVersions => {
            let served = [(ApiKey::ApiVersions, 5), (ApiKey::Metadata, 13)];
            Answer::Send(Box::new(versions(&served, 0)), asked.version)
        }
        _ => Answer::Silence,
    };
    let (first, second, took) = against(3, silent, |core| async move {
        let connection = open(&core).await.unwrap();
        let begin = core.now();
        let version = connection.version(ApiKey::Metadata).unwrap();
        let request = MetadataRequest::default();
        let patient = Duration::from_secs(300);
        let second = connection.start(&request, version, &[], patient).unwrap();
        let first = connection.start(&request, version, &[], ALLOWED).unwrap();
        (
            first.await.unwrap_err(),
            second.await.unwrap_err(),
            core.now() - begin,
        )
    });
    assert!(
        matches!(
            first,
            ClientError::TimedOut {
                api: "Metadata",
                ..
            }
        ),
        "{first}"
    );
    assert_eq!(first, second);
    assert!(
        took >= ALLOWED && took < ALLOWED + Duration::from_secs(1),
        "{took:?}"
    );
}

/// A connection that breaks tells every request that waits and every later one.
#[test]
fn a_cut_reaches_everyone() {
    let cutting = |asked: &Asked| match asked.key {
        ApiKey::ApiVersions => {
            let served = [(ApiKey::ApiVersions, 5), (ApiKey::Metadata, 13)];
            Answer::Send(Box::new(versions(&served, 0)), asked.version)
        }
        _ => Answer::Cut,
    };
    let (waiting, later) = against(4, cutting, |core| async move {
        let connection = open(&core).await.unwrap();
        let request = MetadataRequest::default();
        let waiting = connection.call(&request, ALLOWED).await.unwrap_err();
        let later = connection.call(&request, ALLOWED).await.unwrap_err();
        (waiting, later)
    });
    assert!(matches!(waiting, ClientError::Closed { .. }), "{waiting}");
    assert_eq!(waiting, later);
}
