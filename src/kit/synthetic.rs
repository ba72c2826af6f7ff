//! Makes a recorded answer synthetic: what the mapping reads is replaced by its contract's type, the same value
//! by the same stand-in; what it does not read is dropped. Pure.
//!
//! Kept as they are: codes of a table or a closed list, truth values, months, counts, zeros, the texts that stand
//! for "none", and the constants that an outcome rule asks for. They name nobody. What cannot be told apart, or
//! would become another answer, is refused: then nothing is written.

use std::collections::BTreeMap;

use mapping::raw::{self, Kind, Scalar};
use mapping::{Asked, Limits, Plan, WireAnswer, WireQuestion};
use model::contract::{Confirmed, FieldKind, Shape, SubjectPart, Type};
use model::subject::{Document, DocumentSubject};
use model::{Profile, Service, Subject, Value};
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::reader::Reader;
use quick_xml::writer::Writer;
use regex_lite::Regex;
use serde_json::{Map, Value as Json};

use super::script::Stage;
use super::spoil::Syntax;

/// Deepest nesting that is walked.
const DEPTH_MAX: usize = 64;
/// Shortest original that is looked for in what is written; shorter ones stand in anything.
const TRACE_MIN: usize = 4;

/// Why nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmaskable {
    /// The body is not of the mapping's syntax.
    #[error("the answer is not {0}, so its values cannot be told apart")]
    Syntax(&'static str),
    /// A value of this name is of a type that has no stand-in.
    #[error("`{0}` has no synthetic form; take it out of the mapping's read set, or write the example by hand")]
    Type(Box<str>),
    /// A text does not have the form that the mapping takes apart.
    #[error("`{0}` does not have the form of the mapping's `capture`, so what of it is whose name cannot be told")]
    Form(Box<str>),
    /// The synthetic answer would be another answer.
    #[error("the synthetic answer would be read as {synthetic} instead of {original}")]
    AnotherAnswer {
        /// What the recorded answer comes to.
        original: String,
        /// What its stand-in would.
        synthetic: String,
    },
    /// A value of the recorded answer would stand in what is written.
    #[error("a value of `{0}` would survive")]
    Survives(Box<str>),
}

/// What is done with a value.
#[derive(Debug, Clone)]
enum Treat {
    /// One of these, else as a text.
    OneOf(Vec<String>),
    /// A number of at most three digits stays.
    Count,
    /// A month of this pattern stays.
    Month(String),
    Fin,
    Tin,
    /// The series of a document, of which there is one synthetic one.
    Series,
    Text,
    /// The group of an expression is a text, what stands around it is the source's form.
    Captured(Box<Self>, Regex),
    Number,
    Date(String),
    Moment,
    Fraction,
    Refused,
}

/// A part of the answer that the mapping reads: known by name alone, whichever its prefix.
#[derive(Debug, Clone, Default)]
struct Part {
    children: BTreeMap<String, Self>,
    /// All that is done with its value, in order; nothing where it is there to be seen alone.
    treats: Vec<(Box<str>, Treat)>,
    known: bool,
}

/// What a mapping reads, and how each of it becomes synthetic.
#[derive(Debug)]
pub struct Recipe<'a> {
    plan: &'a Plan,
    root: Part,
    absent: Vec<String>,
    /// The fault codes that the mapping or SOAP itself knows, without prefix.
    faults: Vec<String>,
}

/// A recorded exchange, made synthetic.
#[derive(Debug)]
pub struct Masked {
    /// Whom it is about.
    pub subject: Option<Subject>,
    /// Its inputs.
    pub inputs: Vec<(Box<str>, Value)>,
    /// The question in wire form.
    pub question: WireQuestion,
    /// The answer.
    pub answer: Vec<u8>,
}

/// The stand-ins so far: the same value always becomes the same one.
#[derive(Debug, Default)]
struct StandIns {
    by_original: BTreeMap<(u8, String), String>,
    /// What was replaced, with where.
    originals: Vec<(Box<str>, String)>,
    count: usize,
}

impl<'a> Recipe<'a> {
    /// The recipe of a mapping.
    #[must_use]
    pub fn new(plan: &'a Plan, raw: &raw::Mapping) -> Self {
        let faults = ["Server", "Client", "VersionMismatch", "MustUnderstand", "Sender", "Receiver"].map(str::to_owned).to_vec();
        let mut recipe = Self { plan, root: Part::default(), absent: raw.formats.absent.clone(), faults };
        for rule in &raw.response.outcome {
            let when = &rule.when;
            recipe.faults.extend(when.fault.as_deref().map(|code| code.rsplit(':').next().unwrap_or(code).to_owned()));
            for path in [&when.exists, &when.missing, &when.empty].into_iter().flatten() {
                recipe.part(path);
            }
            for (path, constant) in &when.equals {
                let treat = Treat::OneOf(vec![word(constant)]);
                recipe.part(path).treats.push((path.as_str().into(), treat));
            }
        }
        let at = raw.response.at.clone().unwrap_or_default();
        recipe.fields(&raw.response.fields, raw, &plan.service().shape, &at);
        recipe
    }

    fn fields(&mut self, fields: &BTreeMap<String, raw::Field>, raw: &raw::Mapping, shape: &Shape, at: &str) {
        let service = std::sync::Arc::clone(self.plan.service());
        for (name, field) in fields {
            let Some(def) = shape.fields.iter().find(|def| *def.name == **name) else { continue };
            for (path, constant) in &field.filter {
                let treat = Treat::OneOf(vec![word(constant)]);
                let whole = join(&join(at, field.each.as_deref().unwrap_or_default()), path);
                self.part(&whole).treats.push((def.path.clone(), treat));
            }
            if let Some(path) = &field.count {
                self.part(&join(at, path));
            }
            match &def.kind {
                FieldKind::List { shape, .. } => {
                    let items = join(at, field.each.as_deref().unwrap_or_default());
                    self.part(&items);
                    self.fields(&field.fields, raw, shape, &items);
                }
                FieldKind::Scalar { kind, codes } | FieldKind::Values { kind, codes, .. } => {
                    let treat = treat(&service, field, raw, name, *kind, codes);
                    let paths = match (&field.from, &field.each) {
                        (Some(raw::From::One(path)), _) => vec![path.clone()],
                        (Some(raw::From::First(paths)), _) => paths.clone(),
                        (None, Some(path)) => vec![path.clone()],
                        (None, None) => Vec::new(),
                    };
                    for path in paths {
                        self.part(&join(at, &path)).treats.push((def.path.clone(), treat.clone()));
                    }
                }
            }
        }
    }

    /// The part behind a path from the answer's root; with those above it known from now on.
    fn part(&mut self, path: &str) -> &mut Part {
        let mut part = &mut self.root;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let local = name.rsplit(':').next().unwrap_or(name);
            part = part.children.entry(local.to_owned()).or_default();
            part.known = true;
        }
        part
    }

    /// Makes an exchange synthetic.
    ///
    /// # Errors
    /// What cannot be made synthetic; then nothing of it may be written.
    pub fn mask(&self, subject: Option<&Subject>, inputs: &[(Box<str>, Value)], status: u16, answer: &[u8]) -> Result<Masked, Unmaskable> {
        let mut names = StandIns::default();
        let masked = match Stage::of(self.plan.protocol()) {
            Stage::Http(Syntax::Json) | Stage::Delivered => self.json(answer, &mut names)?,
            Stage::Http(Syntax::Xml) => self.xml(answer, &mut names)?,
        };
        let subject = subject.map(|subject| names.subject(subject));
        let inputs: Vec<(Box<str>, Value)> =
            inputs.iter().map(|(name, value)| (name.clone(), self.input(name, value, &mut names))).collect();
        let by_name = inputs.iter().cloned().collect();
        let written = self.plan.write(&Asked { subject: subject.as_ref(), inputs: &by_name, consent: None });
        let question =
            written.map_err(|error| Unmaskable::AnotherAnswer { original: "a question".to_owned(), synthetic: error.to_string() })?;

        let (original, synthetic) = (self.comes_to(status, answer), self.comes_to(status, &masked));
        if original != synthetic {
            return Err(Unmaskable::AnotherAnswer { original, synthetic });
        }
        let text = format!("{} {}", String::from_utf8_lossy(&masked), question_text(&question));
        match names.originals.iter().find(|(_, original)| original.chars().count() >= TRACE_MIN && text.contains(original.as_str())) {
            Some((field, _)) => Err(Unmaskable::Survives(field.clone())),
            None => Ok(Masked { subject, inputs, question, answer: masked }),
        }
    }

    /// What an answer is read as, without its values.
    fn comes_to(&self, status: u16, body: &[u8]) -> String {
        match self.plan.read(WireAnswer { status, body }, Profile::Test, &Limits::default()) {
            Ok(reading) => format!("{} by rule {}", reading.outcome, reading.rule + 1),
            Err(error) => format!("INVALID_DATA by {} at {}", error.rule(), error.path().unwrap_or("the answer")),
        }
    }

    fn input(&self, name: &str, value: &Value, names: &mut StandIns) -> Value {
        let service = self.plan.service();
        let Some(input) = service.inputs.iter().find(|input| *input.name == *name) else { return value.clone() };
        let one = |value: &Value, names: &mut StandIns| match (input.kind, value) {
            (Type::Fin, Value::Text(text)) => Value::Text(names.fin(name, text).into()),
            (Type::Tin, Value::Text(text)) => Value::Text(names.tin(name, text).into()),
            (Type::Text, Value::Text(text)) => Value::Text(names.text(name, text).into()),
            (Type::Code, Value::Text(text)) if input.codes.is_empty() => Value::Text(names.text(name, text).into()),
            (Type::Date, Value::Text(text)) => Value::Text(names.date(name, text, "yyyy-MM-dd").into()),
            (_, other) => other.clone(),
        };
        match value {
            Value::Values(values) => Value::Values(values.iter().map(|value| one(value, names)).collect()),
            value => one(value, names),
        }
    }

    fn value(&self, part: &Part, text: &str, names: &mut StandIns) -> Result<String, Unmaskable> {
        let trimmed = text.trim();
        if trimmed.is_empty() || self.absent.iter().any(|absent| absent == trimmed) {
            return Ok(text.to_owned());
        }
        // A constant that a rule asks for stays, whatever the rules beside it ask for.
        if part.treats.iter().any(|(_, treat)| matches!(treat, Treat::OneOf(known) if known.iter().any(|word| word == trimmed))) {
            return Ok(text.to_owned());
        }
        let mut shown = trimmed.to_owned();
        if part.treats.is_empty() {
            // Known to be there, and read by nobody.
            return Ok(names.text("a part that is not read", trimmed));
        }
        for (field, treat) in &part.treats {
            // A part that several fields read has been made synthetic by the first that names somebody.
            if shown == trimmed {
                shown = treated(treat, field, trimmed, names)?;
            }
        }
        Ok(shown)
    }

    fn json(&self, answer: &[u8], names: &mut StandIns) -> Result<Vec<u8>, Unmaskable> {
        if answer.is_empty() {
            return Ok(Vec::new());
        }
        let json: Json = serde_json::from_slice(answer).map_err(|_| Unmaskable::Syntax("JSON"))?;
        let masked = self.json_part(&self.root, &json, names, 0)?;
        serde_json::to_vec_pretty(&masked).map_err(|_| Unmaskable::Syntax("JSON"))
    }

    fn json_part(&self, part: &Part, value: &Json, names: &mut StandIns, depth: usize) -> Result<Json, Unmaskable> {
        if depth > DEPTH_MAX {
            return Err(Unmaskable::Syntax("of bounded depth"));
        }
        Ok(match value {
            Json::Array(items) => {
                Json::Array(items.iter().map(|item| self.json_part(part, item, names, depth + 1)).collect::<Result<_, _>>()?)
            }
            Json::Object(members) => {
                let mut kept = Map::new();
                for (name, value) in members {
                    if let Some(child) = part.children.get(name) {
                        kept.insert(name.clone(), self.json_part(child, value, names, depth + 1)?);
                    }
                }
                Json::Object(kept)
            }
            Json::Null | Json::Bool(_) => value.clone(),
            Json::String(text) => Json::String(self.value(part, text, names)?),
            Json::Number(number) => {
                let shown = self.value(part, &number.to_string(), names)?;
                serde_json::from_str(&shown).unwrap_or(Json::String(shown))
            }
        })
    }

    /// The envelope, its body and what is known in it. Headers, comments and attributes are dropped, but for the
    /// declarations of namespaces.
    fn xml(&self, answer: &[u8], names: &mut StandIns) -> Result<Vec<u8>, Unmaskable> {
        if answer.is_empty() {
            return Ok(Vec::new());
        }
        let broken = || Unmaskable::Syntax("XML");
        let text = std::str::from_utf8(answer).map_err(|_| broken())?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        writer.write_event(Event::Decl(quick_xml::events::BytesDecl::new("1.0", Some("UTF-8"), None))).map_err(|_| broken())?;
        // Envelope and body are the protocol's; a fault's own parts are too.
        let mut open: Vec<Open<'_>> = Vec::new();
        let mut skipped = 0_usize;
        loop {
            match reader.read_event().map_err(|_| broken())? {
                Event::Eof => break,
                Event::Start(start) => {
                    let local = start.local_name().as_ref().to_owned();
                    if skipped > 0 || open.len() > DEPTH_MAX {
                        skipped += 1;
                        continue;
                    }
                    let Some(next) = self.enter(open.last(), &local) else {
                        skipped += 1;
                        continue;
                    };
                    let mut kept = BytesStart::new(start.name().as_ref().to_owned());
                    for attribute in start.attributes().flatten().filter(|attribute| attribute.key.as_ref().starts_with("xmlns")) {
                        kept.push_attribute(attribute);
                    }
                    writer.write_event(Event::Start(kept)).map_err(|_| broken())?;
                    open.push(next);
                }
                Event::End(end) => {
                    if skipped > 0 {
                        skipped -= 1;
                        continue;
                    }
                    let closed = open.pop().ok_or_else(broken)?;
                    if let Some(shown) = self.text_of(&closed, names)? {
                        writer.write_event(Event::Text(BytesText::new(&shown))).map_err(|_| broken())?;
                    }
                    let name = end.name().as_ref().to_owned();
                    writer.write_event(Event::End(BytesEnd::new(name))).map_err(|_| broken())?;
                }
                Event::Text(content) if skipped == 0 => {
                    if let Some(last) = open.last_mut() {
                        last.text.push_str(&content.xml10_content());
                    }
                }
                Event::CData(content) if skipped == 0 => {
                    if let Some(last) = open.last_mut() {
                        last.text.push_str(&content.xml10_content());
                    }
                }
                Event::GeneralRef(reference) if skipped == 0 => {
                    let resolved = reference.resolve_char_ref().map_err(|_| broken())?;
                    let resolved = resolved.or_else(|| quick_xml::escape::resolve_predefined_entity(&reference)?.chars().next());
                    if let Some(last) = open.last_mut() {
                        last.text.push(resolved.ok_or_else(broken)?);
                    }
                }
                Event::DocType(_) => return Err(broken()),
                _ => {}
            }
        }
        if !open.is_empty() {
            return Err(broken());
        }
        Ok(writer.into_inner())
    }

    /// What an element below another one is; none where it is dropped.
    fn enter<'p>(&'p self, above: Option<&Open<'p>>, local: &str) -> Option<Open<'p>> {
        let place = match above.map(|open| &open.place) {
            None => (local == "Envelope").then_some(Place::Protocol)?,
            Some(Place::Protocol) => match local {
                "Body" => Place::Protocol,
                "Fault" => Place::Fault,
                _ => Place::Part(self.root.children.get(local)?),
            },
            // The codes of a fault, and nothing of its words.
            Some(Place::Fault) => match local {
                "faultcode" | "Code" | "Subcode" | "Value" => Place::Fault,
                _ => return None,
            },
            Some(Place::Part(part)) => Place::Part(part.children.get(local)?),
        };
        Some(Open { place, text: String::new() })
    }

    /// The text of an element that is closed; none where it has none of its own.
    fn text_of(&self, open: &Open<'_>, names: &mut StandIns) -> Result<Option<String>, Unmaskable> {
        let trimmed = open.text.trim();
        match open.place {
            _ if trimmed.is_empty() => Ok(None),
            // A code that nobody has declared may say anything.
            Place::Fault if self.faults.iter().any(|code| trimmed.rsplit(':').next() == Some(code)) => Ok(Some(trimmed.to_owned())),
            Place::Fault => Ok(Some(names.text("the fault's code", trimmed))),
            Place::Part(part) if part.children.is_empty() => self.value(part, trimmed, names).map(Some),
            Place::Protocol | Place::Part(_) => Ok(None),
        }
    }
}

/// An open element.
struct Open<'p> {
    place: Place<'p>,
    text: String,
}

enum Place<'p> {
    /// Envelope or body.
    Protocol,
    Fault,
    Part(&'p Part),
}

/// What is done with a field's value, by its contract and its mapping.
fn treat(service: &Service, field: &raw::Field, raw: &raw::Mapping, name: &str, kind: Type, codes: &[Box<str>]) -> Treat {
    let confirmed = |part: SubjectPart| service.confirms.iter().any(|rule| *rule.field == *name && rule.with == Confirmed::Subject(part));
    let is_count = service.confirms.iter().any(|rule| *rule.field == *name && matches!(rule.with, Confirmed::Count(_)));
    let table = field.table.as_ref().and_then(|table| raw.tables.get(table));
    let plain = match (table, kind) {
        (Some(table), _) => Treat::OneOf(table.rows.keys().cloned().collect()),
        (None, Type::Fin) => Treat::Fin,
        (None, Type::Tin) => Treat::Tin,
        (None, Type::Text | Type::Code) if confirmed(SubjectPart::DocumentSeries) => Treat::Series,
        (None, Type::Code) if !codes.is_empty() => Treat::OneOf(codes.iter().map(ToString::to_string).collect()),
        (None, Type::Text | Type::Code) => Treat::Text,
        (None, Type::Int) if is_count => Treat::Count,
        (None, Type::Int | Type::Decimal | Type::Money) => Treat::Number,
        (None, Type::Bool) => Treat::OneOf(["true", "false", "1", "0"].map(str::to_owned).to_vec()),
        (None, Type::Month) => {
            Treat::Month(field.format.clone().or_else(|| raw.formats.month.clone()).unwrap_or_else(|| "yyyy-MM".to_owned()))
        }
        (None, Type::Date) => {
            Treat::Date(field.format.clone().or_else(|| raw.formats.date.clone()).unwrap_or_else(|| "yyyy-MM-dd".to_owned()))
        }
        (None, Type::Datetime) => match field.format.clone().or_else(|| raw.formats.datetime.clone()) {
            Some(pattern) => Treat::Date(pattern),
            None => Treat::Moment,
        },
        (None, Type::PartialDate) => Treat::Number,
        (None, Type::Fraction) => Treat::Fraction,
        (None, Type::Bytes) => Treat::Refused,
    };
    // A PIN has the form of a FIN and the contract's type of a text.
    let plain = if confirmed(SubjectPart::Pin) || field.kind == Some(Kind::Text) && kind == Type::Fin { Treat::Fin } else { plain };
    field.steps.iter().fold(plain, |treat, step| match step {
        raw::Step::Capture(expression) => match Regex::new(expression) {
            Ok(expression) => Treat::Captured(Box::new(treat), expression),
            Err(_) => Treat::Refused,
        },
        _ => treat,
    })
}

fn treated(treat: &Treat, field: &str, text: &str, names: &mut StandIns) -> Result<String, Unmaskable> {
    Ok(match treat {
        Treat::Count if text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        Treat::Month(pattern) if has_pattern(text, pattern) => text.to_owned(),
        Treat::OneOf(known) if known.iter().any(|word| word == text) => text.to_owned(),
        Treat::Count | Treat::Month(_) | Treat::OneOf(_) | Treat::Text => names.text(field, text),
        Treat::Fin => names.fin(field, text),
        Treat::Tin => names.tin(field, text),
        Treat::Series => names.instead(field, 4, text, |_| "ZZ".to_owned()),
        Treat::Number => names.number(field, text),
        Treat::Date(pattern) => names.date(field, text, pattern),
        Treat::Moment => names.moment(field, text),
        Treat::Fraction => names.instead(field, 7, text, |original| if original == "1/2" { "1/3" } else { "1/2" }.to_owned()),
        Treat::Captured(inner, expression) => {
            let form = || Unmaskable::Form(field.into());
            let group = expression.captures(text).and_then(|captures| captures.get(1)).ok_or_else(form)?;
            let (before, after) = (text.get(..group.start()).unwrap_or_default(), text.get(group.end()..).unwrap_or_default());
            // What stands around the group must be the expression's own words: anything else may be a name.
            let own = |word: &str| word.chars().filter(|sign| sign.is_alphanumeric()).count() == 0 || expression.as_str().contains(word);
            if ![before, after].iter().flat_map(|around| around.split_whitespace()).all(own) {
                return Err(form());
            }
            format!("{before}{}{after}", treated(inner, field, group.as_str(), names)?)
        }
        Treat::Refused => return Err(Unmaskable::Type(field.into())),
    })
}

impl StandIns {
    /// The stand-in of a value in its class, made once.
    fn instead(&mut self, field: &str, class: u8, original: &str, make: impl Fn(&str) -> String) -> String {
        if let Some(known) = self.by_original.get(&(class, original.to_owned())) {
            return known.clone();
        }
        let made = make(original);
        if made != original {
            self.originals.push((field.into(), original.to_owned()));
        }
        self.by_original.insert((class, original.to_owned()), made.clone());
        made
    }

    fn next(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    fn fin(&mut self, field: &str, original: &str) -> String {
        let number = self.next();
        self.instead(field, 1, original, |original| {
            let made = |number: usize| format!("7Z{number:04}O");
            if made(number) == original { made(number + 5_000) } else { made(number) }
        })
    }

    fn tin(&mut self, field: &str, original: &str) -> String {
        let number = self.next();
        self.instead(field, 2, original, |original| {
            let made = |number: usize| format!("99{number:07}3");
            if made(number) == original { made(number + 5_000_000) } else { made(number) }
        })
    }

    /// A text in the form of the original: digits for digits, capitals for capitals; words where it is words.
    fn text(&mut self, field: &str, original: &str) -> String {
        let number = self.next();
        self.instead(field, 3, original, |original| {
            let is_token = original.chars().all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign.is_ascii_punctuation());
            if is_token { shaped(original, number) } else { format!("Sınaq {number}") }
        })
    }

    fn number(&mut self, field: &str, original: &str) -> String {
        // What is no number is a text, and may be a name.
        if !original.chars().all(|sign| sign.is_ascii_digit() || matches!(sign, '.' | ',' | '-' | ' ' | '\u{a0}')) {
            return self.text(field, original);
        }
        // None of something is no secret, and often a rule of its own.
        if !original.chars().any(|sign| ('1'..='9').contains(&sign)) {
            return original.to_owned();
        }
        let number = self.next();
        self.instead(field, 5, original, |original| shaped(original, number))
    }

    /// A day of the same pattern, in the years from 1950 on.
    fn date(&mut self, field: &str, original: &str, pattern: &str) -> String {
        let number = self.next();
        self.instead(field, 6, original, |original| {
            let day = |number: usize| {
                let days = i64::try_from(number * 397 % 18_000).unwrap_or_default();
                jiff::civil::date(1950, 1, 1).saturating_add(jiff::Span::new().days(days))
            };
            let made = |number: usize| {
                let day = day(number);
                let parts =
                    [("yyyy", format!("{:04}", day.year())), ("MM", format!("{:02}", day.month())), ("dd", format!("{:02}", day.day()))];
                let parts = parts.into_iter().chain([("HH", "12".to_owned()), ("mm", "00".to_owned()), ("ss", "00".to_owned())]);
                parts.fold(pattern.to_owned(), |text, (name, value)| text.replace(name, &value))
            };
            if made(number) == original { made(number + 1) } else { made(number) }
        })
    }

    /// A moment of the same form (RFC 3339): noon of a day.
    fn moment(&mut self, field: &str, original: &str) -> String {
        let day = self.date(field, original.get(..10).unwrap_or(original), "yyyy-MM-dd");
        let zone = if original.ends_with('Z') { "Z" } else { "+04:00" };
        self.instead(field, 8, original, |_| format!("{day}T12:00:00{zone}"))
    }

    fn subject(&mut self, subject: &Subject) -> Subject {
        match subject {
            Subject::Fin(fin) => Subject::Fin(self.fin("subject", fin)),
            Subject::Pin(pin) => Subject::Pin(self.fin("subject", pin)),
            Subject::Tin(tin) => Subject::Tin(self.tin("subject", tin)),
            Subject::Document(document) => {
                let number = self.text("subject", &document.document.number);
                let day = self.date("subject", &document.birth_date.to_string(), "yyyy-MM-dd");
                Subject::Document(DocumentSubject {
                    document: Document { series: "ZZ".to_owned(), number },
                    birth_date: day.parse().unwrap_or(document.birth_date),
                })
            }
        }
    }
}

/// Whether a text has digits where the pattern has letters, and the pattern's own signs elsewhere.
fn has_pattern(text: &str, pattern: &str) -> bool {
    let fits = |(sign, of): (char, char)| if of.is_ascii_alphabetic() { sign.is_ascii_digit() } else { sign == of };
    text.chars().count() == pattern.chars().count() && text.chars().zip(pattern.chars()).all(fits)
}

/// The same signs with other digits and letters, which count up from the end; never the same text.
fn shaped(original: &str, number: usize) -> String {
    let leading = original.chars().take_while(|sign| !sign.is_ascii_alphanumeric() || *sign == '0').count();
    let make = |number: usize| -> String {
        let mut rest = number;
        let signs: Vec<char> = original.chars().collect();
        let turned = signs.iter().enumerate().rev().map(|(at, sign)| {
            let turn = u8::try_from(rest % 9).unwrap_or_default();
            match sign {
                // What a number begins with decides how it is read.
                '0' if at < leading => '0',
                '0'..='9' => {
                    rest /= 9;
                    char::from(b'1' + turn)
                }
                'A'..='Z' => {
                    rest /= 9;
                    char::from(b'P' + turn)
                }
                other => *other,
            }
        });
        let mut turned: Vec<char> = turned.collect();
        turned.reverse();
        turned.into_iter().collect()
    };
    (0..9).map(|more| make(number + more)).find(|made| made != original).unwrap_or_default()
}

fn join(at: &str, path: &str) -> String {
    if at.is_empty() || path.is_empty() { format!("{at}{path}") } else { format!("{at}/{path}") }
}

fn word(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Text(text) => text.clone(),
    }
}

/// A question as a person reads it.
#[must_use]
pub fn question_text(question: &WireQuestion) -> String {
    match question {
        WireQuestion::Soap { body, .. } => String::from_utf8_lossy(body).into_owned(),
        WireQuestion::Rest { method, path_and_query, body } => {
            let body = body.as_deref().map(|body| format!("\n{}", String::from_utf8_lossy(body))).unwrap_or_default();
            format!("{method} {path_and_query}{body}")
        }
        WireQuestion::LookUp { keys } => keys.iter().map(|(column, text)| format!("{column}={text}\n")).collect(),
    }
}

#[cfg(test)]
mod tests;
