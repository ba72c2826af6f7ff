//! Exports: docs/journal-format.md, "Exports". Entries with their whole leaves, their texts and their paths to one
//! checkpoint of each log, as lines, as a table, or both in a bundle.
//!
//! Read once and never held: of an export of any length only counts, the first faults and the checkpoints remain.
//! Everything but the signatures is checked while reading; these are judged with the caller's keys afterwards.

mod bundle;
mod columns;
mod entry;
mod kinds;
mod ndjson;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

pub use self::bundle::BUNDLE_BYTES_MAX;
pub(crate) use self::bundle::read as read_bundle;
pub use self::kinds::kind_name;
pub(crate) use self::ndjson::read as read_ndjson;
pub(crate) use self::table::read as read_table;
use crate::checkpoint::Checkpoint;
use crate::key::Key;
use crate::malformed::Malformed;
use crate::tree::Hash;

/// What the forms call themselves.
pub const FORM: &str = "qovsaq/1";
/// The longest line of an export, its newline included.
pub const LINE_BYTES_MAX: usize = 256 * 1024;
/// The longest row of a table: a line's worth, with every quotation mark doubled.
pub const ROW_BYTES_MAX: usize = 2 * LINE_BYTES_MAX;
/// The most logs of one export.
pub const LOGS_MAX: usize = 256;
/// The most faults that are named one by one.
pub const FAULTS_MAX: usize = 20;

/// The three forms, told from a file's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// NDJSON.
    Lines,
    /// CSV.
    Table,
    /// A bundle: ZIP.
    Bundle,
}

impl Form {
    /// How many of a file's first bytes tell its form.
    pub const START_BYTES: usize = 16;

    /// The form of what begins like this; nothing where it is no export.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(b"{\"export\":") {
            Some(Self::Lines)
        } else if start.strip_prefix(table::BOM).unwrap_or(start).starts_with(b"at,kind,") {
            Some(Self::Table)
        } else {
            (start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")).then_some(Self::Bundle)
        }
    }
}

/// What remains of an export that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Export {
    /// The checkpoints its entries lead to, with what was found under each.
    pub proven: Vec<Under>,
    /// Origins that entries name and no checkpoint was given for.
    pub without_checkpoint: BTreeSet<String>,
    /// The keys that the export claims the logs have. Nothing is checked with them.
    pub claimed: Vec<Key>,
    /// How many entries it holds, sound or not.
    pub entries: u64,
    /// Numbers of kinds that this program does not know, so that their names were not checked.
    pub unknown_kinds: BTreeSet<u8>,
    /// What is wrong.
    pub faults: Faults,
    /// The notes of its header, by origin.
    pub(crate) notes: BTreeMap<String, String>,
    /// Hash of the places and leaf hashes in order: the same for two forms of one export.
    pub(crate) digest: Hash,
}

/// What was found under one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Under {
    /// The checkpoint; whether it is signed is a question of its own.
    pub checkpoint: Checkpoint,
    /// Entries that stand under it and are right in every part.
    pub entries: u64,
    /// How many of these are shown without their text.
    pub without_text: u64,
    /// The first of these.
    pub first_without_text: Option<u64>,
}

impl Under {
    fn new(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, entries: 0, without_text: 0, first_without_text: None }
    }
}

/// What is wrong with an export: the first [`FAULTS_MAX`], and how many there are beyond these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// The first ones.
    pub named: Vec<Malformed>,
    /// How many more.
    pub more: u64,
}

impl Faults {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    fn add(&mut self, fault: Malformed) {
        if self.named.len() < FAULTS_MAX {
            self.named.push(fault);
        } else {
            self.more += 1;
        }
    }

    /// Takes over those of a part.
    fn add_within(&mut self, part: &str, faults: Self) {
        faults.named.into_iter().for_each(|fault| self.add(fault.within(part)));
        self.more += faults.more;
    }
}

/// A hash over places, so that two forms of an export can be compared without holding either.
#[derive(Clone, Default)]
struct Places(Sha256);

impl Places {
    fn add(&mut self, origin: &str, index: u64, leaf_hash: &Hash) {
        self.0.update(origin);
        self.0.update([0]);
        self.0.update(index.to_le_bytes());
        self.0.update(leaf_hash);
    }

    fn digest(self) -> Hash {
        self.0.finalize().into()
    }
}
