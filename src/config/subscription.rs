//! A subscription to metrics of clients, with its values read and checked (KIP-714).

use std::collections::BTreeMap;

use crate::client_match::{ClientMatch, ClientTraits};

/// How often metrics are pushed where nobody says otherwise.
pub const PUSH_INTERVAL_MS_DEFAULT: i32 = 300_000;
/// The bounds of the interval, Kafka's.
const PUSH_INTERVAL_MS_MIN: i32 = 100;
const PUSH_INTERVAL_MS_MAX: i32 = 3_600_000;

/// What clients are asked to push, how often, and which clients.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Prefixes of names of metrics; `*` means all.
    pub metrics: Vec<String>,
    /// How often.
    pub interval_ms: i32,
    clients: ClientMatch,
}

impl Subscription {
    /// Reads the settings of a subscription, each of which passed its own rule.
    ///
    /// # Errors
    /// The text for the person who set it, with whether it is about the interval.
    pub fn new(configs: &BTreeMap<String, String>) -> Result<Self, (String, bool)> {
        let interval_ms = match configs.get("interval.ms") {
            None => PUSH_INTERVAL_MS_DEFAULT,
            Some(text) => {
                let number: i32 = text.parse().unwrap_or(0);
                let bounds = PUSH_INTERVAL_MS_MIN..=PUSH_INTERVAL_MS_MAX;
                if !bounds.contains(&number) {
                    let refusal = format!(
                        "Invalid value {text} for interval.ms, interval must be between \
                         {PUSH_INTERVAL_MS_MIN} and {PUSH_INTERVAL_MS_MAX} (1 hour)"
                    );
                    return Err((refusal, true));
                }
                number
            }
        };
        let pattern = configs.get("match").map_or("", String::as_str);
        let clients = ClientMatch::parse(pattern)
            .map_err(|wrong| (format!("Illegal client matching pattern: {wrong}"), false))?;
        let metrics = configs.get("metrics").map_or("", String::as_str);
        let metrics = metrics.split(',').map(str::trim);
        Ok(Self {
            metrics: metrics
                .filter(|prefix| !prefix.is_empty())
                .map(str::to_owned)
                .collect(),
            interval_ms,
            clients,
        })
    }

    /// Whether it is for this client.
    #[must_use]
    pub fn is_for(&self, client: &ClientTraits) -> bool {
        self.clients.matches(client)
    }
}
