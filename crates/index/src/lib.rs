//! The search index of one log: which entries carry which terms, newest first.
//!
//! A term is a keyed digest of a field and a value, so that nobody learns from the index what was indexed.
//! Entries are taken in blocks of [`BLOCK_ENTRIES`]: for each term of a block one row says which of its
//! entries carry it. The rows stand, sealed, in SQLite files of at most one month and [`SHARD_BLOCKS`] blocks
//! each, so that cost does not grow with history; the unfinished block is in memory. Everything here can be
//! made again from the log: what is damaged is removed and named as a gap.
//!
//! Reading order: [`term`], [`mod@index`] (the API), `query`, `shard`, `identities`, `block`.
//!
//! Deliberately absent: what an entry says, and where its terms come from.

pub mod index;
pub mod term;

mod block;
mod identities;
mod query;
mod shard;
#[cfg(test)]
mod tests;

pub use block::{BLOCK_ENTRIES, Row, Spot};
pub use index::{Gap, Index, IndexError};
pub use query::{Alternative, Found, Hit, Query};
pub use shard::SHARD_BLOCKS;
pub use term::{IndexKey, Term};
