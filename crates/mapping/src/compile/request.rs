//! The request: ordered typed writes, checked to send what the contract asks for.

use std::collections::BTreeSet;

use model::contract::SubjectForm;
use model::{Type, Value};

use super::Check;
use super::values::{Values, fits, word};
use crate::path::Name;
use crate::raw::{self, Kind, Method, Scalar};
use crate::write::{Form, Item, Request, Segment, Slot, Source, Written, encode};

/// Compiles the request; every problem is reported.
pub(super) fn compile(check: &mut Check<'_>, values: &Values) -> Option<Request> {
    let raw = &check.raw.request;
    let mut sent = Sent::default();
    let request = if check.is_soap() { soap(check, values, raw, &mut sent) } else { rest(check, values, raw, &mut sent) };
    sent.check(check);
    request
}

fn soap(check: &mut Check<'_>, values: &Values, raw: &raw::Request, sent: &mut Sent) -> Option<Request> {
    for (key, present) in [("method", raw.method.is_some()), ("path", !raw.path.is_empty()), ("query", !raw.query.is_empty())] {
        if present {
            check.problem_at_key(&format!("/request/{key}"), "unused-key", format!("a SOAP request has no `{key}`"), "root, put");
        }
    }
    let items = body(check, values, &raw.put, sent);
    let Some(root) = &raw.root else {
        check.problem_at_key("/request", "missing-key", "a SOAP request needs its root element", "`root`");
        return None;
    };
    let names = check.path("/request/root", root)?;
    if names.len() != 1 {
        check.problem("/request/root", "wrong-path", "the root is one element", "one name");
        return None;
    }
    let mut root_open = format!("<{root}");
    for (prefix, ns) in &check.raw.wire.ns {
        if uses(prefix, root, &raw.put) {
            root_open.push_str(&format!(" xmlns:{prefix}=\"{}\"", quick_xml::escape::escape(ns.as_str())));
        }
    }
    Some(Request::Soap { action: check.raw.wire.action.clone(), root_open, root_close: format!("</{root}>"), items: items? })
}

fn uses(prefix: &str, root: &str, puts: &[raw::Put]) -> bool {
    let of = |name: &str| name.split_once(':').is_some_and(|(own, _)| own == prefix);
    of(root) || puts.iter().any(|put| put.to.split('/').any(of))
}

fn rest(check: &mut Check<'_>, values: &Values, raw: &raw::Request, sent: &mut Sent) -> Option<Request> {
    if raw.root.is_some() {
        check.problem_at_key("/request/root", "unused-key", "a JSON request has no root element", "method, path, query, put");
    }
    let Some(method) = raw.method else {
        check.problem_at_key("/request", "missing-key", "an HTTP request needs its method", "`method`");
        return None;
    };
    if raw.path.is_empty() {
        check.problem_at_key("/request", "missing-key", "an HTTP request needs its path", "`path`");
    }
    if method == Method::Get && !raw.put.is_empty() {
        check.problem_at_key("/request/put", "unused-key", "a GET has no body", "query, or method: POST");
    }
    let mut path = Vec::new();
    for (place, segment) in raw.path.iter().enumerate() {
        let pointer = format!("/request/path/{place}");
        match segment {
            raw::Segment::Word(word) => {
                if word.is_empty() || matches!(word.as_str(), "." | "..") || word.contains(['/', '?', '#', '%']) {
                    check.problem(&pointer, "wrong-path", "not one segment of a path", "a word without / ? # %");
                }
                let mut encoded = String::new();
                encode(word, &mut encoded);
                path.push(Segment::Word(encoded.into()));
            }
            raw::Segment::Value(value) => {
                let source = raw::Source::Reference(value.value.clone());
                let slot = slot(check, values, &pointer, &source, value.kind, false, sent);
                path.extend(slot.map(Segment::Value));
            }
        }
    }
    let mut query = Vec::new();
    let mut names = BTreeSet::new();
    for (place, put) in raw.query.iter().enumerate() {
        let pointer = format!("/request/query/{place}");
        if put.to.is_empty() || !names.insert(put.to.as_str()) {
            check.problem(&format!("{pointer}/to"), "duplicate-path", "the name is empty or stands twice", "each name once");
        }
        let slot = slot(check, values, &pointer, &put.value, put.kind, put.condition.is_some(), sent);
        query.extend(slot.map(|slot| (put.to.as_str().into(), slot)));
    }
    let items = body(check, values, &raw.put, sent);
    let (method, items) = match method {
        Method::Get => ("GET", None),
        Method::Post => ("POST", Some(items?)),
    };
    Some(Request::Rest { method, path, query, items })
}

fn body(check: &mut Check<'_>, values: &Values, puts: &[raw::Put], sent: &mut Sent) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut sound = true;
    for (place, put) in puts.iter().enumerate() {
        let pointer = format!("/request/put/{place}");
        let names = check.path(&format!("{pointer}/to"), &put.to);
        let slot = slot(check, values, &pointer, &put.value, put.kind, put.condition.is_some(), sent);
        let (Some(names), Some(slot)) = (names, slot) else {
            sound = false;
            continue;
        };
        if !place_item(&mut items, &names, slot) {
            let message = format!("`{}` is written twice, or around another value", put.to);
            check.problem(&format!("{pointer}/to"), "duplicate-path", message, "each path once");
        }
    }
    sound.then_some(items)
}

/// Puts a value at its path; neighbours with the same beginning share their branch, which keeps the
/// written order equal to the file's.
fn place_item(items: &mut Vec<Item>, names: &[Name], slot: Slot) -> bool {
    let Some((first, rest)) = names.split_first() else { return false };
    let known = items.iter().position(|item| match item {
        Item::Branch(name, _) | Item::Value(name, _) => **name == *first.text,
    });
    match (rest.is_empty(), known) {
        (true, None) => {
            items.push(Item::Value(first.text.clone(), slot));
            true
        }
        (true, Some(_)) => false,
        (false, None) => {
            let mut inside = Vec::new();
            let placed = place_item(&mut inside, rest, slot);
            items.push(Item::Branch(first.text.clone(), inside));
            placed
        }
        (false, Some(place)) => match &mut items[place] {
            Item::Branch(_, inside) => place_item(inside, rest, slot),
            Item::Value(..) => false,
        },
    }
}

fn slot(
    check: &mut Check<'_>,
    values: &Values,
    pointer: &str,
    source: &raw::Source,
    kind: Option<Kind>,
    optional: bool,
    sent: &mut Sent,
) -> Option<Slot> {
    let reference = match source {
        raw::Source::Const(fixed) => return constant(check, pointer, &fixed.value, kind),
        raw::Source::Reference(reference) => reference,
    };
    let at = format!("{pointer}/value");
    let (source, own) = resolve(check, &at, reference, sent)?;
    // Left out where absent, or always there: a value that may be absent must say so.
    let sometimes = match &source {
        Source::Input(name) => check.service.inputs.iter().any(|input| input.name == *name && !input.required),
        _ => check.service.subject.len() > 1,
    };
    if sometimes && !optional {
        let message = format!("not every question has `{reference}`");
        check.problem(&at, "not-always-present", message, "if: present");
        return None;
    }
    let kind_ok = kind.is_none_or(|kind| fits(kind, own));
    if !kind_ok {
        check.problem(&format!("{pointer}/as"), "wrong-type", format!("`{reference}` is of another type"), word(own));
        return None;
    }
    let form = match own {
        Type::Text | Type::Fin | Type::Tin | Type::Code | Type::Datetime | Type::PartialDate => Form::Text,
        Type::Int => Form::Int,
        Type::Decimal => Form::Decimal(values.decimal),
        Type::Money => Form::Money(values.money, values.decimal),
        Type::Bool => Form::Bool,
        Type::Date => Form::Date(values.date.clone()),
        Type::Month => Form::Month(values.month.clone()),
        Type::Bytes => {
            check.problem(&at, "wrong-type", "bytes cannot be written into a question", "another type");
            return None;
        }
    };
    Some(Slot { source, name: reference.as_str().into(), optional, form })
}

fn constant(check: &mut Check<'_>, pointer: &str, value: &Scalar, kind: Option<Kind>) -> Option<Slot> {
    let (form, value, own) = match value {
        Scalar::Bool(value) => (Form::Bool, Value::Bool(*value), Kind::Bool),
        Scalar::Int(number) => (Form::Int, Value::Int(*number), Kind::Int),
        Scalar::Text(text) => (Form::Text, Value::Text(text.as_str().into()), Kind::Text),
    };
    if kind.is_some_and(|kind| kind != own) {
        check.problem(&format!("{pointer}/as"), "wrong-type", "the fixed value is of another type", "the value's own type");
        return None;
    }
    let text = match &value {
        Value::Text(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null | Value::Decimal(_) | Value::Records(_) | Value::Values(_) => return None,
    };
    if text.chars().any(char::is_control) {
        check.problem(
            &format!("{pointer}/value"),
            "wrong-value",
            "a control character in a fixed value",
            "text without control characters",
        );
    }
    let written = Written { text, bare: !matches!(form, Form::Text) };
    Some(Slot { source: Source::Const(written), name: "const".into(), optional: false, form })
}

/// The source a reference names, and its type.
fn resolve(check: &mut Check<'_>, at: &str, reference: &str, sent: &mut Sent) -> Option<(Source, Type)> {
    let subject = |form, part, source, kind| (form, part, source, kind);
    let (form, part, source, kind) = match reference {
        "subject.fin" => subject(SubjectForm::Fin, 0, Source::Fin, Type::Fin),
        "subject.pin" => subject(SubjectForm::Pin, 0, Source::Pin, Type::Text),
        "subject.tin" => subject(SubjectForm::Tin, 0, Source::Tin, Type::Tin),
        "subject.document.series" => subject(SubjectForm::Document, 0, Source::Series, Type::Text),
        "subject.document.number" => subject(SubjectForm::Document, 1, Source::Number, Type::Text),
        "subject.birth_date" => subject(SubjectForm::Document, 2, Source::BirthDate, Type::Date),
        other => {
            let input = other.strip_prefix("input.");
            let known = input.and_then(|name| check.service.inputs.iter().find(|input| &*input.name == name));
            let Some(input) = known else {
                let inputs = check.service.inputs.iter().map(|input| format!("input.{}", input.name));
                let accepted: Vec<String> =
                    check.service.subject.iter().flat_map(|form| words(*form)).map(|word| (*word).to_owned()).chain(inputs).collect();
                check.problem(at, "unknown-input", format!("the contract has no `{other}`"), accepted.join(", "));
                return None;
            };
            sent.inputs.insert(input.name.to_string());
            return Some((Source::Input(input.name.clone()), input.kind));
        }
    };
    if !check.service.subject.contains(&form) {
        let accepted = check.service.subject.iter().flat_map(|form| words(*form)).copied().collect::<Vec<_>>().join(", ");
        check.problem(at, "unknown-input", format!("the contract accepts no subject with `{reference}`"), accepted);
        return None;
    }
    sent.subject.insert(words(form)[part]);
    Some((source, kind))
}

/// What a subject form is made of.
fn words(form: SubjectForm) -> &'static [&'static str] {
    match form {
        SubjectForm::Fin => &["subject.fin"],
        SubjectForm::Pin => &["subject.pin"],
        SubjectForm::Tin => &["subject.tin"],
        SubjectForm::Document => &["subject.document.series", "subject.document.number", "subject.birth_date"],
    }
}

/// What the request sends, so that nothing the contract asks for is left out: a question without its
/// subject would be a question about somebody else, or about everybody.
#[derive(Debug, Default)]
struct Sent {
    subject: BTreeSet<&'static str>,
    inputs: BTreeSet<String>,
}

impl Sent {
    fn check(&self, check: &mut Check<'_>) {
        let service = check.service;
        // Where a needed input comes from an earlier answer about the same person, that input names the subject.
        let named = service.inputs.iter().any(|input| input.required && input.comes_from.is_some());
        let all = service.subject.iter().flat_map(|form| words(*form));
        for word in all.filter(|word| !(self.subject.contains(**word) || named && self.subject.is_empty())) {
            check.problem_at_key("/request", "unsent-input", format!("the request does not send `{word}`"), format!("value: {word}"));
        }
        for input in service.inputs.iter().filter(|input| !self.inputs.contains(&*input.name)) {
            let name = &input.name;
            check.problem_at_key(
                "/request",
                "unsent-input",
                format!("the request does not send `input.{name}`"),
                format!("value: input.{name}"),
            );
        }
    }
}
