//! State Service on Property Issues: SOAP 1.1 with a `UsernameToken`.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp, ToSpan};
use mock_agencies::{AgencyCode, DealSide, Fault, PROPERTY_PASSWORD, PROPERTY_USERNAME, Person, Personas};
use proptest::prelude::*;
use reqwest::RequestBuilder;

use crate::world::{Got, World, got, texts};

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
const MESSAGE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0";

struct Token {
    username: &'static str,
    password: &'static str,
    nonce: Vec<u8>,
    created: Timestamp,
}

impl Token {
    fn new() -> Self {
        let nonce = uuid::Uuid::new_v4().as_bytes().to_vec();
        Self { username: PROPERTY_USERNAME, password: PROPERTY_PASSWORD, nonce, created: Timestamp::now() }
    }

    fn write(&self) -> String {
        let input = [&*self.nonce, self.created.to_string().as_bytes(), self.password.as_bytes()].concat();
        let digest = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &input));
        format!(
            "<w:Security xmlns:w=\"{WSSE}\" xmlns:u=\"{WSU}\" s:mustUnderstand=\"1\"><w:UsernameToken><w:Username>{}</w:Username>\
             <w:Password Type=\"{PROFILE}#PasswordDigest\">{digest}</w:Password><w:Nonce EncodingType=\"{MESSAGE}#Base64Binary\">{}</w:Nonce>\
             <u:Created>{}</u:Created></w:UsernameToken></w:Security>",
            self.username,
            STANDARD.encode(&self.nonce),
            self.created
        )
    }
}

fn envelope(header: &str, operation: &str, inputs: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header>{header}</s:Header><s:Body>\
         <e:{operation} xmlns:e=\"urn:emlak:reyestr:v1\">{inputs}</e:{operation}></s:Body></s:Envelope>"
    )
}

fn post(world: &World, operation: &str, body: String) -> RequestBuilder {
    let request = world.client.post(world.url("/emdk/xidmet")).header("content-type", "text/xml; charset=utf-8");
    request.header("soapaction", format!("\"urn:emlak:reyestr:v1/{operation}\"")).body(body)
}

async fn ask(world: &World, operation: &str, inputs: &str) -> Got {
    got(post(world, operation, envelope(&Token::new().write(), operation, inputs))).await
}

async fn ownership(world: &World, fin: &str) -> Got {
    ask(world, "MulkiyyetSorgusu", &format!("<e:SahibFIN>{fin}</e:SahibFIN>")).await
}

async fn deals(world: &World, fin: &str, from: &str, to: &str) -> Got {
    ask(world, "EqdSorgusu", &format!("<e:FIN>{fin}</e:FIN><e:Baslangic>{from}</e:Baslangic><e:Son>{to}</e:Son>")).await
}

/// The last twelve months, as the register writes days.
fn last_year() -> (String, String) {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let write = |date: jiff::civil::Date| date.strftime("%d.%m.%Y").to_string();
    (write(today.saturating_sub(12.months())), write(today))
}

/// A person with a deal in the last twelve months.
fn dealer(personas: &Personas) -> &Person {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let within =
        |person: &&Person| person.deals.iter().any(|deal| (today.saturating_sub(12.months())..=today).contains(&deal.on.seen_from(today)));
    personas.people().find(within).expect("a deal within the year")
}

fn fault(got: &Got) -> (u16, &str) {
    (got.status, texts(&got.body, "faultcode").first().copied().unwrap_or("no fault"))
}

#[tokio::test]
async fn a_flat_is_told_with_commas_and_a_share() {
    let world = World::new(AgencyCode::Property).await;
    let got = ownership(&world, "5K7QX2O").await;
    assert_eq!((got.status, &*got.content_type), (200, "text/xml; charset=utf-8"));
    assert!(
        got.body
            .contains("<e:MulkiyyetSorgusuCavabi xmlns:e=\"urn:emlak:reyestr:v1\"><e:SahibFIN>5K7QX2O</e:SahibFIN><e:Obyektler><e:Obyekt>")
    );
    let names =
        ["ReyestrNomresi", "ObyektNovu", "Unvan", "EraziKodu", "UmumiSahe", "TorpaqSahesi", "Pay", "HuquqNovu", "QeydTarixi", "Yukluluk"];
    let places: Vec<_> = names.iter().map(|name| got.body.find(&format!("<e:{name}>")).unwrap_or_else(|| panic!("{name}"))).collect();
    assert!(places.is_sorted(), "{}", got.body);
    assert_eq!((texts(&got.body, "ObyektNovu"), texts(&got.body, "Pay")), (vec!["MENZIL"], vec!["1/2"]));
    assert!(texts(&got.body, "UmumiSahe")[0].contains(',') && !got.body.contains("<e:UmumiSahe>64.5"), "{}", got.body);
}

#[tokio::test]
async fn everybodys_objects_and_deals_are_the_personas() {
    let world = World::new(AgencyCode::Property).await;
    let personas = Personas::embedded();
    let (from, to) = last_year();
    let (mut objects, mut dealt, mut lands) = (0, 0, 0);
    for person in personas.people() {
        let owned = ownership(&world, &person.fin).await;
        let told: Vec<_> = texts(&owned.body, "UmumiSahe").iter().map(|area| area.replace(',', ".")).collect();
        assert_eq!(told, person.property.iter().map(|object| object.total_area_m2.to_string()).collect::<Vec<_>>(), "{}", person.fin);
        objects += told.len();
        lands += texts(&owned.body, "TorpaqSahesi").iter().filter(|area| **area != "-").count();
        let found = deals(&world, &person.fin, &from, &to).await;
        assert_eq!(texts(&found.body, "FIN"), [&*person.fin]);
        dealt += texts(&found.body, "Mebleg").len();
    }
    assert!(objects > 0 && dealt > 0 && lands > 0, "{objects} {dealt} {lands}");
    let nothing = ownership(&world, "ZZZZZZO").await;
    assert!(nothing.body.contains("<e:SahibFIN>ZZZZZZO</e:SahibFIN><e:Obyektler></e:Obyektler>"), "{}", nothing.body);
    assert!(deals(&world, "ZZZZZZO", &from, &to).await.body.contains("<e:Eqdler></e:Eqdler>"));
}

#[tokio::test]
async fn a_large_purchase_has_blanks_between_thousands() {
    let world = World::new(AgencyCode::Property).await;
    let personas = Personas::embedded();
    let large = |person: &&Person| person.deals.iter().any(|deal| deal.side == DealSide::Buyer && deal.amount_qapik >= 1_000_000);
    let buyer = personas.people().find(large).expect("a large purchase within a year");
    let (from, to) = last_year();
    let got = deals(&world, &buyer.fin, &from, &to).await;
    assert!(texts(&got.body, "Teref").contains(&"ALICI"), "{}", got.body);
    let blank = |amount: &&str| amount.split_once(' ').is_some_and(|(_, rest)| rest.len() == 6 && rest.ends_with(",00"));
    assert!(texts(&got.body, "Mebleg").iter().any(blank), "{}", got.body);
    // Outside its window nothing is told.
    assert!(deals(&world, &buyer.fin, "01.01.2001", "31.12.2001").await.body.contains("<e:Eqdler></e:Eqdler>"));
}

#[tokio::test]
async fn a_token_is_taken_once_and_only_if_right_and_fresh() {
    let world = World::new(AgencyCode::Property).await;
    let with = async |header: &str| {
        let body = envelope(header, "MulkiyyetSorgusu", "<e:SahibFIN>5K7QX2O</e:SahibFIN>");
        let got = got(post(&world, "MulkiyyetSorgusu", body)).await;
        let (status, code) = fault(&got);
        (status, code.to_owned())
    };
    let told = |status, code: &str| (status, code.to_owned());
    let token = Token::new().write();
    assert_eq!(with(&token).await, told(200, "no fault"));
    assert_eq!(with(&token).await, told(500, "wsse:FailedAuthentication"), "replayed");
    let ago = |minutes: i64| Timestamp::now() - SignedDuration::from_mins(minutes);
    assert_eq!(with(&Token { created: ago(4), ..Token::new() }.write()).await, told(200, "no fault"));
    for wrong in [
        Token { password: "sinaq-parol-2", ..Token::new() },
        Token { username: "basqa", ..Token::new() },
        Token { created: ago(6), ..Token::new() },
        Token { created: ago(-6), ..Token::new() },
    ] {
        assert_eq!(with(&wrong.write()).await, told(500, "wsse:FailedAuthentication"));
    }
    let tampered = Token::new();
    let created = tampered.created.to_string();
    let later = (tampered.created + SignedDuration::from_secs(1)).to_string();
    assert_eq!(with(&tampered.write().replace(&created, &later)).await, told(500, "wsse:FailedAuthentication"));
    for header in [
        String::new(),
        format!("{}{}", Token::new().write(), Token::new().write()),
        Token::new().write().replace("#PasswordDigest", "#PasswordText"),
        Token::new().write().replace("w:Nonce", "w:Nonsense"),
        Token::new().write().replace("<w:UsernameToken>", "<w:UsernameToken/><w:UsernameToken>"),
    ] {
        assert_eq!(with(&header).await, told(500, "wsse:InvalidSecurity"), "{header}");
    }
    let foreign = format!("{}<f:Other xmlns:f=\"urn:f\" s:mustUnderstand=\"1\"/>", Token::new().write());
    assert_eq!(with(&foreign).await, told(500, "SOAP-ENV:MustUnderstand"));
    assert_eq!(
        with(&foreign.replace("Other xmlns:f=\"urn:f\" s:mustUnderstand=\"1\"", "Other xmlns:f=\"urn:f\"")).await,
        told(200, "no fault")
    );
}

#[tokio::test]
async fn a_wrong_question_is_refused_and_a_stranger_learns_nothing_of_it() {
    let world = World::new(AgencyCode::Property).await;
    let fin = "<e:FIN>5K7QX2O</e:FIN>";
    let window = |from: &str, to: &str| format!("{fin}<e:Baslangic>{from}</e:Baslangic><e:Son>{to}</e:Son>");
    for (operation, inputs) in [
        ("MulkiyyetSorgusu", String::new()),
        ("MulkiyyetSorgusu", "<e:SahibFIN>5k7qx2o</e:SahibFIN>".to_owned()),
        ("MulkiyyetSorgusu", "<SahibFIN>5K7QX2O</SahibFIN>".to_owned()),
        ("MulkiyyetSorgusu", "<e:SahibFIN>5K7QX2O</e:SahibFIN><e:VOEN>9900001233</e:VOEN>".to_owned()),
        ("MulkiyyetSorgusu", "<e:SahibFIN a=\"1\">5K7QX2O</e:SahibFIN>".to_owned()),
        ("EqdSorgusu", fin.to_owned()),
        ("EqdSorgusu", window("2025-01-01", "31.12.2025")),
        ("EqdSorgusu", window("01.01.2025", "02.01.2026")),
        ("EqdSorgusu", window("02.01.2025", "01.01.2025")),
        ("EqdSorgusu", window("30.02.2025", "01.03.2025")),
        ("Basqa", String::new()),
    ] {
        assert_eq!(fault(&ask(&world, operation, &inputs).await), (500, "SOAP-ENV:Client"), "{operation} {inputs}");
    }
    assert_eq!(fault(&ask(&world, "EqdSorgusu", &window("01.01.2025", "01.01.2026")).await), (200, "no fault"));
    let other = envelope(&Token::new().write(), "EqdSorgusu", &window("01.01.2025", "31.12.2025"));
    assert_eq!(fault(&got(post(&world, "MulkiyyetSorgusu", other)).await), (500, "SOAP-ENV:Client"));
    let stranger = envelope("", "MulkiyyetSorgusu", "<e:SahibFIN>5k7qx2o</e:SahibFIN>");
    assert_eq!(fault(&got(post(&world, "MulkiyyetSorgusu", stranger)).await).1, "wsse:InvalidSecurity");
    let calls = world.agency.calls();
    assert_eq!((calls.by_service["ownership"], calls.by_service["transactions"], calls.total), (7, 6, 14));
}

#[tokio::test]
async fn http_around_the_message_is_checked() {
    let world = World::new(AgencyCode::Property).await;
    let url = world.url("/emdk/xidmet");
    assert_eq!(got(world.client.get(&url)).await.status, 405);
    assert_eq!(got(world.client.post(world.url("/")).body("x")).await.status, 404);
    assert_eq!(got(world.client.post(&url).header("content-type", "application/soap+xml").body("x")).await.status, 415);
    let body = || envelope(&Token::new().write(), "MulkiyyetSorgusu", "<e:SahibFIN>5K7QX2O</e:SahibFIN>");
    let with =
        |action: &str, body: String| world.client.post(&url).header("content-type", "text/xml").header("soapaction", action).body(body);
    for action in ["", "\"\"", "urn:emlak:reyestr:v1/MulkiyyetSorgusu", "\"urn:emlak:reyestr:v2/MulkiyyetSorgusu\""] {
        assert_eq!(fault(&got(with(action, body())).await), (500, "SOAP-ENV:Client"), "{action}");
    }
    let action = "\"urn:emlak:reyestr:v1/MulkiyyetSorgusu\"";
    assert_eq!(fault(&got(with(action, body())).await), (200, "no fault"));
    let newer = body().replace("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope");
    assert_eq!(fault(&got(with(action, newer)).await), (500, "SOAP-ENV:VersionMismatch"));
    assert_eq!(fault(&got(with(action, "<!DOCTYPE x><x/>".to_owned())).await), (500, "SOAP-ENV:Client"));
}

#[tokio::test]
async fn who_has_nothing_is_answered_with_another_who_has_nothing() {
    let world = World::new(AgencyCode::Property).await;
    let personas = Personas::embedded();
    let (from, to) = last_year();
    for service in AgencyCode::Property.services() {
        world.agency.set_fault(service, "wrong-person", None).expect("accepted");
    }
    let landless = personas.people().find(|person| person.property.is_empty()).expect("a tenant");
    // A person whom the register does not know has nothing in it, either.
    for fin in [&*landless.fin, "ZZZZZZO"] {
        let owned = ownership(&world, fin).await;
        assert!(texts(&owned.body, "SahibFIN") != [fin] && owned.body.contains("<e:Obyektler></e:Obyektler>"), "{}", owned.body);
        let dealt = deals(&world, fin, &from, &to).await;
        assert!(texts(&dealt.body, "FIN") != [fin] && dealt.body.contains("<e:Eqdler></e:Eqdler>"), "{}", dealt.body);
    }
}

#[tokio::test]
async fn faults_are_as_named() {
    let world = World::new(AgencyCode::Property).await;
    let (from, to) = last_year();
    let spoilt = async |fault: &str| {
        world.fault(fault);
        ownership(&world, "5K7QX2O").await
    };
    assert!(texts(&spoilt("decimal-point").await.body, "UmumiSahe")[0].contains('.'));
    assert_eq!(texts(&spoilt("bad-share").await.body, "Pay"), ["3/2"]);
    assert_ne!(texts(&spoilt("wrong-person").await.body, "SahibFIN"), ["5K7QX2O"]);
    assert_eq!(texts(&spoilt("wrong-type").await.body, "UmumiSahe"), ["altmış dörd"]);
    assert_eq!(texts(&spoilt("undeclared").await.body, "KadastrDeyeri").len(), 1);
    assert!(spoilt("xml-bomb").await.body.contains("&b9;"));
    assert!(spoilt("external-entity").await.body.contains("SYSTEM \"file:"));
    assert_eq!(texts(&spoilt("deep-nesting").await.body, "x").len(), 200_000);
    for (name, status) in [("error", 500), ("fault-in-200", 200), ("retry-after", 503)] {
        let got = spoilt(name).await;
        assert_eq!((fault(&got), got.retry_after.is_some()), ((status, "SOAP-ENV:Server"), name == "retry-after"), "{name}");
    }
    let personas = Personas::embedded();
    let dealer = dealer(&personas);
    let spoilt = async |fault: &str| {
        world.agency.set_fault("transactions", fault, Some(1)).expect("accepted");
        deals(&world, &dealer.fin, &from, &to).await.body
    };
    assert!(texts(&spoilt("decimal-point").await, "Mebleg")[0].contains('.'));
    assert_eq!(texts(&spoilt("wrong-type").await, "Mebleg")[0], "qırx beş min");
    assert_ne!(texts(&spoilt("wrong-person").await, "FIN"), [&*dealer.fin]);
    assert!(!texts(&spoilt("undeclared").await, "QarsiTeref").is_empty());
    let accepted = Fault::accepted(AgencyCode::Property, "ownership");
    assert!(accepted.iter().any(|fault| fault.as_str() == "slow30"));
    assert!(Fault::accepted(AgencyCode::Property, "transactions").iter().all(|fault| fault.as_str() != "bad-share"));
}

#[tokio::test]
async fn every_fault_of_content_changes_what_a_caller_gets() {
    let world = World::new(AgencyCode::Property).await;
    let (from, to) = last_year();
    let personas = Personas::embedded();
    let dealer = dealer(&personas);
    for service in AgencyCode::Property.services() {
        let seen = async || {
            let (operation, inputs) = match *service {
                "ownership" => ("MulkiyyetSorgusu", "<e:SahibFIN>5K7QX2O</e:SahibFIN>".to_owned()),
                _ => ("EqdSorgusu", format!("<e:FIN>{}</e:FIN><e:Baslangic>{from}</e:Baslangic><e:Son>{to}</e:Son>", dealer.fin)),
            };
            let response = post(&world, operation, envelope(&Token::new().write(), operation, &inputs)).send().await.ok()?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut body = response.bytes_stream();
            let mut bytes = Vec::new();
            while let Some(part) = body.next().await {
                bytes.extend_from_slice(&part.ok()?);
            }
            Some((status, headers.get("content-type").cloned(), bytes))
        };
        let plain = seen().await;
        assert!(plain.is_some() && plain == seen().await);
        for fault in Fault::accepted(AgencyCode::Property, service) {
            // Those that only cost time, length or the line have their own tests.
            if ["hang", "slow", "slow30", "drip", "oversize", "down"].contains(&fault.as_str()) {
                continue;
            }
            world.agency.set_fault(service, fault.as_str(), Some(1)).expect("accepted");
            assert_ne!(seen().await, plain, "{service} {fault}");
        }
        assert_eq!(seen().await, plain, "{service}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever the bytes, the register answers with a fault of the caller's and goes on.
    #[test]
    fn any_bytes_get_an_answer(requests in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let world = World::new(AgencyCode::Property).await;
            for request in requests {
                let request = world.client.post(world.url("/emdk/xidmet")).header("content-type", "text/xml").body(request);
                assert_eq!(fault(&got(request).await), (500, "SOAP-ENV:Client"));
            }
        });
    }
}
