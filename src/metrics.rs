//! What the gateway counts. Labels come from contracts and closed lists, never from input, and no
//! personal identifier can stand in one.

use std::time::Duration;

use adapter_core::CallError;
use http::StatusCode;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use model::{ConsumerId, Outcome, Service};

use crate::cache::{Cache, Lookup};
use crate::record::AnswerEvidence;

/// Upper bounds of the histograms' buckets, in seconds: from a flush to the longest wait.
const SECONDS_BUCKETS: [f64; 14] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// How often recorded samples are folded into the buckets; until then they take memory.
const FOLD: Duration = Duration::from_secs(5);

/// The gateway's own counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Metrics;

impl Metrics {
    /// A consumer's request was answered.
    pub fn requested(self, consumer: &ConsumerId, status: StatusCode, took: Duration) {
        let class = match status.as_u16() {
            200..=299 => "2xx",
            300..=499 => "4xx",
            _ => "5xx",
        };
        counter!("qovsaq_requests_total", "consumer" => consumer.to_string(), "status" => class).increment(1);
        histogram!("qovsaq_request_seconds", "consumer" => consumer.to_string()).record(took.as_secs_f64());
    }

    /// A consumer's request was over its quota.
    pub fn over_quota(self, consumer: &ConsumerId) {
        counter!("qovsaq_requests_over_quota_total", "consumer" => consumer.to_string()).increment(1);
    }

    /// A kept answer was looked for.
    pub fn looked_up(self, service: &Service, found: &Lookup) {
        let result = match found {
            Lookup::Hit(_) => "hit",
            Lookup::TooOld(_) => "too-old",
            Lookup::Miss => "miss",
        };
        counter!("qovsaq_cache_lookups_total", "service" => service.id.as_str().to_owned(), "result" => result).increment(1);
    }

    /// A question is sent once more.
    pub fn repeated(self, service: &Service) {
        counter!("qovsaq_provider_retries_total", "service" => service.id.as_str().to_owned()).increment(1);
    }

    /// What the cache holds.
    pub fn cache(self, cache: &Cache) {
        gauge!("qovsaq_cache_entries").set(u32::try_from(cache.entry_count()).unwrap_or(u32::MAX));
        gauge!("qovsaq_cache_bytes").set(u32::try_from(cache.bytes()).unwrap_or(u32::MAX));
    }

    /// A call to a provider ended.
    pub fn called(self, service: &Service, took: Duration, error: Option<&CallError>) {
        let result = error.map_or("answered", crate::call::code);
        counter!("qovsaq_provider_calls_total", "service" => service.id.as_str().to_owned(), "result" => result).increment(1);
        histogram!("qovsaq_provider_call_seconds", "provider" => service.id.provider().to_owned()).record(took.as_secs_f64());
    }

    /// A provider's answer was read.
    pub fn answered(self, service: &Service, evidence: &AnswerEvidence<'_>) {
        counter!("qovsaq_provider_outcomes_total", "service" => service.id.as_str().to_owned(), "outcome" => evidence.outcome.as_str())
            .increment(1);
        if evidence.undeclared > 0 {
            counter!("qovsaq_undeclared_fields_total", "service" => service.id.as_str().to_owned()).increment(evidence.undeclared);
        }
    }

    /// A question was answered to a consumer.
    pub fn disclosed(self, consumer: &str, service: &str, outcome: Outcome) {
        counter!("qovsaq_answers_total", "consumer" => consumer.to_owned(), "service" => service.to_owned(), "outcome" => outcome.as_str())
            .increment(1);
    }

    /// A question was refused by policy.
    pub fn denied(self, consumer: &str, service: &str) {
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
    use std::sync::OnceLock;
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
