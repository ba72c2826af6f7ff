//! One entry: its leaf, its text and its path, whatever the form they came in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use sha2::{Digest as _, Sha256};

use super::kinds::kind_name;
use super::{Export, LOGS_MAX, Places, Under};
use crate::checkpoint::Checkpoint;
use crate::encoding;
use crate::malformed::{Malformed, Rule};
use crate::proof;
use crate::tree::{self, Hash};

/// The longest leaf a journal writes (docs/journal-format.md, "Leaf and tree").
const LEAF_BYTES_MAX: usize = 65_535;
/// Bytes of the log's header before the body.
const LEAF_HEADER_BYTES: usize = 12;
/// Bytes of a body before the ciphertext or the plain metadata.
const BODY_HEADER_BYTES: usize = 108;
/// Bytes of the blind and of the tag of a ciphertext.
const SEALED_BYTES_MIN: usize = 32 + 16;

/// An entry as it is given.
pub(super) struct Given<'a> {
    pub(super) origin: &'a str,
    pub(super) index: u64,
    pub(super) kind: &'a str,
    pub(super) at: &'a str,
    pub(super) leaf_hash: &'a str,
    pub(super) leaf: &'a str,
    pub(super) blind: Option<&'a str>,
    pub(super) metadata: Option<&'a str>,
    pub(super) proof: &'a mut dyn Iterator<Item = &'a str>,
}

/// Checks entry after entry.
#[derive(Default)]
pub(super) struct Checker {
    pub(super) export: Export,
    /// Of each log, the places in `export.proven` of its checkpoints, and the index the next entry must have at least.
    logs: BTreeMap<String, Seen>,
    places: Places,
}

#[derive(Default)]
struct Seen {
    under: Vec<usize>,
    next: u64,
}

/// What an entry is found to be.
struct Sound {
    under: Option<usize>,
    has_text: bool,
}

impl Checker {
    /// A checkpoint that entries may lead to.
    pub(super) fn add_checkpoint(&mut self, checkpoint: Checkpoint) {
        let seen = self.logs.entry(checkpoint.head.origin.clone()).or_default();
        seen.under.push(self.export.proven.len());
        self.export.proven.push(Under::new(checkpoint));
    }

    /// Whether there is a checkpoint of this log.
    pub(super) fn knows(&self, origin: &str) -> bool {
        self.logs.get(origin).is_some_and(|seen| !seen.under.is_empty())
    }

    /// Checks an entry. `part` says where it stands.
    pub(super) fn add(&mut self, part: &str, given: Given<'_>) {
        let index = given.index;
        match self.check(given) {
            Ok(Sound { under: Some(under), has_text }) => {
                let under = &mut self.export.proven[under];
                under.entries += 1;
                if !has_text {
                    under.without_text += 1;
                    under.first_without_text = under.first_without_text.or(Some(index));
                }
            }
            Ok(Sound { under: None, .. }) => {}
            Err(broken) => self.export.faults.add(broken.within(part)),
        }
    }

    /// What was found.
    pub(super) fn end(mut self) -> Export {
        self.export.digest = self.places.digest();
        self.export
    }

    fn check(&mut self, given: Given<'_>) -> Result<Sound, Malformed> {
        let origin = encoding::origin("origin", given.origin)?;
        let leaf_hash = encoding::hash("leaf_hash", given.leaf_hash)?;
        self.places.add(&origin, given.index, &leaf_hash);
        if !self.logs.contains_key(&origin) && self.logs.len() >= LOGS_MAX {
            return Err(Malformed::new("origin", Rule::TooMany { max: LOGS_MAX }));
        }
        let seen = self.logs.entry(origin.clone()).or_default();
        // What follows is compared with the highest index so far, so that one moved line is one fault.
        let last = seen.next.checked_sub(1);
        seen.next = seen.next.max(given.index.saturating_add(1));
        match last {
            Some(last) if last == given.index => return Err(Malformed::new("index", Rule::Duplicate)),
            Some(last) if last > given.index => return Err(Malformed::new("index", Rule::NotRising)),
            Some(_) | None => {}
        }
        let under = seen.under.clone();

        let leaf = encoding::base64("leaf", given.leaf)?;
        if leaf.len() > LEAF_BYTES_MAX {
            return Err(Malformed::new("leaf", Rule::TooLong { bytes_max: LEAF_BYTES_MAX }));
        }
        if tree::leaf_hash(&leaf) != leaf_hash {
            return Err(Malformed::new("leaf_hash", Rule::NotTheLeafs));
        }
        let body = self.kind_and_body(given.kind, &leaf)?;
        let body = Body::parse(body).ok_or_else(|| Malformed::new("leaf", Rule::LeafForm))?;
        if time_ms(given.at) != Some(body.time_ms) {
            return Err(Malformed::new("at", Rule::NotInLeaf));
        }
        let has_text = body.check_text(given.blind, given.metadata)?;

        let path = proof::path("proof", given.proof)?;
        if under.is_empty() {
            self.export.without_checkpoint.insert(origin);
            return Ok(Sound { under: None, has_text });
        }
        // A table does not say which checkpoint it was made under, so any that was given will do.
        let mut broken = None;
        for place in under {
            match stands(given.index, &leaf_hash, &path, &self.export.proven[place].checkpoint) {
                Ok(()) => return Ok(Sound { under: Some(place), has_text }),
                Err(rule) => broken = broken.or(Some(rule)),
            }
        }
        Err(broken.unwrap_or_else(|| Malformed::new("proof", Rule::LeadsElsewhere)))
    }

    /// Compares the kind with the leaf's, and gives the leaf's body.
    fn kind_and_body<'l>(&mut self, kind: &str, leaf: &'l [u8]) -> Result<&'l [u8], Malformed> {
        let form = || Malformed::new("leaf", Rule::LeafForm);
        let (header, body) = leaf.split_first_chunk::<LEAF_HEADER_BYTES>().ok_or_else(form)?;
        let [1, number, role, 0, link @ ..] = *header else { return Err(form()) };
        if role > 2 || (role < 2 && link != [0; 8]) {
            return Err(form());
        }
        match kind_name(number) {
            Some(name) if name != kind => Err(Malformed::new("kind", Rule::NotInLeaf)),
            Some(_) => Ok(body),
            None => {
                self.export.unknown_kinds.insert(number);
                Ok(body)
            }
        }
    }
}

/// Whether the path leads from the leaf to the checkpoint's root.
fn stands(index: u64, leaf_hash: &Hash, path: &[Hash], checkpoint: &Checkpoint) -> Result<(), Malformed> {
    let head = &checkpoint.head;
    if index >= head.size {
        return Err(Malformed::new("index", Rule::IndexBeyond));
    }
    let expected = tree::inclusion_path_hashes(index, head.size);
    if path.len() != expected {
        return Err(Malformed::new("proof", Rule::PathLength { expected }));
    }
    let leads = tree::root_of_inclusion(index, head.size, leaf_hash, path) == Some(head.root);
    if leads { Ok(()) } else { Err(Malformed::new("proof", Rule::LeadsElsewhere)) }
}

/// What the body of a leaf tells without a key (docs/journal-format.md, "Entry body").
struct Body<'a> {
    time_ms: u64,
    is_plain: bool,
    commitment: Hash,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let (header, rest) = body.split_first_chunk::<BODY_HEADER_BYTES>()?;
        let number = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let is_plain = number(24)? == 0;
        let (nonce, payload_hash) = (&header[32..44], &header[76..108]);
        if is_plain && nonce.iter().chain(payload_hash).any(|byte| *byte != 0) {
            return None;
        }
        if !is_plain && rest.len() < SEALED_BYTES_MIN {
            return None;
        }
        Some(Self { time_ms: number(16)?, is_plain, commitment: *header[44..].first_chunk()?, rest })
    }

    /// Whether this is the text that the leaf commits to; whether there is one.
    fn check_text(&self, blind: Option<&str>, metadata: Option<&str>) -> Result<bool, Malformed> {
        let (blind, metadata) = match (blind, metadata) {
            (Some(blind), Some(metadata)) => (encoding::hash("blind", blind)?, metadata.as_bytes()),
            (None, None) if self.is_plain => return Err(Malformed::new("metadata", Rule::PlainWithheld)),
            (None, None) => return Ok(false),
            (Some(_), None) | (None, Some(_)) => return Err(Malformed::new("metadata", Rule::HalfText)),
        };
        let commitment: Hash = Sha256::new().chain_update(blind).chain_update(metadata).finalize().into();
        let is_readable = !self.is_plain || self.rest == metadata;
        if commitment == self.commitment && is_readable { Ok(true) } else { Err(Malformed::new("metadata", Rule::NotTheSealed)) }
    }
}

/// The moment that an RFC 3339 text names, in unix milliseconds; nothing unless it is written as the form says.
fn time_ms(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    let offset = Pieces::parse(text).ok()?.to_numeric_offset()?;
    let ms = at.as_millisecond();
    let is_whole = Timestamp::from_millisecond(ms).is_ok_and(|whole| whole == at);
    // One moment has one form under its offset.
    (is_whole && at.display_with_offset(offset).to_string() == text).then(|| u64::try_from(ms).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_one_form_under_its_offset() {
        assert_eq!(time_ms("2026-03-12T00:30:00.25+04:00"), Some(1_773_261_000_250));
        assert_eq!(time_ms("2026-03-12T00:30:00+04:00"), Some(1_773_261_000_000));
        for other in [
            "2026-03-12T00:30:00.250+04:00",
            "2026-03-12T00:30:00.2501+04:00",
            "2026-03-12 00:30:00.25+04:00",
            "2026-03-12t00:30:00.25+04:00",
            "2026-03-12T00:30:00.25+04",
            "2026-03-11T20:30:00.25Z",
            "2026-03-12T00:30:00.25",
            "2026-03-12T00:30:00.25+04:00[Asia/Baku]",
            "1926-03-12T00:30:00.25+04:00",
            "",
        ] {
            assert_eq!(time_ms(other), None, "{other}");
        }
    }
}
