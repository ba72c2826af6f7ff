//! The request: ordered typed writes, checked to send what the contract asks for.

use std::collections::BTreeSet;

use model::contract::{Input, SubjectForm};
use model::{Service, Type, Value};

use super::Check;
use super::values::{Values, fits, word};
use crate::path::Name;
use crate::raw::{self, Kind, Method, Scalar};
use crate::write::{Form, Item, Request, Segment, Slot, Source, Written, encode};

/// Compiles the request; every problem is reported. Gives the names of the tables it uses besides.
pub(super) fn compile(check: &mut Check<'_>, values: &Values) -> (Option<Request>, BTreeSet<String>) {
    let raw = &check.raw.request;
    let mut sent = Sent::default();
    let request = match check.raw.wire.protocol {
        raw::Protocol::Files => look_up(check, values, raw, &mut sent),
        _ if check.is_soap() => soap(check, values, raw, &mut sent),
        _ => rest(check, values, raw, &mut sent),
    };
    sent.check(check);
    (request, sent.tables)
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
                let wanted = Wanted { source: &source, kind: value.kind, table: None, optional: false, unless: None, each: false };
                let slot = slot(check, values, &pointer, wanted, sent);
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
        if put.each.is_some() {
            check.problem_at_key(&format!("{pointer}/each"), "unused-key", "a query has no lists", "value");
            continue;
        }
        let slot = put_slot(check, values, &pointer, put, sent);
        query.extend(slot.map(|slot| (put.to.as_str().into(), slot)));
    }
    let items = body(check, values, &raw.put, sent);
    let (method, items) = match method {
        Method::Get => ("GET", None),
        Method::Post => ("POST", Some(items?)),
    };
    Some(Request::Rest { method, path, query, items })
}

/// A look-up: the columns of one of the file's ways, whichever inputs a question has.
fn look_up(check: &mut Check<'_>, values: &Values, raw: &raw::Request, sent: &mut Sent) -> Option<Request> {
    let others =
        [("root", raw.root.is_some()), ("method", raw.method.is_some()), ("path", !raw.path.is_empty()), ("query", !raw.query.is_empty())];
    for (key, _) in others.iter().filter(|(_, present)| *present) {
        check.problem_at_key(&format!("/request/{key}"), "unused-key", format!("a look-up has no `{key}`"), "put");
    }
    let ways = check.raw.wire.file.as_ref().map(|file| &file.keys[..]).unwrap_or_default();
    let mut keys: Vec<(Box<str>, Slot)> = Vec::new();
    let mut sound = true;
    for (place, put) in raw.put.iter().enumerate() {
        let pointer = format!("/request/put/{place}");
        let known = ways.iter().flatten().any(|column| *column == put.to);
        if !known || put.each.is_some() || keys.iter().any(|(column, _)| **column == *put.to) {
            let message = format!("rows are not looked up by one text in `{}`, or it stands twice", put.to);
            check.problem(&format!("{pointer}/to"), "unknown-column", message, "a column of `wire.file.keys`, once, with `value`");
            sound = false;
            continue;
        }
        match put_slot(check, values, &pointer, put, sent) {
            Some(slot) => keys.push((put.to.as_str().into(), slot)),
            None => sound = false,
        }
    }
    // Whatever a question has or leaves out, what is written must be one way: those always written are in all of them.
    let always: BTreeSet<&str> =
        keys.iter().filter(|(_, slot)| !slot.optional && slot.unless.is_none()).map(|(column, _)| &**column).collect();
    let all: BTreeSet<&str> = keys.iter().map(|(column, _)| &**column).collect();
    let possible = ways.iter().any(|way| {
        let way: BTreeSet<&str> = way.iter().map(String::as_str).collect();
        always.is_subset(&way) && way.is_subset(&all)
    });
    if sound && !possible {
        check.problem(
            "/request/put",
            "unknown-column",
            "no way to look up has exactly these columns",
            "all columns of one of `wire.file.keys`",
        );
    }
    sound.then_some(Request::LookUp { keys })
}

fn body(check: &mut Check<'_>, values: &Values, puts: &[raw::Put], sent: &mut Sent) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut sound = true;
    for (place, put) in puts.iter().enumerate() {
        let pointer = format!("/request/put/{place}");
        let names = check.path(&format!("{pointer}/to"), &put.to);
        let slot = put_slot(check, values, &pointer, put, sent);
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

/// What a mapping wants written at one place.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    source: &'a raw::Source,
    kind: Option<Kind>,
    table: Option<&'a str>,
    optional: bool,
    unless: Option<&'a str>,
    /// Every item of a list.
    each: bool,
}

fn put_slot(check: &mut Check<'_>, values: &Values, pointer: &str, put: &raw::Put, sent: &mut Sent) -> Option<Slot> {
    let each = put.each.clone().map(raw::Source::Reference);
    let source = match (&put.value, &each) {
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => {
            check.problem_at_key(pointer, "missing-key", "nothing says what is written", "`value`, or `each` for a list");
            return None;
        }
        (Some(_), Some(_)) => {
            check.problem_at_key(&format!("{pointer}/each"), "unused-key", "either one value or a list is written", "value, or each");
            return None;
        }
    };
    let wanted = Wanted {
        source,
        kind: put.kind,
        table: put.table.as_deref(),
        optional: put.condition.is_some(),
        unless: put.unless.as_deref(),
        each: each.is_some(),
    };
    slot(check, values, pointer, wanted, sent)
}

fn slot(check: &mut Check<'_>, values: &Values, pointer: &str, wanted: Wanted<'_>, sent: &mut Sent) -> Option<Slot> {
    let reference = match wanted.source {
        raw::Source::Const(fixed) => {
            if wanted.table.is_some() {
                check.problem_at_key(&format!("{pointer}/table"), "unused-key", "a fixed value stands as it is written", "no table");
            }
            let unless = stand_in(check, pointer, wanted, None, sent);
            return constant(check, pointer, &fixed.value, wanted.kind).map(|slot| Slot { unless, ..slot });
        }
        raw::Source::Reference(reference) => reference,
    };
    let at = format!("{pointer}/{}", if wanted.each { "each" } else { "value" });
    let found = resolve(check, &at, reference)?;
    sent.note(&found, wanted.unless.is_some());
    match (wanted.each, found.list_max()) {
        (true, None) => {
            check.problem(&at, "wrong-type", format!("`{reference}` is not a list"), format!("value: {reference}"));
            return None;
        }
        (false, Some(_)) => {
            check.problem(&at, "wrong-type", format!("`{reference}` is a list"), format!("each: {reference}, in a body"));
            return None;
        }
        (true, Some(_)) | (false, None) => {}
    }
    // Left out where absent, or always there: a value that may be absent must say so.
    let sometimes = match &found.source {
        Source::Input(_) => !found.is_required(),
        Source::ConsentReference | Source::ConsentSha256 => false,
        _ => check.service.subject.len() > 1,
    };
    if sometimes && !wanted.optional {
        let message = format!("not every question has `{reference}`");
        check.problem(&at, "not-always-present", message, "if: present");
        return None;
    }
    let consent = matches!(found.source, Source::ConsentReference | Source::ConsentSha256);
    if consent && (wanted.optional || wanted.unless.is_some()) {
        let key = if wanted.optional { "if" } else { "unless" };
        check.problem_at_key(&format!("{pointer}/{key}"), "unused-key", "no question goes without its consent", "neither if nor unless");
        return None;
    }
    let unless = stand_in(check, pointer, wanted, Some(&found), sent);
    if !wanted.kind.is_none_or(|kind| fits(kind, found.kind)) {
        check.problem(&format!("{pointer}/as"), "wrong-type", format!("`{reference}` is of another type"), word(found.kind));
        return None;
    }
    let form = match (wanted.table, found.kind) {
        (Some(name), kind) => {
            sent.tables.insert(name.to_owned());
            Form::Coded(values.reversed(check, &format!("{pointer}/table"), name, kind, found.codes())?)
        }
        (None, Type::Text | Type::Fin | Type::Tin | Type::Code | Type::Datetime | Type::PartialDate | Type::Fraction) => Form::Text,
        (None, Type::Int) => Form::Int,
        (None, Type::Decimal) => Form::Decimal(values.decimal),
        (None, Type::Money) => Form::Money(values.money, values.decimal),
        (None, Type::Bool) => Form::Bool,
        (None, Type::Date) => Form::Date(values.date.clone()),
        (None, Type::Month) => Form::Month(values.month.clone()),
        (None, Type::Bytes) => {
            check.problem(&at, "wrong-type", "bytes cannot be written into a question", "another type");
            return None;
        }
    };
    let list_max = found.list_max();
    Some(Slot { source: found.source, name: reference.as_str().into(), optional: wanted.optional, unless, list_max, form })
}

/// The input that stands in for a value; a problem where it cannot.
fn stand_in(check: &mut Check<'_>, pointer: &str, wanted: Wanted<'_>, value: Option<&Found<'_>>, sent: &mut Sent) -> Option<Box<str>> {
    let reference = wanted.unless?;
    let at = format!("{pointer}/unless");
    let optional: Vec<String> =
        check.service.inputs.iter().filter(|input| !input.required).map(|input| format!("input.{}", input.name)).collect();
    let name = reference.strip_prefix("input.").filter(|_| optional.iter().any(|known| known == reference));
    let Some(name) = name else {
        check.problem(&at, "wrong-unless", format!("`{reference}` is not an optional input"), optional.join(", "));
        return None;
    };
    if let Some(Found { input: Some(input), .. }) = value
        && (input.required || *input.name == *name)
    {
        let message = if input.required { "every question needs the value" } else { "a value cannot stand in for itself" };
        check.problem(&at, "wrong-unless", message, "for the subject, an optional input or a fixed value");
        return None;
    }
    sent.replaced.push((at, name.to_owned()));
    Some(name.into())
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
    Some(Slot { source: Source::Const(written), name: "const".into(), optional: false, unless: None, list_max: None, form })
}

/// What a reference names.
#[derive(Debug)]
struct Found<'a> {
    source: Source,
    kind: Type,
    /// The contract's word for it, where it is an input.
    input: Option<&'a Input>,
    /// The reference's own word, where it is none.
    word: &'static str,
}

impl<'a> Found<'a> {
    fn list_max(&self) -> Option<usize> {
        self.input.and_then(|input| input.list_max)
    }

    fn is_required(&self) -> bool {
        self.input.is_none_or(|input| input.required)
    }

    fn codes(&self) -> &'a [Box<str>] {
        self.input.map_or(&[], |input| &input.codes)
    }
}

/// What a reference names, and its type.
fn resolve<'a>(check: &mut Check<'a>, at: &str, reference: &str) -> Option<Found<'a>> {
    let service = check.service;
    if let Some(name) = reference.strip_prefix("input.")
        && let Some(input) = service.inputs.iter().find(|input| *input.name == *name)
    {
        return Some(Found { source: Source::Input(input.name.clone()), kind: input.kind, input: Some(input), word: "" });
    }
    let (form, part, source, kind) = match reference {
        "subject.fin" => (SubjectForm::Fin, 0, Source::Fin, Type::Fin),
        "subject.pin" => (SubjectForm::Pin, 0, Source::Pin, Type::Text),
        "subject.tin" => (SubjectForm::Tin, 0, Source::Tin, Type::Tin),
        "subject.document.series" => (SubjectForm::Document, 0, Source::Series, Type::Text),
        "subject.document.number" => (SubjectForm::Document, 1, Source::Number, Type::Text),
        "subject.birth_date" => (SubjectForm::Document, 2, Source::BirthDate, Type::Date),
        "consent.reference" if service.consent => {
            return Some(Found { source: Source::ConsentReference, kind: Type::Text, input: None, word: CONSENT[0] });
        }
        "consent.sha256" if service.consent => {
            return Some(Found { source: Source::ConsentSha256, kind: Type::Text, input: None, word: CONSENT[1] });
        }
        other => {
            check.problem(at, "unknown-input", format!("the contract has no `{other}`"), accepted(service));
            return None;
        }
    };
    if !service.subject.contains(&form) {
        let message = format!("the contract accepts no subject with `{reference}`");
        check.problem(at, "unknown-input", message, accepted(service));
        return None;
    }
    Some(Found { source, kind, input: None, word: words(form)[part] })
}

/// Everything a question to this service may be written from.
fn accepted(service: &Service) -> String {
    let subject = service.subject.iter().flat_map(|form| words(*form)).map(|word| (*word).to_owned());
    let inputs = service.inputs.iter().map(|input| format!("input.{}", input.name));
    let consent = CONSENT.iter().filter(|_| service.consent).map(|word| (*word).to_owned());
    subject.chain(inputs).chain(consent).collect::<Vec<_>>().join(", ")
}

/// What a consent is made of on the wire.
const CONSENT: [&str; 2] = ["consent.reference", "consent.sha256"];

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
    /// Parts of the subject and the consent.
    words: BTreeSet<&'static str>,
    inputs: BTreeSet<String>,
    /// Inputs that are sent whenever the question has them: nothing stands in for these.
    always: BTreeSet<String>,
    /// Inputs that stand in for a value, with their place in the file.
    replaced: Vec<(String, String)>,
    /// Tables used.
    tables: BTreeSet<String>,
}

impl Sent {
    fn note(&mut self, found: &Found<'_>, replaceable: bool) {
        match found.input {
            Some(input) => {
                self.inputs.insert(input.name.to_string());
                if !replaceable {
                    self.always.insert(input.name.to_string());
                }
            }
            None => {
                self.words.insert(found.word);
            }
        }
    }

    fn check(&self, check: &mut Check<'_>) {
        let service = check.service;
        let mut unsent = |word: &str| {
            check.problem_at_key("/request", "unsent-input", format!("the request does not send `{word}`"), format!("value: {word}"));
        };
        // Where a needed input comes from an earlier answer about the same person, that input names the subject.
        let named = service.inputs.iter().any(|input| input.required && input.comes_from.is_some());
        let subject: Vec<&str> = service.subject.iter().flat_map(|form| words(*form)).copied().collect();
        let sends_none = !subject.iter().any(|word| self.words.contains(word));
        for word in subject.iter().filter(|word| !(self.words.contains(**word) || named && sends_none)) {
            unsent(word);
        }
        for word in CONSENT.iter().filter(|word| service.consent && !self.words.contains(**word)) {
            unsent(word);
        }
        // What chooses the body that is asked need not be said to that body.
        for input in service.inputs.iter().filter(|input| !self.inputs.contains(&*input.name) && !input.chooses_instance()) {
            unsent(&format!("input.{}", input.name));
        }
        // Two values that stand in for each other would both be left out where the question has both.
        for (pointer, name) in self.replaced.iter().filter(|(_, name)| self.inputs.contains(name) && !self.always.contains(name)) {
            let message = format!("`input.{name}` can itself be left out for another");
            check.problem(pointer, "wrong-unless", message, "an input without `unless` of its own");
        }
    }
}
