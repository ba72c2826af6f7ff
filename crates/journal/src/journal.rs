//! The log as its users see it: reserve, append, commit, wait until durable, close.
//!
//! [`Journal::append`] is synchronous and gives the entry its index at once: the order of calls is
//! the order of the log. Waiting for the disk is a separate step that may be dropped at any point
//! without losing the entry.
//!
//! A flush costs as much for one entry as for a hundred. So entries gather: while the disk is busy, for as long
//! as those who append say that more is about to come ([`Urgency::Gathered`], [`Journal::commit`]), and for a
//! moment after a commit of many ([`Options::commit_interval`]).

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use metrics::{Gauge, gauge};
use tokio::sync::Notify;

use crate::committer::{self, Writer};
use crate::disk::{Disk, RealDisk};
use crate::entry::{BODY_BYTES_MAX, Entry, LEAF_HEADER_BYTES, OpenEntry, Role, Urgency};
use crate::format::{FRAME_ALIGN, FRAME_HEADER_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SegmentHeader, TABLE_ROW_BYTES};
use crate::hash::Hash;
use crate::levels::Levels;
use crate::note::{Origin, SignedHead, SigningKey, VerifyingKey};
use crate::receipt::Receipt;
use crate::recover;
use crate::tree::BatchTree;

/// What one entry costs beyond its body and payload, in bytes: header, table row, and its own
/// frame with padding in case it travels alone.
const ENTRY_OVERHEAD: usize = LEAF_HEADER_BYTES + TABLE_ROW_BYTES + FRAME_HEADER_BYTES + FRAME_ALIGN;

/// Entries of one commit from which on it is told that many wait: the next one is then held back a little.
const MANY: usize = 4;

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of all logs; this one gets `dir/<origin>/`.
    pub dir: PathBuf,
    /// The log's name.
    pub origin: Origin,
    /// Size of a segment file, preallocated, in bytes. Default 64 MiB; 64 KiB to 1 GiB. The log
    /// keeps one empty segment ready, so it uses at least twice this.
    pub segment_bytes: u64,
    /// Most bytes queued, in flight and reserved at once. Default 32 MiB, at most half a segment.
    pub queue_bytes: usize,
    /// Longest time a lazy entry waits for an urgent one. Default 50 ms.
    pub lazy_delay: Duration,
    /// Least time from the beginning of a commit of many entries to that of the next: one write, flush,
    /// signature and change of threads then serve more of them. After a commit of fewer than four nothing is held
    /// back. Default 1 ms.
    pub commit_interval: Duration,
    /// Folder outside [`Self::dir`], best on another disk, of the [fence](crate) against a second writer and a
    /// restored directory. Default none.
    pub fence: Option<PathBuf>,
    /// How far checkpoint, levels' note and fence may lag behind the log while it is written. Default 10 s.
    pub checkpoint_lag: Duration,
}

impl Options {
    /// The defaults for a log.
    #[must_use]
    pub fn new(dir: PathBuf, origin: Origin) -> Self {
        Self {
            dir,
            origin,
            segment_bytes: 64 << 20,
            queue_bytes: 32 << 20,
            lazy_delay: Duration::from_millis(50),
            commit_interval: Duration::from_millis(1),
            fence: None,
            checkpoint_lag: Duration::from_secs(10),
        }
    }

    /// The log's own directory.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join(self.origin.as_str())
    }

    fn check(&self) -> Result<(), OpenError> {
        if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            return Err(OpenError::Options { what: "segment_bytes", accepted: "64 KiB to 1 GiB" });
        }
        if self.queue_bytes as u64 > self.segment_bytes / 2 {
            return Err(OpenError::Options { what: "queue_bytes", accepted: "at most half of segment_bytes" });
        }
        Ok(())
    }
}

/// What opening found.
#[derive(Debug)]
pub struct Recovered {
    /// Exchanges that no entry has closed, by index; the gateway closes them before it is ready (rule R2).
    pub open: Vec<OpenEntry>,
    /// What a crash left half-written, moved aside. None of it had been acknowledged.
    pub torn: Option<Torn>,
    /// Entries in the log.
    pub size: u64,
    /// Whether the log was closed before; otherwise its last segment was written anew.
    pub was_clean: bool,
}

/// The bytes of an unfinished commit, kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Hash,
    /// The file that keeps them.
    pub moved_to: PathBuf,
}

/// Why a journal does not open. None of these changes what is on disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option is outside its range.
    #[error("journal option {what} is out of range, accepted is {accepted}")]
    Options {
        /// The option.
        what: &'static str,
        /// What is accepted.
        accepted: &'static str,
    },
    /// Another process has the log open: there is one writer per log.
    #[error("journal {0} is open in another process; stop that one first, or give this one a folder of its own")]
    Locked(PathBuf),
    /// The disk refused: look at owner, mode, free space and hardware.
    #[error("journal file {path} cannot be used")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The log was written with another signing key: restore the key, or begin a new origin.
    #[error("journal was written with key {found}, not with this node's; restore the signing key, or begin a new origin")]
    Key {
        /// The key in the log.
        found: VerifyingKey,
    },
    /// Bytes inside the log are not what was written. Do not delete anything: keep the directory as
    /// evidence, run `journal verify` on it, restore it from its second copy, and only then start again.
    #[error(
        "journal is damaged: {what} in segment {segment} at byte {offset}; keep the directory, run `journal verify`, restore from the second copy"
    )]
    Damaged {
        /// File name of the segment.
        segment: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A later version of the program has written to the log. Start that version: to go on without what it wrote would
    /// lose what it has acknowledged.
    #[error(
        "journal segment {segment} was written by a later version of the program at byte {offset}; start that version, nothing was changed"
    )]
    Later {
        /// File name of the segment.
        segment: String,
        /// Where in it.
        offset: u64,
    },
    /// The log is shorter than its own checkpoint says: an old copy was restored, or its end was cut off.
    /// Restore the newest copy.
    #[error("journal has {size} entries, its checkpoint says {checkpoint}; restore the newest copy")]
    Behind {
        /// Entries found.
        size: u64,
        /// Entries the checkpoint covers.
        checkpoint: u64,
    },
    /// The log does not begin with the tree that its fence has seen: it was rewritten, or another copy of it went on.
    /// Keep both, compare them with receipts, restore the true one.
    #[error(
        "journal is not the one that its fence has seen at {fence} entries; keep it, compare with receipts kept elsewhere, restore the copy that goes on from there"
    )]
    Forked {
        /// Entries under the fence's head.
        fence: u64,
    },
    /// The fence's file is not this log's.
    #[error("fence file {0} is not this log's; restore it, or remove it when you know why it is wrong")]
    Fence(PathBuf),
    /// Another process has opened a copy of the log at the same moment.
    #[error("another process opens a copy of this journal: its fence in {0} changes; stop one of them")]
    Raced(PathBuf),
    /// The checkpoint file is not this log's, or disagrees with the entries.
    #[error("journal's checkpoint file is not this log's; keep the directory, run `journal verify`, restore from the second copy")]
    Checkpoint,
}

/// Why an entry or a reservation is not taken. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too much is queued or reserved: ask again later (503 with `Retry-After`).
    #[error("journal queue is full")]
    QueueFull,
    /// The disk has no room for another segment: free some; it is tried again by itself.
    #[error("journal disk is full")]
    DiskFull,
    /// Too many exchanges are open at once to be carried in a segment header.
    #[error("too many exchanges are open")]
    TooManyOpen,
    /// Longer than any entry may be: 65,523 bytes of body, or more in all than the queue holds.
    #[error("entry is too large for the journal")]
    TooLarge,
    /// The entry closes an exchange that is not open (closed already, or never opened).
    #[error("exchange {0} is not open")]
    NotOpen(u64),
    /// The journal is closing or its process is dying.
    #[error("journal is closed")]
    Closed,
}

/// Why a journal did not close cleanly. The entries are safe; the next start checks more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// A write or flush had failed before: the process should be gone.
    #[error("journal had failed before it was closed")]
    Failed,
    /// The last checkpoint could not be written.
    #[error("journal's last checkpoint could not be written")]
    Checkpoint,
    /// Another process writes a copy of this log: compare both with receipts.
    #[error("another process writes a copy of this journal")]
    Taken,
}

/// What happens after a failed write or flush: gets the reason; in production it does not return.
pub type Fatal = Box<dyn Fn(&str) + Send>;

/// An open log. Clones share it; the last one dropped stops it (without the mark of a clean close).
#[derive(Clone)]
pub struct Journal(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens a log, making it when it is not there, and recovers what a crash left.
    ///
    /// Blocks: re-hashes the last segment, and writes it anew when the log was not closed.
    ///
    /// # Errors
    /// When another process has it, the disk refuses, or the log is not what was written.
    pub fn open(options: Options, key: SigningKey) -> Result<(Self, Recovered), OpenError> {
        let fatal = Box::new(|reason: &str| {
            tracing::error!(reason, "journal cannot be written, the process ends");
            std::process::abort();
        });
        Self::open_on(Arc::new(RealDisk), options, key, fatal)
    }

    /// The same on any disk and with any end: for tests with failing disks.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[expect(clippy::needless_pass_by_value, reason = "the same form as `open`, whose callers are done with them")]
    pub fn open_on(disk: Arc<dyn Disk>, options: Options, key: SigningKey, fatal: Fatal) -> Result<(Self, Recovered), OpenError> {
        options.check()?;
        let (writer, recovered) = recover::open(&disk, &options, key)?;
        let shared = Arc::new(Shared::new(&options, &writer));
        let thread =
            committer::start(writer, Arc::clone(&shared), fatal).map_err(|source| OpenError::Io { path: options.log_dir(), source })?;
        Ok((Self(Arc::new(Handle { shared, thread: Mutex::new(Some(thread)) })), recovered))
    }

    /// Sets aside room for one later entry of `bytes` (body and payload together), in the queue and
    /// on the preallocated disk (rule R6). Dropping it gives the room back.
    ///
    /// # Errors
    /// When there is no room, or the journal is closing.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Refused> {
        let shared = &self.0.shared;
        let cost = shared.set_aside(1, bytes)?;
        Ok(Reservation { shared: Arc::clone(shared), cost })
    }

    /// The same for `count` entries of `bytes` each: room for all of them, or for none.
    ///
    /// # Errors
    /// As [`Self::reserve`]; [`Refused::TooLarge`] where together they are more than the queue ever holds.
    pub fn reserve_all(&self, count: usize, bytes: usize) -> Result<Vec<Reservation>, Refused> {
        let shared = &self.0.shared;
        let cost = shared.set_aside(count, bytes)?;
        Ok((0..count).map(|_| Reservation { shared: Arc::clone(shared), cost }).collect())
    }

    /// Puts an entry into the log and gives its index; never waits for the disk.
    ///
    /// With a reservation its room is used first, and given back beyond the need; what the entry
    /// needs beyond it must be free. When the entry is refused the reservation is as it was. A
    /// reserved entry is taken even while the journal closes.
    ///
    /// # Errors
    /// When there is no room, the entry is too large or closes what is not open, or the journal is closed.
    pub fn append(&self, entry: Entry, urgency: Urgency, from: Option<&mut Reservation>) -> Result<Appended, Refused> {
        append(&self.0.shared, entry, urgency, from)
    }

    /// What [`Urgency::Gathered`] entries wait for: begins a commit of what is queued as soon as the disk is free
    /// and the hold after a commit of many is over. Does nothing where no such entry is queued. Never waits itself.
    pub fn commit(&self) {
        let shared = &self.0.shared;
        let mut queue = shared.lock();
        if !std::mem::take(&mut queue.gathered) {
            return;
        }
        queue.urgent = true;
        if std::mem::take(&mut queue.committer_waits) {
            drop(queue);
            shared.work.notify_one();
        }
    }

    /// Whether the committer has nothing to do until it is called, or is held back.
    #[cfg(test)]
    pub(crate) fn committer_rests(&self) -> bool {
        let queue = self.0.shared.lock();
        queue.committer_waits || (queue.held_until.is_some() && queue.committer_wakes_at == queue.held_until)
    }

    /// Entries that are durable.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.head().size()
    }

    /// The signed tree head of the last commit.
    #[must_use]
    pub fn head(&self) -> Arc<SignedHead> {
        Arc::clone(&self.0.shared.head.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The tree of the newest head of which every node can be read, and that head; it may be a commit behind
    /// [`Self::head`], and stays where the levels cannot be written any more. None where there are none.
    #[must_use]
    pub fn tree(&self) -> Option<(Levels, Arc<SignedHead>)> {
        let shared = &self.0.shared;
        let head = shared.tree_head.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some((Levels::new(Arc::clone(&shared.disk), shared.log_dir.clone(), head.size()), head))
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.0.shared.key.origin()
    }

    /// What receipts of this log verify with.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.0.shared.key
    }

    /// Commits what is queued, writes the checkpoint and the mark of a clean close, and stops.
    ///
    /// Reservations still held are void from then on: finish or drop the exchanges first.
    ///
    /// # Errors
    /// When the journal had failed, or the checkpoint could not be written.
    pub async fn close(&self) -> Result<Arc<SignedHead>, CloseError> {
        let shared = &self.0.shared;
        shared.stop(State::Closing);
        loop {
            let stopped = shared.stopped_notify.notified();
            if let Some(result) = shared.stopped.get() {
                return result.clone();
            }
            stopped.await;
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal({}, {} entries)", self.origin(), self.size())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop(State::Dropping);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The committer itself may drop the last clone, in what it calls at its end: it cannot wait for itself.
        let thread = thread.filter(|thread| thread.thread().id() != std::thread::current().id());
        // A panicked committer has said so itself; there is nothing to add here.
        drop(thread.map(JoinHandle::join));
    }
}

/// Room set aside for one entry.
#[derive(Debug)]
pub struct Reservation {
    shared: Arc<Shared>,
    cost: usize,
}

impl Reservation {
    /// Whether an entry of `bytes` (body and payload together) surely fits into it.
    #[must_use]
    pub fn fits(&self, bytes: usize) -> bool {
        bytes.saturating_add(ENTRY_OVERHEAD) <= self.cost
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.cost > 0 {
            let mut queue = self.shared.lock();
            queue.set_aside -= self.cost;
            queue.show();
        }
    }
}

/// An entry that has its place in the log but is not yet on disk: nothing may rest on it.
#[derive(Debug)]
#[must_use = "an appended entry is not durable until `durable` has returned"]
pub struct Appended {
    index: u64,
    leaf_hash: Hash,
    batch: Arc<Batch>,
}

impl Appended {
    /// The entry's index.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The entry's leaf hash.
    #[must_use]
    pub fn leaf_hash(&self) -> &Hash {
        &self.leaf_hash
    }

    /// Waits until the entry is on disk. Never resolves when the write fails: the process is dying.
    ///
    /// May be dropped at any point; the entry stays in the log's queue.
    pub async fn durable(self) -> Durable {
        loop {
            let done = self.batch.notify.notified();
            if self.batch.done.get().is_some() {
                return Durable { index: self.index, leaf_hash: self.leaf_hash, batch: Arc::clone(&self.batch) };
            }
            done.await;
        }
    }
}

/// The acknowledgement: the entry is on disk, flushed, under a signed head. Only the journal makes one.
#[derive(Debug, Clone)]
pub struct Durable {
    index: u64,
    leaf_hash: Hash,
    /// Its `done` is set.
    batch: Arc<Batch>,
}

impl Durable {
    /// The entry's index.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The entry's leaf hash.
    #[must_use]
    pub fn leaf_hash(&self) -> &Hash {
        &self.leaf_hash
    }

    /// The signed tree head of the entry's commit.
    #[must_use]
    pub fn head(&self) -> &Arc<SignedHead> {
        &self.commit().head
    }

    /// The inclusion path from the entry to [`Self::head`], made when asked for.
    ///
    /// # Panics
    /// Never: the entry is in its own commit.
    #[must_use]
    pub fn path(&self) -> Vec<Hash> {
        self.commit().tree.path(self.index).expect("the entry is in its commit")
    }

    /// The receipt: holds on its own, lets go of the commit.
    #[must_use]
    pub fn into_receipt(self) -> Receipt {
        self.receipt()
    }

    /// The receipt.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        let head = self.head();
        Receipt {
            origin: head.origin().as_str().to_owned(),
            index: self.index,
            leaf_hash: self.leaf_hash,
            proof: self.path(),
            head: head.note().to_owned(),
        }
    }

    fn commit(&self) -> &Committed {
        self.batch.done.get().expect("a durable entry's commit is done")
    }
}

/// One commit's fate, shared by all its entries: no allocation per waiter.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    done: OnceLock<Committed>,
    notify: Notify,
}

impl Batch {
    /// Its commit, once that is done.
    pub(crate) fn committed(&self) -> Option<&Committed> {
        self.done.get()
    }

    /// Wakes everybody. Called once, after the flush.
    pub(crate) fn acknowledge(&self, committed: Committed) {
        if self.done.set(committed).is_err() {
            unreachable!("a batch is committed once");
        }
        self.notify.notify_waiters();
    }
}

#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) tree: BatchTree,
    pub(crate) head: Arc<SignedHead>,
}

/// An entry in the queue, hashed by its caller so that the committer does not have to.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) leaf_header: [u8; LEAF_HEADER_BYTES],
    pub(crate) leaf_hash: Hash,
    pub(crate) payload_hash: Hash,
    pub(crate) entry: Entry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// Commit what is queued, mark the close, stop.
    Closing,
    /// Commit what is queued, stop.
    Dropping,
    /// Stopped, or a write failed: nothing more is taken.
    Ended,
}

/// What callers and committer share.
pub(crate) struct Shared {
    disk: Arc<dyn Disk>,
    log_dir: PathBuf,
    key: VerifyingKey,
    queue_bytes: usize,
    open_bytes_max: usize,
    lazy_delay: Duration,
    commit_interval: Duration,
    queue: Mutex<Queue>,
    /// Wakes the committer.
    work: Condvar,
    head: Mutex<Arc<SignedHead>>,
    /// The newest head that the levels lead to.
    tree_head: Mutex<Option<Arc<SignedHead>>>,
    stopped: OnceLock<Result<Arc<SignedHead>, CloseError>>,
    stopped_notify: Notify,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({})", self.key.origin())
    }
}

/// Guarded by `Shared::queue`.
struct Queue {
    entries: Vec<Queued>,
    batch: Arc<Batch>,
    next_index: u64,
    /// Bytes queued, in flight and reserved; never more than `disk_bytes` nor `Shared::queue_bytes`.
    set_aside: usize,
    /// Preallocated disk that is surely there for them.
    disk_bytes: usize,
    urgent: bool,
    /// Whether a gathered entry waits for the word.
    gathered: bool,
    /// When the oldest lazy entry came, while nothing urgent has.
    lazy_since: Option<Instant>,
    /// Size of the leaf of each open exchange, by index.
    open: HashMap<u64, usize>,
    open_bytes: usize,
    /// No commit begins before, since the last one served many.
    held_until: Option<Instant>,
    state: State,
    /// Whether the committer sleeps until it is called, or until `committer_wakes_at` at the latest.
    committer_waits: bool,
    committer_wakes_at: Option<Instant>,
    /// Shows `set_aside`.
    gauge: Gauge,
}

impl Queue {
    /// Exchanges `given` bytes that were set aside before for `cost`.
    fn set_aside(&mut self, cost: usize, given: usize, queue_bytes: usize) -> Result<(), Refused> {
        let wanted = self.set_aside - given + cost;
        if cost > given {
            if cost > queue_bytes {
                return Err(Refused::TooLarge);
            }
            if wanted > self.disk_bytes {
                return Err(Refused::DiskFull);
            }
            if wanted > queue_bytes {
                return Err(Refused::QueueFull);
            }
        }
        self.set_aside = wanted;
        self.show();
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge of bytes far below 2^52")]
    fn show(&self) {
        self.gauge.set(self.set_aside as f64);
    }
}

fn append(shared: &Shared, entry: Entry, urgency: Urgency, from: Option<&mut Reservation>) -> Result<Appended, Refused> {
    if entry.body.len() > BODY_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    // Hashing is the caller's work: it runs on many cores, the committer on one.
    let leaf_header = entry.leaf_header();
    let leaf_hash = entry.leaf_hash();
    let payload_hash = if entry.payload.is_empty() { Hash::default() } else { Hash::of(&entry.payload) };
    let cost = cost(&entry);
    let leaf_bytes = LEAF_HEADER_BYTES + entry.body.len();

    let mut queue = shared.lock();
    match queue.state {
        State::Running => {}
        State::Closing | State::Dropping if from.is_some() => {}
        State::Closing | State::Dropping | State::Ended => return Err(Refused::Closed),
    }
    match entry.role {
        Role::Single => {}
        Role::Opens if queue.open_bytes + SegmentHeader::open_cost(leaf_bytes) > shared.open_bytes_max => return Err(Refused::TooManyOpen),
        Role::Opens => {}
        Role::Closes(index) if !queue.open.contains_key(&index) => return Err(Refused::NotOpen(index)),
        Role::Closes(_) => {}
    }
    queue.set_aside(cost, from.as_ref().map_or(0, |reservation| reservation.cost), shared.queue_bytes)?;
    // From here on nothing fails: the entry has its place.
    if let Some(reservation) = from {
        reservation.cost = 0;
    }
    let index = queue.next_index;
    queue.next_index += 1;
    match entry.role {
        Role::Single => {}
        Role::Opens => {
            queue.open.insert(index, leaf_bytes);
            queue.open_bytes += SegmentHeader::open_cost(leaf_bytes);
        }
        Role::Closes(opened) => {
            let closed = queue.open.remove(&opened).expect("looked up under the same lock");
            queue.open_bytes -= SegmentHeader::open_cost(closed);
        }
    }
    queue.gathered |= urgency == Urgency::Gathered;
    // An urgent entry needs the committer now; a lazy one needs it awake in time.
    let wake = match urgency {
        Urgency::Now => {
            queue.urgent = true;
            queue.committer_waits
        }
        Urgency::Gathered | Urgency::Lazy if queue.lazy_since.is_none() => {
            let now = Instant::now();
            queue.lazy_since = Some(now);
            queue.committer_waits && queue.committer_wakes_at.is_none_or(|at| at > now + shared.lazy_delay)
        }
        Urgency::Gathered | Urgency::Lazy => false,
    };
    queue.entries.push(Queued { leaf_header, leaf_hash, payload_hash, entry });
    let batch = Arc::clone(&queue.batch);
    if wake {
        // One call wakes it; until it holds the lock the others need not call.
        queue.committer_waits = false;
    }
    drop(queue);
    if wake {
        shared.work.notify_one();
    }
    Ok(Appended { index, leaf_hash, batch })
}

fn cost(entry: &Entry) -> usize {
    entry.body.len() + entry.payload.len() + ENTRY_OVERHEAD
}

/// What the committer is to do next; the vector of entries goes to and fro, so that it is allocated once.
pub(crate) enum Work {
    /// Write these.
    Commit { entries: Vec<Queued>, batch: Arc<Batch>, cost: usize },
    /// The time asked for has come.
    Timer(Vec<Queued>),
    /// Everything is written: stop, in this state.
    Stop(State),
}

impl Shared {
    fn new(options: &Options, writer: &Writer) -> Self {
        let open: HashMap<u64, usize> = writer.open.iter().map(|(index, open)| (*index, LEAF_HEADER_BYTES + open.body.len())).collect();
        Self {
            disk: Arc::clone(&writer.disk),
            log_dir: writer.log_dir.clone(),
            key: writer.key.public(&options.origin),
            queue_bytes: options.queue_bytes,
            open_bytes_max: SegmentHeader::open_bytes_max(options.segment_bytes),
            lazy_delay: options.lazy_delay,
            commit_interval: options.commit_interval,
            queue: Mutex::new(Queue {
                entries: Vec::new(),
                batch: Arc::default(),
                next_index: writer.head.size(),
                set_aside: 0,
                disk_bytes: writer.disk_bytes(),
                urgent: false,
                gathered: false,
                lazy_since: None,
                open_bytes: open.values().map(|leaf_bytes| SegmentHeader::open_cost(*leaf_bytes)).sum(),
                open,
                held_until: None,
                state: State::Running,
                committer_waits: false,
                committer_wakes_at: None,
                gauge: gauge!("qovsaq_journal_queue_bytes"),
            }),
            work: Condvar::new(),
            head: Mutex::new(Arc::clone(&writer.head)),
            tree_head: Mutex::new(writer.levels.as_ref().map(|_| Arc::clone(&writer.head))),
            stopped: OnceLock::new(),
            stopped_notify: Notify::new(),
        }
    }

    /// Sets aside room for `count` entries of `bytes` each and gives what one costs.
    fn set_aside(&self, count: usize, bytes: usize) -> Result<usize, Refused> {
        let cost = bytes.checked_add(ENTRY_OVERHEAD).ok_or(Refused::TooLarge)?;
        let all = cost.checked_mul(count).ok_or(Refused::TooLarge)?;
        let mut queue = self.lock();
        if queue.state != State::Running {
            return Err(Refused::Closed);
        }
        queue.set_aside(all, 0, self.queue_bytes)?;
        Ok(cost)
    }

    /// Waits for the committer's next work. `spare` is an empty vector to fill.
    pub(crate) fn take(&self, spare: Vec<Queued>, wake_at: Option<Instant>) -> Work {
        // After work it wakes by itself once more, so that the first lazy entry to come need not call it.
        let mut linger = Some(Instant::now() + self.lazy_delay);
        let mut queue = self.lock();
        loop {
            let now = Instant::now();
            linger = linger.filter(|until| now < *until);
            queue.held_until = queue.held_until.filter(|until| now < *until);
            let lazy_due = queue.lazy_since.map(|since| since + self.lazy_delay);
            let stopping = queue.state != State::Running;
            let due = queue.urgent || stopping || lazy_due.is_some_and(|due| now >= due);
            if due && !queue.entries.is_empty() && (stopping || queue.held_until.is_none()) {
                queue.held_until = (queue.entries.len() >= MANY).then(|| now + self.commit_interval);
                let entries = std::mem::replace(&mut queue.entries, spare);
                let batch = std::mem::take(&mut queue.batch);
                queue.urgent = false;
                queue.gathered = false;
                queue.lazy_since = None;
                drop(queue);
                let cost = entries.iter().map(|queued| cost(&queued.entry)).sum();
                return Work::Commit { entries, batch, cost };
            }
            if stopping {
                let state = queue.state;
                queue.state = State::Ended;
                return Work::Stop(state);
            }
            if wake_at.is_some_and(|at| now >= at) {
                return Work::Timer(spare);
            }
            // While it is held back nobody need call it: it comes by itself.
            queue.committer_waits = queue.held_until.is_none();
            let until = queue.held_until.or_else(|| [lazy_due, wake_at, linger].into_iter().flatten().min());
            queue.committer_wakes_at = until;
            queue = match until {
                Some(until) => {
                    let woken = self.work.wait_timeout(queue, until.saturating_duration_since(now));
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
            queue.committer_waits = false;
        }
    }

    /// A batch is durable: its room is free again.
    pub(crate) fn committed(&self, cost: usize, disk_bytes: usize, head: &Arc<SignedHead>) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(head);
        let mut queue = self.lock();
        queue.set_aside -= cost;
        queue.disk_bytes = disk_bytes;
        queue.show();
    }

    /// The levels lead to this head now; where they cannot be written, the last one stays.
    pub(crate) fn show_tree(&self, head: Option<Arc<SignedHead>>) {
        if head.is_some() {
            *self.tree_head.lock().unwrap_or_else(PoisonError::into_inner) = head;
        }
    }

    pub(crate) fn disk_changed(&self, disk_bytes: usize) {
        self.lock().disk_bytes = disk_bytes;
    }

    pub(crate) fn stopped(&self, result: Result<Arc<SignedHead>, CloseError>) {
        // Only the committer stops, and only once; a failure may have come first and then stands.
        drop(self.stopped.set(result));
        self.stopped_notify.notify_waiters();
    }

    /// A write failed: nothing more is taken, nobody waiting is told anything.
    pub(crate) fn fail(&self) {
        self.lock().state = State::Ended;
        self.stopped(Err(CloseError::Failed));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, how: State) {
        let mut queue = self.lock();
        if queue.state == State::Running {
            queue.state = how;
        }
        drop(queue);
        self.work.notify_one();
    }
}
