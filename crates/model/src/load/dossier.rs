//! Checks a dossier: its calls, their order, and that somebody may make them.

use std::time::Duration;

use super::file::{self, File};
use super::{Names, service};
use crate::contract::{AnswerField, Dossier, Element, Input, InputSource, Service, Type};
use crate::document::{Document, escape};
use crate::id::{DossierId, IdError, PurposeId, ServiceId, split_versioned};
use crate::outcome::Absence;
use crate::problem::Problems;
use crate::raw;
use crate::rule;
use crate::snapshot::Snapshot;

/// Longest deadline of one round.
const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// Longest time over which unanswered elements are asked again.
const DUE_MAX: Duration = Duration::from_secs(92 * 86_400);

/// The dossier; `None` when any part of it is broken, since half a dossier is another dossier.
pub(super) fn check(
    document: &Document,
    raw: raw::DossierFile,
    snapshot: &Snapshot,
    names: &Names,
    problems: &mut Problems,
) -> Option<Dossier> {
    let mut file = File::new(document, problems);
    let identity = identity(&mut file, document, &raw.dossier);
    file.bilingual("/name", &raw.name);
    let purpose = file.id("/purpose", &raw.purpose, PurposeId::new);
    if names.purposes.is_unknown(&raw.purpose) {
        file.refuse("/purpose", rule::UNKNOWN_PURPOSE, format!("there is no purpose `{}`", raw.purpose), names.purposes.accepted());
    }
    let deadline = file.duration("/deadline", &raw.deadline, Duration::from_secs(1), DEADLINE_MAX);
    let due = file.duration("/due", &raw.due, deadline, DUE_MAX);
    let inputs = file.inputs(&raw.input);
    for (name, input) in &raw.input.0 {
        if input.comes_from.is_some() {
            let at = format!("/input/{}/comes_from", escape(name));
            file.refuse_key(&at, rule::MISPLACED_KEY, "a dossier's own input comes from the caller", "the key at the service's input");
        }
    }

    let mut elements: Vec<Element> = Vec::new();
    // False when an element's service is known but broken: then the dossier cannot stand either.
    let mut whole = true;
    for (place, (name, raw_element)) in raw.elements.0.iter().enumerate() {
        let at = format!("/elements/{}", escape(name));
        let kind = "element name";
        file.id_key(&at, name, |text| DossierId::new(text).map_err(|IdError { accepted, .. }| IdError { kind, accepted }));
        file.no_repetition(&format!("{at}/for"), &raw_element.roles);
        let Some(service) = known_service(&mut file, &format!("{at}/service"), &raw_element.service, snapshot, names) else {
            whole = false;
            continue;
        };
        if service.subject.is_empty() {
            file.refuse(&format!("{at}/for"), rule::NO_SUBJECT, "the service asks about no person", "a service with a subject");
        }
        if let Some(purpose) = purpose.as_ref().filter(|purpose| !names.purposes.is_unknown(purpose.as_str())) {
            granted(&mut file, &format!("{at}/service"), service, purpose, snapshot, names);
        }
        let absence = raw_element.absence.unwrap_or(service.absence);
        if (service.absence, absence) == (Absence::Unknown, Absence::Fact) {
            let message = "the contract says that absence is unknown";
            file.refuse(&format!("{at}/absence"), rule::ABSENCE_LOOSENED, message, "absence: unknown, or no such key");
        }
        let scope = Scope { place, raw: &raw, inputs: &inputs, snapshot };
        let (sources, after) = sources(&mut file, &at, raw_element, service, &scope);
        elements.push(Element {
            name: name.as_str().into(),
            service: service.id.clone(),
            roles: raw_element.roles.clone(),
            need: raw_element.need,
            absence,
            stops: raw_element.stops,
            when: Vec::new(),
            once_per: None,
            members: None,
            inputs: sources,
            after: after.into_iter().collect(),
        });
    }
    let ((id, version), purpose) = (identity?, purpose?);
    (file.faults() == 0 && whole).then_some(Dossier {
        id,
        version,
        name: raw.name,
        purpose,
        deadline,
        due,
        retry_every: Duration::from_secs(30),
        inputs,
        elements,
    })
}

fn identity(file: &mut File<'_>, document: &Document, text: &str) -> Option<(DossierId, crate::Version)> {
    let (name, version) = file.id("/dossier", text, |text| split_versioned(text).map(|(name, version)| (name.to_owned(), version)))?;
    let id = file.id("/dossier", &name, DossierId::new)?;
    let stem = file::stem(&document.path);
    if stem != text {
        file.refuse("/dossier", rule::FILE_NAME, "the file has another name", format!("`{stem}`"));
    }
    Some((id, version))
}

fn known_service<'a>(file: &mut File<'_>, at: &str, text: &str, snapshot: &'a Snapshot, names: &Names) -> Option<&'a Service> {
    let id = file.id(at, text, ServiceId::new)?;
    if names.services.is_unknown(id.as_str()) {
        file.refuse(at, rule::UNKNOWN_SERVICE, format!("there is no service `{id}`"), names.services.accepted());
    }
    snapshot.services.get(&id).map(|service| &**service)
}

/// An element that nobody may ask would stay unanswered for ever.
fn granted(file: &mut File<'_>, at: &str, service: &Service, purpose: &PurposeId, snapshot: &Snapshot, names: &Names) {
    let mut grants = snapshot.consumers.values().flat_map(|consumer| &consumer.grants);
    let granted = grants.any(|grant| grant.service == service.id && grant.purposes.contains(purpose) && !grant.roles.is_empty());
    if !granted && !names.consumers_broken {
        let message = format!("no consumer may ask `{}` for `{purpose}`", service.id);
        file.note(at, rule::ELEMENT_WITHOUT_GRANT, message, "a consumer's grant with this service and purpose");
    }
}

struct Scope<'a> {
    place: usize,
    raw: &'a raw::DossierFile,
    inputs: &'a [Input],
    snapshot: &'a Snapshot,
}

type Sources = (Vec<(Box<str>, InputSource)>, Option<usize>);

fn sources(file: &mut File<'_>, at: &str, raw: &raw::Element, service: &Service, scope: &Scope<'_>) -> Sources {
    let mut sources: Vec<(Box<str>, InputSource)> = Vec::new();
    let mut after = None;
    for (name, source) in &raw.input.0 {
        let at = format!("{at}/input/{}", escape(name));
        let Some(input) = service.inputs.iter().find(|input| *input.name == **name) else {
            let accepted = file::words(service.inputs.iter().map(|input| &*input.name));
            file.refuse_key(&at, rule::UNKNOWN_INPUT, format!("`{}` has no input `{name}`", service.id), accepted);
            continue;
        };
        if let (Some((origin, field)), raw::Source::MonthsAgo(_) | raw::Source::Input(_) | raw::Source::Codes(_)) =
            (&input.comes_from, source)
        {
            let message = format!("`{name}` must come from an answer in the same case");
            file.refuse(&at, rule::WRONG_ANSWER, message, format!("answer: the element of {origin} with .{field}"));
        }
        let found = match source {
            raw::Source::MonthsAgo(months) => {
                wants(file, &at, input, Type::Month);
                Some(InputSource::MonthsAgo(*months))
            }
            raw::Source::Input(own) => own_input(file, &format!("{at}/input"), own, input, scope),
            raw::Source::Codes(codes) => Some(InputSource::Codes(codes.iter().map(|code| code.as_str().into()).collect())),
            raw::Source::Answer(text) => {
                let found = answer(file, &format!("{at}/answer"), text, raw, input, scope);
                if let Some(InputSource::Answer(AnswerField { element, .. })) = &found {
                    if after.is_some_and(|other| other != *element) {
                        file.refuse(&at, rule::TOO_MANY_DEPENDENCIES, "the element needs another one already", "answers of one element");
                    }
                    after = Some(*element);
                }
                found
            }
        };
        sources.extend(found.map(|source| (Box::from(name.as_str()), source)));
    }
    for input in service.inputs.iter().filter(|input| input.required) {
        if !raw.input.0.iter().any(|(name, _)| **name == *input.name) {
            let message = format!("`{}` needs the input `{}`", service.id, input.name);
            file.refuse_key(at, rule::UNFILLED_INPUT, message, format!("input: {{{}: …}}", input.name));
        }
    }
    if let Some(window) = &service.window {
        let months = |wanted: &str| {
            sources.iter().find(|(name, _)| **name == *wanted).and_then(|(_, source)| match source {
                InputSource::MonthsAgo(months) => Some(*months),
                InputSource::Answer(_) | InputSource::Input(_) | InputSource::Codes(_) => None,
            })
        };
        if let (Some(from), Some(to)) = (months(&window.from), months(&window.to)) {
            let inside = from.checked_sub(to).is_some_and(|months| months < window.months_max);
            if !inside {
                let accepted = format!("{} to at most {} months later, both counted", window.from, window.months_max);
                file.refuse_key(&format!("{at}/input"), rule::WRONG_WINDOW, "the contract does not take this window", accepted);
            }
        }
    }
    (sources, after)
}

fn wants(file: &mut File<'_>, at: &str, input: &Input, given: Type) {
    if input.kind != given {
        let message = format!("`{}` does not take a {}", input.name, service::kebab(given));
        file.refuse(at, rule::WRONG_INPUT_TYPE, message, format!("a source of type {}", service::kebab(input.kind)));
    }
}

fn own_input(file: &mut File<'_>, at: &str, own: &str, input: &Input, scope: &Scope<'_>) -> Option<InputSource> {
    let Some(declared) = scope.inputs.iter().find(|declared| *declared.name == *own) else {
        let accepted = file::words(scope.inputs.iter().map(|input| &*input.name));
        file.refuse(at, rule::UNKNOWN_INPUT, format!("the dossier has no input `{own}`"), accepted);
        return None;
    };
    wants(file, at, input, declared.kind);
    if input.required && !declared.required {
        let message = format!("the service requires `{}`, the dossier's `{own}` may be left out", input.name);
        file.refuse(at, rule::UNFILLED_INPUT, message, "need: required at the dossier's input");
    }
    Some(InputSource::Input(own.into()))
}

fn answer(file: &mut File<'_>, at: &str, text: &str, raw: &raw::Element, input: &Input, scope: &Scope<'_>) -> Option<InputSource> {
    let elements = &scope.raw.elements.0;
    let above = || file::words(elements.iter().take(scope.place).map(|(name, _)| name.as_str()));
    let Some((wanted, field)) = text.split_once('.') else {
        file.refuse(at, rule::WRONG_NAME, "not an element's field", "element.field");
        return None;
    };
    let Some(element) = elements.iter().position(|(name, _)| name == wanted) else {
        file.refuse(at, rule::UNKNOWN_ELEMENT, format!("there is no element `{wanted}`"), above());
        return None;
    };
    if element >= scope.place {
        file.refuse(at, rule::ELEMENT_ORDER, format!("`{wanted}` does not stand above this element"), above());
        return None;
    }
    let needed = &elements.get(element)?.1;
    if let Some(role) = raw.roles.iter().find(|role| !needed.roles.contains(role)) {
        let message = format!("`{wanted}` is not asked about every person this element is");
        file.refuse(at, rule::ELEMENT_ROLES, message, format!("`{wanted}` for {} too", serde_json::to_string(role).unwrap_or_default()));
    }
    let id = ServiceId::new(&needed.service).ok()?;
    if let Some((origin, origin_field)) = &input.comes_from
        && (*origin != id || **origin_field != *field)
    {
        let message = format!("`{}` must come from another answer", input.name);
        file.refuse(at, rule::WRONG_ANSWER, message, format!("the element of {origin} with .{origin_field}"));
    }
    let source = scope.snapshot.services.get(&id)?;
    match service::answer_type(source, field) {
        None => {
            let message = format!("`{field}` is not a top-level field that `{id}` delivers");
            file.refuse(at, rule::UNKNOWN_ANSWER, message, service::answer_fields(source));
        }
        Some(kind) => wants(file, at, input, kind),
    }
    Some(InputSource::Answer(AnswerField { element, field: field.into() }))
}
