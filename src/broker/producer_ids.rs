//! Producer ids, taken from the controller in blocks (KIP-730).

use std::cell::RefCell;

use base::ProducerId;
use metadata::Refusal;
use metadata::decide::{self, ProducerIdBlock};

use crate::broker::Broker;
use crate::controller::ControllerError;

/// What is left of this core's block.
#[derive(Default)]
pub(crate) struct ProducerIds {
    block: RefCell<Option<ProducerIdBlock>>,
}

impl ProducerIds {
    fn take(&self) -> Option<ProducerId> {
        let mut slot = self.block.borrow_mut();
        let block = slot.as_mut()?;
        if block.count == 0 {
            return None;
        }
        let id = block.first;
        block.first += 1;
        block.count -= 1;
        Some(ProducerId(id))
    }
}

impl Broker {
    /// An id that no producer of this cluster had before.
    ///
    /// # Errors
    /// When the controller cannot give another block.
    pub async fn next_producer_id(&self) -> Result<ProducerId, ControllerError> {
        loop {
            if let Some(id) = self.shared.producer_ids.take() {
                return Ok(id);
            }
            let block = self.producer_id_block().await?;
            // Another task may have fetched a block meanwhile; ids are plentiful.
            *self.shared.producer_ids.block.borrow_mut() = Some(block);
        }
    }

    /// A block of such ids.
    ///
    /// # Errors
    /// When the controller cannot give one.
    pub(crate) async fn producer_id_block(&self) -> Result<ProducerIdBlock, ControllerError> {
        let node = self.node_id();
        let block = self
            .decide(move |image, _random| {
                let epoch = image.broker(node).map_or(-1, |broker| broker.epoch);
                match decide::allocate_producer_ids(image, node, epoch) {
                    Ok((block, change)) => (vec![change], Ok(block)),
                    Err(refusal) => (Vec::new(), Err::<ProducerIdBlock, Refusal>(refusal)),
                }
            })
            .await?;
        block.map_err(ControllerError::Refused)
    }
}
