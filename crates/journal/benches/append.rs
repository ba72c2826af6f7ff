//! B5: entries of 600 bytes, 1,024 waiters, every acknowledgement durable; and the appends of B6.
//!
//! `journal` is the log as the gateway keeps it: levels, fence, checkpoints, a signed head for every commit. `limit` writes
//! frames of the same length with the same flush into a file set aside in the same way, and does nothing else.
//! `sqlite` puts the same entries into one table (WAL, `synchronous = FULL`), a transaction for each of the journal's
//! commits. Neither hashes, signs, or has anybody waiting. `sqlite-waited` has the journal's tasks waiting, and puts into one
//! transaction what has gathered.
//!
//! ```text
//! cargo run --release -p journal --example bench-append -- peers DIR ENTRIES WAITERS   all four in turn
//! … bench-append -- journal DIR ENTRIES WAITERS   appends to the log in DIR, made where there is none, and leaves it there
//! ```
//!
//! Prints CSV: `peer,entries,batches,bytes,seconds,cpu_us_per_entry`. `bytes` are the journal's frames for such batches,
//! CPU is user and system time of the whole process.
#![expect(clippy::print_stdout, reason = "printing the result is its job")]

use std::error::Error;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use journal::disk::{Disk as _, RealDisk};
use journal::entry::LEAF_HEADER_BYTES;
use journal::format::{FRAME_ALIGN, FRAME_HEADER_BYTES, TABLE_ROW_BYTES};
use journal::journal::Options;
use journal::{Entry, Journal, Origin, Role, SigningKey, Urgency};
use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// What the log hashes of an entry: its own header and the body.
const LEAF_BYTES: usize = 600;
/// An entry's kind, which the log does not interpret.
const KIND: u8 = 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [mode, dir, entries, waiters] = words.as_slice() else {
        return Err("accepted is `peers DIR ENTRIES WAITERS` or `journal DIR ENTRIES WAITERS`".into());
    };
    let (dir, entries, waiters) = (PathBuf::from(dir), entries.parse()?, waiters.parse()?);
    let bytes = Arc::new(Bytes::new(waiters)?);
    match mode.as_str() {
        "journal" => drop(journal(&dir, entries, waiters, &bytes).await?),
        "peers" => {
            let batches = journal(&dir, entries, waiters, &bytes).await?;
            limit(&dir, &batches, &bytes)?;
            sqlite(&dir, &batches, &bytes)?;
            sqlite_waited(&dir, entries, waiters, &bytes).await?;
        }
        _ => return Err("the mode is `peers` or `journal`".into()),
    }
    Ok(())
}

/// Random bytes to cut entries from: sealed entries cannot be compressed either.
struct Bytes(Vec<u8>);

impl Bytes {
    /// Enough for a commit that serves all who wait.
    fn new(waiters: u64) -> Result<Self, Box<dyn Error>> {
        let mut bytes = vec![0; frame_bytes(waiters)? + (1 << 20)];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness")?;
        Ok(Self(bytes))
    }

    /// So many of them, others for each number.
    fn cut(&self, number: u64, length: usize) -> &[u8] {
        let at = usize::try_from(number % 1000).unwrap_or(0) * 997;
        &self.0[at..at + length]
    }
}

fn frame_bytes(entries: u64) -> Result<usize, Box<dyn Error>> {
    Ok((FRAME_HEADER_BYTES + usize::try_from(entries)? * (TABLE_ROW_BYTES + LEAF_BYTES)).next_multiple_of(FRAME_ALIGN))
}

/// One peer's turn, from here to [`Turn::end`].
struct Turn {
    wall: Instant,
    cpu: Duration,
}

impl Turn {
    fn begin() -> Result<Self, Box<dyn Error>> {
        Ok(Self { cpu: cpu_time()?, wall: Instant::now() })
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure of six digits")]
    fn end(self, peer: &str, batches: &[u64]) -> Result<(), Box<dyn Error>> {
        let (seconds, cpu) = (self.wall.elapsed().as_secs_f64(), cpu_time()?.saturating_sub(self.cpu));
        let entries: u64 = batches.iter().sum();
        let mut bytes = 0;
        for batch in batches {
            bytes += frame_bytes(*batch)?;
        }
        let cpu = cpu.as_secs_f64() * 1e6 / entries as f64;
        println!("{peer},{entries},{},{bytes},{seconds:.4},{cpu:.3}", batches.len());
        Ok(())
    }
}

/// User and system time of all threads of this process.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}

/// Appends as the gateway does, and gives how many entries each commit had. Opening is not in the figure; the close, with its
/// checkpoint and the fence's, is.
async fn journal(dir: &Path, entries: u64, waiters: u64, bytes: &Arc<Bytes>) -> Result<Vec<u64>, Box<dyn Error>> {
    let mut options = Options::new(dir.join("logs"), Origin::new("bench.local")?);
    options.fence = Some(dir.join("fence"));
    let (journal, _) = Journal::open(options, SigningKey::from_seed(&[1; 32]))?;
    let first = journal.size();
    let left = Arc::new(AtomicU64::new(entries));
    let turn = Turn::begin()?;
    let gather = Arc::new(Notify::new());
    let gathering = tokio::spawn(commit_gathered(journal.clone(), Arc::clone(&gather)));
    let mut tasks = JoinSet::new();
    for _ in 0..waiters {
        let (journal, left, bytes, gather) = (journal.clone(), Arc::clone(&left), Arc::clone(bytes), Arc::clone(&gather));
        tasks.spawn(async move {
            let mut sizes = Vec::new();
            while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                let body = bytes.cut(number, LEAF_BYTES - LEAF_HEADER_BYTES).to_vec();
                let entry = Entry { kind: KIND, role: Role::Single, body, payload: Vec::new() };
                let appended = journal.append(entry, Urgency::Gathered, None)?;
                gather.notify_one();
                let durable = appended.durable().await;
                // The last entry of a commit speaks for it.
                if durable.index() + 1 == durable.head().size() {
                    sizes.push(durable.head().size());
                }
            }
            Ok::<_, journal::Refused>(sizes)
        });
    }
    let mut sizes = vec![first];
    while let Some(done) = tasks.join_next().await {
        sizes.extend(done??);
    }
    gathering.abort();
    let head = journal.close().await?;
    sizes.sort_unstable();
    let batches: Vec<u64> = sizes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    turn.end("journal", &batches)?;
    assert_eq!((head.size(), batches.iter().sum()), (first + entries, entries), "every entry is in the log");
    Ok(batches)
}

/// The gateway's way to gather: a commit begins once every task that was ready has had its turn.
async fn commit_gathered(journal: Journal, gather: Arc<Notify>) {
    loop {
        gather.notified().await;
        tokio::task::yield_now().await;
        journal.commit();
    }
}

fn limit(dir: &Path, batches: &[u64], bytes: &Bytes) -> Result<(), Box<dyn Error>> {
    let mut length = 0;
    for batch in batches {
        length += frame_bytes(*batch)?;
    }
    let path = dir.join("limit");
    let mut file = RealDisk.create(&path, length as u64)?;
    file.sync()?;
    let turn = Turn::begin()?;
    let mut offset = 0;
    for (number, batch) in (0..).zip(batches) {
        let frame = bytes.cut(number, frame_bytes(*batch)?);
        file.write_at(frame, offset)?;
        file.sync()?;
        offset += frame.len() as u64;
    }
    turn.end("limit", batches)?;
    drop(file);
    Ok(fs::remove_file(path)?)
}

fn sqlite(dir: &Path, batches: &[u64], bytes: &Bytes) -> Result<(), Box<dyn Error>> {
    let mut table = Table::create(dir)?;
    let turn = Turn::begin()?;
    let mut number = 0;
    for batch in batches {
        table.put((number..number + batch).map(|number| bytes.cut(number, LEAF_BYTES)))?;
        number += batch;
    }
    turn.end("sqlite", batches)?;
    table.remove(number)
}

/// One thread writes what has gathered, as the journal's does, and then tells those who wait.
async fn sqlite_waited(dir: &Path, entries: u64, waiters: u64, bytes: &Arc<Bytes>) -> Result<(), Box<dyn Error>> {
    let mut table = Table::create(dir)?;
    let left = Arc::new(AtomicU64::new(entries));
    let turn = Turn::begin()?;
    let (send, receive) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
    let writing = thread::spawn(move || {
        let mut batches = Vec::new();
        while let Ok(first) = receive.recv() {
            let mut waiting = Vec::new();
            table.put(iter::once(first).chain(receive.try_iter()).map(|(leaf, acknowledge)| {
                waiting.push(acknowledge);
                leaf
            }))?;
            batches.push(waiting.len() as u64);
            waiting.into_iter().for_each(|acknowledge| assert_eq!(acknowledge.send(()), Ok(()), "a task waits until it is told"));
        }
        Ok::<_, rusqlite::Error>((table, batches))
    });
    let mut tasks = JoinSet::new();
    for _ in 0..waiters {
        let (send, left, bytes) = (send.clone(), Arc::clone(&left), Arc::clone(bytes));
        tasks.spawn(async move {
            while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
                let (acknowledge, durable) = oneshot::channel();
                if send.send((bytes.cut(number, LEAF_BYTES).to_vec(), acknowledge)).is_err() || durable.await.is_err() {
                    return Err("the table cannot be written");
                }
            }
            Ok(())
        });
    }
    drop(send);
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let (table, batches) = writing.join().map_err(|_| "the thread of the table panicked")??;
    turn.end("sqlite-waited", &batches)?;
    table.remove(entries)
}

/// One table without an index in a file of its own.
struct Table {
    path: PathBuf,
    connection: Connection,
}

impl Table {
    fn create(dir: &Path) -> Result<Self, Box<dyn Error>> {
        let path = dir.join("peer.db");
        let connection = Connection::open(&path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE entries (number INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT;",
        )?;
        Ok(Self { path, connection })
    }

    /// One transaction.
    fn put<T: AsRef<[u8]>>(&mut self, leaves: impl Iterator<Item = T>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare_cached("INSERT INTO entries (leaf) VALUES (?1)")?;
            for leaf in leaves {
                put.execute([leaf.as_ref()])?;
            }
        }
        transaction.commit()
    }

    fn remove(self, expected: u64) -> Result<(), Box<dyn Error>> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
        assert_eq!(u64::try_from(count)?, expected, "every entry is in the table");
        drop(self.connection);
        Ok(fs::remove_file(self.path)?)
    }
}
