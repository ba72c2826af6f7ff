//! An agreed rate as a bucket of tokens: governor's GCRA, asked about a moment that is handed in.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, Reference as _};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use model::contract::Quota;
use tokio::time::Instant;

const SECOND_NANOS: u64 = 1_000_000_000;

/// A bucket that starts full, and never gives more than `burst + per_second × t` tokens in any time `t`.
///
/// Moments are those of the monotonic clock: setting the wall clock neither empties nor fills it. A
/// moment earlier than one already seen is taken as it is and cannot yield more.
#[derive(Debug)]
pub(super) struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, Given, StateInformationMiddleware>,
    quota: Quota,
    origin: Instant,
}

/// The clock governor asks: it shows what it was last told.
#[derive(Debug, Default)]
struct Given(AtomicU64);

impl Clock for Given {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

impl Bucket {
    /// A full bucket. Numbers of a quota are at least 1; a zero counts as one.
    pub(super) fn new(quota: Quota, now: Instant) -> Self {
        // No rate is NaN-like here: a period is at least a nanosecond, so the fall-back is never taken.
        let per_second = governor::Quota::per_second(NonZeroU32::MIN);
        let agreed = governor::Quota::with_period(period(quota)).unwrap_or(per_second).allow_burst(at_least_one(quota.burst));
        let limiter = RateLimiter::direct_with_clock(agreed, Given::default()).with_middleware();
        Self { limiter, quota, origin: now }
    }

    /// What was agreed.
    pub(super) fn quota(&self) -> Quota {
        self.quota
    }

    /// Time in which one token comes back.
    pub(super) fn period(&self) -> Duration {
        period(self.quota)
    }

    /// Takes a token and says how many are left, or says when the next one will be there.
    ///
    /// # Errors
    /// The moment of the next token, always later than `now`.
    pub(super) fn take(&mut self, now: Instant) -> Result<u32, Instant> {
        self.set(now);
        match self.limiter.check() {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(not_yet) => Err(self.origin + since_origin(not_yet.earliest_possible())),
        }
    }

    /// Replaces the agreed numbers. Tokens that were there stay, as far as the new burst allows; none
    /// come on top, so that reloading is no way round a quota.
    pub(super) fn replace(&mut self, quota: Quota, now: Instant) {
        if quota == self.quota {
            return;
        }
        let there = self.take(now).map_or(0, |left| left.saturating_add(1));
        let origin = self.origin;
        *self = Self { origin, ..Self::new(quota, now) };
        self.set(now);
        if let Some(gone) = NonZeroU32::new(at_least_one(quota.burst).get().saturating_sub(there)) {
            // Never more than the burst, and the bucket is full: it cannot refuse.
            drop(self.limiter.check_n(gone));
        }
    }

    fn set(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        self.limiter.clock().0.store(u64::try_from(nanos).unwrap_or(u64::MAX / 2), Ordering::Relaxed);
    }
}

/// Rounded up: a period that is too short would admit too many.
fn period(quota: Quota) -> Duration {
    Duration::from_nanos(SECOND_NANOS.div_ceil(u64::from(quota.per_second.max(1))))
}

fn at_least_one(burst: u32) -> NonZeroU32 {
    NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN)
}

fn since_origin(moment: Nanos) -> Duration {
    moment.duration_since(Nanos::default()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(per_second: u32, burst: u32) -> Quota {
        Quota { per_second, burst }
    }

    #[test]
    fn the_next_token_comes_when_it_says() {
        let start = Instant::now();
        let mut bucket = Bucket::new(quota(30, 2), start);
        assert_eq!((bucket.take(start), bucket.take(start)), (Ok(1), Ok(0)));
        let next = bucket.take(start).expect_err("the bucket is empty");
        assert_eq!(next, start + bucket.period());
        assert!(bucket.take(next - Duration::from_nanos(1)).is_err());
        assert_eq!(bucket.take(next), Ok(0));
    }

    #[test]
    fn replacing_a_quota_brings_no_new_tokens() {
        let start = Instant::now();
        let mut bucket = Bucket::new(quota(10, 5), start);
        for _ in 0..3 {
            bucket.take(start).expect("there are five");
        }
        bucket.replace(quota(100, 50), start);
        assert_eq!((bucket.take(start), bucket.take(start)), (Ok(1), Ok(0)));
        assert!(bucket.take(start).is_err());
        bucket.replace(quota(10, 5), start);
        assert!(bucket.take(start).is_err(), "nor does replacing it back");
        assert_eq!(bucket.take(start + Duration::from_secs(10)), Ok(4), "the new burst is what it fills up to");
    }

    #[test]
    fn a_clock_that_stands_still_or_steps_back_yields_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(quota(1, 1), start);
        let later = start + Duration::from_secs(5);
        assert!(bucket.take(later).is_ok());
        for moment in [later, later, start] {
            assert!(bucket.take(moment).is_err());
        }
    }

    proptest! {
        /// In no stretch of time are more taken than `burst + rate × t`, whatever the moments; and a
        /// refusal's moment is exact: a nanosecond earlier it would be refused again.
        #[test]
        fn never_more_than_burst_and_rate(
            per_second in 1_u32..500,
            burst in 1_u32..50,
            steps in prop::collection::vec(0_u64..80_000_000, 1..400),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(quota(per_second, burst), start);
            let mut now = start;
            let mut taken = Vec::new();
            for step in steps {
                now += Duration::from_nanos(step);
                if let Err(next) = bucket.take(now) {
                    prop_assert!(next > now);
                    prop_assert!(bucket.take(next - Duration::from_nanos(1)).is_err());
                } else {
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (count, until) in (1_u32..).zip(&taken[first..]) {
                    let most = f64::from(burst) + f64::from(per_second) * (*until - *from).as_secs_f64();
                    prop_assert!(f64::from(count) <= most + 1e-6, "{count} in {:?}, at most {most}", *until - *from);
                }
            }
        }
    }
}
