//! The settings that transactions obey, read from the node's configuration.

use std::time::Duration;

use config::Settings;

use crate::settings::{milliseconds, whole, whole_i32};

/// Settings of all transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionsConfig {
    /// `transaction.max.timeout.ms`.
    pub timeout_ms_max: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub timeout_check_interval: Duration,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`.
    pub expiration_check_interval: Duration,
    /// The cluster's level of the feature `transaction.version`.
    pub transaction_version: i16,
}

impl TransactionsConfig {
    /// The settings of a node in a cluster with this level of `transaction.version`.
    #[must_use]
    pub fn new(settings: &Settings, transaction_version: i16) -> Self {
        let abort = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
        let remove = "transaction.remove.expired.transaction.cleanup.interval.ms";
        Self {
            timeout_ms_max: whole_i32(settings, "transaction.max.timeout.ms"),
            id_expiration_ms: whole(settings, "transactional.id.expiration.ms"),
            timeout_check_interval: milliseconds(settings, abort),
            expiration_check_interval: milliseconds(settings, remove),
            transaction_version,
        }
    }
}
