//! The embedded implementation: one SQLite file in write-ahead mode, every commit flushed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use seal::SealKey;

use crate::StoreError;

/// A keyed digest: where a row is.
pub(crate) type Key = [u8; 32];

/// An override's id and what its row holds.
type SealedOverride = ([u8; 16], Vec<u8>);

/// The forms of the file, in order; `PRAGMA user_version` counts those that were applied. A form that
/// was ever released is never changed, only followed.
const FORMS: [&str; 3] = [
    "
    CREATE TABLE node (one INTEGER PRIMARY KEY CHECK (one = 1), proof BLOB NOT NULL) STRICT;
    CREATE TABLE cases (key BLOB PRIMARY KEY CHECK (length(key) = 32), sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE answers (key BLOB PRIMARY KEY CHECK (length(key) = 32),
                          case_key BLOB NOT NULL REFERENCES cases (key)) STRICT, WITHOUT ROWID;
    CREATE INDEX answers_by_case ON answers (case_key);
",
    "
    CREATE TABLE overrides (id BLOB PRIMARY KEY CHECK (length(id) = 16),
                            reviewed INTEGER NOT NULL CHECK (reviewed IN (0, 1)),
                            sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX overrides_to_review ON overrides (id) WHERE reviewed = 0;
    CREATE TABLE consents (key BLOB PRIMARY KEY CHECK (length(key) = 32),
                           person BLOB NOT NULL CHECK (length(person) = 32),
                           sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX consents_by_person ON consents (person);
",
    "
    CREATE TABLE ledgers (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE changes (ledger TEXT NOT NULL REFERENCES ledgers (name), seq INTEGER NOT NULL, sealed BLOB NOT NULL,
                          PRIMARY KEY (ledger, seq)) STRICT, WITHOUT ROWID;
    CREATE TABLE notes (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
",
];

/// How every file of this crate is used.
pub(crate) const PRAGMAS: &str = "PRAGMA locking_mode = EXCLUSIVE;
     PRAGMA journal_mode = WAL;
     PRAGMA synchronous = FULL;
     PRAGMA foreign_keys = ON;
     PRAGMA secure_delete = ON;
     PRAGMA trusted_schema = OFF;
     PRAGMA cell_size_check = ON;
     PRAGMA journal_size_limit = 16777216;";

/// Says by its keyed digest whose key a store was made with.
const PROOF: &[u8] = b"qovsaq store";

/// Statements by name, one place for all SQL that runs after opening.
const CASE: &str = "SELECT sealed FROM cases WHERE key = ?1";
const PUT_CASE: &str = "INSERT INTO cases (key, sealed) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed";
const HAS_ANSWER: &str = "SELECT 1 FROM answers WHERE key = ?1";
const COUNT_ANSWERS: &str = "SELECT count(*) FROM answers WHERE case_key = ?1";
const PUT_ANSWER: &str = "INSERT INTO answers (key, case_key) VALUES (?1, ?2)";
const OVERRIDE: &str = "SELECT sealed FROM overrides WHERE id = ?1";
const PUT_OVERRIDE: &str = "INSERT INTO overrides (id, reviewed, sealed) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET reviewed = excluded.reviewed, sealed = excluded.sealed";
const TO_REVIEW: &str = "SELECT id, sealed FROM overrides WHERE reviewed = 0 ORDER BY id LIMIT ?1";
const COUNT_TO_REVIEW: &str = "SELECT count(*) FROM overrides WHERE reviewed = 0";
const CONSENT: &str = "SELECT sealed FROM consents WHERE key = ?1";
const PUT_CONSENT: &str =
    "INSERT INTO consents (key, person, sealed) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed";
const CONSENTS_OF: &str = "SELECT key, sealed FROM consents WHERE person = ?1 LIMIT ?2";
const LEDGER: &str = "SELECT sealed FROM ledgers WHERE name = ?1";
const PUT_LEDGER: &str = "INSERT INTO ledgers (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";
const CHANGES: &str = "SELECT seq, sealed FROM changes WHERE ledger = ?1 ORDER BY seq";
const PUT_CHANGE: &str = "INSERT INTO changes (ledger, seq, sealed) VALUES (?1, ?2, ?3)";
const FORGET_CHANGES: &str = "DELETE FROM changes WHERE ledger = ?1";
const NOTE: &str = "SELECT sealed FROM notes WHERE name = ?1";
const PUT_NOTE: &str = "INSERT INTO notes (name, sealed) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";

/// The open file.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
}

impl Database {
    pub(crate) fn open(path: &Path, key: &SealKey) -> Result<Self, StoreError> {
        Ok(Self { connection: open_file(path, key, &FORMS)? })
    }

    pub(crate) fn case(&self, key: Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.connection.prepare_cached(CASE)?.query_row([key], |row| row.get(0)).optional()?)
    }

    pub(crate) fn put_case(&self, key: Key, sealed: &[u8]) -> Result<(), StoreError> {
        self.connection.prepare_cached(PUT_CASE)?.execute(params![key, sealed])?;
        Ok(())
    }

    /// An override and the case it is of, at once.
    pub(crate) fn put_override(&mut self, case: (Key, &[u8]), id: &[u8; 16], reviewed: bool, sealed: &[u8]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.prepare_cached(PUT_CASE)?.execute(params![case.0, case.1])?;
        transaction.prepare_cached(PUT_OVERRIDE)?.execute(params![id, reviewed, sealed])?;
        Ok(transaction.commit()?)
    }

    pub(crate) fn override_of(&self, id: &[u8; 16]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.connection.prepare_cached(OVERRIDE)?.query_row([id], |row| row.get(0)).optional()?)
    }

    pub(crate) fn overrides_to_review(&self, max: u32) -> Result<Vec<SealedOverride>, StoreError> {
        let mut statement = self.connection.prepare_cached(TO_REVIEW)?;
        let rows = statement.query_map([max], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn count_overrides_to_review(&self) -> Result<u32, StoreError> {
        Ok(self.connection.prepare_cached(COUNT_TO_REVIEW)?.query_row([], |row| row.get(0))?)
    }

    pub(crate) fn consent(&self, key: Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.connection.prepare_cached(CONSENT)?.query_row([key], |row| row.get(0)).optional()?)
    }

    pub(crate) fn put_consent(&self, key: Key, person: Key, sealed: &[u8]) -> Result<(), StoreError> {
        self.connection.prepare_cached(PUT_CONSENT)?.execute(params![key, person, sealed])?;
        Ok(())
    }

    pub(crate) fn consents_of(&self, person: Key, max: u32) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let mut statement = self.connection.prepare_cached(CONSENTS_OF)?;
        let rows = statement.query_map(params![person, max], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn has_answer(&self, key: Key) -> Result<bool, StoreError> {
        Ok(self.connection.prepare_cached(HAS_ANSWER)?.exists([key])?)
    }

    pub(crate) fn count_answers(&self, case_key: Key) -> Result<u32, StoreError> {
        Ok(self.connection.prepare_cached(COUNT_ANSWERS)?.query_row([case_key], |row| row.get(0))?)
    }

    pub(crate) fn ledger(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.connection.prepare_cached(LEDGER)?.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Every change of a ledger with its number, in order.
    pub(crate) fn changes(&self, name: &str) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let mut statement = self.connection.prepare_cached(CHANGES)?;
        let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes changes and the ledger's head in one transaction; where they are instead of the old ones, those are
    /// overwritten in it.
    pub(crate) fn put_changes(
        &mut self,
        name: &str,
        head: &[u8],
        changes: impl IntoIterator<Item = (i64, Vec<u8>)>,
        instead: bool,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.prepare_cached(PUT_LEDGER)?.execute(params![name, head])?;
        if instead {
            transaction.prepare_cached(FORGET_CHANGES)?.execute([name])?;
        }
        for (seq, sealed) in changes {
            transaction.prepare_cached(PUT_CHANGE)?.execute(params![name, seq, sealed])?;
        }
        Ok(transaction.commit()?)
    }

    pub(crate) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.connection.prepare_cached(NOTE)?.query_row([name], |row| row.get(0)).optional()?)
    }

    pub(crate) fn put_note(&self, name: &str, sealed: &[u8]) -> Result<(), StoreError> {
        self.connection.prepare_cached(PUT_NOTE)?.execute(params![name, sealed])?;
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes every write fail, or work again: a disk that refuses.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&self, refuse: bool) {
        self.connection.pragma_update(None, "query_only", refuse).expect("a setting of the connection");
    }

    pub(crate) fn put_answer(&self, case_key: Key, key: Key) -> Result<(), StoreError> {
        self.connection.prepare_cached(PUT_ANSWER)?.execute(params![key, case_key])?;
        Ok(())
    }
}

/// Opens a file of the node's in the last of these forms, making it when missing.
pub(crate) fn open_file(path: &Path, key: &SealKey, forms: &[&str]) -> Result<Connection, StoreError> {
    make_private(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    let mut connection = Connection::open(path)?;
    // Whoever holds the file holds it for long: waiting would only delay the refusal.
    connection.busy_timeout(Duration::ZERO)?;
    set_up(&mut connection, path, key, forms).map_err(|error| named(error, path))?;
    Ok(connection)
}

/// Makes an empty file that its owner alone may read, before SQLite would make one that others may; the
/// files SQLite puts beside it take over its mode.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Ok(_) => {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(dir)?.sync_all()
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn set_up(connection: &mut Connection, path: &Path, key: &SealKey, forms: &[&str]) -> Result<(), StoreError> {
    // Exclusive before the first read: the lock is taken once and kept, so a second process is refused
    // at its first touch and no shared-memory file is needed.
    connection.execute_batch(PRAGMAS)?;
    let known = i64::try_from(forms.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| forms.get(found..)) else {
        return Err(StoreError::Later { path: path.to_owned(), found, known });
    };
    for form in missing {
        transaction.execute_batch(form)?;
    }
    transaction.pragma_update(None, "user_version", known)?;

    // With another key every case would look absent instead of unreadable: better refused here.
    let proof = key.mac(PROOF);
    transaction.execute("INSERT OR IGNORE INTO node (one, proof) VALUES (1, ?1)", [proof])?;
    let kept: Vec<u8> = transaction.query_row("SELECT proof FROM node", [], |row| row.get(0))?;
    if kept != proof {
        return Err(StoreError::OtherKey(path.to_owned()));
    }
    Ok(transaction.commit()?)
}

pub(crate) fn named(error: StoreError, path: &Path) -> StoreError {
    match &error {
        StoreError::Database(cause) if cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => StoreError::InUse(PathBuf::from(path)),
        _ => error,
    }
}
