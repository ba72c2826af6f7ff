//! Consistency proofs: RFC 6962 section 2.1.2, between two checkpoints of one log.
//!
//! The form is our own, since no standard has one for both checkpoints and the path together:
//! `{"origin", "from": size, "to": size, "proof": [base64…], "old": note, "new": note}`.

use crate::checkpoint::Checkpoint;
use crate::encoding;
use crate::malformed::{Malformed, Rule};
use crate::note::NOTE_BYTES_MAX;
use crate::proof;
use crate::receipt::object;
use crate::tree::{self, Hash};

/// The longest consistency proof: two notes with every character escaped, and the rest.
pub const CONSISTENCY_BYTES_MAX: usize = 16 * NOTE_BYTES_MAX;

/// The claim that one checkpoint's tree begins with the other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consistency {
    /// The older head.
    pub old: Checkpoint,
    /// The newer head.
    pub new: Checkpoint,
    path: Vec<Hash>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    origin: String,
    from: u64,
    to: u64,
    proof: Vec<String>,
    old: String,
    new: String,
}

impl Consistency {
    /// Reads a consistency proof.
    ///
    /// # Errors
    /// When a member has another form, is missing or too many, or does not fit the checkpoints.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > CONSISTENCY_BYTES_MAX {
            return Err(Malformed::new("file", Rule::TooLong { bytes_max: CONSISTENCY_BYTES_MAX }));
        }
        let raw: Raw = object("file", text)?;
        let origin = encoding::origin("origin", &raw.origin)?;
        let path = proof::path("proof", raw.proof.iter().map(String::as_str))?;
        let old = Checkpoint::parse(&raw.old).map_err(|broken| broken.within("old"))?;
        let new = Checkpoint::parse(&raw.new).map_err(|broken| broken.within("new"))?;
        if raw.from > raw.to {
            return Err(Malformed::new("from", Rule::SizeOrder));
        }
        for (part, fits) in [
            ("old.origin", old.head.origin == origin),
            ("new.origin", new.head.origin == origin),
            ("from", old.head.size == raw.from),
            ("to", new.head.size == raw.to),
        ] {
            if !fits {
                return Err(Malformed::new(part, Rule::NotTheHeads));
            }
        }
        Ok(Self { old, new, path })
    }

    /// Whether the path shows it (RFC 9162 section 2.1.4.2).
    #[must_use]
    pub fn holds(&self) -> bool {
        let (old, new) = (&self.old.head, &self.new.head);
        tree::is_consistent(old.size, new.size, &old.root, &new.root, &self.path)
    }
}
