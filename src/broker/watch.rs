//! Waiting for any of many partitions, wherever they are.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use base::CoreId;
use partition::Partition;
use reactor::{First, first, reply};

use crate::broker::Broker;
use crate::errand::Errand;
use crate::ownership::PartitionId;

type Change = Pin<Box<dyn Future<Output = ()>>>;

impl Broker {
    /// Ends when any of the partitions shows more than at the time of this call, or goes away;
    /// never when there is none. Dropping it ends the watch on every core.
    pub fn watch(&self, ids: &[PartitionId]) -> impl Future<Output = ()> + use<> {
        let mut by_core: BTreeMap<CoreId, Vec<PartitionId>> = BTreeMap::new();
        for id in ids {
            by_core.entry(id.owner(self.cores())).or_default().push(*id);
        }
        let changes: Vec<Change> = by_core
            .into_iter()
            .map(|(core, ids)| {
                if core == self.core().id() {
                    Box::pin(self.watch_here(&ids)) as Change
                } else {
                    Box::pin(self.watch_there(core, ids)) as Change
                }
            })
            .collect();
        any_of(changes)
    }

    fn watch_here(&self, ids: &[PartitionId]) -> impl Future<Output = ()> + use<> {
        let partitions: Vec<Partition> = ids
            .iter()
            .filter_map(|id| self.shared.hosted.find(*id).ok())
            .collect();
        partition::any(&partitions)
    }

    fn watch_there(&self, core: CoreId, ids: Vec<PartitionId>) -> impl Future<Output = ()> + use<> {
        let (replier, changed) = reply();
        let errand: Errand = Box::new(move |broker: &Broker| {
            let change = broker.watch_here(&ids);
            broker.core().spawn(async move {
                if let First::Left(()) = first(change, replier.abandoned()).await {
                    replier.send(());
                }
            });
        });
        // A core that is gone drops the errand, which ends the wait as well.
        let _ = self.send_to(core, errand);
        async move {
            let _ = changed.await;
        }
    }
}

async fn any_of(mut changes: Vec<Change>) {
    std::future::poll_fn(|context| {
        let ended = changes
            .iter_mut()
            .any(|change| change.as_mut().poll(context).is_ready());
        if ended {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
