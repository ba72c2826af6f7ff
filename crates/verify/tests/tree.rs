//! The arithmetic: known answers of the widely used RFC 6962 test tree, and laws over all small trees.

use proptest::prelude::*;
use proptest::sample::Index;
use verify::tree::{Hash, empty_root, inclusion_path_hashes, is_consistent, leaf_hash, root_of_inclusion};

use crate::support::{consistency, leaves, path, root};

const LEAVES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const LEAF_6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const NODE_2_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const NODE_4_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const NODE_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const NODE_6_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex")).collect()
}

fn hash(text: &str) -> Hash {
    hex(text).try_into().expect("32 bytes")
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| hash(text)).collect()
}

#[test]
fn the_known_tree_has_its_known_roots() {
    let leaves: Vec<Hash> = LEAVES.iter().map(|leaf| leaf_hash(&hex(leaf))).collect();
    assert_eq!(empty_root(), hash(ROOTS[0]));
    for size in 0..=8 {
        assert_eq!(root(&leaves[..size]), hash(ROOTS[size]), "{size} leaves");
    }
}

#[test]
fn known_inclusion_paths_verify() {
    let check = |index: u64, size: usize, path: &[&str]| {
        let leaf = leaf_hash(&hex(LEAVES[usize::try_from(index).expect("small")]));
        assert_eq!(root_of_inclusion(index, size as u64, &leaf, &hashes(path)), Some(hash(ROOTS[size])), "{index} of {size}");
    };
    check(0, 1, &[]);
    check(0, 8, &[LEAF_1, NODE_2_3, NODE_4_7]);
    check(5, 8, &[LEAF_4, NODE_6_7, ROOTS[4]]);
    check(2, 3, &[ROOTS[2]]);
    check(1, 5, &[ROOTS[1], NODE_2_3, LEAF_4]);
    check(6, 7, &[NODE_4_5, ROOTS[4]]);
}

#[test]
fn known_consistency_paths_verify() {
    let check = |from: usize, to: usize, path: &[&str]| {
        assert!(is_consistent(from as u64, to as u64, &hash(ROOTS[from]), &hash(ROOTS[to]), &hashes(path)), "{from} to {to}");
    };
    check(1, 1, &[]);
    check(1, 8, &[LEAF_1, NODE_2_3, NODE_4_7]);
    check(6, 8, &[NODE_4_5, NODE_6_7, ROOTS[4]]);
    check(2, 5, &[NODE_2_3, LEAF_4]);
    check(6, 7, &[NODE_4_5, LEAF_6, ROOTS[4]]);
    check(0, 8, &[]);
    check(0, 0, &[]);
}

#[test]
fn every_proof_of_every_small_tree_verifies_and_none_for_another_place() {
    for size in 1..=33_usize {
        let leaves = leaves(size as u64);
        let head = root(&leaves);
        for index in 0..size {
            let path = path(index, &leaves);
            assert_eq!(path.len(), inclusion_path_hashes(index as u64, size as u64));
            for other in 0..size + 2 {
                let led = root_of_inclusion(other as u64, size as u64, &leaves[index], &path);
                assert_eq!(led == Some(head), other == index, "{index} as {other} of {size}");
            }
        }
        for from in 0..=size {
            let (path, old) = (consistency(from, &leaves), root(&leaves[..from]));
            assert!(is_consistent(from as u64, size as u64, &old, &head, &path), "{from} to {size}");
            // Another older size with its own root: this path is not its path.
            for other in (0..=size).filter(|other| *other != from && consistency(*other, &leaves) != path) {
                assert!(!is_consistent(other as u64, size as u64, &root(&leaves[..other]), &head, &path), "{from} as {other} of {size}");
            }
        }
    }
}

#[test]
fn sizes_beyond_the_limit_and_impossible_places_are_refused_without_panic() {
    let any = [7; 32];
    for (index, size) in [(0, 0), (1, 1), (u64::MAX, u64::MAX), (0, u64::MAX), (5, 1 << 63), (u64::MAX, 0)] {
        assert_eq!(root_of_inclusion(index, size, &any, &[any; 63]), None);
        assert!(inclusion_path_hashes(index, size) <= 64);
    }
    for (from, to) in [(1, u64::MAX), (u64::MAX, u64::MAX), (2, 1), (1, (1 << 62) + 1), (0, u64::MAX)] {
        assert!(!is_consistent(from, to, &any, &any, &[any; 63]));
    }
    // A path too short to have left the old tree, for a log that gives two sizes one root.
    assert!(!is_consistent(3, 8, &any, &any, &[any]));
    assert!(!is_consistent(4, 8, &any, &any, &[]));
    // The deepest tree that is read: the last leaf and the first.
    assert_eq!(inclusion_path_hashes(0, 1 << 62), 62);
    assert!(root_of_inclusion((1 << 62) - 1, 1 << 62, &any, &[any; 62]).is_some());
    assert!(root_of_inclusion(0, 1 << 62, &any, &[any; 62]).is_some());
}

/// Every way to spoil a path that must be noticed.
fn spoilt(path: &[Hash], bit: Index) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    if !path.is_empty() {
        let bit = bit.index(path.len() * 256);
        let mut flipped = path.to_vec();
        flipped[bit / 256][bit / 8 % 32] ^= 1 << (bit % 8);
        all.push(flipped);
        all.push(path[1..].to_vec());
        all.push(path[..path.len() - 1].to_vec());
        let mut doubled = path.to_vec();
        doubled.insert(bit / 256, path[bit / 256]);
        all.push(doubled);
    }
    if path.len() > 1 {
        let mut swapped = path.to_vec();
        let at = bit.index(path.len() - 1);
        swapped.swap(at, at + 1);
        all.push(swapped);
        all.push(path.iter().rev().copied().collect());
    }
    all.push([path, &[[0; 32]]].concat());
    all.push([&[[0; 32]], path].concat());
    all
}

fn flip(mut hash: Hash, bit: Index) -> Hash {
    let bit = bit.index(256);
    hash[bit / 8] ^= 1 << (bit % 8);
    hash
}

proptest! {
    #[test]
    fn an_inclusion_path_verifies_and_no_spoilt_one_does(size in 1_usize..300, at: Index, bit: Index) {
        let (leaves, index) = (leaves(size as u64), at.index(size));
        let (head, path, leaf) = (root(&leaves), path(index, &leaves), leaves[index]);
        let (index, size) = (index as u64, size as u64);
        prop_assert_eq!(root_of_inclusion(index, size, &leaf, &path), Some(head));
        prop_assert_ne!(root_of_inclusion(index, size, &flip(leaf, bit), &path), Some(head));
        for spoilt in spoilt(&path, bit) {
            prop_assert_ne!(root_of_inclusion(index, size, &leaf, &spoilt), Some(head));
        }
        // A size at which the place has a path of another length.
        for other in (0..2 * size).filter(|other| *other <= index || inclusion_path_hashes(index, *other) != path.len()) {
            prop_assert_ne!(root_of_inclusion(index, other, &leaf, &path), Some(head));
        }
    }

    #[test]
    fn a_consistency_path_verifies_and_no_spoilt_one_does(to in 1_usize..300, at: Index, bit: Index) {
        let (leaves, from) = (leaves(to as u64), at.index(to + 1));
        let (old, new, path) = (root(&leaves[..from]), root(&leaves), consistency(from, &leaves));
        let (from, to) = (from as u64, to as u64);
        prop_assert!(is_consistent(from, to, &old, &new, &path));
        prop_assert!(!is_consistent(from, to, &flip(old, bit), &new, &path));
        // From nothing, everything grows: only the signature on the new head speaks for it.
        prop_assert!(from == 0 || !is_consistent(from, to, &old, &flip(new, bit), &path));
        prop_assert!(from == to || !is_consistent(to, from, &new, &old, &path));
        for spoilt in spoilt(&path, bit) {
            prop_assert!(!is_consistent(from, to, &old, &new, &spoilt));
        }
    }
}
