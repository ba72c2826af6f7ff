//! NDJSON: a header line, a line per entry, an end line.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use journal::Hash;
use serde::Serialize;
use serde_json::value::RawValue;

use super::digest::Digesting;
use super::entry::{Prover, Shown};
use super::{About, ExportError, FORM, Filter, Found, LINE_BYTES_MAX, Log, Logs, SourceError, Written};

#[derive(Serialize)]
struct Header<'a> {
    export: &'static str,
    made_at: String,
    made_by: &'a str,
    reason: &'a str,
    filter: &'a Filter,
    checkpoints: Vec<&'a str>,
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    origin: &'a str,
    index: u64,
    kind: &'static str,
    at: &'a str,
    leaf_hash: &'a Hash,
    leaf: String,
    blind: Option<String>,
    metadata: Option<&'a RawValue>,
    proof: &'a [Hash],
}

#[derive(Serialize)]
struct End {
    end: bool,
    entries: u64,
    sha256: Hash,
}

/// Writes entries as NDJSON (`application/x-ndjson`).
///
/// Holds one entry at a time. Cost: some tens of microseconds an entry, most of it for its proof.
///
/// # Errors
/// When an entry cannot be read, shown or proven, or the writer refuses; what was written then lacks its end line.
pub fn ndjson(
    out: impl Write,
    about: &About,
    logs: &Logs,
    found: impl IntoIterator<Item = Result<Found, SourceError>>,
) -> Result<Written, ExportError> {
    let mut out = Digesting::new(out);
    let mut line = Vec::new();
    let header = Header {
        export: FORM,
        made_at: model::time::rfc3339(about.made_at),
        made_by: &about.made_by,
        reason: &about.reason,
        filter: &about.filter,
        checkpoints: logs.0.values().map(|log| log.head.note()).collect(),
        keys: logs.0.values().map(|Log { key, .. }| key.to_string()).collect(),
    };
    write_line(&mut out, &mut line, &header)?;
    let mut prover = Prover::new(logs);
    for found in found {
        let shown = prover.show(&found.map_err(ExportError::Source)?)?;
        write_entry(&mut out, &mut line, &shown)?;
    }
    let end = End { end: true, entries: prover.entries(), sha256: out.sha256() };
    write_line(&mut out, &mut line, &end)?;
    out.flush()?;
    Ok(Written { entries: prover.entries(), bytes: out.bytes(), sha256: out.sha256() })
}

fn write_entry(out: &mut impl Write, line: &mut Vec<u8>, shown: &Shown) -> Result<(), ExportError> {
    let metadata = shown.text.as_ref().map(|(_, metadata)| serde_json::from_str::<&RawValue>(metadata));
    let entry = Line {
        origin: shown.origin.as_str(),
        index: shown.index,
        kind: shown.kind.1,
        at: &shown.at,
        leaf_hash: &shown.leaf_hash,
        leaf: STANDARD.encode(&shown.leaf),
        blind: shown.text.as_ref().map(|(blind, _)| STANDARD.encode(blind)),
        metadata: metadata.transpose().map_err(std::io::Error::from)?,
        proof: &shown.proof,
    };
    write_line(out, line, &entry)
}

/// Writes a line with one call, so that a writer without a buffer is served well too.
fn write_line(out: &mut impl Write, line: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ExportError> {
    line.clear();
    serde_json::to_writer(&mut *line, value).map_err(std::io::Error::from)?;
    line.push(b'\n');
    if line.len() > LINE_BYTES_MAX {
        return Err(ExportError::HeaderTooLong);
    }
    Ok(out.write_all(line)?)
}
