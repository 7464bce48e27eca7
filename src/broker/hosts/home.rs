//! Which partition of its internal topic a coordinator's subject lives in, and how that topic
//! comes into being.

use base::{ErrorCode, PartitionIndex};
use config::Settings;
use metadata::Refusal;
use metadata::decide::NewTopic;

use crate::broker::Broker;
use crate::controller::ControllerError;

/// The partition of a topic with `partitions` partitions that `name`, a group or a transactional
/// id, lives in: Java's hash of the name, as every client and tool of Kafka computes it.
pub(crate) fn partition_of(name: &str, partitions: i32) -> PartitionIndex {
    assert!(partitions > 0, "a topic has partitions");
    let hash = name.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // Kafka takes the one number without a positive twin for zero.
    let hash = hash.checked_abs().unwrap_or(0);
    PartitionIndex(hash % partitions)
}

/// A whole number that has a default.
pub(crate) fn number(settings: &Settings, key: &'static str) -> i64 {
    let effective = settings.effective(key);
    let value = effective.and_then(|effective| effective.value);
    let parsed = value.and_then(|value| value.parse().ok());
    assert!(
        parsed.is_some(),
        "{key} has a default and lets only numbers in"
    );
    parsed.unwrap_or(0)
}

impl Broker {
    /// Creates an internal topic where it does not exist yet; when it returns, its partitions
    /// serve.
    ///
    /// # Errors
    /// When the topic is refused or the controller cannot decide.
    pub(crate) async fn ensure_internal_topic(
        &self,
        name: &str,
        describe: impl FnOnce(&Settings) -> NewTopic,
    ) -> Result<(), ControllerError> {
        if self.image().topic(name).is_some() {
            return Ok(());
        }
        let topic = describe(&self.config().settings);
        let outcomes = self.create_topics(vec![topic], false).await?;
        for (name, outcome) in outcomes {
            match outcome {
                Ok(_) => tracing::info!(topic = %name, "created for coordinators"),
                // Two clients asked at once.
                Err(Refusal {
                    code: ErrorCode::TopicAlreadyExists,
                    ..
                }) => {}
                Err(refusal) => return Err(ControllerError::Refused(refusal)),
            }
        }
        Ok(())
    }
}
