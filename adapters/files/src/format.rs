//! How a source's files look.

use crate::period::Pattern;

/// Bounds of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest file, in bytes.
    pub file_bytes: u64,
    /// Most rows.
    pub rows: u64,
    /// Longest row, in bytes.
    pub row_bytes: usize,
    /// Longest cell, in bytes.
    pub cell_bytes: usize,
    /// Largest archive, in bytes: it is held in memory.
    pub archive_bytes: u64,
    /// Most bytes that all parts of an archive may unpack to.
    pub unpacked_bytes: u64,
    /// Most parts of an archive.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 4 << 30,
            rows: 10_000_000,
            row_bytes: 64 << 10,
            cell_bytes: 4 << 10,
            archive_bytes: 16 << 20,
            unpacked_bytes: 64 << 20,
            parts: 16,
        }
    }
}

/// The last row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// Text of its first cell.
    pub mark: Box<str>,
    /// Place of the cell with the number of rows, counted from 0.
    pub rows: usize,
    /// Place of the cell with the hash total, and the column whose numbers it is the sum of.
    pub total: Option<(usize, usize)>,
    /// Place of the cell with what the file itself is of: its name may be another's.
    pub period: Option<usize>,
    /// Place of the cell with the period of the file that this one changes; empty in a whole file.
    pub base: Option<usize>,
    /// How many cells it has.
    pub cells: usize,
}

/// A column that says what a change does to its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The column.
    pub column: usize,
    /// Its text where the row is taken away; with any other the row is put in, in the place of the one like it.
    pub delete: Box<str>,
}

/// Rows that are a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Column of a row's code.
    pub code: usize,
    /// Column of its parent's code, empty at the top.
    pub parent: usize,
}

/// Rows that are not taken, and only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The column.
    pub column: usize,
    /// Its text in such rows.
    pub text: Box<str>,
}

/// An archive of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The part that lists the SHA-256 of every other, as `sha256sum` writes it.
    pub sums: Box<str>,
    /// The parts with rows; each must be there, and nothing else.
    pub parts: Vec<Box<str>>,
}

/// How a source's files look. Columns are named by their places in [`Format::columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// Their names.
    pub name: Pattern,
    /// The sign between cells.
    pub delimiter: u8,
    /// The columns that are taken, in the order they are given on. Others are left out and counted.
    pub columns: Vec<Box<str>>,
    /// The last row, where the source writes one.
    pub trailer: Option<Trailer>,
    /// Where the rows come in an archive.
    pub archive: Option<Archive>,
    /// Whether a signature lies beside each file.
    pub signed: bool,
    /// What a change does to its rows.
    pub operation: Option<Operation>,
    /// Where the rows are a tree.
    pub tree: Option<Tree>,
    /// Column of the version that a row belongs to, where every version is kept.
    pub version: Option<usize>,
    /// Rows that are not taken.
    pub left_out: Option<LeftOut>,
    /// Columns by which a row is looked up: each a way of its own.
    pub keys: Vec<Vec<usize>>,
    /// Columns that tell one row from another.
    pub identity: Vec<usize>,
    /// Bounds.
    pub limits: Limits,
}
