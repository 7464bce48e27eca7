//! Records of `__consumer_offsets`: bytes and back.
//!
//! Written versions are those that tools of the time of Kafka 2.1 to 4.x can read: offsets in
//! version 3, groups in version 3. Read is everything.

use std::fmt;

use wire::{ConsumerOffsetsKey, Fault, WireError, encode_versioned};

use crate::Record;
use crate::context::Value;

/// A record of the log that does not follow its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayError {
    /// Where the bytes stop making sense.
    pub source: WireError,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a record of __consumer_offsets does not follow its format ({}); the partition cannot \
             be loaded: restore it from a replica or a backup",
            self.source
        )
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl From<WireError> for ReplayError {
    fn from(source: WireError) -> Self {
        Self { source }
    }
}

/// Encodes what the machine itself made.
#[expect(
    clippy::expect_used,
    reason = "texts come from requests, whose strings are no longer than a record's may be"
)]
pub(crate) fn encode(key: &ConsumerOffsetsKey<'_>, value: Option<Value<'_>>) -> Record {
    Record {
        key: key.encode().expect("a key fits its format"),
        value: value.map(|(value, version)| {
            encode_versioned(value, version).expect("a value fits its format")
        }),
    }
}

/// Decodes a key; nothing for kinds that a later Kafka added, which are passed over as Kafka does.
pub(crate) fn decode_key(bytes: &[u8]) -> Result<Option<ConsumerOffsetsKey<'_>>, ReplayError> {
    match ConsumerOffsetsKey::decode(bytes) {
        Ok(key) => Ok(Some(key)),
        Err(WireError {
            fault: Fault::RecordUnknown { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
