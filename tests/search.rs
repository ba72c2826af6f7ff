//! What an auditor finds: over the wire, with his certificate, in a journal that real questions filled.

use qovsaq::client::{Answer, Client};
use qovsaq::demo::{AUDITOR, Environment, ca_file, consumer_files, person_files};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::house::{Asker, House, dossier_envelope, header, options};
use crate::ledger::verifying_key;

const IDENTITY: &str = "interior/person-identity";
const ACTS: &str = "justice/family-acts";
const REASON: &str = "complaint 17 of this year: who looked";

async fn search(auditor: &Client, filter: Json) -> Answer {
    search_with(auditor, json!({"reason": REASON, "filter": filter})).await
}

async fn search_with(auditor: &Client, body: Json) -> Answer {
    auditor.post("/v1/journal/search", &body, "en").await.expect("an answer")
}

/// The entries found, with those of all further pages.
async fn all(auditor: &Client, filter: Json, limit: usize) -> Vec<Json> {
    let mut found = Vec::new();
    let mut cursor = Json::Null;
    loop {
        let answer = search_with(auditor, json!({"reason": REASON, "filter": filter, "limit": limit, "cursor": cursor})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json().expect("JSON");
        let entries = page["entries"].as_array().expect("entries");
        assert!(entries.len() <= limit);
        found.extend(entries.iter().cloned());
        cursor = page["next"].clone();
        if cursor.is_null() {
            return found;
        }
    }
}

fn kinds(entries: &[Json]) -> Vec<&str> {
    entries.iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_finds_who_asked_what_about_whom() {
    let house = House::start().await;
    let (client, auditor) = (house.client(), house.environment.auditor().expect("an auditor"));
    let (fin, other) = (house.applicant().fin.to_string(), house.family().members[1].fin.to_string());
    let asker = Asker::start(&client, &fin).await;
    let receipt = asker.ask(IDENTITY).await.json().expect("JSON")["receipt"].clone();
    Asker::start(&client, &other).await.ask(IDENTITY).await;
    assert_eq!(asker.ask("taxes/person-income").await.status, 200);

    // One's own: what was opened, sent, answered and told; newest first; nobody else's.
    let case = all(&auditor, json!({"case": asker.case}), 100).await;
    assert_eq!(kinds(&case), ["disclosed", "answered", "intent", "disclosed", "answered", "intent", "case-opened"]);
    let indices: Vec<u64> = case.iter().map(|entry| entry["index"].as_u64().expect("an index")).collect();
    assert!(indices.is_sorted_by(|one, next| one > next), "{indices:?}");
    assert_eq!(all(&auditor, json!({"subject": {"fin": fin}, "consumer": "targeted-aid"}), 100).await, case);
    assert_eq!(all(&auditor, json!({"subject": {"fin": fin}, "consumer": "targeted-aid"}), 2).await, case);
    // Who searched for him is asked in the same way.
    assert!(all(&auditor, json!({"subject": {"fin": fin}, "kind": "searched"}), 100).await.len() >= 5);
    let disclosed = case.iter().find(|entry| entry["index"] == receipt["index"]).expect("the entry of the receipt");
    assert_eq!(disclosed["leaf_hash"], receipt["leaf_hash"]);
    assert_eq!((&disclosed["metadata"]["consumer"], &disclosed["metadata"]["official"]), (&json!("targeted-aid"), &json!("AZ-0001")));
    let answered = case.iter().find(|entry| entry["kind"] == "answered").expect("an answer");
    assert_eq!(answered["closes"].as_u64(), Some(answered["index"].as_u64().expect("an index") - 1));

    // Any combination.
    let both = json!({"subject": [{"fin": fin}, {"fin": other}], "service": IDENTITY, "kind": "intent"});
    assert_eq!(all(&auditor, both, 100).await.len(), 2);
    assert_eq!(
        all(&auditor, json!({"subject": {"fin": fin}, "service": IDENTITY, "kind": ["disclosed"], "outcome": "FOUND"}), 100).await.len(),
        1
    );
    assert_eq!(all(&auditor, json!({"provider": "taxes", "kind": "answered", "purpose": "adsy-means-test"}), 100).await.len(), 1);
    assert_eq!(all(&auditor, json!({"subject": {"fin": fin}, "outcome": "STALE"}), 100).await, Vec::<Json>::new());
    assert_eq!(all(&auditor, json!({"official": "AZ-9999"}), 100).await, Vec::<Json>::new());
    assert_eq!(all(&auditor, json!({"case": asker.case, "to": "2020-01-01T00:00:00Z"}), 100).await, Vec::<Json>::new());
    assert_eq!(all(&auditor, json!({"case": asker.case, "from": "2020-01-01T00:00:00+04:00"}), 100).await, case);

    // A search is an entry, with who, why and what, and without the identifier.
    let searched = all(&auditor, json!({"kind": "searched", "official": "auditor-1"}), 100).await;
    let first = searched.last().expect("the first search");
    assert_eq!((&first["metadata"]["reason"], &first["metadata"]["filter"]["case"]), (&json!(REASON), &json!([asker.case])));
    assert_eq!(first["metadata"]["entries"], 7);
    assert!(searched.iter().any(|entry| entry["metadata"]["filter"]["subjects"].is_array()));
    assert!(!json!(searched).to_string().contains(&fin));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_entry_is_read_and_proven() {
    let house = House::start().await;
    let (client, auditor) = (house.client(), house.environment.auditor().expect("an auditor"));
    let receipt = Asker::start(&client, &house.applicant().fin).await.ask(IDENTITY).await.json().expect("JSON")["receipt"].clone();
    let path = format!("/v1/journal/entries/{}/{}", receipt["origin"].as_str().expect("an origin"), receipt["index"]);
    let read = auditor.get(&path, "en").await.expect("an answer");
    assert_eq!(read.status, 200, "{}", read.body);
    let entry = read.json().expect("JSON");
    assert_eq!((&entry["leaf_hash"], &entry["kind"]), (&receipt["leaf_hash"], &json!("disclosed")));
    // The proof may be a commit behind.
    let proof = loop {
        let proof = auditor.get(&format!("{path}/proof"), "en").await.expect("an answer");
        if proof.status != 404 {
            break proof;
        }
    };
    assert_eq!((proof.status, header(&proof, "content-type")), (200, "text/plain; charset=utf-8"));
    let mut keys = verify::Keys::default();
    keys.add(verify::Key::parse(&verifying_key(house.dir()).to_string()).expect("a key")).expect("the only one");
    let given = [entry.to_string(), proof.body.clone()].map(|text| verify::Given::read("file", text.as_bytes()));
    assert_eq!(verify::examine(&given, &[], &keys).exit_code(), 0, "{}", proof.body);
    // Reading it is an entry too; a proof tells nothing that is not public.
    let of_reading = all(&auditor, json!({"kind": "entry-read"}), 10).await;
    assert_eq!((of_reading.len(), &of_reading[0]["metadata"]["index"]), (1, &receipt["index"]));
    for missing in
        ["/v1/journal/entries/elsewhere/1", "/v1/journal/entries/elsewhere/1/proof", "/v1/journal/entries/meis-demo.test/x", "/v1/journal"]
    {
        assert_eq!(auditor.get(missing, "en").await.expect("an answer").status, 404, "{missing}");
    }
    assert_eq!(auditor.get("/checkpoint", "en").await.expect("an answer").status, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_reason_or_right_nothing_is_searched() {
    let house = House::start().await;
    let auditor = house.environment.auditor().expect("an auditor");
    let console = house.environment.console().expect("a console");
    let ask = json!({"reason": REASON});
    // Without a certificate 401, with somebody else's 403: on every route.
    let nobody = Client::new(&console, &ca_file(house.dir()), None).expect("a client");
    let consumer = Client::new(&console, &ca_file(house.dir()), Some(consumer_files(house.dir(), "targeted-aid"))).expect("a client");
    for (client, status, code) in [(&nobody, 401, "no-certificate"), (&consumer, 403, "unknown-person")] {
        let answer = search_with(client, ask.clone()).await;
        assert_eq!((answer.status, &answer.json().expect("JSON")["code"]), (status, &json!(code)));
        for path in
            ["/v1/journal/entries/meis-demo.test/1", "/v1/journal/entries/meis-demo.test/1/proof", "/checkpoint", "/tile/0/000", "/no/such"]
        {
            assert_eq!(client.get(path, "en").await.expect("an answer").status, status, "{path}");
        }
    }
    // An auditor is no consumer.
    let internal =
        Client::new(&house.environment.internal(), &ca_file(house.dir()), Some(person_files(house.dir(), AUDITOR))).expect("a client");
    assert_eq!(internal.get("/v1/catalogue", "en").await.expect("an answer").status, 403);
    assert_eq!(internal.post("/v1/journal/search", &ask, "en").await.expect("an answer").status, 403);
    assert_eq!(house.client().post("/v1/journal/search", &ask, "en").await.expect("an answer").status, 404);
    // Every broken rule with its place.
    let broken = [
        (json!({}), "/reason", "is required"),
        (json!({"reason": "because"}), "/reason", "what is looked for and why"),
        (json!({"reason": " ".repeat(40)}), "/reason", "10 to 500"),
        (json!({"reason": REASON, "filters": {}}), "", "unknown key"),
        (json!({"reason": REASON, "filter": {"fin": "x"}}), "/filter", "unknown key"),
        (json!({"reason": REASON, "filter": {"subject": {"fin": "123"}}}), "/filter/subject/fin", "7 characters"),
        (json!({"reason": REASON, "filter": {"subject": []}}), "/filter/subject", "1 to 10"),
        (json!({"reason": REASON, "filter": {"outcome": "FOUNT"}}), "/filter/outcome", "NOT_FOUND"),
        (json!({"reason": REASON, "filter": {"kind": "request"}}), "/filter/kind", "disclosed"),
        (json!({"reason": REASON, "filter": {"case": 7}}), "/filter/case", "1 to 128 bytes"),
        (json!({"reason": REASON, "filter": {"from": "yesterday"}}), "/filter/from", "RFC 3339"),
        (json!({"reason": REASON, "filter": {"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}), "/filter/to", "from"),
        (json!({"reason": REASON, "limit": 0}), "/limit", "between 1 and 1000"),
        (json!({"reason": REASON, "cursor": "elsewhere:7"}), "/cursor", "`next`"),
    ];
    for (body, pointer, words) in broken {
        let answer = search_with(&auditor, body.clone()).await;
        let problem = answer.json().expect("JSON");
        assert_eq!(answer.status, 422, "{body}: {problem}");
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], pointer, "{body}: {problem}");
        assert!(error["detail"].as_str().expect("words").contains(words), "{body}: {problem}");
    }
    // None of it was a search.
    assert!(!house.lines().iter().any(|line| line.kind == qovsaq::record::Kind::Searched.number()));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identifiers_cannot_be_tried_out() {
    let house = House::start().await;
    let auditor = house.environment.auditor().expect("an auditor");
    let ten: Vec<Json> = house.family().everyone().take(1).flat_map(|person| vec![json!({"fin": person.fin}); 10]).collect();
    for _ in 0..6 {
        assert_eq!(search(&auditor, json!({"subject": ten})).await.status, 200);
    }
    let refused = search(&auditor, json!({"subject": ten})).await;
    assert_eq!((refused.status, &refused.json().expect("JSON")["code"]), (429, &json!("too-many-requests")));
    assert!(header(&refused, "retry-after").parse::<u64>().expect("seconds") >= 1);
    // What names no person goes on.
    assert_eq!(search(&auditor, json!({"kind": "searched"})).await.status, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_found_under_every_identifier_and_where_others_answers_name_him() {
    let house = House::start().await;
    let (client, auditor) = (house.client(), house.environment.auditor().expect("an auditor"));
    let person = house.applicant();
    let document = json!({"document": {"series": person.document.series, "number": person.document.number}, "birth_date": person.birth_date.to_string()});
    // Asked by document, answered with a FIN: from then on both find both.
    let case = "c-by-document";
    let opened = json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": document, "role": "applicant"}]});
    assert_eq!(client.post("/v1/cases", &opened, "en").await.expect("an answer").status, 201);
    let mut body = crate::house::envelope(&person.fin, case, json!({}));
    body["subject"] = document.clone();
    let answer = crate::house::ask(&client, IDENTITY, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let by_fin = Asker::start(&client, &person.fin).await;
    by_fin.ask("taxes/person-income").await;
    let found = all(&auditor, json!({"subject": {"fin": person.fin}, "consumer": "targeted-aid"}), 100).await;
    assert_eq!(found, all(&auditor, json!({"subject": document, "consumer": "targeted-aid"}), 100).await);
    assert!(
        found.iter().any(|entry| entry["metadata"]["case"] == case) && found.iter().any(|entry| entry["metadata"]["case"] == by_fin.case)
    );

    // Whoever is named in somebody else's answer is found there, and only there.
    let acts = Asker::start(&client, &person.fin).await;
    let answer = acts.ask(ACTS).await.json().expect("JSON");
    let named: Vec<String> = answer["data"]["acts"]
        .as_array()
        .expect("acts")
        .iter()
        .flat_map(|act| act["persons"].as_array().cloned().unwrap_or_default())
        .filter_map(|named| named["fin"].as_str().map(str::to_owned))
        .filter(|fin| *fin != *person.fin)
        .collect();
    let spouse = named.first().expect("the applicant has a family");
    let found = all(&auditor, json!({"subject": {"fin": spouse}, "consumer": "targeted-aid"}), 100).await;
    assert_eq!(kinds(&found), ["disclosed", "answered"], "{found:?}");
    assert!(found.iter().all(|entry| entry["metadata"]["service"] == ACTS));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_is_made_anew_from_the_log_and_outlives_a_restart() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut before = Vec::new();
    for round in 0..3 {
        let environment = Environment::start(&options(folder.path())).await.expect("everything starts");
        let (client, auditor) = (environment.client("targeted-aid").expect("a client"), environment.auditor().expect("an auditor"));
        let family = environment.personas.reference_family();
        if round == 0 {
            let case = environment.open_case(&client, family).await.expect("a case");
            let answer =
                client.post_waiting("/v1/dossiers/adsy-means-test", &dossier_envelope(family, &case), "en", 30).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let found = all(&auditor, json!({"subject": {"fin": family.members[1].fin}, "consumer": "targeted-aid"}), 7).await;
        assert!(found.len() > 10, "{}", found.len());
        if round > 0 {
            assert_eq!(found, before);
        }
        before = found;
        environment.stop().await.expect("stops in order");
        if round == 1 {
            let log = std::fs::read_dir(folder.path().join("journal")).expect("logs").next().expect("a log").expect("read").path();
            std::fs::remove_dir_all(log.join("index")).expect("an index");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_exported_convinces_the_independent_verifier() {
    let mut demo = crate::program::Demo::start("warn").await;
    let dir = demo.dir();
    let client = demo.client("targeted-aid");
    let requests = demo.json()["requests"][IDENTITY]["body"].clone();
    let case = requests["case"].as_str().expect("a case").to_owned();
    assert_eq!(client.post(&format!("/v1/services/{IDENTITY}"), &requests, "en").await.expect("an answer").status, 200);
    let kept = TempDir::new().expect("a folder");
    let key = verifying_key(&dir).to_string();
    let dir_text = dir.to_str().expect("text").to_owned();
    let condition = format!("case={case}");
    let run = |arguments: &[&str]| crate::program::run(&[arguments, &["--dir", &dir_text]].concat());
    let ran = run(&["journal", "search", "--reason", REASON, &condition]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("disclosed") && ran.stdout.contains(&case), "{}", ran.stdout);
    let mut keys = verify::Keys::default();
    keys.add(verify::Key::parse(&key).expect("a key")).expect("the only one");
    for (form, name) in [("ndjson", "e.ndjson"), ("csv", "e.csv"), ("bundle", "e.zip")] {
        let out = kept.path().join(name).to_str().expect("text").to_owned();
        let ran = run(&["journal", "export", "--reason", REASON, "--format", form, "--out", &out, &condition]);
        assert_eq!(ran.code, Some(0), "{form}: {}", ran.stderr);
        let mut files = vec![out.clone()];
        files.extend(ran.stdout.lines().skip(1).filter_map(|line| line.split_once(": the checkpoint").map(|(file, _)| file.to_owned())));
        assert_eq!(files.len(), if form == "csv" { 2 } else { 1 });
        let mut given: Vec<_> = files.iter().map(|file| verify::Given::read(file, &std::fs::read(file).expect("a file"))).collect();
        if form == "csv" {
            given[0] = verify::Given::table(&files[0], std::fs::File::open(&files[0]).expect("a file"), &given[1..]).expect("read");
        }
        let report = verify::examine(&given, &[], &keys);
        assert_eq!(report.exit_code(), 0, "{form}: {report:?}");
        // A file that is there is not replaced.
        let again = run(&["journal", "export", "--reason", REASON, "--format", form, "--out", &out, &condition]);
        assert_eq!(again.code, Some(1));
        assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    }
    let out = kept.path().join("x.zip").to_str().expect("text").to_owned();
    let ran = run(&["journal", "export", "--reason", REASON, "--format", "bundle", "--out", &out, "official=AZ-0001"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("/filter a bundle is for one case"), "{}", ran.stderr);
    let ran = run(&["journal", "search", "--reason", "why", &condition]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("/reason"), "{}", ran.stderr);
    // Each export is an entry before and after.
    let ran = run(&["journal", "search", "--json", "--reason", REASON, "kind=exported", "kind=export-finished"]);
    let lines: Vec<Json> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let all_kinds = kinds(&lines);
    assert_eq!(all_kinds.iter().filter(|kind| **kind == "export-finished").count(), 3, "{all_kinds:?}");
    assert_eq!(all_kinds.iter().filter(|kind| **kind == "exported").count(), 3);
    assert!(demo.stop().await.success());
}
