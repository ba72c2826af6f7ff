//! What the suite needs of a service: its plan, the examples of its mapping with their bytes, and a question
//! for each. Pure but for reading the examples' files.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use mapping::raw::{Expect, Expected};
use mapping::{Example, Plan, Protocol};
use model::contract::{Confirm, Confirmed, Input, SubjectForm, SubjectPart, Type};
use model::subject::{Document, DocumentSubject};
use model::{Outcome, Service, Subject, Value};
use serde_json::{Map, Value as Json, json};

use super::script::{self, Answer};

/// The synthetic persons and taxpayers of questions whose answers name nobody; the second of each is another one.
const FINS: [&str; 2] = ["5K7QX2O", "9M3RT4O"];
const PINS: [&str; 2] = ["4P2LM8O", "6R9SD1O"];
const TINS: [&str; 2] = ["9900001233", "9900004443"];
const DOCUMENTS: [&str; 2] = ["0012345", "0054321"];

/// Why a service cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file of an example cannot be read.
    #[error("the example file {0} cannot be read")]
    Example(String, #[source] std::io::Error),
    /// What an example must become cannot be read.
    #[error("the example file {0} is not what an example must become")]
    Expected(String, #[source] serde_json::Error),
}

/// A service with what its mapping's author wrote down about it.
#[derive(Debug, Clone)]
pub struct Material {
    /// The contract.
    pub service: Arc<Service>,
    /// The compiled mapping.
    pub plan: Arc<Plan>,
    /// The examples, in the mapping's order.
    pub examples: Vec<Shown>,
    /// The day of the run (Asia/Baku).
    pub today: Date,
}

/// An example, ready to be played.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its file, or `status N` where it has none.
    pub name: String,
    /// The answer.
    pub answer: Answer,
    /// What it must become.
    pub expected: Expected,
    /// The question that it answers.
    pub ask: Ask,
}

/// A question, without what every envelope has.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Whom it is about; none where the contract asks about nobody.
    pub subject: Option<Subject>,
    /// The inputs by name.
    pub input: Map<String, Json>,
    /// The moment that the answer may not be older than.
    pub since: Timestamp,
}

impl Material {
    /// Reads what there is of a service, in the folder of mappings.
    ///
    /// # Errors
    /// When a file of an example cannot be read.
    pub fn read(mappings: &Path, plan: &Arc<Plan>, today: Date) -> Result<Self, Unusable> {
        let service = Arc::clone(plan.service());
        let folder = mappings.join(service.id.provider()).join("examples").join(service.id.service());
        let read = |file: &str| std::fs::read(folder.join(file)).map_err(|error| Unusable::Example(file.to_owned(), error));
        let mut material = Self { service, plan: Arc::clone(plan), examples: Vec::new(), today };
        let mut with_files = Vec::new();
        for example in plan.examples() {
            let body = example.answer.as_deref().map(read).transpose()?;
            let expected: Expected = match &example.expect {
                Expect::Inline(expected) => expected.clone(),
                Expect::File(file) => serde_json::from_slice(&read(file)?).map_err(|error| Unusable::Expected(file.clone(), error))?,
            };
            with_files.push((example, body, expected));
        }
        // Where an example says nothing of its question, it is that of the first record.
        let record = with_files.iter().find_map(|(_, _, expected)| expected.fields.as_ref());
        let usual = material.ask_of(record);
        for (example, body, expected) in &with_files {
            // Of a list in pages a source plays what comes last: after any other page the adapter asks on.
            if body.as_deref().is_some_and(|body| material.goes_on(body)) {
                continue;
            }
            let ask = match &expected.fields {
                Some(_) if expected.outcome == Outcome::Found => material.ask_of(expected.fields.as_ref()),
                _ => usual.clone(),
            };
            let shown = material.shown(example, body.as_ref(), expected, ask);
            material.examples.push(shown);
        }
        Ok(material)
    }

    /// Whether an answer is a page that names another one.
    fn goes_on(&self, body: &[u8]) -> bool {
        let Protocol::RestJson { paging: Some(paging) } = self.plan.protocol() else { return false };
        let cursor = serde_json::from_slice::<Json>(body).ok().and_then(|answer| answer.get(&*paging.cursor).cloned());
        cursor.is_some_and(|cursor| !cursor.is_null() && cursor != "")
    }

    fn shown(&self, example: &Example, body: Option<&Vec<u8>>, expected: &Expected, mut ask: Ask) -> Shown {
        if let Some(asked) = &example.asked {
            if let Some(subject) = &asked.subject {
                ask.subject = Some(subject.clone());
            }
            for (name, value) in &asked.inputs {
                ask.input.insert(name.to_string(), to_json(value));
            }
            ask.since = asked.at;
        }
        let content_type = match example.answer.as_deref().and_then(|file| file.rsplit('.').next()) {
            Some("html") => "text/html",
            Some("pdf") => "application/pdf",
            _ => script::content_type(self.plan.protocol()),
        };
        let body = body.cloned().map(Bytes::from).unwrap_or_default();
        Shown {
            name: example.answer.as_deref().map_or_else(|| format!("status {}", example.status), str::to_owned),
            answer: Answer { status: example.status, content_type, retry_after: None, body },
            expected: expected.clone(),
            ask,
        }
    }

    /// The examples that come to an outcome.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &Shown> {
        self.examples.iter().filter(move |shown| shown.expected.outcome == outcome)
    }

    /// The question that a record answers: what the contract's `confirms` names has the record's values, the
    /// rest is whatever the contract takes.
    fn ask_of(&self, fields: Option<&Json>) -> Ask {
        let repeated = |with: &Confirmed| {
            let rule = self.service.confirms.iter().find(|rule| rule.with == *with)?;
            fields?.get(&*rule.field).filter(|value| !value.is_null()).cloned()
        };
        let part = |part: SubjectPart| repeated(&Confirmed::Subject(part)).and_then(|value| value.as_str().map(str::to_owned));
        let named = |form: SubjectForm| match form {
            SubjectForm::Fin => part(SubjectPart::Fin).map(Subject::Fin),
            SubjectForm::Pin => part(SubjectPart::Pin).map(Subject::Pin),
            SubjectForm::Tin => part(SubjectPart::Tin).map(Subject::Tin),
            SubjectForm::Document => {
                let document = Document { series: part(SubjectPart::DocumentSeries)?, number: part(SubjectPart::DocumentNumber)? };
                Some(Subject::Document(DocumentSubject { document, birth_date: part(SubjectPart::BirthDate)?.parse().ok()? }))
            }
        };
        let forms = &self.service.subject;
        let subject = forms.iter().find_map(|form| named(*form)).or_else(|| forms.first().map(|form| synthetic(*form, 0)));
        let mut input = Map::new();
        for wanted in &self.service.inputs {
            let value = repeated(&Confirmed::Input(wanted.name.clone())).or_else(|| wanted.required.then(|| self.some(wanted)));
            input.extend(value.map(|value| (wanted.name.to_string(), value)));
        }
        Ask { subject, input, since: Timestamp::UNIX_EPOCH }
    }

    /// A value that the contract takes for an input.
    fn some(&self, input: &Input) -> Json {
        if let Some(key) = input.instances.as_ref().and_then(|instances| instances.connected.first()) {
            return json!(key);
        }
        let window = self.service.window.as_ref();
        let months = match window {
            Some(window) if window.from == input.name => i64::from(window.months_max),
            _ => i64::from(input.kind == Type::Month),
        };
        let day = self.today.saturating_sub(months.months());
        let one = match input.kind {
            Type::Text => json!("TEST-KIT-1"),
            Type::Fin => json!(FINS[0]),
            Type::Tin => json!(TINS[0]),
            Type::Int => json!(self.today.year()),
            Type::Decimal => json!(1),
            Type::Money => json!(100),
            Type::Bool => json!(true),
            Type::Code if input.list_max.is_some() && !input.codes.is_empty() => {
                return json!(input.codes.iter().take(input.list_max.unwrap_or_default()).collect::<Vec<_>>());
            }
            Type::Code => json!(input.codes.first().map_or("TEST", |code| code)),
            Type::Date => json!(day.to_string()),
            Type::Month => json!(day.strftime("%Y-%m").to_string()),
            Type::Datetime => json!(format!("{day}T00:00:00+04:00")),
            Type::PartialDate => json!(day.year().to_string()),
            Type::Bytes => json!("AAAA"),
            Type::Fraction => json!("1/2"),
        };
        if input.list_max.is_some() { json!([one]) } else { one }
    }

    /// The same question about somebody, or something, that the answer to it does not confirm; none where the
    /// answer names nothing of its question.
    #[must_use]
    pub fn another(&self, ask: &Ask) -> Option<Ask> {
        let lifted = |rule: &Confirm| rule.unless.as_ref().is_some_and(|input| ask.input.contains_key(&**input));
        let rules = || self.service.confirms.iter().filter(|rule| !lifted(rule));
        let of_subject = ask.subject.as_ref().filter(|subject| rules().any(|rule| names(&rule.with, subject)));
        if let Some(subject) = of_subject {
            let form = subject.form();
            let another = [0, 1].map(|place| synthetic_beside(subject, form, place)).into_iter().find(|other| other != subject);
            return Some(Ask { subject: another, ..ask.clone() });
        }
        let name = rules().find_map(|rule| match &rule.with {
            Confirmed::Input(name) => ask.input.get(&**name).map(|_| name),
            Confirmed::Subject(_) | Confirmed::Count(_) | Confirmed::Asked => None,
        })?;
        let input = self.service.inputs.iter().find(|input| input.name == *name)?;
        let mut another = ask.clone();
        let other = match (input.kind, ask.input.get(&**name)?.as_str()) {
            (Type::Text, Some(text)) => json!(format!("{text}-9")),
            (Type::Fin, Some(text)) => json!(FINS.into_iter().find(|fin| *fin != text)),
            (Type::Tin, Some(text)) => json!(TINS.into_iter().find(|tin| *tin != text)),
            (Type::Code, Some(text)) => json!(input.codes.iter().find(|code| &***code != text).map_or("TEST-9", |code| code)),
            (Type::Date, Some(_)) => json!(self.today.saturating_sub(1.day()).to_string()),
            (Type::Month, Some(_)) => json!(self.today.saturating_sub(2.months()).strftime("%Y-%m").to_string()),
            (Type::Int | Type::Money, _) => json!(1999),
            _ => return None,
        };
        another.input.insert(name.to_string(), other);
        Some(another)
    }
}

/// Whether a rule is about a part that a subject has.
fn names(with: &Confirmed, subject: &Subject) -> bool {
    let Confirmed::Subject(part) = with else { return false };
    match subject {
        Subject::Fin(_) => *part == SubjectPart::Fin,
        Subject::Pin(_) => *part == SubjectPart::Pin,
        Subject::Tin(_) => *part == SubjectPart::Tin,
        Subject::Document(_) => *part == SubjectPart::DocumentNumber,
    }
}

fn synthetic(form: SubjectForm, place: usize) -> Subject {
    let of = |list: [&str; 2]| list.into_iter().nth(place).unwrap_or_default().to_owned();
    match form {
        SubjectForm::Fin => Subject::Fin(of(FINS)),
        SubjectForm::Pin => Subject::Pin(of(PINS)),
        SubjectForm::Tin => Subject::Tin(of(TINS)),
        SubjectForm::Document => Subject::Document(DocumentSubject {
            document: Document { series: "ZZ".to_owned(), number: of(DOCUMENTS) },
            birth_date: jiff::civil::date(1985, 3, 14),
        }),
    }
}

/// A synthetic subject of the same form; of a document the number alone is another one.
fn synthetic_beside(subject: &Subject, form: SubjectForm, place: usize) -> Subject {
    match (subject, synthetic(form, place)) {
        (Subject::Document(own), Subject::Document(other)) => Subject::Document(DocumentSubject {
            document: Document { series: own.document.series.clone(), number: other.document.number },
            birth_date: own.birth_date,
        }),
        (_, other) => other,
    }
}

/// An input as an envelope has it.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null | Value::Records(_) => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Decimal(digits) => digits.as_str().parse().map_or(Json::Null, Json::Number),
        Value::Text(text) => json!(text),
        Value::Values(values) => values.iter().map(to_json).collect(),
    }
}
