//! What a search may ask for: strict, every broken rule with its place, and no value repeated.

use std::ops::RangeInclusive;

use index::{Alternative, IndexKey};
use jiff::Timestamp;
use model::contract::SubjectForm;
use model::{Outcome, Profile, Subject};
use serde_json::{Map, Value as Json};

use super::{SearchError, terms};
use crate::record::Kind;
use crate::rule::{Broken, Rule};

/// Most values of one field, any of which will do.
const VALUES_MAX: usize = 10;
/// Longest value, in bytes.
const VALUE_BYTES_MAX: usize = 128;

/// The fields that are looked up by their text, in the order in which they narrow a search best.
const TEXTS: [&str; 8] =
    [terms::CASE, terms::OFFICIAL, terms::SERVICE, terms::PURPOSE, terms::CONSUMER, terms::PROVIDER, terms::OUTCOME, terms::KIND];

/// A search's conditions, all of which an entry must meet. `Debug` names nobody.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Any of these persons is asked about or named.
    pub subjects: Vec<Subject>,
    /// By field, in the order of narrowing: one of the values.
    texts: Vec<(&'static str, Vec<String>)>,
    /// Not earlier.
    from: Option<Timestamp>,
    /// Not later.
    to: Option<Timestamp>,
}

impl Filter {
    /// A filter for one value of a field, one of [`terms`].
    #[must_use]
    pub fn of(field: &'static str, value: &str) -> Self {
        Self { texts: vec![(field, vec![value.to_owned()])], ..Self::default() }
    }

    /// A filter for a person between two moments.
    #[must_use]
    pub fn about(subject: Subject, from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self { subjects: vec![subject], texts: Vec::new(), from, to }
    }

    /// A filter for everything between two moments.
    #[must_use]
    pub fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Self {
        Self { from, to, ..Self::default() }
    }

    /// The same, with one more condition: one of these values in a field.
    #[must_use]
    pub fn and(mut self, field: &'static str, values: &[&str]) -> Self {
        self.texts.push((field, values.iter().map(|value| (*value).to_owned()).collect()));
        self
    }

    /// Reads a filter; every broken rule is added to `broken`, with a pointer below `at`.
    pub fn read(json: Option<&Json>, at: &str, profile: Profile, broken: &mut Vec<Broken>) -> Self {
        let empty = Map::new();
        let members = match json {
            None | Some(Json::Null) => &empty,
            Some(Json::Object(members)) => members,
            Some(_) => {
                broken.push(Broken::new(at, Rule::Object));
                return Self::default();
            }
        };
        let known = |key: &str| key == "subject" || key == "from" || key == "to" || TEXTS.contains(&key);
        if members.keys().any(|key| !known(key)) {
            let accepted = "subject, consumer, official, provider, service, purpose, case, outcome, kind, from, to";
            broken.push(Broken::new(at, Rule::Keys(accepted.to_owned())));
        }
        let mut filter = Self::default();
        if let Some(value) = given(members, "subject") {
            filter.subjects = subjects(value, &format!("{at}/subject"), profile, broken);
        }
        for field in TEXTS {
            if let Some(value) = given(members, field) {
                filter.texts.push((field, texts(field, value, &format!("{at}/{field}"), broken)));
            }
        }
        let mut moment = |key: &str| {
            let value = given(members, key)?;
            let read = value.as_str().and_then(|text| text.parse().ok());
            if read.is_none() {
                broken.push(Broken::new(format!("{at}/{key}"), Rule::Moment));
            }
            read
        };
        (filter.from, filter.to) = (moment("from"), moment("to"));
        if filter.from.zip(filter.to).is_some_and(|(from, to)| to < from) {
            broken.push(Broken::new(format!("{at}/to"), Rule::After("from")));
        }
        filter
    }

    /// The case, where nothing else is asked for.
    #[must_use]
    pub fn one_case(&self) -> Option<&str> {
        match &self.texts[..] {
            [(terms::CASE, cases)] if self.subjects.is_empty() && self.from.is_none() && self.to.is_none() => match &cases[..] {
                [case] => Some(case),
                _ => None,
            },
            _ => None,
        }
    }

    /// Unix milliseconds between which entries must have been written.
    #[must_use]
    pub fn times(&self) -> RangeInclusive<u64> {
        let ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or(0);
        self.from.map_or(0, ms)..=self.to.map_or(u64::MAX, ms)
    }

    /// The filter as groups of terms; `tokens` gives those of its persons.
    ///
    /// # Errors
    /// As `tokens`.
    pub fn groups(
        &self,
        key: &IndexKey,
        tokens: impl FnOnce() -> Result<Vec<Alternative>, SearchError>,
    ) -> Result<Vec<Vec<Alternative>>, SearchError> {
        let mut groups = Vec::with_capacity(self.texts.len() + 1);
        if !self.subjects.is_empty() {
            groups.push(tokens()?);
        }
        let group = |(field, values): &(&str, Vec<String>)| -> Vec<Alternative> {
            values.iter().map(|value| Alternative::always(key.term(field, value.as_bytes()))).collect()
        };
        groups.extend(self.texts.iter().map(group));
        Ok(groups)
    }

    /// The filter as it is journalled: persons as `token` makes them.
    #[must_use]
    pub fn record(&self, token: impl Fn(&Subject) -> String) -> Json {
        let mut record = Map::new();
        if !self.subjects.is_empty() {
            record.insert("subjects".to_owned(), self.subjects.iter().map(token).collect::<Vec<_>>().into());
        }
        for (field, values) in &self.texts {
            record.insert((*field).to_owned(), values.as_slice().into());
        }
        for (key, moment) in [("from", self.from), ("to", self.to)] {
            if let Some(moment) = moment {
                record.insert(key.to_owned(), model::time::rfc3339(moment).into());
            }
        }
        record.into()
    }
}

fn given<'a>(members: &'a Map<String, Json>, key: &str) -> Option<&'a Json> {
    members.get(key).filter(|value| !value.is_null())
}

/// One value, or a list of them.
fn one_or_several<'a>(value: &'a Json, at: &str, broken: &mut Vec<Broken>) -> &'a [Json] {
    match value {
        Json::Array(values) if values.is_empty() || values.len() > VALUES_MAX => {
            broken.push(Broken::new(at, Rule::List(VALUES_MAX)));
            &[]
        }
        Json::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

fn subjects(value: &Json, at: &str, profile: Profile, broken: &mut Vec<Broken>) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for raw in one_or_several(value, at, broken) {
        let subject = serde_json::from_value::<Subject>(raw.clone()).ok();
        match subject.as_ref().map(|subject| subject.check(profile)) {
            Some(Ok(())) => subjects.extend(subject),
            Some(Err(fault)) => broken.push(Broken::new(format!("{at}{}", fault.pointer), Rule::Subject(fault.rule, profile))),
            None => broken.push(Broken::new(at, Rule::SubjectForms(SubjectForm::ALL.to_vec()))),
        }
    }
    subjects
}

fn texts(field: &str, value: &Json, at: &str, broken: &mut Vec<Broken>) -> Vec<String> {
    let mut texts = Vec::new();
    for raw in one_or_several(value, at, broken) {
        let Some(text) = raw.as_str().filter(|text| (1..=VALUE_BYTES_MAX).contains(&text.len())) else {
            broken.push(Broken::new(at, Rule::SearchText(VALUE_BYTES_MAX)));
            continue;
        };
        // In a closed list a mistyped word would find nothing and look like "there was nothing".
        let rule = match field {
            terms::OUTCOME if !Outcome::ALL.iter().any(|outcome| outcome.as_str() == text) => {
                Some(Rule::OneOf("FOUND, NOT_FOUND, NOT_HELD_ELECTRONICALLY, UNAVAILABLE, DENIED, INVALID_DATA, STALE"))
            }
            terms::KIND if !Kind::ALL.iter().any(|kind| Kind::name_of(kind.number()) == text) => Some(Rule::EntryKind),
            _ => None,
        };
        match rule {
            Some(rule) => broken.push(Broken::new(at, rule)),
            None => texts.push(text.to_owned()),
        }
    }
    texts
}
