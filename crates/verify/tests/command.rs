//! The program itself: arguments, output, exit codes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{Log, leaves};

fn run(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qovsaq-verify")).current_dir(dir).args(arguments).stdin(Stdio::null()).output().expect("runs")
}

#[test]
fn exit_codes_tell_proven_from_unproven_from_unusable() {
    let (dir, log, leaves) = (tempfile::tempdir().expect("temporary directory"), Log::new("node-1.example", 7), leaves(42));
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
    write("receipt.json", &log.receipt(41, &leaves).to_string());
    write("bad.json", &log.receipt(41, &leaves).to_string().replace("\"index\":41", "\"index\":40"));
    write("leaf", "no such entry");
    write("keys", &format!("# the node's\n{}\n", log.vkey()));
    write("huge-leaf", &"x".repeat(65_536));
    let vkey = log.vkey();
    let check = |arguments: &[&str], code: i32, said: &str| {
        let output = run(dir.path(), arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    };
    check(&["--key", &vkey, "receipt.json"], 0, "and no more than that.");
    check(&["--keys", "keys", "receipt.json"], 0, "and no more than that.");
    check(&["--keys", "keys", "--json", "receipt.json"], 0, "\"verdict\": \"proven\"");
    check(&["--keys", "keys", "--language", "az", "receipt.json"], 0, "artığı yox.");
    check(&["receipt.json"], 1, "no signature was checked");
    check(&["--keys", "keys", "bad.json"], 1, "Something is wrong");
    check(&["--keys", "keys", "receipt.json", "bad.json"], 1, "Something is wrong");
    check(&["--keys", "keys", "receipt.json", "--leaf", "leaf"], 1, "no receipt, entry or proof");
    check(&["--keys", "keys", "leaf"], 1, "not recognised");
    check(&[], 2, "Usage");
    check(&["--keys", "keys", "absent.json"], 2, "cannot read absent.json");
    check(&["--keys", "keys", "receipt.json", "absent.json"], 2, "cannot read absent.json");
    check(&["--keys", "keys", "receipt.json", "--leaf", "huge-leaf"], 2, "longer than 65535 bytes");
    check(&["--key", "node-1.example+00000000+AAAA", "receipt.json"], 2, "not of type Ed25519");
    check(&["--keys", "receipt.json", "receipt.json"], 2, "line 1");
    check(&["--key", &vkey, "--key", &Log::new("node-1.example", 8).vkey(), "receipt.json"], 2, "second key");
    check(&["-", "-"], 2, "only once");
}

#[test]
fn exports_are_read_from_files_of_any_length_and_tables_with_what_stands_beside_them() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/export");
    let dir = tempfile::tempdir().expect("temporary directory");
    for name in ["entries.ndjson", "entries.csv", "bundle.zip", "keys"] {
        fs::copy(fixtures.join(name), dir.path().join(name)).expect("copied");
    }
    let lines = fs::read_to_string(fixtures.join("entries.ndjson")).expect("read");
    let header: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a header")).expect("JSON");
    for (name, note) in ["one", "two"].into_iter().zip(header["checkpoints"].as_array().expect("a list")) {
        fs::write(dir.path().join(name), note.as_str().expect("text")).expect("written");
    }
    // Longer than any file that is held: refused for what stands behind its end, and not for its length.
    let mut long = File::create(dir.path().join("long.ndjson")).expect("made");
    long.write_all(lines.as_bytes()).expect("written");
    long.set_len(100 << 20).expect("a hole");
    let check = |arguments: &[&str], code: i32, said: &str| {
        let output = run(dir.path(), &[&["--keys", "keys"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    };
    check(&["entries.ndjson"], 0, "entries.ndjson: an export of entries");
    check(&["bundle.zip"], 0, "bundle.zip: an evidence bundle");
    check(&["--language", "az", "bundle.zip"], 0, "Başqa yazıların olmadığı");
    check(&["--json", "bundle.zip"], 0, "\"code\": \"entries-stand\"");
    check(&["entries.csv", "one", "two"], 0, "entries.csv: an export of entries as a table");
    check(&["one", "two", "entries.csv", "entries.ndjson"], 0, "and no more than that.");
    check(&["entries.csv", "one"], 1, "the checkpoint of the log node-2.test");
    check(&["entries.csv"], 1, "Give along the file that was handed on beside it");
    check(&["long.ndjson"], 1, "more follows it");
}

#[test]
fn a_dash_is_standard_input() {
    let (log, leaves) = (Log::new("node-1.example", 7), leaves(42));
    let mut child = Command::new(env!("CARGO_BIN_EXE_qovsaq-verify"))
        .args(["--key", &log.vkey(), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    child.stdin.take().expect("piped").write_all(log.checkpoint(&leaves).as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).starts_with("standard input: a checkpoint\n"));
    // Exports too.
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/export");
    let keys = fixtures.join("keys");
    for (name, kind) in [("entries.ndjson", "an export of entries"), ("bundle.zip", "an evidence bundle")] {
        let output = Command::new(env!("CARGO_BIN_EXE_qovsaq-verify"))
            .args(["--keys", keys.to_str().expect("text"), "-"])
            .stdin(File::open(fixtures.join(name)).expect("there"))
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.starts_with(&format!("standard input: {kind}\n")), "{text}");
    }
}
