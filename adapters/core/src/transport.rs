//! The one way out: HTTP over mutual TLS to one provider instance, bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::{Client, Response, Url};
use rustls::RootCertStore;
use tokio::time::{Instant, timeout_at};

use crate::call::{Received, Request, WireAnswer};
use crate::error::{CallError, CallErrorKind, Sent, from_reqwest};
use crate::header;
use crate::tls::{self, Identity, TlsVersions};

/// Most header fields accepted in an answer.
const HEADERS_MAX: usize = 64;
/// Largest HTTP/2 header list accepted, in bytes. (HTTP/1 heads are bounded by hyper, at about 400 KB.)
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;

/// Accepted HTTP versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersions {
    /// HTTP/1.1 only, for peers that misbehave in HTTP/2.
    Http1,
    /// HTTP/2 or HTTP/1.1, as the peer chooses by ALPN.
    #[default]
    Http1And2,
}

/// How to reach one provider instance.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// `https://host[:port][/prefix]`; no user, query or fragment.
    pub base_url: String,
    /// PEM certificates of the only authorities trusted for the peer.
    pub server_roots_pem: Vec<u8>,
    /// Our certificate and key; `None` only for a peer that asks for none.
    pub identity: Option<Identity>,
    /// Accepted TLS versions; default TLS 1.3 only.
    pub tls: TlsVersions,
    /// Accepted HTTP versions; default both.
    pub http: HttpVersions,
    /// Longest wait for a connection, TLS handshake included; default 3 s. The call's deadline
    /// bounds it as well.
    pub connect_timeout: Duration,
    /// Largest answer body held, in bytes, for each call in flight; default 4 MiB.
    pub body_bytes_max: usize,
    /// How long an unused connection is kept; default 30 s. Should be less than the peer's own
    /// limit, so that a question is not written into a connection the peer is closing.
    pub idle_timeout: Duration,
    /// Most unused connections kept; default 32.
    pub idle_connections_max: usize,
}

impl TransportOptions {
    /// The defaults for an address, its roots and our identity.
    #[must_use]
    pub fn new(base_url: impl Into<String>, server_roots_pem: impl Into<Vec<u8>>, identity: Option<Identity>) -> Self {
        Self {
            base_url: base_url.into(),
            server_roots_pem: server_roots_pem.into(),
            identity,
            tls: TlsVersions::default(),
            http: HttpVersions::default(),
            connect_timeout: Duration::from_secs(3),
            body_bytes_max: 4 * 1024 * 1024,
            idle_timeout: Duration::from_secs(30),
            idle_connections_max: 32,
        }
    }
}

/// Why a transport cannot be made. The texts show nothing of what was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The base address is not usable.
    #[error("base address: {0}")]
    BaseUrl(&'static str),
    /// No trust root, or one that is not a certificate.
    #[error("trust roots are not PEM certificates")]
    Roots,
    /// The identity's chain is not PEM certificates.
    #[error("client certificate is not a PEM certificate chain")]
    Certificate,
    /// The identity's key is not a PEM private key.
    #[error("client key is not a PEM private key")]
    Key,
    /// The key is of an unsupported kind or not the certificate's.
    #[error("client key does not belong to the client certificate")]
    Identity,
    /// The HTTP client could not be set up.
    #[error("http client could not be set up")]
    Client,
}

/// What a protocol accepts as an answer.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Media types, in lower case.
    pub media_types: &'static [&'static str],
    /// Whether a success answer may have no body and then no media type either.
    pub empty: bool,
}

/// A bounded HTTP client of one provider instance, with its pool of connections, shared by the
/// adapters of all its services.
#[derive(Debug)]
pub struct Transport {
    /// Swapped as a whole with the identity: pool, session tickets and key belong together.
    client: ArcSwap<Client>,
    settings: Settings,
}

/// What stays when the identity changes.
#[derive(Debug)]
struct Settings {
    base: Url,
    roots: Arc<RootCertStore>,
    tls: TlsVersions,
    http: HttpVersions,
    connect_timeout: Duration,
    body_bytes_max: usize,
    idle_timeout: Duration,
    idle_connections_max: usize,
}

impl Transport {
    /// Sets the client up; connects nowhere yet.
    ///
    /// # Errors
    /// [`TransportError`] names the option that is wrong.
    pub fn new(options: TransportOptions) -> Result<Self, TransportError> {
        let TransportOptions {
            base_url,
            server_roots_pem,
            identity,
            tls,
            http,
            connect_timeout,
            body_bytes_max,
            idle_timeout,
            idle_connections_max,
        } = options;
        let settings = Settings {
            base: checked_base(&base_url)?,
            roots: tls::roots(&server_roots_pem)?,
            tls,
            http,
            connect_timeout,
            body_bytes_max,
            idle_timeout,
            idle_connections_max,
        };
        let client = settings.client(identity.as_ref())?;
        Ok(Self { client: ArcSwap::from_pointee(client), settings })
    }

    /// Puts another certificate and key to use. Calls that begin from now on use new connections
    /// under the new identity; calls in flight end undisturbed under the old one, whose idle
    /// connections are then closed.
    ///
    /// # Errors
    /// [`TransportError`] when the identity is not usable; the old one then stays in use.
    pub fn replace_identity(&self, identity: &Identity) -> Result<(), TransportError> {
        self.client.store(Arc::new(self.settings.client(Some(identity))?));
        Ok(())
    }

    /// Sends one request and reads the whole answer, as [`Transport::exchange`] does, for adapters
    /// that need none of its headers.
    ///
    /// # Errors
    /// See [`CallErrorKind`].
    pub async fn send(&self, request: Request, expected: Expected, deadline: Instant) -> Result<WireAnswer, CallError> {
        self.exchange(request, expected, deadline).await.map(WireAnswer::from)
    }

    /// Sends one request and reads the whole answer, headers included.
    ///
    /// A status of 400 and above is an answer; its body is given only if it is of an expected media
    /// type. A success of another media type is an error, and so are redirects.
    ///
    /// # Errors
    /// See [`CallErrorKind`].
    pub async fn exchange(&self, request: Request, expected: Expected, deadline: Instant) -> Result<Received, CallError> {
        let request = self.settings.request(request)?;
        if deadline <= Instant::now() {
            return Err(CallError::new(CallErrorKind::Deadline, Sent::No));
        }
        let client = Client::clone(&self.client.load());
        let response = timeout_at(deadline, client.execute(request))
            .await
            .map_err(|_| CallError::new(CallErrorKind::Deadline, Sent::Maybe))?
            .map_err(|error| from_reqwest(&error))?;
        self.settings.answer(response, expected, deadline).await
    }
}

impl Settings {
    fn client(&self, identity: Option<&Identity>) -> Result<Client, TransportError> {
        let alpn: &[&[u8]] = match self.http {
            HttpVersions::Http1 => &[b"http/1.1"],
            HttpVersions::Http1And2 => &[b"h2", b"http/1.1"],
        };
        let tls = tls::client_config(Arc::clone(&self.roots), identity, self.tls, alpn)?;
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            // Each of these would else be decided for us, by the library or by the environment.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(self.idle_timeout)
            .pool_max_idle_per_host(self.idle_connections_max)
            .tcp_nodelay(true)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX);
        let builder = match self.http {
            HttpVersions::Http1 => builder.http1_only(),
            HttpVersions::Http1And2 => builder,
        };
        builder.build().map_err(|_| TransportError::Client)
    }

    fn request(&self, request: Request) -> Result<reqwest::Request, CallError> {
        let mut out = reqwest::Request::new(request.method, join(&self.base, request.path_and_query.expose())?);
        *out.headers_mut() = request.headers;
        *out.body_mut() = request.body.map(Into::into);
        Ok(out)
    }

    async fn answer(&self, mut response: Response, expected: Expected, deadline: Instant) -> Result<Received, CallError> {
        let status = response.status();
        let retry_after = header::retry_after(response.headers(), Timestamp::now());
        let failed = |kind| CallError::new(kind, Sent::Maybe).with_retry_after(retry_after);
        let is_error = status.is_client_error() || status.is_server_error() || status.as_u16() >= 600;
        if !status.is_success() && !is_error {
            return Err(failed(CallErrorKind::Status(status.as_u16())));
        }
        let typed = header::media_type_is(response.headers(), expected.media_types);
        if !typed && is_error {
            // Not read at all: the connection is given up rather than waited for.
            let headers = std::mem::take(response.headers_mut());
            return Ok(Received { status: status.as_u16(), headers, body: Bytes::new(), retry_after });
        }
        let bare = expected.empty && !response.headers().contains_key(http::header::CONTENT_TYPE);
        if !typed && !bare {
            return Err(failed(CallErrorKind::ContentType));
        }
        let headers = std::mem::take(response.headers_mut());
        let body = read_capped(response, self.body_bytes_max, deadline).await.map_err(|error| error.with_retry_after(retry_after))?;
        if !typed && !body.is_empty() {
            return Err(failed(CallErrorKind::ContentType));
        }
        Ok(Received { status: status.as_u16(), headers, body, retry_after })
    }
}

/// The whole address below a base. A URL parser resolves dot segments, also percent-encoded ones,
/// drops characters and re-encodes others; whatever it would change is refused, so that an input
/// such as `..` cannot lead to another resource than the mapping names.
fn join(base: &Url, path_and_query: &str) -> Result<Url, CallError> {
    let refused = || CallError::question("path and query are not in plain, percent-encoded form");
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    if !path.starts_with('/') {
        return Err(refused());
    }
    let full = format!("{}{path}", base.path().trim_end_matches('/'));
    let mut url = base.clone();
    url.set_path(&full);
    url.set_query(query);
    if url.path() == full && url.query() == query { Ok(url) } else { Err(refused()) }
}

/// For tests: the whole address as a text.
#[cfg(test)]
pub(crate) fn address(base: &str, path_and_query: &str) -> Result<String, CallError> {
    let base = checked_base(base).map_err(|_| CallError::question("base"))?;
    join(&base, path_and_query).map(String::from)
}

/// Reads a body chunk by chunk, never holding more than `max` bytes and one chunk, and never
/// waiting past the deadline, so that a peer that drips or floods gains nothing.
async fn read_capped(mut response: Response, max: usize, deadline: Instant) -> Result<Bytes, CallError> {
    let too_large = || CallError::new(CallErrorKind::TooLarge, Sent::Maybe);
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > max {
        return Err(too_large());
    }
    let mut body = BytesMut::with_capacity(announced);
    loop {
        let chunk = timeout_at(deadline, response.chunk())
            .await
            .map_err(|_| CallError::new(CallErrorKind::Deadline, Sent::Maybe))?
            .map_err(|error| from_reqwest(&error))?;
        let Some(chunk) = chunk else {
            return Ok(body.freeze());
        };
        if chunk.len() > max - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
        // A peer that always has a chunk ready would never let the timer be looked at.
        if deadline <= Instant::now() {
            return Err(CallError::new(CallErrorKind::Deadline, Sent::Maybe));
        }
    }
}

fn checked_base(text: &str) -> Result<Url, TransportError> {
    let url = Url::parse(text).map_err(|_| TransportError::BaseUrl("not an absolute URL"))?;
    if url.scheme() != "https" {
        return Err(TransportError::BaseUrl("must begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TransportError::BaseUrl("must not carry a user or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(TransportError::BaseUrl("must not carry a query or a fragment"));
    }
    Ok(url)
}
