//! The library of `qovsaq-verify`: checks receipts, proofs, checkpoints and exports of a journal, from the standards
//! alone.
//!
//! It depends on nothing of the gateway, not even on the same cryptographic library, has no network and
//! reads no clock: bytes and trusted keys in, a [`Report`] out. What a reader should read, in order:
//! [`tree`] (the arithmetic of RFC 6962), [`note`] and [`checkpoint`] (who signed what), [`receipt`],
//! [`proof`], [`consistency`] and [`export`] (what a file may hold), [`judge`] (what is proven by it) and
//! [`together`] (what several files prove of each other).
//!
//! Two rules stand above all others. Nothing is called proven without a verified signature of a key that
//! the caller named. And every structure has one encoding: what a second reader could read differently is
//! refused, with the part and the rule it breaks.

pub mod checkpoint;
pub mod consistency;
pub mod encoding;
pub mod evidence;
pub mod export;
pub mod judge;
pub mod key;
pub mod language;
pub mod malformed;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod report;
pub mod together;
pub mod tree;
pub mod words;

pub use evidence::{Evidence, Given, Kind, Leaf};
pub use judge::examine;
pub use key::{Key, Keys};
pub use language::Language;
pub use malformed::{Malformed, Rule};
pub use report::{Finding, Level, Report, Verdict};
pub use words::Says;
