//! The stored levels: every node of the tree, from files, whatever happens to them.

use std::path::Path;
use std::sync::Arc;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use super::basic::{entry, key, options};
use super::fake::{FakeDisk, Random};
use super::tree::{hex, known_leaves};
use crate::disk::Disk;
use crate::hash::leaf_hash;
use crate::journal::{Journal, OpenError};
use crate::levels::{LevelWriter, Levels, TILE_WIDTH, TilePath, root_of};
use crate::tree::verify_consistency;
use crate::verify::verify;
use crate::{ConsistencyProof, Hash, InclusionProof, InclusionProofs, ProofError, Role, SignedHead, Urgency, read};

const LOG: &str = "/journal/node-1.test";

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&[], &number.to_le_bytes())).collect()
}

/// Levels of so many leaves, written in batches of all sizes.
fn levels_of(leaves: &[Hash], seed: u64) -> Levels {
    let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new(seed));
    let mut random = Random::new(seed);
    let mut writer = LevelWriter::begin(&disk, Path::new(LOG)).expect("begins");
    let mut rest = leaves;
    while !rest.is_empty() {
        let count = usize::try_from(random.below(700) + 1).expect("small").min(rest.len());
        let (batch, after) = rest.split_at(count);
        writer.append(batch).expect("written");
        rest = after;
    }
    Levels::new(disk, Path::new(LOG).to_owned(), leaves.len() as u64)
}

fn bytes(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

/// The certificate-transparency test vectors.
#[test]
fn consistency_paths_are_those_of_certificate_transparency() {
    let leaves = known_leaves();
    let levels = levels_of(&leaves, 1);
    for (old, new, path) in [
        (1, 1, &[][..]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ] {
        let proof = levels.consistency(old, new).expect("there");
        assert_eq!(bytes(&proof), path.iter().flat_map(|hash| hex(hash)).collect::<Vec<_>>(), "{old} to {new}");
    }
}

#[test]
fn trees_of_one_size_have_one_root() {
    let (empty, other) = (Hash::of(b""), Hash::of(b"other"));
    for size in [0, 1, 7] {
        assert!(verify_consistency(size, size, &empty, &empty, &[]));
        assert!(!verify_consistency(size, size, &empty, &other, &[]), "{size}");
    }
    assert!(verify_consistency(0, 7, &empty, &other, &[]) && !verify_consistency(0, 7, &other, &other, &[]));
}

#[test]
fn every_proof_from_the_levels_is_another_implementations() {
    // Around the edges of tiles of the first and the second level.
    for size in [1, 2, 3, 7, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000] {
        let leaves = leaves(size);
        let mut reference: MemoryBackedTree<Sha256, [u8; 8]> = MemoryBackedTree::new();
        (0..size).for_each(|number: u64| reference.push(number.to_le_bytes()));
        let levels = levels_of(&leaves, size);
        let root = levels.root().expect("read");
        assert_eq!(root.0[..], reference.root().as_bytes()[..], "{size}");
        let mut random = Random::new(size);
        for _ in 0..40 {
            let index = random.below(size);
            let at = usize::try_from(index).expect("small");
            let path = levels.inclusion(index, size).expect("there");
            assert_eq!(bytes(&path), reference.prove_inclusion(at).as_bytes(), "{index} of {size}");
            assert_eq!(levels.leaf(index).expect("there"), leaves[at]);
            let old = index + 1;
            let path = levels.consistency(old, size).expect("there");
            let added = usize::try_from(size - old).expect("small");
            if added > 0 {
                assert_eq!(bytes(&path), reference.prove_consistency(added).as_bytes(), "{old} to {size}");
            }
            assert!(verify_consistency(old, size, &root_of(&leaves[..=at]), &root, &path), "{old} to {size}");
        }
        for (asked, error) in [(levels.inclusion(size, size), size), (levels.consistency(0, size + 1), size + 1)] {
            assert!(matches!(asked, Err(ProofError::Beyond { asked, .. }) if asked == error));
        }
    }
}

#[test]
fn a_tiles_path_is_that_of_the_layout() {
    let tile = |path| TilePath::parse(path).map(|tile| (tile.level, tile.number, tile.width));
    assert_eq!(tile("0/000"), Some((0, 0, 256)));
    assert_eq!(tile("1/x001/x234/067"), Some((1, 1_234_067, 256)));
    assert_eq!(tile("0/x001/067.p/112"), Some((0, 1067, 112)));
    for wrong in [
        "",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "00/000",
        "0/x000/001",
        "0/001/001",
        "0/x001",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000/",
        "-1/000",
        "0/+01",
        "0/x001/x001/x001/x001/x001/x001/x001/001/../000",
        "entries/000",
    ] {
        assert_eq!(tile(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn every_tile_has_one_path(level in 0_u32..8, number: u64, width in 1..=TILE_WIDTH) {
        let tile = TilePath { level, number, width };
        prop_assert_eq!(TilePath::parse(&tile.to_string()), Some(tile));
    }

    #[test]
    fn no_tile_path_panics(path in "[0-9x/.p]{0,40}") {
        if let Some(tile) = TilePath::parse(&path) {
            prop_assert_eq!(tile.to_string(), path);
        }
    }
}

#[test]
fn a_tile_is_a_slice_of_a_level() {
    let leaves = leaves(600);
    let levels = levels_of(&leaves, 3);
    let tile = |level, number, width| levels.tile(level, number, width).expect("read");
    assert_eq!(tile(0, 1, 256), Some(bytes(&leaves[256..512])));
    assert_eq!(tile(0, 2, 88), Some(bytes(&leaves[512..])));
    assert_eq!(tile(1, 0, 2), Some(bytes(&[root_of(&leaves[..256]), root_of(&leaves[256..512])])));
    for (level, number, width) in
        [(0, 2, 89), (0, 3, 1), (1, 0, 3), (2, 0, 1), (0, 0, 0), (0, 0, 257), (8, 0, 1), (9, 0, 1), (0, u64::MAX, 1)]
    {
        assert_eq!(tile(level, number, width), None, "{level}/{number}.p/{width}");
    }
    assert_eq!(TILE_WIDTH, 256);
}

proptest! {
    #[test]
    fn a_changed_consistency_proof_proves_nothing(old in 1_u64..600, more in 1_u64..600, at: prop::sample::Index, bit in 0_usize..256, kind in 0..5) {
        let new = old + more;
        let leaves = leaves(new);
        let levels = levels_of(&leaves, 5);
        let split = usize::try_from(old).expect("small");
        let (old_root, new_root) = (root_of(&leaves[..split]), root_of(&leaves));
        let mut proof = levels.consistency(old, new).expect("there");
        prop_assert!(verify_consistency(old, new, &old_root, &new_root, &proof));
        prop_assert!(!verify_consistency(old, new, &new_root, &old_root, &proof));
        match kind {
            0 => { proof.push(Hash::default()); }
            1 => { proof.pop(); }
            2 => { let at = at.index(proof.len()); proof.remove(at); }
            3 => { let at = at.index(proof.len()); proof[at].0[bit / 8] ^= 1 << (bit % 8); }
            _ => { let at = at.index(proof.len()); proof.insert(at, Hash::of(b"more")); }
        }
        prop_assert!(!verify_consistency(old, new, &old_root, &new_root, &proof));
    }
}

/// A log of so many entries in a folder, closed; its receipts' heads.
async fn grow(dir: &Path, entries: u64) -> Vec<SignedHead> {
    let (journal, _) = Journal::open(options(dir), key()).expect("opens");
    let mut heads = Vec::new();
    for number in 0..entries {
        let appended = journal.append(entry(1, Role::Single, &number.to_le_bytes(), b""), Urgency::Now, None).expect("taken");
        heads.push(SignedHead::clone(appended.durable().await.head()));
    }
    journal.close().await.expect("closes");
    heads
}

/// Every entry, and that the log goes on from every head, is proven by what is on disk.
fn all_is_proven(dir: &Path, heads: &[SignedHead]) {
    let (levels, head, key) = read::levels(dir).expect("levels");
    let entries: Vec<_> = read::entries(dir, 0).expect("there").map(|entry| entry.expect("read")).collect();
    assert_eq!(head.size(), entries.len() as u64, "closed under its last head");
    // In order and jumping about, with what the last path has left behind.
    let mut proofs = InclusionProofs::new(levels.clone(), head.clone());
    for (entry, other) in entries.iter().zip(entries.iter().rev()) {
        let proof = InclusionProof::of(entry.index, &levels, &head).expect("proven");
        assert_eq!(*proof.leaf_hash(), entry.leaf_hash);
        assert_eq!(proofs.of(entry.index).expect("proven"), proof);
        assert_eq!(*proofs.of(other.index).expect("proven").leaf_hash(), other.leaf_hash);
    }
    let mut proofs = InclusionProofs::new(levels.clone(), head.clone());
    for entry in &entries {
        let of_levels = InclusionProof::of(entry.index, &levels, &head).expect("proven");
        assert_eq!(proofs.of(entry.index).expect("proven"), of_levels);
    }
    assert!(proofs.of(head.size()).is_err());
    for old in heads {
        let proof = ConsistencyProof::of(old, &levels, &head).expect("goes on");
        assert!(proof.holds(&key));
    }
}

#[tokio::test]
async fn levels_are_kept_over_starts_and_made_anew_where_they_are_missing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut heads = grow(dir.path(), 300).await;
    all_is_proven(dir.path(), &heads);
    heads.extend(grow(dir.path(), 300).await);
    all_is_proven(dir.path(), &heads);
    let levels = dir.path().join("node-1.test/levels");
    let file = |name: &str| levels.join(name);
    let whole = std::fs::read(file("0")).expect("there");
    assert_eq!(whole.len(), 600 * 32);
    // Whatever is lost of them comes back, and what stood there before does not matter.
    let losses: [&dyn Fn(); 5] = [
        &|| std::fs::remove_dir_all(&levels).expect("removed"),
        &|| std::fs::remove_file(file("checkpoint")).expect("removed"),
        &|| std::fs::write(file("checkpoint"), "rubbish").expect("written"),
        &|| std::fs::write(file("0"), &whole[..whole.len() - 1]).expect("written"),
        &|| std::fs::remove_file(file("1")).expect("removed"),
    ];
    for lose in losses {
        lose();
        let (journal, _) = Journal::open(options(dir.path()), key()).expect("opens");
        let (_, head) = journal.tree().expect("a tree");
        assert_eq!(head.size(), 600);
        journal.close().await.expect("closes");
        all_is_proven(dir.path(), &heads);
        assert_eq!(std::fs::read(file("0")).expect("there"), whole);
    }
}

#[tokio::test]
async fn a_changed_level_is_named_and_spoils_no_proof() {
    let dir = tempfile::tempdir().expect("temporary directory");
    grow(dir.path(), 600).await;
    let file = dir.path().join("node-1.test/levels/0");
    let whole = std::fs::read(&file).expect("there");
    for at in (0..whole.len()).step_by(401) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&file, &changed).expect("written");
        let report = verify(dir.path(), &mut |_| {}).expect("reads");
        let damage = report.logs[0].damage.first().unwrap_or_else(|| panic!("byte {at} is not named"));
        assert_eq!((&*damage.file, damage.offset), ("levels/0", at as u64 / 32 * 32), "byte {at}");
        let (levels, head, _) = read::levels(dir.path()).expect("levels");
        let spoilt = InclusionProof::of(at as u64 / 32, &levels, &head);
        assert!(matches!(spoilt, Err(ProofError::Damaged)), "byte {at}: {spoilt:?}");
    }
    std::fs::write(&file, &whole).expect("written");
    assert!(verify(dir.path(), &mut |_| {}).expect("reads").is_sound());
}

#[tokio::test]
async fn a_log_shorter_than_the_head_of_its_levels_does_not_open() {
    let dir = tempfile::tempdir().expect("temporary directory");
    grow(dir.path(), 10).await;
    let log = dir.path().join("node-1.test");
    let [segments, older] = ["segments", "older"].map(|name| log.join(name));
    std::fs::create_dir(&older).expect("made");
    for file in std::fs::read_dir(&segments).expect("there") {
        let file = file.expect("read");
        std::fs::copy(file.path(), older.join(file.file_name())).expect("copied");
    }
    grow(dir.path(), 10).await;
    // An old copy of the segments is put back, and the checkpoint taken away: the levels still tell.
    std::fs::remove_dir_all(&segments).expect("removed");
    std::fs::rename(&older, &segments).expect("renamed");
    std::fs::remove_file(log.join("checkpoint")).expect("removed");
    let error = Journal::open(options(dir.path()), key()).expect_err("refused");
    assert!(matches!(error, OpenError::Behind { size: 10, checkpoint: 20 }), "{error}");
    let report = verify(dir.path(), &mut |_| {}).expect("reads");
    assert_eq!(report.logs[0].damage.first().map(|damage| &*damage.file), Some("levels/checkpoint"));
}

#[tokio::test]
async fn an_older_head_convicts_a_log_that_was_rolled_back_and_went_on_otherwise() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let heads = grow(dir.path(), 10).await;
    let other = tempfile::tempdir().expect("temporary directory");
    let (journal, _) = Journal::open(options(other.path()), key()).expect("opens");
    for number in 0..20_u64 {
        let body = if number < 8 { number.to_le_bytes() } else { [7; 8] };
        journal.append(entry(1, Role::Single, &body, b""), Urgency::Now, None).expect("taken").durable().await;
    }
    journal.close().await.expect("closes");
    let (levels, head, _) = read::levels(other.path()).expect("levels");
    assert!(ConsistencyProof::of(&heads[7], &levels, &head).is_ok(), "the same eight entries");
    assert!(matches!(ConsistencyProof::of(&heads[8], &levels, &head), Err(ProofError::Forked)));
}

#[tokio::test]
async fn a_running_log_proves_what_it_has_acknowledged() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (journal, _) = Journal::open(options(dir.path()), key()).expect("opens");
    let mut receipts = Vec::new();
    for number in 0..40_u64 {
        let appended = journal.append(entry(1, Role::Single, &number.to_le_bytes(), b""), Urgency::Now, None).expect("taken");
        receipts.push(appended.durable().await.into_receipt());
        let (levels, head) = journal.tree().expect("a tree");
        // The levels may be one commit behind the acknowledgement, never more.
        assert!(head.size() + 1 >= journal.size(), "{} of {}", head.size(), journal.size());
        for receipt in receipts.iter().filter(|receipt| receipt.index < head.size()) {
            assert_eq!(*InclusionProof::of(receipt.index, &levels, &head).expect("proven").leaf_hash(), receipt.leaf_hash);
        }
    }
}
