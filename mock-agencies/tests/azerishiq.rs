//! Azərişıq: JSON over GET.

use mock_agencies::{AgencyCode, Personas};
use serde_json::{Value, json};

use crate::world::{Got, World, got};

async fn ask(world: &World, path: &str) -> Got {
    got(world.client.get(world.url(path)).header("accept", "application/json")).await
}

fn read(got: &Got) -> Value {
    assert_eq!(got.content_type, "application/json; charset=utf-8");
    serde_json::from_str(&got.body).expect("json")
}

#[tokio::test]
async fn a_holder_has_one_account() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let got = ask(&world, "/abonent/v1?fin=5K7QX2O").await;
    let account = json!({"abonent_kodu": "TEST-EL-000111", "sahib_fin": "5K7QX2O", "unvan": "Bakı ş., Sınaq küç. 1, mən. 1",
        "saygac_novu": "smart", "tarif_qrupu": "ehali", "aktiv": true});
    assert_eq!((got.status, read(&got)), (200, json!({"abonentler": [account]})));
}

#[tokio::test]
async fn who_holds_none_gets_an_empty_list() {
    let world = World::new(AgencyCode::Azerishiq).await;
    for fin in ["3M9RT4O", "ZZZZZZO", &*Personas::embedded().family("no-electricity").expect("known").applicant().fin] {
        let got = ask(&world, &format!("/abonent/v1?fin={fin}")).await;
        assert_eq!((got.status, &*got.body), (200, r#"{"abonentler":[]}"#));
    }
}

#[tokio::test]
async fn bills_keep_the_digits_of_the_source() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let got = ask(&world, "/abonent/v1/TEST-EL-000111/hesablamalar?ay_evvel=2025-11&ay_son=2025-12").await;
    let expected = r#"{"abonent_kodu":"TEST-EL-000111","qaliq":0.00,"hesablamalar":[{"ay":"2025-11","serfiyyat":180.2,"hesablanib":16.22,"odenilib":16.22,"teqribi":false},{"ay":"2025-12","serfiyyat":212.0,"hesablanib":19.08,"odenilib":19.08,"teqribi":false}]}"#;
    assert_eq!((got.status, &*got.body), (200, expected));
}

#[tokio::test]
async fn special_accounts_show_what_they_are_there_for() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let personas = Personas::embedded();
    let person = |family: &str| personas.family(family).expect("known").applicant();
    let months = async |family: &str| {
        let code = person(family).subscriber_code().expect("an account").to_owned();
        read(&ask(&world, &format!("/abonent/v1/{code}/hesablamalar?ay_son=2025-12&ay_evvel=2025-01")).await)
    };
    let estimated = months("estimated-readings").await;
    assert!(estimated["hesablamalar"].as_array().expect("list").iter().all(|month| month["teqribi"] == true));
    assert_eq!(months("in-debt").await["qaliq"], 87.35);
    let account =
        async |family: &str| read(&ask(&world, &format!("/abonent/v1?fin={}", person(family).fin)).await)["abonentler"][0].clone();
    assert_eq!(account("inactive-account").await["aktiv"], false);
    assert_eq!(account("seasonal-business").await["tarif_qrupu"], "qeyri-ehali");
    assert_eq!(account("expired-document").await["saygac_novu"], "mexaniki");
    assert_eq!(account("markup-in-text").await["unvan"], "Bakı ş., \"Sınaq\" & <Örnək> küç. 5\\1");
}

#[tokio::test]
async fn an_unknown_code_is_not_found() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let got = ask(&world, "/abonent/v1/TEST-EL-999999/hesablamalar?ay_evvel=2025-03&ay_son=2026-02").await;
    assert_eq!((got.status, &*got.body), (404, r#"{"xeta":"abonent_tapilmadi"}"#));
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let bills = "/abonent/v1/TEST-EL-000111/hesablamalar";
    for (status, path) in [
        (400, "/abonent/v1".to_owned()),
        (400, "/abonent/v1?fin=5K7QX2OX".to_owned()),
        (400, "/abonent/v1?fin=5K7QX2O&fin=5K7QX2O".to_owned()),
        (400, "/abonent/v1?fin=5K7QX2O&unvan=x".to_owned()),
        (400, "/abonent/v1?FIN=5K7QX2O".to_owned()),
        (400, bills.to_owned()),
        (400, format!("{bills}?ay_evvel=2025-03")),
        (400, format!("{bills}?ay_evvel=03.2025&ay_son=2026-02")),
        (400, format!("{bills}?ay_evvel=2025-13&ay_son=2026-02")),
        (400, format!("{bills}?ay_evvel=2026-03&ay_son=2026-02")),
        (400, format!("{bills}?ay_evvel=2020-01&ay_son=2026-02")),
        (400, "/abonent/v1/%ff/hesablamalar?ay_evvel=2025-03&ay_son=2026-02".to_owned()),
        (404, "/abonent/v2?fin=5K7QX2O".to_owned()),
    ] {
        assert_eq!(ask(&world, &path).await.status, status, "{path}");
    }
    assert_eq!(got(world.client.post(world.url("/abonent/v1?fin=5K7QX2O"))).await.status, 405);
    assert_eq!(got(world.client.get(world.url("/abonent/v1?fin=5K7QX2O")).body("x")).await.status, 400);
    assert_eq!(got(world.client.get(world.url("/abonent/v1?fin=5K7QX2O")).header("accept", "text/xml")).await.status, 406);
    let calls = world.agency.calls();
    assert_eq!((calls.by_service["subscriber"], calls.by_service["consumption"], calls.total), (8, 7, 16));
}

#[tokio::test]
async fn faults_belong_to_one_service() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let bills = "/abonent/v1/TEST-EL-000111/hesablamalar?ay_evvel=2025-12&ay_son=2025-12";
    world.agency.set_fault("consumption", "estimated", None).expect("accepted");
    assert_eq!(read(&ask(&world, bills).await)["hesablamalar"][0]["teqribi"], true);
    assert_eq!(read(&ask(&world, "/abonent/v1?fin=5K7QX2O").await)["abonentler"][0]["aktiv"], true);
    world.agency.set_fault("consumption", "wrong-type", None).expect("accepted");
    assert_eq!(read(&ask(&world, bills).await)["hesablamalar"][0]["serfiyyat"], "çox");
    world.agency.set_fault("consumption", "undeclared", None).expect("accepted");
    assert_eq!(read(&ask(&world, bills).await)["operator"], "Nümunə");
    world.agency.clear_faults();
    assert!(read(&ask(&world, bills).await).get("operator").is_none());
    for (fault, status, body) in [
        ("error", 500, r#"{"xeta":"daxili_xeta"}"#),
        ("fault-in-200", 200, r#"{"xeta":"daxili_xeta"}"#),
        ("retry-after", 429, r#"{"xeta":"limit_asildi"}"#),
    ] {
        world.fault(fault);
        let got = ask(&world, "/abonent/v1?fin=5K7QX2O").await;
        assert_eq!((got.status, &*got.body), (status, body), "{fault}");
    }
    world.fault("deep-nesting");
    assert!(ask(&world, "/abonent/v1?fin=5K7QX2O").await.body.starts_with("{\"abonentler\":[[[["));
}

#[tokio::test]
async fn an_address_finds_the_account_whoever_holds_it() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let personas = Personas::embedded();
    let family = |name: &str| personas.family(name).expect("known");
    let at = async |name: &str| {
        let code = family(name).applicant().residence.as_ref().expect("an address").address_code.to_string();
        read(&ask(&world, &format!("/abonent/v1?unvan_kodu={code}")).await)["abonentler"].clone()
    };
    assert_eq!(at("reference").await[0]["sahib_fin"], "5K7QX2O");
    // The widow holds no meter; her late husband still does.
    assert_eq!(at("widow").await[0]["sahib_fin"], *family("widow").relatives[0].fin);
    // Two meters in one house: the older account alone is found by the address.
    for floor in ["ground-floor", "upper-floor"] {
        let found = at(floor).await;
        assert_eq!((found.as_array().map(Vec::len), &found[0]["sahib_fin"]), (Some(1), &json!(&*family("ground-floor").applicant().fin)));
    }
    assert_eq!(at("displaced").await, json!([]));
    for (status, query) in [
        (200, "unvan_kodu=TEST-ADR-999999"),
        (400, "unvan_kodu="),
        (400, "unvan_kodu=test-adr-000001"),
        (400, "unvan_kodu=%C6%8F"),
        (400, "unvan_kodu=TEST-ADR-000001&fin=5K7QX2O"),
        (400, "unvan_kodu=TEST-ADR-000001&unvan_kodu=TEST-ADR-000001"),
    ] {
        assert_eq!(ask(&world, &format!("/abonent/v1?{query}")).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_wrong_person_has_an_account_of_their_own() {
    let world = World::new(AgencyCode::Azerishiq).await;
    for service in AgencyCode::Azerishiq.services() {
        world.agency.set_fault(service, "wrong-person", None).expect("accepted");
    }
    let account = read(&ask(&world, "/abonent/v1?fin=5K7QX2O").await)["abonentler"][0].clone();
    let other = Personas::embedded().by_subscriber_code(account["abonent_kodu"].as_str().expect("a code")).expect("known").fin.to_string();
    assert!(other != "5K7QX2O" && account["sahib_fin"] == other.as_str(), "{account}");
    let bills = read(&ask(&world, "/abonent/v1/TEST-EL-000111/hesablamalar?ay_evvel=2025-12&ay_son=2025-12").await);
    assert_eq!(bills["abonent_kodu"], account["abonent_kodu"]);
    assert_eq!(ask(&world, "/abonent/v1?fin=3M9RT4O").await.body, r#"{"abonentler":[]}"#);
}
