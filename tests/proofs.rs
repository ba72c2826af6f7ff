//! What the log shows to whoever holds a receipt: its checkpoint and tiles over the wire, proofs from the
//! command line; and that the independent verifier, which shares no code with us, agrees.

use std::path::Path;

use journal::{Hash, InclusionProof, Receipt, SignedHead, read};
use qovsaq::demo::{Environment, consumer_files};
use qovsaq::export::{self, About, Filter, Found, Log, Logs, SourceError};
use seal::{KeyTable, NodeKey};
use serde_json::json;
use tempfile::TempDir;

use crate::house::{Asker, House, options};
use crate::ledger::verifying_key;
use crate::program::{copy_folder, run};
use crate::raw::{Connection, RawAnswer};

const IDENTITY: &str = "interior/person-identity";

async fn connection(house: &House) -> Connection {
    let identity = consumer_files(house.dir(), "targeted-aid");
    Connection::open(house.environment.gateway.internal, house.dir(), Some(identity)).await.expect("trusted")
}

async fn checkpoint(connection: &mut Connection, house: &House) -> SignedHead {
    let answer = connection.get("/checkpoint").await.expect("an answer");
    assert_eq!(answer.status, 200);
    SignedHead::parse(std::str::from_utf8(&answer.body).expect("text"), &verifying_key(house.dir())).expect("signed")
}

fn hashes(answer: &RawAnswer) -> Vec<Hash> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.body.chunks(32).map(|hash| Hash(hash.try_into().expect("whole hashes"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_certificate_can_follow_the_log_and_sees_hashes_alone() {
    let house = House::start().await;
    let client = house.client();
    let asker = Asker::start(&client, &house.applicant().fin).await;
    let answer = asker.ask(IDENTITY).await;
    let receipt: Receipt = serde_json::from_value(answer.json().expect("JSON")["receipt"].clone()).expect("a receipt");
    let mut connection = connection(&house).await;
    // The tiles may be a commit behind the receipt.
    let head = loop {
        let head = checkpoint(&mut connection, &house).await;
        if head.size() > receipt.index {
            break head;
        }
    };
    let size = head.size();
    assert!(size < 256, "a log of one tile");
    let leaves = hashes(&connection.get(&format!("/tile/0/000.p/{size}")).await.expect("an answer"));
    assert_eq!(leaves.len() as u64, size);
    assert_eq!(journal::levels::root_of(&leaves), *head.root(), "the tile is the tree");
    let at = usize::try_from(receipt.index).expect("small");
    assert_eq!(leaves[at], receipt.leaf_hash);
    // A part of a tile stays what it was.
    let part = hashes(&connection.get("/tile/0/000.p/2").await.expect("an answer"));
    assert_eq!(part[..], leaves[..2]);
    for path in [
        "/tile/0/000",
        "/tile/0/000.p/0",
        "/tile/1/000.p/1",
        "/tile/0/001.p/1",
        "/tile/entries/000",
        "/tile/0/..%2f..%2fcheckpoint",
        "/tile/",
        "/tile/0",
    ] {
        let answer = connection.get(path).await.expect("an answer");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["code"], "not-found", "{path}");
    }
    // Looking at the log leaves nothing in it.
    assert_eq!(checkpoint(&mut connection, &house).await, head);
    let openapi = connection.get("/openapi.json").await.expect("an answer").json();
    assert!(openapi["paths"]["/checkpoint"]["get"].is_object() && openapi["paths"]["/tile/{level}/{number}"]["get"].is_object());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_is_proven_and_a_kept_checkpoint_tells_that_the_log_has_only_grown() {
    let folder = TempDir::new().expect("a temporary folder");
    let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
    let client = environment.client("targeted-aid").expect("a certificate");
    let fin = environment.personas.families()[0].members[0].fin.to_string();
    let receipt = Asker::start(&client, &fin).await.ask(IDENTITY).await.json().expect("JSON")["receipt"].clone();
    let journal = folder.path().join("journal");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let prove = |arguments: &[&str]| run(&[&["journal", "prove", &text(&journal)], arguments].concat());
    let kept = TempDir::new().expect("a folder");
    let old = kept.path().join("receipt.json");
    std::fs::write(&old, receipt.to_string()).expect("written");
    let key = verifying_key(folder.path());
    // The levels are flushed when the log is closed; while it is open, every ten seconds.
    environment.stop().await.expect("stops in order");
    let (levels, head, _) = read::levels(&journal).expect("levels");
    let entries: Vec<_> = read::entries(&journal, 0).expect("there").map(|entry| entry.expect("read")).collect();
    assert_eq!(head.size(), entries.len() as u64);
    for entry in &entries {
        let ran = prove(&[&entry.index.to_string()]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.stdout, InclusionProof::of(entry.index, &levels, &head).expect("proven").to_string());
        assert!(ran.stdout.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {}\n", entry.index)) && ran.stdout.ends_with(head.note()));
        assert!(ran.stderr.contains(&entry.leaf_hash.to_string()), "{}", ran.stderr);
    }
    let ran = prove(&["--since", &text(&old)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let proof: journal::ConsistencyProof = serde_json::from_str(&ran.stdout).expect("a proof");
    assert!(proof.holds(&key));
    assert_eq!(
        (proof.from, proof.to),
        (SignedHead::parse(receipt["head"].as_str().expect("a note"), &key).expect("signed").size(), head.size())
    );
    // Another implementation reads all of it the same way, and nothing that was changed.
    let mut keys = verify::Keys::default();
    keys.add(verify::Key::parse(&key.to_string()).expect("a key")).expect("the only one");
    let code = |files: &[&str]| {
        let given: Vec<_> = files.iter().map(|text| verify::Given::read("file", text.as_bytes())).collect();
        verify::examine(&given, &[], &keys).exit_code()
    };
    let [receipt_text, consistency] = [receipt.to_string(), ran.stdout.clone()];
    let of_receipt = prove(&[&receipt["index"].to_string()]).stdout;
    assert_eq!([code(&[&receipt_text]), code(&[&of_receipt, &receipt_text, &consistency])], [0, 0]);
    for entry in &entries {
        let index = entry.index.to_string();
        let shown = run(&["journal", "show", "--json", &text(&journal), &index]).stdout;
        let proof = prove(&[&index]).stdout;
        assert_eq!(code(&[&shown, &proof]), 0, "entry {index}");
        let other = proof.replacen(&format!("index {index}\n"), &format!("index {}\n", (entry.index + 1) % head.size()), 1);
        assert_eq!(code(&[&shown, &other]), 1, "entry {index} at another place");
    }
    assert_eq!(code(&[&consistency.replace("\"from\": ", "\"from\": 1")]), 1, "another size");
    // What is not there, or not this log's, gets a sentence.
    let ran = prove(&["100000"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("covers") && ran.stderr.contains("every ten seconds"), "{}", ran.stderr);
    let foreign = kept.path().join("foreign");
    std::fs::write(&foreign, json!({"not": "a receipt"}).to_string()).expect("written");
    let ran = prove(&["--since", &text(&foreign)]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("is no checkpoint of"), "{}", ran.stderr);
    assert_eq!(prove(&[]).code, Some(2));
    assert_eq!(run(&["journal", "prove", &text(kept.path()), "1"]).code, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_does_not_start_on_an_old_copy_of_its_journal() {
    let folder = TempDir::new().expect("a temporary folder");
    let [journal, old] = ["journal", "old"].map(|name| folder.path().join(name));
    for round in 0..2 {
        let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
        environment.stop().await.expect("stops in order");
        if round == 0 {
            copy_folder(&journal, &old);
        }
    }
    std::fs::remove_dir_all(&journal).expect("removed");
    std::fs::rename(&old, &journal).expect("put back");
    let error = Environment::start(&options(folder.path())).await.expect_err("refused");
    assert!(format!("{error:#}").contains("restore the newest copy"), "{error:#}");
}

/// Every entry of a deployment's journal, opened with its node's keys.
fn found(dir: &Path) -> impl Iterator<Item = Result<Found, SourceError>> {
    let node_key = NodeKey::load_or_create(&dir.join("keys/node.key")).expect("a node key");
    let keys = KeyTable::open(&dir.join("keys/epochs"), node_key).expect("a key table");
    read::entries(&dir.join("journal"), 0).expect("a journal").map(move |entry| {
        let entry = entry?;
        let epoch = keys.epoch(seal::entry::parse(&entry.body)?.epoch)?;
        let (role, link) = (entry.role.code(), entry.role.link());
        let open = |epoch| seal::entry::open_entry(epoch, entry.origin.as_str(), entry.kind, role, link, &entry.body, None);
        let opened = epoch.as_deref().map(open).transpose()?;
        Ok(Found { entry, opened })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_a_gateway_writes_can_be_exported_and_is_proven_to_a_stranger() {
    let folder = TempDir::new().expect("a temporary folder");
    let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
    let client = environment.client("targeted-aid").expect("a certificate");
    let person = environment.personas.families()[0].members[0].fin.to_string();
    let asker = Asker::start(&client, &person).await;
    assert_eq!(asker.ask(IDENTITY).await.status, 200);
    assert_eq!(asker.ask("justice/no-such-service").await.status, 404);
    environment.stop().await.expect("stops in order");
    let (levels, head, key) = read::levels(&folder.path().join("journal")).expect("levels");
    let (entries, checkpoint) = (head.size(), head.note().to_owned());
    let mut keys = verify::Keys::default();
    keys.add(verify::Key::parse(&key.to_string()).expect("a key")).expect("the only one");
    let logs: Logs = [Log { levels, head, key }].into_iter().collect();
    let about = About {
        made_at: qovsaq::clock::now(),
        made_by: "auditor-1".to_owned(),
        reason: "a test".to_owned(),
        filter: Filter::of(&json!({"subject": {"fin": person}})),
    };
    let dir = folder.path();
    let [mut lines, mut table, mut bundle] = [const { Vec::new() }; 3];
    export::ndjson(&mut lines, &about, &logs, found(dir)).expect("written");
    export::csv(&mut table, &logs, found(dir)).expect("written");
    let written = export::bundle(&mut bundle, &about, "c-1", &logs, || found(dir)).expect("written");
    assert_eq!(written.entries, entries);
    let checkpoint = verify::Given::read("checkpoint", checkpoint.as_bytes());
    let table = verify::Given::table("table", table.as_slice(), std::slice::from_ref(&checkpoint)).expect("read");
    for given in [verify::Given::read("lines", &lines), table, verify::Given::read("bundle", &bundle)] {
        let report = verify::examine(&[given], &[], &keys);
        let text = report.to_text(verify::Language::English);
        assert_eq!(report.exit_code(), 0, "{text}");
        assert!(text.contains(&format!("{entries} entries of this export stood in the log")), "{text}");
        assert!(!text.contains("texts are not in the export"), "{text}");
    }
    assert!(!String::from_utf8_lossy(&lines).contains(&person), "nobody is named");
}
