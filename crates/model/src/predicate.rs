//! A question that is answered with yes or no, so that the values never leave the gateway (agency catalogue,
//! section 3, scope *boolean*; Decree 634, 6.1.5).

use crate::contract::{Bilingual, Confirmed, FieldKind, FieldSet, RowRule, Shape, SubjectPart};
use crate::value::{Facts, Record, Value};

/// Whether there is a record, or a row of one of its lists, of which all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// What a yes means, in words.
    pub question: Bilingual,
    /// Top-level list of which some row must meet the conditions; none where the record itself must.
    pub list: Option<Box<str>>,
    /// What must hold, of one and the same row where there is a list.
    pub conditions: Vec<Condition>,
    /// The leaves that the answer tells something of: whoever may not be given these may not be answered.
    pub leaves: FieldSet,
}

/// Something that must hold of a record or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A code or truth value is one of these; `true` and `false` are written so.
    Is {
        /// Name of the field.
        field: Box<str>,
        /// What it may be.
        is: Vec<Box<str>>,
    },
    /// A FIN is that of the person asked about, as the answer itself repeats it.
    Asked {
        /// Name of the field.
        field: Box<str>,
    },
    /// All of this holds of some row of a list inside.
    Some {
        /// Name of the list.
        list: Box<str>,
        /// What must hold, of one and the same row.
        conditions: Vec<Self>,
    },
}

impl Predicate {
    /// Yes or no, by these facts and the rows that the rules let be seen. `None` where the facts were read under
    /// another contract, which has not these fields: that is neither.
    #[must_use]
    pub fn holds(&self, facts: &Facts, rules: &[RowRule]) -> Option<bool> {
        let shape = &facts.service.shape;
        let Some(list) = &self.list else { return all(&self.conditions, facts, shape, &facts.record) };
        shape.fields.iter().find(|field| field.name == *list)?;
        facts.rows(list, rules).try_fold(false, |found, (shape, row)| Some(all(&self.conditions, facts, shape, row)? || found))
    }
}

pub(crate) fn all(conditions: &[Condition], facts: &Facts, shape: &Shape, record: &Record) -> Option<bool> {
    conditions.iter().try_fold(true, |holds, condition| Some(condition.holds(facts, shape, record)? && holds))
}

impl Condition {
    fn holds(&self, facts: &Facts, shape: &Shape, record: &Record) -> Option<bool> {
        let place = |name: &str| shape.fields.iter().position(|field| *field.name == *name);
        let value = |name: &str| record.values.get(place(name)?);
        match self {
            // What the source states as "none" is nothing that was asked for.
            Self::Is { field, is } => Some(text_of(value(field)?).is_some_and(|text| is.iter().any(|accepted| **accepted == *text))),
            Self::Asked { field } => {
                let asked = facts.service.confirms.iter().find(|rule| rule.with == Confirmed::Subject(SubjectPart::Fin))?;
                let repeated = facts.service.shape.fields.iter().position(|field| field.name == asked.field)?;
                let repeated = facts.record.values.get(repeated)?.as_text();
                Some(repeated.is_some() && value(field)?.as_text() == repeated)
            }
            Self::Some { list, conditions } => {
                let FieldKind::List { shape, .. } = &shape.fields.get(place(list)?)?.kind else { return None };
                let Value::Records(rows) = value(list)? else { return Some(false) };
                rows.iter().try_fold(false, |found, row| Some(all(conditions, facts, shape, row)? || found))
            }
        }
    }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        Value::Null | Value::Int(_) | Value::Decimal(_) | Value::Records(_) | Value::Values(_) => None,
    }
}
