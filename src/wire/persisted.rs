//! The envelopes of records that rest on disk.
//!
//! Invariants: keys and values in internal topics begin with a 16-bit version (for keys that is
//! also the kind); metadata and remote log records begin with three varints: the envelope's own
//! version, the kind, the kind's version.

use crate::{Decode, Fault, Message, Reader, WireError, Writer};

/// The only version of the envelope around metadata records that Kafka has written.
const ENVELOPE_VERSION: u32 = 1;

/// A record that begins with its version.
///
/// # Errors
/// When `version` cannot carry the record.
pub fn encode_versioned(record: &dyn Message, version: i16) -> Result<Vec<u8>, WireError> {
    let mut writer = Writer::new();
    writer.int16(version);
    record.encode(&mut writer, version)?;
    Ok(writer.finish().bytes().to_vec())
}

/// Reads a record that begins with its version and fills `bytes`.
///
/// # Errors
/// When the version is unknown or the bytes do not follow it.
pub fn decode_versioned<'a, T: Decode<'a>>(bytes: &'a [u8]) -> Result<(i16, T), WireError> {
    let mut reader = Reader::new(bytes);
    let version = reader.int16("version")?;
    let record = T::decode(&mut reader, version)?;
    reader.finish()?;
    Ok((version, record))
}

/// Begins a record with the three varints.
pub(crate) fn encode_envelope(writer: &mut Writer, kind: i16, version: i16) {
    for number in [kind, version] {
        assert!(number >= 0, "kinds and versions count from zero");
    }
    writer.varint(ENVELOPE_VERSION);
    writer.varint(u32::from(kind.unsigned_abs()));
    writer.varint(u32::from(version.unsigned_abs()));
}

/// Reads the three varints: kind and version.
pub(crate) fn decode_envelope(reader: &mut Reader<'_>) -> Result<(i16, i16), WireError> {
    let envelope = reader.varint("envelope version")?;
    if envelope != ENVELOPE_VERSION {
        let version = i16::try_from(envelope).unwrap_or(i16::MAX);
        return Err(reader.fail("envelope version", Fault::VersionUnknown { version }));
    }
    let kind = reader.varint("record kind")?;
    let version = reader.varint("record version")?;
    let (Ok(kind), Ok(version)) = (i16::try_from(kind), i16::try_from(version)) else {
        let key = i32::try_from(kind).unwrap_or(i32::MAX);
        return Err(reader.fail("record kind", Fault::RecordUnknown { key }));
    };
    Ok((kind, version))
}
