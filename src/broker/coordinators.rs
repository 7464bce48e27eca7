//! Which partitions of this core have a coordinator, whichever it is.

use metadata::Image;
use partition::Partition;

use crate::broker::Broker;
use crate::groups::OFFSETS_TOPIC;
use crate::ownership::PartitionId;
use crate::transactions::TRANSACTIONS_TOPIC;

impl Broker {
    /// Takes in what an image means for coordinators; their partitions serve already.
    pub(crate) fn adopt_coordinators(&self, before: &Image, image: &Image) {
        self.adopt_groups(before, image);
        self.adopt_transactions(image);
        self.start_hosts(image);
    }

    /// Ends the coordinator of a partition that is not what it was.
    pub(crate) fn end_host(&self, id: PartitionId) {
        self.shared.groups.retain(|known| known != id);
        self.shared.transactions.retain(|known| known != id);
    }

    /// Starts a coordinator for each partition that serves and has none.
    pub(crate) fn start_hosts(&self, image: &Image) {
        let core = self.core();
        self.each_of(image, OFFSETS_TOPIC, |id, partition| {
            self.shared.groups.start(core, id, partition);
        });
        self.each_of(image, TRANSACTIONS_TOPIC, |id, partition| {
            self.shared.transactions.start(core, id, partition);
        });
    }

    fn each_of(&self, image: &Image, topic: &str, mut work: impl FnMut(PartitionId, Partition)) {
        let Some(topic) = image.topic(topic) else {
            return;
        };
        for id in self.shared.hosted.ids() {
            if id.topic != topic.id {
                continue;
            }
            if let Some(partition) = self.own_partition(id) {
                work(id, partition);
            }
        }
    }
}
