//! A consumer's side of the internal API, for `ask`, the demo and the tests.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::BodyExt as _;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap};
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

/// Longest time that a download takes.
const DOWNLOAD_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// An answer that comes piece by piece.
#[derive(Debug)]
pub struct Download(reqwest::Response);

impl Download {
    /// Its header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next piece; none at its end.
    ///
    /// # Errors
    /// When it breaks off before its end.
    pub async fn chunk(&mut self) -> anyhow::Result<Option<bytes::Bytes>> {
        Ok(self.0.chunk().await.map_err(reqwest::Error::without_url)?)
    }
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

    /// Posts JSON with further headers, such as `Cache-Control`.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post_with(&self, path: &str, body: &Json, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let request = self.http.post(self.url(path)).header(CONTENT_TYPE, "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.to_string()), "en").await
    }

    /// Posts JSON and hands over each server-sent event as it comes: its name and its data. Ends with the
    /// stream, or as soon as `take` says so.
    ///
    /// # Errors
    /// When no stream comes; its text is the answer's.
    pub async fn stream(
        &self,
        path: &str,
        body: &Json,
        language: &str,
        seconds: u64,
        mut take: impl FnMut(&str, &Json) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let request = self.http.post(self.url(path)).header("prefer", format!("wait={seconds}"));
        let request =
            request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "text/event-stream").header(ACCEPT_LANGUAGE, language);
        let mut response = request.body(body.to_string()).send().await.map_err(reqwest::Error::without_url)?;
        if response.status() != reqwest::StatusCode::OK {
            let answer = Self::whole(response).await?;
            anyhow::bail!("the stream was answered {}: {}", answer.status, answer.body);
        }
        let mut lines = Vec::new();
        let mut event = (String::new(), String::new());
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            anyhow::ensure!(lines.len() + chunk.len() <= ANSWER_BYTES_MAX, "an event is too large");
            lines.extend_from_slice(&chunk);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                let line = String::from_utf8(line).context("the stream is not UTF-8")?;
                match line.trim_end().split_once(": ") {
                    Some(("event", name)) => name.clone_into(&mut event.0),
                    Some(("data", data)) => event.1.push_str(data),
                    // An empty line ends an event; anything else is a comment.
                    _ if line.trim_end().is_empty() && !event.1.is_empty() => {
                        let (name, data) = std::mem::take(&mut event);
                        if take(&name, &serde_json::from_str(&data)?).is_break() {
                            return Ok(());
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Posts JSON and hands over the answer piece by piece; whole where it is not 200.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn download(&self, path: &str, body: &Json, language: &str) -> anyhow::Result<Result<Download, Answer>> {
        let request = self.http.post(self.url(path)).header(CONTENT_TYPE, "application/json").header(ACCEPT_LANGUAGE, language);
        // As long as it takes: it grows all the while.
        let request = request.body(body.to_string()).timeout(DOWNLOAD_TIME_MAX);
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        if response.status() == reqwest::StatusCode::OK { Ok(Ok(Download(response))) } else { Ok(Err(Self::whole(response).await?)) }
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
        Self::whole(request.header(ACCEPT_LANGUAGE, language).send().await.map_err(reqwest::Error::without_url)?).await
    }

    /// Reads an answer to its end, at most [`ANSWER_BYTES_MAX`] of it.
    async fn whole(response: reqwest::Response) -> anyhow::Result<Answer> {
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
