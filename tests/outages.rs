//! The register of outages against outages that a test makes: what it says of beginning, end, cause and effect, and what
//! a restart and a crash leave of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use qovsaq::client::Client;
use qovsaq::clock;
use qovsaq::demo::CONSUMER;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::child::{Child, Site, look};
use crate::house::{Asker, House, header, until};
use crate::ledger;

const IDENTITY: &str = "interior/person-identity";
const INCOME: &str = "taxes/person-income";
/// Longest time from an outage's beginning or end to what the register says of it.
const SECONDS: i64 = 5;

/// The register as operators see it.
async fn outages(console: &Client, query: &str) -> Vec<Json> {
    let answer = console.get(&format!("/v1/outages{query}"), "en").await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")["outages"].as_array().expect("a list").clone()
}

fn moment(outage: &Json, key: &str) -> Timestamp {
    outage[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {key} in {outage}"))
}

/// A moment of the register lies behind one of the test's, by seconds at most. Entries are exact to the millisecond.
fn soon_after(found: Timestamp, made: Timestamp, what: &str) {
    let late = found.duration_since(made);
    assert!(late.as_millis() >= -1 && late.as_secs() < SECONDS, "{what} is {late:?} off");
}

/// Asks one service without end from several sides, and counts what was not answered.
struct Traffic {
    stop: Arc<AtomicBool>,
    unanswered: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Traffic {
    fn start(askers: Vec<Asker>, service: &'static str) -> Self {
        let (stop, unanswered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for asker in askers {
            let (stop, unanswered) = (Arc::clone(&stop), Arc::clone(&unanswered));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = asker.ask(service).await;
                    if answer.status != 200 {
                        unanswered.fetch_add(1, Ordering::Relaxed);
                    }
                    // A pause between questions, as people make; nothing waits for it.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        }
        Self { stop, unanswered, tasks }
    }

    /// How many questions were not answered.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
        self.unanswered.load(Ordering::Relaxed)
    }
}

async fn askers(client: &Client, fins: &[String]) -> Vec<Asker> {
    let mut askers = Vec::new();
    for fin in fins {
        askers.push(Asker::start(client, fin).await);
    }
    askers
}

fn fins(house: &House) -> Vec<String> {
    house.environment.personas.people().take(2).map(|person| person.fin.to_string()).collect()
}

/// Waits until the register has an outage of this kind, asking the console.
async fn found(console: &Client, query: &str, what: &str, wanted: impl Fn(&Json) -> bool) -> Json {
    for _ in 0..600 {
        if let Some(outage) = outages(console, query).await.into_iter().find(|outage| wanted(outage)) {
            return outage;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("still not: {what}: {:?}", outages(console, "").await);
}

async fn health(client: &Client, service: &str) -> Json {
    let catalogue = client.get("/v1/catalogue", "en").await.expect("an answer").json().expect("JSON");
    let services = catalogue["services"].as_array().expect("services").clone();
    services.into_iter().find(|own| own["service"] == service).expect("a service")["source"].clone()
}

// clause: 634/6.2.3 634/6.2.9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_register_says_what_really_was() {
    let site = Site::prepare().await;
    site.set_timeout("", "1s");
    let house = site.up().await;
    let (client, console) = (house.client(), house.environment.person("operator-1").expect("an operator"));
    let fins = fins(&house);
    let mut seen = 0;
    for (service, fault, causes) in [
        (IDENTITY, "down", &["connect", "reset"][..]),
        (INCOME, "hang", &["deadline"]),
        ("azerishiq/subscriber", "error", &["out-of-order", "status"]),
        ("property/ownership", "reset", &["reset"]),
    ] {
        let (provider, _) = service.split_once('/').expect("provider/service");
        let askers = askers(&client, &fins).await;
        for asker in &askers {
            assert_eq!(asker.ask(service).await.status, 200, "{service}");
        }
        // One time-out and no more is no outage.
        house.set_fault(service, fault, Some(1));
        askers[0].ask(service).await;
        house.clear_faults();
        assert_eq!(askers[0].ask(service).await.status, 200);

        let traffic = Traffic::start(askers, service);
        let began = clock::now();
        house.set_fault(service, fault, None);
        let query = format!("?provider={provider}&open=true");
        let outage = found(&console, &query, "an outage begins", |_| true).await;
        soon_after(clock::now(), began, "the entry");
        soon_after(moment(&outage, "began_at"), began, "the beginning");
        assert!(causes.contains(&outage["cause"].as_str().expect("a cause")), "{service} {fault}: {outage}");
        assert_eq!((&outage["of"], &outage["by"], &outage["planned"]), (&json!("source"), &json!("traffic"), &json!("no")));
        let shown = health(&client, service).await;
        assert_eq!((&shown["health"], &shown["down_since"]), (&json!("down"), &outage["began_at"]), "{shown}");
        let (_, metrics) = look(house.environment.gateway.ops, "/metrics").await;
        assert!(
            metrics.contains(&format!("qovsaq_source_down{{provider=\"{provider}\",provider_instance=\"{provider}\"}} 1")),
            "{metrics}"
        );

        house.clear_faults();
        let ended = clock::now();
        let query = format!("?provider={provider}");
        let outage = found(&console, &query, "it ends", |outage| !outage["ended_at"].is_null()).await;
        soon_after(clock::now(), ended, "the entry of the end");
        soon_after(moment(&outage, "ended_at"), ended, "the end");
        assert_eq!(health(&client, service).await["health"], "up");
        let unanswered = traffic.stop().await;
        // A question that was on its way when the other asker was answered again may fail behind the end, and one that
        // was when the fault came be answered behind the first failure.
        let counted = outage["effect"]["questions_not_answered"].as_u64().expect("a count");
        assert!(counted <= unanswered && unanswered - counted <= 2, "{service} {fault}: {counted} of {unanswered}");
        seen += 1;
        assert_eq!(outages(&console, "").await.len(), seen, "one each, and none for a single failure");
    }
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    for kind in [Kind::OutageOpened, Kind::OutageClosed] {
        assert_eq!(lines.iter().filter(|line| line.is(kind)).count(), seen);
    }
    house.stop().await;
}

// clause: 634/6.2.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_that_opens_is_an_outage_and_its_dossiers_are_counted() {
    let site = Site::prepare().await.limits_of("interior", "{breaker: {calls_min: 4, failed_percent: 50, open_for: 1s}}");
    let house = site.up().await;
    let (client, console) = (house.client(), house.environment.person("auditor-1").expect("an auditor"));
    let began = clock::now();
    // All of it: what another service of the source answered would show that the source is there.
    for service in [IDENTITY, "interior/residence-registration", "interior/vehicle-ownership"] {
        house.set_fault(service, "error", None);
    }
    let case = house.open_case(&client).await;
    let body = crate::house::dossier_envelope(house.family(), &case);
    let opened = client.post("/v1/dossiers/adsy-means-test", &body, "en").await.expect("an answer");
    assert!([200, 202].contains(&opened.status), "{}", opened.body);
    let traffic = Traffic::start(askers(&client, &fins(&house)).await, IDENTITY);
    let outage = found(&console, "?open=true", "an outage begins", |_| true).await;
    soon_after(moment(&outage, "began_at"), began, "the beginning");
    assert_eq!(outage["effect"]["dossiers_held"], 1, "{outage}");
    house.clear_faults();
    let outage = found(&console, "", "it ends", |outage| !outage["ended_at"].is_null()).await;
    traffic.stop().await;
    assert!(outage["effect"]["questions_not_answered"].as_u64().is_some_and(|count| count >= 4), "{outage}");
    house.stop().await;
}

/// Windows of a provider instead of its own.
fn replace_windows(site: &Site, provider: &str, windows: &str) {
    let path = site.dir().join(format!("contracts/providers/{provider}/provider.yaml"));
    let text = std::fs::read_to_string(&path).expect("a provider");
    let (own, _) = text.split_once("windows:").unwrap_or((&text, ""));
    std::fs::write(&path, format!("{own}windows: [{windows}]\n")).expect("writable");
}

// clause: 634/6.2.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_window_is_told_before_and_makes_an_outage_planned() {
    let site = Site::prepare().await;
    let all_day = "on: daily, from: \"00:00\", to: \"24:00\"";
    replace_windows(&site, "interior", &format!("{{{all_day}, effect: down, reason: {{az: Köçürmə, en: Relocation}}}}"));
    replace_windows(&site, "taxes", &format!("{{{all_day}, effect: degraded, reason: {{az: Yük, en: Load}}}}"));
    let house = site.up().await;
    let (client, console) = (house.client(), house.environment.person("operator-1").expect("an operator"));
    let window = health(&client, IDENTITY).await["window"].clone();
    assert_eq!((&window["now"], &window["effect"], &window["reason"]), (&json!(true), &json!("down"), &json!("Relocation")));
    assert_eq!(health(&client, INCOME).await["window"]["effect"], "degraded");
    let next = health(&client, "justice/family-acts").await["window"].clone();
    assert!(next["from"].as_str().is_some_and(|from| from.contains("T01:00:00+04:00")), "{next}");

    // A window stops nobody; whoever is not answered in it is told when it ends.
    let askers = askers(&client, &fins(&house)).await;
    assert_eq!(askers[0].ask(IDENTITY).await.status, 200);
    house.set_fault(IDENTITY, "error", None);
    house.set_fault(INCOME, "error", None);
    let seconds = async |service| header(&askers[0].ask(service).await, "retry-after").parse::<u64>().expect("seconds");
    assert_eq!(seconds(IDENTITY).await, 86_400);
    assert_eq!(seconds(INCOME).await, 30, "it may answer at any moment");
    let traffic = Traffic::start(askers, IDENTITY);
    let outage = found(&console, "?open=true", "an outage begins", |_| true).await;
    assert_eq!((&outage["planned"], &outage["window"]["en"]), (&json!("yes"), &json!("Relocation")), "{outage}");
    house.clear_faults();
    let outage = found(&console, "", "it ends", |outage| !outage["ended_at"].is_null()).await;
    traffic.stop().await;
    assert_eq!((&outage["planned"], &outage["planned_seconds"]), (&json!("yes"), &outage["seconds"]), "{outage}");
    house.stop().await;
}

/// The gateway's own outages, the newest first.
async fn own(child: &Child) -> Vec<Json> {
    outages(&child.console_as("operator-1"), "?provider=gateway").await
}

// clause: 634/6.2.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_outlives_a_stop_and_a_crash_which_are_in_the_register_themselves() {
    let site = Site::prepare().await;
    let fins: Vec<String> = site.personas.people().take(2).map(|person| person.fin.to_string()).collect();
    let child = site.serve().await;
    assert!(own(&child).await.is_empty(), "there was nothing before");
    site.agencies["interior"].set_fault("person-identity", "error", None).expect("known");
    let traffic = Traffic::start(askers(&child.client(CONSUMER), &fins).await, IDENTITY);
    let console = child.console_as("operator-1");
    let first = found(&console, "?open=true", "an outage begins", |_| true).await;
    let felt = traffic.stop().await;
    let stopped = clock::now();
    assert!(child.stop().await.success());

    let child = site.serve().await;
    let back = clock::now();
    let [down] = &own(&child).await[..] else { panic!("one stop") };
    assert_eq!((&down["cause"], &down["planned"], &down["origin"]), (&json!("stopped"), &json!("yes"), &json!("gateway")));
    soon_after(moment(down, "began_at"), stopped, "the stop");
    soon_after(back, moment(down, "ended_at"), "the return");
    let console = child.console_as("operator-1");
    let [open] = &outages(&console, "?open=true").await[..] else { panic!("one that lasts") };
    assert_eq!((&open["outage"], &open["began_at"]), (&first["outage"], &first["began_at"]));
    assert_eq!(open["effect"]["questions_not_answered"], felt, "what it had cost before the stop");

    // Killed in the middle of it, with a question on its way.
    site.agencies["taxes"].set_fault("person-income", "hang", None).expect("known");
    let hanging = Asker::start(&child.client(CONSUMER), &fins[0]).await;
    let hanging =
        tokio::spawn(async move { hanging.client.post_waiting("/v1/services/taxes/person-income", &hanging.body(INCOME), "en", 3).await });
    until("it is under way", || (site.agencies["taxes"].calls().total == 1).then_some(())).await;
    let killed = clock::now();
    child.kill().await;
    assert!(hanging.await.expect("a task").is_err());
    site.agencies["taxes"].clear_faults();

    let child = site.serve().await;
    let [crash, _] = &own(&child).await[..] else { panic!("a crash and a stop") };
    assert_eq!((&crash["cause"], &crash["planned"]), (&json!("crashed"), &json!("no")), "{crash}");
    let early = killed.duration_since(moment(crash, "began_at"));
    assert!(early.as_millis() >= -1 && early.as_secs() < SECONDS, "the crash is {early:?} off");
    assert_eq!(crash["effect"]["questions_not_answered"], 1, "{crash}");

    site.agencies["interior"].clear_faults();
    let ended = clock::now();
    let traffic = Traffic::start(askers(&child.client(CONSUMER), &fins).await, IDENTITY);
    let console = child.console_as("operator-1");
    let closed = found(&console, "?provider=interior", "it ends", |outage| !outage["ended_at"].is_null()).await;
    soon_after(moment(&closed, "ended_at"), ended, "the end");
    assert_eq!(closed["outage"], first["outage"]);
    traffic.stop().await;
    let before = outages(&console, "").await;
    assert!(child.stop().await.success());

    // All of it is in the journal: without what is kept beside it, a start reads the same.
    std::fs::remove_dir_all(site.dir().join("store")).expect("removed");
    let child = site.serve().await;
    let after = outages(&child.console_as("operator-1"), "").await;
    assert_eq!(after.len(), before.len() + 1, "and the stop since");
    assert_eq!(after.get(1..), before.get(..));
    assert!(child.stop().await.success());
    ledger::check_rules(&ledger::read(site.dir(), 0));
}

/// What a source's card says of a month.
async fn card(console: &Client, provider: &str) -> Json {
    let answer = console.get(&format!("/v1/scores?provider={provider}"), "en").await.expect("an answer");
    let body = answer.json().expect("JSON");
    let [card] = &body["sources"].as_array().expect("cards")[..] else { panic!("one source: {body}") };
    card.clone()
}

// clause: 634/6.1.4 634/6.2.1 004/12.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_months_card_is_what_was_asked_and_outlives_a_restart() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let client = child.client(CONSUMER);
    let fins: Vec<String> = site.personas.reference_family().members.iter().map(|member| member.fin.to_string()).collect();
    let service = "azerishiq/subscriber";
    let (mut asked, mut unknown, mut found) = (0, 0, 0);
    for asker in askers(&client, &fins).await {
        let answer = asker.ask(service).await.json().expect("JSON");
        asked += 1;
        unknown += u64::from(answer["absence"] == "unknown");
        found += u64::from(answer["outcome"] == "FOUND");
    }
    assert!(unknown > 0 && found > 0, "{unknown} unknown, {found} found");
    let asker = Asker::start(&client, &fins[0]).await;
    for (fault, status) in [("undeclared", 200), ("malformed", 502), ("error", 503)] {
        site.agencies["azerishiq"].set_fault("subscriber", fault, Some(1)).expect("known");
        assert_eq!(asker.ask(service).await.status, status, "{fault}");
        asked += 1;
    }
    let console = child.console_as("assessor-1");
    // The share of the time is known from its first whole second on.
    let before = loop {
        let card = card(&console, "azerishiq").await;
        if !card["time"]["available_percent"].is_null() {
            break card;
        }
    };
    let work = &before["work"];
    assert_eq!((&work["asked"], &work["answered"], &work["probes"]), (&json!(asked), &json!(asked - 1), &json!(0)), "{before}");
    assert_eq!((&work["outcomes"]["FOUND"], &work["outcomes"]["INVALID_DATA"]), (&json!(found + 1), &json!(1)), "{before}");
    assert_eq!(work["failures"].as_object().expect("causes").values().filter_map(Json::as_u64).sum::<u64>(), 1, "{before}");
    assert!(work["undeclared_fields"].as_u64().is_some_and(|count| count > 0) && work["took_ms"]["p99"].is_u64(), "{before}");
    assert_eq!((&before["time"]["available_percent"], &before["services"]["subscriber"]["asked"]), (&json!(100.0), &json!(asked)));
    let not_held = async |console: &Client| {
        console.get("/v1/not-held?provider=azerishiq", "en").await.expect("an answer").json().expect("JSON")["services"].clone()
    };
    let expected = json!([{"provider": "azerishiq", "service": "subscriber", "asked": asked, "not_held_electronically": 0, "absence_unknown": unknown}]);
    assert_eq!(not_held(&console).await, expected);

    // How far what comes from it has come.
    let sources = console.get("/v1/sources", "en").await.expect("an answer").json().expect("JSON")["sources"].clone();
    let of = |provider: &str| sources.as_array().expect("rows").iter().find(|row| row["provider"] == provider).cloned().expect("a row");
    let row = of("azerishiq");
    assert_eq!(
        (&row["mode"], &row["health"], &row["errors"], &row["overdue"]),
        (&json!("call"), &json!("degraded"), &json!(1), &json!(false))
    );
    assert!(row["last_success"].is_string() && of("taxes")["last_success"].is_null());
    let (_, metrics) = child.look("/metrics").await;
    assert!(
        metrics.contains(
            r#"qovsaq_sync_last_success_timestamp_seconds{provider="azerishiq",provider_instance="azerishiq",feed="azerishiq"} "#
        )
    );

    assert!(child.stop().await.success());
    let child = site.serve().await;
    let console = child.console_as("assessor-1");
    assert_eq!(card(&console, "azerishiq").await["work"], before["work"]);
    assert_eq!(not_held(&console).await, expected);
    let sources = console.get("/v1/sources", "en").await.expect("an answer").json().expect("JSON")["sources"].clone();
    assert!(sources.as_array().expect("rows").iter().any(|again| again["last_success"] == row["last_success"]));

    // And as operators read it.
    let dir = site.dir();
    let path = |name: &str| dir.join(name).display().to_string();
    let url = format!("https://{}", child.console_address());
    let way =
        ["--console", &url, "--ca", &path("ca.pem"), "--cert", &path("people/assessor-1.pem"), "--key", &path("people/assessor-1.key")];
    let ran = |words: &[&str]| tokio::task::block_in_place(|| crate::program::run(&[words, &way].concat()));
    let table = ran(&["score", "azerishiq"]);
    assert!(table.code == Some(0) && table.stdout.trim().lines().count() == 3 && table.stdout.contains("  subscriber"), "{table:?}");
    let table = ran(&["score", "--not-held"]);
    assert!(table.code == Some(0) && table.stdout.contains("subscriber"), "{table:?}");
    let table = ran(&["sources"]);
    assert!(table.code == Some(0) && table.stdout.trim().lines().count() == sources.as_array().map_or(0, Vec::len) + 1, "{table:?}");
    let table = ran(&["outages", "--source", "gateway", "--json"]);
    assert!(table.code == Some(0) && table.stdout.contains(r#""cause":"stopped""#), "{table:?}");
    assert_eq!(ran(&["outages", "--month", "March"]).code, Some(2));
    assert!(child.stop().await.success());
}

/// A site on which the gateway probes by itself, as often as it may.
async fn probing() -> Site {
    let site = Site::prepare().await;
    site.change_config("journal: {dir: journal", "watch: {probes: {responsible: AZ-0001}}\njournal: {dir: journal");
    site.change("contracts/probes.yaml", "every: 1m", "every: 10s");
    site
}

fn probes(metrics: &str, provider: &str, result: &str) -> u64 {
    let line = format!("qovsaq_probes_total{{provider=\"{provider}\",result=\"{result}\"}} ");
    metrics.lines().find_map(|metric| metric.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// Waits until a probe of a provider has come to this.
async fn probed(house: &House, provider: &str, result: &str) {
    for _ in 0..1_200 {
        let (_, metrics) = look(house.environment.gateway.ops, "/metrics").await;
        if probes(&metrics, provider, result) > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no probe of {provider} is {result}");
}

// clause: 634/6.2.1 634/6.2.9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_find_an_outage_that_nobody_meets() {
    let house = probing().await.up().await;
    for provider in ["interior", "justice", "taxes", "property", "azerishiq"] {
        probed(&house, provider, "as-expected").await;
    }
    let console = house.environment.person("operator-1").expect("an operator");
    let began = clock::now();
    house.set_fault(IDENTITY, "down", None);
    let outage = found(&console, "?open=true", "a probe finds it", |_| true).await;
    // Looked at every ten seconds, and every two as soon as one has failed.
    let late = moment(&outage, "began_at").duration_since(began);
    assert!(late.as_millis() >= -1 && late.as_secs() <= 12, "{late:?}");
    assert_eq!((&outage["provider"], &outage["by"]), (&json!("interior"), &json!("probe")), "{outage}");
    assert_eq!(outage["effect"], json!({"questions_not_answered": 0, "dossiers_held": 0}), "nobody felt it");
    house.clear_faults();
    let ended = clock::now();
    let outage = found(&console, "", "a probe finds its end", |outage| !outage["ended_at"].is_null()).await;
    soon_after(moment(&outage, "ended_at"), ended, "the end");

    // The way of every question: an intent, what came of it, a disclosure, in a case and for a purpose.
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let own: Vec<_> = lines.iter().filter(|line| line.is(Kind::Intent)).map(|line| &line.metadata).collect();
    assert!(own.len() >= 7 && own.iter().all(|intent| intent["consumer"] == "source-monitor" && intent["official"] == "robot:probe"));
    assert!(own.iter().all(|intent| intent["responsible"] == "AZ-0001" && intent["purpose"] == "source-monitoring"));
    assert_eq!(lines.iter().filter(|line| line.is(Kind::CaseOpened)).count(), 1);
    let score = console.get("/v1/scores?provider=interior", "en").await.expect("an answer").json().expect("JSON")["sources"][0].clone();
    assert_eq!(score["work"]["probes"], score["work"]["asked"]);
    house.stop().await;
}

// clause: 634/6.2.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_says_something_else_of_its_test_person_is_reported_once() {
    let site = probing().await;
    site.change("contracts/probes.yaml", "{name: TEST MMC, status: active}", "{name: SINAQ MMC, status: active}");
    let house = site.up().await;
    probed(&house, "taxes", "differs").await;
    probed(&house, "interior", "as-expected").await;
    house.change("contracts/probes.yaml", |text| text.replace("SINAQ MMC", "TEST MMC"));
    house.reload().await;
    probed(&house, "taxes", "as-expected").await;
    let judged = until("both are journalled", || {
        let lines = house.lines();
        let judged: Vec<Json> = lines.iter().filter(|line| line.is(Kind::ProbeJudged)).map(|line| line.metadata.clone()).collect();
        (judged.len() == 2).then_some(judged)
    })
    .await;
    assert_eq!((&judged[0]["differs"], &judged[0]["fields"]), (&json!(true), &json!(["name"])), "{judged:?}");
    assert_eq!((&judged[1]["differs"], &judged[1]["service"]), (&json!(false), &json!("taxes/taxpayer-status")), "{judged:?}");
    assert!(!judged[0].to_string().contains("MMC"), "no value");
    let console = house.environment.person("operator-1").expect("an operator");
    assert!(outages(&console, "").await.is_empty(), "it answers: that is no outage");
    house.stop().await;
}
