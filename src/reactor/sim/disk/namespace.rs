//! The tree of names: what a power cut is sure to leave, and the changes since.
//!
//! A change adds a name, removes one, or does both at once (a rename). `sync_dir` makes changes
//! durable whose name lies in that directory; until then a power cut keeps or loses each of them,
//! but never a change whose forerunner on the same name was lost. A file whose name is lost is
//! gone, however often it was flushed.

use std::collections::{BTreeMap, BTreeSet};

use base::Random;

/// A file's or directory's number on its disk.
pub(super) type Inode = u64;

/// A name in a directory.
type Link = (Inode, String);

/// One change of names.
#[derive(Clone, Debug)]
struct Change {
    removes: Option<Link>,
    adds: Option<(Link, Inode)>,
}

impl Change {
    fn links(&self) -> impl Iterator<Item = &Link> {
        self.removes
            .iter()
            .chain(self.adds.iter().map(|(link, _)| link))
    }

    /// The directory whose sync makes this change durable: the one that gains the name, or that
    /// loses it if none does.
    fn directory(&self) -> Option<Inode> {
        let gains = self.adds.as_ref().map(|((directory, _), _)| *directory);
        gains.or_else(|| self.removes.as_ref().map(|(directory, _)| *directory))
    }

    fn apply(&self, links: &mut BTreeMap<Link, Inode>) {
        if let Some(link) = &self.removes {
            links.remove(link);
        }
        if let Some((link, inode)) = &self.adds {
            links.insert(link.clone(), *inode);
        }
    }
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    current: BTreeMap<Link, Inode>,
    durable: BTreeMap<Link, Inode>,
    pending: Vec<(u64, Change)>,
    changes: u64,
}

impl Namespace {
    /// What `name` in `directory` stands for.
    pub(super) fn get(&self, directory: Inode, name: &str) -> Option<Inode> {
        self.current.get(&(directory, name.to_owned())).copied()
    }

    /// The names in `directory` with what they stand for, sorted.
    pub(super) fn list(&self, directory: Inode) -> impl Iterator<Item = (&str, Inode)> {
        let first = (directory, String::new());
        self.current
            .range(first..)
            .take_while(move |((parent, _), _)| *parent == directory)
            .map(|((_, name), inode)| (name.as_str(), *inode))
    }

    /// Gives `inode` a name.
    pub(super) fn add(&mut self, directory: Inode, name: &str, inode: Inode) {
        let adds = Some(((directory, name.to_owned()), inode));
        self.change(Change {
            removes: None,
            adds,
        });
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, directory: Inode, name: &str) {
        self.change(Change {
            removes: Some((directory, name.to_owned())),
            adds: None,
        });
    }

    /// Moves what one name stands for to another name, at once.
    pub(super) fn rename(&mut self, from: (Inode, &str), to: (Inode, &str), inode: Inode) {
        let removes = Some((from.0, from.1.to_owned()));
        let adds = Some(((to.0, to.1.to_owned()), inode));
        self.change(Change { removes, adds });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push((self.changes, change));
        self.changes += 1;
    }

    /// What `sync` must cover to make every change so far durable.
    pub(super) const fn mark(&self) -> u64 {
        self.changes
    }

    /// Makes the changes before `mark` durable that concern `directory`, with all earlier changes
    /// of the same names, without which they would make no sense.
    pub(super) fn sync(&mut self, directory: Inode, mark: u64) {
        let mut needed: BTreeSet<Link> = BTreeSet::new();
        let mut chosen: BTreeSet<u64> = BTreeSet::new();
        for (number, change) in self.pending.iter().rev() {
            let concerned = *number < mark && change.directory() == Some(directory);
            if concerned || change.links().any(|link| needed.contains(link)) {
                needed.extend(change.links().cloned());
                chosen.insert(*number);
            }
        }
        for (number, change) in std::mem::take(&mut self.pending) {
            if chosen.contains(&number) {
                change.apply(&mut self.durable);
            } else {
                self.pending.push((number, change));
            }
        }
    }

    /// Power is lost: draws which changes survived.
    pub(super) fn power_cut(&mut self, random: &mut Random) {
        let kept_in_eight = random.below(9);
        let mut lost: BTreeSet<Link> = BTreeSet::new();
        for (_, change) in std::mem::take(&mut self.pending) {
            let possible = !change.links().any(|link| lost.contains(link));
            if possible && random.chance(kept_in_eight, 8) {
                change.apply(&mut self.durable);
            } else {
                lost.extend(change.links().cloned());
            }
        }
        self.current.clone_from(&self.durable);
    }

    /// Every inode that a name stands for now, stood for durably, or may stand for again.
    pub(super) fn reachable(&self) -> BTreeSet<Inode> {
        let pending = self
            .pending
            .iter()
            .filter_map(|(_, change)| change.adds.as_ref());
        let pending = pending.map(|(_, inode)| *inode);
        self.current
            .values()
            .chain(self.durable.values())
            .copied()
            .chain(pending)
            .collect()
    }

    /// Every inode that a name stands for now.
    pub(super) fn named(&self) -> BTreeSet<Inode> {
        self.current.values().copied().collect()
    }
}
