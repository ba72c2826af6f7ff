//! The key table: wrapped epoch keys and token keys, one small file each, outside the log.
//!
//! Deleting a row's file makes what was sealed under it unreadable for ever while every proof in
//! the log stays valid; so rows are never copied into the log, which holds only a commitment.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{digest, hkdf, hmac};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::key::{NodeKey, SealKey, digest_bytes, random};

const MAGIC: &[u8; 8] = b"QVSQKEY1";
const HEADER_BYTES: usize = 32;
/// The longest row: header, nonce, two keys, tag.
const ROW_BYTES_MAX: usize = HEADER_BYTES + 12 + 64 + 16;
/// Token keys kept unwrapped: the months a search may span at once.
const TOKEN_KEYS_MAX: usize = 64;

/// Why the key table cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A row or its directory cannot be read or written: look at owner, mode and free space.
    #[error("key table file {path} cannot be used")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A row is not what this node wrote: damaged, renamed, or wrapped under another node key.
    #[error("key table row {path} does not unwrap with this node's key; restore the node key that it was made with")]
    Row {
        /// The file.
        path: PathBuf,
    },
    /// A month is not written `YYYY-MM`.
    #[error("not a month, accepted is YYYY-MM")]
    Month,
    /// The clock stands before 1970: set it.
    #[error("the clock stands before 1970")]
    Clock,
}

/// The keys of one epoch, in memory: one for metadata, one for payload.
pub struct Epoch {
    id: u64,
    opened_at: Timestamp,
    pub(crate) metadata: hkdf::Prk,
    pub(crate) payload: hkdf::Prk,
}

impl Epoch {
    fn new(id: u64, opened_at: Timestamp, keys: &[u8; 64]) -> Self {
        let (metadata, payload) = keys.split_at(32);
        let prk = |key| hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key);
        Self { id, opened_at, metadata: prk(metadata), payload: prk(payload) }
    }

    /// The epoch's number: rises, is never used twice, and is never 0 (which marks a plain entry).
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// When the epoch was opened.
    #[must_use]
    pub fn opened_at(&self) -> Timestamp {
        self.opened_at
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({}, …)", self.id)
    }
}

/// What the log may know of a new epoch: the content of its plain `EpochOpened` entry (rule R8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochNotice {
    /// The epoch's number.
    pub id: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// SHA-256 of the wrapped row: says later which row was deleted, tells nothing about the key.
    pub commitment: [u8; 32],
}

/// A person as the log's keys see him: HMAC-SHA256 of the canonical text of one identifier, first 16 bytes.
///
/// Lasts as long as the node key. It stands in the log only where an answer says that two identifiers are the
/// same person's, so that he is found under both; what entries carry everywhere else is the month's token of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub [u8; 16]);

/// One month's key for subject tokens.
pub struct TokenKey(hmac::Key);

impl TokenKey {
    /// The token of a person: HMAC-SHA256 of the identity, first 16 bytes.
    #[must_use]
    pub fn token(&self, identity: &Identity) -> [u8; 16] {
        let mut token = [0; 16];
        token.copy_from_slice(&hmac::sign(&self.0, &identity.0).as_ref()[..16]);
        token
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// The wrapped keys of one node, in a directory of its own outside the log's.
///
/// Guarantees: a row is durable (file, then directory flushed) before the key in it is handed out;
/// a row is never overwritten; readers see a deleted row as gone at once, since epochs are not cached.
/// Blocking file work: a few milliseconds when a key is made, well under one when a row is read.
pub struct KeyTable {
    dir: PathBuf,
    wrap: SealKey,
    /// Makes identities.
    identities: SealKey,
    /// Guards the making of rows and the tokens kept unwrapped.
    state: Mutex<State>,
}

struct State {
    last_epoch: u64,
    tokens: Vec<(u64, Arc<TokenKey>)>,
}

/// A row's time of making and its keys.
type Unwrapped<const N: usize> = (u64, Zeroizing<[u8; N]>);

#[derive(Clone, Copy)]
enum Kind {
    Epoch,
    Token,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Epoch => 1,
            Self::Token => 2,
        }
    }
}

impl KeyTable {
    /// Opens the table, making its directories when they are not there.
    ///
    /// # Errors
    /// When a directory or the mark of the last epoch cannot be read or made.
    #[expect(clippy::needless_pass_by_value, reason = "the table takes the key over, so that no caller keeps it longer than needed")]
    pub fn open(dir: &Path, node: NodeKey) -> Result<Self, TableError> {
        for part in [dir.to_owned(), dir.join("epochs"), dir.join("tokens")] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&part).map_err(io(&part))?;
        }
        sync_dir(dir)?;
        let table = Self {
            dir: dir.to_owned(),
            wrap: node.derive("key table"),
            identities: node.derive("identities"),
            state: Mutex::new(State { last_epoch: 0, tokens: Vec::new() }),
        };
        let last_epoch = table.last_epoch()?;
        table.state.lock().unwrap_or_else(PoisonError::into_inner).last_epoch = last_epoch;
        Ok(table)
    }

    /// Makes the keys of a new epoch and writes them, wrapped, before it returns them (rule R8, first half).
    ///
    /// The caller appends the notice as a plain `EpochOpened` entry and waits until it is durable
    /// before it seals anything under the epoch (second half). The number is the time in unix
    /// milliseconds, or one more than the last when the clock has not moved past it.
    ///
    /// # Errors
    /// When the row cannot be made durable; then no entry was or will be sealed under it.
    pub fn open_epoch(&self, now: Timestamp) -> Result<(Arc<Epoch>, EpochNotice), TableError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = u64::try_from(now.as_millisecond()).map_err(|_| TableError::Clock)?;
        let id = millis.max(state.last_epoch + 1);
        // The mark goes first: should the row then fail, the number is lost but never used twice.
        write_durably(&self.dir, "last-epoch", format!("{id}\n").as_bytes())?;
        state.last_epoch = id;
        let keys = Zeroizing::new(random::<64>());
        let row = self.wrap_row(Kind::Epoch, id, millis, &keys[..]);
        write_durably(&self.dir.join("epochs"), &row_name(id), &row)?;
        let commitment = digest_bytes(digest::digest(&digest::SHA256, &row).as_ref());
        let opened_at = from_millis(millis)?;
        Ok((Arc::new(Epoch::new(id, opened_at, &keys)), EpochNotice { id, opened_at, commitment }))
    }

    /// The keys of an epoch, or nothing when its row has been deleted (or never was).
    ///
    /// # Errors
    /// When the row is there but cannot be read or unwrapped.
    pub fn epoch(&self, id: u64) -> Result<Option<Arc<Epoch>>, TableError> {
        let path = self.dir.join("epochs").join(row_name(id));
        let Some((made_at, keys)) = self.read_row::<64>(Kind::Epoch, id, &path)? else { return Ok(None) };
        Ok(Some(Arc::new(Epoch::new(id, from_millis(made_at)?, &keys))))
    }

    /// The identity behind an identifier.
    ///
    /// The text must be canonical (kind and identifier, one spelling) or the person will not be found again.
    #[must_use]
    pub fn identity(&self, canonical_subject: &str) -> Identity {
        let mut identity = [0; 16];
        identity.copy_from_slice(&self.identities.mac(canonical_subject.as_bytes())[..16]);
        Identity(identity)
    }

    /// The token key of a month written `YYYY-MM`, or nothing when no entry was written in it (or its key is gone).
    ///
    /// # Errors
    /// When the text is no month, or the row cannot be read or unwrapped.
    pub fn known_token_key(&self, month: &str) -> Result<Option<Arc<TokenKey>>, TableError> {
        month_number(month)?;
        if self.dir.join("tokens").join(format!("{month}.key")).exists() { self.token_key(month).map(Some) } else { Ok(None) }
    }

    /// The token key of a month written `YYYY-MM`, made durably when there is none yet.
    ///
    /// # Errors
    /// When the text is no month, or the row cannot be read, unwrapped or made durable.
    pub fn token_key(&self, month: &str) -> Result<Arc<TokenKey>, TableError> {
        let id = month_number(month)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = state.tokens.iter().find(|(kept, _)| *kept == id) {
            return Ok(Arc::clone(key));
        }
        let dir = self.dir.join("tokens");
        let name = format!("{month}.key");
        let key = match self.read_row::<32>(Kind::Token, id, &dir.join(&name))? {
            Some((_, key)) => key,
            None => {
                let key = Zeroizing::new(random::<32>());
                write_durably(&dir, &name, &self.wrap_row(Kind::Token, id, 0, &key[..]))?;
                key
            }
        };
        let key = Arc::new(TokenKey(hmac::Key::new(hmac::HMAC_SHA256, &key[..])));
        if state.tokens.len() == TOKEN_KEYS_MAX {
            state.tokens.remove(0);
        }
        state.tokens.push((id, Arc::clone(&key)));
        Ok(key)
    }

    /// The highest number ever given out: the mark says it; without it, the rows that are left.
    fn last_epoch(&self) -> Result<u64, TableError> {
        let mark = self.dir.join("last-epoch");
        match fs::read_to_string(&mark) {
            Ok(text) => return text.trim_end().parse().map_err(|_| TableError::Row { path: mark }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(&mark)(error)),
        }
        let mut last = 0;
        let dir = self.dir.join("epochs");
        for file in fs::read_dir(&dir).map_err(io(&dir))? {
            let name = file.map_err(io(&dir))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".key")).and_then(|hex| u64::from_str_radix(hex, 16).ok());
            last = last.max(number.unwrap_or(0));
        }
        Ok(last)
    }

    fn wrap_row(&self, kind: Kind, id: u64, made_at: u64, keys: &[u8]) -> Vec<u8> {
        let mut row = row_header(kind, id, made_at).to_vec();
        let sealed = self.wrap.seal(&row, keys);
        row.extend_from_slice(&sealed);
        row
    }

    fn read_row<const N: usize>(&self, kind: Kind, id: u64, path: &Path) -> Result<Option<Unwrapped<N>>, TableError> {
        let wrong = || TableError::Row { path: path.to_owned() };
        let mut row = Vec::with_capacity(ROW_BYTES_MAX + 1);
        match File::open(path) {
            Ok(file) => file.take(ROW_BYTES_MAX as u64 + 1).read_to_end(&mut row).map_err(io(path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(path)(error)),
        };
        let (header, sealed) = row.split_at_checked(HEADER_BYTES).ok_or_else(wrong)?;
        let made_at = u64::from_le_bytes(*header.last_chunk().ok_or_else(wrong)?);
        if header != row_header(kind, id, made_at) {
            return Err(wrong());
        }
        let plain = Zeroizing::new(self.wrap.open(header, sealed).map_err(|_| wrong())?);
        let mut keys = Zeroizing::new([0; N]);
        if plain.len() != N {
            return Err(wrong());
        }
        keys.copy_from_slice(&plain);
        Ok(Some((made_at, keys)))
    }
}

impl fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTable({})", self.dir.display())
    }
}

/// Magic (8) ‖ kind (1) ‖ zero (7) ‖ id (8) ‖ made at, unix milliseconds (8): also the wrapping's bound data.
fn row_header(kind: Kind, id: u64, made_at: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8] = kind.code();
    header[16..24].copy_from_slice(&id.to_le_bytes());
    header[24..].copy_from_slice(&made_at.to_le_bytes());
    header
}

fn row_name(id: u64) -> String {
    format!("{id:016x}.key")
}

fn month_number(month: &str) -> Result<u64, TableError> {
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    let (year, number) = month.split_once('-').ok_or(TableError::Month)?;
    if !digits(year, 4) || !digits(number, 2) {
        return Err(TableError::Month);
    }
    let year: u64 = year.parse().map_err(|_| TableError::Month)?;
    let number: u64 = number.parse().map_err(|_| TableError::Month)?;
    if (1..=12).contains(&number) { Ok(year * 100 + number) } else { Err(TableError::Month) }
}

fn from_millis(millis: u64) -> Result<Timestamp, TableError> {
    i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).ok_or(TableError::Clock)
}

/// Working file, flush, rename, flush of the directory. A crash between leaves a working file, which the next write replaces.
fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), TableError> {
    let path = dir.join(name);
    let new = dir.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(io(&new))?;
    file.write_all(bytes).map_err(io(&new))?;
    file.sync_all().map_err(io(&new))?;
    fs::rename(&new, &path).map_err(io(&path))?;
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), TableError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir))
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> TableError + '_ {
    |source| TableError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).expect("valid")
    }

    fn table(dir: &Path) -> KeyTable {
        KeyTable::open(dir, NodeKey::from_bytes([1; 32])).expect("opens")
    }

    #[test]
    fn an_epoch_is_on_disk_before_it_is_given_out_and_reads_back() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (epoch, notice) = table(dir.path()).open_epoch(at(1_700_000_000_000)).expect("opened");
        let row = fs::read(dir.path().join("epochs").join(row_name(epoch.id()))).expect("row");
        assert_eq!(row.len(), ROW_BYTES_MAX);
        assert_eq!(notice.commitment, digest_bytes(digest::digest(&digest::SHA256, &row).as_ref()));
        let again = table(dir.path()).epoch(epoch.id()).expect("reads").expect("there");
        assert_eq!((again.id(), again.opened_at()), (notice.id, notice.opened_at));
    }

    #[test]
    fn epoch_numbers_rise_though_clock_and_rows_go_back() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let first = table(dir.path()).open_epoch(at(5_000)).expect("opened").0.id();
        fs::remove_file(dir.path().join("epochs").join(row_name(first))).expect("shredded");
        let table = table(dir.path());
        assert!(table.epoch(first).expect("reads").is_none());
        let second = table.open_epoch(at(1_000)).expect("opened").0.id();
        let third = table.open_epoch(at(1_000)).expect("opened").0.id();
        assert!(first < second && second < third, "{first} {second} {third}");
        drop(table);
        // Should the mark be lost, the rows that are left say where to go on.
        fs::remove_file(dir.path().join("last-epoch")).expect("removed");
        let fourth = self::table(dir.path()).open_epoch(at(1_000)).expect("opened").0.id();
        assert!(third < fourth, "{third} {fourth}");
    }

    #[test]
    fn a_foreign_or_changed_row_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let table = table(dir.path());
        let id = table.open_epoch(at(5_000)).expect("opened").0.id();
        let path = dir.path().join("epochs").join(row_name(id));
        let row = fs::read(&path).expect("row");
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 0x10;
            fs::write(&path, changed).expect("written");
            assert!(matches!(table.epoch(id), Err(TableError::Row { .. })), "byte {at}");
        }
        fs::write(&path, &row).expect("written");
        fs::rename(&path, dir.path().join("epochs").join(row_name(id + 1))).expect("renamed");
        assert!(matches!(table.epoch(id + 1), Err(TableError::Row { .. })));
        fs::rename(dir.path().join("epochs").join(row_name(id + 1)), &path).expect("renamed");
        let other = KeyTable::open(dir.path(), NodeKey::from_bytes([2; 32])).expect("opens");
        assert!(matches!(other.epoch(id), Err(TableError::Row { .. })));
    }

    #[test]
    fn tokens_are_stable_within_a_month_and_unrelated_across() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let person = table(dir.path()).identity("fin:5K7QX2O");
        assert_ne!(person, table(dir.path()).identity("pin:5K7QX2O"));
        assert!(table(dir.path()).known_token_key("2026-11").expect("looked").is_none());
        let november = table(dir.path()).token_key("2026-11").expect("made").token(&person);
        let table = table(dir.path());
        assert_eq!(table.token_key("2026-11").expect("read").token(&person), november);
        assert_eq!(table.known_token_key("2026-11").expect("read").expect("there").token(&person), november);
        assert_ne!(table.token_key("2026-12").expect("made").token(&person), november);
        for bad in ["2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "../../x", "+026-11", ""] {
            assert!(matches!(table.token_key(bad), Err(TableError::Month)), "{bad}");
        }
    }
}
