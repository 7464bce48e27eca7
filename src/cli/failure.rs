//! How a command fails: what happened, why, how to mend it, and with which exit code.
//!
//! Invariant: every error that reaches the person at the terminal has all three parts.

use std::fmt;
use std::process::ExitCode;

use client::ClientError;
use reactor::{IoError, IoErrorKind, StartError};

/// What kind of failure it was, as scripts can tell from the exit code. Code 2 is clap's own, for
/// arguments that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything else.
    General = 1,
    /// No broker could be reached, or it did not answer in time.
    Unreachable = 3,
    /// The broker understood and refused.
    Refused = 4,
    /// The input or output of the command was not usable.
    Data = 5,
}

/// A failure in three sentences.
#[derive(Debug)]
pub(super) struct Failure {
    what: String,
    why: String,
    mend: String,
    kind: Kind,
}

impl Failure {
    pub(super) fn new(
        kind: Kind,
        what: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            why: why.into(),
            mend: mend.into(),
            kind,
        }
    }

    /// Puts what the command was about in front of what its client said.
    pub(super) fn during(attempt: impl fmt::Display, error: &ClientError) -> Self {
        let what = match error {
            ClientError::Refused { code, .. } => format!("{attempt}: {code}"),
            _ => attempt.to_string(),
        };
        Self {
            what,
            ..Self::from(error)
        }
    }

    /// Prints the failure to standard error and gives the code to exit with.
    pub(super) fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "error: {}", self.what)?;
        writeln!(formatter, "  why: {}", self.why)?;
        write!(formatter, "  how to mend it: {}", self.mend)
    }
}

impl From<&ClientError> for Failure {
    fn from(error: &ClientError) -> Self {
        let kind = match error {
            _ if error.is_unreachable() => Kind::Unreachable,
            ClientError::Refused { .. } => Kind::Refused,
            ClientError::Build(_) => Kind::Data,
            _ => Kind::General,
        };
        Self::new(kind, error.what(), error.why(), error.mend())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::from(&error)
    }
}

impl From<IoError> for Failure {
    fn from(error: IoError) -> Self {
        let mend = match error.kind {
            IoErrorKind::NotFound => "check the name",
            IoErrorKind::NoSpace => "make room on the file system",
            IoErrorKind::Locked => "stop the process that holds it, or name another directory",
            _ => "see the system's own words above",
        };
        let what = format!("cannot {} {}", error.operation, error.subject);
        Self::new(Kind::Data, what, error.detail, mend)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(
            Kind::General,
            "this machine cannot run forebay",
            error.to_string(),
            "run `forebay doctor` for every check with its result",
        )
    }
}
