//! An application that lapsed before the dossier was opened: it is told as it is, names nobody, and a new
//! one is wanted.

use mock_agencies::Family;
use qovsaq::client::Client;
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::child::Site;
use crate::house::{House, dossier_envelope};
use crate::ledger;

const DOSSIER: &str = "/v1/dossiers/adsy-means-test";
const IDENTITY: &str = "interior/person-identity";

/// A case of the applicant alone: whoever else there is, an application must name.
async fn applicants_case(house: &House, client: &Client, family: &Family) -> String {
    let applicant = family.members.get(..1).expect("the applicant is the first member");
    house.environment.open_case_of(client, applicant).await.expect("a case")
}

/// The settled dossier that an application of the family opens.
async fn dossier_of(house: &House, client: &Client, family: &Family, case: &str, application: &str) -> Json {
    let mut body = dossier_envelope(family, case);
    body["input"]["application_no"] = json!(application);
    let answer = client.post_waiting(DOSSIER, &body, "en", 20).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let location = answer.headers["location"].to_str().expect("an address");
    let (opened, again) = (answer.json().expect("JSON"), client.get(location, "en").await.expect("an answer").json().expect("JSON"));
    // A reading says what the one before it said.
    assert_eq!((&again["status"], &again["documents_required"]), (&opened["status"], &opened["documents_required"]));
    ledger::check_receipt(house.dir(), &house.lines(), &opened);
    opened
}

fn named<'a>(dossier: &'a Json, name: &str) -> Vec<&'a Json> {
    dossier["elements"].as_array().expect("elements").iter().filter(|element| element["element"] == name).collect()
}

fn wants(dossier: &Json, item: &Json) -> bool {
    dossier["documents_required"].as_array().expect("a list").contains(item)
}

fn lapsed(family: &Family) -> Json {
    json!({"element": "application", "for": {"fin": &*family.applicant().fin}, "because": "LAPSED"})
}

fn joined(house: &House) -> bool {
    house.lines().iter().any(|line| line.is(Kind::MembersDiscovered))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_lapsed_names_nobody_and_a_new_one_is_wanted() {
    let house = House::start().await;
    let client = house.client();
    let family = house.environment.personas.family("upper-floor").expect("a family");
    let application = family.application().expect("an application");
    let case = applicants_case(&house, &client, family).await;
    let asked = house.asked_of(IDENTITY);
    let dossier = dossier_of(&house, &client, family, &case, &application.number).await;

    assert_eq!(dossier["status"], "awaiting_documents");
    assert!(wants(&dossier, &lapsed(family)), "{}", dossier["documents_required"]);
    // The source has it and said so; that it has lapsed makes it no other fact.
    let element = named(&dossier, "application")[0];
    assert_eq!((&element["outcome"], &element["absence"]), (&json!("FOUND"), &Json::Null));
    assert_eq!(element["data"]["valid_until"], "2025-09-07");
    assert_eq!(element["data"]["members"].as_array().map(Vec::len), Some(application.members.len()));
    // Nobody whom it lists is asked about, and nobody is in the case.
    for name in ["identity", "residence", "family-acts"] {
        assert_eq!(named(&dossier, name).len(), 1, "{name}");
    }
    assert_eq!(house.asked_of(IDENTITY), asked + 1);
    assert!(!joined(&house));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_application_names_them_in_the_same_case() {
    let house = House::start().await;
    let client = house.client();
    let family = house.environment.personas.family("divorced-mother").expect("a family");
    let [new, old] = &*family.applications else { panic!("two applications") };
    let case = applicants_case(&house, &client, family).await;
    let before = dossier_of(&house, &client, family, &case, &old.number).await;
    assert!(wants(&before, &lapsed(family)) && named(&before, "identity").len() == 1 && !joined(&house), "{before}");
    let after = dossier_of(&house, &client, family, &case, &new.number).await;
    assert!(!wants(&after, &lapsed(family)), "{}", after["documents_required"]);
    assert_eq!(named(&after, "identity").len(), family.members.len());
    assert!(joined(&house));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_the_last_day_is_not_told_that_it_has_passed() {
    let site = Site::prepare().await;
    let grant = |fields: &str| format!("  - service: justice/notarial-application\n    fields: {fields}\n");
    let seen = "[application_no, notarised_on, representative_fin, \"members[]\", family_certificate_no]";
    site.change("contracts/consumers/targeted-aid.yaml", &grant("all"), &grant(seen));
    let house = site.up().await;
    let client = house.client();
    let family = house.environment.personas.family("upper-floor").expect("a family");
    let case = applicants_case(&house, &client, family).await;
    let dossier = dossier_of(&house, &client, family, &case, &family.application().expect("an application").number).await;
    assert!(!wants(&dossier, &lapsed(family)), "{}", dossier["documents_required"]);
    assert!(named(&dossier, "identity").len() == 1 && !joined(&house), "{dossier}");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_dossier_that_says_how_long_an_answer_names_its_members() {
    let site = Site::prepare().await;
    site.change("contracts/dossiers/adsy-means-test@1.0.0.yaml", "      until: valid_until ", "      # ");
    let house = site.up().await;
    let client = house.client();
    let family = house.environment.personas.family("upper-floor").expect("a family");
    let case = applicants_case(&house, &client, family).await;
    let dossier = dossier_of(&house, &client, family, &case, &family.application().expect("an application").number).await;
    assert!(!wants(&dossier, &lapsed(family)), "{}", dossier["documents_required"]);
    assert_eq!(named(&dossier, "identity").len(), family.members.len());
    house.stop().await;
}
