//! The bytes of messages and of the state file, written once, here.
//!
//! Both begin with a version and end with a CRC-32C over everything before it; numbers are
//! big-endian. Invariants: decoding allocates in proportion to the bytes that arrived, never to a
//! count they claim; every value round-trips; every other input is an error.

use crate::entry::{Entry, EntryKind, HardState, Index, SnapshotMark, VoterChange};
use crate::error::CodecError;
use crate::message::{Message, MessageKind};
use crate::recovered::PersistentState;
use base::{LeaderEpoch, NodeId, Offset, usize_from_u32};

const MESSAGE_VERSION: u8 = 1;
const STATE_VERSION: u8 = 1;
const CRC_BYTES: usize = 4;
/// index, epoch, kind, payload length.
const ENTRY_BYTES_MIN: usize = 8 + 4 + 1 + 4;
const NODE_BYTES: usize = 4;

const KIND_PAYLOAD: u8 = 0;
const KIND_ELECTION: u8 = 1;
const KIND_VOTERS: u8 = 2;
const CHANGE_ADD: u8 = 0;
const CHANGE_REMOVE: u8 = 1;
const FLAG_REJECT: u8 = 1;
const FLAG_TRANSFER: u8 = 2;
const FLAG_SNAPSHOT: u8 = 4;

impl Message {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(MESSAGE_VERSION);
        out.u8(self.kind.byte());
        let snapshot_flag = if self.snapshot.is_some() {
            FLAG_SNAPSHOT
        } else {
            0
        };
        let reject_flag = if self.reject { FLAG_REJECT } else { 0 };
        let transfer_flag = if self.transfer { FLAG_TRANSFER } else { 0 };
        out.u8(reject_flag | transfer_flag | snapshot_flag);
        out.i32(self.from.get());
        out.i32(self.to.get());
        out.i32(self.epoch.get());
        out.u64(self.index.get());
        out.i32(self.index_epoch.get());
        out.u64(self.commit.get());
        out.i32(self.commit_epoch.get());
        out.u64(self.reject_hint.get());
        out.count(self.entries.len());
        self.entries
            .iter()
            .for_each(|entry| write_entry(&mut out, entry));
        if let Some(mark) = &self.snapshot {
            write_mark(&mut out, mark);
        }
        out.finish()
    }

    /// The message in `bytes`, all of them.
    ///
    /// # Errors
    /// Anything that `encode` does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = Reader::new(bytes, MESSAGE_VERSION)?;
        let kind = MessageKind::from_byte(input.u8()?).ok_or(CodecError::Field("kind"))?;
        let flags = input.u8()?;
        if flags & !(FLAG_REJECT | FLAG_TRANSFER | FLAG_SNAPSHOT) != 0 {
            return Err(CodecError::Field("flags"));
        }
        let mut message = Self {
            kind,
            from: NodeId(input.not_negative("from")?),
            to: NodeId(input.not_negative("to")?),
            epoch: input.epoch("epoch")?,
            index: Index(input.u64()?),
            index_epoch: input.epoch("index_epoch")?,
            commit: Index(input.u64()?),
            commit_epoch: input.epoch("commit_epoch")?,
            reject: flags & FLAG_REJECT != 0,
            reject_hint: Index(input.u64()?),
            transfer: flags & FLAG_TRANSFER != 0,
            entries: Vec::new(),
            snapshot: None,
        };
        let count = input.count(ENTRY_BYTES_MIN)?;
        for _ in 0..count {
            message.entries.push(read_entry(&mut input)?);
        }
        if flags & FLAG_SNAPSHOT != 0 {
            message.snapshot = Some(read_mark(&mut input)?);
        }
        input.finish()?;
        Ok(message)
    }
}

impl PersistentState {
    /// The bytes of the state file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(STATE_VERSION);
        out.i32(self.hard_state.epoch.get());
        out.i32(self.hard_state.voted_for.map_or(-1, NodeId::get));
        out.u64(self.hard_state.commit.get());
        write_mark(&mut out, &self.snapshot);
        out.finish()
    }

    /// The state in `bytes`, all of them.
    ///
    /// # Errors
    /// Anything that `encode` does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = Reader::new(bytes, STATE_VERSION)?;
        let epoch = input.epoch("epoch")?;
        let voted_for = match input.i32()? {
            -1 => None,
            node if node >= 0 => Some(NodeId(node)),
            _ => return Err(CodecError::Field("voted_for")),
        };
        let hard_state = HardState {
            epoch,
            voted_for,
            commit: Index(input.u64()?),
        };
        let snapshot = read_mark(&mut input)?;
        input.finish()?;
        Ok(Self {
            hard_state,
            snapshot,
        })
    }
}

/// The leader's id inside an election entry.
pub(crate) fn encode_leader(leader: NodeId) -> Vec<u8> {
    leader.get().to_be_bytes().to_vec()
}

/// The leader's id from inside an election entry, where it was written.
pub(crate) fn decode_leader(bytes: &[u8]) -> Option<NodeId> {
    let bytes = <[u8; NODE_BYTES]>::try_from(bytes).ok()?;
    Some(NodeId(i32::from_be_bytes(bytes)))
}

/// A change of the voters with its payload, inside an entry.
pub(crate) fn encode_change(change: VoterChange, payload: &[u8]) -> Vec<u8> {
    let (kind, node) = match change {
        VoterChange::Add(node) => (CHANGE_ADD, node),
        VoterChange::Remove(node) => (CHANGE_REMOVE, node),
    };
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&node.get().to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A change of the voters with its payload.
pub(crate) fn decode_change(bytes: &[u8]) -> Result<(VoterChange, Vec<u8>), CodecError> {
    let (kind, rest) = bytes.split_first().ok_or(CodecError::Short)?;
    let (node, payload) = rest
        .split_first_chunk::<NODE_BYTES>()
        .ok_or(CodecError::Short)?;
    let node = NodeId(i32::from_be_bytes(*node));
    if node.get() < 0 {
        return Err(CodecError::Field("voter"));
    }
    let change = match *kind {
        CHANGE_ADD => VoterChange::Add(node),
        CHANGE_REMOVE => VoterChange::Remove(node),
        _ => return Err(CodecError::Field("change")),
    };
    Ok((change, payload.to_vec()))
}

fn write_entry(out: &mut Writer, entry: &Entry) {
    out.u64(entry.index.get());
    out.i32(entry.epoch.get());
    match entry.kind {
        EntryKind::Payload => {
            out.u8(KIND_PAYLOAD);
            out.sized(&entry.payload);
        }
        EntryKind::Election { leader } => {
            out.u8(KIND_ELECTION);
            out.sized(&encode_leader(leader));
        }
        EntryKind::Voters(change) => {
            out.u8(KIND_VOTERS);
            out.sized(&encode_change(change, &entry.payload));
        }
    }
}

fn read_entry(input: &mut Reader<'_>) -> Result<Entry, CodecError> {
    let index = Index(input.u64()?);
    let epoch = input.epoch("entry epoch")?;
    let kind = input.u8()?;
    let body = input.sized()?;
    let (kind, payload) = match kind {
        KIND_PAYLOAD if !body.is_empty() => (EntryKind::Payload, body.to_vec()),
        KIND_ELECTION => {
            let leader = decode_leader(body).filter(|leader| leader.get() >= 0);
            let leader = leader.ok_or(CodecError::Field("leader"))?;
            (EntryKind::Election { leader }, Vec::new())
        }
        KIND_VOTERS => {
            let (change, payload) = decode_change(body)?;
            (EntryKind::Voters(change), payload)
        }
        _ => return Err(CodecError::Field("entry kind")),
    };
    Ok(Entry {
        index,
        epoch,
        kind,
        payload,
    })
}

fn write_mark(out: &mut Writer, mark: &SnapshotMark) {
    out.u64(mark.index.get());
    out.i32(mark.epoch.get());
    out.i64(mark.end_offset.get());
    out.count(mark.voters.len());
    mark.voters.iter().for_each(|voter| out.i32(voter.get()));
}

fn read_mark(input: &mut Reader<'_>) -> Result<SnapshotMark, CodecError> {
    let index = Index(input.u64()?);
    let epoch = input.epoch("snapshot epoch")?;
    let end_offset = Offset(input.i64()?);
    if end_offset.get() < 0 {
        return Err(CodecError::Field("end_offset"));
    }
    let count = input.count(NODE_BYTES)?;
    let mut voters = Vec::with_capacity(count);
    for _ in 0..count {
        let voter = NodeId(input.not_negative("voter")?);
        if voters.contains(&voter) {
            return Err(CodecError::Field("voter twice"));
        }
        voters.push(voter);
    }
    Ok(SnapshotMark {
        index,
        epoch,
        end_offset,
        voters,
    })
}

/// Appends fields; `finish` seals them with the checksum.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(version: u8) -> Self {
        Self {
            bytes: vec![version],
        }
    }

    fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn count(&mut self, value: usize) {
        let count = u32::try_from(value);
        assert!(count.is_ok(), "four thousand million elements in a message");
        self.bytes
            .extend_from_slice(&count.unwrap_or(0).to_be_bytes());
    }

    fn sized(&mut self, value: &[u8]) {
        self.count(value.len());
        self.bytes.extend_from_slice(value);
    }

    fn finish(mut self) -> Vec<u8> {
        let crc = crc32c::crc32c(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_be_bytes());
        self.bytes
    }
}

/// Takes fields from bytes whose checksum was verified first.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], version: u8) -> Result<Self, CodecError> {
        let (body, crc) = bytes
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(CodecError::Short)?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*crc) {
            return Err(CodecError::Checksum);
        }
        let (found, rest) = body.split_first().ok_or(CodecError::Short)?;
        if *found != version {
            return Err(CodecError::Version(*found));
        }
        Ok(Self { rest })
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (chunk, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(CodecError::Short)?;
        self.rest = rest;
        Ok(*chunk)
    }

    fn u8(&mut self) -> Result<u8, CodecError> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn i32(&mut self) -> Result<i32, CodecError> {
        self.chunk().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, CodecError> {
        self.chunk().map(i64::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, CodecError> {
        self.chunk().map(u64::from_be_bytes)
    }

    fn not_negative(&mut self, field: &'static str) -> Result<i32, CodecError> {
        let value = self.i32()?;
        if value < 0 {
            return Err(CodecError::Field(field));
        }
        Ok(value)
    }

    fn epoch(&mut self, field: &'static str) -> Result<LeaderEpoch, CodecError> {
        self.not_negative(field).map(LeaderEpoch)
    }

    /// A count of elements of at least `element_bytes_min` each, which must fit into what is left.
    fn count(&mut self, element_bytes_min: usize) -> Result<usize, CodecError> {
        assert!(element_bytes_min > 0, "elements take room");
        let count = usize_from_u32(self.chunk().map(u32::from_be_bytes)?);
        if count > self.rest.len() / element_bytes_min {
            return Err(CodecError::Short);
        }
        Ok(count)
    }

    fn sized(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.count(1)?;
        let (value, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(CodecError::Short)?;
        self.rest = rest;
        Ok(value)
    }

    fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CodecError::Trailing)
        }
    }
}
