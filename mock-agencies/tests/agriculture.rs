//! Agriculture: JSON over GET, in pages.

use mock_agencies::AgencyCode;
use serde_json::{Value, json};

use crate::world::{Got, World, got};

async fn ask(world: &World, path: &str) -> Got {
    got(world.client.get(world.url(path)).header("accept", "application/json")).await
}

async fn read(world: &World, path: &str) -> Value {
    let got = ask(world, path).await;
    assert_eq!((got.status, got.content_type.as_str()), (200, "application/json; charset=utf-8"), "{}", got.body);
    serde_json::from_str(&got.body).expect("json")
}

fn last_year() -> i16 {
    model::time::day(jiff::Timestamp::now()).year() - 1
}

#[tokio::test]
async fn declarations_come_in_pages_until_there_is_no_cursor() {
    let world = World::new(AgencyCode::Agriculture).await;
    let base = format!("/ektis/v1/fermerler/7D4GK9O/beyanlar?il={}", last_year());
    let (mut numbers, mut path) = (Vec::new(), base.clone());
    for _ in 0..3 {
        let page = read(&world, &path).await;
        assert_eq!(page["fin"], "7D4GK9O");
        numbers.extend(page["beyanlar"].as_array().expect("list").iter().map(|own| own["olcu_vahidi"].as_str().expect("unit").to_owned()));
        match page["novbeti"].as_str() {
            Some(cursor) => path = format!("{base}&novbeti={cursor}"),
            None => break,
        }
    }
    assert_eq!(numbers, ["ha", "sot", "ha", "sot", "ha"]);
    assert_eq!(ask(&world, &format!("{base}&novbeti=x")).await.status, 410);
}

#[tokio::test]
async fn who_declared_nothing_has_an_empty_list_and_who_was_never_counted_is_unknown() {
    let world = World::new(AgencyCode::Agriculture).await;
    let none = read(&world, "/ektis/v1/fermerler/3M9RT4O/beyanlar?il=2025").await;
    assert_eq!(none, json!({"fin": "3M9RT4O", "beyanlar": [], "novbeti": null}));
    assert_eq!(read(&world, "/heyvan/v1/sahibler/5SM6YZO").await["heyvanlar"], json!([]), "counted, and keeps none");
    let got = ask(&world, "/heyvan/v1/sahibler/4S8MJ6O").await;
    assert_eq!((got.status, &*got.body), (404, r#"{"xeta":"sahib_tapilmadi"}"#));
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    let world = World::new(AgencyCode::Agriculture).await;
    for (status, path) in [
        (400, "/ektis/v1/fermerler/5K7QX2O/beyanlar"),
        (400, "/ektis/v1/fermerler/5K7QX2O/beyanlar?il=25"),
        (400, "/ektis/v1/fermerler/5K7QX2OX/beyanlar?il=2025"),
        (400, "/ektis/v1/fermerler/5K7QX2O/beyanlar?il=2025&x=1"),
        (400, "/heyvan/v1/sahibler/5K7QX2O?il=2025"),
        (404, "/heyvan/v2/sahibler/5K7QX2O"),
    ] {
        assert_eq!(ask(&world, path).await.status, status, "{path}");
    }
}
