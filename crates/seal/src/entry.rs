//! The entry body: what stands in a leaf behind the log's own header.
//!
//! ```text
//! offset  bytes  field
//!      0     16  event id (UUID version 7)
//!     16      8  time, unix milliseconds
//!     24      8  epoch; 0: the metadata is plain
//!     32     12  nonce; zeros when plain
//!     44     32  commitment, SHA-256(blind ‖ metadata)
//!     76     32  SHA-256 of the sealed payload; zeros without payload
//!    108      …  AES-256-GCM of blind (32) ‖ metadata, tag last; or the metadata itself when plain
//! ```
//! Numbers are little-endian. The record key is HKDF-Expand-SHA256 of the epoch's metadata key, so a
//! restored directory cannot repeat a key with a nonce. The commitment ties one text to the leaf
//! (AES-GCM alone does not commit), lets one entry be disclosed without an epoch key, and says
//! nothing without the blind, however few the possible texts are.

use std::fmt;

use aws_lc_rs::digest;
use uuid::Uuid;

use crate::key::{self, NONCE_BYTES, TAG_BYTES, digest_bytes, pooled};
use crate::table::Epoch;

/// Bytes before the ciphertext.
pub const HEADER_BYTES: usize = 108;
/// Bytes of the blind before the metadata.
pub const BLIND_BYTES: usize = 32;
/// What sealing adds to the metadata of an entry, in bytes: for sizing reservations.
pub const BODY_OVERHEAD: usize = HEADER_BYTES + BLIND_BYTES + TAG_BYTES;
/// What sealing adds to a payload, in bytes.
pub const PAYLOAD_OVERHEAD: usize = NONCE_BYTES + TAG_BYTES;

const NONCE_AT: usize = 32;
const COMMITMENT_AT: usize = 44;
const PAYLOAD_HASH_AT: usize = 76;

/// What an entry is bound to: its place in the log's words, and its own identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The log's origin, 1 to 64 bytes.
    pub origin: &'a str,
    /// The entry's kind, as in the leaf.
    pub kind: u8,
    /// The entry's role, as in the leaf.
    pub role: u8,
    /// The index of the entry this one closes, as in the leaf; 0 without one.
    pub link: u64,
    /// The event's id, a version 7 UUID.
    pub event_id: Uuid,
    /// The event's time, unix milliseconds.
    pub time_ms: u64,
}

/// An entry ready for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// What goes into the leaf.
    pub body: Vec<u8>,
    /// What travels beside it; empty without payload.
    pub payload: Vec<u8>,
}

/// An entry read back.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The metadata as it was sealed.
    pub metadata: Vec<u8>,
    /// The blind before it: with both, anybody can check the commitment in the leaf.
    pub blind: [u8; BLIND_BYTES],
    /// The payload, when the entry has one and its bytes were given.
    pub payload: Option<Vec<u8>>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes, …)", self.metadata.len())
    }
}

/// What an entry's body tells without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyView<'a> {
    /// The event's id.
    pub event_id: Uuid,
    /// The event's time, unix milliseconds.
    pub time_ms: u64,
    /// The epoch whose key opens it; 0 when the metadata is plain.
    pub epoch: u64,
    /// SHA-256(blind ‖ metadata).
    pub commitment: [u8; 32],
    /// SHA-256 of the sealed payload; zeros without payload.
    pub payload_hash: [u8; 32],
    /// The nonce.
    pub nonce: &'a [u8],
    /// The ciphertext with its tag, or the metadata when plain.
    pub rest: &'a [u8],
}

impl<'a> BodyView<'a> {
    /// Whether the leaf commits to this text.
    #[must_use]
    pub fn commits_to(&self, blind: &[u8; BLIND_BYTES], metadata: &[u8]) -> bool {
        commit(blind, metadata) == self.commitment
    }

    /// The metadata, when it is plain and its commitment holds.
    #[must_use]
    pub fn plain_metadata(&self) -> Option<&'a [u8]> {
        (self.epoch == 0 && commit(&[0; BLIND_BYTES], self.rest) == self.commitment).then_some(self.rest)
    }
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The body is too short to be an entry, or a plain entry has a nonce.
    #[error("bytes are not an entry body")]
    Malformed,
    /// The key given is not the key of the entry's epoch.
    #[error("entry belongs to epoch {0}, not to the key given")]
    Epoch(u64),
    /// Changed bytes, another place in the log, or another key.
    #[error("entry does not open in this place with this key")]
    NotOpened,
    /// It opens, but to another text than the leaf commits to.
    #[error("entry opens to a text it does not commit to")]
    Commitment,
    /// The payload given is not the one the entry names.
    #[error("payload is not the one the entry names")]
    Payload,
}

/// Seals an entry under an epoch.
///
/// Cost: a few microseconds and two allocations (three with a payload).
///
/// # Panics
/// When the system gives no randomness, a part is longer than AES-GCM allows (64 GiB), or the
/// binding's origin is longer than 64 bytes.
#[must_use]
pub fn seal_entry(epoch: &Epoch, binding: &Binding<'_>, metadata: &[u8], payload: Option<&[u8]>) -> Sealed {
    let payload = payload.map_or_else(Vec::new, |payload| seal_payload(epoch, binding, payload));
    let payload_hash = hash_payload(&payload);
    // One draw gives nonce and blind: they come from independent bytes of it.
    let drawn = pooled::<{ NONCE_BYTES + BLIND_BYTES }>();
    let (nonce, blind) = drawn.split_at(NONCE_BYTES);
    let mut body = Vec::with_capacity(BODY_OVERHEAD + metadata.len());
    body.extend_from_slice(binding.event_id.as_bytes());
    body.extend_from_slice(&binding.time_ms.to_le_bytes());
    body.extend_from_slice(&epoch.id().to_le_bytes());
    body.extend_from_slice(nonce);
    body.extend_from_slice(&[0; 32]);
    body.extend_from_slice(&payload_hash);
    body.extend_from_slice(blind);
    body.extend_from_slice(metadata);
    let commitment = sha256(&body[HEADER_BYTES..]);
    body[COMMITMENT_AT..PAYLOAD_HASH_AT].copy_from_slice(&commitment);
    let aad = BoundData::entry(binding, epoch.id(), &payload_hash);
    let key = record_key(epoch, binding, Part::Metadata);
    key::seal_in_place(&key, aad.bytes(), &mut body, NONCE_AT, HEADER_BYTES);
    Sealed { body, payload }
}

/// A new id, an event's or a request's: a version 7 UUID of this moment, in unix milliseconds.
///
/// # Panics
/// When the system gives no randomness.
#[must_use]
pub fn new_id(time_ms: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(time_ms, &pooled()).into_uuid()
}

/// Makes an entry whose metadata anybody may read; only for kinds without personal data, such as `EpochOpened`.
#[must_use]
pub fn plain_entry(binding: &Binding<'_>, metadata: &[u8]) -> Sealed {
    let mut body = Vec::with_capacity(HEADER_BYTES + metadata.len());
    body.extend_from_slice(binding.event_id.as_bytes());
    body.extend_from_slice(&binding.time_ms.to_le_bytes());
    body.extend_from_slice(&[0; 8 + NONCE_BYTES]);
    body.extend_from_slice(&commit(&[0; BLIND_BYTES], metadata));
    body.extend_from_slice(&[0; 32]);
    body.extend_from_slice(metadata);
    Sealed { body, payload: Vec::new() }
}

/// Reads what a body tells without a key.
///
/// # Errors
/// When the bytes cannot be a body.
pub fn parse(body: &[u8]) -> Result<BodyView<'_>, EntryError> {
    let (header, rest) = body.split_at_checked(HEADER_BYTES).ok_or(EntryError::Malformed)?;
    let number = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or(EntryError::Malformed);
    let hash = |at: usize| header[at..].first_chunk::<32>().copied().ok_or(EntryError::Malformed);
    let view = BodyView {
        event_id: Uuid::from_slice(&header[..16]).map_err(|_| EntryError::Malformed)?,
        time_ms: number(16)?,
        epoch: number(24)?,
        commitment: hash(COMMITMENT_AT)?,
        payload_hash: hash(PAYLOAD_HASH_AT)?,
        nonce: &header[NONCE_AT..COMMITMENT_AT],
        rest,
    };
    let plain_is_clean = view.epoch != 0 || (view.nonce.iter().all(|b| *b == 0) && view.payload_hash == [0; 32]);
    let sealed_is_long_enough = view.epoch == 0 || rest.len() >= BLIND_BYTES + TAG_BYTES;
    if plain_is_clean && sealed_is_long_enough { Ok(view) } else { Err(EntryError::Malformed) }
}

/// Opens a sealed entry in its place: `origin`, `kind`, `role` and `link` come from the leaf, the rest from the body.
///
/// `payload` is the sealed payload when it is at hand; without it only the metadata is opened.
///
/// # Errors
/// When the epoch is another, bytes were changed or moved, or the payload is not the entry's.
pub fn open_entry(
    epoch: &Epoch,
    origin: &str,
    kind: u8,
    role: u8,
    link: u64,
    body: &[u8],
    payload: Option<&[u8]>,
) -> Result<Opened, EntryError> {
    let view = parse(body)?;
    if view.epoch != epoch.id() {
        return Err(EntryError::Epoch(view.epoch));
    }
    let binding = Binding { origin, kind, role, link, event_id: view.event_id, time_ms: view.time_ms };
    let aad = BoundData::entry(&binding, view.epoch, &view.payload_hash);
    let key = record_key(epoch, &binding, Part::Metadata);
    let mut metadata = key::open(&key, view.nonce, aad.bytes(), view.rest).map_err(|_| EntryError::NotOpened)?;
    if sha256(&metadata) != view.commitment {
        return Err(EntryError::Commitment);
    }
    let blind = *metadata.first_chunk().ok_or(EntryError::Malformed)?;
    metadata.drain(..BLIND_BYTES);
    let payload = match payload {
        Some(sealed) if view.payload_hash != [0; 32] => Some(open_payload(epoch, &binding, &view, sealed)?),
        Some([]) | None => None,
        Some(_) => return Err(EntryError::Payload),
    };
    Ok(Opened { metadata, blind, payload })
}

fn seal_payload(epoch: &Epoch, binding: &Binding<'_>, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PAYLOAD_OVERHEAD + payload.len());
    out.extend_from_slice(&pooled::<NONCE_BYTES>());
    out.extend_from_slice(payload);
    let aad = BoundData::payload(binding, epoch.id());
    key::seal_in_place(&record_key(epoch, binding, Part::Payload), aad.bytes(), &mut out, 0, NONCE_BYTES);
    out
}

fn open_payload(epoch: &Epoch, binding: &Binding<'_>, view: &BodyView<'_>, sealed: &[u8]) -> Result<Vec<u8>, EntryError> {
    if sha256(sealed) != view.payload_hash {
        return Err(EntryError::Payload);
    }
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(EntryError::Payload)?;
    let aad = BoundData::payload(binding, epoch.id());
    key::open(&record_key(epoch, binding, Part::Payload), nonce, aad.bytes(), ciphertext).map_err(|_| EntryError::NotOpened)
}

#[derive(Clone, Copy)]
enum Part {
    Metadata,
    Payload,
}

fn record_key(epoch: &Epoch, binding: &Binding<'_>, part: Part) -> aws_lc_rs::aead::LessSafeKey {
    let origin = binding.origin.as_bytes();
    let id = binding.event_id.as_bytes();
    match part {
        Part::Metadata => key::aead_key(&epoch.metadata, &[b"qovsaq entry\0", origin, b"\0", id]),
        Part::Payload => key::aead_key(&epoch.payload, &[b"qovsaq payload\0", origin, b"\0", id]),
    }
}

/// The data bound to a ciphertext, built on the stack.
struct BoundData {
    bytes: [u8; 160],
    length: usize,
}

impl BoundData {
    /// Label (13) ‖ origin ‖ 0 ‖ kind ‖ role ‖ link (8) ‖ event id (16) ‖ time (8) ‖ epoch (8) ‖ payload hash (32).
    fn entry(binding: &Binding<'_>, epoch: u64, payload_hash: &[u8; 32]) -> Self {
        let mut data = Self::start(b"qovsaq entry\0", binding.origin);
        data.push(&[binding.kind, binding.role]);
        data.push(&binding.link.to_le_bytes());
        data.push(binding.event_id.as_bytes());
        data.push(&binding.time_ms.to_le_bytes());
        data.push(&epoch.to_le_bytes());
        data.push(payload_hash);
        data
    }

    /// Label (15) ‖ origin ‖ 0 ‖ event id (16) ‖ epoch (8).
    fn payload(binding: &Binding<'_>, epoch: u64) -> Self {
        let mut data = Self::start(b"qovsaq payload\0", binding.origin);
        data.push(binding.event_id.as_bytes());
        data.push(&epoch.to_le_bytes());
        data
    }

    fn start(label: &[u8], origin: &str) -> Self {
        assert!(origin.len() <= 64, "an origin has at most 64 bytes");
        let mut data = Self { bytes: [0; 160], length: 0 };
        data.push(label);
        data.push(origin.as_bytes());
        data.push(&[0]);
        data
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn hash_payload(sealed: &[u8]) -> [u8; 32] {
    if sealed.is_empty() { [0; 32] } else { sha256(sealed) }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest_bytes(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn commit(blind: &[u8; BLIND_BYTES], metadata: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(blind);
    context.update(metadata);
    digest_bytes(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{KeyTable, NodeKey};

    fn epochs() -> (std::sync::Arc<Epoch>, std::sync::Arc<Epoch>) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let table = KeyTable::open(dir.path(), NodeKey::from_bytes([3; 32])).expect("opens");
        let open = || table.open_epoch(Timestamp::UNIX_EPOCH).expect("opened").0;
        (open(), open())
    }

    fn binding() -> Binding<'static> {
        let event_id = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);
        Binding { origin: "node-1.test", kind: 4, role: 2, link: 41, event_id, time_ms: 1_700_000_000_000 }
    }

    fn open(epoch: &Epoch, at: &Binding<'_>, body: &[u8], payload: Option<&[u8]>) -> Result<Opened, EntryError> {
        open_entry(epoch, at.origin, at.kind, at.role, at.link, body, payload)
    }

    #[test]
    fn an_entry_opens_only_where_it_was_sealed() {
        let (epoch, other) = epochs();
        let at = binding();
        let sealed = seal_entry(&epoch, &at, b"who asked what", None);
        assert_eq!(sealed.body.len(), BODY_OVERHEAD + 14);
        let opened = open(&epoch, &at, &sealed.body, None).expect("opens");
        assert_eq!(opened.metadata, b"who asked what");
        assert_eq!(commit(&opened.blind, &opened.metadata), parse(&sealed.body).expect("a body").commitment);
        let places =
            [Binding { origin: "node-2.test", ..at }, Binding { kind: 5, ..at }, Binding { role: 1, ..at }, Binding { link: 42, ..at }];
        for place in places {
            assert_eq!(open(&epoch, &place, &sealed.body, None), Err(EntryError::NotOpened), "{place:?}");
        }
        assert_eq!(open(&other, &at, &sealed.body, None), Err(EntryError::Epoch(epoch.id())));
        let mut claims = sealed.body;
        claims[24..32].copy_from_slice(&other.id().to_le_bytes());
        assert_eq!(open(&other, &at, &claims, None), Err(EntryError::NotOpened));
    }

    #[test]
    fn sealing_twice_shows_nothing_in_common_but_what_is_clear() {
        let (epoch, _) = epochs();
        let (one, two) = (seal_entry(&epoch, &binding(), b"same", None).body, seal_entry(&epoch, &binding(), b"same", None).body);
        let (one, two) = (parse(&one).expect("body"), parse(&two).expect("body"));
        assert_eq!((one.event_id, one.time_ms, one.epoch), (two.event_id, two.time_ms, two.epoch));
        assert!(one.nonce != two.nonce && one.commitment != two.commitment && one.rest != two.rest);
    }

    #[test]
    fn a_payload_belongs_to_its_entry() {
        let (epoch, _) = epochs();
        let at = binding();
        let sealed = seal_entry(&epoch, &at, b"meta", Some(b"answer"));
        let foreign = seal_entry(&epoch, &at, b"meta", Some(b"answer"));
        assert_eq!(sealed.payload.len(), PAYLOAD_OVERHEAD + 6);
        let opened = open(&epoch, &at, &sealed.body, Some(&sealed.payload)).expect("opens");
        assert_eq!(opened.payload.as_deref(), Some(&b"answer"[..]));
        assert_eq!(open(&epoch, &at, &sealed.body, Some(&foreign.payload)), Err(EntryError::Payload));
        assert_eq!(open(&epoch, &at, &sealed.body, Some(&[])), Err(EntryError::Payload));
        assert_eq!(open(&epoch, &at, &sealed.body, None).expect("opens").payload, None);
        let without = seal_entry(&epoch, &at, b"meta", None);
        assert_eq!(open(&epoch, &at, &without.body, Some(&[])).expect("opens").payload, None);
        assert_eq!(open(&epoch, &at, &without.body, Some(&sealed.payload)), Err(EntryError::Payload));
    }

    #[test]
    fn an_empty_payload_is_not_no_payload() {
        let (epoch, _) = epochs();
        let sealed = seal_entry(&epoch, &binding(), b"meta", Some(b""));
        assert_eq!(open(&epoch, &binding(), &sealed.body, Some(&sealed.payload)).expect("opens").payload.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_plain_entry_reads_without_a_key_and_says_when_it_was_changed() {
        let mut body = plain_entry(&binding(), b"epoch 7 opened").body;
        assert_eq!(parse(&body).expect("body").plain_metadata(), Some(&b"epoch 7 opened"[..]));
        *body.last_mut().expect("not empty") ^= 1;
        assert_eq!(parse(&body).expect("body").plain_metadata(), None);
        let (epoch, _) = epochs();
        let sealed = seal_entry(&epoch, &binding(), b"meta", None).body;
        assert_eq!(parse(&sealed).expect("body").plain_metadata(), None);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_any_flipped_bit_does_not(
            metadata: Vec<u8>, payload: Option<Vec<u8>>, bit: prop::sample::Index, in_payload: bool,
        ) {
            let (epoch, _) = epochs();
            let mut sealed = seal_entry(&epoch, &binding(), &metadata, payload.as_deref());
            let there = (!sealed.payload.is_empty()).then_some(&sealed.payload[..]);
            let opened = open(&epoch, &binding(), &sealed.body, there).expect("opens");
            prop_assert_eq!(&opened.metadata, &metadata);
            prop_assert_eq!(&opened.payload, &payload);
            let bytes = if in_payload && payload.is_some() { &mut sealed.payload } else { &mut sealed.body };
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let there = (!sealed.payload.is_empty()).then_some(&sealed.payload[..]);
            prop_assert!(open(&epoch, &binding(), &sealed.body, there).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(body: Vec<u8>, payload: Option<Vec<u8>>, epoch_named: bool) {
            let (epoch, _) = epochs();
            let mut body = body;
            if epoch_named && body.len() >= 32 {
                body[24..32].copy_from_slice(&epoch.id().to_le_bytes());
            }
            prop_assert!(open(&epoch, &binding(), &body, payload.as_deref()).is_err());
        }
    }
}
