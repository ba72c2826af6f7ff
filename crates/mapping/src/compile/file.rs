//! How a source's files look, checked against the contract and against itself.

use std::collections::BTreeMap;

use super::Check;
use crate::plan::{FileForm, LastRow};
use crate::raw::{self, LastCell};

/// Longest name of a column, in bytes.
const COLUMN_BYTES_MAX: usize = 64;

/// Compiles `wire.file`; every problem is reported.
pub(super) fn compile(check: &mut Check<'_>) -> Option<FileForm> {
    let files = check.raw.wire.protocol == raw::Protocol::Files;
    if check.service.snapshot.is_some() != files {
        let (message, accepted) = if files {
            ("the contract does not say how old a file may become", "`snapshot` in the contract")
        } else {
            ("the contract is one of files", "protocol: files")
        };
        check.problem("/wire/protocol", "wrong-protocol", message, accepted);
    }
    let raw = match (&check.raw.wire.file, files) {
        (Some(raw), true) => raw,
        (Some(_), false) => {
            check.problem_at_key("/wire/file", "unused-key", "only files look like a file", "protocol: files");
            return None;
        }
        (None, true) => {
            check.problem_at_key("/wire", "missing-key", "how the files look is not said", "`file`");
            return None;
        }
        (None, false) => return None,
    };
    let mut columns = Columns { check, raw, sound: true };
    let form = columns.form();
    columns.sound.then_some(form)
}

struct Columns<'c, 'a> {
    check: &'c mut Check<'a>,
    raw: &'a raw::WireFile,
    sound: bool,
}

impl Columns<'_, '_> {
    fn form(&mut self) -> FileForm {
        let raw = self.raw;
        self.names();
        let delimiter = match raw.delimiter.as_deref() {
            None => b';',
            Some(text) => match text.as_bytes() {
                [sign] if sign.is_ascii_punctuation() && *sign != b'"' || *sign == b'\t' => *sign,
                _ => {
                    self.refuse("/delimiter", "wrong-value", "not a sign between cells", "one sign such as ; or ,");
                    b';'
                }
            },
        };
        let keys = raw.keys.iter().enumerate().map(|(place, way)| self.places(&format!("/keys/{place}"), way)).collect();
        let identity = self.places("/identity", &raw.identity);
        let last_row = raw.last_row.as_ref().map(|last_row| self.last_row(last_row));
        let tree = raw.tree.as_ref().map(|tree| (self.place("/tree/code", &tree.code), self.place("/tree/parent", &tree.parent)));
        let version = raw.version.as_ref().map(|column| self.place("/version", column));
        let delete = self.pair("/delete", &raw.delete);
        let leave_out = self.pair("/leave_out", &raw.leave_out);
        let archive = raw.archive.as_ref().map(|archive| {
            let plain = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
            if !archive.parts.iter().chain([&archive.sums]).all(plain) || archive.parts.contains(&archive.sums) {
                self.refuse("/archive", "wrong-value", "not the names of different parts", "letters, digits, `_`, `-` and `.`");
            }
            (archive.sums.as_str().into(), archive.parts.iter().map(|part| part.as_str().into()).collect())
        });
        if archive.is_some() && raw.last_row.is_some() {
            self.refuse("/last_row", "unused-key", "the parts of an archive have checksums instead", "an archive, or a last row");
        }
        if raw.version.as_ref().is_some_and(|version| !raw.identity.contains(version)) {
            self.refuse("/identity", "wrong-value", "rows of two versions would be the same row", "the version among the columns");
        }
        FileForm {
            name: raw.name.as_str().into(),
            delimiter,
            columns: raw.columns.iter().map(|column| column.as_str().into()).collect(),
            keys,
            identity,
            last_row,
            archive,
            signature: raw.signature,
            delete,
            leave_out,
            tree,
            version,
        }
    }

    fn names(&mut self) {
        let raw = self.raw;
        let period = ["{yyyyMMdd}", "{yyyyWW}", "{yyyyMM}"].iter().filter(|period| raw.name.contains(**period)).count();
        let rest = raw.name.replace("{yyyyMMdd}", "").replace("{yyyyWW}", "").replace("{yyyyMM}", "");
        let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if period != 1 || !plain || raw.name.starts_with(['{', '.']) || raw.name.len() > 100 || raw.name.matches('{').count() != 1 {
            let accepted = "letters, digits, `_`, `-`, `.` and one of {yyyyMMdd}, {yyyyWW}, {yyyyMM}";
            self.refuse("/name", "wrong-value", "not the name of a source's files", accepted);
        }
        for (place, column) in raw.columns.iter().enumerate() {
            let sound = !column.is_empty() && column.len() <= COLUMN_BYTES_MAX && !column.chars().any(char::is_control);
            if !sound || raw.columns.iter().take(place).any(|before| before == column) {
                let at = format!("/columns/{place}");
                self.refuse(&at, "wrong-value", "not a column, or one that stands twice", "each name of the header once");
            }
        }
    }

    fn last_row(&mut self, raw: &raw::LastRow) -> LastRow {
        let mut at = |wanted: LastCell| {
            let mut found = raw.cells.iter().enumerate().filter(|(_, cell)| **cell == wanted).map(|(place, _)| place + 1);
            let (first, second) = (found.next(), found.next());
            if second.is_some() {
                self.refuse("/last_row/cells", "wrong-value", "a cell stands twice", "each at most once");
            }
            first
        };
        let (rows, total) = (at(LastCell::Rows), at(LastCell::Total));
        let (period, base) = (at(LastCell::Period), at(LastCell::Base));
        if raw.mark.is_empty() {
            self.refuse("/last_row/mark", "wrong-value", "nothing tells the last row from others", "the text of its first cell");
        }
        let Some(rows) = rows else {
            self.refuse("/last_row/cells", "wrong-value", "the last row does not count the others", "`rows` among the cells");
            return LastRow { mark: raw.mark.as_str().into(), cells: 0, rows: 0, total: None, period, base };
        };
        let total = match (total, &raw.total_of) {
            (Some(cell), Some(column)) => Some((cell, self.place("/last_row/total_of", column))),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.refuse("/last_row", "wrong-value", "a hash total is of one column", "`total` among the cells, and `total_of`");
                None
            }
        };
        LastRow { mark: raw.mark.as_str().into(), cells: raw.cells.len() + 1, rows, total, period, base }
    }

    fn pair(&mut self, at: &str, raw: &BTreeMap<String, String>) -> Option<(usize, Box<str>)> {
        let mut pairs = raw.iter();
        let (column, text) = pairs.next()?;
        if pairs.next().is_some() {
            self.refuse(at, "wrong-value", "more than one column", "one column with its text");
        }
        Some((self.place(at, column), text.as_str().into()))
    }

    fn places(&mut self, at: &str, columns: &[String]) -> Vec<usize> {
        if columns.is_empty() {
            self.refuse(at, "wrong-value", "a list without columns", "one column or more");
        }
        columns.iter().map(|column| self.place(at, column)).collect()
    }

    fn place(&mut self, at: &str, column: &str) -> usize {
        let found = self.raw.columns.iter().position(|known| known == column);
        if found.is_none() {
            self.refuse(at, "unknown-column", &format!("`{column}` is not among the columns"), "a column of `columns`");
        }
        found.unwrap_or_default()
    }

    fn refuse(&mut self, at: &str, rule: &'static str, message: &str, accepted: &str) {
        self.sound = false;
        self.check.problem(&format!("/wire/file{at}"), rule, message, accepted);
    }
}
