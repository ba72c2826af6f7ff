//! The decision. Stages run in a fixed order and each adds its reasons, so a refusal says
//! everything that is wrong at once; nothing here looks at an answer.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use model::contract::{Act, Class, Consumer, Grant, Handling, Role, RowRule};
use model::{ActId, Consent, FieldSet, Profile, Representation, Service, Snapshot, Subject};

use crate::ask::{Ask, CaseView, ConsentRefused, EmergencyView, Official};
use crate::decision::{Allowance, Authorised, Decision, Denial, DenialReason, GrantKey, Withheld, WithheldReason};
use crate::mutant::{self, Rule};
use crate::powers::{Identity, Powers};
use crate::sight::Sight;

/// Decides one ask of one consumer.
///
/// `consumer` is who the certificate named, `case` what the store holds for this consumer, case and
/// subject (`None`: no such case), `powers` what is known of who asks, `now` the moment whose day in Baku
/// decides what is in force. Deterministic; costs a few microseconds.
pub fn decide(
    ask: &Ask,
    consumer: &Consumer,
    snapshot: &Snapshot,
    case: Option<&CaseView>,
    powers: Powers,
    profile: Profile,
    now: Timestamp,
) -> Decision {
    let findings = Findings::of(ask, consumer, snapshot, case, powers, profile, now);
    match (&findings.reasons[..], findings.service, findings.basis) {
        ([], Some(service), Some(Basis { grant, act })) => Decision::Authorised(Authorised {
            consumer: consumer.id.clone(),
            subject: ask.subject.clone().map(Box::new),
            case: ask.case.clone(),
            purpose: ask.purpose.clone(),
            role: ask.role.clone(),
            act: act.clone(),
            emergency: findings.emergency.map(|emergency| emergency.id.clone()),
            consent: findings.consent.in_force().cloned().map(Box::new),
            withheld: findings.sets.withheld(service, &grant.rows),
            handling: findings.sets.handling(service),
            allowance: grant.volume.map(|volume| Box::new(Allowance { volume, grant: GrantKey::of(grant) })),
            sight: Sight {
                service: Arc::clone(service),
                fields: findings.sets.delivered(),
                rows: if mutant::holds(Rule::Withholds(WithheldReason::Row)) { Arc::clone(&grant.rows) } else { Arc::default() },
                answer: grant.answer.clone(),
            },
        }),
        _ => Decision::Denied(Denial { reasons: findings.reasons, inputs: findings.inputs }),
    }
}

/// What every stage found; shared by the decision and its explanation, so that they cannot differ.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) service: Option<&'a Arc<Service>>,
    pub(crate) role: Option<&'a Role>,
    /// The grant that fits, whether or not anything else is wrong.
    pub(crate) basis: Option<Basis<'a>>,
    /// The override that lets the official act here, where he needs one.
    pub(crate) emergency: Option<&'a EmergencyView>,
    pub(crate) consent: ConsentFound<'a>,
    pub(crate) sets: Sets,
    /// Inputs that ask for codes whose rows the grant does not cover.
    pub(crate) inputs: Vec<Box<str>>,
    /// In the order of [`DenialReason::ALL`].
    pub(crate) reasons: Vec<DenialReason>,
}

/// The grant an ask stands on and the grant's first act in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis<'a> {
    pub(crate) grant: &'a Grant,
    pub(crate) act: &'a ActId,
}

impl<'a> Findings<'a> {
    pub(crate) fn of(
        ask: &'a Ask,
        consumer: &'a Consumer,
        snapshot: &'a Snapshot,
        case: Option<&'a CaseView>,
        powers: Powers,
        profile: Profile,
        now: Timestamp,
    ) -> Self {
        let today = model::time::day(now);
        let mut reasons = Vec::new();

        // Agreement: what the provider agreed to give.
        let service = snapshot.services.get(&ask.service);
        match service {
            None => deny(&mut reasons, DenialReason::ServiceUnknown),
            Some(service) if !service.agreement.in_force(today) => deny(&mut reasons, DenialReason::AgreementNotInForce),
            Some(_) => {}
        }

        // Function: what this consumer may ask, for what, in which role, under which act.
        let role = consumer.roles.get(&ask.role);
        let basis = basis(ask, consumer, (service.map(|service| &**service), role), snapshot, today, &mut reasons);
        let inputs = match (service, basis) {
            (Some(service), Some(basis)) => inputs_beyond_rows(ask, service, basis.grant),
            _ => Vec::new(),
        };
        if !inputs.is_empty() {
            deny(&mut reasons, DenialReason::CodesNotGranted);
        }
        let mut special = false;
        if let (Some(service), Some(Basis { grant, .. })) = (service, basis) {
            let touched = grant.touches(service);
            let allowed = consumer.special && snapshot.purposes.get(&ask.purpose).is_some_and(|purpose| purpose.special);
            // `check` refuses such a grant; should one slip through, nothing of it is given.
            if !allowed && service.class_of(touched) == Some(Class::S) {
                deny(&mut reasons, DenialReason::SpecialNever);
            }
            let reached = |index: usize| service.leaves.get(index).is_some_and(|leaf| leaf.handling.reaches(consumer.kind));
            if !touched.iter().all(reached) {
                deny(&mut reasons, DenialReason::OnwardTransfer);
            }
            if grant.hours.as_ref().is_some_and(|hours| !hours.cover(now, &snapshot.calendar)) {
                deny(&mut reasons, DenialReason::OutsideHours);
            }
            let allows = |id: &ActId| snapshot.acts.get(id).is_some_and(|act| act.special && act.in_force(today));
            special = allowed && grant.special.iter().any(allows);
        }

        // Powers: who asks.
        official(&ask.official, role, &mut reasons);
        for reason in powers.identity.reason(profile).into_iter().chain(powers.standing.reason()) {
            deny(&mut reasons, reason);
        }

        // Representation: whether it counts here. That whom it is about is in the case is the case's own rule.
        if let Some(representation) = &ask.on_behalf_of {
            for reason in representation_refused(representation, role, today) {
                deny(&mut reasons, reason);
            }
        }

        // Case: whom about, and in which open case.
        if let Some(service) = service
            && !subject_accepted(ask, service, profile)
        {
            deny(&mut reasons, DenialReason::SubjectNotAccepted);
        }
        // Only some roles may act in emergencies.
        let emergency = case.and_then(|case| case.emergency.as_ref()).filter(|_| role.is_some_and(|role| role.emergency));
        match case {
            None => deny(&mut reasons, DenialReason::CaseUnknown),
            Some(case) => {
                if !case.open {
                    deny(&mut reasons, DenialReason::CaseClosed);
                }
                if case.purpose != ask.purpose {
                    deny(&mut reasons, DenialReason::CasePurpose);
                }
                if case.of_another && emergency.is_none() {
                    deny(&mut reasons, DenialReason::CaseOfAnother);
                }
                if ask.subject.is_some() && !case.has_subject && !emergency.is_some_and(|emergency| emergency.has_subject) {
                    deny(&mut reasons, DenialReason::PersonNotInCase);
                }
                if !case.inputs_known {
                    deny(&mut reasons, DenialReason::InputNotFromCase);
                }
            }
        }

        let needed = |case: &CaseView| case.of_another || ask.subject.is_some() && !case.has_subject;
        let emergency = emergency.filter(|_| case.is_some_and(needed));

        // Consent: the person's own word, where the contract wants it.
        let consent = service.map_or(ConsentFound::NotNeeded, |service| ConsentFound::of(ask, service, case, now));
        match consent {
            ConsentFound::Missing => deny(&mut reasons, DenialReason::ConsentMissing),
            ConsentFound::Refused(ConsentRefused::Withdrawn) => deny(&mut reasons, DenialReason::ConsentWithdrawn),
            ConsentFound::Refused(ConsentRefused::Differs) => deny(&mut reasons, DenialReason::ConsentDiffers),
            ConsentFound::NotInForce => deny(&mut reasons, DenialReason::ConsentNotInForce),
            ConsentFound::NotNeeded | ConsentFound::InForce(_) => {}
        }

        let sets_at = |identity: Identity| match (service, basis, role) {
            (Some(service), Some(basis), Some(role)) => {
                let ceilings = [
                    (Rule::RoleClass, role.class_max),
                    (Rule::TypeClass, consumer.kind.class_max()),
                    (Rule::AssuranceClass, identity.class_max().unwrap_or(Class::S)),
                    (Rule::SpecialAct, if special { Class::S } else { Class::C }),
                ];
                let class_max = ceilings.into_iter().filter(|(rule, _)| mutant::holds(*rule)).map(|(_, class)| class).min();
                let class_max = class_max.unwrap_or(Class::O);
                Sets { special, ..Sets::of(ask, service, basis.grant, class_max) }
            }
            _ => Sets::default(),
        };
        let sets = sets_at(powers.identity);
        if service.is_some() && basis.is_some() && !sets.leave_something() {
            // The level is to blame where a higher one would leave something.
            if sets_at(Identity::NotSent).leave_something() {
                deny(&mut reasons, DenialReason::AssuranceTooLow);
            }
            deny(&mut reasons, DenialReason::NothingLeft);
        }
        Self { service, role, basis, emergency, consent, sets, inputs, reasons }
    }
}

/// What the ask's consents come to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ConsentFound<'a> {
    /// The contract wants none, and none was looked at.
    NotNeeded,
    /// None is this person's for this provider.
    Missing,
    /// There is one, signed in the future or ended.
    NotInForce,
    /// There is one in force, and the registry refuses it.
    Refused(ConsentRefused),
    /// The first that is in force.
    InForce(&'a Consent),
}

impl<'a> ConsentFound<'a> {
    /// A consent counts for the provider and the person it names, exactly: not for another form of
    /// naming the same person, since nobody here can know that they are the same.
    fn of(ask: &'a Ask, service: &Service, case: Option<&CaseView>, now: Timestamp) -> Self {
        if !service.consent {
            return Self::NotNeeded;
        }
        let mut own = ask
            .consents
            .iter()
            .enumerate()
            .filter(|(_, consent)| consent.provider.as_str() == service.id.provider() && Some(&consent.subject) == ask.subject.as_ref())
            .peekable();
        if own.peek().is_none() {
            return Self::Missing;
        }
        let refused = case.map(|case| case.refused_consents.as_slice()).unwrap_or_default();
        let mut found = Self::NotInForce;
        for (place, consent) in own.filter(|(_, consent)| consent.in_force(now)) {
            match refused.iter().find(|(refused, _)| *refused == place) {
                None => return Self::InForce(consent),
                Some((_, why)) => found = Self::Refused(*why),
            }
        }
        found
    }

    fn in_force(self) -> Option<&'a Consent> {
        match self {
            Self::InForce(consent) => Some(consent),
            Self::NotNeeded | Self::Missing | Self::Refused(_) | Self::NotInForce => None,
        }
    }
}

/// What stands against somebody acting for a person in a role, on a day (Asia/Baku).
pub fn representation_refused(representation: &Representation, role: Option<&Role>, today: Date) -> impl Iterator<Item = DenialReason> {
    let granted = role.is_some_and(|role| role.represents.contains(&representation.kind));
    let reasons = [
        (!granted).then_some(DenialReason::RepresentationNotGranted),
        (!representation.in_force(today)).then_some(DenialReason::RepresentationNotInForce),
    ];
    reasons.into_iter().flatten()
}

fn deny(reasons: &mut Vec<DenialReason>, reason: DenialReason) {
    if mutant::holds(Rule::Denies(reason)) {
        reasons.push(reason);
    }
}

/// Narrows the consumer's grants by service, purpose, role, form of subject and act, and says at which step
/// none was left. `check` refuses two grants that fit the same ask; were there two, the first would count.
fn basis<'a>(
    ask: &Ask,
    consumer: &'a Consumer,
    (service, role): (Option<&Service>, Option<&Role>),
    snapshot: &Snapshot,
    today: Date,
    reasons: &mut Vec<DenialReason>,
) -> Option<Basis<'a>> {
    let for_service = || consumer.grants.iter().filter(|grant| grant.service == ask.service);
    let has_purpose = |grant: &&Grant| grant.purposes.contains(&ask.purpose);
    let has_role = |grant: &&Grant| grant.roles.contains(&ask.role);
    let in_force = |id: &&ActId| snapshot.acts.get(*id).is_some_and(|act: &Act| act.in_force(today));

    let granted = for_service().next().is_some();
    let for_purpose = for_service().any(|grant| has_purpose(&grant));
    if !granted {
        deny(reasons, DenialReason::NoGrant);
    } else if !for_purpose {
        deny(reasons, DenialReason::PurposeNotGranted);
    }
    // With the wrong purpose the role is still judged, against all grants for the service.
    let for_role = for_service().filter(|grant| !for_purpose || has_purpose(grant)).any(|grant| has_role(&grant));
    if role.is_none() {
        deny(reasons, DenialReason::RoleUnknown);
    } else if granted && !for_role {
        deny(reasons, DenialReason::RoleNotGranted);
    }
    let fitting = || for_service().filter(|grant| (!for_purpose || has_purpose(grant)) && (!for_role || has_role(grant)));
    // A form that the contract does not take is the contract's to refuse.
    let form = ask.subject.as_ref().map(Subject::form).filter(|form| service.is_some_and(|service| service.subject.contains(form)));
    let has_form = |grant: &&Grant| form.is_none_or(|form| grant.subject.contains(&form));
    let for_form = fitting().any(|grant| has_form(&grant));
    if granted && !for_form {
        deny(reasons, DenialReason::SubjectNotGranted);
    }
    let narrowed = || fitting().filter(|grant| !for_form || has_form(grant));
    let standing = narrowed().find_map(|grant| Some(Basis { grant, act: grant.acts.iter().find(in_force)? }));
    if granted && standing.is_none() {
        deny(reasons, DenialReason::ActNotInForce);
    }
    standing.filter(|_| for_purpose && for_role && for_form)
}

/// The inputs by which the ask wants rows that the grant does not cover. Left out, or empty, an input asks for
/// all of its codes.
fn inputs_beyond_rows(ask: &Ask, service: &Service, grant: &Grant) -> Vec<Box<str>> {
    let beyond = |rule: &&RowRule| {
        let Some(name) = &rule.input else { return false };
        let declared = service.inputs.iter().find(|input| input.name == *name).map(|input| input.codes.as_slice());
        let asked = ask.codes.get(name).map(Vec::as_slice).filter(|codes| !codes.is_empty()).or(declared);
        !asked.is_some_and(|codes| codes.iter().all(|code| rule.allows(code)))
    };
    let mut inputs: Vec<Box<str>> = grant.rows.iter().filter(beyond).filter_map(|rule| rule.input.clone()).collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

fn official(official: &Official, role: Option<&Role>, reasons: &mut Vec<DenialReason>) {
    let named = |text: &str| !text.trim().is_empty();
    match official {
        Official::Person(number) => {
            if !named(number) {
                deny(reasons, DenialReason::OfficialMissing);
            }
        }
        Official::Robot { name, responsible } => {
            if !named(name) {
                deny(reasons, DenialReason::OfficialMissing);
            }
            if !responsible.as_deref().is_some_and(named) {
                deny(reasons, DenialReason::RobotWithoutResponsible);
            }
            if role.is_some_and(|role| !role.automated) {
                deny(reasons, DenialReason::RobotNotAllowed);
            }
        }
    }
}

fn subject_accepted(ask: &Ask, service: &Service, profile: Profile) -> bool {
    match &ask.subject {
        None => service.subject.is_empty(),
        Some(subject) => service.subject.contains(&subject.form()) && subject.check(profile).is_ok(),
    }
}

/// What each of the parties allows, as sets of the service's leaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sets {
    pub(crate) agreed: FieldSet,
    pub(crate) granted: FieldSet,
    pub(crate) class: FieldSet,
    pub(crate) powers: FieldSet,
    /// What the ask narrows to; everything where it does not narrow.
    pub(crate) asked: FieldSet,
    /// What a yes or no tells something of, where the grant answers with one: all of it or nothing.
    pub(crate) tested: Option<FieldSet>,
    /// Whether an act that the grant names for it lets data of the special category be given today.
    pub(crate) special: bool,
}

impl Sets {
    fn of(ask: &Ask, service: &Service, grant: &Grant, class_max: Class) -> Self {
        let all = FieldSet::first(service.leaves.len());
        let tested = grant.answer.as_ref().map(|predicate| predicate.leaves);
        let mut sets = Self { granted: all, powers: all, asked: all, tested, ..Self::default() };
        let applies = |reason| mutant::holds(Rule::Withholds(reason));
        for (index, leaf) in service.leaves.iter().enumerate() {
            if leaf.agreed || !applies(WithheldReason::Agreement) {
                sets.agreed.insert(index);
            }
            if leaf.class <= class_max || !applies(WithheldReason::Class) {
                sets.class.insert(index);
            }
        }
        if applies(WithheldReason::Function) {
            sets.granted = grant.fields.intersection(all);
        }
        if let Some(kept) = grant.role_withholds.get(&ask.role).filter(|_| applies(WithheldReason::Powers)) {
            sets.powers = all.difference(*kept);
        }
        if let Some(names) = &ask.fields {
            sets.asked = names.iter().fold(FieldSet::EMPTY, |set, name| set.union(service.fields_under(name)));
        }
        sets
    }

    pub(crate) fn delivered(&self) -> FieldSet {
        self.agreed.intersection(self.granted).intersection(self.class).intersection(self.powers).intersection(self.asked)
    }

    /// Whether anything could be told at all.
    pub(crate) fn leave_something(&self) -> bool {
        match self.tested {
            // What a question narrows to does not change what a yes tells.
            Some(tested) => tested.is_subset(self.agreed.intersection(self.class).intersection(self.powers)),
            None => !self.delivered().is_empty(),
        }
    }

    /// The strictest mark of what is told.
    pub(crate) fn handling(&self, service: &Service) -> Handling {
        let told = self.tested.unwrap_or_else(|| self.delivered());
        told.iter().filter_map(|index| service.leaves.get(index)).map(|leaf| leaf.handling).max().unwrap_or(Handling::NoOnward)
    }

    /// Row rules that concern something delivered.
    pub(crate) fn rows<'a>(&self, rules: &'a [RowRule]) -> impl Iterator<Item = &'a RowRule> + use<'a> {
        let delivered = self.delivered();
        rules.iter().filter(move |rule| !rule.leaves.intersection(delivered).is_empty())
    }

    /// What was asked for and is not delivered, in the contract's order.
    pub(crate) fn withheld(&self, service: &Service, rules: &[RowRule]) -> Vec<Withheld> {
        let mut withheld = Vec::new();
        let mut ruled: Vec<(usize, &RowRule)> = self.rows(rules).filter_map(|rule| Some((rule.leaves.iter().next()?, rule))).collect();
        ruled.sort_by_key(|(first, _)| *first);
        ruled.dedup_by(|a, b| a.1.list == b.1.list);
        let mut ruled = ruled.into_iter().peekable();
        for (index, leaf) in service.leaves.iter().enumerate() {
            while let Some((_, rule)) = ruled.next_if(|(first, _)| *first <= index) {
                withheld.push(Withheld { field: format!("{}[]", rule.list).into(), reason: WithheldReason::Row });
            }
            if self.asked.contains(index)
                && let Some(reason) = self.reason(index)
            {
                withheld.push(Withheld { field: leaf.path.clone(), reason });
            }
        }
        withheld
    }

    fn reason(&self, index: usize) -> Option<WithheldReason> {
        let steps = [
            (self.agreed, WithheldReason::Agreement),
            (self.granted, WithheldReason::Function),
            (self.class, WithheldReason::Class),
            (self.powers, WithheldReason::Powers),
        ];
        steps.into_iter().find(|(allowed, _)| !allowed.contains(index)).map(|(_, reason)| reason)
    }
}
