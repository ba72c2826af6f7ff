//! The register of outages (Decree 634, 6.2.3): of each source's instances and of the gateway itself, with beginning, end,
//! cause, effect and whether it was planned. What it holds is what the journal's entries come to; a running gateway
//! takes each entry in after it is durable, and a start reads them again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::contract::Bilingual;
use model::window::Span;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::detector::Effect;
use crate::record::Kind;

/// Most outages that are held; beyond, the oldest that are over are only in the journal.
pub const OUTAGES_MAX: usize = 20_000;

/// Which instance of which source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The provider's code.
    pub provider: String,
    /// Its instance; the provider's own code where it has but one.
    pub instance: String,
}

/// One outage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Its id.
    pub id: Uuid,
    /// Whose; none for the gateway's own.
    pub source: Option<Source>,
    /// When it began.
    #[serde(serialize_with = "moment")]
    pub began_at: Timestamp,
    /// When it ended; none while it lasts.
    #[serde(serialize_with = "moment_if_any")]
    pub ended_at: Option<Timestamp>,
    /// A code of `call::code`, `out-of-order`, `slow`; of the gateway `stopped` or `crashed`.
    pub cause: String,
    /// What was out: `provider`, `route` or `gateway`.
    pub origin: Origin,
    /// How it was found out.
    pub by: By,
    /// The reason of the planned window that it began in.
    pub window: Option<Bilingual>,
    /// How much of it was planned, in whole seconds, once it is over.
    pub planned_seconds: Option<u64>,
    /// What it cost; of the gateway's own only the questions that were cut off.
    pub effect: Effect,
    /// The entry that opened it.
    pub opened: Entry,
    /// The entry that closed it.
    pub closed: Option<Entry>,
}

/// Where an entry of the journal stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The log.
    pub origin: String,
    /// The entry's index.
    pub index: u64,
}

/// What was out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The source.
    Provider,
    /// The way to it.
    Route,
    /// This gateway.
    Gateway,
}

/// How an outage was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// By questions of consumers.
    Traffic,
    /// By probes alone.
    Probe,
    /// By what the journal and the last sign of life say.
    Journal,
}

/// Whether an outage was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Planned {
    /// All of it, to the second; so far, while it lasts.
    Yes,
    /// Some of it.
    Partly,
    /// None of it.
    No,
}

/// The metadata of [`Kind::OutageOpened`], in clear: they name no person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opened {
    /// The outage's id.
    pub outage: Uuid,
    /// The source.
    #[serde(flatten)]
    pub source: Source,
    /// When it began.
    #[serde(serialize_with = "moment")]
    pub began_at: Timestamp,
    /// Why.
    pub cause: String,
    /// What is out.
    pub origin: Origin,
    /// How it was found out.
    pub by: By,
    /// The planned window that it began in.
    pub window: Option<Bilingual>,
}

/// The metadata of [`Kind::OutageClosed`], in clear.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Closed {
    /// The outage's id.
    pub outage: Uuid,
    /// The source.
    #[serde(flatten)]
    pub source: Source,
    /// When it ended.
    #[serde(serialize_with = "moment")]
    pub ended_at: Timestamp,
    /// How much of it was planned, in whole seconds.
    pub planned_seconds: u64,
    /// What it cost.
    pub effect: Effect,
}

/// The metadata of [`Kind::GatewayDown`], in clear.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Down {
    /// The outage's id.
    pub outage: Uuid,
    /// The last sign of life.
    #[serde(serialize_with = "moment")]
    pub began_at: Timestamp,
    /// When it was back.
    #[serde(serialize_with = "moment")]
    pub ended_at: Timestamp,
    /// `stopped` (it was told to) or `crashed`.
    pub cause: String,
    /// Questions that were cut off, which recovery closed as abandoned.
    pub questions_cut_off: u64,
}

/// The cause of a gateway that was told to stop; that is planned.
pub const STOPPED: &str = "stopped";
/// The cause of one that was not.
pub const CRASHED: &str = "crashed";

/// The register.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// In the order of their entries.
    outages: Vec<Outage>,
}

impl Register {
    /// Takes an entry in; one of another kind, or that does not read as one, changes nothing.
    pub fn take(&mut self, kind: u8, metadata: &[u8], entry: Entry) {
        match kind {
            number if number == Kind::OutageOpened.number() => {
                let Some(opened) = read::<Opened>(metadata) else { return };
                // Of one source only one is open: an entry that was read before changes nothing.
                if self.open(&opened.source).is_some() || self.outages.iter().any(|known| known.id == opened.outage) {
                    return;
                }
                let Opened { outage, source, began_at, cause, origin, by, window } = opened;
                self.push(Outage {
                    id: outage,
                    source: Some(source),
                    began_at,
                    ended_at: None,
                    cause,
                    origin,
                    by,
                    window,
                    planned_seconds: None,
                    effect: Effect::default(),
                    opened: entry,
                    closed: None,
                });
            }
            number if number == Kind::OutageClosed.number() => {
                let Some(closed) = read::<Closed>(metadata) else { return };
                let open = self.outages.iter_mut().find(|outage| outage.id == closed.outage && outage.ended_at.is_none());
                let Some(outage) = open else { return };
                outage.ended_at = Some(closed.ended_at);
                outage.planned_seconds = Some(closed.planned_seconds);
                outage.effect = closed.effect;
                outage.closed = Some(entry);
            }
            number if number == Kind::GatewayDown.number() => {
                let Some(down) = read::<Down>(metadata) else { return };
                if self.outages.iter().any(|known| known.id == down.outage) {
                    return;
                }
                let seconds = seconds_of(Span { from: down.began_at, until: down.ended_at });
                self.push(Outage {
                    id: down.outage,
                    source: None,
                    began_at: down.began_at,
                    ended_at: Some(down.ended_at),
                    planned_seconds: Some(if down.cause == STOPPED { seconds } else { 0 }),
                    cause: down.cause,
                    origin: Origin::Gateway,
                    by: By::Journal,
                    window: None,
                    effect: Effect { questions_not_answered: down.questions_cut_off, dossiers_held: 0 },
                    opened: entry.clone(),
                    closed: Some(entry),
                });
            }
            _ => {}
        }
    }

    fn push(&mut self, outage: Outage) {
        if self.outages.len() >= OUTAGES_MAX
            && let Some(oldest) = self.outages.iter().position(|outage| outage.ended_at.is_some())
        {
            self.outages.remove(oldest);
        }
        self.outages.push(outage);
    }

    /// The open outage of a source.
    #[must_use]
    pub fn open(&self, source: &Source) -> Option<&Outage> {
        self.outages.iter().rev().find(|outage| outage.ended_at.is_none() && outage.source.as_ref() == Some(source))
    }

    /// Every open outage, by its source.
    #[must_use]
    pub fn all_open(&self) -> BTreeMap<&Source, &Outage> {
        self.outages
            .iter()
            .filter(|outage| outage.ended_at.is_none())
            .filter_map(|outage| Some((outage.source.as_ref()?, outage)))
            .collect()
    }

    /// Every outage, in the order of their entries.
    #[must_use]
    pub fn outages(&self) -> &[Outage] {
        &self.outages
    }
}

impl Outage {
    /// From its beginning to its end, or to now.
    #[must_use]
    pub fn span(&self, now: Timestamp) -> Span {
        Span { from: self.began_at, until: self.ended_at.unwrap_or(now).max(self.began_at) }
    }

    /// How long it lasted, or has lasted so far, in whole seconds.
    #[must_use]
    pub fn seconds(&self, now: Timestamp) -> u64 {
        seconds_of(self.span(now))
    }

    /// Whether it was planned.
    #[must_use]
    pub fn planned(&self, now: Timestamp) -> Planned {
        // The gateway's own is planned as a whole or not at all, however short.
        if self.source.is_none() {
            return if self.cause == STOPPED { Planned::Yes } else { Planned::No };
        }
        match (self.planned_seconds, &self.window) {
            (None, Some(_)) => Planned::Yes,
            (None | Some(0), None) => Planned::No,
            // One that is over within a second of a window counts as its window says.
            (Some(planned), Some(_)) if planned >= self.seconds(now) => Planned::Yes,
            (Some(planned), None) if planned > 0 && planned >= self.seconds(now) => Planned::Yes,
            (Some(_), _) => Planned::Partly,
        }
    }
}

/// Whole seconds of a span.
#[must_use]
pub fn seconds_of(span: Span) -> u64 {
    u64::try_from(span.until.duration_since(span.from).as_secs()).unwrap_or(0)
}

fn read<T: DeserializeOwned>(metadata: &[u8]) -> Option<T> {
    serde_json::from_slice(metadata).ok()
}

/// Moments as every entry has them.
fn moment<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&model::time::rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde gives the field")]
fn moment_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(model::time::rfc3339).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a moment")
    }

    fn entry(index: u64) -> Entry {
        Entry { origin: "node.test.2026h2".to_owned(), index }
    }

    fn taxes() -> Source {
        Source { provider: "taxes".to_owned(), instance: "taxes".to_owned() }
    }

    fn opened(id: u128, window: Option<Bilingual>) -> Vec<u8> {
        let (cause, origin, by) = ("deadline".to_owned(), Origin::Provider, By::Traffic);
        let opened = Opened { outage: Uuid::from_u128(id), source: taxes(), began_at: at(10), cause, origin, by, window };
        serde_json::to_vec(&opened).expect("JSON")
    }

    fn closed(id: u128, ended: i64, planned_seconds: u64) -> Vec<u8> {
        let effect = Effect { questions_not_answered: 4, dossiers_held: 1 };
        let closed = Closed { outage: Uuid::from_u128(id), source: taxes(), ended_at: at(ended), planned_seconds, effect };
        serde_json::to_vec(&closed).expect("JSON")
    }

    #[test]
    fn an_outage_is_what_its_two_entries_say_however_often_they_are_read() {
        let mut register = Register::default();
        for _ in 0..2 {
            register.take(Kind::OutageOpened.number(), &opened(1, None), entry(5));
        }
        assert_eq!(register.open(&taxes()).map(|outage| outage.planned(at(60))), Some(Planned::No));
        for _ in 0..2 {
            register.take(Kind::OutageClosed.number(), &closed(1, 70, 0), entry(9));
        }
        let [outage] = register.outages() else { panic!("{register:?}") };
        assert_eq!((outage.began_at, outage.ended_at, outage.seconds(at(500))), (at(10), Some(at(70)), 60));
        assert_eq!((outage.opened.index, outage.closed.as_ref().map(|entry| entry.index)), (5, Some(9)));
        assert_eq!((outage.effect.questions_not_answered, outage.effect.dossiers_held), (4, 1));
        assert!(register.open(&taxes()).is_none());
        let text = serde_json::to_vec(&register).expect("JSON");
        assert_eq!(serde_json::from_slice::<Register>(&text).expect("the same"), register);
    }

    #[test]
    fn what_does_not_read_as_an_entry_of_the_register_changes_nothing() {
        let mut register = Register::default();
        register.take(Kind::OutageOpened.number(), b"{}", entry(1));
        register.take(Kind::OutageClosed.number(), &closed(1, 70, 0), entry(2));
        register.take(Kind::Answered.number(), &opened(1, None), entry(3));
        assert_eq!(register, Register::default());
    }

    #[test]
    fn how_much_was_planned_decides_what_it_is_called() {
        let planned = |window: Option<&str>, ended: Option<(i64, u64)>| {
            let mut register = Register::default();
            let window = window.map(|text| Bilingual { az: text.to_owned(), en: text.to_owned() });
            register.take(Kind::OutageOpened.number(), &opened(1, window), entry(1));
            if let Some((ended, seconds)) = ended {
                register.take(Kind::OutageClosed.number(), &closed(1, ended, seconds), entry(2));
            }
            register.outages()[0].planned(at(100))
        };
        assert_eq!(planned(Some("maintenance"), None), Planned::Yes);
        assert_eq!(planned(Some("maintenance"), Some((70, 60))), Planned::Yes);
        assert_eq!(planned(Some("maintenance"), Some((130, 60))), Planned::Partly);
        assert_eq!(planned(None, Some((130, 60))), Planned::Partly);
        assert_eq!(planned(None, Some((130, 0))), Planned::No);
    }

    #[test]
    fn the_gateways_own_is_planned_where_it_was_told_to_stop() {
        let planned = |cause: &str| {
            let mut register = Register::default();
            let (outage, cause) = (Uuid::from_u128(7), cause.to_owned());
            let down = Down { outage, began_at: at(10), ended_at: at(10), cause, questions_cut_off: 2 };
            register.take(Kind::GatewayDown.number(), &serde_json::to_vec(&down).expect("JSON"), entry(1));
            let outage = &register.outages()[0];
            (outage.planned(at(100)), outage.effect.questions_not_answered, outage.source.is_none())
        };
        assert_eq!(planned(STOPPED), (Planned::Yes, 2, true));
        assert_eq!(planned(CRASHED), (Planned::No, 2, true));
    }

    #[test]
    fn the_register_is_bounded_and_keeps_what_is_open() {
        let mut register = Register::default();
        register.take(Kind::OutageOpened.number(), &opened(1, None), entry(0));
        for id in 2..u128::try_from(OUTAGES_MAX).expect("small") + 10 {
            let (outage, cause) = (Uuid::from_u128(id), CRASHED.to_owned());
            let down = Down { outage, began_at: at(10), ended_at: at(30), cause, questions_cut_off: 0 };
            register.take(Kind::GatewayDown.number(), &serde_json::to_vec(&down).expect("JSON"), entry(1));
        }
        assert_eq!(register.outages().len(), OUTAGES_MAX);
        assert!(register.open(&taxes()).is_some());
    }
}
