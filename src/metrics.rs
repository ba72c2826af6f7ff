//! What the gateway counts. Labels come from contracts and closed lists, never from input, and no
//! personal identifier can stand in one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use adapter_core::CallError;
use http::StatusCode;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use model::contract::Assurance;
use model::{ConsumerId, InstanceId, Outcome, Service};
use policy::Identity;

use crate::cache::{Cache, Lookup};
use crate::record::AnswerEvidence;

/// Upper bounds of the histograms' buckets, in seconds: from a flush to the longest wait.
const SECONDS_BUCKETS: [f64; 14] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// How often recorded samples are folded into the buckets; until then they take memory.
const FOLD: Duration = Duration::from_secs(5);

/// Each outcome has its place (`Outcome as usize`) in handles by outcome.
const OUTCOMES: usize = Outcome::ALL.len();

/// The gateway's own counters. What is counted at every request is looked up in the recorder once: there
/// it costs strings for its labels each time.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Handles<3, Counter>,
    request_seconds: Handles<1, Histogram>,
    lookups: Handles<3, Counter>,
    calls: Handles<1, Counter>,
    call_seconds: Handles<1, Histogram>,
    outcomes: Handles<OUTCOMES, Counter>,
    answers: Handles<OUTCOMES, Counter>,
}

/// Handles of one metric: by consumer or service, and by the place of its other label in a closed list.
struct Handles<const N: usize, H>(RwLock<HashMap<Box<str>, Places<N, H>>>);

type Places<const N: usize, H> = Box<[OnceLock<H>; N]>;

impl<const N: usize, H> Handles<N, H> {
    /// Gives the handle to `act`; `make` looks it up the first time.
    fn with(&self, name: &str, place: usize, make: impl FnOnce() -> H, act: impl FnOnce(&H)) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.get(name).map(|handles| &handles[place]) {
            return act(handle.get_or_init(make));
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let handles = known.entry(name.into()).or_insert_with(|| Box::new([const { OnceLock::new() }; N]));
        act(handles[place].get_or_init(make));
    }
}

impl<const N: usize, H> Default for Handles<N, H> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<const N: usize, H> fmt::Debug for Handles<N, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handles(…)")
    }
}

impl Metrics {
    /// A consumer's request was answered.
    pub fn requested(&self, consumer: &ConsumerId, status: StatusCode, took: Duration) {
        let (place, class) = match status.as_u16() {
            200..=299 => (0, "2xx"),
            300..=499 => (1, "4xx"),
            _ => (2, "5xx"),
        };
        let name = || consumer.as_str().to_owned();
        let counter = || counter!("qovsaq_requests_total", "consumer" => name(), "status" => class);
        self.requests.with(consumer.as_str(), place, counter, |counter| counter.increment(1));
        let histogram = || histogram!("qovsaq_request_seconds", "consumer" => name());
        self.request_seconds.with(consumer.as_str(), 0, histogram, |histogram| histogram.record(took.as_secs_f64()));
    }

    /// A consumer's request was over its quota.
    pub fn over_quota(&self, consumer: &ConsumerId) {
        counter!("qovsaq_requests_over_quota_total", "consumer" => consumer.to_string()).increment(1);
    }

    /// A question was over the volume of its grant.
    pub fn over_volume(&self, consumer: &ConsumerId, service: &Service) {
        counter!("qovsaq_requests_over_volume_total", "consumer" => consumer.to_string(), "service" => service.id.to_string()).increment(1);
    }

    /// A kept answer was looked for.
    pub fn looked_up(&self, service: &Service, found: &Lookup) {
        let (place, result) = match found {
            Lookup::Hit(_) => (0, "hit"),
            Lookup::TooOld(_) => (1, "too-old"),
            Lookup::Miss => (2, "miss"),
        };
        let name = service.id.as_str();
        let counter = || counter!("qovsaq_cache_lookups_total", "service" => name.to_owned(), "result" => result);
        self.lookups.with(name, place, counter, |counter| counter.increment(1));
    }

    /// A question is sent once more.
    pub fn repeated(&self, service: &Service) {
        counter!("qovsaq_provider_retries_total", "service" => service.id.as_str().to_owned()).increment(1);
    }

    /// What the cache holds.
    pub fn cache(&self, cache: &Cache) {
        gauge!("qovsaq_cache_entries").set(u32::try_from(cache.entry_count()).unwrap_or(u32::MAX));
        gauge!("qovsaq_cache_bytes").set(u32::try_from(cache.bytes()).unwrap_or(u32::MAX));
    }

    /// How many emergency overrides wait for their review.
    pub fn overrides_to_review(&self, count: u32) {
        gauge!("qovsaq_case_overrides_to_review").set(count);
    }

    /// A call to a provider ended.
    pub fn called(&self, service: &Service, instance: &InstanceId, took: Duration, error: Option<&CallError>) {
        let name = service.id.as_str();
        let counter = |result| counter!("qovsaq_provider_calls_total", "service" => name.to_owned(), "result" => result);
        match error {
            None => self.calls.with(name, 0, || counter("answered"), |counter| counter.increment(1)),
            Some(error) => counter(crate::call::code(error)).increment(1),
        }
        let provider = service.id.provider();
        if instance.as_str() == provider {
            let histogram = || histogram!("qovsaq_provider_call_seconds", "provider" => provider.to_owned());
            self.call_seconds.with(provider, 0, histogram, |histogram| histogram.record(took.as_secs_f64()));
            return;
        }
        // No code has a blank in it.
        let histogram = || {
            let (provider, instance) = (provider.to_owned(), instance.as_str().to_owned());
            histogram!("qovsaq_provider_call_seconds", "provider" => provider, "provider_instance" => instance)
        };
        let name = [provider, " ", instance.as_str()].concat();
        self.call_seconds.with(&name, 0, histogram, |histogram| histogram.record(took.as_secs_f64()));
    }

    /// A provider's answer was read.
    pub fn answered(&self, service: &Service, evidence: &AnswerEvidence<'_>) {
        let (name, outcome) = (service.id.as_str(), evidence.outcome);
        let counter = || counter!("qovsaq_provider_outcomes_total", "service" => name.to_owned(), "outcome" => outcome.as_str());
        self.outcomes.with(name, outcome as usize, counter, |counter| counter.increment(1));
        if evidence.key_switched {
            counter!("qovsaq_provider_key_switches_total", "provider" => service.id.provider().to_owned()).increment(1);
        }
        if evidence.undeclared > 0 {
            counter!("qovsaq_undeclared_fields_total", "service" => name.to_owned()).increment(evidence.undeclared);
        }
    }

    /// A question was answered to a consumer.
    pub fn disclosed(&self, consumer: &str, service: &str, outcome: Outcome) {
        let counter = || {
            let (consumer, service) = (consumer.to_owned(), service.to_owned());
            counter!("qovsaq_answers_total", "consumer" => consumer, "service" => service, "outcome" => outcome.as_str())
        };
        // No code has a blank in it.
        self.answers.with(&[consumer, " ", service].concat(), outcome as usize, counter, |counter| counter.increment(1));
    }

    /// An official's assertion was judged.
    pub fn identified(&self, consumer: &ConsumerId, identity: Identity) {
        let result = match identity {
            Identity::NotSent => "not-sent",
            Identity::Proven(Assurance::Low) => "low",
            Identity::Proven(Assurance::Substantial) => "substantial",
            Identity::Proven(Assurance::High) => "high",
            Identity::Unproven(why) => why.reason().code(),
        };
        counter!("qovsaq_assertions_total", "consumer" => consumer.to_string(), "result" => result).increment(1);
    }

    /// A question was refused by policy.
    pub fn denied(&self, consumer: &str, service: &str) {
        counter!("qovsaq_denials_total", "consumer" => consumer.to_owned(), "service" => service.to_owned()).increment(1);
    }
}

/// Folds recorded samples into the buckets for as long as the gateway runs. Without it they would
/// gather in memory until somebody looks at `/metrics`.
pub async fn fold(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(FOLD).await;
        handle.run_upkeep();
    }
}

/// Installs the process-wide recorder that `/metrics` renders. Once per process; a second gateway in
/// the same process (tests) shares it.
#[must_use]
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        // Fails only on an empty list.
        let recorder = builder.set_buckets(&SECONDS_BUCKETS).unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is already installed; /metrics stays empty");
        }
        handle
    });
    handle.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_place_among_the_handles() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place, "{outcome}");
        }
    }
}
