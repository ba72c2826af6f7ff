//! The node key and the keys derived from it.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac, rand};
use zeroize::{Zeroize as _, Zeroizing};

use crate::key_file::{self, KeyFileError};

/// Bytes of an AES-GCM nonce.
pub const NONCE_BYTES: usize = 12;
/// Bytes of an AES-GCM tag.
pub const TAG_BYTES: usize = 16;

/// The node's root secret: wraps the key table and the stores of this node, and nothing else.
///
/// Whoever has it reads everything the node wrote whose key rows still exist. It is never used
/// directly: each use derives a key of its own by label. Wiped on drop.
#[derive(Clone)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl NodeKey {
    /// Reads the key, or makes it when the file is not there (mode 0600, durable before this returns).
    ///
    /// # Errors
    /// When the file cannot be read or made, is not 32 bytes, or is open to others than its owner.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        key_file::load_or_create(path).map(Self)
    }

    /// A key from 32 bytes, for a secret that comes from elsewhere than a file.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key for one use; equal labels give equal keys, other labels unrelated ones.
    ///
    /// HKDF-SHA256 with salt `qovsaq node key` and info `label ‖ 0x00 ‖ "seal"` or `"mac"`.
    #[must_use]
    pub fn derive(&self, label: &str) -> SealKey {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"qovsaq node key").extract(&self.0[..]);
        SealKey {
            aead: aead_key(&prk, &[label.as_bytes(), b"\0seal"]),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &expand(&prk, &[label.as_bytes(), b"\0mac"])[..]),
        }
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(…)")
    }
}

/// A sealed text does not open: another key, other bound data, or changed bytes. Nothing says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open with this key and binding")]
pub struct NotOpened;

/// A key for one use: seals small records with AES-256-GCM, and makes keyed look-up values.
pub struct SealKey {
    aead: LessSafeKey,
    mac: hmac::Key,
}

impl SealKey {
    /// Encrypts `plain`, bound to `aad`: nonce (12, random) ‖ ciphertext ‖ tag (16).
    ///
    /// Random nonces allow about 2³² seals per key; the key table and the stores stay far below.
    ///
    /// # Panics
    /// When the system gives no randomness, or `plain` is longer than AES-GCM allows (64 GiB).
    #[must_use]
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        out.extend_from_slice(&random::<NONCE_BYTES>());
        out.extend_from_slice(plain);
        seal_in_place(&self.aead, aad, &mut out, 0, NONCE_BYTES);
        out
    }

    /// Decrypts what [`Self::seal`] made with the same key and `aad`.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(NotOpened)?;
        open(&self.aead, nonce, aad, ciphertext)
    }

    /// HMAC-SHA256 of `bytes`: a look-up value that says nothing to whoever lacks the key.
    #[must_use]
    pub fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        digest_bytes(hmac::sign(&self.mac, bytes).as_ref())
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Random bytes for what lasts: keys, and nonces under a key that lasts.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

/// Random bytes for what every entry needs, under a key that is the entry's own. They are drawn a few hundred at a
/// time, since a draw costs as much as sealing a record, and none is given twice or left behind.
pub(crate) fn pooled<const N: usize>() -> [u8; N] {
    const { assert!(N <= POOL_BYTES, "a draw holds it") }
    thread_local!(static POOL: RefCell<Pool> = RefCell::new(Pool { bytes: Zeroizing::new([0; POOL_BYTES]), used: POOL_BYTES }));
    POOL.with_borrow_mut(Pool::take)
}

/// Bytes of one draw.
const POOL_BYTES: usize = 512;

struct Pool {
    bytes: Zeroizing<[u8; POOL_BYTES]>,
    used: usize,
}

impl Pool {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > POOL_BYTES {
            rand::fill(&mut self.bytes[..]).expect("the system gives randomness");
            self.used = 0;
        }
        let part = &mut self.bytes[self.used..self.used + N];
        let mut taken = [0; N];
        taken.copy_from_slice(part);
        part.zeroize();
        self.used += N;
        taken
    }
}

pub(crate) fn digest_bytes(digest: &[u8]) -> [u8; 32] {
    digest.try_into().expect("SHA-256 gives 32 bytes")
}

pub(crate) fn expand(prk: &hkdf::Prk, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    prk.expand(info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key[..])).expect("32 bytes are within HKDF's limit");
    key
}

pub(crate) fn aead_key(prk: &hkdf::Prk, info: &[&[u8]]) -> LessSafeKey {
    let key = expand(prk, info);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..]).expect("32 bytes are an AES-256 key"))
}

/// Encrypts `buffer[from..]` where it lies, under the nonce at `buffer[nonce_at..]`, and appends the tag.
pub(crate) fn seal_in_place(key: &LessSafeKey, aad: &[u8], buffer: &mut Vec<u8>, nonce_at: usize, from: usize) {
    let nonce = Nonce::try_assume_unique_for_key(&buffer[nonce_at..nonce_at + NONCE_BYTES]).expect("12 bytes are a nonce");
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut buffer[from..]).expect("shorter than AES-GCM's limit");
    buffer.extend_from_slice(tag.as_ref());
}

/// Decrypts `ciphertext ‖ tag`.
pub(crate) fn open(key: &LessSafeKey, nonce: &[u8], aad: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, NotOpened> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened)?;
    let mut buffer = ciphertext.to_vec();
    let length = key.open_in_place(nonce, Aad::from(aad), &mut buffer).map_err(|_| NotOpened)?.len();
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(label: &str) -> SealKey {
        NodeKey::from_bytes([7; 32]).derive(label)
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_any_flipped_bit_does_not(plain: Vec<u8>, aad: Vec<u8>, bit: prop::sample::Index) {
            let key = key("cases");
            let mut sealed = key.seal(&aad, &plain);
            prop_assert_eq!(key.open(&aad, &sealed).expect("opens"), plain);
            let bit = bit.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(key.open(&aad, &sealed), Err(NotOpened));
        }
    }

    #[test]
    fn labels_and_bindings_separate() {
        let sealed = key("cases").seal(b"row 1", b"text");
        assert!(key("cases").open(b"row 2", &sealed).is_err());
        assert!(key("tokens").open(b"row 1", &sealed).is_err());
        assert_ne!(key("cases").mac(b"x"), key("tokens").mac(b"x"));
        assert_ne!(sealed, key("cases").seal(b"row 1", b"text"), "nonces are fresh");
        for short in 0..NONCE_BYTES + TAG_BYTES {
            assert!(key("cases").open(b"", &vec![0; short]).is_err(), "{short} bytes");
        }
    }

    #[test]
    fn random_bytes_do_not_repeat_and_are_not_left_behind() {
        let drawn: std::collections::HashSet<[u8; 44]> = (0..1_000).map(|_| pooled()).collect();
        assert_eq!(drawn.len(), 1_000);
        let mut pool = Pool { bytes: Zeroizing::new([0; POOL_BYTES]), used: POOL_BYTES };
        let first: [u8; 100] = pool.take();
        assert_ne!(first, [0; 100]);
        assert_eq!(pool.bytes[..100], [0; 100]);
    }

    #[test]
    fn debug_shows_no_key() {
        let node = NodeKey::from_bytes([0xAB; 32]);
        assert_eq!(format!("{node:?} {:?}", node.derive("x")), "NodeKey(…) SealKey(…)");
    }
}
