//! `Idempotency-Key`: a write that is sent again is done once (draft-ietf-httpapi-idempotency-key-header).
//!
//! Per consumer and path, for a day: the hash of the body and the id of what it made, never the answer. A
//! repetition is answered anew from the resource, authorised and journalled like any reading. Kept in
//! memory, as dossiers are.

use std::time::Duration;

use aws_lc_rs::hmac;
use http::HeaderMap;
use model::ConsumerId;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use uuid::Uuid;

/// How long a key is remembered.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Most keys remembered; those not used for longest make room.
const KEYS_MAX: u64 = 100_000;
/// Longest key.
const KEY_BYTES_MAX: usize = 255;

type Digest = [u8; 32];

/// The keys of the last day.
#[derive(Debug)]
pub struct Idempotency {
    /// So that neither a key nor a body can be found again by trying.
    secret: hmac::Key,
    held: Cache<Digest, Held>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    body: Digest,
    /// None while the first request is under way.
    made: Option<Uuid>,
}

/// What a request with a key comes to.
#[derive(Debug)]
pub enum Once<'a> {
    /// The first one: tell what it made, or drop it to let another try.
    First(First<'a>),
    /// The same has been done and made this.
    Done(Uuid),
    /// The first one is still under way.
    InFlight,
    /// The key was used for another body.
    OtherBody,
}

/// The first request with a key.
#[derive(Debug)]
pub struct First<'a> {
    held: &'a Cache<Digest, Held>,
    key: Digest,
    body: Digest,
    done: bool,
}

impl Idempotency {
    /// Nothing remembered; digests are made under `secret`.
    #[must_use]
    pub fn new(secret: hmac::Key) -> Self {
        Self { secret, held: Cache::builder().max_capacity(KEYS_MAX).eviction_policy(EvictionPolicy::lru()).time_to_live(LIFE).build() }
    }

    /// Looks a key up and claims it where it is new.
    #[must_use]
    pub fn once(&self, consumer: &ConsumerId, path: &str, key: &str, body: &[u8]) -> Once<'_> {
        let body = self.digest(&[b"body", body]);
        let key = self.digest(&[b"key", consumer.as_str().as_bytes(), path.as_bytes(), key.as_bytes()]);
        let entry = self.held.entry(key).or_insert(Held { body, made: None });
        if entry.is_fresh() {
            return Once::First(First { held: &self.held, key, body, done: false });
        }
        match entry.into_value() {
            held if held.body != body => Once::OtherBody,
            Held { made: Some(id), .. } => Once::Done(id),
            Held { made: None, .. } => Once::InFlight,
        }
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut mac = hmac::Context::with_key(&self.secret);
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            mac.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(mac.sign().as_ref());
        digest
    }
}

impl First<'_> {
    /// Remembers what was made.
    pub fn made(mut self, id: Uuid) {
        self.done = true;
        self.held.insert(self.key, Held { body: self.body, made: Some(id) });
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.held.invalidate(&self.key);
        }
    }
}

/// The key of a request; `Err` where there is one that cannot be read.
///
/// # Errors
/// When it is empty, longer than 255 bytes or not visible ASCII.
pub fn key_of(headers: &HeaderMap) -> Result<Option<&str>, NotAKey> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| NotAKey)?.trim().trim_matches('"');
    let good = (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(Some(text)) } else { Err(NotAKey) }
}

/// A key that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 255 visible ASCII characters")]
pub struct NotAKey;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Idempotency {
        Idempotency::new(hmac::Key::new(hmac::HMAC_SHA256, b"a secret of the test"))
    }

    #[test]
    fn a_repetition_finds_what_the_first_made() {
        let (keys, consumer, id) = (keys(), ConsumerId::new("targeted-aid").expect("valid"), Uuid::now_v7());
        let Once::First(first) = keys.once(&consumer, "/v1/dossiers/x", "k", b"body") else { panic!("the first") };
        assert!(matches!(keys.once(&consumer, "/v1/dossiers/x", "k", b"body"), Once::InFlight));
        first.made(id);
        assert!(matches!(keys.once(&consumer, "/v1/dossiers/x", "k", b"body"), Once::Done(made) if made == id));
        assert!(matches!(keys.once(&consumer, "/v1/dossiers/x", "k", b"other"), Once::OtherBody));
        assert!(matches!(keys.once(&consumer, "/v1/dossiers/y", "k", b"other"), Once::First(_)), "keys belong to a path");
        let another = ConsumerId::new("sovqat").expect("valid");
        assert!(matches!(keys.once(&another, "/v1/dossiers/x", "k", b"other"), Once::First(_)), "keys belong to a consumer");
    }

    #[test]
    fn a_first_one_that_fails_lets_another_try() {
        let (keys, consumer) = (keys(), ConsumerId::new("targeted-aid").expect("valid"));
        drop(keys.once(&consumer, "/p", "k", b"body"));
        assert!(matches!(keys.once(&consumer, "/p", "k", b"another body"), Once::First(_)));
    }

    #[test]
    fn keys_are_bounded() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", http::HeaderValue::from_str(text).expect("a value"));
            key_of(&headers).map(|key| key.map(str::to_owned))
        };
        assert_eq!(read("\"8e03978e\""), Ok(Some("8e03978e".to_owned())));
        assert_eq!(read(&"k".repeat(255)).map(|key| key.map(|key| key.len())), Ok(Some(255)));
        for bad in ["", "a b", &"k".repeat(256)] {
            assert_eq!(read(bad), Err(NotAKey), "{bad}");
        }
        assert_eq!(key_of(&HeaderMap::new()), Ok(None));
    }
}
