//! The register with which a deployment begins (`access.initial`): accounts and what they hold, from a document that was
//! signed on paper. Taken over once, when nothing is kept yet.

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::document::{Document, escape};
use model::raw::Ordered;
use model::{Office, Problems, rule};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::command::{ACCOUNTS_MAX, NAME_BYTES_MAX, RIGHTS_MAX};
use crate::event::{Basis, By, Change, Event, Granted};
use crate::id::{DocumentRef, OfficialNumber, PersonKey, RightId};
use crate::power::{POWER_FORMS, Power, Written};
use crate::register::Register;

/// Fewest central administrators with which a register begins: a request of one of them needs another.
const CENTRAL_MIN: usize = 2;
/// Longest text that says who a person is, in bytes.
const PERSON_BYTES_MAX: usize = 64;

/// The initial register of rights.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitialFile {
    /// Accounts, by the number under which an official is known everywhere, such as `AZ-0001`.
    pub accounts: Ordered<InitialAccount>,
}

/// An account of the initial register.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitialAccount {
    /// Who the person is: his number in the personnel register, never an identifier of citizens. One person has one account.
    pub person: String,
    /// The DNS name in his client certificate; without one he cannot use the console.
    #[serde(default)]
    pub certificate_name: Option<String>,
    /// His name at the identity provider of officials.
    #[serde(default)]
    pub subject: Option<String>,
    /// Whether he has acknowledged the duties of all these rights on paper; else each is inactive until he does.
    #[serde(default)]
    pub acknowledged: bool,
    /// What he holds.
    pub rights: Vec<InitialRight>,
}

impl std::fmt::Debug for InitialAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InitialAccount").field("rights", &self.rights).finish_non_exhaustive()
    }
}

/// A right of the initial register: an `office`, or a `consumer` and a `role`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitialRight {
    /// The office; left out for a function.
    #[serde(default)]
    pub office: Option<Office>,
    /// The consumer of a function or of a consumer officer.
    #[serde(default)]
    pub consumer: Option<String>,
    /// The role of a function.
    #[serde(default)]
    pub role: Option<String>,
    /// The territory of a territorial administrator, or where a function is exercised, such as `baku/sabail`.
    #[serde(default)]
    pub territory: Option<String>,
    /// Last moment, RFC 3339, not included; left out, until it is withdrawn or lapses.
    #[serde(default)]
    pub ends: Option<String>,
}

/// The JSON Schema of the file, `contracts/schema/access.schema.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(InitialFile).to_value()
}

/// The file has problems; they are in the list that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the initial register has problems")]
pub struct WrongInitial;

/// Checks the file and makes the events that it comes to. `person` makes the keyed digest of who somebody is, `knows`
/// says whether the data have the consumer, and the role where one is named.
///
/// # Errors
/// When anything is wrong with it; `problems` says what and where.
pub fn take_over(
    document: &Document,
    basis: &DocumentRef,
    person: impl Fn(&str) -> PersonKey,
    knows: impl Fn(&Power) -> bool,
    now: Timestamp,
    problems: &mut Problems,
) -> Result<Vec<Event>, WrongInitial> {
    let before = problems.as_slice().len();
    let Some(file) = document.decode::<InitialFile>(problems) else { return Err(WrongInitial) };
    let mut taking = Taking { document, problems, register: Register::default(), events: Vec::new() };
    if file.accounts.0.len() > ACCOUNTS_MAX {
        taking.refuse("/accounts", rule::TOO_MANY, "too many accounts", format!("at most {ACCOUNTS_MAX}"));
    }
    let event = |change: Change| Event { at: now, by: By::Gateway, basis: Basis::Document(basis.clone()), change };
    let (mut persons, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (number, account) in file.accounts.0.into_iter().take(ACCOUNTS_MAX) {
        let at = format!("/accounts/{}", escape(&number));
        let Ok(official) = OfficialNumber::new(&number) else {
            taking.refuse(&at, rule::WRONG_NAME, "not an official's number", "1 to 64 letters, digits, '-', '.' or '_'");
            continue;
        };
        if account.person.trim().is_empty() || account.person.len() > PERSON_BYTES_MAX {
            taking.refuse(&format!("{at}/person"), rule::EMPTY_TEXT, "not a person's number", format!("1 to {PERSON_BYTES_MAX} bytes"));
        }
        if !persons.insert(account.person.clone()) {
            taking.refuse(&format!("{at}/person"), rule::REPEATED_WORD, "this person has an account already", "one account for one person");
        }
        let certificate_name = account.certificate_name.as_deref().map(|name| Box::from(name.to_ascii_lowercase()));
        let subject: Option<Box<str>> = account.subject.as_deref().map(Box::from);
        for (key, name) in [("certificate_name", &certificate_name), ("subject", &subject)] {
            let Some(name) = name else { continue };
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                taking.refuse(&format!("{at}/{key}"), rule::WRONG_NAME, "not a name", format!("1 to {NAME_BYTES_MAX} bytes"));
            }
            if !names.insert((key, name.clone())) {
                taking.refuse(&format!("{at}/{key}"), rule::REPEATED_WORD, "belongs to another account", "a name of this account alone");
            }
        }
        taking.push(event(Change::AccountOpened {
            official: official.clone(),
            person: person(&account.person),
            certificate_name,
            subject,
        }));
        if account.rights.len() > RIGHTS_MAX {
            taking.refuse(&format!("{at}/rights"), rule::TOO_MANY, "too many rights", format!("at most {RIGHTS_MAX}"));
        }
        for (place, right) in account.rights.iter().enumerate().take(RIGHTS_MAX) {
            let at = format!("{at}/rights/{place}");
            let Some((power, ends)) = taking.right(&at, right, now) else { continue };
            if !knows(&power) {
                taking.refuse(
                    &at,
                    rule::UNKNOWN_ROLE,
                    "the data have no such consumer or role",
                    "a consumer and a role of contracts/consumers",
                );
            }
            let held: Vec<Power> = taking.register.rights_of(&official).map(|right| right.power.clone()).collect();
            if held.contains(&power) {
                taking.refuse(&at, rule::REPEATED_WORD, "is held twice", "each right once");
            }
            if held.iter().any(|held| held.is_incompatible_with(&power)) {
                let accepted = "administering and operating, or overseeing, but not both";
                taking.refuse(&at, rule::MISPLACED_KEY, "does not go with another office of this account", accepted);
            }
            let granted = Granted { right: RightId(taking.register.next_right), official: official.clone(), power, begins: now, ends };
            taking.push(event(Change::Given { granted, acknowledged: account.acknowledged }));
        }
    }
    let central = |right: &&crate::register::Right| right.power == Power::CentralAdministrator && right.ends.is_none();
    if taking.register.rights().filter(central).count() < CENTRAL_MIN {
        taking.refuse(
            "/accounts",
            rule::TOO_FEW,
            "too few central administrators",
            format!("at least {CENTRAL_MIN}: one's request needs another"),
        );
    }
    let Taking { problems, events, .. } = taking;
    if problems.as_slice().len() > before { Err(WrongInitial) } else { Ok(events) }
}

/// The file on its way into events; the register that it comes to so far answers what is held already.
struct Taking<'a> {
    document: &'a Document,
    problems: &'a mut Problems,
    register: Register,
    events: Vec<Event>,
}

impl Taking<'_> {
    fn refuse(&mut self, pointer: &str, rule: &'static str, message: &str, accepted: impl Into<String>) {
        self.problems.push(self.document.problem(pointer, rule, message, accepted));
    }

    fn push(&mut self, event: Event) {
        self.register.apply(&event);
        self.events.push(event);
    }

    fn right(&mut self, at: &str, right: &InitialRight, now: Timestamp) -> Option<(Power, Option<Timestamp>)> {
        let InitialRight { office, consumer, role, territory, ends } = right.clone();
        let Ok(power) = Power::try_from(Written { office, consumer, role, territory }) else {
            self.refuse(at, rule::WRONG_FORM, "not a right", POWER_FORMS);
            return None;
        };
        let ends = match ends.as_deref().map(str::parse::<Timestamp>) {
            None => None,
            Some(Ok(ends)) if ends > now => Some(ends),
            Some(_) => {
                self.refuse(&format!("{at}/ends"), rule::WRONG_DATE, "not a moment to come", "RFC 3339, such as 2027-01-01T00:00:00+04:00");
                return None;
            }
        };
        Some((power, ends))
    }
}
