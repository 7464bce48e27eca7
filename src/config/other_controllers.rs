//! Controllers that a configuration names besides the node itself.
//!
//! Every node is a metadata quorum of its own so far. Files written for a cluster start all the
//! same, so whoever starts one must hear that the node has joined nothing.

use crate::address::Address;
use crate::broker::BrokerConfig;

impl BrokerConfig {
    /// What operators must hear when the metadata quorum that they configured is not the one that
    /// the node forms alone; nothing where it is.
    #[must_use]
    pub fn lone_quorum_warning(&self) -> Option<String> {
        let others = self.other_controllers();
        if others.is_empty() {
            return None;
        }
        Some(format!(
            "NOT PART OF THE CONFIGURED CLUSTER: the configuration names other controllers, {}, \
             but this release joins no quorum of others. Node {} starts as a cluster of its own, \
             whose topics and records no other node has. If that is what you want, set \
             process.roles=broker,controller and remove controller.quorum.voters and \
             controller.quorum.bootstrap.servers; if not, stop it and point clients at the \
             cluster's own nodes",
            others.join(", "),
            self.node.id,
        ))
    }

    /// The controllers that are surely not this node, as they were written.
    fn other_controllers(&self) -> Vec<String> {
        let node = &self.node;
        let voters = node
            .voters
            .iter()
            .filter(|voter| voter.id != node.id)
            .map(ToString::to_string);
        let bootstrap = node
            .bootstrap_servers
            .iter()
            .filter(|address| !(node.is_controller && self.is_own_controller(address)))
            .map(ToString::to_string);
        let mut others: Vec<String> = voters.chain(bootstrap).collect();
        others.dedup();
        others
    }

    /// Whether a client at `address` reaches the port where this node's own controller would
    /// listen, as far as names alone can tell.
    fn is_own_controller(&self, address: &Address) -> bool {
        const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
        let mut own = self.network.listeners.iter();
        own.any(|listener| {
            let advertised = self.network.advertised.iter();
            let mut names = advertised
                .filter_map(|one| one.host.as_deref())
                .chain([listener.host.as_str()])
                .chain(LOOPBACK);
            listener.is_controller
                && listener.port == address.port
                && names.any(|name| name.eq_ignore_ascii_case(&address.host))
        })
    }
}
