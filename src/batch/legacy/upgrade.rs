//! One record batch of a message set, as an old producer's records are stored.
//!
//! Invariants: records keep their order and get the offset deltas 0, 1, 2 ...; the offsets in the
//! set are ignored, since the broker gives offsets and Kafka never relied on an old producer's;
//! messages without a time become records without one; the batch has no producer id.

use std::borrow::Cow;

use super::fault::LegacyFault;
use super::layout::MessageFormat;
use super::message::{Message, next_message};
use crate::builder::{BatchBuilder, BatchOptions};
use crate::codec::{Codec, CodecError, Compression, decompress, mend_legacy_lz4};
use crate::error::{BatchError, Refusal, RefusalReason, Refusals};
use base::Timestamp;

/// What a record may need beyond its message's bytes: a message has 26 at least.
const RECORD_OVERHEAD_BYTES_MAX: usize = 32;

/// The records of a produce request before its version 3 as one batch, compressed with the codec
/// of the last compressed message. What comes out is yet to be validated as any batch.
///
/// `plain_bytes_max` bounds what all records may come to without compression.
///
/// # Errors
/// When a message is damaged, a wrapper does not hold a set of plain messages, or there is more
/// than `plain_bytes_max`.
pub fn upgrade(records: &[u8], plain_bytes_max: usize) -> Result<Vec<u8>, BatchError> {
    let mut upgrade = Upgrade {
        builder: BatchBuilder::new(BatchOptions::default()),
        refusals: Refusals::new(),
        bytes_max: plain_bytes_max.min(BatchBuilder::PLAIN_BYTES_MAX / 2),
        codec: Codec::None,
    };
    let mut rest = records;
    while let Some((message, behind)) = next_message(rest)? {
        rest = behind;
        match message.codec()? {
            Codec::None => {
                let claims_append_time = message.claims_append_time();
                upgrade.append(&message, claims_append_time)?;
            }
            codec => upgrade.unwrap(&message, codec)?,
        }
    }
    upgrade.finish()
}

struct Upgrade {
    builder: BatchBuilder,
    refusals: Refusals,
    bytes_max: usize,
    codec: Codec,
}

impl Upgrade {
    fn append(
        &mut self,
        message: &Message<'_>,
        claims_append_time: bool,
    ) -> Result<(), BatchError> {
        let field = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let bytes = self.builder.plain_bytes() + field(message.key) + field(message.value);
        if bytes + RECORD_OVERHEAD_BYTES_MAX > self.bytes_max {
            return Err(BatchError::TooLarge {
                bytes,
                bytes_max: self.bytes_max,
            });
        }
        if claims_append_time {
            self.refusals.push(Refusal {
                index: self.builder.record_count(),
                reason: RefusalReason::LogAppendTimeFromProducer,
            });
        }
        let timestamp = Timestamp(message.timestamp);
        self.builder
            .append(timestamp, message.key, message.value, &[]);
        Ok(())
    }

    /// Appends all messages of a wrapper.
    fn unwrap(&mut self, wrapper: &Message<'_>, codec: Codec) -> Result<(), BatchError> {
        let fault = |fault| Err(BatchError::Legacy(fault));
        let Some(compressed) = wrapper.value else {
            return fault(LegacyFault::WrapperWithoutValue);
        };
        let compressed = match (wrapper.format, codec) {
            (MessageFormat::Zero, Codec::Lz4) => Cow::Owned(mend_legacy_lz4(compressed)),
            _ => Cow::Borrowed(compressed),
        };
        let mut plain = Vec::new();
        decompress(codec, &compressed, self.bytes_max, &mut plain)?;
        let count_before = self.builder.record_count();
        let mut rest = plain.as_slice();
        while let Some((message, behind)) = next_message(rest)? {
            rest = behind;
            if message.codec()? != Codec::None {
                return fault(LegacyFault::WrapperNested);
            }
            if message.format != wrapper.format {
                return fault(LegacyFault::WrapperMixed);
            }
            self.append(&message, wrapper.claims_append_time())?;
        }
        if !rest.is_empty() {
            return fault(LegacyFault::WrapperTorn);
        }
        if self.builder.record_count() == count_before {
            return fault(LegacyFault::WrapperEmpty);
        }
        self.codec = codec;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, BatchError> {
        if self.refusals.total > 0 {
            return Err(BatchError::Refused(self.refusals));
        }
        if self.builder.record_count() == 0 {
            return Err(BatchError::NoBatch);
        }
        self.builder.options.compression = Compression::from(self.codec);
        let mut batch = Vec::new();
        self.builder
            .build(&mut batch)
            .map_err(|error: CodecError| BatchError::Codec(error))?;
        Ok(batch)
    }
}
