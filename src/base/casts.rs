//! Widening casts that the standard library does not offer because of 16-bit machines.

const _: () = assert!(
    usize::BITS == 64,
    "forebay addresses files larger than 4 GiB"
);

/// `value` as a length; lossless, since this crate only builds where `usize` has 64 bits.
#[must_use]
pub const fn usize_from_u32(value: u32) -> usize {
    value as usize
}

/// `value` as a length; lossless, since this crate only builds where `usize` has 64 bits.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    reason = "usize has 64 bits, asserted above"
)]
pub const fn usize_from_u64(value: u64) -> usize {
    value as usize
}

/// `value` as a length, or nothing where a length or count on the wire was negative.
#[must_use]
pub fn usize_from_i32(value: i32) -> Option<usize> {
    usize::try_from(value).ok()
}
