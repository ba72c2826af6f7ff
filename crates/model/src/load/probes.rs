//! Checks `contracts/probes.yaml`: what the gateway asks to see whether sources answer as they should.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::contract::{Consumer, ConsumerType, FieldKind, Grant, Probe, Probes, Retry, ServiceEffect};
use crate::document::{Document, escape};
use crate::id::{ConsumerId, ProviderId, PurposeId, RoleId, ServiceId};
use crate::outcome::Outcome;
use crate::problem::Problems;
use crate::profile::Profile;
use crate::raw::{self, ExpectedOutcome, ExpectedValue};
use crate::rule::WRONG_PROBE;
use crate::snapshot::Snapshot;
use crate::subject::Subject;
use crate::{Service, rule};

use super::Names;
use super::file::File;

const EVERY_MIN: Duration = Duration::from_secs(10);
const EVERY_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The probes, as far as they are sound; none where it is not clear as whom they are asked.
pub(super) fn check(
    document: &Document,
    raw: raw::ProbesFile,
    snapshot: &Snapshot,
    names: &Names,
    problems: &mut Problems,
) -> Option<Probes> {
    let mut file = File::new(document, problems);
    let id = file.id("/consumer", &raw.consumer, ConsumerId::new);
    let purpose = file.id("/purpose", &raw.purpose, PurposeId::new);
    let role = file.id("/role", &raw.role, RoleId::new);
    if names.purposes.is_unknown(&raw.purpose) {
        file.refuse("/purpose", rule::UNKNOWN_PURPOSE, format!("there is no purpose `{}`", raw.purpose), names.purposes.accepted());
    }
    let (id, purpose, role) = (id?, purpose?, role?);
    let Some(consumer) = snapshot.consumers.get(&id) else {
        // One whose file is broken has its own problem.
        if !names.consumers_broken {
            file.refuse("/consumer", WRONG_PROBE, "there is no such consumer", "a consumer of type probe");
        }
        return None;
    };
    if consumer.kind != ConsumerType::Probe {
        file.refuse("/consumer", WRONG_PROBE, "it is no consumer of type probe", "a consumer of type probe");
        return None;
    }
    match consumer.roles.get(&role) {
        Some(role) if role.automated => {}
        Some(_) => file.refuse("/role", WRONG_PROBE, "the role is for people", "a role with automated: true"),
        None => file.refuse("/role", rule::UNKNOWN_ROLE, "the consumer has no such role", "one of its roles"),
    }
    let mut probes = BTreeMap::new();
    for (code, raw) in raw.probes.0 {
        let at = format!("/probes/{}", escape(&code));
        let Some(provider) = file.id_key(&at, &code, ProviderId::new) else { continue };
        let before = file.faults();
        let who = Who { consumer, purpose: &purpose, role: &role };
        let probe = probe(&mut file, &at, &provider, raw, (snapshot, names), &who);
        if let (Some(probe), true) = (probe, file.faults() == before) {
            probes.insert(provider, probe);
        }
    }
    Some(Probes { consumer: id, purpose, role, probes })
}

/// As whom, for what and in which role probes are asked.
struct Who<'a> {
    consumer: &'a Consumer,
    purpose: &'a PurposeId,
    role: &'a RoleId,
}

impl Who<'_> {
    /// The grant that a probe of a service rests on.
    fn grant(&self, service: &ServiceId) -> Option<&Grant> {
        let fits = |grant: &&Grant| grant.service == *service && grant.purposes.contains(self.purpose) && grant.roles.contains(self.role);
        self.consumer.grants.iter().find(fits)
    }
}

fn probe(
    file: &mut File<'_>,
    at: &str,
    provider: &ProviderId,
    raw: raw::Probe,
    (snapshot, names): (&Snapshot, &Names),
    who: &Who<'_>,
) -> Option<Probe> {
    let every = file.duration(&format!("{at}/every"), &raw.every, EVERY_MIN, EVERY_MAX);
    let place = format!("{at}/service");
    let id = file.id(&place, &raw.service, ServiceId::new)?;
    let Some(service) = snapshot.services.get(&id) else {
        if names.services.is_unknown(&raw.service) {
            file.refuse(&place, rule::UNKNOWN_SERVICE, format!("there is no service `{}`", raw.service), names.services.accepted());
        }
        return None;
    };
    if id.provider() != provider.as_str() {
        file.refuse(&place, WRONG_PROBE, "the service is another provider's", format!("a service of {provider}"));
    }
    // A probe is asked again and again: it may be no fact at the source, and rest on nobody's will.
    if service.consent || service.retry == Retry::Never || service.effect == ServiceEffect::Write {
        file.refuse(
            &place,
            WRONG_PROBE,
            "each question is a fact at the source",
            "a service that asks for no consent and may be asked again",
        );
    }
    if service.inputs.iter().any(|input| input.required) {
        file.refuse(&place, WRONG_PROBE, "the service has required inputs", "a service that is asked by its subject alone");
    }
    let subject = raw.subject.as_ref().and_then(|raw| subject(file, &format!("{at}/subject"), raw, service));
    if raw.subject.is_none() && !service.subject.is_empty() {
        file.refuse_key(at, WRONG_PROBE, "it is not said whom it asks about", "subject: {fin: …}, a marked test person");
    }
    let granted = who.grant(&id).filter(|grant| subject.as_ref().is_none_or(|subject| grant.subject.contains(&subject.form())));
    let Some(granted) = granted.filter(|grant| grant.answer.is_none()) else {
        if !names.consumers_broken {
            let message = format!("{} has no grant of it for this purpose, role and form of subject", who.consumer.id);
            file.refuse(&place, WRONG_PROBE, message, "a service that is granted, with fields");
        }
        return None;
    };
    let outcome = match raw.expect.outcome {
        ExpectedOutcome::Found => Outcome::Found,
        ExpectedOutcome::NotFound => Outcome::NotFound,
        ExpectedOutcome::NotHeldElectronically => Outcome::NotHeldElectronically,
    };
    let mut fields = BTreeMap::new();
    for (path, value) in raw.expect.fields.0 {
        let place = format!("{at}/expect/fields/{}", escape(&path));
        if outcome != Outcome::Found {
            file.refuse_key(&place, rule::MISPLACED_KEY, "without a record there are no fields", "fields with FOUND");
        }
        let top = service.shape.fields.iter().find(|field| *field.path == *path && !matches!(field.kind, FieldKind::List { .. }));
        match top {
            None => file.refuse_key(&place, rule::UNKNOWN_FIELD, "no field at the top of the record", "such as fin"),
            Some(field) if !granted.fields.contains(field.index) => {
                file.refuse_key(&place, WRONG_PROBE, "the grant does not give the field", "a granted field");
            }
            Some(_) => {}
        }
        let value = match value {
            ExpectedValue::Text(text) => Json::from(text),
            ExpectedValue::Number(number) => Json::from(number),
            ExpectedValue::Bool(truth) => Json::from(truth),
        };
        fields.insert(path.into(), value);
    }
    Some(Probe { service: id, subject, every, outcome, fields })
}

fn subject(file: &mut File<'_>, at: &str, raw: &raw::ProbeSubject, service: &Service) -> Option<Subject> {
    let subject = match (&raw.fin, &raw.pin, &raw.tin) {
        (Some(fin), None, None) => Subject::Fin(fin.clone()),
        (None, Some(pin), None) => Subject::Pin(pin.clone()),
        (None, None, Some(tin)) => Subject::Tin(tin.clone()),
        _ => {
            file.refuse(at, WRONG_PROBE, "it names the person in no way, or in several", "one of fin, pin, tin");
            return None;
        }
    };
    if !service.subject.contains(&subject.form()) {
        file.refuse(at, rule::WRONG_SUBJECT, "the contract does not take a subject of this form", "another form");
        return None;
    }
    // Whatever the deployment's profile is: a probe asks about nobody real.
    if subject.check(Profile::Test).is_err() {
        file.refuse(
            at,
            WRONG_PROBE,
            "the person does not bear the marks of synthetic data",
            "a FIN or PIN that ends in O, a VÖEN that ends in 3 or 4",
        );
        return None;
    }
    Some(subject)
}
