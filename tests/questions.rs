//! What is answered with yes or no: the values never leave, a no does not show whether there is a record, and what
//! could not be asked is neither.

use jiff::ToSpan as _;
use mock_agencies::{ActKind, Person};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{Asker, House, ask, envelope, header};
use crate::ledger;

const IDENTITY: &str = "interior/person-identity";
const ACTS: &str = "justice/family-acts";
const STATUS: &str = "taxes/taxpayer-status";

fn applicant<'a>(house: &'a House, family: &str) -> &'a Person {
    house.environment.personas.family(family).expect("a family").applicant()
}

/// What an answer tells, without what differs between any two.
fn told(answer: &qovsaq::client::Answer) -> (u16, Json, Vec<String>) {
    let mut body = answer.json().expect("JSON");
    let members = body.as_object_mut().expect("an object");
    members.retain(|name, _| !["request_id", "receipt"].contains(&name.as_str()));
    if let Some(source) = members.get_mut("source").and_then(Json::as_object_mut) {
        source.retain(|name, _| !["obtained_at", "age_seconds"].contains(&name.as_str()));
    }
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id", "content-length"].contains(&name.as_str()) && !name.as_str().starts_with("ratelimit"))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    (answer.status, body, headers)
}

// clause: 634/6.1.5 634/2.6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_does_not_tell_whether_there_is_a_record() {
    let site = Site::prepare().await.keep_answers();
    // One whose business is suspended has a record all the same.
    site.change("contracts/consumers/employment.yaml", "where: {status: [active, suspended]}", "where: {status: [active]}");
    let house = site.up().await;
    let client = house.environment.client("employment").expect("a certificate");
    let people = ["business-owner", "suspended-taxpayer", "requests"].map(|family| applicant(&house, family).fin.to_string());
    let everyone = || house.environment.personas.families().iter().flat_map(mock_agencies::Family::everyone);
    let none = everyone().find(|person| person.taxpayer.is_none() && !person.unknown_to_taxes).expect("not in business").fin.to_string();

    let mut stories = Vec::new();
    for fin in [&people[1], &none] {
        let asker = Asker::with(&client, fin, "employment-registration", "case-officer").await;
        let mut story = Vec::new();
        for freshness in ["max-age=60", "max-age=60", "no-cache", "only-if-cached", "max-age=60"] {
            story.push(told(&asker.ask_with(STATUS, &[("cache-control", freshness)]).await));
        }
        let mut body = asker.body(STATUS);
        body["fields"] = json!(["status", "registered_on"]);
        story.push(told(&ask(&client, STATUS, &body).await));
        stories.push(story);
    }
    assert_eq!(stories[0], stories[1]);
    let (status, no, headers) = &stories[0][0];
    assert_eq!(
        (*status, &no["outcome"], &no["data"], &no["absence"]),
        (200, &json!("FOUND"), &json!({"answer": false}), &Json::Null),
        "{no}"
    );
    assert_eq!((&no["source"]["via"], &no["source"]["expires_at"]), (&json!("provider"), &Json::Null));
    assert!(headers.iter().all(|header| !header.starts_with("age")), "{headers:?}");

    // A yes is kept like any other fact.
    let owner = Asker::with(&client, &people[0], "employment-registration", "case-officer").await;
    let (asked, yes) = (house.asked_of(STATUS), owner.ask(STATUS).await);
    assert_eq!(yes.json().expect("JSON")["data"], json!({"answer": true}));
    let hit = owner.ask(STATUS).await;
    assert!(header(&hit, "cache-status").starts_with("qovsaq; hit"), "{:?}", hit.headers);
    assert_eq!(hit.json().expect("JSON")["data"], json!({"answer": true}));
    assert_eq!(house.asked_of(STATUS), asked + 1);

    // What could not be asked is no no.
    house.set_fault(STATUS, "down", None);
    let down = Asker::with(&client, &none, "employment-registration", "case-officer")
        .await
        .ask_with(STATUS, &[("cache-control", "no-cache")])
        .await;
    assert_eq!((down.status, &down.json().expect("JSON")["outcome"]), (503, &json!("UNAVAILABLE")), "{}", down.body);
    house.clear_faults();

    // The journal has what the source said and, beside it, that a yes or no was told, and of no field.
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let given: Vec<_> = lines.iter().filter(|line| line.is(Kind::Disclosed)).map(|line| &line.metadata["given"][0]).collect();
    let of_answers: Vec<_> = given.iter().filter(|given| given["outcome"] == "FOUND").collect();
    assert!(of_answers.len() >= 12 && of_answers.iter().all(|given| given["fields"] == json!(["answer"])), "{given:?}");
    assert!(lines.iter().any(|line| line.is(Kind::Answered) && line.metadata["outcome"] == "NOT_FOUND"));
    house.stop().await;
}

// clause: 634/6.1.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_document_is_confirmed_and_nothing_else_is_told() {
    let house = House::start().await;
    let client = house.environment.client("call-centre").expect("a certificate");
    let person = house.applicant();
    let by = |birth: jiff::civil::Date| json!({"document": {"series": &*person.document.series, "number": &*person.document.number}, "birth_date": birth.to_string()});
    let wrong = person.birth_date.checked_add(1.day()).expect("a day");
    for (birth, outcome) in [(person.birth_date, "FOUND"), (wrong, "NOT_FOUND")] {
        let case = format!("c-{}", uuid::Uuid::now_v7().simple());
        let opened = json!({"case": case, "purpose": "caller-check", "persons": [{"subject": by(birth), "role": "other"}]});
        assert_eq!(client.post("/v1/cases", &opened, "en").await.expect("an answer").status, 201);
        let mut body = envelope("", &case, json!({}));
        (body["subject"], body["purpose"], body["role"]) = (by(birth), json!("caller-check"), json!("operator"));
        let answer = ask(&client, IDENTITY, &body).await;
        let said = answer.json().expect("JSON");
        assert_eq!((answer.status, &said["outcome"]), (200, &json!(outcome)), "{}", answer.body);
        // That no record is found proves nothing: the contract says so, and it is not made a no.
        let (data, absence) = if outcome == "FOUND" { (json!({"answer": true}), Json::Null) } else { (Json::Null, json!("unknown")) };
        assert_eq!((&said["data"], &said["absence"]), (&data, &absence));
        for value in [&*person.fin, &*person.surname, &*person.given_name, &*person.birth_place] {
            assert!(!answer.body.contains(value), "{}", answer.body);
        }
    }
    // By FIN nothing is granted.
    let asker = Asker::with(&client, &person.fin, "caller-check", "operator").await;
    let refused = asker.ask(IDENTITY).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("subject-not-granted"));
    house.stop().await;
}

// clause: 634/6.1.5 634/6.2.4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_death_it_is_is_part_of_the_question() {
    let house = House::start().await;
    let client = house.environment.client("disability").expect("a certificate");
    let deaths = |fin: &str| house.environment.personas.acts_of(fin).filter(|act| act.kind == ActKind::Death).count();
    let widow = applicant(&house, "widow");
    let dead = house.environment.personas.family("widow").expect("a family").relatives.first().expect("a husband");
    let living = house.applicant();
    assert_eq!((deaths(&widow.fin), deaths(&dead.fin), deaths(&living.fin)), (1, 1, 0));

    for (fin, outcome, data) in [
        (&dead.fin, "FOUND", json!({"answer": true})),
        (&widow.fin, "FOUND", json!({"answer": false})),
        (&living.fin, "NOT_FOUND", Json::Null),
    ] {
        let asker = Asker::with(&client, fin, "disability-assessment", "registrar").await;
        let mut body = asker.body(ACTS);
        body["input"]["act_kinds"] = json!(["death"]);
        let answer = ask(&client, ACTS, &body).await;
        let said = answer.json().expect("JSON");
        assert_eq!((&said["outcome"], &said["data"]), (&json!(outcome), &data), "{}", answer.body);
        if outcome == "FOUND" {
            assert_eq!(said["source"]["handling"], "own-use");
        }
        // Another kind may not be asked for: whether there is an answer would tell of it.
        body["input"]["act_kinds"] = json!(["birth"]);
        let refused = ask(&client, ACTS, &body).await;
        assert!(refused.status == 403 && refused.body.contains("codes-not-granted"), "{}", refused.body);
    }
    house.stop().await;
}
