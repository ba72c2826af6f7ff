//! Exports of journal entries that a stranger can check with `qovsaq-verify` alone: docs/journal-format.md,
//! "Exports", has every byte.
//!
//! Pure writers: entries that somebody found come in, bytes go out, in order and never all at once. Each entry
//! carries its whole leaf, its text with the blind that ties it to the leaf, and its path to the checkpoint of its
//! log. Who may ask, and the entry that says who asked, belong to the caller.
//!
//! - `export/entry.rs`: one entry with its proof, as every form shows it.
//! - [`ndjson`]: a line per entry, with an end line that tells a cut export.
//! - [`csv`]: a row per entry, for spreadsheets.
//! - [`bundle`]: both and a readable report in one ZIP, for a case.
//! - [`chunks()`]: any of them as a stream of bounded chunks.

mod bundle;
mod chunks;
mod columns;
mod csv;
mod digest;
mod entry;
mod ndjson;
mod report;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use jiff::Timestamp;
use journal::read::EntryView;
use journal::{Hash, Levels, Origin, ProofError, SignedHead, VerifyingKey};
use seal::entry::Opened;
use serde::Serialize;
use serde_json::Value as Json;

pub use self::bundle::{BUNDLE_BYTES_MAX, bundle};
pub use self::chunks::{CHUNK_BYTES, chunks};
pub use self::csv::csv;
pub use self::ndjson::ndjson;

/// What the forms are called; a reader refuses any other.
pub const FORM: &str = "qovsaq/1";
/// The longest line of NDJSON, its newline included, in bytes. An entry's line takes at most about 160 KiB.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// What reading entries may fail with.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// An entry to export.
#[derive(Debug, Clone)]
pub struct Found {
    /// The entry. Of each log they come by rising index.
    pub entry: EntryView,
    /// What it says; None where the keys of its epoch are gone. A plain entry needs none. A payload is not exported.
    pub opened: Option<Opened>,
}

/// What an export tells of itself. Nobody signs it.
#[derive(Debug, Clone)]
pub struct About {
    /// When it was made.
    pub made_at: Timestamp,
    /// The auditor's name.
    pub made_by: String,
    /// The reason the auditor gave.
    pub reason: String,
    /// What was asked for.
    pub filter: Filter,
}

/// A search's filter as an export may repeat it: that a subject was asked for, never which.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Filter(Json);

impl Filter {
    /// Members that name no person.
    const KEPT: [&str; 10] = ["consumer", "official", "provider", "service", "purpose", "case", "outcome", "kind", "from", "to"];

    /// Takes a filter as it was asked. Of members other than those known to name no subject only `true` remains.
    #[must_use]
    pub fn of(asked: &Json) -> Self {
        let members = asked.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let shown = |(name, value): (&String, &Json)| {
            let value = if Self::KEPT.contains(&name.as_str()) && !value.is_object() { value.clone() } else { Json::Bool(true) };
            (name.clone(), value)
        };
        Self(members.map(shown).collect())
    }
}

/// A log as an export sees it: the tree its proofs are read from, and the one checkpoint they all lead to.
#[derive(Debug, Clone)]
pub struct Log {
    /// The tree; at least as large as the head's.
    pub levels: Levels,
    /// The checkpoint.
    pub head: SignedHead,
    /// The key that signs it.
    pub key: VerifyingKey,
}

/// The logs that entries come from, by origin.
#[derive(Debug, Clone, Default)]
pub struct Logs(BTreeMap<Origin, Log>);

impl Logs {
    /// The checkpoint notes, by rising origin.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|log| log.head.note())
    }
}

impl FromIterator<Log> for Logs {
    fn from_iter<I: IntoIterator<Item = Log>>(logs: I) -> Self {
        Self(logs.into_iter().map(|log| (log.head.origin().clone(), log)).collect())
    }
}

/// What was written, so that the journal can say which export it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many entries it holds.
    pub entries: u64,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of all of it.
    pub sha256: Hash,
}

/// Why an export stops. What was written by then has no end line and is told for cut.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The entries themselves could not be read on.
    #[error("the entries to export cannot be read")]
    Source(#[source] SourceError),
    /// The caller gave an entry of a log without that log.
    #[error("there is no checkpoint of the log {0} to prove its entries under")]
    NoCheckpoint(Origin),
    /// The caller gave an entry twice, or a later one first.
    #[error("entry {index} of {origin} comes twice or out of order; entries of a log must come by rising index")]
    Order {
        /// The log.
        origin: Origin,
        /// The entry.
        index: u64,
    },
    /// The entry is not what the gateway writes, or its text is not the one it commits to: run `journal verify`.
    #[error("entry {index} of {origin} cannot be exported: {what}")]
    Entry {
        /// The log.
        origin: Origin,
        /// The entry.
        index: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no proof under the checkpoint.
    #[error("entry {index} of {origin} cannot be proven")]
    Proof {
        /// The log.
        origin: Origin,
        /// The entry.
        index: u64,
        /// Why not.
        #[source]
        source: ProofError,
    },
    /// Reason, filter and checkpoints together are longer than a line may be.
    #[error("the export's first line would be longer than {LINE_BYTES_MAX} bytes; give a shorter reason or filter")]
    HeaderTooLong,
    /// A bundle is for one case.
    #[error("the bundle would hold more than {BUNDLE_BYTES_MAX} bytes; export fewer entries, or as NDJSON")]
    BundleTooLarge,
    /// The entries were others when they were read again.
    #[error("the entries changed while the bundle was written; export it again")]
    Changed,
    /// Whoever reads the export is gone, or the disk refuses.
    #[error("the export cannot be written")]
    Output(#[from] io::Error),
}
