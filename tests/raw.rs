//! A bare client: one TLS connection, HTTP/1.1 by hand. For what a well-behaved client would not do,
//! and where a test must know which connection an answer came on.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qovsaq::demo::ca_file;
use qovsaq::tls::{ClientTlsFiles, client_config};
use rustls_pki_types::ServerName;
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    /// Our own port, by which a trace knows the connection.
    pub(crate) port: u16,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl RawAnswer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Connection {
    /// Shakes hands with a gateway of the deployment in `dir`.
    ///
    /// In TLS 1.3 the client is done before the server has looked at the client's certificate: a
    /// refusal shows at the first read.
    pub(crate) async fn open(address: SocketAddr, dir: &Path, identity: Option<(PathBuf, PathBuf)>) -> io::Result<Self> {
        let mut tls = client_config(&ClientTlsFiles { ca: ca_file(dir), identity }).map_err(io::Error::other)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await?;
        let port = stream.local_addr()?.port();
        let name = ServerName::from(address.ip());
        Ok(Self { stream: TlsConnector::from(Arc::new(tls)).connect(name, stream).await?, port })
    }

    /// Posts JSON; an error when the connection ends before a whole answer.
    pub(crate) async fn post(&mut self, path: &str, wait: Option<u32>, body: &Json) -> io::Result<RawAnswer> {
        let body = body.to_string();
        let prefer = wait.map(|seconds| format!("prefer: wait={seconds}\r\n")).unwrap_or_default();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\naccept-language: en\r\n{prefer}content-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        self.read().await
    }

    /// Gets; an error when the connection ends before a whole answer.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<RawAnswer> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: gateway\r\naccept-language: en\r\n\r\n").as_bytes()).await?;
        self.read().await
    }

    /// Posts JSON and reads the whole stream of server-sent events, framing and head included.
    pub(crate) async fn stream(&mut self, path: &str, wait: u32, body: &Json) -> io::Result<Vec<u8>> {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\naccept: text/event-stream\r\nprefer: wait={wait}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            let mut part = vec![0_u8; 16 * 1024];
            match self.stream.read(&mut part).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => bytes.extend_from_slice(&part[..count]),
            }
        }
        Ok(bytes)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads one answer with a `content-length`.
    pub(crate) async fn read(&mut self) -> io::Result<RawAnswer> {
        let mut bytes = Vec::new();
        loop {
            let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(head_end) = head_end {
                let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
                let length: usize = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .and_then(|text| text.trim().parse().ok())
                    .ok_or_else(|| io::Error::other("an answer without a length"))?;
                if bytes.len() >= head_end + 4 + length {
                    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
                    return Ok(RawAnswer { status, body: bytes[head_end + 4..head_end + 4 + length].to_vec() });
                }
            }
            let mut part = vec![0_u8; 16 * 1024];
            match self.stream.read(&mut part).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => bytes.extend_from_slice(&part[..count]),
            }
        }
    }
}
