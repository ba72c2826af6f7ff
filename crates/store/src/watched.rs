//! What the gateway remembers of its sources' work: sums by hour, and when it was last alive. In a file of its own, not
//! sealed: it holds codes of contracts and numbers, and nothing about anybody.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::StoreError;
use crate::database::{PRAGMAS, make_private, named};

/// The forms of the file, as those of the store.
const FORMS: [&str; 1] = ["
    CREATE TABLE alive (one INTEGER PRIMARY KEY CHECK (one = 1), content BLOB NOT NULL) STRICT;
    CREATE TABLE sums (hour INTEGER NOT NULL, provider TEXT NOT NULL, instance TEXT NOT NULL, service TEXT NOT NULL,
                       counts TEXT NOT NULL, PRIMARY KEY (hour, provider, instance, service)) STRICT, WITHOUT ROWID;
"];

const ALIVE: &str = "SELECT content FROM alive";
const PUT_ALIVE: &str = "INSERT INTO alive (one, content) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET content = excluded.content";
const SUM: &str = "SELECT counts FROM sums WHERE hour = ?1 AND provider = ?2 AND instance = ?3 AND service = ?4";
const PUT_SUM: &str = "INSERT INTO sums (hour, provider, instance, service, counts) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (hour, provider, instance, service) DO UPDATE SET counts = excluded.counts";
const SUMS: &str = "SELECT hour, provider, instance, service, counts FROM sums WHERE hour >= ?1 AND hour < ?2";
const FORGET: &str = "DELETE FROM sums WHERE hour >= ?1 AND hour < ?2";

/// Numbers by name.
pub type Counts = BTreeMap<String, u64>;

/// What was counted of one service of one instance in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Hours since 1970, UTC; of what is older, the first hour of its day in Baku.
    pub hour: i64,
    /// The provider's code.
    pub provider: String,
    /// Its instance.
    pub instance: String,
    /// The service's own name.
    pub service: String,
    /// What was counted.
    pub counts: Counts,
}

/// The file. Every method is blocking; writes happen one after the other.
#[derive(Debug)]
pub struct Watched {
    connection: Mutex<Connection>,
}

impl Watched {
    /// Opens the file, making it (mode 0600) when missing.
    ///
    /// # Errors
    /// When another process has it open, it is damaged or comes from a later version, or the disk refuses.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::ZERO)?;
        set_up(&mut connection, path).map_err(|error| named(error, path))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// What was put there last.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn alive(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.connection().prepare_cached(ALIVE)?.query_row([], |row| row.get(0)).optional()?)
    }

    /// Keeps a sign of life in the place of the last one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_alive(&self, content: &[u8]) -> Result<(), StoreError> {
        self.connection().prepare_cached(PUT_ALIVE)?.execute([content])?;
        Ok(())
    }

    /// Adds to what was counted, all or nothing.
    ///
    /// # Errors
    /// When the disk refuses; nothing was added then.
    pub fn add(&self, sums: &[Sum]) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for sum in sums {
            let Sum { hour, provider, instance, service, counts } = sum;
            let known: Option<String> =
                transaction.prepare_cached(SUM)?.query_row(params![hour, provider, instance, service], |row| row.get(0)).optional()?;
            let mut all = known.as_deref().map(read).transpose()?.unwrap_or_default();
            add(&mut all, counts);
            transaction.prepare_cached(PUT_SUM)?.execute(params![hour, provider, instance, service, write(&all)?])?;
        }
        Ok(transaction.commit()?)
    }

    /// What was counted from one hour to another, the last not included; in no particular order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a row cannot be read, else when the disk refuses.
    pub fn sums(&self, from: i64, until: i64) -> Result<Vec<Sum>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(SUMS)?;
        let mut rows = statement.query([from, until])?;
        let mut sums = Vec::new();
        while let Some(row) = rows.next()? {
            let counts: String = row.get(4)?;
            let [provider, instance, service] = [row.get(1)?, row.get(2)?, row.get(3)?];
            sums.push(Sum { hour: row.get(0)?, provider, instance, service, counts: read(&counts)? });
        }
        Ok(sums)
    }

    /// Forgets what is older than `keep`, and makes one row of each day of what is older than `fold`. `day_of` gives the
    /// first hour of an hour's day.
    ///
    /// # Errors
    /// As [`Self::sums`]; nothing was changed then.
    pub fn shrink(&self, keep: i64, fold: i64, day_of: impl Fn(i64) -> i64) -> Result<(), StoreError> {
        let mut days: BTreeMap<(i64, String, String, String), Counts> = BTreeMap::new();
        for Sum { hour, provider, instance, service, counts } in self.sums(keep, fold)? {
            add(days.entry((day_of(hour), provider, instance, service)).or_default(), &counts);
        }
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.prepare_cached(FORGET)?.execute([i64::MIN, fold])?;
        for ((hour, provider, instance, service), counts) in days {
            transaction.prepare_cached(PUT_SUM)?.execute(params![hour, provider, instance, service, write(&counts)?])?;
        }
        Ok(transaction.commit()?)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set_up(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    connection.execute_batch(PRAGMAS)?;
    let known = i64::try_from(FORMS.len()).unwrap_or(i64::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| FORMS.get(found..)) else {
        return Err(StoreError::Later { path: path.to_owned(), found, known });
    };
    for form in missing {
        transaction.execute_batch(form)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

fn add(all: &mut Counts, more: &Counts) {
    for (name, count) in more {
        let sum = all.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*count);
    }
}

fn read(text: &str) -> Result<Counts, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged)
}

fn write(counts: &Counts) -> Result<String, StoreError> {
    serde_json::to_string(counts).map_err(|_| StoreError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(hour: i64, service: &str, counts: &[(&str, u64)]) -> Sum {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Sum { hour, provider: "taxes".to_owned(), instance: "taxes".to_owned(), service: service.to_owned(), counts }
    }

    fn sorted(watched: &Watched) -> Vec<Sum> {
        let mut sums = watched.sums(i64::MIN, i64::MAX).expect("sound");
        sums.sort_by(|a, b| (a.hour, &a.service).cmp(&(b.hour, &b.service)));
        sums
    }

    #[test]
    fn sums_grow_and_outlive_a_restart() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("watch.sqlite");
        let watched = Watched::open(&path).expect("new");
        assert_eq!(watched.alive().expect("sound"), None);
        watched.add(&[sum(10, "income", &[("asked", 2)]), sum(10, "status", &[("asked", 1)])]).expect("added");
        watched.add(&[sum(10, "income", &[("asked", 3), ("answered", 1)])]).expect("added");
        watched.put_alive(b"first").expect("kept");
        watched.put_alive(b"second").expect("kept");
        assert!(matches!(Watched::open(&path), Err(StoreError::InUse(_))));
        drop(watched);
        let watched = Watched::open(&path).expect("old");
        assert_eq!(watched.alive().expect("sound").as_deref(), Some(b"second".as_slice()));
        assert_eq!(sorted(&watched), [sum(10, "income", &[("answered", 1), ("asked", 5)]), sum(10, "status", &[("asked", 1)])]);
        assert!(watched.sums(11, 20).expect("sound").is_empty());
    }

    #[test]
    fn what_is_old_becomes_days_and_what_is_very_old_is_forgotten() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let watched = Watched::open(&dir.path().join("watch.sqlite")).expect("new");
        let hours = [1, 24, 25, 47, 48, 72, 73];
        let all: Vec<Sum> = hours.iter().map(|hour| sum(*hour, "income", &[("asked", 1)])).collect();
        watched.add(&all).expect("added");
        let shrink = || watched.shrink(24, 72, |hour| hour / 24 * 24).expect("shrunk");
        shrink();
        let days = [sum(24, "income", &[("asked", 3)]), sum(48, "income", &[("asked", 1)])];
        let hours = [sum(72, "income", &[("asked", 1)]), sum(73, "income", &[("asked", 1)])];
        assert_eq!(sorted(&watched), [days, hours].concat());
        shrink();
        assert_eq!(sorted(&watched).len(), 4);
    }
}
