//! A gateway's life: reload, expiry, a stop in order. What changes while connections are open counts
//! from the next request on.

use std::time::Duration;

use journal::Receipt;
use qovsaq::demo::{CONSUMER, consumer_files};
use qovsaq::pki::{Authority, Validity};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{body_for, fresh_case, until};
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
    child.said("\nreloaded\nreloaded").await;
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
