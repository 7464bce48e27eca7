//! What a client is told about a value that is refused.
//!
//! Tools and their tests look for Kafka's words, so they come first; what would mend it follows.

use crate::error::{ConfigError, printable};
use crate::key::Kind;
use crate::refusal::Refusal;

impl ConfigError {
    /// The text for an administrator's client.
    #[must_use]
    pub fn client_text(&self) -> String {
        match self {
            Self::UnknownKey {
                key,
                family,
                nearest,
                ..
            } => {
                let hint = nearest.map_or(String::new(), |nearest| {
                    format!("; did you mean {nearest}?")
                });
                format!("Unknown {family} config name: {}{hint}", printable(key))
            }
            Self::BadValue {
                key,
                value,
                refusal,
                ..
            } => format!(
                "Invalid value {} for configuration {key}: {}",
                printable(value),
                refusal.client_text()
            ),
            Self::Conflict { key, explanation } => format!("{key}: {explanation}"),
            Self::NotDynamic {
                key,
                is_for_one: true,
                ..
            } => format!(
                "Cannot update these configs at default cluster level, broker id must be \
                 specified: [{}]",
                printable(key)
            ),
            Self::NotDynamic { key, remedy, .. } => format!(
                "Cannot update these configs dynamically: [{}]; {remedy}",
                printable(key)
            ),
            Self::Bound { .. } | Self::BadLine { .. } | Self::BadOverride { .. } => {
                self.to_string()
            }
        }
    }
}

impl Refusal {
    fn client_text(&self) -> String {
        match self {
            Self::NotBoolean => "Expected value to be either true or false".to_owned(),
            Self::NotNumber { kind } => {
                let kind = match kind {
                    Kind::Short => "SHORT",
                    Kind::Int => "INT",
                    Kind::Double => "DOUBLE",
                    _ => "LONG",
                };
                format!("Not a number of type {kind}")
            }
            Self::Below { min } => format!("Value must be at least {min}"),
            Self::Outside { min, max } => {
                format!("Value must be at least {min} and no more than {max}")
            }
            Self::OutsideAndNot { min, max, other } => {
                format!("Value must be at least {min} and no more than {max}, or {other}")
            }
            Self::FractionOutside { min, max } => {
                format!("Value must be at least {min} and no more than {max}")
            }
            Self::NotOneOf { choices } => {
                format!("String must be one of: {}", choices.join(", "))
            }
            Self::NotThrottledReplicas => {
                "it must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                    .to_owned()
            }
            Self::Empty
            | Self::EmptyElement
            | Self::NotOffsetReset
            | Self::NotVoter
            | Self::NotAddress
            | Self::NotAuthorizer
            | Self::NotPrincipal
            | Self::TooLong { .. } => self.to_string(),
        }
    }
}
