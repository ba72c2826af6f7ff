//! Comparisons of what two sources say about the same person (Decree 634, 6.2.1: keep the reliability of data under
//! control). Declared as data, judged where both facts are in one dossier; never merged, and never corrected: the contract
//! names the primary source, and that is all that is said about who is right.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::contract::{Bilingual, FieldKind, RowRule, Shape};
use crate::id::{ComparisonId, ServiceId};
use crate::predicate::{Condition, all};
use crate::value::{Facts, Record, Value};

/// A checked comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Its name.
    pub id: ComparisonId,
    /// What disagrees where it does not hold, in words.
    pub name: Bilingual,
    /// The clause that it serves.
    pub clause: Box<str>,
    /// What the source says that is primary for this.
    pub primary: Compared,
    /// What is compared with it.
    pub other: Compared,
    /// When the two agree.
    pub agree: Agree,
}

/// One side of a comparison: values of a field, of the record or of the rows of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The service.
    pub service: ServiceId,
    /// Whole path of the field, such as `acts[].event_on`.
    pub path: Box<str>,
    /// The top-level list whose rows are looked at; none for a field of the record.
    pub list: Option<Box<str>>,
    /// What a row must meet.
    pub conditions: Vec<Condition>,
    /// Paths of everything that the comparison tells something of: the field and what is asked of the rows.
    pub tells: Vec<Box<str>>,
}

/// When two sides agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Agree {
    /// Both have the same values.
    Equal,
    /// Every value of the other side is one of the primary's.
    Within,
    /// No day or month of the other side lies after the primary's first.
    NotAfter,
}

impl Comparison {
    /// Whether two sides agree; `None` where there is nothing to compare.
    #[must_use]
    pub fn agrees(&self, primary: &[&str], other: &[&str]) -> Option<bool> {
        if other.is_empty() || primary.is_empty() && self.agree != Agree::Within {
            return None;
        }
        Some(match self.agree {
            Agree::Equal => other.iter().all(|value| primary.contains(value)) && primary.iter().all(|value| other.contains(value)),
            Agree::Within => other.iter().all(|value| primary.contains(value)),
            Agree::NotAfter => {
                let first = primary.iter().min()?;
                other.iter().all(|value| later(value, first) != Ordering::Greater)
            }
        })
    }
}

/// Compares days and months in their ISO form as far as both go: a day of a month is not after that month.
fn later(one: &str, than: &str) -> Ordering {
    let length = one.len().min(than.len());
    one.as_bytes().get(..length).cmp(&than.as_bytes().get(..length))
}

impl Compared {
    /// The values that facts have, of the rows that the rules let be seen; `None` where the facts are another service's
    /// or were read under a contract without these fields. What the source states as "none" is no value.
    #[must_use]
    pub fn values<'a>(&'a self, facts: &'a Facts, rules: &'a [RowRule]) -> Option<Vec<&'a str>> {
        if facts.service.id != self.service {
            return None;
        }
        let mut values = Vec::new();
        match &self.list {
            None => gather(&facts.service.shape, &facts.record, &self.path, &mut values)?,
            Some(list) => {
                let inner = self.path.strip_prefix(&**list)?.strip_prefix("[].")?;
                facts.service.shape.fields.iter().find(|field| field.name == *list)?;
                for (shape, row) in facts.rows(list, rules) {
                    if all(&self.conditions, facts, shape, row)? {
                        gather(shape, row, inner, &mut values)?;
                    }
                }
            }
        }
        Some(values)
    }
}

/// The texts at a path below a record.
fn gather<'a>(shape: &'a Shape, record: &'a Record, path: &str, values: &mut Vec<&'a str>) -> Option<()> {
    let (name, rest) = path.split_once("[].").map_or((path, None), |(name, rest)| (name, Some(rest)));
    let place = shape.fields.iter().position(|field| *field.name == *name)?;
    match (record.values.get(place)?, &shape.fields.get(place)?.kind, rest) {
        (Value::Records(rows), FieldKind::List { shape, .. }, Some(rest)) => {
            rows.iter().try_for_each(|row| gather(shape, row, rest, values))?;
        }
        (Value::Values(items), _, None) => values.extend(items.iter().filter_map(Value::as_text)),
        (value, _, None) => values.extend(value.as_text()),
        (_, _, Some(_)) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees(agree: Agree, primary: &[&str], other: &[&str]) -> Option<bool> {
        let side = || Compared {
            service: ServiceId::new("taxes/person-income").expect("a service"),
            path: "fin".into(),
            list: None,
            conditions: Vec::new(),
            tells: Vec::new(),
        };
        let name = Bilingual { az: "ad".into(), en: "name".into() };
        let id = ComparisonId::new("one").expect("a name");
        Comparison { id, name, clause: "634/6.2.1".into(), primary: side(), other: side(), agree }.agrees(primary, other)
    }

    #[test]
    fn two_sides_agree_or_not_or_there_is_nothing_to_compare() {
        use Agree::{Equal, NotAfter, Within};
        assert_eq!(agrees(Equal, &["a", "b"], &["b", "a", "a"]), Some(true));
        assert_eq!(agrees(Equal, &["a", "b"], &["a"]), Some(false));
        assert_eq!(agrees(Equal, &["a"], &["a", "b"]), Some(false));
        assert_eq!(agrees(Equal, &[], &["a"]), None);
        assert_eq!(agrees(Within, &["a", "b"], &["a"]), Some(true));
        assert_eq!(agrees(Within, &["a"], &["a", "b"]), Some(false));
        assert_eq!(agrees(Within, &[], &["a"]), Some(false), "the primary source has none of them");
        assert_eq!(agrees(Within, &["a"], &[]), None);
        assert_eq!(agrees(NotAfter, &["2026-03-12"], &["2026-02", "2026-03"]), Some(true), "in the same month");
        assert_eq!(agrees(NotAfter, &["2026-03-12"], &["2026-04"]), Some(false));
        assert_eq!(agrees(NotAfter, &["2026-03-12", "2025-01-01"], &["2025-02"]), Some(false), "the first counts");
        assert_eq!(agrees(NotAfter, &["2026-03-12"], &["2026-03-13"]), Some(false));
        assert_eq!(agrees(NotAfter, &[], &["2026-03-13"]), None);
    }
}
