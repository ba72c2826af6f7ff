//! Files that sources deliver, from the landing folder to the answer: what is loaded, what is refused and why, what an
//! overdue file says, what a crash leaves.

use std::path::PathBuf;

use jiff::ToSpan as _;
use jiff::civil::Date;
use mock_agencies::{FILE_SERVICES, FileFault, OCCUPATIONS_VERSION, TERRITORIES_VERSION, delivery};
use model::ServiceId;
use qovsaq::clock;
use qovsaq::demo::landing;
use qovsaq::feeds::FeedView;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{House, ask, envelope};

const GAS: &str = "azeriqaz/consumption";
const DEFENCE: &str = "defence/service-record";
const WAR: &str = "mobilisation/war-participant";
const TERRITORY: &str = "statistics/territory-classifier";

fn today() -> Date {
    model::time::day(clock::now())
}

fn days_ago(days: i64) -> Date {
    today().saturating_sub(days.days())
}

fn months_ago(months: i64) -> Date {
    today().first_of_month().saturating_sub(months.months())
}

/// A day that lies so many of the service's periods back.
fn back(service: &str, periods: i64) -> Date {
    match service {
        WAR => days_ago(periods * 7),
        _ if service.starts_with("statistics/") => months_ago(periods),
        _ => days_ago(periods),
    }
}

/// A site to which nothing has been delivered.
async fn empty_site() -> Site {
    let site = Site::prepare().await;
    for service in FILE_SERVICES {
        let folder = landing(site.dir(), service);
        std::fs::remove_dir_all(&folder).expect("what was delivered");
    }
    site
}

fn deliver(house: &House, service: &str, day: Date, base: Option<Date>, fault: Option<FileFault>) {
    if let Some(file) = delivery(service, day, base, fault) {
        file.write(&landing(house.dir(), service)).expect("delivered");
    }
}

fn view(house: &House, service: &str) -> FeedView {
    let gateway = &house.environment.gateway.gateway;
    let id = ServiceId::new(service).expect("a service");
    let terms = gateway.active().snapshot.services[&id].snapshot.expect("it delivers files");
    gateway.feeds().get(&id).expect("a feed").view(terms.stale_after, clock::now())
}

/// Delivers, looks, and gives the rule by which the file was refused; none where it was loaded.
async fn take(house: &House, service: &str, day: Date, base: Option<Date>, fault: Option<FileFault>) -> Option<&'static str> {
    let before = view(house, service).refused;
    deliver(house, service, day, base, fault);
    house.environment.gateway.gateway.feeds().look_now().await;
    let view = view(house, service);
    (view.refused > before).then(|| view.last_refusal.expect("a refusal").rule)
}

/// What a feed's service says of whoever the first row is about.
async fn first(house: &House, service: &str) -> (u16, Json) {
    let classifiers = mock_agencies::classifiers();
    let (fin, input) = match service {
        GAS => (mock_agencies::gas_accounts().keys().next().expect("an account").to_string(), json!({})),
        DEFENCE => (mock_agencies::service_records().keys().next().expect("a record").to_string(), json!({})),
        WAR => (mock_agencies::war_participants().keys().next().expect("a participant").to_string(), json!({})),
        TERRITORY => {
            let (version, rows) = classifiers.territories.iter().next().expect("a version");
            (String::new(), json!({"version": version, "code": rows[0][0]}))
        }
        _ => {
            let (version, rows) = classifiers.occupations.iter().next().expect("a version");
            (String::new(), json!({"classifier": "occupation", "version": version, "code": rows[0][0]}))
        }
    };
    told(house, service, &fin, input).await
}

async fn told(house: &House, service: &str, fin: &str, input: Json) -> (u16, Json) {
    let (consumer, purpose, role) = match service {
        "statistics/occupation-and-activity" => ("employment", "employment-registration", "case-officer"),
        DEFENCE => ("pension", "labour-pension", "case-officer"),
        WAR => ("social-payments", "social-payments", "case-officer"),
        _ => ("targeted-aid", "adsy-means-test", "case-officer"),
    };
    let client = house.environment.client(consumer).expect("a certificate");
    let case = crate::house::fresh_case();
    let subject = if fin.is_empty() { &*house.applicant().fin } else { fin };
    let persons = json!([{"subject": {"fin": subject}, "role": "applicant"}]);
    let opened = client.post("/v1/cases", &json!({"case": case, "purpose": purpose, "persons": persons}), "en").await.expect("an answer");
    assert_eq!(opened.status, 201, "{}", opened.body);
    let mut body = envelope(fin, &case, input);
    body["purpose"] = json!(purpose);
    body["role"] = json!(role);
    if fin.is_empty() {
        body["subject"] = Json::Null;
    }
    let answer = ask(&client, service, &body).await;
    (answer.status, answer.json().expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_is_told_with_its_own_day_and_its_term() {
    let house = House::start().await;
    let (status, json) = told(&house, "azeriqaz/consumption", &house.applicant().fin.clone(), json!({})).await;
    assert_eq!((status, &json["outcome"]), (200, &json!("FOUND")), "{json}");
    assert_eq!(json["data"]["subscriber_code"], "TEST-QZ-000333");
    assert_eq!(json["data"]["months"].as_array().map(Vec::len), Some(12));
    let source = &json["source"];
    assert_eq!((&source["via"], &source["route"]), (&json!("snapshot"), &json!("direct")));
    let midnight = today().to_zoned(model::time::baku().clone()).expect("a midnight").timestamp();
    assert_eq!(source["obtained_at"], model::time::rfc3339(midnight));
    assert_eq!(source["expires_at"], model::time::rfc3339(midnight + jiff::SignedDuration::from_hours(30)));
    assert!(source["age_seconds"].as_u64().expect("an age") < 86_400);
    // Whoever is in no row may have no mains, and whoever has two accounts is not chosen for.
    let (status, json) = told(&house, "azeriqaz/consumption", "9T1BC5O", json!({})).await;
    assert_eq!((status, &json["outcome"], &json["absence"]), (200, &json!("NOT_FOUND"), &json!("unknown")), "{json}");
    assert_eq!(told(&house, "azeriqaz/consumption", "1V9KF5O", json!({})).await.1["outcome"], "INVALID_DATA");
    // Every version is kept.
    let code = |version: &str| json!({"version": version, "code": "99000006"});
    let (status, json) = told(&house, "statistics/territory-classifier", "", code("AZS882-2019")).await;
    assert_eq!((status, &json["data"]["name"]), (200, &json!("Köhnə Nümunə kəndi")), "{json}");
    let (status, json) = told(&house, "statistics/territory-classifier", "", code(TERRITORIES_VERSION)).await;
    assert_eq!((status, &json["outcome"], &json["absence"]), (200, &json!("NOT_FOUND"), &json!("fact")), "{json}");
    let asked = json!({"classifier": "activity", "version": OCCUPATIONS_VERSION, "code": "TEST-A"});
    let (status, json) = told(&house, "statistics/occupation-and-activity", "", asked).await;
    assert_eq!((status, &json["data"]["name"]), (200, &json!("Kənd təsərrüfatı; ovçuluq və balıqçılıq")), "{json}");
    // Signed, and by whom is told; the last day that stands for none is none.
    let loaded = view(&house, DEFENCE).loaded.expect("loaded");
    assert_eq!(loaded.signed_by.map(|key| key.len()), Some(40), "a fingerprint");
    let (status, json) = told(&house, DEFENCE, "7D4GK9O", json!({})).await;
    assert_eq!((status, json["data"]["periods"].as_array().map(Vec::len)), (200, Some(2)), "{json}");
    assert_eq!(json["data"]["periods"][1]["seniority_factor"], 1.5);
    let (status, json) = told(&house, WAR, &house.applicant().fin.clone(), json!({})).await;
    assert_eq!((status, &json["data"]["certificate_no"]), (200, &json!("TEST-MI-0003")), "{json}");
    // A look-up is an exchange like any other, and nothing of the files is in clear on the disk.
    let lines = house.closed_lines().await;
    crate::ledger::check_rules(&lines);
    assert_eq!(lines.iter().filter(|line| line.is(Kind::FeedLoaded)).count(), FILE_SERVICES.len());
    for service in FILE_SERVICES {
        assert!(files(&landing(house.dir(), service)).is_empty(), "a loaded file is taken away");
    }
    for file in files(&house.dir().join("store/feeds")) {
        let bytes = std::fs::read(&file).expect("a snapshot");
        for clear in ["5K7QX2O", "TEST-QZ-000333", "TEST-MI-0003", "99000006"] {
            assert!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()), "{clear} in {}", file.display());
        }
    }
    house.stop().await;
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect()
}

/// How a file with a fault ends: refused by a rule, or loaded, and what its first row then says.
fn expected(service: &str, fault: FileFault) -> (Option<&'static str>, &'static str) {
    let archive = service.starts_with("statistics/");
    match fault {
        FileFault::Missing | FileFault::Undeclared | FileFault::ChildFirst => (None, "FOUND"),
        FileFault::Truncated => (Some(if archive { "archive" } else { "truncated" }), "FOUND"),
        FileFault::WrongCount => (Some("row-count"), "FOUND"),
        FileFault::WrongTotal => (Some("hash-total"), "FOUND"),
        FileFault::Unsigned => (Some("unsigned"), "FOUND"),
        FileFault::BadSignature | FileFault::ForeignKey => (Some("bad-signature"), "FOUND"),
        FileFault::NoHeader => (Some("header"), "FOUND"),
        FileFault::Malformed => (Some("malformed"), "FOUND"),
        FileFault::RowTwice => (Some("row-twice"), "FOUND"),
        // A version that is loaded never changes, whatever changed it.
        FileFault::CodePage | FileFault::LostLetter if archive => (Some("version-changed"), "FOUND"),
        FileFault::CodePage | FileFault::LostLetter | FileFault::WrongType => (None, "INVALID_DATA"),
        FileFault::ClosedAccount => (None, "NOT_FOUND"),
        FileFault::NoBase => (Some("reordered"), "FOUND"),
        FileFault::Orphan => (Some("orphan"), "FOUND"),
        FileFault::Withdrawn | FileFault::VersionChanged => (Some("version-changed"), "FOUND"),
        FileFault::WrongSum => (Some("checksum"), "FOUND"),
        FileFault::ForeignPart => (Some("archive"), "FOUND"),
        FileFault::ZipBomb => (Some("too-large"), "FOUND"),
    }
}

// clause: 634/6.2.12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_every_file_ends_as_ordered_and_what_was_loaded_stays() {
    let house = empty_site().await.up().await;
    for service in FILE_SERVICES {
        assert_eq!(first(&house, service).await.1["outcome"], "UNAVAILABLE", "{service}: no file, no answer");
        let mut periods = 40;
        // The term has passed for every one of these days, where there is one: what is found is stale.
        let found = |outcome: &'static str| match outcome {
            "FOUND" if !service.starts_with("statistics/") => "STALE",
            "NOT_FOUND" => "UNAVAILABLE",
            other => other,
        };
        for fault in FileFault::accepted(service) {
            periods -= 1;
            assert_eq!(take(&house, service, back(service, periods), None, None).await, None, "{service}: a good file");
            let loaded = view(&house, service).loaded.expect("loaded");
            assert_eq!(first(&house, service).await.1["outcome"], found("FOUND"), "{service}");
            periods -= 1;
            let (rule, outcome) = expected(service, fault);
            assert_eq!(take(&house, service, back(service, periods), None, Some(fault)).await, rule, "{service} with {fault}");
            assert_eq!(first(&house, service).await.1["outcome"], found(outcome), "{service} with {fault}");
            let after = view(&house, service).loaded.expect("loaded");
            let stays = rule.is_some() || fault == FileFault::Missing;
            assert_eq!(after.sha256 == loaded.sha256, stays, "{service} with {fault}");
            match fault {
                FileFault::Undeclared if service.starts_with("statistics/") => assert!(after.undeclared_columns >= 1),
                FileFault::Undeclared => assert_eq!(after.undeclared_columns, 2),
                FileFault::CodePage if !stays => assert_eq!(after.not_utf8, 1),
                FileFault::ClosedAccount => assert!(after.left_out > loaded.left_out),
                _ => {}
            }
            // The source puts another file in the bad one's place.
            for file in files(&landing(house.dir(), service)) {
                std::fs::remove_file(file).expect("a refused file");
            }
        }
    }
    let lines = house.closed_lines().await;
    crate::ledger::check_rules(&lines);
    let refused: Vec<_> = lines.iter().filter(|line| line.is(Kind::FeedRefused)).collect();
    let ordered = FILE_SERVICES
        .iter()
        .flat_map(|service| FileFault::accepted(service).into_iter().filter(|fault| expected(service, *fault).0.is_some()));
    assert_eq!(refused.len(), ordered.count());
    for line in refused {
        assert!(!line.metadata.to_string().contains("TEST-"), "a refusal tells nothing of the file: {}", line.metadata);
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overdue_file_says_stale_of_who_is_in_it_and_nothing_of_who_is_not() {
    let house = empty_site().await.up().await;
    let fin = house.applicant().fin.clone();
    assert_eq!(take(&house, GAS, days_ago(5), None, None).await, None);
    let (status, json) = told(&house, GAS, &fin, json!({})).await;
    assert_eq!((status, &json["outcome"]), (200, &json!("STALE")), "{json}");
    assert_eq!(json["data"]["subscriber_code"], "TEST-QZ-000333", "the record is told, and its age");
    assert!(json["source"]["age_seconds"].as_u64().expect("an age") > 4 * 86_400);
    let (status, json) = told(&house, GAS, "9T1BC5O", json!({})).await;
    assert_eq!((status, &json["outcome"], &json["code"]), (503, &json!("UNAVAILABLE"), &json!("source-unavailable")), "{json}");
    assert!(view(&house, GAS).overdue);
    // A new file ends it.
    assert_eq!(take(&house, GAS, today(), None, None).await, None);
    assert_eq!(told(&house, GAS, &fin, json!({})).await.1["outcome"], "FOUND");
    assert_eq!(told(&house, GAS, "9T1BC5O", json!({})).await.1["outcome"], "NOT_FOUND");
    assert!(!view(&house, GAS).overdue);
    house.stop().await;
}

// clause: 634/6.2.11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_follow_one_another_and_leave_the_rest_as_it_was() {
    let house = empty_site().await.up().await;
    let fin = house.applicant().fin.clone();
    assert_eq!(take(&house, GAS, days_ago(3), Some(days_ago(4)), None).await, Some("no-base"));
    std::fs::remove_dir_all(landing(house.dir(), GAS)).expect("the refused file");
    assert_eq!(take(&house, GAS, days_ago(6), None, None).await, None);
    let whole = told(&house, GAS, &fin, json!({})).await.1["data"]["months"].clone();
    let rows = view(&house, GAS).loaded.expect("loaded").rows;
    // A day is skipped; then it comes, and what was refused may follow it.
    assert_eq!(take(&house, GAS, days_ago(4), Some(days_ago(5)), None).await, Some("skipped"));
    assert_eq!(view(&house, GAS).loaded.expect("loaded").period, days_ago(6).strftime("%Y%m%d").to_string());
    assert_eq!(take(&house, GAS, days_ago(5), Some(days_ago(6)), None).await, None);
    let loaded = view(&house, GAS).loaded.expect("loaded");
    assert_eq!(loaded.period, days_ago(4).strftime("%Y%m%d").to_string(), "what was refused is tried again behind it");
    assert_eq!(loaded.rows, rows, "corrected months take their rows' places");
    let changed = told(&house, GAS, &fin, json!({})).await.1["data"]["months"].clone();
    let (whole, changed) = (whole.as_array().expect("months"), changed.as_array().expect("months"));
    let by_month = |months: &[Json]| {
        let mut months = months.to_vec();
        months.sort_by_key(|month| month["month"].as_str().map(str::to_owned));
        months
    };
    let (whole, changed) = (by_month(whole), by_month(changed));
    assert_eq!(whole[..11], changed[..11], "months that the change does not bring");
    assert_ne!(whole[11], changed[11], "the corrected month");
    // The same again under its own name changes nothing; its bytes under another name, and an older file, are refused.
    assert_eq!(take(&house, GAS, days_ago(4), Some(days_ago(5)), None).await, None);
    let loaded = view(&house, GAS).loaded.expect("loaded");
    let mut replayed = delivery(GAS, days_ago(4), Some(days_ago(5)), None).expect("a file");
    replayed.name = delivery(GAS, days_ago(3), None, None).expect("a file").name;
    replayed.write(&landing(house.dir(), GAS)).expect("delivered");
    assert_eq!(take(&house, GAS, days_ago(3), None, Some(FileFault::Missing)).await, Some("replayed"));
    assert_eq!(take(&house, GAS, days_ago(6), None, None).await, Some("older"));
    assert_eq!(take(&house, GAS, days_ago(4), None, None).await, Some("period-twice"));
    assert_eq!(take(&house, GAS, today().saturating_add(1.days()), None, None).await, Some("future"));
    assert_eq!(view(&house, GAS).loaded.expect("loaded").sha256, loaded.sha256);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_outlives_a_restart_and_its_key_not_the_next_file() {
    let house = empty_site().await.up().await;
    assert_eq!(take(&house, GAS, days_ago(1), None, None).await, None);
    let keys = house.dir().join("keys/feeds/azeriqaz.consumption");
    let first_key = files(&keys);
    assert_eq!(first_key.len(), 1);
    let copy = house.dir().join("copy.snapshot");
    std::fs::copy(house.dir().join("store/feeds/azeriqaz.consumption.snapshot"), copy).expect("a copy");
    assert_eq!(take(&house, GAS, today(), None, None).await, None);
    let second_key = files(&keys);
    assert_eq!(second_key.len(), 1, "one snapshot, one key");
    assert_ne!(first_key, second_key, "the old snapshot cannot be opened any more, wherever a copy of it lies");
    let fin = house.applicant().fin.clone();
    let House { environment, folder } = house;
    let (agencies, identity, personas) = {
        let qovsaq::demo::Environment { gateway, agencies, identity, personas, .. } = environment;
        gateway.stop().await.expect("stops in order");
        (agencies, identity, personas)
    };
    // What a crash may have left: a key that was never used, a snapshot that was not finished.
    std::fs::write(keys.join("00000000-0000-7000-8000-000000000000.key"), b"x").expect("written");
    std::fs::write(folder.path().join("store/feeds/azeriqaz.consumption.snapshot.new"), b"x").expect("written");
    let house = House::of(folder, agencies, identity, personas).await;
    assert_eq!(told(&house, GAS, &fin, json!({})).await.1["outcome"], "FOUND");
    assert_eq!(files(&keys), second_key);
    assert!(!house.dir().join("store/feeds/azeriqaz.consumption.snapshot.new").exists());
    house.stop().await;
}

// clause: 634/6.2.11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_week_that_was_skipped_is_told_and_who_is_taken_off_the_list_is_off_it() {
    let house = empty_site().await.up().await;
    let weeks = |back: i64| days_ago(7 * back);
    let (first, last) = {
        let mut fins = mock_agencies::war_participants().keys();
        (fins.next().expect("a participant").to_string(), fins.next_back().expect("another").to_string())
    };
    assert_eq!(take(&house, WAR, weeks(4), None, None).await, None);
    let rows = view(&house, WAR).loaded.expect("loaded").rows;
    assert_eq!(told(&house, WAR, &last, json!({})).await.1["outcome"], "STALE");
    // The change of the third week never comes; that of the second is of no use without it, and says so.
    assert_eq!(take(&house, WAR, weeks(2), Some(weeks(3)), None).await, Some("skipped"));
    assert_eq!(view(&house, WAR).loaded.expect("loaded").rows, rows);
    assert_eq!(told(&house, WAR, &first, json!({})).await.1["outcome"], "STALE", "the old list stays, and is overdue");
    // When it comes, both are loaded, in their order.
    assert_eq!(take(&house, WAR, weeks(3), Some(weeks(4)), None).await, None);
    let loaded = view(&house, WAR).loaded.expect("loaded");
    assert_eq!((loaded.rows, loaded.file.as_str()), (rows - 1, &*delivery(WAR, weeks(2), None, None).expect("a file").name));
    // Out of sequence: an older change of what was loaded long ago.
    assert_eq!(take(&house, WAR, weeks(1), Some(weeks(3)), None).await, Some("reordered"));
    std::fs::remove_dir_all(landing(house.dir(), WAR)).expect("the refused file");
    assert_eq!(take(&house, WAR, today(), Some(weeks(2)), None).await, None);
    let (status, json) = told(&house, WAR, &first, json!({})).await;
    assert_eq!((status, &json["outcome"]), (200, &json!("FOUND")), "{json}");
    assert!(json["data"]["certificate_no"].as_str().expect("a number").ends_with("-Y"), "the new certificate");
    assert_eq!(told(&house, WAR, &last, json!({})).await.1["outcome"], "NOT_FOUND");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_signature_comes_later_is_loaded_then_and_told_once() {
    let house = empty_site().await.up().await;
    let mut file = delivery(DEFENCE, today(), None, None).expect("a file");
    let signature = file.signature.take().expect("signed");
    file.write(&landing(house.dir(), DEFENCE)).expect("delivered");
    let feeds = house.environment.gateway.gateway.feeds();
    for _ in 0..3 {
        feeds.look_now().await;
    }
    assert_eq!(view(&house, DEFENCE).refused, 1, "nothing has changed, so it is told once");
    assert!(view(&house, DEFENCE).loaded.is_none());
    std::fs::write(landing(house.dir(), DEFENCE).join(format!("{}.asc", file.name)), signature).expect("delivered");
    feeds.look_now().await;
    assert_eq!(view(&house, DEFENCE).loaded.expect("loaded").file, file.name);
    assert!(files(&landing(house.dir(), DEFENCE)).is_empty(), "with its signature it is taken away");
    house.stop().await;
}
