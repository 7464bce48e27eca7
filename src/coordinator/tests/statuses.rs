//! Which commits lead to which of Burrow's words, and that watching stays bounded.
//!
//! Story: people page each other by these words, so each rule has a line that it alone decides,
//! and the order of the rules is visible where two would apply.

use std::sync::Arc;
use std::time::Duration;

use base::{Offset, Timestamp};

use super::bounds::commit;
use super::world::config;
use crate::windows::{WINDOWS_MAX, Windows};
use crate::{Ask, Caller, CommitPoint, Groups, LogEnds, Now, Status, complete};

/// `offset@second:lag`, the lag `?` where it was not known.
fn points(text: &str) -> Vec<CommitPoint> {
    let point = |word: &str| {
        let (offset, rest) = word.split_once('@').unwrap();
        let (at, lag) = rest.split_once(':').unwrap();
        CommitPoint {
            offset: Offset(offset.parse().unwrap()),
            at: Timestamp(at.parse::<i64>().unwrap() * 1000),
            lag: lag.parse().ok(),
        }
    };
    text.split_whitespace().map(point).collect()
}

#[test]
fn each_rule_decides_its_line() {
    let table = [
        // Rule 1: nothing is left, or was left at any point; even for one that went back.
        ("10@0:5 20@5:5 30@10:5", 0, 11, Status::Ok),
        ("10@0:5 20@5:0 30@10:5", 5, 11, Status::Ok),
        ("30@0:0 10@5:5", 5, 99, Status::Ok),
        // Rule 2: it went back, which counts before being silent.
        ("30@0:5 10@5:25 40@10:5", 5, 11, Status::Rewind),
        ("30@0:5 10@5:25", 25, 999, Status::Rewind),
        // Rule 3: silent for longer than all its commits took, which counts before standing still.
        ("10@0:5 20@5:5 30@10:5", 5, 21, Status::Stop),
        ("10@0:5 20@5:5 30@10:5", 5, 20, Status::Warn),
        ("10@0:5 10@5:6 10@10:7", 9, 21, Status::Stop),
        // Rule 4: it stands still.
        ("10@0:5 10@5:6 10@10:7", 9, 11, Status::Stall),
        ("10@0:5 10@5:5", 5, 6, Status::Stall),
        // Rule 5: the lag never falls.
        ("10@0:5 20@5:5 30@10:9", 9, 11, Status::Warn),
        ("10@0:5 20@5:4 30@10:9", 9, 11, Status::Ok),
        ("10@0:? 20@5:5 30@10:9", 9, 11, Status::Ok),
        // Nothing is known, or too little to measure anything by.
        ("", 7, 11, Status::Ok),
        ("10@0:5", 7, 999, Status::Ok),
    ];
    for (text, lag, second, expected) in table {
        let judged = Status::judge(&points(text), lag, Timestamp(second * 1000));
        assert_eq!(judged, expected, "{text:?} with {lag} left at {second} s");
    }
}

#[test]
fn a_group_is_as_bad_as_its_worst_partition_but_no_worse_than_err() {
    let table: [(&[Status], Status); 6] = [
        (&[], Status::Ok),
        (&[Status::Ok, Status::Ok], Status::Ok),
        (&[Status::Ok, Status::Warn], Status::Warn),
        (&[Status::Warn, Status::Stop], Status::Err),
        (&[Status::Stall], Status::Err),
        (&[Status::Rewind, Status::Ok], Status::Err),
    ];
    for (partitions, expected) in table {
        assert_eq!(Status::of_group(partitions.iter().copied()), expected);
    }
    let all = "OK WARN ERR STOP STALL REWIND";
    let names = [
        Status::Ok,
        Status::Warn,
        Status::Err,
        Status::Stop,
        Status::Stall,
        Status::Rewind,
    ];
    assert!(names.is_sorted(), "in the order of their severity");
    assert_eq!(names.map(Status::name).join(" "), all);
    assert_eq!(names.map(Status::severity), [0, 1, 2, 3, 4, 5]);
}

fn at(second: i64) -> Now {
    Now {
        since_start: Duration::from_secs(second.unsigned_abs()),
        wall: Timestamp(second * 1000),
    }
}

fn ends(end: i64) -> Arc<LogEnds> {
    let mut ends = LogEnds::default();
    ends.set("t", 0, Offset(end));
    Arc::new(ends)
}

fn status(groups: &Groups, lag: u64, now: Now) -> (Status, usize) {
    let committed = groups.committed_offsets_of("g").next().unwrap();
    let points = groups.commit_points(&committed);
    (Status::judge(&points, lag, now.wall), points.len())
}

/// A consumer that reads steadily, then hangs: from commits through the machine to the word.
#[test]
fn commits_fill_the_window_and_deletion_empties_it() {
    let mut groups = Groups::new(config());
    let say = |groups: &mut Groups, second: i64, ask: Ask| {
        let _ = groups.handle(at(second), Caller(second.unsigned_abs()), ask);
    };
    for step in 0..20 {
        groups.ends_changed(ends(1000 + 10 * step));
        say(&mut groups, 5 * step, commit("g", "t", 0, 10 * step));
    }
    let committed = groups.committed_offsets_of("g").next().unwrap();
    let points = groups.commit_points(&committed);
    assert_eq!(points.len(), 10);
    assert!((complete(&points) - 1.0).abs() < f64::EPSILON);
    assert_eq!(points.last().unwrap().lag, Some(1000));
    assert_eq!(status(&groups, 1000, at(96)), (Status::Warn, 10));
    assert_eq!(status(&groups, 1000, at(95 + 46)), (Status::Stop, 10));
    // Several commits within a second are one point.
    say(&mut groups, 142, commit("g", "t", 0, 300));
    say(&mut groups, 142, commit("g", "t", 0, 310));
    let committed = groups.committed_offsets_of("g").next().unwrap();
    let points = groups.commit_points(&committed);
    let last: Vec<_> = points
        .iter()
        .rev()
        .take(2)
        .map(|point| point.offset)
        .collect();
    assert_eq!(last, [Offset(310), Offset(190)]);
    assert_eq!(groups.committed_since(Timestamp(142_000)).count(), 1);
    assert_eq!(groups.committed_since(Timestamp(142_001)).count(), 0);
    let gone = Ask::DeleteGroup(crate::DeleteGroupAsk {
        group: "g".to_owned(),
    });
    say(&mut groups, 150, gone);
    assert_eq!(groups.committed_offsets_of("g").count(), 0);
    assert_eq!(groups.committed_since(Timestamp(0)).count(), 0);
    assert_eq!(groups.windows.count(), 0);
}

/// Whoever commits for a million made-up partitions does not get a million windows, and those who
/// come later get theirs when the first have gone silent.
#[test]
fn windows_are_bounded_and_silent_ones_make_room() {
    let mut windows = Windows::default();
    let group: Arc<str> = "g".into();
    let max = i32::try_from(WINDOWS_MAX).unwrap();
    for partition in 0..max + 100 {
        windows.note(&group, ("t", partition), 1, Timestamp(1000), None);
    }
    assert_eq!(windows.count(), WINDOWS_MAX);
    assert!(windows.points("g", "t", max).is_empty());
    let later = Timestamp(1000 + 600_001);
    windows.note(&group, ("t", 0), 2, Timestamp(600_000), None);
    windows.note(&group, ("t", max), 1, later, None);
    assert_eq!(windows.count(), 2, "the silent ones went");
    assert_eq!(windows.points("g", "t", 0).len(), 2);
    assert_eq!(windows.points("g", "t", max).len(), 1);
    windows.forget("g", "t", 0);
    windows.forget("g", "t", 0);
    windows.forget("g", "t", max);
    assert_eq!(windows.count(), 0);
}
