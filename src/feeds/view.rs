//! How a feed stands, for people, machines and a monitor. Names nobody.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::ServiceId;
use serde::Serialize;

use super::{Feed, beginning};
use crate::answer::{baku_time, optional_baku_time};

/// How a feed stands.
#[derive(Debug, Clone, Serialize)]
pub struct FeedView {
    /// The service.
    pub feed: ServiceId,
    /// What is loaded; none before the first file.
    pub loaded: Option<LoadedView>,
    /// From when on what is loaded is overdue; none where it never is, and before the first file.
    #[serde(serialize_with = "optional_baku_time")]
    pub overdue_from: Option<Timestamp>,
    /// Whether it is overdue now. A feed without a file is.
    pub overdue: bool,
    /// The file being loaded; none between loads.
    pub loading: Option<LoadingView>,
    /// Files refused since the start.
    pub refused: u64,
    /// The last of them.
    pub last_refusal: Option<RefusalView>,
    /// Why no file could be looked for or loaded last time, where the gateway's own part is to blame.
    pub trouble: Option<String>,
}

/// A loaded file.
#[derive(Debug, Clone, Serialize)]
pub struct LoadedView {
    /// Its name.
    pub file: String,
    /// What it is of, in the digits of its name.
    pub period: String,
    /// The moment that its facts are of.
    #[serde(serialize_with = "baku_time")]
    pub as_of: Timestamp,
    /// When it was loaded.
    #[serde(serialize_with = "baku_time")]
    pub loaded_at: Timestamp,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Fingerprint of the key that signed it, where the source signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Rows that can be looked up, those included that it has left as they were.
    pub rows: u64,
    /// Its rows that the agreement does not cover.
    pub left_out: u64,
    /// Its rows with a cell that is not UTF-8: `INVALID_DATA` when they are looked up.
    pub not_utf8: u64,
    /// Its columns that no contract declares.
    pub undeclared_columns: u64,
    /// Versions that are kept, where every version is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

/// A load under way.
#[derive(Debug, Clone, Serialize)]
pub struct LoadingView {
    /// Rows read so far.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A refused file.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalView {
    /// Its name.
    pub file: String,
    /// When it was refused.
    #[serde(serialize_with = "baku_time")]
    pub at: Timestamp,
    /// The broken rule.
    pub rule: &'static str,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl Feed {
    /// How it stands at `now`, by the contract's term.
    #[must_use]
    pub fn view(&self, stale_after: Option<Duration>, now: Timestamp) -> FeedView {
        let current = self.current.load();
        let about = current.as_ref().map(|current| &current.about);
        let loaded = about.map(|about| LoadedView {
            file: about.file.clone(),
            period: about.period.clone(),
            as_of: beginning(about.first_day),
            loaded_at: about.loaded_at,
            sha256: about.sha256.clone(),
            signed_by: about.signed_by.clone(),
            rows: about.rows,
            left_out: about.left_out,
            not_utf8: about.not_utf8,
            undeclared_columns: about.undeclared_columns,
            versions: about.versions.keys().cloned().collect(),
        });
        let overdue_from = loaded.as_ref().zip(stale_after).and_then(|(loaded, term)| expiry(loaded.as_of, term));
        let (rows, bytes) = (self.progress.rows.load(Ordering::Relaxed), self.progress.bytes.load(Ordering::Relaxed));
        let log = self.log();
        FeedView {
            feed: self.id.clone(),
            overdue: loaded.is_none() || overdue_from.is_some_and(|from| from <= now),
            loaded,
            overdue_from,
            loading: (bytes > 0).then_some(LoadingView { rows, bytes }),
            refused: log.refusals,
            last_refusal: log.last_refusal.as_ref().map(|(at, file, refusal)| RefusalView {
                file: file.clone(),
                at: *at,
                rule: refusal.rule.as_str(),
                detail: refusal.to_string(),
            }),
            trouble: log.trouble.as_ref().map(|(_, what)| what.clone()),
        }
    }
}

/// When what is of `as_of` becomes overdue.
pub(crate) fn expiry(as_of: Timestamp, term: Duration) -> Option<Timestamp> {
    as_of.checked_add(SignedDuration::try_from(term).ok()?).ok()
}

/// Reads a SHA-256 in hexadecimal.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
