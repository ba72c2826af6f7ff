//! The dossier over the wire: who it is about, what settles it, who may read it again, and under which
//! rights.

use std::ops::ControlFlow;
use std::time::Duration;

use mock_agencies::{Family, FamilyRole, Person};
use qovsaq::client::{Answer, Client};
use qovsaq::demo::playing;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::child::Site;
use crate::house::{House, SERVICES, dossier_envelope, until};
use crate::ledger;
use crate::played::Played;

const DOSSIER: &str = "/v1/dossiers/adsy-means-test";
const DOSSIER_FILE: &str = "contracts/dossiers/adsy-means-test@1.0.0.yaml";
/// Longest time a dossier may take to settle here.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
/// What is asked about everyone.
const OF_EVERYONE: [&str; 5] = ["identity", "residence", "family-acts", "displacement", "absence-abroad"];
/// What is asked about adults alone.
const OF_ADULTS: [&str; 7] = ["income", "business", "vehicles", "real-estate", "purchases", "loans", "alimony"];
/// What is asked about adults in the country.
const OF_RURAL_ADULTS: [&str; 2] = ["subsidies", "livestock"];
/// What is asked about a dwelling.
const OF_A_DWELLING: [&str; 4] = ["electricity-subscriber", "electricity-consumption", "water", "gas"];

/// Calls and sources of the reference dossier for the reference family (agency catalogue, section 5).
const CALLS_AND_SOURCES: (usize, usize) = (53, 15);

/// A deployment whose dossier asks again after a second instead of half a minute.
async fn eager() -> House {
    let site = Site::prepare().await;
    site.change(DOSSIER_FILE, "retry_every: 30s", "retry_every: 1s");
    site.up().await
}

/// Opens a dossier for a case; waits so many seconds before 202.
async fn open(client: &Client, family: &Family, case: &str, seconds: u64) -> Answer {
    let answer = client.post_waiting(DOSSIER, &dossier_envelope(family, case), "en", seconds).await.expect("an answer");
    assert!([200, 202].contains(&answer.status), "{} {}", answer.status, answer.body);
    answer
}

/// A case that names the applicant alone: whoever else there is, the dossier finds.
async fn applicants_case(house: &House, client: &Client, family: &Family) -> String {
    let applicant = family.members.get(..1).expect("the applicant is the first member");
    house.environment.open_case_of(client, applicant).await.expect("a case")
}

fn family<'a>(house: &'a House, name: &str) -> &'a Family {
    house.environment.personas.family(name).expect("a family")
}

/// Opens a family's dossier in a case of the applicant alone, and waits for it.
async fn discovered(house: &House, client: &Client, family: &Family) -> (u16, Json) {
    let case = applicants_case(house, client, family).await;
    let answer = open(client, family, &case, 20).await;
    let dossier = answer.json().expect("JSON");
    check_receipts(house, &dossier);
    (answer.status, dossier)
}

fn location(answer: &Answer) -> String {
    answer.headers["location"].to_str().expect("an address").to_owned()
}

async fn read(client: &Client, location: &str) -> Answer {
    client.get(location, "en").await.expect("an answer")
}

/// Reads a dossier again until something holds of it.
async fn read_until(client: &Client, location: &str, holds: impl Fn(&Json) -> bool) -> Json {
    let reading = async {
        loop {
            let answer = read(client, location).await;
            assert!([200, 202].contains(&answer.status), "{}", answer.body);
            let dossier = answer.json().expect("JSON");
            if holds(&dossier) {
                return dossier;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SETTLES_WITHIN, reading).await.expect("it comes to hold")
}

/// Reads a dossier again until it is settled.
async fn settled(client: &Client, location: &str) -> Json {
    read_until(client, location, |dossier| !["pending", "overdue"].contains(&dossier["status"].as_str().unwrap_or_default())).await
}

fn elements(dossier: &Json) -> impl Iterator<Item = &Json> {
    dossier["elements"].as_array().expect("elements").iter()
}

fn named<'a>(dossier: &'a Json, name: &str) -> Vec<&'a Json> {
    elements(dossier).filter(|element| element["element"] == name).collect()
}

fn element<'a>(dossier: &'a Json, name: &str, fin: &str) -> &'a Json {
    elements(dossier).find(|element| element["element"] == name && element["for"]["fin"] == fin).expect("it was asked")
}

/// Why an element was not asked about somebody.
fn not_needed<'a>(dossier: &'a Json, name: &str, fin: &str) -> &'a str {
    let items = dossier["not_needed"].as_array().expect("a list").iter();
    let mut of = items.filter(|item| item["element"] == name && item["for"]["fin"] == fin);
    let because = of.next().unwrap_or_else(|| panic!("{name} is needed"))["because"].as_str().expect("a reason");
    assert!(of.next().is_none(), "{name} stands there once");
    because
}

fn outcomes(dossier: &Json) -> Vec<&str> {
    elements(dossier).map(|element| element["outcome"].as_str().unwrap_or("…")).collect()
}

fn only(family: &Family, role: FamilyRole) -> &Person {
    family.with_role(role).next().expect("one")
}

/// The dossier's receipt verifies, its entry says what was given, and every element that was asked or
/// refused names an entry before it with the same hash; what was obtained for another question names the
/// disclosure itself.
fn check_receipts(house: &House, dossier: &Json) {
    let lines = house.lines();
    let disclosed = ledger::check_receipt(house.dir(), &lines, dossier);
    assert!(disclosed.is(Kind::Disclosed), "{disclosed:?}");
    // A large one is told by several entries together.
    let parts = ledger::parts(&lines, disclosed);
    for element in elements(dossier) {
        check_element(&lines, &parts, element);
    }
    ledger::check_so_far(&lines);
}

fn check_element(lines: &[ledger::Line], parts: &[&ledger::Line], element: &Json) {
    let receipt = &element["receipt"];
    let Some(index) = receipt["index"].as_u64() else {
        // Not asked: nobody was told anything.
        return assert!(element["data"].is_null() && element["source"].is_null(), "{element}");
    };
    assert_eq!(receipt.as_object().map(serde_json::Map::len), Some(3), "an element's receipt is short");
    let line = lines.iter().find(|line| line.index == index).expect("it is in the journal");
    assert_eq!(receipt["leaf_hash"], serde_json::to_value(line.leaf_hash).expect("JSON"));
    let via_cache = element["source"]["via"] == "cache";
    assert_eq!(via_cache, parts.iter().any(|part| part.index == index), "{element}");
    let given: Vec<Json> = parts.iter().flat_map(|part| ledger::given(part)).collect();
    let mut of = given.iter().filter(|given| given["element"] == element["element"] && (via_cache || given["rests_on"] == index));
    assert!(of.any(|given| given["outcome"] == element["outcome"]), "{element} is not in {parts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_brings_the_family_from_all_sources() {
    let house = House::start().await;
    let client = house.client();
    let family = house.family();
    let (status, dossier) = discovered(&house, &client, family).await;
    assert_eq!((status, &dossier["status"]), (200, &json!("complete")), "{dossier}");

    let application = &named(&dossier, "application")[0]["data"];
    assert_eq!(application["members"].as_array().map(Vec::len), Some(4));
    // Everybody is found, though the case named the applicant alone; each is himself.
    for member in &family.members {
        let identity = element(&dossier, "identity", &member.fin);
        assert_eq!((&identity["outcome"], &identity["data"]["given_name"]), (&json!("FOUND"), &json!(member.given_name)));
        for name in OF_EVERYONE {
            element(&dossier, name, &member.fin);
        }
        for name in OF_ADULTS.into_iter().chain(OF_RURAL_ADULTS) {
            if member.role == FamilyRole::Child {
                assert_eq!(not_needed(&dossier, name, &member.fin), "identity.birth_date: under 18 years");
            } else {
                element(&dossier, name, &member.fin);
            }
        }
    }
    // One dwelling, one account: whoever comes first asks for all.
    let applicant = &*family.applicant().fin;
    for name in OF_A_DWELLING {
        assert_eq!(named(&dossier, name).len(), 1, "{name}");
        element(&dossier, name, applicant);
    }
    let (spouse, once) = (&*only(family, FamilyRole::Spouse).fin, "asked once per residence.address_code");
    assert_eq!(not_needed(&dossier, "electricity-subscriber", spouse), once);
    assert_eq!(not_needed(&dossier, "water", spouse), once);
    element(&dossier, "phone", applicant);
    assert_eq!(not_needed(&dossier, "household-register", spouse), "livestock: FOUND");
    // The children of 15 and 9, not the one of 4; and the one man of an age to serve.
    let children: Vec<&str> = family.with_role(FamilyRole::Child).map(|child| &*child.fin).collect();
    for (child, school) in children.iter().zip([Some("general"), Some("general"), None]) {
        match school {
            Some(level) => assert_eq!(element(&dossier, "schooling", child)["data"]["enrolments"][0]["level"], level),
            None => assert_eq!(not_needed(&dossier, "schooling", child), "identity.birth_date: under 6 years"),
        }
    }
    assert_eq!(not_needed(&dossier, "schooling", spouse), "identity.birth_date: 18 years or more");
    assert_eq!(not_needed(&dossier, "military", spouse), "identity.sex: not male");
    assert_eq!(element(&dossier, "military", applicant)["data"]["register_status"], "reserve");
    assert_eq!(named(&dossier, "military").len() + named(&dossier, "studies").len(), 1);

    // What sources say of one another's persons.
    let income = element(&dossier, "income", applicant);
    assert_eq!(income["data"]["months"].as_array().map(Vec::len), Some(12));
    let none = element(&dossier, "income", spouse);
    assert_eq!((&none["outcome"], &none["absence"], &none["data"]), (&json!("NOT_FOUND"), &json!("fact"), &Json::Null));
    let flat = &element(&dossier, "real-estate", applicant)["data"]["objects"][0];
    assert_eq!(
        (&flat["object_kind"], &flat["share"]),
        (&json!("flat"), &element(&dossier, "real-estate", spouse)["data"]["objects"][0]["share"])
    );
    let writs = element(&dossier, "alimony", applicant)["data"]["writs"].as_array().expect("a list").clone();
    assert!(!writs.is_empty() && writs.iter().all(|writ| writ["debt_kind"] == "alimony"), "{writs:?}");
    assert_eq!(element(&dossier, "loans", applicant)["data"]["active_loans"], 1);
    let asked: std::collections::BTreeSet<&str> = elements(&dossier).filter_map(|element| element["source"]["provider"].as_str()).collect();
    let active = house.environment.gateway.gateway.active();
    let plan = active.snapshot.dossiers.values().next().expect("the dossier");
    let planned: std::collections::BTreeSet<&str> = plan.elements.iter().map(|element| element.service.provider()).collect();
    assert_eq!(asked, planned);
    for source in planned {
        // It delivers files, and is asked nothing.
        if source == "azeriqaz" {
            continue;
        }
        // Of several bodies the family's own.
        let calls: u64 = playing(&house.environment.agencies, source).map(|running| running.calls().total).sum();
        assert!(calls > 0, "{source} was not asked");
    }
    // A call each; nobody is asked what is not needed.
    let lines = house.closed_lines().await;
    assert_eq!(ledger::closers(&lines).len(), elements(&dossier).count());
    assert_eq!(lines.iter().filter(|line| line.is(Kind::MembersDiscovered)).count(), 1);
    let intents: Vec<&str> =
        lines.iter().filter(|line| line.is(Kind::Intent)).filter_map(|line| line.metadata["service"].as_str()).collect();
    let sources: std::collections::BTreeSet<&str> = intents.iter().filter_map(|service| service.split_once('/')).map(|of| of.0).collect();
    assert_eq!((intents.len(), sources.len()), CALLS_AND_SOURCES, "{sources:?}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_one_source_leaves_the_rest_answered() {
    let house = House::start().await;
    let client = house.client();
    house.set_fault("azerishiq/consumption", "error", None);
    let family = house.family();
    let (status, dossier) = discovered(&house, &client, family).await;
    let outage = element(&dossier, "electricity-consumption", &family.applicant().fin);
    assert_eq!((&outage["outcome"], &outage["data"]), (&json!("UNAVAILABLE"), &Json::Null));
    assert!(outage["next_attempt_at"].is_string(), "it is asked again: {outage}");
    for other in elements(&dossier).filter(|element| element["element"] != "electricity-consumption") {
        assert!(["FOUND", "NOT_FOUND"].contains(&other["outcome"].as_str().unwrap_or_default()), "{other}");
        assert!(other["next_attempt_at"].is_null());
    }
    // An outage is neither settled nor a reason to ask for paper.
    assert_eq!((status, &dossier["status"]), (202, &json!("pending")));
    assert_eq!(dossier["documents_required"], json!([]));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_answers_202_and_then_settles() {
    let house = House::start().await;
    let client = house.client();
    house.set_fault("interior/person-identity", "slow", None);

    let case = house.open_case(&client).await;
    let opened = open(&client, house.family(), &case, 0).await;
    let dossier = opened.json().expect("JSON");
    assert_eq!((opened.status, &dossier["status"]), (202, &json!("pending")));
    for identity in named(&dossier, "identity") {
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
async fn a_wait_beyond_the_longest_ends_when_the_dossier_does() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let began = Instant::now();
    let opened = open(&client, house.family(), &case, 9_999).await;
    assert_eq!(opened.status, 200);
    assert!(began.elapsed() < Duration::from_secs(20));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_answered_is_asked_again_and_what_needs_it_after_it() {
    let house = eager().await;
    let client = house.client();
    let fin = &*house.applicant().fin;
    // Not transient, so that it is not asked again within its call.
    house.set_fault("azerishiq/subscriber", "malformed", Some(1));

    let case = house.open_case(&client).await;
    let opened = open(&client, house.family(), &case, 10).await;
    let first = opened.json().expect("JSON");
    assert_eq!(element(&first, "electricity-subscriber", fin)["outcome"], "INVALID_DATA");
    let waiting = element(&first, "electricity-consumption", fin);
    assert_eq!((&waiting["outcome"], &waiting["receipt"]), (&json!("UNAVAILABLE"), &Json::Null), "it was not asked");
    let calls = house.asked();

    let second = settled(&client, &location(&opened)).await;
    assert_eq!(second["status"], "complete", "{second}");
    assert_eq!(element(&second, "electricity-subscriber", fin)["outcome"], "FOUND");
    assert_eq!(element(&second, "electricity-consumption", fin)["outcome"], "FOUND");
    // Only these two: what was answered is not asked again.
    assert_eq!(house.asked() - calls, 2);
    check_receipts(&house, &second);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reading_is_journalled_and_asks_nobody() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let opened = open(&client, house.family(), &case, 10).await;
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
    let opened = open(&client, house.family(), &case, 10).await;
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
    let opened = open(&client, house.family(), &case, 10).await;
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

    let anew = client.post(DOSSIER, &dossier_envelope(house.family(), &case), "en").await.expect("an answer");
    assert_eq!(anew.status, 403);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_narrowed_narrows_the_next_reading() {
    let house = House::start().await;
    let client = house.client();
    let fin = &*house.applicant().fin;
    let case = house.open_case(&client).await;
    let opened = open(&client, house.family(), &case, 10).await;
    let first = opened.json().expect("JSON");
    assert!(element(&first, "identity", fin)["data"]["birth_date"].is_string());
    let calls = house.calls();

    // The officials of this role may see ordinary data alone from now on.
    house.change("contracts/consumers/targeted-aid.yaml", |text| text.replacen("class_max: S", "class_max: O", 1));
    house.reload().await;

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
async fn an_absence_that_is_unknown_asks_for_paper_and_ends_what_needs_it() {
    let house = House::start().await;
    let client = house.client();
    let family = family(&house, "no-mains-water");
    let (status, dossier) = discovered(&house, &client, family).await;
    let fin = &*family.applicant().fin;
    let water = element(&dossier, "water", fin);
    assert_eq!((&water["outcome"], &water["absence"]), (&json!("NOT_FOUND"), &json!("unknown")));
    // The source knows an account by its holder alone, so each adult is asked about until one is it.
    let spouse = &*only(family, FamilyRole::Spouse).fin;
    assert_eq!(element(&dossier, "water", spouse)["outcome"], "NOT_FOUND");
    let documents = dossier["documents_required"].as_array().expect("a list");
    assert!(documents.contains(&json!({"element": "water", "for": {"fin": fin}, "because": "NOT_FOUND"})), "{documents:?}");
    assert!(documents.iter().all(|document| document["element"] == "water" || document["element"] == "gas"), "{documents:?}");
    assert_eq!((status, &dossier["status"]), (200, &json!("awaiting_documents")));

    // Nobody at this address has a meter: what would be asked with its code is not needed.
    let family = self::family(&house, "displaced");
    let (_, dossier) = discovered(&house, &client, family).await;
    let fin = &*family.applicant().fin;
    assert_eq!(element(&dossier, "electricity-subscriber", fin)["outcome"], "NOT_FOUND");
    assert_eq!(not_needed(&dossier, "electricity-consumption", fin), "electricity-subscriber: NOT_FOUND");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_register_of_the_household_stands_in_where_agriculture_has_counted_nobody() {
    let house = House::start().await;
    let client = house.client();
    let family = family(&house, "grandparents");
    let (_, dossier) = discovered(&house, &client, family).await;
    let [applicant, _, grandfather, grandmother] = [0, 1, 2, 3].map(|place: usize| &*family.members[place].fin);
    for uncounted in [applicant, grandmother] {
        let animals = element(&dossier, "livestock", uncounted);
        assert_eq!((&animals["outcome"], &animals["absence"]), (&json!("NOT_FOUND"), &json!("unknown")));
    }
    // The head of the household is asked about first; who was counted needs no other register.
    let register = &element(&dossier, "household-register", applicant)["data"];
    assert_eq!(register["declared_livestock"], json!([{"kind": "hen", "head_count": 9}]));
    assert_eq!(not_needed(&dossier, "household-register", grandmother), "asked once per residence.address_code");
    assert_eq!(not_needed(&dossier, "household-register", grandfather), "livestock: FOUND");
    let wanted = |dossier: &Json| -> Vec<Json> {
        let documents = dossier["documents_required"].as_array().expect("a list").iter();
        let animals = |document: &&Json| ["livestock", "household-register"].iter().any(|name| document["element"] == *name);
        documents.filter(animals).cloned().collect()
    };
    assert_eq!(wanted(&dossier), [Json::Null; 0]);

    // Neither register knows the spouse: one paper is wanted, not two.
    let family = self::family(&house, "names-himself");
    let (_, dossier) = discovered(&house, &client, family).await;
    let spouse = &*only(family, FamilyRole::Spouse).fin;
    assert_eq!(element(&dossier, "household-register", spouse)["outcome"], "NOT_FOUND");
    assert_eq!(wanted(&dossier), [json!({"element": "household-register", "for": {"fin": spouse}, "because": "NOT_FOUND"})]);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_agriculture_is_out_the_register_stands_in_and_the_dossier_waits() {
    let house = eager().await;
    let client = house.client();
    let family = house.family();
    let (applicant, spouse) = (&*family.applicant().fin, &*only(family, FamilyRole::Spouse).fin);
    house.set_fault("agriculture/livestock", "malformed", None);
    let case = applicants_case(&house, &client, family).await;
    let opened = open(&client, family, &case, 1).await;
    let first = read_until(&client, &location(&opened), |dossier| {
        elements(dossier).any(|element| element["element"] == "household-register" && element["outcome"] == "FOUND")
    })
    .await;
    assert_eq!((&first["status"], &first["documents_required"]), (&json!("pending"), &json!([])));
    assert_eq!(element(&first, "livestock", applicant)["outcome"], "INVALID_DATA");
    house.clear_faults();
    let whole = settled(&client, &location(&opened)).await;
    assert_eq!(whole["status"], "complete", "{whole}");
    // Both are told, each from its own source.
    for (name, provider) in [("livestock", "agriculture"), ("household-register", "local-executive")] {
        let element = element(&whole, name, applicant);
        assert_eq!((&element["outcome"], &element["source"]["provider"]), (&json!("FOUND"), &json!(provider)));
    }
    assert_eq!(element(&whole, "livestock", spouse)["outcome"], "FOUND");
    check_receipts(&house, &whole);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_fin_is_asked_for_on_paper() {
    let house = House::start().await;
    let client = house.client();
    let family = family(&house, "new-born");
    let (status, dossier) = discovered(&house, &client, family).await;
    let nameless = json!({"element": "application", "for": {"member": 3, "role": "child"}, "because": "NO_FIN"});
    assert!(dossier["documents_required"].as_array().expect("a list").contains(&nameless), "{}", dossier["documents_required"]);
    assert_eq!((status, &dossier["status"]), (200, &json!("awaiting_documents")));
    assert_eq!(named(&dossier, "identity").len(), 3, "of the other members nothing is missing");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_are_there_already_are_not_asked_about_twice() {
    let house = House::start().await;
    let client = house.client();
    // The list names the representative again; two applications name each other's representative.
    for (name, members) in [("names-himself", 2), ("circle-one", 3), ("circle-two", 3)] {
        let family = family(&house, name);
        let (_, dossier) = discovered(&house, &client, family).await;
        assert_eq!(named(&dossier, "application").len(), 1, "{name}: members are not followed further");
        let identities = named(&dossier, "identity");
        assert_eq!(identities.len(), members, "{name}");
        let mut fins: Vec<_> = identities.iter().map(|identity| identity["for"]["fin"].to_string()).collect();
        fins.sort();
        fins.dedup();
        assert_eq!(fins.len(), members, "{name}: somebody is asked about twice");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_of_twelve_is_found_whole_and_its_grown_children_are_adults() {
    let house = House::start().await;
    let client = house.client();
    let family = family(&house, "twelve");
    let (_, dossier) = discovered(&house, &client, family).await;
    assert_eq!(named(&dossier, "identity").len(), 12);
    let grown = |person: &Person| -> bool {
        person.birth_date <= model::time::day(qovsaq::clock::now()).saturating_sub(jiff::Span::new().years(18))
    };
    let adults = family.members.iter().filter(|member| grown(member)).count();
    assert!(adults > 4, "children among them");
    for name in OF_ADULTS.into_iter().chain(OF_RURAL_ADULTS) {
        assert_eq!(named(&dossier, name).len(), adults, "{name}");
    }
    assert_eq!(named(&dossier, "electricity-subscriber").len(), 1, "one dwelling");

    let family = self::family(&house, "adult-child");
    let (_, dossier) = discovered(&house, &client, family).await;
    let child = only(family, FamilyRole::Child);
    let income = element(&dossier, "income", &child.fin);
    assert_eq!((&income["outcome"], &income["need"]), (&json!("FOUND"), &json!("conditional")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_the_spouse_holds_is_found() {
    let house = House::start().await;
    let client = house.client();
    let family = family(&house, "meter-by-spouse");
    let (status, dossier) = discovered(&house, &client, family).await;
    let (applicant, spouse) = (&*family.applicant().fin, &*only(family, FamilyRole::Spouse).fin);
    assert_eq!(element(&dossier, "electricity-subscriber", applicant)["data"]["holder_fin"], spouse);
    assert_eq!((status, &element(&dossier, "water", spouse)["outcome"]), (200, &json!("FOUND")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_the_spouse_holds_needs_no_paper() {
    let house = House::start().await;
    let (_, dossier) = discovered(&house, &house.client(), family(&house, "meter-by-spouse")).await;
    assert_eq!((&dossier["documents_required"], &dossier["status"]), (&json!([]), &json!("complete")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_dwellings_are_two_accounts() {
    let house = House::start().await;
    let client = house.client();
    let family = family(&house, "member-elsewhere");
    let (_, dossier) = discovered(&house, &client, family).await;
    assert_eq!((named(&dossier, "electricity-subscriber").len(), named(&dossier, "water").len()), (2, 2));
    let addresses: Vec<_> = named(&dossier, "residence").iter().map(|residence| residence["data"]["address_code"].to_string()).collect();
    assert_ne!(addresses[0], addresses[1]);
    // The household above or below shares the address and no account.
    let ground = self::family(&house, "ground-floor");
    let (_, dossier) = discovered(&house, &client, ground).await;
    assert_eq!(named(&dossier, "electricity-subscriber").len(), 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_application_those_whom_the_case_names_are_asked_about() {
    let house = House::start().await;
    let client = house.client();
    let family = house.family();
    let case = applicants_case(&house, &client, family).await;
    let mut body = dossier_envelope(family, &case);
    body["input"]["application_no"] = json!("TEST-NOT-2026-9999");
    let answer = client.post_waiting(DOSSIER, &body, "en", 20).await.expect("an answer");
    let dossier = answer.json().expect("JSON");
    let application = named(&dossier, "application")[0];
    assert_eq!((&application["outcome"], &application["absence"]), (&json!("NOT_FOUND"), &json!("unknown")));
    assert_eq!((answer.status, &dossier["status"]), (200, &json!("awaiting_documents")));
    assert_eq!(named(&dossier, "identity").len(), 1);
    // Another family's application does not open its doors: the answer is about somebody else.
    body["input"]["application_no"] = json!("TEST-NOT-2026-0043");
    let dossier = client.post_waiting(DOSSIER, &body, "en", 20).await.expect("an answer").json().expect("JSON");
    let application = named(&dossier, "application")[0];
    assert!(["INVALID_DATA", "NOT_FOUND"].contains(&application["outcome"].as_str().unwrap_or_default()), "{application}");
    assert_eq!(named(&dossier, "identity").len(), 1, "nobody of that family is asked about");
    check_receipts(&house, &dossier);
    house.stop().await;
}

/// A deployment whose notary names so many members of the reference family.
async fn with_members(count: usize) -> (House, Played) {
    let site = Site::prepare().await;
    let (number, representative) = {
        let application = site.personas.reference_family().application().expect("an application");
        (application.number.to_string(), application.representative.to_string())
    };
    let today = model::time::day(qovsaq::clock::now());
    let (notarised_on, valid_until) = (today.to_string(), today.saturating_add(jiff::Span::new().days(90)).to_string());
    let members: Vec<Json> = (0..count).map(|member| json!({"uzv_fin": format!("{member:06}O"), "qohumluq_kodu": "DG"})).collect();
    // What a source of our own cannot say of the bytes it was sent is not looked at.
    site.change_config("request_hash: required", "request_hash: ignored");
    let notary = Played::instead_of(&site, "justice", move |path| {
        if !path.starts_with("/v1/erizeler/") {
            return (503, json!({"kod": "MUVEQQETI"}));
        }
        let application = json!({
            "erize_nomresi": number, "tesdiq_tarixi": notarised_on, "etibarliliq_tarixi": valid_until,
            "temsilci_fin": representative, "uzvler": members, "arayis_nomresi": "TEST-AR-1",
        });
        (200, json!({"erize": application}))
    })
    .await;
    (site.up().await, notary)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_names_two_hundred_is_refused_whole() {
    // More than the contract's list takes; and as many as it takes, with the representative one too many
    // for a dossier, which is not the source's fault and says so.
    for (count, outcome, pointer) in [(200, "INVALID_DATA", Json::Null), (50, "UNAVAILABLE", json!("/case"))] {
        let (house, notary) = with_members(count).await;
        let client = house.client();
        let case = applicants_case(&house, &client, house.family()).await;
        let dossier = open(&client, house.family(), &case, 5).await.json().expect("JSON");
        let application = named(&dossier, "application")[0];
        assert_eq!((&application["outcome"], &application["data"]), (&json!(outcome), &Json::Null), "{count}: {application}");
        assert_eq!(application["errors"][0]["pointer"], pointer, "{count}: {application}");
        assert_eq!(named(&dossier, "identity").len(), 1, "nobody of them is asked about");
        assert!(notary.asked() >= 1 && !house.lines().iter().any(|line| line.is(Kind::MembersDiscovered)));
        check_receipts(&house, &dossier);
        house.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_as_large_as_a_dossier_takes_is_asked_about() {
    let (house, _notary) = with_members(49).await;
    let client = house.client();
    let case = applicants_case(&house, &client, house.family()).await;
    let dossier = open(&client, house.family(), &case, 20).await.json().expect("JSON");
    assert_eq!(named(&dossier, "identity").len(), 50);
    // Nobody knows the others, and that is the dossier's own end.
    assert_eq!(dossier["status"], "stopped");
    check_receipts(&house, &dossier);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_that_is_posted_again_under_its_key_is_the_same() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let body = dossier_envelope(house.family(), &case);
    let key = [("idempotency-key", "a-key-of-the-client"), ("prefer", "wait=20")];
    let first = client.post_with(DOSSIER, &body, &key).await.expect("an answer");
    assert_eq!(first.status, 200, "{}", first.body);
    let (asked, calls) = (first.json().expect("JSON"), house.asked());
    let again = client.post_with(DOSSIER, &body, &key).await.expect("an answer");
    assert_eq!((again.status, location(&again)), (200, location(&first)));
    let again = again.json().expect("JSON");
    assert_eq!((&again["dossier_id"], house.asked()), (&asked["dossier_id"], calls), "nobody is asked again");
    // Authorised and journalled like any reading.
    check_receipts(&house, &again);
    assert_ne!(ledger::receipt(&again).index, ledger::receipt(&asked).index);
    client.post(&format!("/v1/cases/{case}/close"), &json!({}), "en").await.expect("an answer");
    // A repetition has no more rights than any reading at this moment.
    let refused = client.post_with(DOSSIER, &body, &key).await.expect("an answer").json().expect("JSON");
    assert!(outcomes(&refused).iter().all(|outcome| *outcome == "DENIED"), "{refused}");

    let other_case = house.open_case(&client).await;
    let other = client.post_with(DOSSIER, &dossier_envelope(house.family(), &other_case), &key).await.expect("an answer");
    assert_eq!((other.status, other.json().expect("JSON")["code"].as_str()), (409, Some("idempotency-conflict")));
    for bad in ["", "with a blank", &"k".repeat(256)] {
        let refused = client.post_with(DOSSIER, &body, &[("idempotency-key", bad)]).await.expect("an answer");
        assert!([400, 422].contains(&refused.status), "{bad:?}: {}", refused.body);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_nobody_knows_stops_the_dossier() {
    let house = House::start().await;
    let client = house.client();
    let case = crate::house::fresh_case();
    let persons = json!([{"subject": {"fin": "9Z9Z9ZO"}, "role": "applicant"}]);
    let opened = client.post("/v1/cases", &json!({"case": case, "purpose": "adsy-means-test", "persons": persons}), "en").await;
    assert_eq!(opened.expect("an answer").status, 201);
    // Nothing else answers in time, and nothing else is waited for.
    house.set_fault("taxes/taxpayer-status", "error", None);
    let answer = open(&client, house.family(), &case, 20).await;
    let dossier = answer.json().expect("JSON");
    assert_eq!((answer.status, &dossier["status"]), (200, &json!("stopped")), "{dossier}");
    check_receipts(&house, &dossier);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_consent_is_a_refusal_and_settled() {
    let house = House::start().await;
    let client = house.client();
    let family = house.family();
    let case = house.open_case(&client).await;
    let mut body = dossier_envelope(family, &case);
    // The spouse's alone is left.
    let spouse = &*only(family, FamilyRole::Spouse).fin;
    let consents = body["consent"].as_array().expect("consents").clone();
    body["consent"] = consents.into_iter().filter(|consent| consent["subject"]["fin"] == spouse).collect();
    let answer = client.post_waiting(DOSSIER, &body, "en", 20).await.expect("an answer");
    let dossier = answer.json().expect("JSON");
    let refused = element(&dossier, "loans", &family.applicant().fin);
    assert_eq!((&refused["outcome"], &refused["data"], &refused["source"]), (&json!("DENIED"), &Json::Null, &Json::Null));
    assert!(refused["errors"][0]["pointer"].as_str().is_some_and(|pointer| pointer.starts_with("/consent")), "{refused}");
    assert_ne!(element(&dossier, "loans", spouse)["outcome"], "DENIED");
    assert_eq!((answer.status, &dossier["status"]), (200, &json!("incomplete")));
    assert_eq!(house.environment.agencies["credit-bureau"].calls().distinct_inquiries, Some(1), "only the one who consents is asked about");
    check_receipts(&house, &dossier);

    // The bureau itself may refuse a consent that we hold.
    house.set_fault("credit-bureau/obligations-summary", "consent-rejected", None);
    let (status, dossier) = discovered(&house, &client, self::family(&house, "business-owner")).await;
    let refused = named(&dossier, "loans");
    assert!(refused.iter().all(|loans| loans["outcome"] == "DENIED" && loans["receipt"]["index"].is_u64()), "{refused:?}");
    assert_eq!((status, &dossier["status"]), (200, &json!("incomplete")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_deadline_ends_all_of_it() {
    let site = Site::prepare().await;
    site.change(DOSSIER_FILE, "deadline: 20s", "deadline: 1s");
    let house = site.up().await;
    let client = house.client();
    for service in SERVICES.iter() {
        house.set_fault(service, "hang", None);
    }
    let case = house.open_case(&client).await;
    let began = Instant::now();
    let opened = open(&client, house.family(), &case, 30).await;
    // Four seconds are the time limit of every service: it is the dossier's own that ended them.
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_millis(3_500)).contains(&took), "{took:?}");
    let dossier = opened.json().expect("JSON");
    assert_eq!((opened.status, &dossier["status"]), (202, &json!("pending")));
    let others: Vec<_> = elements(&dossier).filter(|element| element["outcome"] != "UNAVAILABLE").collect();
    assert!(others.is_empty(), "{others:?}");
    check_receipts(&house, &dossier);
    house.clear_faults();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_after_the_deadline_is_taken_up_without_another_call() {
    let site = Site::prepare().await;
    site.change(DOSSIER_FILE, "deadline: 20s", "deadline: 1s");
    let house = site.up().await;
    let client = house.client();
    house.set_fault("interior/vehicle-ownership", "slow", None);
    let fin = &*house.applicant().fin;
    let case = house.open_case(&client).await;
    let opened = open(&client, house.family(), &case, 10).await;
    let first = opened.json().expect("JSON");
    let late = element(&first, "vehicles", fin);
    assert_eq!((&late["outcome"], &late["data"]), (&json!("UNAVAILABLE"), &Json::Null));
    let lines = house.lines();
    let asked = lines.iter().find(|line| late["receipt"]["index"] == line.index).expect("it was asked");
    assert!(asked.is(Kind::Intent), "it rests on what was about to be asked: {asked:?}");
    let calls = house.asked();

    let whole = settled(&client, &location(&opened)).await;
    let vehicles = element(&whole, "vehicles", fin);
    assert_eq!((&vehicles["outcome"], &vehicles["next_attempt_at"]), (&json!("FOUND"), &Json::Null));
    assert_eq!(house.asked(), calls, "nobody was asked again");
    check_receipts(&house, &whole);
    house.stop().await;
}

/// A server-sent event.
#[derive(Debug)]
struct Told {
    name: String,
    data: Json,
}

/// Opens a dossier as a stream, and reads it to its end or until `enough`.
async fn stream(client: &Client, body: &Json, seconds: u64, mut enough: impl FnMut(&Told) -> bool) -> Vec<Told> {
    let mut told = Vec::new();
    let take = |name: &str, data: &Json| {
        told.push(Told { name: name.to_owned(), data: data.clone() });
        if told.last().is_some_and(&mut enough) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    client.stream(DOSSIER, body, "en", seconds, take).await.expect("a stream");
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_each_element_once_and_then_all() {
    let house = House::start().await;
    let client = house.client();
    // One comes last, by itself.
    house.set_fault("interior/vehicle-ownership", "slow", None);
    let family = house.family();
    let case = applicants_case(&house, &client, family).await;
    let told = stream(&client, &dossier_envelope(family, &case), 20, |_| false).await;
    let (last, events) = told.split_last().expect("events");
    assert_eq!((&*last.name, &last.data["status"]), ("settled", &json!("complete")));
    check_receipts(&house, &last.data);
    assert!(events.iter().all(|event| event.name == "element"), "{events:?}");
    let key = |element: &Json| (element["element"].to_string(), element["for"].to_string());
    let mut keys: Vec<_> = events.iter().map(|event| key(&event.data)).collect();
    let mut whole: Vec<_> = elements(&last.data).map(key).collect();
    keys.sort();
    whole.sort();
    assert_eq!(keys, whole, "each is told once");
    assert_eq!(events.last().expect("an element").data["element"], "vehicles", "as they settle");
    for event in events {
        let same = elements(&last.data).find(|element| key(element) == key(&event.data)).expect("it is there");
        assert_eq!((&same["data"], &same["outcome"]), (&event.data["data"], &event.data["outcome"]));
    }
    // Every element was disclosed before it was told, and once more with the whole.
    let lines = house.closed_lines().await;
    let given: Vec<Vec<String>> = lines
        .iter()
        .filter(|line| line.is(Kind::Disclosed))
        .map(|line| line.metadata["given"].as_array().expect("given").iter().map(|given| given["element"].to_string()).collect())
        .collect();
    let (whole, parts) = given.split_last().expect("disclosures");
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), events.len());
    assert!(whole.len() >= events.len());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_its_stream_finds_the_dossier_later() {
    let house = House::start().await;
    let client = house.client();
    house.set_fault("interior/vehicle-ownership", "slow", None);
    let case = house.open_case(&client).await;
    let told = stream(&client, &dossier_envelope(house.family(), &case), 20, |_| true).await;
    assert_eq!(told.len(), 1);
    drop(client);
    // It goes on by itself: the slow ones are answered too.
    let lines = until("everything is answered", || {
        let lines = house.lines();
        let answered = |line: &&ledger::Line| line.is(Kind::Answered) && line.metadata["service"] == "interior/vehicle-ownership";
        (lines.iter().filter(answered).count() == 2).then_some(lines)
    })
    .await;
    ledger::check_rules(&lines);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_waits_no_longer_ends_with_what_there_is() {
    let house = House::start().await;
    let client = house.client();
    house.set_fault("interior/vehicle-ownership", "hang", None);
    let case = house.open_case(&client).await;
    let told = stream(&client, &dossier_envelope(house.family(), &case), 1, |_| false).await;
    let (last, events) = told.split_last().expect("events");
    assert_eq!((&*last.name, &last.data["status"]), ("pending", &json!("pending")));
    assert!(events.iter().all(|event| event.name == "element" && event.data["element"] != "vehicles"), "{events:?}");
    check_receipts(&house, &last.data);
    house.clear_faults();
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_withdrawn_while_a_dossier_streams_is_withdrawn_at_once() {
    let house = House::start().await;
    let client = house.client();
    house.set_fault("interior/vehicle-ownership", "slow", None);
    let case = house.open_case(&client).await;
    let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
    let body = dossier_envelope(house.family(), &case);
    let streaming = tokio::spawn(async move {
        let began = move |event: &Told| {
            started.send(event.data["element"].clone()).unwrap_or_default();
            false
        };
        stream(&client, &body, 20, began).await
    });
    starts.recv().await.expect("the stream begins");
    // Vehicles are granted to nobody from now on; they are under way.
    house.change("contracts/consumers/targeted-aid.yaml", |text| {
        let (before, rest) = text.split_once("  - service: interior/vehicle-ownership\n").expect("a grant");
        let (_, after) = rest.split_once("  - service: ").expect("the next one");
        format!("{before}  - service: {after}")
    });
    house.reload().await;
    let told = streaming.await.expect("a task");
    let vehicles: Vec<_> = told.iter().filter(|event| event.name == "element" && event.data["element"] == "vehicles").collect();
    assert!(!vehicles.is_empty());
    for event in vehicles {
        assert_eq!((&event.data["outcome"], &event.data["data"]), (&json!("DENIED"), &Json::Null), "{event:?}");
    }
    let last = &told.last().expect("the whole").data;
    for vehicles in named(last, "vehicles") {
        assert_eq!((&vehicles["outcome"], &vehicles["data"], &vehicles["source"]), (&json!("DENIED"), &Json::Null, &Json::Null));
    }
    check_receipts(&house, last);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_without_its_case_is_refused_with_a_receipt() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let closed = house.open_case(&client).await;
    client.post(&format!("/v1/cases/{closed}/close"), &json!({}), "en").await.expect("an answer");
    let mut other_purpose = dossier_envelope(house.family(), &case);
    other_purpose["purpose"] = json!("social-payments");
    let mut stranger = dossier_envelope(house.family(), &case);
    stranger["subject"] = json!({"fin": house.environment.personas.requests_family().applicant().fin});
    let cases = [
        (dossier_envelope(house.family(), "c-nobodys"), vec!["case-unknown"]),
        (dossier_envelope(house.family(), &closed), vec!["case-closed"]),
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
async fn what_a_role_may_not_ask_is_refused_element_by_element_and_nobody_is_asked() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    // A clerk may ask who somebody is, and see the ordinary part of it.
    let mut body = dossier_envelope(house.family(), &case);
    body["role"] = json!("clerk");
    let answer = client.post_waiting(DOSSIER, &body, "en", 20).await.expect("an answer");
    let dossier = answer.json().expect("JSON");
    assert_eq!((answer.status, &dossier["status"]), (200, &json!("incomplete")), "{dossier}");
    for element in elements(&dossier) {
        if element["element"] == "identity" {
            assert!(element["data"]["surname"].is_string() && element["data"].get("birth_date").is_none(), "{element}");
        } else {
            assert_eq!((&element["outcome"], &element["data"]), (&json!("DENIED"), &Json::Null), "{element}");
            assert!(element["receipt"]["index"].is_u64(), "a refusal is journalled: {element}");
        }
    }
    assert_eq!(house.asked(), house.asked_of("interior/person-identity"));
    check_receipts(&house, &dossier);
    // A consumer that is granted nothing for this purpose has no case of it to begin with.
    let stranger = house.environment.client("tasks").expect("a certificate");
    let refused = stranger.post(DOSSIER, &dossier_envelope(house.family(), &case), "en").await.expect("an answer");
    assert_eq!(refused.status, 403, "{}", refused.body);
    house.stop().await;
}
