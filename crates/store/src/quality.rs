//! What is wrong with what sources say: the quarantine of data that break their contract, sums of what differs from
//! contract and mapping, and notices of facts that a source took back. A file of its own beside the store of cases, with
//! the same guarantees: durable, one order, one owner, sealed, bounded.
//!
//! - `quality/quarantine.rs`: broken answers, events and rows, each with its owner's term and its expiry.
//! - `quality/notices.rs`: facts that a source took back, and who was told of them.
//! - `quality/tallies.rs`: sums by month, without personal data.

mod notices;
mod quarantine;
mod tallies;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use seal::SealKey;
use uuid::Uuid;

pub use self::notices::{Because, NOTICES_MAX, Notice, Recall};
pub use self::quarantine::{CLOSED_MAX, CONTENT_BYTES_MAX, Closed, Fault, Full, How, ITEMS_OF_FAULT_MAX, Item, ItemKind, State};
pub use self::tallies::{NAMES_MAX, Tally, What};
use crate::StoreError;
use crate::database::open_file;

/// The forms of the file, in order. A form that was ever released is never changed, only followed.
const FORMS: [&str; 1] = ["
    CREATE TABLE node (one INTEGER PRIMARY KEY CHECK (one = 1), proof BLOB NOT NULL) STRICT;
    CREATE TABLE items (id BLOB PRIMARY KEY CHECK (length(id) = 16), sealed BLOB NOT NULL, content BLOB) STRICT;
    CREATE TABLE tallies (month TEXT NOT NULL, what TEXT NOT NULL, matter TEXT NOT NULL, name TEXT NOT NULL,
                          count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
                          PRIMARY KEY (month, what, matter, name)) STRICT, WITHOUT ROWID;
    CREATE TABLE recalls (id BLOB PRIMARY KEY CHECK (length(id) = 16), sealed BLOB NOT NULL) STRICT;
    CREATE TABLE notices (seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
                          consumer BLOB NOT NULL CHECK (length(consumer) = 32), at INTEGER NOT NULL,
                          sealed BLOB NOT NULL) STRICT;
    CREATE INDEX notices_by_consumer ON notices (consumer, seq);
"];

/// Bounds of the quarantine for each source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many items wait at once. Default 500.
    pub items_max: usize,
    /// How many bytes their contents take. Default 16 MiB.
    pub bytes_max: u64,
    /// How many days a content is kept, at the end of which its key is destroyed. Default 30.
    pub keep_days: u16,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { items_max: 500, bytes_max: 16 << 20, keep_days: 30 }
    }
}

/// The file. Shared by reference; every method may be called from any thread, and blocks.
#[derive(Debug)]
pub struct Quality {
    key: SealKey,
    /// Folder of the keys of contents, one for each day of expiry.
    keys_dir: PathBuf,
    bounds: Bounds,
    file: Mutex<Open>,
}

/// What is under the lock.
#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Every item, as the file has it: some thousands at most.
    items: BTreeMap<Uuid, Item>,
}

impl Quality {
    /// Opens the file, making it and the folder of keys (modes 0600 and 0700) when missing. `key` is a key of this use
    /// alone. The folder of keys must not be copied together with the file: what has expired would be readable from the
    /// copies.
    ///
    /// # Errors
    /// As [`crate::Store::open`], and where the folder cannot be made.
    pub fn open(path: &Path, keys_dir: &Path, key: SealKey, bounds: Bounds) -> Result<Self, StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(keys_dir);
        made.map_err(|source| StoreError::File { path: keys_dir.to_owned(), source })?;
        let connection = open_file(path, &key, &FORMS)?;
        let items = quarantine::load(&connection, &key)?;
        Ok(Self { key, keys_dir: keys_dir.to_owned(), bounds, file: Mutex::new(Open { connection, items }) })
    }

    fn file(&self) -> MutexGuard<'_, Open> {
        // A panic under this lock leaves no half transaction, and memory is changed only after the commit.
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
