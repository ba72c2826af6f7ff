//! Limits over the wire: a source is asked no more than agreed and by all alike, a consumer asks no more than
//! its quota, a source that fails is given a rest, one that hangs holds up nobody else, and what may be sent
//! again is sent again under one intent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::child::{Site, look};
use crate::house::{Asker, House, header, until};
use crate::ledger;

const IDENTITY: &str = "interior/person-identity";
const INCOME: &str = "taxes/person-income";

/// The agreed rate of the load test, in calls a second.
const RATE: u32 = 40;
/// Length of the load test.
const LOAD: Duration = Duration::from_secs(8);
/// Workers of the consumer that asks most, and of each other one.
const WORKERS: [usize; 2] = [16, 2];

/// A contract that lets a consumer ask for identities, and nothing else.
fn modest_contract(consumer: &str) -> String {
    format!(
        "consumer: {consumer}\nname: {{az: Sınaq, en: Test}}\nclause: \"634/2.1.3\"\ntype: subsystem\ncertificate_names: [{consumer}.meis.test]\n\
         quota: {{per_second: 50000, burst: 50000}}\n\
         roles:\n  case-officer: {{name: {{az: Sınaq, en: Test}}, class_max: S}}\n\
         grants:\n  - service: {IDENTITY}\n    fields: all\n    purposes: [adsy-means-test]\n    acts: [law-targeted-aid]\n    roles: [case-officer]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sources_quota_is_kept_to_the_call_and_shared_by_all_consumers() {
    let site = Site::prepare().await;
    site.set_quota(IDENTITY, &format!("{{per_second: {RATE}, burst: {RATE}}}"));
    let consumers = qovsaq::demo::consumers();
    assert_eq!(consumers.len(), 18);
    for consumer in consumers.iter().filter(|consumer| *consumer != "targeted-aid") {
        std::fs::write(site.dir().join(format!("contracts/consumers/{consumer}.yaml")), modest_contract(consumer)).expect("writable");
    }
    qovsaq::demo::write_register(site.dir()).expect("a register for these consumers");
    let house = site.up().await;
    // Persons of their own: the same question of one consumer would be asked once.
    let persons: Vec<String> = house.environment.personas.people().map(|person| person.fin.to_string()).collect();
    let running = Arc::new(AtomicBool::new(true));
    let answered: BTreeMap<&String, Arc<AtomicU64>> = consumers.iter().map(|consumer| (consumer, Arc::default())).collect();
    let mut workers = Vec::new();
    for (place, consumer) in consumers.iter().enumerate() {
        let client = house.environment.client(consumer).expect("a certificate");
        for person in persons.iter().take(WORKERS[usize::from(place > 0)]) {
            let asker = Asker::start(&client, person).await;
            let (running, answered) = (Arc::clone(&running), Arc::clone(&answered[consumer]));
            workers.push(tokio::spawn(async move {
                while running.load(Ordering::Relaxed) {
                    let answer = asker.ask_waiting(IDENTITY, 60).await;
                    assert_eq!(answer.status, 200, "who may wait long enough is answered: {}", answer.body);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
    }
    // What was saved up is spent first.
    until("the burst is spent", || (house.asked_of(IDENTITY) > u64::from(2 * RATE)).then_some(())).await;
    let counts = || answered.iter().map(|(consumer, count)| (*consumer, count.load(Ordering::Relaxed))).collect::<BTreeMap<_, _>>();
    let (began, asked, told) = (Instant::now(), house.asked_of(IDENTITY), counts());
    tokio::time::sleep(LOAD).await;
    let (took, asked) = (began.elapsed(), house.asked_of(IDENTITY) - asked);
    let told: BTreeMap<_, _> = counts().into_iter().map(|(consumer, count)| (consumer, count - told[consumer])).collect();
    running.store(false, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("a worker ends well");
    }

    // One call more or less may be under way at either end.
    let agreed = took.as_secs_f64() * f64::from(RATE);
    let asked = f64::from(u32::try_from(asked).expect("small"));
    assert!((asked - agreed).abs() <= agreed * 0.01 + 2.0, "{asked} calls in {took:?}, {agreed} are agreed");
    // Fair: the one with eight times as many questions gets no more than any other.
    let (least, most) = (told.values().min().expect("some"), told.values().max().expect("some"));
    assert!(*least > 0 && most - least <= 3, "{told:?}");
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_used_up_beyond_the_deadline_is_told_at_once() {
    let site = Site::prepare().await;
    site.set_quota(IDENTITY, "{per_second: 1, burst: 1}");
    let house = site.up().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    assert_eq!(asker.ask(IDENTITY).await.status, 200);
    let lines = house.closed_lines().await.len();
    // Five want to be asked within a second; one or two will be.
    let mut askers = Vec::new();
    for member in &house.family().members {
        askers.push(Asker::start(&asker.client, &member.fin).await);
    }
    let answers = join_all(askers.iter().map(|asker| asker.ask_waiting(IDENTITY, 1))).await;
    let refused = answers.into_iter().find(|answer| answer.body.contains("source-busy"));
    let refused = refused.expect("one of them is over the quota");
    let problem = refused.json().expect("JSON");
    assert_eq!(
        (&problem["code"], &problem["origin"], &problem["outcome"]),
        (&json!("source-busy"), &json!("gateway"), &json!("UNAVAILABLE"))
    );
    assert!(header(&refused, "retry-after").parse::<u64>().is_ok_and(|seconds| (1..=2).contains(&seconds)), "{:?}", refused.headers);
    let all = house.closed_lines().await;
    let line = ledger::check_receipt(house.dir(), &all, &problem);
    assert!(line.metadata["given"][0]["rests_on"].is_null(), "about to send it was not: {line:?}");
    let intents = all[lines..].iter().filter(|line| line.is(Kind::Intent)).count();
    assert_eq!(u64::try_from(intents).expect("small") + 1, house.asked_of(IDENTITY));
    // Who waits gets his turn.
    assert_eq!(asker.ask_waiting(IDENTITY, 10).await.status, 200);
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_over_its_quota_is_told_when_to_come_back_and_nobody_else_feels_it() {
    let site = Site::prepare().await;
    site.set_consumer_quota("targeted-aid", "{per_second: 1, burst: 5}");
    let house = site.up().await;
    let client = house.client();
    let asker = Asker::start(&client, &house.applicant().fin).await;
    let first = asker.ask(IDENTITY).await;
    assert_eq!(first.status, 200);
    assert_eq!(header(&first, "ratelimit-policy"), r#""requests";q=5;w=5"#);
    assert!(header(&first, "ratelimit").starts_with(r#""requests";r="#), "{:?}", first.headers);
    let mut told = 0;
    let refused = loop {
        told += 1;
        assert!(told < 50, "the quota is never used up");
        let answer = asker.ask(IDENTITY).await;
        if answer.status != 200 {
            break answer;
        }
    };
    let problem = refused.json().expect("JSON");
    assert_eq!((refused.status, &problem["code"], &problem["origin"]), (429, &json!("too-many-requests"), &json!("consumer")));
    assert!(header(&refused, "retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    assert!(header(&refused, "ratelimit").starts_with(r#""requests";r=0;t="#), "{:?}", refused.headers);
    assert!(problem["receipt"].is_null(), "a flood does not fill the log");
    // Every route counts, and every other consumer has a quota of its own.
    assert_eq!(client.get("/v1/catalogue", "en").await.expect("an answer").status, 429);
    let other = house.environment.client("sovqat").expect("a certificate");
    assert_eq!(other.get("/v1/catalogue", "en").await.expect("an answer").status, 200);
    let (_, metrics) = look(house.environment.gateway.ops, "/metrics").await;
    assert!(metrics.contains(r#"qovsaq_requests_over_quota_total{consumer="targeted-aid"} "#), "{metrics}");
    // It comes back by itself.
    until("a second has passed", || {
        let quota = house.environment.gateway.gateway.sources.count_request(&model::ConsumerId::new("targeted-aid").expect("a code"));
        quota.is_ok().then_some(())
    })
    .await;
    house.stop().await;
}

/// How the catalogue says that a source stands.
async fn state(client: &qovsaq::client::Client, service: &str) -> String {
    let catalogue = client.get("/v1/catalogue", "en").await.expect("an answer").json().expect("JSON");
    let services = catalogue["services"].as_array().expect("services").iter();
    let own = services.clone().find(|own| own["service"] == service).unwrap_or_else(|| panic!("{service} is not in the catalogue"));
    own["state"].as_str().expect("a state").to_owned()
}

async fn metric(house: &House, name: &str) -> Option<f64> {
    let (_, metrics) = look(house.environment.gateway.ops, "/metrics").await;
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_fails_is_given_a_rest_and_comes_back() {
    let house = Site::prepare().await.limits_of("interior", "{breaker: {calls_min: 4, failed_percent: 50, open_for: 2s}}").up().await;
    let client = house.client();
    let asker = Asker::start(&client, &house.applicant().fin).await;
    assert_eq!(state(&client, IDENTITY).await, "available");
    house.set_fault(IDENTITY, "error", None);
    for _ in 0..4 {
        let answer = asker.ask(IDENTITY).await;
        assert_eq!((answer.status, answer.json().expect("JSON")["code"].as_str()), (503, Some("source-unavailable")));
    }
    // Suspended: nobody asks it, nothing is about to be sent, and who asks is told when to come back.
    let (asked, before) = (house.asked_of(IDENTITY), house.closed_lines().await.len());
    let refused = asker.ask(IDENTITY).await;
    let problem = refused.json().expect("JSON");
    assert_eq!((refused.status, &problem["code"], &problem["outcome"]), (503, &json!("source-suspended"), &json!("UNAVAILABLE")));
    assert!(header(&refused, "retry-after").parse::<u64>().is_ok_and(|seconds| (1..=2).contains(&seconds)), "{:?}", refused.headers);
    let lines = house.closed_lines().await;
    assert_eq!((house.asked_of(IDENTITY), lines[before..].iter().filter(|line| line.is(Kind::Intent)).count()), (asked, 0));
    assert!(ledger::check_receipt(house.dir(), &lines, &problem).is(Kind::Disclosed));
    // The instance as a whole, and no other; for all to see.
    assert_eq!(state(&client, IDENTITY).await, "suspended");
    assert_eq!(state(&client, "interior/residence-registration").await, "suspended");
    assert_eq!(state(&client, INCOME).await, "available");
    assert_eq!(asker.ask(INCOME).await.status, 200);
    assert_eq!(metric(&house, r#"qovsaq_breaker_state{provider="interior"}"#).await, Some(2.0));
    assert!(metric(&house, r#"qovsaq_breaker_transitions_total{provider="interior",to="open"}"#).await.is_some_and(|count| count >= 1.0));

    // While it is out of order, one probe is enough to wait again.
    until("its rest is over", || (house.environment.gateway.gateway.sources.view("interior")?.breaker == "half-open").then_some(())).await;
    assert_eq!(state(&client, IDENTITY).await, "probing");
    assert_eq!(asker.ask(IDENTITY).await.json().expect("JSON")["code"], "source-unavailable");
    assert_eq!(asker.ask(IDENTITY).await.json().expect("JSON")["code"], "source-suspended");

    // And when it is well, a few good ones close it.
    house.clear_faults();
    until("its rest is over", || (house.environment.gateway.gateway.sources.view("interior")?.breaker == "half-open").then_some(())).await;
    for _ in 0..3 {
        assert_eq!(asker.ask(IDENTITY).await.status, 200);
    }
    assert_eq!(state(&client, IDENTITY).await, "available");
    assert_eq!(metric(&house, r#"qovsaq_breaker_state{provider="interior"}"#).await, Some(0.0));
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_is_no_failure_of_the_source() {
    let house = Site::prepare().await.limits_of("interior", "{breaker: {calls_min: 2, failed_percent: 1}}").up().await;
    let spouse = Asker::start(&house.client(), &house.family().members[1].fin).await;
    for _ in 0..6 {
        let answer = spouse.ask("interior/vehicle-ownership").await;
        assert_eq!((answer.status, answer.json().expect("JSON")["outcome"].as_str()), (200, Some("NOT_FOUND")));
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_hangs_fills_its_own_places_and_nobody_elses() {
    let house = Site::prepare().await.limits_of("interior", "{calls_max: 3, breaker: {calls_min: 1000000}}").up().await;
    let client = house.client();
    house.set_fault(IDENTITY, "hang", None);
    let mut hanging = Vec::new();
    for person in house.environment.personas.people().skip(1).take(3) {
        let asker = Asker::start(&client, &person.fin).await;
        hanging.push(tokio::spawn(async move { asker.ask_waiting(IDENTITY, 10).await }));
    }
    until("its places are full", || (house.asked_of(IDENTITY) == 3).then_some(())).await;
    let asker = Asker::start(&client, &house.applicant().fin).await;
    let before = house.lines().len();
    let refused = asker.ask_waiting("interior/residence-registration", 1).await;
    let problem = refused.json().expect("JSON");
    // A place might have come free until the last moment, when both may be said.
    let told = (refused.status, problem["code"].as_str());
    assert!([(503, Some("source-busy")), (504, Some("deadline-passed"))].contains(&told), "{problem}");
    assert!(!house.lines()[before..].iter().any(|line| line.is(Kind::Intent)), "nothing is about to be sent");
    // The other sources answer as if nothing were.
    for service in [INCOME, "property/ownership", "justice/enforcement-debt", "azerishiq/subscriber", "azersu/consumption"] {
        let began = Instant::now();
        assert_eq!(asker.ask(service).await.status, 200, "{service}");
        assert!(began.elapsed() < Duration::from_secs(2), "{service} waits for another source");
    }
    assert!(!hanging.iter().any(tokio::task::JoinHandle::is_finished));
    house.clear_faults();
    // Whoever can wait takes the place of one that is given up.
    assert_eq!(asker.ask_waiting("interior/residence-registration", 10).await.status, 200);
    for hung in hanging {
        assert_eq!(hung.await.expect("a task").status, 504);
    }
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

/// The one closing entry of the newest intent.
async fn outcome(house: &House) -> Json {
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    ledger::closers(&lines).pop_last().expect("an intent").1[0].metadata.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_asked_twice_is_sent_again_under_one_intent() {
    let house = House::start().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let intents = async || ledger::closers(&house.closed_lines().await).len();
    let sent = |service: &str| house.asked_of(service);

    house.set_fault(IDENTITY, "reset", Some(2));
    let answer = asker.ask(IDENTITY).await;
    assert_eq!((answer.status, sent(IDENTITY), intents().await), (200, 3, 1), "{}", answer.body);
    assert_eq!(outcome(&house).await["attempts"], 3);
    assert!(metric(&house, &format!("qovsaq_provider_retries_total{{service=\"{IDENTITY}\"}}")).await.is_some_and(|count| count >= 2.0));

    // Three times and no more.
    house.set_fault(IDENTITY, "reset", None);
    assert_eq!((asker.ask(IDENTITY).await.status, sent(IDENTITY), intents().await), (503, 6, 2));
    assert_eq!(outcome(&house).await["may_have_been_sent"], true);
    house.clear_faults();

    // The source says when, and is not asked earlier.
    let service = "azerishiq/subscriber";
    house.set_fault(service, "retry-after", Some(1));
    let began = Instant::now();
    assert_eq!((asker.ask(service).await.status, sent(service), intents().await), (200, 2, 3));
    assert!(began.elapsed() >= Duration::from_secs(2));

    // What is no trouble of the moment is not asked again; neither is what may be asked once alone.
    for (service, fault) in [(INCOME, "malformed"), (INCOME, "error"), ("credit-bureau/obligations-summary", "lost-accept")] {
        let before = sent(service);
        house.set_fault(service, fault, None);
        assert_ne!(asker.ask(service).await.status, 200);
        assert_eq!(sent(service) - before, 1, "{service} with {fault}");
        house.clear_faults();
    }
    house.stop().await;
}

// clause: 634/6.2.13 000/5.1.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grants_volume_of_persons_ends_at_midnight_and_not_before() {
    let site = Site::prepare().await;
    let grant = format!("  - service: {IDENTITY}\n");
    site.change("contracts/consumers/targeted-aid.yaml", &grant, &format!("{grant}    volume: {{persons_per_day: 1}}\n"));
    let house = site.up().await;
    let today = || model::time::day(qovsaq::clock::now());
    let client = house.client();
    let persons: Vec<String> = house.environment.personas.people().map(|person| person.fin.to_string()).take(2).collect();
    let (first, second) = (Asker::start(&client, &persons[0]).await, Asker::start(&client, &persons[1]).await);
    let day = today();
    assert_eq!(first.ask(IDENTITY).await.status, 200);
    let (asked, refused) = (house.asked(), second.ask(IDENTITY).await);
    let again = first.ask(IDENTITY).await;
    // What was counted before midnight does not count after it.
    if day == today() {
        let problem = refused.json().expect("JSON");
        assert_eq!(
            (refused.status, &problem["code"], &problem["origin"]),
            (429, &json!("too-many-requests"), &json!("consumer")),
            "{problem}"
        );
        assert!(problem["outcome"].is_null() && problem["receipt"].is_null(), "{problem}");
        let wait: u64 = header(&refused, "retry-after").parse().expect("seconds");
        assert!((1..=86_400).contains(&wait), "{wait}");
        assert!(!refused.body.contains(&persons[1]));
        // Whoever was asked about may be asked about again, and other grants are not touched.
        assert_eq!(again.status, 200);
        assert_eq!(second.ask(INCOME).await.status, 200);
        assert!(house.asked() > asked);
    }
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    if day == today() {
        assert_eq!(lines.iter().filter(|line| line.is(Kind::Disclosed) && line.metadata["service"] == IDENTITY).count(), 2);
    }
    house.stop().await;
}
