//! Under what an answer is kept. A key is a keyed hash of the whole question, so it names nobody: there
//! are only about 2^36 FINs, and an unkeyed hash of one is found by trying them all.

use std::fmt;

use aws_lc_rs::{hmac, rand};
use model::contract::{Class, ServiceEffect};
use model::{CaseId, ConsumerId, InstanceId, PurposeId, Service, Subject, Value};
use uuid::{Builder, Uuid};
use zeroize::Zeroizing;

use super::codec::{self, Sink};

/// The key of one question, for the cache and for shared flights: HMAC-SHA-256 under a random key of
/// this process. Equal keys mean that one call to the provider answers both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

/// Makes keys, under a random secret that never leaves it.
pub struct Keys(hmac::Key);

/// A question, as far as it decides whose answer may serve whom.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Version of the active configuration: other contracts or mappings may read another answer.
    pub configuration: &'a str,
    /// The contract.
    pub service: &'a Service,
    /// Which of the source's instances is asked.
    pub instance: &'a InstanceId,
    /// Whom it is about; none where the contract asks about no person.
    pub subject: Option<&'a Subject>,
    /// The other inputs. Their order does not matter.
    pub inputs: &'a [(Box<str>, Value)],
    /// Who asks.
    pub consumer: &'a ConsumerId,
    /// For what.
    pub purpose: &'a PurposeId,
}

/// A question that a provider must recognise when it is sent again.
#[derive(Clone, Copy)]
pub struct Repeated<'a> {
    /// The contract.
    pub service: &'a Service,
    /// Who asks.
    pub consumer: &'a ConsumerId,
    /// In which case.
    pub case: &'a CaseId,
    /// Whom it is about; none where the contract asks about no person.
    pub subject: Option<&'a Subject>,
    /// The other inputs. Their order does not matter.
    pub inputs: &'a [(Box<str>, Value)],
    /// SHA-256 of each consent it rests on. Their order does not matter.
    pub consents: &'a [[u8; 32]],
}

impl Keys {
    /// Makes a new secret.
    ///
    /// # Panics
    /// When the system gives no randomness.
    #[must_use]
    pub fn new() -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rand::fill(&mut secret[..]).expect("the system gives randomness");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret[..]))
    }

    /// The key of a question; none for a consent-bound service ([`Service::consent`]), and none for a write
    /// ([`ServiceEffect::Write`]): their answers are never kept or shared.
    ///
    /// Consumer and purpose are part of it for a service of class C or S, and not for one of class O
    /// ([`Service::class`]).
    #[must_use]
    pub fn key(&self, asked: &Asked<'_>) -> Option<Key> {
        if asked.service.consent || asked.service.effect == ServiceEffect::Write {
            return None;
        }
        Some(Key(mac(&self.0, |out| encode_asked(asked, out))))
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    /// The bytes, for binding a seal to it.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Any key, for tests of what only tells keys apart.
    #[cfg(test)]
    pub(crate) fn any(byte: u8) -> Self {
        Self([byte; 32])
    }
}

/// The idempotency key of a call towards a provider: the same for the same question of the same consumer
/// in the same case, before and after a restart, and without a meaning to whoever lacks `secret`. A UUID
/// of version 8 (RFC 9562 section 5.8) with the first 122 free bits of the hash.
///
/// `secret` is the caller's, persistent; it may serve other purposes, since the encoding is labelled.
#[must_use]
pub fn repeat_key(secret: &hmac::Key, repeated: &Repeated<'_>) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(mac(secret, |out| encode_repeated(repeated, out)).split_at(16).0);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// The question, unambiguously: two that differ in any part that counts have different bytes.
pub(super) fn encode_asked(asked: &Asked<'_>, out: &mut impl Sink) {
    out.sized(b"qovsaq cache key 2");
    out.sized(asked.configuration.as_bytes());
    service(asked.service, out);
    out.sized(asked.instance.as_str().as_bytes());
    subject(asked.subject, out);
    inputs(asked.inputs, out);
    match asked.service.class() {
        Class::O => out.take(&[0]),
        Class::C | Class::S => {
            out.take(&[1]);
            out.sized(asked.consumer.as_str().as_bytes());
            out.sized(asked.purpose.as_str().as_bytes());
        }
    }
}

pub(super) fn encode_repeated(repeated: &Repeated<'_>, out: &mut impl Sink) {
    match repeated.service.effect {
        ServiceEffect::Read => {
            out.sized(b"qovsaq repeat key 1");
            service(repeated.service, out);
        }
        // A contract that comes into force between a write and its repetition must not make another write of it.
        ServiceEffect::Write => {
            out.sized(b"qovsaq write key 1");
            out.sized(repeated.service.id.as_str().as_bytes());
        }
    }
    out.sized(repeated.consumer.as_str().as_bytes());
    out.sized(repeated.case.as_str().as_bytes());
    subject(repeated.subject, out);
    inputs(repeated.inputs, out);
    let mut consents = repeated.consents.to_vec();
    consents.sort_unstable();
    out.number(consents.len());
    for consent in &consents {
        out.take(consent);
    }
}

fn service(service: &Service, out: &mut impl Sink) {
    out.sized(service.id.as_str().as_bytes());
    out.sized(service.version.as_str().as_bytes());
}

/// The parts rather than [`Subject::canonical`]: that text tells two subjects apart only once their form
/// was checked, and a key must not rest on someone else's check.
fn subject(subject: Option<&Subject>, out: &mut impl Sink) {
    match subject {
        None => out.take(&[0]),
        Some(Subject::Fin(fin)) => {
            out.take(&[1]);
            out.sized(fin.as_bytes());
        }
        Some(Subject::Pin(pin)) => {
            out.take(&[2]);
            out.sized(pin.as_bytes());
        }
        Some(Subject::Tin(tin)) => {
            out.take(&[3]);
            out.sized(tin.as_bytes());
        }
        Some(Subject::Document(by)) => {
            out.take(&[4]);
            out.sized(by.document.series.as_bytes());
            out.sized(by.document.number.as_bytes());
            out.take(&by.birth_date.year().to_le_bytes());
            out.take(&by.birth_date.month().to_le_bytes());
            out.take(&by.birth_date.day().to_le_bytes());
        }
    }
}

/// In the order of their names: an envelope gives them in the contract's order and a dossier in its own,
/// and the question is the same.
fn inputs(inputs: &[(Box<str>, Value)], out: &mut impl Sink) {
    let mut inputs: Vec<_> = inputs.iter().collect();
    inputs.sort_by(|one, other| one.0.cmp(&other.0));
    out.number(inputs.len());
    for (name, value) in inputs {
        out.sized(name.as_bytes());
        codec::value(value, out);
    }
}

/// Over all bytes at once: handed over piece by piece they cost several times as much.
fn mac(key: &hmac::Key, encode: impl FnOnce(&mut Vec<u8>)) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(512);
    encode(&mut bytes);
    hmac::sign(key, &bytes).as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("service", &self.service.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Repeated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeated").field("service", &self.service.id).finish_non_exhaustive()
    }
}
