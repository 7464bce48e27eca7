//! What is on the way: requests and answers, in order per connection, and alarm clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use base::ProducerId;

use crate::{Answer, Ask};

/// Something that happens at its time. Clients are named by number and life.
#[derive(Debug)]
pub(super) enum Event {
    /// A client does what it does from time to time.
    Wake(usize, u64),
    /// A request arrives.
    Request(usize, u64, Ask),
    /// An answer arrives.
    Answer(usize, u64, Answer),
    /// The end of a transaction, commit or abort, is written.
    End(ProducerId, bool),
    /// The log is durable up to this length.
    Flushed(usize),
}

/// Everything that has yet to happen.
#[derive(Debug, Default)]
pub(super) struct Network {
    events: BTreeMap<(Duration, u64), Event>,
    count: u64,
    /// When the last message on each connection arrives.
    last: BTreeMap<(usize, u64, &'static str), Duration>,
}

impl Network {
    pub(super) fn next(&mut self) -> Option<(Duration, Event)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, event))
    }

    pub(super) fn after(&mut self, delay_ms: u64, event: Event) {
        self.after_from(Duration::ZERO, delay_ms, event);
    }

    pub(super) fn after_from(&mut self, now: Duration, delay_ms: u64, event: Event) {
        self.count += 1;
        let at = now + Duration::from_millis(delay_ms);
        self.events.insert((at, self.count), event);
    }

    /// Sends a request on one of the client's connections: what is sent on one stays in order.
    pub(super) fn send(
        &mut self,
        now: Duration,
        delay_ms: u64,
        from: (usize, u64, &'static str),
        ask: Ask,
    ) {
        let at = self.in_order(now, delay_ms, from);
        let event = Event::Request(from.0, from.1, ask);
        self.after_from(at, 0, event);
    }

    pub(super) fn send_answer(
        &mut self,
        now: Duration,
        delay_ms: u64,
        to: (usize, u64),
        answer: Answer,
    ) {
        let at = self.in_order(now, delay_ms, (to.0, to.1, "answers"));
        self.after_from(at, 0, Event::Answer(to.0, to.1, answer));
    }

    fn in_order(
        &mut self,
        now: Duration,
        delay_ms: u64,
        connection: (usize, u64, &'static str),
    ) -> Duration {
        let last = self.last.entry(connection).or_default();
        *last = (*last).max(now + Duration::from_millis(delay_ms));
        *last
    }

    /// The coordinator is gone: what was on the way to it gets lost, but for some that finds the
    /// next one.
    pub(super) fn lose_requests(&mut self) {
        self.events.retain(|(_, count), event| match event {
            Event::Request(..) => count % 3 == 0,
            Event::Flushed(_) => false,
            // The coordinator of transactions tries until it works out.
            Event::Wake(..) | Event::Answer(..) | Event::End(..) => true,
        });
    }
}
