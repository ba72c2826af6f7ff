//! Checks a dossier: its calls, their order, and that somebody may make them.

mod answer;
mod condition;
mod fallback;
mod input;
mod members;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::answer::answer;
use super::Names;
use super::file::{self, File};
use crate::contract::{Dossier, ELEMENTS_MAX, Element, Input, InputSource, Need, Service};
use crate::document::{Document, escape};
use crate::id::{DossierId, IdError, PurposeId, ServiceId, split_versioned};
use crate::outcome::Absence;
use crate::problem::Problems;
use crate::raw;
use crate::rule;
use crate::snapshot::Snapshot;

/// Longest deadline of one round.
const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// Pause between two rounds where the file does not say it.
const RETRY_EVERY: Duration = Duration::from_secs(30);
/// Longest pause between two rounds.
const RETRY_EVERY_MAX: Duration = Duration::from_secs(86_400);
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
    let retry_every = raw.retry_every.as_deref().map_or(RETRY_EVERY, |text| {
        // A pause beyond the end would be a dossier that never asks again.
        file.duration("/retry_every", text, Duration::from_secs(1), RETRY_EVERY_MAX.min(due))
    });
    let mut inputs = file.inputs(&raw.input);
    for (name, input) in &raw.input.0 {
        if input.comes_from.is_some() {
            let at = format!("/input/{}/comes_from", escape(name));
            file.refuse_key(&at, rule::MISPLACED_KEY, "a dossier's own input comes from the caller", "the key at the service's input");
        }
    }

    if raw.elements.0.len() > ELEMENTS_MAX {
        let message = format!("the dossier has {} elements", raw.elements.0.len());
        file.refuse_key("/elements", rule::TOO_MANY, message, format!("at most {ELEMENTS_MAX}"));
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
        if !service.in_dossiers {
            let message = format!("the contract lets no dossier ask `{}`", service.id);
            file.refuse(&format!("{at}/service"), rule::NOT_IN_DOSSIERS, message, "another service; this one is asked on its own");
        }
        if let Some(purpose) = purpose.as_ref().filter(|purpose| !names.purposes.is_unknown(purpose.as_str())) {
            granted(&mut file, &format!("{at}/service"), service, purpose, snapshot, names);
        }
        let absence = raw_element.absence.unwrap_or(service.absence);
        if (service.absence, absence) == (Absence::Unknown, Absence::Fact) {
            let message = "the contract says that absence is unknown";
            file.refuse(&format!("{at}/absence"), rule::ABSENCE_LOOSENED, message, "absence: unknown, or no such key");
        }
        need(&mut file, &at, raw_element);
        let scope = Scope { place, own: raw_element, raw: &raw, inputs: &inputs, snapshot };
        let mut after = BTreeSet::new();
        let when = condition::check(&mut file, &format!("{at}/when"), &scope, &mut after);
        let once_per = raw_element.once_per.as_deref().and_then(|text| {
            let found = answer(&mut file, &format!("{at}/once_per"), text, &scope)?;
            after.insert(found.field.element);
            Some(found.field)
        });
        if raw_element.until_found && raw_element.once_per.is_none() {
            file.refuse_key(
                &format!("{at}/until_found"),
                rule::MISPLACED_KEY,
                "there is no `once_per` that it could go on with",
                "once_per beside it",
            );
        }
        let fallback_for = raw_element.fallback_for.as_deref().and_then(|text| {
            let found = fallback::check(&mut file, &format!("{at}/fallback_for"), text, &scope)?;
            after.insert(found);
            Some(found)
        });
        if raw_element.members.is_some() && raw_element.need == Need::Optional {
            file.refuse_key(
                &format!("{at}/members"),
                rule::WRONG_MEMBERS,
                "members of an optional element may stay unknown for ever",
                "need: required",
            );
        }
        let members = raw_element.members.as_ref().map(|members| {
            let first = raw.elements.0.iter().take(place).find(|(_, element)| element.members.is_some());
            members::check(&mut file, &format!("{at}/members"), members, &raw_element.roles, service, first.map(|(name, _)| &**name))
        });
        let inputs = input::check(&mut file, &at, service, &scope, &mut after);
        elements.push(Element {
            name: name.as_str().into(),
            service: service.id.clone(),
            roles: raw_element.roles.clone(),
            need: raw_element.need,
            absence,
            stops: raw_element.stops,
            when,
            once_per,
            until_found: raw_element.until_found,
            fallback_for,
            members,
            inputs,
            after: after.into_iter().collect(),
        });
    }
    keys_of_instances(&mut file, &elements, snapshot, &mut inputs);
    let ((id, version), purpose) = (identity?, purpose?);
    (file.faults() == 0 && whole).then_some(Dossier { id, version, name: raw.name, purpose, deadline, due, retry_every, inputs, elements })
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

/// An input of the dossier that says which body of a source is asked takes the keys of that source, so that a wrong one is
/// refused before anybody is asked.
fn keys_of_instances(file: &mut File<'_>, elements: &[Element], snapshot: &Snapshot, inputs: &mut [Input]) {
    for element in elements {
        let Some(service) = snapshot.services.get(&element.service) else { continue };
        for (name, source) in &element.inputs {
            let InputSource::Input(own) = source else { continue };
            let wanted = service.inputs.iter().find(|input| input.name == *name).and_then(|input| input.instances.as_ref());
            let (Some(wanted), Some(input)) = (wanted, inputs.iter_mut().find(|input| input.name == *own)) else { continue };
            match &input.instances {
                Some(other) if other != wanted => {
                    let at = format!("/elements/{}/input/{}", escape(&element.name), escape(name));
                    let message = format!("`{own}` says already which body of another source is asked");
                    file.refuse(&at, rule::WRONG_ROUTING_INPUT, message, "an input of the dossier for each source");
                }
                Some(_) | None => input.instances = Some(Arc::clone(wanted)),
            }
        }
    }
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

/// Whether an element may be asked at all times or only under conditions must not be said twice.
fn need(file: &mut File<'_>, at: &str, raw: &raw::Element) {
    match (raw.need, raw.when.is_empty() && raw.fallback_for.is_none()) {
        (Need::Conditional, true) => {
            let accepted = "`when` or `fallback_for`, or need: required";
            file.refuse(&format!("{at}/need"), rule::WRONG_NEED, "a conditional element without a condition", accepted);
        }
        (Need::Required, false) => {
            let accepted = "conditional (required where its conditions hold) or optional";
            file.refuse(&format!("{at}/need"), rule::WRONG_NEED, "an element with conditions is not simply required", accepted);
        }
        (Need::Conditional, false) | (Need::Required, true) | (Need::Optional, _) => {}
    }
}

/// What the checks of one element look at.
struct Scope<'a> {
    /// Its place in the file.
    place: usize,
    own: &'a raw::Element,
    raw: &'a raw::DossierFile,
    /// The dossier's own inputs.
    inputs: &'a [Input],
    snapshot: &'a Snapshot,
}
