//! Who asks.

use std::net::IpAddr;

use config::AccessConfig;

/// Everybody, as a list names them.
pub(crate) const EVERYBODY: &str = "User:*";

/// True for a text of the form `type:name`.
#[must_use]
pub fn is_principal(text: &str) -> bool {
    text.contains(':')
}

/// Who asks, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub(crate) principal: String,
    pub(crate) address: IpAddr,
    pub(crate) is_super_user: bool,
    pub(crate) is_allowed_by_default: bool,
}

impl Subject {
    /// The principal at this address under these rules.
    #[must_use]
    pub fn new(principal: &str, address: IpAddr, rules: &AccessConfig) -> Self {
        assert!(is_principal(principal), "a principal has a type");
        Self {
            principal: principal.to_owned(),
            address: address.to_canonical(),
            is_super_user: rules.super_users.iter().any(|user| user == principal),
            is_allowed_by_default: rules.allow_everyone_if_no_acl_found,
        }
    }

    /// The principal, as `User:name`.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }
}
