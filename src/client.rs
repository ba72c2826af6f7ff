//! A consumer's side of the internal API, for `ask`, the demo and the tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap};
use serde_json::Value as Json;

use crate::tls::{ClientTlsFiles, client_config};

/// Largest answer a client reads, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A client with one certificate.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> anyhow::Result<Json> {
        serde_json::from_str(&self.body).with_context(|| format!("the answer {} is not JSON", self.status))
    }
}

impl Client {
    /// A client for a gateway whose certificate `ca` signs; `identity` is certificate and key.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn new(base: &str, ca: &Path, identity: Option<(PathBuf, PathBuf)>) -> anyhow::Result<Self> {
        let mut tls = client_config(&ClientTlsFiles { ca: ca.to_path_buf(), identity })?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(90))
            .build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: &Json, language: &str) -> anyhow::Result<Answer> {
        self.send(self.http.post(self.url(path)).header(CONTENT_TYPE, "application/json").body(body.to_string()), language).await
    }

    /// Posts JSON, saying how long to wait (`Prefer: wait=N`).
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post_waiting(&self, path: &str, body: &Json, language: &str, seconds: u64) -> anyhow::Result<Answer> {
        let request = self.http.post(self.url(path)).header("prefer", format!("wait={seconds}"));
        self.send(request.header(CONTENT_TYPE, "application/json").body(body.to_string()), language).await
    }

    /// Posts any bytes under any content type, for tests of bad input.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        self.send(self.http.post(self.url(path)).header(CONTENT_TYPE, content_type).body(body), "en").await
    }

    /// Gets.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str, language: &str) -> anyhow::Result<Answer> {
        self.send(self.http.get(self.url(path)), language).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, request: reqwest::RequestBuilder, language: &str) -> anyhow::Result<Answer> {
        let response = request.header(ACCEPT_LANGUAGE, language).send().await.map_err(reqwest::Error::without_url)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body: reqwest::Body = response.into();
        let bytes = http_body_util::Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!("the answer did not arrive whole: {error}"))?
            .to_bytes();
        Ok(Answer { status, headers, body: String::from_utf8(bytes.to_vec()).context("the answer is not UTF-8")? })
    }
}
