//! The tables of keys are consistent in themselves.

use std::collections::BTreeSet;

use crate::key::{Key, Kind};
use crate::keys::Family;
use crate::{Status, canonical, find_broker_key, honoured};

fn all() -> impl Iterator<Item = (Family, &'static Key)> {
    Family::ALL
        .into_iter()
        .flat_map(|family| family.keys().map(move |key| (family, key)))
}

/// A default that its own key refuses would stop every node that sets nothing.
#[test]
fn every_default_passes_its_own_rule_and_is_canonical() {
    for (family, key) in all() {
        let Some(default) = key.default else { continue };
        let shown = canonical(key, default);
        assert_eq!(
            shown.as_deref(),
            Ok(default),
            "{} of {}",
            key.name,
            family.name()
        );
    }
}

/// A key that nobody explains is a key that nobody can set.
#[test]
fn every_key_says_in_a_sentence_what_it_governs() {
    for (_, key) in all() {
        let text = key.purpose;
        assert!(
            text.len() > 20 && text.ends_with('.'),
            "{}: {text}",
            key.name
        );
        assert!(
            text.starts_with(|first: char| first.is_uppercase()),
            "{}: {text}",
            key.name
        );
        assert!(!text.contains("  "), "{}: {text}", key.name);
    }
}

/// A name that occurs twice in one family would have two meanings.
#[test]
fn names_are_unique_within_their_family() {
    let mut seen = BTreeSet::new();
    for (family, key) in all() {
        assert!(seen.insert((family, key.name)), "{} twice", key.name);
    }
}

/// A fallback that does not exist would silently never count.
#[test]
fn every_fallback_is_a_broker_key_of_a_related_type() {
    for (_, key) in all() {
        for name in key.fallbacks {
            let fallback = find_broker_key(name).unwrap();
            let is_whole = |kind| matches!(kind, Kind::Int | Kind::Long | Kind::Short);
            let same = fallback.kind == key.kind || (is_whole(fallback.kind) && is_whole(key.kind));
            assert!(same, "{} falls back to {name}", key.name);
        }
    }
}

/// The list of honoured keys is searched by halving, and a misspelt line would honour nothing.
#[test]
fn honoured_names_are_sorted_and_known() {
    assert!(honoured::all().is_sorted());
    for name in honoured::all() {
        let known = all().any(|(_, key)| key.name == *name);
        assert!(known, "{name}");
    }
    assert_eq!(
        find_broker_key("num.partitions").unwrap().status(),
        Status::Honoured
    );
    assert_ne!(
        find_broker_key("num.io.threads").unwrap().status(),
        Status::Honoured
    );
}
