//! Names that may be written in some rooms only, or nowhere.

use crate::exceptions::{Place, judge};
use crate::lexer::has_word;
use crate::rooms;
use crate::tree::{SourceFile, Tree};

/// What only `reactor` may say, since everything above it must run in the simulation too.
const KERNEL: [&str; 18] = [
    "glommio",
    "io_uring",
    "nix::",
    "libc::",
    "RawFd",
    "OwnedFd",
    "AsRawFd",
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    // Addresses are plain values; what talks to them is not.
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "std::fs",
    "std::thread",
    "std::process::Command",
];

/// What shares memory between cores. `Arc` is not among them: what it holds cannot change.
const SHARED: [&str; 12] = [
    "Mutex",
    "RwLock",
    "Condvar",
    "OnceLock",
    "LazyLock",
    "AtomicBool",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
    "AtomicI64",
    "std::sync::atomic",
    "mpsc",
];

/// Marks of work that is not done. Written in halves, so that this file does not break the rule.
const UNFINISHED: [&str; 5] = [
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// What means nothing to someone who has only the repository.
const FOREIGN: [&str; 12] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "plan"),
    concat!("shared/", "design"),
    concat!("shared/", "reference"),
    concat!("this ses", "sion"),
    concat!("an earlier ses", "sion"),
    concat!("crates", ".io"),
    concat!("proxy.", "golang"),
    concat!("registry.", "npmjs"),
    concat!("Clau", "de"),
    concat!("Anthro", "pic"),
];

pub(crate) fn kernel_outside_reactor(tree: &Tree) -> Vec<String> {
    judge(kernel_places(tree))
}

pub(crate) fn shared_memory(tree: &Tree) -> Vec<String> {
    judge(shared_places(tree))
}

pub(crate) fn unsafe_outside_reactor(tree: &Tree) -> Vec<String> {
    judge(unsafe_places(tree))
}

pub(crate) fn std_hash_maps(tree: &Tree) -> Vec<String> {
    judge(hash_map_places(tree))
}

/// All places that exceptions may cover.
pub(crate) fn places(tree: &Tree) -> Vec<Place> {
    let mut all = kernel_places(tree);
    all.extend(shared_places(tree));
    all.extend(unsafe_places(tree));
    all.extend(hash_map_places(tree));
    all
}

pub(crate) fn waiting_in_pure_rooms(tree: &Tree) -> Vec<String> {
    let pure = tree
        .product()
        .filter(|file| rooms::find(file.room()).is_some_and(|room| room.is_pure));
    judge(find("waiting", pure, &["async", ".await", "Future"]))
}

/// Tests are held to this too: an unfinished test is no test.
pub(crate) fn unfinished_work(tree: &Tree) -> Vec<String> {
    let mut places = find("unfinished", tree.rust(), &UNFINISHED);
    for file in tree.files.iter().filter(|file| !file.is_generated()) {
        for (index, line) in file.text.lines().enumerate() {
            let mark = line.split(concat!("TO", "DO")).nth(1);
            // A mark must at least say what is missing and why it can wait.
            if mark.is_some_and(|text| text.split_whitespace().count() < 6) {
                places.push(place("unfinished", file, index, "a mark without a reason"));
            }
        }
    }
    judge(places)
}

pub(crate) fn foreign_references(tree: &Tree) -> Vec<String> {
    let mut places = Vec::new();
    for file in &tree.files {
        for (index, line) in file.text.lines().enumerate() {
            for word in FOREIGN {
                if line.contains(word) {
                    places.push(place("foreign", file, index, word));
                }
            }
            if names_a_ticket(line) {
                places.push(place("foreign", file, index, "the number of a ticket"));
            }
        }
    }
    judge(places)
}

/// True for a ticket named by its number, which only the ticket's author can look up.
fn names_a_ticket(line: &str) -> bool {
    let lower = line.to_lowercase();
    lower.split(concat!("iss", "ue ")).skip(1).any(|rest| {
        rest.trim_start_matches('#')
            .starts_with(|letter: char| letter.is_ascii_digit())
    })
}

fn kernel_places(tree: &Tree) -> Vec<Place> {
    find(
        "kernel",
        outside(tree, &["src/reactor/", "tools/probe/"]),
        &KERNEL,
    )
}

fn shared_places(tree: &Tree) -> Vec<Place> {
    find(
        "shared memory",
        outside(tree, &["src/reactor/", "src/metrics/", "tools/probe/"]),
        &SHARED,
    )
}

fn unsafe_places(tree: &Tree) -> Vec<Place> {
    let elsewhere = tree.rust().filter(|file| {
        !file.path.starts_with("src/reactor/") && !file.path.starts_with("tools/probe/")
    });
    find("unsafe", elsewhere, &["unsafe"])
}

fn hash_map_places(tree: &Tree) -> Vec<Place> {
    find(
        "hash map",
        tree.product(),
        &[
            "std::collections::HashMap",
            "std::collections::HashSet",
            "HashMap::new",
            "HashSet::new",
        ],
    )
}

fn outside<'tree>(
    tree: &'tree Tree,
    folders: &'static [&'static str],
) -> impl Iterator<Item = &'tree SourceFile> {
    tree.product()
        .filter(move |file| !folders.iter().any(|folder| file.path.starts_with(folder)))
}

/// Every production line in `files` that has one of `words`.
fn find<'tree>(
    rule: &'static str,
    files: impl Iterator<Item = &'tree SourceFile>,
    words: &[&str],
) -> Vec<Place> {
    let mut places = Vec::new();
    for file in files {
        for (index, line) in file.production.lines().enumerate() {
            for word in words {
                if has_word(line, word) {
                    places.push(place(rule, file, index, word));
                }
            }
        }
    }
    places
}

fn place(rule: &'static str, file: &SourceFile, index: usize, word: &str) -> Place {
    Place {
        rule,
        path: file.path.clone(),
        what: format!("line {}: `{word}`", index + 1),
    }
}
