//! A credit bureau: tokens, inquiries and their reports.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;
use jiff::Timestamp;
use mock_agencies::{AgencyCode, CREDIT_BUREAU_CLIENT, CREDIT_BUREAU_SECRET, Consent, Fault, Latency, Personas, start};
use proptest::prelude::*;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::world::{Authority, World, options, whole};

const SERVICE: &str = "obligations-summary";

/// An answer with its headers.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ascii"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("json")
    }

    /// Status and the error it names.
    fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or("none").to_owned())
    }
}

async fn got(request: RequestBuilder) -> Got {
    let response = request.send().await.expect("answered");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Got { status, headers, body: String::from_utf8(whole(response).await).expect("text") }
}

fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

fn token_request(world: &World) -> RequestBuilder {
    let request = world.client.post(world.url("/oauth2/token")).header("authorization", basic(CREDIT_BUREAU_CLIENT, CREDIT_BUREAU_SECRET));
    request.header("content-type", "application/x-www-form-urlencoded").body("grant_type=client_credentials")
}

async fn token(world: &World) -> String {
    let got = got(token_request(world)).await;
    assert_eq!((got.status, got.header("cache-control")), (200, Some("no-store")));
    let answer = got.json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(300)));
    answer["access_token"].as_str().expect("a token").to_owned()
}

fn question(fin: &str) -> Value {
    let hash = STANDARD.encode([7; 32]);
    json!({"fin": fin, "purpose_code": "SOCIAL_PROTECTION", "consent_ref": "TEST-CONSENT-1", "consent_sha256": hash})
}

fn inquiry(world: &World, token: &str, key: &str, question: &Value) -> RequestBuilder {
    let request = world.client.post(world.url("/v1/inquiries")).header("authorization", format!("Bearer {token}"));
    request.header("idempotency-key", key).header("content-type", "application/json").body(question.to_string())
}

async fn inquire(world: &World, token: &str, key: &str, fin: &str) -> Got {
    got(inquiry(world, token, key, &question(fin))).await
}

async fn poll(world: &World, token: &str, accepted: &Got) -> Got {
    let location = accepted.header("location").expect("a location");
    got(world.client.get(world.url(location)).header("authorization", format!("Bearer {token}"))).await
}

/// A report from beginning to end.
async fn report(world: &World, fin: &str) -> Got {
    let token = token(world).await;
    let accepted = inquire(world, &token, &uuid::Uuid::new_v4().to_string(), fin).await;
    assert_eq!((accepted.status, accepted.header("retry-after")), (202, Some("1")));
    poll(world, &token, &accepted).await
}

#[tokio::test]
async fn a_report_is_made_after_its_inquiry_with_the_digits_of_the_source() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let before = Timestamp::now();
    let got = report(&world, "5K7QX2O").await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json; charset=utf-8")));
    let answer = got.json();
    assert_eq!(answer["status"], "READY");
    let report = answer["report"].as_object().expect("a report");
    let keys: Vec<_> = report.keys().map(String::as_str).collect();
    assert_eq!(keys, ["report_no", "generated_at", "active_loans", "outstanding_azn", "monthly_payment_azn", "granted_12m_azn", "max_dpd"]);
    assert_eq!((&report["report_no"], &report["active_loans"]), (&json!("TEST-CR-0001"), &json!(1)));
    let generated_at = report["generated_at"].as_str().expect("a time");
    assert!(generated_at.ends_with("+04:00"), "{generated_at}");
    // The time is told to the millisecond, rounded.
    assert!(generated_at.parse::<Timestamp>().expect("RFC 3339").as_millisecond() + 1 >= before.as_millisecond(), "{generated_at}");
    let personas = Personas::embedded();
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let figures = personas.by_fin("5K7QX2O").and_then(|person| person.credit.as_ref()).expect("known").summary(today);
    let amount = format!("\"outstanding_azn\":{}.{:02},", figures.outstanding_qapik / 100, figures.outstanding_qapik % 100);
    assert!(got.body.contains(&amount), "{amount} in {}", got.body);
}

#[tokio::test]
async fn every_person_has_a_report_no_history_or_a_refused_consent() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let personas = Personas::embedded();
    let token = token(&world).await;
    let (mut ready, mut none, mut refused) = (0, 0, 0);
    for person in personas.people() {
        let accepted = inquire(&world, &token, &person.fin, &person.fin).await;
        match person.credit.as_ref().map(|credit| credit.consent) {
            Some(Consent::Rejected) => {
                assert_eq!(accepted.error(), (403, "CONSENT_REJECTED".to_owned()));
                refused += 1;
            }
            Some(Consent::Accepted) => {
                assert_eq!(poll(&world, &token, &accepted).await.json()["status"], "READY");
                ready += 1;
            }
            None => {
                assert_eq!(poll(&world, &token, &accepted).await.json(), json!({"status": "NO_HISTORY"}));
                none += 1;
            }
        }
    }
    assert!(ready > 0 && none > 0 && refused > 0, "{ready} {none} {refused}");
    assert_eq!(world.agency.calls().distinct_inquiries, Some(ready + none));
    assert_eq!(report(&world, "ZZZZZZO").await.json(), json!({"status": "NO_HISTORY"}));
}

#[tokio::test]
async fn only_inquiries_are_calls() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    let accepted = inquire(&world, &token, "k", "5K7QX2O").await;
    for _ in 0..3 {
        poll(&world, &token, &accepted).await;
    }
    inquire(&world, &token, "k", "5K7QX2O").await;
    let calls = world.agency.calls();
    assert_eq!((calls.by_service[SERVICE], calls.total, calls.distinct_inquiries), (2, 6, Some(1)));
}

#[tokio::test]
async fn a_key_is_one_inquiry() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    let first = inquire(&world, &token, "key-1", "5K7QX2O").await;
    let again = inquire(&world, &token, "key-1", "5K7QX2O").await;
    assert_eq!((again.status, again.header("location")), (202, first.header("location")));
    assert_eq!(poll(&world, &token, &first).await.body, poll(&world, &token, &again).await.body, "the report stays the same");
    assert_eq!(inquire(&world, &token, "key-1", "3M9RT4O").await.error(), (409, "KEY_REUSED".to_owned()));
    let other = inquire(&world, &token, "key-2", "5K7QX2O").await;
    assert_ne!(other.header("location"), first.header("location"));
    assert_eq!(world.agency.calls().distinct_inquiries, Some(2));
    for key in ["", &"k".repeat(256)] {
        assert_eq!(inquire(&world, &token, key, "5K7QX2O").await.error(), (400, "KEY_REQUIRED".to_owned()));
    }
}

#[tokio::test]
async fn a_wrong_token_request_is_refused_as_oauth_says() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let url = world.url("/oauth2/token");
    let ask = |authorization: &str, content_type: &str, body: &'static str| {
        let request = world.client.post(&url).header("authorization", authorization).header("content-type", content_type);
        request.body(body)
    };
    let right = basic("meis", "sinaq-sirr-1");
    let form = "application/x-www-form-urlencoded";
    for wrong in ["", "Basic", "Basic !", "Bearer x", &basic("meis", "sinaq-sirr-2"), &basic("MEIS", "sinaq-sirr-1"), &basic("", "")] {
        let got = got(ask(wrong, form, "grant_type=client_credentials")).await;
        assert_eq!((got.error(), got.header("www-authenticate").is_some()), ((401, "invalid_client".to_owned()), true), "{wrong}");
    }
    for (code, content_type, body) in [
        ("unsupported_grant_type", form, "grant_type=password"),
        ("invalid_request", form, ""),
        ("invalid_request", form, "scope=x"),
        ("invalid_request", form, "grant_type=client_credentials&grant_type=client_credentials"),
        ("invalid_request", form, "grant_type=client_credentials&scope=a&scope=b"),
        ("invalid_request", form, "grant_type=%ff"),
        ("invalid_request", "application/json", "{}"),
    ] {
        assert_eq!(got(ask(&right, content_type, body)).await.error(), (400, code.to_owned()), "{body}");
    }
    assert_eq!(got(ask(&right, form, "scope=reports+read&grant_type=client_credentials")).await.status, 200);
    // Both parts are form-encoded before they are joined.
    assert_eq!(got(ask(&basic("m%65is", "sinaq%2Dsirr%2D1"), form, "grant_type=client_credentials")).await.status, 200);
    assert_eq!(got(world.client.get(&url)).await.status, 405);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    let accepted = inquire(&world, &token, "k", "5K7QX2O").await;
    let unauthorised = |got: &Got| (got.status, got.header("www-authenticate").map(str::to_owned));
    for other in ["other", &token.to_uppercase(), &format!("{token}0")] {
        let refused = (401, Some("Bearer error=\"invalid_token\"".to_owned()));
        assert_eq!(unauthorised(&inquire(&world, other, "k2", "5K7QX2O").await), refused);
        assert_eq!(unauthorised(&poll(&world, other, &accepted).await), refused);
    }
    let bare = world.client.post(world.url("/v1/inquiries")).header("idempotency-key", "k").body("{}");
    assert_eq!(unauthorised(&got(bare).await), (401, Some("Bearer".to_owned())));
    assert_eq!(world.agency.calls().distinct_inquiries, Some(1));
}

#[tokio::test]
async fn a_wrong_inquiry_is_refused() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut question = question("5K7QX2O");
        change(&mut question);
        inquiry(&world, &token, "k", &question)
    };
    for (code, request) in [
        ("BAD_REQUEST", with(&|question| question["fin"] = json!("5k7qx2o"))),
        ("BAD_REQUEST", with(&|question| question["consent_ref"] = json!(" "))),
        ("BAD_REQUEST", with(&|question| question["consent_sha256"] = json!("9f86d081"))),
        ("BAD_REQUEST", with(&|question| question["consent_sha256"] = json!(STANDARD.encode([7; 31])))),
        ("BAD_REQUEST", with(&|question| question["more"] = json!(1))),
        ("BAD_REQUEST", with(&|question| question["fin"] = Value::Null)),
        ("BAD_REQUEST", with(&|question| *question = json!([]))),
        ("PURPOSE_UNKNOWN", with(&|question| question["purpose_code"] = json!("MARKETING"))),
    ] {
        assert_eq!(got(request).await.error(), (400, code.to_owned()));
    }
    let get = |path: &str| world.client.get(world.url(path)).header("authorization", format!("Bearer {token}"));
    let text = world.client.post(world.url("/v1/inquiries")).header("authorization", format!("Bearer {token}"));
    let text = text.header("idempotency-key", "k").body(question("5K7QX2O").to_string());
    assert_eq!(got(text.header("content-type", "text/plain")).await.status, 415);
    assert_eq!(got(get("/v1/inquiries")).await.status, 405);
    for unknown in ["/v1/inquiries/1", "/v1/inquiries/00000000-0000-4000-8000-000000000000", "/v1/inquiries/", "/v1", "/"] {
        assert_eq!(got(get(unknown)).await.error(), (404, "NOT_FOUND".to_owned()), "{unknown}");
    }
    assert_eq!(world.agency.calls().distinct_inquiries, Some(0));
}

#[tokio::test]
async fn an_expired_token_is_refused_once_and_a_new_one_is_good() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let old = token(&world).await;
    world.fault("token-expired");
    assert_eq!(inquire(&world, &old, "k", "5K7QX2O").await.error(), (401, "TOKEN_EXPIRED".to_owned()));
    assert_eq!(inquire(&world, &old, "k", "5K7QX2O").await.status, 401, "it does not come back");
    let new = token(&world).await;
    assert_eq!(inquire(&world, &new, "k", "5K7QX2O").await.status, 202);
    assert_eq!(world.agency.calls().distinct_inquiries, Some(1));
}

#[tokio::test]
async fn a_report_may_never_come() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    world.fault("never-ready");
    let never = inquire(&world, &token, "never", "5K7QX2O").await;
    let ready = inquire(&world, &token, "ready", "5K7QX2O").await;
    for _ in 0..20 {
        let pending = poll(&world, &token, &never).await;
        assert_eq!((pending.status, pending.header("retry-after"), pending.json()), (202, Some("1"), json!({"status": "PENDING"})));
    }
    assert_eq!(poll(&world, &token, &ready).await.status, 200, "another inquiry is not held up");
}

#[tokio::test]
async fn an_accept_may_be_lost_and_the_same_key_finds_it() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    world.fault("lost-accept");
    assert!(inquiry(&world, &token, "k", &question("5K7QX2O")).send().await.is_err());
    assert_eq!(world.agency.calls().distinct_inquiries, Some(1), "the work was done");
    let accepted = inquire(&world, &token, "k", "5K7QX2O").await;
    assert_eq!(poll(&world, &token, &accepted).await.status, 200);
    let calls = world.agency.calls();
    assert_eq!((calls.by_service[SERVICE], calls.distinct_inquiries), (2, Some(1)));
    world.fault("reset");
    assert!(inquiry(&world, &token, "k2", &question("5K7QX2O")).send().await.is_err());
    assert_eq!(world.agency.calls().distinct_inquiries, Some(1), "a reset comes before the work");
}

#[tokio::test]
async fn faults_are_committed_where_they_are_read() {
    let world = World::new(AgencyCode::CreditBureau).await;
    for (fault, error) in [
        ("consent-rejected", (403, "CONSENT_REJECTED")),
        ("error", (500, "INTERNAL")),
        ("fault-in-200", (200, "INTERNAL")),
        ("retry-after", (429, "TOO_MANY_REQUESTS")),
    ] {
        let token = token(&world).await;
        world.fault(fault);
        let got = inquire(&world, &token, fault, "5K7QX2O").await;
        assert_eq!((got.error(), got.header("retry-after")), ((error.0, error.1.to_owned()), (fault == "retry-after").then_some("2")));
    }
    let spoilt = async |fault: &str| {
        world.fault(fault);
        report(&world, "5K7QX2O").await
    };
    let old = spoilt("old-report").await.json()["report"]["generated_at"].as_str().expect("a time").parse::<Timestamp>().expect("RFC 3339");
    assert!(Timestamp::now().duration_since(old).as_hours() >= 25, "{old}");
    assert!(spoilt("wrong-type").await.json()["report"]["outstanding_azn"].is_string());
    assert!(spoilt("undeclared").await.json()["report"].get("score").is_some());
    assert!(spoilt("deep-nesting").await.body.starts_with("{\"status\":\"READY\",\"report\":[[[["));
    assert_eq!(spoilt("wrong-content-type").await.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(serde_json::from_str::<Value>(&spoilt("malformed").await.body).is_err());
    assert!(report(&world, "5K7QX2O").await.json()["report"].get("score").is_none());
}

#[tokio::test]
async fn every_fault_of_content_changes_what_a_caller_gets() {
    let world = World::new(AgencyCode::CreditBureau).await;
    let token = token(&world).await;
    // What a caller sees of the acceptance and of the report, each `None` where broken off.
    let seen = async |key: &str| {
        let accepted = inquiry(&world, &token, key, &question("5K7QX2O")).send().await.ok()?;
        let (status, location) = (accepted.status(), accepted.headers().get("location").cloned());
        let Some(location) = location else { return Some((status, None)) };
        let url = world.url(location.to_str().expect("ascii"));
        let report = world.client.get(url).header("authorization", format!("Bearer {token}")).send().await.ok()?;
        let head = (report.status(), report.headers().get("content-type").cloned());
        let mut body = report.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(part) = body.next().await {
            bytes.extend_from_slice(&part.ok()?);
        }
        let text = String::from_utf8(bytes).expect("text");
        // Number and day differ by inquiry; the hour does not matter here.
        let lasting: Vec<_> =
            text.split(',').filter(|part| !part.contains("report_no") && !part.contains("generated_at")).map(str::to_owned).collect();
        Some((status, Some((head, lasting))))
    };
    let plain = seen("plain").await;
    assert!(plain.as_ref().is_some_and(|(_, report)| report.is_some()) && plain == seen("plain too").await, "{plain:?}");
    for fault in Fault::accepted(AgencyCode::CreditBureau, SERVICE) {
        // Those that only cost time, length, the line or the token have their own tests, and so has the old report.
        if ["hang", "slow", "drip", "oversize", "down", "token-expired", "old-report"].contains(&fault.as_str()) {
            continue;
        }
        world.fault(fault.as_str());
        assert_ne!(seen(fault.as_str()).await, plain, "{fault}");
    }
    assert_eq!(seen("last").await, plain);
}

#[tokio::test]
async fn with_the_catalogues_latency_a_report_takes_its_time() {
    let authority = Authority::new();
    let mut options = options(AgencyCode::CreditBureau, &authority);
    // A seed whose first report is among the quickest: two thirds of a second.
    options.latency = Latency::Catalogue { seed: 29 };
    let agency = start(options).await.expect("starts");
    let client = authority.client(Some(&authority.issue()));
    let world = World { authority, agency, client };
    let token = token(&world).await;
    let asked = Instant::now();
    let accepted = inquire(&world, &token, "k", "5K7QX2O").await;
    let mut every = tokio::time::interval(Duration::from_millis(50));
    let report = async {
        loop {
            every.tick().await;
            let got = poll(&world, &token, &accepted).await;
            if got.status == 200 {
                return got;
            }
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(30), report).await.expect("ready in its time");
    assert_eq!(report.json()["status"], "READY");
    assert!(asked.elapsed() > Duration::from_millis(660), "{:?}", asked.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whatever the body, the bureau refuses it in a known form and goes on.
    #[test]
    fn any_bytes_get_an_answer(requests in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let world = World::new(AgencyCode::CreditBureau).await;
            let token = token(&world).await;
            for body in requests {
                let request = world.client.post(world.url("/v1/inquiries")).header("authorization", format!("Bearer {token}"));
                let request = request.header("idempotency-key", "k").header("content-type", "application/json").body(body.clone());
                assert_eq!(got(request).await.error(), (400, "BAD_REQUEST".to_owned()));
                let got = got(token_request(&world).body(body)).await;
                assert_eq!(got.status, 400, "{got:?}");
            }
        });
    }
}
