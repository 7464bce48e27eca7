//! A producer's batches, brought to the core that owns their partition.
//!
//! Invariant: batches of one connection are begun in the order in which they came, also those that
//! come while the partition is being opened. Were the first ones refused, those that come a moment
//! later would be taken, since of a producer that it does not know a partition takes any number (as
//! Kafka does); the first ones, sent again, would be out of order for ever.

use std::future::Future;

use partition::{AppendError, AppendOutcome, AppendRequest, Partition};
use reactor::reply;

use crate::broker::Broker;
use crate::errand::run;
use crate::hosted::Unavailable;
use crate::ownership::PartitionId;

impl Broker {
    /// Appends a batch. The work begins before anything that is asked later.
    ///
    /// # Errors
    /// When the partition does not serve.
    pub fn append(
        &self,
        id: PartitionId,
        request: AppendRequest,
    ) -> impl Future<Output = Result<Result<AppendOutcome, AppendError>, Unavailable>> + use<> {
        let bytes = request.records.len();
        self.when_open(id, bytes, move |_, partition| partition.append(request))
    }

    /// Works on a partition on the core that owns it, as soon as it is open; `bytes` is what the
    /// work holds of memory until then.
    pub(crate) fn when_open<R, F, T>(
        &self,
        id: PartitionId,
        bytes: usize,
        work: F,
    ) -> impl Future<Output = Result<R, Unavailable>> + use<R, F, T>
    where
        R: Send + 'static,
        F: FnOnce(&Broker, Partition) -> T + Send + 'static,
        T: Future<Output = R> + 'static,
    {
        let answer = self.on_core(id.owner(self.cores()), move |broker| {
            let hosted = &broker.shared.hosted;
            let begun = match hosted.find(id) {
                Err(Unavailable::Opening) if hosted.has_room(bytes) => {
                    let (replier, opened) = reply();
                    let broker = broker.clone();
                    let begin = move |found: Result<Partition, Unavailable>| match found {
                        Ok(partition) => {
                            let work = work(&broker, partition);
                            run(broker.core(), async move { Ok(work.await) }, replier);
                        }
                        Err(unavailable) => replier.send(Err(unavailable)),
                    };
                    hosted.wait(id, bytes, Box::new(begin));
                    Err(opened)
                }
                found => Ok(found.map(|partition| work(broker, partition))),
            };
            async move {
                match begun {
                    Ok(Ok(work)) => Ok(work.await),
                    Ok(Err(unavailable)) => Err(unavailable),
                    Err(opened) => opened.await.unwrap_or(Err(Unavailable::Stopping)),
                }
            }
        });
        async move { answer.await? }
    }
}
