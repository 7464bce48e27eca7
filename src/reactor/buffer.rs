//! Aligned memory with one writer and many readers, taken from a budget.
//!
//! Lifecycle: a [`Pool`] lends a [`Buffer`]; its writer appends; written bytes are shared as
//! [`Bytes`], which may cross cores; when the buffer and its last view are gone, the memory goes
//! back to the pool it came from, whichever core dropped it.
//!
//! Invariants:
//! - Bytes below `len` never change once shared; bytes at and above `len` belong to the writer.
//! - A pool's memory, lent and kept, never exceeds its limit.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use base::BLOCK_SIZE;

/// Memory is kept for reuse, since fresh pages cost more than all other work on them
/// (kernel-note 013); above this size it is handed back to the allocator at once: such buffers are rare and
/// keeping them would hold a budget that many small ones need.
const KEPT_CAPACITY_MAX: usize = 4 << 20;
/// Buffers up to this size come in powers of two, larger ones in multiples of it.
const POWER_OF_TWO_MAX: usize = 1 << 20;

/// A budget of aligned memory. Cheap to clone; clones share the budget.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<PoolShared>,
}

struct PoolShared {
    limit: usize,
    state: Mutex<PoolState>,
}

#[derive(Default)]
struct PoolState {
    /// Bytes lent out.
    lent: usize,
    /// Bytes kept for reuse.
    kept: usize,
    free: BTreeMap<usize, Vec<Memory>>,
    waiters: Vec<Waker>,
}

/// One allocation, freed with the layout it was made with.
struct Memory {
    start: NonNull<u8>,
    capacity: usize,
}

// SAFETY: `Memory` is the sole owner of its allocation; moving it between threads moves that
// ownership, and nothing in it is bound to the thread that allocated.
unsafe impl Send for Memory {}

impl Memory {
    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, BLOCK_SIZE)
            .unwrap_or_else(|_| Layout::new::<[u8; BLOCK_SIZE]>())
    }

    fn allocate(capacity: usize) -> Self {
        assert!(capacity > 0 && capacity.is_multiple_of(BLOCK_SIZE));
        let layout = Self::layout(capacity);
        assert_eq!(
            layout.size(),
            capacity,
            "a buffer too large for any allocation"
        );
        // SAFETY: the layout's size is not zero, asserted above. The memory is zeroed, so that
        // every byte is initialised before any slice of it exists.
        let start = unsafe { alloc_zeroed(layout) };
        match NonNull::new(start) {
            Some(start) => Self { start, capacity },
            None => handle_alloc_error(layout),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc_zeroed` with this very layout, and `Memory` owns it.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) }
    }
}

fn rounded(capacity: usize) -> usize {
    let capacity = capacity.max(BLOCK_SIZE);
    if capacity <= POWER_OF_TWO_MAX {
        capacity.next_power_of_two()
    } else {
        capacity.next_multiple_of(POWER_OF_TWO_MAX)
    }
}

impl PoolShared {
    fn state(&self) -> MutexGuard<'_, PoolState> {
        // Every critical section leaves the counts consistent, so a panic elsewhere on the
        // thread that held the lock does not make the pool unusable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, capacity: usize) -> Option<Memory> {
        let capacity = rounded(capacity);
        let mut state = self.state();
        if let Some(memory) = state.free.get_mut(&capacity).and_then(Vec::pop) {
            state.kept -= capacity;
            state.lent += capacity;
            return Some(memory);
        }
        while state.lent + state.kept + capacity > self.limit {
            let (class, memory) = state
                .free
                .iter_mut()
                .rev()
                .find_map(|(class, free)| free.pop().map(|memory| (*class, memory)))?;
            state.kept -= class;
            drop(memory);
        }
        state.lent += capacity;
        drop(state);
        Some(Memory::allocate(capacity))
    }

    fn give_back(&self, memory: Memory) {
        let capacity = memory.capacity;
        let (discarded, woken) = {
            let mut state = self.state();
            state.lent -= capacity;
            let discarded = if capacity <= KEPT_CAPACITY_MAX {
                state.kept += capacity;
                state.free.entry(capacity).or_default().push(memory);
                None
            } else {
                Some(memory)
            };
            (discarded, std::mem::take(&mut state.waiters))
        };
        drop(discarded);
        for waker in woken {
            waker.wake();
        }
    }
}

impl Pool {
    /// A pool that lends and keeps at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            shared: Arc::new(PoolShared {
                limit,
                state: Mutex::default(),
            }),
        }
    }

    /// A buffer of at least `capacity` bytes, unless the budget is spent.
    #[must_use]
    pub fn try_take(&self, capacity: usize) -> Option<Buffer> {
        let memory = self.shared.take(capacity)?;
        let region = Region {
            memory: Some(memory),
            pool: Arc::clone(&self.shared),
        };
        Some(Buffer {
            region: Arc::new(region),
            len: 0,
            shared_len: Cell::new(0),
        })
    }

    /// A buffer of at least `capacity` bytes, as soon as the budget has room for it.
    ///
    /// # Panics
    /// When `capacity` alone exceeds the whole budget, since that wait would never end.
    pub fn take(&self, capacity: usize) -> impl Future<Output = Buffer> + use<> {
        assert!(
            rounded(capacity) <= self.shared.limit,
            "a buffer larger than its whole pool"
        );
        let pool = self.clone();
        std::future::poll_fn(move |context| {
            if let Some(buffer) = pool.try_take(capacity) {
                return Poll::Ready(buffer);
            }
            pool.shared.state().waiters.push(context.waker().clone());
            // Memory may have come back between the attempt and the registration.
            pool.try_take(capacity).map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// Bytes lent out now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.shared.state().lent
    }

    /// The most bytes this pool ever holds.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.limit
    }
}

/// Memory on its way through buffers and views back to its pool.
struct Region {
    /// Present until drop.
    memory: Option<Memory>,
    pool: Arc<PoolShared>,
}

// SAFETY: a `Region` is shared by one `Buffer`, which writes only at and above its `len`, and by
// views, which read only below the `len` that held when they were made. The two never touch the
// same byte, so concurrent use from several threads has no data race.
unsafe impl Sync for Region {}

impl Region {
    fn start(&self) -> NonNull<u8> {
        self.memory
            .as_ref()
            .map_or(NonNull::dangling(), |memory| memory.start)
    }

    fn capacity(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.capacity)
    }

    /// The bytes of `range`.
    ///
    /// # Safety
    /// All of `range` must have been written and must not be written again while the slice lives.
    unsafe fn written(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.capacity());
        // SAFETY: within the allocation by the assertion; initialised since it was zeroed at
        // birth; not written meanwhile by this function's contract.
        unsafe {
            let start = self.start().as_ptr().add(range.start);
            std::slice::from_raw_parts(start, range.end - range.start)
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.pool.give_back(memory);
        }
    }
}

/// Aligned memory with one writer: bytes below `len` are written and may be shared, the rest is
/// the writer's alone.
pub struct Buffer {
    region: Arc<Region>,
    len: usize,
    /// The highest byte that any view was made of; below it nothing may be taken back.
    shared_len: Cell<usize>,
}

impl Buffer {
    /// How many bytes fit in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.region.capacity()
    }

    /// How many bytes are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True before the first byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes still fit.
    #[must_use]
    pub fn spare_len(&self) -> usize {
        self.capacity() - self.len
    }

    /// The written bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: bytes below `len` are written only through `&mut self`, which this borrow of
        // `self` excludes.
        unsafe { self.region.written(0..self.len) }
    }

    /// Copies `bytes` behind what is written.
    ///
    /// # Panics
    /// When they do not fit.
    pub fn append(&mut self, bytes: &[u8]) {
        self.append_with(bytes.len(), |target| target.copy_from_slice(bytes));
    }

    /// Lets `fill` write the next `len` bytes in place before anyone can see them.
    ///
    /// # Panics
    /// When they do not fit.
    pub fn append_with<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let result = fill(self.spare(len));
        self.advance(len);
        result
    }

    /// The next `len` unwritten bytes, for the caller to fill and then `advance` over.
    pub(crate) fn spare(&mut self, len: usize) -> &mut [u8] {
        assert!(
            len <= self.spare_len(),
            "append of {len} bytes to a buffer with less room"
        );
        // SAFETY: within the allocation by the assertion; bytes at and above `len` are seen by
        // no view, and `&mut self` excludes other writers.
        unsafe {
            let start = self.region.start().as_ptr().add(self.len);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Declares the next `len` bytes written.
    pub(crate) fn advance(&mut self, len: usize) {
        assert!(len <= self.spare_len());
        self.len += len;
    }

    /// Takes back written bytes that nobody saw.
    ///
    /// # Panics
    /// When bytes beyond `len` were shared or `len` lies beyond what is written.
    pub fn truncate_unshared(&mut self, len: usize) {
        assert!(
            len <= self.len,
            "truncation to a length that was never reached"
        );
        assert!(
            self.shared_len.get() <= len,
            "truncation of bytes that a reader holds"
        );
        self.len = len;
    }

    /// A view of written bytes; the writer goes on behind it.
    ///
    /// # Panics
    /// When the range reaches beyond what is written.
    #[must_use]
    pub fn share(&self, range: Range<usize>) -> Bytes {
        assert!(range.start <= range.end && range.end <= self.len);
        self.shared_len.set(self.shared_len.get().max(range.end));
        Bytes {
            source: Source::Region(Arc::clone(&self.region)),
            range,
        }
    }

    /// The written range widened to whole blocks for a direct write; bytes behind `len` in the
    /// last block are zeroed first, so that no stale byte ever reaches the disk.
    ///
    /// # Panics
    /// When the range reaches beyond what is written.
    #[must_use]
    pub fn blocks(&mut self, range: Range<usize>) -> Blocks {
        assert!(range.start <= range.end && range.end <= self.len);
        let start = range.start - range.start % BLOCK_SIZE;
        let end = range.end.next_multiple_of(BLOCK_SIZE);
        assert!(
            end <= self.capacity(),
            "capacities are multiples of the block size"
        );
        if end > self.len {
            self.spare(end - self.len).fill(0);
        }
        Blocks {
            region: Arc::clone(&self.region),
            range: start..end,
        }
    }

    /// Something that keeps this memory from being given back while the kernel writes into it.
    pub(crate) fn keep_alive(&self) -> impl Sized + use<> {
        Arc::clone(&self.region)
    }

    /// Gives up writing and views everything written.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        self.share(0..self.len)
    }
}

/// A block-aligned part of a buffer on its way to the disk. Its writer may go on appending: the
/// bytes that were written when this was made reach the disk unchanged, those behind them may
/// arrive in either state.
pub struct Blocks {
    region: Arc<Region>,
    range: Range<usize>,
}

impl Blocks {
    /// How many bytes will be written, a multiple of the block size.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.end - self.range.start
    }

    /// True when there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The address of the first byte, for the kernel; valid while this value lives.
    pub(crate) fn address(&self) -> *const u8 {
        // SAFETY: the range lies within the allocation, asserted when it was made.
        unsafe { self.region.start().as_ptr().add(self.range.start) }
    }

    /// A copy of the bytes as they are now, for the simulated disk.
    #[cfg(feature = "sim")]
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        // SAFETY: the simulation has one thread, so the writer cannot run during this copy, and
        // all of the allocation is initialised.
        unsafe { self.region.written(self.range.clone()) }.to_vec()
    }
}

#[derive(Clone)]
enum Source {
    Static(&'static [u8]),
    Heap(Arc<Vec<u8>>),
    Region(Arc<Region>),
}

/// A refcounted view of bytes that never change. It may travel between cores; its memory goes
/// back to the pool it came from when the last view is gone.
#[derive(Clone)]
pub struct Bytes {
    source: Source,
    range: Range<usize>,
}

impl Bytes {
    /// A view of constant bytes.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self {
            source: Source::Static(bytes),
            range: 0..bytes.len(),
        }
    }

    /// A part of this view.
    ///
    /// # Panics
    /// When the range reaches beyond this view.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.range.len());
        let start = self.range.start + range.start;
        let end = self.range.start + range.end;
        Self {
            source: self.source.clone(),
            range: start..end,
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.source {
            Source::Static(bytes) => bytes.get(self.range.clone()).unwrap_or(&[]),
            Source::Heap(bytes) => bytes.get(self.range.clone()).unwrap_or(&[]),
            // SAFETY: a view is made only of written bytes, which nobody writes again.
            Source::Region(region) => unsafe { region.written(self.range.clone()) },
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self::from_static(&[])
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            source: Source::Heap(Arc::new(bytes)),
            range,
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bytes({} bytes)", self.range.len())
    }
}
