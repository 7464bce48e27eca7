//! What others measured of themselves, under their own names, as the text that Prometheus reads.
//!
//! Unlike a [`crate::Page`] its families come from outside. Invariants: names and labels are made
//! fit for the format, whatever they were; each family is written in one piece under one head; a
//! label is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::page::{Labels, number};

/// Families of series that others named.
#[derive(Debug, Default)]
pub struct ForeignPage {
    families: BTreeMap<String, Family>,
}

#[derive(Debug)]
struct Family {
    kind: &'static str,
    text: String,
}

/// The labels of one foreign series.
#[derive(Debug, Default)]
pub struct ForeignLabels {
    names: BTreeSet<String>,
    labels: Labels,
}

impl ForeignLabels {
    /// No labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One label more; the first one of a name stays.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        let name = fitting(name).replace(':', "_");
        if self.names.insert(name.clone()) {
            self.labels = self.labels.and(&name, value);
        }
        self
    }
}

impl ForeignPage {
    /// A page without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series. A family of which some say that it only rises, and some not, is of no kind.
    pub fn put(&mut self, name: &str, labels: &ForeignLabels, value: f64, only_rises: bool) {
        let name = fitting(name);
        let kind = if only_rises { "counter" } else { "gauge" };
        let family = self.families.entry(name.clone()).or_insert_with(|| Family {
            kind,
            text: String::new(),
        });
        if family.kind != kind {
            family.kind = "untyped";
        }
        let labels = labels.labels.in_braces();
        // Writing to a string cannot fail.
        let _ = writeln!(family.text, "{name}{labels} {}", number(value));
    }

    /// Takes the next family out as text; nothing when all were taken.
    pub fn take_text(&mut self) -> Option<String> {
        let (name, family) = self.families.pop_first()?;
        let help = "As clients measured it themselves and pushed it.";
        let (kind, lines) = (family.kind, family.text);
        Some(format!(
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}"
        ))
    }
}

/// The name with everything replaced that the format does not know in names.
fn fitting(name: &str) -> String {
    let is_fit = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let replaced = name
        .chars()
        .map(|character| if is_fit(character) { character } else { '_' });
    let begins_wrong = name
        .chars()
        .next()
        .is_none_or(|first| first.is_ascii_digit());
    begins_wrong
        .then_some('_')
        .into_iter()
        .chain(replaced)
        .collect()
}
