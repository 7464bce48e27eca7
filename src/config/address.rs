//! Addresses as configuration writes them: host:port, id@host:port, NAME://host:port.
//!
//! Hosts are kept as text; resolving them is not this room's business.

use base::NodeId;

/// A host and a port. IPv6 hosts are kept without their brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The name or number of the host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A member of the metadata quorum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voter {
    /// Its node id.
    pub id: NodeId,
    /// Where its controller listens.
    pub address: Address,
}

/// The text is no address of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAddress;

impl std::str::FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let address = parse_with_optional_host(text)?;
        if address.host.is_empty() {
            Err(NotAnAddress)
        } else {
            Ok(address)
        }
    }
}

impl std::str::FromStr for Voter {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (id, address) = text.split_once('@').ok_or(NotAnAddress)?;
        let id = id
            .parse::<i32>()
            .ok()
            .filter(|id| *id >= 0)
            .ok_or(NotAnAddress)?;
        Ok(Self {
            id: NodeId(id),
            address: address.parse()?,
        })
    }
}

/// Parses `host:port`, `[ipv6]:port` or `:port`.
///
/// # Errors
/// When the port is missing or no number, or the host holds what no host can.
pub(crate) fn parse_with_optional_host(text: &str) -> Result<Address, NotAnAddress> {
    let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
    let bracketed = host.strip_prefix('[').map(|rest| rest.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) => inner
            .filter(|inner| inner.contains(':'))
            .ok_or(NotAnAddress)?,
        None => host,
    };
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%');
    let all_digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits || !host.bytes().all(allowed) {
        return Err(NotAnAddress);
    }
    let port = port.parse().map_err(|_| NotAnAddress)?;
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Display for Voter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.id, self.address)
    }
}
