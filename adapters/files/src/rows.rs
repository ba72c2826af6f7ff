//! Rows of a file with separated cells (RFC 4180 with a sign of the source's own): header, rows, last row.
//!
//! Cells are bytes: whether they are UTF-8 is counted here and judged when a row is looked up, so that one row in a
//! wrong code page does not cost all others.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use crate::format::Format;
use crate::period::Period;
use crate::refusal::{Refusal, Rule};

/// Read ahead by the parser, in bytes.
const BUFFER: usize = 64 << 10;
/// Most columns of a file.
const COLUMNS_MAX: usize = 64;

/// What the rows of a file came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that were given on.
    pub rows: u64,
    /// Rows that the agreement does not cover, left out.
    pub left_out: u64,
    /// Rows with a cell that is not UTF-8.
    pub not_utf8: u64,
    /// Columns that the format does not name, left out.
    pub undeclared_columns: u64,
    /// What the file says itself that it is of; none where it does not say.
    pub period: Option<Period>,
    /// The period of the file that this one changes; none for a whole file.
    pub base: Option<Period>,
}

/// One row: the format's columns in their order.
#[derive(Debug)]
pub struct Row<'a> {
    record: &'a ByteRecord,
    places: &'a [usize],
    /// Whether a change takes it away.
    pub deleted: bool,
}

impl<'a> Row<'a> {
    /// The cell of a column, by its place in the format.
    #[must_use]
    pub fn cell(&self, column: usize) -> &'a [u8] {
        self.places.get(column).and_then(|place| self.record.get(*place)).unwrap_or_default()
    }

    /// All cells, in the format's order.
    pub fn cells(&self) -> impl Iterator<Item = &'a [u8]> {
        self.places.iter().map(|place| self.record.get(*place).unwrap_or_default())
    }
}

/// Takes rows on. An error of its own ends the reading.
pub trait Sink {
    /// Why it takes no more.
    type Error;

    /// Takes one row.
    ///
    /// # Errors
    /// Its own.
    fn row(&mut self, row: &Row<'_>) -> Result<(), Self::Error>;
}

/// Why reading ended early.
#[derive(Debug)]
pub enum Ended<E> {
    /// The file is refused.
    Refused(Refusal),
    /// Whoever takes the rows cannot go on.
    Sink(E),
}

impl<E> From<Refusal> for Ended<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Counts the bytes since the last whole row, and ends a row that has no end.
struct Bounded<R> {
    inner: R,
    since: Rc<Cell<usize>>,
    max: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > self.max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a row has no end"));
        }
        let read = self.inner.read(buffer)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}

/// Reads a file's rows.
///
/// # Errors
/// The refusal of the whole file, or the sink's own error. What was given on before either is not data.
pub fn read<R: Read, S: Sink>(input: R, format: &Format, sink: &mut S) -> Result<Summary, Ended<S::Error>> {
    let since = Rc::new(Cell::new(0));
    let bounded = Bounded { inner: input, since: Rc::clone(&since), max: format.limits.row_bytes + BUFFER };
    let mut reader = ReaderBuilder::new()
        .delimiter(format.delimiter)
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::CRLF)
        .buffer_capacity(BUFFER)
        .from_reader(bounded);
    let mut record = ByteRecord::new();
    let mut summary = Summary::default();
    let mut next = |record: &mut ByteRecord, number: u64| -> Result<bool, Refusal> {
        let more = reader.read_byte_record(record).map_err(|error| refused(&error, number))?;
        since.set(0);
        if record.as_slice().len() > format.limits.row_bytes {
            return Err(Refusal::at(number, Rule::TooLarge, format!("a row is longer than {} bytes", format.limits.row_bytes)));
        }
        Ok(more)
    };

    if !next(&mut record, 1)? {
        return Err(Refusal::new(Rule::Header, "the file is empty").into());
    }
    let places = places(&record, format)?;
    let width = record.len();
    summary.undeclared_columns = u64::try_from(width.saturating_sub(format.columns.len())).unwrap_or(u64::MAX);

    let mut total: u128 = 0;
    let mut counted: u64 = 0;
    let mut ended = false;
    let mut number = 1;
    loop {
        number += 1;
        if !next(&mut record, number)? {
            break;
        }
        if ended {
            return Err(Refusal::at(number, Rule::Malformed, "there are rows behind the last one").into());
        }
        if let Some(trailer) = &format.trailer
            && record.get(0) == Some(trailer.mark.as_bytes())
        {
            (summary.period, summary.base) = last_row(&record, format, number, counted, total)?;
            ended = true;
            continue;
        }
        counted += 1;
        if counted > format.limits.rows {
            return Err(Refusal::at(number, Rule::TooLarge, format!("the file has more than {} rows", format.limits.rows)).into());
        }
        if record.len() != width {
            let detail = format!("the row has {} cells, the header {width}", record.len());
            // Where nothing follows it, the file ends in the middle of it.
            let cut_off = format.trailer.is_some() && !next(&mut record, number + 1)?;
            return Err(Refusal::at(number, if cut_off { Rule::Truncated } else { Rule::Malformed }, detail).into());
        }
        check_cells(&record, format, number)?;
        let mut row = Row { record: &record, places: &places, deleted: false };
        if let Some((_, column)) = format.trailer.as_ref().and_then(|trailer| trailer.total) {
            let cell = number_of(row.cell(column));
            let Some(cell) = cell else {
                return Err(Refusal::at(number, Rule::HashTotal, "a cell of the hash total is no number").into());
            };
            total += cell;
        }
        if format.left_out.as_ref().is_some_and(|left_out| row.cell(left_out.column) == left_out.text.as_bytes()) {
            summary.left_out += 1;
            // In a change it takes the place of what stood there.
            row.deleted = true;
        } else {
            summary.rows += 1;
            row.deleted = format.operation.as_ref().is_some_and(|operation| row.cell(operation.column) == operation.delete.as_bytes());
        }
        check_keys(&row, format, number)?;
        if !row.cells().all(|cell| std::str::from_utf8(cell).is_ok()) {
            summary.not_utf8 += 1;
        }
        sink.row(&row).map_err(Ended::Sink)?;
    }
    if format.trailer.is_some() && !ended {
        return Err(Refusal::at(number, Rule::Truncated, "the last row, which counts the others, is missing").into());
    }
    Ok(summary)
}

fn refused(error: &csv::Error, number: u64) -> Refusal {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Refusal::at(number, Rule::TooLarge, "a row has no end within the bound")
        }
        csv::ErrorKind::Io(error) => Refusal::io(error),
        _ => Refusal::at(number, Rule::Malformed, "the row cannot be parsed"),
    }
}

/// Where the header has the format's columns.
fn places(header: &ByteRecord, format: &Format) -> Result<Vec<usize>, Refusal> {
    if header.len() > COLUMNS_MAX {
        return Err(Refusal::at(1, Rule::Header, format!("the header has more than {COLUMNS_MAX} columns")));
    }
    let mut names: Vec<&[u8]> = header.iter().collect();
    if let Some(first) = names.first_mut() {
        // The mark that some systems put before UTF-8.
        *first = first.strip_prefix("\u{feff}".as_bytes()).unwrap_or(first);
    }
    format
        .columns
        .iter()
        .map(|column| {
            let mut found = names.iter().enumerate().filter(|(_, name)| **name == column.as_bytes()).map(|(place, _)| place);
            match (found.next(), found.next()) {
                (Some(place), None) => Ok(place),
                (None, _) => Err(Refusal::at(1, Rule::Header, format!("the header has no column {column}"))),
                (Some(_), Some(_)) => Err(Refusal::at(1, Rule::Header, format!("the header has the column {column} twice"))),
            }
        })
        .collect()
}

fn check_cells(record: &ByteRecord, format: &Format, number: u64) -> Result<(), Refusal> {
    if record.iter().any(|cell| cell.len() > format.limits.cell_bytes) {
        return Err(Refusal::at(number, Rule::TooLarge, format!("a cell is longer than {} bytes", format.limits.cell_bytes)));
    }
    if record.as_slice().iter().any(|byte| byte.is_ascii_control()) {
        return Err(Refusal::at(number, Rule::Malformed, "a cell holds a control character"));
    }
    Ok(())
}

/// A row that cannot be found under its key would make somebody's record an absence: its file is refused. A way whose
/// cells are all empty is none, as long as another leads to the row.
fn check_keys(row: &Row<'_>, format: &Format, number: u64) -> Result<(), Refusal> {
    let is_sound = |cell: &[u8]| std::str::from_utf8(cell).is_ok_and(|text| text.trim() == text);
    if !format.keys.iter().flatten().all(|column| is_sound(row.cell(*column))) {
        return Err(Refusal::at(number, Rule::Malformed, "a cell by which rows are looked up is not UTF-8, or has blanks around it"));
    }
    let leads = |way: &Vec<usize>| way.iter().any(|column| !row.cell(*column).is_empty());
    if !format.keys.is_empty() && !format.keys.iter().any(leads) {
        return Err(Refusal::at(number, Rule::Malformed, "the row has nothing by which it is looked up"));
    }
    Ok(())
}

/// A number of at most eighteen digits.
fn number_of(cell: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(cell).ok()?;
    (!text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Checks the last row, and reads what the file is of and which file it changes.
fn last_row(
    record: &ByteRecord,
    format: &Format,
    number: u64,
    counted: u64,
    total: u128,
) -> Result<(Option<Period>, Option<Period>), Refusal> {
    let Some(trailer) = &format.trailer else { return Ok((None, None)) };
    if record.len() != trailer.cells {
        let detail = format!("the last row has {} cells, expected are {}", record.len(), trailer.cells);
        return Err(Refusal::at(number, Rule::Truncated, detail));
    }
    let cell = |place: usize| record.get(place).unwrap_or_default();
    let rows = number_of(cell(trailer.rows)).ok_or_else(|| Refusal::at(number, Rule::Truncated, "the last row counts no rows"))?;
    if rows != u128::from(counted) {
        return Err(Refusal::at(number, Rule::RowCount, format!("the last row counts {rows} rows, and there are {counted}")));
    }
    if let Some((place, _)) = trailer.total
        && number_of_total(cell(place)) != Some(total)
    {
        return Err(Refusal::at(number, Rule::HashTotal, "the last row has another hash total than the rows"));
    }
    let period = |text: &[u8]| {
        let period = std::str::from_utf8(text).ok().and_then(|text| format.name.cadence.read(text));
        let detail = || format!("the last row names no file as {}", format.name.cadence.word());
        period.ok_or_else(|| Refusal::at(number, Rule::Malformed, detail()))
    };
    let own = trailer.period.map(cell).map(period).transpose()?;
    let base = trailer.base.map(cell).filter(|text| !text.is_empty()).map(period).transpose()?;
    Ok((own, base))
}

/// The sum of at most ten million numbers of eighteen digits.
fn number_of_total(cell: &[u8]) -> Option<u128> {
    let text = std::str::from_utf8(cell).ok()?;
    (!text.is_empty() && text.len() <= 26 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}
