//! Metrics of this node and those that clients push to it.
//!
//! Data only: what each row means is told in `key.rs`. Names, types, defaults and rules are
//! Kafka's, except where a row says `unlike_kafka`.

use crate::key::{Importance, Key, Kind, Reason, Scope};
use crate::rule::Rule;

/// The rows of this theme.
pub(crate) const KEYS: &[Key] = &[
    Key::new("telemetry.max.bytes", Kind::Int, Some("1048576"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .doc("How many bytes of metrics one client may push at once (KIP-714)."),
    Key::new(
        "metric.reporters",
        Kind::List,
        Some("org.apache.kafka.common.metrics.JmxReporter"),
    )
    .rule(Rule::Distinct)
    .importance(Importance::Low)
    .dynamic(Scope::Cluster)
    .because(Reason::NoJvm)
    .doc("Java classes that report metrics."),
    Key::new("metrics.num.samples", Kind::Int, Some("2"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("Over how many samples the JVM's metrics are averaged."),
    Key::new("metrics.recording.level", Kind::Text, Some("INFO"))
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("The level of detail of the JVM's metrics."),
    Key::new("metrics.sample.window.ms", Kind::Long, Some("30000"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("How many milliseconds one sample of the JVM's metrics spans."),
    Key::new("kafka.metrics.polling.interval.secs", Kind::Int, Some("10"))
        .rule(Rule::AtLeast(1))
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("How often, in seconds, the older JVM reporters are polled."),
    Key::new("kafka.metrics.reporters", Kind::List, Some(""))
        .rule(Rule::Distinct)
        .importance(Importance::Low)
        .because(Reason::NoJvm)
        .doc("Java classes of the older reporter interface."),
];
