//! What can be wrong with a configuration. Every text names the key, the value and its origin, why
//! it is refused and what would mend it. Secrets are not repeated.

use crate::refusal::Refusal;
use crate::source::Source;

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigError {
    /// No such key.
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// Whose keys were searched, for people.
        family: &'static str,
        /// Where it was written.
        source: Source,
        /// The known key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A value of the wrong type or against the key's rule.
    BadValue {
        /// The key.
        key: String,
        /// The value, or `[hidden]`.
        value: String,
        /// Where it was set.
        source: Source,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// Two values that exclude each other, or one that is missing beside another.
    Conflict {
        /// The key to look at first.
        key: &'static str,
        /// The whole sentence, with what to do.
        explanation: String,
    },
    /// A group's value beyond what the brokers allow.
    Bound {
        /// The group's key.
        key: &'static str,
        /// The broker's key that sets the bound.
        bound: &'static str,
        /// Its value.
        value: i64,
        /// Whether it bounds from below.
        is_min: bool,
    },
    /// The key may not be changed while the node runs, or not at this level.
    NotDynamic {
        /// The key.
        key: String,
        /// Whether it may be changed for single brokers, only not for all of them.
        is_for_one: bool,
        /// Where it can be set.
        remedy: &'static str,
    },
    /// A line of a file that cannot be read.
    BadLine {
        /// The file.
        path: String,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// An override that is not `key=value`.
    BadOverride {
        /// What was given.
        text: String,
    },
}

/// What is wrong with a line of a properties file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// `\u` without four hexadecimal digits.
    BadUnicodeEscape,
    /// A name longer than any key.
    KeyTooLong,
    /// A value longer than any value.
    ValueTooLong,
    /// More settings than any configuration has.
    TooManySettings,
    /// The file is too large to be a configuration.
    FileTooLarge,
    /// A value without a name.
    NoKey,
}

impl LineProblem {
    const fn text(self) -> &'static str {
        match self {
            Self::NotUtf8 => "it holds bytes that are not UTF-8; save the file as UTF-8",
            Self::BadUnicodeEscape => "a \\u must be followed by four hexadecimal digits",
            Self::KeyTooLong => "the key is longer than 1024 bytes",
            Self::ValueTooLong => "the value is longer than 1 MiB",
            Self::TooManySettings => "the file holds more than 10000 settings",
            Self::FileTooLarge => "the file is larger than 8 MiB; is it a properties file?",
            Self::NoKey => "there is a value without a key before it",
        }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownKey {
                key,
                family,
                source,
                nearest,
            } => {
                write!(
                    formatter,
                    "{source}: there is no {family} key {}",
                    printable(key)
                )?;
                match nearest {
                    Some(nearest) => write!(formatter, "; did you mean {nearest}?"),
                    None => write!(formatter, "; remove it"),
                }
            }
            Self::BadValue {
                key,
                value,
                source,
                refusal,
            } => {
                write!(
                    formatter,
                    "{source}: {key} cannot be {}: {refusal}",
                    printable(value)
                )
            }
            Self::Conflict { key, explanation } => write!(formatter, "{key}: {explanation}"),
            Self::Bound {
                key,
                bound,
                value,
                is_min,
            } => {
                let side = if *is_min { "greater" } else { "less" };
                write!(
                    formatter,
                    "{key} must be {side} than or equal to {bound}, which is {value}"
                )
            }
            Self::NotDynamic { key, remedy, .. } => {
                write!(
                    formatter,
                    "{} cannot be changed here; {remedy}",
                    printable(key)
                )
            }
            Self::BadLine {
                path,
                line,
                problem,
            } => {
                write!(
                    formatter,
                    "{path}:{line}: this line cannot be read: {}",
                    problem.text()
                )
            }
            Self::BadOverride { text } => {
                write!(
                    formatter,
                    "--set {}: write it as key=value",
                    printable(text)
                )
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Text from outside, without control characters and not longer than a line of a log.
pub(crate) fn printable(text: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    let mut shown: String = text.escape_debug().take(CHARACTERS_MAX).collect();
    if shown.is_empty() {
        shown.push_str("\"\"");
    } else if text.escape_debug().count() > CHARACTERS_MAX {
        shown.push_str("...");
    }
    shown
}

/// All mistakes of one configuration, so that they can be mended in one go.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
