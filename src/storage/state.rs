//! What a log is at one moment: its segments, its hot tail, its ends.
//!
//! Invariants: `log_start <= durable <= end`; segments follow one another without overlap and the
//! last one is active; the hot tail holds all that is not on the device in its segment.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

use base::{Offset, Uuid};
use reactor::Bytes;

use crate::aborted::AbortedIndex;
use crate::journal::Debt;
use crate::options::{JournalLimits, LogConfig};
use crate::segment::Segment;
use crate::standing::Standing;
use crate::tail::{PendingWrites, Tail};

/// How many places of sequential readers are remembered per log.
const PLACES_MAX: usize = 16;
/// The first step by which a file is made larger than it has to be; it doubles with each one.
pub(crate) const STEP_FIRST: u64 = 64 << 10;
/// The largest such step.
const STEP_MAX: u64 = 64 << 20;
/// The smallest chunk of memory: that of a log with little traffic. There may be ten thousand of
/// them, and each needs the block at its end.
const CHUNK_BYTES_MIN: usize = base::BLOCK_SIZE;
/// The largest chunk of memory.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// A chunk that filled up sooner than this is followed by a larger one.
const CHUNK_FAST: Duration = Duration::from_millis(500);
/// A chunk that took longer than this is followed by a smaller one.
const CHUNK_SLOW: Duration = Duration::from_secs(10);

const _: () = {
    assert!(CHUNK_BYTES_MIN.is_power_of_two() && CHUNK_BYTES_MAX.is_power_of_two());
    assert!(CHUNK_BYTES_MIN.is_multiple_of(base::BLOCK_SIZE));
    assert!(STEP_FIRST <= STEP_MAX);
};

/// An offset, and where in which segment its batch begins.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) offset: Offset,
    pub(crate) segment: Rc<Segment>,
    pub(crate) position: u64,
}

/// What the flusher writes in one round, and what is reached once it is done.
pub(crate) struct FlushJob {
    pub(crate) writes: Vec<PendingWrites>,
    pub(crate) reached: FlushReached,
}

/// What a frame of the journal gets of one log, and what is reached once it is durable.
pub(crate) struct JournalJob {
    pub(crate) topic_id: Uuid,
    /// The active segment's.
    pub(crate) base: Offset,
    /// Where in its file the bytes belong.
    pub(crate) position: u64,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) reached: FlushReached,
}

/// See [`FlushJob`] and [`JournalJob`].
pub(crate) struct FlushReached {
    /// How far each segment is on the device; none where only the journal has it.
    pub(crate) ends: Vec<(Rc<Segment>, u64)>,
    /// The log's end at the beginning of the flush.
    pub(crate) durable: Place,
}

/// See the module's head.
pub(crate) struct LogState {
    pub(crate) config: LogConfig,
    pub(crate) segments: BTreeMap<Offset, Rc<Segment>>,
    pub(crate) tail: Tail,
    pub(crate) log_start: Offset,
    /// What was promised for good.
    pub(crate) standing: Standing,
    pub(crate) end: Offset,
    /// Up to where everything is on the device, in the segments or in the journal.
    pub(crate) durable: Place,
    /// What only the journal has.
    pub(crate) debt: Rc<Debt>,
    /// Its aborted transactions.
    pub(crate) aborted: AbortedIndex,
    /// The producer snapshots on the device, in order.
    pub(crate) snapshots: Vec<Offset>,
    /// Where recent readers will go on.
    places: VecDeque<Place>,
    /// By how much the active file grows next.
    pub(crate) step: u64,
    pub(crate) chunk_bytes: usize,
    chunk_since: Duration,
    /// Records appended since the last flush began.
    pub(crate) unflushed_records: u64,
    /// When the oldest unflushed record came.
    pub(crate) unflushed_since: Option<Duration>,
    pub(crate) appended_last: Duration,
    pub(crate) closed: bool,
}

impl LogState {
    /// A log whose segments are known and all on the device.
    pub(crate) fn new(
        config: LogConfig,
        segments: BTreeMap<Offset, Rc<Segment>>,
        log_start: Offset,
        active: &Rc<Segment>,
    ) -> Self {
        let end = active.next_offset.get();
        assert!(log_start <= end, "a log goes forwards");
        Self {
            config,
            segments,
            tail: Tail::default(),
            log_start,
            standing: Standing::default(),
            end,
            durable: Place {
                offset: end,
                segment: Rc::clone(active),
                position: active.len.get(),
            },
            debt: Rc::new(Debt::none(end)),
            aborted: AbortedIndex::default(),
            snapshots: Vec::new(),
            places: VecDeque::new(),
            step: STEP_FIRST,
            chunk_bytes: CHUNK_BYTES_MIN,
            chunk_since: Duration::ZERO,
            unflushed_records: 0,
            unflushed_since: None,
            appended_last: Duration::ZERO,
            closed: false,
        }
    }

    /// The segment that batches are appended to.
    pub(crate) fn active(&self) -> Rc<Segment> {
        let last = self.segments.last_key_value();
        #[expect(
            clippy::expect_used,
            reason = "a log is born with a segment and keeps its last"
        )]
        let (_, active) = last.expect("a log has a segment");
        Rc::clone(active)
    }

    /// The segment that holds `offset`, or would.
    pub(crate) fn segment_for(&self, offset: Offset) -> Option<Rc<Segment>> {
        let (_, segment) = self.segments.range(..=offset).next_back()?;
        Some(Rc::clone(segment))
    }

    /// The first segment that ends behind `offset`: where to go on for whoever has seen all below.
    /// Not simply the one behind the last that was looked at: compaction may have put one file in
    /// the place of several meanwhile, under the name of the first.
    pub(crate) fn segment_ending_behind(&self, offset: Offset) -> Option<Rc<Segment>> {
        let holder = self.segment_for(offset);
        let holder = holder.filter(|segment| segment.next_offset.get() > offset);
        holder.or_else(|| {
            // A damaged log may end at the greatest offset there is.
            let range = (Bound::Excluded(offset), Bound::Unbounded);
            let mut behind = self.segments.range(range);
            behind.next().map(|(_, segment)| Rc::clone(segment))
        })
    }

    /// Remembers where a sequential reader will go on.
    pub(crate) fn remember(&mut self, place: Place) {
        self.places.retain(|known| known.offset != place.offset);
        if self.places.len() == PLACES_MAX {
            self.places.pop_front();
        }
        self.places.push_back(place);
    }

    /// The place of `offset`, if it is the end or one that a reader stopped at.
    pub(crate) fn recall(&self, offset: Offset) -> Option<Place> {
        if self.durable.offset == offset {
            return Some(self.durable.clone());
        }
        let known = self.places.iter().rev();
        let mut known = known.filter(|place| place.offset == offset);
        known.next().cloned()
    }

    /// Forgets all places, since segments were cut or removed.
    pub(crate) fn forget_places(&mut self) {
        self.places.clear();
    }

    /// How large the next chunk should be, judged by how fast the last one filled up.
    /// No chunk takes more than an eighth of the core's budget.
    pub(crate) fn next_chunk_bytes(
        &mut self,
        now: Duration,
        needed: usize,
        budget: usize,
    ) -> usize {
        let share = 1_usize << (budget / 8).max(CHUNK_BYTES_MIN).ilog2();
        let bytes_max = CHUNK_BYTES_MAX.min(share);
        let took = now.saturating_sub(self.chunk_since);
        if took < CHUNK_FAST {
            self.chunk_bytes = (self.chunk_bytes * 2).min(CHUNK_BYTES_MAX);
        } else if took > CHUNK_SLOW {
            self.chunk_bytes = (self.chunk_bytes / 2).max(CHUNK_BYTES_MIN);
        }
        self.chunk_since = now;
        let bytes = self
            .chunk_bytes
            .max(needed.next_power_of_two())
            .min(bytes_max);
        assert!((CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&bytes));
        bytes
    }

    /// By how much the active file grows now.
    pub(crate) fn next_step(&mut self) -> u64 {
        let step = self.step;
        self.step = (step * 2).min(STEP_MAX);
        step
    }

    /// Everything unflushed, for the flusher.
    pub(crate) fn begin_flush(&mut self) -> FlushJob {
        let active = self.active();
        let writes = self.tail.pending();
        let mut ends: Vec<_> = writes
            .iter()
            .map(|part| (Rc::clone(&part.segment), part.end))
            .collect();
        if ends.is_empty() {
            ends.push((Rc::clone(&active), active.len.get()));
        }
        self.unflushed_records = 0;
        self.unflushed_since = None;
        let durable = Place {
            offset: self.end,
            position: active.len.get(),
            segment: active,
        };
        let reached = FlushReached { ends, durable };
        FlushJob { writes, reached }
    }

    /// Whether what waits may go through the journal: it is little, all of it in the active segment,
    /// whose name is durable and whose file has room for it.
    pub(crate) fn fits_journal(&self, limits: &JournalLimits) -> bool {
        self.journal_from(limits).is_some()
    }

    /// From where on the journal has nothing of the active segment yet.
    fn journal_from(&self, limits: &JournalLimits) -> Option<u64> {
        let active = self.active();
        let len = active.len.get();
        let from = self.tail.untaken(&active)?.max(active.journaled.get());
        let fits = from < len
            && len - from <= limits.entry_bytes_max as u64
            && len - active.flushed.get() <= limits.behind_bytes_max
            && len <= active.allocated.get()
            && !active.entry_pending.get();
        fits.then_some(from)
    }

    /// What waits, for a frame of the journal; nothing where it has to go to its segments.
    pub(crate) fn begin_journaled(
        &mut self,
        topic_id: Uuid,
        limits: &JournalLimits,
    ) -> Option<JournalJob> {
        let from = self.journal_from(limits)?;
        let active = self.active();
        let len = active.len.get();
        active.journaled.set(len);
        self.debt.note_journaled(self.end);
        self.unflushed_records = 0;
        self.unflushed_since = None;
        Some(JournalJob {
            topic_id,
            base: active.base,
            position: from,
            pieces: self.tail.share(&active, from..len),
            reached: FlushReached {
                ends: Vec::new(),
                durable: Place {
                    offset: self.end,
                    position: len,
                    segment: active,
                },
            },
        })
    }

    /// Notes what a flush has reached; true when the durable end moved.
    pub(crate) fn complete_flush(&mut self, reached: &FlushReached) -> bool {
        for (segment, end) in &reached.ends {
            assert!(
                *end <= segment.len.get(),
                "no more is flushed than there is"
            );
            segment.flushed.set(segment.flushed.get().max(*end));
            self.tail.note_flushed(segment, *end);
        }
        assert!(reached.durable.offset <= self.end);
        if !reached.ends.is_empty() {
            self.debt.note_settled(reached.durable.offset);
        }
        if reached.durable.offset <= self.durable.offset {
            return false;
        }
        self.durable = reached.durable.clone();
        true
    }

    /// Checks the ends against each other.
    pub(crate) fn check(&self) {
        assert!(self.log_start <= self.end, "a log goes forwards");
        assert!(self.durable.offset <= self.end, "nothing is durable early");
        assert!(self.debt.settled() <= self.end, "nothing is settled early");
        assert!(self.active().next_offset.get() == self.end);
        self.active().check();
    }
}
