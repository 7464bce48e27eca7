//! Passwords for SCRAM come, change and go. Codes and texts are those that Apache Kafka 4.3.1
//! has, but for empty salts and salted passwords, which it does not look at.

use super::cluster;
use crate::decide::{AlterScram, ScramOperation, alter_scram};
use crate::{ApplyError, Change, Image, ScramChange};
use access::ScramMechanism;

fn set(user: &str, mechanism: i8, iterations: i32) -> AlterScram {
    salted(user, mechanism, iterations, (b"salt", b"salted"))
}

fn salted(user: &str, mechanism: i8, iterations: i32, bytes: (&[u8], &[u8])) -> AlterScram {
    AlterScram {
        user: user.into(),
        mechanism,
        operation: ScramOperation::Upsert {
            iterations,
            salt: bytes.0.to_vec(),
            salted_password: bytes.1.to_vec(),
        },
    }
}

fn delete(user: &str, mechanism: i8) -> AlterScram {
    AlterScram {
        user: user.into(),
        mechanism,
        operation: ScramOperation::Delete,
    }
}

/// Decides and applies; what each user is told.
fn alter(image: &mut Image, alters: Vec<AlterScram>) -> String {
    let outcomes = alter_scram(image, alters).unwrap();
    let told = outcomes.into_iter().map(|(user, outcome)| match outcome {
        Err(refusal) => format!("{user}: {refusal}"),
        Ok(change) => {
            // What is stored is what a restart reads.
            let bytes = change.encode().unwrap();
            assert_eq!(Change::decode(&bytes).as_ref(), Ok(&change));
            image.apply(&change).unwrap();
            format!("{user}: done")
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

#[test]
fn passwords_come_and_go() {
    let mut image = cluster(1);
    let before = image.clone();
    let both = vec![set("b", 2, 16_384), set("a", 1, 4096)];
    assert_eq!(alter(&mut image, both), "a: done; b: done");
    assert_eq!(alter(&mut image, vec![set("a", 2, 5000)]), "a: done");
    assert_eq!(alter(&mut image, vec![set("a", 1, 8192)]), "a: done");
    let known = &image.scram()["a"];
    assert_eq!(known[&ScramMechanism::Sha256].iterations, 8192);
    assert_eq!(known[&ScramMechanism::Sha256].salt, b"salt");
    assert_eq!(known[&ScramMechanism::Sha512].iterations, 5000);
    let mut again = Image::new("cluster");
    again.apply_all(&image.to_changes()).unwrap();
    assert_eq!(again.scram(), image.scram());
    assert_eq!(again.scram().len(), 2);
    let gone = vec![delete("a", 1), delete("b", 2)];
    assert_eq!(alter(&mut image, gone), "a: done; b: done");
    assert_eq!(alter(&mut image, vec![delete("a", 2)]), "a: done");
    assert_eq!(image, before);
}

/// Somebody's mistake is nobody else's, and never half of it is done.
#[test]
fn mistakes_are_refused_like_kafkas() {
    let twice =
        "a: DUPLICATE_RESOURCE: A user credential cannot be altered twice in the same request";
    let absent = "a: RESOURCE_NOT_FOUND: Attempt to delete a user credential that does not exist";
    let unknown = "a: UNSUPPORTED_SASL_MECHANISM: Unknown SCRAM mechanism";
    let few = "a: UNACCEPTABLE_CREDENTIAL: Too few iterations";
    let cases = [
        (vec![delete("a", 1)], absent),
        (vec![delete("a", 0)], unknown),
        (vec![set("a", 3, 4096)], unknown),
        (vec![set("a", 1, 4095)], few),
        (vec![set("a", 2, -1)], few),
        (
            vec![set("a", 1, 16_385)],
            "a: UNACCEPTABLE_CREDENTIAL: Too many iterations",
        ),
        (
            vec![set("", 9, 1)],
            ": UNACCEPTABLE_CREDENTIAL: Username must not be empty",
        ),
        (
            vec![salted("a", 1, 4096, (b"", b"p"))],
            "a: UNACCEPTABLE_CREDENTIAL: Salt must not be empty",
        ),
        (
            vec![salted("a", 1, 4096, (&[0; 1025], b"p"))],
            "a: UNACCEPTABLE_CREDENTIAL: Salt is too long to be kept",
        ),
        (
            vec![salted("a", 1, 4096, (b"s", b""))],
            "a: UNACCEPTABLE_CREDENTIAL: Salted password must not be empty",
        ),
        (vec![set("a", 1, 4096), set("a", 1, 4096)], twice),
        // Also for two mechanisms: Kafka goes by the user.
        (vec![set("a", 1, 4096), set("a", 2, 4096)], twice),
        (vec![set("a", 1, 4096), set("a", 2, 1)], twice),
        // The first mistake is the one that is told.
        (vec![delete("a", 1), set("a", 1, 4096)], absent),
        (
            vec![set("a", 1, 1), set("a", 1, 4096), set("a", 2, 4096)],
            few,
        ),
    ];
    for (alters, expected) in cases {
        let mut image = cluster(1);
        let before = image.clone();
        assert_eq!(alter(&mut image, alters.clone()), expected);
        assert_eq!(image, before);
        let beside = [alters, vec![set("z", 1, 4096)]].concat();
        assert_eq!(alter(&mut image, beside), format!("{expected}; z: done"));
    }
}

#[test]
fn a_cluster_of_an_old_level_has_none() {
    let mut image = cluster(1);
    let level = Change::FeatureLevel {
        name: "metadata.version".into(),
        level: 10,
    };
    image.apply(&level).unwrap();
    assert_eq!(
        alter(&mut image, vec![set("a", 1, 4096)]),
        "a: UNSUPPORTED_VERSION: The current metadata.version does not support SCRAM"
    );
}

#[test]
fn too_many_at_once_are_none() {
    let many = (0..10_001).map(|user| set(&user.to_string(), 1, 4096));
    assert!(alter_scram(&cluster(1), many.collect()).is_err());
}

/// A log that takes back what was never there is another cluster's, or damaged.
#[test]
fn removing_what_is_not_there_stops_the_fold() {
    let mut image = cluster(1);
    alter(&mut image, vec![set("a", 1, 4096)]);
    let before = image.clone();
    for (user, mechanism) in [("a", ScramMechanism::Sha512), ("b", ScramMechanism::Sha256)] {
        let removal = Change::Scram(ScramChange {
            user: user.into(),
            mechanism,
            credential: None,
        });
        let outcome = image.apply(&removal);
        assert_eq!(outcome, Err(ApplyError::ScramUnknown(user.into())));
        assert_eq!(image, before);
    }
}
