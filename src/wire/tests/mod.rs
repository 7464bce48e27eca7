//! The room's tests; `samples/` is generated, everything else is written.

mod sample;
mod samples;

mod golden;
mod oracle;
mod round_trip;
mod splicing;
