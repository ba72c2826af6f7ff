//! A source's score-card of a month: how much of the time it answered, how fast, and what its answers were worth (Decree
//! 634, 6.2.1, 6.2.9); and what sources do not hold electronically (6.1.4). Pure: from sums and the register.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::Outcome;
use model::window::{PlannedWindow, Span, planned};
use serde::Serialize;
use store::{Counts, Sum};

use super::register::{Outage, Register, Source, seconds_of};
use super::sums::{ASKED, FAILED, NOT_SENT, OUTCOME, PROBES, TOOK, UNDECLARED, UNKNOWN, step_ms};

/// The score-card of one instance of a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The source.
    #[serde(flatten)]
    pub source: Source,
    /// How much of the time it was there.
    pub time: Time,
    /// What it answered, all services together.
    pub work: Work,
    /// The same by service.
    pub services: BTreeMap<String, Work>,
}

/// How much of a time a source, or the gateway, was there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Time {
    /// Time that was watched over, in seconds: the gateway ran.
    pub watched_seconds: u64,
    /// Share of it without an outage that was not planned, in percent; none where nothing was watched.
    pub available_percent: Option<f64>,
    /// Outages that touch the time.
    pub outages: usize,
    /// How long they were, as far as they were planned.
    pub planned_seconds: u64,
    /// And as far as they were not.
    pub unplanned_seconds: u64,
}

/// What came of questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
    /// Questions that were sent, probes among them.
    pub asked: u64,
    /// Probes.
    pub probes: u64,
    /// Those that were answered at all.
    pub answered: u64,
    /// The same as a share, in percent; none where nothing was asked.
    pub answered_percent: Option<f64>,
    /// Time to an answer, in milliseconds, exact to an eighth upwards.
    pub took_ms: Took,
    /// What they came to.
    pub outcomes: Counts,
    /// Why they were not answered, by cause.
    pub failures: Counts,
    /// Questions that the limits did not let through, by reason.
    pub not_sent: Counts,
    /// Share of answers that broke their contract, in percent.
    pub invalid_data_percent: Option<f64>,
    /// Fields that no contract knows, dropped.
    pub undeclared_fields: u64,
}

/// Percentiles of the time to an answer; none where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Took {
    /// Half of the answers were there by then.
    pub p50: Option<u64>,
    /// 95 of a hundred.
    pub p95: Option<u64>,
    /// 99 of a hundred.
    pub p99: Option<u64>,
}

/// What a service does not hold electronically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotHeld {
    /// The provider's code.
    pub provider: String,
    /// The service's own name.
    pub service: String,
    /// Questions that were sent.
    pub asked: u64,
    /// `NOT_HELD_ELECTRONICALLY`.
    pub not_held_electronically: u64,
    /// `NOT_FOUND` where that proves nothing: the record may be on paper.
    pub absence_unknown: u64,
}

/// What scores are made from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The month, as far as it was watched over at all.
    pub span: Span,
    /// The register.
    pub register: &'a Register,
    /// The sums of the month.
    pub sums: &'a [Sum],
    /// The present moment.
    pub now: Timestamp,
}

impl Ground<'_> {
    /// The score-card of a source with these planned windows.
    #[must_use]
    pub fn score(&self, source: &Source, windows: &[PlannedWindow]) -> Score {
        let of_source = self.sums.iter().filter(|sum| sum.provider == source.provider && sum.instance == source.instance);
        let (mut all, mut services) = (Counts::new(), BTreeMap::<String, Counts>::new());
        for sum in of_source {
            add(&mut all, &sum.counts);
            add(services.entry(sum.service.clone()).or_default(), &sum.counts);
        }
        let time = self.time(|outage| outage.source.as_ref() == Some(source), windows, &self.own());
        let services = services.into_iter().map(|(name, counts)| (name, Work::of(&counts))).collect();
        Score { source: source.clone(), time, work: Work::of(&all), services }
    }

    /// How much of the time the gateway itself was there.
    #[must_use]
    pub fn gateway(&self) -> Time {
        self.time(|outage| outage.source.is_none(), &[], &[])
    }

    /// Every source that was asked or out, besides `known`.
    #[must_use]
    pub fn sources(&self, known: impl IntoIterator<Item = Source>) -> Vec<Source> {
        let asked = self.sums.iter().map(|sum| Source { provider: sum.provider.clone(), instance: sum.instance.clone() });
        let out = self.register.outages().iter().filter(|outage| self.part(outage).is_some()).filter_map(|outage| outage.source.clone());
        let mut all: Vec<Source> = known.into_iter().chain(asked).chain(out).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What is not held electronically, by provider and service; services that held everything are left out.
    #[must_use]
    pub fn not_held(&self) -> Vec<NotHeld> {
        let mut services: BTreeMap<(String, String), Counts> = BTreeMap::new();
        for sum in self.sums {
            add(services.entry((sum.provider.clone(), sum.service.clone())).or_default(), &sum.counts);
        }
        let of = |((provider, service), counts): ((String, String), Counts)| {
            let count = |name: &str| counts.get(name).copied().unwrap_or(0);
            let not_held_electronically = count(&format!("{OUTCOME}{}", Outcome::NotHeldElectronically));
            let absence_unknown = count(UNKNOWN);
            let asked = count(ASKED);
            (not_held_electronically + absence_unknown > 0).then_some(NotHeld {
                provider,
                service,
                asked,
                not_held_electronically,
                absence_unknown,
            })
        };
        services.into_iter().filter_map(of).collect()
    }

    /// When the gateway did not run.
    fn own(&self) -> Vec<Span> {
        self.register.outages().iter().filter(|outage| outage.source.is_none()).filter_map(|outage| self.part(outage)).collect()
    }

    /// The part of an outage that lies in the time.
    fn part(&self, outage: &Outage) -> Option<Span> {
        let span = outage.span(self.now);
        let part = Span { from: span.from.max(self.span.from), until: span.until.min(self.span.until) };
        (part.from < part.until || (span.from >= self.span.from && span.from < self.span.until)).then_some(part)
    }

    fn time(&self, of: impl Fn(&Outage) -> bool, windows: &[PlannedWindow], not_watched: &[Span]) -> Time {
        let watched_seconds = seconds_of(self.span).saturating_sub(not_watched.iter().copied().map(seconds_of).sum());
        let (mut outages, mut planned_seconds, mut unplanned_seconds) = (0, 0, 0);
        for outage in self.register.outages().iter().filter(|outage| of(outage)) {
            let Some(part) = self.part(outage) else { continue };
            outages += 1;
            let (whole, seconds) = (outage.span(self.now), seconds_of(part));
            let by_plan = match outage.planned_seconds {
                // As it was when it ended.
                Some(by_plan) if part == whole => by_plan.min(seconds),
                // The gateway's own is planned as a whole or not at all.
                Some(by_plan) if outage.source.is_none() => by_plan.min(seconds),
                Some(_) | None => u64::try_from(planned(windows, part).as_secs()).unwrap_or(0).min(seconds),
            };
            // What was not watched over says nothing for or against a source.
            let hidden: u64 = not_watched.iter().map(|own| overlap(part, *own)).sum();
            planned_seconds += by_plan;
            unplanned_seconds += (seconds - by_plan).saturating_sub(hidden);
        }
        let there = watched_seconds.saturating_sub(unplanned_seconds);
        Time { watched_seconds, available_percent: percent(there, watched_seconds), outages, planned_seconds, unplanned_seconds }
    }
}

impl Work {
    fn of(counts: &Counts) -> Self {
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let named = |prefix: &str| -> Counts {
            counts.iter().filter_map(|(name, count)| Some((name.strip_prefix(prefix)?.to_owned(), *count))).collect()
        };
        let (asked, failures, outcomes) = (count(ASKED), named(FAILED), named(OUTCOME));
        let answered = asked.saturating_sub(failures.values().sum());
        let invalid = outcomes.get(Outcome::InvalidData.as_str()).copied().unwrap_or(0);
        Self {
            asked,
            probes: count(PROBES),
            answered,
            answered_percent: percent(answered, asked),
            took_ms: Took::of(&named(TOOK)),
            invalid_data_percent: percent(invalid, asked),
            outcomes,
            failures,
            not_sent: named(NOT_SENT),
            undeclared_fields: count(UNDECLARED),
        }
    }
}

impl Took {
    fn of(steps: &Counts) -> Self {
        let mut sorted: Vec<(u64, u64)> = steps.iter().filter_map(|(step, count)| Some((step.parse().ok()?, *count))).collect();
        sorted.sort_unstable();
        let all: u64 = sorted.iter().map(|(_, count)| count).sum();
        let at = |percent: u64| {
            // The smallest step by which so many of a hundred were there.
            let wanted = all.saturating_mul(percent).div_ceil(100);
            let mut so_far = 0;
            let step = sorted.iter().find(|(_, count)| {
                so_far += count;
                so_far >= wanted
            });
            step.map(|(step, _)| step_ms(*step))
        };
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

fn add(all: &mut Counts, more: &Counts) {
    for (name, count) in more {
        *all.entry(name.clone()).or_default() += count;
    }
}

fn overlap(a: Span, b: Span) -> u64 {
    let part = Span { from: a.from.max(b.from), until: a.until.min(b.until) };
    if part.from < part.until { seconds_of(part) } else { 0 }
}

/// A share in percent, to three digits behind the point, rounded down so that only all of it is a hundred.
fn percent(part: u64, whole: u64) -> Option<f64> {
    let thousandths = (u128::from(part) * 100_000).checked_div(u128::from(whole))?;
    Some(f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use model::contract::Bilingual;
    use model::window::{Effect as WindowEffect, Recurs};
    use uuid::Uuid;

    use super::*;
    use crate::record::Kind;
    use crate::watch::Effect;
    use crate::watch::register::{By, CRASHED, Closed, Down, Entry, Opened, Origin, STOPPED};

    /// Midnight in Baku, and hours behind it.
    fn at(hours: i64) -> Timestamp {
        let midnight: Timestamp = "2026-03-01T00:00:00+04:00".parse().expect("a moment");
        midnight + jiff::SignedDuration::from_hours(hours)
    }

    fn taxes() -> Source {
        Source { provider: "taxes".to_owned(), instance: "taxes".to_owned() }
    }

    fn entry() -> Entry {
        Entry { origin: "node.test.2026h1".to_owned(), index: 1 }
    }

    fn take(register: &mut Register, kind: Kind, metadata: &impl Serialize) {
        register.take(kind.number(), &serde_json::to_vec(metadata).expect("JSON"), entry());
    }

    fn outage(register: &mut Register, id: u128, from: i64, until: Option<i64>, planned_hours: u64) {
        let outage = Uuid::from_u128(id);
        let (cause, origin, by) = ("deadline".to_owned(), Origin::Provider, By::Traffic);
        let opened = Opened { outage, source: taxes(), began_at: at(from), cause, origin, by, window: None };
        take(register, Kind::OutageOpened, &opened);
        if let Some(until) = until {
            let (ended_at, planned_seconds) = (at(until), planned_hours * 3_600);
            take(register, Kind::OutageClosed, &Closed { outage, source: taxes(), ended_at, planned_seconds, effect: Effect::default() });
        }
    }

    fn down(register: &mut Register, id: u128, from: i64, until: i64, cause: &str) {
        let (outage, cause) = (Uuid::from_u128(id), cause.to_owned());
        take(register, Kind::GatewayDown, &Down { outage, began_at: at(from), ended_at: at(until), cause, questions_cut_off: 0 });
    }

    fn sum(service: &str, counts: &[(&str, u64)]) -> Sum {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let Source { provider, instance } = taxes();
        Sum { hour: 0, provider, instance, service: service.to_owned(), counts }
    }

    fn hours(seconds: u64) -> u64 {
        assert_eq!(seconds % 3_600, 0);
        seconds / 3_600
    }

    // clause: 634/6.2.3
    #[test]
    fn planned_time_does_not_count_against_a_source_and_unwatched_time_does_not_count_at_all() {
        let mut register = Register::default();
        outage(&mut register, 1, 10, Some(14), 1);
        down(&mut register, 2, 20, 30, CRASHED);
        // Before the month, out of it, and for as long as the gateway itself did not run.
        outage(&mut register, 3, -5, Some(-1), 0);
        outage(&mut register, 4, 25, Some(32), 0);
        let ground = Ground { span: Span { from: at(0), until: at(100) }, register: &register, sums: &[], now: at(100) };
        let time = ground.score(&taxes(), &[]).time;
        assert_eq!((hours(time.watched_seconds), time.outages), (90, 2));
        assert_eq!((hours(time.planned_seconds), hours(time.unplanned_seconds)), (1, 5));
        assert_eq!(time.available_percent, Some(94.444));
        let own = ground.gateway();
        assert_eq!((hours(own.unplanned_seconds), own.available_percent), (10, Some(90.0)));
    }

    #[test]
    fn an_outage_that_goes_over_a_months_end_counts_in_both_with_its_part() {
        let mut register = Register::default();
        outage(&mut register, 1, 90, Some(130), 0);
        outage(&mut register, 2, 190, None, 0);
        let nightly = PlannedWindow {
            on: Recurs::Daily,
            from: 0,
            to: 60,
            effect: WindowEffect::Down,
            reason: Bilingual { az: "Gecə".to_owned(), en: "Night".to_owned() },
        };
        let of = |from, until| {
            let ground = Ground { span: Span { from: at(from), until: at(until) }, register: &register, sums: &[], now: at(200) };
            let time = ground.score(&taxes(), std::slice::from_ref(&nightly)).time;
            (hours(time.planned_seconds), hours(time.unplanned_seconds))
        };
        // Hour 96 is a midnight, and so is 120.
        assert_eq!((of(0, 100), of(100, 150)), ((1, 9), (1, 29)));
        assert_eq!(of(150, 200), (1, 9), "one that lasts, with a midnight at 192");
    }

    #[test]
    fn a_stop_that_was_told_is_planned() {
        let mut register = Register::default();
        down(&mut register, 1, 10, 12, STOPPED);
        let ground = Ground { span: Span { from: at(0), until: at(100) }, register: &register, sums: &[], now: at(100) };
        let own = ground.gateway();
        assert_eq!((hours(own.planned_seconds), own.unplanned_seconds, own.available_percent), (2, 0, Some(100.0)));
    }

    #[test]
    fn the_card_says_what_answers_were_worth() {
        let sums = [
            sum("income", &[("asked", 90), ("outcome.FOUND", 85), ("outcome.INVALID_DATA", 1), ("failed.deadline", 4), ("took.5", 86)]),
            sum("income", &[("asked", 10), ("outcome.FOUND", 10), ("took.100", 10), ("undeclared", 3), ("not-sent.suspended", 2)]),
            sum("status", &[("asked", 10), ("outcome.NOT_FOUND", 6), ("unknown", 4), ("probes", 2), ("took.5", 10)]),
            sum("status", &[("outcome.NOT_HELD_ELECTRONICALLY", 4)]),
        ];
        let register = Register::default();
        let ground = Ground { span: Span { from: at(0), until: at(100) }, register: &register, sums: &sums, now: at(100) };
        let score = ground.score(&taxes(), &[]);
        let income = &score.services["income"];
        assert_eq!((income.asked, income.answered, income.answered_percent), (100, 96, Some(96.0)));
        assert_eq!((income.invalid_data_percent, income.undeclared_fields, income.not_sent["suspended"]), (Some(1.0), 3, 2));
        assert_eq!(income.took_ms, Took { p50: Some(5), p95: Some(step_ms(100)), p99: Some(step_ms(100)) });
        assert_eq!((score.work.asked, score.work.probes, score.work.took_ms.p50), (110, 2, Some(5)));
        assert_eq!(score.time.available_percent, Some(100.0));
        let not_held = NotHeld {
            provider: "taxes".to_owned(),
            service: "status".to_owned(),
            asked: 10,
            not_held_electronically: 4,
            absence_unknown: 4,
        };
        assert_eq!(ground.not_held(), [not_held]);
        assert_eq!(ground.sources([]), [taxes()]);
    }

    #[test]
    fn of_nothing_there_is_no_share() {
        let register = Register::default();
        let ground = Ground { span: Span { from: at(5), until: at(5) }, register: &register, sums: &[], now: at(5) };
        let score = ground.score(&taxes(), &[]);
        assert_eq!((score.time.available_percent, score.work.answered_percent, score.work.took_ms.p50), (None, None, None));
        assert_eq!(percent(999_999, 1_000_000), Some(99.999), "never rounded up to all");
    }
}
