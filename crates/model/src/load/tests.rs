//! Every check by an example: a small set of contracts, changed in one place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::contract::{
    AnswerField, Condition as DossierCondition, ConditionOf, Confirm, Confirmed, FieldKind, InputSource, PersonRole, Quota, SubjectPart,
    Test,
};
use crate::instances::Routed;
use crate::predicate::Condition;

/// Contracts with one of everything, which change only with these tests.
fn contracts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contracts")
}

fn today() -> Date {
    jiff::civil::date(2026, 3, 12)
}

fn sound() -> Snapshot {
    loaded(&contracts())
}

fn loaded(folder: &Path) -> Snapshot {
    let mut problems = Problems::default();
    let snapshot = load(folder, today(), &mut problems);
    let found: Vec<_> = problems.into_sorted().iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    snapshot
}

fn service<'a>(snapshot: &'a Snapshot, id: &str) -> &'a crate::Service {
    &snapshot.services[&ServiceId::new(id).expect("valid")]
}

#[test]
fn the_repository_s_contracts_are_sound() {
    let snapshot = loaded(&repository().join("contracts"));
    assert!(snapshot.broken.is_empty() && !snapshot.services.is_empty() && !snapshot.dossiers.is_empty() && !snapshot.purposes.is_empty());
}

#[test]
fn the_examples_are_sound() {
    let snapshot = sound();
    assert_eq!(snapshot.services.len(), 8);
    assert_eq!((snapshot.consumers.len(), snapshot.dossiers.len()), (4, 1));
}

#[test]
fn the_inputs_say_which_body_is_asked() {
    let snapshot = loaded(&repository().join("contracts"));
    let inputs = |name: &str, key: &str| vec![(Box::from(name), crate::Value::Text(key.into()))];
    let family = service(&snapshot, "local-executive/family-composition");
    assert_eq!(family.routed(&inputs("territory_code", "99000001")), Routed::To("99000001"));
    assert_eq!(family.routed(&inputs("territory_code", "99000006")), Routed::NotConnected("99000006"));
    for nobody in [inputs("territory_code", "99000007"), inputs("territory", "99000001"), Vec::new()] {
        assert_eq!(family.routed(&nobody), Routed::Unknown, "{nobody:?}");
    }
    let loans = service(&snapshot, "credit-bureau/obligations-summary");
    assert_eq!((loans.routed(&[]), loans.routed(&inputs("bureau", "second"))), (Routed::To("first"), Routed::To("second")));
    assert_eq!(service(&snapshot, "interior/person-identity").routed(&inputs("bureau", "second")), Routed::Itself);
    // A dossier's own input that leads there is held to the same keys.
    let dossier = snapshot.dossiers.values().next().expect("a dossier");
    let own = dossier.inputs.iter().find(|input| &*input.name == "territory_code").expect("an input");
    assert_eq!(own.instances.as_deref(), family.instances());
}

#[test]
fn leaves_are_counted_in_the_order_of_the_answer() {
    let snapshot = sound();
    let service = &snapshot.services[&ServiceId::new("azerishiq/consumption").expect("valid")];
    let paths: Vec<_> = service.leaves.iter().map(|leaf| &*leaf.path).collect();
    let months = ["months[].month", "months[].quantity_kwh", "months[].charged_qapik", "months[].paid_qapik", "months[].estimated"];
    assert_eq!(paths[..5], months);
    assert_eq!(paths[5..], ["balance_qapik"]);
    let list = &service.shape.fields[0];
    assert_eq!((&*list.name, &*list.path, list.index), ("months", "months[]", 0));
    assert_eq!(list.leaves.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let FieldKind::List { max: 12, shape } = &list.kind else { panic!("{list:?}") };
    assert_eq!(shape.fields[1].unit.as_deref(), Some("kWh"));
    assert_eq!(service.leaf("balance_qapik"), Some(5));
    for path in ["months", "months[]"] {
        assert_eq!(service.fields_under(path), list.leaves, "{path}");
    }
    assert!(service.fields_under("month").is_empty());
}

#[test]
fn an_element_knows_all_that_it_needs() {
    let snapshot = sound();
    let dossier = snapshot.dossiers.values().next().expect("one");
    let element = |name: &str| dossier.elements.iter().find(|element| &*element.name == name).expect(name);
    let consumption = element("electricity-consumption");
    assert_eq!(consumption.after, [6]);
    assert_eq!(consumption.inputs[0].1, InputSource::Answer(AnswerField { element: 6, field: "subscriber_code".into() }));
    assert_eq!(consumption.inputs[1].1, InputSource::MonthsAgo(12));
    assert_eq!(consumption.once_per, Some(AnswerField { element: 6, field: "address_text".into() }));
    assert_eq!((dossier.retry_every.as_secs(), element("identity").stops), (10, true));

    let acts = element("civil-acts");
    let status = ConditionOf::Answer(AnswerField { element: 1, field: "document_status".into() });
    assert_eq!(acts.when, [DossierCondition { of: status, test: Test::Is(vec!["valid".into(), "expired".into()]) }]);
    assert_eq!(acts.after, [1]);
    assert_eq!(acts.inputs[0].1, InputSource::Codes(vec!["birth".into(), "marriage".into()]));
    assert_eq!(element("income").when[0].test, Test::Years { at_least: Some(18), below: None });
    let given = DossierCondition { of: ConditionOf::Input("territory_code".into()), test: Test::Given };
    assert_eq!(element("transactions").when, [given]);

    let members = element("application").members.as_ref().expect("members");
    assert_eq!((&*members.list, &*members.fin, &*members.relation), ("members", "fin", "relation"));
    assert_eq!(members.roles[2], ("parent".into(), PersonRole::Adult));
    assert_eq!(members.until.as_deref(), Some("valid_until"));
}

#[test]
fn a_service_knows_what_its_answers_repeat() {
    let snapshot = sound();
    let rule = |field: &str, with, unless: Option<&str>| Confirm { field: field.into(), with, unless: unless.map(Box::from) };
    let subscriber = service(&snapshot, "azerishiq/subscriber");
    assert_eq!(subscriber.confirms, [rule("holder_fin", Confirmed::Subject(SubjectPart::Fin), Some("address_code"))]);
    let application = service(&snapshot, "justice/notarial-application");
    let expected = [
        rule("application_no", Confirmed::Input("application_no".into()), None),
        rule("representative_fin", Confirmed::Subject(SubjectPart::Fin), None),
        rule("member_count", Confirmed::Count("members".into()), None),
    ];
    assert_eq!(application.confirms, expected);
    let loans = service(&snapshot, "credit-bureau/obligations-summary");
    assert!(loans.consent && !application.consent);
    assert_eq!(loans.confirms[0].with, Confirmed::Asked);
    assert_eq!(service(&snapshot, "justice/family-acts").inputs[0].list_max, Some(3));
}

#[test]
fn a_consumer_has_the_quota_of_its_file_or_the_usual_one() {
    let snapshot = sound();
    let quota = |code: &str| snapshot.consumers[&crate::ConsumerId::new(code).expect("valid")].quota;
    assert_eq!(quota("targeted-aid"), Quota { per_second: 50, burst: 100 });
    assert_eq!(quota("sovqat"), Quota { per_second: 200, burst: 400 });
}

// clause: 634/6.2.3
#[test]
fn a_provider_has_the_windows_of_its_file() {
    let copy = Copy::new();
    copy.apply(&planned("on: {days: [20, last], months: [8]}, from: \"18:00\", to: \"02:00\""));
    let (snapshot, problems) = copy.load();
    assert!(problems.is_empty(), "{problems:?}");
    let [window] = &snapshot.providers[&ProviderId::new("taxes").expect("valid")].windows[..] else { panic!("one window") };
    assert_eq!((window.from, window.to, window.effect), (18 * 60, 2 * 60, crate::window::Effect::Down));
    let months = std::array::from_fn(|month| month == 7);
    assert_eq!(window.on, crate::window::Recurs::Monthly { days: vec![20], last: true, months });
    assert!(snapshot.providers[&ProviderId::new("justice").expect("valid")].windows.is_empty());
}

#[test]
fn the_shipped_calendar_covers_the_years_it_says() {
    let mut problems = Problems::default();
    let snapshot = load(&repository().join("contracts"), today(), &mut problems);
    let working = |day: &str| snapshot.calendar.is_working(day.parse().expect("a day"));
    assert_eq!(working("2026-03-20"), Ok(false));
    assert_eq!(working("2026-03-19"), Ok(true));
    for year in 2025..=2027 {
        let first = Date::new(year, 1, 1).expect("a day");
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
        let off = days.filter(|day| snapshot.calendar.is_working(*day) == Ok(false)).count();
        // 104 or 105 days of weekends, and 20 to 24 others.
        assert!((120..=132).contains(&off), "{year}: {off}");
    }
    assert!(working("2028-01-10").is_err());
}

#[test]
fn the_committed_schemas_are_current() {
    let folder = repository().join("contracts/schema");
    for (name, schema) in schemas() {
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is JSON"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::create_dir_all(&folder).expect("the folder of schemas");
            fs::write(folder.join(name), &text).expect("a written schema");
        }
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(committed == text, "{name} is not current: run UPDATE_SCHEMAS=1 cargo test -p model schemas");
    }
}

const DAY_TWICE: &str = "2026:
  - {on: 2026-01-01, name: {az: Yeni il, en: New Year}, basis: law}
  - {on: 2026-01-01, name: {az: Yeni il, en: New Year}, basis: law}
";

/// A copy of the contracts to change.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let copy = tempfile::tempdir().expect("a temporary folder");
        copy_folder(&contracts(), copy.path());
        Self(copy)
    }

    fn apply(&self, edit: &Edit) {
        match *edit {
            Replace(file, from, to) => {
                let path = self.0.path().join(file);
                let text = fs::read_to_string(&path).expect(file);
                assert!(text.contains(from), "{file} has no {from:?}");
                fs::write(path, text.replacen(from, to, 1)).expect(file);
            }
            Write(file, text) => {
                let path = self.0.path().join(file);
                fs::create_dir_all(path.parent().expect("inside a folder")).expect(file);
                fs::write(path, text).expect(file);
            }
            Remove(file) => fs::remove_file(self.0.path().join(file)).expect(file),
        }
    }

    /// The snapshot and the problems, with paths from the folder on.
    fn load(&self) -> (Snapshot, Vec<(&'static str, String)>) {
        let mut problems = Problems::default();
        let snapshot = load(self.0.path(), today(), &mut problems);
        let root = format!("{}/", self.0.path().display());
        let shown = |problem: &crate::Problem| (problem.rule, problem.to_string().replace(&root, ""));
        (snapshot, problems.into_sorted().iter().map(shown).collect())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copied file");
        }
    }
}

enum Edit {
    Replace(&'static str, &'static str, &'static str),
    Write(&'static str, &'static str),
    Remove(&'static str),
}
use Edit::{Remove, Replace, Write};

const IDENTITY: &str = "providers/interior/person-identity@1.0.0.yaml";
const INCOME: &str = "providers/taxes/person-income@1.0.0.yaml";
const SUBSCRIBER: &str = "providers/azerishiq/subscriber@1.0.0.yaml";
const CONSUMPTION: &str = "providers/azerishiq/consumption@1.0.0.yaml";
const TAXES: &str = "providers/taxes/provider.yaml";
const CLAUSE: &str = "clause: \"634/4.1.4\"";
const BUREAUS: &str = "clause: a\ninstances: {by: bureau, form: code, connected: [first]}";
const AID: &str = "consumers/targeted-aid.yaml";
const SOVQAT: &str = "consumers/sovqat.yaml";
const NOTARIAL: &str = "providers/justice/notarial-application@1.0.0.yaml";
const ACTS: &str = "providers/justice/family-acts@1.0.0.yaml";
const DEALS: &str = "providers/property/transactions@1.0.0.yaml";
const LOANS: &str = "providers/credit-bureau/obligations-summary@1.0.0.yaml";
const DOSSIER: &str = "dossiers/adsy-means-test@1.0.0.yaml";
const COMPARISON: &str = "comparisons/income-before-birth.yaml";
const SAME: &str = "comparison: income-before-birth
name: {az: a, en: a}
clause: 634/6.2.1
primary: {service: interior/person-identity, field: birth_date}
other: {service: taxes/person-income, field: \"months[].month\"}
agree: not-after
";
const SUBSCRIBER_V2: &str = "service: azerishiq/subscriber@2.0.0
name: {az: a, en: a}
legal_reference: a
agreement: {number: a, signed_on: 2026-01-15, valid_until: 2028-01-14}
route: {via: ehis}
subject: [fin]
absence: fact
lifetime: 0s
quota: {per_second: 1, burst: 1}
timeout: 1s
retry: never
capture: none
fields: {subscriber_code: {type: text, class: O}}
";

/// What is broken, and the only rule it may break.
fn cases() -> Vec<(&'static str, &'static str, Vec<Edit>)> {
    vec![
        // The form of a file.
        ("unreadable-file", "no register of acts", vec![Remove("acts.yaml")]),
        ("unexpected-file", "a text among the contracts", vec![Write("providers/interior/notes.txt", "x")]),
        ("unexpected-file", "a provider that is a file", vec![Write("providers/border.yaml", "x")]),
        ("unexpected-file", "a folder of another name", vec![Write("consumer/x.yaml", "x")]),
        ("yaml", "a tab", vec![Write("purposes.yaml", "a:\n\t- b\n")]),
        (
            "unknown-key",
            "a field's key",
            vec![Replace(IDENTITY, "surname: {type: text, class: O}", "surname: {type: text, class: O, rows: 1}")],
        ),
        ("missing-key", "a field without a type", vec![Replace(IDENTITY, "surname: {type: text, class: O}", "surname: {class: O}")]),
        ("missing-key", "a field without a class", vec![Replace(IDENTITY, "surname: {type: text, class: O}", "surname: {type: text}")]),
        (
            "missing-key",
            "no agreement",
            vec![Replace(INCOME, "agreement: {number: DVX-MEIS-2026/04, signed_on: 2026-01-15, valid_until: 2028-01-14}\n", "")],
        ),
        ("wrong-type", "a quota in words", vec![Replace(IDENTITY, "per_second: 50", "per_second: fifty")]),
        ("unknown-word", "a type", vec![Replace(IDENTITY, "birth_place: {type: text,", "birth_place: {type: string,")]),
        ("unknown-word", "all, misspelt", vec![Replace(AID, "fields: all", "fields: every")]),
        ("wrong-form", "an input from nowhere", vec![Replace(DOSSIER, "{months_ago: 12}", "{months: 12}")]),
        ("wrong-value", "a window of no month", vec![Replace(INCOME, "months_max: 12", "months_max: 0")]),
        ("too-few", "an element for nobody", vec![Replace(DOSSIER, "for: [applicant, spouse, child]", "for: []")]),
        (
            "wrong-comparison",
            "of a field that is not there",
            vec![Write(COMPARISON, SAME), Replace(COMPARISON, "birth_date}", "birthday}")],
        ),
        (
            "wrong-comparison",
            "of one service with itself",
            vec![
                Write(COMPARISON, SAME),
                Replace(COMPARISON, "taxes/person-income, field: \"months[].month\"", "interior/person-identity, field: birth_date"),
            ],
        ),
        (
            "wrong-comparison",
            "of a day with a month",
            vec![Write(COMPARISON, SAME), Replace(COMPARISON, "agree: not-after", "agree: equal")],
        ),
        (
            "unknown-service",
            "of nobody's service",
            vec![Write(COMPARISON, SAME), Replace(COMPARISON, "taxes/person-income", "taxes/nothing")],
        ),
        (
            "misplaced-key",
            "rows of a record",
            vec![Write(COMPARISON, SAME), Replace(COMPARISON, "birth_date}", "birth_date, where: {sex: [male]}}")],
        ),
        // Single values.
        ("wrong-name", "a version", vec![Replace(IDENTITY, "person-identity@1.0.0", "person-identity@1.0")]),
        ("wrong-name", "a path with an object in it", vec![Replace(IDENTITY, "birth_place:", "birth.place:")]),
        ("wrong-name", "a code of a purpose", vec![Replace("purposes.yaml", "task-control:", "Task_Control:")]),
        ("wrong-name", "a certificate name with a wildcard", vec![Replace(SOVQAT, "[sovqat.meis.test]", "[\"*.meis.test\"]")]),
        ("wrong-date", "a day that does not exist", vec![Replace(IDENTITY, "valid_until: 2028-01-14", "valid_until: 2028-02-30")]),
        (
            "wrong-date",
            "an agreement that ends before it begins",
            vec![Replace(IDENTITY, "valid_until: 2028-01-14", "valid_until: 2025-01-14")],
        ),
        (
            "wrong-date",
            "an act that lapses before it begins",
            vec![Replace("acts.yaml", "in_force_from: 2016-06-23", "in_force_from: 2016-06-23, in_force_until: 2016-06-22")],
        ),
        (
            "wrong-date",
            "a day off in another year",
            vec![Write("calendar.yaml", "2026: [{on: 2025-01-01, name: {az: a, en: b}, basis: law}]\n")],
        ),
        ("wrong-date", "a year that is none", vec![Write("calendar.yaml", "next: []\n")]),
        ("wrong-duration", "a lifetime in weeks", vec![Replace(IDENTITY, "lifetime: 24h", "lifetime: 1w")]),
        ("out-of-bounds", "a timeout beyond a minute", vec![Replace(IDENTITY, "timeout: 5s", "timeout: 90s")]),
        ("out-of-bounds", "no timeout", vec![Replace(IDENTITY, "timeout: 5s", "timeout: 0s")]),
        ("out-of-bounds", "a dossier due before its deadline", vec![Replace(DOSSIER, "due: 15m", "due: 10s")]),
        ("empty-text", "a name", vec![Replace(IDENTITY, "az: Şəxsin kimliyi", "az: \" \"")]),
        ("misplaced-key", "codes of a text", vec![Replace(IDENTITY, "surname: {type: text,", "surname: {type: text, codes: [a],")]),
        (
            "misplaced-key",
            "the class of a list of records",
            vec![Replace(CONSUMPTION, "\"months[]\": {max: 12}", "\"months[]\": {max: 12, class: C}")],
        ),
        ("misplaced-key", "a reason for EHİS", vec![Replace(IDENTITY, "{via: ehis}", "{via: ehis, reason: usual}")]),
        (
            "misplaced-key",
            "the greatest number of one value",
            vec![Replace(IDENTITY, "surname: {type: text,", "surname: {type: text, max: 1,")],
        ),
        ("repeated-word", "a code", vec![Replace(IDENTITY, "codes: [male, female]", "codes: [male, male]")]),
        ("repeated-word", "a day off", vec![Write("calendar.yaml", DAY_TWICE)]),
        ("file-name", "a service in another's folder", vec![Replace(IDENTITY, "service: interior/", "service: taxes/")]),
        ("file-name", "a consumer", vec![Replace(SOVQAT, "consumer: sovqat", "consumer: sovkat")]),
        ("file-name", "a provider", vec![Replace("providers/taxes/provider.yaml", "provider: taxes", "provider: tax")]),
        // Services.
        ("unknown-provider", "services without a provider", vec![Remove("providers/taxes/provider.yaml")]),
        ("duplicate-service", "two versions", vec![Write("providers/azerishiq/subscriber@2.0.0.yaml", SUBSCRIBER_V2)]),
        ("expired-agreement", "one that has ended", vec![Replace(IDENTITY, "valid_until: 2028-01-14", "valid_until: 2026-03-11")]),
        ("expired-agreement", "one that has not begun", vec![Replace(IDENTITY, "signed_on: 2026-01-15", "signed_on: 2026-03-13")]),
        ("direct-without-reason", "a direct route", vec![Replace(IDENTITY, "{via: ehis}", "{via: direct}")]),
        ("capture-without-act", "exact bytes", vec![Replace(IDENTITY, "capture: digest", "capture: exact")]),
        ("money-name", "money by another name", vec![Replace(INCOME, "gross_qapik", "gross")]),
        ("money-name", "a text that looks like money", vec![Replace(IDENTITY, "birth_place:", "birth_place_qapik:")]),
        ("code-without-codes", "a code", vec![Replace(IDENTITY, "codes: [male, female], ", "")]),
        ("list-without-max", "a list", vec![Replace(CONSUMPTION, "\"months[]\": {max: 12}", "\"months[]\": {}")]),
        (
            "undeclared-list",
            "a field of a list that stands below",
            vec![Replace(
                CONSUMPTION,
                "  \"months[]\": {max: 12}\n",
                "  \"days[].day\": {type: date, class: C}\n  \"months[]\": {max: 12}\n",
            )],
        ),
        (
            "empty-list",
            "a list of nothing",
            vec![Replace(CONSUMPTION, "  \"months[]\": {max: 12}\n", "  \"days[]\": {max: 12}\n  \"months[]\": {max: 12}\n")],
        ),
        (
            "duplicate-field",
            "a list and a value of one name",
            vec![Replace(CONSUMPTION, "  balance_qapik:", "  months: {type: int, class: C}\n  balance_qapik:")],
        ),
        ("too-many-fields", "a hundred and thirty fields", vec![Write("providers/taxes/everything@1.0.0.yaml", too_wide())]),
        ("no-agreed-field", "nothing agreed", vec![Write("providers/taxes/nothing@1.0.0.yaml", nothing_agreed())]),
        (
            "wrong-quota-days",
            "days that end before they begin",
            vec![Replace(INCOME, "burst: 60}", "burst: 60, days: [{from: 20, to: 15, per_second: 5, burst: 5}]}")],
        ),
        (
            "wrong-quota-days",
            "a day with two rates",
            vec![Replace(
                INCOME,
                "burst: 60}",
                "burst: 60, days: [{from: 1, to: 5, per_second: 5, burst: 5}, {from: 5, to: 9, per_second: 6, burst: 6}]}",
            )],
        ),
        (
            "wrong-season",
            "a month with two seasons",
            vec![Replace(
                INCOME,
                "lifetime: 6h\n",
                "lifetime: 6h\nseasons: [{months: [8, 9], lifetime: 1h}, {months: [9], lifetime: 2h}]\n",
            )],
        ),
        (
            "wrong-season",
            "a longer lifetime",
            vec![Replace(INCOME, "lifetime: 6h\n", "lifetime: 6h\nseasons: [{months: [8], lifetime: 6h}]\n")],
        ),
        (
            "wrong-season",
            "an absence that proves more",
            vec![Replace(INCOME, "lifetime: 6h\n", "lifetime: 6h\nseasons: [{months: [8], absence: fact}]\n")],
        ),
        ("wrong-season", "a season without a term", vec![Replace(INCOME, "lifetime: 6h\n", "lifetime: 6h\nseasons: [{months: [8]}]\n")]),
        (
            "wrong-range",
            "a bound of a month",
            vec![Replace(INCOME, "month_from: {type: month, need: required}", "month_from: {type: month, need: required, min: 1}")],
        ),
        (
            "wrong-instance-key",
            "a territory of seven digits",
            vec![Replace(TAXES, CLAUSE, "clause: a\ninstances: {by: territory_code, form: territory, connected: [\"9900001\"]}")],
        ),
        (
            "wrong-instance-key",
            "a bureau in capitals",
            vec![Replace(TAXES, CLAUSE, "clause: a\ninstances: {by: bureau, form: code, connected: [First]}")],
        ),
        (
            "wrong-instance-key",
            "a question without a key that would go nowhere",
            vec![Replace(
                TAXES,
                CLAUSE,
                "clause: a\ninstances: {by: bureau, form: code, connected: [first], not_connected: [second], otherwise: second}",
            )],
        ),
        (
            "repeated-word",
            "a territory that is connected and not",
            vec![Replace(
                TAXES,
                CLAUSE,
                "clause: a\ninstances: {by: territory_code, form: territory, connected: [\"99000001\"], not_connected: [\"99000001\"]}",
            )],
        ),
        (
            "wrong-name",
            "an input of another form",
            vec![Replace(TAXES, CLAUSE, "clause: a\ninstances: {by: input.bureau, form: code, connected: [first]}")],
        ),
        ("wrong-routing-input", "no input says who is asked", vec![Replace(TAXES, CLAUSE, BUREAUS)]),
        (
            "wrong-routing-input",
            "who is asked is a month",
            vec![
                Replace(TAXES, CLAUSE, BUREAUS),
                Replace(INCOME, "  month_from: {", "  bureau: {type: month, need: required}\n  month_from: {"),
            ],
        ),
        (
            "wrong-routing-input",
            "who is asked may be left out",
            vec![
                Replace(TAXES, CLAUSE, BUREAUS),
                Replace(INCOME, "  month_from: {", "  bureau: {type: text, need: optional}\n  month_from: {"),
            ],
        ),
        ("wrong-window", "a window over another input", vec![Replace(INCOME, "from: month_from,", "from: month_first,")]),
        (
            "wrong-window",
            "a dossier that asks for thirteen months",
            vec![Replace(
                DOSSIER,
                "month_from: {months_ago: 12}, month_to: {months_ago: 1}",
                "month_from: {months_ago: 13}, month_to: {months_ago: 1}",
            )],
        ),
        (
            "wrong-window",
            "a dossier's window backwards",
            vec![Replace(
                DOSSIER,
                "month_from: {months_ago: 12}, month_to: {months_ago: 1}",
                "month_from: {months_ago: 1}, month_to: {months_ago: 2}",
            )],
        ),
        (
            "unknown-answer",
            "an input from a field that does not exist",
            vec![Replace(CONSUMPTION, "azerishiq/subscriber.subscriber_code}", "azerishiq/subscriber.code}")],
        ),
        (
            "wrong-answer-type",
            "an input from a field of another type",
            vec![Replace(CONSUMPTION, "azerishiq/subscriber.subscriber_code}", "azerishiq/subscriber.active}")],
        ),
        ("wrong-window", "between a month and a date", vec![Replace(DEALS, "from_on: {type: date", "from_on: {type: month")]),
        ("wrong-window", "over one date alone", vec![Replace(DEALS, "to: to_on,", "to: from_on,")]),
        ("wrong-window", "over a text", vec![Replace(DEALS, "to: to_on,", "to: territory_code,")]),
        (
            "wrong-window",
            "a dossier's days thirteen months apart",
            vec![Replace(DOSSIER, "from_on: {months_ago: 12}", "from_on: {months_ago: 13}")],
        ),
        (
            "misplaced-key",
            "a list of dates",
            vec![Replace(
                DEALS,
                "from_on: {type: date, need: required}",
                "from_on: {type: date, need: required}\n  days: {type: date, need: optional, list_max: 3}",
            )],
        ),
        (
            "misplaced-key",
            "a list from one answer",
            vec![Replace(CONSUMPTION, "{type: text, need: required,", "{type: text, need: required, list_max: 2,")],
        ),
        ("wrong-value", "a list of too many", vec![Replace(ACTS, "list_max: 3", "list_max: 101")]),
        ("consent-terms", "an answer that is kept", vec![Replace(LOANS, "lifetime: 0s", "lifetime: 1h")]),
        ("consent-terms", "an inquiry that is repeated", vec![Replace(LOANS, "retry: never", "retry: idempotent")]),
        (
            "snapshot-terms",
            "an answer out of a file that is kept once more",
            vec![Replace(SUBSCRIBER, "lifetime: 7d", "lifetime: 7d\nsnapshot: {stale_after: 30h}")],
        ),
        ("snapshot-terms", "a file that holds who consents", vec![Replace(LOANS, "lifetime: 0s", "lifetime: 0s\nsnapshot: {}")]),
        (
            "consent-terms",
            "nobody's consent",
            vec![
                Replace(LOANS, "subject: [fin]", "subject: []"),
                Replace(DOSSIER, "  loans: {service: credit-bureau/obligations-summary, for: [applicant], need: optional}\n", ""),
            ],
        ),
        (
            "wrong-confirmation",
            "a field that is not there",
            vec![Replace(NOTARIAL, "application_no: input.application_no", "number: input.application_no")],
        ),
        (
            "wrong-confirmation",
            "a field of an item",
            vec![Replace(ACTS, "{fin: subject.fin}", "{fin: subject.fin, \"acts[].event_on\": subject.birth_date}")],
        ),
        (
            "wrong-confirmation",
            "a field outside the agreement",
            vec![Replace(IDENTITY, "birth_date: {type: date, class: C}", "birth_date: {type: date, class: C, agreed: false}")],
        ),
        ("wrong-confirmation", "nothing a question has", vec![Replace(ACTS, "{fin: subject.fin}", "{fin: subject.name}")]),
        ("wrong-confirmation", "a form that the contract does not take", vec![Replace(ACTS, "{fin: subject.fin}", "{fin: subject.pin}")]),
        (
            "wrong-confirmation",
            "a date for a FIN",
            vec![Replace(NOTARIAL, "representative_fin: subject.fin", "representative_fin: subject.fin\n  notarised_on: subject.fin")],
        ),
        (
            "wrong-confirmation",
            "a text for a birth date",
            vec![Replace(IDENTITY, "birth_date: subject.birth_date", "surname: subject.birth_date")],
        ),
        (
            "wrong-confirmation",
            "an input of another type",
            vec![Replace(NOTARIAL, "application_no: input.application_no", "notarised_on: input.application_no")],
        ),
        (
            "wrong-confirmation",
            "an input that is a list",
            vec![
                Replace(ACTS, "{fin: subject.fin}", "{fin: subject.fin, kind: input.act_kinds}"),
                Replace(
                    ACTS,
                    "  fin: {type: fin, class: C}\n",
                    "  fin: {type: fin, class: C}\n  kind: {type: code, codes: open, class: C}\n",
                ),
            ],
        ),
        ("wrong-confirmation", "a count of what is no list", vec![Replace(NOTARIAL, "count.members", "count.application_no")]),
        (
            "wrong-confirmation",
            "a count that is no number",
            vec![
                Replace(NOTARIAL, "member_count: count.members", "application_no: count.members"),
                Replace(NOTARIAL, "  application_no: input.application_no\n", ""),
            ],
        ),
        ("wrong-confirmation", "a day for a moment", vec![Replace(LOANS, "generated_at: {type: datetime", "generated_at: {type: date")]),
        (
            "wrong-confirmation",
            "an exception that is always made",
            vec![
                Replace(SUBSCRIBER, "address_code: {type: text, need: optional}", "address_code: {type: text, need: required}"),
                Replace(
                    DOSSIER,
                    "{service: azerishiq/subscriber,",
                    "{service: azerishiq/subscriber, input: {address_code: {input: application_no}},",
                ),
            ],
        ),
        ("unknown-input", "a confirmation", vec![Replace(NOTARIAL, "input.application_no", "input.number")]),
        ("unknown-input", "an exception", vec![Replace(SUBSCRIBER, "unless: address_code", "unless: unvan_kodu")]),
        (
            "missing-key",
            "an exception without its rule",
            vec![Replace(SUBSCRIBER, "{is: subject.fin, unless: address_code}", "{unless: address_code}")],
        ),
        ("subject-not-confirmed", "a FIN that may be another's", vec![Replace(ACTS, "confirms: {fin: subject.fin}\n", "")]),
        (
            "subject-not-confirmed",
            "one FIN that agrees with an input, and another",
            vec![
                Replace(ACTS, "confirms: {fin: subject.fin}", "confirms: {child_fin: input.child_fin}"),
                Replace(ACTS, "  act_kinds:", "  child_fin: {type: fin, need: optional}\n  act_kinds:"),
                Replace(
                    ACTS,
                    "  fin: {type: fin, class: C}\n",
                    "  fin: {type: fin, class: C}\n  child_fin: {type: fin, class: C, optional: true}\n",
                ),
            ],
        ),
        (
            "subject-not-confirmed",
            "a person asked about by document",
            vec![
                Replace(
                    IDENTITY,
                    "document_series: subject.document.series, document_number: subject.document.number, birth_date: subject.birth_date",
                    "document_status: input.status",
                ),
                Replace(
                    IDENTITY,
                    "subject: [fin, document]",
                    "subject: [fin, document]\ninput: {status: {type: code, codes: [valid], need: optional}}",
                ),
            ],
        ),
        (
            "subject-not-confirmed",
            "a taxpayer",
            vec![
                Replace(DEALS, "subject: [fin]", "subject: [fin, tin]"),
                Replace(DEALS, "  share:", "  tin: {type: tin, class: C, optional: true}\n  share:"),
            ],
        ),
        // References.
        ("unknown-service", "a grant", vec![Replace(SOVQAT, "interior/person-identity", "interior/person-identiti")]),
        (
            "unknown-service",
            "an input's origin",
            vec![Replace(CONSUMPTION, "azerishiq/subscriber.subscriber_code}", "azerishiq/subscribers.subscriber_code}")],
        ),
        ("unknown-service", "an element", vec![Replace(DOSSIER, "taxes/person-income", "taxes/person-wealth")]),
        ("unknown-purpose", "a grant", vec![Replace(SOVQAT, "[sovqat-queue]", "[curiosity]")]),
        ("unknown-purpose", "a dossier", vec![Replace(DOSSIER, "purpose: adsy-means-test", "purpose: curiosity")]),
        ("unknown-act", "a grant", vec![Replace(SOVQAT, "[acts-housing-and-cars]", "[law-of-nature]")]),
        ("unknown-act", "exact bytes", vec![Replace(IDENTITY, "capture: digest", "capture: exact\ncapture_act: law-of-nature")]),
        ("unknown-role", "a grant", vec![Replace(SOVQAT, "roles: [case-officer]", "roles: [queue-officer]")]),
        (
            "unknown-role",
            "fields kept from nobody",
            vec![Replace(SOVQAT, "    roles: [case-officer]", "    roles: [case-officer]\n    role_withholds: {clerk: [fin]}")],
        ),
        ("unknown-field", "a grant", vec![Replace(SOVQAT, "given_name", "first_name")]),
        (
            "unknown-field",
            "a field kept from a role",
            vec![Replace(SOVQAT, "    roles: [case-officer]", "    roles: [case-officer]\n    role_withholds: {case-officer: [pin]}")],
        ),
        (
            "unknown-code",
            "a row",
            vec![Replace(
                AID,
                "  - service: taxes/person-income\n",
                "  - service: taxes/person-income\n    rows: [{list: months, field: income_kind, allow: [wages]}]\n",
            )],
        ),
        (
            "unknown-input",
            "an element",
            vec![Replace(DOSSIER, "month_to: {months_ago: 1}}", "month_to: {months_ago: 1}, year: {months_ago: 1}}")],
        ),
        (
            "unknown-input",
            "a dossier's own",
            vec![Replace(
                DOSSIER,
                "{answer: electricity-subscriber.subscriber_code}",
                "{answer: electricity-subscriber.subscriber_code}\n      year: {months_ago: 1}",
            )],
        ),
        (
            "unknown-element",
            "an answer",
            vec![Replace(DOSSIER, "electricity-subscriber.subscriber_code", "water-subscriber.subscriber_code")],
        ),
        // Consumers and grants.
        ("duplicate-certificate-name", "two consumers", vec![Replace(SOVQAT, "sovqat.meis.test", "social-payments.meis.test")]),
        ("grant-without-field", "a grant", vec![Replace(SOVQAT, "[fin, surname, given_name, birth_date]", "[]")]),
        ("grant-without-purpose", "a grant", vec![Replace(SOVQAT, "[sovqat-queue]", "[]")]),
        ("grant-without-act", "a grant", vec![Replace(SOVQAT, "[acts-housing-and-cars]", "[]")]),
        ("grant-without-role", "a grant", vec![Replace(SOVQAT, "roles: [case-officer]", "roles: []")]),
        (
            "lapsed-act",
            "an act of the past",
            vec![Replace("acts.yaml", "Presidential acts and state programmes on flats and cars}", "x}, in_force_until: 2026-03-11")],
        ),
        (
            "lapsed-act",
            "an act of the future",
            vec![Replace("acts.yaml", "Presidential acts and state programmes on flats and cars}", "x}, in_force_from: 2026-03-13")],
        ),
        (
            "overlapping-grants",
            "two grants",
            vec![Replace(
                SOVQAT,
                "grants:\n",
                "grants:\n  - {service: interior/person-identity, fields: [sex], purposes: [sovqat-queue], acts: [acts-housing-and-cars], roles: [case-officer]}\n",
            )],
        ),
        ("class-above-roles", "confidential fields for a clerk", vec![Replace(SOVQAT, "class_max: S", "class_max: O")]),
        ("wrong-subject", "of a grant", vec![Replace(SOVQAT, "    fields: [fin, sur", "    subject: [fin, tin]\n    fields: [fin, sur")]),
        (
            "repeated-word",
            "a form of subject",
            vec![Replace(SOVQAT, "    fields: [fin, sur", "    subject: [fin, fin]\n    fields: [fin, sur")],
        ),
        ("too-few", "no form of subject", vec![Replace(SOVQAT, "    fields: [fin, sur", "    subject: []\n    fields: [fin, sur")]),
        (
            "wrong-row-rule",
            "rows of a value",
            vec![Replace(
                AID,
                "  - service: taxes/person-income\n",
                "  - service: taxes/person-income\n    rows: [{list: fin, field: income_kind, allow: [wage]}]\n",
            )],
        ),
        (
            "wrong-row-rule",
            "rows by a text",
            vec![Replace(
                AID,
                "  - service: taxes/person-income\n",
                "  - service: taxes/person-income\n    rows: [{list: \"months[]\", field: payer_tin, allow: [wage]}]\n",
            )],
        ),
        (
            "wrong-row-rule",
            "rows that an input asks for and nothing bounds",
            vec![Replace(
                AID,
                "  - service: justice/family-acts\n",
                "  - service: justice/family-acts\n    rows: [{list: acts, field: act_kind, allow: [birth]}]\n",
            )],
        ),
        (
            "wrong-row-rule",
            "an input of something else",
            vec![
                Replace(ACTS, "  act_kinds:", "  office: {type: code, codes: [north, south], need: optional}\n  act_kinds:"),
                Replace(
                    AID,
                    "  - service: justice/family-acts\n",
                    "  - service: justice/family-acts\n    rows: [{list: acts, field: act_kind, allow: [birth], input: office}]\n",
                ),
            ],
        ),
        (
            "unknown-input",
            "of a row rule",
            vec![Replace(
                AID,
                "  - service: justice/family-acts\n",
                "  - service: justice/family-acts\n    rows: [{list: acts, field: act_kind, allow: [birth], input: kinds}]\n",
            )],
        ),
        (
            "rows-counted",
            "a count of what is left out",
            vec![Replace(
                AID,
                "  - service: justice/notarial-application\n",
                "  - service: justice/notarial-application\n    rows: [{list: members, field: relation, allow: [child]}]\n",
            )],
        ),
        ("class-above-type", "a role of the portal", vec![Replace(SOVQAT, "type: subsystem", "type: portal")]),
        (
            "class-above-type",
            "confidential fields for a natural person",
            vec![
                Replace(SOVQAT, "type: subsystem", "type: natural-person"),
                Replace(SOVQAT, "class_max: S", "class_max: O"),
                Replace(SOVQAT, "[fin, surname, given_name, birth_date]", "[photo]"),
                Replace(IDENTITY, "photo: {type: bytes, class: S, agreed: false}", "photo: {type: bytes, class: C, handling: onward}"),
            ],
        ),
        ("special-without-act", "kinship", vec![Replace(AID, "    special: [law-targeted-aid]\n", "")]),
        (
            "special-without-act",
            "by an act that does not allow it",
            vec![Replace("acts.yaml", "Law on targeted state social assistance}, special: allowed}", "x}}")],
        ),
        (
            "special-without-act",
            "by an act that is none of the grant's",
            vec![Replace(AID, "    special: [law-targeted-aid]\n", "    special: [decree-393]\n")],
        ),
        (
            "special-without-act",
            "where nothing is special",
            vec![Replace(
                SOVQAT,
                "    acts: [acts-housing-and-cars]\n",
                "    acts: [acts-housing-and-cars]\n    special: [acts-housing-and-cars]\n",
            )],
        ),
        ("special-never", "for a consumer without", vec![Replace(AID, "type: subsystem", "type: subsystem\nspecial: never")]),
        (
            "special-never",
            "for a purpose without",
            vec![Replace("purposes.yaml", "Means test for targeted state social assistance}", "x}, special: never")],
        ),
        ("onward-transfer", "a source's data for another state body", vec![Replace(SOVQAT, "type: subsystem", "type: state-body")]),
        (
            "onward-transfer",
            "what is for own use, for the portal",
            vec![
                Replace(SOVQAT, "type: subsystem", "type: portal"),
                Replace(SOVQAT, "class_max: S", "class_max: C"),
                Replace(IDENTITY, "surname: {type: text, class: O}", "surname: {type: text, class: O, handling: own-use}"),
            ],
        ),
        (
            "misplaced-key",
            "the mark of a list of records",
            vec![Replace(CONSUMPTION, "\"months[]\": {max: 12}", "\"months[]\": {max: 12, handling: onward}")],
        ),
        (
            "misplaced-key",
            "fields beside an answer",
            vec![Replace(SOVQAT, "    fields: [fin", "    answer: {question: {az: a, en: a}, exists: record}\n    fields: [fin")],
        ),
        (
            "misplaced-key",
            "rows beside an answer",
            vec![answered(
                ACTS_GRANT,
                "exists: \"acts[]\", where: {act_kind: [birth]}",
                "    rows: [{list: acts, field: act_kind, allow: [birth], input: act_kinds}]\n",
            )],
        ),
        (
            "grant-without-field",
            "neither fields nor an answer",
            vec![Replace(SOVQAT, "    fields: [fin, surname, given_name, birth_date]\n", "")],
        ),
        ("wrong-answer-rule", "of a value", vec![answered(ACTS_GRANT, "exists: fin", "")]),
        ("wrong-answer-rule", "by a date", vec![answered(ACTS_GRANT, "exists: \"acts[]\", where: {event_on: [\"2026-03-12\"]}", "")]),
        (
            "wrong-answer-rule",
            "by a list that is not there",
            vec![answered(ACTS_GRANT, "exists: \"acts[]\", where: {act_kind: [birth], \"persons[].role\": [child]}", "")],
        ),
        (
            "wrong-answer-rule",
            "by somebody else's FIN",
            vec![Replace(
                SOVQAT,
                "    fields: [fin, surname, given_name, birth_date]\n",
                "    answer: {question: {az: a, en: a}, exists: record, where: {fin: [5K7QX2O]}}\n",
            )],
        ),
        ("wrong-answer-rule", "that the question can ask beyond", vec![answered(ACTS_GRANT, "exists: \"acts[]\"", "")]),
        ("unknown-code", "of an answer", vec![answered(ACTS_GRANT, "exists: \"acts[]\", where: {act_kind: [death]}", "")]),
        ("too-few", "an answer that is never yes", vec![answered(ACTS_GRANT, "exists: \"acts[]\", where: {act_kind: []}", "")]),
        (
            "wrong-hours",
            "no time of day",
            vec![Replace(
                SOVQAT,
                "    roles: [case-officer]\n",
                "    roles: [case-officer]\n    hours: {days: [monday], from: \"9:00\", to: \"18:00\"}\n",
            )],
        ),
        (
            "wrong-hours",
            "no hour at all",
            vec![Replace(
                SOVQAT,
                "    roles: [case-officer]\n",
                "    roles: [case-officer]\n    hours: {days: [monday], from: \"18:00\", to: \"18:00\"}\n",
            )],
        ),
        (
            "wrong-hours",
            "beyond midnight",
            vec![Replace(
                SOVQAT,
                "    roles: [case-officer]\n",
                "    roles: [case-officer]\n    hours: {days: [monday], from: \"18:00\", to: \"24:01\"}\n",
            )],
        ),
        ("wrong-probe", "as a subsystem", probed("sovqat", "subject: {fin: 5K7QX2O}", "FOUND", "")),
        ("wrong-probe", "about nobody", probed("monitor", "", "FOUND", "")),
        ("wrong-probe", "about somebody real", probed("monitor", "subject: {fin: 5K7QX2A}", "FOUND", "")),
        ("wrong-probe", "a field that is not granted", probed("monitor", "subject: {fin: 5K7QX2O}", "FOUND", "fields: {given_name: a}")),
        ("unknown-field", "of a probe", probed("monitor", "subject: {fin: 5K7QX2O}", "FOUND", "fields: {colour: a}")),
        ("misplaced-key", "fields of no record", probed("monitor", "subject: {fin: 5K7QX2O}", "NOT_FOUND", "fields: {surname: a}")),
        ("wrong-probe", "a probe with a certificate", vec![Write("consumers/monitor.yaml", monitor("[monitor.test]"))]),
        ("wrong-hours", "a window without length", vec![planned("on: daily, from: \"01:00\", to: \"01:00\"")]),
        ("wrong-hours", "a window from the day's end", vec![planned("on: daily, from: \"24:00\", to: \"01:00\"")]),
        ("too-few", "a window on no day", vec![planned("on: {}, from: \"01:00\", to: \"02:00\"")]),
        ("repeated-word", "a window's day", vec![planned("on: {days: [1, last, 1]}, from: \"01:00\", to: \"02:00\"")]),
        ("wrong-form", "a window's day that no month has", vec![planned("on: {days: [32]}, from: \"01:00\", to: \"02:00\"")]),
        (
            "too-few",
            "a volume of nothing",
            vec![Replace(SOVQAT, "    roles: [case-officer]\n", "    roles: [case-officer]\n    volume: {}\n")],
        ),
        (
            "wrong-value",
            "no person a day",
            vec![Replace(SOVQAT, "    roles: [case-officer]\n", "    roles: [case-officer]\n    volume: {persons_per_day: 0}\n")],
        ),
        // Dossiers.
        (
            "duplicate-dossier",
            "two versions",
            vec![Write(
                "dossiers/adsy-means-test@2.0.0.yaml",
                "dossier: adsy-means-test@2.0.0\nname: {az: a, en: a}\npurpose: adsy-means-test\ndeadline: 20s\ndue: 15m\nelements: {identity: {service: interior/person-identity, for: [applicant], need: required}}\n",
            )],
        ),
        ("element-without-grant", "a purpose nobody has", vec![Replace(DOSSIER, "purpose: adsy-means-test", "purpose: labour-pension")]),
        ("out-of-bounds", "a pause beyond the end", vec![Replace(DOSSIER, "retry_every: 10s", "retry_every: 16m")]),
        ("out-of-bounds", "no pause", vec![Replace(DOSSIER, "retry_every: 10s", "retry_every: 0s")]),
        ("too-many", "sixty-five elements", vec![Replace(DOSSIER, "elements:\n", sixty_more())]),
        (
            "element-order",
            "an element that needs a later one",
            vec![Replace(
                DOSSIER,
                "when: [{answer: identity.document_status, is: [valid, expired]}]",
                "when: [{answer: electricity-subscriber.active, is: [\"true\"]}]",
            )],
        ),
        (
            "element-order",
            "once per a later answer",
            vec![Replace(
                DOSSIER,
                "  income:\n    service: taxes/person-income\n",
                "  income:\n    once_per: electricity-subscriber.address_text\n    service: taxes/person-income\n",
            )],
        ),
        (
            "element-cycle",
            "an element that needs itself",
            vec![Replace(DOSSIER, "electricity-subscriber.subscriber_code", "electricity-consumption.subscriber_code")],
        ),
        (
            "element-cycle",
            "elements that need each other",
            vec![Replace(
                DOSSIER,
                "  identity: {service: interior/person-identity, for: [applicant, spouse, child], need: required,",
                "  identity: {service: interior/person-identity, for: [applicant, spouse, child], need: conditional, when: [{answer: income.fin, given: true}],",
            )],
        ),
        (
            "element-cycle",
            "a circle of three",
            vec![
                Replace(
                    DOSSIER,
                    "once_per: electricity-subscriber.address_text\n",
                    "once_per: electricity-subscriber.address_text\n    when: [{answer: loans.report_no, given: true}]\n",
                ),
                Replace(
                    DOSSIER,
                    "    for: [applicant]\n    need: required\n    once_per",
                    "    for: [applicant]\n    need: conditional\n    once_per",
                ),
                Replace(
                    DOSSIER,
                    "obligations-summary, for: [applicant], need: optional}",
                    "obligations-summary, for: [applicant], need: optional, when: [{answer: electricity-subscriber.active, is: [\"true\"]}]}",
                ),
                Replace(
                    DOSSIER,
                    "subscriber, for: [applicant], need: required}",
                    "subscriber, for: [applicant], need: conditional, when: [{answer: electricity-consumption.balance_qapik, given: true}]}",
                ),
            ],
        ),
        (
            "element-roles",
            "a child's acts without a child's identity",
            vec![Replace(
                DOSSIER,
                "identity: {service: interior/person-identity, for: [applicant, spouse, child]",
                "identity: {service: interior/person-identity, for: [applicant, spouse]",
            )],
        ),
        (
            "element-roles",
            "once per an answer about others",
            vec![
                Replace(
                    DOSSIER,
                    "  income:\n    service: taxes/person-income\n    for: [applicant, spouse]",
                    "  income:\n    once_per: civil-acts.fin\n    service: taxes/person-income\n    for: [applicant, spouse, adult]",
                ),
                Replace(
                    DOSSIER,
                    "  identity: {service: interior/person-identity, for: [applicant, spouse, child]",
                    "  identity: {service: interior/person-identity, for: [applicant, spouse, child, adult]",
                ),
            ],
        ),
        (
            "wrong-need",
            "conditional without a condition",
            vec![Replace(
                DOSSIER,
                "    need: conditional\n    when: [{answer: identity.birth_date, years: {at_least: 18}}]\n",
                "    need: conditional\n",
            )],
        ),
        (
            "wrong-need",
            "required with a condition",
            vec![Replace(
                DOSSIER,
                "    need: conditional\n    when: [{answer: identity.birth_date",
                "    need: required\n    when: [{answer: identity.birth_date",
            )],
        ),
        (
            "wrong-condition",
            "of two things",
            vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{input: territory_code, answer: identity.fin, given: true}")],
        ),
        ("wrong-condition", "of nothing", vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{given: true}")]),
        (
            "wrong-condition",
            "two tests",
            vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{input: territory_code, given: true, is: [a]}")],
        ),
        ("wrong-condition", "no test", vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{input: territory_code}")]),
        (
            "wrong-condition",
            "what is not there",
            vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{input: territory_code, given: false}")],
        ),
        ("wrong-condition", "one of nothing", vec![Replace(DOSSIER, "is: [valid, expired]", "is: []")]),
        (
            "wrong-condition",
            "a FIN in a dossier",
            vec![Replace(DOSSIER, "{answer: identity.document_status, is: [valid, expired]}", "{answer: identity.fin, is: [5K7QX2O]}")],
        ),
        (
            "wrong-condition",
            "words for a list",
            vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{input: acts, is: [birth]}")],
        ),
        ("wrong-condition", "years without a bound", vec![Replace(DOSSIER, "years: {at_least: 18}", "years: {}")]),
        ("wrong-condition", "years that nobody has", vec![Replace(DOSSIER, "years: {at_least: 18}", "years: {at_least: 18, below: 18}")]),
        ("wrong-condition", "fewer than no years", vec![Replace(DOSSIER, "years: {at_least: 18}", "years: {below: 0}")]),
        (
            "wrong-condition",
            "years of a text",
            vec![Replace(DOSSIER, "{answer: identity.birth_date, years", "{answer: identity.surname, years")],
        ),
        ("unknown-code", "a condition that never holds", vec![Replace(DOSSIER, "is: [valid, expired]", "is: [valid, burnt]")]),
        (
            "unknown-code",
            "a truth value that never occurs",
            vec![
                Replace(
                    DOSSIER,
                    "{answer: identity.document_status, is: [valid, expired]}",
                    "{answer: identity.document_status, is: [valid]}, {answer: identity.fin, given: true}",
                ),
                Replace(
                    DOSSIER,
                    "once_per: electricity-subscriber.address_text",
                    "when: [{answer: electricity-subscriber.active, is: [\"yes\"]}]",
                ),
                Replace(
                    DOSSIER,
                    "    for: [applicant]\n    need: required\n    when",
                    "    for: [applicant]\n    need: conditional\n    when",
                ),
            ],
        ),
        ("unknown-code", "a listed code", vec![Replace(DOSSIER, "{codes: [birth, marriage]}", "{codes: [birth, adoption]}")]),
        (
            "unknown-code",
            "codes from an input that has others",
            vec![
                Replace(
                    DOSSIER,
                    "acts: {type: code, codes: [birth, divorce], need: optional,",
                    "acts: {type: code, codes: [birth, death], need: required,",
                ),
                Replace(DOSSIER, "{codes: [birth, marriage]}", "{input: acts}"),
            ],
        ),
        ("unknown-code", "a relation", vec![Replace(DOSSIER, "sibling: adult,", "sibling: adult, cousin: other,")]),
        ("unknown-input", "a condition", vec![Replace(DOSSIER, "{input: territory_code, given: true}", "{input: territory, given: true}")]),
        ("unknown-answer", "a condition", vec![Replace(DOSSIER, "identity.document_status", "identity.status")]),
        (
            "unknown-answer",
            "once per a list",
            vec![Replace(DOSSIER, "once_per: electricity-subscriber.address_text", "once_per: application.members")],
        ),
        ("repeated-word", "a condition", vec![Replace(DOSSIER, "is: [valid, expired]", "is: [valid, valid]")]),
        (
            "wrong-members",
            "two elements",
            vec![Replace(
                DOSSIER,
                "  identity: {service",
                "  second: {service: justice/notarial-application, for: [applicant], need: required, input: {application_no: {input: application_no}}, members: {list: members, fin: fin, relation: relation, roles: {spouse: spouse, child: child, parent: adult, sibling: adult, other: other}}}\n  identity: {service",
            )],
        ),
        (
            "wrong-members",
            "members of members",
            vec![Replace(
                DOSSIER,
                "    service: justice/notarial-application\n    for: [applicant]",
                "    service: justice/notarial-application\n    for: [applicant, spouse]",
            )],
        ),
        (
            "wrong-fallback",
            "instead of what may well find nothing",
            vec![Replace(
                DOSSIER,
                "obligations-summary, for: [applicant], need: optional}",
                "obligations-summary, for: [applicant], need: optional, fallback_for: income}",
            )],
        ),
        (
            "wrong-need",
            "a fall-back that is always required",
            vec![Replace(
                DOSSIER,
                "obligations-summary, for: [applicant], need: optional}",
                "obligations-summary, for: [applicant], need: required, fallback_for: identity}",
            )],
        ),
        (
            "element-roles",
            "a fall-back for persons whom nobody asked about",
            vec![Replace(
                DOSSIER,
                "obligations-summary, for: [applicant], need: optional}",
                "obligations-summary, for: [applicant, adult], need: optional, fallback_for: identity}",
            )],
        ),
        (
            "element-order",
            "a fall-back for what is asked later",
            vec![Replace(
                DOSSIER,
                "obligations-summary, for: [applicant], need: optional}",
                "obligations-summary, for: [applicant], need: optional, fallback_for: electricity-subscriber}",
            )],
        ),
        (
            "unknown-element",
            "a fall-back for nothing",
            vec![Replace(
                DOSSIER,
                "obligations-summary, for: [applicant], need: optional}",
                "obligations-summary, for: [applicant], need: optional, fallback_for: savings}",
            )],
        ),
        (
            "wrong-fallback",
            "a fall-back for a fall-back",
            vec![
                Replace(
                    DOSSIER,
                    "obligations-summary, for: [applicant], need: optional}",
                    "obligations-summary, for: [applicant], need: optional, fallback_for: identity, absence: unknown}",
                ),
                Replace(
                    DOSSIER,
                    "subscriber, for: [applicant], need: required}",
                    "subscriber, for: [applicant], need: optional, fallback_for: loans}",
                ),
            ],
        ),
        ("misplaced-key", "until found of nothing", vec![Replace(DOSSIER, "stops: true", "until_found: true")]),
        (
            "wrong-members",
            "members that may stay unknown",
            vec![Replace(
                DOSSIER,
                "    service: justice/notarial-application\n    for: [applicant]\n    need: required",
                "    service: justice/notarial-application\n    for: [applicant]\n    need: optional",
            )],
        ),
        ("wrong-members", "what is no list", vec![Replace(DOSSIER, "list: members", "list: application_no")]),
        ("wrong-members", "a FIN that is none", vec![Replace(DOSSIER, "fin: fin", "fin: remark")]),
        ("wrong-members", "a relation in words", vec![Replace(DOSSIER, "relation: relation", "relation: remark")]),
        (
            "wrong-members",
            "a relation that may be missing",
            vec![Replace(NOTARIAL, "other], class: S}", "other], class: S, optional: true}")],
        ),
        ("wrong-members", "a relation without a role", vec![Replace(DOSSIER, " sibling: adult,", "")]),
        ("wrong-members", "until what is no day", vec![Replace(DOSSIER, "until: valid_until", "until: application_no")]),
        ("wrong-members", "until a day of the members", vec![Replace(DOSSIER, "until: valid_until", "until: members")]),
        (
            "wrong-members",
            "until a day that may be missing",
            vec![Replace(NOTARIAL, "valid_until: {type: date, class: C}", "valid_until: {type: date, class: C, optional: true}")],
        ),
        (
            "wrong-members",
            "until a day that is not agreed",
            vec![Replace(NOTARIAL, "valid_until: {type: date, class: C}", "valid_until: {type: date, class: C, agreed: false}")],
        ),
        ("wrong-members", "another applicant", vec![Replace(DOSSIER, "sibling: adult", "sibling: applicant")]),
        (
            "unfilled-input",
            "a required input",
            vec![Replace(DOSSIER, "month_from: {months_ago: 12}, month_to: {months_ago: 1}", "month_from: {months_ago: 12}")],
        ),
        (
            "unfilled-input",
            "a required input from an optional one",
            vec![
                Write("providers/taxes/two@1.0.0.yaml", TWO_INPUTS),
                Replace(
                    AID,
                    "grants:\n",
                    "grants:\n  - {service: taxes/two, fields: all, purposes: [adsy-means-test], acts: [law-targeted-aid], roles: [case-officer]}\n",
                ),
                Replace(
                    DOSSIER,
                    "  electricity-consumption:\n",
                    "  two: {service: taxes/two, for: [applicant], need: optional, input: {one: {input: msisdn}, two: {answer: electricity-subscriber.subscriber_code}}}\n  electricity-consumption:\n",
                ),
            ],
        ),
        (
            "wrong-input-type",
            "an input that cannot be asked for",
            vec![Replace(INCOME, "month_to: {type: month,", "month_to: {type: month, need: required}\n  share: {type: decimal,")],
        ),
        (
            "wrong-input-type",
            "a text for a month",
            vec![Replace(DOSSIER, "month_from: {months_ago: 12}, month_to", "month_from: {answer: identity.surname}, month_to")],
        ),
        (
            "wrong-input-type",
            "a list for one value",
            vec![Replace(DOSSIER, "month_from: {months_ago: 12}, month_to", "month_from: {codes: [\"2025-03\"]}, month_to")],
        ),
        (
            "wrong-input-type",
            "one value for a list",
            vec![Replace(DOSSIER, "{codes: [birth, marriage]}", "{answer: identity.document_status}")],
        ),
        (
            "wrong-input-type",
            "one code for a list",
            vec![
                Replace(DOSSIER, "{codes: [birth, marriage]}", "{input: act}"),
                Replace(
                    DOSSIER,
                    "  msisdn: {type: text, need: optional}",
                    "  msisdn: {type: text, need: optional}\n  act: {type: code, codes: [birth], need: required}",
                ),
            ],
        ),
        (
            "wrong-input-type",
            "a list of too many",
            vec![
                Replace(
                    DOSSIER,
                    "acts: {type: code, codes: [birth, divorce], need: optional, list_max: 2}",
                    "acts: {type: code, codes: [birth, divorce], need: required, list_max: 4}",
                ),
                Replace(DOSSIER, "{codes: [birth, marriage]}", "{input: acts}"),
            ],
        ),
        (
            "wrong-input-type",
            "a list for a text",
            vec![
                Replace(DOSSIER, "territory_code: {input: territory_code}", "territory_code: {input: texts}"),
                Replace(
                    DOSSIER,
                    "  msisdn: {type: text, need: optional}",
                    "  msisdn: {type: text, need: optional}\n  texts: {type: text, need: optional, list_max: 2}",
                ),
            ],
        ),
        (
            "wrong-input-type",
            "months for a text",
            vec![Replace(DOSSIER, "territory_code: {input: territory_code}", "territory_code: {months_ago: 1}")],
        ),
        ("too-few", "no code", vec![Replace(DOSSIER, "{codes: [birth, marriage]}", "{codes: []}")]),
        (
            "too-many",
            "three codes of two",
            vec![
                Replace(ACTS, "list_max: 3", "list_max: 2"),
                Replace(DOSSIER, "{codes: [birth, marriage]}", "{codes: [birth, marriage, divorce]}"),
            ],
        ),
        (
            "wrong-answer",
            "a code from the caller",
            vec![Replace(DOSSIER, "{answer: electricity-subscriber.subscriber_code}", "{input: application_no}")],
        ),
        (
            "absence-loosened",
            "an absence made a fact",
            vec![Replace(DOSSIER, "need: required, stops: true}", "need: required, stops: true, absence: fact}")],
        ),
        (
            "write-terms",
            "a write that may be kept and asked in dossiers",
            vec![Replace(ACTS, "subject: [fin]", "subject: [fin]\neffect: write")],
        ),
        (
            "not-in-dossiers",
            "a service that is asked on its own",
            vec![Replace(CONSUMPTION, "subject: [fin]", "subject: [fin]\ndossiers: never")],
        ),
        ("no-subject", "a service about nobody", vec![Replace(CONSUMPTION, "subject: [fin]", "subject: []")]),
    ]
}

const TWO_INPUTS: &str = "service: taxes/two@1.0.0
name: {az: a, en: a}
legal_reference: a
agreement: {number: a, signed_on: 2026-01-15, valid_until: 2028-01-14}
route: {via: ehis}
subject: [fin]
input: {one: {type: text, need: required}, two: {type: text, need: required}}
absence: fact
lifetime: 0s
quota: {per_second: 1, burst: 1}
timeout: 1s
retry: never
capture: none
fields: {name: {type: text, class: O}}
";

/// The grant of the acts of family life, until its fields.
const ACTS_GRANT: &str = "  - service: justice/family-acts\n    fields: all\n";

/// A grant that answers with yes or no, and has more besides.
fn answered(grant: &'static str, answer: &str, more: &str) -> Edit {
    let question = "question: {az: a, en: a}";
    Replace(AID, grant, String::leak(grant.replace("    fields: all\n", &format!("    answer: {{{question}, {answer}}}\n{more}"))))
}

/// A consumer that probes.
fn monitor(certificate_names: &str) -> &'static str {
    String::leak(format!(
        "consumer: monitor\nname: {{az: a, en: a}}\nclause: \"634/6.2.1\"\ntype: probe\ncertificate_names: {certificate_names}\n\
         roles:\n  monitor: {{name: {{az: a, en: a}}, class_max: C, automated: true}}\n\
         grants:\n  - {{service: interior/person-identity, subject: [fin], fields: [fin, surname], purposes: [adsy-means-test], \
         acts: [law-targeted-aid], roles: [monitor]}}\n"
    ))
}

/// A probe of identities.
fn probed(consumer: &str, subject: &str, outcome: &str, fields: &str) -> Vec<Edit> {
    let expect = format!("{{outcome: {outcome}{}{fields}}}", if fields.is_empty() { "" } else { ", " });
    let subject = if subject.is_empty() { String::new() } else { format!("{subject}, ") };
    let probe = format!("{{service: interior/person-identity, {subject}every: 1m, expect: {expect}}}");
    let file = format!("consumer: {consumer}\npurpose: adsy-means-test\nrole: monitor\nprobes: {{interior: {probe}}}\n");
    vec![Write("consumers/monitor.yaml", monitor("[]")), Write("probes.yaml", String::leak(file))]
}

#[test]
fn a_sound_probe_is_taken_over() {
    let copy = Copy::new();
    probed("monitor", "subject: {fin: 5K7QX2O}", "FOUND", "fields: {surname: a}").iter().for_each(|edit| copy.apply(edit));
    let (snapshot, problems) = copy.load();
    assert!(problems.is_empty(), "{problems:?}");
    let probes = snapshot.probes.expect("probes");
    let probe = &probes.probes[&ProviderId::new("interior").expect("valid")];
    assert_eq!((probes.consumer.as_str(), probe.every.as_secs(), probe.outcome), ("monitor", 60, crate::Outcome::Found));
    assert_eq!(probe.fields["surname"], "a");
    // Who is asked about shows nowhere.
    assert!(!format!("{probes:?}").contains("5K7QX2O"));
}

/// A planned window of a provider.
fn planned(words: &str) -> Edit {
    let clause = "clause: \"634/4.1.4\"\n";
    let window = format!("{clause}windows: [{{{words}, effect: down, reason: {{az: a, en: a}}}}]\n");
    Replace("providers/taxes/provider.yaml", clause, String::leak(window))
}

fn sixty_more() -> &'static str {
    let more = |place| format!("  loans-{place}: {{service: credit-bureau/obligations-summary, for: [applicant], need: optional}}\n");
    String::leak(format!("elements:\n{}", (0..60).map(more).collect::<String>()))
}

fn too_wide() -> &'static str {
    let fields: Vec<_> = (0..130).map(|place| format!("f{place}: {{type: text, class: O}}")).collect();
    contract_with("everything", &fields.join(", "))
}

fn nothing_agreed() -> &'static str {
    contract_with("nothing", "photo: {type: bytes, class: S, agreed: false}")
}

fn contract_with(name: &str, fields: &str) -> &'static str {
    let text = TWO_INPUTS.replace("taxes/two", &format!("taxes/{name}")).replace("name: {type: text, class: O}", fields);
    String::leak(text)
}

#[test]
fn every_problem_has_its_rule_place_and_remedy() {
    let mut seen = BTreeSet::new();
    let mut report = String::new();
    let mut surprises = Vec::new();
    for (rule, what, edits) in cases() {
        let copy = Copy::new();
        edits.iter().for_each(|edit| copy.apply(edit));
        let (_, problems) = copy.load();
        report.push_str(&format!("# {rule}: {what}\n"));
        problems.iter().for_each(|(_, line)| report.push_str(&format!("{line}\n")));
        if problems.is_empty() || problems.iter().any(|(found, _)| *found != rule) {
            surprises.push(format!("{rule}: {what}: {problems:#?}"));
        }
        seen.insert(rule);
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    insta::assert_snapshot!(report);
    // Bounds of files and lists are tested elsewhere or by the schema's own library.
    let elsewhere = BTreeSet::from(["file-too-large", "too-many-files", "wrong-pattern"]);
    let untested: Vec<_> =
        rule::ALL.iter().map(|(name, _)| *name).filter(|name| !seen.contains(name) && !elsewhere.contains(name)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The errors that the agency catalogue asks for (section 4, last paragraph).
// clause: 634/6.1.3 634/6.2.4 634/6.2.12
#[test]
fn data_of_the_special_category_are_refused_where_they_serve_nothing() {
    let special_never = |consumer: &str, purpose: &str, act: &str, role: &str, special: &str| {
        let copy = tempfile::tempdir().expect("a temporary folder");
        copy_folder(&repository().join("contracts"), copy.path());
        let file = copy.path().join(format!("consumers/{consumer}.yaml"));
        let text = fs::read_to_string(&file).expect("a consumer").replace("grants: []", "grants:");
        let grant = format!(
            "  - {{service: justice/enforcement-debt, fields: all, purposes: [{purpose}], acts: [{act}, law-targeted-aid], {special}roles: [{role}]}}\n"
        );
        fs::write(&file, text + &grant).expect("a changed consumer");
        let mut problems = Problems::default();
        let snapshot = load(copy.path(), today(), &mut problems);
        // What is refused is no grant, whoever tolerates the problem.
        let consumer = &snapshot.consumers[&crate::ConsumerId::new(consumer).expect("valid")];
        assert!(consumer.grants.iter().all(|grant| grant.service.as_str() != "justice/enforcement-debt"));
        problems.into_sorted().iter().map(|problem| problem.rule).collect::<BTreeSet<_>>()
    };
    let declared = [
        ("doc-flow", "doc-flow", "decree-950", "clerk"),
        ("inspections", "inspections", "law-inspections", "inspector"),
        ("call-centre", "caller-check", "law-citizens-appeals", "operator"),
        ("tasks", "task-control", "decree-472", "controller"),
    ];
    for (consumer, purpose, act, role) in declared {
        let named = special_never(consumer, purpose, act, role, "special: [law-targeted-aid], ");
        assert!(named.contains(rule::SPECIAL_NEVER) && !named.contains(rule::SPECIAL_WITHOUT_ACT), "{consumer}: {named:?}");
        let unnamed = special_never(consumer, purpose, act, role, "");
        assert!(unnamed.contains(rule::SPECIAL_NEVER) && unnamed.contains(rule::SPECIAL_WITHOUT_ACT), "{consumer}: {unnamed:?}");
        // Nor for somebody else's purpose.
        assert!(special_never(consumer, "adsy-means-test", act, role, "special: [law-targeted-aid], ").contains(rule::SPECIAL_NEVER));
    }
    // Nor for their purposes by somebody else, since the purpose itself is declared.
    let by_another = special_never("sovqat", "task-control", "decree-472", "case-officer", "special: [law-targeted-aid], ");
    assert_eq!(by_another, BTreeSet::from([rule::SPECIAL_NEVER]));
}

#[test]
fn a_yes_or_no_bounds_what_the_question_may_ask_by() {
    let snapshot = loaded(&repository().join("contracts"));
    let grant = |consumer: &str, service: &str| {
        let grants = &snapshot.consumers[&crate::ConsumerId::new(consumer).expect("valid")].grants;
        grants.iter().find(|grant| grant.service.as_str() == service && grant.answer.is_some()).expect("a question").clone()
    };
    let death = grant("disability", "justice/family-acts");
    let rule = &death.rows[0];
    assert_eq!((&*rule.list, &*rule.field, rule.input.as_deref()), ("acts", "act_kind", Some("act_kinds")));
    assert_eq!((rule.allow.as_slice(), death.rows.len()), ([Box::from("death")].as_slice(), 1));
    let predicate = death.answer.expect("a question");
    assert!(death.fields.is_empty() && predicate.list.as_deref() == Some("acts") && predicate.conditions.len() == 3);
    let Condition::Some { list, conditions } = &predicate.conditions[2] else { panic!("{:?}", predicate.conditions) };
    assert!(&**list == "persons" && conditions.len() == 2 && conditions[1] == Condition::Asked { field: "fin".into() });
    // That there is a record tells what the record repeats of the question.
    let caller = grant("call-centre", "interior/person-identity").answer.expect("a question");
    let repeated: Vec<&str> =
        caller.leaves.iter().map(|index| &*service(&snapshot, "interior/person-identity").leaves[index].path).collect();
    assert_eq!(repeated, ["fin", "birth_date", "document_series", "document_number"]);
}

#[test]
fn the_guide_lists_every_rule() {
    let guide = fs::read_to_string(repository().join("docs/guide/check.md")).expect("the guide");
    let rows: Vec<_> = rule::ALL.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |")).collect();
    let missing: Vec<_> = rows.iter().filter(|row| !guide.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/guide/check.md lacks:\n{missing:#?}");
    let part = guide.split("<!-- mapping rules -->").next().expect("the first part");
    let listed = part.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(listed, rows.len(), "docs/guide/check.md lists rules that do not exist");
}

#[test]
fn the_grammars_page_names_every_key_and_its_examples_are_sound() {
    let page = fs::read_to_string(repository().join("contracts/README.md")).expect("the page");
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(&repository().join("contracts"), copy.path());
    let mut examples = 0;
    // A block stands under the name of its file: the whole file, or its end.
    for (above, block) in page.split("```").collect::<Vec<_>>().chunks(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?))) {
        let line = above.trim_end().lines().last().expect("a name");
        let file = line.split('`').nth(1).and_then(|file| file.strip_prefix("contracts/")).expect("a file's name");
        let text = block.strip_prefix("yaml\n").expect("a block of YAML");
        let before = if line.starts_with("At the end") { fs::read_to_string(copy.path().join(file)).expect(file) } else { String::new() };
        fs::write(copy.path().join(file), before + text).expect(file);
        examples += 1;
    }
    assert_eq!(examples, 10);
    let mut problems = Problems::default();
    load(copy.path(), today(), &mut problems);
    assert!(problems.as_slice().is_empty(), "{:#?}", problems.as_slice());

    let words: BTreeSet<&str> = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    for (name, schema) in schemas() {
        let unnamed: Vec<_> = keys_of(&schema).into_iter().filter(|key| !words.contains(&**key)).collect();
        assert!(unnamed.is_empty(), "contracts/README.md does not name {unnamed:?} of {name}");
    }
}

/// The keys that a schema knows, at every depth.
fn keys_of(schema: &serde_json::Value) -> BTreeSet<String> {
    match schema {
        serde_json::Value::Object(members) => {
            let own = members.get("properties").and_then(serde_json::Value::as_object).into_iter().flat_map(|keys| keys.keys().cloned());
            own.chain(members.values().flat_map(keys_of)).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(keys_of).collect(),
        _ => BTreeSet::new(),
    }
}

/// The checks outside this crate name their rules where they apply them: every hyphenated word in
/// quotes there is a rule, but for these: a type's word and one of serde's.
const NO_RULES: &[&str] = &["partial-date", "kebab-case"];

#[test]
fn the_guide_lists_the_rules_of_mappings_and_configuration() {
    let guide = fs::read_to_string(repository().join("docs/guide/check.md")).expect("the guide");
    let listed: BTreeSet<&str> = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let quoted = regex_lite::Regex::new(r#""([a-z]+(?:-[a-z]+)+)""#).expect("an expression");
    let mapping = repository().join("crates/mapping/src");
    let mut sources =
        vec![mapping.join("compile.rs"), mapping.join("example.rs"), repository().join("src/data.rs"), repository().join("src/config.rs")];
    sources.extend(fs::read_dir(mapping.join("compile")).expect("the compiler").flatten().map(|entry| entry.path()));
    let mut unlisted = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.ends_with("tests.rs")) {
        let text = fs::read_to_string(source).expect("a source");
        let code = text.split("#[cfg(test)]").next().expect("the first part");
        let words = quoted.captures_iter(code).filter_map(|found| Some(found.get(1)?.as_str().to_owned()));
        unlisted.extend(words.filter(|word| !listed.contains(word.as_str()) && !NO_RULES.contains(&word.as_str())));
    }
    assert!(unlisted.is_empty(), "docs/guide/check.md lacks {unlisted:?}");
}

#[test]
fn all_problems_of_all_files_are_reported_at_once() {
    let copy = Copy::new();
    copy.apply(&Replace(IDENTITY, "{via: ehis}", "{via: direct}"));
    copy.apply(&Replace(IDENTITY, "timeout: 5s", "timeout: soon"));
    copy.apply(&Replace(SOVQAT, "given_name", "first_name"));
    copy.apply(&Replace(SOVQAT, "[sovqat-queue]", "[curiosity]"));
    copy.apply(&Replace(DOSSIER, "{months_ago: 12}", "{months: 12}"));
    let (snapshot, problems) = copy.load();
    let rules: Vec<_> = problems.iter().map(|(rule, _)| *rule).collect();
    // The grant for the broken contract is not said to be for an unknown service, nor are its fields
    // judged without it.
    assert_eq!(rules, ["unknown-purpose", "wrong-form", "direct-without-reason", "wrong-duration"]);
    assert!(!snapshot.services.contains_key(&ServiceId::new("interior/person-identity").expect("valid")));
    assert_eq!(snapshot.services.len(), 7);
    assert_eq!(snapshot.broken.iter().map(ServiceId::as_str).collect::<Vec<_>>(), ["interior/person-identity"]);
    assert!(snapshot.consumers.values().all(|consumer| consumer.grants.iter().all(|grant| snapshot.services.contains_key(&grant.service))));
    assert!(snapshot.dossiers.is_empty());
}

#[test]
fn what_has_lapsed_stays_in_the_snapshot_for_the_policy_to_refuse() {
    let copy = Copy::new();
    copy.apply(&Replace(IDENTITY, "valid_until: 2028-01-14", "valid_until: 2026-03-11"));
    let (snapshot, problems) = copy.load();
    assert_eq!(problems.len(), 1);
    assert_eq!(snapshot.services.len(), 8);
    assert_eq!(snapshot.dossiers.len(), 1);
}

#[test]
fn a_certificate_name_claimed_twice_names_nobody() {
    let copy = Copy::new();
    copy.apply(&Replace(SOVQAT, "sovqat.meis.test", "social-payments.meis.test"));
    let (snapshot, _) = copy.load();
    assert!(snapshot.consumer_by_certificate_name("social-payments.meis.test").is_none());
    assert!(snapshot.consumer_by_certificate_name("targeted-aid.meis.test").is_some());
}

#[test]
fn files_and_their_number_are_bounded() {
    let copy = Copy::new();
    let root = copy.0.path();
    fs::write(root.join("purposes.yaml"), "#".repeat((1 << 20) + 1)).expect("a large file");
    fs::create_dir(root.join("consumers/deep")).expect("a folder");
    for place in 0..=FILES_MAX {
        fs::write(root.join(format!("dossiers/x{place}.yaml")), "").expect("a file");
    }
    let (_, problems) = copy.load();
    let rules: BTreeSet<_> = problems.iter().map(|(rule, _)| *rule).collect();
    assert!(rules.contains("file-too-large") && rules.contains("too-many-files") && rules.contains("unexpected-file"), "{rules:?}");
}

#[test]
fn a_missing_folder_is_one_problem() {
    let mut problems = Problems::default();
    let snapshot = load(Path::new("no/such/folder"), today(), &mut problems);
    assert!(snapshot.services.is_empty());
    assert!(problems.as_slice().iter().all(|problem| problem.rule == "unreadable-file"), "{problems:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 128, ..proptest::test_runner::Config::default() })]

    /// Whatever a writer's hand does to a file, the check ends with problems or a sound snapshot, and
    /// every problem lies inside the file.
    #[test]
    fn a_damaged_file_never_stops_the_check(file in proptest::sample::select(vec![IDENTITY, CONSUMPTION, AID, DOSSIER, "acts.yaml"]), at in 0.0..1.0_f64, cut in 0..40_usize, put in "[a-z0-9:{}\\[\\],\"&*!#\\- \n\tə]{0,12}") {
        let copy = Copy::new();
        let path = copy.0.path().join(file);
        let text: Vec<char> = fs::read_to_string(&path).expect(file).chars().collect();
        let place = (0..text.len()).find(|place| f64::from(u32::try_from(*place).expect("small")) >= at * f64::from(u32::try_from(text.len()).expect("small"))).unwrap_or(0);
        let damaged: String = text.iter().take(place).copied().chain(put.chars()).chain(text.iter().skip(place + cut).copied()).collect();
        fs::write(&path, &damaged).expect(file);
        let mut problems = Problems::default();
        let snapshot = load(copy.0.path(), today(), &mut problems);
        let lines = damaged.lines().count() + 1;
        for problem in problems.as_slice().iter().filter(|problem| problem.file == path) {
            proptest::prop_assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem}");
        }
        for grant in snapshot.consumers.values().flat_map(|consumer| &consumer.grants) {
            let service = snapshot.services.get(&grant.service).expect("a grant only for a sound contract");
            proptest::prop_assert!(!grant.acts.is_empty() && grant.fields.is_subset(crate::FieldSet::first(service.leaves.len())));
        }
        for (place, element) in snapshot.dossiers.values().flat_map(|dossier| dossier.elements.iter().enumerate()) {
            let service = snapshot.services.get(&element.service).expect("an element only for a sound contract");
            proptest::prop_assert!(element.after.is_sorted_by(|a, b| a < b) && element.after.iter().all(|needed| *needed < place));
            for (name, source) in &element.inputs {
                proptest::prop_assert!(service.inputs.iter().any(|input| input.name == *name));
                if let InputSource::Answer(answer) = source {
                    proptest::prop_assert!(element.after.contains(&answer.element));
                }
            }
        }
    }

    /// Whatever elements need, the check says exactly what stands in the way: a circle is a circle, a
    /// later element is a later one, and what is left needs only what stands above it.
    #[test]
    fn elements_stand_after_all_they_need(edges in proptest::collection::btree_set((0..6_usize, 0..6_usize), 0..9)) {
        let copy = Copy::new();
        let mut text = fs::read_to_string(copy.0.path().join(DOSSIER)).expect(DOSSIER);
        let (head, _) = text.split_once("elements:\n").expect("elements");
        text = format!("{head}elements:\n");
        for place in 0..6 {
            let needs: Vec<_> =
                edges.iter().filter(|(own, _)| *own == place).map(|(_, needed)| format!("{{answer: e{needed}.fin, given: true}}")).collect();
            let needs = needs.join(", ");
            text.push_str(&format!("  e{place}: {{service: interior/person-identity, for: [applicant], need: optional, when: [{needs}]}}\n"));
        }
        fs::write(copy.0.path().join(DOSSIER), text).expect(DOSSIER);
        let (snapshot, problems) = copy.load();

        let mut reaches = [[false; 6]; 6];
        edges.iter().for_each(|(own, needed)| reaches[*own][*needed] = true);
        for (by, from, to) in (0..216).map(|place| (place / 36, place / 6 % 6, place % 6)) {
            reaches[from][to] |= reaches[from][by] && reaches[by][to];
        }
        let forward: Vec<_> = edges.iter().filter(|(own, needed)| needed >= own).collect();
        let mut expected: Vec<_> =
            forward.iter().map(|(own, needed)| if own == needed || reaches[*needed][*own] { "element-cycle" } else { "element-order" }).collect();
        let mut found: Vec<_> = problems.iter().map(|(rule, _)| *rule).collect();
        expected.sort_unstable();
        found.sort_unstable();
        proptest::prop_assert_eq!(found, expected);
        // Every element of a circle is named in it.
        for (_, line) in problems.iter().filter(|(_, line)| line.contains("need each other: ")) {
            let way: Vec<usize> = line.split("need each other: ").nth(1).and_then(|rest| rest.split(", accepted").next()).expect("a way")
                .split(" → ").map(|name| name.trim_start_matches('e').parse().expect("an element")).collect();
            proptest::prop_assert!(way.len() > 2 && way.first() == way.last());
            proptest::prop_assert!(way.windows(2).all(|step| edges.contains(&(step[0], step[1]))), "{}", line);
        }
        if forward.is_empty() {
            let dossier = snapshot.dossiers.values().next().expect("sound");
            for (place, element) in dossier.elements.iter().enumerate() {
                let needed: Vec<_> = edges.iter().filter(|(own, _)| *own == place).map(|(_, needed)| *needed).collect();
                proptest::prop_assert_eq!(&element.after, &needed);
            }
        }
    }
}

#[test]
fn a_season_tightens_terms_in_its_months_alone() {
    let copy = Copy::new();
    copy.apply(&Replace(
        INCOME,
        "lifetime: 6h\n",
        "lifetime: 6h\nseasons: [{months: [8], lifetime: 1h, absence: unknown}, {months: [9], lifetime: 2h}]\n",
    ));
    let (snapshot, problems) = copy.load();
    assert!(problems.is_empty(), "{problems:?}");
    let service = snapshot.services.values().find(|service| service.id.as_str() == "taxes/person-income").expect("the service");
    let terms = |month| {
        let day = jiff::civil::date(2026, month, 15);
        (service.lifetime_on(day).as_secs() / 3600, service.absence_on(day))
    };
    assert_eq!([terms(7), terms(8), terms(9)], [(6, crate::Absence::Fact), (1, crate::Absence::Unknown), (2, crate::Absence::Fact)]);
}
