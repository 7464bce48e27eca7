//! A mailbox for each core, made before the cores start.

use std::sync::{Arc, Mutex, PoisonError};

use base::CoreId;

use crate::mailbox::{Receiver, Sender, mailbox};

/// One mailbox per core: every core may send to all, each takes its own receiving end once.
pub struct Mesh<T> {
    senders: Vec<Sender<T>>,
    receivers: Arc<Mutex<Vec<Option<Receiver<T>>>>>,
}

impl<T> Clone for Mesh<T> {
    fn clone(&self) -> Self {
        Self {
            senders: self.senders.clone(),
            receivers: Arc::clone(&self.receivers),
        }
    }
}

impl<T: Send> Mesh<T> {
    /// Mailboxes for cores `0..cores`.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..cores).map(|_| mailbox()).unzip();
        let receivers = receivers.into_iter().map(Some).collect();
        Self {
            senders,
            receivers: Arc::new(Mutex::new(receivers)),
        }
    }

    /// A mesh of one core, around a mailbox that exists.
    #[must_use]
    pub fn from_receiver(receiver: Receiver<T>) -> Self {
        Self {
            senders: Vec::new(),
            receivers: Arc::new(Mutex::new(vec![Some(receiver)])),
        }
    }

    /// The way to each core, in order.
    #[must_use]
    pub fn senders(&self) -> Vec<Sender<T>> {
        self.senders.clone()
    }

    /// The receiving end of `core`'s mailbox.
    ///
    /// # Panics
    /// When it was taken before or there is no such core.
    #[must_use]
    pub fn take(&self, core: CoreId) -> Receiver<T> {
        let mut receivers = self
            .receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let receiver = receivers
            .get_mut(usize::from(core.0))
            .and_then(Option::take);
        #[expect(clippy::expect_used, reason = "each core starts once")]
        receiver.expect("a core takes its own mailbox once")
    }
}
