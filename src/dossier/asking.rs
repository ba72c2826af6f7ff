//! Rounds of asking. Each element is asked in a task of its own, those that need another's answer after
//! it, all under one deadline; what the source answers after the deadline is taken up when it comes.

use std::sync::Arc;
use std::time::Duration;

use model::contract::{AnswerField, ConditionOf, Element, InputSource, PERSONS_MAX, PersonRole};
use model::{Absence, Outcome, Service, Subject, Value};
use policy::{Decision, DenialReason, Sight};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock;
use crate::dossier::board::{Claim, Known, Nameless, State};
use crate::dossier::{OpenDossier, Person, comparing, lock, plan};
use crate::exchange::Exchange;
use crate::gateway::Gateway;
use crate::obtained::{Obtained, Trouble};
use crate::pipeline::{self, Asking, Judged};
use crate::premises::Premises;
use crate::record::Place;
use crate::store_access;

/// Most calls of one dossier under way at once.
const CALLS_MAX: usize = 64;

/// Longest pause between two rounds. A source that is out for days, or whose answers break their contract,
/// is asked ever more rarely.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// One round of asking, as its elements see it.
#[derive(Clone)]
struct Round {
    number: u32,
    deadline: Instant,
    /// Permits to call; taken only once an element has all its inputs, so that none waits for another
    /// with a permit in hand.
    calls: Arc<Semaphore>,
}

/// Rounds of asking, until everything is settled or the dossier is due.
pub(crate) async fn ask_until_settled(gateway: Arc<Gateway>, dossier: Arc<OpenDossier>) {
    for round in 1.. {
        ask_round(&gateway, &dossier, round).await;
        if dossier.is_settled() || clock::now() >= dossier.due || gateway.is_draining() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(dossier.pause_after(round)) => {}
            () = gateway.draining() => return,
        }
        if clock::now() >= dossier.due {
            return;
        }
    }
}

/// Asks every unsettled element once; slots that discovered members bring are asked in the same round.
async fn ask_round(gateway: &Arc<Gateway>, dossier: &Arc<OpenDossier>, number: u32) {
    let deadline = Instant::now() + dossier.contract.deadline;
    let round = Round { number, deadline, calls: Arc::new(Semaphore::new(CALLS_MAX)) };
    let open: Vec<usize> = {
        let board = lock(&dossier.board);
        (0..board.slots.len()).filter(|place| dossier.is_open(&board, &board.slots[*place])).collect()
    };
    let mut tasks = tokio::task::JoinSet::new();
    let ask = |place: usize| {
        let (gateway, dossier, round) = (Arc::clone(gateway), Arc::clone(dossier), round.clone());
        async move { ask_slot(&gateway, &dossier, place, &round).await }
    };
    for place in open {
        tasks.spawn(ask(place));
    }
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(discovered) => {
                for place in discovered {
                    tasks.spawn(ask(place));
                }
            }
            Err(error) => tracing::error!(dossier.id = %dossier.id, error = %error, "an element's task ended abnormally"),
        }
    }
}

/// Asks one element about one person. Gives the places of slots that its answer has added.
async fn ask_slot(gateway: &Arc<Gateway>, dossier: &Arc<OpenDossier>, place: usize, round: &Round) -> Vec<usize> {
    let (element, person, subject) = {
        let board = lock(&dossier.board);
        let slot = &board.slots[place];
        (&dossier.contract.elements[slot.element], slot.person, board.persons[slot.person].subject.clone())
    };
    // Data may have been reloaded since the last round: rights are those of now.
    let Some(exchange) = dossier.exchange(&gateway.active(), element, &subject) else {
        tracing::error!(dossier.id = %dossier.id, "the active data have lost a service that the dossier asks");
        return Vec::new();
    };
    let prepared = dossier.prepare(element, &exchange.service, place, person, round).await;
    // The semaphore is never closed; without a permit the call would be one too many, not wrong.
    let _permit = round.calls.acquire().await.ok();
    match prepared {
        Prepared::Ready(inputs) => {
            let exchange = Arc::new(exchange.with_inputs(inputs));
            match begin(gateway, &exchange, round.deadline).await {
                Ok(mut asking) => {
                    let obtained = asking.until(round.deadline).await;
                    let sight = asking.sight().clone();
                    if asking.is_flying() {
                        gateway.exchanges.spawn(take_up_late(Arc::clone(gateway), Arc::clone(dossier), place, exchange.clone(), asking));
                    }
                    take_up(gateway, dossier, place, round.number, (obtained, Some(sight)), exchange).await
                }
                Err(obtained) => take_up(gateway, dossier, place, round.number, (obtained, None), exchange).await,
            }
        }
        Prepared::NotNeeded(because) => {
            dossier.settle(place, round.number, State::NotNeeded(because));
            Vec::new()
        }
        Prepared::Behind(place_before, because) => {
            dossier.settle(place, round.number, State::Behind { place: place_before, because });
            Vec::new()
        }
        Prepared::NotYet => {
            let obtained = Obtained::not_asked(Trouble::NotYet);
            dossier.settle(place, round.number, Known::state(obtained, None, Arc::new(exchange)));
            Vec::new()
        }
        Prepared::Denied => {
            let obtained = deny_element(gateway, &exchange, vec![DenialReason::AnswerDenied], None);
            dossier.settle(place, round.number, Known::state(obtained, None, Arc::new(exchange)));
            Vec::new()
        }
    }
}

/// Authorises an element and begins to ask, or says why not.
async fn begin(gateway: &Arc<Gateway>, exchange: &Arc<Exchange>, deadline: Instant) -> Result<Asking, Obtained> {
    match pipeline::authorise(gateway, exchange).await {
        Ok(Judged { decision: Decision::Authorised(authorised), premises }) => match pipeline::allow(gateway, &authorised) {
            Ok(()) => Ok(Asking::begin(gateway, exchange, &authorised, premises, deadline)),
            // Asked again by a later round: the dossier may outlast the day.
            Err(spent) => Err(Obtained::not_asked(Trouble::Busy { retry_after: spent.retry_after })),
        },
        Ok(Judged { decision: Decision::Denied(denial), premises }) => {
            Err(deny_element(gateway, exchange, denial.reasons().to_vec(), Some(&premises)))
        }
        Err(error) => {
            tracing::error!(error = %error, "the gateway's own parts failed; an element was not asked");
            Err(Obtained::not_asked(Trouble::Gateway))
        }
    }
}

/// Puts an element's answer on the board; the members it names first, so that no waiter sees the answer
/// without them.
async fn take_up(
    gateway: &Arc<Gateway>,
    dossier: &Arc<OpenDossier>,
    place: usize,
    round: u32,
    (mut obtained, sight): (Obtained, Option<Sight>),
    exchange: Arc<Exchange>,
) -> Vec<usize> {
    let element_number = lock(&dossier.board).slots[place].element;
    let element = &dossier.contract.elements[element_number];
    if obtained.outcome == Outcome::NotFound {
        // A dossier may only tighten what absence means.
        if element.absence == Absence::Unknown {
            obtained.absence = Some(Absence::Unknown);
        }
    }
    // Before anything that needs it sees the answer.
    if let Some(sight) = &sight
        && let Err(error) = store_access::remember(gateway, &exchange, sight, &obtained).await
    {
        tracing::error!(dossier.id = %dossier.id, %error, "an answer could not be remembered in its case");
        obtained = Obtained::without_answer(Outcome::Unavailable, Trouble::Gateway, obtained.entry);
    }
    let mut discovered = Vec::new();
    if let (Some(declared), Some(facts), Some(sight)) = (&element.members, &obtained.facts, &sight) {
        match plan::members(declared, facts, sight) {
            Some(_) if dossier.has_lapsed(element, &obtained) => {}
            Some(members) => match discover(gateway, dossier, element_number, members, obtained.entry).await {
                Ok(places) => discovered = places,
                Err(trouble) => obtained = Obtained::without_answer(Outcome::Unavailable, trouble, obtained.entry),
            },
            // A dossier about a part of the family would pass for one about all of it.
            None => obtained = deny_element(gateway, &exchange, vec![DenialReason::AnswerDenied], None),
        }
    }
    dossier.settle(place, round, Known::state(obtained, sight, exchange));
    comparing::count(gateway, dossier, place);
    discovered
}

/// What the source answers after the round's deadline settles its element all the same, unless something
/// else has in the meantime. Slots that it adds are asked in the next round.
async fn take_up_late(gateway: Arc<Gateway>, dossier: Arc<OpenDossier>, place: usize, exchange: Arc<Exchange>, mut asking: Asking) {
    let obtained = asking.until(Instant::now() + exchange.service.timeout).await;
    let round = {
        let board = lock(&dossier.board);
        let slot = &board.slots[place];
        let waits_for_it = match &slot.state {
            State::Known(known) => known.obtained.outcome == Outcome::Unavailable,
            State::Waiting | State::NotNeeded(_) | State::Behind { .. } => false,
        };
        waits_for_it.then_some(slot.round)
    };
    if let Some(round) = round.filter(|_| obtained.outcome != Outcome::Unavailable) {
        tracing::info!(dossier.id = %dossier.id, service = %exchange.service.id, "an answer came after the dossier's deadline");
        take_up(&gateway, &dossier, place, round, (obtained, Some(asking.sight().clone())), exchange).await;
    }
}

/// Takes the members that an answer names into the case and the dossier. Gives the new slots.
async fn discover(
    gateway: &Arc<Gateway>,
    dossier: &OpenDossier,
    element: usize,
    members: Vec<(Option<Subject>, PersonRole)>,
    rests_on: Option<Place>,
) -> Result<Vec<usize>, Trouble> {
    let mut named = Vec::new();
    let mut nameless = Vec::new();
    for (place, (subject, role)) in members.into_iter().enumerate() {
        match subject {
            Some(subject) => named.push((subject, role)),
            None => nameless.push(Nameless { element, number: place + 1, role }),
        }
    }
    let mut persons: Vec<_> = lock(&dossier.board).persons.iter().map(|person| person.subject.clone()).collect();
    let known = persons.len();
    for (subject, _) in &named {
        if !persons.contains(subject) {
            persons.push(subject.clone());
        }
    }
    if persons.len() > known.max(PERSONS_MAX) {
        tracing::warn!(dossier.id = %dossier.id, persons = persons.len(), persons_max = PERSONS_MAX, "an answer names more members than a dossier takes");
        return Err(Trouble::TooManyMembers);
    }
    // First the case, durably: a question about a person who is not in it is refused.
    store_access::add_persons(gateway, dossier, named.clone(), rests_on).await.map_err(|error| {
        tracing::error!(dossier.id = %dossier.id, %error, "discovered members could not be taken into the case");
        Trouble::Gateway
    })?;
    let mut board = lock(&dossier.board);
    board.nameless.retain(|other| other.element != element);
    board.nameless.extend(nameless);
    Ok(named.into_iter().flat_map(|(subject, role)| board.add(&dossier.contract, Person { subject, role })).collect())
}

/// A refused element with its entry; without one nothing is told, not even the refusal.
pub(crate) fn deny_element(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    reasons: Vec<DenialReason>,
    premises: Option<&Premises>,
) -> Obtained {
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code()).collect();
    match gateway.recorder.denied_element(&exchange.question("", None, premises), exchange.envelope.subject.as_ref(), &codes) {
        Ok(entry) => Obtained::denied(reasons, entry),
        Err(error) => {
            tracing::error!(error = %error, "an element's refusal could not be journalled");
            Obtained::not_asked(Trouble::Gateway)
        }
    }
}

/// What an element's plan comes to in this round.
enum Prepared {
    /// It is asked with these inputs.
    Ready(Vec<(Box<str>, Value)>),
    NotNeeded(String),
    /// Another question may tell of the same: its slot, and why.
    Behind(usize, String),
    /// An answer it needs is not there yet.
    NotYet,
    /// An answer it needs was refused or withheld.
    Denied,
}

/// A value of another element's answer.
enum Looked {
    Value(Value),
    /// The answer has none, for this reason.
    None(String),
    NotYet,
    Denied,
}

impl OpenDossier {
    /// Waits for what the element needs, and decides whether and with what it is asked.
    async fn prepare(&self, element: &Element, service: &Service, place: usize, person: usize, round: &Round) -> Prepared {
        let prepared = self.conditions_and_inputs(element, service, person, round).await;
        let Some(once_per) = &element.once_per else { return prepared };
        let looked = match &prepared {
            Prepared::Ready(_) => self.answer(once_per, person, round).await,
            Prepared::NotNeeded(_) | Prepared::Behind(..) | Prepared::NotYet | Prepared::Denied => Looked::NotYet,
        };
        let value = match (&prepared, looked) {
            (Prepared::Ready(_), Looked::Value(value)) => Some(value),
            _ => None,
        };
        self.claim(place, round, value.clone());
        let Some(value) = value else { return prepared };
        let because = || format!("asked once per {}.{}", self.contract.elements[once_per.element].name, once_per.field);
        match self.turn(element, place, round, &value).await {
            None => prepared,
            Some(before) if element.until_found => Prepared::Behind(before, because()),
            Some(_) => Prepared::NotNeeded(because()),
        }
    }

    async fn conditions_and_inputs(&self, element: &Element, service: &Service, person: usize, round: &Round) -> Prepared {
        let today = model::time::day(clock::now());
        if let Some(primary) = element.fallback_for {
            let name = &self.contract.elements[primary].name;
            match self.answer_of(primary, person, round).await {
                Some(State::Known(known)) if plan::calls_for_fallback(&known.obtained) => {}
                Some(State::Known(known)) => match known.obtained.outcome {
                    Outcome::Unavailable | Outcome::InvalidData => return Prepared::NotYet,
                    // What is asked next would tell of it.
                    Outcome::Denied => return Prepared::Denied,
                    outcome => return Prepared::NotNeeded(format!("{name}: {outcome}")),
                },
                Some(State::NotNeeded(because) | State::Behind { because, .. }) => return Prepared::NotNeeded(because),
                Some(State::Waiting) | None => return Prepared::NotYet,
            }
        }
        for condition in &element.when {
            let (name, looked) = match &condition.of {
                ConditionOf::Answer(answer) => {
                    let name = format!("{}.{}", self.contract.elements[answer.element].name, answer.field);
                    (name, self.answer(answer, person, round).await)
                }
                ConditionOf::Input(name) => {
                    let given = self.own_input(name);
                    (name.to_string(), given.map_or_else(|| Looked::None(format!("{name}: not given")), Looked::Value))
                }
            };
            match looked {
                Looked::Value(value) => {
                    if let Err(why) = plan::holds(&condition.test, Some(&value), today) {
                        return Prepared::NotNeeded(format!("{name}: {why}"));
                    }
                }
                Looked::None(why) => return Prepared::NotNeeded(why),
                Looked::NotYet => return Prepared::NotYet,
                Looked::Denied => return Prepared::Denied,
            }
        }
        let mut inputs = Vec::with_capacity(element.inputs.len());
        for (name, source) in &element.inputs {
            let value = match source {
                InputSource::MonthsAgo(months) => {
                    Some(plan::months_ago(service.inputs.iter().find(|input| input.name == *name), clock::now(), *months))
                }
                InputSource::YearsAgo(years) => Some(plan::years_ago(clock::now(), *years)),
                InputSource::Input(own) => self.own_input(own),
                InputSource::Codes(codes) => Some(Value::Values(codes.iter().map(|code| Value::Text(code.clone())).collect())),
                InputSource::Answer(answer) => match self.answer(answer, person, round).await {
                    Looked::Value(value) => Some(value),
                    Looked::None(because) => return Prepared::NotNeeded(because),
                    Looked::NotYet => return Prepared::NotYet,
                    Looked::Denied => return Prepared::Denied,
                },
            };
            inputs.extend(value.map(|value| (name.clone(), value)));
        }
        Prepared::Ready(inputs)
    }

    fn own_input(&self, name: &str) -> Option<Value> {
        self.envelope.inputs.iter().find(|(key, _)| **key == *name).map(|(_, value)| value.clone())
    }

    /// A field of another element's answer, once this round has settled it. One that the consumer may not see
    /// is refused like the whole answer would be: what is asked next would tell of it.
    async fn answer(&self, wanted: &AnswerField, person: usize, round: &Round) -> Looked {
        let name = &self.contract.elements[wanted.element].name;
        match self.answer_of(wanted.element, person, round).await {
            Some(State::Known(known)) => match (&known.obtained.facts, known.obtained.outcome) {
                (Some(facts), _) => match known.sight.as_ref().and_then(|sight| sight.value(facts, &wanted.field)) {
                    None => Looked::Denied,
                    Some(Value::Null) => Looked::None(format!("{name}.{}: none", wanted.field)),
                    Some(value) => Looked::Value(value.clone()),
                },
                (None, Outcome::Unavailable | Outcome::InvalidData) => Looked::NotYet,
                // A yes or no gives no value.
                (None, _) if known.obtained.answer.is_some() => Looked::Denied,
                (None, Outcome::Denied) => Looked::Denied,
                (None, outcome @ (Outcome::Found | Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Stale)) => {
                    Looked::None(format!("{name}: {outcome}"))
                }
            },
            Some(State::NotNeeded(because) | State::Behind { because, .. }) => Looked::None(because),
            Some(State::Waiting) | None => Looked::NotYet,
        }
    }

    /// The state of another element for the same person, or of the one person it is asked about, once
    /// this round has settled it.
    async fn answer_of(&self, element: usize, person: usize, round: &Round) -> Option<State> {
        let mut progress = self.progress.subscribe();
        loop {
            {
                let board = lock(&self.board);
                let slot = board.slot_of(element, person)?;
                if !self.is_open(&board, slot) || slot.round == round.number {
                    return Some(slot.state.clone());
                }
            }
            if tokio::time::timeout_at(round.deadline, progress.changed()).await.is_err() {
                return None;
            }
        }
    }

    fn claim(&self, place: usize, round: &Round, value: Option<Value>) {
        lock(&self.board).slots[place].claim = Some(Claim { round: round.number, value });
        self.changed();
    }

    /// The slot of an earlier person who asks about the same value; none where this one asks. Waits for
    /// those before him, since the order of persons, not of answers, decides who asks; at most until the
    /// round's deadline.
    async fn turn(&self, element: &Element, place: usize, round: &Round, value: &Value) -> Option<usize> {
        let mut progress = self.progress.subscribe();
        loop {
            if let Some(turn) = self.turn_now(element, place, round, value) {
                return turn;
            }
            if tokio::time::timeout_at(round.deadline, progress.changed()).await.is_err() {
                return None;
            }
        }
    }

    /// The same as far as it is decided at this moment.
    fn turn_now(&self, element: &Element, place: usize, round: &Round, value: &Value) -> Option<Option<usize>> {
        let board = lock(&self.board);
        for (before, slot) in board.slots.iter().enumerate().take(place) {
            if self.contract.elements[slot.element].name != element.name {
                continue;
            }
            let settled = !self.is_open(&board, slot) || slot.round == round.number;
            let asks_the_same = match &slot.claim {
                Some(claim) if claim.value.as_ref() == Some(value) => true,
                Some(claim) if claim.round == round.number => false,
                // What it asks about is not known yet in this round.
                Some(_) | None if !settled => return None,
                Some(_) | None => false,
            };
            match &slot.state {
                _ if !asks_the_same => {}
                _ if !element.until_found => return Some(Some(before)),
                _ if !settled => return None,
                // No record of his: the next one is asked.
                State::Known(known)
                    if matches!(known.obtained.outcome, Outcome::NotFound | Outcome::NotHeldElectronically | Outcome::Denied) => {}
                State::Known(_) => return Some(Some(before)),
                // He stands behind somebody before him, who has been looked at.
                State::Waiting | State::NotNeeded(_) | State::Behind { .. } => {}
            }
        }
        Some(None)
    }

    /// The pause after a round: twice as long each time, at most an hour (or as the contract says, where
    /// that is longer).
    fn pause_after(&self, round: u32) -> Duration {
        let first = self.contract.retry_every;
        first.saturating_mul(1 << round.saturating_sub(1).min(20)).min(PAUSE_MAX.max(first))
    }

    /// Puts a state on the board. An answer is never replaced by the lack of one: it may have come late,
    /// beside a question that was asked again.
    fn settle(&self, place: usize, round: u32, state: State) {
        let mut board = lock(&self.board);
        let answered = |state: &State| match state {
            State::Known(known) => !matches!(known.obtained.outcome, Outcome::Unavailable | Outcome::InvalidData),
            State::Waiting | State::NotNeeded(_) | State::Behind { .. } => false,
        };
        let slot = &mut board.slots[place];
        slot.round = slot.round.max(round);
        if !answered(&slot.state) {
            slot.state = state;
            slot.changes += 1;
        }
        if self.is_open(&board, &board.slots[place]) {
            let next = clock::now().checked_add(self.pause_after(round)).ok().filter(|next| *next < self.due);
            if let State::Known(known) = &mut board.slots[place].state {
                known.next_attempt_at = next;
            }
        }
        drop(board);
        self.changed();
    }
}
