//! Every call to the file system, failed once and killed once: a short life of the program is run again and
//! again, each time with another call of it struck, and after each the journal has everything that was told.
//!
//! A life is struck by strace, which counts by thread; so that every call has a number, one file and one kind of call
//! are counted at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use journal::Receipt;
use qovsaq::client::Client;
use qovsaq::demo::CONSUMER;
use serde_json::json;

use crate::child::{Ended, Site, whole_trace};
use crate::house::{body_for, fresh_case};
use crate::ledger;
use crate::program::copy_folder;

/// Calls by which a program touches files.
const CALLS: &str = "openat,read,pread64,write,pwrite64,lseek,fdatasync,fsync,rename,renameat,renameat2,ftruncate,fallocate,unlink,\
                     unlinkat,mkdir,mkdirat,flock,getdents64,statx,fstat,newfstatat";
/// Those that change nothing: a program killed before one leaves what it leaves before the next change.
const READING: [&str; 8] = ["read", "pread64", "lseek", "getdents64", "statx", "fstat", "newfstatat", "flock"];
/// Those that need room.
const NEED_ROOM: [&str; 5] = ["openat", "write", "pwrite64", "fallocate", "mkdir"];
/// Folders of the deployment that the program writes into.
const FOLDERS: [&str; 4] = ["journal", "journal-fence", "keys", "store"];
/// Trials of the ordinary run: an even choice of all.
const SAMPLE: usize = 16;

/// Longest time of a trial.
const TRIAL_MAX: Duration = Duration::from_secs(60);

/// How a call is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strike {
    /// It fails and does nothing.
    Error(&'static str),
    /// The program is killed before it is done.
    Kill,
}

impl Strike {
    fn words(self) -> String {
        match self {
            Self::Error(error) => format!("error={error}"),
            Self::Kill => "signal=KILL".to_owned(),
        }
    }
}

/// One call of a life: the n-th of its kind on a file by one thread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    beginning: &'static str,
    call: String,
    file: String,
    number: u32,
}

/// What a life found before it.
struct Beginning {
    name: &'static str,
    folder: PathBuf,
    told: Vec<Receipt>,
}

/// Puts the folders of a beginning into place.
fn put_back(site: &Site, from: &Path) {
    for name in FOLDERS {
        let there = site.dir().join(name);
        if there.exists() {
            std::fs::remove_dir_all(&there).expect("removed");
        }
        if from.join(name).exists() {
            copy_folder(&from.join(name), &there);
        }
    }
}

/// A new log; one that was closed, with its segment nearly full; one that was killed in the middle of a call.
async fn beginnings(site: &Site, kept: &Path) -> Vec<Beginning> {
    let mut made = Vec::new();
    let mut told = Vec::new();
    // Epochs are numbered by the clock, and their files named by number. From a number that the clock does not reach
    // they rise one by one: every life has files of the same names.
    let table = site.dir().join("keys/epochs");
    std::fs::create_dir_all(&table).expect("made");
    std::fs::write(table.join("last-epoch"), "4102444800000\n").expect("written");
    for name in ["new", "closed", "killed"] {
        let folder = kept.join(name);
        for part in FOLDERS.into_iter().filter(|part| site.dir().join(part).exists()) {
            copy_folder(&site.dir().join(part), &folder.join(part));
        }
        made.push(Beginning { name, folder, told: told.clone() });
        if name == "killed" {
            break;
        }
        let child = site.serve().await;
        let client = child.client(CONSUMER);
        let (fin, case) = open_case(site, &client).await.expect("a case");
        if name == "new" {
            let mut denied = body_for("interior/person-identity", &fin, &case, "");
            denied["purpose"] = json!("social-payments");
            // The next life meets the change from one segment to the next.
            while used(&site.dir().join("journal")) < SEGMENT_BYTES - 12 * 1024 {
                told.extend(ask(&client, "interior/person-identity", &denied).await);
            }
            assert!(child.stop().await.success());
        } else {
            site.agencies["taxes"].set_fault("person-income", "hang", Some(1)).expect("known");
            let body = body_for("taxes/person-income", &fin, &case, "");
            let hanging = tokio::spawn(async move { client.post_waiting("/v1/services/taxes/person-income", &body, "en", 1).await });
            let answer = hanging.await.expect("a task").expect("an answer").json().expect("JSON");
            told.push(ledger::receipt(&answer));
            child.kill().await;
            site.agencies["taxes"].clear_faults();
        }
    }
    made
}

/// Length of a segment here.
const SEGMENT_BYTES: usize = 65_536;

/// Bytes of the last segment that are used.
fn used(journal: &Path) -> usize {
    let folder = journal.join(ledger::newest(journal.parent().expect("a deployment's folder")).as_str()).join("segments");
    let segments = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let last = segments.filter(|path| path.extension().is_some_and(|end| end == "seg")).max().expect("a segment");
    std::fs::read(last).expect("a file").iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

async fn open_case(site: &Site, client: &Client) -> Option<(String, String)> {
    let fin = site.personas.reference_family().applicant().fin.to_string();
    let case = fresh_case();
    let body = json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": fin}, "role": "applicant"}]});
    let opened = client.post("/v1/cases", &body, "en").await.ok()?;
    (opened.status == 201).then_some((fin, case))
}

/// The receipt of an answer that came whole, where it has one.
async fn ask(client: &Client, service: &str, body: &serde_json::Value) -> Option<Receipt> {
    let answer = client.post_waiting(&format!("/v1/services/{service}"), body, "en", 2).await.ok()?.json().ok()?;
    serde_json::from_value(answer["receipt"].clone()).ok()
}

/// What a life does: a case, an answer, a refusal, an answer of another source. Whatever comes whole is kept.
async fn live(site: &Site, client: &Client) -> Vec<Receipt> {
    let mut told = Vec::new();
    // Without the case there is a refusal in the place of each answer.
    let (fin, case) = match open_case(site, client).await {
        Some(opened) => opened,
        None => (site.personas.reference_family().applicant().fin.to_string(), fresh_case()),
    };
    for (service, role) in [
        ("interior/person-identity", "case-officer"),
        ("taxes/person-income", "clerk"),
        ("azerishiq/subscriber", "case-officer"),
        ("taxes/person-income", "case-officer"),
    ] {
        let mut body = body_for(service, &fin, &case, "");
        body["role"] = json!(role);
        told.extend(ask(client, service, &body).await);
    }
    told
}

/// Every call of a life on every file of the folders, with how often one thread makes it.
async fn places(site: &Site, beginning: &Beginning) -> Vec<Place> {
    put_back(site, &beginning.folder);
    let child = site.serve_traced(&["-e", &format!("trace={CALLS}")]).await;
    live(site, &child.client(CONSUMER)).await;
    assert!(child.stop().await.success());
    let mut counts: BTreeMap<(String, String), BTreeMap<String, u32>> = BTreeMap::new();
    for line in whole_trace(&site.trace_file()).await.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(').filter(|(call, _)| CALLS.split(',').any(|name| name == *call))
        else {
            continue;
        };
        let named = if call.starts_with("rename") { arguments.split(", ").next().unwrap_or_default() } else { arguments };
        for file in files_in(named, site.dir()) {
            *counts.entry((call.to_owned(), file)).or_default().entry(thread.to_owned()).or_default() += 1;
        }
    }
    std::fs::remove_file(site.trace_file()).expect("removed");
    let name = beginning.name;
    let of = |((call, file), threads): ((String, String), BTreeMap<String, u32>)| {
        let count = threads.into_values().max().unwrap_or(0);
        (1..=count).map(move |number| Place { beginning: name, call: call.clone(), file: file.clone(), number })
    };
    counts.into_iter().flat_map(of).collect()
}

/// Files of the folders that a call names, by descriptor or path; strace shows both in hex. Of a renaming it is the old
/// name, the only one that strace goes by.
fn files_in(arguments: &str, dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in arguments.split(['"', '<', '>']).filter(|text| text.starts_with("\\x")) {
        let bytes: Vec<u8> = text.split("\\x").skip(1).filter_map(|pair| u8::from_str_radix(pair.get(..2)?, 16).ok()).collect();
        let path = String::from_utf8_lossy(&bytes).into_owned();
        let below = Path::new(&path).strip_prefix(dir).ok().and_then(|below| below.to_str());
        if let Some(below) = below.filter(|below| FOLDERS.iter().any(|folder| below.split('/').next() == Some(folder))) {
            // Written by the clock and not by what is done, so that no call of it has a number; nothing told rests on it.
            if !below.starts_with("store/watch.sqlite") {
                found.insert(below.to_owned());
            }
        }
    }
    found
}

/// What came of a life that was struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// It was killed.
    Killed,
    /// It did not start, and said why.
    RefusedToStart,
    /// It ended by itself: what it shows could no longer be trusted.
    Ended,
    /// It stopped when told, and said that something was not well.
    StoppedWithError,
    /// It went on.
    WentOn,
}

/// A life with one call struck, then one without; gives what came of the first.
async fn trial(site: &Site, beginning: &Beginning, place: &Place, strike: Strike) -> Came {
    put_back(site, &beginning.folder);
    let file = site.dir().join(&place.file).display().to_string();
    let (trace, inject) = (format!("trace={}", place.call), format!("inject={}:{}:when={}", place.call, strike.words(), place.number));
    let mut told = beginning.told.clone();
    let (was_ready, Ended { status, log }) = match site.try_serve_traced(&["-P", &file, "-e", &trace, "-e", &inject]).await {
        Ok(child) => {
            told.extend(live(site, &child.client(CONSUMER)).await);
            (true, child.stop_if_running().await)
        }
        Err(ended) => (false, ended),
    };
    let came = match (status.code(), status.signal()) {
        (Some(0), _) if was_ready => Came::WentOn,
        (Some(1), _) => {
            assert!(log.lines().any(|line| line.starts_with("qovsaq: ")), "it does not say why: {log}");
            if was_ready { Came::StoppedWithError } else { Came::RefusedToStart }
        }
        (None, Some(9)) if strike == Strike::Kill => Came::Killed,
        (None, Some(6)) => {
            assert!(log.contains("write or flush failed"), "it does not say why: {log}");
            Came::Ended
        }
        _ => panic!("no way to end: {status} {log}"),
    };
    // Everything is there again, without anybody's doing.
    let child = site.serve().await;
    let report = journal::verify::verify(&site.dir().join("journal"), &mut |_| {}).expect("a log");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.logs[0].open, 0, "an intent is left open");
    let lines = ledger::read(site.dir(), 0);
    let key = ledger::verifying_key(site.dir());
    for receipt in &told {
        receipt.verify(&key).expect("verifies");
        let line = lines.iter().find(|line| line.index == receipt.index).unwrap_or_else(|| panic!("{} is lost", receipt.index));
        assert_eq!(line.leaf_hash, receipt.leaf_hash);
    }
    ledger::check_rules(&lines);
    assert!(live(site, &child.client(CONSUMER)).await.len() == 4, "it does not answer as before");
    assert!(child.stop().await.success());
    came
}

async fn site() -> Site {
    let site = Site::prepare().await;
    site.change_config("segment_bytes: 1048576", &format!("segment_bytes: {SEGMENT_BYTES}"));
    site
}

/// All trials: every place failed and killed, and without room where it needs some.
async fn trials(site: &Site, beginnings: &[Beginning]) -> Vec<(usize, Place, Strike)> {
    let mut trials = Vec::new();
    for (at, beginning) in beginnings.iter().enumerate() {
        for place in places(site, beginning).await {
            trials.push((at, place.clone(), Strike::Error("EIO")));
            if !READING.contains(&&*place.call) {
                trials.push((at, place.clone(), Strike::Kill));
            }
            if NEED_ROOM.contains(&&*place.call) {
                trials.push((at, place, Strike::Error("ENOSPC")));
            }
        }
    }
    trials
}

/// The same with a limit of time; nothing where something goes wrong.
async fn tried(site: &Site, beginning: &Beginning, place: &Place, strike: Strike) -> Option<Came> {
    let trial = AssertUnwindSafe(trial(site, beginning, place, strike)).catch_unwind();
    tokio::time::timeout(TRIAL_MAX, trial).await.ok()?.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_the_file_system_that_fail_or_kill_lose_nothing() {
    let site = site().await;
    let kept = tempfile::tempdir().expect("a temporary folder");
    let beginnings = beginnings(&site, kept.path()).await;
    let trials = trials(&site, &beginnings).await;
    let step = trials.len() / SAMPLE;
    for (at, place, strike) in trials.into_iter().skip(step / 2).step_by(step) {
        let came = tried(&site, &beginnings[at], &place, strike).await;
        assert!(came.is_some(), "{place:?} {strike:?}");
    }
}

/// All of them: `scripts/syscalls`. A line for each goes to standard output.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a second for each of some two thousand trials"]
async fn every_call_to_the_file_system_fails_once_and_kills_once() {
    let began = Instant::now();
    // Mostly a trial waits; two beside each other take half the time.
    let (one, two) = tokio::join!(every_second(0, began), every_second(1, began));
    assert_eq!(one + two, 0, "trials failed");
}

/// Half of all trials, on a deployment of their own; how many went wrong.
async fn every_second(first: usize, began: Instant) -> usize {
    let site = site().await;
    let kept = tempfile::tempdir().expect("a temporary folder");
    let beginnings = beginnings(&site, kept.path()).await;
    let trials = trials(&site, &beginnings).await;
    let (count, mut failed) = (trials.len(), 0);
    for (number, (at, place, strike)) in (1..).zip(trials).skip(first).step_by(2) {
        let came = tried(&site, &beginnings[at], &place, strike).await;
        failed += usize::from(came.is_none());
        let came = came.map_or_else(|| "FAILED".to_owned(), |came| format!("{came:?}"));
        let Place { beginning, call, file, number: nth } = place;
        let seconds = began.elapsed().as_secs();
        writeln!(std::io::stdout().lock(), "trial,{number},{count},{beginning},{call},{file},{nth},{},{came},{seconds}", strike.words())
            .expect("standard output");
    }
    failed
}
