//! How long files may be, how they begin, and whether the compiler sees them at all.

use std::collections::BTreeSet;

use crate::exceptions::{Place, judge};
use crate::tree::{SourceFile, Tree};

const FILE_LINES_MAX: usize = 800;
const DOOR_LINES_MAX: usize = 120;

pub(crate) fn long_files(tree: &Tree) -> Vec<String> {
    judge(places(tree))
}

/// All places that exceptions may cover.
pub(crate) fn places(tree: &Tree) -> Vec<Place> {
    let mut places = Vec::new();
    for file in tree.product() {
        // Blank lines of `production` are comments, tests and blank lines of the file; comments
        // and blank lines count, since they are read too, tests do not.
        let tests = file.code.lines().zip(file.production.lines());
        let test_lines = tests.filter(|(code, kept)| code != kept).count();
        let lines = file.text.lines().count() - test_lines;
        if lines > FILE_LINES_MAX {
            places.push(Place {
                rule: "long file",
                path: file.path.clone(),
                what: format!("{lines} production lines, {FILE_LINES_MAX} are the limit"),
            });
        }
    }
    places
}

/// A door holds no logic: it may declare and re-export, so it has no function body.
pub(crate) fn long_doors(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for file in tree.product().filter(|file| is_door(file)) {
        let lines = file.text.lines().count();
        if lines > DOOR_LINES_MAX {
            violations.push(format!("{}: {lines} lines", file.path));
        }
        if file
            .production
            .lines()
            .any(|line| line.trim_start().starts_with("fn "))
        {
            violations.push(format!("{}: has a function", file.path));
        }
    }
    violations
}

pub(crate) fn headless_files(tree: &Tree) -> Vec<String> {
    tree.files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| file.path.clone())
        .collect()
}

/// Files that no `mod`, `#[path]` or manifest leads to.
pub(crate) fn orphan_files(tree: &Tree) -> Vec<String> {
    let mut reached = BTreeSet::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".rs")) {
        reached.extend(declared_by(file));
        if is_crate_root(tree, file) {
            reached.insert(file.path.clone());
        }
    }
    tree.files
        .iter()
        .filter(|file| file.path.ends_with(".rs") && !reached.contains(&file.path))
        .map(|file| file.path.clone())
        .collect()
}

fn is_door(file: &SourceFile) -> bool {
    let parts: Vec<&str> = file.path.split('/').collect();
    matches!(parts.as_slice(), ["src", _, "lib.rs"])
}

/// Roots that cargo finds by name, and those that a manifest names with `path = "..."`.
fn is_crate_root(tree: &Tree, file: &SourceFile) -> bool {
    let (folder, name) = split(&file.path);
    let parent = tree.get(&format!("{}/Cargo.toml", split(folder).0));
    let finds_tests = parent.is_some_and(|manifest| !manifest.text.contains("autotests = false"));
    let by_name = matches!(name, "lib.rs" | "main.rs" | "build.rs")
        || matches!(folder, "tests" | "benches")
        || folder.ends_with("/bin")
        || folder.ends_with("/tests") && finds_tests
        || folder.ends_with("/benches") && parent.is_some();
    by_name
        || tree.files.iter().any(|manifest| {
            let Some(base) = manifest.path.strip_suffix("Cargo.toml") else {
                return false;
            };
            let relative = file.path.strip_prefix(base);
            relative.is_some_and(|path| manifest.text.contains(&format!("path = \"{path}\"")))
        })
}

/// The paths that the file's `mod name;` lines could mean.
fn declared_by(file: &SourceFile) -> Vec<String> {
    let (folder, name) = split(&file.path);
    let stem = name.trim_end_matches(".rs");
    let own_folder = if matches!(stem, "lib" | "main" | "mod") || folder == "tests" {
        folder.to_owned()
    } else {
        format!("{folder}/{stem}")
    };
    let mut found = Vec::new();
    let mut path = None;
    for (raw, code) in file.text.lines().zip(file.code.lines()) {
        if let Some(rest) = raw.trim().strip_prefix("#[path = \"") {
            path = rest.split('"').next();
            continue;
        }
        let Some(module) = declared_module(code) else {
            continue;
        };
        match path.take() {
            Some(relative) => found.push(join(folder, relative)),
            None => {
                found.push(format!("{own_folder}/{module}.rs"));
                found.push(format!("{own_folder}/{module}/mod.rs"));
                // A `mod` inside a target's own root file, whatever the manifest calls it.
                found.push(format!("{folder}/{module}.rs"));
                found.push(format!("{folder}/{module}/mod.rs"));
            }
        }
    }
    found
}

fn declared_module(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [.., "mod", name] => name.strip_suffix(';'),
        _ => None,
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// `relative` seen from `folder`, with its `..` steps walked.
fn join(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for step in relative.split('/') {
        match step {
            ".." => {
                parts.pop();
            }
            "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}
