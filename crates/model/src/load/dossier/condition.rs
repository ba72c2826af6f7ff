//! Checks the conditions of an element.

use std::collections::BTreeSet;

use super::{Scope, answer};
use crate::contract::{Condition, ConditionOf, Test, Type};
use crate::load::file::{self, File};
use crate::load::service;
use crate::raw;
use crate::rule;

/// The conditions, and the elements they need into `after`.
pub(super) fn check(file: &mut File<'_>, at: &str, scope: &Scope<'_>, after: &mut BTreeSet<usize>) -> Vec<Condition> {
    let mut conditions = Vec::with_capacity(scope.own.when.len());
    for (place, raw) in scope.own.when.iter().enumerate() {
        let at = format!("{at}/{place}");
        let looked_at = looked_at(file, &at, raw, scope);
        let test = test(file, &at, raw, looked_at.as_ref());
        let (Some(looked_at), Some(test)) = (looked_at, test) else { continue };
        if let ConditionOf::Answer(field) = &looked_at.of {
            after.insert(field.element);
        }
        conditions.push(Condition { of: looked_at.of, test });
    }
    conditions
}

/// What a condition looks at, with its type and codes.
struct LookedAt {
    of: ConditionOf,
    kind: Type,
    codes: Vec<Box<str>>,
    is_list: bool,
}

fn looked_at(file: &mut File<'_>, at: &str, raw: &raw::Condition, scope: &Scope<'_>) -> Option<LookedAt> {
    match (&raw.answer, &raw.input) {
        (Some(text), None) => {
            let found = answer(file, &format!("{at}/answer"), text, scope)?;
            Some(LookedAt { of: ConditionOf::Answer(found.field), kind: found.kind, codes: found.codes.to_vec(), is_list: false })
        }
        (None, Some(own)) => {
            let Some(input) = scope.inputs.iter().find(|input| *input.name == **own) else {
                let accepted = file::words(scope.inputs.iter().map(|input| &*input.name));
                file.refuse(&format!("{at}/input"), rule::UNKNOWN_INPUT, format!("the dossier has no input `{own}`"), accepted);
                return None;
            };
            let of = ConditionOf::Input(own.as_str().into());
            Some(LookedAt { of, kind: input.kind, codes: input.codes.clone(), is_list: input.list_max.is_some() })
        }
        (Some(_), Some(_)) | (None, None) => {
            file.refuse(at, rule::WRONG_CONDITION, "a condition looks at one thing", "either `answer` or `input`");
            None
        }
    }
}

fn test(file: &mut File<'_>, at: &str, raw: &raw::Condition, of: Option<&LookedAt>) -> Option<Test> {
    match (&raw.is, &raw.years, raw.given) {
        (Some(words), None, None) => is(file, &format!("{at}/is"), words, of),
        (None, Some(years), None) => self::years(file, &format!("{at}/years"), years, of),
        (None, None, Some(true)) => Some(Test::Given),
        (None, None, Some(false)) => {
            let message = "a condition cannot ask for what is not there: a source that did not answer would fulfil it";
            file.refuse(&format!("{at}/given"), rule::WRONG_CONDITION, message, "given: true");
            None
        }
        _ => {
            file.refuse(at, rule::WRONG_CONDITION, "a condition tests in one way", "one of `is`, `years` and `given`");
            None
        }
    }
}

fn is(file: &mut File<'_>, at: &str, words: &[String], of: Option<&LookedAt>) -> Option<Test> {
    if words.is_empty() {
        file.refuse(at, rule::WRONG_CONDITION, "nothing would fulfil it", "at least one word");
    }
    file.no_repetition(at, words);
    let of = of?;
    let possible: Vec<Box<str>> = match of.kind {
        Type::Code => of.codes.clone(),
        Type::Bool => vec!["true".into(), "false".into()],
        // Any text is possible.
        Type::Text => Vec::new(),
        Type::Fin
        | Type::Tin
        | Type::Int
        | Type::Decimal
        | Type::Money
        | Type::Date
        | Type::Month
        | Type::Datetime
        | Type::PartialDate
        | Type::Bytes
        | Type::Fraction => {
            let message = format!("a {} is not compared with words", service::kebab(of.kind));
            file.refuse(at, rule::WRONG_CONDITION, message, "a value of type code, bool or text");
            return None;
        }
    };
    if of.is_list {
        file.refuse(at, rule::WRONG_CONDITION, "a list is not compared with words", "an input that is one value, or given: true");
    }
    for (place, word) in words.iter().enumerate() {
        if !possible.is_empty() && !possible.iter().any(|code| **code == **word) {
            let accepted = file::words(possible.iter().map(|code| &**code));
            file.refuse(&format!("{at}/{place}"), rule::UNKNOWN_CODE, format!("`{word}` never occurs there"), accepted);
        } else {
            file.text(&format!("{at}/{place}"), word);
        }
    }
    Some(Test::Is(file::boxed(words)))
}

fn years(file: &mut File<'_>, at: &str, raw: &raw::Years, of: Option<&LookedAt>) -> Option<Test> {
    match (raw.at_least, raw.below) {
        (None, None) => file.refuse(at, rule::WRONG_CONDITION, "no bound is given", "`at_least`, `below`, or both"),
        (_, Some(0)) => file.refuse(&format!("{at}/below"), rule::WRONG_CONDITION, "no date fulfils it", "1 or more"),
        (Some(at_least), Some(below)) if at_least >= below => {
            file.refuse(at, rule::WRONG_CONDITION, "no date fulfils both bounds", "`at_least` smaller than `below`");
        }
        _ => {}
    }
    if of?.kind != Type::Date {
        let message = format!("years are counted from a date, not from a {}", service::kebab(of?.kind));
        file.refuse(at, rule::WRONG_CONDITION, message, "a value of type date");
    }
    Some(Test::Years { at_least: raw.at_least, below: raw.below })
}
