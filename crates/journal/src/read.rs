//! Reading entries without a key and without a lock.

use std::io;
use std::path::{Path, PathBuf};

use crate::entry::Role;
use crate::hash::Hash;
use crate::note::Origin;

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// The log.
    pub origin: Origin,
    /// The entry's index.
    pub index: u64,
    /// Its kind.
    pub kind: u8,
    /// Its role.
    pub role: Role,
    /// Its leaf hash.
    pub leaf_hash: Hash,
    /// Sequence of the frame that holds it.
    pub frame: u64,
    /// Its body.
    pub body: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The directory holds no log, or several: name the log's own directory.
    #[error("{path} holds {found} logs, name the directory of one")]
    Logs {
        /// The directory.
        path: PathBuf,
        /// How many logs it holds.
        found: usize,
    },
    /// The log has no such entry.
    #[error("the log has no entry {0}")]
    Index(u64),
    /// The disk refused.
    #[error("journal file {path} cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The bytes around the entry are not what was written: run `journal verify`.
    #[error("journal is damaged: {what} in segment {segment} at byte {offset}")]
    Damaged {
        /// File name of the segment.
        segment: String,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads one entry. `dir` is a log's own directory, or the directory of logs when it holds just one.
///
/// The frame's own hashes are checked; the chain and the tree are not (that is `verify`).
///
/// # Errors
/// When there is no such entry, or it cannot be read.
pub fn entry(dir: &Path, index: u64) -> Result<EntryView, ReadError> {
    entries(dir, index)?.next().unwrap_or(Err(ReadError::Index(index)))
}

/// Reads all entries from an index on, in order; ends at the log's end or after the first error.
///
/// # Errors
/// When there is no log.
pub fn entries(dir: &Path, from: u64) -> Result<Entries, ReadError> {
    let _ = (dir, from);
    unimplemented!("reading follows")
}

/// The entries of a log, in order.
#[derive(Debug)]
pub struct Entries {}

impl Iterator for Entries {
    type Item = Result<EntryView, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
