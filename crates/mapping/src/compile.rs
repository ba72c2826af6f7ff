//! From the raw YAML shape to a checked plan; every problem of a file at once.

mod file;
mod request;
mod response;
mod rules;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::document::{Document, escape};
use model::id::split_versioned;
use model::{Decimal, Problem, Problems, Profile, Service, ServiceId, Type, Value, Version};

use crate::example::{Example, Question};
use crate::path::{self, Name, PathError};
use crate::plan::{FileForm, Paging, Plan, Protocol};
use crate::raw;
use crate::read::tree::{Syntax, Tree};

/// The service version a mapping file says it maps, before anything else of it is checked.
#[must_use]
pub fn target(document: &Document) -> Option<(ServiceId, Version)> {
    let (name, version) = split_versioned(document.value.get("mapping")?.as_str()?).ok()?;
    Some((ServiceId::new(name).ok()?, version))
}

/// The JSON Schema of mapping files, by the name it has in `contracts/schema/`.
#[must_use]
pub fn schema() -> (&'static str, serde_json::Value) {
    ("mapping.schema.json", schemars::schema_for!(raw::Mapping).to_value())
}

/// Compiles a mapping against its contract. Every problem is added to `problems`; `None` when there
/// was one. Does no I/O: the examples are read by [`crate::check_examples`].
pub fn compile(document: &Document, service: &Arc<Service>, problems: &mut Problems) -> Option<Plan> {
    let before = problems.as_slice().len();
    let raw: raw::Mapping = document.decode(problems)?;
    let mut check = Check { document, service, raw: &raw, problems };
    check.head();
    let file = file::compile(&mut check);
    let values = values::Values::new(&mut check);
    let (request, tables) = request::compile(&mut check, &values);
    let response = response::compile(&mut check, &values, tables);
    let examples = check.examples();
    if problems.as_slice().len() > before {
        return None;
    }
    let (tree, rules, fields) = response?;
    Some(Plan { service: Arc::clone(service), protocol: protocol(&raw, &tree, file)?, request: request?, tree, rules, fields, examples })
}

fn protocol(raw: &raw::Mapping, tree: &Tree, file: Option<FileForm>) -> Option<Protocol> {
    let wire = &raw.wire;
    Some(match wire.protocol {
        raw::Protocol::Files => Protocol::Files(Box::new(file?)),
        raw::Protocol::Soap11 => Protocol::Soap11,
        raw::Protocol::Soap12 => Protocol::Soap12,
        raw::Protocol::RestJson => Protocol::RestJson { paging: wire.paging.as_ref().map(|paging| self::paging(paging, tree)) },
        raw::Protocol::XroadRest => Protocol::XroadRest { service_code: wire.service.as_ref()?.code.as_str().into() },
        raw::Protocol::XroadSoap => {
            let service = wire.service.as_ref()?;
            Protocol::XroadSoap { service_code: service.code.as_str().into(), service_version: service.version.as_deref().map(Into::into) }
        }
    })
}

fn paging(raw: &raw::Paging, tree: &Tree) -> Paging {
    let read = tree.nodes[0].children.iter().map(|child| &tree.nodes[*child]).filter(|node| !node.ignore);
    let same = read.map(|node| &node.name).filter(|name| ***name != *raw.items && ***name != *raw.cursor);
    Paging {
        items: raw.items.as_str().into(),
        cursor: raw.cursor.as_str().into(),
        query: raw.query.as_str().into(),
        pages_max: raw.pages_max,
        expired: raw.expired,
        same: same.cloned().collect(),
    }
}

/// A check under way: what is checked, against what, and what was found.
struct Check<'a> {
    document: &'a Document,
    service: &'a Service,
    raw: &'a raw::Mapping,
    problems: &'a mut Problems,
}

impl Check<'_> {
    /// A problem at a value.
    fn problem(&mut self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) {
        let problem = self.document.problem(pointer, rule, message, accepted);
        self.add(problem);
    }

    /// A problem at a key.
    fn problem_at_key(&mut self, pointer: &str, rule: &'static str, message: impl Into<String>, accepted: impl Into<String>) {
        let problem = self.document.problem_at_key(pointer, rule, message, accepted);
        self.add(problem);
    }

    fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn is_soap(&self) -> bool {
        self.syntax() != Syntax::Json
    }

    fn syntax(&self) -> Syntax {
        match self.raw.wire.protocol {
            raw::Protocol::Soap11 | raw::Protocol::XroadSoap => Syntax::Soap11,
            raw::Protocol::Soap12 => Syntax::Soap12,
            raw::Protocol::RestJson | raw::Protocol::XroadRest | raw::Protocol::Files => Syntax::Json,
        }
    }

    /// Parses a path, or says what is wrong with it.
    fn path(&mut self, pointer: &str, text: &str) -> Option<Vec<Name>> {
        let parsed = if self.is_soap() { path::xml(text, &self.raw.wire.ns) } else { path::json(text) };
        match parsed {
            Ok(names) => Some(names),
            Err(PathError::UnknownPrefix(prefix)) => {
                let known = self.raw.wire.ns.keys().cloned().collect::<Vec<_>>().join(", ");
                self.problem(pointer, "unknown-prefix", format!("the prefix `{prefix}` is not in `wire.ns`"), known);
                None
            }
            Err(PathError::BadName(part)) => {
                let accepted = if self.is_soap() { "names such as a:Ad joined by /" } else { "keys joined by /" };
                self.problem(pointer, "wrong-path", format!("`{part}` is not a name"), accepted);
                None
            }
            Err(PathError::TooLong) => {
                self.problem(pointer, "wrong-path", "the path is too long", format!("at most {} parts", path::PARTS_MAX));
                None
            }
        }
    }

    fn head(&mut self) {
        let versioned = self.service.versioned();
        if self.raw.mapping != versioned {
            self.problem("/mapping", "wrong-service", format!("the mapping is for `{}`", self.raw.mapping), versioned);
        }
        let wire = &self.raw.wire;
        let xroad = matches!(wire.protocol, raw::Protocol::XroadSoap | raw::Protocol::XroadRest);
        match (&wire.service, xroad) {
            (None, true) => self.problem_at_key("/wire", "missing-key", "X-Road needs the service code", "`service`"),
            (Some(_), false) => {
                self.problem_at_key("/wire/service", "unused-key", "only X-Road has a service code", "protocol: xroad-soap, xroad-rest")
            }
            (Some(service), true) => {
                let good = |text: &str| {
                    !text.is_empty() && text.len() <= 128 && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_.".contains(sign))
                };
                if service.version.is_some() && wire.protocol == raw::Protocol::XroadRest {
                    let message = "X-Road REST names a service without version";
                    self.problem_at_key("/wire/service/version", "unused-key", message, "the version as a segment of `path`");
                }
                if !good(&service.code) || !service.version.as_deref().is_none_or(good) {
                    self.problem("/wire/service", "wrong-value", "not an X-Road identifier", "letters, digits, `-`, `_` and `.`");
                }
            }
            (None, false) => {}
        }
        if !self.is_soap() {
            if wire.action.is_some() {
                self.problem_at_key("/wire/action", "unused-key", "only SOAP has an action", "a SOAP protocol");
            }
            if !wire.ns.is_empty() {
                self.problem_at_key("/wire/ns", "unused-key", "JSON has no namespaces", "a SOAP protocol");
            }
        }
        self.paging();
        if let Some(action) = &wire.action
            && !action.chars().all(|sign| sign.is_ascii_graphic() && sign != '"')
        {
            self.problem("/wire/action", "wrong-value", "not a URI", "printable ASCII without blanks and quotes");
        }
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (prefix, ns) in &wire.ns {
            let pointer = format!("/wire/ns/{}", escape(prefix));
            if !path::is_xml_name(prefix) || prefix.starts_with("xml") || ns.is_empty() || ns.chars().any(char::is_control) {
                self.problem(&pointer, "wrong-value", "not a prefix with its namespace", "a name that does not begin with xml, and a URI");
            }
            if let Some(other) = owners.insert(ns, prefix) {
                self.problem(
                    &pointer,
                    "doubled-namespace",
                    format!("the namespace has the prefix `{other}` already"),
                    "one prefix for each",
                );
            }
        }
    }

    /// A list in pages is the whole answer's, and nothing of a page but the list is lost by joining them.
    fn paging(&mut self) {
        let raw = self.raw;
        let Some(paging) = &raw.wire.paging else { return };
        if raw.wire.protocol != raw::Protocol::RestJson || raw.request.method != Some(raw::Method::Get) || raw.response.at.is_some() {
            let message = "only a list at the top of an answer to a GET comes in pages";
            self.problem_at_key("/wire/paging", "wrong-paging", message, "protocol: rest-json, method: GET, no `at`");
        }
        if !raw.response.fields.values().any(|field| field.each.as_ref() == Some(&paging.items)) {
            let message = format!("no field is the list `{}`", paging.items);
            self.problem("/wire/paging/items", "wrong-paging", message, "the `each` of a field");
        }
        if !raw.response.ignore.contains(&paging.cursor) {
            let message = format!("the cursor `{}` is read, or undeclared", paging.cursor);
            self.problem("/wire/paging/cursor", "wrong-paging", message, "a key in `ignore`: the pages are the adapter's");
        }
        if paging.query.is_empty() || raw.request.query.iter().any(|put| put.to == paging.query) {
            self.problem("/wire/paging/query", "wrong-paging", "the name is empty or the question has it already", "a name of its own");
        }
        if !(2..=100).contains(&paging.pages_max) {
            self.problem("/wire/paging/pages_max", "wrong-paging", "not a number of pages", "2 to 100");
        }
        if paging.expired.is_some_and(|status| !(400..=499).contains(&status) || status == 429) {
            self.problem("/wire/paging/expired", "wrong-paging", "not a status that refuses a cursor", "400 to 499, such as 410; not 429");
        }
    }

    fn examples(&mut self) -> Vec<Example> {
        let raw = self.raw;
        if raw.examples.is_empty() {
            self.problem("/examples", "no-examples", "a mapping without examples", "an answer for every outcome rule");
        }
        let mut examples = Vec::new();
        for (place, example) in raw.examples.iter().enumerate() {
            let pointer = format!("/examples/{place}");
            let file = if let raw::Expect::File(file) = &example.expect { Some(file) } else { None };
            for (key, name) in [("answer", example.answer.as_ref()), ("expect", file)] {
                let plain = |name: &String| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
                if !name.is_none_or(plain) {
                    self.problem(&format!("{pointer}/{key}"), "wrong-value", "not a plain file name", "a file in examples/<service>/");
                }
            }
            examples.push(Example {
                answer: example.answer.as_deref().map(Into::into),
                status: example.status.unwrap_or(200),
                asked: example.asked.as_ref().map(|asked| self.question(&format!("{pointer}/asked"), asked)),
                expect: example.expect.clone(),
            });
        }
        examples
    }

    /// A question of an example. A slip in it would let the example show a contradiction that is none.
    fn question(&mut self, at: &str, raw: &raw::Question) -> Question {
        let service = self.service;
        if let Some(subject) = &raw.subject {
            let pointer = format!("{at}/subject");
            if !service.subject.contains(&subject.form()) {
                self.problem(&pointer, "unknown-input", "the contract is not asked by this", "a form of subject that it takes");
            } else if subject.check(Profile::Test).is_err() {
                self.problem(&pointer, "wrong-value", "not the form of a synthetic person or taxpayer", "such as {fin: 5K7QX2O}");
            }
        }
        let mut inputs = Vec::new();
        for (name, scalar) in &raw.input {
            let pointer = format!("{at}/input/{}", escape(name));
            let Some(input) = service.inputs.iter().find(|input| *input.name == **name) else {
                let accepted = service.inputs.iter().map(|input| &*input.name).collect::<Vec<_>>().join(", ");
                self.problem_at_key(&pointer, "unknown-input", format!("the contract has no input `{name}`"), accepted);
                continue;
            };
            match canonical(input.kind, scalar).filter(|_| input.list_max.is_none()) {
                Some(value) => inputs.push((name.as_str().into(), value)),
                None => self.problem(&pointer, "wrong-value", "not a value of this input", "one value in the contract's form"),
            }
        }
        Question { subject: raw.subject.clone(), inputs, at: raw.at.unwrap_or(Timestamp::MIN) }
    }
}

/// An input's value as the contract writes it.
fn canonical(kind: Type, scalar: &raw::Scalar) -> Option<Value> {
    match (kind, scalar) {
        (Type::Int | Type::Money, raw::Scalar::Int(number)) => Some(Value::Int(*number)),
        (Type::Bool, raw::Scalar::Bool(value)) => Some(Value::Bool(*value)),
        (Type::Decimal, raw::Scalar::Text(text)) => Decimal::new(text).map(Value::Decimal),
        (Type::Int | Type::Money | Type::Bool | Type::Decimal, _) => None,
        (_, raw::Scalar::Text(text)) => Some(Value::Text(text.as_str().into())),
        (_, raw::Scalar::Int(_) | raw::Scalar::Bool(_)) => None,
    }
}
