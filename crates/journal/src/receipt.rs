//! Receipts: what a caller keeps to prove that an entry is in the log.

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::note::{NoteError, SignedHead, VerifyingKey};
use crate::tree::verify_inclusion;

/// Proof that a leaf stands in a log: verifies offline with nothing but the log's public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The log's origin.
    pub origin: String,
    /// The leaf's index.
    pub index: u64,
    /// The leaf's hash (RFC 6962).
    pub leaf_hash: Hash,
    /// The inclusion path, from the leaf upwards.
    pub proof: Vec<Hash>,
    /// The signed tree head of the commit, a C2SP checkpoint note.
    pub head: String,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The receipt names another log than the key.
    #[error("receipt names another origin than the key")]
    Origin,
    /// Its tree head is not one of this log's.
    #[error("receipt's tree head is not accepted")]
    Head(#[source] NoteError),
    /// The path does not lead from the leaf to the head's root.
    #[error("receipt's path does not lead to its tree head")]
    Path,
}

impl Receipt {
    /// Checks the head's signature and the path from the leaf to it.
    ///
    /// # Errors
    /// When any part does not hold.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), ReceiptError> {
        if self.origin != key.origin().as_str() {
            return Err(ReceiptError::Origin);
        }
        let head = SignedHead::parse(&self.head, key).map_err(ReceiptError::Head)?;
        if verify_inclusion(self.index, head.size(), &self.leaf_hash, &self.proof, head.root()) { Ok(()) } else { Err(ReceiptError::Path) }
    }
}
