//! The fold of all metadata records up to one offset.
//!
//! Lifecycle: the controller's driver owns one and applies committed changes to it, then publishes
//! a clone in an `Arc` to every core. Cloning copies a handful of pointers; the first change to a
//! part after that copies this part's map, not what it points to.
//!
//! Invariant: equal logs give equal images, whatever was cloned in between.

use crate::broker::{Broker, Controller};
use crate::quota::{QuotaEntity, QuotaValues};
use crate::resource::{Resource, ResourceKind};
use crate::scram::ScramCredentials;
use crate::topic::{Partition, Topic, Topics};
use access::Acls;
use base::{LeaderEpoch, NodeId, Offset, PartitionIndex, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Configurations set for one resource.
pub(crate) type ConfigMap = BTreeMap<String, String>;

/// The cluster as the log says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub(crate) cluster_id: Arc<str>,
    pub(crate) offset: Offset,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) features: Arc<BTreeMap<String, i16>>,
    pub(crate) brokers: Arc<BTreeMap<NodeId, Arc<Broker>>>,
    pub(crate) controllers: Arc<BTreeMap<NodeId, Arc<Controller>>>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) configs: Arc<BTreeMap<Resource, Arc<ConfigMap>>>,
    pub(crate) quotas: Arc<BTreeMap<QuotaEntity, QuotaValues>>,
    pub(crate) acls: Arc<Acls>,
    pub(crate) scram: Arc<ScramCredentials>,
    pub(crate) next_producer_id: i64,
    pub(crate) foreign: Arc<Vec<Vec<u8>>>,
}

impl Image {
    /// The image before the first record of a cluster.
    #[must_use]
    pub fn new(cluster_id: &str) -> Self {
        assert!(!cluster_id.is_empty(), "a cluster has an id");
        Self {
            cluster_id: Arc::from(cluster_id),
            offset: Offset(-1),
            epoch: LeaderEpoch::UNKNOWN,
            features: Arc::default(),
            brokers: Arc::default(),
            controllers: Arc::default(),
            topics: Arc::default(),
            configs: Arc::default(),
            quotas: Arc::default(),
            acls: Arc::default(),
            scram: Arc::default(),
            next_producer_id: 0,
            foreign: Arc::default(),
        }
    }

    /// The cluster's id; it stands in `meta.properties`, not in the log.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The offset of the last record applied; -1 before the first.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// The quorum leader's epoch of the last record applied.
    #[must_use]
    pub const fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Finalised features with their levels.
    #[must_use]
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// The level of one feature, zero when it is not finalised.
    #[must_use]
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// What clients see as the epoch of the finalised features: the offset applied, as in Kafka.
    #[must_use]
    pub const fn features_epoch(&self) -> i64 {
        self.offset.get()
    }

    /// Registered brokers, fenced ones included.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// One registered broker.
    #[must_use]
    pub fn broker(&self, id: NodeId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// True when the broker is registered, not fenced and not shutting down.
    #[must_use]
    pub fn is_active(&self, id: NodeId) -> bool {
        self.broker(id).is_some_and(|broker| broker.is_active())
    }

    /// Registered controllers.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<Controller>> {
        self.controllers.values()
    }

    /// All topics.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The topic with this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.named(name)
    }

    /// The topic with this id.
    #[must_use]
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.with_id(id)
    }

    /// One partition.
    #[must_use]
    pub fn partition(&self, topic: Uuid, index: PartitionIndex) -> Option<&Partition> {
        self.topic_by_id(topic)?.partition(index)
    }

    /// What is set for a resource itself; an empty map when nothing is.
    #[must_use]
    pub fn configs(&self, resource: &Resource) -> &BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        self.configs.get(resource).map_or(NONE, |map| map)
    }

    /// The names of all resources of a kind for which something is set.
    pub fn configured(&self, kind: ResourceKind) -> impl Iterator<Item = &str> {
        self.configs
            .keys()
            .filter(move |resource| resource.kind == kind)
            .map(|resource| resource.name.as_str())
    }

    /// The limits of users, client ids and addresses.
    #[must_use]
    pub fn quotas(&self) -> &BTreeMap<QuotaEntity, QuotaValues> {
        &self.quotas
    }

    /// The access control lists.
    #[must_use]
    pub const fn acls(&self) -> &Arc<Acls> {
        &self.acls
    }

    /// What is kept of passwords for SCRAM.
    #[must_use]
    pub fn scram(&self) -> &ScramCredentials {
        &self.scram
    }

    /// The first producer id that nobody was given.
    #[must_use]
    pub const fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// Records of kinds that this release does not interpret, in arrival order.
    #[must_use]
    pub fn foreign(&self) -> &[Vec<u8>] {
        &self.foreign
    }

    /// Notes that everything up to `offset` was applied, also where the record was a control
    /// record that changes nothing here.
    pub fn advance(&mut self, offset: Offset, epoch: LeaderEpoch) {
        assert!(offset >= self.offset, "the log is applied forwards");
        assert!(epoch >= self.epoch, "epochs only grow");
        self.offset = offset;
        self.epoch = epoch;
    }
}

/// An image travels between cores.
const _: fn() = || {
    fn travels<T: Send + Sync>() {}
    travels::<Image>();
};
