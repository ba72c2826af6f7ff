//! What the register lets happen, by example; `tests/transfer.rs` looks at every order of what can befall a transfer,
//! `tests/laws.rs` at what holds after any commands at all.

mod laws;
mod transfer;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use model::document::Document;
use model::{Calendar, ConsumerId, Problems, RoleId};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

/// A Thursday, ten in the morning in Baku.
fn now() -> Timestamp {
    at("2026-01-15T06:00:00Z")
}

fn later(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn number(text: &str) -> OfficialNumber {
    OfficialNumber::new(text).expect("valid")
}

fn consumer(text: &str) -> ConsumerId {
    ConsumerId::new(text).expect("valid")
}

fn function(of: &str, role: &str, territory: Option<&str>) -> Power {
    let territory = territory.map(|text| Territory::new(text).expect("valid"));
    Power::Function { consumer: consumer(of), role: RoleId::new(role).expect("valid"), territory }
}

fn officer() -> Power {
    function("targeted-aid", "case-officer", Some("baku/sabail"))
}

fn clerk() -> Power {
    function("targeted-aid", "clerk", None)
}

fn document() -> DocumentRef {
    DocumentRef { reference: "Order 17 of 12 January 2026".into(), sha256: Sha256([1; 32]) }
}

fn calendar() -> Calendar {
    Calendar::new(BTreeMap::from([(2026, [Date::constant(2026, 1, 20)].into())]))
}

fn by(text: &str) -> By {
    By::Official(number(text))
}

/// The register with the events that made it: what would be kept.
#[derive(Clone)]
struct World {
    register: Register,
    events: Vec<Event>,
}

impl World {
    fn new(accounts: &[(&str, &[Power])]) -> Self {
        let mut world = Self { register: Register::default(), events: Vec::new() };
        let initial = |change| Event { at: now(), by: By::Gateway, basis: Basis::Document(document()), change };
        for (place, (name, powers)) in accounts.iter().enumerate() {
            let mut key = [0; 32];
            key[0] = u8::try_from(place).expect("few");
            world.take(initial(Change::AccountOpened {
                official: number(name),
                person: PersonKey(key),
                certificate_name: Some(format!("{name}.console.test").into()),
                subject: None,
            }));
            for power in *powers {
                let right = RightId(world.register.next_right);
                let granted = Granted { right, official: number(name), power: power.clone(), begins: now(), ends: None };
                world.take(initial(Change::Given { granted, acknowledged: true }));
            }
        }
        world
    }

    fn usual() -> Self {
        Self::new(&[
            ("admin-1", &[Power::CentralAdministrator]),
            ("admin-2", &[Power::CentralAdministrator]),
            ("baku-1", &[Power::TerritorialAdministrator { territory: Territory::new("baku").expect("valid") }]),
            ("ganja-1", &[Power::TerritorialAdministrator { territory: Territory::new("ganja").expect("valid") }]),
            ("aid-1", &[Power::ConsumerOfficer { consumer: consumer("targeted-aid") }]),
            ("dpo-1", &[Power::DataProtectionOfficer]),
            ("AZ-0001", &[officer()]),
            ("AZ-0002", &[]),
        ])
    }

    fn take(&mut self, event: Event) {
        self.register.apply(&event);
        self.events.push(event);
    }

    fn tell(&mut self, who: &str, at: Timestamp, command: &Command) -> Result<(), Refusal> {
        let who = if who == "gateway" { By::Gateway } else { by(who) };
        for event in self.register.decide(command, &who, at, &calendar())? {
            self.take(event);
        }
        Ok(())
    }

    fn standing(&self, official: &str, power: &Power, at: Timestamp) -> Standing {
        let Power::Function { consumer, role, .. } = power else { panic!("a function") };
        self.register.standing(official, consumer, role, at)
    }

    fn held(&self, official: &str, power: &Power) -> RightId {
        let all: Vec<_> = self.register.rights_of(&number(official)).filter(|right| right.power == *power).collect();
        all.last().expect("there is one").id
    }

    fn last_request(&self) -> RequestId {
        RequestId(self.register.next_request - 1)
    }

    fn grant(&mut self, who: &str, official: &str, power: &Power) -> Result<RequestId, Refusal> {
        let wanted = Wanted::Grant { official: number(official), power: power.clone(), begins: now(), ends: None };
        self.tell(who, now(), &Command::Request { wanted, document: document(), received_at: now() })?;
        Ok(self.last_request())
    }
}

fn approve(request: RequestId) -> Command {
    Command::Approve { request }
}

fn withdraw(right: RightId) -> Command {
    Command::Withdraw { right, reason: "a lost card".into() }
}

#[test]
fn a_right_acts_once_it_is_requested_approved_and_acknowledged() {
    let mut world = World::usual();
    assert_eq!(world.standing("AZ-0002", &clerk(), now()), Standing::NotHeld);
    let request = world.grant("aid-1", "AZ-0002", &clerk()).expect("requested");
    assert_eq!(world.standing("AZ-0002", &clerk(), now()), Standing::NotHeld);
    world.tell("admin-1", now(), &approve(request)).expect("approved");
    assert_eq!(world.standing("AZ-0002", &clerk(), now()), Standing::NotAcknowledged);
    let acknowledge = Command::Acknowledge { right: world.held("AZ-0002", &clerk()) };
    assert_eq!(world.tell("admin-1", now(), &acknowledge), Err(Refusal::NotYours));
    world.tell("AZ-0002", now(), &acknowledge).expect("acknowledged");
    assert_eq!(world.standing("AZ-0002", &clerk(), now()), Standing::Held);
    assert_eq!(world.tell("admin-2", now(), &approve(request)), Err(Refusal::RequestDecided));
    assert_eq!(world.standing("AZ-0009", &clerk(), now()), Standing::NoAccount);
}

/// Who may approve which right: the table of the clauses 6.2 to 6.5, row by row.
#[test]
fn the_approver_is_who_the_scope_says() {
    let in_baku = function("targeted-aid", "clerk", Some("baku/sabail"));
    let anywhere = clerk();
    let elsewhere = function("pension", "case-officer", None);
    let rows: [(&Power, &[&str]); 5] = [
        (&in_baku, &["admin-1", "admin-2", "aid-1", "baku-1"]),
        (&anywhere, &["admin-1", "admin-2", "aid-1"]),
        (&elsewhere, &["admin-1", "admin-2"]),
        (&Power::Auditor, &["admin-1", "admin-2"]),
        (&Power::CentralAdministrator, &["admin-1", "admin-2"]),
    ];
    for (power, approvers) in rows {
        let mut world = World::usual();
        // Somebody who may approve nothing at all asks.
        let request = world.grant("AZ-0001", "AZ-0002", power).expect("requested");
        for who in ["admin-1", "admin-2", "aid-1", "baku-1", "ganja-1", "dpo-1"] {
            let said = world.clone().tell(who, now(), &approve(request));
            let expected = if approvers.contains(&who) { Ok(()) } else { Err(Refusal::NotEntitled) };
            assert_eq!(said, expected, "{who} approves {power:?}");
        }
    }
}

#[test]
fn nobody_approves_his_own_request_or_what_serves_himself() {
    let mut world = World::usual();
    let own = world.grant("admin-1", "AZ-0002", &clerk()).expect("requested");
    assert_eq!(world.tell("admin-1", now(), &approve(own)), Err(Refusal::OwnRequest));
    let for_me = world.grant("AZ-0001", "aid-1", &clerk()).expect("requested");
    assert_eq!(world.tell("aid-1", now(), &approve(for_me)), Err(Refusal::OwnRight));
    world.tell("admin-2", now(), &approve(for_me)).expect("approved by another");
}

#[test]
fn who_acts_never_oversees() {
    let mut world = World::usual();
    for power in [Power::Auditor, Power::Assessor, Power::DataProtectionOfficer] {
        assert_eq!(world.grant("aid-1", "admin-1", &power), Err(Refusal::Incompatible));
        assert_eq!(world.grant("aid-1", "baku-1", &power), Err(Refusal::Incompatible));
    }
    for power in [Power::CentralAdministrator, Power::Operator] {
        assert_eq!(world.grant("aid-1", "dpo-1", &power), Err(Refusal::Incompatible));
    }
    // A consumer's officer stands on neither side.
    assert!(world.grant("admin-1", "aid-1", &Power::Auditor).is_ok());
    // Two requests that each fit do not both come through.
    let auditor = world.grant("aid-1", "AZ-0002", &Power::Auditor).expect("requested");
    let operator = world.grant("aid-1", "AZ-0002", &Power::Operator).expect("requested");
    world.tell("admin-1", now(), &approve(auditor)).expect("approved");
    assert_eq!(world.tell("admin-1", now(), &approve(operator)), Err(Refusal::Incompatible));
}

#[test]
fn one_person_has_one_account() {
    let mut world = World::usual();
    let open = |official: &str, key: u8, name: Option<&str>| Command::OpenAccount {
        official: number(official),
        person: PersonKey([key; 32]),
        certificate_name: name.map(Box::from),
        subject: None,
        document: document(),
    };
    assert_eq!(world.tell("AZ-0001", now(), &open("AZ-0100", 77, None)), Err(Refusal::NotEntitled));
    world.tell("aid-1", now(), &open("AZ-0100", 77, None)).expect("opened");
    assert_eq!(world.tell("aid-1", now(), &open("AZ-0101", 77, None)), Err(Refusal::SecondAccount));
    assert_eq!(world.tell("aid-1", now(), &open("AZ-0100", 78, None)), Err(Refusal::NumberTaken));
    assert_eq!(world.tell("aid-1", now(), &open("AZ-0101", 78, Some("admin-1.console.test"))), Err(Refusal::CertificateTaken));
}

#[test]
fn who_leaves_holds_nothing_at_once_and_is_erased_after_a_year() {
    let mut world = World::usual();
    world.grant("admin-1", "AZ-0001", &clerk()).expect("requested");
    let leave = Command::Leave { official: number("AZ-0001"), document: document() };
    assert_eq!(world.tell("ganja-1", now(), &leave), Err(Refusal::NotEntitled));
    world.tell("baku-1", later(1), &leave).expect("left");
    assert_eq!(world.standing("AZ-0001", &officer(), later(1)), Standing::Deactivated);
    assert_eq!(world.tell("admin-2", later(2), &approve(world.last_request())), Err(Refusal::RequestDecided));

    let reopen = Command::Reopen { official: number("AZ-0001"), document: document() };
    let mut back = world.clone();
    back.tell("admin-1", later(3), &reopen).expect("reopened");
    assert_eq!(back.standing("AZ-0001", &officer(), later(3)), Standing::Withdrawn, "no right came back with him");

    let year = later(1) + ERASED_AFTER;
    let there = |world: &World| world.register.account(&number("AZ-0001")).is_some();
    world.tell("gateway", year, &Command::Upkeep).expect("something lapsed");
    assert!(there(&world));
    world.tell("gateway", year + SignedDuration::from_secs(1), &Command::Upkeep).expect("erased");
    assert!(!there(&world));
    assert_eq!(world.standing("AZ-0001", &officer(), year), Standing::NoAccount);
    assert_eq!(world.tell("gateway", year + SignedDuration::from_secs(1), &Command::Upkeep), Err(Refusal::NothingToDo));
    assert_eq!(world.tell("admin-1", year, &Command::Upkeep), Err(Refusal::NotForPersons));
}

#[test]
fn a_request_is_due_after_two_working_days() {
    let mut world = World::usual();
    // A Thursday; the 17th and 18th are the weekend, the 20th is a day off.
    let request = world.grant("aid-1", "AZ-0002", &clerk()).expect("requested");
    let request = world.register.request(request).expect("there");
    assert_eq!(request.due, at("2026-01-19T20:00:00Z"), "midnight after Monday");
    assert!(!request.is_overdue(at("2026-01-19T19:59:59Z")) && request.is_overdue(at("2026-01-19T20:00:00Z")));

    let wanted = Wanted::Grant { official: number("AZ-0002"), power: officer(), begins: now(), ends: None };
    let old = Command::Request { wanted: wanted.clone(), document: document(), received_at: at("2025-12-01T06:00:00Z") };
    assert_eq!(world.tell("aid-1", now(), &old), Err(Refusal::CalendarUnknown));
    let ahead = Command::Request { wanted, document: document(), received_at: later(1) };
    assert_eq!(world.tell("aid-1", now(), &ahead), Err(Refusal::WrongTime));
}

#[test]
fn danger_ends_a_right_at_once() {
    let right = |world: &World| world.held("AZ-0001", &officer());
    for who in ["admin-1", "baku-1", "aid-1", "dpo-1"] {
        let mut world = World::usual();
        let command = withdraw(right(&world));
        world.tell(who, later(1), &command).expect("withdrawn");
        assert_eq!(world.standing("AZ-0001", &officer(), later(1)), Standing::Withdrawn, "{who}");
        assert_eq!(world.standing("AZ-0001", &officer(), now()), Standing::Withdrawn, "a clock that is put back");
        assert_eq!(world.tell(who, later(2), &command), Err(Refusal::RightOver));
    }
    let mut world = World::usual();
    let command = withdraw(right(&world));
    assert_eq!(world.tell("ganja-1", now(), &command), Err(Refusal::NotEntitled));
    assert_eq!(world.tell("AZ-0002", now(), &command), Err(Refusal::NotEntitled));
    let silent = Command::Withdraw { right: right(&world), reason: " ".into() };
    assert_eq!(world.tell("dpo-1", now(), &silent), Err(Refusal::WrongText));
}

#[test]
fn a_withdrawal_on_request_ends_the_right_when_it_says() {
    let mut world = World::usual();
    let wanted = Wanted::Withdrawal { right: world.held("AZ-0001", &officer()), at: later(60) };
    world.tell("AZ-0001", now(), &Command::Request { wanted, document: document(), received_at: now() }).expect("requested");
    let request = world.last_request();
    assert_eq!(world.tell("ganja-1", now(), &approve(request)), Err(Refusal::NotEntitled));
    world.tell("aid-1", now(), &approve(request)).expect("approved");
    assert_eq!(world.standing("AZ-0001", &officer(), later(59)), Standing::Held);
    assert_eq!(world.standing("AZ-0001", &officer(), later(60)), Standing::Withdrawn);
}

#[test]
fn in_an_emergency_a_listed_right_acts_at_once_for_hours_and_is_reviewed_by_another() {
    let mut world = World::usual();
    let break_glass = |power: &Power, minutes: i64| Command::BreakGlass {
        power: power.clone(),
        reason: "nobody else is there".into(),
        until: later(minutes),
    };
    assert_eq!(world.tell("AZ-0002", now(), &break_glass(&clerk(), 60)), Err(Refusal::NotAllowedInEmergency));
    assert_eq!(world.tell("AZ-0001", now(), &break_glass(&Power::Auditor, 60)), Err(Refusal::NotAllowedInEmergency));
    assert_eq!(world.tell("AZ-0001", now(), &break_glass(&function("pension", "clerk", None), 60)), Err(Refusal::NotAllowedInEmergency));
    assert_eq!(world.tell("AZ-0001", now(), &break_glass(&clerk(), 241)), Err(Refusal::EmergencyTooLong));
    world.tell("AZ-0001", now(), &break_glass(&clerk(), 240)).expect("taken");
    assert_eq!(world.standing("AZ-0001", &clerk(), later(239)), Standing::Held);
    assert_eq!(world.standing("AZ-0001", &clerk(), later(240)), Standing::Withdrawn, "it ends by itself");
    // One after the other would be no end.
    assert_eq!(world.tell("AZ-0001", later(250), &break_glass(&clerk(), 400)), Err(Refusal::EmergencyOpen));

    let right = world.held("AZ-0001", &clerk());
    let review = Command::ReviewBreakGlass { right, reason: "he was alone that night".into() };
    assert_eq!(world.tell("AZ-0001", later(300), &review), Err(Refusal::OwnRight));
    assert_eq!(world.tell("ganja-1", later(300), &review), Err(Refusal::NotEntitled));
    assert_eq!(world.register.open_notices().count(), 1);
    // It stays open for however long nobody looks.
    world.tell("gateway", now() + ERASED_AFTER * 2, &Command::Upkeep).expect("something lapsed");
    assert_eq!(world.register.open_notices().count(), 1);
    let mut world = World::usual();
    world.tell("AZ-0001", now(), &break_glass(&clerk(), 240)).expect("taken");
    world
        .tell("dpo-1", later(300), &Command::ReviewBreakGlass { right: world.held("AZ-0001", &clerk()), reason: "in order".into() })
        .expect("reviewed");
    assert_eq!(world.register.open_notices().count(), 0);
}

#[test]
fn what_others_took_away_nobody_gives_back_to_himself() {
    let mut world = World::usual();
    let request = world.grant("aid-1", "AZ-0001", &clerk()).expect("requested");
    world.tell("admin-1", now(), &approve(request)).expect("approved");
    let right = world.held("AZ-0001", &clerk());
    world.tell("AZ-0001", now(), &Command::Acknowledge { right }).expect("acknowledged");
    world.tell("dpo-1", now(), &withdraw(right)).expect("withdrawn");
    let take = Command::BreakGlass { power: clerk(), reason: "alone".into(), until: later(60) };
    assert_eq!(world.tell("AZ-0001", now(), &take), Err(Refusal::TakenAway));
}

#[test]
fn separation_of_duties_holds_in_an_emergency_too() {
    let mut world = World::usual();
    let take = |power: Power| Command::BreakGlass { power, reason: "the night shift is ill".into(), until: later(60) };
    world.tell("admin-1", now(), &take(Power::Operator)).expect("on the list");
    world.tell("dpo-1", now(), &take(Power::Auditor)).expect("on the list");
    assert_eq!(world.tell("dpo-1", now(), &take(Power::Operator)), Err(Refusal::NotAllowedInEmergency));
}

#[test]
fn a_right_that_nobody_confirms_after_its_quarter_lapses() {
    let mut world = World::usual();
    let right = world.held("AZ-0001", &officer());
    let confirm = Command::Confirm { right };
    assert_eq!(world.tell("aid-1", at("2026-03-30T06:00:00Z"), &confirm), Err(Refusal::NotDue));
    let mut confirmed = world.clone();
    assert_eq!(confirmed.tell("AZ-0001", at("2026-04-02T06:00:00Z"), &confirm), Err(Refusal::OwnRight));
    confirmed.tell("baku-1", at("2026-04-02T06:00:00Z"), &confirm).expect("confirmed");

    let last = at("2026-04-30T19:59:59Z");
    assert_eq!(world.standing("AZ-0001", &officer(), last), Standing::Held);
    let over = at("2026-04-30T20:00:00Z");
    assert_eq!(world.standing("AZ-0001", &officer(), over), Standing::Withdrawn);
    assert_eq!(confirmed.standing("AZ-0001", &officer(), over), Standing::Held);
    assert_eq!(world.tell("baku-1", over, &confirm), Err(Refusal::RightOver));
    // Somebody is left who can grant again.
    assert!(world.register.offices("admin-1.console.test", over).next().is_some());
    world.tell("gateway", over, &Command::Upkeep).expect("taken down");
    assert_eq!(world.register.right(right).and_then(|right| right.ending), Some(Ending::Lapsed));
}

#[test]
fn the_review_shows_a_reviewer_what_is_in_his_scope_and_what_is_not_used() {
    let world = World::usual();
    let right = world.held("AZ-0001", &officer());
    let mut uses = Uses::default();
    let seen = |who: &str, uses: &Uses, now: Timestamp| -> Vec<(RightId, bool, bool)> {
        let review = world.register.review(&number(who), uses, now);
        review.items.iter().map(|item| (item.right.id, item.unused, item.due)).collect()
    };
    assert_eq!(seen("baku-1", &uses, at("2026-04-14T06:00:00Z")), [(right, false, true)]);
    assert_eq!(seen("baku-1", &uses, at("2026-04-16T06:00:00Z")), [(right, true, true)]);
    uses.note(right, at("2026-02-01T06:00:00Z"));
    assert_eq!(seen("baku-1", &uses, at("2026-04-16T06:00:00Z")), [(right, false, true)]);
    assert_eq!(seen("ganja-1", &uses, now()), []);
    assert_eq!(seen("dpo-1", &uses, now()).len(), world.register.rights().count());
}

#[test]
fn somebody_is_always_left_who_can_grant() {
    let mut world = World::usual();
    let leave = |name: &str| Command::Leave { official: number(name), document: document() };
    world.tell("admin-1", now(), &leave("admin-2")).expect("one is left");
    assert_eq!(world.tell("admin-1", now(), &leave("admin-1")), Err(Refusal::LastAdministrator));
    let right = world.held("admin-1", &Power::CentralAdministrator);
    // Not in danger either: nobody could mend it.
    assert_eq!(world.tell("dpo-1", now(), &withdraw(right)), Err(Refusal::LastAdministrator));
}

// clause: 004/6.2
#[test]
fn two_accounts_of_one_person_are_no_two_pairs_of_eyes() {
    let mut world = World::usual();
    let open = |official: &str, key: u8| Command::OpenAccount {
        official: number(official),
        person: PersonKey([key; 32]),
        certificate_name: None,
        subject: None,
        document: document(),
    };
    world.tell("aid-1", now(), &open("AZ-0100", 77)).expect("opened");
    // For an account that he has opened, somebody else decides.
    let asked = world.grant("admin-1", "AZ-0100", &clerk()).expect("requested");
    assert_eq!(world.tell("aid-1", now(), &approve(asked)), Err(Refusal::OpenedByYou));
    world.tell("admin-2", now(), &approve(asked)).expect("approved by another");
    // And so for what such an account asks for.
    let asked = world.grant("AZ-0100", "AZ-0002", &clerk()).expect("requested");
    assert_eq!(world.tell("aid-1", now(), &approve(asked)), Err(Refusal::OpenedByYou));
    world.tell("admin-2", now(), &approve(asked)).expect("approved by another");
}

#[test]
fn a_mistyped_month_ends_nothing() {
    let mut world = World::usual();
    let ordered = |effective| {
        let wanted = Wanted::Transfer { official: number("AZ-0001"), effective, powers: Vec::new() };
        Command::Request { wanted, document: document(), received_at: now() }
    };
    let long_ago = now() - SignedDuration::from_hours(32 * 24);
    assert_eq!(world.tell("aid-1", now(), &ordered(long_ago)), Err(Refusal::WrongTime));
    world.tell("aid-1", now(), &ordered(now() - SignedDuration::from_hours(24))).expect("an order that was on its way");
}

#[test]
fn refusals_have_one_code_and_two_sentences_each() {
    let codes: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes.len(), Refusal::ALL.len());
    assert!(Refusal::ALL.iter().all(|refusal| !refusal.az().is_empty() && refusal.az() != refusal.en()));
}

#[test]
fn an_event_is_read_back_as_it_was_written() {
    let mut world = World::usual();
    let transfer = Wanted::Transfer { official: number("AZ-0001"), effective: later(60), powers: vec![clerk()] };
    world.tell("aid-1", now(), &Command::Request { wanted: transfer, document: document(), received_at: now() }).expect("ordered");
    world.tell("admin-1", now(), &approve(world.last_request())).expect("approved");
    for event in &world.events {
        let text = serde_json::to_string(event).expect("JSON");
        assert_eq!(serde_json::from_str::<Event>(&text).expect("an event"), *event, "{text}");
    }
    let text = serde_json::to_string(&world.register).expect("JSON");
    assert_eq!(serde_json::from_str::<Register>(&text).expect("a register"), world.register);
}

fn initial(text: &str) -> Result<Register, Vec<String>> {
    let file = Document::parse(Path::new("access.yaml"), text).expect("YAML");
    let mut problems = Problems::default();
    let person = |text: &str| {
        let mut key = [0; 32];
        key.iter_mut().zip(text.bytes()).for_each(|(byte, of)| *byte = of);
        PersonKey(key)
    };
    let knows = |power: &Power| !matches!(power, Power::Function { role, .. } if role.as_str() == "nobody");
    let events = take_over(&file, &document(), person, knows, now(), &mut problems);
    events
        .map(|events| {
            let mut register = Register::default();
            events.iter().for_each(|event| register.apply(event));
            register
        })
        .map_err(|WrongInitial| problems.into_sorted().iter().map(ToString::to_string).collect())
}

#[test]
fn an_initial_register_is_taken_over_whole_or_not_at_all() {
    let sound = "accounts:
  admin-1: {person: P-1, certificate_name: Admin-1.console.test, acknowledged: true, rights: [{office: central-administrator}]}
  admin-2: {person: P-2, rights: [{office: central-administrator}]}
  AZ-0001: {person: P-3, acknowledged: true, rights: [{consumer: targeted-aid, role: case-officer}]}
";
    let register = initial(sound).expect("sound");
    let held = |official: &str| register.standing(official, &consumer("targeted-aid"), &RoleId::new("case-officer").expect("valid"), now());
    assert_eq!(held("AZ-0001"), Standing::Held);
    assert_eq!(register.offices("admin-1.console.test", now()).count(), 1);
    assert_eq!(register.in_force(&number("admin-2"), now()).count(), 0, "not acknowledged");

    let wrong = "accounts:
  admin-1: {person: P-1, rights: [{office: central-administrator}, {office: auditor}]}
  robot:x: {person: P-2, rights: []}
  AZ-0001: {person: P-1, rights: [{office: consumer-officer}, {consumer: a, role: nobody}, {office: operator, ends: yesterday}]}
";
    let found = initial(wrong).expect_err("wrong");
    let found: Vec<&str> = found.iter().filter_map(|problem| problem.split_once(", accepted").map(|(what, _)| what)).collect();
    assert_eq!(
        found,
        [
            "access.yaml:2:3: too-few: too few central administrators",
            "access.yaml:2:68: misplaced-key: does not go with another office of this account",
            "access.yaml:3:12: wrong-name: not an official's number",
            "access.yaml:4:21: repeated-word: this person has an account already",
            "access.yaml:4:35: wrong-form: not a right",
            "access.yaml:4:63: unknown-role: the data have no such consumer or role",
            "access.yaml:4:117: wrong-date: not a moment to come",
        ]
    );
}

#[test]
fn the_committed_schema_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/schema/access.schema.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&schema()).expect("JSON"));
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&file, &text).expect("written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "run UPDATE_SCHEMAS=1 cargo nextest run -p rights schema");
}
