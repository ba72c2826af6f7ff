//! Killed at random, and a disk that fails: what was told is in the journal, and nothing is half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use journal::Receipt;
use qovsaq::client::Client;
use qovsaq::demo::CONSUMER;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::{Site, whole_trace};
use crate::house::{body_for, fresh_case, until};
use crate::ledger;
use crate::trace::{self, Event};

/// How often the program is killed on one journal.
const KILLS: u64 = 100;
const SEED: u64 = 0x51A7_0B5E_55ED_0001;
/// Longest load before a kill, in milliseconds.
const LOAD_MS: u64 = 250;
/// Longest start before a kill, in milliseconds; recovery lies within it.
const START_MS: u64 = 120;

/// A generator of its own (splitmix64), so that a failing run can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

async fn open_case(client: &Client, fin: &str) -> Option<String> {
    let case = fresh_case();
    let body = json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]});
    let opened = client.post("/v1/cases", &body, "en").await.ok()?;
    (opened.status == 201).then_some(case)
}

/// Asks without end, answered, denied and hanging in turn, and keeps every receipt that came whole.
async fn ask_until_cut_off(client: Client, fin: String, mut turn: u64) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let Some(case) = open_case(&client, &fin).await else { return receipts };
    loop {
        turn += 1;
        let (service, role) = match turn % 5 {
            0 => ("taxes/person-income", "clerk"),
            1 => ("taxes/person-income", "case-officer"),
            2 => ("azerishiq/subscriber", "case-officer"),
            _ => ("interior/person-identity", "case-officer"),
        };
        let mut body = body_for(service, &fin, &case, "");
        body["role"] = json!(role);
        let Ok(answer) = client.post_waiting(&format!("/v1/services/{service}"), &body, "en", 1).await else { return receipts };
        let Ok(json) = answer.json() else { return receipts };
        receipts.push(ledger::receipt(&json));
    }
}

/// What a row of kills on one journal met.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Of these, while the program was starting on what the kill before had left.
    while_starting: u64,
    entries: usize,
    /// Receipts that came whole, each found again in the journal.
    receipts: usize,
    disclosed: usize,
    denied: usize,
    abandoned: usize,
}

/// Kills the program again and again on one journal; after each kill everything told is there, and nothing is half.
async fn kill_at_random(seed: u64, kills: u64) -> Tally {
    let site = Site::prepare().await;
    // Smaller still, so that kills also meet the change from one segment to the next.
    site.change_config("segment_bytes: 1048576", "segment_bytes: 262144");
    let fin = site.personas.reference_family().applicant().fin.to_string();
    let mut dice = Dice(seed);
    let mut told: Vec<Receipt> = Vec::new();
    let (mut tally, mut seen) = (Tally::default(), 0);
    while tally.kills < kills {
        // A third of the kills are followed by others while the next start puts things right.
        while tally.kills > 0 && tally.kills + 1 < kills && dice.below(3) == 0 {
            site.kill_starting(Duration::from_millis(dice.below(START_MS))).await;
            tally.kills += 1;
            tally.while_starting += 1;
        }
        let child = site.serve().await;
        // Ready: what the last kill left open is closed, and everything told so far is there.
        seen = check(&site, seen, &told).last().map_or(seen, |line| line.index + 1);
        tally.receipts += told.len();
        told.clear();

        // A third of the calls to one source hang until the kill; another source now and then breaks.
        site.agencies["taxes"].set_fault("person-income", "hang", Some(2)).expect("known");
        if tally.kills.is_multiple_of(3) {
            site.agencies["azerishiq"].set_fault("subscriber", "reset", Some(1)).expect("known");
        }
        let clients: Vec<_> =
            (0..3).map(|place| tokio::spawn(ask_until_cut_off(child.client(CONSUMER), fin.clone(), tally.kills + place))).collect();
        tokio::time::sleep(Duration::from_millis(dice.below(LOAD_MS))).await;
        child.kill().await;
        tally.kills += 1;
        for client in clients {
            told.extend(client.await.expect("a client ends when it is cut off"));
        }
    }
    let child = site.serve().await;
    check(&site, seen, &told);
    tally.receipts += told.len();
    assert!(child.stop().await.success());
    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    let count = |kind| lines.iter().filter(|line| line.is(kind)).count();
    tally.entries = lines.len();
    (tally.disclosed, tally.denied, tally.abandoned) = (count(Kind::Disclosed), count(Kind::Denied), count(Kind::Abandoned));
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_under_load_lose_nothing_that_was_told() {
    let tally = kill_at_random(SEED, KILLS).await;
    assert!(
        tally.abandoned > 20 && tally.disclosed > 100 && tally.denied > 20 && tally.while_starting > 10,
        "too little happened: {tally:?}"
    );
}

/// The same for as long as somebody likes: `scripts/kills`. A line for each journal goes to standard output.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a third of a second for each of QOVSAQ_KILLS kills (3000 where it is not set)"]
async fn kills_by_the_thousand() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (kills, first_seed) = (number("QOVSAQ_KILLS", 3000), number("QOVSAQ_SEED", SEED));
    let began = Instant::now();
    for (seed, done) in (first_seed..).zip((0..kills).step_by(100)) {
        let tally = kill_at_random(seed, KILLS.min(kills - done)).await;
        let seconds = began.elapsed().as_secs();
        let Tally { while_starting, entries, receipts, disclosed, denied, abandoned, kills } = tally;
        println!("journal,{seed},{kills},{while_starting},{entries},{receipts},{disclosed},{denied},{abandoned},{seconds}");
    }
}

/// The journal after a restart, from where it was last looked at: sound, nothing open but what the
/// running program has in hand, every receipt in it.
fn check(site: &Site, from: u64, told: &[Receipt]) -> Vec<ledger::Line> {
    let report = journal::verify::verify(&site.dir().join("journal"), &mut |_| {}).expect("a log");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.logs[0].open, 0, "an intent is left open");
    let key = ledger::verifying_key(site.dir());
    // Receipts can name entries from before the last look only by the previous program's own log.
    let lines = ledger::read(site.dir(), from);
    for receipt in told {
        receipt.verify(&key).expect("verifies");
        let line = lines.iter().find(|line| line.index == receipt.index).unwrap_or_else(|| panic!("{} is lost", receipt.index));
        assert_eq!(line.leaf_hash, receipt.leaf_hash);
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flush_that_fails_nothing_is_told_and_the_process_ends() {
    let site = Site::prepare().await;
    let fin = site.personas.reference_family().applicant().fin.to_string();
    // The count is by thread: the journal's own thread flushes one frame at a time.
    let child = site.serve_traced(&["-e", trace::CALLS, "-e", "inject=fdatasync:error=EIO:when=14"]).await;
    let asked = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..3)
        .map(|place| {
            let (client, fin, asked) = (child.client(CONSUMER), fin.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                let receipts = ask_until_cut_off(client, fin, place).await;
                asked.fetch_add(1, Ordering::Relaxed);
                receipts
            })
        })
        .collect();
    let (status, log) = child.ended().await;
    assert!(!status.success() && status.code().is_none(), "it aborts: {status}");
    assert!(log.contains("write or flush failed"), "it says why: {log}");
    let mut told = Vec::new();
    for client in clients {
        told.extend(client.await.expect("a client ends when it is cut off"));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);

    let events = trace::read(&whole_trace(&site.trace_file()).await);
    assert!(events.contains(&Event::FlushFailed), "a flush failed");
    let durable: BTreeSet<u64> =
        events.iter().filter_map(|event| if let Event::Durable(frame) = event { Some(*frame) } else { None }).collect();

    // A restart recovers: the frame whose flush failed may stand there or not, what was told does.
    let child = site.serve().await;
    let lines = check(&site, 0, &told);
    ledger::check_rules(&lines);
    // An answer may still be on its way when the next frame's flush fails; what it rests on was durable before.
    assert!(!told.is_empty());
    for receipt in &told {
        let line = lines.iter().find(|line| line.index == receipt.index).expect("looked for above");
        assert!(durable.contains(&line.frame), "entry {} was told and its frame {} never flushed", line.index, line.frame);
    }
    let client = child.client(CONSUMER);
    let case = open_case(&client, &fin).await.expect("a case");
    let answer = client.post("/v1/services/interior/person-identity", &body_for("interior/person-identity", &fin, &case, ""), "en").await;
    assert_eq!(answer.expect("an answer").status, 200);
    assert!(child.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_asking_and_answering() {
    let site = Site::prepare().await;
    site.change_config("segment_bytes: 1048576", "segment_bytes: 131072");
    let fin = site.personas.reference_family().applicant().fin.to_string();
    // The disk gives room for the first segments and no more.
    let child = site.serve_traced(&["-e", "trace=fallocate", "-e", "inject=fallocate:error=ENOSPC:when=2+"]).await;
    let client = child.client(CONSUMER);
    let case = open_case(&client, &fin).await.expect("a case");
    let body = body_for("interior/person-identity", &fin, &case, "");

    // Calls that are under way while the disk fills up: the room for their outcomes is set aside.
    site.agencies["taxes"].set_fault("person-income", "hang", None).expect("known");
    let hanging: Vec<_> = (0..6)
        .map(|months| {
            let (client, mut body) = (client.clone(), body_for("taxes/person-income", &fin, &case, ""));
            // Each asks something else: the same would be asked once.
            body["input"]["month_from"] = json!(qovsaq::demo::month_ago(2 + months));
            tokio::spawn(async move { client.post_waiting("/v1/services/taxes/person-income", &body, "en", 4).await })
        })
        .collect();
    until("the source holds them all", || (site.agencies["taxes"].calls().total == 6).then_some(())).await;
    let mut denied = body.clone();
    denied["purpose"] = json!("social-payments");
    let mut refused: Option<Json> = None;
    for _ in 0..2_000 {
        let answer = client.post("/v1/services/interior/person-identity", &denied, "en").await.expect("an answer");
        if answer.status == 503 {
            assert_eq!(answer.headers["retry-after"], "5");
            refused = Some(answer.json().expect("JSON"));
            break;
        }
        assert_eq!(answer.status, 403);
    }
    let refused = refused.expect("the journal gets full");
    assert_eq!((&refused["code"], &refused["outcome"]), (&json!("journal-unavailable"), &json!("UNAVAILABLE")));
    assert!(refused["receipt"].is_null() && refused["errors"].is_null(), "without a record not even the refusal is told: {refused}");
    for hung in hanging {
        // What an outcome leaves of its room may do for a disclosure: then it is told, with its receipt.
        let answer = hung.await.expect("a task").expect("an answer").json().expect("JSON");
        match answer["code"].as_str() {
            Some("journal-unavailable") => assert!(answer["receipt"].is_null()),
            Some("deadline-passed") => {
                assert!(ledger::check_receipt(site.dir(), &ledger::read(site.dir(), 0), &answer).is(Kind::Disclosed))
            }
            _ => panic!("{answer}"),
        }
    }

    // What their places left over is used up; from then on no source is asked.
    let mut calls = 0;
    let full = async {
        for _ in 0..500 {
            calls = site.agencies["interior"].calls().total;
            let answer = client.post("/v1/services/interior/person-identity", &body, "en").await.expect("an answer");
            let json = answer.json().expect("JSON");
            match (answer.status, json["code"].as_str()) {
                // Where the intent finds no room, its refusal, which is shorter, still may.
                (200, _) | (503, Some("gateway-unavailable")) => {}
                (503, Some("journal-unavailable")) => return,
                (other, _) => panic!("{other}: {}", answer.body),
            }
        }
        panic!("the disk is full and yet takes everything");
    };
    full.await;
    let refused = client.post("/v1/services/interior/person-identity", &body, "en").await.expect("an answer");
    assert_eq!(refused.status, 503);
    assert!(site.agencies["interior"].calls().total <= calls + 1, "at most the last one was asked, and not told");
    assert_eq!(child.look("/livez").await.0, 200, "the process lives");
    // R6: the room for each outcome was set aside with its intent, so none is left open by the full disk.
    until("every intent has its outcome", || {
        let lines = ledger::read(site.dir(), 0);
        ledger::closers(&lines).values().all(|closing| !closing.is_empty()).then_some(())
    })
    .await;
    child.kill().await;

    // With room again, it goes on where it was.
    let child = site.serve().await;
    let client = child.client(CONSUMER);
    let answer = client.post("/v1/services/interior/person-identity", &body, "en").await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(child.stop().await.success());
    let lines = ledger::read(site.dir(), 0);
    ledger::check_rules(&lines);
    assert!(!lines.iter().any(|line| line.is(Kind::Abandoned)));
}
