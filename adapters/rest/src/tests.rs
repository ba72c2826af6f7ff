//! The adapter against a loopback server.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adapter_core::{Call, CallError, CallErrorKind, Context, Identity, Origin, Question, Received, Sent, Transport, TransportOptions};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::codec::{form_encoded, read_token, usable};
use crate::{ApiKey, ConfigError, OAuth2, Paging, Poll, Rest, RestConfig};
use server::{Authority, Reply, Seen, Server, until};

#[path = "../../core/src/tests/server.rs"]
mod server;

const LONG: Duration = Duration::from_secs(30);

fn context() -> Context<'static> {
    Context {
        exchange_id: Uuid::from_u128(7),
        repeat_key: Uuid::from_u128(9),
        official: "AZ-0001",
        case: "c-2026-000042",
        deadline: Instant::now() + LONG,
    }
}

/// How long a test waits for a deadline that must strike.
const SHORT: Duration = Duration::from_millis(400);
const SECRET: &str = "gizli söz: 100%";
const TOKEN: &str = "t0ken-Aa.1~+/=";

fn rest_with(authority: &Authority, url: String, config: RestConfig) -> Rest {
    let issued = authority.issue("gateway.test");
    let identity = Identity::new(issued.certificate, issued.key);
    let transport = Transport::new(TransportOptions::new(url, authority.pem(), Some(identity))).expect("options are good");
    Rest::new(Arc::new(transport), config).expect("settings are good")
}

fn rest(authority: &Authority, url: String) -> Rest {
    rest_with(authority, url, RestConfig::default())
}

fn oauth2() -> OAuth2 {
    OAuth2 {
        token_path: "/oauth2/token".to_owned(),
        client_id: "meis gw".to_owned(),
        client_secret: SECRET.into(),
        scope: Some("arayis oxu".to_owned()),
    }
}

fn with_token() -> RestConfig {
    RestConfig { oauth2: Some(oauth2()), ..RestConfig::default() }
}

fn with_poll(interval: Duration) -> RestConfig {
    RestConfig { poll: Some(Poll { interval }), ..RestConfig::default() }
}

fn within(patience: Duration) -> Context<'static> {
    Context { deadline: Instant::now() + patience, ..context() }
}

fn is_token_request(seen: &Seen) -> bool {
    seen.line().starts_with("POST /oauth2/token ")
}

/// A token endpoint's answer; each token bears its number.
fn granted(number: usize, expires_in: u64) -> Reply {
    let body = format!(r#"{{"access_token":"{TOKEN}{number}","token_type":"bearer","expires_in":{expires_in},"more":[1]}}"#);
    Reply::answer("200 OK", "application/json", body)
}

/// A source that counts its tokens and takes every one but the refused numbers; questions are then
/// answered by the script, which is told how many came before.
fn bureau(
    refused: impl Fn(usize) -> bool + Send + Sync + 'static,
    script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static {
    let (tokens, questions) = (AtomicUsize::new(0), AtomicUsize::new(0));
    move |_, seen| {
        if is_token_request(seen) {
            return granted(tokens.fetch_add(1, Ordering::SeqCst), 3600);
        }
        let number = seen.header("authorization").and_then(|value| value.strip_prefix(&format!("Bearer {TOKEN}"))?.parse().ok());
        if number.is_none_or(&refused) {
            return Reply::answer("401 Unauthorized", "application/json", r#"{"error":"TOKEN"}"#);
        }
        script(questions.fetch_add(1, Ordering::SeqCst), seen)
    }
}

fn ready(_: usize, _: &Seen) -> Reply {
    Reply::answer("200 OK", "application/json", r#"{"status":"READY"}"#)
}

fn accepted(location: &str, more: &str) -> Reply {
    Reply::with("202 Accepted", &format!("content-type: application/json\r\nlocation: {location}\r\n{more}"), "{}")
}

/// First words of the requests.
fn lines(server: &Server) -> Vec<String> {
    server.seen().iter().map(|seen| seen.line().trim_end_matches(" HTTP/1.1").to_owned()).collect()
}

fn inquiry() -> Question {
    Question::Rest { method: Method::POST, path_and_query: "/v1/inquiries".into(), body: Some(Bytes::from_static(b"{}")) }
}

/// Everything an error can be made to say.
fn all_text(error: &CallError) -> String {
    format!("{error} {error:?} {:?}", error.source().map(ToString::to_string))
}

fn question(method: Method, body: Option<Bytes>) -> Question {
    Question::Rest { method, path_and_query: "/abonent/v1?fin=5K7QX2O".into(), body }
}

#[tokio::test]
async fn every_law_of_calls_is_kept() {
    let json = |_: &Seen| ("content-type: application/json\r\n".to_owned(), br#"{"abonentler":[]}"#.to_vec());
    for config in [RestConfig::default(), with_poll(SHORT), RestConfig { idempotency_key: true, ..RestConfig::default() }] {
        let adapter = |url: &str, roots: String, client: server::Issued| -> Arc<dyn Call> {
            let identity = Identity::new(client.certificate, client.key);
            let transport = Transport::new(TransportOptions::new(url.to_owned(), roots, Some(identity))).expect("options are good");
            Arc::new(Rest::new(Arc::new(transport), config.clone()).expect("settings are good"))
        };
        server::check_laws(adapter, question(Method::POST, Some(Bytes::from_static(br#"{"fin":"5K7QX2O"}"#))), json).await;
    }
}

#[tokio::test]
async fn a_question_is_asked_and_any_status_in_json_is_an_answer() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, _| match nth {
        0 => Reply::answer("200 OK", "application/json", r#"{"abonentler":[]}"#),
        1 => Reply::answer("404 Not Found", "application/problem+json", r#"{"status":404}"#),
        _ => Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
    })
    .await;
    let rest = rest(&authority, server.url());

    let found = rest.call(&question(Method::GET, None), &context()).await.expect("answer");
    let absent = rest.call(&question(Method::POST, Some(Bytes::from_static(b"{}"))), &context()).await.expect("answer");
    let empty = rest.call(&question(Method::GET, None), &context()).await.expect("answer");

    assert_eq!((found.status, found.body.as_ref()), (200, br#"{"abonentler":[]}"#.as_slice()));
    assert_eq!((absent.status, absent.body.as_ref()), (404, br#"{"status":404}"#.as_slice()));
    assert_eq!((empty.status, empty.body.len()), (204, 0));
    let seen = server.seen();
    let asked: Vec<_> = seen.iter().map(|seen| (seen.line(), seen.header("content-type"), seen.body.as_slice())).collect();
    let path = "/abonent/v1?fin=5K7QX2O HTTP/1.1";
    assert_eq!(asked.first(), Some(&(format!("GET {path}").as_str(), None, b"".as_slice())));
    assert_eq!(asked.get(1), Some(&(format!("POST {path}").as_str(), Some("application/json"), b"{}".as_slice())));
    assert!(seen.iter().all(|seen| seen.header("accept") == Some("application/json, application/problem+json")));
    // Plain REST has no place for them, and a header of our own would be an undeclared disclosure.
    assert!(seen.iter().all(|seen| !seen.head.contains("AZ-0001") && !seen.head.contains("c-2026")));
}

#[tokio::test]
async fn a_success_that_is_not_json_is_refused() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |_, _| Reply::answer("200 OK", "text/html", "<html>5K7QX2O")).await;
    let error = rest(&authority, server.url()).call(&question(Method::GET, None), &context()).await.expect_err("html");
    assert_eq!((error.kind(), error.sent(), error.origin()), (&CallErrorKind::ContentType, Sent::Maybe, Origin::Provider));
}

#[tokio::test]
async fn a_soap_question_is_not_sent() {
    let authority = Authority::new("test authority");
    let rest = rest(&authority, "https://localhost:1".to_owned());
    let error = rest.call(&Question::Soap { action: None, body: Bytes::new() }, &context()).await.expect_err("not REST");
    assert_eq!((error.sent(), error.origin()), (Sent::No, Origin::Gateway));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let check = |oauth2: OAuth2| RestConfig { oauth2: Some(oauth2), ..RestConfig::default() }.check();
    assert_eq!(check(oauth2()), Ok(()));
    for path in ["", "token", "/token?x", "/token#x"] {
        assert_eq!(check(OAuth2 { token_path: path.to_owned(), ..oauth2() }), Err(ConfigError::TokenPath), "{path}");
    }
    for text in ["", "a\nb"] {
        assert_eq!(check(OAuth2 { client_id: text.to_owned(), ..oauth2() }), Err(ConfigError::ClientId), "{text}");
        assert_eq!(check(OAuth2 { client_secret: text.into(), ..oauth2() }), Err(ConfigError::ClientSecret), "{text}");
    }
    for text in ["", "a  b", "a\"", "ə"] {
        assert_eq!(check(OAuth2 { scope: Some(text.to_owned()), ..oauth2() }), Err(ConfigError::Scope), "{text}");
    }
    assert_eq!(with_poll(Duration::ZERO).check(), Err(ConfigError::Interval));
}

#[tokio::test]
async fn an_idempotency_key_is_sent_where_wanted_and_is_the_repeat_key() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, ready).await;
    let config = RestConfig { idempotency_key: true, ..RestConfig::default() };
    rest_with(&authority, server.url(), config).call(&inquiry(), &context()).await.expect("answer");
    rest(&authority, server.url()).call(&inquiry(), &context()).await.expect("answer");
    let keys: Vec<_> = server.seen().iter().map(|seen| seen.header("idempotency-key").map(str::to_owned)).collect();
    assert_eq!(keys, [Some(context().repeat_key.to_string()), None]);
}

#[tokio::test]
async fn a_token_is_fetched_when_first_needed_and_kept() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, bureau(|_| false, ready)).await;
    let rest = rest_with(&authority, server.url(), with_token());

    for _ in 0..3 {
        assert_eq!(rest.call(&inquiry(), &context()).await.expect("answer").status, 200);
    }

    assert_eq!(lines(&server), ["POST /oauth2/token", "POST /v1/inquiries", "POST /v1/inquiries", "POST /v1/inquiries"]);
    let seen = server.seen();
    let token = seen.first().expect("token request");
    // base64("meis+gw:gizli+s%C3%B6z%3A+100%25")
    assert_eq!(token.header("authorization"), Some("Basic bWVpcytndzpnaXpsaStzJUMzJUI2eiUzQSsxMDAlMjU="));
    assert_eq!(token.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(token.body, b"grant_type=client_credentials&scope=arayis+oxu");
    let bearers: Vec<_> = seen.iter().skip(1).map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(bearers, vec![Some(format!("Bearer {TOKEN}0")); 3]);
}

#[tokio::test]
async fn one_caller_fetches_the_token_for_all() {
    let authority = Authority::new("test authority");
    let release = Arc::new(Notify::new());
    let server = Server::start(&authority, {
        let (release, then) = (Arc::clone(&release), bureau(|_| false, ready));
        move |nth, seen| {
            let reply = then(nth, seen);
            if is_token_request(seen) { Reply::After(Arc::clone(&release), Box::new(reply)) } else { reply }
        }
    })
    .await;
    let rest = rest_with(&authority, server.url(), with_token());
    let (question, context) = (inquiry(), context());
    let ask = || rest.call(&question, &context);
    let let_go = async {
        until(|| server.seen().len() == 1).await;
        release.notify_one();
    };
    // All three are begun before the server's answer can be read.
    let (a, b, c, ()) = tokio::join!(ask(), ask(), ask(), let_go);
    assert!([a, b, c].iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)));
    assert_eq!(server.seen().iter().filter(|seen| is_token_request(seen)).count(), 1);
}

#[tokio::test]
async fn all_who_wait_for_a_token_fail_with_it_and_the_next_tries_again() {
    let authority = Authority::new("test authority");
    let release = Arc::new(Notify::new());
    let server = Server::start(&authority, {
        let (release, then) = (Arc::clone(&release), bureau(|_| false, ready));
        move |nth, seen| match nth {
            0 => Reply::After(
                Arc::clone(&release),
                Box::new(Reply::with("503 Busy", "content-type: text/html\r\nretry-after: 7\r\n", "<html>")),
            ),
            _ => then(nth, seen),
        }
    })
    .await;
    let rest = rest_with(&authority, server.url(), with_token());
    let (question, context) = (inquiry(), context());
    let ask = || rest.call(&question, &context);
    let let_go = async {
        until(|| server.seen().len() == 1).await;
        release.notify_one();
    };
    let (a, b, c, ()) = tokio::join!(ask(), ask(), ask(), let_go);
    for error in [a, b, c].map(|answer| answer.expect_err("no token")) {
        let seen = (error.kind(), error.sent(), error.origin(), error.retryable(), error.retry_after());
        assert_eq!(seen, (&CallErrorKind::TokenUnavailable, Sent::No, Origin::Provider, true, Some(Duration::from_secs(7))));
    }
    assert_eq!(lines(&server), ["POST /oauth2/token"]);
    assert_eq!(ask().await.expect("answer").status, 200);
}

#[tokio::test]
async fn a_caller_that_goes_away_or_runs_out_of_time_leaves_the_fetch_to_the_next() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, {
        let then = bureau(|_| false, ready);
        move |nth, seen| if nth < 2 { Reply::Hang } else { then(nth, seen) }
    })
    .await;
    let rest = Arc::new(rest_with(&authority, server.url(), with_token()));
    let first = tokio::spawn({
        let rest = Arc::clone(&rest);
        async move { rest.call(&inquiry(), &context()).await }
    });
    until(|| server.seen().len() == 1).await;
    let waiting = tokio::spawn({
        let rest = Arc::clone(&rest);
        async move { rest.call(&inquiry(), &within(SHORT)).await }
    });
    first.abort();
    let error = waiting.await.expect("task").expect_err("too slow");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Deadline, Sent::No));
    assert_eq!(rest.call(&inquiry(), &context()).await.expect("answer").status, 200);
    assert_eq!(lines(&server), ["POST /oauth2/token", "POST /oauth2/token", "POST /oauth2/token", "POST /v1/inquiries"]);
}

#[tokio::test]
async fn a_token_past_its_time_is_replaced() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, seen| if is_token_request(seen) { granted(nth, 0) } else { ready(nth, seen) }).await;
    let rest = rest_with(&authority, server.url(), with_token());
    for _ in 0..2 {
        rest.call(&inquiry(), &context()).await.expect("answer");
    }
    assert_eq!(lines(&server), ["POST /oauth2/token", "POST /v1/inquiries", "POST /oauth2/token", "POST /v1/inquiries"]);
}

#[tokio::test]
async fn a_question_refused_for_its_token_is_asked_once_more_with_a_new_one() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, bureau(|number| number == 0, ready)).await;
    let rest = rest_with(&authority, server.url(), with_token());
    for _ in 0..2 {
        assert_eq!(rest.call(&inquiry(), &context()).await.expect("answer").status, 200);
    }
    assert_eq!(
        lines(&server),
        ["POST /oauth2/token", "POST /v1/inquiries", "POST /oauth2/token", "POST /v1/inquiries", "POST /v1/inquiries"]
    );

    let strict = Server::start(&authority, bureau(|_| true, ready)).await;
    let answer = rest_with(&authority, strict.url(), with_token()).call(&inquiry(), &context()).await.expect("answer");
    assert_eq!((answer.status, answer.body.as_ref()), (401, br#"{"error":"TOKEN"}"#.as_slice()), "for the mapping to judge");
    assert_eq!(lines(&strict), ["POST /oauth2/token", "POST /v1/inquiries", "POST /oauth2/token", "POST /v1/inquiries"]);
}

#[tokio::test]
async fn without_a_new_token_a_refused_question_counts_as_sent() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, seen| match nth {
        0 => granted(0, 3600),
        _ if is_token_request(seen) => Reply::Cut(Vec::new()),
        _ => Reply::answer("401 Unauthorized", "application/json", "{}"),
    })
    .await;
    let error = rest_with(&authority, server.url(), with_token()).call(&inquiry(), &context()).await.expect_err("no token");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Reset, Sent::Maybe));
}

/// Asks once at a source whose token endpoint does this, and checks what becomes of it.
async fn check_token(reply: fn() -> Reply, kind: CallErrorKind, origin: Origin) {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, move |_, _| reply()).await;
    let rest = rest_with(&authority, server.url(), with_token());
    let patience = if kind == CallErrorKind::Deadline { SHORT } else { LONG };
    let error = rest.call(&inquiry(), &within(patience)).await.expect_err("no token");
    assert_eq!((error.kind(), error.sent(), error.origin()), (&kind, Sent::No, origin), "{error:?}");
    assert_eq!(server.seen().len(), 1, "the question was not sent");
    assert!(!all_text(&error).contains("gizli"), "{}", all_text(&error));
}

#[tokio::test]
async fn a_token_endpoint_that_fails_fails_the_call_unsent() {
    check_token(|| Reply::Cut(Vec::new()), CallErrorKind::Reset, Origin::Provider).await;
    check_token(|| Reply::Hang, CallErrorKind::Deadline, Origin::Provider).await;
    check_token(|| Reply::with("302 Found", "location: /else\r\n", ""), CallErrorKind::Status(302), Origin::Provider).await;
    check_token(|| Reply::answer("200 OK", "text/html", "<html>gizli"), CallErrorKind::ContentType, Origin::Provider).await;
    check_token(|| Reply::answer("200 OK", "application/json", "{gizli"), CallErrorKind::Malformed, Origin::Provider).await;
    check_token(|| Reply::answer("500 Oops", "text/html", "gizli"), CallErrorKind::TokenUnavailable, Origin::Provider).await;
    check_token(
        || Reply::answer("400 Bad", "application/json", r#"{"error":"temporarily"}"#),
        CallErrorKind::TokenUnavailable,
        Origin::Provider,
    )
    .await;
    check_token(
        || Reply::answer("400 Bad", "application/json", r#"{"error":"invalid_client","error_description":"gizli"}"#),
        CallErrorKind::CredentialsRefused,
        Origin::Gateway,
    )
    .await;
    check_token(|| Reply::answer("401 No", "text/html", "gizli"), CallErrorKind::CredentialsRefused, Origin::Gateway).await;
}

fn token_answer(body: &[u8]) -> Received {
    Received { status: 200, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body), retry_after: None, key_switched: false }
}

#[test]
fn what_is_no_token_is_malformed_and_not_quoted() {
    let long = format!(r#"{{"access_token":"{}","token_type":"Bearer"}}"#, "a".repeat(17 * 1024));
    for body in [
        "",
        "[]",
        r#"{"token_type":"Bearer"}"#,
        r#"{"access_token":"gizli"}"#,
        r#"{"access_token":"gizli","token_type":"mac"}"#,
        r#"{"access_token":"","token_type":"Bearer"}"#,
        r#"{"access_token":"gizli x","token_type":"Bearer"}"#,
        r#"{"access_token":"gizli\r\nx: y","token_type":"Bearer"}"#,
        r#"{"access_token":"gizlə","token_type":"Bearer"}"#,
        r#"{"access_token":7,"token_type":"Bearer"}"#,
        r#"{"access_token":"gizli","token_type":"Bearer","expires_in":-1}"#,
        r#"{"access_token":"gizli","token_type":"Bearer","expires_in":"60"}"#,
        r#"{"access_token":"gizli","access_token":"gizli","token_type":"Bearer"}"#,
        &long,
    ] {
        let error = read_token(&token_answer(body.as_bytes())).err().expect("no token");
        assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Malformed, Sent::No), "{body}");
        assert!(!all_text(&error).contains("gizli"));
    }
    let huge = format!(r#"{{"more":"{}"}}"#, " ".repeat(40 * 1024));
    assert_eq!(read_token(&token_answer(huge.as_bytes())).err().expect("too large").kind(), &CallErrorKind::TooLarge);
}

#[test]
fn a_token_is_used_for_less_than_it_lives() {
    assert_eq!(usable(Some(3600)), Duration::from_secs(3570));
    assert_eq!(usable(Some(40)), Duration::from_secs(20));
    assert_eq!(usable(None), Duration::from_secs(30));
    assert_eq!(usable(Some(u64::MAX)), Duration::from_secs(24 * 60 * 60 - 30));
    assert_eq!(usable(Some(0)), Duration::ZERO);
}

proptest! {
    #[test]
    fn token_answers_never_panic(bytes in any::<Vec<u8>>(), status in 200_u16..=999) {
        if let Ok(granted) = read_token(&Received { status, ..token_answer(&bytes) }) {
            prop_assert!(granted.authorization.is_sensitive());
        }
    }

    /// What a form reader, here a URL parser's, reads is what was meant.
    #[test]
    fn credentials_are_read_back_as_written(text in any::<String>()) {
        let written = form_encoded(&text);
        prop_assert!(written.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
        let mut bytes = Vec::new();
        let mut rest = written.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&digits, 16).expect("two digits")
                }
                _ => byte,
            });
        }
        prop_assert_eq!(String::from_utf8(bytes).expect("utf-8"), text);
    }
}

#[tokio::test]
async fn an_answer_that_comes_later_is_waited_for() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, seen| match nth {
        0 => accepted("/v1/inquiries/7", ""),
        1 | 2 => Reply::with("202 Accepted", "", ""),
        _ => ready(nth, seen),
    })
    .await;
    let answer =
        rest_with(&authority, server.url(), with_poll(Duration::from_millis(10))).call(&inquiry(), &context()).await.expect("answer");
    assert_eq!((answer.status, answer.body.as_ref()), (200, br#"{"status":"READY"}"#.as_slice()));
    assert_eq!(lines(&server), ["POST /v1/inquiries", "GET /v1/inquiries/7", "GET /v1/inquiries/7", "GET /v1/inquiries/7"]);
    let seen = server.seen();
    let polls = || seen.iter().skip(1);
    assert!(polls().all(|seen| seen.body.is_empty() && seen.header("idempotency-key").is_none()));
    assert!(polls().all(|seen| seen.header("accept") == Some("application/json, application/problem+json")));
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_at_the_deadline() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |_, _| accepted("/v1/inquiries/7", "")).await;
    let (begun, interval) = (Instant::now(), Duration::from_millis(50));
    let error = rest_with(&authority, server.url(), with_poll(interval)).call(&inquiry(), &within(SHORT)).await.expect_err("never");
    assert_eq!((error.kind(), error.sent(), error.origin()), (&CallErrorKind::Deadline, Sent::Maybe, Origin::Provider));
    assert!(begun.elapsed() + interval >= SHORT, "it was waited for");
    let asked = server.seen().len();
    assert!((2..=9).contains(&asked), "one question, and a poll for each interval: {asked}");
}

#[tokio::test]
async fn a_source_that_hangs_while_polled_is_left_at_the_deadline() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, _| if nth == 0 { accepted("/v1/inquiries/7", "") } else { Reply::Hang }).await;
    let poll = with_poll(Duration::from_millis(10));
    let error = rest_with(&authority, server.url(), poll).call(&inquiry(), &within(SHORT)).await.expect_err("hangs");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Deadline, Sent::Maybe));
}

#[tokio::test]
async fn a_wait_asked_for_beyond_the_deadline_is_not_cut_short() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |_, _| accepted("/v1/inquiries/7", "retry-after: 100\r\n")).await;
    let poll = with_poll(Duration::from_millis(10));
    let error = rest_with(&authority, server.url(), poll).call(&inquiry(), &context()).await.expect_err("too long");
    assert_eq!((error.kind(), error.retry_after()), (&CallErrorKind::Deadline, Some(Duration::from_secs(100))));
    assert_eq!(lines(&server), ["POST /v1/inquiries"]);
}

#[tokio::test]
async fn a_wait_asked_for_is_waited() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, seen| match nth {
        0 => accepted("/v1/inquiries/7", "retry-after: 1\r\n"),
        _ => ready(nth, seen),
    })
    .await;
    let begun = Instant::now();
    rest_with(&authority, server.url(), with_poll(Duration::from_millis(10))).call(&inquiry(), &context()).await.expect("answer");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn whatever_ends_the_waiting_is_the_answer() {
    let authority = Authority::new("test authority");
    for status in ["500 Oops", "503 Busy", "404 Not Found", "409 Conflict", "204 No Content"] {
        let server = Server::start(&authority, move |nth, _| match nth {
            0 => accepted("/v1/inquiries/7", ""),
            _ => Reply::with(status, "content-type: application/json\r\nretry-after: 9\r\n", ""),
        })
        .await;
        let poll = with_poll(Duration::from_millis(10));
        let answer = rest_with(&authority, server.url(), poll).call(&inquiry(), &context()).await.expect("answer");
        assert!(status.starts_with(&answer.status.to_string()), "{status}");
        assert_eq!((answer.retry_after, server.seen().len()), (Some(Duration::from_secs(9)), 2));
    }
}

#[tokio::test]
async fn a_promise_of_an_answer_somewhere_else_or_nowhere_is_malformed() {
    let authority = Authority::new("test authority");
    let elsewhere = Server::start(&authority, ready).await;
    let foreign = format!("location: {}/v1/inquiries/7\r\n", elsewhere.url());
    for headers in ["", "location: \r\n", "location: //else/x\r\n", "location: /../x\r\n", "location: /a\r\nlocation: /b\r\n", &foreign] {
        let head = format!("content-type: application/json\r\n{headers}");
        let server = Server::start(&authority, move |_, _| Reply::with("202 Accepted", &head, "{}")).await;
        let poll = with_poll(Duration::from_millis(10));
        let error = rest_with(&authority, server.url(), poll).call(&inquiry(), &context()).await.expect_err("no way");
        assert_eq!((error.kind(), error.sent(), error.origin()), (&CallErrorKind::Malformed, Sent::Maybe, Origin::Provider), "{headers}");
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn without_polling_a_202_is_an_answer() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |_, _| accepted("/v1/inquiries/7", "retry-after: 3\r\n")).await;
    let answer = rest(&authority, server.url()).call(&inquiry(), &context()).await.expect("answer");
    assert_eq!((answer.status, answer.retry_after), (202, Some(Duration::from_secs(3))));
}

#[tokio::test]
async fn a_source_that_dies_while_polled_had_the_question() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |_, _| accepted("/v1/inquiries/7", "")).await;
    let rest = rest_with(&authority, server.url(), with_poll(Duration::from_millis(20)));
    let call = tokio::spawn(async move { rest.call(&inquiry(), &context()).await });
    until(|| server.seen().len() >= 2).await;
    drop(server);
    let error = call.await.expect("task").expect_err("gone");
    assert!(matches!(error.kind(), CallErrorKind::Connect | CallErrorKind::Reset), "{error:?}");
    assert_eq!(error.sent(), Sent::Maybe);
}

#[tokio::test]
async fn a_token_that_ends_while_polling_is_renewed_and_the_question_not_repeated() {
    let authority = Authority::new("test authority");
    // The question is taken with the first token, which then ends.
    let ended = Arc::new(AtomicUsize::new(0));
    let script = bureau(
        {
            let ended = Arc::clone(&ended);
            move |number| number < ended.load(Ordering::SeqCst)
        },
        move |nth, seen| match nth {
            0 => {
                ended.store(1, Ordering::SeqCst);
                accepted("/v1/inquiries/7", "")
            }
            _ => ready(nth, seen),
        },
    );
    let server = Server::start(&authority, script).await;
    let config = RestConfig { idempotency_key: true, ..with_poll(Duration::from_millis(10)) };
    let rest = rest_with(&authority, server.url(), RestConfig { oauth2: Some(oauth2()), ..config });
    assert_eq!(rest.call(&inquiry(), &context()).await.expect("answer").status, 200);
    assert_eq!(
        lines(&server),
        ["POST /oauth2/token", "POST /v1/inquiries", "GET /v1/inquiries/7", "POST /oauth2/token", "GET /v1/inquiries/7"]
    );
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, bureau(|_| false, ready)).await;
    let rest = rest_with(&authority, server.url(), with_token());
    rest.call(&inquiry(), &context()).await.expect("answer");
    let shown = format!("{rest:?} {:?}", rest.write(&inquiry(), &context()));
    assert!(!shown.contains("gizli") && !shown.contains(TOKEN) && !shown.contains("meis+gw"), "{shown}");
}

fn paging() -> Paging {
    Paging {
        items: "beyanlar".to_owned(),
        cursor: "novbeti".to_owned(),
        query: "novbeti".to_owned(),
        pages_max: 4,
        expired: Some(410),
        same: vec!["fin".to_owned(), "xeta".to_owned()],
    }
}

/// Asks a source that answers by a script; gives the answer and what was asked.
async fn paged(
    script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
) -> (Result<adapter_core::WireAnswer, CallError>, Vec<String>) {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, script).await;
    let rest = rest_with(&authority, server.url(), RestConfig { paging: Some(paging()), ..RestConfig::default() });
    let question = Question::Rest { method: Method::GET, path_and_query: "/f/5K7QX2O?il=2025".into(), body: None };
    let answer = rest.call(&question, &context()).await;
    (answer, lines(&server))
}

fn page(body: &str) -> Reply {
    Reply::answer("200 OK", "application/json", body)
}

#[tokio::test]
async fn pages_are_asked_for_one_after_the_other_and_handed_on_as_one_answer() {
    let pages = [
        "{\"fin\":\"5K7QX2O\", \"beyanlar\": [ {\"n\":1.50},{\"n\":2} ], \"novbeti\":\"a b&=\", \"say\":3}",
        "\u{feff}{\"novbeti\":\"ikinci\",\"beyanlar\":[],\"fin\":\"5K7QX2O\",\"say\":4}",
        "{\"fin\":\"5K7QX2O\",\"beyanlar\":[{\"n\":[\"]\"]}]}",
    ];
    let (answer, asked) = paged(move |nth, _| page(pages[nth])).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200);
    let whole = std::str::from_utf8(&answer.body).expect("text");
    assert_eq!(whole, r#"{"fin":"5K7QX2O","beyanlar":[{"n":1.50},{"n":2},{"n":["]"]}],"say":3}"#);
    assert_eq!(asked, ["GET /f/5K7QX2O?il=2025", "GET /f/5K7QX2O?il=2025&novbeti=a+b%26%3D", "GET /f/5K7QX2O?il=2025&novbeti=ikinci"]);
}

#[tokio::test]
async fn a_first_answer_that_needs_no_second_stands_as_it_came() {
    for body in [
        r#"{"fin":"5K7QX2O", "beyanlar":[1], "novbeti":null}"#,
        r#"{"beyanlar":[],"novbeti":""}"#,
        r#"{"xeta":"daxili_xeta"}"#,
        r#"{"beyanlar":{},"novbeti":"x"}"#,
        r#"{"beyanlar":[],"beyanlar":[],"novbeti":"x"}"#,
        "[1]",
        "{",
    ] {
        let (answer, asked) = paged(move |_, _| page(body)).await;
        assert_eq!((answer.expect("an answer").body.as_ref(), asked.len()), (body.as_bytes(), 1), "{body}");
    }
    let (answer, asked) = paged(|_, _| Reply::answer("404 Not Found", "application/json", "{}")).await;
    assert_eq!((answer.expect("an answer").status, asked.len()), (404, 1));
}

#[tokio::test]
async fn half_a_list_is_never_handed_on() {
    const FIRST: &str = r#"{"fin":"5K7QX2O","beyanlar":[1],"novbeti":"x"}"#;
    for (second, kind) in [
        (r#"{"fin":"3M9RT4O","beyanlar":[2]}"#, CallErrorKind::Malformed),
        (r#"{"beyanlar":[2]}"#, CallErrorKind::Malformed),
        (r#"{"fin":"5K7QX2O","beyanlar":[2],"xeta":"x"}"#, CallErrorKind::Malformed),
        (r#"{"xeta":"daxili_xeta"}"#, CallErrorKind::Malformed),
        (r#"{"fin":"5K7QX2O","beyanlar":[2],"novbeti":7}"#, CallErrorKind::Malformed),
        (r#"{"fin":"5K7QX2O","beyanlar":[2],"novbeti":"x"}"#, CallErrorKind::Malformed),
        ("not json", CallErrorKind::Malformed),
    ] {
        let (answer, _) = paged(move |nth, _| page(if nth == 0 { FIRST } else { second })).await;
        let error = answer.expect_err(second);
        assert_eq!((error.kind(), error.sent(), error.origin()), (&kind, Sent::Maybe, Origin::Provider), "{second}");
        assert!(!all_text(&error).contains("5K7QX2O"));
    }
    // Refused behind the first page, and out of order behind it: the second is the source's own word, and told as that.
    let refuse =
        |status: &'static str| paged(move |nth, _| if nth == 0 { page(FIRST) } else { Reply::answer(status, "application/json", "{}") });
    assert_eq!(refuse("404 Not Found").await.0.expect_err("refused").kind(), &CallErrorKind::Malformed);
    for (status, code) in [("503 Busy", 503), ("429 Too Many", 429), ("500 Broken", 500)] {
        assert_eq!(refuse(status).await.0.expect("the source's word").status, code);
    }
}

#[tokio::test]
async fn a_list_without_an_end_is_given_up() {
    let body = |nth: usize| format!(r#"{{"fin":"5K7QX2O","beyanlar":[{nth}],"novbeti":"{nth}"}}"#);
    let (answer, asked) = paged(move |nth, _| page(&body(nth))).await;
    assert_eq!((answer.expect_err("no end").kind(), asked.len()), (&CallErrorKind::TooLarge, 4));
    let long = "x".repeat(600);
    let (answer, asked) = paged(move |_, _| page(&format!(r#"{{"fin":"5K7QX2O","beyanlar":[],"novbeti":"{long}"}}"#))).await;
    assert_eq!((answer.expect_err("too long").kind(), asked.len()), (&CallErrorKind::Malformed, 1));
    // All pages together are bounded as one answer is.
    let big = "9".repeat(3 << 20);
    let (answer, asked) = paged(move |nth, _| page(&format!(r#"{{"fin":"5K7QX2O","beyanlar":[{big}],"novbeti":"{nth}"}}"#))).await;
    assert_eq!((answer.expect_err("too large").kind(), asked.len()), (&CallErrorKind::TooLarge, 2));
}

#[tokio::test]
async fn an_expired_cursor_leads_back_to_the_first_page_once() {
    const FIRST: &str = r#"{"fin":"5K7QX2O","beyanlar":[1],"novbeti":"x"}"#;
    let gone = || Reply::answer("410 Gone", "application/json", r#"{"xeta":"kursor_kohnelib"}"#);
    let (answer, asked) = paged(move |nth, _| match nth {
        0 => page(FIRST),
        1 => gone(),
        2 => page(r#"{"fin":"5K7QX2O","beyanlar":[7],"novbeti":"y"}"#),
        _ => page(r#"{"fin":"5K7QX2O","beyanlar":[8]}"#),
    })
    .await;
    assert_eq!(
        answer.expect("an answer").body.as_ref(),
        br#"{"fin":"5K7QX2O","beyanlar":[7,8]}"#,
        "the first attempt's items are given up"
    );
    assert_eq!(asked.len(), 4);
    let (answer, asked) = paged(move |nth, _| if nth % 2 == 0 { page(FIRST) } else { gone() }).await;
    assert_eq!((answer.expect("the source's word").status, asked.len()), (410, 4));
}

#[tokio::test]
async fn the_deadline_bounds_all_pages_together() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, _| match nth {
        0 => page(r#"{"beyanlar":[1],"novbeti":"x"}"#),
        _ => Reply::Hang,
    })
    .await;
    let rest = rest_with(&authority, server.url(), RestConfig { paging: Some(paging()), ..RestConfig::default() });
    let error = rest.call(&question(Method::GET, None), &within(SHORT)).await.expect_err("hangs");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Deadline, Sent::Maybe));
}

fn keyed(next: Option<&str>) -> RestConfig {
    let header = HeaderName::from_static("x-api-key");
    RestConfig { api_key: Some(ApiKey { header, key: "first".into(), next: next.map(Into::into) }), ..RestConfig::default() }
}

/// A source that takes one key alone.
fn takes(key: &'static str) -> impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static {
    move |_, seen| match seen.header("x-api-key") == Some(key) {
        true => page("{}"),
        false => Reply::answer("401 Unauthorized", "application/json", "{}"),
    }
}

fn keys(server: &Server) -> Vec<String> {
    server.seen().iter().map(|seen| seen.header("x-api-key").unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_refused_key_gives_way_to_the_next_one_once() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, takes("second")).await;
    let rest = rest_with(&authority, server.url(), keyed(Some("second")));
    let mut switched = Vec::new();
    for _ in 0..3 {
        let answer = rest.call(&question(Method::GET, None), &context()).await.expect("answer");
        switched.push((answer.status, answer.key_switched));
    }
    assert_eq!(switched, [(200, true), (200, false), (200, false)]);
    assert_eq!(keys(&server), ["first", "second", "second", "second"]);
    assert!(!format!("{rest:?}").contains("second"), "no key is shown");
}

#[tokio::test]
async fn a_refusal_of_both_keys_or_of_the_only_one_is_the_answer() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, takes("third")).await;
    let rest = rest_with(&authority, server.url(), keyed(Some("second")));
    for _ in 0..2 {
        let answer = rest.call(&question(Method::GET, None), &context()).await.expect("answer");
        assert_eq!((answer.status, answer.key_switched), (401, false));
    }
    assert_eq!(keys(&server), ["first", "second", "first", "second"], "what nobody takes is not switched to");
    let only = rest_with(&authority, server.url(), keyed(None));
    assert_eq!(only.call(&question(Method::GET, None), &context()).await.expect("answer").status, 401);
    assert_eq!(keys(&server).len(), 5);
}

#[tokio::test]
async fn a_page_behind_a_changed_key_is_a_page() {
    let authority = Authority::new("test authority");
    let server = Server::start(&authority, |nth, seen| match (nth, seen.header("x-api-key")) {
        (0, Some("first")) => page(r#"{"beyanlar":[1],"novbeti":"x"}"#),
        (_, Some("second")) => page(r#"{"beyanlar":[2]}"#),
        _ => Reply::answer("401 Unauthorized", "application/json", "{}"),
    })
    .await;
    let config = RestConfig { paging: Some(paging()), ..keyed(Some("second")) };
    let answer = rest_with(&authority, server.url(), config).call(&question(Method::GET, None), &context()).await.expect("answer");
    assert_eq!((answer.body.as_ref(), answer.key_switched), (br#"{"beyanlar":[1,2]}"#.as_slice(), true));
}

#[test]
fn keys_and_pages_that_cannot_work_are_refused() {
    assert_eq!(RestConfig { oauth2: Some(oauth2()), ..keyed(None) }.check(), Err(ConfigError::TwoCredentials));
    assert_eq!(keyed(Some("a\nb")).check(), Err(ConfigError::ApiKey));
    assert_eq!(keyed(Some("")).check(), Err(ConfigError::ApiKey));
    let paged = |paging| RestConfig { paging: Some(paging), ..RestConfig::default() };
    assert_eq!(paged(paging()).check(), Ok(()));
    assert_eq!(paged(Paging { pages_max: 1, ..paging() }).check(), Err(ConfigError::Paging));
    assert_eq!(RestConfig { paging: Some(paging()), ..with_poll(LONG) }.check(), Err(ConfigError::Paging));
}
