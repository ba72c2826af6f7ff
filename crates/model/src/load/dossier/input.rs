//! Checks how an element fills the inputs of its service.

use std::collections::BTreeSet;

use super::{Scope, answer};
use crate::contract::{Input, InputSource, MonthWindow, Service, Type};
use crate::document::escape;
use crate::load::file::{self, File};
use crate::load::service;
use crate::raw;
use crate::rule;

type Sources = Vec<(Box<str>, InputSource)>;

/// Where each input comes from, and the elements that answers come from into `after`.
pub(super) fn check(file: &mut File<'_>, at: &str, service: &Service, scope: &Scope<'_>, after: &mut BTreeSet<usize>) -> Sources {
    let mut sources = Sources::new();
    for (name, source) in &scope.own.input.0 {
        let at = format!("{at}/input/{}", escape(name));
        let Some(input) = service.inputs.iter().find(|input| *input.name == **name) else {
            let accepted = file::words(service.inputs.iter().map(|input| &*input.name));
            file.refuse_key(&at, rule::UNKNOWN_INPUT, format!("`{}` has no input `{name}`", service.id), accepted);
            continue;
        };
        if let (
            Some((origin, field)),
            raw::Source::MonthsAgo(_) | raw::Source::YearsAgo(_) | raw::Source::Input(_) | raw::Source::Codes(_),
        ) = (&input.comes_from, source)
        {
            let message = format!("`{name}` must come from an answer in the same case");
            file.refuse(&at, rule::WRONG_ANSWER, message, format!("answer: the element of {origin} with .{field}"));
        }
        let found = match source {
            raw::Source::MonthsAgo(months) => {
                let given = if input.kind == Type::Date { Type::Date } else { Type::Month };
                fits(file, &at, input, given, None);
                Some(InputSource::MonthsAgo(*months))
            }
            raw::Source::YearsAgo(years) => {
                fits(file, &at, input, Type::Int, None);
                Some(InputSource::YearsAgo(*years))
            }
            raw::Source::Input(own) => own_input(file, &format!("{at}/input"), own, input, scope),
            raw::Source::Codes(codes) => listed(file, &format!("{at}/codes"), codes, input),
            raw::Source::Answer(text) => from_answer(file, &format!("{at}/answer"), text, input, scope, after),
        };
        sources.extend(found.map(|source| (Box::from(name.as_str()), source)));
    }
    for input in service.inputs.iter().filter(|input| input.required) {
        if !scope.own.input.0.iter().any(|(name, _)| **name == *input.name) {
            let message = format!("`{}` needs the input `{}`", service.id, input.name);
            file.refuse_key(at, rule::UNFILLED_INPUT, message, format!("input: {{{}: …}}", input.name));
        }
    }
    if let Some(window) = &service.window {
        self::window(file, &format!("{at}/input"), window, service, &sources);
    }
    sources
}

fn from_answer(
    file: &mut File<'_>,
    at: &str,
    text: &str,
    input: &Input,
    scope: &Scope<'_>,
    after: &mut BTreeSet<usize>,
) -> Option<InputSource> {
    let found = answer(file, at, text, scope)?;
    if let Some((origin, field)) = &input.comes_from
        && (*origin != found.service || *field != found.field.field)
    {
        let message = format!("`{}` must come from another answer", input.name);
        file.refuse(at, rule::WRONG_ANSWER, message, format!("the element of {origin} with .{field}"));
    }
    if fits(file, at, input, found.kind, None) {
        codes_fit(file, at, input, found.codes);
    }
    after.insert(found.field.element);
    Some(InputSource::Answer(found.field))
}

fn own_input(file: &mut File<'_>, at: &str, own: &str, input: &Input, scope: &Scope<'_>) -> Option<InputSource> {
    let Some(declared) = scope.inputs.iter().find(|declared| *declared.name == *own) else {
        let accepted = file::words(scope.inputs.iter().map(|input| &*input.name));
        file.refuse(at, rule::UNKNOWN_INPUT, format!("the dossier has no input `{own}`"), accepted);
        return None;
    };
    if fits(file, at, input, declared.kind, declared.list_max) {
        codes_fit(file, at, input, &declared.codes);
    }
    // A condition on the input holds only where it is given.
    let given = scope.own.when.iter().any(|condition| condition.input.as_deref() == Some(own));
    if input.required && !declared.required && !given {
        let message = format!("the service requires `{}`, the dossier's `{own}` may be left out", input.name);
        let accepted = format!("need: required at the dossier's input, or when: [{{input: {own}, given: true}}]");
        file.refuse(at, rule::UNFILLED_INPUT, message, accepted);
    }
    Some(InputSource::Input(own.into()))
}

fn listed(file: &mut File<'_>, at: &str, codes: &[String], input: &Input) -> Option<InputSource> {
    let Some(max) = input.list_max else {
        let message = format!("`{}` takes one value, not a list", input.name);
        file.refuse(at, rule::WRONG_INPUT_TYPE, message, format!("a source of type {}", service::kebab(input.kind)));
        return None;
    };
    if codes.is_empty() {
        file.refuse(at, rule::TOO_FEW, "the list is empty", "at least one item");
    } else if codes.len() > max {
        file.refuse(at, rule::TOO_MANY, format!("the list has {} items", codes.len()), format!("at most {max}"));
    }
    file.no_repetition(at, codes);
    for (place, code) in codes.iter().enumerate() {
        let at = format!("{at}/{place}");
        if input.kind == Type::Code && !input.codes.iter().any(|known| **known == **code) {
            let accepted = file::words(input.codes.iter().map(|code| &**code));
            file.refuse(&at, rule::UNKNOWN_CODE, format!("`{}` has no code `{code}`", input.name), accepted);
        } else {
            file.text(&at, code);
        }
    }
    Some(InputSource::Codes(file::boxed(codes)))
}

/// Whether the input takes values of this type, and as many.
fn fits(file: &mut File<'_>, at: &str, input: &Input, given: Type, list_max: Option<usize>) -> bool {
    if input.kind != given {
        let message = format!("`{}` does not take a {}", input.name, service::kebab(given));
        file.refuse(at, rule::WRONG_INPUT_TYPE, message, format!("a source of type {}", service::kebab(input.kind)));
        return false;
    }
    match (input.list_max, list_max) {
        (None, None) => true,
        (Some(max), Some(given)) => {
            if given > max {
                let message = format!("`{}` takes fewer items than may be given", input.name);
                file.refuse(at, rule::WRONG_INPUT_TYPE, message, format!("a list_max of at most {max}"));
            }
            given <= max
        }
        (Some(_), None) => {
            file.refuse(at, rule::WRONG_INPUT_TYPE, format!("`{}` takes a list", input.name), "an input that is a list, or codes");
            false
        }
        (None, Some(_)) => {
            file.refuse(at, rule::WRONG_INPUT_TYPE, format!("`{}` takes one value, not a list", input.name), "an input without list_max");
            false
        }
    }
}

/// A code that the service does not take would be refused only when it occurs.
fn codes_fit(file: &mut File<'_>, at: &str, input: &Input, given: &[Box<str>]) {
    let strange = given.iter().find(|code| !input.codes.contains(code));
    if input.kind == Type::Code && (given.is_empty() || strange.is_some()) {
        let message = match strange {
            Some(code) => format!("`{}` does not take the code `{code}`, which may occur", input.name),
            None => format!("`{}` does not take every code, and any may occur", input.name),
        };
        file.refuse(at, rule::UNKNOWN_CODE, message, file::words(input.codes.iter().map(|code| &**code)));
    }
}

fn window(file: &mut File<'_>, at: &str, window: &MonthWindow, service: &Service, sources: &Sources) {
    let months = |wanted: &str| {
        sources.iter().find(|(name, _)| **name == *wanted).and_then(|(_, source)| match source {
            InputSource::MonthsAgo(months) => Some(*months),
            InputSource::YearsAgo(_) | InputSource::Answer(_) | InputSource::Input(_) | InputSource::Codes(_) => None,
        })
    };
    let (Some(from), Some(to)) = (months(&window.from), months(&window.to)) else { return };
    let of_days = service.inputs.iter().any(|input| input.name == window.from && input.kind == Type::Date);
    // Months count with both ends; days may lie a whole number of months apart.
    let later_max = if of_days { window.months_max } else { window.months_max.saturating_sub(1) };
    if from.checked_sub(to).is_none_or(|later| later > later_max) {
        let accepted = format!("`{}` at most {later_max} months before `{}`", window.from, window.to);
        file.refuse_key(at, rule::WRONG_WINDOW, "the contract does not take this window", accepted);
    }
}
