//! Quotas of users, client ids and client addresses.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Key, Kind};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "producer_byte_rate",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .doc("How many bytes per second the client may produce."),
    Key::new(
        "consumer_byte_rate",
        Kind::Long,
        Some("9223372036854775807"),
    )
    .doc("How many bytes per second the client may fetch."),
    Key::new("request_percentage", Kind::Double, Some("2.147483647E9"))
        .doc("How much of one core's time, in percent, the client's requests may take."),
    Key::new(
        "controller_mutation_rate",
        Kind::Double,
        Some("2.147483647E9"),
    )
    .doc("How many partitions per second the client may create or delete."),
    Key::new("connection_creation_rate", Kind::Int, Some("2147483647"))
        .rule(Rule::AtLeast(0))
        .doc("How many connections per second the address may open."),
];
