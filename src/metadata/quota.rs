//! Quotas of users, client ids and addresses (KIP-546).
//!
//! Invariant: an entity names at least one kind, each at most once.

use std::collections::BTreeMap;
use std::fmt;

/// Whose quota it is: kinds (`user`, `client-id`, `ip`) with names; no name is the default of the
/// kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaEntity(pub BTreeMap<String, Option<String>>);

impl fmt::Display for QuotaEntity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, name)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let name = name.as_deref().unwrap_or("<default>");
            write!(formatter, "{comma}{kind}={name}")?;
        }
        Ok(())
    }
}

/// A limit. Two are equal when their bits are, so that an image can be compared.
#[derive(Clone, Copy, Debug)]
pub struct QuotaValue(pub f64);

impl PartialEq for QuotaValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for QuotaValue {}

/// The limits of one entity, by key.
pub type QuotaValues = BTreeMap<String, QuotaValue>;
