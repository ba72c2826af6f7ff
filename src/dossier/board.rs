//! What stands where in a dossier: its persons and one slot per element and person, with their states.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use model::contract::{Dossier, PersonRole};
use model::{ComparisonId, Value};
use policy::Sight;

use crate::dossier::Person;
use crate::exchange::Exchange;
use crate::obtained::Obtained;

/// The state of a dossier.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) persons: Vec<Person>,
    /// Grows as members are discovered; never shrinks and never changes order, so a place names a slot.
    pub(crate) slots: Vec<Slot>,
    /// Members that an answer names without a FIN: nobody can be asked about them.
    pub(crate) nameless: Vec<Nameless>,
    /// Comparisons that were counted, each for a person.
    pub(crate) compared: HashSet<(ComparisonId, usize)>,
}

/// A member without a FIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nameless {
    /// The element that named him.
    pub(crate) element: usize,
    /// His place in its list, from 1.
    pub(crate) number: usize,
    /// The role his relation gives.
    pub(crate) role: PersonRole,
}

/// One call of the dossier.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) element: usize,
    /// Index of the person.
    pub(crate) person: usize,
    /// Number of the round that settled it last, from 1; 0 before the first.
    pub(crate) round: u32,
    /// For an element that is asked once per value: what was found of it in which round.
    pub(crate) claim: Option<Claim>,
    pub(crate) state: State,
    /// Counts the states it has had, so that a stream tells each once.
    pub(crate) changes: u64,
}

/// What an element that is asked once per value has found of its own value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claim {
    pub(crate) round: u32,
    /// The value it asks about, or nothing where it is not known or not needed.
    pub(crate) value: Option<Value>,
}

#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Not answered yet.
    Waiting,
    /// Not asked, for this reason.
    NotNeeded(String),
    /// Not asked as long as another question may have told of the same.
    Behind {
        /// That question's slot.
        place: usize,
        /// Why, in words.
        because: String,
    },
    /// Asked, or denied.
    Known(Box<Known>),
}

#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// As the right showed it under which it was asked: what a consumer may not see must not steer what is
    /// asked next, nor what the dossier comes to.
    pub(crate) obtained: Obtained,
    /// What that right shows; none where the element was refused or not asked.
    pub(crate) sight: Option<Sight>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// When its source took the answer back, where it has.
    pub(crate) recalled_at: Option<Timestamp>,
}

impl Known {
    pub(crate) fn state(obtained: Obtained, sight: Option<Sight>, exchange: Arc<Exchange>) -> State {
        State::Known(Box::new(Self { obtained, sight, exchange, next_attempt_at: None, recalled_at: None }))
    }
}

impl Board {
    pub(crate) fn new(contract: &Dossier, persons: Vec<Person>) -> Self {
        let mut board = Self { persons: Vec::new(), slots: Vec::new(), nameless: Vec::new(), compared: HashSet::new() };
        for person in persons {
            board.persons.push(person);
        }
        for (element, declared) in contract.elements.iter().enumerate() {
            for (place, person) in board.persons.iter().enumerate() {
                if declared.roles.contains(&person.role) {
                    board.slots.push(Slot::waiting(element, place));
                }
            }
        }
        board
    }

    /// Adds a person who is not there yet, with a slot for each element that concerns him. Gives the
    /// places of the new slots.
    pub(crate) fn add(&mut self, contract: &Dossier, person: Person) -> Vec<usize> {
        if self.persons.iter().any(|there| there.subject == person.subject) {
            return Vec::new();
        }
        let (number, role, first) = (self.persons.len(), person.role, self.slots.len());
        self.persons.push(person);
        let concerned = contract.elements.iter().enumerate().filter(|(_, declared)| declared.roles.contains(&role));
        self.slots.extend(concerned.map(|(element, _)| Slot::waiting(element, number)));
        (first..self.slots.len()).collect()
    }

    /// The slot of an element for a person: his own, or the only one where the element is asked about
    /// one person alone.
    pub(crate) fn slot_of(&self, element: usize, person: usize) -> Option<&Slot> {
        let mut of_element = self.slots.iter().filter(|slot| slot.element == element);
        let own = of_element.clone().find(|slot| slot.person == person);
        own.or_else(|| {
            let only = of_element.next();
            only.filter(|_| of_element.next().is_none())
        })
    }
}

impl Slot {
    fn waiting(element: usize, person: usize) -> Self {
        Self { element, person, round: 0, claim: None, state: State::Waiting, changes: 0 }
    }
}
