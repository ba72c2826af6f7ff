//! State Border Service: absence and crossings over X-Road SOAP, in UTC.

use mock_agencies::{AgencyCode, Direction, Personas};

use crate::world::{Got, World, got, texts};

fn envelope(code: &str, namespace: &str, inputs: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers"><s:Header>
<x:client i:objectType="SUBSYSTEM"><i:xRoadInstance>AZ-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>10000001</i:memberCode><i:subsystemCode>meis</i:subsystemCode></x:client>
<x:service i:objectType="SERVICE"><i:xRoadInstance>AZ-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>10000013</i:memberCode><i:subsystemCode>serhed</i:subsystemCode><i:serviceCode>{code}</i:serviceCode><i:serviceVersion>v1</i:serviceVersion></x:service>
<x:id>7b0cf1d2-0003</x:id><x:protocolVersion>4.0</x:protocolVersion></s:Header><s:Body><d:{code} xmlns:d="{namespace}">{inputs}</d:{code}></s:Body></s:Envelope>"#
    )
}

async fn ask(world: &World, code: &str, inputs: &str) -> Got {
    let part = if code == "OlkedenKenardaQalma" { "kenarda" } else { "kecid" };
    let body = envelope(code, &format!("http://serhed.example/xroad/{part}/v1"), inputs);
    got(world.client.post(world.url("/")).header("content-type", "text/xml; charset=utf-8").body(body)).await
}

/// The question for the last twelve months.
fn year_of(fin: &str) -> String {
    let today = model::time::day(jiff::Timestamp::now());
    let from = today.saturating_sub(jiff::Span::new().months(12));
    format!("<d:FIN>{fin}</d:FIN><d:Baslangic>{from}</d:Baslangic><d:Son>{today}</d:Son>")
}

#[tokio::test]
async fn a_summary_counts_what_the_crossings_say() {
    let world = World::new(AgencyCode::Border).await;
    let summary = ask(&world, "OlkedenKenardaQalma", &year_of("5K7QX2O")).await;
    let text = |name: &str| texts(&summary.body, name);
    assert_eq!((text("SeferSayi"), text("GunSayi"), text("HazirdaXaricde")), (vec!["2"], vec!["19"], vec!["0"]), "{}", summary.body);
    let crossings = ask(&world, "SerhedKecmeSiyahisi", &year_of("5K7QX2O")).await;
    let times = texts(&crossings.body, "Vaxt");
    assert_eq!((times.len(), texts(&crossings.body, "Istiqamet")), (4, vec!["C", "G", "C", "G"]));
    assert!(times.iter().all(|time| time.ends_with('Z')) && times.is_sorted(), "{times:?}");
    assert_eq!(text("SonCixis"), [times[2]]);

    let none = ask(&world, "OlkedenKenardaQalma", &year_of("8B2HN6O")).await;
    assert_eq!(
        (texts(&none.body, "FIN"), texts(&none.body, "SeferSayi"), texts(&none.body, "GunSayi")),
        (vec!["8B2HN6O"], vec!["0"], vec!["0"])
    );
    let none = ask(&world, "SerhedKecmeSiyahisi", &year_of("8B2HN6O")).await;
    assert!(none.body.contains("<d:FIN>8B2HN6O</d:FIN><d:Kecidler></d:Kecidler>"), "{}", none.body);
    world.agency.shutdown().await;
}

#[tokio::test]
async fn an_entry_that_nobody_recorded_leaves_the_days_uncounted() {
    let world = World::new(AgencyCode::Border).await;
    let summary = ask(&world, "OlkedenKenardaQalma", &year_of("24EQDAO")).await;
    assert_eq!((texts(&summary.body, "SeferSayi"), texts(&summary.body, "GunSayi")), (vec!["2"], vec!["-"]));
    world.fault("exit-without-entry");
    let summary = ask(&world, "OlkedenKenardaQalma", &year_of("5K7QX2O")).await;
    let text = |name: &str| texts(&summary.body, name);
    assert_eq!((text("SeferSayi"), text("GunSayi"), text("HazirdaXaricde")), (vec!["2"], vec!["-"], vec!["1"]));
    world.fault("local-time");
    let local = ask(&world, "OlkedenKenardaQalma", &year_of("5K7QX2O")).await;
    assert_eq!(texts(&local.body, "SonCixis")[0].len(), "2025-11-10T01:30:00".len(), "{}", local.body);
    world.agency.shutdown().await;
}

#[tokio::test]
async fn a_wrong_question_is_refused() {
    let world = World::new(AgencyCode::Border).await;
    let window = |from: &str, to: &str| format!("<d:FIN>5K7QX2O</d:FIN><d:Baslangic>{from}</d:Baslangic><d:Son>{to}</d:Son>");
    for inputs in [
        "<d:FIN>5K7QX2O</d:FIN>".to_owned(),
        window("2026-01-01", "2025-12-31"),
        window("2025-01-01", "2026-01-02"),
        window("01.01.2026", "02.01.2026"),
        window("2026-01-01", ""),
    ] {
        let got = ask(&world, "OlkedenKenardaQalma", &inputs).await;
        assert_eq!(texts(&got.body, "faultcode"), ["SOAP-ENV:Client"], "{inputs}");
    }
    let got = ask(&world, "OlkedenKenardaQalma", &window("2025-01-01", "2026-01-01")).await;
    assert_eq!(texts(&got.body, "FIN"), ["5K7QX2O"]);
    world.agency.shutdown().await;
}

#[test]
fn crossings_hold_together_with_the_personas() {
    let personas = Personas::embedded();
    let today = jiff::civil::date(2026, 3, 11);
    for (fin, crossings) in &personas.border().crossings {
        let person = personas.by_fin(fin).unwrap_or_else(|| panic!("{fin} is nobody"));
        let times: Vec<_> = crossings.iter().map(|crossing| crossing.at(today)).collect();
        assert!(times.is_sorted_by(|before, after| before < after), "{fin}");
        assert!(crossings.iter().all(|crossing| crossing.checkpoint.starts_with("BM-TEST-") && &*crossing.neighbour == "UTO"), "{fin}");
        assert!(crossings.iter().all(|crossing| crossing.day(today) > person.birth_date), "{fin}");
    }
    // The child's trip is the parents'.
    let days = |fin: &str| personas.border().of(fin).iter().rev().take(2).map(|crossing| crossing.days_ago).collect::<Vec<_>>();
    assert!(days("4T6VW1O") == days("5K7QX2O") && days("3M9RT4O") == days("5K7QX2O"));
    // Somebody's day of an exit is another one in Baku than in UTC.
    let early = |crossing: &mock_agencies::Crossing| crossing.direction == Direction::Exit && crossing.time.hour() >= 20;
    assert!(personas.border().of("7D4GK9O").iter().any(early) && personas.border().of("5K7QX2O").iter().any(early));
}
