//! From facts to an answer: the only way.

use std::collections::HashSet;

use model::contract::RowRule;
use model::{Facts, FieldSet, Subject};
use serde::{Serialize, Serializer};

use crate::decision::Authorised;

/// The deliverable part of some facts; serialises as the answer's `data`.
///
/// Rows that the grant does not cover are left out without a trace: not even their number shows. Where they
/// were all there is, not even a record is told of ([`crate::Sight::hides`]).
#[derive(Debug)]
#[must_use]
pub struct Filtered<'a> {
    facts: &'a Facts,
    fields: FieldSet,
    rows: &'a [RowRule],
}

/// Applies an authorisation to facts.
///
/// Facts of another service yield nothing. Facts read under another version of the contract (an
/// answer that was under way during a reload) yield the fields whose paths are authorised: grants
/// name paths, and the versions may count them differently.
pub fn filter<'a>(authorised: &'a Authorised, facts: &'a Facts) -> Filtered<'a> {
    Filtered { facts, fields: authorised.sight().fields_of(facts), rows: authorised.rows() }
}

impl Filtered<'_> {
    /// Delivered leaves, counted as the facts' own contract counts them.
    #[must_use]
    pub fn fields(&self) -> FieldSet {
        self.fields
    }

    /// Every person and taxpayer whom what is delivered names.
    #[must_use]
    pub fn persons(&self) -> HashSet<Subject> {
        self.facts.show_rows(&self.fields, self.rows).persons()
    }
}

impl Serialize for Filtered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.facts.show_rows(&self.fields, self.rows).serialize(serializer)
    }
}
