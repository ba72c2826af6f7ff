//! Reading entries without a key and without a lock.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskFile, RealDisk};
use crate::entry::{self, LeafView, Role};
use crate::format::{FRAME_HEADER_BYTES, SegmentHeader, TABLE_ROW_BYTES, leaf_in};
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
    /// Where that frame stands: with it [`Reader`] finds the entry again at once.
    pub place: FramePlace,
    /// Its body.
    pub body: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Where a frame stands in the log's files. Recovery may write the last segment anew, so what is found there
/// is compared with what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramePlace {
    /// The segment, by its first index.
    pub segment: u64,
    /// Byte in the segment.
    pub offset: u64,
}

impl EntryView {
    /// The bytes that the leaf hash is over: the log's header and the body.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        [&entry::leaf_header(self.kind, self.role), self.body.as_slice()].concat()
    }
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory holds no log.
    #[error("{0} holds no journal; name the folder that `journal.dir` says")]
    NoLog(PathBuf),
    /// The directory holds several logs: name the log's own directory.
    #[error("{path} holds {found} logs; name the directory of one, such as {path}/<origin>")]
    Logs {
        /// The directory.
        path: PathBuf,
        /// How many logs it holds.
        found: usize,
    },
    /// The log has no such entry.
    #[error("the log has no entry {0}; `journal verify` says how many it has")]
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
    /// A later version of the program wrote it: use that version.
    #[error("journal segment {segment} was written by a later version of the program at byte {offset}; use that version")]
    Later {
        /// File name of the segment.
        segment: String,
        /// Where in it.
        offset: u64,
    },
    /// The bytes around the entry are not what was written: run `journal verify`.
    #[error("journal is damaged: {what} in segment {segment} at byte {offset}; run `journal verify`")]
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
/// [`entry()`]; may be used while the log is being written.
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

/// Reads on from a place that an earlier reading gave: all entries from an index on that stand in that frame or
/// behind it, without looking through what stands before. While the log is being written, stop at the size that is
/// durable: to find the end of a log that is not closed, the rest of its segment is looked through.
///
/// # Errors
/// When there is no log, or the place is in no segment of it.
pub fn entries_from(dir: &Path, place: FramePlace, from: u64) -> Result<Entries, ReadError> {
    let mut entries = entries_on(Arc::new(RealDisk), dir, place.segment)?;
    let mut segment = open_segment(&*entries.disk, &entries.log_dir, place.segment)?;
    segment.offset = place.offset;
    entries.segments.pop_front_if(|first| *first == place.segment);
    entries.segment = Some(segment);
    entries.from = from;
    Ok(entries)
}

/// The folders of the logs in a directory of logs, by rising name; or the one log's own.
///
/// # Errors
/// When the directory cannot be read.
pub fn logs(dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    scan::logs(&RealDisk, dir).map_err(|source| ReadError::Io { path: dir.to_owned(), source })
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

/// Reads the last entry of a log; none where it has none. `dir` as for [`entry()`].
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
        (None, _) => Err(ReadError::NoLog(dir.to_owned())),
        (Some(_), others) => Err(ReadError::Logs { path: dir.to_owned(), found: others + 1 }),
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
                        place: FramePlace { segment: first_index, offset },
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
            Found::Later => return Err(ReadError::Later { segment: SegmentHeader::file_name(first_index), offset }),
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

/// Reads single entries whose places are known, in any order, without reading what stands around them.
#[derive(Debug)]
pub struct Reader {
    disk: Arc<dyn Disk>,
    log_dir: PathBuf,
    /// The segment read last: neighbours are asked for together.
    segment: Option<Segment>,
}

impl Reader {
    /// Reads a log; `dir` as for [`entry()`].
    ///
    /// # Errors
    /// When there is no log.
    pub fn new(dir: &Path) -> Result<Self, ReadError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let log_dir = log_dir(&*disk, dir)?;
        Ok(Self { disk, log_dir, segment: None })
    }

    /// Reads an entry without its payload, which is given empty. Three small reads, however large the frame.
    ///
    /// Its bytes are not compared with the frame's hashes: the leaf hash given is that of what was read, and
    /// whether it stands in the tree a proof says.
    ///
    /// # Errors
    /// When the place holds no such entry, or cannot be read.
    pub fn entry(&mut self, place: FramePlace, index: u64) -> Result<EntryView, ReadError> {
        let segment = match self.segment.take().filter(|segment| segment.first_index == place.segment) {
            Some(segment) => segment,
            None => open_segment(&*self.disk, &self.log_dir, place.segment)?,
        };
        let segment = self.segment.insert(segment);
        let path = || scan::segment_path(&self.log_dir, place.segment);
        let io = |source| ReadError::Io { path: path(), source };
        let damaged = |what| ReadError::Damaged { segment: SegmentHeader::file_name(place.segment), offset: place.offset, what };
        let Ok(Some((header, _))) = Frames::new(&*segment.file, place.offset).and_then(|frames| frames.peek()).map_err(io)? else {
            return Err(damaged("frame header"));
        };
        let number =
            index.checked_sub(header.first_index).filter(|_| index < header.size()).and_then(|number| usize::try_from(number).ok());
        let number = number.ok_or_else(|| damaged("frame of other entries"))?;
        let table_at = place.offset + FRAME_HEADER_BYTES as u64;
        let mut table = vec![0; header.count as usize * TABLE_ROW_BYTES];
        let table_fits = table.len() <= header.leaves_bytes as usize;
        segment.file.read_at(if table_fits { &mut table } else { &mut [] }, table_at).map_err(io)?;
        let (before, bytes) = leaf_in(&table, number).filter(|_| table_fits).ok_or_else(|| damaged("frame's table"))?;
        if table.len() as u64 + before + u64::from(bytes) > u64::from(header.leaves_bytes) {
            return Err(damaged("frame's table"));
        }
        let mut leaf_bytes = vec![0; bytes as usize];
        segment.file.read_at(&mut leaf_bytes, table_at + table.len() as u64 + before).map_err(io)?;
        let leaf = LeafView::parse(&leaf_bytes).ok_or_else(|| damaged("leaf header"))?;
        Ok(EntryView {
            origin: segment.key.origin().clone(),
            index,
            kind: leaf.kind,
            role: leaf.role,
            leaf_hash: leaf_hash(&leaf_bytes, &[]),
            frame: header.sequence,
            place,
            body: leaf.body.to_vec(),
            payload: Vec::new(),
        })
    }
}

fn open_segment(disk: &dyn Disk, log_dir: &Path, first_index: u64) -> Result<Segment, ReadError> {
    let path = scan::segment_path(log_dir, first_index);
    let io = |source| ReadError::Io { path: path.clone(), source };
    let file = disk.open(&path, Access::Read).map_err(io)?;
    let Some((header, _)) = scan::segment_header(&*file).map_err(io)? else {
        let segment = SegmentHeader::file_name(first_index);
        let is_later = scan::is_later_segment(&*file).map_err(io)?;
        return Err(if is_later {
            ReadError::Later { segment, offset: 0 }
        } else {
            ReadError::Damaged { segment, offset: 0, what: "segment header" }
        });
    };
    let offset = header.encode().0.len() as u64;
    Ok(Segment { first_index, key: VerifyingKey::new(header.origin, header.key), file, offset })
}
