//! Epoch keys, sealed entries and subject tokens: the cryptography between the gateway and its log.
//!
//! The log stores bytes it cannot read. What makes them readable is here: a [`NodeKey`] wraps the
//! keys of each [`Epoch`] in a [`KeyTable`] that lives outside the log and may be deleted row by
//! row; [`entry`] is the grammar of what stands in a leaf. One library does all of it, aws-lc-rs.
//! Nothing in this crate prints, logs or shows a key or a clear text.
//!
//! `docs/journal-format.md` has every byte.

pub mod entry;
pub mod key;
pub mod key_file;
pub mod table;

pub use entry::{Binding, BodyView, EntryError, Opened, Sealed};
pub use key::{NodeKey, SealKey};
pub use key_file::KeyFileError;
pub use table::{Epoch, EpochNotice, Identity, KeyTable, TableError, TokenKey};
