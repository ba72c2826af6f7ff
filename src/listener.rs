//! The doors: accepts connections, shakes hands, serves HTTP/1.1 and HTTP/2, and drains.
//!
//! Own accept loop, since `axum::serve` would shake hands one at a time: here each connection lives in a
//! task of its own from its first byte, so a client that never finishes its handshake holds up nobody.
//! Every request carries its [`PeerCertificate`] (behind an `Arc`) and `ConnectInfo<SocketAddr>` as
//! extensions. A connection is admitted under the TLS configuration of its moment; when a reload swaps
//! that, each open connection is looked at again at its next request: refused when its certificate no
//! longer holds, else served and then closed gracefully, so that it comes back under the new one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::clock;
pub use crate::tls::Refusal;
use crate::tls::{PeerCertificate, ServerTls};

/// Bounds of one listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest handshake, from the first byte to the last; default 10 s.
    pub handshake_timeout: Duration,
    /// Most unfinished handshakes; beyond it the oldest one is dropped, so that a flood of silent clients
    /// pushes out its own. Default 512.
    pub handshakes_max: usize,
    /// Most open connections; beyond it a new one is closed at once. Default 4,096.
    pub connections_max: usize,
    /// Longest time for a request's head, for the first request of a connection, and for idleness between
    /// two HTTP/1.1 requests; default 30 s.
    pub header_timeout: Duration,
    /// Longest time for a request's body, from its head on; beyond it reading the body fails. Default 30 s.
    pub body_timeout: Duration,
    /// Most bytes of a request's head (HTTP/1.1: line and headers; HTTP/2: decoded header list); default
    /// 32 KiB.
    pub header_bytes_max: u32,
    /// Most headers of a request (HTTP/1.1); default 64.
    pub headers_max: usize,
    /// Most concurrent requests of one HTTP/2 connection; default 128.
    pub streams_max: u32,
    /// How often a silent HTTP/2 peer is asked whether it lives; default 20 s.
    pub keep_alive_interval: Duration,
    /// How long it may take to answer; default 10 s.
    pub keep_alive_timeout: Duration,
    /// How long requests in flight may go on after the shutdown signal; default 30 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            handshakes_max: 512,
            connections_max: 4_096,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            header_bytes_max: 32 * 1024,
            headers_max: 64,
            streams_max: 128,
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(30),
        }
    }
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("cannot listen on {0}: the address is in use; stop the process that listens there, or configure another port")]
    InUse(SocketAddr),
    /// The system refuses: an address of another machine, or a port that needs more rights.
    #[error("cannot listen on {address}; configure an address of this machine and a port this user may open")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Opens a socket for [`serve`].
///
/// # Errors
/// When the address is in use or not this process's to open; the message says what to do.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Refused { address, source },
    })
}

/// Counts refused connections by reason. They are never logged one by one: whoever cannot authenticate
/// must not be able to write to the log. The metric is `qovsaq_handshake_refused_total`.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: [AtomicU64; Refusal::ALL.len()],
}

impl Refusals {
    /// Takes what was counted since the last call; reasons that did not occur are left out.
    #[must_use]
    pub fn take(&self) -> BTreeMap<Refusal, u64> {
        Refusal::ALL.into_iter().zip(self.counts.iter().map(|count| count.swap(0, Ordering::Relaxed))).filter(|(_, n)| *n > 0).collect()
    }

    fn count(&self, listener: &'static str, reason: Refusal) {
        if let Some((_, count)) = Refusal::ALL.into_iter().zip(&self.counts).find(|(one, _)| *one == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        metrics::counter!("qovsaq_handshake_refused_total", "listener" => listener, "reason" => reason.as_str()).increment(1);
    }
}

/// What a listener is: its name, its TLS and its bounds.
#[derive(Debug, Clone)]
pub struct Door {
    /// Name in metrics and logs: `internal`, `exchange`, `console`, `ops`.
    pub name: &'static str,
    /// Mutual TLS, swapped at a reload; `None` for the plain loopback listener.
    pub tls: Option<Arc<ArcSwap<ServerTls>>>,
    /// Bounds.
    pub limits: Limits,
    /// Where refusals are counted.
    pub refusals: Arc<Refusals>,
}

/// Serves `app` on `socket` until `shutdown` becomes true (or its sender is gone), then drains: no new
/// connection, no new request on an open one, requests in flight finish within `limits.drain`, whatever
/// is left is dropped. Returns when the last connection is closed.
pub async fn serve(socket: TcpListener, door: Door, app: Router, mut shutdown: watch::Receiver<bool>) {
    let house = Arc::new(House {
        app,
        handshakes: Queue { max: door.limits.handshakes_max.max(1), waiting: Mutex::default() },
        connections: Arc::new(Semaphore::new(door.limits.connections_max.min(Semaphore::MAX_PERMITS))),
        shutdown: shutdown.clone(),
        door,
    });
    let mut tasks = JoinSet::new();
    let mut watch_list = tokio::time::interval(CRL_WATCH);
    watch_list.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    let mut stop = pin!(stopped(&mut shutdown));
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, remote)) => {
                    tasks.spawn(house.clone().welcome(stream, remote));
                }
                // The peer has gone again (ECONNABORTED), or this process is out of descriptors: a short
                // rest lets connections close and keeps this loop from spinning.
                Err(error) => {
                    metrics::counter!("qovsaq_accept_failed_total", "listener" => house.door.name).increment(1);
                    if told.is_none_or(|told| told.elapsed() > ACCEPT_TELL) {
                        told = Some(Instant::now());
                        tracing::warn!(listener = house.door.name, error = %error, "connections cannot be accepted");
                    }
                    sleep(ACCEPT_REST).await;
                }
            },
            _ = watch_list.tick() => house.observe(),
            // Finished connections are taken away as they end; one that panicked has harmed itself alone.
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    // The port is free for a successor from here on.
    drop(socket);
    let drained = timeout(house.door.limits.drain, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(listener = house.door.name, connections = tasks.len(), "connections did not finish within the drain time, dropped");
        tasks.shutdown().await;
    }
}

/// How often the revocation list's age is looked at without traffic.
const CRL_WATCH: Duration = Duration::from_secs(5);
/// A failing accept is told to the log at most this often.
const ACCEPT_TELL: Duration = Duration::from_secs(60);
/// Rest after a failed accept.
const ACCEPT_REST: Duration = Duration::from_millis(50);

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone can no longer ask for a shutdown: that counts as asking.
    drop(shutdown.wait_for(|stop| *stop).await.map(|_| ()));
}

/// What the connections of one listener share.
struct House {
    door: Door,
    app: Router,
    handshakes: Queue,
    connections: Arc<Semaphore>,
    shutdown: watch::Receiver<bool>,
}

/// Who a connection was made by, and under which TLS configuration.
struct Admission {
    /// None where the listener admits clients without a certificate.
    peer: Option<Arc<PeerCertificate>>,
    under: Arc<ServerTls>,
}

impl House {
    fn observe(&self) {
        if let Some(tls) = &self.door.tls {
            tls.load().observe(self.door.name, clock::now());
        }
    }

    fn refuse(&self, reason: Refusal) {
        self.door.refusals.count(self.door.name, reason);
    }

    /// One connection from its first byte to its last.
    async fn welcome(self: Arc<Self>, stream: TcpStream, remote: SocketAddr) {
        // Answers are small and written whole: waiting to fill a segment would only delay them. A socket
        // that refuses the option is as good as gone and says so at the first read.
        drop(stream.set_nodelay(true));
        let Some(tls) = &self.door.tls else {
            if let Some(seat) = self.seat() {
                self.serve_connection(stream, remote, None, false, seat).await;
            }
            return;
        };
        let under = tls.load_full();
        let (stream, admission) = match self.shake_hands(stream, under).await {
            Ok(admitted) => admitted,
            Err(Some(reason)) => return self.refuse(reason),
            Err(None) => return,
        };
        let Some(seat) = self.seat() else { return };
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.serve_connection(stream, remote, Some(admission), h2, seat).await;
    }

    /// A place among the open connections, or a refusal.
    fn seat(&self) -> Option<OwnedSemaphorePermit> {
        let seat = self.connections.clone().try_acquire_owned().ok();
        if seat.is_none() {
            self.refuse(Refusal::Busy);
        }
        seat
    }

    /// `Err(None)`: broken off by a shutdown, nobody's fault.
    async fn shake_hands(
        &self,
        stream: TcpStream,
        under: Arc<ServerTls>,
    ) -> Result<(tokio_rustls::server::TlsStream<TcpStream>, Admission), Option<Refusal>> {
        let now = clock::now();
        under.observe(self.door.name, now);
        let mut shutdown = self.shutdown.clone();
        let mut place = self.handshakes.join();
        let stream = tokio::select! {
            done = timeout(self.door.limits.handshake_timeout, TlsAcceptor::from(under.config(now)).accept(stream)) => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return Err(Some(Refusal::of_handshake(&error))),
                Err(_) => return Err(Some(Refusal::Timeout)),
            },
            // Whoever stands in the way of newer ones goes first.
            _ = &mut place.receiver => return Err(Some(Refusal::Busy)),
            // Nothing was asked yet: a handshake need not be waited for.
            () = stopped(&mut shutdown) => return Err(None),
        };
        let Some(certificate) = stream.get_ref().1.peer_certificates().and_then(<[_]>::first) else {
            return if under.admits_anonymous() { Ok((stream, Admission { peer: None, under })) } else { Err(Some(Refusal::Missing)) };
        };
        let peer = PeerCertificate::parse(certificate).map_err(|_| Some(Refusal::Untrusted))?;
        // A resumed handshake does not look at dates again; this does.
        if peer.expired(now) {
            return Err(Some(Refusal::Expired));
        }
        Ok((stream, Admission { peer: Some(Arc::new(peer)), under }))
    }

    /// Serves requests until either side has had enough. Holds `_seat` for as long.
    async fn serve_connection<S>(&self, stream: S, remote: SocketAddr, admission: Option<Admission>, h2: bool, _seat: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Arc::new(Asked::default());
        let service = service_fn(|mut request: Request<Incoming>| {
            let verdict = self.look_again(admission.as_ref(), &asked);
            if let Some(peer) = admission.as_ref().and_then(|admission| admission.peer.as_ref()) {
                request.extensions_mut().insert(Arc::clone(peer));
            }
            request.extensions_mut().insert(ConnectInfo(remote));
            let app = self.app.clone();
            let body_timeout = self.door.limits.body_timeout;
            async move {
                verdict?;
                let request =
                    request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(Timed::new(body, body_timeout)) });
                let answer: Result<Response<Body>, Infallible> = app.oneshot(request).await;
                Ok::<_, Refused>(answer.unwrap_or_else(|never| match never {}))
            }
        });
        // ALPN has decided between the two; guessing from the first bytes would wait for them without end.
        let stream = TokioIo::new(stream);
        if h2 {
            self.drive(self.http2().serve_connection(stream, service), &asked).await;
        } else {
            self.drive(self.http1().serve_connection(stream, service), &asked).await;
        }
    }

    /// Drives a connection to its end, and tells it when to come to one.
    async fn drive(&self, connection: impl GracefulConnection, asked: &Asked) {
        let mut connection = pin!(connection);
        let mut shutdown = self.shutdown.clone();
        let mut stop = pin!(stopped(&mut shutdown));
        let mut first_request = pin!(tokio::time::sleep_until(Instant::now() + self.door.limits.header_timeout));
        let (mut closing, mut waiting) = (false, true);
        loop {
            tokio::select! {
                // How a connection ends is the peer's affair: broken off, timed out, malformed. Requests
                // that reached the application have been accounted for there.
                _ = connection.as_mut() => return,
                () = &mut stop, if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = asked.superseded.notified(), if !closing => {
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                }
                // The protocol's own timeouts begin with its first byte; a peer that sends none ends here.
                () = &mut first_request, if waiting => {
                    waiting = false;
                    if asked.requests.load(Ordering::Relaxed) == 0 {
                        return;
                    }
                }
            }
        }
    }

    /// Looks at a connection at one of its requests: see the module's head for what a reload does.
    fn look_again(&self, admission: Option<&Admission>, asked: &Asked) -> Result<(), Refused> {
        asked.requests.fetch_add(1, Ordering::Relaxed);
        let (Some(admission), Some(tls)) = (admission, &self.door.tls) else { return Ok(()) };
        let current = tls.load();
        let admitted = admission.peer.as_ref().map_or(Ok(()), |peer| current.admits(peer, &admission.under, clock::now()));
        if let Err(reason) = admitted {
            self.refuse(reason);
            asked.superseded.notify_one();
            return Err(Refused(reason));
        }
        if !Arc::ptr_eq(&current, &admission.under) {
            asked.superseded.notify_one();
        }
        Ok(())
    }

    fn http1(&self) -> http1::Builder {
        let limits = &self.door.limits;
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(limits.headers_max)
            .max_header_size(usize::try_from(limits.header_bytes_max).unwrap_or(usize::MAX));
        builder
    }

    fn http2(&self) -> http2::Builder<TokioExecutor> {
        let limits = &self.door.limits;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout)
            .max_concurrent_streams(limits.streams_max)
            .max_header_list_size(limits.header_bytes_max);
        builder
    }
}

/// What a connection's requests tell the task that drives it.
#[derive(Default)]
struct Asked {
    requests: AtomicU64,
    superseded: Notify,
}

/// Ends a connection (HTTP/1.1) or stream (HTTP/2) without an answer, as a handshake would have.
#[derive(Debug)]
struct Refused(Refusal);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the connection no longer holds: {}", self.0.as_str())
    }
}

impl std::error::Error for Refused {}

/// A request's body that fails when it takes too long: a peer that drips it would else hold a request
/// for ever.
struct Timed {
    body: Incoming,
    end: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(body: Incoming, longest: Duration) -> Self {
        Self { body, end: Box::pin(sleep(longest)) }
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the request's body took too long".into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Unfinished handshakes in the order of their arrival.
struct Queue {
    max: usize,
    /// Next number, and the senders whose loss tells a handshake to go.
    waiting: Mutex<(u64, BTreeMap<u64, oneshot::Sender<()>>)>,
}

impl Queue {
    /// Takes a place, pushing out the oldest where all are taken.
    fn join(&self) -> Place<'_> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.0;
        waiting.0 += 1;
        waiting.1.insert(number, sender);
        if waiting.1.len() > self.max {
            drop(waiting.1.pop_first());
        }
        Place { queue: self, number, receiver }
    }
}

/// A handshake's place in the [`Queue`]; given back when dropped.
struct Place<'a> {
    queue: &'a Queue,
    number: u64,
    receiver: oneshot::Receiver<()>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
