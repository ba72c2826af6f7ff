//! The one-window answer: a declared set of calls for one case, asked in parallel but for declared
//! dependencies, each element authorised, journalled and settled by itself.
//!
//! - `dossier/board.rs`: what stands where: persons, one slot per element and person, their states.
//! - `dossier/asking.rs`: rounds of asking, each under one deadline, until everything is settled.
//! - `dossier/plan.rs`: what an element needs of others: inputs, conditions, discovered members. Pure.
//! - `dossier/comparing.rs`: where two sources disagree about the same person.
//! - `dossier/view.rs`: the dossier as it is delivered: authorised anew, disclosed, filtered.
//!
//! A dossier lives in memory and is lost on a restart (its journal entries are not). What is stored is
//! the *ask*: every reading of a dossier is authorised anew.

pub mod asking;
pub mod board;
mod comparing;
pub mod plan;
pub mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use model::contract::{Dossier, Element, Need, PERSONS_MAX, PersonRole};
use model::{CaseId, ConsumerId, Outcome, Subject};
use policy::{Official, Standing};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::data::Active;
use crate::dossier::board::{Board, Slot, State};
use crate::envelope::Envelope;
use crate::exchange::{Exchange, Freshness, Presence};
use crate::gateway::Gateway;
use crate::obtained::{Obtained, Trouble};
use crate::record::{self, Question};

/// Most dossiers held in memory; the oldest that is settled or overdue makes room, and where there is
/// none no new one is opened.
const DOSSIERS_MAX: usize = 2_000;

/// A person of a dossier, as elements address him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The identifier.
    pub subject: Subject,
    /// His role in the case.
    pub role: PersonRole,
}

/// A dossier in the making.
#[derive(Debug)]
pub struct OpenDossier {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub consumer: ConsumerId,
    contract: Arc<Dossier>,
    envelope: Envelope,
    /// Who opened it. It is asked on and read in his name; no later reading brings an assertion of its own.
    presence: Presence,
    due: Timestamp,
    /// The day of applying (Asia/Baku). Whether an answer has lapsed is judged by it, so that a source's
    /// outage does not cost an applicant the last days of his application.
    opened_on: Date,
    board: Mutex<Board>,
    /// Counts changes of the board, so that waiters notice.
    progress: watch::Sender<usize>,
}

/// The dossiers of this process.
#[derive(Debug, Default)]
pub struct Dossiers {
    /// By id, and so by age: ids are time-ordered (version 7).
    held: Mutex<BTreeMap<Uuid, Arc<OpenDossier>>>,
}

/// Why a dossier is not opened. Nothing was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// As many dossiers as memory may hold are under way: there is room again when one of them settles.
    #[error("as many dossiers as memory may hold are under way")]
    NoRoom,
    /// The case names more persons than a dossier takes ([`PERSONS_MAX`]): the consumer's to mend.
    #[error("a dossier takes at most {PERSONS_MAX} persons")]
    TooManyPersons,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dossiers {
    /// The consumer's dossier of this id; another consumer's does not exist for it.
    #[must_use]
    pub fn find(&self, consumer: &ConsumerId, id: Uuid) -> Option<Arc<OpenDossier>> {
        lock(&self.held).get(&id).filter(|dossier| dossier.consumer == *consumer).cloned()
    }

    /// Marks every element whose answer is one of these entries of the present log: its source has taken it back.
    pub fn recall(&self, answers: &BTreeSet<u64>, now: Timestamp) {
        let dossiers: Vec<Arc<OpenDossier>> = lock(&self.held).values().cloned().collect();
        for dossier in dossiers {
            let mut marked = false;
            for slot in &mut lock(&dossier.board).slots {
                let State::Known(known) = &mut slot.state else { continue };
                if known.recalled_at.is_none() && known.obtained.entry.is_some_and(|entry| answers.contains(&entry.index)) {
                    known.recalled_at = Some(now);
                    slot.changes += 1;
                    marked = true;
                }
            }
            if marked {
                dossier.changed();
            }
        }
    }

    fn keep(&self, dossier: &Arc<OpenDossier>) -> Result<(), NotOpened> {
        let mut held = lock(&self.held);
        if held.len() >= DOSSIERS_MAX {
            let now = clock::now();
            let oldest = held.values().find(|other| now >= other.due || other.is_settled()).map(|other| other.id);
            held.remove(&oldest.ok_or(NotOpened::NoRoom)?);
        }
        held.insert(dossier.id, Arc::clone(dossier));
        Ok(())
    }
}

/// Opens a dossier and starts asking. The envelope has been parsed, its assertion judged, the case and persons are
/// known.
///
/// # Errors
/// When the case names more persons than a dossier takes, or as many dossiers as memory may hold are under
/// way.
pub fn open(
    gateway: &Arc<Gateway>,
    contract: Arc<Dossier>,
    consumer: ConsumerId,
    (envelope, presence): (Envelope, Presence),
    persons: Vec<Person>,
) -> Result<Arc<OpenDossier>, NotOpened> {
    if persons.len() > PERSONS_MAX {
        return Err(NotOpened::TooManyPersons);
    }
    let now = clock::now();
    let dossier = Arc::new(OpenDossier {
        id: record::new_id(),
        consumer,
        due: now.checked_add(contract.due).unwrap_or(now),
        opened_on: model::time::day(now),
        board: Mutex::new(Board::new(&contract, persons)),
        contract,
        envelope,
        presence,
        progress: watch::Sender::new(0),
    });
    gateway.dossiers.keep(&dossier)?;
    gateway.exchanges.spawn(asking::ask_until_settled(Arc::clone(gateway), Arc::clone(&dossier)));
    Ok(dossier)
}

impl OpenDossier {
    /// One element's question under the active data; `None` where these have no such service any more.
    fn exchange(&self, active: &Arc<Active>, element: &Element, subject: &Subject) -> Option<Exchange> {
        let service = Arc::clone(active.snapshot.services.get(&element.service)?);
        let envelope = Envelope { subject: Some(subject.clone()), fields: None, inputs: Vec::new(), ..self.envelope.clone() };
        Some(Exchange {
            request_id: record::new_id(),
            dossier_id: Some(self.id),
            active: Arc::clone(active),
            consumer: self.consumer.clone(),
            service,
            presence: self.presence.clone(),
            envelope,
            freshness: Freshness::default(),
            traced: false,
        })
    }

    fn changed(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// Unanswered: `UNAVAILABLE` or `INVALID_DATA` on something the dossier cannot do without.
    fn is_unanswered(&self, element: &Element, obtained: &Obtained) -> bool {
        matches!(element.need, Need::Required | Need::Conditional)
            && matches!(obtained.outcome, Outcome::Unavailable | Outcome::InvalidData)
    }

    /// Whether an answer that names members had lapsed when the dossier was opened: then it names nobody.
    fn has_lapsed(&self, element: &Element, obtained: &Obtained) -> bool {
        let naming = element.members.as_ref().zip(obtained.facts.as_ref());
        naming.is_some_and(|(declared, facts)| plan::has_lapsed(declared, facts, self.opened_on))
    }

    /// Whether a slot is to be asked (again).
    fn is_open(&self, board: &Board, slot: &Slot) -> bool {
        let element = &self.contract.elements[slot.element];
        match &slot.state {
            State::Waiting => true,
            State::NotNeeded(_) => false,
            // Only a record of the other question makes this one superfluous.
            State::Behind { place, .. } => match board.slots.get(*place).map(|other| &other.state) {
                Some(State::Known(known)) => known.obtained.facts.is_none(),
                Some(State::Waiting | State::NotNeeded(_) | State::Behind { .. }) | None => true,
            },
            // Whatever its need: it has not been asked yet, and is as soon as what it builds on is there.
            State::Known(known) if known.obtained.trouble == Some(Trouble::NotYet) => {
                let mut needed = element.after.iter().filter_map(|needed| board.slot_of(*needed, slot.person));
                // What it builds on may have come just now: then it is about to be asked.
                let has_come = |slot: &Slot| match &slot.state {
                    State::Known(known) => {
                        let stands_in = element.fallback_for == Some(slot.element);
                        known.obtained.facts.is_some() || stands_in && plan::calls_for_fallback(&known.obtained)
                    }
                    State::Waiting | State::NotNeeded(_) | State::Behind { .. } => false,
                };
                needed.any(|needed| self.is_open(board, needed) || has_come(needed))
            }
            State::Known(known) => self.is_unanswered(element, &known.obtained),
        }
    }

    /// Whether the dossier's own stop rule holds: no such person.
    fn is_stopped(&self, board: &Board) -> bool {
        board.slots.iter().any(|slot| match &slot.state {
            State::Known(known) => self.contract.elements[slot.element].stops && known.obtained.outcome == Outcome::NotFound,
            State::Waiting | State::NotNeeded(_) | State::Behind { .. } => false,
        })
    }

    fn settled(&self, board: &Board) -> bool {
        self.is_stopped(board) || !board.slots.iter().any(|slot| self.is_open(board, slot))
    }

    /// Whether no element is open, or the dossier has stopped.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled(&lock(&self.board))
    }

    /// Waits until the first round has answered everything it can, at most until `deadline`.
    pub async fn wait(&self, deadline: Instant) {
        let mut progress = self.progress.subscribe();
        let answered = || !lock(&self.board).slots.iter().any(|slot| matches!(slot.state, State::Waiting));
        while !answered() {
            if tokio::time::timeout_at(deadline, progress.changed()).await.is_err() {
                return;
            }
        }
    }

    /// What the register of rights says of who asked for it, at this moment.
    #[must_use]
    pub fn standing(&self, gateway: &Gateway) -> Standing {
        let official = Official::parse(&self.envelope.official, self.envelope.responsible.as_deref());
        gateway.rights.standing(&self.consumer, &official, &self.envelope.role, clock::now())
    }

    /// The case it belongs to.
    #[must_use]
    pub fn case(&self) -> &CaseId {
        &self.envelope.case
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.contract.id.as_str()
    }

    /// Whether it is a dossier of this name.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.contract.id.as_str() == name
    }
}

/// Who asks which dossier for what: the common part of its entries. The acts stand with its elements.
#[must_use]
pub fn question<'a>(
    request_id: Uuid,
    dossier_id: Option<Uuid>,
    consumer: &'a ConsumerId,
    active: &'a Active,
    contract: &'a Dossier,
    (envelope, presence): (&'a Envelope, &'a Presence),
) -> Question<'a> {
    Question {
        request_id,
        dossier_id,
        consumer: consumer.as_str(),
        service: contract.id.as_str(),
        version: contract.version.as_str(),
        purpose: envelope.purpose.as_str(),
        act: "",
        emergency: None,
        case: envelope.case.as_str(),
        official: &envelope.official,
        responsible: envelope.responsible.as_deref(),
        role: envelope.role.as_str(),
        configuration: &active.hash,
        assurance: presence.identity.level(),
        assertion_sha256: presence.assertion_sha256.as_deref(),
        premises: None,
        on_behalf_of: envelope.on_behalf_of.as_ref(),
    }
}

/// The persons of a case a dossier addresses.
#[must_use]
pub fn persons(of_case: Vec<(Subject, PersonRole)>) -> Vec<Person> {
    of_case.into_iter().map(|(subject, role)| Person { subject, role }).collect()
}
