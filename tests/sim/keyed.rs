//! Records with keys, some of which delete their key: what a record holds follows from its name.

use base::{Offset, Random, Timestamp};
use batch::{BatchBuilder, Batches, Header, Scratch, records};

use crate::history::Name;

/// More than any batch here unpacks to.
const PLAIN_BYTES_MAX: usize = 64 << 20;
/// Tombstones have no value, so every record carries its name in a header.
const NAME_HEADER: &str = "name";

/// A record as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: Offset,
    pub(crate) name: Name,
    pub(crate) timestamp: Timestamp,
}

/// Some of a log, and where it goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) records: Vec<Seen>,
    /// Behind the last whole batch, which may have lost all of its records.
    pub(crate) next: Option<Offset>,
}

impl Name {
    fn random(self, salt: u64) -> Random {
        let place = u64::from(self.place);
        Random::salted(place << 8 | u64::from(self.producer), salt)
    }

    /// Which of `keys` keys the record has.
    pub(crate) fn key(self, keys: u64) -> u64 {
        self.random(0x4B45).below(keys)
    }

    /// Whether the record deletes its key.
    pub(crate) fn is_tombstone(self) -> bool {
        self.random(0x70B).chance(1, 4)
    }
}

fn key_bytes(name: Name, keys: u64) -> Vec<u8> {
    format!("key-{}", name.key(keys)).into_bytes()
}

/// Appends the record with this name.
pub(crate) fn append(builder: &mut BatchBuilder, name: Name, keys: u64, timestamp: Timestamp) {
    let key = key_bytes(name, keys);
    let value = (!name.is_tombstone()).then(|| name.value());
    let words = [name.producer.to_be_bytes(), name.place.to_be_bytes()].concat();
    let header = Header {
        key: NAME_HEADER.as_bytes(),
        value: Some(&words),
    };
    builder.append(timestamp, Some(&key), value.as_deref(), &[header]);
}

/// The records of some batches, each held against its name; a torn batch at the end is left out.
pub(crate) fn read(bytes: &[u8], keys: u64) -> Page {
    let mut page = Page::default();
    let mut scratch = Scratch::new();
    for view in Batches::new(bytes) {
        let view = view.expect("what was read consists of batches");
        view.verify_checksum().expect("what was read is intact");
        for record in records(&view, &mut scratch, PLAIN_BYTES_MAX).expect("readable records") {
            let record = record.expect("a readable record");
            let header = record.headers.iter().next().expect("records have names");
            let words = header.value.expect("names have bytes");
            let word = |at: usize| u32::from_be_bytes(words[at..at + 4].try_into().unwrap());
            let name = Name {
                producer: word(0),
                place: word(4),
            };
            let value = (!name.is_tombstone()).then(|| name.value());
            let is_same = record.key == Some(&key_bytes(name, keys)[..])
                && record.value.map(<[u8]>::to_vec) == value;
            assert!(is_same, "the bytes of {name:?} were changed");
            page.records.push(Seen {
                offset: record.offset,
                name,
                timestamp: record.timestamp,
            });
        }
        page.next = Some(view.next_offset());
    }
    page
}
