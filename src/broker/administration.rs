//! Leaderships, features, quotas, passwords and brokers change by decree of an administrator.

use base::{ErrorCode, NodeId, PartitionIndex};
use metadata::decide::{self, AlterQuota, AlterScram, ElectionKind, FeatureUpdate};
use metadata::{QuotaEntity, Refusal};

use crate::broker::Broker;
use crate::controller::ControllerError;

/// A partition by its topic's name.
pub type NamedPartition = (String, PartitionIndex);

impl Broker {
    /// Elects leaders of the partitions, each on its own.
    ///
    /// # Errors
    /// When the controller cannot decide.
    pub async fn elect_leaders(
        &self,
        partitions: Vec<NamedPartition>,
        kind: ElectionKind,
    ) -> Result<Vec<(NamedPartition, Result<(), Refusal>)>, ControllerError> {
        self.decide(move |image, _random| {
            let mut changes = Vec::new();
            let mut outcomes = Vec::with_capacity(partitions.len());
            // An election asked for twice is held once, and not needed any more then.
            let mut next = image.clone();
            for (topic, index) in partitions {
                let outcome = decide::elect_leader(&next, &topic, index, kind).map(|change| {
                    let applied = next.apply(&change);
                    assert!(applied.is_ok(), "a decision contradicts its own image");
                    changes.push(change);
                });
                outcomes.push(((topic, index), outcome));
            }
            (changes, outcomes)
        })
        .await
    }

    /// Changes which levels the cluster works at; all of the updates or, when one is refused,
    /// none.
    ///
    /// # Errors
    /// When the update is refused or the controller cannot decide.
    pub async fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        validate_only: bool,
    ) -> Result<(), ControllerError> {
        let outcome = self
            .decide(
                move |image, _random| match decide::update_features(image, &updates) {
                    Ok(_) if validate_only => (Vec::new(), Ok(())),
                    Ok(changes) => (changes, Ok(())),
                    Err(refusal) => (Vec::new(), Err(refusal)),
                },
            )
            .await?;
        outcome.map_err(ControllerError::Refused)
    }

    /// Sets and removes limits, each entity's on its own.
    ///
    /// # Errors
    /// When the controller cannot decide.
    pub async fn alter_quotas(
        &self,
        quotas: Vec<AlterQuota>,
        validate_only: bool,
    ) -> Result<Vec<(QuotaEntity, Result<(), Refusal>)>, ControllerError> {
        self.decide(move |image, _random| {
            let mut changes = Vec::new();
            let outcomes = decide::alter_quotas(image, &quotas).into_iter();
            let outcomes = outcomes.map(|(entity, outcome)| {
                let outcome = outcome.map(|decided| {
                    if !validate_only {
                        changes.extend(decided);
                    }
                });
                (entity, outcome)
            });
            let outcomes = outcomes.collect();
            (changes, outcomes)
        })
        .await
    }

    /// Sets and removes passwords for SCRAM, each user's on its own; outcomes are by user.
    ///
    /// # Errors
    /// When there are too many at once or the controller cannot decide.
    pub async fn alter_scram(
        &self,
        alters: Vec<AlterScram>,
    ) -> Result<Vec<(String, Result<(), Refusal>)>, ControllerError> {
        let outcome = self
            .decide(
                move |image, _random| match decide::alter_scram(image, alters) {
                    Err(refusal) => (Vec::new(), Err(refusal)),
                    Ok(decided) => {
                        let mut changes = Vec::new();
                        let outcomes = decided.into_iter().map(|(user, outcome)| {
                            (user, outcome.map(|change| changes.push(change)))
                        });
                        let outcomes: Vec<_> = outcomes.collect();
                        (changes, Ok(outcomes))
                    }
                },
            )
            .await?;
        outcome.map_err(ControllerError::Refused)
    }

    /// Strikes a broker that is gone for good off the list.
    ///
    /// # Errors
    /// When it is not on the list, when it is this one, or when the controller cannot decide.
    pub async fn unregister_broker(&self, id: NodeId) -> Result<(), ControllerError> {
        let own = self.node_id();
        let outcome = self
            .decide(move |image, _random| {
                if id == own && image.broker(id).is_some() {
                    let text =
                        format!("Broker {id} is running; stop it before it is unregistered.");
                    let refusal = Refusal::new(ErrorCode::InvalidRequest, text);
                    return (Vec::new(), Err(refusal));
                }
                match decide::unregister_broker(image, id) {
                    Ok(changes) => (changes, Ok(())),
                    Err(refusal) => (Vec::new(), Err(refusal)),
                }
            })
            .await?;
        outcome.map_err(ControllerError::Refused)
    }
}
