//! Small generated worlds: one service, one consumer, some acts, purposes, roles and grants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use model::contract::{
    Act, Agreement, Assurance, Bilingual, Capture, Class, Confirm, Confirmed, Consumer, ConsumerType, Days, Grant, Handling, Hours, Input,
    Leaf, Purpose, Quota, Retry, Role, Route, RowRule, SubjectForm, SubjectPart,
};
use model::{
    Absence, ActId, CaseId, Consent, ConsumerId, Facts, FieldDef, FieldKind, FieldSet, Profile, ProviderId, PurposeId, Record,
    Representation, RepresentativeKind, RoleId, Service, ServiceId, Shape, Snapshot, Subject, Type, Value, Version,
};
use proptest::prelude::*;

use crate::{
    Ask, CaseView, ConsentRefused, Decision, EmergencyView, Explanation, Identity, Official, Powers, Standing, Unproven, decide, explain,
};

pub(super) const TODAY: Date = date(2026, 3, 12);
/// Codes of the generated list's code field.
pub(super) const CODES: [&str; 3] = ["birth", "marriage", "adoption"];

pub(super) fn now() -> Timestamp {
    "2026-03-12T08:00:00Z".parse().expect("a moment")
}

/// Everything a decision takes.
#[derive(Debug)]
pub(super) struct World {
    pub(super) snapshot: Snapshot,
    pub(super) consumer: Consumer,
    pub(super) ask: Ask,
    pub(super) case: Option<CaseView>,
    pub(super) powers: Powers,
    pub(super) profile: Profile,
}

impl World {
    pub(super) fn decide(&self) -> Decision {
        decide(&self.ask, &self.consumer, &self.snapshot, self.case.as_ref(), self.powers, self.profile, now())
    }

    pub(super) fn explain(&self) -> Explanation {
        explain(&self.ask, &self.consumer, &self.snapshot, self.case.as_ref(), self.powers, self.profile, now())
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        &self.snapshot.services[&self.ask.service]
    }

    /// Changes the contract, as a new agreement would.
    pub(super) fn change_service(&mut self, change: impl FnOnce(&mut Service)) {
        let mut service = (**self.service()).clone();
        change(&mut service);
        self.snapshot.services.insert(service.id.clone(), Arc::new(service));
    }

    /// Facts in which every leaf's value is its own path, and the list has one row per code.
    pub(super) fn facts(&self) -> Facts {
        self.facts_with(&CODES.map(Some))
    }

    /// The same with these rows; one of none has no code.
    pub(super) fn facts_with(&self, rows: &[Option<&str>]) -> Facts {
        let service = Arc::clone(self.service());
        let leaf = |field: &FieldDef| Value::Text(field.path.clone());
        let values = service.shape.fields.iter().map(|field| match &field.kind {
            FieldKind::List { shape, .. } => Value::Records(
                rows.iter().map(|code| Record { values: shape.fields.iter().map(|field| row_value(field, *code)).collect() }).collect(),
            ),
            FieldKind::Scalar { .. } | FieldKind::Values { .. } => leaf(field),
        });
        let record = Record { values: values.collect() };
        Facts { service, record, flags: Vec::new() }
    }
}

fn row_value(field: &FieldDef, code: Option<&str>) -> Value {
    match (&*field.name, code) {
        ("kind", Some(code)) => Value::Text(code.into()),
        ("kind", None) => Value::Null,
        _ => Value::Text(field.path.clone()),
    }
}

pub(super) fn name() -> Bilingual {
    Bilingual { az: "ad".to_owned(), en: "name".to_owned() }
}

pub(super) fn purpose(place: usize) -> PurposeId {
    PurposeId::new(&format!("purpose-{place}")).expect("a purpose")
}

pub(super) fn act(place: usize) -> ActId {
    ActId::new(&format!("act-{place}")).expect("an act")
}

pub(super) fn role(place: usize) -> RoleId {
    RoleId::new(&format!("role-{place}")).expect("a role")
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::O), Just(Class::C), Just(Class::S)]
}

fn mostly() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.9)
}

fn rarely() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.1)
}

fn hardly_ever() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.04)
}

/// Hours that cover this moment, or that end with it.
pub(super) fn hours(now_too: bool) -> Hours {
    let minute = now().to_zoned(model::time::baku().clone()).datetime();
    let minute = u16::try_from(i32::from(minute.hour()) * 60 + i32::from(minute.minute())).expect("of a day");
    Hours { days: Days::OfWeek([true; 7]), from: 0, to: minute + u16::from(now_too) }
}

/// A service whose first leaves stand alone and whose last are the items of `items[]`, of which the
/// first is the code field `kind`. The first leaf repeats the question where `repeats`; the kinds are asked
/// for where `by_kind`.
fn service(leaves: Vec<(Class, bool, Handling)>, alone: usize, in_force: bool, consent: bool, (repeats, by_kind): (bool, bool)) -> Service {
    let mut flat = Vec::new();
    let mut fields: Vec<FieldDef> = Vec::new();
    let mut items: Vec<FieldDef> = Vec::new();
    for (index, (class, agreed, handling)) in leaves.into_iter().enumerate() {
        let in_list = index >= alone;
        let is_code = index == alone;
        let name = if is_code { "kind".to_owned() } else { format!("field_{index}") };
        let path = if in_list { format!("items[].{name}") } else { name.clone() };
        // The code field that row rules rest on is agreed, as `check` demands.
        let agreed = agreed || is_code;
        let mut leaves = FieldSet::EMPTY;
        leaves.insert(index);
        flat.push(Leaf { path: path.as_str().into(), class, agreed, handling });
        let kind = if is_code {
            FieldKind::Scalar { kind: Type::Code, codes: CODES.iter().map(|code| Box::from(*code)).collect() }
        } else {
            FieldKind::Scalar { kind: Type::Text, codes: Vec::new() }
        };
        let field = FieldDef {
            name: name.as_str().into(),
            path: path.as_str().into(),
            kind,
            class,
            optional: false,
            agreed,
            unit: None,
            index,
            leaves,
        };
        if in_list { items.push(field) } else { fields.push(field) }
    }
    if let Some(first) = items.first() {
        let leaves = items.iter().fold(FieldSet::EMPTY, |set, item| set.union(item.leaves));
        fields.push(FieldDef {
            name: "items".into(),
            path: "items[]".into(),
            class: Class::O,
            optional: false,
            agreed: true,
            unit: None,
            index: first.index,
            leaves,
            kind: FieldKind::List { max: 10, shape: Shape { fields: items } },
        });
    }
    Service {
        id: ServiceId::new("justice/acts").expect("a service"),
        version: Version::new("1.0.0").expect("a version"),
        name: name(),
        legal_reference: "634/4.1.3".into(),
        agreement: Agreement {
            number: "1".into(),
            signed_on: date(2026, 1, 1),
            valid_until: if in_force { TODAY } else { TODAY.yesterday().expect("a day before") },
        },
        route: Route::Ehis,
        subject: vec![SubjectForm::Fin],
        effect: model::contract::ServiceEffect::Read,
        in_dossiers: true,
        inputs: if by_kind { vec![kinds()] } else { Vec::new() },
        window: None,
        consent,
        confirms: if repeats && alone > 0 { vec![repetition()] } else { Vec::new() },
        absence: Absence::Fact,
        snapshot: None,
        lifetime: Duration::ZERO,
        seasons: Vec::new(),
        quota: Quota { per_second: 1, burst: 1 },
        quota_days: Vec::new(),
        timeout: Duration::from_secs(1),
        retry: Retry::Idempotent,
        capture: Capture::Digest,
        shape: Shape { fields },
        leaves: flat,
    }
}

/// The input that asks for some kinds of items.
pub(super) fn kinds() -> Input {
    let codes = CODES.iter().map(|code| Box::from(*code)).collect();
    Input {
        name: "kinds".into(),
        kind: Type::Code,
        codes,
        list_max: Some(3),
        required: false,
        comes_from: None,
        range: None,
        instances: None,
    }
}

fn repetition() -> Confirm {
    Confirm { field: "field_0".into(), with: Confirmed::Subject(SubjectPart::Fin), unless: None }
}

fn field_set(mask: u16, count: usize) -> FieldSet {
    let mut set = FieldSet::EMPTY;
    (0..count.min(16)).filter(|index| mask & (1 << index) != 0).for_each(|index| set.insert(index));
    set
}

prop_compose! {
    fn grant(leaves: usize, list: FieldSet, by_kind: bool)(
        mask in prop_oneof![3 => Just(u16::MAX), 1 => any::<u16>()],
        purposes in proptest::sample::subsequence(vec![0, 1, 2], 1..=3),
        acts in proptest::sample::subsequence(vec![0, 1, 2], 1..=3),
        no_special in rarely(),
        closed in proptest::option::weighted(0.1, rarely()),
        roles in proptest::sample::subsequence(vec![0, 1, 2], 1..=3),
        kept in proptest::option::weighted(0.3, (0..3_usize, any::<u16>())),
        by_tin_alone in rarely(),
        rows in proptest::option::weighted(0.4, proptest::sample::subsequence(CODES.to_vec(), 1..=2)),
    ) -> Grant {
        let mut role_withholds = BTreeMap::new();
        if let Some((place, mask)) = kept {
            role_withholds.insert(role(place), field_set(mask, leaves));
        }
        let input = by_kind.then(|| "kinds".into());
        let rule = |allow: Vec<&str>| RowRule { list: "items".into(), field: "kind".into(), allow: allow.into_iter().map(Box::from).collect(), leaves: list, input };
        Grant {
            service: ServiceId::new("justice/acts").expect("a service"),
            subject: vec![if by_tin_alone { SubjectForm::Tin } else { SubjectForm::Fin }],
            fields: field_set(mask, leaves),
            answer: None,
            special: if no_special { Vec::new() } else { acts.iter().copied().map(act).collect() },
            hours: closed.map(|closed| hours(!closed)),
            volume: None,
            purposes: purposes.into_iter().map(purpose).collect(),
            acts: acts.into_iter().map(act).collect(),
            roles: roles.into_iter().map(role).collect(),
            role_withholds,
            rows: rows.filter(|_| !list.is_empty()).map(rule).into_iter().collect(),
        }
    }
}

fn handling() -> impl Strategy<Value = Handling> {
    prop_oneof![8 => Just(Handling::NoOnward), 1 => Just(Handling::OwnUse), 1 => Just(Handling::Onward)]
}

/// Types are mostly of those to whom a mark does not matter.
fn kind() -> impl Strategy<Value = ConsumerType> {
    prop_oneof![16 => Just(ConsumerType::Subsystem), 2 => Just(ConsumerType::Portal), 1 => proptest::sample::select(ConsumerType::ALL.to_vec())]
}

fn official() -> impl Strategy<Value = Official> {
    prop_oneof![
        8 => Just(Official::Person("AZ-0001".to_owned())),
        1 => Just(Official::Person(String::new())),
        3 => proptest::option::of(Just("AZ-0001".to_owned())).prop_map(|responsible| Official::Robot { name: "intake".to_owned(), responsible }),
    ]
}

fn subject() -> impl Strategy<Value = Option<Subject>> {
    prop_oneof![
        20 => Just(Some(Subject::Fin("5K7QX2O".to_owned()))),
        1 => Just(Some(Subject::Fin("5K7QX2A".to_owned()))),
        1 => Just(Some(Subject::Tin("9900001233".to_owned()))),
        1 => Just(None),
    ]
}

/// A consent of the generated service's provider by the usual subject, an hour old and good for one
/// more.
pub(super) fn consent() -> Consent {
    let hour = jiff::SignedDuration::from_hours(1);
    Consent {
        provider: ProviderId::new("justice").expect("a provider"),
        subject: Subject::Fin("5K7QX2O".to_owned()),
        reference: "TEST-RAZ-000001".to_owned(),
        sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
        signed_at: now() - hour,
        expires_at: now() + hour,
    }
}

/// Changes a consent so that it does not count for the usual question.
pub(super) fn spoil(consent: &mut Consent, fault: usize) {
    let hours = jiff::SignedDuration::from_hours(2);
    match fault {
        0 => consent.provider = ProviderId::new("interior").expect("a provider"),
        1 => consent.subject = Subject::Fin("3M9RT4O".to_owned()),
        // The same letters, named as another thing.
        2 => consent.subject = Subject::Pin("5K7QX2O".to_owned()),
        3 => consent.signed_at = now() + jiff::SignedDuration::from_nanos(1),
        4 => consent.expires_at = now(),
        _ => (consent.signed_at, consent.expires_at) = (consent.signed_at - hours, consent.expires_at - hours),
    }
}

fn consents() -> impl Strategy<Value = Vec<Consent>> {
    let one = prop_oneof![6 => Just(None), 3 => (0..6_usize).prop_map(Some)].prop_map(|fault| {
        let mut consent = consent();
        if let Some(fault) = fault {
            spoil(&mut consent, fault);
        }
        consent
    });
    proptest::collection::vec(one, 0..4)
}

fn case() -> impl Strategy<Value = Option<CaseView>> {
    let emergency = proptest::option::weighted(0.3, any::<bool>().prop_map(|has_subject| EmergencyView { id: "1".into(), has_subject }));
    let why = proptest::sample::select(vec![ConsentRefused::Withdrawn, ConsentRefused::Differs]);
    let refused = proptest::collection::vec((0..3_usize, why), 0..2);
    let view = (mostly(), mostly(), mostly(), mostly(), rarely(), emergency, proptest::option::weighted(0.2, refused)).prop_map(
        |(open, same, has_subject, inputs_known, of_another, emergency, refused)| CaseView {
            open,
            purpose: purpose(usize::from(!same)),
            has_subject,
            inputs_known,
            of_another,
            emergency,
            refused_consents: refused.unwrap_or_default(),
        },
    );
    proptest::option::weighted(0.95, view)
}

pub(super) fn unproven() -> impl Strategy<Value = Unproven> {
    proptest::sample::select(vec![
        Unproven::NotVerified,
        Unproven::Malformed,
        Unproven::Signature,
        Unproven::Purpose,
        Unproven::OtherConsumer,
        Unproven::OtherOfficial,
        Unproven::Time,
        Unproven::Replayed,
    ])
}

pub(super) fn level() -> impl Strategy<Value = Assurance> {
    proptest::sample::select(vec![Assurance::Low, Assurance::Substantial, Assurance::High])
}

pub(super) fn not_held() -> impl Strategy<Value = Standing> {
    proptest::sample::select(vec![
        Standing::NoAccount,
        Standing::Deactivated,
        Standing::NotHeld,
        Standing::NotYet,
        Standing::NotAcknowledged,
        Standing::Withdrawn,
    ])
}

/// What is known of who asks; mostly nothing that stands against him.
fn powers() -> impl Strategy<Value = Powers> {
    let identity = prop_oneof![
        8 => Just(Identity::NotSent),
        3 => level().prop_map(Identity::Proven),
        1 => unproven().prop_map(Identity::Unproven),
    ];
    let standing = prop_oneof![6 => Just(Standing::NotKept), 6 => Just(Standing::Held), 1 => not_held()];
    (identity, standing).prop_map(|(identity, standing)| Powers { identity, standing })
}

/// Somebody who acts for the subject, mostly nobody.
fn acting() -> impl Strategy<Value = Option<Representation>> {
    let kind = prop_oneof![3 => Just(RepresentativeKind::Parent), 1 => Just(RepresentativeKind::Proxy)];
    let valid_until = prop_oneof![3 => Just(TODAY), 1 => Just(TODAY.yesterday().expect("a day before"))];
    let acting = (kind, valid_until).prop_map(|(kind, valid_until)| Representation { kind, valid_until, ..representation() });
    proptest::option::weighted(0.2, acting)
}

/// A parent acts for the subject, until today.
pub(super) fn representation() -> Representation {
    Representation {
        kind: RepresentativeKind::Parent,
        representative: Subject::Fin("3M9RT4O".to_owned()),
        represented: Subject::Fin("5K7QX2O".to_owned()),
        reference: "birth certificate".to_owned(),
        sha256: String::new(),
        valid_until: TODAY,
    }
}

/// Any world of this kind; about one in twelve allows the ask.
pub(super) fn world() -> impl Strategy<Value = World> {
    let contract = (1..12_usize).prop_flat_map(|count| {
        let rows = (any::<bool>(), proptest::bool::weighted(0.3));
        (proptest::collection::vec((class(), mostly(), handling()), count), 0..=count, mostly(), proptest::bool::weighted(0.4), rows)
            .prop_map(|(leaves, alone, in_force, consent, rows)| service(leaves, alone, in_force, consent, rows))
    });
    contract
        .prop_flat_map(|service| {
            let count = service.leaves.len();
            let list = service.shape.fields.last().filter(|field| &*field.path == "items[]").map_or(FieldSet::EMPTY, |field| field.leaves);
            let paths: Vec<String> = service.leaves.iter().map(|leaf| leaf.path.to_string()).chain(["items".to_owned()]).collect();
            let asked = proptest::option::weighted(0.2, proptest::sample::subsequence(paths.clone(), 1..=paths.len()));
            let consumer = (
                proptest::collection::vec(grant(count, list, !service.inputs.is_empty()), 0..5),
                proptest::collection::vec((prop_oneof![1 => class(), 2 => Just(Class::S)], any::<bool>()), 3),
                (kind(), hardly_ever()),
            );
            // Boxed: a tree of values lies on the stack, and a test's is small.
            let who = (prop_oneof![6 => Just(0_usize), 2 => Just(1), 1 => Just(3)], (official(), acting()), subject(), consents()).boxed();
            let codes = proptest::option::weighted(0.8, proptest::sample::subsequence(CODES.to_vec(), 0..=1));
            let what = (prop_oneof![6 => Just(0_usize), 1 => Just(1)], asked, codes, powers());
            let acts = (proptest::collection::vec((mostly(), mostly()), 3), hardly_ever());
            (Just(service), consumer, who, what, acts, case(), rarely(), rarely())
        })
        .prop_map(
            |(
                service,
                (grants, roles, (kind, consumer_never)),
                (role_place, (official, on_behalf_of), subject, consents),
                (purpose_place, fields, codes, powers),
                (acts, purpose_never),
                case,
                production,
                elsewhere,
            )| {
                let mut snapshot = Snapshot::default();
                for (place, (in_force, special)) in acts.into_iter().enumerate() {
                    let in_force_until = if in_force { None } else { Some(TODAY.yesterday().expect("a day before")) };
                    snapshot.acts.insert(act(place), Act { id: act(place), name: name(), in_force_from: None, in_force_until, special });
                }
                for place in 0..3 {
                    let special = !purpose_never || place > 0;
                    snapshot.purposes.insert(purpose(place), Purpose { id: purpose(place), name: name(), suppressed: None, special });
                }
                let id = service.id.clone();
                snapshot.services.insert(id.clone(), Arc::new(service));
                let roles = roles.into_iter().enumerate().map(|(place, (class_max, automated))| {
                    (
                        role(place),
                        Role { name: name(), class_max, automated, emergency: automated, represents: vec![RepresentativeKind::Parent] },
                    )
                });
                let consumer = Consumer {
                    id: ConsumerId::new("child-protection").expect("a consumer"),
                    name: name(),
                    clause: "634/2.1.15".into(),
                    kind,
                    special: !consumer_never,
                    quota: Quota { per_second: 1, burst: 1 },
                    certificate_names: Vec::new(),
                    roles: roles.collect(),
                    grants,
                };
                let service = if elsewhere { ServiceId::new("justice/wills").expect("a service") } else { id };
                let ask = Ask {
                    service,
                    subject,
                    purpose: purpose(purpose_place),
                    case: CaseId::new("c-2026-000042").expect("a case"),
                    official,
                    role: role(role_place),
                    assertion: None,
                    on_behalf_of,
                    consents,
                    codes: codes.into_iter().map(|codes| ("kinds".into(), codes.into_iter().map(Box::from).collect())).collect(),
                    fields,
                };
                World { snapshot, consumer, ask, case, powers, profile: if production { Profile::Production } else { Profile::Test } }
            },
        )
}

/// A world in which the ask is allowed, with what it allows.
pub(super) fn allowed() -> impl Strategy<Value = World> {
    world().prop_filter("allowed", |world| matches!(world.decide(), Decision::Authorised(_)))
}

/// A world in which everything is given: an ordinary leaf, a confidential one, and a list of a code and a value of
/// the special category, by one grant.
pub(super) fn plain() -> World {
    let handling = Handling::NoOnward;
    let leaves = vec![(Class::O, true, handling), (Class::C, true, handling), (Class::O, true, handling), (Class::S, true, handling)];
    let service = service(leaves, 2, true, false, (true, true));
    let mut list = FieldSet::EMPTY;
    (2..4).for_each(|index| list.insert(index));
    let grant = Grant {
        service: service.id.clone(),
        subject: vec![SubjectForm::Fin],
        fields: FieldSet::first(4),
        answer: None,
        purposes: vec![purpose(0)],
        acts: vec![act(0)],
        special: vec![act(0)],
        roles: vec![role(0)],
        role_withholds: BTreeMap::new(),
        rows: Arc::default(),
        hours: None,
        volume: None,
    };
    let mut snapshot = Snapshot::default();
    snapshot.acts.insert(act(0), Act { id: act(0), name: name(), in_force_from: None, in_force_until: None, special: true });
    snapshot.purposes.insert(purpose(0), Purpose { id: purpose(0), name: name(), suppressed: None, special: true });
    let id = service.id.clone();
    snapshot.services.insert(id.clone(), Arc::new(service));
    let consumer = Consumer {
        id: ConsumerId::new("child-protection").expect("a consumer"),
        name: name(),
        clause: "634/2.1.15".into(),
        kind: ConsumerType::Subsystem,
        special: true,
        quota: Quota { per_second: 1, burst: 1 },
        certificate_names: Vec::new(),
        roles: [(role(0), Role { name: name(), class_max: Class::S, automated: false, emergency: false, represents: Vec::new() })].into(),
        grants: vec![grant],
    };
    let ask = Ask {
        service: id,
        subject: Some(Subject::Fin("5K7QX2O".to_owned())),
        purpose: purpose(0),
        case: CaseId::new("c-2026-000042").expect("a case"),
        official: Official::Person("AZ-0001".to_owned()),
        role: role(0),
        assertion: None,
        on_behalf_of: None,
        consents: Vec::new(),
        codes: BTreeMap::new(),
        fields: None,
    };
    let case = Some(CaseView::sound(purpose(0)));
    World { snapshot, consumer, ask, case, powers: Powers::UNKNOWN, profile: Profile::Test }
}

/// A row rule of the plain world's list.
pub(super) fn births_alone(input: Option<&str>) -> RowRule {
    let leaves = [2, 3].into_iter().fold(FieldSet::EMPTY, |mut set, index| {
        set.insert(index);
        set
    });
    RowRule { list: "items".into(), field: "kind".into(), allow: vec!["birth".into()], leaves, input: input.map(Box::from) }
}

/// The subject's consent to a service's provider, where it needs one.
pub(super) fn consents_of(service: &Service, subject: Option<&Subject>) -> Vec<Consent> {
    let provider = ProviderId::new(service.id.provider()).expect("a provider");
    let given = subject.filter(|_| service.consent).map(|subject| Consent { provider, subject: subject.clone(), ..consent() });
    given.into_iter().collect()
}
