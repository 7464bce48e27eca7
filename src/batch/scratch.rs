//! Memory that reading batches reuses from one to the next.
//!
//! Invariants: one compressed batch at a time uses it; what a single large batch made it grow by
//! is given back when the next one begins.

/// One core's memory for decompressing batches.
#[derive(Debug)]
pub struct Scratch {
    pub(crate) window: Box<[u8]>,
    plain: Vec<u8>,
}

impl Scratch {
    const WINDOW_BYTES: usize = 64 * 1024;
    const PLAIN_BYTES_KEPT_MAX: usize = 4 * 1024 * 1024;

    /// Memory for one core.
    #[must_use]
    pub fn new() -> Self {
        Self {
            window: vec![0; Self::WINDOW_BYTES].into_boxed_slice(),
            plain: Vec::new(),
        }
    }

    /// Empty room for one decompressed batch.
    pub(crate) fn plain(&mut self) -> &mut Vec<u8> {
        self.plain.clear();
        self.plain.shrink_to(Self::PLAIN_BYTES_KEPT_MAX);
        assert!(self.plain.is_empty(), "no batch sees another's bytes");
        &mut self.plain
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
