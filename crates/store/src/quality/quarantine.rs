//! The quarantine: what a source said and its contract forbids, kept for whoever has to solve it.
//!
//! An item tells what broke which rule where, and nothing of what the source said. The content is sealed twice: by a key
//! of its day of expiry, which stands in a file of its own, and by the node's. When the day is over the key's file is
//! overwritten and removed: whatever copies of the content there are, nobody reads them any more.
//!
//! A flood is bounded three times: items that wait and bytes of contents for each source, and [`ITEMS_OF_FAULT_MAX`]
//! items for each fault, so that one frequent fault leaves room for rare ones.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use rusqlite::{Connection, OptionalExtension as _, params};
use seal::{NodeKey, SealKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Open, Quality};
use crate::StoreError;

/// Largest content, in bytes: a larger one is not kept, its item is.
pub const CONTENT_BYTES_MAX: usize = 4 << 20;
/// Most waiting items of one fault: the same rule at the same path of the same service.
pub const ITEMS_OF_FAULT_MAX: usize = 20;
/// Most closed items of a source that are remembered; older ones are forgotten.
pub const CLOSED_MAX: usize = 500;

const PUT: &str = "INSERT INTO items (id, sealed, content) VALUES (?1, ?2, ?3)";
const CLOSE: &str = "UPDATE items SET sealed = ?2, content = NULL WHERE id = ?1";
const CONTENT: &str = "SELECT content FROM items WHERE id = ?1";
const FORGET: &str = "DELETE FROM items WHERE id = ?1";
const ALL: &str = "SELECT id, sealed FROM items";

/// How a broken thing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// The answer to a question.
    Answer,
    /// An event that a source pushed.
    Event,
    /// A row of a file.
    Row,
}

impl ItemKind {
    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Event => "event",
            Self::Row => "row",
        }
    }
}

/// What is broken, where: what items of the same kind have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Whose data.
    pub provider: String,
    /// The service or feed, such as `interior/person-identity`.
    pub matter: String,
    /// The broken rule, such as `wrong-date`.
    pub rule: String,
    /// The path of the field, where the rule belongs to one; never a value.
    pub path: Option<String>,
}

/// A broken thing, without its content: names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its id.
    pub id: Uuid,
    /// How it came.
    pub kind: ItemKind,
    /// What is broken.
    pub fault: Fault,
    /// The contract's version.
    pub version: String,
    /// The data by which it was read.
    pub configuration: String,
    /// The log and the index of the entry that tells of its arrival.
    pub entry: Option<(String, u64)>,
    /// The exchange, where there was one.
    pub request_id: Option<Uuid>,
    /// When it came.
    pub received_at: Timestamp,
    /// Until when its owner has to solve it; none where the calendar does not reach so far.
    pub deadline: Option<Timestamp>,
    /// The last day on which its content can be read.
    pub expires_on: Date,
    /// Size of what the source sent, in bytes.
    pub bytes: u64,
    /// Whether the content is kept.
    pub kept: bool,
    /// How it was closed, once it was.
    pub closed: Option<Closed>,
}

/// How an item was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: How,
    /// By whom; nobody where it expired.
    pub by: Option<String>,
}

/// The ways to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Read again by today's contract and mapping, it breaks nothing.
    Replayed,
    /// Its owner has solved it, as an operator says.
    Solved,
    /// Nobody has, and its content can be read no more.
    Expired,
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It waits, and its owner has time.
    Open,
    /// It waits, and its owner's time is over.
    Overdue,
    /// It is solved.
    Solved,
    /// Nobody has solved it while it could be read.
    Expired,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Overdue, Self::Solved, Self::Expired];

    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Overdue => "overdue",
            Self::Solved => "solved",
            Self::Expired => "expired",
        }
    }
}

impl Item {
    /// Where it stands at this moment.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        match &self.closed {
            Some(closed) if closed.how == How::Expired => State::Expired,
            Some(_) => State::Solved,
            None if self.deadline.is_some_and(|deadline| deadline <= now) => State::Overdue,
            None => State::Open,
        }
    }
}

/// Why an item is not taken: it is counted elsewhere and lost here, so that a flood does not fill the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Enough items of the same fault wait.
    Fault,
    /// As many items of the source wait as may.
    Items,
    /// Their contents take as many bytes as they may.
    Bytes,
}

impl Full {
    /// A label of the metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Items => "items",
            Self::Bytes => "bytes",
        }
    }
}

impl Quality {
    /// Whether one more item of this fault with so many bytes of content would be taken.
    ///
    /// # Errors
    /// Why it would not.
    pub fn has_room(&self, fault: &Fault, bytes: usize) -> Result<(), Full> {
        self.file().has_room(self, fault, u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// The last day on which what is put in at this moment can be read.
    #[must_use]
    pub fn expiry(&self, now: Timestamp) -> Date {
        let day = model::time::day(now);
        day.checked_add(i64::from(self.bounds.keep_days).days()).unwrap_or(day)
    }

    /// Takes an item in, with its content where that is to be kept. Durable when it returns.
    ///
    /// # Errors
    /// The inner one where there is no room, else when the disk refuses.
    pub fn put(&self, item: Item, content: Option<&[u8]>) -> Result<Result<(), Full>, StoreError> {
        let content = content.filter(|content| content.len() <= CONTENT_BYTES_MAX);
        let mut file = self.file();
        let bytes = content.map_or(0, |content| u64::try_from(content.len()).unwrap_or(u64::MAX));
        if let Err(full) = file.has_room(self, &item.fault, bytes) {
            return Ok(Err(full));
        }
        let item = Item { kept: content.is_some(), bytes: item.bytes.max(bytes), closed: None, ..item };
        let sealed = content.map(|content| self.seal_content(&item, content)).transpose()?;
        let row = seal(&self.key, &item)?;
        file.connection.prepare_cached(PUT)?.execute(params![item.id.as_bytes(), row, sealed])?;
        file.items.insert(item.id, item);
        Ok(Ok(()))
    }

    /// Every item that is remembered, the oldest first.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        self.file().items.values().cloned().collect()
    }

    /// One item.
    #[must_use]
    pub fn item(&self, id: Uuid) -> Option<Item> {
        self.file().items.get(&id).cloned()
    }

    /// The content of an item; none where it was not kept, or can be read no more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it does not open though its key is there, else when the disk refuses.
    pub fn content(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        let file = self.file();
        let Some(item) = file.items.get(&id) else { return Ok(None) };
        let sealed: Option<Vec<u8>> =
            file.connection.prepare_cached(CONTENT)?.query_row([id.as_bytes()], |row| row.get(0)).optional()?.flatten();
        let (Some(sealed), path) = (sealed, self.key_file(item.expires_on)) else { return Ok(None) };
        // Never made anew: what was sealed by a key that is gone stays closed.
        if !path.exists() {
            return Ok(None);
        }
        let inner = self.key.open(&binding(b"outer", id), &sealed).map_err(|_| StoreError::Damaged)?;
        let day = day_key(&path)?;
        day.open(&binding(b"content", id), &inner).map(Some).map_err(|_| StoreError::Damaged)
    }

    /// Closes items that wait and removes their contents. Gives how many that were.
    ///
    /// # Errors
    /// When the disk refuses: all are closed then, or none.
    pub fn close(&self, ids: &[Uuid], closed: &Closed) -> Result<usize, StoreError> {
        let mut file = self.file();
        let waiting: Vec<Item> = ids.iter().filter_map(|id| file.items.get(id)).filter(|item| item.closed.is_none()).cloned().collect();
        let closing: Vec<Item> = waiting.into_iter().map(|item| Item { closed: Some(closed.clone()), kept: false, ..item }).collect();
        let forgotten = file.too_many(&closing);
        let transaction = file.connection.transaction()?;
        for item in &closing {
            transaction.prepare_cached(CLOSE)?.execute(params![item.id.as_bytes(), seal(&self.key, item)?])?;
        }
        for id in &forgotten {
            transaction.prepare_cached(FORGET)?.execute([id.as_bytes()])?;
        }
        transaction.commit()?;
        let count = closing.len();
        file.items.extend(closing.into_iter().map(|item| (item.id, item)));
        for id in forgotten {
            file.items.remove(&id);
        }
        Ok(count)
    }

    /// The waiting items whose last day is over.
    #[must_use]
    pub fn expired(&self, today: Date) -> Vec<Uuid> {
        self.file().items.values().filter(|item| item.closed.is_none() && item.expires_on < today).map(|item| item.id).collect()
    }

    /// Destroys every key whose day is over, then closes the items that waited for it.
    ///
    /// # Errors
    /// When the disk refuses; the next call does what is left.
    pub fn expire(&self, today: Date, now: Timestamp) -> Result<usize, StoreError> {
        let failed = |source| StoreError::File { path: self.keys_dir.clone(), source };
        for entry in std::fs::read_dir(&self.keys_dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let day = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<Date>().ok());
            if day.is_some_and(|day| day < today) {
                destroy(&path).map_err(|source| StoreError::File { path: path.clone(), source })?;
            }
        }
        let expired = self.expired(today);
        self.close(&expired, &Closed { at: now, how: How::Expired, by: None })
    }

    fn seal_content(&self, item: &Item, content: &[u8]) -> Result<Vec<u8>, StoreError> {
        let inner = day_key(&self.key_file(item.expires_on))?.seal(&binding(b"content", item.id), content);
        Ok(self.key.seal(&binding(b"outer", item.id), &inner))
    }

    fn key_file(&self, day: Date) -> PathBuf {
        self.keys_dir.join(format!("{day}.key"))
    }
}

impl Open {
    fn has_room(&self, quality: &Quality, fault: &Fault, bytes: u64) -> Result<(), Full> {
        let (mut of_fault, mut items, mut kept) = (0, 0, 0);
        for item in self.items.values().filter(|item| item.closed.is_none() && item.fault.provider == fault.provider) {
            items += 1;
            of_fault += usize::from(item.fault == *fault);
            kept += if item.kept { item.bytes } else { 0 };
        }
        match () {
            () if of_fault >= ITEMS_OF_FAULT_MAX => Err(Full::Fault),
            () if items >= quality.bounds.items_max => Err(Full::Items),
            () if kept.saturating_add(bytes) > quality.bounds.bytes_max => Err(Full::Bytes),
            () => Ok(()),
        }
    }

    /// The oldest closed items that are too many once these are closed as well.
    fn too_many(&self, closing: &[Item]) -> Vec<Uuid> {
        let mut closed: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
        for item in self.items.values().filter(|item| item.closed.is_some()).chain(closing) {
            closed.entry(&item.fault.provider).or_default().push(item.id);
        }
        // Ids are time-ordered (version 7).
        closed.values_mut().for_each(|ids| ids.sort_unstable());
        closed.values().flat_map(|ids| &ids[..ids.len().saturating_sub(CLOSED_MAX)]).copied().collect()
    }
}

/// Every item of the file.
pub(super) fn load(connection: &Connection, key: &SealKey) -> Result<BTreeMap<Uuid, Item>, StoreError> {
    let mut statement = connection.prepare(ALL)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let mut items = BTreeMap::new();
    for row in rows {
        let (id, sealed) = row?;
        let id = Uuid::from_bytes(id);
        let plain = key.open(&binding(b"item", id), &sealed).map_err(|_| StoreError::Damaged)?;
        items.insert(id, serde_json::from_slice(&plain).map_err(|_| StoreError::Damaged)?);
    }
    Ok(items)
}

fn seal(key: &SealKey, item: &Item) -> Result<Vec<u8>, StoreError> {
    let plain = serde_json::to_vec(item).map_err(|_| StoreError::Damaged)?;
    Ok(key.seal(&binding(b"item", item.id), &plain))
}

fn binding(what: &[u8], id: Uuid) -> Vec<u8> {
    [b"qovsaq quarantine 1 ".as_slice(), what, id.as_bytes()].concat()
}

/// The key of a day, made where it is missing and durable before it is used.
fn day_key(path: &std::path::Path) -> Result<SealKey, StoreError> {
    Ok(NodeKey::load_or_create(path)?.derive("qovsaq quarantine content"))
}

/// Overwrites a key's file, then removes it, both durable. On a disk that writes elsewhere than where it wrote before,
/// the overwriting may miss; the disk's own encryption is what helps there.
fn destroy(path: &std::path::Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&[0; seal::key_file::SECRET_BYTES])?;
    file.sync_all()?;
    std::fs::remove_file(path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}
