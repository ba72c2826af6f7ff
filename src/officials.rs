//! Who asks, by the word of the officials' identity provider: a signed assertion that this official is present now, at
//! a level of assurance, and asks through this consumer (health insurance IT statute, 8.1.16; portal regulation, 3.5
//! and 4.1; e-services statute, 3.1.15). The result is [`policy::Identity`]; what it allows is the policy's to say.
//!
//! The provider is an OpenID Connect provider: its keys are found by discovery and followed as they change, or stand in
//! a file. That it does not answer is never a refusal. With keys at hand they serve; without any the question is not
//! decided at all ([`CouldNotAsk`]).
//!
//! - `officials/claims.rs`: what an assertion must say. Pure.
//! - `officials/keys.rs`: where the keys come from.

pub mod claims;
mod keys;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::{DefaultDirectRateLimiter, Quota};
use jiff::Timestamp;
use metrics::{counter, gauge};
use model::contract::Assurance;
use policy::{Identity, Unproven};
use tokio::sync::Mutex;

pub use self::claims::Presented;
use self::claims::{Claims, Terms};
use self::keys::NoKeys;
use crate::clock;
use crate::gateway::Gateway;
use crate::jws::{Fault, KeySet, NotBound, USES_MAX, Uses};
use crate::record::{Kind, Recorder};

/// How often keys are looked for again because an assertion names one that is not known.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks of that kind that may follow each other at once.
const LOOKS_AT_ONCE: std::num::NonZeroU32 = std::num::NonZeroU32::new(3).expect("not zero");
/// Pause after a failed look in the background; each further one twice as long, up to a minute.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How the officials' identity provider is known.
#[derive(Debug, Clone)]
pub struct OfficialsConfig {
    /// Its name, the claim `iss`; with discovery its address too.
    pub issuer: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Who assertions are for, the claim `aud`.
    pub audience: String,
    /// The claim with the official's number.
    pub official_claim: String,
    /// The level that each value of `acr` stands for.
    pub levels: BTreeMap<String, Assurance>,
    /// How often its keys are fetched.
    pub refresh_every: Duration,
    /// How long fetched keys serve while it does not answer.
    pub keys_age_max: Duration,
}

/// Where an identity provider's keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// OpenID Connect Discovery 1.0 over TLS, trusting these authorities alone (PEM).
    Discovery {
        /// Their file.
        ca: PathBuf,
    },
    /// A file with a JWK set, read at the start and at a reload.
    File(PathBuf),
}

/// Whether the assertion holds could not be found out: the identity provider does not answer and no key of it is at
/// hand, or there is no room to remember what the assertion is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CouldNotAsk {
    /// The identity provider does not answer.
    #[error("the identity provider of officials does not answer")]
    NoKeys,
    /// As many assertions as may be are in use.
    #[error("too many assertions are in use")]
    NoRoom,
}

/// Knows the identity provider of officials.
#[derive(Debug)]
pub struct Officials {
    config: OfficialsConfig,
    terms: Terms,
    held: ArcSwapOption<Held>,
    /// Whether the last look was answered; held while one is under way, so that there is one at a time.
    looking: Mutex<bool>,
    /// Counts looks, so that those who waited for one take its result.
    looks: AtomicU64,
    may_look: DefaultDirectRateLimiter,
    uses: Uses,
}

/// Keys that were fetched.
#[derive(Debug)]
struct Held {
    keys: KeySet,
    at: Timestamp,
}

impl Officials {
    /// Makes ready. `started` is the moment from which uses are remembered: what was issued before it may have been
    /// used, and is not taken.
    #[must_use]
    pub fn new(config: OfficialsConfig, started: Timestamp) -> Self {
        let quota = Quota::with_period(LOOK_EVERY).unwrap_or_else(|| Quota::per_minute(LOOKS_AT_ONCE)).allow_burst(LOOKS_AT_ONCE);
        Self {
            terms: Terms::new(&config, started),
            config,
            held: ArcSwapOption::empty(),
            looking: Mutex::new(false),
            looks: AtomicU64::new(0),
            may_look: DefaultDirectRateLimiter::direct(quota),
            uses: Uses::new(USES_MAX),
        }
    }

    /// Whether its keys stand in a file: then they must be there at the start.
    #[must_use]
    pub fn has_file(&self) -> bool {
        matches!(self.config.keys, KeySource::File(_))
    }

    /// What an assertion comes to. On success it is bound to this consumer, case and official, and serves nothing else.
    ///
    /// # Errors
    /// When it could not be found out: that says nothing about the assertion.
    pub async fn identify(&self, recorder: &Recorder, presented: &Presented<'_>, now: Timestamp) -> Result<Identity, CouldNotAsk> {
        let identity = match self.verified(recorder, presented.assertion, now).await? {
            Ok(claims) => match self.terms.judge(&claims, presented, now) {
                Ok(proven) => match self.uses.bind(&proven.id, presented.used_for(), proven.until, now) {
                    Ok(()) => Identity::Proven(proven.level),
                    Err(NotBound::Replayed) => Identity::Unproven(Unproven::Replayed),
                    Err(NotBound::Full) => return Err(CouldNotAsk::NoRoom),
                },
                Err(why) => Identity::Unproven(why),
            },
            Err(Fault::Malformed) => Identity::Unproven(Unproven::Malformed),
            Err(Fault::UnknownKey | Fault::Signature) => Identity::Unproven(Unproven::Signature),
        };
        Ok(identity)
    }

    /// The claims of an assertion whose signature holds. A key that is not known is looked for once.
    async fn verified(&self, recorder: &Recorder, assertion: &str, now: Timestamp) -> Result<Result<Claims, Fault>, CouldNotAsk> {
        if let Some(held) = self.held(now) {
            match held.keys.verify(assertion) {
                Err(Fault::UnknownKey) => {}
                known => return Ok(known),
            }
        }
        if !self.look(recorder, now).await {
            return Err(CouldNotAsk::NoKeys);
        }
        self.held(now).map(|held| held.keys.verify(assertion)).ok_or(CouldNotAsk::NoKeys)
    }

    /// The keys, where there are any that are not too old.
    fn held(&self, now: Timestamp) -> Option<Arc<Held>> {
        let age = |held: &Held| now.duration_since(held.at).unsigned_abs();
        self.held.load_full().filter(|held| self.has_file() || age(held) <= self.config.keys_age_max)
    }

    /// Looks for keys on a request's behalf, where that has not been done moments ago. Whether the provider has
    /// answered, now or then.
    async fn look(&self, recorder: &Recorder, now: Timestamp) -> bool {
        let seen = self.looks.load(Ordering::Acquire);
        let mut answered = self.looking.lock().await;
        // Somebody has looked while this one waited, or it would be too often.
        if self.looks.load(Ordering::Acquire) == seen && self.may_look.check().is_ok() {
            *answered = self.fetch(recorder, now).await;
        }
        *answered
    }

    /// Fetches the keys, whatever is held. Whether the provider has answered.
    pub async fn refresh(&self, recorder: &Recorder, now: Timestamp) -> bool {
        let mut answered = self.looking.lock().await;
        *answered = self.fetch(recorder, now).await;
        *answered
    }

    async fn fetch(&self, recorder: &Recorder, now: Timestamp) -> bool {
        // Boxed: every request's future would else have room for a connection that it hardly ever makes.
        let fetched = match Box::pin(keys::fetch(&self.config)).await {
            Ok(keys) => self.take(recorder, keys, now).await,
            Err(why) => Err(why),
        };
        self.looks.fetch_add(1, Ordering::AcqRel);
        counter!("qovsaq_officials_key_fetches_total", "result" => if fetched.is_ok() { "answered" } else { "failed" }).increment(1);
        if let Err(error) = &fetched {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let at_hand = self.held(now).is_some();
            tracing::warn!(%error, cause, keys.at_hand = at_hand, "the keys of the identity provider of officials were not got");
        }
        fetched.is_ok()
    }

    /// Takes keys into use: those that were not before are in the journal first (R7).
    async fn take(&self, recorder: &Recorder, keys: KeySet, now: Timestamp) -> Result<(), NoKeys> {
        let same = self.held.load().as_ref().is_some_and(|held| held.keys.sha256() == keys.sha256());
        if !same {
            let event = serde_json::json!({
                "what": "keys of the identity provider of officials",
                "issuer": self.config.issuer, "kids": keys.kids(), "sha256": crate::record::base64_of(keys.sha256()),
            });
            recorder.event(Kind::KeyChanged, &event).await?;
        }
        self.held.store(Some(Arc::new(Held { keys, at: now })));
        Ok(())
    }

    fn observe(&self, now: Timestamp) {
        if let Some(held) = self.held.load().as_ref() {
            gauge!("qovsaq_officials_key_age_seconds").set(now.duration_since(held.at).as_secs_f64());
        }
    }
}

/// Fetches the keys again and again until the gateway stops, more often while the provider does not answer.
pub async fn keep_fresh(gateway: Arc<Gateway>) {
    let Some(officials) = gateway.officials.as_ref().filter(|officials| !officials.has_file()) else { return };
    let mut failed_for = if officials.held(clock::now()).is_some() { None } else { Some(PAUSE_AFTER_FAILURE) };
    loop {
        let pause = failed_for.unwrap_or(officials.config.refresh_every).min(officials.config.refresh_every);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = gateway.draining() => return,
        }
        let now = clock::now();
        failed_for = match (officials.refresh(&gateway.recorder, now).await, failed_for) {
            (true, _) => None,
            (false, None) => Some(PAUSE_AFTER_FAILURE),
            (false, Some(pause)) => Some((pause * 2).min(PAUSE_MAX)),
        };
        officials.observe(now);
    }
}
