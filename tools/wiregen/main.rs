//! Generates the wire room's codec from `src/wire/definitions/`.
//!
//! `cargo run -p forebay-wiregen` rewrites `src/wire/generated/` and `src/wire/tests/samples/`;
//! with `--check` it changes nothing and ends with 1 when something is out of date.
//!
//! Invariant: the output depends on the definitions and on rustfmt alone.

mod emit_code;
mod emit_samples;
mod emit_tables;
mod model;
mod names;
mod parse;
#[cfg(test)]
mod tests;

use crate::model::{Definition, Head};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut check = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => check = true,
            _ => return Err("usage: forebay-wiregen [--check]".into()),
        }
    }
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/wire");
    let files = generate(&wire)?;
    let stale = stale(&roots(&wire), &files)?;
    if check {
        for path in &stale {
            eprintln!("out of date: {}", path.display());
        }
        if stale.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("run `make wire` and commit the result");
        return Ok(ExitCode::FAILURE);
    }
    for path in &stale {
        match files.get(path) {
            Some(text) => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(path, text)?;
            }
            None => fs::remove_file(path)?,
        }
    }
    println!("{} files, {} rewritten", files.len(), stale.len());
    Ok(ExitCode::SUCCESS)
}

/// The folders that hold generated files and nothing else.
fn roots(wire: &Path) -> [PathBuf; 2] {
    [wire.join("generated"), wire.join("tests/samples")]
}

/// The paths that are missing, different or should not be there.
fn stale(
    roots: &[PathBuf],
    files: &BTreeMap<PathBuf, String>,
) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut stale = Vec::new();
    for (path, text) in files {
        if fs::read_to_string(path).ok().as_ref() != Some(text) {
            stale.push(path.clone());
        }
    }
    for root in roots {
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if !files.contains_key(&path) {
                    stale.push(path);
                }
            }
        }
    }
    Ok(stale)
}

/// All files that should be there, by path.
fn generate(wire: &Path) -> Result<BTreeMap<PathBuf, String>, Box<dyn Error>> {
    let definitions = definitions(&wire.join("definitions"))?;
    let generated = wire.join("generated");
    let mut files = BTreeMap::new();
    for definition in &definitions {
        let folder = match &definition.head {
            Head::Api(_) => "apis/",
            Head::Record(_) if definition.path.starts_with("records/") => "records/",
            Head::Record(_) => "",
        };
        let path = generated.join(format!("{folder}{}.rs", definition.module()));
        let old = files.insert(path, emit_code::module(definition));
        if old.is_some() {
            return Err(format!("two definitions make the module {}", definition.module()).into());
        }
    }
    let tables = [
        ("api_key.rs", emit_tables::api_keys(&definitions)),
        ("dispatch.rs", emit_tables::dispatch(&definitions)),
        ("families.rs", emit_tables::families(&definitions)),
    ];
    for (name, text) in tables {
        files.insert(generated.join(name), text);
    }
    for (name, text) in emit_tables::module_lists(&definitions) {
        files.insert(generated.join(name), text);
    }
    for (name, text) in emit_samples::samples(&definitions) {
        files.insert(wire.join("tests/samples").join(name), text);
    }
    format_all(wire, &mut files)?;
    Ok(files)
}

/// Every definition, APIs by key and before records.
fn definitions(folder: &Path) -> Result<Vec<Definition>, Box<dyn Error>> {
    let mut found = Vec::new();
    for (folder, prefix) in [
        (folder.to_owned(), ""),
        (folder.join("records"), "records/"),
    ] {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            if name.ends_with(".def") {
                let text = fs::read_to_string(&path)?;
                let label = format!("{prefix}{name}");
                found.push(parse::parse(&label, &text).map_err(|error| error.to_string())?);
            }
        }
    }
    found.sort_by_key(|definition| {
        let key = match &definition.head {
            Head::Api(api) => api.key,
            Head::Record(_) => i16::MAX,
        };
        (key, definition.path.clone())
    });
    Ok(found)
}

/// Formats all texts by one run of rustfmt in a temporary copy of the two folders.
fn format_all(wire: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<(), Box<dyn Error>> {
    let scratch = std::env::temp_dir().join(format!("forebay-wiregen-{}", std::process::id()));
    for (path, text) in files.iter() {
        let copy = scratch.join(path.strip_prefix(wire)?);
        if let Some(parent) = copy.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(copy, text)?;
    }
    let done = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=100"])
        .args(roots(&scratch).map(|root| root.join("mod.rs")))
        .status()?;
    if !done.success() {
        return Err(format!("rustfmt refused generated code in {}", scratch.display()).into());
    }
    for (path, text) in files.iter_mut() {
        *text = fs::read_to_string(scratch.join(path.strip_prefix(wire)?))?;
    }
    fs::remove_dir_all(scratch)?;
    Ok(())
}
