//! The control endpoint, as the interface describes it.

use mock_agencies::{AgencyCode, Fault, FaultRefused, start};
use serde_json::{Value, json};

use crate::world::{Authority, World, got, options};

const ASK: &str = "/abonent/v1?fin=5K7QX2O";

async fn get(world: &World, path: &str) -> Value {
    let got = got(world.client.get(world.control_url(path))).await;
    assert_eq!(got.status, 200);
    serde_json::from_str(&got.body).expect("json")
}

async fn put(world: &World, body: &str) -> (u16, Value) {
    let request = world.client.put(world.control_url("/faults")).header("content-type", "application/json").body(body.to_owned());
    let got = got(request).await;
    (got.status, serde_json::from_str(&got.body).expect("json"))
}

#[tokio::test]
async fn calls_are_counted_by_service_and_faulted_ones_too() {
    let world = World::new(AgencyCode::Azerishiq).await;
    assert_eq!(get(&world, "/calls").await, json!({"total": 0, "by_service": {"subscriber": 0, "consumption": 0}}));
    world.fault("error");
    for _ in 0..3 {
        got(world.client.get(world.url(ASK))).await;
    }
    got(world.client.get(world.url("/nowhere"))).await;
    assert_eq!(get(&world, "/calls").await, json!({"total": 4, "by_service": {"subscriber": 3, "consumption": 0}}));
}

#[tokio::test]
async fn a_fault_lasts_as_often_as_told() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let (status, known) = put(&world, r#"{"service": "subscriber", "fault": "error", "times": 2}"#).await;
    assert_eq!((status, &known["active"]), (200, &json!([{"service": "subscriber", "fault": "error", "times": 2}])));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(got(world.client.get(world.url(ASK))).await.status);
    }
    assert_eq!(statuses, [500, 500, 200]);
    assert_eq!(get(&world, "/faults").await["active"], json!([]));
}

#[tokio::test]
async fn without_times_it_lasts_until_deleted() {
    let world = World::new(AgencyCode::Azerishiq).await;
    put(&world, r#"{"service": "subscriber", "fault": "error"}"#).await;
    for _ in 0..5 {
        assert_eq!(got(world.client.get(world.url(ASK))).await.status, 500);
    }
    assert_eq!(get(&world, "/faults").await["active"], json!([{"service": "subscriber", "fault": "error", "times": null}]));
    let deleted = world.client.delete(world.control_url("/faults")).send().await.expect("answered");
    assert_eq!(deleted.status(), 204);
    assert_eq!(got(world.client.get(world.url(ASK))).await.status, 200);
}

#[tokio::test]
async fn what_does_not_exist_is_refused_with_the_accepted_list() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let names = |service| Fault::accepted(AgencyCode::Azerishiq, service).into_iter().map(Fault::as_str).collect::<Vec<_>>();
    let known = get(&world, "/faults").await;
    assert_eq!(known["accepted"], json!({"subscriber": names("subscriber"), "consumption": names("consumption")}));
    let (status, refusal) = put(&world, r#"{"service": "subscriber", "fault": "estimated"}"#).await;
    assert_eq!((status, &refusal["accepted"]), (422, &json!(names("subscriber"))));
    let (status, refusal) = put(&world, r#"{"service": "person-identity", "fault": "hang"}"#).await;
    assert_eq!((status, &refusal["accepted"]), (422, &json!(["subscriber", "consumption"])));
    for (expected, body) in [
        (422, r#"{"service": "subscriber", "fault": "hang", "times": 0}"#),
        (422, r#"{"service": "subscriber", "fault": "hang", "times": -1}"#),
        (422, r#"{"service": "subscriber", "fault": "hang", "often": 1}"#),
        (422, r#"{"service": "subscriber"}"#),
        (400, "not json"),
    ] {
        assert_eq!(put(&world, body).await.0, expected, "{body}");
    }
    assert_eq!(get(&world, "/faults").await["active"], json!([]));
    assert_eq!(world.agency.set_fault("subscriber", "hang", Some(0)), Err(FaultRefused::NoTimes));
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let authority = Authority::new();
    let mut options = options(AgencyCode::Taxes, &authority);
    options.control = "0.0.0.0:0".parse().expect("address");
    assert_eq!(start(options).await.expect_err("refused").kind(), std::io::ErrorKind::InvalidInput);
}
