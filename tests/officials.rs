//! Officials' assertions over the wire: a real identity provider over TLS, and everything that can be wrong with it
//! and with what it signs.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_agencies::SigningAlgorithm;
use qovsaq::client::{Answer, Client};
use qovsaq::demo::{CONSUMER, PORTAL, officials_assertion};
use qovsaq::record::Kind;
use serde_json::{Value as Json, json};

use crate::change::Office;
use crate::child::Site;
use crate::house::{Asker, House, ask, dossier_envelope};
use crate::ledger::{self, Line};
use crate::played::Played;

const IDENTITY: &str = "interior/person-identity";
const OFFICIAL: &str = "AZ-0001";

/// Asks in the asker's case with an assertion.
async fn ask_with(asker: &Asker, service: &str, assertion: &str) -> Answer {
    let mut body = asker.body(service);
    body["assertion"] = json!(assertion);
    ask(&asker.client, service, &body).await
}

/// An assertion that is good but for what `change` does to its claims.
fn assertion(house: &House, change: impl FnOnce(&mut Json)) -> String {
    let provider = &house.environment.identity;
    let mut claims = provider.claims(CONSUMER, OFFICIAL, "high");
    change(&mut claims);
    provider.sign(&claims)
}

/// The same at a level.
fn at_level(house: &House, level: &str) -> String {
    let provider = &house.environment.identity;
    provider.sign(&provider.claims(CONSUMER, OFFICIAL, level))
}

/// A refusal for this reason, with its receipt; gives what its entry says.
fn check_refused(house: &House, answer: &Answer, reason: &str) -> Json {
    let json = answer.json().expect("JSON");
    assert_eq!((answer.status, json["code"].as_str()), (403, Some("denied")), "{reason}: {json}");
    let details: Vec<&str> = json["errors"].as_array().into_iter().flatten().filter_map(|error| error["detail"].as_str()).collect();
    assert!(details.iter().any(|detail| detail.starts_with(&format!("{reason}: "))), "{reason} is not in {details:?}");
    let lines = house.lines();
    let line = ledger::check_receipt(house.dir(), &lines, &json);
    assert!(line.is(Kind::Denied));
    assert!(line.metadata["reasons"].as_array().expect("reasons").contains(&json!(reason)));
    line.metadata.clone()
}

fn check_unavailable(answer: &Answer) {
    let json = answer.json().expect("JSON");
    assert_eq!(
        (answer.status, json["code"].as_str(), json["outcome"].as_str()),
        (503, Some("identity-provider-unavailable"), Some("UNAVAILABLE")),
        "{json}"
    );
    assert!(answer.headers.contains_key("retry-after") && json["receipt"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_that_does_not_hold_is_refused_with_its_reason() {
    let house = House::start().await;
    let provider = &house.environment.identity;
    let fin = house.applicant().fin.to_string();
    let asker = Asker::start(&house.client(), &fin).await;
    let now = qovsaq::clock::now().as_second();
    let good = assertion(&house, |_| {});
    let parts: Vec<&str> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(provider.claims(CONSUMER, OFFICIAL, "high").to_string()), parts[2]);
    let kid = provider.key_set()["keys"][0]["kid"].clone();
    let header = |header: Json| URL_SAFE_NO_PAD.encode(header.to_string());
    let none = format!("{}.{}.", header(json!({"alg": "none", "kid": kid})), parts[1]);
    // The public key as an HMAC's secret.
    let public = URL_SAFE_NO_PAD.decode(provider.key_set()["keys"][0]["x"].as_str().expect("a key")).expect("base64");
    let message = format!("{}.{}", header(json!({"alg": "HS256", "kid": kid, "typ": "JWT"})), parts[1]);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), message.as_bytes());
    let confused = format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()));
    let claims = || provider.claims(CONSUMER, OFFICIAL, "high");
    let cases = [
        (forged, "assertion-signature"),
        (none, "assertion-malformed"),
        (confused, "assertion-signature"),
        ("nonsense".to_owned(), "assertion-malformed"),
        (format!("{good}{}", "x".repeat(10_000)), "assertion-malformed"),
        (provider.sign_with(&claims(), |header| header["crit"] = json!(["b64"])), "assertion-malformed"),
        (provider.sign_with(&claims(), |header| header["kid"] = json!("unheard-of")), "assertion-signature"),
        (assertion(&house, |claims| claims["iss"] = json!("https://other.test")), "assertion-purpose"),
        (assertion(&house, |claims| claims["aud"] = json!("another-gateway")), "assertion-purpose"),
        (assertion(&house, |claims| claims["acr"] = json!("unheard-of")), "assertion-purpose"),
        (assertion(&house, |claims| claims["azp"] = json!(PORTAL)), "assertion-other-consumer"),
        (assertion(&house, |claims| claims["cnf"] = json!({"x5t#S256": URL_SAFE_NO_PAD.encode([1; 32])})), "assertion-other-consumer"),
        (provider.sign(&provider.claims(CONSUMER, "AZ-0002", "high")), "assertion-other-official"),
        (assertion(&house, |claims| (claims["iat"], claims["exp"]) = (json!(now - 700), json!(now - 100))), "assertion-time"),
        (assertion(&house, |claims| claims["nbf"] = json!(now + 300)), "assertion-time"),
        (assertion(&house, |claims| claims["exp"] = json!(now + 3600)), "assertion-time"),
        // Good in itself, but issued before the start: what it was used for then is not known any more.
        (assertion(&house, |claims| claims["iat"] = json!(now - 300)), "assertion-time"),
        (assertion(&house, |claims| claims["jti"] = Json::Null), "assertion-malformed"),
    ];
    let before = house.calls();
    for (assertion, reason) in cases {
        let answer = ask_with(&asker, IDENTITY, &assertion).await;
        let entry = check_refused(&house, &answer, reason);
        // The entry names the assertion by its hash, and holds neither it nor a level that was not proven.
        assert_eq!(entry["assertion_sha256"], json!(qovsaq::wire::sha256_base64(assertion.as_bytes())));
        assert!(entry["assurance"].is_null() && !entry.to_string().contains(&assertion), "{reason}");
    }
    assert_eq!(house.calls(), before, "a source was asked");
    assert_eq!(ask_with(&asker, IDENTITY, &good).await.status, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assertion_serves_one_case_of_one_consumer() {
    let house = House::start().await;
    let fin = house.applicant().fin.to_string();
    let (one, two) = (Asker::start(&house.client(), &fin).await, Asker::start(&house.client(), &fin).await);
    let own = officials_assertion(house.dir(), house.environment.identity.issuer(), CONSUMER, OFFICIAL, "high").await.expect("issued");
    // As often as it takes, for the same case.
    for service in [IDENTITY, IDENTITY, "taxes/person-income"] {
        assert_eq!(ask_with(&one, service, &own).await.status, 200);
    }
    check_refused(&house, &ask_with(&two, IDENTITY, &own).await, "assertion-replayed");
    // Signed anew under the same id it is the same assertion.
    let again = assertion(&house, |claims| claims["jti"] = json!("one-id"));
    assert_eq!(ask_with(&two, IDENTITY, &again).await.status, 200);
    let resigned = assertion(&house, |claims| claims["jti"] = json!("one-id"));
    check_refused(&house, &ask_with(&one, IDENTITY, &resigned).await, "assertion-replayed");
    // What was refused for another reason has not been used up.
    let other = assertion(&house, |claims| claims["employee_number"] = json!("AZ-0002"));
    check_refused(&house, &ask_with(&one, IDENTITY, &other).await, "assertion-other-official");
    let mut body = two.body(IDENTITY);
    (body["official"], body["assertion"]) = (json!("AZ-0002"), json!(other));
    assert_eq!(ask(&two.client, IDENTITY, &body).await.status, 200);
    // Bound to the client certificate that fetched it, it is of no use to another consumer.
    let portal = house.environment.client(PORTAL).expect("the portal");
    let fresh = officials_assertion(house.dir(), house.environment.identity.issuer(), CONSUMER, OFFICIAL, "high").await.expect("issued");
    let mut body = one.body(IDENTITY);
    body["assertion"] = json!(fresh);
    check_refused(&house, &ask(&portal, IDENTITY, &body).await, "assertion-other-consumer");
    // After a restart it is refused, since nobody knows what it served.
    let House { environment, folder } = house;
    let qovsaq::demo::Environment { gateway, agencies, identity, personas, .. } = environment;
    gateway.stop().await.expect("stops in order");
    let old = {
        let mut claims = identity.claims(CONSUMER, OFFICIAL, "high");
        claims["iat"] = json!(qovsaq::clock::now().as_second() - 1);
        identity.sign(&claims)
    };
    let house = House::of(folder, agencies, identity, personas).await;
    let client = house.client();
    let mut body = one.body(IDENTITY);
    body["assertion"] = json!(old);
    check_refused(&house, &ask(&client, IDENTITY, &body).await, "assertion-time");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_assurance_bounds_the_class() {
    let house = House::start().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let withheld = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let json = answer.json().expect("JSON");
        let items = json["withheld"].as_array().expect("a list");
        let by_class = items.iter().filter(|item| item["reason"] == "class");
        by_class.map(|item| item["field"].as_str().expect("a field").to_owned()).collect()
    };
    // `low` sees the open fields alone, and nothing of a service that has none.
    let low = at_level(&house, "low");
    let identity = ask_with(&asker, IDENTITY, &low).await;
    assert!(withheld(&identity).contains(&"birth_date".to_owned()));
    let data = identity.json().expect("JSON")["data"].clone();
    assert!(data["surname"].is_string() && data.get("birth_date").is_none(), "{data}");
    check_refused(&house, &ask_with(&asker, "taxes/person-income", &low).await, "assurance-too-low");
    // `substantial` sees confidential fields, and nothing special.
    let substantial = at_level(&house, "substantial");
    assert_eq!(withheld(&ask_with(&asker, IDENTITY, &substantial).await), Vec::<String>::new());
    assert!(withheld(&ask_with(&asker, "justice/family-acts", &substantial).await).contains(&"acts[].act_kind".to_owned()));
    // `high` sees what the role does.
    let high = at_level(&house, "high");
    assert_eq!(withheld(&ask_with(&asker, "justice/family-acts", &high).await), Vec::<String>::new());
    // Entries say by what level, and which assertion.
    let lines = house.closed_lines().await;
    for kind in [Kind::Intent, Kind::Disclosed] {
        let levels: Vec<&str> = lines.iter().filter(|line| line.is(kind)).filter_map(|line| line.metadata["assurance"].as_str()).collect();
        assert_eq!(levels, ["low", "substantial", "substantial", "high"], "{kind:?}");
        let hash = json!(qovsaq::wire::sha256_base64(low.as_bytes()));
        assert!(lines.iter().any(|line| line.is(kind) && line.metadata["assertion_sha256"] == hash));
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_followed_as_they_change() {
    let house = House::start().await;
    let provider = &house.environment.identity;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let old = assertion(&house, |_| {});
    assert_eq!(ask_with(&asker, IDENTITY, &old).await.status, 200);
    let fetched = provider.calls("keys");
    provider.rotate(SigningAlgorithm::Es256, false);
    let new = assertion(&house, |_| {});
    assert_eq!(ask_with(&asker, IDENTITY, &new).await.status, 200);
    assert_eq!(ask_with(&asker, IDENTITY, &old).await.status, 200);
    assert_eq!(provider.calls("keys"), fetched.map(|calls| calls + 1), "they were looked for once");
    // What the provider has withdrawn proves nothing once that is known.
    provider.rotate(SigningAlgorithm::EdDsa, true);
    let newest = assertion(&house, |_| {});
    assert_eq!(ask_with(&asker, IDENTITY, &newest).await.status, 200);
    check_refused(&house, &ask_with(&asker, IDENTITY, &old).await, "assertion-signature");
    let changed = house.lines().into_iter().filter(|line| line.is(Kind::KeyChanged) && line.metadata["kids"].is_array()).count();
    assert_eq!(changed, 3, "each change of keys is in the journal");
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_refuses_nobody() {
    let site = Site::prepare().await;
    site.identity.set_fault("discovery", "down", None).expect("known");
    let house = site.up().await;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let good = assertion(&house, |_| {});
    check_unavailable(&ask_with(&asker, IDENTITY, &good).await);
    assert!(!house.lines().iter().any(|line| line.is(Kind::Denied)));
    // Where no assertion is needed nothing else stands in the way.
    assert_eq!(asker.ask(IDENTITY).await.status, 200);
    // It comes back: no restart.
    house.environment.identity.clear_faults();
    assert_eq!(ask_with(&asker, IDENTITY, &good).await.status, 200);
    // It goes away again: the keys at hand serve, and what they do not know is not refused.
    house.environment.identity.set_fault("keys", "down", None).expect("known");
    assert_eq!(ask_with(&asker, IDENTITY, &good).await.status, 200);
    house.environment.identity.rotate(SigningAlgorithm::EdDsa, false);
    check_unavailable(&ask_with(&asker, IDENTITY, &assertion(&house, |_| {})).await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_key_set_of_the_issuer_is_not_taken() {
    let house = House::start().await;
    let gateway = &house.environment.gateway.gateway;
    let provider = &house.environment.identity;
    let officials = gateway.officials.as_ref().expect("configured");
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    let good = assertion(&house, |_| {});
    let refresh = async || officials.refresh(&gateway.recorder, qovsaq::clock::now()).await;
    assert!(refresh().await);
    for (endpoint, fault) in [
        ("discovery", "error"),
        ("discovery", "malformed"),
        ("discovery", "oversize"),
        ("discovery", "redirect"),
        ("discovery", "wrong-issuer"),
        ("keys", "error"),
        ("keys", "malformed"),
        ("keys", "oversize"),
        ("keys", "redirect"),
        ("keys", "no-keys"),
        ("keys", "hang"),
    ] {
        provider.set_fault(endpoint, fault, Some(1)).expect("known");
        assert!(!refresh().await, "{fault} of {endpoint} was taken");
        assert_eq!(ask_with(&asker, IDENTITY, &good).await.status, 200, "{fault} of {endpoint}: the keys at hand serve");
        provider.clear_faults();
    }
    assert!(refresh().await);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_may_stand_in_a_file() {
    let site = Site::prepare().await;
    let file = site.dir().join("officials/keys.json");
    std::fs::write(&file, site.identity.key_set().to_string()).expect("written");
    site.change_config("  ca: agencies/ca.pem\n  official_claim", "  keys: officials/keys.json\n  official_claim");
    let house = site.up().await;
    let provider = &house.environment.identity;
    let asker = Asker::start(&house.client(), &house.applicant().fin).await;
    assert_eq!(ask_with(&asker, IDENTITY, &assertion(&house, |_| {})).await.status, 200);
    assert_eq!(provider.calls("discovery"), Some(0));
    // A changed file is read at a reload.
    provider.rotate(SigningAlgorithm::Es256, true);
    std::fs::write(&file, provider.key_set().to_string()).expect("written");
    house.reload().await;
    assert_eq!(ask_with(&asker, IDENTITY, &assertion(&house, |_| {})).await.status, 200);
    std::fs::write(&file, "{}").expect("written");
    assert!(house.environment.gateway.reload().await.is_err());
    assert_eq!(ask_with(&asker, IDENTITY, &assertion(&house, |_| {})).await.status, 200);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_is_read_in_the_name_of_who_opened_it() {
    let house = House::start().await;
    let client = house.client();
    let case = house.open_case(&client).await;
    let mut body = dossier_envelope(house.family(), &case);
    // Not opened for one who proves nothing.
    body["assertion"] = json!(assertion(&house, |claims| claims["azp"] = json!(PORTAL)));
    let refused = client.post("/v1/dossiers/adsy-means-test", &body, "en").await.expect("an answer");
    let entry = check_refused(&house, &refused, "assertion-other-consumer");
    assert_eq!(entry["service"], "adsy-means-test");
    assert_eq!(house.calls(), 0);

    body["assertion"] = json!(at_level(&house, "low"));
    let opened = client.post_waiting("/v1/dossiers/adsy-means-test", &body, "en", 30).await.expect("an answer");
    assert_eq!(opened.status, 200, "{}", opened.body);
    let location = opened.headers["location"].to_str().expect("text").to_owned();
    let read = client.get(&location, "en").await.expect("an answer");
    for answer in [opened, read] {
        let dossier = answer.json().expect("JSON");
        let elements = dossier["elements"].as_array().expect("elements");
        let identity = elements.iter().find(|element| element["element"] == "identity").expect("an identity");
        assert!(identity["data"]["surname"].is_string() && identity["data"].get("birth_date").is_none(), "{identity}");
        assert!(answer.body.contains("assurance-too-low"));
    }
    let lines = house.lines();
    let told: Vec<&Line> = lines.iter().filter(|line| line.is(Kind::Disclosed)).collect();
    assert!(
        told.len() >= 2 && told.iter().all(|line| line.metadata["assurance"] == "low" && line.metadata["assertion_sha256"].is_string())
    );
    house.stop().await;
}

// clause: 000/8.1.16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_production_profile_works_with_assertions_and_not_without() {
    // In production the data come from a bundle.
    let Office { site, .. } = Office::with_first().await;
    site.change_config("profile: test", "profile: production");
    // A form that belongs to no synthetic person; nobody real is asked about it, nor is any real source.
    let unmarked = "1A2B3C4";
    let record = json!({"abonentler": [{
        "abonent_kodu": "TEST-EL-000001", "sahib_fin": unmarked, "unvan": "Test", "saygac_novu": "smart", "tarif_qrupu": "ehali",
        "aktiv": true,
    }]});
    let source = Played::instead_of(&site, "azerishiq", move |_| (200, record.clone())).await;
    let house = site.up().await;
    let client = house.client();
    let asker = Asker::start(&client, unmarked).await;
    let body = |assertion: Json| {
        let mut body = crate::house::envelope(unmarked, &asker.case, json!({}));
        body["assertion"] = assertion;
        body
    };
    check_refused(&house, &ask(&client, "azerishiq/subscriber", &body(Json::Null)).await, "assertion-required");
    assert_eq!(source.asked(), 0);
    let own = officials_assertion(house.dir(), house.environment.identity.issuer(), CONSUMER, OFFICIAL, "substantial").await;
    let answer = ask(&client, "azerishiq/subscriber", &body(json!(own.expect("issued")))).await;
    let json = answer.json().expect("JSON");
    assert_eq!(
        (answer.status, &json["outcome"], &json["data"]["subscriber_code"]),
        (200, &json!("FOUND"), &json!("TEST-EL-000001")),
        "{json}"
    );
    let lines = house.lines();
    let line = ledger::check_receipt(house.dir(), &lines, &json);
    assert_eq!((&line.metadata["assurance"], &line.metadata["official"]), (&json!("substantial"), &json!(OFFICIAL)));
    assert_eq!(source.asked(), 1);
    // The dossier as a whole, too.
    let input = json!({"application_no": "2026-000001", "territory_code": "99000001"});
    let dossier = json!({"input": input, "purpose": "adsy-means-test", "case": asker.case, "official": OFFICIAL, "role": "case-officer"});
    let refused = client.post("/v1/dossiers/adsy-means-test", &dossier, "en").await.expect("an answer");
    check_refused(&house, &refused, "assertion-required");
    house.stop().await;
}

/// The browser's way to an assertion: a code, redeemed once with the verifier that only the asker knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_provider_gives_assertions_for_a_code_with_pkce() {
    let site = Site::prepare().await;
    let files = qovsaq::demo::consumer_files(site.dir(), CONSUMER);
    let ca = site.dir().join("agencies/ca.pem");
    let client = Client::new(site.identity.issuer(), &ca, Some(files)).expect("a client");
    let verifier = "a".repeat(43);
    let challenge = URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes()));
    let back = "http://127.0.0.1/back";
    let authorize = format!(
        "/authorize?response_type=code&client_id={CONSUMER}&redirect_uri={back}&state=s1&code_challenge={challenge}\
         &code_challenge_method=S256&login_hint={OFFICIAL}&acr_values=substantial"
    );
    let code = async || {
        let answer = client.get(&authorize, "en").await.expect("an answer");
        assert_eq!(answer.status, 303, "{}", answer.body);
        let location = answer.headers["location"].to_str().expect("text").to_owned();
        let (_, query) = location.split_once("?code=").expect("a code");
        query.strip_suffix("&state=s1").expect("the state").to_owned()
    };
    let redeem = async |code: &str, verifier: &str| {
        let form = format!("grant_type=authorization_code&client_id={CONSUMER}&redirect_uri={back}&code={code}&code_verifier={verifier}");
        client.post_raw("/token", "application/x-www-form-urlencoded", form.into_bytes()).await.expect("an answer")
    };
    let first = code().await;
    let issued = redeem(&first, &verifier).await;
    assert_eq!(issued.status, 200, "{}", issued.body);
    let token = issued.json().expect("JSON")["id_token"].as_str().expect("an assertion").to_owned();
    let claims: Json =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64")).expect("JSON");
    assert_eq!((&claims["employee_number"], &claims["azp"]), (&json!(OFFICIAL), &json!(CONSUMER)));
    assert!(claims["acr"].as_str().expect("a level").ends_with("/substantial") && claims["cnf"]["x5t#S256"].is_string());
    assert_eq!(redeem(&first, &verifier).await.status, 400, "a code is redeemed once");
    let second = code().await;
    assert_eq!(redeem(&second, &"b".repeat(43)).await.status, 400, "with the verifier alone");
    // Without a certificate nobody gets one.
    let stranger = Client::new(site.identity.issuer(), &ca, None).expect("a client");
    let form = format!("grant_type=client_credentials&client_id={CONSUMER}&official={OFFICIAL}");
    let refused = stranger.post_raw("/token", "application/x-www-form-urlencoded", form.into_bytes()).await.expect("an answer");
    assert_eq!((refused.status, refused.json().expect("JSON")["error"].as_str()), (400, Some("invalid_client")));
}

fn acting(kind: &str, representative: &str, valid_until: &str) -> Json {
    json!({
        "kind": kind, "representative": {"fin": representative},
        "basis": {"reference": "order 7 of 2026", "sha256": qovsaq::wire::sha256_base64(b"the order"), "valid_until": valid_until},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_acts_for_a_person_is_journalled_with_him_and_only_where_the_role_takes_it() {
    let house = House::start().await;
    let client = house.client();
    let (fin, guardian) = (house.applicant().fin.to_string(), house.family().members[1].fin.to_string());
    let asker = Asker::start(&client, &fin).await;
    let asked = async |on_behalf_of: Json, role: &str| {
        let mut body = asker.body(IDENTITY);
        (body["on_behalf_of"], body["role"]) = (on_behalf_of, json!(role));
        ask(&client, IDENTITY, &body).await
    };
    let today = model::time::day(qovsaq::clock::now());
    let yesterday = today.yesterday().expect("a day before").to_string();
    let entry = check_refused(&house, &asked(acting("guardian", &guardian, "2099-01-01"), "clerk").await, "representation-not-granted");
    assert_eq!(entry["on_behalf_of"]["kind"], "guardian");
    check_refused(&house, &asked(acting("proxy", &guardian, &yesterday), "case-officer").await, "representation-not-in-force");
    assert_eq!(house.calls(), 0);
    // On its last day it still counts.
    for kind in ["guardian", "parent", "proxy"] {
        assert_eq!(asked(acting(kind, &guardian, &today.to_string()), "case-officer").await.status, 200, "{kind}");
    }
    // What is no representation is refused by its place, without a value.
    for (change, pointer) in [
        (json!({"kind": "friend"}), "/on_behalf_of/kind"),
        (json!({"kind": null}), "/on_behalf_of/kind"),
        (json!({"representative": {"fin": fin}}), "/on_behalf_of/representative"),
        (json!({"representative": {"tin": "1234567893"}}), "/on_behalf_of/representative"),
        (json!({"representative": {"fin": "5K7QX2P"}}), "/on_behalf_of/representative/fin"),
        (json!({"basis": null}), "/on_behalf_of/basis"),
        (json!({"basis": {"reference": "x", "sha256": "x", "valid_until": "2099-01-01"}}), "/on_behalf_of/basis/sha256"),
        (json!({"more": 1}), "/on_behalf_of/more"),
    ] {
        let mut on_behalf_of = acting("guardian", &guardian, "2099-01-01");
        on_behalf_of.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let answer = asked(on_behalf_of, "case-officer").await;
        let problem = answer.json().expect("JSON");
        let pointers: Vec<&str> =
            problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!((answer.status, pointers), (422, vec![pointer]), "{problem}");
        assert!(!answer.body.contains(&fin) && !answer.body.contains(&guardian));
    }
    // Both find the entries, and neither stands there in clear.
    let lines = house.closed_lines().await;
    for kind in [Kind::Intent, Kind::Disclosed] {
        let own: Vec<&Line> = lines.iter().filter(|line| line.is(kind) && line.metadata["on_behalf_of"].is_object()).collect();
        assert_eq!(own.len(), 3, "{kind:?}");
        assert!(own.iter().all(|line| !line.metadata.to_string().contains(&guardian) && !line.metadata.to_string().contains(&fin)));
    }
    let auditor = house.environment.auditor().expect("an auditor");
    for person in [&fin, &guardian] {
        let filter = json!({"subject": {"fin": person}, "kind": "disclosed"});
        let body = json!({"reason": "a look at what was journalled", "filter": filter});
        let found = auditor.post("/v1/journal/search", &body, "en").await.expect("an answer").json().expect("JSON");
        assert_eq!(found["entries"].as_array().map(Vec::len), Some(3), "{found}");
    }

    // A dossier: whom it is about must be named, and is refused as a whole.
    let case = house.open_case(&client).await;
    let mut body = dossier_envelope(house.family(), &case);
    body["on_behalf_of"] = acting("guardian", &guardian, "2099-01-01");
    let nameless = client.post("/v1/dossiers/adsy-means-test", &body, "en").await.expect("an answer");
    assert_eq!((nameless.status, &nameless.json().expect("JSON")["errors"][0]["pointer"]), (422, &json!("/subject")));
    body["subject"] = json!({"fin": fin});
    body["on_behalf_of"]["basis"]["valid_until"] = json!(yesterday);
    let ended = client.post("/v1/dossiers/adsy-means-test", &body, "en").await.expect("an answer");
    check_refused(&house, &ended, "representation-not-in-force");
    body["on_behalf_of"]["basis"]["valid_until"] = json!("2099-01-01");
    let opened = client.post_waiting("/v1/dossiers/adsy-means-test", &body, "en", 30).await.expect("an answer");
    assert_eq!(opened.status, 200, "{}", opened.body);
    let lines = house.lines();
    let told = lines.iter().rfind(|line| line.is(Kind::Disclosed)).expect("told");
    assert_eq!(told.metadata["on_behalf_of"]["kind"], "guardian");
    house.stop().await;
}
