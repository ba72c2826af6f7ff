//! A peer for `scripts/bench B2`: hyper, rustls and the gateway's own way out with nothing between them. It
//! passes a GET on and the answer's body back, so what it costs is what these libraries cost; what the
//! gateway costs beyond that is the gateway's own doing.
//!
//! ```text
//! bench-relay ADDRESS CA CERTIFICATE KEY CRL PROVIDER PROVIDER_CA OWN_CERTIFICATE OWN_KEY
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapter_core::{Expected, Identity, Request, SecretText, Transport, TransportOptions};
use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use qovsaq::tls::{Minimum, ServerTls, ServerTlsFiles};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// Longest wait for the provider.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// As the gateway keeps them.
const IDLE_CONNECTIONS_MAX: usize = 256;
const JSON: Expected = Expected { media_types: &["application/json"], empty: false };

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, ca, certificate, key, crl, provider, provider_ca, own_certificate, own_key] = &arguments[..] else {
        anyhow::bail!("nine arguments are needed; see the top of the file");
    };
    let files = ServerTlsFiles {
        client_ca: ca.into(),
        certificate: certificate.into(),
        key: key.into(),
        crl: Some(crl.into()),
        crl_grace: Duration::ZERO,
        minimum: Minimum::Tls13,
        anonymous: false,
    };
    let tls = ServerTls::load(&files)?.config(Timestamp::now());
    let read = |path: &String| std::fs::read(Path::new(path)).with_context(|| path.clone());
    let identity = Identity::new(read(own_certificate)?, read(own_key)?);
    let defaults = TransportOptions::new(provider.clone(), read(provider_ca)?, Some(identity));
    let transport = Arc::new(Transport::new(TransportOptions { idle_connections_max: IDLE_CONNECTIONS_MAX, ..defaults })?);
    let listener = TcpListener::bind(address.as_str()).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, transport) = (TlsAcceptor::from(Arc::clone(&tls)), Arc::clone(&transport));
        tokio::spawn(async move {
            // A connection that fails shows in the load, which reads every answer.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let relay = service_fn(|request| relay(Arc::clone(&transport), request));
            let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), relay).await;
            served.unwrap_or_default();
        });
    }
}

async fn relay(transport: Arc<Transport>, asked: http::Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let path_and_query = asked.uri().path_and_query().context("a path")?.as_str();
    let question = Request { method: Method::GET, path_and_query: SecretText::new(path_and_query), headers: HeaderMap::new(), body: None };
    let answer = transport.exchange(question, JSON, Instant::now() + ANSWER_MAX).await?;
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status)?;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(response)
}
