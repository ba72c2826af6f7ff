//! Education: JSON over GET.

use mock_agencies::AgencyCode;
use serde_json::{Value, json};

use crate::world::{Got, World, got};

async fn ask(world: &World, path: &str) -> Got {
    got(world.client.get(world.url(path)).header("accept", "application/json")).await
}

async fn read(world: &World, path: &str) -> Value {
    let got = ask(world, path).await;
    assert_eq!(got.status, 200, "{}", got.body);
    serde_json::from_str(&got.body).expect("json")
}

#[tokio::test]
async fn several_enrolments_at_once_are_possible() {
    let world = World::new(AgencyCode::Education).await;
    let child = read(&world, "/tehsil/v2/telebeler?fin=6N1QZ7O").await;
    let levels: Vec<_> = child["qeydiyyatlar"].as_array().expect("list").iter().map(|own| own["pille"].clone()).collect();
    assert_eq!(levels, ["umumi", "pese"]);
    assert_eq!(read(&world, "/tehsil/v2/telebeler?fin=5K7QX2O").await, json!({"fin": "5K7QX2O", "qeydiyyatlar": []}));
}

#[tokio::test]
async fn papers_that_were_never_entered_are_told_as_papers() {
    let world = World::new(AgencyCode::Education).await;
    let paper = read(&world, "/tehsil/v2/senedler?fin=2Y6PV9O").await;
    assert_eq!(paper, json!({"fin": "2Y6PV9O", "senedler": [], "arxiv": "kagiz"}));
    let diploma = read(&world, "/tehsil/v2/senedler?fin=5K7QX2O").await;
    assert_eq!(diploma["senedler"][0]["senedin_nomresi"], "TEST-D-000045");
}

#[tokio::test]
async fn while_the_register_rolls_over_everybody_has_an_empty_list() {
    let world = World::new(AgencyCode::Education).await;
    world.fault("empty-list");
    assert_eq!(read(&world, "/tehsil/v2/telebeler?fin=8B2HN6O").await, json!({"fin": "8B2HN6O", "qeydiyyatlar": []}));
    assert_eq!(read(&world, "/tehsil/v2/telebeler?fin=8B2HN6O").await["qeydiyyatlar"][0]["status"], "oxuyur");
}

#[tokio::test]
async fn a_wrong_request_is_refused() {
    let world = World::new(AgencyCode::Education).await;
    for (status, path) in [
        (400, "/tehsil/v2/telebeler"),
        (400, "/tehsil/v2/telebeler?fin=x"),
        (400, "/tehsil/v2/senedler?fin=5K7QX2O&fin=5K7QX2O"),
        (404, "/tehsil/v1/telebeler?fin=5K7QX2O"),
    ] {
        assert_eq!(ask(&world, path).await.status, status, "{path}");
    }
}
