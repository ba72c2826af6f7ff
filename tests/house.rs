//! A whole deployment in the test's own process: gateway, agencies, certificates, journal.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mock_agencies::{Family, Latency, Person};
use model::Problems;
use qovsaq::client::{Answer, Client};
use qovsaq::config::Config;
use qovsaq::demo::{CONSUMER, Environment, Options, Ports, month_ago, write_config};
use qovsaq::gateway::Running;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::ledger::{self, Line};

/// Every service, with the agency that answers it.
pub(crate) const SERVICES: [&str; 4] = ["interior/person-identity", "taxes/person-income", "azerishiq/subscriber", "azerishiq/consumption"];

/// Small segments: reading a journal back looks at all that was set aside for it.
pub(crate) const SMALL_JOURNAL: &str = "journal: {dir: journal, segment_bytes: 1048576}";

/// A deployment that is up. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) environment: Environment,
    folder: TempDir,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_in(TempDir::new().expect("a temporary folder")).await
    }

    /// Starts in a folder that may hold certificates and data already.
    pub(crate) async fn start_in(folder: TempDir) -> Self {
        let (dir, personas, agencies) = Environment::start_agencies(&options(folder.path())).await.expect("the agencies start");
        write_config(&dir, Ports::Any, &agencies).expect("a configuration");
        let file = dir.join("qovsaq.yaml");
        let text = std::fs::read_to_string(&file).expect("a configuration");
        std::fs::write(&file, text.replace("journal: {dir: journal}", SMALL_JOURNAL)).expect("writable");
        let mut problems = Problems::default();
        let config = Config::load(&file, &mut problems).unwrap_or_else(|| panic!("{problems:?}"));
        let gateway = Running::start(config).await.expect("the gateway starts");
        Self { environment: Environment { dir, gateway, agencies, personas }, folder }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A client of the consumer that most tests speak as.
    pub(crate) fn client(&self) -> Client {
        self.environment.client(CONSUMER).expect("the consumer has a certificate")
    }

    pub(crate) fn family(&self) -> &Family {
        self.environment.personas.reference_family()
    }

    pub(crate) fn applicant(&self) -> &Person {
        self.family().applicant()
    }

    pub(crate) async fn open_case(&self, client: &Client) -> String {
        self.environment.open_case(client, self.family()).await.expect("a case")
    }

    /// How many calls all agencies have had.
    pub(crate) fn calls(&self) -> u64 {
        self.environment.agencies.values().map(|agency| agency.calls().total).sum()
    }

    pub(crate) fn set_fault(&self, service: &str, fault: &str, times: Option<u32>) {
        let (provider, name) = service.split_once('/').expect("provider/service");
        self.environment.agencies[provider].set_fault(name, fault, times).expect("the mock knows the fault");
    }

    pub(crate) fn clear_faults(&self) {
        self.environment.agencies.values().for_each(mock_agencies::Running::clear_faults);
    }

    /// Everything in the journal so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        ledger::read(self.dir(), 0)
    }

    /// The journal once every intent in it is closed: outcomes ride lazily, at most 50 ms late.
    pub(crate) async fn closed_lines(&self) -> Vec<Line> {
        until("every intent is closed", || {
            let lines = self.lines();
            ledger::closers(&lines).values().all(|closing| !closing.is_empty()).then_some(lines)
        })
        .await
    }

    pub(crate) async fn stop(self) {
        self.environment.stop().await.expect("stops in order");
    }
}

pub(crate) fn options(dir: &Path) -> Options {
    Options { dir: dir.to_path_buf(), ports: Ports::Any, latency: Latency::None }
}

/// An envelope of the consumer that most tests speak as.
#[expect(clippy::needless_pass_by_value, reason = "callers write the input in place")]
pub(crate) fn envelope(fin: &str, case: &str, input: Json) -> Json {
    json!({"subject": {"fin": fin}, "input": input, "purpose": "adsy-means-test", "case": case, "official": "AZ-0001", "role": "case-officer"})
}

/// The envelope of a dossier, which names no subject.
pub(crate) fn dossier_envelope(case: &str) -> Json {
    json!({"input": {}, "purpose": "adsy-means-test", "case": case, "official": "AZ-0001", "role": "case-officer"})
}

/// A granted body for any of the services; `code` is a subscriber code from an answer in the same case.
pub(crate) fn body_for(service: &str, fin: &str, case: &str, code: &str) -> Json {
    let mut input = json!({});
    if matches!(service, "taxes/person-income" | "azerishiq/consumption") {
        input = json!({"month_from": month_ago(12), "month_to": month_ago(1)});
    }
    if service == "azerishiq/consumption" {
        input["subscriber_code"] = json!(code);
    }
    envelope(fin, case, input)
}

/// Asks a service.
pub(crate) async fn ask(client: &Client, service: &str, body: &Json) -> Answer {
    client.post(&format!("/v1/services/{service}"), body, "en").await.expect("an answer")
}

/// Asks for the subscriber code, without which consumption cannot be asked.
pub(crate) async fn subscriber_code(client: &Client, fin: &str, case: &str) -> String {
    let answer = ask(client, "azerishiq/subscriber", &envelope(fin, case, json!({}))).await;
    let code = answer.json().expect("JSON")["data"]["subscriber_code"].clone();
    code.as_str().unwrap_or_else(|| panic!("no subscriber code in {}", answer.body)).to_owned()
}

/// A case name that this process has not used.
pub(crate) fn fresh_case() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("c-test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until a condition holds, looking every few milliseconds, at most half a minute.
pub(crate) async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3_000 {
        if let Some(value) = condition() {
            return value;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("still not: {what}");
}
