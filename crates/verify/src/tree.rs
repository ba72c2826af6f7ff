//! The tree of RFC 6962 section 2.1, and the checks of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
//!
//! Both checks follow a path of hashes upwards and look where it ends. A path says nothing about a size or
//! a root by itself: the same path fits several sizes. What ties size and root together is the signature of
//! the [`checkpoint`](crate::checkpoint) both are taken from.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The largest tree that is read, 2⁶² leaves. No proof in it has more than [`PROOF_HASHES_MAX`] hashes.
pub const SIZE_MAX: u64 = 1 << 62;

/// The most hashes a proof may have.
pub const PROOF_HASHES_MAX: usize = 63;

/// The hash of a leaf's bytes (RFC 6962 section 2.1): their prefix keeps leaves and nodes apart.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// The hash of two subtrees side by side (RFC 6962 section 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1).
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// How many hashes the path of a leaf has (RFC 6962 section 2.1.1): one for each level at which the leaf's
/// subtree has a neighbour. Without meaning unless `index < size`.
#[must_use]
pub fn inclusion_path_hashes(index: u64, size: u64) -> usize {
    let last = size.saturating_sub(1);
    // Below the level at which the ways to the leaf and to the last leaf part, every level has a neighbour;
    // above it the leaf is at the right edge, where only a left neighbour can be.
    let inner = u64::BITS - (index ^ last).leading_zeros();
    let edge = index.checked_shr(inner).unwrap_or(0).count_ones();
    usize::try_from(inner + edge).unwrap_or(usize::MAX)
}

/// The root that `path` leads to from a leaf, or nothing where the path has not exactly the right length.
///
/// RFC 9162 section 2.1.3.2, for a leaf at `index` (from 0) in a tree of `size` leaves.
#[must_use]
pub fn root_of_inclusion(index: u64, size: u64, leaf_hash: &Hash, path: &[Hash]) -> Option<Hash> {
    if index >= size || size > SIZE_MAX {
        return None;
    }
    let mut way = Way { node: index, last: size - 1 };
    let mut hash = *leaf_hash;
    for neighbour in path {
        hash = match way.up()? {
            Side::Left => node_hash(neighbour, &hash),
            Side::Right => node_hash(&hash, neighbour),
        };
    }
    way.is_at_root().then_some(hash)
}

/// Whether a tree of `to` leaves begins with the tree of `from` leaves (RFC 9162 section 2.1.4.2).
///
/// Equal sizes need equal roots and no path; everything begins with the empty tree, again without a path.
#[must_use]
pub fn is_consistent(from: u64, to: u64, from_root: &Hash, to_root: &Hash, path: &[Hash]) -> bool {
    if from > to || to > SIZE_MAX {
        return false;
    }
    if from == to {
        return path.is_empty() && from_root == to_root;
    }
    if from == 0 {
        return path.is_empty() && *from_root == empty_root();
    }
    // A size that is a power of two is itself a whole subtree of the larger tree: the path leaves it out.
    let (start, rest) = if from.is_power_of_two() {
        (from_root, path)
    } else {
        let Some((first, rest)) = path.split_first() else { return false };
        (first, rest)
    };
    let mut way = Way { node: from - 1, last: to - 1 };
    way.skip_right_children();
    let (mut old, mut new) = (*start, *start);
    for neighbour in rest {
        match way.up() {
            None => return false,
            Some(Side::Left) => {
                old = node_hash(neighbour, &old);
                new = node_hash(neighbour, &new);
            }
            Some(Side::Right) => new = node_hash(&new, neighbour),
        }
    }
    way.is_at_root() && old == *from_root && new == *to_root
}

/// Where the neighbour stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root: its number on its level, and that of the last node there
/// (`fn` and `sn` of RFC 9162).
struct Way {
    node: u64,
    last: u64,
}

impl Way {
    /// One step up, past levels at which the node has no neighbour; nothing at the root.
    fn up(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last { Side::Left } else { Side::Right };
        if matches!(side, Side::Left) {
            while self.node & 1 == 0 && self.node != 0 {
                self.halve();
            }
        }
        self.halve();
        Some(side)
    }

    /// Up while the node is a right child: where a consistency proof begins.
    fn skip_right_children(&mut self) {
        while self.node & 1 == 1 {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    fn is_at_root(&self) -> bool {
        self.last == 0
    }
}
