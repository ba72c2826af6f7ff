//! What is special about single sources, over the wire: lists in pages, units and code pages that are not ours, keys that
//! change without a word, a register that rolls over, fields that nobody is given.

use mock_agencies::EXAM_CENTRE_NEXT_KEY;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{Asker, House, ask, last_year, until};
use crate::ledger;

const FARM: &str = "agriculture/farm-support";
const LIVESTOCK: &str = "agriculture/livestock";
const ENROLMENT: &str = "education/enrolment";
const RESULT: &str = "exam-centre/admission-result";
const MILITARY: &str = "mobilisation/service-status";
const STATUS: &str = "refugee-committee/status";
const HOUSING: &str = "refugee-committee/resettlement";

/// Of the personas: five declarations last year, three pages of them.
const FARMER: &str = "7D4GK9O";

fn applicant_of(house: &House, family: &str) -> String {
    house.environment.personas.family(family).expect("a family").applicant().fin.to_string()
}

async fn told(asker: &Asker, service: &str) -> (u16, Json) {
    let answer = asker.ask(service).await;
    (answer.status, answer.json().expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_in_pages_is_one_question_and_one_answer() {
    let house = House::start().await;
    let asker = Asker::start(&house.client(), FARMER).await;
    let (status, body) = told(&asker, FARM).await;
    assert_eq!(status, 200, "{body}");
    let declarations = body["data"]["declarations"].as_array().expect("a list").clone();
    let areas: Vec<String> = declarations.iter().map(|own| own["area_ha"].to_string()).collect();
    // Two of them are stated in hundredths of a hectare.
    assert_eq!(areas, ["1.25", "0.4", "0.75", "0.125", "2.5"]);
    assert_eq!(declarations[0]["paid_on"], format!("{}-07-18", last_year()));
    assert_eq!((&declarations[0]["subsidy_qapik"], &declarations[2]["paid_on"]), (&json!(26_250), &Json::Null));
    assert_eq!(house.asked_of(FARM), 3, "pages");
    let lines = house.closed_lines().await;
    assert_eq!(lines.iter().filter(|line| line.is(Kind::Intent)).count(), 1, "one question");

    // A cursor that has expired leads back to the first page, and the answer is whole all the same.
    house.set_fault(FARM, "cursor-expired", Some(2));
    let (status, again) = told(&asker, FARM).await;
    assert_eq!((status, &again["data"]), (200, &body["data"]), "{again}");
    assert_eq!(house.asked_of(FARM), 3 + 5, "one page, a refusal, three pages");

    // Half a list is never told, whatever breaks behind its first page.
    for fault in ["cursor-endless", "cursor-repeats", "too-many-items"] {
        house.set_fault(FARM, fault, None);
        let (status, broken) = told(&asker, FARM).await;
        assert_eq!((status, &broken["outcome"]), (502, &json!("INVALID_DATA")), "{fault}: {broken}");
        house.clear_faults();
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_of_no_animals_is_an_answer_and_no_count_proves_nothing() {
    let house = House::start().await;
    let client = house.client();
    let grandparents = house.environment.personas.family("grandparents").expect("a family");
    let grandfather = Asker::start(&client, &grandparents.members[2].fin).await;
    let (_, body) = told(&grandfather, LIVESTOCK).await;
    assert_eq!((&body["outcome"], &body["data"]["animals"]), (&json!("FOUND"), &json!([])), "{body}");
    let (_, body) = told(&Asker::start(&client, &applicant_of(&house, "lost-document")).await, LIVESTOCK).await;
    assert_eq!((&body["outcome"], &body["absence"]), (&json!("NOT_FOUND"), &json!("unknown")), "{body}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_list_proves_nothing_while_the_register_rolls_over() {
    let site = Site::prepare().await;
    let file = "contracts/providers/education/enrolment@1.0.0.yaml";
    let season = "  - {months: [8], lifetime: 1d, absence: unknown}\n  - {months: [9, 10], lifetime: 1d}\n";
    let always = |absence: &str| format!("  - {{months: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], lifetime: 1d{absence}}}\n");
    site.change(file, season, &always(""));
    let house = site.up().await;
    let employment = house.environment.client("employment").expect("a certificate");
    // Who is in no school, and who studies by correspondence.
    let idle = Asker::with(&employment, &applicant_of(&house, "lost-document"), "employment-registration", "case-officer").await;
    let (_, body) = told(&idle, ENROLMENT).await;
    assert_eq!((&body["outcome"], &body["data"]), (&json!("FOUND"), &json!({"answer": false})), "{body}");
    let aid = Asker::start(&house.client(), &applicant_of(&house, "lost-document")).await;
    assert_eq!(told(&aid, ENROLMENT).await.1["absence"], "fact");

    house.change(file, |text| text.replace(&always(""), &always(", absence: unknown")));
    house.reload().await;
    let (_, body) = told(&idle, ENROLMENT).await;
    assert_eq!((&body["outcome"], &body["absence"], &body["data"]), (&json!("NOT_FOUND"), &json!("unknown"), &Json::Null), "{body}");
    let (_, body) = told(&aid, ENROLMENT).await;
    assert_eq!((&body["outcome"], &body["absence"]), (&json!("NOT_FOUND"), &json!("unknown")), "{body}");
    // Nor is it a no where the list holds something else than what is asked for.
    let student = Asker::with(&employment, FARMER, "employment-registration", "case-officer").await;
    let (_, body) = told(&student, ENROLMENT).await;
    assert_eq!((&body["outcome"], &body["absence"]), (&json!("NOT_FOUND"), &json!("unknown")), "{body}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_may_change_its_keys_without_a_word() {
    let house = House::start().await;
    let asker = Asker::start(&house.client(), FARMER).await;
    assert_eq!(told(&asker, RESULT).await.0, 200);
    house.set_fault(RESULT, "key-rotated", Some(1));
    for _ in 0..2 {
        let (status, body) = told(&asker, RESULT).await;
        assert_eq!((status, &body["data"]["exam_kind"]), (200, &json!("recruitment")), "{body}");
    }
    let lines = house.closed_lines().await;
    let switched: Vec<bool> =
        lines.iter().filter(|line| line.is(Kind::Answered)).map(|line| line.metadata["key_switched"] == true).collect();
    assert_eq!(switched, [false, true, false], "said once, when it happened");
    ledger::check_rules(&lines);
    // Neither of our keys: a refusal, and never "no record".
    house.set_fault(RESULT, "key-refused", None);
    let (status, body) = told(&asker, RESULT).await;
    assert_eq!((status, &body["outcome"], &body["code"]), (502, &json!("DENIED"), &json!("provider-denied")), "{body}");
    assert!(!lines.iter().any(|line| line.metadata.to_string().contains(EXAM_CENTRE_NEXT_KEY)));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_outside_the_contract_is_not_asked_for() {
    let house = House::start().await;
    let client = house.client();
    let asker = Asker::start(&client, FARMER).await;
    for year in [json!(2009), json!(2101), json!("2020"), json!(2020.5)] {
        let mut body = asker.body(RESULT);
        body["input"]["year"] = year.clone();
        let refused = ask(&client, RESULT, &body).await;
        let problem = refused.json().expect("JSON");
        assert_eq!((refused.status, &problem["errors"][0]["pointer"]), (422, &json!("/input/year")), "{year}: {problem}");
        assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains("2010 … 2100")), "{problem}");
    }
    assert_eq!(house.asked_of(RESULT), 0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ground_of_a_deferment_is_given_to_nobody() {
    let house = House::start().await;
    let child = house.environment.personas.family("adult-child").expect("a family").members[2].fin.to_string();
    let cases = [
        ("targeted-aid", "adsy-means-test", "case-officer"),
        ("social-payments", "social-payments", "case-officer"),
        ("pension", "labour-pension", "case-officer"),
        ("military-medical", "military-medical-assessment", "registrar"),
    ];
    for (consumer, purpose, role) in cases {
        let client = house.environment.client(consumer).expect("a certificate");
        let asker = Asker::with(&client, &child, purpose, role).await;
        let answer = asker.ask(MILITARY).await;
        let body = answer.json().expect("JSON");
        assert_eq!((answer.status, &body["outcome"]), (200, &json!("FOUND")), "{consumer}: {body}");
        assert!(!answer.body.contains("TEST-M-03"), "{consumer}: {body}");
        let withheld = body["withheld"].as_array().expect("a list");
        assert!(withheld.iter().any(|field| field["field"] == "deferment_ground" && field["reason"] == "function"), "{consumer}: {body}");
    }
    // Nor by a yes or no.
    let employment = house.environment.client("employment").expect("a certificate");
    for (family, serves) in [("adult-child", false), ("name-change", true)] {
        let persons = house.environment.personas.family(family).expect("a family");
        let man = persons.members.iter().rfind(|person| house.environment.personas.military().contains_key(&person.fin)).expect("a man");
        let asker = Asker::with(&employment, &man.fin, "employment-registration", "case-officer").await;
        let (_, body) = told(&asker, MILITARY).await;
        assert_eq!(body["data"], json!({"answer": serves}), "{family}: {body}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_code_page_is_undone_and_a_lost_letter_is_not_guessed() {
    let house = House::start().await;
    let client = house.client();
    // A row that was moved, in which no letter was lost.
    let spouse = Asker::start(&client, "3M9RT4O").await;
    let (_, body) = told(&spouse, STATUS).await;
    assert_eq!(body["data"]["settlement_address"], "Bakı ş., Sınaq yataqxanası", "{body}");
    assert_eq!(body["flags"], json!([{"field": "settlement_address", "reason": "code-page"}]), "{body}");
    assert_eq!((&body["data"]["status"], &body["data"]["status_until"]), (&json!("idp"), &Json::Null), "01.01.1900 is no date");
    // One that was moved and has lost its `ə`, and its neighbour that was not moved.
    let displaced = house.environment.personas.family("displaced").expect("a family");
    let (status, body) = told(&Asker::start(&client, &displaced.members[1].fin).await, STATUS).await;
    assert_eq!((status, &body["outcome"]), (502, &json!("INVALID_DATA")), "{body}");
    let (_, body) = told(&Asker::start(&client, &displaced.members[0].fin).await, STATUS).await;
    assert_eq!((&body["data"]["settlement_address"], &body["flags"]), (&json!("Bərdə ş., yataqxana 3, otaq 14"), &Json::Null), "{body}");
    let broken = until("both are answered", || {
        let lines = house.lines();
        let answered: Vec<_> = lines.into_iter().filter(|line| line.is(Kind::Answered)).collect();
        (answered.len() == 3).then(|| answered[1].metadata["broken"].clone())
    });
    assert_eq!(broken.await, "`settlement_address`: lost-letter");
    let (_, body) = told(&Asker::start(&client, &displaced.members[2].fin).await, STATUS).await;
    assert_eq!(body["data"]["status_from"], Json::Null, "{body}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_may_stand_in_for_its_holder_and_for_nobody_else() {
    let house = House::start().await;
    let client = house.client();
    let asker = Asker::start(&client, "3M9RT4O").await;
    let by_card = async |card: &str| {
        let mut body = asker.body(STATUS);
        body["input"]["card_no"] = json!(card);
        let answer = ask(&client, STATUS, &body).await;
        (answer.status, answer.json().expect("JSON"))
    };
    let (status, body) = by_card("TEST-MK-00077").await;
    assert_eq!((status, &body["data"]["card_no"]), (200, &json!("TEST-MK-00077")), "{body}");
    // Another's card tells nothing of the other, not even who it is.
    let (status, body) = by_card("TEST-MK-00078").await;
    assert_eq!((status, &body["outcome"]), (502, &json!("INVALID_DATA")), "{body}");
    assert!(!body.to_string().contains(FARMER), "{body}");
    let (status, body) = by_card("TEST-MK-99999").await;
    assert_eq!((status, &body["outcome"], &body["absence"]), (200, &json!("NOT_FOUND"), &json!("fact")), "{body}");
    let lines = house.closed_lines().await;
    assert!(!lines.iter().any(|line| line.metadata.to_string().contains("TEST-MK")), "a card's number is never in clear");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_a_refusal() {
    let site = Site::prepare().await;
    std::fs::write(site.dir().join("secrets/refugee-committee.password"), "another\n").expect("writable");
    let house = site.up().await;
    let asker = Asker::start(&house.client(), FARMER).await;
    for service in [STATUS, HOUSING] {
        let (status, body) = told(&asker, service).await;
        assert_eq!((status, &body["outcome"], &body["origin"]), (502, &json!("DENIED"), &json!("provider")), "{body}");
    }
    house.stop().await;
}
