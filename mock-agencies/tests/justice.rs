//! Ministry of Justice: civil acts over X-Road SOAP, two registers over X-Road REST.

use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA512};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use mock_agencies::{ActKind, ActRole, AgencyCode, Application, Fault, Person, Personas};
use proptest::prelude::*;
use reqwest::header::HeaderMap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::world::{Got, World, got, texts, whole};

const CLIENT: &str = "AZ-TEST/GOV/10000001/meis";
const NOTARY: &str = "/r1/AZ-TEST/GOV/10000004/adliyye/elektron-notariat";
const BAILIFF: &str = "/r1/AZ-TEST/GOV/10000004/adliyye/elektron-icra";

fn envelope(code: &str, inputs: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers"><s:Header>
<x:client i:objectType="SUBSYSTEM"><i:xRoadInstance>AZ-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>10000001</i:memberCode><i:subsystemCode>meis</i:subsystemCode></x:client>
<x:service i:objectType="SERVICE"><i:xRoadInstance>AZ-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>10000004</i:memberCode><i:subsystemCode>adliyye</i:subsystemCode><i:serviceCode>{code}</i:serviceCode><i:serviceVersion>v3</i:serviceVersion></x:service>
<x:id>7b0cf1d2-0002</x:id><x:protocolVersion>4.0</x:protocolVersion></s:Header><s:Body><d:{code} xmlns:d="http://adliyye.example/xroad/akt/v3">{inputs}</d:{code}></s:Body></s:Envelope>"#
    )
}

async fn post(world: &World, body: String) -> Got {
    got(world.client.post(world.url("/")).header("content-type", "text/xml; charset=utf-8").body(body)).await
}

async fn acts(world: &World, fin: &str, kinds: &[&str]) -> Got {
    let kinds: String = kinds.iter().map(|kind| format!("<d:AktNovu>{kind}</d:AktNovu>")).collect();
    post(world, envelope("AktQeydleriSorgusu", &format!("<d:FIN>{fin}</d:FIN><d:AktNovleri>{kinds}</d:AktNovleri>"))).await
}

/// An answer of a REST service with its headers.
#[derive(Debug)]
struct Rest {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Rest {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ascii"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("json")
    }
}

async fn ask(world: &World, path: &str) -> Rest {
    send(world.client.get(world.url(path)).header("x-road-client", CLIENT).header("x-road-id", "id-1")).await
}

async fn send(request: reqwest::RequestBuilder) -> Rest {
    let response = request.send().await.expect("answered");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Rest { status, headers, body: String::from_utf8(whole(response).await).expect("text") }
}

fn people() -> Arc<Personas> {
    Personas::embedded()
}

fn reference_application() -> (&'static str, &'static str) {
    ("TEST-NOT-2026-0042", "5K7QX2O")
}

fn application_path((number, fin): (&str, &str)) -> String {
    format!("{NOTARY}/v1/erizeler/{number}?temsilci_fin={fin}")
}

#[tokio::test]
async fn a_childs_birth_act_names_the_parents() {
    let world = World::new(AgencyCode::Justice).await;
    let got = acts(&world, "8B2HN6O", &["01"]).await;
    assert_eq!((got.status, &*got.content_type), (200, "text/xml; charset=utf-8"));
    assert!(
        got.body.contains("<d:AktQeydleriSorgusuResponse xmlns:d=\"http://adliyye.example/xroad/akt/v3\"><d:Aktlar><d:FIN>8B2HN6O</d:FIN>")
    );
    let personas = people();
    let birth = personas.acts_of("8B2HN6O").find(|act| act.kind == ActKind::Birth).expect("born");
    let person = |fin: &str, role: &str| format!("<d:Sexs><d:ElaqeliFIN>{fin}</d:ElaqeliFIN><d:Rol>{role}</d:Rol></d:Sexs>");
    let persons: String = birth
        .persons
        .iter()
        .map(|other| {
            let role = match other.role {
                ActRole::Father => "ATA",
                ActRole::Mother => "ANA",
                ActRole::Child => "USAQ",
                ActRole::Spouse | ActRole::Deceased => panic!("not in a birth act"),
            };
            person(&other.fin, role)
        })
        .collect();
    let act = format!(
        "<d:Akt><d:AktNovu>01</d:AktNovu><d:AktNomresi>{}</d:AktNomresi><d:QeydTarixi>{}</d:QeydTarixi><d:HadiseTarixi>2011-01-25</d:HadiseTarixi>\
         <d:QeydiyyatSobesi>{}</d:QeydiyyatSobesi><d:SehadetnameNo>{}</d:SehadetnameNo><d:Sexsler>{persons}</d:Sexsler><d:AktStatusu>1</d:AktStatusu></d:Akt>",
        birth.number, birth.registered_on, birth.office, birth.certificate
    );
    assert!(got.body.contains(&act), "{act} in {}", got.body);
    let mut named = texts(&got.body, "ElaqeliFIN");
    named.sort_unstable();
    assert_eq!(named, ["3M9RT4O", "5K7QX2O", "8B2HN6O"]);
}

#[tokio::test]
async fn only_the_kinds_asked_for_are_given() {
    let world = World::new(AgencyCode::Justice).await;
    let all = ["01", "02", "03", "04", "05", "06", "07"];
    for person in people().people() {
        let got = acts(&world, &person.fin, &all).await;
        let numbers: Vec<_> = texts(&got.body, "AktNomresi").into_iter().map(str::to_owned).collect();
        assert_eq!(numbers, people().acts_of(&person.fin).map(|act| act.number.to_string()).collect::<Vec<_>>(), "{}", person.fin);
    }
    assert_eq!(texts(&acts(&world, "5K7QX2O", &["02"]).await.body, "AktNovu"), ["02"]);
    for inputs in ["<d:FIN>5K7QX2O</d:FIN>", "<d:FIN>5K7QX2O</d:FIN><d:AktNovleri/>"] {
        let got = post(&world, envelope("AktQeydleriSorgusu", inputs)).await;
        assert!(got.body.contains("<d:Aktlar><d:FIN>5K7QX2O</d:FIN></d:Aktlar>"), "{}", got.body);
    }
    assert!(acts(&world, "ZZZZZZO", &all).await.body.contains("<d:Tapilmadi/>"));
}

#[tokio::test]
async fn a_wrong_question_about_acts_is_refused() {
    let world = World::new(AgencyCode::Justice).await;
    let list = |kinds: &str| format!("<d:FIN>5K7QX2O</d:FIN><d:AktNovleri>{kinds}</d:AktNovleri>");
    for inputs in [
        String::new(),
        "<d:FIN>5K7QX2</d:FIN>".to_owned(),
        "<d:FIN a=\"1\">5K7QX2O</d:FIN>".to_owned(),
        "<d:AktNovleri/><d:FIN>5K7QX2O</d:FIN>".to_owned(),
        "<FIN>5K7QX2O</FIN>".to_owned(),
        list("<d:AktNovu>08</d:AktNovu>"),
        list("<d:AktNovu>1</d:AktNovu>"),
        list("<AktNovu>01</AktNovu>"),
        list("<d:AktNovu>01</d:AktNovu><d:AktNovu>01</d:AktNovu>"),
        list("<d:AktNovu>01</d:AktNovu><d:Milliyyet/>"),
        list("01"),
        format!("{}<d:Milliyyet/>", list("")),
    ] {
        let got = post(&world, envelope("AktQeydleriSorgusu", &inputs)).await;
        assert_eq!(texts(&got.body, "faultcode"), ["SOAP-ENV:Client"], "{inputs}");
    }
    let got = post(&world, envelope("SexsMelumatiSorgusu", "")).await;
    assert_eq!(texts(&got.body, "faultcode"), ["server.serverproxy.unknown_service"]);
    assert_eq!(world.agency.calls().by_service["family-acts"], 13);
}

#[tokio::test]
async fn faults_of_acts_are_as_named() {
    let world = World::new(AgencyCode::Justice).await;
    let plain = acts(&world, "5K7QX2O", &["01", "02"]).await.body;
    let spoilt = async |fault: &str| {
        world.fault(fault);
        acts(&world, "5K7QX2O", &["01", "02"]).await.body
    };
    assert!(texts(&plain, "Milliyyet").is_empty());
    assert!(texts(&spoilt("undeclared").await, "Milliyyet").len() > 1);
    let corrected = spoilt("act-corrected").await;
    assert!(texts(&plain, "AktStatusu").contains(&"1"));
    assert!(texts(&corrected, "AktStatusu").iter().all(|status| *status != "1"));
    assert_eq!(texts(&plain, "AktNomresi"), texts(&corrected, "AktNomresi"));
    assert_ne!(texts(&plain, "HadiseTarixi"), texts(&corrected, "HadiseTarixi"));
    assert!(texts(&spoilt("wrong-type").await, "HadiseTarixi").contains(&"keçən bahar"));
    assert_ne!(texts(&spoilt("wrong-person").await, "FIN"), ["5K7QX2O"]);
    assert!(!texts(&spoilt("wrong-echo").await, "id").contains(&"7b0cf1d2-0002"));
    assert!(spoilt("xml-bomb").await.contains("&b9;"));
    assert_eq!(texts(&spoilt("access-denied").await, "faultcode"), ["Server.ServerProxy.AccessDenied"]);
    assert_eq!(texts(&spoilt("network-error-7.8").await, "faultcode"), ["server.serverproxy.network_error"]);
}

#[tokio::test]
async fn an_application_names_its_members() {
    let world = World::new(AgencyCode::Justice).await;
    let rest = ask(&world, &application_path(reference_application())).await;
    assert_eq!(
        (rest.status, rest.header("content-type"), rest.header("x-road-error")),
        (200, Some("application/json; charset=utf-8"), None)
    );
    let application = &rest.json()["erize"];
    assert_eq!((&application["erize_nomresi"], &application["temsilci_fin"]), (&json!("TEST-NOT-2026-0042"), &json!("5K7QX2O")));
    let members = application["uzvler"].as_array().expect("a list");
    assert_eq!(members[0], json!({"uzv_fin": "3M9RT4O", "qohumluq_kodu": "HY"}));
    assert!(members.iter().skip(1).all(|member| member["qohumluq_kodu"] == "OV"), "{members:?}");
    assert_eq!(members.len(), 4);
    let keys: Vec<_> = application.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["erize_nomresi", "tesdiq_tarixi", "etibarliliq_tarixi", "temsilci_fin", "uzvler", "arayis_nomresi"]);
}

#[tokio::test]
async fn every_application_is_found_by_its_representative_and_by_nobody_else() {
    let world = World::new(AgencyCode::Justice).await;
    let personas = people();
    let found = async |application: &Application, fin: &str| ask(&world, &application_path((&application.number, fin))).await;
    let mut without_fin = 0;
    for application in personas.applications() {
        let own = found(application, &application.representative).await.json();
        without_fin += own["erize"]["uzvler"].as_array().expect("a list").iter().filter(|member| member["uzv_fin"].is_null()).count();
        let other = found(application, "ZZZZZZO").await;
        assert_eq!((other.status, other.json()), (404, json!({"kod": "ERIZE_TAPILMADI"})));
        assert!(other.header("x-road-error").is_none() && other.header("x-road-request-hash").is_some(), "the source's own answer");
    }
    assert!(without_fin > 0, "a new-born has no FIN");
}

#[tokio::test]
async fn writs_are_told_and_no_writ_is_an_empty_list() {
    let world = World::new(AgencyCode::Justice).await;
    let personas = people();
    let debts = async |fin: &str| ask(&world, &format!("{BAILIFF}/v1/borclular/{fin}")).await;
    let (debtors, others): (Vec<&Person>, Vec<_>) = personas.people().partition(|person| !person.writs.is_empty());
    assert!(!debtors.is_empty());
    for debtor in debtors {
        let answer = debts(&debtor.fin).await.json();
        assert_eq!(answer["fin"], *debtor.fin);
        let told = answer["icraatlar"].as_array().expect("a list");
        assert_eq!(told.len(), debtor.writs.len());
        for (told, writ) in told.iter().zip(&debtor.writs) {
            let amount = told["qaliq"].as_str().expect("a text");
            let (whole, part) = amount.split_once('.').expect("a point");
            assert_eq!(part.len(), 2);
            assert_eq!(whole.parse::<u64>().expect("digits") * 100 + part.parse::<u64>().expect("digits"), writ.outstanding_qapik);
            assert!(told["tutulma_faizi"].is_number() && told["icra_senedi_no"] == *writ.number, "{told}");
        }
    }
    for fin in ["ZZZZZZO", &*others[0].fin] {
        assert_eq!(debts(fin).await.json(), json!({"fin": fin, "icraatlar": []}));
    }
}

#[tokio::test]
async fn a_wrong_question_of_a_register_is_its_own_refusal() {
    let world = World::new(AgencyCode::Justice).await;
    for (status, code, path) in [
        (400, "SORGU_YANLISDIR", format!("{BAILIFF}/v1/borclular/5k7qx2o")),
        (400, "SORGU_YANLISDIR", format!("{BAILIFF}/v1/borclular/%ff")),
        (400, "SORGU_YANLISDIR", format!("{BAILIFF}/v1/borclular/5K7QX2O?a=b")),
        (400, "SORGU_YANLISDIR", format!("{NOTARY}/v1/erizeler/TEST-NOT-2026-0042")),
        (400, "SORGU_YANLISDIR", format!("{NOTARY}/v1/erizeler/TEST-NOT-2026-0042?temsilci_fin=5K7QX2O&a=b")),
        (400, "SORGU_YANLISDIR", format!("{NOTARY}/v1/erizeler/TEST-NOT-2026-0042?fin=5K7QX2O")),
        (404, "UNVAN_TAPILMADI", NOTARY.to_owned()),
        (404, "UNVAN_TAPILMADI", format!("{NOTARY}/v1/borclular/5K7QX2O")),
        (404, "UNVAN_TAPILMADI", format!("{BAILIFF}/v1/borclular/")),
        (404, "UNVAN_TAPILMADI", format!("{BAILIFF}/v1/borclular/5K7QX2O/x")),
        (404, "ERIZE_TAPILMADI", application_path(("TEST-NOT-%C6%8F", "5K7QX2O"))),
    ] {
        let rest = ask(&world, &path).await;
        assert_eq!((rest.status, rest.json()), (status, json!({"kod": code})), "{path}");
        assert_eq!((rest.header("x-road-error"), rest.header("x-road-id")), (None, Some("id-1")), "{path}");
    }
    let request = world.client.post(world.url(&format!("{BAILIFF}/v1/borclular/5K7QX2O"))).header("x-road-client", CLIENT);
    let rest = send(request).await;
    assert_eq!((rest.status, rest.header("allow")), (405, Some("GET")));
    let calls = world.agency.calls();
    assert_eq!((calls.by_service["notarial-application"], calls.by_service["enforcement-debt"], calls.total), (6, 6, 12));
}

#[tokio::test]
async fn a_wrong_request_gets_the_security_servers_error() {
    let world = World::new(AgencyCode::Justice).await;
    let path = format!("{BAILIFF}/v1/borclular/5K7QX2O");
    let with = |path: &str, headers: &[(&str, &str)]| {
        let request = world.client.get(world.url(path)).header("accept", "application/json");
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let client = ("x-road-client", CLIENT);
    for (status, code, request) in [
        (500, "server.clientproxy.unknown_member", with(&path, &[])),
        (500, "server.clientproxy.unknown_member", with(&path, &[("x-road-client", "OTHER/GOV/1/meis")])),
        (500, "server.clientproxy.internal_error", with(&path, &[("x-road-client", "AZ-TEST/GOV")])),
        (500, "server.clientproxy.internal_error", with(&path, &[("x-road-client", "AZ-TEST/GOV/1/2/3")])),
        (500, "server.clientproxy.internal_error", with(&path, &[("x-road-client", "AZ-TEST/GOV/%zz")])),
        (400, "client.invalid_client_identifier", with(&path, &[("x-road-client", "AZ-TEST/GOV/1%2F2")])),
        (400, "client.invalid_client_identifier", with(&path, &[("x-road-client", "AZ-TEST/GOV/")])),
        (500, "server.clientproxy.internal_error", with(&path, &[client, ("x-road-security-server", "AZ-TEST/GOV/1")])),
        (500, "server.clientproxy.internal_error", with(&path, &[client, ("x-road-represented-party", "COM/1/2")])),
        (500, "server.clientproxy.unknown_member", with(&path.replace("10000004", "10000005"), &[client])),
        (500, "server.clientproxy.unknown_member", with(&path.replace("adliyye", "basqa"), &[client])),
        (500, "server.serverproxy.unknown_service", with(&path.replace("elektron-icra", "elektron"), &[client])),
        (500, "server.clientproxy.internal_error", with("/r1/AZ-TEST/GOV/10000004/elektron-icra", &[client])),
        (500, "server.clientproxy.internal_error", with(&path.replace("/r1/", "/r2/"), &[client])),
        (500, "server.clientproxy.internal_error", with(&path.replace("adliyye", "%e9"), &[client])),
    ] {
        let rest = send(request).await;
        let error = rest.json();
        assert_eq!((rest.status, rest.header("x-road-error"), &error["type"]), (status, Some(code), &json!(code)), "{rest:?}");
        assert!(error["message"].is_string() && error["detail"].as_str().is_some_and(|id| id.len() == 36), "{error}");
        assert!(rest.header("x-road-request-hash").is_none(), "only an answer of the agency has the echo");
    }
    assert_eq!(send(world.client.request(reqwest::Method::OPTIONS, world.url(&path)).header(client.0, client.1)).await.status, 405);
    for accept in ["text/xml", "application/json, text/*;q=0.1", "application/xml"] {
        let rest = send(world.client.get(world.url(&path)).header("accept", accept)).await;
        assert_eq!(texts(&rest.body, "type"), ["server.clientproxy.unknown_member"], "{accept}");
        assert_eq!(rest.header("content-type").map(|media| media.contains("xml")), Some(true));
    }
}

#[tokio::test]
async fn faults_of_the_route_and_of_the_register_are_told_apart() {
    let world = World::new(AgencyCode::Justice).await;
    for (service, path) in [
        ("notarial-application", application_path(reference_application())),
        ("enforcement-debt", format!("{BAILIFF}/v1/borclular/5K7QX2O")),
    ] {
        for (fault, status, code) in [
            ("network-error", 500, Some("Server.ServerProxy.NetworkError")),
            ("network-error-7.8", 500, Some("server.serverproxy.network_error")),
            ("access-denied", 500, Some("Server.ServerProxy.AccessDenied")),
            ("access-denied-7.8", 500, Some("server.serverproxy.access_denied")),
            ("error-as-xml", 500, Some("server.serverproxy.network_error")),
            ("error", 500, None),
            ("fault-in-200", 200, None),
            ("retry-after", 429, None),
        ] {
            world.agency.set_fault(service, fault, Some(1)).expect("accepted");
            let rest = ask(&world, &path).await;
            assert_eq!((rest.status, rest.header("x-road-error")), (status, code), "{service} {fault}");
            assert_eq!(rest.header("x-road-request-hash").is_some(), code.is_none(), "{service} {fault}");
            assert_eq!(rest.header("retry-after"), (fault == "retry-after").then_some("2"));
            if fault == "error-as-xml" {
                assert_eq!(
                    (texts(&rest.body, "type"), rest.header("content-type")),
                    (vec![code.expect("xml")], Some("text/xml;charset=utf-8"))
                );
            }
        }
        assert!(Fault::accepted(AgencyCode::Justice, service).iter().all(|fault| !fault.as_str().starts_with("xml")));
    }
}

#[tokio::test]
async fn spoilt_answers_of_registers_are_spoilt_as_named() {
    let world = World::new(AgencyCode::Justice).await;
    let debts = format!("{BAILIFF}/v1/borclular/5K7QX2O");
    let application = application_path(reference_application());
    let spoilt = async |service: &str, path: &str, fault: &str| {
        world.agency.set_fault(service, fault, Some(1)).expect("accepted");
        ask(&world, path).await
    };
    let (bailiff, notary) = ("enforcement-debt", "notarial-application");
    assert!(spoilt(bailiff, &debts, "undeclared").await.json().get("is_yeri").is_some());
    assert!(spoilt(notary, &application, "undeclared").await.json()["erize"].get("notarius").is_some());
    assert!(spoilt(bailiff, &debts, "wrong-type").await.json()["icraatlar"].is_string());
    assert!(spoilt(notary, &application, "wrong-type").await.json()["erize"]["tesdiq_tarixi"].is_number());
    assert_ne!(spoilt(bailiff, &debts, "wrong-person").await.json()["fin"], "5K7QX2O");
    let owes_nothing = ask(&world, &format!("{BAILIFF}/v1/borclular/3M9RT4O")).await.json();
    let another = spoilt(bailiff, &format!("{BAILIFF}/v1/borclular/3M9RT4O"), "wrong-person").await.json();
    assert_eq!((&owes_nothing["icraatlar"], &owes_nothing["fin"]), (&another["icraatlar"], &"3M9RT4O".into()));
    assert!(another["fin"] != "3M9RT4O" && another["icraatlar"].as_array().is_some_and(Vec::is_empty), "{another}");
    assert_ne!(spoilt(notary, &application, "wrong-person").await.json()["erize"]["temsilci_fin"], "5K7QX2O");
    let wrong_echo = spoilt(bailiff, &debts, "wrong-echo").await;
    assert_ne!(wrong_echo.header("x-road-id"), Some("id-1"));
    assert!(spoilt(bailiff, &debts, "deep-nesting").await.body.starts_with("{\"icraatlar\":[[[["));
    assert_eq!(ask(&world, &debts).await.header("x-road-id"), Some("id-1"));
}

/// A line of one's own, to send a request to the byte.
async fn raw(world: &World, request: &[u8]) -> String {
    let identity = world.authority.issue();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(world.authority.pem().as_bytes()).expect("pem")).expect("root");
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate_pem.as_bytes()).expect("pem")];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("key");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .expect("identity");
    let line = TcpStream::connect(world.agency.address).await.expect("connects");
    let mut line = TlsConnector::from(Arc::new(config)).connect("127.0.0.1".try_into().expect("name"), line).await.expect("handshake");
    line.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).await.expect("closed by the server");
    String::from_utf8(answer).expect("text")
}

fn raw_header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().expect("a head");
    let found = head.split("\r\n").find_map(|line| line.split_once(": ").filter(|(own, _)| own.eq_ignore_ascii_case(name)));
    found.unwrap_or_else(|| panic!("{name} in {head}")).1
}

#[tokio::test]
async fn the_hash_is_that_of_the_bytes_that_arrived() {
    let world = World::new(AgencyCode::Justice).await;
    let path = format!("{BAILIFF}/v1/borclular/5K7Q%58%32O");
    let kept = format!("X-ROAD-client:{CLIENT}\r\nB:2\r\naCCept:application/json\r\nb:1\r\nX-Road-UserId:AZ-0001\r\n");
    let sent = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-ROAD-client: {CLIENT}\r\nUser-Agent: x\r\nB: 2\r\naCCept: application/json\r\n\
         X-Road-Request-Id: theirs\r\nb:  1 \r\nConnection: close\r\nX-Road-UserId: AZ-0001\r\n\r\n"
    );
    let answer = raw(&world, sent.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (request_id, id) = (raw_header(&answer, "x-road-request-id"), raw_header(&answer, "x-road-id"));
    assert!(id.starts_with("AZ-TEST-") && request_id != "theirs", "{id} {request_id}");
    let canonical = format!("GET\r\n{path}\r\n{kept}x-road-request-id:{request_id}\r\nX-Road-Id:{id}\r\n");
    assert_eq!(raw_header(&answer, "x-road-request-hash"), STANDARD.encode(digest::digest(&SHA512, canonical.as_bytes())));
    assert_eq!(raw_header(&answer, "x-road-client"), CLIENT);
    assert_eq!(raw_header(&answer, "x-road-service"), "AZ-TEST/GOV/10000004/adliyye/elektron-icra");
}

#[tokio::test]
async fn http_2_is_not_spoken_where_the_head_is_hashed() {
    let world = World::new(AgencyCode::Justice).await;
    let client = world.authority.client_speaking(&["h2", "http/1.1"], Some(&world.authority.issue()));
    let request = client.get(world.url(&format!("{BAILIFF}/v1/borclular/5K7QX2O"))).header("x-road-client", CLIENT);
    assert_eq!(request.send().await.expect("answered").version(), reqwest::Version::HTTP_11);
}

#[tokio::test]
async fn a_body_is_hashed_beside_the_head() {
    let world = World::new(AgencyCode::Justice).await;
    let path = format!("{BAILIFF}/v1/borclular/5K7QX2O?a=%20b");
    let sent = format!(
        "PUT {path} HTTP/1.1\r\nHost: h\r\nX-Road-Client: {CLIENT}\r\nX-Road-Id: 9\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\
         Connection: close\r\n\r\nbody"
    );
    let answer = raw(&world, sent.as_bytes()).await;
    let request_id = raw_header(&answer, "x-road-request-id");
    let head =
        format!("PUT\r\n{path}\r\nX-Road-Client:{CLIENT}\r\nX-Road-Id:9\r\nContent-Type:text/plain\r\nx-road-request-id:{request_id}\r\n");
    let head = digest::digest(&SHA512, head.as_bytes());
    let both = [head.as_ref(), digest::digest(&SHA512, b"body").as_ref()].concat();
    // The register refuses the verb, and the echo is on its refusal all the same.
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert_eq!(raw_header(&answer, "x-road-request-hash"), STANDARD.encode(digest::digest(&SHA512, &both)));
}

#[tokio::test]
async fn a_wrong_hash_is_of_the_right_form() {
    let world = World::new(AgencyCode::Justice).await;
    let path = format!("{BAILIFF}/v1/borclular/5K7QX2O");
    let expected = |rest: &Rest| {
        // What reqwest sends over HTTP/1.1, in its order.
        let request_id = rest.header("x-road-request-id").expect("an id");
        let canonical =
            format!("GET\r\n{path}\r\nx-road-client:{CLIENT}\r\nx-road-id:id-1\r\naccept:*/*\r\nx-road-request-id:{request_id}\r\n");
        STANDARD.encode(digest::digest(&SHA512, canonical.as_bytes()))
    };
    let first = ask(&world, &path).await;
    assert_eq!(first.header("x-road-request-hash"), Some(&*expected(&first)));
    world.agency.set_fault("enforcement-debt", "wrong-hash", Some(1)).expect("accepted");
    let wrong = ask(&world, &path).await;
    let hash = wrong.header("x-road-request-hash").expect("a hash");
    assert!(hash != expected(&wrong) && STANDARD.decode(hash).is_ok_and(|hash| hash.len() == 64));
    let second = ask(&world, &path).await;
    assert_ne!(first.header("x-road-request-id"), second.header("x-road-request-id"), "new for every call");
    assert_eq!(second.header("x-road-request-hash"), Some(&*expected(&second)), "on a line used before");
}

/// What a caller sees of an answer, but for what differs each time; `None` of one broken off.
async fn seen(request: reqwest::RequestBuilder) -> Option<String> {
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(&part.ok()?);
    }
    let body = String::from_utf8(bytes).expect("text");
    let lasting: Vec<_> = body.split('<').filter(|part| !part.starts_with("faultDetail>")).collect();
    let header = |name: &str| headers.get(name).cloned();
    // The hash of the request is checked on its own: it differs by the server's own identifier.
    let kept = ["content-type", "retry-after", "x-road-error", "x-road-id", "x-road-client", "x-road-service"].map(header);
    Some(format!("{status} {kept:?} {}", lasting.join("<")))
}

#[tokio::test]
async fn every_fault_of_content_changes_what_a_caller_gets() {
    let world = World::new(AgencyCode::Justice).await;
    for service in AgencyCode::Justice.services() {
        let request = || match *service {
            "family-acts" => {
                let inputs = "<d:FIN>5K7QX2O</d:FIN><d:AktNovleri><d:AktNovu>01</d:AktNovu></d:AktNovleri>";
                let body = envelope("AktQeydleriSorgusu", inputs);
                world.client.post(world.url("/")).header("content-type", "text/xml; charset=utf-8").body(body)
            }
            "notarial-application" => {
                let path = application_path(reference_application());
                world.client.get(world.url(&path)).header("x-road-client", CLIENT).header("x-road-id", "id-1")
            }
            _ => {
                let path = format!("{BAILIFF}/v1/borclular/5K7QX2O");
                world.client.get(world.url(&path)).header("x-road-client", CLIENT).header("x-road-id", "id-1")
            }
        };
        let plain = seen(request()).await;
        assert!(plain.is_some() && plain == seen(request()).await, "{plain:?}");
        for fault in Fault::accepted(AgencyCode::Justice, service) {
            // Those that only cost time, length or the line have their own tests; the hash has too.
            if ["hang", "slow", "drip", "oversize", "down", "wrong-hash"].contains(&fault.as_str()) {
                continue;
            }
            world.agency.set_fault(service, fault.as_str(), Some(1)).expect("accepted");
            assert_ne!(seen(request()).await, plain, "{service} {fault}");
        }
        assert_eq!(seen(request()).await, plain, "{service}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever the address, somebody answers in a known form and goes on.
    #[test]
    fn any_address_gets_an_answer(paths in proptest::collection::vec("/r[0-9]?(/[A-Za-z0-9%.;,=-]{0,8}){0,9}", 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let world = World::new(AgencyCode::Justice).await;
            for path in paths {
                let rest = ask(&world, &path).await;
                // Clients take dot segments out, so that some of these end at the root, which is SOAP's.
                assert!(rest.header("x-road-error").is_some() || [404, 405].contains(&rest.status), "{path} {rest:?}");
            }
        });
    }
}
