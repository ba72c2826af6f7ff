//! The provider instances and the consumers with their limits. They outlive a reload: queues, breakers
//! and used-up quotas stay as they are, only the numbers of the contracts change.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use model::{ConsumerId, ProviderId, Service, ServiceId};
use policy::Authorised;
use tokio::time::Instant;

use crate::clock;
use crate::config::Config;
use crate::data::Active;
use crate::limit::{ConsumerQuotas, Exceeded, Gate, Instance, InstanceView, Permit, Refused, Spent, Standing, State, Volumes};
use crate::watch::Source;

/// The limits of a deployment.
#[derive(Debug)]
pub struct Sources {
    instances: HashMap<ProviderId, Instance>,
    gates: ArcSwap<HashMap<ServiceId, Gate>>,
    consumers: ConsumerQuotas,
    volumes: Volumes,
}

impl Sources {
    /// One instance for every configured provider, a gate for every service of the data.
    #[must_use]
    pub fn new(config: &Config, active: &Active) -> Self {
        let instances = config.providers.iter().map(|(id, provider)| (id.clone(), Instance::new(id, provider.limits)));
        let sources = Self {
            instances: instances.collect(),
            gates: ArcSwap::default(),
            consumers: ConsumerQuotas::new(consumer_quotas(active), Instant::now()),
            volumes: Volumes::default(),
        };
        sources.activate(active);
        sources
    }

    /// Takes over the quotas of the data for today; called again when data or day change.
    pub fn activate(&self, active: &Active) {
        let today = model::time::day(clock::now());
        let gates = active.snapshot.services.values().filter_map(|service| {
            let (_, instance) = self.instances.iter().find(|(id, _)| id.as_str() == service.id.provider())?;
            let gate = instance.gate(&service.id, service.quota_on(today));
            Some((service.id.clone(), gate))
        });
        self.gates.store(std::sync::Arc::new(gates.collect()));
        self.consumers.replace(consumer_quotas(active), Instant::now());
    }

    /// Waits for a call's turn, at most until `deadline`; `None` where no provider is configured.
    ///
    /// # Errors
    /// Why the call may not go, and when it may.
    pub async fn admit(&self, service: &Service, consumer: &ConsumerId, deadline: Instant) -> Option<Result<Permit, Refused>> {
        let gate = self.gates.load().get(&service.id).cloned()?;
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
        self.instances.iter().map(|(id, instance)| (source_of(id.as_str()), instance.state())).collect()
    }

    /// Where the breaker of a provider's instance stands; `None` where none is configured.
    #[must_use]
    pub fn state(&self, provider: &str) -> Option<State> {
        self.instances.iter().find(|(id, _)| id.as_str() == provider).map(|(_, instance)| instance.state())
    }

    /// How a provider's instance stands; `None` where none is configured.
    #[must_use]
    pub fn view(&self, provider: &str) -> Option<InstanceView> {
        self.instances.iter().find(|(id, _)| id.as_str() == provider).map(|(_, instance)| instance.view())
    }
}

/// How the watch names a provider's one instance.
#[must_use]
pub fn source_of(provider: &str) -> Source {
    Source { provider: provider.to_owned(), instance: provider.to_owned() }
}

fn consumer_quotas(active: &Active) -> impl Iterator<Item = (ConsumerId, model::contract::Quota)> {
    active.snapshot.consumers.values().map(|consumer| (consumer.id.clone(), consumer.quota))
}
