//! Search over the journal: which entries concern a person, an official, a case.
//!
//! Each log has an [`Index`] of its own in its folder, made by one thread that follows the log
//! (`search/follow.rs`) and opens every entry's metadata with the node's keys; nothing waits for it but a search.
//! Logs of earlier half-years are searched behind the present one. A person is looked for under every identity
//! that an answer ever said is his.
//!
//! - `search/filter.rs`: what may be asked for, strict.
//! - `search/terms.rs`: what an entry is found by.
//! - `search/follow.rs`: from the log into the index.

pub mod filter;
pub mod follow;
pub mod terms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use index::{Alternative, Hit, Index, IndexError, IndexKey, Query};
use jiff::Timestamp;
use journal::SignedHead;
use journal::read::{EntryView, FramePlace, ReadError, Reader};
use model::Subject;
use seal::{Epoch, Identity, KeyTable, TableError};
use serde_json::value::RawValue;
use tokio::sync::watch;

pub use self::filter::Filter;
use crate::export;
use crate::record::{Recorder, base64_of};

/// Longest that one search looks before it gives what it has.
const SEARCH_TIME: Duration = Duration::from_secs(2);
/// Longest that is looked in one log for what an export takes.
const PLACES_TIME: Duration = Duration::from_secs(30);
/// Longest that a search waits for the index to take in what was written before it began.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Most identities of one person that are followed.
const IDENTITIES_MAX: usize = 1_000;
/// How far from its month an entry may carry the month's token: the key is changed up to a minute late.
const MONTH_EDGE_MS: u64 = 3_600_000;
/// How long after its month an outcome may be found by its intent's token: a crash on the last day of a month is
/// cleared up at the next start.
const OUTCOME_LATE_MS: u64 = 31 * 24 * 3_600_000;

/// The search of a node's logs.
#[derive(Debug)]
pub struct Search {
    /// Oldest first; the last one is being written.
    logs: Vec<Log>,
    recorder: Arc<Recorder>,
    /// Told whenever the index has taken in what was durable.
    progress: watch::Sender<()>,
    wake: Wake,
}

/// One log and its index.
#[derive(Debug)]
pub(crate) struct Log {
    origin: String,
    dir: PathBuf,
    index: Index,
    /// How many entries it has, once that is known; the present log grows and is asked.
    size: OnceLock<u64>,
}

#[derive(Debug, Default)]
struct Wake {
    asked: Mutex<bool>,
    bell: Condvar,
    stop: AtomicBool,
}

/// Why a search found nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The index is not there: being made anew, or its disk does not answer.
    #[error("the search index cannot be read")]
    Index(#[from] IndexError),
    /// A log cannot be read.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// The key table cannot be read.
    #[error("the key table cannot be read")]
    Keys(#[from] TableError),
    /// The index does not cover everything that was durable when the search began: it is being made, or behind.
    #[error("the search index does not cover the journal yet")]
    Incomplete,
    /// A log that entries were found in is none of this node's any more.
    #[error("a log is not there any more")]
    Gone,
}

/// Where to go on: entries of a log before an index, then those of earlier logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The log.
    pub origin: String,
    /// Only entries with a smaller index.
    pub before: u64,
}

impl Cursor {
    /// Reads a cursor as [`Self::text`] wrote it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (origin, before) = text.rsplit_once(':')?;
        let cursor = Self { origin: origin.to_owned(), before: before.parse().ok()? };
        (cursor.text() == text).then_some(cursor)
    }

    /// The cursor as callers keep it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}:{}", self.origin, self.before)
    }
}

/// An entry with its metadata, where they can still be opened.
#[derive(Debug)]
pub struct Opened {
    /// The entry; its payload is empty.
    pub entry: EntryView,
    /// When it was written.
    pub at: Timestamp,
    /// Its metadata; none where its epoch's keys have been destroyed.
    pub metadata: Option<Box<RawValue>>,
}

/// Where the entries of an export stand.
#[derive(Debug)]
pub struct Places {
    /// By log, and of each log by rising index.
    places: Vec<(String, Hit)>,
    /// Whether these are all.
    pub whole: bool,
}

impl Places {
    /// How many entries they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }
}

/// What a search found, newest first.
#[derive(Debug)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Opened>,
    /// Where to go on; none when everything was looked at.
    pub next: Option<Cursor>,
    /// How far the index has taken in each log.
    pub covered: Vec<Covered>,
}

/// How far the index covers a log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Covered {
    /// The log.
    pub origin: String,
    /// Entries that were searched.
    pub searched: u64,
    /// Entries that the log had; none where it has not been read to its end yet.
    pub of: Option<u64>,
}

impl Search {
    /// Opens the index of every log in a folder of logs and begins to follow them. The recorder's own log is the
    /// present one.
    ///
    /// # Errors
    /// When the folder or an index cannot be used.
    pub fn start(
        recorder: Arc<Recorder>,
        journal_dir: &Path,
        key: impl Fn() -> IndexKey,
    ) -> anyhow::Result<(Arc<Self>, follow::Following)> {
        let mut logs = Vec::new();
        for dir in journal::read::logs(journal_dir)? {
            let origin = dir.file_name().and_then(|name| name.to_str()).context("a log's folder has no name in ASCII")?.to_owned();
            let open = || Index::open(&dir.join("index"), key(), &origin).with_context(|| format!("cannot open the index of {origin}"));
            let mut index = open()?;
            if origin == recorder.origin() && index.next() > recorder.journal().size() {
                // It was made from another log of this name.
                drop(index);
                std::fs::remove_dir_all(dir.join("index")).context("cannot remove the search index of another log")?;
                index = open()?;
            }
            logs.push(Log { origin, dir, index, size: OnceLock::new() });
        }
        let present =
            logs.iter().position(|log| log.origin == recorder.origin()).context("the present log is not in the journal's folder")?;
        let log = logs.remove(present);
        logs.push(log);
        let search = Arc::new(Self { logs, recorder, progress: watch::Sender::new(()), wake: Wake::default() });
        let following = follow::start(Arc::clone(&search))?;
        Ok((search, following))
    }

    /// Whether a log is one of this node's.
    #[must_use]
    pub fn has_log(&self, origin: &str) -> bool {
        self.logs.iter().any(|log| log.origin == origin)
    }

    /// The folder of a log.
    #[must_use]
    pub fn log_dir(&self, origin: &str) -> Option<&Path> {
        self.logs.iter().find(|log| log.origin == origin).map(|log| &*log.dir)
    }

    /// How many entries are durable and not in the index, those of gaps included; of earlier logs as far as they
    /// have been read.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.covered().iter().map(|log| log.of.unwrap_or(log.searched).saturating_sub(log.searched)).sum()
    }

    /// Whether the index covers every log whole, up to what was durable by `size`.
    fn covers(&self, size: u64) -> bool {
        let present = |log: &Log| self.present().is_some_and(|present| present.origin == log.origin);
        self.logs.iter().all(|log| {
            let end = if present(log) { Some(size) } else { log.size.get().copied() };
            log.index.gaps().is_empty() && end.is_some_and(|end| log.index.next() >= end)
        })
    }

    /// Runs a search whose result must miss nothing of the first `size` entries of the present log, as
    /// [`Self::catch_up`] gave them, nor of earlier logs. Entries come all the while: those are another search's affair.
    ///
    /// # Errors
    /// As the search; [`SearchError::Incomplete`] where the index does not cover them.
    pub fn whole<T>(&self, size: u64, search: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
        if !self.covers(size) {
            return Err(SearchError::Incomplete);
        }
        let found = search()?;
        // What was discarded meanwhile may be missing.
        if self.covers(size) { Ok(found) } else { Err(SearchError::Incomplete) }
    }

    /// Waits until the index has taken in all that is durable now, as long as may be waited for that. Gives how many
    /// entries of the present log that is.
    pub async fn catch_up(&self) -> u64 {
        let wanted = self.recorder.journal().size();
        let mut progress = self.progress.subscribe();
        self.wake.ring();
        let caught_up = async {
            while !self.covers(wanted) {
                if progress.changed().await.is_err() {
                    return;
                }
            }
        };
        // What is missing then is told with the result.
        drop(tokio::time::timeout(CATCH_UP, caught_up).await);
        wanted
    }

    /// Finds entries, newest first. Blocking; some milliseconds.
    ///
    /// # Errors
    /// When an index, a log or the key table cannot be read.
    pub fn find(&self, filter: &Filter, cursor: Option<&Cursor>, limit: usize) -> Result<Page, SearchError> {
        let until = Instant::now() + SEARCH_TIME;
        let before_search = self.covered();
        let identities = self.identities(&filter.subjects)?;
        let mut page = Page { entries: Vec::new(), next: None, covered: Vec::new() };
        let mut opener = Opener::new(self.recorder.keys());
        let mut logs = self.logs.iter().rev().peekable();
        let mut before = u64::MAX;
        if let Some(cursor) = cursor {
            while logs.next_if(|log| log.origin != cursor.origin).is_some() {}
            before = cursor.before;
        }
        while let Some(log) = logs.next() {
            let groups = filter.groups(log.index.key(), || self.tokens(&identities, log, filter.times()))?;
            let query = Query { groups, times: filter.times(), before, limit: limit - page.entries.len(), until };
            let found = self.mended(log, |index| index.search(&query))?;
            let mut reader = Reader::new(&log.dir)?;
            for hit in &found.hits {
                page.entries.push(opened(&mut opener, read(&log.dir, &mut reader, hit)?)?);
            }
            page.next = found.next.map(|before| Cursor { origin: log.origin.clone(), before });
            if page.next.is_some() {
                break;
            }
            before = u64::MAX;
            if page.entries.len() == limit || Instant::now() >= until {
                page.next = logs.peek().map(|log| Cursor { origin: log.origin.clone(), before });
                break;
            }
        }
        page.covered = self.covered();
        for (after, before) in page.covered.iter_mut().zip(before_search) {
            after.searched = after.searched.min(before.searched);
        }
        Ok(page)
    }

    /// Reads one entry; none where the log has none of that index.
    ///
    /// # Errors
    /// When the log or the key table cannot be read; [`SearchError::Incomplete`] where it may be one of those that were
    /// durable by `size` and that the index does not cover.
    pub fn entry(&self, origin: &str, index: u64, size: u64) -> Result<Option<Opened>, SearchError> {
        let Some(log) = self.logs.iter().find(|log| log.origin == origin) else { return Ok(None) };
        let query = Query {
            groups: Vec::new(),
            times: 0..=u64::MAX,
            before: index.saturating_add(1),
            limit: 1,
            until: Instant::now() + SEARCH_TIME,
        };
        let found = self.mended(log, |index| index.search(&query))?;
        let Some(hit) = found.hits.first().filter(|hit| hit.index == index) else {
            return if self.covers(size) { Ok(None) } else { Err(SearchError::Incomplete) };
        };
        Ok(Some(opened(&mut Opener::new(self.recorder.keys()), read(&log.dir, &mut Reader::new(&log.dir)?, hit)?)?))
    }

    /// Finds the places of all entries that a filter names, of each log by rising index, at most so many.
    /// Blocking; a second or so for a million.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn places(&self, filter: &Filter, at_most: usize) -> Result<Places, SearchError> {
        let identities = self.identities(&filter.subjects)?;
        let mut places = Vec::new();
        for log in &self.logs {
            let groups = filter.groups(log.index.key(), || self.tokens(&identities, log, filter.times()))?;
            let until = Instant::now() + PLACES_TIME;
            let query = Query { groups, times: filter.times(), before: u64::MAX, limit: at_most - places.len(), until };
            let found = self.mended(log, |index| index.search(&query))?;
            if found.next.is_some() {
                return Ok(Places { places, whole: false });
            }
            places.extend(found.hits.iter().rev().map(|hit| (log.origin.clone(), *hit)));
        }
        Ok(Places { places, whole: true })
    }

    /// Reads the entries at places one after the other, as an export takes them.
    pub fn read(&self, places: Arc<Places>) -> impl Iterator<Item = Result<export::Found, export::SourceError>> + use<> {
        let recorder = Arc::clone(&self.recorder);
        let dirs: BTreeMap<String, PathBuf> = self.logs.iter().map(|log| (log.origin.clone(), log.dir.clone())).collect();
        let mut reader: Option<(String, Reader)> = None;
        (0..places.places.len()).map(move |number| {
            let (origin, hit) = &places.places[number];
            let dir = dirs.get(origin).ok_or(SearchError::Gone)?;
            let (_, reader) = match &mut reader {
                Some(open) if open.0 == *origin => open,
                other => other.insert((origin.clone(), Reader::new(dir)?)),
            };
            let entry = read(dir, reader, hit)?;
            let opened = Opener::new(recorder.keys()).open(&entry)?;
            Ok(export::Found { entry, opened })
        })
    }

    /// The tree of every log that places are in, each with a checkpoint that covers all of them; none where the
    /// newest checkpoint does not yet.
    ///
    /// # Errors
    /// When a log's levels cannot be read.
    pub fn trees(&self, places: &Places) -> Result<Option<export::Logs>, journal::read::LevelsError> {
        let mut trees = Vec::new();
        for log in &self.logs {
            let Some(last) = places.places.iter().rev().find(|(origin, _)| *origin == log.origin) else { continue };
            let present = self.present().is_some_and(|present| present.origin == log.origin);
            let (levels, head, key) = if present {
                let Some((levels, head)) = self.recorder.journal().tree() else { return Ok(None) };
                (levels, SignedHead::clone(&head), self.recorder.journal().verifying_key().clone())
            } else {
                journal::read::levels(&log.dir)?
            };
            if head.size() <= last.1.index {
                return Ok(None);
            }
            trees.push(export::Log { levels, head, key });
        }
        Ok(Some(trees.into_iter().collect()))
    }

    /// Runs a search; a shard that turns out damaged is discarded, which the follower makes good.
    fn mended<T>(&self, log: &Log, search: impl FnOnce(&Index) -> Result<T, IndexError>) -> Result<T, SearchError> {
        search(&log.index).map_err(|error| {
            if let IndexError::Damaged(path) = &error {
                tracing::warn!(path = %path.display(), "a file of the search index is damaged and is made anew");
                if let Err(error) = log.index.discard(path) {
                    tracing::error!(%error, "a damaged file of the search index cannot be removed");
                }
                self.wake.ring();
            }
            error.into()
        })
    }

    /// Whether tokens in an entry of a moment are one of these identities'.
    ///
    /// # Errors
    /// When the key table cannot be read.
    pub fn names(&self, identities: &BTreeSet<Identity>, at: Timestamp, tokens: &[String]) -> Result<bool, SearchError> {
        let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
        for (month, _) in months(ms, ms) {
            let Some(key) = self.recorder.keys().known_token_key(&month)? else { continue };
            if identities.iter().any(|person| tokens.contains(&base64_of(&key.token(person)))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The identities of whoever is looked for: what was asked for, and all that answers say are the same person's.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn identities(&self, subjects: &[Subject]) -> Result<BTreeSet<Identity>, SearchError> {
        let mut known: BTreeSet<Identity> = subjects.iter().map(|subject| self.recorder.keys().identity(&subject.canonical())).collect();
        let mut open: Vec<Identity> = known.iter().copied().collect();
        while let Some(person) = open.pop() {
            for log in &self.logs {
                for other in self.mended(log, |index| index.same(person))? {
                    if known.len() < IDENTITIES_MAX && known.insert(other) {
                        open.push(other);
                    }
                }
            }
        }
        Ok(known)
    }

    /// The tokens of identities for every month of which the log may have entries.
    fn tokens(&self, identities: &BTreeSet<Identity>, log: &Log, times: RangeInclusive<u64>) -> Result<Vec<Alternative>, SearchError> {
        let mut tokens = Vec::new();
        let (first, last) = log.index.times().unwrap_or((0, 0));
        let (first, last) = (first.max(*times.start()), last.min(*times.end()));
        for (month, valid) in months(first.saturating_sub(OUTCOME_LATE_MS), last) {
            let Some(key) = self.recorder.keys().known_token_key(&month)? else { continue };
            for person in identities {
                let term = log.index.key().term(terms::SUBJECT, &key.token(person));
                tokens.push(Alternative { term, valid: valid.clone() });
            }
        }
        Ok(tokens)
    }

    fn covered(&self) -> Vec<Covered> {
        let covered = |log: &Log| {
            let present = self.present().is_some_and(|present| present.origin == log.origin);
            let of = if present { Some(self.recorder.journal().size()) } else { log.size.get().copied() };
            let missing: u64 = log.index.gaps().iter().map(|gap| gap.0.end - gap.0.start).sum();
            Covered { origin: log.origin.clone(), searched: log.index.next() - missing, of }
        };
        self.logs.iter().rev().map(covered).collect()
    }

    fn present(&self) -> Option<&Log> {
        self.logs.last()
    }
}

impl Wake {
    /// Waits until it rings, at most so long.
    fn wait(&self, at_most: Duration) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut asked, _) = self.bell.wait_timeout_while(asked, at_most, |asked| !*asked).unwrap_or_else(PoisonError::into_inner);
        *asked = false;
    }

    fn ring(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }
}

/// Opens entries that follow each other. Their epoch's keys are read once for as long as this lives, which is
/// short: a destroyed epoch is gone for whoever opens it next.
#[derive(Debug)]
struct Opener<'a> {
    keys: &'a KeyTable,
    last: Option<(u64, Option<Arc<Epoch>>)>,
}

impl<'a> Opener<'a> {
    fn new(keys: &'a KeyTable) -> Self {
        Self { keys, last: None }
    }

    /// An entry's metadata; none where its epoch's keys are gone or it does not open.
    fn metadata(&mut self, entry: &EntryView) -> Result<Option<Vec<u8>>, TableError> {
        let plain = seal::entry::parse(&entry.body).ok().and_then(|view| view.plain_metadata().map(<[u8]>::to_vec));
        Ok(match plain {
            Some(plain) => Some(plain),
            None => self.open(entry)?.map(|opened| opened.metadata),
        })
    }

    /// A sealed entry, opened; none where it is plain, its epoch's keys are gone or it does not open.
    fn open(&mut self, entry: &EntryView) -> Result<Option<seal::Opened>, TableError> {
        let Some(view) = seal::entry::parse(&entry.body).ok().filter(|view| view.epoch != 0) else { return Ok(None) };
        let epoch = match &self.last {
            Some((id, epoch)) if *id == view.epoch => epoch.clone(),
            _ => self.last.insert((view.epoch, self.keys.epoch(view.epoch)?)).1.clone(),
        };
        let Some(epoch) = epoch else { return Ok(None) };
        let (role, link) = (entry.role.code(), entry.role.link());
        Ok(seal::entry::open_entry(&epoch, entry.origin.as_str(), entry.kind, role, link, &entry.body, None).ok())
    }
}

/// An error with its causes, for the log: fields of a line show the outermost alone.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

fn opened(opener: &mut Opener<'_>, entry: EntryView) -> Result<Opened, SearchError> {
    let metadata = opener.metadata(&entry)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(Opened { at: written_at(&entry), metadata, entry })
}

fn written_at(entry: &EntryView) -> Timestamp {
    let ms = seal::entry::parse(&entry.body).map_or(0, |view| view.time_ms);
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
}

/// Reads an entry where the index says it stands, or else where it is.
fn read(dir: &Path, reader: &mut Reader, hit: &Hit) -> Result<EntryView, ReadError> {
    let place = FramePlace { segment: hit.spot.segment, offset: hit.spot.frame };
    match reader.entry(place, hit.index) {
        Err(ReadError::Damaged { .. }) => journal::read::entry(dir, hit.index),
        read => read,
    }
}

/// The months, by Baku's calendar, that lie between two moments, each with when entries may carry its tokens.
fn months(first: u64, last: u64) -> Vec<(String, RangeInclusive<u64>)> {
    let zone = model::time::baku();
    let at = |ms: u64| i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let (Some(from), Some(to)) = (at(first.saturating_sub(MONTH_EDGE_MS)), at(last.saturating_add(MONTH_EDGE_MS))) else {
        return Vec::new();
    };
    let mut months = Vec::new();
    let mut month = from.to_zoned(zone.clone()).date().first_of_month();
    while let Ok(begins) = month.to_zoned(zone.clone()).map(|begins| begins.timestamp()) {
        let next = month.saturating_add(jiff::Span::new().months(1));
        let ends = next.to_zoned(zone.clone()).map_or(to, |ends| ends.timestamp());
        if begins > to || next == month {
            break;
        }
        let ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
        let valid = ms(begins).saturating_sub(MONTH_EDGE_MS)..=ms(ends).saturating_add(MONTH_EDGE_MS + OUTCOME_LATE_MS);
        months.push((month.strftime("%Y-%m").to_string(), valid));
        month = next;
    }
    months
}
