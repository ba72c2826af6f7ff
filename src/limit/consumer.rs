//! How much a consumer may ask of the gateway: a quota each, told in `RateLimit` header fields
//! (draft-ietf-httpapi-ratelimit-headers-11).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use model::ConsumerId;
use model::contract::Quota;
use tokio::time::Instant;

use super::quota::Bucket;

/// Name of the one policy in the header fields.
const POLICY: &str = "requests";
/// For all consumers together that no quota is known of. Contracts give every consumer one, so this serves
/// only between a reload of the contracts and that of the quotas.
const UNLISTED: Quota = Quota { per_second: 10, burst: 20 };

/// The quotas of all consumers. One bucket each, so that none feels another's load.
#[derive(Debug)]
pub struct ConsumerQuotas {
    buckets: RwLock<HashMap<ConsumerId, Mutex<Bucket>>>,
    unlisted: Mutex<Bucket>,
}

/// Where a consumer stands after a request that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Most requests at once.
    pub limit: u32,
    /// Time in which so many come back, in whole seconds, at least 1.
    pub window_seconds: u64,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// Whole seconds, at least 1, in which no more than `remaining` should follow.
    pub reset_seconds: u64,
}

impl Standing {
    /// Value of the `RateLimit-Policy` field, such as `"requests";q=400;w=2`. Rounded to the consumer's
    /// disadvantage: who keeps to it is never refused.
    #[must_use]
    pub fn policy_value(&self) -> String {
        format!("\"{POLICY}\";q={};w={}", self.limit, self.window_seconds)
    }

    /// Value of the `RateLimit` field, such as `"requests";r=399;t=1`.
    #[must_use]
    pub fn limit_value(&self) -> String {
        format!("\"{POLICY}\";r={};t={}", self.remaining, self.reset_seconds)
    }
}

/// The consumer has asked more than its quota. Its fault; nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the consumer's quota is used up")]
pub struct Exceeded {
    /// Time until one more request may come.
    pub retry_after: Duration,
    /// For the header fields; nothing remains.
    pub standing: Standing,
}

impl Exceeded {
    /// Value of the `Retry-After` field: whole seconds, at least 1, never earlier than the end of the
    /// effective window that `RateLimit` tells (section 6 of the draft).
    #[must_use]
    pub fn retry_after_seconds(&self) -> u64 {
        self.standing.reset_seconds
    }
}

impl ConsumerQuotas {
    /// Full buckets for these consumers.
    #[must_use]
    pub fn new(quotas: impl IntoIterator<Item = (ConsumerId, Quota)>, now: Instant) -> Self {
        let buckets = quotas.into_iter().map(|(consumer, quota)| (consumer, Mutex::new(Bucket::new(quota, now)))).collect();
        Self { buckets: RwLock::new(buckets), unlisted: Mutex::new(Bucket::new(UNLISTED, now)) }
    }

    /// Takes over the quotas of newly loaded contracts. Who stays keeps what it has used up; consumers that
    /// are gone are forgotten.
    pub fn replace(&self, quotas: impl IntoIterator<Item = (ConsumerId, Quota)>, now: Instant) {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *buckets);
        for (consumer, quota) in quotas {
            let kept = old.remove(&consumer).map(|bucket| bucket.into_inner().unwrap_or_else(PoisonError::into_inner));
            let mut bucket = kept.unwrap_or_else(|| Bucket::new(quota, now));
            bucket.replace(quota, now);
            buckets.insert(consumer, Mutex::new(bucket));
        }
    }

    /// Counts one request of a consumer.
    ///
    /// # Errors
    /// When it has asked more than its quota; the request does not count then.
    pub fn check(&self, consumer: &ConsumerId, now: Instant) -> Result<Standing, Exceeded> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get(consumer).unwrap_or(&self.unlisted);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let quota = bucket.quota();
        let window_seconds = u64::from(quota.burst.div_ceil(quota.per_second.max(1))).max(1);
        let standing =
            |remaining, until_next| Standing { limit: quota.burst, window_seconds, remaining, reset_seconds: whole_seconds(until_next) };
        match bucket.take(now) {
            Ok(remaining) => Ok(standing(remaining, bucket.period())),
            Err(next) => {
                let retry_after = next.saturating_duration_since(now);
                Err(Exceeded { retry_after, standing: standing(0, retry_after) })
            }
        }
    }
}

/// Header fields know whole seconds only: rounded up, and never "at once".
pub(super) fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(name: &str) -> ConsumerId {
        ConsumerId::new(name).expect("a slug")
    }

    fn quota(per_second: u32, burst: u32) -> Quota {
        Quota { per_second, burst }
    }

    #[test]
    fn the_header_fields_are_those_of_the_draft() {
        let now = Instant::now();
        let quotas = ConsumerQuotas::new([(consumer("sovqat"), quota(200, 400))], now);
        let standing = quotas.check(&consumer("sovqat"), now).expect("the first");
        assert_eq!(standing.policy_value(), r#""requests";q=400;w=2"#);
        assert_eq!(standing.limit_value(), r#""requests";r=399;t=1"#);
    }

    #[test]
    fn one_that_asks_too_much_is_told_when_to_come_back_and_others_feel_nothing() {
        let now = Instant::now();
        let quotas = ConsumerQuotas::new([(consumer("pension"), quota(2, 3)), (consumer("sovqat"), quota(1, 1))], now);
        for remaining in [2, 1, 0] {
            assert_eq!(quotas.check(&consumer("pension"), now).map(|standing| standing.remaining), Ok(remaining));
        }
        let exceeded = quotas.check(&consumer("pension"), now).expect_err("a fourth");
        assert_eq!(exceeded.retry_after, Duration::from_millis(500));
        assert_eq!(exceeded.retry_after_seconds(), 1);
        assert_eq!(exceeded.standing.limit_value(), r#""requests";r=0;t=1"#);
        assert!(quotas.check(&consumer("sovqat"), now).is_ok());
        assert!(quotas.check(&consumer("pension"), now + exceeded.retry_after).is_ok());
    }

    #[test]
    fn a_reload_keeps_what_was_used_up() {
        let now = Instant::now();
        let quotas = ConsumerQuotas::new([(consumer("pension"), quota(1, 2)), (consumer("gone"), quota(1, 1))], now);
        assert!(quotas.check(&consumer("pension"), now).is_ok());
        assert!(quotas.check(&consumer("pension"), now).is_ok());
        quotas.replace([(consumer("pension"), quota(5, 9)), (consumer("new"), quota(1, 1))], now);
        assert!(quotas.check(&consumer("pension"), now).is_err());
        assert!(quotas.check(&consumer("new"), now).is_ok());
        let unlisted = quotas.check(&consumer("gone"), now).expect("the quota of those unlisted");
        assert_eq!(unlisted.limit, UNLISTED.burst);
    }
}
