//! PARSE: the request envelope, read strictly and bounded. Every broken rule is listed with a JSON
//! pointer; no message repeats a value that was sent.

use std::fmt;

use jiff::civil::Date;
use model::contract::{Input, MonthWindow, SubjectForm, Type};
use model::{CaseId, Profile, PurposeId, RoleId, Service, Subject, Value};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value as Json};

use crate::problem::Language;

use crate::rule::{Broken, Rule};

/// Largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest text input, in bytes.
const INPUT_BYTES_MAX: usize = 256;

/// The part of the envelope that every question has. `Debug` shows neither whom it is about nor who asks.
#[derive(Clone)]
pub struct Envelope {
    /// Whom it is about; none where the contract asks about no person.
    pub subject: Option<Subject>,
    /// Other inputs, in the contract's order.
    pub inputs: Vec<(Box<str>, Value)>,
    /// The purpose.
    pub purpose: PurposeId,
    /// The consumer's case.
    pub case: CaseId,
    /// Who asks: `AZ-0001`, or `robot:<name>`.
    pub official: String,
    /// The person answerable for an automated caller.
    pub responsible: Option<String>,
    /// In which role.
    pub role: RoleId,
    /// The identity provider's assertion about the official.
    pub assertion: Option<String>,
    /// Narrower fields by their paths, where asked for; each names something in the contract.
    pub fields: Option<Vec<String>>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("purpose", &self.purpose)
            .field("case", &self.case)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Parses JSON, refusing a key that stands twice (which of the two was meant would be a guess).
///
/// # Errors
/// Why it is not acceptable JSON, with line and column, without any of its content.
pub fn strict_json(bytes: &[u8]) -> Result<Json, NotJson> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| NotJson {
        what: match error.classify() {
            Category::Data => NotJsonBecause::KeyTwice,
            Category::Eof => NotJsonBecause::EndsEarly,
            Category::Syntax | Category::Io => NotJsonBecause::Syntax,
        },
        line: error.line(),
        column: error.column(),
    })
}

/// Where and why a body is not acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotJson {
    what: NotJsonBecause,
    line: usize,
    column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotJsonBecause {
    KeyTwice,
    EndsEarly,
    Syntax,
}

impl NotJson {
    /// The reason in words.
    #[must_use]
    pub fn text(self, language: Language) -> String {
        let what = match self.what {
            NotJsonBecause::KeyTwice => language.pick("bir açar iki dəfə yazılıb", "a key stands twice"),
            NotJsonBecause::EndsEarly => language.pick("mətn vaxtından əvvəl bitir", "the text ends too early"),
            NotJsonBecause::Syntax => language.pick("JSON deyil və ya həddən artıq iç-içədir", "not JSON, or nested too deeply"),
        };
        match language {
            Language::Az => format!("{what}, sətir {}, sütun {}", self.line, self.column),
            Language::En => format!("{what}, line {} column {}", self.line, self.column),
        }
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(A::Error::custom("duplicate key"));
            }
            let value = access.next_value_seed(Self)?;
            members.insert(key, value);
        }
        Ok(Json::Object(members))
    }
}

/// What an envelope is read against.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Accepted subject forms; `None` for dossiers, where a subject may be named but the case's persons count.
    pub subject: Option<&'a [SubjectForm]>,
    /// Declared inputs.
    pub inputs: &'a [Input],
    /// A bounded month window.
    pub window: Option<&'a MonthWindow>,
    /// The service whose fields `fields` may name; `None` for dossiers, which take none.
    pub service: Option<&'a Service>,
    /// Test or production.
    pub profile: Profile,
}

impl<'a> Expected<'a> {
    /// What a service's contract expects.
    #[must_use]
    pub fn by(service: &'a Service, profile: Profile) -> Self {
        Self { subject: Some(&service.subject), inputs: &service.inputs, window: service.window.as_ref(), service: Some(service), profile }
    }
}

impl Envelope {
    /// Reads an envelope.
    ///
    /// # Errors
    /// Every broken rule, each with its pointer.
    pub fn read(body: &Json, expected: Expected<'_>) -> Result<Self, Vec<Broken>> {
        let Some(members) = body.as_object() else {
            return Err(vec![Broken::new("", Rule::Object)]);
        };
        let mut reader = Reader { members, errors: Vec::new() };
        let mut known =
            vec!["subject", "input", "purpose", "case", "official", "responsible", "role", "assertion", "on_behalf_of", "consent"];
        if expected.service.is_some() {
            known.push("fields");
        }
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            let at = format!("/{}", shown(key));
            reader.errors.push(Broken::new(at, Rule::Keys(known.join(", "))));
        }
        let subject = reader.subject(expected);
        let inputs = reader.inputs(expected);
        let purpose = reader.parse("purpose", Rule::Code, PurposeId::new);
        let case = reader.parse("case", Rule::CaseName, CaseId::new);
        let role = reader.parse("role", Rule::Code, RoleId::new);
        let (official, responsible) = reader.official();
        let assertion = reader.optional_text("assertion", 16 * 1024);
        let fields = reader.fields(expected.service);
        reader.not_offered("on_behalf_of", |value| value.is_null(), Rule::NoRepresentation);
        reader.not_offered("consent", |value| value.as_array().is_some_and(Vec::is_empty), Rule::NoConsent);
        match (purpose, case, role, official, reader.errors.is_empty()) {
            (Some(purpose), Some(case), Some(role), Some(official), true) => {
                Ok(Self { subject, inputs, purpose, case, official, responsible, role, assertion, fields })
            }
            _ => Err(reader.errors),
        }
    }

    /// The inputs as the journal's sealed payload keeps them.
    #[must_use]
    pub fn inputs_as_json(&self) -> Json {
        let text = |value: &Value| match value {
            Value::Text(text) => Json::from(&**text),
            Value::Int(int) => Json::from(*int),
            Value::Bool(flag) => Json::from(*flag),
            Value::Decimal(digits) => Json::from(digits.as_str()),
            Value::Null | Value::Records(_) | Value::Values(_) => Json::Null,
        };
        Json::Object(self.inputs.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
    }
}

/// An unknown key as an error may show it: only what looks like a key, since anything else might be
/// an identifier in the wrong place.
fn shown(key: &str) -> &str {
    let plain = (1..=40).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { key } else { "…" }
}

struct Reader<'a> {
    members: &'a Map<String, Json>,
    errors: Vec<Broken>,
}

impl Reader<'_> {
    fn refuse(&mut self, pointer: &str, rule: Rule) {
        self.errors.push(Broken::new(pointer, rule));
    }

    fn parse<T>(&mut self, key: &str, rule: Rule, new: impl Fn(&str) -> Result<T, model::id::IdError>) -> Option<T> {
        let pointer = format!("/{key}");
        let text = match self.members.get(key) {
            None | Some(Json::Null) => {
                self.refuse(&pointer, Rule::Required);
                return None;
            }
            Some(text) => text.as_str().unwrap_or_default(),
        };
        let parsed = new(text).ok();
        if parsed.is_none() {
            self.refuse(&pointer, rule);
        }
        parsed
    }

    fn optional_text(&mut self, key: &str, bytes_max: usize) -> Option<String> {
        match self.members.get(key) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) if !text.is_empty() && text.len() <= bytes_max => Some(text.clone()),
            Some(_) => {
                self.refuse(&format!("/{key}"), Rule::OptionalText(bytes_max));
                None
            }
        }
    }

    fn official(&mut self) -> (Option<String>, Option<String>) {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
        let named = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        let responsible = self.optional_text("responsible", 64);
        if responsible.as_deref().is_some_and(|text| !named(text)) {
            self.refuse("/responsible", Rule::Official);
        }
        let official = match self.members.get("official") {
            None | Some(Json::Null) => {
                self.refuse("/official", Rule::Required);
                return (None, responsible);
            }
            Some(Json::String(text)) if named(text) => text.clone(),
            Some(_) => {
                self.refuse("/official", Rule::Official);
                return (None, responsible);
            }
        };
        if official.starts_with("robot:") && responsible.is_none() {
            self.refuse("/responsible", Rule::Responsible);
        }
        (Some(official), responsible)
    }

    fn subject(&mut self, expected: Expected<'_>) -> Option<Subject> {
        let forms = expected.subject.unwrap_or(&SubjectForm::ALL);
        let raw = self.members.get("subject").unwrap_or(&Json::Null);
        if raw.is_null() {
            if expected.subject.is_some() && !forms.is_empty() {
                self.refuse("/subject", Rule::Required);
            }
            return None;
        }
        let Ok(subject) = serde_json::from_value::<Subject>(raw.clone()) else {
            self.refuse("/subject", Rule::SubjectForms(forms.to_vec()));
            return None;
        };
        if !forms.contains(&subject.form()) {
            self.refuse("/subject", Rule::SubjectForms(forms.to_vec()));
            return None;
        }
        if let Err(fault) = subject.check(expected.profile) {
            self.refuse(&format!("/subject{}", fault.pointer), Rule::Subject(fault.rule, expected.profile));
            return None;
        }
        Some(subject)
    }

    fn inputs(&mut self, expected: Expected<'_>) -> Vec<(Box<str>, Value)> {
        let empty = Map::new();
        let given = match self.members.get("input") {
            None | Some(Json::Null) => &empty,
            Some(Json::Object(given)) => given,
            Some(_) => {
                self.refuse("/input", Rule::Object);
                return Vec::new();
            }
        };
        for key in given.keys().filter(|key| expected.inputs.iter().all(|input| &*input.name != key.as_str())) {
            let names: Vec<_> = expected.inputs.iter().map(|input| &*input.name).collect();
            self.refuse(&format!("/input/{}", shown(key)), Rule::Keys(names.join(", ")));
        }
        let mut values = Vec::with_capacity(expected.inputs.len());
        for input in expected.inputs {
            let pointer = format!("/input/{}", input.name);
            match given.get(&*input.name) {
                None | Some(Json::Null) if input.required => self.refuse(&pointer, Rule::Required),
                None | Some(Json::Null) => {}
                Some(raw) => match input_value(input, raw, expected.profile) {
                    Some(value) => values.push((input.name.clone(), value)),
                    None => self.refuse(&pointer, Rule::Input(input.kind, input.codes.join(", "), expected.profile)),
                },
            }
        }
        if let Some(window) = expected.window {
            self.window(window, &values);
        }
        values
    }

    fn window(&mut self, window: &MonthWindow, values: &[(Box<str>, Value)]) {
        let month =
            |name: &str| values.iter().find(|(key, _)| **key == *name).and_then(|(_, value)| value.as_text()).and_then(month_number);
        let (Some(from), Some(to)) = (month(&window.from), month(&window.to)) else { return };
        let span = to - from + 1;
        if span < 1 {
            self.refuse(&format!("/input/{}", window.to), Rule::WindowOrder(window.from.to_string()));
        } else if span > i64::from(window.months_max) {
            self.refuse(&format!("/input/{}", window.to), Rule::WindowSpan(window.from.to_string(), window.months_max));
        }
    }

    fn fields(&mut self, service: Option<&Service>) -> Option<Vec<String>> {
        let service = service?;
        let names = match self.members.get("fields") {
            None | Some(Json::Null) => return None,
            Some(Json::Array(names)) if !names.is_empty() => names,
            Some(_) => {
                self.refuse("/fields", Rule::List(service.leaves.len()));
                return None;
            }
        };
        let mut chosen = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            match name.as_str().filter(|name| !service.fields_under(name).is_empty()) {
                Some(name) => chosen.push(name.to_owned()),
                None => {
                    let known: Vec<_> = service.leaves.iter().map(|leaf| &*leaf.path).collect();
                    self.refuse(&format!("/fields/{place}"), Rule::Field(known.join(", ")));
                }
            }
        }
        Some(chosen)
    }

    fn not_offered(&mut self, key: &str, harmless: impl Fn(&Json) -> bool, rule: Rule) {
        if self.members.get(key).is_some_and(|value| !value.is_null() && !harmless(value)) {
            self.refuse(&format!("/{key}"), rule);
        }
    }
}

fn month_number(text: &str) -> Option<i64> {
    let (year, month) = text.split_once('-')?;
    let well_formed = year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let (year, month): (i64, i64) = (year.parse().ok()?, month.parse().ok()?);
    (well_formed && (1..=12).contains(&month)).then_some(year * 12 + month)
}

/// The canonical value of an input; `None` where its type does not take what was sent.
fn input_value(input: &Input, raw: &Json, profile: Profile) -> Option<Value> {
    let text = |good: &dyn Fn(&str) -> bool| raw.as_str().filter(|text| good(text)).map(|text| Value::Text(text.into()));
    match input.kind {
        Type::Text => text(&|text| (1..=INPUT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)),
        Type::Fin => text(&|text| profile.accepts_fin(text)),
        Type::Tin => text(&|text| profile.accepts_tin(text)),
        Type::Code => text(&|text| input.codes.iter().any(|code| **code == *text)),
        Type::Date => text(&|text| text.len() == 10 && text.parse::<Date>().is_ok()),
        Type::Month => text(&|text| month_number(text).is_some()),
        Type::Bool => raw.as_bool().map(Value::Bool),
        Type::Int | Type::Money => raw.as_i64().map(Value::Int),
        Type::Decimal | Type::Datetime | Type::PartialDate | Type::Bytes => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubled_key_is_refused_without_showing_content() {
        let error = strict_json(br#"{"fin":"5K7QX2O","fin":"3M9RT4O"}"#).expect_err("doubled");
        let text = error.text(Language::En);
        assert!(text.contains("twice") && !text.contains("5K7"), "{text}");
        assert!(strict_json(b"{} x").is_err());
        assert!(strict_json(b"\xff").is_err());
    }

    #[test]
    fn months_are_counted_with_both_ends() {
        assert_eq!(month_number("2026-02").expect("valid") - month_number("2025-03").expect("valid") + 1, 12);
        for bad in ["2026-13", "2026-00", "26-01", "2026-1", "2026-01-01", "+026-01"] {
            assert!(month_number(bad).is_none(), "{bad}");
        }
    }
}
