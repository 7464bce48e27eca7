//! Fills messages from a seed: the values that all round trips begin with.
//!
//! Invariant: what is drawn depends on the seed and on the schema, never on the machine.

use crate::Records;
use base::{Random, Uuid};
use std::borrow::Cow;

/// Draws values; small ones, since the layout is what is tested.
pub(crate) struct Source {
    random: Random,
    elements_max: u64,
}

/// Something that can be filled.
pub(crate) trait Sample: Sized {
    /// A value that `version` of the message can carry.
    fn sample(source: &mut Source, version: i16) -> Self;
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::salted(seed, 0x5761_7265),
            elements_max: 3,
        }
    }

    /// A source whose arrays have at most one element, for files that people read.
    pub(crate) fn terse(seed: u64) -> Self {
        Self {
            elements_max: 1,
            ..Self::new(seed)
        }
    }

    pub(crate) fn null(&mut self) -> bool {
        self.random.chance(1, 4)
    }

    pub(crate) fn array<T: Sample>(&mut self, version: i16) -> Vec<T> {
        let count = self.random.below(self.elements_max + 1);
        let count = if self.elements_max == 1 { 1 } else { count };
        (0..count).map(|_| T::sample(self, version)).collect()
    }

    pub(crate) fn records(&mut self, nullable: bool) -> Records<'static> {
        const BATCHES: &[u8] = b"not a record batch, but nobody here looks inside";
        if nullable && self.null() {
            return Records::Null;
        }
        let length = usize::try_from(self.random.below(40)).unwrap();
        Records::Borrowed(&BATCHES[..length])
    }

    fn word(&mut self) -> u64 {
        // Small, large and extreme numbers are all likely.
        match self.random.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 63,
            3..=5 => self.random.below(300),
            _ => self.random.next_u64(),
        }
    }

    fn low_bytes<const N: usize>(&mut self) -> [u8; N] {
        let word = self.word().to_be_bytes();
        std::array::from_fn(|index| word[8 - N + index])
    }
}

impl Sample for bool {
    fn sample(source: &mut Source, _: i16) -> Self {
        source.random.chance(1, 2)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Sample for $number {
            fn sample(source: &mut Source, _: i16) -> Self {
                <$number>::from_be_bytes(source.low_bytes())
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64, u16, u32);

impl Sample for f64 {
    fn sample(source: &mut Source, _: i16) -> Self {
        f64::from(i32::sample(source, 0)) / 8.0
    }
}

impl Sample for Uuid {
    fn sample(source: &mut Source, _: i16) -> Self {
        Self::random(&mut source.random)
    }
}

impl Sample for Cow<'static, str> {
    fn sample(source: &mut Source, _: i16) -> Self {
        const LETTERS: [&str; 8] = ["a", "topic", "-", "é", "0", "B", "水", "_x"];
        // Now and then long enough that a compact length takes two bytes.
        let parts = match source.elements_max {
            1 => 1 + source.random.below(2),
            _ if source.random.chance(1, 30) => 70,
            _ => source.random.below(4),
        };
        let mut text = String::new();
        for _ in 0..parts {
            text.push_str(LETTERS[usize::try_from(source.random.below(8)).unwrap()]);
        }
        Cow::Owned(text)
    }
}

impl Sample for Cow<'static, [u8]> {
    fn sample(source: &mut Source, _: i16) -> Self {
        let mut bytes = vec![0; usize::try_from(source.random.below(20)).unwrap()];
        source.random.fill(&mut bytes);
        Cow::Owned(bytes)
    }
}
