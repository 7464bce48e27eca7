//! Documents that list code, compared with the code.

use std::collections::BTreeSet;
use std::path::Path;

use crate::rooms::ROOMS;
use crate::tree::Tree;

const ARCHITECTURE_LINES_MAX: usize = 400;

/// The rows of ARCHITECTURE's room table: layer, room, purpose, imports, purity.
pub(crate) fn room_table(tree: &Tree) -> Vec<String> {
    let rows = table_below(tree, "ARCHITECTURE.md", "## Rooms");
    let mut violations = Vec::new();
    for room in ROOMS {
        let quoted = format!("`{}`", room.name);
        let Some(row) = rows.iter().find(|row| cell(row, 1).starts_with(&quoted)) else {
            violations.push(format!("no row for {quoted}"));
            continue;
        };
        let imports: BTreeSet<&str> = cell(row, 3)
            .split(", ")
            .map(|name| name.trim_matches('`'))
            .filter(|name| *name != "-")
            .collect();
        if imports != room.imports.iter().copied().collect() {
            violations.push(format!(
                "{quoted} imports {imports:?}, {:?} in tidy",
                room.imports
            ));
        }
        if cell(row, 0) != room.layer.to_string() || (cell(row, 4) == "yes") != room.is_pure {
            violations.push(format!("{quoted}: layer or purity differ"));
        }
        let exists = Path::new("src").join(room.name).is_dir();
        if exists == cell(row, 1).contains("later") {
            violations.push(format!(
                "{quoted}: marked `later` must mean that it has no folder"
            ));
        }
    }
    if rows.len() != ROOMS.len() {
        violations.push(format!("{} rows for {} rooms", rows.len(), ROOMS.len()));
    }
    violations
}

/// Every point below "Invariants by absence" must name what keeps it.
pub(crate) fn absences_without_check(tree: &Tree, own_text: &str) -> Vec<String> {
    let points = points_below(tree, "ARCHITECTURE.md", "## Invariants by absence");
    let mut violations = Vec::new();
    for point in &points {
        let checks: Vec<&str> = quoted(point).filter(|word| word.contains("::")).collect();
        let known = checks.iter().any(|check| match check.split_once("::") {
            Some(("tidy", name)) => own_text.contains(&format!("fn {name}()")),
            Some(("clippy" | "rustc" | "cargo" | "const", _)) => true,
            _ => false,
        });
        if !known {
            violations.push(point.clone());
        }
    }
    if points.is_empty() {
        violations.push("ARCHITECTURE.md has no such section".to_owned());
    }
    violations
}

pub(crate) fn architecture_length(tree: &Tree) -> Vec<String> {
    let lines = text(tree, "ARCHITECTURE.md").lines().count();
    if (1..=ARCHITECTURE_LINES_MAX).contains(&lines) {
        Vec::new()
    } else {
        vec![format!("ARCHITECTURE.md has {lines} lines")]
    }
}

/// Paths between backticks in the two documents, of files that are not there.
pub(crate) fn dead_paths(tree: &Tree) -> Vec<String> {
    let mut violations = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md"] {
        for word in quoted(text(tree, document)) {
            let is_path = ["src/", "tests/", "tools/", "benches/", "kernel-notes/"]
                .iter()
                .any(|folder| word.starts_with(folder))
                && !word.contains(['*', '<', ' ', '{']);
            if is_path && !Path::new(word.trim_end_matches(':')).exists() {
                violations.push(format!("{document}: `{word}`"));
            }
        }
    }
    violations
}

/// Notes are files `NNN-name.md`; code says "kernel-note NNN", the index lists each file.
pub(crate) fn kernel_notes(tree: &Tree) -> Vec<String> {
    let mut notes = BTreeSet::new();
    let mut violations = Vec::new();
    let index = text(tree, "kernel-notes/README.md");
    for file in tree
        .files
        .iter()
        .filter(|file| file.path.starts_with("kernel-notes/"))
    {
        let name = file.path.trim_start_matches("kernel-notes/");
        if name == "README.md" {
            continue;
        }
        notes.insert(name.chars().take(3).collect::<String>());
        if !index.contains(name) {
            violations.push(format!("kernel-notes/README.md does not list {name}"));
        }
    }
    let mut cited = BTreeSet::new();
    for file in tree.rust() {
        for rest in file.text.split("kernel-note ").skip(1) {
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !number.is_empty() && !notes.contains(&number) {
                violations.push(format!(
                    "{}: cites note {number}, which is not there",
                    file.path
                ));
            }
            cited.insert(number);
        }
    }
    for note in notes.difference(&cited) {
        violations.push(format!("note {note} is cited by no code"));
    }
    violations
}

/// README's table against the request table, one row of which is one line that begins with
/// `row(ApiKey::Name, min, max,`.
pub(crate) fn api_table(tree: &Tree) -> Vec<String> {
    let Some(table) = tree.get("src/server/table.rs") else {
        return Vec::new();
    };
    let served: BTreeSet<(String, String)> =
        table.production.lines().filter_map(served_api).collect();
    let listed: BTreeSet<(String, String)> = table_below(tree, "README.md", "## API table")
        .iter()
        .map(|row| (cell(row, 0).to_owned(), cell(row, 1).to_owned()))
        .collect();
    let mut violations: Vec<String> = served
        .symmetric_difference(&listed)
        .map(|(name, versions)| format!("{name} {versions}"))
        .collect();
    if served.is_empty() {
        violations.push("src/server/table.rs: no row was understood".to_owned());
    }
    violations
}

/// A row of the request table as README writes it, name and "min-max".
fn served_api(line: &str) -> Option<(String, String)> {
    let row = line.trim().strip_prefix("row(ApiKey::")?;
    let mut cells = row.split(',').map(str::trim);
    let (name, min, max) = (cells.next()?, cells.next()?, cells.next()?);
    Some((name.to_owned(), format!("{min}-{max}")))
}

fn text<'tree>(tree: &'tree Tree, path: &str) -> &'tree str {
    tree.get(path).map_or("", |file| file.text.as_str())
}

/// The lines between a heading and the next one.
fn section<'tree>(tree: &'tree Tree, path: &str, heading: &str) -> Vec<&'tree str> {
    text(tree, path)
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect()
}

/// The body rows of the first table below a heading, without head and rule.
fn table_below<'tree>(tree: &'tree Tree, path: &str, heading: &str) -> Vec<&'tree str> {
    section(tree, path, heading)
        .into_iter()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .collect()
}

/// The points of the list below a heading, each joined to one line.
fn points_below(tree: &Tree, path: &str, heading: &str) -> Vec<String> {
    let mut points: Vec<String> = Vec::new();
    for line in section(tree, path, heading) {
        if let Some(start) = line.strip_prefix("- ") {
            points.push(start.to_owned());
        } else if let (Some(last), true) = (points.last_mut(), line.starts_with("  ")) {
            last.push(' ');
            last.push_str(line.trim());
        }
    }
    points
}

fn cell(row: &str, index: usize) -> &str {
    row.trim_matches('|')
        .split('|')
        .nth(index)
        .unwrap_or_default()
        .trim()
}

/// What stands between single backticks, line by line, so that a fence cannot shift the pairs.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}
