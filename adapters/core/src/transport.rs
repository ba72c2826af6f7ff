//! The one way out: HTTP over mutual TLS to one provider instance, bounded in time and size.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout_at};

use crate::call::{Received, Request, WireAnswer};
use crate::connect::{Birth, Connector, Keys};
use crate::error::{CallError, CallErrorKind, Sent, from_body, from_client};
use crate::header;
use crate::secret::SecretText;
use crate::tls::{self, Identity, TlsVersions};

/// Most header fields accepted in an answer.
const HEADERS_MAX: usize = 64;
/// Largest HTTP/2 header list accepted, in bytes. (HTTP/1 heads are bounded by hyper, at about 400 KB.)
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;

/// Most TLS session tickets kept, if not fewer connections than that are; 1 to 2 KB each.
const TICKETS_MAX: usize = 64;

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
    client: Client<Connector, Full<Bytes>>,
    base: Base,
    /// Shared with the client's connector; written here only, under `replacing`.
    keys: Arc<ArcSwap<Keys>>,
    replacing: Mutex<()>,
    roots: Arc<RootCertStore>,
    tls: TlsVersions,
    http: HttpVersions,
    tickets_max: usize,
    body_bytes_max: usize,
    idle_timeout: Duration,
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
        let base = Base::parse(&base_url)?;
        let roots = tls::roots(&server_roots_pem)?;
        let tickets_max = idle_connections_max.clamp(1, TICKETS_MAX);
        let config = tls::client_config(Arc::clone(&roots), identity.as_ref(), tls, alpn(http), tickets_max)?;
        let keys = Keys { identity, config: Arc::new(config), generation: 0, since: Instant::now() };
        let keys = Arc::new(ArcSwap::from_pointee(keys));
        let connector = Connector::new(base.server_name()?, connect_timeout, Arc::clone(&keys));
        // Without redirects, proxies, cookies or retries: this client knows none of them but one. It sends a
        // question again whose first byte was not written, because a kept connection turned out to be closed.
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle_timeout)
            .pool_max_idle_per_host(idle_connections_max)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
            .build(connector);
        Ok(Self { client, base, keys, replacing: Mutex::new(()), roots, tls, http, tickets_max, body_bytes_max, idle_timeout })
    }

    /// Largest answer that is read, in bytes.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        self.body_bytes_max
    }

    /// Puts another certificate and key to use; the very same ones change nothing.
    ///
    /// Connections made from now on are made under the new identity and resume no session of the
    /// old one. Open connections keep the identity they were made with and stay in use: calls in
    /// flight are not disturbed, and no burst of handshakes follows. They end when idle, or, being
    /// busy, with the first call after one to two times the idle timeout, which is different for
    /// each. A connection that is being made at this moment counts as open.
    ///
    /// # Errors
    /// [`TransportError`] when the identity is not usable; the old one then stays in use.
    ///
    /// # Panics
    /// Never: nothing that holds the lock panics.
    pub fn replace_identity(&self, identity: &Identity) -> Result<(), TransportError> {
        let _guard = self.replacing.lock().expect("nothing that holds the lock panics");
        let old = self.keys.load();
        if old.identity.as_ref() == Some(identity) {
            return Ok(());
        }
        let config = tls::client_config(Arc::clone(&self.roots), Some(identity), self.tls, alpn(self.http), self.tickets_max)?;
        let (generation, since) = (old.generation + 1, Instant::now());
        self.keys.store(Arc::new(Keys { identity: Some(identity.clone()), config: Arc::new(config), generation, since }));
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
        let mut request = self.base.request(request)?;
        if deadline <= Instant::now() {
            return Err(CallError::new(CallErrorKind::Deadline, Sent::No));
        }
        let rotated = self.rotated();
        let connection = rotated.map(|_| capture_connection(&mut request));
        let response = timeout_at(deadline, self.client.request(request))
            .await
            .map_err(|_| CallError::new(CallErrorKind::Deadline, Sent::Maybe))?
            .map_err(|error| from_client(&error))?;
        if let (Some(rotated), Some(connection), Some(birth)) = (rotated, connection, response.extensions().get::<Birth>())
            && rotated.outlived(*birth, self.idle_timeout, Instant::now())
            && let Some(connected) = connection.connection_metadata().as_ref()
        {
            // This answer is still read; no further question goes this way.
            connected.poison();
        }
        self.answer(response, expected, deadline).await
    }

    /// Path and query, as a [`Request`] has them, of what a `Location` in the answer to a request
    /// points at (RFC 9110 section 10.2.2): an absolute URL, an absolute path, or a path beside the
    /// request's own. Checked as strictly as a request's; `None` for anything that is not below this
    /// transport's base address, on the same host and port.
    #[must_use]
    pub fn locate(&self, location: &str, requested: &SecretText) -> Option<SecretText> {
        self.base.locate(location, requested.expose())
    }

    /// The latest replacement of the identity, if there was one.
    fn rotated(&self) -> Option<Rotated> {
        let keys = self.keys.load();
        (keys.generation > 0).then_some(Rotated { generation: keys.generation, since: keys.since })
    }

    async fn answer(&self, mut response: http::Response<Incoming>, expected: Expected, deadline: Instant) -> Result<Received, CallError> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let retry_after = header::retry_after(&headers, Timestamp::now());
        let failed = |kind| CallError::new(kind, Sent::Maybe).with_retry_after(retry_after);
        let is_error = status.is_client_error() || status.is_server_error() || status.as_u16() >= 600;
        if !status.is_success() && !is_error {
            return Err(failed(CallErrorKind::Status(status.as_u16())));
        }
        let typed = header::media_type_is(&headers, expected.media_types);
        if !typed && is_error {
            // Not read at all: the connection is given up rather than waited for.
            return Ok(Received { status: status.as_u16(), headers, body: Bytes::new(), retry_after, key_switched: false });
        }
        let bare = expected.empty && !headers.contains_key(http::header::CONTENT_TYPE);
        if !typed && !bare {
            return Err(failed(CallErrorKind::ContentType));
        }
        let body =
            read_capped(response.into_body(), self.body_bytes_max, deadline).await.map_err(|error| error.with_retry_after(retry_after))?;
        if !typed && !body.is_empty() {
            return Err(failed(CallErrorKind::ContentType));
        }
        Ok(Received { status: status.as_u16(), headers, body, retry_after, key_switched: false })
    }
}

fn alpn(http: HttpVersions) -> &'static [&'static [u8]] {
    match http {
        HttpVersions::Http1 => &[b"http/1.1"],
        HttpVersions::Http1And2 => &[b"h2", b"http/1.1"],
    }
}

/// A replacement of the identity.
#[derive(Debug, Clone, Copy)]
struct Rotated {
    generation: u64,
    since: Instant,
}

impl Rotated {
    /// Whether a connection of an older identity has been kept long enough.
    fn outlived(self, birth: Birth, idle_timeout: Duration, now: Instant) -> bool {
        let patience = idle_timeout.saturating_add(idle_timeout / 16 * birth.spread);
        birth.generation < self.generation && now.saturating_duration_since(self.since) >= patience
    }
}

/// Where a provider is, and below which path.
#[derive(Debug)]
struct Base {
    authority: Authority,
    /// Empty, or beginning with `/` and not ending in it.
    prefix: String,
}

impl Base {
    fn parse(text: &str) -> Result<Self, TransportError> {
        let refused = |what| Err(TransportError::BaseUrl(what));
        // The parser drops a fragment without a word.
        if text.contains(['?', '#']) {
            return refused("must not carry a query or a fragment");
        }
        let Ok(uri) = text.parse::<Uri>() else { return refused("not an absolute URL") };
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return refused("not an absolute URL") };
        if scheme != Scheme::HTTPS {
            return refused("must begin with https://");
        }
        if authority.as_str().contains('@') {
            return refused("must not carry a user or a password");
        }
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path);
        if !is_plain(if path.is_empty() { "/" } else { path }) {
            return refused("path is not in plain, percent-encoded form");
        }
        // What stands between the host and the path is a port that was understood, or nothing.
        let rest = authority.as_str().strip_prefix(authority.host());
        if rest != Some("") && authority.port_u16().is_none_or(|port| port == 0) {
            return refused("host or port is not usable");
        }
        let base = Self { prefix: path.trim_end_matches('/').to_owned(), authority };
        base.server_name().map(|_| base)
    }

    /// The name in the peer's certificate.
    fn server_name(&self) -> Result<ServerName<'static>, TransportError> {
        let host = self.authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        ServerName::try_from(host).map_err(|_| TransportError::BaseUrl("host or port is not usable"))
    }

    fn locate(&self, location: &str, requested: &str) -> Option<SecretText> {
        let below = |full: &str| full.strip_prefix(self.prefix.as_str()).map(str::to_owned);
        let found = if let Some(rest) = location.strip_prefix("https://") {
            let (host, path) = rest.split_once('/')?;
            let host: Authority = host.parse().ok()?;
            let port = |authority: &Authority| authority.port_u16().unwrap_or(443);
            let is_peer = !host.as_str().contains('@')
                && (host.port().is_some() || host.as_str() == host.host())
                && host.host().eq_ignore_ascii_case(self.authority.host())
                && port(&host) == port(&self.authority);
            is_peer.then(|| below(&format!("/{path}")))??
        } else if location.starts_with("//") {
            return None;
        } else if location.starts_with('/') {
            below(location)?
        } else {
            // A colon in the first segment would make it a scheme; a beginning `?` means the same path.
            let beside =
                |text: &str| !text.is_empty() && !text.starts_with('?') && !text.split('/').next().is_some_and(|first| first.contains(':'));
            let path = requested.split('?').next()?;
            let (folder, _) = path.rsplit_once('/')?;
            beside(location).then(|| format!("{folder}/{location}"))?
        };
        is_plain(&found).then(|| SecretText::from(found))
    }

    fn request(&self, request: Request) -> Result<http::Request<Full<Bytes>>, CallError> {
        let Request { method, path_and_query, headers, body } = request;
        let mut out = http::Request::new(body.map(Full::new).unwrap_or_default());
        *out.method_mut() = method;
        *out.uri_mut() = self.join(path_and_query.expose())?;
        *out.headers_mut() = headers;
        Ok(out)
    }

    /// The whole address below the base. What a server on the way might read as another resource
    /// than the mapping names, such as `..` in any spelling, is refused and not tidied up.
    fn join(&self, path_and_query: &str) -> Result<Uri, CallError> {
        let refused = || CallError::question("path and query are not in plain, percent-encoded form");
        if !is_plain(path_and_query) {
            return Err(refused());
        }
        let full = PathAndQuery::try_from(format!("{}{path_and_query}", self.prefix)).map_err(|_| refused())?;
        Uri::builder().scheme(Scheme::HTTPS).authority(self.authority.clone()).path_and_query(full).build().map_err(|_| refused())
    }
}

/// Whether a path, with a query or without, begins with `/`, consists of the characters of RFC 3986
/// section 3.3 and 3.4 (but for the apostrophe, which browsers encode in a query) with every `%`
/// beginning an encoded byte, and has no dot segment, not even an encoded one.
fn is_plain(path_and_query: &str) -> bool {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, query),
        None => (path_and_query, ""),
    };
    let is_dots = |segment: &str| matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..");
    path.starts_with('/')
        && !path.split('/').any(|segment| segment.len() <= 6 && is_dots(segment))
        && is_written_in(path, b"-._~!$&'()*+,;=:@/")
        && is_written_in(query, b"-._~!$&()*+,;=:@/?")
}

/// Whether a text consists of ASCII letters, digits, these characters and encoded bytes.
fn is_written_in(text: &str, others: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'%' => bytes.next().is_some_and(|b| b.is_ascii_hexdigit()) && bytes.next().is_some_and(|b| b.is_ascii_hexdigit()),
            _ => byte.is_ascii_alphanumeric() || others.contains(&byte),
        };
        if !good {
            return false;
        }
    }
    true
}

/// For tests: whether a connection of the identity before is given up so long after its replacement.
#[cfg(test)]
pub(crate) fn given_up(spread: u32, idle_timeout: Duration, elapsed: Duration) -> bool {
    let since = Instant::now();
    let rotated = Rotated { generation: 1, since };
    assert!(!rotated.outlived(Birth { generation: 1, spread }, idle_timeout, since + elapsed), "only older ones");
    rotated.outlived(Birth { generation: 0, spread }, idle_timeout, since + elapsed)
}

/// For tests: what [`Transport::locate`] finds.
#[cfg(test)]
pub(crate) fn located(base: &str, location: &str, requested: &str) -> Option<String> {
    let found = Base::parse(base).ok()?.locate(location, requested)?;
    Some(found.expose().to_owned())
}

/// For tests: the whole address as a text.
#[cfg(test)]
pub(crate) fn address(base: &str, path_and_query: &str) -> Result<String, CallError> {
    let base = Base::parse(base).map_err(|_| CallError::question("base"))?;
    base.join(path_and_query).map(|uri| uri.to_string())
}

/// Reads a body chunk by chunk, never holding more than `max` bytes and one chunk, and never
/// waiting past the deadline, so that a peer that drips or floods gains nothing.
async fn read_capped(mut incoming: Incoming, max: usize, deadline: Instant) -> Result<Bytes, CallError> {
    let too_large = || CallError::new(CallErrorKind::TooLarge, Sent::Maybe);
    let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut body = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, incoming.frame())
            .await
            .map_err(|_| CallError::new(CallErrorKind::Deadline, Sent::Maybe))?
            .transpose()
            .map_err(|error| from_body(&error))?;
        let Some(frame) = frame else {
            return Ok(if body.is_empty() { first } else { body.freeze() });
        };
        // Trailers are not looked at.
        let chunk = frame.into_data().unwrap_or_default();
        if chunk.len() > max - first.len().max(body.len()) {
            return Err(too_large());
        }
        // Most answers come in one piece, which is then not copied.
        if first.is_empty() {
            first = chunk;
        } else {
            if body.is_empty() {
                body.reserve(announced.max(first.len() + chunk.len()));
                body.extend_from_slice(&first);
            }
            body.extend_from_slice(&chunk);
        }
        // A peer that always has a chunk ready would never let the timer be looked at.
        if deadline <= Instant::now() {
            return Err(CallError::new(CallErrorKind::Deadline, Sent::Maybe));
        }
    }
}
