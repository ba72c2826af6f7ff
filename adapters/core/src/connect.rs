//! New connections: name, TCP, and TLS under the identity that is in use at that moment.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::dns::{GaiAddrs, GaiResolver, Name};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::error::{Cause, find_cause};
use crate::tls::Identity;

/// What new connections are made with. Replaced as a whole, with an own session store: a ticket
/// belongs to the identity of the connection it came by, also one that comes after the replacement.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) identity: Option<Identity>,
    pub(crate) config: Arc<ClientConfig>,
    /// Counts the identities, from 0.
    pub(crate) generation: u64,
    /// When this identity came into use.
    pub(crate) since: Instant,
}

/// Under which keys a connection was made; known of every answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Birth {
    pub(crate) generation: u64,
    /// 0 to 15, spread evenly over the connections.
    pub(crate) spread: u32,
}

/// Makes connections to one peer.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<Names>,
    name: ServerName<'static>,
    timeout: Duration,
    keys: Arc<ArcSwap<Keys>>,
    made: Arc<AtomicU32>,
}

impl Connector {
    pub(crate) fn new(name: ServerName<'static>, timeout: Duration, keys: Arc<ArcSwap<Keys>>) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Names);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name, so that one that swallows packets does not use up all.
        tcp.set_connect_timeout(Some(timeout));
        Self { tcp, name, timeout, keys, made: Arc::default() }
    }
}

impl Service<Uri> for Connector {
    type Response = Secured;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Secured, Cause>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.tcp.poll_ready(cx).map_err(|error| find_cause(&error))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.tcp.call(uri);
        let (name, keys, limit) = (self.name.clone(), Arc::clone(&self.keys), self.timeout);
        let spread = self.made.fetch_add(1, Ordering::Relaxed) % 16;
        Box::pin(async move {
            let made = timeout(limit, async {
                let tcp = connecting.await.map_err(|error| find_cause(&error))?.into_inner();
                // Only now, so that no connection is begun under keys that were replaced while it waited.
                let keys = keys.load_full();
                let tls = TlsConnector::from(Arc::clone(&keys.config)).connect(name, tcp).await.map_err(|error| find_cause(&error))?;
                Ok(Secured { stream: TokioIo::new(tls), birth: Birth { generation: keys.generation, spread } })
            });
            match made.await {
                Ok(Err(Cause::Io(io::ErrorKind::TimedOut))) | Err(_) => Err(Cause::ConnectTimeout),
                Ok(made) => made,
            }
        })
    }
}

/// The system's resolver, with an error of our own by which a failure is known for what it is.
#[derive(Debug, Clone)]
struct Names;

impl Service<Name> for Names {
    type Response = GaiAddrs;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = GaiResolver::new().call(name);
        Box::pin(async move { resolving.await.map_err(|_| Cause::Name) })
    }
}

/// A connection with its handshake behind it.
pub(crate) struct Secured {
    stream: TokioIo<TlsStream<TcpStream>>,
    birth: Birth,
}

impl Connection for Secured {
    fn connected(&self) -> Connected {
        let (_, session) = self.stream.inner().get_ref();
        let connected = Connected::new().extra(self.birth);
        if session.alpn_protocol() == Some(b"h2") { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
}
