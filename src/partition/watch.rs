//! Waiting for any of many partitions at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::partition::Partition;

type Change = Pin<Box<dyn Future<Output = ()>>>;

impl Partition {
    /// Ends when readers may see more than at the time of this call, or the partition goes away.
    pub fn change(&self) -> impl Future<Output = ()> + use<> {
        self.shared.changed.wait()
    }
}

/// Ends when any of the partitions changes after this call; never when there is none.
pub fn any(partitions: &[Partition]) -> impl Future<Output = ()> + use<> {
    let changes = partitions
        .iter()
        .map(|one| Box::pin(one.change()) as Change)
        .collect();
    Any { changes }
}

struct Any {
    changes: Vec<Change>,
}

impl Future for Any {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        for change in &mut self.changes {
            if change.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
