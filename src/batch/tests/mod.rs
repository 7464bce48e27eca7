//! The room's tests: what real clients send, what hostile ones might, and what we build ourselves.

mod builder_tests;
mod codec_tests;
mod golden_tests;
mod legacy_tests;
mod marker_tests;
mod validate_tests;

use crate::{BatchBuilder, BatchOptions, BatchView, Codec, Header, Rules, next_batch};
use base::{Random, Timestamp};

/// The clock of the tests, near the timestamps of the golden batches.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_001_000);

pub(crate) fn rules() -> Rules {
    Rules {
        now: NOW,
        ..Rules::default()
    }
}

pub(crate) fn view(bytes: &[u8]) -> BatchView<'_> {
    let (view, rest) = next_batch(bytes).unwrap().unwrap();
    assert!(rest.is_empty());
    view
}

/// The golden batch of this name, as Kafka 4.3.1's own classes built it.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    golden_of(include_str!("golden.txt"), name)
}

/// The bytes of this name in a file of golden bytes.
pub(crate) fn golden_of(file: &str, name: &str) -> Vec<u8> {
    let lines = file.lines();
    let mut pairs = lines.filter_map(|line| line.split_once(' '));
    let (_, hex) = pairs.find(|(known, _)| *known == name).unwrap();
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] * 16 + pair[1])
        .collect()
}

/// A batch of `count` plain records, for tests that then spoil it.
pub(crate) fn batch_of(codec: Codec, count: u32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions {
        compression: codec.into(),
        ..BatchOptions::default()
    });
    for index in 0..count {
        let value = format!("value {index}");
        builder.append(NOW, Some(b"key"), Some(value.as_bytes()), &[]);
    }
    let mut batch = Vec::new();
    builder.build(&mut batch).unwrap();
    batch
}

/// An owned record, to compare with what comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Plain {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut bytes = |bound: u64| {
            random.chance(7, 8).then(|| {
                let mut bytes = vec![0; usize::try_from(random.below(bound)).unwrap()];
                if random.chance(1, 2) {
                    random.fill(&mut bytes);
                }
                bytes
            })
        };
        let (key, value) = (bytes(40), bytes(3000));
        let headers = (0..3)
            .filter_map(|_| Some((bytes(10)?, bytes(20))))
            .collect();
        Self {
            timestamp: NOW.0 - i64::try_from(random.below(100_000)).unwrap(),
            key,
            value,
            headers,
        }
    }

    pub(crate) fn append_to(&self, builder: &mut BatchBuilder) {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        builder.append(Timestamp(self.timestamp), key, value, &headers);
    }
}

impl From<crate::Record<'_>> for Plain {
    fn from(record: crate::Record<'_>) -> Self {
        let headers = record.headers.iter();
        Self {
            timestamp: record.timestamp.0,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }
}
