//! Whatever is built must validate, read back, and survive recompression.

use super::{Plain, rules, view};
use crate::{
    BatchBuilder, BatchError, BatchOptions, Batches, Codec, Compression, Rules, Scratch,
    recompress, records, validate,
};
use base::Random;

fn read(batch: &[u8], scratch: &mut Scratch) -> Vec<Plain> {
    let records = records(&view(batch), scratch, 1 << 24).unwrap();
    records.map(|record| record.unwrap().into()).collect()
}

#[test]
fn random_batches_round_trip() {
    let seed = 0xBA7C_0001;
    println!("seed {seed:#x}");
    let mut random = Random::salted(seed, 1);
    let mut scratch = Scratch::new();
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let limits = Rules {
        batch_bytes_max: 1 << 24,
        ..rules()
    };
    for round in 0..200 {
        let codec = Codec::ALL[usize::try_from(random.below(5)).unwrap()];
        let level = (codec == Codec::Zstd).then_some(-3);
        builder.options.compression = Compression { codec, level };
        let plains: Vec<Plain> = (0..=random.below(40))
            .map(|_| Plain::random(&mut random))
            .collect();
        plains
            .iter()
            .for_each(|plain| plain.append_to(&mut builder));
        let mut batch = Vec::new();
        builder.build(&mut batch).unwrap();
        let validated = validate(&batch, &limits, &mut scratch).unwrap();
        let max = plains.iter().map(|plain| plain.timestamp).max().unwrap();
        assert_eq!(validated.max_timestamp.0, max, "round {round}");
        assert_eq!(validated.record_count as usize, plains.len());
        assert!(!validated.needs_timestamps);
        assert_eq!(read(&batch, &mut scratch), plains, "round {round}");
        let other = Codec::ALL[usize::try_from(random.below(5)).unwrap()];
        let mut again = Vec::new();
        recompress(&view(&batch), other.into(), 1 << 24, &mut again).unwrap();
        assert_eq!(
            validate(&again, &limits, &mut scratch).unwrap().codec,
            other
        );
        assert_eq!(
            read(&again, &mut scratch),
            plains,
            "round {round} as {other}"
        );
    }
}

#[test]
fn mutated_batches_with_right_checksums_never_panic() {
    let seed = 0xBA7C_0002;
    println!("seed {seed:#x}");
    let mut random = Random::salted(seed, 2);
    let mut scratch = Scratch::new();
    let mut taken = 0;
    for _ in 0..5_000 {
        let codec = Codec::ALL[usize::try_from(random.below(5)).unwrap()];
        let mut builder = BatchBuilder::new(BatchOptions {
            compression: codec.into(),
            ..BatchOptions::default()
        });
        for _ in 0..=random.below(4) {
            Plain::random(&mut random).append_to(&mut builder);
        }
        let mut batch = Vec::new();
        builder.build(&mut batch).unwrap();
        for _ in 0..=random.below(3) {
            let at = 21 + usize::try_from(random.below(batch.len() as u64 - 21)).unwrap();
            batch[at] = batch[at].wrapping_add(u8::try_from(random.below(256)).unwrap());
        }
        crate::stamp::stamp_checksum(&mut batch);
        taken += u32::from(validate(&batch, &rules(), &mut scratch).is_ok());
        if let Ok(records) = records(&view(&batch), &mut scratch, 1 << 20) {
            for record in records.flatten() {
                assert_eq!(record.headers.iter().count(), record.headers.len() as usize);
            }
        }
        let _ = crate::max_timestamp_record(&view(&batch), &mut scratch);
    }
    assert!(
        taken > 0,
        "some mutations are harmless; all refused means the test is broken"
    );
}

#[test]
fn a_fetch_response_may_end_inside_a_batch() {
    let one = super::batch_of(Codec::None, 1);
    let two = super::batch_of(Codec::Lz4, 2);
    let response = [one.clone(), two.clone(), one.clone()].concat();
    let cut = &response[..response.len() - 1];
    let mut batches = Batches::new(cut);
    let counts: Vec<i32> = batches
        .by_ref()
        .map(|batch| batch.unwrap().record_count())
        .collect();
    assert_eq!(counts, [1, 2]);
    assert_eq!(batches.rest().len(), one.len() - 1);
    let zeros = [0; 4096];
    let length = 0;
    assert_eq!(
        Batches::new(&zeros).next().unwrap().unwrap_err(),
        BatchError::Length { length }
    );
}
