//! What happens on the line: TLS, faults of the connection, drain.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use mock_agencies::{AgencyCode, Latency, start};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::world::{self, Authority, World, got, options};

const ASK: &str = "/abonent/v1?fin=5K7QX2O";

fn io_kind(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        found = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(found);
        cause = error.source();
    }
    found
}

#[tokio::test]
async fn only_a_certificate_of_the_named_authority_gets_in() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let url = world.url(ASK);
    assert!(world.authority.client(None).get(&url).send().await.is_err());
    let stranger = Authority::new();
    assert!(world.authority.client(Some(&stranger.issue())).get(&url).send().await.is_err());
    assert!(stranger.client(Some(&world.authority.issue())).get(&url).send().await.is_err());
    assert_eq!(world.agency.calls().total, 0);
    assert_eq!(got(world.client.get(&url)).await.status, 200);
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS12]).expect("versions");
    let connector = TlsConnector::from(Arc::new(old.with_root_certificates(RootCertStore::empty()).with_no_client_auth()));
    let line = TcpStream::connect(world.agency.address).await.expect("connects");
    let error = connector.connect("127.0.0.1".try_into().expect("name"), line).await.expect_err("refused");
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
}

#[tokio::test]
async fn http_2_is_spoken_by_choice_of_the_caller() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let client = world.authority.client_speaking(&["h2", "http/1.1"], Some(&world.authority.issue()));
    let answer = client.get(world.url(ASK)).send().await.expect("answered");
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let calls = (0..200).map(|_| got(client.get(world.url(ASK))));
    assert!(futures_util::future::join_all(calls).await.iter().all(|got| got.status == 200));
    assert_eq!(world.agency.calls().total, 201);
}

#[tokio::test]
async fn in_http_2_a_fault_hits_its_own_call_alone() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let client = world.authority.client_speaking(&["h2"], Some(&world.authority.issue()));
    assert_eq!(got(client.get(world.url(ASK))).await.status, 200);
    world.fault("slow");
    let neighbour = tokio::spawn(got(client.get(world.url(ASK))));
    while world.agency.calls().total < 2 {
        tokio::task::yield_now().await;
    }
    for (fault, timed_out) in [("reset", false), ("hang", true)] {
        world.fault(fault);
        let waiting = client.get(world.url(ASK)).timeout(Duration::from_millis(500)).send();
        assert_eq!(waiting.await.expect_err(fault).is_timeout(), timed_out, "{fault}");
    }
    world.fault("reset-midway");
    let mut body = client.get(world.url(ASK)).send().await.expect("the head arrives").bytes_stream();
    while let Some(Ok(_)) = body.next().await {}
    assert_eq!(neighbour.await.expect("task").status, 200);
}

#[tokio::test]
async fn a_handshake_that_never_ends_holds_up_nobody() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(world.agency.address).await.expect("connects"));
    }
    assert_eq!(got(world.client.get(world.url(ASK))).await.status, 200);
}

#[tokio::test]
async fn down_drops_new_connections_before_tls_and_cuts_open_ones() {
    let world = World::new(AgencyCode::Azerishiq).await;
    assert_eq!(got(world.client.get(world.url(ASK))).await.status, 200);
    world.agency.set_fault("consumption", "down", None).expect("accepted");
    // On the connection that is still open at this moment, and on new ones.
    assert!(world.client.get(world.url(ASK)).send().await.is_err());
    let mut line = TcpStream::connect(world.agency.address).await.expect("the system accepts");
    assert!(matches!(line.read(&mut [0; 16]).await, Ok(0) | Err(_)), "nothing was sent");
    let error = world.client.get(world.url(ASK)).send().await.expect_err("down");
    assert!(error.is_connect() || io_kind(&error).is_some(), "{error:?}");
    assert_eq!(world.agency.calls().total, 1);
    world.agency.clear_faults();
    assert_eq!(got(world.client.get(world.url(ASK))).await.status, 200);
}

#[tokio::test]
async fn a_reset_comes_after_the_request_was_read() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("reset");
    let error = world.client.get(world.url(ASK)).send().await.expect_err("reset");
    assert!(!error.is_timeout(), "{error:?}");
    assert_eq!(io_kind(&error), Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(world.agency.calls().by_service["subscriber"], 1);
    assert_eq!(got(world.client.get(world.url(ASK))).await.status, 200);
}

#[tokio::test]
async fn a_reset_midway_leaves_half_an_answer() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("reset-midway");
    let answer = world.client.get(world.url(ASK)).send().await.expect("the head arrives");
    assert_eq!(answer.status(), 200);
    let promised = answer.content_length().expect("a length");
    let mut got = 0;
    let mut body = answer.bytes_stream();
    let ended = loop {
        match body.next().await {
            Some(Ok(bytes)) => got += bytes.len() as u64,
            Some(Err(_)) => break "error",
            None => break "end",
        }
    };
    assert_eq!((got, ended), (promised / 2, "error"));
}

#[tokio::test]
async fn a_hanging_call_is_counted_and_never_answered() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("hang");
    let waiting = world.client.get(world.url(ASK)).timeout(Duration::from_millis(200)).send();
    assert!(waiting.await.expect_err("hangs").is_timeout());
    assert_eq!(world.agency.calls().by_service["subscriber"], 1);
}

#[tokio::test]
async fn a_drip_sends_the_head_and_then_a_byte_at_a_time() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("drip");
    let answer = world.client.get(world.url(ASK)).send().await.expect("the head arrives");
    let mut body = answer.bytes_stream();
    let started = Instant::now();
    for _ in 0..2 {
        assert_eq!(body.next().await.expect("more").expect("bytes").len(), 1);
    }
    assert!(started.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn an_oversize_answer_is_right_but_for_its_size() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("oversize");
    let answer = world.client.get(world.url(ASK)).send().await.expect("the head arrives");
    assert_eq!(answer.content_length(), None);
    let mut body = answer.bytes_stream();
    let (mut size, mut rest) = (0, Vec::new());
    while let Some(bytes) = body.next().await {
        let bytes = bytes.expect("bytes");
        size += bytes.len();
        rest.extend(bytes.iter().filter(|byte| **byte != b' '));
    }
    assert!(size >= 100_000_000, "{size}");
    assert!(rest.starts_with(b"{\"abonentler\":[{") && rest.ends_with(b"}]}"));
}

#[tokio::test]
async fn a_malformed_answer_ends_too_early_with_a_right_length() {
    let world = World::new(AgencyCode::Azerishiq).await;
    let whole = got(world.client.get(world.url(ASK))).await.body;
    world.fault("malformed");
    let cut = world::whole(world.client.get(world.url(ASK)).send().await.expect("answered")).await;
    assert_eq!(cut.len(), whole.len() * 2 / 3);
}

#[tokio::test]
async fn a_slow_answer_is_still_the_right_one() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("slow");
    let started = Instant::now();
    let answer = got(world.client.get(world.url(ASK))).await;
    assert!(answer.status == 200 && started.elapsed() >= Duration::from_secs(3), "{answer:?}");
}

#[tokio::test]
async fn latency_is_drawn_from_the_catalogue() {
    let authority = Authority::new();
    let mut options = options(AgencyCode::Azerishiq, &authority);
    options.latency = Latency::Catalogue { seed: 1 };
    let agency = start(options).await.expect("starts");
    let started = Instant::now();
    let url = format!("https://{}{ASK}", agency.address);
    assert_eq!(got(authority.client(Some(&authority.issue())).get(url)).await.status, 200);
    // A third of the median is the least.
    assert!(started.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn shutdown_lets_go_of_the_address_even_with_a_hanging_call() {
    let world = World::new(AgencyCode::Azerishiq).await;
    world.fault("hang");
    let call = tokio::spawn(world.client.get(world.url(ASK)).send());
    while world.agency.calls().total == 0 {
        tokio::task::yield_now().await;
    }
    let address = world.agency.address;
    tokio::time::timeout(Duration::from_secs(5), world.agency.shutdown()).await.expect("ends by itself");
    assert!(call.await.expect("task").is_err());
    assert!(TcpStream::connect(address).await.is_err());
}
