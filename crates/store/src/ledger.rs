//! Ledgers: changes that are only ever added, sealed each to its place, and read back in order. For what is kept as its
//! changes; this crate does not know what they mean.
//!
//! A head row, sealed too and written in the same transaction, says how many there are: a change that is missing at the
//! end is noticed like one in the middle. That the whole file was exchanged for an older one is not noticed here; the
//! journal's entries tell.

use serde::{Deserialize, Serialize};

use crate::{Store, StoreError};

/// Largest change, in bytes.
pub const CHANGE_BYTES_MAX: usize = 64 << 20;
/// Most changes written at once.
pub const CHANGES_MAX: usize = 1_000_000;

/// A ledger's name: part of what seals its changes, so that none can be moved to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ledger(pub &'static str);

/// What the head row holds, sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Number of the first change that is kept.
    first: i64,
    /// Number of the next change.
    next: i64,
}

impl Store {
    /// Every change of a ledger, oldest first; none where nothing was ever added. Blocking.
    ///
    /// # Errors
    /// [`StoreError::LedgerDamaged`] where one is missing or does not open, else when the disk refuses.
    pub fn changes(&self, ledger: Ledger) -> Result<Vec<Vec<u8>>, StoreError> {
        let database = self.database();
        let damaged = || StoreError::LedgerDamaged(ledger.0);
        let head = self.head(database.ledger(ledger.0)?, ledger)?;
        let rows = database.changes(ledger.0)?;
        if !rows.iter().map(|(seq, _)| *seq).eq(head.first..head.next) {
            return Err(damaged());
        }
        let open = |(seq, sealed): (i64, Vec<u8>)| self.key.open(&binding(ledger, Some(seq)), &sealed).map_err(|_| damaged());
        rows.into_iter().map(open).collect()
    }

    /// Adds changes behind the `known` ones, all or none, durable when it returns. Blocking.
    ///
    /// # Errors
    /// [`StoreError::LedgerPlace`] where the ledger does not hold `known` changes or one is larger than
    /// [`CHANGE_BYTES_MAX`], else when the disk refuses; nothing was added then, or all of it: the next read tells.
    pub fn add_changes(&self, ledger: Ledger, known: usize, changes: &[Vec<u8>]) -> Result<(), StoreError> {
        self.write_changes(ledger, Some(known), changes)
    }

    /// Puts these changes in the place of all that are there, which are overwritten on the disk: for what may not be kept
    /// any longer. Their numbers go on. Durable when it returns, all or nothing. Blocking.
    ///
    /// # Errors
    /// As [`Self::add_changes`].
    pub fn replace_changes(&self, ledger: Ledger, changes: &[Vec<u8>]) -> Result<(), StoreError> {
        self.write_changes(ledger, None, changes)
    }

    /// A small thing that is kept under a name, as it was last put there. Blocking.
    ///
    /// # Errors
    /// [`StoreError::LedgerDamaged`] where it does not open, else when the disk refuses.
    pub fn note(&self, name: Ledger) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(sealed) = self.database().note(name.0)? else { return Ok(None) };
        self.key.open(&note_binding(name), &sealed).map(Some).map_err(|_| StoreError::LedgerDamaged(name.0))
    }

    /// Keeps a small thing under a name, in the place of what was there. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_note(&self, name: Ledger, content: &[u8]) -> Result<(), StoreError> {
        let sealed = self.key.seal(&note_binding(name), content);
        self.database().put_note(name.0, &sealed)
    }

    /// Where `known` is given the changes follow so many, else they are instead of all.
    fn write_changes(&self, ledger: Ledger, known: Option<usize>, changes: &[Vec<u8>]) -> Result<(), StoreError> {
        let misplaced = || StoreError::LedgerPlace(ledger.0);
        if changes.len() > CHANGES_MAX || changes.iter().any(|change| change.len() > CHANGE_BYTES_MAX) {
            return Err(misplaced());
        }
        let mut database = self.database();
        let there = self.head(database.ledger(ledger.0)?, ledger)?;
        if known.is_some_and(|known| i64::try_from(known) != Ok(there.next - there.first)) {
            return Err(misplaced());
        }
        let count = i64::try_from(changes.len()).map_err(|_| misplaced())?;
        let first = if known.is_some() { there.first } else { there.next };
        let head = Head { first, next: there.next + count };
        let plain = serde_json::to_vec(&head).map_err(|_| misplaced())?;
        let sealed = self.key.seal(&binding(ledger, None), &plain);
        let rows = changes.iter().zip(there.next..).map(|(change, seq)| (seq, self.key.seal(&binding(ledger, Some(seq)), change)));
        database.put_changes(ledger.0, &sealed, rows, known.is_none())
    }

    fn head(&self, sealed: Option<Vec<u8>>, ledger: Ledger) -> Result<Head, StoreError> {
        let Some(sealed) = sealed else { return Ok(Head::default()) };
        let damaged = |()| StoreError::LedgerDamaged(ledger.0);
        let plain = self.key.open(&binding(ledger, None), &sealed).map_err(|_| damaged(()))?;
        serde_json::from_slice(&plain).map_err(|_| damaged(()))
    }
}

/// Binds a sealed row to its ledger and place; the head has none.
fn binding(ledger: Ledger, seq: Option<i64>) -> Vec<u8> {
    let place = seq.map_or([0xff; 8], i64::to_be_bytes);
    [b"qovsaq ledger 1".as_slice(), &place, ledger.0.as_bytes()].concat()
}

fn note_binding(name: Ledger) -> Vec<u8> {
    [b"qovsaq note 1".as_slice(), name.0.as_bytes()].concat()
}
