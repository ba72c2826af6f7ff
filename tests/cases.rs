//! Whose case it is, who may act in it in an emergency, and consents that are taken back: over the wire.

use qovsaq::client::{Answer, Client};
use qovsaq::demo::{PORTAL, PROTECTION_OFFICER, assertion};
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{Asker, House, ask, body_for};

const IDENTITY: &str = "interior/person-identity";
const CREDIT: &str = "credit-bureau/obligations-summary";
const REASON: &str = "a child was found alone at night";

fn reasons(answer: &Answer) -> Vec<String> {
    let problem = answer.json().expect("JSON");
    let reason = |error: &Json| error["detail"].as_str().and_then(|detail| Some(detail.split_once(':')?.0.to_owned()));
    problem["errors"].as_array().into_iter().flatten().filter_map(reason).collect()
}

async fn post(client: &Client, path: &str, body: &Json) -> Answer {
    client.post(path, body, "en").await.expect("an answer")
}

/// Opens a case of an official of child protection about one person.
async fn open_case(client: &Client, fin: &str, official: &str) -> String {
    let case = format!("c-{}", uuid::Uuid::now_v7().simple());
    let persons = json!([{"subject": {"fin": fin}, "role": "child"}]);
    let body = json!({"case": case, "purpose": "child-protection", "persons": persons, "official": official});
    assert_eq!(post(client, "/v1/cases", &body).await.status, 201);
    case
}

fn question(fin: &str, case: &str, official: &str) -> Json {
    let mut body = body_for(IDENTITY, fin, case, "");
    (body["purpose"], body["official"]) = (json!("child-protection"), json!(official));
    body
}

// clause: 634/6.1.3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_one_officials_until_he_hands_it_over() {
    let house = House::start().await;
    let client = house.environment.client("child-protection").expect("a client");
    let fin = house.applicant().fin.to_string();
    let case = open_case(&client, &fin, "AZ-0001").await;
    assert_eq!(ask(&client, IDENTITY, &question(&fin, &case, "AZ-0001")).await.status, 200);
    let calls = house.calls();
    let other = ask(&client, IDENTITY, &question(&fin, &case, "AZ-0002")).await;
    assert_eq!((other.status, reasons(&other)), (403, vec!["case-of-another".to_owned()]));
    assert_eq!(house.calls(), calls);
    let transfer = format!("/v1/cases/{case}/transfer");
    for (body, pointer) in [
        (json!({"reason": REASON}), "/to"),
        (json!({"to": "AZ-0002"}), "/reason"),
        (json!({"to": "robot:night", "reason": REASON}), "/to"),
        (json!({"from": "AZ-0001", "to": "AZ-0001", "reason": REASON}), "/to"),
        // Nobody whom the register of rights knows in this consumer.
        (json!({"from": "AZ-0001", "to": "AZ-0010", "reason": REASON}), "/to"),
    ] {
        let answer = post(&client, &transfer, &body).await;
        assert_eq!((answer.status, &answer.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", answer.body);
    }
    let not_his = post(&client, &transfer, &json!({"from": "AZ-0009", "to": "AZ-0002", "reason": REASON})).await;
    assert_eq!((not_his.status, &not_his.json().expect("JSON")["code"]), (409, &json!("case-conflict")));
    let handed_over = post(&client, &transfer, &json!({"from": "AZ-0001", "to": "AZ-0002", "reason": REASON})).await;
    assert_eq!(handed_over.status, 200, "{}", handed_over.body);
    // What is not so is not journalled as if it were.
    let false_from = post(&client, &transfer, &json!({"from": "AZ-0003", "to": "AZ-0002", "reason": REASON})).await;
    assert_eq!(false_from.status, 409);
    // Opening it anew as another's is another content.
    let persons = json!([{"subject": {"fin": fin}, "role": "child"}]);
    let anew = json!({"case": case, "purpose": "child-protection", "persons": persons, "official": "AZ-0003"});
    assert_eq!(post(&client, "/v1/cases", &anew).await.status, 409);
    // From the next question on the case is the other's, and no more his.
    let before = ask(&client, IDENTITY, &question(&fin, &case, "AZ-0001")).await;
    assert_eq!((before.status, reasons(&before)), (403, vec!["case-of-another".to_owned()]));
    assert_eq!(ask(&client, IDENTITY, &question(&fin, &case, "AZ-0002")).await.status, 200);
    house.stop().await;
}

// clause: 001/3.1.10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_an_emergency_an_official_acts_beyond_his_case_and_somebody_looks_at_it() {
    let house = House::start().await;
    let client = house.environment.client("child-protection").expect("a client");
    let reviewer = house.environment.person(PROTECTION_OFFICER).expect("a client");
    let (fin, other) = (house.applicant().fin.to_string(), house.family().members[1].fin.to_string());
    let case = open_case(&client, &fin, "AZ-0001").await;
    let stranger = ask(&client, IDENTITY, &question(&other, &case, "AZ-0002")).await;
    assert_eq!((stranger.status, reasons(&stranger)), (403, vec!["case-of-another".to_owned(), "person-not-in-case".to_owned()]));

    let overrides = format!("/v1/cases/{case}/overrides");
    let asked = |hours: Json| {
        json!({"official": "AZ-0002", "role": "case-officer", "reason": REASON, "hours": hours,
               "persons": [{"subject": {"fin": other}, "role": "child"}]})
    };
    for (body, pointer) in [
        (json!({"role": "case-officer", "reason": REASON}), "/official"),
        (json!({"official": "robot:night", "role": "case-officer", "reason": REASON}), "/official"),
        (json!({"official": "AZ-0002", "role": "case-officer"}), "/reason"),
        (asked(json!(5)), "/hours"),
        (asked(json!(0)), "/hours"),
    ] {
        let answer = post(&client, &overrides, &body).await;
        assert_eq!((answer.status, &answer.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!(pointer)), "{}", answer.body);
    }
    // No such case, and no such right in another subsystem.
    assert_eq!(post(&client, "/v1/cases/c-none/overrides", &asked(json!(1))).await.status, 404);
    let aid = Asker::start(&house.client(), &fin).await;
    let refused = post(&house.client(), &format!("/v1/cases/{}/overrides", aid.case), &asked(json!(1))).await;
    assert_eq!((refused.status, reasons(&refused)), (403, vec!["emergency-not-granted".to_owned()]));
    assert!(refused.json().expect("JSON")["receipt"]["leaf_hash"].is_string());

    let begun = post(&client, &overrides, &asked(Json::Null)).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let id = begun.json().expect("JSON")["override"].as_str().expect("an id").to_owned();
    let answer = ask(&client, IDENTITY, &question(&other, &case, "AZ-0002")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Whoever is neither in the case nor named stays out of reach, and so does everybody for others.
    let third = house.family().members[2].fin.to_string();
    let beyond = ask(&client, IDENTITY, &question(&third, &case, "AZ-0002")).await;
    assert_eq!((beyond.status, reasons(&beyond)), (403, vec!["person-not-in-case".to_owned()]));
    assert_eq!(ask(&client, IDENTITY, &question(&other, &case, "AZ-0003")).await.status, 403);

    // The auditor sees what was asked by it: entries name the override.
    let auditor = house.environment.auditor().expect("an auditor");
    let found = |kind: &str| {
        let body = json!({"reason": "who acted in an emergency", "filter": {"case": case, "kind": kind}});
        let auditor = auditor.clone();
        async move { post(&auditor, "/v1/journal/search", &body).await.json().expect("JSON")["entries"].clone() }
    };
    assert_eq!(found("case-overridden").await[0]["metadata"]["emergency"], json!(id));
    assert_eq!(found("intent").await[0]["metadata"]["emergency"], json!(id));
    let waiting = reviewer.get("/v1/overrides", "en").await.expect("an answer").json().expect("JSON");
    assert_eq!((&waiting["overrides"][0]["override"], waiting["overrides"][0]["persons"].as_u64()), (&json!(id), Some(1)));
    assert!(!waiting.to_string().contains(&other));

    let review = format!("/v1/overrides/{id}/review");
    let wrong = post(&reviewer, &review, &json!({"verdict": "maybe", "reason": REASON})).await;
    assert_eq!((wrong.status, &wrong.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!("/verdict")));
    let unjustified = json!({"verdict": "unjustified", "reason": "the child was with its mother"});
    assert_eq!(post(&reviewer, &review, &unjustified).await.status, 201);
    assert_eq!(post(&reviewer, &review, &unjustified).await.status, 409);
    assert_eq!(post(&reviewer, "/v1/overrides/019a0000-0000-7000-8000-000000000000/review", &unjustified).await.status, 404);
    // It has ended with the verdict.
    let after = ask(&client, IDENTITY, &question(&other, &case, "AZ-0002")).await;
    assert_eq!((after.status, reasons(&after)), (403, vec!["case-of-another".to_owned(), "person-not-in-case".to_owned()]));
    assert_eq!(reviewer.get("/v1/overrides", "en").await.expect("an answer").json().expect("JSON")["overrides"], json!([]));
    let again = post(&client, &overrides, &asked(json!(1))).await;
    assert_eq!((again.status, &again.json().expect("JSON")["code"]), (409, &json!("case-conflict")));
    house.stop().await;
}

// clause: 634/6.2.4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rests_on_a_withdrawn_consent_is_denied() {
    let house = House::start().await;
    let (client, portal) = (house.client(), house.environment.client(PORTAL).expect("the portal"));
    let fin = house.applicant().fin.to_string();
    let asker = Asker::start(&client, &fin).await;
    let body = asker.body(CREDIT);
    assert_eq!(ask(&client, CREDIT, &body).await.status, 200);
    // What it said at its first use stays what it says.
    let mut longer = body.clone();
    longer["consent"][0]["expires_at"] = json!("2099-01-01T00:00:00+04:00");
    let calls = house.calls();
    let differs = ask(&client, CREDIT, &longer).await;
    assert_eq!((differs.status, reasons(&differs)), (403, vec!["consent-differs".to_owned()]));
    let own = body["consent"].as_array().expect("consents").iter().find(|consent| consent["subject"]["fin"] == json!(fin));
    let reference = own.expect("his consent")["reference"].clone();

    let consents = json!({"subject": {"fin": fin}, "assertion": assertion(house.dir(), &fin, PORTAL).expect("an assertion")});
    let told = post(&portal, "/v1/subject-consents", &consents).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let told = told.json().expect("JSON")["consents"].clone();
    assert_eq!(
        (&told[0]["reference"], &told[0]["status"], &told[0]["used_by"]),
        (&reference, &json!("in_force"), &json!(["targeted-aid"]))
    );
    assert_eq!(post(&portal, "/v1/subject-consents", &json!({"subject": {"fin": fin}, "assertion": "a.b.c"})).await.status, 403);

    let mut withdrawal = json!({"provider": "credit-bureau", "subject": {"fin": fin}, "reference": reference});
    // A consumer that has never used it knows nothing of it.
    assert_eq!(post(&portal, "/v1/consents/withdrawals", &withdrawal).await.status, 404);
    let other = house.family().members[1].fin.to_string();
    withdrawal["assertion"] = json!(assertion(house.dir(), &other, PORTAL).expect("an assertion"));
    assert_eq!(post(&portal, "/v1/consents/withdrawals", &withdrawal).await.status, 403);
    withdrawal["assertion"] = json!(assertion(house.dir(), &fin, PORTAL).expect("an assertion"));
    let withdrawn = post(&portal, "/v1/consents/withdrawals", &withdrawal).await;
    assert_eq!(withdrawn.status, 201, "{}", withdrawn.body);
    assert_eq!(post(&portal, "/v1/consents/withdrawals", &withdrawal).await.status, 200);
    let after = ask(&client, CREDIT, &body).await;
    assert_eq!((after.status, reasons(&after)), (403, vec!["consent-withdrawn".to_owned()]));
    assert_eq!(house.calls(), calls);

    // The consumer to whom he said so may withdraw what it has used; one never used is the person's alone.
    let family = house.environment.personas.families().iter().find(|family| family.applicant().fin != house.applicant().fin);
    let another = family.expect("another family").applicant().fin.to_string();
    let asker = Asker::start(&client, &another).await;
    let body = asker.body(CREDIT);
    let own = body["consent"].as_array().expect("consents").iter().find(|consent| consent["subject"]["fin"] == json!(another));
    let mut withdrawal =
        json!({"provider": "credit-bureau", "subject": {"fin": another}, "reference": own.expect("his consent")["reference"]});
    assert_eq!(post(&client, "/v1/consents/withdrawals", &withdrawal).await.status, 404);
    assert_eq!(ask(&client, CREDIT, &body).await.status, 200);
    assert_eq!(post(&client, "/v1/consents/withdrawals", &withdrawal).await.status, 201);
    let after = ask(&client, CREDIT, &body).await;
    assert_eq!((after.status, reasons(&after)), (403, vec!["consent-withdrawn".to_owned()]));
    for (key, value) in [("provider", json!("nobody")), ("subject", json!({"tin": "9900001233"})), ("reference", json!(""))] {
        withdrawal[key] = value;
        let answer = post(&client, "/v1/consents/withdrawals", &withdrawal).await;
        assert_eq!((answer.status, &answer.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!(format!("/{key}"))));
        withdrawal = json!({"provider": "credit-bureau", "subject": {"fin": another}, "reference": "x"});
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_shows_no_more_what_rests_on_a_withdrawn_consent() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let body = crate::house::dossier_envelope(house.family(), &case);
    let opened = client.post_waiting("/v1/dossiers/adsy-means-test", &body, "en", 30).await.expect("an answer");
    assert_eq!(opened.status, 200, "{}", opened.body);
    let opened = opened.json().expect("JSON");
    let fin = house.applicant().fin.to_string();
    let credit = |dossier: &Json| {
        let elements = dossier["elements"].as_array().expect("elements");
        let own = elements.iter().find(|element| element["for"]["fin"] == json!(fin) && element["source"]["provider"] == "credit-bureau");
        own.or_else(|| elements.iter().find(|element| element["for"]["fin"] == json!(fin) && element["outcome"] == "DENIED")).cloned()
    };
    assert_eq!(credit(&opened).expect("his credit element")["outcome"], "FOUND");
    let consent = body["consent"].as_array().expect("consents").iter().find(|consent| consent["subject"]["fin"] == json!(fin));
    let withdrawal = json!({"provider": "credit-bureau", "subject": {"fin": fin}, "reference": consent.expect("his consent")["reference"]});
    assert_eq!(post(&client, "/v1/consents/withdrawals", &withdrawal).await.status, 201);
    let path = format!("/v1/dossiers/adsy-means-test/{}", opened["dossier_id"].as_str().expect("an id"));
    let again = client.get(&path, "en").await.expect("an answer").json().expect("JSON");
    let element = credit(&again).expect("his credit element");
    assert_eq!((&element["outcome"], &element["data"]), (&json!("DENIED"), &Json::Null), "{element}");
    house.stop().await;
}

/// What happens while the source thinks counts as much as what happened before.
// clause: 001/3.1.20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_while_the_source_answers_is_not_told() {
    let site = Site::prepare().await;
    site.set_timeout(CREDIT, "20s");
    let house = site.up().await;
    let client = house.client();
    let fin = house.applicant().fin.to_string();
    let asker = Asker::start(&client, &fin).await;
    house.set_fault(CREDIT, "slow", Some(1));
    let body = asker.body(CREDIT);
    let own = body["consent"].as_array().expect("consents").iter().find(|consent| consent["subject"]["fin"] == json!(fin));
    let withdrawal = json!({"provider": "credit-bureau", "subject": {"fin": fin}, "reference": own.expect("his consent")["reference"]});
    let asking = ask(&client, CREDIT, &body);
    let ending = async {
        crate::house::until("the source is asked", || (house.asked_of(CREDIT) == 1).then_some(())).await;
        assert_eq!(post(&client, "/v1/consents/withdrawals", &withdrawal).await.status, 201);
        let closed = post(&client, &format!("/v1/cases/{}/close", asker.case), &json!({})).await;
        assert_eq!(closed.status, 200);
    };
    let (answer, ()) = tokio::join!(asking, ending);
    assert_eq!((answer.status, reasons(&answer)), (403, vec!["case-closed".to_owned(), "consent-withdrawn".to_owned()]));
    assert_eq!(answer.json().expect("JSON")["data"], Json::Null);
    // What the source said is in the journal; what was told is that nothing may be told.
    let lines = house.closed_lines().await;
    let kinds: Vec<u8> = lines.iter().map(|line| line.kind).collect();
    assert!(!kinds.contains(&qovsaq::record::Kind::Disclosed.number()), "{kinds:?}");
    assert!(
        kinds.contains(&qovsaq::record::Kind::Answered.number()) && kinds.contains(&qovsaq::record::Kind::Denied.number()),
        "{kinds:?}"
    );
    house.stop().await;
}
