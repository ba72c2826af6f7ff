//! Who may do what: every route with everybody, and every service with every consumer and role. A route, an office or
//! a service that nobody has thought about here fails.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use model::contract::ConsumerType;
use model::{Office, RoleId};
use qovsaq::client::{Answer, Client};
use qovsaq::demo::{CONSUMER, PEOPLE, ca_file, consumer_files, person_files};
use qovsaq::{api, console};
use serde_json::json;

use crate::house::House;

/// What a caller of the internal listener is judged by, route by route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// The policy decides about the facts asked for.
    ByPolicy,
    /// Only what belongs to the consumer itself is reached: its cases, its dossiers, its own catalogue.
    OwnAlone,
    /// The citizen's assertion decides.
    ByAssertion,
    /// Hashes that anybody who may connect may see.
    Public,
}

/// Written down by hand, apart from the tables that the listeners are made from.
fn internal() -> BTreeMap<(&'static str, &'static str), Judged> {
    BTreeMap::from([
        (("POST", "/v1/cases"), Judged::OwnAlone),
        (("POST", "/v1/cases/{case}/close"), Judged::OwnAlone),
        (("POST", "/v1/cases/{case}/transfer"), Judged::OwnAlone),
        (("POST", "/v1/cases/{case}/overrides"), Judged::OwnAlone),
        (("POST", "/v1/consents/withdrawals"), Judged::OwnAlone),
        (("POST", "/v1/subject-consents"), Judged::ByAssertion),
        (("POST", "/v1/services/{provider}/{service}"), Judged::ByPolicy),
        (("POST", "/v1/dossiers/{dossier}"), Judged::ByPolicy),
        (("GET", "/v1/dossiers/{dossier}/{id}"), Judged::OwnAlone),
        (("POST", "/v1/subject-accesses"), Judged::ByAssertion),
        (("POST", "/v2/findUsage"), Judged::ByAssertion),
        (("GET", "/v1/notices"), Judged::OwnAlone),
        // An official's own acknowledgement of a role of this consumer.
        (("POST", "/v1/acknowledgements"), Judged::OwnAlone),
        (("GET", "/v1/catalogue"), Judged::OwnAlone),
        (("GET", "/checkpoint"), Judged::Public),
        (("GET", "/tile/{*path}"), Judged::Public),
        (("GET", "/openapi.json"), Judged::OwnAlone),
    ])
}

/// The console's routes, and whom they are for; `None` is everybody who is known.
fn offices() -> BTreeMap<(&'static str, &'static str), Option<BTreeSet<Office>>> {
    let readers = || Some(BTreeSet::from([Office::Auditor, Office::DataProtectionOfficer]));
    let watchers = || Some(BTreeSet::from([Office::Operator, Office::Auditor, Office::Assessor]));
    let deciders = [Office::CentralAdministrator, Office::TerritorialAdministrator, Office::ConsumerOfficer];
    let decide = || Some(BTreeSet::from(deciders));
    let quality_watchers = || Some(BTreeSet::from([Office::Operator, Office::Auditor, Office::Assessor, Office::DataProtectionOfficer]));
    let guard = || Some([&deciders[..], &[Office::DataProtectionOfficer]].concat().into_iter().collect::<BTreeSet<_>>());
    BTreeMap::from([
        (("POST", "/v1/journal/search"), readers()),
        (("GET", "/v1/journal/entries/{origin}/{index}"), readers()),
        (("GET", "/v1/journal/entries/{origin}/{index}/proof"), readers()),
        (("GET", "/v1/journal/entries/{origin}/{index}/explanation"), readers()),
        (("POST", "/v1/journal/export"), readers()),
        (("POST", "/v1/journal/suppressions"), Some(BTreeSet::from([Office::DataProtectionOfficer]))),
        (("GET", "/v1/overrides"), readers()),
        (("POST", "/v1/overrides/{id}/review"), Some(BTreeSet::from([Office::DataProtectionOfficer]))),
        (("GET", "/v1/outages"), watchers()),
        (("GET", "/v1/sources"), watchers()),
        (("GET", "/v1/scores"), watchers()),
        (("GET", "/v1/not-held"), watchers()),
        (("GET", "/v1/quarantine"), quality_watchers()),
        (("GET", "/v1/quarantine/{item}"), quality_watchers()),
        (("POST", "/v1/quarantine/{item}/opening"), Some(BTreeSet::from([Office::DataProtectionOfficer]))),
        (("POST", "/v1/quarantine/{item}/solution"), Some(BTreeSet::from([Office::Operator]))),
        (("POST", "/v1/quarantine/replays"), Some(BTreeSet::from([Office::Operator]))),
        (("POST", "/v1/recalls"), Some(BTreeSet::from([Office::Operator]))),
        (("GET", "/v1/drift"), quality_watchers()),
        (("GET", "/v1/access/me"), None),
        (("POST", "/v1/access/acknowledgements"), None),
        (
            ("GET", "/v1/access/accounts"),
            Some([&deciders[..], &[Office::DataProtectionOfficer, Office::Assessor]].concat().into_iter().collect()),
        ),
        (("POST", "/v1/access/accounts"), decide()),
        (("POST", "/v1/access/leavers"), guard()),
        (("POST", "/v1/access/returns"), Some(BTreeSet::from([Office::CentralAdministrator]))),
        (("GET", "/v1/access/requests"), None),
        (("POST", "/v1/access/requests"), None),
        (("POST", "/v1/access/requests/{request}/approve"), decide()),
        (("POST", "/v1/access/requests/{request}/refuse"), decide()),
        (("POST", "/v1/access/requests/{request}/cancel"), None),
        (("POST", "/v1/access/withdrawals"), guard()),
        (("GET", "/v1/access/break-glass"), guard()),
        (("POST", "/v1/access/break-glass"), None),
        (("POST", "/v1/access/break-glass/{right}/review"), guard()),
        (("GET", "/v1/access/review"), guard()),
        (("POST", "/v1/access/review/{right}/confirm"), decide()),
        (("GET", "/checkpoint"), None),
        (("GET", "/tile/{*path}"), None),
    ])
}

/// A path with something in each of its places.
fn filled(path: &str) -> String {
    let place = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
    path.split('/').map(place).collect::<Vec<_>>().join("/")
}

async fn call(client: &Client, method: &Method, path: &str) -> Answer {
    let path = filled(path);
    match *method {
        Method::GET => client.get(&path, "en").await,
        Method::POST => client.post(&path, &json!({}), "en").await,
        ref other => panic!("{other} is not tried here"),
    }
    .expect("an answer")
}

fn code(answer: &Answer) -> String {
    answer.json().ok().and_then(|json| Some(json["code"].as_str()?.to_owned())).unwrap_or_default()
}

// clause: 001/3.1.10
// clause: 634/6.2.8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_the_console_is_for_its_offices_alone() {
    let house = House::start().await;
    let expected = offices();
    let served: BTreeSet<_> = console::ROUTES.iter().map(|route| (route.method.as_str(), route.path)).collect();
    assert_eq!(served, expected.keys().copied().collect(), "a route was forgotten here, or is not served");
    let held: BTreeSet<Office> = PEOPLE.iter().map(|(_, office)| *office).collect();
    assert_eq!(held, Office::ALL.into_iter().collect(), "an office that nobody holds is not tried");
    let console = house.environment.console().expect("a console");
    let nobody = Client::new(&console, &ca_file(house.dir()), None).expect("a client");
    let consumer = Client::new(&console, &ca_file(house.dir()), Some(consumer_files(house.dir(), CONSUMER))).expect("a client");
    for route in console::ROUTES {
        let asked = format!("{} {}", route.method, route.path);
        assert_eq!(call(&nobody, &route.method, route.path).await.status, 401, "{asked}");
        let answer = call(&consumer, &route.method, route.path).await;
        assert_eq!((answer.status, code(&answer).as_str()), (403, "unknown-person"), "{asked}");
        for (name, office) in PEOPLE {
            let client = house.environment.person(name).expect("a client");
            let answer = call(&client, &route.method, route.path).await;
            let allowed = expected[&(route.method.as_str(), route.path)].as_ref().is_none_or(|offices| offices.contains(office));
            let refused = (answer.status, code(&answer)) == (403, "office-missing".to_owned());
            assert_eq!(!refused, allowed, "{asked} as {office}: {} {}", answer.status, answer.body);
            assert!(refused || ![401, 403].contains(&answer.status), "{asked} as {office}: {}", answer.body);
        }
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_the_internal_listener_is_judged() {
    let house = House::start().await;
    let expected = internal();
    let served: BTreeSet<_> = api::ROUTES.iter().map(|route| (route.method.as_str(), route.path)).collect();
    assert_eq!(served, expected.keys().copied().collect(), "a route was forgotten here, or is not served");
    // Nobody of the console is a consumer.
    for (name, _) in PEOPLE {
        let files = Some(person_files(house.dir(), name));
        let client = Client::new(&house.environment.internal(), &ca_file(house.dir()), files).expect("a client");
        for route in api::ROUTES {
            let answer = call(&client, &route.method, route.path).await;
            assert_eq!((answer.status, code(&answer).as_str()), (403, "unknown-consumer"), "{} as {name}", route.path);
        }
    }
    // What is somebody else's does not exist for a consumer.
    let case = house.open_case(&house.client()).await;
    let other = house.environment.client("pension").expect("a client");
    assert_eq!(other.post(&format!("/v1/cases/{case}/close"), &json!({}), "en").await.expect("an answer").status, 404);
    let body = crate::house::dossier_envelope(house.family(), &case);
    let opened = house.client().post("/v1/dossiers/adsy-means-test", &body, "en").await.expect("an answer").json().expect("JSON");
    let id = opened["dossier_id"].as_str().expect("an id");
    assert_eq!(other.get(&format!("/v1/dossiers/adsy-means-test/{id}"), "en").await.expect("an answer").status, 404);
    house.stop().await;
}

// clause: 634/2.6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_is_for_its_consumers_and_roles_alone() {
    let house = House::start().await;
    let active = std::sync::Arc::clone(&house.environment.gateway.gateway.active());
    let fin = house.applicant().fin.to_string();
    let (mut granted, mut refused) = (0_u32, 0_u32);
    // Nobody connects as the gateway's own probe.
    for (id, consumer) in active.snapshot.consumers.iter().filter(|(_, consumer)| consumer.kind != ConsumerType::Probe) {
        // Who is granted nothing has no purpose to open a case for.
        let purposes: BTreeSet<_> = consumer.grants.iter().flat_map(|grant| &grant.purposes).collect();
        let client = house.environment.client(id.as_str()).expect("a client");
        for purpose in purposes {
            let case = format!("c-{}", uuid::Uuid::now_v7().simple());
            let persons = json!([{"subject": {"fin": fin}, "role": "applicant"}]);
            let opened = client.post("/v1/cases", &json!({"case": case, "purpose": purpose, "persons": persons}), "en").await;
            assert_eq!(opened.expect("an answer").status, 201, "{id} {purpose}");
            let somebody_elses = RoleId::new("role-of-nobody").expect("a role");
            for service in active.snapshot.services.keys() {
                for role in consumer.roles.keys().chain([&somebody_elses]) {
                    let may = consumer
                        .grants
                        .iter()
                        .any(|grant| grant.service == *service && grant.purposes.contains(purpose) && grant.roles.contains(role));
                    let mut body = crate::house::body_for(service.as_str(), &fin, &case, "");
                    body["purpose"] = json!(purpose);
                    body["role"] = json!(role);
                    let calls = house.calls();
                    let answer = client.post(&format!("/v1/services/{service}"), &body, "en").await.expect("an answer");
                    let what = format!("{id} asks {service} for {purpose} as {role}: {} {}", answer.status, answer.body);
                    if may {
                        granted += 1;
                        assert!(!wants_a_grant(&answer), "{what}");
                    } else {
                        refused += 1;
                        assert!([403, 422].contains(&answer.status) && (answer.status == 422 || wants_a_grant(&answer)), "{what}");
                        assert_eq!(house.calls(), calls, "{what}");
                    }
                }
            }
        }
    }
    assert!(granted > 50 && refused > 200, "{granted} granted, {refused} refused");
    house.stop().await;
}

/// Whether the refusal says that there is no right to the service in the role.
fn wants_a_grant(answer: &Answer) -> bool {
    let Ok(problem) = answer.json() else { return false };
    let reasons = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = |code: &&str| reasons.iter().any(|reason| reason["detail"].as_str().is_some_and(|detail| detail.starts_with(*code)));
    problem["outcome"] == "DENIED" && ["no-grant", "purpose-not-granted", "role-not-granted", "role-unknown"].iter().any(names)
}
