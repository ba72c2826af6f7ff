//! Its listener: TLS 1.3, a client certificate where the caller has one, and the endpoints.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::{Extension, Query, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, Uri, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use super::tokens::{self, AuthorizeRequest};
use super::{Fault, State};

/// Connections served at once.
const CONNECTIONS_MAX: usize = 256;
/// Longest TLS handshake, and longest wait for a request head.
const PATIENCE: Duration = Duration::from_secs(10);

/// The caller's certificate, by its SHA-256; none where it came without one.
#[derive(Clone, Copy)]
struct Certificate(Option<[u8; 32]>);

pub(super) fn server_config(tls: &crate::ServerTls) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(tls.client_ca_pem.as_bytes()) {
        roots.add(authority?)?;
    }
    let chain = CertificateDer::pem_slice_iter(tls.certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(super) fn fingerprint_of_pem(pem: &str) -> Option<[u8; 32]> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok().map(|certificate| fingerprint(&certificate))
}

fn fingerprint(der: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    hash
}

pub(super) async fn accept(listener: TcpListener, tls: ServerConfig, state: Arc<State>, mut stopped: watch::Receiver<()>) {
    let tls = TlsAcceptor::from(Arc::new(tls));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        if state.is_down() {
            continue;
        }
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            if let Err(error) = connection(stream, &tls, state).await {
                tracing::debug!(%error, "connection ended with an error");
            }
            drop(place);
        });
    }
    // Dropping the set cuts what is still open.
}

async fn connection(stream: TcpStream, tls: &TlsAcceptor, state: Arc<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(PATIENCE, tls.accept(stream)).await.map_err(io::Error::other)??;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|der| fingerprint(der));
    let router = routes(state).layer(Extension(Certificate(certificate)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).http2().timer(TokioTimer::new());
    server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await.map_err(io::Error::other)
}

fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys))
        // Where the fault `redirect` points at.
        .route("/elsewhere/discovery", get(async |Shared(state): Shared<Arc<State>>| Json(document(&state, None))))
        .route("/elsewhere/keys", get(async |Shared(state): Shared<Arc<State>>| Json(state.key_set())))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .layer(axum::extract::DefaultBodyLimit::max(16 * 1024))
        .with_state(state)
}

/// OpenID Connect Discovery 1.0, section 3.
fn document(state: &State, fault: Option<Fault>) -> Value {
    let issuer = &state.issuer;
    let levels = ["low", "substantial", "high"].map(tokens::acr_of);
    let named = if fault == Some(Fault::WrongIssuer) { "https://other.test" } else { issuer };
    json!({
        "issuer": named,
        "jwks_uri": format!("{issuer}/keys"),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "ES256"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"],
        "tls_client_certificate_bound_access_tokens": true,
        "acr_values_supported": levels,
    })
}

async fn discovery(Shared(state): Shared<Arc<State>>) -> Response {
    spoilt(&state, "discovery", |fault| document(&state, fault)).await
}

async fn keys(Shared(state): Shared<Arc<State>>) -> Response {
    let set = |fault| if fault == Some(Fault::NoKeys) { json!({"keys": []}) } else { state.key_set() };
    spoilt(&state, "keys", set).await
}

/// A document, with the fault that its endpoint is to commit.
async fn spoilt(state: &State, endpoint: &'static str, document: impl FnOnce(Option<Fault>) -> Value) -> Response {
    state.count(endpoint);
    let fault = state.take_fault(endpoint);
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::Redirect) => {
            (StatusCode::FOUND, [(header::LOCATION, format!("{}/elsewhere/{endpoint}", state.issuer))]).into_response()
        }
        Some(Fault::Malformed) => {
            let text = document(None).to_string();
            json_response(text.get(..text.len() / 2).unwrap_or_default().to_owned())
        }
        Some(Fault::Oversize) => {
            let text = document(None).to_string();
            json_response(format!("{}{text}", " ".repeat(2 << 20)))
        }
        Some(Fault::WrongIssuer | Fault::NoKeys | Fault::Down) | None => json_response(document(fault).to_string()),
    }
}

fn json_response(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn authorize(Shared(state): Shared<Arc<State>>, uri: Uri) -> Response {
    state.count("authorize");
    let request = Query::<AuthorizeRequest>::try_from_uri(&uri).map_err(|_| "invalid_request");
    match request.and_then(|Query(request)| state.authorize(request)) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(error) => refuse(error),
    }
}

async fn token(Shared(state): Shared<Arc<State>>, Extension(certificate): Extension<Certificate>, form: String) -> Response {
    state.count("token");
    match state.take_fault("token") {
        Some(Fault::Hang) => std::future::pending().await,
        Some(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        None => {}
    }
    let read = tokens::read(&form).ok_or("invalid_request");
    match read.and_then(|request| state.token(&request, certificate.0.as_ref())) {
        Ok(issued) => ([(header::CACHE_CONTROL, "no-store")], Json(issued)).into_response(),
        Err(error) => refuse(error),
    }
}

/// An error of RFC 6749, section 5.2.
fn refuse(error: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response()
}
