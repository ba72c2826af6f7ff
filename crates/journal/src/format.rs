//! The bytes of segments and frames: pure encoding and decoding, all numbers little-endian.
//!
//! ```text
//! segment   header │ frame │ zeros to 512 │ frame │ zeros to 512 │ … │ zeros to the file's end
//! frame     header (256) │ table (40 per entry) │ leaves │ payloads
//! ```

use bytes::Bytes;

use crate::hash::Hash;
use crate::note::{ORIGIN_BYTES_MAX, Origin};
use crate::tree::CompactRange;

/// Smallest segment file, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Largest segment file, in bytes.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Frames begin at multiples of this, so that no sector of an acknowledged frame is written again.
pub const FRAME_ALIGN: usize = 512;
/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 256;
/// Bytes per entry in a frame's table: leaf length (4), payload length (4), SHA-256 of the payload (32).
pub const TABLE_ROW_BYTES: usize = 40;

const SEGMENT_MAGIC: &[u8; 8] = b"QVSQSEG1";
const SEGMENT_FIXED_BYTES: usize = 192;
const SEGMENT_ALIGN: usize = 4096;
const HASH_BYTES: usize = 32;
const FRAME_MAGIC: &[u8; 8] = b"QVSQFRM1";
const FRAME_CRC_AT: usize = 252;

/// What stands before a segment's frames: everything needed to go on from here without the segments before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log.
    pub origin: Origin,
    /// The log's Ed25519 public key.
    pub key: [u8; 32],
    /// 0 for the first segment, one more for each next.
    pub number: u64,
    /// Length of the file, in bytes.
    pub segment_bytes: u64,
    /// Sequence of the first frame here.
    pub first_frame: u64,
    /// Hash of the frame before; zeros in the first segment.
    pub previous: Hash,
    /// The tree before the first frame here; its size is the first index.
    pub range: CompactRange,
    /// Exchanges open before the first frame here: index and whole leaf of what opened them, by index.
    pub open: Vec<(u64, Bytes)>,
}

impl SegmentHeader {
    /// Bytes an open exchange takes in the header.
    pub(crate) fn open_cost(leaf_bytes: usize) -> usize {
        8 + 4 + leaf_bytes
    }

    /// Most bytes of a segment that its header may take: a quarter.
    pub(crate) fn bytes_max(segment_bytes: u64) -> u64 {
        segment_bytes / 4
    }

    /// Most bytes of open exchanges that surely fit into a header.
    pub(crate) fn open_bytes_max(segment_bytes: u64) -> usize {
        let rest = SEGMENT_FIXED_BYTES + u64::BITS as usize * HASH_BYTES + HASH_BYTES + SEGMENT_ALIGN;
        usize::try_from(Self::bytes_max(segment_bytes)).expect("a segment fits into memory").saturating_sub(rest)
    }

    /// The file's name: the first index as 16 hexadecimal digits.
    #[must_use]
    pub fn file_name(first_index: u64) -> String {
        format!("{first_index:016x}.seg")
    }

    /// The first index that a file's name says.
    #[must_use]
    pub fn first_index(file_name: &str) -> Option<u64> {
        let hex = file_name.strip_suffix(".seg")?;
        let index = u64::from_str_radix(hex, 16).ok()?;
        (Self::file_name(index) == file_name).then_some(index)
    }

    /// The header's bytes, padded, and its checksum, which the first frame here names as its predecessor.
    #[must_use]
    pub(crate) fn encode(&self) -> (Vec<u8>, Hash) {
        let mut bytes = vec![0; SEGMENT_FIXED_BYTES];
        put(&mut bytes, 0, SEGMENT_MAGIC);
        put(&mut bytes, 16, &self.number.to_le_bytes());
        put(&mut bytes, 24, &self.first_frame.to_le_bytes());
        put(&mut bytes, 32, &self.range.size().to_le_bytes());
        put(&mut bytes, 40, &self.segment_bytes.to_le_bytes());
        put(&mut bytes, 48, &self.previous.0);
        put(&mut bytes, 80, &self.key);
        let origin = self.origin.as_str().as_bytes();
        bytes[112] = u8::try_from(origin.len()).expect("an origin has at most 64 bytes");
        put(&mut bytes, 113, origin);
        put(&mut bytes, 180, &length(self.range.nodes().len()));
        put(&mut bytes, 184, &length(self.open.len()));
        for node in self.range.nodes() {
            bytes.extend_from_slice(&node.0);
        }
        for (index, leaf) in &self.open {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(&length(leaf.len()));
            bytes.extend_from_slice(leaf);
        }
        let content = bytes.len() + HASH_BYTES;
        let padded = content.next_multiple_of(SEGMENT_ALIGN);
        put(&mut bytes, 8, &length(padded));
        put(&mut bytes, 12, &length(content));
        let checksum = Hash::of(&bytes);
        bytes.extend_from_slice(&checksum.0);
        bytes.resize(padded, 0);
        (bytes, checksum)
    }

    /// Whether bytes begin a segment of a later version of the format.
    #[must_use]
    pub(crate) fn is_later(bytes: &[u8]) -> bool {
        is_later(bytes, SEGMENT_MAGIC)
    }

    /// Length of the whole header, read from its first bytes; nothing when they are not a header's.
    #[must_use]
    pub(crate) fn peek_length(start: &[u8]) -> Option<usize> {
        let (padded, content) = (number4(start, 8)?, number4(start, 12)?);
        let fits = content >= SEGMENT_FIXED_BYTES + HASH_BYTES && content.next_multiple_of(SEGMENT_ALIGN) == padded;
        (start.starts_with(SEGMENT_MAGIC) && fits).then_some(padded)
    }

    /// Bytes needed for [`Self::peek_length`].
    pub(crate) const PEEK_BYTES: usize = 16;

    /// Decodes a whole header; nothing when any byte is not as [`Self::encode`] writes it.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, Hash)> {
        if Self::peek_length(bytes)? != bytes.len() {
            return None;
        }
        let content = number4(bytes, 12)?;
        let (signed, checksum) = bytes.get(..content)?.split_last_chunk::<HASH_BYTES>()?;
        if Hash::of(signed).0 != *checksum {
            return None;
        }
        let origin = signed.get(113..113 + usize::from(*signed.get(112)?).min(ORIGIN_BYTES_MAX))?;
        let mut rest = signed.get(SEGMENT_FIXED_BYTES..)?;
        let mut nodes = Vec::new();
        for _ in 0..number4(signed, 180)? {
            let (node, after) = rest.split_first_chunk::<HASH_BYTES>()?;
            nodes.push(Hash(*node));
            rest = after;
        }
        let mut open = Vec::new();
        for _ in 0..number4(signed, 184)? {
            let index = number8(rest, 0)?;
            let leaf_length = number4(rest, 8)?;
            let leaf = rest.get(12..12 + leaf_length)?;
            open.push((index, Bytes::copy_from_slice(leaf)));
            rest = rest.get(12 + leaf_length..)?;
        }
        let header = Self {
            origin: Origin::new(std::str::from_utf8(origin).ok()?).ok()?,
            key: hash(signed, 80)?.0,
            number: number8(signed, 16)?,
            segment_bytes: number8(signed, 40)?,
            first_frame: number8(signed, 24)?,
            previous: hash(signed, 48)?,
            range: CompactRange::from_parts(number8(signed, 32)?, nodes)?,
            open,
        };
        // One encoding per header: reserved bytes and padding are compared with it all at once.
        let (again, checksum) = header.encode();
        (again == bytes).then_some((header, checksum))
    }
}

/// What stands before a frame's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameHeader {
    /// 0 for the first frame of the log, one more for each next.
    pub sequence: u64,
    /// Index of the first entry.
    pub first_index: u64,
    /// Entries, at least one.
    pub count: u32,
    /// Bytes of table and leaves.
    pub leaves_bytes: u32,
    /// Bytes of payloads.
    pub payload_bytes: u32,
    /// Hash of the frame before, or the checksum of the segment's header for its first frame.
    pub previous: Hash,
    /// Root of the tree with this frame.
    pub root: Hash,
    /// SHA-256 of table and leaves.
    pub leaves_hash: Hash,
    /// Ed25519 over the text of the checkpoint note for this size and root.
    pub signature: [u8; 64],
}

impl FrameHeader {
    /// Entries in the log with this frame.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.first_index + u64::from(self.count)
    }

    /// Bytes of the whole frame without padding.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + u64::from(self.leaves_bytes) + u64::from(self.payload_bytes)
    }

    /// The header's bytes.
    #[must_use]
    pub(crate) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        put(&mut bytes, 0, FRAME_MAGIC);
        put(&mut bytes, 8, &self.sequence.to_le_bytes());
        put(&mut bytes, 16, &self.first_index.to_le_bytes());
        put(&mut bytes, 24, &self.count.to_le_bytes());
        put(&mut bytes, 28, &self.leaves_bytes.to_le_bytes());
        put(&mut bytes, 32, &self.payload_bytes.to_le_bytes());
        put(&mut bytes, 40, &self.size().to_le_bytes());
        put(&mut bytes, 48, &self.previous.0);
        put(&mut bytes, 80, &self.root.0);
        put(&mut bytes, 112, &self.leaves_hash.0);
        put(&mut bytes, 144, &self.signature);
        let crc = crc32fast::hash(&bytes[..FRAME_CRC_AT]);
        put(&mut bytes, FRAME_CRC_AT, &crc.to_le_bytes());
        bytes
    }

    /// Decodes a header; nothing when any byte is not as [`Self::encode`] writes it.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let number = |at| bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk));
        let header = Self {
            sequence: number8(bytes, 8)?,
            first_index: number8(bytes, 16)?,
            count: number(24)?,
            leaves_bytes: number(28)?,
            payload_bytes: number(32)?,
            previous: hash(bytes, 48)?,
            root: hash(bytes, 80)?,
            leaves_hash: hash(bytes, 112)?,
            signature: *bytes.get(144..)?.first_chunk()?,
        };
        // Before `encode` adds them, the sum must be a number.
        header.first_index.checked_add(u64::from(header.count))?;
        (header.count > 0 && header.encode() == *bytes).then_some(header)
    }

    /// Whether bytes begin a frame of a later version of the format.
    #[must_use]
    pub(crate) fn is_later(bytes: &[u8]) -> bool {
        is_later(bytes, FRAME_MAGIC)
    }

    /// Whether bytes may begin a frame at all: cheap enough to ask of every sector.
    #[must_use]
    pub(crate) fn has_magic(bytes: &[u8]) -> bool {
        bytes.starts_with(FRAME_MAGIC)
    }
}

/// Whether bytes begin with this magic but for its last digit, the version, which is higher.
fn is_later(bytes: &[u8], magic: &[u8; 8]) -> bool {
    let [word @ .., version] = magic;
    bytes.strip_prefix(word).and_then(<[u8]>::first).is_some_and(|digit| digit.is_ascii_digit() && digit > version)
}

/// One entry as it stands in a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameEntry<'a> {
    pub(crate) leaf: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) payload_hash: Hash,
}

/// Takes table, leaves and payloads apart; nothing when the lengths do not add up exactly.
pub(crate) fn frame_entries<'a>(count: u32, leaves: &'a [u8], payloads: &'a [u8]) -> Option<Vec<FrameEntry<'a>>> {
    let count = usize::try_from(count).ok()?;
    let (table, mut leaves) = leaves.split_at_checked(count.checked_mul(TABLE_ROW_BYTES)?)?;
    let mut payloads = payloads;
    let mut entries = Vec::with_capacity(count);
    for row in table.chunks_exact(TABLE_ROW_BYTES) {
        let (leaf, leaves_after) = leaves.split_at_checked(number4(row, 0)?)?;
        let (payload, payloads_after) = payloads.split_at_checked(number4(row, 4)?)?;
        entries.push(FrameEntry { leaf, payload, payload_hash: hash(row, 8)? });
        (leaves, payloads) = (leaves_after, payloads_after);
    }
    (leaves.is_empty() && payloads.is_empty()).then_some(entries)
}

/// Where an entry's leaf stands in a frame: how many bytes of leaves before it, and its own. Nothing where the
/// table is too short.
pub(crate) fn leaf_in(table: &[u8], number: usize) -> Option<(u64, u32)> {
    let mut rows = table.chunks_exact(TABLE_ROW_BYTES).map(|row| u32::from_le_bytes([row[0], row[1], row[2], row[3]]));
    let before = rows.by_ref().take(number).map(u64::from).sum();
    Some((before, rows.next()?))
}

/// Appends an entry's row to a frame's table.
pub(crate) fn put_row(table: &mut Vec<u8>, leaf_bytes: usize, payload_bytes: usize, payload_hash: &Hash) {
    table.extend_from_slice(&length(leaf_bytes));
    table.extend_from_slice(&length(payload_bytes));
    table.extend_from_slice(&payload_hash.0);
}

fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("lengths stay below a segment's 1 GiB").to_le_bytes()
}

fn number4(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

fn number8(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn hash(bytes: &[u8], at: usize) -> Option<Hash> {
    bytes.get(at..)?.first_chunk().copied().map(Hash)
}
