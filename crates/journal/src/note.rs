//! Keys, signed tree heads and their text: C2SP signed-note and tlog-checkpoint, Ed25519.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seal::{KeyFileError, key_file};

use crate::hash::Hash;

/// Longest checkpoint note accepted, in bytes: room for a few signatures of witnesses.
pub const NOTE_BYTES_MAX: usize = 4096;
/// Longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 64;
/// The signed-note algorithm number of Ed25519.
const ED25519_TYPE: u8 = 1;

/// A log's name: 1 to 64 of `a-z`, `0-9`, `.`, `-`; also the name of its signing key and of its directory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin(Arc<str>);

/// The text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin, accepted are 1 to 64 of a-z, 0-9, '.' and '-', with a letter or digit first")]
pub struct OriginError;

impl Origin {
    /// Checks the text.
    ///
    /// # Errors
    /// When it is empty, too long, has another character, or begins with `.` or `-` (it is a directory's name too).
    pub fn new(text: &str) -> Result<Self, OriginError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if first && text.len() <= ORIGIN_BYTES_MAX && text.bytes().all(allowed) { Ok(Self(text.into())) } else { Err(OriginError) }
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The key that signs a log's tree heads. One key per origin: a new key is a new log.
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

impl SigningKey {
    /// Reads the key's 32-byte seed, or makes it when the file is not there (mode 0600, durable before this returns).
    ///
    /// # Errors
    /// When the file cannot be read or made, is not 32 bytes, or is open to others than its owner.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        key_file::load_or_create(path).map(|seed| Self::from_seed(&seed))
    }

    /// The key of a seed (RFC 8032 section 5.1.5).
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Arc::new(Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are an Ed25519 seed")))
    }

    /// What others verify with, under the name of the log.
    ///
    /// # Panics
    /// Never: every Ed25519 public key has 32 bytes.
    #[must_use]
    pub fn public(&self, origin: &Origin) -> VerifyingKey {
        let key = self.0.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        VerifyingKey { origin: origin.clone(), key }
    }

    /// The signature line of a note over this text, under the signer's name: the dash, the name, and base64 of key id and
    /// signature (C2SP signed-note).
    #[must_use]
    pub fn sign_note(&self, name: &Origin, text: &str) -> String {
        let mut blob = self.public(name).id().to_vec();
        blob.extend_from_slice(self.0.sign(text.as_bytes()).as_ref());
        format!("\u{2014} {name} {}\n", STANDARD.encode(blob))
    }

    /// Signs a tree head. Ed25519 is deterministic: the same head gives the same signature.
    pub(crate) fn sign(&self, origin: &Origin, size: u64, root: Hash) -> SignedHead {
        let text = head_text(origin, size, &root);
        let signature = self.0.sign(text.as_bytes()).as_ref().try_into().expect("an Ed25519 signature has 64 bytes");
        SignedHead::assemble(&text, self.public(origin), size, root, signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// A log's name and public key; as text a C2SP note verifier, `name+hash+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    origin: Origin,
    key: [u8; 32],
}

impl VerifyingKey {
    /// The key of a log from its parts.
    #[must_use]
    pub fn new(origin: Origin, key: [u8; 32]) -> Self {
        Self { origin, key }
    }

    /// Reads the verifier text, `name+hash+key`; nothing when it is another algorithm or its hash is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Base64 may contain '+', so only the first two separate.
        let mut parts = text.splitn(3, '+');
        let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes: [u8; 33] = STANDARD.decode(key).ok()?.try_into().ok()?;
        let (algorithm, key) = bytes.split_first()?;
        let key = Self { origin: Origin::new(name).ok()?, key: key.try_into().ok()? };
        (*algorithm == ED25519_TYPE && hash == key.id_text()).then_some(key)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key), first four bytes.
    fn id(&self) -> [u8; 4] {
        let bytes = [self.origin.as_str().as_bytes(), &[b'\n', ED25519_TYPE], &self.key].concat();
        *Hash::of(&bytes).0.first_chunk().expect("a hash has more than four bytes")
    }

    fn id_text(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id()))
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature).is_ok()
    }

    /// Whether this key signed a tree head.
    pub(crate) fn signed(&self, size: u64, root: &Hash, signature: &[u8; 64]) -> bool {
        self.verify(head_text(&self.origin, size, root).as_bytes(), signature)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [ED25519_TYPE; 33];
        bytes[1..].copy_from_slice(&self.key);
        write!(f, "{}+{}+{}", self.origin, self.id_text(), STANDARD.encode(bytes))
    }
}

/// A tree head with the log's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    origin: Origin,
    size: u64,
    root: Hash,
    signature: [u8; 64],
    note: String,
}

impl SignedHead {
    /// The log.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// The Ed25519 signature over the note's text.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The checkpoint as a C2SP signed note.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Reads a checkpoint note and verifies this log's signature on it; other signatures are passed over.
    ///
    /// # Errors
    /// When it is not a checkpoint of this log, or this key did not sign it.
    pub fn parse(note: &str, key: &VerifyingKey) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed);
        }
        let (text, signatures) = note.split_once("\n\n").ok_or(NoteError::Malformed)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Malformed);
        };
        if origin != key.origin.as_str() {
            return Err(NoteError::Origin);
        }
        let root = Hash::from_base64(root).ok_or(NoteError::Malformed)?;
        let parsed: u64 = size.parse().map_err(|_| NoteError::Malformed)?;
        // One spelling per number: no sign, no leading zero.
        if parsed.to_string() != size {
            return Err(NoteError::Malformed);
        }
        let mut found = None;
        for signature in signature_lines(signatures)? {
            if signature.name == origin && signature.id == key.id() {
                if found.is_some() {
                    return Err(NoteError::Malformed);
                }
                found = Some(<[u8; 64]>::try_from(&*signature.bytes).map_err(|_| NoteError::Malformed)?);
            }
        }
        let signature = found.ok_or(NoteError::Signature)?;
        if !key.signed(parsed, &root, &signature) {
            return Err(NoteError::Signature);
        }
        Ok(Self { origin: key.origin.clone(), size: parsed, root, signature, note: note.to_owned() })
    }

    fn assemble(text: &str, key: VerifyingKey, size: u64, root: Hash, signature: [u8; 64]) -> Self {
        let mut blob = [0; 68];
        blob[..4].copy_from_slice(&key.id());
        blob[4..].copy_from_slice(&signature);
        let note = format!("{text}\n\u{2014} {} {}\n", key.origin, STANDARD.encode(blob));
        Self { origin: key.origin, size, root, signature, note }
    }
}

/// A text with the signatures of several keys, not verified yet (C2SP signed-note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText<'a> {
    /// What is signed, with its last line feed.
    pub text: &'a str,
    /// The signatures, in the order of their lines; none for a text that nobody has signed yet.
    pub signatures: Vec<NoteSignature<'a>>,
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// Who is said to have signed.
    pub name: &'a str,
    id: [u8; 4],
    bytes: Box<[u8]>,
}

impl<'a> SignedText<'a> {
    /// Reads a note: the text, an empty line, and a line for each signature. The text is not looked at.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        let end = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, rest) = note.split_at(end + 1);
        let signatures = rest.strip_prefix('\n').ok_or(NoteError::Malformed)?;
        let signatures = if signatures.is_empty() { Vec::new() } else { signature_lines(signatures)? };
        Ok(Self { text, signatures })
    }

    /// Whether this signature of it is that of the key.
    #[must_use]
    pub fn is_signed(&self, signature: &NoteSignature<'_>, key: &VerifyingKey) -> bool {
        signature.name == key.origin.as_str() && signature.id == key.id() && key.verify(self.text.as_bytes(), &signature.bytes)
    }
}

fn signature_lines(lines: &str) -> Result<Vec<NoteSignature<'_>>, NoteError> {
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed)?;
    let signature = |line| signature_line(line).ok_or(NoteError::Malformed);
    lines.split('\n').map(signature).collect()
}

fn signature_line(line: &str) -> Option<NoteSignature<'_>> {
    let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let blob = STANDARD.decode(blob).ok()?;
    let (id, bytes) = blob.split_first_chunk::<4>()?;
    Some(NoteSignature { name, id: *id, bytes: bytes.into() })
}

/// Why a checkpoint note is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not three lines and signatures in the one accepted spelling.
    #[error("not a checkpoint note")]
    Malformed,
    /// Another log's checkpoint.
    #[error("checkpoint names another origin")]
    Origin,
    /// No signature of this key, or a false one.
    #[error("checkpoint is not signed by this key")]
    Signature,
}

/// The signed text: origin, size and root, a line each.
fn head_text(origin: &Origin, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{root}\n")
}
