//! The shipped mappings: every example, every question.

use mapping::{Protocol, WireQuestion, check_examples};
use model::subject::{Document as IdentityDocument, DocumentSubject};
use model::{Outcome, Problems, Subject};

use super::{asked, example, file, inputs, lines, plan, read, shipped};

fn fin() -> Subject {
    Subject::Fin("5K7QX2O".to_owned())
}

fn soap(question: WireQuestion) -> (Option<String>, String) {
    match question {
        WireQuestion::Soap { action, body } => (action, String::from_utf8(body).expect("UTF-8")),
        WireQuestion::Rest { .. } => panic!("a SOAP question"),
    }
}

fn rest(question: WireQuestion) -> (&'static str, String, Option<Vec<u8>>) {
    match question {
        WireQuestion::Rest { method, path_and_query, body } => (method, path_and_query, body),
        WireQuestion::Soap { .. } => panic!("an HTTP question"),
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
    let body = br#"{"qaliq":0,"hesablamalar":[{"ay":"2025-12","serfiyyat":212.00,"hesablanib":1,"odenilib":1,"teqribi":false},
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
