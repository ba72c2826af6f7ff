//! Every file of the fuzz targets' corpora, by the same laws; and how the first ones were made.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::{ConsistencyProof, Entry, Journal, Levels, Receipt, Role, Urgency};

use crate::laws::{self, Memory};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// Runs a target's law over its corpus; says in how large a one. Files stay small, so that the test does.
fn run(target: &str, law: fn(&[u8])) {
    let files: Vec<PathBuf> = fs::read_dir(corpus(target)).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    assert!((5..=40).contains(&files.len()), "{target}: {} files", files.len());
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        assert!(bytes.len() <= 4096, "{} is larger than 4 KiB", file.display());
        // The law's own words are above this one's.
        std::panic::catch_unwind(|| law(&bytes)).unwrap_or_else(|_| panic!("{} breaks the law", file.display()));
    }
}

#[test]
fn segments_are_verified_read_and_opened_alike() {
    run("frame", laws::frame);
}

#[test]
fn notes_have_one_spelling() {
    run("note", laws::note);
}

#[test]
fn proofs_are_what_the_verifier_says() {
    run("proof", laws::proof);
}

#[test]
fn tile_paths_have_one_spelling() {
    run("tile_path", laws::tile_path);
}

/// A small log with every role: its first segment, its receipts, and proofs from each of its heads.
async fn small_log() -> (Vec<u8>, Vec<Receipt>, Vec<ConsistencyProof>) {
    let disk = Memory::default();
    let opened = Journal::open_on(Arc::new(disk.clone()), laws::options(), laws::key(), Box::new(|reason| panic!("{reason}")));
    let (journal, _) = opened.expect("opens");
    let (mut receipts, mut heads) = (Vec::new(), Vec::new());
    for (number, role) in (0..).zip([Role::Single, Role::Opens, Role::Opens, Role::Closes(1), Role::Single]) {
        let entry = Entry { kind: number, role, body: vec![number; 20], payload: vec![number; usize::from(number % 2) * 30] };
        let durable = journal.append(entry, Urgency::Now, None).expect("taken").durable().await;
        heads.push(durable.head().clone());
        receipts.push(durable.into_receipt());
    }
    let head = journal.close().await.expect("closes");
    let log_dir = laws::options().log_dir();
    let public = laws::key().public(&laws::options().origin);
    let (levels, _) = Levels::open(Arc::new(disk.clone()), &log_dir, &public).expect("levels");
    let proofs = heads.iter().map(|old| ConsistencyProof::of(old, &levels, &head).expect("proven")).collect();
    (disk.bytes(&log_dir.join("segments/0000000000000000.seg")), receipts, proofs)
}

/// Writes the seeds of all corpora: what a real log gives, and near misses.
#[tokio::test]
#[ignore = "writes fuzz/corpus"]
async fn write_the_seeds() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(corpus(target)).expect("a folder");
        fs::write(corpus(target).join(name), bytes).expect("written");
    };
    let (segment, receipts, proofs) = small_log().await;

    // Raw, with its hashes put right, with all of it put right.
    for mode in [0, 1, 3] {
        let seed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = segment.clone();
            change(&mut changed);
            write("frame", &format!("{name}-{mode}"), &laws::input(mode, &changed));
        };
        seed("whole", &|_| {});
        // The frames begin at 4096, 512 bytes each.
        seed("without-frames", &|bytes| bytes[4096..].fill(0));
        seed("torn", &|bytes| bytes[4096 + 4 * 512 + 300..].fill(0));
        seed("hole", &|bytes| bytes[4096 + 512..4096 + 1024].fill(0));
        seed("swapped", &|bytes| {
            let (one, two) = bytes.split_at_mut(4096 + 1024);
            one[4096 + 512..].swap_with_slice(&mut two[..512]);
        });
        seed("between", &|bytes| bytes[4096 + 511] = 1);
        seed("count", &|bytes| bytes[4096 + 24] = 2);
        seed("sequence", &|bytes| bytes[24..32].fill(0xff));
        seed("last-sequence", &|bytes| {
            bytes[24..32].fill(0xff);
            bytes[4096 + 8..4096 + 16].fill(0xff);
        });
        seed("later-version", &|bytes| bytes[7] = b'2');
    }

    let head = &receipts[4].head;
    for (name, note) in [
        ("head", head.clone()),
        ("empty", receipts[0].head.replacen("\n1\n", "\n0\n", 1)),
        ("zero", head.replacen("\n5\n", "\n05\n", 1)),
        ("largest", head.replacen("\n5\n", "\n18446744073709551615\n", 1)),
        ("witnessed", format!("{head}\u{2014} witness.example AAAAAAAA\n")),
        ("twice", format!("{head}{}\n", head.lines().last().expect("signed"))),
        ("cut", head.trim_end().to_owned()),
    ] {
        for mode in [0, 1] {
            write("note", &format!("{name}-{mode}"), &[&[mode], note.as_bytes()].concat());
        }
    }
    write("note", "key", format!("\0{}", laws::key().public(&laws::options().origin)).as_bytes());

    for receipt in &receipts {
        let text = serde_json::to_string(receipt).expect("JSON");
        write("proof", &format!("receipt-{}", receipt.index), &[&[0], text.as_bytes()].concat());
        let elsewhere = text.replacen(&format!("\"index\":{}", receipt.index), "\"index\":3", 1);
        write("proof", &format!("receipt-elsewhere-{}", receipt.index), &[&[1], elsewhere.as_bytes()].concat());
    }
    for proof in &proofs {
        let text = serde_json::to_string(proof).expect("JSON");
        write("proof", &format!("consistency-{}", proof.from), &[&[2], text.as_bytes()].concat());
    }
    let numbers = |one: u64, two: u64, rest: &[u8]| [&one.to_le_bytes()[..], &two.to_le_bytes(), rest].concat();
    for (index, size, hashes) in [(0, 1, 0), (6, 8, 3), (255, 257, 9), (u64::MAX - 1, u64::MAX, 1)] {
        let bytes = [&[3], &numbers(index, size, &vec![7; hashes * 32])[..]].concat();
        write("proof", &format!("inclusion-{index}-of-{size}"), &bytes);
    }
    for (old, new, edits) in [(0, 0, &[][..]), (3, 8, &[]), (256, 600, &[0, 0]), (511, 513, &[1, 1]), (u64::MAX - 7, u64::MAX, &[])] {
        write("proof", &format!("growth-{old}-{new}-{}", edits.len()), &[&[4], &numbers(old, new, edits)[..]].concat());
    }

    for (name, path) in [
        ("first", "0/000"),
        ("large", "1/x001/x234/067"),
        ("part", "0/x001/067.p/112"),
        ("longest", "7/x018/x446/x744/x073/x709/x551/615"),
        ("beyond", "7/x018/x446/x744/x073/x709/x551/616"),
        ("unneeded", "0/x000/001"),
        ("whole-as-part", "0/000.p/256"),
        ("entries", "entries/000"),
    ] {
        write("tile_path", name, path.as_bytes());
    }
}
