//! The log on a real directory: append, wait, prove, close, open again, read, verify.

use std::path::Path;

use crate::journal::{Journal, Options, Refused};
use crate::note::{Origin, SigningKey};
use crate::{Entry, Role, Urgency, read, verify};

pub(super) fn options(dir: &Path) -> Options {
    Options { segment_bytes: 64 << 10, queue_bytes: 32 << 10, ..Options::new(dir.to_owned(), Origin::new("node-1.test").expect("valid")) }
}

pub(super) fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

pub(super) fn entry(kind: u8, role: Role, body: &[u8], payload: &[u8]) -> Entry {
    Entry { kind, role, body: body.to_vec(), payload: payload.to_vec() }
}

#[tokio::test]
async fn what_is_appended_is_durable_proven_and_there_after_a_clean_close() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (journal, recovered) = Journal::open(options(dir.path()), key()).expect("opens");
    assert_eq!((recovered.size, recovered.was_clean), (0, true));
    let mut receipts = Vec::new();
    for number in 0..200_u64 {
        let body = number.to_le_bytes().repeat(40);
        let appended = journal.append(entry(7, Role::Single, &body, b"payload"), Urgency::Now, None).expect("taken");
        assert_eq!(appended.index(), number);
        receipts.push(appended.durable().await.into_receipt());
    }
    for receipt in &receipts {
        receipt.verify(journal.verifying_key()).expect("verifies");
    }
    journal.close().await.expect("closes");
    assert_eq!(journal.append(entry(7, Role::Single, b"", b""), Urgency::Now, None).expect_err("refused"), Refused::Closed);

    let report = verify::verify(dir.path(), &mut |_| {}).expect("reads");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.logs[0].size, report.logs[0].torn.as_ref()), (200, None));
    assert!(report.logs[0].segments > 1, "the test spans segments");
    let (journal, recovered) = Journal::open(options(dir.path()), key()).expect("opens again");
    assert_eq!((recovered.size, recovered.was_clean, recovered.torn), (200, true, None));
    let view = read::entry(dir.path(), 123).expect("read");
    assert_eq!((view.index, view.kind, view.role, view.leaf_hash), (123, 7, Role::Single, receipts[123].leaf_hash));
    assert_eq!((view.body, view.payload), (123_u64.to_le_bytes().repeat(40), b"payload".to_vec()));
    let indices: Vec<u64> = read::entries(dir.path(), 150).expect("there").map(|view| view.expect("read").index).collect();
    assert_eq!(indices, (150..200).collect::<Vec<_>>());
    drop(journal);
    let (_, recovered) = Journal::open(options(dir.path()), key()).expect("opens after a drop");
    assert_eq!((recovered.size, recovered.was_clean), (200, false));
}

#[tokio::test]
async fn the_last_entry_is_found_behind_every_tail() {
    use std::os::unix::fs::FileExt as _;
    let dir = tempfile::tempdir().expect("temporary directory");
    let last = || read::last(dir.path()).expect("read").map(|entry| entry.index);
    // The last byte of the last frame: without it the frame is unfinished.
    let cut_off = || {
        let segments = std::fs::read_dir(dir.path().join("node-1.test/segments")).expect("listed").map(|file| file.expect("listed").path());
        let newest = segments.filter(|path| path.extension().is_some_and(|kind| kind == "seg")).max().expect("a segment");
        let at = std::fs::read(&newest).expect("read").iter().rposition(|byte| *byte != 0).expect("a frame");
        let file = std::fs::File::options().write(true).open(&newest).expect("opens");
        file.write_all_at(&[0], at as u64).expect("written");
    };
    let (journal, _) = Journal::open(options(dir.path()), key()).expect("opens");
    assert_eq!(last(), None);
    let body = [7; 4000];
    let mut first = None;
    for number in 0..40 {
        let appended = journal.append(entry(7, Role::Single, &body, b"payload"), Urgency::Now, None).expect("taken");
        appended.durable().await;
        assert_eq!(last(), Some(number));
        // The first frame of a segment: the entry before it stands in another one.
        let segments = verify::verify(dir.path(), &mut |_| {}).expect("reads").logs[0].segments;
        if segments == 3 {
            first = Some(number);
            break;
        }
    }
    let first = first.expect("the test spans segments");
    drop(journal);
    cut_off();
    assert_eq!(last(), first.checked_sub(1));
    // Two entries in one segment: the last one is lost, the one before it is not.
    let (journal, recovered) = Journal::open(options(dir.path()), key()).expect("opens");
    assert_eq!(recovered.size, first);
    for number in [first, first + 1] {
        journal.append(entry(7, Role::Single, &body, b"payload"), Urgency::Now, None).expect("taken").durable().await;
        assert_eq!(last(), Some(number));
    }
    drop(journal);
    cut_off();
    assert_eq!(last(), Some(first));
    assert!(matches!(read::last(&dir.path().join("node-1.test/levels")), Err(read::ReadError::NoLog(_))));
}
