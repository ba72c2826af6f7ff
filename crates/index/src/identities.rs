//! Which identities are one person's: one SQLite file beside the shards, since a person is found for as long as
//! the log lasts, whenever it was that an answer said so.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use seal::Identity;

use crate::block::Row;
use crate::index::IndexError;
use crate::term::{IndexKey, Term};

const FILE: &str = "identities.db";
const FORM: i64 = 2;
/// What the sealed count is bound to.
const COUNTED_BOUND: &[u8] = b"identities counted";
const SCHEMA: &str = "
    CREATE TABLE identities (one INTEGER PRIMARY KEY CHECK (one = 1), proof BLOB NOT NULL) STRICT;
    CREATE TABLE pairs (own BLOB NOT NULL, other BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (own, other)) STRICT, WITHOUT ROWID;
    CREATE TABLE blocks (block INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE counted (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL) STRICT;
";
const PUT: &str = "INSERT OR IGNORE INTO pairs (own, other, sealed) VALUES (?1, ?2, ?3)";
const PUT_BLOCK: &str = "INSERT OR IGNORE INTO blocks (block) VALUES (?1)";
const SAME: &str = "SELECT other, sealed FROM pairs WHERE own = ?1";
const COUNTED: &str = "SELECT sealed FROM counted WHERE one = 1";
const PUT_COUNTED: &str = "INSERT OR REPLACE INTO counted (one, sealed) VALUES (1, ?1)";
const ALL: &str = "SELECT own, other, sealed FROM pairs";
const COVERED: &str = "SELECT count(*) FROM blocks WHERE block >= ?1 AND block < ?2";

#[derive(Debug)]
pub(crate) struct Identities {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Identities {
    /// Opens the file, or makes it anew where it is not this log's with this key.
    pub(crate) fn open(dir: &Path, key: &IndexKey, origin: &str) -> Result<Self, IndexError> {
        match Self::try_open(dir, key, origin) {
            Err(IndexError::Damaged(_)) => {
                remove(dir)?;
                Self::try_open(dir, key, origin)
            }
            opened => opened,
        }
    }

    /// Makes the file anew, empty.
    pub(crate) fn renew(&self, key: &IndexKey, origin: &str) -> Result<(), IndexError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let mut connection = self.connection();
        // What is open has the old file's locks and caches: gone before another takes its name.
        *connection = Connection::open_in_memory().map_err(|error| self.named(error))?;
        remove(dir)?;
        let made = Self::try_open(dir, key, origin)?;
        *connection = made.connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(())
    }

    /// Reads all pairs and says whether each is as it was written and none is missing.
    pub(crate) fn check(&self, key: &IndexKey) -> Result<(), IndexError> {
        let damaged = || IndexError::Damaged(self.path.clone());
        let connection = self.connection();
        let counted = count(&connection, key).map_err(|error| self.named(error))?.ok_or_else(damaged)?;
        let mut statement = connection.prepare(ALL).map_err(|error| self.named(error))?;
        let mut rows = statement.query([]).map_err(|error| self.named(error))?;
        let mut found = 0_u64;
        while let Some(row) = rows.next().map_err(|error| self.named(error))? {
            let read = row.get::<_, [u8; 16]>(0).and_then(|own| Ok((own, row.get::<_, [u8; 16]>(1)?, row.get::<_, Vec<u8>>(2)?)));
            let (own, other, sealed) = read.map_err(|error| self.named(error))?;
            key.0.open(&[own, other].concat(), &sealed).map_err(|_| damaged())?;
            found += 1;
        }
        if found == counted { Ok(()) } else { Err(damaged()) }
    }

    fn try_open(dir: &Path, key: &IndexKey, origin: &str) -> Result<Self, IndexError> {
        let path = dir.join(FILE);
        let named = |error| IndexError::of(error, &path);
        let mut connection = Connection::open(&path).map_err(named)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(named)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL;
                 PRAGMA trusted_schema = OFF;
                 PRAGMA cell_size_check = ON;
                 PRAGMA journal_size_limit = 4194304;",
            )
            .map_err(named)?;
        let proof = key.0.mac(&[b"identities\0", origin.as_bytes()].concat());
        let sound = set_up(&mut connection, &proof).map_err(named)?;
        if !sound {
            return Err(IndexError::Damaged(path));
        }
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    /// Whether the identities of all these blocks are in.
    pub(crate) fn cover(&self, blocks: Range<u64>) -> Result<bool, IndexError> {
        let count: i64 = self
            .connection()
            .query_row(COVERED, params![blocks.start.cast_signed(), blocks.end.cast_signed()], |row| row.get(0))
            .map_err(|error| self.named(error))?;
        Ok(count.cast_unsigned() == blocks.end - blocks.start)
    }

    /// Takes in what a block's entries say; on disk when this returns.
    pub(crate) fn append(&self, block: u64, rows: &[Row], key: &IndexKey) -> Result<(), IndexError> {
        let mut connection = self.connection();
        let written = (|| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut added = 0;
            for row in rows {
                for own in &row.same {
                    for other in row.same.iter().filter(|other| *other != own) {
                        let (own, other_term) = (term(key, *own), term(key, *other));
                        let sealed = key.0.seal(&[own.0, other_term.0].concat(), &other.0);
                        added += transaction.prepare_cached(PUT)?.execute(params![own.0, other_term.0, sealed])?;
                    }
                }
            }
            if added > 0 {
                let counted = count(&transaction, key)?.unwrap_or(0) + added as u64;
                transaction.execute(PUT_COUNTED, [key.0.seal(COUNTED_BOUND, &counted.to_le_bytes())])?;
            }
            transaction.prepare_cached(PUT_BLOCK)?.execute([block.cast_signed()])?;
            transaction.commit()
        })();
        written.map_err(|error| self.named(error))
    }

    /// The identities told together with one, maybe more than once.
    pub(crate) fn same(&self, person: Identity, key: &IndexKey) -> Result<Vec<Identity>, IndexError> {
        let own = term(key, person);
        let connection = self.connection();
        let mut statement = connection.prepare_cached(SAME).map_err(|error| self.named(error))?;
        let rows = statement.query_map([own.0], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let mut same = Vec::new();
        for row in rows.map_err(|error| self.named(error))? {
            let (other, sealed) = row.map_err(|error| self.named(error))?;
            let plain = key.0.open(&[own.0, other].concat(), &sealed).map_err(|_| IndexError::Damaged(self.path.clone()))?;
            same.push(Identity(plain.try_into().map_err(|_| IndexError::Damaged(self.path.clone()))?));
        }
        Ok(same)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&self, error: rusqlite::Error) -> IndexError {
        IndexError::of(error, &self.path)
    }
}

/// Makes the tables where there are none; `false` where the file is another's.
fn set_up(connection: &mut Connection, proof: &[u8; 32]) -> Result<bool, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let form: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if form == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.execute("INSERT INTO identities (one, proof) VALUES (1, ?1)", [proof])?;
        transaction.pragma_update(None, "user_version", FORM)?;
    } else if form != FORM {
        return Ok(false);
    }
    let kept: Option<Vec<u8>> = transaction.query_row("SELECT proof FROM identities WHERE one = 1", [], |row| row.get(0)).optional()?;
    transaction.commit()?;
    Ok(kept.as_deref() == Some(&proof[..]))
}

/// How many pairs there should be; none where that does not open.
fn count(connection: &Connection, key: &IndexKey) -> Result<Option<u64>, rusqlite::Error> {
    let sealed: Option<Vec<u8>> = connection.query_row(COUNTED, [], |row| row.get(0)).optional()?;
    let Some(sealed) = sealed else { return Ok(Some(0)) };
    let plain = key.0.open(COUNTED_BOUND, &sealed).ok();
    Ok(plain.and_then(|plain| plain.try_into().ok()).map(u64::from_le_bytes))
}

/// Removes the file with what SQLite puts beside it.
fn remove(dir: &Path) -> Result<(), IndexError> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let path = dir.join(format!("{FILE}{suffix}"));
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(IndexError::Io { path, source }),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn term(key: &IndexKey, person: Identity) -> Term {
    key.term("identity", &person.0)
}
