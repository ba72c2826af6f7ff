//! A small log to test with: the tree written down as RFC 6962 defines it, and a signer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use verify::tree::{Hash, leaf_hash, node_hash};
use verify::{Key, Keys};

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Leaf hashes that are all different.
pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|at| leaf_hash(&at.to_be_bytes())).collect()
}

/// RFC 6962 section 2.1: the largest power of two below `count`.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// MTH of RFC 6962 section 2.1.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1.
pub(crate) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut below, beside) = if index < at { (path(index, left), root(right)) } else { (path(index - at, right), root(left)) };
    below.push(beside);
    below
}

/// PROOF of RFC 6962 section 2.1.2.
pub(crate) fn consistency(from: usize, leaves: &[Hash]) -> Vec<Hash> {
    if from == 0 { Vec::new() } else { subproof(from, leaves, true) }
}

fn subproof(from: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
    if from == leaves.len() {
        return if is_whole { Vec::new() } else { vec![root(leaves)] };
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut below, beside) =
        if from <= at { (subproof(from, left, is_whole), root(right)) } else { (subproof(from - at, right, false), root(left)) };
    below.push(beside);
    below
}

/// A signer of notes.
pub(crate) struct Log {
    pub(crate) origin: &'static str,
    key: SigningKey,
}

impl Log {
    pub(crate) fn new(origin: &'static str, secret: u8) -> Self {
        Self { origin, key: SigningKey::from_bytes(&[secret; 32]) }
    }

    fn typed_key(&self) -> Vec<u8> {
        [&[1], &self.key.verifying_key().to_bytes()[..]].concat()
    }

    fn id(&self) -> [u8; 4] {
        let digest = Sha256::digest([self.origin.as_bytes(), b"\n", &self.typed_key()].concat());
        digest[..4].try_into().expect("four bytes")
    }

    pub(crate) fn vkey(&self) -> String {
        format!("{}+{:08x}+{}", self.origin, u32::from_be_bytes(self.id()), base64(&self.typed_key()))
    }

    pub(crate) fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        keys.add(Key::parse(&self.vkey()).expect("a key")).expect("the first");
        keys
    }

    pub(crate) fn signature_line(&self, text: &str) -> String {
        let signature = self.key.sign(text.as_bytes()).to_bytes();
        format!("\u{2014} {} {}\n", self.origin, base64(&[&self.id()[..], &signature].concat()))
    }

    pub(crate) fn note(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature_line(text))
    }

    pub(crate) fn checkpoint(&self, leaves: &[Hash]) -> String {
        self.note(&format!("{}\n{}\n{}\n", self.origin, leaves.len(), base64(&root(leaves))))
    }

    pub(crate) fn entry(&self, index: usize, leaves: &[Hash]) -> Json {
        json!({"origin": self.origin, "index": index, "leaf_hash": base64(&leaves[index])})
    }

    pub(crate) fn receipt(&self, index: usize, leaves: &[Hash]) -> Json {
        let mut receipt = self.entry(index, leaves);
        receipt["proof"] = json!(path(index, leaves).iter().map(|hash| base64(hash)).collect::<Vec<_>>());
        receipt["head"] = json!(self.checkpoint(leaves));
        receipt
    }

    pub(crate) fn tlog_proof(&self, index: usize, leaves: &[Hash]) -> String {
        let path: String = path(index, leaves).iter().map(|hash| base64(hash) + "\n").collect();
        format!("c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{}", self.checkpoint(leaves))
    }

    pub(crate) fn consistency(&self, from: usize, leaves: &[Hash]) -> Json {
        json!({
            "origin": self.origin, "from": from, "to": leaves.len(),
            "proof": consistency(from, leaves).iter().map(|hash| base64(hash)).collect::<Vec<_>>(),
            "old": self.checkpoint(&leaves[..from]), "new": self.checkpoint(leaves),
        })
    }
}
