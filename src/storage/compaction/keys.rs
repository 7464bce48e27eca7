//! The last offset of each key, in bounded memory: 16 bytes of hash and 8 of offset per key.
//!
//! Two keys with one hash would be taken for one. With a secret key to the hash nobody can look
//! for such a pair, and for a billion keys the chance that there is one is below one in 10^20.
//!
//! Invariant: never fuller than the given part, so that a search always ends.

use base::{Offset, usize_from_u64};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// Bytes per key.
const ENTRY_BYTES: u64 = 24;
/// The smallest table.
const SLOTS_MIN: u64 = 64;
/// What stands in a slot without a key.
const FREE: i64 = -1;

/// See the module's head.
pub(crate) struct KeyMap {
    hashes: Vec<u128>,
    offsets: Vec<i64>,
    used: usize,
    used_max: usize,
    secret: u64,
    /// The last offset of what was noted as a whole.
    pub(crate) latest: Option<Offset>,
}

impl KeyMap {
    /// A table of at most `bytes_max` bytes for at most `keys` keys, filled to `load_percent`.
    pub(crate) fn new(bytes_max: u64, keys: u64, load_percent: u64, secret: u64) -> Self {
        let load = load_percent.clamp(1, 95);
        let wanted = keys.saturating_mul(100) / load + 1;
        let slots = wanted.min(bytes_max / ENTRY_BYTES).max(SLOTS_MIN);
        let used_max = usize_from_u64(slots * load / 100);
        let slots = usize_from_u64(slots);
        assert!(used_max < slots, "a search ends at a free slot");
        Self {
            hashes: vec![0; slots],
            offsets: vec![FREE; slots],
            used: 0,
            used_max,
            secret,
            latest: None,
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Notes that `key` has a record at `offset`; false when there is no room for another key.
    #[must_use]
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = self.hash(key);
        let slot = self.slot(hash);
        let is_new = self.offsets.get(slot) == Some(&FREE);
        if is_new && self.used >= self.used_max {
            return false;
        }
        self.used += usize::from(is_new);
        if let (Some(known), Some(at)) = (self.hashes.get_mut(slot), self.offsets.get_mut(slot)) {
            *known = hash;
            *at = (*at).max(offset.0);
        }
        true
    }

    /// The last offset of `key`, where it was noted.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        let at = self.offsets.get(self.slot(self.hash(key)))?;
        (*at != FREE).then_some(Offset(*at))
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret, !self.secret);
        hasher.write(key);
        hasher.finish128().as_u128()
    }

    /// Where `hash` is, or would be.
    fn slot(&self, hash: u128) -> usize {
        let slots = self.hashes.len() as u64;
        let [high, ..] = [(hash >> 64) as u64 % slots];
        let mut slot = usize_from_u64(high);
        loop {
            let taken = self.offsets.get(slot).is_some_and(|at| *at != FREE);
            if !taken || self.hashes.get(slot) == Some(&hash) {
                return slot;
            }
            slot = (slot + 1) % self.hashes.len();
        }
    }
}
