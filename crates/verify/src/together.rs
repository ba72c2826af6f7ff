//! What several files prove of each other: that one log has signed two histories, or that nothing ties two heads.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Head;
use crate::encoding::base64_of;
use crate::receipt::Entry;
use crate::report::{Finding, Level};
use crate::words::Says;

/// A head that may be the log's.
#[derive(Debug, Clone, Copy)]
pub struct SeenHead<'a> {
    /// Where it was seen.
    pub file: &'a str,
    /// What it says.
    pub head: &'a Head,
    /// Whether the log's signature was verified.
    pub signed: bool,
    /// Whether it was given for its own sake, as a checkpoint is: then how it is tied to others is asked for.
    pub is_asked_about: bool,
    /// A signed head that a consistency proof ties it to.
    pub grows_to: Option<&'a Head>,
}

/// An entry that a path leads to.
#[derive(Debug, Clone, Copy)]
pub struct SeenEntry<'a> {
    /// Where the path was seen.
    pub file: &'a str,
    /// What it leads from.
    pub entry: &'a Entry,
    /// Whether the log's signature on the path's head was verified.
    pub signed: bool,
}

/// Compares everything with everything.
#[must_use]
pub fn compare(heads: &[SeenHead<'_>], entries: &[SeenEntry<'_>]) -> Vec<Finding> {
    let mut findings = two_roots(heads);
    findings.extend(two_entries(entries));
    findings.extend(untied(heads));
    findings
}

/// RFC 6962 section 2.1: one size has one root. A log that has signed two is convicted by them.
fn two_roots(heads: &[SeenHead<'_>]) -> Vec<Finding> {
    let seen = heads.iter().map(|seen| ((&seen.head.origin, seen.head.size), seen.head.root, seen.file, seen.signed));
    contradictions(seen)
        .into_iter()
        .map(|((origin, size), contradiction)| {
            let [(first_root, first_file), (second_root, second_file)] = contradiction.sides;
            let (origin, first_file, second_file) = (origin.clone(), first_file.to_owned(), second_file.to_owned());
            if contradiction.signed {
                let (first_root, second_root) = (base64_of(&first_root), base64_of(&second_root));
                Finding::new(Level::Fork, Says::Fork { origin, size, first_root, first_file, second_root, second_file })
            } else {
                Finding::new(Level::Refused, Says::TwoRoots { origin, size, first_file, second_file })
            }
        })
        .collect()
}

/// An append-only log has one entry at a place, whatever its size. Signed heads that show two convict it.
fn two_entries(entries: &[SeenEntry<'_>]) -> Vec<Finding> {
    let seen = entries.iter().map(|seen| ((&seen.entry.origin, seen.entry.index), seen.entry.leaf_hash, seen.file, seen.signed));
    contradictions(seen)
        .into_iter()
        .map(|((origin, index), contradiction)| {
            let [(_, first_file), (_, second_file)] = contradiction.sides;
            let (origin, first_file, second_file) = (origin.clone(), first_file.to_owned(), second_file.to_owned());
            if contradiction.signed {
                Finding::new(Level::Fork, Says::Rewritten { origin, index, first_file, second_file })
            } else {
                Finding::new(Level::Refused, Says::TwoEntries { origin, index, first_file, second_file })
            }
        })
        .collect()
}

/// Two values, with their files, where there can be one.
struct Contradiction<'a, V> {
    sides: [(V, &'a str); 2],
    signed: bool,
}

/// Subjects that are said to have more than one value. For one log either all are signed or, without its key, none:
/// what is wrongly signed does not come here.
fn contradictions<'a, S: Ord, V: Ord + Copy>(seen: impl Iterator<Item = (S, V, &'a str, bool)>) -> Vec<(S, Contradiction<'a, V>)> {
    let mut values: BTreeMap<S, BTreeMap<V, (&str, bool)>> = BTreeMap::new();
    for (subject, value, file, signed) in seen {
        values.entry(subject).or_default().entry(value).or_insert((file, signed));
    }
    let mut found = Vec::new();
    for (subject, values) in values {
        let mut values = values.into_iter();
        if let (Some((first, (first_file, first_signed))), Some((second, (second_file, second_signed)))) = (values.next(), values.next()) {
            let sides = [(first, first_file), (second, second_file)];
            found.push((subject, Contradiction { sides, signed: first_signed && second_signed }));
        }
    }
    found
}

/// Neighbouring sizes of a log that no consistency proof ties together.
///
/// Neighbours are enough: what begins with what is transitive. Where a checkpoint was given for its own sake,
/// the missing tie is a question left open; between the heads of receipts it is only a limit of what they prove.
fn untied(heads: &[SeenHead<'_>]) -> Vec<Finding> {
    let mut sizes: BTreeMap<&str, BTreeMap<u64, (&Head, bool)>> = BTreeMap::new();
    let mut growth: BTreeMap<&Head, BTreeSet<&Head>> = BTreeMap::new();
    for seen in heads {
        let known = sizes.entry(&seen.head.origin).or_default().entry(seen.head.size).or_insert((seen.head, false));
        known.1 |= seen.is_asked_about;
        if let (Some(to), true) = (seen.grows_to, seen.signed) {
            growth.entry(seen.head).or_default().insert(to);
        }
    }
    let mut findings = Vec::new();
    for (origin, sizes) in sizes {
        // One gap leaves the whole way open, so of those nobody asked about only the outermost sizes are told.
        let mut unasked: Option<(u64, u64)> = None;
        for ((&smaller, small), (&larger, large)) in sizes.iter().zip(sizes.iter().skip(1)) {
            // Both are beginnings of one tree, then the smaller is one of the larger.
            let tied = smaller == 0 || !reach(small.0, &growth).is_disjoint(&reach(large.0, &growth));
            if tied {
                continue;
            }
            if small.1 || large.1 {
                findings.push(Finding::new(Level::Unproven, Says::Untied { origin: origin.to_owned(), smaller, larger }));
            } else {
                unasked = Some((unasked.map_or(smaller, |(from, _)| from), larger));
            }
        }
        findings.extend(
            unasked.map(|(smaller, larger)| Finding::new(Level::Limit, Says::Untied { origin: origin.to_owned(), smaller, larger })),
        );
    }
    findings
}

/// The heads that a head is proven to be a beginning of, itself among them.
fn reach<'a>(from: &'a Head, growth: &BTreeMap<&'a Head, BTreeSet<&'a Head>>) -> BTreeSet<&'a Head> {
    let mut reached = BTreeSet::from([from]);
    let mut next = vec![from];
    while let Some(head) = next.pop() {
        for &to in growth.get(head).into_iter().flatten() {
            if reached.insert(to) {
                next.push(to);
            }
        }
    }
    reached
}
