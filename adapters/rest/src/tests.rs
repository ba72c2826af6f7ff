//! The adapter against a loopback server.

use std::sync::Arc;
use std::time::Duration;

use adapter_core::{Call, CallErrorKind, Context, Identity, Origin, Question, Sent, Transport, TransportOptions};
use bytes::Bytes;
use http::Method;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Rest, RestConfig};
use server::{Authority, Reply, Server};

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

fn rest(authority: &Authority, url: String) -> Rest {
    let issued = authority.issue("gateway.test");
    let identity = Identity::new(issued.certificate, issued.key);
    let transport = Transport::new(TransportOptions::new(url, authority.pem(), Some(identity))).expect("options are good");
    Rest::new(Arc::new(transport), RestConfig::default())
}

fn question(method: Method, body: Option<Bytes>) -> Question {
    Question::Rest { method, path_and_query: "/abonent/v1?fin=5K7QX2O".into(), body }
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
