//! AllocateProducerIds: brokers get blocks, so that handing out an id needs no quorum (KIP-730).
//!
//! Invariant: no id is given out twice in the life of a cluster.

use crate::change::Change;
use crate::image::Image;
use crate::refusal::Refusal;
use base::{ErrorCode, NodeId};

/// How many ids one block holds.
pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1000;

/// A block of producer ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first id.
    pub first: i64,
    /// How many.
    pub count: i32,
}

/// Decides the next block for a broker.
///
/// # Errors
/// When the broker's registration is not the current one, or no id is left.
pub fn allocate_producer_ids(
    image: &Image,
    broker: NodeId,
    broker_epoch: i64,
) -> Result<(ProducerIdBlock, Change), Refusal> {
    let current = image.broker(broker).map(|registered| registered.epoch);
    if current != Some(broker_epoch) {
        let text = format!(
            "Broker {broker} asked in epoch {broker_epoch}, but is registered in {}.",
            current.map_or_else(|| "none".to_owned(), |epoch| epoch.to_string())
        );
        return Err(Refusal::new(ErrorCode::StaleBrokerEpoch, text));
    }
    let first = image.next_producer_id();
    let Some(next) = first.checked_add(i64::from(PRODUCER_ID_BLOCK_SIZE)) else {
        let text = "Exhausted all producer IDs.";
        return Err(Refusal::new(ErrorCode::UnknownServerError, text));
    };
    let block = ProducerIdBlock {
        first,
        count: PRODUCER_ID_BLOCK_SIZE,
    };
    let change = Change::ProducerIds {
        broker,
        broker_epoch,
        next,
    };
    Ok((block, change))
}
