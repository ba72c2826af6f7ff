//! What is agreed with whom, written from the data: the coverage of the decree's sources, and an integration
//! passport for each of them (Decree 634, 1.8 and 5.0.1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use mapping::Protocol;
use model::contract::{Capture, Class, Consumer, Grant, Provider, Retry, Route, ServiceEffect};
use model::{Absence, Service, ServiceId, Snapshot};

use crate::data::Active;

/// The tests that speak of a service, by their names.
pub type Tests = BTreeMap<ServiceId, BTreeSet<String>>;

/// Source × service × consumer × clause × test, as Markdown.
#[must_use]
pub fn coverage(snapshot: &Snapshot, tests: &Tests) -> String {
    let mut out = String::from(
        "# Coverage\n\nWhich source answers which service to whom, on what ground, and which tests name it.\n\
         Written from the contracts by a test, which keeps it current (`UPDATE_MATRICES=1 cargo nextest run matrices`).\n\
         Scope: *full* all fields of the agreement, *part* some of them, *yes/no* an answer without any.\n",
    );
    let pairs = snapshot.consumers.values().flat_map(|consumer| &consumer.grants).count();
    let counts = (snapshot.providers.len(), snapshot.services.len(), pairs);
    // Writing to a String cannot fail.
    write!(out, "\n{} sources, {} services, {} grants.\n", counts.0, counts.1, counts.2).unwrap_or_default();
    for provider in in_decree_order(snapshot) {
        write!(out, "\n## {} `{}`: {}\n", provider.clause, provider.id, provider.name.en).unwrap_or_default();
        for service in services_of(snapshot, provider) {
            write_service(&mut out, snapshot, service, tests).unwrap_or_default();
        }
    }
    out
}

fn write_service(out: &mut String, snapshot: &Snapshot, service: &Service, tests: &Tests) -> std::fmt::Result {
    writeln!(out, "\n### `{}` ({})\n", service.versioned(), service.legal_reference)?;
    writeln!(out, "| Consumer | Clause | Scope | For | Under |\n|---|---|---|---|---|")?;
    for (consumer, grant) in grants_of(snapshot, service) {
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            consumer.id,
            consumer.clause,
            scope(service, grant),
            joined(grant.purposes.iter().map(|purpose| purpose.as_str())),
            joined(grant.acts.iter().map(|act| act.as_str())),
        )?;
    }
    let shown = joined(tests.get(&service.id).into_iter().flatten().map(|name| format!("`{name}`")));
    writeln!(out, "\nTests: {}.", if shown.is_empty() { "those of every service alone".to_owned() } else { shown })
}

/// The integration passport of one source, as Markdown: owner, resource, route, versions, agreements, acts and terms.
#[must_use]
pub fn passport(active: &Active, provider: &Provider, now: Timestamp) -> String {
    let mut out = String::new();
    write_passport(&mut out, active, provider, now).unwrap_or_default();
    out
}

fn write_passport(out: &mut String, active: &Active, provider: &Provider, now: Timestamp) -> std::fmt::Result {
    let today = model::time::day(now);
    writeln!(out, "# Integration passport: `{}`\n", provider.id)?;
    writeln!(out, "| | |\n|---|---|")?;
    writeln!(out, "| Owner | {} / {} |", provider.name.az, provider.name.en)?;
    writeln!(out, "| Clause | {} |", provider.clause)?;
    if let Some(instances) = &provider.instances {
        let keys = |keys: &BTreeSet<Box<str>>| if keys.is_empty() { "none".to_owned() } else { joined(keys.iter()) };
        writeln!(out, "| Consists of | one body for each `{}`; every rate below is that of each |", instances.by)?;
        writeln!(out, "| Connected | {} |", keys(&instances.connected))?;
        writeln!(out, "| Not connected (not asked; a document is wanted) | {} |", keys(&instances.not_connected))?;
    }
    for service in services_of(&active.snapshot, provider) {
        writeln!(out, "\n## `{}`: {} / {}\n", service.versioned(), service.name.az, service.name.en)?;
        writeln!(out, "| Term | Agreed |\n|---|---|")?;
        let mut term = |name: &str, value: String| writeln!(out, "| {name} | {value} |");
        term("Legal ground", service.legal_reference.to_string())?;
        let agreement = &service.agreement;
        let lapsed = if agreement.in_force(today) { "" } else { ", not in force" };
        term("Agreement", format!("{}, {} to {}{lapsed}", agreement.number, agreement.signed_on, agreement.valid_until))?;
        term("Route", route(&service.route))?;
        term("Protocol", active.plans.get(&service.id).map_or("none: no mapping", |plan| protocol(plan.protocol())).to_owned())?;
        term("Asked by", subject(service))?;
        term(
            "Inputs",
            joined(service.inputs.iter().map(|input| format!("`{}`{}", input.name, if input.required { "" } else { " (optional)" }))),
        )?;
        term("Fields", fields(service))?;
        term(
            "Highest class",
            service.leaves.iter().filter(|leaf| leaf.agreed).map(|leaf| leaf.class).max().map_or("none", class).to_owned(),
        )?;
        term("No record means", if service.absence == Absence::Fact { "a fact".into() } else { "unknown".into() })?;
        term("Kept", if service.lifetime.is_zero() { "never".into() } else { duration(service.lifetime.as_secs()) })?;
        term("Rate", rate(service))?;
        term("Longest wait", duration(service.timeout.as_secs()))?;
        if service.effect == ServiceEffect::Write {
            term("Effect", "writes at the source".into())?;
        }
        term("Asked again after a failure in passing", if service.retry == Retry::Idempotent { "yes".into() } else { "never".into() })?;
        term("Consent of the person", if service.consent { "on every question".into() } else { "not needed".into() })?;
        term("Evidence kept", evidence(service.capture).to_owned())?;
        let to = grants_of(&active.snapshot, service).map(|(consumer, grant)| format!("`{}` ({})", consumer.id, scope(service, grant)));
        term("Told to", joined(to))?;
    }
    Ok(())
}

/// Sources in the order of the decree's clauses: 4.1.2 before 4.1.11.
fn in_decree_order(snapshot: &Snapshot) -> Vec<&Provider> {
    let mut providers: Vec<_> = snapshot.providers.values().collect();
    providers.sort_by_key(|provider| provider.clause.split(['/', '.']).map(|part| part.parse().unwrap_or(u32::MAX)).collect::<Vec<u32>>());
    providers
}

fn services_of<'a>(snapshot: &'a Snapshot, provider: &'a Provider) -> impl Iterator<Item = &'a Service> {
    snapshot.services.values().map(AsRef::as_ref).filter(|service: &&Service| service.id.provider() == provider.id.as_str())
}

fn grants_of<'a>(snapshot: &'a Snapshot, service: &'a Service) -> impl Iterator<Item = (&'a Consumer, &'a Grant)> {
    let of =
        |consumer: &'a Consumer| consumer.grants.iter().filter(|grant| grant.service == service.id).map(move |grant| (consumer, grant));
    snapshot.consumers.values().flat_map(of)
}

fn scope(service: &Service, grant: &Grant) -> &'static str {
    let all = (0..service.leaves.len()).filter(|index| service.leaves.get(*index).is_some_and(|leaf| leaf.agreed));
    match &grant.answer {
        Some(_) => "yes/no",
        None if all.into_iter().all(|index| grant.fields.contains(index)) => "full",
        None => "part",
    }
}

fn route(route: &Route) -> String {
    match route {
        Route::Ehis => "EHİS".to_owned(),
        Route::Direct(reason) => format!("direct, a deviation from 5.0.2: {reason}"),
    }
}

fn protocol(protocol: &Protocol) -> &'static str {
    match protocol {
        Protocol::Soap11 => "SOAP 1.1",
        Protocol::Soap12 => "SOAP 1.2",
        Protocol::XroadSoap { .. } => "X-Road message protocol 4.0 (SOAP)",
        Protocol::RestJson { paging: None } => "REST, JSON",
        Protocol::RestJson { paging: Some(_) } => "REST, JSON, in pages",
        Protocol::XroadRest { .. } => "X-Road message protocol for REST",
        Protocol::Files(_) => "files that the source delivers, looked up in sealed snapshots",
    }
}

fn subject(service: &Service) -> String {
    if service.subject.is_empty() {
        "nobody: no person is asked about".to_owned()
    } else {
        joined(service.subject.iter().map(|form| form.as_str()))
    }
}

fn fields(service: &Service) -> String {
    let shown = service.leaves.iter().map(|leaf| match leaf.agreed {
        true => format!("`{}` {}", leaf.path, class_letter(leaf.class)),
        false => format!("~~`{}`~~ never taken", leaf.path),
    });
    joined(shown)
}

fn rate(service: &Service) -> String {
    let mut text = format!("{}/s, burst {}", service.quota.per_second, service.quota.burst);
    for days in &service.quota_days {
        // Writing to a String cannot fail.
        write!(text, "; on days {} to {} of the month {}/s", days.from, days.to, days.quota.per_second).unwrap_or_default();
    }
    text
}

fn class(class: Class) -> &'static str {
    match class {
        Class::O => "O, ordinary",
        Class::C => "C, confidential",
        Class::S => "S, special category",
    }
}

fn class_letter(class: Class) -> char {
    match class {
        Class::O => 'O',
        Class::C => 'C',
        Class::S => 'S',
    }
}

fn evidence(capture: Capture) -> &'static str {
    match capture {
        Capture::None => "none",
        Capture::Digest => "digest of the answer",
        Capture::Fields => "the fields delivered",
        Capture::Exact => "the exact answer",
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn joined(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(word.as_ref());
    }
    text
}
