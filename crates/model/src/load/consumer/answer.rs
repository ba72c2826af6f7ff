//! What is answered with yes or no: a predicate over the contract's own codes and truth values.

use super::{File, row_input};
use crate::contract::{Confirmed, FieldDef, FieldKind, FieldSet, Input, RowRule, Service, Shape, SubjectPart, Type};
use crate::document::escape;
use crate::load::file::{self, words};
use crate::predicate::{Condition, Predicate};
use crate::raw;
use crate::rule;

/// The predicate, with the row rules that keep the question itself from asking for more than it.
pub(super) fn check(
    file: &mut File<'_>,
    at: &str,
    grant: &raw::Grant,
    raw: &raw::Answer,
    service: &Service,
) -> Option<(Predicate, Vec<RowRule>)> {
    for (key, given) in [("rows", !grant.rows.is_empty()), ("role_withholds", !grant.role_withholds.0.is_empty())] {
        if given {
            let accepted = "fields, or an answer without it";
            file.refuse_key(&format!("{at}/{key}"), rule::MISPLACED_KEY, "there are no fields that it could narrow", accepted);
        }
    }
    let at = format!("{at}/answer");
    file.bilingual(&format!("{at}/question"), &raw.question);
    let (list, shape) = subject(file, &format!("{at}/exists"), &raw.exists, service)?;
    let mut conditions = Vec::with_capacity(raw.conditions.0.len());
    let mut leaves = FieldSet::EMPTY;
    let mut rules = Vec::new();
    for (path, is) in &raw.conditions.0 {
        let at = format!("{at}/where/{}", escape(path));
        let tested = condition(file, &at, path, is, shape, service)?;
        leaves = leaves.union(tested.leaves);
        // The question may ask by the same codes: then for these alone.
        if let (Some(list), false) = (list, tested.codes.is_empty())
            && let Some(input) = service.inputs.iter().find(|input| asks_by(input, tested.codes))
        {
            let row = raw::Row { list: list.name.to_string(), field: path.clone(), allow: is.clone(), input: Some(input.name.to_string()) };
            let input = row_input(file, &at, &row, tested.codes, service).ok()?;
            rules.push(RowRule {
                list: list.name.clone(),
                field: path.as_str().into(),
                allow: file::boxed(is),
                leaves: list.leaves,
                input,
            });
        }
        join(&mut conditions, tested.condition);
    }
    for input in service.inputs.iter().filter(|input| input.kind == Type::Code) {
        let bound = rules.iter().any(|rule| rule.input.as_ref() == Some(&input.name));
        let narrows = service.shape.fields.iter().any(|field| has_codes(field, &input.codes));
        if narrows && !bound {
            let message = format!("`{}` asks for rows by an input that the answer does not bound", service.id);
            file.refuse(&at, rule::WRONG_ANSWER_RULE, message, format!("a condition on the field with the codes of `{}`", input.name));
        }
    }
    if leaves.is_empty() {
        leaves = told_by_existence(list, service);
    }
    let predicate = Predicate { question: raw.question.clone(), list: list.map(|list| list.name.clone()), conditions, leaves };
    Some((predicate, rules))
}

/// What rows must meet, with the leaves that it tells something of.
pub(in crate::load) fn conditions(
    file: &mut File<'_>,
    at: &str,
    raw: &raw::Ordered<Vec<String>>,
    shape: &Shape,
    service: &Service,
) -> Option<(Vec<Condition>, FieldSet)> {
    let mut conditions = Vec::with_capacity(raw.0.len());
    let mut leaves = FieldSet::EMPTY;
    for (path, is) in &raw.0 {
        let tested = condition(file, &format!("{at}/{}", escape(path)), path, is, shape, service)?;
        leaves = leaves.union(tested.leaves);
        join(&mut conditions, tested.condition);
    }
    Some((conditions, leaves))
}

/// The record, or a top-level list of records.
fn subject<'a>(file: &mut File<'_>, at: &str, exists: &str, service: &'a Service) -> Option<(Option<&'a FieldDef>, &'a Shape)> {
    if exists == "record" {
        return Some((None, &service.shape));
    }
    let lists = || {
        service.shape.fields.iter().filter_map(|field| match &field.kind {
            FieldKind::List { shape, .. } => Some((field, shape)),
            FieldKind::Scalar { .. } | FieldKind::Values { .. } => None,
        })
    };
    let found = lists().find(|(field, _)| *field.path == *exists);
    if found.is_none() {
        let accepted = format!("record, {}", words(lists().map(|(field, _)| &*field.path)));
        file.refuse(at, rule::WRONG_ANSWER_RULE, format!("`{exists}` is not the record or a top-level list of records"), accepted);
    }
    found.map(|(field, shape)| (Some(field), shape))
}

/// One line of `where`.
struct Tested<'a> {
    condition: Condition,
    leaves: FieldSet,
    /// The codes of the field, where it is one of the row itself.
    codes: &'a [Box<str>],
}

/// The word that stands for the FIN of the person asked about.
const ASKED: &str = "subject.fin";

/// One condition: an agreed code or truth value with what it must be, or an agreed FIN that is the person's. A path
/// `persons[].role` goes into a list of the row.
fn condition<'a>(file: &mut File<'_>, at: &str, path: &str, is: &[String], shape: &'a Shape, service: &Service) -> Option<Tested<'a>> {
    if let Some((list, rest)) = path.split_once("[].") {
        let lists = || {
            shape.fields.iter().filter_map(|field| match &field.kind {
                FieldKind::List { shape, .. } => Some((field, shape)),
                FieldKind::Scalar { .. } | FieldKind::Values { .. } => None,
            })
        };
        let Some((_, inner)) = lists().find(|(field, _)| *field.name == *list) else {
            let accepted = words(lists().map(|(field, _)| &*field.path));
            file.refuse_key(at, rule::WRONG_ANSWER_RULE, format!("there is no list `{list}[]` here"), accepted);
            return None;
        };
        let tested = condition(file, at, rest, is, inner, service)?;
        let condition = Condition::Some { list: list.into(), conditions: vec![tested.condition] };
        return Some(Tested { condition, leaves: tested.leaves, codes: &[] });
    }
    let testable =
        |field: &FieldDef| field.agreed && matches!(field.kind, FieldKind::Scalar { kind: Type::Code | Type::Bool | Type::Fin, .. });
    let found = shape.fields.iter().find(|field| *field.name == *path && testable(field));
    let Some((field, FieldKind::Scalar { kind, codes })) = found.map(|field| (field, &field.kind)) else {
        let accepted = words(shape.fields.iter().filter(|field| testable(field)).map(|field| &*field.name));
        file.refuse_key(at, rule::WRONG_ANSWER_RULE, format!("`{path}` is not an agreed code, truth value or FIN here"), accepted);
        return None;
    };
    if *kind == Type::Fin {
        let repeated =
            service.confirms.iter().any(|confirm| confirm.with == Confirmed::Subject(SubjectPart::Fin) && confirm.unless.is_none());
        if is != [ASKED] || !repeated {
            let message =
                if repeated { "a FIN can only be the asked person's" } else { "no answer of the service repeats the person's FIN" };
            file.refuse(at, rule::WRONG_ANSWER_RULE, message, format!("[{ASKED}], of a service with `confirms` for it"));
        }
        return Some(Tested { condition: Condition::Asked { field: field.name.clone() }, leaves: field.leaves, codes: &[] });
    }
    file.no_repetition(at, is);
    if is.is_empty() {
        file.refuse(at, rule::TOO_FEW, "the answer would never be yes", "at least one code, or true, or false");
    }
    let words_of_bool = [Box::from("true"), Box::from("false")];
    let known: &[Box<str>] = if *kind == Type::Bool { &words_of_bool } else { codes };
    for (place, word) in is.iter().enumerate() {
        if !known.is_empty() && !known.iter().any(|known| **known == **word) {
            let message = format!("`{word}` is nothing that `{path}` can be");
            file.refuse(&format!("{at}/{place}"), rule::UNKNOWN_CODE, message, words(known.iter().map(|word| &**word)));
        }
    }
    Some(Tested { condition: Condition::Is { field: field.name.clone(), is: file::boxed(is) }, leaves: field.leaves, codes })
}

/// Adds a condition; those on one list inside hold of one and the same of its rows.
fn join(conditions: &mut Vec<Condition>, condition: Condition) {
    if let Condition::Some { list, conditions: more } = condition {
        let same = conditions.iter_mut().find_map(|known| match known {
            Condition::Some { list: other, conditions } if *other == list => Some(conditions),
            Condition::Some { .. } | Condition::Is { .. } | Condition::Asked { .. } => None,
        });
        match same {
            Some(known) => more.into_iter().for_each(|condition| join(known, condition)),
            None => conditions.push(Condition::Some { list, conditions: more }),
        }
    } else {
        conditions.push(condition);
    }
}

fn asks_by(input: &Input, codes: &[Box<str>]) -> bool {
    input.kind == Type::Code && !input.codes.is_empty() && input.codes.iter().all(|code| codes.contains(code))
}

/// Whether the field, or one below it, has these codes.
fn has_codes(field: &FieldDef, asked: &[Box<str>]) -> bool {
    match &field.kind {
        FieldKind::List { shape, .. } => shape.fields.iter().any(|field| has_codes(field, asked)),
        FieldKind::Scalar { codes, .. } | FieldKind::Values { codes, .. } => {
            !codes.is_empty() && asked.iter().all(|code| codes.contains(code))
        }
    }
}

/// That there is a record tells what the record would repeat of the question; where it repeats nothing, and of a
/// list, all that there is.
fn told_by_existence(list: Option<&FieldDef>, service: &Service) -> FieldSet {
    if let Some(list) = list {
        return list.leaves.intersection(service.agreed());
    }
    let mut repeated = FieldSet::EMPTY;
    for confirm in &service.confirms {
        if let (Confirmed::Subject(_) | Confirmed::Input(_), Some(leaf)) = (&confirm.with, service.leaf(&confirm.field)) {
            repeated.insert(leaf);
        }
    }
    if repeated.is_empty() { service.agreed() } else { repeated }
}
