//! Ministry of Digital Development and Transport: numbers, certificates and post offices over X-Road REST.

use mock_agencies::{AgencyCode, Fault, Personas};
use serde_json::{Value, json};

use crate::world::{World, whole};

const CLIENT: &str = "AZ-TEST/GOV/10000001/meis";
const BASE: &str = "/r1/AZ-TEST/GOV/10000008/reqemsal";

async fn send(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.header("x-road-client", CLIENT).header("x-road-id", "id-1").send().await.expect("answered");
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("x-road-request-hash"), "{response:?}");
    (status, serde_json::from_slice(&whole(response).await).expect("JSON"))
}

async fn check_number(world: &World, msisdn: &str, fin: &str) -> (u16, Value) {
    let request = world.client.post(world.url(&format!("{BASE}/nomre-yoxlama/nomre/v1/yoxla")));
    send(request.header("content-type", "application/json").body(json!({"msisdn": msisdn, "fin": fin}).to_string())).await
}

async fn get(world: &World, path: &str) -> (u16, Value) {
    send(world.client.get(world.url(&format!("{BASE}{path}")))).await
}

#[tokio::test]
async fn a_number_is_somebodys_and_nobody_is_told_whose() {
    let world = World::new(AgencyCode::Digital).await;
    let (status, own) = check_number(&world, "+994000000101", "5K7QX2O").await;
    assert_eq!((status, &own["uygundur"], &own["sahib_sayi"]), (200, &json!(true), &json!(1)));
    let (_, other) = check_number(&world, "+994000000101", "3M9RT4O").await;
    assert_eq!((&other["uygundur"], &other["sahib_sayi"]), (&json!(false), &json!(1)));
    assert!(!other.to_string().contains("5K7QX2O"));
    assert_eq!(check_number(&world, "+994000000999", "5K7QX2O").await, (404, json!({"kod": "NOMRE_TAPILMADI"})));
    // While it is ported both are its owners, and the answer says so.
    for fin in ["DMX8F4O", "9B8M7CO"] {
        let (_, both) = check_number(&world, "+994000000106", fin).await;
        assert_eq!((&both["uygundur"], &both["sahib_sayi"]), (&json!(true), &json!(2)), "{fin}");
    }
    for (msisdn, fin) in [("0000000101", "5K7QX2O"), ("+99400000010", "5K7QX2O"), ("+994000000101", "5K7QX2"), ("", "")] {
        assert_eq!(check_number(&world, msisdn, fin).await, (400, json!({"kod": "SORGU_YANLISDIR"})), "{msisdn} {fin}");
    }
    world.agency.shutdown().await;
}

#[tokio::test]
async fn certificates_and_post_offices_are_found_by_what_they_are_named() {
    let world = World::new(AgencyCode::Digital).await;
    let (status, valid) = get(&world, "/sertifikat-yoxlama/sertifikat/v1/TEST-CERT-01").await;
    assert_eq!((status, &valid["status"], &valid["fin"]), (200, &json!("ETIBARLI"), &json!("5K7QX2O")));
    assert!(valid["bitme"].as_str().is_some_and(|until| until.ends_with("T00:00:00+04:00")), "{valid}");
    let (_, unknown) = get(&world, "/sertifikat-yoxlama/sertifikat/v1/TEST-CERT-05").await;
    assert_eq!(unknown, json!({"seriya": "TEST-CERT-05", "status": "NAMELUM", "fin": null, "bitme": null}));
    assert_eq!(get(&world, "/sertifikat-yoxlama/sertifikat/v1/TEST-CERT-99").await, (404, json!({"kod": "SERTIFIKAT_TAPILMADI"})));
    let (_, branches) = get(&world, "/poct-sobeleri/poct/v1/sobeler?erazi=99000001").await;
    assert_eq!((&branches["erazi_kodu"], branches["sobeler"].as_array().map(Vec::len)), (&json!("99000001"), Some(2)));
    let (_, none) = get(&world, "/poct-sobeleri/poct/v1/sobeler?erazi=99000005").await;
    assert_eq!(none, json!({"erazi_kodu": "99000005", "sobeler": []}));
    for wrong in ["", "?erazi=", "?erazi=9900000a", "?erazi=99000001&sehife=2"] {
        assert_eq!(get(&world, &format!("/poct-sobeleri/poct/v1/sobeler{wrong}")).await.0, 400, "{wrong}");
    }
    assert_eq!(get(&world, "/poct-sobeleri/poct/v2/sobeler").await, (404, json!({"kod": "UNVAN_TAPILMADI"})));
    world.agency.shutdown().await;
}

#[tokio::test]
async fn faults_of_content_show_in_the_answer() {
    let world = World::new(AgencyCode::Digital).await;
    let set = |service: &str, fault: &str| world.agency.set_fault(service, fault, Some(1)).expect("accepted");
    set("mobile-number-owner", "number-ported");
    let (_, ported) = check_number(&world, "+994000000101", "3M9RT4O").await;
    assert_eq!((&ported["uygundur"], &ported["sahib_sayi"]), (&json!(true), &json!(2)));
    set("mobile-number-owner", "undeclared");
    assert!(check_number(&world, "+994000000101", "5K7QX2O").await.1["sahib"].is_object());
    set("certificate-status", "wrong-person");
    let (_, other) = get(&world, "/sertifikat-yoxlama/sertifikat/v1/TEST-CERT-01").await;
    assert_ne!(other["seriya"], "TEST-CERT-01");
    set("postal-branch", "wrong-person");
    assert_ne!(get(&world, "/poct-sobeleri/poct/v1/sobeler?erazi=99000001").await.1["erazi_kodu"], "99000001");
    for (fault, status) in [("error", 500), ("fault-in-200", 200), ("retry-after", 429)] {
        set("postal-branch", fault);
        let (told, body) = get(&world, "/poct-sobeleri/poct/v1/sobeler?erazi=99000001").await;
        assert!(told == status && body["kod"].is_string(), "{fault}: {told} {body}");
    }
    // The number's answer names nobody, so there is nobody to mistake.
    assert!(!Fault::accepted(AgencyCode::Digital, "mobile-number-owner").contains(&Fault::WrongPerson));
    world.agency.shutdown().await;
}

#[test]
fn the_registers_hold_together_with_the_personas() {
    let personas = Personas::embedded();
    let digital = personas.digital();
    for (msisdn, number) in &digital.numbers {
        assert!(msisdn.starts_with("+99400") && personas.by_fin(&number.owner).is_some(), "{msisdn}");
        assert!(number.ported_from.as_deref().is_none_or(|fin| personas.by_fin(fin).is_some() && fin != &*number.owner), "{msisdn}");
    }
    for (serial, certificate) in &digital.certificates {
        let known = certificate.subject.as_deref().is_none_or(|fin| personas.by_fin(fin).is_some());
        assert!(serial.starts_with("TEST-CERT-") && known, "{serial}");
        assert_eq!(certificate.subject.is_some(), certificate.until.is_some(), "{serial}");
    }
    let codes: std::collections::HashSet<_> = digital.branches.iter().map(|branch| &branch.code).collect();
    assert_eq!(codes.len(), digital.branches.len());
    for family in ["reference", "requests"] {
        let applicant = personas.family(family).expect("known").applicant();
        assert!(digital.number_of(&applicant.fin).is_some() && digital.certificate_of(&applicant.fin).is_some(), "{family}");
        let territory = &applicant.residence.as_ref().expect("registered").territory_code;
        assert!(digital.branches.iter().any(|branch| branch.territory_code == *territory), "{family}");
    }
}
