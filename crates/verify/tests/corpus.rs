//! Every file of the fuzz target's corpus, by the same law; and how the first ones were made.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::laws;
use crate::support::{Log, leaves};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/evidence")
}

#[test]
fn every_file_of_the_corpus_is_judged_by_the_law() {
    let files: Vec<PathBuf> = fs::read_dir(corpus()).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    assert!((10..=48).contains(&files.len()), "{} files", files.len());
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        assert!(bytes.len() <= 4896, "{} is larger than 4 KiB", file.display());
        // The law's own words are above this one's.
        std::panic::catch_unwind(|| laws::evidence(&bytes)).unwrap_or_else(|_| panic!("{} breaks the law", file.display()));
    }
}

/// Writes the seeds: one file of every kind as the log makes it, and near misses.
#[test]
#[ignore = "writes fuzz/corpus"]
fn write_the_seeds() {
    let (log, leaves) = (Log::new("node-1.example", 7), leaves(13));
    let receipt = log.receipt(9, &leaves);
    let answer = json!({"receipt": receipt, "elements": [
        {"element": "a", "outcome": "FOUND", "receipt": log.entry(9, &leaves)}, {"element": "b", "outcome": null}]});
    let checkpoint = log.checkpoint(&leaves);
    let proof = log.tlog_proof(9, &leaves);
    let mut half = receipt.clone();
    half.as_object_mut().expect("an object").remove("proof");
    let files = [
        ("receipt", receipt.to_string()),
        ("receipt-first", log.receipt(0, &leaves[..1]).to_string()),
        ("receipt-elsewhere", receipt.to_string().replacen("\"index\":9", "\"index\":8", 1)),
        ("receipt-half", half.to_string()),
        ("answer", answer.to_string()),
        ("denied", include_str!("fixtures/denied.json").to_owned()),
        ("entry", log.entry(9, &leaves).to_string()),
        ("proof", proof.clone()),
        ("proof-extra", proof.replacen("\nindex", "\nextra AAAA\nindex", 1)),
        ("proof-later-version", proof.replacen("@v1", "@v2", 1)),
        ("checkpoint", checkpoint.clone()),
        ("checkpoint-empty", log.checkpoint(&[])),
        ("checkpoint-zero", checkpoint.replacen("\n13\n", "\n013\n", 1)),
        ("checkpoint-witnessed", format!("{checkpoint}\u{2014} witness.example AAAAAAAA\n")),
        ("checkpoint-twice", format!("{checkpoint}{}\n", checkpoint.lines().last().expect("signed"))),
        ("growth", log.consistency(5, &leaves).to_string()),
        ("growth-backwards", log.consistency(5, &leaves).to_string().replacen("\"from\":5", "\"from\":14", 1)),
        ("growth-none", log.consistency(13, &leaves).to_string()),
    ];
    fs::create_dir_all(corpus()).expect("a folder");
    for (name, text) in files.iter().filter(|(_, text)| text.len() < 4096) {
        for mode in [0, 1] {
            fs::write(corpus().join(format!("{name}-{mode}")), [&[mode], text.as_bytes()].concat()).expect("written");
        }
    }
}
