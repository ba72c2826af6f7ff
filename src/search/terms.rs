//! What an entry is found by: the values of its metadata, each in a field of its own.

use base64::Engine as _;
use index::{IndexKey, Term};
use seal::Identity;
use serde::Deserialize;

use crate::record::Kind;

/// Persons, by the month's token.
pub const SUBJECT: &str = "subject";
/// Consumers, by code.
pub const CONSUMER: &str = "consumer";
/// Officials, robots, those who answer for robots, auditors, and who changes rights.
pub const OFFICIAL: &str = "official";
/// Providers, by code.
pub const PROVIDER: &str = "provider";
/// Services, `provider/service`, and dossiers.
pub const SERVICE: &str = "service";
/// Purposes, by code.
pub const PURPOSE: &str = "purpose";
/// Cases, by name.
pub const CASE: &str = "case";
/// Outcomes, as the interface writes them.
pub const OUTCOME: &str = "outcome";
/// Kinds of entries, by name.
pub const KIND: &str = "kind";

/// The members of metadata that entries are found by; whatever kind has them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    consumer: Option<String>,
    official: Option<String>,
    responsible: Option<String>,
    auditor: Option<String>,
    actor: Option<String>,
    service: Option<String>,
    provider: Option<String>,
    purpose: Option<String>,
    case: Option<String>,
    outcome: Option<String>,
    subject: Option<String>,
    subjects: Vec<String>,
    related: Vec<String>,
    identities: Vec<String>,
    persons: Vec<PersonOf>,
    on_behalf_of: ActingOf,
    given: Vec<GivenOf>,
    filter: FilterOf,
}

/// Whom an auditor looked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FilterOf {
    subjects: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PersonOf {
    subject: Option<String>,
}

/// Who acted for whom.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ActingOf {
    representative: Option<String>,
    represented: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GivenOf {
    outcome: Option<String>,
}

/// What an entry is found by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The terms, that of the kind first.
    pub terms: Vec<Term>,
    /// Identities that it says are one person's.
    pub same: Vec<Identity>,
}

/// The terms of an entry by its kind and metadata. Metadata that are not as we write them (an entry of a later
/// version) are found by what can be read of them, at least by the kind.
#[must_use]
pub fn of(key: &IndexKey, kind: u8, metadata: &[u8]) -> Terms {
    let read: Metadata = serde_json::from_slice(metadata).unwrap_or_default();
    let mut terms = vec![key.term(KIND, Kind::name_of(kind).as_bytes())];
    let mut add = |field: &str, value: &str| {
        let term = key.term(field, value.as_bytes());
        if !terms.contains(&term) {
            terms.push(term);
        }
    };
    let fields = [
        (CONSUMER, &read.consumer),
        (OFFICIAL, &read.official),
        (OFFICIAL, &read.responsible),
        (OFFICIAL, &read.auditor),
        (OFFICIAL, &read.actor),
        (SERVICE, &read.service),
        (PROVIDER, &read.provider),
        (PURPOSE, &read.purpose),
        (CASE, &read.case),
        (OUTCOME, &read.outcome),
    ];
    for (field, value) in fields {
        value.iter().for_each(|value| add(field, value));
    }
    if let Some((provider, _)) = read.service.as_deref().and_then(|service| service.split_once('/')) {
        add(PROVIDER, provider);
    }
    read.given.iter().filter_map(|given| given.outcome.as_deref()).for_each(|outcome| add(OUTCOME, outcome));
    if kind == Kind::Denied.number() {
        add(OUTCOME, "DENIED");
    }
    let persons = read.persons.iter().filter_map(|person| person.subject.as_ref());
    let acting = read.on_behalf_of.representative.iter().chain(&read.on_behalf_of.represented);
    for token in read.subject.iter().chain(&read.subjects).chain(&read.related).chain(&read.filter.subjects).chain(persons).chain(acting) {
        if let Some(token) = sixteen(token) {
            let term = key.term(SUBJECT, &token);
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
    }
    let same = read.identities.iter().filter_map(|text| sixteen(text)).map(Identity).collect();
    Terms { terms, same }
}

/// Sixteen bytes as they stand in metadata.
fn sixteen(text: &str) -> Option<[u8; 16]> {
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()
}
