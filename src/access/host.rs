//! Where a list applies: everywhere, or at one address.
//!
//! Kafka compares the text of the address as Java writes it. Here the address itself is compared,
//! so that `::1` and `0:0:0:0:0:0:0:1` are the same place.

use std::net::IpAddr;

use crate::resource::WILDCARD;

/// A list's host, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// Every address.
    Every,
    /// This one.
    Address(IpAddr),
    /// A text that no address is written as; names are not looked up, as in Kafka.
    Nowhere,
}

impl Host {
    pub(crate) fn parse(text: &str) -> Self {
        if text == WILDCARD {
            return Self::Every;
        }
        text.parse::<IpAddr>().map_or(Self::Nowhere, |address| {
            Self::Address(address.to_canonical())
        })
    }

    pub(crate) fn is_at(self, address: IpAddr) -> bool {
        match self {
            Self::Every => true,
            Self::Address(own) => own == address,
            Self::Nowhere => false,
        }
    }
}
