//! Bad input over the wire: certificates, bodies, rights. Nothing of it reaches a source.

use std::path::PathBuf;

use qovsaq::demo::{CONSUMER, consumer_files};
use qovsaq::pki::{Authority, CRL_VALIDITY, LEAF_VALIDITY, Validity};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::change::Office;
use crate::child::Site;
use crate::house::{House, SERVICES, ask, body_for, envelope, fresh_case, granted, subscriber_code};
use crate::ledger;
use crate::raw::Connection;

fn files(issued: &qovsaq::pki::Issued) -> Option<(PathBuf, PathBuf)> {
    Some((issued.certificate.clone(), issued.key.clone()))
}

/// Whether the listener lets this certificate ask anything.
async fn is_let_in(house: &House, identity: Option<(PathBuf, PathBuf)>) -> bool {
    let Ok(mut connection) = Connection::open(house.environment.gateway.internal, house.dir(), identity).await else { return false };
    // In TLS 1.3 the refusal of a client certificate shows at the first read.
    connection.post("/v1/cases", None, &json!({})).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_does_not_hold_ends_the_handshake() {
    // Certificates first, so that the gateway reads the revocation list with the revoked one in it.
    let folder = tempfile::TempDir::new().expect("a folder");
    let outside = qovsaq::demo::Environment::start_outside(&crate::house::options(folder.path())).await.expect("started");
    let dir = outside.dir.clone();
    let now = qovsaq::clock::now();
    let name = [&*format!("{CONSUMER}.meis.test")];
    let (expired, revoked, future) = {
        let mut ours = Authority::open(&dir.join("pki/meis")).expect("the authority");
        let expired = ours.issue_client("expired", &name, Validity::expired(now), now).expect("issued");
        let revoked = ours.issue_client("revoked", &name, Validity::starting(now, LEAF_VALIDITY), now).expect("issued");
        let later = Validity { from: now + jiff::SignedDuration::from_hours(1), until: now + jiff::SignedDuration::from_hours(2) };
        let future = ours.issue_client("future", &name, later, now).expect("issued");
        ours.revoke("revoked", now).expect("revoked");
        (expired, revoked, future)
    };
    let stranger = {
        let mut strange = Authority::init(&dir.join("pki/strange"), "Another CA", CRL_VALIDITY, now).expect("made");
        strange.issue_client("stranger", &name, Validity::starting(now, LEAF_VALIDITY), now).expect("issued")
    };
    // An agency's certificate towards us is trusted, but an agency's server certificate is of another authority.
    let agency = Some((dir.join("agencies/interior.pem"), dir.join("agencies/interior.key")));
    // A server certificate of ours is not for clients.
    let server = Some((dir.join("gateway/internal.pem"), dir.join("gateway/internal.key")));
    drop(outside);
    let house = Site::prepare_in(folder).await.up().await;

    for (what, identity) in [
        ("none", None),
        ("of an unknown authority", files(&stranger)),
        ("expired", files(&expired)),
        ("not valid yet", files(&future)),
        ("revoked", files(&revoked)),
        ("of the agencies' authority", agency),
        ("a server's", server),
    ] {
        assert!(!is_let_in(&house, identity).await, "a certificate {what} was let in");
    }
    assert!(is_let_in(&house, Some(consumer_files(house.dir(), CONSUMER))).await);
    let (status, metrics) = crate::child::look(house.environment.gateway.ops, "/metrics").await;
    assert_eq!(status, 200);
    let refused: Vec<&str> = metrics.lines().filter(|line| line.starts_with("qovsaq_handshake_refused_total{")).collect();
    for reason in ["missing", "untrusted", "expired", "revoked"] {
        assert!(refused.iter().any(|line| line.contains(&format!("\"{reason}\""))), "{reason} is not counted in {refused:?}");
    }
    assert_eq!(house.calls(), 0);
    // A flood must not fill the log: refusals are summed up, one entry at most.
    let written = house.lines().iter().filter(|line| line.is(Kind::RefusalsSummarised)).count();
    assert!(written <= 1);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_certificate_of_no_consumer_is_refused_without_a_receipt() {
    let house = House::start().await;
    let identity = (house.dir().join("agencies/interior-client.pem"), house.dir().join("agencies/interior-client.key"));
    let mut connection = Connection::open(house.environment.gateway.internal, house.dir(), Some(identity)).await.expect("trusted");
    let before = house.lines().len();
    for path in ["/v1/services/interior/person-identity", "/v1/cases", "/v1/nowhere"] {
        let answer = connection.post(path, None, &envelope("5K7QX2O", "c-1", json!({}))).await.expect("an answer");
        let json = answer.json();
        assert_eq!((answer.status, json["code"].as_str()), (403, Some("unknown-consumer")), "{path}");
        assert!(json["receipt"].is_null());
    }
    assert_eq!((house.calls(), house.lines().len()), (0, before));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_form_or_contract_is_refused_with_every_error() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let path = "/v1/services/interior/person-identity";
    let before = house.calls();
    let good = envelope(&house.applicant().fin, &case, json!({}));

    let big = format!("{{\"subject\": \"{}\"}}", "x".repeat(10 << 20)).into_bytes();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes();
    let cut = good.to_string().into_bytes()[..40].to_vec();
    for (what, content_type, body, status, code) in [
        ("not JSON", "application/json", b"purpose=x".to_vec(), 400, "malformed-body"),
        ("cut off", "application/json", cut, 400, "malformed-body"),
        ("empty", "application/json", Vec::new(), 400, "malformed-body"),
        ("not UTF-8", "application/json", b"{\"case\": \"\xff\xfe\"}".to_vec(), 400, "malformed-body"),
        ("a key twice", "application/json", b"{\"case\": \"a\", \"case\": \"b\"}".to_vec(), 400, "malformed-body"),
        ("nested", "application/json", deep, 400, "malformed-body"),
        ("10 MB", "application/json", big, 413, "body-too-large"),
        ("a form", "application/x-www-form-urlencoded", good.to_string().into_bytes(), 415, "wrong-content-type"),
        ("XML", "text/xml", b"<a/>".to_vec(), 415, "wrong-content-type"),
        ("a list", "application/json", b"[]".to_vec(), 422, "contract-broken"),
    ] {
        // The 10 MB need not be read to their end: the connection may close while they are being sent.
        let Ok(answer) = client.post_raw(path, content_type, body).await else {
            assert_eq!(what, "10 MB");
            continue;
        };
        let json = answer.json().expect("a problem document");
        assert_eq!((answer.status, json["code"].as_str()), (status, Some(code)), "{what}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
        assert!(json["receipt"].is_null(), "{what}");
    }

    // Every broken rule at once, each with its pointer, none with the value that was sent.
    let nothing = client.post(path, &json!({}), "en").await.expect("an answer");
    assert_eq!(pointers(&nothing.json().expect("JSON")), ["/subject", "/purpose", "/case", "/role", "/official"]);
    let wrong = json!({
        "subject": {"fin": 12_345_678}, "input": {"fin": "5K7QX2O"}, "purpose": 3, "case": "spaces are not accepted", "role": [],
        "official": {"name": "AZ"}, "fields": ["blood_group"], "on_behalf_of": {"fin": "5K7QX2O"}, "consent": ["x"], "5K7QX2O": 1,
    });
    let wrong = client.post(path, &wrong, "en").await.expect("an answer");
    let found = pointers(&wrong.json().expect("JSON"));
    for pointer in
        ["/…", "/subject", "/input/fin", "/purpose", "/case", "/role", "/official", "/fields/0", "/on_behalf_of/kind", "/consent/0"]
    {
        assert!(found.iter().any(|found| found == pointer), "{pointer} is not in {found:?}");
    }
    assert!(!wrong.body.contains("5K7QX2O") && !wrong.body.contains("12345678"), "{}", wrong.body);

    for (what, subject, pointer) in [
        ("eight characters", json!({"fin": "5K7QX2OO"}), "/subject/fin"),
        ("lower case", json!({"fin": "5k7qx2o"}), "/subject/fin"),
        ("not marked as synthetic", json!({"fin": "5K7QX2P"}), "/subject/fin"),
        ("a letter that FINs do not have", json!({"fin": "5KIQX2O"}), "/subject/fin"),
        ("two at once", json!({"fin": "5K7QX2O", "tin": "1234567893"}), "/subject"),
        ("of a kind the contract does not take", json!({"tin": "1234567893"}), "/subject"),
        (
            "a real document series",
            json!({"document": {"series": "AA", "number": "1234567"}, "birth_date": "1985-03-14"}),
            "/subject/document/series",
        ),
    ] {
        let mut body = good.clone();
        body["subject"] = subject;
        let answer = client.post(path, &body, "en").await.expect("an answer");
        assert_eq!(answer.status, 422, "{what}: {}", answer.body);
        let found = pointers(&answer.json().expect("JSON"));
        assert!(found.iter().any(|found| found.starts_with(pointer.trim_end_matches("/series"))), "{what}: {found:?}");
        assert!(!answer.body.contains("5K7QX2"), "{what}: the value is repeated in {}", answer.body);
    }
    assert_eq!(house.calls(), before, "none of it reached a source");
    house.stop().await;
}

fn pointers(problem: &Json) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
    errors.iter().filter_map(|error| error["pointer"].as_str().map(str::to_owned)).collect()
}

/// A refusal by policy: 403 with a verifying receipt, no call, and the reason it names.
async fn check_denied(house: &House, consumer: &str, service: &str, body: &Json, reason: &str) {
    let client = house.environment.client(consumer).expect("a certificate");
    let before = house.calls();
    let answer = ask(&client, service, body).await;
    let json = answer.json().expect("JSON");
    assert_eq!((answer.status, json["code"].as_str(), json["outcome"].as_str()), (403, Some("denied"), Some("DENIED")), "{reason}: {json}");
    let named = json["errors"].as_array().into_iter().flatten().filter_map(|error| error["detail"].as_str());
    assert!(named.clone().any(|detail| detail.starts_with(&format!("{reason}: "))), "{reason} is not in {json}");
    assert_eq!(house.calls(), before, "{reason}: a source was asked");
    let lines = house.lines();
    let line = ledger::check_receipt(house.dir(), &lines, &json);
    assert!(line.is(Kind::Denied));
    let reasons = line.metadata["reasons"].as_array().expect("reasons");
    assert!(reasons.contains(&json!(reason)), "{reasons:?}");
    let fin = body["subject"]["fin"].as_str().unwrap_or("5K7QX2O");
    assert!(!line.metadata.to_string().contains(fin) && !answer.body.contains(fin), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_policy_refuses_has_a_receipt_and_no_call() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let closed = house.open_case(&client).await;
    let answer = client.post(&format!("/v1/cases/{closed}/close"), &json!({}), "en").await.expect("an answer");
    assert_eq!(answer.status, 200);
    let fin = house.applicant().fin.to_string();
    let stranger = house.environment.personas.requests_family().applicant().fin.to_string();
    let identity = "interior/person-identity";
    let good = envelope(&fin, &case, json!({}));
    let with = |change: fn(&mut Json)| {
        let mut body = good.clone();
        change(&mut body);
        body
    };

    check_denied(&house, "tasks", identity, &good, "no-grant").await;
    check_denied(&house, "social-payments", "taxes/person-income", &body_for("taxes/person-income", &fin, &case, ""), "no-grant").await;
    check_denied(&house, CONSUMER, identity, &envelope(&fin, &closed, json!({})), "case-closed").await;
    check_denied(&house, CONSUMER, identity, &envelope(&fin, "c-nobody-opened", json!({})), "case-unknown").await;
    // Another consumer's case is unknown to this one.
    let mut theirs = good.clone();
    theirs["purpose"] = json!("social-payments");
    check_denied(&house, "social-payments", identity, &theirs, "case-unknown").await;
    check_denied(&house, CONSUMER, identity, &envelope(&stranger, &case, json!({})), "person-not-in-case").await;
    check_denied(&house, CONSUMER, identity, &with(|body| body["purpose"] = json!("social-payments")), "purpose-not-granted").await;
    check_denied(&house, CONSUMER, identity, &with(|body| body["role"] = json!("controller")), "role-unknown").await;
    let mut clerk = body_for("taxes/person-income", &fin, &case, "");
    clerk["role"] = json!("clerk");
    check_denied(&house, CONSUMER, "taxes/person-income", &clerk, "role-not-granted").await;
    check_denied(
        &house,
        CONSUMER,
        identity,
        &with(|body| {
            body["official"] = json!("robot:intake");
            body["responsible"] = json!("AZ-0002");
        }),
        "robot-not-allowed",
    )
    .await;

    // An input that identifies somebody must stem from an answer in the same case.
    let consumption = "azerishiq/consumption";
    check_denied(&house, CONSUMER, consumption, &body_for(consumption, &fin, &case, "TEST-EL-000111"), "input-not-from-case").await;
    let code = subscriber_code(&client, &fin, &case).await;
    assert_eq!(ask(&client, consumption, &body_for(consumption, &fin, &case, &code)).await.status, 200);
    let other = house.open_case(&client).await;
    check_denied(&house, CONSUMER, consumption, &body_for(consumption, &fin, &other, &code), "input-not-from-case").await;

    ledger::check_rules(&house.lines());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_delivered_is_the_grant_and_the_role_and_says_what_is_withheld() {
    let house = House::start().await;
    let fin = house.applicant().fin.to_string();
    // Sovqat is granted four fields.
    let sovqat = house.environment.client("sovqat").expect("a certificate");
    let case = fresh_case();
    let persons = json!([{"subject": {"fin": fin}, "role": "applicant"}]);
    let opened =
        sovqat.post("/v1/cases", &json!({"case": case, "purpose": "sovqat-queue", "persons": persons}), "en").await.expect("opened");
    assert_eq!(opened.status, 201);
    let mut body = envelope(&fin, &case, json!({}));
    body["purpose"] = json!("sovqat-queue");
    let answer = ask(&sovqat, "interior/person-identity", &body).await.json().expect("JSON");
    let keys: Vec<&String> = answer["data"].as_object().expect("a record").keys().collect();
    assert_eq!(keys, ["fin", "surname", "given_name", "birth_date"]);
    let reason = |field: &str| {
        let withheld = answer["withheld"].as_array().into_iter().flatten();
        withheld.filter(|item| item["field"] == field).filter_map(|item| item["reason"].as_str()).collect::<Vec<_>>()
    };
    assert_eq!(reason("photo"), ["agreement"]);
    assert_eq!(reason("document_number"), ["function"]);

    // A clerk may see class O alone.
    let client = house.client();
    let case = house.open_case(&client).await;
    let mut body = envelope(&fin, &case, json!({}));
    body["role"] = json!("clerk");
    let answer = ask(&client, "interior/person-identity", &body).await.json().expect("JSON");
    let data = answer["data"].as_object().expect("a record");
    assert!(data.contains_key("surname") && !data.contains_key("birth_date") && !data.contains_key("fin"), "{data:?}");

    // `fields` narrows.
    let mut body = envelope(&fin, &case, json!({}));
    body["fields"] = json!(["surname"]);
    let answer = ask(&client, "interior/person-identity", &body).await.json().expect("JSON");
    assert_eq!(answer["data"].as_object().map(serde_json::Map::len), Some(1));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undeclared_fields_are_dropped_and_counted() {
    let house = House::start().await;
    let client = house.client();
    // Every source knows something about this applicant.
    let family = house.environment.personas.requests_family();
    let case = house.environment.open_case(&client, family).await.expect("a case");
    let fin = family.applicant().fin.to_string();
    let code = subscriber_code(&client, &fin, &case).await;
    for service in SERVICES.iter() {
        let fin = qovsaq::demo::subject_of(service, &house.environment.personas, family);
        let (client, mut body) = granted(&house, service, fin, &case, &code).await;
        let plain = ask(&client, service, &body).await.json().expect("JSON");
        house.set_fault(service, "undeclared", Some(1));
        if service.starts_with("credit-bureau/") {
            // Asked again in the same case, it is the same inquiry, with the same report.
            body["case"] = json!(house.environment.open_case(&client, family).await.expect("a case"));
        }
        let mut with_more = ask(&client, service, &body).await.json().expect("JSON");
        for own in ["report_no", "generated_at", "checked_at"] {
            // Each report and each look has its own.
            if with_more["data"][own].is_string() {
                with_more["data"][own] = plain["data"][own].clone();
            }
        }
        assert_eq!(with_more["data"], plain["data"], "{service}");
        let (_, metrics) = crate::child::look(house.environment.gateway.ops, "/metrics").await;
        let counted = format!("qovsaq_undeclared_fields_total{{service=\"{service}\"}}");
        let line = metrics.lines().find(|line| line.starts_with(&counted)).unwrap_or_else(|| panic!("{counted} is not in /metrics"));
        assert!(!line.ends_with(" 0"), "{line}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_production_profile_takes_no_synthetic_person_and_denies_without_an_assertion() {
    let office = Office::with_first().await;
    let site = &office.site;
    site.change_config("profile: test", "profile: production");
    let child = site.serve().await;
    let client = child.client(CONSUMER);
    let synthetic = json!({"case": "c-1", "purpose": "adsy-means-test", "persons": [{"subject": {"fin": "5K7QX2O"}, "role": "applicant"}]});
    let answer = client.post("/v1/cases", &synthetic, "en").await.expect("an answer");
    assert_eq!((answer.status, pointers(&answer.json().expect("JSON"))), (422, vec!["/persons/0/subject/fin".to_owned()]));
    let answer =
        client.post("/v1/services/interior/person-identity", &envelope("5K7QX2O", "c-1", json!({})), "en").await.expect("an answer");
    assert_eq!((answer.status, pointers(&answer.json().expect("JSON"))), (422, vec!["/subject/fin".to_owned()]));

    // A form that belongs to no synthetic person; nobody is asked about it.
    let unmarked = "1A2B3C4";
    let case = json!({"case": "c-2", "purpose": "adsy-means-test", "persons": [{"subject": {"fin": unmarked}, "role": "applicant"}]});
    assert_eq!(client.post("/v1/cases", &case, "en").await.expect("an answer").status, 201);
    for (assertion, reason) in [(Json::Null, "assertion-required"), (json!("eyJhbGciOiJub25lIn0.e30."), "assertion-malformed")] {
        let mut body = envelope(unmarked, "c-2", json!({}));
        body["assertion"] = assertion;
        let answer = client.post("/v1/services/interior/person-identity", &body, "en").await.expect("an answer");
        let json = answer.json().expect("JSON");
        assert_eq!((answer.status, json["outcome"].as_str()), (403, Some("DENIED")));
        assert!(answer.body.contains(reason), "{reason} is not in {}", answer.body);
        ledger::check_receipt(site.dir(), &ledger::read(site.dir(), 0), &json);
    }
    assert!(site.agencies.values().all(|agency| agency.calls().total == 0));
    assert!(child.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_is_404_and_what_is_not_offered_405() {
    let house = House::start().await;
    let client = house.client();
    let body = envelope("5K7QX2O", "c-1", json!({}));
    for path in [
        "/v1/services/interior/blood-group",
        "/v1/services/nobody/nothing",
        "/v1/services/interior/..%2f..%2fetc",
        "/v1/dossiers/unknown",
        "/v1/corrections",
        "/v2/services/interior/person-identity",
        "/",
    ] {
        let answer = client.post(path, &body, "az").await.expect("an answer");
        assert_eq!((answer.status, answer.json().expect("JSON")["code"].as_str()), (404, Some("not-found")), "{path}");
        assert_eq!(answer.headers["content-language"], "az", "{path}");
    }
    let answer = client.get("/v1/cases", "en").await.expect("an answer");
    assert_eq!((answer.status, answer.json().expect("JSON")["code"].as_str()), (405, Some("method-not-allowed")));
    assert_eq!(house.calls(), 0);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_finishes_its_handshake_holds_up_nobody() {
    let house = House::start().await;
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(tokio::net::TcpStream::connect(house.environment.gateway.internal).await.expect("a connection"));
    }
    assert!(is_let_in(&house, Some(consumer_files(house.dir(), CONSUMER))).await);
    drop(silent);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_repeatable_and_belongs_to_its_consumer() {
    let house = House::start().await;
    let client = house.client();
    let case = fresh_case();
    let body = |role: &str| json!({"case": case, "purpose": "adsy-means-test", "persons": [{"subject": {"fin": "5K7QX2O"}, "role": role}]});
    let status = async |body: Json| client.post("/v1/cases", &body, "en").await.expect("an answer").status;
    assert_eq!(status(body("applicant")).await, 201);
    assert_eq!(status(body("applicant")).await, 200, "repeated");
    assert_eq!(status(body("spouse")).await, 409, "other content");
    let other = house.environment.client("social-payments").expect("a certificate");
    let close = format!("/v1/cases/{case}/close");
    assert_eq!(other.post(&close, &json!({}), "en").await.expect("an answer").status, 404, "not theirs");
    for _ in 0..2 {
        assert_eq!(client.post(&close, &json!({}), "en").await.expect("an answer").status, 200, "closing again changes nothing");
    }
    assert_eq!(status(body("applicant")).await, 409, "closed");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_told_before_anything_is_written() {
    let site = Site::prepare().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address");
    site.change_config("    address: 127.0.0.1:0\n", &format!("    address: {address}\n"));
    let (code, said) = site.refuses().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("in use"), "{said}");
    assert_eq!(said.lines().count(), 1, "one line, what to do included: {said}");
    assert!(!site.dir().join("journal").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_on_one_journal_is_refused() {
    let site = Site::prepare().await;
    let child = site.serve().await;
    let (code, said) = site.refuses().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("panicked") && !said.is_empty(), "{said}");
    assert!(child.stop().await.success());
    assert!(site.serve().await.stop().await.success(), "the lock goes with the process");
}
