//! What a change does, in words, Azerbaijani and English: which consumers may be given other fields of which services,
//! in which roles and for which purposes, found out by asking the policy under the old and the new data. What the
//! policy does not decide (quotas, routes, validity, names) is compared term by term; and whatever changes a file
//! without being found in either way is listed by the file's name, so that nothing changes unsaid.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use jiff::Timestamp;
use model::contract::{Consumer, Days, Grant, Hours, RowRule, SubjectForm, Volume};
use model::subject::{Document, DocumentSubject};
use model::{CaseId, Consent, ConsumerId, Instances, Profile, ProviderId, PurposeId, RoleId, Service, ServiceId, Snapshot, Subject};
use policy::{Ask, CaseView, DenialReason, Official, Powers};
use serde::Serialize;

use super::manifest::{Digest, Listed};
use crate::pipeline::ANSWER;

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What it concerns: `consumer`, `role`, `right`, `rows`, `grant`, `provider`, `service`, `purpose`, `act`, `calendar`,
    /// `dossier` or `file`.
    pub kind: &'static str,
    /// In Azerbaijani.
    pub az: String,
    /// In English.
    pub en: String,
}

/// What is compared: checked data and the hashes of their files.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The checked data.
    pub snapshot: &'a Snapshot,
    /// Every file.
    pub files: &'a [Listed],
}

/// Everything that changes from the old data to the new ones, as the policy decides at a moment.
#[must_use]
pub fn difference(old: Side<'_>, new: Side<'_>, now: Timestamp) -> Vec<Change> {
    let mut found = Found { old, new, now, changes: Vec::new() };
    found.providers();
    found.services();
    found.acts_and_purposes();
    found.calendar();
    found.consumers();
    found.dossiers();
    found.files();
    found.changes
}

struct Found<'a> {
    old: Side<'a>,
    new: Side<'a>,
    now: Timestamp,
    changes: Vec<Change>,
}

/// Where something stands: before the change, after it, or both.
enum Stands<T> {
    Gone(T),
    Come(T),
    Stays(T, T),
}

impl Found<'_> {
    fn say(&mut self, kind: &'static str, az: impl Into<String>, en: impl Into<String>) {
        self.changes.push(Change { kind, az: az.into(), en: en.into() });
    }

    fn providers(&mut self) {
        for (id, stands) in both(&self.old.snapshot.providers, &self.new.snapshot.providers) {
            match stands {
                Stands::Gone(_) => self.say("provider", format!("{id} mənbəsi çıxarılır"), format!("the provider {id} is removed")),
                Stands::Come(_) => self.say("provider", format!("yeni mənbə: {id}"), format!("new provider: {id}")),
                Stands::Stays(old, new) if !same(old, new) => {
                    let before = self.changes.len();
                    self.instances(id, old.instances.as_deref(), new.instances.as_deref());
                    if self.changes.len() == before {
                        self.say(
                            "provider",
                            format!("{id} mənbəsinin təsviri dəyişir"),
                            format!("the description of the provider {id} changes"),
                        );
                    }
                }
                Stands::Stays(..) => {}
            }
        }
    }

    /// Which bodies of a provider are connected, key by key: whether somebody is asked or a document wanted.
    fn instances(&mut self, id: &ProviderId, old: Option<&Instances>, new: Option<&Instances>) {
        let connected = |of: Option<&Instances>, key: &str| of.filter(|of| of.knows(key)).map(|of| of.connected.contains(key));
        let keys: BTreeSet<&str> = old.into_iter().chain(new).flat_map(Instances::keys).collect();
        for key in keys {
            let (az, en) = match (connected(old, key), connected(new, key)) {
                (was, is) if was == is => continue,
                (_, Some(true)) => ("artıq qoşulub və soruşulur", "is connected from now on and asked"),
                (_, Some(false)) => {
                    ("qoşulmayıb: soruşulmur, sənəd tələb olunur", "is not connected: nobody is asked, a document is wanted")
                }
                (_, None) => ("artıq tanınmır", "is not known any more"),
            };
            self.say("provider", format!("{id}: {key} {az}"), format!("{id}: {key} {en}"));
        }
    }

    fn services(&mut self) {
        for (id, stands) in both(&self.old.snapshot.services, &self.new.snapshot.services) {
            match stands {
                Stands::Gone(old) => {
                    let old = old.versioned();
                    self.say("service", format!("{old} xidməti çıxarılır"), format!("the service {old} is removed"));
                }
                Stands::Come(new) => {
                    let terms = format!("{} ({}, {})", new.versioned(), new.route.as_str(), quota(new));
                    self.say("service", format!("yeni xidmət: {terms}"), format!("new service: {terms}"));
                }
                Stands::Stays(old, new) => self.terms(id, old, new),
            }
        }
    }

    /// The terms of one service's contract, one by one.
    fn terms(&mut self, id: &ServiceId, old: &Service, new: &Service) {
        let before = self.changes.len();
        for (az, en, term) in TERMS {
            let (from, to) = (term(old), term(new));
            if from != to {
                self.say("service", format!("{id}: {az}: əvvəl {from}, sonra {to}"), format!("{id}: {en}: from {from} to {to}"));
            }
        }
        let described = |service: &Service| -> BTreeMap<Box<str>, (Box<str>, String)> {
            let leaves = service.leaves.iter();
            leaves
                .map(|leaf| {
                    (
                        leaf.path.clone(),
                        (leaf.path.clone(), format!("{:?}, {}, {}", leaf.class, leaf.handling.as_str(), agreed(leaf.agreed))),
                    )
                })
                .collect()
        };
        for (path, stands) in both(&described(old), &described(new)) {
            match stands {
                Stands::Gone((_, was)) => {
                    self.say(
                        "service",
                        format!("{id}: {path} sahəsi çıxarılır ({was})"),
                        format!("{id}: the field {path} is removed ({was})"),
                    );
                }
                Stands::Come((_, is)) => {
                    self.say("service", format!("{id}: yeni sahə: {path} ({is})"), format!("{id}: new field: {path} ({is})"))
                }
                Stands::Stays((_, was), (_, is)) if was != is => {
                    self.say("service", format!("{id}: {path}: əvvəl {was}, sonra {is}"), format!("{id}: {path}: from {was} to {is}"));
                }
                Stands::Stays(..) => {}
            }
        }
        if self.changes.len() == before && !same(old, new) {
            self.say("service", format!("{id}: müqavilənin başqa şərtləri dəyişir"), format!("{id}: other terms of the contract change"));
        }
    }

    fn acts_and_purposes(&mut self) {
        let span = |act: &model::contract::Act| {
            let day = |day: Option<jiff::civil::Date>| day.map_or_else(|| "…".to_owned(), |day| day.to_string());
            format!("{} – {}", day(act.in_force_from), day(act.in_force_until))
        };
        for (id, stands) in both(&self.old.snapshot.acts, &self.new.snapshot.acts) {
            match stands {
                Stands::Gone(_) => self.say("act", format!("{id} aktı çıxarılır"), format!("the act {id} is removed")),
                Stands::Come(new) => {
                    self.say(
                        "act",
                        format!("yeni akt: {id} ({}; {})", new.name.az, span(new)),
                        format!("new act: {id} ({}; {})", new.name.en, span(new)),
                    );
                }
                Stands::Stays(old, new) if span(old) != span(new) => {
                    let (from, to) = (span(old), span(new));
                    self.say(
                        "act",
                        format!("{id} aktının qüvvəsi: əvvəl {from}, sonra {to}"),
                        format!("the act {id} is in force: from {from} to {to}"),
                    );
                }
                Stands::Stays(old, new) if !same(old, new) => {
                    self.say("act", format!("{id} aktının başqa şərtləri dəyişir"), format!("other terms of the act {id} change"));
                }
                Stands::Stays(..) => {}
            }
        }
        for (id, stands) in both(&self.old.snapshot.purposes, &self.new.snapshot.purposes) {
            match stands {
                Stands::Gone(_) => self.say("purpose", format!("{id} məqsədi çıxarılır"), format!("the purpose {id} is removed")),
                Stands::Come(new) => {
                    self.say("purpose", format!("yeni məqsəd: {id} ({})", new.name.az), format!("new purpose: {id} ({})", new.name.en));
                }
                Stands::Stays(old, new) if !same(old, new) => {
                    self.say("purpose", format!("{id} məqsədinin şərtləri dəyişir"), format!("the terms of the purpose {id} change"));
                }
                Stands::Stays(..) => {}
            }
        }
    }

    fn calendar(&mut self) {
        if !same(&self.old.snapshot.calendar, &self.new.snapshot.calendar) {
            self.say("calendar", "iş günlərinin təqvimi dəyişir", "the calendar of working days changes");
        }
    }

    fn consumers(&mut self) {
        let (before, after) = (self.old.snapshot, self.new.snapshot);
        for (id, stands) in both(&before.consumers, &after.consumers) {
            let (old, new) = match stands {
                Stands::Gone(old) => {
                    self.say("consumer", format!("{id} istehlakçısı çıxarılır"), format!("the consumer {id} is removed"));
                    (Some(old), None)
                }
                Stands::Come(new) => {
                    self.say("consumer", format!("yeni istehlakçı: {id}"), format!("new consumer: {id}"));
                    (None, Some(new))
                }
                Stands::Stays(old, new) => {
                    self.consumer_terms(id, old, new);
                    (Some(old), Some(new))
                }
            };
            let of = |consumer: Option<&Consumer>| consumer.map(|consumer| consumer.grants.clone()).unwrap_or_default();
            let services: BTreeSet<ServiceId> = of(old).into_iter().chain(of(new)).map(|grant| grant.service).collect();
            for service in services {
                self.rights(id, &service, old, new);
            }
        }
    }

    fn consumer_terms(&mut self, id: &ConsumerId, old: &Consumer, new: &Consumer) {
        if old.quota != new.quota {
            let (from, to) = (rate(old.quota), rate(new.quota));
            self.say("consumer", format!("{id}: kvota: əvvəl {from}, sonra {to}"), format!("{id}: quota: from {from} to {to}"));
        }
        if old.certificate_names != new.certificate_names {
            let (from, to) = (old.certificate_names.join(", "), new.certificate_names.join(", "));
            self.say(
                "consumer",
                format!("{id}: sertifikat adları: əvvəl {from}, sonra {to}"),
                format!("{id}: certificate names: from {from} to {to}"),
            );
        }
        let is = |consumer: &Consumer| format!("{:?}", consumer.kind);
        if is(old) != is(new) {
            let (from, to) = (is(old), is(new));
            self.say("consumer", format!("{id}: növü: əvvəl {from}, sonra {to}"), format!("{id}: type: from {from} to {to}"));
        }
        if old.special != new.special {
            let (az, en) = if new.special { ("verilə bilər", "may be given") } else { ("verilmir", "is not given any more") };
            self.say("consumer", format!("{id}: xüsusi kateqoriya məlumatı {az}"), format!("{id}: data of the special category: it {en}"));
        }
        for (role, stands) in both(&old.roles, &new.roles) {
            let told = |role: &model::contract::Role| {
                let (az, en) = if role.automated { (", avtomat", ", automated") } else { ("", "") };
                let (urgent_az, urgent_en) = if role.emergency { (", təcili hallarda", ", in emergencies") } else { ("", "") };
                let (class, name) = (role.class_max, &role.name);
                let kinds = role.represents.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join("/");
                let taking = |words: &str| if kinds.is_empty() { String::new() } else { format!(", {words}: {kinds}") };
                (
                    format!("{}, {class:?} sinfinədək{az}{urgent_az}{}", name.az, taking("təmsilçilər")),
                    format!("{}, up to class {class:?}{en}{urgent_en}{}", name.en, taking("takes representatives")),
                )
            };
            match stands {
                Stands::Gone(_) => self.say("role", format!("{id}: {role} rolu çıxarılır"), format!("{id}: the role {role} is removed")),
                Stands::Come(new) => {
                    let (az, en) = told(new);
                    self.say("role", format!("{id}: yeni rol: {role} ({az})"), format!("{id}: new role: {role} ({en})"));
                }
                Stands::Stays(old, new) if !same(old, new) => {
                    let ((from_az, from_en), (to_az, to_en)) = (told(old), told(new));
                    self.say(
                        "role",
                        format!("{id}: {role} rolu: əvvəl {from_az}, sonra {to_az}"),
                        format!("{id}: the role {role}: from {from_en} to {to_en}"),
                    );
                }
                Stands::Stays(..) => {}
            }
        }
    }

    /// The rights of one consumer to one service, as the policy gives them before and after.
    fn rights(&mut self, id: &ConsumerId, service: &ServiceId, old: Option<&Consumer>, new: Option<&Consumer>) {
        let before = self.changes.len();
        let grants = |consumer: Option<&Consumer>| -> Vec<Grant> {
            let all = consumer.into_iter().flat_map(|consumer| consumer.grants.iter());
            all.filter(|grant| grant.service == *service).cloned().collect()
        };
        let (old_grants, new_grants) = (grants(old), grants(new));
        let all = || old_grants.iter().chain(&new_grants);
        let purposes: BTreeSet<PurposeId> = all().flat_map(|grant| grant.purposes.iter().cloned()).collect();
        let roles: BTreeSet<RoleId> = all().flat_map(|grant| grant.roles.iter().cloned()).collect();
        let forms: Vec<SubjectForm> = SubjectForm::ALL.into_iter().filter(|form| all().any(|grant| grant.subject.contains(form))).collect();
        let forms: Vec<Option<SubjectForm>> = if forms.is_empty() { vec![None] } else { forms.into_iter().map(Some).collect() };

        // What is gained and lost for which purpose; in which roles and by which forms of the subject.
        let mut moved: BTreeMap<(PurposeId, Paths, Paths), Askers> = BTreeMap::new();
        for purpose in &purposes {
            for role in &roles {
                for form in &forms {
                    let asked = Asked { consumer: id, service, purpose, role, form: *form };
                    let was = self.given(self.old.snapshot, old, &asked);
                    let is = self.given(self.new.snapshot, new, &asked);
                    let (gained, lost): (Paths, Paths) = (is.difference(&was).cloned().collect(), was.difference(&is).cloned().collect());
                    if !gained.is_empty() || !lost.is_empty() {
                        let form = form.map(SubjectForm::as_str);
                        moved.entry((purpose.clone(), gained, lost)).or_default().insert((role.clone(), form));
                    }
                }
            }
        }
        for ((purpose, gained, lost), askers) in moved {
            let roles: BTreeSet<&str> = askers.iter().map(|(role, _)| role.as_str()).collect();
            let by: BTreeSet<&str> = askers.iter().filter_map(|(_, form)| *form).collect();
            let (roles, by) = (joined(&roles), joined(&by));
            for (paths, (az, en)) in [(&gained, ("əldə edir", "gains")), (&lost, ("itirir", "loses"))] {
                if paths.is_empty() {
                    continue;
                }
                let paths = joined(paths);
                let (form_az, form_en) =
                    if by.is_empty() { (String::new(), String::new()) } else { (format!("; subyekt: {by}"), format!("; subject by {by}")) };
                self.say(
                    "right",
                    format!("{id} {az}: {service}: {paths} (məqsəd: {purpose}; rol: {roles}{form_az})"),
                    format!("{id} {en} {service}: {paths} (for {purpose}; as {roles}{form_en})"),
                );
            }
        }
        let rows = |grants: &[Grant]| -> BTreeSet<String> { grants.iter().flat_map(|grant| grant.rows.iter().map(row)).collect() };
        let (was, is) = (rows(&old_grants), rows(&new_grants));
        if was != is && !old_grants.is_empty() && !new_grants.is_empty() {
            let told = |rows: &BTreeSet<String>, none: &str| if rows.is_empty() { none.to_owned() } else { joined(rows) };
            self.say(
                "rows",
                format!("{id}: {service}: verilən sətirlər: əvvəl {}, sonra {}", told(&was, "hamısı"), told(&is, "hamısı")),
                format!("{id}: {service}: rows given: from {} to {}", told(&was, "all"), told(&is, "all")),
            );
        }
        let acts =
            |grants: &[Grant]| -> BTreeSet<String> { grants.iter().flat_map(|grant| grant.acts.iter().map(ToString::to_string)).collect() };
        let (was, is) = (acts(&old_grants), acts(&new_grants));
        if was != is && !was.is_empty() && !is.is_empty() {
            let (was, is) = (joined(&was), joined(&is));
            self.say(
                "grant",
                format!("{id}: {service}: icazənin əsası: əvvəl {was}, sonra {is}"),
                format!("{id}: {service}: the grant rests on: from {was} to {is}"),
            );
        }
        for (az, en, term) in GRANT_TERMS {
            let said = |grants: &[Grant]| -> BTreeSet<String> { grants.iter().filter_map(term).collect() };
            let (was, is) = (said(&old_grants), said(&new_grants));
            if was != is && !old_grants.is_empty() && !new_grants.is_empty() {
                let (was, is) = (joined(&was), joined(&is));
                self.say(
                    "grant",
                    format!("{id}: {service}: {az}: əvvəl [{was}], sonra [{is}]"),
                    format!("{id}: {service}: {en}: from [{was}] to [{is}]"),
                );
            }
        }
        if self.changes.len() == before && !same(&old_grants, &new_grants) {
            self.say(
                "grant",
                format!("{id}: {service}: icazənin başqa şərtləri dəyişir"),
                format!("{id}: {service}: other terms of the grant change"),
            );
        }
    }

    /// The paths that the policy would deliver, were everything else as it should be.
    fn given(&self, snapshot: &Snapshot, consumer: Option<&Consumer>, asked: &Asked<'_>) -> Paths {
        let Some(consumer) = consumer else { return Paths::new() };
        let Some(ask) = asked.ask(consumer, self.now) else { return Paths::new() };
        let case = CaseView::sound(asked.purpose.clone());
        // In the test profile nobody has to prove who asks: the difference is about the data.
        let explanation = policy::explain(&ask, consumer, snapshot, Some(&case), Powers::UNKNOWN, Profile::Test, self.now);
        // Hours are a term of their own: what may be asked in the morning is no other right in the evening.
        let stands = explanation.checks.iter().all(|check| check.passed || check.reason == DenialReason::OutsideHours);
        match &explanation.answer {
            _ if !stands => Paths::new(),
            Some(_) => Paths::from([ANSWER.into()]),
            None => explanation.delivered.into_iter().collect(),
        }
    }

    fn dossiers(&mut self) {
        for (id, stands) in both(&self.old.snapshot.dossiers, &self.new.snapshot.dossiers) {
            match stands {
                Stands::Gone(_) => self.say("dossier", format!("{id} toplusu çıxarılır"), format!("the dossier {id} is removed")),
                Stands::Come(new) => {
                    let version = &new.version;
                    self.say("dossier", format!("yeni toplu: {id}@{version}"), format!("new dossier: {id}@{version}"));
                }
                Stands::Stays(old, new) if !same(old, new) => {
                    let names = |dossier: &model::contract::Dossier| {
                        dossier.elements.iter().map(|element| element.name.to_string()).collect::<BTreeSet<_>>()
                    };
                    let (was, is) = (names(old), names(new));
                    let come: BTreeSet<_> = is.difference(&was).collect();
                    let gone: BTreeSet<_> = was.difference(&is).collect();
                    let (from, to) = (&old.version, &new.version);
                    let (come, gone) = (joined(&come), joined(&gone));
                    self.say(
                        "dossier",
                        format!("{id} toplusu dəyişir: {from} → {to}; əlavə olunan: [{come}]; çıxarılan: [{gone}]"),
                        format!("the dossier {id} changes: {from} → {to}; elements added: [{come}]; removed: [{gone}]"),
                    );
                }
                Stands::Stays(..) => {}
            }
        }
    }

    /// Files whose bytes change, so that nothing changes unsaid; documents belong to each change alone.
    fn files(&mut self) {
        let of = |files: &[Listed]| -> BTreeMap<String, Digest> {
            let data = files.iter().filter(|file| !file.path.starts_with("documents/"));
            data.map(|file| (file.path.clone(), file.sha256)).collect()
        };
        for (path, stands) in both(&of(self.old.files), &of(self.new.files)) {
            match stands {
                Stands::Gone(_) => self.say("file", format!("{path} faylı çıxarılır"), format!("the file {path} is removed")),
                Stands::Come(_) => self.say("file", format!("yeni fayl: {path}"), format!("new file: {path}")),
                Stands::Stays(old, new) if old != new => {
                    self.say("file", format!("{path} faylı dəyişir"), format!("the file {path} changes"))
                }
                Stands::Stays(..) => {}
            }
        }
    }
}

type Paths = BTreeSet<Box<str>>;
/// Roles, and the forms of the subject they ask by.
type Askers = BTreeSet<(RoleId, Option<&'static str>)>;

/// One question that somebody might ask.
struct Asked<'a> {
    consumer: &'a ConsumerId,
    service: &'a ServiceId,
    purpose: &'a PurposeId,
    role: &'a RoleId,
    form: Option<SubjectForm>,
}

impl Asked<'_> {
    /// The ask that has all the consumer himself can bring: the person's consent, and codes whose rows are granted.
    fn ask(&self, consumer: &Consumer, now: Timestamp) -> Option<Ask> {
        // Decided in the test profile, which takes synthetic persons alone.
        let subject = self.form.map(|form| somebody(form, Profile::Test));
        let fits =
            |grant: &&Grant| grant.service == *self.service && grant.purposes.contains(self.purpose) && grant.roles.contains(self.role);
        let rows = consumer.grants.iter().filter(fits).flat_map(|grant| grant.rows.iter());
        Some(Ask {
            service: self.service.clone(),
            consents: consent(self.service, subject.clone(), now).into_iter().collect(),
            subject,
            purpose: self.purpose.clone(),
            case: CaseId::new("simulated").ok()?,
            official: Official::Person(self.consumer.to_string()),
            role: self.role.clone(),
            assertion: None,
            on_behalf_of: None,
            codes: rows.filter_map(|rule| Some((rule.input.clone()?, rule.allow.clone()))).collect(),
            fields: None,
        })
    }
}

/// A consent of this person to the service's provider, in force for an hour.
fn consent(service: &ServiceId, subject: Option<Subject>, now: Timestamp) -> Option<Consent> {
    Some(Consent {
        provider: ProviderId::new(service.provider()).ok()?,
        subject: subject?,
        reference: "simulated".to_owned(),
        sha256: String::new(),
        signed_at: now,
        expires_at: now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(now),
    })
}

/// A subject that nobody is, named in this form.
#[must_use]
pub fn somebody(form: SubjectForm, profile: Profile) -> Subject {
    let of = |test: &str, production: &str| match profile {
        Profile::Test => test.to_owned(),
        Profile::Production => production.to_owned(),
    };
    match form {
        SubjectForm::Fin => Subject::Fin(of("1A2B3CO", "1A2B3C4")),
        SubjectForm::Pin => Subject::Pin(of("1A2B3CO", "1A2B3C4")),
        SubjectForm::Tin => Subject::Tin(of("9900001233", "9900001231")),
        SubjectForm::Document => Subject::Document(DocumentSubject {
            document: Document { series: of("ZZ", "AA"), number: "0000000".to_owned() },
            birth_date: jiff::civil::date(2000, 1, 1),
        }),
    }
}

/// What a term of a contract says.
type Term = fn(&Service) -> String;

/// The terms of a contract that people ask about, in Azerbaijani and English.
const TERMS: [(&str, &str, Term); 16] = [
    ("versiya", "version", |service| service.version.to_string()),
    ("yol", "route", |service| format!("{:?}", service.route)),
    ("kvota", "quota", quota),
    ("vaxt həddi", "time limit", |service| format!("{:?}", service.timeout)),
    ("cavabın saxlanma müddəti", "lifetime", |service| format!("{:?}", service.lifetime)),
    ("qeydin olmamasının mənası", "meaning of absence", |service| format!("{:?}", service.absence)),
    ("mövsümlər", "seasons", |service| format!("{:?}", service.seasons)),
    ("saxlanılan sübut", "captured evidence", |service| format!("{:?}", service.capture)),
    ("mənbədə təsiri", "effect at the source", |service| format!("{:?}", service.effect)),
    ("təkrar", "retry", |service| format!("{:?}", service.retry)),
    ("dosyedə sorğu", "asked in dossiers", |service| service.in_dossiers.to_string()),
    ("razılıq tələbi", "consent needed", |service| service.consent.to_string()),
    ("subyektin göstərilməsi", "subject named by", |service| {
        service.subject.iter().map(|form| form.as_str()).collect::<Vec<_>>().join(", ")
    }),
    ("razılaşma", "agreement", |service| {
        let agreement = &service.agreement;
        format!("{}, {} – {}", agreement.number, agreement.signed_on, agreement.valid_until)
    }),
    ("hüquqi əsas", "legal reference", |service| service.legal_reference.to_string()),
    ("giriş məlumatları", "inputs", |service| {
        service
            .inputs
            .iter()
            .map(|input| {
                format!(
                    "{}{}{}",
                    input.name,
                    if input.required { "" } else { "?" },
                    input.range.map(|range| format!(" {range:?}")).unwrap_or_default()
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
    }),
];

/// What a term of a grant says, where it says anything.
type GrantTerm = fn(&Grant) -> Option<String>;

/// The terms of a grant that the policy's answer does not show by itself.
const GRANT_TERMS: [(&str, &str, GrantTerm); 4] = [
    ("saatlar (1 = bazar ertəsi)", "hours (1 = Monday)", |grant| grant.hours.as_ref().map(hours)),
    ("gündəlik həcm (sorğu/şəxs)", "volume a day (questions/persons)", |grant| grant.volume.as_ref().map(volume)),
    ("bəli və ya yox cavabı", "answered with yes or no", |grant| {
        grant.answer.as_ref().map(|answer| format!("{} / {}", answer.question.az, answer.question.en))
    }),
    ("xüsusi kateqoriya üçün akt", "act for the special category", |grant| {
        (!grant.special.is_empty()).then(|| grant.special.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }),
];

fn hours(hours: &Hours) -> String {
    let days = match hours.days {
        Days::OfWeek(days) => {
            let covered = (1..).zip(days).filter(|(_, covered)| *covered);
            covered.map(|(day, _): (u8, bool)| day.to_string()).collect::<Vec<_>>().join(",")
        }
        Days::Working => "iş günləri / working days".to_owned(),
    };
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{days} {}–{}", time(hours.from), time(hours.to))
}

fn volume(volume: &Volume) -> String {
    let bound = |bound: Option<u32>| bound.map_or_else(|| "…".to_owned(), |bound| bound.to_string());
    format!("{}/{}", bound(volume.requests_per_day), bound(volume.persons_per_day))
}

fn quota(service: &Service) -> String {
    let days = service.quota_days.iter().map(|days| format!("; {}–{}: {}", days.from, days.to, rate(days.quota)));
    std::iter::once(rate(service.quota)).chain(days).collect()
}

fn rate(quota: model::contract::Quota) -> String {
    format!("{}/s ({})", quota.per_second, quota.burst)
}

fn agreed(agreed: bool) -> &'static str {
    if agreed { "agreed / razılaşdırılıb" } else { "not agreed / razılaşdırılmayıb" }
}

fn row(rule: &RowRule) -> String {
    format!("{}.{} ∈ {{{}}}", rule.list, rule.field, rule.allow.join(", "))
}

fn joined<T: std::fmt::Display>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether two things are the same in all they hold. Their `Debug` hides nothing: data name no person.
fn same<T: Debug + ?Sized>(one: &T, other: &T) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

/// Everything that is in one of two maps, or in both, by rising key.
fn both<'a, K: Ord, V>(old: &'a BTreeMap<K, V>, new: &'a BTreeMap<K, V>) -> Vec<(&'a K, Stands<&'a V>)> {
    let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    let stands = |key| match (old.get(key), new.get(key)) {
        (Some(old), Some(new)) => Some(Stands::Stays(old, new)),
        (Some(old), None) => Some(Stands::Gone(old)),
        (None, Some(new)) => Some(Stands::Come(new)),
        (None, None) => None,
    };
    keys.into_iter().filter_map(|key| Some((key, stands(key)?))).collect()
}
