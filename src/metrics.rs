//! What the gateway counts. Labels come from contracts and closed lists, never from input, and no
//! personal identifier can stand in one.

use std::time::Duration;

use adapter_core::CallError;
use metrics::{counter, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use model::{Outcome, Service};

use crate::record::AnswerEvidence;

/// The gateway's own counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Metrics;

impl Metrics {
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

/// Installs the process-wide recorder that `/metrics` renders. Once per process; a second gateway in
/// the same process (tests) shares it.
#[must_use]
pub fn install() -> PrometheusHandle {
    use std::sync::OnceLock;
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is already installed; /metrics stays empty");
        }
        handle
    });
    handle.clone()
}
