//! What is special about the sources behind X-Road: time stamps in UTC, gaps in a register, questions about nobody,
//! answers that are a yes or no whatever the source says beside it, persons whom nobody but one source knows.

use mock_agencies::Personas;
use qovsaq::client::Client;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{House, ask};

/// A case of a consumer, and what it asks with.
struct Desk {
    client: Client,
    purpose: &'static str,
    role: &'static str,
    case: String,
}

impl Desk {
    async fn open(house: &House, consumer: &str, purpose: &'static str, role: &'static str, fins: &[&str]) -> Self {
        Self::open_for(house, consumer, purpose, role, fins.iter().map(|fin| json!({"fin": fin})).collect()).await
    }

    async fn open_for(house: &House, consumer: &str, purpose: &'static str, role: &'static str, subjects: Vec<Json>) -> Self {
        let client = house.environment.client(consumer).expect("the consumer has a certificate");
        let persons: Vec<Json> = subjects.into_iter().map(|subject| json!({"subject": subject, "role": "applicant"})).collect();
        let body = json!({"case": qovsaq::demo::new_case(), "purpose": purpose, "persons": persons});
        let case = qovsaq::demo::open(&client, &body).await.expect("a case");
        Self { client, purpose, role, case }
    }

    /// Asks, and gives status and body.
    async fn ask(&self, service: &str, subject: Json, input: Json) -> (u16, Json) {
        let body = json!({"subject": subject, "input": input, "purpose": self.purpose, "case": self.case, "official": "AZ-0001", "role": self.role});
        let answer = ask(&self.client, service, &body).await;
        (answer.status, answer.json().expect("JSON"))
    }

    async fn ask_about(&self, service: &str, fin: &str, input: Json) -> (u16, Json) {
        self.ask(service, json!({"fin": fin}), input).await
    }
}

fn year() -> Json {
    let today = model::time::day(qovsaq::clock::now());
    json!({"from_on": today.saturating_sub(jiff::Span::new().months(12)).to_string(), "to_on": today.to_string()})
}

/// A family's applicant.
fn applicant(family: &str) -> String {
    Personas::embedded().family(family).expect("a family").applicant().fin.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_in_utc_is_told_by_the_clocks_of_baku() {
    let house = House::start().await;
    let (fin, home) = (applicant("reference"), house.applicant());
    let desk = Desk::open(&house, "pension", "labour-pension", "case-officer", &[&fin]).await;
    let (status, answer) = desk.ask_about("border/absence-summary", &fin, year()).await;
    let today = model::time::day(qovsaq::clock::now());
    let last = house.environment.personas.border().of(&home.fin).iter().rev().nth(1).expect("an exit");
    // In UTC it is the day before.
    let exit = last.day(today);
    assert_eq!(exit, last.at(today).to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow().expect("a day"));
    assert_eq!((status, &answer["data"]["last_exit_on"]), (200, &json!(exit.to_string())));
    assert_eq!((&answer["data"]["days_abroad"], &answer["data"]["currently_abroad"]), (&json!(19), &json!(false)));

    // Each movement is told in a case of its own and for its own purpose alone.
    let means = Desk::open(&house, "targeted-aid", "adsy-means-test", "case-officer", &[&fin]).await;
    let (status, refused) = means.ask_about("border/crossings", &fin, year()).await;
    assert_eq!((status, &refused["errors"][0]["pointer"]), (403, &json!("/purpose")), "{refused}");
    assert_eq!(house.asked_of("border/crossings"), 0);
    let dispute = Desk::open(&house, "targeted-aid", "absence-dispute", "case-officer", &[&fin]).await;
    let (status, answer) = dispute.ask_about("border/crossings", &fin, year()).await;
    let crossings = answer["data"]["crossings"].as_array().unwrap_or_else(|| panic!("{status} {answer}"));
    let times: Vec<&str> = crossings.iter().filter_map(|crossing| crossing["crossed_at"].as_str()).collect();
    assert!(times.len() == 4 && times.iter().all(|time| time.ends_with("+04:00")), "{times:?}");
    assert!(times[2].starts_with(&format!("{exit}T01:30:00")), "{times:?}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_recorded_is_neither_counted_nor_guessed() {
    let house = House::start().await;
    // Out, and out again before anybody recorded an entry.
    let (gap, never, away) = (applicant("two-cars"), applicant("no-electricity"), applicant("landlord"));
    let fins = [gap.as_str(), never.as_str(), away.as_str()];
    let desk = Desk::open(&house, "social-payments", "social-payments", "case-officer", &fins).await;
    let (status, answer) = desk.ask_about("border/absence-summary", &gap, year()).await;
    assert_eq!((status, &answer["outcome"]), (200, &json!("FOUND")));
    assert_eq!((&answer["data"]["days_abroad"], &answer["data"]["currently_abroad"]), (&Json::Null, &json!(false)));
    // Zeros are the source's word that there is nothing.
    let (_, none) = desk.ask_about("border/absence-summary", &never, year()).await;
    assert_eq!((&none["outcome"], &none["absence"]), (&json!("NOT_FOUND"), &json!("fact")));
    // Time stamps that do not say whose time they are.
    house.set_fault("border/absence-summary", "local-time", None);
    let (status, broken) = desk.ask_about("border/absence-summary", &away, year()).await;
    assert_eq!((status, &broken["outcome"]), (502, &json!("INVALID_DATA")));
    house.clear_faults();

    // Whoever needs no more is told no more than whether.
    let office = Desk::open(&house, "employment", "employment-registration", "case-officer", &fins).await;
    for (fin, expected) in [(&away, true), (&gap, false), (&never, false)] {
        let (status, answer) = office.ask_about("border/absence-summary", fin, year()).await;
        assert_eq!((status, &answer["data"]), (200, &json!({"answer": expected})), "{answer}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_with_two_owners_is_nobodys() {
    let house = House::start().await;
    let (new, old) = ("DMX8F4O", "9B8M7CO");
    let desk = Desk::open(&house, "targeted-aid", "adsy-means-test", "case-officer", &[new, old]).await;
    let number = |msisdn: &str| json!({"msisdn": msisdn});
    let service = "digital/mobile-number-owner";
    for (fin, msisdn, expected) in [(old, "+994000000105", true), (new, "+994000000105", false), (new, "+994000000999", false)] {
        let (status, answer) = desk.ask_about(service, fin, number(msisdn)).await;
        assert_eq!((status, &answer["data"]), (200, &json!({"answer": expected})), "{answer}");
        for other in [new, old, msisdn] {
            assert!(!answer.to_string().contains(other), "{answer}");
        }
    }
    // While it is ported the source says yes to both, and is believed about neither.
    for fin in [new, old] {
        let (status, answer) = desk.ask_about(service, fin, number("+994000000106")).await;
        assert_eq!((status, &answer["outcome"], &answer["origin"]), (502, &json!("INVALID_DATA"), &json!("provider")), "{answer}");
    }
    // The owner, told unasked, goes nowhere.
    house.set_fault(service, "undeclared", None);
    let (_, answer) = desk.ask_about(service, old, number("+994000000107")).await;
    assert_eq!((&answer["data"], answer.to_string().contains("Sınaqov")), (&json!({"answer": false}), false));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_about_nobody_needs_nobody_and_is_shared() {
    let house = Site::prepare().await.keep_answers().up().await;
    let fin = applicant("reference");
    let aid = Desk::open(&house, "targeted-aid", "adsy-means-test", "clerk", &[&fin]).await;
    let territory = json!({"territory_code": "99000001"});
    let (status, first) = aid.ask("digital/postal-branch", Json::Null, territory.clone()).await;
    assert_eq!((status, first["data"]["branches"].as_array().map(Vec::len)), (200, Some(2)), "{first}");
    // Ordinary data are kept for all who may ask.
    let pension = Desk::open(&house, "pension", "labour-pension", "case-officer", &[&fin]).await;
    let (_, second) = pension.ask("digital/postal-branch", Json::Null, territory).await;
    assert_eq!((&second["source"]["via"], &second["data"]), (&json!("cache"), &first["data"]));
    assert_eq!(house.asked_of("digital/postal-branch"), 1);
    let (status, _) = aid.ask("digital/postal-branch", json!({"fin": fin}), json!({"territory_code": "99000001"})).await;
    assert_eq!(status, 422, "a question about nobody names nobody");

    // A serial leads to a status, and to no person.
    let tasks = Desk::open(&house, "tasks", "task-control", "controller", &[&fin]).await;
    let serial = |serial: &str| json!({"certificate_serial": serial});
    let (_, valid) = tasks.ask("digital/certificate-status", Json::Null, serial("TEST-CERT-01")).await;
    assert_eq!((&valid["data"]["status"], valid.to_string().contains(&fin)), (&json!("valid"), false), "{valid}");
    assert_eq!(valid["withheld"], json!([{"field": "subject_fin", "reason": "function"}]));
    let (_, unknown) = tasks.ask("digital/certificate-status", Json::Null, serial("TEST-CERT-05")).await;
    assert_eq!(unknown["data"], json!({"certificate_serial": "TEST-CERT-05", "status": "unknown", "valid_to": null}));
    let (_, none) = tasks.ask("digital/certificate-status", Json::Null, serial("TEST-CERT-99")).await;
    assert_eq!((&none["outcome"], &none["absence"]), (&json!("NOT_FOUND"), &json!("fact")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_birth_is_told_by_the_clocks_of_baku_and_none_proves_nothing() {
    let house = House::start().await;
    let (service, mother, twins, lost, none) = ("health/birth-fact", "8GP0N6O", "06G8EHO", "6DBZN3O", "3M9RT4O");
    let desk = Desk::open(&house, "social-payments", "social-payments", "case-officer", &[mother, twins, lost, none]).await;
    let today = model::time::day(qovsaq::clock::now());
    let (status, answer) = desk.ask_about(service, mother, year()).await;
    // The older child's birth is before the window.
    let births = answer["data"]["births"].as_array().unwrap_or_else(|| panic!("{status} {answer}"));
    let born = today.saturating_sub(jiff::Span::new().days(19));
    assert_eq!((births.len(), &births[0]["born_at"]), (1, &json!(format!("{born}T00:40:00+04:00"))), "{answer}");
    assert_eq!((&births[0]["child_sex"], &births[0]["live_birth"]), (&json!("female"), &json!(true)));
    let (_, answer) = desk.ask_about(service, twins, year()).await;
    assert_eq!(answer["data"]["births"].as_array().map(Vec::len), Some(2), "{answer}");
    let (_, answer) = desk.ask_about(service, lost, year()).await;
    assert_eq!(answer["data"]["births"][0]["live_birth"], false, "{answer}");
    // A hospital may not have reported yet: her word and her paper are asked for.
    let (status, answer) = desk.ask_about(service, none, year()).await;
    assert_eq!((status, &answer["outcome"], &answer["absence"]), (200, &json!("NOT_FOUND"), &json!("unknown")));
    house.set_fault(service, "wrong-person", None);
    for fin in [lost, none] {
        let window = json!({"from_on": today.saturating_sub(jiff::Span::new().months(11)).to_string(), "to_on": today.to_string()});
        let (status, answer) = desk.ask_about(service, fin, window).await;
        assert_eq!((status, &answer["outcome"]), (502, &json!("INVALID_DATA")), "{answer}");
    }
    house.clear_faults();

    // For a maternity benefit the day is enough.
    let office = Desk::open(&house, "insurance", "social-insurance", "accounts-officer", &[mother]).await;
    let (_, answer) = office.ask_about(service, mother, year()).await;
    assert_eq!(answer["data"]["births"], json!([{"born_at": format!("{born}T00:40:00+04:00"), "live_birth": true}]), "{answer}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreigner_is_asked_about_by_pin_or_passport_and_two_pins_are_nobodys() {
    let house = House::start().await;
    let service = "migration/permit";
    let pin = |pin: &str| json!({"pin": pin});
    let passport = |number: &str, born: &str| json!({"document": {"series": "ZZ", "number": number}, "birth_date": born});
    let (worker, resident) = (passport("0070001", "1988-02-14"), passport("0070004", "1990-05-02"));
    let (citizen, naturalised) = (pin("5H4TB6O"), passport("0070006", "1981-01-17"));
    let persons =
        vec![pin("2F6JK8O"), pin("7Q3VN5O"), worker.clone(), resident.clone(), citizen.clone(), pin("7K2MU6O"), naturalised.clone()];
    let desk = Desk::open_for(&house, "employment", "work-permit-opinion", "case-officer", persons).await;
    let (status, answer) = desk.ask(service, pin("2F6JK8O"), json!({})).await;
    let data = &answer["data"];
    assert_eq!((status, &data["permit_kind"], &data["employer_tin"]), (200, &json!("work"), &json!("9900001233")), "{answer}");
    assert_eq!((&data["document_number"], &data["pin"]), (&Json::Null, &json!("2F6JK8O")));
    let (_, refugee) = desk.ask(service, pin("7Q3VN5O"), json!({})).await;
    assert_eq!((&refugee["data"]["permit_kind"], &refugee["data"]["employer_tin"]), (&json!("refugee"), &Json::Null));
    // By passport, alone or with its country.
    for input in [json!({}), json!({"citizenship": "UTO"})] {
        let (status, answer) = desk.ask(service, resident.clone(), input).await;
        assert_eq!(
            (status, &answer["data"]["pin"], &answer["data"]["document_number"]),
            (200, &json!("4P7XW3O"), &json!("0070004")),
            "{answer}"
        );
    }
    let (_, other) = desk.ask(service, resident.clone(), json!({"citizenship": "XXA"})).await;
    assert_eq!((&other["outcome"], &other["absence"]), (&json!("NOT_FOUND"), &json!("fact")));
    let (status, _) = desk.ask(service, json!({"fin": "5K7QX2O"}), json!({})).await;
    assert_eq!(status, 422, "a FIN is no PIN");
    // However a person with two is named, nobody guesses which record is the person's now.
    for subject in [citizen, pin("7K2MU6O"), naturalised] {
        let (status, answer) = desk.ask(service, subject, json!({})).await;
        assert_eq!((status, &answer["outcome"], &answer["origin"]), (502, &json!("INVALID_DATA"), &json!("provider")), "{answer}");
    }
    house.set_fault(service, "wrong-person", None);
    let (status, answer) = desk.ask(service, worker, json!({"citizenship": "UTO"})).await;
    assert_eq!((status, &answer["outcome"]), (502, &json!("INVALID_DATA")), "{answer}");
    house.clear_faults();

    // An inspector learns of the employer, and nothing of the person but the PIN.
    let inspector = Desk::open_for(&house, "inspections", "inspections", "inspector", vec![pin("6W2HJ9O")]).await;
    let (_, answer) = inspector.ask(service, pin("6W2HJ9O"), json!({})).await;
    assert_eq!((&answer["data"]["employer_tin"], &answer["data"]["status"]), (&json!("9900003453"), &json!("revoked")), "{answer}");
    assert!(!answer.to_string().contains("SAMPLER") && answer["data"].get("citizenship").is_none(), "{answer}");
    house.stop().await;
}

/// Puts its answer to a case of the migration service: first the case is looked at.
async fn give_opinion(desk: &Desk, case_no: &str, opinion: &str) -> (u16, Json) {
    let input = json!({"case_no": case_no, "opinion": opinion, "opinion_ground": "Sınaq əsası"});
    desk.ask("migration/work-permit-opinion", Json::Null, input).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opinion_is_given_once_whatever_becomes_of_its_answer() {
    let site = Site::prepare().await;
    site.set_timeout("migration/", "1s");
    let house = site.up().await;
    let fin = applicant("reference");
    let desk = Desk::open(&house, "employment", "work-permit-opinion", "case-officer", &[&fin]).await;
    let given = |house: &House| house.environment.agencies["migration"].calls().distinct_inquiries;
    let (case, opinion) = ("migration/work-permit-case", "migration/work-permit-opinion");
    let (status, answer) = give_opinion(&desk, "TEST-IJ-0005", "positive").await;
    assert_eq!((status, &answer["errors"][0]["pointer"]), (403, &json!("/input")), "a case nobody looked at: {answer}");
    for number in ["TEST-IJ-0005", "TEST-IJ-0006"] {
        let (status, answer) = desk.ask(case, Json::Null, json!({"case_no": number})).await;
        assert_eq!((status, &answer["data"]["case_no"]), (200, &json!(number)), "{answer}");
    }
    // The work is done and the answer never comes. Within its time limit nobody asks again.
    house.set_fault(opinion, "work-then-hang", Some(1));
    let (status, answer) = give_opinion(&desk, "TEST-IJ-0005", "positive").await;
    assert_eq!((status, &answer["outcome"], given(&house)), (504, &json!("UNAVAILABLE"), Some(1)), "{answer}");
    // The same words in the same case are the same opinion: its receipt comes, and nothing is done twice.
    let (status, answer) = give_opinion(&desk, "TEST-IJ-0005", "positive").await;
    assert_eq!((status, &answer["data"]["opinion_no"], given(&house)), (200, &json!("TEST-REY-00001"), Some(1)), "{answer}");
    assert_eq!((&answer["source"]["via"], house.asked_of(opinion)), (&json!("provider"), 2));
    // A connection that breaks off: the gateway itself sends it again, by the same key.
    house.set_fault(opinion, "reset-midway", Some(1));
    let (status, answer) = give_opinion(&desk, "TEST-IJ-0006", "negative").await;
    assert_eq!((status, &answer["data"]["opinion"], given(&house)), (200, &json!("negative"), Some(2)), "{answer}");
    assert_eq!(house.asked_of(opinion), 4);
    // Another opinion on a case that has one is the source's to refuse.
    let (status, answer) = give_opinion(&desk, "TEST-IJ-0005", "negative").await;
    assert_eq!((status, &answer["outcome"], &answer["origin"]), (502, &json!("DENIED"), &json!("provider")), "{answer}");
    assert_eq!(given(&house), Some(2));
    // Each try is in the journal, before the source was asked.
    let lines = house.closed_lines().await;
    let intents = lines.iter().filter(|line| line.is(qovsaq::record::Kind::Intent) && line.metadata["service"] == opinion);
    assert_eq!(intents.count(), 4);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_sent_again_wants_a_key() {
    let site = Site::prepare().await;
    site.change_config("    idempotency_key: true\n", "");
    let (code, said) = site.refuses().await;
    assert!(code == Some(1) && said.contains("migration/work-permit-opinion") && said.contains("idempotency_key: true"), "{said}");
}
