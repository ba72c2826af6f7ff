//! Exports as the gateway wrote them (`fixtures/export`), and what every kind of change to them is told as.
//!
//! A change alone would be found by the end line's hash. Whoever changes an export can make that anew, so the changes
//! here come with an end line, and a manifest, that fit them.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Write as _};

use proptest::prelude::*;
use proptest::sample::Index;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use verify::tree::leaf_hash;
use verify::{Given, Keys, Level, Report, Rule, Says, Verdict, examine};

use crate::support::{Log, base64};

const LINES: &str = include_str!("fixtures/export/entries.ndjson");
const TABLE: &str = include_str!("fixtures/export/entries.csv");
const BUNDLE: &[u8] = include_bytes!("fixtures/export/bundle.zip");
const KEYS: &str = include_str!("fixtures/export/keys");

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add_lines(KEYS).expect("keys");
    keys
}

fn judged(given: Given) -> Report {
    examine(&[given], &[], &keys())
}

fn of_lines(text: &str) -> Report {
    judged(Given::read("f", text.as_bytes()))
}

/// The checkpoints of the header, as files of their own.
fn checkpoints() -> Vec<Given> {
    let header: Json = serde_json::from_str(LINES.lines().next().expect("a header")).expect("JSON");
    let notes = header["checkpoints"].as_array().expect("a list").clone();
    notes.iter().map(|note| Given::read("c", note.as_str().expect("text").as_bytes())).collect()
}

fn of_table(text: &str) -> Report {
    judged(Given::table("f", text.as_bytes(), &checkpoints()).expect("read"))
}

/// What was found wrong: part and rule.
fn faults(report: &Report) -> Vec<(String, Rule)> {
    let findings = report.files.iter().flat_map(|file| &file.findings);
    let fault = |says: &Says| match says {
        Says::Malformed(broken) => (broken.part.clone(), broken.rule.clone()),
        other => (json!(other)["code"].as_str().expect("a code").to_owned(), Rule::Unrecognised),
    };
    findings.filter(|finding| finding.level == Level::Refused).map(|finding| fault(&finding.says)).collect()
}

fn lines() -> Vec<String> {
    LINES.lines().map(str::to_owned).collect()
}

/// An export of these lines with an end line that fits them.
fn ended(lines: &[String]) -> String {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{text}{{\"end\":true,\"entries\":{},\"sha256\":\"{}\"}}\n", lines.len() - 1, base64(&Sha256::digest(&text)))
}

/// The lines without their end line.
fn body() -> Vec<String> {
    let mut lines = lines();
    lines.pop();
    lines
}

/// An export with one line changed.
fn with_line(number: usize, change: impl FnOnce(&str) -> String) -> String {
    let mut lines = body();
    lines[number - 1] = change(&lines[number - 1]);
    ended(&lines)
}

fn member(line: &str, name: &str) -> String {
    let line: Json = serde_json::from_str(line).expect("JSON");
    line[name].as_str().expect("text").to_owned()
}

/// Another letter of base64 in the place of the one at `at`.
fn other_letter(text: &str, at: usize) -> String {
    let letter = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    [text.get(..at).expect("ASCII"), letter, text.get(at + 1..).expect("ASCII")].concat()
}

#[test]
fn what_the_gateway_wrote_is_proven_and_nothing_without_keys() {
    let bundle = || Given::bundle("f", Cursor::new(BUNDLE));
    let reports = [of_lines(LINES), of_table(TABLE), judged(bundle())];
    for report in &reports {
        assert_eq!((report.verdict(), report.exit_code()), (Verdict::Proven, 0), "{}", report.to_text(verify::Language::English));
        let proven: Vec<Says> =
            report.files[0].findings.iter().filter(|finding| finding.level == Level::Proven).map(|finding| finding.says.clone()).collect();
        let stand = |origin: &str| Says::EntriesStand { origin: origin.to_owned(), entries: 7, size: 7 };
        assert_eq!(proven, [stand("node-1.test"), stand("node-2.test")]);
    }
    let text = reports[2].to_text(verify::Language::English);
    for said in [
        "f: an evidence bundle",
        "7 entries of this export stood in the log node-1.test, each at its place, before its checkpoint with 7 entries was signed",
        "What 1 of the entries of the log node-1.test say, the first of them at place 3",
        "That there are no other entries",
        "That the gateway wrote the truth",
        "beyond what the gateway's clock said",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let azerbaijani = reports[0].to_text(verify::Language::Azerbaijani);
    assert!(azerbaijani.contains("f: yazıların ixracı") && azerbaijani.contains("Başqa yazıların olmadığı"), "{azerbaijani}");
    for given in [Given::read("f", LINES.as_bytes()), Given::table("f", TABLE.as_bytes(), &checkpoints()).expect("read"), bundle()] {
        assert_eq!(examine(&[given], &[], &Keys::default()).verdict(), Verdict::Unproven);
    }
}

#[test]
fn an_export_under_another_key_or_a_key_that_is_only_claimed_is_refused() {
    let mut other = Keys::default();
    other.add_lines(&format!("{}\n{}\n", Log::new("node-1.test", 99).vkey(), KEYS.lines().nth(1).expect("a second"))).expect("keys");
    let report = examine(&[Given::read("f", LINES.as_bytes())], &[], &other);
    let part = |code: &str| (code.to_owned(), Rule::Unrecognised);
    assert_eq!(faults(&report), [part("not-signed"), part("other-key-claimed")]);
    let claimed = with_line(1, |line| line.replace(KEYS.lines().next().expect("a key"), &Log::new("node-1.test", 99).vkey()));
    assert_eq!(faults(&of_lines(&claimed)), [part("other-key-claimed")]);
}

#[test]
fn every_member_of_a_line_that_is_changed_is_named() {
    // Line 6 is entry 2 of the second log; none of its texts is plain.
    let line = body()[6].clone();
    let check = |name: &str, part: &str, rule: Rule, change: &dyn Fn(&str) -> String| {
        let changed = with_line(7, |line| change(line));
        assert_ne!(changed, LINES);
        let found = faults(&of_lines(&changed));
        assert_eq!(found[0], (format!("line 7.{part}"), rule), "{name}");
        // A wrong index is also in the way of the entry that it belongs to.
        assert!(found.len() == 1 || name.starts_with("index"), "{name}: {found:?}");
    };
    let set = |name: &'static str, value: Json| {
        move |line: &str| {
            let mut line: Json = serde_json::from_str(line).expect("JSON");
            line[name] = value.clone();
            // Metadata stay as they were written: nothing in these is written in another way.
            line.to_string()
        }
    };
    assert_eq!(set("index", json!(2))(&line), line, "setting what is there changes nothing");
    check("index", "proof", Rule::LeadsElsewhere, &set("index", json!(3)));
    check("index beyond", "index", Rule::IndexBeyond, &set("index", json!(7)));
    check("kind", "kind", Rule::NotInLeaf, &set("kind", json!("denied")));
    check("at", "at", Rule::NotInLeaf, &set("at", json!("2026-03-12T00:30:00.253+04:00")));
    check("at, the same moment", "at", Rule::NotInLeaf, &set("at", json!("2026-03-11T20:30:00.252Z")));
    check("leaf_hash", "leaf_hash", Rule::NotTheLeafs, &set("leaf_hash", json!(base64(&[7; 32]))));
    check("blind", "metadata", Rule::NotTheSealed, &set("blind", json!(base64(&[7; 32]))));
    check("half a text", "metadata", Rule::HalfText, &set("blind", Json::Null));
    check("metadata", "metadata", Rule::NotTheSealed, &|line| line.replace("targeted-aid", "targeted-bid"));
    check("metadata's spaces", "metadata", Rule::NotTheSealed, &|line| line.replace("\"consumer\":\"", "\"consumer\": \""));
    check("no path", "proof", Rule::PathLength { expected: 3 }, &set("proof", json!([])));
    check("another path", "proof", Rule::LeadsElsewhere, &set("proof", json!([base64(&[7; 32]), base64(&[7; 32]), base64(&[7; 32])])));
    check("too many", "proof", Rule::TooMany { max: 63 }, &set("proof", json!(vec![base64(&[7; 32]); 64])));
    let leaf = member(&line, "leaf");
    for at in [0, 3, 8, 20, 40, 60, 100, leaf.len() - 5] {
        check("leaf", "leaf_hash", Rule::NotTheLeafs, &set("leaf", json!(other_letter(&leaf, at))));
    }
    check("leaf, not base64", "leaf", Rule::Base64, &set("leaf", json!(format!("{leaf}="))));
    let whole = |number: usize| format!("line {number}");
    for (name, rule, change) in [
        ("a member more", None, line.replacen("\"index\"", "\"more\":1,\"index\"", 1)),
        ("a member twice", None, line.replacen("\"index\"", "\"index\":2,\"index\"", 1)),
        ("spaces", Some(Rule::NotCanonical), line.replacen(',', ", ", 1)),
        ("escapes", Some(Rule::NotCanonical), line.replacen("node-2", "node\\u002d2", 1)),
    ] {
        let found = faults(&of_lines(&with_line(7, |_| change)));
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].0 == whole(7) && rule.is_none_or(|rule| rule == found[0].1), "{name}: {found:?}");
    }
    // The other log's name: what its place holds there is another entry.
    let moved = with_line(7, set("origin", json!("node-1.test")));
    assert_eq!(faults(&of_lines(&moved)), [("line 7.index".to_owned(), Rule::Duplicate)]);
    let nowhere = with_line(7, set("origin", json!("node-3.test")));
    assert_eq!(faults(&of_lines(&nowhere)), [("line 7.origin".to_owned(), Rule::NoSuchCheckpoint)]);
}

#[test]
fn a_leaf_made_to_fit_does_not_lead_to_the_root() {
    let line = body()[6].clone();
    let mut leaf = base64_bytes(&member(&line, "leaf"));
    leaf[1] = 21;
    let forged = with_line(7, |line| {
        let mut line: Json = serde_json::from_str(line).expect("JSON");
        (line["kind"], line["leaf"], line["leaf_hash"]) = (json!("denied"), json!(base64(&leaf)), json!(base64(&leaf_hash(&leaf))));
        line.to_string()
    });
    assert_eq!(faults(&of_lines(&forged)), [("line 7.proof".to_owned(), Rule::LeadsElsewhere)]);
}

fn base64_bytes(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

#[test]
fn lines_that_are_dropped_moved_or_repeated_and_cut_files_are_named() {
    let fault = |part: &str, rule: Rule| (part.to_owned(), rule);
    let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    // Each with the old end line.
    let mut dropped = lines();
    dropped.remove(5);
    assert_eq!(faults(&of_lines(&text(&dropped))), [fault("line 15.entries", Rule::Count { found: 13 })]);
    let mut other_header = lines();
    other_header[0] = other_header[0].replace("auditor-1", "auditor-2");
    assert_eq!(faults(&of_lines(&text(&other_header))), [fault("line 16.sha256", Rule::NotOfThisText)]);
    // Each with a new one.
    let mut swapped = body();
    swapped.swap(3, 5);
    assert_eq!(faults(&of_lines(&ended(&swapped))), [fault("line 6.index", Rule::NotRising)]);
    let mut repeated = body();
    repeated.insert(4, repeated[3].clone());
    repeated.insert(8, repeated[1].clone());
    let found = [fault("line 5.index", Rule::Duplicate), fault("line 9.index", Rule::NotRising)];
    assert_eq!(faults(&of_lines(&ended(&repeated))), found);
    // Cut between lines, within a line, and within the end line.
    assert_eq!(faults(&of_lines(&text(&body()))), [fault("line 16", Rule::Cut)]);
    assert_eq!(faults(&of_lines(&text(&body()[..5]))), [fault("line 6", Rule::Cut)]);
    let within = judged(Given::read("f", &LINES.as_bytes()[..3000]));
    assert!(matches!(&faults(&within)[..], [(_, Rule::Cut)]), "{:?}", faults(&within));
    assert_eq!(faults(&of_lines(LINES.trim_end())), [fault("line 16", Rule::Cut)]);
    assert_eq!(faults(&of_lines(&format!("{LINES}\n"))), [fault("line 16", Rule::BehindEnd)]);
    assert_eq!(faults(&of_lines(&format!("{LINES}{LINES}"))), [fault("line 16", Rule::BehindEnd)]);
    // What nobody can hide in front of or behind an entry.
    let long = with_line(7, |line| format!("{line}{}", " ".repeat(300_000)));
    assert_eq!(faults(&of_lines(&long)), [fault("line 7", Rule::TooLong { bytes_max: 256 * 1024 })]);
    // Very many faults are counted, and not held.
    let many = vec!["{}".to_owned(); 5_000];
    let report = of_lines(&ended(&[&body()[..1], &many].concat()));
    assert_eq!(faults(&report).len(), 21);
    assert!(report.files[0].findings.iter().any(|finding| finding.says == Says::MoreFaults { count: 4_980 }));
}

#[test]
fn another_logs_proof_or_checkpoint_is_named() {
    let (one, two) = (body()[5].clone(), body()[6].clone());
    let proof_of = |line: &str| serde_json::from_str::<Json>(line).expect("JSON")["proof"].clone();
    let foreign = with_line(7, |line| {
        let mut line: Json = serde_json::from_str(line).expect("JSON");
        line["proof"] = proof_of(&one);
        line.to_string()
    });
    assert_ne!(proof_of(&one), proof_of(&two));
    assert_eq!(faults(&of_lines(&foreign)), [("line 7.proof".to_owned(), Rule::LeadsElsewhere)]);
    let header = |change: &dyn Fn(&mut Json)| {
        with_line(1, |line| {
            let mut header: Json = serde_json::from_str(line).expect("JSON");
            change(&mut header);
            header.to_string()
        })
    };
    let twice = header(&|header| header["checkpoints"][1] = header["checkpoints"][0].clone());
    assert_eq!(faults(&of_lines(&twice))[0], ("line 1.checkpoints[1]".to_owned(), Rule::SecondCheckpoint));
    assert!(faults(&of_lines(&twice)).contains(&("line 7.origin".to_owned(), Rule::NoSuchCheckpoint)));
    let renamed = header(&|header| header["export"] = json!("qovsaq/2"));
    assert_eq!(faults(&of_lines(&renamed)), [("line 1.export".to_owned(), Rule::ExportForm)]);
    let forged = header(&|header| {
        let note = header["checkpoints"][0].as_str().expect("text").replace("\n7\n", "\n8\n");
        header["checkpoints"][0] = json!(note);
    });
    let found = faults(&of_lines(&forged));
    assert!(found.contains(&("wrong-signature".to_owned(), Rule::Unrecognised)), "{found:?}");
}

proptest! {
    #[test]
    fn any_single_byte_changed_is_noticed(at: Index, mask in 1_u8..) {
        let mut bytes = LINES.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        let report = judged(Given::read("f", &bytes));
        prop_assert_eq!(report.verdict(), Verdict::Refused, "byte {}", at);
    }

    #[test]
    fn any_single_byte_of_an_entry_changed_is_noticed_even_with_a_new_end_line(line in 2_usize..16, at: Index, mask in 1_u8..) {
        let mut lines = body();
        let mut bytes = lines[line - 1].clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        // A line break makes two lines; the end line counts them as they are.
        lines.splice(line - 1..line, changed.split('\n').map(str::to_owned));
        prop_assert_eq!(of_lines(&ended(&lines)).verdict(), Verdict::Refused, "byte {} of line {}", at, line);
    }

    #[test]
    fn any_single_byte_of_a_row_changed_is_noticed_or_changes_no_cell(at: Index, mask in 1_u8..) {
        let mut bytes = TABLE.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        let rows = |bytes: &[u8]| {
            let rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes).into_byte_records();
            rows.collect::<Result<Vec<_>, _>>().expect("in memory")
        };
        let report = judged(Given::table("f", bytes.as_slice(), &checkpoints()).expect("read"));
        let is_same = bytes.starts_with(b"\xef\xbb\xbf") && rows(&bytes) == rows(TABLE.as_bytes());
        prop_assert_eq!(report.verdict() == Verdict::Proven, is_same, "byte {}", at);
    }

    #[test]
    fn changed_bundles_are_survived(edits in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..4), 1..6)) {
        let mut bytes = BUNDLE.to_vec();
        for (at, value, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = value,
                1 => bytes.insert(at.min(bytes.len()), value),
                2 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
        }
        judged(Given::read("f", &bytes));
    }
}

#[test]
fn every_column_of_a_row_that_is_changed_is_named() {
    let rows: Vec<csv::StringRecord> =
        csv::ReaderBuilder::new().has_headers(false).from_reader(TABLE.as_bytes()).into_records().map(|row| row.expect("a row")).collect();
    let names: Vec<String> = rows[0].iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    assert_eq!(names.len(), 17);
    let write = |rows: &[csv::StringRecord]| {
        let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        rows.iter().for_each(|row| out.write_record(row).expect("written"));
        String::from_utf8(out.into_inner().expect("flushed")).expect("UTF-8")
    };
    let text = write(&rows);
    let text = if text.starts_with('\u{feff}') { text } else { format!("\u{feff}{text}") };
    assert_eq!(text, TABLE, "what is written again is what was read");
    // Row 10 tells of a disclosure: every column has something in it.
    for (column, name) in names.iter().enumerate() {
        let mut changed = rows.clone();
        changed[9] = rows[9].iter().enumerate().map(|(at, cell)| if at == column { other_cell(cell) } else { cell.to_owned() }).collect();
        let text = format!("\u{feff}{}", write(&changed).trim_start_matches('\u{feff}'));
        let report = of_table(&text);
        let found = faults(&report);
        if name == "origin" {
            // A log that nothing is known of.
            let origin = changed[9][column].to_owned();
            assert!(report.files[0].findings.iter().any(|finding| finding.says == Says::CheckpointMissing { origin: origin.clone() }));
            assert_eq!((report.verdict(), found), (Verdict::Unproven, Vec::new()));
            continue;
        }
        assert!(found.len() == 1 || name == "index", "{name}: {found:?}");
        assert!(found[0].0.starts_with("row 10"), "{name}: {found:?}");
    }
    let found = |rows: &[csv::StringRecord]| faults(&of_table(&format!("\u{feff}{}", write(rows).trim_start_matches('\u{feff}'))));
    let mut swapped = rows.clone();
    swapped.swap(3, 5);
    assert_eq!(found(&swapped), [("row 6.index".to_owned(), Rule::NotRising)]);
    let mut repeated = rows.clone();
    repeated.push(rows[14].clone());
    assert_eq!(found(&repeated), [("row 16.index".to_owned(), Rule::Duplicate)]);
    // A formula that is not made harmless is not what the gateway writes.
    assert!(TABLE.contains(",'=1+1,"));
    assert_eq!(faults(&of_table(&TABLE.replacen(",'=1+1,", ",=1+1,", 1)))[0].1, Rule::NotInMetadata);
    assert_eq!(faults(&of_table(TABLE.trim_start_matches('\u{feff}')))[0], ("row 1".to_owned(), Rule::TableHeader));
    assert_eq!(faults(&of_table(&TABLE.replacen("consumer", "consumed", 1)))[0], ("row 1".to_owned(), Rule::TableHeader));
    let endless = format!("{TABLE}\"{}", "x".repeat(600_000));
    assert_eq!(faults(&of_table(&endless)), [("row 16".to_owned(), Rule::TooLong { bytes_max: 512 * 1024 })]);
    // What a table cannot tell: that its last rows are missing. It says so.
    let short = of_table(&format!("\u{feff}{}", write(&rows[..10]).trim_start_matches('\u{feff}')));
    assert_eq!(short.verdict(), Verdict::Proven);
    assert!(short.files[0].findings.iter().any(|finding| finding.says == Says::TableHasNoEnd));
}

/// A number more by one; of a text, something within it changed: the first letters of some say what they are.
fn other_cell(cell: &str) -> String {
    if let Ok(number) = cell.parse::<u64>() {
        return (number + 1).to_string();
    }
    let changed = cell.chars().enumerate().filter(|(_, letter)| letter.is_ascii_alphanumeric()).take(10).last().expect("a letter").0;
    let other = |letter: char| if letter == '5' { '6' } else { '5' };
    cell.chars().enumerate().map(|(at, letter)| if at == changed { other(letter) } else { letter }).collect()
}

/// The files of a bundle by their names.
type Files = Vec<(String, Vec<u8>)>;

/// The files of the bundle, unpacked.
fn files() -> Files {
    let archive = rawzip::ZipArchive::from_slice(BUNDLE).expect("a ZIP");
    let mut entries = archive.entries();
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().expect("an entry") {
        let file = archive.get_entry(entry.wayfinder()).expect("a file");
        let mut bytes = Vec::new();
        flate2::read::DeflateDecoder::new(file.data()).read_to_end(&mut bytes).expect("unpacked");
        files.push((String::from_utf8(entry.file_path().as_bytes().to_vec()).expect("UTF-8"), bytes));
    }
    files
}

/// A ZIP of these files. Deflated, like the gateway's.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut out);
    for (name, bytes) in files {
        let (mut file, config) = archive.new_file(name.as_str()).compression_method(CompressionMethod::DEFLATE).start().expect("begun");
        let mut data = config.wrap(flate2::write::DeflateEncoder::new(&mut file, flate2::Compression::default()));
        data.write_all(bytes).expect("written");
        let (encoder, descriptor) = data.finish().expect("finished");
        encoder.finish().expect("finished");
        file.finish(descriptor).expect("finished");
    }
    archive.finish().expect("finished");
    out
}

/// The bundle with its files changed and, where `relisted`, a manifest that fits them.
fn bundle_with(relisted: bool, change: impl FnOnce(&mut Files)) -> Report {
    let mut files = files();
    change(&mut files);
    if relisted {
        let list = |(name, bytes): &(String, Vec<u8>)| json!({"name": name, "size": bytes.len(), "sha256": base64(&Sha256::digest(bytes))});
        let listed: BTreeMap<String, Json> =
            files.iter().filter(|(name, _)| name != "manifest.json").map(|file| (file.0.clone(), list(file))).collect();
        let (_, manifest) = files.iter_mut().find(|(name, _)| name == "manifest.json").expect("there");
        let mut changed: Json = serde_json::from_slice(manifest).expect("JSON");
        changed["files"] = json!(listed.values().collect::<Vec<_>>());
        *manifest = changed.to_string().into_bytes();
    }
    judged(Given::bundle("f", Cursor::new(zip(&files))))
}

fn file<'f>(files: &'f mut [(String, Vec<u8>)], name: &str) -> &'f mut Vec<u8> {
    &mut files.iter_mut().find(|(other, _)| other == name).expect("there").1
}

#[test]
fn whatever_is_done_to_a_bundle_is_named() {
    let fault = |part: &str, rule: Rule| (part.to_owned(), rule);
    let broken = |relisted: bool, change: &dyn Fn(&mut Files)| faults(&bundle_with(relisted, change));
    assert_eq!(bundle_with(false, |_| ()).verdict(), Verdict::Proven, "packed again it is the same");
    assert_eq!(bundle_with(true, |_| ()).verdict(), Verdict::Proven, "listed again it is the same");
    for name in ["README.txt", "report.html", "keys.txt"] {
        let changed = broken(false, &|files| file(files, name)[10] ^= 1);
        assert_eq!(changed, [fault(name, Rule::NotAsListed)]);
    }
    for name in ["README.txt", "report.html", "keys.txt", "checkpoints/node-1.test.txt", "entries.csv"] {
        let missing = broken(false, &|files| files.retain(|(other, _)| other != name));
        assert!(missing.contains(&fault(name, Rule::Missing)), "{name}: {missing:?}");
    }
    assert_eq!(broken(false, &|files| files.retain(|(name, _)| name != "manifest.json")), [fault("manifest.json", Rule::Missing)]);
    let no_lines = broken(true, &|files| files.retain(|(name, _)| name != "entries.ndjson"));
    assert!(no_lines.contains(&fault("entries.ndjson", Rule::Missing)), "{no_lines:?}");
    let added = broken(false, &|files| files.push(("more.txt".to_owned(), b"hello".to_vec())));
    assert_eq!(added, [fault("more.txt", Rule::NotListed)]);
    let twice = broken(false, &|files| files.push(("report.html".to_owned(), b"<p>another</p>".to_vec())));
    assert!(twice.contains(&fault("report.html", Rule::TwiceInZip)), "{twice:?}");
    // With a manifest that fits, the entries themselves tell.
    let fewer = broken(true, &|files| {
        let mut fewer = body();
        fewer.remove(9);
        *file(files, "entries.ndjson") = ended(&fewer).into_bytes();
    });
    assert!(fewer.contains(&fault("manifest.json.entries", Rule::Count { found: 13 })), "{fewer:?}");
    assert!(fewer.contains(&fault("entries.csv", Rule::NotTheLines)), "{fewer:?}");
    let changed = broken(true, &|files| {
        let text = LINES.replace("\"consumer\":\"targeted-aid\"", "\"consumer\":\"targeted-bid\"");
        *file(files, "entries.ndjson") = text.into_bytes();
    });
    assert!(changed.contains(&fault("entries.ndjson.line 4.metadata", Rule::NotTheSealed)), "{changed:?}");
    let table = broken(true, &|files| *file(files, "entries.csv") = TABLE.replace("case-officer", "case-offixer").into_bytes());
    assert!(table.iter().any(|(part, rule)| part.starts_with("entries.csv.row ") && *rule == Rule::NotTheSealed), "{table:?}");
    let checkpoint = broken(true, &|files| {
        let other = file(files, "checkpoints/node-2.test.txt").clone();
        *file(files, "checkpoints/node-1.test.txt") = other;
    });
    assert_eq!(checkpoint, [fault("checkpoints/node-1.test.txt", Rule::NotTheLines)]);
    let manifest = broken(false, &|files| *file(files, "manifest.json") = b"{\"bundle\":\"qovsaq/1\"}".to_vec());
    assert!(matches!(&manifest[..], [(part, Rule::Json { .. })] if part == "manifest.json"), "{manifest:?}");
}

#[test]
fn archives_that_mean_harm_are_refused_in_bounds() {
    // 256 MiB and a little of zeros from a quarter of a megabyte, whatever the manifest says of it.
    let mut bomb = files();
    file(&mut bomb, "report.html").clear();
    let mut out = Vec::new();
    let mut archive = ZipArchiveWriter::new(&mut out);
    for (name, bytes) in &bomb {
        let (mut packed, config) = archive.new_file(name.as_str()).compression_method(CompressionMethod::DEFLATE).start().expect("begun");
        let mut data = config.wrap(flate2::write::DeflateEncoder::new(&mut packed, flate2::Compression::default()));
        if name == "report.html" {
            let zeros = vec![0; 1 << 20];
            (0..257).for_each(|_| data.write_all(&zeros).expect("written"));
        }
        data.write_all(bytes).expect("written");
        let (encoder, descriptor) = data.finish().expect("finished");
        encoder.finish().expect("finished");
        packed.finish(descriptor).expect("finished");
    }
    archive.finish().expect("finished");
    assert!(out.len() < 1 << 20);
    let found = faults(&judged(Given::bundle("f", Cursor::new(&out))));
    assert_eq!(found, [("report.html".to_owned(), Rule::TooLong { bytes_max: 1 << 28 })]);
    // More files than any bundle has.
    let many: Vec<_> = (0..300).map(|number| (format!("f{number}"), Vec::new())).collect();
    assert_eq!(faults(&judged(Given::bundle("f", Cursor::new(zip(&many))))), [("zip".to_owned(), Rule::TooMany { max: 272 })]);
    // Another name in front of a file than in the directory: two programs would show two contents.
    let at = BUNDLE.windows(11).position(|bytes| bytes == b"report.html").expect("a local name");
    let mut renamed = BUNDLE.to_vec();
    renamed[at] = b'R';
    let found = faults(&judged(Given::bundle("f", Cursor::new(&renamed))));
    assert!(found.contains(&("report.html".to_owned(), Rule::TwoNames)), "{found:?}");
    for cut in [0, 10, BUNDLE.len() / 2, BUNDLE.len() - 1] {
        let report = judged(Given::bundle("f", Cursor::new(&BUNDLE[..cut])));
        assert_eq!(report.verdict(), Verdict::Refused, "cut at {cut}");
    }
}
