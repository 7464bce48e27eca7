//! AlterUserScramCredentials: passwords are set and removed (KIP-554).
//!
//! Invariants: one request changes each user once or not at all; the password itself never comes
//! here, and the salted one goes no further.

use crate::change::Change;
use crate::features::METADATA_VERSION;
use crate::image::Image;
use crate::refusal::Refusal;
use crate::scram::ScramChange;
use access::{ScramCredential, ScramMechanism};
use base::ErrorCode;
use config::limits::{SCRAM_CHANGES_MAX, SCRAM_SALT_BYTES_MAX};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The longest text of a metadata record.
const TEXT_BYTES_MAX: usize = 32_767;
/// The first level whose records tell of passwords: Kafka's 3.5-IV2.
const METADATA_VERSION_MIN: i16 = 11;

/// What shall become of one user's password.
#[derive(Clone)]
pub struct AlterScram {
    /// Whose.
    pub user: String,
    /// The mechanism's number, as the client sent it.
    pub mechanism: i8,
    /// Set or removed.
    pub operation: ScramOperation,
}

/// What is done to a password. Cannot be printed: who has the salted password can sign in.
#[derive(Clone)]
pub enum ScramOperation {
    /// It is removed.
    Delete,
    /// It is set.
    Upsert {
        /// How often it was salted.
        iterations: i32,
        /// With what.
        salt: Vec<u8>,
        /// What came of it.
        salted_password: Vec<u8>,
    },
}

/// What became of each user, by name.
pub type AlteredScram = Vec<(String, Result<Change, Refusal>)>;

/// Decides each user on its own; outcomes are by user's name, one each.
///
/// # Errors
/// When there are so many that one batch should not carry them; then none is changed.
pub fn alter_scram(image: &Image, requested: Vec<AlterScram>) -> Result<AlteredScram, Refusal> {
    if requested.len() > SCRAM_CHANGES_MAX {
        let text = format!(
            "Unable to perform excessively large batch operation: {} passwords at once are more \
             than {SCRAM_CHANGES_MAX}; ask in several requests.",
            requested.len()
        );
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    let mut outcomes = BTreeMap::new();
    for alter in requested {
        match outcomes.entry(alter.user.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(alter_one(image, alter));
            }
            // Of several mistakes the first is told.
            Entry::Occupied(mut entry) if entry.get().is_ok() => {
                let text = "A user credential cannot be altered twice in the same request";
                *entry.get_mut() = refuse(ErrorCode::DuplicateResource, text);
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(outcomes.into_iter().collect())
}

fn refuse<T>(code: ErrorCode, text: &str) -> Result<T, Refusal> {
    Err(Refusal::new(code, text))
}

fn unacceptable<T>(text: &str) -> Result<T, Refusal> {
    refuse(ErrorCode::UnacceptableCredential, text)
}

fn alter_one(image: &Image, alter: AlterScram) -> Result<Change, Refusal> {
    let level = image.features().get(METADATA_VERSION);
    if level.is_none_or(|level| *level < METADATA_VERSION_MIN) {
        let text = "The current metadata.version does not support SCRAM";
        return refuse(ErrorCode::UnsupportedVersion, text);
    }
    if alter.user.is_empty() {
        return unacceptable("Username must not be empty");
    }
    if alter.user.len() > TEXT_BYTES_MAX {
        return unacceptable("Username is too long to be kept");
    }
    let Some(mechanism) = ScramMechanism::from_code(alter.mechanism) else {
        let text = "Unknown SCRAM mechanism";
        return refuse(ErrorCode::UnsupportedSaslMechanism, text);
    };
    let credential = match alter.operation {
        ScramOperation::Delete => {
            let credentials = image.scram().get(&alter.user);
            if !credentials.is_some_and(|known| known.contains_key(&mechanism)) {
                let text = "Attempt to delete a user credential that does not exist";
                return refuse(ErrorCode::ResourceNotFound, text);
            }
            None
        }
        ScramOperation::Upsert {
            iterations,
            salt,
            salted_password,
        } => {
            check(mechanism, iterations, &salt, &salted_password)?;
            let salted = &salted_password;
            Some(ScramCredential::new(mechanism, salt, salted, iterations))
        }
    };
    Ok(Change::Scram(ScramChange {
        user: alter.user,
        mechanism,
        credential,
    }))
}

fn check(
    mechanism: ScramMechanism,
    iterations: i32,
    salt: &[u8],
    salted_password: &[u8],
) -> Result<(), Refusal> {
    if iterations < mechanism.iterations_min() {
        return unacceptable("Too few iterations");
    }
    if iterations > mechanism.iterations_max() {
        return unacceptable("Too many iterations");
    }
    if salt.is_empty() {
        return unacceptable("Salt must not be empty");
    }
    if salt.len() > SCRAM_SALT_BYTES_MAX {
        return unacceptable("Salt is too long to be kept");
    }
    if salted_password.is_empty() {
        return unacceptable("Salted password must not be empty");
    }
    Ok(())
}
