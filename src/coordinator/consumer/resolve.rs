//! Resolves a group's regular expressions against the cluster's topics, a slice at a time.
//!
//! A new expression is resolved within the heartbeat that brings it, as far as one slice goes; all
//! of them are resolved again when topics changed, but not more often than every ten seconds, so
//! that a thousand topics created in a row lead to a few rebalances and not to a thousand.
//!
//! Invariant: one slice does at most [`SLICE_COST`] and one name's work.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::regex::TopicRegex;
use super::state::Resolved;
use super::{emit, of, of_mut, subscription};
use crate::Topics;
use crate::context::Context;
use crate::group::Group;
use crate::timers::TimerKind;

/// The work of one slice, in the units of [`TopicRegex::cost`]: some milliseconds.
const SLICE_COST: usize = 1_000_000;
/// Topics that change make a group resolve its expressions no more often than this.
const REFRESH_INTERVAL_MIN: Duration = Duration::from_secs(10);

/// Expressions on their way to being resolved.
#[derive(Debug)]
pub(super) struct Resolution {
    topics: Arc<Topics>,
    jobs: VecDeque<Job>,
    done: Vec<(String, BTreeSet<String>)>,
}

#[derive(Debug)]
struct Job {
    expression: String,
    /// Nothing when it does not compile: it came from a log of another program. It matches nothing.
    regex: Option<TopicRegex>,
    /// How many topics were looked at.
    seen: usize,
    found: BTreeSet<String>,
}

impl Job {
    fn new(expression: &str) -> Self {
        Self {
            expression: expression.to_owned(),
            regex: TopicRegex::new(expression).ok(),
            seen: 0,
            found: BTreeSet::new(),
        }
    }

    /// Looks at topics until the budget is used up; tells what is left of it.
    fn run(&mut self, topics: &Topics, budget: usize) -> Option<usize> {
        let Some(regex) = &self.regex else {
            return Some(budget);
        };
        let mut left = budget;
        for (name, _) in topics.iter().skip(self.seen) {
            if regex.matches(name) {
                self.found.insert(name.to_owned());
            }
            self.seen += 1;
            left = left.saturating_sub(regex.cost(name));
            if left == 0 {
                return None;
            }
        }
        Some(left)
    }
}

/// Adds an expression to what is to be resolved.
pub(super) fn enqueue(ctx: &Context<'_>, group: &mut Group, expression: &str) {
    let topics = ctx.topics;
    let resolution = of_mut(group).resolution.get_or_insert_with(|| Resolution {
        topics: Arc::clone(topics),
        jobs: VecDeque::new(),
        done: Vec::new(),
    });
    resolution.jobs.push_back(Job::new(expression));
}

/// Begins to resolve all expressions that members use.
pub(super) fn restart(ctx: &mut Context<'_>, group: &mut Group) {
    let consumer = of_mut(group);
    consumer.resolution = None;
    consumer.resolved_at = Some(ctx.now.since_start);
    let expressions: Vec<String> = consumer.regexes().map(str::to_owned).collect();
    for expression in &expressions {
        enqueue(ctx, group, expression);
    }
}

/// Does one slice of what is to be resolved. When all is done, what changed is written, and true
/// is returned if anything did; otherwise a timer brings the next slice.
pub(super) fn run(ctx: &mut Context<'_>, group: &mut Group) -> bool {
    let no_member = Arc::clone(ctx.no_member);
    let Some(mut resolution) = of_mut(group).resolution.take() else {
        return false;
    };
    let mut budget = SLICE_COST;
    while let Some(job) = resolution.jobs.front_mut() {
        let left = job.run(&resolution.topics, budget);
        let Some(left) = left else {
            of_mut(group).resolution = Some(resolution);
            ctx.set_timer(group, &no_member, TimerKind::Regex, ctx.now.since_start);
            return false;
        };
        budget = left;
        if let Some(job) = resolution.jobs.pop_front() {
            resolution.done.push((job.expression, job.found));
        }
    }
    let interval = ctx.config.consumer_regex_refresh_interval;
    let at = ctx.now.since_start.saturating_add(interval);
    ctx.set_timer(group, &no_member, TimerKind::Regex, at);
    write(ctx, group, resolution.done)
}

fn write(ctx: &mut Context<'_>, group: &mut Group, done: Vec<(String, BTreeSet<String>)>) -> bool {
    let mut changed = false;
    for (expression, topics) in done {
        let consumer = of(group);
        let before = consumer.resolved.get(&expression);
        let is_same = before.is_some_and(|before| before.topics == topics);
        if is_same || consumer.regex_members(&expression) == 0 {
            continue;
        }
        changed |= before.is_some() || !topics.is_empty();
        let resolved = Resolved {
            topics,
            // Kafka's version of its metadata; ours has none, and zero is older than any.
            version: 0,
            timestamp: ctx.now.wall.0,
        };
        emit::resolved(ctx, group, &expression, Some(&resolved));
    }
    changed
}

/// Topics changed: the expressions are resolved again, soon.
pub(super) fn schedule(ctx: &mut Context<'_>, group: &Group) {
    let consumer = of(group);
    if consumer.regexes().next().is_none() {
        return;
    }
    let earliest = consumer
        .resolved_at
        .map_or(Duration::ZERO, |at| at.saturating_add(REFRESH_INTERVAL_MIN));
    let no_member = Arc::clone(ctx.no_member);
    let at = ctx.now.since_start.max(earliest);
    ctx.set_timer(group, &no_member, TimerKind::Regex, at);
}

/// The timer has fired: the next slice, or all anew.
pub(super) fn fired(ctx: &mut Context<'_>, group: &mut Group) {
    if of(group).resolution.is_none() {
        if of(group).regexes().next().is_none() {
            return;
        }
        restart(ctx, group);
    }
    if run(ctx, group) {
        subscription::bump(ctx, group);
    }
}
