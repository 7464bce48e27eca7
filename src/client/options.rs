//! How a client behaves, and its limits.

use std::time::Duration;

/// Behaviour and limits of one client; the defaults suit a command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// What brokers call this client in their logs and quotas.
    pub client_id: String,
    /// How long connecting and agreeing on versions may take.
    pub connect_timeout: Duration,
    /// How long any request may take, beside what it asks the broker to wait.
    pub request_timeout: Duration,
    /// How many requests may wait for answers on one connection.
    pub in_flight_max: usize,
    /// How many bytes may wait to be written on one connection.
    pub queued_bytes_max: usize,
    /// The longest answer that is taken.
    pub frame_bytes_max: usize,
    /// For how long a request is tried again while its failures may pass.
    pub retry_time_max: Duration,
    /// The pause between two attempts.
    pub retry_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "forebay".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            in_flight_max: 64,
            queued_bytes_max: 16 << 20,
            frame_bytes_max: 64 << 20,
            retry_time_max: Duration::from_secs(30),
            retry_pause: Duration::from_millis(100),
        }
    }
}
