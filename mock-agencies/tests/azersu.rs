//! Azərsu: SOAP 1.1, commas, averages.

use jiff::ToSpan;
use jiff::civil::Date;
use mock_agencies::{AgencyCode, Personas};
use reqwest::RequestBuilder;

use crate::world::{Got, World, got, texts};

const ACTION: &str = "\"urn:abonent#SuSerfiyyatiSorgusu\"";

fn envelope(body: &str) -> String {
    format!(r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>"#)
}

fn question(inputs: &str) -> String {
    format!(r#"<w:SuSerfiyyatiSorgusu xmlns:w="urn:azersu:abonent">{inputs}</w:SuSerfiyyatiSorgusu>"#)
}

fn window(who: &str, from: &str, to: &str) -> String {
    question(&format!("{who}<w:AyEvvel>{from}</w:AyEvvel><w:AySon>{to}</w:AySon>"))
}

fn post(world: &World, body: String) -> RequestBuilder {
    let request = world.client.post(world.url("/AbonentXidmeti.asmx")).header("content-type", "text/xml; charset=utf-8");
    request.header("soapaction", ACTION).body(body)
}

/// Asks about a year that is wholly in the past.
async fn ask(world: &World, who: &str) -> Got {
    got(post(world, envelope(&window(who, "01/2025", "12/2025")))).await
}

async fn by_fin(world: &World, fin: &str) -> Got {
    ask(world, &format!("<w:FIN>{fin}</w:FIN>")).await
}

fn applicant(family: &str) -> String {
    Personas::embedded().family(family).expect(family).applicant().fin.to_string()
}

fn fault(got: &Got) -> (u16, &str) {
    (got.status, texts(&got.body, "faultcode").first().copied().unwrap_or("no fault"))
}

#[tokio::test]
async fn a_december_of_the_reference_family_is_the_catalogues() {
    let world = World::new(AgencyCode::Azersu).await;
    let got = got(post(&world, envelope(&window("<w:FIN>5K7QX2O</w:FIN>", "12/2025", "12/2025")))).await;
    assert_eq!((got.status, &*got.content_type), (200, "text/xml; charset=utf-8"));
    let unpaid = "<abn:Abonent><abn:AbonentKodu>TEST-SU-000222</abn:AbonentKodu><abn:Ad>Sınaqlı Örnək Nümunə oğlu</abn:Ad>\
        <abn:Unvan>Bakı ş., Sınaq küç. 1, mən. 1</abn:Unvan><abn:AdamSayi>5</abn:AdamSayi><abn:Borc>0,00</abn:Borc><abn:Aylar><abn:AyMelumati>\
        <abn:Ay>12/2025</abn:Ay><abn:Serfiyyat>11,4</abn:Serfiyyat><abn:Mebleg>7,98</abn:Mebleg><abn:Odenis>7,98</abn:Odenis>\
        <abn:OrtaHesab>X</abn:OrtaHesab></abn:AyMelumati></abn:Aylar></abn:Abonent>";
    assert!(got.body.contains(unpaid), "{}", got.body);
}

#[tokio::test]
async fn a_code_finds_the_same_account_as_its_holder() {
    let world = World::new(AgencyCode::Azersu).await;
    let by_code = ask(&world, "<w:AbonentKodu>TEST-SU-000222</w:AbonentKodu>").await;
    assert_eq!(by_code.body, by_fin(&world, "5K7QX2O").await.body);
    let months: Vec<_> = (1..=12).map(|month| format!("{month:02}/2025")).collect();
    assert_eq!(texts(&by_code.body, "Ay"), months);
}

#[tokio::test]
async fn only_closed_months_are_billed_and_the_last_one_bears_the_debt() {
    let world = World::new(AgencyCode::Azersu).await;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Baku").expect("zone")).date();
    let month = |back: i32| -> Date { today.first_of_month() - back.months() };
    let wire = |back: i32| month(back).strftime("%m/%Y").to_string();
    let fin = applicant("in-debt");
    let got = got(post(&world, envelope(&window(&format!("<w:FIN>{fin}</w:FIN>"), &wire(2), &wire(0))))).await;
    assert_eq!(texts(&got.body, "Ay"), [wire(2), wire(1)]);
    assert_eq!(texts(&got.body, "Borc"), ["31,20"]);
    let (charged, paid) = (texts(&got.body, "Mebleg"), texts(&got.body, "Odenis"));
    assert!(charged[0] == paid[0] && charged[1] != paid[1], "{charged:?} {paid:?}");
}

#[tokio::test]
async fn special_accounts_show_what_they_are_there_for() {
    let world = World::new(AgencyCode::Azersu).await;
    let displaced = by_fin(&world, &applicant("displaced")).await.body;
    assert_eq!(texts(&displaced, "AdamSayi"), ["-"]);
    assert!(texts(&displaced, "OrtaHesab").iter().all(|flag| *flag == "B"));
    let readings = texts(&displaced, "Serfiyyat");
    assert!(readings.iter().all(|reading| *reading == readings[0]), "{readings:?}");
    let markup = by_fin(&world, &applicant("markup-in-text")).await.body;
    assert_eq!(texts(&markup, "Unvan"), ["Bakı ş., \"Sınaq\" &amp; &lt;Örnək&gt; küç. 5\\1"]);
}

#[tokio::test]
async fn no_subscriber_is_a_fault_of_its_own() {
    let world = World::new(AgencyCode::Azersu).await;
    let nobody = applicant("no-mains-water");
    for who in [format!("<w:FIN>{nobody}</w:FIN>"), "<w:FIN>3M9RT4O</w:FIN>".into(), "<w:AbonentKodu>TEST-SU-999999</w:AbonentKodu>".into()]
    {
        let got = ask(&world, &who).await;
        assert_eq!(fault(&got), (500, "abn:AbonentTapilmadi"), "{who}");
        assert!(got.body.contains("xmlns:abn=\"urn:azersu:abonent\""), "{}", got.body);
    }
}

#[tokio::test]
async fn a_wrong_question_is_the_clients_fault() {
    let world = World::new(AgencyCode::Azersu).await;
    let fin = "<w:FIN>5K7QX2O</w:FIN>";
    let good = window(fin, "01/2025", "12/2025");
    for body in [
        "not xml".to_owned(),
        "<!DOCTYPE x><x/>".to_owned(),
        envelope(""),
        envelope(&format!("{good}{good}")),
        envelope(&good.replace("urn:azersu:abonent", "urn:azersu:abonent:v2")),
        envelope(&good.replace("SuSerfiyyatiSorgusu", "SuSorgusu")),
        envelope(&window("<w:FIN>5K7QX2OX</w:FIN>", "01/2025", "12/2025")),
        envelope(&window("<w:AbonentKodu>test</w:AbonentKodu>", "01/2025", "12/2025")),
        envelope(&window(&format!("{fin}<w:AbonentKodu>TEST-SU-000222</w:AbonentKodu>"), "01/2025", "12/2025")),
        envelope(&window("", "01/2025", "12/2025")),
        envelope(&window("<w:Ad>Sınaqlı</w:Ad>", "01/2025", "12/2025")),
        envelope(&window(fin, "2025-01", "12/2025")),
        envelope(&window(fin, "12/2025", "01/2025")),
        envelope(&window(fin, "12/2024", "12/2025")),
        envelope(&question(&format!("<w:AyEvvel>01/2025</w:AyEvvel><w:AySon>12/2025</w:AySon>{fin}"))),
        envelope(&question(&format!("text{fin}<w:AyEvvel>01/2025</w:AyEvvel><w:AySon>12/2025</w:AySon>"))),
    ] {
        assert_eq!(fault(&got(post(&world, body.clone())).await), (500, "soap:Client"), "{body}");
    }
    let soap_1_2 = envelope(&good).replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    assert_eq!(fault(&got(post(&world, soap_1_2)).await), (500, "soap:VersionMismatch"));
    let must = envelope(&good).replace("<s:Body>", "<s:Header><z:X xmlns:z=\"urn:z\" s:mustUnderstand=\"1\"/></s:Header><s:Body>");
    assert_eq!(fault(&got(post(&world, must.clone())).await), (500, "soap:MustUnderstand"));
    let may = must.replace("mustUnderstand=\"1\"", "mustUnderstand=\"0\"");
    assert_eq!(fault(&got(post(&world, may)).await), (200, "no fault"));
    assert_eq!(world.agency.calls().by_service["consumption"], 19);
}

#[tokio::test]
async fn http_around_the_message_is_checked() {
    let world = World::new(AgencyCode::Azersu).await;
    let good = envelope(&window("<w:FIN>5K7QX2O</w:FIN>", "01/2025", "12/2025"));
    let with = |content_type: &str, action: Option<&str>| {
        let request = world.client.post(world.url("/AbonentXidmeti.asmx")).header("content-type", content_type).body(good.clone());
        action.into_iter().fold(request, |request, action| request.header("soapaction", action))
    };
    for action in [None, Some(""), Some("\"\""), Some("urn:abonent#SuSerfiyyatiSorgusu"), Some("\"urn:abonent#Basqa\"")] {
        assert_eq!(fault(&got(with("text/xml", action)).await), (500, "soap:Client"), "{action:?}");
    }
    for content_type in ["application/soap+xml", "text/xml; charset=windows-1254", "application/json"] {
        assert_eq!(got(with(content_type, Some(ACTION))).await.status, 415, "{content_type}");
    }
    assert_eq!(got(world.client.get(world.url("/AbonentXidmeti.asmx"))).await.status, 405);
    assert_eq!(got(world.client.post(world.url("/abonentxidmeti.asmx")).body("x")).await.status, 404);
    assert_eq!(fault(&got(with("text/xml", Some(ACTION))).await), (200, "no fault"));
}

#[tokio::test]
async fn faults_come_as_the_catalogue_says() {
    let world = World::new(AgencyCode::Azersu).await;
    for (name, status, retry_after) in [("error", 500, None), ("fault-in-200", 200, None), ("retry-after", 503, Some("2"))] {
        world.fault(name);
        let got = by_fin(&world, "5K7QX2O").await;
        assert_eq!((fault(&got), got.retry_after.as_deref()), ((status, "soap:Server"), retry_after), "{name}");
    }
    let spoilt = async |name: &str| {
        world.fault(name);
        by_fin(&world, "5K7QX2O").await.body
    };
    assert_eq!(texts(&spoilt("decimal-point").await, "Serfiyyat").last(), Some(&"11.4"));
    let average = spoilt("average-reading").await;
    let readings = texts(&average, "Serfiyyat");
    assert!(readings.iter().all(|reading| *reading == "12,5"), "{readings:?}");
    assert!(texts(&average, "OrtaHesab").iter().all(|flag| *flag == "B"));
    assert_eq!(texts(&spoilt("wrong-type").await, "Serfiyyat")[0], "çox");
    assert_eq!(texts(&spoilt("undeclared").await, "SaygacNo"), ["TEST-0001"]);
    assert!(spoilt("external-entity").await.contains("<abn:AbonentKodu>&leak;</abn:AbonentKodu>"));
    assert_eq!(texts(&spoilt("deep-nesting").await, "x").len(), 200_000);
    assert!(world.agency.set_fault("consumption", "estimated", None).is_err());
    assert_eq!(texts(&by_fin(&world, "5K7QX2O").await.body, "Serfiyyat").last(), Some(&"11,4"));
}
