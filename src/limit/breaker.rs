//! A circuit breaker as a pure state machine over the moments it is told.
//!
//! ```text
//!            rates over thresholds                   time is up, a call asks
//!   Closed ───────────────────────────> Open ──────────────────────────────> HalfOpen
//!     ^                                  ^  a probe is bad: open twice as long   │ │
//!     │                                  └───────────────────────────────────────┘ │
//!     └──────────────────────────── enough probes are good ────────────────────────┘
//! ```
//!
//! It looks at failures *and* at slowness, over a sliding window of time with a least number of calls: a
//! registry that answers everything after half a minute is down as much as one that refuses.

use std::time::Duration;

use tokio::time::Instant;

/// The window slides in steps of this part of it, so it is exact to a tenth.
const BUCKETS: u64 = 10;
/// What is answered to one that finds all places of probes taken: a probe ends soon.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// When a provider instance is given a rest, and how it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Time looked back over; default 30 s. Slides in tenths.
    pub window: Duration,
    /// Least calls in the window before it can open; default 10. Below, a rate says little.
    pub calls_min: u32,
    /// Opens when at least so many of a hundred calls failed; default 50. Above 100: never for that reason.
    pub failed_percent: u32,
    /// Opens when at least so many of a hundred calls were slow; default 80. Above 100: never for that reason.
    pub slow_percent: u32,
    /// A call that took at least so long was slow, whether it went well or not; default 10 s.
    pub slow_after: Duration,
    /// How long it stays open the first time; default 5 s. Doubles with each bad probe.
    pub open_for: Duration,
    /// Longest time it stays open; default 60 s.
    pub open_for_max: Duration,
    /// Most probes under way at once while half-open; default 2, at least 1.
    pub probes_max: u32,
    /// Good probes, one bad one being too many, after which it closes; default 3, at least 1.
    pub probes_good: u32,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            calls_min: 10,
            failed_percent: 50,
            slow_percent: 80,
            slow_after: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
            open_for_max: Duration::from_secs(60),
            probes_max: 2,
            probes_good: 3,
        }
    }
}

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Calls go.
    Closed,
    /// No call goes.
    Open,
    /// A few calls go, to see whether it is better.
    HalfOpen,
}

impl State {
    /// The word of the catalogue and of the metrics' label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Where it stands; each change makes a new generation, and what calls of an older one report is no
/// longer of interest.
#[derive(Debug, Clone, Copy)]
enum Stand {
    Closed,
    Open { until: Instant },
    HalfOpen { good: u32 },
}

/// A call that was let through. It is given back exactly once: to `record` or `cancel`.
#[derive(Debug)]
#[must_use = "a place of a probe stays taken until the ticket is given back"]
pub(super) struct Ticket {
    generation: u64,
    probe: bool,
}

/// The breaker of one provider instance.
#[derive(Debug)]
pub(super) struct Breaker {
    options: BreakerOptions,
    stand: Stand,
    generation: u64,
    /// Probes under way, those of earlier generations included: a hung provider never holds more.
    probes: u32,
    /// How long it stays open the next time.
    open_for: Duration,
    window: Window,
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(options: BreakerOptions, now: Instant) -> Self {
        let window = Window::new(options.window, now);
        Self { options, stand: Stand::Closed, generation: 0, probes: 0, open_for: options.open_for, window }
    }

    /// Where it stands at a moment. Open turns half-open when its time is up, though no call may have
    /// asked yet.
    pub(super) fn state(&self, now: Instant) -> State {
        match self.stand {
            Stand::Closed => State::Closed,
            Stand::Open { until } if now < until => State::Open,
            Stand::Open { .. } | Stand::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether a call would be let through now.
    ///
    /// # Errors
    /// The time after which to ask again.
    pub(super) fn ready(&self, now: Instant) -> Result<(), Duration> {
        match self.stand {
            Stand::Closed => Ok(()),
            Stand::Open { until } if now < until => Err(until - now),
            Stand::Open { .. } | Stand::HalfOpen { .. } if self.probes < self.options.probes_max.max(1) => Ok(()),
            Stand::Open { .. } | Stand::HalfOpen { .. } => Err(PROBE_WAIT),
        }
    }

    /// Lets a call through, or says after which time to ask again.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Duration> {
        self.ready(now)?;
        // Open => HalfOpen: its time is up, and there is a call to try with.
        if let Stand::Open { .. } = self.stand {
            self.change(Stand::HalfOpen { good: 0 });
        }
        let probe = !matches!(self.stand, Stand::Closed);
        self.probes += u32::from(probe);
        Ok(Ticket { generation: self.generation, probe })
    }

    /// Takes note of how a call went.
    pub(super) fn record(&mut self, ticket: Ticket, ok: bool, took: Duration, now: Instant) {
        let current = ticket.generation == self.generation;
        self.cancel(ticket);
        if !current {
            return;
        }
        let slow = took >= self.options.slow_after;
        match self.stand {
            // Closed => (Closed | Open): over a threshold with enough calls.
            Stand::Closed => {
                self.window.add(now, ok, slow);
                if self.is_over() {
                    self.open(now);
                }
            }
            // HalfOpen => (Open | HalfOpen | Closed): one bad probe is enough to wait again, longer.
            Stand::HalfOpen { .. } if !ok || slow => {
                self.open_for = self.open_for.saturating_mul(2).min(self.options.open_for_max);
                self.open(now);
            }
            Stand::HalfOpen { good } if good + 1 >= self.options.probes_good => {
                self.window = Window::new(self.options.window, now);
                self.open_for = self.options.open_for;
                self.change(Stand::Closed);
            }
            Stand::HalfOpen { good } => self.stand = Stand::HalfOpen { good: good + 1 },
            // No ticket is of an open generation: opening makes a new one, and leaving it another.
            Stand::Open { .. } => {}
        }
    }

    /// A call ended without telling anything about the provider. Frees a probe's place.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket can be given back only once")]
    pub(super) fn cancel(&mut self, ticket: Ticket) {
        self.probes -= u32::from(ticket.probe);
    }

    fn is_over(&self) -> bool {
        let Counts { calls, failed, slow } = self.window.sum();
        let over = |count: u64, percent: u32| count > 0 && count * 100 >= calls * u64::from(percent);
        calls >= u64::from(self.options.calls_min) && (over(failed, self.options.failed_percent) || over(slow, self.options.slow_percent))
    }

    fn open(&mut self, now: Instant) {
        let until = now + self.open_for;
        self.change(Stand::Open { until });
    }

    fn change(&mut self, stand: Stand) {
        self.stand = stand;
        self.generation += 1;
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    calls: u64,
    failed: u64,
    slow: u64,
}

/// Counts of the last tenths of the window, the current one included.
#[derive(Debug)]
struct Window {
    start: Instant,
    tenth: Duration,
    /// Number of the current tenth since `start`.
    current: u64,
    /// Counts of tenth `n` at place `n % BUCKETS`.
    counts: [Counts; 10],
}

impl Window {
    fn new(window: Duration, now: Instant) -> Self {
        let tenth = (window / 10).max(Duration::from_nanos(1));
        Self { start: now, tenth, current: 0, counts: [Counts::default(); 10] }
    }

    fn add(&mut self, now: Instant, ok: bool, slow: bool) {
        let number = u64::try_from(now.saturating_duration_since(self.start).as_nanos() / self.tenth.as_nanos()).unwrap_or(u64::MAX);
        // Tenths in which nothing came are emptied too, at most one round of them.
        let passed = number.saturating_sub(self.current).min(BUCKETS);
        for step in 0..passed {
            *self.at(number - step) = Counts::default();
        }
        self.current = self.current.max(number);
        let here = self.at(self.current);
        here.calls += 1;
        here.failed += u64::from(!ok);
        here.slow += u64::from(slow);
    }

    fn at(&mut self, number: u64) -> &mut Counts {
        let index = usize::try_from(number % BUCKETS).expect("below ten");
        &mut self.counts[index]
    }

    fn sum(&self) -> Counts {
        self.counts.iter().fold(Counts::default(), |sum, one| Counts {
            calls: sum.calls + one.calls,
            failed: sum.failed + one.failed,
            slow: sum.slow + one.slow,
        })
    }
}

#[cfg(test)]
mod tests;
