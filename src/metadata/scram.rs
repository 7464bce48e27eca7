//! What is kept of passwords for SCRAM (KIP-900).
//!
//! Invariant: a user without a password is not among the users.

use access::{ScramCredential, ScramMechanism};
use std::collections::BTreeMap;

/// By user, and by mechanism.
pub type ScramCredentials = BTreeMap<String, BTreeMap<ScramMechanism, ScramCredential>>;

/// One user's password changed, for one mechanism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramChange {
    /// Whose.
    pub user: String,
    /// For which mechanism.
    pub mechanism: ScramMechanism,
    /// What is kept of it; nothing removes it.
    pub credential: Option<ScramCredential>,
}
