//! Every decision that is recorded is made again from its own premises, and agrees; a recorded one that was altered does
//! not.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use model::contract::{Assurance, SubjectForm};
use model::subject::Subject;
use model::{Consent, Problems, Profile, ProviderId, Representation, RepresentativeKind};
use policy::{CaseView, ConsentRefused, Decision, EmergencyView, Identity, Powers, Standing, Unproven};
use serde_json::{Value as Json, json};

use super::*;
use crate::change::difference::somebody;

fn now() -> Timestamp {
    "2026-03-12T08:00:00Z".parse().expect("a time")
}

fn shipped() -> Active {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    data::load(&root.join("contracts"), &root.join("mappings"), model::time::day(now()), &mut Problems::default())
}

fn ask(service: &str, purpose: &str, role: &str) -> Ask {
    Ask {
        service: ServiceId::new(service).expect("a service"),
        subject: Some(somebody(SubjectForm::Fin, Profile::Test)),
        purpose: PurposeId::new(purpose).expect("a purpose"),
        case: CaseId::new("c-1").expect("a case"),
        official: Official::Person("AZ-0001".to_owned()),
        role: RoleId::new(role).expect("a role"),
        assertion: None,
        on_behalf_of: None,
        consents: Vec::new(),
        codes: BTreeMap::new(),
        fields: None,
    }
}

/// A guardian acts for the subject, on a document whose last day is so many days from now.
fn acting(days: i64) -> Option<Representation> {
    Some(Representation {
        kind: RepresentativeKind::Guardian,
        representative: somebody(SubjectForm::Pin, Profile::Test),
        represented: somebody(SubjectForm::Fin, Profile::Test),
        reference: "order 7".to_owned(),
        sha256: String::new(),
        valid_until: model::time::day(now()).saturating_add(jiff::Span::new().days(days)),
    })
}

/// A decision as `authorise` makes it and its entry keeps it: kind and metadata.
fn decided(data: &Active, consumer: &str, ask: &Ask, case: Option<CaseView>, powers: Powers, profile: Profile) -> (u8, Json) {
    let consumer = ConsumerId::new(consumer).expect("a consumer");
    let service = &data.snapshot.services[&ask.service];
    let premises = Premises::of(ask, service, case, powers, profile, now());
    let found = &data.snapshot.consumers[&consumer];
    let decision = policy::decide(ask, found, &data.snapshot, premises.case(), powers, profile, now());
    let (robot, responsible) = match &ask.official {
        Official::Person(number) => (number.clone(), None),
        Official::Robot { name, responsible } => (format!("robot:{name}"), responsible.clone()),
    };
    let mut metadata = json!({
        "request_id": "019c0000-0000-7000-8000-000000000000", "consumer": consumer, "service": ask.service, "version": service.version,
        "purpose": ask.purpose, "act": "", "case": ask.case, "official": robot, "responsible": responsible, "role": ask.role,
        "configuration": data.hash, "premises": premises,
    });
    match decision {
        Decision::Denied(denial) => {
            metadata["reasons"] = json!(denial.codes());
            (Kind::Denied.number(), metadata)
        }
        Decision::Authorised(authorised) => {
            metadata["act"] = json!(authorised.act());
            if let Some(emergency) = authorised.emergency() {
                metadata["emergency"] = json!(emergency);
            }
            let mut fields: Vec<&str> = authorised.field_paths().collect();
            if fields.is_empty() {
                // A yes or no.
                fields.push(ANSWER);
            }
            metadata["given"] = json!([{"rests_on": 7, "outcome": "FOUND", "fields": fields}]);
            (Kind::Disclosed.number(), metadata)
        }
    }
}

fn again(data: &Active, kind: u8, metadata: &Json) -> Explained {
    let recorded = recorded(kind, Some(&metadata.to_string())).expect("a decision");
    explain(kind, &recorded, &data.snapshot)
}

fn said(explained: &Explained) -> String {
    explained.lines.iter().map(|said| format!("{}\n", said.en)).collect()
}

#[test]
fn every_kind_of_decision_agrees_when_it_is_made_again() {
    let data = shipped();
    let purpose = || PurposeId::new("adsy-means-test").expect("a purpose");
    let sound = || CaseView::sound(purpose());
    let unknown = Powers::UNKNOWN;
    let identity = ask("interior/person-identity", "adsy-means-test", "case-officer");
    let income = ask("taxes/person-income", "adsy-means-test", "case-officer");
    let robot = |responsible: Option<&str>| Official::Robot { name: "intake".to_owned(), responsible: responsible.map(str::to_owned) };
    let emergency = |has_subject| Some(EmergencyView { id: "019c".into(), has_subject });
    let powers = |identity, standing| Powers { identity, standing };
    let cases: Vec<(&str, Ask, Option<CaseView>, Powers, Profile)> = vec![
        ("plain", identity.clone(), Some(sound()), unknown, Profile::Test),
        ("narrowed", Ask { fields: Some(vec!["surname".to_owned()]), ..identity.clone() }, Some(sound()), unknown, Profile::Test),
        ("nothing left", Ask { fields: Some(vec!["photo".to_owned()]), ..identity.clone() }, Some(sound()), unknown, Profile::Test),
        ("no case", identity.clone(), None, unknown, Profile::Test),
        ("closed", identity.clone(), Some(CaseView { open: false, ..sound() }), unknown, Profile::Test),
        ("not in case", identity.clone(), Some(CaseView { has_subject: false, ..sound() }), unknown, Profile::Test),
        ("input", identity.clone(), Some(CaseView { inputs_known: false, ..sound() }), unknown, Profile::Test),
        ("another's", identity.clone(), Some(CaseView { of_another: true, ..sound() }), unknown, Profile::Test),
        (
            "emergency",
            identity.clone(),
            Some(CaseView { of_another: true, has_subject: false, emergency: emergency(true), ..sound() }),
            unknown,
            Profile::Test,
        ),
        ("role", ask("taxes/person-income", "adsy-means-test", "clerk"), Some(sound()), unknown, Profile::Test),
        ("purpose", ask("taxes/person-income", "social-payments", "case-officer"), Some(sound()), unknown, Profile::Test),
        ("synthetic", identity.clone(), Some(sound()), unknown, Profile::Production),
        (
            "real",
            Ask { subject: Some(somebody(SubjectForm::Fin, Profile::Production)), ..identity.clone() },
            Some(sound()),
            powers(Identity::Proven(Assurance::High), Standing::Held),
            Profile::Production,
        ),
        ("low", income.clone(), Some(sound()), powers(Identity::Proven(Assurance::Low), Standing::NotKept), Profile::Test),
        ("unproven", income.clone(), Some(sound()), powers(Identity::Unproven(Unproven::Time), Standing::Withdrawn), Profile::Test),
        (
            "robot",
            Ask { official: robot(Some("AZ-0001")), role: RoleId::new("intake-robot").expect("a role"), ..identity.clone() },
            Some(sound()),
            unknown,
            Profile::Test,
        ),
        ("guardian", Ask { on_behalf_of: acting(0), ..identity.clone() }, Some(sound()), unknown, Profile::Test),
        ("guardian no more", Ask { on_behalf_of: acting(-1), ..identity.clone() }, Some(sound()), unknown, Profile::Test),
        (
            "no guardian here",
            Ask { on_behalf_of: acting(0), ..ask("interior/person-identity", "adsy-means-test", "clerk") },
            Some(sound()),
            unknown,
            Profile::Test,
        ),
        ("robot alone", Ask { official: robot(None), ..identity.clone() }, Some(sound()), unknown, Profile::Test),
        ("nobody", Ask { official: Official::Person(" ".to_owned()), ..identity.clone() }, Some(sound()), unknown, Profile::Test),
        ("no subject", Ask { subject: None, ..identity.clone() }, Some(sound()), unknown, Profile::Test),
    ];
    let (mut allowed, mut denied) = (0, 0);
    for (name, ask, case, powers, profile) in cases {
        let (kind, metadata) = decided(&data, "targeted-aid", &ask, case, powers, profile);
        if kind == Kind::Denied.number() {
            denied += 1
        } else {
            allowed += 1
        }
        let explained = again(&data, kind, &metadata);
        assert!(explained.agrees, "{name}: {metadata}\n{}", said(&explained));
        assert!(!metadata["premises"].to_string().contains("1A2B3C"), "no identifier is kept: {metadata}");
    }
    // A role that may act in emergencies, in another's case and about somebody who is not in it.
    let protection = || CaseView::sound(PurposeId::new("child-protection").expect("a purpose"));
    let beyond = CaseView { of_another: true, has_subject: false, emergency: emergency(true), ..protection() };
    let identity = ask("interior/person-identity", "child-protection", "case-officer");
    let (kind, metadata) = decided(&data, "child-protection", &identity, Some(beyond), unknown, Profile::Test);
    assert_eq!((kind, &metadata["emergency"]), (Kind::Disclosed.number(), &json!("019c")), "{metadata}");
    let explained = again(&data, kind, &metadata);
    assert!(explained.agrees && said(&explained).contains("emergency override: 019c"), "{}", said(&explained));
    assert!(allowed >= 4 && denied >= 10, "{allowed} allowed, {denied} denied");
}

#[test]
fn every_shipped_grant_is_explained_as_it_was_decided() {
    let data = shipped();
    let (mut allowed, mut answered) = (0, 0);
    for consumer in data.snapshot.consumers.values() {
        for grant in &consumer.grants {
            let service = &data.snapshot.services[&grant.service];
            let codes = grant.rows.iter().filter_map(|rule| Some((rule.input.clone()?, rule.allow.clone()))).collect();
            let (purpose, role) = (grant.purposes[0].as_str(), grant.roles[0].as_str());
            let subject = grant.subject.first().map(|form| somebody(*form, Profile::Test));
            let ask = Ask { subject, codes, ..ask(service.id.as_str(), purpose, role) };
            let case = CaseView::sound(grant.purposes[0].clone());
            let (kind, metadata) = decided(&data, consumer.id.as_str(), &ask, Some(case), Powers::UNKNOWN, Profile::Test);
            allowed += usize::from(kind == Kind::Disclosed.number());
            let explained = again(&data, kind, &metadata);
            assert!(explained.agrees, "{metadata}\n{}", said(&explained));
            answered += usize::from(said(&explained).contains("answered with yes or no alone"));
        }
    }
    assert!(allowed > 20 && answered >= 1, "{allowed} allowed, {answered} answered with yes or no");
}

#[test]
fn consents_are_weighed_again_by_their_times_and_what_the_registry_said() {
    let data = shipped();
    let service = data.snapshot.services.values().find(|service| service.consent).expect("a service that needs consent");
    let granted = data.snapshot.consumers.values().find_map(|consumer| {
        let grant = consumer.grants.iter().find(|grant| grant.service == service.id)?;
        Some((consumer.id.to_string(), grant.clone()))
    });
    let (consumer, grant) = granted.expect("somebody has a grant for it");
    let form = grant.subject[0];
    let subject = somebody(form, Profile::Test);
    let hours = |hours: i64| now().checked_add(jiff::SignedDuration::from_hours(hours)).expect("a time");
    let consent = |provider: &str, subject: Subject, from: i64, to: i64| Consent {
        provider: ProviderId::new(provider).expect("a provider"),
        subject,
        reference: "R-1".to_owned(),
        sha256: String::new(),
        signed_at: hours(from),
        expires_at: hours(to),
    };
    let own = |from, to| consent(service.id.provider(), subject.clone(), from, to);
    let of_another = consent(service.id.provider(), Subject::Tin("9900001233".to_owned()), -1, 1);
    let elsewhere = consent("interior", subject.clone(), -1, 1);
    let sound = CaseView::sound(grant.purposes[0].clone());
    let withdrawn = CaseView { refused_consents: vec![(1, ConsentRefused::Withdrawn)], ..sound.clone() };
    let cases = [
        (vec![], sound.clone(), Some("consent-missing")),
        (vec![own(-1, 1)], sound.clone(), None),
        (vec![of_another.clone(), elsewhere.clone()], sound.clone(), Some("consent-missing")),
        (vec![own(-2, -1), own(1, 2)], sound.clone(), Some("consent-not-in-force")),
        (vec![elsewhere, own(-1, 1)], withdrawn.clone(), Some("consent-withdrawn")),
        (vec![own(-1, 1), own(-1, 2)], withdrawn, None),
    ];
    for (consents, case, expected) in cases {
        let ask = Ask {
            subject: Some(subject.clone()),
            consents,
            ..ask(service.id.as_str(), grant.purposes[0].as_str(), grant.roles[0].as_str())
        };
        let (kind, metadata) = decided(&data, &consumer, &ask, Some(case), Powers::UNKNOWN, Profile::Test);
        let reason = metadata["reasons"].as_array().map(|reasons| reasons.iter().filter_map(Json::as_str).collect::<Vec<_>>());
        assert_eq!(reason, expected.map(|expected| vec![expected]), "{metadata}");
        let explained = again(&data, kind, &metadata);
        assert!(explained.agrees, "{metadata}\n{}", said(&explained));
        assert!(!metadata.to_string().contains("R-1"), "no reference is kept: {metadata}");
    }
}

#[test]
fn a_decision_that_was_altered_is_noticed() {
    let data = shipped();
    let case = Some(CaseView::sound(PurposeId::new("adsy-means-test").expect("a purpose")));
    let clerk = ask("interior/person-identity", "adsy-means-test", "clerk");
    let (kind, allowed) = decided(&data, "targeted-aid", &clerk, case.clone(), Powers::UNKNOWN, Profile::Test);
    let denied_ask = ask("taxes/person-income", "adsy-means-test", "clerk");
    let (denied_kind, denied) = decided(&data, "targeted-aid", &denied_ask, case, Powers::UNKNOWN, Profile::Test);
    assert_eq!((kind, denied_kind), (Kind::Disclosed.number(), Kind::Denied.number()));

    let altered = |metadata: &Json, pointer: &str, value: Json| {
        let mut metadata = metadata.clone();
        *metadata.pointer_mut(pointer).expect("a member") = value;
        metadata
    };
    // A field above the clerk's class, a field of no contract, another act, another version, a role that may not.
    let more = |field: &str| {
        let mut fields = allowed["given"][0]["fields"].as_array().expect("fields").clone();
        fields.push(json!(field));
        altered(&allowed, "/given/0/fields", json!(fields))
    };
    let cases = [
        (kind, more("birth_date"), "fields were given that the rules do not allow: birth_date"),
        (kind, more("blood_group"), "fields were given that the rules do not allow: blood_group"),
        (
            kind,
            altered(&allowed, "/act", json!("law-labour-pensions")),
            "act recorded: law-labour-pensions; by the rules: law-targeted-aid",
        ),
        (kind, altered(&allowed, "/version", json!("2.0.0")), "version of the contract recorded: 2.0.0; in the data of then: 1.0.0"),
        (kind, altered(&allowed, "/role", json!("no-such-role")), "it was recorded as allowed, and the rules deny it (role-unknown)"),
        (kind, altered(&allowed, "/premises/case/open", json!(false)), "it was recorded as allowed, and the rules deny it (case-closed)"),
        (kind, altered(&allowed, "/consumer", json!("nobody")), "it was recorded as allowed, and the rules deny it (no-grant)"),
        (denied_kind, altered(&denied, "/role", json!("case-officer")), "a denial was recorded (role-not-granted), and the rules allow it"),
        (
            denied_kind,
            altered(&denied, "/reasons", json!(["case-closed"])),
            "reasons recorded: case-closed; by the rules: role-not-granted",
        ),
    ];
    for (kind, metadata, expected) in cases {
        let explained = again(&data, kind, &metadata);
        assert!(!explained.agrees, "{metadata}");
        assert!(explained.disagreements.iter().any(|said| said.en == expected), "{expected} is not in {:?}", explained.disagreements);
        assert!(explained.disagreements.iter().all(|said| !said.az.is_empty()));
        assert!(said(&explained).contains("WHAT WAS RECORDED DOES NOT AGREE"), "{}", said(&explained));
    }
    // Less than the right shows is what a kept answer of an older contract may hold.
    assert!(again(&data, kind, &altered(&allowed, "/given/0/fields", json!(["surname"]))).agrees);
}

#[test]
fn every_check_and_step_is_told_in_both_languages() {
    let data = shipped();
    let case = Some(CaseView::sound(PurposeId::new("adsy-means-test").expect("a purpose")));
    let clerk = Ask {
        fields: Some(vec!["surname".to_owned(), "birth_date".to_owned()]),
        ..ask("interior/person-identity", "adsy-means-test", "clerk")
    };
    let (kind, metadata) = decided(&data, "targeted-aid", &clerk, case, Powers::UNKNOWN, Profile::Test);
    let explained = again(&data, kind, &metadata);
    let decision = explained.decision.as_ref().expect("a decision");
    for check in &decision.checks {
        let told = explained
            .lines
            .iter()
            .find(|said| said.en.ends_with(check.reason.english()))
            .unwrap_or_else(|| panic!("{} is not told", check.reason));
        assert!(told.az.ends_with(check.reason.azerbaijani()), "{told:?}");
    }
    let steps = ["agreement", "consumer", "class", "powers", "fields asked"];
    assert_eq!(decision.steps.len(), steps.len());
    // A word of English in the Azerbaijani text is a word that was forgotten.
    let az: String = explained.lines.iter().map(|said| format!("{}\n", said.az)).collect();
    for word in ["agreement", "grant", "sees", "nothing", "narrows", "pass", "withheld", "not the case", "in force"] {
        assert!(!az.contains(word), "`{word}` stands in:\n{az}");
    }
    insta::assert_snapshot!("explained", format!("{az}\n{}", said(&explained)).replace(&data.hash, "[hash]"));
}

#[test]
fn what_cannot_be_explained_says_why() {
    let why = |kind: Kind, metadata: Option<Json>| {
        let text = metadata.map(|metadata| metadata.to_string());
        recorded(kind.number(), text.as_deref()).expect_err("nothing to explain")
    };
    assert_eq!(why(Kind::CaseOpened, Some(json!({}))), Unexplained::NoDecision);
    assert_eq!(why(Kind::Denied, None), Unexplained::TextGone);
    assert_eq!(
        why(Kind::Denied, Some(json!({"request_id": "x", "consumer": "e-sosial", "service": "subject-accesses"}))),
        Unexplained::NoPremises
    );
    let dossier = json!({
        "consumer": "targeted-aid", "service": "adsy-means-test", "version": "1.0.0", "purpose": "adsy-means-test", "act": "",
        "case": "c-1", "official": "AZ-0001", "role": "case-officer", "configuration": "00",
        "given": [{"element": "identity", "rests_on": 12, "fields": ["fin"]}, {"element": "income", "rests_on": 9, "fields": []},
                  {"element": "vehicles", "rests_on": null, "fields": []}],
    });
    assert_eq!(why(Kind::Disclosed, Some(dossier)), Unexplained::Dossier(vec![9, 12]));
    let data = Arc::new(shipped());
    let case = Some(CaseView::sound(PurposeId::new("adsy-means-test").expect("a purpose")));
    let (kind, metadata) =
        decided(&data, "targeted-aid", &ask("taxes/person-income", "adsy-means-test", "clerk"), case, Powers::UNKNOWN, Profile::Test);
    let recorded = recorded(kind, Some(&metadata.to_string())).expect("a decision");
    assert!(data_of(&recorded, &data, None).is_ok_and(|found| Arc::ptr_eq(&found, &data)));
    let other = Recorded { configuration: "0".repeat(64), ..recorded };
    assert_eq!(data_of(&other, &data, None).err(), Some(Unexplained::DataGone));
    for why in [Unexplained::NoDecision, Unexplained::TextGone, Unexplained::NoPremises, Unexplained::DataGone] {
        let said = why.said();
        assert!(!said.az.is_empty() && !said.en.is_empty() && said.az != said.en);
    }
}
