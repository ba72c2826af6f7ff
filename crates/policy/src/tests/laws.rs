//! What must hold in every world (`docs/ARCHITECTURE.md`, "Invariants").

use std::collections::BTreeSet;
use std::sync::Arc;

use model::contract::{Assurance, Class, RowRule, SubjectForm};
use model::{Consent, FieldSet, Profile};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::world::{CODES, TODAY, World, allowed, consent, kinds, level, not_held, now, spoil, unproven, world};
use crate::{Authorised, ConsentRefused, ConsentUse, Decision, DenialReason, EmergencyView, Identity, Powers, WithheldReason, filter};

fn authorised(world: &World) -> Authorised {
    world.decide().into_result().expect("the world allows it")
}

/// The leaves this world delivers; none where it denies.
fn delivered(world: &World) -> FieldSet {
    world.decide().into_result().map_or(FieldSet::EMPTY, |authorised| authorised.fields())
}

fn row() -> impl Strategy<Value = Option<&'static str>> {
    proptest::option::weighted(0.9, proptest::sample::select(CODES.to_vec()))
}

/// Paths of the leaves that JSON shows, and the codes of the rows.
fn shown(json: &Json) -> (BTreeSet<String>, Vec<String>) {
    let mut paths = BTreeSet::new();
    let mut codes = Vec::new();
    for (key, value) in json.as_object().expect("an object") {
        match value {
            Json::Array(rows) => {
                for row in rows {
                    for (name, value) in row.as_object().expect("a row") {
                        paths.insert(format!("{key}[].{name}"));
                        if name == "kind" {
                            codes.push(value.as_str().expect("a code").to_owned());
                        }
                    }
                }
            }
            _ => {
                paths.insert(key.clone());
            }
        }
    }
    (paths, codes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_global_rejects: 100_000, max_local_rejects: 1_000_000, ..ProptestConfig::default() })]

    // clause: 634/2.6
    #[test]
    fn delivered_is_within_agreement_function_and_powers(world in allowed()) {
        let authorised = authorised(&world);
        let service = world.service();
        let role = &world.consumer.roles[&world.ask.role];
        prop_assert!(service.agreement.in_force(TODAY));
        prop_assert!(authorised.fields().is_subset(service.agreed()));
        // Some single grant, for this purpose and role and under an act in force, covers all of it.
        let covers = |grant: &model::contract::Grant| {
            let kept = grant.role_withholds.get(&world.ask.role).copied().unwrap_or_default();
            grant.purposes.contains(&world.ask.purpose)
                && grant.roles.contains(&world.ask.role)
                && grant.acts.contains(authorised.act())
                && world.snapshot.acts[authorised.act()].in_force(TODAY)
                && authorised.fields().is_subset(grant.fields.difference(kept))
        };
        prop_assert!(world.consumer.grants.iter().any(covers));
        prop_assert!(authorised.fields().iter().all(|index| service.leaves[index].class <= role.class_max));
        prop_assert!(!authorised.fields().is_empty());
    }

    // clause: 634/2.6
    #[test]
    fn without_the_agreement_nothing_is_delivered(mut world in allowed(), index in 0..12_usize) {
        let before = delivered(&world);
        world.change_service(|service| {
            if let Some(leaf) = service.leaves.get_mut(index) {
                leaf.agreed = false;
            }
        });
        let mut gone = FieldSet::EMPTY;
        gone.insert(index);
        prop_assert_eq!(delivered(&world), before.difference(gone));
        world.change_service(|service| service.agreement.valid_until = TODAY.yesterday().expect("a day before"));
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert!(denial.has(DenialReason::AgreementNotInForce));
    }

    // clause: 634/2.6 002P/4.6
    #[test]
    fn without_the_function_nothing_is_delivered(mut world in allowed(), index in 0..12_usize) {
        let before = delivered(&world);
        let mut gone = FieldSet::EMPTY;
        gone.insert(index);
        for grant in &mut world.consumer.grants {
            grant.fields = grant.fields.difference(gone);
        }
        prop_assert_eq!(delivered(&world), before.difference(gone));
        let kept = std::mem::take(&mut world.consumer.grants);
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert!(denial.has(DenialReason::NoGrant));
        world.consumer.grants = kept;
        world.snapshot.acts.clear();
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert!(denial.has(DenialReason::ActNotInForce));
    }

    // clause: 634/2.6 001/3.1.20
    #[test]
    fn without_the_powers_nothing_is_delivered(mut world in allowed(), index in 0..12_usize) {
        let before = delivered(&world);
        let mut gone = FieldSet::EMPTY;
        gone.insert(index);
        let role = world.ask.role.clone();
        for grant in &mut world.consumer.grants {
            let kept = grant.role_withholds.entry(role.clone()).or_default();
            *kept = kept.union(gone);
        }
        prop_assert_eq!(delivered(&world), before.difference(gone));
        world.consumer.roles.get_mut(&role).expect("the role").class_max = Class::O;
        let service = world.service();
        prop_assert!(delivered(&world).iter().all(|index| service.leaves[index].class == Class::O));
        world.consumer.roles.remove(&role);
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert!(denial.has(DenialReason::RoleUnknown));
    }

    #[test]
    fn production_denies_without_an_assertion(mut world in world()) {
        world.profile = Profile::Production;
        world.powers.identity = Identity::NotSent;
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert!(denial.has(DenialReason::AssertionRequired));
    }

    #[test]
    fn an_assertion_that_proves_nothing_ends_every_right(mut world in allowed(), unproven in unproven()) {
        world.powers.identity = Identity::Unproven(unproven);
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert_eq!(denial.reasons(), [unproven.reason()]);
    }

    // clause: 002P/3.5 002P/4.1
    #[test]
    fn the_level_of_assurance_bounds_the_class(mut world in allowed(), level in level()) {
        world.powers.identity = Identity::Proven(Assurance::High);
        let before = delivered(&world);
        world.powers.identity = Identity::Proven(level);
        let service = Arc::clone(world.service());
        let bounded = before.iter().filter(|index| service.leaves[*index].class <= level.class_max());
        let bounded = bounded.fold(FieldSet::EMPTY, |mut set, index| { set.insert(index); set });
        match world.decide() {
            Decision::Authorised(authorised) => prop_assert_eq!(authorised.fields(), bounded),
            Decision::Denied(denial) => {
                prop_assert!(bounded.is_empty());
                prop_assert_eq!(denial.reasons(), [DenialReason::AssuranceTooLow, DenialReason::NothingLeft]);
            }
        }
    }

    // clause: 634/2.6 004/7.1 004/7.2
    #[test]
    fn who_does_not_hold_the_role_is_denied(mut world in allowed(), standing in not_held()) {
        world.powers.standing = standing;
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        let wanted: Vec<DenialReason> = standing.reason().into_iter().collect();
        prop_assert_eq!(denial.reasons(), wanted);
    }

    #[test]
    fn another_officials_case_is_open_in_an_emergency_alone(mut world in allowed(), has_subject in any::<bool>(), role_may in any::<bool>()) {
        let case = world.case.as_mut().expect("an allowed ask has a case");
        (case.of_another, case.has_subject, case.emergency) = (true, true, None);
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert_eq!(denial.reasons(), [DenialReason::CaseOfAnother]);
        let case = world.case.as_mut().expect("a case");
        (case.has_subject, case.emergency) = (false, Some(EmergencyView { id: "7".into(), has_subject }));
        world.consumer.roles.get_mut(&world.ask.role).expect("the role").emergency = role_may;
        let about_nobody = world.ask.subject.is_none();
        match world.decide() {
            Decision::Authorised(authorised) => {
                prop_assert!(role_may && (has_subject || about_nobody));
                prop_assert_eq!(authorised.emergency(), Some("7"));
            }
            Decision::Denied(denial) => {
                prop_assert!(!role_may || !has_subject);
                prop_assert_eq!(denial.has(DenialReason::CaseOfAnother), !role_may);
                prop_assert_eq!(denial.has(DenialReason::PersonNotInCase), !about_nobody);
            }
        }
    }

    #[test]
    fn a_consent_that_the_registry_refuses_is_none(mut world in allowed(), withdrawn in any::<bool>()) {
        world.profile = Profile::Test;
        world.ask.subject = Some(consent().subject);
        world.change_service(|service| service.consent = true);
        world.ask.consents = vec![consent()];
        let why = if withdrawn { ConsentRefused::Withdrawn } else { ConsentRefused::Differs };
        let wanted = if withdrawn { DenialReason::ConsentWithdrawn } else { DenialReason::ConsentDiffers };
        world.case.as_mut().expect("a case").refused_consents = vec![(0, why)];
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert_eq!(denial.reasons(), [wanted]);
        // Another one that stands serves.
        world.ask.consents.push(Consent { reference: "TEST-RAZ-000002".to_owned(), ..consent() });
        let authorised = authorised(&world);
        prop_assert_eq!(authorised.consent().map(|consent| &*consent.reference), Some("TEST-RAZ-000002"));
    }

    #[test]
    fn a_grant_covers_the_forms_of_subject_that_it_names_alone(mut world in allowed(), forms in proptest::sample::subsequence(SubjectForm::ALL.to_vec(), 0..=4)) {
        for grant in world.consumer.grants.iter_mut().filter(|grant| grant.subject.contains(&SubjectForm::Fin)) {
            grant.subject.clone_from(&forms);
        }
        let asked = world.ask.subject.as_ref().expect("the contract asks about somebody").form();
        match world.decide() {
            Decision::Authorised(_) => prop_assert!(forms.contains(&asked)),
            Decision::Denied(denial) => {
                prop_assert_eq!(denial.reasons(), [DenialReason::SubjectNotGranted]);
                prop_assert!(!forms.contains(&asked));
            }
        }
        // What the contract does not take is no matter of the grant.
        world.ask.subject = Some(model::Subject::Tin("9900001233".to_owned()));
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert!(denial.has(DenialReason::SubjectNotAccepted) && !denial.has(DenialReason::SubjectNotGranted));
    }

    #[test]
    fn a_closed_or_foreign_case_denies(mut world in allowed(), fault in 0..5_usize) {
        let mut view = world.case.take().expect("allowed only in a case");
        let wanted = match fault {
            0 => {
                view.open = false;
                DenialReason::CaseClosed
            }
            1 => {
                view.purpose = super::world::purpose(2);
                DenialReason::CasePurpose
            }
            2 => {
                view.has_subject = false;
                (view.emergency, view.of_another) = (None, false);
                DenialReason::PersonNotInCase
            }
            3 => {
                view.inputs_known = false;
                DenialReason::InputNotFromCase
            }
            _ => DenialReason::CaseUnknown,
        };
        world.case = (fault < 4).then_some(view);
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        prop_assert_eq!(denial.reasons(), [wanted]);
    }

    #[test]
    fn no_consent_bound_right_without_a_consent_in_force_for_this_provider_and_person(mut world in allowed()) {
        let needed = world.service().consent;
        let authorised = authorised(&world);
        prop_assert_eq!(authorised.consent().is_some(), needed);
        if let Some(used) = authorised.consent() {
            prop_assert_eq!(used.provider.as_str(), world.service().id.provider());
            prop_assert_eq!(Some(&used.subject), authorised.subject());
            prop_assert!(used.signed_at <= now() && now() < used.expires_at);
            prop_assert!(world.ask.consents.contains(used));
            // Taken away, the right stops at once, whatever other consents there are.
            let used = used.clone();
            world.ask.consents.retain(|other| *other != used);
            let Decision::Denied(denial) = world.decide() else { panic!("denied") };
            let left = world.ask.consents.iter().any(|other| other.provider == used.provider && other.subject == used.subject);
            prop_assert_eq!(denial.reasons(), [if left { DenialReason::ConsentNotInForce } else { DenialReason::ConsentMissing }]);
        } else {
            // Consents neither give nor take where none is needed.
            let before = authorised.fields();
            world.ask.consents.clear();
            prop_assert_eq!(delivered(&world), before);
            prop_assert!(world.decide().into_result().expect("allowed").consent().is_none());
        }
    }

    #[test]
    fn a_contract_that_begins_to_need_consent_takes_exactly_a_fitting_one(mut world in allowed(), fault in 0..6_usize, others in 0..3_usize) {
        // The consents are a synthetic person's.
        world.profile = Profile::Test;
        world.case.as_mut().expect("a case").refused_consents.clear();
        let mut wrong = consent();
        spoil(&mut wrong, fault);
        world.ask.subject = Some(consent().subject);
        world.change_service(|service| service.consent = true);
        world.ask.consents = vec![wrong; others];
        let Decision::Denied(denial) = world.decide() else { panic!("denied") };
        let other_question = fault < 3;
        let wanted = if others == 0 || other_question { DenialReason::ConsentMissing } else { DenialReason::ConsentNotInForce };
        prop_assert_eq!(denial.reasons(), [wanted]);
        world.ask.consents.push(consent());
        let authorised = authorised(&world);
        prop_assert_eq!(authorised.consent(), Some(&consent()));
    }

    // clause: 001/6.1.5
    #[test]
    fn a_decision_is_the_same_each_time_and_its_explanation_agrees(world in world()) {
        let explanation = world.explain();
        match (world.decide(), world.decide()) {
            (Decision::Authorised(one), Decision::Authorised(two)) => {
                prop_assert_eq!(one.fields(), two.fields());
                prop_assert_eq!(one.withheld(), two.withheld());
                prop_assert_eq!(one.act(), two.act());
                prop_assert_eq!(one.consent(), two.consent());
                prop_assert_eq!(explanation.consent == ConsentUse::InForce, one.consent().is_some());
                prop_assert!(explanation.allowed);
                let paths: Vec<&str> = explanation.delivered.iter().map(|path| &**path).collect();
                prop_assert_eq!(paths, one.field_paths().collect::<Vec<_>>());
                prop_assert_eq!(&explanation.withheld[..], one.withheld());
            }
            (Decision::Denied(one), Decision::Denied(two)) => {
                prop_assert_eq!(&one, &two);
                let failed: Vec<_> = explanation.checks.iter().filter(|check| !check.passed).map(|check| check.reason).collect();
                prop_assert_eq!(&failed[..], one.reasons());
                // Never without a reason, each once, in the order of the list.
                prop_assert!(!failed.is_empty() && failed.is_sorted() && !explanation.allowed);
            }
            _ => panic!("two decisions"),
        }
        // What is explained names no person and no official.
        let text = format!("{explanation}{}", serde_json::to_string(&explanation).expect("JSON"));
        prop_assert!(!text.contains("5K7QX2") && !text.contains("AZ-0001") && !text.contains("9900001233"));
        prop_assert!(!text.contains("TEST-RAZ") && !text.contains("47DEQ"));
    }

    #[test]
    fn what_is_asked_for_is_delivered_or_withheld_with_the_first_reason(world in allowed()) {
        let authorised = authorised(&world);
        let service = world.service();
        let asked = world.ask.fields.as_ref().map_or(FieldSet::first(service.leaves.len()), |names| {
            names.iter().fold(FieldSet::EMPTY, |set, name| set.union(service.fields_under(name)))
        });
        let mut withheld = FieldSet::EMPTY;
        let mut places = Vec::new();
        for entry in authorised.withheld() {
            if entry.reason == WithheldReason::Row {
                prop_assert_eq!(&*entry.field, "items[]");
                prop_assert!(!authorised.rows().is_empty());
                continue;
            }
            let index = service.leaf(&entry.field).expect("a leaf of the contract");
            withheld.insert(index);
            places.push(index);
            let agreed = service.leaves[index].agreed;
            prop_assert_eq!(entry.reason == WithheldReason::Agreement, !agreed);
        }
        prop_assert!(places.is_sorted());
        prop_assert_eq!(authorised.fields().union(withheld), asked);
        prop_assert!(authorised.fields().intersection(withheld).is_empty());
    }

    // clause: 634/2.6 634/6.2.12
    #[test]
    fn an_answer_shows_the_delivered_leaves_and_rows_alone(world in allowed()) {
        let authorised = authorised(&world);
        let facts = world.facts();
        let json = serde_json::to_value(filter(&authorised, &facts)).expect("JSON");
        let (paths, codes) = shown(&json);
        let wanted: BTreeSet<String> = authorised.field_paths().map(str::to_owned).collect();
        prop_assert_eq!(&paths, &wanted);
        let allowed = |code: &&str| authorised.rows().iter().all(|rule| rule.allow.iter().any(|allowed| **allowed == **code));
        let expected: Vec<String> = CODES.iter().filter(|code| allowed(code)).map(|code| (*code).to_owned()).collect();
        if paths.contains("items[].kind") {
            prop_assert_eq!(codes, expected.clone());
        }
        // Rows are left out by the rule also where the code itself is withheld.
        if let Some(rows) = json.get("items") {
            prop_assert_eq!(rows.as_array().expect("rows").len(), expected.len());
        }
    }

    #[test]
    fn a_row_without_its_code_is_left_out(world in allowed()) {
        let authorised = authorised(&world);
        prop_assume!(authorised.withheld().iter().any(|entry| entry.reason == WithheldReason::Row));
        let mut facts = world.facts();
        for value in &mut facts.record.values {
            if let model::Value::Records(rows) = value {
                rows.iter_mut().for_each(|row| row.values[0] = model::Value::Null);
            }
        }
        let json = serde_json::to_value(filter(&authorised, &facts)).expect("JSON");
        prop_assert_eq!(json["items"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn what_is_told_follows_from_the_shown_rows_alone(
        world in allowed(),
        rows in proptest::collection::vec(row(), 0..4),
        others in proptest::collection::vec((0..4_usize, row()), 0..4),
    ) {
        let authorised = authorised(&world);
        let shows = |code: &Option<&str>| authorised.rows().iter().all(|rule| code.is_some_and(|code| rule.allows(code)));
        // The same record with other withheld rows, more of them or fewer.
        let mut changed: Vec<_> = rows.iter().copied().filter(shows).collect();
        for (place, code) in others.into_iter().filter(|(_, code)| !shows(code)) {
            changed.insert(place.min(changed.len()), code);
        }
        let (one, two) = (world.facts_with(&rows), world.facts_with(&changed));
        let sight = authorised.sight();
        prop_assert_eq!(sight.hides(&one), sight.hides(&two));
        let bytes = |facts| serde_json::to_string(&filter(&authorised, facts)).expect("JSON");
        prop_assert_eq!(bytes(&one), bytes(&two));
        for field in &world.service().shape.fields {
            prop_assert_eq!(sight.value(&one, &field.name), sight.value(&two, &field.name));
        }
        for leaf in &world.service().leaves {
            let name = leaf.path.strip_prefix("items[].").unwrap_or(&leaf.path);
            prop_assert_eq!(sight.column(&one, "items", name), sight.column(&two, "items", name));
        }
        // A record of withheld rows alone is none, and no other is.
        let repeated = world.service().confirms.first().map(|confirm| &*confirm.field);
        let says_nothing = authorised.field_paths().all(|path| path.starts_with("items[].") || Some(path) == repeated);
        let withheld_alone = !authorised.rows().is_empty() && !rows.iter().any(shows);
        prop_assert_eq!(sight.hides(&one), withheld_alone && says_nothing);
    }

    #[test]
    fn a_hidden_record_is_hidden_from_every_narrower_question(mut world in allowed(), path in any::<proptest::sample::Index>()) {
        let hides = |world: &World| authorised(world).sight().hides(&world.facts_with(&[Some("adoption")]));
        let rule = RowRule { list: "items".into(), field: "kind".into(), allow: ["birth".into()].into(), leaves: FieldSet::EMPTY, input: None };
        world.consumer.grants.iter_mut().for_each(|grant| grant.rows = [rule.clone()].into());
        if !hides(&world) {
            return Ok(());
        }
        let paths: Vec<String> = authorised(&world).field_paths().map(str::to_owned).collect();
        world.ask.fields = Some(vec![path.get(&paths).clone()]);
        prop_assert!(hides(&world));
    }

    #[test]
    fn what_a_plan_may_build_on_is_what_is_delivered(world in allowed()) {
        let authorised = authorised(&world);
        let (facts, sight) = (world.facts(), authorised.sight());
        for (index, leaf) in world.service().leaves.iter().enumerate() {
            let delivered = authorised.fields().contains(index);
            match leaf.path.strip_prefix("items[].") {
                Some(name) => {
                    prop_assert!(sight.value(&facts, name).is_none());
                    let codes = CODES.iter().filter(|code| authorised.rows().iter().all(|rule| rule.allows(code)));
                    let wanted = delivered.then(|| codes.count());
                    prop_assert_eq!(sight.column(&facts, "items", name).map(|values| values.len()), wanted);
                }
                None => prop_assert_eq!(sight.value(&facts, &leaf.path).is_some(), delivered),
            }
        }
        prop_assert!(sight.value(&facts, "items").is_none() && sight.column(&facts, "field_0", "kind").is_none());
    }

    #[test]
    fn codes_are_asked_for_within_the_rows_alone(
        mut world in allowed(),
        allow in proptest::sample::subsequence(CODES.to_vec(), 1..=3),
        asked in proptest::option::of(proptest::sample::subsequence(CODES.to_vec(), 0..=3)),
    ) {
        world.change_service(|service| service.inputs = vec![kinds()]);
        let rule = RowRule {
            list: "items".into(),
            field: "kind".into(),
            allow: allow.iter().copied().map(Box::from).collect(),
            leaves: FieldSet::EMPTY,
            input: Some("kinds".into()),
        };
        for grant in &mut world.consumer.grants {
            grant.rows = [rule.clone()].into();
        }
        world.ask.codes.clear();
        if let Some(asked) = &asked {
            world.ask.codes.insert("kinds".into(), asked.iter().copied().map(Box::from).collect());
        }
        // None named means all.
        let wants = asked.filter(|codes| !codes.is_empty()).unwrap_or(CODES.to_vec());
        match world.decide() {
            Decision::Authorised(_) => prop_assert!(wants.iter().all(|code| allow.contains(code))),
            Decision::Denied(denial) => {
                prop_assert_eq!(denial.reasons(), [DenialReason::CodesNotGranted]);
                prop_assert_eq!(denial.inputs(), [Box::from("kinds")]);
                prop_assert!(wants.iter().any(|code| !allow.contains(code)));
            }
        }
    }

    #[test]
    fn facts_of_another_contract_show_nothing_that_is_not_authorised_by_path(world in allowed(), turn in 0..12_usize) {
        let authorised = authorised(&world);
        let mut other = World { snapshot: model::Snapshot::default(), consumer: world.consumer.clone(), ask: world.ask.clone(), case: None, powers: Powers::UNKNOWN, profile: Profile::Test };
        let mut service = (**world.service()).clone();
        // A later version that counts its leaves differently.
        let alone = service.shape.fields.iter().filter(|field| !field.path.ends_with("[]")).count();
        if alone > 1 {
            service.shape.fields[..alone].rotate_left(turn % alone);
            service.leaves[..alone].rotate_left(turn % alone);
            for (index, field) in service.shape.fields[..alone].iter_mut().enumerate() {
                field.index = index;
                field.leaves = FieldSet::EMPTY;
                field.leaves.insert(index);
            }
        }
        let id = service.id.clone();
        other.snapshot.services.insert(id, Arc::new(service));
        let facts = other.facts();
        let (paths, _) = shown(&serde_json::to_value(filter(&authorised, &facts)).expect("JSON"));
        let wanted: BTreeSet<String> = authorised.field_paths().map(str::to_owned).collect();
        let rows_left = authorised.rows().iter().all(|rule| !rule.allow.is_empty());
        prop_assert!(rows_left && paths == wanted, "{:?} {:?}", paths, wanted);

        let mut foreign = (*facts.service).clone();
        foreign.id = model::ServiceId::new("justice/wills").expect("a service");
        let foreign = model::Facts { service: Arc::new(foreign), ..facts };
        prop_assert_eq!(serde_json::to_value(filter(&authorised, &foreign)).expect("JSON"), serde_json::json!({}));
    }

    #[test]
    fn a_stored_ask_is_read_back_and_its_debug_names_nobody(world in world()) {
        let stored = serde_json::to_string(&world.ask).expect("JSON");
        let read: crate::Ask = serde_json::from_str(&stored).expect("an ask");
        prop_assert_eq!(&read, &world.ask);
        let shown = format!("{:?} {:?}", world.ask, world.decide());
        prop_assert!(!shown.contains("5K7QX2") && !shown.contains("AZ-0001") && !shown.contains("a.b.c"));
        prop_assert!(!shown.contains("TEST-RAZ") && !shown.contains("47DEQ") && !shown.contains("3M9RT4"));
    }
}

#[test]
fn the_worlds_allow_and_deny() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let worlds: Vec<_> = (0..2_000).map(|_| world().new_tree(&mut runner).expect("a world").current()).collect();
    let decisions: Vec<_> = worlds.iter().map(World::decide).collect();
    let allowed = decisions.iter().filter(|decision| matches!(decision, Decision::Authorised(_))).count();
    // Laws over denials alone, or over allowances alone, would prove little.
    assert!((100..1_900).contains(&allowed), "{allowed} of 2000");
    let hidden = worlds.iter().zip(&decisions).filter(|(world, decision)| match decision {
        Decision::Authorised(authorised) => authorised.sight().hides(&world.facts_with(&[None])),
        Decision::Denied(_) => false,
    });
    assert!((5..allowed).contains(&hidden.count()));
    let seen: BTreeSet<_> = decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Denied(denial) => Some(denial.reasons().to_vec()),
            Decision::Authorised(_) => None,
        })
        .flatten()
        .collect();
    let unseen: Vec<_> = DenialReason::ALL.iter().filter(|reason| !seen.contains(reason)).collect();
    assert_eq!(unseen, [&DenialReason::EmergencyNotGranted, &DenialReason::AnswerDenied], "found elsewhere");
    assert_eq!(model::time::day(now()), TODAY);
}
