//! Why an ask was refused, as the client will read it.

use std::borrow::Cow;
use std::fmt;

use base::ErrorCode;

/// Kafka's error code with a text that says what and why; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What a client's code looks at.
    pub code: ErrorCode,
    /// What a person reads, in answers that have room for it.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with this code and text.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        assert!(code != ErrorCode::None, "a refusal has an error code");
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.name())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Refusal {}
