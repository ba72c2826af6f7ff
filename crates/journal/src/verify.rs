//! The verifier: read-only, without a key and without a lock.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Access, Disk, DiskFile, RealDisk};
use crate::format::SegmentHeader;
use crate::hash::{Hash, leaf_hash};
use crate::levels::{self, LevelCheck};
use crate::note::{SignedHead, VerifyingKey};
use crate::scan::{self, Found, Frames, Position, Tail};
use crate::tree::CompactRange;

const LEVELS_WRONG: &str = "stored level is not that of the entries; the entries are sound: remove `levels`, the next start makes it anew";

/// What the verifier found in a directory of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Each log, by origin.
    pub logs: Vec<LogReport>,
}

impl Report {
    /// Whether nothing is damaged. A torn tail is not damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.logs.iter().all(|log| log.damage.is_empty())
    }
}

/// What the verifier found in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// The log's origin; the name of its directory when no segment tells.
    pub name: String,
    /// The log's own directory.
    pub dir: PathBuf,
    /// The key in the log; compare it with the one published.
    pub key: Option<VerifyingKey>,
    /// Entries verified.
    pub size: u64,
    /// Root of the tree of those entries.
    pub root: Hash,
    /// Frames verified.
    pub frames: u64,
    /// Segments read.
    pub segments: u64,
    /// Exchanges still open.
    pub open: u64,
    /// Unfinished bytes at the end, never acknowledged.
    pub torn: Option<TornTail>,
    /// Everything that is not what was written, in the order found.
    pub damage: Vec<Damage>,
}

/// Unfinished bytes at a log's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// File name of the segment.
    pub segment: String,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Hash,
}

/// One place that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File, relative to the log's directory.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// First entry concerned, where that is known.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: &'static str,
}

/// How far the verifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segment files behind.
    pub bytes_done: u64,
    /// Bytes of segment files in all.
    pub bytes_total: u64,
    /// Entries behind.
    pub entries: u64,
}

/// Why nothing can be said about a directory.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no log in it.
    #[error("{0} holds no journal; name the folder that `journal.dir` says")]
    NoLog(PathBuf),
    /// The disk refused.
    #[error("journal file {path} cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Verifies every log in `dir` (or the one whose own directory it is): every byte of every segment,
/// the chain of frames, the tree, every signature under the key in the log, and the checkpoint.
///
/// May be used while the log is being written: an unfinished last frame is reported as a torn tail.
/// That the key in the log is the right one, only the caller can know: compare [`LogReport::key`].
///
/// # Errors
/// When there is no log or a file cannot be read; damage is not an error but in the report.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Report, VerifyError> {
    verify_on(&RealDisk, dir, progress)
}

/// The same on any disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(disk: &dyn Disk, dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Report, VerifyError> {
    let logs = scan::logs(disk, dir).map_err(io(dir))?;
    if logs.is_empty() {
        return Err(VerifyError::NoLog(dir.to_owned()));
    }
    let mut so_far = Progress { bytes_done: 0, bytes_total: 0, entries: 0 };
    let mut work = Vec::new();
    for log_dir in logs {
        // The checkpoint first: a log that grows meanwhile never falls behind it.
        let path = log_dir.join("checkpoint");
        let checkpoint = scan::note_text(disk, &path).map_err(io(&path))?;
        let levels_path = levels::levels_dir(&log_dir).join("checkpoint");
        let levels_note = scan::note_text(disk, &levels_path).map_err(io(&levels_path))?;
        let mut files = Vec::new();
        for first_index in scan::segments(disk, &log_dir).map_err(io(&log_dir))? {
            let path = scan::segment_path(&log_dir, first_index);
            let file = disk.open(&path, Access::Read).map_err(io(&path))?;
            so_far.bytes_total += file.length().map_err(io(&path))?;
            files.push((first_index, path, file));
        }
        work.push((log_dir, checkpoint, levels_note, files));
    }
    let mut report = Report { logs: Vec::new() };
    for (log_dir, checkpoint, levels_note, files) in work {
        let name = log_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut log = Verifier::new(name, log_dir.clone(), checkpoint);
        if let Some(note) = levels_note {
            log.levels = Some(StoredLevels::open(disk, &log_dir, note).map_err(io(&log_dir))?);
        }
        let last = files.len().saturating_sub(1);
        for (number, (first_index, path, file)) in files.iter().enumerate() {
            log.segment(&**file, *first_index, number as u64, number == last, &mut so_far, progress).map_err(io(path))?;
        }
        report.logs.push(log.finish());
    }
    Ok(report)
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> VerifyError + '_ {
    |source| VerifyError::Io { path: path.to_owned(), source }
}

/// One log under examination.
struct Verifier {
    report: LogReport,
    /// The text of the checkpoint file, when there is one; `Some(None)` when it is no text.
    checkpoint: Option<Option<String>>,
    /// Where the next segment must go on; nothing before the first and after damage.
    position: Option<Position>,
    /// Roots at the checkpoint's size, once seen.
    at_checkpoint: Option<Hash>,
    checkpoint_size: Option<u64>,
    /// The tree's stored levels, where there are any.
    levels: Option<StoredLevels>,
}

/// The stored levels under examination. They can be made anew, but a wrong one spoils proofs.
struct StoredLevels {
    /// The text of their note; none where it is no text.
    note: Option<String>,
    /// None where a file is missing or too short.
    check: Option<LevelCheck>,
}

impl StoredLevels {
    fn open(disk: &dyn Disk, log_dir: &Path, note: Option<String>) -> io::Result<Self> {
        // Read before its signature can be checked: only to know how far the levels must reach.
        let size = note.as_ref().and_then(|text| text.lines().nth(1)?.parse().ok()).unwrap_or(0);
        Ok(Self { check: missing_is_none(LevelCheck::open(disk, log_dir, size))?, note })
    }

    fn push(&mut self, leaf: Hash) -> io::Result<()> {
        if let Some(check) = &mut self.check
            && missing_is_none(check.push(leaf))?.is_none()
        {
            self.check = None;
        }
        Ok(())
    }
}

fn missing_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
        result => result.map(Some),
    }
}

impl Verifier {
    fn new(name: String, dir: PathBuf, checkpoint: Option<Option<String>>) -> Self {
        // Read before its signature can be checked: only to know where to look at the root.
        let size = checkpoint.as_ref().and_then(|text| text.as_ref()?.lines().nth(1)?.parse().ok());
        let empty = CompactRange::default().root();
        Self {
            report: LogReport {
                name,
                dir,
                key: None,
                size: 0,
                root: empty,
                frames: 0,
                segments: 0,
                open: 0,
                torn: None,
                damage: Vec::new(),
            },
            checkpoint,
            position: None,
            at_checkpoint: (size == Some(0)).then_some(empty),
            checkpoint_size: size,
            levels: None,
        }
    }

    fn segment(
        &mut self,
        file: &dyn DiskFile,
        first_index: u64,
        number: u64,
        last: bool,
        so_far: &mut Progress,
        progress: &mut dyn FnMut(Progress),
    ) -> io::Result<()> {
        let name = format!("segments/{}", SegmentHeader::file_name(first_index));
        let length = file.length()?;
        let bytes_before = so_far.bytes_done;
        so_far.bytes_done += length;
        self.report.segments += 1;
        let Some((header, checksum)) = scan::segment_header(file)? else {
            let what = if scan::is_later_segment(file)? { scan::LATER } else { "segment header" };
            self.damaged(&name, 0, Some(first_index), what);
            self.position = None;
            return Ok(());
        };
        let key = VerifyingKey::new(header.origin.clone(), header.key);
        if header.range.size() != first_index || header.number != number {
            self.damaged(&name, 0, Some(first_index), "segment of another place");
        }
        if self.report.key.get_or_insert_with(|| key.clone()) != &key {
            self.damaged(&name, 0, Some(first_index), "another log's key");
        }
        key.origin().as_str().clone_into(&mut self.report.name);
        // After damage the header is taken at its word, so that the rest is still examined.
        let continues = match &self.position {
            Some(position) => position.continues_in(&header),
            None if number == 0 => Position::start().continues_in(&header),
            None => true,
        };
        if !continues {
            self.damaged(&name, 0, Some(first_index), "segment does not continue the one before");
        }
        let mut position = Position::at(&header, checksum);
        let mut frames = Frames::new(file, header.encode().0.len() as u64)?;
        let fault = loop {
            let offset = frames.offset;
            match frames.read()? {
                Found::Frame(frame) => {
                    if let Err(what) = scan::advance(&mut position, &frame, Some(&key)) {
                        break Some((offset, what));
                    }
                    if let Some(levels) = &mut self.levels {
                        frame.entries.iter().try_for_each(|entry| levels.push(leaf_hash(entry.leaf, &[])))?;
                    }
                    self.report.frames += 1;
                    if self.checkpoint_size == Some(frame.header.size()) {
                        self.at_checkpoint = Some(frame.header.root);
                    }
                    so_far.entries += u64::from(frame.header.count);
                    progress(Progress { bytes_done: bytes_before + frames.offset.min(length), ..*so_far });
                }
                Found::Damaged(what) => break Some((offset, what)),
                Found::Later => break Some((offset, scan::LATER)),
                found @ (Found::Nothing | Found::Unfinished(_)) => {
                    let what = if let Found::Unfinished(what) = found { what } else { "bytes after the last frame" };
                    break match scan::tail(file, frames.end, position.sequence, &key)? {
                        Tail::Empty => None,
                        Tail::Torn { offset, bytes, sha256 } if last => {
                            self.report.torn = Some(TornTail { segment: name.clone(), offset, bytes, sha256 });
                            None
                        }
                        Tail::Torn { .. } | Tail::FrameBehind { .. } => Some((offset, what)),
                    };
                }
            }
        };
        self.report.size = position.range.size();
        self.report.root = position.range.root();
        self.report.open = position.open.len() as u64;
        self.position = match fault {
            None => Some(position),
            Some((offset, what)) => {
                self.damaged(&name, offset, Some(position.range.size()), what);
                None
            }
        };
        progress(*so_far);
        Ok(())
    }

    /// What can be said only when everything has been read.
    fn finish(mut self) -> LogReport {
        if let Some(text) = self.checkpoint.take() {
            self.finish_checkpoint(text.as_deref());
        }
        if self.report.damage.is_empty() {
            self.finish_levels();
        }
        let size = self.report.size;
        if self.report.torn.is_some() && self.report.damage.iter().any(|damage| damage.file.ends_with("checkpoint")) {
            // Bytes under a signed head are no torn tail.
            if let Some(torn) = self.report.torn.take() {
                self.damaged(&torn.segment, torn.offset, Some(size), "frame under the checkpoint");
            }
        }
        self.report
    }

    fn finish_checkpoint(&mut self, text: Option<&str>) {
        let (whole, size) = (self.report.damage.is_empty(), self.report.size);
        match (&self.report.key, text) {
            (Some(key), Some(text)) => match SignedHead::parse(text, key) {
                Err(_) => self.damaged("checkpoint", 0, None, "checkpoint is not this log's"),
                Ok(head) if head.size() > size && whole => self.damaged("checkpoint", 0, Some(size), "log is shorter than its checkpoint"),
                Ok(head) if self.at_checkpoint != Some(*head.root()) && whole => {
                    self.damaged("checkpoint", 0, None, "checkpoint is of another tree");
                }
                Ok(_) => {}
            },
            (None, Some(_)) if whole => self.damaged("checkpoint", 0, Some(0), "log is shorter than its checkpoint"),
            (None, Some(_)) => {}
            (_, None) => self.damaged("checkpoint", 0, None, "checkpoint is not this log's"),
        }
    }

    /// The levels can be made anew, but their note is a signed head like any other.
    fn finish_levels(&mut self) {
        let (Some(levels), Some(key)) = (self.levels.take(), &self.report.key) else { return };
        let size = self.report.size;
        let head = levels.note.as_deref().and_then(|note| SignedHead::parse(note, key).ok());
        match (head, &levels.check) {
            (None, _) => self.damaged("levels/checkpoint", 0, None, LEVELS_WRONG),
            (Some(head), _) if head.size() > size => {
                self.damaged("levels/checkpoint", 0, Some(size), "log is shorter than the checkpoint of its levels");
            }
            (Some(_), None) => self.damaged("levels", 0, None, LEVELS_WRONG),
            (Some(_), Some(check)) => {
                if let Some((file, offset)) = check.wrong() {
                    self.damaged(&file, offset, None, LEVELS_WRONG);
                }
            }
        }
    }

    fn damaged(&mut self, file: &str, offset: u64, index: Option<u64>, what: &'static str) {
        self.report.damage.push(Damage { file: file.to_owned(), offset, index, what });
    }
}
