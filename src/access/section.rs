//! All lists of one type of resource, arranged by their patterns.
//!
//! A question about a name looks at the literal pattern of this name, at the wildcard, and at the
//! prefixes of the name that there are patterns for. Those are found from the longest to the
//! shortest, each by one search of a sorted map: when the greatest pattern not above what is
//! searched for is no prefix of it, every shorter one must be a prefix of what both have in common.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use crate::acl::{Acl, Permission};
use crate::host::Host;
use crate::operation::Operation;
use crate::resource::{PatternType, WILDCARD};
use crate::subject::{EVERYBODY, Subject};

/// What the lists of a pattern say to a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// There are lists for the resource, whoever they are about.
    pub(crate) is_listed: bool,
    pub(crate) is_allowed: bool,
    pub(crate) is_denied: bool,
}

/// One list, ready to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    host: Host,
    operation: Operation,
    permission: Permission,
}

impl Entry {
    fn applies(&self, operation: Operation, address: IpAddr) -> bool {
        let covers = match self.permission {
            Permission::Allow => self.operation.includes(operation),
            Permission::Deny => self.operation == Operation::All || self.operation == operation,
        };
        covers && self.host.is_at(address)
    }
}

/// The lists of one pattern by their principals. Each stands beside its host as written, since two
/// ways of writing one address are two lists.
type ByPrincipal = BTreeMap<Arc<str>, Vec<(Entry, Arc<str>)>>;

/// Patterns of one type by their names.
type Patterns = BTreeMap<Arc<str>, Arc<ByPrincipal>>;

/// All lists of one type of resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    literal: Patterns,
    prefixed: Patterns,
}

impl Section {
    fn patterns(&mut self, pattern_type: PatternType) -> &mut Patterns {
        match pattern_type {
            PatternType::Literal => &mut self.literal,
            PatternType::Prefixed => &mut self.prefixed,
        }
    }

    /// Adds a list that is not there yet.
    pub(crate) fn insert(&mut self, acl: &Acl) {
        let patterns = self.patterns(acl.pattern_type);
        let lists = patterns.entry(Arc::from(acl.name.as_str())).or_default();
        let lists = Arc::make_mut(lists);
        let entries = lists.entry(Arc::from(acl.principal.as_str())).or_default();
        entries.push((entry_of(acl), Arc::from(acl.host.as_str())));
    }

    /// Takes out a list that is there.
    pub(crate) fn remove(&mut self, acl: &Acl) {
        let patterns = self.patterns(acl.pattern_type);
        let Some(lists) = patterns.get_mut(acl.name.as_str()) else {
            unreachable!("a list that is there has its pattern");
        };
        let lists = Arc::make_mut(lists);
        let Some(entries) = lists.get_mut(acl.principal.as_str()) else {
            unreachable!("a list that is there has its principal");
        };
        let entry = entry_of(acl);
        let count = entries.len();
        entries.retain(|(other, host)| *other != entry || **host != *acl.host);
        assert_eq!(entries.len() + 1, count, "one list is taken out");
        if entries.is_empty() {
            lists.remove(acl.principal.as_str());
        }
        if lists.is_empty() {
            patterns.remove(acl.name.as_str());
        }
    }

    /// What all lists that apply to the resource of this name say.
    pub(crate) fn judge(&self, subject: &Subject, operation: Operation, name: &str) -> Verdict {
        let mut verdict = Verdict::default();
        let literal = [self.literal.get(name), self.literal.get(WILDCARD)];
        let lists = literal.into_iter().flatten().map(Arc::as_ref);
        for lists in lists.chain(Prefixes::new(&self.prefixed, name)) {
            verdict.is_listed = true;
            for principal in [subject.principal.as_str(), EVERYBODY] {
                let entries = lists.get(principal).map_or(&[][..], Vec::as_slice);
                for (entry, _) in entries {
                    if !entry.applies(operation, subject.address) {
                        continue;
                    }
                    match entry.permission {
                        Permission::Allow => verdict.is_allowed = true,
                        Permission::Deny => verdict.is_denied = true,
                    }
                }
            }
            if verdict.is_denied {
                break;
            }
        }
        verdict
    }

    /// Whether there is a pattern that allows exactly this operation and that no pattern denying it
    /// covers. Implied operations do not count here, as in Kafka.
    pub(crate) fn allows_some(&self, subject: &Subject, operation: Operation) -> bool {
        let says = |lists: &ByPrincipal, permission: Permission| {
            let principals = [subject.principal.as_str(), EVERYBODY];
            let entries = principals
                .into_iter()
                .filter_map(|principal| lists.get(principal));
            entries.flatten().any(|(entry, _)| {
                let covers = entry.operation == operation || entry.operation == Operation::All;
                entry.permission == permission && covers && entry.host.is_at(subject.address)
            })
        };
        let wildcard = self.literal.get(WILDCARD);
        if wildcard.is_some_and(|lists| says(lists, Permission::Deny)) {
            return false;
        }
        if wildcard.is_some_and(|lists| says(lists, Permission::Allow)) {
            return true;
        }
        let is_covered = |name: &str| {
            let mut prefixes = Prefixes::new(&self.prefixed, name);
            prefixes.any(|lists| says(lists, Permission::Deny))
        };
        let mut literal = self.literal.iter();
        let mut prefixed = self.prefixed.iter();
        literal.any(|(name, lists)| {
            says(lists, Permission::Allow) && !says(lists, Permission::Deny) && !is_covered(name)
        }) || prefixed.any(|(name, lists)| says(lists, Permission::Allow) && !is_covered(name))
    }
}

fn entry_of(acl: &Acl) -> Entry {
    Entry {
        host: Host::parse(&acl.host),
        operation: acl.operation,
        permission: acl.permission,
    }
}

/// The lists of all patterns that a name begins with, the longest first.
struct Prefixes<'p, 'n> {
    patterns: &'p Patterns,
    /// Patterns up to this text are still to be looked at; it is a beginning of the name.
    rest: Option<&'n str>,
}

impl<'p, 'n> Prefixes<'p, 'n> {
    fn new(patterns: &'p Patterns, name: &'n str) -> Self {
        Self {
            patterns,
            rest: Some(name),
        }
    }
}

impl<'p> Iterator for Prefixes<'p, '_> {
    type Item = &'p ByPrincipal;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest {
            let up_to = (Bound::Unbounded, Bound::Included(rest));
            let Some((pattern, lists)) = self.patterns.range::<str, _>(up_to).next_back() else {
                self.rest = None;
                return None;
            };
            let common = common_prefix(pattern, rest);
            if common.len() == pattern.len() {
                // Shorter patterns are prefixes of all but its last character; one of no
                // character at all is the last.
                self.rest = pattern
                    .char_indices()
                    .next_back()
                    .and_then(|(end, _)| rest.get(..end));
                return Some(lists);
            }
            assert!(common.len() < rest.len(), "the search comes to an end");
            self.rest = Some(common);
        }
        None
    }
}

/// What both texts begin with, as a part of `text`.
fn common_prefix<'t>(other: &str, text: &'t str) -> &'t str {
    let pairs = text.char_indices().zip(other.chars());
    let end = pairs
        .take_while(|((_, left), right)| left == right)
        .last()
        .map_or(0, |((start, letter), _)| start + letter.len_utf8());
    text.get(..end).unwrap_or_default()
}
