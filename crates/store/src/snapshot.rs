//! Snapshots of what sources deliver as files: rows that are found by keyed digests, sealed one by one.
//!
//! A snapshot is one SQLite file that is written once and then only read. It is sealed under a key of its own, kept
//! elsewhere: whoever destroys that key ends the snapshot, wherever a copy of its file lies.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, params};
use seal::SealKey;

use crate::StoreError;

/// Bytes of a digest that a row is found by. Two of a million rows share one by chance in one of 2^88 snapshots, and
/// what was found is compared in clear besides.
const DIGEST_BYTES: usize = 16;
/// Memory of the pages being written, in KiB.
const CACHE_KIB: i32 = 16 << 10;
/// Longest cell in bytes: its length takes two bytes.
const CELL_BYTES_MAX: usize = u16::MAX as usize;

const TABLES: &str = "CREATE TABLE rows (row INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
    CREATE TABLE keys (digest BLOB NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (digest, row)) WITHOUT ROWID;
    CREATE TABLE about (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL);";
const ABOUT: &[u8] = b"about";

type Digest = [u8; DIGEST_BYTES];

/// A snapshot being made, beside the file that it will be.
#[derive(Debug)]
pub struct Writer {
    connection: Connection,
    path: PathBuf,
    key: SealKey,
    row: u32,
    digests: Vec<(Digest, u32)>,
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins a file, in the place of one that a crash has left. Blocking.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(path: &Path, key: SealKey) -> Result<Self, StoreError> {
        let file = |source| StoreError::File { path: path.to_owned(), source };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file(error)),
            Err(_) | Ok(()) => {}
        }
        crate::database::make_private(path).map_err(file)?;
        let connection = Connection::open(path)?;
        // Nothing is there to go back to: until it has been renamed nobody looks at the file, and then it is whole.
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = OFF;
             PRAGMA synchronous = OFF;
             PRAGMA trusted_schema = OFF;",
        )?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection, path: path.to_owned(), key, row: 0, digests: Vec::new(), buffer: Vec::new() })
    }

    /// Adds a row: its cells, and by which of them it is found, each way a list of columns. A way of which all cells
    /// are empty is none.
    ///
    /// # Errors
    /// When it cannot be written, or a cell or the number of rows is beyond what a snapshot holds.
    pub fn add<'c>(&mut self, cells: impl IntoIterator<Item = &'c [u8]>, ways: &[Vec<usize>]) -> Result<(), StoreError> {
        self.buffer.clear();
        for cell in cells {
            let length = u16::try_from(cell.len()).map_err(|_| StoreError::Row("a cell of a snapshot is longer than 65535 bytes"))?;
            self.buffer.extend_from_slice(&length.to_le_bytes());
            self.buffer.extend_from_slice(cell);
        }
        self.row = self.row.checked_add(1).ok_or(StoreError::Row("a snapshot has more rows than can be numbered"))?;
        let sealed = self.key.seal(&self.row.to_le_bytes(), &self.buffer);
        self.connection.prepare_cached("INSERT INTO rows (row, sealed) VALUES (?1, ?2)")?.execute(params![self.row, sealed])?;
        let row = Cells(&self.buffer);
        for (way, columns) in ways.iter().enumerate() {
            let texts: Vec<&[u8]> = columns.iter().map(|column| row.get(*column)).collect();
            if texts.iter().any(|text| !text.is_empty()) {
                self.digests.push((digest(&self.key, way, &texts), self.row));
            }
        }
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.row
    }

    /// Ends the file with what is to be known about it, and makes it durable under its working name. Blocking.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, about: &[u8]) -> Result<Finished, StoreError> {
        // In order, so that the tree of keys grows at its end.
        self.digests.sort_unstable();
        {
            let mut statement = self.connection.prepare_cached("INSERT INTO keys (digest, row) VALUES (?1, ?2)")?;
            for (digest, row) in &self.digests {
                statement.execute(params![digest, row])?;
            }
        }
        self.digests = Vec::new();
        let sealed = self.key.seal(ABOUT, about);
        self.connection.execute("INSERT INTO about (one, sealed) VALUES (1, ?1)", [sealed])?;
        self.connection.execute_batch("COMMIT")?;
        self.connection.close().map_err(|(_, error)| error)?;
        let file = |source| StoreError::File { path: self.path.clone(), source };
        File::open(&self.path).and_then(|open| open.sync_all()).map_err(file)?;
        Ok(Finished { path: self.path })
    }
}

/// A whole snapshot that nobody looks at yet.
#[derive(Debug)]
pub struct Finished {
    path: PathBuf,
}

impl Finished {
    /// Gives it the name that it is looked up by, in the place of the one before, at once and durably. Blocking.
    ///
    /// # Errors
    /// When it cannot be renamed; then the one before is still there.
    pub fn publish(self, path: &Path) -> Result<(), StoreError> {
        let file = |source| StoreError::File { path: path.to_owned(), source };
        std::fs::rename(&self.path, path).map_err(file)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(file)
    }
}

/// A snapshot that is looked up in. Shared by reference; blocking.
#[derive(Debug)]
pub struct Snapshot {
    connection: Mutex<Connection>,
    key: SealKey,
    about: Vec<u8>,
}

impl Snapshot {
    /// Opens a snapshot with its key.
    ///
    /// # Errors
    /// When the file cannot be read, or is sealed under another key.
    pub fn open(path: &Path, key: SealKey) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
        let sealed: Vec<u8> = connection.query_row("SELECT sealed FROM about", [], |row| row.get(0))?;
        let about = key.open(ABOUT, &sealed).map_err(|_| StoreError::OtherKey(path.to_owned()))?;
        Ok(Self { connection: Mutex::new(connection), key, about })
    }

    /// What is to be known about it.
    #[must_use]
    pub fn about(&self) -> &[u8] {
        &self.about
    }

    /// The cells of the rows that have these texts in the columns of a way, in the file's order, at most `max`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn find(&self, way: usize, columns: &[usize], texts: &[&[u8]], max: usize) -> Result<Vec<Vec<Vec<u8>>>, StoreError> {
        let digest = digest(&self.key, way, texts);
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached(
            "SELECT rows.row, rows.sealed FROM keys JOIN rows ON rows.row = keys.row WHERE keys.digest = ?1 ORDER BY keys.row",
        )?;
        let mut found = statement.query([digest])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let plain = self.opened(row)?;
            let cells = Cells(&plain);
            // A digest is not the text.
            if columns.iter().zip(texts).all(|(column, text)| cells.get(*column) == *text) {
                rows.push(cells.all().map(<[u8]>::to_vec).collect());
            }
            if rows.len() >= max {
                break;
            }
        }
        Ok(rows)
    }

    /// Gives every row's cells on, in the file's order.
    ///
    /// # Errors
    /// When it cannot be read, or the receiver's own.
    pub fn each<E: From<StoreError>>(&self, mut take: impl FnMut(Cells<'_>) -> Result<(), E>) -> Result<(), E> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let database = |error| E::from(StoreError::Database(error));
        let mut statement = connection.prepare("SELECT row, sealed FROM rows ORDER BY row").map_err(database)?;
        let mut rows = statement.query([]).map_err(database)?;
        while let Some(row) = rows.next().map_err(database)? {
            let plain = self.opened(row).map_err(E::from)?;
            take(Cells(&plain))?;
        }
        Ok(())
    }

    fn opened(&self, row: &rusqlite::Row<'_>) -> Result<Vec<u8>, StoreError> {
        let (number, sealed): (u32, Vec<u8>) = (row.get(0)?, row.get(1)?);
        self.key.open(&number.to_le_bytes(), &sealed).map_err(|_| StoreError::Damaged)
    }
}

/// The cells of one row.
#[derive(Clone, Copy)]
pub struct Cells<'a>(&'a [u8]);

impl std::fmt::Debug for Cells<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cells(…)")
    }
}

impl<'a> Cells<'a> {
    /// All of them.
    pub fn all(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (cell, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            rest = after;
            Some(cell)
        })
    }

    /// The cell of a column; empty where there is none.
    #[must_use]
    pub fn get(self, column: usize) -> &'a [u8] {
        self.all().nth(column).unwrap_or_default()
    }
}

/// The digest of texts by which a row is found in one way.
fn digest(key: &SealKey, way: usize, texts: &[&[u8]]) -> Digest {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(u8::try_from(way).unwrap_or(u8::MAX));
    for text in texts {
        bytes.extend_from_slice(&u16::try_from(text.len().min(CELL_BYTES_MAX)).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(text);
    }
    let mac = key.mac(&bytes);
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&mac[..DIGEST_BYTES]);
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seal::NodeKey;

    use super::*;

    fn key(byte: u8) -> SealKey {
        NodeKey::from_bytes([byte; 32]).derive("snapshot")
    }

    fn write(path: &Path, rows: &[[&str; 3]]) {
        let mut writer = Writer::begin(&path.with_extension("new"), key(1)).expect("begun");
        for row in rows {
            writer.add(row.iter().map(|cell| cell.as_bytes()), &[vec![0], vec![1, 2]]).expect("added");
        }
        writer.finish(b"about").expect("finished").publish(path).expect("published");
    }

    fn find(snapshot: &Snapshot, way: usize, columns: &[usize], texts: &[&str]) -> Vec<String> {
        let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let rows = snapshot.find(way, columns, &texts, 10).expect("found");
        rows.iter().map(|row| row.iter().map(|cell| String::from_utf8_lossy(cell)).collect::<Vec<_>>().join("|")).collect()
    }

    #[test]
    fn rows_are_found_by_each_way_and_by_no_other_text() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("a.snapshot");
        write(&path, &[["5K7QX2O", "A", "B"], ["5K7QX2O", "AB", ""], ["3M9RT4O", "", "AB"], ["", "A", "B"]]);
        let snapshot = Snapshot::open(&path, key(1)).expect("opens");
        assert_eq!(snapshot.about(), b"about");
        assert_eq!(find(&snapshot, 0, &[0], &["5K7QX2O"]), ["5K7QX2O|A|B", "5K7QX2O|AB|"]);
        assert_eq!(find(&snapshot, 1, &[1, 2], &["A", "B"]), ["5K7QX2O|A|B", "|A|B"]);
        assert_eq!(find(&snapshot, 1, &[1, 2], &["AB", ""]), ["5K7QX2O|AB|"], "where one text ends is part of it");
        assert!(find(&snapshot, 0, &[0], &[""]).is_empty(), "nobody is found by nothing");
        assert!(find(&snapshot, 1, &[1, 2], &["5K7QX2O", ""]).is_empty());
        let mut count = 0;
        snapshot
            .each::<StoreError>(|_| {
                count += 1;
                Ok(())
            })
            .expect("read");
        assert_eq!(count, 4);
    }

    #[test]
    fn nothing_is_in_clear_and_another_key_opens_nothing() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("a.snapshot");
        write(&path, &[["5K7QX2O", "TEST-QZ-000333", "x"]]);
        let bytes = std::fs::read(&path).expect("read");
        for clear in ["5K7QX2O", "TEST-QZ-000333", "about\0"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()), "{clear}");
        }
        assert!(matches!(Snapshot::open(&path, key(2)), Err(StoreError::OtherKey(_))));
    }

    #[test]
    fn a_file_that_a_crash_has_left_is_begun_anew_and_the_old_one_stays_until_the_end() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("a.snapshot");
        write(&path, &[["5K7QX2O", "old", ""]]);
        let mut writer = Writer::begin(&path.with_extension("new"), key(1)).expect("begun");
        writer.add([b"3M9RT4O".as_slice(), b"", b""], &[vec![0]]).expect("added");
        drop(writer);
        assert!(path.with_extension("new").exists());
        assert_eq!(find(&Snapshot::open(&path, key(1)).expect("opens"), 0, &[0], &["5K7QX2O"]), ["5K7QX2O|old|"]);
        let before = Snapshot::open(&path, key(1)).expect("opens");
        write(&path, &[["5K7QX2O", "new", ""]]);
        assert_eq!(find(&before, 0, &[0], &["5K7QX2O"]), ["5K7QX2O|old|"], "who has it open reads on");
        assert_eq!(find(&Snapshot::open(&path, key(1)).expect("opens"), 0, &[0], &["5K7QX2O"]), ["5K7QX2O|new|"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(rows in prop::collection::vec(prop::array::uniform3(prop::collection::vec(any::<u8>(), 0..20)), 1..20)) {
            let dir = tempfile::tempdir().expect("temporary directory");
            let path = dir.path().join("a.snapshot");
            let mut writer = Writer::begin(&path.with_extension("new"), key(1)).expect("begun");
            for row in &rows {
                writer.add(row.iter().map(Vec::as_slice), &[vec![1]]).expect("added");
            }
            writer.finish(b"").expect("finished").publish(&path).expect("published");
            let snapshot = Snapshot::open(&path, key(1)).expect("opens");
            for row in rows.iter().filter(|row| !row[1].is_empty()) {
                let wanted: Vec<Vec<Vec<u8>>> = rows.iter().filter(|other| other[1] == row[1]).map(|row| row.to_vec()).collect();
                prop_assert_eq!(snapshot.find(0, &[1], &[&row[1]], 100).expect("found"), wanted);
            }
        }
    }
}
