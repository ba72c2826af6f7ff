//! The keys the caller trusts: C2SP signed-note, "Signatures" and "Ed25519 signatures".

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::encoding;
use crate::malformed::{Malformed, Rule};

/// The signature type of Ed25519 (C2SP signed-note, "Signature types").
const TYPE_ED25519: u8 = 0x01;

/// A log's public key, under the name it signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    name: String,
    id: [u8; 4],
    point: VerifyingKey,
}

impl Key {
    /// Reads a verifier's text: `<origin>+<key id, 8 hex digits>+<base64 of 0x01 ‖ public key>`.
    ///
    /// # Errors
    /// When a part has another form, the id is not that of name and key, the type is not Ed25519, or the
    /// point is none or one whose signatures prove nothing (of small order).
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let form = || Malformed::new("key", Rule::KeyForm);
        // The base64 may have plus signs of its own.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(form()) };
        let name = encoding::origin("key.origin", name)?;
        let typed = encoding::base64("key", key)?;
        let (&signature_type, point) = typed.split_first().ok_or_else(form)?;
        if signature_type != TYPE_ED25519 {
            return Err(Malformed::new("key", Rule::KeyType));
        }
        let point: &[u8; 32] = point.try_into().map_err(|_| form())?;
        let own = id_of(&name, point);
        if id.len() != 8 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(form());
        }
        if u32::from_str_radix(id, 16) != Ok(u32::from_be_bytes(own)) {
            return Err(Malformed::new("key", Rule::KeyId));
        }
        let point = VerifyingKey::from_bytes(point).map_err(|_| Malformed::new("key", Rule::KeyPoint))?;
        if point.is_weak() {
            return Err(Malformed::new("key", Rule::KeyPoint));
        }
        Ok(Self { name, id: own, point })
    }

    /// The name it signs with: the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Whether `signature` is this key's over `text` (RFC 8032 section 5.1.7, in its strict reading).
    #[must_use]
    pub fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.point.verify_strict(text.as_bytes(), &signature).is_ok())
    }
}

/// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key).
fn id_of(name: &str, point: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', TYPE_ED25519]).chain_update(point).finalize();
    let mut id = [0; 4];
    id.copy_from_slice(&digest[..4]);
    id
}

/// The trusted keys, one for each origin: a log keeps its key for life, so a second one is a mistake or worse.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Adds a key; the same one again changes nothing.
    ///
    /// # Errors
    /// When its origin has another key.
    pub fn add(&mut self, key: Key) -> Result<(), Malformed> {
        match self.0.get(key.name()) {
            Some(known) if *known != key => Err(Malformed::new("key", Rule::SecondKey)),
            _ => {
                self.0.insert(key.name.clone(), key);
                Ok(())
            }
        }
    }

    /// Adds the keys of a file: one a line; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// When a line is no key, or a second one for its origin.
    pub fn add_lines(&mut self, text: &str) -> Result<(), Malformed> {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                Key::parse(line).and_then(|key| self.add(key)).map_err(|broken| broken.within(&format!("line {}", at + 1)))?;
            }
        }
        Ok(())
    }

    /// The key of an origin.
    #[must_use]
    pub fn of(&self, origin: &str) -> Option<&Key> {
        self.0.get(origin)
    }
}
