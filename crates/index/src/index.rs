//! The index of one log: its shards, its unfinished block, and what is missing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use std::os::unix::fs::DirBuilderExt as _;

use seal::Identity;

use crate::block::{BLOCK_ENTRIES, Places, Row};
use crate::identities::Identities;
use crate::query::{Found, Query, in_memory, meet_groups, overlap};
use crate::shard::{self, SHARD_BLOCKS, Shard, ShardName, Summary};
use crate::term::IndexKey;

/// Shards kept open for reading: five years of months.
const READERS_MAX: usize = 64;

/// Why the index cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file cannot be read, made or removed: look at owner, mode and free space.
    #[error("index file {path} cannot be used")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// SQLite refused, though the file may be sound: disk full, locked.
    #[error("index file {path} cannot be used")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A file is not what was written with this key for this log: it is to be discarded and made anew.
    #[error("index file {0} is damaged")]
    Damaged(PathBuf),
}

/// Entries that belong into shards and are in none: to be read from the log again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap(pub Range<u64>);

/// The index of one log.
///
/// One thread adds ([`Self::push`], [`Self::fill`]), any number search. What is added is found at once; what
/// is on disk of it are whole blocks.
#[derive(Debug)]
pub struct Index {
    dir: PathBuf,
    origin: String,
    key: IndexKey,
    state: RwLock<State>,
    identities: Identities,
    /// Counts discards: what was read across one is read again.
    generation: AtomicU64,
    /// The shard that the unfinished block will go to.
    writer: Mutex<Option<Shard>>,
    readers: Mutex<Vec<Shard>>,
}

#[derive(Debug)]
struct State {
    /// By first block.
    shards: BTreeMap<u64, Summary>,
    /// Number of the unfinished block.
    block: u64,
    /// Its entries.
    rows: Vec<Row>,
}

impl Index {
    /// Opens the index in a folder, which is made where it is missing. Shards that are not this log's with this
    /// key are removed: [`Self::gaps`] names what is missing.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be used.
    pub fn open(dir: &Path, key: IndexKey, origin: &str) -> Result<Self, IndexError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_at(dir))?;
        let identities = Identities::open(dir, &key, origin)?;
        match identities.check(&key) {
            // Without it no shard is whole.
            Err(IndexError::Damaged(_)) => identities.renew(&key, origin)?,
            checked => checked?,
        }
        let mut shards = BTreeMap::new();
        for file in fs::read_dir(dir).map_err(io_at(dir))? {
            let file = file.map_err(io_at(dir))?.file_name();
            let Some(name) = file.to_str().and_then(ShardName::parse) else { continue };
            match Shard::open(dir, name.clone(), &key, origin).and_then(|shard| shard.summary()) {
                Ok(Some(summary)) if identities.cover(summary.name.first..summary.end)? => {
                    shards.insert(name.first, summary);
                }
                Ok(_) | Err(IndexError::Damaged(_)) => shard::remove(dir, &name)?,
                Err(error) => return Err(error),
            }
        }
        // Shards that overlap were not written by us: the later one goes.
        let mut end = 0;
        let mut overlapping = Vec::new();
        for summary in shards.values() {
            if summary.name.first < end {
                overlapping.push(summary.name.clone());
            } else {
                end = summary.end;
            }
        }
        for name in overlapping {
            shard::remove(dir, &name)?;
            shards.remove(&name.first);
        }
        let state = State { shards, block: end, rows: Vec::new() };
        Ok(Self {
            dir: dir.to_owned(),
            origin: origin.to_owned(),
            key,
            identities,
            generation: AtomicU64::new(0),
            state: RwLock::new(state),
            writer: Mutex::new(None),
            readers: Mutex::new(Vec::new()),
        })
    }

    /// Makes terms of this index.
    #[must_use]
    pub fn key(&self) -> &IndexKey {
        &self.key
    }

    /// The index of the entry to be pushed next: all before it, but for gaps, are found.
    #[must_use]
    pub fn next(&self) -> u64 {
        let state = self.state();
        state.block * BLOCK_ENTRIES + state.rows.len() as u64
    }

    /// When the first and the last entry were written, unix milliseconds; none where there are none.
    #[must_use]
    pub fn times(&self) -> Option<(u64, u64)> {
        let state = self.state();
        let shards = state.shards.values().map(|summary| (*summary.times.start(), *summary.times.end()));
        let rows = state.rows.iter().map(|row| (row.at, row.at));
        shards.chain(rows).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
    }

    /// Adds the next entry. Every [`BLOCK_ENTRIES`] entries that takes some tens of milliseconds, else under one microsecond.
    ///
    /// # Errors
    /// When the finished block cannot be written: the entry is not added, and may be pushed again.
    pub fn push(&self, row: Row) -> Result<(), IndexError> {
        let full = {
            let mut state = self.state_mut();
            state.rows.push(row);
            state.rows.len() as u64 == BLOCK_ENTRIES
        };
        if !full {
            return Ok(());
        }
        // Only this thread changes the rows, so they may be read without keeping searches out. The writer comes
        // first, as for whoever discards.
        let written = {
            let mut writer = self.writer();
            let state = self.state();
            let name = Self::name_for(&state, state.block, &state.rows);
            self.append(&mut writer, state.block, &state.rows, name)
        };
        let mut state = self.state_mut();
        match written {
            Ok(summary) => {
                state.shards.insert(summary.name.first, summary);
                state.block += 1;
                state.rows.clear();
                Ok(())
            }
            Err(error) => {
                state.rows.pop();
                Err(error)
            }
        }
    }

    /// Entries of whole blocks that are in no shard, oldest first.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let state = self.state();
        let mut gaps = Vec::new();
        let mut end = 0;
        let starts = state.shards.values().map(|summary| (summary.name.first, summary.end)).chain([(state.block, state.block)]);
        for (first, after) in starts {
            if first > end {
                gaps.push(Gap(end * BLOCK_ENTRIES..first * BLOCK_ENTRIES));
            }
            end = after;
        }
        gaps
    }

    /// Writes the block of a gap that begins with its first entry: [`BLOCK_ENTRIES`] rows. `false` where no gap
    /// begins there any more, since something before it was discarded meanwhile: look at the gaps again.
    ///
    /// # Errors
    /// When it cannot be written; the gap stays.
    pub fn fill(&self, first: u64, rows: &[Row]) -> Result<bool, IndexError> {
        if rows.len() as u64 != BLOCK_ENTRIES || !self.gaps().iter().any(|gap| gap.0.start == first) {
            return Ok(false);
        }
        // Nobody discards meanwhile.
        let _writer = self.writer();
        let block = first / BLOCK_ENTRIES;
        let name = Self::name_for(&self.state(), block, rows);
        let summary = self.append(&mut None, block, rows, name)?;
        self.state_mut().shards.insert(summary.name.first, summary);
        Ok(true)
    }

    /// Removes a damaged shard, of which a search or a check has told: its entries become a gap.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(&self, damaged: &Path) -> Result<(), IndexError> {
        let mut writer = self.writer();
        self.generation.fetch_add(1, Ordering::SeqCst);
        let Some(name) = damaged.file_name().and_then(|file| file.to_str()).and_then(ShardName::parse) else {
            // The identities: without them no block is whole.
            *writer = None;
            self.readers().clear();
            let mut state = self.state_mut();
            for summary in std::mem::take(&mut state.shards).into_values() {
                shard::remove(&self.dir, &summary.name)?;
            }
            return self.identities.renew(&self.key, &self.origin);
        };
        if writer.as_ref().is_some_and(|shard| shard.name == name) {
            *writer = None;
        }
        self.readers().retain(|shard| shard.name != name);
        let mut state = self.state_mut();
        state.shards.retain(|_, summary| summary.name != name);
        shard::remove(&self.dir, &name)
    }

    /// Reads one shard whole and compares it with what was written: `which` counts from the newest, 0. Gives
    /// whether there is such a shard. About a microsecond a row.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] where it is not; discard it then.
    pub fn check(&self, which: usize) -> Result<bool, IndexError> {
        let Some(name) = self.state().shards.values().rev().nth(which).map(|summary| summary.name.clone()) else { return Ok(false) };
        let shard = Shard::open(&self.dir, name, &self.key, &self.origin)?;
        shard.check(&self.key)?;
        Ok(true)
    }

    /// The identities that entries say are the same person's as one, without that one itself.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn same(&self, person: Identity) -> Result<Vec<Identity>, IndexError> {
        let mut same = self.identities.same(person, &self.key)?;
        for row in self.state().rows.iter().filter(|row| row.same.contains(&person)) {
            same.extend(&row.same);
        }
        same.sort_unstable();
        same.dedup();
        same.retain(|other| *other != person);
        Ok(same)
    }

    /// Finds entries, newest first.
    ///
    /// # Errors
    /// When a shard cannot be read; [`IndexError::Damaged`] names one to discard.
    pub fn search(&self, query: &Query) -> Result<Found, IndexError> {
        loop {
            let generation = self.generation.load(Ordering::SeqCst);
            let found = self.search_once(query, generation)?;
            if self.generation.load(Ordering::SeqCst) == generation {
                return Ok(found);
            }
        }
    }

    fn search_once(&self, query: &Query, generation: u64) -> Result<Found, IndexError> {
        let mut found = Found::default();
        // The list is of one moment, together with the unfinished block: what becomes a shard later is found here.
        let (shards, done) = {
            let state = self.state();
            let places = in_memory(query, &state.rows);
            let row = |place: u16| state.rows.get(usize::from(place)).map(|row| (row.at, row.spot));
            let done = found.take(query, state.block, places, row);
            let shards: Vec<Summary> = state.shards.values().rev().cloned().collect();
            (shards, done)
        };
        if done {
            return Ok(found);
        }
        // The first block that has no entry before.
        let up_to = query.before.div_ceil(BLOCK_ENTRIES);
        let mut looked = false;
        for summary in shards {
            if summary.name.first >= up_to || !overlap(&summary.times, &query.times) {
                continue;
            }
            // One at least, so that whoever goes on where this ends gets on.
            if std::mem::replace(&mut looked, true) && Instant::now() >= query.until {
                found.next = Some(query.before.min(summary.end * BLOCK_ENTRIES));
                return Ok(found);
            }
            let shard = self.reader(&summary)?;
            let enough = self.search_shard(query, &summary, &shard, up_to, &mut found)?;
            self.keep_reader(shard, generation);
            if enough {
                break;
            }
        }
        Ok(found)
    }

    fn search_shard(&self, query: &Query, summary: &Summary, shard: &Shard, up_to: u64, found: &mut Found) -> Result<bool, IndexError> {
        let met = meet_groups(query, &summary.times, |term, found| shard.look(term, up_to, &self.key, found))?;
        let blocks = match met {
            Some(met) => met.into_iter().rev().collect(),
            None => shard.blocks(up_to)?.into_iter().map(|block| (block, Places::ALL)).collect::<Vec<_>>(),
        };
        for (block, places) in blocks {
            // A block written after the list was made was looked at in memory.
            if block >= summary.end {
                continue;
            }
            let rows = shard.rows(block, &self.key)?;
            if found.take(query, block, places, |place| rows.get(usize::from(place)).copied()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn append(&self, writer: &mut Option<Shard>, block: u64, rows: &[Row], name: ShardName) -> Result<Summary, IndexError> {
        // First, so that no block is there without its identities.
        self.identities.append(block, rows, &self.key)?;
        let at = rows.first().map_or(0, |row| row.at);
        if let Some(shard) = writer.take_if(|shard| !shard.name.takes(block, at)) {
            shard.settle();
        }
        let shard = match writer {
            Some(shard) => shard,
            None => writer.insert(Shard::create(&self.dir, name, &self.key, &self.origin)?),
        };
        shard.append(block, rows, &self.key)
    }

    /// The shard that a block goes to: the one it continues where that may take it, else one of its own.
    fn name_for(state: &State, block: u64, rows: &[Row]) -> ShardName {
        let at = rows.first().map_or(0, |row| row.at);
        let before = state.shards.range(..block).next_back().map(|(_, summary)| summary);
        match before.filter(|summary| summary.end == block && summary.name.takes(block, at)) {
            Some(summary) => summary.name.clone(),
            None => ShardName::new(block, at),
        }
    }

    fn reader(&self, summary: &Summary) -> Result<Shard, IndexError> {
        let mut readers = self.readers();
        if let Some(place) = readers.iter().position(|shard| shard.name == summary.name) {
            return Ok(readers.swap_remove(place));
        }
        drop(readers);
        Shard::open(&self.dir, summary.name.clone(), &self.key, &self.origin)
    }

    /// Keeps a reader, unless something was discarded since it was opened: it may have been its file.
    fn keep_reader(&self, shard: Shard, generation: u64) {
        let mut readers = self.readers();
        if self.generation.load(Ordering::SeqCst) == generation && readers.len() < READERS_MAX {
            readers.push(shard);
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Option<Shard>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Shard>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> IndexError + '_ {
    |source| IndexError::Io { path: path.to_owned(), source }
}

const _: () = assert!(SHARD_BLOCKS > 0 && BLOCK_ENTRIES <= 1 << 16);
