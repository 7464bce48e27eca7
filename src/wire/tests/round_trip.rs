//! Every message at every version: what is encoded decodes to the same value, and that value
//! encodes to the same bytes.

use super::sample::Source;
use super::samples::{RECORDS, sample_request, sample_response};
use crate::{APIS, ApiKey, Message, WireError, Writer, decode_any_request, decode_any_response};

/// The bytes of `message`, which must be encodable.
pub(super) fn encoded(message: &dyn Message, version: i16) -> Vec<u8> {
    let mut writer = Writer::new();
    message
        .encode(&mut writer, version)
        .unwrap_or_else(|error| panic!("{error} in {message:?} at version {version}"));
    writer.finish().into_bytes().expect("samples have no gaps")
}

/// Requests or responses, as the tests go through both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Request, Self::Response];

    pub(super) fn sample(self, key: ApiKey, source: &mut Source, version: i16) -> Box<dyn Message> {
        match self {
            Self::Request => sample_request(key, source, version),
            Self::Response => sample_response(key, source, version),
        }
    }

    pub(super) fn decode(
        self,
        key: ApiKey,
        version: i16,
        bytes: &[u8],
    ) -> Result<Box<dyn Message + '_>, WireError> {
        match self {
            Self::Request => decode_any_request(key, version, bytes),
            Self::Response => decode_any_response(key, version, bytes),
        }
    }
}

/// Runs `check` for every API, side, version and a few seeds.
pub(super) fn for_every_message(
    seeds: u64,
    mut check: impl FnMut(Side, ApiKey, i16, &dyn Message, &[u8]),
) {
    for entry in &APIS {
        for side in Side::BOTH {
            for version in entry.versions.iter() {
                for seed in 0..seeds {
                    let mut source = Source::new(seed);
                    let message = side.sample(entry.key, &mut source, version);
                    let bytes = encoded(&*message, version);
                    check(side, entry.key, version, &*message, &bytes);
                }
            }
        }
    }
}

#[test]
fn every_api_survives_a_round_trip() {
    let mut count = 0;
    for_every_message(20, |side, key, version, message, bytes| {
        let again = side
            .decode(key, version, bytes)
            .unwrap_or_else(|error| panic!("{error}: {message:?} at version {version}"));
        assert_eq!(format!("{again:?}"), format!("{message:?}"));
        assert_eq!(
            encoded(&*again, version),
            bytes,
            "{message:?} at version {version}"
        );
        count += 1;
    });
    assert!(count > 5_000, "only {count} messages were tried");
}

#[test]
fn every_persisted_record_survives_a_round_trip() {
    assert!(RECORDS.len() > 80);
    for record in &RECORDS {
        for version in record.versions.0..=record.versions.1 {
            for seed in 0..20 {
                let message = (record.sample)(&mut Source::new(seed), version);
                let bytes = encoded(&*message, version);
                let again = (record.decode)(&bytes, version)
                    .unwrap_or_else(|error| panic!("{error}: {message:?} at {version}"));
                assert_eq!(format!("{again:?}"), format!("{message:?}"));
                assert_eq!(encoded(&*again, version), bytes);
            }
        }
    }
}

#[test]
fn a_version_that_nobody_knows_is_refused() {
    for entry in &APIS {
        for version in [entry.versions.min - 1, entry.versions.max + 1] {
            for side in Side::BOTH {
                side.decode(entry.key, version, &[0; 64]).unwrap_err();
            }
        }
    }
}
