//! A shard: one SQLite file with the rows of up to [`SHARD_BLOCKS`] blocks that begin in one month.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::block::{self, BLOCK_ENTRIES, Places, Row, Spot};
use crate::index::IndexError;
use crate::term::{IndexKey, Term};

/// Most blocks of a shard. Larger files take rows more slowly, since terms fall anywhere in them.
pub const SHARD_BLOCKS: u64 = 128;

/// The form of the file, counted by `PRAGMA user_version`; another form is made anew from the log.
const FORM: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE shard (one INTEGER PRIMARY KEY CHECK (one = 1), proof BLOB NOT NULL) STRICT;
    CREATE TABLE blocks (block INTEGER PRIMARY KEY, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
    CREATE TABLE terms (term BLOB NOT NULL, block INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (term, block)) STRICT, WITHOUT ROWID;
";
const PUT_BLOCK: &str = "INSERT INTO blocks (block, first_at, last_at, sealed) VALUES (?1, ?2, ?3, ?4)";
const PUT_TERM: &str = "INSERT INTO terms (term, block, sealed) VALUES (?1, ?2, ?3)";
const TERM: &str = "SELECT block, sealed FROM terms WHERE term = ?1 AND block <= ?2";
const BLOCK: &str = "SELECT sealed FROM blocks WHERE block = ?1";
const TIMES: &str = "SELECT first_at, last_at FROM blocks WHERE block = ?1";
const BLOCKS: &str = "SELECT block FROM blocks WHERE block <= ?1 ORDER BY block DESC";
const SUMMARY: &str = "SELECT count(*), min(block), max(block), min(first_at), max(last_at) FROM blocks";
const ALL_TERMS: &str = "SELECT term, block, sealed FROM terms ORDER BY term, block";

/// Bytes before a block's rows: the digest of its terms.
const DIGEST_BYTES: usize = 32;

/// A shard's name: its first block and the month in which that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardName {
    pub(crate) first: u64,
    pub(crate) month: String,
}

impl ShardName {
    /// The shard that begins with a block whose first entry was written then.
    pub(crate) fn new(first: u64, at: u64) -> Self {
        let at = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).unwrap_or_default();
        Self { first, month: at.strftime("%Y-%m").to_string() }
    }

    pub(crate) fn file(&self) -> String {
        format!("{:010x}-{}.db", self.first, self.month)
    }

    pub(crate) fn parse(file: &str) -> Option<Self> {
        let (first, month) = file.strip_suffix(".db")?.split_once('-')?;
        let name = Self { first: u64::from_str_radix(first, 16).ok()?, month: month.to_owned() };
        (name.file() == file).then_some(name)
    }

    /// Whether a block still belongs here.
    pub(crate) fn takes(&self, block: u64, at: u64) -> bool {
        (self.first..self.first + SHARD_BLOCKS).contains(&block) && Self::new(self.first, at).month == self.month
    }
}

/// What is known of a shard without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) name: ShardName,
    /// The first block behind it.
    pub(crate) end: u64,
    /// When its entries were written, unix milliseconds.
    pub(crate) times: RangeInclusive<u64>,
}

/// The digest of a block's terms; time and spot of its entries.
type Block = ([u8; DIGEST_BYTES], Vec<(u64, Spot)>);

/// An open shard.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) name: ShardName,
    path: PathBuf,
    connection: Connection,
}

impl Shard {
    /// Opens a shard to write to it; makes it where there is none.
    pub(crate) fn create(dir: &Path, name: ShardName, key: &IndexKey, origin: &str) -> Result<Self, IndexError> {
        let path = dir.join(name.file());
        let shard = Self { connection: Connection::open(&path).map_err(|error| IndexError::of(error, &path))?, name, path };
        shard.named(shard.set_up(key, origin))?;
        shard.proven(key, origin)?;
        Ok(shard)
    }

    /// Opens a shard to read from it.
    pub(crate) fn open(dir: &Path, name: ShardName, key: &IndexKey, origin: &str) -> Result<Self, IndexError> {
        let path = dir.join(name.file());
        if !path.exists() {
            return Err(IndexError::Damaged(path));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(|error| IndexError::of(error, &path))?;
        let shard = Self { name, path, connection };
        let set = shard.connection.busy_timeout(Duration::from_secs(5)).and_then(|()| {
            shard.connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
        });
        shard.named(set)?;
        shard.proven(key, origin)?;
        Ok(shard)
    }

    fn set_up(&self, key: &IndexKey, origin: &str) -> Result<(), rusqlite::Error> {
        self.connection.busy_timeout(Duration::from_secs(5))?;
        // What is lost with the power is read from the log again, so nothing waits for the disk here.
        self.connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = NORMAL;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;
             PRAGMA cache_size = -16384;
             PRAGMA journal_size_limit = 4194304;",
        )?;
        let found: i64 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found == 0 {
            let transaction = rusqlite::Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            transaction.execute_batch(SCHEMA)?;
            transaction.execute("INSERT INTO shard (one, proof) VALUES (1, ?1)", [self.proof(key, origin)])?;
            transaction.pragma_update(None, "user_version", FORM)?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Says by a keyed digest whose key, log and name a shard was made with.
    fn proof(&self, key: &IndexKey, origin: &str) -> [u8; 32] {
        key.0.mac(&[b"shard\0", origin.as_bytes(), b"\0", self.name.file().as_bytes()].concat())
    }

    fn proven(&self, key: &IndexKey, origin: &str) -> Result<(), IndexError> {
        let form: i64 = self.named(self.connection.pragma_query_value(None, "user_version", |row| row.get(0)))?;
        if form != FORM {
            return Err(self.damaged());
        }
        let proof: Option<Vec<u8>> =
            self.named(self.connection.query_row("SELECT proof FROM shard WHERE one = 1", [], |row| row.get(0)).optional())?;
        if proof.as_deref() == Some(&self.proof(key, origin)[..]) { Ok(()) } else { Err(self.damaged()) }
    }

    /// What is in it; none where nothing is.
    pub(crate) fn summary(&self) -> Result<Option<Summary>, IndexError> {
        let read = self.connection.query_row(SUMMARY, [], |row| {
            let count: i64 = row.get(0)?;
            if count == 0 {
                return Ok(None);
            }
            Ok(Some((count, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?)))
        });
        let Some((count, first, last, first_at, last_at)) = self.named(read)? else { return Ok(None) };
        // Blocks follow each other from the one in the name on.
        if Ok(self.name.first) != u64::try_from(first) || last - first + 1 != count {
            return Err(self.damaged());
        }
        let end = self.name.first + count.cast_unsigned();
        Ok(Some(Summary { name: self.name.clone(), end, times: first_at.cast_unsigned()..=last_at.cast_unsigned() }))
    }

    /// Writes a whole block, which is then in the shard or not at all.
    pub(crate) fn append(&mut self, block: u64, rows: &[Row], key: &IndexKey) -> Result<Summary, IndexError> {
        let written = self.write(block, rows, key);
        self.named(written)?;
        self.summary()?.ok_or_else(|| self.damaged())
    }

    fn write(&mut self, block: u64, rows: &[Row], key: &IndexKey) -> Result<(), rusqlite::Error> {
        let file = self.name.file();
        let number = block.cast_signed();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut digest = Digest::new(key);
        {
            let mut put = transaction.prepare_cached(PUT_TERM)?;
            for (term, places) in block::postings(rows) {
                let sealed = key.0.seal(&bound(&file, Some(term), block), &places.encode());
                digest.add(term, &sealed);
                put.execute(params![term.0, number, sealed])?;
            }
        }
        let mut plain = digest.finish().to_vec();
        plain.extend_from_slice(&block::encode_rows(rows));
        let sealed = key.0.seal(&bound(&file, None, block), &plain);
        let at = |at: Option<u64>| at.unwrap_or_default().cast_signed();
        let (first, last) = (rows.iter().map(|row| row.at).min(), rows.iter().map(|row| row.at).max());
        transaction.prepare_cached(PUT_BLOCK)?.execute(params![number, at(first), at(last), sealed])?;
        transaction.commit()
    }

    /// The places of a term, block by block, up to one.
    pub(crate) fn look(&self, term: Term, up_to: u64, key: &IndexKey, found: &mut dyn FnMut(u64, Places)) -> Result<(), IndexError> {
        let file = self.name.file();
        let mut statement = self.named(self.connection.prepare_cached(TERM))?;
        let mut rows = self.named(statement.query(params![term.0, i64::try_from(up_to).unwrap_or(i64::MAX)]))?;
        while let Some(row) = self.named(rows.next())? {
            let (block, sealed): (i64, Vec<u8>) = self.named(row.get(0).and_then(|block| Ok((block, row.get(1)?))))?;
            let block = block.cast_unsigned();
            let plain = key.0.open(&bound(&file, Some(term), block), &sealed).map_err(|_| self.damaged())?;
            found(block, Places::decode(&plain).ok_or_else(|| self.damaged())?);
        }
        Ok(())
    }

    /// The numbers of its blocks up to one, highest first.
    pub(crate) fn blocks(&self, up_to: u64) -> Result<Vec<u64>, IndexError> {
        let mut statement = self.named(self.connection.prepare_cached(BLOCKS))?;
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        let blocks = self.named(statement.query_map([up_to], |row| row.get(0)).and_then(Iterator::collect::<Result<Vec<i64>, _>>))?;
        Ok(blocks.into_iter().map(i64::cast_unsigned).collect())
    }

    /// Time and spot of a block's entries.
    pub(crate) fn rows(&self, block: u64, key: &IndexKey) -> Result<Vec<(u64, Spot)>, IndexError> {
        Ok(self.block(block, key)?.1)
    }

    fn block(&self, block: u64, key: &IndexKey) -> Result<Block, IndexError> {
        let read = self
            .connection
            .prepare_cached(BLOCK)
            .and_then(|mut statement| statement.query_row([block.cast_signed()], |row| row.get::<_, Vec<u8>>(0)).optional());
        let sealed = self.named(read)?.ok_or_else(|| self.damaged())?;
        let plain = key.0.open(&bound(&self.name.file(), None, block), &sealed).map_err(|_| self.damaged())?;
        let (digest, rows) = plain.split_first_chunk::<DIGEST_BYTES>().ok_or_else(|| self.damaged())?;
        let rows = block::decode_rows(rows, usize::try_from(BLOCK_ENTRIES).unwrap_or(usize::MAX)).ok_or_else(|| self.damaged())?;
        Ok((*digest, rows))
    }

    /// Reads all of it and says whether every row is there as it was written: what was deleted or renamed would
    /// else be missing from answers without a word.
    pub(crate) fn check(&self, key: &IndexKey) -> Result<(), IndexError> {
        let file = self.name.file();
        let Some(summary) = self.summary()? else { return Ok(()) };
        let mut digests: Vec<Digest<'_>> = (self.name.first..summary.end).map(|_| Digest::new(key)).collect();
        let mut statement = self.named(self.connection.prepare(ALL_TERMS))?;
        let mut rows = self.named(statement.query([]))?;
        while let Some(row) = self.named(rows.next())? {
            let read = row.get(0).and_then(|term: [u8; 16]| Ok((Term(term), row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)));
            let (term, block, sealed) = self.named(read)?;
            let block = block.cast_unsigned();
            let number = block.checked_sub(self.name.first).and_then(|number| usize::try_from(number).ok());
            let digest = number.and_then(|number| digests.get_mut(number)).ok_or_else(|| self.damaged())?;
            digest.add(term, &sealed);
            let plain = key.0.open(&bound(&file, Some(term), block), &sealed).map_err(|_| self.damaged())?;
            Places::decode(&plain).ok_or_else(|| self.damaged())?;
        }
        for (block, digest) in (self.name.first..).zip(digests) {
            let (written, rows) = self.block(block, key)?;
            // The times beside the block are what searches pass it over by.
            let told: (i64, i64) =
                self.named(self.connection.query_row(TIMES, [block.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?))))?;
            let times = || rows.iter().map(|(at, _)| at.cast_signed());
            if written != digest.finish() || (times().min(), times().max()) != (Some(told.0), Some(told.1)) {
                return Err(self.damaged());
            }
        }
        Ok(())
    }

    /// Puts everything into the one file, as far as nobody is reading; it will not grow any more.
    pub(crate) fn settle(&self) {
        // A file that keeps its write-ahead log beside it is as good: nothing depends on this.
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            debug_assert!(error.sqlite_error_code().is_some(), "an error of the database");
        }
    }

    fn damaged(&self) -> IndexError {
        IndexError::Damaged(self.path.clone())
    }

    fn named<T>(&self, result: Result<T, rusqlite::Error>) -> Result<T, IndexError> {
        result.map_err(|error| IndexError::of(error, &self.path))
    }
}

/// Removes a shard with what SQLite puts beside it.
pub(crate) fn remove(dir: &Path, name: &ShardName) -> Result<(), IndexError> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let path = dir.join(format!("{}{suffix}", name.file()));
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(IndexError::Io { path, source }),
        }
    }
    Ok(())
}

/// What a row is bound to: a row in another place does not open.
fn bound(file: &str, term: Option<Term>, block: u64) -> Vec<u8> {
    let mut bound = Vec::with_capacity(48);
    bound.extend_from_slice(file.as_bytes());
    bound.push(0);
    bound.extend_from_slice(&block.to_le_bytes());
    if let Some(term) = term {
        bound.extend_from_slice(&term.0);
    }
    bound
}

/// A keyed digest over a block's rows by rising term, in steps: each covers the one before.
struct Digest<'a> {
    key: &'a IndexKey,
    gathered: Vec<u8>,
}

impl<'a> Digest<'a> {
    const STEP: usize = 64 << 10;

    fn new(key: &'a IndexKey) -> Self {
        Self { key, gathered: Vec::new() }
    }

    fn add(&mut self, term: Term, sealed: &[u8]) {
        self.gathered.extend_from_slice(&term.0);
        // The nonce and the tag stand for the row: they belong to no other.
        self.gathered.extend_from_slice(sealed.get(..12).unwrap_or_default());
        self.gathered.extend_from_slice(sealed.last_chunk::<16>().unwrap_or(&[0; 16]));
        if self.gathered.len() > Self::STEP {
            self.gathered = self.key.0.mac(&self.gathered).to_vec();
        }
    }

    fn finish(self) -> [u8; DIGEST_BYTES] {
        self.key.0.mac(&self.gathered)
    }
}

impl IndexError {
    /// What SQLite says of a file: damaged, or not usable now.
    pub(crate) fn of(error: rusqlite::Error, path: &Path) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(path),
            // A column or a table that is not there, a value of another type: not as we wrote it.
            None | Some(ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) => Self::Damaged(path),
            Some(_) => Self::Database { path, source: error },
        }
    }
}
