//! The image as the shortest log that gives it.
//!
//! Invariant: applying the changes to a new image gives an equal one.

use crate::change::Change;
use crate::image::Image;
use crate::scram::ScramChange;
use access::Acl;
use base::{NodeId, PartitionIndex};

impl Image {
    /// The changes that make this image from an empty one, in an order that can be applied:
    /// features first, since they say how the rest is written.
    #[must_use]
    pub fn to_changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, level) in self.features.iter() {
            changes.push(Change::FeatureLevel {
                name: name.clone(),
                level: *level,
            });
        }
        for controller in self.controllers.values() {
            changes.push(Change::RegisterController((**controller).clone()));
        }
        for broker in self.brokers.values() {
            changes.push(Change::RegisterBroker((**broker).clone()));
        }
        for topic in self.topics.iter() {
            changes.push(Change::Topic {
                name: topic.name.to_string(),
                id: topic.id,
            });
            for (index, partition) in (0_i32..).zip(&topic.partitions) {
                changes.push(Change::Partition {
                    topic: topic.id,
                    index: PartitionIndex(index),
                    partition: partition.clone(),
                });
            }
        }
        for (resource, configs) in self.configs.iter() {
            for (key, value) in configs.iter() {
                changes.push(Change::Config {
                    resource: resource.clone(),
                    key: key.clone(),
                    value: Some(value.clone()),
                });
            }
        }
        for (entity, values) in self.quotas.iter() {
            for (key, value) in values {
                changes.push(Change::ClientQuota {
                    entity: entity.clone(),
                    key: key.clone(),
                    value: Some(*value),
                });
            }
        }
        for (id, acl) in self.acls.iter() {
            changes.push(Change::Acl {
                id,
                acl: Acl::clone(acl),
            });
        }
        changes.extend(self.scram_changes());
        if self.next_producer_id > 0 {
            changes.push(Change::ProducerIds {
                broker: NodeId(-1),
                broker_epoch: -1,
                next: self.next_producer_id,
            });
        }
        for bytes in self.foreign.iter() {
            changes.push(Change::Foreign {
                bytes: bytes.clone(),
            });
        }
        changes
    }

    fn scram_changes(&self) -> impl Iterator<Item = Change> {
        self.scram.iter().flat_map(|(user, credentials)| {
            credentials.iter().map(|(mechanism, credential)| {
                Change::Scram(ScramChange {
                    user: user.clone(),
                    mechanism: *mechanism,
                    credential: Some(credential.clone()),
                })
            })
        })
    }
}
