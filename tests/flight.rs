//! Shared flights over the wire: the same question at the same moment is asked once, and each who asked is
//! answered in his own right.

use futures_util::future::join_all;
use qovsaq::client::Answer;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{Asker, House, header, until};
use crate::ledger;

const IDENTITY: &str = "interior/person-identity";
const BUREAU: &str = "credit-bureau/obligations-summary";
/// Who asks the same at once.
const CALLERS: usize = 32;

/// Begins to ask in a task of its own.
fn asking(asker: &Asker, service: &'static str, seconds: u64) -> tokio::task::JoinHandle<Answer> {
    let asker = asker.clone();
    tokio::spawn(async move { asker.ask_waiting(service, seconds).await })
}

async fn is_asked(house: &House, service: &str, times: u64) {
    until("the source is asked", || (house.asked_of(service) == times).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_of_many_is_asked_once_and_disclosed_to_each() {
    let house = House::start().await;
    let client = house.client();
    let mut askers = Vec::new();
    for _ in 0..CALLERS {
        askers.push(Asker::start(&client, &house.applicant().fin).await);
    }
    house.set_fault(IDENTITY, "slow", Some(1));
    let answers = join_all(askers.iter().map(|asker| asker.ask_waiting(IDENTITY, 10))).await;
    assert_eq!(house.asked_of(IDENTITY), 1);

    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    assert_eq!(ledger::closers(&lines).len(), 1, "one intent");
    let answered = lines.iter().find(|line| line.is(Kind::Answered)).expect("one answer").index;
    let mut disclosures = Vec::new();
    let mut led = 0;
    for (asker, answer) in askers.iter().zip(&answers) {
        let json = answer.json().expect("JSON");
        assert_eq!((answer.status, &json["data"]["fin"]), (200, &json!(asker.fin)));
        let via_provider = json["source"]["via"] == "provider";
        assert_eq!(
            via_provider,
            header(answer, "cache-status").starts_with("qovsaq; fwd=miss") && !header(answer, "cache-status").contains("collapsed")
        );
        led += usize::from(via_provider);
        assert!(!answer.headers.contains_key("age"), "nothing of it was kept");
        // Each in his own case, with his own receipt, resting on the one answer.
        let line = ledger::check_receipt(house.dir(), &lines, &json);
        assert_eq!((&line.metadata["case"], &line.metadata["given"][0]["rests_on"]), (&json!(asker.case), &json!(answered)));
        disclosures.push(line.index);
    }
    disclosures.sort_unstable();
    disclosures.dedup();
    assert_eq!((disclosures.len(), led), (CALLERS, 1));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_answered_by_his_own_right() {
    let house = House::start().await;
    let client = house.client();
    let fin = &*house.applicant().fin;
    let leader = Asker::start(&client, fin).await;
    let clerk = Asker::with(&client, fin, "adsy-means-test", "clerk").await;
    let closed = Asker::start(&client, fin).await;
    client.post(&format!("/v1/cases/{}/close", closed.case), &json!({}), "en").await.expect("an answer");
    house.set_fault(IDENTITY, "slow", Some(1));
    let leading = asking(&leader, IDENTITY, 10);
    is_asked(&house, IDENTITY, 1).await;
    let following = asking(&clerk, IDENTITY, 10);
    let refused = closed.ask_waiting(IDENTITY, 10).await;
    assert!(!leading.is_finished(), "it is refused at once, and hears nothing of the flight");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("case-closed"));
    let (led, followed) = (leading.await.expect("a task"), following.await.expect("a task"));
    let (led, followed) = (led.json().expect("JSON"), followed.json().expect("JSON"));
    assert!(led["data"]["birth_date"].is_string());
    assert!(followed["data"]["surname"].is_string() && followed["data"].get("birth_date").is_none(), "{}", followed["data"]);
    assert_eq!((&followed["source"]["via"], house.asked_of(IDENTITY)), (&json!("cache"), 1));
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let given = &ledger::check_receipt(house.dir(), &lines, &followed).metadata["given"][0]["fields"];
    assert!(!given.as_array().expect("fields").contains(&json!("birth_date")), "{given}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_source_is_the_error_of_all_aboard() {
    let site = Site::prepare().await;
    site.set_timeout("", "2s");
    let house = site.up().await;
    let client = house.client();
    let mut askers = Vec::new();
    for _ in 0..8 {
        askers.push(Asker::start(&client, &house.applicant().fin).await);
    }
    house.set_fault(IDENTITY, "hang", Some(1));
    let answers = join_all(askers.iter().map(|asker| asker.ask_waiting(IDENTITY, 10))).await;
    assert_eq!(house.asked_of(IDENTITY), 1);
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let failed: Vec<_> = lines.iter().filter(|line| line.is(Kind::Failed)).map(|line| line.index).collect();
    assert_eq!(failed.len(), 1);
    for answer in &answers {
        let problem = answer.json().expect("JSON");
        assert_eq!((answer.status, &problem["code"]), (504, &json!("deadline-passed")));
        let line = ledger::check_receipt(house.dir(), &lines, &problem);
        assert_eq!(line.metadata["given"][0]["rests_on"], failed[0]);
    }
    // The next one begins anew.
    assert_eq!(askers[0].ask(IDENTITY).await.status, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_whose_time_is_up_is_told_so_and_the_flight_goes_on() {
    let house = Site::prepare().await.keep_answers().up().await;
    let client = house.client();
    let (leader, follower) = (Asker::start(&client, &house.applicant().fin).await, Asker::start(&client, &house.applicant().fin).await);
    house.set_fault(IDENTITY, "slow", Some(1));
    let leading = asking(&leader, IDENTITY, 1);
    is_asked(&house, IDENTITY, 1).await;
    let following = asking(&follower, IDENTITY, 1);
    let answers = [leading.await.expect("a task"), following.await.expect("a task")];
    let lines = house.lines();
    ledger::check_so_far(&lines);
    let intent = lines.iter().find(|line| line.is(Kind::Intent)).expect("one").index;
    let mut rests_on = Vec::new();
    for answer in &answers {
        let problem = answer.json().expect("JSON");
        assert_eq!((answer.status, &problem["code"], &problem["outcome"]), (504, &json!("deadline-passed"), &json!("UNAVAILABLE")));
        let line = ledger::check_receipt(house.dir(), &lines, &problem);
        rests_on.push(line.metadata["given"][0]["rests_on"].clone());
    }
    // It may have been sent, says the leader's; its follower does not know of the intent.
    assert_eq!(rests_on[0], json!(intent));
    assert!(rests_on[1].is_null() || rests_on[1] == json!(intent), "{rests_on:?}");
    // It lands, is journalled, and is kept for whoever asks next.
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    assert_eq!(lines.iter().filter(|line| line.is(Kind::Answered)).count(), 1);
    let kept = leader.ask(IDENTITY).await;
    assert_eq!((kept.status, kept.json().expect("JSON")["source"]["via"].as_str()), (200, Some("cache")));
    assert_eq!(house.asked_of(IDENTITY), 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_goes_away_leaves_its_followers_their_answer() {
    let house = House::start().await;
    let fin = &*house.applicant().fin;
    // Connections of their own: the leader's closes.
    let (leader, follower) = (Asker::start(&house.client(), fin).await, Asker::start(&house.client(), fin).await);
    house.set_fault(IDENTITY, "slow", Some(1));
    let leading = asking(&leader, IDENTITY, 10);
    is_asked(&house, IDENTITY, 1).await;
    let following: Vec<_> = (0..4).map(|_| asking(&follower, IDENTITY, 10)).collect();
    leading.abort();
    assert!(leading.await.is_err());
    drop(leader);
    for answer in following {
        assert_eq!(answer.await.expect("a task").status, 200);
    }
    assert_eq!(house.asked_of(IDENTITY), 1);
    ledger::check_rules(&house.closed_lines().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_share_an_answer_does_not_share_a_flight() {
    let site = Site::prepare().await;
    // Its report is looked for a second after the slow acceptance.
    site.set_timeout(BUREAU, "10s");
    let house = site.up().await;
    let fin = &*house.applicant().fin;
    let client = house.client();
    let stranger = house.environment.client("social-payments").expect("a certificate");
    let one = Asker::start(&client, fin).await;
    let other = Asker::with(&stranger, fin, "social-payments", "case-officer").await;
    house.set_fault(IDENTITY, "slow", Some(2));
    let both = [asking(&one, IDENTITY, 10), asking(&other, IDENTITY, 10)];
    is_asked(&house, IDENTITY, 2).await;
    for answer in both {
        let json = answer.await.expect("a task").json().expect("JSON");
        assert_eq!(json["source"]["via"], "provider");
    }

    // What rests on a consent is never shared, not even with oneself.
    house.set_fault(BUREAU, "slow", Some(2));
    let another = Asker::start(&client, fin).await;
    let both = [asking(&one, BUREAU, 10), asking(&another, BUREAU, 10)];
    is_asked(&house, BUREAU, 2).await;
    for answer in both {
        let answer = answer.await.expect("a task");
        assert_eq!((answer.status, answer.json().expect("JSON")["source"]["via"].as_str()), (200, Some("provider")), "{}", answer.body);
    }
    let lines = house.closed_lines().await;
    ledger::check_rules(&lines);
    let intents = lines.iter().filter(|line| line.is(Kind::Intent));
    let officials: Vec<&Json> = intents.map(|line| &line.metadata["case"]).collect();
    assert_eq!(officials.len(), 4);
    house.stop().await;
}
