//! Hostile bytes: cut, mutated, and with lengths that claim the world.
//!
//! Story: a frame comes from anybody. Whatever it holds, decoding ends with a value or an error,
//! and never asks for memory beyond a fixed multiple of the bytes that arrived. The allocations
//! of this test binary are counted per thread, so that "never asks" is measured, not believed.

use super::round_trip::{Side, for_every_message};
use crate::produce::ProduceRequest;
use crate::{APIS, ApiKey, Decode, Fault, Reader, RequestHeader, decode_request_header};
use allocation_counter::measure;
use base::Random;

/// The grant per byte and the smallest grant, as `reader.rs` has them, and some room for the box
/// around the message and the text of errors.
const HEAP_PER_BYTE: usize = 16;
const HEAP_MIN: usize = 16 * 1024 + 4096;

/// Decodes and checks what it cost; true when the bytes were accepted.
fn decode_within_budget(side: Side, key: ApiKey, version: i16, bytes: &[u8]) -> bool {
    let mut accepted = false;
    let spent = measure(|| accepted = side.decode(key, version, bytes).is_ok());
    let spent = usize::try_from(spent.bytes_total).unwrap();
    let granted = HEAP_MIN + HEAP_PER_BYTE * bytes.len();
    assert!(
        spent <= granted,
        "{side:?} {key} {version} took {spent} bytes for a frame of {}: {bytes:02x?}",
        bytes.len()
    );
    accepted
}

#[test]
fn cut_anywhere_a_message_is_refused() {
    for_every_message(2, |side, key, version, message, bytes| {
        for length in 0..bytes.len() {
            assert!(
                !decode_within_budget(side, key, version, &bytes[..length]),
                "{message:?} at version {version} is complete after {length} bytes"
            );
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(
            !decode_within_budget(side, key, version, &longer),
            "{message:?} at version {version} hides a byte behind its end"
        );
    });
}

#[test]
fn mutated_anywhere_a_message_is_a_value_or_an_error() {
    let seed = 0x6D75_7461;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut accepted, mut tried) = (0, 0);
    for_every_message(4, |side, key, version, _, bytes| {
        for _ in 0..12 {
            let mut mutated = bytes.to_vec();
            for _ in 0..=random.below(3) {
                mutate(&mut mutated, &mut random);
            }
            accepted += u32::from(decode_within_budget(side, key, version, &mutated));
            tried += 1;
        }
    });
    assert!(
        tried > 20_000 && accepted > 1_000,
        "{accepted} of {tried} were accepted"
    );
}

/// One change of the kind that hurts parsers.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let length = u64::try_from(bytes.len()).unwrap();
    let at = usize::try_from(random.below(length + 1)).unwrap();
    match random.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = 0xFF,
        2 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
        3 if at < bytes.len() => drop(bytes.remove(at)),
        4 => {
            let claim: [&[u8]; 4] = [
                &[0x7F, 0xFF, 0xFF, 0xFF],
                &[0xFF, 0xFF, 0xFF, 0xFE],
                &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
                &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            ];
            let claim = claim[usize::try_from(random.below(4)).unwrap()];
            for (slot, byte) in bytes.iter_mut().skip(at).zip(claim) {
                *slot = *byte;
            }
        }
        _ => bytes.truncate(at),
    }
}

#[test]
fn noise_is_a_value_or_an_error() {
    let seed = 0x6E6F_6973;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for entry in &APIS {
        for version in entry.versions.iter() {
            for length in [0, 1, 7, 64, 1024] {
                let mut noise = vec![0; length];
                random.fill(&mut noise);
                for side in Side::BOTH {
                    decode_within_budget(side, entry.key, version, &noise);
                    decode_within_budget(side, entry.key, version, &vec![0; length]);
                    decode_within_budget(side, entry.key, version, &vec![1; length]);
                    decode_within_budget(side, entry.key, version, &vec![0x7F; length]);
                }
            }
            let mut header = vec![0; 40];
            random.fill(&mut header);
            header[..2].copy_from_slice(&entry.key.code().to_be_bytes());
            let _ = decode_request_header(&mut Reader::new(&header));
        }
    }
}

#[test]
fn a_claimed_count_is_refused_before_anything_is_allocated() {
    // A v9 produce request: no transactional id, acks, timeout, then 2^31 topics.
    let mut bytes = vec![0, 0xFF, 0xFF, 0, 0, 0, 1];
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x08]);
    bytes.extend([0; 100]);
    let mut result = None;
    let spent = measure(|| result = Some(ProduceRequest::decode_all(&bytes, 9)));
    assert_eq!(spent.bytes_total, 0);
    let error = result.unwrap().unwrap_err();
    assert_eq!(
        (error.message, error.field),
        ("ProduceRequest", "topic_data")
    );
    assert_eq!(
        error.fault,
        Fault::CountTooLarge {
            count: (1 << 31) - 1,
            left: 100
        }
    );
}

#[test]
fn a_frame_full_of_tiny_elements_cannot_multiply() {
    // A v1 ListGroups-like trick: 1 MiB of empty strings would become 12 MiB of string headers;
    // nested in arrays of arrays it must still stay within the grant.
    let mut bytes = Vec::new();
    let count = 1 << 20;
    bytes.extend(i32::to_be_bytes(count));
    bytes.extend(vec![0; 2 << 20]);
    assert!(decode_within_budget(
        Side::Request,
        ApiKey::DescribeGroups,
        0,
        &bytes
    ));

    // With compact lengths it is 24 bytes for one: more than is granted.
    let mut bytes = vec![0x80, 0x80, 0x40];
    bytes.extend(vec![1; 1 << 20]);
    bytes.extend([0, 0]);
    let error = Side::Request
        .decode(ApiKey::DescribeGroups, 5, &bytes)
        .unwrap_err();
    assert!(matches!(error.fault, Fault::HeapExceeded { .. }), "{error}");
}

#[test]
fn each_kind_of_damage_is_told_apart() {
    let fault = |bytes: &[u8], version| {
        RequestHeader::decode_all(bytes, version)
            .map(|_| ())
            .map_err(|error| error.fault)
    };
    let fixed = [0, 3, 0, 1, 0, 0, 0, 9];
    let with = |rest: &[u8]| [&fixed, rest].concat();
    assert_eq!(fault(&with(&[0xFF, 0xFF]), 1), Ok(()));
    assert_eq!(
        fault(&with(&[0xFF, 0xFE]), 1),
        Err(Fault::LengthInvalid { length: -2 })
    );
    assert_eq!(
        fault(&with(&[0, 5, b'a']), 1),
        Err(Fault::Truncated { needed: 5, left: 1 })
    );
    assert_eq!(fault(&with(&[0, 1, 0xC3]), 1), Err(Fault::NotUtf8));
    assert_eq!(
        fault(&with(&[0, 0, 7]), 1),
        Err(Fault::TrailingBytes { left: 1 })
    );
    // Two unknown tagged fields are skipped; a size beyond the end is not.
    assert_eq!(fault(&with(&[0, 0, 2, 9, 1, 7, 8, 0]), 2), Ok(()));
    assert_eq!(
        fault(&with(&[0, 0, 1, 9, 4, 7]), 2),
        Err(Fault::Truncated { needed: 4, left: 1 })
    );
    assert_eq!(
        fault(&with(&[0, 0, 0x80, 0x80, 0x80, 0x80, 0x10]), 2),
        Err(Fault::VarintTooLong)
    );
    assert_eq!(
        fault(&with(&[0, 0, 0x7F, 0]), 2),
        Err(Fault::TagsTooMany { count: 127 })
    );
    assert_eq!(
        fault(&with(&[]), 3),
        Err(Fault::VersionUnknown { version: 3 })
    );
    // A Fetch request's cluster id (tag 0) whose content is shorter than its announced size.
    let fetch = [&[0; 21][..], &[1, 1, 1], &[1, 0, 3, 1, 0, 0]].concat();
    let fetch = crate::fetch::FetchRequest::decode_all(&fetch, 15);
    assert_eq!(fetch.map_err(|error| error.fault), Err(Fault::TagSizeWrong));
    let mut unknown = Reader::new(&[0, 4, 0, 0, 0, 0, 0, 1]);
    let error = decode_request_header(&mut unknown).unwrap_err();
    assert_eq!(error.fault, Fault::ApiUnknown { key: 4 });
}

#[test]
fn null_is_refused_where_the_version_does_not_know_it() {
    use crate::metadata::MetadataRequest;
    let null = (-1_i32).to_be_bytes();
    let refused = MetadataRequest::decode_all(&null, 0).unwrap_err();
    assert_eq!(refused.fault, Fault::NullNotAllowed);
    let accepted = MetadataRequest::decode_all(&null, 1).unwrap();
    assert_eq!(accepted.topics, None);
}
