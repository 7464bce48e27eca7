//! The way to a coordinator's machine, from any core.

use std::future::Future;

use base::ErrorCode;
use coordinator::Refusal;
use reactor::Reply;

use super::host::{loading, not_here};
use super::machine::Machine;
use crate::broker::Broker;
use crate::hosted::Unavailable;
use crate::ownership::PartitionId;

impl Broker {
    /// Asks the machine of the partition `home`; without one there is nobody to ask. The asking
    /// begins now, before anything that is asked later.
    pub(crate) fn ask_at<M: Machine>(
        &self,
        home: Option<PartitionId>,
        ask: M::Ask,
    ) -> impl Future<Output = M::Answer> + use<M> {
        let gone = M::refused(&ask, not_here());
        let way = home.map(|id| {
            self.on_core(id.owner(self.cores()), move |broker| {
                let asked = broker.ask_here::<M>(id, ask);
                async move {
                    match asked {
                        Ok(answer) => answer.await.ok(),
                        Err(refused) => Some(*refused),
                    }
                }
            })
        });
        async move {
            match way {
                Some(way) => way.await.ok().flatten().unwrap_or(gone),
                None => gone,
            }
        }
    }

    /// Asks the machine of a partition of this core; an answer at once where nobody can be asked.
    pub(crate) fn ask_here<M: Machine>(
        &self,
        id: PartitionId,
        ask: M::Ask,
    ) -> Result<Reply<M::Answer>, Box<M::Answer>> {
        if let Some(host) = M::hosts(self).find(id) {
            return host.ask(ask);
        }
        let refusal = match self.shared.hosted.find(id) {
            // Its host starts in the same breath in which its image is taken in.
            Ok(_) | Err(Unavailable::Opening) => loading(),
            Err(Unavailable::Unknown | Unavailable::Stopping) => not_here(),
            // As in Kafka: every client then looks the coordinator up again, and hears that there
            // is none; some know no other code here.
            Err(Unavailable::Offline) => Refusal::new(
                ErrorCode::NotCoordinator,
                "The log of this coordinator is offline; see the log of the node.",
            ),
        };
        Err(Box::new(M::refused(&ask, refusal)))
    }
}
