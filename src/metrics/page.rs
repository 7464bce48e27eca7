//! What was counted, as the text that Prometheus reads (exposition format 0.0.4).
//!
//! Every core fills a page of its own; pages are merged and written once. Invariants: each family
//! is written in one piece under one head; a label's value may hold any text; a page never holds
//! a family that is not in [`crate::names`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::histogram::{BOUNDS_US, HistogramReading};

/// What the numbers of a family mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count that only rises until the node ends.
    Counter,
    /// A level that rises and falls.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

/// A family of series: its name and what it tells.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The name, which ends with its unit, counters with `_total`.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
}

/// The labels of one series, escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    text: String,
}

impl Labels {
    /// No labels.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The one label `name`.
    #[must_use]
    pub fn of(name: &str, value: impl std::fmt::Display) -> Self {
        Self::none().and(name, value)
    }

    /// One label more.
    #[must_use]
    pub fn and(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(name);
        self.text.push_str("=\"");
        // Writing to a string cannot fail.
        let _ = write!(Escaped(&mut self.text), "{value}");
        self.text.push('"');
        self
    }

    /// As they stand behind a name.
    pub(crate) fn in_braces(&self) -> String {
        if self.text.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", self.text)
        }
    }
}

/// Writes the value of a label, in which three characters have a meaning of their own.
struct Escaped<'t>(&'t mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Count(u64),
    Level(f64),
    Whole(i64),
    Durations(Box<HistogramReading>),
}

/// A family and its series.
type Series = (&'static Family, Vec<(Labels, Value)>);

/// Series by family; may travel to another core.
#[derive(Debug, Default)]
pub struct Page {
    families: BTreeMap<&'static str, Series>,
}

impl Page {
    /// A page without series.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn put(&mut self, family: &'static Family, kind: Kind, labels: Labels, value: Value) {
        assert_eq!(family.kind, kind, "{} is of another kind", family.name);
        let (_, series) = self
            .families
            .entry(family.name)
            .or_insert_with(|| (family, Vec::new()));
        series.push((labels, value));
    }

    /// Adds a series of a counter.
    pub fn count(&mut self, family: &'static Family, labels: Labels, value: u64) {
        self.put(family, Kind::Counter, labels, Value::Count(value));
    }

    /// Adds a series of a gauge.
    pub fn level(&mut self, family: &'static Family, labels: Labels, value: f64) {
        self.put(family, Kind::Gauge, labels, Value::Level(value));
    }

    /// Adds a series of a gauge that counts things.
    pub fn whole(&mut self, family: &'static Family, labels: Labels, value: i64) {
        self.put(family, Kind::Gauge, labels, Value::Whole(value));
    }

    /// As [`Page::whole`], for sizes; what is too large for the format's signed numbers is cut.
    pub fn size(&mut self, family: &'static Family, labels: Labels, value: u64) {
        self.whole(family, labels, i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Adds a series of a histogram.
    pub fn durations(
        &mut self,
        family: &'static Family,
        labels: Labels,
        reading: HistogramReading,
    ) {
        let value = Value::Durations(Box::new(reading));
        self.put(family, Kind::Histogram, labels, value);
    }

    /// Takes in another core's page.
    pub fn merge(&mut self, other: Self) {
        for (name, (family, series)) in other.families {
            let (_, own) = self
                .families
                .entry(name)
                .or_insert_with(|| (family, Vec::new()));
            own.extend(series);
        }
    }

    /// How many series it holds.
    #[must_use]
    pub fn series(&self) -> usize {
        self.families.values().map(|(_, series)| series.len()).sum()
    }

    /// Takes the next family out as text; nothing when all were taken. One family at a time, so
    /// that a core can do other things in between.
    pub fn take_text(&mut self) -> Option<String> {
        let (_, (family, series)) = self.families.pop_first()?;
        let mut text = String::new();
        head(&mut text, family);
        for (labels, value) in series {
            line(&mut text, family.name, &labels, &value);
        }
        Some(text)
    }

    /// The whole page as text.
    #[must_use]
    pub fn into_text(mut self) -> String {
        let mut text = String::new();
        while let Some(family) = self.take_text() {
            text.push_str(&family);
        }
        text
    }
}

fn head(text: &mut String, family: &Family) {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let name = family.name;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &Labels, value: &Value) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Count(count) => writeln!(text, "{name}{} {count}", labels.in_braces()),
        Value::Whole(level) => writeln!(text, "{name}{} {level}", labels.in_braces()),
        Value::Level(level) => writeln!(text, "{name}{} {}", labels.in_braces(), number(*level)),
        Value::Durations(reading) => return buckets(text, name, labels, reading),
    };
}

fn buckets(text: &mut String, name: &str, labels: &Labels, reading: &HistogramReading) {
    let mut below = 0_u64;
    let bounds = BOUNDS_US.iter().map(|us| number(seconds(*us)));
    let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
    for (bound, count) in bounds.zip(&reading.counts) {
        below = below.wrapping_add(*count);
        let labels = labels.clone().and("le", bound).in_braces();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}_bucket{labels} {below}");
    }
    let labels = labels.in_braces();
    let sum = number(seconds(reading.sum_us));
    let _ = writeln!(
        text,
        "{name}_sum{labels} {sum}\n{name}_count{labels} {below}"
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of centuries fit into 53 bits"
)]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A number as the format writes it.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}
