//! What sources send against their contracts, over the wire: kept apart, told to its owner, read again, expired.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qovsaq::client::{Answer, Client};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};
use store::quality::{Because, Notice, Quality, Recall};

use crate::child::Site;
use crate::house::{Asker, House, dossier_envelope};
use crate::ledger;
use crate::played::Played;

const SUBSCRIBER: &str = "azerishiq/subscriber";
const MAPPING: &str = "mappings/azerishiq/subscriber@1.0.0.yaml";
const REASON: &str = "the mapping knows the new meters now";

/// An agency that has begun to send a code which nobody has announced, besides the record asked for.
async fn with_new_code(fin: &str) -> (House, Played) {
    let site = Site::prepare().await;
    let fin = fin.to_owned();
    let played = Played::instead_of(&site, "azerishiq", move |_| {
        let record = json!({
            "abonent_kodu": "TEST-EL-000111", "sahib_fin": fin, "unvan": "Bakı ş., Sınaq küç. 1", "saygac_novu": "reqemsal",
            "tarif_qrupu": "ehali", "aktiv": true, "foto": "x",
        });
        (200, json!({"abonentler": [record]}))
    })
    .await;
    (site.up().await, played)
}

async fn as_person(house: &House, name: &str, method: &str, path: &str, body: Json) -> Answer {
    let client = house.environment.person(name).expect("a client");
    match method {
        "GET" => client.get(path, "en").await,
        _ => client.post(path, &body, "en").await,
    }
    .expect("an answer")
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

async fn items(house: &House, query: &str) -> Vec<Json> {
    let answer = as_person(house, "operator-1", "GET", &format!("/v1/quarantine{query}"), Json::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")["items"].as_array().expect("a list").clone()
}

// clause: 000/7.1.10
// clause: 634/6.2.10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_answer_is_kept_apart_and_solved_by_reading_it_again() {
    let fin = mock_agencies::Personas::embedded().reference_family().applicant().fin.to_string();
    let (house, played) = with_new_code(&fin).await;
    let asker = Asker::start(&house.client(), &fin).await;
    let refused = asker.ask(SUBSCRIBER).await;
    assert_eq!((refused.status, &refused.json().expect("JSON")["outcome"]), (502, &json!("INVALID_DATA")), "{}", refused.body);

    // Once it has been answered, the item is there, with its owner and his term.
    let there = items(&house, "?state=open&provider=azerishiq").await;
    assert_eq!(there.len(), 1);
    let item = &there[0];
    assert_eq!((&item["service"], &item["rule"], &item["path"]), (&json!(SUBSCRIBER), &json!("unmapped-code"), &json!("meter_kind")));
    assert_eq!((&item["state"], &item["kept"], &item["came_as"]), (&json!("open"), &json!(true), &json!("answer")));
    assert!(item["owner"]["az"].is_string() && item["deadline"].is_string(), "{item}");
    assert!(!item.to_string().contains(&fin));

    // The entry is there too, between the answer's and the disclosure's.
    let lines = house.closed_lines().await;
    let entry = lines.iter().find(|line| line.is(Kind::Quarantined)).expect("an entry");
    assert_eq!(entry.metadata["item"], item["item"]);
    let answered = lines.iter().find(|line| line.is(Kind::Answered)).expect("an entry");
    assert_eq!((entry.metadata["answer"].as_u64(), item["entry"]["index"].as_u64()), (Some(answered.index), Some(answered.index)));
    assert!(lines.iter().any(|line| line.is(Kind::Disclosed) && line.index > entry.index));

    // Values are for the data protection officer alone, and not before the journal has it.
    let opening = format!("/v1/quarantine/{}/opening", item["item"].as_str().expect("an id"));
    let body = json!({"reason": "the utility asks what it has sent"});
    assert_eq!(as_person(&house, "operator-1", "POST", &opening, body.clone()).await.status, 403);
    assert_eq!(as_person(&house, "dpo-1", "POST", &opening, json!({})).await.status, 422, "a reason is needed");
    assert!(!house.lines().iter().any(|line| line.is(Kind::QuarantineOpened)));
    let opened = as_person(&house, "dpo-1", "POST", &opening, body).await;
    assert!(opened.status == 200 && opened.json().expect("JSON")["text"].as_str().is_some_and(|text| text.contains("reqemsal")));
    let lines = house.lines();
    let entry = lines.iter().find(|line| line.is(Kind::QuarantineOpened)).expect("an entry");
    assert_eq!((&entry.metadata["item"], &entry.metadata["reason"]), (&item["item"], &json!("the utility asks what it has sent")));

    // Read again by the same mapping it still breaks the same rule.
    let replay = json!({"reason": REASON, "service": SUBSCRIBER});
    let read = as_person(&house, "operator-1", "POST", "/v1/quarantine/replays", replay.clone()).await.json().expect("JSON");
    assert_eq!((&read["solved"], &read["left"], &read["items"][0]["rule"]), (&json!(0), &json!(1), &json!("unmapped-code")), "{read}");
    // By one that knows the code it comes to what a new answer comes to; nothing is asked for that.
    house.change(MAPPING, |text| text.replace("{smart: smart,", "{smart: smart, reqemsal: smart,"));
    house.reload().await;
    let asked = played.asked();
    let read = as_person(&house, "operator-1", "POST", "/v1/quarantine/replays", replay).await.json().expect("JSON");
    assert_eq!((&read["solved"], &read["items"][0]["outcome"]), (&json!(1), &json!("FOUND")), "{read}");
    assert_eq!(played.asked(), asked);
    assert_eq!(items(&house, "").await[0]["state"], "solved");
    let lines = house.lines();
    let entry = lines.iter().rev().find(|line| line.is(Kind::QuarantineReplayed)).expect("an entry");
    assert_eq!(entry.metadata["solved"], json!([item["item"]]));
    // What was found is no fact: who needs it asks again.
    let answer = asker.ask(SUBSCRIBER).await;
    assert_eq!((answer.status, played.asked()), (200, asked + 1), "{}", answer.body);
    assert_eq!(as_person(&house, "dpo-1", "POST", &opening, json!({"reason": "it is closed, is it not"})).await.status, 404);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_the_quarantine_stands_on_the_disk_in_clear() {
    let fin = mock_agencies::Personas::embedded().reference_family().applicant().fin.to_string();
    let (house, _played) = with_new_code(&fin).await;
    let asker = Asker::start(&house.client(), &fin).await;
    assert_eq!(asker.ask(SUBSCRIBER).await.status, 502);
    for folder in ["store", "keys", "journal"] {
        for file in files(&house.dir().join(folder)) {
            let bytes = std::fs::read(&file).expect("readable");
            for text in [fin.as_str(), "reqemsal", "unmapped-code"] {
                assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()), "{text} in {}", file.display());
            }
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_fills_neither_disk_nor_journal_with_items() {
    let fin = mock_agencies::Personas::embedded().reference_family().applicant().fin.to_string();
    let (house, _played) = with_new_code(&fin).await;
    let asker = Asker::start(&house.client(), &fin).await;
    let bound = store::quality::ITEMS_OF_FAULT_MAX;
    for _ in 0..bound + 5 {
        assert_eq!(asker.ask(SUBSCRIBER).await.status, 502);
    }
    assert_eq!(items(&house, "").await.len(), bound);
    let lines = house.closed_lines().await;
    assert_eq!(lines.iter().filter(|line| line.is(Kind::Quarantined)).count(), bound);
    assert!(lines.iter().filter(|line| line.is(Kind::Answered)).count() > bound, "each answer has its own entry all the same");
    // Whoever solves one makes room for another.
    let id = items(&house, "").await[0]["item"].as_str().expect("an id").to_owned();
    let solution = format!("/v1/quarantine/{id}/solution");
    let reason = json!({"reason": "the utility has taken the meters back"});
    assert_eq!(as_person(&house, "operator-1", "POST", &solution, reason.clone()).await.status, 200);
    assert_eq!(as_person(&house, "operator-1", "POST", &solution, reason).await.status, 409);
    assert_eq!(asker.ask(SUBSCRIBER).await.status, 502);
    assert_eq!(items(&house, "?state=open").await.len(), bound);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_taken_has_an_item_without_content() {
    let house = House::start().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    house.set_fault("interior/person-identity", "oversize", Some(1));
    assert_eq!(asker.ask("interior/person-identity").await.status, 502);
    let there = items(&house, "").await;
    assert_eq!((&there[0]["rule"], &there[0]["kept"]), (&json!("too-large"), &json!(false)), "{there:?}");
    let replay = json!({"reason": REASON});
    let read = as_person(&house, "operator-1", "POST", "/v1/quarantine/replays", replay).await.json().expect("JSON");
    assert_eq!(read["items"][0]["rule"], "content-not-kept");
    house.stop().await;
}

// clause: 634/6.2.12
// clause: 004/12.4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_contract_knows_is_counted_by_name_for_its_owner() {
    let fin = mock_agencies::Personas::embedded().reference_family().applicant().fin.to_string();
    let site = Site::prepare().await;
    let known = Arc::new(AtomicBool::new(true));
    let (tell, asked_for) = (Arc::clone(&known), fin.clone());
    let _played = Played::instead_of(&site, "azerishiq", move |_| {
        let kind = if tell.load(Ordering::Relaxed) { "smart" } else { "reqemsal" };
        let record = json!({
            "abonent_kodu": "TEST-EL-000111", "sahib_fin": asked_for, "unvan": "Bakı ş., Sınaq küç. 1", "saygac_novu": kind,
            "tarif_qrupu": "ehali", "aktiv": true, "qan_qrupu": "A", "5K7QX2O": "x",
        });
        (200, json!({"abonentler": [record]}))
    })
    .await;
    let house = site.up().await;
    let asker = Asker::start(&house.client(), &fin).await;
    for _ in 0..3 {
        assert_eq!(asker.ask(SUBSCRIBER).await.status, 200);
    }
    known.store(false, Ordering::Relaxed);
    assert_eq!(asker.ask(SUBSCRIBER).await.status, 502);
    let answer = as_person(&house, "assessor-1", "GET", "/v1/drift?provider=azerishiq", Json::Null).await;
    let body = answer.json().expect("JSON");
    let sum = |what: &str, name: &str| {
        let sums = body["sums"].as_array().expect("a list");
        let found = sums.iter().find(|sum| sum["service"] == SUBSCRIBER && sum["what"] == what && sum["name"] == name);
        found.map_or(0, |sum| sum["answers"].as_u64().expect("a number"))
    };
    assert_eq!((sum("answers", ""), sum("undeclared", "qan_qrupu")), (4, 3), "{body}");
    // A name that could be an identifier is not told.
    assert_eq!((sum("undeclared", "…"), sum("broken", "meter_kind: unmapped-code")), (3, 1), "{body}");
    assert!(!answer.body.contains("5K7QX2O"));
    for bad in ["?month=2026-13", "?month=March", "?month=2999-01", "?provider=No%20body", "?state=open"] {
        assert_eq!(as_person(&house, "operator-1", "GET", &format!("/v1/drift{bad}"), Json::Null).await.status, 422, "{bad}");
    }
    house.stop().await;
}

async fn recall(house: &House, body: Json) -> Json {
    let answer = as_person(house, "operator-1", "POST", "/v1/recalls", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")
}

async fn notices(client: &Client, query: &str) -> Json {
    let answer = client.get(&format!("/v1/notices{query}"), "en").await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")
}

// clause: 000/7.1.10
// clause: 634/6.2.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_of_a_fact_learns_that_its_source_took_it_back() {
    const ACTS: &str = "justice/family-acts";
    let house = Site::prepare().await.keep_answers().up().await;
    let before = qovsaq::clock::now().to_string();
    let (client, fin) = (house.client(), house.applicant().fin.to_string());
    let (asker, other) = (Asker::start(&client, &fin).await, Asker::start(&client, &house.family().members[1].fin).await);
    let case = house.open_case(&client).await;
    let opened = client.post_waiting("/v1/dossiers/adsy-means-test", &dossier_envelope(house.family(), &case), "en", 20).await;
    let dossier = opened.expect("an answer").json().expect("JSON");
    // Told twice of one person, of whom one time from what is kept, and once of another.
    assert_eq!(asker.ask(ACTS).await.status, 200);
    let hits = asker.ask(ACTS).await;
    assert_eq!((hits.status, other.ask(ACTS).await.status), (200, 200));
    assert!(notices(&client, "").await["notices"].as_array().is_some_and(Vec::is_empty));

    let order = json!({
        "service": ACTS, "subject": {"fin": fin}, "from": before, "because": "annulled", "reason": "the court has annulled the act",
    });
    // Whoever mistypes takes nothing back.
    for (key, value) in [("service", json!("justice/nothing")), ("subject", Json::Null), ("because", json!("gone")), ("reason", json!("x"))]
    {
        let mut bad = order.clone();
        bad[key] = value;
        assert_eq!(as_person(&house, "operator-1", "POST", "/v1/recalls", bad).await.status, 422, "{key}");
    }
    let done = recall(&house, order.clone()).await;
    assert_eq!((&done["cases"], &done["consumers"]), (&json!(2), &json!({"targeted-aid": 2})), "{done}");
    let told = notices(&client, "").await;
    let listed = told["notices"].as_array().expect("a list");
    let cases: Vec<&str> = listed.iter().map(|notice| notice["case"].as_str().expect("a case")).collect();
    assert!(cases.len() == 2 && cases.contains(&asker.case.as_str()) && cases.contains(&case.as_str()), "{told}");
    let of_dossier = listed.iter().find(|notice| notice["case"] == *case).expect("a notice");
    assert_eq!((&of_dossier["dossier_id"], &of_dossier["because"]), (&dossier["dossier_id"], &json!("annulled")));
    assert!(!told.to_string().contains(&fin));
    // Read on from the last number: nothing is told twice, and nobody else is told anything.
    let last = listed[1]["number"].as_u64().expect("a number");
    assert!(notices(&client, &format!("?after={last}")).await["notices"].as_array().is_some_and(Vec::is_empty));
    let pension = house.environment.client("pension").expect("a client");
    assert!(notices(&pension, "").await["notices"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(client.get("/v1/notices?after=x", "en").await.expect("an answer").status, 422);

    // The dossier marks the element, of this person alone; what was kept is asked anew.
    let id = dossier["dossier_id"].as_str().expect("an id");
    let read = client.get(&format!("/v1/dossiers/adsy-means-test/{id}"), "en").await.expect("an answer").json().expect("JSON");
    for element in read["elements"].as_array().expect("a list") {
        let concerned = element["element"] == "family-acts" && element["for"]["fin"] == *fin;
        assert_eq!(element["recalled_at"].is_string(), concerned, "{element}");
    }
    let asked = house.asked_of(ACTS);
    assert_eq!((asker.ask(ACTS).await.status, house.asked_of(ACTS)), (200, asked + 1));

    // Entries: the recall names cases and no person in clear, and the consumer was told only after its own.
    let lines = house.closed_lines().await;
    let entry = lines.iter().find(|line| line.is(Kind::FactsRecalled)).expect("an entry");
    assert_eq!((entry.metadata["told"].as_array().map(Vec::len), &entry.metadata["resumed"]), (Some(2), &json!(false)));
    assert!(entry.metadata["subjects"].as_array().is_some_and(|tokens| tokens.len() == 1) && !entry.metadata.to_string().contains(&fin));
    assert_eq!(lines.iter().filter(|line| line.is(Kind::NoticesTold)).count(), 1, "only where something was told");
    // Once more takes back what has been told since, and says so for the old cases again.
    assert!(recall(&house, order).await["answers"].as_u64().is_some_and(|answers| answers >= 2));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recall_that_a_crash_cut_off_is_carried_out_by_the_next_start() {
    let site = Site::prepare().await;
    // The first start makes keys and files.
    let child = site.serve().await;
    child.kill().await;
    let (consumer, case) = (model::ConsumerId::new("targeted-aid"), model::CaseId::new("c-2026-000042"));
    let (consumer, case) = (consumer.expect("a consumer"), case.expect("a case"));
    let service = model::ServiceId::new("justice/family-acts").expect("a service");
    let now = qovsaq::clock::now();
    let notice = Notice {
        id: uuid::Uuid::now_v7(),
        consumer: consumer.clone(),
        case,
        dossier_id: None,
        service: service.clone(),
        because: Because::Corrected,
        told_at: now,
        entry: ("qovsaq.example.2026h1".to_owned(), 9),
        recalled_at: now,
    };
    let recall = Recall {
        id: uuid::Uuid::now_v7(),
        request_id: uuid::Uuid::now_v7(),
        service,
        subject: None,
        from: now,
        to: now,
        because: Because::Corrected,
        reason: "the ministry has corrected the act".to_owned(),
        by: "AZ-0001".to_owned(),
        answers: Vec::new(),
        notices: vec![notice],
    };
    quality_of(&site).begin_recall(&recall).expect("a disk");
    // Killed before anything came of it, at any moment of the start, it is done by the next one.
    for ms in [20, 60, 120] {
        site.kill_starting(Duration::from_millis(ms)).await;
    }
    let child = site.serve().await;
    let told = notices(&child.client("targeted-aid"), "").await;
    assert_eq!(told["notices"].as_array().map(Vec::len), Some(1), "{told}");
    assert!(child.stop().await.success());
    let lines = ledger::read(site.dir(), 0);
    let entries: Vec<_> = lines.iter().filter(|line| line.is(Kind::FactsRecalled)).collect();
    assert!(!entries.is_empty() && entries.iter().all(|line| line.metadata["resumed"] == true), "entry before effect");
    assert!(quality_of(&site).begun_recalls().expect("a disk").is_empty());
}

/// The quarantine's file of a site where nothing runs.
fn quality_of(site: &Site) -> Quality {
    let key = seal::NodeKey::load_or_create(&site.dir().join("keys/node.key")).expect("a key").derive("qovsaq quality");
    let (path, keys) = (site.dir().join("store/quality.db"), site.dir().join("keys/quarantine"));
    Quality::open(&path, &keys, key, store::quality::Bounds::default()).expect("opens")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_there_is_no_item_without_its_entry() {
    let site = Site::prepare().await;
    let fin = site.personas.reference_family().applicant().fin.to_string();
    for service in ["interior/person-identity", "interior/vehicle-ownership", "taxes/taxpayer-status"] {
        let (provider, name) = service.split_once('/').expect("provider/service");
        site.agencies[provider].set_fault(name, "wrong-type", None).expect("known");
    }
    let mut items = 0;
    for kill in 0..6_u64 {
        let child = site.serve().await;
        let client = child.client("targeted-aid");
        let asking = tokio::spawn({
            let fin = fin.clone();
            async move {
                let asker = Asker::start(&client, &fin).await;
                loop {
                    for service in ["interior/person-identity", "interior/vehicle-ownership", "taxes/taxpayer-status"] {
                        let body = asker.body(service);
                        if client.post(&format!("/v1/services/{service}"), &body, "en").await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(40 + 35 * kill)).await;
        child.kill().await;
        // Cut off in the middle of opening its case it has nothing to say.
        drop(asking.await);
        let lines = ledger::read(site.dir(), 0);
        let entries: Vec<&Json> = lines.iter().filter(|line| line.is(Kind::Quarantined)).map(|line| &line.metadata["item"]).collect();
        let quality = quality_of(&site);
        items = quality.items().len();
        for item in quality.items() {
            assert!(entries.contains(&&json!(item.id)), "an item without its entry");
            assert_eq!(quality.content(item.id).expect("a disk").is_some(), item.kept);
        }
    }
    assert!(items > 0, "no kill met an item");
}

// clause: 634/6.2.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_two_sources_disagree_both_values_are_marked_and_none_is_changed() {
    let site = Site::prepare().await;
    // Whoever has an income has been registered before: declared the wrong way round, everybody disagrees.
    let comparison = "comparison: income-before-home\nname: {az: Qeydiyyatdan sonra gəlir, en: Income after the registration}\n\
        clause: 634/6.2.1\nprimary: {service: interior/residence-registration, field: registered_from}\n\
        other: {service: taxes/person-income, field: \"months[].month\"}\nagree: not-after\n";
    std::fs::write(site.dir().join("contracts/comparisons/income-before-home.yaml"), comparison).expect("written");
    let house = site.up().await;
    let client = house.client();
    let dossier = whole_dossier(&house, &client).await;
    let (mut primary, mut other) = (0, 0);
    for element in dossier["elements"].as_array().expect("a list") {
        let marks = element["discrepancies"].as_array().map(Vec::as_slice).unwrap_or_default();
        for mark in marks {
            assert_eq!(
                (&mark["comparison"], &mark["name"]),
                (&json!("income-before-home"), &json!("Income after the registration")),
                "{mark}"
            );
            let (element, against) = (element["element"].as_str().expect("a name"), &mark["against"]);
            match (element, mark["primary"].as_bool()) {
                ("residence", Some(true)) => {
                    primary += 1;
                    assert_eq!((&mark["field"], &against["element"]), (&json!("registered_from"), &json!("income")));
                }
                ("income", Some(false)) => {
                    other += 1;
                    assert_eq!((&mark["field"], &against["field"]), (&json!("months[].month"), &json!("registered_from")));
                }
                _ => panic!("{element} is marked: {mark}"),
            }
        }
        assert!(marks.is_empty() || element["data"].is_object(), "both values stand there as their sources said them");
    }
    assert!(primary > 0 && primary == other, "{primary} and {other}");
    let sums = as_person(&house, "assessor-1", "GET", "/v1/drift", Json::Null).await.json().expect("JSON");
    let sum = |what: &str, name: &str| {
        let sums = sums["sums"].as_array().expect("a list");
        sums.iter().find(|sum| sum["what"] == what && sum["name"] == name).map_or(0, |sum| sum["answers"].as_u64().expect("a number"))
    };
    assert_eq!(sum("discrepancy", "income-before-home"), primary);
    assert_eq!(sum("compared", "income-before-home"), primary);
    // The shipped comparisons agree for this family.
    assert!(sum("compared", "birth-date") + sum("compared", "spouse-of-application") > 0, "{sums}");
    for shipped in ["income-after-death", "birth-date", "spouse-of-application"] {
        assert_eq!(sum("discrepancy", shipped), 0, "{shipped}: {sums}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disagreement_is_not_told_to_whom_one_of_the_values_is_not() {
    let site = Site::prepare().await;
    let comparison = "comparison: income-before-home\nname: {az: a, en: a}\nclause: 634/6.2.1\n\
        primary: {service: interior/residence-registration, field: registered_from}\n\
        other: {service: taxes/person-income, field: \"months[].month\"}\nagree: not-after\n";
    std::fs::write(site.dir().join("contracts/comparisons/income-before-home.yaml"), comparison).expect("written");
    let all = "  - service: interior/residence-registration\n    fields: all\n";
    let fewer =
        "  - service: interior/residence-registration\n    fields: [fin, registration_kind, address_text, address_code, territory_code]\n";
    site.change("contracts/consumers/targeted-aid.yaml", all, fewer);
    let house = site.up().await;
    let dossier = whole_dossier(&house, &house.client()).await;
    assert!(dossier["elements"].as_array().expect("a list").iter().all(|element| element["discrepancies"].is_null()), "{dossier}");
    // It is counted all the same: what a consumer may see says nothing about a source's data.
    let sums = as_person(&house, "assessor-1", "GET", "/v1/drift", Json::Null).await.body;
    assert!(sums.contains("income-before-home"), "{sums}");
    house.stop().await;
}

async fn whole_dossier(house: &House, client: &Client) -> Json {
    let case = house.open_case(client).await;
    let body = dossier_envelope(house.family(), &case);
    let answer = client.post_waiting("/v1/dossiers/adsy-means-test", &body, "en", 20).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().expect("JSON")
}
