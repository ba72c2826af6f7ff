//! Terms: what an entry is found by, as keyed digests.

use std::fmt;

use seal::{NodeKey, SealKey};

/// What an entry is found by: the first 16 bytes of HMAC-SHA256 over the field's name, a zero byte and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub(crate) [u8; 16]);

/// Makes terms and seals rows. One per node, derived from its key.
pub struct IndexKey(pub(crate) SealKey);

impl IndexKey {
    /// The index's key of a node.
    #[must_use]
    pub fn new(node: &NodeKey) -> Self {
        Self(node.derive("journal index"))
    }

    /// The term of a value in a field. Two fields with the same value have different terms.
    ///
    /// `field` is a name of ours and holds no zero byte.
    #[must_use]
    pub fn term(&self, field: &str, value: &[u8]) -> Term {
        let mut text = Vec::with_capacity(field.len() + 1 + value.len());
        text.extend_from_slice(field.as_bytes());
        text.push(0);
        text.extend_from_slice(value);
        let digest = self.0.mac(&text);
        let mut term = [0; 16];
        term.copy_from_slice(&digest[..16]);
        Term(term)
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(…)")
    }
}
