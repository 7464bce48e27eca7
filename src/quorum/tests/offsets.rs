//! The correspondence of entries and Kafka offsets.

use crate::{Index, OffsetMap, SnapshotMark};
use base::Offset;

fn map() -> OffsetMap {
    let mut map = OffsetMap::new(&SnapshotMark {
        index: Index(10),
        end_offset: Offset(100),
        ..SnapshotMark::default()
    });
    assert_eq!(map.append(Index(11), 1), Offset(100));
    assert_eq!(map.append(Index(12), 5), Offset(101));
    assert_eq!(map.append(Index(13), 2), Offset(106));
    map
}

/// Every record's offset leads to its entry, and every entry to its offsets.
#[test]
fn offsets_and_entries_correspond() {
    let map = map();
    assert_eq!(map.log_end_offset(), Offset(108));
    assert_eq!(map.base_offset(Index(12)), Some(Offset(101)));
    assert_eq!(map.end_offset(Index(12)), Some(Offset(106)));
    assert_eq!(map.base_offset(Index(14)), Some(Offset(108)));
    assert_eq!(map.base_offset(Index(10)), None);
    let entries: Vec<_> = (99..109)
        .map(|at| map.index_of(Offset(at)).map(Index::get))
        .collect();
    let expected = [0, 11, 12, 12, 12, 12, 12, 13, 13, 0].map(|index| (index > 0).then_some(index));
    assert_eq!(entries, expected);
}

/// A cut gives the offset at which the log ends, a snapshot the one at which it begins.
#[test]
fn cuts_and_snapshots_translate() {
    let mut map = map();
    assert_eq!(map.truncate_from(Index(13)), Offset(106));
    assert_eq!(map.compact(Index(11)), Offset(101));
    assert_eq!(map.last_index(), Index(12));
    assert_eq!(map.append(Index(13), 1), Offset(106));
    assert_eq!(map.compact(Index(13)), Offset(107));
    assert_eq!(map.log_end_offset(), Offset(107));
}
