//! Questions of administrators: which groups are there, what is in them, remove them.

use super::Opaque;

/// Remove a group that nobody uses, with its offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroupAsk {
    /// The group.
    pub group: String,
}

/// Tell what is in a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeGroupAsk {
    /// The group.
    pub group: String,
}

/// One member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMemberDescription {
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// What it said under the selected protocol; empty while none is selected.
    pub metadata: Opaque,
    /// What it got; empty unless the group is stable.
    pub assignment: Opaque,
}

/// A classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicDescription {
    /// Kafka's name of its state.
    pub state: &'static str,
    /// What it is for; empty for a simple group.
    pub protocol_type: String,
    /// The selected protocol; empty unless the group is stable.
    pub protocol: String,
    /// Its members.
    pub members: Vec<ClassicMemberDescription>,
}

/// Which groups are there?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListGroupsAsk {
    /// Only groups in one of these states, by Kafka's names in any case; all when empty.
    pub states: Vec<String>,
    /// Only groups of one of these types, in any case; all when empty.
    pub types: Vec<String>,
}

/// One group of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group: String,
    /// What it is for; empty for a simple group.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: &'static str,
    /// `classic` or `consumer`.
    pub kind: &'static str,
}
