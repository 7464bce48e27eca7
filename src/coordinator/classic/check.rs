//! Whether a classic group lets its offsets be changed, expire, or go with it.

use std::collections::BTreeSet;

use base::ErrorCode;
use wire::record::consumer_protocol_subscription::ConsumerProtocolSubscription;
use wire::{Decode, Reader};

use super::{ClassicGroup, State};
use crate::Refusal;
use crate::commits::Committing;

/// The protocol type whose metadata the coordinator can read.
const CONSUMER: &str = "consumer";

impl ClassicGroup {
    /// Whether these offsets may be committed. Members commit under their generation; others only
    /// while nobody is there, as administrators and consumers without membership do.
    ///
    /// Producers before KIP-447 say nothing of members, and a transaction may be committed while the
    /// group rebalances: who reads its partitions next waits for its end.
    pub(crate) fn check_commit(&self, ask: &Committing<'_>) -> Result<(), ErrorCode> {
        let is_simple = ask.generation_or_epoch < 0;
        if is_simple && self.state == State::Empty {
            return Ok(());
        }
        if !is_simple || !ask.member.is_empty() || ask.instance.is_some() {
            self.validate(ask.member, ask.instance)?;
            if ask.generation_or_epoch != self.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !ask.is_transactional {
            return Err(ErrorCode::UnknownMemberId);
        }
        if self.state == State::CompletingRebalance && !ask.is_transactional {
            // It has the generation but not yet the right to its partitions.
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether offsets may be deleted one by one; subscribed topics are looked at beside this.
    pub(crate) fn check_offset_delete(&self) -> Result<(), Refusal> {
        if self.state == State::Empty || self.is_consumers() {
            return Ok(());
        }
        Err(ErrorCode::NonEmptyGroup.into())
    }

    pub(crate) fn check_delete(&self) -> Result<(), Refusal> {
        if self.state == State::Empty {
            return Ok(());
        }
        Err(ErrorCode::NonEmptyGroup.into())
    }

    fn is_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// The topics that the members subscribe to; nothing when that cannot be known.
    pub(crate) fn subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if self.members().len() == 0 {
            return self.is_consumers().then(BTreeSet::new);
        }
        let protocol = self.protocol.as_deref().filter(|_| self.is_consumers())?;
        let mut topics = BTreeSet::new();
        for member in self.members() {
            let metadata = member.metadata(protocol)?;
            let subscription = decode_subscription(metadata)?;
            let names = subscription.topics.into_iter();
            topics.extend(names.map(|name| name.into_owned()));
        }
        Some(topics)
    }
}

/// A member's metadata under protocol type `consumer`; nothing when it is in no known format.
/// Later versions only append fields, so they are read as the latest one that is known, and what
/// stands behind it is passed over.
pub(crate) fn decode_subscription(bytes: &[u8]) -> Option<ConsumerProtocolSubscription<'_>> {
    let known = ConsumerProtocolSubscription::SCHEMA.versions;
    let (version, fields) = bytes.split_first_chunk::<2>()?;
    let version = i16::from_be_bytes(*version).min(known.max);
    let decoded = ConsumerProtocolSubscription::decode(&mut Reader::new(fields), version);
    // Some clients say a later version and write the first one's fields.
    decoded
        .or_else(|_| ConsumerProtocolSubscription::decode(&mut Reader::new(fields), known.min))
        .ok()
}
