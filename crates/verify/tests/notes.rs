//! Keys, notes and checkpoints: the reference vector, round trips, and every deviation that is refused.

use proptest::prelude::*;
use verify::checkpoint::Checkpoint;
use verify::note::{Note, SIGNATURES_MAX, Signed};
use verify::{Key, Keys, Malformed, Rule};

use crate::support::{Log, base64, leaves};

/// The key and the note of the reference implementation's own tests (golang.org/x/mod/sumdb/note).
const REFERENCE_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const REFERENCE_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn log() -> Log {
    Log::new("node-1.example", 7)
}

fn signed(note: &str, log: &Log) -> Signed {
    Checkpoint::parse(note).expect("a checkpoint").signed(&log.keys())
}

fn refused(note: &str) -> Malformed {
    Checkpoint::parse(note).expect_err(note)
}

#[test]
fn the_reference_note_verifies_under_the_reference_key() {
    let key = Key::parse(REFERENCE_KEY).expect("a key");
    assert_eq!(Note::parse(REFERENCE_NOTE).expect("a note").signed_by(&key), Signed::Yes);
    let changed = REFERENCE_NOTE.replace("cryptography", "Cryptography");
    assert_eq!(Note::parse(&changed).expect("a note").signed_by(&key), Signed::Wrong);
}

#[test]
fn no_part_of_a_key_and_no_changed_one_is_a_key() {
    for from in 0..REFERENCE_KEY.len() {
        for to in from..=REFERENCE_KEY.len() {
            let part = REFERENCE_KEY.get(from..to).expect("ascii");
            assert!(part == REFERENCE_KEY || Key::parse(part).is_err(), "{part}");
        }
        let mut bytes = REFERENCE_KEY.as_bytes().to_vec();
        bytes[from] += 1;
        assert!(Key::parse(std::str::from_utf8(&bytes).expect("ascii")).is_err(), "{from}");
    }
    assert_eq!(Key::parse(&REFERENCE_KEY.replace("c74f20a3", "C74F20A3")).map_err(|broken| broken.rule), Err(Rule::KeyForm));
    assert_eq!(Key::parse(&REFERENCE_KEY.replace("c74f20a3", "c74f20a4")).map_err(|broken| broken.rule), Err(Rule::KeyId));
    assert_eq!(Key::parse("a+00000000+AgAA").map_err(|broken| broken.rule), Err(Rule::KeyType));
}

#[test]
fn a_key_whose_signatures_prove_nothing_is_refused() {
    use sha2::{Digest as _, Sha256};
    // The neutral element: everything is "signed" by it.
    let typed: Vec<u8> = [1, 1].into_iter().chain([0; 31]).collect();
    let digest = Sha256::digest([b"weak\n", &typed[..]].concat());
    let id: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(Key::parse(&format!("weak+{id}+{}", base64(&typed))).map_err(|broken| broken.rule), Err(Rule::KeyPoint));
}

#[test]
fn an_origin_has_one_key() {
    let mut keys = log().keys();
    assert!(keys.add_lines(&format!("# ours\n\n{}\n", log().vkey())).is_ok());
    let other = Log::new("node-1.example", 8).vkey();
    assert_eq!(keys.add_lines(&other), Err(Malformed::new("line 1.key", Rule::SecondKey)));
}

#[test]
fn a_checkpoint_is_read_as_written_and_is_signed_by_its_log_alone() {
    let (log, leaves) = (log(), leaves(42));
    let note = log.checkpoint(&leaves);
    let checkpoint = Checkpoint::parse(&note).expect("a checkpoint");
    assert_eq!((checkpoint.head.origin.as_str(), checkpoint.head.size), ("node-1.example", 42));
    assert_eq!(checkpoint.signed(&log.keys()), Signed::Yes);
    assert_eq!(checkpoint.signed(&Keys::default()), Signed::NoKey);
    // Same name, other key: the ids differ, so the line is an unknown key's.
    assert_eq!(checkpoint.signed(&Log::new("node-1.example", 8).keys()), Signed::NoLine);
    assert_eq!(checkpoint.signed(&Log::new("node-2.example", 7).keys()), Signed::NoKey);
}

#[test]
fn others_signatures_are_passed_over_and_the_logs_stands_once() {
    let (log, witness) = (log(), Log::new("witness.example/w1", 9));
    let text = "node-1.example\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let (own, other) = (log.signature_line(text), witness.signature_line(text));
    assert_eq!(signed(&format!("{text}\n{other}{own}{other}"), &log), Signed::Yes);
    assert_eq!(signed(&format!("{text}\n{other}"), &log), Signed::NoLine);
    assert_eq!(signed(&format!("{text}\n{own}{own}"), &log), Signed::Twice);
    // Id of the log's key, signature of nobody.
    let wrong = log.signature_line("something else\n");
    assert_eq!(signed(&format!("{text}\n{wrong}"), &log), Signed::Wrong);
    assert_eq!(signed(&format!("{text}\n{wrong}{own}"), &log), Signed::Twice);
    // Another signer's line under the log's name, another id.
    let renamed = other.replace(witness.origin, log.origin);
    assert_eq!(signed(&format!("{text}\n{renamed}{own}"), &log), Signed::Yes);
    assert_eq!(signed(&format!("{text}\n{}", own.replace(log.origin, witness.origin)), &log), Signed::NoLine);
    assert!(Checkpoint::parse(&format!("{text}\n{own}{}", other.repeat(SIGNATURES_MAX - 1))).is_ok());
    assert_eq!(refused(&format!("{text}\n{own}{}", other.repeat(SIGNATURES_MAX))).rule, Rule::TooMany { max: SIGNATURES_MAX });
}

#[test]
fn each_deviation_is_refused_by_its_name() {
    let note = log().checkpoint(&leaves(42));
    let check = |changed: String, part: &str, rule: Rule| {
        assert_ne!(changed, note);
        assert_eq!(refused(&changed), Malformed::new(part, rule), "{changed:?}");
    };
    let root = note.lines().nth(2).expect("three lines").to_owned();
    check(note.trim_end().to_owned(), "note", Rule::FinalNewline);
    check(note.replace('\n', "\r\n"), "note", Rule::ControlCharacter);
    check(note.replace("node-1", "node\t1"), "note", Rule::ControlCharacter);
    check(note.replace("\n\n", "\n"), "note", Rule::EmptyLine);
    check(note.replace('\u{2014}', "-"), "note.signatures[0]", Rule::Dash);
    check(note.replace('\u{2014}', "\u{2013}"), "note.signatures[0]", Rule::Dash);
    check(note.replace("\u{2014} ", "\u{2014}"), "note.signatures[0]", Rule::Dash);
    check(note.replace("\u{2014} ", "\u{2014}  "), "note.signatures[0]", Rule::SignatureLine);
    check(note.replace("\u{2014} node-1", "\u{2014} node+1"), "note.signatures[0]", Rule::SignatureLine);
    check(note.replace("\u{2014} node-1", "\u{2014} node\u{a0}1"), "note.signatures[0]", Rule::SignatureLine);
    check(format!("{note}\n"), "note.signatures[1]", Rule::Dash);
    check(format!("{note}more\n"), "note.signatures[1]", Rule::Dash);
    check(format!("{note}\u{2014} witness.example AAAAAA==\n"), "note.signatures[1]", Rule::SignatureLength);
    check(format!("{note}\u{2014} witness.example AAAAAAA\n"), "note.signatures[1]", Rule::Base64);
    check(note.replace("\n\n", " \n\n"), "root", Rule::Base64);
    check(note.replace("\n\n", "\nextension\n\n"), "note.text", Rule::ThreeLines);
    check(note.replace("\n\n", "\n\n\n"), "note.text", Rule::ThreeLines);
    check(note.replace("\n42\n", "\n"), "note.text", Rule::ThreeLines);
    for size in ["042", "+42", "-42", "4 2", "", "42.0", "٤٢", "18446744073709551616"] {
        check(note.replace("\n42\n", &format!("\n{size}\n")), "size", Rule::Decimal);
    }
    check(note.replace("\n42\n", "\n4611686018427387905\n"), "size", Rule::SizeTooLarge);
    check(note.replace("\n42\n", "\n0\n"), "root", Rule::EmptyRoot);
    check(note.replace(&root, root.trim_end_matches('=')), "root", Rule::Base64);
    check(note.replace(&root, &base64(&[7; 31])), "root", Rule::HashLength);
    check(note.replace(&root, &base64(&[7; 33])), "root", Rule::HashLength);
    check(note.replace(&root, "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J="), "root", Rule::Base64);
    check(note.replace(&root, "CsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I="), "root", Rule::Base64);
    check(note.replacen("node-1.example\n", "\n", 1), "origin", Rule::Origin);
    check(note.replacen("node-1.example\n", "node 1\n", 1), "origin", Rule::Origin);
    check(note.replacen("node-1.example\n", "n\u{202e}ode\n", 1), "origin", Rule::Origin);
    check(note.replacen("node-1.example\n", &("n".repeat(256) + "\n"), 1), "origin", Rule::Origin);
    check(note.repeat(64 * 1024 / note.len() + 1), "note", Rule::TooLong { bytes_max: 64 * 1024 });
    check(String::new(), "note", Rule::FinalNewline);
}

proptest! {
    #[test]
    fn notes_keep_their_text_whatever_it_is(lines in prop::collection::vec("[^\\x00-\\x1f]{0,20}", 1..6)) {
        let (log, text) = (log(), lines.join("\n") + "\n");
        let note = Note::parse(&log.note(&text)).expect("a note");
        prop_assert_eq!(note.text(), &text);
        prop_assert_eq!(note.signed_by(&Key::parse(&log.vkey()).expect("a key")), Signed::Yes);
    }

    #[test]
    fn no_changed_bit_of_a_checkpoint_stays_signed(size in 0_u64..50, bit: prop::sample::Index) {
        let log = log();
        let mut note = log.checkpoint(&leaves(size)).into_bytes();
        let bit = bit.index(note.len() * 8);
        note[bit / 8] ^= 1 << (bit % 8);
        if let Some(checkpoint) = std::str::from_utf8(&note).ok().and_then(|note| Checkpoint::parse(note).ok()) {
            prop_assert_ne!(checkpoint.signed(&log.keys()), Signed::Yes);
        }
    }
}
