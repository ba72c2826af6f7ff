use std::path::Path;

use axum::Extension;
use axum::routing::get;
use http::Version;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::pki::{Authority, CRL_VALIDITY, LEAF_VALIDITY, Validity};
use crate::tls::{ClientTlsFiles, CrlState, Minimum, ServerTlsFiles, client_config};

/// Longest a test waits for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);

/// An authority with a gateway certificate.
struct Pki {
    authority: Authority,
    dir: TempDir,
}

impl Pki {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let now = Timestamp::now();
        let mut authority = Authority::init(dir.path(), "Test authority", CRL_VALIDITY, now).expect("made");
        authority.issue_server("gateway", &["localhost"], Validity::starting(now, LEAF_VALIDITY), now).expect("issued");
        Self { authority, dir }
    }

    /// A client's files; its certificate names `NAME.test`.
    fn client(&mut self, name: &str) -> ClientTlsFiles {
        self.client_for(name, Validity::starting(Timestamp::now(), LEAF_VALIDITY))
    }

    fn client_for(&mut self, name: &str, validity: Validity) -> ClientTlsFiles {
        let san = format!("{name}.test");
        let issued = self.authority.issue_client(name, &[&san], validity, Timestamp::now()).expect("issued");
        ClientTlsFiles { ca: self.authority.certificate(), identity: Some((issued.certificate, issued.key)) }
    }

    fn server(&self, crl_grace: Duration) -> ServerTls {
        ServerTls::load(&self.server_files(crl_grace)).expect("loads")
    }

    fn server_files(&self, crl_grace: Duration) -> ServerTlsFiles {
        let file = |name: &str| self.dir.path().join(name);
        ServerTlsFiles {
            certificate: file("gateway.pem"),
            key: file("gateway.key"),
            client_ca: file("ca.pem"),
            crl: Some(file("crl.pem")),
            crl_grace,
            minimum: Minimum::Tls13,
            anonymous: false,
        }
    }
}

fn stranger(ca: &Path) -> (Pki, ClientTlsFiles) {
    let mut other = Pki::new();
    let files = other.client("stranger");
    (other, ClientTlsFiles { ca: ca.to_owned(), ..files })
}

/// A listener that is open.
struct Open {
    address: SocketAddr,
    tls: Option<Arc<ArcSwap<ServerTls>>>,
    refusals: Arc<Refusals>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn open(tls: Option<ServerTls>, limits: Limits, app: Router) -> Open {
    let socket = bind("127.0.0.1:0".parse().expect("an address")).await.expect("bound");
    let address = socket.local_addr().expect("an address");
    let tls = tls.map(|tls| Arc::new(ArcSwap::from_pointee(tls)));
    let refusals = Arc::new(Refusals::default());
    let (stop, shutdown) = watch::channel(false);
    let door = Door { name: "internal", tls: tls.clone(), limits, refusals: refusals.clone() };
    Open { address, tls, refusals, stop, task: tokio::spawn(serve(socket, door, app, shutdown)) }
}

fn app() -> Router {
    Router::new().route("/", get(who))
}

async fn who(peer: Option<Extension<Arc<PeerCertificate>>>, ConnectInfo(remote): ConnectInfo<SocketAddr>, version: Version) -> String {
    let names = peer.map_or_else(|| "nobody".to_owned(), |Extension(peer)| peer.names.join(","));
    format!("{names} from {} by {version:?}", remote.ip())
}

impl Open {
    async fn knock(&self, files: &ClientTlsFiles) -> io::Result<TlsStream<TcpStream>> {
        self.knock_with(client_config(files).expect("a client")).await
    }

    async fn knock_with(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Knocks and asks once over HTTP/1.1; an error is a refusal, since TLS 1.3 tells it at the first read.
    async fn visit(&self, files: &ClientTlsFiles) -> io::Result<String> {
        ask(&mut self.knock(files).await?, "").await
    }

    /// Knocks and says nothing: the refusal that TLS itself tells, before any request.
    async fn turned_away(&self, files: &ClientTlsFiles) -> Refusal {
        let mut stream = self.knock(files).await.expect("TLS 1.3 clients learn of it at their first read");
        let told = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("told").expect_err("an alert");
        assert_eq!(told.kind(), io::ErrorKind::InvalidData, "{told}");
        let counts = self.refused().await;
        assert_eq!(counts.values().sum::<u64>(), 1);
        *counts.keys().next().expect("one")
    }

    /// The refusals, as soon as there are any.
    async fn refused(&self) -> BTreeMap<Refusal, u64> {
        let mut counts = BTreeMap::new();
        until(|| {
            counts = self.refusals.take();
            !counts.is_empty()
        })
        .await;
        counts
    }

    async fn close(self) {
        self.stop.send(true).expect("still open");
        timeout(PATIENCE, self.task).await.expect("drains").expect("no panic");
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the condition comes true");
}

/// One request on an open HTTP/1.1 connection; the answer's status line and body.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, headers: &str) -> io::Result<String> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").as_bytes()).await?;
    answer(stream).await
}

async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return Ok(format!("{} {body}", head.lines().next().unwrap_or_default()));
            }
        }
        let mut part = [0; 4_096];
        let read = timeout(PATIENCE, stream.read(&mut part)).await.expect("an answer or an end")?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(part.iter().take(read));
    }
}

#[tokio::test]
async fn a_good_certificate_is_served_over_both_versions_and_known_by_its_names() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;

    let over_h1 = open.visit(&files).await.expect("served");
    assert_eq!(over_h1, "HTTP/1.1 200 OK targeted-aid.test from 127.0.0.1 by HTTP/1.1");

    let mut config = client_config(&files).expect("a client");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).build().expect("a client");
    let url = format!("https://localhost:{}/", open.address.port());
    let over_h2 = client.get(url).send().await.expect("served");
    assert_eq!(over_h2.version(), Version::HTTP_2);
    assert_eq!(read(over_h2).await, "targeted-aid.test from 127.0.0.1 by HTTP/2.0");
    assert!(open.refusals.take().is_empty());
    open.close().await;
}

#[expect(clippy::disallowed_methods, reason = "our own short test answers")]
async fn read(answer: reqwest::Response) -> String {
    answer.text().await.expect("text")
}

#[tokio::test]
async fn the_hybrid_key_exchange_is_agreed_and_tls_1_2_refused() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;

    let stream = open.knock(&files).await.expect("served");
    let session = stream.get_ref().1;
    assert_eq!(session.negotiated_key_exchange_group().map(|group| group.name()), Some(rustls::NamedGroup::X25519MLKEM768));
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));

    let old = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    open.knock_with(old).await.expect_err("refused");
    assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Other, 1)]));
}

#[tokio::test]
async fn whoever_cannot_show_a_good_certificate_is_refused_and_counted_by_reason() {
    let mut pki = Pki::new();
    let ca = pki.authority.certificate();
    let nobody = ClientTlsFiles { ca: ca.clone(), identity: None };
    let (_other, unknown) = stranger(&ca);
    let expired = pki.client_for("expired", Validity::expired(Timestamp::now()));
    let early = pki.client_for("early", Validity { from: Timestamp::now() + HOUR, until: Timestamp::now() + 2 * HOUR });
    let revoked = pki.client("revoked");
    pki.authority.revoke("revoked", Timestamp::now()).expect("revoked");
    let server_use = ClientTlsFiles { ca, identity: Some((pki.dir.path().join("gateway.pem"), pki.dir.path().join("gateway.key"))) };
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;

    for (files, reason) in [
        (nobody, Refusal::Missing),
        (unknown, Refusal::Untrusted),
        (server_use, Refusal::Untrusted),
        (expired, Refusal::Expired),
        (early, Refusal::Expired),
        (revoked, Refusal::Revoked),
    ] {
        assert_eq!(open.turned_away(&files).await, reason);
    }
    open.close().await;
}

#[tokio::test]
async fn clients_that_never_finish_their_handshake_hold_up_nobody() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    // Silence is not timed out in this test: only the bound on handshakes can make room.
    let limits = Limits { handshake_timeout: HOUR, handshakes_max: 3, ..Limits::default() };
    let open = open(Some(pki.server(HOUR)), limits, app()).await;

    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(TcpStream::connect(open.address).await.expect("accepted"));
    }
    let answer = timeout(PATIENCE, open.visit(&files)).await.expect("not held up").expect("served");
    assert!(answer.contains("targeted-aid.test"));
    // The oldest of them were pushed out to make room: their sockets are at an end.
    let ended = timeout(PATIENCE, silent[0].read(&mut [0; 1])).await.expect("closed");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert!(open.refused().await.contains_key(&Refusal::Busy));
    // The drain does not wait for the rest of them.
    open.close().await;
}

#[tokio::test]
async fn a_silent_handshake_ends_by_itself() {
    let pki = Pki::new();
    let limits = Limits { handshake_timeout: Duration::from_millis(30), ..Limits::default() };
    let open = open(Some(pki.server(HOUR)), limits, app()).await;
    let mut silent = TcpStream::connect(open.address).await.expect("accepted");
    let ended = timeout(PATIENCE, silent.read(&mut [0; 1])).await.expect("closed");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Timeout, 1)]));
}

#[tokio::test]
async fn what_is_not_tls_at_all_is_refused_and_the_next_client_is_served() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;
    let mut plain = TcpStream::connect(open.address).await.expect("accepted");
    ask(&mut plain, "").await.expect_err("not served");
    assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Other, 1)]));
    open.visit(&files).await.expect("served");
}

#[tokio::test]
async fn an_overdue_revocation_list_admits_within_its_grace_and_nobody_after_it() {
    let mut pki = Pki::new();
    let good = pki.client("good");
    let revoked = pki.client("revoked");
    pki.authority.revoke("revoked", Timestamp::now()).expect("revoked");
    // A list an hour long, made three hours ago: two hours overdue.
    pki.authority.renew_crl(HOUR, Timestamp::now() - 3 * HOUR).expect("written");

    let lenient = open(Some(pki.server(24 * HOUR)), Limits::default(), app()).await;
    lenient.visit(&good).await.expect("served");
    assert_eq!(lenient.turned_away(&revoked).await, Refusal::Revoked);

    let strict = open(Some(pki.server(HOUR)), Limits::default(), app()).await;
    for files in [&good, &revoked] {
        assert_eq!(strict.turned_away(files).await, Refusal::RevocationUnknown);
    }
}

#[test]
fn an_overdue_list_raises_the_alarm_and_a_new_one_ends_it() {
    let mut pki = Pki::new();
    let now = Timestamp::now();
    pki.authority.renew_crl(HOUR, now).expect("written");
    let server = pki.server(HOUR);
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        for (at, state, gauge) in [
            (now, CrlState::Current, 0),
            (now + 90 * HOUR / 60, CrlState::Grace, 1),
            (now + 3 * HOUR, CrlState::Expired, 1),
            (now, CrlState::Current, 0),
        ] {
            server.observe("internal", at);
            assert_eq!(server.crl_state(at), state);
            let line = format!("qovsaq_crl_expired{{listener=\"internal\"}} {gauge}");
            assert!(shown.render().contains(&line), "{line}\n{}", shown.render());
        }
    });
}

#[tokio::test]
async fn a_reload_reaches_open_connections_and_resumed_sessions() {
    let mut pki = Pki::new();
    let good = pki.client("good");
    let bad = pki.client("bad");
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;
    // One configuration for both of its connections, so that the second one has a ticket to resume by.
    let bad_config = client_config(&bad).expect("a client");
    let mut good_stream = open.knock(&good).await.expect("served");
    let mut bad_stream = open.knock_with(bad_config.clone()).await.expect("served");
    ask(&mut good_stream, "").await.expect("served");
    ask(&mut bad_stream, "").await.expect("served");

    pki.authority.revoke("bad", Timestamp::now()).expect("revoked");
    open.tls.as_ref().expect("has TLS").store(Arc::new(pki.server(HOUR)));

    ask(&mut bad_stream, "").await.expect_err("revoked since");
    assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Revoked, 1)]));
    let mut again = open.knock_with(bad_config).await.expect("TLS 1.3 clients learn of it at their first read");
    ask(&mut again, "").await.expect_err("refused with a ticket too");
    assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Revoked, 1)]));

    // Who still holds is served once more, then asked to come back under the new configuration.
    ask(&mut good_stream, "").await.expect("served");
    ask(&mut good_stream, "").await.expect_err("closed gracefully");
    open.visit(&good).await.expect("served");
    assert!(open.refusals.take().is_empty());
    open.close().await;
}

#[tokio::test]
async fn a_resumed_session_does_not_outlive_its_certificate() {
    let mut pki = Pki::new();
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;
    // Long enough for one visit, which takes longer on a busy machine.
    for lasts in [2, 10, 60] {
        let until = Timestamp::now() + Duration::from_secs(lasts);
        let files = pki.client_for("brief", Validity { from: until - HOUR, until });
        let config = client_config(&files).expect("a client");
        let visit = async { ask(&mut open.knock_with(config.clone()).await?, "").await };
        if visit.await.is_err() {
            continue;
        }
        until_then(until).await;
        drop(open.refusals.take());
        let mut stream = open.knock_with(config).await.expect("TLS alone would resume");
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
        let ended = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("closed");
        assert!(matches!(ended, Ok(0) | Err(_)));
        assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Expired, 1)]));
        return open.close().await;
    }
    panic!("no visit took less than a minute");
}

async fn until_then(moment: Timestamp) {
    until(|| Timestamp::now() > moment).await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_ends_by_itself() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    let limits = Limits { header_timeout: Duration::from_millis(50), ..Limits::default() };
    let open = open(Some(pki.server(HOUR)), limits, app()).await;
    for protocol in [b"h2".to_vec(), b"http/1.1".to_vec()] {
        let mut config = client_config(&files).expect("a client");
        config.alpn_protocols = vec![protocol];
        let mut stream = open.knock_with(config).await.expect("served");
        let end = async { while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {} };
        timeout(PATIENCE, end).await.expect("closed");
    }
    assert!(open.refusals.take().is_empty(), "nobody was refused");
}

#[tokio::test]
async fn a_revoked_client_is_refused_on_its_open_http_2_connection_too() {
    let mut pki = Pki::new();
    let files = pki.client("bad");
    let open = open(Some(pki.server(HOUR)), Limits::default(), app()).await;
    let mut config = client_config(&files).expect("a client");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).build().expect("a client");
    let url = format!("https://localhost:{}/", open.address.port());
    client.get(&url).send().await.expect("served");

    pki.authority.revoke("bad", Timestamp::now()).expect("revoked");
    open.tls.as_ref().expect("has TLS").store(Arc::new(pki.server(HOUR)));
    // Neither the open connection nor the new one that the client then tries is of any use.
    for _ in 0..3 {
        client.get(&url).send().await.expect_err("revoked since");
    }
    assert!(open.refused().await.keys().eq([&Refusal::Revoked]));
    open.close().await;
}

/// A handler that says when it has begun and ends when told.
fn slow_app(begun: Arc<Semaphore>, go: Arc<Semaphore>) -> Router {
    let slow = move || async move {
        begun.add_permits(1);
        let _go = go.acquire().await;
        "done"
    };
    Router::new().route("/", get(slow))
}

#[tokio::test]
async fn a_drain_lets_requests_in_flight_finish_and_takes_no_new_ones() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    for h2 in [false, true] {
        let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let open = open(Some(pki.server(HOUR)), Limits::default(), slow_app(begun.clone(), go.clone())).await;
        let idle = open.knock(&files).await.expect("served");
        let mut config = client_config(&files).expect("a client");
        config.alpn_protocols = vec![if h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let mut builder = reqwest::Client::builder().tls_backend_preconfigured(config);
        if !h2 {
            builder = builder.http1_only();
        }
        let client = builder.build().expect("a client");
        let url = format!("https://localhost:{}/", open.address.port());
        let flying = tokio::spawn(client.get(url).send());
        drop(timeout(PATIENCE, begun.acquire()).await.expect("begun"));

        open.stop.send(true).expect("open");
        let address = open.address;
        // The socket is closed at once, while the request is still being served.
        let closed = async {
            while TcpStream::connect(address).await.is_ok() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, closed).await.expect("closed");
        assert!(!open.task.is_finished());
        go.add_permits(1);
        let answer = timeout(PATIENCE, flying).await.expect("answered").expect("no panic").expect("an answer");
        assert_eq!(read(answer).await, "done");
        timeout(PATIENCE, open.task).await.expect("drained").expect("no panic");
        drop(idle);
    }
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_time_is_dropped() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let limits = Limits { drain: Duration::from_millis(30), ..Limits::default() };
    let open = open(Some(pki.server(HOUR)), limits, slow_app(begun.clone(), go)).await;
    let mut stream = open.knock(&files).await.expect("served");
    let flying = tokio::spawn(async move { ask(&mut stream, "").await });
    drop(timeout(PATIENCE, begun.acquire()).await.expect("begun"));
    open.close().await;
    timeout(PATIENCE, flying).await.expect("ended").expect("no panic").expect_err("dropped");
}

#[tokio::test]
async fn heads_and_connections_are_bounded() {
    let mut pki = Pki::new();
    let files = pki.client("targeted-aid");
    let limits = Limits { connections_max: 1, header_timeout: Duration::from_millis(200), headers_max: 16, ..Limits::default() };
    let open = open(Some(pki.server(HOUR)), limits, app()).await;

    let mut first = open.knock(&files).await.expect("served");
    ask(&mut first, "").await.expect("served");
    open.visit(&files).await.expect_err("no seat is left");
    assert_eq!(open.refused().await, BTreeMap::from([(Refusal::Busy, 1)]));
    // Half a head and then silence: the connection ends by itself and its seat is free again.
    first.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("taken");
    answer(&mut first).await.expect_err("closed");
    drop(first);
    let mut served = Err(io::Error::other("not yet"));
    let trying = async {
        while served.is_err() {
            served = open.visit(&files).await;
        }
    };
    timeout(PATIENCE, trying).await.expect("a seat is free");

    for headers in [format!("x: {}\r\n", "y".repeat(40_000)), "x: y\r\n".repeat(17)] {
        let answer = async {
            loop {
                let Ok(mut stream) = open.knock(&files).await else { continue };
                match ask(&mut stream, &headers).await {
                    Ok(answer) => break answer,
                    // The seat of the one before may not be free yet.
                    Err(_) => sleep(Duration::from_millis(2)).await,
                }
            }
        };
        let answer = timeout(PATIENCE, answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_dripped_fails_to_be_read_at_its_time() {
    let read_all = |body: Body| async move {
        match http_body_util::BodyExt::collect(body).await {
            Ok(whole) => format!("{} bytes", whole.to_bytes().len()),
            Err(error) => error.to_string(),
        }
    };
    let app = Router::new().route("/", get(read_all));
    let limits = Limits { body_timeout: Duration::from_millis(50), ..Limits::default() };
    let open = open(None, limits, app).await;

    let mut stream = TcpStream::connect(open.address).await.expect("accepted");
    let whole = ask(&mut stream, "content-length: 3\r\n\r\nabc").await.expect("answered");
    assert_eq!(whole, "HTTP/1.1 200 OK 3 bytes");
    let mut stream = TcpStream::connect(open.address).await.expect("accepted");
    let dripped = ask(&mut stream, "content-length: 30\r\n\r\na").await.expect("answered");
    assert!(dripped.contains("took too long"), "{dripped}");
    open.close().await;
}

#[tokio::test]
async fn the_plain_listener_serves_without_a_certificate() {
    let open = open(None, Limits::default(), app()).await;
    let mut stream = TcpStream::connect(open.address).await.expect("accepted");
    assert_eq!(ask(&mut stream, "").await.expect("served"), "HTTP/1.1 200 OK nobody from 127.0.0.1 by HTTP/1.1");
    open.close().await;
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let first = bind("127.0.0.1:0".parse().expect("an address")).await.expect("bound");
    let address = first.local_addr().expect("an address");
    let error = bind(address).await.expect_err("in use");
    let said = error.to_string();
    assert!(said.contains(&address.to_string()) && said.contains("in use") && said.contains("another port"), "{said}");
    let elsewhere = bind("192.0.2.1:80".parse().expect("an address")).await.expect_err("not ours");
    assert!(matches!(elsewhere, BindError::Refused { .. }));
}

#[tokio::test]
async fn a_lost_shutdown_sender_counts_as_a_shutdown() {
    let open = open(None, Limits::default(), app()).await;
    drop(open.stop);
    timeout(PATIENCE, open.task).await.expect("ends").expect("no panic");
}
