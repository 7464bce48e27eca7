//! The bytes of a frame: what many logs made durable together, and a checksum over all of it.
//!
//! Layout, numbers big-endian: magic, checksum (CRC-32C of all that follows it), length of the whole
//! frame, count of entries, the file's salt, generation, place in the generation; then the entries.
//! An entry: kind, partition, topic's name with its length, and for batches the topic's id, the
//! segment's base offset, the position in its file, and the batches with their length.
//!
//! Batches are what clients sent, and who looks for a frame behind a damaged one comes by them. So
//! that nobody can send a frame, each file has a *salt* that nobody outside knows. It stands, under
//! a checksum of its own, in each of the blocks before the first frame.
//!
//! Invariant: nothing is believed of a frame before its checksum and its salt were right, and no
//! length in it without the bytes being there.

use base::{BLOCK_SIZE, Offset, PartitionIndex, TopicPartition, Uuid, usize_from_u32};

/// How every frame begins: the format's name and version.
const MAGIC: [u8; 4] = *b"fbj1";
/// Magic, checksum, length, count, salt, generation and place.
pub(crate) const HEADER_BYTES: usize = 4 + 4 + 4 + 4 + 8 + 8 + 8;
/// How the blocks before the first frame begin.
const HEAD_MAGIC: [u8; 4] = *b"fbjs";
/// How many of them there are: without the salt no frame can be read, so it stands there twice.
const HEAD_BLOCKS: usize = 2;
/// Where the first frame begins.
pub(crate) const FRAMES_FROM: u64 = (HEAD_BLOCKS * BLOCK_SIZE) as u64;
/// Where the bytes begin that the checksum covers.
const COVERED_FROM: usize = 8;
/// The longest frame: one write that the kernel does not hand to a worker (kernel-note 003).
pub(crate) const FRAME_BYTES_MAX: usize = 256 << 10;

/// An entry's bytes beside the topic's name and the batches: kind, partition, the name's length,
/// topic id, base offset, position, and the batches' length.
const ENTRY_BYTES: usize = 1 + 4 + 2 + 16 + 8 + 8 + 4;
/// The kinds of entries.
const BATCHES: u8 = 1;
const VOID: u8 = 2;

const _: () = {
    assert!(FRAME_BYTES_MAX.is_multiple_of(BLOCK_SIZE));
    assert!(HEADER_BYTES < BLOCK_SIZE);
};

/// What tells the frames of a file from whatever looks like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) u64);

impl Salt {
    /// What stands in the file before its first frame.
    pub(crate) fn head(self) -> Vec<u8> {
        let salt = self.0.to_be_bytes();
        let mut block = [&HEAD_MAGIC[..], &crc32c::crc32c(&salt).to_be_bytes(), &salt].concat();
        block.resize(BLOCK_SIZE, 0);
        block.repeat(HEAD_BLOCKS)
    }

    /// The salt that a file's first bytes tell; nothing where no block of them is intact.
    pub(crate) fn of_head(bytes: &[u8]) -> Option<Self> {
        let mut blocks = bytes.chunks(BLOCK_SIZE).take(HEAD_BLOCKS);
        blocks.find_map(|block| {
            let mut block = Cursor(block);
            let (magic, checksum) = (block.array::<4>()?, block.u32()?);
            let salt = block.array::<8>()?;
            let is_right = magic == HEAD_MAGIC && checksum == crc32c::crc32c(&salt);
            is_right.then_some(Self(u64::from_be_bytes(salt)))
        })
    }
}

/// Where the batches of an entry belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The topic's id: another topic of the same name has nothing to do with it.
    pub(crate) topic_id: Uuid,
    /// The segment.
    pub(crate) base: Offset,
    /// Where in its file the first batch begins.
    pub(crate) position: u64,
}

/// One entry of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) partition: TopicPartition,
    pub(crate) content: Content<'a>,
}

/// What an entry says of its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// These batches were appended there.
    Batches { target: Target, bytes: &'a [u8] },
    /// All entries before this one count no more.
    Void,
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) generation: u64,
    /// Its place among the frames of its generation, from zero.
    pub(crate) place: u64,
    /// Its length, without what fills up the last block.
    pub(crate) len: usize,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// They do not begin as one.
    Magic,
    /// The length is impossible, or fewer bytes are there.
    Length,
    /// The checksum is wrong.
    Checksum,
    /// The salt is another one: a client sent this.
    Salt,
    /// The checksum is right, but what is in it makes no sense: another program wrote it.
    Entry,
}

/// A frame that is being made.
#[derive(Debug, Default)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl FrameBuilder {
    /// True before the first entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How long the frame is so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().max(HEADER_BYTES)
    }

    /// How many bytes an entry with `len` bytes of batches takes, for a topic whose name has
    /// `name_len` bytes.
    pub(crate) const fn entry_bytes(name_len: usize, len: usize) -> usize {
        ENTRY_BYTES + name_len + len
    }

    /// Adds batches, which come in pieces of memory.
    pub(crate) fn push_batches<B: AsRef<[u8]>>(
        &mut self,
        partition: &TopicPartition,
        target: Target,
        pieces: &[B],
    ) {
        self.begin_entry(BATCHES, partition);
        self.put(&target.topic_id.0.to_be_bytes());
        self.put(&target.base.0.to_be_bytes());
        self.put(&target.position.to_be_bytes());
        let len: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        self.put(&length(len).to_be_bytes());
        for piece in pieces {
            self.put(piece.as_ref());
        }
    }

    /// Adds that earlier entries of `partition` count no more.
    pub(crate) fn push_void(&mut self, partition: &TopicPartition) {
        self.begin_entry(VOID, partition);
    }

    fn begin_entry(&mut self, kind: u8, partition: &TopicPartition) {
        if self.bytes.is_empty() {
            self.put(&[0; HEADER_BYTES]);
        }
        self.count += 1;
        self.put(&[kind]);
        self.put(&partition.partition.0.to_be_bytes());
        let name = partition.topic.as_bytes();
        assert!(name.len() <= usize::from(u16::MAX), "a topic has a name");
        let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.put(&len.to_be_bytes());
        self.put(name);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The finished bytes; the builder begins anew.
    pub(crate) fn finish(&mut self, salt: Salt, (generation, place): (u64, u64)) -> Vec<u8> {
        assert!(self.count > 0, "a frame has an entry");
        assert!(self.bytes.len() <= FRAME_BYTES_MAX, "a frame fits a write");
        let mut bytes = std::mem::take(&mut self.bytes);
        let count = std::mem::take(&mut self.count);
        let len = length(bytes.len());
        let fields = [len.to_be_bytes(), count.to_be_bytes()]
            .into_iter()
            .flatten();
        let fields = fields.chain(salt.0.to_be_bytes());
        let fields = fields.chain(generation.to_be_bytes());
        let fields = fields.chain(place.to_be_bytes());
        let covered = bytes.iter_mut().skip(COVERED_FROM);
        covered.zip(fields).for_each(|(slot, byte)| *slot = byte);
        let checksum = crc32c::crc32c(bytes.get(COVERED_FROM..).unwrap_or_default());
        let head = MAGIC.into_iter().chain(checksum.to_be_bytes());
        bytes
            .iter_mut()
            .zip(head)
            .for_each(|(slot, byte)| *slot = byte);
        bytes
    }
}

fn length(len: usize) -> u32 {
    let field = u32::try_from(len);
    assert!(field.is_ok(), "a frame is short");
    field.unwrap_or(u32::MAX)
}

/// The frame that `bytes`, of a file with this salt, begin with.
///
/// # Errors
/// When they begin with none.
pub(crate) fn decode(bytes: &[u8], salt: Salt) -> Result<Frame<'_>, FrameFault> {
    let mut head = Cursor(bytes);
    if head.array::<4>() != Some(MAGIC) {
        return Err(FrameFault::Magic);
    }
    let (checksum, len) = (head.u32(), head.u32());
    let (Some(checksum), Some(len)) = (checksum, len) else {
        return Err(FrameFault::Length);
    };
    let len = usize_from_u32(len);
    if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&len) {
        return Err(FrameFault::Length);
    }
    let whole = bytes.get(..len).ok_or(FrameFault::Length)?;
    let covered = whole.get(COVERED_FROM..).ok_or(FrameFault::Length)?;
    if crc32c::crc32c(covered) != checksum {
        return Err(FrameFault::Checksum);
    }
    let mut cursor = Cursor(covered.get(4..).unwrap_or_default());
    let count = cursor.u32().ok_or(FrameFault::Length)?;
    if cursor.u64() != Some(salt.0) {
        return Err(FrameFault::Salt);
    }
    decode_covered(&mut cursor, len, count).ok_or(FrameFault::Entry)
}

fn decode_covered<'a>(cursor: &mut Cursor<'a>, len: usize, count: u32) -> Option<Frame<'a>> {
    let (generation, place) = (cursor.u64()?, cursor.u64()?);
    let mut entries = Vec::new();
    for _ in 0..count {
        let kind = cursor.u8()?;
        let partition = PartitionIndex(cursor.u32()?.cast_signed());
        let name_len = usize::from(u16::from_be_bytes(cursor.array()?));
        let topic = std::str::from_utf8(cursor.take(name_len)?).ok()?.to_owned();
        let content = match kind {
            VOID => Content::Void,
            BATCHES => {
                let topic_id = Uuid(u128::from_be_bytes(cursor.array()?));
                let base = Offset(cursor.u64()?.cast_signed());
                let position = cursor.u64()?;
                let len = usize_from_u32(cursor.u32()?);
                let bytes = cursor.take(len)?;
                let target = Target {
                    topic_id,
                    base,
                    position,
                };
                Some(target).filter(|target| target.base >= Offset(0))?;
                Content::Batches { target, bytes }
            }
            _ => return None,
        };
        entries.push(Entry {
            partition: TopicPartition { topic, partition },
            content,
        });
    }
    cursor.0.is_empty().then_some(Frame {
        generation,
        place,
        len,
        entries,
    })
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk::<N>().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        let [byte] = self.array()?;
        Some(byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}
