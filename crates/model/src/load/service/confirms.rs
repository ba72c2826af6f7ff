//! Checks what a contract says its answers must repeat of their questions.

use super::{kebab, scalar, scalars};
use crate::contract::{Confirm, Confirmed, FieldKind, Input, Shape, SubjectForm, SubjectPart, Type};
use crate::document::escape;
use crate::load::file::{self, File};
use crate::raw;
use crate::rule;

/// What `confirms` may name.
const WORDS: &str = "subject.fin, subject.pin, subject.tin, subject.document.series, subject.document.number, subject.birth_date, \
                     input.NAME, count.LIST, asked";

pub(super) fn check(
    file: &mut File<'_>,
    raw: &raw::Ordered<raw::Confirm>,
    subject: &[SubjectForm],
    inputs: &[Input],
    shape: &Shape,
) -> Vec<Confirm> {
    let before = file.faults();
    let mut confirms = Vec::with_capacity(raw.0.len());
    for (field, rule) in &raw.0 {
        let at = format!("/confirms/{}", escape(field));
        let (text, place, unless) = match rule {
            raw::Confirm::Always(text) => (text, at.clone(), None),
            raw::Confirm::Unless(rule) => (&rule.is, format!("{at}/is"), Some(&rule.unless)),
        };
        if let Some(name) = unless {
            lifted_by(file, &format!("{at}/unless"), name, inputs);
        }
        let Some((kind, _)) = scalar(shape, field) else {
            let message = format!("`{field}` is not an agreed top-level field of one value");
            file.refuse_key(&at, rule::WRONG_CONFIRMATION, message, scalars(shape));
            continue;
        };
        let Some(with) = confirmed(text) else {
            file.refuse(&place, rule::WRONG_CONFIRMATION, format!("`{text}` is nothing to agree with"), WORDS);
            continue;
        };
        let types = match &with {
            Confirmed::Subject(part) => {
                if !subject.contains(&form(*part)) {
                    let message = format!("the contract takes no subject with `{text}`");
                    file.refuse(&place, rule::WRONG_CONFIRMATION, message, "a part of a subject form that the contract takes");
                }
                subject_types(*part)
            }
            Confirmed::Input(name) => {
                let Some(input) = inputs.iter().find(|input| input.name == *name) else {
                    let accepted = file::words(inputs.iter().map(|input| &*input.name));
                    file.refuse(&place, rule::UNKNOWN_INPUT, format!("there is no input `{name}`"), accepted);
                    continue;
                };
                if input.list_max.is_some() {
                    let message = format!("`{name}` is a list, and the field is one value");
                    file.refuse(&place, rule::WRONG_CONFIRMATION, message, "an input that is one value");
                }
                vec![input.kind]
            }
            Confirmed::Count(list) => {
                let lists = shape.fields.iter().filter(|field| field.agreed && !matches!(field.kind, FieldKind::Scalar { .. }));
                if !lists.clone().any(|field| field.name == *list) {
                    let message = format!("`{list}` is not an agreed top-level list");
                    file.refuse(&place, rule::WRONG_CONFIRMATION, message, file::words(lists.map(|field| &*field.name)));
                }
                vec![Type::Int]
            }
            Confirmed::Asked => vec![Type::Datetime],
        };
        if !types.contains(&kind) {
            let accepted: Vec<_> = types.into_iter().map(kebab).collect();
            let message = format!("`{field}` of type {} cannot agree with `{text}`", kebab(kind));
            file.refuse(&place, rule::WRONG_CONFIRMATION, message, format!("a field of type {}", accepted.join(" or ")));
        }
        confirms.push(Confirm { field: field.as_str().into(), with, unless: unless.map(|name| name.as_str().into()) });
    }
    // A broken rule has its own problem, and might have confirmed the subject.
    if file.faults() == before {
        somebody(file, subject, shape, &confirms);
    }
    confirms
}

/// An exception that every question makes would be no rule at all.
fn lifted_by(file: &mut File<'_>, at: &str, name: &str, inputs: &[Input]) {
    let optional = || file::words(inputs.iter().filter(|input| !input.required).map(|input| &*input.name));
    match inputs.iter().find(|input| *input.name == *name) {
        None => file.refuse(at, rule::UNKNOWN_INPUT, format!("there is no input `{name}`"), optional()),
        Some(input) if input.required => {
            file.refuse(at, rule::WRONG_CONFIRMATION, format!("`{name}` is always given, so the rule would never hold"), optional());
        }
        Some(_) => {}
    }
}

fn confirmed(text: &str) -> Option<Confirmed> {
    let part = match text {
        "asked" => return Some(Confirmed::Asked),
        "subject.fin" => SubjectPart::Fin,
        "subject.pin" => SubjectPart::Pin,
        "subject.tin" => SubjectPart::Tin,
        "subject.document.series" => SubjectPart::DocumentSeries,
        "subject.document.number" => SubjectPart::DocumentNumber,
        "subject.birth_date" => SubjectPart::BirthDate,
        _ => {
            let input = text.strip_prefix("input.").map(|name| Confirmed::Input(name.into()));
            return input.or_else(|| text.strip_prefix("count.").map(|list| Confirmed::Count(list.into())));
        }
    };
    Some(Confirmed::Subject(part))
}

/// The form of subject that has the part.
fn form(part: SubjectPart) -> SubjectForm {
    match part {
        SubjectPart::Fin => SubjectForm::Fin,
        SubjectPart::Pin => SubjectForm::Pin,
        SubjectPart::Tin => SubjectForm::Tin,
        SubjectPart::DocumentSeries | SubjectPart::DocumentNumber | SubjectPart::BirthDate => SubjectForm::Document,
    }
}

fn subject_types(part: SubjectPart) -> Vec<Type> {
    match part {
        SubjectPart::Fin | SubjectPart::Pin => vec![Type::Fin, Type::Text],
        SubjectPart::Tin => vec![Type::Tin, Type::Text],
        SubjectPart::DocumentSeries | SubjectPart::DocumentNumber => vec![Type::Text, Type::Code],
        SubjectPart::BirthDate => vec![Type::Date],
    }
}

/// An answer that names a person or taxpayer must say that it is the one asked about, however he was
/// named: else an answer about somebody else would pass for his. Other persons in an answer (an
/// employer, a guardian) are no fault once one field confirms the subject.
fn somebody(file: &mut File<'_>, subject: &[SubjectForm], shape: &Shape, confirms: &[Confirm]) {
    for own in subject {
        let (kind, word) = match own {
            SubjectForm::Fin => (Type::Fin, "subject.fin"),
            SubjectForm::Pin => (Type::Fin, "subject.pin"),
            SubjectForm::Tin => (Type::Tin, "subject.tin"),
            SubjectForm::Document => (Type::Fin, "subject.document.number"),
        };
        // One field is either a FIN or a PIN, and has one rule.
        let same = |part| {
            form(part) == *own || matches!((form(part), own), (SubjectForm::Fin, SubjectForm::Pin) | (SubjectForm::Pin, SubjectForm::Fin))
        };
        let confirmed = |rule: &Confirm| match rule.with {
            Confirmed::Subject(part) => same(part),
            Confirmed::Input(_) | Confirmed::Count(_) | Confirmed::Asked => false,
        };
        // A field that agrees with an input is explained by it.
        let explained = |name: &str| confirms.iter().any(|rule| *rule.field == *name && !matches!(rule.with, Confirmed::Subject(_)));
        let names_somebody = |name: &str| scalar(shape, name).is_some_and(|(own, _)| own == kind) && !explained(name);
        let Some(field) = shape.fields.iter().find(|field| names_somebody(&field.name)) else { continue };
        if !confirms.iter().any(confirmed) {
            let name = &field.name;
            let example = if *own == SubjectForm::Document { "document_number" } else { name };
            let message = format!("nothing says that `{name}` is the one asked about by `{word}`");
            file.refuse_key(&format!("/fields/{name}"), rule::SUBJECT_NOT_CONFIRMED, message, format!("confirms: {{{example}: {word}}}"));
        }
    }
}
