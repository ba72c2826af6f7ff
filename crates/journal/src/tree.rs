//! The Merkle tree of RFC 6962 section 2.1: pure values, no storage.
//!
//! A [`CompactRange`] is all a log must remember to go on appending: one hash per set bit of its
//! size. A [`BatchTree`] joins one batch of new leaves to it and can then give the inclusion path
//! of each of them, without any stored level: every left neighbour on the way is in the compact
//! range, everything else is in the batch.

use crate::hash::{Hash, node_hash};

/// The complete subtrees that make up a tree of `size` leaves, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    nodes: Vec<Hash>,
}

impl CompactRange {
    /// A range from its parts, when they fit: one node per set bit of `size`.
    #[must_use]
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (nodes.len() == size.count_ones() as usize).then_some(Self { size, nodes })
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The subtrees' hashes, largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Adds one leaf, or one more complete subtree of a common size.
    ///
    /// # Panics
    /// Never: there is one node per set bit of the size.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut rest = self.size;
        while rest & 1 == 1 {
            let left = self.nodes.pop().expect("one node per set bit");
            hash = node_hash(&left, &hash);
            rest >>= 1;
        }
        self.nodes.push(hash);
        self.size += 1;
    }

    /// The tree's root; SHA-256 of nothing for the empty tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(last) = nodes.next() else { return Hash::of(b"") };
        nodes.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The subtree of 2^`level` leaves, when bit `level` of the size is set.
    fn node(&self, level: u32) -> Option<Hash> {
        let above = self.size.checked_shr(level + 1).unwrap_or(0).count_ones() as usize;
        (self.size >> level & 1 == 1).then(|| self.nodes[above])
    }
}

/// A batch of leaves joined to the tree before it.
#[derive(Debug)]
pub struct BatchTree {
    before: u64,
    size: u64,
    /// Per level: index of its first node here, and where that stands in `nodes`.
    levels: Vec<(u64, usize)>,
    nodes: Vec<Hash>,
    /// `edge[l]`: hash of the leaves from the last multiple of 2^l to the end, where there are any.
    edge: Vec<Option<Hash>>,
}

impl BatchTree {
    /// Joins `leaves` to the tree `before`: one hash per inner node that is completed.
    #[must_use]
    pub fn new(before: &CompactRange, leaves: &[Hash]) -> Self {
        let first = before.size;
        let size = first + leaves.len() as u64;
        let height = u64::BITS - size.leading_zeros();
        let mut tree = Self {
            before: first,
            size,
            levels: Vec::with_capacity(height as usize),
            nodes: Vec::with_capacity(leaves.len() * 2 + 128),
            edge: Vec::with_capacity(height as usize + 1),
        };
        for level in 0..height {
            let start = tree.nodes.len();
            // The level begins at an even index: either the left neighbour from before, or the first new node.
            tree.nodes.extend(before.node(level));
            match tree.levels.last().copied() {
                None => tree.nodes.extend_from_slice(leaves),
                Some((_, below)) => {
                    for pair in below..below + (start - below) / 2 {
                        let left = below + (pair - below) * 2;
                        let parent = node_hash(&tree.nodes[left], &tree.nodes[left + 1]);
                        tree.nodes.push(parent);
                    }
                }
            }
            tree.levels.push((first >> level & !1, start));
        }
        tree.edge.push(None);
        for level in 0..height {
            let below = tree.edge[level as usize];
            let edge = if size >> level & 1 == 1 {
                let left = tree.node(level, (size >> level) - 1);
                Some(below.map_or(left, |right| node_hash(&left, &right)))
            } else {
                below
            };
            tree.edge.push(edge);
        }
        tree
    }

    /// Leaves in the tree before the batch.
    #[must_use]
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Leaves in the tree with the batch.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The batch's leaves.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        // The lowest level begins at an even index, and ends where the next begins.
        let (first, end) = match &*self.levels {
            [] => return &[],
            [(first, _)] => (*first, self.nodes.len()),
            [(first, _), (_, end), ..] => (*first, *end),
        };
        &self.nodes[usize::from(first < self.before)..end]
    }

    /// Root with the batch.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge.last().copied().flatten().unwrap_or_else(|| Hash::of(b""))
    }

    /// What to remember for the next batch.
    #[must_use]
    pub fn after(&self) -> CompactRange {
        let levels = (0..u64::BITS - self.size.leading_zeros()).rev();
        let nodes = levels.filter(|level| self.size >> level & 1 == 1).map(|level| self.node(level, (self.size >> level) - 1));
        CompactRange { size: self.size, nodes: nodes.collect() }
    }

    /// The inclusion path of a leaf of this batch (RFC 6962 section 2.1.1), nothing for any other index.
    ///
    /// # Panics
    /// Never: every node on the way is in the batch or stood left of it.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        if index < self.before || index >= self.size {
            return None;
        }
        let (inner, border) = path_shape(index, self.size);
        let mut path = Vec::with_capacity((inner + border) as usize);
        for level in 0..inner {
            let sibling = index >> level ^ 1;
            let complete = sibling < self.size >> level;
            path.push(if complete {
                self.node(level, sibling)
            } else {
                self.edge[level as usize].expect("a sibling below the last leaf's branch has leaves")
            });
        }
        let height = u64::BITS - self.size.leading_zeros();
        path.extend((inner..height).filter(|level| index >> level & 1 == 1).map(|level| self.node(level, (index >> level) - 1)));
        Some(path)
    }

    fn node(&self, level: u32, index: u64) -> Hash {
        let (first, start) = self.levels[level as usize];
        self.nodes[start + usize::try_from(index - first).expect("a node of this batch")]
    }
}

/// Steps of an inclusion path: below the branch towards the last leaf, and along the left border above it.
fn path_shape(index: u64, size: u64) -> (u32, u32) {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner, border)
}

/// Whether `proof` leads from the leaf at `index` to the root of a tree of `size` leaves.
///
/// The length must be exactly right, so one fact has one proof.
#[must_use]
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (inner, border) = path_shape(index, size);
    if proof.len() != (inner + border) as usize {
        return false;
    }
    let (below, along) = proof.split_at(inner as usize);
    let mut hash = *leaf;
    for (level, sibling) in below.iter().enumerate() {
        hash = if index >> level & 1 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
    }
    for left in along {
        hash = node_hash(left, &hash);
    }
    hash == *root
}

/// Whether `proof` shows that the tree of `new` leaves begins with that of `old` (RFC 9162 section 2.1.4.2).
///
/// The empty tree begins every tree, and every tree itself, without a hash.
#[must_use]
pub fn verify_consistency(old: u64, new: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old == new {
        let root = if old == new { new_root } else { &Hash::of(b"") };
        return proof.is_empty() && old_root == root;
    }
    let mut hashes = proof.iter();
    // Where the old tree is one complete subtree, its root begins the path.
    let first = if old.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let (Some(first), true) = (first, old < new) else { return false };
    let (mut at_old, mut at_new) = (old - 1, new - 1);
    let complete = at_old.trailing_ones();
    (at_old, at_new) = (at_old >> complete, at_new >> complete);
    let (mut root_old, mut root_new) = (*first, *first);
    for hash in hashes {
        if at_new == 0 {
            return false;
        }
        if at_old & 1 == 1 || at_old == at_new {
            root_old = node_hash(hash, &root_old);
            root_new = node_hash(hash, &root_new);
            // Up to the next right turn, or the top.
            while at_old & 1 == 0 && at_old != 0 {
                (at_old, at_new) = (at_old >> 1, at_new >> 1);
            }
        } else {
            root_new = node_hash(&root_new, hash);
        }
        (at_old, at_new) = (at_old >> 1, at_new >> 1);
    }
    at_new == 0 && root_old == *old_root && root_new == *new_root
}
