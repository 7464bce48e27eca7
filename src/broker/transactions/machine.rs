//! Transactions as a machine that a host runs.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use base::ProducerId;
use batch::Compression;
use config::Settings;
#[cfg(feature = "planted")]
use coordinator::transaction::PlantedBug;
use coordinator::transaction::{
    Answer, Ask, Markers, Planted, Step, TransactionReplayError, Transactions, TransactionsConfig,
};
use coordinator::{Caller, Now, Refusal};
use partition::Partition;
use reactor::Signal;

use super::hosts::TransactionHosts;
use crate::broker::Broker;
use crate::hosts::{Host, Machine, Options, Said, number};

/// A host of transactions.
pub(crate) type TransactionHost = Host<Transactions>;

/// What all machines of transactions on a core look at.
pub(crate) struct TransactionSurroundings {
    pub(crate) config: RefCell<TransactionsConfig>,
    /// Markers that wait for being sent, and whose they are.
    pub(crate) markers: RefCell<VecDeque<(TransactionHost, Markers)>>,
    /// Notified when there are markers, or a host is short of ids.
    pub(crate) wanted: Signal,
    /// True when some host is short of producer ids.
    pub(crate) ids_wanted: Cell<bool>,
}

impl TransactionSurroundings {
    pub(crate) fn new(config: TransactionsConfig) -> Self {
        Self {
            config: RefCell::new(config),
            markers: RefCell::default(),
            wanted: Signal::new(),
            ids_wanted: Cell::new(true),
        }
    }
}

impl From<Step> for Said<Transactions> {
    fn from(step: Step) -> Self {
        Self {
            records: step.records,
            producer: None,
            answers: step.answers,
            errands: step.markers,
        }
    }
}

impl Machine for Transactions {
    type Ask = Ask;
    type Answer = Answer;
    type Errand = Markers;
    type Surroundings = TransactionSurroundings;
    type ReplayError = TransactionReplayError;

    const NAME: &'static str = "transactions";

    fn hosts(broker: &Broker) -> &TransactionHosts {
        &broker.shared.transactions
    }

    fn begin(surroundings: &TransactionSurroundings, partition: &Partition) -> Self {
        let config = surroundings.config.borrow().clone();
        // The leader's epoch tells reigns over the partition apart, as in Kafka.
        let epoch = partition.leader_epoch().get();
        Self::with_bug(config, epoch, planted(partition))
    }

    fn replay(
        &mut self,
        _producer: Option<ProducerId>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), TransactionReplayError> {
        self.replay(key, value)
    }

    /// Nobody writes here in a transaction.
    fn replay_end(&mut self, _producer: ProducerId, _is_commit: bool) {}

    fn open(&mut self, now: Now, surroundings: &TransactionSurroundings) -> Vec<Said<Self>> {
        // Settings may have changed while the log was read.
        self.configure(surroundings.config.borrow().clone());
        surroundings.ids_wanted.set(true);
        surroundings.wanted.notify();
        vec![self.loaded(now).into()]
    }

    fn handle(
        &mut self,
        now: Now,
        caller: Caller,
        ask: Ask,
        surroundings: &TransactionSurroundings,
    ) -> Said<Self> {
        let step = self.handle(now, caller, ask);
        if self.is_short_of_ids() {
            surroundings.ids_wanted.set(true);
            surroundings.wanted.notify();
        }
        step.into()
    }

    fn tick(&mut self, now: Now) -> Said<Self> {
        self.tick(now).into()
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline()
    }

    fn refused(ask: &Ask, refusal: Refusal) -> Answer {
        ask.refused(refusal)
    }

    fn perform(host: &Host<Self>, markers: Markers) {
        let surroundings = host.surroundings();
        let entry = (host.clone(), markers);
        surroundings.markers.borrow_mut().push_back(entry);
        surroundings.wanted.notify();
    }
}

/// The machine's part of the bug, planted on purpose, that the log's engine was started with.
fn planted(partition: &Partition) -> Planted {
    let planted = partition.log().engine().planted();
    #[cfg(feature = "planted")]
    let bug = Planted(match planted.0 {
        Some(storage::PlantedBug::LateEndAccepted) => Some(PlantedBug::LateEndAccepted),
        _ => None,
    });
    #[cfg(not(feature = "planted"))]
    let bug = {
        let _ = planted;
        Planted::default()
    };
    bug
}

impl TransactionHost {
    /// Tells the machine of the settings there are now.
    pub(crate) fn configure(&self) {
        let config = self.surroundings().config.borrow().clone();
        self.input(|machine, _now| {
            machine.configure(config);
            Said::default()
        });
    }
}

/// `transaction.state.log.load.buffer.size`; the topic is never compressed.
pub(crate) fn options(settings: &Settings) -> Options {
    let load_bytes = number(settings, "transaction.state.log.load.buffer.size");
    Options {
        compression: Compression::default(),
        load_bytes: usize::try_from(load_bytes).unwrap_or(1),
    }
}
