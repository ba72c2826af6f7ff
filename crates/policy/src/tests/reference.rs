//! The decisions of the repository's own contracts.

use std::collections::BTreeMap;
use std::path::Path;

use model::{CaseId, ConsumerId, Problems, Profile, PurposeId, RoleId, ServiceId, Snapshot, Subject};

use super::world::{TODAY, now};
use crate::{Ask, Authorised, CaseView, Decision, Denial, DenialReason, Official, Powers, WithheldReason, decide, explain};

struct Reference {
    snapshot: Snapshot,
}

impl Reference {
    fn load() -> Self {
        let mut problems = Problems::default();
        let snapshot = model::load::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts"), TODAY, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        Self { snapshot }
    }

    fn ask(service: &str, purpose: &str, role: &str) -> Ask {
        Ask {
            service: ServiceId::new(service).expect("a service"),
            subject: Some(Subject::Fin("5K7QX2O".to_owned())),
            purpose: PurposeId::new(purpose).expect("a purpose"),
            case: CaseId::new("c-2026-000042").expect("a case"),
            official: Official::Person("AZ-0001".to_owned()),
            role: RoleId::new(role).expect("a role"),
            assertion: None,
            on_behalf_of: None,
            consents: Vec::new(),
            codes: BTreeMap::new(),
            fields: None,
        }
    }

    fn decide(&self, consumer: &str, ask: &Ask) -> Result<Authorised, Denial> {
        let case = CaseView::sound(ask.purpose.clone());
        let consumer = &self.snapshot.consumers[&ConsumerId::new(consumer).expect("a consumer")];
        decide(ask, consumer, &self.snapshot, Some(&case), Powers::UNKNOWN, Profile::Test, now()).into_result()
    }
}

fn withheld(authorised: &Authorised) -> Vec<(&str, WithheldReason)> {
    authorised.withheld().iter().map(|entry| (&*entry.field, entry.reason)).collect()
}

#[test]
fn a_case_officer_gets_the_identity_without_the_photo() {
    let authorised = Reference::load()
        .decide("targeted-aid", &Reference::ask("interior/person-identity", "adsy-means-test", "case-officer"))
        .expect("allowed");
    assert_eq!(withheld(&authorised), [("photo", WithheldReason::Agreement)]);
    assert_eq!(authorised.fields().iter().count(), 14);
    assert_eq!(authorised.act().as_str(), "law-targeted-aid");
}

#[test]
fn a_clerk_gets_names_alone() {
    let authorised =
        Reference::load().decide("targeted-aid", &Reference::ask("interior/person-identity", "adsy-means-test", "clerk")).expect("allowed");
    assert_eq!(authorised.field_paths().collect::<Vec<_>>(), ["surname", "given_name", "patronymic", "patronymic_suffix"]);
    assert_eq!(withheld(&authorised)[0], ("fin", WithheldReason::Class));
    assert_eq!(withheld(&authorised).last(), Some(&("photo", WithheldReason::Agreement)));
}

#[test]
fn sovqat_gets_what_its_queue_needs() {
    let authorised =
        Reference::load().decide("sovqat", &Reference::ask("interior/person-identity", "sovqat-queue", "case-officer")).expect("allowed");
    assert_eq!(authorised.field_paths().collect::<Vec<_>>(), ["fin", "surname", "given_name", "birth_date"]);
    assert_eq!(withheld(&authorised)[0], ("patronymic", WithheldReason::Function));
}

#[test]
fn fields_narrow_without_being_called_withheld() {
    let mut ask = Reference::ask("azerishiq/consumption", "adsy-means-test", "case-officer");
    ask.fields = Some(vec!["months[]".to_owned()]);
    let reference = Reference::load();
    let authorised = reference.decide("targeted-aid", &ask).expect("allowed");
    assert!(authorised.field_paths().count() > 1 && authorised.field_paths().all(|path| path.starts_with("months[].")));
    assert!(authorised.withheld().is_empty());
    ask.service = ServiceId::new("interior/person-identity").expect("a service");
    ask.fields = Some(vec!["photo".to_owned()]);
    let denial = reference.decide("targeted-aid", &ask).expect_err("nothing is left");
    assert_eq!(denial.reasons(), [DenialReason::NothingLeft]);
}

// clause: 634/6.1.5
#[test]
fn an_act_of_adoption_is_not_even_asked_for() {
    let reference = Reference::load();
    let mut ask = Reference::ask("justice/family-acts", "labour-pension", "case-officer");
    let mut kinds = |kinds: &[&str]| {
        ask.codes.insert("act_kinds".into(), kinds.iter().map(|kind| Box::from(*kind)).collect());
        reference.decide("pension", &ask)
    };
    assert!(kinds(&["birth", "death"]).is_ok());
    for beyond in [&["adoption"][..], &["birth", "adoption"], &[]] {
        let denial = kinds(beyond).expect_err("withheld rows");
        assert_eq!(denial.reasons(), [DenialReason::CodesNotGranted]);
        assert_eq!(denial.inputs(), [Box::from("act_kinds")]);
    }
    ask.purpose = PurposeId::new("child-protection").expect("a purpose");
    ask.codes.insert("act_kinds".into(), vec!["adoption".into()]);
    let protection = &reference.snapshot.consumers[&ConsumerId::new("child-protection").expect("a consumer")];
    let grant = protection.grants.iter().find(|grant| grant.service == ask.service).expect("a grant");
    ask.purpose = grant.purposes[0].clone();
    ask.role = grant.roles[0].clone();
    assert!(reference.decide("child-protection", &ask).is_ok());
}

// clause: 634/6.1.5
#[test]
fn a_natural_persons_status_is_not_for_document_flow() {
    let reference = Reference::load();
    for (consumer, purpose, role) in [("doc-flow", "doc-flow", "clerk"), ("inspections", "inspections", "inspector")] {
        let mut ask = Reference::ask("taxes/taxpayer-status", purpose, role);
        assert_eq!(reference.decide(consumer, &ask).expect_err("a natural person").reasons(), [DenialReason::SubjectNotGranted]);
        ask.subject = Some(Subject::Tin("9900001233".to_owned()));
        assert!(reference.decide(consumer, &ask).is_ok());
    }
}

// clause: 004/7.1 004/7.6
#[test]
fn robots_act_only_where_a_person_answers_and_the_role_allows() {
    let reference = Reference::load();
    let mut ask = Reference::ask("taxes/person-income", "adsy-means-test", "intake-robot");
    ask.official = Official::parse("robot:intake", Some("AZ-0001"));
    assert!(reference.decide("targeted-aid", &ask).is_ok());
    ask.official = Official::parse("robot:intake", None);
    assert_eq!(reference.decide("targeted-aid", &ask).expect_err("nobody answers").reasons(), [DenialReason::RobotWithoutResponsible]);
    ask.role = RoleId::new("case-officer").expect("a role");
    let denial = reference.decide("targeted-aid", &ask).expect_err("not a robot's role");
    assert_eq!(denial.reasons(), [DenialReason::RobotWithoutResponsible, DenialReason::RobotNotAllowed]);
}

#[test]
fn every_reason_is_given_at_once() {
    let reference = Reference::load();
    let tasks = Reference::ask("interior/person-identity", "task-control", "controller");
    assert_eq!(reference.decide("tasks", &tasks).expect_err("no grant").reasons(), [DenialReason::NoGrant]);

    let mut ask = Reference::ask("taxes/person-income", "labour-pension", "clerk");
    ask.subject = None;
    let consumer = &reference.snapshot.consumers[&ConsumerId::new("targeted-aid").expect("a consumer")];
    let case = CaseView { open: false, has_subject: false, ..CaseView::sound(PurposeId::new("adsy-means-test").expect("a purpose")) };
    let Decision::Denied(denial) = decide(&ask, consumer, &reference.snapshot, Some(&case), Powers::UNKNOWN, Profile::Production, now())
    else {
        panic!("denied")
    };
    assert_eq!(
        denial.to_string(),
        "purpose-not-granted, role-not-granted, assertion-required, subject-not-accepted, case-closed, case-purpose"
    );
}

#[test]
fn synthetic_subjects_are_refused_under_production_and_unmarked_ones_under_test() {
    let reference = Reference::load();
    let consumer = &reference.snapshot.consumers[&ConsumerId::new("targeted-aid").expect("a consumer")];
    let mut ask = Reference::ask("interior/person-identity", "adsy-means-test", "case-officer");
    let case = CaseView::sound(ask.purpose.clone());
    for (fin, profile) in [("5K7QX2O", Profile::Production), ("5K7QX2A", Profile::Test), ("5K7QX2OO", Profile::Test)] {
        ask.subject = Some(Subject::Fin(fin.to_owned()));
        let denial =
            decide(&ask, consumer, &reference.snapshot, Some(&case), Powers::UNKNOWN, profile, now()).into_result().expect_err("denied");
        assert!(denial.has(DenialReason::SubjectNotAccepted), "{profile:?}");
    }
}

#[test]
fn an_explanation_reads_as_text() {
    let reference = Reference::load();
    let consumer = &reference.snapshot.consumers[&ConsumerId::new("sovqat").expect("a consumer")];
    let ask = Reference::ask("interior/person-identity", "sovqat-queue", "case-officer");
    let case = CaseView::sound(ask.purpose.clone());
    let text = explain(&ask, consumer, &reference.snapshot, Some(&case), Powers::UNKNOWN, Profile::Test, now()).to_string();
    assert_eq!(
        text,
        "sovqat asks interior/person-identity@1.0.0 for sovqat-queue in role case-officer
allowed
agreement  DIN-MEIS-2026/01, in force 2026-01-15 to 2028-01-14: 14 of 15 pass
           withheld: photo
function   the consumer's grant for sovqat-queue under acts-housing-and-cars: 4 of 14 pass
           withheld: patronymic, patronymic_suffix, sex, birth_place, citizenship, document_series, document_number, document_issued_on, document_valid_until, document_status
class      role case-officer sees up to class S: 4 of 4 pass
powers     role case-officer: nothing kept from it: 4 of 4 pass
delivered  fin, surname, given_name, birth_date
"
    );
    let denied = explain(&ask, consumer, &reference.snapshot, None, Powers::UNKNOWN, Profile::Test, now()).to_string();
    assert!(denied.contains("denied\n  case: there is no such case (case-unknown)\n"), "{denied}");
}

#[test]
fn an_explanation_says_what_the_consents_come_to_and_not_whose_they_are() {
    let mut problems = Problems::default();
    // The model's own examples have a service that needs consent.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/fixtures/contracts");
    let snapshot = model::load::load(&folder, TODAY, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let consumer = &snapshot.consumers[&ConsumerId::new("targeted-aid").expect("a consumer")];
    let mut ask = Reference::ask("credit-bureau/obligations-summary", "adsy-means-test", "case-officer");
    let case = CaseView::sound(ask.purpose.clone());
    let line = |ask: &Ask| {
        let text = explain(ask, consumer, &snapshot, Some(&case), Powers::UNKNOWN, Profile::Test, now()).to_string();
        assert!(!text.contains("TEST-RAZ") && !text.contains("5K7QX2O"), "{text}");
        let lines = text.lines().filter(|line| line.trim_start().starts_with("consent"));
        lines.map(|line| format!("{}\n", line.trim())).collect::<String>()
    };
    let missing = "consent: the person's consent to this provider is missing (consent-missing)
consent    the person's own to this provider: needed, and missing
";
    assert_eq!(line(&ask), missing);
    let mut consent = super::world::consent();
    ask.consents = vec![consent.clone()];
    // Another provider's.
    assert_eq!(line(&ask), missing);
    consent.provider = model::ProviderId::new("credit-bureau").expect("a provider");
    consent.expires_at = now();
    ask.consents.push(consent.clone());
    let ended = "consent: the person's consent is not yet or no longer in force (consent-not-in-force)
consent    the person's own to this provider: needed, and not in force
";
    assert_eq!(line(&ask), ended);
    consent.expires_at = now() + jiff::SignedDuration::from_secs(1);
    ask.consents.push(consent);
    assert_eq!(line(&ask), "consent    the person's own to this provider: needed, and in force\n");
}

#[test]
fn codes_of_denials_are_distinct_slugs_with_words_in_both_languages() {
    let mut codes: Vec<_> = DenialReason::ALL.iter().map(|reason| reason.code()).collect();
    assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), DenialReason::ALL.len());
    for reason in DenialReason::ALL {
        assert!(!reason.english().is_empty() && !reason.azerbaijani().is_empty() && reason.english() != reason.azerbaijani());
        assert_eq!(serde_json::to_string(reason).expect("JSON"), format!("\"{}\"", reason.code()));
    }
}
