//! The provider instances and the consumers with their limits. They outlive a reload: queues, breakers
//! and used-up quotas stay as they are, only the numbers of the contracts change.
//!
//! Also which instance a question goes to: the contract says what of it decides ([`model::Instances`]), the
//! configuration which instance serves which key.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use model::{ConsumerId, InstanceId, ProviderId, Routed, Service, ServiceId, Value};
use policy::Authorised;
use tokio::time::Instant;

use crate::clock;
use crate::config::Config;
use crate::data::Active;
use crate::limit::{
    ConsumerQuotas, Exceeded, Gate, Instance, InstanceOptions, InstanceView, Permit, Refused, Spent, Standing, State, Volumes,
};
use crate::watch::Source;

/// The limits of a deployment.
#[derive(Debug)]
pub struct Sources {
    providers: HashMap<ProviderId, Vec<Body>>,
    /// Services that are looked up in files: each is bound for itself, and burdens no source.
    feeds: HashMap<ServiceId, (InstanceId, Instance)>,
    gates: ArcSwap<HashMap<ServiceId, HashMap<InstanceId, Gate>>>,
    consumers: ConsumerQuotas,
    volumes: Volumes,
}

/// One instance of a provider.
#[derive(Debug)]
struct Body {
    id: InstanceId,
    /// The keys whose questions go to it; empty where the provider is one body.
    serves: Vec<Box<str>>,
    instance: Instance,
}

/// Where a question goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To this instance.
    To(InstanceId),
    /// Nowhere: by the contract the body of this key is not connected.
    NotConnected(Box<str>),
    /// Nowhere: no instance is configured that could be asked.
    None,
}

impl Way {
    /// The instance that is asked, where one is.
    #[must_use]
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::To(instance) => Some(instance),
            Self::NotConnected(_) | Self::None => None,
        }
    }
}

/// How one instance stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyView<'a> {
    /// Its code.
    pub instance: &'a InstanceId,
    /// The keys it serves.
    pub serves: &'a [Box<str>],
    /// Where its breaker stands.
    pub state: State,
    /// Its limits.
    pub view: InstanceView,
}

impl Sources {
    /// Every instance of every configured provider, a gate for every service of the data at each.
    #[must_use]
    pub fn new(config: &Config, active: &Active) -> Self {
        let mut providers: HashMap<ProviderId, Vec<Body>> = HashMap::new();
        for (id, own, provider) in config.instances() {
            let instance = match provider.serves.as_slice() {
                [] => Instance::new(id, provider.limits),
                _ => Instance::one_of(id, own, provider.limits),
            };
            providers.entry(id.clone()).or_default().push(Body { id: own.clone(), serves: provider.serves.clone(), instance });
        }
        let feeds = config.files.iter().flat_map(|files| files.feeds.keys()).filter_map(|service| {
            let provider = ProviderId::new(service.provider()).ok()?;
            Some((service.clone(), (instance_of(service)?, Instance::new(&provider, InstanceOptions::default()))))
        });
        let sources = Self {
            feeds: feeds.collect(),
            providers,
            gates: ArcSwap::default(),
            consumers: ConsumerQuotas::new(consumer_quotas(active), Instant::now()),
            volumes: Volumes::default(),
        };
        sources.activate(active);
        sources
    }

    /// Takes over the quotas of the data for today; called again when data or day change. The quota of a contract is that of
    /// each instance.
    pub fn activate(&self, active: &Active) {
        let today = model::time::day(clock::now());
        let gates = active.snapshot.services.values().map(|service| {
            let gate = |id: &InstanceId, instance: &Instance| (id.clone(), instance.gate(&service.id, service.quota_on(today)));
            let gates = match service.snapshot {
                Some(_) => self.feeds.get(&service.id).iter().map(|(id, instance)| gate(id, instance)).collect(),
                None => self.bodies(service.id.provider()).iter().map(|body| gate(&body.id, &body.instance)).collect(),
            };
            (service.id.clone(), gates)
        });
        self.gates.store(std::sync::Arc::new(gates.collect()));
        self.consumers.replace(consumer_quotas(active), Instant::now());
    }

    /// Where a question with these inputs goes.
    #[must_use]
    pub fn way(&self, service: &Service, inputs: &[(Box<str>, Value)]) -> Way {
        if service.snapshot.is_some() {
            return self.feeds.get(&service.id).map_or(Way::None, |(id, _)| Way::To(id.clone()));
        }
        let bodies = self.bodies(service.id.provider());
        let found = match service.routed(inputs) {
            Routed::Itself => bodies.iter().find(|body| body.serves.is_empty()),
            Routed::To(key) => bodies.iter().find(|body| body.serves.iter().any(|own| **own == *key)),
            Routed::NotConnected(key) => return Way::NotConnected(key.into()),
            Routed::Unknown => None,
        };
        found.map_or(Way::None, |body| Way::To(body.id.clone()))
    }

    /// Waits for a call's turn, at most until `deadline`; `None` where no such instance is configured.
    ///
    /// # Errors
    /// Why the call may not go, and when it may.
    pub async fn admit(
        &self,
        service: &Service,
        instance: &InstanceId,
        consumer: &ConsumerId,
        deadline: Instant,
    ) -> Option<Result<Permit, Refused>> {
        let gate = self.gates.load().get(&service.id)?.get(instance).cloned()?;
        Some(gate.admit(consumer, deadline).await)
    }

    /// Counts one request of a consumer.
    ///
    /// # Errors
    /// When its quota is used up.
    pub fn count_request(&self, consumer: &ConsumerId) -> Result<Standing, Exceeded> {
        self.consumers.check(consumer, Instant::now())
    }

    /// Counts one use of the grant that a right rests on.
    ///
    /// # Errors
    /// When its volume of the day is used up.
    pub fn count_use(&self, authorised: &Authorised) -> Result<(), Spent> {
        let Some(allowance) = authorised.allowance() else { return Ok(()) };
        self.volumes.count(authorised.consumer(), allowance, authorised.subject(), clock::now())
    }

    /// Every instance, with where its breaker stands.
    #[must_use]
    pub fn states(&self) -> Vec<(Source, State)> {
        let of = |(id, bodies): (&ProviderId, &Vec<Body>)| -> Vec<_> {
            bodies.iter().map(|body| (source_of(id.as_str(), body.id.as_str()), body.instance.state())).collect()
        };
        self.providers.iter().flat_map(of).collect()
    }

    /// Where the breaker of a provider stands that is one body; `None` where none is configured.
    #[must_use]
    pub fn state(&self, provider: &str) -> Option<State> {
        self.bodies(provider).iter().find(|body| body.serves.is_empty()).map(|body| body.instance.state())
    }

    /// How a provider stands that is one body; `None` where none is configured.
    #[must_use]
    pub fn view(&self, provider: &str) -> Option<InstanceView> {
        self.bodies(provider).iter().find(|body| body.serves.is_empty()).map(|body| body.instance.view())
    }

    /// How each instance of a provider stands, by code.
    pub fn views<'a>(&'a self, provider: &str) -> impl Iterator<Item = BodyView<'a>> {
        self.bodies(provider).iter().map(|body| BodyView {
            instance: &body.id,
            serves: &body.serves,
            state: body.instance.state(),
            view: body.instance.view(),
        })
    }

    fn bodies(&self, provider: &str) -> &[Body] {
        self.providers.iter().find(|(id, _)| id.as_str() == provider).map_or(&[], |(_, bodies)| bodies)
    }
}

/// The one body that delivers the files of a service: it is named as a source that is one body.
#[must_use]
pub fn instance_of(service: &ServiceId) -> Option<InstanceId> {
    InstanceId::new(service.provider()).ok()
}

/// How the watch names an instance of a provider.
#[must_use]
pub fn source_of(provider: &str, instance: &str) -> Source {
    Source { provider: provider.to_owned(), instance: instance.to_owned() }
}

fn consumer_quotas(active: &Active) -> impl Iterator<Item = (ConsumerId, model::contract::Quota)> {
    active.snapshot.consumers.values().map(|consumer| (consumer.id.clone(), consumer.quota))
}
