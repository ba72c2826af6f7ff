use proptest::prelude::*;

use super::*;

fn options() -> BreakerOptions {
    BreakerOptions {
        window: Duration::from_secs(10),
        calls_min: 4,
        failed_percent: 50,
        slow_percent: 75,
        slow_after: Duration::from_secs(1),
        open_for: Duration::from_secs(2),
        open_for_max: Duration::from_secs(7),
        probes_max: 2,
        probes_good: 3,
    }
}

const QUICK: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_secs(1);

fn go(breaker: &mut Breaker, ok: bool, took: Duration, now: Instant) {
    let ticket = breaker.admit(now).expect("it lets calls through");
    breaker.record(ticket, ok, took, now);
}

/// A breaker that has just opened.
fn opened(start: Instant) -> Breaker {
    let mut breaker = Breaker::new(options(), start);
    for _ in 0..4 {
        go(&mut breaker, false, QUICK, start);
    }
    assert_eq!(breaker.state(start), State::Open);
    breaker
}

#[test]
fn it_opens_on_failures_and_on_slowness_but_not_on_few_calls() {
    let start = Instant::now();
    let check = |calls: &[(bool, Duration)], expected: State| {
        let mut breaker = Breaker::new(options(), start);
        for (ok, took) in calls {
            go(&mut breaker, *ok, *took, start);
        }
        assert_eq!(breaker.state(start), expected, "{calls:?}");
    };
    check(&[(false, QUICK); 3], State::Closed);
    check(&[(false, QUICK); 4], State::Open);
    check(&[(true, QUICK), (true, QUICK), (false, QUICK), (false, QUICK)], State::Open);
    check(&[(true, QUICK), (true, QUICK), (true, QUICK), (false, QUICK)], State::Closed);
    check(&[(true, QUICK), (true, SLOW), (true, SLOW), (true, SLOW)], State::Open);
    check(&[(true, QUICK), (true, QUICK), (true, SLOW), (true, SLOW)], State::Closed);
    check(&[(true, QUICK); 50], State::Closed);
}

#[test]
fn what_is_out_of_the_window_is_forgotten() {
    let start = Instant::now();
    let mut breaker = Breaker::new(options(), start);
    for _ in 0..3 {
        go(&mut breaker, false, QUICK, start);
    }
    go(&mut breaker, false, QUICK, start + Duration::from_secs(10));
    assert_eq!(breaker.state(start + Duration::from_secs(10)), State::Closed);
}

#[test]
fn open_times_double_up_to_the_cap_and_start_anew_after_closing() {
    let start = Instant::now();
    let mut breaker = opened(start);
    let mut now = start;
    for expected in [2, 4, 7, 7] {
        let wait = breaker.ready(now).expect_err("it is open");
        assert_eq!(wait, Duration::from_secs(expected));
        assert!(breaker.admit(now + wait - Duration::from_nanos(1)).is_err());
        now += wait;
        assert_eq!(breaker.state(now), State::HalfOpen);
        go(&mut breaker, false, QUICK, now);
    }
    now += Duration::from_secs(7);
    for _ in 0..3 {
        go(&mut breaker, true, QUICK, now);
    }
    assert_eq!(breaker.state(now), State::Closed);
    for _ in 0..4 {
        go(&mut breaker, false, QUICK, now);
    }
    assert_eq!(breaker.ready(now), Err(Duration::from_secs(2)));
}

#[test]
fn a_slow_probe_is_a_bad_one() {
    let start = Instant::now();
    let mut breaker = opened(start);
    let later = start + Duration::from_secs(2);
    go(&mut breaker, true, SLOW, later);
    assert_eq!(breaker.state(later), State::Open);
}

#[test]
fn probes_that_hang_keep_their_places_over_a_reopening() {
    let start = Instant::now();
    let mut breaker = opened(start);
    let later = start + Duration::from_secs(2);
    let hung = breaker.admit(later).expect("a place");
    go(&mut breaker, false, QUICK, later);
    let again = later + Duration::from_secs(4);
    let second = breaker.admit(again).expect("the other place");
    assert_eq!(breaker.ready(again), Err(PROBE_WAIT));
    // It says nothing about the provider of today.
    breaker.record(hung, false, SLOW, again);
    assert_eq!(breaker.state(again), State::HalfOpen);
    assert!(breaker.ready(again).is_ok());
    breaker.cancel(second);
}

/// The same law, written down as plainly as possible: all that was ever reported is kept.
struct Naive {
    options: BreakerOptions,
    start: Instant,
    reports: Vec<(Instant, bool, Duration)>,
    open_until: Option<Instant>,
    half_open: Option<u32>,
    open_for: Duration,
    generation: u32,
}

impl Naive {
    fn new(options: BreakerOptions, start: Instant) -> Self {
        Self { options, start, reports: Vec::new(), open_until: None, half_open: None, open_for: options.open_for, generation: 0 }
    }

    fn tenth(&self, moment: Instant) -> u128 {
        (moment - self.start).as_nanos() * 10 / self.options.window.as_nanos()
    }

    fn admits(&mut self, now: Instant, probes: usize) -> bool {
        let free = probes < 2;
        match (self.open_until, self.half_open) {
            (Some(until), _) if now < until || !free => false,
            (Some(_), _) => {
                self.open_until = None;
                self.half_open = Some(0);
                self.generation += 1;
                true
            }
            (None, Some(_)) => free,
            (None, None) => true,
        }
    }

    fn report(&mut self, generation: u32, now: Instant, ok: bool, took: Duration) {
        if generation != self.generation {
            return;
        }
        let slow = took >= self.options.slow_after;
        if let Some(good) = self.half_open {
            if !ok || slow {
                self.open_for = (self.open_for * 2).min(self.options.open_for_max);
                self.opens(now);
            } else if good + 1 == self.options.probes_good {
                self.half_open = None;
                self.open_for = self.options.open_for;
                self.reports.clear();
                self.start = now;
                self.generation += 1;
            } else {
                self.half_open = Some(good + 1);
            }
            return;
        }
        self.reports.push((now, ok, took));
        let recent: Vec<_> = self.reports.iter().filter(|(at, ..)| self.tenth(*at) + 10 > self.tenth(now)).collect();
        let failed = recent.iter().filter(|(_, ok, _)| !ok).count();
        let slow = recent.iter().filter(|(.., took)| *took >= self.options.slow_after).count();
        if recent.len() >= 4 && (failed * 2 >= recent.len() || slow * 4 >= recent.len() * 3) {
            self.opens(now);
        }
    }

    fn opens(&mut self, now: Instant) {
        self.half_open = None;
        self.open_until = Some(now + self.open_for);
        self.generation += 1;
    }
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Call,
    End { which: usize, ok: bool, slow: bool },
    Drop { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = |odds: f64| (0_usize..8, prop::bool::weighted(odds), prop::bool::weighted(0.3));
    let step = prop_oneof![
        2 => (0_u64..3_000).prop_map(Step::Wait),
        6 => Just(Step::Call),
        3 => end(0.9).prop_map(|(which, ok, slow)| Step::End { which, ok, slow }),
        2 => end(0.1).prop_map(|(which, ok, slow)| Step::End { which, ok, slow }),
        1 => (0_usize..8).prop_map(|which| Step::Drop { which }),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    /// In any order of calls, ends and drops it does what the naive one does: opens exactly when the rates
    /// of the window are over the thresholds with enough calls, keeps probes bounded, leaks no place.
    #[test]
    fn it_does_what_the_law_says(steps in steps()) {
        let start = Instant::now();
        let mut now = start;
        let mut breaker = Breaker::new(options(), start);
        let mut naive = Naive::new(options(), start);
        let mut under_way: Vec<(Ticket, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Call => {
                    let probes = under_way.iter().filter(|(ticket, _)| ticket.probe).count();
                    let expected = naive.admits(now, probes);
                    prop_assert_eq!(breaker.ready(now).is_ok(), expected);
                    let admitted = breaker.admit(now);
                    prop_assert_eq!(admitted.is_ok(), expected);
                    under_way.extend(admitted.ok().map(|ticket| (ticket, naive.generation)));
                }
                Step::End { which, ok, slow } if which < under_way.len() => {
                    let (ticket, generation) = under_way.swap_remove(which);
                    let took = if slow { SLOW } else { QUICK };
                    breaker.record(ticket, ok, took, now);
                    naive.report(generation, now, ok, took);
                }
                Step::Drop { which } if which < under_way.len() => {
                    breaker.cancel(under_way.swap_remove(which).0);
                }
                Step::End { .. } | Step::Drop { .. } => {}
            }
            let probes = under_way.iter().filter(|(ticket, _)| ticket.probe).count();
            prop_assert!(probes <= 2);
            prop_assert_eq!(usize::try_from(breaker.probes).expect("few"), probes);
            let expected = match (naive.open_until, naive.half_open) {
                (Some(until), _) if now < until => State::Open,
                (None, None) => State::Closed,
                (Some(_), _) | (None, Some(_)) => State::HalfOpen,
            };
            prop_assert_eq!(breaker.state(now), expected);
        }
        for (ticket, _) in under_way {
            breaker.cancel(ticket);
        }
        prop_assert_eq!(breaker.probes, 0);
    }
}
