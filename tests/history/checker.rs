//! Puts all judgements together, and counts what there was to judge.

use std::fmt;

use crate::anomaly::Anomaly;
use crate::history::{Fate, History};
use crate::operation::{Action, Outcome};
use crate::versions::Versions;
use crate::{cycles, groups, missing, readers, senders, values};

/// What is wrong with a history, and how much of everything it has: a history of nothing is
/// without fault, and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// All that must not be.
    pub anomalies: Vec<Anomaly>,
    /// How much there was.
    pub counts: Counts,
}

/// How much of everything a history has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub calls: u64,
    /// Calls of unknown outcome.
    pub indefinite: u64,
    /// Transactions that were committed.
    pub committed: u64,
    /// Transactions that were aborted.
    pub aborted: u64,
    /// Transactions of which nobody was told what became of them.
    pub undecided: u64,
    /// Values that were sent.
    pub sent: u64,
    /// Values that were seen by anybody.
    pub seen: u64,
    /// Values that readers of committed records saw.
    pub seen_committed: u64,
    /// Polls with records.
    pub polls: u64,
    /// How often somebody came to the end of a log.
    pub ends: u64,
}

/// Judges a history.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let versions = Versions::new(history);
    let walk = readers::walk(history, &versions);
    let (mut anomalies, circular) = cycles::judge(history, &versions);
    anomalies.extend(values::judge(history, &versions, &circular));
    anomalies.extend(missing::judge(&versions, &walk));
    anomalies.extend(senders::judge(history, &versions));
    anomalies.extend(groups::judge(history, &versions));
    anomalies.extend(walk.anomalies);
    anomalies.sort();
    let counts = counts(history, &versions);
    Verdict { anomalies, counts }
}

fn counts(history: &History, versions: &Versions<'_>) -> Counts {
    let mut counts = Counts::default();
    for call in history.operations() {
        counts.calls += 1;
        counts.indefinite += u64::from(call.outcome == Outcome::Indefinite);
        if let Action::Poll {
            records, reached, ..
        } = &call.action
        {
            counts.polls += u64::from(!records.is_empty());
            counts.ends += count(reached.iter().filter(|reached| reached.is_end));
        }
    }
    for transaction in history.transactions().values() {
        match transaction.fate {
            Fate::Committed => counts.committed += 1,
            Fate::Aborted => counts.aborted += 1,
            Fate::Indefinite => counts.undecided += 1,
        }
    }
    counts.sent = count(versions.writes.keys());
    counts.seen = count(versions.seen.keys());
    let committed = versions.seen.values();
    counts.seen_committed = count(committed.filter(|seen| seen.first_committed.is_some()));
    counts
}

fn count(items: impl Iterator) -> u64 {
    items.fold(0, |count, _| count + 1)
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} calls ({} of unknown outcome), {} transactions committed, {} aborted, {} of \
             unknown outcome; {} values sent, {} seen, {} by readers of committed records, in {} \
             polls; {} times at the end of a log",
            self.calls,
            self.indefinite,
            self.committed,
            self.aborted,
            self.undecided,
            self.sent,
            self.seen,
            self.seen_committed,
            self.polls,
            self.ends
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for anomaly in &self.anomalies {
            writeln!(formatter, "{anomaly}")?;
        }
        write!(
            formatter,
            "{} fault(s): {}",
            self.anomalies.len(),
            self.counts
        )
    }
}
