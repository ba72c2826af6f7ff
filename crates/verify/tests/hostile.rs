//! Bytes from anybody: no panic, and nothing proven that was not signed.

use proptest::prelude::*;
use proptest::sample::Index;
use verify::{Given, Key, Keys, Language, Leaf, Rule, Verdict, examine};

use crate::support::{Log, leaves};

fn log() -> Log {
    Log::new("node-1.example", 7)
}

/// One valid file of every kind, and a key.
fn valid() -> Vec<Vec<u8>> {
    let (log, leaves) = (log(), leaves(13));
    let receipt = log.receipt(9, &leaves);
    let answer =
        serde_json::json!({"receipt": receipt, "elements": [{"element": "a", "outcome": "FOUND", "receipt": log.entry(3, &leaves)}]});
    [
        receipt.to_string(),
        answer.to_string(),
        log.entry(9, &leaves).to_string(),
        log.tlog_proof(9, &leaves),
        log.checkpoint(&leaves),
        log.consistency(5, &leaves).to_string(),
        log.vkey(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Everything that reads bytes, and everything that is said about them.
fn survive(bytes: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(bytes);
    let mut keys = log().keys();
    if let Err(broken) = Key::parse(&text) {
        assert!(!broken.to_string().is_empty());
    }
    // Refused or not, it must not harm the key that is known.
    if let Err(broken) = keys.add_lines(&text) {
        assert!(!broken.to_string().is_empty());
    }
    let given = [Given::read("f", bytes), Given::read("g", &valid()[0])];
    let report = examine(&given, &[Leaf::new("leaf", bytes)], &keys);
    for language in [Language::English, Language::Azerbaijani] {
        let shown = report.to_text(language);
        assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "{shown:?}");
        assert!(report.to_json(language).is_object());
    }
    examine(&given[..1], &[], &log().keys()).verdict()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived_and_prove_nothing(bytes: Vec<u8>) {
        prop_assert_ne!(survive(&bytes), Verdict::Proven);
    }

    #[test]
    fn arbitrary_text_of_the_right_shapes_is_survived(
        text in "(\\{|c2sp.org/tlog-proof@v1\n|[a-z]{1,9}\n)([ -~\u{2014}\n]{0,40}|\"(receipt|elements|proof|head|leaf_hash|old)\":(null|[0-9]{1,25}|\\[\\]|\\{\\}|\"\"),?){0,8}\\}?",
    ) {
        prop_assert_ne!(survive(text.as_bytes()), Verdict::Proven);
    }

    #[test]
    fn changed_files_are_survived(which: Index, edits in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..4), 1..6)) {
        let mut bytes = which.get(&valid()).clone();
        for (at, value, kind) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = value,
                1 => bytes.insert(at, value),
                2 => { bytes.remove(at); }
                _ => bytes.truncate(at),
            }
        }
        survive(&bytes);
    }

    #[test]
    fn a_receipt_with_one_bit_changed_proves_nothing_else(bit: Index) {
        let original = valid()[0].clone();
        let mut bytes = original.clone();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (before, after) = (Given::read("f", &original), Given::read("f", &bytes));
        if examine(std::slice::from_ref(&after), &[], &log().keys()).verdict() == Verdict::Proven {
            // White space between JSON tokens is all that may differ.
            prop_assert_eq!(before, after);
        }
    }
}

#[test]
fn deep_and_wide_documents_are_refused_in_time() {
    for wide in [
        "{\"a\":".repeat(100_000),
        format!("{{\"elements\":[{}{{}}]}}", "{},".repeat(100_000)),
        "[".repeat(1_000_000),
        "a\n".repeat(500_000),
    ] {
        assert_ne!(survive(wide.as_bytes()), Verdict::Proven);
    }
    // A good receipt, but with more behind it than is read.
    let long = [&valid()[0][..], &vec![b' '; 17 * 1024 * 1024]].concat();
    assert_eq!(Given::read("f", &long).evidence.map_err(|broken| broken.rule), Err(Rule::TooLong { bytes_max: 16 * 1024 * 1024 }));
    assert_eq!(examine(&[], &[], &Keys::default()).verdict(), Verdict::Unproven);
}
