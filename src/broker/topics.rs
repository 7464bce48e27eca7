//! Topics come, grow and go.

use metadata::decide::{self, CreatedTopic, NewPartitions, NewTopic, TopicDefaults, TopicSelector};
use metadata::{Change, Refusal};

use crate::broker::Broker;
use crate::configs::refuse_contradictions;
use crate::controller::ControllerError;

/// A topic's name with what became of it.
pub type Outcome<T> = (String, Result<T, Refusal>);

impl Broker {
    /// Creates topics; when it returns, their partitions serve.
    ///
    /// # Errors
    /// When the request as a whole is refused or the controller cannot decide.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Result<Vec<Outcome<CreatedTopic>>, ControllerError> {
        let config = self.config();
        let defaults = TopicDefaults {
            partitions: config.topics.partitions_default,
            replication_factor: config.topics.replication_factor_default,
        };
        let outcomes = self
            .decide(move |image, random| {
                let mut outcomes = decide::create_topics(image, &topics, defaults, random);
                if let Ok(outcomes) = &mut outcomes {
                    refuse_contradictions(outcomes, &config);
                }
                let changes: Vec<Change> = match &outcomes {
                    Ok(outcomes) if !validate_only => outcomes
                        .iter()
                        .filter_map(|(_, outcome)| outcome.as_ref().ok())
                        .flat_map(|created| created.changes.iter().cloned())
                        .collect(),
                    _ => Vec::new(),
                };
                (changes, outcomes)
            })
            .await?;
        outcomes.map_err(ControllerError::Refused)
    }

    /// Deletes topics; when it returns, they are gone from this node's answers, and their files
    /// go in the background.
    ///
    /// # Errors
    /// When the controller cannot decide.
    pub async fn delete_topics(
        &self,
        topics: Vec<TopicSelector>,
    ) -> Result<Vec<(TopicSelector, decide::Deletion)>, ControllerError> {
        self.decide(move |image, _random| {
            let outcomes = decide::delete_topics(image, &topics);
            let changes = outcomes
                .iter()
                .filter_map(|(_, outcome)| outcome.as_ref().ok())
                .map(|(_, _, change)| change.clone())
                .collect();
            (changes, outcomes)
        })
        .await
    }

    /// Adds partitions to topics; when it returns, they serve.
    ///
    /// # Errors
    /// When the controller cannot decide.
    pub async fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
        validate_only: bool,
    ) -> Result<Vec<Outcome<()>>, ControllerError> {
        self.decide(move |image, random| {
            let outcomes = decide::create_partitions(image, &topics, random);
            let mut changes = Vec::new();
            let mut answers = Vec::with_capacity(outcomes.len());
            for (name, outcome) in outcomes {
                answers.push((
                    name,
                    outcome.map(|decided| {
                        if !validate_only {
                            changes.extend(decided);
                        }
                    }),
                ));
            }
            (changes, answers)
        })
        .await
    }
}
