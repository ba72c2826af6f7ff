//! PARSE: the request envelope, read strictly and bounded. Every broken rule is listed with a JSON
//! pointer; no message repeats a value that was sent.

use std::fmt;

use base64::Engine as _;
use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use model::consent::CONSENTS_MAX;
use model::contract::{Input, MonthWindow, SubjectForm, Type};
use model::{CaseId, Consent, Profile, ProviderId, PurposeId, Representation, RepresentativeKind, RoleId, Service, Subject, Value};
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
    /// The consents that the consumer holds.
    pub consents: Vec<Consent>,
    /// Who acts for the subject, where somebody does.
    pub on_behalf_of: Option<Representation>,
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
    /// A bounded window of months.
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
        let on_behalf_of = reader.representation(subject.as_ref(), expected.profile);
        let consents = reader.consents(expected.profile);
        match (purpose, case, role, official, reader.errors.is_empty()) {
            (Some(purpose), Some(case), Some(role), Some(official), true) => {
                Ok(Self { subject, inputs, purpose, case, official, responsible, role, assertion, consents, on_behalf_of, fields })
            }
            _ => Err(reader.errors),
        }
    }
}

/// An unknown key as an error may show it: only what looks like a key, since anything else might be
/// an identifier in the wrong place.
fn shown(key: &str) -> &str {
    let plain = (1..=40).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { key } else { "…" }
}

/// Whether this may be an official's number or a robot's name.
pub(crate) fn is_official(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
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
        let responsible = self.optional_text("responsible", 64);
        if responsible.as_deref().is_some_and(|text| !is_official(text)) {
            self.refuse("/responsible", Rule::Official);
        }
        let official = match self.members.get("official") {
            None | Some(Json::Null) => {
                self.refuse("/official", Rule::Required);
                return (None, responsible);
            }
            Some(Json::String(text)) if is_official(text) => text.clone(),
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
                Some(raw) => match (input_value(input, raw, expected.profile), input.list_max) {
                    (Some(value), _) if !names_instance(input, &value) => {
                        let keys: Vec<&str> = input.instances.iter().flat_map(|instances| instances.keys()).collect();
                        self.refuse(&pointer, Rule::InstanceKey(keys.join(", ")));
                    }
                    (Some(value), _) => values.push((input.name.clone(), value)),
                    (None, None) => self.refuse(&pointer, Rule::Input(input.kind, accepted(input), expected.profile)),
                    (None, Some(max)) => {
                        self.refuse(&pointer, Rule::InputList(max, input.kind, accepted(input), expected.profile));
                    }
                },
            }
        }
        if let Some(window) = expected.window {
            self.window(window, &values);
        }
        values
    }

    fn window(&mut self, window: &MonthWindow, values: &[(Box<str>, Value)]) {
        let text = |name: &str| values.iter().find(|(key, _)| **key == *name).and_then(|(_, value)| value.as_text());
        let (Some(from), Some(to)) = (text(&window.from), text(&window.to)) else { return };
        // Months and days of one form sort as texts do.
        if to < from {
            self.refuse(&format!("/input/{}", window.to), Rule::WindowOrder(window.from.to_string()));
        } else if to > &*latest(to) {
            self.refuse(&format!("/input/{}", window.to), Rule::WindowFuture);
        } else if !within(from, to, window.months_max) {
            self.refuse(&format!("/input/{}", window.to), Rule::WindowSpan(window.from.to_string(), window.months_max));
        }
    }

    /// Who acts for the subject, wholly sound.
    fn representation(&mut self, subject: Option<&Subject>, profile: Profile) -> Option<Representation> {
        let members = match self.members.get("on_behalf_of") {
            None | Some(Json::Null) => return None,
            Some(Json::Object(members)) => members,
            Some(_) => {
                self.refuse("/on_behalf_of", Rule::Object);
                return None;
            }
        };
        if self.members.get("subject").is_none_or(Json::is_null) {
            self.refuse("/subject", Rule::Represented);
        }
        let mut item = Reader { members, errors: Vec::new() };
        let read = item.representative(subject, profile);
        self.errors.extend(item.errors.into_iter().map(|broken| Broken::new(format!("/on_behalf_of{}", broken.pointer), broken.rule)));
        read
    }

    fn representative(&mut self, subject: Option<&Subject>, profile: Profile) -> Option<Representation> {
        self.keys(&["kind", "representative", "basis"]);
        let kind =
            self.read("kind", Rule::RepresentativeKind, |text| RepresentativeKind::ALL.into_iter().find(|kind| kind.as_str() == text));
        let given = self.members.get("representative").and_then(|raw| serde_json::from_value::<Subject>(raw.clone()).ok());
        let representative = match given {
            Some(person @ (Subject::Fin(_) | Subject::Pin(_))) => match person.check(profile) {
                Err(fault) => {
                    self.refuse(&format!("/representative{}", fault.pointer), Rule::Subject(fault.rule, profile));
                    None
                }
                Ok(()) if Some(&person) == subject => {
                    self.refuse("/representative", Rule::RepresentsHimself);
                    None
                }
                Ok(()) => Some(person),
            },
            Some(Subject::Tin(_) | Subject::Document(_)) | None => {
                self.refuse("/representative", Rule::Representative);
                None
            }
        };
        let Some(Json::Object(basis)) = self.members.get("basis") else {
            self.refuse("/basis", Rule::Object);
            return None;
        };
        let mut basis = Reader { members: basis, errors: Vec::new() };
        basis.keys(&["reference", "sha256", "valid_until"]);
        let reference = basis.reference();
        let sha256 = basis.sha256();
        let valid_until = basis.read("valid_until", Rule::Day, |text| text.parse::<Date>().ok().filter(|_| text.len() == 10));
        self.errors.extend(basis.errors.into_iter().map(|broken| Broken::new(format!("/basis{}", broken.pointer), broken.rule)));
        (self.errors.is_empty()).then_some(Representation {
            kind: kind?,
            representative: representative?,
            represented: subject?.clone(),
            reference: reference?,
            sha256: sha256?,
            valid_until: valid_until?,
        })
    }

    /// Refuses keys that do not belong there.
    fn keys(&mut self, known: &[&str]) {
        for key in self.members.keys().filter(|key| !known.contains(&key.as_str())) {
            let at = format!("/{}", shown(key));
            self.errors.push(Broken::new(at, Rule::Keys(known.join(", "))));
        }
    }

    /// A document's reference at the consumer.
    fn reference(&mut self) -> Option<String> {
        let reference = self.optional_text("reference", INPUT_BYTES_MAX);
        if reference.is_none() && self.errors.iter().all(|broken| broken.pointer != "/reference") {
            self.refuse("/reference", Rule::Required);
        }
        reference
    }

    /// A document's hash.
    fn sha256(&mut self) -> Option<String> {
        self.read("sha256", Rule::Sha256, |text| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
            (bytes.len() == 32).then(|| text.to_owned())
        })
    }

    /// The consents, each wholly sound.
    fn consents(&mut self, profile: Profile) -> Vec<Consent> {
        let items = match self.members.get("consent") {
            None | Some(Json::Null) => return Vec::new(),
            Some(Json::Array(items)) if items.len() <= CONSENTS_MAX => items,
            Some(_) => {
                self.refuse("/consent", Rule::Consents(CONSENTS_MAX));
                return Vec::new();
            }
        };
        let consents = items.iter().enumerate().filter_map(|(place, item)| {
            let at = format!("/consent/{place}");
            let Some(members) = item.as_object() else {
                self.refuse(&at, Rule::Object);
                return None;
            };
            let mut item = Reader { members, errors: Vec::new() };
            let consent = item.consent(profile);
            self.errors.extend(item.errors.into_iter().map(|broken| Broken::new(format!("{at}{}", broken.pointer), broken.rule)));
            consent
        });
        consents.collect()
    }

    fn consent(&mut self, profile: Profile) -> Option<Consent> {
        self.keys(&["provider", "subject", "reference", "sha256", "signed_at", "expires_at"]);
        let provider = self.parse("provider", Rule::Provider, ProviderId::new);
        let forms = &SubjectForm::ALL;
        let subject = self.subject(Expected { subject: Some(forms), inputs: &[], window: None, service: None, profile });
        let reference = self.reference();
        let sha256 = self.sha256();
        let moment = |text: &str| text.parse::<Timestamp>().ok();
        let signed_at = self.read("signed_at", Rule::Moment, moment);
        let expires_at = self.read("expires_at", Rule::Moment, moment);
        if let (Some(signed_at), Some(expires_at)) = (signed_at, expires_at)
            && expires_at <= signed_at
        {
            self.refuse("/expires_at", Rule::After("signed_at"));
        }
        (self.errors.is_empty()).then_some(Consent {
            provider: provider?,
            subject: subject?,
            reference: reference?,
            sha256: sha256?,
            signed_at: signed_at?,
            expires_at: expires_at?,
        })
    }

    /// A required text read into something.
    fn read<T>(&mut self, key: &str, rule: Rule, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let pointer = format!("/{key}");
        let raw = match self.members.get(key) {
            None | Some(Json::Null) => {
                self.refuse(&pointer, Rule::Required);
                return None;
            }
            Some(raw) => raw,
        };
        let found = raw.as_str().and_then(read);
        if found.is_none() {
            self.refuse(&pointer, rule);
        }
        found
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
}

fn month_number(text: &str) -> Option<i64> {
    let (year, month) = text.split_once('-')?;
    let well_formed = year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let (year, month): (i64, i64) = (year.parse().ok()?, month.parse().ok()?);
    (well_formed && (1..=12).contains(&month)).then_some(year * 12 + month)
}

/// The last month or day, in the form of `text`, that is not in the future (Asia/Baku).
fn latest(text: &str) -> String {
    let today = model::time::day(crate::clock::now());
    if month_number(text).is_some() { today.strftime("%Y-%m").to_string() } else { today.to_string() }
}

/// Whether two months, or two days, lie within so many months: both ends counted for months; for days
/// the first one is not before the same day so many months earlier.
fn within(from: &str, to: &str, months_max: u32) -> bool {
    if let (Some(from), Some(to)) = (month_number(from), month_number(to)) {
        return to - from < i64::from(months_max);
    }
    let (Ok(from), Ok(to)) = (from.parse::<Date>(), to.parse::<Date>()) else { return false };
    // From the last day back: 29 February has no day so many years later.
    to.checked_sub(i64::from(months_max).months()).is_ok_and(|first| first <= from)
}

/// The canonical value of an input; `None` where its type does not take what was sent.
fn input_value(input: &Input, raw: &Json, profile: Profile) -> Option<Value> {
    let Some(max) = input.list_max else { return single_value(input, raw, profile) };
    let items = raw.as_array().filter(|items| (1..=max).contains(&items.len()))?;
    let values: Option<Vec<Value>> = items.iter().map(|item| single_value(input, item, profile)).collect();
    let values = values?;
    let repeated = values.iter().enumerate().any(|(place, value)| values.iter().take(place).any(|other| other == value));
    (!repeated).then_some(Value::Values(values))
}

/// What an input takes, where it is not just any value of its type.
fn accepted(input: &Input) -> String {
    match input.range {
        Some((min, max)) => format!("{min} … {max}"),
        None => input.codes.join(", "),
    }
}

/// Whether a value names a body of the source that the contract knows, where it must.
fn names_instance(input: &Input, value: &Value) -> bool {
    input.instances.as_ref().is_none_or(|instances| value.as_text().is_some_and(|key| instances.knows(key)))
}

fn single_value(input: &Input, raw: &Json, profile: Profile) -> Option<Value> {
    let text = |good: &dyn Fn(&str) -> bool| raw.as_str().filter(|text| good(text)).map(|text| Value::Text(text.into()));
    match input.kind {
        Type::Text => text(&|text| (1..=INPUT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)),
        Type::Fin => text(&|text| profile.accepts_fin(text)),
        Type::Tin => text(&|text| profile.accepts_tin(text)),
        Type::Code => text(&|text| input.codes.iter().any(|code| **code == *text)),
        Type::Date => text(&|text| text.len() == 10 && text.parse::<Date>().is_ok()),
        Type::Month => text(&|text| month_number(text).is_some()),
        Type::Bool => raw.as_bool().map(Value::Bool),
        Type::Int | Type::Money => {
            let within = |number: &i64| input.range.is_none_or(|(min, max)| (min..=max).contains(number));
            raw.as_i64().filter(within).map(Value::Int)
        }
        Type::Decimal | Type::Datetime | Type::PartialDate | Type::Bytes | Type::Fraction => None,
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
