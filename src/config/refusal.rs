//! Why a value is refused, in words that say what would be accepted.

use crate::access::AUTHORIZER;
use crate::key::Kind;

/// What is wrong with a value, whoever set it.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Neither true nor false.
    NotBoolean,
    /// No number of the key's type.
    NotNumber {
        /// The type that was expected.
        kind: Kind,
    },
    /// A number that is too small.
    Below {
        /// The smallest one allowed.
        min: i64,
    },
    /// A number out of range.
    Outside {
        /// The smallest one allowed.
        min: i64,
        /// The largest one allowed.
        max: i64,
    },
    /// A number out of range and not the exception.
    OutsideAndNot {
        /// The smallest one allowed.
        min: i64,
        /// The largest one allowed.
        max: i64,
        /// The exception.
        other: i64,
    },
    /// A fraction out of range.
    FractionOutside {
        /// The smallest one allowed.
        min: f64,
        /// The largest one allowed.
        max: f64,
    },
    /// Not one of the texts allowed.
    NotOneOf {
        /// The texts allowed.
        choices: &'static [&'static str],
    },
    /// Empty where something is needed.
    Empty,
    /// A list with nothing between two commas.
    EmptyElement,
    /// Neither `*` nor pairs of partition and broker.
    NotThrottledReplicas,
    /// No place to start reading.
    NotOffsetReset,
    /// No quorum member.
    NotVoter,
    /// No address.
    NotAddress,
    /// A Java class that nothing here takes the place of.
    NotAuthorizer,
    /// No principal.
    NotPrincipal,
    /// Longer than any value may be.
    TooLong {
        /// The most bytes allowed.
        bytes_max: usize,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotBoolean => write!(formatter, "it must be true or false"),
            Self::NotNumber { kind } => {
                write!(formatter, "it must be a number of type {}", kind.name())
            }
            Self::Below { min } => write!(formatter, "it must be at least {min}"),
            Self::Outside { min, max } => write!(formatter, "it must be from {min} to {max}"),
            Self::OutsideAndNot { min, max, other } => {
                write!(formatter, "it must be from {min} to {max}, or {other}")
            }
            Self::FractionOutside { min, max } => {
                write!(formatter, "it must be from {min} to {max}")
            }
            Self::NotOneOf { choices } => {
                write!(formatter, "allowed is: {}", choices.join(", "))
            }
            Self::Empty => write!(formatter, "it must not be empty"),
            Self::EmptyElement => {
                write!(
                    formatter,
                    "an element is empty; remove the comma before or behind it"
                )
            }
            Self::NotThrottledReplicas => write!(
                formatter,
                "it must be * or a list such as 0:1,1:2 of partition:broker pairs"
            ),
            Self::NotOffsetReset => write!(
                formatter,
                "allowed is: latest, earliest, or by_duration: with a span such as PT1H"
            ),
            Self::NotVoter => write!(formatter, "every member must look like 1@host:9093"),
            Self::NotAddress => write!(formatter, "every address must look like host:9093"),
            Self::NotAuthorizer => write!(
                formatter,
                "there is one authorizer, {AUTHORIZER}; without a value everybody may do everything"
            ),
            Self::NotPrincipal => write!(
                formatter,
                "every principal must look like User:name; semicolons separate several"
            ),
            Self::TooLong { bytes_max } => {
                write!(formatter, "it must not be longer than {bytes_max} bytes")
            }
        }
    }
}
