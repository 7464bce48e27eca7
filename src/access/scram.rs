//! What is kept of a password for SCRAM (RFC 5802, RFC 7677; KIP-554).
//!
//! Invariants: from what is kept nobody can sign in without guessing the password, and it is never
//! printed; a mechanism's keys have the length of its hash.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// The fewest rounds that a password may have been salted with, by either mechanism.
const ITERATIONS_MIN: i32 = 4096;
/// The most rounds: a client has to do as many at every sign-in.
const ITERATIONS_MAX: i32 = 16_384;

/// By which hash passwords are salted and proven, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256 = 1,
    /// SCRAM-SHA-512.
    Sha512 = 2,
}

impl ScramMechanism {
    /// The mechanism with this number; nothing for Kafka's "unknown" too.
    #[must_use]
    pub const fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The fewest rounds.
    #[must_use]
    pub const fn iterations_min(self) -> i32 {
        ITERATIONS_MIN
    }

    /// The most rounds.
    #[must_use]
    pub const fn iterations_max(self) -> i32 {
        ITERATIONS_MAX
    }

    /// The bytes of its hash, and so of its keys.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn keyed_hash(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => code::<Hmac<Sha256>>(key, text),
            Self::Sha512 => code::<Hmac<Sha512>>(key, text),
        }
    }
}

#[expect(clippy::expect_used, reason = "keys of HMAC have any length")]
fn code<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// What proves that somebody knows one user's password, by one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// What the password was salted with.
    pub salt: Vec<u8>,
    /// How often.
    pub iterations: i32,
    /// The hash of the key that a client proves to have.
    pub stored_key: Vec<u8>,
    /// The key that this node proves to have.
    pub server_key: Vec<u8>,
}

impl ScramCredential {
    /// From a password that the administrator's client salted already (RFC 5802, section 3).
    #[must_use]
    pub fn new(
        mechanism: ScramMechanism,
        salt: Vec<u8>,
        salted_password: &[u8],
        iterations: i32,
    ) -> Self {
        assert!(
            !salted_password.is_empty(),
            "without a password there is no proof"
        );
        let client_key = mechanism.keyed_hash(salted_password, b"Client Key");
        let stored_key = mechanism.hash(&client_key);
        let server_key = mechanism.keyed_hash(salted_password, b"Server Key");
        assert_eq!(stored_key.len(), mechanism.key_bytes());
        assert_eq!(server_key.len(), mechanism.key_bytes());
        Self {
            salt,
            iterations,
            stored_key,
            server_key,
        }
    }
}

/// Keys are no reader's business, also where a whole image is printed.
impl fmt::Debug for ScramCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScramCredential")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
