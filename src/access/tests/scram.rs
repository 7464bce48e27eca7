//! Keys that differ from the specification's lock every client out, and nobody sees why.

use crate::{ScramCredential, ScramMechanism};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2);
    let bytes = digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    bytes.collect()
}

/// The password "pencil" with the salt of RFC 7677's example, 4096 times; by another
/// implementation. The first is that RFC's own.
#[test]
fn keys_are_those_of_the_specification() {
    let cases = [
        (
            ScramMechanism::Sha256,
            "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d",
            "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6",
            "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5",
        ),
        (
            ScramMechanism::Sha512,
            "f16efe1be67f1d09502ebd5ed9262fddffba5a377ab4f0b687e5ed5ba0f50686\
             b8a4ae166476da8ab3b951d2fa9238b63998f45461bc33a464814949cec9631d",
            "e8002e6f7d3ae446119b216933644dc2a2be7869eb918b8459b5e7d7d2ec1260\
             6aceef106825cd735170a675fd3611f684affad1dce3f43a0ee43bd590e1dbbe",
            "8d91db6230b5687874fe129bc7206e1858c3ae08e02934f57ac03b6b05a229c4\
             59d28ff46f5c9611e6c179256490215ec1ff759cb0df285db89af0f99e613aac",
        ),
    ];
    for (mechanism, salted, stored, server) in cases {
        let credential = ScramCredential::new(mechanism, vec![1], &bytes(salted), 4096);
        assert_eq!(hex(&credential.stored_key), stored);
        assert_eq!(hex(&credential.server_key), server);
        assert_eq!(
            (credential.salt.as_slice(), credential.iterations),
            (&[1][..], 4096)
        );
        assert_eq!(ScramMechanism::from_code(mechanism.code()), Some(mechanism));
    }
    assert_eq!(ScramMechanism::from_code(0), None);
    assert_eq!(ScramMechanism::from_code(3), None);
}

/// Logs are read by many.
#[test]
fn keys_are_not_printed() {
    let credential = ScramCredential::new(ScramMechanism::Sha256, vec![77], &[9], 4096);
    let printed = format!("{credential:?}");
    assert_eq!(printed, "ScramCredential { iterations: 4096, .. }");
}
