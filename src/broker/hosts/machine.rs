//! What a host asks of a coordinator's machine, whichever it is.

use std::time::Duration;

use base::ProducerId;
use coordinator::{Caller, Now, Producer, Record, Refusal};
use partition::Partition;

use super::host::Host;
use super::set::Hosts;
use crate::broker::Broker;

/// A coordinator as a state machine over the records of one partition.
pub(crate) trait Machine: Sized + 'static {
    /// What it can be asked.
    type Ask: Send + 'static;
    /// What becomes of an ask.
    type Answer: Send + 'static;
    /// What it wants done elsewhere.
    type Errand;
    /// What all machines of a core look at, besides their logs.
    type Surroundings;
    /// A record that does not follow its format.
    type ReplayError: std::error::Error + 'static;

    /// What is in the log, for people.
    const NAME: &'static str;

    /// The hosts of this kind on the broker's core.
    fn hosts(broker: &Broker) -> &Hosts<Self>;

    /// A machine that knows nothing yet.
    fn begin(surroundings: &Self::Surroundings, partition: &Partition) -> Self;

    /// Takes in a record of the log, which may be in a producer's transaction.
    ///
    /// # Errors
    /// When the record does not follow its format.
    fn replay(
        &mut self,
        producer: Option<ProducerId>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), Self::ReplayError>;

    /// Takes in the end of a producer's transaction in the log.
    fn replay_end(&mut self, producer: ProducerId, is_commit: bool);

    /// The log has been replayed, and `surroundings` may have changed meanwhile.
    fn open(&mut self, now: Now, surroundings: &Self::Surroundings) -> Vec<Said<Self>>;

    /// Answers an ask, now or later.
    fn handle(
        &mut self,
        now: Now,
        caller: Caller,
        ask: Self::Ask,
        surroundings: &Self::Surroundings,
    ) -> Said<Self>;

    /// Does everything that is due.
    fn tick(&mut self, now: Now) -> Said<Self>;

    /// When something is due next, as a time since the start.
    fn deadline(&self) -> Option<Duration>;

    /// The answer that refuses an ask which the machine cannot be asked.
    fn refused(ask: &Self::Ask, refusal: Refusal) -> Self::Answer;

    /// Does an errand of this host's machine; all that it said before is durable.
    fn perform(host: &Host<Self>, errand: Self::Errand);
}

/// What one input to a machine led to.
pub(crate) struct Said<M: Machine> {
    /// To be appended in this order; already applied to the machine.
    pub(crate) records: Vec<Record>,
    /// In whose transaction all these records are.
    pub(crate) producer: Option<Producer>,
    /// To be released when all records so far are durable.
    pub(crate) answers: Vec<(Caller, M::Answer)>,
    /// To be done when all records so far are durable.
    pub(crate) errands: Vec<M::Errand>,
}

impl<M: Machine> Default for Said<M> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            producer: None,
            answers: Vec::new(),
            errands: Vec::new(),
        }
    }
}
