//! Every rule of the decision is switched off, one by one, in a world that turns on it: a rule that nobody would miss
//! is not tested. The tables are exhaustive, so a new reason needs its world here.

use std::sync::Arc;

use model::contract::{Assurance, Class, ConsumerType, Handling, SubjectForm};
use model::{Profile, Representation, RepresentativeKind, ServiceId, Subject};

use super::world::{TODAY, World, births_alone, consent, hours, now, plain, purpose, representation, role};
use crate::mutant::{Rule, without};
use crate::{ConsentRefused, Decision, DenialReason, Identity, Official, Standing, Unproven, WithheldReason};

/// What comes of a world once its rule is switched off.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    /// The question is allowed: the rule alone stood against it.
    Opens,
    /// It is still denied, by another rule or because there is nothing to allow.
    StaysShut,
}
use Then::{Opens, StaysShut};

/// A world that this reason denies, changed in one place from one that allows everything. `None` where the decision
/// never gives the reason.
fn against(reason: DenialReason) -> Option<(World, Then)> {
    let mut world = plain();
    let yesterday = TODAY.yesterday().expect("a day before");
    let robot = |responsible: Option<&str>| Official::Robot { name: "intake".to_owned(), responsible: responsible.map(str::to_owned) };
    let grant = &mut world.consumer.grants[0];
    let case = world.case.as_mut().expect("a case");
    let then = match reason {
        DenialReason::ServiceUnknown => {
            world.ask.service = ServiceId::new("justice/wills").expect("a service");
            grant.service = world.ask.service.clone();
            StaysShut
        }
        DenialReason::AgreementNotInForce => {
            world.change_service(|service| service.agreement.valid_until = yesterday);
            Opens
        }
        DenialReason::NoGrant => {
            world.consumer.grants.clear();
            StaysShut
        }
        DenialReason::PurposeNotGranted => {
            grant.purposes = vec![purpose(1)];
            StaysShut
        }
        DenialReason::RoleUnknown => {
            world.consumer.roles.clear();
            StaysShut
        }
        DenialReason::RoleNotGranted => {
            grant.roles = vec![role(1)];
            StaysShut
        }
        DenialReason::SubjectNotGranted => {
            grant.subject = vec![SubjectForm::Tin];
            StaysShut
        }
        DenialReason::ActNotInForce => {
            world.snapshot.acts.values_mut().for_each(|act| act.in_force_until = Some(yesterday));
            StaysShut
        }
        DenialReason::CodesNotGranted => {
            grant.rows = [births_alone(Some("kinds"))].into();
            world.ask.codes.insert("kinds".into(), vec!["adoption".into()]);
            Opens
        }
        DenialReason::SpecialNever => {
            world.consumer.special = false;
            Opens
        }
        DenialReason::OnwardTransfer => {
            world.consumer.kind = ConsumerType::StateBody;
            Opens
        }
        DenialReason::OutsideHours => {
            grant.hours = Some(hours(false));
            Opens
        }
        DenialReason::OfficialMissing => {
            world.ask.official = Official::Person(" ".to_owned());
            Opens
        }
        DenialReason::RobotWithoutResponsible => {
            world.ask.official = robot(None);
            world.consumer.roles.values_mut().for_each(|role| role.automated = true);
            Opens
        }
        DenialReason::RobotNotAllowed => {
            world.ask.official = robot(Some("AZ-0001"));
            Opens
        }
        DenialReason::AssertionRequired => {
            world.profile = Profile::Production;
            world.ask.subject = Some(Subject::Fin("5K7QX2A".to_owned()));
            Opens
        }
        DenialReason::AssertionNotVerified => unproven(&mut world, Unproven::NotVerified),
        DenialReason::AssertionMalformed => unproven(&mut world, Unproven::Malformed),
        DenialReason::AssertionSignature => unproven(&mut world, Unproven::Signature),
        DenialReason::AssertionPurpose => unproven(&mut world, Unproven::Purpose),
        DenialReason::AssertionOtherConsumer => unproven(&mut world, Unproven::OtherConsumer),
        DenialReason::AssertionOtherOfficial => unproven(&mut world, Unproven::OtherOfficial),
        DenialReason::AssertionTime => unproven(&mut world, Unproven::Time),
        DenialReason::AssertionReplayed => unproven(&mut world, Unproven::Replayed),
        DenialReason::OfficialUnknown => standing(&mut world, Standing::NoAccount),
        DenialReason::OfficialDeactivated => standing(&mut world, Standing::Deactivated),
        DenialReason::RoleNotHeld => standing(&mut world, Standing::NotHeld),
        DenialReason::RightNotBegun => standing(&mut world, Standing::NotYet),
        DenialReason::RoleNotAcknowledged => standing(&mut world, Standing::NotAcknowledged),
        DenialReason::RightWithdrawn => standing(&mut world, Standing::Withdrawn),
        DenialReason::RepresentationNotGranted => {
            world.ask.on_behalf_of = Some(representation());
            Opens
        }
        DenialReason::RepresentationNotInForce => {
            world.consumer.roles.values_mut().for_each(|role| role.represents = vec![RepresentativeKind::Parent]);
            world.ask.on_behalf_of = Some(Representation { valid_until: yesterday, ..representation() });
            Opens
        }
        DenialReason::SubjectNotAccepted => {
            world.ask.subject = Some(Subject::Fin("5K7QX2A".to_owned()));
            Opens
        }
        DenialReason::CaseUnknown => {
            world.case = None;
            Opens
        }
        DenialReason::CaseClosed => {
            case.open = false;
            Opens
        }
        DenialReason::CasePurpose => {
            case.purpose = purpose(1);
            Opens
        }
        DenialReason::PersonNotInCase => {
            case.has_subject = false;
            Opens
        }
        DenialReason::InputNotFromCase => {
            case.inputs_known = false;
            Opens
        }
        DenialReason::CaseOfAnother => {
            case.of_another = true;
            Opens
        }
        // Given before there is a decision: by a dossier (`src/dossier/asking.rs`), and where an override is opened.
        DenialReason::AnswerDenied | DenialReason::EmergencyNotGranted => return None,
        DenialReason::ConsentWithdrawn => refused_consent(&mut world, ConsentRefused::Withdrawn),
        DenialReason::ConsentDiffers => refused_consent(&mut world, ConsentRefused::Differs),
        DenialReason::ConsentMissing => {
            world.change_service(|service| service.consent = true);
            Opens
        }
        DenialReason::ConsentNotInForce => {
            world.change_service(|service| service.consent = true);
            let mut ended = consent();
            ended.expires_at = now();
            world.ask.consents = vec![ended];
            Opens
        }
        DenialReason::AssuranceTooLow => {
            grant.fields = leaf(1);
            world.powers.identity = Identity::Proven(Assurance::Low);
            StaysShut
        }
        DenialReason::NothingLeft => {
            world.ask.fields = Some(vec!["no_such_field".to_owned()]);
            Opens
        }
    };
    Some((world, then))
}

// clause: 634/2.6
#[test]
fn a_role_takes_the_representatives_it_names_up_to_the_last_day() {
    let mut world = plain();
    world.ask.on_behalf_of = Some(representation());
    world.consumer.roles.values_mut().for_each(|role| role.represents = vec![RepresentativeKind::Parent]);
    assert_eq!(world.decide().into_result().expect("allowed").fields().iter().count(), 4);
    for kind in RepresentativeKind::ALL {
        world.ask.on_behalf_of = Some(Representation { kind, ..representation() });
        assert_eq!(world.decide().into_result().is_ok(), kind == RepresentativeKind::Parent, "{kind:?}");
    }
}

fn refused_consent(world: &mut World, why: ConsentRefused) -> Then {
    world.change_service(|service| service.consent = true);
    world.ask.consents = vec![consent()];
    world.case.as_mut().expect("a case").refused_consents = vec![(0, why)];
    Opens
}

fn unproven(world: &mut World, why: Unproven) -> Then {
    world.powers.identity = Identity::Unproven(why);
    Opens
}

fn standing(world: &mut World, standing: Standing) -> Then {
    world.powers.standing = standing;
    Opens
}

fn leaf(index: usize) -> model::FieldSet {
    let mut set = model::FieldSet::EMPTY;
    set.insert(index);
    set
}

/// Reasons that come with another one wherever they come.
fn also(reason: DenialReason) -> Vec<DenialReason> {
    match reason {
        DenialReason::RoleUnknown | DenialReason::AssuranceTooLow => vec![reason, DenialReason::NothingLeft],
        _ => vec![reason],
    }
}

// clause: 634/2.6 634/6.1.3
#[test]
fn the_plain_world_is_given_everything() {
    let authorised = plain().decide().into_result().expect("allowed");
    assert_eq!(authorised.fields().iter().count(), 4);
    assert!(authorised.withheld().is_empty());
}

// clause: 634/2.6 634/6.1.3
#[test]
fn every_denial_is_missed_where_its_rule_is_switched_off() {
    let mut told = 0;
    for reason in DenialReason::ALL {
        let Some((world, then)) = against(*reason) else { continue };
        let Decision::Denied(denial) = world.decide() else { panic!("{reason} denies nothing") };
        assert_eq!(denial.reasons(), also(*reason), "{reason} denies alone");
        let mutated = without(Rule::Denies(*reason), || world.decide());
        match (mutated, then) {
            (Decision::Authorised(_), Opens) => {}
            (Decision::Denied(denial), StaysShut) => assert!(!denial.has(*reason), "{reason}"),
            (other, then) => panic!("{reason} switched off: {then:?} was expected, not {other:?}"),
        }
        told += 1;
    }
    assert_eq!(told, DenialReason::ALL.len() - 2, "all but those that are found elsewhere");
}

/// A world in which this reason withholds the list's value, and everything else is given.
fn withholding(reason: WithheldReason) -> World {
    let mut world = plain();
    let grant = &mut world.consumer.grants[0];
    match reason {
        WithheldReason::Agreement => world.change_service(|service| service.leaves[3].agreed = false),
        WithheldReason::Function => grant.fields = grant.fields.difference(leaf(3)),
        WithheldReason::Class => world.consumer.roles.values_mut().for_each(|role| role.class_max = Class::C),
        WithheldReason::Powers => {
            grant.role_withholds.insert(role(0), leaf(3));
        }
        WithheldReason::Row => grant.rows = [births_alone(None)].into(),
    }
    world
}

const WITHHOLDING: [WithheldReason; 5] =
    [WithheldReason::Agreement, WithheldReason::Function, WithheldReason::Class, WithheldReason::Powers, WithheldReason::Row];

fn shown(world: &World) -> String {
    let authorised = world.decide().into_result().expect("allowed");
    serde_json::to_string(&crate::filter(&authorised, &world.facts())).expect("JSON")
}

// clause: 634/2.6 634/6.2.12
#[test]
fn every_withheld_value_shows_where_its_rule_is_switched_off() {
    let everything = shown(&plain());
    for reason in WITHHOLDING {
        let world = withholding(reason);
        let reasons: Vec<_> = world.decide().into_result().expect("allowed").withheld().iter().map(|entry| entry.reason).collect();
        assert_eq!(reasons, [reason]);
        assert_ne!(shown(&world), everything, "{reason}");
        assert_eq!(without(Rule::Withholds(reason), || shown(&world)), everything, "{reason}");
    }
}

// clause: 634/2.5 634/2.6 634/6.2.4 002P/3.5
#[test]
fn every_ceiling_of_a_class_is_missed_where_it_is_switched_off() {
    let everything = shown(&plain());
    let mut by_role = plain();
    by_role.consumer.roles.values_mut().for_each(|role| role.class_max = Class::C);
    let mut by_type = plain();
    by_type.consumer.kind = ConsumerType::Portal;
    let mut by_assurance = plain();
    by_assurance.powers.identity = Identity::Proven(Assurance::Substantial);
    let mut by_act = plain();
    by_act.snapshot.acts.values_mut().for_each(|act| act.special = false);
    let mut by_name = plain();
    by_name.consumer.grants[0].special.clear();
    let ceilings = [
        (Rule::RoleClass, by_role),
        (Rule::TypeClass, by_type),
        (Rule::AssuranceClass, by_assurance),
        (Rule::SpecialAct, by_act),
        (Rule::SpecialAct, by_name),
    ];
    for (rule, world) in ceilings {
        let reasons: Vec<_> = world.decide().into_result().expect("allowed").withheld().iter().map(|entry| entry.reason).collect();
        assert_eq!(reasons, [WithheldReason::Class], "{rule:?}");
        assert_ne!(shown(&world), everything, "{rule:?}");
        assert_eq!(without(rule, || shown(&world)), everything, "{rule:?}");
    }
}

// clause: 634/2.5
#[test]
fn a_type_of_consumer_is_given_its_classes_alone() {
    // Type by class: what the table of the contracts' guide says.
    let matrix = [
        (ConsumerType::Subsystem, [true, true, true]),
        (ConsumerType::Portal, [true, true, false]),
        (ConsumerType::StateBody, [true, true, true]),
        (ConsumerType::MunicipalBody, [true, true, false]),
        (ConsumerType::LegalPerson, [true, true, false]),
        (ConsumerType::NaturalPerson, [true, false, false]),
        (ConsumerType::Probe, [true, true, false]),
    ];
    assert_eq!(matrix.map(|(kind, _)| kind), ConsumerType::ALL);
    for (kind, given) in matrix {
        for (class, given) in [Class::O, Class::C, Class::S].into_iter().zip(given) {
            let mut world = plain();
            world.consumer.kind = kind;
            world.change_service(|service| {
                service.leaves.iter_mut().for_each(|leaf| {
                    leaf.class = class;
                    leaf.handling = Handling::Onward;
                });
            });
            match world.decide() {
                Decision::Authorised(authorised) => assert!(given && authorised.withheld().is_empty(), "{kind:?} {class:?}"),
                Decision::Denied(denial) => assert!(!given && denial.reasons() == [DenialReason::NothingLeft], "{kind:?} {class:?}"),
            }
        }
    }
}

// clause: 634/6.1.5
#[test]
fn a_mark_keeps_a_field_from_whoever_it_does_not_reach() {
    let reached = |handling| {
        ConsumerType::ALL.map(|kind| {
            let mut world = plain();
            world.consumer.kind = kind;
            world.change_service(|service| service.leaves.iter_mut().for_each(|leaf| (leaf.class, leaf.handling) = (Class::O, handling)));
            match world.decide() {
                Decision::Authorised(authorised) => {
                    assert_eq!(authorised.handling(), handling);
                    true
                }
                Decision::Denied(denial) => {
                    assert_eq!(denial.reasons(), [DenialReason::OnwardTransfer]);
                    false
                }
            }
        })
    };
    assert_eq!(reached(Handling::Onward), [true; 7]);
    assert_eq!(reached(Handling::NoOnward), [true, true, false, false, false, false, true]);
    assert_eq!(reached(Handling::OwnUse), [true, false, false, false, false, false, false]);

    // An answer is handled by the strictest mark of what it delivers.
    let mut world = plain();
    world.change_service(|service| service.leaves[3].handling = Handling::OwnUse);
    let handling = |world: &World| world.decide().into_result().expect("allowed").handling();
    assert_eq!(handling(&world), Handling::OwnUse);
    world.ask.fields = Some(vec!["field_0".to_owned()]);
    assert_eq!(handling(&world), Handling::NoOnward);
    assert_eq!(Arc::strong_count(world.service()), 1);
}

// clause: 634/6.2.4
#[test]
fn data_of_the_special_category_end_with_the_act_that_allows_them() {
    let mut world = plain();
    let special = super::world::act(1);
    let mut other = world.snapshot.acts[&super::world::act(0)].clone();
    (other.id, other.in_force_until) = (special.clone(), Some(TODAY));
    world.snapshot.acts.insert(special.clone(), other);
    world.consumer.grants[0].acts.push(special.clone());
    world.consumer.grants[0].special = vec![special.clone()];
    assert_eq!(shown(&world), shown(&plain()));
    world.snapshot.acts.get_mut(&special).expect("the act").in_force_until = Some(TODAY.yesterday().expect("a day before"));
    let authorised = world.decide().into_result().expect("the other act stands");
    assert_eq!(
        authorised.withheld().iter().map(|entry| (&*entry.field, entry.reason)).collect::<Vec<_>>(),
        [("items[].field_3", WithheldReason::Class)]
    );
}

// clause: 634/6.2.4
#[test]
fn a_purpose_without_special_data_ends_a_grant_that_gives_some() {
    let mut world = plain();
    world.snapshot.purposes.values_mut().for_each(|purpose| purpose.special = false);
    let Decision::Denied(denial) = world.decide() else { panic!("denied") };
    assert_eq!(denial.reasons(), [DenialReason::SpecialNever]);
    // Even switched off, the values themselves stay withheld.
    let authorised = without(Rule::Denies(DenialReason::SpecialNever), || world.decide()).into_result().expect("allowed");
    assert!(!authorised.fields().contains(3));
    // A grant that gives none of it is no matter of the gate.
    world.consumer.grants[0].fields = model::FieldSet::first(2);
    assert!(world.decide().into_result().is_ok());
}

// clause: 634/6.2.13
#[test]
fn hours_are_those_of_baku_on_the_days_of_the_grant() {
    use model::Calendar;
    use model::contract::{Days, Hours};
    // Monday to Friday, nine to six.
    let (none, days) = (Calendar::default(), Days::OfWeek([true, true, true, true, true, false, false]));
    let office = Hours { days, from: 9 * 60, to: 18 * 60 };
    let cover = |text: &str| office.cover(text.parse().expect("a moment"), &none);
    // 12 March 2026 is a Thursday.
    assert!(!cover("2026-03-12T08:59:59.999+04:00") && cover("2026-03-12T09:00:00+04:00"));
    assert!(cover("2026-03-12T17:59:59.999+04:00") && !cover("2026-03-12T18:00:00+04:00"));
    assert!(cover("2026-03-13T12:00:00+04:00") && !cover("2026-03-14T12:00:00+04:00") && !cover("2026-03-15T12:00:00+04:00"));
    // Sunday in Greenwich, Monday in Baku; and the summer time of years past.
    let mondays = Hours { days: Days::OfWeek([true, false, false, false, false, false, false]), from: 0, to: 24 * 60 };
    let cover = |text: &str| mondays.cover(text.parse().expect("a moment"), &none);
    assert!(cover("2026-03-15T20:00:00Z") && !cover("2026-03-15T19:59:59Z") && cover("2015-07-05T19:30:00Z"));
    // A holiday is no working day, and a year that the calendar does not know has none.
    let novruz = [jiff::civil::date(2026, 3, 20)].into_iter().collect();
    let calendar = Calendar::new([(2026, novruz)].into_iter().collect());
    let working = Hours { days: Days::Working, ..office };
    let cover = |text: &str| working.cover(text.parse().expect("a moment"), &calendar);
    assert!(cover("2026-03-19T12:00:00+04:00") && !cover("2026-03-20T12:00:00+04:00") && !cover("2026-03-21T12:00:00+04:00"));
    assert!(!cover("2027-03-19T12:00:00+04:00"));
}
