//! A loopback TLS server that does exactly what it is told, byte by byte. HTTP/1.1 alone: there a call has
//! its line for itself.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Between two bytes of [`Reply::Drip`].
const DRIP: Duration = Duration::from_millis(10);

/// What the server saw of one request.
#[derive(Clone)]
pub struct Seen {
    /// Request line and headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// DER of the client's certificate.
    pub client: Vec<u8>,
    /// Which connection, counted from 0.
    pub connection: usize,
    /// Whether the connection's TLS session was resumed.
    pub resumed: bool,
    /// Whether it is TLS 1.3.
    pub tls13: bool,
    /// The group of its key exchange, such as `X25519MLKEM768`.
    pub group: String,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("connection", &self.connection).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Seen {
    /// The request line.
    #[must_use]
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What the server does with one request.
#[derive(Debug)]
pub enum Reply {
    /// Writes these bytes and keeps the connection.
    Bytes(Vec<u8>),
    /// Writes these bytes and closes the connection without a word of TLS.
    Cut(Vec<u8>),
    /// Writes nothing and keeps the connection.
    Hang,
    /// Waits to be told, then does this.
    After(Arc<tokio::sync::Notify>, Box<Self>),
    /// Writes these bytes, then a byte now and then, for ever.
    Drip(Vec<u8>),
    /// Writes these bytes, then this chunk again and again, at most so many bytes.
    Flood(Vec<u8>, Vec<u8>, usize),
}

impl Reply {
    /// A whole answer.
    #[must_use]
    pub fn answer(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::with(status, &format!("content-type: {content_type}\r\n"), body)
    }

    /// A whole answer with these header lines, each ending in CR LF.
    #[must_use]
    pub fn with(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }
}

/// What decides about each request: its number, counted from 0, and the request.
pub type Script = Arc<dyn Fn(usize, &Seen) -> Reply + Send + Sync>;

/// A running server; it ends with the value.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// TCP connections accepted.
    pub accepted: Arc<AtomicUsize>,
    /// Connections of which the server has seen the end.
    pub ended: Arc<AtomicUsize>,
    /// Body bytes written by a flood before the client stopped it.
    pub flooded: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// How many requests were seen.
    count: watch::Receiver<usize>,
    /// What new connections are shown; a change closes those that are open.
    presented: watch::Sender<Arc<ServerConfig>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections of a server share.
#[derive(Clone)]
struct Shared {
    ended: Arc<AtomicUsize>,
    flooded: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: Arc<watch::Sender<usize>>,
    script: Script,
}

impl Server {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port to listen on.
    pub async fn start(tls: Arc<ServerConfig>, script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accepted = Arc::new(AtomicUsize::new(0));
        let (count, counted) = watch::channel(0);
        let (ended, flooded, seen) = (Arc::default(), Arc::default(), Arc::default());
        let shared = Shared {
            ended: Arc::clone(&ended),
            flooded: Arc::clone(&flooded),
            seen: Arc::clone(&seen),
            count: Arc::new(count),
            script: Arc::new(script),
        };
        let presented = watch::Sender::new(tls);
        let task = tokio::spawn(accept_all(listener, presented.subscribe(), Arc::clone(&accepted), shared)).abort_handle();
        Ok(Self { address, accepted, ended, flooded, seen, count: counted, presented, task })
    }

    /// Its address under the name `localhost`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Tells how many requests were seen, whenever one more is.
    #[must_use]
    pub fn count(&self) -> watch::Receiver<usize> {
        self.count.clone()
    }

    /// Shows new connections another certificate, and closes those that are open.
    pub fn present(&self, tls: Arc<ServerConfig>) {
        self.presented.send_replace(tls);
    }
}

fn lock(seen: &Mutex<Vec<Seen>>) -> MutexGuard<'_, Vec<Seen>> {
    // A list has no state that a panic could leave half done.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept_all(listener: TcpListener, presented: watch::Receiver<Arc<ServerConfig>>, accepted: Arc<AtomicUsize>, shared: Shared) {
    // Connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = accepted.fetch_add(1, Ordering::SeqCst);
        let (shared, mut presented) = (shared.clone(), presented.clone());
        let acceptor = TlsAcceptor::from(Arc::clone(&presented.borrow_and_update()));
        connections.spawn(async move {
            tokio::select! {
                () = converse(stream, &acceptor, number, &shared) => {}
                _ = presented.changed() => {}
            }
            shared.ended.fetch_add(1, Ordering::SeqCst);
        });
    }
}

async fn converse(stream: TcpStream, acceptor: &TlsAcceptor, number: usize, shared: &Shared) {
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => serve(stream, number, shared).await,
        // Closing at once, with the client's question unread, could overtake the alert.
        Err((_, mut tcp)) => while tcp.read_buf(&mut Vec::with_capacity(4096)).await.is_ok_and(|read| read > 0) {},
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, connection: usize, shared: &Shared) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer, connection).await {
        let number = {
            let mut all = lock(&shared.seen);
            all.push(seen.clone());
            all.len() - 1
        };
        let mut reply = (shared.script)(number, &seen);
        // Told once the reply is decided, so that whoever waits for the request may change what is decided next.
        shared.count.send_replace(number + 1);
        while let Reply::After(release, then) = reply {
            release.notified().await;
            reply = *then;
        }
        match reply {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
            Reply::Cut(bytes) => {
                if stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() {
                    // Without close_notify, as when a process dies.
                    let (tcp, _) = stream.into_inner();
                    drop(tcp);
                }
                return;
            }
            // The client's next byte, or its end, is what ends the waiting.
            Reply::Hang | Reply::After(..) => {}
            Reply::Drip(head) => {
                let mut next = stream.write_all(&head).await;
                while next.is_ok() {
                    tokio::time::sleep(DRIP).await;
                    next = match stream.write_all(b" ").await {
                        Ok(()) => stream.flush().await,
                        Err(error) => Err(error),
                    };
                }
                return;
            }
            Reply::Flood(head, chunk, most) => {
                let mut next = stream.write_all(&head).await;
                let mut written = 0;
                while next.is_ok() && written < most {
                    next = stream.write_all(&chunk).await;
                    written += chunk.len();
                    shared.flooded.fetch_add(chunk.len(), Ordering::SeqCst);
                }
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TlsStream<TcpStream>, buffer: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > REQUEST_BYTES_MAX || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(buffer.get(..end)?).into_owned();
    let (_, session) = stream.get_ref();
    let mut seen = Seen {
        head,
        body: Vec::new(),
        client: session.peer_certificates().and_then(|chain| chain.first()).map(|der| der.to_vec()).unwrap_or_default(),
        connection,
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        tls13: session.protocol_version() == Some(ProtocolVersion::TLSv1_3),
        group: session.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())).unwrap_or_default(),
    };
    let length: usize = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    if length > REQUEST_BYTES_MAX {
        return None;
    }
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = buffer.get(end..end + length)?.to_vec();
    buffer.drain(..end + length);
    Some(seen)
}
