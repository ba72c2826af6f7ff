//! Checks a service's contract.

mod confirms;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;

use super::file::{self, File, KEY_RULE, is_key};
use super::{Declared, Names, instances};
use crate::contract::{
    Agreement, Capture, Class, FIELDS_MAX, FieldDef, FieldKind, FieldSet, Handling, Input, Leaf, MonthWindow, Quota, QuotaDays, Retry,
    Route, Season, Service, ServiceEffect, Shape, SnapshotTerms, Type,
};
use crate::document::{Document, escape};
use crate::id::{ActId, ServiceId, split_versioned};
use crate::instances::Instances;
use crate::outcome::Absence;
use crate::problem::Problems;
use crate::raw;
use crate::rule;

/// Longest wait for one answer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Longest time an answer may count as current.
const LIFETIME_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Deepest nesting of lists.
const LISTS_MAX: usize = 3;

/// The service that a file's place declares.
pub(super) fn declared(path: &Path) -> Option<ServiceId> {
    let stem = file::stem(path);
    let (name, _) = stem.split_once('@')?;
    ServiceId::new(&format!("{}/{name}", file::folder_name(path))).ok()
}

/// Everything about a contract that can be judged without other services.
pub(super) fn check(
    document: &Document,
    raw: raw::ServiceFile,
    instances: Option<&Arc<Instances>>,
    today: Date,
    names: &Names,
    problems: &mut Problems,
) -> Option<Service> {
    let mut file = File::new(document, problems);
    let id = identity(&mut file, &document.path, &raw.service);
    file.bilingual("/name", &raw.name);
    let legal_reference = file.text("/legal_reference", &raw.legal_reference);
    let agreement = agreement(&mut file, &raw.agreement, today);
    let route = route(&mut file, &raw.route);
    file.no_repetition("/subject", &raw.subject);
    let mut inputs = file.inputs(&raw.input);
    if let Some(instances) = instances {
        instances::mark(&mut file, instances, &mut inputs);
    }
    let window = raw.window.as_ref().map(|raw| window(&mut file, raw, &inputs));
    let lifetime = file.duration("/lifetime", &raw.lifetime, Duration::ZERO, LIFETIME_MAX);
    let seasons = seasons(&mut file, &raw, lifetime);
    let snapshot = raw.snapshot.as_ref().map(|terms| snapshot(&mut file, terms, &raw, lifetime));
    let timeout = file.duration("/timeout", &raw.timeout, Duration::from_secs(1), TIMEOUT_MAX);
    if raw.consent {
        consent(&mut file, &raw, lifetime);
    }
    if raw.effect == ServiceEffect::Write {
        write(&mut file, &raw, lifetime);
    }
    let quota_days = quota_days(&mut file, &raw.quota.days);
    capture(&mut file, raw.capture, raw.capture_act.as_deref(), &names.acts);
    let before = file.faults();
    let (shape, leaves) = fields(&mut file, &raw.fields);
    // A field with a fault of its own is not in the shape, and should not be called unknown for it.
    let confirms =
        if file.faults() == before { confirms::check(&mut file, &raw.confirms, &raw.subject, &inputs, &shape) } else { Vec::new() };

    let ((id, version), agreement) = (id?, agreement?);
    (file.faults() == 0).then_some(Service {
        id,
        version,
        name: raw.name,
        legal_reference,
        agreement,
        route,
        subject: raw.subject,
        effect: raw.effect,
        in_dossiers: raw.dossiers.is_none(),
        inputs,
        window,
        consent: raw.consent,
        confirms,
        absence: raw.absence,
        lifetime,
        seasons,
        snapshot,
        quota: Quota { per_second: raw.quota.per_second, burst: raw.quota.burst },
        quota_days,
        timeout,
        retry: raw.retry,
        capture: raw.capture,
        shape,
        leaves,
    })
}

/// Whether every input that must come from an answer names one that exists.
pub(super) fn check_origins(
    document: &Document,
    service: &Service,
    all: &[(Document, Service)],
    names: &Names,
    problems: &mut Problems,
) -> bool {
    let mut file = File::new(document, problems);
    for input in &service.inputs {
        let Some((origin, field)) = &input.comes_from else { continue };
        let at = format!("/input/{}/comes_from", escape(&input.name));
        let Some((_, source)) = all.iter().find(|(_, candidate)| candidate.id == *origin) else {
            if names.services.is_unknown(origin.as_str()) {
                file.refuse(&at, rule::UNKNOWN_SERVICE, format!("there is no service `{origin}`"), names.services.accepted());
            }
            continue;
        };
        match scalar(&source.shape, field) {
            None => {
                let message = format!("`{field}` is not a top-level field that `{origin}` delivers");
                file.refuse(&at, rule::UNKNOWN_ANSWER, message, scalars(&source.shape));
            }
            Some((kind, _)) if kind != input.kind => {
                file.refuse(
                    &at,
                    rule::WRONG_ANSWER_TYPE,
                    "the field has another type than the input",
                    format!("a field of type {}", kebab(input.kind)),
                );
            }
            Some(_) => {}
        }
    }
    file.faults() == 0
}

/// Type and codes of a scalar field that the agreement covers.
pub(super) fn scalar<'a>(shape: &'a Shape, name: &str) -> Option<(Type, &'a [Box<str>])> {
    shape.fields.iter().find(|field| *field.name == *name && field.agreed).and_then(|field| match &field.kind {
        FieldKind::Scalar { kind, codes } => Some((*kind, &codes[..])),
        FieldKind::List { .. } | FieldKind::Values { .. } => None,
    })
}

/// The scalar fields that [`scalar`] finds, as a message lists them.
pub(super) fn scalars(shape: &Shape) -> String {
    file::words(shape.fields.iter().map(|field| &*field.name).filter(|name| scalar(shape, name).is_some()))
}

/// The word the files use for a type.
pub(super) fn kebab(kind: Type) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn identity(file: &mut File<'_>, path: &Path, text: &str) -> Option<(ServiceId, crate::Version)> {
    let (name, version) = file.id("/service", text, |text| split_versioned(text).map(|(name, version)| (name.to_owned(), version)))?;
    let id = file.id("/service", &name, ServiceId::new)?;
    let place = format!("{}/{}", file::folder_name(path), file::stem(path));
    if place != text {
        file.refuse("/service", rule::FILE_NAME, "the file lies at another place", format!("`{place}`, or the file as {text}.yaml"));
    }
    Some((id, version))
}

fn agreement(file: &mut File<'_>, raw: &raw::Agreement, today: Date) -> Option<Agreement> {
    let number = file.text("/agreement/number", &raw.number);
    let signed_on = file.date("/agreement/signed_on", &raw.signed_on);
    let valid_until = file.date("/agreement/valid_until", &raw.valid_until);
    let (signed_on, valid_until) = (signed_on?, valid_until?);
    if valid_until < signed_on {
        let accepted = format!("{signed_on} or later");
        file.refuse("/agreement/valid_until", rule::WRONG_DATE, "the agreement ends before it begins", accepted);
    } else if today < signed_on {
        let message = format!("the agreement begins only on {signed_on}");
        file.note("/agreement/signed_on", rule::EXPIRED_AGREEMENT, message, format!("an agreement in force on {today}"));
    } else if valid_until < today {
        let message = format!("the agreement ended on {valid_until}");
        file.note("/agreement/valid_until", rule::EXPIRED_AGREEMENT, message, format!("an agreement in force on {today}"));
    }
    Some(Agreement { number, signed_on, valid_until })
}

fn route(file: &mut File<'_>, raw: &raw::Route) -> Route {
    match (raw.via, raw.reason.as_deref().map(str::trim)) {
        (raw::Via::Ehis, None) => Route::Ehis,
        (raw::Via::Ehis, Some(_)) => {
            file.refuse_key("/route/reason", rule::MISPLACED_KEY, "the route through EHİS needs no reason", "via: ehis alone");
            Route::Ehis
        }
        (raw::Via::Direct, None | Some("")) => {
            file.refuse("/route", rule::DIRECT_WITHOUT_REASON, "a direct route without its reason", "reason: why not through EHİS");
            Route::Direct("".into())
        }
        (raw::Via::Direct, Some(reason)) => Route::Direct(file.text("/route/reason", reason)),
    }
}

fn window(file: &mut File<'_>, raw: &raw::Window, inputs: &[Input]) -> MonthWindow {
    let spans = |kind: Type| matches!(kind, Type::Month | Type::Date);
    let kind = |name: &str| inputs.iter().find(|input| *input.name == *name).map(|input| input.kind).filter(|kind| spans(*kind));
    for (key, name) in [("from", &raw.from), ("to", &raw.to)] {
        if kind(name).is_none() {
            let accepted = file::words(inputs.iter().filter(|input| spans(input.kind)).map(|input| &*input.name));
            file.refuse(&format!("/window/{key}"), rule::WRONG_WINDOW, format!("`{name}` is not a month or date input"), accepted);
        }
    }
    if raw.from == raw.to {
        let accepted = "two month or two date inputs";
        file.refuse("/window/to", rule::WRONG_WINDOW, "the window begins and ends with the same input", accepted);
    } else if let (Some(from), Some(to)) = (kind(&raw.from), kind(&raw.to))
        && from != to
    {
        file.refuse("/window/to", rule::WRONG_WINDOW, "the window is between a month and a date", "two month or two date inputs");
    }
    MonthWindow { from: raw.from.as_str().into(), to: raw.to.as_str().into(), months_max: raw.months_max }
}

/// An inquiry under a consent is recorded at the source as one: it is never repeated, and its answer
/// serves no other question.
fn consent(file: &mut File<'_>, raw: &raw::ServiceFile, lifetime: Duration) {
    if !lifetime.is_zero() {
        file.refuse("/lifetime", rule::CONSENT_TERMS, "an answer under a consent serves one question", "lifetime: 0s");
    }
    if raw.retry != Retry::Never {
        file.refuse("/retry", rule::CONSENT_TERMS, "each inquiry under a consent is a fact at the source", "retry: never");
    }
    if raw.subject.is_empty() {
        file.refuse("/subject", rule::CONSENT_TERMS, "there is nobody to consent", "the forms of a subject");
    }
}

/// What is written is written for one request: an answer kept or shared would tell of a write that never was, and a
/// dossier asks again by itself.
fn write(file: &mut File<'_>, raw: &raw::ServiceFile, lifetime: Duration) {
    if !lifetime.is_zero() {
        file.refuse("/lifetime", rule::WRITE_TERMS, "the answer to a write serves one request", "lifetime: 0s");
    }
    if raw.dossiers.is_none() {
        file.refuse("/effect", rule::WRITE_TERMS, "a dossier asks again by itself, so it must not write", "dossiers: never");
    }
}

/// What was loaded is kept already: an answer out of it is kept nowhere else, and nobody consents to a file.
fn snapshot(file: &mut File<'_>, raw: &raw::SnapshotTerms, service: &raw::ServiceFile, lifetime: Duration) -> SnapshotTerms {
    if !lifetime.is_zero() {
        file.refuse("/lifetime", rule::SNAPSHOT_TERMS, "what was loaded of a file is looked up each time", "lifetime: 0s");
    }
    if service.consent {
        file.refuse("/consent", rule::SNAPSHOT_TERMS, "a file holds everybody, whoever consents", "consent: false");
    }
    let day = Duration::from_secs(86_400);
    let stale_after = raw.stale_after.as_ref().map(|text| file.duration("/snapshot/stale_after", text, day, LIFETIME_MAX));
    SnapshotTerms { stale_after }
}

fn quota_days(file: &mut File<'_>, raw: &[raw::QuotaDays]) -> Vec<QuotaDays> {
    for (place, days) in raw.iter().enumerate() {
        let before = raw.iter().take(place);
        if days.to < days.from || before.clone().any(|other| days.from <= other.to && other.from <= days.to) {
            let message = "the days end before they begin, or have a rate already";
            file.refuse(
                &format!("/quota/days/{place}"),
                rule::WRONG_QUOTA_DAYS,
                message,
                "from, to: days of the month that no other rate has",
            );
        }
    }
    let quota = |days: &raw::QuotaDays| Quota { per_second: days.per_second, burst: days.burst };
    raw.iter().map(|days| QuotaDays { from: days.from, to: days.to, quota: quota(days) }).collect()
}

/// Stricter terms alone: a season that loosened them would be forgotten where the rest of the contract is read.
fn seasons(file: &mut File<'_>, raw: &raw::ServiceFile, lifetime: Duration) -> Vec<Season> {
    let mut seasons: Vec<Season> = Vec::with_capacity(raw.seasons.len());
    for (place, season) in raw.seasons.iter().enumerate() {
        let at = format!("/seasons/{place}");
        file.no_repetition(&format!("{at}/months"), &season.months);
        let taken = |month: &i8| seasons.iter().any(|earlier| earlier.months.contains(month));
        if season.months.iter().any(taken) {
            file.refuse(&format!("{at}/months"), rule::WRONG_SEASON, "a month has a season already", "each month in one season at most");
        }
        let shorter =
            season.lifetime.as_deref().map(|text| file.duration(&format!("{at}/lifetime"), text, Duration::from_secs(1), LIFETIME_MAX));
        if shorter.is_some_and(|shorter| shorter >= lifetime) {
            let message = "the season's lifetime is not shorter than the contract's";
            file.refuse(&format!("{at}/lifetime"), rule::WRONG_SEASON, message, format!("less than {} s", lifetime.as_secs()));
        }
        if season.absence.is_some_and(|absence| absence == Absence::Fact || raw.absence == Absence::Unknown) {
            let message = "a season may say that no record is unknown where the contract says fact, and nothing else";
            file.refuse(&format!("{at}/absence"), rule::WRONG_SEASON, message, "absence: unknown, beside the contract's absence: fact");
        }
        if season.lifetime.is_none() && season.absence.is_none() {
            file.refuse(&at, rule::WRONG_SEASON, "the season changes nothing", "lifetime, absence or both");
        }
        seasons.push(Season { months: season.months.clone(), lifetime: shorter, absence_unknown: season.absence.is_some() });
    }
    seasons
}

fn capture(file: &mut File<'_>, capture: Capture, act: Option<&str>, acts: &Declared) {
    match (capture, act) {
        (Capture::Exact, None) => {
            file.refuse("/capture", rule::CAPTURE_WITHOUT_ACT, "exact bytes are kept only under a named act", "capture_act: the act");
        }
        (Capture::Exact, Some(act)) => {
            if file.id("/capture_act", act, ActId::new).is_some() && acts.is_unknown(act) {
                file.refuse("/capture_act", rule::UNKNOWN_ACT, format!("there is no act `{act}`"), acts.accepted());
            }
        }
        (Capture::None | Capture::Digest | Capture::Fields, Some(_)) => {
            file.refuse_key("/capture_act", rule::MISPLACED_KEY, "an act is named only for exact bytes", "capture: exact");
        }
        (Capture::None | Capture::Digest | Capture::Fields, None) => {}
    }
}

/// A field on its way into the shape.
struct Draft {
    name: Box<str>,
    path: Box<str>,
    kind: DraftKind,
    class: Class,
    optional: bool,
    agreed: bool,
    handling: Handling,
    unit: Option<Box<str>>,
}

enum DraftKind {
    Leaf(FieldKind),
    List { max: usize, items: Vec<Draft> },
}

fn fields(file: &mut File<'_>, raw: &raw::Ordered<raw::Field>) -> (Shape, Vec<Leaf>) {
    let mut drafts: Vec<Draft> = Vec::new();
    for (path, field) in &raw.0 {
        let at = format!("/fields/{}", escape(path));
        let Some((parents, name)) = split_path(path) else {
            let accepted = format!("names joined by points, all but the last ending in []; a name has {KEY_RULE}");
            file.refuse_key(&at, rule::WRONG_NAME, format!("`{path}` is not a field's path"), accepted);
            continue;
        };
        let Some(draft) = draft(file, &at, path, name, field) else { continue };
        let Some(siblings) = descend(&mut drafts, &parents) else {
            let above = format!("{}[]", parents.join("[]."));
            file.refuse_key(
                &at,
                rule::UNDECLARED_LIST,
                format!("the list `{above}` is not declared above"),
                format!("`{above}` with max first"),
            );
            continue;
        };
        if parents.len() >= LISTS_MAX {
            file.refuse_key(&at, rule::OUT_OF_BOUNDS, "lists are nested too deeply", format!("at most {LISTS_MAX} levels"));
        } else if siblings.iter().any(|sibling| *sibling.name == *name) {
            file.refuse_key(&at, rule::DUPLICATE_FIELD, format!("`{name}` is declared already at this level"), "one field of this name");
        } else {
            siblings.push(draft);
        }
    }
    let mut leaves = Vec::new();
    let shape = shape(file, drafts, &mut leaves);
    if leaves.len() > FIELDS_MAX {
        file.refuse_key(
            "/fields",
            rule::TOO_MANY_FIELDS,
            format!("the contract has {} fields", leaves.len()),
            format!("at most {FIELDS_MAX}"),
        );
    } else if file.faults() == 0 && !leaves.iter().any(|leaf| leaf.agreed) {
        file.refuse_key("/fields", rule::NO_AGREED_FIELD, "the agreement covers no field", "at least one agreed field");
    }
    (shape, leaves)
}

/// The lists above a field, and its own name.
fn split_path(path: &str) -> Option<(Vec<&str>, &str)> {
    let mut parts: Vec<&str> = path.split('.').collect();
    let last = parts.pop()?;
    let name = last.strip_suffix("[]").unwrap_or(last);
    let parents: Option<Vec<&str>> = parts.into_iter().map(|part| part.strip_suffix("[]").filter(|part| is_key(part))).collect();
    is_key(name).then_some((parents?, name))
}

fn descend<'a>(drafts: &'a mut Vec<Draft>, parents: &[&str]) -> Option<&'a mut Vec<Draft>> {
    let Some((first, rest)) = parents.split_first() else { return Some(drafts) };
    let list = drafts.iter_mut().find(|draft| *draft.name == **first)?;
    match &mut list.kind {
        DraftKind::List { items, .. } => descend(items, rest),
        DraftKind::Leaf(_) => None,
    }
}

fn draft(file: &mut File<'_>, at: &str, path: &str, name: &str, raw: &raw::Field) -> Option<Draft> {
    let before = file.faults();
    let is_list = path.ends_with("[]");
    let max = match (is_list, raw.max) {
        (true, Some(max)) => usize::try_from(max).unwrap_or(usize::MAX),
        (true, None) => {
            file.refuse_key(at, rule::LIST_WITHOUT_MAX, "a list without its greatest number of items", "max: 1 to 10000");
            1
        }
        (false, Some(_)) => {
            file.refuse_key(&format!("{at}/max"), rule::MISPLACED_KEY, "only a list has a greatest number", "a path that ends in []");
            1
        }
        (false, None) => 1,
    };
    let Some(kind) = raw.kind else {
        if !is_list {
            file.refuse_key(at, rule::MISSING_KEY, "the key `type` is missing", "`type`");
            return None;
        }
        let theirs = [
            ("class", raw.class.is_some()),
            ("codes", raw.codes.is_some()),
            ("unit", raw.unit.is_some()),
            ("agreed", !raw.agreed),
            ("handling", raw.handling.is_some()),
        ];
        for (key, _) in theirs.iter().filter(|(_, given)| *given) {
            let message = format!("a list of records has no `{key}` of its own");
            file.refuse_key(&format!("{at}/{key}"), rule::MISPLACED_KEY, message, "the key at the list's fields");
        }
        let kind = DraftKind::List { max, items: Vec::new() };
        // Even with a fault of its own: its fields should not be called undeclared for it.
        return Some(Draft {
            name: name.into(),
            path: path.into(),
            kind,
            class: Class::O,
            optional: raw.optional,
            agreed: true,
            handling: Handling::NoOnward,
            unit: None,
        });
    };
    let codes = codes(file, at, kind, raw.codes.as_ref());
    if name.ends_with("_qapik") != (kind == Type::Money) {
        let accepted = if kind == Type::Money { "a name that ends in _qapik" } else { "type: money, or a name without _qapik" };
        file.refuse_key(at, rule::MONEY_NAME, format!("`{name}` of type {}", kebab(kind)), accepted);
    }
    let class = raw.class.unwrap_or_else(|| {
        file.refuse_key(at, rule::MISSING_KEY, "the key `class` is missing", "`class`: O, C or S");
        Class::S
    });
    let unit = raw.unit.as_deref().map(|unit| file.text(&format!("{at}/unit"), unit));
    let kind = if is_list { FieldKind::Values { max, kind, codes } } else { FieldKind::Scalar { kind, codes } };
    let draft = Draft {
        name: name.into(),
        path: path.into(),
        kind: DraftKind::Leaf(kind),
        class,
        optional: raw.optional,
        agreed: raw.agreed,
        handling: raw.handling.unwrap_or(Handling::NoOnward),
        unit,
    };
    (file.faults() == before).then_some(draft)
}

fn codes(file: &mut File<'_>, at: &str, kind: Type, raw: Option<&raw::Codes>) -> Vec<Box<str>> {
    match (kind == Type::Code, raw) {
        (true, Some(raw::Codes::Listed(codes))) if !codes.is_empty() => {
            file.no_repetition(&format!("{at}/codes"), codes);
            for (place, code) in codes.iter().enumerate() {
                file.text(&format!("{at}/codes/{place}"), code);
            }
            file::boxed(codes)
        }
        (true, Some(raw::Codes::Open(_))) | (false, None) => Vec::new(),
        (true, Some(raw::Codes::Listed(_)) | None) => {
            file.refuse_key(
                at,
                rule::CODE_WITHOUT_CODES,
                "a code field without its codes",
                "codes: […], or open for an external classifier",
            );
            Vec::new()
        }
        (false, Some(_)) => {
            file.refuse_key(&format!("{at}/codes"), rule::MISPLACED_KEY, "codes belong to the type code", "type: code");
            Vec::new()
        }
    }
}

/// Gives every leaf its index, in the order of the answer, and every list what its items say.
fn shape(file: &mut File<'_>, drafts: Vec<Draft>, leaves: &mut Vec<Leaf>) -> Shape {
    let mut fields = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let index = leaves.len();
        let (kind, class, agreed) = match draft.kind {
            DraftKind::Leaf(kind) => {
                leaves.push(Leaf { path: draft.path.clone(), class: draft.class, agreed: draft.agreed, handling: draft.handling });
                (kind, draft.class, draft.agreed)
            }
            DraftKind::List { max, items } => {
                if items.is_empty() {
                    let at = format!("/fields/{}", escape(&draft.path));
                    let accepted = format!("`{}.…` below it, or a type for a list of plain values", draft.path);
                    file.refuse_key(&at, rule::EMPTY_LIST, "a list of records without a field", accepted);
                }
                let items = shape(file, items, leaves);
                let class = items.fields.iter().map(|field| field.class).max().unwrap_or(Class::O);
                let agreed = items.fields.iter().any(|field| field.agreed);
                (FieldKind::List { max, shape: items }, class, agreed)
            }
        };
        let mut own = FieldSet::EMPTY;
        (index..leaves.len()).for_each(|leaf| own.insert(leaf));
        fields.push(FieldDef {
            name: draft.name,
            path: draft.path,
            kind,
            class,
            optional: draft.optional,
            agreed,
            unit: draft.unit,
            index,
            leaves: own,
        });
    }
    Shape { fields }
}
