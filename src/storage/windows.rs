//! Parts of files on the disk, read ahead of the consumers who go through them.
//!
//! An active segment's older part is not in memory any more and, since it is still written with
//! direct I/O, never in the page cache; nor is a sealed segment that nobody has read yet. A consumer
//! who catches up asks for it piece by piece, one question at a time; without these windows each
//! question would wait for the disk anew.
//!
//! Invariants: a window holds what the device had below the segment's flushed end, which changes
//! only when the log is cut, and then its windows are forgotten; all windows of a core together
//! keep within their share of the core's memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use base::usize_from_u64;
use reactor::{Bytes, Core, Signal};

use crate::segment::Segment;

/// The size of a window, and what its beginning is a multiple of.
pub(crate) const WINDOW_BYTES: u64 = 1 << 20;
/// How many windows are read ahead of the one that a reader is in.
const AHEAD: u64 = 3;
/// Windows take at most this part of the memory that reads are made into.
const MEMORY_SHARE: usize = 8;
/// Fewer windows than this would push each other out.
const WINDOWS_MIN: usize = 4;
/// A window that nobody wanted for so long belongs to no reader any more.
const LEFT_AFTER: Duration = Duration::from_secs(1);

struct Window {
    segment: Rc<Segment>,
    /// Which window of the segment.
    number: u64,
    /// Tells this window from a later one of the same place.
    id: u64,
    /// None while it is being read.
    bytes: Option<Bytes>,
    /// When somebody wanted it last.
    wanted: Duration,
}

#[derive(Default)]
struct Kept {
    /// The least recently used first.
    windows: VecDeque<Window>,
    next_id: u64,
}

/// See the module's head.
#[derive(Clone, Default)]
pub(crate) struct Windows {
    kept: Rc<RefCell<Kept>>,
    arrived: Signal,
}

impl Windows {
    /// The parts of `range` of the segment's file, which lies below its flushed end, in order;
    /// nothing when a window could not be read, so that the caller reads for itself and learns
    /// why.
    pub(crate) async fn read(
        &self,
        core: &Core,
        segment: &Rc<Segment>,
        range: Range<u64>,
    ) -> Option<Vec<Bytes>> {
        assert!(range.start < range.end, "something is read");
        let first = range.start / WINDOW_BYTES;
        let last = (range.end - 1) / WINDOW_BYTES;
        for number in first..=last + AHEAD {
            self.begin(core, segment, number);
        }
        let mut parts = Vec::new();
        for number in first..=last {
            let bytes = self.wait(segment, number).await?;
            let start = number * WINDOW_BYTES;
            let from = usize_from_u64(range.start.max(start) - start);
            let to = usize_from_u64(range.end.min(start + WINDOW_BYTES) - start);
            parts.push(bytes.slice(from..to));
        }
        Some(parts)
    }

    /// Whether one more reader, at `position` of `segment`, leaves the others their windows; true for
    /// one who has some.
    pub(crate) fn admits(&self, core: &Core, segment: &Rc<Segment>, position: u64) -> bool {
        let kept = self.kept.borrow();
        let number = position / WINDOW_BYTES;
        if kept.windows.iter().any(|it| it.is(segment, number)) {
            return true;
        }
        let now = core.now();
        let left = |it: &&Window| now.saturating_sub(it.wanted) >= LEFT_AFTER;
        let taken = kept.windows.len() - kept.windows.iter().filter(left).count();
        taken + usize_from_u64(1 + AHEAD) <= budget(core)
    }

    /// True when all of `range` lies in windows that can be kept: below the flushed end.
    pub(crate) fn reach(segment: &Segment, range: &Range<u64>) -> bool {
        range.end.next_multiple_of(WINDOW_BYTES) <= segment.flushed.get()
    }

    /// `len` bytes from `position` on, if one window has them.
    pub(crate) fn peek(&self, segment: &Rc<Segment>, position: u64, len: usize) -> Option<Bytes> {
        let kept = self.kept.borrow();
        let number = position / WINDOW_BYTES;
        let window = kept.windows.iter().find(|it| it.is(segment, number))?;
        let from = usize_from_u64(position % WINDOW_BYTES);
        let bytes = window.bytes.as_ref()?;
        (from + len <= bytes.len()).then(|| bytes.slice(from..from + len))
    }

    /// Forgets what is known of a segment, since it was cut or removed.
    pub(crate) fn forget(&self, segment: &Segment) {
        let mut kept = self.kept.borrow_mut();
        kept.windows
            .retain(|window| !std::ptr::eq(Rc::as_ptr(&window.segment), segment));
        drop(kept);
        self.arrived.notify();
    }

    /// Begins to read a window unless it is there, on its way, or beyond what is flushed.
    fn begin(&self, core: &Core, segment: &Rc<Segment>, number: u64) {
        let start = number * WINDOW_BYTES;
        if !Self::reach(segment, &(start..start + WINDOW_BYTES)) {
            return;
        }
        let Some(id) = self.make_place(core, segment, number) else {
            return;
        };
        let (windows, segment, core) = (self.clone(), Rc::clone(segment), core.clone());
        // Whoever wanted it may go away; others wait for it too.
        core.clone().spawn(async move {
            let bytes = match segment.file(&core).await {
                Ok(file) => file.read_at(start, usize_from_u64(WINDOW_BYTES)).await.ok(),
                Err(_) => None,
            };
            windows.arrive(id, bytes);
        });
    }

    /// A place for a window that is not there yet.
    fn make_place(&self, core: &Core, segment: &Rc<Segment>, number: u64) -> Option<u64> {
        let mut kept = self.kept.borrow_mut();
        let found = kept.windows.iter().position(|it| it.is(segment, number));
        if let Some(mut window) = found.and_then(|at| kept.windows.remove(at)) {
            window.wanted = core.now();
            kept.windows.push_back(window);
            return None;
        }
        if kept.windows.len() >= budget(core) {
            let idle = kept.windows.iter().position(|it| it.bytes.is_some())?;
            kept.windows.remove(idle);
        }
        let id = kept.next_id;
        kept.next_id += 1;
        kept.windows.push_back(Window {
            segment: Rc::clone(segment),
            number,
            id,
            bytes: None,
            wanted: core.now(),
        });
        Some(id)
    }

    /// Keeps what was read, unless the window was forgotten meanwhile.
    fn arrive(&self, id: u64, bytes: Option<Bytes>) {
        let whole = bytes.filter(|bytes| bytes.len() as u64 == WINDOW_BYTES);
        let mut kept = self.kept.borrow_mut();
        let place = kept.windows.iter().position(|window| window.id == id);
        if let Some(place) = place {
            match (whole, kept.windows.get_mut(place)) {
                (Some(bytes), Some(window)) => window.bytes = Some(bytes),
                _ => drop(kept.windows.remove(place)),
            }
        }
        drop(kept);
        self.arrived.notify();
    }

    async fn wait(&self, segment: &Rc<Segment>, number: u64) -> Option<Bytes> {
        loop {
            let arrived = self.arrived.wait();
            {
                let kept = self.kept.borrow();
                let window = kept.windows.iter().find(|it| it.is(segment, number))?;
                if let Some(bytes) = &window.bytes {
                    return Some(bytes.clone());
                }
            }
            arrived.await;
        }
    }
}

/// How many windows a core keeps.
fn budget(core: &Core) -> usize {
    let windows = core.frames().limit() / MEMORY_SHARE / usize_from_u64(WINDOW_BYTES);
    windows.max(WINDOWS_MIN)
}

impl Window {
    fn is(&self, segment: &Rc<Segment>, number: u64) -> bool {
        self.number == number && Rc::ptr_eq(&self.segment, segment)
    }
}
