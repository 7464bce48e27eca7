//! A strict reader of Prometheus' text: what it lets pass, any scraper lets pass.
//!
//! Everything that the format allows but a node has no reason to write (timestamps, comments,
//! empty lines, families without a head) is a mistake here.

use std::collections::BTreeMap;

/// Labels in order.
type Labels = Vec<(String, String)>;
/// One series: its name with its labels.
type Series = (String, Labels);
/// Bounds and how many are below them.
type Buckets = Vec<(f64, f64)>;

/// A page of metrics.
#[derive(Debug, Default)]
pub(crate) struct Page {
    values: BTreeMap<Series, f64>,
    kinds: BTreeMap<String, String>,
}

impl Page {
    /// Reads a page, and fails at the first line that is not as it should be.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut page = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line
                .strip_prefix("# HELP ")
                .unwrap_or_else(|| panic!("{line}"));
            let (name, help) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !help.is_empty(), "{line}");
            let head = lines.next().unwrap();
            let kind = head
                .strip_prefix(&format!("# TYPE {name} "))
                .unwrap_or_else(|| panic!("{head}"));
            let known = page.kinds.insert(name.to_owned(), kind.to_owned());
            assert!(known.is_none(), "{name} has two heads");
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                page.add(name, kind, line);
            }
        }
        page.check_histograms();
        page
    }

    fn add(&mut self, family: &str, kind: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, labels(rest)),
            None => (series, Vec::new()),
        };
        let suffixes: &[&str] = match kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            "counter" | "gauge" => &[""],
            other => panic!("a kind that is none: {other}"),
        };
        let belongs = suffixes
            .iter()
            .any(|suffix| name == format!("{family}{suffix}"));
        assert!(belongs, "{line} under the head of {family}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        let series = (name.to_owned(), labels);
        let before = self.values.insert(series, value);
        assert!(before.is_none(), "twice: {line}");
    }

    /// Buckets rise with their bounds, and the last one counts all.
    fn check_histograms(&self) {
        for (family, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut buckets: BTreeMap<Labels, Buckets> = BTreeMap::new();
            for ((name, labels), value) in &self.values {
                if *name == format!("{family}_bucket") {
                    let (le, others): (Vec<_>, Vec<_>) =
                        labels.iter().cloned().partition(|(name, _)| name == "le");
                    let bound = le[0].1.parse().unwrap();
                    buckets.entry(others).or_default().push((bound, *value));
                }
            }
            for (labels, mut counts) in buckets {
                counts.sort_by(|left, right| left.0.total_cmp(&right.0));
                assert!(counts.is_sorted_by_key(|(_, count)| *count), "{counts:?}");
                let (bound, count) = counts[counts.len() - 1];
                assert!(bound.is_infinite());
                let total = self.values[&(format!("{family}_count"), labels.clone())];
                assert!((total - count).abs() < f64::EPSILON);
                assert!(self.values.contains_key(&(format!("{family}_sum"), labels)));
            }
        }
    }

    /// All series of this name whose labels hold all of `wanted`.
    pub(crate) fn find(&self, name: &str, wanted: &[(&str, &str)]) -> Vec<f64> {
        let has = |labels: &[(String, String)]| {
            wanted.iter().all(|(name, value)| {
                let mut labels = labels.iter();
                labels.any(|(known, is)| known == name && is == value)
            })
        };
        let series = self.values.iter();
        series
            .filter(|((known, labels), _)| known == name && has(labels))
            .map(|(_, value)| *value)
            .collect()
    }

    /// The sum of them; what does not exist is nothing.
    pub(crate) fn sum(&self, name: &str, wanted: &[(&str, &str)]) -> f64 {
        self.find(name, wanted).into_iter().sum()
    }

    /// Fails where a count of `self` is lower than it was in `before`.
    pub(crate) fn assert_behind(&self, before: &Self) {
        for ((name, labels), value) in &before.values {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|family| self.kinds.contains_key(*family))
                .unwrap_or(name);
            if self.kinds[family] != "gauge" {
                let now = self.values[&(name.clone(), labels.clone())];
                assert!(now >= *value, "{name} {labels:?}: {value}, then {now}");
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The labels in what follows the opening brace, up to the closing one.
fn labels(text: &str) -> Labels {
    let mut labels = Vec::new();
    let mut rest = text;
    loop {
        let (name, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("{text}"));
        assert!(is_name(name), "{text}");
        let mut value = String::new();
        let mut characters = behind.char_indices();
        let end = loop {
            let (at, character) = characters.next().unwrap_or_else(|| panic!("{text}"));
            match character {
                '"' => break at,
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('\\' | '"')) => value.push(escaped),
                    other => panic!("an escape that is none, {other:?}, in {text}"),
                },
                other => value.push(other),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &behind[end + 1..];
        if rest == "}" {
            labels.sort();
            return labels;
        }
        rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("{text}"));
    }
}
