//! Wire form to canonical form and back, as compiled plans.
//!
//! A mapping file ([`raw`]) is checked against its contract and becomes a [`Plan`] ([`compile`]).
//! A plan writes a question ([`Plan::write`]) and classifies and reads an answer ([`Plan::read`]):
//! the answer is walked once, XML as events and JSON as it is parsed, and what the mapping does not
//! name is dropped and counted. Nothing here does I/O but [`check_examples`], which reads the
//! examples beside a mapping.
//!
//! No error, `Debug` or sample ever carries a value from an answer: values are personal data.

mod compile;
mod convert;
mod example;
mod format;
mod path;
mod plan;
pub mod raw;
mod read;
pub mod rule;
mod write;

pub use compile::{compile, schema, target};
pub use example::{Example, Mismatch, Question, check_examples};
pub use plan::{FieldView, FileForm, LastRow, Paging, Plan, Protocol, RuleView};
pub use read::{Limits, ReadError, Reading, Undeclared, WireAnswer};
pub use write::{Asked, Inputs, WireQuestion, WriteError};
