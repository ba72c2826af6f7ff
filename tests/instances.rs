//! Sources of several bodies over the wire: a question goes to the body that its territory says and to no other, a body
//! in trouble holds up nobody else's questions, and one that is not connected is told as paper without a call.

use std::time::Duration;

use futures_util::future::join_all;
use mock_agencies::{Running, TERRITORY_NOT_CONNECTED};
use model::Problems;
use qovsaq::client::{Answer, Client};
use qovsaq::config::Config;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::child::{Site, look};
use crate::house::{Asker, House, dossier_envelope, header, until};
use crate::ledger;

const FAMILY: &str = "local-executive/family-composition";
const GUARDIANSHIP: &str = "local-executive/guardianship";
const LOANS: &str = "credit-bureau/obligations-summary";
const DOSSIER: &str = "/v1/dossiers/adsy-means-test";

/// The body of the reference family's territory, and those of the others.
const SINAQ: &str = "local-executive/sinaq";
const NUMUNE: &str = "local-executive";
const ORNEK: &str = "local-executive/ornek";

/// Asks with another input than the person's own.
async fn ask_with(asker: &Asker, service: &str, name: &str, key: &str) -> Answer {
    let mut body = asker.body(service);
    body["input"][name] = json!(key);
    asker.client.post(&format!("/v1/services/{service}"), &body, "en").await.expect("an answer")
}

async fn ask_at(asker: &Asker, territory: &str) -> Answer {
    ask_with(asker, FAMILY, "territory_code", territory).await
}

/// How an answer came out, and whose it is.
fn told(answer: &Answer) -> (u16, String, String) {
    let json = answer.json().expect("JSON");
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    (answer.status, text(&json["outcome"]), text(&json["source"]["instance"]))
}

fn found(status: u16, outcome: &str, instance: &str) -> (u16, String, String) {
    (status, outcome.to_owned(), instance.to_owned())
}

fn body_at<'a>(house: &'a House, id: &str) -> &'a Running {
    &house.environment.agencies[id]
}

/// Which bodies the Intents of a service name, in order.
async fn instances_asked(house: &House, service: &str) -> Vec<String> {
    let lines = house.closed_lines().await;
    let intents = lines.iter().filter(|line| line.is(Kind::Intent) && line.metadata["service"] == service);
    intents.map(|line| line.metadata["instance"].as_str().unwrap_or("none").to_owned()).collect()
}

// clause: 634/4.1.20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_goes_to_the_body_of_its_territory_and_to_no_other() {
    let house = Site::prepare().await.keep_answers().up().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let own = ask_at(&asker, "99000001").await;
    assert_eq!(told(&own), found(200, "FOUND", "sinaq"), "{}", own.body);
    assert_eq!(own.json().expect("JSON")["data"]["certificate_no"], "TEST-IH-0007");
    // Another district does not know the family, and is not helped by what this one said.
    let elsewhere = ask_at(&asker, "99000003").await;
    assert_eq!(told(&elsewhere), found(200, "NOT_FOUND", "numune"), "{}", elsewhere.body);
    assert_eq!(told(&ask_at(&asker, "99000002").await), found(200, "NOT_FOUND", "ornek"));
    let calls = |id: &str| body_at(&house, id).calls().total;
    assert_eq!([SINAQ, NUMUNE, ORNEK].map(calls), [1, 1, 1]);
    // What is kept is that body's.
    let again = ask_at(&asker, "99000001").await;
    assert_eq!(told(&again), found(200, "FOUND", "sinaq"));
    assert_eq!((again.json().expect("JSON")["source"]["via"].as_str(), calls(SINAQ)), (Some("cache"), 1));
    // The journal says whom each question was about to go to; a source that is one body is named by the service alone.
    assert_eq!(asker.ask("interior/person-identity").await.status, 200);
    assert_eq!(instances_asked(&house, FAMILY).await, ["sinaq", "numune", "ornek"]);
    assert_eq!(instances_asked(&house, "interior/person-identity").await, ["none"]);
    // What no contract knows is refused before anything is decided, and says what is accepted.
    for wrong in ["99000009", "9900001", "Bakı", "second"] {
        let refused = ask_at(&asker, wrong).await;
        let problem = refused.json().expect("JSON");
        assert_eq!((refused.status, &problem["errors"][0]["pointer"]), (422, &json!("/input/territory_code")), "{wrong}: {problem}");
        assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains("99000001")), "{problem}");
    }
    let missing = ask_with(&asker, FAMILY, "territory_code", "").await;
    assert_eq!(missing.status, 422);
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

// clause: 634/4.1.20 002P/4.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_territory_that_is_not_connected_is_told_as_paper_and_nobody_is_asked() {
    let house = House::start().await;
    let client = house.client();
    let asker = Asker::start(&client, &house.applicant().fin).await;
    let answer = ask_at(&asker, TERRITORY_NOT_CONNECTED).await;
    let json = answer.json().expect("JSON");
    assert_eq!(told(&answer), found(200, "NOT_HELD_ELECTRONICALLY", "local-executive"), "{json}");
    assert_eq!((&json["data"], &json["absence"], &json["source"]["via"]), (&Json::Null, &Json::Null, &json!("meis")));
    assert_eq!(house.calls(), 0, "nobody is asked");
    let lines = house.closed_lines().await;
    assert!(!lines.iter().any(|line| line.is(Kind::Intent)), "nothing is about to be sent");
    let given = &ledger::check_receipt(house.dir(), &lines, &json).metadata["given"][0];
    assert_eq!(given["outcome"], "NOT_HELD_ELECTRONICALLY");
    assert_eq!(
        (&given["via"], &given["not_connected"], &given["rests_on"]),
        (&json!("meis"), &json!(TERRITORY_NOT_CONNECTED), &Json::Null)
    );
    // It is authorised like any other answer: whoever may not ask is not told this either.
    let mut body = asker.body(FAMILY);
    body["input"]["territory_code"] = json!(TERRITORY_NOT_CONNECTED);
    body["role"] = json!("clerk");
    let denied = client.post(&format!("/v1/services/{FAMILY}"), &body, "en").await.expect("an answer");
    assert_eq!((denied.status, denied.json().expect("JSON")["outcome"].as_str()), (403, Some("DENIED")));

    // In the dossier a document takes its place, and all the rest is asked.
    let case = house.open_case(&client).await;
    let mut envelope = dossier_envelope(house.family(), &case);
    envelope["input"]["territory_code"] = json!(TERRITORY_NOT_CONNECTED);
    let dossier = client.post_waiting(DOSSIER, &envelope, "en", 20).await.expect("an answer");
    let json = dossier.json().expect("JSON");
    assert_eq!((dossier.status, json["status"].as_str()), (200, Some("awaiting_documents")), "{json}");
    let wanted: Vec<_> =
        json["documents_required"].as_array().expect("a list").iter().map(|item| (&item["element"], &item["because"])).collect();
    assert_eq!(wanted, [(&json!("family-composition"), &json!("NOT_HELD_ELECTRONICALLY"))]);
    // One that names an unknown territory is refused as a whole.
    envelope["input"]["territory_code"] = json!("99000009");
    let refused = client.post_waiting(DOSSIER, &envelope, "en", 20).await.expect("an answer");
    assert_eq!((refused.status, refused.json().expect("JSON")["errors"][0]["pointer"].as_str()), (422, Some("/input/territory_code")));
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

/// Asks so often at a territory, one question after the other, and gives the longest time one took.
async fn longest(asker: &Asker, territory: &str, times: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        let began = Instant::now();
        let answer = ask_at(asker, territory).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        longest = longest.max(began.elapsed());
    }
    longest
}

// clause: 634/4.1.20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_district_that_hangs_fills_its_own_places_and_no_other_districts() {
    let house = Site::prepare().await.limits_of("local-executive", "{calls_max: 2, breaker: {calls_min: 1000000}}").up().await;
    let client = house.client();
    let family = house.environment.personas.requests_family();
    let there = Asker::start(&client, &family.applicant().fin).await;
    longest(&there, "99000003", 5).await;

    body_at(&house, SINAQ).set_fault("family-composition", "hang", None).expect("known");
    let mut hanging = Vec::new();
    for person in house.environment.personas.people().take(2) {
        let asker = Asker::start(&client, &person.fin).await;
        hanging.push(tokio::spawn(async move { ask_at(&asker, "99000001").await }));
    }
    until("its places are full", || (body_at(&house, SINAQ).calls().by_service["family-composition"] == 2).then_some(())).await;
    // A hundred questions at the other two, both of whose places are free: none waits for the one that hangs, which
    // takes four seconds to be given up.
    let everywhere = async {
        let (one, other) = tokio::join!(longest(&there, "99000003", 50), longest(&there, "99000002", 50));
        one.max(other)
    };
    let slowest = everywhere.await;
    assert!(slowest < Duration::from_secs(2), "one of a hundred took {slowest:?}");
    assert!(!hanging.iter().any(tokio::task::JoinHandle::is_finished), "the hung ones are still waited for");
    // At the one that hangs there is no place: said at the deadline at the latest, and nothing is about to be sent.
    let mut body = there.body(FAMILY);
    body["input"]["territory_code"] = json!("99000001");
    let refused = client.post_waiting(&format!("/v1/services/{FAMILY}"), &body, "en", 1).await.expect("an answer");
    let problem = refused.json().expect("JSON");
    let said = (refused.status, problem["code"].as_str());
    assert!([(503, Some("source-busy")), (504, Some("deadline-passed"))].contains(&said), "{problem}");
    for hung in hanging {
        assert_eq!(hung.await.expect("a task").status, 504);
    }
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

/// The catalogue's word on a service's source.
async fn source(client: &Client, service: &str) -> Json {
    let catalogue = client.get("/v1/catalogue", "en").await.expect("an answer").json().expect("JSON");
    let services = catalogue["services"].as_array().expect("services").iter();
    services.clone().find(|own| own["service"] == service).unwrap_or_else(|| panic!("{service} is not in the catalogue"))["source"].clone()
}

fn states(source: &Json) -> Vec<(&str, &str)> {
    let instances = source["instances"].as_array().expect("instances").iter();
    instances.map(|own| (own["instance"].as_str().expect("a code"), own["state"].as_str().expect("a word"))).collect()
}

// clause: 634/4.1.20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_district_that_is_down_is_given_a_rest_of_its_own() {
    let house =
        Site::prepare().await.limits_of("local-executive", "{breaker: {calls_min: 4, failed_percent: 50, open_for: 60s}}").up().await;
    let client = house.client();
    let asker = Asker::start(&client, &house.applicant().fin).await;
    let before = source(&client, FAMILY).await;
    assert_eq!((before["state"].as_str(), before["by"].as_str()), (Some("available"), Some("territory_code")));
    assert_eq!(states(&before), [("numune", "available"), ("ornek", "available"), ("sinaq", "available")]);
    assert_eq!((&before["not_connected"], &before["not_configured"]), (&json!([TERRITORY_NOT_CONNECTED]), &json!([])));

    body_at(&house, SINAQ).set_fault("family-composition", "error", None).expect("known");
    for _ in 0..4 {
        assert_eq!(ask_at(&asker, "99000001").await.status, 503);
    }
    let suspended = ask_at(&asker, "99000001").await;
    let problem = suspended.json().expect("JSON");
    assert_eq!((suspended.status, &problem["code"]), (503, &json!("source-suspended")), "{problem}");
    assert!(header(&suspended, "retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    // Every service of that body, and no other body.
    let child = Asker::start(&client, &house.family().members[2].fin).await;
    let own = ask_with(&child, GUARDIANSHIP, "territory_code", "99000001").await;
    assert_eq!(own.json().expect("JSON")["code"], "source-suspended");
    for territory in ["99000002", "99000003", "99000004", "99000005"] {
        assert_eq!(ask_at(&asker, territory).await.status, 200, "{territory}");
    }
    let now = source(&client, FAMILY).await;
    assert_eq!(now["state"], "degraded");
    assert_eq!(states(&now), [("numune", "available"), ("ornek", "available"), ("sinaq", "suspended")]);
    assert!(now["instances"][2]["retry_after_seconds"].as_u64().is_some_and(|seconds| seconds > 0), "{now}");
    assert_eq!((&now["instances"][2]["keys"], &now["instances"][1]["keys"]), (&json!(["99000001"]), &json!(["99000002", "99000004"])));
    let (_, metrics) = look(house.environment.gateway.ops, "/metrics").await;
    let state = |instance: &str| {
        let name = format!("qovsaq_breaker_state{{provider=\"local-executive\",provider_instance=\"{instance}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&*name)?.parse::<f64>().ok())
    };
    assert_eq!(["sinaq", "numune", "ornek"].map(state), [Some(2.0), Some(0.0), Some(0.0)]);
    assert!(metrics.contains("qovsaq_provider_call_seconds_count{provider=\"local-executive\",provider_instance=\"ornek\"}"), "{metrics}");

    // A dossier of another district is complete.
    let family = house.environment.personas.requests_family();
    let case = house.environment.open_case(&client, family).await.expect("a case");
    let dossier = client.post_waiting(DOSSIER, &dossier_envelope(family, &case), "en", 20).await.expect("an answer");
    let json = dossier.json().expect("JSON");
    assert_eq!((dossier.status, json["status"].as_str()), (200, Some("complete")), "{json}");
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agreed_rate_is_each_bodys_own() {
    let site = Site::prepare().await;
    site.set_quota(FAMILY, "{per_second: 1, burst: 1}");
    let house = site.up().await;
    let client = house.client();
    // Persons of their own: the same question would be asked once.
    let mut askers = Vec::new();
    for member in &house.family().members {
        askers.push(Asker::start(&client, &member.fin).await);
    }
    let waiting = |place: usize, territory: &'static str| {
        let asker: &Asker = &askers[place];
        let mut body = asker.body(FAMILY);
        body["input"]["territory_code"] = json!(territory);
        async move { asker.client.post_waiting(&format!("/v1/services/{FAMILY}"), &body, "en", 1).await.expect("an answer") }
    };
    // A token each.
    let first = join_all([waiting(0, "99000001"), waiting(0, "99000002"), waiting(0, "99000003")]).await;
    assert!(first.iter().all(|answer| answer.status == 200), "{first:?}");
    // Five at one body: the rate lets one or two of them go within the second.
    let many = join_all((0..5).map(|place| waiting(place, "99000001"))).await;
    assert!(many.iter().any(|answer| answer.body.contains("source-busy")), "{many:?}");
    house.stop().await;
}

// clause: 634/4.1.15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bureaus_are_two_answers_and_never_one() {
    let house = House::start().await;
    let client = house.client();
    let asker = Asker::start(&client, &house.environment.personas.requests_family().applicant().fin).await;
    // One that names no bureau goes to the one the contract says.
    let first = asker.ask(LOANS).await;
    let second = ask_with(&asker, LOANS, "bureau", "second").await;
    assert_eq!(
        [told(&first), told(&second)],
        [found(200, "FOUND", "first"), found(200, "FOUND", "second")],
        "{} {}",
        first.body,
        second.body
    );
    let owed = |answer: &Answer| answer.json().expect("JSON")["data"]["outstanding_total_qapik"].as_i64();
    assert_eq!((owed(&first), owed(&second)), (Some(140_000), Some(30_000)), "each says what it knows");
    let number =
        |answer: &Answer| answer.json().expect("JSON")["data"]["report_no"].as_str().map(|text| text.chars().take(7).collect::<String>());
    assert_eq!((number(&first).as_deref(), number(&second).as_deref()), (Some("TEST-CR"), Some("TEST-SB")));
    let inquiries = |id: &str| body_at(&house, id).calls().distinct_inquiries;
    assert_eq!((inquiries("credit-bureau"), inquiries("credit-bureau/second")), (Some(1), Some(1)));
    assert_eq!(instances_asked(&house, LOANS).await, ["first", "second"]);
    assert_eq!(ask_with(&asker, LOANS, "bureau", "third").await.status, 422);
    // That one has lost its line is the other's affair as little as its word is.
    body_at(&house, "credit-bureau").set_fault("obligations-summary", "error", None).expect("known");
    let other = Asker::start(&client, &asker.fin).await;
    assert_eq!(ask_with(&other, LOANS, "bureau", "first").await.status, 503);
    assert_eq!(told(&ask_with(&other, LOANS, "bureau", "second").await), found(200, "FOUND", "second"));
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

/// The rules that a changed configuration breaks.
async fn broken(from: &str, to: &str) -> Vec<&'static str> {
    let site = Site::prepare().await;
    site.change_config(from, to);
    let mut problems = Problems::default();
    let config = Config::load(&site.config(), &mut problems);
    if let Some(config) = config {
        let folder = |name: &str| site.dir().join(name);
        let today = model::time::day(qovsaq::clock::now());
        let active = qovsaq::data::load(&folder("contracts"), &folder("mappings"), today, &mut problems);
        qovsaq::data::check_ways(&config, &active, &mut problems);
    }
    problems.into_sorted().iter().map(|problem| problem.rule).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leads_two_ways_or_nowhere_is_found_by_the_check() {
    let cases = [
        ("serves: [\"99000001\"]", "serves: [\"99000001\", \"99000003\"]", "key-served-twice"),
        ("serves: [\"99000001\"]", "serves: [\"99000001\", \"99000001\"]", "key-served-twice"),
        ("serves: [\"99000001\"]", "serves: [\"99000001\", \"99000006\"]", "unknown-instance-key"),
        ("serves: [\"99000001\"]", "serves: [\"99000001\", \"990001\"]", "unknown-instance-key"),
        ("serves: [\"99000002\", \"99000004\"]", "serves: [\"99000002\"]", "no-way-to-key"),
        ("      sinaq: {", "      Sınaq: {", "wrong-instance"),
        ("      sinaq: {", "      local-executive: {", "wrong-instance"),
        (
            "    server_ca: agencies/ca.pem\n    certificate: agencies/meis-towards-local-executive.pem\n",
            "    certificate: agencies/meis-towards-local-executive.pem\n",
            "missing-key",
        ),
        ("  taxes:\n", "  taxes:\n    instances: {}\n", "one-or-several"),
        ("    idempotency_key: true\n", "", "write-without-key"),
    ];
    for (from, to, rule) in cases {
        let rules = broken(from, to).await;
        assert!(!rules.is_empty() && rules.iter().all(|found| *found == rule), "{to}: {rules:?}, not {rule}");
    }
    // Without its key nobody is asked there, and nobody else serves it.
    let rules = broken("serves: [\"99000001\"]", "serves: []").await;
    assert_eq!(rules, ["instance-without-key"]);
}
