//! One log for each half-year: the old one ends and the next begins at a start, once, wherever a crash cuts it off,
//! and whoever looks from outside can check that they follow each other.
//!
//! An earlier half-year's log is written by the library, which is told the moment; the program reads the clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use journal::{Origin, Receipt};
use model::{Problems, ServiceId};
use qovsaq::config::Config;
use qovsaq::demo::CONSUMER;
use qovsaq::logs::{self, Base, HalfYear, LogEnded};
use qovsaq::record::{IntentPayload, Kind, Question, Recorder, new_id};
use seal::NodeKey;
use serde_json::json;
use tempfile::TempDir;

use crate::child::Site;
use crate::house::Asker;
use crate::ledger::{self, Line};
use crate::program::{Ran, copy_folder, run};

/// In three half-years that follow each other.
const MARCH: &str = "2020-03-01T09:00:00Z";
const SEPTEMBER: &str = "2020-09-01T09:00:00Z";
const NEXT_MARCH: &str = "2021-03-01T09:00:00Z";

/// The log of a half-year.
fn log(half_year: &str) -> Origin {
    Base::new(ledger::BASE).expect("a base name").log(HalfYear::parse(half_year).expect("a half-year"))
}

/// The log of the present moment.
fn present() -> Origin {
    Base::new(ledger::BASE).expect("a base name").log(HalfYear::of(qovsaq::clock::now()))
}

/// A site with a configuration to which logs can be written without a gateway.
struct Logs {
    site: Site,
    config: Config,
}

impl Logs {
    async fn prepare() -> Self {
        let site = Site::prepare().await;
        let mut problems = Problems::default();
        let config = Config::load(&site.config(), &mut problems).expect("a configuration");
        Self { site, config }
    }

    fn dir(&self) -> &Path {
        self.site.dir()
    }

    fn log_dir(&self, half_year: &str) -> PathBuf {
        self.config.journal_dir.join(log(half_year).as_str())
    }

    fn key(&self, half_year: &str, extension: &str) -> PathBuf {
        self.config.signing_keys.join(format!("{}.{extension}", log(half_year)))
    }

    fn fence(&self, half_year: &str) -> PathBuf {
        self.config.journal_fence.join(format!("{}.fence", log(half_year)))
    }

    /// Opens the log that a gateway would write at that moment.
    async fn open(&self, moment: &str) -> anyhow::Result<Arc<Recorder>> {
        let node_key = NodeKey::load_or_create(&self.config.node_key)?;
        let moment: Timestamp = moment.parse().expect("a moment");
        logs::open(&self.config, &node_key, moment).await
    }

    /// The same, closed again in order; the log's name.
    async fn run(&self, moment: &str) -> Origin {
        let recorder = self.open(moment).await.expect("opens");
        recorder.event(Kind::NodeStopped, &json!({})).await.expect("taken");
        recorder.journal().close().await.expect("closes").origin().clone()
    }

    async fn refuses(&self, moment: &str) -> String {
        format!("{:#}", self.open(moment).await.expect_err("refused"))
    }

    /// The log of March as a crash left it: an exchange is open. A receipt from before.
    async fn crashed(&self) -> Receipt {
        let recorder = self.open(MARCH).await.expect("opens");
        let denied = recorder.denied(&question(), None, &["no-grant"]).await.expect("taken");
        let service = ServiceId::new("interior/person-identity").expect("a service");
        let instance = model::InstanceId::new("interior").expect("an instance");
        let payload = IntentPayload { subject: None, input: &[], consent: None, basis: None };
        let intent = recorder.intent(&question(), &service, &instance, &payload).await.expect("taken");
        // What a crash leaves is what stands there now.
        let [journal, copy] = [&self.config.journal_dir, &self.dir().join("copy")];
        copy_folder(journal, copy);
        drop((intent, recorder));
        std::fs::remove_dir_all(journal).expect("removed");
        std::fs::rename(copy, journal).expect("put back");
        denied.durable().receipt()
    }

    /// March's log has ended, and nothing is there of September's but its key.
    async fn between(&self) {
        self.run(MARCH).await;
        self.run(SEPTEMBER).await;
        std::fs::remove_dir_all(self.log_dir("2020h2")).expect("removed");
        std::fs::remove_file(self.fence("2020h2")).expect("removed");
        assert_eq!(ledger::logs(self.dir()), [log("2020h1")]);
    }

    fn lines(&self, half_year: &str) -> Vec<Line> {
        ledger::read_log(self.dir(), &log(half_year), 0)
    }

    fn verify(&self) -> Ran {
        run(&["journal", "verify", self.config.journal_dir.to_str().expect("text")])
    }
}

fn question() -> Question<'static> {
    Question {
        request_id: new_id(),
        dossier_id: None,
        consumer: CONSUMER,
        service: "interior/person-identity",
        version: "1.0.0",
        purpose: "adsy-means-test",
        emergency: None,
        act: "",
        case: "c-1",
        official: "o-1",
        responsible: None,
        role: "clerk",
        configuration: "none",
        assurance: None,
        assertion_sha256: None,
        premises: None,
        on_behalf_of: None,
    }
}

fn count(lines: &[Line], kind: Kind) -> usize {
    lines.iter().filter(|line| line.is(kind)).count()
}

/// The earlier log has ended once, with its last entry; the later one begins with it, once.
fn check_follows(dir: &Path, earlier: &Origin, later: &Origin) {
    let [before, after] = [earlier, later].map(|origin| ledger::read_log(dir, origin, 0));
    assert_eq!((count(&before, Kind::LogEnded), count(&after, Kind::LogBegun)), (1, 1), "{before:?} {after:?}");
    let ended = before.last().expect("an entry");
    assert!(ended.is(Kind::LogEnded) && ended.epoch == 0, "{ended:?}");
    assert_eq!(ended.metadata, json!({"next": later, "next_key": ledger::key_of(dir, later).to_string()}));
    let begun = after.iter().find(|line| !line.is(Kind::EpochOpened)).expect("an entry");
    assert!(begun.is(Kind::LogBegun) && begun.epoch == 0, "{begun:?}");
    let head = std::fs::read_to_string(dir.join("journal").join(earlier.as_str()).join("clean")).expect("it is closed");
    assert_eq!(begun.metadata, json!({"previous": {"origin": earlier, "head": head}}));
    for closing in ledger::closers(&before).values() {
        assert_eq!(closing.len(), 1, "an exchange of the ended log is open");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_of_a_half_year_ends_one_log_and_begins_the_next() {
    let logs = Logs::prepare().await;
    let old_receipt = logs.crashed().await;
    let site = &logs.site;
    let (old, new) = (log("2020h1"), present());
    let child = site.serve().await;
    assert_eq!(ledger::logs(logs.dir()), [old.clone(), new.clone()]);
    let client = child.client(CONSUMER);
    let asker = Asker::start(&client, &site.personas.reference_family().applicant().fin).await;
    let answer = asker.ask("interior/person-identity").await.json().expect("JSON");
    ledger::check_receipt(logs.dir(), &ledger::read(logs.dir(), 0), &answer);
    assert_eq!(answer["receipt"]["origin"], json!(new));
    assert!(child.look("/metrics").await.1.contains("\nqovsaq_journal_log_overdue 0\n"));
    assert!(child.stop().await.success());

    check_follows(logs.dir(), &old, &new);
    let before = logs.lines("2020h1");
    assert_eq!(count(&before, Kind::Abandoned), 1, "the exchange that the crash left open is closed in its own log");
    let abandoned = before.iter().position(|line| line.is(Kind::Abandoned)).expect("counted");
    assert_eq!(abandoned + 2, before.len(), "and the log ends behind it");
    ledger::check_rules(&ledger::read(logs.dir(), 0));

    // Another start of the same half-year goes on with the same log, and leaves the old one alone.
    let whole = |origin: &Origin| {
        let dir = logs.config.journal_dir.join(origin.as_str());
        ["clean", "checkpoint", "segments/0000000000000000.seg"].map(|name| std::fs::read(dir.join(name)).expect("a file"))
    };
    let archived = whole(&old);
    // Its key signs nothing any more.
    std::fs::remove_file(logs.key("2020h1", "key")).expect("destroyed");
    for _ in 0..2 {
        assert!(site.serve().await.stop().await.success());
    }
    assert_eq!(ledger::logs(logs.dir()), [old.clone(), new.clone()]);
    assert_eq!(whole(&old), archived);
    check_follows(logs.dir(), &old, &new);
    let ran = logs.verify();
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 2), "{ran:?}");

    // Receipts of either log verify with the key that is handed out for it, and with no other.
    let pub_of = |origin: &Origin| {
        std::fs::read_to_string(logs.config.signing_keys.join(format!("{origin}.pub"))).expect("the verifier's text is there")
    };
    let code = |receipt: &str, origin: &Origin| {
        let mut keys = verify::Keys::default();
        keys.add_lines(&pub_of(origin)).expect("a key");
        verify::examine(&[verify::Given::read("receipt", receipt.as_bytes())], &[], &keys).exit_code()
    };
    let old_receipt = serde_json::to_string(&old_receipt).expect("JSON");
    let new_receipt = answer["receipt"].to_string();
    assert_eq!([code(&old_receipt, &old), code(&new_receipt, &new)], [0, 0]);
    assert!(code(&old_receipt, &new) != 0 && code(&new_receipt, &old) != 0);

    // Entries are looked at log by log.
    let journal = logs.config.journal_dir.to_str().expect("text");
    let ran = run(&["journal", "show", journal, "0"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("holds 2 logs; name the directory of one"), "{}", ran.stderr);
    let last = (before.len() - 1).to_string();
    let ran = run(&["journal", "show", &format!("{journal}/{old}"), &last]);
    assert!(ran.code == Some(0) && ran.stdout.contains("log-ended") && ran.stdout.contains(new.as_str()), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_anywhere_in_the_change_is_made_good_by_the_next_start() {
    let logs = Logs::prepare().await;
    logs.crashed().await;
    let parts = ["journal", "journal-fence", "keys"];
    let kept = logs.dir().join("kept");
    for part in parts {
        copy_folder(&logs.dir().join(part), &kept.join(part));
    }
    let mut kills = 0;
    // Before each of the calls that make something durable or give it its name, counted by thread.
    for call in ["fdatasync", "fsync", "rename"] {
        for nth in 1.. {
            for part in parts {
                std::fs::remove_dir_all(logs.dir().join(part)).expect("removed");
                copy_folder(&kept.join(part), &logs.dir().join(part));
            }
            if !logs.site.killed_at(call, nth).await {
                break;
            }
            kills += 1;
            // The start after it may be cut off as well.
            if nth % 3 == 0 {
                logs.site.killed_at("fdatasync", nth).await;
            }
            let child = logs.site.serve().await;
            assert!(child.stop().await.success());
            assert_eq!(ledger::logs(logs.dir()), [log("2020h1"), present()], "killed at {call} {nth}");
            check_follows(logs.dir(), &log("2020h1"), &present());
            assert_eq!(count(&logs.lines("2020h1"), Kind::Abandoned), 1, "killed at {call} {nth}");
            let ran = logs.verify();
            assert_eq!(ran.code, Some(0), "killed at {call} {nth}: {ran:?}");
        }
    }
    assert!(kills >= 30, "only {kills} kills came before the gateway was ready");
}

#[tokio::test]
async fn a_clock_that_stands_before_the_newest_log_begins_no_older_one() {
    let logs = Logs::prepare().await;
    assert_eq!(logs.run(SEPTEMBER).await, log("2020h2"));
    assert_eq!(logs.run(MARCH).await, log("2020h2"), "the newest goes on");
    assert_eq!(ledger::logs(logs.dir()), [log("2020h2")]);
    assert_eq!(count(&logs.lines("2020h2"), Kind::NodeStopped), 2);

    // Nor where the newest has ended: then the one that it names begins.
    let logs = Logs::prepare().await;
    logs.between().await;
    assert_eq!(logs.run(MARCH).await, log("2020h2"));
    check_follows(logs.dir(), &log("2020h1"), &log("2020h2"));
}

#[tokio::test]
async fn the_log_that_an_ended_one_names_comes_next_however_late() {
    let logs = Logs::prepare().await;
    logs.between().await;
    assert_eq!(logs.run(NEXT_MARCH).await, log("2020h2"));
    check_follows(logs.dir(), &log("2020h1"), &log("2020h2"));
    assert_eq!(logs.run(NEXT_MARCH).await, log("2021h1"));
    check_follows(logs.dir(), &log("2020h2"), &log("2021h1"));
    // A log may be elsewhere once the next has begun.
    std::fs::remove_dir_all(logs.log_dir("2020h1")).expect("removed");
    assert_eq!(logs.run(NEXT_MARCH).await, log("2021h1"));
    let ran = logs.verify();
    assert!(ran.code == Some(0) && ran.stderr.contains("not here to be compared"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_writes_an_overdue_log_says_so() {
    let logs = Logs::prepare().await;
    logs.between().await;
    let child = logs.site.serve().await;
    child.said("restart the gateway, so that the next log begins").await;
    assert!(child.look("/metrics").await.1.contains("\nqovsaq_journal_log_overdue 1\n"));
    assert!(child.stop().await.success());
    let child = logs.site.serve().await;
    assert!(child.look("/metrics").await.1.contains("\nqovsaq_journal_log_overdue 0\n"));
    assert!(child.stop().await.success());
    assert_eq!(ledger::logs(logs.dir()), [log("2020h1"), log("2020h2"), present()]);
    check_follows(logs.dir(), &log("2020h2"), &present());
}

#[tokio::test]
async fn keys_are_secret_and_what_verifies_is_beside_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let logs = Logs::prepare().await;
    logs.run(MARCH).await;
    let key = logs.key("2020h1", "key");
    assert_eq!(std::fs::metadata(&key).expect("made").permissions().mode() & 0o777, 0o600);
    let public = logs.key("2020h1", "pub");
    let text = format!("{}\n", ledger::key_of(logs.dir(), &log("2020h1")));
    assert_eq!(std::fs::read_to_string(&public).expect("made"), text);
    // One that was lost or changed is written again.
    for lost in [false, true] {
        if lost { std::fs::remove_file(&public) } else { std::fs::write(&public, "another") }.expect("changed");
        logs.run(MARCH).await;
        assert_eq!(std::fs::read_to_string(&public).expect("made"), text);
    }
    logs.run(SEPTEMBER).await;
    assert_ne!(std::fs::read(&key).expect("a key"), std::fs::read(logs.key("2020h2", "key")).expect("a key"));
}

#[tokio::test]
async fn without_the_right_keys_and_the_whole_log_before_no_log_begins() {
    let logs = Logs::prepare().await;
    logs.run(MARCH).await;
    let key = logs.key("2020h1", "key");
    let kept = std::fs::read(&key).expect("a key");
    let before = logs.lines("2020h1").len();

    std::fs::remove_file(&key).expect("removed");
    for moment in [MARCH, SEPTEMBER] {
        let said = logs.refuses(moment).await;
        assert!(said.contains("has no signing key") && said.contains("restore the file"), "{said}");
        assert!(!key.exists(), "no other key takes its place");
    }
    std::fs::copy(logs.key("2020h2", "key"), &key).expect("the key that was made for the next log");
    let said = logs.refuses(SEPTEMBER).await;
    assert!(said.contains("does not open to be ended"), "{said}");
    std::fs::write(&key, &kept).expect("restored");

    // The folder of the log before is gone, and its fence knows of it.
    let [dir, elsewhere] = [logs.log_dir("2020h1"), logs.dir().join("elsewhere")];
    std::fs::rename(&dir, &elsewhere).expect("moved");
    let said = logs.refuses(SEPTEMBER).await;
    assert!(said.contains("is missing; restore it"), "{said}");
    assert!(!dir.exists());
    std::fs::rename(&elsewhere, &dir).expect("moved back");
    assert_eq!(logs.lines("2020h1").len(), before, "none of this left an entry");
    assert!(!logs.log_dir("2020h2").exists());

    // The next log's key is announced: another one in its place is refused.
    logs.between().await;
    let key = logs.key("2020h2", "key");
    let kept = std::fs::read(&key).expect("a key");
    std::fs::remove_file(&key).expect("removed");
    let said = logs.refuses(SEPTEMBER).await;
    assert!(said.contains("announces") && said.contains("restore the right one"), "{said}");
    std::fs::write(&key, kept).expect("restored");
    assert_eq!(logs.run(SEPTEMBER).await, log("2020h2"));
    check_follows(logs.dir(), &log("2020h1"), &log("2020h2"));
}

#[tokio::test]
async fn a_log_that_another_process_writes_is_not_ended() {
    let logs = Logs::prepare().await;
    let writer = logs.open(MARCH).await.expect("opens");
    let said = logs.refuses(SEPTEMBER).await;
    assert!(said.contains("open in another process"), "{said}");
    drop(writer);
    assert_eq!(logs.run(SEPTEMBER).await, log("2020h2"));
}

#[tokio::test]
async fn a_signing_key_in_place_of_the_folder_gets_a_sentence() {
    let logs = Logs::prepare().await;
    std::fs::create_dir_all(logs.dir().join("keys")).expect("made");
    std::fs::write(logs.dir().join("keys/signing"), [7; 32]).expect("written");
    let (code, said) = logs.site.refuses().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("not-a-folder: signing keys stand in a folder") && said.contains("keep the file"), "{said}");
    let site = Site::prepare().await;
    site.change_config("origin: meis-demo.test", &format!("origin: {}", "a".repeat(56)));
    let (code, said) = site.refuses().await;
    assert!(code == Some(1) && said.contains("wrong-origin") && said.contains("1 to 55"), "{said}");
}

/// Puts another folder in a log's place.
fn exchange(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).expect("removed");
    copy_folder(from, to);
}

#[tokio::test]
async fn verify_tells_logs_that_do_not_follow_each_other() {
    let logs = Logs::prepare().await;
    logs.run(MARCH).await;
    let kept = TempDir::new().expect("a folder");
    let [earlier, whole] = ["earlier", "whole"].map(|name| kept.path().join(name));
    copy_folder(&logs.log_dir("2020h1"), &earlier);
    logs.run(SEPTEMBER).await;
    let sound = logs.verify();
    assert_eq!((sound.code, sound.stderr.contains("not here")), (Some(0), false), "{sound:?}");
    copy_folder(&logs.config.journal_dir, &whole);
    let restore = || exchange(&whole, &logs.config.journal_dir);
    let broken = |what: &str| {
        let ran = logs.verify();
        let line = ran.stdout.lines().find(|line| line.starts_with("broken: "));
        assert!(ran.code == Some(1) && line.is_some_and(|line| line.contains(what)), "{ran:?}");
        restore();
    };

    // Each log is sound by itself; what they say of each other is not.
    exchange(&earlier, &logs.log_dir("2020h1"));
    broken("does not end with log-ended");

    // Another history of the same log, under the same key, that ended as well.
    let other = Logs::prepare().await;
    for half_year in ["2020h1", "2020h2"] {
        std::fs::create_dir_all(&other.config.signing_keys).expect("made");
        std::fs::copy(logs.key(half_year, "key"), other.key(half_year, "key")).expect("the node's own keys");
    }
    other.run(MARCH).await;
    other.run(MARCH).await;
    other.run(SEPTEMBER).await;
    exchange(&other.log_dir("2020h1"), &logs.log_dir("2020h1"));
    broken("goes on from");

    // A log of the right name and key that begins as if there had been none before.
    let first = Logs::prepare().await;
    std::fs::create_dir_all(&first.config.signing_keys).expect("made");
    std::fs::copy(logs.key("2020h2", "key"), first.key("2020h2", "key")).expect("the node's own key");
    first.run(SEPTEMBER).await;
    exchange(&first.log_dir("2020h2"), &logs.log_dir("2020h2"));
    broken("does not begin with log-begun");

    // A stranger's.
    let stranger = Logs::prepare().await;
    stranger.run(MARCH).await;
    stranger.run(SEPTEMBER).await;
    exchange(&stranger.log_dir("2020h2"), &logs.log_dir("2020h2"));
    broken("announces another key");
    exchange(&stranger.log_dir("2020h1"), &logs.log_dir("2020h1"));
    broken("announces another key");

    // A log taken out of the middle is elsewhere; one in its place that nobody names is not.
    logs.run(NEXT_MARCH).await;
    exchange(&logs.config.journal_dir, &whole);
    std::fs::remove_dir_all(logs.log_dir("2020h2")).expect("removed");
    let gap = logs.verify();
    assert_eq!((gap.code, gap.stderr.matches("not here to be compared").count()), (Some(0), 2), "{gap:?}");
    restore();
    exchange(&earlier, &logs.log_dir("2020h1"));
    std::fs::remove_dir_all(logs.log_dir("2020h2")).expect("removed");
    broken("does not end with log-ended");
    let late = Logs::prepare().await;
    late.run(NEXT_MARCH).await;
    exchange(&late.log_dir("2021h1"), &logs.log_dir("2021h1"));
    std::fs::remove_dir_all(logs.log_dir("2020h2")).expect("removed");
    broken("names meis-demo.test.2020h2 as the next log, yet");

    // One log alone.
    let ran = run(&["journal", "verify", logs.log_dir("2020h2").to_str().expect("text")]);
    assert!(ran.code == Some(0) && ran.stderr.contains("goes on from meis-demo.test.2020h1"), "{ran:?}");
}

#[tokio::test]
async fn an_end_that_cannot_be_read_or_names_no_later_log_is_refused() {
    let logs = Logs::prepare().await;
    let recorder = logs.open(MARCH).await.expect("opens");
    let next = LogEnded { next: log("2020h1"), next_key: String::new() };
    recorder.plain_event(Kind::LogEnded, &next).await.expect("taken");
    recorder.journal().close().await.expect("closes");
    drop(recorder);
    let said = logs.refuses(SEPTEMBER).await;
    assert!(said.contains("no later log of this node") && said.contains("journal verify"), "{said}");

    let logs = Logs::prepare().await;
    let recorder = logs.open(MARCH).await.expect("opens");
    recorder.plain_event(Kind::LogEnded, &json!({"next": 7})).await.expect("taken");
    recorder.journal().close().await.expect("closes");
    drop(recorder);
    let said = logs.refuses(SEPTEMBER).await;
    assert!(said.contains("cannot be read") && said.contains("journal verify"), "{said}");
}
