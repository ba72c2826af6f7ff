//! What sources said lately, kept encrypted in memory and given again only where it may be.
//!
//! The cache knows no policy and cannot be used to go round it: a hit comes out as the facts a source
//! gave, still to be authorised, filtered and journalled like a live answer. What it guarantees itself:
//!
//! - **No sharing across a border.** The [`Key`] of a service of class C or S contains consumer and
//!   purpose, so a fact that one subsystem obtained cannot even be found by another. Class O is shared.
//!   A consent-bound service has no key, hence no entry.
//! - **Nothing past its lifetime**, counted from the moment the source answered, by two clocks: the
//!   wall clock at each look-up, and the monotonic clock from the moment it was put in, so that a wall
//!   clock that is set back lengthens no life. A wall clock that stands before the answer is a miss.
//! - **Records only.** Absence is not kept: a "no record" given again after the record was made could
//!   take a benefit from a person, while asking once more costs one call.
//! - **Nothing in clear.** Facts are sealed with AES-256-GCM under a random key that is made at the
//!   start and never leaves this struct; keys of entries are keyed hashes. What is kept for hours is so
//!   not readable in memory that was swapped out or leaked in part; whoever reads the whole process has
//!   the key too. An entry that was changed in memory does not open: a miss.
//! - **Bounded by weight.** A new entry may be turned away in favour of ones that are asked more often.
//!
//! A read takes no lock but the store's own short ones and never waits for a writer.

mod codec;
mod key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;
use jiff::Timestamp;
use model::{Facts, Flag, Service, ServiceId};
use moka::Expiry;
use moka::sync::Cache as Store;
use zeroize::Zeroizing;

pub use key::{Asked, Key, Keys, Repeated, repeat_key};

/// Largest sealed facts that are kept, in bytes; also never more than an eighth of the whole cache.
const ENTRY_BYTES_MAX: usize = 1 << 20;
/// What an entry weighs besides its sealed facts, in bytes: this file's struct, its key, and the store's
/// own nodes (hash table, access order, timer), rounded up.
const ENTRY_OVERHEAD_BYTES: usize = 512;
/// Bytes of the AEAD's tag.
const TAG_BYTES: usize = 16;

/// The place in the journal of the entry that proves an answer: what a hit names as its ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Index in this node's log.
    pub index: u64,
    /// RFC 6962 leaf hash.
    pub leaf_hash: [u8; 32],
}

/// A fresh answer, to be put in.
#[derive(Clone, Copy)]
pub struct Fresh<'a> {
    /// The record and its contract.
    pub facts: &'a Facts,
    /// When the source answered; its age counts from here.
    pub obtained_at: Timestamp,
    /// The entry that proves it.
    pub source: Source,
    /// How long it is current. Never longer than the contract's [`Service::lifetime`]: the shorter counts.
    pub lifetime: Duration,
    /// Taken by [`Cache::mark`] before the question was sent.
    pub mark: Mark,
}

/// An answer that is still current.
#[derive(Clone, PartialEq)]
pub struct Cached {
    /// The record and its contract, not yet filtered for anyone.
    pub facts: Facts,
    /// When the source answered.
    pub obtained_at: Timestamp,
    /// From when on it is not current any more.
    pub expires_at: Timestamp,
    /// The entry that proves it.
    pub source: Source,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// A current answer, young enough.
    Hit(Cached),
    /// An answer that is current by its contract but older than the caller accepts; this is its age.
    TooOld(Duration),
    /// Nothing that may be given.
    Miss,
}

/// A moment in the cache's history of clearing: an answer to a question that was sent before a
/// [`Cache::clear`] is not served after it, even if it arrives later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    slot: u8,
    generation: u64,
}

/// The cache. Shared by reference; every method takes `&self` and is safe to call from any thread.
pub struct Cache {
    entries: Store<Key, Arc<Entry>>,
    /// Seals entries; never leaves this struct and dies with the process.
    aead: LessSafeKey,
    /// Number of the next seal. A nonce never repeats: 2^64 seals do not happen in a process's life.
    nonce: AtomicU64,
    /// How often services were cleared, by [`slot`]; an entry is served only while its mark is current.
    cleared: Box<[AtomicU64; 256]>,
    bytes_max: u64,
    /// Weight put in since the store last settled its accounts.
    unsettled_bytes: AtomicU64,
}

/// One sealed answer. What stands beside `sealed` names a contract and a time, but no person.
struct Entry {
    service: Arc<Service>,
    flags: Box<[Flag]>,
    sealed: Box<[u8]>,
    nonce: u64,
    obtained_at: Timestamp,
    expires_at: Timestamp,
    source: Source,
    mark: Mark,
    /// Life left when it was put in, for the monotonic clock.
    remaining: Duration,
}

impl Cache {
    /// Makes an empty cache for at most `bytes_max` bytes, with a new random key; with zero it keeps
    /// nothing. Writers may overshoot by a sixteenth, and by what they put in at the same moment, until
    /// they settle the accounts themselves.
    ///
    /// # Panics
    /// When the system gives no randomness.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(&mut secret[..]).expect("the system gives randomness");
        let aead = UnboundKey::new(&AES_256_GCM, &secret[..]).expect("AES-256 takes a key of 32 bytes");
        let entries =
            Store::builder().max_capacity(bytes_max).weigher(|_, entry: &Arc<Entry>| entry.weight()).expire_after(Lifetime).build();
        Self {
            entries,
            aead: LessSafeKey::new(aead),
            nonce: AtomicU64::new(0),
            cleared: Box::new([const { AtomicU64::new(0) }; 256]),
            bytes_max,
            unsettled_bytes: AtomicU64::new(0),
        }
    }

    /// Looks an answer up. `now` is the wall clock; `max_age` is the caller's own limit
    /// (`Cache-Control: max-age`), both ends counted.
    #[must_use]
    pub fn get(&self, key: &Key, now: Timestamp, max_age: Option<Duration>) -> Lookup {
        let Some(entry) = self.entries.get(key) else { return Lookup::Miss };
        if now < entry.obtained_at || entry.expires_at <= now || self.mark_at(entry.mark.slot) != entry.mark {
            return Lookup::Miss;
        }
        let age = between(entry.obtained_at, now);
        if max_age.is_some_and(|max_age| max_age < age) {
            return Lookup::TooOld(age);
        }
        let Some(facts) = self.open(key, &entry) else {
            // Only faulty memory or a hostile hand does this: someone must look at the machine.
            tracing::error!(service = %entry.service.id, "a cached answer was changed in memory and is not used");
            self.entries.invalidate(key);
            return Lookup::Miss;
        };
        Lookup::Hit(Cached { facts, obtained_at: entry.obtained_at, expires_at: entry.expires_at, source: entry.source })
    }

    /// Keeps a fresh answer, in place of an older one. Tells whether it did: not where the lifetime is
    /// zero or over, the facts are too large, the wall clock stands before the answer, or the service
    /// was cleared since the mark. Even so the cache may let go of it at once when it is full.
    pub fn put(&self, key: Key, fresh: &Fresh<'_>, now: Timestamp) -> bool {
        let service = &fresh.facts.service;
        let Ok(expires_at) = fresh.obtained_at.checked_add(fresh.lifetime.min(service.lifetime)) else { return false };
        if now < fresh.obtained_at || expires_at <= now || self.mark(&service.id) != fresh.mark {
            return false;
        }
        let Some(entry) = self.seal(&key, fresh, expires_at, now) else { return false };
        let weight = u64::from(entry.weight());
        self.entries.insert(key, Arc::new(entry));
        self.settle_after(weight);
        true
    }

    /// Forgets one answer, such as when the source now says that there is no record.
    pub fn forget(&self, key: &Key) {
        self.entries.invalidate(key);
    }

    /// Forgets everything, such as after a reload: entries of another configuration cannot be found any
    /// more and would only hold memory. Answers to questions that are under way are not kept either.
    pub fn clear(&self) {
        for generation in self.cleared.iter() {
            generation.fetch_add(1, Ordering::AcqRel);
        }
        self.entries.invalidate_all();
    }

    /// Forgets every answer of a service, also those to questions that are under way. Costs a walk over
    /// all entries, some microseconds each: not for a thread that others wait for. Now and then another
    /// service's answers go with them.
    pub fn clear_service(&self, service: &ServiceId) {
        let slot = slot(service);
        self.cleared[usize::from(slot)].fetch_add(1, Ordering::AcqRel);
        // From here on none is served; the walk only gives the memory back.
        for (key, entry) in &self.entries {
            if entry.mark.slot == slot {
                self.entries.invalidate(&*key);
            }
        }
    }

    /// The mark to take before a question is sent, for [`Fresh::mark`].
    #[must_use]
    pub fn mark(&self, service: &ServiceId) -> Mark {
        self.mark_at(slot(service))
    }

    /// Gives back the memory of what is expired or over the bound. Writers do so as they go; call it now
    /// and then (a minute is often enough) so that an idle cache does not hold on to expired answers. May
    /// take a tenth of a second where much has expired.
    pub fn settle(&self) {
        self.unsettled_bytes.store(0, Ordering::Relaxed);
        self.entries.run_pending_tasks();
    }

    /// How many entries there are, as of the last settling.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.entries.entry_count()
    }

    /// What they weigh together in bytes, as of the last settling.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    fn mark_at(&self, slot: u8) -> Mark {
        Mark { slot, generation: self.cleared[usize::from(slot)].load(Ordering::Acquire) }
    }

    /// The store applies its bound some hundred writes late; with large entries that would be a bound in
    /// name only. So whoever puts in the last of a sixteenth of it settles the accounts.
    fn settle_after(&self, weight: u64) {
        if self.unsettled_bytes.fetch_add(weight, Ordering::Relaxed) + weight > self.bytes_max / 16 {
            self.settle();
        }
    }

    fn seal(&self, key: &Key, fresh: &Fresh<'_>, expires_at: Timestamp, now: Timestamp) -> Option<Entry> {
        let room = ENTRY_BYTES_MAX.min(usize::try_from(self.bytes_max / 8).unwrap_or(usize::MAX)).checked_sub(ENTRY_OVERHEAD_BYTES)?;
        let length = codec::encoded_bytes(&fresh.facts.record).filter(|length| *length <= room)?;
        // Exactly sized, so that no copy of the clear bytes is left behind by growth; sealing overwrites them.
        let mut bytes = Vec::with_capacity(length + TAG_BYTES);
        codec::encode(&fresh.facts.record, &mut bytes);
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
        let bound = bound_to(key, fresh.obtained_at, expires_at, &fresh.source);
        self.aead.seal_in_place_append_tag(nonce_of(nonce), Aad::from(bound), &mut bytes).ok()?;
        Some(Entry {
            service: Arc::clone(&fresh.facts.service),
            flags: fresh.facts.flags.as_slice().into(),
            sealed: bytes.into_boxed_slice(),
            nonce,
            obtained_at: fresh.obtained_at,
            expires_at,
            source: fresh.source,
            mark: fresh.mark,
            remaining: between(now, expires_at),
        })
    }

    fn open(&self, key: &Key, entry: &Entry) -> Option<Facts> {
        let (sealed, tag) = entry.sealed.split_at_checked(entry.sealed.len().checked_sub(TAG_BYTES)?)?;
        let mut clear = Zeroizing::new(vec![0; sealed.len()]);
        let bound = bound_to(key, entry.obtained_at, entry.expires_at, &entry.source);
        self.aead.open_separate_gather(nonce_of(entry.nonce), Aad::from(bound), sealed, tag, &mut clear).ok()?;
        let record = codec::decode(&clear)?;
        let fits = record.values.len() == entry.service.shape.fields.len();
        fits.then(|| Facts { service: Arc::clone(&entry.service), record, flags: entry.flags.to_vec() })
    }
}

impl Cached {
    /// Time since the source answered; zero by a clock that stands before that.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        between(self.obtained_at, now)
    }
}

impl Entry {
    fn weight(&self) -> u32 {
        let bytes = self.sealed.len() + size_of_val(&*self.flags) + ENTRY_OVERHEAD_BYTES;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

/// The monotonic half of expiry. A replacement starts a life of its own: by default it would keep what
/// is left of its predecessor's.
struct Lifetime;

impl Expiry<Key, Arc<Entry>> for Lifetime {
    fn expire_after_create(&self, _key: &Key, entry: &Arc<Entry>, _at: Instant) -> Option<Duration> {
        Some(entry.remaining)
    }

    fn expire_after_update(&self, _key: &Key, entry: &Arc<Entry>, _at: Instant, _left: Option<Duration>) -> Option<Duration> {
        Some(entry.remaining)
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// Which counter of clearing a service has. Services that share one are cleared together.
fn slot(service: &ServiceId) -> u8 {
    service.as_str().bytes().fold(0, |hash: u8, byte| hash.wrapping_mul(31).wrapping_add(byte))
}

fn nonce_of(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// What a seal vouches for besides the facts: that they stand under this key, with these times, resting
/// on this entry of the journal.
fn bound_to(key: &Key, obtained_at: Timestamp, expires_at: Timestamp, source: &Source) -> [u8; 104] {
    let mut bound = [0; 104];
    bound[..32].copy_from_slice(key.as_bytes());
    bound[32..48].copy_from_slice(&obtained_at.as_nanosecond().to_be_bytes());
    bound[48..64].copy_from_slice(&expires_at.as_nanosecond().to_be_bytes());
    bound[64..72].copy_from_slice(&source.index.to_be_bytes());
    bound[72..].copy_from_slice(&source.leaf_hash);
    bound
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("bytes_max", &self.bytes_max).field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Cached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Cached");
        shown.field("service", &self.facts.service.id).field("obtained_at", &self.obtained_at).field("source", &self.source.index);
        shown.finish_non_exhaustive()
    }
}

impl fmt::Debug for Fresh<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("service", &self.facts.service.id).field("obtained_at", &self.obtained_at).finish_non_exhaustive()
    }
}
