//! Questions that ask with lists, consents, one of two identifiers, or through X-Road REST: what is
//! written, what is refused to be written, and what the check refuses.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use mapping::{Asked, Inputs, Plan, Protocol, WireQuestion, WriteError};
use model::contract::{Input, SubjectForm};
use model::document::Document;
use model::{Consent, ProviderId, Service, Subject, Type, Value};
use proptest::prelude::*;
use quick_xml::events::Event;

use super::grammar::{Field, RULES, compile, contract};
use super::{asked, inputs, lines};

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn fin() -> Subject {
    Subject::Fin("5K7QX2O".to_owned())
}

fn optional(name: &str, kind: Type) -> Input {
    Input { name: name.into(), kind, codes: Vec::new(), list_max: None, required: false, comes_from: None, range: None, instances: None }
}

fn required(name: &str, kind: Type) -> Input {
    Input { required: true, ..optional(name, kind) }
}

fn list(input: Input, max: usize) -> Input {
    Input { list_max: Some(max), ..input }
}

fn coded(input: Input, codes: &[&str]) -> Input {
    Input { codes: codes.iter().map(|code| (*code).into()).collect(), ..input }
}

/// A service about a person with these inputs.
fn asking(inputs: Vec<Input>) -> Arc<Service> {
    let mut service = Service::clone(&contract(&[Field::One("name", Type::Text, false, &[])], &[]));
    service.inputs = inputs;
    Arc::new(service)
}

fn with_consent(inputs: Vec<Input>) -> Arc<Service> {
    Arc::new(Service { consent: true, ..Service::clone(&asking(inputs)) })
}

const JSON_FIELDS: &str = "  fields: {name: {from: ad, as: text}}\n";
const SOAP_RESPONSE: &str = "  outcome:
    - {when: {fault: any}, is: UNAVAILABLE}
    - {when: {empty: a:C}, is: NOT_FOUND}
    - {when: {exists: a:C/a:Ad}, is: FOUND}
  at: a:C
  fields: {name: {from: a:Ad, as: text}}
";

/// A JSON question with this body, posted to `/x`.
fn posted(service: &Arc<Service>, head: &str, puts: &str) -> Result<Plan, Vec<String>> {
    let head = format!("wire: {{protocol: rest-json}}\n{head}request: {{method: POST, path: [x], put: {puts}}}\n");
    compile(service, &head, &format!("{RULES}{JSON_FIELDS}"))
}

/// A SOAP question `a:S` with this content.
fn soap(service: &Arc<Service>, head: &str, puts: &str) -> Result<Plan, Vec<String>> {
    let head = format!("wire: {{protocol: soap11, ns: {{a: \"urn:a\"}}}}\n{head}request: {{root: a:S, put: {puts}}}\n");
    compile(service, &head, SOAP_RESPONSE)
}

fn body(question: WireQuestion) -> String {
    let body = match question {
        WireQuestion::Soap { body, .. } => body,
        WireQuestion::Rest { body, .. } => body.expect("a body"),
        WireQuestion::LookUp { .. } => panic!("a look-up has no body"),
    };
    String::from_utf8(body).expect("UTF-8")
}

fn written(plan: &Plan, inputs: &Inputs) -> Result<String, WriteError> {
    plan.write(&asked(Some(&fin()), inputs)).map(body)
}

/// Inputs of any value.
fn given<const N: usize>(values: [(&str, Value); N]) -> Inputs {
    values.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn texts(items: &[&str]) -> Value {
    Value::Values(items.iter().map(|item| text(item)).collect())
}

/// The rules of the problems.
fn refused(compiled: Result<Plan, Vec<String>>) -> Vec<String> {
    let problems = compiled.expect_err("a refused mapping");
    problems.iter().filter_map(|line| line.split(": ").nth(1)).map(str::to_owned).collect()
}

const KINDS: [&str; 3] = ["birth", "marriage", "name-change"];
const KIND_TABLE: &str = "tables: {nov: {to: code, rows: {\"01\": birth, \"02\": marriage, \"06\": name-change, \"07\": death}}}\n";

#[test]
fn a_list_is_written_item_by_item_in_the_sources_codes() {
    let service = asking(vec![list(coded(optional("act_kinds", Type::Code), &KINDS), 3), list(optional("days", Type::Date), 2)]);
    let head = format!("formats: {{date: dd.MM.yyyy}}\n{KIND_TABLE}");
    let puts = "[{to: a:F, value: subject.fin}, {to: a:Novler/a:Nov, each: input.act_kinds, as: code, table: nov, if: present}, \
                {to: a:Gun, each: input.days, as: date, if: present}]";
    let soap = soap(&service, &head, puts).expect("a sound mapping");
    let json = posted(&service, &head, &puts.replace("a:", "")).expect("a sound mapping");
    let all = given([("act_kinds", texts(&["name-change", "birth"])), ("days", texts(&["2026-03-11", "2025-01-02"]))]);
    assert_eq!(
        written(&soap, &all).as_deref(),
        Ok("<a:S xmlns:a=\"urn:a\"><a:F>5K7QX2O</a:F><a:Novler><a:Nov>06</a:Nov><a:Nov>01</a:Nov></a:Novler>\
            <a:Gun>11.03.2026</a:Gun><a:Gun>02.01.2025</a:Gun></a:S>")
    );
    assert_eq!(written(&json, &all).as_deref(), Ok(r#"{"F":"5K7QX2O","Novler":{"Nov":["06","01"]},"Gun":["11.03.2026","02.01.2025"]}"#));
    // One item stays a list.
    let one = given([("act_kinds", texts(&["birth"]))]);
    assert_eq!(written(&json, &one).as_deref(), Ok(r#"{"F":"5K7QX2O","Novler":{"Nov":["01"]}}"#));
    // Without items nothing is written, not even the element around them.
    for none in [given([]), given([("act_kinds", Value::Null)]), given([("act_kinds", Value::Values(Vec::new()))])] {
        assert_eq!(written(&soap, &none).as_deref(), Ok("<a:S xmlns:a=\"urn:a\"><a:F>5K7QX2O</a:F></a:S>"));
        assert_eq!(written(&json, &none).as_deref(), Ok(r#"{"F":"5K7QX2O"}"#));
    }
}

#[test]
fn a_list_that_its_contract_does_not_allow_is_not_written() {
    let service = asking(vec![list(coded(required("act_kinds", Type::Code), &KINDS), 2)]);
    let puts = "[{to: F, value: subject.fin}, {to: Nov, each: input.act_kinds, table: nov}]";
    let plan = posted(&service, KIND_TABLE, puts).expect("a sound mapping");
    let wrong = Err(WriteError::WrongType("input.act_kinds".into()));
    let missing = Err(WriteError::Missing("input.act_kinds".into()));
    // The table knows `death`, the contract does not.
    for (value, expected) in [
        (texts(&["birth", "death"]), &wrong),
        (texts(&["birth", "01"]), &wrong),
        (texts(&["birth", "birth", "birth"]), &wrong),
        (Value::Values(vec![text("birth"), Value::Null]), &wrong),
        (Value::Values(vec![texts(&["birth"])]), &wrong),
        (Value::Records(Vec::new()), &wrong),
        (text("birth"), &wrong),
        (Value::Values(Vec::new()), &missing),
        (Value::Null, &missing),
    ] {
        assert_eq!(&written(&plan, &given([("act_kinds", value.clone())])), expected, "{value:?}");
    }
    let plain =
        posted(&asking(vec![list(required("notes", Type::Text), 2)]), "", "[{to: F, value: subject.fin}, {to: N, each: input.notes}]");
    let error = written(&plain.expect("a sound mapping"), &given([("notes", texts(&["a\u{0}"]))]));
    assert_eq!(error, Err(WriteError::Unwritable("input.notes".into())));
}

#[test]
fn numbers_and_truth_values_of_a_list_stand_bare_and_codes_never_do() {
    let inputs = vec![list(required("years", Type::Int), 3), required("open", Type::Bool), list(required("sums", Type::Money), 3)];
    let puts = "[{to: F, value: subject.fin}, {to: il, each: input.years, as: int}, {to: aciq, value: input.open, as: bool, table: beli}, \
                {to: mebleg, each: input.sums, as: money}]";
    let plan = posted(&asking(inputs), "tables: {beli: {to: bool, rows: {1: true, 0: false}}}\n", puts).expect("a sound mapping");
    let all = given([
        ("years", Value::Values(vec![Value::Int(2025), Value::Int(-1)])),
        ("open", Value::Bool(true)),
        ("sums", Value::Values(vec![Value::Int(1_205)])),
    ]);
    assert_eq!(written(&plan, &all).as_deref(), Ok(r#"{"F":"5K7QX2O","il":[2025,-1],"aciq":"1","mebleg":[12.05]}"#));
}

#[test]
fn a_query_takes_codes_of_the_source_but_no_lists() {
    let inputs = vec![coded(optional("act_kind", Type::Code), &KINDS), list(optional("days", Type::Date), 2)];
    let head = |pair: &str| {
        format!(
            "wire: {{protocol: rest-json}}\n{KIND_TABLE}request: {{method: GET, path: [x], query: [{{to: fin, value: subject.fin}}, {{to: nov, value: input.act_kind, table: nov, if: present}}{pair}]}}\n"
        )
    };
    let response = format!("{RULES}{JSON_FIELDS}");
    let plan = compile(&asking(vec![inputs[0].clone()]), &head(""), &response).expect("a sound mapping");
    let target = |given: &Inputs| match plan.write(&asked(Some(&fin()), given)).expect("a question") {
        WireQuestion::Rest { path_and_query, .. } => path_and_query,
        WireQuestion::Soap { .. } | WireQuestion::LookUp { .. } => panic!("an HTTP question"),
    };
    assert_eq!(target(&given([("act_kind", text("name-change"))])), "/x?fin=5K7QX2O&nov=06");
    assert_eq!(target(&Inputs::new()), "/x?fin=5K7QX2O");
    let listed = compile(&asking(inputs), &head(", {to: gun, each: input.days, if: present}"), &response);
    assert_eq!(refused(listed), ["unsent-input", "unused-key"]);
}

#[test]
fn a_table_is_read_backwards_only_where_that_says_one_thing() {
    let kinds = || asking(vec![list(coded(required("act_kinds", Type::Code), &KINDS), 3)]);
    let puts = "[{to: F, value: subject.fin}, {to: Nov, each: input.act_kinds, table: nov}]";
    let table = |rows: &str| posted(&kinds(), &format!("tables: {{nov: {{to: code, rows: {{{rows}}}}}}}\n"), puts);
    let twice = table("\"01\": birth, \"1\": birth, \"02\": marriage, \"06\": name-change");
    let problems = twice.expect_err("two codes on the wire");
    assert_eq!(
        problems,
        ["x.yaml:3:26: ambiguous-code: several rows give `birth`, and a question needs one, accepted: a table of its own for the question"]
    );
    assert_eq!(refused(table("\"01\": birth, \"02\": marriage")), ["unreachable-code"]);
    assert!(table("\"01\": birth, \"02\": marriage, \"06\": name-change").is_ok());
    let other = "[{to: F, value: subject.fin}, {to: Nov, each: input.act_kinds, table: novu}]";
    assert_eq!(refused(posted(&kinds(), KIND_TABLE, other)), ["unused-table", "unknown-table"]);
    let fixed = "[{to: F, value: subject.fin}, {to: X, value: {const: birth}, table: nov}, {to: Nov, each: input.act_kinds, table: nov}]";
    assert_eq!(refused(posted(&kinds(), KIND_TABLE, fixed)), ["unused-key"]);
    // A text may be any text, so no table could serve it.
    let words = asking(vec![required("word", Type::Text)]);
    let puts = "[{to: F, value: subject.fin}, {to: W, value: input.word, table: soz}]";
    assert_eq!(refused(posted(&words, "tables: {soz: {to: text, rows: {a: b}}}\n", puts)), ["wrong-type"]);
    let truth = asking(vec![required("open", Type::Bool)]);
    let puts = "[{to: F, value: subject.fin}, {to: W, value: input.open, table: soz}]";
    assert_eq!(refused(posted(&truth, "tables: {soz: {to: bool, rows: {a: true}}}\n", puts)), ["unreachable-code"]);
}

#[test]
fn a_list_is_written_as_a_list_and_a_value_as_a_value() {
    let service = asking(vec![list(required("days", Type::Date), 2), required("day", Type::Date)]);
    let puts = |list: &str, one: &str| {
        posted(&service, "", &format!("[{{to: F, value: subject.fin}}, {{to: a, {list}: input.days}}, {{to: b, {one}: input.day}}]"))
    };
    assert!(puts("each", "value").is_ok());
    assert_eq!(refused(puts("value", "value")), ["wrong-type"]);
    assert_eq!(refused(puts("each", "each")), ["wrong-type"]);
    let days = asking(vec![list(required("days", Type::Date), 2)]);
    let puts = "[{to: F, value: subject.fin}, {to: a, each: input.days, value: input.days}]";
    assert_eq!(refused(posted(&days, "", puts)), ["unsent-input", "unused-key"]);
    let wrong = "[{to: F, value: subject.fin}, {to: a, each: input.days, as: month}]";
    assert_eq!(refused(posted(&days, "", wrong)), ["wrong-type"]);
    let path = "wire: {protocol: rest-json}\nrequest: {method: GET, path: [{value: subject.fin}, {value: input.days}]}\n";
    assert_eq!(refused(compile(&days, path, &format!("{RULES}{JSON_FIELDS}"))), ["wrong-type"]);
}

const ONE_OF_TWO: &str = "wire: {protocol: rest-json}\nrequest: {method: GET, path: [abonent], query: \
    [{to: fin, value: subject.fin, unless: input.address_code}, {to: unvan_kodu, value: input.address_code, if: present}]}\n";

static TWO: LazyLock<Plan> = LazyLock::new(|| {
    let service = asking(vec![optional("address_code", Type::Text)]);
    compile(&service, ONE_OF_TWO, &format!("{RULES}{JSON_FIELDS}")).expect("a sound mapping")
});

#[test]
fn of_two_identifiers_exactly_one_is_sent() {
    let target = |subject: Option<&Subject>, inputs: &Inputs| match TWO.write(&asked(subject, inputs)) {
        Ok(WireQuestion::Rest { path_and_query, .. }) => Ok(path_and_query),
        Ok(WireQuestion::Soap { .. } | WireQuestion::LookUp { .. }) => panic!("an HTTP question"),
        Err(error) => Err(error),
    };
    let code = inputs(&[("address_code", "TEST-ADR-000001")]);
    assert_eq!(target(Some(&fin()), &inputs(&[])).as_deref(), Ok("/abonent?fin=5K7QX2O"));
    assert_eq!(target(Some(&fin()), &code).as_deref(), Ok("/abonent?unvan_kodu=TEST-ADR-000001"));
    assert_eq!(target(None, &code).as_deref(), Ok("/abonent?unvan_kodu=TEST-ADR-000001"));
    assert_eq!(target(None, &inputs(&[])), Err(WriteError::Missing("subject.fin".into())));
    let null = given([("address_code", Value::Null)]);
    assert_eq!(target(Some(&fin()), &null).as_deref(), Ok("/abonent?fin=5K7QX2O"));
}

#[test]
fn only_what_is_always_sent_may_stand_in() {
    let service = asking(vec![optional("one", Type::Text), optional("two", Type::Text), required("three", Type::Text)]);
    let refused = |puts: &str| refused(posted(&service, "", &format!("[{puts}]")));
    let sound = "{to: t, value: input.three}, {to: o, value: input.one, if: present}";
    let fin = "{to: f, value: subject.fin}";
    assert!(posted(&service, "", &format!("[{sound}, {fin}, {{to: w, value: input.two, if: present, unless: input.one}}]")).is_ok());
    assert!(
        posted(
            &service,
            "",
            &format!("[{sound}, {fin}, {{to: k, value: {{const: A}}, unless: input.one}}, {{to: w, value: input.two, if: present}}]")
        )
        .is_ok()
    );
    // Of two that exclude each other neither would be sent where there are both.
    let each_other = "{to: t, value: input.three}, {to: f, value: subject.fin}, {to: o, value: input.one, if: present, unless: input.two}, \
                      {to: w, value: input.two, if: present, unless: input.one}";
    assert_eq!(refused(each_other), ["wrong-unless", "wrong-unless"]);
    let two = "{to: w, value: input.two, if: present}";
    let itself = format!("{{to: t, value: input.three}}, {fin}, {two}, {{to: o, value: input.one, if: present, unless: input.one}}");
    assert_eq!(refused(&itself), ["wrong-unless"]);
    for wanted in ["input.three", "input.four", "subject.fin", "one", ""] {
        assert_eq!(refused(&format!("{sound}, {two}, {{to: f, value: subject.fin, unless: \"{wanted}\"}}")), ["wrong-unless"], "{wanted}");
    }
    let needed = "{to: f, value: subject.fin}, {to: t, value: input.three, unless: input.one}, {to: o, value: input.one, if: present}";
    assert_eq!(refused(&format!("{needed}, {two}")), ["wrong-unless"]);
    // Standing in is no substitute for being sent.
    let unsent = format!("{{to: t, value: input.three}}, {two}, {{to: f, value: subject.fin, unless: input.one}}");
    assert_eq!(refused(&unsent), ["unsent-input"]);
}

fn consent() -> Consent {
    Consent {
        provider: ProviderId::new("credit-bureau").expect("a provider"),
        subject: fin(),
        reference: "TEST-RAZILIQ-0001".to_owned(),
        sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
        signed_at: "2026-03-01T00:00:00Z".parse().expect("a moment"),
        expires_at: "2026-04-01T00:00:00Z".parse().expect("a moment"),
    }
}

const CONSENT: &str = "[{to: fin, value: subject.fin}, {to: purpose_code, value: {const: SOCIAL_PROTECTION}}, \
    {to: consent_ref, value: consent.reference}, {to: consent_sha256, value: consent.sha256}]";

#[test]
fn a_consent_goes_with_every_question_that_needs_one() {
    let plan = posted(&with_consent(Vec::new()), "", CONSENT).expect("a sound mapping");
    let (consent, subject, inputs) = (consent(), fin(), Inputs::new());
    let question = Asked { subject: Some(&subject), inputs: &inputs, consent: Some(&consent) };
    assert_eq!(
        plan.write(&question).map(body).as_deref(),
        Ok("{\"fin\":\"5K7QX2O\",\"purpose_code\":\"SOCIAL_PROTECTION\",\"consent_ref\":\"TEST-RAZILIQ-0001\",\
            \"consent_sha256\":\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"}")
    );
    assert_eq!(written(&plan, &inputs), Err(WriteError::Missing("consent.reference".into())));
    let shown = format!("{question:?}");
    assert!(!shown.contains("5K7QX2O") && !shown.contains("RAZILIQ") && !shown.contains("47DEQ"), "{shown}");
}

#[test]
fn no_question_goes_without_its_consent() {
    let service = with_consent(vec![optional("one", Type::Text)]);
    let one = ", {to: o, value: input.one, if: present}]";
    let puts = |change: (&str, &str)| CONSENT.replace(change.0, change.1).replace("]", one);
    assert!(posted(&service, "", &puts(("", ""))).is_ok());
    let without = puts((", {to: consent_sha256, value: consent.sha256}", ""));
    assert_eq!(refused(posted(&service, "", &without)), ["unsent-input"]);
    for condition in ["if: present", "unless: input.one"] {
        let conditional = puts(("value: consent.reference", &format!("value: consent.reference, {condition}")));
        assert_eq!(refused(posted(&service, "", &conditional)), ["unused-key"], "{condition}");
    }
    assert_eq!(refused(posted(&service, "", &puts(("consent.reference", "consent.document")))), ["unsent-input", "unknown-input"]);
    // A contract that asks for no consent has none to send.
    assert_eq!(refused(posted(&asking(Vec::new()), "", CONSENT)), ["unknown-input", "unknown-input"]);
}

#[test]
fn a_service_of_xroad_rest_is_asked_as_any_other_and_named_by_its_code() {
    let head = "wire: {protocol: xroad-rest, service: {code: elektron-notariat}}\nrequest: {method: GET, path: [v1, erizeler, {value: input.no}], \
                query: [{to: temsilci_fin, value: subject.fin}]}\n";
    let plan = compile(&asking(vec![required("no", Type::Text)]), head, &format!("{RULES}{JSON_FIELDS}")).expect("a sound mapping");
    assert_eq!(plan.protocol(), &Protocol::XroadRest { service_code: "elektron-notariat".into() });
    let question = plan.write(&asked(Some(&fin()), &inputs(&[("no", "TEST/NOT 42?")]))).expect("a question");
    let expected =
        WireQuestion::Rest { method: "GET", path_and_query: "/v1/erizeler/TEST%2FNOT%2042%3F?temsilci_fin=5K7QX2O".to_owned(), body: None };
    assert_eq!(question, expected);
    assert_eq!(super::read(&plan, 200, br#"{"cavab":{"ad":"A"}}"#).map(|reading| reading.outcome), Ok(model::Outcome::Found));
    for wrong in ["{protocol: xroad-rest, service: {code: a/b}}", "{protocol: xroad-rest, service: {code: \"\"}}"] {
        let head = head.replace("{protocol: xroad-rest, service: {code: elektron-notariat}}", wrong);
        assert_eq!(refused(compile(&asking(vec![required("no", Type::Text)]), &head, &format!("{RULES}{JSON_FIELDS}"))), ["wrong-value"]);
    }
    let fault = format!("{RULES}{JSON_FIELDS}").replace("{status: 5xx}", "{fault: any}");
    assert_eq!(refused(compile(&asking(vec![required("no", Type::Text)]), head, &fault)), ["unused-key"], "JSON has no faults");
}

#[test]
fn the_guide_shows_a_sound_question() {
    let guide = std::fs::read_to_string(super::root().join("mappings/README.md")).expect("the guide");
    let request = guide.split("```yaml\n").nth(2).and_then(|rest| rest.split("```").next()).expect("a request");
    let inputs = vec![
        optional("certificate_no", Type::Text),
        list(coded(required("act_kinds", Type::Code), &KINDS), 3),
        required("from_on", Type::Date),
    ];
    let head = "wire: {protocol: xroad-soap, ns: {j: \"urn:j\"}, service: {code: A}}\ntables: {akt-novu: {to: code, rows: {\"01\": birth, \"02\": marriage, \"06\": name-change}}}\n";
    let plan = compile(&asking(inputs), &format!("{head}{request}"), &SOAP_RESPONSE.replace("a:", "j:")).expect("a sound mapping");
    let all = given([("act_kinds", texts(&["birth"])), ("from_on", text("2026-03-11")), ("certificate_no", text("TEST-I-ZZ 012345"))]);
    let rest = "<j:AktNovleri><j:AktNovu>01</j:AktNovu></j:AktNovleri><j:Tarix>2026-03-11</j:Tarix></j:AktQeydleriSorgusu>";
    let open = "<j:AktQeydleriSorgusu xmlns:j=\"urn:j\">";
    assert_eq!(written(&plan, &all), Ok(format!("{open}<j:SehadetnameNo>TEST-I-ZZ 012345</j:SehadetnameNo>{rest}")));
    let few = given([("act_kinds", texts(&["birth"])), ("from_on", text("2026-03-11"))]);
    assert_eq!(written(&plan, &few), Ok(format!("{open}<j:FIN>5K7QX2O</j:FIN>{rest}")));
}

#[test]
fn a_subject_of_two_forms_may_also_be_replaced() {
    let mut service = Service::clone(&asking(vec![optional("code", Type::Text)]));
    service.subject = vec![SubjectForm::Tin, SubjectForm::Fin];
    let puts = "[{to: VOEN, value: subject.tin, if: present, unless: input.code}, {to: FIN, value: subject.fin, if: present, unless: input.code}, \
                {to: KOD, value: input.code, if: present}]";
    let plan = posted(&Arc::new(service), "", puts).expect("a sound mapping");
    let tin = Subject::Tin("9900001233".to_owned());
    assert_eq!(plan.write(&asked(Some(&tin), &Inputs::new())).map(body).as_deref(), Ok(r#"{"VOEN":"9900001233"}"#));
    assert_eq!(written(&plan, &Inputs::new()).as_deref(), Ok(r#"{"FIN":"5K7QX2O"}"#));
    assert_eq!(written(&plan, &inputs(&[("code", "X")])).as_deref(), Ok(r#"{"KOD":"X"}"#));
}

/// A list of texts and one of codes, in XML and in JSON.
static LISTS: LazyLock<(Plan, Plan)> = LazyLock::new(|| {
    let service = asking(vec![list(required("notes", Type::Text), 8), list(coded(required("act_kinds", Type::Code), &KINDS), 3)]);
    let puts = "[{to: a:F, value: subject.fin}, {to: a:Qeydler/a:Qeyd, each: input.notes}, {to: a:Nov, each: input.act_kinds, table: nov}]";
    let plans = (soap(&service, KIND_TABLE, puts), posted(&service, KIND_TABLE, &puts.replace("a:", "")));
    (plans.0.expect("a sound mapping"), plans.1.expect("a sound mapping"))
});

/// Texts of the elements of this name, as a parser reads them.
fn elements(body: &str, wanted: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(body);
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => {
                inside = start.name().as_ref() == wanted;
                if inside {
                    found.push(String::new());
                }
            }
            Event::End(_) => inside = false,
            Event::Text(piece) if inside => found.last_mut().expect("open").push_str(&piece),
            Event::GeneralRef(reference) if inside => {
                let sign = match &*reference {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    "apos" => '\'',
                    other => panic!("{other}"),
                };
                found.last_mut().expect("open").push(sign);
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

proptest! {
    /// Whatever stands in a list, a parser reads the same items and nothing besides.
    #[test]
    fn what_is_written_as_a_list_is_what_a_parser_reads(
        items in prop::collection::vec("[^\\p{Cc}\\x{FFFE}\\x{FFFF}]{1,20}", 1..8),
        kinds in prop::collection::vec(0usize..3, 1..4),
    ) {
        let notes: Vec<&str> = items.iter().map(String::as_str).collect();
        let chosen: Vec<&str> = kinds.iter().map(|kind| KINDS[*kind]).collect();
        let codes: Vec<&str> = kinds.iter().map(|kind| ["01", "02", "06"][*kind]).collect();
        let given = given([("notes", texts(&notes)), ("act_kinds", texts(&chosen))]);

        let xml = written(&LISTS.0, &given).expect("a question");
        prop_assert_eq!(elements(&xml, "a:Qeyd"), notes.clone());
        prop_assert_eq!(elements(&xml, "a:Nov"), codes.clone());
        prop_assert_eq!(elements(&xml, "a:F"), ["5K7QX2O"]);

        let json = written(&LISTS.1, &given).expect("a question");
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        prop_assert_eq!(read, serde_json::json!({"F": "5K7QX2O", "Qeydler": {"Qeyd": notes}, "Nov": codes}));
    }

    /// Whatever the question has, one of the two identifiers goes with it, and never both.
    #[test]
    fn one_of_two_is_always_sent_and_never_both(code in proptest::option::of("[^\\p{Cc}\\x{FFFE}\\x{FFFF}]{1,20}"), subject in any::<bool>()) {
        let given: Inputs = code.iter().map(|code| ("address_code".into(), text(code))).collect();
        let fin = fin();
        match TWO.write(&asked(subject.then_some(&fin), &given)) {
            Ok(WireQuestion::Rest { path_and_query, .. }) => {
                let pairs = path_and_query.split_once('?').expect("a query").1;
                prop_assert_eq!(pairs.split('&').count(), 1, "{}", pairs);
                prop_assert_eq!(pairs.starts_with("unvan_kodu="), code.is_some(), "{}", pairs);
            }
            Ok(WireQuestion::Soap { .. } | WireQuestion::LookUp { .. }) => prop_assert!(false, "an HTTP question"),
            Err(error) => {
                prop_assert!(code.is_none() && !subject);
                prop_assert_eq!(error, WriteError::Missing("subject.fin".into()));
            }
        }
    }
}

/// A mapping that a schema-aware editor would not accept is not accepted here either.
#[test]
fn a_put_has_no_other_keys() {
    let text = "mapping: azerishiq/subscriber@1.0.0\nwire: {protocol: rest-json}\nrequest: {method: POST, path: [x], put: [{to: F, value: subject.fin, when: present}]}\n\
                response: {outcome: [], fields: {}}\nexamples: []\n";
    let document = Document::parse(Path::new("x.yaml"), text).expect("YAML");
    let mut problems = model::Problems::default();
    assert!(mapping::compile(&document, &asking(Vec::new()), &mut problems).is_none());
    assert!(lines(problems).iter().any(|line| line.contains("unknown-key")));
}
