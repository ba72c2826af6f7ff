//! A whole deployment in the test's own process: gateway, agencies, certificates, journal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use mock_agencies::{AgencyCode, Family, IdentityProvider, Latency, Person, Personas};
use model::Problems;
use qovsaq::client::{Answer, Client};
use qovsaq::config::Config;
use qovsaq::demo::{self, AGENCIES, CONSUMER, Environment, Options, PURPOSE, Ports, Right, month_ago, new_case, open};
use qovsaq::gateway::Running;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::child::Site;
use crate::ledger::{self, Line};

/// Every service of every agency, such as `interior/person-identity`.
pub(crate) static SERVICES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let of = |agency: AgencyCode| agency.services().iter().map(move |service| format!("{}/{service}", agency.as_str()));
    AGENCIES.into_iter().flat_map(of).collect()
});

/// A deployment that is up. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) environment: Environment,
    pub(crate) folder: TempDir,
}

impl House {
    /// On a site as it is prepared.
    pub(crate) async fn start() -> Self {
        Site::prepare().await.up().await
    }

    pub(crate) async fn of(
        folder: TempDir,
        agencies: BTreeMap<&'static str, mock_agencies::Running>,
        identity: IdentityProvider,
        personas: Arc<Personas>,
    ) -> Self {
        let mut problems = Problems::default();
        let config = Config::load(&folder.path().join("qovsaq.yaml"), &mut problems).unwrap_or_else(|| panic!("{problems:?}"));
        let gateway = Running::start(config).await.expect("the gateway starts");
        gateway.gateway.feeds().looked_once().await;
        Self { environment: Environment { dir: folder.path().to_path_buf(), gateway, agencies, identity, personas }, folder }
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

    /// How many questions all agencies have been asked: without tokens, and without looks for an answer
    /// that comes later.
    pub(crate) fn asked(&self) -> u64 {
        self.environment.agencies.values().flat_map(|agency| agency.calls().by_service.into_values()).sum()
    }

    /// How many questions one service has been asked.
    pub(crate) fn asked_of(&self, service: &str) -> u64 {
        let (provider, name) = service.split_once('/').expect("provider/service");
        demo::playing(&self.environment.agencies, provider).map(|agency| agency.calls().by_service[name]).sum()
    }

    /// How many requests all agencies have had, whatever they were.
    pub(crate) fn calls(&self) -> u64 {
        self.environment.agencies.values().map(|agency| agency.calls().total).sum()
    }

    pub(crate) fn set_fault(&self, service: &str, fault: &str, times: Option<u32>) {
        let (provider, name) = service.split_once('/').expect("provider/service");
        for agency in demo::playing(&self.environment.agencies, provider) {
            agency.set_fault(name, fault, times).expect("the mock knows the fault");
        }
    }

    pub(crate) fn clear_faults(&self) {
        self.environment.agencies.values().for_each(mock_agencies::Running::clear_faults);
    }

    /// Changes a file of the deployment; nothing takes effect before a reload.
    pub(crate) fn change(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let path = self.dir().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        let changed = change(&text);
        assert_ne!(text, changed, "{file} is as it was");
        std::fs::write(path, changed).expect("writable");
    }

    pub(crate) async fn reload(&self) {
        if let Err(error) = self.environment.gateway.reload().await {
            panic!("not reloaded: {error:?}");
        }
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
    Options { dir: dir.to_path_buf(), ports: Ports::Any, latency: Latency::None, seed: mock_agencies::SEED }
}

/// An envelope of the consumer that most tests speak as.
#[expect(clippy::needless_pass_by_value, reason = "callers write the input in place")]
pub(crate) fn envelope(fin: &str, case: &str, input: Json) -> Json {
    json!({"subject": {"fin": fin}, "input": input, "purpose": "adsy-means-test", "case": case, "official": "AZ-0001", "role": "case-officer"})
}

/// The reference dossier's envelope for a family, with the consents of its adults.
pub(crate) fn dossier_envelope(family: &Family, case: &str) -> Json {
    let mut body = demo::body(family, case, &demo::dossier_inputs(&Personas::embedded(), family));
    body["subject"].take();
    body
}

/// A granted body for any of the services about a person; `code` is a subscriber's code of electricity
/// from an answer in the same case.
pub(crate) fn body_for(service: &str, fin: &str, case: &str, code: &str) -> Json {
    let personas = Personas::embedded();
    let family = personas.families().iter().find(|family| family.everyone().any(|person| &*person.fin == fin)).expect("a persona");
    let months = json!({"month_from": month_ago(12), "month_to": month_ago(1)});
    let input = match service {
        "taxes/person-income" | "azersu/consumption" => months,
        "azerishiq/consumption" => {
            let mut input = months;
            input["subscriber_code"] = json!(code);
            input
        }
        "property/transactions" | "health/birth-fact" | "border/absence-summary" | "border/crossings" => {
            let today = model::time::day(qovsaq::clock::now());
            let day = |months: i32| today.saturating_sub(jiff::Span::new().months(months)).to_string();
            json!({"from_on": day(6), "to_on": day(0)})
        }
        "digital/mobile-number-owner" => json!({"msisdn": personas.digital().number_of(fin)}),
        "digital/certificate-status" => json!({"certificate_serial": personas.digital().certificate_of(fin)}),
        "digital/postal-branch" => json!({"territory_code": territory_of(&personas, fin)}),
        "migration/work-permit-case" => json!({"case_no": work_permit_case(&personas)}),
        "migration/work-permit-opinion" => {
            json!({"case_no": work_permit_case(&personas), "opinion": "positive", "opinion_ground": "Sınaq əsası"})
        }
        "agriculture/farm-support" | "exam-centre/admission-result" => json!({"year": last_year()}),
        "justice/family-acts" => json!({"act_kinds": ["birth", "marriage", "divorce", "death"]}),
        "justice/notarial-application" => json!({"application_no": &*family.application().expect("an application").number}),
        _ => json!({}),
    };
    let mut input = input;
    if service.starts_with("local-executive/") {
        input["territory_code"] = json!(demo::territory_of(family));
    }
    let mut body = envelope(fin, case, input);
    match service {
        service if ABOUT_NOBODY.contains(&service) => drop(body["subject"].take()),
        // Births and permits are known of few.
        "health/birth-fact" => body["subject"] = json!({"fin": personas.health().mother()}),
        "migration/permit" => body["subject"] = json!({"pin": personas.migration().resident()}),
        _ => {}
    }
    if service == "credit-bureau/obligations-summary" {
        body["consent"] = demo::consents(family);
    }
    body
}

/// The services that ask about no person.
pub(crate) const ABOUT_NOBODY: [&str; 4] =
    ["digital/certificate-status", "digital/postal-branch", "migration/work-permit-case", "migration/work-permit-opinion"];

fn work_permit_case(personas: &Personas) -> &str {
    personas.migration().cases.keys().next().expect("a case")
}

fn territory_of(personas: &Personas, fin: &str) -> String {
    let residence = personas.by_fin(fin).and_then(|person| person.residence.as_ref()).expect("registered somewhere");
    residence.territory_code.to_string()
}

/// Who asks a service, and a granted body about a person: the usual consumer in this case, or whoever else may ask it,
/// in a case of its own.
pub(crate) async fn granted(house: &House, service: &str, fin: &str, case: &str, code: &str) -> (Client, Json) {
    let active = house.environment.gateway.gateway.active();
    let contract = active.snapshot.services.values().find(|contract| contract.id.as_str() == service).expect("a service");
    let right = Right::to_ask(&active.snapshot, contract).expect("somebody may ask it");
    let mut body = body_for(service, fin, case, code);
    if (&*right.consumer, &*right.purpose) == (CONSUMER, PURPOSE) {
        return (house.client(), body);
    }
    let client = house.environment.client(&right.consumer).expect("the consumer has a certificate");
    let mut persons = vec![json!({"subject": {"fin": fin}, "role": "applicant"})];
    if !body["subject"].is_null() && body["subject"] != persons[0]["subject"] {
        persons.push(json!({"subject": body["subject"], "role": "other"}));
    }
    let opened = open(&client, &json!({"case": new_case(), "purpose": right.purpose, "persons": persons})).await.expect("a case");
    (body["case"], body["purpose"], body["role"]) = (json!(opened), json!(right.purpose), json!(right.role));
    if service == "migration/work-permit-opinion" {
        // On a case that was looked at.
        let mut first = body.clone();
        first["input"] = json!({"case_no": body["input"]["case_no"]});
        assert_eq!(ask(&client, "migration/work-permit-case", &first).await.status, 200);
    }
    (client, body)
}

/// The last whole year, of which every source that asks by year has something to tell.
pub(crate) fn last_year() -> i16 {
    model::time::day(qovsaq::clock::now()).year() - 1
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

/// A consumer at work on a case of its own about one person.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) client: Client,
    pub(crate) fin: String,
    pub(crate) case: String,
    purpose: &'static str,
    role: &'static str,
}

impl Asker {
    /// The consumer that most tests speak as.
    pub(crate) async fn start(client: &Client, fin: &str) -> Self {
        Self::with(client, fin, "adsy-means-test", "case-officer").await
    }

    /// A consumer with its purpose and role.
    pub(crate) async fn with(client: &Client, fin: &str, purpose: &'static str, role: &'static str) -> Self {
        // Not of this process alone: the journal and the store may be older.
        let case = format!("c-{}", uuid::Uuid::now_v7().simple());
        let persons = json!([{"subject": {"fin": fin}, "role": "applicant"}]);
        let opened =
            client.post("/v1/cases", &json!({"case": case, "purpose": purpose, "persons": persons}), "en").await.expect("an answer");
        assert_eq!(opened.status, 201, "{}", opened.body);
        Self { client: client.clone(), fin: fin.to_owned(), case, purpose, role }
    }

    pub(crate) fn body(&self, service: &str) -> Json {
        let mut body = body_for(service, &self.fin, &self.case, "");
        body["purpose"] = json!(self.purpose);
        body["role"] = json!(self.role);
        body
    }

    pub(crate) async fn ask(&self, service: &str) -> Answer {
        self.ask_with(service, &[]).await
    }

    /// Asks with further headers, such as `Cache-Control`.
    pub(crate) async fn ask_with(&self, service: &str, headers: &[(&str, &str)]) -> Answer {
        self.client.post_with(&format!("/v1/services/{service}"), &self.body(service), headers).await.expect("an answer")
    }

    /// Asks, and waits so many seconds.
    pub(crate) async fn ask_waiting(&self, service: &str, seconds: u64) -> Answer {
        self.ask_with(service, &[("prefer", &format!("wait={seconds}"))]).await
    }
}

/// A header field of an answer; empty where it has none.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
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
