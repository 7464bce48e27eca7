//! What a new image means for the partitions of one core: some are opened, some led anew, some
//! removed.
//!
//! Invariant: a partition whose log directory failed stays offline until the next start.

use std::sync::Arc;

use base::{LeaderEpoch, PartitionIndex, TopicPartition, Uuid};
use config::TopicConfig;
use metadata::{Image, Resource, Topic};
use partition::Partition;
use reactor::reply;

use crate::broker::Broker;
use crate::configs::defaults_differ;
use crate::groups::OFFSETS_TOPIC;
use crate::hosted::Hosting;
use crate::ownership::PartitionId;

impl Broker {
    /// Gives `image` to every core; returns when all of them serve it.
    pub(crate) async fn publish(&self, image: Arc<Image>) {
        let mut adopting = Vec::new();
        for core in 0..self.cores() {
            let image = Arc::clone(&image);
            adopting.push(self.on_core(base::CoreId(core), move |broker| {
                let broker = broker.clone();
                async move { broker.adopt(image).await }
            }));
        }
        for adopted in adopting {
            // A core that is gone adopts nothing and serves nothing.
            let _ = adopted.await;
        }
    }

    /// Takes in an image on this core.
    async fn adopt(&self, image: Arc<Image>) {
        let before = self.image();
        *self.shared.image.borrow_mut() = Arc::clone(&image);
        self.adopt_config(&image);
        self.remove_gone(&image).await;
        let defaults_stay = !defaults_differ(self, &before, &image);
        let mut opening = Vec::new();
        for topic in image.topics().iter() {
            let resource = Resource::topic(&*topic.name);
            let known = before.topic_by_id(topic.id);
            let same = known.is_some_and(|known| Arc::ptr_eq(known, topic));
            let configs_stay = before.configs(&resource) == image.configs(&resource);
            if same && configs_stay && defaults_stay {
                continue;
            }
            let overrides = image.configs(&resource);
            match TopicConfig::new(&self.config().settings, overrides) {
                Ok(mut config) => {
                    if &*topic.name == OFFSETS_TOPIC {
                        // Only the coordinator writes there, and what it knows of a large group
                        // must fit into one record.
                        config.max_message_bytes = config.segment_bytes;
                    }
                    self.adopt_topic(topic, &config, &mut opening);
                }
                Err(error) => {
                    tracing::error!(topic = %topic.name, %error, "topic not served");
                }
            }
        }
        for opened in opening {
            // A task that panicked has taken its core with it.
            let _ = opened.await;
        }
        self.adopt_coordinators(&before, &image);
        self.shared.image_changed.notify();
    }

    /// Lays the dynamic values over what the node was started with.
    fn adopt_config(&self, image: &Image) {
        let cluster = image.configs(&Resource::cluster_default());
        let own = image.configs(&Resource::broker(self.node_id()));
        match self.shared.config_at_start.with_dynamic(cluster, own) {
            Ok(config) => *self.shared.config.borrow_mut() = Arc::new(config),
            Err(errors) => {
                tracing::error!(%errors, "dynamic configuration refused; the one before stands");
            }
        }
    }

    /// Removes the partitions that the image does not have, side by side: all their names are
    /// gone for good when this returns.
    async fn remove_gone(&self, image: &Image) {
        let mut removing = Vec::new();
        for id in self.shared.hosted.ids() {
            if image.partition(id.topic, id.index).is_some() {
                continue;
            }
            if let Some(Hosting::Serving(partition)) = self.shared.hosted.remove(id) {
                let (done, removed) = reply();
                let broker = self.clone();
                self.core().spawn(async move {
                    broker.remove_partition(id, &partition).await;
                    done.send(());
                });
                removing.push(removed);
            }
        }
        for removed in removing {
            // A task that panicked has taken its core with it.
            let _ = removed.await;
        }
    }

    async fn remove_partition(&self, id: PartitionId, partition: &Partition) {
        if self.shared.moves.is_held(id) {
            self.shared.moves.end(id).await;
        }
        match partition.remove().await {
            Ok(()) => tracing::info!(partition = %partition.name(), "partition removed"),
            Err(error) => tracing::warn!(partition = %partition.name(), %error, "not removed"),
        }
    }

    fn adopt_topic(
        &self,
        topic: &Arc<Topic>,
        config: &TopicConfig,
        opening: &mut Vec<reactor::Reply<()>>,
    ) {
        for (index, described) in (0_i32..).zip(&topic.partitions) {
            let id = PartitionId {
                topic: topic.id,
                index: PartitionIndex(index),
            };
            let mine = id.owner(self.cores()) == self.core().id();
            if !mine || !described.replicas.contains(&self.node_id()) {
                continue;
            }
            if let Ok(partition) = self.shared.hosted.find(id) {
                partition.configure(config);
                // A partition that is held takes over what it was told when it is let go.
                if described.leader == Some(self.node_id())
                    && described.leader_epoch > partition.leader_epoch()
                    && !self.shared.moves.is_held(id)
                {
                    opening.push(self.lead_in_background(partition, described.leader_epoch));
                }
                continue;
            }
            let assigned = described.directory_on(self.node_id()).unwrap_or_default();
            if self.is_in_failed_dir(assigned) && self.shared.hosted.ids().contains(&id) {
                continue;
            }
            self.shared.hosted.set(id, Hosting::Opening);
            let name = TopicPartition {
                topic: topic.name.to_string(),
                partition: id.index,
            };
            let (done, opened) = reply();
            let broker = self.clone();
            let (config, epoch) = (config.clone(), described.leader_epoch);
            self.core().spawn(async move {
                broker.open(id, name, config, (epoch, assigned)).await;
                done.send(());
            });
            opening.push(opened);
        }
    }

    fn is_in_failed_dir(&self, dir: Uuid) -> bool {
        let place = self.shared.found.borrow().place(dir);
        let engine = place.and_then(|place| self.shared.engines.get(place));
        engine.is_some_and(|engine| engine.offline().is_some())
    }

    fn lead_in_background(&self, partition: Partition, epoch: LeaderEpoch) -> reactor::Reply<()> {
        let (done, led) = reply();
        self.core().spawn(async move {
            if let Err(error) = partition.lead(epoch).await {
                tracing::error!(partition = %partition.name(), %error, "partition cannot lead");
            }
            done.send(());
        });
        led
    }

    async fn open(
        &self,
        id: PartitionId,
        name: TopicPartition,
        config: TopicConfig,
        led: (LeaderEpoch, Uuid),
    ) {
        let hosting = match self.open_partition(id, &name, &config, led).await {
            Ok(partition) => Hosting::Serving(partition),
            Err(error) => {
                tracing::error!(partition = %name, %error, "partition offline");
                Hosting::Offline
            }
        };
        self.shared.hosted.set(id, hosting);
    }
}
