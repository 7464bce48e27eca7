//! Folding one change into the image.
//!
//! Invariant: a change that contradicts the image is an error and leaves it as it was; whoever
//! reads the log must stop then, since it no longer knows what the cluster is.

use crate::broker::Broker;
use crate::change::{BrokerChange, Change, PartitionChange};
use crate::image::Image;
use crate::quota::{QuotaEntity, QuotaValue};
use crate::resource::Resource;
use crate::scram::ScramChange;
use crate::topic::Partition;
use base::{LeaderEpoch, NodeId, PartitionIndex, Uuid};
use std::fmt;
use std::sync::Arc;

/// A change that the image before it rules out: the log is damaged, or not this cluster's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// A topic with this name or id exists already.
    TopicExists(String),
    /// No topic has this id.
    TopicUnknown(Uuid),
    /// The topic has no such partition.
    PartitionUnknown(Uuid, PartitionIndex),
    /// A new partition does not follow the topic's last one.
    PartitionGap(Uuid, PartitionIndex),
    /// No such broker, or another registration of it.
    BrokerUnknown(NodeId, i64),
    /// No such controller.
    ControllerUnknown(NodeId),
    /// An access control list is added whose id, or content, is there already.
    AclExists(Uuid),
    /// No access control list has this id.
    AclUnknown(Uuid),
    /// A password is removed that nobody has; whose.
    ScramUnknown(String),
    /// A block of producer ids begins before the last one ended.
    ProducerIdsReused(i64),
}

impl fmt::Display for ApplyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the metadata log contradicts itself: ")?;
        match self {
            Self::TopicExists(name) => write!(formatter, "topic {name} is created twice"),
            Self::TopicUnknown(id) => write!(formatter, "no topic has id {id}"),
            Self::PartitionUnknown(id, index) => {
                write!(formatter, "topic {id} has no partition {index}")
            }
            Self::PartitionGap(id, index) => {
                write!(
                    formatter,
                    "partition {index} of topic {id} is out of sequence"
                )
            }
            Self::BrokerUnknown(id, epoch) => {
                write!(formatter, "broker {id} is not registered in epoch {epoch}")
            }
            Self::ControllerUnknown(id) => write!(formatter, "controller {id} is not registered"),
            Self::AclExists(id) => write!(formatter, "access control list {id} is added twice"),
            Self::AclUnknown(id) => write!(formatter, "no access control list has id {id}"),
            Self::ScramUnknown(user) => write!(formatter, "user {user} has no such password"),
            Self::ProducerIdsReused(next) => {
                write!(formatter, "producer ids up to {next} were given out before")
            }
        }?;
        formatter.write_str("; restore __cluster_metadata-0 from another controller")
    }
}

impl std::error::Error for ApplyError {}

impl Image {
    /// Folds one change in.
    ///
    /// # Errors
    /// When the change contradicts the image.
    pub fn apply(&mut self, change: &Change) -> Result<(), ApplyError> {
        match change {
            Change::NoOp => Ok(()),
            Change::RegisterBroker(broker) => {
                self.register(broker);
                Ok(())
            }
            Change::UnregisterBroker { id, epoch } => self.unregister(*id, *epoch),
            Change::Broker(change) => self.change_broker(change),
            Change::RegisterController(controller) => {
                let controllers = Arc::make_mut(&mut self.controllers);
                controllers.insert(controller.id, Arc::new(controller.clone()));
                Ok(())
            }
            Change::UnregisterController { id } => {
                let removed = Arc::make_mut(&mut self.controllers).remove(id);
                removed
                    .map(|_| ())
                    .ok_or(ApplyError::ControllerUnknown(*id))
            }
            Change::Topic { name, id } => {
                let inserted = Arc::make_mut(&mut self.topics).insert(name, *id);
                inserted
                    .then_some(())
                    .ok_or_else(|| ApplyError::TopicExists(name.clone()))
            }
            Change::RemoveTopic { id } => self.remove_topic(*id),
            Change::Partition {
                topic,
                index,
                partition,
            } => self.set_partition(*topic, *index, partition),
            Change::PartitionChange(change) => self.change_partition(change),
            Change::Config {
                resource,
                key,
                value,
            } => {
                self.set_config(resource, key, value.as_deref());
                Ok(())
            }
            Change::ClientQuota { entity, key, value } => {
                self.set_quota(entity, key, *value);
                Ok(())
            }
            Change::Acl { id, acl } => {
                let added = Arc::make_mut(&mut self.acls).insert(*id, acl.clone());
                added.map_err(|_| ApplyError::AclExists(*id))
            }
            Change::RemoveAcl { id } => {
                let removed = Arc::make_mut(&mut self.acls).remove(*id);
                removed.map(|_| ()).ok_or(ApplyError::AclUnknown(*id))
            }
            Change::Scram(change) => self.change_scram(change),
            Change::FeatureLevel { name, level } => {
                self.set_feature(name, *level);
                Ok(())
            }
            Change::ProducerIds { next, .. } => self.set_next_producer_id(*next),
            Change::Foreign { bytes } => {
                Arc::make_mut(&mut self.foreign).push(bytes.clone());
                Ok(())
            }
        }
    }

    /// Folds several changes in; all of them or, when one contradicts, none.
    ///
    /// # Errors
    /// When a change contradicts the image.
    pub fn apply_all(&mut self, changes: &[Change]) -> Result<(), ApplyError> {
        let mut next = self.clone();
        for change in changes {
            next.apply(change)?;
        }
        *self = next;
        Ok(())
    }

    fn register(&mut self, broker: &Broker) {
        let brokers = Arc::make_mut(&mut self.brokers);
        brokers.insert(broker.id, Arc::new(broker.clone()));
    }

    fn unregister(&mut self, id: NodeId, epoch: i64) -> Result<(), ApplyError> {
        let known = self.broker(id).is_some_and(|broker| broker.epoch == epoch);
        if !known {
            return Err(ApplyError::BrokerUnknown(id, epoch));
        }
        Arc::make_mut(&mut self.brokers).remove(&id);
        Ok(())
    }

    fn change_broker(&mut self, change: &BrokerChange) -> Result<(), ApplyError> {
        let unknown = ApplyError::BrokerUnknown(change.id, change.epoch);
        let Some(broker) = self.broker(change.id) else {
            return Err(unknown);
        };
        if broker.epoch != change.epoch {
            return Err(unknown);
        }
        let mut broker = Broker::clone(broker);
        broker.fenced = change.fenced.unwrap_or(broker.fenced);
        broker.in_controlled_shutdown |= change.in_controlled_shutdown;
        if let Some(log_dirs) = &change.log_dirs {
            broker.log_dirs.clone_from(log_dirs);
        }
        if let Some(cordoned) = &change.cordoned_log_dirs {
            broker.cordoned_log_dirs = Some(cordoned.clone());
        }
        self.register(&broker);
        Ok(())
    }

    fn remove_topic(&mut self, id: Uuid) -> Result<(), ApplyError> {
        if self.topic_by_id(id).is_none() {
            return Err(ApplyError::TopicUnknown(id));
        }
        let Some(topic) = Arc::make_mut(&mut self.topics).remove(id) else {
            return Err(ApplyError::TopicUnknown(id));
        };
        let resource = Resource::topic(&*topic.name);
        if self.configs.contains_key(&resource) {
            Arc::make_mut(&mut self.configs).remove(&resource);
        }
        Ok(())
    }

    fn set_partition(
        &mut self,
        topic: Uuid,
        index: PartitionIndex,
        partition: &Partition,
    ) -> Result<(), ApplyError> {
        let known = self.topic_by_id(topic);
        let count = known
            .ok_or(ApplyError::TopicUnknown(topic))?
            .partitions
            .len();
        let place = usize::try_from(index.get()).unwrap_or(usize::MAX);
        if place > count {
            return Err(ApplyError::PartitionGap(topic, index));
        }
        let Some(topic) = Arc::make_mut(&mut self.topics).make_mut(topic) else {
            return Err(ApplyError::TopicUnknown(topic));
        };
        match topic.partitions.get_mut(place) {
            Some(slot) => slot.clone_from(partition),
            None => topic.partitions.push(partition.clone()),
        }
        Ok(())
    }

    fn change_partition(&mut self, change: &PartitionChange) -> Result<(), ApplyError> {
        if self.partition(change.topic, change.index).is_none() {
            return Err(ApplyError::PartitionUnknown(change.topic, change.index));
        }
        let place = usize::try_from(change.index.get()).unwrap_or(usize::MAX);
        let topics = Arc::make_mut(&mut self.topics);
        let topic = topics.make_mut(change.topic);
        let Some(partition) = topic.and_then(|topic| topic.partitions.get_mut(place)) else {
            return Err(ApplyError::PartitionUnknown(change.topic, change.index));
        };
        merge(partition, change);
        Ok(())
    }

    fn set_config(&mut self, resource: &Resource, key: &str, value: Option<&str>) {
        let configs = Arc::make_mut(&mut self.configs);
        match value {
            Some(value) => {
                let map = configs.entry(resource.clone()).or_default();
                Arc::make_mut(map).insert(key.to_owned(), value.to_owned());
            }
            None => {
                if let Some(map) = configs.get_mut(resource) {
                    Arc::make_mut(map).remove(key);
                    if map.is_empty() {
                        configs.remove(resource);
                    }
                }
            }
        }
    }

    fn set_quota(&mut self, entity: &QuotaEntity, key: &str, value: Option<QuotaValue>) {
        let quotas = Arc::make_mut(&mut self.quotas);
        let values = quotas.entry(entity.clone()).or_default();
        match value {
            Some(value) => {
                values.insert(key.to_owned(), value);
            }
            None => {
                values.remove(key);
            }
        }
        if values.is_empty() {
            quotas.remove(entity);
        }
    }

    fn change_scram(&mut self, change: &ScramChange) -> Result<(), ApplyError> {
        let scram = Arc::make_mut(&mut self.scram);
        let Some(credential) = &change.credential else {
            let unknown = || ApplyError::ScramUnknown(change.user.clone());
            let credentials = scram.get_mut(&change.user).ok_or_else(unknown)?;
            credentials.remove(&change.mechanism).ok_or_else(unknown)?;
            if credentials.is_empty() {
                scram.remove(&change.user);
            }
            return Ok(());
        };
        let credentials = scram.entry(change.user.clone()).or_default();
        credentials.insert(change.mechanism, credential.clone());
        Ok(())
    }

    fn set_feature(&mut self, name: &str, level: i16) {
        let features = Arc::make_mut(&mut self.features);
        // Level zero is the same as no level at all (KIP-584).
        if level == 0 {
            features.remove(name);
        } else {
            features.insert(name.to_owned(), level);
        }
    }

    const fn set_next_producer_id(&mut self, next: i64) -> Result<(), ApplyError> {
        if next < self.next_producer_id {
            return Err(ApplyError::ProducerIdsReused(next));
        }
        self.next_producer_id = next;
        Ok(())
    }
}

/// Merges what changed; a named leader begins a new reign, and every change counts (KIP-497).
fn merge(partition: &mut Partition, change: &PartitionChange) {
    let set = |target: &mut Vec<NodeId>, source: &Option<Vec<NodeId>>| {
        if let Some(value) = source {
            target.clone_from(value);
        }
    };
    set(&mut partition.isr, &change.isr);
    set(&mut partition.replicas, &change.replicas);
    set(&mut partition.removing_replicas, &change.removing_replicas);
    set(&mut partition.adding_replicas, &change.adding_replicas);
    let elr = &change.eligible_leader_replicas;
    set(&mut partition.eligible_leader_replicas, elr);
    set(&mut partition.last_known_leader, &change.last_known_leader);
    if let Some(directories) = &change.directories {
        partition.directories.clone_from(directories);
    }
    if let Some(recovering) = change.recovering {
        partition.recovering = recovering;
    }
    if let Some(leader) = change.leader {
        partition.leader = leader;
        partition.leader_epoch = LeaderEpoch(partition.leader_epoch.get() + 1);
    }
    partition.partition_epoch += 1;
    assert!(partition.partition_epoch > 0, "partition epochs only grow");
}
