use std::path::Path;

use jiff::civil::date;
use tempfile::TempDir;

use super::*;

fn quality(dir: &Path, bounds: Bounds) -> Quality {
    let key = seal::NodeKey::load_or_create(&dir.join("node.key")).expect("a key").derive("qovsaq quality");
    Quality::open(&dir.join("quality.db"), &dir.join("quality-keys"), key, bounds).expect("opens")
}

fn now() -> jiff::Timestamp {
    "2026-03-11T08:00:00Z".parse().expect("a moment")
}

fn fault(provider: &str, path: &str) -> Fault {
    Fault {
        provider: provider.to_owned(),
        matter: format!("{provider}/service"),
        rule: "wrong-date".to_owned(),
        path: Some(path.to_owned()),
    }
}

fn item(quality: &Quality, number: u128, fault: Fault) -> Item {
    Item {
        id: Uuid::from_u128(number),
        kind: ItemKind::Answer,
        fault,
        version: "1.0.0".to_owned(),
        configuration: "c".repeat(64),
        entry: Some(("node.example.2026h1".to_owned(), 7)),
        request_id: None,
        received_at: now(),
        deadline: Some("2026-03-18T20:00:00Z".parse().expect("a moment")),
        expires_on: quality.expiry(now()),
        bytes: 0,
        kept: false,
        closed: None,
    }
}

/// Any bytes of the folder that hold this text in clear.
fn in_clear(dir: &Path, text: &str) -> bool {
    walk(dir).iter().any(|file| std::fs::read(file).is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes())))
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn what_is_put_in_comes_out_after_a_restart_and_stands_nowhere_in_clear() {
    let dir = TempDir::new().expect("a folder");
    let quality1 = quality(dir.path(), Bounds::default());
    let one = item(&quality1, 1, fault("interior", "birth_date"));
    quality1.put(one, Some(b"FIN 5K7QX2O was born on 31.02.1990")).expect("a disk").expect("room");
    assert!(!in_clear(dir.path(), "5K7QX2O") && !in_clear(dir.path(), "birth_date"));
    drop(quality1);
    let quality = quality(dir.path(), Bounds::default());
    let there = quality.items();
    assert_eq!((there.len(), there[0].kept, there[0].state(now())), (1, true, State::Open));
    assert_eq!(there[0].state("2026-03-18T20:00:00Z".parse().expect("a moment")), State::Overdue);
    assert_eq!(quality.content(there[0].id).expect("a disk").expect("kept"), b"FIN 5K7QX2O was born on 31.02.1990");
    let closed = Closed { at: now(), how: How::Solved, by: Some("AZ-0001".to_owned()) };
    assert_eq!(quality.close(&[there[0].id, Uuid::nil()], &closed).expect("a disk"), 1);
    assert_eq!(quality.close(&[there[0].id], &closed).expect("a disk"), 0);
    assert_eq!(quality.content(there[0].id).expect("a disk"), None);
    assert_eq!(quality.items()[0].state(now()), State::Solved);
}

#[test]
fn what_has_expired_nobody_reads_not_even_from_a_copy() {
    let dir = TempDir::new().expect("a folder");
    let quality1 = quality(dir.path(), Bounds::default());
    let one = item(&quality1, 1, fault("interior", "birth_date"));
    quality1.put(one, Some(b"5K7QX2O")).expect("a disk").expect("room");
    drop(quality1);
    // A copy of everything but the folder of keys, as a backup makes it.
    let copy = TempDir::new().expect("a folder");
    for file in ["quality.db", "node.key"] {
        std::fs::copy(dir.path().join(file), copy.path().join(file)).expect("copied");
    }
    let quality2 = quality(dir.path(), Bounds::default());
    assert_eq!(quality2.expiry(now()), date(2026, 4, 10));
    assert_eq!(quality2.expire(date(2026, 4, 10), now()).expect("a disk"), 0);
    assert!(quality2.content(Uuid::from_u128(1)).expect("a disk").is_some(), "on its last day");
    assert_eq!(quality2.expired(date(2026, 4, 11)).len(), 1);
    assert_eq!(quality2.expire(date(2026, 4, 11), now()).expect("a disk"), 1);
    assert_eq!(quality2.content(Uuid::from_u128(1)).expect("a disk"), None);
    assert_eq!(quality2.items()[0].state(now()), State::Expired);
    assert_eq!(std::fs::read_dir(dir.path().join("quality-keys")).expect("a folder").count(), 0);
    // The copy with what is left of the keys: the row is there, and nobody opens it.
    let restored = quality(copy.path(), Bounds::default());
    assert!(restored.items()[0].kept);
    assert_eq!(restored.content(Uuid::from_u128(1)).expect("a disk"), None);
    assert_eq!(std::fs::read_dir(copy.path().join("quality-keys")).expect("a folder").count(), 0, "no key is made anew");
}

#[test]
fn a_flood_is_bounded_by_fault_number_and_bytes_and_of_one_source_alone() {
    let dir = TempDir::new().expect("a folder");
    let quality = quality(dir.path(), Bounds { items_max: 30, bytes_max: 1_000, keep_days: 30 });
    let put = |number, fault: Fault, bytes: usize| {
        let one = item(&quality, number, fault);
        quality.put(one, Some(&vec![b'x'; bytes])).expect("a disk")
    };
    for number in 0..20 {
        assert_eq!(put(number, fault("interior", "a"), 10), Ok(()));
    }
    assert_eq!(put(20, fault("interior", "a"), 10), Err(Full::Fault));
    assert_eq!(quality.has_room(&fault("interior", "a"), 0), Err(Full::Fault));
    assert_eq!(put(21, fault("interior", "b"), 801), Err(Full::Bytes));
    for number in 30..40 {
        assert_eq!(put(number, fault("interior", "b"), 0), Ok(()));
    }
    assert_eq!(put(41, fault("interior", "c"), 0), Err(Full::Items));
    assert_eq!(put(42, fault("taxes", "a"), 900), Ok(()), "another source has room of its own");
    // What is closed makes room.
    let closed = Closed { at: now(), how: How::Solved, by: None };
    quality.close(&[Uuid::from_u128(1)], &closed).expect("a disk");
    assert_eq!(put(43, fault("interior", "a"), 10), Ok(()));
}

#[test]
fn closed_items_are_forgotten_oldest_first() {
    let dir = TempDir::new().expect("a folder");
    let quality = quality(dir.path(), Bounds::default());
    let closed = Closed { at: now(), how: How::Solved, by: None };
    for number in 0..=CLOSED_MAX {
        let one = item(&quality, number as u128, fault("interior", "a"));
        quality.put(one, None).expect("a disk").expect("room");
        quality.close(&[Uuid::from_u128(number as u128)], &closed).expect("a disk");
    }
    let left = quality.items();
    assert_eq!((left.len(), left[0].id), (CLOSED_MAX, Uuid::from_u128(1)));
}

#[test]
fn sums_are_added_and_names_are_bounded() {
    let dir = TempDir::new().expect("a folder");
    let quality = quality(dir.path(), Bounds::default());
    let tally = |name: &str| Tally {
        what: What::Undeclared,
        matter: "interior/person-identity".to_owned(),
        name: name.to_owned(),
        count: 2,
        first: now(),
        last: now(),
    };
    quality.add("2026-03", &[tally("QanQrupu"), tally("QanQrupu")]).expect("a disk");
    quality.add("2026-02", &[tally("QanQrupu")]).expect("a disk");
    assert_eq!(quality.of_month("2026-03").expect("a disk").iter().map(|one| one.count).collect::<Vec<_>>(), [4]);
    let many: Vec<_> = (0..NAMES_MAX + 5).map(|number| tally(&format!("f{number}"))).collect();
    quality.add("2026-03", &many).expect("a disk");
    let sums = quality.of_month("2026-03").expect("a disk");
    assert_eq!(i64::try_from(sums.len()), Ok(NAMES_MAX + 1));
    assert_eq!(sums.iter().find(|one| one.name == "…").map(|one| one.count), Some(12));
    quality.forget_before("2026-03").expect("a disk");
    assert!(quality.of_month("2026-02").expect("a disk").is_empty());
}

#[test]
fn a_recall_that_was_begun_is_there_until_it_is_carried_out_and_its_notices_are_the_consumer_s_alone() {
    let dir = TempDir::new().expect("a folder");
    let consumer = |name: &str| model::ConsumerId::new(name).expect("a consumer");
    let notice = |number: u128, to: &str| Notice {
        id: Uuid::from_u128(number),
        consumer: consumer(to),
        case: model::CaseId::new("c-2026-000042").expect("a case"),
        dossier_id: None,
        service: model::ServiceId::new("justice/family-acts").expect("a service"),
        because: Because::Annulled,
        told_at: now(),
        entry: ("node.example.2026h1".to_owned(), 9),
        recalled_at: now(),
    };
    let recall = Recall {
        id: Uuid::from_u128(7),
        request_id: Uuid::nil(),
        service: model::ServiceId::new("justice/family-acts").expect("a service"),
        subject: Some("token".to_owned()),
        from: now(),
        to: now(),
        because: Because::Annulled,
        reason: "the court has annulled the act".to_owned(),
        by: "AZ-0001".to_owned(),
        answers: vec![("node.example.2026h1".to_owned(), 8)],
        notices: vec![notice(1, "targeted-aid"), notice(2, "pension"), notice(3, "targeted-aid")],
    };
    let quality1 = quality(dir.path(), Bounds::default());
    quality1.begin_recall(&recall).expect("a disk");
    quality1.begin_recall(&recall).expect("a disk");
    assert!(quality1.notices(&consumer("targeted-aid"), 0, 10).expect("a disk").is_empty());
    drop(quality1);
    let quality = quality(dir.path(), Bounds::default());
    assert_eq!(quality.begun_recalls().expect("a disk"), std::slice::from_ref(&recall));
    for _ in 0..2 {
        quality.carry_out(&recall).expect("a disk");
        assert!(quality.begun_recalls().expect("a disk").is_empty());
        let told = quality.notices(&consumer("targeted-aid"), 0, 10).expect("a disk");
        assert_eq!(told.iter().map(|(_, notice)| notice.id.as_u128()).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(quality.notices(&consumer("targeted-aid"), told[0].0, 10).expect("a disk").len(), 1);
    }
    assert!(quality.notices(&consumer("sovqat"), 0, 10).expect("a disk").is_empty());
    assert!(!in_clear(dir.path(), "annulled") && !in_clear(dir.path(), "targeted-aid") && !in_clear(dir.path(), "c-2026"));
    quality.forget_notices("2026-03-12T00:00:00Z".parse().expect("a moment")).expect("a disk");
    assert!(quality.notices(&consumer("pension"), 0, 10).expect("a disk").is_empty());
}
