//! What sources deliver as files: looked for, verified, loaded into sealed snapshots, looked up. ADR 20.
//!
//! The order of a load: verify, read into a new file under a key of its own, journal, rename, destroy the old key, take
//! the landed file away. A crash before the rename leaves the old snapshot, and the next round loads the file again,
//! with an entry of its own; a crash behind it leaves a key or a landed file too many, which the next start clears away.

mod build;
mod keys;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use adapter_core::{SecretText, SyncState, Synchronised};
use adapter_files::sequence::Loaded;
use adapter_files::{
    Format, Found, Landing, Listed, LookUp, LookUpFailed, Pattern, Period, Place, Refusal, Rule, Sftp, Signers, signature,
};
use anyhow::Context as _;
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use jiff::civil::Date;
use mapping::{FileForm, Plan, Protocol};
use model::ServiceId;
use seal::NodeKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::snapshot::Snapshot;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::clock;
use crate::config::{Config, FeedPlace};
use crate::gateway::Gateway;
use crate::record::{Kind, NoRecord, Recorder};
use crate::sources::source_of;
use crate::watch::sync::Mode;

pub use build::Trouble;
pub(crate) use view::expiry;
pub use view::{FeedView, LoadedView, LoadingView, RefusalView};

/// Most rows of one answer.
const ROWS_MAX: usize = 1_000;
/// Most refused files of one feed that are remembered, so that each is told once.
const REFUSED_MAX: usize = 10_000;

/// Every feed of a deployment.
#[derive(Debug)]
pub struct Feeds {
    feeds: BTreeMap<ServiceId, Arc<Feed>>,
    poll_every: Duration,
    rounds: watch::Sender<u64>,
    asked: Notify,
}

/// What one service's source delivers.
#[derive(Debug)]
pub struct Feed {
    id: ServiceId,
    place: Arc<dyn Place>,
    /// Who may sign its files.
    signers: Option<Signers>,
    /// Where the snapshot lies, and its keys.
    snapshot: PathBuf,
    keys: PathBuf,
    /// Wraps the snapshots' keys; there from the gateway's start on.
    node_key: OnceLock<NodeKey>,
    current: ArcSwapOption<Current>,
    progress: Progress,
    /// The contract's term in seconds; 0 for never.
    stale_after: AtomicU64,
    log: Mutex<Log>,
    /// Held while a file is loaded.
    loading: tokio::sync::Mutex<()>,
}

/// How far the loading of a file is.
#[derive(Debug, Default)]
struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// What has become of files since the start.
#[derive(Debug, Default)]
struct Log {
    /// Refused files that still lie there: the rule, and the snapshot that was loaded then.
    refused: HashMap<Listed, (Rule, Option<Uuid>)>,
    refusals: u64,
    last_refusal: Option<(Timestamp, String, Refusal)>,
    trouble: Option<(Timestamp, String)>,
}

impl Log {
    fn remember(&mut self, listed: Listed, judged: (Rule, Option<Uuid>)) {
        if self.refused.len() < REFUSED_MAX || self.refused.contains_key(&listed) {
            self.refused.insert(listed, judged);
        }
    }
}

/// The loaded snapshot.
#[derive(Debug)]
struct Current {
    snapshot: Snapshot,
    about: About,
    columns: Arc<[Box<str>]>,
    keyed: Arc<[usize]>,
}

/// What a snapshot says of itself; sealed in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct About {
    id: Uuid,
    /// The file's name.
    file: String,
    /// What the file is of, in the digits of its name.
    period: String,
    first_day: Date,
    /// SHA-256 of the file, hexadecimal.
    sha256: String,
    /// Its size in bytes and its time of change, by which one that stays where it is is known again.
    bytes: u64,
    changed: i64,
    /// Fingerprint of the key that signed it, where the source signs.
    signed_by: Option<String>,
    loaded_at: Timestamp,
    rows: u64,
    left_out: u64,
    not_utf8: u64,
    undeclared_columns: u64,
    columns: Vec<Box<str>>,
    keys: Vec<Vec<usize>>,
    /// Digest of the rows of each version, where every version is kept.
    versions: BTreeMap<String, String>,
}

impl Feeds {
    /// The feeds that the configuration names, with nothing loaded yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let files = config.files.as_ref();
        let feeds = files.into_iter().flat_map(|files| {
            files.feeds.iter().map(|(id, feed)| {
                let name = format!("{}.{}", id.provider(), id.service());
                let place: Arc<dyn Place> = match &feed.place {
                    FeedPlace::Landing(folder) => Arc::new(Landing::new(folder)),
                    FeedPlace::Sftp(options) => Arc::new(Sftp::new((**options).clone())),
                };
                let feed = Feed {
                    id: id.clone(),
                    place,
                    signers: feed.signers.clone(),
                    snapshot: files.dir.join(format!("{name}.snapshot")),
                    keys: files.keys.join(name),
                    node_key: OnceLock::new(),
                    current: ArcSwapOption::empty(),
                    progress: Progress::default(),
                    stale_after: AtomicU64::new(0),
                    log: Mutex::default(),
                    loading: tokio::sync::Mutex::new(()),
                };
                (id.clone(), Arc::new(feed))
            })
        });
        let poll_every = files.map_or(Duration::from_mins(5), |files| files.poll_every);
        Self { feeds: feeds.collect(), poll_every, rounds: watch::Sender::new(0), asked: Notify::new() }
    }

    /// Opens the snapshots of earlier runs, and clears away what a crash has left. Blocking.
    ///
    /// # Errors
    /// When a folder cannot be made or read. A snapshot that does not open is told, and counts as none.
    pub fn open(&self, node_key: &NodeKey) -> anyhow::Result<()> {
        for feed in self.feeds.values() {
            feed.open(node_key).with_context(|| format!("feed {}", feed.id))?;
        }
        Ok(())
    }

    /// A service's feed; none where it has none.
    #[must_use]
    pub fn get(&self, service: &ServiceId) -> Option<&Arc<Feed>> {
        self.feeds.get(service)
    }

    /// Every feed.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Feed>> {
        self.feeds.values()
    }

    /// Looks for files now, and waits until all that lie ready have been judged.
    pub async fn look_now(&self) {
        let mut rounds = self.rounds.subscribe();
        // One may be under way that has passed a feed already: the one behind it has seen every file of now.
        let wanted = *rounds.borrow_and_update() + if self.rounds.borrow().is_multiple_of(2) { 2 } else { 3 };
        self.asked.notify_one();
        // An error means that the gateway is gone.
        rounds.wait_for(|round| *round >= wanted).await.map(drop).unwrap_or_default();
    }

    /// Waits until the first round since the start has ended.
    pub async fn looked_once(&self) {
        let mut rounds = self.rounds.subscribe();
        rounds.wait_for(|round| *round >= 2).await.map(drop).unwrap_or_default();
    }
}

/// Looks for files until the gateway stops.
pub async fn keep_loaded(gateway: Arc<Gateway>) {
    let feeds = Arc::clone(gateway.feeds());
    for feed in feeds.iter() {
        let synchronised: Arc<dyn Synchronised> = Arc::clone(feed) as _;
        gateway.watch.feeds.add(source_of(feed.id.provider(), feed.id.provider()), feed.id.service(), Mode::File, synchronised);
    }
    loop {
        // Odd while a round is under way.
        feeds.rounds.send_modify(|round| *round += 1);
        for feed in feeds.iter() {
            let terms = gateway.active().snapshot.services.get(&feed.id).and_then(|service| service.snapshot);
            feed.stale_after.store(terms.and_then(|terms| terms.stale_after).map_or(0, |term| term.as_secs()), Ordering::Relaxed);
            let plan = gateway.active().plans.get(&feed.id).cloned();
            if let Some(Protocol::Files(form)) = plan.as_deref().map(Plan::protocol) {
                feed.load_all(form, &gateway.recorder).await;
            }
        }
        feeds.rounds.send_modify(|round| *round += 1);
        tokio::select! {
            () = tokio::time::sleep(feeds.poll_every) => {}
            () = feeds.asked.notified() => {}
            () = gateway.draining() => return,
        }
    }
}

/// The form of a mapping as the adapter reads by it.
fn format(form: &FileForm) -> Option<Format> {
    Some(Format {
        name: Pattern::new(&form.name)?,
        delimiter: form.delimiter,
        columns: form.columns.clone(),
        trailer: form.last_row.as_ref().map(|last_row| adapter_files::Trailer {
            mark: last_row.mark.clone(),
            rows: last_row.rows,
            total: last_row.total,
            period: last_row.period,
            base: last_row.base,
            cells: last_row.cells,
        }),
        archive: form.archive.as_ref().map(|(sums, parts)| adapter_files::Archive { sums: sums.clone(), parts: parts.clone() }),
        signed: form.signature.is_some(),
        operation: form.delete.as_ref().map(|(column, delete)| adapter_files::Operation { column: *column, delete: delete.clone() }),
        tree: form.tree.map(|(code, parent)| adapter_files::Tree { code, parent }),
        version: form.version,
        left_out: form.leave_out.as_ref().map(|(column, text)| adapter_files::LeftOut { column: *column, text: text.clone() }),
        keys: form.keys.clone(),
        identity: form.identity.clone(),
        limits: adapter_files::Limits::default(),
    })
}

/// The first moment of a day in Baku.
fn beginning(day: Date) -> Timestamp {
    day.to_zoned(model::time::baku().clone()).map_or(Timestamp::MIN, |midnight| midnight.timestamp())
}

impl Feed {
    fn stale_after(&self) -> Option<Duration> {
        Some(self.stale_after.load(Ordering::Relaxed)).filter(|term| *term > 0).map(Duration::from_secs)
    }

    /// The service that is looked up in it.
    #[must_use]
    pub fn id(&self) -> &ServiceId {
        &self.id
    }

    fn open(&self, node_key: &NodeKey) -> anyhow::Result<()> {
        let node_key = self.node_key.get_or_init(|| node_key.clone());
        let folder = self.snapshot.parent().unwrap_or(Path::new("."));
        keys::make_folder(folder)?;
        keys::make_folder(&self.keys)?;
        remove_if_there(&self.working())?;
        let known = keys::list(&self.keys)?;
        if self.snapshot.exists() {
            let opened = known.iter().find_map(|id| {
                let key = keys::load(&self.keys, *id, node_key)
                    .inspect_err(|error| tracing::error!(feed = %self.id, %error, "a key of a snapshot cannot be read"))
                    .ok()?;
                Current::open(&self.snapshot, *id, key).ok()
            });
            match opened {
                Some(current) => self.current.store(Some(Arc::new(current))),
                None => {
                    // Whoever can bring the key back finds everything as it was, until another file is loaded.
                    tracing::error!(feed = %self.id, "the snapshot opens with no key that is there; it counts as not loaded until the source's next whole file");
                    return Ok(());
                }
            }
        }
        let used = self.current.load().as_ref().map(|current| current.about.id);
        for id in known.into_iter().filter(|id| Some(*id) != used) {
            keys::destroy(&self.keys, id)?;
        }
        Ok(())
    }

    fn working(&self) -> PathBuf {
        let mut name = self.snapshot.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        self.snapshot.with_file_name(name)
    }

    fn loaded(&self, pattern: &Pattern) -> Option<Loaded> {
        let current = self.current.load();
        let about = &current.as_ref()?.about;
        let sha256 = view::from_hex(&about.sha256)?;
        Some(Loaded { period: pattern.cadence.read(&about.period)?, sha256 })
    }

    /// Judges every file that lies ready and has not been refused, the oldest first, and loads what may be.
    async fn load_all(self: &Arc<Self>, form: &FileForm, recorder: &Arc<Recorder>) {
        let Some(format) = format(form).map(Arc::new) else { return };
        let _one_at_a_time = self.loading.lock().await;
        let listed = {
            let feed = Arc::clone(self);
            tokio::task::spawn_blocking(move || feed.place.list()).await
        };
        let listed = match listed {
            Ok(Ok(listed)) => listed,
            Ok(Err(error)) => return self.trouble(&format!("the place where its files arrive cannot be read: {}", error.kind())),
            Err(_) => return self.trouble("looking for files ended abnormally"),
        };
        self.log().trouble = None;
        self.log().refused.retain(|refused, _| listed.contains(refused));
        let mut waiting: Vec<(Period, Listed)> =
            listed.into_iter().filter_map(|listed| Some((format.name.period(&listed.name)?, listed))).collect();
        waiting.sort();
        if self.place.keeps()
            && let Some(about) = self.current.load().as_ref().map(|current| current.about.clone())
        {
            // What was loaded stays there, and so does what came before it.
            let loaded = format.name.cadence.read(&about.period);
            let is_loaded =
                |listed: &Listed| listed.name == about.file && listed.bytes == about.bytes && listed.changed == i128::from(about.changed);
            waiting.retain(|(period, listed)| loaded.is_none_or(|loaded| *period >= loaded) && !is_loaded(listed));
        }
        for (period, listed) in waiting {
            if !self.is_worth_judging(&listed) {
                continue;
            }
            if let Err(error) = self.load(&format, period, listed, recorder).await {
                tracing::error!(feed = %self.id, %error, "a file could not be journalled; it is tried again");
                return;
            }
        }
    }

    async fn load(
        self: &Arc<Self>,
        format: &Arc<Format>,
        period: Period,
        listed: Listed,
        recorder: &Arc<Recorder>,
    ) -> Result<(), NoRecord> {
        let now = clock::now();
        let built = {
            let (feed, format, listed) = (Arc::clone(self), Arc::clone(format), listed.clone());
            tokio::task::spawn_blocking(move || build::build(&feed, &format, period, &listed, now)).await
        };
        let built = match built {
            Ok(Ok(built)) => built,
            Ok(Err(Trouble::Refused(refusal))) if refusal.rule == Rule::Replayed && self.is_of(&listed) => {
                // It is the loaded file itself: a crash came before it was taken away, or it was sent once more.
                if self.place.keeps() {
                    let remembered = (refusal.rule, self.loaded_id());
                    self.log().remember(listed, remembered);
                    return Ok(());
                }
                let feed = Arc::clone(self);
                match tokio::task::spawn_blocking(move || feed.take_away(&listed.name)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => self.trouble("a file that is loaded cannot be taken away"),
                }
                return Ok(());
            }
            Ok(Err(Trouble::Refused(refusal))) => return self.refuse(listed, refusal, recorder).await,
            Ok(Err(Trouble::Own(error))) => {
                tracing::error!(feed = %self.id, error = format!("{error:#}"), "a file could not be loaded for a reason of our own; it is tried again");
                self.trouble("a file could not be loaded for a reason of the gateway's own");
                return Ok(());
            }
            Err(_) => {
                self.trouble("loading ended abnormally");
                return Ok(());
            }
        };
        let about = built.about.clone();
        let before = self.loaded_id();
        // Entry before effect.
        let event = json!({
            "feed": self.id, "file": about.file, "period": about.period, "sha256": about.sha256, "rows": about.rows,
            "left_out": about.left_out, "not_utf8": about.not_utf8, "undeclared_columns": about.undeclared_columns,
            "changes": built.base.map(|base| base.to_string()), "signed_by": about.signed_by, "snapshot": about.id, "replaces": before,
        });
        recorder.event(Kind::FeedLoaded, &event).await?;
        let published = {
            let feed = Arc::clone(self);
            tokio::task::spawn_blocking(move || feed.publish(built, before)).await
        };
        match published {
            Ok(Ok(())) => {
                metrics::counter!("qovsaq_feed_files_total", "feed" => self.id.to_string(), "result" => "loaded").increment(1);
                tracing::info!(feed = %self.id, file = about.file, rows = about.rows, "a file was loaded");
            }
            Ok(Err(error)) => {
                tracing::error!(feed = %self.id, error = format!("{error:#}"), "a loaded file did not take the old one's place; it is tried again");
                self.trouble("a loaded file did not take the old one's place");
            }
            Err(_) => self.trouble("loading ended abnormally"),
        }
        Ok(())
    }

    /// Whether a file may be judged otherwise than it was: what only the source can mend is judged once.
    fn is_worth_judging(&self, listed: &Listed) -> bool {
        match self.log().refused.get(listed) {
            None => true,
            Some((rule, loaded)) => rule.may_pass() || rule.waits_for_another() && *loaded != self.loaded_id(),
        }
    }

    fn loaded_id(&self) -> Option<Uuid> {
        self.current.load().as_ref().map(|current| current.about.id)
    }

    /// Whether the loaded snapshot is of a file of this name.
    fn is_of(&self, listed: &Listed) -> bool {
        self.current.load().as_ref().is_some_and(|current| current.about.file == listed.name)
    }

    /// Renames, opens, destroys the old key, takes the landed file away. Blocking.
    fn publish(&self, built: build::Built, before: Option<Uuid>) -> anyhow::Result<()> {
        let build::Built { finished, about, base: _ } = built;
        finished.publish(&self.snapshot)?;
        let node_key = self.node_key.get().context("the node key is not there yet")?;
        let key = keys::load(&self.keys, about.id, node_key)?;
        self.current.store(Some(Arc::new(Current::open(&self.snapshot, about.id, key)?)));
        if let Some(before) = before {
            keys::destroy(&self.keys, before)?;
        }
        self.take_away(&about.file).context("the landed file was loaded and cannot be taken away")
    }

    /// Takes a file away that is loaded, and the signature beside it.
    fn take_away(&self, name: &str) -> std::io::Result<()> {
        self.place.take_away(name)?;
        match self.place.take_away(&format!("{name}{}", signature::SUFFIX)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    async fn refuse(&self, listed: Listed, refusal: Refusal, recorder: &Recorder) -> Result<(), NoRecord> {
        let known = self.log().refused.get(&listed).map(|(rule, _)| *rule);
        let remembered = (refusal.rule, self.loaded_id());
        // Nothing has changed: it is told once.
        if known == Some(refusal.rule) {
            self.log().remember(listed, remembered);
            return Ok(());
        }
        let rule = refusal.rule.as_str();
        let event = json!({
            "feed": self.id, "file": listed.name, "bytes": listed.bytes, "rule": rule, "detail": refusal.detail, "row": refusal.row,
        });
        recorder.event(Kind::FeedRefused, &event).await?;
        metrics::counter!("qovsaq_feed_files_total", "feed" => self.id.to_string(), "result" => rule).increment(1);
        tracing::warn!(feed = %self.id, file = listed.name, rule, %refusal, "a file was refused; what was loaded stays");
        let mut log = self.log();
        log.refusals += 1;
        log.last_refusal = Some((clock::now(), listed.name.clone(), refusal));
        log.remember(listed, remembered);
        Ok(())
    }

    fn trouble(&self, what: &str) {
        tracing::error!(feed = %self.id, what, "a feed is in trouble");
        self.log().trouble = Some((clock::now(), what.to_owned()));
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Synchronised for Feed {
    fn sync_state(&self, now: Timestamp) -> SyncState {
        let view = self.view(self.stale_after(), now);
        let lag = view.loaded.as_ref().and_then(|loaded| Duration::try_from(now.duration_since(loaded.as_of)).ok());
        SyncState {
            last_success: view.loaded.as_ref().map(|loaded| loaded.loaded_at),
            lag,
            rows: view.loaded.as_ref().map_or(0, |loaded| loaded.rows),
            errors: view.refused,
            overdue: view.overdue,
        }
    }
}

impl Current {
    fn open(path: &Path, id: Uuid, key: seal::SealKey) -> anyhow::Result<Self> {
        let snapshot = Snapshot::open(path, key)?;
        let about: About = serde_json::from_slice(snapshot.about())?;
        anyhow::ensure!(about.id == id, "the snapshot has another id than its key");
        let columns = about.columns.clone().into();
        let keyed: BTreeSet<usize> = about.keys.iter().flatten().copied().collect();
        let keyed = keyed.into_iter().collect();
        Ok(Self { snapshot, about, columns, keyed })
    }
}

impl LookUp for Feed {
    fn look_up(&self, keys: &[(Box<str>, SecretText)]) -> Result<Found, LookUpFailed> {
        let current = self.current.load_full().ok_or(LookUpFailed::NotLoaded)?;
        let about = &current.about;
        // The way whose columns are exactly those asked with.
        let text = |column: &usize| {
            let name = about.columns.get(*column)?;
            keys.iter().find(|(asked, _)| asked == name).map(|(_, text)| text.expose().as_bytes())
        };
        let ways = about.keys.iter().enumerate();
        let found = ways.filter(|(_, way)| way.len() == keys.len()).find_map(|(place, way)| {
            let texts: Option<Vec<&[u8]>> = way.iter().map(text).collect();
            Some((place, way, texts?))
        });
        let (place, way, texts) = found.ok_or(LookUpFailed::OtherKeys)?;
        let rows = current.snapshot.find(place, way, &texts, ROWS_MAX + 1).map_err(|error| {
            tracing::error!(feed = %self.id, %error, "a snapshot cannot be read");
            LookUpFailed::Broken
        })?;
        if rows.len() > ROWS_MAX {
            return Err(LookUpFailed::TooMany);
        }
        Ok(Found {
            as_of: SystemTime::from(beginning(about.first_day)),
            columns: Arc::clone(&current.columns),
            keyed: Arc::clone(&current.keyed),
            rows,
        })
    }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

impl Progress {
    fn begin(&self, bytes: u64) {
        self.rows.store(0, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}
