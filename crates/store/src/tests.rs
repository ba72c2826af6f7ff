use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use seal::NodeKey;
use tempfile::TempDir;

use super::*;

fn key() -> SealKey {
    NodeKey::from_bytes([7; 32]).derive("store")
}

fn now() -> Timestamp {
    "2026-03-11T08:00:00Z".parse().expect("valid")
}

fn fin(text: &str) -> Subject {
    Subject::Fin(text.to_owned())
}

struct Fixture {
    dir: TempDir,
    store: Store,
    consumer: ConsumerId,
    case: CaseId,
    purpose: PurposeId,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(&dir.path().join("store.sqlite"), key()).expect("opens");
        let consumer = ConsumerId::new("targeted-aid").expect("valid");
        let case = CaseId::new("c-2026-000042").expect("valid");
        Self { dir, store, consumer, case, purpose: PurposeId::new("adsy-means-test").expect("valid") }
    }

    fn open(&self, persons: &[(Subject, PersonRole)]) -> Opened {
        self.store.open_case(&self.consumer, &self.case, &self.purpose, persons.to_vec(), None, now()).expect("the disk works")
    }

    fn close(&self) -> Closed {
        self.store.close_case(&self.consumer, &self.case, now()).expect("the disk works")
    }

    fn there(&self) -> Option<Arc<Case>> {
        self.store.case(&self.consumer, &self.case).expect("the disk works")
    }

    fn remember(&self, value: &str) -> Remembered {
        self.store.remember_answer(&self.consumer, &self.case, FIELD, value).expect("the disk works")
    }

    /// The store as the next process finds it.
    fn restarted(self) -> Self {
        let Self { dir, store, consumer, case, purpose } = self;
        drop(store);
        let store = Store::open(&dir.path().join("store.sqlite"), key()).expect("opens again");
        Self { dir, store, consumer, case, purpose }
    }
}

const FIELD: &str = "azerishiq/subscriber.subscriber_code";

fn family() -> Vec<(Subject, PersonRole)> {
    vec![(fin("5K7QX2O"), PersonRole::Applicant), (fin("6M8RZ3O"), PersonRole::Spouse)]
}

#[test]
fn a_case_is_created_once_repeated_in_any_order_and_conflicts_when_it_differs() {
    let fixture = Fixture::new();
    assert_eq!(fixture.there(), None);
    assert_eq!(fixture.open(&family()), Opened::Created);
    let mut other_order = family();
    other_order.reverse();
    other_order.push(family().remove(0));
    assert_eq!(fixture.open(&other_order), Opened::Repeated);

    for different in [
        vec![],
        family().into_iter().take(1).collect(),
        [family(), vec![(fin("7N9SA4O"), PersonRole::Child)]].concat(),
        vec![(fin("5K7QX2O"), PersonRole::Spouse), (fin("6M8RZ3O"), PersonRole::Applicant)],
    ] {
        assert_eq!(fixture.open(&different), Opened::Conflict(Conflict::Content));
    }
    let other_purpose = PurposeId::new("child-protection").expect("valid");
    let opened = fixture.store.open_case(&fixture.consumer, &fixture.case, &other_purpose, family(), None, now());
    assert_eq!(opened.expect("the disk works"), Opened::Conflict(Conflict::Content));
    let there = fixture.there().expect("there");
    assert_eq!((there.persons(), there.purpose(), there.is_open()), (&*family(), &fixture.purpose, true));
}

#[test]
fn a_closed_case_stays_closed_over_a_restart() {
    let fixture = Fixture::new();
    assert_eq!(fixture.close(), Closed::Unknown);
    fixture.open(&family());
    assert_eq!(fixture.close(), Closed::Now);
    let fixture = fixture.restarted();
    assert_eq!(fixture.close(), Closed::Before);
    assert_eq!(fixture.open(&family()), Opened::Conflict(Conflict::Closed));
    let there = fixture.there().expect("still known");
    assert_eq!((there.is_open(), there.closed_at(), there.has(&fin("5K7QX2O"))), (false, Some(now()), true));
    assert_eq!(fixture.remember("80012345"), Remembered::NoOpenCase);
}

#[test]
fn a_case_belongs_to_its_consumer_alone() {
    let fixture = Fixture::new();
    fixture.open(&family());
    fixture.remember("80012345");
    let other = ConsumerId::new("child-protection").expect("valid");
    assert_eq!(fixture.store.case(&other, &fixture.case).expect("the disk works"), None);
    assert_eq!(fixture.store.close_case(&other, &fixture.case, now()).expect("the disk works"), Closed::Unknown);
    assert!(!fixture.store.has_answer(&other, &fixture.case, FIELD, "80012345").expect("the disk works"));
    let opened = fixture.store.open_case(&other, &fixture.case, &fixture.purpose, vec![], None, now());
    assert_eq!(opened.expect("the disk works"), Opened::Created);
    // No part of a name can be shifted into its neighbour.
    let (short, long) = (ConsumerId::new("a").expect("valid"), ConsumerId::new("ab").expect("valid"));
    let (bc, c) = (CaseId::new("bc").expect("valid"), CaseId::new("c").expect("valid"));
    assert_ne!(fixture.store.case_key(&short, &bc), fixture.store.case_key(&long, &c));
}

#[test]
fn an_answer_is_known_in_its_case_by_field_and_value_over_a_restart() {
    let fixture = Fixture::new();
    assert_eq!(fixture.remember("80012345"), Remembered::NoOpenCase);
    fixture.open(&family());
    assert_eq!((fixture.remember("80012345"), fixture.remember("80012345")), (Remembered::Yes, Remembered::Yes));
    let fixture = fixture.restarted();
    let Fixture { store, consumer, case, .. } = &fixture;
    assert!(!store.cached_answer(consumer, case, FIELD, "80012345"), "memory is empty after a restart");
    let has = |field, value| store.has_answer(consumer, case, field, value).expect("the disk works");
    assert!(has(FIELD, "80012345"));
    assert!(store.cached_answer(consumer, case, FIELD, "80012345"));
    assert!(!has(FIELD, "80012346") && !has("azerishiq/subscriber.other", "80012345"));
    let elsewhere = CaseId::new("c-2026-000043").expect("valid");
    assert!(!store.has_answer(consumer, &elsewhere, FIELD, "80012345").expect("the disk works"));
}

#[test]
fn persons_and_answers_are_bounded() {
    let fixture = Fixture::new();
    let crowd = |n| (0..n).map(|n| (fin(&format!("{n:06}O")), PersonRole::Other)).collect::<Vec<_>>();
    let open = |persons| fixture.store.open_case(&fixture.consumer, &fixture.case, &fixture.purpose, persons, None, now());
    assert!(matches!(open(crowd(PERSONS_MAX + 1)), Err(StoreError::TooManyPersons)));
    assert_eq!(open(crowd(PERSONS_MAX)).expect("within the bound"), Opened::Created);

    // Rows put there directly, as a thousand flushed writes would only take longer.
    let case_key = fixture.store.case_key(&fixture.consumer, &fixture.case);
    for n in 1..ANSWERS_MAX {
        let answer_key = fixture.store.answer_key(case_key, FIELD, &n.to_string());
        fixture.store.database().put_answer(case_key, answer_key).expect("written");
    }
    assert_eq!(fixture.remember("the last"), Remembered::Yes);
    assert_eq!(fixture.remember("one more"), Remembered::Full);
    assert_eq!(fixture.remember("the last"), Remembered::Yes);
}

#[test]
fn discovered_members_are_in_the_case_and_change_nothing_of_how_it_was_opened() {
    let fixture = Fixture::new();
    let (member, child) = (fin("3M9RT4O"), (fin("8B2HN6O"), PersonRole::Child));
    let add = |fixture: &Fixture, persons: &[(Subject, PersonRole)]| {
        fixture.store.add_persons(&fixture.consumer, &fixture.case, persons.to_vec()).expect("the disk works")
    };
    let applicant = (fin("5K7QX2O"), PersonRole::Applicant);
    assert_eq!(add(&fixture, std::slice::from_ref(&child)), Added::NoOpenCase);
    assert_eq!(fixture.open(std::slice::from_ref(&applicant)), Opened::Created);

    let spouse = (member.clone(), PersonRole::Spouse);
    // Whoever is in the case, or stands in the list before, is not new, whatever his role there.
    let named = [spouse.clone(), (applicant.0.clone(), PersonRole::Adult), child.clone(), (member.clone(), PersonRole::Adult)];
    assert_eq!(add(&fixture, &named), Added::Now(vec![spouse.clone(), child.clone()]));
    assert_eq!(add(&fixture, &named), Added::Now(vec![]));
    let fixture = fixture.restarted();
    let there = fixture.there().expect("the case");
    assert!(there.has(&member) && there.has(&child.0));
    assert_eq!((there.persons(), there.discovered()), (std::slice::from_ref(&applicant), [spouse, child].as_slice()));
    assert_eq!(fixture.open(&[applicant]), Opened::Repeated, "opened with the same persons");

    let crowd: Vec<_> = (0..PERSONS_MAX).map(|n| (fin(&format!("{n:06}O")), PersonRole::Other)).collect();
    let refused = fixture.store.add_persons(&fixture.consumer, &fixture.case, crowd);
    assert!(matches!(refused, Err(StoreError::TooManyPersons)));
    fixture.close();
    assert_eq!(add(&fixture, &[(fin("2F8JS5O"), PersonRole::Child)]), Added::NoOpenCase);
}

#[test]
fn a_second_process_another_key_and_a_later_form_are_refused_by_name() {
    let fixture = Fixture::new();
    fixture.open(&family());
    let path = fixture.dir.path().join("store.sqlite");
    assert!(matches!(Store::open(&path, key()), Err(StoreError::InUse(_))));
    drop(fixture.store);

    let other = NodeKey::from_bytes([8; 32]).derive("store");
    assert!(matches!(Store::open(&path, other), Err(StoreError::OtherKey(_))));
    let other_use = NodeKey::from_bytes([7; 32]).derive("another use");
    assert!(matches!(Store::open(&path, other_use), Err(StoreError::OtherKey(_))));
    drop(Store::open(&path, key()).expect("a refusal changed nothing"));

    let raw = rusqlite::Connection::open(&path).expect("opens");
    raw.pragma_update(None, "user_version", 99).expect("set");
    drop(raw);
    assert!(matches!(Store::open(&path, key()), Err(StoreError::Later { found: 99, known: 3, .. })));
    assert!(matches!(Store::open(&fixture.dir.path().join("no/such/folder"), key()), Err(StoreError::File { .. })));
}

#[test]
fn rows_that_were_exchanged_or_changed_are_damaged_never_absent_or_another() {
    let fixture = Fixture::new();
    fixture.open(&family());
    let other = CaseId::new("c-2026-000043").expect("valid");
    fixture.store.open_case(&fixture.consumer, &other, &fixture.purpose, vec![], None, now()).expect("opened");
    let fixture = fixture.restarted();
    let key = fixture.store.case_key(&fixture.consumer, &fixture.case);
    let other_key = fixture.store.case_key(&fixture.consumer, &other);
    let sealed = fixture.store.database().case(key).expect("read").expect("there");

    fixture.store.database().put_case(other_key, &sealed).expect("written");
    assert!(matches!(fixture.store.case(&fixture.consumer, &other), Err(StoreError::Damaged)));
    for place in [0, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        fixture.store.database().put_case(key, &changed).expect("written");
        assert!(matches!(fixture.store.case(&fixture.consumer, &fixture.case), Err(StoreError::Damaged)));
        let opened = fixture.store.open_case(&fixture.consumer, &fixture.case, &fixture.purpose, family(), None, now());
        assert!(matches!(opened, Err(StoreError::Damaged)), "never opened over what cannot be read");
    }
}

#[test]
fn what_was_acknowledged_is_in_the_files_at_that_moment() {
    let fixture = Fixture::new();
    fixture.open(&family());
    fixture.remember("80012345");
    // What a crash right here would leave: the files as they are, without a close.
    let crashed = tempfile::tempdir().expect("a folder");
    for file in fs::read_dir(fixture.dir.path()).expect("listed") {
        let file = file.expect("file");
        fs::copy(file.path(), crashed.path().join(file.file_name())).expect("copied");
    }
    let store = Store::open(&crashed.path().join("store.sqlite"), key()).expect("recovers");
    let there = store.case(&fixture.consumer, &fixture.case).expect("read").expect("there");
    assert_eq!(there, fixture.there().expect("there"));
    assert!(store.has_answer(&fixture.consumer, &fixture.case, FIELD, "80012345").expect("read"));
}

#[test]
fn no_identifier_is_in_clear_on_disk_or_in_debug_and_the_files_are_private() {
    let fixture = Fixture::new();
    fixture.open(&family());
    fixture.remember("80012345");
    let secrets = ["5K7QX2O", "6M8RZ3O", "c-2026-000042", "targeted-aid", "adsy-means-test", "80012345", "subscriber", "applicant"];
    let dir = fixture.dir.path();
    assert_eq!(in_clear(dir, &secrets), Vec::<String>::new());
    for file in fs::read_dir(dir).expect("listed") {
        let path = file.expect("file").path();
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    // The search itself works: what is planted is found.
    fs::write(dir.join("planted"), b"..5K7QX2O..").expect("written");
    assert_eq!(in_clear(dir, &secrets), ["5K7QX2O in planted"]);
    let shown = format!("{:?} {:?}", fixture.store, fixture.there());
    assert!(!shown.contains("5K7QX2O") && !shown.contains("80012345"), "{shown}");
}

fn in_clear(dir: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir).expect("listed") {
        let file = file.expect("file");
        let bytes = fs::read(file.path()).expect("read");
        for secret in secrets {
            if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                found.push(format!("{secret} in {}", file.file_name().to_string_lossy()));
            }
        }
    }
    found
}

#[test]
fn a_disk_that_refuses_changes_nothing_and_memory_does_not_pretend() {
    let fixture = Fixture::new();
    fixture.store.database().refuse_writes(true);
    let open = || fixture.store.open_case(&fixture.consumer, &fixture.case, &fixture.purpose, family(), None, now());
    assert!(matches!(open(), Err(StoreError::Database(_))));
    assert_eq!(fixture.there(), None);
    fixture.store.database().refuse_writes(false);
    assert_eq!(fixture.open(&family()), Opened::Created);

    fixture.store.database().refuse_writes(true);
    assert!(fixture.store.close_case(&fixture.consumer, &fixture.case, now()).is_err());
    assert_eq!(fixture.store.cached_case(&fixture.consumer, &fixture.case), None, "the disk must be asked");
    assert!(fixture.store.remember_answer(&fixture.consumer, &fixture.case, FIELD, "80012345").is_err());
    assert!(!fixture.store.cached_answer(&fixture.consumer, &fixture.case, FIELD, "80012345"));
    assert!(fixture.there().expect("there").is_open());
    fixture.store.database().refuse_writes(false);
    assert_eq!((fixture.remember("80012345"), fixture.close()), (Remembered::Yes, Closed::Now));
}

#[test]
fn cached_reads_agree_with_the_disk_and_wait_for_nobody() {
    let fixture = Fixture::new();
    fixture.open(&family());
    let fixture = fixture.restarted();
    assert_eq!(fixture.store.cached_case(&fixture.consumer, &fixture.case), None);
    fixture.there();
    // A writer that never ends holds the database: what is in memory is read all the same.
    let _writing = fixture.store.database();
    let there = fixture.store.cached_case(&fixture.consumer, &fixture.case).expect("in memory");
    assert!(there.has(&fin("5K7QX2O")) && !there.has(&fin("9Z9ZZ9O")));
}

/// One step of the law below.
#[derive(Debug, Clone)]
enum Step {
    Open { case: u8, persons: Vec<u8> },
    Close { case: u8 },
    Remember { case: u8, value: u8 },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3_u8, proptest::collection::vec(0..4_u8, 0..4)).prop_map(|(case, persons)| Step::Open { case, persons }),
        1 => (0..3_u8).prop_map(|case| Step::Close { case }),
        2 => (0..3_u8, 0..4_u8).prop_map(|(case, value)| Step::Remember { case, value }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..30)
}

/// What the store must say, without a disk.
#[derive(Default)]
struct Model {
    cases: HashMap<u8, (HashSet<u8>, bool)>,
    answers: HashSet<(u8, u8)>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_with_any_restarts_reads_as_the_model_says(steps in steps()) {
        let mut fixture = Fixture::new();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Open { case, persons } => {
                    fixture.case = CaseId::new(&format!("c-{case}")).expect("valid");
                    let subjects: Vec<_> = persons.iter().map(|n| (fin(&format!("00000{n}O")), PersonRole::Other)).collect();
                    let persons: HashSet<u8> = persons.into_iter().collect();
                    let expected = match model.cases.get(&case) {
                        None => Opened::Created,
                        Some((_, false)) => Opened::Conflict(Conflict::Closed),
                        Some((there, true)) if *there == persons => Opened::Repeated,
                        Some(_) => Opened::Conflict(Conflict::Content),
                    };
                    prop_assert_eq!(fixture.open(&subjects), expected);
                    model.cases.entry(case).or_insert((persons, true));
                }
                Step::Close { case } => {
                    fixture.case = CaseId::new(&format!("c-{case}")).expect("valid");
                    let expected = match model.cases.get_mut(&case) {
                        None => Closed::Unknown,
                        Some((_, open)) => if std::mem::replace(open, false) { Closed::Now } else { Closed::Before },
                    };
                    prop_assert_eq!(fixture.close(), expected);
                }
                Step::Remember { case, value } => {
                    fixture.case = CaseId::new(&format!("c-{case}")).expect("valid");
                    let open = model.cases.get(&case).is_some_and(|(_, open)| *open);
                    let expected = if open { Remembered::Yes } else { Remembered::NoOpenCase };
                    prop_assert_eq!(fixture.remember(&value.to_string()), expected);
                    if open {
                        model.answers.insert((case, value));
                    }
                }
                Step::Restart => fixture = fixture.restarted(),
            }
            for case in 0..3 {
                fixture.case = CaseId::new(&format!("c-{case}")).expect("valid");
                let there = fixture.there();
                prop_assert_eq!(there.as_ref().map(|there| there.is_open()), model.cases.get(&case).map(|(_, open)| *open));
                for n in 0..4 {
                    let has = there.as_ref().is_some_and(|there| there.has(&fin(&format!("00000{n}O"))));
                    prop_assert_eq!(has, model.cases.get(&case).is_some_and(|(persons, _)| persons.contains(&n)));
                    let known = fixture.store.has_answer(&fixture.consumer, &fixture.case, FIELD, &n.to_string()).expect("read");
                    prop_assert_eq!(known, model.answers.contains(&(case, n)));
                }
            }
        }
    }
}

fn emergency(fixture: &Fixture, id: u128, official: &str, persons: Vec<(Subject, PersonRole)>) -> Override {
    Override {
        id: Uuid::from_u128(id),
        consumer: fixture.consumer.clone(),
        case: fixture.case.clone(),
        official: official.to_owned(),
        role: model::RoleId::new("case-officer").expect("valid"),
        reason: "a child was found alone at night".to_owned(),
        persons,
        begun_at: now(),
        until: now() + jiff::SignedDuration::from_hours(1),
        review: None,
    }
}

#[test]
fn a_case_is_handed_over_by_whom_it_belongs_to() {
    let fixture = Fixture::new();
    let hand_over =
        |from: Option<&str>, to: &str| fixture.store.hand_over(&fixture.consumer, &fixture.case, from, to).expect("the disk works");
    assert_eq!(hand_over(None, "AZ-0001"), HandedOver::NoOpenCase);
    fixture.open(&family());
    assert_eq!(hand_over(Some("AZ-0009"), "AZ-0001"), HandedOver::NotHis);
    assert_eq!(hand_over(None, "AZ-0001"), HandedOver::Now);
    assert_eq!(hand_over(None, "AZ-0002"), HandedOver::NotHis);
    assert_eq!(hand_over(Some("AZ-0001"), "AZ-0002"), HandedOver::Now);
    assert_eq!(hand_over(Some("AZ-0001"), "AZ-0002"), HandedOver::Before);
    let fixture = fixture.restarted();
    assert_eq!(fixture.there().expect("a case").official(), Some("AZ-0002"));
    // Opening it once more is still a repetition.
    assert_eq!(fixture.open(&family()), Opened::Repeated);
    fixture.close();
    let after = fixture.store.hand_over(&fixture.consumer, &fixture.case, Some("AZ-0002"), "AZ-0003");
    assert_eq!(after.expect("the disk works"), HandedOver::NoOpenCase);
}

#[test]
fn an_override_covers_one_official_in_one_role_for_a_while() {
    let fixture = Fixture::new();
    let entry = emergency(&fixture, 1, "AZ-0002", vec![(fin("7N9SY4O"), PersonRole::Child)]);
    assert_eq!(fixture.store.begin_override(&entry).expect("the disk works"), Overrode::NoOpenCase);
    fixture.open(&family());
    assert_eq!(fixture.store.begin_override(&entry).expect("the disk works"), Overrode::Now);
    let fixture = fixture.restarted();
    let (case, hour) = (fixture.there().expect("a case"), jiff::SignedDuration::from_hours(1));
    let (role, other) = (entry.role.clone(), model::RoleId::new("clerk").expect("valid"));
    assert_eq!(case.emergency("AZ-0002", &role, now()).map(|entry| entry.id), Some(entry.id));
    for (official, role, at) in
        [("AZ-0001", &role, now()), ("AZ-0002", &other, now()), ("AZ-0002", &role, now() + hour), ("AZ-0002", &role, now() - hour)]
    {
        assert_eq!(case.emergency(official, role, at), None, "{official} {role:?} {at}");
    }
    assert_eq!(fixture.store.overrides_to_review().expect("the disk works"), std::slice::from_ref(&entry));
    let review = |verdict| Review { verdict, by: "dpo-1".to_owned(), note: "looked at".to_owned(), at: now() };
    let unknown = fixture.store.review_override(Uuid::from_u128(9), review(Verdict::Justified)).expect("the disk works");
    assert_eq!(unknown, Reviewed::Unknown);
    let reviewed = fixture.store.review_override(entry.id, review(Verdict::Unjustified)).expect("the disk works");
    assert_eq!(reviewed, Reviewed::Now(Box::new(entry.clone())));
    // It ends at once, and nobody reviews it a second time.
    assert_eq!(fixture.there().expect("a case").emergency("AZ-0002", &role, now()), None);
    assert_eq!(fixture.store.review_override(entry.id, review(Verdict::Justified)).expect("the disk works"), Reviewed::Before);
    assert_eq!(fixture.store.count_overrides_to_review().expect("the disk works"), 0);
    let begin =
        |id: u128, official: &str| fixture.store.begin_override(&emergency(&fixture, id, official, vec![])).expect("the disk works");
    // Not again after that, and not twice without a look at the first.
    assert_eq!(begin(2, "AZ-0002"), Overrode::FoundUnjustified);
    assert_eq!((begin(2, "AZ-0003"), begin(3, "AZ-0003")), (Overrode::Now, Overrode::NotReviewed));
    for id in 3..=u128::try_from(OVERRIDES_MAX).expect("small") {
        assert_eq!(begin(id, &format!("AZ-1{id:03}")), Overrode::Now);
    }
    assert_eq!(begin(99, "AZ-0099"), Overrode::TooMany);
}

fn consent(reference: &str) -> Consent {
    let hour = jiff::SignedDuration::from_hours(1);
    Consent {
        provider: model::ProviderId::new("credit-bureau").expect("valid"),
        subject: fin("5K7QX2O"),
        reference: reference.to_owned(),
        sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
        signed_at: now() - hour,
        expires_at: now() + hour,
    }
}

#[test]
fn a_consent_is_what_it_was_at_its_first_use_until_it_is_withdrawn() {
    let fixture = Fixture::new();
    let other = ConsumerId::new("pension").expect("valid");
    let register = |fixture: &Fixture, consumer: &ConsumerId, consent: &Consent| {
        fixture.store.register_consent(consumer, consent, now()).expect("the disk works")
    };
    let given = consent("RAZ-1");
    assert_eq!(register(&fixture, &fixture.consumer, &given), Registered::Now);
    assert_eq!(register(&fixture, &fixture.consumer, &given), Registered::Before);
    let longer = Consent { expires_at: given.expires_at + jiff::SignedDuration::from_hours(9), ..given.clone() };
    assert_eq!(register(&fixture, &fixture.consumer, &longer), Registered::Refused(Refused::Differs));
    let withdraw = |fixture: &Fixture, name: &ConsentName, by: &ConsumerId, by_person| {
        fixture.store.withdraw_consent(name, Withdrawal { at: now(), by: by.clone() }, by_person).expect("the disk works")
    };
    let name = ConsentName::of(&given);
    // Not by a consumer that has never used it.
    assert_eq!(withdraw(&fixture, &name, &other, false), Withdrew::Unknown);
    assert_eq!(register(&fixture, &other, &given), Registered::Now);
    assert_eq!(withdraw(&fixture, &name, &other, false), Withdrew::Now);
    assert_eq!(withdraw(&fixture, &name, &other, true), Withdrew::Before);
    let fixture = fixture.restarted();
    assert_eq!(register(&fixture, &fixture.consumer, &given), Registered::Refused(Refused::Withdrawn));
    // What he signs later he gives anew.
    let anew = Consent { signed_at: now() + jiff::SignedDuration::from_secs(1), ..given.clone() };
    assert_eq!(register(&fixture, &fixture.consumer, &anew), Registered::Now);
    assert_eq!(register(&fixture, &fixture.consumer, &given), Registered::Refused(Refused::Withdrawn));
    let other_words = Consent { expires_at: anew.expires_at + jiff::SignedDuration::from_hours(9), ..anew.clone() };
    assert_eq!(register(&fixture, &fixture.consumer, &other_words), Registered::Refused(Refused::Differs));
    assert_eq!(withdraw(&fixture, &name, &other, true), Withdrew::Now);
    assert_eq!(register(&fixture, &fixture.consumer, &anew), Registered::Refused(Refused::Withdrawn));
    // The person withdraws one that nobody has used: it can never be used then.
    let unused = consent("RAZ-2");
    assert_eq!(withdraw(&fixture, &ConsentName::of(&unused), &other, true), Withdrew::Now);
    assert_eq!(register(&fixture, &fixture.consumer, &unused), Registered::Refused(Refused::Withdrawn));
    let of_person = fixture.store.consents_of(&given.subject).expect("the disk works");
    assert_eq!(of_person.iter().map(|known| known.withdrawn.is_some()).collect::<Vec<_>>(), [true, true]);
    assert_eq!(fixture.store.consents_of(&fin("6M8RZ3O")).expect("the disk works"), []);
}

const LEDGER: Ledger = Ledger("rights");

fn texts(store: &Store, ledger: Ledger) -> Vec<String> {
    let changes = store.changes(ledger).expect("sound");
    changes.into_iter().map(|change| String::from_utf8(change).expect("text")).collect()
}

fn changes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn a_ledger_gives_back_what_was_added_in_order_and_apart_from_others() {
    let fixture = Fixture::new();
    assert_eq!(texts(&fixture.store, LEDGER), [""; 0]);
    fixture.store.add_changes(LEDGER, 0, &changes(&["a", "b"])).expect("added");
    fixture.store.add_changes(Ledger("other"), 0, &changes(&["x"])).expect("added");
    fixture.store.add_changes(LEDGER, 2, &changes(&["c"])).expect("added");
    let fixture = fixture.restarted();
    assert_eq!(texts(&fixture.store, LEDGER), ["a", "b", "c"]);
    assert_eq!(texts(&fixture.store, Ledger("other")), ["x"]);
}

#[test]
fn a_ledger_takes_changes_at_their_place_alone_and_all_or_none() {
    let fixture = Fixture::new();
    fixture.store.add_changes(LEDGER, 0, &changes(&["a"])).expect("added");
    for known in [0, 2] {
        let said = fixture.store.add_changes(LEDGER, known, &changes(&["b"]));
        assert!(matches!(said, Err(StoreError::LedgerPlace("rights"))), "{said:?}");
    }
    let large = [b"b".to_vec(), vec![0; CHANGE_BYTES_MAX + 1]];
    assert!(matches!(fixture.store.add_changes(LEDGER, 1, &large), Err(StoreError::LedgerPlace(_))));
    fixture.store.database().refuse_writes(true);
    assert!(fixture.store.add_changes(LEDGER, 1, &changes(&["b", "c"])).is_err());
    fixture.store.database().refuse_writes(false);
    assert_eq!(texts(&fixture.store, LEDGER), ["a"]);
}

#[test]
fn a_gap_a_missing_end_and_a_moved_change_are_refused() {
    for damage in [
        "DELETE FROM changes WHERE seq = 1",
        "DELETE FROM changes WHERE seq = 2",
        "DELETE FROM changes",
        "UPDATE changes SET sealed = (SELECT sealed FROM changes WHERE seq = 0) WHERE seq = 1",
        "UPDATE ledgers SET sealed = x'00'",
        "UPDATE changes SET ledger = 'other'",
    ] {
        let fixture = Fixture::new();
        fixture.store.add_changes(LEDGER, 0, &changes(&["a", "b", "c"])).expect("added");
        fixture.store.add_changes(Ledger("other"), 0, &[]).expect("added");
        fixture.store.database().connection().execute_batch(damage).expect("damaged");
        let said = fixture.store.changes(LEDGER);
        assert!(matches!(said, Err(StoreError::LedgerDamaged("rights"))), "{damage}: {said:?}");
    }
}

#[test]
fn what_is_replaced_is_gone_and_the_numbers_go_on() {
    let fixture = Fixture::new();
    fixture.store.add_changes(LEDGER, 0, &changes(&["a", "b"])).expect("added");
    fixture.store.replace_changes(LEDGER, &changes(&["sum"])).expect("replaced");
    fixture.store.add_changes(LEDGER, 1, &changes(&["c"])).expect("added");
    assert_eq!(texts(&fixture.store, LEDGER), ["sum", "c"]);
    let numbers = fixture.store.database().changes("rights").expect("there");
    assert_eq!(numbers.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_note_is_what_was_last_put_there_and_sealed() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.note(Ledger("uses")).expect("reads"), None);
    fixture.store.put_note(Ledger("uses"), b"AZ-0001 yesterday").expect("kept");
    fixture.store.put_note(Ledger("uses"), b"AZ-0001 today").expect("kept");
    let fixture = fixture.restarted();
    assert_eq!(fixture.store.note(Ledger("uses")).expect("reads").as_deref(), Some(b"AZ-0001 today".as_slice()));
    let Fixture { dir, store, .. } = fixture;
    drop(store);
    for entry in fs::read_dir(dir.path()).expect("the folder").flatten() {
        let bytes = fs::read(entry.path()).expect("readable");
        assert!(!bytes.windows(7).any(|window| window == b"AZ-0001"), "{}", entry.path().display());
    }
}
