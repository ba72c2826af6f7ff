//! Exports of real small journals, checked by the independent verifier.

use std::fs::File;
use std::io::{BufReader, Cursor, Read as _};
use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use journal::{Entry, Journal, Options, Role, SigningKey, Urgency, read};
use seal::entry::{Binding, Sealed, open_entry, plain_entry, seal_entry};
use seal::{Epoch, KeyTable, NodeKey};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use verify::{Given, Keys, Level, Report, Verdict, examine};

use super::*;
use crate::record::Kind;

/// A moment of the tests, in unix milliseconds: 2026-03-12 00:30:00.25 in Baku.
const AT_MS: u64 = 1_773_261_000_250;

/// A log on disk and what is known of it.
struct World {
    dir: TempDir,
    origin: Origin,
    epoch: Arc<Epoch>,
}

impl World {
    /// A log of these kinds and metadata; where they say so, with a text that only the epoch's key opens.
    async fn new(origin: &str, seed: u8, entries: impl IntoIterator<Item = (Kind, Role, Json)>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let keys = KeyTable::open(&dir.path().join("keys"), NodeKey::from_bytes([seed; 32])).expect("opens");
        let epoch = keys.open_epoch(Timestamp::UNIX_EPOCH).expect("opened").0;
        let origin = Origin::new(origin).expect("valid");
        let options = Options { segment_bytes: 4 << 20, queue_bytes: 2 << 20, ..Options::new(dir.path().join("journal"), origin.clone()) };
        let (journal, _) = Journal::open(options, SigningKey::from_seed(&[seed; 32])).expect("opens");
        let mut last = None;
        for (number, (kind, role, metadata)) in (0_u64..).zip(entries) {
            let time_ms = AT_MS + number;
            let binding = Binding {
                origin: origin.as_str(),
                kind: kind.number(),
                role: role.code(),
                link: role.link(),
                event_id: seal::entry::new_id(time_ms),
                time_ms,
            };
            let metadata = serde_json::to_vec(&metadata).expect("JSON");
            let Sealed { body, payload } = match kind {
                Kind::EpochOpened => plain_entry(&binding, &metadata),
                Kind::Answered => seal_entry(&epoch, &binding, &metadata, Some(b"captured, and not to be exported")),
                _ => seal_entry(&epoch, &binding, &metadata, None),
            };
            let entry = Entry { kind: kind.number(), role, body, payload };
            // The queue is bounded: let it flow off now and then.
            let urgency = if number % 1024 == 0 { Urgency::Now } else { Urgency::Lazy };
            let appended = journal.append(entry, urgency, None).expect("taken");
            if number % 1024 == 0 {
                appended.durable().await;
            } else {
                last = Some(appended);
            }
        }
        if let Some(appended) = last {
            appended.durable().await;
        }
        journal.close().await.expect("closes");
        Self { dir, origin, epoch }
    }

    fn journal(&self) -> std::path::PathBuf {
        self.dir.path().join("journal")
    }

    fn log(&self) -> Log {
        let (levels, head, key) = read::levels(&self.journal()).expect("levels");
        Log { levels, head, key }
    }

    /// All entries, opened but for those of `lost`.
    fn found(&self, lost: impl Fn(u64) -> bool) -> impl Iterator<Item = Result<Found, SourceError>> {
        let (origin, epoch) = (self.origin.clone(), Arc::clone(&self.epoch));
        read::entries(&self.journal(), 0).expect("there").map(move |entry| {
            let entry = entry?;
            let open = || {
                let (kind, role, link) = (entry.kind, entry.role.code(), entry.role.link());
                open_entry(&epoch, origin.as_str(), kind, role, link, &entry.body, None).ok()
            };
            let opened = if lost(entry.index) { None } else { open() };
            Ok(Found { entry, opened })
        })
    }

    fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        keys.add_lines(&self.log().key.to_string()).expect("a key");
        keys
    }
}

/// What one case leaves behind, with everything that could be taken for something else.
fn case() -> Vec<(Kind, Role, Json)> {
    let question = json!({"request_id": "019c0000-0000-7000-8000-000000000001", "consumer": "targeted-aid", "service": "interior/person-identity",
        "version": "1.0.0", "purpose": "adsy-means-test", "act": "act-1", "case": "c-2026-000042", "official": "=1+1", "role": "case-officer"});
    let with = |more: Json| {
        let mut members = question.as_object().expect("an object").clone();
        members.extend(more.as_object().expect("an object").clone());
        Json::Object(members)
    };
    let given = json!([
        {"element": "identity", "rests_on": 3, "outcome": "FOUND", "via": "provider", "fields": ["fin", "name"]},
        {"element": "identity", "rests_on": 3, "outcome": "FOUND", "via": "cache", "fields_as": 0},
        {"element": "income", "rests_on": null, "outcome": "NOT_FOUND", "fields": ["name", "months[].month"]}]);
    vec![
        (Kind::EpochOpened, Role::Single, json!({"epoch": 7, "opened_at": "2026-03-12T00:30:00+04:00"})),
        (Kind::CaseOpened, Role::Single, json!({"consumer": "targeted-aid", "case": "c-2026-000042", "purpose": "adsy-means-test"})),
        (Kind::Intent, Role::Opens, with(json!({"subject": "Jd0…"}))),
        (Kind::Answered, Role::Closes(2), json!({"intent": 2, "outcome": "FOUND", "broken": "<script>alert(\"ə\")</script>"})),
        (Kind::Disclosed, Role::Single, with(json!({"given": given, "act": "Qərar \"ə, ğ\",\u{2028} sətir"}))),
        (Kind::Denied, Role::Single, with(json!({"purpose": "<script>alert(1)</script>", "reasons": ["case-closed"]}))),
        (Kind::CaseClosed, Role::Single, json!({"consumer": "targeted-aid", "case": "c-2026-000042"})),
    ]
}

fn about() -> About {
    let filter = json!({"case": "c-2026-000042", "subject": {"fin": "5K7QX2O"}, "consumer": null, "someone": "5K7QX2O"});
    About {
        made_at: Timestamp::from_millisecond(1_773_300_000_000).expect("a moment"),
        made_by: "auditor-1".to_owned(),
        reason: "Şikayət № 17, <b>yoxlama</b>".to_owned(),
        filter: Filter::of(&filter),
    }
}

fn codes(report: &Report, level: Level) -> Vec<String> {
    let findings = report.files.iter().flat_map(|file| &file.findings).filter(|finding| finding.level == level);
    findings.map(|finding| json!(finding.says)["code"].as_str().expect("a code").to_owned()).collect()
}

/// Everything that the verifier is to say about a good export.
fn check_proven(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Proven, "{}", report.to_text(verify::Language::English));
    let limits = codes(report, Level::Limit);
    for limit in ["other-entries", "true-words", "when-beyond-clock", "who-exported", "others-see-the-same"] {
        assert!(limits.iter().any(|code| code == limit), "{limit} in {limits:?}");
    }
}

#[tokio::test]
async fn an_export_of_two_logs_is_proven_line_by_line() {
    let (one, two) = (World::new("node-1.test", 1, case()).await, World::new("node-2.test", 2, case()).await);
    let logs: Logs = [one.log(), two.log()].into_iter().collect();
    // As a timeline has them, and in each log one text is lost.
    let found = one.found(|index| index == 3).zip(two.found(|index| index > 4)).flat_map(|(one, two)| [one, two]);
    let mut out = Vec::new();
    let written = ndjson(&mut out, &about(), &logs, found).expect("written");
    assert_eq!((written.entries, written.bytes, written.sha256), (14, out.len() as u64, Hash::of(&out)));
    let text = std::str::from_utf8(&out).expect("UTF-8");
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["filter"], json!({"case": "c-2026-000042", "subject": true, "someone": true}));
    assert!(!text.contains("5K7QX2O") && !text.contains("captured"), "no identifier and no payload");
    let members: Vec<&String> = lines[1].as_object().expect("an object").keys().collect();
    assert_eq!(members, ["origin", "index", "kind", "at", "leaf_hash", "leaf", "blind", "metadata", "proof"]);
    assert_eq!((&lines[1]["kind"], &lines[1]["at"]), (&json!("epoch-opened"), &json!("2026-03-12T00:30:00.25+04:00")));
    assert_eq!((&lines[7]["blind"], &lines[7]["metadata"]), (&Json::Null, &Json::Null));
    // Byte for byte what was sealed, whatever a reader of JSON would make of it.
    assert!(text.contains(&serde_json::to_string(&case()[4].2).expect("JSON")));

    let mut keys = one.keys();
    keys.add_lines(&two.log().key.to_string()).expect("another origin");
    let report = examine(&[Given::read("f", &out)], &[], &keys);
    check_proven(&report);
    assert_eq!(codes(&report, Level::Proven), ["entries-stand", "entries-stand"]);
    assert_eq!(codes(&report, Level::Limit).iter().filter(|code| *code == "without-text").count(), 2);
    // Without the second log's key its half is left open.
    let report = examine(&[Given::read("f", &out)], &[], &one.keys());
    assert_eq!((report.verdict(), codes(&report, Level::Unproven)), (Verdict::Unproven, vec!["no-key".to_owned()]));
}

#[tokio::test]
async fn a_table_is_proven_with_the_checkpoint_beside_it() {
    let world = World::new("node-1.test", 1, case()).await;
    let logs: Logs = [world.log()].into_iter().collect();
    let mut out = Vec::new();
    let written = csv(&mut out, &logs, world.found(|index| index == 1)).expect("written");
    assert_eq!((written.entries, written.bytes, written.sha256), (7, out.len() as u64, Hash::of(&out)));
    let text = std::str::from_utf8(&out).expect("UTF-8");
    assert!(text.starts_with(
        "\u{feff}at,kind,consumer,official,role,service,purpose,case,outcome,fields,origin,index,leaf_hash,leaf,blind,metadata,proof\r\n"
    ));
    assert!(text.contains(",targeted-aid,'=1+1,case-officer,interior/person-identity,adsy-means-test,c-2026-000042,FOUND NOT_FOUND,fin name months[].month,node-1.test,4,"));
    assert!(text.contains("Qərar"));

    let checkpoint = Given::read("c", world.log().head.note().as_bytes());
    let beside = std::slice::from_ref(&checkpoint);
    let table = Given::table("f", out.as_slice(), beside).expect("read");
    check_proven(&examine(std::slice::from_ref(&table), &[], &world.keys()));
    assert_eq!(examine(&[table, checkpoint], &[], &world.keys()).verdict(), Verdict::Proven);
    let alone = examine(&[Given::read("f", &out)], &[], &world.keys());
    assert_eq!((alone.verdict(), codes(&alone, Level::Unproven)), (Verdict::Unproven, vec!["checkpoint-missing".to_owned()]));
}

#[tokio::test]
async fn a_bundle_is_proven_and_can_be_read_by_a_person() {
    let (one, two) = (World::new("node-1.test", 1, case()).await, World::new("node-2.test", 2, case()).await);
    let logs: Logs = [one.log(), two.log()].into_iter().collect();
    let mut out = Vec::new();
    let found = || one.found(|index| index == 3).chain(two.found(|_| false));
    let written = bundle(&mut out, &about(), "c-2026-000042", &logs, found).expect("written");
    assert_eq!((written.entries, written.bytes, written.sha256), (14, out.len() as u64, Hash::of(&out)));
    let mut keys = one.keys();
    keys.add_lines(&two.log().key.to_string()).expect("another origin");
    let report = examine(&[Given::bundle("f", Cursor::new(&out))], &[], &keys);
    check_proven(&report);
    assert!(codes(&report, Level::Limit).contains(&"for-reading".to_owned()));

    let archive = rawzip::ZipArchive::from_slice(&out).expect("a ZIP");
    let mut entries = archive.entries();
    let mut files = BTreeMap::new();
    while let Some(entry) = entries.next_entry().expect("an entry") {
        let file = archive.get_entry(entry.wayfinder()).expect("a file");
        let mut text = String::new();
        flate2::read::DeflateDecoder::new(file.data()).read_to_string(&mut text).expect("unpacked");
        files.insert(String::from_utf8(entry.file_path().as_bytes().to_vec()).expect("UTF-8"), text);
    }
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "checkpoints/node-1.test.txt",
            "checkpoints/node-2.test.txt",
            "entries.csv",
            "entries.ndjson",
            "keys.txt",
            "manifest.json",
            "report.html"
        ]
    );
    let report = &files["report.html"];
    assert!(!report.contains("<script") && !report.contains("<b>") && report.contains("&lt;script&gt;") && report.contains("Şikayət № 17"));
    assert_eq!(report.matches("the key to its text is gone").count(), 1);
    assert!(files.values().all(|text| !text.contains("5K7QX2O")));
    assert!(files["README.txt"].contains("c-2026-000042") && files["keys.txt"].contains(&one.log().key.to_string()));
    // Claimed keys are no file of keys: whoever trusts them by mistake is told.
    assert!(Keys::default().add_lines(&files["keys.txt"]).is_err());
}

#[tokio::test]
async fn what_would_not_verify_is_not_written() {
    let (world, other) = (World::new("node-1.test", 1, case()).await, World::new("node-2.test", 2, case()).await);
    let logs: Logs = [world.log()].into_iter().collect();
    let entries = || world.found(|_| false).map(|found| found.expect("read")).collect::<Vec<_>>();
    let fails = |found: Vec<Found>| ndjson(Vec::new(), &about(), &logs, found.into_iter().map(Ok)).expect_err("not written");
    let mut twice = entries();
    twice.insert(2, twice[1].clone());
    assert!(matches!(fails(twice), ExportError::Order { index: 1, .. }));
    let mut swapped = entries();
    swapped.swap(2, 3);
    assert!(matches!(fails(swapped), ExportError::Order { index: 2, .. }));
    let foreign = other.found(|_| false).map(|found| found.expect("read")).collect();
    assert!(matches!(fails(foreign), ExportError::NoCheckpoint(_)));
    let mut changed = entries();
    changed[4].opened.as_mut().expect("opened").metadata[5] ^= 1;
    assert!(matches!(fails(changed), ExportError::Entry { index: 4, .. }));
    let mut changed = entries();
    changed[4].entry.leaf_hash = Hash::of(b"another");
    assert!(matches!(fails(changed), ExportError::Entry { index: 4, .. }));
    let mut beyond = entries();
    beyond[6].entry.index = 7;
    assert!(matches!(fails(beyond), ExportError::Proof { index: 7, .. }));
    let long = About { reason: "x".repeat(LINE_BYTES_MAX), ..about() };
    assert!(matches!(ndjson(Vec::new(), &long, &logs, std::iter::empty()), Err(ExportError::HeaderTooLong)));
    let mut left = 3;
    let shrinking = || {
        left -= 1;
        world.found(|_| false).take(left)
    };
    assert!(matches!(bundle(Vec::new(), &about(), "c", &logs, shrinking), Err(ExportError::Changed)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_has_bounded_chunks_and_breaks_off_with_an_error() {
    let world = World::new("node-1.test", 1, case()).await;
    let logs: Logs = [world.log()].into_iter().collect();
    let mut whole = Vec::new();
    ndjson(&mut whole, &about(), &logs, world.found(|_| false)).expect("written");
    let found = world.found(|_| false).collect::<Vec<_>>();
    let for_stream = logs.clone();
    let stream = chunks(move |out| ndjson(out, &about(), &for_stream, found));
    let parts: Vec<bytes::Bytes> = stream.try_collect().await.expect("written");
    assert_eq!(parts.concat(), whole);

    let found = world.found(|_| false).map(|found| found.expect("read")).collect::<Vec<_>>();
    let endless = std::iter::repeat_n(found, 2).flatten().map(Ok);
    let mut seen = Vec::new();
    let broken = chunks(move |out| ndjson(out, &about(), &logs, endless))
        .try_for_each(|chunk| {
            seen.push(chunk.len());
            std::future::ready(Ok(()))
        })
        .await;
    assert!(matches!(broken, Err(ExportError::Order { index: 0, .. })));
    assert!(seen.iter().all(|bytes| *bytes <= CHUNK_BYTES));
}

/// Memory that this process holds, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of it");
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number of kilobytes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_entries_are_written_and_verified_in_bounded_memory() {
    const ENTRIES: u64 = 100_000;
    const GROWTH_BYTES_MAX: usize = 48 * 1024 * 1024;
    let entry = |number: u64| (Kind::CaseOpened, Role::Single, json!({"consumer": "targeted-aid", "case": format!("c-2026-{number:06}")}));
    let world = World::new("node-1.test", 1, (0..ENTRIES).map(entry)).await;
    let logs: Logs = [world.log()].into_iter().collect();
    let path = world.dir.path().join("export.ndjson");
    let before = resident_bytes();
    let mut highest = before;
    let watched = world.found(|_| false).inspect(|found| {
        if found.as_ref().is_ok_and(|found| found.entry.index % 10_000 == 0) {
            highest = highest.max(resident_bytes());
        }
    });
    let written = ndjson(io::BufWriter::new(File::create(&path).expect("made")), &about(), &logs, watched).expect("written");
    assert_eq!(written.entries, ENTRIES);
    assert!(written.bytes > 2 * GROWTH_BYTES_MAX as u64, "it would not fit: {} bytes", written.bytes);
    assert!(highest - before < GROWTH_BYTES_MAX, "grew by {} bytes", highest - before);
    let given = Given::lines("f", BufReader::new(File::open(&path).expect("there"))).expect("read");
    assert!(resident_bytes().saturating_sub(before) < GROWTH_BYTES_MAX);
    check_proven(&examine(&[given], &[], &world.keys()));
}

/// Writes what `crates/verify/tests/exports.rs` changes byte by byte: run it by hand when the form changes.
#[tokio::test]
#[ignore = "writes fixtures of another crate"]
async fn write_fixtures() {
    let (one, two) = (World::new("node-1.test", 1, case()).await, World::new("node-2.test", 2, case()).await);
    let logs: Logs = [one.log(), two.log()].into_iter().collect();
    let found = || one.found(|index| index == 3).zip(two.found(|index| index == 5)).flat_map(|(one, two)| [one, two]);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/verify/tests/fixtures/export");
    std::fs::create_dir_all(&fixtures).expect("made");
    let file = |name: &str| File::create(fixtures.join(name)).expect("made");
    ndjson(file("entries.ndjson"), &about(), &logs, found()).expect("written");
    csv(file("entries.csv"), &logs, found()).expect("written");
    bundle(file("bundle.zip"), &about(), "c-2026-000042", &logs, found).expect("written");
    let keys: String = [one.log(), two.log()].iter().map(|log| format!("{}\n", log.key)).collect();
    std::fs::write(fixtures.join("keys"), keys).expect("written");
}

#[test]
fn the_verifier_knows_every_kind_by_its_name() {
    for number in 0..=u8::MAX {
        let name = Kind::name_of(number);
        assert!(name == "unknown" || verify::export::kind_name(number) == Some(name), "kind {number}, {name}");
    }
}
