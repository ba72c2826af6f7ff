use proptest::prelude::*;
use seal::NodeKey;
use serde_json::json;

use super::*;
use crate::record::Kind;

fn key() -> IndexKey {
    IndexKey::new(&NodeKey::from_bytes([5; 32]))
}

fn ms(at: &str) -> u64 {
    u64::try_from(at.parse::<Timestamp>().expect("a moment").as_millisecond()).expect("after 1970")
}

#[test]
fn months_are_bakus_and_their_edges_overlap() {
    // The key of a month is changed up to a minute late, so an hour round midnight belongs to both.
    let names = |first: &str, last: &str| months(ms(first), ms(last)).into_iter().map(|(month, _)| month).collect::<Vec<_>>();
    assert_eq!(names("2026-11-15T00:00:00Z", "2026-11-15T00:00:00Z"), ["2026-11"]);
    assert_eq!(names("2026-11-30T20:00:10Z", "2026-11-30T20:00:10Z"), ["2026-11", "2026-12"]);
    assert_eq!(names("2026-11-30T18:00:00Z", "2026-11-30T18:00:00Z"), ["2026-11"]);
    assert_eq!(names("2025-12-31T12:00:00Z", "2026-02-01T12:00:00Z"), ["2025-12", "2026-01", "2026-02"]);
    let november = &months(ms("2026-11-15T00:00:00Z"), ms("2026-11-15T00:00:00Z"))[0].1;
    assert!(november.contains(&ms("2026-11-30T20:00:30Z")) && november.contains(&ms("2026-12-20T00:00:00Z")));
    assert!(!november.contains(&ms("2027-01-02T00:00:00Z")) && !november.contains(&ms("2026-10-31T18:00:00Z")));
    // Whatever a damaged entry says of its time.
    assert!(months(u64::MAX - 1, u64::MAX).is_empty());
    assert_eq!(names("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"), ["1970-01"]);
}

#[test]
fn an_entry_is_found_by_everything_it_says_and_by_its_kind_when_it_says_nothing_readable() {
    let key = key();
    let token = [7_u8; 16];
    let text = base64_of(&token);
    let metadata = json!({
        "consumer": "targeted-aid", "official": "robot:x", "responsible": "AZ-0001", "service": "interior/person-identity",
        "purpose": "adsy-means-test", "case": "c-1", "subjects": [text], "related": [text, "not base64!", "c2hvcnQ"],
        "given": [{"outcome": "FOUND"}, {"outcome": "FOUND"}, {"outcome": null}], "later": {"version": ["knows", 1]},
    });
    let found = terms::of(&key, Kind::Disclosed.number(), metadata.to_string().as_bytes());
    let expected = [
        (terms::KIND, "disclosed"),
        (terms::CONSUMER, "targeted-aid"),
        (terms::OFFICIAL, "robot:x"),
        (terms::OFFICIAL, "AZ-0001"),
        (terms::SERVICE, "interior/person-identity"),
        (terms::PURPOSE, "adsy-means-test"),
        (terms::CASE, "c-1"),
        (terms::PROVIDER, "interior"),
        (terms::OUTCOME, "FOUND"),
    ];
    let mut expected: Vec<_> = expected.iter().map(|(field, value)| key.term(field, value.as_bytes())).collect();
    expected.push(key.term(terms::SUBJECT, &token));
    assert_eq!(found.terms, expected);
    let kind_alone = terms::of(&key, 250, b"\xff not JSON");
    assert_eq!((kind_alone.terms.len(), kind_alone.same.len()), (1, 0));
    let denied = terms::of(&key, Kind::Denied.number(), b"{}");
    assert!(denied.terms.contains(&key.term(terms::OUTCOME, b"DENIED")));
}

#[test]
fn a_filter_is_journalled_without_identifiers_and_shown_nowhere() {
    let mut broken = Vec::new();
    let filter = json!({"subject": [{"fin": "5K7QX2O"}], "case": "c-1", "from": "2026-01-01T00:00:00+04:00"});
    let filter = Filter::read(Some(&filter), "/filter", model::Profile::Test, &mut broken);
    assert_eq!(broken, []);
    let record = filter.record(|_| "token".to_owned());
    assert_eq!(record, json!({"subjects": ["token"], "case": ["c-1"], "from": "2026-01-01T00:00:00+04:00"}));
    assert!(!format!("{filter:?}").contains("5K7QX2O"));
    assert_eq!(Filter::of(terms::CASE, "c-1").one_case(), Some("c-1"));
    assert_eq!(filter.one_case(), None);
    assert_eq!(Filter::default().one_case(), None);
}

proptest! {
    #[test]
    fn a_cursor_reads_back_and_nothing_else_is_one(origin in "[a-z0-9][a-z0-9.-]{0,20}", before: u64, text in ".{0,30}") {
        let cursor = Cursor { origin, before };
        prop_assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        if let Some(cursor) = Cursor::parse(&text) {
            prop_assert_eq!(cursor.text(), text);
        }
    }
}
