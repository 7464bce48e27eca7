//! What the log says of a classic group: the fold of its records of kind 2.

use std::sync::Arc;

use base::Timestamp;
use wire::decode_versioned;
use wire::record::consumer_offsets_group_metadata::{GroupMetadataValue, MemberMetadata};

use crate::{Opaque, ReplayError};

/// The version in which groups are written; the last that monitors of all ages read.
pub(crate) const VALUE_VERSION: i16 = 3;

/// A classic group as of its last record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<Arc<str>>,
    /// When the group came into the state that the record tells of.
    pub(crate) state_since: Timestamp,
    pub(crate) members: Vec<ImageMember>,
}

/// One member of a stable group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageMember {
    pub(crate) id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) subscription: Opaque,
    pub(crate) assignment: Opaque,
}

impl Image {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ReplayError> {
        let (_, value): (_, GroupMetadataValue<'_>) = decode_versioned(bytes)?;
        let some = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
        Ok(Self {
            protocol_type: some(&value.protocol_type),
            generation: value.generation,
            protocol: value.protocol.as_deref().map(Arc::from),
            leader: value.leader.as_deref().map(Arc::from),
            state_since: Timestamp(value.current_state_timestamp),
            members: value.members.iter().map(ImageMember::new).collect(),
        })
    }
}

impl ImageMember {
    fn new(member: &MemberMetadata<'_>) -> Self {
        // Records of the first layout have no rebalance timeout; the session's stood for both.
        let rebalance_timeout_ms = match member.rebalance_timeout {
            -1 => member.session_timeout,
            timeout => timeout,
        };
        Self {
            id: member.member_id.as_ref().into(),
            instance: member.group_instance_id.as_deref().map(Arc::from),
            client_id: member.client_id.as_ref().into(),
            client_host: member.client_host.as_ref().into(),
            rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout,
            subscription: member.subscription.as_ref().into(),
            assignment: member.assignment.as_ref().into(),
        }
    }
}
