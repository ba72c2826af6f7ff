//! The node's logs: one for each half-year of Baku's calendar, each with a signing key of its own (time shards, as
//! Certificate Transparency's logs are). An old log can be archived whole, and a key is in use for half a year and
//! what the gateway runs on behind it.
//!
//! The log changes at a start alone. What is in memory (exchanges, kept answers, dossiers) rests on entries of one
//! log by index, so a gateway that runs over the boundary goes on with the old log, which stays sound, and says so.
//!
//! The change is three steps, each durable before the next, and whatever step a crash cuts off is done by the next start:
//!
//! 1. the key of the next log is made;
//! 2. the earlier log is opened with its own key, exchanges left open in it are closed (R2), it says `log-ended`, is closed;
//! 3. the next log is made, and says `log-begun` behind the opening of its first epoch.
//!
//! The earlier log says which one comes next, so that another day's calendar cannot name another. Step 2 is done
//! again as long as the next log holds nothing but openings of epochs, and writes nothing where the log has ended.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use journal::read::{self, EntryView};
use journal::{Journal, Options, Origin, Recovered, SignedHead, SigningKey, VerifyingKey};
use seal::{KeyTable, NodeKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::record::{Kind, Recorder};

/// Longest base name, in bytes: with the half-year behind it, it is still an origin.
pub const BASE_BYTES_MAX: usize = 55;

/// A half-year of Baku's calendar; as text `2026h2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HalfYear {
    /// 0 to 9999.
    year: i16,
    /// 1 or 2.
    half: u8,
}

impl HalfYear {
    /// The half-year of a moment.
    #[must_use]
    pub fn of(now: Timestamp) -> Self {
        let day = model::time::day(now);
        Self { year: day.year().max(0), half: if day.month() <= 6 { 1 } else { 2 } }
    }

    /// Reads its one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, half) = text.split_once('h')?;
        let half_year = Self { year: year.parse().ok().filter(|year| *year >= 0)?, half: half.parse().ok()? };
        ((1..=2).contains(&half_year.half) && half_year.to_string() == text).then_some(half_year)
    }
}

impl fmt::Display for HalfYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}h{}", self.year, self.half)
    }
}

/// What the names of a node's logs have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Origin);

/// The text is no base name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a base name of logs, accepted are 1 to 55 of a-z, 0-9, '.' and '-', with a letter or digit first")]
pub struct BaseError;

impl Base {
    /// Checks the text.
    ///
    /// # Errors
    /// When it is empty, longer than [`BASE_BYTES_MAX`], or not of an origin's alphabet.
    pub fn new(text: &str) -> Result<Self, BaseError> {
        if text.len() > BASE_BYTES_MAX {
            return Err(BaseError);
        }
        Origin::new(text).map(Self).map_err(|_| BaseError)
    }

    /// The name of a half-year's log.
    ///
    /// # Panics
    /// Never: a base name leaves room for the half-year.
    #[must_use]
    pub fn log(&self, half_year: HalfYear) -> Origin {
        Origin::new(&format!("{}.{half_year}", self.0)).expect("a base name leaves room for the half-year")
    }

    /// The half-year of a log's name; none where it is another base's.
    #[must_use]
    pub fn half_year(&self, name: &str) -> Option<HalfYear> {
        HalfYear::parse(name.strip_prefix(self.0.as_str())?.strip_prefix('.')?)
    }
}

/// A log's base and half-year, by its name; none where it is not named so.
#[must_use]
pub fn parts(origin: &str) -> Option<(&str, HalfYear)> {
    let (base, half_year) = origin.rsplit_once('.')?;
    Some((base, HalfYear::parse(half_year)?))
}

/// The metadata of [`Kind::LogEnded`]: what comes after this log, which has no entry behind this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnded {
    /// The next log.
    pub next: Origin,
    /// Its key: the verifier's text.
    pub next_key: String,
}

/// The metadata of [`Kind::LogBegun`]: what came before this log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBegun {
    /// The log before.
    pub previous: Previous,
}

/// A log that has ended, as the next one names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its name.
    pub origin: Origin,
    /// Its last checkpoint, a signed note.
    pub head: String,
}

/// What an entry that is plain says; none where it does not read so.
#[must_use]
pub fn plain<T: DeserializeOwned>(entry: &EntryView) -> Option<T> {
    serde_json::from_slice(seal::entry::parse(&entry.body).ok()?.plain_metadata()?).ok()
}

/// The first entry that is more than the opening of an epoch; none where a log has only been made. `dir` is the log's own.
///
/// # Errors
/// When the log cannot be read.
pub fn beginning(dir: &Path) -> Result<Option<EntryView>, read::ReadError> {
    read::entries(dir, 0)?.find(|entry| !entry.as_ref().is_ok_and(|entry| entry.kind == Kind::EpochOpened.number())).transpose()
}

/// The last entry of the newest log; none where there is none yet. Opens nothing for writing.
///
/// # Errors
/// When the folder or the log's end cannot be read.
pub fn last_entry(config: &Config) -> anyhow::Result<Option<EntryView>> {
    let half_years: BTreeSet<HalfYear> = names(&config.journal_dir)?.iter().filter_map(|name| config.base.half_year(name)).collect();
    let Some(newest) = half_years.last() else { return Ok(None) };
    Ok(read::last(&config.journal_dir.join(config.base.log(*newest).as_str()))?)
}

/// Opens the log of this moment's half-year, after ending the one before where that is due, and closes what a crash
/// left open (R2). Blocks, as [`Journal::open`] does.
///
/// A log is never followed by an older one: where the clock stands before the newest log, that one goes on.
///
/// # Errors
/// When a log does not open, its key is missing or another than announced, or the disk has no room: what to do.
pub async fn open(config: &Config, node_key: &NodeKey, now: Timestamp) -> anyhow::Result<Arc<Recorder>> {
    let logs = Logs { config, node_key };
    let due = HalfYear::of(now);
    let known = logs.known()?;
    let current = match known.last() {
        None => due,
        Some(&newest) => match logs.end_of(newest)? {
            Some(ended) => logs.following(newest, &ended)?,
            None => due.max(newest),
        },
    };
    let origin = config.base.log(current);
    if current > due {
        tracing::warn!(log.origin = %origin, "the clock stands before the half-year of the newest log; that log goes on");
    }
    let key = logs.key(current, &known)?;
    let before = known.range(..current).next_back();
    let previous = match before {
        Some(&before) if !logs.has_begun(current)? => Some(logs.end(before, &known, &key.public(&origin)).await?),
        Some(_) | None => None,
    };
    let (journal, recovered) = Journal::open(logs.options(origin.clone()), key)?;
    let recorder = Recorder::start(journal, logs.key_table()?, origin.as_str()).await?;
    if let Some(head) = previous {
        let previous = Previous { origin: head.origin().clone(), head: head.note().to_owned() };
        recorder.plain_event(Kind::LogBegun, &LogBegun { previous }).await?;
        tracing::info!(log.origin = %origin, log.previous = %head.origin(), "the next log has begun; the one before can be archived");
    }
    close_what_a_crash_left_open(&recorder, &recovered).await?;
    if observe(&config.base, &origin, now) {
        warn_overdue(&origin);
    }
    Ok(recorder)
}

/// Shows in `qovsaq_journal_log_overdue` whether a log's half-year is over, so that the next start ends it, and says so.
pub fn observe(base: &Base, log: &Origin, now: Timestamp) -> bool {
    let overdue = base.half_year(log.as_str()).is_some_and(|half_year| half_year < HalfYear::of(now));
    metrics::gauge!("qovsaq_journal_log_overdue").set(if overdue { 1.0 } else { 0.0 });
    overdue
}

/// Says that only a restart begins the next log.
pub fn warn_overdue(log: &Origin) {
    tracing::warn!(log.origin = %log, "the half-year of the log is over; restart the gateway, so that the next log begins");
}

/// R2: recovery closes every open intent before the gateway is ready.
async fn close_what_a_crash_left_open(recorder: &Recorder, recovered: &Recovered) -> anyhow::Result<()> {
    if let Some(torn) = &recovered.torn {
        let event = serde_json::json!({"torn_bytes": torn.bytes, "sha256": torn.sha256});
        recorder.event(Kind::Recovered, &event).await?;
        tracing::warn!(torn.bytes, "a torn tail of the journal was moved aside");
    }
    for open in &recovered.open {
        recorder.abandoned(open.index).await?;
    }
    if !recovered.open.is_empty() {
        tracing::warn!(count = recovered.open.len(), "exchanges that a stop had left open were closed as abandoned");
    }
    Ok(())
}

/// Where the node's logs and their keys are.
struct Logs<'a> {
    config: &'a Config,
    node_key: &'a NodeKey,
}

impl Logs<'_> {
    /// Every half-year that has a log in the journal's folder or, should that be gone, at least a fence.
    fn known(&self) -> anyhow::Result<BTreeSet<HalfYear>> {
        let half_year = |name: &str| self.config.base.half_year(name);
        let mut known: BTreeSet<HalfYear> =
            names(&self.config.journal_fence)?.iter().filter_map(|name| half_year(name.strip_suffix(".fence")?)).collect();
        let logs = names(&self.config.journal_dir)?.into_iter().filter_map(|name| half_year(&name));
        known.extend(logs.filter(|half_year| self.is_there(*half_year)));
        Ok(known)
    }

    fn log_dir(&self, half_year: HalfYear) -> PathBuf {
        self.config.journal_dir.join(self.config.base.log(half_year).as_str())
    }

    fn is_there(&self, half_year: HalfYear) -> bool {
        self.log_dir(half_year).join("segments").is_dir()
    }

    /// What a log's last entry says, where that is its end.
    fn end_of(&self, half_year: HalfYear) -> anyhow::Result<Option<LogEnded>> {
        if !self.is_there(half_year) {
            return Ok(None);
        }
        let dir = self.log_dir(half_year);
        let cannot = || {
            let dir = dir.display();
            format!("the end of the log in {dir} cannot be read; keep the directory, run `journal verify`, restore from the second copy")
        };
        let last = match read::last(&dir) {
            Err(error @ read::ReadError::Later { .. }) => {
                return Err(anyhow::Error::new(error).context("start that version, nothing was changed"));
            }
            last => last.with_context(cannot)?,
        };
        match last {
            Some(last) if last.kind == Kind::LogEnded.number() => plain(&last).with_context(cannot).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// The half-year of the log that an ended one names.
    fn following(&self, half_year: HalfYear, ended: &LogEnded) -> anyhow::Result<HalfYear> {
        let next = self.config.base.half_year(ended.next.as_str()).filter(|next| *next > half_year);
        next.with_context(|| {
            let log = self.config.base.log(half_year);
            format!(
                "the log {log} has ended and names {} as the next, which is no later log of this node; run `journal verify`",
                ended.next
            )
        })
    }

    /// Whether a log holds more than openings of epochs: what begins it is then written, if there was a log before.
    fn has_begun(&self, half_year: HalfYear) -> anyhow::Result<bool> {
        let dir = self.log_dir(half_year);
        if !self.is_there(half_year) {
            return Ok(false);
        }
        let begun = beginning(&dir).with_context(|| format!("the beginning of the log in {} cannot be read", dir.display()))?;
        Ok(begun.is_some())
    }

    /// A log's signing key: made for a new log alone. Its verifier's text is put beside it, to be handed out.
    fn key(&self, half_year: HalfYear, known: &BTreeSet<HalfYear>) -> anyhow::Result<SigningKey> {
        let origin = self.config.base.log(half_year);
        let file = self.config.signing_keys.join(format!("{origin}.key"));
        // Another key than the log's would be of no use, and would stand in the way of the right one.
        ensure!(
            !known.contains(&half_year) || file.exists(),
            "the log {origin} has no signing key {}; restore the file from its backup, the log can be neither continued nor ended without it",
            file.display()
        );
        let key = SigningKey::load_or_create(&file)?;
        let text = format!("{}\n", key.public(&origin));
        let public = file.with_file_name(format!("{origin}.pub"));
        if std::fs::read(&public).ok().as_deref() != Some(text.as_bytes()) {
            std::fs::write(&public, text).with_context(|| format!("cannot write {}", public.display()))?;
        }
        Ok(key)
    }

    /// Step 2: ends a log, once, and gives its last head.
    async fn end(&self, half_year: HalfYear, known: &BTreeSet<HalfYear>, next: &VerifyingKey) -> anyhow::Result<Arc<SignedHead>> {
        let origin = self.config.base.log(half_year);
        let dir = self.log_dir(half_year);
        if !self.is_there(half_year) {
            bail!("the fence knows the log {origin} and {} is missing; restore it, the next log begins from its last head", dir.display());
        }
        let key = self.key(half_year, known)?;
        let (journal, recovered) =
            Journal::open(self.options(origin.clone()), key).with_context(|| format!("the log {origin} does not open to be ended"))?;
        // Looked for again behind the recovery: what was read before it may not have been on disk.
        if let Some(ended) = self.end_of(half_year)? {
            ensure!(
                ended.next_key == next.to_string(),
                "the log {origin} has ended and announces {} for the next log, its key file holds {next}; restore the right one",
                ended.next_key
            );
            return Ok(journal.close().await?);
        }
        let recorder = Recorder::start(journal, self.key_table()?, origin.as_str()).await?;
        close_what_a_crash_left_open(&recorder, &recovered).await?;
        let ended = LogEnded { next: next.origin().clone(), next_key: next.to_string() };
        recorder.plain_event(Kind::LogEnded, &ended).await?;
        tracing::info!(log.origin = %origin, log.next = %next.origin(), "the log has ended");
        Ok(recorder.journal().close().await?)
    }

    fn options(&self, origin: Origin) -> Options {
        let fence = Some(self.config.journal_fence.clone());
        let defaults = Options { fence, ..Options::new(self.config.journal_dir.clone(), origin) };
        let Some(segment_bytes) = self.config.journal_segment_bytes else { return defaults };
        let half = usize::try_from(segment_bytes / 2).unwrap_or(usize::MAX);
        Options { segment_bytes, queue_bytes: defaults.queue_bytes.min(half), ..defaults }
    }

    fn key_table(&self) -> anyhow::Result<KeyTable> {
        Ok(KeyTable::open(&self.config.key_table, self.node_key.clone())?)
    }
}

/// What stands in a folder; nothing where there is none. Other names than text are none of ours.
fn names(dir: &Path) -> anyhow::Result<Vec<String>> {
    let list = || match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let names = list().with_context(|| format!("cannot list {}", dir.display()))?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_year(text: &str) -> HalfYear {
        HalfYear::parse(text).expect("a half-year")
    }

    #[test]
    fn a_half_year_is_that_of_bakus_calendar() {
        let of = |moment: &str| HalfYear::of(moment.parse().expect("a moment")).to_string();
        assert_eq!(of("2026-06-30T19:59:59.999Z"), "2026h1");
        assert_eq!(of("2026-06-30T20:00:00Z"), "2026h2");
        assert_eq!(of("2026-12-31T19:59:59Z"), "2026h2");
        assert_eq!(of("2026-12-31T20:00:00Z"), "2027h1");
        assert_eq!(of("-000100-01-01T00:00:00Z"), "0000h1");
    }

    #[test]
    fn a_half_year_has_one_spelling_and_sorts_by_time() {
        for wrong in ["", "h1", "2026", "2026h", "2026h0", "2026h3", "2026h01", "2026h+1", "2026H1", "226h1", "02026h1", "-026h1", "+026h1"]
        {
            assert_eq!(HalfYear::parse(wrong), None, "{wrong}");
        }
        let sorted = ["0000h1", "2025h2", "2026h1", "2026h2", "2027h1", "9999h2"];
        assert!(sorted.map(half_year).is_sorted());
        assert_eq!(sorted.map(|text| half_year(text).to_string()), sorted);
    }

    #[test]
    fn a_base_leaves_room_for_the_half_year() {
        let longest = "a".repeat(BASE_BYTES_MAX);
        let base = Base::new(&longest).expect("a base");
        let log = base.log(half_year("2026h2"));
        assert_eq!(log.as_str(), format!("{longest}.2026h2"));
        assert_eq!(base.half_year(log.as_str()), Some(half_year("2026h2")));
        for wrong in ["", ".node", "Node", "node_1", "node 1", &"a".repeat(BASE_BYTES_MAX + 1)] {
            assert_eq!(Base::new(wrong), Err(BaseError), "{wrong}");
        }
        let base = Base::new("node.2026h1").expect("a base");
        for other in ["node.2026h1", "node.2026h2", "node.2026h1.2026h3", "node.2026h1-2026h1", "other.2026h1"] {
            assert_eq!(base.half_year(other), None, "{other}");
        }
        assert_eq!(parts("node.2026h1.2026h2"), Some(("node.2026h1", half_year("2026h2"))));
        assert_eq!(parts("node"), None);
    }
}
