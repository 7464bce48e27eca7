//! Subscriptions to metrics that clients push.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Key, Kind};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("interval.ms", Kind::Int, Some("300000"))
        .doc("How often, in milliseconds, a matching client pushes its metrics."),
    Key::new("match", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .doc(
            "Which clients the subscription is for, as selector=pattern pairs; empty means \
             all.",
        ),
    Key::new("metrics", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .doc("The prefixes of the metrics to push; empty means none, `*` all."),
];
