//! What holds after any commands by anybody at any moments.

use proptest::prelude::*;

use super::*;

const PEOPLE: [&str; 8] = ["admin-1", "admin-2", "baku-1", "aid-1", "dpo-1", "AZ-0001", "AZ-0002", "AZ-0003"];

fn a_power() -> impl Strategy<Value = Power> {
    prop::sample::select(vec![
        Power::CentralAdministrator,
        Power::Auditor,
        Power::DataProtectionOfficer,
        Power::Operator,
        Power::ConsumerOfficer { consumer: consumer("targeted-aid") },
        officer(),
        clerk(),
    ])
}

fn a_person() -> impl Strategy<Value = OfficialNumber> {
    prop::sample::select(PEOPLE.to_vec()).prop_map(number)
}

fn a_moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..400 * 24 * 60).prop_map(later)
}

fn a_command() -> impl Strategy<Value = Command> {
    let right = || (1_u64..20).prop_map(RightId);
    let request = || (1_u64..8).prop_map(RequestId);
    let wanted = prop_oneof![
        (a_person(), a_power(), a_moment(), prop::option::of(a_moment())).prop_map(|(official, power, begins, ends)| Wanted::Grant {
            official,
            power,
            begins,
            ends
        }),
        (right(), a_moment()).prop_map(|(right, at)| Wanted::Withdrawal { right, at }),
        (a_person(), a_moment(), prop::collection::vec(a_power(), 0..3)).prop_map(|(official, effective, powers)| Wanted::Transfer {
            official,
            effective,
            powers
        }),
    ];
    let reason = || Box::<str>::from("a reason");
    prop_oneof![
        4 => wanted.prop_map(|wanted| Command::Request { wanted, document: document(), received_at: now() }),
        6 => request().prop_map(|request| Command::Approve { request }),
        1 => request().prop_map(move |request| Command::Refuse { request, reason: reason() }),
        1 => request().prop_map(move |request| Command::Cancel { request, reason: reason() }),
        4 => right().prop_map(|right| Command::Acknowledge { right }),
        1 => right().prop_map(move |right| Command::Withdraw { right, reason: reason() }),
        1 => right().prop_map(|right| Command::Confirm { right }),
        1 => (a_power(), a_moment()).prop_map(move |(power, until)| Command::BreakGlass { power, reason: reason(), until }),
        1 => right().prop_map(move |right| Command::ReviewBreakGlass { right, reason: reason() }),
        1 => a_person().prop_map(|official| Command::Leave { official, document: document() }),
        1 => a_person().prop_map(|official| Command::Reopen { official, document: document() }),
        1 => a_person().prop_map(|official| Command::OpenAccount {
            official,
            person: PersonKey([9; 32]),
            certificate_name: None,
            subject: None,
            document: document(),
        }),
        1 => Just(Command::Upkeep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_register_is_its_events_and_its_rules_hold_at_every_step(
        steps in prop::collection::vec((a_command(), prop::option::weighted(0.9, a_person()), 0_i64..20 * 24 * 60), 1..40)
    ) {
        let mut world = World::usual();
        let mut at = now();
        for (command, who, minutes) in steps {
            at += SignedDuration::from_mins(minutes);
            let who = who.map_or(By::Gateway, By::Official);
            if let Ok(events) = world.register.decide(&command, &who, at, &calendar()) {
                prop_assert!(!events.is_empty());
                for event in events {
                    world.take(event);
                }
            }
            let replayed = world.events.iter().fold(Register::default(), |mut register, event| {
                register.apply(event);
                register
            });
            prop_assert_eq!(&replayed, &world.register);
            for name in PEOPLE {
                let official = number(name);
                let held: Vec<&Power> = world.register.in_force(&official, at).map(|right| &right.power).collect();
                for power in &held {
                    prop_assert!(held.iter().all(|other| !power.is_incompatible_with(other)), "{:?}", held);
                    prop_assert_eq!(held.iter().filter(|other| other == &power).count(), 1, "held twice");
                }
                let gone = world.register.account(&official).is_none_or(|account| account.deactivated_at.is_some());
                prop_assert!(!gone || held.is_empty());
            }
            for right in world.register.rights() {
                if let By::Official(who) = &right.by {
                    prop_assert!(right.emergency.is_some() || *who != right.official, "nobody approves his own right");
                }
            }
        }
    }
}
