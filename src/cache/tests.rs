use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::hmac;
use jiff::civil::date;
use model::contract::Class;
use model::subject::{Document, DocumentSubject};
use model::{
    CaseId, ConsumerId, Decimal, FieldKind, FieldSet, InstanceId, Problems, PurposeId, Record, ServiceId, Subject, Type, Value, Version,
};
use proptest::prelude::*;

use super::codec::{decode, encode, encoded_bytes};
use super::key::{encode_asked, encode_repeated};
use super::*;

/// A synthetic FIN, as every one here.
const FIN: &str = "5K7QX2O";
const HOUR: Duration = Duration::from_secs(3600);
const ROOMY: u64 = 64 << 20;

fn start() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().expect("valid")
}

/// A service with one text field of this class. Built from a shipped contract, of which nothing that
/// matters here is left.
fn service(id: &str, class: Class, lifetime: Duration) -> Arc<Service> {
    static BASE: OnceLock<Service> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts");
        let snapshot = model::load::load(&contracts, date(2026, 11, 20), &mut Problems::default());
        Service::clone(snapshot.services.values().next().expect("a contract is shipped"))
    });
    let mut service = base.clone();
    service.id = ServiceId::new(id).expect("valid");
    service.version = Version::new("1.0.0").expect("valid");
    (service.lifetime, service.consent) = (lifetime, false);
    service.shape.fields.truncate(1);
    service.leaves.truncate(1);
    let field = &mut service.shape.fields[0];
    (field.name, field.path) = ("said".into(), "said".into());
    field.kind = FieldKind::Scalar { kind: Type::Text, codes: Vec::new() };
    (field.class, field.agreed, field.index, field.leaves) = (class, true, 0, FieldSet::first(1));
    let leaf = &mut service.leaves[0];
    (leaf.path, leaf.class, leaf.agreed) = ("said".into(), class, true);
    assert_eq!(service.class(), class);
    Arc::new(service)
}

fn facts(service: &Arc<Service>, said: &str) -> Facts {
    Facts { service: Arc::clone(service), record: Record { values: vec![Value::Text(said.into())] }, flags: Vec::new() }
}

fn consumer(name: &str) -> ConsumerId {
    ConsumerId::new(name).expect("valid")
}

fn instance() -> InstanceId {
    InstanceId::new("one").expect("valid")
}

fn purpose(name: &str) -> PurposeId {
    PurposeId::new(name).expect("valid")
}

fn source() -> Source {
    Source { index: 7, leaf_hash: [9; 32] }
}

/// One cache with one question to it.
struct Desk {
    cache: Cache,
    service: Arc<Service>,
    key: Key,
}

impl Desk {
    fn new(lifetime: Duration) -> Self {
        let service = service("interior/person-identity", Class::C, lifetime);
        let asked = Asked {
            configuration: "c0ffee",
            instance: &instance(),
            service: &service,
            subject: Some(&Subject::Fin(FIN.to_owned())),
            inputs: &[],
            consumer: &consumer("targeted-aid"),
            purpose: &purpose("means-test"),
        };
        let key = Keys::new().key(&asked).expect("not consent-bound");
        Self { cache: Cache::new(ROOMY), service, key }
    }

    fn put(&self, said: &str, lifetime: Duration, now: Timestamp) -> bool {
        let facts = facts(&self.service, said);
        let mark = self.cache.mark(&self.service.id);
        self.cache.put(self.key, &Fresh { facts: &facts, obtained_at: now, source: source(), lifetime, mark }, now)
    }

    fn get(&self, now: Timestamp) -> Lookup {
        self.cache.get(&self.key, now, None)
    }

    fn entry(&self) -> Arc<Entry> {
        self.cache.entries.get(&self.key).expect("an entry")
    }
}

fn said(lookup: Lookup) -> Option<String> {
    match lookup {
        Lookup::Hit(cached) => Some(cached.facts.top_level("said")?.as_text()?.to_owned()),
        Lookup::TooOld(_) | Lookup::Miss => None,
    }
}

#[test]
fn a_hit_gives_the_facts_back_whole_with_their_ground_and_age() {
    let desk = Desk::new(HOUR);
    let mut facts = facts(&desk.service, "x");
    facts.flags.push(Flag { field: 0, reason: "unmapped-code" });
    let mark = desk.cache.mark(&desk.service.id);
    let obtained_at = start();
    let later = start() + Duration::from_secs(90);

    assert_eq!(desk.get(later), Lookup::Miss);
    assert!(desk.cache.put(desk.key, &Fresh { facts: &facts, obtained_at, source: source(), lifetime: HOUR, mark }, later));

    let Lookup::Hit(cached) = desk.get(later) else { panic!("a hit") };
    assert_eq!(cached, Cached { facts, obtained_at, expires_at: start() + HOUR, source: source() });
    assert_eq!(cached.age(later), Duration::from_secs(90));
}

#[test]
fn nothing_is_served_from_its_expiry_on_or_before_its_time() {
    let desk = Desk::new(HOUR);
    assert!(desk.put("x", HOUR, start()));
    let nano = Duration::from_nanos(1);
    assert!(matches!(desk.get(start()), Lookup::Hit(_)));
    assert!(matches!(desk.get(start() + HOUR - nano), Lookup::Hit(_)));
    assert_eq!(desk.get(start() + HOUR), Lookup::Miss);
    assert_eq!(desk.get(start() - nano), Lookup::Miss, "the clock was set back to before the answer");
}

#[test]
fn the_contract_bounds_the_lifetime_whatever_the_caller_says() {
    let desk = Desk::new(HOUR);
    assert!(desk.put("x", HOUR * 24, start()));
    assert_eq!(desk.get(start() + HOUR), Lookup::Miss);
    assert!(desk.put("x", HOUR / 2, start()), "shorter is the caller's right");
    assert_eq!(desk.get(start() + HOUR / 2), Lookup::Miss);
}

#[test]
fn what_has_no_life_left_is_not_kept() {
    let desk = Desk::new(HOUR);
    assert!(!desk.put("x", Duration::ZERO, start()));
    assert!(!desk.put("x", HOUR, Timestamp::MAX), "its expiry cannot be told");
    let facts = facts(&desk.service, "x");
    let fresh =
        |obtained_at| Fresh { facts: &facts, obtained_at, source: source(), lifetime: HOUR, mark: desk.cache.mark(&desk.service.id) };
    assert!(!desk.cache.put(desk.key, &fresh(start() - HOUR), start()), "arrived too late");
    assert!(!desk.cache.put(desk.key, &fresh(start() + HOUR), start()), "the clock was set back under way");
    assert!(!Desk::new(Duration::ZERO).put("x", HOUR, start()), "the contract forbids it");
    assert_eq!(desk.get(start()), Lookup::Miss);
}

#[test]
fn what_lives_for_weeks_is_kept() {
    for days in [1, 6, 7, 30, 366] {
        let life = HOUR * 24 * days;
        let desk = Desk::new(life);
        assert!(desk.put("x", life, start()), "{days} days");
        assert_eq!(said(desk.get(start() + life / 2)), Some("x".to_owned()), "{days} days");
    }
}

#[test]
fn a_caller_may_want_it_younger() {
    let desk = Desk::new(HOUR);
    assert!(desk.put("x", HOUR, start()));
    let age = Duration::from_secs(60);
    let get = |max_age| desk.cache.get(&desk.key, start() + age, Some(max_age));
    assert!(matches!(get(age), Lookup::Hit(_)));
    assert_eq!(get(age - Duration::from_nanos(1)), Lookup::TooOld(age));
    assert_eq!(get(Duration::ZERO), Lookup::TooOld(age));
}

/// Waits, without moving the wall clock given to the cache, until the entry is gone.
fn wait_for_a_miss(desk: &Desk) {
    let begun = Instant::now();
    while desk.get(start()) != Lookup::Miss {
        assert!(begun.elapsed() < Duration::from_secs(20), "the monotonic clock does not end its life");
        std::thread::yield_now();
    }
}

#[test]
fn a_wall_clock_that_stands_still_lengthens_no_life() {
    let desk = Desk::new(Duration::from_millis(30));
    assert!(desk.put("x", HOUR, start()));
    wait_for_a_miss(&desk);
}

#[test]
fn a_replacement_has_a_life_of_its_own() {
    let desk = Desk::new(HOUR);
    assert!(desk.put("long", HOUR, start()));
    assert!(desk.put("short", Duration::from_millis(30), start()));
    wait_for_a_miss(&desk);
    // The other way round: it must outlive what it replaced.
    assert!(desk.put("short", Duration::from_millis(30), start()));
    assert!(desk.put("long", HOUR, start()));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(60) {
        assert_eq!(said(desk.get(start())).as_deref(), Some("long"));
    }
}

#[test]
fn an_answer_asked_for_before_a_clearing_is_not_kept_after_it() {
    let desk = Desk::new(HOUR);
    let other = service("justice/civil-status-acts", Class::C, HOUR);
    assert_ne!(slot(&other.id), slot(&desk.service.id));
    let facts = facts(&desk.service, "x");
    let put =
        |mark| desk.cache.put(desk.key, &Fresh { facts: &facts, obtained_at: start(), source: source(), lifetime: HOUR, mark }, start());

    let asked = desk.cache.mark(&desk.service.id);
    desk.cache.clear_service(&other.id);
    assert!(put(asked), "another service was cleared");
    desk.cache.clear_service(&desk.service.id);
    assert_eq!(desk.get(start()), Lookup::Miss);
    assert!(!put(asked));
    assert!(!put(desk.cache.mark(&other.id)), "the mark of another service is none");
    let asked = desk.cache.mark(&desk.service.id);
    assert!(put(asked));
    desk.cache.clear();
    assert_eq!(desk.get(start()), Lookup::Miss);
    assert!(!put(asked));
    assert!(put(desk.cache.mark(&desk.service.id)));
    desk.cache.settle();
    assert_eq!(desk.cache.entry_count(), 1);
}

#[test]
fn an_entry_put_in_while_its_service_is_cleared_is_never_served() {
    // What a writer that was checked just before the clearing leaves behind just after it.
    let desk = Desk::new(HOUR);
    assert!(desk.put("x", HOUR, start()));
    let overtaken = desk.entry();
    desk.cache.clear_service(&desk.service.id);
    desk.cache.entries.insert(desk.key, overtaken);
    assert_eq!(desk.get(start()), Lookup::Miss);
}

/// The same entry with one thing changed.
fn tampered(entry: &Entry, change: impl FnOnce(&mut Entry)) -> Arc<Entry> {
    let mut copy = Entry {
        service: Arc::clone(&entry.service),
        flags: entry.flags.clone(),
        sealed: entry.sealed.clone(),
        nonce: entry.nonce,
        obtained_at: entry.obtained_at,
        expires_at: entry.expires_at,
        source: entry.source,
        mark: entry.mark,
        remaining: entry.remaining,
    };
    change(&mut copy);
    Arc::new(copy)
}

#[test]
fn an_entry_that_was_changed_is_a_miss_and_is_let_go() {
    let desk = Desk::new(HOUR);
    assert!(desk.put(FIN, HOUR, start()));
    let good = desk.entry();
    let check = |what: &str, entry: Arc<Entry>| {
        desk.cache.entries.insert(desk.key, entry);
        assert_eq!(desk.get(start() + Duration::from_secs(1)), Lookup::Miss, "{what}");
        assert!(!desk.cache.entries.contains_key(&desk.key), "{what}");
    };
    for place in 0..good.sealed.len() {
        check("a byte", tampered(&good, |entry| entry.sealed[place] ^= 1));
    }
    for length in 0..good.sealed.len() {
        check("a shorter seal", tampered(&good, |entry| entry.sealed = good.sealed.iter().copied().take(length).collect()));
    }
    check("a later expiry", tampered(&good, |entry| entry.expires_at += HOUR));
    check("a later answer", tampered(&good, |entry| entry.obtained_at += Duration::from_secs(1)));
    check("another index", tampered(&good, |entry| entry.source.index += 1));
    check("another leaf", tampered(&good, |entry| entry.source.leaf_hash[31] ^= 1));
    check("another nonce", tampered(&good, |entry| entry.nonce += 1));

    desk.cache.entries.insert(desk.key, Arc::clone(&good));
    assert_eq!(said(desk.get(start())).as_deref(), Some(FIN), "unchanged it opens");
    let elsewhere = Desk::new(HOUR).key;
    desk.cache.entries.insert(elsewhere, good);
    assert_eq!(desk.cache.get(&elsewhere, start(), None), Lookup::Miss, "moved under another key");
}

#[test]
fn no_two_seals_share_a_nonce_and_equal_facts_look_different() {
    let desk = Desk::new(HOUR);
    assert!(desk.put(FIN, HOUR, start()));
    let first = desk.entry();
    assert!(desk.put(FIN, HOUR, start()));
    let second = desk.entry();
    assert_ne!(first.nonce, second.nonce);
    assert_ne!(first.sealed, second.sealed);
}

#[test]
fn nothing_kept_or_shown_contains_an_identifier() {
    let desk = Desk::new(HOUR);
    let subject = Subject::Fin(FIN.to_owned());
    let inputs = [("plate".into(), Value::Text("99ZZ999".into()))];
    let (consumer, purpose, case) = (consumer("targeted-aid"), purpose("means-test"), CaseId::new("c-1").expect("valid"));
    let service = &*desk.service;
    let keys = Keys::new();
    let asked = Asked {
        configuration: "c0ffee",
        instance: &instance(),
        service,
        subject: Some(&subject),
        inputs: &inputs,
        consumer: &consumer,
        purpose: &purpose,
    };
    let repeated = Repeated { service, consumer: &consumer, case: &case, subject: Some(&subject), inputs: &inputs, consents: &[] };
    let facts = facts(&desk.service, FIN);
    let mark = desk.cache.mark(&desk.service.id);
    let fresh = Fresh { facts: &facts, obtained_at: start(), source: source(), lifetime: HOUR, mark };
    assert!(desk.cache.put(desk.key, &fresh, start()));

    let sealed = desk.entry().sealed.clone();
    assert!(!sealed.windows(FIN.len()).any(|window| window == FIN.as_bytes()));
    let key = keys.key(&asked).expect("not consent-bound");
    let shown = format!("{:?} {asked:?} {repeated:?} {fresh:?} {keys:?} {key:?} {:?}", desk.cache, desk.get(start()));
    assert!(!shown.contains(FIN) && !shown.contains("99ZZ999"), "{shown}");
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!shown.contains(&hexadecimal(key.as_bytes())) && shown.contains("Key(…)"), "{shown}");
}

#[test]
fn what_is_too_large_is_not_kept() {
    let desk = Desk { cache: Cache::new(80_000), ..Desk::new(HOUR) };
    assert!(desk.put(&"x".repeat(9_000), HOUR, start()));
    assert!(!desk.put(&"x".repeat(10_000), HOUR, start()), "over an eighth");
    let roomy = Desk::new(HOUR);
    assert!(!roomy.put(&"x".repeat(ENTRY_BYTES_MAX), HOUR, start()), "over the absolute bound");
    let off = Desk { cache: Cache::new(0), ..Desk::new(HOUR) };
    assert!(!off.put("x", HOUR, start()));
}

#[test]
fn the_weight_keeps_its_bound_while_writers_write() {
    let bytes_max = 1 << 20;
    let desk = Desk { cache: Cache::new(bytes_max), ..Desk::new(HOUR) };
    let keys = Keys::new();
    for number in 0..2_000 {
        let inputs = [("n".into(), Value::Int(number))];
        let asked = Asked {
            configuration: "c0ffee",
            instance: &instance(),
            service: &desk.service,
            subject: None,
            inputs: &inputs,
            consumer: &consumer("targeted-aid"),
            purpose: &purpose("means-test"),
        };
        let key = keys.key(&asked).expect("not consent-bound");
        let length = 100 + usize::try_from(number * 37 % 20_000).expect("positive");
        let facts = facts(&desk.service, &"x".repeat(length));
        let mark = desk.cache.mark(&desk.service.id);
        assert!(desk.cache.put(key, &Fresh { facts: &facts, obtained_at: start(), source: source(), lifetime: HOUR, mark }, start()));
        // What is really held, not what the store's own accounts say.
        let held: u64 = desk.cache.entries.iter().map(|(_, entry)| u64::from(entry.weight())).sum();
        assert!(held <= bytes_max + bytes_max / 16 + 25_000, "{held}");
    }
    desk.cache.settle();
    assert!(desk.cache.bytes() <= bytes_max);
    assert!(desk.cache.entry_count() > 20, "the bound is used, not shunned");
}

#[test]
fn readers_and_writers_of_many_threads_see_whole_answers_of_their_own_key() {
    let service = service("interior/person-identity", Class::O, HOUR);
    let cache = Cache::new(200_000);
    let keys = Keys::new();
    let (consumer, purpose) = (consumer("targeted-aid"), purpose("means-test"));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, keys, service, consumer, purpose) = (&cache, &keys, &service, &consumer, &purpose);
            scope.spawn(move || {
                for round in 0..400_usize {
                    let number = (round * 7 + thread) % 16;
                    let subject = Subject::Fin(format!("{number:06}O"));
                    let asked = Asked {
                        configuration: "c",
                        instance: &instance(),
                        service,
                        subject: Some(&subject),
                        inputs: &[],
                        consumer,
                        purpose,
                    };
                    let key = keys.key(&asked).expect("not consent-bound");
                    let expected = format!("{number}/").repeat(1_000);
                    if let Some(said) = said(cache.get(&key, start(), None)) {
                        assert_eq!(said, expected);
                    }
                    let facts = facts(service, &expected);
                    let mark = cache.mark(&service.id);
                    cache.put(key, &Fresh { facts: &facts, obtained_at: start(), source: source(), lifetime: HOUR, mark }, start());
                    if round % 50 == 0 {
                        cache.clear_service(&service.id);
                    }
                }
            });
        }
    });
    cache.settle();
    assert!(cache.bytes() <= 200_000);
}

/// A question of the model: small numbers that stand for each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    service: usize,
    subject: u8,
    input: Option<i64>,
    consumer: u8,
    purpose: u8,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Get(Question, Option<u32>),
    /// Asks and gets the answer at once.
    Put(Question, u32),
    /// Asks; the answer comes with a later `Land`.
    Send(Question),
    Land(usize),
    /// Half minutes, backwards too.
    Advance(i32),
    Forget(Question),
    Clear,
    ClearService(usize),
}

const HALF_MINUTE: Duration = Duration::from_secs(30);
/// Services of the model with their lifetimes in half minutes.
const SERVICES: [(&str, Class, u32); 5] = [
    ("interior/person-identity", Class::C, 20),
    ("interior/vehicles", Class::O, 4),
    ("justice/civil-status-acts", Class::S, 2),
    ("taxes/taxpayer-status", Class::O, 20),
    ("taxes/incomes", Class::C, 0),
];

fn question() -> impl Strategy<Value = Question> {
    (0..SERVICES.len(), 0..2_u8, proptest::option::of(0..2_i64), 0..2_u8, 0..2_u8)
        .prop_map(|(service, subject, input, consumer, purpose)| Question { service, subject, input, consumer, purpose })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (question(), proptest::option::of(0..10_u32)).prop_map(|(question, max_age)| Step::Get(question, max_age)),
        6 => (question(), 0..30_u32).prop_map(|(question, lifetime)| Step::Put(question, lifetime)),
        2 => question().prop_map(Step::Send),
        2 => (0..8_usize).prop_map(Step::Land),
        3 => (-6..12_i32).prop_map(Step::Advance),
        1 => question().prop_map(Step::Forget),
        1 => Just(Step::Clear),
        1 => (0..SERVICES.len()).prop_map(Step::ClearService),
    ]
}

/// What the model holds for a question.
struct Held {
    by: Question,
    said: String,
    obtained_at: Timestamp,
    expires_at: Timestamp,
}

/// The cache beside a plain map that follows the rules in the plainest way.
struct Bench {
    cache: Cache,
    keys: Keys,
    services: Vec<Arc<Service>>,
    held: HashMap<Question, Held>,
    under_way: Vec<(Question, Mark, Timestamp, bool)>,
    now: Timestamp,
    puts: usize,
}

impl Bench {
    fn new() -> Self {
        let services: Vec<_> = SERVICES.iter().map(|(id, class, lifetime)| service(id, *class, HALF_MINUTE * *lifetime)).collect();
        let mut slots: Vec<_> = services.iter().map(|service| slot(&service.id)).collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), SERVICES.len(), "the model clears services one by one");
        let (held, under_way) = (HashMap::new(), Vec::new());
        Self { cache: Cache::new(ROOMY), keys: Keys::new(), services, held, under_way, now: start(), puts: 0 }
    }

    /// Whose answers may serve a question: class O is everyone's.
    fn rule(question: Question) -> Question {
        if SERVICES[question.service].1 == Class::O { Question { consumer: 0, purpose: 0, ..question } } else { question }
    }

    fn key(&self, question: Question) -> Key {
        let inputs: Vec<_> = question.input.into_iter().map(|input| ("n".into(), Value::Int(input))).collect();
        let asked = Asked {
            configuration: "c0ffee",
            instance: &instance(),
            service: &self.services[question.service],
            subject: Some(&Subject::Fin(format!("00000{}O", question.subject))),
            inputs: &inputs,
            consumer: &consumer(&format!("consumer-{}", question.consumer)),
            purpose: &purpose(&format!("purpose-{}", question.purpose)),
        };
        self.keys.key(&asked).expect("not consent-bound")
    }

    fn put(&mut self, question: Question, lifetime: Duration, mark: Mark, obtained_at: Timestamp, cleared: bool) {
        self.puts += 1;
        let said = format!("{} {question:?}", self.puts);
        let service = &self.services[question.service];
        let facts = facts(service, &said);
        let fresh = Fresh { facts: &facts, obtained_at, source: source(), lifetime, mark };
        let kept = self.cache.put(self.key(question), &fresh, self.now);
        let expires_at = obtained_at + lifetime.min(service.lifetime);
        let may = !cleared && obtained_at <= self.now && self.now < expires_at;
        assert_eq!(kept, may);
        if may {
            self.held.insert(Self::rule(question), Held { by: question, said, obtained_at, expires_at });
        }
    }

    fn get(&self, question: Question, max_age: Option<Duration>) {
        let current = self.held.get(&Self::rule(question)).filter(|held| held.obtained_at <= self.now && self.now < held.expires_at);
        match (self.cache.get(&self.key(question), self.now, max_age), current) {
            (Lookup::Miss, None) => {}
            (Lookup::TooOld(age), Some(held)) => {
                assert_eq!(held.obtained_at + age, self.now);
                assert!(max_age.is_some_and(|max_age| max_age < age));
            }
            (Lookup::Hit(cached), Some(held)) => {
                assert!(max_age.is_none_or(|max_age| cached.age(self.now) <= max_age));
                assert_eq!((cached.obtained_at, cached.expires_at), (held.obtained_at, held.expires_at));
                assert_eq!(said(Lookup::Hit(cached)).as_ref(), Some(&held.said));
                let (by, class) = (held.by, SERVICES[question.service].1);
                assert!(class == Class::O || (by.consumer, by.purpose) == (question.consumer, question.purpose));
                assert_eq!((by.service, by.subject, by.input), (question.service, question.subject, question.input));
            }
            (lookup, current) => panic!("{lookup:?}, while the model has one: {}", current.is_some()),
        }
    }

    fn clear(&mut self, which: impl Fn(usize) -> bool) {
        self.held.retain(|question, _| !which(question.service));
        self.under_way.iter_mut().filter(|(question, ..)| which(question.service)).for_each(|(.., cleared)| *cleared = true);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Get(question, max_age) => self.get(question, max_age.map(|max_age| HALF_MINUTE * max_age)),
            Step::Put(question, lifetime) => {
                let mark = self.cache.mark(&self.services[question.service].id);
                self.put(question, HALF_MINUTE * lifetime, mark, self.now, false);
            }
            Step::Send(question) => {
                let mark = self.cache.mark(&self.services[question.service].id);
                self.under_way.push((question, mark, self.now, false));
            }
            Step::Land(place) if place < self.under_way.len() => {
                let (question, mark, at, cleared) = self.under_way.remove(place);
                self.put(question, HALF_MINUTE * 10, mark, at, cleared);
            }
            Step::Land(_) => {}
            Step::Advance(steps) => {
                let by = HALF_MINUTE * steps.unsigned_abs();
                self.now = if steps < 0 { self.now - by } else { self.now + by };
            }
            Step::Forget(question) => {
                self.cache.forget(&self.key(question));
                self.held.remove(&Self::rule(question));
            }
            Step::Clear => {
                self.cache.clear();
                self.clear(|_| true);
            }
            Step::ClearService(service) => {
                self.cache.clear_service(&self.services[service].id);
                self.clear(|other| other == service);
            }
        }
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1000..1000_i32, 0..100_u8)
            .prop_map(|(whole, part)| Value::Decimal(Decimal::new(&format!("{whole}.{part:02}")).expect("canonical"))),
        ".{0,12}".prop_map(|text| Value::Text(text.into())),
        "x{120,300}".prop_map(|text| Value::Text(text.into())),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let value = scalar().prop_recursive(4, 40, 5, |inner| {
        let record = proptest::collection::vec(inner.clone(), 0..4).prop_map(|values| Record { values });
        prop_oneof![
            proptest::collection::vec(record, 0..4).prop_map(Value::Records),
            proptest::collection::vec(inner, 0..4).prop_map(Value::Values),
        ]
    });
    proptest::collection::vec(value, 0..6).prop_map(|values| Record { values })
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes);
    bytes
}

/// Words that make careless joining collide.
fn word() -> impl Strategy<Value = String> {
    "[ab:]{0,3}"
}

fn subject() -> impl Strategy<Value = Option<Subject>> {
    proptest::option::of(prop_oneof![
        word().prop_map(Subject::Fin),
        word().prop_map(Subject::Pin),
        word().prop_map(Subject::Tin),
        (word(), word(), 1..3_i8).prop_map(|(series, number, day)| {
            Subject::Document(DocumentSubject { document: Document { series, number }, birth_date: date(1985, 3, day) })
        }),
    ])
}

type Inputs = Vec<(Box<str>, Value)>;

fn inputs() -> impl Strategy<Value = Inputs> {
    let value = prop_oneof![
        word().prop_map(|text| Value::Text(text.into())),
        (0..2_i64).prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    // Names are unique in an envelope.
    proptest::collection::btree_map("[ab]{1,2}", value, 0..3)
        .prop_map(|inputs| inputs.into_iter().map(|(name, value)| (name.into_boxed_str(), value)).collect())
}

fn code() -> impl Strategy<Value = String> {
    "[ab]{1,2}"
}

/// All parts of a question and of a repetition.
#[derive(Debug, Clone, PartialEq)]
struct Parts {
    configuration: String,
    service: String,
    instance: String,
    class: Class,
    subject: Option<Subject>,
    inputs: Inputs,
    consumer: String,
    purpose: String,
    consents: Vec<[u8; 32]>,
}

fn parts() -> impl Strategy<Value = Parts> {
    let class = prop_oneof![Just(Class::O), Just(Class::C), Just(Class::S)];
    let consents = proptest::collection::vec((0..3_u8).prop_map(|byte| [byte; 32]), 0..3);
    (word(), (code(), code(), code()), class, subject(), inputs(), code(), code(), consents).prop_map(
        |(configuration, (provider, name, instance), class, subject, inputs, consumer, purpose, consents)| {
            let service = format!("{provider}/{name}");
            Parts { configuration, service, instance, class, subject, inputs, consumer, purpose, consents }
        },
    )
}

/// Two questions that share most of their parts, so that what differs stands out.
fn two_parts() -> impl Strategy<Value = (Parts, Parts)> {
    (parts(), parts(), 0..9_usize).prop_map(|(one, other, which)| {
        let mut two = one.clone();
        match which {
            0 => two.configuration = other.configuration,
            1 => two.service = other.service,
            2 => two.class = other.class,
            3 => two.subject = other.subject,
            4 => two.inputs = other.inputs,
            5 => two.consumer = other.consumer,
            6 => two.purpose = other.purpose,
            7 => two.instance = other.instance,
            _ => two = other,
        }
        (one, two)
    })
}

fn asked_bytes(parts: &Parts) -> Vec<u8> {
    let mut bytes = Vec::new();
    let asked = Asked {
        configuration: &parts.configuration,
        instance: &InstanceId::new(&parts.instance).expect("valid"),
        service: &service(&parts.service, parts.class, HOUR),
        subject: parts.subject.as_ref(),
        inputs: &parts.inputs,
        consumer: &consumer(&parts.consumer),
        purpose: &purpose(&parts.purpose),
    };
    encode_asked(&asked, &mut bytes);
    bytes
}

fn repeated_bytes(parts: &Parts) -> Vec<u8> {
    let mut bytes = Vec::new();
    let repeated = Repeated {
        service: &service(&parts.service, parts.class, HOUR),
        consumer: &consumer(&parts.consumer),
        case: &CaseId::new(&parts.purpose).expect("valid"),
        subject: parts.subject.as_ref(),
        inputs: &parts.inputs,
        consents: &parts.consents,
    };
    encode_repeated(&repeated, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_cache_does_what_a_plain_map_with_the_rules_does(steps in proptest::collection::vec(step(), 1..80)) {
        let mut bench = Bench::new();
        for step in steps {
            bench.take(step);
        }
    }

    #[test]
    fn decoding_what_was_encoded_gives_the_record(record in record()) {
        let bytes = bytes_of(&record);
        prop_assert_eq!(encoded_bytes(&record), Some(bytes.len()));
        prop_assert!(decode(&bytes) == Some(record));
        for length in 0..bytes.len() {
            prop_assert!(decode(bytes.split_at(length).0).is_none());
        }
    }

    #[test]
    fn decoding_any_bytes_ends_without_a_panic(bytes in proptest::collection::vec(prop_oneof![0..9_u8, any::<u8>()], 0..60)) {
        // Not every decodable text is one the encoder writes, but what it means it says again.
        if let Some(record) = decode(&bytes) {
            prop_assert!(decode(&bytes_of(&record)) == Some(record));
        }
    }

    #[test]
    fn two_questions_have_the_same_bytes_only_where_one_call_answers_both((one, two) in two_parts()) {
        let scope = |parts: &Parts| (parts.class != Class::O).then(|| (parts.consumer.clone(), parts.purpose.clone()));
        let same = one.configuration == two.configuration
            && one.service == two.service
            && one.instance == two.instance
            && one.subject == two.subject
            && one.inputs == two.inputs
            && scope(&one) == scope(&two);
        prop_assert_eq!(asked_bytes(&one) == asked_bytes(&two), same);
    }

    #[test]
    fn two_calls_have_the_same_repeat_bytes_only_where_they_are_one((one, two) in two_parts()) {
        let consents = |parts: &Parts| {
            let mut consents = parts.consents.clone();
            consents.sort_unstable();
            consents
        };
        let same = one.service == two.service
            && one.subject == two.subject
            && one.inputs == two.inputs
            && one.consumer == two.consumer
            && one.purpose == two.purpose
            && consents(&one) == consents(&two);
        prop_assert_eq!(repeated_bytes(&one) == repeated_bytes(&two), same);
    }
}

/// Every word of at most two of these: bytes that are lengths and tags, and one that is neither. Random
/// ones would hardly ever meet where careless joining makes two questions one.
fn words() -> Vec<String> {
    let letters = ["\0", "\u{1}", "\u{2}", "a"];
    let pairs = letters.iter().flat_map(|one| letters.iter().map(move |two| format!("{one}{two}")));
    std::iter::once(String::new()).chain(letters.iter().map(|letter| (*letter).to_owned())).chain(pairs).collect()
}

#[test]
fn no_content_imitates_a_length_or_a_tag() {
    let base = Parts {
        instance: "one".to_owned(),
        configuration: String::new(),
        service: "a/b".to_owned(),
        class: Class::C,
        subject: None,
        inputs: Vec::new(),
        consumer: "a".to_owned(),
        purpose: "b".to_owned(),
        consents: Vec::new(),
    };
    let mut all = vec![base.clone()];
    for one in words() {
        for form in [Subject::Fin, Subject::Pin, Subject::Tin] {
            all.push(Parts { subject: Some(form(one.clone())), ..base.clone() });
        }
        for two in words() {
            let document = Document { series: one.clone(), number: two };
            let subject = Subject::Document(DocumentSubject { document, birth_date: date(1985, 3, 14) });
            all.push(Parts { subject: Some(subject), ..base.clone() });
        }
        if !one.is_empty() {
            all.push(Parts { configuration: one, ..base.clone() });
        }
    }
    let values = || words().into_iter().map(|word| Value::Text(word.into())).chain([Value::Null, Value::Bool(true), Value::Int(1)]);
    let names = ["", "\0", "\0\0", "\0\0\0"];
    for (place, name) in names.iter().enumerate() {
        for value in values() {
            let first = ((*name).into(), value);
            all.push(Parts { inputs: vec![first.clone()], ..base.clone() });
            for other in names.iter().skip(place + 1) {
                all.extend(values().map(|value| Parts { inputs: vec![first.clone(), ((*other).into(), value)], ..base.clone() }));
            }
        }
    }
    // A text that holds the end of another question, and the configuration that would make up for its start.
    let end = "\u{3}a/b\u{5}1.0.0\0\0";
    all.push(Parts { inputs: vec![("".into(), Value::Text(end.into()))], ..base.clone() });
    all.push(Parts { configuration: "\u{3}a/b\u{5}1.0.0\0\u{1}\0\u{5}\u{c}".to_owned(), ..base });
    let mut met = HashMap::new();
    for parts in &all {
        let twin = met.insert(asked_bytes(parts), parts);
        assert_eq!(twin, None, "{parts:?}");
    }
    let distinct: HashSet<_> = all.iter().filter(|parts| parts.configuration.is_empty()).map(repeated_bytes).collect();
    assert_eq!(distinct.len(), all.iter().filter(|parts| parts.configuration.is_empty()).count());
}

#[test]
fn nesting_is_bounded_both_ways() {
    let nested = |levels| {
        let value = (0..levels).fold(Value::Null, |inner, _| Value::Values(vec![inner]));
        Record { values: vec![value] }
    };
    assert!(decode(&bytes_of(&nested(8))) == Some(nested(8)));
    assert!(encoded_bytes(&nested(8)).is_some() && encoded_bytes(&nested(9)).is_none());
    assert!(decode(&bytes_of(&nested(9))).is_none());
    // A list in a list in a list, far beyond any stack.
    let mut deep = vec![1];
    deep.extend([7, 1].repeat(100_000));
    assert!(decode(&deep).is_none());
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    for bytes in [
        &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[1, 5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[1, 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        &[1, 7, 4, 0],
        &[1, 5, 1, 0xff],
        &[1, 4, 2, b'0', b'1'],
        &[1, 8],
        &[0, 0],
    ] {
        assert!(decode(bytes).is_none(), "{bytes:?}");
    }
}

#[test]
fn keys_tell_questions_apart_and_say_nothing_across_processes() {
    let (open, confidential) = (service("a/b", Class::O, HOUR), service("a/b", Class::C, HOUR));
    let (aid, labour, test, check) = (consumer("aid"), consumer("labour"), purpose("test"), purpose("check"));
    let subject = Subject::Fin(FIN.to_owned());
    let forth: Inputs = vec![("a".into(), Value::Int(1)), ("b".into(), Value::Int(2))];
    let back: Inputs = forth.iter().rev().cloned().collect();
    let keys = Keys::new();
    let base = Asked {
        configuration: "c",
        instance: &instance(),
        service: &confidential,
        subject: Some(&subject),
        inputs: &forth,
        consumer: &aid,
        purpose: &test,
    };
    let key = |asked: Asked<'_>| keys.key(&asked).expect("not consent-bound");

    assert_eq!(key(base), key(Asked { inputs: &back, ..base }), "the order of inputs is not part of the question");
    assert_ne!(key(base), key(Asked { consumer: &labour, ..base }));
    assert_ne!(key(base), key(Asked { purpose: &check, ..base }));
    let another = InstanceId::new("another").expect("valid");
    assert_ne!(key(base), key(Asked { instance: &another, ..base }), "two bodies never answer for each other");
    let shared = Asked { service: &open, ..base };
    assert_eq!(key(shared), key(Asked { consumer: &labour, purpose: &check, ..shared }));
    for service in [&open, &confidential] {
        let bound = Service { consent: true, ..Service::clone(service) };
        assert_eq!(keys.key(&Asked { service: &bound, ..base }), None, "consent-bound");
    }
    assert_ne!(Keys::new().key(&base), Some(key(base)), "another process, another secret");
}

#[test]
fn a_repeat_key_is_the_same_after_a_restart_and_names_nobody() {
    let service = service("credit-bureau/obligations", Class::C, HOUR);
    let (consumer, case) = (consumer("targeted-aid"), CaseId::new("c-2026-000042").expect("valid"));
    let subject = Subject::Fin(FIN.to_owned());
    let consents = [[2; 32], [1; 32]];
    let repeated =
        Repeated { service: &service, consumer: &consumer, case: &case, subject: Some(&subject), inputs: &[], consents: &consents };
    let secret = || hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);

    let id = repeat_key(&secret(), &repeated);
    // Kept by providers beyond our restarts and upgrades: a change of this value is a change of protocol.
    assert_eq!(id.to_string(), "f826e249-6313-8460-9bca-68543761a815");
    assert_eq!((id.get_version_num(), id.get_variant()), (8, uuid::Variant::RFC4122));
    assert_eq!(repeat_key(&secret(), &Repeated { consents: &[[1; 32], [2; 32]], ..repeated }), id);
    assert_ne!(repeat_key(&secret(), &Repeated { consents: &[[1; 32]], ..repeated }), id);
    assert_ne!(repeat_key(&secret(), &Repeated { case: &CaseId::new("c-2").expect("valid"), ..repeated }), id);
    assert_ne!(repeat_key(&hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), &repeated), id);
}
