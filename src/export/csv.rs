//! CSV of RFC 4180, for spreadsheets: columns for people first, then everything that proves the row.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use csv::{Terminator, Writer, WriterBuilder};
use journal::Hash;

use super::digest::Digesting;
use super::entry::{Prover, Shown};
use super::{ExportError, Found, Logs, SourceError, Written, columns};

/// Without it spreadsheets read Azerbaijani letters as something else.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Writes entries as CSV (`text/csv; charset=utf-8; header=present`). The checkpoints that the proofs lead to are
/// not in it and must be handed on beside it, one file each.
///
/// Holds one entry at a time. Nothing in a table tells that rows are missing at its end; an NDJSON export does.
///
/// # Errors
/// When an entry cannot be read, shown or proven, or the writer refuses.
pub fn csv(out: impl Write, logs: &Logs, found: impl IntoIterator<Item = Result<Found, SourceError>>) -> Result<Written, ExportError> {
    let mut out = Digesting::new(out);
    out.write_all(BOM)?;
    let mut prover = Prover::new(logs);
    {
        let mut rows = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(&mut out);
        let names = ["at", "kind"].into_iter().chain(columns::NAMES);
        rows.write_record(names.chain(["origin", "index", "leaf_hash", "leaf", "blind", "metadata", "proof"])).map_err(io::Error::from)?;
        for found in found {
            write_row(&mut rows, &prover.show(&found.map_err(ExportError::Source)?)?)?;
        }
        rows.flush()?;
    }
    Ok(Written { entries: prover.entries(), bytes: out.bytes(), sha256: out.sha256() })
}

fn write_row<W: Write>(rows: &mut Writer<W>, shown: &Shown) -> Result<(), ExportError> {
    let mut field = |text: &str| rows.write_field(text).map_err(io::Error::from);
    let (blind, metadata) = shown.text.as_ref().map(|(blind, metadata)| (STANDARD.encode(blind), metadata.as_str())).unwrap_or_default();
    let columns = columns::of(shown.text.as_ref().map(|(_, metadata)| metadata.as_str()));
    let human = [shown.at.as_str(), shown.kind.1].into_iter().chain(columns.iter().map(String::as_str));
    for text in human.chain([shown.origin.as_str(), &shown.index.to_string(), &shown.leaf_hash.to_string()]) {
        field(&harmless(text))?;
    }
    field(&STANDARD.encode(&shown.leaf))?;
    field(&blind)?;
    field(metadata)?;
    field(&shown.proof.iter().map(Hash::to_string).collect::<Vec<_>>().join(" "))?;
    Ok(rows.write_record(None::<&[u8]>).map_err(io::Error::from)?)
}

/// A text that a spreadsheet does not take for a formula.
fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}
