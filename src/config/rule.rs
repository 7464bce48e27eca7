//! What a key refuses beyond values of the wrong type.
//!
//! The rules are Kafka's validators, recounted as data. Two deviations, both refusals of what no
//! one can have meant: "not a number" is refused where Kafka lets it pass, and digits are ASCII.

use crate::access::{AUTHORIZER, principals};
use crate::address::{Address, Voter};
use crate::refusal::Refusal;
use crate::value::Value;

/// The condition that a value must meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// None.
    Any,
    /// A whole number not below this one.
    AtLeast(i64),
    /// A whole number from the first to the second.
    Between(i64, i64),
    /// A whole number from the first to the second, or the third.
    BetweenOr(i64, i64, i64),
    /// A number with a fraction from the first to the second.
    Fraction(f64, f64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts in upper or lower case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list without repetition; repeated elements are dropped.
    Distinct,
    /// A list of these texts only; repeated elements are dropped.
    Subset(&'static [&'static str]),
    /// A text with at least one character.
    NonEmpty,
    /// `*` or a list of partition:broker pairs.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` with an ISO 8601 span.
    OffsetReset,
    /// A list of quorum members, id@host:port.
    Voters,
    /// A list of host:port.
    Endpoints,
    /// Nothing, or the Java class of the one authorizer whose place is taken here.
    Authorizer,
    /// Principals separated by semicolons, each of the form type:name.
    Principals,
}

impl Rule {
    /// Checks `value`.
    ///
    /// # Errors
    /// Says what is allowed when `value` is not.
    pub fn check(self, value: &Value) -> Result<(), Refusal> {
        match (self, value) {
            (Self::AtLeast(min), Value::Whole(number)) if *number < min => {
                Err(Refusal::Below { min })
            }
            (Self::Between(min, max), Value::Whole(number)) if *number < min || *number > max => {
                Err(Refusal::Outside { min, max })
            }
            (Self::BetweenOr(min, max, other), Value::Whole(number))
                if (*number < min || *number > max) && *number != other =>
            {
                Err(Refusal::OutsideAndNot { min, max, other })
            }
            (Self::Fraction(min, max), Value::Double(number)) if !(min..=max).contains(number) => {
                Err(Refusal::FractionOutside { min, max })
            }
            (Self::OneOf(choices), Value::Text(text)) if !choices.contains(&text.as_str()) => {
                Err(Refusal::NotOneOf { choices })
            }
            (Self::OneOfAnyCase(choices), Value::Text(text))
                if !choices
                    .iter()
                    .any(|choice| choice.eq_ignore_ascii_case(text)) =>
            {
                Err(Refusal::NotOneOf { choices })
            }
            (Self::NonEmpty, Value::Text(text)) if text.is_empty() => Err(Refusal::Empty),
            (Self::OffsetReset, Value::Text(text)) => check_offset_reset(text),
            (Self::Authorizer, Value::Text(text)) if !["", AUTHORIZER].contains(&text.as_str()) => {
                Err(Refusal::NotAuthorizer)
            }
            (Self::Principals, Value::Text(text))
                if principals(text).any(|principal| !principal.contains(':')) =>
            {
                Err(Refusal::NotPrincipal)
            }
            (rule, Value::List(elements)) => rule.check_list(elements),
            _ => Ok(()),
        }
    }

    fn check_list(self, elements: &[String]) -> Result<(), Refusal> {
        let has_empty = elements.iter().any(String::is_empty);
        match self {
            Self::Distinct | Self::Subset(_) if has_empty => Err(Refusal::EmptyElement),
            Self::Subset(choices)
                if elements
                    .iter()
                    .any(|element| !choices.contains(&element.as_str())) =>
            {
                Err(Refusal::NotOneOf { choices })
            }
            Self::ThrottledReplicas => check_throttled_replicas(elements),
            Self::Voters => elements.iter().try_for_each(|element| {
                element
                    .parse::<Voter>()
                    .map(|_| ())
                    .map_err(|_| Refusal::NotVoter)
            }),
            Self::Endpoints => elements.iter().try_for_each(|element| {
                element
                    .parse::<Address>()
                    .map(|_| ())
                    .map_err(|_| Refusal::NotAddress)
            }),
            _ => Ok(()),
        }
    }

    /// Whether repeated elements of a list are dropped.
    #[must_use]
    pub const fn drops_repetition(self) -> bool {
        matches!(self, Self::Distinct | Self::Subset(_))
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => write!(formatter, "any value of its type"),
            Self::AtLeast(min) => write!(formatter, "at least {min}"),
            Self::Between(min, max) => write!(formatter, "{min} to {max}"),
            Self::BetweenOr(min, max, other) => write!(formatter, "{min} to {max}, or {other}"),
            Self::Fraction(min, max) => write!(formatter, "{min} to {max}"),
            Self::OneOf(choices) => write!(formatter, "one of {}", choices.join(", ")),
            Self::OneOfAnyCase(choices) => {
                write!(
                    formatter,
                    "one of {} in upper or lower case",
                    choices.join(", ")
                )
            }
            Self::Distinct => write!(formatter, "a list without empty elements"),
            Self::Subset(choices) => write!(formatter, "a list of {}", choices.join(", ")),
            Self::NonEmpty => write!(formatter, "a text that is not empty"),
            Self::ThrottledReplicas => write!(formatter, "* or a list of partition:broker"),
            Self::OffsetReset => {
                write!(formatter, "latest, earliest or by_duration:PnDTnHnMn.nS")
            }
            Self::Voters => write!(formatter, "a list of id@host:port"),
            Self::Endpoints => write!(formatter, "a list of host:port"),
            Self::Authorizer => write!(formatter, "empty or {AUTHORIZER}"),
            Self::Principals => write!(formatter, "type:name, separated by semicolons"),
        }
    }
}

fn check_throttled_replicas(elements: &[String]) -> Result<(), Refusal> {
    if let [only] = elements
        && only == "*"
    {
        return Ok(());
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_pair = |element: &String| {
        element
            .split_once(':')
            .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    if elements.iter().all(is_pair) {
        Ok(())
    } else {
        Err(Refusal::NotThrottledReplicas)
    }
}

fn check_offset_reset(text: &str) -> Result<(), Refusal> {
    if matches!(text, "latest" | "earliest") {
        return Ok(());
    }
    text.strip_prefix("by_duration:")
        .filter(|span| is_positive_span(span))
        .map(|_| ())
        .ok_or(Refusal::NotOffsetReset)
}

/// Whether `span` is an ISO 8601 span in days, hours, minutes and seconds (P2DT3H4M5.6S).
fn is_positive_span(span: &str) -> bool {
    let Some(body) = span.strip_prefix(['P', 'p']) else {
        return false;
    };
    let (days, time) = match body.split_once(['T', 't']) {
        Some((_, "")) => return false,
        Some((days, time)) => (days, time),
        None => (body, ""),
    };
    if days.is_empty() && time.is_empty() {
        return false;
    }
    let Some(days_left) = strip_amount(days, 'D', false) else {
        return false;
    };
    let time_left = strip_amount(time, 'H', false)
        .and_then(|left| strip_amount(left, 'M', false))
        .and_then(|left| strip_amount(left, 'S', true));
    days_left.is_empty() && time_left.is_some_and(str::is_empty)
}

/// Takes "12H" off the front when `unit` is H; the text unchanged when the unit does not occur,
/// nothing when its amount is no number.
fn strip_amount(text: &str, unit: char, may_have_fraction: bool) -> Option<&str> {
    let Some((amount, rest)) = text.split_once([unit, unit.to_ascii_lowercase()]) else {
        return Some(text);
    };
    let (whole, fraction) = match amount.split_once('.') {
        Some((whole, fraction)) if may_have_fraction => (whole, fraction),
        Some(_) => return None,
        None => (amount, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && digits(whole) && digits(fraction)).then_some(rest)
}
