//! The gateway as a whole: what its parts share, how it starts and how it stops.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::{ArcSwap, Guard};
use aws_lc_rs::hmac;
use index::IndexKey;
use jiff::Timestamp;
use journal::VerifyingKey;
use model::{Problems, Profile};
use seal::NodeKey;
use store::quality::Quality;
use store::{Ledger, Store};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::cache::{Cache, Keys};
use crate::call::{Calls, Transports};
use crate::change::bundle::How;
use crate::change::{self, Bundle, BundleError, Bundles, Differing, Pointer};
use crate::citizen::{Citizens, key_set};
use crate::clock;
use crate::config::{Config, DataFolders, QualityConfig, TlsListener, WatchConfig};
use crate::console::People;
use crate::data::{self, Active};
use crate::dossier::Dossiers;
use crate::drift::{self, Drift};
use crate::feeds::{self, Feeds};
use crate::flight::Flights;
use crate::idempotency::Idempotency;
use crate::listener::{self, Door, Limits, Refusals};
use crate::logs;
use crate::metrics::Metrics;
use crate::officials::{KeySource, Officials};
use crate::pipeline::Landed;
use crate::quarantine;
use crate::recall;
use crate::record::{Kind, NoRecord, Recorder};
use crate::rights::{Initial, Rights};
use crate::search::Search;
use crate::search::follow::Following;
use crate::sources::Sources;
use crate::store_access;
use crate::tls::{Minimum, ServerTls, ServerTlsFiles};
use crate::watch::probe::keep_probing;
use crate::watch::start::LastSign;
use crate::watch::{Watch, keep_watch};
use crate::{api, console, officials, ops};

/// How often epochs, month keys, certificates' state and refusals are looked after.
const UPKEEP: Duration = Duration::from_secs(60);

/// Most differing files that an entry and the log name.
const DRIFTED_TOLD_MAX: usize = 20;

/// Longest wait for exchanges under way when the gateway stops: the longest a caller may wait for one.
const EXCHANGES_WAIT: Duration = Duration::from_secs(60);

/// What all requests share.
#[derive(Debug)]
pub struct Gateway {
    config: Config,
    active: ArcSwap<Active>,
    transports: Transports,
    /// Limits of providers and consumers.
    pub sources: Sources,
    /// Kept answers.
    pub cache: Cache,
    /// Makes keys of questions, for the cache and for shared flights.
    pub keys: Keys,
    /// Calls to sources under way.
    pub flights: Flights<Arc<Landed>>,
    /// Makes the idempotency keys that providers know us by; outlives a restart.
    pub repeat_key: hmac::Key,
    /// Writes the journal.
    pub recorder: Arc<Recorder>,
    /// Searches it.
    pub search: Arc<Search>,
    /// Who may, and how often.
    pub people: People,
    /// Who says that a citizen is who he says, where that is configured.
    pub citizens: Option<Citizens>,
    /// Who says that an official is present, where that is configured.
    pub officials: Option<Officials>,
    /// Who may act in which role.
    pub rights: Arc<Rights>,
    /// Cases.
    pub store: Arc<Store>,
    /// What breaks its contract, and sums of what differs from it.
    pub quality: Arc<Quality>,
    /// Held while something is put into the quarantine.
    pub quarantining: tokio::sync::Mutex<()>,
    /// Sums that are not written yet.
    pub drift: Arc<Drift>,
    /// Writes of the last day that carried a key.
    pub idempotency: Idempotency,
    /// Dossiers in memory.
    pub dossiers: Dossiers,
    /// Counters.
    pub metrics: Metrics,
    /// What is seen of the sources' work.
    pub watch: Watch,
    /// Exchanges under way: a stop waits for them.
    pub exchanges: TaskTracker,
    /// Fills the search index; taken when the gateway stops.
    following: Mutex<Option<Following>>,
    verifying_key: VerifyingKey,
    /// Held while a past decision is explained: the data of then may have to be read.
    pub explaining: tokio::sync::Mutex<()>,
    /// Held while a bundle is activated or looked for.
    changing: tokio::sync::Mutex<()>,
    /// Told when a bundle that is to become active later has come to lie ready.
    upcoming: Notify,
    /// Files that were not as signed when they were last looked at.
    drifted: Mutex<Vec<Differing>>,
    drain: watch::Sender<bool>,
    /// Ends the operations listener, after everything else.
    end: watch::Sender<bool>,
}

/// Why a gateway does not start: the data's problems, or one cause in words.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Configuration or data have problems; nothing was started.
    #[error("configuration or data have problems")]
    Problems(Problems),
    /// Something else, with its causes.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Gateway {
    /// Loads the data, opens journal, keys and store, begins the half-year's log where it is due, closes what a
    /// crash left open (R2) and journals the activation (R7). Ready to answer when it returns.
    ///
    /// # Errors
    /// The data's problems, or what could not be opened and what to do about it.
    pub async fn start(config: Config) -> Result<Arc<Self>, StartError> {
        let transports = Transports::open(&config)?;
        let started_at = clock::now();
        let citizens = config.citizens.as_ref().map(|(issuer, keys)| Citizens::load(issuer, keys, started_at)).transpose()?;
        if let Some(KeySource::File(file)) = config.officials.as_ref().map(|officials| &officials.keys) {
            key_set(file)?;
        }
        let officials = config.officials.clone().map(|officials| Officials::new(officials, started_at));
        let beginning = Beginning::find(&config, &transports)?;
        let active = beginning.active;
        make_folders(&config)?;
        let node_key = NodeKey::load_or_create(&config.node_key).map_err(anyhow::Error::new)?;
        let store_key = node_key.derive("qovsaq store");
        let repeat_key = hmac::Key::new(hmac::HMAC_SHA256, &node_key.derive("qovsaq repeat key").mac(b"secret"));
        let store = Arc::new(Store::open(&config.store, store_key).map_err(anyhow::Error::new)?);
        let quality_key = node_key.derive("qovsaq quality");
        let QualityConfig { path, keys, bounds } = &config.quality;
        let quality = Arc::new(Quality::open(path, keys, quality_key, *bounds).map_err(anyhow::Error::new)?);
        not_set_back(&store, &active)?;
        transports.feeds().open(&node_key)?;
        let rights = Rights::open(Arc::clone(&store), node_key.derive("qovsaq rights"), config.access.is_some())?;
        let last_sign = LastSign::read(&config);
        let recorder = logs::open(&config, &node_key, clock::now()).await?;
        let verifying_key = recorder.journal().verifying_key().clone();
        let started = serde_json::json!({
            "configuration": active.hash,
            "profile": config.profile.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "verifying_key": verifying_key.to_string(),
        });
        recorder.event(Kind::NodeStarted, &started).await.map_err(anyhow::Error::new)?;
        match (&beginning.first, &config.change, &active.bundle) {
            // The first bundle of all: entry before pointer.
            (Some(signers), Some(bundles), Some(bundle)) => {
                recorder.event(Kind::BundleActivated, &bundle_activation(&active, bundle, signers)).await.map_err(anyhow::Error::new)?;
                bundles.point(Pointer::to(bundle)).map_err(anyhow::Error::new)?;
            }
            _ => {
                recorder.event(Kind::ConfigurationActivated, &activation(&active)).await.map_err(anyhow::Error::new)?;
            }
        }
        note_active(&store, &active)?;
        // A provider that does not answer yet keeps nobody else from asking: it is looked for again.
        if let Some(officials) = &officials {
            officials.refresh(&recorder, clock::now()).await;
        }
        let rights = Arc::new(rights);
        begin_rights(&config, &rights, &recorder, &active).await?;
        let sources = Sources::new(&config, &active);
        let watched = sources.states().into_iter().map(|(source, _)| source);
        let watch = Watch::start(&config, &store, &recorder, last_sign, (watched, started_at)).await?;
        let index_key = || IndexKey::new(&node_key);
        let (search, following) = Search::start(Arc::clone(&recorder), &config.journal_dir, index_key)?;
        let gateway = Arc::new(Self {
            search,
            following: Mutex::new(Some(following)),
            people: People::default(),
            rights,
            citizens,
            officials,
            sources,
            cache: Cache::new(config.cache_bytes_max),
            keys: Keys::new(),
            flights: Flights::new(),
            idempotency: Idempotency::new(repeat_key.clone()),
            repeat_key,
            config,
            active: ArcSwap::from_pointee(active),
            transports,
            recorder,
            store,
            quality,
            quarantining: tokio::sync::Mutex::new(()),
            drift: Arc::default(),
            dossiers: Dossiers::default(),
            metrics: Metrics::default(),
            watch,
            exchanges: TaskTracker::new(),
            verifying_key,
            explaining: tokio::sync::Mutex::new(()),
            changing: tokio::sync::Mutex::new(()),
            upcoming: Notify::new(),
            drifted: Mutex::default(),
            drain: watch::Sender::new(false),
            end: watch::Sender::new(false),
        });
        recall::resume(&gateway).await.map_err(anyhow::Error::new)?;
        // What has expired while nothing ran is not readable for a minute more.
        if let Err(error) = quarantine::expire(&gateway, clock::now()).await {
            tracing::error!(%error, "what has expired in the quarantine was not destroyed; it is tried again in a minute");
        }
        // One that was placed while nothing ran; were it bad, what was active serves on.
        match Box::pin(gateway.take_next_bundle(Ready::Any)).await {
            Ok(taken) => taken.log(),
            Err(error) => tracing::error!(error = said(&error), "the next bundle was not activated"),
        }
        Ok(gateway)
    }

    /// The active data.
    #[must_use]
    pub fn active(&self) -> Guard<Arc<Active>> {
        self.active.load()
    }

    /// The signed bundles, where they are configured.
    #[must_use]
    pub fn bundles(&self) -> Option<&Bundles> {
        self.config.change.as_ref()
    }

    /// How the sources' work is watched over.
    #[must_use]
    pub fn watch_config(&self) -> &WatchConfig {
        &self.config.watch
    }

    /// Test or production.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.config.profile
    }

    /// What sources deliver as files.
    #[must_use]
    pub fn feeds(&self) -> &Arc<Feeds> {
        self.transports.feeds()
    }

    /// Reads our certificates towards providers again and takes the bundle that lies ready; where there are no bundles
    /// (the test profile alone) it reads the data. Exchanges under way keep what they began with. Both are journalled
    /// before they take effect (R7).
    ///
    /// # Errors
    /// The data's problems, or a certificate that cannot be used; what was active stays active.
    pub async fn reload(&self) -> Result<(), StartError> {
        let event = serde_json::json!({"what": "certificates towards providers"});
        self.recorder.event(Kind::KeyChanged, &event).await.map_err(anyhow::Error::new)?;
        self.transports.reload_identities(&self.config)?;
        if let Some(officials) = &self.officials
            && !officials.refresh(&self.recorder, clock::now()).await
            && officials.has_file()
        {
            return Err(anyhow::anyhow!("the key set of the identity provider of officials cannot be used; the old one stays").into());
        }
        if self.config.change.is_some() {
            self.look_for_drift().await;
            Box::pin(self.take_next_bundle(Ready::Any)).await?.log();
        } else if let Some(folders) = &self.config.data {
            let active = load(&self.config, folders, &self.transports)?;
            if active.hash != self.active().hash {
                self.recorder.event(Kind::ConfigurationActivated, &activation(&active)).await.map_err(anyhow::Error::new)?;
                self.swap(active);
            }
        }
        Ok(())
    }

    /// Activates the bundle that lies ready to follow the active one, where there is one and its time has come: checked,
    /// journalled, pointed at, swapped. A crash before the pointer is written leaves the old one active, and the next
    /// start takes the new one again, with an entry of its own.
    ///
    /// # Errors
    /// Why the bundle may not follow, its data's problems, or a journal without room; what was active stays active.
    pub async fn take_next_bundle(&self, ready: Ready) -> Result<Taken, StartError> {
        let Some(bundles) = &self.config.change else { return Ok(Taken::Nothing) };
        let _one_at_a_time = self.changing.lock().await;
        let present = self.active().bundle.as_ref().map(Pointer::to);
        let now = clock::now();
        let next = tokio::task::block_in_place(|| bundles.next(present)).map_err(anyhow::Error::new)?;
        let Some((bundle, signers)) = next else { return Ok(Taken::Nothing) };
        match bundle.manifest.effective_from {
            Some(from) if from > now => {
                if ready == Ready::Any {
                    self.upcoming.notify_one();
                }
                return Ok(Taken::NotYet { sequence: bundle.manifest.sequence, from });
            }
            None if ready == Ready::AtItsTime => return Ok(Taken::Nothing),
            Some(_) | None => {}
        }
        let active = tokio::task::block_in_place(|| load_bundle(&self.config, &bundle, &self.transports))?;
        let event = bundle_activation(&active, &bundle, &signers);
        self.recorder.event(Kind::BundleActivated, &event).await.map_err(anyhow::Error::new)?;
        tokio::task::block_in_place(|| bundles.point(Pointer::to(&bundle))).map_err(anyhow::Error::new)?;
        if let Err(error) = tokio::task::block_in_place(|| note_active(&self.store, &active)) {
            tracing::error!(%error, "the store does not know of the new bundle: a pointer that is set back to the one before would not be noticed");
        }
        self.swap(active);
        Ok(Taken::Activated { sequence: bundle.manifest.sequence })
    }

    /// When the bundle that lies ready is to become active, where that is still to come. It is judged in full only then.
    fn next_effective(&self) -> Option<Timestamp> {
        let bundles = self.config.change.as_ref()?;
        let present = self.active().bundle.as_ref().map_or(0, |bundle| bundle.manifest.sequence);
        bundles.get(present + 1).ok()?.manifest.effective_from
    }

    /// Makes other data the active ones.
    fn swap(&self, active: Active) {
        self.sources.activate(&active);
        self.active.store(Arc::new(active));
        // Other contracts and mappings would read other answers.
        self.cache.clear();
    }

    /// Compares the active bundle's files, the pointer, and the data folders where they are given, with what is signed.
    /// What differs is an alarm and is not taken over; a change of what differs is journalled.
    pub async fn look_for_drift(&self) {
        let Some(bundles) = &self.config.change else { return };
        let _not_while_changing = self.changing.lock().await;
        let active = self.active.load_full();
        let Some(bundle) = &active.bundle else { return };
        let found = tokio::task::block_in_place(|| drift(bundles, bundle, self.config.data.as_ref()));
        metrics::gauge!("qovsaq_bundle_drifted_files").set(f64::from(u32::try_from(found.len()).unwrap_or(u32::MAX)));
        for Differing { path, what } in found.iter().take(DRIFTED_TOLD_MAX) {
            tracing::error!(path, ?what, "a file is not as it was signed; it is not taken over, and is to be put back");
        }
        let before = self.drifted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if before == found {
            return;
        }
        let told = found.get(..DRIFTED_TOLD_MAX).unwrap_or(&found);
        let event = serde_json::json!({"configuration": active.hash, "count": found.len(), "files": told});
        match self.recorder.event(Kind::BundleDrifted, &event).await {
            Ok(_) => *self.drifted.lock().unwrap_or_else(PoisonError::into_inner) = found,
            // Not remembered, so that the next look journals it.
            Err(error) => tracing::error!(%error, "files that are not as signed could not be journalled"),
        }
    }

    /// How many files were not as signed when they were last looked at.
    #[must_use]
    pub fn drifted(&self) -> usize {
        self.drifted.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets kept answers, of one provider or of all, because their source has taken something back.
    /// Journalled before it takes effect (R7).
    ///
    /// # Errors
    /// When the journal has no room; nothing is forgotten then.
    pub async fn clear_cache(&self, provider: Option<&str>) -> Result<(), NoRecord> {
        self.recorder.event(Kind::CacheCleared, &serde_json::json!({"provider": provider})).await?;
        match provider {
            None => self.cache.clear(),
            Some(provider) => {
                let active = self.active();
                let of_provider = active.snapshot.services.keys().filter(|service| service.provider() == provider);
                let services: Vec<_> = of_provider.cloned().collect();
                // Each is a walk over all entries.
                tokio::task::block_in_place(|| services.iter().for_each(|service| self.cache.clear_service(service)));
            }
        }
        Ok(())
    }

    /// The key that receipts verify with.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Whether the gateway is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.drain.borrow()
    }

    /// Completes when the gateway begins to stop.
    pub async fn draining(&self) {
        let mut drain = self.drain.subscribe();
        // An error means that the gateway itself is gone: stopping all the more.
        drain.wait_for(|stopping| *stopping).await.map(drop).unwrap_or_default();
    }

    /// Starts to stop: no new connections, requests in flight are finished.
    pub fn stop(&self) {
        self.drain.send_replace(true);
    }
}

/// Which bundles are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Whatever lies ready: somebody has said so.
    Any,
    /// One that says itself from when it is in force.
    AtItsTime,
}

/// What became of the bundle that lies ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// None lies ready.
    Nothing,
    /// It is to become active later.
    NotYet {
        /// Its number.
        sequence: u64,
        /// When.
        from: Timestamp,
    },
    /// It is active.
    Activated {
        /// Its number.
        sequence: u64,
    },
}

impl Taken {
    fn log(self) {
        match self {
            Self::Nothing => {}
            Self::NotYet { sequence, from } => tracing::info!(sequence, %from, "the next bundle becomes active later"),
            Self::Activated { sequence } => tracing::info!(sequence, "a bundle became active"),
        }
    }
}

/// The data that a gateway begins with.
struct Beginning {
    active: Active,
    /// Where they are the first bundle of all, which the start activates: who signed it.
    first: Option<Vec<String>>,
}

impl Beginning {
    fn find(config: &Config, transports: &Transports) -> Result<Self, StartError> {
        let Some(bundles) = &config.change else {
            let folders = config.data.as_ref().context("the configuration names neither data nor bundles")?;
            return Ok(Self { active: load(config, folders, transports)?, first: None });
        };
        let pointer = bundles.active().map_err(anyhow::Error::new)?;
        if let Some(pointer) = pointer {
            let bundle = bundles.pointed(pointer).context("the active bundle cannot be served").map_err(StartError::Other)?;
            return Ok(Self { active: load_bundle(config, &bundle, transports)?, first: None });
        }
        let none = || BundleError::NoneReady(bundles.dir.clone());
        if !bundles.dir.is_dir() {
            return Err(StartError::Other(none().into()));
        }
        let (bundle, signers) = bundles.next(None).map_err(anyhow::Error::new)?.ok_or_else(|| anyhow::Error::new(none()))?;
        if let Some(from) = bundle.manifest.effective_from.filter(|from| *from > clock::now()) {
            let why = format!("the first bundle is in force from {}; start then, or make it anew", model::time::rfc3339(from));
            return Err(StartError::Other(anyhow::Error::msg(why)));
        }
        Ok(Self { active: load_bundle(config, &bundle, transports)?, first: Some(signers) })
    }
}

/// What the store knows of the bundle that was active last.
const ACTIVE_BUNDLE: Ledger = Ledger("active bundle");

/// Refuses data older than those that were active last: whoever can write the bundles' folder cannot bring back by its
/// pointer what was withdrawn.
fn not_set_back(store: &Store, active: &Active) -> anyhow::Result<()> {
    let Some(noted) = store.note(ACTIVE_BUNDLE)? else { return Ok(()) };
    let last: Pointer = serde_json::from_slice(&noted).context("the store's note of the active bundle cannot be read")?;
    let Some(present) = active.bundle.as_ref().map(Pointer::to) else { return Ok(()) };
    anyhow::ensure!(
        present.sequence > last.sequence || present == last,
        "the pointer names bundle {}, but bundle {} ({}) was active last; restore the pointer, or go back by a new bundle: qovsaq bundle rollback",
        present.sequence,
        last.sequence,
        last.bundle
    );
    Ok(())
}

/// Keeps which bundle is active, apart from the bundles' folder.
fn note_active(store: &Store, active: &Active) -> anyhow::Result<()> {
    let Some(bundle) = &active.bundle else { return Ok(()) };
    let pointer = serde_json::to_vec(&Pointer::to(bundle))?;
    if store.note(ACTIVE_BUNDLE)?.as_ref() != Some(&pointer) {
        store.put_note(ACTIVE_BUNDLE, &pointer)?;
    }
    Ok(())
}

/// The data of the folders, checked, with the adapters that serve them.
fn load(config: &Config, folders: &DataFolders, transports: &Transports) -> Result<Active, StartError> {
    let mut problems = Problems::default();
    let active = data::load(&folders.contracts, &folders.mappings, model::time::day(clock::now()), &mut problems);
    checked(config, active, problems, transports)
}

/// The same of a bundle's data.
fn load_bundle(config: &Config, bundle: &Bundle, transports: &Transports) -> Result<Active, StartError> {
    let mut problems = Problems::default();
    let active = data::load_bundle(bundle, model::time::day(clock::now()), &mut problems).map_err(anyhow::Error::new)?;
    checked(config, active, problems, transports)
}

fn checked(config: &Config, mut active: Active, problems: Problems, transports: &Transports) -> Result<Active, StartError> {
    let (fatal, tolerable) = problems.part_tolerable();
    if !fatal.is_empty() {
        return Err(StartError::Problems(fatal));
    }
    for problem in &tolerable {
        tracing::warn!(%problem, "the data have a problem that one can live with");
    }
    metrics::gauge!("qovsaq_data_problems").set(f64::from(u32::try_from(tolerable.len()).unwrap_or(u32::MAX)));
    let mut ways = Problems::default();
    data::check_ways(config, &active, &mut ways);
    for problem in ways.into_sorted() {
        tracing::warn!(%problem, "configuration and data do not meet");
    }
    active.calls = Calls::build(config, transports, &active)?;
    Ok(active)
}

/// What differs from what is signed: the active bundle's own files, the pointer to it, the data folders beside it.
fn drift(bundles: &Bundles, bundle: &Bundle, folders: Option<&DataFolders>) -> Vec<Differing> {
    let mut found = bundle.differing();
    // Another manifest in the active bundle's place is read by nobody before the next start, and then refused.
    match Bundle::open(&bundle.dir) {
        Ok(there) if there.hash == bundle.hash => {}
        Ok(_) => found.push(Differing { path: "manifest".to_owned(), what: How::Altered }),
        Err(_) => found.push(Differing { path: "manifest".to_owned(), what: How::Unreadable }),
    }
    match bundles.active() {
        Ok(Some(pointer)) if pointer == Pointer::to(bundle) => {}
        Ok(Some(_)) => found.push(Differing { path: "active".to_owned(), what: How::Altered }),
        Ok(None) => found.push(Differing { path: "active".to_owned(), what: How::Missing }),
        Err(_) => found.push(Differing { path: "active".to_owned(), what: How::Unreadable }),
    }
    if let Some(DataFolders { contracts, mappings }) = folders {
        let beside = change::bundle::differing(&bundle.manifest, &[("contracts", contracts.clone()), ("mappings", mappings.clone())]);
        // Told apart from the bundle's own by what the configuration calls them.
        found.extend(beside.into_iter().map(|Differing { path, what }| Differing { path: format!("data: {path}"), what }));
    }
    found
}

fn bundle_activation(active: &Active, bundle: &Bundle, signers: &[String]) -> serde_json::Value {
    let manifest = &bundle.manifest;
    let services: Vec<String> = active.snapshot.services.values().map(|service| service.versioned()).collect();
    serde_json::json!({
        "configuration": active.hash,
        "sequence": manifest.sequence,
        "predecessor": manifest.predecessor,
        "restores": manifest.restores,
        "document": manifest.document(),
        "note": manifest.note,
        "requirement": manifest.requirement,
        "effective_from": manifest.effective_from.map(model::time::rfc3339),
        "signers": signers,
        "services": services,
    })
}

/// An error with its causes, for a log.
fn said(error: &StartError) -> String {
    match error {
        StartError::Problems(problems) => problems.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        StartError::Other(error) => format!("{error:#}"),
    }
}

fn activation(active: &Active) -> serde_json::Value {
    let services: Vec<String> = active.snapshot.services.values().map(|service| service.versioned()).collect();
    serde_json::json!({"configuration": active.hash, "services": services})
}

/// Takes the initial register of rights over where none is kept yet, and does what has become due since the last run.
async fn begin_rights(config: &Config, rights: &Arc<Rights>, recorder: &Arc<Recorder>, active: &Active) -> Result<(), StartError> {
    let Some(file) = &config.access else { return Ok(()) };
    let mut problems = Problems::default();
    if rights.register().is_empty() {
        match Initial::read(file) {
            Ok(initial) => rights.take_over(recorder, &initial, &active.snapshot, &mut problems).await?,
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(StartError::Problems(problems));
    }
    rights.upkeep(recorder, &active.snapshot).await.map_err(|error| StartError::Other(error.into()))
}

/// The folders of what the gateway writes, open to their owner alone.
fn make_folders(config: &Config) -> anyhow::Result<()> {
    let parents = [&config.node_key, &config.store, &config.watch.path, &config.quality.path].map(|file| file.parent());
    let folders = [&config.journal_dir, &config.journal_fence, &config.signing_keys, &config.key_table].map(PathBuf::as_path);
    for folder in parents.into_iter().flatten().chain(folders) {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    Ok(())
}

/// A running gateway: its listeners and their addresses.
#[derive(Debug)]
pub struct Running {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Where subsystems connect.
    pub internal: std::net::SocketAddr,
    /// Where auditors connect, where that is configured.
    pub console: Option<std::net::SocketAddr>,
    /// Where operations look.
    pub ops: std::net::SocketAddr,
    doors: Doors,
    serving: Vec<JoinHandle<()>>,
    watching: JoinHandle<()>,
    folding: JoinHandle<()>,
}

impl Running {
    /// Binds the listeners first (so that a port in use is told before anything is written), then
    /// starts the gateway and serves.
    ///
    /// # Errors
    /// As [`Gateway::start`], or when an address cannot be bound or a certificate not be read.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let doors = Doors::load(&config)?;
        let internal_socket = listener::bind(config.internal.address).await.map_err(anyhow::Error::new)?;
        let console_socket = match &config.console {
            Some(console) => Some(listener::bind(console.address).await.map_err(anyhow::Error::new)?),
            None => None,
        };
        let ops_socket = listener::bind(config.ops).await.map_err(anyhow::Error::new)?;
        let metrics = crate::metrics::install();
        // Boxed: done once, and too large for every future that waits for it.
        let gateway = Box::pin(Gateway::start(config)).await?;
        let folding = tokio::spawn(crate::metrics::fold(metrics.clone()));

        let internal = internal_socket.local_addr().map_err(anyhow::Error::new)?;
        let ops = ops_socket.local_addr().map_err(anyhow::Error::new)?;
        let refusals = Arc::new(Refusals::default());
        let door = Door {
            name: "internal",
            tls: Some(Arc::clone(&doors.internal)),
            limits: Limits { drain: EXCHANGES_WAIT, ..Limits::default() },
            refusals: Arc::clone(&refusals),
        };
        let plain = Door { name: "ops", tls: None, limits: Limits::default(), refusals: Arc::new(Refusals::default()) };
        let watching =
            tokio::spawn(listener::serve(ops_socket, plain, ops::routes(Arc::clone(&gateway), metrics), gateway.end.subscribe()));
        let mut serving = vec![
            tokio::spawn(listener::serve(internal_socket, door, api::routes(Arc::clone(&gateway)), gateway.drain.subscribe())),
            tokio::spawn(officials::keep_fresh(Arc::clone(&gateway))),
            tokio::spawn(upkeep(Arc::clone(&gateway), doors.clone(), Arc::clone(&refusals))),
            tokio::spawn(look_after_bundles(Arc::clone(&gateway))),
            tokio::spawn(keep_watch(Arc::clone(&gateway))),
            tokio::spawn(keep_probing(Arc::clone(&gateway))),
            tokio::spawn(feeds::keep_loaded(Arc::clone(&gateway))),
        ];
        let mut console = None;
        if let Some((socket, tls)) = console_socket.zip(doors.console.clone()) {
            console = Some(socket.local_addr().map_err(anyhow::Error::new)?);
            let door = Door { name: "console", tls: Some(tls), limits: Limits::default(), refusals };
            serving.push(tokio::spawn(listener::serve(socket, door, console::routes(Arc::clone(&gateway)), gateway.drain.subscribe())));
        }
        Ok(Self { gateway, internal, console, ops, doors, serving, watching, folding })
    }

    /// Reads certificates, keys, the revocation list and (in the test profile) the data again. The
    /// revocation list comes first and takes effect whatever becomes of the rest.
    ///
    /// # Errors
    /// What could not be used; what was active of that stays active.
    pub async fn reload(&self) -> Result<(), StartError> {
        let doors = Doors::load(&self.gateway.config)?;
        self.gateway
            .recorder
            .event(Kind::KeyChanged, &serde_json::json!({"what": "listener certificate and revocation list"}))
            .await
            .map_err(anyhow::Error::new)?;
        self.doors.take(&doors);
        self.gateway.reload().await
    }

    /// Stops in order: drains, journals the stop, writes a last checkpoint.
    ///
    /// # Errors
    /// When the journal cannot take its last entries.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.gateway.stop();
        for task in self.serving {
            joined(task).await;
        }
        self.gateway.exchanges.close();
        if tokio::time::timeout(EXCHANGES_WAIT, self.gateway.exchanges.wait()).await.is_err() {
            tracing::warn!("exchanges were still under way; the next start closes them as abandoned");
        }
        let following = self.gateway.following.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(following) = following {
            tokio::task::block_in_place(|| following.stop());
        }
        self.gateway.recorder.event(Kind::NodeStopped, &serde_json::json!({})).await?;
        tokio::task::block_in_place(|| self.gateway.watch.stop(&self.gateway.recorder));
        self.gateway.recorder.journal().close().await?;
        // Operations may look until the last moment.
        self.gateway.end.send_replace(true);
        joined(self.watching).await;
        self.folding.abort();
        Ok(())
    }
}

async fn joined(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(error = %error, "a listener's task ended abnormally");
    }
}

/// The TLS of each listener, which a reload swaps.
#[derive(Debug, Clone)]
struct Doors {
    internal: Arc<ArcSwap<ServerTls>>,
    console: Option<Arc<ArcSwap<ServerTls>>>,
}

impl Doors {
    fn load(config: &Config) -> anyhow::Result<Self> {
        let load = |listener: &TlsListener, anonymous| -> anyhow::Result<_> {
            let tls = ServerTls::load(&ServerTlsFiles {
                certificate: listener.certificate.clone(),
                key: listener.key.clone(),
                client_ca: listener.client_ca.clone(),
                crl: Some(listener.crl.clone()),
                crl_grace: listener.crl_grace,
                minimum: Minimum::Tls13,
                anonymous,
            })?;
            Ok(Arc::new(ArcSwap::from_pointee(tls)))
        };
        let console = config.console.as_ref().map(|console| load(console, true)).transpose()?;
        Ok(Self { internal: load(&config.internal, false)?, console })
    }

    /// Takes over what was loaded anew.
    fn take(&self, loaded: &Self) {
        self.internal.store(loaded.internal.load_full());
        if let (Some(own), Some(loaded)) = (&self.console, &loaded.console) {
            own.store(loaded.load_full());
        }
    }

    fn observe(&self, now: Timestamp) {
        self.internal.load().observe("internal", now);
        if let Some(console) = &self.console {
            console.load().observe("console", now);
        }
    }
}

/// Activates bundles at the moment from which they are in force, and looks once a minute whether files are as signed.
async fn look_after_bundles(gateway: Arc<Gateway>) {
    if gateway.config.change.is_none() {
        return;
    }
    loop {
        let next = tokio::task::block_in_place(|| gateway.next_effective());
        let until = next.map_or(UPKEEP, |from| {
            let until = Duration::try_from(from.duration_since(clock::now())).unwrap_or_default();
            // One that was refused at its time is tried again with the next look, not at once.
            if until.is_zero() { UPKEEP } else { until.min(UPKEEP) }
        });
        tokio::select! {
            () = tokio::time::sleep(until) => {}
            () = gateway.upcoming.notified() => continue,
            () = gateway.draining() => return,
        }
        gateway.look_for_drift().await;
        match Box::pin(gateway.take_next_bundle(Ready::AtItsTime)).await {
            Ok(taken @ Taken::Activated { .. }) => taken.log(),
            Ok(Taken::Nothing | Taken::NotYet { .. }) => {}
            Err(error) => tracing::error!(error = said(&error), "the next bundle was not activated"),
        }
    }
}

/// Keeps the last days on which rights were used.
async fn save_uses(gateway: &Arc<Gateway>) {
    let rights = Arc::clone(&gateway.rights);
    match tokio::task::spawn_blocking(move || rights.save_uses()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the days on which rights were used could not be kept; it is tried again"),
        Err(error) => tracing::error!(%error, "the task that keeps the days of use ended abnormally"),
    }
}

/// Looks after what ages: epochs and month keys, the revocation list, and refusals before a consumer
/// was known, which are journalled as one entry a minute (a flood must not fill the log).
async fn upkeep(gateway: Arc<Gateway>, doors: Doors, refusals: Arc<Refusals>) {
    let mut day = model::time::day(clock::now());
    loop {
        let stopping = tokio::select! {
            () = tokio::time::sleep(UPKEEP) => false,
            () = gateway.draining() => true,
        };
        let now = clock::now();
        let today = model::time::day(now);
        let another_day = std::mem::replace(&mut day, today) != today;
        // Some rates are other on other days.
        if another_day {
            gateway.sources.activate(&gateway.active());
            let active = Arc::clone(&gateway.active());
            if let Err(error) = gateway.rights.upkeep(&gateway.recorder, &active.snapshot).await {
                tracing::error!(%error, "the register of rights was not looked after; it is tried again tomorrow and at the next start");
            }
        }
        save_uses(&gateway).await;
        drift::write(&gateway.drift, &gateway.quality, now).await;
        if let Err(error) = quarantine::expire(&gateway, now).await {
            tracing::error!(%error, "what has expired in the quarantine was not destroyed; it is tried again in a minute");
        }
        if another_day && let Err(error) = recall::forget(&gateway, now).await {
            tracing::error!(%error, "old notices were not forgotten; it is tried again tomorrow");
        }
        quarantine::observe(&gateway, now);
        let log = gateway.recorder.journal().origin();
        if logs::observe(&gateway.config.base, log, now) && another_day {
            logs::warn_overdue(log);
        }
        gateway.cache.settle();
        gateway.metrics.cache(&gateway.cache);
        match store_access::count_overrides_to_review(&gateway).await {
            Ok(count) => gateway.metrics.overrides_to_review(count),
            Err(error) => tracing::error!(error = %error, "the overrides that wait for their review could not be counted"),
        }
        doors.observe(now);
        if let Err(error) = gateway.recorder.rotate(now).await {
            tracing::error!(error = %error, "the next epoch could not be opened; the old one stays in use");
        }
        let counts = refusals.take();
        if !counts.is_empty() {
            let counts: serde_json::Map<_, _> =
                counts.iter().map(|(reason, count)| (reason.as_str().to_owned(), (*count).into())).collect();
            if let Err(error) = gateway.recorder.event(Kind::RefusalsSummarised, &counts).await {
                tracing::error!(error = %error, "the summary of refused handshakes could not be journalled");
            }
        }
        if stopping {
            return;
        }
    }
}
