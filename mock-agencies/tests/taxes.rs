//! Ministry of Taxes: SOAP 1.2, WS-Addressing, months.

use jiff::ToSpan;
use jiff::civil::Date;
use mock_agencies::{AgencyCode, Personas};
use reqwest::RequestBuilder;

use crate::world::{Got, World, got, texts};

const ACTION: &str = "urn:vergiler:gelir:v1:FizikiSexsGelirleri";
const ID: &str = "urn:uuid:0b9f7a52-2f3e-4a29-9d57-6f8f2f1f0001";

fn header() -> String {
    format!("<a:To>https://vergiler.example/gelir</a:To><a:Action>{ACTION}</a:Action><a:MessageID>{ID}</a:MessageID>")
}

fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn question(fin: &str, from: &str, to: &str) -> String {
    format!(
        r#"<g:FizikiSexsGelirleri xmlns:g="urn:vergiler:gelir:v1"><g:FIN>{fin}</g:FIN><g:AyEvvel>{from}</g:AyEvvel><g:AySon>{to}</g:AySon></g:FizikiSexsGelirleri>"#
    )
}

fn post(world: &World, body: String) -> RequestBuilder {
    let content_type = format!("application/soap+xml; charset=utf-8; action=\"{ACTION}\"");
    world.client.post(world.url("/gelir")).header("content-type", content_type).body(body)
}

/// The first day of the month that is `back` months before the current one.
fn month(back: i32) -> Date {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Baku").expect("zone")).date();
    today.first_of_month() - back.months()
}

fn wire(month: Date) -> String {
    month.strftime("%m.%Y").to_string()
}

async fn ask(world: &World, fin: &str, from: i32, to: i32) -> Got {
    got(post(world, envelope(&header(), &question(fin, &wire(month(from)), &wire(month(to)))))).await
}

fn fault(got: &Got) -> (u16, String) {
    (got.status, texts(&got.body, "Value").join(" "))
}

#[tokio::test]
async fn twelve_months_back_always_have_the_applicants_wage() {
    let world = World::new(AgencyCode::Taxes).await;
    let got = ask(&world, "5K7QX2O", 12, 1).await;
    assert_eq!((got.status, &*got.content_type), (200, "application/soap+xml; charset=utf-8"));
    let expected: Vec<_> = (1..=12).rev().map(|back| wire(month(back))).collect();
    assert_eq!(texts(&got.body, "Ay"), expected);
    let first = format!(
        "<t:FIN>5K7QX2O</t:FIN><t:Aylar><t:Ay_Melumati><t:Ay>{}</t:Ay><t:OdeyiciVOEN>9900001233</t:OdeyiciVOEN><t:GelirNovu>ƏH</t:GelirNovu>\
         <t:HesablanmisGelir>400.00</t:HesablanmisGelir><t:GelirVergisi>0.00</t:GelirVergisi><t:MDSS>34.00</t:MDSS></t:Ay_Melumati>",
        expected[0]
    );
    assert!(got.body.contains(&first), "{}", got.body);
    assert_eq!(texts(&got.body, "RelatesTo"), [ID]);
}

#[tokio::test]
async fn only_the_asked_closed_months_are_answered() {
    let world = World::new(AgencyCode::Taxes).await;
    assert_eq!(texts(&ask(&world, "5K7QX2O", 3, 3).await.body, "Ay"), [wire(month(3))]);
    // The current month is not closed, and the history ends.
    assert!(texts(&ask(&world, "5K7QX2O", 0, 0).await.body, "Ay").is_empty());
    assert!(texts(&ask(&world, "5K7QX2O", 100, 90).await.body, "Ay").is_empty());
}

#[tokio::test]
async fn no_income_is_an_empty_list_and_nobody_is_a_fault() {
    let world = World::new(AgencyCode::Taxes).await;
    for fin in ["3M9RT4O", "8B2HN6O"] {
        let got = ask(&world, fin, 12, 1).await;
        assert!(got.status == 200 && got.body.contains("<t:Aylar/>"), "{got:?}");
    }
    assert_eq!(fault(&ask(&world, "ZZZZZZO", 12, 1).await), (400, "env:Sender t:MelumatYoxdur".to_owned()));
}

#[tokio::test]
async fn a_person_may_have_several_incomes_in_a_month() {
    let world = World::new(AgencyCode::Taxes).await;
    let personas = Personas::embedded();
    let fin = &personas.family("several-incomes").expect("known").applicant().fin;
    let got = ask(&world, fin, 12, 1).await;
    assert_eq!(texts(&got.body, "Ay").len(), 12 + 12 + 2);
    assert_eq!(texts(&got.body, "GelirNovu").iter().filter(|kind| **kind == "DV").count(), 2);
}

#[tokio::test]
async fn a_wrong_message_gets_a_sender_fault() {
    let world = World::new(AgencyCode::Taxes).await;
    let (from, to) = (wire(month(12)), wire(month(1)));
    let good = question("5K7QX2O", &from, &to);
    let without = |part: &str| envelope(&header().replace(part, ""), &good);
    let cases = [
        ("t:SorguYanlisdir", "not xml".to_owned()),
        ("t:SorguYanlisdir", envelope(&header(), "")),
        ("t:SorguYanlisdir", envelope(&header(), &good.replace(":v1", ":v2"))),
        ("t:SorguYanlisdir", envelope(&header(), &question("5K7QX2OX", &from, &to))),
        ("t:SorguYanlisdir", envelope(&header(), &question("5K7QX2O", "2025-03", &to))),
        ("t:SorguYanlisdir", envelope(&header(), &question("5K7QX2O", &to, &from))),
        ("t:SorguYanlisdir", envelope(&header(), &question("5K7QX2O", &wire(month(13)), &to))),
        ("t:SorguYanlisdir", envelope(&header(), &good.replace("g:AySon", "g:AySonu"))),
        ("wsa:MessageAddressingHeaderRequired", without(&format!("<a:MessageID>{ID}</a:MessageID>"))),
        ("wsa:MessageAddressingHeaderRequired", without(&format!("<a:Action>{ACTION}</a:Action>"))),
        ("wsa:MessageAddressingHeaderRequired", without("<a:To>https://vergiler.example/gelir</a:To>")),
        ("wsa:InvalidAddressingHeader", envelope(&header().replace("<a:To>https:", "<a:To>not an iri"), &good)),
        ("t:SorguYanlisdir", envelope(&header(), &good.replace("<g:AyEvvel>", "<g:AyEvvel x=\"1\">"))),
        ("wsa:ActionMismatch", envelope(&header().replace(&format!("{ACTION}<"), "urn:other<"), &good)),
    ];
    for (subcode, request) in cases {
        assert_eq!(fault(&got(post(&world, request.clone())).await), (400, format!("env:Sender {subcode}")), "{request}");
    }
    let not_understood = envelope(&format!("{}<z:X xmlns:z=\"urn:z\" s:mustUnderstand=\"true\"/>", header()), &good);
    assert_eq!(fault(&got(post(&world, not_understood)).await), (500, "env:MustUnderstand".to_owned()));
    let soap_1_1 = envelope(&header(), &good).replace("www.w3.org/2003/05/soap-envelope", "schemas.xmlsoap.org/soap/envelope/");
    assert_eq!(fault(&got(post(&world, soap_1_1)).await), (500, "env:VersionMismatch".to_owned()));
}

#[tokio::test]
async fn http_around_the_message_is_checked() {
    let world = World::new(AgencyCode::Taxes).await;
    let good = envelope(&header(), &question("5K7QX2O", &wire(month(12)), &wire(month(1))));
    let with = |content_type: &str| world.client.post(world.url("/gelir")).header("content-type", content_type).body(good.clone());
    assert_eq!(got(with("text/xml")).await.status, 415);
    assert_eq!(got(with("application/soap+xml; charset=windows-1254")).await.status, 415);
    assert_eq!(fault(&got(with("application/soap+xml")).await), (400, "env:Sender wsa:ActionMismatch".to_owned()));
    assert_eq!(got(world.client.get(world.url("/gelir"))).await.status, 405);
    assert_eq!(got(world.client.post(world.url("/")).body("x")).await.status, 404);
}

#[tokio::test]
async fn faults_come_as_the_catalogue_says() {
    let world = World::new(AgencyCode::Taxes).await;
    for (name, status, retry_after, content_type) in [
        ("error", 500, None, "application/soap+xml; charset=utf-8"),
        ("fault-in-200", 200, None, "application/soap+xml; charset=utf-8"),
        ("retry-after", 503, Some("2"), "application/soap+xml; charset=utf-8"),
        ("filing-day", 503, Some("120"), "text/html; charset=utf-8"),
    ] {
        world.fault(name);
        let got = ask(&world, "5K7QX2O", 12, 1).await;
        assert_eq!((got.status, got.retry_after.as_deref(), &*got.content_type), (status, retry_after, content_type), "{name}");
        assert_eq!(got.body.contains("<env:Value>env:Receiver</env:Value>"), name != "filing-day", "{name}");
    }
    world.fault("wrong-type");
    assert_eq!(texts(&ask(&world, "5K7QX2O", 1, 1).await.body, "HesablanmisGelir"), ["dörd yüz"]);
    world.fault("undeclared");
    assert_eq!(texts(&ask(&world, "5K7QX2O", 1, 1).await.body, "OdeyiciAdi"), ["Nümunə MMC"]);
    world.fault("xml-bomb");
    assert!(ask(&world, "5K7QX2O", 1, 1).await.body.contains("<t:Ay>&b9;</t:Ay>"));
}

const STATUS_ACTION: &str = "urn:vergiler:odeyici:v1:OdeyiciStatusu";

fn status_post(world: &World, path: &str, action: &str, inputs: &str) -> RequestBuilder {
    let header = header().replace(ACTION, action);
    let body = envelope(&header, &format!(r#"<o:OdeyiciStatusu xmlns:o="urn:vergiler:odeyici:v1">{inputs}</o:OdeyiciStatusu>"#));
    let content_type = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
    world.client.post(world.url(path)).header("content-type", content_type).body(body)
}

async fn status(world: &World, inputs: &str) -> Got {
    got(status_post(world, "/odeyici", STATUS_ACTION, inputs)).await
}

#[tokio::test]
async fn a_company_and_a_person_are_taxpayers_of_one_form() {
    let world = World::new(AgencyCode::Taxes).await;
    let got = status(&world, "<o:VOEN>9900001233</o:VOEN>").await;
    let company = "<t:OdeyiciStatusuCavabi xmlns:t=\"urn:vergiler:odeyici:v1\"><t:Odeyici><t:VOEN>9900001233</t:VOEN><t:Ad>TEST MMC</t:Ad>\
        <t:SexsNovu>1</t:SexsNovu><t:FealiyyetKodu>47.11</t:FealiyyetKodu><t:Status>A</t:Status><t:UcotTarixi>20.02.2012</t:UcotTarixi>\
        <t:ObyektSayi>1</t:ObyektSayi></t:Odeyici></t:OdeyiciStatusuCavabi>";
    assert!(got.status == 200 && got.body.contains(company), "{}", got.body);
    assert_eq!(texts(&got.body, "RelatesTo"), [ID]);
    assert_eq!(texts(&got.body, "Action"), [format!("{STATUS_ACTION}Cavabi")]);
    let personas = Personas::embedded();
    let suspended = personas.family("suspended-taxpayer").expect("known").applicant();
    let tin = &suspended.taxpayer.as_ref().expect("a taxpayer").tin;
    for question in [format!("<o:FIN>{}</o:FIN>", suspended.fin), format!("<o:VOEN>{tin}</o:VOEN>")] {
        let body = status(&world, &question).await.body;
        assert_eq!((texts(&body, "Status"), texts(&body, "SexsNovu"), texts(&body, "VOEN")), (vec!["D"], vec!["2"], vec![&**tin]));
        assert_eq!(texts(&body, "Ad"), [suspended.full_name()]);
    }
    assert_eq!(texts(&status(&world, "<o:VOEN>9900007893</o:VOEN>").await.body, "Ad"), ["\"SINAQ &amp; ÖRNƏK\" KOOPERATİVİ"]);
}

#[tokio::test]
async fn who_is_no_taxpayer_is_a_fault_of_its_own() {
    let world = World::new(AgencyCode::Taxes).await;
    for nobody in ["<o:FIN>5K7QX2O</o:FIN>", "<o:FIN>ZZZZZZO</o:FIN>", "<o:VOEN>9999999993</o:VOEN>"] {
        let got = status(&world, nobody).await;
        assert_eq!(fault(&got), (400, "env:Sender t:OdeyiciTapilmadi".to_owned()), "{nobody}");
        assert!(got.body.contains("xmlns:t=\"urn:vergiler:odeyici:v1\""), "{}", got.body);
    }
}

#[tokio::test]
async fn who_is_unknown_differs_from_who_earns_nothing() {
    let world = World::new(AgencyCode::Taxes).await;
    let personas = Personas::embedded();
    let unknown = &personas.family("no-trace").expect("known").applicant().fin;
    assert_eq!(fault(&ask(&world, unknown, 12, 1).await), (400, "env:Sender t:MelumatYoxdur".to_owned()));
}

#[tokio::test]
async fn a_wrong_question_about_a_taxpayer_is_refused() {
    let world = World::new(AgencyCode::Taxes).await;
    let wrong = (400, "env:Sender t:SorguYanlisdir".to_owned());
    for inputs in [
        "",
        "<o:VOEN>990000123</o:VOEN>",
        "<o:VOEN>9900001230</o:VOEN>",
        "<o:FIN>5K7QX2OX</o:FIN>",
        "<o:FIN>7D4GK9O</o:FIN><o:VOEN>9900011024</o:VOEN>",
        "<o:Ad>TEST MMC</o:Ad>",
        "<FIN>7D4GK9O</FIN>",
        "<o:FIN><o:X/></o:FIN>",
    ] {
        assert_eq!(fault(&status(&world, inputs).await), wrong, "{inputs}");
    }
    // Each address has its own operation.
    let elsewhere = got(status_post(&world, "/gelir", STATUS_ACTION, "<o:FIN>7D4GK9O</o:FIN>")).await;
    assert_eq!(fault(&elsewhere), (400, "env:Sender wsa:ActionNotSupported".to_owned()));
    let another = got(status_post(&world, "/odeyici", "urn:vergiler:odeyici:v1:Basqa", "<o:FIN>7D4GK9O</o:FIN>")).await;
    assert_eq!(fault(&another), (400, "env:Sender wsa:ActionNotSupported".to_owned()));
    assert_eq!(got(world.client.get(world.url("/odeyici"))).await.status, 405);
    let calls = world.agency.calls();
    assert_eq!((calls.by_service["person-income"], calls.by_service["taxpayer-status"]), (1, 10));
}

#[tokio::test]
async fn faults_of_taxpayers_come_as_named() {
    let world = World::new(AgencyCode::Taxes).await;
    let spoilt = async |name: &str| {
        world.agency.set_fault("taxpayer-status", name, Some(1)).expect("accepted");
        status(&world, "<o:FIN>7D4GK9O</o:FIN>").await
    };
    for (name, status, retry_after) in
        [("error", 500, None), ("fault-in-200", 200, None), ("retry-after", 503, Some("2")), ("filing-day", 503, Some("120"))]
    {
        let got = spoilt(name).await;
        assert_eq!((got.status, got.retry_after.as_deref()), (status, retry_after), "{name}");
    }
    assert_eq!(texts(&spoilt("wrong-type").await.body, "ObyektSayi"), ["bir neçə"]);
    assert_eq!(texts(&spoilt("undeclared").await.body, "HuquqiUnvan").len(), 1);
    assert!(spoilt("xml-bomb").await.body.contains("<t:VOEN>&b9;</t:VOEN>"));
    assert_eq!(texts(&spoilt("deep-nesting").await.body, "x").len(), 200_000);
    // The answer does not say by which FIN it was found, so a wrong one could not be told from it.
    assert!(world.agency.set_fault("taxpayer-status", "wrong-person", None).is_err());
    world.fault("wrong-person");
    assert_eq!(texts(&ask(&world, "5K7QX2O", 1, 1).await.body, "FIN"), ["3M9RT4O"]);
    // Who has no income is answered with another who has none.
    let personas = Personas::embedded();
    let idle = personas.people().find(|person| person.incomes.is_empty() && !person.unknown_to_taxes).expect("somebody");
    world.fault("wrong-person");
    let another = ask(&world, &idle.fin, 12, 1).await.body;
    assert!(texts(&another, "FIN") != [&*idle.fin] && another.contains("<t:Aylar/>"), "{another}");
    // A wrong question is refused whatever the fault.
    world.fault("error");
    let wrong = got(post(&world, envelope(&header(), &question("5K7QX2OX", "01.2026", "01.2026")))).await;
    assert_eq!(fault(&wrong), (400, "env:Sender t:SorguYanlisdir".to_owned()));
}
