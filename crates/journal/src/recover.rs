//! Opening a log and putting right what a crash left.
//!
//! Only the last segment is read: its header carries the tree and the open exchanges before it. The
//! order of steps makes a crash at any point harmless, since each step can be done again:
//! torn bytes are copied aside before the segment is written anew without them, and the new
//! segment is flushed before it takes the old one's name.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::committer::{Segment, Writer};
use crate::disk::{Access, Disk, DiskFile};
use crate::entry::{LeafView, OpenEntry};
use crate::fence::{Fence, Mark, SwapError};
use crate::format::{FRAME_ALIGN, SegmentHeader};
use crate::hash::Hash;
use crate::journal::{OpenError, Options, Recovered, Torn};
use crate::levels::{self, LevelWriter, Levels};
use crate::note::{SignedHead, SigningKey, VerifyingKey};
use crate::read;
use crate::scan::{self, Found, Frames, Position, Tail};
use crate::tree::CompactRange;

/// Leaves written to the levels at once when they are made from entries.
const LEAVES_AT_ONCE: usize = 1 << 12;
/// Leaves between two lines in the log of the program about that.
const LEAVES_SHOWN: u64 = 1 << 20;

/// Opens the log, or makes it.
pub(crate) fn open(disk: &Arc<dyn Disk>, options: &Options, key: SigningKey) -> Result<(Writer, Recovered), OpenError> {
    let log_dir = options.log_dir();
    let segments_dir = scan::segments_dir(&log_dir);
    let public = key.public(&options.origin);
    disk.create_dir(&segments_dir).map_err(io(&segments_dir))?;
    let lock = disk.lock(&log_dir.join("lock")).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(log_dir.clone()),
        _ => OpenError::Io { path: log_dir.clone(), source },
    })?;
    let checkpoint = read_note(&**disk, &log_dir.join("checkpoint"), &public)?;
    // The note of the levels is a signed head too, and may be the newer one; unlike the checkpoint it may be missing,
    // rubbish or unreadable: levels are made anew.
    let of_levels = scan::note_text(&**disk, &levels::levels_dir(&log_dir).join("checkpoint")).ok().flatten().flatten();
    let of_levels = of_levels.and_then(|note| SignedHead::parse(&note, &public).ok());
    let mark = options.fence.as_ref().map(|dir| Mark::read(&**disk, dir, &public)).transpose()?.flatten();
    let outside = mark.as_ref().map(|mark| mark.head.clone());
    let checkpoint = checkpoint.into_iter().chain(of_levels).chain(outside).max_by_key(SignedHead::size);
    let segments = scan::segments(&**disk, &log_dir).map_err(io(&segments_dir))?;
    let mut writer = Writer {
        disk: Arc::clone(disk),
        log_dir: log_dir.clone(),
        origin: options.origin.clone(),
        segment_bytes: options.segment_bytes,
        segment: None,
        next: None,
        prepare_at: None,
        sequence: 0,
        previous: Hash::default(),
        range: CompactRange::default(),
        open: BTreeMap::new(),
        head: Arc::new(key.sign(&options.origin, 0, CompactRange::default().root())),
        key,
        checkpoint_size: 0,
        checkpoint_due: None,
        checkpoint_lag: options.checkpoint_lag,
        buffer: Vec::new(),
        levels: None,
        fence: None,
        lock,
    };

    let Some(&first_index) = segments.last() else {
        // A new log. That a checkpoint covers entries no segment has is the whole log gone.
        match checkpoint {
            Some(checkpoint) if checkpoint.size() > 0 => return Err(OpenError::Behind { size: 0, checkpoint: checkpoint.size() }),
            Some(_) | None => {}
        }
        writer.prepare().and_then(|()| writer.roll()).map_err(io(&segments_dir))?;
        prepare_or_warn(&mut writer);
        levels_or_warn(&mut writer);
        take_fence(&mut writer, options, mark)?;
        return Ok((writer, Recovered { open: Vec::new(), torn: None, size: 0, was_clean: true }));
    };

    // Read: nothing on disk changes before everything has been found in order.
    let path = scan::segment_path(&log_dir, first_index);
    let file = disk.open(&path, Access::Write).map_err(io(&path))?;
    let last = read_segment(&*file, first_index, &public, checkpoint.as_ref(), &path)?;
    let torn_tail = match scan::tail(&*file, last.end, last.position.sequence, &public).map_err(io(&path))? {
        Tail::Empty => None,
        Tail::Torn { offset, bytes, sha256 } => Some((offset, bytes, sha256)),
        Tail::FrameBehind { .. } => return Err(damaged(first_index, last.end, last.bad.unwrap_or("bytes between frames"))),
    };
    if last.frames == 0 && first_index > 0 {
        // The header has nothing signed behind it yet: the segment before must lead to it.
        let before =
            segments.len().checked_sub(2).map(|at| segments[at]).ok_or_else(|| damaged(first_index, 0, "segment before it is missing"))?;
        let path = scan::segment_path(&log_dir, before);
        let file = disk.open(&path, Access::Read).map_err(io(&path))?;
        let before_end = read_segment(&*file, before, &public, checkpoint.as_ref(), &path)?;
        if !before_end.position.continues_in(&last.header) {
            return Err(damaged(first_index, 0, "segment does not continue the one before"));
        }
    }
    let size = last.position.range.size();
    let head = writer.key.sign(&options.origin, size, last.position.range.root());
    match checkpoint {
        // Bad bytes under a signed head are no torn tail, wherever they stand.
        Some(checkpoint) if checkpoint.size() > size => {
            let behind = OpenError::Behind { size, checkpoint: checkpoint.size() };
            return Err(last.bad.map_or(behind, |what| damaged(first_index, last.end, what)));
        }
        Some(checkpoint) if checkpoint.size() == size && checkpoint.root() != head.root() => return Err(OpenError::Checkpoint),
        Some(checkpoint) => writer.checkpoint_size = checkpoint.size(),
        None => {}
    }
    let clean_path = log_dir.join("clean");
    let clean = scan::note_text(&**disk, &clean_path).map_err(io(&clean_path))?;
    let was_clean = torn_tail.is_none() && clean.as_ref().is_some_and(|note| note.as_deref() == Some(head.note()));

    // Put right.
    remove_if_there(&**disk, &segments_dir.join("next")).map_err(io(&segments_dir))?;
    let offset = last.end.next_multiple_of(FRAME_ALIGN as u64);
    let mut torn = None;
    let file = if was_clean {
        file
    } else {
        if let Some((offset, bytes, sha256)) = torn_tail {
            let kept = keep_torn(&**disk, &log_dir, &*file, first_index, (offset, bytes, sha256))?;
            tracing::warn!(bytes, sha256 = %sha256, "journal had an unfinished commit, moved aside");
            torn = Some(kept);
        }
        // What reads show may not be on disk: the last flush may have failed, and a system that has
        // once said so forgets it. So the good part is written to a new file, flushed, and takes the name.
        rewrite(&**disk, &segments_dir, &*file, &path, last.header.segment_bytes, last.end).map_err(io(&path))?;
        disk.open(&path, Access::Write).map_err(io(&path))?
    };
    if clean.is_some() {
        disk.remove(&clean_path).and_then(|()| disk.sync_dir(&log_dir)).map_err(io(&clean_path))?;
    }

    let open = open_entries(&last.position, first_index)?;
    let SegmentHeader { segment_bytes: bytes, number, previous, .. } = last.header;
    writer.segment = Some(Segment { file, bytes, offset, first_index, number, previous });
    writer.sequence = last.position.sequence;
    writer.previous = last.position.previous;
    writer.range = last.position.range;
    writer.open = open.iter().map(|open| (open.index, open.clone())).collect();
    writer.head = Arc::new(head);
    if !was_clean {
        writer.write_checkpoint().map_err(io(&log_dir))?;
    }
    prepare_or_warn(&mut writer);
    levels_or_warn(&mut writer);
    take_fence(&mut writer, options, mark)?;
    Ok((writer, Recovered { open, torn, size, was_clean }))
}

/// What reading a segment to its end gave.
struct Read {
    header: SegmentHeader,
    position: Position,
    frames: u64,
    /// Where the last good frame ends.
    end: u64,
    /// What is wrong there, when it is not just zeros.
    bad: Option<&'static str>,
}

fn read_segment(
    file: &dyn DiskFile,
    first_index: u64,
    key: &VerifyingKey,
    checkpoint: Option<&SignedHead>,
    path: &Path,
) -> Result<Read, OpenError> {
    let Some((header, checksum)) = scan::segment_header(file).map_err(io(path))? else {
        let is_later = scan::is_later_segment(file).map_err(io(path))?;
        return Err(if is_later { later(first_index, 0) } else { damaged(first_index, 0, "segment header") });
    };
    if header.origin != *key.origin() || header.range.size() != first_index {
        return Err(damaged(first_index, 0, "segment of another place"));
    }
    // Nothing signs a header. What it says of the log before it is checked from there; before the first there is nothing.
    if first_index == 0 && (header.number != 0 || !Position::start().continues_in(&header)) {
        return Err(damaged(first_index, 0, "segment of another place"));
    }
    let found = VerifyingKey::new(header.origin.clone(), header.key);
    if found != *key {
        return Err(OpenError::Key { found });
    }
    let mut position = Position::at(&header, checksum);
    let header_bytes = header.encode().0.len() as u64;
    let mut frames = Frames::new(file, header_bytes).map_err(io(path))?;
    let (mut end, mut count, mut bad) = (header_bytes, 0, None);
    let mut last_frame = None;
    loop {
        match frames.read().map_err(io(path))? {
            Found::Nothing => break,
            Found::Unfinished(what) => {
                bad = Some(what);
                break;
            }
            Found::Damaged(what) => return Err(damaged(first_index, end, what)),
            Found::Later => return Err(later(first_index, end.next_multiple_of(FRAME_ALIGN as u64))),
            Found::Frame(frame) => {
                // The chain leads from frame to frame, so one signature, the last one's, speaks for all.
                // A whole frame that does not fit here is no work of a crash.
                scan::advance(&mut position, &frame, None).map_err(|what| damaged(first_index, end, what))?;
                if checkpoint.is_some_and(|checkpoint| checkpoint.size() == frame.header.size() && *checkpoint.root() != frame.header.root)
                {
                    return Err(OpenError::Checkpoint);
                }
                last_frame = Some((end, frame.header));
            }
        }
        end = frames.end;
        count += 1;
    }
    if let Some((offset, frame)) = last_frame
        && !key.signed(frame.size(), &frame.root, &frame.signature)
    {
        return Err(damaged(first_index, offset, "tree head's signature"));
    }
    Ok(Read { header, position, frames: count, end, bad })
}

/// Copies torn bytes to `torn/`, under a name made of place and hash: doing it twice gives the same file.
fn keep_torn(
    disk: &dyn Disk,
    log_dir: &Path,
    file: &dyn DiskFile,
    first_index: u64,
    (offset, bytes, sha256): (u64, u64, Hash),
) -> Result<Torn, OpenError> {
    let dir = log_dir.join("torn");
    let short = u32::from_be_bytes(*sha256.0.first_chunk().expect("a hash has more than four bytes"));
    let path = dir.join(format!("{first_index:016x}-{offset:08x}-{short:08x}.bin"));
    let new = dir.join("new");
    let kept = (|| {
        disk.create_dir(&dir)?;
        let mut copy = disk.create(&new, 0)?;
        let mut at = 0;
        scan::for_chunks(file, offset, offset + bytes, |chunk| {
            copy.write_at(chunk, at)?;
            at += chunk.len() as u64;
            Ok(())
        })?;
        copy.sync()?;
        disk.rename(&new, &path)?;
        disk.sync_dir(&dir)
    })();
    kept.map_err(io(&path))?;
    Ok(Torn { bytes, sha256, moved_to: path })
}

/// Writes the good part of a segment to a new file, flushed, and gives it the segment's name.
fn rewrite(disk: &dyn Disk, dir: &Path, file: &dyn DiskFile, path: &Path, segment_bytes: u64, end: u64) -> io::Result<()> {
    let new = dir.join("rewrite");
    let mut copy = disk.create(&new, segment_bytes)?;
    let mut at = 0;
    scan::for_chunks(file, 0, end, |chunk| {
        copy.write_at(chunk, at)?;
        at += chunk.len() as u64;
        Ok(())
    })?;
    copy.sync()?;
    disk.rename(&new, path)?;
    disk.sync_dir(dir)
}

fn open_entries(position: &Position, segment: u64) -> Result<Vec<OpenEntry>, OpenError> {
    let open = position.open.iter().map(|(index, leaf)| {
        let view = LeafView::parse(leaf).ok_or_else(|| damaged(segment, 0, "open exchange in the segment header"))?;
        let body = leaf.slice(leaf.len() - view.body.len()..);
        Ok(OpenEntry { index: *index, kind: view.kind, body })
    });
    open.collect()
}

/// The next segment: without it the log still opens, and refuses what would not surely fit.
fn prepare_or_warn(writer: &mut Writer) {
    if let Err(error) = writer.prepare() {
        tracing::warn!(%error, "journal's next segment cannot be made, trying again");
        writer.prepare_at = Some(std::time::Instant::now());
    }
}

/// Takes the fence, where there is one, when the log goes on from what it has seen.
fn take_fence(writer: &mut Writer, options: &Options, mark: Option<Mark>) -> Result<(), OpenError> {
    let Some(dir) = &options.fence else { return Ok(()) };
    match &mark {
        Some(mark) => {
            let there = root_at(writer, mark.head.size()).map_err(io(&writer.log_dir))?;
            if there != *mark.head.root() {
                return Err(OpenError::Forked { fence: mark.head.size() });
            }
        }
        None if writer.head.size() > 0 => {
            tracing::warn!(fence = %dir.display(), "the journal has entries and no fence yet; it is made now")
        }
        None => {}
    }
    let fence = Fence::take(&writer.disk, dir, mark, &writer.head).map_err(|error| match error {
        SwapError::Taken => OpenError::Raced(dir.clone()),
        SwapError::Io(source) => OpenError::Io { path: dir.clone(), source },
    })?;
    writer.fence = Some(fence);
    Ok(())
}

/// The root of the tree of the log's first entries.
fn root_at(writer: &Writer, size: u64) -> io::Result<Hash> {
    if size == writer.head.size() {
        return Ok(*writer.head.root());
    }
    if writer.levels.is_some() {
        return Levels::new(Arc::clone(&writer.disk), writer.log_dir.clone(), size).root();
    }
    // Without levels every entry is read.
    let mut range = CompactRange::default();
    let entries = read::entries_on(Arc::clone(&writer.disk), &writer.log_dir, 0).map_err(io::Error::other)?;
    for entry in entries.take(usize::try_from(size).unwrap_or(usize::MAX)) {
        range.push(entry.map_err(io::Error::other)?.leaf_hash);
    }
    Ok(range.root())
}

/// The levels: without them the log still opens, and gives no proofs but those in receipts.
fn levels_or_warn(writer: &mut Writer) {
    match levels(writer) {
        Ok(levels) => writer.levels = Some(levels),
        Err(error) => tracing::warn!(%error, "the journal's levels cannot be made; there are no proofs until the next start"),
    }
}

/// Goes on from the head that the levels were last flushed under, and makes them anew where that leads nowhere.
fn levels(writer: &Writer) -> io::Result<LevelWriter> {
    let Writer { disk, log_dir, head, .. } = writer;
    let note = scan::note_text(&**disk, &levels::levels_dir(log_dir).join("checkpoint"))?.flatten();
    let flushed = note.and_then(|note| SignedHead::parse(&note, &writer.key.public(&writer.origin)).ok());
    let resumed = match &flushed {
        Some(flushed) if flushed.size() <= head.size() => LevelWriter::resume(disk, log_dir, flushed.size(), flushed.root())?,
        Some(_) | None => None,
    };
    if let Some(mut levels) = resumed
        && catch_up(&mut levels, writer)?
    {
        return Ok(levels);
    }
    let mut levels = LevelWriter::begin(disk, log_dir)?;
    if catch_up(&mut levels, writer)? { Ok(levels) } else { Err(io::Error::other("the log's entries do not lead to its head")) }
}

/// Adds the leaves that the levels lack. Says whether they then lead to the log's head.
fn catch_up(levels: &mut LevelWriter, writer: &Writer) -> io::Result<bool> {
    let (first, size) = (levels.size(), writer.head.size());
    if size - first >= LEAVES_SHOWN {
        tracing::info!(entries = size - first, "making the journal's levels from its entries");
    }
    let mut leaves = Vec::new();
    if first < size {
        let entries = read::entries_on(Arc::clone(&writer.disk), &writer.log_dir, first).map_err(io::Error::other)?;
        for entry in entries {
            leaves.push(entry.map_err(io::Error::other)?.leaf_hash);
            if leaves.len() == LEAVES_AT_ONCE {
                levels.append(&leaves)?;
                leaves.clear();
                if levels.size().is_multiple_of(LEAVES_SHOWN) {
                    tracing::info!(done = levels.size(), of = size, "making the journal's levels");
                }
            }
        }
        levels.append(&leaves)?;
    }
    if levels.size() != size || Levels::new(Arc::clone(&writer.disk), writer.log_dir.clone(), size).root()? != *writer.head.root() {
        return Ok(false);
    }
    if first < size || first == 0 {
        levels.flush(&writer.head)?;
    }
    Ok(true)
}

fn read_note(disk: &dyn Disk, path: &Path, key: &VerifyingKey) -> Result<Option<SignedHead>, OpenError> {
    match scan::note_text(disk, path).map_err(io(path))? {
        None => Ok(None),
        Some(text) => {
            let head = text.and_then(|text| SignedHead::parse(&text, key).ok());
            head.map(Some).ok_or(OpenError::Checkpoint)
        }
    }
}

fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn later(segment: u64, offset: u64) -> OpenError {
    OpenError::Later { segment: SegmentHeader::file_name(segment), offset }
}

fn damaged(segment: u64, offset: u64, what: &'static str) -> OpenError {
    OpenError::Damaged { segment: SegmentHeader::file_name(segment), offset, what }
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    |source| OpenError::Io { path: path.to_owned(), source }
}
