//! Lives and deaths: whatever is struck, what was acknowledged is there, and nothing is half there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use super::basic::{entry, key, options};
use super::fake::{End, FakeDisk, Random, Strike};
use crate::journal::{Appended, Durable, Journal, OpenError, Recovered};
use crate::read::EntryView;
use crate::{Hash, InclusionProof, Receipt, Role, Urgency, read, verify};

const DIR: &str = "/journal";

pub(super) fn open(disk: &FakeDisk) -> Result<(Journal, Recovered, Arc<Notify>), OpenError> {
    let died = Arc::new(Notify::new());
    let fatal = Arc::clone(&died);
    let mut options = options(Path::new(DIR));
    options.lazy_delay = std::time::Duration::from_millis(2);
    options.fence = Some("/fence".into());
    let (journal, recovered) = Journal::open_on(Arc::new(disk.clone()), options, key(), Box::new(move |_| fatal.notify_one()))?;
    Ok((journal, recovered, died))
}

/// What must be true of the log after everything.
#[derive(Default)]
struct Truth {
    receipts: BTreeMap<u64, Receipt>,
    /// Everything ever appended at an index: a life that ended may have lost some, a later life used the index again.
    tried: BTreeMap<u64, BTreeSet<Hash>>,
}

impl Truth {
    fn tried(&mut self, appended: &Appended) {
        self.tried.entry(appended.index()).or_default().insert(*appended.leaf_hash());
    }

    fn acknowledged(&mut self, durable: Durable) {
        let receipt = durable.into_receipt();
        let before = self.receipts.insert(receipt.index, receipt);
        assert!(before.is_none(), "an index is acknowledged once");
    }

    /// What the levels say, where a strike has left any.
    fn check_tree(&self, journal: &Journal) {
        let Some((levels, head)) = journal.tree() else { return };
        assert_eq!(head, journal.head(), "the levels lead to the log's head");
        for (index, receipt) in &self.receipts {
            let proof = InclusionProof::of(*index, &levels, &head).unwrap_or_else(|error| panic!("entry {index}: {error}"));
            assert_eq!(*proof.leaf_hash(), receipt.leaf_hash);
        }
    }

    fn check(&self, disk: &FakeDisk, recovered: Option<&Recovered>) {
        let report = verify::verify_on(disk, Path::new(DIR), &mut |_| {}).expect("reads");
        assert!(report.is_sound(), "{report:?}");
        let entries = read::entries_on(Arc::new(disk.clone()), Path::new(DIR), 0).expect("there");
        let entries: Vec<EntryView> = entries.map(|entry| entry.expect("read")).collect();
        assert_eq!(entries.len() as u64, report.logs[0].size);
        let public = key().public(&options(Path::new(DIR)).origin);
        for (index, receipt) in &self.receipts {
            receipt.verify(&public).expect("a receipt verifies for ever");
            let at = usize::try_from(*index).expect("small");
            assert_eq!(entries.get(at).map(|entry| entry.leaf_hash), Some(receipt.leaf_hash), "acknowledged entry {index}");
        }
        let mut open = BTreeMap::new();
        for (index, entry) in (0..).zip(&entries) {
            assert_eq!(entry.index, index);
            assert!(self.tried.get(&index).is_some_and(|tried| tried.contains(&entry.leaf_hash)), "entry {index} was never appended whole");
            match entry.role {
                Role::Single => {}
                Role::Opens => {
                    open.insert(index, entry.body.clone());
                }
                Role::Closes(opened) => assert!(open.remove(&opened).is_some(), "entry {index} closes what is open"),
            }
        }
        if let Some(recovered) = recovered {
            assert_eq!(recovered.size, entries.len() as u64);
            let found: BTreeMap<u64, Vec<u8>> = recovered.open.iter().map(|open| (open.index, open.body.to_vec())).collect();
            assert_eq!(found, open, "the open exchanges");
        }
    }
}

/// One life: appends until struck or done. Gives whether it closed.
async fn live(journal: &Journal, died: &Notify, random: &mut Random, truth: &mut Truth, mut open: Vec<u64>) -> bool {
    let mut waiting: Vec<Appended> = Vec::new();
    for _ in 0..random.below(60) {
        let role = match random.below(4) {
            0 => Role::Opens,
            1 if !open.is_empty() => Role::Closes(open.swap_remove(usize::try_from(random.below(open.len() as u64)).expect("small"))),
            _ => Role::Single,
        };
        let body = random.next().to_le_bytes().repeat(usize::try_from(random.below(60)).expect("small"));
        let payload = random.next().to_le_bytes().repeat(usize::try_from(random.below(400)).expect("small"));
        let urgency = [Urgency::Now, Urgency::Gathered, Urgency::Lazy][usize::try_from(random.below(3)).expect("small")];
        let Ok(appended) = journal.append(entry(3, role, &body, &payload), urgency, None) else {
            // Full for a moment or dead for good: either way the exchange it would have closed stays open.
            if let Role::Closes(index) = role {
                open.push(index);
            }
            tokio::task::yield_now().await;
            continue;
        };
        truth.tried(&appended);
        if random.coin() {
            journal.commit();
        }
        if role == Role::Opens {
            open.push(appended.index());
        }
        if random.coin() {
            waiting.push(appended);
        }
        while waiting.len() > 8 {
            let next = waiting.remove(0);
            tokio::select! {
                biased;
                durable = next.durable() => truth.acknowledged(durable),
                () = died.notified() => {
                    died.notify_one();
                    return false;
                }
            }
        }
    }
    for next in waiting {
        tokio::select! {
            biased;
            durable = next.durable() => truth.acknowledged(durable),
            () = died.notified() => return false,
        }
    }
    random.coin() && journal.close().await.is_ok()
}

async fn lives(seed: u64) {
    let disk = FakeDisk::new(seed);
    let mut random = Random::new(seed ^ 0x5EED);
    let mut truth = Truth::default();
    let mut was_closed = true;
    for _ in 0..8 {
        if random.below(3) > 0 {
            let how = if random.coin() { Strike::Before } else { Strike::After };
            // Some strike while the log is being opened, most while it is being written.
            disk.strike(1 + random.below(80), how);
        }
        match open(&disk) {
            Ok((journal, recovered, died)) => {
                assert!(recovered.was_clean || !was_closed || recovered.size == 0, "a clean close is remembered");
                truth.check(&disk, Some(&recovered));
                truth.check_tree(&journal);
                let open = recovered.open.iter().map(|open| open.index).collect();
                was_closed = live(&journal, &died, &mut random, &mut truth, open).await;
            }
            Err(OpenError::Io { .. }) => was_closed = false,
            Err(error) => panic!("seed {seed}: {error}"),
        }
        let end = if random.coin() { End::Kill } else { End::Power };
        disk.end(end);
    }
    let (_journal, recovered, _) = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    truth.check(&disk, Some(&recovered));
}

#[tokio::test]
async fn every_acknowledged_entry_outlives_any_crash_whole() {
    // More for an hour's run: QOVSAQ_CRASH_SEEDS=100000.
    let seeds = std::env::var("QOVSAQ_CRASH_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(120);
    for seed in 0..seeds {
        lives(seed).await;
    }
}

/// Strikes at every single operation of a short life, before and after its effect, then ends both ways.
#[tokio::test]
async fn a_strike_at_any_operation_loses_nothing_acknowledged() {
    for how in [Strike::Before, Strike::After] {
        for end in [End::Kill, End::Power] {
            for at in 1..90 {
                let disk = FakeDisk::new(at);
                let mut random = Random::new(7);
                let mut truth = Truth::default();
                disk.strike(at, how);
                if let Ok((journal, _, died)) = open(&disk) {
                    live(&journal, &died, &mut random, &mut truth, Vec::new()).await;
                }
                disk.end(end);
                // And once more while it recovers: over the lives, at every operation of that.
                for again in (1 + at % 5..20).step_by(5) {
                    let disk = disk.copy();
                    disk.strike(again, how);
                    drop(open(&disk));
                    disk.end(End::Power);
                    let (_journal, recovered, _) = open(&disk).unwrap_or_else(|error| panic!("{how:?} {end:?} {at} {again}: {error}"));
                    truth.check(&disk, Some(&recovered));
                }
            }
        }
    }
}

/// Every file, but the fence, whose first line is another at each opening.
fn files(disk: &FakeDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = disk.paths().into_iter().filter(|path| !path.starts_with("/fence"));
    paths.map(|path| (path.clone(), disk.find(&path.to_string_lossy()).1)).collect()
}

/// Opens the log until it opens, and gives what stands on the disk then.
fn settled(disk: &FakeDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    drop(open(disk).expect("opens"));
    disk.end(End::Kill);
    files(disk)
}

/// Recovery struck at each of its operations comes to the state it comes to undisturbed, and so it does where it is
/// struck at each of them in turn on the same disk.
#[tokio::test]
async fn recovery_struck_anywhere_and_again_and_again_comes_to_one_state() {
    let (mut operations, mut torn) = (0, 0);
    for seed in 0..12 {
        let begun = FakeDisk::new(seed);
        let mut random = Random::new(seed);
        begun.strike(30 + 5 * seed, Strike::Before);
        let (journal, _, died) = open(&begun).expect("a new log is made in fewer operations");
        live(&journal, &died, &mut random, &mut Truth::default(), Vec::new()).await;
        drop(journal);
        // What is left now is on the disk and stays: only recovery itself changes anything.
        begun.end(End::Power);
        if seed % 2 == 1 {
            // Half of them also end in a part of a commit.
            let last = begun.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).max();
            begun.tamper(&last.expect("a segment"), |bytes| {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                bytes[end + 40..end + 1500].fill(0x5a);
            });
        }
        let undisturbed = settled(&begun.copy());
        torn += usize::from(undisturbed.keys().any(|path| path.starts_with("/journal/node-1.test/torn")));
        for how in [Strike::Before, Strike::After] {
            for end in [End::Kill, End::Power] {
                let again = begun.copy();
                for at in 1.. {
                    let once = begun.copy();
                    once.strike(at, how);
                    drop(open(&once));
                    if !once.was_struck() {
                        break;
                    }
                    operations += 1;
                    once.end(end);
                    assert!(settled(&once) == undisturbed, "seed {seed}: {how:?} {end:?} at {at}");
                    again.strike(at, how);
                    drop(open(&again));
                    again.end(end);
                }
                assert!(settled(&again) == undisturbed, "seed {seed}: {how:?} {end:?}, again and again");
            }
        }
    }
    assert!(operations > 500 && torn > 3, "too little happened: {operations} operations, {torn} torn");
}
