//! The journal's rules R1 to R4 by trace: the program runs under strace, and for every byte that left
//! it the flush is found that had to come first.

use std::collections::{BTreeMap, BTreeSet};

use qovsaq::demo::{CONSUMER, consumer_files};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::{Child, Site, whole_trace};
use crate::house::{body_for, dossier_envelope, envelope, fresh_case};
use crate::ledger::{self, Line};
use crate::program::run;
use crate::raw::Connection;
use crate::trace::{self, Event};

/// What is shorter than this carries no question and no answer of HTTP/1.1: alerts.
const CONTENT_BYTES_MIN: usize = 64;

/// Every flush takes five milliseconds longer, so that a byte that does not wait for its own is seen to be early.
const SLOW_FLUSH: &str = "inject=fdatasync:delay_enter=5000";

/// Time limit of every call: what hangs is given up by the call itself, so that nothing of it is under
/// way when the next question is asked.
const TIMEOUT: &str = "2s";

/// One question of the load.
struct Ask {
    service: &'static str,
    fault: Option<&'static str>,
    /// Changes the granted body.
    change: fn(&mut Json),
    /// Seconds to wait.
    wait: u32,
    status: u16,
}

const fn ask(service: &'static str, fault: Option<&'static str>, status: u16) -> Ask {
    Ask { service, fault, change: |_| {}, wait: 10, status }
}

/// Found, absent, denied in several ways, broken, failing and hanging: everything that has an order to keep.
fn load() -> Vec<Ask> {
    let denied = |service, change| Ask { change, ..ask(service, None, 403) };
    let hanging = |service| ask(service, Some("hang"), 504);
    vec![
        ask("interior/person-identity", None, 200),
        ask("taxes/person-income", None, 200),
        denied("interior/person-identity", |body| body["purpose"] = json!("social-payments")),
        ask("azerishiq/subscriber", Some("error"), 503),
        ask("azerishiq/subscriber", None, 200),
        ask("azerishiq/consumption", None, 200),
        ask("taxes/person-income", Some("fault-in-200"), 503),
        hanging("interior/person-identity"),
        ask("interior/person-identity", Some("malformed"), 502),
        denied("taxes/person-income", |body| body["role"] = json!("clerk")),
        // Sent again under the same intent.
        ask("interior/person-identity", Some("reset"), 200),
        ask("interior/person-identity", Some("access-denied"), 502),
        ask("taxes/person-income", Some("oversize"), 502),
        hanging("azerishiq/consumption"),
        denied("azerishiq/consumption", |body| body["input"]["subscriber_code"] = json!("TEST-EL-999999")),
        ask("azerishiq/consumption", Some("undeclared"), 200),
        denied("interior/person-identity", |body| body["case"] = json!("c-unknown")),
        ask("interior/person-identity", Some("retry-after"), 503),
        ask("interior/person-identity", None, 200),
    ]
}

async fn connect(site: &Site, child: &Child) -> Connection {
    Connection::open(child.internal, site.dir(), Some(consumer_files(site.dir(), CONSUMER))).await.expect("a connection")
}

async fn open_case(connection: &mut Connection, fin: &str) -> String {
    let case = fresh_case();
    let body = json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]});
    let opened = connection.post("/v1/cases", None, &body).await.expect("an answer");
    assert_eq!(opened.status, 201);
    case
}

/// Asks everything of a load on one connection, one after another; the answers in order.
async fn ask_all(connection: &mut Connection, site: &Site, load: &[Ask], with_faults: bool) -> Vec<Json> {
    let fin = &*site.personas.reference_family().applicant().fin;
    let case = open_case(connection, fin).await;
    let subscriber = connection.post("/v1/services/azerishiq/subscriber", None, &envelope(fin, &case, json!({}))).await.expect("an answer");
    let code = subscriber.json()["data"]["subscriber_code"].as_str().unwrap_or("TEST-EL-000111").to_owned();
    let mut answers = vec![subscriber.json()];
    for ask in load {
        let (provider, name) = ask.service.split_once('/').expect("provider/service");
        let mut body = body_for(ask.service, fin, &case, &code);
        (ask.change)(&mut body);
        if let Some(fault) = ask.fault.filter(|_| with_faults) {
            site.agencies[provider].set_fault(name, fault, Some(1)).expect("the mock knows the fault");
        }
        let answer = connection.post(&format!("/v1/services/{}", ask.service), Some(ask.wait), &body).await.expect("an answer");
        if with_faults {
            assert_eq!(answer.status, ask.status, "{} with {:?}: {}", ask.service, ask.fault, answer.json());
        }
        answers.push(answer.json());
    }
    answers
}

/// Asks a dossier and reads it again: each reading is disclosed anew.
async fn ask_dossier(connection: &mut Connection, site: &Site) -> Vec<Json> {
    let case = open_case(connection, &site.personas.requests_family().applicant().fin).await;
    let opened = connection
        .post("/v1/dossiers/adsy-means-test", Some(20), &dossier_envelope(site.personas.requests_family(), &case))
        .await
        .expect("an answer");
    let opened = opened.json();
    let id = opened["dossier_id"].as_str().expect("an id");
    let again = connection.get(&format!("/v1/dossiers/adsy-means-test/{id}")).await.expect("an answer").json();
    assert_ne!(opened["receipt"]["index"], again["receipt"]["index"]);
    vec![opened, again]
}

/// `journal show --json` says of each receipt's entry what the receipt says, without a key.
fn check_shown(site: &Site, answers: &[Json]) {
    for answer in answers {
        let index = answer["receipt"]["index"].to_string();
        let journal = site.dir().join("journal").display().to_string();
        let ran = run(&["journal", "show", "--json", &journal, &index]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let shown: Json = serde_json::from_str(&ran.stdout).expect("JSON");
        for field in ["origin", "index", "leaf_hash"] {
            assert_eq!(shown[field], answer["receipt"][field]);
        }
        let kind = if answer["outcome"] == "DENIED" && answer["origin"] == "gateway" { "denied" } else { "disclosed" };
        assert_eq!(shown["kind"], kind);
        assert!(shown["frame"].is_u64() && shown.get("metadata").is_none(), "sealed without a key: {shown}");
    }
}

/// Entries by the frame that made them durable.
fn by_frame(lines: &[Line]) -> BTreeMap<u64, Vec<&Line>> {
    let mut frames: BTreeMap<u64, Vec<&Line>> = BTreeMap::new();
    lines.iter().for_each(|line| frames.entry(line.frame).or_default().push(line));
    frames
}

fn provider_of(line: &Line) -> &str {
    let service = line.metadata["service"].as_str().expect("a service");
    service.split_once('/').expect("provider/service").0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_nothing_leaves_before_its_entry_is_durable() {
    let site = Site::prepare().await;
    site.set_timeout("", TIMEOUT);
    let child = site.serve_traced(&["-e", trace::CALLS, "-e", SLOW_FLUSH]).await;
    let internal = child.internal.port();
    let mut connection = connect(&site, &child).await;
    let load = load();
    let answers = ask_all(&mut connection, &site, &load, true).await;
    let port = connection.port;
    drop(connection);
    assert!(child.stop().await.success());

    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    for answer in &answers {
        ledger::check_receipt(site.dir(), &lines, answer);
    }
    check_shown(&site, &answers);
    let frames = by_frame(&lines);
    let providers: BTreeMap<u16, &str> = site.agencies.iter().map(|(code, agency)| (agency.address.port(), *code)).collect();

    // One question is under way at a time, so order alone proves whose byte each is.
    let mut asking: Option<&Line> = None;
    let mut calls = BTreeSet::new();
    let mut wire = trace::Calls::default();
    let events = trace::read(&whole_trace(&site.trace_file()).await);
    for event in &events {
        match event {
            Event::Durable(frame) => {
                for line in &frames[frame] {
                    if line.is(Kind::Intent) {
                        asking = Some(line);
                    } else if line.is(Kind::Answered) || line.is(Kind::Failed) {
                        asking = None;
                    }
                }
            }
            Event::FlushFailed => panic!("no flush may fail here"),
            Event::Sent { local, remote, records } => {
                let Some(provider) = providers.get(remote).filter(|_| wire.may_carry_one(*local, records)) else { continue };
                let intent = asking.unwrap_or_else(|| panic!("R1: {records:?} left for {provider} without a durable intent"));
                assert_eq!(provider_of(intent), *provider, "R1: the intent is for another provider");
                calls.insert(intent.index);
            }
            Event::Received { .. } => {}
        }
    }
    let intents = lines.iter().filter(|line| line.is(Kind::Intent)).count();
    assert_eq!(calls.len(), intents, "each intent is about to send, and sends");
    let indices = answers.iter().map(|answer| ledger::receipt(answer).index).collect();
    check_disclosures(&events, &frames, internal, &BTreeMap::from([(port, indices)]));
}

/// R3: the answers of each connection, by our own port, begin to leave after the entries that their
/// receipts name are durable. One connection answers one question at a time, so the last answers
/// that were seen to leave are the expected ones; before them come the handshake and the case.
fn check_disclosures(events: &[Event], frames: &BTreeMap<u64, Vec<&Line>>, internal: u16, expected: &BTreeMap<u16, Vec<u64>>) {
    let mut durable_at: BTreeMap<u64, usize> = BTreeMap::new();
    // By connection: where in the trace each answer begins, and whether something was asked since.
    let mut told: BTreeMap<u16, (Vec<usize>, bool)> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Durable(frame) => durable_at.extend(frames[frame].iter().map(|line| (line.index, at))),
            Event::Received { local, remote, bytes } if *local == internal && *bytes >= CONTENT_BYTES_MIN => {
                told.entry(*remote).or_default().1 = true;
            }
            Event::Sent { local, remote, records }
                if *local == internal && records.iter().any(|record| record.bytes >= CONTENT_BYTES_MIN) =>
            {
                let (begins, asked) = told.entry(*remote).or_default();
                if std::mem::take(asked) {
                    begins.push(at);
                }
            }
            Event::FlushFailed | Event::Received { .. } | Event::Sent { .. } => {}
        }
    }
    for (port, indices) in expected {
        let begins = &told[port].0;
        // The handshake, perhaps with its tickets in a burst of their own, and the case.
        let before = begins.len().checked_sub(indices.len()).expect("every answer was seen to leave");
        assert!((2..=3).contains(&before), "{before} bursts before the first answer");
        for (index, begin) in indices.iter().zip(&begins[before..]) {
            assert!(durable_at[index] < *begin, "R3: the answer of entry {index} left before the entry was durable");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_answer_leaves_after_its_own_entry_is_durable() {
    let site = Site::prepare().await;
    site.set_timeout("", TIMEOUT);
    let child = site.serve_traced(&["-e", trace::CALLS, "-e", SLOW_FLUSH]).await;
    let internal = child.internal.port();
    for (agency, service, fault, times) in
        [("taxes", "person-income", "error", 10), ("interior", "person-identity", "reset", 10), ("azerishiq", "consumption", "hang", 2)]
    {
        site.agencies[agency].set_fault(service, fault, Some(times)).expect("the mock knows the fault");
    }
    let load = load();
    let one = async || {
        let mut connection = connect(&site, &child).await;
        let answers = ask_all(&mut connection, &site, &load, false).await;
        let mut second = connect(&site, &child).await;
        let dossier = ask_dossier(&mut second, &site).await;
        [(connection.port, answers), (second.port, dossier)]
    };
    let (a, b, c, d, e, f) = tokio::join!(one(), one(), one(), one(), one(), one());
    assert!(child.stop().await.success());

    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    let frames = by_frame(&lines);
    // By connection, the entries whose disclosure its answers are, in order.
    let mut expected: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for (port, answers) in [a, b, c, d, e, f].into_iter().flatten() {
        let indices = answers.iter().map(|answer| ledger::check_receipt(site.dir(), &lines, answer).index);
        expected.insert(port, indices.collect());
    }
    let events = trace::read(&whole_trace(&site.trace_file()).await);
    check_sent(&events, &frames, &site);
    check_disclosures(&events, &frames, internal, &expected);
}

/// R1 where many questions are under way: whatever may carry one leaves for a provider while an intent for
/// that provider is durable and open.
fn check_sent(events: &[Event], frames: &BTreeMap<u64, Vec<&Line>>, site: &Site) {
    let providers: BTreeMap<u16, &str> = site.agencies.iter().map(|(code, agency)| (agency.address.port(), *code)).collect();
    let mut asking: BTreeMap<&str, i64> = BTreeMap::new();
    let mut wire = trace::Calls::default();
    for event in events {
        match event {
            Event::Durable(frame) => {
                for line in &frames[frame] {
                    if line.is(Kind::Intent) {
                        *asking.entry(provider_of(line)).or_default() += 1;
                    } else if line.is(Kind::Answered) || line.is(Kind::Failed) {
                        *asking.entry(provider_of(line)).or_default() -= 1;
                    }
                }
            }
            Event::FlushFailed => panic!("no flush may fail here"),
            Event::Sent { local, remote, records } => {
                let Some(provider) = providers.get(remote).filter(|_| wire.may_carry_one(*local, records)) else { continue };
                assert!(asking.get(provider).is_some_and(|count| *count > 0), "R1: {records:?} left for {provider} without an open intent");
            }
            Event::Received { .. } => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_shared_late_and_streamed_answers_leave_after_their_own_entries() {
    let site = Site::prepare().await.keep_answers();
    let child = site.serve_traced(&["-e", trace::CALLS, "-e", SLOW_FLUSH]).await;
    let internal = child.internal.port();
    let fin = &*site.personas.reference_family().applicant().fin;
    let (identity, income) = ("interior/person-identity", "taxes/person-income");
    let path = |service: &str| format!("/v1/services/{service}");
    let mut expected: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    let index = |answer: &Json| ledger::receipt(answer).index;

    // Asked, then kept: one call, two disclosures.
    let mut connection = connect(&site, &child).await;
    let case = open_case(&mut connection, fin).await;
    let body = body_for(identity, fin, &case, "");
    let first = connection.post(&path(identity), None, &body).await.expect("an answer").json();
    let kept = connection.post(&path(identity), None, &body).await.expect("an answer").json();
    assert_eq!((&first["source"]["via"], &kept["source"]["via"]), (&json!("provider"), &json!("cache")));
    // Told that the time is up, while the source is still asked; answered late.
    site.agencies["property"].set_fault("ownership", "slow", Some(1)).expect("known");
    let late =
        connection.post(&path("property/ownership"), Some(1), &body_for("property/ownership", fin, &case, "")).await.expect("an answer");
    assert_eq!(late.status, 504);
    expected.insert(connection.port, [&first, &kept, &late.json()].map(index).to_vec());

    // Two who ask the same at once.
    site.agencies["taxes"].set_fault("person-income", "slow", Some(1)).expect("known");
    let together = async || {
        let mut connection = connect(&site, &child).await;
        let case = open_case(&mut connection, fin).await;
        let answer = connection.post(&path(income), Some(10), &body_for(income, fin, &case, "")).await.expect("an answer").json();
        (connection.port, answer)
    };
    let (one, two) = tokio::join!(together(), together());
    let via = |answer: &Json| answer["source"]["via"].as_str().expect("a word").to_owned();
    assert_eq!(BTreeSet::from([via(&one.1), via(&two.1)]), BTreeSet::from(["provider".to_owned(), "cache".to_owned()]));
    for (port, answer) in [one, two] {
        expected.insert(port, vec![index(&answer)]);
    }

    // A dossier told element by element.
    let family = site.personas.requests_family();
    let mut streaming = connect(&site, &child).await;
    let case = open_case(&mut streaming, &family.applicant().fin).await;
    let streamed = streaming.stream("/v1/dossiers/adsy-means-test", 30, &dossier_envelope(family, &case)).await.expect("a stream");
    let port = streaming.port;
    drop((connection, streaming));
    assert!(child.stop().await.success());

    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    let asked = |service: &str| lines.iter().filter(|line| line.is(Kind::Intent) && line.metadata["service"] == service).count();
    let members = family.members.len();
    assert_eq!((asked(identity), asked(income)), (1 + members, 1 + 2), "once each, and once for each of the dossier's");
    let frames = by_frame(&lines);
    let events = trace::read(&whole_trace(&site.trace_file()).await);
    check_sent(&events, &frames, &site);
    check_disclosures(&events, &frames, internal, &expected);
    let told = check_stream(&events, &lines, internal, port, &streamed);
    assert!(told > 30, "{told} elements");
}

/// R3 for a stream: each element's event begins to leave after a disclosure that gives it is durable. The
/// records that carry the stream are known by their lengths: together they are the stream as the client
/// read it. Gives how many elements there were.
fn check_stream(events: &[Event], lines: &[Line], internal: u16, port: u16, streamed: &[u8]) -> usize {
    let frames = by_frame(lines);
    let mut durable_at: BTreeMap<u64, usize> = BTreeMap::new();
    // Where in the trace each byte of the answers on this connection leaves, as (bytes before, place).
    let mut sent: Vec<(usize, usize)> = Vec::new();
    let mut bytes = 0;
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Durable(frame) => durable_at.extend(frames[frame].iter().map(|line| (line.index, at))),
            Event::Sent { local, remote, records } if *local == internal && *remote == port => {
                let content: usize = records
                    .iter()
                    .filter(|record| record.kind == 23)
                    .map(|record| record.bytes.saturating_sub(trace::RECORD_OVERHEAD))
                    .sum();
                sent.push((bytes, at));
                bytes += content;
            }
            Event::FlushFailed | Event::Received { .. } | Event::Sent { .. } => {}
        }
    }
    // The stream is the last thing on its connection but for the goodbye: two bytes of an alert.
    let goodbye = 2;
    let begins =
        bytes.checked_sub(streamed.len() + goodbye).or_else(|| bytes.checked_sub(streamed.len())).expect("the whole stream was seen");
    let text = String::from_utf8_lossy(streamed);
    assert_eq!(text.len(), streamed.len(), "UTF-8");
    let mut told = 0;
    for (offset, mark) in text.match_indices("event: element\ndata: ") {
        let data = text.get(offset + mark.len()..).and_then(|rest| rest.lines().next()).expect("its data");
        let element: Json = serde_json::from_str(data).expect("JSON");
        let receipt = element["receipt"]["index"].as_u64().expect("a receipt");
        let gives = |line: &&Line| {
            let given = line.metadata["given"].as_array().into_iter().flatten();
            let own = |given: &Json| given["element"] == element["element"] && (given["rests_on"] == receipt || line.index == receipt);
            line.is(Kind::Disclosed) && given.clone().any(own)
        };
        let disclosed = lines.iter().find(gives).unwrap_or_else(|| panic!("{element} was never disclosed"));
        // The last sending that began before its first byte carries it.
        let leaves = sent.iter().take_while(|(before, _)| *before <= begins + offset).last().expect("it left").1;
        assert!(durable_at[&disclosed.index] < leaves, "R3: an element left before entry {} was durable", disclosed.index);
        told += 1;
    }
    told
}
