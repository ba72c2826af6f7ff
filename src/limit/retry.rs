//! Whether and when to ask a provider again: arithmetic, and a budget that keeps retries few.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Most attempts of one call, the first included.
pub const ATTEMPTS_MAX: u32 = 3;
/// Longest wait before the second attempt; doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(100);
/// An attempt that starts later than this before the deadline is not worth the provider's trouble.
const ROOM_MIN: Duration = Duration::from_millis(100);

/// An attempt that did not get an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which one it was, from 1.
    pub number: u32,
    /// Whether the service may be asked twice at all (`retry: idempotent` of the contract).
    pub idempotent: bool,
    /// Whether the error may go away by itself.
    pub retryable: bool,
    /// Whether it is certain that nothing was sent: then even what is not idempotent may be sent again.
    pub unsent: bool,
    /// What the provider said in `Retry-After`: it is not asked earlier.
    pub retry_after: Option<Duration>,
}

/// How long to wait before the next attempt, or `None` when there is to be none: it may not be repeated, it
/// was the last of [`ATTEMPTS_MAX`], or what is left before the deadline would not be worth while.
///
/// Exponential backoff with full jitter: `jitter` is spread evenly over all its values ([`jitter`] makes
/// one), and the wait over 0 to 100 ms, then 0 to 200 ms.
#[must_use]
pub fn next_attempt(failed: Attempt, now: Instant, deadline: Instant, jitter: u32) -> Option<Duration> {
    let allowed = failed.retryable && (failed.idempotent || failed.unsent) && failed.number < ATTEMPTS_MAX;
    if !allowed {
        return None;
    }
    let ceiling = BACKOFF * (1 << failed.number.saturating_sub(1));
    let wait = ceiling.mul_f64(f64::from(jitter) / 2_f64.powi(32)).max(failed.retry_after.unwrap_or_default());
    let left = deadline.saturating_duration_since(now).checked_sub(wait)?;
    (left >= ROOM_MIN).then_some(wait)
}

/// A number nobody can guess or has to: good enough to spread waits, not for keys.
#[must_use]
pub fn jitter() -> u32 {
    // Every RandomState has keys of its own.
    let [a, b, c, d, ..] = RandomState::new().hash_one(0_u8).to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// How many retries an instance may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOptions {
    /// So many retries for a hundred calls; default 20.
    pub percent: u32,
    /// So many more, saved up while all goes well; default 10.
    pub reserve: u32,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { percent: 20, reserve: 10 }
    }
}

/// A retry budget: a provider in trouble must not be asked three times as much. Counts hundredths of a
/// retry and knows no time, so that a quiet instance saves up no more than the reserve.
#[derive(Debug)]
pub(super) struct Budget {
    options: RetryOptions,
    hundredths: u64,
}

impl Budget {
    /// A full reserve.
    pub(super) fn new(options: RetryOptions) -> Self {
        Self { options, hundredths: reserve(options) }
    }

    /// A call (not a retry) was made.
    pub(super) fn called(&mut self) {
        self.hundredths = (self.hundredths + u64::from(self.options.percent)).min(reserve(self.options));
    }

    /// Whether there is a retry left.
    pub(super) fn has_one(&self) -> bool {
        self.hundredths >= 100
    }

    /// Takes a retry, or says that none is left.
    pub(super) fn take(&mut self) -> bool {
        let has_one = self.has_one();
        self.hundredths -= if has_one { 100 } else { 0 };
        has_one
    }
}

/// Without any reserve the hundredths of a single retry could not gather.
fn reserve(options: RetryOptions) -> u64 {
    u64::from(options.reserve).max(1) * 100
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FAILED: Attempt = Attempt { number: 1, idempotent: true, retryable: true, unsent: false, retry_after: None };
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn only_what_may_be_repeated_is() {
        let now = Instant::now();
        let check = |failed: Attempt, expected: bool| {
            assert_eq!(next_attempt(failed, now, now + MINUTE, 7).is_some(), expected, "{failed:?}");
        };
        check(FAILED, true);
        check(Attempt { number: 2, ..FAILED }, true);
        check(Attempt { number: 3, ..FAILED }, false);
        check(Attempt { retryable: false, ..FAILED }, false);
        check(Attempt { retryable: false, unsent: true, ..FAILED }, false);
        check(Attempt { idempotent: false, ..FAILED }, false);
        check(Attempt { idempotent: false, unsent: true, ..FAILED }, true);
        check(Attempt { number: u32::MAX, ..FAILED }, false);
    }

    #[test]
    fn jitter_spreads_over_the_whole_wait() {
        let now = Instant::now();
        let wait = |number, jitter| next_attempt(Attempt { number, ..FAILED }, now, now + MINUTE, jitter);
        assert_eq!(wait(1, 0), Some(Duration::ZERO));
        assert_eq!(wait(1, 1 << 31), Some(Duration::from_millis(50)));
        assert_eq!(wait(2, 1 << 31), Some(Duration::from_millis(100)));
        assert!((0..100).map(|_| jitter()).collect::<std::collections::HashSet<_>>().len() > 90);
    }

    proptest! {
        /// Never before the provider allows it, never without room before the deadline, never longer than
        /// the backoff when the provider said nothing; and never refused when there is room.
        #[test]
        fn waits_stay_within_their_bounds(
            number in 1_u32..5,
            retry_after in prop::option::of(0_u64..5_000),
            left in 0_u64..5_000,
            jitter in any::<u32>(),
        ) {
            let now = Instant::now();
            let deadline = now + Duration::from_millis(left);
            let retry_after = retry_after.map(Duration::from_millis);
            let ceiling = Duration::from_millis(if number == 1 { 100 } else { 200 }).max(retry_after.unwrap_or_default());
            match next_attempt(Attempt { number, retry_after, ..FAILED }, now, deadline, jitter) {
                Some(wait) => {
                    prop_assert!(wait >= retry_after.unwrap_or_default());
                    prop_assert!(wait <= ceiling);
                    prop_assert!(now + wait + ROOM_MIN <= deadline);
                    prop_assert!(number < ATTEMPTS_MAX);
                }
                None => prop_assert!(number >= ATTEMPTS_MAX || now + ceiling + ROOM_MIN > deadline),
            }
        }

        /// In any stretch of calls and retries, retries are at most the agreed part of the calls and the reserve.
        #[test]
        fn retries_are_a_small_part_of_calls(
            percent in 0_u32..100,
            reserve in 0_u32..20,
            steps in prop::collection::vec(any::<bool>(), 0..600),
        ) {
            let mut budget = Budget::new(RetryOptions { percent, reserve });
            let mut retried = Vec::new();
            let mut calls = 0_u64;
            for is_call in steps {
                if is_call {
                    budget.called();
                    calls += 1;
                } else if budget.take() {
                    retried.push(calls);
                }
            }
            for (first, before) in retried.iter().enumerate() {
                for (count, after) in (1_u64..).zip(&retried[first..]) {
                    let most = (after - before) * u64::from(percent) + u64::from(reserve.max(1)) * 100;
                    prop_assert!(count * 100 <= most);
                }
            }
        }
    }
}
