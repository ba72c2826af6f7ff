//! The tree against known answers and against another implementation.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use crate::hash::{Hash, leaf_hash};
use crate::tree::{BatchTree, CompactRange, verify_inclusion};

/// The leaves of the certificate-transparency test vectors, and the root after each.
const KNOWN: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
];

/// The leaf hashes of the vectors.
pub(super) fn known_leaves() -> Vec<Hash> {
    KNOWN.iter().map(|(leaf, _)| leaf_hash(&[], &hex(leaf))).collect()
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex")).collect()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut range = CompactRange::default();
    assert_eq!(range.root().0[..], hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    for (leaf, root) in KNOWN {
        range.push(leaf_hash(&[], &hex(leaf)));
        assert_eq!(range.root().0[..], hex(root));
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&[], &number.to_le_bytes())).collect()
}

fn reference(count: u64) -> MemoryBackedTree<Sha256, [u8; 8]> {
    let mut tree = MemoryBackedTree::new();
    (0..count).for_each(|number: u64| tree.push(number.to_le_bytes()));
    tree
}

/// A log of `before` leaves and a batch up to `size`, compared in everything with ct-merkle.
fn compare(before: u64, size: u64) {
    let leaves = leaves(size);
    let reference = reference(size);
    let split = usize::try_from(before).expect("small");
    let mut range = CompactRange::default();
    leaves[..split].iter().for_each(|leaf| range.push(*leaf));
    let batch = BatchTree::new(&range, &leaves[split..]);
    leaves[split..].iter().for_each(|leaf| range.push(*leaf));
    assert_eq!(batch.after(), range, "{before}..{size}");
    assert_eq!(batch.root(), range.root());
    assert_eq!(batch.root().0[..], reference.root().as_bytes()[..]);
    for index in before..size {
        let at = usize::try_from(index).expect("small");
        let path = batch.path(index).expect("in the batch");
        let bytes: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
        assert_eq!(bytes, reference.prove_inclusion(at).as_bytes(), "{index} of {before}..{size}");
        assert!(verify_inclusion(index, size, &leaves[at], &path, &batch.root()));
    }
    assert_eq!(batch.path(size), None);
    assert_eq!(before.checked_sub(1).and_then(|index| batch.path(index)), None);
}

#[test]
fn every_small_tree_and_batch_agrees_with_another_implementation() {
    for size in 0..40 {
        for before in 0..=size {
            compare(before, size);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn larger_trees_agree_too(before in 0_u64..1500, count in 1_u64..300) {
        compare(before, before + count);
    }

    #[test]
    fn a_path_proves_one_thing_only(size in 1_u64..300, at: prop::sample::Index, bit in 0_usize..256, other: prop::sample::Index) {
        let index = at.index(usize::try_from(size).expect("small")) as u64;
        let leaves = leaves(size);
        let batch = BatchTree::new(&CompactRange::default(), &leaves);
        let (leaf, root) = (leaves[usize::try_from(index).expect("small")], batch.root());
        let path = batch.path(index).expect("in the batch");
        let flip = |hash: Hash| { let mut hash = hash; hash.0[bit / 8] ^= 1 << (bit % 8); hash };
        prop_assert!(!verify_inclusion(index, size, &flip(leaf), &path, &root));
        prop_assert!(!verify_inclusion(index, size, &leaf, &path, &flip(root)));
        if !path.is_empty() {
            let mut changed = path.clone();
            let at = other.index(changed.len());
            changed[at] = flip(changed[at]);
            prop_assert!(!verify_inclusion(index, size, &leaf, &changed, &root));
            prop_assert!(!verify_inclusion(index, size, &leaf, &path[1..], &root));
        }
        let longer: Vec<Hash> = path.iter().copied().chain([root]).collect();
        prop_assert!(!verify_inclusion(index, size, &leaf, &longer, &root));
        let elsewhere = other.index(usize::try_from(size).expect("small")) as u64;
        prop_assert!(elsewhere == index || !verify_inclusion(elsewhere, size, &leaf, &path, &root));
        prop_assert!(!verify_inclusion(size, size, &leaf, &path, &root));
        prop_assert!(!verify_inclusion(u64::MAX, size, &leaf, &path, &root));
    }
}
