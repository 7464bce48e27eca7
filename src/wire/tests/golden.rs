//! The bytes of one seeded value of every message at every version, kept in files.
//!
//! Story: a change of the generator or of a definition that moves bytes of a version that is out
//! in the world must show in review. `UPDATE=1` rewrites the files.

use super::round_trip::{Side, encoded};
use super::sample::Source;
use super::samples::RECORDS;
use crate::{APIS, Message};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const SEED: u64 = 4;

/// Where the golden files are.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/wire")
}

/// `bytes` as hexadecimal text, 32 bytes to a line.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn describe(text: &mut String, title: &str, message: &dyn Message, version: i16) {
    let bytes = encoded(message, version);
    let _ = write!(text, "== {title} {version}\n{message:?}\n{}\n", hex(&bytes));
}

/// Compares `text` with the file, or rewrites the file when told to.
fn check(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == text,
        "{} differs from what is encoded now; look at `UPDATE=1` and git diff",
        path.display()
    );
}

/// `FetchRequest` as `fetch_request`, without the word that says which side it is.
fn file_name(name: &str) -> String {
    let mut text = String::new();
    let mut before = 'A';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !before.is_ascii_uppercase() {
            text.push('_');
        }
        before = letter;
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[test]
fn every_api_has_its_golden_bytes() {
    for entry in &APIS {
        let mut text = String::new();
        for side in Side::BOTH {
            for version in entry.versions.iter() {
                let message = side.sample(entry.key, &mut Source::terse(SEED), version);
                let title = format!("{side:?}").to_lowercase();
                describe(&mut text, &title, &*message, version);
            }
        }
        let name = format!("{}_{}.txt", entry.key.code(), file_name(entry.name));
        check(&folder().join(name), &text);
    }
}

#[test]
fn every_record_has_its_golden_bytes() {
    for record in &RECORDS {
        let mut text = format!("# {}\n", record.family);
        for version in record.versions.0..=record.versions.1 {
            let message = (record.sample)(&mut Source::terse(SEED), version);
            describe(&mut text, record.name, &*message, version);
        }
        let name = format!("records/{}.txt", file_name(record.name));
        check(&folder().join(name), &text);
    }
}
