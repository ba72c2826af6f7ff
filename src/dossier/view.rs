//! The dossier as it is delivered: every element authorised anew, disclosed, filtered.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use model::contract::{Element, Need, PERSONS_MAX, PersonRole};
use model::{Absence, Outcome, Subject};
use policy::{Authorised, Decision, Official};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use uuid::Uuid;

use crate::answer::{Data, FlagBody, ReceiptBody, SourceBody, baku_time, flags};
use crate::clock;
use crate::dossier::asking::deny_element;
use crate::dossier::board::{Board, Nameless, Slot, State};
use crate::dossier::comparing::{self, Mark, Seen};
use crate::dossier::{OpenDossier, lock, plan, question};
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::obtained::{Obtained, Trouble, Via};
use crate::pipeline::{self, Judged, Stopped};
use crate::problem::{FieldError, Language};
use crate::record::{Disclosed, Disclosure, Given, Journalled, NoRecord, Place};
use crate::refusal;
use crate::rule::Rule;

/// A slot with its person and the right it may be seen under at this reading.
struct View<'a> {
    slot: Slot,
    subject: Subject,
    element: &'a Element,
    authorised: Option<Authorised>,
    /// Whether it is to be asked (again).
    open: bool,
    /// Whether its answer would name members and has lapsed.
    lapsed: bool,
    /// Whether another question speaks for this one: that this one found nothing asks for no paper.
    covered: bool,
}

/// A dossier as it is delivered.
///
/// # Errors
/// When the journal has no room or the store does not answer: nothing is told.
pub async fn render(
    gateway: &Arc<Gateway>,
    dossier: &OpenDossier,
    request_id: Uuid,
    language: Language,
) -> Result<(bool, String), Stopped> {
    let (slots, nameless) = {
        let board = lock(&dossier.board);
        let slots: Vec<_> = board.slots.iter().map(|slot| dossier.look(&board, slot)).collect();
        (slots, board.nameless.clone())
    };
    let views = dossier.views(gateway, request_id, slots).await?;
    let disclosed = dossier.disclose(gateway, request_id, &views).await?;
    let status = dossier.status(&views, &nameless);
    let settled = !matches!(status, "pending" | "overdue");
    let documents = views.iter().filter_map(View::document_required).chain(nameless.iter().map(|member| dossier.nameless(member)));
    let active = Arc::clone(&gateway.active());
    let seen: Vec<_> = views.iter().map(View::seen).collect();
    let mut marks = comparing::marks(&seen, &active.snapshot, language);
    let body = Body {
        dossier_id: dossier.id,
        dossier: dossier.contract.id.as_str(),
        version: dossier.contract.version.as_str(),
        status,
        elements: views
            .iter()
            .enumerate()
            .filter(|(_, view)| !matches!(view.slot.state, State::NotNeeded(_) | State::Behind { .. }))
            .map(|(place, view)| {
                let body = view.element_body(gateway, language, disclosed.place_of(place));
                ElementBody { discrepancies: std::mem::take(&mut marks[place]), ..body }
            })
            .collect(),
        not_needed: views.iter().filter_map(View::not_needed).collect(),
        documents_required: documents.collect(),
        due: dossier.due,
        receipt: ReceiptBody::whole(disclosed.durable()),
    };
    let text = serde_json::to_string(&body).map_err(NoRecord::Metadata)?;
    Ok((settled, text))
}

/// A reader of a dossier's elements, each told once, as they settle.
#[derive(Debug)]
pub struct Stream {
    progress: watch::Receiver<usize>,
    /// How many states of each slot were told, by place.
    told: Vec<u64>,
}

impl Stream {
    /// Begins with everything that is settled already.
    #[must_use]
    pub fn of(dossier: &OpenDossier) -> Self {
        Self { progress: dossier.progress.subscribe(), told: Vec::new() }
    }

    /// The elements that have settled since the last call, each as JSON; they are in the journal before
    /// they are given (R3). Empty where there is nothing new.
    ///
    /// # Errors
    /// When the journal has no room or the store does not answer: nothing is told.
    pub async fn news(
        &mut self,
        gateway: &Arc<Gateway>,
        dossier: &OpenDossier,
        request_id: Uuid,
        language: Language,
    ) -> Result<Vec<String>, Stopped> {
        // Before the look: what changes after it is seen by the next `changed`.
        self.progress.borrow_and_update();
        let mut new = Vec::new();
        {
            let board = lock(&dossier.board);
            self.told.resize(board.slots.len(), 0);
            for (slot, told) in board.slots.iter().zip(&mut self.told) {
                if matches!(slot.state, State::Known(_)) && *told != slot.changes {
                    *told = slot.changes;
                    new.push(dossier.look(&board, slot));
                }
            }
        }
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let views = dossier.views(gateway, request_id, new).await?;
        let disclosed = dossier.disclose(gateway, request_id, &views).await?;
        let body =
            |(place, view): (usize, &View<'_>)| serde_json::to_string(&view.element_body(gateway, language, disclosed.place_of(place)));
        let bodies = views.iter().enumerate().map(body);
        Ok(bodies.collect::<Result<_, _>>().map_err(NoRecord::Metadata)?)
    }

    /// Waits until something has changed since the last look.
    pub async fn changed(&mut self) {
        // An error means that the dossier itself is gone; the caller sees that it is settled.
        self.progress.changed().await.map(drop).unwrap_or_default();
    }
}

impl OpenDossier {
    /// A slot as it stands, with its person and whether it is to be asked (again).
    fn look(&self, board: &Board, slot: &Slot) -> (Slot, Subject, bool) {
        (slot.clone(), board.persons[slot.person].subject.clone(), self.is_open(board, slot))
    }

    /// What may be seen of these slots now: rights are those of this moment, not those of the moment the
    /// question was asked.
    async fn views<'a>(
        &'a self,
        gateway: &Arc<Gateway>,
        request_id: Uuid,
        slots: Vec<(Slot, Subject, bool)>,
    ) -> Result<Vec<View<'a>>, Stopped> {
        let active = Arc::clone(&gateway.active());
        let mut views = Vec::with_capacity(slots.len());
        for (mut slot, subject, mut open) in slots {
            let element = &self.contract.elements[slot.element];
            let mut authorised = None;
            // Of what was never asked there is nothing to refuse.
            if let State::Known(known) = &mut slot.state
                && known.obtained.entry.is_some()
            {
                let exchange = Exchange { active: Arc::clone(&active), ..Exchange::clone(&known.exchange) };
                let Judged { decision, premises } = pipeline::authorise(gateway, &exchange).await?;
                match decision {
                    Decision::Authorised(right) => {
                        known.obtained = known
                            .obtained
                            .clone()
                            .seen(right.sight(), element.absence.or_stricter(exchange.absence(None, known.obtained.at)));
                        authorised = Some(right);
                    }
                    // A right withdrawn since then: what was obtained is not shown any more, and that is a
                    // decision of its own.
                    Decision::Denied(denial) if known.obtained.outcome != Outcome::Denied => {
                        let exchange = Exchange { request_id, ..exchange };
                        known.obtained = deny_element(gateway, &exchange, denial.reasons().to_vec(), Some(&premises));
                        open = false;
                    }
                    Decision::Denied(_) => {}
                }
            }
            let lapsed = match (&slot.state, &authorised) {
                (State::Known(known), Some(right)) => {
                    self.has_lapsed(element, &known.obtained) && shows_until(right, element, &known.obtained)
                }
                (State::Known(_), None) | (State::Waiting | State::NotNeeded(_) | State::Behind { .. }, _) => false,
            };
            views.push(View { slot, subject, element, authorised, open, lapsed, covered: false });
        }
        mark_found_elsewhere(&mut views);
        mark_fallbacks(&mut views);
        Ok(views)
    }

    /// Writes what is about to be told of these views; the items stand in their order.
    async fn disclose(&self, gateway: &Arc<Gateway>, request_id: Uuid, views: &[View<'_>]) -> Result<Journalled<Disclosed>, NoRecord> {
        let active = Arc::clone(&gateway.active());
        if views.iter().any(|view| view.authorised.is_some()) {
            let official = Official::parse(&self.envelope.official, self.envelope.responsible.as_deref());
            gateway.rights.used(&self.consumer, &official, &self.envelope.role, clock::now());
        }
        let given = views.iter().map(View::given).collect();
        let question = question(request_id, Some(self.id), &self.consumer, &active, &self.contract, (&self.envelope, &self.presence));
        gateway.recorder.disclosed(&Disclosure { question: &question, given }).await
    }

    fn status(&self, views: &[View<'_>], nameless: &[Nameless]) -> &'static str {
        fn known<'a>(view: &View<'a>) -> Option<(&'a Element, Outcome, Option<Absence>)> {
            match &view.slot.state {
                State::Known(known) => Some((view.element, known.obtained.outcome, known.obtained.absence)),
                State::Waiting | State::NotNeeded(_) | State::Behind { .. } => None,
            }
        }
        if views.iter().filter_map(known).any(|(element, outcome, _)| element.stops && outcome == Outcome::NotFound) {
            return "stopped";
        }
        if views.iter().any(|view| view.open) {
            return if clock::now() >= self.due { "overdue" } else { "pending" };
        }
        let states: Vec<_> = views.iter().filter_map(|view| known(view).map(|(_, outcome, _)| (outcome, view.covered))).collect();
        if !nameless.is_empty() || views.iter().any(|view| view.document_required().is_some()) {
            return "awaiting_documents";
        }
        let complete = states.iter().all(|(outcome, covered)| match outcome {
            Outcome::Found | Outcome::NotFound | Outcome::Stale => true,
            Outcome::NotHeldElectronically => *covered,
            Outcome::Unavailable | Outcome::Denied | Outcome::InvalidData => false,
        });
        if complete { "complete" } else { "incomplete" }
    }

    /// A member without a FIN has no electronic trace to follow; the paper says who he is.
    fn nameless(&self, member: &Nameless) -> Item<'_> {
        let element = &self.contract.elements[member.element].name;
        Item { element, whom: Whom::Member { member: member.number, role: member.role }, because: "NO_FIN" }
    }
}

/// Where persons are asked in turn until one is found, his record is that of those before him, too.
fn mark_found_elsewhere(views: &mut [View<'_>]) {
    let asked = |view: &View<'_>| {
        let value = view.slot.claim.as_ref().and_then(|claim| claim.value.clone())?;
        view.element.until_found.then_some((view.slot.element, value))
    };
    let has_record = |view: &View<'_>| matches!(&view.slot.state, State::Known(known) if known.obtained.facts.is_some() || known.obtained.answer.as_ref().is_some_and(|verdict| verdict.holds));
    let found: Vec<_> = views.iter().filter(|view| has_record(view)).filter_map(asked).collect();
    for view in views.iter_mut().filter(|view| !has_record(view)) {
        view.covered = asked(view).is_some_and(|asked| found.contains(&asked));
    }
}

/// Where an element has one that stands in for it, that one says what is missing: it was asked because the first had
/// nothing, and is silent where the first has come to an answer, or gives none (an outage asks for no paper).
fn mark_fallbacks(views: &mut [View<'_>]) {
    let opens = |view: &View<'_>| match &view.slot.state {
        State::Known(known) => plan::opens_document(known.obtained.outcome, known.obtained.absence),
        State::Waiting | State::NotNeeded(_) | State::Behind { .. } => false,
    };
    let speaks = |view: &View<'_>| match &view.slot.state {
        State::Known(known) => known.obtained.outcome != Outcome::Denied,
        State::Waiting | State::Behind { .. } => true,
        State::NotNeeded(_) => false,
    };
    let covered = |(second, view): (usize, &View<'_>)| {
        let (primary, person) = (view.element.fallback_for?, view.slot.person);
        let first = views.iter().position(|other| (other.slot.element, other.slot.person) == (primary, person))?;
        match (opens(&views[first]), speaks(view)) {
            (false, _) => Some(second),
            (true, true) => Some(first),
            (true, false) => None,
        }
    };
    let covered: Vec<usize> = views.iter().enumerate().filter_map(covered).collect();
    for place in covered {
        views[place].covered = true;
    }
}

/// Whether a right shows the day until which an answer names members: to whom it does not, nobody tells that
/// it has passed.
fn shows_until(right: &Authorised, element: &Element, obtained: &Obtained) -> bool {
    let until = element.members.as_ref().and_then(|declared| declared.until.as_deref());
    until.zip(obtained.facts.as_ref()).is_some_and(|(until, facts)| right.sight().value(facts, until).is_some())
}

impl View<'_> {
    /// Its facts, where there are some that may be seen.
    fn seen(&self) -> Option<Seen<'_>> {
        let State::Known(known) = &self.slot.state else { return None };
        let (facts, authorised) = known.obtained.facts.as_deref().zip(self.authorised.as_ref())?;
        Some(Seen { person: self.slot.person, element: self.element, facts, authorised })
    }

    fn given(&self) -> Given<'_> {
        let (subject, element) = (Some(&self.subject), Some(&*self.element.name));
        let blank = Given {
            subject,
            element,
            rests_on: None,
            outcome: None,
            via: None,
            not_connected: None,
            fields: Vec::new(),
            emergency: None,
            named: HashSet::new(),
        };
        match (&self.slot.state, &self.authorised) {
            (State::Known(known), Some(authorised)) => pipeline::given(Some(&self.element.name), authorised, &known.obtained),
            (State::Known(known), None) => {
                Given { rests_on: known.obtained.entry.map(|entry| entry.index), outcome: Some(known.obtained.outcome), ..blank }
            }
            (State::Waiting | State::NotNeeded(_) | State::Behind { .. }, _) => blank,
        }
    }

    fn element_body<'a>(&'a self, gateway: &Gateway, language: Language, disclosed: Place) -> ElementBody<'a> {
        let blank = ElementBody {
            element: &self.element.name,
            subject: &self.subject,
            need: self.element.need,
            outcome: None,
            absence: None,
            data: None,
            withheld: &[],
            flags: Vec::new(),
            discrepancies: Vec::new(),
            source: None,
            next_attempt_at: None,
            recalled_at: None,
            errors: Vec::new(),
            receipt: None,
        };
        let State::Known(known) = &self.slot.state else { return blank };
        let obtained = &known.obtained;
        let now = clock::now();
        let origin = gateway.recorder.origin();
        let receipt = match obtained.via {
            Via::Provider | Via::Snapshot => obtained.entry.map(|entry| ReceiptBody::short(origin, entry.index, entry.leaf_hash)),
            // What has no call of its own is proved by the part of this disclosure that tells of it.
            Via::Flight | Via::Cache | Via::Contract => Some(ReceiptBody::short(origin, disclosed.index, disclosed.leaf_hash)),
        };
        let mut body = ElementBody {
            outcome: Some(obtained.outcome),
            absence: obtained.absence,
            next_attempt_at: known.next_attempt_at.map(model::time::rfc3339),
            recalled_at: known.recalled_at.map(model::time::rfc3339),
            errors: obtained.reasons.iter().map(|reason| refusal::field_error(*reason, language)).collect(),
            receipt,
            ..blank
        };
        if obtained.trouble == Some(Trouble::TooManyMembers) {
            body.errors.push(FieldError { pointer: "/case".to_owned(), detail: Rule::CasePersons(PERSONS_MAX).text(language) });
        }
        if let Some(authorised) = &self.authorised {
            body.withheld = authorised.withheld();
            if obtained.is_answer() {
                body.source = Some(SourceBody::of(&known.exchange.service, obtained, now, authorised));
            }
            body.data = Data::of(authorised, obtained).and_then(|data| serde_json::value::to_raw_value(&data).ok());
            body.flags = obtained.facts.as_deref().map(|facts| flags(authorised, facts)).unwrap_or_default();
        }
        body
    }

    fn not_needed(&self) -> Option<Item<'_>> {
        let (State::NotNeeded(because) | State::Behind { because, .. }) = &self.slot.state else { return None };
        Some(Item { element: &self.element.name, whom: Whom::Person(&self.subject), because })
    }

    fn document_required(&self) -> Option<Item<'_>> {
        let State::Known(known) = &self.slot.state else { return None };
        let absent =
            self.element.need != Need::Optional && !self.covered && plan::opens_document(known.obtained.outcome, known.obtained.absence);
        let because = if self.lapsed { "LAPSED" } else { known.obtained.outcome.as_str() };
        (absent || self.lapsed).then_some(Item { element: &self.element.name, whom: Whom::Person(&self.subject), because })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    dossier_id: Uuid,
    dossier: &'a str,
    version: &'a str,
    status: &'static str,
    elements: Vec<ElementBody<'a>>,
    not_needed: Vec<Item<'a>>,
    documents_required: Vec<Item<'a>>,
    #[serde(serialize_with = "baku_time")]
    due: Timestamp,
    receipt: ReceiptBody,
}

#[derive(Serialize)]
struct ElementBody<'a> {
    element: &'a str,
    #[serde(rename = "for")]
    subject: &'a Subject,
    need: Need,
    outcome: Option<Outcome>,
    absence: Option<Absence>,
    data: Option<Box<RawValue>>,
    withheld: &'a [policy::Withheld],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<FlagBody<'a>>,
    /// Where another source disagrees; told with the whole dossier, not with an element that has just settled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discrepancies: Vec<Mark>,
    source: Option<SourceBody>,
    next_attempt_at: Option<String>,
    /// When its source took the answer back, where it has: it is no fact any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    recalled_at: Option<String>,
    /// Why our policy refused, with `DENIED`; or what keeps an answer from being used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    receipt: Option<ReceiptBody>,
}

#[derive(Serialize)]
struct Item<'a> {
    element: &'a str,
    #[serde(rename = "for")]
    whom: Whom<'a>,
    because: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Whom<'a> {
    Person(&'a Subject),
    Member { member: usize, role: PersonRole },
}
