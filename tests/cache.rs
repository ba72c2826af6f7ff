//! Kept answers over the wire: given again to whom they were given, authorised and journalled like a live
//! answer; to nobody else, and not when something has changed.

use qovsaq::client::Answer;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{Asker, House, header, until};
use crate::ledger;
use crate::program::plain;

const IDENTITY: &str = "interior/person-identity";
const VEHICLES: &str = "interior/vehicle-ownership";
const BUREAU: &str = "credit-bureau/obligations-summary";
const CONSUMER_FILE: &str = "contracts/consumers/targeted-aid.yaml";

async fn keeping() -> House {
    Site::prepare().await.keep_answers().up().await
}

fn is_hit(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let hit = header(answer, "cache-status").starts_with("qovsaq; hit; ttl=");
    assert_eq!(hit, answer.headers.contains_key("age"), "`Age` stands where the answer was kept: {:?}", answer.headers);
    let source = &answer.json().expect("JSON")["source"];
    assert_eq!(hit, source["via"] == "cache", "{source}");
    hit
}

/// Deletes kept answers as an operator does.
async fn delete(house: &House, path: &str) -> String {
    plain("DELETE", &format!("http://{}", house.environment.gateway.ops), path, "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_answer_is_given_again_with_its_age_and_a_receipt_of_its_own() {
    let house = keeping().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let first = asker.ask(IDENTITY).await;
    assert!(!is_hit(&first));
    assert_eq!(header(&first, "cache-status"), "qovsaq; fwd=miss; stored");
    let second = asker.ask(IDENTITY).await;
    assert!(is_hit(&second));
    assert_eq!(house.asked_of(IDENTITY), 1);

    let (one, two) = (first.json().expect("JSON"), second.json().expect("JSON"));
    assert_eq!((&one["data"], &one["withheld"]), (&two["data"], &two["withheld"]));
    for same in ["obtained_at", "expires_at", "provider", "version", "legal_act"] {
        assert_eq!(one["source"][same], two["source"][same], "{same}");
    }
    let age = two["source"]["age_seconds"].as_u64().expect("an age");
    assert!(header(&second, "age").parse::<u64>().is_ok_and(|told| told == age && age < 60));

    // Its own disclosure, which rests on the entry that the first one rests on.
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let (told, kept) = (ledger::check_receipt(house.dir(), &lines, &one), ledger::check_receipt(house.dir(), &lines, &two));
    assert!(told.is(Kind::Disclosed) && kept.is(Kind::Disclosed) && told.index < kept.index);
    assert_eq!(told.metadata["given"][0]["rests_on"], kept.metadata["given"][0]["rests_on"]);
    assert_eq!((&told.metadata["given"][0]["via"], &kept.metadata["given"][0]["via"]), (&json!("provider"), &json!("cache")));
    assert_eq!(told.metadata["given"][0]["fields"], kept.metadata["given"][0]["fields"]);
    assert_eq!(ledger::closers(&lines).len(), 1, "one intent");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confidential_fact_is_kept_for_its_consumer_and_purpose_alone() {
    let site = Site::prepare().await.keep_answers();
    // The identity may be asked for a second purpose as well.
    let granted = "  - service: interior/person-identity\n    fields: all\n    purposes: [adsy-means-test]\n    acts: [law-targeted-aid]";
    let wider = granted.replace("[adsy-means-test]", "[adsy-means-test, social-payments]");
    site.change(CONSUMER_FILE, granted, &wider);
    let house = site.up().await;
    let fin = &*house.applicant().fin;
    let client = house.client();
    let asker = Asker::start(&client, fin).await;
    assert!(!is_hit(&asker.ask(IDENTITY).await));
    // Another case of the same consumer, for the same purpose.
    assert!(is_hit(&Asker::start(&client, fin).await.ask(IDENTITY).await));
    // Another purpose of the same consumer.
    let other_purpose = Asker::with(&client, fin, "social-payments", "case-officer").await;
    assert!(!is_hit(&other_purpose.ask(IDENTITY).await));
    // Another consumer. Nothing tells it that somebody has asked before.
    let stranger = house.environment.client("social-payments").expect("a certificate");
    let stranger = Asker::with(&stranger, fin, "social-payments", "case-officer").await;
    let answer = stranger.ask(IDENTITY).await;
    assert!(!is_hit(&answer));
    assert_eq!(header(&answer, "cache-status"), "qovsaq; fwd=miss; stored");
    assert_eq!(house.asked_of(IDENTITY), 3);
    for asker in [&asker, &other_purpose, &stranger] {
        assert!(is_hit(&asker.ask(IDENTITY).await), "each has its own now");
    }
    // Another person, or another month, is another question.
    let spouse = Asker::start(&client, &house.family().members[1].fin).await;
    assert!(!is_hit(&spouse.ask(IDENTITY).await));
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ordinary_fact_is_kept_for_all() {
    let service = "taxes/taxpayer-status";
    let person = mock_agencies::Personas::embedded().requests_family().applicant().fin.to_string();
    for (class, shared) in [("C", false), ("O", true)] {
        let site = Site::prepare().await.keep_answers();
        if shared {
            site.change("contracts/providers/taxes/taxpayer-status@1.0.0.yaml", "class: C", &format!("class: {class}"));
        }
        let house = site.up().await;
        let asker = Asker::start(&house.client(), &person).await;
        assert!(!is_hit(&asker.ask(service).await));
        let other = house.environment.client("insurance").expect("a certificate");
        let other = Asker::with(&other, &person, "social-insurance", "accounts-officer").await;
        assert_eq!(is_hit(&other.ask(service).await), shared, "class {class}");
        ledger::check_rules(&house.closed_lines().await);
        house.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_says_how_fresh_the_answer_must_be() {
    let house = keeping().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let with = async |control: &str| asker.ask_with(IDENTITY, &[("cache-control", control)]).await;

    let nothing = with("only-if-cached").await;
    let problem = nothing.json().expect("JSON");
    assert_eq!((nothing.status, &problem["code"], &problem["outcome"]), (504, &json!("not-cached"), &json!("UNAVAILABLE")));
    let lines = house.lines();
    let line = ledger::check_receipt(house.dir(), &lines, &problem);
    assert_eq!((&line.metadata["given"][0]["rests_on"], &line.metadata["given"][0]["fields"]), (&Json::Null, &json!([])));
    assert!(ledger::closers(&lines).is_empty() && house.calls() == 0, "nobody was asked");

    assert!(!is_hit(&asker.ask(IDENTITY).await));
    for control in ["only-if-cached", "max-age=3600", "max-age=\"3600\"", "only-if-cached, max-age=60", "max-stale=5", "nonsense, ,=,"] {
        assert!(is_hit(&with(control).await), "{control}");
    }
    assert_eq!(house.asked_of(IDENTITY), 1);
    let anew = with("no-cache").await;
    assert!(!is_hit(&anew));
    assert_eq!(header(&anew, "cache-status"), "qovsaq; fwd=request; stored");
    assert_eq!(house.asked_of(IDENTITY), 2);
    // What was asked anew is what is kept now.
    let kept = asker.ask(IDENTITY).await;
    assert_eq!(kept.json().expect("JSON")["source"]["obtained_at"], anew.json().expect("JSON")["source"]["obtained_at"]);
    // Older than nothing at all is everything, once time has passed.
    until("a moment has passed", || (house.lines().len() > lines.len()).then_some(())).await;
    assert!(!is_hit(&with("max-age=0").await));
    // A number that is none is taken for 0 (RFC 9111, section 4.2.1).
    assert!(!is_hit(&with("max-age=soon").await));
    assert_eq!(with("only-if-cached, max-age=0").await.status, 504);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_failure_and_what_needs_consent_are_not_kept() {
    let house = keeping().await;
    let client = house.client();
    // The spouse has no vehicle.
    let spouse = Asker::start(&client, &house.family().members[1].fin).await;
    for _ in 0..2 {
        let none = spouse.ask(VEHICLES).await;
        assert!(!is_hit(&none));
        assert_eq!(
            (none.json().expect("JSON")["outcome"].as_str(), header(&none, "cache-status")),
            (Some("NOT_FOUND"), "qovsaq; fwd=miss")
        );
    }
    assert_eq!(house.asked_of(VEHICLES), 2);

    let asker = Asker::start(&client, &house.applicant().fin).await;
    house.set_fault(VEHICLES, "error", Some(1));
    assert_eq!(asker.ask(VEHICLES).await.status, 503);
    house.set_fault(VEHICLES, "malformed", Some(1));
    assert_eq!(asker.ask(VEHICLES).await.status, 502);
    assert!(!is_hit(&asker.ask(VEHICLES).await));
    assert!(is_hit(&asker.ask(VEHICLES).await));
    // A failure does not end what is kept, and a hit needs no source.
    house.set_fault(VEHICLES, "down", None);
    assert_eq!(asker.ask_with(VEHICLES, &[("cache-control", "no-cache")]).await.status, 503);
    assert!(is_hit(&asker.ask(VEHICLES).await));
    house.clear_faults();

    for _ in 0..2 {
        let answer = asker.ask(BUREAU).await;
        assert!(!is_hit(&answer));
        assert_eq!(header(&answer, "cache-status"), "qovsaq; fwd=bypass");
        assert!(answer.json().expect("JSON")["source"]["expires_at"].is_null());
    }
    assert_eq!(asker.ask_with(BUREAU, &[("cache-control", "only-if-cached")]).await.status, 504);
    assert_eq!(house.asked_of(BUREAU), 2);
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_is_decided_anew_at_each_hit() {
    let house = keeping().await;
    let client = house.client();
    let fin = &*house.applicant().fin;
    let asker = Asker::start(&client, fin).await;
    let whole = asker.ask(IDENTITY).await.json().expect("JSON");
    assert!(whole["data"]["birth_date"].is_string());
    // In another role less of the same kept answer is seen.
    let clerk = Asker::with(&client, fin, "adsy-means-test", "clerk").await;
    let answer = clerk.ask(IDENTITY).await;
    assert!(is_hit(&answer));
    let seen = answer.json().expect("JSON");
    assert_eq!(seen["data"]["surname"], whole["data"]["surname"]);
    assert!(seen["data"].get("birth_date").is_none(), "{}", seen["data"]);
    assert!(seen["withheld"].as_array().expect("a list").contains(&json!({"field": "birth_date", "reason": "class"})));
    let lines = house.lines();
    let given = &ledger::check_receipt(house.dir(), &lines, &seen).metadata["given"][0]["fields"];
    assert!(!given.as_array().expect("fields").contains(&json!("birth_date")), "the disclosure says what was given: {given}");

    // A closed case, a person who is not in the case, a purpose that is not granted: nothing is given.
    let closed = client.post(&format!("/v1/cases/{}/close", asker.case), &json!({}), "en").await.expect("an answer");
    assert_eq!(closed.status, 200);
    let refused = asker.ask(IDENTITY).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("case-closed") && !refused.headers.contains_key("age") && !refused.headers.contains_key("cache-status"));
    let stranger = Asker::start(&client, &house.family().members[1].fin).await;
    let mut body = stranger.body(IDENTITY);
    body["subject"] = json!({"fin": fin});
    let refused = client.post(&format!("/v1/services/{IDENTITY}"), &body, "en").await.expect("an answer");
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert_eq!(house.asked_of(IDENTITY), 1);
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_given_past_its_lifetime() {
    let site = Site::prepare().await.keep_answers();
    site.set_lifetime(IDENTITY, "2s");
    let house = site.up().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    assert!(!is_hit(&asker.ask(IDENTITY).await));
    let mut hits = 0;
    loop {
        // It is looked up after this moment.
        let before = qovsaq::clock::now();
        let answer = asker.ask(IDENTITY).await;
        if !is_hit(&answer) {
            break;
        }
        hits += 1;
        let source = answer.json().expect("JSON")["source"].clone();
        let expires_at: jiff::Timestamp = source["expires_at"].as_str().and_then(|text| text.parse().ok()).expect("a time");
        assert!(before < expires_at, "{source}");
    }
    assert!(hits > 0);
    assert_eq!(house.asked_of(IDENTITY), 2);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_data_end_what_is_kept_and_the_same_data_do_not() {
    let house = keeping().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    assert!(!is_hit(&asker.ask(IDENTITY).await));
    house.reload().await;
    assert!(is_hit(&asker.ask(IDENTITY).await), "nothing has changed");
    house.change("contracts/providers/interior/person-identity@1.0.0.yaml", |text| format!("{text}# changed\n"));
    house.reload().await;
    assert!(!is_hit(&asker.ask(IDENTITY).await));
    assert!(is_hit(&asker.ask(IDENTITY).await));
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_end_what_is_kept_of_one_source_or_of_all() {
    let house = keeping().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let services = [IDENTITY, VEHICLES, "property/ownership"];
    let kept = async || {
        let mut kept = Vec::new();
        for service in services {
            kept.push(is_hit(&asker.ask_with(service, &[]).await));
        }
        kept
    };
    assert_eq!(kept().await, [false, false, false]);
    assert_eq!(kept().await, [true, true, true]);
    let before = house.lines().len();
    assert!(delete(&house, "/cache/interior").await.starts_with("HTTP/1.1 204"));
    assert_eq!(kept().await, [false, false, true]);
    assert!(delete(&house, "/cache").await.starts_with("HTTP/1.1 204"));
    assert_eq!(kept().await, [false, false, false]);
    assert!(delete(&house, "/cache/nobody").await.starts_with("HTTP/1.1 404"));
    assert_eq!(kept().await, [true, true, true]);
    let lines = house.lines();
    let cleared: Vec<&Json> =
        lines[before..].iter().filter(|line| line.is(Kind::CacheCleared)).map(|line| &line.metadata["provider"]).collect();
    assert_eq!(cleared, [&json!("interior"), &Json::Null], "journalled (R7)");

    // What was asked before and is answered after is not kept either.
    house.set_fault(IDENTITY, "slow", Some(1));
    let asked = house.asked_of(IDENTITY);
    let asking = tokio::spawn({
        let asker = asker.clone();
        async move { asker.ask_with(IDENTITY, &[("cache-control", "no-cache")]).await }
    });
    until("the source is asked", || (house.asked_of(IDENTITY) > asked).then_some(())).await;
    assert!(delete(&house, "/cache/interior").await.starts_with("HTTP/1.1 204"));
    assert!(!is_hit(&asking.await.expect("a task")));
    assert!(!is_hit(&asker.ask(IDENTITY).await));
    house.stop().await;
}
