//! What the grammar can say beyond the shipped mappings, on a made-up service.

use std::path::Path;
use std::sync::Arc;

use mapping::{Inputs, Plan, ReadError, Reading, WireQuestion};
use model::contract::{Input, Leaf, SubjectForm};
use model::document::Document;
use model::{Absence, Decimal, FieldDef, FieldKind, FieldSet, Outcome, Problems, Service, Shape, Subject, Type, Value};

use super::{asked, lines, read, service};

/// A contract with these fields: `name: type`, `name?: type` where the source may state none, codes
/// after `=`, `name[]` for a list of plain values, and `name[] { … }` for a list of records.
pub(super) fn contract(fields: &[Field], inputs: &[(&str, Type, bool)]) -> Arc<Service> {
    let mut made = Service::clone(&service("azerishiq/subscriber"));
    let mut leaves = Vec::new();
    made.shape = Shape { fields: fields.iter().map(|field| field.define("", &mut leaves)).collect() };
    made.leaves = leaves;
    made.inputs = inputs
        .iter()
        .map(|(name, kind, required)| Input {
            name: (*name).into(),
            kind: *kind,
            codes: Vec::new(),
            list_max: None,
            required: *required,
            comes_from: None,
            range: None,
            instances: None,
        })
        .collect();
    made.subject = vec![SubjectForm::Fin];
    Arc::new(made)
}

#[derive(Debug)]
pub(super) enum Field {
    One(&'static str, Type, bool, &'static [&'static str]),
    Plain(&'static str, Type),
    List(&'static str, Vec<Self>),
}

impl Field {
    fn define(&self, prefix: &str, leaves: &mut Vec<Leaf>) -> FieldDef {
        let index = leaves.len();
        let (name, path, kind, optional) = match self {
            Self::One(name, kind, optional, codes) => {
                let path = format!("{prefix}{name}");
                leaves.push(Leaf {
                    path: path.as_str().into(),
                    class: model::contract::Class::O,
                    agreed: true,
                    handling: model::contract::Handling::NoOnward,
                });
                (name, path, FieldKind::Scalar { kind: *kind, codes: codes.iter().map(|code| (*code).into()).collect() }, *optional)
            }
            Self::Plain(name, kind) => {
                let path = format!("{prefix}{name}[]");
                leaves.push(Leaf {
                    path: path.as_str().into(),
                    class: model::contract::Class::O,
                    agreed: true,
                    handling: model::contract::Handling::NoOnward,
                });
                (name, path, FieldKind::Values { max: 3, kind: *kind, codes: Vec::new() }, false)
            }
            Self::List(name, fields) => {
                let path = format!("{prefix}{name}[]");
                let inside = format!("{path}.");
                let shape = Shape { fields: fields.iter().map(|field| field.define(&inside, leaves)).collect() };
                (name, path, FieldKind::List { max: 5, shape }, false)
            }
        };
        let mut own = FieldSet::EMPTY;
        (index..leaves.len()).for_each(|leaf| own.insert(leaf));
        let (name, path) = ((*name).into(), path.as_str().into());
        FieldDef { name, path, kind, class: model::contract::Class::O, optional, agreed: true, unit: None, index, leaves: own }
    }
}

pub(super) const RULES: &str = "  outcome:
    - {when: {status: 5xx}, is: UNAVAILABLE}
    - {when: {exists: yox}, is: NOT_FOUND}
    - {when: {exists: cavab}, is: FOUND}
  at: cavab
";

pub(super) fn compile(service: &Arc<Service>, head: &str, response: &str) -> Result<Plan, Vec<String>> {
    let text = format!(
        "mapping: azerishiq/subscriber@1.0.0\n{head}response:\n{response}examples: [{{status: 503, expect: {{outcome: UNAVAILABLE}}}}]\n"
    );
    let mut problems = Problems::default();
    let document = Document::parse(Path::new("x.yaml"), &text).expect("YAML");
    mapping::compile(&document, service, &mut problems).ok_or_else(|| lines(problems))
}

/// A JSON mapping of these fields, without anything else.
pub(super) fn json(fields: &[Field], formats: &str, response: &str) -> Plan {
    let head =
        format!("wire: {{protocol: rest-json}}\n{formats}request: {{method: GET, path: [x], query: [{{to: fin, value: subject.fin}}]}}\n");
    compile(&contract(fields, &[]), &head, &format!("{RULES}{response}")).expect("a sound mapping")
}

pub(super) fn shown(reading: Result<Reading, ReadError>) -> Result<String, (String, &'static str)> {
    let reading = reading.map_err(|error| (error.path().unwrap_or_default().to_owned(), error.rule()))?;
    let facts = reading.facts.expect("found");
    Ok(serde_json::to_string(&facts.show(&facts.service.agreed())).expect("JSON"))
}

pub(super) fn answer(plan: &Plan, inside: &str) -> Result<String, (String, &'static str)> {
    shown(read(plan, 200, format!("{{\"cavab\":{inside}}}").as_bytes()))
}

#[test]
fn the_first_path_with_a_value_is_taken() {
    let fields = [Field::One("name", Type::Text, false, &[]), Field::One("nick", Type::Text, true, &[])];
    let plan = json(
        &fields,
        "",
        "  fields:\n    name: {from: [ad, kohne/ad], as: text}\n    nick: {from: [leqeb, ad2], as: text, optional: true}\n",
    );
    assert_eq!(answer(&plan, r#"{"ad":"A","kohne":{"ad":"B"}}"#).as_deref(), Ok(r#"{"name":"A","nick":null}"#));
    assert_eq!(answer(&plan, r#"{"ad":"","kohne":{"ad":"B"},"ad2":"C"}"#).as_deref(), Ok(r#"{"name":"B","nick":"C"}"#));
    assert_eq!(answer(&plan, r#"{"ad":null}"#), Err(("name".to_owned(), "missing-value")));
}

#[test]
fn lists_are_counted_filtered_and_picked_from() {
    let item = vec![Field::One("sum_qapik", Type::Money, false, &[])];
    let fields = [
        Field::One("all", Type::Int, false, &[]),
        Field::One("latest", Type::Date, true, &[]),
        Field::One("earliest", Type::Date, true, &[]),
        Field::List("debts", item),
        Field::Plain("tags", Type::Text),
    ];
    let plan = json(
        &fields,
        "formats: {date: yyyyMMdd, money: qapik}\n",
        "  fields:
    all: {count: borclar, as: int}
    latest: {from: tarixce/gun, as: date, optional: true, pick: last}
    earliest: {from: tarixce/gun, as: date, optional: true, pick: first}
    debts: {each: borclar, max: 2, where: {aktiv: true, nov: A}, ignore: [qeyd], fields: {sum_qapik: {from: mebleg, as: money}}}
    tags: {each: nisanlar, max: 3, as: text}
",
    );
    let body = r#"{"tarixce":[{"gun":"20200101"},{"gun":"20210101"},{"gun":"20220101"}],
        "borclar":[{"mebleg":1,"aktiv":true,"nov":"A","qeyd":{"x":[1]}},{"mebleg":"broken","aktiv":false,"nov":"A"},{"mebleg":3,"aktiv":true,"nov":"B"},
        {"nov":"A","aktiv":true,"mebleg":4}],"nisanlar":["a","b"]}"#;
    let expected = r#"{"all":4,"latest":"2022-01-01","earliest":"2020-01-01","debts":[{"sum_qapik":1},{"sum_qapik":4}],"tags":["a","b"]}"#;
    assert_eq!(answer(&plan, body).as_deref(), Ok(expected));
    let empty = r#"{"all":0,"latest":null,"earliest":null,"debts":[],"tags":[]}"#;
    assert_eq!(answer(&plan, "{}").as_deref(), Ok(empty));
    assert_eq!(answer(&plan, r#"{"nisanlar":["a","b","c","d"]}"#), Err(("tags[]".to_owned(), "too-many-items")));
    assert_eq!(answer(&plan, r#"{"nisanlar":["a",null]}"#), Err(("tags[]".to_owned(), "absent-value")));
    assert_eq!(answer(&plan, r#"{"nisanlar":["a",["b"]]}"#), Err(("tags[]".to_owned(), "wrong-structure")));
    assert_eq!(answer(&plan, r#"{"nisanlar":{"a":1}}"#), Err(("tags[]".to_owned(), "wrong-structure")));
    assert_eq!(answer(&plan, r#"{"nisanlar":"a"}"#), Err(("tags[]".to_owned(), "wrong-structure")));
    let kept = r#"{"mebleg":1,"aktiv":true,"nov":"A"}"#;
    assert_eq!(answer(&plan, &format!("{{\"borclar\":[{kept},{kept},{kept}]}}")), Err(("debts[]".to_owned(), "too-many-items")));
    let broken = r#"{"borclar":[{"mebleg":1.5,"aktiv":true,"nov":"A"}]}"#;
    assert_eq!(answer(&plan, broken), Err(("debts[].sum_qapik".to_owned(), "wrong-money")));
}

#[test]
fn a_code_without_a_row_is_kept_or_dropped_only_with_a_flag() {
    let fields = [Field::One("kind", Type::Code, false, &[]), Field::One("state", Type::Code, true, &["on", "off"])];
    let tables =
        "tables:\n  nov: {to: code, rows: {1: one}, unmapped: keep}\n  hal: {to: code, rows: {A: \"on\", B: \"off\"}, unmapped: null}\n";
    let plan = json(
        &fields,
        tables,
        "  fields:\n    kind: {from: nov, as: code, table: nov}\n    state: {from: hal, as: code, table: hal, optional: true}\n",
    );
    let reading = read(&plan, 200, br#"{"cavab":{"nov":"7","hal":"Z"}}"#).expect("found");
    let flags: Vec<_> = reading.facts.as_ref().expect("facts").flags.iter().map(|flag| (flag.field, flag.reason)).collect();
    assert_eq!(flags, [(0, "unmapped-code"), (1, "unmapped-code")]);
    assert_eq!(shown(Ok(reading)).as_deref(), Ok(r#"{"kind":"7","state":null}"#));
    let reading = read(&plan, 200, br#"{"cavab":{"nov":1,"hal":"A"}}"#).expect("found");
    assert_eq!(reading.facts.as_ref().map(|facts| facts.flags.len()), Some(0));
    assert_eq!(shown(Ok(reading)).as_deref(), Ok(r#"{"kind":"one","state":"on"}"#));
}

#[test]
fn a_wrong_code_page_is_undone_where_nothing_was_lost() {
    let fields = [Field::One("place", Type::Text, false, &[])];
    let step = "  fields: {place: {from: yer, as: text, steps: [{code-page: {written: windows-1254, read: windows-1251}}]}}\n";
    let plan = json(&fields, "", step);
    let read = |text: &str| {
        let reading = read(&plan, 200, format!("{{\"cavab\":{{\"yer\":{}}}}}", serde_json::Value::from(text)).as_bytes());
        reading.map_err(|error| error.rule()).map(|reading| {
            let facts = reading.facts.expect("found");
            let flags: Vec<_> = facts.flags.iter().map(|flag| flag.reason).collect();
            (facts.record.values[0].as_text().expect("a text").to_owned(), flags)
        })
    };
    // All letters that windows-1254 has, as windows-1251 reads their bytes.
    let moved = "зрэцюьЗРЭЦЮЬ";
    assert_eq!(read(moved), Ok(("çğıöşüÇĞİÖŞÜ".to_owned(), vec!["code-page"])));
    assert_eq!(read("Bakэ ю., kьз. 1 «A»"), Ok(("Bakı ş., küç. 1 «A»".to_owned(), vec!["code-page"])));
    // Sound texts stay, and are not flagged.
    for sound in ["Bakı ş., küç. 1 «A»", "Gəncə", "Baki", "No 5 – 7"] {
        assert_eq!(read(sound), Ok((sound.to_owned(), vec![])), "{sound}");
    }
    // What was lost, what is of two kinds, and what was never Azerbaijani.
    for (text, rule) in [("G?nc?", "lost-letter"), ("Gənc\u{fffd}", "lost-letter"), ("Gəncə ю.", "code-page"), ("Петров", "code-page")]
    {
        assert_eq!(read(text), Err(rule), "{text}");
    }
}

#[test]
fn a_unit_beside_a_number_is_applied_whichever_comes_first() {
    let item = vec![Field::One("area_ha", Type::Decimal, true, &[]), Field::One("unit", Type::Text, true, &[])];
    let plan = json(
        &[Field::List("plots", item)],
        "formats: {absent: [\"-\"]}\n",
        "  fields:
    plots:
      each: saheler
      max: 5
      fields:
        area_ha: {from: sahe, as: decimal, optional: true, unit: {by: vahid, factors: {ha: 1, sot: \"0.01\", km2: 100}}}
        unit: {from: vahid, as: text, optional: true}
",
    );
    let area = |item: &str| answer(&plan, &format!("{{\"saheler\":[{item}]}}"));
    let shown = |area: &str, unit: &str| format!("{{\"plots\":[{{\"area_ha\":{area},\"unit\":{unit}}}]}}");
    for (item, area_ha, unit) in [
        (r#"{"sahe":1.25,"vahid":"ha"}"#, "1.25", "\"ha\""),
        (r#"{"vahid":"sot","sahe":12.5}"#, "0.125", "\"sot\""),
        (r#"{"sahe":"125","vahid":" sot "}"#, "1.25", "\"sot\""),
        (r#"{"sahe":0.5,"vahid":"km2"}"#, "50.0", "\"km2\""),
        (r#"{"sahe":-3,"vahid":"sot"}"#, "-0.03", "\"sot\""),
        // Without a number there is nothing that a unit could change.
        (r#"{"sahe":null,"vahid":"x"}"#, "null", "\"x\""),
    ] {
        assert_eq!(area(item).as_deref(), Ok(shown(area_ha, unit).as_str()), "{item}");
    }
    for (item, rule) in [
        (r#"{"sahe":1,"vahid":"desyatin"}"#, "unknown-unit"),
        (r#"{"sahe":1,"vahid":"-"}"#, "unknown-unit"),
        (r#"{"sahe":1}"#, "unknown-unit"),
        (r#"{"sahe":1,"vahid":1}"#, "wrong-kind"),
        (r#"{"sahe":9999999999999999999999999999999999999,"vahid":"km2"}"#, "wrong-decimal"),
    ] {
        assert!(matches!(area(item), Err((path, found)) if found == rule && path.starts_with("plots[]")), "{item}: {:?}", area(item));
    }
}

#[test]
fn every_type_has_its_form() {
    let fields = [
        Field::One("at", Type::Datetime, false, &[]),
        Field::One("local", Type::Datetime, false, &[]),
        Field::One("about", Type::PartialDate, false, &[]),
        Field::One("rooms", Type::Int, false, &[]),
        Field::One("area_m2", Type::Decimal, false, &[]),
        Field::One("price_qapik", Type::Money, false, &[]),
        Field::One("code", Type::Text, false, &[]),
        Field::One("heated", Type::Bool, false, &[]),
        Field::One("share", Type::Fraction, false, &[]),
        Field::One("left_on", Type::Date, false, &[]),
    ];
    let plan = json(
        &fields,
        "formats: {decimal: {point: \",\", group: \" \"}, partial-date: [dd.MM.yyyy, MM.yyyy, yyyy], absent: [\"-\"]}\ntables: {b: {to: bool, rows: {B: true, X: false}}}\n",
        "  fields:
    at: {from: a, as: datetime}
    local: {from: l, as: datetime, format: \"dd.MM.yyyy HH:mm\"}
    about: {from: p, as: partial-date}
    rooms: {from: r, as: int}
    area_m2: {from: m, as: decimal}
    price_qapik: {from: q, as: money}
    code: {from: c, as: text, steps: [lower, upper, {pad: {to: 6, with: \"0\"}}]}
    heated: {from: h, as: bool, table: b}
    share: {from: s, as: fraction}
    left_on: {from: d, as: date, steps: [baku-day]}
",
    );
    let body = |change: &str| {
        let body = r#"{"a":"2026-03-11T20:30:00Z","l":"12.07.2015 10:00","p":"05.1931","r":"1 200","m":"0045,50","q":"45 000,00","c":"iı7","h":"B","s":" 2/4 ","d":"2025-08-03T21:30:00Z"}"#;
        let (old, new) = change.split_once(" => ").expect("a change");
        body.replace(old, new)
    };
    // Summer time was kept until 2015: +05:00.
    let expected = r#"{"at":"2026-03-12T00:30:00+04:00","local":"2015-07-12T10:00:00+05:00","about":"1931-05","rooms":1200,"area_m2":45.50,"price_qapik":4500000,"code":"000İI7","heated":true,"share":"2/4","left_on":"2025-08-04"}"#;
    assert_eq!(answer(&plan, &body(" => ")).as_deref(), Ok(expected));
    for (change, path, rule) in [
        ("20:30:00Z => 20:30:00", "at", "wrong-datetime"),
        ("20:30:00Z => 20:30:00Z[Asia/Baku]", "at", "wrong-datetime"),
        // The clocks went from 04:00 to 05:00, and back from 05:00 to 04:00.
        ("12.07.2015 10:00 => 29.03.2015 04:30", "local", "wrong-datetime"),
        ("12.07.2015 10:00 => 25.10.2015 04:30", "local", "wrong-datetime"),
        ("05.1931 => 5.1931", "about", "wrong-date"),
        ("1 200 => 1,5", "rooms", "wrong-int"),
        ("0045,50 => 45.50", "area_m2", "wrong-decimal"),
        ("45 000,00 => 45 000,001", "price_qapik", "wrong-money"),
        ("\"h\":\"B\" => \"h\":\"-\"", "heated", "absent-value"),
        ("2/4 => 5/4", "share", "wrong-fraction"),
        ("\" 2/4 \" => 0.5", "share", "wrong-kind"),
        ("21:30:00Z => 21:30:00", "left_on", "wrong-datetime"),
        ("2025-08-03T21:30:00Z => 2025-08-03", "left_on", "wrong-datetime"),
        ("\"d\":\"2025-08-03T21:30:00Z\" => \"d\":20250803", "left_on", "wrong-kind"),
        ("2/4 => -", "share", "absent-value"),
    ] {
        assert_eq!(answer(&plan, &body(change)), Err((path.to_owned(), rule)), "{change}");
    }
}

#[test]
fn a_missing_part_decides_only_in_a_whole_answer() {
    let rules = "  outcome:
    - {when: {status: 503}, is: UNAVAILABLE}
    - {when: {equals: {hal: REDD}}, is: DENIED}
    - {when: {equals: {hal: 7}}, is: NOT_HELD_ELECTRONICALLY}
    - {when: {exists: sorgu, missing: cavab}, is: NOT_FOUND}
    - {when: {exists: cavab}, is: FOUND}
  at: cavab
  fields: {name: {from: ad, as: text}}
";
    let head = "wire: {protocol: rest-json}\nrequest: {method: GET, path: [x], query: [{to: fin, value: subject.fin}]}\n";
    let plan = compile(&contract(&[Field::One("name", Type::Text, false, &[])], &[]), head, rules).expect("a sound mapping");
    let outcome = |status, body: &[u8]| read(&plan, status, body).map(|reading| reading.outcome).map_err(|error| error.rule());
    assert_eq!(outcome(200, br#"{"sorgu":1}"#), Ok(Outcome::NotFound));
    assert_eq!(outcome(404, br#"{"sorgu":1}"#), Ok(Outcome::NotFound));
    assert_eq!(outcome(200, br#"{"cavab":{"ad":"A"}}"#), Ok(Outcome::Found));
    assert_eq!(outcome(200, br#"{"hal":" REDD "}"#), Ok(Outcome::Denied));
    assert_eq!(outcome(200, br#"{"hal":7}"#), Ok(Outcome::NotHeldElectronically));
    assert_eq!(outcome(200, br#"{"sorgu":1,"cavab":{"ad":"A"}}"#), Ok(Outcome::Found));
    assert_eq!(outcome(200, b"{}"), Err("no-outcome-rule"), "an object without anything known is not absence");
    assert_eq!(outcome(404, br#"{"message":"no Route matched"}"#), Err("no-outcome-rule"), "nor is a gateway's own error");
    assert_eq!(outcome(200, b""), Err("no-outcome-rule"), "nothing said is not absence");
    assert_eq!(outcome(200, b"{\"hal\":"), Err("cut-off"), "half an answer is not absence");
}

const SOAP_HEAD: &str = "wire: {protocol: soap11, ns: {a: \"urn:a\"}}\nrequest: {root: a:S, put: [{to: a:F, value: subject.fin}]}\n";

#[test]
fn fault_codes_are_qualified_names_with_finer_ones_below() {
    let rules = "  outcome:
    - {when: {fault: a:Yoxdur}, is: NOT_FOUND}
    - {when: {fault: Client.AccessDenied}, is: DENIED}
    - {when: {fault: any}, is: UNAVAILABLE}
    - {when: {exists: a:C}, is: FOUND}
  at: a:C
  fields: {name: {from: a:Ad, as: text}}
";
    let plan = compile(&contract(&[Field::One("name", Type::Text, false, &[])], &[]), SOAP_HEAD, rules).expect("a sound mapping");
    let outcome = |code: &str| {
        let body = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:z=\"urn:a\" xmlns:b=\"urn:b\"><s:Body><s:Fault>\
             <faultcode>{code}</faultcode><faultstring>Yoxdur</faultstring><detail><faultcode>z:Yoxdur</faultcode></detail></s:Fault></s:Body></s:Envelope>"
        );
        read(&plan, 500, body.as_bytes()).map(|reading| reading.outcome)
    };
    for (code, expected) in [
        ("z:Yoxdur", Outcome::NotFound),
        (" z:Yoxdur.Arxivde ", Outcome::NotFound),
        ("z:Yoxdurmu", Outcome::Unavailable),
        ("b:Yoxdur", Outcome::Unavailable),
        ("unknown:Yoxdur", Outcome::Unavailable),
        ("Yoxdur", Outcome::Unavailable),
        ("Client.AccessDenied", Outcome::Denied),
        ("s:Client.AccessDenied.x", Outcome::Denied),
        ("b:Client.AccessDenied", Outcome::Unavailable),
        ("s:Client", Outcome::Unavailable),
        ("", Outcome::Unavailable),
        ("<x>z:Yoxdur</x>", Outcome::Unavailable),
    ] {
        assert_eq!(outcome(code), Ok(expected), "{code}");
    }
}

#[test]
fn questions_are_typed_writes() {
    let inputs =
        [("since", Type::Date, true), ("limit_qapik", Type::Money, false), ("open", Type::Bool, false), ("size", Type::Decimal, false)];
    let service = contract(&[Field::One("name", Type::Text, false, &[])], &inputs);
    let fields = "  fields: {name: {from: ad, as: text}}\n";
    let puts = |path: [&str; 5]| {
        format!(
            "[{{to: {}, value: {{const: \"<&>\"}}}}, {{to: {}, value: subject.fin}}, {{to: {}, value: input.since, as: date}}, \
             {{to: {}, value: input.limit_qapik, if: present}}, {{to: {}, value: input.open, if: present}}, {{to: {}, value: input.size, if: present}}]",
            path[0],
            path[1],
            path[2],
            path[3],
            path[4],
            if path[0].starts_with("a:") { "a:Hecm/a:Deyer" } else { "hecm/deyer" }
        )
    };
    let head = format!(
        "wire: {{protocol: rest-json}}\nformats: {{date: dd.MM.yyyy}}\nrequest: {{method: POST, path: [x y], put: {}}}\n",
        puts(["kim/nov", "kim/fin", "tarix", "hedd", "aciq"])
    );
    let rest = compile(&service, &head, &format!("{RULES}{fields}")).expect("a sound mapping");
    let all: Inputs = [
        ("since", Value::Text("2026-03-11".into())),
        ("limit_qapik", Value::Int(-1_205)),
        ("open", Value::Bool(true)),
        ("size", Value::Decimal(Decimal::new("12345678901234567890.10").expect("digits"))),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect();
    let few: Inputs = [("since".into(), Value::Text("2026-03-11".into()))].into();
    let subject = Subject::Fin("5K7QX2O".to_owned());
    let body = |plan: &Plan, inputs: &Inputs| match plan.write(&asked(Some(&subject), inputs)).expect("a question") {
        WireQuestion::Soap { body, .. } => String::from_utf8(body).expect("UTF-8"),
        WireQuestion::Rest { method, path_and_query, body } => {
            format!("{method} {path_and_query} {}", String::from_utf8(body.expect("a body")).expect("UTF-8"))
        }
        WireQuestion::LookUp { .. } => panic!("a look-up has no body"),
    };
    assert_eq!(
        body(&rest, &all),
        r#"POST /x%20y {"kim":{"nov":"<&>","fin":"5K7QX2O"},"tarix":"11.03.2026","hedd":-12.05,"aciq":true,"hecm":{"deyer":12345678901234567890.10}}"#
    );
    assert_eq!(body(&rest, &few), r#"POST /x%20y {"kim":{"nov":"<&>","fin":"5K7QX2O"},"tarix":"11.03.2026"}"#);

    let rules = "  outcome:
    - {when: {fault: any}, is: UNAVAILABLE}
    - {when: {empty: a:C}, is: NOT_FOUND}
    - {when: {exists: a:C/a:Ad}, is: FOUND}
  at: a:C
  fields: {name: {from: a:Ad, as: text}}
";
    let head = format!(
        "wire: {{protocol: soap12, ns: {{a: \"urn:a&b\", b: \"urn:unused\"}}}}\nformats: {{date: yyyyMMdd, decimal: {{point: \",\"}}, money: qapik}}\nrequest: {{root: a:S, put: {}}}\n",
        puts(["a:Kim/a:Nov", "a:Kim/a:FIN", "Tarix", "a:Hedd", "a:Aciq"])
    );
    let soap = compile(&service, &head, rules).expect("a sound mapping");
    assert_eq!(
        body(&soap, &all),
        "<a:S xmlns:a=\"urn:a&amp;b\"><a:Kim><a:Nov>&lt;&amp;&gt;</a:Nov><a:FIN>5K7QX2O</a:FIN></a:Kim><Tarix>20260311</Tarix><a:Hedd>-1205</a:Hedd>\
         <a:Aciq>true</a:Aciq><a:Hecm><a:Deyer>12345678901234567890,10</a:Deyer></a:Hecm></a:S>"
    );
    assert_eq!(
        body(&soap, &few),
        "<a:S xmlns:a=\"urn:a&amp;b\"><a:Kim><a:Nov>&lt;&amp;&gt;</a:Nov><a:FIN>5K7QX2O</a:FIN></a:Kim><Tarix>20260311</Tarix></a:S>"
    );
    assert_eq!(format!("{:?}", soap.write(&asked(Some(&subject), &few)).expect("a question")), "Soap(…)");
}

/// Acts with the persons in them, each with lists of its own, in both syntaxes.
pub(super) fn acts() -> (Plan, Plan) {
    let persons = vec![Field::One("fin", Type::Fin, true, &[]), Field::One("role", Type::Code, false, &["father", "child"])];
    let act = vec![
        Field::One("act_no", Type::Text, false, &[]),
        Field::List("persons", persons),
        Field::One("person_count", Type::Int, false, &[]),
        Field::Plain("notes", Type::Text),
    ];
    let service = contract(&[Field::One("fin", Type::Fin, false, &[]), Field::List("acts", act)], &[]);
    let tables = "tables: {rol: {to: code, rows: {ATA: father, USAQ: child}}}\n";
    let fields = "  fields:
    fin: {from: a:FIN, as: text}
    acts:
      each: a:Aktlar/a:Akt
      max: 3
      where: {a:Hal: \"1\"}
      fields:
        act_no: {from: a:No, as: text}
        persons:
          each: a:Sexsler/a:Sexs
          max: 2
          ignore: [a:Milliyyet]
          fields: {fin: {from: a:FIN, as: text, optional: true}, role: {from: a:Rol, as: code, table: rol}}
        person_count: {count: a:Sexsler/a:Sexs, as: int}
        notes: {each: a:Qeyd, max: 2, as: text}
";
    let rules = "  outcome:
    - {when: {status: 5xx}, is: UNAVAILABLE}
    - {when: {exists: a:C/a:Tapilmadi}, is: NOT_FOUND}
    - {when: {exists: a:C/a:FIN}, is: FOUND}
  at: a:C
";
    let xml = compile(&service, &SOAP_HEAD.replace("request:", &format!("{tables}request:")), &format!("{rules}{fields}"));
    let head =
        format!("wire: {{protocol: rest-json}}\n{tables}request: {{method: GET, path: [x], query: [{{to: fin, value: subject.fin}}]}}\n");
    let json = compile(&service, &head, &format!("{rules}{fields}").replace("a:", ""));
    (xml.expect("a sound mapping"), json.expect("a sound mapping"))
}

fn soap11(inside: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><C xmlns=\"urn:a\">{inside}</C></s:Body></s:Envelope>"
    )
}

#[test]
fn lists_lie_inside_lists() {
    let (xml, json) = acts();
    let persons = "<Sexs><FIN>5K7QX2O</FIN><Rol>ATA</Rol><Milliyyet>x</Milliyyet></Sexs>";
    let body = soap11(&format!(
        "<FIN>8B2HN6O</FIN><Aktlar><Akt><No>1</No><Hal>1</Hal><Sexsler>{persons}<Sexs><Rol>USAQ</Rol></Sexs></Sexsler><Qeyd>a</Qeyd></Akt>\
         <Akt><Sexsler><Sexs><Rol>BABA</Rol></Sexs></Sexsler><Hal>3</Hal></Akt><Akt><Hal>1</Hal><Sexsler/><No>2</No></Akt></Aktlar>"
    ));
    let expected = "{\"fin\":\"8B2HN6O\",\"acts\":[{\"act_no\":\"1\",\"persons\":[{\"fin\":\"5K7QX2O\",\"role\":\"father\"},{\"fin\":null,\"role\":\"child\"}],\
        \"person_count\":2,\"notes\":[\"a\"]},{\"act_no\":\"2\",\"persons\":[],\"person_count\":0,\"notes\":[]}]}";
    let reading = read(&xml, 200, body.as_bytes());
    assert_eq!(reading.as_ref().map(|reading| reading.undeclared.count), Ok(0), "what is ignored in an inner item is declared");
    assert_eq!(shown(reading).as_deref(), Ok(expected));
    let body = r#"{"C":{"FIN":"8B2HN6O","Aktlar":[{"Akt":[{"No":"1","Hal":1,"Sexsler":{"Sexs":[{"FIN":"5K7QX2O","Rol":"ATA","Milliyyet":"x"},{"Rol":"USAQ","FIN":null}]},"Qeyd":["a"]},
        {"Hal":"3","Sexsler":{"Sexs":{"Rol":"BABA"}}}]},{"Akt":{"Hal":"1","No":"2","Sexsler":{"Sexs":[]}}}]}}"#;
    assert_eq!(shown(read(&json, 200, body.as_bytes())).as_deref(), Ok(expected));
}

#[test]
fn an_inner_list_breaks_by_its_own_rules() {
    let (xml, json) = acts();
    let check = |act: &str, path: &str, rule: &'static str| {
        let body = soap11(&format!("<FIN>8B2HN6O</FIN><Aktlar><Akt><No>1</No><Hal>1</Hal>{act}</Akt></Aktlar>"));
        assert_eq!(shown(read(&xml, 200, body.as_bytes())), Err((path.to_owned(), rule)), "{act}");
    };
    let person = "<Sexs><Rol>ATA</Rol></Sexs>";
    check(&format!("<Sexsler>{person}{person}{person}</Sexsler>"), "acts[].persons[]", "too-many-items");
    // Two parents of the same name are one list: its bound is the act's.
    check(&format!("<Sexsler>{person}{person}</Sexsler><Sexsler>{person}</Sexsler>"), "acts[].persons[]", "too-many-items");
    check("<Sexsler><Sexs/></Sexsler>", "acts[].persons[].role", "missing-value");
    check("<Sexsler><Sexs><Rol>BABA</Rol></Sexs></Sexsler>", "acts[].persons[].role", "unmapped-code");
    check("<Sexsler><Sexs><Rol>ATA</Rol><Rol>ATA</Rol></Sexs></Sexsler>", "acts[].persons[].role", "repeated-value");
    check("<Sexsler><Sexs><FIN>5K7QX21</FIN><Rol>ATA</Rol></Sexs></Sexsler>", "acts[].persons[].fin", "wrong-fin");
    check("<Qeyd>a</Qeyd><Qeyd>b</Qeyd><Qeyd>c</Qeyd>", "acts[].notes[]", "too-many-items");
    // A bound counts within one item, not over the whole answer.
    let act = format!("<Akt><No>1</No><Hal>1</Hal><Sexsler>{person}{person}</Sexsler></Akt>");
    let body = soap11(&format!("<FIN>8B2HN6O</FIN><Aktlar>{act}{act}{act}</Aktlar>"));
    assert!(shown(read(&xml, 200, body.as_bytes())).is_ok());
    let body = soap11(&format!("<FIN>8B2HN6O</FIN><Aktlar>{act}{act}{act}{act}</Aktlar>"));
    assert_eq!(shown(read(&xml, 200, body.as_bytes())), Err(("acts[]".to_owned(), "too-many-items")));
    // Persons outside an act belong to nobody.
    let body = soap11(&format!("<FIN>8B2HN6O</FIN><Aktlar><Sexsler>{person}</Sexsler></Aktlar>"));
    let reading = read(&xml, 200, body.as_bytes()).expect("found");
    assert_eq!((reading.undeclared.count, shown(Ok(reading)).as_deref()), (1, Ok(r#"{"fin":"8B2HN6O","acts":[]}"#)));
    for (act, path) in [
        (r#"{"Sexsler":{"Sexs":[[{"Rol":"ATA"}]]}}"#, "acts[].persons[]"),
        (r#"{"Sexsler":{"Sexs":[null]}}"#, "acts[].persons[]"),
        (r#"{"Sexsler":{"Sexs":["ATA"]}}"#, "acts[].persons[]"),
        (r#"{"Sexsler":{"Sexs":[{"Rol":["ATA"]}]}}"#, "acts[].persons[].role"),
        (r#"{"Qeyd":[["a"]]}"#, "acts[].notes[]"),
    ] {
        let act = act.replacen('{', r#"{"No":"1","Hal":"1","#, 1);
        let body = format!("{{\"C\":{{\"FIN\":\"8B2HN6O\",\"Aktlar\":{{\"Akt\":[{act}]}}}}}}");
        assert_eq!(shown(read(&json, 200, body.as_bytes())), Err((path.to_owned(), "wrong-structure")), "{act}");
    }
}

#[test]
fn an_absence_may_say_less_than_its_contract() {
    let of = |absence: Absence, rules: &str| {
        let mut service = Service::clone(&contract(&[Field::One("name", Type::Text, false, &[])], &[]));
        service.absence = absence;
        let head = "wire: {protocol: rest-json}\nrequest: {method: GET, path: [x], query: [{to: fin, value: subject.fin}]}\n";
        let rules = format!(
            "  outcome:\n    - {{when: {{status: 5xx}}, is: UNAVAILABLE}}\n{rules}    - {{when: {{exists: cavab}}, is: FOUND}}\n  at: cavab\n  fields: {{name: {{from: ad, as: text}}}}\n"
        );
        compile(&Arc::new(service), head, &rules)
    };
    let rules = "    - {when: {equals: {kod: NAMELUM}}, is: NOT_FOUND, absence: unknown}\n    - {when: {exists: yox}, is: NOT_FOUND}\n";
    let absence = |plan: &Plan, status, body: &str| {
        let reading = read(plan, status, body.as_bytes()).expect("a reading");
        (reading.outcome, reading.absence)
    };
    let plan = of(Absence::Fact, rules).expect("a sound mapping");
    assert_eq!(absence(&plan, 404, r#"{"kod":"NAMELUM"}"#), (Outcome::NotFound, Some(Absence::Unknown)));
    assert_eq!(absence(&plan, 200, r#"{"yox":1}"#), (Outcome::NotFound, Some(Absence::Fact)));
    assert_eq!(absence(&plan, 200, r#"{"cavab":{"ad":"A"}}"#), (Outcome::Found, None));
    assert_eq!(absence(&plan, 503, "<html>"), (Outcome::Unavailable, None));
    assert_eq!(plan.rules().iter().map(|rule| rule.absence).collect::<Vec<_>>(), [None, Some(Absence::Unknown), None, None]);
    let plan = of(Absence::Unknown, rules).expect("a sound mapping");
    assert_eq!(absence(&plan, 200, r#"{"yox":1}"#), (Outcome::NotFound, Some(Absence::Unknown)));
    assert!(of(Absence::Fact, &rules.replace("absence: unknown", "absence: fact")).is_ok());
    let loosened = of(Absence::Unknown, &rules.replace("absence: unknown", "absence: fact")).expect_err("a loosened absence");
    assert_eq!(loosened, ["x.yaml:7:64: loosened-absence: to the contract no record proves nothing, accepted: unknown"]);
}

#[test]
fn the_guide_shows_a_sound_mapping() {
    let guide = std::fs::read_to_string(super::root().join("mappings/README.md")).expect("the guide");
    let text = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a mapping");
    let months = vec![
        Field::One("month", Type::Month, false, &[]),
        Field::One("charged_qapik", Type::Money, false, &[]),
        Field::One("estimated", Type::Bool, false, &[]),
    ];
    let fields = [Field::One("subscriber_code", Type::Text, false, &[]), Field::List("months", months)];
    let mut service = Service::clone(&contract(&fields, &[("month_from", Type::Month, true)]));
    service.id = model::ServiceId::new("azersu/consumption").expect("a service");
    let document = Document::parse(Path::new("x.yaml"), &text.replace("max: 12", "max: 5")).expect("YAML");
    let mut problems = Problems::default();
    let plan = mapping::compile(&document, &Arc::new(service), &mut problems);
    assert_eq!(lines(problems), Vec::<String>::new());
    let body = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><SuSerfiyyatiCavabi xmlns=\"urn:azersu:abonent\"><Abonent>\
        <AbonentKodu>TEST-SU-000222</AbonentKodu><Ad>Sınaqlı</Ad><Aylar><AyMelumati><Ay>12/2025</Ay><Mebleg>1 007,98</Mebleg><OrtaHesab>B</OrtaHesab>\
        </AyMelumati></Aylar></Abonent></SuSerfiyyatiCavabi></s:Body></s:Envelope>";
    let expected = r#"{"subscriber_code":"TEST-SU-000222","months":[{"month":"2025-12","charged_qapik":100798,"estimated":true}]}"#;
    assert_eq!(shown(read(&plan.expect("a plan"), 200, body.as_bytes())).as_deref(), Ok(expected));
}
