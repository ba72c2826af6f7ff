use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::Path;

use journal::{Options, Origin, SigningKey};
use model::contract::{ELEMENTS_MAX, FIELDS_MAX, PERSONS_MAX};
use proptest::prelude::*;
use seal::NodeKey;
use seal::entry::BODY_OVERHEAD;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::disclosure::{Divided, divide};
use super::*;

const ORIGIN: &str = "record.test";

/// The longest text of a question's members.
fn longest() -> String {
    "x".repeat(64)
}

/// A question with the longest texts that an envelope takes.
fn question(text: &str) -> Question<'_> {
    Question {
        request_id: Uuid::max(),
        dossier_id: Some(Uuid::max()),
        consumer: text,
        service: text,
        version: "65535.65535.65535",
        purpose: text,
        emergency: None,
        act: text,
        case: text,
        official: text,
        responsible: Some(text),
        role: text,
        configuration: text,
        assurance: None,
        assertion_sha256: None,
        premises: None,
        on_behalf_of: None,
    }
}

fn fin(number: usize) -> Subject {
    Subject::Fin(format!("{number:06}O"))
}

/// A stand-in for the keyed token, of the same length.
fn token(subject: &Subject) -> String {
    let Subject::Fin(fin) = subject else { unreachable!("the tests name nobody in another way") };
    format!("token-of-{fin:>13}")
}

/// The metadata of all parts, as they are written when the entries before them stand at 10, 20, ….
fn entries(divided: &Divided) -> Vec<Vec<u8>> {
    let mut before: Vec<Place> = Vec::new();
    let parts = divided.rest.iter().chain(iter::once(&divided.last));
    let write = |part| {
        let metadata = divided.metadata(part, &before).expect("JSON");
        before.push(Place { index: 10 * (before.len() as u64 + 1), leaf_hash: Hash::default() });
        metadata
    };
    parts.map(write).collect()
}

/// The items that an entry tells of, each with the fields it gives.
fn told(entry: &Json) -> Vec<Json> {
    let items = entry["given"].as_array().expect("what is given");
    let told = |item: &Json| {
        let mut item = item.clone();
        let members = item.as_object_mut().expect("an object");
        if let Some(same) = members.remove("fields_as") {
            let same = usize::try_from(same.as_u64().expect("a place")).expect("small");
            members.insert("fields".to_owned(), items[same]["fields"].clone());
        }
        item
    };
    items.iter().map(told).collect()
}

fn plain(given: &Given<'_>) -> Json {
    let mut item = json!({"rests_on": given.rests_on, "outcome": given.outcome, "fields": given.fields});
    if let Some(element) = given.element {
        item["element"] = json!(element);
    }
    if let Some(via) = given.via {
        item["via"] = json!(via);
    }
    item
}

/// What holds of every disclosure, read back without anything but its entries.
fn check(disclosure: &Disclosure<'_>) -> usize {
    let divided = divide(disclosure, token).expect("not too many parts");
    let entries = entries(&divided);
    let count = entries.len();
    let mut told_of: BTreeMap<usize, Vec<Json>> = BTreeMap::new();
    for (number, bytes) in entries.iter().enumerate() {
        assert!(bytes.len() + BODY_OVERHEAD <= BODY_BYTES_MAX, "part {number} of {count} has {} bytes", bytes.len());
        let entry: Json = serde_json::from_slice(bytes).expect("JSON");
        assert_eq!(entry["request_id"], json!(Uuid::max()));
        let part = match (count, number + 1) {
            (1, _) => Json::Null,
            (_, last) if last == count => {
                let before: Vec<usize> = (1..count).map(|place| 10 * place).collect();
                json!({"number": last, "of": count, "before": before})
            }
            (_, number) => json!({"number": number, "of": count}),
        };
        assert_eq!(entry["part"], part);
        // Its persons are those of its items, and no others.
        let own = disclosure.given.iter().zip(&divided.part_of).filter(|(_, part)| **part == number).map(|(given, _)| given);
        let subjects: BTreeSet<String> = own.filter_map(|given| given.subject).map(token).collect();
        assert_eq!(entry["subjects"], json!(subjects));
        told_of.insert(number, told(&entry));
    }
    // Each item stands once, in the part that is said to tell of it.
    for (given, part) in disclosure.given.iter().zip(&divided.part_of) {
        let items = told_of.get_mut(part).expect("a part");
        let place = items.iter().position(|item| *item == plain(given)).unwrap_or_else(|| panic!("{given:?} is not in part {part}"));
        items.remove(place);
    }
    assert!(told_of.values().all(Vec::is_empty), "nothing else is told: {told_of:?}");
    count
}

/// A path as deep and as long as a contract may have it.
fn path(list: usize, field: usize) -> String {
    let name = |level: usize| format!("{:x<64}", format!("e{list}_f{field}_l{level}_"));
    format!("{}[].{}[].{}[].{}", name(0), name(1), name(2), name(3))
}

/// Every element about every person, found, with every field of the largest contracts, in this order of
/// elements and persons.
fn largest(order: impl Fn(usize) -> (usize, usize), check: impl FnOnce(&Disclosure<'_>)) {
    let text = longest();
    let question = question(&text);
    let names: Vec<String> = (0..ELEMENTS_MAX).map(|element| format!("{:x<64}", format!("element-{element}-"))).collect();
    // Half of the answers were read under an older version of their contract.
    let paths: Vec<Vec<String>> = (0..2 * ELEMENTS_MAX).map(|list| (0..FIELDS_MAX).map(|field| path(list, field)).collect()).collect();
    let persons: Vec<Subject> = (0..PERSONS_MAX).map(fin).collect();
    let given = |place: usize| {
        let (element, person) = order(place);
        Given {
            emergency: None,
            subject: Some(&persons[person]),
            element: Some(&names[element]),
            rests_on: Some(u64::MAX - place as u64),
            outcome: Some(Outcome::Found),
            via: Some("provider"),
            not_connected: None,
            fields: paths[2 * element + person % 2].iter().map(String::as_str).collect(),
            named: HashSet::new(),
        }
    };
    check(&Disclosure { question: &question, given: (0..ELEMENTS_MAX * PERSONS_MAX).map(given).collect() });
}

#[test]
fn the_largest_dossier_of_the_largest_contracts_fits() {
    // As the board has them: the persons of the case element by element, discovered ones person by person.
    // A part for each list of fields, since two of the longest do not go into one entry.
    let parts = 2 * ELEMENTS_MAX;
    largest(|place| (place / PERSONS_MAX, place % PERSONS_MAX), |disclosure| assert_eq!(check(disclosure), parts));
    largest(|place| (place % ELEMENTS_MAX, place / ELEMENTS_MAX), |disclosure| assert_eq!(check(disclosure), parts));
}

#[test]
fn an_answer_to_one_question_is_one_entry_that_names_its_fields() {
    let text = longest();
    let question = question(&text);
    let (paths, subject): (Vec<String>, _) = ((0..FIELDS_MAX).map(|field| path(0, field)).collect(), fin(1));
    let fields = paths.iter().map(String::as_str).collect();
    let one = Given {
        emergency: None,
        subject: Some(&subject),
        element: None,
        rests_on: Some(7),
        outcome: Some(Outcome::Found),
        via: Some("cache"),
        not_connected: None,
        fields,
        named: HashSet::new(),
    };
    let disclosure = Disclosure { question: &question, given: vec![one] };
    assert_eq!(check(&disclosure), 1);
    let divided = divide(&disclosure, token).expect("one part");
    let entry: Json = serde_json::from_slice(&entries(&divided)[0]).expect("JSON");
    assert_eq!((&entry["given"][0]["fields"], entry.get("part")), (&json!(paths), None));
    // Nothing at all to give is an entry too.
    assert_eq!(check(&Disclosure { question: &question, given: Vec::new() }), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn what_is_given_reads_back_whole_from_parts_that_each_stand_alone(
        items in proptest::collection::vec((0..8_usize, 0..40_usize, 0..6_usize, 0..5_usize, any::<Option<u64>>()), 0..600),
        width in 1..200_usize,
    ) {
        let text = longest();
        let question = question(&text);
        let names: Vec<String> = (0..8).map(|element| format!("element-{element}")).collect();
        let fields: Vec<Vec<String>> =
            (0..6).map(|set| (0..set * 4).map(|field| format!("{:f<width$}", format!("set_{set}_field_{field}"))).collect()).collect();
        let persons: Vec<Subject> = (0..40).map(fin).collect();
        let outcomes = [None, Some(Outcome::Found), Some(Outcome::NotHeldElectronically), Some(Outcome::Denied), Some(Outcome::Unavailable)];
        let given = |(element, person, set, outcome, rests_on): &(usize, usize, usize, usize, Option<u64>)| Given {
            emergency: None,
            subject: Some(&persons[*person]),
            element: Some(&*names[*element]),
            rests_on: *rests_on,
            outcome: outcomes[*outcome],
            via: rests_on.map(|_| "provider"),
            not_connected: None,
            fields: fields[*set].iter().map(String::as_str).collect(),
            named: HashSet::new(),
        };
        check(&Disclosure { question: &question, given: items.iter().map(given).collect() });
    }
}

/// A recorder on a real disk whose journal never writes lazy entries by themselves.
async fn recorder(dir: &Path, queue_bytes: usize) -> Arc<Recorder> {
    let options = Options {
        segment_bytes: 4 << 20,
        queue_bytes,
        lazy_delay: Duration::from_secs(3600),
        ..Options::new(dir.join("journal"), Origin::new(ORIGIN).expect("an origin"))
    };
    let (journal, _) = Journal::open(options, SigningKey::from_seed(&[7; 32])).expect("a journal");
    let node = NodeKey::load_or_create(&dir.join("node.key")).expect("a key");
    let keys = KeyTable::open(&dir.join("epochs"), node).expect("a key table");
    Recorder::start(journal, keys, ORIGIN).await.expect("starts")
}

/// Enough items for several parts.
fn several<'a>(question: &'a Question<'a>, persons: &'a [Subject], elements: &'a [String]) -> Disclosure<'a> {
    let of = |subject| move |element: &'a String| Given { subject: Some(subject), ..item(element) };
    Disclosure { question, given: persons.iter().flat_map(|subject| elements.iter().map(of(subject))).collect() }
}

fn item(element: &str) -> Given<'_> {
    Given {
        emergency: None,
        subject: None,
        element: Some(element),
        rests_on: None,
        outcome: None,
        via: None,
        not_connected: None,
        fields: Vec::new(),
        named: HashSet::new(),
    }
}

#[tokio::test]
async fn one_flush_covers_all_parts_and_the_receipt_is_the_last_ones() {
    let dir = TempDir::new().expect("a folder");
    let recorder = recorder(dir.path(), 2 << 20).await;
    let (text, persons): (_, Vec<Subject>) = (longest(), (0..50).map(fin).collect());
    let question = question(&text);
    let elements: Vec<String> = (0..64).map(|element| format!("element-{element}")).collect();
    let disclosure = several(&question, &persons, &elements);
    let before = recorder.journal().size();
    let disclosed = recorder.disclosed(&disclosure).await.expect("room");
    let last = disclosed.durable().index();
    assert!(last > before + 1, "several parts");
    assert_eq!(disclosed.durable().head().size(), last + 1);
    let entries: Vec<_> =
        journal::read::entries(&dir.path().join("journal"), before).expect("a journal").map(|entry| entry.expect("readable")).collect();
    assert_eq!(entries.len() as u64, last + 1 - before);
    assert!(entries.iter().all(|entry| entry.kind == Kind::Disclosed.number() && entry.frame == entries[0].frame), "one frame");
    // Every item is told by a part that names its person; the parts come one after the other.
    let places: BTreeMap<u64, Hash> = entries.iter().map(|entry| (entry.index, entry.leaf_hash)).collect();
    let mut parts = BTreeSet::new();
    for item in 0..disclosure.given.len() {
        let place = disclosed.place_of(item);
        assert_eq!(places.get(&place.index), Some(&place.leaf_hash));
        parts.insert(place.index);
    }
    assert_eq!(parts, (before..=last).collect());
    assert_eq!(disclosed.place_of(usize::MAX).index, last);
}

#[tokio::test]
async fn without_room_for_all_parts_none_is_written() {
    let dir = TempDir::new().expect("a folder");
    let (text, persons): (_, Vec<Subject>) = (longest(), (0..50).map(fin).collect());
    let question = question(&text);
    let elements: Vec<String> = (0..64).map(|element| format!("element-{element}")).collect();
    let disclosure = several(&question, &persons, &elements);
    // Less than all of it: no later attempt can do better, and it says so.
    let recorder = recorder(dir.path(), 150_000).await;
    let before = recorder.journal().size();
    assert!(matches!(recorder.disclosed(&disclosure).await, Err(NoRecord::TooLarge)));
    // One that fits is taken, and stands where the first part of the other would have been.
    let small = Disclosure { question: &question, given: vec![item("alone")] };
    assert_eq!(recorder.disclosed(&small).await.expect("room").durable().index(), before);
}

#[tokio::test]
async fn a_queue_that_is_full_now_is_told_apart_from_an_entry_that_never_fits() {
    let dir = TempDir::new().expect("a folder");
    let recorder = recorder(dir.path(), 150_000).await;
    let text = longest();
    let question = question(&text);
    let taken = recorder.journal().reserve(148_900).expect("room");
    let small = Disclosure { question: &question, given: vec![item("alone")] };
    assert!(matches!(recorder.disclosed(&small).await, Err(NoRecord::Refused(journal::Refused::QueueFull))));
    drop(taken);
    recorder.disclosed(&small).await.expect("room again");
    let huge = json!({"what": "x".repeat(BODY_BYTES_MAX)});
    assert!(matches!(recorder.event(Kind::KeyChanged, &huge).await, Err(NoRecord::TooLarge)));
}
