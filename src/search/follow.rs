//! From the log into the index: one thread, at the lowest priority, off every request's way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use index::{BLOCK_ENTRIES, Gap, IndexError, Row, Spot, Term};
use journal::Role;
use journal::read::{Entries, EntryView, FramePlace, ReadError};
use seal::TableError;

use super::{Log, Opener, Search, chain, terms, written_at};
use crate::record::Kind;

/// Longest time between two looks for new entries, when nobody asks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long after a failure it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Most exchanges whose terms are remembered until they close.
const OPEN_MAX: usize = 65_536;
/// How much less of a busy processor it gets than everything else.
const NICE: i32 = 19;

/// The thread that follows; ends when it is told to.
#[derive(Debug)]
pub struct Following {
    search: Arc<Search>,
    thread: JoinHandle<()>,
}

impl Following {
    /// Ends the thread and waits for that.
    pub fn stop(self) {
        self.search.wake.stop.store(true, Ordering::Relaxed);
        self.search.wake.ring();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the search index ended abnormally");
        }
    }
}

/// Why the index does not grow.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("the index cannot be written")]
    Index(#[from] IndexError),
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    #[error("the key table cannot be read")]
    Keys(#[from] TableError),
}

/// Begins to follow the logs of a search.
pub(super) fn start(search: Arc<Search>) -> std::io::Result<Following> {
    let following = Arc::clone(&search);
    let thread = std::thread::Builder::new().name("search-index".to_owned()).spawn(move || {
        // Where the system does not allow it, it takes part like the rest.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::debug!(%error, "the search index runs at ordinary priority");
        }
        follow(&following);
    })?;
    Ok(Following { search, thread })
}

fn follow(search: &Search) {
    let mut readings: Vec<Reading> = search.logs.iter().map(|_| Reading::default()).collect();
    check_shards(search);
    while !search.wake.stop.load(Ordering::Relaxed) {
        // The present log first: it is what is searched most.
        let done = readings.iter_mut().zip(&search.logs).rev().try_for_each(|(reading, log)| reading.advance(search, log));
        search.progress.send_replace(());
        metrics::gauge!("qovsaq_search_lag_entries").set(f64::from(u32::try_from(search.lag()).unwrap_or(u32::MAX)));
        let wait = match done {
            Ok(()) => LOOK_EVERY,
            Err(error) => {
                tracing::error!(error = chain(&error), "the search index does not grow; it is tried again");
                // What was read is read again: nothing is left out.
                readings.iter_mut().for_each(|reading| *reading = Reading::default());
                AGAIN_AFTER
            }
        };
        search.wake.wait(wait);
    }
}

/// Looks whether every shard is as it was written; one that is not is made anew.
fn check_shards(search: &Search) {
    for log in &search.logs {
        let mut which = 0;
        while !search.wake.stop.load(Ordering::Relaxed) {
            match search.mended(log, |index| index.check(which)) {
                Ok(true) => which += 1,
                // Discarded, and told: the next one has its place now.
                Err(super::SearchError::Index(IndexError::Damaged(_))) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(error = chain(&error), "a shard of the search index cannot be checked");
                    break;
                }
            }
        }
    }
}

/// How far a log has been read.
#[derive(Debug, Default)]
struct Reading {
    /// The frame of the last entry taken.
    last: Option<FramePlace>,
    open: Open,
}

/// The terms of exchanges that are open, for their outcomes.
#[derive(Debug, Default)]
struct Open(HashMap<u64, Vec<Term>>);

impl Reading {
    /// Takes in what there is: gaps first, since searches before them are not whole; then the log's end.
    fn advance(&mut self, search: &Search, log: &Log) -> Result<(), FollowError> {
        for gap in log.index.gaps() {
            fill(search, log, &gap)?;
        }
        let present = search.present().is_some_and(|present| present.origin == log.origin);
        let end = if present { search.recorder.journal().size() } else { log.size.get().copied().unwrap_or(u64::MAX) };
        if log.index.next() >= end {
            return Ok(());
        }
        let mut opener = Opener::new(search.recorder.keys());
        let mut entries = match self.last {
            Some(last) => journal::read::entries_from(&log.dir, last, log.index.next())?,
            None => self.open.learn(&mut opener, log, log.index.next())?,
        };
        while log.index.next() < end && !search.wake.stop.load(Ordering::Relaxed) {
            let Some(entry) = entries.next().transpose()? else {
                if !present {
                    // The end of a log that nobody writes any more.
                    log.size.get_or_init(|| log.index.next());
                }
                return Ok(());
            };
            self.last = Some(entry.place);
            let row = self.open.row(&mut opener, log, &entry)?;
            log.index.push(row)?;
            if log.index.next().is_multiple_of(BLOCK_ENTRIES) {
                search.progress.send_replace(());
            }
        }
        Ok(())
    }
}

/// Reads the blocks of a gap again.
fn fill(search: &Search, log: &Log, gap: &Gap) -> Result<(), FollowError> {
    tracing::info!(origin = log.origin, from = gap.0.start, to = gap.0.end, "a part of the search index is made anew");
    let mut open = Open::default();
    let mut opener = Opener::new(search.recorder.keys());
    let mut entries = open.learn(&mut opener, log, gap.0.start)?;
    let mut rows = Vec::new();
    let mut first = gap.0.start;
    while first < gap.0.end && !search.wake.stop.load(Ordering::Relaxed) {
        let Some(entry) = entries.next().transpose()? else { return Err(ReadError::Index(first).into()) };
        rows.push(open.row(&mut opener, log, &entry)?);
        if rows.len() as u64 == BLOCK_ENTRIES {
            if !log.index.fill(first, &rows)? {
                // Something before it was discarded: the next look finds the gap as it is now.
                return Ok(());
            }
            rows.clear();
            first += BLOCK_ENTRIES;
        }
    }
    Ok(())
}

impl Open {
    /// Begins to read at an entry, and learns the exchanges that the block before it opened.
    fn learn(&mut self, opener: &mut Opener<'_>, log: &Log, from: u64) -> Result<Entries, FollowError> {
        let mut entries = journal::read::entries(&log.dir, from.saturating_sub(BLOCK_ENTRIES))?;
        for _ in from.saturating_sub(BLOCK_ENTRIES)..from {
            let Some(entry) = entries.next().transpose()? else { break };
            self.row(opener, log, &entry)?;
        }
        Ok(entries)
    }

    /// The row of an entry. An outcome is found by all that its intent is found by.
    fn row(&mut self, opener: &mut Opener<'_>, log: &Log, entry: &EntryView) -> Result<Row, FollowError> {
        let key = log.index.key();
        // Where its keys are gone it is found by its kind and time.
        let mut found = terms::of(key, entry.kind, opener.metadata(entry)?.as_deref().unwrap_or(b"{}"));
        match entry.role {
            Role::Single => {}
            Role::Opens => {
                if self.0.len() < OPEN_MAX {
                    self.0.insert(entry.index, found.terms.clone());
                }
            }
            Role::Closes(intent) => {
                let of_intent = match self.0.remove(&intent) {
                    Some(terms) => terms,
                    None => of_intent(opener, log, intent)?,
                };
                // All but the intent's own kind, which stands first.
                found.terms.extend(of_intent.into_iter().skip(1));
            }
        }
        let at = u64::try_from(written_at(entry).as_millisecond()).unwrap_or(0);
        let spot = Spot { segment: entry.place.segment, frame: entry.place.offset };
        Ok(Row { at, spot, terms: found.terms, same: found.same })
    }
}

/// The terms of an intent that was opened long before its outcome.
fn of_intent(opener: &mut Opener<'_>, log: &Log, intent: u64) -> Result<Vec<Term>, FollowError> {
    let entry = journal::read::entry(&log.dir, intent)?;
    let metadata = opener.metadata(&entry)?;
    Ok(terms::of(log.index.key(), Kind::Intent.number(), metadata.as_deref().unwrap_or(b"{}")).terms)
}
