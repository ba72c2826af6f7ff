//! Every fault of every service, as its mock agency commits it in its own form and as the consumer sees it:
//! the outcome, the status and the origin that the interface orders, always with a receipt that verifies.
//! What every source must stand, with or without a mock, is the contract test suite's (`suite`).

use futures_util::future::join_all;
use mock_agencies::{AgencyCode, Fault};
use qovsaq::client::Client;
use qovsaq::demo::AGENCIES;
use qovsaq::kit::Told;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{House, SERVICES, ask, body_for, granted, subscriber_code};
use crate::ledger;

/// Time limit of every call here. Every good answer comes sooner, every slow one later.
const TIMEOUT: &str = "2s";
/// Seconds a caller waits: longer, so that the source's own time limit is what passes.
const WAIT: u64 = 5;

/// The table. A fault that is new in the mock does not compile here before it is judged.
fn expected(agency: AgencyCode, service: &str, fault: Fault) -> Told {
    // Over X-Road the other end of the line is the security server: the route.
    let line = if agency.is_behind_xroad() { "route" } else { "provider" };
    match fault {
        Fault::Hang | Fault::Slow | Fault::Drip | Fault::SlowTail | Fault::SlowHalfMinute | Fault::NeverReady | Fault::WorkThenHang => {
            Told::Late
        }
        // `LostAccept` as well: whether the work was done nobody knows, and the contract forbids to ask twice.
        Fault::Reset | Fault::ResetMidway | Fault::Down | Fault::LostAccept => Told::Unavailable { origin: line, retry_after: 30 },
        Fault::Error | Fault::FaultIn200 => Told::Unavailable { origin: "provider", retry_after: 30 },
        Fault::RetryAfter => Told::Unavailable { origin: "provider", retry_after: 2 },
        Fault::FilingDay => Told::Unavailable { origin: "provider", retry_after: 120 },
        Fault::NetworkError | Fault::NetworkErrorNew | Fault::ErrorAsXml => Told::Unavailable { origin: "route", retry_after: 30 },
        Fault::AccessDenied | Fault::AccessDeniedNew => Told::Refused { origin: "route" },
        Fault::ConsentRejected | Fault::KeyRefused => Told::Refused { origin: "provider" },
        // What absence means in these days is the contract's word.
        Fault::EmptyList => Told::NotFound { absence: absence(service) },
        // The list is begun anew, once; this source forgets every cursor.
        Fault::CursorExpired => Told::Unavailable { origin: "provider", retry_after: 30 },
        Fault::Oversize
        | Fault::Malformed
        | Fault::WrongType
        | Fault::WrongContentType
        | Fault::XmlBomb
        | Fault::ExternalEntity
        | Fault::DeepNesting
        | Fault::WrongEcho
        | Fault::WrongHash
        | Fault::WrongPerson
        | Fault::WrongCount
        | Fault::DecimalPoint
        | Fault::NumberPorted
        | Fault::TwoPins
        | Fault::LocalTime
        | Fault::BadShare
        | Fault::CursorEndless
        | Fault::CursorRepeats
        | Fault::TooManyItems
        | Fault::UnknownUnit
        | Fault::LostLetter
        | Fault::TwoCertificates
        | Fault::OldReport => Told::Broken,
        // Where the mapping has a rule for it, a scanned page is what it is: paper.
        Fault::ScannedPage if service == "local-executive/family-composition" => Told::NotHeld,
        Fault::ScannedPage => Told::Broken,
        // A refused token is fetched anew, after a refused key the next one is sent; the others are right answers, or damage
        // that the mapping declares and undoes.
        Fault::Undeclared
        | Fault::TokenExpired
        | Fault::KeyRotated
        | Fault::ActCorrected
        | Fault::AverageReading
        | Fault::AreaInSot
        | Fault::ScoreRevised
        | Fault::TicketReissued
        | Fault::Mojibake
        | Fault::PlaceholderDate
        | Fault::ExitWithoutEntry
        | Fault::Estimated => Told::Found,
    }
}

/// What a service's contract says today that no record proves.
fn absence(service: &str) -> &'static str {
    let mut problems = model::Problems::default();
    let today = model::time::day(qovsaq::clock::now());
    let snapshot = model::load::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts"), today, &mut problems);
    let service = model::ServiceId::new(service).ok().and_then(|id| snapshot.services.get(&id).cloned());
    service.expect("a service of the contracts").absence_on(today).as_str()
}

/// A fault that was committed, and what was answered.
struct Committed {
    service: String,
    fault: Fault,
    status: u16,
    retry_after: Option<u64>,
    json: Json,
}

/// A case in which everything may be asked, and the subscriber's code that an answer in it gave.
struct Ready {
    case: String,
    code: String,
    /// Who gives an opinion, and which: on a case of a work permit that was looked at, and one opinion for a case.
    opinion: (Client, Json),
}

const OPINION: &str = "migration/work-permit-opinion";

impl Ready {
    async fn new(house: &House) -> Self {
        let client = house.client();
        let case = open_case(house, &client).await;
        let code = subscriber_code(&client, fin_of(house, ""), &case).await;
        let opinion = granted(house, OPINION, fin_of(house, OPINION), &case, &code).await;
        Self { case, code, opinion }
    }

    /// Who asks a service, and a granted body.
    async fn granted(&self, house: &House, service: &str) -> (Client, Json) {
        if service == OPINION {
            self.opinion.clone()
        } else {
            granted(house, service, fin_of(house, service), &self.case, &self.code).await
        }
    }
}

/// The person asked about: every source knows something about this one, but that his debts are not of the
/// kind that is granted, and that births and permits are known of few.
fn fin_of<'a>(house: &'a House, service: &str) -> &'a str {
    if service == "justice/enforcement-debt" {
        &house.applicant().fin
    } else {
        let personas = &house.environment.personas;
        qovsaq::demo::subject_of(service, personas, personas.requests_family())
    }
}

/// A case of all who are asked about.
async fn open_case(house: &House, client: &Client) -> String {
    let child = fin_of(house, "local-executive/guardianship");
    let persons = [fin_of(house, ""), &house.applicant().fin, child].map(|fin| json!({"subject": {"fin": fin}, "role": "applicant"}));
    let case = format!("c-{}", uuid::Uuid::now_v7().simple());
    let body = json!({"case": case, "purpose": "adsy-means-test", "persons": persons});
    let opened = client.post("/v1/cases", &body, "en").await.expect("an answer");
    assert_eq!(opened.status, 201, "{}", opened.body);
    case
}

/// Commits every fault of a service in turn but [`Fault::Down`], or that one alone.
async fn commit(house: &House, ready: &Ready, agency: AgencyCode, service: &str, down: bool) -> Vec<Committed> {
    let name = format!("{}/{service}", agency.as_str());
    let mut committed = Vec::new();
    let (client, mut body) = ready.granted(house, &name).await;
    for fault in Fault::accepted(agency, service).into_iter().filter(|fault| (*fault == Fault::Down) == down) {
        if agency == AgencyCode::CreditBureau {
            // In one case the bureau takes a repeated question for the same inquiry, with the same fate.
            body["case"] = json!(open_case(house, &client).await);
        }
        // A token that expires again and again is a refusal; this is about one that expires.
        house.set_fault(&name, fault.as_str(), (fault == Fault::TokenExpired).then_some(1));
        let answer = client.post_waiting(&format!("/v1/services/{name}"), &body, "en", WAIT).await.expect("an answer");
        let retry_after = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        let json = answer.json().expect("JSON");
        committed.push(Committed { service: name.clone(), fault, status: answer.status, retry_after, json });
    }
    committed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_every_service_is_told_as_ordered() {
    let site = Site::prepare().await;
    site.set_timeout("", TIMEOUT);
    let house = site.up().await;
    let ready = Ready::new(&house).await;
    let services: Vec<_> =
        AGENCIES.into_iter().flat_map(|agency| agency.services().iter().map(move |service| (agency, *service))).collect();
    // All services at once, each through its own faults; an agency that is down is down for all of its services.
    let committing = services.iter().map(|(agency, service)| commit(&house, &ready, *agency, service, false));
    let mut committed: Vec<Committed> = join_all(committing).await.into_iter().flatten().collect();
    house.clear_faults();
    for agency in AGENCIES {
        for service in agency.services() {
            committed.extend(commit(&house, &ready, agency, service, true).await);
            house.clear_faults();
        }
    }

    println!("{} services × their faults = {}", services.len(), committed.len());
    let differences: Vec<String> = committed.iter().filter_map(difference).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    for Committed { service, fault, json, .. } in &committed {
        let line = ledger::check_receipt(house.dir(), &lines, json);
        assert_eq!(line.metadata["given"][0]["outcome"], json["outcome"], "{service} with {fault}");
        if json["outcome"] != "FOUND" {
            assert_eq!(line.metadata["given"][0]["fields"], json!([]), "{service} with {fault}: nothing was given");
            assert!(!json.to_string().contains(fin_of(&house, service)), "{service} with {fault}: the problem names the person");
        }
    }
    // Not one of them has harmed anything: the next question is answered.
    let client = house.client();
    let case = open_case(&house, &client).await;
    let code = subscriber_code(&client, fin_of(&house, ""), &case).await;
    let ready = Ready { case, code, ..ready };
    for service in SERVICES.iter() {
        let (client, body) = ready.granted(&house, service).await;
        let answer = ask(&client, service, &body).await;
        assert_eq!((answer.status, answer.json().expect("JSON")["outcome"].clone()), (200, json!("FOUND")), "{service}: {}", answer.body);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_somebody_else_is_not_believed_however_the_person_was_named() {
    let house = House::start().await;
    let client = house.client();
    let person = house.environment.personas.requests_family().applicant();
    let document = json!({"document": {"series": person.document.series, "number": person.document.number}, "birth_date": person.birth_date.to_string()});
    let case = crate::house::fresh_case();
    let persons = json!([{"subject": document, "role": "applicant"}]);
    let opened = client.post("/v1/cases", &json!({"case": case, "purpose": "adsy-means-test", "persons": persons}), "en").await;
    assert_eq!(opened.expect("an answer").status, 201);
    let name = "interior/person-identity";
    let mut body = body_for(name, &person.fin, &case, "");
    body["subject"] = document;
    let right = ask(&client, name, &body).await;
    assert_eq!((right.status, right.json().expect("JSON")["data"]["fin"].as_str()), (200, Some(&*person.fin)), "{}", right.body);
    house.set_fault(name, "wrong-person", None);
    let wrong = ask(&client, name, &body).await;
    let problem = wrong.json().expect("JSON");
    assert_eq!((wrong.status, &problem["code"], &problem["outcome"]), (502, &json!("invalid-data"), &json!("INVALID_DATA")));
    // The journal says which rule it broke, and not by which value.
    let lines = house.closed_lines().await;
    let answered = lines.iter().rfind(|line| line.is(qovsaq::record::Kind::Answered)).expect("it answered");
    assert_eq!(answered.metadata["broken"], "another-question at document_number");
    house.stop().await;
}

fn difference(committed: &Committed) -> Option<String> {
    let Committed { service, fault, status, retry_after, json } = committed;
    let agency = AGENCIES.into_iter().find(|agency| service.split('/').next() == Some(agency.as_str())).expect("an agency's");
    let (told, expected) = (Told::of(*status, json, *retry_after), expected(agency, service, *fault));
    (told != Some(expected)).then(|| format!("{service} with {fault}: {expected:?} is expected, told is {told:?}: {status} {json:.300}"))
}
