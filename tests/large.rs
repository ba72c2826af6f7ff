//! Dossiers as large as they may be: told whole, in as many entries as it takes, and not one person more.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use model::contract::{ELEMENTS_MAX, PERSONS_MAX};
use qovsaq::client::{Answer, Client};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{House, dossier_envelope};
use crate::ledger::{self, Line};

const DOSSIER: &str = "/v1/dossiers/adsy-means-test";
const DOSSIER_FILE: &str = "contracts/dossiers/adsy-means-test@1.0.0.yaml";
/// Longest time that three thousand questions may take.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

/// A deployment whose dossier has as many elements as one may have, with names as long as they may be; those
/// that are added are asked about everyone, and every persona has them.
async fn with_every_element() -> House {
    let site = Site::prepare().await.keep_answers();
    site.change_config("segment_bytes: 1048576", "segment_bytes: 16777216");
    let file = std::fs::read_to_string(site.dir().join(DOSSIER_FILE)).expect("a dossier");
    let elements = file.split_once("\nelements:\n").expect("elements").1.lines();
    let there = elements.filter(|line| line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with([' ', '#']))).count();
    let added = (there..ELEMENTS_MAX).map(|number| {
        let name = format!("{:x<64}", format!("element-{number}-"));
        format!("  {name}: {{service: interior/person-identity, for: [applicant, spouse, child, adult, other], need: optional}}\n")
    });
    std::fs::write(site.dir().join(DOSSIER_FILE), file + &added.collect::<String>()).expect("writable");
    site.up().await
}

/// Opens a case of the reference family and strangers, so many persons in all.
async fn crowded_case(house: &House, client: &Client, count: usize) -> String {
    let family = house.family();
    let own = |fin: &str| family.members.iter().find(|member| &*member.fin == fin);
    let strangers = house.environment.personas.people().filter(|person| own(&person.fin).is_none());
    let persons: Vec<Json> = family
        .members
        .iter()
        .map(|member| (&member.fin, qovsaq::demo::role(member.role)))
        .chain(strangers.map(|person| (&person.fin, "adult")))
        .take(count)
        .map(|(fin, role)| json!({"subject": {"fin": fin}, "role": role}))
        .collect();
    assert_eq!(persons.len(), count, "there are enough personas");
    let case = crate::house::fresh_case();
    let body = json!({"case": case, "purpose": "adsy-means-test", "persons": persons});
    assert_eq!(client.post("/v1/cases", &body, "en").await.expect("an answer").status, 201);
    case
}

async fn open(house: &House, client: &Client, case: &str) -> Answer {
    client.post_waiting(DOSSIER, &dossier_envelope(house.family(), case), "en", 60).await.expect("an answer")
}

/// Reads a dossier until nothing of it is without an outcome.
async fn answered(client: &Client, opened: Answer) -> Json {
    let location = opened.headers["location"].to_str().expect("an address").to_owned();
    let reading = async {
        let mut answer = opened;
        loop {
            assert!([200, 202].contains(&answer.status), "{} {}", answer.status, answer.body);
            let dossier = answer.json().expect("JSON");
            if dossier["elements"].as_array().expect("elements").iter().all(|element| !element["outcome"].is_null()) {
                return dossier;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer = client.get(&location, "en").await.expect("an answer");
        }
    };
    tokio::time::timeout(SETTLES_WITHIN, reading).await.expect("everything has an outcome")
}

/// The parts of a dossier's reading prove it together: each element stands in one of them, and a hit names
/// the part that tells of it. Gives how many parts there are.
fn check_parts(house: &House, dossier: &Json) -> usize {
    let lines = house.lines();
    let last = ledger::check_receipt(house.dir(), &lines, dossier);
    let parts = ledger::parts(&lines, last);
    // What each part tells: of which element, resting on what, with which outcome.
    let key = |element: &Json, index: &Json, outcome: &Json| (element.to_string(), index.to_string(), outcome.to_string());
    let told = |part: &Line| -> BTreeSet<_> {
        ledger::given(part).iter().map(|given| key(&given["element"], &given["rests_on"], &given["outcome"])).collect()
    };
    let told_by: Vec<_> = parts.iter().map(|part| told(part)).collect();
    let hits_by: Vec<BTreeSet<String>> = parts
        .iter()
        .map(|part| ledger::given(part).iter().filter(|given| given["via"] == "cache").map(|given| given["element"].to_string()).collect())
        .collect();
    for element in dossier["elements"].as_array().expect("elements") {
        let receipt = &element["receipt"];
        if element["source"]["via"] == "cache" {
            let place = parts.iter().position(|part| receipt["index"] == part.index).unwrap_or_else(|| panic!("{element} names no part"));
            assert_eq!(receipt["leaf_hash"], json!(parts[place].leaf_hash));
            assert!(hits_by[place].contains(&element["element"].to_string()), "{element} is not told by the part it names");
        } else if receipt["index"].is_u64() {
            let own = key(&element["element"], &receipt["index"], &element["outcome"]);
            assert!(told_by.iter().any(|told| told.contains(&own)), "{element} is told by no part");
        }
    }
    ledger::check_so_far(&lines);
    parts.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_persons_and_every_element_are_told_whole_and_again_from_what_is_kept() {
    let house = with_every_element().await;
    let client = house.client();
    let case = crowded_case(&house, &client, PERSONS_MAX).await;
    let dossier = answered(&client, open(&house, &client, &case).await).await;
    let persons: BTreeSet<&str> =
        dossier["elements"].as_array().expect("elements").iter().filter_map(|element| element["for"]["fin"].as_str()).collect();
    assert_eq!(persons.len(), PERSONS_MAX);
    let found = dossier["elements"].as_array().expect("elements").iter().filter(|element| element["outcome"] == "FOUND").count();
    assert!(found > 40 * PERSONS_MAX, "{found}");
    // All of them were known: the application, whose members they are among, is used.
    let application =
        dossier["elements"].as_array().and_then(|elements| elements.iter().find(|element| element["element"] == "application"));
    assert_eq!(application.expect("it was asked")["outcome"], "FOUND");
    assert!(check_parts(&house, &dossier) > 1, "more than one entry takes");

    // The same questions in another case: hits, which have nothing but these entries to prove them.
    let asked = house.asked();
    let again = crowded_case(&house, &client, PERSONS_MAX).await;
    let mut whole = None;
    let take = |event: &str, data: &Json| {
        assert!(["element", "settled", "pending"].contains(&event), "{event}: {data}");
        whole = (event != "element").then(|| data.clone());
        ControlFlow::Continue(())
    };
    client.stream(DOSSIER, &dossier_envelope(house.family(), &again), "en", 60, take).await.expect("a stream");
    let dossier = whole.expect("its end is the whole dossier");
    let hits = dossier["elements"].as_array().expect("elements").iter().filter(|element| element["source"]["via"] == "cache").count();
    assert!(hits > 40 * PERSONS_MAX, "{hits} hits, {} questions", house.asked() - asked);
    assert!(check_parts(&house, &dossier) > 1, "more than one entry takes");
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_person_more_than_a_dossier_takes_is_refused_before_anything_is_asked() {
    let house = House::start().await;
    let client = house.client();
    let case = crowded_case(&house, &client, PERSONS_MAX + 1).await;
    let refused = open(&house, &client, &case).await;
    let problem = refused.json().expect("JSON");
    assert_eq!((refused.status, &problem["code"]), (422, &json!("contract-broken")), "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    assert_eq!((errors.len(), &errors[0]["pointer"]), (1, &json!("/case")));
    assert!(errors[0]["detail"].as_str().is_some_and(|detail| detail.contains(&PERSONS_MAX.to_string())), "{problem}");
    assert_eq!(house.asked(), 0);
    assert!(!house.lines().iter().any(|line| [Kind::Intent, Kind::Disclosed].iter().any(|kind| line.is(*kind))));
    house.stop().await;
}
