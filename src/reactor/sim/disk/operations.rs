//! What processes ask of a disk, and how each request ends: as asked, refused, failed by the
//! device, or left in any state by a process or a power supply that died meanwhile.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::Random;

use super::content::Content;
use super::namespace::Inode;
use super::{Disk, Node, ROOT, Refusal, names_of};
use crate::{Entry, OpenMode};

const READ_SMALL_LEN_MAX: u64 = 64 << 20;

/// A request to the file system.
#[derive(Clone, Debug)]
pub(in crate::sim) enum Operation {
    /// Opens or creates a file.
    Open { path: PathBuf, mode: OpenMode },
    /// Creates a directory and those above it.
    CreateDirAll { path: PathBuf },
    /// Lists a directory.
    List { path: PathBuf },
    /// Renames a file or directory.
    Rename { from: PathBuf, to: PathBuf },
    /// Removes a file.
    RemoveFile { path: PathBuf },
    /// Removes a directory with everything in it.
    RemoveDirAll { path: PathBuf },
    /// Makes changes of names durable.
    SyncDir { path: PathBuf },
    /// Reads a small file whole.
    ReadSmall { path: PathBuf },
    /// Creates a file with this content, or replaces the content it has, and opens it.
    WriteSmall { path: PathBuf, bytes: Rc<[u8]> },
    /// Writes sectors of an open file.
    Write {
        inode: u64,
        position: u64,
        bytes: Rc<[u8]>,
    },
    /// Reads an open file.
    Read {
        inode: u64,
        position: u64,
        len: usize,
    },
    /// Makes an open file's content and size durable.
    Flush { inode: u64 },
    /// Makes an open file at least this long.
    Allocate { inode: u64, len: u64 },
    /// Makes an open file exactly this long.
    Truncate { inode: u64, len: u64 },
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, mode } => write!(formatter, "open {} {mode:?}", path.display()),
            Self::CreateDirAll { path } => write!(formatter, "create {}", path.display()),
            Self::List { path } => write!(formatter, "list {}", path.display()),
            Self::Rename { from, to } => {
                write!(formatter, "rename {} to {}", from.display(), to.display())
            }
            Self::RemoveFile { path } => write!(formatter, "remove {}", path.display()),
            Self::RemoveDirAll { path } => write!(formatter, "remove all of {}", path.display()),
            Self::SyncDir { path } => write!(formatter, "sync {}", path.display()),
            Self::ReadSmall { path } => write!(formatter, "read {}", path.display()),
            Self::WriteSmall { path, bytes } => {
                write!(formatter, "write {} +{}", path.display(), bytes.len())
            }
            Self::Write {
                inode,
                position,
                bytes,
            } => {
                write!(formatter, "write #{inode} {position} +{}", bytes.len())
            }
            Self::Read {
                inode,
                position,
                len,
            } => {
                write!(formatter, "read #{inode} {position} +{len}")
            }
            Self::Flush { inode } => write!(formatter, "flush #{inode}"),
            Self::Allocate { inode, len } => write!(formatter, "allocate #{inode} {len}"),
            Self::Truncate { inode, len } => write!(formatter, "truncate #{inode} {len}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => formatter.write_str("done"),
            Self::Opened(inode) => write!(formatter, "opened #{inode}"),
            Self::Bytes(bytes) => write!(formatter, "{} bytes", bytes.len()),
            Self::Entries(entries) => write!(formatter, "{} names", entries.len()),
        }
    }
}

/// How a request was answered.
#[derive(Clone, Debug)]
pub(in crate::sim) enum Outcome {
    /// It was done.
    Done,
    /// The file is open.
    Opened(u64),
    /// These bytes were read.
    Bytes(Vec<u8>),
    /// These names were found.
    Entries(Vec<Entry>),
}

/// An operation on its way through the device; a flush covers only what was there before it.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Submitted {
    operation: Operation,
    mark: u64,
}

impl Disk {
    /// Hands an operation to the device.
    pub(in crate::sim) fn submit(&mut self, operation: Operation) -> Submitted {
        let mark = match &operation {
            Operation::Flush { inode } => self.content(*inode).map_or(0, |content| content.mark()),
            Operation::SyncDir { .. } => self.names.mark(),
            _ => 0,
        };
        Submitted { operation, mark }
    }

    /// The device has done the operation.
    pub(in crate::sim) fn complete(&mut self, submitted: Submitted) -> Result<Outcome, Refusal> {
        match submitted.operation {
            Operation::Open { path, mode } => self.open(&path, mode),
            Operation::CreateDirAll { path } => self.create_dir_all(&path),
            Operation::List { path } => self.list(&path),
            Operation::Rename { from, to } => self.rename(&from, &to),
            Operation::RemoveFile { path } => self.remove_file(&path),
            Operation::RemoveDirAll { path } => self.remove_dir_all(&path),
            Operation::SyncDir { path } => {
                let directory = self.directory(&path)?;
                self.names.sync(directory, submitted.mark);
                self.collect();
                Ok(Outcome::Done)
            }
            Operation::ReadSmall { path } => self.read_small(&path),
            Operation::WriteSmall { path, bytes } => self.write_small(&path, &bytes),
            Operation::Write {
                inode,
                position,
                bytes,
            } => {
                self.require_room(inode, position + bytes.len() as u64)?;
                self.content(inode)?.write(position, bytes);
                Ok(Outcome::Done)
            }
            Operation::Read {
                inode,
                position,
                len,
            } => Ok(Outcome::Bytes(self.content(inode)?.read(position, len))),
            Operation::Flush { inode } => {
                self.content(inode)?.flush_up_to(submitted.mark);
                Ok(Outcome::Done)
            }
            Operation::Allocate { inode, len } => {
                self.require_room(inode, len)?;
                let content = self.content(inode)?;
                if len > content.len() {
                    content.set_len(len);
                }
                Ok(Outcome::Done)
            }
            Operation::Truncate { inode, len } => {
                self.require_room(inode, len)?;
                self.content(inode)?.set_len(len);
                Ok(Outcome::Done)
            }
        }
    }

    /// The device has failed the operation: a write may have happened in part, what a flush
    /// covered may be lost for good, everything else did not happen.
    pub(in crate::sim) fn fail(&mut self, submitted: &Submitted, random: &mut Random) -> Refusal {
        match &submitted.operation {
            Operation::Write {
                inode,
                position,
                bytes,
            } => {
                let room = self.require_room(*inode, position + bytes.len() as u64);
                if let (Ok(()), Ok(content)) = (room, self.content(*inode)) {
                    content.write_in_part(*position, bytes, random);
                }
            }
            Operation::Flush { inode } => {
                if let Ok(content) = self.content(*inode) {
                    content.lose_up_to(submitted.mark, random);
                }
            }
            _ => {}
        }
        Refusal::DEVICE
    }

    /// The process died while the operation was under way, so nobody will hear how it ended: it
    /// happened, did not, or did in part.
    pub(in crate::sim) fn abandon(&mut self, submitted: Submitted, random: &mut Random) {
        match (&submitted.operation, random.below(3)) {
            (Operation::Write { .. }, 0) => {
                self.fail(&submitted, random);
            }
            (_, 1) => {
                // Whether it succeeds concerns nobody; an opened file is closed with the process.
                drop(self.complete(submitted));
            }
            _ => {}
        }
    }

    /// Refuses to let a file grow to `len` bytes where the disk has no room for that.
    fn require_room(&mut self, inode: Inode, len: u64) -> Result<(), Refusal> {
        let now = self.content(inode)?.len();
        if len > now && len - now > self.free() {
            return Err(Refusal::NO_SPACE);
        }
        Ok(())
    }

    fn open(&mut self, path: &Path, mode: OpenMode) -> Result<Outcome, Refusal> {
        let (directory, name) = self.place(path)?;
        let inode = match (self.names.get(directory, name), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(Refusal::EXISTS),
            (Some(inode), _) => inode,
            (None, OpenMode::CreateNew) => {
                let file = Node::File {
                    content: Content::default(),
                    handles: 0,
                };
                self.create(directory, name, file)
            }
            (None, _) => return Err(Refusal::NOT_FOUND),
        };
        let Some(Node::File { handles, .. }) = self.nodes.get_mut(&inode) else {
            return Err(Refusal::IS_DIRECTORY);
        };
        *handles += 1;
        Ok(Outcome::Opened(inode))
    }

    fn create_dir_all(&mut self, path: &Path) -> Result<Outcome, Refusal> {
        let mut directory = ROOT;
        for name in names_of(path) {
            directory = match self.names.get(directory, name) {
                Some(inode) if matches!(self.nodes.get(&inode), Some(Node::Directory)) => inode,
                Some(_) => return Err(Refusal::NOT_DIRECTORY),
                None => self.create(directory, name, Node::Directory),
            };
        }
        Ok(Outcome::Done)
    }

    fn list(&self, path: &Path) -> Result<Outcome, Refusal> {
        let directory = self.directory(path)?;
        let entries = self.names.list(directory).map(|(name, inode)| {
            let (is_dir, len) = match self.nodes.get(&inode) {
                Some(Node::File { content, .. }) => (false, content.len()),
                _ => (true, 0),
            };
            Entry {
                name: name.to_owned(),
                is_dir,
                len,
            }
        });
        Ok(Outcome::Entries(entries.collect()))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<Outcome, Refusal> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let inode = self.names.get(from.0, from.1).ok_or(Refusal::NOT_FOUND)?;
        if let Some(replaced) = self.names.get(to.0, to.1)
            && matches!(self.nodes.get(&replaced), Some(Node::Directory))
        {
            let moves_file = matches!(self.nodes.get(&inode), Some(Node::File { .. }));
            if moves_file {
                return Err(Refusal::IS_DIRECTORY);
            }
            if self.names.list(replaced).next().is_some() {
                return Err(Refusal::NOT_EMPTY);
            }
        }
        self.names.rename(from, to, inode);
        Ok(Outcome::Done)
    }

    fn remove_file(&mut self, path: &Path) -> Result<Outcome, Refusal> {
        let (directory, name) = self.place(path)?;
        let inode = self.names.get(directory, name).ok_or(Refusal::NOT_FOUND)?;
        if matches!(self.nodes.get(&inode), Some(Node::Directory)) {
            return Err(Refusal::IS_DIRECTORY);
        }
        self.names.remove(directory, name);
        Ok(Outcome::Done)
    }

    fn remove_dir_all(&mut self, path: &Path) -> Result<Outcome, Refusal> {
        let (parent, name) = self.place(path)?;
        let directory = self.directory(path)?;
        self.empty(directory);
        self.names.remove(parent, name);
        Ok(Outcome::Done)
    }

    fn empty(&mut self, directory: Inode) {
        let children: Vec<(String, Inode)> = self
            .names
            .list(directory)
            .map(|(name, inode)| (name.to_owned(), inode))
            .collect();
        for (name, inode) in children {
            if matches!(self.nodes.get(&inode), Some(Node::Directory)) {
                self.empty(inode);
            }
            self.names.remove(directory, &name);
        }
    }

    fn read_small(&mut self, path: &Path) -> Result<Outcome, Refusal> {
        let inode = self.resolve(path)?;
        let content = self.content(inode)?;
        if content.len() > READ_SMALL_LEN_MAX {
            return Err(Refusal::TOO_LARGE);
        }
        Ok(Outcome::Bytes(
            content.read(0, base::usize_from_u64(content.len())),
        ))
    }

    fn write_small(&mut self, path: &Path, bytes: &[u8]) -> Result<Outcome, Refusal> {
        let (directory, name) = self.place(path)?;
        let mode = match self.names.get(directory, name) {
            Some(_) => OpenMode::Existing,
            None => OpenMode::CreateNew,
        };
        let opened = self.open(path, mode)?;
        let Outcome::Opened(inode) = opened else {
            unreachable!("opening ends in an open file");
        };
        let len = bytes.len() as u64;
        if let Err(refusal) = self.require_room(inode, len) {
            self.close(inode);
            return Err(refusal);
        }
        let mut sectors = bytes.to_vec();
        sectors.resize(bytes.len().next_multiple_of(512), 0);
        let content = self.content(inode)?;
        content.set_len(0);
        content.write(0, Rc::from(sectors));
        content.set_len(len);
        Ok(opened)
    }
}
