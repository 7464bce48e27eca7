//! The settings that groups obey, read from the node's configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::Settings;

/// Settings of all groups.
#[derive(Clone, Debug)]
pub struct GroupsConfig {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_ms_max: i32,
    /// `group.max.size`.
    pub members_max: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_bytes_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `group.consumer.max.size`.
    pub consumer_members_max: usize,
    /// `group.consumer.assignors`; the first is the default.
    pub consumer_assignors: Vec<String>,
    /// `group.consumer.migration.policy`: `bidirectional`, `upgrade`, `downgrade` or `disabled`.
    pub consumer_migration_policy: String,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub consumer_regex_refresh_interval: Duration,
    /// What a consumer group without settings of its own gets.
    pub consumer: GroupSettings,
    /// Groups with settings of their own (resource type GROUP).
    pub overrides: Arc<BTreeMap<String, GroupSettings>>,
}

/// Settings that one consumer group may have for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// `consumer.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `consumer.assignment.interval.ms`.
    pub assignment_interval: Duration,
}

impl GroupsConfig {
    /// The settings of a node, and of its groups: by group the keys that were set for it.
    #[must_use]
    pub fn new(settings: &Settings, groups: &BTreeMap<String, BTreeMap<String, String>>) -> Self {
        let consumer = GroupSettings {
            session_timeout: milliseconds(settings, "group.consumer.session.timeout.ms"),
            heartbeat_interval_ms: whole_i32(settings, "group.consumer.heartbeat.interval.ms"),
            assignment_interval: milliseconds(settings, "group.consumer.assignment.interval.ms"),
        };
        let overrides = groups
            .iter()
            .map(|(group, keys)| (group.clone(), consumer.overridden(settings, keys)))
            .collect();
        Self {
            session_timeout_ms_min: whole_i32(settings, "group.min.session.timeout.ms"),
            session_timeout_ms_max: whole_i32(settings, "group.max.session.timeout.ms"),
            members_max: count(settings, "group.max.size"),
            initial_rebalance_delay: milliseconds(settings, "group.initial.rebalance.delay.ms"),
            offset_metadata_bytes_max: count(settings, "offset.metadata.max.bytes"),
            offsets_retention_ms: whole(settings, "offsets.retention.minutes")
                .saturating_mul(60_000),
            retention_check_interval: milliseconds(settings, "offsets.retention.check.interval.ms"),
            consumer_members_max: count(settings, "group.consumer.max.size"),
            consumer_assignors: list(settings, "group.consumer.assignors"),
            consumer_migration_policy: text(settings, "group.consumer.migration.policy")
                .to_lowercase(),
            consumer_regex_refresh_interval: milliseconds(
                settings,
                "group.consumer.regex.refresh.interval.ms",
            ),
            consumer,
            overrides: Arc::new(overrides),
        }
    }

    /// The settings of one consumer group.
    #[must_use]
    pub fn consumer_settings(&self, group: &str) -> GroupSettings {
        self.overrides.get(group).copied().unwrap_or(self.consumer)
    }
}

impl GroupSettings {
    fn overridden(mut self, settings: &Settings, keys: &BTreeMap<String, String>) -> Self {
        // Values passed their keys' rules when they were set; what does not parse is not ours. The
        // node's bounds may have come closer since.
        let number = |key: &str| {
            let value = keys.get(key)?.trim().parse::<i64>().ok()?;
            i32::try_from(config::within_bounds(settings, key, value)).ok()
        };
        let duration = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
        if let Some(value) = number("consumer.session.timeout.ms") {
            self.session_timeout = duration(value);
        }
        if let Some(value) = number("consumer.heartbeat.interval.ms") {
            self.heartbeat_interval_ms = value;
        }
        if let Some(value) = number("consumer.assignment.interval.ms") {
            self.assignment_interval = duration(value);
        }
        self
    }
}

fn text(settings: &Settings, key: &'static str) -> String {
    let effective = settings.effective(key);
    let value = effective.and_then(|effective| effective.value);
    assert!(value.is_some(), "{key} has a default");
    value.unwrap_or_default()
}

fn list(settings: &Settings, key: &'static str) -> Vec<String> {
    let text = text(settings, key);
    let elements = text.split(',').map(str::trim);
    elements
        .filter(|element| !element.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(crate) fn whole(settings: &Settings, key: &'static str) -> i64 {
    let parsed = text(settings, key).parse();
    assert!(parsed.is_ok(), "{key} is a whole number");
    parsed.unwrap_or(0)
}

pub(crate) fn whole_i32(settings: &Settings, key: &'static str) -> i32 {
    i32::try_from(whole(settings, key)).unwrap_or(i32::MAX)
}

fn count(settings: &Settings, key: &'static str) -> usize {
    usize::try_from(whole(settings, key)).unwrap_or(0)
}

pub(crate) fn milliseconds(settings: &Settings, key: &'static str) -> Duration {
    Duration::from_millis(u64::try_from(whole(settings, key)).unwrap_or(0))
}
