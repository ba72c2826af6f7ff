//! Answers from a peer that is broken or means ill: refused or classified, never a panic, never a value in an error.

use mapping::{Limits, Plan, ReadError, WireAnswer};
use model::{Outcome, Profile};
use proptest::prelude::*;

use super::{example, plan, read, shipped};

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
const PERSON: &str = "interior/person-identity";

fn rule(plan: &Plan, body: &str) -> &'static str {
    match read(plan, 200, body.as_bytes()) {
        Ok(reading) => panic!("read as {}", reading.outcome),
        Err(error) => error.rule(),
    }
}

/// An X-Road answer with this content of the person.
fn person(inside: &str) -> String {
    envelope(&format!(
        "<d:SexsMelumatiSorgusuResponse xmlns:d=\"http://daxili-isler.example/xroad/v2\"><d:Sexs>{inside}</d:Sexs></d:SexsMelumatiSorgusuResponse>"
    ))
}

fn envelope(body: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{SOAP11}\"><s:Body>{body}</s:Body></s:Envelope>")
}

/// The found answer of interior with one element's content replaced.
fn person_with(element: &str, content: &str) -> String {
    let text = String::from_utf8(example(PERSON, "ok.xml")).expect("UTF-8");
    let (open, close) = (format!("<dx:{element}>"), format!("</dx:{element}>"));
    let (before, rest) = text.split_once(&open).expect("the element");
    let (_, after) = rest.split_once(&close).expect("its end");
    format!("{before}{open}{content}{close}{after}")
}

fn field(body: &str) -> (String, &'static str) {
    let error = read(&plan(PERSON), 200, body.as_bytes()).expect_err("INVALID_DATA");
    (error.path().unwrap_or_default().to_owned(), error.rule())
}

#[test]
fn bombs_and_external_entities_are_refused_at_the_doctype() {
    let plan = plan(PERSON);
    let bomb = format!(
        "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;\">]>{}",
        person("<d:FIN>&c;</d:FIN>")
    );
    let external = format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", person("<d:FIN>&x;</d:FIN>"));
    assert_eq!(rule(&plan, &bomb), "doctype");
    assert_eq!(rule(&plan, &external), "doctype");
    assert_eq!(rule(&plan, &person("<d:FIN>&x;</d:FIN>")), "entity");
    assert_eq!(rule(&plan, &person("<d:FIN>&#0;</d:FIN>")), "entity");
    assert_eq!(rule(&plan, &person("<d:FIN>&#x110000;</d:FIN>")), "entity");
    assert_eq!(rule(&plan, &format!("<?xml-stylesheet href=\"x\"?>{}", person(""))), "processing-instruction");
    assert_eq!(rule(&plan, &format!("<?xml version=\"1.0\" encoding=\"windows-1254\"?>{}", person(""))), "encoding");
}

#[test]
fn depth_number_and_size_are_bounded_and_the_walk_stops_at_the_first_excess() {
    let plan = plan(PERSON);
    let deep = person(&"<x>".repeat(200_000));
    assert_eq!(read(&plan, 200, deep.as_bytes()), Err(ReadError::Limit { what: "levels of nesting", limit: 32 }));
    let many = person(&"<x/>".repeat(200_000));
    assert_eq!(read(&plan, 200, many.as_bytes()), Err(ReadError::Limit { what: "elements", limit: 100_000 }));
    let large = person(&" ".repeat(5 << 20));
    assert_eq!(read(&plan, 200, large.as_bytes()), Err(ReadError::Limit { what: "bytes", limit: 4 << 20 }));
    assert_eq!(field(&person_with("Soyad", &"a".repeat(4_097))), ("surname".to_owned(), "text-too-long"));
    assert_eq!(field(&person_with("Soyad", &"a".repeat(20_000))), ("surname".to_owned(), "text-too-long"));
    // A picture that nobody reads may be long.
    let photo = String::from_utf8(example(PERSON, "undeclared.xml")).expect("UTF-8").replace("R0lGODlh", &"A".repeat(1 << 20));
    assert_eq!(read(&plan, 200, photo.as_bytes()).map(|reading| reading.outcome), Ok(Outcome::Found));
    let namespaces: String = (0..200).map(|number| format!(" xmlns:n{number}=\"urn:{number}\"")).collect();
    assert_eq!(rule(&plan, &person(&format!("<x{namespaces}/>"))), "namespace");
}

#[test]
fn json_is_bounded_too() {
    let plan = plan("azerishiq/consumption");
    let nested = format!("{{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":0,\"x\":{}", "[".repeat(200_000));
    assert_eq!(rule(&plan, &nested), "cut-off");
    let nested = format!(
        "{{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":0,\"hesablamalar\":[],\"x\":{}{}}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    assert_eq!(read(&plan, 200, nested.as_bytes()).map(|reading| (reading.outcome, reading.undeclared.count)), Ok((Outcome::Found, 1)));
    let nested =
        format!("{{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":0,\"hesablamalar\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(rule(&plan, &nested), "wrong-structure");
    let many = format!("{{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":0,\"hesablamalar\":[{}]}}", vec!["{}"; 200_000].join(","));
    assert_eq!(read(&plan, 200, many.as_bytes()), Err(ReadError::Limit { what: "keys and items", limit: 100_000 }));
    let month = r#"{"ay":"2025-12","serfiyyat":1,"hesablanib":1,"odenilib":1,"teqribi":false}"#;
    let thirteen = format!("{{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":0,\"hesablamalar\":[{}]}}", vec![month; 13].join(","));
    let error = read(&plan, 200, thirteen.as_bytes()).expect_err("thirteen months");
    assert_eq!((error.path(), error.rule()), (Some("months[]"), "too-many-items"));
}

#[test]
fn json_must_have_the_promised_structure() {
    let plan = plan("azerishiq/consumption");
    let month = |change: &str| {
        let month = r#"{"ay":"2025-12","serfiyyat":1,"hesablanib":1,"odenilib":1,"teqribi":false}"#;
        let (old, new) = change.split_once(" => ").expect("a change");
        assert!(month.contains(old), "{old}");
        format!("{{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":0,\"hesablamalar\":[{}]}}", month.replace(old, new))
    };
    for (body, expected) in [
        (month(r#""2025-12" => 202512"#), "wrong-kind"),
        (month(r#""2025-12" => "2025-13""#), "wrong-month"),
        (month(r#""2025-12" => null"#), "absent-value"),
        (month(r#""2025-12" => """#), "absent-value"),
        (month(r#""2025-12" => {}"#), "wrong-structure"),
        (month(r#""2025-12" => []"#), "wrong-structure"),
        (month(r#""2025-12" => ["2025-12"]"#), "wrong-structure"),
        (month(r#""2025-12" => "\ud800""#), "wrong-structure"),
        (month(r#""2025-12", => "2025-12","ay":"2025-11","#), "doubled-key"),
        (month(r#""serfiyyat":1 => "serfiyyat":1e3"#), "wrong-decimal"),
        (month(r#""serfiyyat":1 => "serfiyyat":true"#), "wrong-kind"),
        (month(r#""teqribi":false => "teqribi":0"#), "wrong-kind"),
        (month(r#""hesablanib":1 => "hesablanib":9223372036854775807"#), "wrong-money"),
        (r#"{"abonent_kodu":"TEST-EL-000111","qaliq":0,"hesablamalar":[null]}"#.to_owned(), "wrong-structure"),
        (r#"{"abonent_kodu":"TEST-EL-000111","qaliq":0,"hesablamalar":["x"]}"#.to_owned(), "wrong-structure"),
        (r#"{"abonent_kodu":"TEST-EL-000111","qaliq":0,"hesablamalar":"x"}"#.to_owned(), "wrong-structure"),
        (r#"{"qaliq":0,"qaliq":1,"hesablamalar":[]}"#.to_owned(), "doubled-key"),
        (r#"{"qaliq":0,"q\u0061liq":1,"hesablamalar":[]}"#.to_owned(), "doubled-key"),
        (r#"{"qaliq":null,"hesablamalar":[]}"#.to_owned(), "no-outcome-rule"),
        ("[]".to_owned(), "no-outcome-rule"),
        ("null".to_owned(), "no-outcome-rule"),
        ("\"x\"".to_owned(), "no-outcome-rule"),
        ("{} {}".to_owned(), "syntax"),
        ("{'qaliq':0}".to_owned(), "syntax"),
        ("<html/>".to_owned(), "syntax"),
        (" ".to_owned(), "cut-off"),
    ] {
        assert_eq!(rule(&plan, &body), expected, "{body}");
    }
    let sound = "\u{FEFF}{\"abonent_kodu\":\"TEST-EL-000111\",\"qaliq\":\"0.5\",\"hesablamalar\":[]}";
    assert_eq!(read(&plan, 200, sound.as_bytes()).map(|reading| reading.outcome), Ok(Outcome::Found), "a mark, and a number as text");
}

#[test]
fn names_mean_their_namespace_not_their_prefix() {
    let plan = plan(PERSON);
    let ok = String::from_utf8(example(PERSON, "ok.xml")).expect("UTF-8");
    let outcome = |body: &str| read(&plan, 200, body.as_bytes()).map(|reading| reading.outcome);
    assert_eq!(outcome(&ok.replace("dx:", "zz9:").replace("xmlns:dx", "xmlns:zz9")), Ok(Outcome::Found));
    let other = ok.replace("http://daxili-isler.example/xroad/v2", "http://daxili-isler.example/xroad/v3");
    assert_eq!(outcome(&other).map_err(|error| error.rule()), Err("no-outcome-rule"));
    // The mapping's own prefix on another namespace means nothing.
    let forged = ok.replace("dx:", "d:").replace("xmlns:dx=\"http://daxili-isler.example/xroad/v2\"", "xmlns:d=\"urn:x\"");
    assert_eq!(outcome(&forged).map_err(|error| error.rule()), Err("no-outcome-rule"));
    let undeclared_prefix = ok.replace("<dx:FIN>5K7QX2O</dx:FIN>", "<qq:FIN>5K7QX2O</qq:FIN>");
    assert_eq!(
        outcome(&undeclared_prefix).map_err(|error| (error.path().map(str::to_owned), error.rule())),
        Err((Some("fin".to_owned()), "missing-value"))
    );
}

#[test]
fn a_prefix_means_what_it_is_bound_to_here() {
    let plans = (plan(PERSON), plan("taxes/person-income"));
    let person = String::from_utf8(example(PERSON, "ok.xml")).expect("UTF-8");
    let income = String::from_utf8(example("taxes/person-income", "ok.xml")).expect("UTF-8");
    let check = |plan: &Plan, body: &str, expected: Result<(), (&str, &str)>| {
        let got = read(plan, 200, body.as_bytes()).map(drop);
        let got = got.as_ref().copied().map_err(|error| (error.path().unwrap_or_default(), error.rule()));
        assert_eq!(got, expected, "{body}");
    };
    let swap = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };

    // Bound anew by the element itself, and by one before it that is over.
    check(&plans.0, &swap(&person, "<dx:Soyad>", "<dx:Soyad xmlns:dx=\"urn:x\">"), Err(("surname", "missing-value")));
    let over = "<dx:Yeni xmlns:dx=\"urn:x\"><dx:Soyad>Yad</dx:Soyad></dx:Yeni><dx:Soyad>";
    check(&plans.0, &swap(&person, "<dx:Soyad>", over), Ok(()));
    // The default namespace, and none.
    let default = person.replace("dx:", "").replace("xmlns:dx", "xmlns");
    check(&plans.0, &default, Ok(()));
    check(&plans.0, &swap(&default, "<Soyad>", "<Soyad xmlns=\"\">"), Err(("surname", "missing-value")));
    // Bound by a brother that is over, and by the item before.
    let brother = swap(&person, "<dx:FIN>5K7QX2O</dx:FIN>", "<q:FIN xmlns:q=\"http://daxili-isler.example/xroad/v2\">5K7QX2O</q:FIN>");
    check(&plans.0, &brother, Ok(()));
    check(&plans.0, &brother.replace("dx:Soyad>", "q:Soyad>"), Err(("surname", "missing-value")));
    let item = income.replace("g:Ay>", "q:Ay>");
    let everywhere = item.replace("<g:Ay_Melumati>", "<g:Ay_Melumati xmlns:q=\"urn:vergiler:gelir:v1\">");
    check(&plans.1, &everywhere, Ok(()));
    // Bound by a list that is over, right after its last use.
    let (fin, list) = ("<g:FIN>5K7QX2O</g:FIN>", "<g:Aylar xmlns:q=\"urn:vergiler:gelir:v1\">");
    let late = swap(&swap(&income, fin, ""), "<g:Aylar>", list).replace("g:MDSS>", "q:MDSS>");
    check(&plans.1, &swap(&late, "</g:Aylar>", &format!("</g:Aylar>{fin}")), Ok(()));
    check(&plans.1, &swap(&late, "</g:Aylar>", &format!("</g:Aylar>{}", fin.replace("g:", "q:"))), Err(("fin", "missing-value")));
    check(
        &plans.1,
        &swap(&item, "<g:Ay_Melumati>", "<g:Ay_Melumati xmlns:q=\"urn:vergiler:gelir:v1\">"),
        Err(("months[].month", "missing-value")),
    );
}

#[test]
fn the_envelope_is_read_strictly() {
    let plan = plan(PERSON);
    let ok = String::from_utf8(example(PERSON, "ok.xml")).expect("UTF-8");
    let none =
        "<d:SexsMelumatiSorgusuResponse xmlns:d=\"http://daxili-isler.example/xroad/v2\"><d:Tapilmadi/></d:SexsMelumatiSorgusuResponse>";
    let fault = "<s:Fault><faultcode>s:Server</faultcode></s:Fault>";
    for (body, expected) in [
        (ok.replace(SOAP11, SOAP12), "not-an-envelope"),
        (ok.replace("SOAP-ENV:Envelope", "SOAP-ENV:Letter"), "not-an-envelope"),
        (none.to_owned(), "not-an-envelope"),
        (format!("<s:Envelope xmlns:s=\"{SOAP11}\"/>"), "no-body"),
        (format!("<s:Envelope xmlns:s=\"{SOAP11}\"><x/></s:Envelope>"), "not-an-envelope"),
        (envelope(&format!("{none}{none}")), "second-body"),
        (envelope(&format!("{none}{fault}")), "second-body"),
        (envelope(&format!("{fault}{none}")), "second-body"),
        (envelope(none).replace("</s:Body>", "</s:Body><s:Body/>"), "second-body"),
        (envelope(none).replace("</s:Body>", "</s:Body><s:Header/>"), "second-body"),
        (format!("{0}{0}", envelope(none)), "second-root"),
        (format!("x{}", envelope(none)), "text-outside-root"),
        (format!("{}x", envelope(none)), "text-outside-root"),
        (envelope(&format!("x{none}")), "text-in-envelope"),
        (envelope(none).replace("</s:Body>", "</s:Envelope>"), "ill-formed"),
        (envelope(""), "no-outcome-rule"),
        (envelope("<x/>"), "no-outcome-rule"),
        (String::new(), "no-outcome-rule"),
    ] {
        assert_eq!(rule(&plan, &body), expected, "{body}");
    }
    let not_utf8 = read(&plan, 200, b"<a>\xFF</a>").expect_err("not UTF-8");
    assert_eq!(not_utf8, ReadError::Malformed { syntax: "XML", rule: "not-utf-8", at: 3 });
    // A payload deeper than a fault that only looks like one.
    let decoy = envelope(&none.replace("<d:Tapilmadi/>", "<d:Tapilmadi/><s:Fault><faultcode>s:Server</faultcode></s:Fault>"));
    assert_eq!(read(&plan, 200, decoy.as_bytes()).map(|reading| reading.outcome), Ok(Outcome::NotFound));
}

#[test]
fn fields_break_their_own_rule() {
    for (element, content, path, expected) in [
        ("FIN", "5K7QX2", "fin", "wrong-fin"),
        ("FIN", "5K7QX2A", "fin", "wrong-fin"),
        ("FIN", "", "fin", "absent-value"),
        ("FIN", "<x/>", "fin", "wrong-structure"),
        ("Soyad", "-", "surname", "absent-value"),
        ("Soyad", "a\u{1b}[2J", "surname", "control-character"),
        ("DogumTarixi", "31.02.1985", "birth_date", "wrong-date"),
        ("DogumTarixi", "1985-03-14", "birth_date", "wrong-date"),
        ("Cins", "k", "sex", "unmapped-code"),
        ("AtaAdi", "oğlu", "patronymic", "no-match"),
        ("SenedStatusu", "1</dx:SenedStatusu><dx:SenedStatusu>1", "document_status", "repeated-value"),
    ] {
        assert_eq!(field(&person_with(element, content)), (path.to_owned(), expected), "{element}");
    }
    let nil = person_with("EtibarliliqTarixi", "")
        .replace("<dx:EtibarliliqTarixi>", "<dx:EtibarliliqTarixi xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:nil=\"true\">");
    assert_eq!(read(&plan(PERSON), 200, nil.as_bytes()).map(|reading| reading.outcome), Ok(Outcome::Found));
    let nil = nil.replace("EtibarliliqTarixi", "DogumTarixi");
    assert_eq!(field(&nil), ("birth_date".to_owned(), "repeated-value"));
    let pieces = person_with("Soyad", "S&#x131;na<!-- -->q<![CDATA[l&]]>&amp;\u{131}");
    let facts = read(&plan(PERSON), 200, pieces.as_bytes()).expect("found").facts.expect("facts");
    assert_eq!(facts.top_level("surname").and_then(model::Value::as_text), Some("Sınaql&&ı"));
}

#[test]
fn a_broken_field_does_not_hide_what_the_answer_came_to() {
    // Absent by the source's own word, although a part of the read set is broken.
    let body = |broken: &str| {
        envelope(&format!(
            "<d:SexsMelumatiSorgusuResponse xmlns:d=\"http://daxili-isler.example/xroad/v2\"><d:Sexs>{broken}</d:Sexs><d:Tapilmadi/></d:SexsMelumatiSorgusuResponse>"
        ))
    };
    let outcome = |broken: &str| read(&plan(PERSON), 200, body(broken).as_bytes()).map(|reading| reading.outcome);
    assert_eq!(outcome("<d:Cins>x</d:Cins>"), Ok(Outcome::NotFound));
    // But whom the answer is about must be legible, where it says it.
    assert_eq!(outcome("<d:FIN>x</d:FIN>"), Err(ReadError::Field { path: "fin".into(), rule: "wrong-fin" }));
}

#[test]
fn a_status_alone_says_that_nobody_could_be_asked_and_nothing_else() {
    let html: &[u8] = b"<!DOCTYPE html><p>yox<br></html>";
    // A snapshot of a file is asked of nobody, and has no status.
    let asked = |plan: &Plan| !matches!(plan.protocol(), mapping::Protocol::Files(_));
    for (id, plan) in shipped().iter().map(|id| (id, plan(id))).filter(|(_, plan)| asked(plan)) {
        for status in [500, 502, 503, 429] {
            assert_eq!(read(&plan, status, html).map(|reading| reading.outcome), Ok(Outcome::Unavailable), "{id} {status}");
            assert_eq!(read(&plan, status, b"").map(|reading| reading.outcome), Ok(Outcome::Unavailable), "{id} {status}");
        }
        for status in [200, 204, 301, 404] {
            assert!(read(&plan, status, html).is_err(), "{id} {status}");
            assert_eq!(read(&plan, status, b"").map_err(|error| error.rule()).err(), Some("no-outcome-rule"), "{id} {status}");
        }
        // A refusal may show in the status alone; it says nothing of the person.
        for status in [400, 401, 403] {
            for body in [html, b"".as_slice()] {
                let outcome = read(&plan, status, body).map(|reading| reading.outcome);
                assert!(matches!(outcome, Err(_) | Ok(Outcome::Unavailable | Outcome::Denied)), "{id} {status}: {outcome:?}");
            }
        }
    }
}

/// What stands before a source answers like this: a wrong address, a proxy, another service of the same server.
#[test]
fn nobody_but_the_source_says_that_there_is_no_record() {
    let soap = |ns: &str, body: &str| format!("<s:Envelope xmlns:s=\"{ns}\"><s:Body>{body}</s:Body></s:Envelope>");
    let fault11 = "<s:Fault><faultcode>s:Client</faultcode><faultstring>Not Found</faultstring></s:Fault>";
    let fault12 = "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>Not Found</s:Text></s:Reason></s:Fault>";
    let bodies = [
        String::new(),
        " \n".to_owned(),
        "\u{FEFF}".to_owned(),
        "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>".to_owned(),
        "<html><body><center>404 Not Found</center></body></html>".to_owned(),
        "404 page not found".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"message":"no Route matched with those values"}"#.to_owned(),
        r#"{"timestamp":"2026-03-11T09:00:00Z","status":404,"error":"Not Found","path":"/abonent/v1"}"#.to_owned(),
        soap(SOAP11, ""),
        soap(SOAP12, ""),
        soap(SOAP11, "<x/>"),
        soap(SOAP12, "<x/>"),
        soap(SOAP11, fault11),
        soap(SOAP12, fault12),
    ];
    for id in shipped() {
        let plan = plan(id);
        for status in [200, 204, 206, 400, 403, 404, 405, 410, 500, 503] {
            for body in &bodies {
                let outcome = read(&plan, status, body.as_bytes()).map(|reading| reading.outcome);
                let harmless = matches!(outcome, Err(_) | Ok(Outcome::Unavailable | Outcome::Denied));
                assert!(harmless, "{id} {status} {body}: {outcome:?}");
            }
        }
    }
    // Where the status is part of the rule, the source's own word is needed besides it.
    let consumption = plan("azerishiq/consumption");
    let outcome = |body: &str| read(&consumption, 404, body.as_bytes()).map(|reading| reading.outcome).ok();
    assert_eq!(outcome(r#"{"xeta":"abonent_tapilmadi"}"#), Some(Outcome::NotFound));
    assert_eq!(outcome(r#"{"xeta":"not_found"}"#), None);
}

#[test]
fn no_prefix_of_an_answer_is_taken_for_the_answer() {
    for (id, name) in [
        (PERSON, "undeclared.xml"),
        (PERSON, "fault.xml"),
        ("taxes/person-income", "ok.xml"),
        ("taxes/person-income", "unknown-person.xml"),
        ("azerishiq/subscriber", "undeclared.answer.json"),
        ("azerishiq/consumption", "ok.answer.json"),
    ] {
        let plan = plan(id);
        let body = example(id, name);
        let end = body.trim_ascii_end().len();
        for cut in 1..end {
            let result = plan.read(WireAnswer { status: 200, body: &body[..cut] }, Profile::Test, &Limits::default());
            assert!(result.is_err(), "{id} {name} cut at {cut}: {result:?}");
        }
    }
}

/// Everything personal in the examples that are mutated below.
const PERSONAL: [&str; 8] = ["5K7QX2O", "Sınaqlı", "Örnək", "14.03.1985", "0012345", "9900001233", "TEST-EL-000111", "Sınaq küç"];

proptest! {
    #[test]
    fn no_bytes_break_the_reader(body in proptest::collection::vec(any::<u8>(), 0..400), status in 100u16..600) {
        thread_local! { static PLANS: Vec<Plan> = shipped().iter().map(|id| plan(id)).collect(); }
        PLANS.with(|plans| for plan in plans {
            drop(read(plan, status, &body));
        });
    }

    #[test]
    fn no_damage_breaks_the_reader_or_leaks_a_value(
        which in 0usize..4, cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), byte in any::<u8>(), piece in "[<>&;:/\"{}\\[\\],a-z0-9 ]{0,12}",
    ) {
        thread_local! { static ANSWERS: Vec<(Plan, Vec<u8>)> = [
            (PERSON, "undeclared.xml"), ("taxes/person-income", "undeclared.xml"),
            ("azerishiq/subscriber", "undeclared.answer.json"), ("azerishiq/consumption", "undeclared.answer.json"),
        ].iter().map(|(id, name)| (plan(id), example(id, name))).collect(); }
        ANSWERS.with(|answers| {
            let (plan, sound) = &answers[which];
            let mut body = sound.clone();
            let at = flip.index(body.len());
            body[at] = byte;
            let at = cut.index(body.len());
            body.splice(at..at, piece.bytes());
            if let Err(error) = read(plan, 200, &body) {
                let shown = format!("{error} {error:?}");
                prop_assert!(PERSONAL.iter().all(|value| !shown.contains(value)), "{}", shown);
            }
            Ok(())
        })?;
    }
}
