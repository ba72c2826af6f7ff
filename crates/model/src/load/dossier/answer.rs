//! Finds the answer that an element needs: which element gives it, that it stands above, and that it
//! is about the right persons.

use super::Scope;
use crate::contract::{AnswerField, PersonRole, Type};
use crate::id::ServiceId;
use crate::load::file::{self, File};
use crate::load::service;
use crate::raw;
use crate::rule;

/// An answer's field with what its contract says of it.
pub(super) struct Answer<'a> {
    pub(super) field: AnswerField,
    pub(super) service: ServiceId,
    pub(super) kind: Type,
    /// Codes the field may have; empty where it has none or the list is open.
    pub(super) codes: &'a [Box<str>],
}

/// The top-level field that `element.field` names. `None` where it has a problem of its own, or where
/// the contract it is to come from has.
pub(super) fn answer<'a>(file: &mut File<'_>, at: &str, text: &str, scope: &Scope<'a>) -> Option<Answer<'a>> {
    let Some((wanted, field)) = text.split_once('.') else {
        file.refuse(at, rule::WRONG_NAME, "not an element's field", "element.field");
        return None;
    };
    let (element, needed) = element_above(file, at, wanted, scope)?;
    if needed.roles != [PersonRole::Applicant]
        && let Some(role) = scope.own.roles.iter().find(|role| !needed.roles.contains(role))
    {
        let accepted = format!("`{wanted}` for {} too, or for the applicant alone", word(*role));
        file.refuse(at, rule::ELEMENT_ROLES, format!("`{wanted}` is not asked about every person this element is"), accepted);
    }
    let id = ServiceId::new(&needed.service).ok()?;
    let shape = &scope.snapshot.services.get(&id)?.shape;
    let Some((kind, codes)) = service::scalar(shape, field) else {
        let message = format!("`{field}` is not a top-level field that `{id}` delivers");
        file.refuse(at, rule::UNKNOWN_ANSWER, message, service::scalars(shape));
        return None;
    };
    Some(Answer { field: AnswerField { element, field: field.into() }, service: id, kind, codes })
}

/// The word of a role.
pub(super) fn word(role: PersonRole) -> String {
    serde_json::to_value(role).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The element of this name, which stands above; `None` where it has a problem.
pub(super) fn element_above<'a>(file: &mut File<'_>, at: &str, wanted: &str, scope: &Scope<'a>) -> Option<(usize, &'a raw::Element)> {
    let elements = &scope.raw.elements.0;
    let above = || file::words(elements.iter().take(scope.place).map(|(name, _)| name.as_str()));
    let Some(element) = elements.iter().position(|(name, _)| name == wanted) else {
        file.refuse(at, rule::UNKNOWN_ELEMENT, format!("there is no element `{wanted}`"), above());
        return None;
    };
    if element >= scope.place {
        if let Some(way) = way_back(elements, element, scope.place) {
            file.refuse(at, rule::ELEMENT_CYCLE, way, above());
        } else {
            file.refuse(at, rule::ELEMENT_ORDER, format!("`{wanted}` does not stand above this element"), above());
        }
        return None;
    }
    elements.get(element).map(|(_, raw)| (element, raw))
}

/// Says how `own` needs itself by way of `from`, which it needs; `None` where `from` does not need it.
fn way_back(elements: &[(String, raw::Element)], from: usize, own: usize) -> Option<String> {
    // Each element is visited once, and remembers who led to it.
    let mut led_by: Vec<Option<usize>> = vec![None; elements.len()];
    let mut open = vec![from];
    while let Some(place) = open.pop() {
        if place == own {
            let mut way = vec![own];
            let mut at = own;
            while at != from {
                at = led_by.get(at).copied().flatten()?;
                way.push(at);
            }
            if from != own {
                way.push(own);
            }
            way.reverse();
            let names: Vec<_> = way.iter().filter_map(|place| Some(elements.get(*place)?.0.as_str())).collect();
            let each_other = || format!("the elements need each other: {}", names.join(" → "));
            return Some(if from == own { "the element needs itself".to_owned() } else { each_other() });
        }
        for needed in elements.get(place).into_iter().flat_map(|(_, element)| needs(element)) {
            let Some(next) = elements.iter().position(|(name, _)| name == needed) else { continue };
            if next != from && led_by.get(next) == Some(&None) {
                led_by[next] = Some(place);
                open.push(next);
            }
        }
    }
    None
}

/// The names of the elements whose answers an element names.
fn needs(element: &raw::Element) -> impl Iterator<Item = &str> {
    let inputs = element.input.0.iter().filter_map(|(_, source)| match source {
        raw::Source::Answer(text) => Some(text),
        raw::Source::MonthsAgo(_) | raw::Source::YearsAgo(_) | raw::Source::Input(_) | raw::Source::Codes(_) => None,
    });
    let conditions = element.when.iter().filter_map(|condition| condition.answer.as_ref());
    inputs
        .chain(conditions)
        .chain(&element.once_per)
        .chain(&element.fallback_for)
        .map(|text| text.split_once('.').map_or(text.as_str(), |(element, _)| element))
}
