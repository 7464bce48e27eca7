//! Every byte layout and every name on disk, written down once. They are Kafka's.
//!
//! Invariants: offset index entries have 8 bytes (relative last offset of a batch, position of
//! that batch), time index entries 12 (timestamp, relative offset); numbers are big-endian;
//! checkpoints are text: a version line, a count line, and a line per entry.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use batch::{HEADER_BYTES, LENGTH_OVERHEAD};

use base::{CoreId, Offset, PartitionIndex, TopicPartition, Uuid};

use crate::standing::Standing;

/// The offset index's entry: `u32` relative offset, `u32` position.
pub(crate) const INDEX_ENTRY_BYTES: usize = 8;
/// The time index's entry: `i64` timestamp, `u32` relative offset.
pub(crate) const TIME_ENTRY_BYTES: usize = 12;
/// The aborted index's entry: `i16` version, then as `i64` the producer's id, the first and the last
/// offset of the transaction, and the last stable offset behind it.
pub(crate) const ABORTED_ENTRY_BYTES: usize = 2 + 4 * 8;
/// The only version of that entry.
const ABORTED_VERSION: i16 = 0;
/// Digits of a base offset in a file's name.
const OFFSET_DIGITS: usize = 20;

/// Written at a clean shutdown, removed at the next start before anything else is touched.
pub(crate) const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";
/// The data directory's identity.
pub(crate) const META_FILE: &str = "meta.properties";
/// Up to where each log is known to be on the device.
pub(crate) const RECOVERY_POINTS_FILE: &str = "recovery-point-offset-checkpoint";
/// The first valid offset of each log.
pub(crate) const LOG_STARTS_FILE: &str = "log-start-offset-checkpoint";
/// Up to where each log was compacted; for Kafka's tools, since each log knows it itself.
pub(crate) const CLEANED_FILE: &str = "cleaner-offset-checkpoint";
/// Up to where each log is known to be agreed upon by its in-sync replicas.
pub(crate) const HIGH_WATERMARKS_FILE: &str = "replication-offset-checkpoint";
/// Which leader wrote from which offset on; in each log's directory.
pub(crate) const EPOCHS_FILE: &str = "leader-epoch-checkpoint";
/// The topic's id; in each log's directory.
pub(crate) const PARTITION_FILE: &str = "partition.metadata";
/// What a log has promised for good; in each log's directory, forebay's own.
pub(crate) const STANDING_FILE: &str = "forebay-standing";
/// Says that the directory's checkpoints may still speak of an earlier log of the same name.
pub(crate) const FRESH_FILE: &str = "forebay-fresh";
/// How the names of the journals' files begin; in the data directory, forebay's own.
const JOURNAL_PREFIX: &str = "forebay-journal-";
/// Follows the name of a segment's file that belongs to no log any more.
pub(crate) const DISCARDED_SUFFIX: &str = ".deleted";
/// Follows the name of a segment's file that compaction has not finished.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// Follows the name of a finished file that is about to take the place of segments.
pub(crate) const SWAP_SUFFIX: &str = ".swap";
/// The end of the name of a log's directory that is a copy on its way from another data directory.
pub(crate) const FUTURE_SUFFIX: &str = "-future";
/// The end of the name of a log's directory that is being removed.
pub(crate) const DELETED_SUFFIX: &str = "-delete";

const _: () = {
    assert!(INDEX_ENTRY_BYTES == 2 * size_of::<u32>());
    assert!(TIME_ENTRY_BYTES == size_of::<i64>() + size_of::<u32>());
    assert!(ABORTED_ENTRY_BYTES == 34);
    assert!(OFFSET_DIGITS > i64::MAX.ilog10() as usize);
};

/// What a file in a log's directory is, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// Record batches.
    Log,
    /// Offsets to positions.
    Index,
    /// Timestamps to offsets.
    TimeIndex,
    /// Producer states as of the offset in the name.
    Snapshot,
    /// Transactions whose abort marker stands in the segment; none for a segment without.
    Aborted,
}

impl FileKind {
    const ALL: [Self; 5] = [
        Self::Log,
        Self::Index,
        Self::TimeIndex,
        Self::Snapshot,
        Self::Aborted,
    ];

    const fn extension(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Index => "index",
            Self::TimeIndex => "timeindex",
            Self::Snapshot => "snapshot",
            Self::Aborted => "txnindex",
        }
    }

    /// The file's name for `offset`.
    pub(crate) fn name(self, offset: Offset) -> String {
        assert!(offset >= Offset(0), "a log's offsets begin at zero");
        format!("{:020}.{}", offset.0, self.extension())
    }

    /// The kind and offset that `name` says, where it is one of ours.
    pub(crate) fn parse(name: &str) -> Option<(Self, Offset)> {
        let (digits, extension) = name.split_once('.')?;
        if digits.len() != OFFSET_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let offset = digits.parse::<i64>().ok()?;
        let mut kinds = Self::ALL.into_iter();
        let kind = kinds.find(|kind| kind.extension() == extension)?;
        Some((kind, Offset(offset)))
    }
}

/// The name of one of the two files of a core's journal.
pub(crate) fn journal_name(core: CoreId, half: u8) -> String {
    format!("{JOURNAL_PREFIX}{core}.{half}")
}

/// Whose journal the file of this name is part of, if it is one.
pub(crate) fn parse_journal_name(name: &str) -> Option<CoreId> {
    let (core, half) = name.strip_prefix(JOURNAL_PREFIX)?.split_once('.')?;
    let core = CoreId(core.parse().ok()?);
    let half = half.parse().ok().filter(|half| *half < 2)?;
    (journal_name(core, half) == name).then_some(core)
}

/// `path` with `suffix` behind its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut named = path.as_os_str().to_owned();
    named.push(suffix);
    PathBuf::from(named)
}

/// The partition that a directory's name says, where it is one.
pub(crate) fn parse_log_dir(name: &str) -> Option<TopicPartition> {
    if name.ends_with(DELETED_SUFFIX) {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|digit| digit.is_ascii_digit());
    let partition = digits.then(|| partition.parse().ok()).flatten()?;
    (!topic.is_empty()).then(|| TopicPartition {
        topic: topic.to_owned(),
        partition: PartitionIndex(partition),
    })
}

/// The name under which a partition's copy grows until it takes the log's place: Kafka's.
pub(crate) fn future_dir_name(partition: &TopicPartition, tag: u128) -> String {
    format!("{partition}.{tag:032x}{FUTURE_SUFFIX}")
}

/// The partition whose copy a directory's name says, where it is one.
pub(crate) fn parse_future_dir(name: &str) -> Option<TopicPartition> {
    let (partition, tag) = name.strip_suffix(FUTURE_SUFFIX)?.rsplit_once('.')?;
    let is_tag = tag.len() == 32 && tag.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_tag.then(|| parse_log_dir(partition)).flatten()
}

/// The name under which a log's directory waits for its removal.
pub(crate) fn deleted_dir_name(partition: &TopicPartition, tag: u64) -> String {
    // Kafka cuts the topic so that the name fits any file system; what is cut matters to nobody.
    let topic: String = partition.topic.chars().take(200).collect();
    format!("{topic}-{}.{tag:016x}{DELETED_SUFFIX}", partition.partition)
}

/// An offset index entry's bytes.
pub(crate) fn index_entry(relative_offset: u32, position: u32) -> [u8; INDEX_ENTRY_BYTES] {
    let joined = (u64::from(relative_offset) << 32) | u64::from(position);
    joined.to_be_bytes()
}

/// An offset index entry: relative offset and position.
pub(crate) fn parse_index_entry(bytes: [u8; INDEX_ENTRY_BYTES]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

/// A time index entry's bytes.
pub(crate) fn time_entry(timestamp: i64, relative_offset: u32) -> [u8; TIME_ENTRY_BYTES] {
    let mut bytes = [0; TIME_ENTRY_BYTES];
    let fields = timestamp.to_be_bytes().into_iter();
    let fields = fields.chain(relative_offset.to_be_bytes());
    bytes
        .iter_mut()
        .zip(fields)
        .for_each(|(slot, byte)| *slot = byte);
    bytes
}

/// A time index entry: timestamp and relative offset.
pub(crate) fn parse_time_entry(bytes: [u8; TIME_ENTRY_BYTES]) -> (i64, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
    (
        i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        u32::from_be_bytes([i, j, k, l]),
    )
}

/// An aborted index entry's bytes: the four numbers in their order.
pub(crate) fn aborted_entry(numbers: [i64; 4]) -> [u8; ABORTED_ENTRY_BYTES] {
    let mut bytes = [0; ABORTED_ENTRY_BYTES];
    let fields = ABORTED_VERSION.to_be_bytes().into_iter();
    let fields = fields.chain(numbers.into_iter().flat_map(i64::to_be_bytes));
    bytes
        .iter_mut()
        .zip(fields)
        .for_each(|(slot, byte)| *slot = byte);
    bytes
}

/// An aborted index entry: its four numbers, where its version is known.
pub(crate) fn parse_aborted_entry(bytes: [u8; ABORTED_ENTRY_BYTES]) -> Option<[i64; 4]> {
    let (version, rest) = bytes.split_first_chunk::<2>()?;
    let (fields, _) = rest.as_chunks::<8>();
    let mut numbers = fields.iter().map(|field| i64::from_be_bytes(*field));
    if i16::from_be_bytes(*version) != ABORTED_VERSION {
        return None;
    }
    Some([
        numbers.next()?,
        numbers.next()?,
        numbers.next()?,
        numbers.next()?,
    ])
}

/// The text of a checkpoint of one offset per partition.
pub(crate) fn encode_offsets(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (partition, offset) in offsets {
        // Writing to a string cannot fail.
        let written = writeln!(text, "{} {} {offset}", partition.topic, partition.partition);
        assert!(written.is_ok(), "a string takes every text");
    }
    text
}

/// Reads what [`encode_offsets`] or Kafka wrote; on failure, the number of the wrong line.
pub(crate) fn decode_offsets(text: &str) -> Result<BTreeMap<TopicPartition, Offset>, usize> {
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(1);
    }
    let count = lines.next().and_then(|line| line.parse::<usize>().ok());
    let count = count.ok_or(2_usize)?;
    let mut offsets = BTreeMap::new();
    for (index, line) in lines.enumerate() {
        let mut words = line.split(' ');
        let entry = (|| {
            let topic = words.next().filter(|topic| !topic.is_empty())?.to_owned();
            let partition = PartitionIndex(words.next()?.parse().ok()?);
            let offset = words.next()?.parse().ok().filter(|offset| *offset >= 0)?;
            let entry = (TopicPartition { topic, partition }, Offset(offset));
            words.next().is_none().then_some(entry)
        })();
        let (partition, offset) = entry.ok_or(index + 3)?;
        offsets.insert(partition, offset);
    }
    if offsets.len() == count {
        Ok(offsets)
    } else {
        Err(offsets.len() + 3)
    }
}

/// The text of a log's standing: a version, then a word and its offsets per line.
pub(crate) fn encode_standing(standing: &Standing) -> String {
    let Standing {
        log_start,
        sealed,
        cleaned,
        replacing,
    } = standing;
    let mut text = format!("0\nlog-start {log_start}\nsealed {sealed}\ncleaned {cleaned}\n");
    if let Some((base, end)) = replacing {
        let written = writeln!(text, "replacing {base} {end}");
        assert!(written.is_ok(), "a string takes every text");
    }
    text
}

/// Reads what [`encode_standing`] wrote.
pub(crate) fn decode_standing(text: &str) -> Option<Standing> {
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return None;
    }
    let mut standing = Standing::default();
    for line in lines {
        let (word, numbers) = line.split_once(' ')?;
        let offset = |text: &str| text.parse().ok().filter(|at| *at >= 0).map(Offset);
        match word {
            "log-start" => standing.log_start = offset(numbers)?,
            "sealed" => standing.sealed = offset(numbers)?,
            "cleaned" => standing.cleaned = offset(numbers)?,
            "replacing" => {
                let (base, end) = numbers.split_once(' ')?;
                let range = (offset(base)?, offset(end)?);
                standing.replacing = Some(range).filter(|(base, end)| base < end);
            }
            _ => return None,
        }
    }
    Some(standing)
}

/// The text of `partition.metadata`.
pub(crate) fn encode_topic_id(id: Uuid) -> String {
    format!("version: 0\ntopic_id: {id}\n")
}

/// The topic id in `partition.metadata`, where the text is one.
pub(crate) fn decode_topic_id(text: &str) -> Option<Uuid> {
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "version: 0" {
        return None;
    }
    let id = lines.next()?.strip_prefix("topic_id: ")?;
    id.trim_end().parse().ok()
}

/// Makes a header that was read without its records one of an empty batch, so that the batch
/// room's own getters read it: the length field ends where its overhead does.
pub(crate) fn empty_batch(header: &mut [u8; HEADER_BYTES]) {
    const LENGTH: [u8; 4] = [0, 0, 0, 49];
    const { assert!(HEADER_BYTES - LENGTH_OVERHEAD == 49) };
    let field = header
        .iter_mut()
        .take(LENGTH_OVERHEAD)
        .skip(LENGTH_OVERHEAD - LENGTH.len());
    field.zip(LENGTH).for_each(|(slot, byte)| *slot = byte);
}
