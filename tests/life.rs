//! A gateway's life: reload, expiry, a stop in order. What changes while connections are open counts
//! from the next request on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use journal::Receipt;
use qovsaq::client::Answer;
use qovsaq::demo::{CONSUMER, consumer_files};
use qovsaq::pki::{Authority, Validity};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::{Child, Site, whole_trace};
use crate::house::{Asker, body_for, fresh_case, until};
use crate::ledger;
use crate::raw::Connection;

fn case_body(case: &str, fin: &str) -> Json {
    json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_a_grant_and_a_certificate_away() {
    let site = Site::prepare().await;
    let fin = site.personas.reference_family().applicant().fin.to_string();
    let child = site.serve().await;
    let client = child.client(CONSUMER);
    let case = fresh_case();
    assert_eq!(client.post("/v1/cases", &case_body(&case, &fin), "en").await.expect("an answer").status, 201);
    let path = "/v1/services/azerishiq/subscriber";
    let body = body_for("azerishiq/subscriber", &fin, &case, "");
    assert_eq!(client.post(path, &body, "en").await.expect("an answer").status, 200);

    // The grant goes; a reload that finds problems changes nothing.
    let file = site.dir().join("contracts/consumers/targeted-aid.yaml");
    let text = std::fs::read_to_string(&file).expect("data");
    std::fs::write(&file, format!("{text}grants_of_old: []\n")).expect("writable");
    child.hang_up();
    child.said("not reloaded").await;
    assert_eq!(client.post(path, &body, "en").await.expect("an answer").status, 200);
    let start = text.find("  - service: azerishiq/subscriber").expect("a grant");
    let end = text.find("  - service: azerishiq/consumption").expect("the next one");
    let (before, after) = (text.get(..start).expect("text"), text.get(end..).expect("text"));
    let dossier = site.dir().join("contracts/dossiers/adsy-means-test@1.0.0.yaml");
    let elements = std::fs::read_to_string(&dossier).expect("data");
    let kept = elements.find("  electricity-subscriber:").expect("an element");
    std::fs::write(&dossier, elements.get(..kept).expect("text")).expect("writable");
    std::fs::write(&file, format!("{before}{after}")).expect("writable");
    child.hang_up();
    child.said("\nreloaded").await;
    let calls = site.agencies["azerishiq"].calls().total;
    let denied = client.post(path, &body, "en").await.expect("an answer");
    assert_eq!((denied.status, denied.body.contains("no-grant: ")), (403, true), "{}", denied.body);
    assert_eq!(site.agencies["azerishiq"].calls().total, calls);

    // The certificate goes: the open connection is worth nothing any more, a new one is not made.
    Authority::open(&site.dir().join("pki/meis")).expect("the authority").revoke(CONSUMER, qovsaq::clock::now()).expect("revoked");
    child.hang_up();
    child.said_times("\nreloaded", 2).await;
    assert!(client.post(path, &body, "en").await.is_err(), "a revoked certificate was served");
    let (status, _) = child.stop_and_tell().await;
    assert!(status.success());
    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    let activated = lines.iter().filter(|line| line.is(Kind::ConfigurationActivated)).count();
    assert_eq!(activated, 2, "the start and the one reload that changed something (R7)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_expires_on_an_open_connection_is_not_served() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let now = qovsaq::clock::now();
    let issued = {
        let mut authority = Authority::open(&site.dir().join("pki/meis")).expect("the authority");
        let short = Validity { from: now - Duration::from_secs(60), until: now + Duration::from_secs(3) };
        authority.issue_client("short", &[&format!("{CONSUMER}.meis.test")], short, now).expect("issued")
    };
    let mut connection = Connection::open(child.internal, site.dir(), Some((issued.certificate, issued.key))).await.expect("still valid");
    assert_eq!(connection.post("/v1/cases", None, &case_body(&fresh_case(), "5K7QX2O")).await.expect("an answer").status, 201);
    until("the certificate has expired", || (qovsaq::clock::now() > now + Duration::from_secs(5)).then_some(())).await;
    match connection.post("/v1/cases", None, &case_body(&fresh_case(), "5K7QX2O")).await {
        Ok(answer) => assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("certificate-expired"))),
        Err(_closed) => {}
    }
    assert!(child.stop().await.success());
    let cases = ledger::read(site.dir(), 0).iter().filter(|line| line.is(Kind::CaseOpened)).count();
    assert_eq!(cases, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_finishes_what_is_under_way_and_closes_the_journal() {
    let site = Site::prepare().await;
    let fin = site.personas.reference_family().applicant().fin.to_string();
    let child = site.serve().await;
    let client = child.client(CONSUMER);
    let case = fresh_case();
    assert_eq!(client.post("/v1/cases", &case_body(&case, &fin), "en").await.expect("an answer").status, 201);
    site.agencies["interior"].set_fault("person-identity", "slow", Some(1)).expect("known");
    let body = body_for("interior/person-identity", &fin, &case, "");
    let asked = tokio::spawn(async move { client.post("/v1/services/interior/person-identity", &body, "en").await });
    until("the source has been asked", || (site.agencies["interior"].calls().total == 1).then_some(())).await;
    let identity = Some(consumer_files(site.dir(), CONSUMER));
    let internal = child.internal;
    let (status, log) = child.stop_and_tell().await;
    assert!(status.success() && log.contains("stopped; the journal is closed with a checkpoint"), "{log}");
    let answer = asked.await.expect("a task").expect("the answer under way is given");
    assert_eq!(answer.status, 200);
    assert!(Connection::open(internal, site.dir(), identity).await.is_err(), "the port is free");

    let report = journal::verify::verify(&site.dir().join("journal"), &mut |_| {}).expect("a log");
    assert!(report.is_sound() && report.logs[0].open == 0 && report.logs[0].torn.is_none(), "{report:?}");
    let lines = ledger::read(site.dir(), 0);
    assert!(lines.last().is_some_and(|line| line.is(Kind::NodeStopped)), "the last entry says so");
    let receipt: Receipt = ledger::receipt(&answer.json().expect("JSON"));
    receipt.verify(&ledger::verifying_key(site.dir())).expect("verifies");
    // A start after that finds nothing to repair.
    let child = site.serve().await;
    assert!(child.stop().await.success());
    let kinds: Vec<u8> = ledger::read(site.dir(), 0).iter().map(|line| line.kind).collect();
    assert!(!kinds.contains(&Kind::Recovered.number()) && !kinds.contains(&Kind::Abandoned.number()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_with_a_certificate_of_another_authority_is_not_asked() {
    let site = Site::prepare().await;
    // Our own authority's certificate: a real one, but not the one that signs agencies.
    site.change_config("server_ca: agencies/ca.pem", "server_ca: ca.pem");
    let fin = site.personas.reference_family().applicant().fin.to_string();
    let child = site.serve().await;
    let client = child.client(CONSUMER);
    let case = fresh_case();
    assert_eq!(client.post("/v1/cases", &case_body(&case, &fin), "en").await.expect("an answer").status, 201);
    for service in ["interior/person-identity", "taxes/person-income", "azerishiq/subscriber"] {
        let answer = client.post(&format!("/v1/services/{service}"), &body_for(service, &fin, &case, ""), "en").await.expect("an answer");
        let json = answer.json().expect("JSON");
        assert_eq!((answer.status, json["outcome"].as_str()), (503, Some("UNAVAILABLE")), "{service}: {json}");
        let lines = ledger::read(site.dir(), 0);
        let line = ledger::check_receipt(site.dir(), &lines, &json);
        let source = line.metadata["given"][0]["rests_on"].as_u64().and_then(|index| lines.iter().find(|line| line.index == index));
        let source = source.expect("a source entry");
        assert!(source.is(Kind::Failed), "{source:?}");
        assert_eq!((&source.metadata["reason"], &source.metadata["may_have_been_sent"]), (&json!("tls"), &json!(false)));
    }
    assert!(site.agencies.values().all(|agency| agency.calls().total == 0));
    assert!(child.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_right_after_ready_is_in_order() {
    let site = Site::prepare().await;
    for _ in 0..10 {
        let (status, log) = site.serve().await.stop_and_tell().await;
        assert!(status.success(), "{status}: {log}");
    }
    let lines = ledger::read(site.dir(), 0);
    let count = |kind: Kind| lines.iter().filter(|line| line.is(kind)).count();
    assert_eq!((count(Kind::NodeStarted), count(Kind::NodeStopped), count(Kind::Recovered)), (10, 10, 0));
}

const IDENTITY: &str = "interior/person-identity";
/// Who asks without end.
const WORKERS: usize = 6;

/// Asks without end until told to stop or until no answer comes; all answers.
fn asking(child: &Child, site: &Site, running: &Arc<AtomicBool>) -> Vec<tokio::task::JoinHandle<Vec<Answer>>> {
    let persons = site.personas.people().take(WORKERS);
    let worker = |person: &mock_agencies::Person| {
        // A connection each.
        let (client, fin, running) = (child.client(CONSUMER), person.fin.to_string(), Arc::clone(running));
        tokio::spawn(async move {
            let asker = Asker::start(&client, &fin).await;
            let (path, body) = (format!("/v1/services/{IDENTITY}"), asker.body(IDENTITY));
            let mut answers = Vec::new();
            while running.load(Ordering::Relaxed) {
                let Ok(answer) = client.post(&path, &body, "en").await else { break };
                answers.push(answer);
            }
            answers
        })
    };
    persons.map(worker).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_fails_no_request_that_it_took() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let running = Arc::new(AtomicBool::new(true));
    let workers = asking(&child, &site, &running);
    until("all of them ask", || (site.agencies["interior"].calls().total > 40).then_some(())).await;
    let (status, log) = child.stop_and_tell().await;
    assert!(status.success() && log.contains("stopped; the journal is closed with a checkpoint"), "{log}");
    let mut answers = Vec::new();
    for worker in workers {
        answers.extend(worker.await.expect("a worker ends when nobody answers"));
    }
    // Each that was answered was answered well, and each that was disclosed was answered.
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    let count = |kind: Kind| lines.iter().filter(|line| line.is(kind)).count();
    assert_eq!((count(Kind::Disclosed), count(Kind::Answered)), (answers.len(), answers.len()));
    assert_eq!((count(Kind::Failed), count(Kind::Abandoned)), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_request() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let running = Arc::new(AtomicBool::new(true));
    let workers = asking(&child, &site, &running);
    let file = "contracts/providers/interior/person-identity@1.0.0.yaml";
    for turn in 1..=5 {
        let calls = site.agencies["interior"].calls().total;
        until("they ask", || (site.agencies["interior"].calls().total > calls + 10).then_some(())).await;
        // Other data each time.
        site.change(file, "subject: [fin, document]", &format!("subject: [fin, document] # {turn}"));
        child.hang_up();
        child.said_times("\nreloaded", turn).await;
    }
    running.store(false, Ordering::Relaxed);
    let mut configurations = std::collections::BTreeSet::new();
    let lines = {
        let mut answers = Vec::new();
        for worker in workers {
            answers.extend(worker.await.expect("a worker ends"));
        }
        assert!(child.stop().await.success());
        let lines = ledger::read(site.dir(), 0);
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.body);
            let line = ledger::check_receipt(site.dir(), &lines, &answer.json().expect("JSON"));
            configurations.insert(line.metadata["configuration"].to_string());
        }
        lines
    };
    ledger::check_rules(&lines);
    assert_eq!(lines.iter().filter(|line| line.is(Kind::ConfigurationActivated)).count(), 6);
    assert!(configurations.len() >= 5, "answers were given under each: {configurations:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_connections_to_sources_and_new_ones_are_made_with_the_new_key() {
    let site = Site::prepare().await;
    let child = site.serve_traced(&["-e", "trace=connect"]).await;
    let client = child.client(CONSUMER);
    let asker = Asker::start(&client, &site.personas.reference_family().applicant().fin).await;
    let mut reloads = 0;
    let mut reload = async || {
        reloads += 1;
        child.hang_up();
        child.said_times("\nreloaded", reloads).await;
    };
    let cut = || {
        site.agencies["interior"].set_fault("person-identity", "down", None).expect("known");
        site.agencies["interior"].clear_faults();
    };
    // A key that the source does not accept shows which connections are made with it.
    let key_of = |authority: &str| {
        let now = qovsaq::clock::now();
        let name = format!("meis-{}", uuid::Uuid::new_v4().simple());
        let validity = Validity::starting(now, qovsaq::pki::LEAF_VALIDITY);
        let mut authority = Authority::open(&site.dir().join("pki").join(authority)).expect("the authority");
        let issued = authority.issue_client(&name, &["meis.test"], validity, now).expect("issued");
        for (from, kind) in [(&issued.certificate, "pem"), (&issued.key, "key")] {
            std::fs::copy(from, site.dir().join(format!("agencies/meis-towards-interior.{kind}"))).expect("copied");
        }
    };
    for _ in 0..3 {
        assert_eq!(asker.ask(IDENTITY).await.status, 200);
        reload().await;
    }
    // Rotated: the connection that is there stays in use, for all that the key has changed.
    key_of("meis");
    reload().await;
    assert_eq!(asker.ask(IDENTITY).await.status, 200);
    // Cut: the next one is made with the new key, which this source does not know.
    cut();
    let refused = asker.ask(IDENTITY).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    key_of("agencies");
    reload().await;
    assert_eq!(asker.ask(IDENTITY).await.status, 200);
    let interior = site.agencies["interior"].address.port();
    assert!(child.stop().await.success());
    let trace = whole_trace(&site.trace_file()).await;
    let connects = trace.lines().filter(|line| line.contains("connect(") && line.contains(&format!("sin_port=htons({interior})"))).count();
    // The first, those of the one question that was refused, and the last.
    assert!((3..=5).contains(&connects), "{connects} connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a revoked connection is closed at its next request, not before"]
async fn a_connection_whose_certificate_is_revoked_is_closed_though_nobody_speaks() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let open = async |consumer: &str| {
        let mut connection =
            Connection::open(child.internal, site.dir(), Some(consumer_files(site.dir(), consumer))).await.expect("a connection");
        assert_eq!(connection.get("/v1/catalogue").await.expect("an answer").status, 200);
        connection
    };
    let (mut revoked, mut other) = (open(CONSUMER).await, open("sovqat").await);
    Authority::open(&site.dir().join("pki/meis")).expect("the authority").revoke(CONSUMER, qovsaq::clock::now()).expect("revoked");
    child.hang_up();
    child.said("\nreloaded").await;
    let closed = tokio::time::timeout(Duration::from_secs(10), revoked.read()).await.expect("it is closed by the gateway");
    assert!(closed.is_err(), "nothing was asked");
    assert_eq!(other.get("/v1/catalogue").await.expect("an answer").status, 200);
    assert!(child.stop().await.success());
}
