//! CSV: docs/journal-format.md, "Exports", "CSV".

use std::io::{self, Read};

use csv::{ErrorKind, ReaderBuilder, StringRecord};
use serde_json::Value as Json;

use super::entry::{Checker, Given};
use super::{Export, ROW_BYTES_MAX, columns};
use crate::checkpoint::Checkpoint;
use crate::encoding;
use crate::malformed::{Malformed, Rule};

/// U+FEFF in UTF-8.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The columns, in order.
const COLUMNS: usize = 17;

fn names() -> impl Iterator<Item = &'static str> {
    let proof = ["origin", "index", "leaf_hash", "leaf", "blind", "metadata", "proof"];
    ["at", "kind"].into_iter().chain(columns::NAMES).chain(proof)
}

/// Reads a table row by row. Its paths lead to checkpoints that stand beside it.
///
/// # Errors
/// When the reader fails; whatever stands in it is no error but a fault.
pub(crate) fn read<'c>(mut reader: impl Read, beside: impl IntoIterator<Item = &'c Checkpoint>) -> io::Result<Export> {
    let mut checker = Checker::default();
    for checkpoint in beside {
        checker.add_checkpoint(checkpoint.clone());
    }
    let mut bom = [0; 3];
    let has_bom = match reader.read_exact(&mut bom) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        read => read.map(|()| bom == BOM)?,
    };
    if !has_bom {
        checker.export.faults.add(Malformed::new("row 1", Rule::TableHeader));
        return Ok(checker.end());
    }
    // Quotation marks can make one row of a whole file, so rows are bounded before they are put together.
    let mut rows = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Bounded { reader, room: ROW_BYTES_MAX });
    let mut row = StringRecord::new();
    for number in 1_u64.. {
        let part = format!("row {number}");
        rows.get_mut().room = ROW_BYTES_MAX;
        match rows.read_record(&mut row) {
            Ok(true) => {}
            Ok(false) if number == 1 => {
                checker.export.faults.add(Malformed::new(part, Rule::TableHeader));
                break;
            }
            Ok(false) => break,
            Err(error) => {
                let rule = match error.into_kind() {
                    ErrorKind::Io(_) if rows.get_ref().room == 0 => Rule::TooLong { bytes_max: ROW_BYTES_MAX },
                    ErrorKind::Io(error) => return Err(error),
                    ErrorKind::Utf8 { .. } => Rule::NotUtf8,
                    _ => Rule::RowForm,
                };
                let goes_on = rule == Rule::NotUtf8;
                checker.export.faults.add(Malformed::new(part, rule));
                checker.export.entries += 1;
                if !goes_on {
                    break;
                }
                continue;
            }
        }
        if number > 1 {
            checker.export.entries += 1;
            read_row(&mut checker, &part, &row);
        } else if !row.iter().eq(names()) {
            // Without these names nobody knows what the columns are.
            checker.export.faults.add(Malformed::new(part, Rule::TableHeader));
            break;
        }
    }
    Ok(checker.end())
}

fn read_row(checker: &mut Checker, part: &str, row: &StringRecord) {
    if let Err(broken) = check_row(checker, part, row) {
        checker.export.faults.add(broken.within(part));
    }
}

fn check_row(checker: &mut Checker, part: &str, row: &StringRecord) -> Result<(), Malformed> {
    if row.len() != COLUMNS {
        return Err(Malformed::new("columns", Rule::RowForm));
    }
    let of = |name: &str| names().position(|other| other == name).and_then(|at| row.get(at)).unwrap_or_default();
    let plain = |name: &'static str| {
        let cell = of(name);
        let text = cell.strip_prefix('\'').unwrap_or(cell);
        if columns::cell(text) == cell { Ok(text) } else { Err(Malformed::new(name, Rule::NotCanonical)) }
    };
    let index = encoding::decimal("index", of("index"))?;
    let some = |name: &str| Some(of(name)).filter(|cell| !cell.is_empty());
    let metadata = some("metadata");
    let parsed = metadata.map_or(Ok(Json::Null), serde_json::from_str::<Json>);
    let parsed = parsed.map_err(|error| Malformed::new("metadata", Rule::Json { detail: encoding::visible(&error.to_string()) }))?;
    for name in columns::NAMES {
        if columns::cell(&columns::of(&parsed, name)) != of(name) {
            return Err(Malformed::new(name, Rule::NotInMetadata));
        }
    }
    let mut proof = of("proof").split(' ').filter(|_| !of("proof").is_empty());
    let given = Given {
        origin: plain("origin")?,
        index,
        kind: plain("kind")?,
        at: plain("at")?,
        leaf_hash: plain("leaf_hash")?,
        leaf: of("leaf"),
        blind: some("blind"),
        metadata,
        proof: &mut proof,
    };
    checker.add(part, given);
    Ok(())
}

/// A reader that refuses a row without end.
struct Bounded<R> {
    reader: R,
    /// How much may still be read for this row.
    room: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let within = buffer.len().min(self.room);
        let read = self.reader.read(&mut buffer[..within])?;
        self.room -= read;
        Ok(read)
    }
}
