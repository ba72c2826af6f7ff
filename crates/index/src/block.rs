//! A block: up to [`BLOCK_ENTRIES`] entries that follow each other, in memory and as bytes.

use std::collections::BTreeMap;

use seal::Identity;

use crate::term::Term;

/// Entries of a block. Block *n* holds those from `n * BLOCK_ENTRIES` on.
pub const BLOCK_ENTRIES: u64 = 4096;
const WORDS: usize = 64;

/// Where an entry stands in the log's files: opaque here, given back with a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spot {
    /// The segment, by its first index.
    pub segment: u64,
    /// Byte in the segment where the entry's frame begins.
    pub frame: u64,
}

/// An entry as the index takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When, unix milliseconds.
    pub at: u64,
    /// Where.
    pub spot: Spot,
    /// What it is found by; the same term twice counts once.
    pub terms: Vec<Term>,
    /// Identities that it says are one person's; mostly none.
    pub same: Vec<Identity>,
}

/// A set of places in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places([u64; WORDS]);

impl Places {
    pub(crate) const NONE: Self = Self([0; WORDS]);
    pub(crate) const ALL: Self = Self([u64::MAX; WORDS]);

    pub(crate) fn add(&mut self, place: u16) {
        let place = usize::from(place) % (WORDS * 64);
        self.0[place / 64] |= 1 << (place % 64);
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
    }

    pub(crate) fn meet(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own &= other);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Takes away the places from one on.
    pub(crate) fn keep_below(&mut self, place: u64) {
        for (number, word) in (0_u64..).zip(self.0.iter_mut()) {
            let bits = place.saturating_sub(number * 64).min(64);
            *word &= if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        }
    }

    /// The places, highest first.
    pub(crate) fn descending(&self) -> impl Iterator<Item = u16> + '_ {
        (0..u16::try_from(WORDS * 64).unwrap_or(u16::MAX)).rev().filter(|place| {
            let place = usize::from(*place);
            self.0[place / 64] >> (place % 64) & 1 == 1
        })
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The places as a rising list of two bytes each, or all bits where that is shorter.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if self.count() < 256 {
            let mut places: Vec<u16> = self.descending().collect();
            places.reverse();
            places.iter().flat_map(|place| place.to_le_bytes()).collect()
        } else {
            self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut places = Self::NONE;
        if bytes.len() == WORDS * 8 {
            let (words, _) = bytes.as_chunks::<8>();
            places.0.iter_mut().zip(words).for_each(|(own, word)| *own = u64::from_le_bytes(*word));
        } else {
            let (pairs, rest) = bytes.as_chunks::<2>();
            if !rest.is_empty() || pairs.len() >= 256 {
                return None;
            }
            for pair in pairs {
                places.add(Some(u16::from_le_bytes(*pair)).filter(|place| u64::from(*place) < BLOCK_ENTRIES)?);
            }
        }
        (places.encode() == bytes).then_some(places)
    }
}

/// Which entries of a block carry which term, by rising term.
pub(crate) fn postings(rows: &[Row]) -> BTreeMap<Term, Places> {
    let mut postings = BTreeMap::new();
    for (place, row) in (0_u16..).zip(rows) {
        for term in &row.terms {
            postings.entry(*term).or_insert(Places::NONE).add(place);
        }
    }
    postings
}

/// Time and spot of each entry of a block: differences to the entry before, each as a zigzag number of as many
/// bytes as it takes.
pub(crate) fn encode_rows(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * 6);
    let mut before = [0_u64; 3];
    for row in rows {
        let now = [row.at, row.spot.segment, row.spot.frame];
        for (now, before) in now.iter().zip(before) {
            put(&mut bytes, now.wrapping_sub(before));
        }
        before = now;
    }
    bytes
}

/// Reads back what [`encode_rows`] wrote; nothing where it is not that, or not of exactly as many entries.
pub(crate) fn decode_rows(mut bytes: &[u8], count: usize) -> Option<Vec<(u64, Spot)>> {
    let mut rows = Vec::with_capacity(count);
    let mut row = [0_u64; 3];
    for _ in 0..count {
        for part in &mut row {
            *part = part.wrapping_add(take(&mut bytes)?);
        }
        let [at, segment, frame] = row;
        rows.push((at, Spot { segment, frame }));
    }
    bytes.is_empty().then_some(rows)
}

/// A difference: zigzag, seven bits a byte, lowest first, the top bit set on all but the last.
fn put(bytes: &mut Vec<u8>, difference: u64) {
    let mut rest = (difference << 1) ^ (difference.cast_signed() >> 63).cast_unsigned();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((number >> 1) ^ (number & 1).wrapping_neg());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_read_back(places in btree_set(0_u16..4096, 0..700), below in 0_u64..5000) {
            let mut set = Places::NONE;
            places.iter().for_each(|place| set.add(*place));
            prop_assert_eq!(Places::decode(&set.encode()), Some(set));
            prop_assert_eq!(set.descending().collect::<Vec<_>>(), places.iter().rev().copied().collect::<Vec<_>>());
            set.keep_below(below);
            prop_assert_eq!(
                set.descending().collect::<Vec<_>>(),
                places.into_iter().rev().filter(|place| u64::from(*place) < below).collect::<Vec<_>>()
            );
        }

        #[test]
        fn rows_read_back(rows in vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..50)) {
            let rows: Vec<Row> =
                rows.into_iter().map(|(at, segment, frame)| Row { at, spot: Spot { segment, frame }, terms: Vec::new(), same: Vec::new() }).collect();
            let read: Vec<(u64, Spot)> = rows.iter().map(|row| (row.at, row.spot)).collect();
            prop_assert_eq!(decode_rows(&encode_rows(&rows), rows.len()), Some(read));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, count in 0_usize..100) {
            if let Some(places) = Places::decode(&bytes) {
                prop_assert_eq!(places.encode(), bytes.clone());
            }
            decode_rows(&bytes, count);
        }
    }
}
