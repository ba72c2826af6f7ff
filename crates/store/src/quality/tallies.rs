//! Sums by month: what came that neither contract nor mapping knows, and which facts of two sources disagree. No
//! personal data: codes of services, names of fields and numbers alone.

use jiff::Timestamp;
use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::Quality;
use crate::StoreError;

/// Most different names of one kind, of one service, in one month. What is beyond is summed up under `…`.
pub const NAMES_MAX: i64 = 200;

const ADD: &str = "INSERT INTO tallies (month, what, matter, name, count, first, last) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (month, what, matter, name) DO UPDATE SET count = count + excluded.count,
    first = min(first, excluded.first), last = max(last, excluded.last)";
const KNOWN: &str = "SELECT 1 FROM tallies WHERE month = ?1 AND what = ?2 AND matter = ?3 AND name = ?4";
const NAMES: &str = "SELECT count(*) FROM tallies WHERE month = ?1 AND what = ?2 AND matter = ?3";
const OF_MONTH: &str =
    "SELECT what, matter, name, count, first, last FROM tallies WHERE month = ?1 ORDER BY matter, what, count DESC, name";
const FORGET: &str = "DELETE FROM tallies WHERE month < ?1";

/// What is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Answers that were read, the measure of the others.
    Answers,
    /// A part that the mapping does not name; it was dropped.
    Undeclared,
    /// A code that the mapping's table does not have.
    NewCode,
    /// A rule that an answer broke, so that nothing of it was used.
    Broken,
    /// Two sources were compared.
    Compared,
    /// Two sources disagreed.
    Discrepancy,
}

impl What {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Answers, Self::Undeclared, Self::NewCode, Self::Broken, Self::Compared, Self::Discrepancy];

    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Undeclared => "undeclared",
            Self::NewCode => "new-code",
            Self::Broken => "broken",
            Self::Compared => "compared",
            Self::Discrepancy => "discrepancy",
        }
    }
}

/// A sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// What was counted.
    pub what: What,
    /// The service, or the comparison.
    pub matter: String,
    /// The field's name or path, with its rule where it broke one; empty where there is none.
    pub name: String,
    /// In how many answers.
    pub count: u64,
    /// When first in the month.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

impl Quality {
    /// Adds to the sums of a month (`yyyy-mm`), all or nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&self, month: &str, tallies: &[Tally]) -> Result<(), StoreError> {
        let mut file = self.file();
        let transaction = file.connection.transaction()?;
        for Tally { what, matter, name, count, first, last } in tallies {
            let (what, known) = (what.as_str(), transaction.prepare_cached(KNOWN)?.exists(params![month, what.as_str(), matter, name])?);
            let names: i64 = transaction.prepare_cached(NAMES)?.query_row(params![month, what, matter], |row| row.get(0))?;
            let name = if known || names < NAMES_MAX { name.as_str() } else { "…" };
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            let (first, last) = (first.as_millisecond(), last.as_millisecond());
            transaction.prepare_cached(ADD)?.execute(params![month, what, matter, name, count, first, last])?;
        }
        Ok(transaction.commit()?)
    }

    /// The sums of a month, by service.
    ///
    /// # Errors
    /// When the disk refuses, or a row is not as it was written.
    pub fn of_month(&self, month: &str) -> Result<Vec<Tally>, StoreError> {
        let file = self.file();
        let mut statement = file.connection.prepare_cached(OF_MONTH)?;
        let mut rows = statement.query([month])?;
        let mut tallies = Vec::new();
        while let Some(row) = rows.next()? {
            let word: String = row.get(0)?;
            let moment = |place| Timestamp::from_millisecond(row.get::<_, i64>(place)?).map_err(|_| StoreError::Damaged);
            tallies.push(Tally {
                what: What::ALL.into_iter().find(|what| what.as_str() == word).ok_or(StoreError::Damaged)?,
                matter: row.get(1)?,
                name: row.get(2)?,
                count: u64::try_from(row.get::<_, i64>(3)?).map_err(|_| StoreError::Damaged)?,
                first: moment(4)?,
                last: moment(5)?,
            });
        }
        Ok(tallies)
    }

    /// Forgets the sums of every month before this one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_before(&self, month: &str) -> Result<(), StoreError> {
        self.file().connection.prepare_cached(FORGET)?.execute([month])?;
        Ok(())
    }
}
