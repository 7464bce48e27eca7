//! Which transactions of the dirty part were aborted, and which are not decided yet (KIP-98).
//!
//! Invariant: nothing is compacted from the first record on whose transaction's marker was not
//! seen; below that, a record is known to be aborted or to count.

use std::collections::{BTreeMap, BTreeSet};

use base::{Offset, ProducerId};
use batch::{BatchError, BatchView, ControlRecord, Scratch, records};

/// A marker has a few dozen bytes.
const MARKER_BYTES_MAX: usize = 64 << 10;

/// Reads markers and transactional batches in the order of the log.
#[derive(Default)]
pub(crate) struct Outcomes {
    /// Where each open transaction began.
    open: BTreeMap<ProducerId, Offset>,
    /// The aborted ones: producer, and the offset of the marker, to the first offset.
    aborted: BTreeMap<(ProducerId, Offset), Offset>,
    /// Producers of whose present transaction data was seen, as the segments are written again.
    seen: BTreeSet<ProducerId>,
}

/// What a marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Commit,
    Abort,
    /// It ends no transaction.
    Other,
}

/// The marker in a control batch; `Other` also where it was emptied.
pub(crate) fn marker(view: &BatchView<'_>, scratch: &mut Scratch) -> Result<Marker, BatchError> {
    let first = records(view, scratch, MARKER_BYTES_MAX)?
        .next()
        .transpose()?;
    let control = first.and_then(|record| ControlRecord::parse(record.key, record.value));
    Ok(match control {
        Some(ControlRecord::Abort { .. }) => Marker::Abort,
        Some(ControlRecord::Commit { .. }) => Marker::Commit,
        _ => Marker::Other,
    })
}

impl Outcomes {
    /// Notes a batch of the dirty part.
    pub(crate) fn note(
        &mut self,
        view: &BatchView<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), BatchError> {
        let (id, attributes) = (view.producer_id(), view.attributes());
        if !attributes.is_control() {
            if attributes.is_transactional() {
                self.open.entry(id).or_insert(view.base_offset());
            }
            return Ok(());
        }
        let ended = match marker(view, scratch)? {
            Marker::Other => return Ok(()),
            ended => ended,
        };
        let first = self.open.remove(&id);
        if let (Some(first), Marker::Abort) = (first, ended) {
            self.aborted.insert((id, view.base_offset()), first);
        }
        Ok(())
    }

    /// From where on nothing is decided.
    pub(crate) fn undecided(&self) -> Option<Offset> {
        self.open.values().min().copied()
    }

    /// Whether the records of a transactional batch were aborted.
    pub(crate) fn is_aborted(&self, view: &BatchView<'_>) -> bool {
        let id = view.producer_id();
        let from = (id, view.last_offset());
        let next = self.aborted.range(from..).next();
        view.attributes().is_transactional()
            && next.is_some_and(|((producer, _), first)| {
                *producer == id && *first <= view.base_offset()
            })
    }

    /// Notes a transactional batch that is written again, or would be.
    pub(crate) fn see_data(&mut self, view: &BatchView<'_>) {
        self.seen.insert(view.producer_id());
    }

    /// Whether a marker ends a transaction of which nothing is in the log any more.
    pub(crate) fn see_marker(&mut self, view: &BatchView<'_>) -> bool {
        !self.seen.remove(&view.producer_id())
    }
}
