//! What the journal has of a log and its segments do not have yet.
//!
//! Invariant: a debt is paid by a flush of the log's own lane and by nothing else; a log that was
//! closed or removed owes nothing any more.

use std::cell::Cell;

use base::Offset;

use super::files::Journal;
use crate::error::StorageError;
use crate::flusher;
use crate::log::Log;

/// See the module's head. Outlives its log, so that the journal knows how it went.
#[derive(Debug)]
pub(crate) struct Debt {
    /// Everything below is on the device in the segments themselves.
    settled: Cell<Offset>,
    /// Up to where the journal has it.
    journaled: Cell<Offset>,
    /// The last generation with an entry of the log; zero before the first.
    generation: Cell<u64>,
    /// The last generation that may have entries of an earlier opening of the log.
    earlier: Cell<u64>,
    /// Nobody asks for it any more.
    released: Cell<bool>,
}

impl Debt {
    /// None, for a log that is in its segments up to `end`.
    pub(crate) fn none(end: Offset) -> Self {
        Self {
            settled: Cell::new(end),
            journaled: Cell::new(end),
            generation: Cell::new(0),
            earlier: Cell::new(0),
            released: Cell::new(false),
        }
    }

    /// Up to where the segments have everything.
    pub(crate) fn settled(&self) -> Offset {
        self.settled.get()
    }

    /// True while the journal has something that the segments lack.
    pub(crate) fn is_owed(&self) -> bool {
        self.settled.get() < self.journaled.get() && !self.released.get()
    }

    /// The journal gets everything below `end`.
    pub(crate) fn note_journaled(&self, end: Offset) {
        assert!(end >= self.journaled.get(), "a log goes forwards");
        self.journaled.set(end);
    }

    /// The segments have everything below `end`.
    pub(crate) fn note_settled(&self, end: Offset) {
        self.settled.set(self.settled.get().max(end));
    }

    /// The log was made to end at `end`, where all of it is in its segments.
    pub(crate) fn restart(&self, end: Offset) {
        self.settled.set(end);
        self.journaled.set(end);
    }

    /// Nobody asks for the log's entries any more.
    pub(crate) fn release(&self) {
        self.released.set(true);
    }

    /// Notes an entry; true for the first one in this generation.
    pub(crate) fn enter(&self, generation: u64) -> bool {
        assert!(generation >= self.generation.get(), "turns come in order");
        self.generation.replace(generation) != generation
    }

    /// Notes that the journal may have entries from when the log was open before.
    pub(crate) fn note_earlier(&self, generation: u64) {
        self.earlier.set(generation);
    }

    /// The last generation that may have entries of the log; zero for none.
    fn last_generation(&self) -> u64 {
        self.generation.get().max(self.earlier.get())
    }
}

impl Log {
    /// Makes sure that the segments get what only the journal has, without waiting for it.
    pub(crate) fn write_back_soon(&self) {
        if self.shared.debt.is_owed() {
            flusher::request_direct(self);
        }
    }

    /// Waits until the segments have what only the journal had at the call.
    ///
    /// # Errors
    /// When the directory goes offline meanwhile.
    pub(crate) async fn write_back(&self) -> Result<(), StorageError> {
        let debt = &self.shared.debt;
        let target = debt.journaled.get();
        while debt.is_owed() && debt.settled.get() < target {
            self.engine().check_online()?;
            let ended = self.lane().ended();
            flusher::request_direct(self);
            ended.await;
        }
        Ok(())
    }

    /// Notes that the log is taken away: who makes another one of its name voids what the journal
    /// has of it first. Whoever deletes logs because the disk is full waits for nothing here.
    pub(crate) fn leave_journal(&self) {
        let generation = self.shared.debt.last_generation();
        let journal = self.engine().journal();
        journal.note_left(self.partition(), generation);
    }

    /// Makes sure that nothing that the journal has of this log ever comes back. Nothing of the log
    /// is on its way, and nothing is appended meanwhile.
    ///
    /// # Errors
    /// When the directory goes offline meanwhile.
    pub(crate) async fn void_entries(&self) -> Result<(), StorageError> {
        let journal: &Journal = self.engine().journal();
        if journal.may_have(self.shared.debt.last_generation()) {
            self.engine().void_journal(self.partition()).await?;
        }
        Ok(())
    }
}
