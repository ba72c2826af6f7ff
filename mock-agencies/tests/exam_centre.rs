//! Exam centre: JSON over GET with a key.

use mock_agencies::{AgencyCode, EXAM_CENTRE_KEY, EXAM_CENTRE_NEXT_KEY};
use serde_json::Value;

use crate::world::{Got, World, got};

async fn ask(world: &World, path: &str, key: &str) -> Got {
    got(world.client.get(world.url(path)).header("accept", "application/json").header("x-api-key", key)).await
}

fn path(fin: &str) -> String {
    format!("/neticeler?fin={fin}&il={}", model::time::day(jiff::Timestamp::now()).year() - 1)
}

#[tokio::test]
async fn a_result_is_told_to_who_has_the_key() {
    let world = World::new(AgencyCode::ExamCentre).await;
    let got = ask(&world, &path("7D4GK9O"), EXAM_CENTRE_KEY).await;
    let result: Value = serde_json::from_str(&got.body).expect("json");
    assert_eq!((got.status, &result["netice"]["bal"].to_string()), (200, &"61.5".to_owned()));
    let none = ask(&world, &path("3M9RT4O"), EXAM_CENTRE_KEY).await;
    assert_eq!((none.status, &*none.body), (404, r#"{"xeta":"netice_yoxdur"}"#));
    for key in ["", "another", EXAM_CENTRE_NEXT_KEY] {
        let refused = ask(&world, &path("7D4GK9O"), key).await;
        assert_eq!((refused.status, &*refused.body), (401, r#"{"xeta":"acar_yanlisdir"}"#), "{key}");
    }
    assert_eq!(ask(&world, "/neticeler?fin=7D4GK9O", EXAM_CENTRE_KEY).await.status, 400);
}

#[tokio::test]
async fn a_changed_key_stays_changed() {
    let world = World::new(AgencyCode::ExamCentre).await;
    world.fault("key-rotated");
    for _ in 0..2 {
        assert_eq!(ask(&world, &path("7D4GK9O"), EXAM_CENTRE_KEY).await.status, 401);
        assert_eq!(ask(&world, &path("7D4GK9O"), EXAM_CENTRE_NEXT_KEY).await.status, 200);
    }
}
