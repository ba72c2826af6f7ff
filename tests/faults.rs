//! Every fault of every service, as the source commits it and as the consumer sees it: the outcome,
//! the status and the origin that the interface orders, always with a receipt that verifies.

use mock_agencies::{AgencyCode, Fault};
use qovsaq::demo::AGENCIES;
use serde_json::{Value as Json, json};

use crate::house::{House, body_for, subscriber_code};
use crate::ledger;

/// What the consumer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// 200 with the record.
    Found,
    /// 504: the deadline passed.
    Late,
    /// 503, or what the source says about when to ask again.
    Unavailable { origin: &'static str, retry_after: u64 },
    /// 502 `INVALID_DATA`.
    Broken,
    /// 502 `DENIED` by the route.
    Refused,
}

const UNREACHABLE: Told = Told::Unavailable { origin: "provider", retry_after: 30 };

/// The table. A fault that is new in the mock does not compile here before it is judged.
fn expected(agency: AgencyCode, service: &str, fault: Fault) -> Told {
    let rest = agency == AgencyCode::Azerishiq;
    match fault {
        // The caller waits a second; the right answer would come later.
        Fault::Hang | Fault::Slow | Fault::Drip | Fault::SlowTail => Told::Late,
        // Over X-Road the other end of the line is the security server: the route.
        Fault::Reset | Fault::ResetMidway | Fault::Down if agency == AgencyCode::Interior => {
            Told::Unavailable { origin: "route", retry_after: 30 }
        }
        Fault::Reset | Fault::ResetMidway | Fault::Down | Fault::Error | Fault::FaultIn200 => UNREACHABLE,
        // SOAP services refuse with 503, which no mapping needs to read.
        Fault::RetryAfter => Told::Unavailable { origin: "provider", retry_after: 2 },
        Fault::FilingDay => Told::Unavailable { origin: "provider", retry_after: 120 },
        Fault::NetworkError | Fault::NetworkErrorNew => Told::Unavailable { origin: "route", retry_after: 30 },
        Fault::AccessDenied | Fault::AccessDeniedNew => Told::Refused,
        Fault::Oversize
        | Fault::Malformed
        | Fault::WrongType
        | Fault::WrongContentType
        | Fault::XmlBomb
        | Fault::ExternalEntity
        | Fault::DeepNesting
        | Fault::WrongEcho => Told::Broken,
        Fault::Undeclared => Told::Found,
        Fault::Estimated => {
            assert!(rest && service == "consumption");
            Told::Found
        }
    }
}

async fn check_faults(agency: AgencyCode, service: &'static str) {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let fin = &*house.applicant().fin;
    let code = subscriber_code(&client, fin, &case).await;
    let name = format!("{}/{service}", agency.as_str());
    let body = body_for(&name, fin, &case, &code);
    for fault in Fault::accepted(agency, service) {
        house.set_fault(&name, fault.as_str(), None);
        let answer = client.post_waiting(&format!("/v1/services/{name}"), &body, "en", 1).await.expect("an answer");
        house.clear_faults();
        let json = answer.json().expect("JSON");
        let expected = expected(agency, service, fault);
        let retry_after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        assert_eq!(told(answer.status, &json, retry_after), Some(expected), "{name} with {fault}: {} {}", answer.status, answer.body);

        let lines = house.closed_lines().await;
        let line = ledger::check_receipt(house.dir(), &lines, &json);
        assert_eq!(line.metadata["given"][0]["outcome"], json["outcome"], "{name} with {fault}");
        if expected != Told::Found {
            assert_eq!(line.metadata["given"][0]["fields"], json!([]), "{name} with {fault}: nothing was given");
            assert!(!answer.body.contains(fin), "{name} with {fault}: the problem names the person");
        }
    }
    // Not one of them has harmed anything: the next question is answered.
    let answer = client.post(&format!("/v1/services/{name}"), &body, "en").await.expect("an answer");
    assert_eq!((answer.status, answer.json().expect("JSON")["outcome"].clone()), (200, json!("FOUND")), "{}", answer.body);
    ledger::check_rules(&house.lines());
    house.stop().await;
}

fn told(status: u16, json: &Json, retry_after: Option<u64>) -> Option<Told> {
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    let told = match (status, text("outcome"), text("code"), text("origin")) {
        (200, "FOUND", "", "") => Told::Found,
        (504, "UNAVAILABLE", "deadline-passed", "provider" | "route") => Told::Late,
        (503, "UNAVAILABLE", "source-unavailable", "provider") => Told::Unavailable { origin: "provider", retry_after: retry_after? },
        (503, "UNAVAILABLE", "source-unavailable", "route") => Told::Unavailable { origin: "route", retry_after: retry_after? },
        (502, "INVALID_DATA", "invalid-data", "provider") => Told::Broken,
        (502, "DENIED", "provider-denied", "route") => Told::Refused,
        _ => return None,
    };
    // A problem carries no record, and says so to machines.
    (status == 200 || json["data"].is_null() && json["type"] == format!("urn:qovsaq:problem:{}", text("code"))).then_some(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_person_identity_is_told_as_ordered() {
    check_faults(AgencyCode::Interior, "person-identity").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_person_income_is_told_as_ordered() {
    check_faults(AgencyCode::Taxes, "person-income").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_the_subscriber_is_told_as_ordered() {
    check_faults(AgencyCode::Azerishiq, "subscriber").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_the_consumption_is_told_as_ordered() {
    check_faults(AgencyCode::Azerishiq, "consumption").await;
}

#[test]
fn every_service_of_the_agencies_is_tried() {
    let services: usize = AGENCIES.iter().map(|agency| agency.services().len()).sum();
    assert_eq!(services, crate::house::SERVICES.len());
}
