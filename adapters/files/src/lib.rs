//! Files that sources deliver: found where they arrive, verified before a byte is read as data, read row by row, and
//! looked up as an answer in wire form.
//!
//! The crate knows how files look ([`Format`]) and what makes one acceptable; it keeps nothing. What is made of rows,
//! and when a file takes the place of the one before, is the gateway's to decide: [`load::read`] gives rows to whoever
//! takes them, [`sequence::judge`] says whether a file may follow, and [`Files`] asks whatever stands behind [`LookUp`].
//!
//! A whole file or nothing: until [`load::read`] has returned without an error, what it has given is not data.

pub mod archive;
pub mod client;
pub mod format;
pub mod load;
pub mod period;
pub mod place;
pub mod refusal;
pub mod rows;
pub mod sequence;
pub mod sftp;
pub mod signature;
#[cfg(test)]
mod tests;

pub use client::{Files, Found, LookUp, LookUpFailed};
pub use format::{Archive, Format, LeftOut, Limits, Operation, Trailer, Tree};
pub use period::{Cadence, Pattern, Period};
pub use place::{Landing, Listed, Place};
pub use refusal::{Refusal, Rule};
pub use rows::Summary;
pub use sftp::{Sftp, SftpOptions};
pub use signature::{NoSigners, Signers};
