//! Files of a simulated machine: operations take time, fail by the seed, and outlive the task
//! that asked for them, as they do in a kernel.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::core::SimCore;
use super::disk::{Operation, Outcome, Refusal};
use super::executor::Process;
use super::faults::{DiskOperation, happens};
use super::timeline::{Event, nanoseconds};
use super::trace::Kind;
use super::universe::{Answer, InFlight, Machine, Power, Universe};
use crate::{Blocks, Bytes, Entry, IoError, OpenMode};

/// The name under which `replace` prepares the new content.
const REPLACEMENT_SUFFIX: &str = ".tmp";

impl Universe {
    /// Hands an operation to a machine's disk and waits for its answer.
    fn disk(self: &Rc<Self>, process: Process, path: &Path, operation: Operation) -> DiskFuture {
        let answer = Rc::new(Answer::default());
        if self.lives(process) {
            let planned = self.machine(process.node, |machine| {
                let faults = self.faults.borrow();
                let kind = kind_of(&operation);
                let is_bad = machine.bad_dirs.iter().any(|dir| path.starts_with(dir));
                let fails = take_planned(machine, kind)
                    || is_bad
                    || happens(
                        &mut machine.random,
                        match kind {
                            DiskOperation::Read => faults.read_error_per_million,
                            DiskOperation::Write => faults.write_error_per_million,
                            DiskOperation::Flush | DiskOperation::SyncDir => {
                                faults.flush_error_per_million
                            }
                        },
                    );
                let mut delay = faults.disk_delay(&mut machine.random);
                let mut stalls = machine.stalled_dirs.iter();
                if let Some((_, until)) = stalls.find(|(dir, _)| path.starts_with(dir)) {
                    delay += until.saturating_sub(self.timeline.now());
                }
                let number = machine.operations;
                self.tell(|| format!("node {}: {number}: {operation}", process.node));
                let submitted = machine.disk.submit(operation);
                machine.operations += 1;
                let in_flight = InFlight {
                    submitted,
                    fails,
                    answer: Rc::clone(&answer),
                };
                machine.in_flight.insert(number, in_flight);
                (number, delay, kind)
            });
            if let Some((number, delay, kind)) = planned {
                self.record(
                    Kind::DiskSubmitted,
                    process.node as u64,
                    number << 4 | kind as u64,
                );
                let at_ns = self.timeline.now_ns() + nanoseconds(delay);
                self.timeline.plan(
                    at_ns,
                    Event::Disk {
                        node: process.node,
                        operation: number,
                    },
                );
            }
        }
        DiskFuture {
            universe: Rc::clone(self),
            process,
            answer,
        }
    }

    /// A disk operation's time has come; a no-op when its process died meanwhile.
    pub(super) fn complete_disk(&self, node: usize, operation: u64) {
        let completed = self.machine(node, |machine| {
            let in_flight = machine.in_flight.remove(&operation)?;
            let result = if in_flight.fails {
                Err(machine.disk.fail(&in_flight.submitted, &mut machine.random))
            } else {
                machine.disk.complete(in_flight.submitted)
            };
            // Whoever asked may have gone; then nobody but this closes what was opened.
            if let Ok(Outcome::Opened(inode)) = &result
                && Rc::strong_count(&in_flight.answer) == 1
            {
                machine.disk.close(*inode);
            }
            Some((in_flight.answer, result))
        });
        if let Some((answer, result)) = completed.flatten() {
            self.record(Kind::DiskCompleted, operation, u64::from(result.is_ok()));
            self.tell(|| match &result {
                Ok(outcome) => format!("node {node}: {operation}: {outcome}"),
                Err(refusal) => format!("node {node}: {operation}: {}", refusal.detail),
            });
            *answer.result.borrow_mut() = Some(result);
            if let Some(waker) = answer.waker.take() {
                waker.wake();
            }
        }
    }

    fn close_file(&self, process: Process, inode: u64) {
        if self.lives(process) {
            self.machine(process.node, |machine| machine.disk.close(inode));
        }
    }
}

impl Machine {
    /// The process is gone. What it had under way happens, does not, or does in part; then either
    /// the caches survive in the kernel, or power fails and only the device remains.
    pub(super) fn crash(&mut self, power: Power) {
        for (_, in_flight) in std::mem::take(&mut self.in_flight) {
            self.disk.abandon(in_flight.submitted, &mut self.random);
        }
        if power == Power::Off {
            self.disk.power_cut(&mut self.random);
        } else {
            self.disk.processes_gone();
        }
        self.planned_errors.clear();
    }
}

fn kind_of(operation: &Operation) -> DiskOperation {
    match operation {
        Operation::Read { .. }
        | Operation::ReadSmall { .. }
        | Operation::List { .. }
        | Operation::Open {
            mode: OpenMode::Existing | OpenMode::ReadOnly,
            ..
        } => DiskOperation::Read,
        Operation::Flush { .. } => DiskOperation::Flush,
        Operation::SyncDir { .. } => DiskOperation::SyncDir,
        Operation::Open { .. }
        | Operation::CreateDirAll { .. }
        | Operation::Rename { .. }
        | Operation::RemoveFile { .. }
        | Operation::RemoveDirAll { .. }
        | Operation::WriteSmall { .. }
        | Operation::Write { .. }
        | Operation::Allocate { .. }
        | Operation::Truncate { .. } => DiskOperation::Write,
    }
}

/// True when a test told this operation to fail.
fn take_planned(machine: &mut Machine, kind: DiskOperation) -> bool {
    let mut fails = false;
    machine.planned_errors.retain_mut(|(planned, before)| {
        if *planned != kind {
            return true;
        }
        if *before == 0 {
            fails = true;
            return false;
        }
        *before -= 1;
        true
    });
    fails
}

/// Waits for a disk operation; dropping it does not call the operation off.
struct DiskFuture {
    universe: Rc<Universe>,
    process: Process,
    answer: Rc<Answer>,
}

impl Future for DiskFuture {
    type Output = Result<Outcome, Refusal>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.answer.result.borrow_mut().take() {
            return Poll::Ready(result);
        }
        *self.answer.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for DiskFuture {
    fn drop(&mut self) {
        if let Some(Ok(Outcome::Opened(inode))) = self.answer.result.borrow_mut().take() {
            self.universe.close_file(self.process, inode);
        }
    }
}

impl SimCore {
    async fn path_operation(
        &self,
        name: &'static str,
        path: &Path,
        operation: Operation,
    ) -> Result<Outcome, IoError> {
        let result = self.universe().disk(self.process(), path, operation).await;
        result.map_err(|refusal| io_error(name, path, refusal))
    }

    pub(crate) async fn open(&self, path: &Path, mode: OpenMode) -> Result<SimFile, IoError> {
        let operation = Operation::Open {
            path: path.to_owned(),
            mode,
        };
        let outcome = self.path_operation("open", path, operation).await?;
        Ok(self.opened(path, &outcome, mode != OpenMode::ReadOnly))
    }

    fn opened(&self, path: &Path, outcome: &Outcome, writable: bool) -> SimFile {
        let Outcome::Opened(inode) = *outcome else {
            unreachable!("opening ends in an open file");
        };
        SimFile {
            universe: Rc::clone(self.universe()),
            process: self.process(),
            inode,
            path: path.to_owned(),
            writable,
        }
    }

    pub(crate) async fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
        let operation = Operation::CreateDirAll {
            path: path.to_owned(),
        };
        self.path_operation("create directory", path, operation)
            .await?;
        Ok(())
    }

    pub(crate) async fn list(&self, path: &Path) -> Result<Vec<Entry>, IoError> {
        let operation = Operation::List {
            path: path.to_owned(),
        };
        match self.path_operation("list", path, operation).await? {
            Outcome::Entries(entries) => Ok(entries),
            _ => unreachable!("listing ends in entries"),
        }
    }

    pub(crate) async fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        let operation = Operation::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        self.path_operation("rename", from, operation).await?;
        Ok(())
    }

    pub(crate) async fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        let operation = Operation::RemoveFile {
            path: path.to_owned(),
        };
        self.path_operation("remove", path, operation).await?;
        Ok(())
    }

    pub(crate) async fn remove_dir_all(&self, path: &Path) -> Result<(), IoError> {
        let operation = Operation::RemoveDirAll {
            path: path.to_owned(),
        };
        self.path_operation("remove directory", path, operation)
            .await?;
        Ok(())
    }

    pub(crate) async fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        let operation = Operation::SyncDir {
            path: path.to_owned(),
        };
        self.path_operation("sync directory", path, operation)
            .await?;
        Ok(())
    }

    pub(crate) async fn read_small(&self, path: &Path) -> Result<Vec<u8>, IoError> {
        let operation = Operation::ReadSmall {
            path: path.to_owned(),
        };
        match self.path_operation("read", path, operation).await? {
            Outcome::Bytes(bytes) => Ok(bytes),
            _ => unreachable!("reading ends in bytes"),
        }
    }

    pub(crate) async fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), IoError> {
        let _turn = self.take_replace_turn(path).await;
        let mut prepared = path.as_os_str().to_owned();
        prepared.push(REPLACEMENT_SUFFIX);
        let prepared = PathBuf::from(prepared);
        let operation = Operation::WriteSmall {
            path: prepared.clone(),
            bytes: Rc::from(bytes),
        };
        let outcome = self.path_operation("replace", path, operation).await?;
        self.opened(&prepared, &outcome, true).flush().await?;
        self.rename(&prepared, path).await?;
        self.sync_dir(path.parent().unwrap_or(Path::new("/"))).await
    }

    pub(crate) async fn make_dir(
        &self,
        prepared: &Path,
        path: &Path,
        files: &[(&str, &[u8])],
    ) -> Result<(), IoError> {
        self.create_dir_all(prepared).await?;
        for (name, bytes) in files {
            let file = prepared.join(name);
            let operation = Operation::WriteSmall {
                path: file.clone(),
                bytes: Rc::from(*bytes),
            };
            let outcome = self.path_operation("make directory", &file, operation);
            self.opened(&file, &outcome.await?, true).flush().await?;
        }
        self.sync_dir(prepared).await?;
        self.rename(prepared, path).await?;
        self.sync_dir(path.parent().unwrap_or(Path::new("/"))).await
    }

    pub(crate) async fn lock_dir(&self, path: &Path) -> Result<SimDirLock, IoError> {
        let locked = self
            .universe()
            .machine(self.process().node, |machine| machine.disk.lock(path));
        match locked {
            Some(Ok(inode)) => Ok(SimDirLock {
                universe: Rc::clone(self.universe()),
                process: self.process(),
                inode,
            }),
            Some(Err(refusal)) => Err(io_error("lock", path, refusal)),
            None => unreachable!("a core's machine exists"),
        }
    }
}

fn io_error(operation: &'static str, path: &Path, refusal: Refusal) -> IoError {
    IoError::new(operation, path.display(), refusal.kind, refusal.detail)
}

/// Keeps other processes of the machine out of a directory.
pub(crate) struct SimDirLock {
    universe: Rc<Universe>,
    process: Process,
    inode: u64,
}

impl Drop for SimDirLock {
    fn drop(&mut self) {
        if self.universe.lives(self.process) {
            self.universe
                .machine(self.process.node, |machine| machine.disk.unlock(self.inode));
        }
    }
}

/// An open file of a simulated machine.
pub(crate) struct SimFile {
    universe: Rc<Universe>,
    process: Process,
    inode: u64,
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    async fn operation(
        &self,
        name: &'static str,
        operation: Operation,
    ) -> Result<Outcome, IoError> {
        let result = self
            .universe
            .disk(self.process, &self.path, operation)
            .await;
        result.map_err(|refusal| io_error(name, &self.path, refusal))
    }

    pub(crate) async fn write_blocks(&self, blocks: Blocks, position: u64) -> Result<(), IoError> {
        assert!(
            self.writable,
            "a write to a file that was opened for reading"
        );
        // The bytes may change behind the written length while a real write is under way; those
        // bytes mean nothing to their writer, so the moment of the copy is as good as any.
        let bytes = Rc::from(blocks.snapshot());
        self.operation(
            "write",
            Operation::Write {
                inode: self.inode,
                position,
                bytes,
            },
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn read_at(&self, position: u64, len: usize) -> Result<Bytes, IoError> {
        let operation = Operation::Read {
            inode: self.inode,
            position,
            len,
        };
        match self.operation("read", operation).await? {
            Outcome::Bytes(bytes) => Ok(Bytes::from(bytes)),
            _ => unreachable!("reading ends in bytes"),
        }
    }

    pub(crate) async fn flush(&self) -> Result<(), IoError> {
        self.operation("flush", Operation::Flush { inode: self.inode })
            .await?;
        Ok(())
    }

    pub(crate) async fn allocate(&self, len: u64) -> Result<(), IoError> {
        assert!(
            self.writable,
            "an allocation in a file that was opened for reading"
        );
        self.operation(
            "allocate",
            Operation::Allocate {
                inode: self.inode,
                len,
            },
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn truncate(&self, len: u64) -> Result<(), IoError> {
        assert!(
            self.writable,
            "a truncation of a file that was opened for reading"
        );
        self.operation(
            "truncate",
            Operation::Truncate {
                inode: self.inode,
                len,
            },
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn len(&self) -> Result<u64, IoError> {
        let len = self
            .universe
            .machine(self.process.node, |machine| machine.disk.len_of(self.inode));
        match len {
            Some(Ok(len)) => Ok(len),
            Some(Err(refusal)) => Err(io_error("stat", &self.path, refusal)),
            None => unreachable!("a file's machine exists"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.universe.close_file(self.process, self.inode);
    }
}
