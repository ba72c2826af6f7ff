//! A receipt kept elsewhere convicts a log that was rolled back or rewritten, by the independent verifier alone: even
//! where the log was signed again with its own key and is sound in itself.

use std::path::Path;

use journal::verify::verify as verify_log;
use journal::{ConsistencyProof, Entry, InclusionProof, Journal, Options, Origin, ProofError, Receipt, Role, SigningKey, Urgency, read};
use verify::{Given, Key, Keys, Verdict, examine};

fn key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn origin() -> Origin {
    Origin::new("node-1.test").expect("an origin")
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add(Key::parse(&key().public(&origin()).to_string()).expect("a key")).expect("the only one");
    keys
}

/// Goes on with a log in a folder, which no fence guards; the receipts.
async fn grow(dir: &Path, entries: u8, body: u8) -> Vec<Receipt> {
    let options = Options { segment_bytes: 64 << 10, queue_bytes: 32 << 10, ..Options::new(dir.to_owned(), origin()) };
    let (journal, _) = Journal::open(options, key()).expect("opens");
    let mut receipts = Vec::new();
    for _ in 0..entries {
        let entry = Entry { kind: 1, role: Role::Single, body: vec![body], payload: Vec::new() };
        receipts.push(journal.append(entry, Urgency::Now, None).expect("taken").durable().await.into_receipt());
    }
    journal.close().await.expect("closes");
    receipts
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for file in std::fs::read_dir(from).expect("there").map(|file| file.expect("read")) {
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).expect("copied");
        }
    }
}

/// What the verifier says of a receipt kept elsewhere beside what the log shows of the same place now.
fn judge(kept: &Receipt, dir: &Path, index: u64) -> Verdict {
    let (levels, head, _) = read::levels(dir).expect("levels");
    let proof = InclusionProof::of(index, &levels, &head).expect("proven").to_string();
    let entry = read::entry(dir, index).expect("read");
    let named = serde_json::json!({"origin": origin().as_str(), "index": index, "leaf_hash": entry.leaf_hash}).to_string();
    let kept = serde_json::to_string(kept).expect("JSON");
    let files: Vec<Given> = [kept, proof, named].iter().map(|text| Given::read("file", text.as_bytes())).collect();
    examine(&files, &[], &keys()).verdict()
}

#[tokio::test]
async fn a_log_that_went_on_otherwise_than_a_receipt_says_is_convicted() {
    let place = tempfile::tempdir().expect("temporary directory");
    let [log, old] = ["log", "old"].map(|name| place.path().join(name));
    grow(&log, 10, 1).await;
    copy(&log, &old);
    let kept = grow(&log, 5, 1).await;
    assert_eq!(judge(&kept[2], &log, 12), Verdict::Proven, "the true log is not convicted");

    // Rolled back, and gone on with other entries under the same key.
    grow(&old, 9, 2).await;
    assert!(verify_log(&old, &mut |_| {}).expect("reads").is_sound(), "nothing in it tells");
    assert_eq!(judge(&kept[2], &old, 12), Verdict::Fork);
    // The log cannot even prove that it goes on from the receipt's head.
    let (levels, head, public) = read::levels(&old).expect("levels");
    let seen = journal::SignedHead::parse(&kept[2].head, &public).expect("signed");
    assert!(matches!(ConsistencyProof::of(&seen, &levels, &head), Err(ProofError::Forked)));
    // A checkpoint of the size that the receipt's head has is enough: nobody needs the entry.
    let again = grow(&place.path().join("new"), 13, 2).await;
    let files = [&kept[2].head, &again[12].head].map(|note| Given::read("checkpoint", note.as_bytes()));
    assert_eq!(examine(&files, &[], &keys()).verdict(), Verdict::Fork);
}

#[tokio::test]
async fn a_log_that_was_rolled_back_cannot_show_what_a_receipt_names() {
    let place = tempfile::tempdir().expect("temporary directory");
    let [log, old] = ["log", "old"].map(|name| place.path().join(name));
    grow(&log, 10, 1).await;
    copy(&log, &old);
    let kept = grow(&log, 5, 1).await;
    assert!(verify_log(&old, &mut |_| {}).expect("reads").is_sound(), "nothing in it tells");
    let (levels, head, public) = read::levels(&old).expect("levels");
    let seen = journal::SignedHead::parse(&kept[4].head, &public).expect("signed");
    assert!(matches!(ConsistencyProof::of(&seen, &levels, &head), Err(ProofError::Beyond { asked: 15, size: 10 })));
    assert!(matches!(InclusionProof::of(14, &levels, &head), Err(ProofError::Beyond { .. })));
    // The receipt stands by itself all the same: the log did have that entry.
    let text = serde_json::to_string(&kept[4]).expect("JSON");
    assert_eq!(examine(&[Given::read("receipt", text.as_bytes())], &[], &keys()).verdict(), Verdict::Proven);
}
