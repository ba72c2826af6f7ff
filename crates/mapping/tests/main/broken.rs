//! Broken mappings: every problem of a file at once, each at its place, each with what is accepted.

use std::collections::BTreeSet;
use std::path::Path;

use mapping::check_examples;
use model::Problems;
use model::document::Document;

use super::{file, lines, service};

const PERSON: &str = "interior/person-identity";
const INCOME: &str = "taxes/person-income";
const SUBSCRIBER: &str = "azerishiq/subscriber";
const CONSUMPTION: &str = "azerishiq/consumption";
const FARM: &str = "agriculture/farm-support";
const STATUS: &str = "refugee-committee/status";
const GAS: &str = "azeriqaz/consumption";
const TERRITORY: &str = "statistics/territory-classifier";

/// The problems of a shipped mapping after a change to its text: rule, message, and what stands at the place, which
/// unlike a line's number stays the same while the files grow.
fn problems(id: &str, changes: &[(&str, &str)]) -> Vec<String> {
    let mut text = std::fs::read_to_string(file(id)).expect("the file");
    for (old, new) in changes {
        assert!(text.contains(old), "{id} has no `{old}`");
        text = text.replacen(old, new, 1);
    }
    let mut problems = Problems::default();
    match Document::parse(&file(id), &text) {
        Ok(document) => {
            if let Some(plan) = mapping::compile(&document, &service(id), &mut problems) {
                assert!(problems.is_empty(), "a plan in spite of problems");
                check_examples(&document, &plan, &mut problems);
            }
        }
        Err(problem) => problems.push(problem),
    }
    let at = |line: &str, column: &str| {
        let line: usize = line.parse().expect("a line");
        let column: usize = column.parse().expect("a column");
        let rest: String = text.lines().nth(line - 1).expect("a line of the file").chars().skip(column - 1).take(40).collect();
        rest.trim_end().to_owned()
    };
    let shown = |line: &String| {
        let (_, rest) = line.split_once(".yaml:").expect("a file");
        let parts: Vec<_> = rest.splitn(3, ':').collect();
        let [line, column, message] = parts.as_slice() else { panic!("{rest}") };
        format!("{}\n    at `{}`", message.trim_start(), at(line, column))
    };
    lines(problems).iter().map(shown).collect()
}

/// Changes to a shipped mapping, and the rules they break; the whole messages are in the snapshot.
struct Case(&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Files.
    Case(SUBSCRIBER, &[("{protocol: rest-json}", "{protocol: files}")],
        &["missing-key", "wrong-protocol", "unsent-input", "unsent-input", "unknown-column", "unused-key", "unused-key", "unused-key"]),
    Case(SUBSCRIBER, &[("{protocol: rest-json}", "{protocol: rest-json, file: {name: \"A_{yyyyMM}.csv\", columns: [A], keys: [[A]], identity: [A]}}")],
        &["unused-key"]),
    Case(GAS, &[("keys: [[FIN], [ABONENT]]", "keys: [[FIN], [ABONENTT]]")],
        &["unknown-column", "unsent-input", "unknown-column"]),
    Case(GAS, &[("identity: [ABONENT, AY]", "identity: []")],
        &["too-few"]),
    Case(GAS, &[("QAZ_HESABLAMA_{yyyyMMdd}.csv", "QAZ_HESABLAMA.csv")],
        &["wrong-value"]),
    Case(GAS, &[("QAZ_HESABLAMA_{yyyyMMdd}.csv", "../QAZ_{yyyyMMdd}.csv")],
        &["wrong-value"]),
    Case(GAS, &[("cells: [rows, period, base]", "cells: [period, base]")],
        &["wrong-value"]),
    Case(GAS, &[("cells: [rows, period, base]", "cells: [rows, total, period, base]")],
        &["wrong-value"]),
    Case(GAS, &[("- {to: FIN, value: subject.fin, unless: input.subscriber_code}", "- {to: AY, value: subject.fin, unless: input.subscriber_code}")],
        &["unsent-input", "unknown-column"]),
    Case(TERRITORY, &[("keys: [[VERSIYA, KOD]]", "keys: [[VERSIYA], [KOD]]")],
        &["unknown-column"]),
    Case(TERRITORY, &[("identity: [VERSIYA, KOD]", "identity: [KOD]")],
        &["wrong-value"]),
    Case(TERRITORY, &[("parts: [IEBT.csv]", "parts: [SHA256SUMS]")],
        &["wrong-value"]),
    // The head.
    Case(PERSON, &[("mapping: interior/person-identity@1.0.0", "mapping: interior/person-identity@1.0.1")],
        &["wrong-service"]),
    Case(PERSON, &[("  service: {code: SexsMelumatiSorgusu, version: v2}\n", "")],
        &["missing-key"]),
    Case(PERSON, &[("code: SexsMelumatiSorgusu, version", "code: \"a/b\", version")],
        &["wrong-value"]),
    Case(SUBSCRIBER, &[("{protocol: rest-json}", "{protocol: rest-json, action: \"urn:x\"}")],
        &["unused-key"]),
    Case(INCOME, &[("ns: {t: \"urn:vergiler:gelir:v1\"}", "ns: {t: \"urn:vergiler:gelir:v1\", u: \"urn:vergiler:gelir:v1\"}")],
        &["doubled-namespace"]),
    Case(INCOME, &[("protocol: soap12", "protocol: soap13")],
        &["unknown-word"]),
    // Formats and tables.
    Case(INCOME, &[("{month: MM.yyyy}", "{month: mm.yyyy}")],
        &["wrong-format"]),
    Case(INCOME, &[("{month: MM.yyyy}", "{month: MM.yyyy, decimal: {point: \".\", group: \".\"}}")],
        &["wrong-value"]),
    Case(INCOME, &[("DG: other", "DG: others")],
        &["unreachable-code", "unmapped-code"]),
    Case(INCOME, &[(", DG: other}", "}")],
        &["unreachable-code"]),
    Case(PERSON, &[("rows: {K: male", "rows: {\"-\": male, K: male")],
        &["unreachable-row"]),
    Case(PERSON, &[("rows: {K: male", "rows: {\" K\": male, K: male")],
        &["doubled-row"]),
    Case(PERSON, &[("rows: {K: male", "rows: {K: 1")],
        &["unreachable-code", "wrong-type"]),
    Case(PERSON, &[("rows: {K: male, Q: female}}", "rows: {K: male, Q: female}, unmapped: keep}")],
        &["wrong-unmapped"]),
    Case(PERSON, &[("rows: {K: male, Q: female}}", "rows: {K: male, Q: female}, unmapped: null}")],
        &["wrong-unmapped"]),
    Case(PERSON, &[("tables:\n", "tables:\n  x: {to: bool, rows: {B: true}}\n")],
        &["unused-table"]),
    Case(PERSON, &[("as: code, table: cins", "as: code, table: cinsi")],
        &["unused-table", "unknown-table"]),
    // The request.
    Case(INCOME, &[("    - {to: t:FIN, value: subject.fin}\n", "")],
        &["unsent-input"]),
    Case(INCOME, &[("    - {to: t:AySon, value: input.month_to, as: month}\n", "")],
        &["unsent-input"]),
    Case(INCOME, &[("input.month_to", "input.month_till")],
        &["unsent-input", "unknown-input"]),
    Case(INCOME, &[("value: subject.fin}", "value: subject.tin}")],
        &["unsent-input", "unknown-input"]),
    Case(PERSON, &[("value: subject.fin, if: present", "value: subject.fin")],
        &["not-always-present"]),
    Case(INCOME, &[("value: input.month_to, as: month", "value: input.month_to, as: date")],
        &["wrong-type"]),
    Case(INCOME, &[("to: t:AySon", "to: t:AyEvvel")],
        &["duplicate-path"]),
    Case(INCOME, &[("to: t:AySon", "to: x:AySon")],
        &["unknown-prefix"]),
    Case(SUBSCRIBER, &[("path: [abonent, v1]", "path: [abonent, \"v1?x=1\"]")],
        &["wrong-path"]),
    Case(SUBSCRIBER, &[("  method: GET", "  root: x\n  method: GET")],
        &["unused-key"]),
    Case(INCOME, &[("input.month_to, as: month", "input.month_to, as: month, unless: input.month_from")],
        &["wrong-unless"]),
    Case(INCOME, &[("value: input.month_to, as", "each: input.month_to, as")],
        &["wrong-type"]),
    Case(INCOME, &[("value: input.month_to, as: month", "as: month")],
        &["unsent-input", "missing-key"]),
    Case(INCOME, &[("value: subject.fin", "value: subject.fin, table: gelir-novu")],
        &["wrong-type"]),
    Case(INCOME, &[("value: subject.fin", "value: consent.reference")],
        &["unsent-input", "unknown-input"]),
    Case(SUBSCRIBER, &[("value: subject.fin", "each: subject.fin")],
        &["unsent-input", "unused-key"]),
    Case(SUBSCRIBER, &[("protocol: rest-json", "protocol: xroad-rest")],
        &["missing-key"]),
    Case(SUBSCRIBER, &[("protocol: rest-json", "protocol: xroad-rest, service: {code: abonent, version: v1}")],
        &["unused-key"]),
    // Outcome rules.
    Case(PERSON, &[("d:Tapilmadi}, is: NOT_FOUND", "d:Tapilmadi}, is: NOT_FOUND, absence: fact")],
        &["loosened-absence"]),
    Case(PERSON, &[("{when: {fault: any}, is: UNAVAILABLE", "{when: {fault: any}, is: UNAVAILABLE, absence: unknown")],
        &["unused-key"]),
    Case(INCOME, &[("is: NOT_FOUND, confirmed: true", "is: NOT_FOUND")],
        &["unconfirmed-absence"]),
    Case(INCOME, &[("{empty: t:FizikiSexsGelirleriCavabi/t:Aylar}, is: NOT_FOUND, confirmed: true", "{exists: t:FizikiSexsGelirleriCavabi/t:FIN, missing: t:FizikiSexsGelirleriCavabi/t:Aylar}, is: NOT_FOUND, absence: fact")],
        &["unconfirmed-absence"]),
    Case(INCOME, &[("{fault: t:MelumatYoxdur}, is: NOT_FOUND, absence: unknown", "{fault: t:MelumatYoxdur}, is: NOT_FOUND, confirmed: true")],
        &["unused-key"]),
    Case(INCOME, &[("{status: [5xx, 429]}, is: UNAVAILABLE", "{status: [5xx, 429]}, is: UNAVAILABLE, confirmed: true")],
        &["unused-key"]),
    Case(INCOME, &[("    - {when: {exists: t:FizikiSexsGelirleriCavabi/t:Aylar/t:Ay_Melumati}, is: FOUND}\n", "")],
        &["missing-found-rule"]),
    Case(SUBSCRIBER, &[("empty: abonentler}, is: NOT_FOUND", "empty: abonentler}, is: DENIED")],
        &["missing-absence-rule"]),
    Case(SUBSCRIBER, &[("    - {when: {status: [5xx, 429]}, is: UNAVAILABLE}\n    - {when: {status: 200, exists: xeta}, is: UNAVAILABLE}", "   ")],
        &["missing-unavailable-rule"]),
    Case(INCOME, &[("    - {when: {fault: t:MelumatYoxdur}, is: NOT_FOUND, absence: unknown}\n", "    - {when: {fault: any}, is: UNAVAILABLE}\n"), ("    - {when: {fault: any}, is: UNAVAILABLE}              #", "    - {when: {fault: t:MelumatYoxdur}, is: NOT_FOUND}   #")],
        &["unreachable-rule"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: xeta}, is", "{status: [500, 503]}, is")],
        &["unreachable-rule"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: xeta}, is", "{}, is")],
        &["empty-condition"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: xeta}, is", "{fault: any}, is")],
        &["unused-key"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: xeta}, is", "{scan: pdf, exists: xeta}, is")],
        &["impossible-rule"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: abonentler}, is: FOUND", "{status: 200, scan: pdf}, is: FOUND")],
        &["impossible-rule"]),
    Case(SUBSCRIBER, &[("{status: 200, empty: abonentler}, is: NOT_FOUND", "{status: 200, scan: pdf}, is: NOT_FOUND")],
        &["impossible-rule"]),
    Case(INCOME, &[("{when: {fault: any}, is", "{when: {scan: pdf}, is")],
        &["unused-key"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: xeta}, is", "{status: 6xx}, is")],
        &["wrong-value"]),
    Case(SUBSCRIBER, &[("{status: 200, exists: abonentler}, is: FOUND", "{status: 200}, is: FOUND")],
        &["found-without-record"]),
    Case(SUBSCRIBER, &[("{status: 200, empty: abonentler}, is: NOT_FOUND", "{status: 404}, is: NOT_FOUND")],
        &["absence-by-status-alone"]),
    Case(SUBSCRIBER, &[("{status: 200, empty: abonentler}, is: NOT_FOUND", "{status: 404, missing: abonentler}, is: NOT_HELD_ELECTRONICALLY")],
        &["absence-by-status-alone"]),
    Case(INCOME, &[("{fault: t:MelumatYoxdur}, is", "{status: 404, fault: any}, is")],
        &["absence-by-status-alone"]),
    Case(INCOME, &[("{fault: t:MelumatYoxdur}, is", "{fault: Sender}, is")],
        &["absence-by-status-alone"]),
    Case(INCOME, &[("ns: {t: \"urn:vergiler:gelir:v1\"}", "ns: {t: \"urn:vergiler:gelir:v1\", s: \"http://www.w3.org/2003/05/soap-envelope\"}"), ("{fault: t:MelumatYoxdur}, is", "{fault: s:Receiver}, is")],
        &["absence-by-status-alone"]),
    Case(INCOME, &[("{when: {fault: any}, is", "{when: {fault: any, missing: t:FizikiSexsGelirleriCavabi}, is")],
        &["impossible-rule"]),
    Case(INCOME, &[("empty: t:FizikiSexsGelirleriCavabi/t:Aylar}, is: NOT_FOUND", "empty: t:FizikiSexsGelirleriCavabi/t:Aylar}, is: STALE")],
        &["unknown-word"]),
    // Fields.
    Case(PERSON, &[("    birth_place: {from: d:DogumYeri, as: text}\n", "")],
        &["unmapped-field"]),
    Case(PERSON, &[("    birth_place: ", "    birthplace: ")],
        &["unmapped-field", "undeclared-field"]),
    Case(PERSON, &[("  ignore: [d:Sekil]  ", "  "), ("    birth_place: ", "    photo: {from: d:Sekil, as: text}\n    birth_place: ")],
        &["not-agreed-field"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: d:DogumTarixi, as: text}")],
        &["wrong-type"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: d:DogumTarixi}")],
        &["missing-type"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: d:DogumTarixi, as: date, optional: true}")],
        &["wrong-optional"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: d:DogumTarixi, each: d:X, as: date}")],
        &["wrong-field"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{each: d:DogumTarixi, max: 2, as: date}")],
        &["wrong-type"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: d:DogumTarixi, as: date, max: 2}")],
        &["unused-key"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: \"d:Dogum Tarixi\", as: date}")],
        &["wrong-path"]),
    Case(PERSON, &[("{from: d:DogumTarixi, as: date}", "{from: d:DogumTarixi/d:Gun, as: date}"), ("as: text}\n    citizenship", "as: text}\n    citizenship"), ("{from: d:DogumYeri, as: text}", "{from: d:DogumTarixi, as: text}")],
        &["path-conflict"]),
    Case(PERSON, &[("ignore: [d:Sekil]", "ignore: [d:Sekil, d:Soyad]")],
        &["duplicate-path"]),
    Case(PERSON, &[("ignore: [d:Sekil]", "ignore: [d:Sekil, d:Sekil]")],
        &["duplicate-path"]),
    Case(PERSON, &[("^(.+) (?:oğlu|qızı)$", "^(.+) (oğlu|qızı)$")],
        &["wrong-expression"]),
    Case(PERSON, &[("steps: [collapse]", "steps: [squeeze]")],
        &["wrong-form"]),
    Case(PERSON, &[("steps: [collapse]", "steps: [baku-day]")],
        &["wrong-type"]),
    Case(INCOME, &[("      max: 120\n", "")],
        &["missing-max"]),
    Case(INCOME, &[("max: 120", "max: 121")],
        &["wrong-max"]),
    Case(INCOME, &[("    fin: {from: t:FIN, as: text}", "    fin: {from: t:Aylar/t:Ay_Melumati/t:FIN, as: text}")],
        &["crossed-list"]),
    Case(INCOME, &[("  at: t:FizikiSexsGelirleriCavabi\n", "")],
        &["missing-key"]),
    // Pages, units, code pages.
    Case(FARM, &[("items: beyanlar", "items: siyahi")],
        &["wrong-paging"]),
    Case(FARM, &[("cursor: novbeti", "cursor: davam")],
        &["wrong-paging"]),
    Case(FARM, &[("query: novbeti", "query: il")],
        &["wrong-paging"]),
    Case(FARM, &[("pages_max: 50", "pages_max: 1")],
        &["wrong-paging"]),
    Case(FARM, &[("expired: 410", "expired: 503")],
        &["wrong-paging"]),
    Case(CONSUMPTION, &[("{protocol: rest-json}", "{protocol: rest-json, paging: {items: hesablamalar, cursor: c, query: q, pages_max: 5}}"), ("  method: GET", "  method: POST")],
        &["wrong-paging", "wrong-paging"]),
    Case(FARM, &[("factors: {ha: 1, sot: \"0.01\"}", "factors: {ha: 0, sot: \"-0.01\"}")],
        &["wrong-value", "wrong-value"]),
    Case(FARM, &[("factors: {ha: 1, sot: \"0.01\"}", "factors: {}")],
        &["too-few"]),
    Case(FARM, &[("{from: subsidiya_meblegi, as: money}", "{from: subsidiya_meblegi, as: money, unit: {by: olcu_vahidi, factors: {ha: 1}}}")],
        &["unused-key"]),
    Case(STATUS, &[("read: windows-1251", "read: windows-1254")],
        &["wrong-value"]),
    Case(STATUS, &[("read: windows-1251", "read: koi8-r")],
        &["wrong-form"]),
    // Examples.
    Case(SUBSCRIBER, &[("answer: none.answer.json, expect", "answer: absent.json, expect")],
        &["missing-example"]),
    Case(SUBSCRIBER, &[("answer: none.answer.json, expect", "answer: ../none.answer.json, expect")],
        &["wrong-value"]),
    Case(SUBSCRIBER, &[("saygac_novu, as: code", "tarif_qrupu, as: code")],
        &["example-mismatch", "example-mismatch", "example-mismatch", "example-mismatch", "example-mismatch", "example-mismatch"]),
    Case(SUBSCRIBER, &[("asked: {subject: {fin: 5K7QX2O}}, expect: ok.json", "asked: {subject: {fin: 5K7QX20}}, expect: ok.json")],
        &["wrong-value"]),
    Case(SUBSCRIBER, &[("asked: {subject: {fin: 5K7QX2O}}, expect: ok.json", "asked: {subject: {tin: \"9900001233\"}}, expect: ok.json")],
        &["unknown-input"]),
    Case(SUBSCRIBER, &[("input: {address_code: TEST-ADR-000001}", "input: {address: TEST-ADR-000001}")],
        &["unknown-input"]),
    Case(SUBSCRIBER, &[("input: {address_code: TEST-ADR-000001}", "input: {address_code: 1}")],
        &["wrong-value"]),
    Case(SUBSCRIBER, &[("asked: {subject: {fin: 5K7QX2O}}, expect: ok.json", "asked: {subject: {fin: 3M9RT4O}}, expect: ok.json")],
        &["example-mismatch"]),
    Case(INCOME, &[("asked: {subject: {fin: 9M3RT4O}}, expect: {outcome: INVALID_DATA", "asked: {subject: {fin: 3M9RT4O}}, expect: {outcome: INVALID_DATA")],
        &["example-mismatch"]),
    Case(CONSUMPTION, &[("charged_qapik: {from: hesablanib", "charged_qapik: {from: odenilib")],
        &["example-mismatch", "example-mismatch", "example-mismatch"]),
    Case(CONSUMPTION, &[("  - {answer: none.answer.json, status: 404, expect: {outcome: NOT_FOUND, undeclared: 0}}\n", "")],
        &["rule-without-example"]),
];

#[test]
fn each_problem_has_its_rule_its_place_and_what_is_accepted() {
    let mut report = String::new();
    let mut surprises = Vec::new();
    let mut seen = BTreeSet::new();
    for Case(id, changes, expected) in CASES {
        let found = problems(id, changes);
        let rules: Vec<_> = found.iter().filter_map(|line| line.split(": ").next()).collect();
        if rules != *expected {
            surprises.push(format!("{id} with {changes:?}: {found:#?} instead of {expected:?}"));
        }
        seen.extend(rules.into_iter().map(str::to_owned));
        let lines: String = found.iter().map(|line| format!("  {line}\n")).collect();
        report.push_str(&format!("{id}\n{lines}"));
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    insta::assert_snapshot!(report);
    // `no-examples` and `ambiguous-code` have tests of their own.
    let untested: Vec<_> = mapping::rule::MAPPING
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !seen.contains(*name) && !matches!(*name, "no-examples" | "ambiguous-code"))
        .collect();
    assert!(untested.is_empty(), "{untested:?}");
    let shared: BTreeSet<&str> = model::rule::ALL.iter().map(|(name, _)| *name).collect();
    let own: BTreeSet<&str> = mapping::rule::MAPPING.iter().map(|(name, _)| *name).collect();
    let unlisted: Vec<_> = seen.iter().filter(|name| !own.contains(name.as_str()) && !shared.contains(name.as_str())).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
}

#[test]
fn all_problems_of_a_file_come_at_once() {
    let found = problems(
        INCOME,
        &[("MM.yyyy", "M.yyyy"), ("value: subject.fin", "value: subject.pin"), ("DG: other", "DG: rest"), ("max: 120", "max: 0")],
    );
    let rules: Vec<_> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(rules, ["wrong-format", "unreachable-code", "unmapped-code", "unsent-input", "unknown-input", "wrong-max"]);
}

#[test]
fn a_mapping_needs_examples() {
    let text = std::fs::read_to_string(file(INCOME)).expect("the file");
    let (before, _) = text.split_once("examples:").expect("examples");
    let mut problems = Problems::default();
    let document = Document::parse(Path::new("x.yaml"), &format!("{before}examples: []\n")).expect("YAML");
    assert!(mapping::compile(&document, &service(INCOME), &mut problems).is_none());
    let place = format!("{}:11", before.lines().count() + 1);
    let message = "no-examples: a mapping without examples, accepted: an answer for every outcome rule";
    assert_eq!(lines(problems), [format!("x.yaml:{place}: {message}")]);
}

#[test]
fn the_committed_schema_is_current() {
    let (name, schema) = mapping::schema();
    let path = super::root().join("contracts/schema").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).expect("a written schema");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "{name} is not current: run UPDATE_SCHEMAS=1 cargo nextest run -p mapping schema");
}

#[test]
fn the_guide_lists_every_rule() {
    let guide = std::fs::read_to_string(super::root().join("docs/guide/check.md")).expect("the guide");
    let own = guide.split("<!-- mapping rules -->").nth(1).unwrap_or_default();
    let own = own.split("<!-- configuration rules -->").next().unwrap_or_default();
    let listed = |own: &str| own.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect::<Vec<_>>();
    let rules = mapping::rule::MAPPING.iter().chain(mapping::rule::ANSWER);
    let rows: Vec<String> = rules.map(|(name, meaning)| format!("| `{name}` | {meaning} |")).collect();
    assert_eq!(listed(own), rows, "the part of docs/guide/check.md between the marks");
}
