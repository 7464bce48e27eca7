//! What administrators see of a classic group.

use super::{ClassicGroup, Member, State};
use crate::{ClassicDescription, ClassicMemberDescription};

impl ClassicGroup {
    pub(crate) fn describe(&self) -> ClassicDescription {
        // Before a group is stable, what its members said is no longer or not yet what counts.
        let protocol = self
            .protocol
            .as_deref()
            .filter(|_| self.state == State::Stable);
        let member = |member: &Member| ClassicMemberDescription {
            member: member.id.to_string(),
            instance: member.instance.as_deref().map(str::to_owned),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            metadata: protocol
                .and_then(|protocol| member.metadata(protocol))
                .cloned()
                .unwrap_or_default(),
            assignment: match protocol {
                Some(_) => member.assignment.clone(),
                None => Default::default(),
            },
        };
        ClassicDescription {
            state: self.state.name(),
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.members().map(member).collect(),
        }
    }
}
