//! The verifier: read-only, without a key and without a lock.

use std::io;
use std::path::{Path, PathBuf};

use crate::hash::Hash;
use crate::note::VerifyingKey;

/// What the verifier found in a directory of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Each log, by origin.
    pub logs: Vec<LogReport>,
}

impl Report {
    /// Whether nothing is damaged. A torn tail is not damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.logs.iter().all(|log| log.damage.is_empty())
    }
}

/// What the verifier found in one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// Name of the log's directory, which is its origin.
    pub name: String,
    /// The key in the log; compare it with the one published.
    pub key: Option<VerifyingKey>,
    /// Entries verified.
    pub size: u64,
    /// Root of the tree of those entries.
    pub root: Hash,
    /// Frames verified.
    pub frames: u64,
    /// Segments read.
    pub segments: u64,
    /// Exchanges still open.
    pub open: u64,
    /// Unfinished bytes at the end, never acknowledged.
    pub torn: Option<TornTail>,
    /// Everything that is not what was written, in the order found.
    pub damage: Vec<Damage>,
}

/// Unfinished bytes at a log's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// File name of the segment.
    pub segment: String,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: Hash,
}

/// One place that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File, relative to the log's directory.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// First entry concerned, where that is known.
    pub index: Option<u64>,
    /// What is wrong.
    pub what: &'static str,
}

/// How far the verifier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segment files behind.
    pub bytes_done: u64,
    /// Bytes of segment files in all.
    pub bytes_total: u64,
    /// Entries behind.
    pub entries: u64,
}

/// Why nothing can be said about a directory.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no log in it.
    #[error("{0} holds no journal")]
    NoLog(PathBuf),
    /// The disk refused.
    #[error("journal file {path} cannot be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Verifies every log in `dir` (or the one whose own directory it is): every byte of every segment,
/// the chain of frames, the tree, every signature under the key in the log, and the checkpoint.
///
/// # Errors
/// When there is no log or a file cannot be read; damage is not an error but in the report.
pub fn verify(dir: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Report, VerifyError> {
    let _ = (dir, progress);
    unimplemented!("verifying follows")
}
