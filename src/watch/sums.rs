//! What is counted of each service, hour by hour: how often it was asked, what came of it, how long it took. Codes of
//! contracts and numbers, nothing about anybody. Kept on the disk, so that a month can be judged after a restart.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use model::Outcome;
use store::{Counts, Sum};

use super::detector::Failure;
use super::register::Source;
use crate::limit::Refused;

/// Parts that each doubling of a time is divided into: a percentile is exact to an eighth.
const PARTS: u64 = 8;

/// Questions that were sent.
pub const ASKED: &str = "asked";
/// Those of them that were probes.
pub const PROBES: &str = "probes";
/// Fields that no contract knows, dropped.
pub const UNDECLARED: &str = "undeclared";
/// `NOT_FOUND` where that is no fact: the record may be on paper.
pub const UNKNOWN: &str = "unknown";
/// Begins the names of outcomes.
pub const OUTCOME: &str = "outcome.";
/// Begins the names of failures' causes.
pub const FAILED: &str = "failed.";
/// Begins the names of why a question was not sent.
pub const NOT_SENT: &str = "not-sent.";
/// Begins the names of steps of time.
pub const TOOK: &str = "took.";

/// What a question that was sent came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// The outcome.
    pub outcome: Outcome,
    /// Why there was no answer, where there was none.
    pub failure: Option<Failure>,
    /// Whether it is an absence that proves nothing.
    pub unknown: bool,
    /// How many undeclared fields were dropped.
    pub undeclared: u64,
}

/// Counts that are not on the disk yet.
#[derive(Debug, Default)]
pub struct Tally(HashMap<(i64, Source, String), Counts>);

impl Tally {
    /// Counts a question that was sent.
    pub fn sent(&mut self, source: &Source, service: &str, at: Timestamp, took: Duration, probe: bool, came: &Came) {
        let counts = self.counts(source, service, at);
        let mut count = |name: String, more: u64| {
            if more > 0 {
                *counts.entry(name).or_default() += more;
            }
        };
        count(ASKED.to_owned(), 1);
        count(PROBES.to_owned(), u64::from(probe));
        count(format!("{OUTCOME}{}", came.outcome), 1);
        count(UNKNOWN.to_owned(), u64::from(came.unknown));
        count(UNDECLARED.to_owned(), came.undeclared);
        match came.failure {
            Some(failure) => count(format!("{FAILED}{}", failure.cause), 1),
            // How long one waited in vain says how long one is ready to wait.
            None => count(format!("{TOOK}{}", step_of(took)), 1),
        }
    }

    /// Counts a question that the limits did not let through.
    pub fn not_sent(&mut self, source: &Source, service: &str, at: Timestamp, refused: &Refused) {
        *self.counts(source, service, at).entry(format!("{NOT_SENT}{}", refused.code())).or_default() += 1;
    }

    fn counts(&mut self, source: &Source, service: &str, at: Timestamp) -> &mut Counts {
        self.0.entry((hour_of(at), source.clone(), service.to_owned())).or_default()
    }

    /// Takes out what there is.
    pub fn drain(&mut self) -> Vec<Sum> {
        let sum = |((hour, source, service), counts): ((i64, Source, String), Counts)| {
            let Source { provider, instance } = source;
            Sum { hour, provider, instance, service, counts }
        };
        self.0.drain().map(sum).collect()
    }

    /// Puts back what could not be kept.
    pub fn put_back(&mut self, sums: Vec<Sum>) {
        for Sum { hour, provider, instance, service, counts } in sums {
            let all = self.0.entry((hour, Source { provider, instance }, service)).or_default();
            for (name, count) in counts {
                *all.entry(name).or_default() += count;
            }
        }
    }
}

/// Hours since 1970; Baku's begin with them, for its offset has no minutes.
#[must_use]
pub fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3_600)
}

/// The step of time that a duration lies in.
fn step_of(took: Duration) -> u64 {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if ms < PARTS {
        return ms;
    }
    let doublings = u64::from(ms.ilog2()) - 3;
    PARTS + doublings * PARTS + ((ms >> doublings) & (PARTS - 1))
}

/// The longest time of a step, in milliseconds.
#[must_use]
pub fn step_ms(step: u64) -> u64 {
    let Some(above) = step.checked_sub(PARTS) else { return step };
    let (doublings, part) = (above / PARTS, above % PARTS);
    let scale = u32::try_from(doublings).ok().and_then(|doublings| 1_u64.checked_shl(doublings));
    scale.and_then(|scale| (PARTS + part + 1).checked_mul(scale)).map_or(u64::MAX, |end| end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_lies_in_a_step_that_is_at_most_an_eighth_longer() {
        let mut last = 0;
        for ms in (0..10_000).chain((10_000..100_000_000).step_by(9_973)) {
            let step = step_of(Duration::from_millis(ms));
            let end = step_ms(step);
            assert!(end >= ms && (end - ms) * PARTS <= ms.max(1) * 2, "{ms} is in step {step}, which ends at {end}");
            assert!(step >= last, "{ms}");
            last = step;
        }
        assert_eq!([0, 7, 8, 15, 16, 17, 18].map(|ms| step_of(Duration::from_millis(ms))), [0, 7, 8, 15, 16, 16, 17]);
        assert!(step_ms(step_of(Duration::MAX)) > 1 << 60);
    }

    #[test]
    fn what_could_not_be_kept_is_counted_with_what_came_since() {
        let source = Source { provider: "taxes".to_owned(), instance: "taxes".to_owned() };
        let now = Timestamp::from_second(7_200).expect("a moment");
        let came = Came { outcome: Outcome::Found, failure: None, unknown: false, undeclared: 2 };
        let mut tally = Tally::default();
        tally.sent(&source, "income", now, Duration::from_millis(5), false, &came);
        let kept = tally.drain();
        tally.sent(&source, "income", now, Duration::from_millis(5), true, &came);
        tally.put_back(kept);
        let [sum] = &tally.drain()[..] else { panic!("one service") };
        let counts: Vec<(&str, u64)> = sum.counts.iter().map(|(name, count)| (&**name, *count)).collect();
        assert_eq!(counts, [("asked", 2), ("outcome.FOUND", 2), ("probes", 1), ("took.5", 2), ("undeclared", 4)]);
        assert_eq!(sum.hour, 2);
    }
}
