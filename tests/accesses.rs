//! Who used my data: told to the citizen himself, through a consumer, and to nobody else.

use qovsaq::client::{Answer, Client};
use qovsaq::demo::{PORTAL, PROTECTION_OFFICER, assertion, assertion_for};
use serde_json::{Value as Json, json};

use crate::house::{Asker, House};

const IDENTITY: &str = "interior/person-identity";
const REASON: &str = "order of the court, to be kept quiet";

async fn list(portal: &Client, fin: &str, assertion: &str) -> Answer {
    portal.post("/v1/subject-accesses", &json!({"subject": {"fin": fin}, "assertion": assertion}), "az").await.expect("an answer")
}

async fn told(house: &House, portal: &Client, fin: &str) -> Vec<Json> {
    let answer = list(portal, fin, &assertion(house.dir(), fin, PORTAL).expect("an assertion")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")["accesses"].as_array().expect("a list").clone()
}

/// The newest entry of a kind, as an auditor finds it.
async fn newest(auditor: &Client, kind: &str) -> Json {
    let body = json!({"reason": "a look at what was journalled", "filter": {"kind": kind}, "limit": 1});
    let page = auditor.post("/v1/journal/search", &body, "en").await.expect("an answer").json().expect("JSON");
    page["entries"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_citizen_is_told_who_used_his_data_and_for_what() {
    let house = House::start().await;
    let (client, portal) = (house.client(), house.environment.client(PORTAL).expect("the portal"));
    let auditor = house.environment.auditor().expect("an auditor");
    let (fin, spouse) = (house.applicant().fin.to_string(), house.family().members[1].fin.to_string());
    assert_eq!(told(&house, &portal, &fin).await, Vec::<Json>::new());
    let asker = Asker::start(&client, &fin).await;
    let receipt = asker.ask(IDENTITY).await.json().expect("JSON")["receipt"].clone();
    // An answer about him names his spouse: that is not a use of hers that she is told of.
    assert_eq!(asker.ask("justice/family-acts").await.status, 200);
    let accesses = told(&house, &portal, &fin).await;
    assert_eq!(accesses.len(), 2, "{accesses:?}");
    assert_eq!(told(&house, &portal, &spouse).await, Vec::<Json>::new());
    let use_of_identity = &accesses[1];
    assert_eq!((&use_of_identity["service"], &use_of_identity["consumer"]), (&json!(IDENTITY), &json!("targeted-aid")));
    assert_eq!(use_of_identity["receipt"]["leaf_hash"], receipt["leaf_hash"]);
    let text = use_of_identity["text"].as_str().expect("words");
    assert!(text.contains("«Şəxsin kimliyi»") && text.contains("«Ünvanlı dövlət sosial yardımının təyin edilməsi»"), "{text}");
    assert!(text.ends_with("məlumat verilib."), "{text}");
    // Nobody is named: neither the official nor the case.
    assert!(!json!(accesses).to_string().contains("AZ-0001") && !json!(accesses).to_string().contains(&asker.case));
    // The telling is an entry, with the assertion's hash and without the identifier.
    let entry = newest(&auditor, "access-list-told").await;
    assert_eq!((&entry["metadata"]["consumer"], &entry["metadata"]["suppressed"]), (&json!(PORTAL), &json!([])));
    assert!(entry["metadata"]["assertion_sha256"].is_string() && !entry.to_string().contains(&fin));

    // The same in the shape of the Estonian data tracker.
    let assertion = assertion(house.dir(), &fin, PORTAL).expect("an assertion");
    let body = json!({"userCode": fin, "assertion": assertion, "offset": 1, "limit": 10, "periodStart": "2020-01-01T00:00:00Z"});
    let answer = portal.post("/v2/findUsage", &body, "en").await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let usages = answer.json().expect("JSON");
    assert_eq!((&usages["totalUsages"], usages["usages"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    let usage = usages["usages"][0].as_object().expect("a usage");
    assert_eq!(usage.keys().collect::<Vec<_>>(), ["logtime", "action", "receiverCode", "receiverName", "receiverSystem"]);
    assert_eq!((&usage["logtime"], &usage["receiverCode"]), (&use_of_identity["at"], &json!("targeted-aid")));
    house.stop().await;
}

/// A list must miss nothing that was durable when it was asked for; what is written meanwhile must not make it
/// impossible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_questions_do_not_hold_up_a_list() {
    let house = House::start().await;
    let (client, portal) = (house.client(), house.environment.client(PORTAL).expect("the portal"));
    let (fin, spouse) = (house.applicant().fin.to_string(), house.family().members[1].fin.to_string());
    let asker = Asker::start(&client, &fin).await;
    asker.ask(IDENTITY).await;
    let others = Asker::start(&client, &spouse).await;
    let busy = async {
        loop {
            assert_eq!(others.ask(IDENTITY).await.status, 200);
        }
    };
    let lists = async {
        for _ in 0..30 {
            assert_eq!(told(&house, &portal, &fin).await.len(), 1);
        }
    };
    tokio::select! { () = busy => {}, () = lists => {} }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_citizens_own_assertion_nothing_is_told() {
    let house = House::start().await;
    let portal = house.environment.client(PORTAL).expect("the portal");
    let auditor = house.environment.auditor().expect("an auditor");
    let (fin, other) = (house.applicant().fin.to_string(), house.family().members[1].fin.to_string());
    Asker::start(&house.client(), &fin).await.ask(IDENTITY).await;
    let good = assertion(house.dir(), &fin, PORTAL).expect("an assertion");
    let of_another = assertion(house.dir(), &other, PORTAL).expect("an assertion");
    let through_another = assertion(house.dir(), &fin, "targeted-aid").expect("an assertion");
    let parts: Vec<&str> = good.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[0], of_another.split('.').nth(1).expect("claims"), parts[2]);
    use base64::Engine as _;
    let none = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(br#"{"alg":"none","kid":"demo-1"}"#);
    let unsigned = format!("{none}.{}.", parts[1]);
    let hmac = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","kid":"demo-1"}"#);
    let confused = format!("{hmac}.{}.{}", parts[1], parts[2]);
    let cases = [
        (of_another.as_str(), "assertion-other-person"),
        (through_another.as_str(), "assertion-other-consumer"),
        (swapped.as_str(), "assertion-signature"),
        (unsigned.as_str(), "assertion-malformed"),
        (confused.as_str(), "assertion-signature"),
        ("nonsense", "assertion-malformed"),
        ("", "assertion-malformed"),
        (&*"x".repeat(9_000), "assertion-malformed"),
    ];
    for (assertion, reason) in cases {
        let answer = list(&portal, &fin, assertion).await;
        let problem = answer.json().expect("JSON");
        assert_eq!(
            (answer.status, &problem["code"], &problem["outcome"]),
            (403, &json!("assertion-refused"), &json!("DENIED")),
            "{reason}"
        );
        assert_eq!(problem["errors"][0]["pointer"], "/assertion");
        // A refusal is journalled, with its reason, and proven.
        let entry = newest(&auditor, "denied").await;
        assert_eq!((&entry["metadata"]["reasons"], &entry["leaf_hash"]), (&json!([reason]), &problem["receipt"]["leaf_hash"]));
    }
    for (body, pointer) in [
        (json!({"subject": {"fin": fin}}), "/assertion"),
        (json!({"subject": {"tin": "1234567893"}, "assertion": good}), "/subject"),
        (json!({"assertion": good}), "/subject"),
        (json!({"subject": {"fin": "nobody"}, "assertion": good}), "/subject"),
        (json!({"subject": {"fin": fin}, "assertion": good, "limit": 5000}), "/limit"),
        (json!({"subject": {"fin": fin}, "assertion": good, "who": "me"}), ""),
        (json!({"subject": {"fin": fin}, "assertion": good, "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}), "/to"),
    ] {
        let answer = portal.post("/v1/subject-accesses", &body, "en").await.expect("an answer");
        assert_eq!((answer.status, &answer.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!(pointer)), "{body}");
    }
    // A representative asks with his own, where the identity provider knows him as one.
    let parent = assertion_for(house.dir(), &other, PORTAL, Some(("parent", &fin))).expect("an assertion");
    let answer = list(&portal, &fin, &parent).await;
    assert_eq!((answer.status, answer.json().expect("JSON")["accesses"].as_array().map(Vec::len)), (200, Some(1)));
    let entry = newest(&auditor, "access-list-told").await;
    assert_eq!(entry["metadata"]["on_behalf_of"]["kind"], "parent");
    assert!(entry["metadata"]["on_behalf_of"]["representative"].is_string() && !entry.to_string().contains(&other));
    // It serves one list, however often that is asked for, and no other.
    for _ in 0..2 {
        assert_eq!(list(&portal, &fin, &good).await.status, 200);
    }
    let body = json!({"subject": {"fin": fin}, "assertion": good, "from": "2026-01-01T00:00:00Z"});
    let answer = portal.post("/v1/subject-accesses", &body, "en").await.expect("an answer");
    assert_eq!((answer.status, &answer.json().expect("JSON")["code"]), (403, &json!("assertion-refused")));
    assert_eq!(newest(&auditor, "denied").await["metadata"]["reasons"], json!(["assertion-replayed"]));
    let usage = portal.post("/v2/findUsage", &json!({"userCode": fin, "assertion": good}), "en").await.expect("an answer");
    assert_eq!(usage.status, 403);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_suppressed_is_not_told_and_never_hidden_from_the_auditor() {
    let house = House::start().await;
    let portal = house.environment.client(PORTAL).expect("the portal");
    let auditor = house.environment.auditor().expect("an auditor");
    let fin = house.applicant().fin.to_string();
    let officer = house.environment.person(PROTECTION_OFFICER).expect("a data-protection officer");
    let asker = Asker::start(&house.client(), &fin).await;
    let receipt = asker.ask(IDENTITY).await.json().expect("JSON")["receipt"].clone();
    assert_eq!(told(&house, &portal, &fin).await.len(), 1);
    let decide = async |decision: Json| {
        let mut body = json!({"reason": REASON, "consumer": "targeted-aid", "case": asker.case, "document": "2-118 of 2026"});
        body.as_object_mut().expect("an object").extend(decision.as_object().expect("an object").clone());
        officer.post("/v1/journal/suppressions", &body, "en").await.expect("an answer")
    };
    for (decision, pointer) in [
        (json!({"action": "hide"}), "/ground"),
        (json!({"action": "hide", "ground": "because"}), "/ground"),
        (json!({"action": "delay", "ground": "fighting-crime"}), "/until"),
        (json!({"action": "delay", "ground": "fighting-crime", "until": "2020-01-01T00:00:00Z"}), "/until"),
        (json!({"action": "lift", "ground": "fighting-crime"}), "/ground"),
        (json!({"action": "lift", "document": ""}), "/document"),
        (json!({"action": "lift", "consumer": "nobody"}), "/consumer"),
        (json!({"action": "lift", "case": "c-mistyped"}), "/case"),
    ] {
        let answer = decide(decision.clone()).await;
        assert_eq!((answer.status, &answer.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!(pointer)), "{decision}");
    }
    // Delayed: not yet; lifted: told again; hidden: not told.
    for (decision, count) in [
        (json!({"action": "delay", "ground": "fighting-crime", "until": "2099-01-01T00:00:00Z"}), 0),
        (json!({"action": "lift"}), 1),
        (json!({"action": "hide", "ground": "others-rights"}), 0),
    ] {
        let answer = decide(decision.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(told(&house, &portal, &fin).await.len(), count, "{decision}");
    }
    let entry = newest(&auditor, "access-list-told").await;
    let suppressed = &entry["metadata"]["suppressed"][0];
    assert_eq!((&suppressed["index"], &suppressed["ground"]), (&receipt["index"], &json!("others-rights")));
    let decision = newest(&auditor, "suppression-decided").await;
    assert_eq!(suppressed["by"], json!(format!("{}/{}", decision["origin"].as_str().expect("an origin"), decision["index"])));
    assert_eq!(
        (&decision["metadata"]["auditor"], &decision["metadata"]["document"]),
        (&json!(PROTECTION_OFFICER), &json!("2-118 of 2026"))
    );
    // Another case's uses are told, and what is not told leaves no empty page between.
    Asker::start(&house.client(), &fin).await.ask(IDENTITY).await;
    asker.ask(IDENTITY).await;
    assert_eq!(told(&house, &portal, &fin).await.len(), 1);
    let body = json!({"subject": {"fin": fin}, "assertion": assertion(house.dir(), &fin, PORTAL).expect("an assertion"), "limit": 1});
    let page = portal.post("/v1/subject-accesses", &body, "az").await.expect("an answer").json().expect("JSON");
    assert_eq!(page["accesses"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["next"], Json::Null, "{page}");
    // A purpose may be suppressed as such.
    house.change("contracts/purposes.yaml", |text| {
        text.replace(
            "en: Means test for targeted state social assistance}}",
            "en: Means test for targeted state social assistance}, suppressed: {ground: state-security, for: 1d}}",
        )
    });
    house.reload().await;
    assert_eq!(told(&house, &portal, &fin).await.len(), 0);
    let entry = newest(&auditor, "access-list-told").await;
    assert_eq!(entry["metadata"]["suppressed"].as_array().map(Vec::len), Some(3));
    assert!(entry["metadata"]["suppressed"].to_string().contains("\"by\":\"purpose\""));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dossier_came_to_for_the_family_is_not_told_to_one_of_them() {
    let house = House::start().await;
    let (client, portal) = (house.client(), house.environment.client(PORTAL).expect("the portal"));
    let case = house.open_case(&client).await;
    let body = crate::house::dossier_envelope(house.family(), &case);
    assert_eq!(client.post_waiting("/v1/dossiers/adsy-means-test", &body, "en", 30).await.expect("an answer").status, 200);
    let child = house.family().members.last().expect("a member").fin.to_string();
    let accesses = told(&house, &portal, &child).await;
    assert_eq!(accesses.len(), 1, "{accesses:?}");
    assert_eq!((&accesses[0]["service"], &accesses[0]["outcomes"]), (&json!("adsy-means-test"), &json!([])));
    assert!(accesses[0]["text"].as_str().expect("words").ends_with("soruşub."), "{accesses:?}");
    house.stop().await;
}
