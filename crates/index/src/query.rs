//! A query and what it finds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use crate::block::{BLOCK_ENTRIES, Places, Row, Spot};
use crate::term::Term;

/// One of several terms, any of which will do, and when entries may carry it: a person's token is another each month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The term.
    pub term: Term,
    /// Unix milliseconds between which entries carry it.
    pub valid: RangeInclusive<u64>,
}

impl Alternative {
    /// A term that entries of any time carry.
    #[must_use]
    pub fn always(term: Term) -> Self {
        Self { term, valid: 0..=u64::MAX }
    }
}

/// Which entries to find.
#[derive(Debug, Clone)]
pub struct Query {
    /// An entry must carry one term of each group; without groups every entry will do. The rarest first is fastest.
    pub groups: Vec<Vec<Alternative>>,
    /// Unix milliseconds between which the entries were written.
    pub times: RangeInclusive<u64>,
    /// Only entries with a smaller index.
    pub before: u64,
    /// Most entries to find.
    pub limit: usize,
    /// When to stop looking and give what was found so far.
    pub until: Instant,
}

impl Query {
    /// The terms of a group that entries between two times may carry.
    pub(crate) fn terms<'a>(group: &'a [Alternative], times: &'a RangeInclusive<u64>) -> impl Iterator<Item = Term> + 'a {
        group.iter().filter(|one| overlap(&one.valid, times)).map(|one| one.term)
    }
}

/// Whether two ranges have something in common.
pub(crate) fn overlap(one: &RangeInclusive<u64>, other: &RangeInclusive<u64>) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}

/// An entry found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Its index.
    pub index: u64,
    /// When, unix milliseconds.
    pub at: u64,
    /// Where it stands.
    pub spot: Spot,
}

/// What a query found, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The entries.
    pub hits: Vec<Hit>,
    /// Where to go on: there may be more before this index. None when everything was looked at.
    pub next: Option<u64>,
}

impl Found {
    /// Takes the hits of a block, newest first; `true` when that is enough.
    pub(crate) fn take(&mut self, query: &Query, block: u64, mut places: Places, row: impl Fn(u16) -> Option<(u64, Spot)>) -> bool {
        let first = block * BLOCK_ENTRIES;
        places.keep_below(query.before.saturating_sub(first));
        for place in places.descending() {
            let Some((at, spot)) = row(place) else { continue };
            if !query.times.contains(&at) {
                continue;
            }
            let index = first + u64::from(place);
            if self.hits.len() == query.limit {
                self.next = Some(index + 1);
                return true;
            }
            self.hits.push(Hit { index, at, spot });
        }
        false
    }
}

/// What the rows of an unfinished block answer to a query.
pub(crate) fn in_memory(query: &Query, rows: &[Row]) -> Places {
    let mut found = Places::NONE;
    for (place, row) in (0_u16..).zip(rows) {
        let carries = |group: &Vec<Alternative>| group.iter().any(|one| one.valid.contains(&row.at) && row.terms.contains(&one.term));
        if query.groups.iter().all(carries) {
            found.add(place);
        }
    }
    found
}

/// The blocks whose entries carry one term of each group, with the places of those that do. `look` gives a
/// term's places block by block.
pub(crate) fn meet_groups<E>(
    query: &Query,
    times: &RangeInclusive<u64>,
    mut look: impl FnMut(Term, &mut dyn FnMut(u64, Places)) -> Result<(), E>,
) -> Result<Option<BTreeMap<u64, Places>>, E> {
    let mut met: Option<BTreeMap<u64, Places>> = None;
    for group in &query.groups {
        let mut joined: BTreeMap<u64, Places> = BTreeMap::new();
        for term in Query::terms(group, times) {
            look(term, &mut |block, places| {
                if met.as_ref().is_none_or(|met| met.contains_key(&block)) {
                    joined.entry(block).or_insert(Places::NONE).join(&places);
                }
            })?;
        }
        if let Some(met) = &met {
            joined.retain(|block, places| {
                met.get(block).is_some_and(|before| {
                    places.meet(before);
                    !places.is_empty()
                })
            });
        }
        if joined.is_empty() {
            return Ok(Some(joined));
        }
        met = Some(joined);
    }
    Ok(met)
}
