//! Histories made by hand with one fault each: it is named, and nothing else is.
//!
//! The first ten are the seven faults that exactly-once must not have, with reading back and
//! leaving out each within a transaction and between them; the others follow by name.

use crate::{Verdict, check, line_of, parse_lines};

/// The name of a file in `bad/` without its ending, which is the fault's name, its text, and what
/// the report says of it.
struct Bad {
    name: &'static str,
    text: &'static str,
    says: &'static str,
}

macro_rules! bad {
    ($name:literal, $says:literal) => {
        Bad {
            name: $name,
            text: include_str!(concat!("bad/", $name, ".jsonl")),
            says: $says,
        }
    };
}

const BAD: &[Bad] = &[
    bad!(
        "lost-write",
        "value 12 in a-0 at offset 1 of the batch of process 1 at 7, not seen \
         although process 2 at 13 passed"
    ),
    bad!("duplicate", "value 11 is in a-0 at 0 and in a-0 at 1"),
    bad!(
        "aborted-read",
        "value 11, seen in a-0 at offset 0 by process 2 at 13; transaction 1 was \
         aborted or refused"
    ),
    bad!(
        "own-uncommitted-read",
        "value 11, seen in a-0 at offset 0 by process 1 at 7, which was in \
         transaction 1 itself"
    ),
    bad!(
        "torn-transaction",
        "of transaction 1 there is value 11, seen in a-0 at offset 0 by process 2 at \
         15; there is no value 12 in b-0 at offset 0 of transaction 1, not seen \
         although process 2 at 17 passed"
    ),
    bad!(
        "internal-nonmonotonic-poll",
        "value 12, seen in a-0 at offset 1 by process 2 at 15, which was at 2 \
         already"
    ),
    bad!(
        "nonmonotonic-poll",
        "value 11, seen in a-0 at offset 0 by process 2 at 15, which was at 2 \
         already"
    ),
    bad!(
        "internal-poll-skip",
        "process 2 at 13 went in a-0 from 1 to 2 without value 12, which others saw"
    ),
    bad!(
        "poll-skip",
        "process 2 at 15 went in a-0 from 1 to 2 without value 12, which others saw"
    ),
    bad!(
        "cycle",
        "transaction 2 saw 1 (value 11, seen in a-0 at offset 0 by process 2 at 11); \
         transaction 1 saw 2 (value 21, seen in b-0 at offset 0 by process 1 at 9)"
    ),
    bad!(
        "consumed-never",
        "g went past value 13 in a-0 at 2 with transaction 2, and no transaction \
         consumed it"
    ),
    bad!(
        "consumed-twice",
        "value 12, seen in a-0 at offset 1 by process 3 at 17, was consumed for g by \
         transactions 1 and 2"
    ),
    bad!("inconsistent-offsets", "a-0 has at offset 0 11 and 12"),
    bad!(
        "internal-nonmonotonic-send",
        "in a-0 value 11 of process 1 at 1 is at 5, value 12 of the later process 1 \
         at 3 at 3"
    ),
    bad!(
        "nonmonotonic-send",
        "in a-0 value 11 of process 1 at 1 is at 5, value 12 of the later process 1 \
         at 3 at 3"
    ),
    bad!(
        "phantom",
        "value 99, seen in a-0 at offset 1 by process 2 at 7; nobody sent it"
    ),
    bad!(
        "realtime-nonmonotonic-send",
        "in a-0 value 11 of process 1 at 1 is at 5, value 12 of the later process 2 \
         at 3 at 3"
    ),
    bad!(
        "torn-batch",
        "of the batch of process 1 at 5 there is value 11, seen in a-0 at offset 0 \
         by process 2 at 7; there is no value 13 in a-0 at offset 2 of the batch of \
         process 1 at 5, not seen although process 2 at 7 passed"
    ),
    bad!(
        "uncommitted-read",
        "value 11, seen in a-0 at offset 0 by process 2 at 7, before anybody asked \
         to commit transaction 1"
    ),
    bad!(
        "unseen",
        "value 12 in a-0 at offset 1 of the batch of process 1 at 7, not seen \
         although process 2 at 9 passed"
    ),
    bad!(
        "wrong-offset",
        "process 2 at 9 was told that g is in a-0 at 3, but it is at 5"
    ),
];

fn judge(text: &str) -> Verdict {
    check(&parse_lines(text).unwrap())
}

/// The story: somebody gets a red run, and must find the place from the report alone.
#[test]
fn each_fault_is_named_and_nothing_else() {
    for bad in BAD {
        let verdict = judge(bad.text);
        let found: Vec<String> = verdict.anomalies.iter().map(ToString::to_string).collect();
        assert_eq!(found, [format!("{}: {}", bad.name, bad.says)]);
        assert_eq!(verdict.anomalies[0].name(), bad.name);
    }
}

/// A fault that no history shows might as well not be looked for.
#[test]
fn every_history_of_the_folder_is_judged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/bad");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), BAD.len());
}

/// What is kept as text is what was taken down.
#[test]
fn text_is_read_as_it_was_written() {
    for bad in BAD {
        let history = parse_lines(bad.text).unwrap();
        let lines: Vec<String> = history.operations().iter().map(line_of).collect();
        let again = parse_lines(&lines.join("\n")).unwrap();
        assert_eq!(again.operations(), history.operations(), "{}", bad.name);
    }
}
