//! What the gateway sees of its sources' work and of its own: the register of outages, the sums of every month, and what
//! both come to (Decree 634, 6.1.4, 6.2.1, 6.2.3, 6.2.9; 004, 12.2).
//!
//! Everything rests on the gateway's own observation: what questions came to, and where breakers stand. What a source
//! says about itself is never enough.
//!
//! - `watch/detector.rs`: when an outage begins and ends. Pure.
//! - `watch/register.rs`: the register, as entries of the journal make it. Pure.
//! - `watch/sums.rs`: what is counted by the hour. Pure.
//! - `watch/score.rs`: what a month comes to, source by source. Pure.
//! - `watch/sync.rs`: how far what sources deliver has come.
//! - `watch/probe.rs`: questions that the gateway asks by itself.
//! - `watch/start.rs`: the register read back from the journal, and how long the gateway did not run.

pub mod detector;
pub mod probe;
pub mod register;
pub mod score;
pub mod start;
pub mod sums;
pub mod sync;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adapter_core::SyncState;
use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use model::contract::Provider;
use model::window::{self, Effect as WindowEffect, PlannedWindow, Span};
use model::{ProviderId, ServiceId, Snapshot};
use serde::{Deserialize, Serialize};
use store::{Ledger, Store, StoreError, Sum, Watched};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

pub use self::detector::{Detector, Due, Effect, Failure, Health, OUT_OF_ORDER, Seen, Sensitivity};
use self::register::{By, Closed, Opened, Origin};
pub use self::register::{Entry, Outage, Register, Source};
pub use self::sums::Came;
use self::sums::Tally;
use self::sync::{Feed, Feeds, Mode};
use crate::clock;
use crate::gateway::Gateway;
use crate::limit::{Refused, State};
use crate::record::{self, Kind, NoRecord, Recorder};
use crate::sources::Sources;

/// How often it is looked whether an outage begins or ends, if nothing calls for it before.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a sign of life and the sums go to the disk: so much a crash costs of them.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// How often the place in the journal up to which the register was made is kept.
const KEEP_EVERY: Duration = Duration::from_hours(1);
/// How often a disk that refuses is complained about.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// How long sums are kept by the hour: two months and some days.
const HOURS_KEPT: i64 = 70 * 24;
/// How long they are kept at all: 25 months.
const SUMS_KEPT: i64 = 25 * 31 * 24;

/// Nobody is told to come back later than that.
const DAY_SECONDS: u64 = 24 * 3_600;

/// Where the register is kept, so that a start reads only what was written since.
const REGISTER: Ledger = Ledger("outages");

/// What is kept of the register.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The log that it was made from up to `next`, and from all before it.
    origin: String,
    next: u64,
    /// When the node's first entry was written, as far as is known.
    since: Timestamp,
    register: Register,
}

/// The last sign of life of a gateway.
#[derive(Debug, Serialize, Deserialize)]
struct Alive {
    at: Timestamp,
    /// Whether it was the last of one that was told to stop.
    stopped: bool,
    /// What open outages have cost so far.
    effects: BTreeMap<Uuid, Effect>,
    /// When sources last answered.
    #[serde(default)]
    answers: Vec<(Source, Timestamp)>,
}

/// The watch over a node's sources.
#[derive(Debug)]
pub struct Watch {
    file: Watched,
    store: Arc<Store>,
    sensitivity: Sensitivity,
    floor: Mutex<Floor>,
    register: ArcSwap<Register>,
    /// Since when this node has been there at all.
    since: Timestamp,
    /// What comes by itself.
    pub feeds: Feeds,
    /// Calls for a look.
    bell: Notify,
}

#[derive(Debug, Default)]
struct Floor {
    detectors: BTreeMap<Source, Detector>,
    tally: Tally,
}

/// A question that was sent and has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// What was asked.
    pub service: &'a ServiceId,
    /// Whom.
    pub source: &'a Source,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Whether it was a probe.
    pub probe: bool,
    /// The dossier that it was asked for.
    pub dossier: Option<Uuid>,
    /// What came of it.
    pub came: Came,
}

impl Watch {
    /// Takes note of how a question ended. Costs a short lock.
    pub fn saw(&self, ended: &Ended<'_>) {
        let Ended { service, source, sent_at, took, probe, dossier, came } = *ended;
        let ended_at = clock::now();
        let seen = Seen { sent_at, ended_at, failure: came.failure, probe, dossier };
        let mut floor = self.floor();
        floor.tally.sent(source, service.service(), ended_at, took, probe, &came);
        let detector = floor.detector(source, self.sensitivity);
        let before = detector.health(State::Closed);
        detector.saw(&seen);
        let calls = before != Health::Up || detector.health(State::Closed) != Health::Up;
        drop(floor);
        if calls {
            self.bell.notify_one();
        }
    }

    /// Takes note of a question that the limits did not let through.
    pub fn not_sent(&self, service: &ServiceId, source: &Source, refused: &Refused, dossier: Option<Uuid>) {
        let mut floor = self.floor();
        floor.tally.not_sent(source, service.service(), clock::now(), refused);
        if let Refused::Suspended { .. } = refused {
            floor.detector(source, self.sensitivity).turned_away(dossier);
        }
    }

    /// The register of outages as it stands.
    #[must_use]
    pub fn register(&self) -> Guard<Arc<Register>> {
        self.register.load()
    }

    /// How a source stands, and since when it has been out.
    #[must_use]
    pub fn health(&self, source: &Source, breaker: State) -> (Health, Option<Timestamp>) {
        let health = self.floor().detectors.get(source).map_or(Health::Up, |detector| detector.health(breaker));
        (health, self.register.load().open(source).map(|outage| outage.began_at))
    }

    /// What an open outage has cost so far.
    #[must_use]
    pub fn effect(&self, source: &Source) -> Option<Effect> {
        self.floor().detectors.get(source).map(Detector::effect)
    }

    /// How far what comes from each source has come: of those that are asked, when they last answered.
    #[must_use]
    pub fn synchronisation(&self, sources: &Sources, now: Timestamp) -> Vec<Feed> {
        let floor = self.floor();
        let asked = sources.states().into_iter().map(|(source, _)| {
            let detector = floor.detectors.get(&source);
            let (last_success, errors) = detector.map_or((None, 0), |detector| (detector.last_answer(), detector.errors()));
            let name = source.provider.clone();
            Feed { source, name, mode: Mode::Call, state: SyncState { last_success, errors, ..SyncState::default() } }
        });
        let mut feeds: Vec<Feed> = asked.collect();
        drop(floor);
        feeds.extend(self.feeds.states(now));
        feeds.sort_by(|a, b| (&a.source, a.mode, &a.name).cmp(&(&b.source, b.mode, &b.name)));
        feeds
    }

    /// The sums of a time, those included that are not on the disk yet, and the part of it that this node was there.
    /// Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sums(&self, span: Span) -> Result<(Vec<Sum>, Span), StoreError> {
        self.save(false)?;
        let until = span.until.as_second().saturating_add(3_599).div_euclid(3_600);
        let sums = self.file.sums(sums::hour_of(span.from), until)?;
        Ok((sums, Span { from: span.from.max(self.since).min(span.until), until: span.until }))
    }

    /// Looks at every source, and journals what has begun or ended before it counts.
    async fn look(&self, gateway: &Gateway) {
        for (source, breaker) in gateway.sources.states() {
            let due = self.floor().detectors.get(&source).and_then(|detector| detector.due(clock::now(), breaker));
            let Some(due) = due else { continue };
            // Not taken over: it is due again at the next look.
            if let Err(error) = self.change(gateway, &source, &due).await {
                tracing::error!(provider = source.provider, %error, "an outage could not be journalled; it is tried again");
            }
        }
    }

    async fn change(&self, gateway: &Gateway, source: &Source, due: &Due) -> Result<(), NoRecord> {
        let active = gateway.active();
        let windows = windows_of(&active.snapshot, source);
        let (kind, metadata) = match *due {
            Due::Begins { began_at, failure, by_probe } => {
                let now = clock::now();
                let window = window::at(windows, began_at).or_else(|| window::at(windows, now)).map(|(window, _)| window.reason.clone());
                let origin = if failure.route { Origin::Route } else { Origin::Provider };
                let by = if by_probe { By::Probe } else { By::Traffic };
                let (source, cause) = (source.clone(), failure.cause.to_owned());
                (Kind::OutageOpened, json(&Opened { outage: record::new_id(), source, began_at, cause, origin, by, window })?)
            }
            Due::Ends { ended_at } => {
                let register = self.register();
                let Some(open) = register.open(source) else {
                    // Only of a program that has lost its register: the detector begins anew.
                    self.floor().detector(source, self.sensitivity).take(due);
                    return Ok(());
                };
                let ended_at = ended_at.max(open.began_at);
                let planned = window::planned(windows, Span { from: open.began_at, until: ended_at });
                let planned_seconds = u64::try_from(planned.as_secs()).unwrap_or(0);
                let effect = self.effect(source).unwrap_or_default();
                (Kind::OutageClosed, json(&Closed { outage: open.id, source: source.clone(), ended_at, planned_seconds, effect })?)
            }
        };
        drop(active);
        self.journal(&gateway.recorder, kind, &metadata).await?;
        self.floor().detector(source, self.sensitivity).take(due);
        self.tell(source, due);
        self.keep(&gateway.recorder);
        Ok(())
    }

    /// An entry, and then what it says in the register.
    async fn journal(&self, recorder: &Recorder, kind: Kind, metadata: &serde_json::Value) -> Result<(), NoRecord> {
        let durable = recorder.plain_event(kind, metadata).await?;
        let mut register = Register::clone(&self.register.load());
        let entry = Entry { origin: recorder.origin().to_owned(), index: durable.index() };
        register.take(kind.number(), metadata.to_string().as_bytes(), entry);
        self.register.store(Arc::new(register));
        Ok(())
    }

    /// Says it to operators.
    fn tell(&self, source: &Source, due: &Due) {
        let Source { provider, instance } = source;
        match due {
            Due::Begins { began_at, failure, .. } => {
                metrics::counter!("qovsaq_outages_total", "provider" => provider.clone(), "provider_instance" => instance.clone())
                    .increment(1);
                tracing::error!(provider, instance, %began_at, cause = failure.cause, "a source is out");
            }
            Due::Ends { ended_at } => tracing::warn!(provider, instance, %ended_at, "a source answers again"),
        }
        self.show(source);
    }

    /// Shows in the metrics whether a source is out.
    fn show(&self, source: &Source) {
        let Source { provider, instance } = source;
        let down = self.register.load().open(source).is_some();
        metrics::gauge!("qovsaq_source_down", "provider" => provider.clone(), "provider_instance" => instance.clone()).set(if down {
            1.0
        } else {
            0.0
        });
    }

    /// Keeps the register with the place up to which it was made. What is lost of it is read from the journal.
    fn keep(&self, recorder: &Recorder) {
        let kept = Kept {
            origin: recorder.origin().to_owned(),
            next: recorder.journal().size(),
            since: self.since,
            register: Register::clone(&self.register.load()),
        };
        let kept = serde_json::to_vec(&kept).unwrap_or_default();
        if let Err(error) = tokio::task::block_in_place(|| self.store.put_note(REGISTER, &kept)) {
            tracing::warn!(%error, "the register of outages could not be kept; the next start reads it from the journal");
        }
    }

    /// A sign of life, and what was counted since the last one, to the disk. Blocking.
    fn save(&self, stopped: bool) -> Result<(), StoreError> {
        let (sums, effects, answers) = {
            let mut floor = self.floor();
            let register = self.register.load();
            let open = register.all_open().into_iter();
            let effects = open.filter_map(|(source, outage)| Some((outage.id, floor.detectors.get(source)?.effect()))).collect();
            let answers = floor.detectors.iter().filter_map(|(source, detector)| Some((source.clone(), detector.last_answer()?))).collect();
            (floor.tally.drain(), effects, answers)
        };
        if !sums.is_empty()
            && let Err(error) = self.file.add(&sums)
        {
            self.floor().tally.put_back(sums);
            return Err(error);
        }
        let alive = Alive { at: clock::now(), stopped, effects, answers };
        self.file.put_alive(&serde_json::to_vec(&alive).unwrap_or_default())
    }

    /// The last of what is kept, once nothing is asked any more and the stop is journalled. Blocking.
    pub fn stop(&self, recorder: &Recorder) {
        self.keep(recorder);
        if let Err(error) = self.save(true) {
            tracing::error!(%error, "what was counted last could not be kept");
        }
    }

    fn floor(&self) -> MutexGuard<'_, Floor> {
        self.floor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Floor {
    fn detector(&mut self, source: &Source, sensitivity: Sensitivity) -> &mut Detector {
        if !self.detectors.contains_key(source) {
            self.detectors.insert(source.clone(), Detector::new(sensitivity, None, None));
        }
        self.detectors.get_mut(source).expect("put there if it was missing")
    }
}

/// Watches for as long as the gateway runs.
pub async fn keep_watch(gateway: Arc<Gateway>) {
    let watch = &gateway.watch;
    let (mut saved, mut kept, mut complained) = (Instant::now(), Instant::now(), None::<Instant>);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = watch.bell.notified() => {}
            () = gateway.draining() => return,
        }
        watch.look(&gateway).await;
        watch.feeds.show(&watch.synchronisation(&gateway.sources, clock::now()));
        if saved.elapsed() >= SAVE_EVERY {
            saved = Instant::now();
            let result = {
                let gateway = Arc::clone(&gateway);
                tokio::task::spawn_blocking(move || gateway.watch.save(false)).await
            };
            if let Ok(Err(error)) = result
                && complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY)
            {
                complained = Some(Instant::now());
                tracing::error!(%error, "sums of sources cannot be kept; they are counted on in memory");
            }
        }
        if kept.elapsed() >= KEEP_EVERY {
            kept = Instant::now();
            watch.keep(&gateway.recorder);
            watch.shrink();
        }
    }
}

impl Watch {
    /// Makes days of old hours, and forgets what is very old.
    fn shrink(&self) {
        let now = sums::hour_of(clock::now());
        // An hour in Baku is four behind UTC's: 20 is midnight.
        let day_of = |hour: i64| hour - (hour + 4).rem_euclid(24);
        let shrunk = tokio::task::block_in_place(|| self.file.shrink(day_of(now - SUMS_KEPT), day_of(now - HOURS_KEPT), day_of));
        if let Err(error) = shrunk {
            tracing::error!(%error, "old sums of sources could not be folded");
        }
    }
}

/// The planned windows of a source.
pub(crate) fn windows_of<'a>(snapshot: &'a Snapshot, source: &Source) -> &'a [PlannedWindow] {
    provider(snapshot, &source.provider).map_or(&[], |provider| &provider.windows)
}

fn provider<'a>(snapshot: &'a Snapshot, code: &str) -> Option<&'a Provider> {
    snapshot.providers.get(&ProviderId::new(code).ok()?)
}

/// How many seconds it is, whole, at least one and at most a day's, until the planned window ends in which the source of a provider does
/// not answer; none where there is no such window now.
#[must_use]
pub fn planned_end(snapshot: &Snapshot, code: &str, now: Timestamp) -> Option<u64> {
    let down = |window: &&PlannedWindow| window.effect == WindowEffect::Down;
    let windows = &provider(snapshot, code)?.windows;
    let end = windows.iter().filter(down).filter_map(|window| window.at(now)).map(|span| span.until).max()?;
    u64::try_from(end.duration_since(now).as_secs()).ok().map(|seconds| (seconds + 1).min(DAY_SECONDS))
}

fn json(metadata: &impl Serialize) -> Result<serde_json::Value, NoRecord> {
    serde_json::to_value(metadata).map_err(NoRecord::Metadata)
}
