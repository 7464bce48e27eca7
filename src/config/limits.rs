//! The bounds of everything that could grow, with their arithmetic checked when this is compiled.
//!
//! What an operator may set has its default in the key tables and its outermost bound here; what
//! nobody needs to set has only its bound.

/// The longest value of any key, in bytes: room for a certificate chain in PEM.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// The longest name of any key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;
/// The largest configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 8 << 20;
/// The most settings in one configuration file.
pub const FILE_SETTINGS_MAX: usize = 10_000;
/// The most listeners of one node.
pub const LISTENERS_MAX: usize = 64;
/// The most log directories of one node.
pub const LOG_DIRS_MAX: usize = 256;
/// The most members of the metadata quorum.
pub const VOTERS_MAX: usize = 64;

/// The most cores one node works with: a `CoreId` has 16 bits, the kernel's own bound is lower.
pub const CORES_MAX: i64 = 4096;
/// The least memory for frames per core: one frame of the largest size that Kafka clients send
/// with their defaults (1 MiB) in each direction, and as much again.
pub const FRAMES_BYTES_MIN: i64 = 4 << 20;
/// The most memory for frames per core.
pub const FRAMES_BYTES_MAX: i64 = 1 << 40;
/// The least memory for log ends per core.
pub const CHUNKS_BYTES_MIN: i64 = 4 << 20;
/// The most memory for log ends per core.
pub const CHUNKS_BYTES_MAX: i64 = 1 << 40;
/// The most bytes of unanswered requests per connection.
pub const CONNECTION_INFLIGHT_BYTES_MAX: i64 = 1 << 40;
/// The longest time a request may take to arrive.
pub const HEADER_TIMEOUT_MS_MAX: i64 = 24 * 3600 * 1000;
/// The most partitions, and the most committed offsets, that one page of metrics tells of: at about
/// 400 bytes each, two such pages fit into memory anywhere.
pub const METRICS_SERIES_MAX: i64 = 100_000;
/// The most partitions of one topic that a request may ask for.
pub const TOPIC_PARTITIONS_MAX: i32 = 10_000;
/// The most access control lists that one request adds or removes, as in Kafka.
pub const ACL_CHANGES_MAX: usize = 10_000;
/// The most passwords that one request sets or removes; as many records as one of access lists.
pub const SCRAM_CHANGES_MAX: usize = ACL_CHANGES_MAX;
/// The longest salt of a password, in bytes. Clients use a few dozen.
pub const SCRAM_SALT_BYTES_MAX: usize = 1024;
/// The longest name of a topic, in bytes; its directory carries the partition's index as well.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// The longest file name that Linux file systems take, in bytes.
const FILE_NAME_BYTES_MAX: usize = 255;
/// A dash and the digits of the highest partition index.
const PARTITION_SUFFIX_BYTES_MAX: usize = 5;

const _: () = assert!(VALUE_BYTES_MAX + KEY_BYTES_MAX < FILE_BYTES_MAX);
const _: () = assert!(CORES_MAX <= u16::MAX as i64);
const _: () = assert!(FRAMES_BYTES_MIN % 4096 == 0 && CHUNKS_BYTES_MIN % 4096 == 0);
const _: () = assert!(FRAMES_BYTES_MIN < FRAMES_BYTES_MAX && CHUNKS_BYTES_MIN < CHUNKS_BYTES_MAX);
const _: () = assert!(CORES_MAX.checked_mul(FRAMES_BYTES_MAX).is_some());
const _: () = assert!(CORES_MAX.checked_mul(CHUNKS_BYTES_MAX).is_some());
const _: () = assert!(HEADER_TIMEOUT_MS_MAX <= i32::MAX as i64);
const _: () = assert!(10_i32.pow(4) >= TOPIC_PARTITIONS_MAX);
const _: () = assert!(TOPIC_NAME_BYTES_MAX + PARTITION_SUFFIX_BYTES_MAX <= FILE_NAME_BYTES_MAX);
