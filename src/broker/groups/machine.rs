//! Groups as a machine that a host runs.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use base::ProducerId;
use batch::{Codec, Compression};
use config::Settings;
use coordinator::{
    Answer, Ask, Caller, Groups, GroupsConfig, LogEnds, Now, Refusal, ReplayError, Step, Topics,
};
use partition::{AppendError, Partition};
use reactor::Reply;

use super::hosts::GroupHosts;
use crate::broker::Broker;
use crate::hosts::{Host, Machine, MarkerRequest, Options, Said, number};

/// What all machines of groups on a core look at.
pub(crate) struct GroupSurroundings {
    pub(crate) config: RefCell<GroupsConfig>,
    pub(crate) topics: RefCell<Arc<Topics>>,
    pub(crate) ends: RefCell<Arc<LogEnds>>,
}

/// The machine of groups asks for nothing to be done elsewhere.
pub(crate) enum NoErrand {}

impl From<Step> for Said<Groups> {
    fn from(step: Step) -> Self {
        Self {
            records: step.records,
            producer: step.producer,
            answers: step.answers,
            errands: Vec::new(),
        }
    }
}

impl Machine for Groups {
    type Ask = Ask;
    type Answer = Answer;
    type Errand = NoErrand;
    type Surroundings = GroupSurroundings;
    type ReplayError = ReplayError;

    const NAME: &'static str = "groups";

    fn hosts(broker: &Broker) -> &GroupHosts {
        &broker.shared.groups
    }

    fn begin(surroundings: &GroupSurroundings, _partition: &Partition) -> Self {
        Self::new(surroundings.config.borrow().clone())
    }

    fn replay(
        &mut self,
        producer: Option<ProducerId>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), ReplayError> {
        match producer {
            None => self.replay(key, value),
            Some(producer) => self.replay_transactional(producer, key, value),
        }
    }

    fn replay_end(&mut self, producer: ProducerId, is_commit: bool) {
        self.replay_end(producer, is_commit);
    }

    fn open(&mut self, now: Now, surroundings: &GroupSurroundings) -> Vec<Said<Self>> {
        // Settings and topics may have changed while the log was read.
        self.configure(surroundings.config.borrow().clone());
        self.ends_changed(Arc::clone(&surroundings.ends.borrow()));
        let topics = Arc::clone(&surroundings.topics.borrow());
        let learnt = self.topics_changed(now, topics);
        vec![learnt.into(), self.loaded(now).into()]
    }

    fn handle(
        &mut self,
        now: Now,
        caller: Caller,
        ask: Ask,
        _surroundings: &GroupSurroundings,
    ) -> Said<Self> {
        self.handle(now, caller, ask).into()
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

    fn perform(_host: &Host<Self>, errand: NoErrand) {
        match errand {}
    }
}

/// A host of groups.
pub(crate) type GroupHost = Host<Groups>;

impl GroupHost {
    /// Ends a producer's transaction in this partition; see [`Host::mark`].
    pub(crate) fn end_transaction(
        &self,
        marker: MarkerRequest,
    ) -> Result<Option<Reply<()>>, AppendError> {
        self.mark(marker, |machine, now| {
            machine.end_transaction(now, marker.producer_id, marker.is_commit);
        })
    }

    /// Tells the machine of the topics there are now.
    pub(crate) fn topics_changed(&self) {
        let topics = Arc::clone(&self.surroundings().topics.borrow());
        self.input(|machine, now| machine.topics_changed(now, topics).into());
    }

    /// Tells the machine how far logs reach now.
    pub(crate) fn ends_changed(&self) {
        let ends = Arc::clone(&self.surroundings().ends.borrow());
        self.input(|machine, _now| {
            machine.ends_changed(ends);
            Said::default()
        });
    }

    /// Tells the machine of the settings there are now.
    pub(crate) fn configure(&self) {
        let config = self.surroundings().config.borrow().clone();
        self.input(|machine, _now| {
            machine.configure(config);
            Said::default()
        });
    }
}

/// `offsets.topic.compression.codec` and `offsets.load.buffer.size`.
pub(crate) fn options(settings: &Settings) -> Options {
    let codec = i16::try_from(number(settings, "offsets.topic.compression.codec"));
    let codec = codec.ok().and_then(Codec::from_id).unwrap_or(Codec::None);
    let load_bytes = number(settings, "offsets.load.buffer.size");
    Options {
        compression: Compression { codec, level: None },
        load_bytes: usize::try_from(load_bytes).unwrap_or(1),
    }
}
