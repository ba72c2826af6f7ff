//! Answers that repeat their question, and answers to another one.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::contract::{FieldKind, Service};
use crate::subject::{Document, DocumentSubject, Subject};
use crate::{Facts, Problems, Record, Repeated, ServiceId, Snapshot, Value};

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let mut problems = Problems::default();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contracts");
        let snapshot = crate::load::load(&folder, date(2026, 3, 12), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        snapshot
    })
}

fn service(id: &str) -> &'static Arc<Service> {
    &snapshot().services[&ServiceId::new(id).expect("valid")]
}

/// Facts with these values; every other field is empty.
fn facts(id: &str, values: &[(&str, Value)]) -> Facts {
    let service = Arc::clone(service(id));
    let value = |name: &str| values.iter().find(|(own, _)| *own == name).map_or(Value::Null, |(_, value)| value.clone());
    let record = Record { values: service.shape.fields.iter().map(|field| value(&field.name)).collect() };
    Facts { service, record, flags: Vec::new() }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn fin(fin: &str) -> Subject {
    Subject::Fin(fin.to_owned())
}

fn asked() -> Timestamp {
    "2026-03-12T08:00:00Z".parse().expect("a moment")
}

/// The field that contradicts the question.
fn contradiction(facts: &Facts, subject: Option<&Subject>, inputs: &[(&str, Value)]) -> Option<String> {
    let inputs: Vec<_> = inputs.iter().map(|(name, value)| (Box::from(*name), value.clone())).collect();
    facts.service.contradiction(facts, subject, &inputs, asked()).map(|rule| rule.field.to_string())
}

/// The same of an answer without a record, whose place these facts fill.
fn without_record(facts: &Facts, demanded: bool, subject: Option<&Subject>, inputs: &[(&str, Value)]) -> Option<String> {
    let inputs: Vec<_> = inputs.iter().map(|(name, value)| (Box::from(*name), value.clone())).collect();
    let repeated = Repeated::of(&facts.service, Some(facts.record.clone()), demanded);
    facts.service.contradiction_without_record(&repeated, subject, &inputs, asked()).map(|rule| rule.field.to_string())
}

const IDENTITY: &str = "interior/person-identity";
const SUBSCRIBER: &str = "azerishiq/subscriber";
const APPLICATION: &str = "justice/notarial-application";
const LOANS: &str = "credit-bureau/obligations-summary";

fn by_document(series: &str, number: &str, birth_date: Date) -> Subject {
    Subject::Document(DocumentSubject { document: Document { series: series.to_owned(), number: number.to_owned() }, birth_date })
}

fn identity(fin: &str, series: &str, number: &str, birth_date: &str) -> Facts {
    let values =
        [("fin", text(fin)), ("document_series", text(series)), ("document_number", text(number)), ("birth_date", text(birth_date))];
    facts(IDENTITY, &values)
}

#[test]
fn a_question_by_fin_is_answered_about_that_fin_alone() {
    let answer = identity("5K7QX2O", "ZZ", "0012345", "1985-03-14");
    assert_eq!(contradiction(&answer, Some(&fin("5K7QX2O")), &[]), None);
    assert_eq!(contradiction(&answer, Some(&fin("3M9RT4O")), &[]).as_deref(), Some("fin"));
}

#[test]
fn a_question_by_document_is_answered_about_every_part_of_it() {
    let subject = by_document("ZZ", "0012345", date(1985, 3, 14));
    let check = |series, number, birth_date| contradiction(&identity("5K7QX2O", series, number, birth_date), Some(&subject), &[]);
    assert_eq!(check("ZZ", "0012345", "1985-03-14"), None);
    assert_eq!(check("ZX", "0012345", "1985-03-14").as_deref(), Some("document_series"));
    // A number is no number: its zeros count.
    assert_eq!(check("ZZ", "12345", "1985-03-14").as_deref(), Some("document_number"));
    assert_eq!(check("ZZ", "0012345", "1985-03-15").as_deref(), Some("birth_date"));
    assert_eq!(check("ZZ", "0012345", "1985").as_deref(), Some("birth_date"));
}

#[test]
fn an_empty_field_confirms_nothing() {
    assert_eq!(contradiction(&facts(IDENTITY, &[]), Some(&fin("5K7QX2O")), &[]).as_deref(), Some("fin"));
    assert_eq!(contradiction(&facts(LOANS, &[]), Some(&fin("5K7QX2O")), &[]).as_deref(), Some("generated_at"));
}

#[test]
fn what_a_question_lacks_is_not_asked_back() {
    assert_eq!(contradiction(&identity("5K7QX2O", "", "", ""), None, &[]), None);
    let pin = Subject::Pin("5K7QX2O".to_owned());
    assert_eq!(contradiction(&identity("3M9RT4O", "", "", ""), Some(&pin), &[]), None);
}

#[test]
fn an_input_lifts_the_rule_that_names_it() {
    let other = facts(SUBSCRIBER, &[("holder_fin", text("3M9RT4O"))]);
    let subject = fin("5K7QX2O");
    assert_eq!(contradiction(&other, Some(&subject), &[]).as_deref(), Some("holder_fin"));
    assert_eq!(contradiction(&other, Some(&subject), &[("address_code", text("TEST-ADR-000001"))]), None);
    assert_eq!(contradiction(&other, Some(&subject), &[("another", text("x"))]).as_deref(), Some("holder_fin"));
}

fn application(number: &str, count: Value, members: Option<usize>) -> Facts {
    let items = members.map_or(Value::Null, |count| Value::Records(vec![Record { values: Vec::new() }; count]));
    let values = [("application_no", text(number)), ("representative_fin", text("5K7QX2O")), ("member_count", count), ("members", items)];
    facts(APPLICATION, &values)
}

#[test]
fn an_input_is_repeated_and_items_are_counted() {
    let check = |number, count, members| {
        let inputs = [("application_no", text("TEST-NOT-2026-0042"))];
        contradiction(&application(number, count, members), Some(&fin("5K7QX2O")), &inputs)
    };
    let number = "TEST-NOT-2026-0042";
    assert_eq!(check(number, Value::Int(3), Some(3)), None);
    assert_eq!(check(number, Value::Int(0), Some(0)), None);
    assert_eq!(check(number, Value::Int(0), None), None);
    assert_eq!(check("TEST-NOT-2026-0043", Value::Int(3), Some(3)).as_deref(), Some("application_no"));
    for (count, members) in [(Value::Int(2), 3), (Value::Int(-1), 0), (Value::Null, 0), (text("3"), 3)] {
        assert_eq!(check(number, count, Some(members)).as_deref(), Some("member_count"));
    }
    // The first rule in the contract's order is the one named.
    assert_eq!(check("", Value::Int(2), Some(3)).as_deref(), Some("application_no"));
}

#[test]
fn a_report_older_than_its_question_is_found_out_in_any_zone() {
    let check = |moment| contradiction(&facts(LOANS, &[("generated_at", text(moment))]), Some(&fin("5K7QX2O")), &[]);
    for good in ["2026-03-12T12:00:01+04:00", "2026-03-12T08:00:00Z", "2026-03-12T11:59:00+04:00", "2026-03-13T00:00:00+04:00"] {
        assert_eq!(check(good), None, "{good}");
    }
    for bad in ["2026-03-12T11:58:59+04:00", "2026-03-12T07:58:59Z", "2025-03-12T12:00:00+04:00", "2026-03-12", "soon", ""] {
        assert_eq!(check(bad).as_deref(), Some("generated_at"), "{bad}");
    }
}

#[test]
fn without_a_record_what_is_told_must_agree_and_what_is_not_says_nothing() {
    let subject = fin("5K7QX2O");
    for demanded in [false, true] {
        assert_eq!(without_record(&identity("5K7QX2O", "", "", ""), demanded, Some(&subject), &[]), None);
        assert_eq!(without_record(&identity("3M9RT4O", "", "", ""), demanded, Some(&subject), &[]).as_deref(), Some("fin"));
    }
    let nothing = facts(IDENTITY, &[]);
    assert_eq!(without_record(&nothing, false, Some(&subject), &[]), None);
    assert_eq!(without_record(&nothing, true, Some(&subject), &[]).as_deref(), Some("fin"));
    // Nothing is asked back that the question does not have, demanded or not.
    assert_eq!(without_record(&nothing, true, None, &[]), None);
    let other = facts(SUBSCRIBER, &[("holder_fin", text("3M9RT4O"))]);
    assert_eq!(without_record(&other, true, Some(&subject), &[("address_code", text("TEST-ADR-000001"))]), None);
    let old = facts(LOANS, &[("generated_at", text("2025-03-12T12:00:00+04:00"))]);
    assert_eq!(without_record(&old, false, Some(&subject), &[]).as_deref(), Some("generated_at"));
}

#[test]
fn an_answer_without_a_place_for_a_record_says_nothing_unless_it_must() {
    let (service, subject) = (service(IDENTITY), fin("5K7QX2O"));
    let check = |repeated: &Repeated| service.contradiction_without_record(repeated, Some(&subject), &[], asked()).map(|rule| &*rule.field);
    assert_eq!(check(&Repeated::default()), None);
    assert_eq!(check(&Repeated::of(service, None, false)), None);
    assert_eq!(check(&Repeated::of(service, None, true)), Some("fin"));
    assert!(Repeated::default().is_empty() && Repeated::of(service, Some(facts(IDENTITY, &[]).record), false).is_empty());
}

#[test]
fn a_count_of_none_agrees_with_an_empty_list_and_names_nobody() {
    let check = |count, members, demanded| without_record(&application("1", count, members), demanded, None, &[]);
    assert_eq!(check(Value::Int(0), Some(0), true), None);
    assert_eq!(check(Value::Int(0), None, true), None);
    assert_eq!(check(Value::Int(3), Some(0), false).as_deref(), Some("member_count"));
    assert_eq!(check(Value::Null, Some(0), false), None);
    assert_eq!(check(Value::Null, Some(0), true).as_deref(), Some("member_count"));
    let named = facts(APPLICATION, &[("member_count", Value::Int(0))]);
    assert_eq!(without_record(&named, true, Some(&fin("5K7QX2O")), &[]).as_deref(), Some("representative_fin"));
}

#[test]
fn of_an_answer_without_a_record_only_what_it_repeats_is_kept() {
    let mut facts = application("1", Value::Int(2), Some(2));
    for value in facts.record.values.iter_mut().filter(|value| **value == Value::Null) {
        *value = text("Sınaqlı");
    }
    let repeated = Repeated::of(&facts.service, Some(facts.record), false);
    let kept: Vec<_> = repeated.told.iter().map(|told| (told.value.clone(), told.items)).collect();
    assert_eq!(kept, [(Some(text("1")), 0), (Some(text("5K7QX2O")), 0), (Some(Value::Int(2)), 2)]);
    let shown = format!("{repeated:?}");
    assert!(!shown.contains("5K7QX2O"), "{shown}");
}

fn fins() -> impl Strategy<Value = String> {
    "[0-9A-HJ-NP-Z]{6}O"
}

/// Values that no mapping would give, too: this code must not rely on one.
fn value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        ".{0,30}".prop_map(|text| Value::Text(text.into())),
        "[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z)?".prop_map(|text| Value::Text(text.into())),
    ];
    prop_oneof![
        4 => plain.clone(),
        1 => proptest::collection::vec(plain, 0..4).prop_map(Value::Values),
        1 => (0..4_usize).prop_map(|count| Value::Records(vec![Record { values: Vec::new() }; count])),
    ]
}

proptest! {
    #[test]
    fn another_person_is_always_found_out(asked_about in fins(), answered in fins()) {
        let subject = fin(&asked_about);
        for (id, field) in [(IDENTITY, "fin"), (SUBSCRIBER, "holder_fin"), ("taxes/person-income", "fin")] {
            let found = contradiction(&facts(id, &[(field, text(&answered))]), Some(&subject), &[]);
            prop_assert_eq!(found.is_none(), asked_about == answered);
            let found = without_record(&facts(id, &[(field, text(&answered))]), false, Some(&subject), &[]);
            prop_assert_eq!(found.is_none(), asked_about == answered);
        }
    }

    #[test]
    fn another_document_is_always_found_out(
        (series, number) in ("[A-Z]{2}", "[0-9]{7}"),
        (other_series, other_number) in ("[A-Z]{2}", "[0-9]{7}"),
        (day, other_day) in (0..20_000_i64, 0..20_000_i64),
        which in 0..4_usize,
    ) {
        let on = |days: i64| date(1950, 1, 1).saturating_add(jiff::Span::new().days(days));
        let subject = by_document(&series, &number, on(day));
        let (told_series, told_number, told_day) = match which {
            0 => (&other_series, &number, on(day)),
            1 => (&series, &other_number, on(day)),
            2 => (&series, &number, on(other_day)),
            _ => (&series, &number, on(day)),
        };
        let same = (told_series, told_number, told_day) == (&series, &number, on(day));
        let found = contradiction(&identity("5K7QX2O", told_series, told_number, &told_day.to_string()), Some(&subject), &[]);
        prop_assert_eq!(found.is_none(), same);
    }

    #[test]
    fn a_count_agrees_with_its_items_alone(count in -2..8_i64, members in 0..8_usize) {
        let inputs = [("application_no", text("1"))];
        let found = contradiction(&application("1", Value::Int(count), Some(members)), Some(&fin("5K7QX2O")), &inputs);
        prop_assert_eq!(found.is_none(), usize::try_from(count) == Ok(members));
    }

    #[test]
    fn clocks_may_differ_by_a_minute_and_no_more(millis in -200_000..200_000_i64) {
        let at = asked() + SignedDuration::from_millis(millis);
        for moment in [at.to_string(), crate::time::rfc3339(at)] {
            let found = contradiction(&facts(LOANS, &[("generated_at", text(&moment))]), None, &[]);
            prop_assert_eq!(found.is_none(), millis >= -60_000, "{}", moment);
        }
    }

    #[test]
    fn no_values_stop_it_and_only_a_confirming_field_is_named(
        values in proptest::collection::vec(value(), 0..20),
        inputs in proptest::collection::vec((prop_oneof![Just("application_no"), Just("address_code"), Just("x")], value()), 0..3),
        subject in proptest::option::of(prop_oneof![fins().prop_map(Subject::Fin), fins().prop_map(Subject::Pin), "[0-9]{10}".prop_map(Subject::Tin)]),
    ) {
        for service in snapshot().services.values() {
            // Also a record shorter than its shape.
            let record = Record { values: values.iter().take(service.shape.fields.len()).cloned().collect() };
            let facts = Facts { service: Arc::clone(service), record, flags: Vec::new() };
            let strict = without_record(&facts, true, subject.as_ref(), &inputs);
            // Demanding everything is to be held to the question as a record is, and never laxer than not demanding it.
            prop_assert_eq!(&strict, &contradiction(&facts, subject.as_ref(), &inputs));
            prop_assert!(strict.is_some() || without_record(&facts, false, subject.as_ref(), &inputs).is_none());
            if let Some(named) = contradiction(&facts, subject.as_ref(), &inputs) {
                let scalar = |field: &crate::FieldDef| *field.name == *named && matches!(field.kind, FieldKind::Scalar { .. });
                prop_assert!(service.confirms.iter().any(|rule| *rule.field == *named) && service.shape.fields.iter().any(scalar));
            }
        }
    }
}
