//! Checks a consumer and its grants.
//!
//! - `answer.rs`: what is answered with yes or no.
//! - `terms.rs`: by whom, under what and when a grant may be used.

pub(super) mod answer;
mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::Names;
use super::file::{self, File};
use crate::contract::{
    Class, Confirmed, Consumer, ConsumerType, FieldKind, FieldSet, Grant, Input, Quota, Role, RowRule, Service, SubjectForm, Type,
};
use crate::document::{Document, escape};
use crate::id::{ActId, ConsumerId, PurposeId, RoleId, ServiceId};
use crate::problem::Problems;
use crate::raw;
use crate::rule;
use crate::snapshot::Snapshot;

/// Requests of a consumer whose file says nothing about them.
const QUOTA: Quota = Quota { per_second: 200, burst: 400 };

/// The consumer with those of its grants that are sound; `None` when the consumer itself is not.
pub(super) fn check(
    document: &Document,
    raw: raw::ConsumerFile,
    today: Date,
    snapshot: &Snapshot,
    names: &Names,
    problems: &mut Problems,
) -> Option<Consumer> {
    let mut file = File::new(document, problems);
    let id = file.id("/consumer", &raw.consumer, ConsumerId::new);
    let stem = file::stem(&document.path);
    if stem != raw.consumer {
        file.refuse("/consumer", rule::FILE_NAME, "the file has another name", format!("`{stem}`"));
    }
    file.bilingual("/name", &raw.name);
    let clause = file.text("/clause", &raw.clause);
    for (place, name) in raw.certificate_names.iter().enumerate() {
        if !is_dns_name(name) {
            let at = format!("/certificate_names/{place}");
            file.refuse(&at, rule::WRONG_NAME, format!("`{name}` is not a DNS name"), "lower-case labels joined by points, no wildcard");
        }
    }
    file.no_repetition("/certificate_names", &raw.certificate_names);
    if raw.kind == ConsumerType::Probe && !raw.certificate_names.is_empty() {
        file.refuse("/certificate_names", rule::WRONG_PROBE, "nobody connects as the gateway's own probe", "[]");
    }
    let mut roles = BTreeMap::new();
    for (code, role) in raw.roles.0 {
        let at = format!("/roles/{}", escape(&code));
        file.bilingual(&format!("{at}/name"), &role.name);
        if let Some(code) = file.id_key(&at, &code, RoleId::new) {
            terms::role_within_type(&mut file, &format!("{at}/class_max"), raw.kind, role.class_max);
            let at = format!("{at}/represents");
            file.no_repetition(&at, &role.represents);
            if role.automated && !role.represents.is_empty() {
                let message = "nobody comes to an automated caller, so it can look at no document";
                file.refuse_key(&at, rule::MISPLACED_KEY, message, "represents in a role without automated");
            }
            let raw::Role { name, class_max, automated, emergency, represents } = role;
            roles.insert(code, Role { name, class_max, automated, emergency, represents });
        }
    }
    let own_faults = file.faults();

    let special = raw.special.is_none();
    let scope = Scope { today, snapshot, names, roles: &roles, kind: raw.kind, special };
    let mut grants: Vec<Grant> = Vec::new();
    for (place, raw) in raw.grants.iter().enumerate() {
        let at = format!("/grants/{place}");
        let before = file.faults();
        let Some(grant) = grant(&mut file, &at, raw, &scope) else { continue };
        let overlap = |other: &&Grant| {
            other.service == grant.service
                && other.purposes.iter().any(|purpose| grant.purposes.contains(purpose))
                && other.roles.iter().any(|role| grant.roles.contains(role))
                && (grant.subject.is_empty() || other.subject.iter().any(|form| grant.subject.contains(form)))
        };
        if grants.iter().any(|other| overlap(&other)) {
            let message = "another grant fits the same service, purpose, role and form of subject";
            file.refuse(&at, rule::OVERLAPPING_GRANTS, message, "one grant for each");
        }
        if file.faults() == before {
            grants.push(grant);
        }
    }
    let certificate_names = file::boxed(&raw.certificate_names);
    (own_faults == 0).then_some(Consumer {
        id: id?,
        name: raw.name,
        clause,
        kind: raw.kind,
        special,
        certificate_names,
        quota: raw.quota.as_ref().map_or(QUOTA, |quota| Quota { per_second: quota.per_second, burst: quota.burst }),
        roles,
        grants,
    })
}

struct Scope<'a> {
    today: Date,
    snapshot: &'a Snapshot,
    names: &'a Names,
    roles: &'a BTreeMap<RoleId, Role>,
    kind: ConsumerType,
    /// Whether the consumer may be given data of the special category.
    special: bool,
}

fn grant(file: &mut File<'_>, at: &str, raw: &raw::Grant, scope: &Scope<'_>) -> Option<Grant> {
    let names = scope.names;
    let service = file.id(&format!("{at}/service"), &raw.service, ServiceId::new);
    if let Some(id) = &service
        && names.services.is_unknown(id.as_str())
    {
        file.refuse(&format!("{at}/service"), rule::UNKNOWN_SERVICE, format!("there is no service `{id}`"), names.services.accepted());
    }

    let purposes = codes(file, &format!("{at}/purposes"), &raw.purposes, PurposeId::new);
    if raw.purposes.is_empty() {
        file.refuse(&format!("{at}/purposes"), rule::GRANT_WITHOUT_PURPOSE, "the grant serves no purpose", names.purposes.accepted());
    }
    for (place, purpose) in raw.purposes.iter().enumerate().filter(|(_, purpose)| names.purposes.is_unknown(purpose)) {
        let place = format!("{at}/purposes/{place}");
        file.refuse(&place, rule::UNKNOWN_PURPOSE, format!("there is no purpose `{purpose}`"), names.purposes.accepted());
    }

    let acts = codes(file, &format!("{at}/acts"), &raw.acts, ActId::new);
    if raw.acts.is_empty() {
        file.refuse(&format!("{at}/acts"), rule::GRANT_WITHOUT_ACT, "the grant rests on no legal act", names.acts.accepted());
    }
    for (place, act) in raw.acts.iter().enumerate() {
        let place = format!("{at}/acts/{place}");
        if names.acts.is_unknown(act) {
            file.refuse(&place, rule::UNKNOWN_ACT, format!("there is no act `{act}`"), names.acts.accepted());
        }
        let known = ActId::new(act).ok().and_then(|id| scope.snapshot.acts.get(&id));
        if let Some(known) = known.filter(|known| !known.in_force(scope.today)) {
            let message = match (known.in_force_from, known.in_force_until) {
                (Some(from), _) if scope.today < from => format!("the act `{act}` is in force only from {from}"),
                (_, Some(until)) => format!("the act `{act}` lapsed after {until}"),
                (_, None) => format!("the act `{act}` is not in force"),
            };
            file.note(&place, rule::LAPSED_ACT, message, format!("an act in force on {}", scope.today));
        }
    }

    let roles = codes(file, &format!("{at}/roles"), &raw.roles, RoleId::new);
    if raw.roles.is_empty() {
        file.refuse(&format!("{at}/roles"), rule::GRANT_WITHOUT_ROLE, "no role may use the grant", role_words(scope));
    }
    for (place, role) in raw.roles.iter().enumerate() {
        if RoleId::new(role).is_ok_and(|role| !scope.roles.contains_key(&role)) {
            let place = format!("{at}/roles/{place}");
            file.refuse(&place, rule::UNKNOWN_ROLE, format!("this consumer has no role `{role}`"), role_words(scope));
        }
    }

    // Fields can be judged only against a sound contract; a broken one has its own problems.
    let service = scope.snapshot.services.get(&service?)?;
    let subject = subject_forms(file, &format!("{at}/subject"), raw.subject.as_deref(), service);
    let fields = granted(file, at, raw, service);
    let mut role_withholds = BTreeMap::new();
    for (role, paths) in &raw.role_withholds.0 {
        let at = format!("{at}/role_withholds/{}", escape(role));
        let kept = paths_under(file, &at, paths, service);
        match RoleId::new(role) {
            Ok(id) if roles.contains(&id) => {
                role_withholds.insert(id, kept);
            }
            _ => file.refuse_key(&at, rule::UNKNOWN_ROLE, format!("`{role}` is not a role of this grant"), raw.roles.join(", ")),
        }
    }
    let mut rows: Vec<RowRule> = Vec::new();
    for (place, raw) in raw.rows.iter().enumerate() {
        if let Some(row) = row(file, &format!("{at}/rows/{place}"), raw, service) {
            rows.push(row);
        }
    }
    counted_rows(file, &format!("{at}/fields"), fields, &rows, service);
    let answer = match &raw.answer {
        Some(answer) => {
            let (predicate, bound) = answer::check(file, at, raw, answer, service)?;
            rows.extend(bound);
            Some(Arc::new(predicate))
        }
        None => None,
    };
    let special = codes(file, &format!("{at}/special"), &raw.special, ActId::new);
    let grant = Grant {
        service: service.id.clone(),
        subject,
        fields,
        answer,
        purposes,
        acts,
        special,
        roles,
        role_withholds,
        rows: rows.into(),
        hours: raw.hours.as_ref().and_then(|hours| terms::hours(file, &format!("{at}/hours"), hours)),
        volume: raw.volume.as_ref().map(|volume| terms::volume(file, &format!("{at}/volume"), volume)),
    };
    terms::check(file, at, &grant, service, scope);
    class_above_roles(file, &format!("{at}/roles"), &grant, service, scope);
    Some(grant)
}

fn codes<T: PartialEq>(file: &mut File<'_>, at: &str, words: &[String], new: impl Fn(&str) -> Result<T, crate::id::IdError>) -> Vec<T> {
    file.no_repetition(at, words);
    words.iter().enumerate().filter_map(|(place, word)| file.id(&format!("{at}/{place}"), word, &new)).collect()
}

fn role_words(scope: &Scope<'_>) -> String {
    file::words(scope.roles.keys().map(RoleId::as_str))
}

fn subject_forms(file: &mut File<'_>, at: &str, raw: Option<&[SubjectForm]>, service: &Service) -> Vec<SubjectForm> {
    let Some(forms) = raw else { return service.subject.clone() };
    file.no_repetition(at, forms);
    for (place, form) in forms.iter().enumerate().filter(|(_, form)| !service.subject.contains(form)) {
        let message = format!("`{}` takes no subject by {}", service.id, form.as_str());
        let accepted = file::words(service.subject.iter().map(|form| form.as_str()));
        file.refuse(&format!("{at}/{place}"), rule::WRONG_SUBJECT, message, accepted);
    }
    forms.to_vec()
}

fn granted(file: &mut File<'_>, at: &str, raw: &raw::Grant, service: &Service) -> FieldSet {
    let place = format!("{at}/fields");
    match (&raw.fields, &raw.answer) {
        (Some(raw::Fields::All(_)), None) => FieldSet::first(service.leaves.len()),
        (Some(raw::Fields::Paths(paths)), None) => {
            if paths.is_empty() {
                file.refuse(&place, rule::GRANT_WITHOUT_FIELD, "the grant covers no field", "all, or paths of the contract");
            }
            paths_under(file, &place, paths, service)
        }
        (None, None) => {
            file.refuse(at, rule::GRANT_WITHOUT_FIELD, "the grant covers no field and answers nothing", "fields, or answer");
            FieldSet::EMPTY
        }
        (Some(_), Some(_)) => {
            let message = "who is answered with yes or no is given no field";
            file.refuse_key(&place, rule::MISPLACED_KEY, message, "fields or answer, not both");
            FieldSet::EMPTY
        }
        (None, Some(_)) => FieldSet::EMPTY,
    }
}

fn paths_under(file: &mut File<'_>, at: &str, paths: &[String], service: &Service) -> FieldSet {
    file.no_repetition(at, paths);
    let mut set = FieldSet::EMPTY;
    for (place, path) in paths.iter().enumerate() {
        let named = service.fields_under(path);
        if named.is_empty() {
            let message = format!("`{}` has no field `{path}`", service.id);
            let accepted = file::words(service.leaves.iter().map(|leaf| &*leaf.path));
            file.refuse(&format!("{at}/{place}"), rule::UNKNOWN_FIELD, message, accepted);
        }
        set = set.union(named);
    }
    set
}

/// A field that none of the grant's roles may ever see is a mistake in one of the two.
fn class_above_roles(file: &mut File<'_>, at: &str, grant: &Grant, service: &Service, scope: &Scope<'_>) {
    let highest = service.class_of(grant.touches(service));
    let allowed = grant.roles.iter().filter_map(|role| scope.roles.get(role)).map(|role| role.class_max).max();
    // What no consumer of the type may be given has been told.
    let possible = |highest: &Class| *highest <= scope.kind.class_max();
    if let (Some(highest), Some(allowed)) = (highest.filter(possible), allowed)
        && highest > allowed
    {
        let message = format!("the grant covers fields of class {highest:?}, its roles see up to {allowed:?}");
        file.note(at, rule::CLASS_ABOVE_ROLES, message, format!("a role with class_max {highest:?}, or fewer fields"));
    }
}

fn row(file: &mut File<'_>, at: &str, raw: &raw::Row, service: &Service) -> Option<RowRule> {
    let name = raw.list.strip_suffix("[]").unwrap_or(&raw.list);
    let list = service.shape.fields.iter().find(|field| *field.name == *name);
    let Some((list, shape)) = list.and_then(|list| match &list.kind {
        FieldKind::List { shape, .. } => Some((list, shape)),
        FieldKind::Scalar { .. } | FieldKind::Values { .. } => None,
    }) else {
        let lists = service.shape.fields.iter().filter(|field| matches!(field.kind, FieldKind::List { .. })).map(|field| &*field.path);
        file.refuse(
            &format!("{at}/list"),
            rule::WRONG_ROW_RULE,
            format!("`{name}` is not a top-level list of records"),
            file::words(lists),
        );
        return None;
    };
    let field = shape.fields.iter().find(|field| *field.name == *raw.field && field.agreed);
    let Some(codes) = field.and_then(|field| match &field.kind {
        FieldKind::Scalar { kind: Type::Code, codes } => Some(codes),
        FieldKind::Scalar { .. } | FieldKind::List { .. } | FieldKind::Values { .. } => None,
    }) else {
        let message = format!("`{}` is not an agreed code field of `{}`", raw.field, list.path);
        let is_code = |field: &&crate::FieldDef| field.agreed && matches!(field.kind, FieldKind::Scalar { kind: Type::Code, .. });
        let accepted = file::words(shape.fields.iter().filter(is_code).map(|field| &*field.name));
        file.refuse(&format!("{at}/field"), rule::WRONG_ROW_RULE, message, accepted);
        return None;
    };
    file.no_repetition(&format!("{at}/allow"), &raw.allow);
    if raw.allow.is_empty() {
        file.refuse(&format!("{at}/allow"), rule::TOO_FEW, "no row would ever be delivered", "at least one code, or no grant of the list");
    }
    for (place, code) in raw.allow.iter().enumerate() {
        if !codes.is_empty() && !codes.iter().any(|known| **known == **code) {
            let message = format!("`{code}` is not a code of `{}`", raw.field);
            file.refuse(&format!("{at}/allow/{place}"), rule::UNKNOWN_CODE, message, file::words(codes.iter().map(|code| &**code)));
        }
    }
    let input = row_input(file, at, raw, codes, service).ok()?;
    Some(RowRule { list: list.name.clone(), field: raw.field.as_str().into(), allow: file::boxed(&raw.allow), leaves: list.leaves, input })
}

/// The input that a row rule bounds: one that takes the field's own codes. Where the service has one and the
/// rule leaves it open, whoever asks for a code that is withheld learns from the outcome whether there are
/// such rows.
fn row_input(file: &mut File<'_>, at: &str, raw: &raw::Row, codes: &[Box<str>], service: &Service) -> Result<Option<Box<str>>, Refused> {
    let same_codes =
        |input: &&Input| input.kind == Type::Code && !input.codes.is_empty() && input.codes.iter().all(|code| codes.contains(code));
    let fitting = || service.inputs.iter().filter(same_codes);
    let Some(name) = &raw.input else {
        if fitting().next().is_some() {
            let message = format!("`{}` asks for rows by an input that the rule does not bound", service.id);
            let names = file::words(fitting().map(|input| &*input.name));
            file.refuse(at, rule::WRONG_ROW_RULE, message, format!("input: {names}"));
            return Err(Refused);
        }
        return Ok(None);
    };
    let at = format!("{at}/input");
    let Some(input) = service.inputs.iter().find(|input| *input.name == **name) else {
        let message = format!("`{}` has no input `{name}`", service.id);
        file.refuse(&at, rule::UNKNOWN_INPUT, message, file::words(fitting().map(|input| &*input.name)));
        return Err(Refused);
    };
    if !same_codes(&input) {
        let message = format!("`{name}` does not take the codes of `{}`", raw.field);
        file.refuse(&at, rule::WRONG_ROW_RULE, message, file::words(fitting().map(|input| &*input.name)));
        return Err(Refused);
    }
    Ok(Some(input.name.clone()))
}

/// A part of the file was refused; the problem has been told.
struct Refused;

/// A count beside a list tells how many of its rows are left out.
fn counted_rows(file: &mut File<'_>, at: &str, fields: FieldSet, rows: &[RowRule], service: &Service) {
    for confirm in &service.confirms {
        let Confirmed::Count(list) = &confirm.with else { continue };
        let Some(count) = service.leaf(&confirm.field).filter(|count| fields.contains(*count)) else { continue };
        if rows.iter().any(|rule| rule.list == *list) {
            let message = format!("`{}` counts the rows of `{list}`, also those that are left out", service.leaves[count].path);
            file.refuse(at, rule::ROWS_COUNTED, message, format!("fields without `{}`", confirm.field));
        }
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}
