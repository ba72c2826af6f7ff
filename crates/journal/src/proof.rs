//! Proofs of an entry under a later head than its receipt's, as C2SP tlog-proof texts; and that a log has only grown.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::levels::{Levels, ProofError};
use crate::note::{SignedHead, VerifyingKey};
use crate::tree::{verify_consistency, verify_inclusion};

/// First line of a tlog-proof.
const TLOG_PROOF: &str = "c2sp.org/tlog-proof@v1";

/// That a leaf stands in the tree of a head. Shown as a C2SP tlog-proof, without extra data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    index: u64,
    leaf_hash: Hash,
    path: Vec<Hash>,
    head: SignedHead,
}

impl InclusionProof {
    /// Proves a leaf under a head that the levels lead to.
    ///
    /// # Errors
    /// When the head does not cover it, or the levels are not those of the head.
    pub fn of(index: u64, levels: &Levels, head: &SignedHead) -> Result<Self, ProofError> {
        Self::by(index, levels.inclusion(index, head.size())?, levels, head)
    }

    fn by(index: u64, path: Vec<Hash>, levels: &Levels, head: &SignedHead) -> Result<Self, ProofError> {
        let leaf_hash = levels.leaf(index)?;
        // A proof that does not hold would look like a forged log to whoever gets it.
        if !verify_inclusion(index, head.size(), &leaf_hash, &path, head.root()) {
            return Err(ProofError::Damaged);
        }
        Ok(Self { index, leaf_hash, path, head: head.clone() })
    }

    /// The leaf's hash, by which whoever has the entry knows that it is the one.
    #[must_use]
    pub fn leaf_hash(&self) -> &Hash {
        &self.leaf_hash
    }

    /// The inclusion path of RFC 6962 section 2.1.1, from the leaf upwards.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }
}

/// Proofs of many leaves under one head. Paths of neighbours share nearly all of their hashes, so those of the last path
/// serve the next: a run of leaves costs a few hashes each instead of some hundred.
#[derive(Debug, Clone)]
pub struct InclusionProofs {
    levels: Levels,
    head: SignedHead,
    /// Roots of the ranges along the last path: first leaf and the one behind the last.
    last: HashMap<(u64, u64), Hash>,
}

impl InclusionProofs {
    /// Proofs under a head that the levels lead to.
    #[must_use]
    pub fn new(levels: Levels, head: SignedHead) -> Self {
        Self { levels, head, last: HashMap::new() }
    }

    /// Proves a leaf, as [`InclusionProof::of`] does.
    ///
    /// # Errors
    /// When the head does not cover it, or the levels are not those of the head.
    pub fn of(&mut self, index: u64) -> Result<InclusionProof, ProofError> {
        let mut along = HashMap::new();
        let path = self.levels.inclusion_by(index, self.head.size(), |first, end| {
            let known = self.last.get(&(first, end)).copied();
            let root = known.map_or_else(|| self.levels.range(first, end), Ok)?;
            along.insert((first, end), root);
            Ok(root)
        })?;
        self.last = along;
        InclusionProof::by(index, path, &self.levels, &self.head)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TLOG_PROOF}\nindex {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.head.note())
    }
}

/// That the tree of one head begins with that of an older one: nothing was changed or taken away in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The log.
    pub origin: String,
    /// Entries under the older head.
    pub from: u64,
    /// Entries under the newer head.
    pub to: u64,
    /// The path of RFC 6962 section 2.1.2.
    pub proof: Vec<Hash>,
    /// The older head, a checkpoint note.
    pub old: String,
    /// The newer head, a checkpoint note.
    pub new: String,
}

impl ConsistencyProof {
    /// Proves that the levels' tree goes on from an older head of the same log.
    ///
    /// # Errors
    /// [`ProofError::Forked`] when it does not: the older head convicts the log.
    pub fn of(old: &SignedHead, levels: &Levels, new: &SignedHead) -> Result<Self, ProofError> {
        let proof = levels.consistency(old.size(), new.size())?;
        if !verify_consistency(old.size(), new.size(), old.root(), new.root(), &proof) {
            // Either the levels are wrong or the log is: its own root tells.
            return Err(if levels.root()? == *new.root() { ProofError::Forked } else { ProofError::Damaged });
        }
        let [old_note, new_note] = [old, new].map(|head| head.note().to_owned());
        Ok(Self { origin: new.origin().to_string(), from: old.size(), to: new.size(), proof, old: old_note, new: new_note })
    }

    /// Whether it proves what it says, under the log's key.
    #[must_use]
    pub fn holds(&self, key: &VerifyingKey) -> bool {
        let (Ok(old), Ok(new)) = (SignedHead::parse(&self.old, key), SignedHead::parse(&self.new, key)) else { return false };
        self.origin == key.origin().as_str()
            && (self.from, self.to) == (old.size(), new.size())
            && verify_consistency(self.from, self.to, old.root(), new.root(), &self.proof)
    }
}
