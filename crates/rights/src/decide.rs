//! What a command comes to. Every rule that bounds who may do what stands here or in the tables of [`Power`]; nothing is
//! changed.

use jiff::Timestamp;
use model::{Calendar, Office};

use crate::command::{
    ACCOUNTS_MAX, BEGIN_AHEAD_MAX, BEGIN_BEHIND_MAX, BREAK_GLASS_MAX, Command, DECIDED_WITHIN, ERASED_AFTER, NAME_BYTES_MAX,
    OPEN_REQUESTS_EACH_MAX, OPEN_REQUESTS_MAX, POWERS_MAX, RIGHTS_MAX, TEXT_BYTES_MAX,
};
use crate::event::{Basis, By, Change, Event, Granted};
use crate::id::{DocumentRef, OfficialNumber, RequestId, RightId};
use crate::power::Power;
use crate::refusal::Refusal;
use crate::register::{Emergency, Register, Request, Right, Wanted};
use crate::review;

impl Register {
    /// What a command comes to: events to be kept and then applied in this order, all or none. `calendar` says which days
    /// are working days; `now` before the last event counts as that event's moment.
    ///
    /// # Errors
    /// The rule that stands against it; nothing changes then.
    pub fn decide(&self, command: &Command, by: &By, now: Timestamp, calendar: &Calendar) -> Result<Vec<Event>, Refusal> {
        let now = self.moment(now);
        let deciding = Deciding { register: self, now, calendar };
        let event = |basis: Basis, change: Change| Event { at: now, by: by.clone(), basis, change };
        if let Command::Upkeep = command {
            return match by {
                By::Gateway => deciding.upkeep(),
                By::Official(_) => Err(Refusal::NotForPersons),
            };
        }
        let By::Official(actor) = by else { return Err(Refusal::NotEntitled) };
        let account = self.accounts.get(actor).ok_or(Refusal::ActorUnknown)?;
        if account.deactivated_at.is_some() {
            return Err(Refusal::ActorDeactivated);
        }
        let actor = Actor { number: actor, held: self.in_force(actor, now).map(|right| &right.power).collect() };
        let one = match command {
            Command::OpenAccount { official, person, certificate_name, subject, document } => {
                actor.administers()?;
                document_fits(document)?;
                let names = [certificate_name, subject];
                if names.into_iter().flatten().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
                    return Err(Refusal::WrongText);
                }
                deciding.new_account(official, *person, certificate_name.as_deref(), subject.as_deref())?;
                let change = Change::AccountOpened {
                    official: official.clone(),
                    person: *person,
                    certificate_name: certificate_name.clone(),
                    subject: subject.clone(),
                };
                event(Basis::Document(document.clone()), change)
            }
            Command::Leave { official, document } => {
                document_fits(document)?;
                let account = deciding.active(official)?;
                // Who administers everything may close any account; others one whose every right is theirs to end.
                let standing: Vec<&Right> = self.rights_of(official).filter(|right| !right.is_over(now)).collect();
                let reaches = !standing.is_empty() && standing.iter().all(|right| actor.guards(&right.power));
                if !reaches && !actor.held.contains(&&Power::CentralAdministrator) {
                    return Err(Refusal::NotEntitled);
                }
                deciding.somebody_administers_without(&account.rights)?;
                event(Basis::Document(document.clone()), Change::AccountDeactivated { official: official.clone() })
            }
            Command::Reopen { official, document } => {
                document_fits(document)?;
                actor.is_central()?;
                let account = self.accounts.get(official).ok_or(Refusal::OfficialUnknown)?;
                if account.deactivated_at.is_none() {
                    return Err(Refusal::OfficialActive);
                }
                event(Basis::Document(document.clone()), Change::AccountReopened { official: official.clone() })
            }
            Command::Request { wanted, document, received_at } => {
                document_fits(document)?;
                let change = deciding.request(&actor, wanted, document, *received_at)?;
                event(Basis::Document(document.clone()), change)
            }
            Command::Approve { request } => {
                let request = deciding.open_request(*request)?;
                deciding.may_decide(&actor, request)?;
                event(Basis::Request(request.id), deciding.approve(request)?)
            }
            Command::Refuse { request, reason } => {
                let request = deciding.open_request(*request)?;
                deciding.may_decide(&actor, request)?;
                event(stated(reason)?, Change::Refused { request: request.id })
            }
            Command::Cancel { request, reason } => {
                let request = deciding.open_request(*request)?;
                if request.by != *by {
                    return Err(Refusal::NotEntitled);
                }
                event(stated(reason)?, Change::Cancelled { request: request.id })
            }
            Command::Acknowledge { right } => {
                let right = deciding.standing_right(*right)?;
                if right.official != *actor.number {
                    return Err(Refusal::NotYours);
                }
                if right.acknowledged_at.is_some() {
                    return Err(Refusal::AlreadyAcknowledged);
                }
                event(Basis::Declaration, Change::Acknowledged { right: right.id })
            }
            Command::Withdraw { right, reason } => {
                let right = deciding.standing_right(*right)?;
                if !actor.guards(&right.power) {
                    return Err(Refusal::NotEntitled);
                }
                // One must stay who can grant: where the last one is the danger, his certificate is revoked.
                deciding.somebody_administers_without(&[right.id])?;
                event(stated(reason)?, Change::Withdrawn { right: right.id })
            }
            Command::BreakGlass { power, reason, until } => {
                let change = deciding.break_glass(&actor, power, *until)?;
                event(stated(reason)?, change)
            }
            Command::ReviewBreakGlass { right, reason } => {
                let right = self.rights.get(right).ok_or(Refusal::RightUnknown)?;
                if right.emergency != Some(Emergency::Open) {
                    return Err(Refusal::NothingToReview);
                }
                if right.official == *actor.number {
                    return Err(Refusal::OwnRight);
                }
                if !actor.guards(&right.power) {
                    return Err(Refusal::NotEntitled);
                }
                event(stated(reason)?, Change::GlassReviewed { right: right.id })
            }
            Command::Confirm { right } => {
                let right = deciding.standing_right(*right)?;
                if right.official == *actor.number {
                    return Err(Refusal::OwnRight);
                }
                if !actor.decides_on(&right.power) {
                    return Err(Refusal::NotEntitled);
                }
                if !review::is_due(right, now) {
                    return Err(Refusal::NotDue);
                }
                event(Basis::Rule("quarterly-review".into()), Change::Confirmed { right: right.id })
            }
            Command::Upkeep => return Err(Refusal::NotForPersons),
        };
        Ok(vec![one])
    }
}

/// Who acts, with what he holds at this moment.
struct Actor<'a> {
    number: &'a OfficialNumber,
    held: Vec<&'a Power>,
}

impl Actor<'_> {
    fn is_central(&self) -> Result<(), Refusal> {
        if self.held.contains(&&Power::CentralAdministrator) { Ok(()) } else { Err(Refusal::NotEntitled) }
    }

    fn administers(&self) -> Result<(), Refusal> {
        let administers = |power: &&Power| {
            use Office::{CentralAdministrator, ConsumerOfficer, TerritorialAdministrator};
            matches!(power.office(), Some(CentralAdministrator | TerritorialAdministrator | ConsumerOfficer))
        };
        if self.held.iter().any(administers) { Ok(()) } else { Err(Refusal::NotEntitled) }
    }

    fn decides_on(&self, power: &Power) -> bool {
        self.held.iter().any(|held| held.decides_on(power))
    }

    fn guards(&self, power: &Power) -> bool {
        self.held.iter().any(|held| held.guards(power))
    }
}

/// What rules look at: the register at a moment.
struct Deciding<'a> {
    register: &'a Register,
    now: Timestamp,
    calendar: &'a Calendar,
}

impl<'a> Deciding<'a> {
    fn new_account(
        &self,
        official: &OfficialNumber,
        person: crate::id::PersonKey,
        certificate_name: Option<&str>,
        subject: Option<&str>,
    ) -> Result<(), Refusal> {
        let register = self.register;
        if register.accounts.contains_key(official) {
            return Err(Refusal::NumberTaken);
        }
        if register.by_person.contains_key(&person) {
            return Err(Refusal::SecondAccount);
        }
        if certificate_name.is_some_and(|name| register.by_certificate.contains_key(name)) {
            return Err(Refusal::CertificateTaken);
        }
        if subject.is_some_and(|subject| register.by_subject.contains_key(subject)) {
            return Err(Refusal::SubjectTaken);
        }
        if register.accounts.len() >= ACCOUNTS_MAX {
            return Err(Refusal::TooMany);
        }
        Ok(())
    }

    fn active(&self, official: &OfficialNumber) -> Result<&'a crate::register::Account, Refusal> {
        let account = self.register.accounts.get(official).ok_or(Refusal::OfficialUnknown)?;
        if account.deactivated_at.is_some() { Err(Refusal::OfficialDeactivated) } else { Ok(account) }
    }

    fn standing_right(&self, id: RightId) -> Result<&'a Right, Refusal> {
        let right = self.register.rights.get(&id).ok_or(Refusal::RightUnknown)?;
        if right.is_over(self.now) { Err(Refusal::RightOver) } else { Ok(right) }
    }

    fn open_request(&self, id: RequestId) -> Result<&'a Request, Refusal> {
        let request = self.register.requests.get(&id).ok_or(Refusal::RequestUnknown)?;
        if request.is_open() { Ok(request) } else { Err(Refusal::RequestDecided) }
    }

    /// Never the requester, never the one whom it serves, and only whose scope reaches everything that is asked for.
    fn may_decide(&self, actor: &Actor<'_>, request: &Request) -> Result<(), Refusal> {
        if request.by == By::Official(actor.number.clone()) {
            return Err(Refusal::OwnRequest);
        }
        if request.official == *actor.number {
            return Err(Refusal::OwnRight);
        }
        // Whoever opens an account could be its person: two accounts of one's own must not make two pairs of eyes.
        let opened_by_actor = |number: &OfficialNumber| {
            self.register.accounts.get(number).is_some_and(|account| account.opened_by.as_ref() == Some(actor.number))
        };
        let requester = match &request.by {
            By::Official(requester) => Some(requester),
            By::Gateway => None,
        };
        if opened_by_actor(&request.official) || requester.is_some_and(opened_by_actor) {
            return Err(Refusal::OpenedByYou);
        }
        let reaches = match &request.wanted {
            Wanted::Grant { power, .. } => actor.decides_on(power),
            Wanted::Withdrawal { right, .. } => {
                let right = self.register.rights.get(right).ok_or(Refusal::RightUnknown)?;
                actor.decides_on(&right.power)
            }
            Wanted::Transfer { powers, official, .. } if powers.is_empty() => {
                // Nothing is given: who may have ended what he held may close it.
                self.register.rights_of(official).all(|right| actor.guards(&right.power))
            }
            Wanted::Transfer { powers, .. } => powers.iter().all(|power| actor.decides_on(power)),
        };
        if reaches { Ok(()) } else { Err(Refusal::NotEntitled) }
    }

    fn request(&self, actor: &Actor<'_>, wanted: &Wanted, document: &DocumentRef, received_at: Timestamp) -> Result<Change, Refusal> {
        if received_at > self.now {
            return Err(Refusal::WrongTime);
        }
        let mine = By::Official(actor.number.clone());
        let open = self.register.requests.values().filter(|request| request.is_open());
        let (all, own) = open.fold((0, 0), |(all, own), request| (all + 1, own + usize::from(request.by == mine)));
        if all >= OPEN_REQUESTS_MAX || own >= OPEN_REQUESTS_EACH_MAX {
            return Err(Refusal::TooMany);
        }
        let mut wanted = wanted.clone();
        let mut ends = Vec::new();
        match &mut wanted {
            Wanted::Grant { official, power, begins, ends } => {
                self.active(official)?;
                self.soon_enough(*begins)?;
                if ends.is_some_and(|ends| ends <= *begins || ends <= self.now) {
                    return Err(Refusal::WrongTime);
                }
                // Said now rather than to the one who approves; the approval looks again.
                self.may_hold(official, power, (*begins).max(self.now), *ends)?;
            }
            Wanted::Withdrawal { right, at } => {
                self.standing_right(*right)?;
                self.soon_enough(*at)?;
            }
            Wanted::Transfer { official, effective, powers } => {
                let account = self.active(official)?;
                if official == actor.number {
                    return Err(Refusal::OwnRight);
                }
                if powers.len() > POWERS_MAX {
                    return Err(Refusal::TooMany);
                }
                self.soon_enough(*effective)?;
                let open = |request: &&Request| {
                    request.is_open() && request.official == *official && matches!(request.wanted, Wanted::Transfer { .. })
                };
                if self.register.requests.values().any(|request| open(&request)) {
                    return Err(Refusal::TransferOpen);
                }
                for (place, power) in powers.iter().enumerate() {
                    if powers.iter().take(place).any(|earlier| earlier == power) {
                        return Err(Refusal::AlreadyHeld);
                    }
                    if powers.iter().any(|other| other.is_incompatible_with(power)) {
                        return Err(Refusal::Incompatible);
                    }
                }
                *effective = (*effective).max(self.now);
                // Every right that has not ended by then, whether it acts already or not: what was lapsed or withdrawn is
                // over by itself.
                for id in &account.rights {
                    let Some(right) = self.register.rights.get(id).filter(|right| !right.is_over(*effective)) else { continue };
                    if !actor.guards(&right.power) {
                        return Err(Refusal::NotEntitled);
                    }
                    ends.push(*id);
                }
                if ends.is_empty() {
                    actor.administers()?;
                }
                self.somebody_administers_without(&ends)?;
            }
        }
        let due = self.calendar.term(received_at, DECIDED_WITHIN).map_err(|_| Refusal::CalendarUnknown)?;
        Ok(Change::Requested { request: RequestId(self.register.next_request), wanted, document: document.clone(), received_at, due, ends })
    }

    fn approve(&self, request: &Request) -> Result<Change, Refusal> {
        let (mut granted, mut ended) = (Vec::new(), None);
        match &request.wanted {
            Wanted::Grant { official, power, begins, ends } => {
                self.active(official)?;
                let begins = (*begins).max(self.now);
                if ends.is_some_and(|ends| ends <= begins) {
                    return Err(Refusal::WrongTime);
                }
                self.may_hold(official, power, begins, *ends)?;
                self.room_for(official, 1)?;
                granted.push(self.granted(0, official, power, begins, *ends));
            }
            Wanted::Withdrawal { right, at } => {
                let right = self.standing_right(*right)?;
                self.somebody_administers_without(&[right.id])?;
                ended = Some((right.id, (*at).max(self.now)));
            }
            Wanted::Transfer { official, effective, powers } => {
                self.active(official)?;
                let begins = (*effective).max(self.now);
                self.room_for(official, powers.len())?;
                for (place, power) in powers.iter().enumerate() {
                    self.may_hold(official, power, begins, None)?;
                    granted.push(self.granted(place, official, power, begins, None));
                }
            }
        }
        Ok(Change::Approved { request: request.id, granted, ends: ended })
    }

    fn break_glass(&self, actor: &Actor<'_>, power: &Power, until: Timestamp) -> Result<Change, Refusal> {
        if !actor.held.iter().any(|held| held.may_break_glass_for(power)) {
            return Err(Refusal::NotAllowedInEmergency);
        }
        // Who was transferred, or lost the right in danger, does not undo that by himself.
        if self.register.rights_of(actor.number).any(|right| right.ending.is_some() && right.power.is_same_role(power)) {
            return Err(Refusal::TakenAway);
        }
        // Four hours are no bound where one follows the other.
        if self.register.rights_of(actor.number).any(|right| right.emergency == Some(Emergency::Open)) {
            return Err(Refusal::EmergencyOpen);
        }
        if until <= self.now || until.duration_since(self.now) > BREAK_GLASS_MAX {
            return Err(Refusal::EmergencyTooLong);
        }
        let transferred = self.register.accounts.get(actor.number).and_then(|account| account.transferred);
        // What is taken here belongs to the old place, and ends with it.
        let until = transferred.filter(|moment| *moment > self.now).map_or(until, |moment| until.min(moment));
        self.compatible(actor.number, power, self.now, Some(until))?;
        self.room_for(actor.number, 1)?;
        Ok(Change::GlassBroken { granted: self.granted(0, actor.number, power, self.now, Some(until)) })
    }

    /// Whether an official may hold a power for a time: no overseer administers, nothing is held twice, and of a transfer
    /// nothing begins before its moment.
    fn may_hold(&self, official: &OfficialNumber, power: &Power, begins: Timestamp, ends: Option<Timestamp>) -> Result<(), Refusal> {
        let transferred = self.register.accounts.get(official).and_then(|account| account.transferred);
        if transferred.is_some_and(|moment| begins < moment) {
            return Err(Refusal::BeforeTransfer);
        }
        self.compatible(official, power, begins, ends)
    }

    fn compatible(&self, official: &OfficialNumber, power: &Power, begins: Timestamp, ends: Option<Timestamp>) -> Result<(), Refusal> {
        for right in self.register.rights_of(official).filter(|right| right.overlaps(begins, ends)) {
            if right.power.is_incompatible_with(power) {
                return Err(Refusal::Incompatible);
            }
            if right.power == *power {
                return Err(Refusal::AlreadyHeld);
            }
        }
        Ok(())
    }

    fn room_for(&self, official: &OfficialNumber, rights: usize) -> Result<(), Refusal> {
        let held = self.register.accounts.get(official).map_or(0, |account| account.rights.len());
        if held + rights > RIGHTS_MAX { Err(Refusal::TooMany) } else { Ok(()) }
    }

    fn granted(&self, place: usize, official: &OfficialNumber, power: &Power, begins: Timestamp, ends: Option<Timestamp>) -> Granted {
        let right = RightId(self.register.next_right.saturating_add(u64::try_from(place).unwrap_or(u64::MAX)));
        Granted { right, official: official.clone(), power: power.clone(), begins, ends }
    }

    fn soon_enough(&self, at: Timestamp) -> Result<(), Refusal> {
        let far = at > self.now && at.duration_since(self.now) > BEGIN_AHEAD_MAX;
        // An order may have been on its way; a month or year mistyped ends everything at once.
        let old = at < self.now && self.now.duration_since(at) > BEGIN_BEHIND_MAX;
        if far || old { Err(Refusal::WrongTime) } else { Ok(()) }
    }

    /// Nobody could grant anything any more: refused, in danger too. Only who holds the office now, and
    /// without an end that is known, counts.
    fn somebody_administers_without(&self, ended: &[RightId]) -> Result<(), Refusal> {
        let central = |right: &&Right| right.power == Power::CentralAdministrator;
        let register = self.register;
        if !ended.iter().filter_map(|id| register.rights.get(id)).any(|right| central(&right)) {
            return Ok(());
        }
        let lasting = |right: &Right| right.ends.is_none() && right.acknowledged_at.is_some() && right.begins <= self.now;
        let left = register.rights.values().filter(central).any(|right| lasting(right) && !ended.contains(&right.id));
        if left { Ok(()) } else { Err(Refusal::LastAdministrator) }
    }

    fn upkeep(&self) -> Result<Vec<Event>, Refusal> {
        let rule = |name: &str, change: Change| Event { at: self.now, by: By::Gateway, basis: Basis::Rule(name.into()), change };
        let register = self.register;
        let mut events = Vec::new();
        for right in register.rights.values() {
            let by_itself = right.lapses.is_some_and(|lapses| self.now >= lapses && right.ends.is_none_or(|ends| lapses < ends));
            if by_itself {
                events.push(rule("quarterly-review", Change::Lapsed { right: right.id }));
            }
        }
        let Ok(before) = self.now.checked_sub(ERASED_AFTER) else { return Err(Refusal::NothingToDo) };
        for (official, account) in &register.accounts {
            if account.deactivated_at.is_some_and(|at| at < before) {
                events.push(rule("kept-for-a-year", Change::AccountErased { official: official.clone() }));
            }
        }
        let mut swept = register.clone();
        let sweep = Change::Swept { before };
        swept.apply(&rule("kept-for-a-year", sweep.clone()));
        if (swept.rights.len(), swept.requests.len()) != (register.rights.len(), register.requests.len()) {
            events.push(rule("kept-for-a-year", sweep));
        }
        if events.is_empty() { Err(Refusal::NothingToDo) } else { Ok(events) }
    }
}

fn document_fits(document: &DocumentRef) -> Result<(), Refusal> {
    text_fits(&document.reference)
}

fn stated(reason: &str) -> Result<Basis, Refusal> {
    text_fits(reason)?;
    Ok(Basis::Reason(reason.into()))
}

fn text_fits(text: &str) -> Result<(), Refusal> {
    let fits = !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Refusal::WrongText) }
}
