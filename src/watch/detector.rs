//! When an outage begins and ends, found out from what questions to one instance come to. Pure: it is told moments.
//!
//! ```text
//!                 failures in a row, and for a while                     answers in a row
//!   Up ─ failure ─> Failing ──────────────────────────> Down ─ answer ─> Recovering ──────────> Up
//!   ^                 │                                  ^                  │
//!   └──── answer ─────┘                                  └──── failure ─────┘
//! ```
//!
//! An outage begins when the first question that failed was sent, not when that was found out, and ends with the first
//! of the answers that end it. One time-out, or a burst of failures of one moment, is none. What a source says about
//! itself counts for nothing here but as the failure of a question.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limit::State;

/// Most dossiers of one outage that are told apart; beyond, their number is that.
const DOSSIERS_MAX: usize = 10_000;

/// When failures make an outage, and answers end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensitivity {
    /// Failures in a row; default 3, at least 1.
    pub failures_min: u32,
    /// Least time from the first failure to the outage; default 2 s. What is shorter is none.
    pub lasting: SignedDuration,
    /// Longest time between two failures of one row; default 10 min.
    pub failures_within: SignedDuration,
    /// Answers in a row that end an outage; default 2, at least 1.
    pub answers_min: u32,
    /// Time without a failure after which one answer is enough; default 30 s.
    pub quiet: SignedDuration,
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self {
            failures_min: 3,
            lasting: SignedDuration::from_secs(2),
            failures_within: SignedDuration::from_mins(10),
            answers_min: 2,
            quiet: SignedDuration::from_secs(30),
        }
    }
}

/// How a question to an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was answered or given up.
    pub ended_at: Timestamp,
    /// Why it was not answered; none where it was.
    pub failure: Option<Failure>,
    /// Whether it was a probe, whose failure nobody feels.
    pub probe: bool,
    /// The dossier that it was asked for.
    pub dossier: Option<Uuid>,
}

/// Why a question was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// A code of `call::code`, [`OUT_OF_ORDER`] or [`SLOW`].
    pub cause: &'static str,
    /// Whether it was the way to the source rather than the source.
    pub route: bool,
}

/// The source answered that it is out of order.
pub const OUT_OF_ORDER: &str = "out-of-order";
/// It answered so late, and so often, that its breaker opened.
pub const SLOW: &str = "slow";

/// What an outage cost those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effect {
    /// Questions that were not answered, those included that were not sent because the breaker was open.
    pub questions_not_answered: u64,
    /// Dossiers that wait, or waited, for one of them.
    pub dossiers_held: u64,
}

/// A change that is due, to be journalled before it is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// An outage began.
    Begins {
        /// When the first question that failed was sent.
        began_at: Timestamp,
        /// Why that failed.
        failure: Failure,
        /// Whether only probes have met it.
        by_probe: bool,
    },
    /// It is over.
    Ends {
        /// When it was answered again.
        ended_at: Timestamp,
    },
}

/// How an instance stands, in one word for consumers and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers, as far as is known.
    Up,
    /// Its last questions failed, or its breaker lets few through.
    Degraded,
    /// It is out.
    Down,
}

impl Health {
    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// The watcher of one instance.
#[derive(Debug)]
pub struct Detector {
    sensitivity: Sensitivity,
    /// Whether an outage is in the register.
    down: bool,
    failing: Option<Failing>,
    answering: Option<Answering>,
    last_failure: Option<(Failure, Timestamp)>,
    last_answer: Option<Timestamp>,
    errors: u64,
    effect: Effect,
    dossiers: HashSet<Uuid>,
}

/// Failures in a row.
#[derive(Debug)]
struct Failing {
    first: Failure,
    began_at: Timestamp,
    known_at: Timestamp,
    last_at: Timestamp,
    count: u32,
    by_probe: bool,
}

/// Answers in a row.
#[derive(Debug)]
struct Answering {
    first_at: Timestamp,
    count: u32,
}

impl Detector {
    /// One that knows nothing but whether an outage is open, what that has cost so far, and the last answer.
    #[must_use]
    pub fn new(sensitivity: Sensitivity, open: Option<Effect>, last_answer: Option<Timestamp>) -> Self {
        Self {
            sensitivity,
            down: open.is_some(),
            failing: None,
            answering: None,
            last_failure: None,
            last_answer,
            errors: 0,
            effect: open.unwrap_or_default(),
            dossiers: HashSet::new(),
        }
    }

    /// Takes note of how a question ended.
    pub fn saw(&mut self, seen: &Seen) {
        match seen.failure {
            Some(failure) => self.failed(seen, failure),
            None => self.answered(seen),
        }
    }

    fn failed(&mut self, seen: &Seen, failure: Failure) {
        self.errors += 1;
        self.last_failure = Some((failure, seen.sent_at));
        // Recovering => Down.
        self.answering = None;
        if !seen.probe {
            self.felt(seen.dossier);
        }
        let within = self.sensitivity.failures_within;
        match &mut self.failing {
            // Up => Failing, or a failure so long ago that it has nothing to do with this one.
            None => self.failing = Some(Failing::of(seen, failure)),
            Some(failing) if seen.ended_at.duration_since(failing.last_at) > within && !self.down => {
                self.failing = Some(Failing::of(seen, failure));
            }
            Some(failing) => {
                failing.began_at = failing.began_at.min(seen.sent_at);
                failing.last_at = failing.last_at.max(seen.ended_at);
                failing.count = failing.count.saturating_add(1);
                failing.by_probe &= seen.probe;
            }
        }
    }

    fn answered(&mut self, seen: &Seen) {
        self.last_answer = self.last_answer.max(Some(seen.ended_at));
        self.failing = None;
        if self.down {
            // Down => Recovering.
            let answering = self.answering.get_or_insert(Answering { first_at: seen.ended_at, count: 0 });
            answering.count = answering.count.saturating_add(1);
        } else {
            // Failing => Up: what failed in between was no outage.
            self.forget_effect();
        }
    }

    /// A question was not sent, because the breaker is open.
    pub fn turned_away(&mut self, dossier: Option<Uuid>) {
        self.felt(dossier);
    }

    fn felt(&mut self, dossier: Option<Uuid>) {
        self.effect.questions_not_answered += 1;
        if let Some(dossier) = dossier
            && self.dossiers.len() < DOSSIERS_MAX
            && self.dossiers.insert(dossier)
        {
            self.effect.dossiers_held += 1;
        }
    }

    fn forget_effect(&mut self) {
        self.effect = Effect::default();
        self.dossiers.clear();
    }

    /// The change that is due at a moment, with where the breaker stands then.
    #[must_use]
    pub fn due(&self, now: Timestamp, breaker: State) -> Option<Due> {
        let Sensitivity { failures_min, lasting, answers_min, quiet, .. } = self.sensitivity;
        if self.down {
            let answering = self.answering.as_ref()?;
            let enough = answering.count >= answers_min.max(1) || now.duration_since(answering.first_at) >= quiet;
            return (enough && breaker == State::Closed).then_some(Due::Ends { ended_at: answering.first_at });
        }
        match (&self.failing, breaker) {
            (Some(failing), breaker) => {
                let lasts = failing.count >= failures_min.max(1) && now.duration_since(failing.known_at) >= lasting;
                let began = Due::Begins { began_at: failing.began_at, failure: failing.first, by_probe: failing.by_probe };
                (lasts || breaker == State::Open).then_some(began)
            }
            // Failures and answers in turn, or answers that are all late: the breaker has judged, not we.
            (None, State::Open) => {
                let (failure, began_at) =
                    self.last_failure.unwrap_or((Failure { cause: SLOW, route: false }, self.last_answer.unwrap_or(now)));
                Some(Due::Begins { began_at, failure, by_probe: false })
            }
            (None, State::Closed | State::HalfOpen) => None,
        }
    }

    /// Takes a change over that has been journalled.
    pub fn take(&mut self, due: &Due) {
        match due {
            Due::Begins { .. } => {
                self.down = true;
                self.answering = None;
            }
            Due::Ends { .. } => {
                self.down = false;
                self.answering = None;
                self.forget_effect();
            }
        }
    }

    /// What the outage, or the failures that may become one, have cost so far.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// How it stands.
    #[must_use]
    pub fn health(&self, breaker: State) -> Health {
        match (self.down, &self.failing, breaker) {
            (true, _, _) => Health::Down,
            (false, None, State::Closed) => Health::Up,
            (false, Some(_), _) | (false, None, State::Open | State::HalfOpen) => Health::Degraded,
        }
    }

    /// When it last answered.
    #[must_use]
    pub fn last_answer(&self) -> Option<Timestamp> {
        self.last_answer
    }

    /// Questions that failed since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }
}

impl Failing {
    fn of(seen: &Seen, failure: Failure) -> Self {
        Self { first: failure, began_at: seen.sent_at, known_at: seen.ended_at, last_at: seen.ended_at, count: 1, by_probe: seen.probe }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Failure = Failure { cause: "deadline", route: false };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a moment")
    }

    fn seen(sent: i64, ended: i64, failure: Option<Failure>) -> Seen {
        Seen { sent_at: at(sent), ended_at: at(ended), failure, probe: false, dossier: None }
    }

    fn detector() -> Detector {
        Detector::new(Sensitivity::default(), None, None)
    }

    fn down_since_10() -> Detector {
        let mut detector = detector();
        for sent in [10, 11, 12] {
            detector.saw(&seen(sent, sent + 6, Some(DEADLINE)));
        }
        let due = detector.due(at(18), State::Closed).expect("an outage");
        assert_eq!(due, Due::Begins { began_at: at(10), failure: DEADLINE, by_probe: false });
        detector.take(&due);
        detector
    }

    #[test]
    fn an_outage_begins_when_its_first_failure_was_sent_and_ends_with_its_first_answer() {
        let mut detector = down_since_10();
        assert_eq!((detector.due(at(100), State::Closed), detector.health(State::Closed)), (None, Health::Down));
        detector.saw(&seen(100, 101, None));
        assert_eq!(detector.due(at(101), State::Closed), None, "one answer may be luck");
        detector.saw(&seen(102, 103, None));
        assert_eq!(detector.due(at(103), State::HalfOpen), None, "the breaker lets few through");
        let due = detector.due(at(104), State::Closed).expect("the end");
        assert_eq!(due, Due::Ends { ended_at: at(101) });
        detector.take(&due);
        assert_eq!((detector.due(at(105), State::Closed), detector.health(State::Closed)), (None, Health::Up));
    }

    #[test]
    fn an_answer_between_failures_means_that_there_is_no_outage() {
        let mut detector = detector();
        for moment in (0..100).step_by(3) {
            detector.saw(&seen(moment, moment + 1, Some(DEADLINE)));
            detector.saw(&seen(moment + 1, moment + 1, Some(DEADLINE)));
            assert_eq!((detector.due(at(moment + 60), State::Closed), detector.health(State::Closed)), (None, Health::Degraded));
            detector.saw(&seen(moment + 2, moment + 2, None));
            assert_eq!(detector.health(State::Closed), Health::Up);
        }
        assert_eq!(detector.errors(), 68);
    }

    #[test]
    fn failures_of_one_moment_are_none_until_they_last() {
        let mut detector = detector();
        (0..50).for_each(|_| detector.saw(&seen(10, 10, Some(DEADLINE))));
        assert_eq!(detector.due(at(11), State::Closed), None);
        assert!(detector.due(at(12), State::Closed).is_some());
        detector.saw(&seen(11, 11, None));
        assert_eq!(detector.due(at(12), State::Closed), None);
    }

    #[test]
    fn failures_far_apart_have_nothing_to_do_with_each_other() {
        let mut detector = detector();
        for minutes in [0, 11, 22, 33] {
            detector.saw(&seen(minutes * 60, minutes * 60 + 6, Some(DEADLINE)));
        }
        assert_eq!(detector.due(at(33 * 60 + 60), State::Closed), None);
    }

    #[test]
    fn one_answer_ends_an_outage_where_nothing_fails_behind_it() {
        let mut detector = down_since_10();
        detector.saw(&seen(100, 101, None));
        assert_eq!(detector.due(at(130), State::Closed), None);
        assert_eq!(detector.due(at(131), State::Closed), Some(Due::Ends { ended_at: at(101) }));
        detector.saw(&seen(105, 111, Some(DEADLINE)));
        assert_eq!(detector.due(at(200), State::Closed), None, "a failure takes it back");
    }

    #[test]
    fn an_open_breaker_is_an_outage_whatever_was_counted() {
        let mut mixed = detector();
        mixed.saw(&seen(10, 11, Some(DEADLINE)));
        mixed.saw(&seen(12, 13, None));
        let due = mixed.due(at(13), State::Open);
        assert_eq!(due, Some(Due::Begins { began_at: at(10), failure: DEADLINE, by_probe: false }));
        let mut slow = detector();
        slow.saw(&seen(10, 25, None));
        let failure = Failure { cause: SLOW, route: false };
        assert_eq!(slow.due(at(25), State::Open), Some(Due::Begins { began_at: at(25), failure, by_probe: false }));
    }

    #[test]
    fn the_effect_counts_questions_and_tells_dossiers_apart() {
        let mut detector = detector();
        let [one, two] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        for dossier in [Some(one), Some(one), None, Some(two)] {
            detector.saw(&Seen { dossier, ..seen(10, 11, Some(DEADLINE)) });
        }
        detector.saw(&Seen { probe: true, ..seen(10, 11, Some(DEADLINE)) });
        detector.turned_away(Some(one));
        assert_eq!(detector.effect(), Effect { questions_not_answered: 5, dossiers_held: 2 });
        detector.saw(&seen(12, 12, None));
        assert_eq!(detector.effect(), Effect::default(), "it was no outage");
    }

    #[test]
    fn an_outage_that_outlived_a_restart_goes_on_with_its_effect() {
        let effect = Effect { questions_not_answered: 7, dossiers_held: 1 };
        let mut detector = Detector::new(Sensitivity::default(), Some(effect), None);
        detector.saw(&seen(10, 16, Some(DEADLINE)));
        assert_eq!((detector.health(State::Closed), detector.effect().questions_not_answered), (Health::Down, 8));
        detector.saw(&seen(20, 20, None));
        detector.saw(&seen(21, 21, None));
        assert_eq!(detector.due(at(21), State::Closed), Some(Due::Ends { ended_at: at(20) }));
    }

    #[test]
    fn what_only_probes_met_says_so() {
        let mut detector = detector();
        for sent in [10, 12, 14] {
            detector.saw(&Seen { probe: true, ..seen(sent, sent, Some(DEADLINE)) });
        }
        assert!(matches!(detector.due(at(14), State::Closed), Some(Due::Begins { by_probe: true, .. })));
    }
}
