//! One connection's consuming: counts records, and measures the way from end to end for those that
//! this run produced.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, TopicPartition};
use batch::{Batches, Scratch, records};
use client::{Client, ClientError, Consumer, FetchOptions, Fetched};
use reactor::{Core, First, first};

use crate::payload::moment;
use crate::tally::{Tally, Window};

/// The most that one batch may grow to when it is decompressed.
const PLAIN_BYTES_MAX: usize = 256 << 20;
/// How often the end of the window is looked for while nothing arrives.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Receives until the window ends.
pub(crate) struct Receiver {
    core: Core,
    consumer: Consumer,
    scratch: Scratch,
    /// Where each partition ended when the run began, when the run ends there.
    ends: Option<BTreeMap<TopicPartition, Offset>>,
    /// The mark of this run's values, when latencies are wanted.
    mark: Option<u64>,
    window: Window,
    tally: Rc<RefCell<Tally>>,
}

impl Receiver {
    pub(crate) async fn new(
        client: &Client,
        fetching: FetchOptions,
        (positions, ends): (
            &BTreeMap<TopicPartition, Offset>,
            Option<BTreeMap<TopicPartition, Offset>>,
        ),
        (mark, window): (Option<u64>, Window),
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            core: client.core().clone(),
            consumer: Consumer::start(client, positions, fetching).await?,
            scratch: Scratch::new(),
            ends,
            mark,
            window,
            tally,
        })
    }

    pub(crate) async fn run(mut self) {
        let begin = self.core.now();
        while self.core.now() < self.window.end && self.ends.as_ref().is_none_or(|e| !e.is_empty())
        {
            match first(self.consumer.next(), self.core.sleep(LOOK_INTERVAL)).await {
                First::Left(Ok(fetched)) => {
                    if let Err(error) = self.take(&fetched) {
                        self.tally.borrow_mut().fail(&error.to_string(), 0);
                    }
                    self.reach(&fetched);
                }
                First::Left(Err(error)) => {
                    let reason = format!("{}: {}", error.what(), error.why());
                    self.tally.borrow_mut().fail(&reason, 0);
                }
                First::Right(()) => {}
            }
        }
        let mut tally = self.tally.borrow_mut();
        let counted_from = begin.max(self.window.begin);
        let elapsed = self
            .core
            .now()
            .min(self.window.end)
            .saturating_sub(counted_from);
        tally.consumed.elapsed = tally.consumed.elapsed.max(elapsed);
    }

    /// Stops reading a partition at the end that it had.
    fn reach(&mut self, fetched: &Fetched) {
        let Some(ends) = &mut self.ends else { return };
        let place = TopicPartition {
            topic: fetched.topic.clone(),
            partition: fetched.partition,
        };
        if ends
            .get(&place)
            .is_some_and(|end| fetched.next_offset() >= *end)
        {
            ends.remove(&place);
            self.consumer.remove(&place);
        }
    }

    fn take(&mut self, fetched: &Fetched) -> Result<(), batch::BatchError> {
        let now = self.core.now();
        let mut tally = self.tally.borrow_mut();
        for batch in Batches::new(&fetched.records) {
            let batch = batch?;
            if self.window.contains(now) {
                let count = u64::try_from(batch.record_count()).unwrap_or(0);
                tally.consumed.count(count, batch.len() as u64);
            }
            let Some(mark) = self.mark else { continue };
            for record in records(&batch, &mut self.scratch, PLAIN_BYTES_MAX)? {
                let left = moment(mark, record?.value.unwrap_or_default());
                if let Some(left) = left.filter(|left| self.window.contains(*left)) {
                    tally.consumed.record(now.saturating_sub(left));
                }
            }
        }
        Ok(())
    }
}
