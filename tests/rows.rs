//! Rows that a consumer may not see: neither an answer, nor a kept one, nor a dossier, nor a refusal tells of
//! them. And what a grant leaves out of a question: forms of subject, codes.

use http::HeaderMap;
use qovsaq::client::{Answer, Client};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{Asker, House, ask, dossier_envelope, envelope, header};
use crate::ledger;

const ACTS: &str = "justice/family-acts";
const DEBTS: &str = "justice/enforcement-debt";
const STATUS: &str = "taxes/taxpayer-status";

/// An adopted child of the personas.
const ADOPTED: &str = "9SWN2YO";
/// Who has debts, none of them alimony.
const OTHER_DEBTS: [&str; 3] = ["7D4GK9O", "2L6GY1O", "Q0XS6CO"];

/// What an answer says, without what differs between any two.
fn said(answer: &Answer) -> (u16, Json, Vec<String>) {
    let mut body = answer.json().expect("JSON");
    let members = body.as_object_mut().expect("an object");
    for own in ["request_id", "receipt"] {
        members.remove(own);
    }
    if let Some(source) = body.get_mut("source").and_then(Json::as_object_mut) {
        for time in ["obtained_at", "age_seconds"] {
            assert!(source.remove(time).is_some_and(|value| !value.is_null()), "{time}");
        }
    }
    (answer.status, body, told_by(&answer.headers))
}

fn told_by(headers: &HeaderMap) -> Vec<String> {
    let own = ["date", "x-request-id", "content-length", "traceparent"];
    let told = headers.iter().filter(|(name, _)| !own.contains(&name.as_str()) && !name.as_str().starts_with("ratelimit"));
    let mut told: Vec<String> = told.map(|(name, value)| format!("{name}: {value:?}")).collect();
    told.sort();
    told
}

/// A person of the personas who has no debt at all.
fn without_debts(house: &House) -> String {
    let mut everyone = house.environment.personas.families().iter().flat_map(mock_agencies::Family::everyone);
    everyone.find(|person| person.writs.is_empty()).expect("a person").fin.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_adopted_cannot_be_asked_for() {
    let house = House::start().await;
    let pension = house.environment.client("pension").expect("a certificate");
    let mut refusals = Vec::new();
    for fin in [ADOPTED, &*house.applicant().fin] {
        let asker = Asker::with(&pension, fin, "labour-pension", "case-officer").await;
        for kinds in [json!(["adoption"]), json!(["birth", "adoption"])] {
            let mut body = asker.body(ACTS);
            body["input"]["act_kinds"] = kinds;
            let refused = ask(&pension, ACTS, &body).await;
            assert_eq!(refused.status, 403, "{}", refused.body);
            let problem = refused.json().expect("JSON");
            assert_eq!(problem["errors"][0]["pointer"], "/input/act_kinds", "{problem}");
            assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.starts_with("codes-not-granted: ")), "{problem}");
            refusals.push(problem["errors"].clone());
        }
        // Everything but that.
        assert_eq!(asker.ask(ACTS).await.status, 200);
    }
    assert!(refusals.iter().all(|errors| *errors == refusals[0]));
    let lines = house.closed_lines().await;
    let asked = lines.iter().filter(|line| line.is(Kind::Intent)).count();
    assert_eq!(asked, 2, "of what was refused nothing was asked");
    ledger::check_rules(&lines);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_withheld_rows_is_no_record_and_stays_none_when_asked_again() {
    let house = Site::prepare().await.keep_answers().up().await;
    let client = house.client();
    let nobody = without_debts(&house);
    let mut stories = Vec::new();
    for fin in OTHER_DEBTS.into_iter().chain([&*nobody]) {
        let asker = Asker::start(&client, fin).await;
        let mut story = Vec::new();
        for fields in [Json::Null, Json::Null, json!(["fin"])] {
            let mut body = asker.body(DEBTS);
            body["fields"] = fields;
            story.push(said(&ask(&client, DEBTS, &body).await));
        }
        for freshness in ["only-if-cached", "max-age=60", "no-cache"] {
            let answer = asker.ask_with(DEBTS, &[("cache-control", freshness)]).await;
            story.push((answer.status, answer.json().expect("JSON")["outcome"].clone(), told_by(&answer.headers)));
        }
        stories.push(story);
    }
    let none = stories.pop().expect("who has none");
    assert_eq!((none[0].0, &none[0].1["outcome"], &none[0].1["absence"]), (200, &json!("NOT_FOUND"), &json!("fact")), "{none:?}");
    for story in stories {
        assert_eq!(story, none);
    }

    // The journal has what the source said and, beside it, what was told.
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let answered = |outcome| lines.iter().filter(|line| line.is(Kind::Answered) && line.metadata["outcome"] == outcome).count();
    assert_eq!((answered("FOUND"), answered("NOT_FOUND")), (15, 5));
    let told: Vec<_> = lines.iter().filter(|line| line.is(Kind::Disclosed)).map(|line| &line.metadata["given"][0]).collect();
    assert!(told.iter().all(|given| given["outcome"] != "FOUND" && given["fields"] == json!([])), "{told:?}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_record_is_none_for_a_role_that_sees_none_of_it() {
    let site = Site::prepare().await.keep_answers();
    // A second role of the same consumer sees every debt.
    let file = "contracts/consumers/targeted-aid.yaml";
    site.change(
        file,
        "  - service: justice/enforcement-debt\n",
        "  - {service: justice/enforcement-debt, fields: all, purposes: [adsy-means-test], acts: [law-targeted-aid], special: [law-targeted-aid], roles: [intake-robot]}\n  - service: justice/enforcement-debt\n",
    );
    site.change(file, "class_max: C, automated: true", "class_max: S, automated: true");
    let house = site.up().await;
    let client = house.client();
    let robot = Asker::with(&client, OTHER_DEBTS[0], "adsy-means-test", "intake-robot").await;
    assert_eq!(robot.ask(DEBTS).await.json().expect("JSON")["outcome"], "FOUND");
    let hit = robot.ask(DEBTS).await;
    assert!(header(&hit, "cache-status").starts_with("qovsaq; hit"), "{:?}", hit.headers);

    let hidden = Asker::start(&client, OTHER_DEBTS[0]).await;
    let none = Asker::start(&client, &without_debts(&house)).await;
    for headers in [&[][..], &[("cache-control", "only-if-cached")]] {
        let (one, two) = (hidden.ask_with(DEBTS, headers).await, none.ask_with(DEBTS, headers).await);
        assert_eq!(one.json().expect("JSON")["outcome"], two.json().expect("JSON")["outcome"]);
        assert_eq!((one.status, told_by(&one.headers)), (two.status, told_by(&two.headers)));
    }
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_says_which_of_its_refusals_only_follow_from_another() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    // A clerk sees names alone, so nothing may follow from a day of birth, not even that somebody is a child.
    let mut body = dossier_envelope(house.family(), &case);
    body["role"] = json!("clerk");
    let dossier = open(&client, &body).await;
    let reasons = |element: &Json| -> Vec<String> {
        let errors = element["errors"].as_array().expect("reasons").iter();
        errors.map(|error| error["detail"].as_str().expect("words").split(':').next().expect("a code").to_owned()).collect()
    };
    let elements = dossier["elements"].as_array().expect("a list");
    for (name, wanted) in [("income", "answer-denied"), ("electricity-consumption", "answer-denied"), ("residence", "role-not-granted")] {
        let of_name: Vec<_> = elements.iter().filter(|element| element["element"] == name).collect();
        assert!(!of_name.is_empty(), "{name}");
        for element in of_name {
            assert_eq!((&element["outcome"], reasons(element)), (&json!("DENIED"), vec![wanted.to_owned()]), "{element}");
        }
    }
    assert_eq!(dossier["not_needed"], json!([]), "not even that somebody is a child");
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    assert!(lines.iter().any(|line| line.is(Kind::Denied) && line.metadata["reasons"] == json!(["answer-denied"])));
    assert!(lines.iter().filter(|line| line.is(Kind::Denied)).all(|line| line.metadata["reasons"] != json!(["input-not-from-case"])));
    house.stop().await;
}

async fn open(client: &Client, body: &Json) -> Json {
    let answer = client.post_waiting("/v1/dossiers/adsy-means-test", body, "en", 20).await.expect("an answer");
    assert!(matches!(answer.status, 200 | 202), "{}", answer.body);
    answer.json().expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_by_taxpayers_number_gives_nobody_by_his_fin() {
    let house = House::start().await;
    let client = house.environment.client("doc-flow").expect("a certificate");
    for (subject, status) in [(json!({"tin": "9900001233"}), 200), (json!({"fin": &*house.applicant().fin}), 403)] {
        let case = format!("c-{}", uuid::Uuid::now_v7().simple());
        let persons = json!([{"subject": subject, "role": "other"}]);
        let opened =
            client.post("/v1/cases", &json!({"case": case, "purpose": "doc-flow", "persons": persons}), "en").await.expect("an answer");
        assert_eq!(opened.status, 201, "{}", opened.body);
        let mut body = envelope("", &case, json!({}));
        (body["subject"], body["purpose"], body["role"]) = (subject, json!("doc-flow"), json!("clerk"));
        let answer = ask(&client, STATUS, &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        if status == 403 {
            let problem = answer.json().expect("JSON");
            assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{problem}");
            assert_eq!(problem["errors"][0]["pointer"], "/subject");
            assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.starts_with("subject-not-granted: ")), "{problem}");
        }
    }
    assert_eq!(house.asked_of(STATUS), 1);
    house.stop().await;
}
