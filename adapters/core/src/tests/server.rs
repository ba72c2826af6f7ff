//! A loopback TLS server that does exactly what a test tells it, byte by byte, with certificates of
//! its own making. Shared by the adapters' tests, by path.

#![allow(dead_code, unreachable_pub, reason = "each crate's tests use another part of it, so that an expectation is not always met")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate authority that lives as long as a test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("self-signed") }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn issue(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("root");
        Arc::new(roots)
    }
}

/// What the server saw of one request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Request line and headers.
    pub head: String,
    pub body: Vec<u8>,
    /// DER of the client's certificate.
    pub client: Vec<u8>,
    /// Which connection, counted from 0.
    pub connection: usize,
    pub resumed: bool,
    pub tls13: bool,
    pub group: String,
}

impl Seen {
    /// First line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }
}

/// What the server does with one request.
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
    pub fn answer(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        Self::with(status, &format!("content-type: {content_type}\r\n"), body)
    }

    /// A whole answer with these header lines, each ending in CR LF.
    pub fn with(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }
}

pub type Script = Arc<dyn Fn(usize, &Seen) -> Reply + Send + Sync>;

/// How the server is set up.
pub struct Setup {
    /// Name in the server's certificate.
    pub name: &'static str,
    /// Whether a client certificate of this authority is required.
    pub mutual: bool,
    pub version: &'static rustls::SupportedProtocolVersion,
}

impl Default for Setup {
    fn default() -> Self {
        Self { name: "localhost", mutual: true, version: &rustls::version::TLS13 }
    }
}

/// A running server; it ends with the value.
pub struct Server {
    pub address: SocketAddr,
    /// TCP connections accepted.
    pub accepted: Arc<AtomicUsize>,
    /// Connections of which the server has seen the end.
    pub ended: Arc<AtomicUsize>,
    /// Body bytes written by a flood before the client stopped it.
    pub flooded: Arc<AtomicUsize>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Counters {
    ended: Arc<AtomicUsize>,
    flooded: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A server's TLS configuration, for tests that speak another protocol above it.
pub fn server_config(authority: &Authority, setup: &Setup) -> ServerConfig {
    let issued = authority.issue(setup.name);
    let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("certificate")];
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&[setup.version]).expect("versions");
    let builder = if setup.mutual {
        let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider).build().expect("verifier");
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(chain, key).expect("server certificate")
}

impl Server {
    pub async fn start(authority: &Authority, script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(authority, &Setup::default(), script).await
    }

    pub async fn start_with(authority: &Authority, setup: &Setup, script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(authority, setup)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let counters = Counters { ended: Arc::default(), flooded: Arc::default(), seen: Arc::default() };
        let script: Script = Arc::new(script);
        let task = tokio::spawn(accept_all(listener, acceptor, Arc::clone(&accepted), counters.clone(), script)).abort_handle();
        Self { address, accepted, ended: counters.ended, flooded: counters.flooded, seen: counters.seen, task }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("seen").clone()
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn accept_all(listener: TcpListener, acceptor: TlsAcceptor, accepted: Arc<AtomicUsize>, counters: Counters, script: Script) {
    // Connections end with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = accepted.fetch_add(1, Ordering::SeqCst);
        let (acceptor, counters, script) = (acceptor.clone(), counters.clone(), Arc::clone(&script));
        connections.spawn(async move {
            match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => serve(stream, number, &counters, &script).await,
                // Closing at once, with the client's question unread, could overtake the alert.
                Err((_, mut tcp)) => while tcp.read_buf(&mut Vec::with_capacity(4096)).await.is_ok_and(|read| read > 0) {},
            }
            counters.ended.fetch_add(1, Ordering::SeqCst);
        });
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, connection: usize, counters: &Counters, script: &Script) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer, connection).await {
        let number = {
            let mut all = counters.seen.lock().expect("seen");
            all.push(seen.clone());
            all.len() - 1
        };
        let mut reply = script(number, &seen);
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
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    next = match stream.write_all(b" ").await {
                        Ok(()) => stream.flush().await,
                        Err(error) => Err(error),
                    };
                }
                return;
            }
            Reply::Flood(head, chunk, most) => {
                let mut next = stream.write_all(&head).await;
                while next.is_ok() && counters.flooded.load(Ordering::SeqCst) < most {
                    next = stream.write_all(&chunk).await;
                    counters.flooded.fetch_add(chunk.len(), Ordering::SeqCst);
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
        if stream.read_buf(buffer).await.ok()? == 0 {
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
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = buffer.get(end..end + length)?.to_vec();
    buffer.drain(..end + length);
    Some(seen)
}

/// Waits until a condition holds; the test runner's own limit ends a wait that never does.
pub async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
