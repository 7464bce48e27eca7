//! What can go wrong between this process and its machine.

use std::fmt;
use std::io;

/// The kinds of failure that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoErrorKind {
    /// No such file, directory or host.
    NotFound,
    /// The file to be created is there already.
    AlreadyExists,
    /// The file system has no space left (ENOSPC, EDQUOT).
    NoSpace,
    /// Another process holds the directory.
    Locked,
    /// The device failed (EIO); what was not flushed may be lost, and retrying proves nothing.
    Device,
    /// The peer or this side closed the connection.
    Closed,
    /// The peer did not answer in time.
    TimedOut,
    /// Nobody listens at the peer's address.
    Refused,
    /// The address to listen on is taken.
    AddressInUse,
    /// Any other error number.
    Other,
}

/// A failed operation: what was tried, on what, and what the system said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoError {
    /// The operation in a word, such as `write` or `listen`.
    pub operation: &'static str,
    /// The path or address it concerned.
    pub subject: String,
    /// The kind to branch on.
    pub kind: IoErrorKind,
    /// The system's own words.
    pub detail: String,
}

impl IoError {
    /// An error of a given kind, with our own words.
    pub fn new(
        operation: &'static str,
        subject: impl fmt::Display,
        kind: IoErrorKind,
        detail: impl fmt::Display,
    ) -> Self {
        Self {
            operation,
            subject: subject.to_string(),
            kind,
            detail: detail.to_string(),
        }
    }

    /// The error for what the system answered to `operation` on `subject`.
    pub fn from_system(
        operation: &'static str,
        subject: impl fmt::Display,
        error: &io::Error,
    ) -> Self {
        Self::new(operation, subject, kind_of(error), error)
    }

    /// The error for a raw error number, as io_uring returns it.
    pub(crate) fn from_number(
        operation: &'static str,
        subject: impl fmt::Display,
        number: i32,
    ) -> Self {
        Self::from_system(operation, subject, &io::Error::from_raw_os_error(number))
    }
}

fn kind_of(error: &io::Error) -> IoErrorKind {
    match error.raw_os_error() {
        Some(libc::ENOENT) => return IoErrorKind::NotFound,
        Some(libc::EEXIST) => return IoErrorKind::AlreadyExists,
        Some(libc::ENOSPC | libc::EDQUOT) => return IoErrorKind::NoSpace,
        Some(libc::EIO) => return IoErrorKind::Device,
        Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN) => return IoErrorKind::Closed,
        Some(libc::ETIMEDOUT) => return IoErrorKind::TimedOut,
        Some(libc::ECONNREFUSED) => return IoErrorKind::Refused,
        Some(libc::EADDRINUSE) => return IoErrorKind::AddressInUse,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::NotFound => IoErrorKind::NotFound,
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => IoErrorKind::Closed,
        io::ErrorKind::TimedOut => IoErrorKind::TimedOut,
        io::ErrorKind::ConnectionRefused => IoErrorKind::Refused,
        _ => IoErrorKind::Other,
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}: {}",
            self.operation, self.subject, self.detail
        )
    }
}

impl std::error::Error for IoError {}
