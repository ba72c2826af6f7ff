//! Why the store could not do what was asked: the gateway's fault, never the consumer's, but for the
//! bound on persons. No message carries an identifier.

use std::io;
use std::path::PathBuf;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A case may name [`crate::PERSONS_MAX`] persons: the consumer's to mend.
    #[error("a case may name at most {max} persons", max = crate::PERSONS_MAX)]
    TooManyPersons,
    /// Another process has the store open: stop it, or configure another path.
    #[error("{path} is in use by another process; stop that one first", path = .0.display())]
    InUse(PathBuf),
    /// The store was made with another node key: restore that key, or move the store away.
    #[error("{path} was made with another node key", path = .0.display())]
    OtherKey(PathBuf),
    /// The store comes from a later version: run that version, or move the store away.
    #[error("{path} is in form {found}, this version reads up to {known}", path = path.display())]
    Later {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The last form this version knows.
        known: i64,
    },
    /// A row does not open under its own place and key: the file was changed from outside. Restore it
    /// from a copy; the case in question counts as unreadable, never as absent.
    #[error("a row of the store is damaged")]
    Damaged,
    /// A ledger has other changes than its head says, or one that does not open at its place: the file was changed from
    /// outside. Restore it from a copy; nothing is guessed from the rest.
    #[error("the ledger {0} of the store has a gap or a damaged change")]
    LedgerDamaged(&'static str),
    /// Somebody else has written to the ledger since it was read, or the change is too large: a fault of the program.
    #[error("the ledger {0} does not take these changes at this place")]
    LedgerPlace(&'static str),
    /// A row is not one that a snapshot holds.
    #[error("{0}")]
    Row(&'static str),
    /// A key of the quarantine can neither be used nor made: look at its folder's owner, mode and free space.
    #[error("a key of the quarantine cannot be used")]
    QuarantineKey(#[from] seal::KeyFileError),
    /// The file could not be made.
    #[error("cannot make {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The database refuses: full disk, lost file, damaged pages.
    #[error("the store's database refuses")]
    Database(#[from] rusqlite::Error),
}
