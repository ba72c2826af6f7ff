//! One question as the gateway works on it: who asks what of which source, under which data.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::contract::{ConsumerType, Type};
use model::{Absence, ConsumerId, InstanceId, Profile, Service, Subject, Value};
use policy::{Ask, Identity, Official, Powers, Standing};
use uuid::Uuid;

use crate::cache::Asked;
use crate::data::Active;
use crate::envelope::Envelope;
use crate::premises::Premises;
use crate::record::Question;
use crate::rights::Rights;

/// Someone asks something: what identify and parse made of a request, or what a dossier's plan wants.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The exchange's id, on every surface and in every entry.
    pub request_id: Uuid,
    /// The dossier it is asked for, where it is.
    pub dossier_id: Option<Uuid>,
    /// The data it began with; a reload does not change it under way.
    pub active: Arc<Active>,
    /// Who asks.
    pub consumer: ConsumerId,
    /// What is asked.
    pub service: Arc<Service>,
    /// The envelope.
    pub envelope: Envelope,
    /// What the official's assertion came to when it was sent; it is not looked at again.
    pub presence: Presence,
    /// How fresh the answer must be.
    pub freshness: Freshness,
    /// Whether the steps are to be shown (`qovsaq try`); costs nothing where not.
    pub traced: bool,
}

/// That the official is present, as far as his identity provider's word goes. The word itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// What the assertion came to.
    pub identity: Identity,
    /// Its SHA-256 in base64, where one was sent: what an entry names it by.
    pub assertion_sha256: Option<Arc<str>>,
}

impl Presence {
    /// No assertion was sent.
    pub const NOT_SENT: Self = Self { identity: Identity::NotSent, assertion_sha256: None };
}

/// What a request's `Cache-Control` asks for (RFC 9111, section 5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freshness {
    /// `no-cache`: ask the source, whatever is kept.
    pub no_cache: bool,
    /// `max-age=N`: nothing older.
    pub max_age: Option<Duration>,
    /// `only-if-cached`: do not ask the source.
    pub only_if_cached: bool,
}

impl Exchange {
    /// The part of every entry that says who asks what for what, under which act, by which emergency override, and what
    /// the decision was made from.
    #[must_use]
    pub fn question<'a>(&'a self, act: &'a str, emergency: Option<&'a str>, premises: Option<&'a Premises>) -> Question<'a> {
        Question {
            request_id: self.request_id,
            dossier_id: self.dossier_id,
            consumer: self.consumer.as_str(),
            service: self.service.id.as_str(),
            version: self.service.version.as_str(),
            purpose: self.envelope.purpose.as_str(),
            act,
            emergency,
            case: self.envelope.case.as_str(),
            official: &self.envelope.official,
            responsible: self.envelope.responsible.as_deref(),
            role: self.envelope.role.as_str(),
            configuration: &self.active.hash,
            assurance: self.presence.identity.level(),
            assertion_sha256: self.presence.assertion_sha256.as_deref(),
            premises,
            on_behalf_of: self.envelope.on_behalf_of.as_ref(),
        }
    }

    /// Whether the gateway asks by itself, as a consumer that nobody connects as.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.active.snapshot.consumers.get(&self.consumer).is_some_and(|consumer| consumer.kind == ConsumerType::Probe)
    }

    /// The profile that the question is judged by: of a probe, which asks about marked test persons alone, always the
    /// test profile's, so that in production it can ask about nobody else.
    #[must_use]
    pub fn profile(&self, of_node: Profile) -> Profile {
        if self.is_probe() { Profile::Test } else { of_node }
    }

    /// The part of the question that decides whose answer may serve whom.
    #[must_use]
    pub fn asked<'a>(&'a self, subject: Option<&'a Subject>, instance: &'a InstanceId) -> Asked<'a> {
        Asked {
            configuration: &self.active.hash,
            service: &self.service,
            instance,
            subject,
            inputs: &self.envelope.inputs,
            consumer: &self.consumer,
            purpose: &self.envelope.purpose,
        }
    }

    /// The same question with these inputs.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Vec<(Box<str>, Value)>) -> Self {
        self.envelope.inputs = inputs;
        self
    }

    /// What the policy decides about.
    #[must_use]
    pub fn ask(&self) -> Ask {
        let envelope = &self.envelope;
        Ask {
            service: self.service.id.clone(),
            subject: envelope.subject.clone(),
            purpose: envelope.purpose.clone(),
            case: envelope.case.clone(),
            official: self.official(),
            role: envelope.role.clone(),
            assertion: envelope.assertion.clone(),
            consents: envelope.consents.clone(),
            on_behalf_of: envelope.on_behalf_of.clone(),
            codes: self.codes(),
            fields: envelope.fields.clone(),
        }
    }

    /// What is known of who asks, at this moment.
    #[must_use]
    pub fn powers(&self, rights: &Rights, now: Timestamp) -> Powers {
        Powers { identity: self.presence.identity, standing: self.standing(rights, now) }
    }

    /// What the register says of him.
    #[must_use]
    pub fn standing(&self, rights: &Rights, now: Timestamp) -> Standing {
        rights.standing(&self.consumer, &self.official(), &self.envelope.role, now)
    }

    /// Who asks.
    #[must_use]
    pub fn official(&self) -> Official {
        Official::parse(&self.envelope.official, self.envelope.responsible.as_deref())
    }

    /// What is asked with in the service's inputs of codes.
    fn codes(&self) -> BTreeMap<Box<str>, Vec<Box<str>>> {
        let of_codes = self.service.inputs.iter().filter(|input| input.kind == Type::Code);
        let given = of_codes.filter_map(|input| self.envelope.inputs.iter().find(|(name, _)| *name == input.name));
        let codes = |value: &Value| match value {
            Value::Values(values) => values.iter().filter_map(Value::as_text).map(Box::from).collect(),
            one => one.as_text().map(Box::from).into_iter().collect(),
        };
        given.map(|(name, value)| (name.clone(), codes(value))).collect()
    }

    /// What absence means in an answer of this moment: the outcome rule's word where it has one, else the contract's
    /// for the day. A rule or a season may only tighten.
    #[must_use]
    pub fn absence(&self, by_rule: Option<Absence>, at: Timestamp) -> Absence {
        let by_contract = self.service.absence_on(model::time::day(at));
        by_rule.map_or(by_contract, |by_rule| by_rule.or_stricter(by_contract))
    }
}
