//! At a start: the register read back from the journal, and how long the gateway did not run. The entry comes first,
//! here too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use journal::read::EntryView;
use store::{Store, Watched};
use tokio::sync::Notify;

use super::register::{CRASHED, Down, STOPPED};
use super::sync::Feeds;
use super::{Alive, Detector, Entry, Kept, REGISTER, Register, Source, Watch, json};
use crate::clock;
use crate::config::Config;
use crate::logs;
use crate::record::{self, Kind, Recorder};

/// Kinds that a start writes before it is ready: they are no sign that anything was served.
const OF_A_START: [Kind; 8] = [
    Kind::EpochOpened,
    Kind::NodeStarted,
    Kind::Recovered,
    Kind::Abandoned,
    Kind::ConfigurationActivated,
    Kind::BundleActivated,
    Kind::LogBegun,
    Kind::LogEnded,
];

/// The last sign that the journal has of the gateway, read before a start writes its own.
#[derive(Debug, Clone, Copy)]
pub struct LastSign {
    kind: u8,
    at: Timestamp,
}

impl LastSign {
    /// Reads it; none where there is no journal yet, or it cannot be read, which its opening will say.
    #[must_use]
    pub fn read(config: &Config) -> Option<Self> {
        let last = logs::last_entry(config).ok().flatten()?;
        Some(Self { kind: last.kind, at: written_at(&last) })
    }
}

impl Watch {
    /// Reads the register back, journals how long the gateway did not run, and begins to watch these sources.
    ///
    /// # Errors
    /// When the file of sums cannot be used, or the journal takes no entry.
    pub async fn start(
        config: &Config,
        store: &Arc<Store>,
        recorder: &Recorder,
        last: Option<LastSign>,
        (sources, started_at): (impl IntoIterator<Item = Source>, Timestamp),
    ) -> anyhow::Result<Self> {
        let file = Watched::open(&config.watch.path)?;
        let alive: Option<Alive> = file.alive()?.and_then(|content| serde_json::from_slice(&content).ok());
        let kept: Option<Kept> = store.note(REGISTER)?.and_then(|note| serde_json::from_slice(&note).ok());
        let Rebuilt { register, since, cut_off } = rebuild(config, recorder, kept, started_at);
        let watch = Self {
            file,
            store: Arc::clone(store),
            sensitivity: config.watch.sensitivity,
            floor: Mutex::default(),
            register: ArcSwap::from_pointee(register),
            since,
            feeds: Feeds::default(),
            bell: Notify::new(),
        };
        if let Some((began_at, cause)) = last.map(|last| down_since(last, alive.as_ref())) {
            let ended_at = clock::now().max(began_at);
            let down = Down { outage: record::new_id(), began_at, ended_at, cause: cause.to_owned(), questions_cut_off: cut_off };
            watch.journal(recorder, Kind::GatewayDown, &json(&down)?).await?;
            tracing::info!(%began_at, cause, "the gateway is back");
        }
        let (mut effects, answers) = alive.map(|alive| (alive.effects, alive.answers)).unwrap_or_default();
        let mut answers: BTreeMap<Source, Timestamp> = answers.into_iter().collect();
        let open: BTreeMap<Source, _> = watch
            .register()
            .all_open()
            .into_iter()
            .map(|(source, outage)| (source.clone(), effects.remove(&outage.id).unwrap_or_default()))
            .collect();
        let known = sources.into_iter().chain(open.keys().cloned()).collect::<Vec<_>>();
        for source in known {
            let detector = Detector::new(watch.sensitivity, open.get(&source).copied(), answers.remove(&source));
            watch.floor().detectors.insert(source.clone(), detector);
            watch.show(&source);
        }
        watch.keep(recorder);
        watch.save(false).context("cannot write the file of sums")?;
        Ok(watch)
    }
}

/// Since when the gateway had not run, and why.
fn down_since(last: LastSign, alive: Option<&Alive>) -> (Timestamp, &'static str) {
    if last.kind == Kind::NodeStopped.number() {
        return (last.at, STOPPED);
    }
    let of_a_start = OF_A_START.iter().any(|kind| kind.number() == last.kind);
    match alive {
        // A start that did not get far has written behind it.
        Some(alive) if of_a_start => (alive.at, if alive.stopped { STOPPED } else { CRASHED }),
        Some(alive) => (alive.at.max(last.at), CRASHED),
        None => (last.at, CRASHED),
    }
}

struct Rebuilt {
    register: Register,
    since: Timestamp,
    /// Questions that this start has closed as abandoned.
    cut_off: u64,
}

/// The register as the journal has it: what was kept, and what was written since. A log that cannot be read is passed
/// over and told: a start must not fail for it.
fn rebuild(config: &Config, recorder: &Recorder, kept: Option<Kept>, started_at: Timestamp) -> Rebuilt {
    let (mut register, mut since, known) = match kept {
        Some(Kept { origin, next, since, register }) => (register, since, Some((origin, next))),
        None => (Register::default(), started_at, None),
    };
    let mut cut_off = 0;
    let logs = journal::read::logs(&config.journal_dir).unwrap_or_default();
    for dir in logs {
        let Some((origin, half_year)) =
            dir.file_name().and_then(|name| name.to_str()).and_then(|name| Some((name.to_owned(), config.base.half_year(name)?)))
        else {
            continue;
        };
        let from = match &known {
            Some((known, _)) if config.base.half_year(known).is_some_and(|known| half_year < known) => continue,
            Some((known, next)) if *known == origin => *next,
            Some(_) | None => 0,
        };
        let until = if origin == recorder.origin() { recorder.journal().size() } else { u64::MAX };
        let read = take_in(&mut register, &dir, from..until, |entry| {
            since = since.min(written_at(entry));
            cut_off += u64::from(entry.kind == Kind::Abandoned.number() && written_at(entry) >= started_at);
        });
        if let Err(error) = read {
            tracing::error!(log.origin = origin, error = crate::search::chain(&error), "a log cannot be read for the register of outages");
        }
    }
    Rebuilt { register, since, cut_off }
}

/// Takes the entries of a log into a register.
///
/// # Errors
/// Where the log cannot be read; what came before is taken in.
pub(crate) fn take_in(
    register: &mut Register,
    dir: &Path,
    range: std::ops::Range<u64>,
    mut also: impl FnMut(&EntryView),
) -> Result<(), journal::read::ReadError> {
    for entry in journal::read::entries(dir, range.start)? {
        let entry = entry?;
        if entry.index >= range.end {
            break;
        }
        also(&entry);
        if let Some(metadata) = seal::entry::parse(&entry.body).ok().and_then(|view| view.plain_metadata().map(<[u8]>::to_vec)) {
            register.take(entry.kind, &metadata, Entry { origin: entry.origin.as_str().to_owned(), index: entry.index });
        }
    }
    Ok(())
}

fn written_at(entry: &EntryView) -> Timestamp {
    let ms = seal::entry::parse(&entry.body).map_or(0, |view| view.time_ms);
    i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a moment")
    }

    #[test]
    fn the_last_sign_of_life_is_what_the_gateway_was_down_since() {
        let last = |kind: Kind, seconds| LastSign { kind: kind.number(), at: at(seconds) };
        let alive = |seconds, stopped| Alive { at: at(seconds), stopped, effects: BTreeMap::new(), answers: Vec::new() };
        // Told to stop, whatever was kept beside the journal.
        assert_eq!(down_since(last(Kind::NodeStopped, 10), Some(&alive(8, false))), (at(10), STOPPED));
        assert_eq!(down_since(last(Kind::NodeStopped, 10), None), (at(10), STOPPED));
        // Killed: whichever sign is later.
        assert_eq!(down_since(last(Kind::Answered, 10), Some(&alive(12, false))), (at(12), CRASHED));
        assert_eq!(down_since(last(Kind::Answered, 10), Some(&alive(9, false))), (at(10), CRASHED));
        assert_eq!(down_since(last(Kind::Answered, 10), None), (at(10), CRASHED));
        // A start that did not get far is no sign of life.
        assert_eq!(down_since(last(Kind::NodeStarted, 60), Some(&alive(9, false))), (at(9), CRASHED));
        assert_eq!(down_since(last(Kind::EpochOpened, 60), Some(&alive(9, true))), (at(9), STOPPED));
    }
}
