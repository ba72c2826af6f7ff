//! The queue: what is refused, what waits, what never comes.

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use super::basic::{entry, key, options};
use super::crash;
use super::fake::{End, FakeDisk, Strike};
use crate::journal::{Appended, Options};
use crate::{CloseError, Entry, Journal, OpenError, Origin, Refused, Role, SigningKey, Urgency};

fn open(disk: &FakeDisk, options: Options) -> Journal {
    Journal::open_on(Arc::new(disk.clone()), options, key(), Box::new(|_| {})).expect("opens").0
}

fn patient() -> Options {
    Options { lazy_delay: Duration::from_secs(3600), ..options(Path::new("/journal")) }
}

fn single(bytes: usize) -> Entry {
    entry(1, Role::Single, &vec![1; bytes], &[])
}

fn is_ready(durable: &mut std::pin::Pin<Box<dyn Future<Output = crate::Durable>>>) -> bool {
    matches!(durable.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

fn waiting(appended: Appended) -> std::pin::Pin<Box<dyn Future<Output = crate::Durable>>> {
    Box::pin(appended.durable())
}

#[tokio::test]
async fn nothing_is_acknowledged_before_its_flush() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    disk.hold_flushes();
    let before = disk.flushes();
    let appended = journal.append(single(10), Urgency::Now, None).expect("taken");
    // What comes while the disk is busy goes into the next commit together.
    disk.wait_for_held_flush();
    let second = journal.append(single(10), Urgency::Now, None).expect("taken");
    let third = journal.append(single(10), Urgency::Lazy, None).expect("taken");
    let mut first = waiting(appended);
    assert!(!is_ready(&mut first), "the flush has not returned");
    assert_eq!((journal.size(), disk.flushes()), (0, before));
    disk.let_flushes_go();
    assert_eq!(first.await.head().size(), 1);
    let (second, third) = (second.durable().await, third.durable().await);
    assert_eq!((second.head().size(), third.head().size()), (3, 3));
    assert!(Arc::ptr_eq(second.head(), third.head()), "one signature per commit");
    assert_eq!(disk.flushes(), before + 2);
}

#[tokio::test]
async fn a_lazy_entry_rides_with_the_next_urgent_one_in_order() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    let before = disk.flushes();
    let lazy = journal.append(single(10), Urgency::Lazy, None).expect("taken");
    let lazier = journal.append(single(10), Urgency::Lazy, None).expect("taken");
    assert_eq!((lazy.index(), lazier.index()), (0, 1));
    let urgent = journal.append(single(10), Urgency::Now, None).expect("taken").durable().await;
    assert_eq!((urgent.index(), urgent.head().size()), (2, 3));
    let (mut lazy, mut lazier) = (waiting(lazy), waiting(lazier));
    assert!(is_ready(&mut lazy) && is_ready(&mut lazier));
    assert_eq!(disk.flushes(), before + 1);
}

#[tokio::test]
async fn a_lazy_entry_alone_is_written_after_its_delay() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, Options { lazy_delay: Duration::from_millis(1), ..patient() });
    let durable = journal.append(single(10), Urgency::Lazy, None).expect("taken").durable().await;
    assert_eq!(durable.head().size(), 1);
}

#[tokio::test]
async fn gathered_entries_wait_for_the_word_and_go_together() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    journal.commit();
    let before = disk.flushes();
    let mut gathered = Vec::new();
    for _ in 0..5 {
        gathered.push(waiting(journal.append(single(10), Urgency::Gathered, None).expect("taken")));
        // Were it taken for urgent, it would be written before the committer rests again.
        rested(&journal).await;
        assert!(!gathered.iter_mut().any(is_ready));
    }
    journal.commit();
    for durable in gathered {
        assert_eq!(durable.await.head().size(), 5);
    }
    assert_eq!(disk.flushes(), before + 1);
    // The word is for gathered entries: a lazy one does not need it.
    let mut lazy = waiting(journal.append(single(10), Urgency::Lazy, None).expect("taken"));
    journal.commit();
    rested(&journal).await;
    assert!(!is_ready(&mut lazy));
}

async fn rested(journal: &Journal) {
    while !journal.committer_rests() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn after_a_commit_of_many_the_next_is_held_back_but_not_when_the_log_closes() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, Options { commit_interval: Duration::from_secs(3600), ..patient() });
    // Few never wait, one after the other.
    for _ in 0..3 {
        journal.append(single(10), Urgency::Now, None).expect("taken").durable().await;
    }
    for _ in 0..3 {
        drop(journal.append(single(10), Urgency::Lazy, None).expect("taken"));
    }
    journal.append(single(10), Urgency::Now, None).expect("taken").durable().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(waiting(journal.append(single(10), Urgency::Now, None).expect("taken")));
        rested(&journal).await;
        assert!(!held.iter_mut().any(is_ready));
    }
    let head = journal.close().await.expect("closes");
    for durable in held {
        assert_eq!(durable.await.head(), &head, "what is queued is committed before the end, together");
    }
    // After a short interval it comes by itself.
    let journal = open(&disk, Options { commit_interval: Duration::from_millis(1), ..patient() });
    for _ in 0..3 {
        drop(journal.append(single(10), Urgency::Lazy, None).expect("taken"));
    }
    journal.append(single(10), Urgency::Now, None).expect("taken").durable().await;
    journal.append(single(10), Urgency::Now, None).expect("taken").durable().await;
}

#[tokio::test]
async fn a_failed_write_or_flush_is_never_acknowledged_and_ends_everything() {
    // The commit's two operations: write and flush.
    for (operation, how) in [(1, Strike::Before), (1, Strike::After), (2, Strike::Before), (2, Strike::After)] {
        let disk = FakeDisk::new(1);
        let died = Arc::new(Notify::new());
        let fatal = Arc::clone(&died);
        // Patient: no timer commits the lazy entry before the urgent one is there.
        let opened = Journal::open_on(Arc::new(disk.clone()), patient(), key(), Box::new(move |_| fatal.notify_one()));
        let (journal, _) = opened.expect("opens");
        journal.append(single(10), Urgency::Now, None).expect("taken").durable().await;
        let mut reserved = journal.reserve(100).expect("room");
        disk.strike(operation, how);
        // The lazy one first: the urgent one is what the committer waits for, and it may fail at once.
        let mut riding = waiting(journal.append(single(10), Urgency::Lazy, None).expect("taken"));
        let mut struck = waiting(journal.append(single(10), Urgency::Now, None).expect("taken"));
        died.notified().await;
        assert!(!is_ready(&mut struck) && !is_ready(&mut riding));
        assert_eq!(journal.size(), 1);
        assert_eq!(journal.append(single(10), Urgency::Now, None).expect_err("dead"), Refused::Closed);
        assert_eq!(journal.append(single(10), Urgency::Now, Some(&mut reserved)).expect_err("dead"), Refused::Closed);
        assert_eq!(journal.reserve(1).expect_err("dead"), Refused::Closed);
        assert_eq!(journal.close().await.expect_err("dead"), CloseError::Failed);
        assert!(!is_ready(&mut struck) && !is_ready(&mut riding), "never");
    }
}

#[tokio::test]
async fn without_room_for_another_segment_only_what_surely_fits_is_taken() {
    let disk = FakeDisk::new(1);
    disk.set_full(true);
    let refused = Journal::open_on(Arc::new(disk.clone()), patient(), key(), Box::new(|_| {})).expect_err("no room at all");
    assert!(matches!(refused, OpenError::Io { .. }));
    disk.set_full(false);
    let journal = open(&disk, patient());
    // The segment that is ready is used up, then the present one; all that was reserved still fits.
    disk.set_full(true);
    let mut taken = 0;
    let (mut reserved, mut refused) = (Vec::new(), None);
    for _ in 0..1000 {
        if taken % 10 == 0 {
            match journal.reserve(500) {
                Ok(reservation) => reserved.push(reservation),
                Err(error) => refused = Some(error),
            }
        }
        match journal.append(single(400), Urgency::Now, None) {
            Ok(appended) => drop(appended.durable().await),
            Err(error) => refused = Some(error),
        }
        if refused.is_some() {
            break;
        }
        taken += 1;
    }
    assert_eq!(refused, Some(Refused::DiskFull));
    assert!(taken > 100 && reserved.len() > 10, "{taken} taken, {} reserved", reserved.len());
    for reservation in &mut reserved {
        assert!(reservation.fits(500));
        journal.append(single(500), Urgency::Now, Some(reservation)).expect("reserved").durable().await;
    }
    // Room comes back by itself, without anybody asking.
    assert_eq!(journal.reserve(30_000).expect_err("still full"), Refused::DiskFull);
    disk.set_full(false);
    disk.wait_for_flushes(disk.flushes() + 1);
    while journal.reserve(30_000).is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reservation_holds_room_until_it_is_used_or_dropped() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    disk.hold_flushes();
    let mut first = journal.reserve(3000).expect("room");
    let mut others: Vec<_> = std::iter::from_fn(|| journal.reserve(3000).ok()).collect();
    assert_eq!(journal.reserve(3000).expect_err("full"), Refused::QueueFull);
    assert_eq!(journal.append(single(3000), Urgency::Lazy, None).expect_err("full"), Refused::QueueFull);
    // A reserved entry that outgrows its reservation is refused, and the reservation stays good for a smaller one.
    let outgrown = entry(1, Role::Single, &[1; 2000], &[2; 9000]);
    assert_eq!(journal.append(outgrown, Urgency::Lazy, Some(&mut first)).expect_err("full"), Refused::QueueFull);
    assert!(first.fits(3000) && !first.fits(3001));
    let taken = journal.append(single(2000), Urgency::Lazy, Some(&mut first)).expect("reserved");
    assert!(!first.fits(0), "used up");
    others.clear();
    let again = journal.reserve(9000).expect("given back");
    drop(again);
    assert_eq!(journal.reserve(40_000).expect_err("never"), Refused::TooLarge);
    assert_eq!(journal.append(single(65_524), Urgency::Now, None).expect_err("never"), Refused::TooLarge);
    disk.let_flushes_go();
    assert_eq!(taken.index(), 0);
    journal.close().await.expect("closes");
}

#[tokio::test]
async fn an_exchange_is_closed_once_and_only_when_open() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    let append = |role| journal.append(entry(1, role, b"body", &[]), Urgency::Now, None);
    assert_eq!(append(Role::Closes(0)).expect_err("nothing is open"), Refused::NotOpen(0));
    let opened = append(Role::Opens).expect("taken").index();
    assert_eq!(opened, 0, "a refused entry takes no index");
    let single = append(Role::Single).expect("taken").index();
    assert_eq!(append(Role::Closes(single)).expect_err("not an exchange"), Refused::NotOpen(single));
    append(Role::Closes(opened)).expect("taken").durable().await;
    assert_eq!(append(Role::Closes(opened)).expect_err("closed before"), Refused::NotOpen(opened));
}

#[tokio::test]
async fn open_exchanges_are_found_again_across_segments_and_bounded() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    let open_one = |body: &[u8]| journal.append(entry(9, Role::Opens, body, b"payload"), Urgency::Now, None);
    let mut opened = Vec::new();
    for number in 0..5_u8 {
        opened.push(open_one(&[number; 300]).expect("taken"));
        for _ in 0..20 {
            journal.append(single(2000), Urgency::Now, None).expect("taken").durable().await;
        }
    }
    let closes = opened[2].index();
    journal.append(entry(10, Role::Closes(closes), b"answer", &[]), Urgency::Now, None).expect("taken").durable().await;
    let refused = std::iter::repeat_with(|| open_one(&[7; 1000]).map(drop)).take(100).find_map(Result::err);
    assert_eq!(refused, Some(Refused::TooManyOpen));
    let expected: Vec<u64> = opened.iter().map(Appended::index).filter(|index| *index != closes).collect();
    drop(journal);
    disk.end(End::Kill);
    let (_journal, recovered, _) = crash::open(&disk).expect("opens");
    let found: Vec<u64> = recovered.open.iter().filter(|open| open.body.len() == 300).map(|open| open.index).collect();
    assert_eq!(found, expected);
    assert!(recovered.open.iter().all(|open| open.kind == 9));
}

#[tokio::test]
async fn closing_takes_what_was_reserved_and_nothing_else() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    disk.hold_flushes();
    let first = journal.append(single(10), Urgency::Now, None).expect("taken");
    disk.wait_for_held_flush();
    let mut reserved = journal.reserve(10).expect("room");
    let mut closing = Box::pin(journal.close());
    assert!(closing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(journal.append(single(10), Urgency::Now, None).expect_err("closing"), Refused::Closed);
    assert_eq!(journal.reserve(10).expect_err("closing"), Refused::Closed);
    let last = journal.append(single(10), Urgency::Lazy, Some(&mut reserved)).expect("reserved");
    disk.let_flushes_go();
    assert_eq!(closing.await.expect("closes").size(), 2);
    assert_eq!((first.durable().await.index(), last.durable().await.index()), (0, 1));
    disk.end(End::Power);
    let (_journal, recovered, _) = crash::open(&disk).expect("opens");
    assert_eq!((recovered.size, recovered.was_clean), (2, true));
}

#[test]
fn one_writer_one_key_one_range_of_options() {
    let disk = FakeDisk::new(1);
    let open_with = |options: Options, key: SigningKey| Journal::open_on(Arc::new(disk.clone()), options, key, Box::new(|_| {}));
    let journal = open(&disk, patient());
    assert!(matches!(open_with(patient(), key()), Err(OpenError::Locked(_))));
    drop(journal);
    let other = SigningKey::from_seed(&[1; 32]);
    assert!(matches!(open_with(patient(), other.clone()), Err(OpenError::Key { .. })));
    let elsewhere = Options { origin: Origin::new("node-2.test").expect("valid"), ..patient() };
    assert!(open_with(elsewhere, other).is_ok());
    for wrong in [
        Options { segment_bytes: (64 << 10) - 1, ..patient() },
        Options { segment_bytes: (1 << 30) + 1, ..patient() },
        Options { queue_bytes: (32 << 10) + 1, ..patient() },
    ] {
        assert!(matches!(open_with(wrong, key()), Err(OpenError::Options { .. })));
    }
}

/// A log may be opened with larger segments than it was made with: an entry too large for an empty old one still fits.
#[tokio::test]
async fn a_segment_too_small_for_its_first_frame_gives_way() {
    let disk = FakeDisk::new(1);
    drop(open(&disk, patient()));
    let larger = Options { segment_bytes: 1 << 20, queue_bytes: 512 << 10, ..patient() };
    let journal = open(&disk, larger);
    let large = entry(1, Role::Single, &[1; 100], &vec![2; 200_000]);
    journal.append(large, Urgency::Now, None).expect("taken").durable().await;
    journal.close().await.expect("closes");
    let report = crate::verify::verify_on(&disk, Path::new("/journal"), &mut |_| {}).expect("reads");
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.logs[0].segments, report.logs[0].size), (1, 1));
}

#[test]
fn a_dropped_wait_loses_nothing() {
    let disk = FakeDisk::new(1);
    let journal = open(&disk, patient());
    drop(waiting(journal.append(single(10), Urgency::Now, None).expect("taken")));
    drop(journal.append(single(10), Urgency::Lazy, None).expect("taken"));
    drop(journal);
    disk.end(End::Power);
    let (_journal, recovered, _) = crash::open(&disk).expect("opens");
    assert_eq!(recovered.size, 2, "a drop without close still writes what was taken");
}

#[tokio::test]
async fn room_for_several_entries_is_set_aside_for_all_or_for_none() {
    let disk = FakeDisk::new(1);
    let options = patient();
    let queue_bytes = options.queue_bytes;
    let journal = open(&disk, options);
    let whole = queue_bytes / 4;
    assert_eq!(journal.reserve_all(4, whole).expect_err("more than the queue ever holds"), Refused::TooLarge);
    assert_eq!(journal.reserve_all(usize::MAX, 1).expect_err("no number at all"), Refused::TooLarge);
    let three = journal.reserve_all(3, whole).expect("room");
    assert_eq!(journal.reserve_all(2, whole).expect_err("not now"), Refused::QueueFull);
    // The refusal left nothing behind, and each place is given back by itself.
    let two = three.into_iter().take(2).collect::<Vec<_>>();
    let mut one = journal.reserve_all(1, whole).expect("room again");
    assert!(one.iter().chain(&two).all(|room| room.fits(whole) && !room.fits(whole + 1)));
    let appended = journal.append(single(whole.min(crate::BODY_BYTES_MAX)), Urgency::Now, one.first_mut()).expect("its own room");
    appended.durable().await;
    drop((one, two));
    assert_eq!(journal.reserve_all(3, whole).expect("all of it").len(), 3);
}
