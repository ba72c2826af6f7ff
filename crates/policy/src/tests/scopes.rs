//! What the repository's grants really give, compared with the agency catalogue: `docs/matrices/agreed-scopes.csv` is
//! its section 4, `agreed-scopes-by-service.csv` the sentences of its section 3.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use model::contract::{Consumer, ConsumerType, Grant, SubjectForm};
use model::{Problems, Profile, Service, Snapshot, Subject};

use super::world::{TODAY, now};
use crate::{Ask, CaseView, Official, Powers, decide};

/// How much of a service a consumer is given, the widest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    None,
    Boolean,
    Minimal,
    Full,
}

impl Scope {
    fn read(letter: &str) -> Self {
        match letter {
            "" => Self::None,
            "b" => Self::Boolean,
            "m" => Self::Minimal,
            "F" => Self::Full,
            other => panic!("`{other}` is no scope"),
        }
    }
}

fn table(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/matrices").join(name);
    let text = fs::read_to_string(path).expect("the catalogue's table");
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn somebody(form: SubjectForm) -> Subject {
    match form {
        SubjectForm::Fin => Subject::Fin("5K7QX2O".to_owned()),
        SubjectForm::Pin => Subject::Pin("5K7QX2O".to_owned()),
        SubjectForm::Tin => Subject::Tin("9900001233".to_owned()),
        SubjectForm::Document => {
            serde_json::from_value(serde_json::json!({"document": {"series": "ZZ", "number": "0012345"}, "birth_date": "1985-03-14"}))
                .expect("a subject")
        }
    }
}

/// The widest scope that a grant gives to any of its roles.
fn given(snapshot: &Snapshot, consumer: &Consumer, service: &Service, grant: &Grant) -> Scope {
    let mut widest = Scope::None;
    for role in &grant.roles {
        let purpose = grant.purposes[0].clone();
        let subject = grant.subject.first().map(|form| somebody(*form));
        let ask = Ask {
            service: service.id.clone(),
            consents: super::world::consents_of(service, subject.as_ref()),
            subject,
            purpose: purpose.clone(),
            case: model::CaseId::new("c-2026-000042").expect("a case"),
            official: Official::Person("AZ-0001".to_owned()),
            role: role.clone(),
            assertion: None,
            on_behalf_of: None,
            codes: grant.rows.iter().filter_map(|rule| Some((rule.input.clone()?, rule.allow.clone()))).collect(),
            fields: None,
        };
        let case = CaseView::sound(purpose);
        let authorised = decide(&ask, consumer, snapshot, Some(&case), Powers::UNKNOWN, Profile::Test, now())
            .into_result()
            .unwrap_or_else(|denial| panic!("{} {}: {denial}", consumer.id, service.id));
        let scope = match authorised.sight().predicate() {
            Some(_) => Scope::Boolean,
            None if authorised.fields() == service.agreed() => Scope::Full,
            None => Scope::Minimal,
        };
        widest = widest.max(scope);
    }
    widest
}

// clause: 634/2.6 634/6.2.12 002P/4.6
#[test]
fn grants_give_what_the_catalogue_proposes() {
    let mut problems = Problems::default();
    let snapshot = model::load::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts"), TODAY, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");

    let mut by_service: BTreeMap<(String, String), Scope> = BTreeMap::new();
    let mut by_source: BTreeMap<(String, String), Scope> = BTreeMap::new();
    // The gateway's own probe is no consumer of the catalogue.
    let agreed = || snapshot.consumers.values().filter(|consumer| consumer.kind != ConsumerType::Probe);
    for consumer in agreed() {
        for grant in &consumer.grants {
            let service = &snapshot.services[&grant.service];
            let scope = given(&snapshot, consumer, service, grant);
            for (map, key) in [(&mut by_service, service.id.as_str()), (&mut by_source, service.id.provider())] {
                let entry = map.entry((consumer.id.to_string(), key.to_owned())).or_insert(Scope::None);
                *entry = scope.max(*entry);
            }
        }
    }

    // Section 3, for the services there are.
    let mut proposed = BTreeMap::new();
    for line in table("agreed-scopes-by-service.csv").into_iter().skip(1) {
        let [service, consumer, scope] = line.try_into().expect("three columns");
        if snapshot.services.keys().any(|known| *known.as_str() == service) {
            proposed.insert((consumer, service), Scope::read(&scope));
        }
    }
    assert_eq!(by_service, proposed);

    // Section 4, for the sources of which every service is there.
    let whole = |source: &str| {
        let of = |line: &Vec<String>| line[0].split_once('/').is_some_and(|(provider, _)| provider == source);
        let known = |line: &Vec<String>| snapshot.services.keys().any(|known| *known.as_str() == line[0]);
        let mut rows = table("agreed-scopes-by-service.csv").into_iter().filter(of).peekable();
        rows.peek().is_some() && rows.all(|line| known(&line))
    };
    let mut lines = table("agreed-scopes.csv").into_iter();
    let sources = lines.next().expect("a head");
    assert_eq!(sources.len(), 21);
    let mut consumers = BTreeSet::from(["e-sosial".to_owned()]);
    for line in lines {
        for (source, letter) in sources.iter().zip(&line).skip(1) {
            if whole(source) {
                let real = by_source.get(&(line[0].clone(), source.clone())).copied().unwrap_or(Scope::None);
                assert_eq!(real, Scope::read(letter), "{} {source}", line[0]);
            }
        }
        consumers.insert(line[0].clone());
    }
    assert_eq!(consumers, agreed().map(|consumer| consumer.id.to_string()).collect());
    // The catalogue gives the portal nothing of these sources.
    assert!(by_service.keys().all(|(consumer, _)| consumer != "e-sosial"));
}
