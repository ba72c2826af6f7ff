//! The tamper-evident log: opaque entries, frames, tree, recovery, receipts.
//!
//! The log stores bytes it cannot read and proves that they stand where they stand. An entry is
//! acknowledged when its frame is on disk, flushed, and its tree head is signed; the
//! acknowledgement is a [`Durable`], which only the journal can make. One thread commits whatever
//! has gathered: one frame, one write, one flush, one signature.
//!
//! Reading order: [`journal`] (the API and the queue), `committer` (the one thread), [`mod@format`]
//! (the bytes), `recover`, [`tree`], [`levels`], [`note`], [`receipt`], [`proof`], `fence`, [`disk`] (what is asked of storage),
//! [`verify`] and [`read`] (no key, no lock). `docs/journal-format.md` has every byte.
//!
//! Deliberately absent: encryption and entry grammar (crate `seal`), an index, and any database.

pub mod disk;
pub mod entry;
pub mod format;
pub mod hash;
pub mod journal;
pub mod levels;
pub mod note;
pub mod proof;
pub mod read;
pub mod receipt;
pub mod tree;
pub mod verify;

mod committer;
mod fence;
mod recover;
mod scan;
#[cfg(test)]
mod tests;

pub use entry::{BODY_BYTES_MAX, Entry, OpenEntry, Role, Urgency};
pub use hash::Hash;
pub use journal::{Appended, CloseError, Durable, Journal, OpenError, Options, Recovered, Refused, Reservation, Torn};
pub use levels::{Levels, ProofError};
pub use note::{NoteSignature, Origin, SignedHead, SignedText, SigningKey, VerifyingKey};
pub use proof::{ConsistencyProof, InclusionProof, InclusionProofs};
pub use receipt::{Receipt, ReceiptError};
