//! Records on their way in and out.

use base::{Offset, Timestamp};

/// A record that is to be appended.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// Its key, or none.
    pub key: Option<&'a [u8]>,
    /// Its value, or none.
    pub value: Option<&'a [u8]>,
    /// Its time; the wall clock where none is given.
    pub timestamp: Option<Timestamp>,
}

impl<'a> NewRecord<'a> {
    /// A record without a key, at this moment.
    #[must_use]
    pub const fn value(value: &'a [u8]) -> Self {
        Self {
            key: None,
            value: Some(value),
            timestamp: None,
        }
    }
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub offset: Offset,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its key, or none.
    pub key: Option<Vec<u8>>,
    /// Its value, or none.
    pub value: Option<Vec<u8>>,
}
