//! Consumers of Kafka 0.8 and 0.9 begin where these lists say.

use base::{Offset, Timestamp};

use super::{select, starts};
use crate::ListTarget;

const NOW: Timestamp = Timestamp(1000);

fn listed(target: ListTarget, count: usize, high_watermark: i64) -> Vec<i64> {
    let time = |time| Some(Timestamp(time));
    let segments = [
        (Offset(0), time(100)),
        (Offset(10), time(200)),
        (Offset(20), None),
        (Offset(30), time(400)),
    ];
    let starts = starts(&segments, (Offset(3), Offset(35)), NOW);
    let offsets = select(&starts, target, count, Offset(high_watermark));
    offsets.into_iter().map(Offset::get).collect()
}

#[test]
fn the_end_and_the_beginnings_before_it_are_listed() {
    assert_eq!(listed(ListTarget::Latest, 1, 35), [35]);
    assert_eq!(listed(ListTarget::Latest, 3, 35), [35, 30, 20]);
    assert_eq!(listed(ListTarget::Latest, 99, 35), [35, 30, 20, 10, 3]);
    assert_eq!(listed(ListTarget::Latest, 0, 35), [0; 0]);
    assert_eq!(listed(ListTarget::Earliest, 9, 35), [3]);
}

#[test]
fn segments_that_were_complete_at_a_time_are_listed() {
    let at = |time| ListTarget::Timestamp(Timestamp(time));
    assert_eq!(listed(at(99), 9, 35), [0; 0]);
    assert_eq!(listed(at(100), 9, 35), [3]);
    assert_eq!(listed(at(200), 9, 35), [10, 3]);
    // The segment without times counts as new as the one behind it.
    assert_eq!(listed(at(399), 9, 35), [10, 3]);
    assert_eq!(listed(at(400), 2, 35), [30, 20]);
    assert_eq!(listed(at(1000), 1, 35), [35]);
}

#[test]
fn nothing_above_the_high_watermark_is_listed() {
    assert_eq!(listed(ListTarget::Latest, 2, 33), [33, 30]);
    assert_eq!(listed(ListTarget::Latest, 3, 25), [25, 20]);
}

#[test]
fn an_empty_log_begins_where_it_ends() {
    let starts = starts(&[(Offset(7), None)], (Offset(7), Offset(7)), NOW);
    for target in [ListTarget::Latest, ListTarget::Earliest] {
        assert_eq!(select(&starts, target, 5, Offset(7)), [Offset(7)]);
    }
}
