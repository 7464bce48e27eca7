//! Who may do what without being named in an access control list.

use crate::reader::Reader;

/// The authorizer whose place forebay's own access control takes.
pub(crate) const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// How access is decided where there is an authorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// Principals that may do everything, each of the form type:name.
    pub super_users: Vec<String>,
    /// Whether everybody may do everything to a resource that no list is about.
    pub allow_everyone_if_no_acl_found: bool,
}

impl AccessConfig {
    /// Nothing where no authorizer is configured.
    pub(crate) fn read(reader: Reader<'_>) -> Option<Self> {
        let authorizer = reader.text("authorizer.class.name").unwrap_or_default();
        let super_users = reader.text("super.users").unwrap_or_default();
        (authorizer == AUTHORIZER).then(|| Self {
            super_users: principals(&super_users).map(str::to_owned).collect(),
            allow_everyone_if_no_acl_found: reader.flag("allow.everyone.if.no.acl.found"),
        })
    }
}

/// The principals of `super.users`.
pub(crate) fn principals(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(';').map(str::trim);
    parts.filter(|part| !part.is_empty())
}
