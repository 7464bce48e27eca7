//! Configurations of topics, brokers, groups and subscriptions change.

use std::sync::Arc;

use config::{BrokerConfig, TopicConfig};
use metadata::decide::{
    self, AlterOutcome, AlterResource, CreatedTopic, ReplaceResource, Standing,
};
use metadata::{Image, Refusal, Resource};

use crate::broker::Broker;
use crate::controller::ControllerError;
use crate::topics::Outcome;

/// What became of the configuration of one resource.
pub type Altered = (Resource, Result<(), Refusal>);

impl Broker {
    /// Changes single keys of resources; when it returns, all cores go by the new values.
    ///
    /// # Errors
    /// When the controller cannot decide.
    pub async fn alter_configs(
        &self,
        resources: Vec<AlterResource>,
        validate_only: bool,
    ) -> Result<Vec<Altered>, ControllerError> {
        self.decide_configs(validate_only, move |standing| {
            decide::alter_configs(standing, &resources)
        })
        .await
    }

    /// Replaces all that is set for resources; when it returns, all cores go by the new values.
    ///
    /// # Errors
    /// When the controller cannot decide.
    pub async fn replace_configs(
        &self,
        resources: Vec<ReplaceResource>,
        validate_only: bool,
    ) -> Result<Vec<Altered>, ControllerError> {
        self.decide_configs(validate_only, move |standing| {
            decide::replace_configs(standing, &resources)
        })
        .await
    }

    async fn decide_configs(
        &self,
        validate_only: bool,
        decide: impl FnOnce(Standing<'_>) -> Vec<AlterOutcome> + Send + 'static,
    ) -> Result<Vec<Altered>, ControllerError> {
        let config = Arc::clone(&self.shared.config_at_start);
        self.decide(move |image, _random| {
            let outcomes = decide(Standing {
                image,
                config: &config,
            });
            let mut changes = Vec::new();
            let mut altered = Vec::with_capacity(outcomes.len());
            for (resource, outcome) in outcomes {
                let outcome = outcome.map(|decided| {
                    if !validate_only {
                        changes.extend(decided);
                    }
                });
                altered.push((resource, outcome));
            }
            (changes, altered)
        })
        .await
    }
}

/// Refuses created topics whose settings contradict each other or this node's.
pub(crate) fn refuse_contradictions(outcomes: &mut [Outcome<CreatedTopic>], config: &BrokerConfig) {
    for (_, outcome) in outcomes {
        let Ok(created) = outcome else { continue };
        if let Err(error) = TopicConfig::new(&config.settings, &created.configs) {
            let code = base::ErrorCode::InvalidConfig;
            *outcome = Err(Refusal::new(code, error.client_text()));
        }
    }
}

/// Whether brokers' settings that lie under those of topics differ between two images.
pub(crate) fn defaults_differ(broker: &Broker, before: &Image, after: &Image) -> bool {
    let layers = [
        Resource::cluster_default(),
        Resource::broker(broker.node_id()),
    ];
    layers
        .iter()
        .any(|layer| before.configs(layer) != after.configs(layer))
}
