//! Reading segments frame by frame: the one way, for recovery, verifier and reader.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::disk::{Access, Disk, DiskFile};
use crate::entry::{LeafView, Role};
use crate::format::{FRAME_ALIGN, FRAME_HEADER_BYTES, FrameEntry, FrameHeader, SEGMENT_BYTES_MAX, SegmentHeader, frame_entries};
use crate::hash::{Hash, leaf_hash};
use crate::note::{NOTE_BYTES_MAX, VerifyingKey};
use crate::tree::CompactRange;

/// Where a reader of the log stands: what the next frame must continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    /// Sequence of the next frame.
    pub(crate) sequence: u64,
    /// What the next frame names as its predecessor.
    pub(crate) previous: Hash,
    /// The tree so far.
    pub(crate) range: CompactRange,
    /// Leaves that opened exchanges no entry has closed.
    pub(crate) open: BTreeMap<u64, Bytes>,
}

impl Position {
    /// Before the first segment of a log.
    pub(crate) fn start() -> Self {
        Self { sequence: 0, previous: Hash::default(), range: CompactRange::default(), open: BTreeMap::new() }
    }

    pub(crate) fn at(header: &SegmentHeader, checksum: Hash) -> Self {
        Self { sequence: header.first_frame, previous: checksum, range: header.range.clone(), open: header.open.iter().cloned().collect() }
    }

    /// Whether a segment's header continues from here. `previous` must be the hash of the last frame.
    pub(crate) fn continues_in(&self, header: &SegmentHeader) -> bool {
        header.first_frame == self.sequence
            && header.previous == self.previous
            && header.range == self.range
            && header.open.iter().map(|(index, leaf)| (index, leaf)).eq(self.open.iter())
    }
}

/// Reads a segment's header; `None` when the bytes are no header.
pub(crate) fn segment_header(file: &dyn DiskFile) -> io::Result<Option<(SegmentHeader, Hash)>> {
    let length = file.length()?;
    let mut start = [0; SegmentHeader::PEEK_BYTES];
    if length < start.len() as u64 || length > SEGMENT_BYTES_MAX {
        return Ok(None);
    }
    file.read_at(&mut start, 0)?;
    // A header never takes more than a quarter of its segment, so a false length cannot ask for much memory.
    let Some(bytes) = SegmentHeader::peek_length(&start).filter(|bytes| *bytes as u64 <= SegmentHeader::bytes_max(length)) else {
        return Ok(None);
    };
    let mut header = vec![0; bytes];
    file.read_at(&mut header, 0)?;
    Ok(SegmentHeader::decode(&header).filter(|(header, _)| header.segment_bytes == length))
}

/// What is said of a later version's bytes.
pub(crate) const LATER: &str = "written by a later version of the program, which alone can read it";

/// Whether a file begins as a segment of a later version.
pub(crate) fn is_later_segment(file: &dyn DiskFile) -> io::Result<bool> {
    let mut start = [0; SegmentHeader::PEEK_BYTES];
    if file.length()? < start.len() as u64 {
        return Ok(false);
    }
    file.read_at(&mut start, 0)?;
    Ok(SegmentHeader::is_later(&start))
}

/// A frame that holds in itself: header, lengths and hashes.
pub(crate) struct Frame<'a> {
    pub(crate) header: FrameHeader,
    /// Hash of the header.
    pub(crate) hash: Hash,
    pub(crate) entries: Vec<FrameEntry<'a>>,
}

/// What stands at an offset.
pub(crate) enum Found<'a> {
    /// A frame.
    Frame(Box<Frame<'a>>),
    /// Zeros where a header would be, or no room for one.
    Nothing,
    /// Part of a frame: what a crash leaves, if nothing follows.
    Unfinished(&'static str),
    /// What no crash leaves.
    Damaged(&'static str),
    /// A frame of a later version: acknowledged, for all that can be known here.
    Later,
}

/// Reads frames of one segment into a buffer that is used again.
pub(crate) struct Frames<'a> {
    file: &'a dyn DiskFile,
    length: u64,
    /// Where the next frame would begin.
    pub(crate) offset: u64,
    /// Where the last frame ended, before its padding.
    pub(crate) end: u64,
    buffer: Vec<u8>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, offset: u64) -> io::Result<Self> {
        Ok(Self { file, length: file.length()?, offset, end: offset, buffer: Vec::new() })
    }

    /// Reads the header at the present offset.
    pub(crate) fn peek(&self) -> io::Result<Result<Option<(FrameHeader, Hash)>, &'static str>> {
        if self.offset + FRAME_HEADER_BYTES as u64 > self.length {
            return Ok(Ok(None));
        }
        let mut bytes = [0; FRAME_HEADER_BYTES];
        self.file.read_at(&mut bytes, self.offset)?;
        if bytes.iter().all(|b| *b == 0) {
            return Ok(Ok(None));
        }
        let Some(header) = FrameHeader::decode(&bytes) else { return Ok(Err("frame header")) };
        if self.offset + header.frame_bytes() > self.length {
            return Ok(Err("frame longer than its segment"));
        }
        Ok(Ok(Some((header, Hash::of(&bytes)))))
    }

    fn is_later(&self) -> io::Result<bool> {
        let mut start = [0; 8];
        self.file.read_at(&mut start, self.offset)?;
        Ok(FrameHeader::is_later(&start))
    }

    /// Goes past a frame without reading its entries.
    pub(crate) fn skip(&mut self, header: &FrameHeader) {
        self.end = self.offset + header.frame_bytes();
        self.offset = self.end.next_multiple_of(FRAME_ALIGN as u64);
    }

    /// Reads the frame at the present offset and, when it holds in itself, goes past it.
    pub(crate) fn read(&mut self) -> io::Result<Found<'_>> {
        let (header, hash) = match self.peek()? {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Found::Nothing),
            // It was never half of one of ours: to move it aside would lose what a later version has acknowledged.
            Err(_) if self.is_later()? => return Ok(Found::Later),
            Err(what) => return Ok(Found::Unfinished(what)),
        };
        let start = self.offset;
        let leaves_bytes = header.leaves_bytes as usize;
        self.buffer.resize(leaves_bytes + header.payload_bytes as usize, 0);
        self.file.read_at(&mut self.buffer, start + FRAME_HEADER_BYTES as u64)?;
        let (leaves, payloads) = self.buffer.split_at(leaves_bytes);
        if Hash::of(leaves) != header.leaves_hash {
            return Ok(Found::Unfinished("frame's leaves"));
        }
        let Some(entries) = frame_entries(header.count, leaves, payloads) else { return Ok(Found::Damaged("frame's table")) };
        if entries.iter().any(|entry| payload_hash(entry.payload) != entry.payload_hash) {
            return Ok(Found::Unfinished("payload"));
        }
        // Frames are written with their padding, so what is between two whole frames was changed later.
        let mut gap = [0; FRAME_ALIGN];
        let gap = &mut gap[..usize::try_from(start - self.end).expect("less than a sector")];
        self.file.read_at(gap, self.end)?;
        if gap.iter().any(|b| *b != 0) {
            return Ok(Found::Damaged("bytes between frames"));
        }
        self.end = start + header.frame_bytes();
        self.offset = self.end.next_multiple_of(FRAME_ALIGN as u64);
        Ok(Found::Frame(Box::new(Frame { header, hash, entries })))
    }
}

fn payload_hash(payload: &[u8]) -> Hash {
    if payload.is_empty() { Hash::default() } else { Hash::of(payload) }
}

/// Checks that a frame continues the log, and moves the position past it.
///
/// On failure the position is as it was. The signature is checked when a key is given.
pub(crate) fn advance(position: &mut Position, frame: &Frame<'_>, key: Option<&VerifyingKey>) -> Result<(), &'static str> {
    let header = &frame.header;
    // A log made to look so may be at the last number there is.
    let following = position.sequence.checked_add(1);
    let (Some(following), true) = (following, header.sequence == position.sequence && header.first_index == position.range.size()) else {
        return Err("frame out of order");
    };
    if header.previous != position.previous {
        return Err("frame does not follow the one before");
    }
    let mut range = position.range.clone();
    let mut opened = BTreeMap::new();
    let mut closed = BTreeSet::new();
    for entry in &frame.entries {
        let leaf = LeafView::parse(entry.leaf).ok_or("leaf header")?;
        match leaf.role {
            Role::Single => {}
            Role::Opens => {
                opened.insert(range.size(), entry.leaf);
            }
            Role::Closes(index) => {
                if !(position.open.contains_key(&index) || opened.contains_key(&index)) || !closed.insert(index) {
                    return Err("entry closes what is not open");
                }
            }
        }
        range.push(leaf_hash(entry.leaf, &[]));
    }
    if range.root() != header.root {
        return Err("tree root");
    }
    if key.is_some_and(|key| !key.signed(header.size(), &header.root, &header.signature)) {
        return Err("tree head's signature");
    }
    position.open.extend(opened.into_iter().map(|(index, leaf)| (index, Bytes::copy_from_slice(leaf))));
    for index in closed {
        position.open.remove(&index);
    }
    position.range = range;
    position.sequence = following;
    position.previous = frame.hash;
    Ok(())
}

/// What follows the last good frame of the last segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Zeros only.
    Empty,
    /// Bytes that no frame of this log follows: an unfinished commit.
    Torn { offset: u64, bytes: u64, sha256: Hash },
    /// A frame this log signed stands behind bytes that are none: the middle of the log is gone.
    FrameBehind { offset: u64 },
}

/// Looks at everything from `end` on. `sequence` is that of the frame expected there.
///
/// A header counts as a frame only with this log's signature, so stored bytes that look like one
/// (or were made to) do not; the header where the bad frame itself begins does not count either.
pub(crate) fn tail(file: &dyn DiskFile, end: u64, sequence: u64, key: &VerifyingKey) -> io::Result<Tail> {
    const CHUNK_BYTES: usize = 64 << 10;
    let length = file.length()?;
    let bad_frame = end.next_multiple_of(FRAME_ALIGN as u64);
    // The last byte that is not zero, and any frame behind the bad one.
    let mut torn_end = end;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = end - end % FRAME_ALIGN as u64;
    while offset < length {
        let bytes = usize::try_from(length - offset).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let chunk = &mut chunk[..bytes];
        file.read_at(chunk, offset)?;
        if offset < end {
            let before = usize::try_from(end - offset).expect("less than a sector");
            chunk[..before].fill(0);
        }
        if let Some(last) = chunk.iter().rposition(|b| *b != 0) {
            torn_end = offset + last as u64 + 1;
            for (number, sector) in chunk.chunks(FRAME_ALIGN).enumerate() {
                let at = offset + (number * FRAME_ALIGN) as u64;
                let signed =
                    |header: FrameHeader| header.sequence >= sequence && key.signed(header.size(), &header.root, &header.signature);
                if at > bad_frame
                    && FrameHeader::has_magic(sector)
                    && sector.first_chunk().and_then(FrameHeader::decode).is_some_and(signed)
                {
                    return Ok(Tail::FrameBehind { offset: at });
                }
            }
        }
        offset += bytes as u64;
    }
    if torn_end == end {
        return Ok(Tail::Empty);
    }
    Ok(Tail::Torn { offset: end, bytes: torn_end - end, sha256: hash_range(file, end, torn_end)? })
}

/// SHA-256 of a part of a file.
fn hash_range(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<Hash> {
    let mut context = digest::Context::new(&digest::SHA256);
    for_chunks(file, start, end, |chunk| {
        context.update(chunk);
        Ok(())
    })?;
    Ok(Hash::finish(&context.finish()))
}

/// Reads a part of a file in bounded pieces.
pub(crate) fn for_chunks(file: &dyn DiskFile, start: u64, end: u64, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let mut chunk = Vec::new();
    let mut offset = start;
    while offset < end {
        let bytes = (end - offset).min(CHUNK_BYTES);
        chunk.resize(usize::try_from(bytes).expect("at most a chunk"), 0);
        file.read_at(&mut chunk, offset)?;
        take(&chunk)?;
        offset += bytes;
    }
    Ok(())
}

/// The logs in a directory: itself when it is one, else those below it, by name.
pub(crate) fn logs(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<PathBuf>> {
    let is_log = |dir: &Path| disk.list(&segments_dir(dir)).is_ok();
    if is_log(dir) {
        return Ok(vec![dir.to_owned()]);
    }
    let mut found: Vec<PathBuf> = disk.list(dir)?.iter().map(|name| dir.join(name)).filter(|dir| is_log(dir)).collect();
    found.sort_unstable();
    Ok(found)
}

/// First indices of the segments in a log's directory, rising. Other files there (`next`, `rewrite`) are no part of the log.
pub(crate) fn segments(disk: &dyn Disk, log_dir: &Path) -> io::Result<Vec<u64>> {
    let mut found: Vec<u64> = disk.list(&segments_dir(log_dir))?.iter().filter_map(|name| SegmentHeader::first_index(name)).collect();
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn segments_dir(log_dir: &Path) -> PathBuf {
    log_dir.join("segments")
}

pub(crate) fn segment_path(log_dir: &Path, first_index: u64) -> PathBuf {
    segments_dir(log_dir).join(SegmentHeader::file_name(first_index))
}

/// Reads a checkpoint note; `None` when there is none, `Some(None)` when it is no text of a note's length.
pub(crate) fn note_text(disk: &dyn Disk, path: &Path) -> io::Result<Option<Option<String>>> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(length) = usize::try_from(file.length()?).ok().filter(|length| *length <= NOTE_BYTES_MAX) else { return Ok(Some(None)) };
    let mut text = vec![0; length];
    file.read_at(&mut text, 0)?;
    Ok(Some(String::from_utf8(text).ok()))
}
