//! Inclusion proofs, and their text form: C2SP tlog-proof, "Format".

use crate::checkpoint::Checkpoint;
use crate::encoding;
use crate::malformed::{Malformed, Rule};
use crate::note::NOTE_BYTES_MAX;
use crate::tree::{self, Hash, PROOF_HASHES_MAX};

/// The first line of a tlog-proof.
pub const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The longest tlog-proof: the checkpoint, and as much again for hashes and extra data.
pub const PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// A path from a place in a log to a head of it. What stands at that place it does not say: a leaf hash must come
/// with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The place, from 0.
    pub index: u64,
    /// The head it leads to.
    pub checkpoint: Checkpoint,
    path: Vec<Hash>,
}

impl Inclusion {
    /// A path of exactly the right length.
    ///
    /// # Errors
    /// When the head's tree has no such place, or the path another number of hashes than that place needs.
    pub fn new(index: u64, path: Vec<Hash>, checkpoint: Checkpoint) -> Result<Self, Malformed> {
        let size = checkpoint.head.size;
        if index >= size {
            return Err(Malformed::new("index", Rule::IndexBeyond));
        }
        let expected = tree::inclusion_path_hashes(index, size);
        if path.len() != expected {
            return Err(Malformed::new("proof", Rule::PathLength { expected }));
        }
        Ok(Self { index, checkpoint, path })
    }

    /// Reads a tlog-proof. Its extra data must be base64 and is passed over: nobody has signed it.
    ///
    /// # Errors
    /// When it breaks a rule of the format, of the checkpoint or of [`Self::new`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(Malformed::new("file", Rule::TooLong { bytes_max: PROOF_BYTES_MAX }));
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or_else(|| Malformed::new("file", Rule::NoCheckpoint))?;
        let mut lines = proof.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(Malformed::new("file", Rule::FirstLine));
        }
        if let Some(extra) = lines.next_if(|line| line.starts_with("extra")) {
            // Without extra data there is no such line.
            let extra =
                extra.strip_prefix("extra ").filter(|extra| !extra.is_empty()).ok_or_else(|| Malformed::new("extra", Rule::Base64))?;
            encoding::base64("extra", extra)?;
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or_else(|| Malformed::new("index", Rule::IndexLine))?;
        let index = encoding::decimal("index", index)?;
        let path = path("proof", lines)?;
        let checkpoint = Checkpoint::parse(checkpoint).map_err(|broken| broken.within("checkpoint"))?;
        Self::new(index, path, checkpoint)
    }

    /// Whether it leads from this leaf hash to the root of its head (RFC 9162 section 2.1.3.2).
    #[must_use]
    pub fn leads_from(&self, leaf_hash: &Hash) -> bool {
        let head = &self.checkpoint.head;
        tree::root_of_inclusion(self.index, head.size, leaf_hash, &self.path) == Some(head.root)
    }
}

/// Reads the hashes of a path.
///
/// # Errors
/// When one is no hash, or there are more than any tree needs.
pub fn path<'a>(part: &str, hashes: impl Iterator<Item = &'a str>) -> Result<Vec<Hash>, Malformed> {
    let mut path = Vec::new();
    for (at, text) in hashes.enumerate() {
        if at >= PROOF_HASHES_MAX {
            return Err(Malformed::new(part, Rule::TooMany { max: PROOF_HASHES_MAX }));
        }
        path.push(encoding::hash(&format!("{part}[{at}]"), text)?);
    }
    Ok(path)
}
