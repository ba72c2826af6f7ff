//! Comparisons within a dossier: where two sources disagree about the same person, both values are marked and the
//! disagreement is counted. Nothing is merged, nothing is corrected, and no value leaves for it.

use model::comparison::{Compared, Comparison};
use model::contract::Element;
use model::{ComparisonId, Facts, Snapshot};
use policy::Authorised;
use serde::Serialize;
use store::quality::What;

use crate::clock;
use crate::dossier::board::{Slot, State};
use crate::dossier::{OpenDossier, lock};
use crate::gateway::Gateway;
use crate::problem::Language;

/// That a value of an element disagrees with another element's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Mark {
    comparison: ComparisonId,
    /// What disagrees, in words.
    name: String,
    /// The path of the value.
    field: Box<str>,
    /// Whether this element's source is the primary one for it, as the contract says.
    primary: bool,
    against: Against,
}

/// What it disagrees with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Against {
    element: Box<str>,
    service: String,
    field: Box<str>,
}

/// An element with facts, as somebody may see them.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) person: usize,
    pub(super) element: &'a Element,
    pub(super) facts: &'a Facts,
    pub(super) authorised: &'a Authorised,
}

impl<'a> Seen<'a> {
    fn values(&self, side: &'a Compared) -> Option<Vec<&'a str>> {
        self.authorised.sight().compared(self.facts, side)
    }
}

/// The marks of each element, by place. Only where both values, and all that the comparison tells of, are shown.
pub(super) fn marks<'a>(seen: &[Option<Seen<'a>>], snapshot: &'a Snapshot, language: Language) -> Vec<Vec<Mark>> {
    let mut marks = vec![Vec::new(); seen.len()];
    let sides = |service: &'a Compared| {
        let of_service = move |seen: &Seen<'a>| seen.facts.service.id == service.service;
        seen.iter().enumerate().filter_map(|(place, seen)| Some((place, (*seen)?))).filter(move |(_, seen)| of_service(seen))
    };
    for comparison in snapshot.comparisons.values() {
        for (primary_place, primary) in sides(&comparison.primary) {
            for (other_place, other) in sides(&comparison.other).filter(|(_, other)| other.person == primary.person) {
                let values = primary.values(&comparison.primary).zip(other.values(&comparison.other));
                if values.and_then(|(primary, other)| comparison.agrees(&primary, &other)) == Some(false) {
                    marks[primary_place].push(mark(comparison, true, other.element, language));
                    marks[other_place].push(mark(comparison, false, primary.element, language));
                }
            }
        }
    }
    marks
}

fn mark(comparison: &Comparison, primary: bool, against: &Element, language: Language) -> Mark {
    let (own, opposite) = if primary { (&comparison.primary, &comparison.other) } else { (&comparison.other, &comparison.primary) };
    Mark {
        comparison: comparison.id.clone(),
        name: language.pick(&comparison.name.az, &comparison.name.en).to_owned(),
        field: own.path.clone(),
        primary,
        against: Against { element: against.name.clone(), service: opposite.service.to_string(), field: opposite.path.clone() },
    }
}

/// Counts what the element at a place, which has just been answered, comes to beside the others of the same person. Each
/// comparison is counted once a dossier and person; what a consumer may see makes no difference to the sums.
pub(super) fn count(gateway: &Gateway, dossier: &OpenDossier, place: usize) {
    let active = gateway.active();
    let comparisons = &active.snapshot.comparisons;
    if comparisons.is_empty() {
        return;
    }
    let mut board = lock(&dossier.board);
    let Some(person) = board.slots.get(place).map(|slot| slot.person) else { return };
    let facts_of = |side: &Compared, slots: &[Slot]| {
        slots.iter().filter(|slot| slot.person == person).find_map(|slot| match &slot.state {
            State::Known(known) => known.obtained.facts.clone().filter(|facts| facts.service.id == side.service),
            State::Waiting | State::NotNeeded(_) | State::Behind { .. } => None,
        })
    };
    let mut counted = Vec::new();
    for comparison in comparisons.values() {
        let key = (comparison.id.clone(), person);
        if board.compared.contains(&key) {
            continue;
        }
        let both = facts_of(&comparison.primary, &board.slots).zip(facts_of(&comparison.other, &board.slots));
        let Some((primary, other)) = both else { continue };
        let values = comparison.primary.values(&primary, &[]).zip(comparison.other.values(&other, &[]));
        let Some(agrees) = values.and_then(|(primary, other)| comparison.agrees(&primary, &other)) else { continue };
        board.compared.insert(key);
        counted.push((comparison, agrees));
    }
    drop(board);
    let now = clock::now();
    for (comparison, agrees) in counted {
        let (matter, name) = (comparison.primary.service.as_str(), comparison.id.as_str());
        gateway.drift.count(What::Compared, matter, name, now);
        if !agrees {
            gateway.drift.count(What::Discrepancy, matter, name, now);
        }
    }
}
