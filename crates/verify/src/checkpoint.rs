//! Checkpoints: C2SP tlog-checkpoint, "Note text", in the journal's form (three lines, no extensions).

use crate::encoding;
use crate::key::Keys;
use crate::malformed::{Malformed, Rule};
use crate::note::{Note, Signed};
use crate::tree::{self, Hash};

/// What a log says about itself at one size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The log's name.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The root of its tree at that size.
    pub root: Hash,
}

/// A head in a signed note; whether the log has signed it is a question of its own, [`Checkpoint::signed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What is signed.
    pub head: Head,
    note: Note,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When it is no note, its text is not origin, size and root, or an empty tree has another root than its own.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let note = Note::parse(text)?;
        let mut lines = note.text().split_terminator('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
            return Err(Malformed::new("note.text", Rule::ThreeLines));
        };
        let origin = encoding::origin("origin", origin)?;
        let size = encoding::size("size", encoding::decimal("size", size)?)?;
        let root = encoding::hash("root", root)?;
        if size == 0 && root != tree::empty_root() {
            return Err(Malformed::new("root", Rule::EmptyRoot));
        }
        Ok(Self { head: Head { origin, size, root }, note })
    }

    /// Whether the log of its origin has signed it.
    #[must_use]
    pub fn signed(&self, keys: &Keys) -> Signed {
        keys.of(&self.head.origin).map_or(Signed::NoKey, |key| self.note.signed_by(key))
    }
}
