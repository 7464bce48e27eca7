//! Cargo's manifests against the table of rooms.

use crate::rooms::{self, ROOMS};
use crate::tree::{SourceFile, Tree};

/// External crates that stand for the kernel, and the only folders that may depend on them.
const KERNEL_CRATES: [&str; 5] = ["glommio", "io-uring", "nix", "libc", "rustix"];
const KERNEL_HOMES: [&str; 2] = ["src/reactor/", "tools/probe/"];

pub(crate) fn outside_table(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for manifest in manifests(tree) {
        let name = manifest.room();
        for (section, dependency) in dependencies(manifest) {
            if let Some(what) = judge(name, section, dependency) {
                violations.push(format!("{}: {what}", manifest.path));
            }
            let is_home = KERNEL_HOMES
                .iter()
                .any(|home| manifest.path.starts_with(home));
            if KERNEL_CRATES.contains(&dependency) && !is_home {
                violations.push(format!("{}: depends on {dependency}", manifest.path));
            }
        }
        if manifest.path.starts_with("src/") && rooms::find(name).is_none() {
            violations.push(format!("{}: the table has no room `{name}`", manifest.path));
        }
    }
    violations
}

/// What is wrong with one dependency of one room, if anything.
fn judge(name: &str, section: Section, dependency: &str) -> Option<String> {
    let target = rooms::find(dependency);
    let Some(room) = rooms::find(name) else {
        // The root package and the tools may import every room.
        return None;
    };
    match (target, section) {
        (None, _) if dependency.starts_with("forebay") => Some(format!(
            "`{name}` may not import the tool or product `{dependency}`"
        )),
        (None, _) => None,
        (Some(target), Section::Product) => {
            let allowed = room.imports.contains(&target.name);
            (!allowed).then(|| format!("`{name}` may not import `{dependency}`"))
        }
        // Tests may borrow from the same layer and below, so that no cycle can form.
        (Some(target), Section::Tests) => (target.layer > room.layer)
            .then(|| format!("tests of `{name}` may not import `{dependency}` from above")),
    }
}

pub(crate) fn member_order(tree: &Tree) -> Vec<String> {
    let Some(root) = tree.get("Cargo.toml") else {
        return vec!["Cargo.toml is missing".to_owned()];
    };
    let mut violations = Vec::new();
    let mut layer_before = 0;
    let members = root
        .text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"src/"))
        .filter_map(|rest| rest.split('"').next());
    for member in members {
        match rooms::find(member) {
            Some(room) if room.layer < layer_before => {
                violations.push(format!("`{member}` of layer {} comes too late", room.layer));
            }
            Some(room) => layer_before = room.layer,
            None => violations.push(format!("the table has no room `{member}`")),
        }
    }
    violations
}

/// A room or the product inherits each dependency from the workspace's table, where its reason
/// stands; a tool may declare what nothing else uses, and says why on the spot.
pub(crate) fn dependencies_without_reason(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for manifest in manifests(tree) {
        let may_declare = manifest.path.starts_with("tools/");
        let mut section = "";
        let mut reason_above = false;
        for line in manifest.text.lines().map(str::trim) {
            if line.starts_with('#') {
                reason_above = true;
                continue;
            }
            if line.starts_with('[') {
                section = line;
            }
            let declares = section.ends_with("dependencies]") && line.contains('=');
            let is_inherited = line.contains("workspace = true") || line.contains("path = ");
            let is_table = section == "[workspace.dependencies]";
            if declares && !is_inherited {
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if !is_table && !may_declare {
                    violations.push(format!("{}: `{name}` is not inherited", manifest.path));
                }
                if !reason_above && !line.contains(" # ") {
                    violations.push(format!("{}: `{name}` has no comment", manifest.path));
                }
            }
            // One comment may speak for the lines that follow it without a gap.
            reason_above = reason_above && !line.is_empty();
        }
    }
    violations
}

/// Where a dependency is declared: for the product, or for tests and build alone.
#[derive(Clone, Copy)]
enum Section {
    Product,
    Tests,
}

fn manifests(tree: &Tree) -> impl Iterator<Item = &SourceFile> {
    tree.files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
}

/// Every line of a manifest that declares a dependency, with its section.
fn sections(manifest: &SourceFile) -> impl Iterator<Item = (Option<Section>, &str)> {
    let mut section = None;
    manifest
        .text
        .lines()
        .map(str::trim)
        .filter_map(move |line| {
            if line.starts_with('[') {
                section = match line {
                    "[dependencies]" => Some(Section::Product),
                    "[dev-dependencies]" | "[build-dependencies]" => Some(Section::Tests),
                    _ => None,
                };
                return None;
            }
            let declares = !line.is_empty() && !line.starts_with('#') && line.contains('=');
            (declares && section.is_some()).then_some((section, line))
        })
}

fn dependencies(manifest: &SourceFile) -> impl Iterator<Item = (Section, &str)> {
    sections(manifest).filter_map(|(section, line)| {
        let name = line.split(['.', ' ', '=']).next()?;
        Some((section?, name))
    })
}

#[test]
fn the_table_points_down() {
    for room in ROOMS {
        for import in room.imports {
            let Some(target) = rooms::find(import) else {
                panic!("`{}` imports the unknown room `{import}`", room.name);
            };
            assert!(
                target.layer < room.layer
                    || target.layer == 0
                    || is_listed_before(import, room.name),
                "`{}` imports `{import}` of its own layer or above",
                room.name
            );
            assert!(
                !room.is_pure || target.is_pure,
                "`{}` is pure, `{import}` is not",
                room.name
            );
        }
    }
}

/// Rooms of one layer may import one another in the order of the table only.
fn is_listed_before(first: &str, second: &str) -> bool {
    let place = |name: &str| ROOMS.iter().position(|room| room.name == name);
    place(first) < place(second)
}
