//! Histories made by hand with all that is allowed, and what each allowance hangs on: change that
//! one thing, and the history is bad.

use crate::{HistoryError, LineError, check, parse_lines};

/// The name of a file in `good/`, its text, one change to it, and the faults that this makes.
struct Good {
    name: &'static str,
    text: &'static str,
    change: (&'static str, &'static str),
    faults: &'static [&'static str],
}

macro_rules! good {
    ($name:literal, $change:expr, $faults:expr) => {
        Good {
            name: $name,
            text: include_str!(concat!("good/", $name, ".jsonl")),
            change: $change,
            faults: &$faults,
        }
    };
}

const GOOD: &[Good] = &[
    // Calls that nobody answered may have happened; what was aborted did not.
    good!(
        "unanswered-calls",
        (
            r#""outcome":"indefinite","transaction":1,"end":"commit""#,
            r#""outcome":"indefinite","transaction":1,"end":"abort""#
        ),
        ["aborted-read", "aborted-read"]
    ),
    good!(
        "gaps-of-markers-and-aborts",
        (r#""end":"abort""#, r#""end":"commit""#),
        ["lost-write", "lost-write"]
    ),
    good!(
        "never-asked-to-commit",
        (r#"["a-0",1,12]"#, r#"["a-0",0,11],["a-0",1,12]"#),
        ["aborted-read"]
    ),
    good!(
        "rereads-after-rebalance",
        (r#""offsets":[["a-0",1]]"#, r#""offsets":[["a-0",2]]"#),
        ["wrong-offset", "wrong-offset"]
    ),
    good!(
        "seeks",
        (r#""seek":["a-0",2]"#, r#""seek":["b-0",2]"#),
        ["poll-skip"]
    ),
    // A reader keeps its place in what it keeps.
    good!(
        "assignments",
        (r#""assign":["a-0"]"#, r#""assign":["a-0","b-0"]"#),
        ["nonmonotonic-poll"]
    ),
    // The order of writes may make a circle, an order of writes and reads may not.
    good!(
        "writers-in-between",
        (r#""told":2"#, r#""told":1"#),
        [
            "inconsistent-offsets",
            "duplicate",
            "realtime-nonmonotonic-send"
        ]
    ),
    good!(
        "partitions-one-by-one",
        (r#"[["b-0",0,12]]"#, "[]"),
        ["torn-transaction"]
    ),
    good!(
        "readers-of-everything",
        ("uncommitted", "committed"),
        ["aborted-read", "own-uncommitted-read", "uncommitted-read"]
    ),
    good!(
        "consume-transform-produce",
        (
            r#""resume":{"group":"g","key":"a-0","told":2}"#,
            r#""resume":{"group":"g","key":"a-0","told":4}"#
        ),
        ["nonmonotonic-poll", "wrong-offset"]
    ),
    good!(
        "unanswered-commits",
        (r#""outcome":"indefinite""#, r#""outcome":"failed""#),
        ["wrong-offset", "wrong-offset"]
    ),
];

fn faults(name: &str, text: &str) -> Vec<&'static str> {
    let verdict = check(&parse_lines(text).unwrap());
    println!("{name}: {verdict}");
    verdict.anomalies.iter().map(crate::Anomaly::name).collect()
}

/// The story: a checker that accuses the innocent is switched off.
#[test]
fn what_is_allowed_is_not_held_against_anybody() {
    for good in GOOD {
        assert_eq!(faults(good.name, good.text), [""; 0], "{}", good.name);
    }
}

/// Each allowance is as narrow as it is meant to be.
#[test]
fn one_change_makes_each_of_them_bad() {
    for good in GOOD {
        let changed = good.text.replace(good.change.0, good.change.1);
        assert_ne!(changed, good.text, "{}: there is no such text", good.name);
        assert_eq!(faults(good.name, &changed), good.faults, "{}", good.name);
    }
}

#[test]
fn every_history_of_the_folder_is_judged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/good");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), GOOD.len());
}

fn refused(lines: &[&str]) -> HistoryError {
    match parse_lines(&lines.join("\n")) {
        Err(LineError::History(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The story: a mistake of whoever took the history down must not be told as one of the broker.
#[test]
fn recordings_that_are_no_history_are_refused() {
    let send = r#"{"process":1,"invoked":1,"returned":2,"outcome":"ok","transaction":1,"send":{"key":"a-0","values":[5],"told":0}}"#;
    let again = send.replace(r#""invoked":1,"returned":2"#, r#""invoked":3,"returned":4"#);
    let cases = [
        (vec![send, again.as_str()], "value 5 is sent twice"),
        (vec![send, send], "moment 1 comes twice"),
        (
            vec![
                send,
                r#"{"process":2,"invoked":3,"outcome":"indefinite","transaction":1,"end":"commit"}"#,
            ],
            "transaction 1 has calls of two processes",
        ),
        (
            vec![
                r#"{"process":1,"invoked":0,"outcome":"indefinite","transaction":1,"end":"commit"}"#,
                send,
            ],
            "the call at 1 belongs to transaction 1, which was ended before",
        ),
        (
            vec![r#"{"process":2,"invoked":3,"outcome":"indefinite","end":"commit"}"#],
            "the call at 3 ends no transaction",
        ),
        (
            vec![r#"{"process":2,"invoked":3,"outcome":"ok","seek":["a-0",3]}"#],
            "the call at 3 never returned",
        ),
        (
            vec![
                r#"{"process":1,"invoked":1,"returned":2,"outcome":"failed","send":{"key":"a-0","values":[5],"told":0}}"#,
            ],
            "the call at 1 did not succeed and has an answer",
        ),
    ];
    for (lines, text) in cases {
        let error = refused(&lines).to_string();
        assert!(error.starts_with(text), "{error}");
    }
    let broken = parse_lines("\n{\"process\":1}").unwrap_err().to_string();
    assert_eq!(broken, "line 2: `outcome` is missing");
}
