//! Canonical values: what a mapping makes of a source's answer, in the shape the contract declares.
//!
//! A [`Record`] holds its values in the order of its [`Shape`]; names live in the shape alone, so a
//! thousand answers share one copy of them. `Debug` never shows a value: values are personal data.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::contract::{Confirmed, FieldDef, FieldKind, FieldSet, RowRule, Service, Shape, SubjectPart, Type};
use crate::subject::{Document, DocumentSubject, Subject};

/// An exact decimal: its canonical digits (`-?digits[.digits]`, no leading zeros), never a float.
#[derive(Clone, PartialEq, Eq)]
pub struct Decimal(Box<str>);

impl Decimal {
    /// Takes canonical digits: an optional minus, digits without a needless leading zero, and an
    /// optional point followed by digits. At most 38 digits in all. Trailing zeros are kept, since
    /// they are the source's statement of precision.
    #[must_use]
    pub fn new(digits: &str) -> Option<Self> {
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(w, f)| (w, Some(f)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let whole_ok = all_digits(whole) && (whole.len() == 1 || !whole.starts_with('0'));
        if !whole_ok || !fraction.is_none_or(all_digits) || unsigned.len() > 39 {
            return None;
        }
        Some(Self(digits.into()))
    }

    /// The digits as text, valid as a JSON number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is above zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        !self.0.starts_with('-') && self.0.bytes().any(|b| matches!(b, b'1'..=b'9'))
    }

    /// The exact product, with as many decimals as both have together; `None` beyond 38 digits. A factor of 1
    /// changes nothing.
    #[must_use]
    pub fn times(&self, factor: &Self) -> Option<Self> {
        let ((left, places), (right, more)) = (self.parts()?, factor.parts()?);
        let (product, places) = (left.checked_mul(right)?, places + more);
        let digits = format!("{:0width$}", product.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - places)?;
        let sign = if product < 0 { "-" } else { "" };
        let point = if places == 0 { "" } else { "." };
        Self::new(&format!("{sign}{whole}{point}{fraction}"))
    }

    /// All digits as one number, and how many of them are decimals.
    fn parts(&self) -> Option<(i128, usize)> {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        Some((format!("{whole}{fraction}").parse().ok()?, fraction.len()))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decimal(…)")
    }
}

/// One canonical value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// An optional field for which the source states "none". Withheld fields are not `Null`: they
    /// are not delivered at all.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer, including money in qəpik.
    Int(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// Text, a code, or a date, month or date-time in its ISO form.
    Text(Box<str>),
    /// A list of records (`months[]`).
    Records(Vec<Record>),
    /// A list of plain values (`diagnoses[]` without inner fields).
    Values(Vec<Self>),
}

impl Value {
    /// The text of a textual value.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(…)",
            Self::Int(_) => "Int(…)",
            Self::Decimal(_) => "Decimal(…)",
            Self::Text(_) => "Text(…)",
            Self::Records(_) => "Records(…)",
            Self::Values(_) => "Values(…)",
        })
    }
}

/// Values in the order of a [`Shape`]'s fields; always exactly as many as the shape has.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// One value per field of the shape, in its order.
    pub values: Vec<Value>,
}

/// A code the mapping's table did not know and was told to keep or drop with a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The field's index in the contract ([`FieldDef::index`]).
    pub field: usize,
    /// What happened, such as `unmapped-code`.
    pub reason: &'static str,
}

/// What a source said about one question: a record in its contract's shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The contract that gives the record its shape.
    pub service: Arc<Service>,
    /// The values.
    pub record: Record,
    /// Fields whose code was not in the mapping's table.
    pub flags: Vec<Flag>,
}

impl Facts {
    /// The facts with only the fields of `shown`, ready to serialise. The one way out for values:
    /// the gateway calls it with the authorised field set alone.
    #[must_use]
    pub fn show<'a>(&'a self, shown: &'a FieldSet) -> Shown<'a> {
        self.show_rows(shown, &[])
    }

    /// As [`Self::show`], without the rows that the rules do not allow. A row without a code, or
    /// with one that is not listed, is left out.
    #[must_use]
    pub fn show_rows<'a>(&'a self, shown: &'a FieldSet, rows: &'a [RowRule]) -> Shown<'a> {
        Shown { shape: &self.service.shape, record: &self.record, shown, rows }
    }

    /// The records of a top-level list that the rules for it allow, with their shape; none where there is no
    /// such list.
    pub fn rows<'a>(&'a self, list: &'a str, rules: &'a [RowRule]) -> impl Iterator<Item = (&'a Shape, &'a Record)> {
        let place = self.service.shape.fields.iter().position(|field| *field.name == *list);
        let found = place.and_then(|place| Some((&self.service.shape.fields.get(place)?.kind, self.record.values.get(place)?)));
        let (shape, records) = match found {
            Some((FieldKind::List { shape, .. }, Value::Records(records))) => (Some(shape), records.as_slice()),
            _ => (None, [].as_slice()),
        };
        shape.into_iter().flat_map(move |shape| allowed_rows(shape, records, list, rules).map(move |record| (shape, record)))
    }

    /// Every way in which the answer names the person it is about, by what its contract confirms: those ways are
    /// the same person. In the order FIN, PIN, taxpayer's number, document.
    #[must_use]
    pub fn identities(&self) -> Vec<Subject> {
        let part = |part: SubjectPart| {
            let rule = self.service.confirms.iter().find(|rule| rule.with == Confirmed::Subject(part))?;
            self.top_level(&rule.field).and_then(Value::as_text)
        };
        let document = || {
            let document =
                Document { series: part(SubjectPart::DocumentSeries)?.into(), number: part(SubjectPart::DocumentNumber)?.into() };
            Some(Subject::Document(DocumentSubject { document, birth_date: part(SubjectPart::BirthDate)?.parse().ok()? }))
        };
        let numbers = [
            part(SubjectPart::Fin).map(|fin| Subject::Fin(fin.into())),
            part(SubjectPart::Pin).map(|pin| Subject::Pin(pin.into())),
            part(SubjectPart::Tin).map(|tin| Subject::Tin(tin.into())),
        ];
        numbers.into_iter().flatten().chain(document()).collect()
    }

    /// Finds the value of a top-level field by name.
    #[must_use]
    pub fn top_level(&self, name: &str) -> Option<&Value> {
        let place = self.service.shape.fields.iter().position(|field| &*field.name == name)?;
        self.record.values.get(place)
    }
}

/// A record seen through a field set; serialises the delivered fields only.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    shape: &'a Shape,
    record: &'a Record,
    shown: &'a FieldSet,
    /// Row rules for the top-level lists.
    rows: &'a [RowRule],
}

impl Shown<'_> {
    /// Every person and taxpayer whom the delivered fields name.
    #[must_use]
    pub fn persons(&self) -> HashSet<Subject> {
        let mut persons = HashSet::new();
        self.gather_persons(&mut persons);
        persons
    }

    fn gather_persons(&self, persons: &mut HashSet<Subject>) {
        for (field, value) in self.shape.fields.iter().zip(&self.record.values).filter(|(field, _)| field.intersects(self.shown)) {
            match (value, &field.kind) {
                (Value::Records(records), FieldKind::List { shape, .. }) => {
                    for record in allowed_rows(shape, records, &field.name, self.rows) {
                        Shown { shape, record, shown: self.shown, rows: &[] }.gather_persons(persons);
                    }
                }
                (Value::Values(values), kind) => values.iter().for_each(|value| name_person(kind, value, persons)),
                (value, kind) => name_person(kind, value, persons),
            }
        }
    }
}

/// Adds the person whom a value of such a field names.
fn name_person(kind: &FieldKind, value: &Value, persons: &mut HashSet<Subject>) {
    let (FieldKind::Scalar { kind, .. } | FieldKind::Values { kind, .. }, Value::Text(text)) = (kind, value) else { return };
    let person = match kind {
        Type::Fin => Subject::Fin(text.as_ref().to_owned()),
        Type::Tin => Subject::Tin(text.as_ref().to_owned()),
        Type::Text
        | Type::Int
        | Type::Decimal
        | Type::Money
        | Type::Bool
        | Type::Code
        | Type::Date
        | Type::Month
        | Type::Datetime
        | Type::PartialDate
        | Type::Bytes
        | Type::Fraction => return,
    };
    persons.insert(person);
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.shape.fields.iter().zip(&self.record.values) {
            if field.intersects(self.shown) {
                map.serialize_entry(&*field.name, &ShownValue { field, value, shown: self.shown, rows: self.rows })?;
            }
        }
        map.end()
    }
}

struct ShownValue<'a> {
    field: &'a FieldDef,
    value: &'a Value,
    shown: &'a FieldSet,
    rows: &'a [RowRule],
}

/// The rows of a list that every rule for it allows.
fn allowed_rows<'a>(shape: &'a Shape, records: &'a [Record], list: &'a str, rules: &'a [RowRule]) -> impl Iterator<Item = &'a Record> {
    let allows = move |rule: &RowRule, record: &Record| {
        let place = shape.fields.iter().position(|field| field.name == rule.field);
        place.and_then(|place| record.values.get(place)).and_then(Value::as_text).is_some_and(|code| rule.allows(code))
    };
    records.iter().filter(move |record| rules.iter().filter(|rule| *rule.list == *list).all(|rule| allows(rule, record)))
}

impl Serialize for ShownValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.value, &self.field.kind) {
            (Value::Records(records), FieldKind::List { shape, .. }) => {
                let is_ruled = self.rows.iter().any(|rule| rule.list == self.field.name);
                // A serialiser is told the number of rows only where none can be left out.
                let mut seq = serializer.serialize_seq((!is_ruled).then_some(records.len()))?;
                for record in allowed_rows(shape, records, &self.field.name, self.rows) {
                    seq.serialize_element(&Shown { shape, record, shown: self.shown, rows: &[] })?;
                }
                seq.end()
            }
            (Value::Values(values), _) => {
                let mut seq = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    seq.serialize_element(&ShownValue { field: self.field, value, shown: self.shown, rows: &[] })?;
                }
                seq.end()
            }
            (Value::Null | Value::Records(_), _) => serializer.serialize_none(),
            (Value::Bool(value), _) => serializer.serialize_bool(*value),
            (Value::Int(value), _) => serializer.serialize_i64(*value),
            (Value::Text(text), _) => serializer.serialize_str(text),
            // The exact digits as a JSON number; a float could not carry them.
            (Value::Decimal(digits), _) => match serde_json::value::RawValue::from_string(digits.as_str().to_owned()) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_str(digits.as_str()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits_and_refuse_anything_else() {
        for good in ["0", "1.5", "212.0", "-0.25", "1000000"] {
            assert_eq!(Decimal::new(good).expect(good).as_str(), good);
        }
        for bad in ["", "-", "01", "1.", ".5", "1,5", "+1", "1e3", "--1", "NaN"] {
            assert!(Decimal::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_product_is_exact_or_none() {
        let times = |left: &str, right: &str| {
            let product = Decimal::new(left).expect("digits").times(&Decimal::new(right).expect("digits"));
            product.map(|product| product.as_str().to_owned())
        };
        for (left, right, product) in
            [("1.25", "1", "1.25"), ("125", "0.01", "1.25"), ("7", "0.01", "0.07"), ("-3", "0.1", "-0.3"), ("0", "0.01", "0.00")]
        {
            assert_eq!(times(left, right).as_deref(), Some(product), "{left} × {right}");
        }
        let digits = "9".repeat(38);
        assert_eq!(times(&digits, "1"), Some(digits.clone()));
        assert_eq!((times(&digits, "10"), times(&digits, "100")), (None, None));
    }

    #[test]
    fn debug_shows_no_value() {
        let record = Record { values: vec![Value::Text("5K7QX2O".into()), Value::Int(40_000)] };
        let shown = format!("{record:?}");
        assert!(!shown.contains("5K7QX2O") && !shown.contains("40000"), "{shown}");
    }
}
