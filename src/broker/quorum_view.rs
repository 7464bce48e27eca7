//! The metadata quorum as this node sees it, for whoever asks how it stands.

use base::{CoreId, LeaderEpoch, NodeId, Offset};

use crate::broker::Broker;

/// One voter's part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The voter.
    pub id: NodeId,
    /// Where its log ends, as far as this node knows.
    pub log_end: Offset,
}

/// The state of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumView {
    /// Who leads, if anybody.
    pub leader: Option<NodeId>,
    /// The leader's epoch.
    pub epoch: LeaderEpoch,
    /// Everything below is committed.
    pub high_watermark: Offset,
    /// The voters.
    pub voters: Vec<Voter>,
}

impl Broker {
    /// How the quorum stands; nothing on a node that takes no part or stops.
    pub async fn quorum_view(&self) -> Option<QuorumView> {
        let asked = self.on_core(CoreId(0), |broker| {
            let controller = broker.shared.controller.borrow().clone();
            std::future::ready(controller.map(|controller| controller.view()))
        });
        asked.await.ok().flatten()
    }
}
