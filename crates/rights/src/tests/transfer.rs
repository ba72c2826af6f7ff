//! Every order in which a transfer can be ordered, approved, acknowledged, taken back, met by danger, by leaving and by a
//! second transfer, at every moment around the one at which it takes effect, with a stop of the process between any two
//! events: nobody ever holds an old right and a new one at once.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::*;

/// Moments before, at and after the first transfer's effect, which the second shares one half with: when steps happen.
fn moments() -> [Timestamp; 4] {
    [0, 60, 61, 120].map(later)
}

/// When it is looked: the same, and those between and after them.
fn looks() -> [Timestamp; 6] {
    [0, 59, 60, 61, 120, 121].map(later)
}

fn small() -> World {
    World::new(&[
        ("admin-1", &[Power::CentralAdministrator]),
        ("admin-2", &[Power::CentralAdministrator]),
        ("dpo-1", &[Power::DataProtectionOfficer]),
        (OFFICIAL, &[officer()]),
    ])
}

const OFFICIAL: &str = "AZ-0001";

fn old() -> Power {
    officer()
}

fn new() -> Power {
    clerk()
}

/// The second transfer brings him back: its new right is to what was old.
fn powers() -> [Power; 2] {
    [new(), old()]
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Order(usize),
    Approve(usize),
    Cancel(usize),
    Refuse(usize),
    /// Acknowledges whatever is not acknowledged.
    Acknowledge,
    WithdrawFirst,
    WithdrawLast,
    Leave,
    BreakGlass,
}

const STEPS: [Step; 11] = [
    Step::Order(0),
    Step::Approve(0),
    Step::Cancel(0),
    Step::Order(1),
    Step::Approve(1),
    Step::Refuse(1),
    Step::Acknowledge,
    Step::WithdrawFirst,
    Step::WithdrawLast,
    Step::Leave,
    Step::BreakGlass,
];

#[derive(Clone)]
struct State {
    world: World,
    orders: [Option<RequestId>; 2],
}

impl State {
    /// Takes a step; false where the register refuses it.
    fn take(&mut self, step: Step, at: Timestamp) -> bool {
        let official = number(OFFICIAL);
        let of = |order: Option<RequestId>| order.unwrap_or(RequestId(u64::MAX));
        let rights: Vec<&Right> = self.world.register.rights_of(&official).collect();
        let (who, command) = match step {
            Step::Order(place) => {
                let effective = later(60 * (i64::try_from(place).expect("small") + 1));
                let powers = vec![powers()[place].clone()];
                let wanted = Wanted::Transfer { official, effective, powers };
                ("admin-1", Command::Request { wanted, document: document(), received_at: now() })
            }
            Step::Approve(place) => ("admin-2", approve(of(self.orders[place]))),
            Step::Cancel(place) => ("admin-1", Command::Cancel { request: of(self.orders[place]), reason: "not needed".into() }),
            Step::Refuse(place) => ("admin-2", Command::Refuse { request: of(self.orders[place]), reason: "not needed".into() }),
            Step::Acknowledge => match rights.iter().find(|right| right.acknowledged_at.is_none()) {
                Some(right) => (OFFICIAL, Command::Acknowledge { right: right.id }),
                None => return false,
            },
            Step::WithdrawFirst => ("dpo-1", withdraw(rights[0].id)),
            Step::WithdrawLast => ("dpo-1", withdraw(rights[rights.len() - 1].id)),
            Step::Leave => ("admin-1", Command::Leave { official, document: document() }),
            Step::BreakGlass => {
                (OFFICIAL, Command::BreakGlass { power: old(), reason: "alone".into(), until: at + SignedDuration::from_hours(4) })
            }
        };
        if self.world.tell(who, at, &command).is_err() {
            return false;
        }
        if let Step::Order(place) = step {
            self.orders[place] = Some(self.world.last_request());
        }
        true
    }

    /// At every moment from here on, before and after a restart: no old right and no new one act together.
    fn check(&self, path: &[(Step, Timestamp)]) {
        // A process that stops keeps the events so far, whichever they are.
        let mut restarted = Register::default();
        self.world.events.iter().for_each(|event| restarted.apply(event));
        assert_eq!(restarted, self.world.register, "after {path:?}");
        for at in looks() {
            let both = [old(), new()].iter().filter(|power| self.world.standing(OFFICIAL, power, at) == Standing::Held).count();
            assert!(both <= 1, "holds both at {at} after {path:?}");
            for order in self.orders.into_iter().flatten() {
                self.check_order(order, at, path);
            }
        }
    }

    fn check_order(&self, order: RequestId, at: Timestamp, path: &[(Step, Timestamp)]) {
        let official = number(OFFICIAL);
        let (mut before, mut after) = (HashSet::new(), HashSet::new());
        for event in &self.world.events {
            match &event.change {
                Change::Requested { request, ends, .. } if *request == order => before.extend(ends.iter().copied()),
                Change::Approved { request, granted, .. } if *request == order => after.extend(granted.iter().map(|granted| granted.right)),
                _ => {}
            }
        }
        let acting: HashSet<RightId> = self.world.register.in_force(&official, at).map(|right| right.id).collect();
        let both = !acting.is_disjoint(&before) && !acting.is_disjoint(&after);
        assert!(!both, "an old right and a new one of {order} act at {at} after {path:?}");
        let request = self.world.register.request(order).expect("known");
        let Wanted::Transfer { effective, .. } = &request.wanted else { panic!("a transfer") };
        // The register's own moment is never before its last event's.
        if self.world.register.moment(at) >= *effective {
            assert!(acting.is_disjoint(&before), "an old right of {order} acts at {at}, after its end, after {path:?}");
        } else {
            assert!(acting.is_disjoint(&after), "a new right of {order} acts at {at}, before its time, after {path:?}");
        }
    }
}

#[test]
fn no_order_of_events_lets_anybody_hold_an_old_and_a_new_right_at_once() {
    let start = State { world: small(), orders: [None; 2] };
    let mut seen = HashSet::new();
    let mut path = Vec::new();
    let mut reached = [false; 2];
    walk(&start, 0, u16::MAX, &mut seen, &mut path, &mut reached);
    // The walk is worth nothing where it never gets to the new rights.
    assert_eq!(reached, [true; 2]);
    assert!(seen.len() > 10_000, "{}", seen.len());
}

fn walk(state: &State, from: usize, left: u16, seen: &mut HashSet<u64>, path: &mut Vec<(Step, Timestamp)>, reached: &mut [bool; 2]) {
    let mut hasher = DefaultHasher::new();
    (serde_json::to_string(&state.world.register).expect("JSON"), from, left, state.orders).hash(&mut hasher);
    if !seen.insert(hasher.finish()) {
        return;
    }
    state.check(path);
    let last = looks()[looks().len() - 1];
    let held = |power: &Power| state.world.standing(OFFICIAL, power, last) == Standing::Held;
    reached[0] |= held(&new());
    reached[1] |= state.orders[1].is_some() && held(&old());
    for (place, at) in moments().into_iter().enumerate().skip(from) {
        for (bit, step) in STEPS.into_iter().enumerate() {
            if left & (1 << bit) == 0 {
                continue;
            }
            let mut next = state.clone();
            if !next.take(step, at) {
                continue;
            }
            // Two rights may each want their acknowledgement.
            let left = if matches!(step, Step::Acknowledge) { left } else { left & !(1 << bit) };
            path.push((step, at));
            walk(&next, place, left, seen, path, reached);
            path.pop();
        }
    }
}

#[test]
fn a_transfer_ends_the_old_rights_whatever_becomes_of_it() {
    for outcome in ["nothing", "refused", "cancelled"] {
        let mut state = State { world: World::usual(), orders: [None; 2] };
        assert!(state.take(Step::Order(0), now()));
        match outcome {
            "refused" => state
                .world
                .tell("admin-2", now(), &Command::Refuse { request: state.world.last_request(), reason: "no".into() })
                .expect("refused"),
            "cancelled" => assert!(state.take(Step::Cancel(0), now())),
            _ => {}
        }
        assert_eq!(state.world.standing(OFFICIAL, &old(), later(59)), Standing::Held, "{outcome}");
        assert_eq!(state.world.standing(OFFICIAL, &old(), later(60)), Standing::Withdrawn, "{outcome}");
        assert_eq!(state.world.standing(OFFICIAL, &new(), later(60)), Standing::NotHeld, "{outcome}");
    }
}

#[test]
fn what_was_asked_for_in_the_old_place_is_not_given_in_the_new_one() {
    let mut world = World::usual();
    let asked = world.grant("aid-1", OFFICIAL, &clerk()).expect("requested");
    let wanted =
        Wanted::Transfer { official: number(OFFICIAL), effective: later(60), powers: vec![function("pension", "case-officer", None)] };
    world.tell("admin-1", now(), &Command::Request { wanted, document: document(), received_at: now() }).expect("ordered");
    assert_eq!(world.tell("admin-2", now(), &approve(asked)), Err(Refusal::RequestDecided));
    assert_eq!(world.grant("aid-1", OFFICIAL, &clerk()), Err(Refusal::BeforeTransfer));
}

#[test]
fn a_transfer_is_ordered_by_who_may_end_every_old_right_and_approved_by_another() {
    let wanted = || Wanted::Transfer { official: number(OFFICIAL), effective: later(60), powers: vec![clerk()] };
    let order = || Command::Request { wanted: wanted(), document: document(), received_at: now() };
    for (who, expected) in [
        ("baku-1", Ok(())),
        ("aid-1", Ok(())),
        ("ganja-1", Err(Refusal::NotEntitled)),
        ("AZ-0001", Err(Refusal::OwnRight)),
        ("AZ-0002", Err(Refusal::NotEntitled)),
    ] {
        assert_eq!(World::usual().tell(who, now(), &order()), expected, "{who}");
    }
    let mut world = World::usual();
    world.tell("admin-1", now(), &order()).expect("ordered");
    assert_eq!(world.tell("admin-2", now(), &order()), Err(Refusal::TransferOpen));
    assert_eq!(world.tell("admin-1", now(), &approve(world.last_request())), Err(Refusal::OwnRequest));
    assert_eq!(world.tell("ganja-1", now(), &approve(world.last_request())), Err(Refusal::NotEntitled));
}

#[test]
fn what_is_taken_in_an_emergency_before_a_transfer_ends_with_the_old_place() {
    let mut state = State { world: small(), orders: [None; 2] };
    assert!(state.take(Step::Order(0), now()));
    let other = function("targeted-aid", "supervisor", None);
    let take = Command::BreakGlass { power: other.clone(), reason: "alone".into(), until: later(120) };
    state.world.tell(OFFICIAL, later(30), &take).expect("on the list");
    assert_eq!(state.world.standing(OFFICIAL, &other, later(59)), Standing::Held);
    assert_eq!(state.world.standing(OFFICIAL, &other, later(60)), Standing::Withdrawn);
}
