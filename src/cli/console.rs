//! How commands find the console of a gateway, and as whom they speak there.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value as Json;

use super::{Usage, complain, refusal};
use crate::client::Client;
use crate::demo::{AUDITOR, ca_file, person_files};

/// Where the console is, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Console {
    /// Folder of a running demo (its demo.json says where and with which certificate)
    #[arg(global = true, long, default_value = "qovsaq-demo")]
    dir: PathBuf,
    /// Whom to speak as: one of the people of demo.json
    #[arg(global = true, id = "as", long = "as", value_name = "NAME", default_value = AUDITOR)]
    speaker: String,
    /// Address of the console, such as `https://127.0.0.1:8445`, instead of a demo's; with --ca, --cert and --key
    #[arg(global = true, long, requires_all = ["ca", "cert", "key"])]
    console: Option<String>,
    /// Certificates that may sign the console's certificate, PEM
    #[arg(global = true, long)]
    ca: Option<PathBuf>,
    /// Your certificate, PEM
    #[arg(global = true, long)]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(global = true, long)]
    key: Option<PathBuf>,
    /// Language of messages: az or en
    #[arg(global = true, long, default_value = "en")]
    pub(crate) lang: String,
}

impl Console {
    /// Gets a path, and gives the answer's JSON; none where it was refused, which has been told.
    ///
    /// # Errors
    /// When no console answers.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Option<Json>> {
        let answer = self.client()?.get(path, &self.lang).await?;
        let body = answer.json()?;
        if answer.status != 200 {
            complain(&refusal(&body));
            return Ok(None);
        }
        Ok(Some(body))
    }

    /// A client of it.
    ///
    /// # Errors
    /// When no demo runs there, or a certificate cannot be read.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        if let (Some(console), Some(ca), Some(cert), Some(key)) = (&self.console, &self.ca, &self.cert, &self.key) {
            return Client::new(console, ca, Some((cert.clone(), key.clone())));
        }
        let file = self.dir.join("demo.json");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}; start `qovsaq demo` first, or name a --console", file.display()))?;
        let demo: Json = serde_json::from_str(&text)?;
        let console = demo["console"].as_str().context("demo.json names no console")?;
        Client::new(console, &ca_file(&self.dir), Some(person_files(&self.dir, &self.speaker)))
    }
}

/// A path with those keys of a query that have a value.
///
/// # Errors
/// When a value is neither a code nor a month.
pub(crate) fn path<const N: usize>(path: &str, query: [(&str, Option<String>); N]) -> anyhow::Result<String> {
    let mut pairs = Vec::new();
    for (key, value) in query {
        let Some(value) = value else { continue };
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if value.is_empty() || !value.bytes().all(plain) {
            return Err(Usage(format!("`{value}` is no {key}; a month is such as 2026-03, a provider such as taxes")).into());
        }
        pairs.push(format!("{key}={value}"));
    }
    Ok(if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) })
}
