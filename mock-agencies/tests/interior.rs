//! Interior ministry: what the X-Road documents and the catalogue promise.

use base64::Engine;
use mock_agencies::{AgencyCode, Personas};
use proptest::prelude::*;
use reqwest::RequestBuilder;

use crate::world::{Got, World, got, texts};

const HEADER: &str = r#"<x:client i:objectType="SUBSYSTEM"><i:xRoadInstance>AZ-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>MLSPP</i:memberCode><i:subsystemCode>MEIS</i:subsystemCode></x:client>
<x:service i:objectType="SERVICE"><i:xRoadInstance>AZ-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>MIA</i:memberCode><i:subsystemCode>PASPORT</i:subsystemCode><i:serviceCode>SexsMelumatiSorgusu</i:serviceCode><i:serviceVersion>v2</i:serviceVersion></x:service>
<x:id>7b0cf1d2-0001</x:id><x:userId>AZ-0001</x:userId><x:issue>c-2026-000042 &amp; &lt;x&gt;</x:issue><x:protocolVersion>4.0</x:protocolVersion>"#;

fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn by_fin(fin: &str) -> String {
    body(&format!("<d:FIN>{fin}</d:FIN>"))
}

fn body(inputs: &str) -> String {
    format!(r#"<d:SexsMelumatiSorgusu xmlns:d="http://daxili-isler.example/xroad/v2">{inputs}</d:SexsMelumatiSorgusu>"#)
}

fn post(world: &World, body: impl Into<reqwest::Body>) -> RequestBuilder {
    world.client.post(world.url("/")).header("content-type", "text/xml; charset=utf-8").header("soapaction", "\"\"").body(body)
}

async fn ask(world: &World, inputs: &str) -> Got {
    got(post(world, envelope(HEADER, &body(inputs)))).await
}

fn fault(got: &Got) -> (u16, &str) {
    (got.status, texts(&got.body, "faultcode").first().copied().unwrap_or("no fault"))
}

#[tokio::test]
async fn a_person_is_found_with_the_catalogues_elements_in_order() {
    let world = World::new(AgencyCode::Interior).await;
    let got = ask(&world, "<d:FIN>5K7QX2O</d:FIN>").await;
    assert_eq!((got.status, &*got.content_type), (200, "text/xml; charset=utf-8"));
    let person = "<d:Sexs><d:FIN>5K7QX2O</d:FIN><d:Soyad>Sınaqlı</d:Soyad><d:Ad>Örnək</d:Ad><d:AtaAdi>Nümunə oğlu</d:AtaAdi><d:Cins>K</d:Cins>\
        <d:DogumTarixi>14.03.1985</d:DogumTarixi><d:DogumYeri>Bakı şəhəri</d:DogumYeri><d:Vetendasliq>AZE</d:Vetendasliq><d:Seriya>ZZ</d:Seriya>\
        <d:Nomre>0012345</d:Nomre><d:VerilmeTarixi>01.06.2021</d:VerilmeTarixi><d:EtibarliliqTarixi>01.06.2031</d:EtibarliliqTarixi>\
        <d:SenedStatusu>1</d:SenedStatusu></d:Sexs>";
    assert!(got.body.contains(person), "{}", got.body);
}

#[tokio::test]
async fn the_header_is_echoed_in_order_and_the_request_is_hashed() {
    let world = World::new(AgencyCode::Interior).await;
    let request = envelope(HEADER, &by_fin("5K7QX2O"));
    let got = got(post(&world, request.clone())).await;
    let (header, _) = got.body.split_once("Header>").and_then(|(_, rest)| rest.split_once("</SOAP-ENV:Header")).expect("a header");
    let places: Vec<_> = [
        "client",
        "service",
        "id>7b0cf1d2-0001<",
        "userId>AZ-0001<",
        "issue>c-2026-000042 &amp; &lt;x&gt;<",
        "protocolVersion>4.0<",
        "requestHash",
    ]
    .iter()
    .map(|part| header.find(&format!("<xro:{part}")).unwrap_or_else(|| panic!("{part} in {header}")))
    .collect();
    assert!(places.is_sorted(), "{header}");
    assert!(header.contains(r#"<xro:client iden:objectType="SUBSYSTEM"><iden:xRoadInstance>AZ-TEST</iden:xRoadInstance>"#), "{header}");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, request.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(digest);
    assert!(header.contains(&format!("algorithmId=\"http://www.w3.org/2001/04/xmlenc#sha512\">{hash}<")), "{header}");
}

#[tokio::test]
async fn a_person_is_found_by_document_only_with_the_right_birth_date() {
    let world = World::new(AgencyCode::Interior).await;
    let document = |date: &str| format!("<d:Seriya>ZZ</d:Seriya><d:Nomre>0012345</d:Nomre><d:DogumTarixi>{date}</d:DogumTarixi>");
    assert_eq!(texts(&ask(&world, &document("14.03.1985")).await.body, "FIN"), ["5K7QX2O"]);
    assert!(ask(&world, &document("15.03.1985")).await.body.contains("<d:Tapilmadi/>"));
}

#[tokio::test]
async fn nobody_is_an_answer_and_not_a_fault() {
    let world = World::new(AgencyCode::Interior).await;
    let got = ask(&world, "<d:FIN>ZZZZZZO</d:FIN>").await;
    assert_eq!(got.status, 200);
    assert!(got.body.contains("Response xmlns:d=\"http://daxili-isler.example/xroad/v2\"><d:Tapilmadi/></d:"), "{}", got.body);
}

#[tokio::test]
async fn every_persona_answers_and_special_ones_show_what_they_are_there_for() {
    let world = World::new(AgencyCode::Interior).await;
    let personas = Personas::embedded();
    for person in personas.people() {
        assert_eq!(texts(&ask(&world, &format!("<d:FIN>{}</d:FIN>", person.fin)).await.body, "FIN"), [&*person.fin]);
    }
    for (family, element, expected) in [
        ("unlimited-validity", "EtibarliliqTarixi", "-"),
        ("lost-document", "SenedStatusu", "2"),
        ("expired-document", "SenedStatusu", "3"),
        ("cancelled-document", "SenedStatusu", "4"),
        ("unlimited-validity", "AtaAdi", "Nümunəqulu qızı"),
        ("markup-in-text", "DogumYeri", "\"Örnək\" &amp; 'Sınaq' &lt;Nümunə&gt; qəsəbəsi, İçərişəhər"),
    ] {
        let fin = &personas.family(family).expect(family).applicant().fin;
        assert_eq!(texts(&ask(&world, &format!("<d:FIN>{fin}</d:FIN>")).await.body, element), [expected], "{family}");
    }
}

#[tokio::test]
async fn a_wrong_message_gets_the_security_servers_fault() {
    let world = World::new(AgencyCode::Interior).await;
    let good = by_fin("5K7QX2O");
    let broken = |from: &str, to: &str| {
        assert!(HEADER.contains(from), "{from}");
        envelope(&HEADER.replacen(from, to, 1), &good)
    };
    let cases = [
        ("client.invalid_xml", "not xml".to_owned()),
        ("client.invalid_xml", envelope(HEADER, &good).replace("<?xml version=\"1.0\" encoding=\"utf-8\"?>", "<!DOCTYPE s>")),
        ("client.invalid_soap", envelope(HEADER, &good).replace("schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap-envelope")),
        ("client.missing_header", envelope(HEADER, &good).replace("s:Header", "s:Kopf").replace(&format!("<s:Kopf>{HEADER}</s:Kopf>"), "")),
        ("client.invalid_body", envelope(HEADER, "")),
        ("client.invalid_body", envelope(HEADER, &format!("{good}{good}"))),
        ("client.invalid_body", envelope(HEADER, "<d:Basqa xmlns:d=\"http://daxili-isler.example/xroad/v2\"/>")),
        ("client.missing_header_field", broken("<x:id>7b0cf1d2-0001</x:id>", "")),
        ("client.missing_header_field", broken("<x:protocolVersion>4.0</x:protocolVersion>", "")),
        ("client.duplicate_header_field", broken("<x:id>7b0cf1d2-0001</x:id>", "<x:id>1</x:id><x:id>2</x:id>")),
        ("client.invalid_protocol_version", broken(">4.0<", ">4.1<")),
        ("client.invalid_soap", broken("<x:userId>AZ-0001</x:userId>", "<x:requestHash>x</x:requestHash>")),
        ("client.invalid_soap", broken("AZ-0001", " ")),
        ("client.invalid_xml", broken("i:objectType=\"SUBSYSTEM\"", "")),
        ("client.invalid_xml", broken("i:objectType=\"SUBSYSTEM\"", "objectType=\"SUBSYSTEM\"")),
        ("client.invalid_xml", broken("i:objectType=\"SUBSYSTEM\"", "i:objectType=\"MEMBER\"")),
        ("client.invalid_xml", broken("<i:memberClass>GOV</i:memberClass>", "")),
        (
            "client.invalid_xml",
            broken(
                "<i:serviceCode>SexsMelumatiSorgusu</i:serviceCode><i:serviceVersion>v2</i:serviceVersion>",
                "<i:serviceVersion>v2</i:serviceVersion><i:serviceCode>SexsMelumatiSorgusu</i:serviceCode>",
            ),
        ),
        ("client.invalid_client_identifier", broken("<i:memberCode>MLSPP<", "<i:memberCode>ML/SPP<")),
        ("server.serverproxy.unknown_service", broken(">v2<", ">v1<")),
        ("SOAP-ENV:Client", envelope(HEADER, &good.replace("xroad/v2", "xroad/v1"))),
        ("SOAP-ENV:Client", envelope(HEADER, &by_fin("5K7QX2OX"))),
        ("SOAP-ENV:Client", envelope(HEADER, &by_fin("5k7qx2o"))),
        ("SOAP-ENV:Client", envelope(HEADER, &body(""))),
        ("SOAP-ENV:Client", envelope(HEADER, &body("<d:FIN>5K7QX2O</d:FIN><d:FIN>5K7QX2O</d:FIN>"))),
        (
            "SOAP-ENV:Client",
            envelope(HEADER, &body("<d:Seriya>ZZ</d:Seriya><d:Nomre>0012345</d:Nomre><d:DogumTarixi>1985-03-14</d:DogumTarixi>")),
        ),
        (
            "SOAP-ENV:Client",
            envelope(HEADER, &body("<d:Nomre>0012345</d:Nomre><d:Seriya>ZZ</d:Seriya><d:DogumTarixi>14.03.1985</d:DogumTarixi>")),
        ),
    ];
    for (code, request) in cases {
        assert_eq!(fault(&got(post(&world, request.clone())).await), (200, code), "{request}");
    }
    // Refused or not, each was a call.
    assert_eq!(world.agency.calls().total, 27);
}

#[tokio::test]
async fn http_around_the_message_is_checked() {
    let world = World::new(AgencyCode::Interior).await;
    let good = envelope(HEADER, &by_fin("5K7QX2O"));
    let with = |content_type: &str, action: Option<&str>| {
        let request = world.client.post(world.url("/")).header("content-type", content_type).body(good.clone());
        action.into_iter().fold(request, |request, action| request.header("soapaction", action))
    };
    for action in [None, Some(""), Some("\"\""), Some("\"urn:sexs#v2\"")] {
        assert_eq!(fault(&got(with("text/xml", action)).await), (200, "no fault"), "{action:?}");
    }
    for action in ["urn:sexs", "\"urn:sexs", "\"a b\""] {
        assert_eq!(fault(&got(with("text/xml", Some(action))).await).1, "client.invalid_soap_action", "{action}");
    }
    for content_type in ["application/soap+xml", "text/xml; charset=windows-1254", "text/html"] {
        assert_eq!(fault(&got(with(content_type, None)).await).1, "client.invalid_content_type", "{content_type}");
    }
    assert_eq!(got(world.client.get(world.url("/"))).await.status, 405);
    assert_eq!(got(world.client.post(world.url("/soap")).body("x")).await.status, 404);
    assert_eq!(got(post(&world, vec![b' '; 70_000])).await.status, 413);
    let marked = [b"\xEF\xBB\xBF", good.as_bytes()].concat();
    assert_eq!(fault(&got(post(&world, marked)).await), (200, "no fault"));
}

#[tokio::test]
async fn faults_of_the_route_and_of_the_provider_are_told_apart() {
    let world = World::new(AgencyCode::Interior).await;
    for (name, status, code) in [
        ("network-error", 200, "Server.ServerProxy.NetworkError"),
        ("network-error-7.8", 200, "server.serverproxy.network_error"),
        ("access-denied", 200, "Server.ServerProxy.AccessDenied"),
        ("access-denied-7.8", 200, "server.serverproxy.access_denied"),
        ("error", 500, "SOAP-ENV:Server"),
        ("fault-in-200", 200, "SOAP-ENV:Server"),
        ("retry-after", 503, "SOAP-ENV:Server"),
    ] {
        world.fault(name);
        let got = ask(&world, "<d:FIN>5K7QX2O</d:FIN>").await;
        assert_eq!(fault(&got), (status, code), "{name}");
        assert_eq!(texts(&got.body, "faultDetail").len(), 1);
        assert_eq!(got.retry_after.is_some(), name == "retry-after");
    }
}

#[tokio::test]
async fn spoilt_answers_are_spoilt_as_named() {
    let world = World::new(AgencyCode::Interior).await;
    let spoilt = async |name: &str| {
        world.fault(name);
        ask(&world, "<d:FIN>5K7QX2O</d:FIN>").await
    };
    let undeclared = spoilt("undeclared").await.body;
    for element in ["QanQrupu", "Boy", "GozRengi", "Sekil"] {
        assert_eq!(texts(&undeclared, element).len(), 1, "{element}");
    }
    assert_eq!(texts(&spoilt("wrong-type").await.body, "DogumTarixi"), ["14 mart, səhər"]);
    assert_eq!(spoilt("wrong-content-type").await.content_type, "text/html; charset=utf-8");
    assert!(!texts(&spoilt("wrong-echo").await.body, "id").contains(&"7b0cf1d2-0001"));
    assert!(spoilt("xml-bomb").await.body.contains("&b9;"));
    assert!(spoilt("external-entity").await.body.contains("SYSTEM \"file:"));
    assert_eq!(texts(&spoilt("deep-nesting").await.body, "x").len(), 200_000);
    assert!(texts(&ask(&world, "<d:FIN>5K7QX2O</d:FIN>").await.body, "QanQrupu").is_empty());
}

/// A question of another service: its code, version and the namespace's part before the version.
async fn ask_of(world: &World, code: &str, part: &str, inputs: &str) -> Got {
    let header =
        HEADER.replace("SexsMelumatiSorgusu</i:serviceCode><i:serviceVersion>v2", &format!("{code}</i:serviceCode><i:serviceVersion>v1"));
    let body = format!(r#"<d:{code} xmlns:d="http://daxili-isler.example/xroad/{part}/v1">{inputs}</d:{code}>"#);
    got(post(world, envelope(&header, &body))).await
}

async fn residence(world: &World, fin: &str) -> Got {
    ask_of(world, "QeydiyyatSorgusu", "qeydiyyat", &format!("<d:FIN>{fin}</d:FIN>")).await
}

async fn vehicles(world: &World, fin: &str) -> Got {
    ask_of(world, "NeqliyyatSorgusu", "neqliyyat", &format!("<d:FIN>{fin}</d:FIN>")).await
}

#[tokio::test]
async fn a_residence_says_who_else_is_registered_there() {
    let world = World::new(AgencyCode::Interior).await;
    let got = residence(&world, "5K7QX2O").await;
    let record = "<d:QeydiyyatSorgusuResponse xmlns:d=\"http://daxili-isler.example/xroad/qeydiyyat/v1\"><d:Qeydiyyat><d:FIN>5K7QX2O</d:FIN>\
        <d:QeydiyyatNovu>D</d:QeydiyyatNovu><d:QeydiyyatUnvani>Bakı ş., Sınaq küç. 1, mən. 1</d:QeydiyyatUnvani>\
        <d:UnvanKodu>TEST-ADR-000001</d:UnvanKodu><d:EraziKodu>99000001</d:EraziKodu><d:QeydiyyatTarixi>02.09.2010</d:QeydiyyatTarixi>\
        <d:BitmeTarixi>-</d:BitmeTarixi><d:EyniUnvanSayi>4</d:EyniUnvanSayi></d:Qeydiyyat></d:QeydiyyatSorgusuResponse>";
    assert!(got.status == 200 && got.body.contains(record), "{}", got.body);
    let personas = Personas::embedded();
    let applicant = |family: &str| personas.family(family).expect(family).applicant().fin.to_string();
    let displaced = residence(&world, &applicant("displaced")).await.body;
    assert_eq!((texts(&displaced, "QeydiyyatNovu"), texts(&displaced, "BitmeTarixi")), (vec!["M"], vec!["31.12.2027"]));
    assert_eq!(texts(&residence(&world, &applicant("upper-floor")).await.body, "EyniUnvanSayi"), ["6"]);
    for nobody in ["ZZZZZZO", &applicant("no-trace")] {
        assert!(residence(&world, nobody).await.body.contains("><d:Tapilmadi/></d:QeydiyyatSorgusuResponse>"), "{nobody}");
    }
}

#[tokio::test]
async fn vehicles_come_with_their_count_and_those_off_the_register_too() {
    let world = World::new(AgencyCode::Interior).await;
    let got = vehicles(&world, "5K7QX2O").await;
    let record = "<d:NeqliyyatSorgusuResponse xmlns:d=\"http://daxili-isler.example/xroad/neqliyyat/v1\"><d:FIN>5K7QX2O</d:FIN><d:NVSayi>1</d:NVSayi>\
        <d:NVler><d:NV><d:DovletNisani>99-ZZ-001</d:DovletNisani><d:Marka>TEST MARKA 1</d:Marka><d:BuraxilisIli>2009</d:BuraxilisIli>\
        <d:MuherrikHecmi>1600</d:MuherrikHecmi><d:NVNovu>01</d:NVNovu><d:QeydTarixi>11.04.2016</d:QeydTarixi><d:CixarilmaTarixi>-</d:CixarilmaTarixi>\
        </d:NV></d:NVler></d:NeqliyyatSorgusuResponse>";
    assert!(got.status == 200 && got.body.contains(record), "{}", got.body);
    let personas = Personas::embedded();
    let applicant = |family: &str| personas.family(family).expect(family).applicant().fin.to_string();
    assert_eq!(texts(&vehicles(&world, &applicant("two-cars")).await.body, "NVSayi"), ["2"]);
    assert_eq!(texts(&vehicles(&world, &applicant("expired-document")).await.body, "CixarilmaTarixi"), ["30.08.2019"]);
    assert_eq!(texts(&vehicles(&world, &applicant("estimated-readings")).await.body, "NVNovu"), ["04", "09"]);
    assert!(vehicles(&world, "3M9RT4O").await.body.contains("<d:FIN>3M9RT4O</d:FIN><d:NVSayi>0</d:NVSayi><d:NVler></d:NVler>"));
    assert!(vehicles(&world, "ZZZZZZO").await.body.contains("<d:Tapilmadi/>"));
}

#[tokio::test]
async fn each_service_checks_its_own_question_and_is_counted_and_faulted_by_itself() {
    let world = World::new(AgencyCode::Interior).await;
    let document = "<d:Seriya>ZZ</d:Seriya><d:Nomre>0012345</d:Nomre><d:DogumTarixi>14.03.1985</d:DogumTarixi>";
    for (inputs, part) in [
        (document, "qeydiyyat"),
        ("", "qeydiyyat"),
        ("<d:FIN>5K7QX2OX</d:FIN>", "qeydiyyat"),
        ("<d:FIN>5K7QX2O</d:FIN><d:Tarix>01.01.2026</d:Tarix>", "qeydiyyat"),
        ("<d:FIN>5K7QX2O</d:FIN>", "neqliyyat"),
    ] {
        assert_eq!(fault(&ask_of(&world, "QeydiyyatSorgusu", part, inputs).await), (200, "SOAP-ENV:Client"), "{inputs}");
    }
    let calls = world.agency.calls();
    assert_eq!((calls.by_service["residence-registration"], calls.by_service["vehicle-ownership"], calls.total), (5, 0, 5));
    world.agency.set_fault("vehicle-ownership", "wrong-count", None).expect("accepted");
    world.agency.set_fault("residence-registration", "network-error", Some(1)).expect("accepted");
    assert_eq!(fault(&residence(&world, "5K7QX2O").await), (200, "Server.ServerProxy.NetworkError"));
    assert_eq!(fault(&residence(&world, "5K7QX2O").await), (200, "no fault"));
    assert_eq!(texts(&vehicles(&world, "5K7QX2O").await.body, "NVSayi"), ["2"]);
    assert_eq!(texts(&vehicles(&world, "3M9RT4O").await.body, "NVSayi"), ["1"]);
    assert_eq!(texts(&ask(&world, "<d:FIN>5K7QX2O</d:FIN>").await.body, "FIN"), ["5K7QX2O"]);
    // A message that names no service is a call of none.
    got(post(&world, "not xml")).await;
    let calls = world.agency.calls();
    assert_eq!((calls.by_service.values().sum::<u64>(), calls.total), (10, 11));
}

#[tokio::test]
async fn a_wrong_person_has_a_whole_record_of_their_own() {
    let world = World::new(AgencyCode::Interior).await;
    for service in AgencyCode::Interior.services() {
        world.agency.set_fault(service, "wrong-person", None).expect("accepted");
    }
    let fins = |got: Got| texts(&got.body, "FIN").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(fins(ask(&world, "<d:FIN>5K7QX2O</d:FIN>").await), ["3M9RT4O"]);
    assert_eq!(fins(residence(&world, "5K7QX2O").await), ["3M9RT4O"]);
    assert_eq!(fins(vehicles(&world, "3M9RT4O").await), ["8B2HN6O"]);
    // Nobody is still nobody; the last in the register is followed by the first.
    assert!(residence(&world, "ZZZZZZO").await.body.contains("<d:Tapilmadi/>"));
    let personas = Personas::embedded();
    let last = personas.people().last().expect("somebody");
    assert_eq!(fins(residence(&world, &last.fin).await), ["5K7QX2O"]);
}

#[tokio::test]
async fn who_has_no_vehicle_is_answered_with_another_who_has_none() {
    let world = World::new(AgencyCode::Interior).await;
    world.agency.set_fault("vehicle-ownership", "wrong-person", None).expect("accepted");
    let personas = Personas::embedded();
    for person in personas.people().filter(|person| person.vehicles.is_empty()) {
        let got = vehicles(&world, &person.fin).await;
        assert_ne!(texts(&got.body, "FIN"), [&*person.fin]);
        assert!(got.body.contains("<d:NVSayi>0</d:NVSayi><d:NVler></d:NVler>"), "{}", got.body);
    }
}

#[tokio::test]
async fn other_services_are_spoilt_as_named_too() {
    let world = World::new(AgencyCode::Interior).await;
    let spoilt = async |service: &str, name: &str| {
        world.agency.set_fault(service, name, Some(1)).expect("accepted");
        if service == "vehicle-ownership" { vehicles(&world, "5K7QX2O").await } else { residence(&world, "5K7QX2O").await }
    };
    assert_eq!(texts(&spoilt("residence-registration", "wrong-type").await.body, "QeydiyyatTarixi"), ["payızda"]);
    assert_eq!(texts(&spoilt("residence-registration", "undeclared").await.body, "EvSahibi"), ["Nümunə Sınaqov"]);
    assert_eq!(texts(&spoilt("vehicle-ownership", "wrong-type").await.body, "NVSayi"), ["bir neçə"]);
    let undeclared = spoilt("vehicle-ownership", "undeclared").await.body;
    assert_eq!((texts(&undeclared, "BanNomresi").len(), texts(&undeclared, "CerimeBali").len()), (1, 1));
    for service in ["residence-registration", "vehicle-ownership"] {
        assert!(spoilt(service, "xml-bomb").await.body.contains("&b9;"), "{service}");
        assert_eq!(texts(&spoilt(service, "deep-nesting").await.body, "x").len(), 200_000, "{service}");
        assert!(world.agency.set_fault(service, "filing-day", None).is_err());
    }
    assert!(world.agency.set_fault("person-identity", "wrong-count", None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever the bytes, the security server answers with a fault of the caller's and goes on.
    #[test]
    fn any_bytes_get_an_answer(requests in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let world = World::new(AgencyCode::Interior).await;
            for request in requests {
                let got = got(post(&world, request)).await;
                assert!(fault(&got).1.starts_with("client."), "{got:?}");
            }
        });
    }
}
