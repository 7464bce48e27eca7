//! Whatever a producer sends as records, and whatever lies on a disk: validation, iteration and
//! decompression end in values or errors, never in a panic or in memory beyond their bounds.

#![no_main]

use base::{Offset, Timestamp};
use batch::{Batches, Rules, Scratch};
use libfuzzer_sys::fuzz_target;

/// Small enough that a decompression bomb which slipped through shows as slowness at once.
const PLAIN_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let rules = Rules {
        now: Timestamp(1_700_000_000_000),
        decompressed_bytes_max: PLAIN_BYTES_MAX as u64,
        record_bytes_max: PLAIN_BYTES_MAX as u64,
        ..Rules::default()
    };
    // A checksum that must fit by chance would hide everything behind it, so the fuzzer's bytes
    // are also tried with the right one.
    let mut healed = bytes.to_vec();
    if let Ok(Some((view, _))) = batch::next_batch(bytes) {
        let crc = view.computed_crc().to_be_bytes();
        healed[17..21].copy_from_slice(&crc);
    }
    let mut scratch = Scratch::new();
    for candidate in [bytes, &healed] {
        if let Ok(validated) = batch::validate(candidate, &rules, &mut scratch) {
            assert!(validated.len <= candidate.len());
        }
        for view in Batches::new(candidate).take(64) {
            let Ok(view) = view else { break };
            let Ok(records) = batch::records(&view, &mut scratch, PLAIN_BYTES_MAX) else { continue };
            let last = view.last_offset();
            for record in records {
                let Ok(record) = record else { break };
                assert!(record.offset >= view.base_offset() || last < Offset(0));
                let _ = record.headers.iter().count();
            }
        }
    }
});
