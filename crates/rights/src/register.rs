//! The register's state, how an event changes it, and what it answers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{ConsumerId, RoleId};
use serde::{Deserialize, Serialize};

use crate::event::{Basis, By, Change, Event, Granted};
use crate::id::{DocumentRef, OfficialNumber, PersonKey, RequestId, RightId};
use crate::power::Power;
use crate::review;

/// Who holds which right. Empty at first; [`Self::apply`] is the only way to change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    pub(crate) accounts: BTreeMap<OfficialNumber, Account>,
    pub(crate) rights: BTreeMap<RightId, Right>,
    pub(crate) requests: BTreeMap<RequestId, Request>,
    pub(crate) by_person: BTreeMap<PersonKey, OfficialNumber>,
    pub(crate) by_certificate: BTreeMap<Box<str>, OfficialNumber>,
    pub(crate) by_subject: BTreeMap<Box<str>, OfficialNumber>,
    /// The last event's moment: for the register it is never earlier than that.
    pub(crate) latest: Timestamp,
    pub(crate) next_right: u64,
    pub(crate) next_request: u64,
}

/// One person's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Who the person is, as a keyed digest.
    pub person: PersonKey,
    /// The name in his client certificate, in lower case.
    pub certificate_name: Option<Box<str>>,
    /// His name at the identity provider of officials.
    pub subject: Option<Box<str>>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Who opened it; nobody for those that were taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<OfficialNumber>,
    /// Since when it is deactivated.
    pub deactivated_at: Option<Timestamp>,
    /// His rights, in the order in which they came to be.
    pub rights: Vec<RightId>,
    /// The moment of his last transfer: what begins before it, ends at it.
    pub transferred: Option<Timestamp>,
}

/// A right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// Its number.
    pub id: RightId,
    /// Whose it is.
    pub official: OfficialNumber,
    /// What it is to.
    pub power: Power,
    /// From when.
    pub begins: Timestamp,
    /// Until when, not included.
    pub ends: Option<Timestamp>,
    /// Why it ends then, where something other than its own term says so.
    pub ending: Option<Ending>,
    /// When its holder acknowledged the duties; what is taken in an emergency needs none.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was last seen to: granted or confirmed.
    pub seen_to_at: Timestamp,
    /// When it lapses unless it is confirmed; a central administrator's does not.
    pub lapses: Option<Timestamp>,
    /// Whether it was taken in an emergency, and whether that was reviewed.
    pub emergency: Option<Emergency>,
    /// By whom it came to be, and what it rests on.
    pub by: By,
    /// What it rests on.
    pub basis: Basis,
}

/// What was taken in an emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Emergency {
    /// Nobody else has looked at it yet.
    Open,
    /// Somebody has.
    Reviewed,
}

/// Why a right ends before its own term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// On request.
    Requested,
    /// By a transfer.
    Transfer,
    /// At once, in danger or at the review.
    Withdrawn,
    /// Its holder left.
    Left,
    /// Nobody confirmed it at the review.
    Lapsed,
}

/// How a right stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightState {
    /// It acts.
    InForce,
    /// Its time has not come.
    NotYet,
    /// Its holder has not acknowledged its duties.
    NotAcknowledged,
    /// It has ended or lapsed.
    Over,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Wanted {
    /// A right for an official.
    Grant {
        /// Whose it will be.
        official: OfficialNumber,
        /// What it is to.
        power: Power,
        /// From when; at the earliest from the approval.
        begins: Timestamp,
        /// Until when, not included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends: Option<Timestamp>,
    },
    /// The end of a right.
    Withdrawal {
        /// Which.
        right: RightId,
        /// From when; at the earliest from the approval.
        at: Timestamp,
    },
    /// Another place or role for an official: all his rights end at the moment, and these begin then or later.
    Transfer {
        /// Whose.
        official: OfficialNumber,
        /// The moment at which the order takes effect.
        effective: Timestamp,
        /// What he is to hold there; empty where he only goes.
        powers: Vec<Power>,
    },
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What is asked for.
    pub wanted: Wanted,
    /// Whom it concerns.
    pub official: OfficialNumber,
    /// Who asked.
    pub by: By,
    /// The written request.
    pub document: DocumentRef,
    /// When that was received.
    pub received_at: Timestamp,
    /// By when it is to be decided.
    pub due: Timestamp,
    /// What came of it.
    pub state: RequestState,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum RequestState {
    /// Nothing yet.
    Open,
    /// It was approved.
    Approved {
        /// When.
        at: Timestamp,
        /// By whom.
        by: By,
    },
    /// It was refused, taken back, or closed because its official left.
    Closed {
        /// When.
        at: Timestamp,
        /// By whom.
        by: By,
    },
}

impl RequestState {
    fn decided_at(&self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Approved { at, .. } | Self::Closed { at, .. } => Some(*at),
        }
    }
}

impl Request {
    /// Whether it waits for a decision.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == RequestState::Open
    }

    /// Whether it waits although its term has passed (004, 17.5).
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.is_open() && now >= self.due
    }
}

/// How an official stands in a role of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// He holds it, and it acts.
    Held,
    /// There is no account of this number.
    NoAccount,
    /// The account is deactivated.
    Deactivated,
    /// He never held it, as far as that is still known.
    NotHeld,
    /// His right has not begun.
    NotYet,
    /// He has not acknowledged its duties.
    NotAcknowledged,
    /// His right has ended or lapsed.
    Withdrawn,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            rights: BTreeMap::new(),
            requests: BTreeMap::new(),
            by_person: BTreeMap::new(),
            by_certificate: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            latest: Timestamp::UNIX_EPOCH,
            next_right: 1,
            next_request: 1,
        }
    }
}

impl Right {
    pub(crate) fn new(granted: &Granted, event: &Event) -> Self {
        let Granted { right, official, power, begins, ends } = granted.clone();
        let mut new = Self {
            id: right,
            official,
            power,
            begins,
            ends,
            ending: None,
            acknowledged_at: None,
            seen_to_at: event.at,
            lapses: None,
            emergency: None,
            by: event.by.clone(),
            basis: event.basis.clone(),
        };
        new.see_to(event.at);
        new
    }

    /// Somebody has seen to it: it lapses one review later.
    fn see_to(&mut self, at: Timestamp) {
        self.seen_to_at = at;
        // Somebody must be left who can grant again.
        self.lapses = if self.power == Power::CentralAdministrator { None } else { review::lapses_after(at) };
    }

    /// Ends it at a moment, or leaves it where it ends before. Never brings one back.
    fn end(&mut self, at: Timestamp, why: Ending) {
        if self.ends.is_none_or(|ends| at < ends) {
            self.ends = Some(at);
            self.ending = Some(why);
        }
    }

    /// When it stops acting, as things stand.
    #[must_use]
    pub fn stops(&self) -> Option<Timestamp> {
        match (self.ends, self.lapses) {
            (Some(ends), Some(lapses)) => Some(ends.min(lapses)),
            (ends, lapses) => ends.or(lapses),
        }
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.stops().is_some_and(|stops| now >= stops)
    }

    /// How it stands at a moment, whatever becomes of its account.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> RightState {
        if self.is_over(now) {
            RightState::Over
        } else if self.acknowledged_at.is_none() {
            RightState::NotAcknowledged
        } else if now < self.begins {
            RightState::NotYet
        } else {
            RightState::InForce
        }
    }

    /// Whether both act at some moment, where nothing is lost in between.
    pub(crate) fn overlaps(&self, begins: Timestamp, ends: Option<Timestamp>) -> bool {
        let before = |one: Timestamp, end: Option<Timestamp>| end.is_none_or(|end| one < end);
        before(self.begins.max(begins), self.stops()) && before(self.begins.max(begins), ends)
    }
}

impl Register {
    /// The accounts, by number.
    pub fn accounts(&self) -> impl Iterator<Item = (&OfficialNumber, &Account)> {
        self.accounts.iter()
    }

    /// An account.
    #[must_use]
    pub fn account(&self, official: &OfficialNumber) -> Option<&Account> {
        self.accounts.get(official)
    }

    /// The account whose holder has this name at the identity provider of officials.
    #[must_use]
    pub fn by_subject(&self, subject: &str) -> Option<&OfficialNumber> {
        self.by_subject.get(subject)
    }

    /// Every right that is still known.
    pub fn rights(&self) -> impl Iterator<Item = &Right> {
        self.rights.values()
    }

    /// A right.
    #[must_use]
    pub fn right(&self, id: RightId) -> Option<&Right> {
        self.rights.get(&id)
    }

    /// The rights of an account, oldest first.
    pub fn rights_of(&self, official: &OfficialNumber) -> impl Iterator<Item = &Right> {
        self.accounts.get(official).into_iter().flat_map(|account| &account.rights).filter_map(|id| self.rights.get(id))
    }

    /// Every request that is still known.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.values()
    }

    /// A request.
    #[must_use]
    pub fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// Rights that were taken in an emergency and that nobody else has looked at, ended ones too.
    pub fn open_notices(&self) -> impl Iterator<Item = &Right> {
        self.rights.values().filter(|right| right.emergency == Some(Emergency::Open))
    }

    /// Whether nothing was ever taken over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The moment it is for the register: a clock that is put back brings nothing back to life.
    #[must_use]
    pub fn moment(&self, now: Timestamp) -> Timestamp {
        now.max(self.latest)
    }

    /// How an official stands in a role of a consumer. Costs a look at his own rights.
    #[must_use]
    pub fn standing(&self, official: &str, consumer: &ConsumerId, role: &RoleId, now: Timestamp) -> Standing {
        self.standing_by(official, consumer, role, now).0
    }

    /// The same with the right that it rests on, where it is held.
    #[must_use]
    pub fn standing_by(&self, official: &str, consumer: &ConsumerId, role: &RoleId, now: Timestamp) -> (Standing, Option<RightId>) {
        let now = self.moment(now);
        let Some((number, account)) = OfficialNumber::new(official).ok().and_then(|number| self.accounts.get_key_value(&number)) else {
            return (Standing::NoAccount, None);
        };
        if account.deactivated_at.is_some() {
            return (Standing::Deactivated, None);
        }
        let mut found = Standing::NotHeld;
        for right in self.rights_of(number) {
            let Power::Function { consumer: of, role: own, .. } = &right.power else { continue };
            if of != consumer || own != role {
                continue;
            }
            // The nearest to holding it is what is said.
            found = match (right.state(now), found) {
                (RightState::InForce, _) => return (Standing::Held, Some(right.id)),
                (RightState::NotAcknowledged, _) => Standing::NotAcknowledged,
                (RightState::NotYet, Standing::NotHeld | Standing::Withdrawn) => Standing::NotYet,
                (RightState::Over, Standing::NotHeld) => Standing::Withdrawn,
                (_, found) => found,
            };
        }
        (found, None)
    }

    /// Whose certificate this name is in, while his account is active.
    #[must_use]
    pub fn by_certificate(&self, certificate_name: &str) -> Option<&OfficialNumber> {
        let number = self.by_certificate.get(certificate_name)?;
        self.accounts.get(number).filter(|account| account.deactivated_at.is_none())?;
        Some(number)
    }

    /// The rights to offices that act at this moment for whoever has this name in his certificate.
    pub fn offices(&self, certificate_name: &str, now: Timestamp) -> impl Iterator<Item = &Right> {
        self.by_certificate(certificate_name)
            .into_iter()
            .flat_map(move |number| self.in_force(number, now))
            .filter(|right| right.power.office().is_some())
    }

    /// The rights of an official that act at this moment; none where his account is deactivated.
    pub fn in_force(&self, official: &OfficialNumber, now: Timestamp) -> impl Iterator<Item = &Right> {
        let now = self.moment(now);
        let active = self.accounts.get(official).is_some_and(|account| account.deactivated_at.is_none());
        self.rights_of(official).filter(move |right| active && right.state(now) == RightState::InForce)
    }

    /// Takes an event over. Decides nothing and never fails: what an event names and is not there is passed over.
    pub fn apply(&mut self, event: &Event) {
        let Event { at, by, change, .. } = event;
        self.latest = self.latest.max(*at);
        match change {
            Change::AccountOpened { official, person, certificate_name, subject } => {
                self.by_person.insert(*person, official.clone());
                if let Some(name) = certificate_name {
                    self.by_certificate.insert(name.clone(), official.clone());
                }
                if let Some(subject) = subject {
                    self.by_subject.insert(subject.clone(), official.clone());
                }
                let account = Account {
                    person: *person,
                    certificate_name: certificate_name.clone(),
                    subject: subject.clone(),
                    opened_at: *at,
                    opened_by: match by {
                        By::Official(official) => Some(official.clone()),
                        By::Gateway => None,
                    },
                    deactivated_at: None,
                    rights: Vec::new(),
                    transferred: None,
                };
                self.accounts.insert(official.clone(), account);
            }
            Change::AccountDeactivated { official } => {
                let Some(account) = self.accounts.get_mut(official) else { return };
                account.deactivated_at = Some(*at);
                for id in &account.rights {
                    if let Some(right) = self.rights.get_mut(id) {
                        right.end(*at, Ending::Left);
                    }
                }
                let leaver = By::Official(official.clone());
                for request in self.requests.values_mut() {
                    if request.is_open() && (request.official == *official || request.by == leaver) {
                        request.state = RequestState::Closed { at: *at, by: by.clone() };
                    }
                }
            }
            Change::AccountReopened { official } => {
                if let Some(account) = self.accounts.get_mut(official) {
                    account.deactivated_at = None;
                }
            }
            Change::AccountErased { official } => self.erase(official),
            Change::Given { granted, acknowledged } => {
                let mut right = Right::new(granted, event);
                right.acknowledged_at = acknowledged.then_some(*at);
                self.insert(right);
            }
            Change::Requested { request, wanted, document, received_at, due, ends } => {
                let official = match wanted {
                    Wanted::Grant { official, .. } => official.clone(),
                    Wanted::Withdrawal { right, .. } => match self.rights.get(right) {
                        Some(right) => right.official.clone(),
                        None => return,
                    },
                    Wanted::Transfer { official, effective, .. } => {
                        for id in ends {
                            if let Some(right) = self.rights.get_mut(id) {
                                right.end(*effective, Ending::Transfer);
                            }
                        }
                        // What was asked for in the old place is not given in the new one.
                        for open in self.requests.values_mut() {
                            if open.is_open() && open.official == *official && matches!(open.wanted, Wanted::Grant { .. }) {
                                open.state = RequestState::Closed { at: *at, by: by.clone() };
                            }
                        }
                        if let Some(account) = self.accounts.get_mut(official) {
                            account.transferred = Some(account.transferred.map_or(*effective, |last| last.max(*effective)));
                        }
                        official.clone()
                    }
                };
                let id = *request;
                self.next_request = self.next_request.max(id.0 + 1);
                let request = Request {
                    id,
                    wanted: wanted.clone(),
                    official,
                    by: by.clone(),
                    document: document.clone(),
                    received_at: *received_at,
                    due: *due,
                    state: RequestState::Open,
                };
                self.requests.insert(id, request);
            }
            Change::Approved { request, granted, ends } => {
                for granted in granted {
                    self.insert(Right::new(granted, event));
                }
                if let Some((id, moment)) = ends
                    && let Some(right) = self.rights.get_mut(id)
                {
                    right.end(*moment, Ending::Requested);
                }
                if let Some(request) = self.requests.get_mut(request) {
                    request.state = RequestState::Approved { at: *at, by: by.clone() };
                }
            }
            Change::Refused { request } | Change::Cancelled { request } => {
                if let Some(request) = self.requests.get_mut(request) {
                    request.state = RequestState::Closed { at: *at, by: by.clone() };
                }
            }
            Change::Acknowledged { right } => {
                if let Some(right) = self.rights.get_mut(right) {
                    right.acknowledged_at = Some(*at);
                }
            }
            Change::Withdrawn { right } => {
                if let Some(right) = self.rights.get_mut(right) {
                    right.end(*at, Ending::Withdrawn);
                }
            }
            Change::GlassBroken { granted } => {
                let mut right = Right::new(granted, event);
                right.acknowledged_at = Some(*at);
                right.emergency = Some(Emergency::Open);
                self.insert(right);
            }
            Change::GlassReviewed { right } => {
                if let Some(right) = self.rights.get_mut(right) {
                    right.emergency = Some(Emergency::Reviewed);
                }
            }
            Change::Confirmed { right } => {
                if let Some(right) = self.rights.get_mut(right) {
                    right.see_to(*at);
                }
            }
            Change::Lapsed { right } => {
                if let Some(right) = self.rights.get_mut(right)
                    && let Some(lapses) = right.lapses
                {
                    right.end(lapses, Ending::Lapsed);
                }
            }
            Change::Swept { before } => {
                let kept = |right: &Right| right.emergency == Some(Emergency::Open) || right.stops().is_none_or(|stops| stops >= *before);
                self.rights.retain(|_, right| kept(right));
                for account in self.accounts.values_mut() {
                    account.rights.retain(|id| self.rights.contains_key(id));
                }
                self.requests.retain(|_, request| request.state.decided_at().is_none_or(|at| at >= *before));
            }
        }
    }

    fn insert(&mut self, right: Right) {
        self.next_right = self.next_right.max(right.id.0 + 1);
        if let Some(account) = self.accounts.get_mut(&right.official) {
            account.rights.push(right.id);
            self.rights.insert(right.id, right);
        }
    }

    fn erase(&mut self, official: &OfficialNumber) {
        let Some(account) = self.accounts.remove(official) else { return };
        self.by_person.retain(|_, of| of != official);
        self.by_certificate.retain(|_, of| of != official);
        self.by_subject.retain(|_, of| of != official);
        for id in account.rights {
            self.rights.remove(&id);
        }
        self.requests.retain(|_, request| request.official != *official);
    }
}
