//! Listeners: where a node accepts connections and what it tells clients to connect to.
//!
//! Names are compared in upper case, as Kafka does.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::parse_with_optional_host;
use crate::error::ConfigError;
use crate::limits::LISTENERS_MAX;

/// How bytes travel over a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityProtocol {
    /// In the clear, clients unknown.
    Plaintext,
    /// Over TLS, clients known by their certificate or unknown.
    Ssl,
    /// In the clear, clients known by SASL.
    SaslPlaintext,
    /// Over TLS, clients known by SASL.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The number that metadata records and registrations carry.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [
            Self::Plaintext,
            Self::Ssl,
            Self::SaslPlaintext,
            Self::SaslSsl,
        ]
        .into_iter()
        .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// An address that the node accepts connections on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, in upper case.
    pub name: String,
    /// The host as configured, without brackets; empty means every address of the machine.
    pub host: String,
    /// The port; 0 lets the kernel choose.
    pub port: u16,
    /// How bytes travel over it.
    pub security_protocol: SecurityProtocol,
    /// Whether it serves the controller quorum rather than clients.
    pub is_controller: bool,
}

impl Listener {
    /// Whether it accepts on every address of the machine.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        is_wildcard(&self.host)
    }
}

/// The address that clients of one listener are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// The listener's name.
    pub name: String,
    /// The host; nothing means the address that the client dialled.
    pub host: Option<String>,
    /// The port; nothing means the port that the listener is bound to.
    pub port: Option<u16>,
}

/// A listener as it is written.
struct Written {
    name: String,
    host: String,
    port: u16,
}

fn is_wildcard(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0")
}

fn conflict(key: &'static str, explanation: String) -> ConfigError {
    ConfigError::Conflict { key, explanation }
}

/// Parses `NAME://host:port` elements.
fn parse_written(key: &'static str, elements: &[String]) -> Result<Vec<Written>, ConfigError> {
    if elements.len() > LISTENERS_MAX {
        return Err(conflict(
            key,
            format!("more than {LISTENERS_MAX} listeners are too many"),
        ));
    }
    let mut list: Vec<Written> = Vec::new();
    for element in elements {
        let parsed = element.split_once("://").and_then(|(name, address)| {
            let address = parse_with_optional_host(address).ok()?;
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let is_name = !name.is_empty() && name.bytes().all(allowed);
            is_name.then(|| Written {
                name: name.to_ascii_uppercase(),
                host: address.host,
                port: address.port,
            })
        });
        let shown = element.escape_debug();
        let written = parsed.ok_or_else(|| {
            conflict(
                key,
                format!("{shown} is no listener; write it as PLAINTEXT://host:9092"),
            )
        })?;
        if list.iter().any(|known| known.name == written.name) {
            let explanation = format!(
                "the name {} occurs twice; give each listener its own",
                written.name
            );
            return Err(conflict(key, explanation));
        }
        list.push(written);
    }
    Ok(list)
}

/// Parses `listener.security.protocol.map`.
pub(crate) fn parse_protocol_map(
    text: &str,
) -> Result<BTreeMap<String, SecurityProtocol>, ConfigError> {
    const KEY: &str = "listener.security.protocol.map";
    let mut map = BTreeMap::new();
    for pair in text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let parsed = pair.split_once(':').and_then(|(name, protocol)| {
            Some((name.trim(), SecurityProtocol::parse(protocol.trim())?))
        });
        let Some((name, protocol)) = parsed else {
            let shown = pair.escape_debug();
            return Err(conflict(
                KEY,
                format!(
                    "{shown} is no pair of a name and a protocol; write it as INTERNAL:PLAINTEXT, \
                     protocols are PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
                ),
            ));
        };
        if map.insert(name.to_ascii_uppercase(), protocol).is_some() {
            return Err(conflict(
                KEY,
                format!("the name {name} occurs twice; remove one"),
            ));
        }
    }
    Ok(map)
}

/// What `listeners` and its companions say.
pub(crate) struct ListenerTexts<'a> {
    pub(crate) listeners: &'a [String],
    pub(crate) advertised: Option<&'a [String]>,
    pub(crate) protocols: &'a BTreeMap<String, SecurityProtocol>,
    pub(crate) is_default_map: bool,
    pub(crate) controller_names: &'a BTreeSet<String>,
}

impl ListenerTexts<'_> {
    /// The listeners of this node, in the order written.
    pub(crate) fn resolve(&self) -> Result<Vec<Listener>, ConfigError> {
        let mut listeners: Vec<Listener> = Vec::new();
        for written in parse_written("listeners", self.listeners)? {
            let is_controller = self.controller_names.contains(&written.name);
            let Some(security_protocol) = self.protocol_of(&written.name, is_controller) else {
                let name = written.name;
                return Err(conflict(
                    "listener.security.protocol.map",
                    format!(
                        "the listener {name} has no protocol; add {name}:PLAINTEXT or another one"
                    ),
                ));
            };
            let same_port = |known: &&Listener| {
                let both_families = known.host.contains(':') != written.host.contains(':');
                known.port == written.port && known.port != 0 && !both_families
            };
            if let Some(other) = listeners.iter().find(same_port) {
                let names = format!("{} and {}", other.name, written.name);
                return Err(conflict(
                    "listeners",
                    format!("{names} both want port {}; give each its own", written.port),
                ));
            }
            listeners.push(Listener {
                name: written.name,
                host: written.host,
                port: written.port,
                security_protocol,
                is_controller,
            });
        }
        Ok(listeners)
    }

    /// Controller listeners travel in the clear unless the map says otherwise, as in Kafka.
    fn protocol_of(&self, name: &str, is_controller: bool) -> Option<SecurityProtocol> {
        let implied = (is_controller && self.is_default_map).then_some(SecurityProtocol::Plaintext);
        self.protocols.get(name).copied().or(implied)
    }

    /// What clients are told, for every listener that serves clients.
    pub(crate) fn resolve_advertised(
        &self,
        listeners: &[Listener],
    ) -> Result<Vec<Advertised>, ConfigError> {
        const KEY: &str = "advertised.listeners";
        let for_clients = || listeners.iter().filter(|listener| !listener.is_controller);
        let Some(elements) = self.advertised.filter(|elements| !elements.is_empty()) else {
            let by_listener = for_clients().map(|listener| Advertised {
                name: listener.name.clone(),
                host: (!listener.is_wildcard()).then(|| listener.host.clone()),
                port: (listener.port != 0).then_some(listener.port),
            });
            return Ok(by_listener.collect());
        };
        let mut advertised = Vec::new();
        for written in parse_written(KEY, elements)? {
            let name = written.name;
            if !listeners.iter().any(|listener| listener.name == name) {
                let known: Vec<&str> = for_clients().map(|known| known.name.as_str()).collect();
                let known = known.join(", ");
                return Err(conflict(
                    KEY,
                    format!("there is no listener {name}; there are: {known}"),
                ));
            }
            // Kafka tells an unspecified host to nobody either; clients could not connect to it.
            if is_wildcard(&written.host) {
                return Err(conflict(
                    KEY,
                    format!(
                        "{name} needs a host that clients can reach; name one, \
                         or remove the key to advertise what they dialled"
                    ),
                ));
            }
            if self.controller_names.contains(&name) {
                continue;
            }
            advertised.push(Advertised {
                name,
                host: Some(written.host),
                port: (written.port != 0).then_some(written.port),
            });
        }
        Ok(advertised)
    }
}
