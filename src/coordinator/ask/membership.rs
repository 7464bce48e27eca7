//! Questions of members of classic groups: join, sync, heartbeat, leave.

use base::Uuid;

use super::Opaque;
use crate::Refusal;

/// One way of assigning that a member knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinProtocol {
    /// Its name, for example `range`.
    pub name: String,
    /// What the leader needs to know of the member, for example its topics.
    pub metadata: Opaque,
}

/// A member wants to be in the next generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAsk {
    /// The group.
    pub group: String,
    /// The member's id; empty when it has none yet.
    pub member: String,
    /// The name of a static member (KIP-345).
    pub instance: Option<String>,
    /// The client id of the request's header; member ids begin with it.
    pub client_id: String,
    /// Where the request came from, as `/10.0.0.1`.
    pub client_host: String,
    /// After how long without a word the member is taken for dead.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for this member; the session timeout where the version has none.
    pub rebalance_timeout_ms: i32,
    /// What the group is for, for example `consumer` or `connect`.
    pub protocol_type: String,
    /// The protocols that the member knows, best first.
    pub protocols: Vec<JoinProtocol>,
    /// Why the member joins (KIP-800).
    pub reason: Option<String>,
    /// True when a member without id must come back with the one it is given (KIP-394).
    pub needs_known_member: bool,
    /// True when the leader understands that it need not assign (KIP-814).
    pub can_skip_assignment: bool,
    /// What a new member id is made from.
    pub fresh: Uuid,
}

/// One member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinMember {
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// What it said under the protocol that was selected.
    pub metadata: Opaque,
}

/// The member is in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinAnswer {
    /// The generation.
    pub generation: i32,
    /// What the group is for.
    pub protocol_type: Option<String>,
    /// The protocol that was selected.
    pub protocol: Option<String>,
    /// The leader's id.
    pub leader: String,
    /// True when the leader must not assign, since the assignment stands (KIP-814).
    pub skip_assignment: bool,
    /// The member's id.
    pub member: String,
    /// All members for the leader, none for the others.
    pub members: Vec<JoinMember>,
}

/// The member is not in a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRefusal {
    /// Why.
    pub refusal: Refusal,
    /// The id it asked with, or the one to come back with (MEMBER_ID_REQUIRED).
    pub member: String,
}

/// A member wants its assignment; the leader brings everybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAsk {
    /// The group.
    pub group: String,
    /// The generation it joined.
    pub generation: i32,
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// What it thinks the group is for, where the version says it.
    pub protocol_type: Option<String>,
    /// What it thinks was selected, where the version says it.
    pub protocol: Option<String>,
    /// From the leader: member ids and what they get.
    pub assignments: Vec<(String, Opaque)>,
}

/// What a member gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAnswer {
    /// What the group is for.
    pub protocol_type: Option<String>,
    /// The protocol that was selected.
    pub protocol: Option<String>,
    /// The assignment, in the protocol's own format.
    pub assignment: Opaque,
}

/// A member is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatAsk {
    /// The group.
    pub group: String,
    /// The generation it is in.
    pub generation: i32,
    /// Its id.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
}

/// One member that leaves, or is made to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Its id; empty when only its static name is known.
    pub member: String,
    /// Its static name.
    pub instance: Option<String>,
    /// Why it leaves (KIP-800).
    pub reason: Option<String>,
}

/// Members leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveAsk {
    /// The group.
    pub group: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// What became of one leaving member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    /// As asked.
    pub member: String,
    /// As asked.
    pub instance: Option<String>,
    /// Whether it was a member.
    pub result: Result<(), Refusal>,
}
