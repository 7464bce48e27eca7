//! Where a rule does not hold, and why. The list may only shrink.

use crate::names;
use crate::sizes;
use crate::tree::Tree;

/// One place that breaks a rule, as the rule found it.
pub(crate) struct Place {
    pub(crate) rule: &'static str,
    pub(crate) path: String,
    pub(crate) what: String,
}

/// A folder or file in which one rule does not hold.
struct Exception {
    rule: &'static str,
    /// A file, or the beginning of the paths of several.
    path: &'static str,
    /// A sentence for the reader.
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[Exception {
    rule: "kernel",
    path: "tools/wiregen/main.rs",
    reason: "the generator reads definitions and writes sources on the developer's machine only",
}];

/// The places that no exception covers, as lines for the reader.
pub(crate) fn judge(places: Vec<Place>) -> Vec<String> {
    places
        .into_iter()
        .filter(|place| !EXCEPTIONS.iter().any(|exception| exception.covers(place)))
        .map(|place| format!("{}: {}", place.path, place.what))
        .collect()
}

/// Exceptions that cover nothing any more, or give no reason.
pub(crate) fn unneeded(tree: &Tree) -> Vec<String> {
    let mut places = names::places(tree);
    places.extend(sizes::places(tree));
    EXCEPTIONS
        .iter()
        .filter(|exception| {
            let is_needed = places.iter().any(|place| exception.covers(place));
            !is_needed || exception.reason.split(' ').count() < 5
        })
        .map(|exception| format!("{} in {}", exception.rule, exception.path))
        .collect()
}

impl Exception {
    fn covers(&self, place: &Place) -> bool {
        self.rule == place.rule && place.path.starts_with(self.path)
    }
}
