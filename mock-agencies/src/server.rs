//! How a call comes in: the listener with mutual TLS, the count, the latency, the fault, the answer.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use crate::agency::{Agency, AgencyCode, Answer, Request, Spoilt};
use crate::fault::{Fault, FaultRefused, Faults};
use crate::instance::Instance;
use crate::latency::{self, Latency};
use crate::personas::Personas;

mod body;
mod control;
mod line;
mod record;

use body::AnswerBody;
use line::{Breaker, BrokenOff, Line};
use record::{Record, Recorded};

/// Connections served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 4_096;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 10_000;
/// Longest request body, in bytes; a longer one is answered 413.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Longest TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a request head on an open connection, idle time included. As long as nginx's
/// keep-alive, so that a caller's pool outlives its own pauses.
const HEAD_MAX: Duration = Duration::from_secs(75);
/// What open calls get to end in at shutdown.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// How late the answer of [`Fault::Slow`] is.
const SLOW: Duration = Duration::from_secs(3);
/// How late the answer of [`Fault::SlowHalfMinute`] is.
const HALF_MINUTE: Duration = Duration::from_secs(30);

/// The agency's own certificate and the roots it trusts, as PEM. Mutual TLS 1.3 alone: a caller
/// without a certificate of `client_ca_pem` does not get past the handshake.
#[derive(Clone)]
pub struct ServerTls {
    /// Certificate chain, the agency's own first.
    pub certificate_pem: String,
    /// Private key.
    pub key_pem: String,
    /// Authorities whose client certificates are accepted.
    pub client_ca_pem: String,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(…)")
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct AgencyOptions {
    /// Which agency.
    pub code: AgencyCode,
    /// Which of the bodies it consists of; none for the first bureau, or for all territories at once.
    pub instance: Option<&'static Instance>,
    /// Where it listens; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Where its control endpoint listens: loopback only, plain HTTP; port 0 lets the system choose.
    pub control: SocketAddr,
    /// Its certificates.
    pub tls: ServerTls,
    /// How long it thinks.
    pub latency: Latency,
    /// Whom it knows.
    pub personas: Arc<Personas>,
}

/// How many calls an agency has had.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Calls {
    /// Every request whose head was read, whatever became of it, wrong ones included.
    pub total: u64,
    /// The same by service, each of the agency's services named, counted when the request was read as
    /// far as it can be. One that is a call of none of them counts in the total alone.
    pub by_service: BTreeMap<&'static str, u64>,
    /// Inquiries that differ by idempotency key, of the credit bureau alone: a repeated call is a call
    /// more and no inquiry more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distinct_inquiries: Option<u64>,
}

/// A running agency. Dropping it ends it as [`Running::shutdown`] does, without waiting for the end.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its control endpoint listens.
    pub control_address: SocketAddr,
    stage: Arc<Stage>,
    /// Its drop is the signal to end.
    stop: watch::Sender<()>,
    tasks: [JoinHandle<()>; 2],
}

impl Running {
    /// Which agency this is.
    #[must_use]
    pub fn code(&self) -> AgencyCode {
        self.stage.code
    }

    /// How many calls it has had.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.stage.calls()
    }

    /// Sets the fault of a service, as `PUT /faults` does: for `times` calls, or until cleared.
    ///
    /// # Errors
    /// When the service has no such fault; says what is accepted.
    pub fn set_fault(&self, service: &str, fault: &str, times: Option<u32>) -> Result<(), FaultRefused> {
        self.stage.set_fault(service, fault, times)
    }

    /// Clears every fault, as `DELETE /faults` does.
    pub fn clear_faults(&self) {
        self.stage.faults.clear();
    }

    /// Ends it: no new connections, half a second for open calls, then the rest is cut.
    pub async fn shutdown(self) {
        let Self { stop, tasks, .. } = self;
        drop(stop);
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "mock agency task failed");
            }
        }
    }
}

/// Starts an agency: its listener and its control endpoint. Needs a tokio runtime.
///
/// # Errors
/// When an address cannot be listened on, the control address is not loopback, or the PEM texts are
/// not a certificate chain, its key and at least one authority.
pub async fn start(options: AgencyOptions) -> io::Result<Running> {
    if !options.control.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the control endpoint listens on loopback only"));
    }
    let tls = server_config(&options.tls, options.code).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let listener = TcpListener::bind(options.address).await?;
    let control = TcpListener::bind(options.control).await?;
    let (address, control_address) = (listener.local_addr()?, control.local_addr()?);
    let stage = Arc::new(Stage {
        code: options.code,
        agency: Agency::new(options.code, options.instance, &options.personas, options.latency),
        faults: Faults::new(options.code),
        latency: options.latency,
        total: AtomicU64::new(0),
        by_service: options.code.services().iter().map(|_| AtomicU64::new(0)).collect(),
        down: watch::Sender::new(()),
    });
    let (stop, stopped) = watch::channel(());
    let tasks = [
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&stage), stopped.clone())),
        tokio::spawn(control::serve(control, Arc::clone(&stage), stopped)),
    ];
    tracing::info!(agency.id = %options.code, %address, control.address = %control_address, "mock agency started");
    Ok(Running { address, control_address, stage, stop, tasks })
}

#[derive(Debug, thiserror::Error)]
enum TlsError {
    #[error("unreadable PEM")]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("unusable certificate or key")]
    Rustls(#[from] rustls::Error),
    #[error("unusable client authorities")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

fn server_config(tls: &ServerTls, code: AgencyCode) -> Result<ServerConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(tls.client_ca_pem.as_bytes()) {
        roots.add(authority?)?;
    }
    let chain = CertificateDer::pem_slice_iter(tls.certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    // X-Road's servers speak HTTP/1.1 alone, and only there a head arrives as it was written: the request hash of
    // X-Road REST is made of that.
    config.alpn_protocols = if code.is_behind_xroad() { vec![b"http/1.1".to_vec()] } else { vec![b"h2".to_vec(), b"http/1.1".to_vec()] };
    Ok(config)
}

/// What every connection of an agency shares.
pub(crate) struct Stage {
    code: AgencyCode,
    agency: Agency,
    faults: Faults,
    latency: Latency,
    total: AtomicU64,
    /// In the order of [`AgencyCode::services`].
    by_service: Vec<AtomicU64>,
    /// Told each time the agency goes down, so that open connections are cut.
    down: watch::Sender<()>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("code", &self.code).finish_non_exhaustive()
    }
}

impl Stage {
    fn calls(&self) -> Calls {
        let counted = self.by_service.iter().map(|count| count.load(Ordering::Relaxed));
        Calls {
            by_service: self.code.services().iter().copied().zip(counted).collect(),
            // Read last, so that the total is never below the sum.
            total: self.total.load(Ordering::Acquire),
            distinct_inquiries: self.agency.distinct_inquiries(),
        }
    }

    fn set_fault(&self, service: &str, fault: &str, times: Option<u32>) -> Result<(), FaultRefused> {
        let fault = self.faults.set(service, fault, times)?;
        if fault == Fault::Down {
            self.down.send_replace(());
        }
        Ok(())
    }
}

/// The accept loop. The handshake is done in the connection's own task: a client that never finishes
/// its own holds up nobody.
async fn accept(listener: TcpListener, tls: TlsAcceptor, stage: Arc<Stage>, mut stopped: watch::Receiver<()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => continue,
            accepted = next_connection(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: wait for some to come free rather than spin.
                tracing::warn!(%error, "mock agency could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Listened to before asking, so that an agency that goes down in between still cuts this one.
        let down = stage.down.subscribe();
        if stage.faults.take_down() {
            continue;
        }
        let connection = serve_connection(stream, tls.clone(), Arc::clone(&stage), Signals { stopped: stopped.clone(), down });
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    // New connections are refused from here on; open ones end by themselves, since they watch the same signal.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn next_connection(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// What ends a connection from outside.
struct Signals {
    stopped: watch::Receiver<()>,
    down: watch::Receiver<()>,
}

async fn serve_connection(stream: TcpStream, tls: TlsAcceptor, stage: Arc<Stage>, signals: Signals) {
    let Signals { mut stopped, mut down } = signals;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection without nodelay");
    }
    let (line, cut) = Line::new(stream);
    let handshake = tokio::time::timeout(HANDSHAKE_MAX, tls.accept(line));
    let secured = tokio::select! {
        secured = handshake => secured,
        _ = stopped.changed() => return,
        _ = down.changed() => return,
    };
    let stream = match secured {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "handshake failed"),
        Err(_) => return tracing::debug!("handshake took too long"),
    };
    let record = stage.agency.wants_raw_heads().then(|| Arc::new(Record::default()));
    let stream = Recorded::new(stream, record.clone());
    let call = {
        let cut = Arc::clone(&cut);
        hyper::service::service_fn(move |request: http::Request<Incoming>| {
            let breaker = if request.version() == http::Version::HTTP_2 { Breaker::Stream } else { Breaker::Line(Arc::clone(&cut)) };
            let (stage, record) = (Arc::clone(&stage), record.clone());
            async move { serve_call(&stage, request, record.as_deref(), breaker).await }
        })
    };
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX);
    let connection = server.serve_connection(TokioIo::new(stream), call);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = cut.wanted() => return,
        _ = down.changed() => {
            cut.now();
            return;
        }
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = tokio::time::sleep(DRAIN_MAX) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended with an error");
    }
}

/// One call: read, count, think, answer, with the fault it was told to commit.
async fn serve_call(
    stage: &Stage,
    request: http::Request<Incoming>,
    record: Option<&Record>,
    breaker: Breaker,
) -> Result<Response<AnswerBody>, BrokenOff> {
    if stage.faults.is_down() {
        // The line is about to be cut; until then nothing may be answered on it.
        std::future::pending::<()>().await;
    }
    let (head, incoming) = request.into_parts();
    let number = stage.total.fetch_add(1, Ordering::AcqRel);
    let raw_head = record.and_then(|record| record.head(&head));
    let collected = Limited::new(incoming, REQUEST_BYTES_MAX).collect().await;
    if let Some(record) = record {
        record.clear();
    }
    // Some agencies have one address for all services: only the body tells which is called.
    let (body, unreadable) = match collected {
        Ok(collected) => (collected.to_bytes(), None),
        // Too long, or the caller went away while sending.
        Err(error) if error.is::<LengthLimitError>() => (Bytes::new(), Some(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => (Bytes::new(), Some(StatusCode::BAD_REQUEST)),
    };
    let service = stage.agency.service(&head, &body);
    let mut fault = None;
    if let Some((place, name)) = service.and_then(|place| Some((place, *stage.code.services().get(place)?))) {
        if let Some(count) = stage.by_service.get(place) {
            count.fetch_add(1, Ordering::AcqRel);
        }
        fault = stage.faults.take(name);
        let thought = stage.latency.draw(stage.code, name, number);
        if !thought.is_zero() {
            tokio::time::sleep(thought).await;
        }
    }
    if let Some(status) = unreadable {
        return Ok(respond(Answer::new(status, "text/plain; charset=utf-8", "unreadable request\n"), AnswerBody::whole));
    }
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => return Err(breaker.break_off().await),
        Some(Fault::Slow) => tokio::time::sleep(SLOW).await,
        Some(Fault::SlowHalfMinute) => tokio::time::sleep(HALF_MINUTE).await,
        Some(Fault::SlowTail) => tokio::time::sleep(latency::slow_tail(number)).await,
        _ => {}
    }
    let now = Timestamp::now();
    let today = model::time::day(now);
    let request = Request { head: &head, body: &body, fault, now, today, raw_head: raw_head.as_deref() };
    let mut answer = stage.agency.answer(&request);
    if fault == Some(Fault::WorkThenHang) {
        std::future::pending::<()>().await;
    }
    if fault == Some(Fault::LostAccept) {
        return Err(breaker.break_off().await);
    }
    let fault = match answer.spoilt {
        Spoilt::ByOwn => fault,
        Spoilt::By(other) => other,
    };
    Ok(match fault {
        Some(Fault::Drip) => respond(answer, body::drip),
        Some(Fault::ResetMidway) => respond(answer, |whole| body::half(whole, breaker)),
        Some(Fault::Oversize) => {
            let xml = answer.content_type.contains("xml");
            respond(answer, |whole| body::padded(&whole, xml))
        }
        Some(Fault::Malformed) => {
            answer.body.truncate(answer.body.len() * 2 / 3);
            respond(answer, AnswerBody::whole)
        }
        Some(Fault::WrongContentType) => {
            answer.content_type = "text/html; charset=utf-8";
            respond(answer, AnswerBody::whole)
        }
        _ => respond(answer, AnswerBody::whole),
    })
}

fn respond(answer: Answer, body: impl FnOnce(Bytes) -> AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in answer.headers {
        match HeaderValue::try_from(value) {
            Ok(value) => {
                headers.append(HeaderName::from_static(name), value);
            }
            Err(error) => tracing::warn!(%error, header = name, "answer without a header"),
        }
    }
    response
}
