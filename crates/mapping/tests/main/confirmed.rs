//! Answers without a record that name somebody: no list without items may become a fact about the person asked
//! about while it speaks of another.

use std::sync::Arc;

use jiff::Timestamp;
use mapping::{Plan, ReadError, Reading};
use model::contract::{Confirm, Confirmed, SubjectPart};
use model::{Absence, Outcome, Repeated, Service, Subject, Type, Value};
use proptest::prelude::*;

use super::grammar::{Field, compile, contract};
use super::{plan, read};

/// A service whose empty list is a fact, the field by which its answers name the person, and how it writes such a
/// list: `name` is everything that stands for the person's name.
struct Register {
    service: &'static str,
    field: &'static str,
    /// The name on the wire, namespace and all.
    name: fn(&str) -> String,
    empty: fn(&str) -> String,
}

fn soap(ns: &str, inside: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{ns}\"><s:Body>{inside}</s:Body></s:Envelope>")
}

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

const REGISTERS: [Register; 5] = [
    Register {
        service: "property/ownership",
        field: "owner_fin",
        name: |fin| format!("<SahibFIN>{fin}</SahibFIN>"),
        empty: |name| {
            let record = format!("<MulkiyyetSorgusuCavabi xmlns=\"urn:emlak:reyestr:v1\">{name}<Obyektler/></MulkiyyetSorgusuCavabi>");
            soap(SOAP11, &record)
        },
    },
    Register {
        service: "property/transactions",
        field: "fin",
        name: |fin| format!("<FIN>{fin}</FIN>"),
        empty: |name| soap(SOAP11, &format!("<EqdSorgusuCavabi xmlns=\"urn:emlak:reyestr:v1\"><Eqdler></Eqdler>{name}</EqdSorgusuCavabi>")),
    },
    Register {
        service: "interior/vehicle-ownership",
        field: "fin",
        name: |fin| format!("<FIN>{fin}</FIN>"),
        empty: |name| {
            let ns = "http://daxili-isler.example/xroad/neqliyyat/v1";
            soap(SOAP11, &format!("<NeqliyyatSorgusuResponse xmlns=\"{ns}\">{name}<NVSayi>0</NVSayi><NVler/></NeqliyyatSorgusuResponse>"))
        },
    },
    Register {
        service: "justice/enforcement-debt",
        field: "fin",
        name: |fin| format!("\"fin\":\"{fin}\","),
        empty: |name| format!("{{{name}\"icraatlar\":[]}}"),
    },
    Register {
        service: "taxes/person-income",
        field: "fin",
        name: |fin| format!("<FIN>{fin}</FIN>"),
        empty: |name| {
            soap(SOAP12, &format!("<FizikiSexsGelirleriCavabi xmlns=\"urn:vergiler:gelir:v1\">{name}<Aylar/></FizikiSexsGelirleriCavabi>"))
        },
    },
];

fn registers() -> &'static [(&'static Register, Plan)] {
    static PLANS: std::sync::OnceLock<Vec<(&'static Register, Plan)>> = std::sync::OnceLock::new();
    PLANS.get_or_init(|| REGISTERS.iter().map(|register| (register, plan(register.service))).collect())
}

fn fin(fin: &str) -> Subject {
    Subject::Fin(fin.to_owned())
}

/// What the gateway makes of an answer: the outcome, or the field and rule that forbid to use it.
fn told(plan: &Plan, status: u16, body: &str, subject: &Subject) -> Result<Reading, (String, &'static str)> {
    let reading = read(plan, status, body.as_bytes()).map_err(|error| (error.path().unwrap_or_default().to_owned(), error.rule()))?;
    match plan.contradiction(&reading, Some(subject), &[], Timestamp::UNIX_EPOCH) {
        Some(rule) => Err((rule.field.to_string(), "another-question")),
        None => Ok(reading),
    }
}

#[test]
fn an_empty_list_is_a_fact_about_the_one_it_names() {
    for (register, plan) in registers() {
        let body = (register.empty)(&(register.name)("9M3RT4O"));
        let reading = told(plan, 200, &body, &fin("9M3RT4O")).expect(register.service);
        assert_eq!((reading.outcome, reading.absence), (Outcome::NotFound, Some(Absence::Fact)), "{}", register.service);
        assert!(reading.facts.is_none() && !reading.repeated.is_empty() && reading.undeclared.count == 0, "{}", register.service);
        let told = told(plan, 200, &body, &fin("5K7QX2O")).map(|reading| reading.outcome);
        assert_eq!(told, Err((register.field.to_owned(), "another-question")), "{}", register.service);
    }
}

#[test]
fn an_empty_list_that_names_nobody_is_no_fact() {
    for (register, plan) in registers() {
        let nobody = [String::new(), (register.name)(""), (register.name)("  ")];
        for name in nobody {
            let told = told(plan, 200, &(register.empty)(&name), &fin("5K7QX2O")).map(|reading| reading.outcome);
            assert_eq!(told, Err((register.field.to_owned(), "another-question")), "{} {name}", register.service);
        }
    }
}

#[test]
fn a_name_that_cannot_be_read_is_not_the_one_asked_about() {
    for (register, plan) in registers() {
        let own = (register.name)("5K7QX2O");
        let (json, other) = (own.starts_with('"'), (register.name)("3M9RT4O"));
        let mut broken = vec![("x".to_owned(), "wrong-fin"), ("5K7QX20".to_owned(), "wrong-fin"), ("A".repeat(20_000), "text-too-long")];
        if !json {
            broken.push(("<x>5K7QX2O</x>".to_owned(), "wrong-structure"));
        }
        for (name, rule) in broken {
            let told = told(plan, 200, &(register.empty)(&(register.name)(&name)), &fin("5K7QX2O")).map(|reading| reading.outcome);
            assert_eq!(told, Err((register.field.to_owned(), rule)), "{} {name:.20}", register.service);
        }
        // Two names: whoever stands first, one is another's. Where the first is empty, too.
        for first in [&own, &other, &(register.name)("")] {
            for second in [&own, &other] {
                let body = (register.empty)(&format!("{first}{second}"));
                let rule = if json { "doubled-key" } else { "repeated-value" };
                assert_eq!(read(plan, 200, body.as_bytes()).map_err(|error| error.rule()), Err(rule), "{} {body}", register.service);
            }
        }
    }
    let debts = plan("justice/enforcement-debt");
    for (name, rule) in [("5", "wrong-kind"), ("true", "wrong-kind"), ("[\"5K7QX2O\"]", "wrong-structure"), ("{}", "wrong-structure")] {
        let told = told(&debts, 200, &format!("{{\"fin\":{name},\"icraatlar\":[]}}"), &fin("5K7QX2O")).map(|reading| reading.outcome);
        assert_eq!(told, Err(("fin".to_owned(), rule)), "{name}");
    }
}

#[test]
fn who_is_unknown_need_not_be_named_but_not_misnamed() {
    let vehicles = plan("interior/vehicle-ownership");
    let unknown = |inside: &str| {
        let ns = "http://daxili-isler.example/xroad/neqliyyat/v1";
        let body = soap(SOAP11, &format!("<NeqliyyatSorgusuResponse xmlns=\"{ns}\">{inside}<Tapilmadi/></NeqliyyatSorgusuResponse>"));
        told(&vehicles, 200, &body, &fin("5K7QX2O")).map(|reading| (reading.outcome, reading.absence))
    };
    let unproved = Ok((Outcome::NotFound, Some(Absence::Unknown)));
    assert_eq!(unknown(""), unproved);
    assert_eq!(unknown("<FIN/>"), unproved);
    assert_eq!(unknown("<FIN>5K7QX2O</FIN>"), unproved);
    assert_eq!(unknown("<FIN>3M9RT4O</FIN>"), Err(("fin".to_owned(), "another-question")));
    // A count that the missing list denies is a contradiction of its own; one of none names nobody, and agrees.
    assert_eq!(unknown("<NVSayi>0</NVSayi>"), unproved);
    assert_eq!(unknown("<NVSayi>2</NVSayi>"), Err(("vehicle_count".to_owned(), "another-question")));
}

#[test]
fn nobody_speaks_for_a_source_that_could_not_be_asked() {
    let debts = plan("justice/enforcement-debt");
    let outcome = |body: &str| told(&debts, 503, body, &fin("5K7QX2O")).map(|reading| reading.outcome);
    let unavailable = Ok(Outcome::Unavailable);
    assert_eq!(outcome(r#"{"kod":"DAXILI_XETA"}"#), unavailable);
    assert_eq!(outcome(r#"{"kod":"DAXILI_XETA","fin":5}"#), unavailable);
    assert_eq!(outcome(r#"{"kod":"DAXILI_XETA","fin":"5K7QX2O"}"#), unavailable);
    // An error that names another is the answer to another's question: whose, has to be looked into.
    assert_eq!(outcome(r#"{"kod":"DAXILI_XETA","fin":"3M9RT4O"}"#), Err(("fin".to_owned(), "another-question")));
    assert_eq!(outcome("<html>"), unavailable);
}

/// A contract that confirms a FIN, an input and a count, in both syntaxes. Its absence is a fact.
fn made() -> (Plan, Plan) {
    let item = vec![Field::One("no", Type::Text, false, &[])];
    let fields = [
        Field::One("fin", Type::Fin, false, &[]),
        Field::One("number", Type::Text, true, &[]),
        Field::One("item_count", Type::Int, false, &[]),
        Field::One("note", Type::Text, false, &[]),
        Field::List("items", item),
    ];
    let mut service = Service::clone(&contract(&fields, &[("number", Type::Text, false)]));
    let rule = |field: &str, with| Confirm { field: field.into(), with, unless: None };
    service.confirms = vec![
        rule("fin", Confirmed::Subject(SubjectPart::Fin)),
        rule("number", Confirmed::Input("number".into())),
        rule("item_count", Confirmed::Count("items".into())),
    ];
    service.absence = Absence::Fact;
    let service = Arc::new(service);
    let response = "  outcome:
    - {when: {status: 5xx}, is: UNAVAILABLE}
    - {when: {exists: a:C/a:Kagiz}, is: NOT_HELD_ELECTRONICALLY}
    - {when: {empty: a:C/a:Siyahi}, is: NOT_FOUND, confirmed: true}
    - {when: {exists: a:C/a:Yox}, is: NOT_FOUND}
    - {when: {exists: a:C/a:Siyahi}, is: FOUND}
  at: a:C
  fields:
    fin: {from: [a:FIN, a:Kim/a:FIN], as: text}
    number: {from: a:Nomre, as: text, optional: true}
    item_count: {from: a:Say, as: int}
    note: {from: a:Qeyd, as: text}
    items: {each: a:Siyahi/a:Sira, max: 5, fields: {no: {from: a:No, as: text}}}
";
    let head = "wire: {protocol: soap11, ns: {a: \"urn:a\"}}\nrequest: {root: a:S, put: [{to: a:F, value: subject.fin}, {to: a:N, value: input.number, if: present}]}\n";
    let xml = compile(&service, head, response).expect("a sound mapping");
    let head = "wire: {protocol: rest-json}\nrequest: {method: GET, path: [x], query: [{to: f, value: subject.fin}, {to: n, value: input.number, if: present}]}\n";
    let json = compile(&service, head, &response.replace("a:", "")).expect("a sound mapping");
    (xml, json)
}

static MADE: std::sync::LazyLock<(Plan, Plan)> = std::sync::LazyLock::new(made);

/// The same content in both syntaxes, read and held to a question by FIN and number.
fn both(parts: &[(&str, &str)], items: usize, number: Option<&str>) -> [Result<Outcome, (String, &'static str)>; 2] {
    let inputs: Vec<(Box<str>, Value)> = number.into_iter().map(|number| ("number".into(), Value::Text(number.into()))).collect();
    let judge = |plan: &Plan, body: &str| {
        let reading = read(plan, 200, body.as_bytes()).map_err(|error| (error.path().unwrap_or_default().to_owned(), error.rule()))?;
        match plan.contradiction(&reading, Some(&fin("5K7QX2O")), &inputs, Timestamp::UNIX_EPOCH) {
            Some(rule) => Err((rule.field.to_string(), "another-question")),
            None => Ok(reading.outcome),
        }
    };
    let elements: String = parts.iter().map(|(name, text)| format!("<{name}>{text}</{name}>")).collect();
    let list = format!("<Siyahi>{}</Siyahi>", "<Sira><No>1</No></Sira>".repeat(items));
    let xml = soap(SOAP11, &format!("<C xmlns=\"urn:a\">{elements}{list}</C>"));
    let mut object: serde_json::Map<_, _> = parts.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
    object.insert("Siyahi".to_owned(), vec![serde_json::json!({"Sira": {"No": "1"}}); items].into());
    let json = serde_json::json!({ "C": object }).to_string();
    [judge(&MADE.0, &xml), judge(&MADE.1, &json)]
}

#[test]
fn every_confirming_field_is_compared_in_its_contracts_type() {
    let none = [("FIN", "5K7QX2O"), ("Nomre", "0042"), ("Say", "0")];
    let check = |parts: &[(&str, &str)], number, expected: Result<Outcome, (&str, &'static str)>| {
        let expected = expected.map_err(|(field, rule)| (field.to_owned(), rule));
        assert_eq!(both(parts, 0, number), [expected.clone(), expected], "{parts:?}");
    };
    check(&none, Some("0042"), Ok(Outcome::NotFound));
    check(&none, None, Ok(Outcome::NotFound));
    // A number is a text, whose zeros count.
    check(&none, Some("42"), Err(("number", "another-question")));
    check(&[none[0], none[1], ("Say", "1")], Some("0042"), Err(("item_count", "another-question")));
    check(&[none[0], none[2]], Some("0042"), Err(("number", "another-question")));
    check(&[none[0], none[2]], None, Ok(Outcome::NotFound));
    check(&[none[0], none[1], ("Say", "x")], Some("0042"), Err(("item_count", "wrong-int")));
    // What does not confirm may be broken or missing: it is not read from an answer without a record.
    check(&[none[0], none[1], none[2], ("Qeyd", "\u{7}")], Some("0042"), Ok(Outcome::NotFound));
}

#[test]
fn another_rule_of_the_same_mapping_demands_nothing() {
    let (xml, json) = &*MADE;
    let subject = fin("5K7QX2O");
    for (plan, open, close) in [(xml, "<C xmlns=\"urn:a\">", "</C>"), (json, "{\"C\":{", "}}")] {
        let body = |fin: Option<&str>, word: &str| {
            if open.starts_with('<') {
                soap(SOAP11, &format!("{open}{}<{word}/>{close}", fin.map(|fin| format!("<FIN>{fin}</FIN>")).unwrap_or_default()))
            } else {
                format!("{open}{}\"{word}\":true{close}", fin.map(|fin| format!("\"FIN\":\"{fin}\",")).unwrap_or_default())
            }
        };
        for (word, outcome) in [("Yox", Outcome::NotFound), ("Kagiz", Outcome::NotHeldElectronically)] {
            let check = |fin| told(plan, 200, &body(fin, word), &subject).map(|reading| reading.outcome);
            assert_eq!(check(None), Ok(outcome));
            assert_eq!(check(Some("5K7QX2O")), Ok(outcome));
            assert_eq!(check(Some("3M9RT4O")), Err(("fin".to_owned(), "another-question")));
            assert_eq!(check(Some("x")), Err(("fin".to_owned(), "wrong-fin")));
        }
    }
}

#[test]
fn of_two_records_without_items_neither_counts() {
    let body = |second: &str| format!(r#"{{"C":[{{"FIN":"5K7QX2O","Say":"0","Siyahi":[]}},{{"FIN":"{second}","Say":"0","Siyahi":[]}}]}}"#);
    for second in ["5K7QX2O", "3M9RT4O"] {
        let error = read(&MADE.1, 200, body(second).as_bytes()).expect_err("INVALID_DATA");
        assert_eq!(error, ReadError::Field { path: "C".into(), rule: "repeated-record" });
    }
}

#[test]
fn a_record_that_was_found_repeats_nothing_besides() {
    let example = super::example("property/ownership", "ok.xml");
    let reading = read(&plan("property/ownership"), 200, &example).expect("found");
    assert_eq!(reading.repeated, Repeated::default());
}

/// FINs of the test profile.
fn fins() -> impl Strategy<Value = String> {
    "[0-9A-HJ-NP-Z]{6}O"
}

proptest! {
    #[test]
    fn whoever_else_an_empty_list_names_is_found_out(asked in fins(), named in fins(), gap in "[ \n\t]{0,3}") {
        for (register, plan) in registers() {
            let body = (register.empty)(&(register.name)(&format!("{}{named}{}", if register.service.starts_with("justice") { "" } else { &gap }, "")));
            let judged = told(plan, 200, &body, &fin(&asked)).map(|reading| reading.outcome);
            let expected = if asked == named { Ok(Outcome::NotFound) } else { Err((register.field.to_owned(), "another-question")) };
            prop_assert_eq!(judged, expected, "{}", register.service);
        }
    }

    /// However a source damages such an answer, it does not become a fact about somebody it does not name.
    #[test]
    fn damage_makes_no_fact_about_another(
        which in 0..REGISTERS.len(), at in any::<prop::sample::Index>(), cut in 0usize..12, put in "[<>/\\[\\]{}\",:a-zA-Z0-9 ]{0,8}",
    ) {
        let (register, plan) = &registers()[which];
        let body = (register.empty)(&(register.name)("3M9RT4O"));
        let signs: Vec<char> = body.chars().collect();
        let place = at.index(signs.len());
        let damaged: String = signs.iter().take(place).copied().chain(put.chars()).chain(signs.iter().skip(place + cut).copied()).collect();
        if let Ok(reading) = told(plan, 200, &damaged, &fin("5K7QX2O")) {
            prop_assert!(reading.absence != Some(Absence::Fact) || damaged.contains("5K7QX2O"), "{}", damaged);
            prop_assert!(reading.facts.is_none());
        }
    }

    #[test]
    fn what_is_told_agrees_or_is_found_out_in_both_syntaxes(
        named in proptest::option::of(fins()), number in proptest::option::of("[0-9]{1,4}"), count in proptest::option::of(0..3_usize),
        items in 0..3_usize, wanted in proptest::option::of("[0-9]{1,4}"), mine in any::<bool>(),
    ) {
        let named = if mine { Some("5K7QX2O".to_owned()) } else { named };
        let count_text = count.map(|count| count.to_string());
        let told = [("FIN", named.as_deref()), ("Nomre", number.as_deref()), ("Say", count_text.as_deref()), ("Qeyd", Some("x"))];
        let parts: Vec<(&str, &str)> = told.iter().filter_map(|(name, text)| Some((*name, (*text)?))).collect();
        let [xml, json] = both(&parts, items, wanted.as_deref());
        prop_assert_eq!(&xml, &json);
        let answers = named.as_deref() == Some("5K7QX2O") && (wanted.is_none() || wanted == number) && count == Some(items);
        prop_assert_eq!(xml.is_ok(), answers, "{:?}", xml);
    }
}
