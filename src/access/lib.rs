//! Who may do what: access control lists as Apache Kafka's `StandardAuthorizer` has them.
//!
//! Vocabulary: an [`Acl`] allows or denies one *operation* on the resources of one *pattern* to
//! one *principal* from one *host*; a [`Subject`] is who asks: principal and address; [`Acls`] is
//! the set of all of them, arranged for being asked; an [`AclFilter`] selects some of them for an
//! administrator; a [`Judge`] answers one subject's questions; a [`ScramCredential`] is what is kept of
//! a password.
//!
//! Invariants:
//! - One list that denies outweighs all that allow.
//! - Super users are never denied anything.
//! - A question allocates nothing, and costs no more the more lists there are of other resources.
//! - The order in which lists were added cannot be seen.
//!
//! Start reading at `acl.rs`, then `judge.rs` and `section.rs`.

mod acl;
mod acls;
mod coded;
mod filter;
mod host;
mod judge;
mod operation;
mod resource;
mod scram;
mod section;
mod subject;

pub use acl::{Acl, Permission};
pub use acls::{Acls, Clash};
pub use filter::{AclFilter, PatternMatch};
pub use judge::Judge;
pub use operation::{Operation, bits};
pub use resource::{CLUSTER_NAME, PatternType, ResourceType, WILDCARD};
pub use scram::{ScramCredential, ScramMechanism};
pub use subject::{Subject, is_principal};

#[cfg(test)]
mod tests;
