//! The room's tests; `samples/` is generated, everything else is written.

mod sample;
mod samples;

mod captures;
mod golden;
mod malformed;
mod oracle;
mod persisted;
mod round_trip;
mod splicing;
