//! The shipped mappings: every example, every question.

use mapping::raw::Expect;
use mapping::{Asked, Inputs, Protocol, WireQuestion, check_examples};
use model::subject::{Document as IdentityDocument, DocumentSubject};
use model::{Absence, Consent, Outcome, Problems, ProviderId, Subject, Value};

use super::{asked, example, file, inputs, lines, plan, read, shipped};

fn fin() -> Subject {
    Subject::Fin("5K7QX2O".to_owned())
}

fn soap(question: WireQuestion) -> (Option<String>, String) {
    match question {
        WireQuestion::Soap { action, body } => (action, String::from_utf8(body).expect("UTF-8")),
        WireQuestion::Rest { .. } | WireQuestion::LookUp { .. } => panic!("a SOAP question"),
    }
}

fn rest(question: WireQuestion) -> (&'static str, String, Option<Vec<u8>>) {
    match question {
        WireQuestion::Rest { method, path_and_query, body } => (method, path_and_query, body),
        WireQuestion::Soap { .. } | WireQuestion::LookUp { .. } => panic!("an HTTP question"),
    }
}

#[test]
fn every_example_becomes_what_its_author_says() {
    for id in shipped() {
        let mut problems = Problems::default();
        let document = model::document::Document::read(&file(id)).expect("the file");
        check_examples(&document, &plan(id), &mut problems);
        assert_eq!(lines(problems), Vec::<String>::new(), "{id}");
    }
}

#[test]
fn every_folder_of_examples_belongs_to_a_mapping_and_every_file_is_used() {
    for id in shipped() {
        let (provider, service) = id.split_once('/').expect("a service");
        let folder = super::root().join("mappings").join(provider).join("examples").join(service);
        let text = std::fs::read_to_string(file(id)).expect("the file");
        for entry in std::fs::read_dir(folder).expect("a folder of examples") {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            assert!(text.contains(&name), "{id}: {name} is not used");
        }
    }
}

/// A contract's `confirms` that no example breaks is a promise nobody has seen kept.
#[test]
fn every_mapping_shows_an_answer_to_another_question_with_and_without_a_record() {
    let mut without_record = 0;
    for id in shipped() {
        let plan = plan(id);
        let caught: Vec<_> = plan
            .examples()
            .iter()
            .filter(|example| matches!(&example.expect, Expect::Inline(expected) if expected.rule.as_deref() == Some("another-question")))
            .map(|caught| read(&plan, caught.status, &example(id, caught.answer.as_deref().expect("a body"))).expect("readable"))
            .collect();
        assert_eq!(caught.is_empty(), plan.service().confirms.is_empty(), "{id}");
        let found = caught.iter().any(|reading| reading.outcome == Outcome::Found);
        assert_eq!(found, !plan.service().confirms.is_empty(), "{id}");
        for (place, rule) in plan.rules().iter().enumerate().filter(|(_, rule)| rule.confirmed) {
            without_record += 1;
            assert!(caught.iter().any(|reading| reading.rule == place && !reading.repeated.is_empty()), "{id}: {}", rule.when);
        }
    }
    assert!(without_record >= 6, "{without_record}");
}

#[test]
fn questions_to_interior_name_the_person_or_the_document() {
    let plan = plan("interior/person-identity");
    let (action, body) = soap(plan.write(&asked(Some(&fin()), &inputs(&[]))).expect("a question"));
    let open = "<d:SexsMelumatiSorgusu xmlns:d=\"http://daxili-isler.example/xroad/v2\">";
    assert_eq!((action, body), (None, format!("{open}<d:FIN>5K7QX2O</d:FIN></d:SexsMelumatiSorgusu>")));

    let document = IdentityDocument { series: "ZZ".to_owned(), number: "0012345".to_owned() };
    let subject = Subject::Document(DocumentSubject { document, birth_date: jiff::civil::date(1985, 3, 14) });
    let (_, body) = soap(plan.write(&asked(Some(&subject), &inputs(&[]))).expect("a question"));
    let inside = "<d:Seriya>ZZ</d:Seriya><d:Nomre>0012345</d:Nomre><d:DogumTarixi>14.03.1985</d:DogumTarixi>";
    assert_eq!(body, format!("{open}{inside}</d:SexsMelumatiSorgusu>"));
    let xroad = Protocol::XroadSoap { service_code: "SexsMelumatiSorgusu".into(), service_version: Some("v2".into()) };
    assert_eq!(plan.protocol(), &xroad);
}

#[test]
fn questions_to_taxes_carry_the_months_in_their_form() {
    let months = inputs(&[("month_from", "2025-03"), ("month_to", "2026-02")]);
    let (action, body) = soap(plan("taxes/person-income").write(&asked(Some(&fin()), &months)).expect("a question"));
    assert_eq!(action.as_deref(), Some("urn:vergiler:gelir:v1:FizikiSexsGelirleri"));
    assert_eq!(
        body,
        "<t:FizikiSexsGelirleri xmlns:t=\"urn:vergiler:gelir:v1\"><t:FIN>5K7QX2O</t:FIN><t:AyEvvel>03.2025</t:AyEvvel>\
         <t:AySon>02.2026</t:AySon></t:FizikiSexsGelirleri>"
    );
}

#[test]
fn questions_to_azerishiq_are_encoded_by_the_writer() {
    let (method, target, body) = rest(plan("azerishiq/subscriber").write(&asked(Some(&fin()), &inputs(&[]))).expect("a question"));
    assert_eq!((method, target.as_str(), body), ("GET", "/abonent/v1?fin=5K7QX2O", None));

    let plan = plan("azerishiq/consumption");
    let target = |code: &str| {
        let given = inputs(&[("subscriber_code", code), ("month_from", "2025-03"), ("month_to", "2026-02")]);
        plan.write(&asked(Some(&fin()), &given)).map(|question| rest(question).1)
    };
    assert_eq!(target("TEST-EL-000111").as_deref(), Ok("/abonent/v1/TEST-EL-000111/hesablamalar?ay_evvel=2025-03&ay_son=2026-02"));
    assert_eq!(
        target("a/../b?x=1&y#ə").as_deref(),
        Ok("/abonent/v1/a%2F..%2Fb%3Fx%3D1%26y%23%C9%99/hesablamalar?ay_evvel=2025-03&ay_son=2026-02")
    );
    for climbing in ["", ".", "..", "a\r\nX-Evil: 1"] {
        let error = target(climbing).expect_err("not a segment");
        assert_eq!(error.to_string(), "`input.subscriber_code` cannot be written in the provider's wire form");
    }
}

#[test]
fn questions_to_taxes_name_the_taxpayer_or_the_person() {
    let plan = plan("taxes/taxpayer-status");
    let asked_by = |subject: &Subject| soap(plan.write(&asked(Some(subject), &inputs(&[]))).expect("a question")).1;
    let open = "<o:OdeyiciStatusu xmlns:o=\"urn:vergiler:odeyici:v1\">";
    assert_eq!(asked_by(&fin()), format!("{open}<o:FIN>5K7QX2O</o:FIN></o:OdeyiciStatusu>"));
    assert_eq!(asked_by(&Subject::Tin("9900001233".to_owned())), format!("{open}<o:VOEN>9900001233</o:VOEN></o:OdeyiciStatusu>"));
}

#[test]
fn questions_about_dwellings_name_exactly_one_of_two() {
    let subscriber = plan("azerishiq/subscriber");
    let (_, target, _) = rest(subscriber.write(&asked(Some(&fin()), &inputs(&[("address_code", "TEST-ADR-000001")]))).expect("a question"));
    assert_eq!(target, "/abonent/v1?unvan_kodu=TEST-ADR-000001");

    let water = plan("azersu/consumption");
    let body = |code: &[(&str, &str)]| {
        let given = inputs(&[code, &[("month_from", "2025-03"), ("month_to", "2026-02")]].concat());
        soap(water.write(&asked(Some(&fin()), &given)).expect("a question"))
    };
    let open = "<a:SuSerfiyyatiSorgusu xmlns:a=\"urn:azersu:abonent\">";
    let months = "<a:AyEvvel>03/2025</a:AyEvvel><a:AySon>02/2026</a:AySon></a:SuSerfiyyatiSorgusu>";
    let action = Some("urn:abonent#SuSerfiyyatiSorgusu".to_owned());
    assert_eq!(body(&[]), (action.clone(), format!("{open}<a:FIN>5K7QX2O</a:FIN>{months}")));
    let by_code = format!("{open}<a:AbonentKodu>TEST-SU-000222</a:AbonentKodu>{months}");
    assert_eq!(body(&[("subscriber_code", "TEST-SU-000222")]), (action, by_code));
}

#[test]
fn questions_about_civil_acts_list_their_kinds_and_are_refused_without_any() {
    let plan = plan("justice/family-acts");
    let kinds = |codes: &[&str]| -> Inputs {
        let codes = codes.iter().map(|code| Value::Text((*code).into())).collect();
        std::iter::once(("act_kinds".into(), Value::Values(codes))).collect()
    };
    let (_, body) = soap(plan.write(&asked(Some(&fin()), &kinds(&["death", "birth"]))).expect("a question"));
    assert_eq!(
        body,
        "<j:AktQeydleriSorgusu xmlns:j=\"http://adliyye.example/xroad/akt/v3\"><j:FIN>5K7QX2O</j:FIN><j:AktNovleri>\
         <j:AktNovu>07</j:AktNovu><j:AktNovu>01</j:AktNovu></j:AktNovleri></j:AktQeydleriSorgusu>"
    );
    // No list would read as a question that the source gives nothing for, and elsewhere as one for everything.
    assert!(plan.write(&asked(Some(&fin()), &kinds(&[]))).is_err());
}

#[test]
fn an_application_is_asked_for_with_its_representative_and_stays_one_segment() {
    let plan = plan("justice/notarial-application");
    let target = |number: &str| {
        let given = inputs(&[("application_no", number)]);
        plan.write(&asked(Some(&fin()), &given)).map(|question| rest(question).1)
    };
    assert_eq!(target("TEST-NOT-2026-0042").as_deref(), Ok("/v1/erizeler/TEST-NOT-2026-0042?temsilci_fin=5K7QX2O"));
    assert_eq!(
        target("../borclular/x?temsilci_fin=").as_deref(),
        Ok("/v1/erizeler/..%2Fborclular%2Fx%3Ftemsilci_fin%3D?temsilci_fin=5K7QX2O")
    );
    assert!(target("..").is_err());
    assert_eq!(*plan.protocol(), Protocol::XroadRest { service_code: "elektron-notariat".into() });
}

#[test]
fn questions_to_property_carry_days_in_their_form() {
    let days = inputs(&[("from_on", "2025-03-11"), ("to_on", "2026-03-11")]);
    let (action, body) = soap(plan("property/transactions").write(&asked(Some(&fin()), &days)).expect("a question"));
    assert_eq!(action.as_deref(), Some("urn:emlak:reyestr:v1/EqdSorgusu"));
    assert_eq!(
        body,
        "<e:EqdSorgusu xmlns:e=\"urn:emlak:reyestr:v1\"><e:FIN>5K7QX2O</e:FIN><e:Baslangic>11.03.2025</e:Baslangic>\
         <e:Son>11.03.2026</e:Son></e:EqdSorgusu>"
    );
}

#[test]
fn no_inquiry_at_a_credit_bureau_goes_without_the_consent() {
    let plan = plan("credit-bureau/obligations-summary");
    let (subject, none) = (fin(), inputs(&[]));
    assert!(plan.write(&asked(Some(&subject), &none)).is_err());
    let consent = Consent {
        provider: ProviderId::new("credit-bureau").expect("a provider"),
        subject: fin(),
        reference: "TEST-RAZILIQ-0001".to_owned(),
        sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
        signed_at: "2026-03-01T00:00:00Z".parse().expect("a moment"),
        expires_at: "2026-04-01T00:00:00Z".parse().expect("a moment"),
    };
    let (method, target, body) =
        rest(plan.write(&Asked { subject: Some(&subject), inputs: &none, consent: Some(&consent) }).expect("a question"));
    assert_eq!((method, target.as_str()), ("POST", "/v1/inquiries"));
    let body = String::from_utf8(body.expect("a body")).expect("UTF-8");
    assert_eq!(
        body,
        "{\"fin\":\"5K7QX2O\",\"purpose_code\":\"SOCIAL_PROTECTION\",\"consent_ref\":\"TEST-RAZILIQ-0001\",\
         \"consent_sha256\":\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"}"
    );
}

#[test]
fn an_empty_list_is_a_fact_and_an_unknown_person_proves_nothing() {
    let absence = |id: &str, status: u16, name: &str| {
        let reading = read(&plan(id), status, &example(id, name)).expect("an answer");
        assert_eq!(reading.outcome, Outcome::NotFound, "{id} {name}");
        reading.absence
    };
    for (id, status, name) in [
        ("taxes/person-income", 200, "no-income.xml"),
        ("taxes/taxpayer-status", 400, "none.xml"),
        ("interior/vehicle-ownership", 200, "none.xml"),
        ("property/ownership", 200, "none.xml"),
        ("property/transactions", 200, "none.xml"),
        ("justice/enforcement-debt", 200, "none.answer.json"),
        ("credit-bureau/obligations-summary", 200, "none.answer.json"),
    ] {
        assert_eq!(absence(id, status, name), Some(Absence::Fact), "{id} {name}");
    }
    for (id, status, name) in [
        ("taxes/person-income", 400, "unknown-person.xml"),
        ("interior/vehicle-ownership", 200, "unknown-person.xml"),
        ("interior/residence-registration", 200, "none.xml"),
        ("justice/family-acts", 200, "none.xml"),
        ("justice/family-acts", 200, "no-acts.xml"),
        ("justice/notarial-application", 404, "none.answer.json"),
        ("azersu/consumption", 500, "none.xml"),
    ] {
        assert_eq!(absence(id, status, name), Some(Absence::Unknown), "{id} {name}");
    }
}

#[test]
fn ethnic_origin_that_comes_unasked_is_named_and_never_kept() {
    let reading = read(&plan("justice/family-acts"), 200, &example("justice/family-acts", "undeclared.xml")).expect("found");
    assert_eq!(reading.undeclared.count, 2);
    assert_eq!(reading.undeclared.samples.iter().map(|name| &**name).collect::<Vec<_>>(), ["Milliyyet"]);
    let facts = reading.facts.expect("facts");
    let shown = serde_json::to_string(&facts.show(&facts.service.agreed())).expect("JSON");
    assert!(!shown.contains("nümunə"), "{shown}");
}

#[test]
fn a_question_without_what_it_needs_is_not_written() {
    let error = plan("taxes/person-income").write(&asked(Some(&fin()), &inputs(&[("month_from", "2025-03")]))).expect_err("no last month");
    assert_eq!(error.to_string(), "the question has no `input.month_to`, which the request needs");
    let error = plan("taxes/person-income").write(&asked(None, &inputs(&[]))).expect_err("nobody");
    assert_eq!(error.to_string(), "the question has no `subject.fin`, which the request needs");
    let error = plan("taxes/person-income")
        .write(&asked(Some(&fin()), &inputs(&[("month_from", "03.2025"), ("month_to", "2026-02")])))
        .expect_err("not canonical");
    assert_eq!(error.to_string(), "`input.month_from` does not have the type that the contract declares");
}

#[test]
fn undeclared_parts_are_counted_and_named_but_never_kept() {
    let reading = read(&plan("interior/person-identity"), 200, &example("interior/person-identity", "undeclared.xml")).expect("found");
    assert_eq!(reading.undeclared.count, 3);
    let samples: Vec<&str> = reading.undeclared.samples.iter().map(|name| &**name).collect();
    assert_eq!(samples, ["QanQrupu", "Boy", "GozRengi"]);
    let facts = reading.facts.expect("facts");
    let all = model::FieldSet::first(facts.service.leaves.len());
    let shown = serde_json::to_string(&facts.show(&all)).expect("JSON");
    assert!(!shown.contains("Rh+") && !shown.contains("R0lGOD"), "{shown}");
}

#[test]
fn decimals_keep_the_digits_that_were_sent() {
    let body = br#"{"abonent_kodu":"TEST-EL-000111","qaliq":0,"hesablamalar":[{"ay":"2025-12","serfiyyat":212.00,"hesablanib":1,"odenilib":1,"teqribi":false},
        {"ay":"2026-01","serfiyyat":12345678901234567890.12345,"hesablanib":1,"odenilib":1,"teqribi":false}]}"#;
    let facts = read(&plan("azerishiq/consumption"), 200, body).expect("found").facts.expect("facts");
    let shown = serde_json::to_string(&facts.show(&facts.service.agreed())).expect("JSON");
    assert!(shown.contains(r#""quantity_kwh":212.00,"#) && shown.contains(r#""quantity_kwh":12345678901234567890.12345,"#), "{shown}");
}

#[test]
fn an_answer_is_read_under_the_profile_of_the_deployment() {
    let plan = plan("interior/person-identity");
    let body = example("interior/person-identity", "ok.xml");
    let answer = mapping::WireAnswer { status: 200, body: &body };
    let error = plan.read(answer, model::Profile::Production, &mapping::Limits::default()).expect_err("a synthetic person");
    assert_eq!((error.path(), error.rule()), (Some("fin"), "wrong-fin"));
}

#[test]
fn the_plan_explains_itself() {
    let plan = plan("interior/person-identity");
    let rules: Vec<String> = plan.rules().iter().map(|rule| format!("{} -> {}", rule.when, rule.outcome)).collect();
    assert_eq!(
        rules,
        [
            "fault any -> UNAVAILABLE",
            "status 5xx or 429 -> UNAVAILABLE",
            "exists d:SexsMelumatiSorgusuResponse/d:Tapilmadi -> NOT_FOUND",
            "exists d:SexsMelumatiSorgusuResponse/d:Sexs -> FOUND",
        ]
    );
    let field =
        |name: &str| plan.fields().iter().find(|field| &*field.canonical == name).map(|field| format!("{} as {}", field.wire, field.kind));
    assert_eq!(field("birth_date").as_deref(), Some("d:DogumTarixi as date dd.MM.yyyy"));
    assert_eq!(field("patronymic_suffix").as_deref(), Some("d:AtaAdi as code, collapse, capture, table ogul-qiz"));
    let reading = read(&plan, 200, &example("interior/person-identity", "none.xml")).expect("an answer");
    assert_eq!((reading.outcome, reading.rule), (Outcome::NotFound, 2));
}
