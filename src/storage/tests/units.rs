//! Names, texts and the gate.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base::{Offset, PartitionIndex, TopicPartition, Uuid};

use crate::Gate;
use crate::layout::{self, FileKind};

#[test]
fn names_are_kafkas() {
    assert_eq!(FileKind::Log.name(Offset(42)), "00000000000000000042.log");
    assert_eq!(
        FileKind::parse("00000000000000000042.timeindex"),
        Some((FileKind::TimeIndex, Offset(42)))
    );
    for wrong in [
        "42.log",
        "00000000000000000042.log.tmp",
        "99999999999999999999.log",
        ".lock",
    ] {
        assert_eq!(FileKind::parse(wrong), None, "{wrong}");
    }
    let parsed = layout::parse_log_dir("a-b-7").unwrap();
    assert_eq!(
        (parsed.topic.as_str(), parsed.partition),
        ("a-b", PartitionIndex(7))
    );
    for wrong in [
        "orders",
        "orders-",
        "-1",
        "orders-1.0123-delete",
        "orders-x",
    ] {
        assert_eq!(layout::parse_log_dir(wrong), None, "{wrong}");
    }
}

#[test]
fn checkpoints_round_trip_and_name_wrong_lines() {
    let partition = |index| TopicPartition {
        topic: "t".to_owned(),
        partition: PartitionIndex(index),
    };
    let offsets = BTreeMap::from([(partition(0), Offset(5)), (partition(1), Offset(9))]);
    let text = layout::encode_offsets(&offsets);
    assert_eq!(text, "0\n2\nt 0 5\nt 1 9\n");
    assert_eq!(layout::decode_offsets(&text), Ok(offsets));
    for (wrong, line) in [
        ("1\n0\n", 1),
        ("0\nx\n", 2),
        ("0\n1\nt 0\n", 3),
        ("0\n2\nt 0 5\n", 4),
    ] {
        assert_eq!(layout::decode_offsets(wrong), Err(line), "{wrong:?}");
    }
    let id = layout::encode_topic_id(Uuid(1));
    assert_eq!(layout::decode_topic_id(&id), Some(Uuid(1)));
}

/// The story: of three who wait for the gate, the second goes away; the third still gets its turn.
#[test]
fn the_gate_passes_over_who_went_away() {
    let gate = Gate::default();
    let first = gate.try_enter().unwrap();
    let second = gate.enter();
    let mut third = pin!(gate.enter());
    let mut context = Context::from_waker(Waker::noop());
    assert!(third.as_mut().poll(&mut context).is_pending());
    assert!(gate.try_enter().is_none());
    drop(second);
    drop(first);
    let Poll::Ready(held) = third.as_mut().poll(&mut context) else {
        panic!("the gate was not handed on");
    };
    assert!(gate.try_enter().is_none());
    drop(held);
    assert!(gate.try_enter().is_some());
}
