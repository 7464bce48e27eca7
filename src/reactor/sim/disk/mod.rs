//! One machine's disk: a file system whose caches lie, as all do until they are flushed.
//!
//! Everything here is a plain state machine; latency and faults are decided by whoever submits
//! operations (`files.rs`), and the fate of what was not flushed by `power_cut`.

mod content;
mod namespace;
mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use base::{BLOCK_SIZE, Random};

use self::content::Content;
use self::namespace::{Inode, Namespace};
use crate::IoErrorKind;

pub(super) use self::operations::{Operation, Outcome, Submitted};

/// The file that a directory's lock lies on.
const LOCK_FILE: &str = ".lock";
/// The inode of `/`.
const ROOT: Inode = 0;

/// Why an operation was refused: the kind, and the words a kernel would use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The kind to branch on.
    pub(super) kind: IoErrorKind,
    /// The explanation.
    pub(super) detail: &'static str,
}

impl Refusal {
    const NOT_FOUND: Self = Self::new(IoErrorKind::NotFound, "No such file or directory");
    const EXISTS: Self = Self::new(IoErrorKind::AlreadyExists, "File exists");
    const NO_SPACE: Self = Self::new(IoErrorKind::NoSpace, "No space left on device");
    const IS_DIRECTORY: Self = Self::new(IoErrorKind::Other, "Is a directory");
    const NOT_DIRECTORY: Self = Self::new(IoErrorKind::Other, "Not a directory");
    const NOT_EMPTY: Self = Self::new(IoErrorKind::Other, "Directory not empty");
    const TOO_LARGE: Self = Self::new(IoErrorKind::Other, "the file is larger than 64 MiB");
    const LOCKED: Self = Self::new(IoErrorKind::Locked, "another process holds the lock");
    /// What a failing device answers.
    pub(super) const DEVICE: Self = Self::new(IoErrorKind::Device, "Input/output error");

    /// A refusal with its explanation.
    pub(super) const fn new(kind: IoErrorKind, detail: &'static str) -> Self {
        Self { kind, detail }
    }
}

#[derive(Debug)]
enum Node {
    Directory,
    File { content: Content, handles: u32 },
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Disk {
    nodes: BTreeMap<Inode, Node>,
    names: Namespace,
    locks: BTreeSet<Inode>,
    next_inode: Inode,
    capacity: u64,
}

impl Disk {
    /// An empty disk that holds `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Directory)]),
            names: Namespace::default(),
            locks: BTreeSet::new(),
            next_inode: ROOT + 1,
            capacity,
        }
    }

    /// Bytes in all.
    pub(super) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Changes how many bytes there are in all.
    pub(super) const fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Bytes still free. A file that was removed gives its room back once nobody has it open.
    pub(super) fn free(&self) -> u64 {
        let named = self.names.named();
        let used = self.nodes.iter().map(|(inode, node)| match node {
            Node::File { content, handles } if *handles > 0 || named.contains(inode) => {
                content.len().next_multiple_of(BLOCK_SIZE as u64)
            }
            Node::File { .. } | Node::Directory => 0,
        });
        self.capacity.saturating_sub(used.sum())
    }

    /// All processes are gone: their open files and locks with them.
    pub(super) fn processes_gone(&mut self) {
        self.locks.clear();
        for node in self.nodes.values_mut() {
            if let Node::File { handles, .. } = node {
                *handles = 0;
            }
        }
        self.collect();
    }

    /// Power is lost: whatever was not flushed is kept, lost or torn, as `random` draws.
    pub(super) fn power_cut(&mut self, random: &mut Random) {
        self.names.power_cut(random);
        for node in self.nodes.values_mut() {
            if let Node::File { content, .. } = node {
                content.power_cut(random);
            }
        }
        self.processes_gone();
    }

    /// Overwrites bytes of a file behind everybody's back.
    pub(super) fn decay(&mut self, path: &Path, position: u64, bytes: &[u8]) -> bool {
        let Ok(inode) = self.resolve(path) else {
            return false;
        };
        match self.nodes.get_mut(&inode) {
            Some(Node::File { content, .. }) if position + bytes.len() as u64 <= content.len() => {
                content.decay(position, bytes);
                true
            }
            _ => false,
        }
    }

    /// The bytes of a file as a process would read them now, for tests.
    pub(super) fn peek(&self, path: &Path) -> Option<Vec<u8>> {
        match self.nodes.get(&self.resolve(path).ok()?)? {
            Node::File { content, .. } => {
                Some(content.read(0, base::usize_from_u64(content.len())))
            }
            Node::Directory => None,
        }
    }

    /// An open file's length.
    pub(super) fn len_of(&mut self, inode: u64) -> Result<u64, Refusal> {
        self.content(inode).map(|content| content.len())
    }

    /// A process closes a file.
    pub(super) fn close(&mut self, inode: Inode) {
        let Some(Node::File { handles, .. }) = self.nodes.get_mut(&inode) else {
            unreachable!("an open file exists");
        };
        assert!(*handles > 0, "a file is closed as often as it was opened");
        *handles -= 1;
        if *handles == 0 && !self.names.named().contains(&inode) {
            self.collect();
        }
    }

    /// Takes the lock of a directory, which lies on a file in it.
    pub(super) fn lock(&mut self, path: &Path) -> Result<Inode, Refusal> {
        let inode = self.directory(path)?;
        if self.names.get(inode, LOCK_FILE).is_none() {
            let file = Node::File {
                content: Content::default(),
                handles: 0,
            };
            self.create(inode, LOCK_FILE, file);
        }
        if self.locks.insert(inode) {
            Ok(inode)
        } else {
            Err(Refusal::LOCKED)
        }
    }

    /// Gives the lock of a directory back.
    pub(super) fn unlock(&mut self, inode: Inode) {
        self.locks.remove(&inode);
    }

    /// Forgets files that no name and no process can reach any more.
    fn collect(&mut self) {
        let reachable = self.names.reachable();
        self.nodes.retain(|inode, node| {
            let open = matches!(node, Node::File { handles, .. } if *handles > 0);
            *inode == ROOT || open || reachable.contains(inode)
        });
    }

    fn create(&mut self, directory: Inode, name: &str, node: Node) -> Inode {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.nodes.insert(inode, node);
        self.names.add(directory, name, inode);
        inode
    }

    fn resolve(&self, path: &Path) -> Result<Inode, Refusal> {
        let mut inode = ROOT;
        for name in names_of(path) {
            if !matches!(self.nodes.get(&inode), Some(Node::Directory)) {
                return Err(Refusal::NOT_DIRECTORY);
            }
            inode = self.names.get(inode, name).ok_or(Refusal::NOT_FOUND)?;
        }
        Ok(inode)
    }

    fn directory(&self, path: &Path) -> Result<Inode, Refusal> {
        let inode = self.resolve(path)?;
        match self.nodes.get(&inode) {
            Some(Node::Directory) => Ok(inode),
            _ => Err(Refusal::NOT_DIRECTORY),
        }
    }

    /// The directory that holds or would hold `path`, and the last name of it.
    fn place<'path>(&self, path: &'path Path) -> Result<(Inode, &'path str), Refusal> {
        let name = names_of(path).last().ok_or(Refusal::IS_DIRECTORY)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        Ok((self.directory(parent)?, name))
    }

    fn content(&mut self, inode: Inode) -> Result<&mut Content, Refusal> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File { content, .. }) => Ok(content),
            Some(Node::Directory) => Err(Refusal::IS_DIRECTORY),
            None => Err(Refusal::NOT_FOUND),
        }
    }
}

/// The names of a path from the root; a relative path counts from the root as well.
fn names_of(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}
