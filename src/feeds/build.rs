//! A file on its way into a snapshot. Blocking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adapter_files::rows::{Ended, Row, Sink};
use adapter_files::sequence::{judge, judge_base, judge_period};
use adapter_files::{Format, Listed, Period, Refusal, Rule, load};
use anyhow::Context as _;
use jiff::Timestamp;
use store::StoreError;
use store::snapshot::{Cells, Finished, Writer};

use super::{About, Current, Feed, keys};
use crate::data::hex;
use crate::wire::sha256_of;

/// Most versions that are kept of one feed.
const VERSIONS_MAX: usize = 1_000;

/// Why a file is not loaded.
#[derive(Debug)]
pub enum Trouble {
    /// It is not acceptable.
    Refused(Refusal),
    /// The gateway's own part failed; the file may be as good as any.
    Own(anyhow::Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Own(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Own(error.into())
    }
}

impl From<Ended<StoreError>> for Trouble {
    fn from(ended: Ended<StoreError>) -> Self {
        match ended {
            Ended::Refused(refusal) => Self::Refused(refusal),
            Ended::Sink(error) => Self::Own(error.into()),
        }
    }
}

/// A snapshot that is whole and durable, and that nobody looks at yet.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) finished: Finished,
    pub(super) about: About,
    /// The file that it changes.
    pub(super) base: Option<Period>,
}

/// Half of a SHA-256: rows are told apart by it within one load, in memory alone.
type Digest = [u8; 16];

fn digest<'a>(cells: impl Iterator<Item = &'a [u8]>) -> Digest {
    let mut bytes = Vec::with_capacity(64);
    for cell in cells {
        bytes.extend_from_slice(&u64::try_from(cell.len()).unwrap_or(u64::MAX).to_le_bytes());
        bytes.extend_from_slice(cell);
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&sha256_of(&[&bytes])[..16]);
    digest
}

/// Judges a file and builds its snapshot. On an error nothing of it is left.
pub(super) fn build(feed: &Feed, format: &Format, period: Period, listed: &Listed, now: Timestamp) -> Result<Built, Trouble> {
    if period.first_day() > model::time::day(now) {
        return Err(Refusal::new(Rule::Future, format!("the file is of {period}, which has not begun")).into());
    }
    let loaded = feed.loaded(&format.name);
    let verified = load::verify(&*feed.place, format, feed.signers.as_ref(), listed, now)?;
    judge(loaded, period, verified.sha256)?;
    let node_key = feed.node_key.get().context("the node key is not there yet")?;
    let id = crate::record::new_id();
    let key = keys::make(&feed.keys, id, node_key)?;
    let build = || -> Result<Built, Trouble> {
        feed.progress.begin(listed.bytes);
        let writer = Writer::begin(&feed.working(), key)?;
        let mut sheet = Sheet { feed, format, writer, identities: Vec::new(), versions: BTreeMap::new() };
        let summary = load::read(&*feed.place, format, &verified, &mut sheet)?;
        judge_period(period, summary.period)?;
        judge_base(loaded, summary.base)?;
        sheet.identities.sort_unstable();
        if sheet.identities.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Refusal::new(Rule::RowTwice, "two rows are the same one").into());
        }
        let mut versions = sheet.version_digests()?;
        let current = feed.current.load_full();
        if let Some(current) = current.filter(|_| summary.base.is_some() || format.version.is_some()) {
            sheet.take_over(&current, &mut versions)?;
        }
        let about = About {
            id,
            file: listed.name.clone(),
            period: period.to_string(),
            first_day: period.first_day(),
            sha256: hex(&verified.sha256),
            bytes: listed.bytes,
            changed: i64::try_from(listed.changed).unwrap_or(i64::MAX),
            signed_by: verified.signed_by.clone(),
            loaded_at: now,
            rows: u64::from(sheet.writer.rows()),
            left_out: summary.left_out,
            not_utf8: summary.not_utf8,
            undeclared_columns: summary.undeclared_columns,
            columns: format.columns.clone(),
            keys: format.keys.clone(),
            versions,
        };
        let finished = sheet.writer.finish(&serde_json::to_vec(&about).context("cannot describe the snapshot")?)?;
        Ok(Built { finished, about, base: summary.base })
    };
    let built = build();
    feed.progress.begin(0);
    if built.is_err() {
        keys::destroy(&feed.keys, id)?;
        super::remove_if_there(&feed.working()).context("cannot remove a snapshot that was not finished")?;
    }
    built
}

/// Takes the rows of a file.
struct Sheet<'a> {
    feed: &'a Feed,
    format: &'a Format,
    writer: Writer,
    /// Which rows the file has, those included that a change takes away.
    identities: Vec<Digest>,
    /// Digests of the rows of each version, where every version is kept.
    versions: BTreeMap<Vec<u8>, Vec<Digest>>,
}

impl Sink for Sheet<'_> {
    type Error = StoreError;

    fn row(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.feed.progress.rows.fetch_add(1, Ordering::Relaxed);
        self.identities.push(digest(self.format.identity.iter().map(|column| row.cell(*column))));
        if row.deleted {
            return Ok(());
        }
        if let Some(version) = self.format.version {
            self.versions.entry(row.cell(version).to_vec()).or_default().push(digest(row.cells()));
            if self.versions.len() > VERSIONS_MAX {
                return Err(StoreError::Row("a file has more versions than are kept"));
            }
        }
        self.writer.add(row.cells(), &self.format.keys)
    }
}

impl Sheet<'_> {
    /// What the rows of each version come to, in whatever order they came.
    fn version_digests(&mut self) -> Result<BTreeMap<String, String>, Refusal> {
        let versions = std::mem::take(&mut self.versions);
        let digests = versions.into_iter().map(|(version, mut rows)| {
            rows.sort_unstable();
            let version = String::from_utf8(version).map_err(|_| Refusal::new(Rule::Malformed, "the name of a version is not UTF-8"))?;
            Ok((version, hex(&sha256_of(&[&rows.concat()]))))
        });
        digests.collect()
    }

    /// The rows of the loaded snapshot that this file leaves as they are.
    fn take_over(&mut self, current: &Arc<Current>, versions: &mut BTreeMap<String, String>) -> Result<(), Trouble> {
        let about = &current.about;
        if about.columns != self.format.columns {
            let detail = "the loaded file was read by other columns than the data now name, so nothing of it can be taken over";
            return Err(Refusal::new(Rule::NoBase, detail).into());
        }
        for (version, digest) in &about.versions {
            match versions.get(version) {
                Some(own) if own != digest => {
                    return Err(Refusal::new(Rule::VersionChanged, "a version that is loaded comes with other rows").into());
                }
                Some(_) => {}
                None => {
                    versions.insert(version.clone(), digest.clone());
                }
            }
        }
        let Self { feed, format, writer, identities, .. } = self;
        // By a connection of its own: the look-ups go on meanwhile.
        let node_key = feed.node_key.get().context("the node key is not there yet")?;
        let old = Current::open(&feed.snapshot, about.id, keys::load(&feed.keys, about.id, node_key)?)?;
        old.snapshot.each::<StoreError>(|cells: Cells<'_>| {
            let row: Vec<&[u8]> = cells.all().collect();
            let cell = |column: &usize| row.get(*column).copied().unwrap_or_default();
            match identities.binary_search(&digest(format.identity.iter().map(cell))) {
                Ok(_) => Ok(()),
                Err(_) => writer.add(row.iter().copied(), &format.keys),
            }
        })?;
        Ok(())
    }
}
