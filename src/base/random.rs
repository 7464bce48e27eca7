//! A small seeded generator, so that every random run can be replayed from one printed number.

/// SplitMix64: passes the usual statistical tests, has no bad seeds and fits in one word.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose whole sequence is given by `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// An independent stream of the same seed; each use of randomness takes its own `salt`,
    /// so that drawing once more in one place does not move the draws of all others.
    #[must_use]
    pub const fn salted(seed: u64, salt: u64) -> Self {
        let mut mixer = Self::new(seed ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let state = mixer.next_u64();
        Self::new(state)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`. The bias of the multiply-shift is below 2^-32 for the bounds used.
    ///
    /// # Panics
    /// When `bound` is zero, since no such number exists.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a random number below zero was asked for");
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True in `numerator` of `denominator` cases.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// Fills `target` with random bytes.
    pub fn fill(&mut self, target: &mut [u8]) {
        for chunk in target.chunks_mut(8) {
            let word = self.next_u64().to_be_bytes();
            chunk
                .iter_mut()
                .zip(word)
                .for_each(|(slot, byte)| *slot = byte);
        }
    }
}
