//! The transport against a real TLS server that means ill, and the header readers by themselves.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::header::{RETRY_AFTER_MAX, media_type_is, retry_after};
use crate::{
    CallError, CallErrorKind, Cause, Expected, HttpVersions, Identity, Origin, Request, SecretText, Sent, TlsVersions, Transport,
    TransportError, TransportOptions, WireAnswer,
};
use server::{Authority, Issued, Reply, Seen, Server, Setup, server_config, until};

mod laws;
mod server;

/// A FIN planted where errors might pick it up.
const FIN: &str = "5K7QX2O";
const JSON: Expected = Expected { media_types: &["application/json"], empty: true };
/// Long enough for any exchange that is to succeed, on a busy machine too.
const LONG: Duration = Duration::from_secs(30);
/// How long a test waits for a deadline that must strike.
const SHORT: Duration = Duration::from_millis(300);

struct World {
    authority: Authority,
    client: Issued,
}

impl World {
    fn new() -> Self {
        let authority = Authority::new("test authority");
        let client = authority.issue("gateway.test");
        Self { authority, client }
    }

    fn identity(&self) -> Identity {
        Identity::new(self.client.certificate.clone(), self.client.key.clone())
    }

    fn options(&self, url: String) -> TransportOptions {
        TransportOptions {
            body_bytes_max: 64 * 1024,
            http: HttpVersions::Http1,
            ..TransportOptions::new(url, self.authority.pem(), Some(self.identity()))
        }
    }

    fn transport(&self, url: String) -> Transport {
        Transport::new(self.options(url)).expect("options are good")
    }
}

fn get(path_and_query: &str) -> Request {
    Request { method: Method::GET, path_and_query: path_and_query.into(), headers: HeaderMap::new(), body: None }
}

async fn ask(transport: &Transport, path_and_query: &str, patience: Duration) -> Result<WireAnswer, CallError> {
    transport.send(get(path_and_query), JSON, Instant::now() + patience).await
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("certificate").to_vec()
}

/// Everything an error can be made to say.
fn all_text(error: &CallError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(source) = next {
        text.push_str(&format!(" {source} {source:?}"));
        next = source.source();
    }
    text
}

fn ok(_: usize, _: &Seen) -> Reply {
    Reply::answer("200 OK", "application/json", "{}")
}

/// Asks once and checks what becomes of it.
async fn check_error(
    script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    kind: CallErrorKind,
    sent: Sent,
) -> (CallError, Server) {
    let world = World::new();
    let server = Server::start(&world.authority, script).await;
    let patience = if kind == CallErrorKind::Deadline { SHORT } else { LONG };
    let error = ask(&world.transport(server.url()), &format!("/x?fin={FIN}"), patience).await.expect_err("must fail");
    assert_eq!((error.kind(), error.sent()), (&kind, sent), "{}", all_text(&error));
    let text = all_text(&error);
    assert!(!text.contains(FIN) && !text.contains("https:") && !text.contains("localhost"), "{text}");
    (error, server)
}

#[tokio::test]
async fn a_question_goes_out_as_written_over_mutual_tls_13_with_hybrid_key_exchange() {
    let world = World::new();
    let server = Server::start(&world.authority, |_, _| Reply::answer("200 OK", "application/json; charset=UTF-8", r#"{"a":1}"#)).await;
    let mut request = get("/abonent/v1?fin=5K7QX2O&ad=%C6%8Fli");
    request.method = Method::POST;
    request.body = Some(Bytes::from_static(b"{}"));
    request.headers.insert("x-own", HeaderValue::from_static("yes"));

    let answer = world.transport(format!("{}/prefix/", server.url())).send(request, JSON, Instant::now() + LONG).await.expect("answer");

    assert_eq!((answer.status, answer.body.as_ref(), answer.retry_after), (200, br#"{"a":1}"#.as_slice(), None));
    let seen = server.seen().remove(0);
    assert_eq!(seen.line(), "POST /prefix/abonent/v1?fin=5K7QX2O&ad=%C6%8Fli HTTP/1.1");
    assert_eq!((seen.header("x-own"), seen.body.as_slice()), (Some("yes"), b"{}".as_slice()));
    assert_eq!(seen.header("accept-encoding"), None, "no content coding is offered");
    assert!(seen.tls13);
    assert_eq!(seen.group, "X25519MLKEM768");
    assert_eq!(seen.client, der(&world.client.certificate));
}

#[tokio::test]
async fn http2_is_spoken_where_the_peer_offers_it() {
    let world = World::new();
    let mut config = server_config(&world.authority, &Setup::default());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("https://localhost:{}", listener.local_addr().expect("address").port());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("accept");
        let tls = acceptor.accept(tcp).await.expect("handshake");
        let service = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
            let body = http_body_util::Full::new(Bytes::from(format!("\"{:?}\"", request.version())));
            let answer = hyper::Response::builder().header("content-type", "application/json").body(body).expect("answer");
            Ok::<_, io::Error>(answer)
        });
        let executor = hyper_util::rt::TokioExecutor::new();
        hyper::server::conn::http2::Builder::new(executor).serve_connection(hyper_util::rt::TokioIo::new(tls), service).await
    });
    let transport = Transport::new(TransportOptions { http: HttpVersions::Http1And2, ..world.options(url) }).expect("options");

    for _ in 0..3 {
        let answer = ask(&transport, "/x", LONG).await.expect("answer");
        assert_eq!(answer.body.as_ref(), b"\"HTTP/2.0\"");
    }
}

#[tokio::test]
async fn one_connection_serves_many_calls() {
    let world = World::new();
    let server = Server::start(&world.authority, ok).await;
    let transport = world.transport(server.url());
    for _ in 0..20 {
        ask(&transport, "/x", LONG).await.expect("answer");
    }
    assert_eq!((server.accepted(), server.seen().len()), (1, 20));
}

#[tokio::test]
async fn a_new_connection_resumes_the_session() {
    let world = World::new();
    let server = Server::start(&world.authority, |_, _| {
        Reply::Cut(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}".to_vec())
    })
    .await;
    let transport = world.transport(server.url());
    for _ in 0..2 {
        ask(&transport, "/x", LONG).await.expect("answer");
    }
    let resumed: Vec<bool> = server.seen().iter().map(|seen| seen.resumed).collect();
    assert_eq!(resumed, [false, true]);
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_its_time() {
    let world = World::new();
    let server = Server::start(&world.authority, ok).await;
    let options = TransportOptions { idle_timeout: SHORT, ..world.options(server.url()) };
    let transport = Transport::new(options).expect("options are good");
    ask(&transport, "/x", LONG).await.expect("answer");
    let answered = Instant::now();
    until(|| server.ended.load(Ordering::SeqCst) == 1).await;
    assert!(answered.elapsed() >= SHORT / 2, "not at once");
    ask(&transport, "/x", LONG).await.expect("answer");
    assert_eq!(server.accepted(), 2);
}

/// After a lull that ended every connection, a burst resumes as many sessions as it has connections.
#[tokio::test]
async fn a_burst_of_connections_resumes_sessions() {
    let world = World::new();
    let release = Arc::new(tokio::sync::Notify::new());
    let server = Server::start(&world.authority, {
        let release = Arc::clone(&release);
        move |_, _| {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
            Reply::After(Arc::clone(&release), Box::new(Reply::Cut(head.into())))
        }
    })
    .await;
    let transport = Arc::new(world.transport(server.url()));
    for _ in 0..2 {
        let mut held = Vec::new();
        for _ in 0..20 {
            held.push(hold(&transport, &server, "/x").await);
        }
        release.notify_waiters();
        for call in held {
            call.await.expect("task").expect("answer");
        }
    }
    let resumed: Vec<bool> = server.seen().iter().map(|seen| seen.resumed).collect();
    assert_eq!(resumed.first_chunk::<1>(), Some(&[false]));
    assert!(resumed.get(20..).is_some_and(|burst| burst.len() == 20 && burst.iter().all(|resumed| *resumed)), "{resumed:?}");
}

#[tokio::test]
async fn only_the_given_roots_are_trusted() {
    let world = World::new();
    let server = Server::start(&world.authority, ok).await;
    let other = Authority::new("another authority");
    let transport =
        Transport::new(TransportOptions { server_roots_pem: other.pem().into(), ..world.options(server.url()) }).expect("options are good");

    let error = ask(&transport, "/x", LONG).await.expect_err("untrusted");

    assert_eq!((error.kind(), error.sent(), error.retryable()), (&CallErrorKind::Tls, Sent::No, false));
    assert!(all_text(&error).contains("unknown issuer"));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_and_not_quoted() {
    let world = World::new();
    let setup = Setup { name: "fin-5k7qx2o.test", ..Setup::default() };
    let server = Server::start_with(&world.authority, &setup, ok).await;

    let error = ask(&world.transport(server.url()), "/x", LONG).await.expect_err("other name");

    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Tls, Sent::No));
    assert!(!all_text(&error).contains("5k7qx2o"), "{}", all_text(&error));
}

#[tokio::test]
async fn a_peer_that_wants_a_certificate_refuses_a_client_without_or_with_a_foreign_one() {
    let world = World::new();
    let server = Server::start(&world.authority, ok).await;
    let foreign = Authority::new("another authority").issue("gateway.test");
    let foreign = Identity::new(foreign.certificate, foreign.key);
    for (identity, alert) in [(None, AlertDescription::CertificateRequired), (Some(foreign), AlertDescription::UnknownCA)] {
        let transport = Transport::new(TransportOptions { identity, ..world.options(server.url()) }).expect("options are good");
        let error = ask(&transport, "/x", LONG).await.expect_err("refused");
        assert_eq!((error.kind(), error.retryable()), (&CallErrorKind::Tls, false), "{}", all_text(&error));
        let cause = error.source().and_then(|source| source.downcast_ref::<Cause>());
        assert!(matches!(cause, Some(Cause::Alert(_))), "{cause:?}");
        // The verifier's word for a foreign issuer is its own affair; that of a missing one is not.
        assert!(alert != AlertDescription::CertificateRequired || cause == Some(&Cause::Alert(alert)));
    }
    assert!(server.seen().is_empty(), "no question was read");
}

#[tokio::test]
async fn tls_12_is_spoken_only_by_option() {
    let world = World::new();
    let setup = Setup { version: &rustls::version::TLS12, ..Setup::default() };
    let server = Server::start_with(&world.authority, &setup, ok).await;

    let error = ask(&world.transport(server.url()), "/x", LONG).await.expect_err("too old");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Tls, Sent::No));

    let transport = Transport::new(TransportOptions { tls: TlsVersions::Tls12And13, ..world.options(server.url()) }).expect("options");
    assert_eq!(ask(&transport, "/x", LONG).await.expect("answer").status, 200);
}

#[tokio::test]
async fn a_tls_12_session_is_resumed_too() {
    let world = World::new();
    let setup = Setup { version: &rustls::version::TLS12, ..Setup::default() };
    let server = Server::start_with(&world.authority, &setup, |_, _| {
        Reply::Cut(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}".to_vec())
    })
    .await;
    let transport = Transport::new(TransportOptions { tls: TlsVersions::Tls12And13, ..world.options(server.url()) }).expect("options");
    for _ in 0..2 {
        ask(&transport, "/x", LONG).await.expect("answer");
    }
    assert_eq!(server.seen().iter().map(|seen| seen.resumed).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_a_connect_error_and_nothing_was_sent() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    drop(listener);

    let error = ask(&world.transport(format!("https://localhost:{port}")), "/x", LONG).await.expect_err("refused");

    assert_eq!(
        (error.kind(), error.sent(), error.retryable(), error.origin()),
        (&CallErrorKind::Connect, Sent::No, true, Origin::Provider)
    );
    assert_eq!(error.source().map(ToString::to_string), Some("connection refused".to_owned()));
}

#[tokio::test]
async fn a_peer_that_never_finishes_the_handshake_is_given_up() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("https://localhost:{}", listener.local_addr().expect("address").port());
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(accepted) = listener.accept().await {
            held.push(accepted);
        }
    });

    let impatient = Transport::new(TransportOptions { connect_timeout: SHORT, ..world.options(url.clone()) }).expect("options");
    let error = ask(&impatient, "/x", LONG).await.expect_err("no handshake");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Connect, Sent::No));
    assert_eq!(error.source().and_then(|source| source.downcast_ref()), Some(&Cause::ConnectTimeout));

    let error = ask(&world.transport(url), "/x", SHORT).await.expect_err("no handshake");
    assert_eq!(error.kind(), &CallErrorKind::Deadline);
    silent.abort();
}

#[tokio::test]
async fn a_deadline_that_has_passed_sends_nothing() {
    let world = World::new();
    let server = Server::start(&world.authority, ok).await;
    let error = ask(&world.transport(server.url()), "/x", Duration::ZERO).await.expect_err("too late");
    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Deadline, Sent::No));
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn a_peer_that_hangs_or_drips_is_left_at_the_deadline() {
    let scripts: [fn(usize, &Seen) -> Reply; 4] = [
        |_, _| Reply::Hang,
        |_, _| Reply::Bytes(b"HTTP/1.1 200 O".to_vec()),
        |_, _| Reply::Drip(b"HTTP/1.1 200 OK\r\nx-".to_vec()),
        |_, _| Reply::Drip(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n{".to_vec()),
    ];
    for script in scripts {
        let began = Instant::now();
        let (error, server) = check_error(script, CallErrorKind::Deadline, Sent::Maybe).await;
        assert!(error.retryable());
        assert!(began.elapsed() >= SHORT);
        // The connection of an abandoned call is closed, so the peer is not left waiting either.
        until(|| server.ended.load(Ordering::SeqCst) == 1).await;
    }
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let world = World::new();
    let server = Server::start(&world.authority, |_, _| Reply::Hang).await;
    let transport = Arc::new(world.transport(server.url()));
    let call = tokio::spawn({
        let transport = Arc::clone(&transport);
        async move { ask(&transport, "/x", LONG).await }
    });
    until(|| server.seen().len() == 1).await;

    call.abort();

    until(|| server.ended.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_connection_lost_before_the_end_is_a_reset() {
    let scripts: [fn(usize, &Seen) -> Reply; 4] = [
        |_, _| Reply::Cut(Vec::new()),
        |_, _| Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()),
        |_, _| Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{".to_vec()),
        |_, _| Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n".to_vec()),
    ];
    for script in scripts {
        let (error, server) = check_error(script, CallErrorKind::Reset, Sent::Maybe).await;
        assert!(error.retryable());
        assert_eq!(server.seen().len(), 1, "asked once");
    }
}

#[tokio::test]
async fn a_flood_stops_at_the_limit() {
    const FLOOD: usize = 100 * 1024 * 1024;
    let flood = |head: &'static str, chunk: &'static [u8]| move |_: usize, _: &Seen| Reply::Flood(head.into(), chunk.into(), FLOOD);
    static CHUNK: [u8; 16 * 1024] = [b' '; 16 * 1024];
    static CODED: &[u8] = b"20\r\n                                \r\n";

    let announced = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";
    check_error(flood(announced, &CHUNK), CallErrorKind::TooLarge, Sent::Maybe).await;

    let unannounced = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let (_, server) = check_error(flood(unannounced, CODED), CallErrorKind::TooLarge, Sent::Maybe).await;
    until(|| server.ended.load(Ordering::SeqCst) == 1).await;
    // What the sockets' buffers hold beyond the limit is the kernel's.
    assert!(server.flooded.load(Ordering::SeqCst) < FLOOD / 4, "the client stopped reading");

    let until_close = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    check_error(flood(until_close, &CHUNK), CallErrorKind::TooLarge, Sent::Maybe).await;
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_accepted() {
    let world = World::new();
    let server = Server::start(&world.authority, |nth, _| Reply::answer("200 OK", "application/json", vec![b' '; 64 * 1024 + nth])).await;
    let transport = world.transport(server.url());
    assert_eq!(ask(&transport, "/x", LONG).await.expect("answer").body.len(), 64 * 1024);
    assert_eq!(ask(&transport, "/x", LONG).await.expect_err("one more").kind(), &CallErrorKind::TooLarge);
}

#[tokio::test]
async fn a_head_without_end_or_measure_is_refused() {
    check_error(
        |_, _| Reply::Flood(b"HTTP/1.1 200 OK\r\n".to_vec(), format!("x-{FIN}: {FIN}\r\n").into_bytes(), 10 * 1024 * 1024),
        CallErrorKind::TooLarge,
        Sent::Maybe,
    )
    .await;
    check_error(|_, _| Reply::with("200 OK", &"x-a: b\r\n".repeat(100), "{}"), CallErrorKind::TooLarge, Sent::Maybe).await;
}

#[tokio::test]
async fn what_is_not_http_is_malformed() {
    let scripts: [fn(usize, &Seen) -> Reply; 3] = [
        |_, _| Reply::Bytes(b"5K7QX2O is not HTTP at all\r\n\r\n".to_vec()),
        |_, _| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 5K7QX2O\r\n\r\n".to_vec()),
        |_, _| Reply::Bytes(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5K7QX2O\r\n".to_vec()),
    ];
    for script in scripts {
        check_error(script, CallErrorKind::Malformed, Sent::Maybe).await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new();
    let elsewhere = Server::start(&world.authority, ok).await;
    let target = format!("location: {}/x?fin={FIN}\r\n", elsewhere.url());
    for (status, code) in [("301 Moved", 301), ("302 Found", 302), ("307 Temporary", 307), ("308 Permanent", 308)] {
        let target = target.clone();
        check_error(move |_, _| Reply::with(status, &target, ""), CallErrorKind::Status(code), Sent::Maybe).await;
    }
    assert_eq!(elsewhere.accepted(), 0);
}

#[tokio::test]
async fn a_success_of_another_media_type_is_refused() {
    for headers in [
        "content-type: text/html\r\n",
        "content-type: application/json; charset=windows-1254\r\n",
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        "",
    ] {
        check_error(move |_, _| Reply::with("200 OK", headers, "<html>5K7QX2O"), CallErrorKind::ContentType, Sent::Maybe).await;
    }
}

#[tokio::test]
async fn a_success_without_a_body_needs_no_media_type_where_the_protocol_says_so() {
    let world = World::new();
    let server = Server::start(&world.authority, |_, _| Reply::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())).await;
    let transport = world.transport(server.url());
    assert_eq!(ask(&transport, "/x", LONG).await.expect("answer").status, 204);
    let strict = Expected { empty: false, ..JSON };
    let error = transport.send(get("/x"), strict, Instant::now() + LONG).await.expect_err("no media type");
    assert_eq!(error.kind(), &CallErrorKind::ContentType);
}

#[tokio::test]
async fn an_exchange_gives_the_headers_of_success_and_failure() {
    let world = World::new();
    let server = Server::start(&world.authority, |nth, _| match nth {
        0 => Reply::with("202 Accepted", "content-type: application/json\r\nlocation: /v1/1\r\nretry-after: 3\r\n", "{}"),
        _ => Reply::with("500 Oops", "content-type: text/html\r\nx-error: yes\r\n", "<html>"),
    })
    .await;
    let transport = world.transport(server.url());
    let accepted = transport.exchange(get("/x"), JSON, Instant::now() + LONG).await.expect("answer");
    assert_eq!((accepted.status, accepted.body.as_ref(), accepted.retry_after), (202, b"{}".as_slice(), Some(Duration::from_secs(3))));
    assert_eq!(accepted.headers.get(http::header::LOCATION).map(HeaderValue::as_bytes), Some(b"/v1/1".as_slice()));
    let failed = transport.exchange(get("/x"), JSON, Instant::now() + LONG).await.expect("answer");
    assert_eq!((failed.status, failed.body.len(), failed.headers.contains_key("x-error")), (500, 0, true));
}

#[tokio::test]
async fn an_error_status_is_an_answer_and_foreign_pages_are_left_out() {
    let world = World::new();
    let server = Server::start(&world.authority, |nth, _| match nth {
        0 => Reply::answer("404 Not Found", "application/json", r#"{"xeta":"abonent_tapilmadi"}"#),
        1 => Reply::with("503 Busy", "content-type: text/html\r\nretry-after: 120\r\n", "<html>5K7QX2O</html>"),
        _ => Reply::with("429 Too Many", "retry-after: Wed, 21 Oct 2099 07:28:00 GMT\r\n", ""),
    })
    .await;
    let transport = world.transport(server.url());

    let absent = ask(&transport, "/x", LONG).await.expect("answer");
    assert_eq!((absent.status, absent.body.as_ref()), (404, br#"{"xeta":"abonent_tapilmadi"}"#.as_slice()));
    let busy = ask(&transport, "/x", LONG).await.expect("answer");
    assert_eq!((busy.status, busy.body.len(), busy.retry_after), (503, 0, Some(Duration::from_secs(120))));
    let many = ask(&transport, "/x", LONG).await.expect("answer");
    assert_eq!((many.status, many.body.len(), many.retry_after), (429, 0, Some(RETRY_AFTER_MAX)));
}

/// A peer of HTTP/2 that answers every question by going away, quoting it.
#[tokio::test]
async fn a_peer_that_goes_away_is_not_asked_again_nor_quoted() {
    let world = World::new();
    let mut config = server_config(&world.authority, &Setup::default());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("https://localhost:{}", listener.local_addr().expect("address").port());
    let (asked, mut count) = tokio::sync::mpsc::unbounded_channel();
    let peer = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let mut tls = acceptor.accept(tcp).await.expect("handshake");
            let frame = |kind: u8, payload: &[u8]| {
                let length = u8::try_from(payload.len()).expect("short");
                [&[0, 0, length, kind, 0, 0, 0, 0, 0], payload].concat()
            };
            tls.write_all(&frame(4, b"")).await.expect("settings");
            let mut buffer = Vec::new();
            // A HEADERS frame (kind 1) has arrived once the query's path is in the buffer's frames.
            while !has_headers_frame(&buffer) {
                if tls.read_buf(&mut buffer).await.expect("read") == 0 {
                    return;
                }
            }
            asked.send(()).expect("test listens");
            // Last stream 0, NO_ERROR: "nothing was processed", which HTTP clients like to repeat.
            let debug = [&[0; 8], FIN.as_bytes()].concat();
            tls.write_all(&frame(7, &debug)).await.expect("goaway");
            tls.shutdown().await.expect("close");
        }
    });
    let transport = Transport::new(TransportOptions { http: HttpVersions::Http1And2, ..world.options(url) }).expect("options");

    let error = ask(&transport, &format!("/x?fin={FIN}"), LONG).await.expect_err("gone");

    assert_eq!((error.kind(), error.sent()), (&CallErrorKind::Reset, Sent::Maybe));
    assert!(!all_text(&error).contains(FIN), "{}", all_text(&error));
    peer.abort();
    assert_eq!(std::iter::from_fn(|| count.try_recv().ok()).count(), 1, "asked once");
}

/// Whether the client's bytes (preface, then frames) hold a whole HEADERS frame header.
fn has_headers_frame(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(24..).unwrap_or_default();
    while let [a, b, c, kind, ..] = rest {
        if *kind == 1 {
            return true;
        }
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}

/// Answers at once, but for paths with `held`, which wait to be told.
fn holding(release: &Arc<tokio::sync::Notify>) -> impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static {
    let release = Arc::clone(release);
    move |_, seen| {
        let answer = Reply::answer("200 OK", "application/json", "{}");
        if seen.line().contains("held") { Reply::After(Arc::clone(&release), Box::new(answer)) } else { answer }
    }
}

/// Begins a call that is held, and waits until the server has it.
async fn hold(transport: &Arc<Transport>, server: &Server, path: &'static str) -> tokio::task::JoinHandle<Result<WireAnswer, CallError>> {
    let before = server.seen().len();
    let transport = Arc::clone(transport);
    let held = tokio::spawn(async move { ask(&transport, path, LONG).await });
    until(|| server.seen().len() > before).await;
    held
}

#[tokio::test]
async fn the_identity_is_swapped_and_open_connections_stay_in_use() {
    let world = World::new();
    let next = world.authority.issue("gateway.test");
    let release = Arc::new(tokio::sync::Notify::new());
    let server = Server::start(&world.authority, holding(&release)).await;
    let transport = Arc::new(world.transport(server.url()));
    ask(&transport, "/first", LONG).await.expect("answer");

    transport.replace_identity(&Identity::new(next.certificate.clone(), next.key.clone())).expect("good identity");
    ask(&transport, "/pooled", LONG).await.expect("answer");
    assert_eq!(server.accepted(), 1, "the open connection is used on");
    // Each held call needs a connection of its own; the first takes the old one.
    let mut held = vec![hold(&transport, &server, "/held/old").await];
    held.push(hold(&transport, &server, "/held/new").await);
    held.push(hold(&transport, &server, "/held/resumed").await);
    release.notify_waiters();
    for call in held {
        assert_eq!(call.await.expect("task").expect("answer").status, 200);
    }

    let seen: Vec<_> = server.seen().into_iter().map(|seen| (seen.line().to_owned(), seen.connection, seen.client, seen.resumed)).collect();
    let (old, new) = (der(&world.client.certificate), der(&next.certificate));
    let line = |path: &str| format!("GET {path} HTTP/1.1");
    assert_eq!(
        seen,
        [
            (line("/first"), 0, old.clone(), false),
            (line("/pooled"), 0, old.clone(), false),
            (line("/held/old"), 0, old, false),
            // The old identity's tickets are there, and are not used.
            (line("/held/new"), 1, new.clone(), false),
            (line("/held/resumed"), 2, new, true),
        ]
    );
    assert_eq!(server.ended.load(Ordering::SeqCst), 0, "no connection was given up");
}

#[tokio::test]
async fn the_same_identity_again_changes_nothing() {
    let world = World::new();
    let release = Arc::new(tokio::sync::Notify::new());
    let server = Server::start(&world.authority, holding(&release)).await;
    let transport = Arc::new(world.transport(server.url()));
    ask(&transport, "/first", LONG).await.expect("answer");

    transport.replace_identity(&world.identity()).expect("good identity");
    let held = hold(&transport, &server, "/held").await;
    ask(&transport, "/resumed", LONG).await.expect("answer");
    release.notify_waiters();
    held.await.expect("task").expect("answer");

    let seen: Vec<_> = server.seen().into_iter().map(|seen| (seen.connection, seen.resumed)).collect();
    assert_eq!(seen, [(0, false), (0, false), (1, true)], "no full handshake but the first");
}

#[tokio::test]
async fn a_busy_connection_of_the_old_identity_ends_at_last() {
    let world = World::new();
    let next = world.authority.issue("gateway.test");
    let server = Server::start(&world.authority, ok).await;
    let options = TransportOptions { idle_timeout: SHORT, ..world.options(server.url()) };
    let transport = Transport::new(options).expect("options are good");
    ask(&transport, "/x", LONG).await.expect("answer");

    transport.replace_identity(&Identity::new(next.certificate.clone(), next.key.clone())).expect("good identity");
    let new = der(&next.certificate);
    // Without a pause, so that the connection is never idle.
    while server.seen().last().is_none_or(|seen| seen.client != new) {
        ask(&transport, "/x", LONG).await.expect("no call is lost over it");
    }

    until(|| server.ended.load(Ordering::SeqCst) == 1).await;
    ask(&transport, "/x", LONG).await.expect("answer");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn an_unusable_identity_leaves_the_old_one_in_use() {
    let world = World::new();
    let server = Server::start(&world.authority, ok).await;
    let transport = world.transport(server.url());
    let other = world.authority.issue("gateway.test");

    let mixed = Identity::new(world.client.certificate.clone(), other.key.clone());
    assert_eq!(transport.replace_identity(&mixed), Err(TransportError::Identity));
    assert_eq!(transport.replace_identity(&Identity::new("", other.key)), Err(TransportError::Certificate));
    assert_eq!(transport.replace_identity(&Identity::new(other.certificate, "no key")), Err(TransportError::Key));

    ask(&transport, "/x", LONG).await.expect("answer");
    assert_eq!(server.seen().remove(0).client, der(&world.client.certificate));
}

#[test]
fn a_base_address_must_be_plain_https() {
    let world = World::new();
    for url in [
        "http://localhost",
        "localhost:1",
        "https://user:secret@localhost",
        "https://localhost?x=1",
        "https://localhost#x",
        "https://localhost/a/../b",
        "https://localhost/a b",
        "https://localhost:99999",
        "https://localhost:0",
        "https://localhost:x",
        "https://",
        "https:///x",
        "https://ə.test",
        "https://a_b!.test",
        "/x",
        "",
    ] {
        assert!(matches!(Transport::new(world.options(url.to_owned())), Err(TransportError::BaseUrl(_))), "{url}");
    }
    for url in ["https://localhost", "https://localhost:8443/", "https://127.0.0.1:1/a/b", "https://[::1]:1", "https://a.b.test/%C6%8F"] {
        assert!(Transport::new(world.options(url.to_owned())).is_ok(), "{url}");
    }
    let rootless = TransportOptions { server_roots_pem: b"nothing".to_vec(), ..world.options("https://localhost".to_owned()) };
    assert_eq!(Transport::new(rootless).err(), Some(TransportError::Roots));
}

#[tokio::test]
async fn a_path_that_a_url_parser_would_change_is_refused_unsent() {
    let world = World::new();
    let transport = world.transport("https://localhost:1/base".to_owned());
    for path in [
        "",
        "x",
        "?x",
        "https://elsewhere/x",
        "/a/../b",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a/%2E/b",
        "/..",
        "/a b",
        "/a\tb",
        "/a\\b",
        "/a#b",
        "/a?b#c",
        "/ə",
        "/a?b=ə",
        "/a?b c",
        "/a?\"",
        "/a\n",
    ] {
        let error = ask(&transport, path, LONG).await.expect_err("refused");
        assert!(matches!(error.kind(), CallErrorKind::Question(_)), "{path}: {error}");
        assert_eq!((error.sent(), error.origin(), error.retryable()), (Sent::No, Origin::Gateway, false));
    }
}

#[tokio::test]
async fn debug_shows_nothing_of_question_or_answer() {
    let world = World::new();
    let server = Server::start(&world.authority, |_, _| {
        Reply::with("200 OK", &format!("content-type: application/json\r\nx-{FIN}: {FIN}\r\n"), FIN)
    })
    .await;
    let transport = world.transport(server.url());
    let mut request = get(&format!("/x?fin={FIN}"));
    request.body = Some(FIN.into());
    let shown = format!("{request:?} {:?} {transport:?}", SecretText::new(FIN));
    let answer = transport.exchange(request, JSON, Instant::now() + LONG).await.expect("answer");
    let shown = format!("{shown} {answer:?} {:?} {:?}", WireAnswer::from(answer.clone()), world.options(server.url()).identity);
    assert!(!shown.contains(FIN) && !shown.contains("PRIVATE"), "{shown}");
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).expect("value"))])
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let now: Timestamp = "1994-11-06T08:49:37Z".parse().expect("now");
    let read = |text: &str| retry_after(&headers("retry-after", text), now);
    assert_eq!(read("0"), Some(Duration::ZERO));
    assert_eq!(read(" 30 "), Some(Duration::from_secs(30)));
    assert_eq!(read("99999999999999999999999"), Some(RETRY_AFTER_MAX));
    assert_eq!(read("Sun, 06 Nov 1994 08:51:37 GMT"), Some(Duration::from_secs(120)));
    assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    for text in ["", "-1", "1.5", "soon", "+5"] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), now), None);
}

#[test]
fn media_types_are_compared_as_rfc_9110_says() {
    let is_xml = |text: &str| media_type_is(&headers("content-type", text), &["text/xml", "application/soap+xml"]);
    for text in
        ["text/xml", "TEXT/XML;charset=\"UTF-8\"", "application/soap+xml; action=\"urn:x\"; charset=utf-8", "text/xml ; charset=utf8"]
    {
        assert!(is_xml(text), "{text}");
    }
    for text in ["text/xmlx", "text/html", "", "text/xml; charset=iso-8859-9", "multipart/related; type=\"text/xml\""] {
        assert!(!is_xml(text), "{text}");
    }
}

#[test]
fn a_location_leads_below_the_base_or_nowhere() {
    let base = "https://Byuro.test:8443/api/";
    let found = |location: &str| crate::transport::located(base, location, "/v1/inquiries?x=/y");
    for location in
        ["/api/v1/inquiries/7?s=1", "https://byuro.test:8443/api/v1/inquiries/7?s=1", "https://BYURO.TEST:8443/api/v1/inquiries/7?s=1"]
    {
        assert_eq!(found(location).as_deref(), Some("/v1/inquiries/7?s=1"), "{location}");
    }
    assert_eq!(found("inquiries/7").as_deref(), Some("/v1/inquiries/7"));
    for location in [
        "",
        "?s=1",
        "#a",
        "/",
        "/api",
        "/apix/v1",
        "/v1/inquiries/7",
        "//byuro.test:8443/api/v1",
        "//elsewhere/api/v1",
        "https://byuro.test/api/v1",
        "https://byuro.test:443/api/v1",
        "https://byuro.test:x/api/v1",
        "https://elsewhere:8443/api/v1",
        "https://byuro.test:8443@elsewhere/api/v1",
        "https://user@byuro.test:8443/api/v1",
        "https://byuro.test:8443",
        "https://byuro.test:8443\\@elsewhere/api/v1",
        "http://byuro.test:8443/api/v1",
        "HTTPS://byuro.test:8443/api/v1",
        "javascript:x",
        "a:b/c",
        "/api/../v1",
        "/api/%2e%2E/v1",
        "../v1",
        "/api/v1#a",
        "/api/v 1",
        "/api/ə",
        "/api/%",
        "\\api",
    ] {
        assert_eq!(found(location), None, "{location}");
    }
    let plain = |location: &str| crate::transport::located("https://byuro.test", location, "/v1");
    for location in ["https://byuro.test/x", "https://byuro.test:443/x", "/x", "x"] {
        assert_eq!(plain(location).as_deref(), Some("/x"), "{location}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn header_readers_never_panic(value in any::<Vec<u8>>()) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let map = HeaderMap::from_iter([(http::header::RETRY_AFTER, value.clone()), (http::header::CONTENT_TYPE, value)]);
            let wait = retry_after(&map, Timestamp::UNIX_EPOCH);
            assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
            assert!(!media_type_is(&map, &[]), "nothing is accepted where nothing is expected");
        }
    }

    /// Whatever a mapping writes as a path arrives as written, or not at all.
    #[test]
    fn a_path_is_sent_as_written_or_refused(path in "/[ -~ə]{0,12}(\\?[ -~ə]{0,12})?") {
        if let Ok(url) = crate::transport::address("https://localhost/base/", &path) {
            prop_assert_eq!(&url, &format!("https://localhost/base{path}"));
            // What a parser that tidies up, as browsers and proxies have, sees nothing to do at.
            prop_assert_eq!(reqwest::Url::parse(&url).map(String::from), Ok(url));
        }
    }

    /// Whatever is made of encoded parts is sent.
    #[test]
    fn a_path_of_encoded_parts_is_sent(parts in prop::collection::vec("([a-z0-9_~-]|%[0-9A-F][0-9A-D]){1,8}", 1..5)) {
        let path = format!("/{}?a={}", parts.join("/"), parts.join("&b="));
        prop_assert_eq!(crate::transport::address("https://localhost", &path).ok(), Some(format!("https://localhost{path}")));
    }

    /// An old connection is given up neither before one idle timeout nor after two.
    #[test]
    fn patience_with_an_old_identity_is_bounded(spread in 0_u32..16, seconds in 0_u64..100) {
        let given_up = crate::transport::given_up(spread, Duration::from_secs(30), Duration::from_secs(seconds));
        prop_assert!(!given_up || seconds >= 30);
        prop_assert!(given_up || seconds < 60);
    }
}
