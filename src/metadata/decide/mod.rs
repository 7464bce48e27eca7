//! The controller's decisions: pure functions from an image and a request to changes.
//!
//! Invariant: whatever is returned can be applied to the image it was decided on. Several requests
//! decided on the same image may contradict each other, so the driver decides one at a time, on an
//! image that includes what it already proposed.

mod acls;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod directories;
mod elections;
mod features;
mod leadership;
mod names;
mod placement;
mod producers;
mod quotas;
mod reassignments;
mod registration;
mod scram;

pub use acls::{CreatedAcls, DeletedAcls, create_acls, delete_acls};
pub use configs::{
    AlterOutcome, AlterResource, ConfigOperation, OperationKind, ReplaceResource, Standing,
    alter_configs, replace_configs,
};
pub use create_partitions::{NewPartitions, create_partitions};
pub use create_topics::{CreatedTopic, Creation, NewTopic, TopicDefaults, create_topics};
pub use delete_topics::{Deletion, TopicSelector, delete_topics};
pub use directories::{Assignment, assign_directories, cordon, directories_failed};
pub use elections::{ElectionKind, elect_leader};
pub use features::{FeatureUpdate, UpgradeKind, lower_unserved, update_features};
pub use leadership::{begin_shutdown, fence_broker, unfence_broker};
pub use names::validate_topic_name;
pub use producers::{PRODUCER_ID_BLOCK_SIZE, ProducerIdBlock, allocate_producer_ids};
pub use quotas::{AlterQuota, alter_quotas};
pub use reassignments::reassign_partition;
pub use registration::{Registration, register_broker, unregister_broker};
pub use scram::{AlterScram, AlteredScram, ScramOperation, alter_scram};
