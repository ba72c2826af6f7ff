//! Reading entries without a key and without a lock.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, RealDisk};
use crate::entry::{LeafView, Role};
use crate::format::SegmentHeader;
use crate::hash::{Hash, leaf_hash};
use crate::levels::{Levels, ProofError};
use crate::note::{Origin, SignedHead, VerifyingKey};
use crate::scan::{self, Found, Frames, Tail};

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// The log.
    pub origin: Origin,
    /// The entry's index.
    pub index: u64,
    /// Its kind.
    pub kind: u8,
    /// Its role.
    pub role: Role,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// Sequence of the frame that holds it.
    pub frame: u64,
    /// Its body.
    pub body: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory holds no log, or several: name the log's own directory.
    #[error("{path} holds {found} logs; name the directory of one, such as {path}/<origin>")]
    Logs {
        /// The directory.
        path: PathBuf,
        /// How many logs it holds.
        found: usize,
    },
    /// The log has no such entry.
    #[error("the log has no entry {0}")]
    Index(u64),
    /// The disk refused.
    #[error("journal file {path} cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The bytes around the entry are not what was written: run `journal verify`.
    #[error("journal is damaged: {what} in segment {segment} at byte {offset}")]
    Damaged {
        /// File name of the segment.
        segment: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// The tree's stored levels with the head that they were last flushed under, and the key in the log. `dir` as for
/// [`entry`]; may be used while the log is being written.
///
/// # Errors
/// When there is no log, or it has no levels yet.
pub fn levels(dir: &Path) -> Result<(Levels, SignedHead, VerifyingKey), LevelsError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let io = |source| ReadError::Io { path: dir.to_owned(), source };
    let log_dir = log_dir(&*disk, dir)?;
    let first = scan::segments(&*disk, &log_dir).map_err(io)?.first().copied().ok_or(ReadError::Index(0))?;
    let key = open_segment(&*disk, &log_dir, first)?.key;
    let (levels, head) = Levels::open(disk, &log_dir, &key)?;
    Ok((levels, head, key))
}

/// Why there are no levels to read.
#[derive(Debug, thiserror::Error)]
pub enum LevelsError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its levels cannot.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Reads one entry. `dir` is a log's own directory, or the directory of logs when it holds just one.
///
/// The frame's own hashes are checked; the chain and the tree are not (that is `verify`).
///
/// # Errors
/// When there is no such entry, or it cannot be read.
pub fn entry(dir: &Path, index: u64) -> Result<EntryView, ReadError> {
    entries(dir, index)?.next().unwrap_or(Err(ReadError::Index(index)))
}

/// Reads all entries from an index on, in order; ends at the log's end or after the first error.
///
/// May be used while the log is being written: an unfinished last frame is the end.
///
/// # Errors
/// When there is no log.
pub fn entries(dir: &Path, from: u64) -> Result<Entries, ReadError> {
    entries_on(Arc::new(RealDisk), dir, from)
}

/// The same on any disk.
///
/// # Errors
/// When there is no log.
pub fn entries_on(disk: Arc<dyn Disk>, dir: &Path, from: u64) -> Result<Entries, ReadError> {
    let io = |source| ReadError::Io { path: dir.to_owned(), source };
    let log_dir = log_dir(&*disk, dir)?;
    let mut segments = scan::segments(&*disk, &log_dir).map_err(io)?;
    // The segment that holds `from` is the last one that begins at or before it.
    let first = segments.iter().rposition(|first| *first <= from).unwrap_or(0);
    segments.drain(..first);
    Ok(Entries { disk, log_dir, segments: segments.into(), from, segment: None, ready: VecDeque::new() })
}

/// Reads the last entry of a log; none where it has none. `dir` as for [`entry`].
///
/// Cost: a look at each frame header of the last segment.
///
/// # Errors
/// When there is no log, or its end cannot be read.
pub fn last(dir: &Path) -> Result<Option<EntryView>, ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let io = |source| ReadError::Io { path: dir.to_owned(), source };
    let log_dir = log_dir(&*disk, dir)?;
    let mut segments = scan::segments(&*disk, &log_dir).map_err(io)?;
    // A last segment may have no frame yet.
    while let Some(first_index) = segments.pop() {
        let segment = open_segment(&*disk, &log_dir, first_index)?;
        let mut frames = Frames::new(&*segment.file, segment.offset).map_err(io)?;
        // The last frame may be unfinished: then the one before is the last.
        let (mut before, mut last) = (first_index, first_index);
        while let Ok(Some((header, _))) = frames.peek().map_err(io)? {
            (before, last) = (last, header.first_index);
            frames.skip(&header);
        }
        let entry = entries_on(Arc::clone(&disk), &log_dir, before)?.last().transpose()?;
        if entry.is_some() {
            return Ok(entry);
        }
    }
    Ok(None)
}

fn log_dir(disk: &dyn Disk, dir: &Path) -> Result<PathBuf, ReadError> {
    let mut logs = scan::logs(disk, dir).map_err(|source| ReadError::Io { path: dir.to_owned(), source })?;
    match (logs.pop(), logs.len()) {
        (Some(log_dir), 0) => Ok(log_dir),
        (found, others) => Err(ReadError::Logs { path: dir.to_owned(), found: others + usize::from(found.is_some()) }),
    }
}

/// The entries of a log, in order.
#[derive(Debug)]
pub struct Entries {
    disk: Arc<dyn Disk>,
    log_dir: PathBuf,
    /// First indices of the segments not yet begun.
    segments: VecDeque<u64>,
    /// Entries before this one are passed over.
    from: u64,
    segment: Option<Segment>,
    /// Entries of the frame read last.
    ready: VecDeque<EntryView>,
}

#[derive(Debug)]
struct Segment {
    first_index: u64,
    key: VerifyingKey,
    file: Box<dyn DiskFile>,
    /// Where the next frame begins.
    offset: u64,
}

impl Iterator for Entries {
    type Item = Result<EntryView, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            match self.read_on() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.segments.clear();
                    self.segment = None;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

impl Entries {
    /// Opens the next segment or reads the next frame; `false` at the log's end.
    fn read_on(&mut self) -> Result<bool, ReadError> {
        let Some(segment) = self.segment.as_mut() else {
            let Some(first_index) = self.segments.pop_front() else { return Ok(false) };
            self.segment = Some(open_segment(&*self.disk, &self.log_dir, first_index)?);
            return Ok(true);
        };
        let first_index = segment.first_index;
        let io = |source| ReadError::Io { path: scan::segment_path(&self.log_dir, first_index), source };
        let mut frames = Frames::new(&*segment.file, segment.offset).map_err(io)?;
        while let Ok(Some((header, _))) = frames.peek().map_err(io)? {
            if header.size() > self.from {
                break;
            }
            frames.skip(&header);
        }
        let offset = frames.offset;
        let (ended, what) = match frames.read().map_err(io)? {
            Found::Frame(frame) => {
                for (index, entry) in (frame.header.first_index..).zip(&frame.entries) {
                    let damaged = || ReadError::Damaged { segment: SegmentHeader::file_name(first_index), offset, what: "leaf header" };
                    let leaf = LeafView::parse(entry.leaf).ok_or_else(damaged)?;
                    if index < self.from {
                        continue;
                    }
                    self.ready.push_back(EntryView {
                        origin: segment.key.origin().clone(),
                        index,
                        kind: leaf.kind,
                        role: leaf.role,
                        leaf_hash: leaf_hash(entry.leaf, &[]),
                        frame: frame.header.sequence,
                        body: leaf.body.to_vec(),
                        payload: entry.payload.to_vec(),
                    });
                }
                self.from = frame.header.size();
                segment.offset = frames.offset;
                return Ok(true);
            }
            Found::Nothing => (true, "frame header"),
            // Only the last segment may end in an unfinished frame.
            Found::Unfinished(what) => (self.segments.is_empty(), what),
            Found::Damaged(what) => (false, what),
        };
        // By the log's own rule the end is where no signed frame follows; any later frame is past what is expected here.
        let follows = scan::tail(&*segment.file, offset, 0, &segment.key).map_err(io)?;
        if !ended || matches!(follows, Tail::FrameBehind { .. }) {
            return Err(ReadError::Damaged { segment: SegmentHeader::file_name(first_index), offset, what });
        }
        self.segment = None;
        Ok(true)
    }
}

fn open_segment(disk: &dyn Disk, log_dir: &Path, first_index: u64) -> Result<Segment, ReadError> {
    let path = scan::segment_path(log_dir, first_index);
    let io = |source| ReadError::Io { path: path.clone(), source };
    let file = disk.open(&path, Access::Read).map_err(io)?;
    let Some((header, _)) = scan::segment_header(&*file).map_err(io)? else {
        return Err(ReadError::Damaged { segment: SegmentHeader::file_name(first_index), offset: 0, what: "segment header" });
    };
    let offset = header.encode().0.len() as u64;
    Ok(Segment { first_index, key: VerifyingKey::new(header.origin, header.key), file, offset })
}
