//! What is answered with yes or no: laws over generated worlds whose grants are turned into questions.

use std::sync::Arc;

use model::contract::RowRule;
use model::predicate::{Condition, Predicate};
use model::{FieldSet, Value};
use proptest::prelude::*;
use serde_json::json;

use super::world::{CODES, World, allowed, births_alone, name, plain, role};
use crate::{Decision, DenialReason, WithheldReason, filter};

/// Turns every grant into the question whether there is an item of this kind.
fn turn(world: &mut World, kind: &str) {
    let service = Arc::clone(world.service());
    let leaves = service.leaf("items[].kind").map_or(FieldSet::first(1), |index| {
        let mut set = FieldSet::EMPTY;
        set.insert(index);
        set
    });
    let list = service.leaf("items[].kind").map(|_| Box::from("items"));
    let conditions = list.iter().map(|_| Condition::Is { field: "kind".into(), is: vec![kind.into()] }).collect();
    let predicate = Arc::new(Predicate { question: name(), list, conditions, leaves });
    for grant in &mut world.consumer.grants {
        (grant.fields, grant.answer) = (FieldSet::EMPTY, Some(Arc::clone(&predicate)));
        grant.rows = Arc::default();
    }
}

fn asking() -> impl Strategy<Value = World> {
    (allowed(), proptest::sample::select(CODES.to_vec())).prop_map(|(mut world, kind)| {
        turn(&mut world, kind);
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_global_rejects: 100_000, max_local_rejects: 1_000_000, ..ProptestConfig::default() })]

    // clause: 634/6.1.5
    #[test]
    fn who_is_answered_with_yes_or_no_is_given_no_value(
        world in asking().prop_filter("allowed", |world| matches!(world.decide(), Decision::Authorised(_))),
        rows in proptest::collection::vec(proptest::option::of(proptest::sample::select(CODES.to_vec())), 0..4),
    ) {
        let authorised = world.decide().into_result().expect("allowed");
        let facts = world.facts_with(&rows);
        prop_assert!(authorised.fields().is_empty());
        prop_assert_eq!(serde_json::to_value(filter(&authorised, &facts)).expect("JSON"), json!({}));
        for field in &world.service().shape.fields {
            prop_assert!(authorised.sight().value(&facts, &field.name).is_none());
        }
        // Everything that is asked for is withheld, whatever the facts.
        prop_assert!(authorised.withheld().iter().all(|entry| matches!(entry.reason, WithheldReason::Agreement | WithheldReason::Function)));
        let expected = match &authorised.sight().predicate().expect("a question").conditions[..] {
            [Condition::Is { is, .. }] => rows.iter().flatten().any(|code| **code == *is[0]),
            _ => true,
        };
        prop_assert_eq!(authorised.sight().verdict(&facts), Some(expected));
        prop_assert_eq!(authorised.sight().hides(&facts), !expected);
    }

    // clause: 634/2.6 634/6.1.5
    #[test]
    fn a_yes_needs_the_right_to_all_that_it_tells_of(mut world in asking(), taken in 0..4_usize) {
        let Decision::Authorised(authorised) = world.decide() else { return Ok(()) };
        let tells = authorised.sight().predicate().expect("a question").leaves;
        let role = world.ask.role.clone();
        let highest = world.service().class_of(tells).expect("something");
        prop_assert!(tells.is_subset(world.service().agreed()) && highest <= world.consumer.roles[&role].class_max);
        prop_assert!(highest <= world.consumer.kind.class_max());
        match taken {
            0 => world.change_service(|service| tells.iter().for_each(|index| service.leaves[index].agreed = false)),
            1 => world.consumer.grants.iter_mut().for_each(|grant| { grant.role_withholds.insert(role.clone(), tells); }),
            2 => world.consumer.roles.values_mut().for_each(|role| role.class_max = model::contract::Class::O),
            _ => world.consumer.grants.clear(),
        }
        let still = taken == 2 && highest == model::contract::Class::O;
        match world.decide() {
            Decision::Authorised(_) => prop_assert!(still),
            Decision::Denied(denial) => {
                prop_assert!(!still);
                let wanted = if taken == 3 { DenialReason::NoGrant } else { DenialReason::NothingLeft };
                prop_assert_eq!(denial.reasons(), [wanted]);
            }
        }
    }

    #[test]
    fn what_a_question_narrows_to_changes_no_answer(mut world in allowed(), kind in proptest::sample::select(CODES.to_vec())) {
        turn(&mut world, kind);
        world.ask.fields = None;
        let before = matches!(world.decide(), Decision::Authorised(_));
        world.ask.fields = Some(vec!["field_0".to_owned()]);
        prop_assert_eq!(matches!(world.decide(), Decision::Authorised(_)), before);
    }
}

#[test]
fn conditions_hold_of_one_and_the_same_row() {
    let mut world = plain();
    let is = |field: &str, is: &str| Condition::Is { field: field.into(), is: vec![is.into()] };
    let mut predicate = Predicate { question: name(), list: Some("items".into()), conditions: Vec::new(), leaves: FieldSet::first(1) };
    predicate.conditions = vec![is("kind", "birth"), is("field_3", "items[].field_3")];
    let facts = world.facts();
    assert_eq!(predicate.holds(&facts, &[]), Some(true));
    predicate.conditions = vec![is("kind", "birth"), is("field_3", "another")];
    assert_eq!(predicate.holds(&facts, &[]), Some(false));
    // Rows that may not be seen are no rows.
    predicate.conditions = vec![is("kind", "adoption")];
    assert_eq!(predicate.holds(&facts, &[]), Some(true));
    let births: [RowRule; 1] = [births_alone(None)];
    assert_eq!(predicate.holds(&facts, &births), Some(false));
    // A list or a field that the facts do not know proves nothing, not even that there is none.
    predicate.conditions = vec![is("colour", "red")];
    assert_eq!(predicate.holds(&facts, &[]), None);
    assert_eq!(Predicate { list: Some("others".into()), ..predicate.clone() }.holds(&facts, &[]), None);
    // Of the record itself.
    let record = Predicate { list: None, conditions: vec![is("field_0", "field_0")], ..predicate.clone() };
    assert_eq!(record.holds(&facts, &[]), Some(true));
    let mut stated = world.facts();
    stated.record.values[0] = Value::Null;
    assert_eq!(record.holds(&stated, &[]), Some(false));
    stated.record.values[0] = Value::Bool(true);
    assert_eq!(Predicate { conditions: vec![is("field_0", "true")], ..record.clone() }.holds(&stated, &[]), Some(true));
    assert_eq!(Predicate { conditions: Vec::new(), ..record }.holds(&facts, &[]), Some(true));

    // Only a right that the grant gives is judged: facts of another service are not.
    world.consumer.grants[0].answer = Some(Arc::new(Predicate { list: None, conditions: Vec::new(), ..predicate }));
    let authorised = world.decide().into_result().expect("allowed");
    assert_eq!(authorised.role(), &role(0));
    let mut foreign = (*facts.service).clone();
    foreign.id = model::ServiceId::new("justice/wills").expect("a service");
    let foreign = model::Facts { service: Arc::new(foreign), ..facts };
    assert_eq!(authorised.sight().verdict(&foreign), None);
}
