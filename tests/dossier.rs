//! The dossier over the wire: what settles it, who may read it again, and under which rights.

use std::time::Duration;

use mock_agencies::{Family, FamilyRole};
use qovsaq::client::{Answer, Client};
use qovsaq::demo::{CONSUMER, Environment};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::house::{House, SERVICES, dossier_envelope, options};
use crate::ledger;

const DOSSIER: &str = "/v1/dossiers/adsy-means-test";
/// Longest time a dossier may take to settle here: two rounds, half a minute apart.
const SETTLES_WITHIN: Duration = Duration::from_secs(70);

/// Opens a dossier for a case; waits so many seconds before 202.
async fn open(client: &Client, case: &str, seconds: u64) -> Answer {
    let answer = client.post_waiting(DOSSIER, &dossier_envelope(case), "en", seconds).await.expect("an answer");
    assert!([200, 202].contains(&answer.status), "{} {}", answer.status, answer.body);
    answer
}

fn location(answer: &Answer) -> String {
    answer.headers["location"].to_str().expect("an address").to_owned()
}

async fn read(client: &Client, location: &str) -> Answer {
    client.get(location, "en").await.expect("an answer")
}

/// Reads a dossier again until it is settled.
async fn settled(client: &Client, location: &str) -> Json {
    let reading = async {
        loop {
            let answer = read(client, location).await;
            if answer.status == 200 {
                return answer.json().expect("JSON");
            }
            assert_eq!(answer.status, 202, "{}", answer.body);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(SETTLES_WITHIN, reading).await.expect("the dossier settles")
}

fn elements(dossier: &Json) -> impl Iterator<Item = &Json> {
    dossier["elements"].as_array().expect("elements").iter()
}

fn element<'a>(dossier: &'a Json, name: &str, fin: &str) -> &'a Json {
    elements(dossier).find(|element| element["element"] == name && element["for"]["fin"] == fin).expect("it was asked")
}

fn outcomes(dossier: &Json) -> Vec<&str> {
    elements(dossier).map(|element| element["outcome"].as_str().unwrap_or("…")).collect()
}

fn only(family: &Family, role: FamilyRole) -> &str {
    &family.with_role(role).next().expect("one").fin
}

/// The dossier's receipt verifies, its entry says what was given, and every element that was asked or
/// refused names an entry before it with the same hash.
fn check_receipts(house: &House, dossier: &Json) {
    let lines = house.lines();
    let disclosed = ledger::check_receipt(house.dir(), &lines, dossier);
    assert!(disclosed.is(Kind::Disclosed), "{disclosed:?}");
    let given = disclosed.metadata["given"].as_array().expect("what is given");
    for element in elements(dossier) {
        let receipt = &element["receipt"];
        let Some(index) = receipt["index"].as_u64() else { continue };
        assert_eq!(receipt.as_object().map(serde_json::Map::len), Some(3), "an element's receipt is short");
        let line = lines.iter().find(|line| line.index == index).expect("it is in the journal");
        assert_eq!(receipt["leaf_hash"], serde_json::to_value(line.leaf_hash).expect("JSON"));
        let told = given.iter().find(|given| given["rests_on"] == index).expect("the disclosure rests on it");
        assert_eq!((&told["element"], &told["outcome"]), (&element["element"], &element["outcome"]));
    }
    ledger::check_rules(&lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_family_shows_a_record_an_absence_and_an_outage() {
    let house = House::start().await;
    let client = house.client();
    let family = house.family();
    let (applicant, spouse) = (&*family.applicant().fin, only(family, FamilyRole::Spouse));
    house.set_fault("azerishiq/consumption", "error", None);

    let case = house.open_case(&client).await;
    let answer = open(&client, &case, 10).await;
    let dossier = answer.json().expect("JSON");

    // Five identities, two incomes, one subscriber and one consumption.
    assert_eq!(elements(&dossier).count(), 9);
    for member in &family.members {
        let identity = element(&dossier, "identity", &member.fin);
        assert_eq!((&identity["outcome"], &identity["data"]["given_name"]), (&json!("FOUND"), &json!(member.given_name)));
        assert_eq!(identity["source"]["provider"], "interior");
        assert!(identity["source"]["age_seconds"].is_u64());
    }
    let income = element(&dossier, "income", applicant);
    assert_eq!(income["data"]["months"].as_array().map(Vec::len), Some(12));
    let none = element(&dossier, "income", spouse);
    assert_eq!((&none["outcome"], &none["absence"], &none["data"]), (&json!("NOT_FOUND"), &json!("fact"), &Json::Null));
    assert_eq!(element(&dossier, "electricity-subscriber", applicant)["outcome"], "FOUND");
    let outage = element(&dossier, "electricity-consumption", applicant);
    assert_eq!((&outage["outcome"], &outage["data"]), (&json!("UNAVAILABLE"), &Json::Null));
    assert!(outage["next_attempt_at"].is_string(), "it is asked again: {outage}");

    // An outage is neither settled nor a reason to ask for paper.
    assert_eq!((answer.status, &dossier["status"]), (202, &json!("pending")));
    assert_eq!(dossier["documents_required"], json!([]));
    check_receipts(&house, &dossier);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_answers_202_and_then_settles() {
    let house = House::start().await;
    let client = house.client();
    house.set_fault("interior/person-identity", "slow", None);

    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 0).await;
    let dossier = opened.json().expect("JSON");
    assert_eq!((opened.status, &dossier["status"]), (202, &json!("pending")));
    for identity in elements(&dossier).filter(|element| element["element"] == "identity") {
        assert_eq!((&identity["outcome"], &identity["source"], &identity["receipt"]), (&Json::Null, &Json::Null, &Json::Null));
    }

    let whole = settled(&client, &location(&opened)).await;
    assert_eq!(whole["dossier_id"], dossier["dossier_id"]);
    assert_eq!(whole["status"], "complete");
    assert!(outcomes(&whole).iter().all(|outcome| ["FOUND", "NOT_FOUND"].contains(outcome)), "{whole}");
    check_receipts(&house, &whole);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_answered_is_asked_again_and_what_needs_it_after_it() {
    let house = House::start().await;
    let client = house.client();
    let fin = &*house.applicant().fin;
    house.set_fault("azerishiq/subscriber", "error", Some(1));

    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 10).await;
    let first = opened.json().expect("JSON");
    assert_eq!(element(&first, "electricity-subscriber", fin)["outcome"], "UNAVAILABLE");
    let waiting = element(&first, "electricity-consumption", fin);
    assert_eq!((&waiting["outcome"], &waiting["receipt"]), (&json!("UNAVAILABLE"), &Json::Null), "it was not asked");
    let calls = house.calls();

    let second = settled(&client, &location(&opened)).await;
    assert_eq!(second["status"], "complete");
    assert_eq!(element(&second, "electricity-subscriber", fin)["outcome"], "FOUND");
    assert_eq!(element(&second, "electricity-consumption", fin)["outcome"], "FOUND");
    // Only these two: what was answered is not asked again.
    assert_eq!(house.calls() - calls, 2);
    check_receipts(&house, &second);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reading_is_journalled_and_asks_nobody() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 10).await;
    assert_eq!(opened.status, 200);
    let first = opened.json().expect("JSON");
    let calls = house.calls();
    let mut disclosures = vec![ledger::receipt(&first).index];
    for _ in 0..3 {
        let again = read(&client, &location(&opened)).await;
        assert_eq!(again.status, 200);
        let again = again.json().expect("JSON");
        for (before, now) in elements(&first).zip(elements(&again)) {
            assert_eq!((&before["data"], &before["receipt"]), (&now["data"], &now["receipt"]));
        }
        check_receipts(&house, &again);
        disclosures.push(ledger::receipt(&again).index);
    }
    assert!(disclosures.is_sorted_by(|before, after| before < after), "each reading has its own entry: {disclosures:?}");
    assert_eq!(house.calls(), calls);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_consumers_dossier_does_not_exist() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 10).await;
    let own = location(&opened);
    let stranger = house.environment.client("sovqat").expect("a certificate");
    let before = house.lines().len();
    let nobodys = format!("{DOSSIER}/{}", uuid::Uuid::now_v7());
    let misnamed = own.replace("adsy-means-test", "another-dossier");
    let mut told = Vec::new();
    for (client, path) in [(&stranger, &own), (&client, &nobodys), (&client, &misnamed), (&client, &format!("{DOSSIER}/1"))] {
        let answer = read(client, path).await;
        let problem = answer.json().expect("JSON");
        assert_eq!((answer.status, &problem["code"]), (404, &json!("not-found")), "{path}");
        told.push((problem["title"].clone(), problem["detail"].clone()));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "a stranger's dossier looks like none: {told:?}");
    assert_eq!(house.lines().len(), before, "nothing is disclosed");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_its_case_is_closed_a_dossier_shows_nothing_any_more() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 10).await;
    let first = opened.json().expect("JSON");
    let calls = house.calls();
    let closed = client.post(&format!("/v1/cases/{case}/close"), &json!({}), "en").await.expect("an answer");
    assert_eq!(closed.status, 200, "{}", closed.body);

    let again = read(&client, &location(&opened)).await.json().expect("JSON");
    assert_eq!(elements(&again).count(), elements(&first).count());
    let lines = house.lines();
    for now in elements(&again) {
        assert_eq!((&now["outcome"], &now["data"], &now["source"]), (&json!("DENIED"), &Json::Null, &Json::Null), "{now}");
        let why: Vec<&Json> = now["errors"].as_array().expect("reasons").iter().map(|error| &error["pointer"]).collect();
        assert_eq!(why, ["/case"], "{now}");
        let denied = lines.iter().find(|line| now["receipt"]["index"] == line.index).expect("an entry");
        assert!(denied.is(Kind::Denied), "the refusal has its own entry: {denied:?}");
        assert_eq!(denied.metadata["reasons"], json!(["case-closed"]));
    }
    check_receipts(&house, &again);
    assert_eq!((&again["status"], &again["documents_required"]), (&json!("incomplete"), &json!([])));
    let disclosed = ledger::check_receipt(house.dir(), &lines, &again);
    assert!(disclosed.metadata["given"].as_array().expect("given").iter().all(|given| given["fields"] == json!([])), "{disclosed:?}");
    assert_eq!(house.calls(), calls);

    let anew = client.post(DOSSIER, &dossier_envelope(&case), "en").await.expect("an answer");
    assert_eq!(anew.status, 403);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_narrowed_narrows_the_next_reading() {
    let house = House::start().await;
    let client = house.client();
    let fin = &*house.applicant().fin;
    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 10).await;
    let first = opened.json().expect("JSON");
    assert!(element(&first, "identity", fin)["data"]["birth_date"].is_string());
    let calls = house.calls();

    // The officials of this role may see ordinary data alone from now on.
    let file = house.dir().join("contracts/consumers/targeted-aid.yaml");
    let text = std::fs::read_to_string(&file).expect("the consumer's contract");
    assert_eq!(text.matches("class_max: S").count(), 1);
    std::fs::write(&file, text.replace("class_max: S", "class_max: O")).expect("writable");
    if let Err(error) = house.environment.gateway.reload().await {
        panic!("not reloaded: {error:?}");
    }

    let again = read(&client, &location(&opened)).await.json().expect("JSON");
    let identity = element(&again, "identity", fin);
    assert_eq!(identity["outcome"], "FOUND");
    let shown: Vec<&String> = identity["data"].as_object().expect("data").keys().collect();
    assert_eq!(shown, ["surname", "given_name", "patronymic", "patronymic_suffix"]);
    assert!(identity["withheld"].as_array().expect("a list").contains(&json!({"field": "birth_date", "reason": "class"})), "{identity}");
    let income = element(&again, "income", fin);
    assert_eq!((&income["outcome"], &income["data"]), (&json!("DENIED"), &Json::Null), "nothing of it is ordinary");
    assert_eq!(house.calls(), calls);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_ends_what_needs_it_and_asks_for_paper() {
    let house = House::start().await;
    let client = house.client();
    let family = house.environment.personas.family("no-electricity").expect("a family");
    let fin = &*family.applicant().fin;
    let case = house.environment.open_case(&client, family).await.expect("a case");
    let opened = open(&client, &case, 10).await;
    let dossier = opened.json().expect("JSON");
    let subscriber = element(&dossier, "electricity-subscriber", fin);
    assert_eq!((&subscriber["outcome"], &subscriber["absence"]), (&json!("NOT_FOUND"), &json!("unknown")));
    let not_needed = json!([{"element": "electricity-consumption", "for": {"fin": fin}, "because": "electricity-subscriber: NOT_FOUND"}]);
    assert_eq!(dossier["not_needed"], not_needed);
    let documents = json!([{"element": "electricity-subscriber", "for": {"fin": fin}, "because": "NOT_FOUND"}]);
    assert_eq!(dossier["documents_required"], documents);
    assert_eq!((opened.status, &dossier["status"]), (200, &json!("awaiting_documents")));
    check_receipts(&house, &dossier);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_deadline_ends_all_of_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let shipped = include_str!("../contracts/dossiers/adsy-means-test@1.0.0.yaml");
    let hurried = shipped.replace("deadline: 20s", "deadline: 2s");
    assert_ne!(shipped, hurried);
    let dossiers = folder.path().join("contracts/dossiers");
    std::fs::create_dir_all(&dossiers).expect("a folder");
    std::fs::write(dossiers.join("adsy-means-test@1.0.0.yaml"), hurried).expect("writable");
    let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
    let client = environment.client(CONSUMER).expect("a certificate");
    for service in SERVICES {
        let (provider, name) = service.split_once('/').expect("provider/service");
        environment.agencies[provider].set_fault(name, "hang", None).expect("accepted");
    }

    let case = environment.open_case(&client, environment.personas.reference_family()).await.expect("a case");
    let began = Instant::now();
    let opened = open(&client, &case, 30).await;
    // Four seconds are the shortest time limit of a service: it is the dossier's own that ended them.
    let took = began.elapsed();
    assert!((Duration::from_millis(1_900)..Duration::from_millis(3_900)).contains(&took), "{took:?}");
    let dossier = opened.json().expect("JSON");
    assert_eq!((opened.status, &dossier["status"]), (202, &json!("pending")));
    assert!(outcomes(&dossier).iter().all(|outcome| *outcome == "UNAVAILABLE"), "{dossier}");
    environment.stop().await.expect("stops in order");
    ledger::check_rules(&ledger::read(folder.path(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_without_its_case_is_refused_with_a_receipt() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let closed = house.open_case(&client).await;
    client.post(&format!("/v1/cases/{closed}/close"), &json!({}), "en").await.expect("an answer");
    let mut other_purpose = dossier_envelope(&case);
    other_purpose["purpose"] = json!("social-payments");
    let mut stranger = dossier_envelope(&case);
    stranger["subject"] = json!({"fin": house.environment.personas.requests_family().applicant().fin});
    let cases = [
        (dossier_envelope("c-nobodys"), vec!["case-unknown"]),
        (dossier_envelope(&closed), vec!["case-closed"]),
        (other_purpose, vec!["purpose-not-granted", "case-purpose"]),
        (stranger, vec!["person-not-in-case"]),
    ];
    for (body, reasons) in cases {
        let answer = client.post(DOSSIER, &body, "en").await.expect("an answer");
        let problem = answer.json().expect("JSON");
        assert_eq!((answer.status, &problem["code"], &problem["outcome"]), (403, &json!("denied"), &json!("DENIED")), "{problem}");
        let told: Vec<&str> =
            problem["errors"].as_array().expect("errors").iter().filter_map(|error| error["detail"].as_str()?.split(':').next()).collect();
        assert_eq!(told, reasons);
        let lines = house.lines();
        let denied = ledger::check_receipt(house.dir(), &lines, &problem);
        assert!(denied.is(Kind::Denied), "{denied:?}");
        assert_eq!(denied.metadata["reasons"], json!(reasons));
    }
    assert_eq!(house.calls(), 0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_without_a_grant_is_refused_element_by_element_and_nobody_is_asked() {
    let house = House::start().await;
    let client = house.environment.client("sovqat").expect("a certificate");
    let case = house.open_case(&client).await;
    let opened = open(&client, &case, 10).await;
    let dossier = opened.json().expect("JSON");
    assert_eq!((opened.status, &dossier["status"]), (200, &json!("incomplete")));
    for element in elements(&dossier) {
        assert_eq!((&element["outcome"], &element["data"]), (&json!("DENIED"), &Json::Null), "{element}");
        assert!(element["receipt"]["index"].is_u64(), "a refusal is journalled: {element}");
    }
    assert_eq!(house.calls(), 0);
    check_receipts(&house, &dossier);
    house.stop().await;
}
