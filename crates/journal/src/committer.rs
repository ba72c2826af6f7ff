//! The one thread that writes: takes whatever has gathered, writes it as one frame, flushes once,
//! signs once, and only then tells anybody.
//!
//! Everything on the way to the flush is fatal when it fails: after a failed write or flush nobody
//! knows what is on disk, so nothing is acknowledged and the process ends (the next start recovers).
//! Making the next segment and writing the checkpoint file are not on that way: they are tried again.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{counter, histogram};

use crate::disk::{Disk, DiskFile};
use crate::entry::{LEAF_HEADER_BYTES, OpenEntry, Role};
use crate::fence::{Fence, SwapError};
use crate::format::{FRAME_ALIGN, FRAME_HEADER_BYTES, FrameHeader, SegmentHeader, TABLE_ROW_BYTES, put_row};
use crate::hash::Hash;
use crate::journal::{CloseError, Committed, Fatal, Queued, Shared, State, Work};
use crate::levels::LevelWriter;
use crate::note::{Origin, SignedHead, SigningKey};
use crate::scan;
use crate::tree::{BatchTree, CompactRange};

/// How long until the next segment is tried again after it could not be made.
const PREPARE_RETRY: Duration = Duration::from_secs(1);
/// Frame buffers above this are given back after a large batch.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// The log's end as the committer holds it.
pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_dir: PathBuf,
    pub(crate) origin: Origin,
    pub(crate) key: SigningKey,
    /// Size of segments to come, in bytes.
    pub(crate) segment_bytes: u64,
    pub(crate) segment: Option<Segment>,
    /// An empty segment, preallocated and flushed.
    pub(crate) next: Option<Box<dyn DiskFile>>,
    pub(crate) prepare_at: Option<Instant>,
    /// Sequence of the next frame.
    pub(crate) sequence: u64,
    /// What the next frame names as its predecessor.
    pub(crate) previous: Hash,
    pub(crate) range: CompactRange,
    pub(crate) open: BTreeMap<u64, OpenEntry>,
    pub(crate) head: Arc<SignedHead>,
    /// Size the checkpoint file covers.
    pub(crate) checkpoint_size: u64,
    pub(crate) checkpoint_due: Option<Instant>,
    pub(crate) checkpoint_lag: Duration,
    pub(crate) buffer: Vec<u8>,
    /// The tree's levels; none where they cannot be written. The next start makes them anew.
    pub(crate) levels: Option<LevelWriter>,
    /// The last checkpoint outside the directory, where one is kept.
    pub(crate) fence: Option<Fence>,
    /// The lock on the directory, held as long as the writer lives.
    #[expect(dead_code, reason = "holding it is its use")]
    pub(crate) lock: Box<dyn Send>,
}

/// The segment being written.
pub(crate) struct Segment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) bytes: u64,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// From its header: first index, number, and the frame before.
    pub(crate) first_index: u64,
    pub(crate) number: u64,
    pub(crate) previous: Hash,
}

/// Starts the thread.
pub(crate) fn start(writer: Writer, shared: Arc<Shared>, fatal: Fatal) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("journal".to_owned()).spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(|| run(writer, &shared)));
        let reason = match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            // The panic has printed itself; waiting callers must not be left in the belief that a disk is slow.
            Err(_) => "the committer panicked".to_owned(),
        };
        shared.fail();
        fatal(&reason);
    })
}

fn run(mut writer: Writer, shared: &Shared) -> io::Result<()> {
    let mut spare = Vec::new();
    loop {
        match shared.take(spare, writer.wake_at()) {
            Work::Commit { mut entries, batch, cost } => {
                let failed = |error| io::Error::other(format!("write or flush failed: {error}"));
                let committed = writer.commit(&mut entries).map_err(failed)?;
                shared.committed(cost, writer.disk_bytes(), &committed.head);
                batch.acknowledge(committed);
                // Nobody waits for the levels.
                if let Some(committed) = batch.committed() {
                    writer.keep_levels(committed);
                    shared.show_tree(writer.levels_head(committed));
                }
                spare = entries;
            }
            Work::Timer(entries) => spare = entries,
            Work::Stop(state) => {
                let closed = match state {
                    State::Closing => writer.close(),
                    State::Running | State::Dropping | State::Ended => Ok(()),
                };
                let head = Arc::clone(&writer.head);
                // The lock goes before the news, so that whoever hears it can open the log again.
                drop(writer);
                shared.stopped(closed.map(|()| head));
                return Ok(());
            }
        }
        if writer.keep_house(Instant::now()).map_err(io::Error::other)? {
            shared.disk_changed(writer.disk_bytes());
        }
    }
}

impl Writer {
    /// Writes one frame; returns when it is durable.
    fn commit(&mut self, entries: &mut Vec<Queued>) -> io::Result<Committed> {
        let leaves_bytes: usize = entries.iter().map(|queued| TABLE_ROW_BYTES + LEAF_HEADER_BYTES + queued.entry.body.len()).sum();
        let payload_bytes: usize = entries.iter().map(|queued| queued.entry.payload.len()).sum();
        let frame_bytes = (FRAME_HEADER_BYTES + leaves_bytes + payload_bytes).next_multiple_of(FRAME_ALIGN);
        if self.segment.as_ref().is_none_or(|segment| segment.offset + frame_bytes as u64 > segment.bytes) {
            self.roll()?;
        }

        // The body: table, leaves, payloads, in one buffer for one write.
        self.buffer.clear();
        self.buffer.reserve(frame_bytes);
        self.buffer.resize(FRAME_HEADER_BYTES, 0);
        for queued in &*entries {
            let leaf_bytes = LEAF_HEADER_BYTES + queued.entry.body.len();
            put_row(&mut self.buffer, leaf_bytes, queued.entry.payload.len(), &queued.payload_hash);
        }
        for queued in &*entries {
            self.buffer.extend_from_slice(&queued.leaf_header);
            self.buffer.extend_from_slice(&queued.entry.body);
        }
        for queued in &*entries {
            self.buffer.extend_from_slice(&queued.entry.payload);
        }

        // The tree and its head.
        let leaf_hashes: Vec<Hash> = entries.iter().map(|queued| queued.leaf_hash).collect();
        let tree = BatchTree::new(&self.range, &leaf_hashes);
        let head = Arc::new(self.key.sign(&self.origin, tree.size(), tree.root()));
        let small = |bytes: usize| u32::try_from(bytes).expect("a frame stays below a segment's 1 GiB");
        let header = FrameHeader {
            sequence: self.sequence,
            first_index: tree.before(),
            count: small(entries.len()),
            leaves_bytes: small(leaves_bytes),
            payload_bytes: small(payload_bytes),
            previous: self.previous,
            root: tree.root(),
            leaves_hash: Hash::of(&self.buffer[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + leaves_bytes]),
            signature: *head.signature(),
        }
        .encode();
        self.buffer[..FRAME_HEADER_BYTES].copy_from_slice(&header);
        self.buffer.resize(frame_bytes, 0);

        // One write, one flush. A failure here leaves an unfinished frame that nobody was told of:
        // the next start moves it aside, or finds it whole and keeps it.
        let segment = self.segment.as_mut().expect("rolled above when there was none");
        segment.file.write_at(&self.buffer, segment.offset)?;
        let before = Instant::now();
        segment.file.sync()?;
        histogram!("qovsaq_journal_flush_seconds").record(before.elapsed().as_secs_f64());
        counter!("qovsaq_journal_frames_total").increment(1);
        counter!("qovsaq_journal_entries_total").increment(entries.len() as u64);

        // It is durable: move on.
        segment.offset += frame_bytes as u64;
        self.sequence += 1;
        self.previous = Hash::of(&header);
        self.range = tree.after();
        self.head = Arc::clone(&head);
        for (index, queued) in (tree.before()..).zip(entries.drain(..)) {
            match queued.entry.role {
                Role::Single => {}
                Role::Opens => {
                    self.open.insert(index, OpenEntry { index, kind: queued.entry.kind, body: Bytes::from(queued.entry.body) });
                }
                Role::Closes(opened) => {
                    self.open.remove(&opened);
                }
            }
        }
        if self.buffer.capacity() > 4 * BUFFER_BYTES_KEPT {
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        Ok(Committed { tree, head })
    }

    /// Begins the prepared segment: header, flush, name, flush of the name; only then may a frame go into it.
    ///
    /// A crash in between leaves an unnamed segment, which the next start removes.
    pub(crate) fn roll(&mut self) -> io::Result<()> {
        let mut file = self.next.take().ok_or_else(|| io::Error::other("no segment is ready"))?;
        let open = self.open.values().map(|open| (open.index, leaf_of(open))).collect();
        // A segment without a frame (one too small for the first) gives its place to this one, name and all.
        let (number, previous) = match &self.segment {
            None => (0, Hash::default()),
            Some(empty) if empty.first_index == self.range.size() => (empty.number, empty.previous),
            Some(full) => (full.number + 1, self.previous),
        };
        let header = SegmentHeader {
            origin: self.origin.clone(),
            key: *self.key.public(&self.origin).key(),
            number,
            segment_bytes: self.segment_bytes,
            first_frame: self.sequence,
            previous,
            range: self.range.clone(),
            open,
        };
        let (bytes, checksum) = header.encode();
        file.write_at(&bytes, 0)?;
        file.sync()?;
        let dir = scan::segments_dir(&self.log_dir);
        self.disk.rename(&dir.join("next"), &scan::segment_path(&self.log_dir, self.range.size()))?;
        self.disk.sync_dir(&dir)?;
        let first_index = self.range.size();
        self.segment = Some(Segment { file, bytes: self.segment_bytes, offset: bytes.len() as u64, first_index, number, previous });
        self.previous = checksum;
        Ok(())
    }

    /// Makes the next segment ready: space set aside and flushed, name and header still to come.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        let mut file = self.disk.create(&scan::segments_dir(&self.log_dir).join("next"), self.segment_bytes)?;
        file.sync()?;
        self.next = Some(file);
        Ok(())
    }

    /// Preallocated bytes that are surely there for what is set aside.
    ///
    /// With a segment ready that is everything the queue may hold, since a queue is at most half a
    /// segment; without, what is left of the present one. Each entry's cost covers a frame of its
    /// own, so frames never take more than was set aside for their entries.
    pub(crate) fn disk_bytes(&self) -> usize {
        match (&self.next, &self.segment) {
            (Some(_), _) => usize::MAX,
            (None, Some(segment)) => usize::try_from(segment.bytes.saturating_sub(segment.offset)).unwrap_or(usize::MAX),
            (None, None) => 0,
        }
    }

    /// When there is something to do although no entry comes.
    fn wake_at(&self) -> Option<Instant> {
        [self.prepare_at, self.checkpoint_due].into_iter().flatten().min()
    }

    /// Does what may fail without harm. Says whether the room for entries has changed; an error is that another
    /// process writes this log.
    fn keep_house(&mut self, now: Instant) -> Result<bool, SwapError> {
        let mut changed = false;
        if self.next.is_none() && self.prepare_at.is_none_or(|at| now >= at) {
            match self.prepare() {
                Ok(()) => {
                    self.prepare_at = None;
                    changed = true;
                }
                Err(error) => {
                    if self.prepare_at.is_none() {
                        tracing::warn!(%error, "journal's next segment cannot be made, trying again");
                    }
                    self.prepare_at = Some(now + PREPARE_RETRY);
                }
            }
        }
        if self.head.size() > self.checkpoint_size {
            match self.checkpoint_due {
                None => self.checkpoint_due = Some(now + self.checkpoint_lag),
                Some(due) if now >= due => {
                    self.checkpoint_due = match self.write_checkpoint().map_err(SwapError::from).and_then(|()| self.swap_fence()) {
                        Ok(()) => None,
                        Err(taken @ SwapError::Taken) => return Err(taken),
                        Err(error) => {
                            tracing::warn!(%error, "journal's checkpoint cannot be written, trying again");
                            Some(now + self.checkpoint_lag)
                        }
                    };
                }
                Some(_) => {}
            }
        }
        Ok(changed)
    }

    /// Moves the fence to the present head.
    fn swap_fence(&mut self) -> Result<(), SwapError> {
        self.fence.as_mut().map_or(Ok(()), |fence| fence.swap(&self.head))
    }

    fn keep_levels(&mut self, committed: &Committed) {
        let Some(levels) = &mut self.levels else { return };
        if let Err(error) = levels.append(committed.tree.leaves()) {
            self.give_up_levels(&error);
        }
    }

    /// The head, as long as there are levels for its tree.
    fn levels_head(&self, committed: &Committed) -> Option<Arc<SignedHead>> {
        self.levels.as_ref().map(|_| Arc::clone(&committed.head))
    }

    /// They can always be made anew, so the log goes on without.
    fn give_up_levels(&mut self, error: &io::Error) {
        tracing::warn!(%error, "the journal's levels cannot be written; there are no new proofs until the next start makes them anew");
        self.levels = None;
    }

    /// Writes the present head to the checkpoint file. It is durable already, so this only narrows what may pass for a torn tail.
    pub(crate) fn write_checkpoint(&mut self) -> io::Result<()> {
        if let Some(levels) = &mut self.levels
            && let Err(error) = levels.flush(&self.head)
        {
            self.give_up_levels(&error);
        }
        write_note(&*self.disk, &self.log_dir, "checkpoint", self.head.note())?;
        self.checkpoint_size = self.head.size();
        Ok(())
    }

    /// Checkpoint and fence first, then the mark: the mark says that everything before it is on disk.
    fn close(&mut self) -> Result<(), CloseError> {
        let written = self.write_checkpoint().map_err(SwapError::from).and_then(|()| self.swap_fence());
        let marked = written.and_then(|()| Ok(write_note(&*self.disk, &self.log_dir, "clean", self.head.note())?));
        marked.map_err(|error| {
            tracing::warn!(%error, "journal's last checkpoint could not be written");
            if matches!(error, SwapError::Taken) { CloseError::Taken } else { CloseError::Checkpoint }
        })
    }
}

/// Working file, flush, rename, flush of the directory.
pub(crate) fn write_note(disk: &dyn Disk, dir: &Path, name: &str, note: &str) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let mut file = disk.create(&new, 0)?;
    file.write_at(note.as_bytes(), 0)?;
    file.sync()?;
    disk.rename(&new, &dir.join(name))?;
    disk.sync_dir(dir)
}

/// The whole leaf of an open exchange.
fn leaf_of(open: &OpenEntry) -> Bytes {
    let mut leaf = Vec::with_capacity(LEAF_HEADER_BYTES + open.body.len());
    leaf.extend_from_slice(&crate::entry::leaf_header(open.kind, Role::Opens));
    leaf.extend_from_slice(&open.body);
    Bytes::from(leaf)
}
