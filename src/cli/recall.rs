//! `qovsaq recall`

use std::io::Read as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value as Json, json};

use super::console::Console;
use super::table::Table;
use super::{Ended, complain, refusal, say};

/// Longest subject read from standard input, in bytes.
const SUBJECT_BYTES_MAX: u64 = 1024;

/// Tell everybody who was told of facts that their source has taken them back
#[derive(Debug, Args)]
#[command(
    after_help = "echo '{\"fin\": \"5K7QX2O\"}' | qovsaq recall justice/family-acts --as operator-1 --from 2026-03-01T00:00:00+04:00 \\\n\
  --because annulled --reason \"court decision 2(12)-34, letter of the ministry\"\n\n\
The person is read from standard input as the interface writes a subject, so that no identifier stands in a list of\n\
processes; a service that asks about nobody takes --nobody.\n\n\
Exit codes: 0 carried out, 1 refused or unavailable, 2 wrong usage."
)]
pub struct Recall {
    /// The service, such as `justice/family-acts`
    service: String,
    /// Answers of this moment or later (RFC 3339)
    #[arg(long)]
    from: String,
    /// Answers of this moment or earlier; default now
    #[arg(long)]
    to: Option<String>,
    /// Why the facts are taken back
    #[arg(long)]
    because: Because,
    /// Why, in 10 to 500 characters
    #[arg(long)]
    reason: String,
    /// The service asks about nobody: nothing is read from standard input
    #[arg(long)]
    nobody: bool,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Because {
    /// They never were facts
    Annulled,
    /// They were wrong, and others hold
    Corrected,
}

impl Recall {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers, or standard input holds no subject.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let because = match self.because {
            Because::Annulled => "annulled",
            Because::Corrected => "corrected",
        };
        let mut body = Map::from_iter([
            ("service".to_owned(), json!(self.service)),
            ("from".to_owned(), json!(self.from)),
            ("because".to_owned(), json!(because)),
            ("reason".to_owned(), json!(self.reason)),
        ]);
        body.extend(self.to.map(|to| ("to".to_owned(), json!(to))));
        if !self.nobody {
            let mut text = String::new();
            std::io::stdin().lock().take(SUBJECT_BYTES_MAX).read_to_string(&mut text).context("cannot read the subject")?;
            let subject: Json = serde_json::from_str(&text).context("standard input is no subject such as {\"fin\": \"5K7QX2O\"}")?;
            body.insert("subject".to_owned(), subject);
        }
        let answer = self.console.client()?.post("/v1/recalls", &Json::Object(body), &self.console.lang).await?;
        let body = answer.json()?;
        if answer.status != 200 {
            complain(&refusal(&body));
            return Ok(Ended::Badly);
        }
        if self.json {
            say(&body.to_string())?;
            return Ok(Ended::Well);
        }
        let mut table = Table::new(&["CONSUMER", "CASES"]);
        let consumers = body["consumers"].as_object().cloned().unwrap_or_default();
        for (consumer, cases) in &consumers {
            table.row(vec![consumer.clone(), cases.to_string()]);
        }
        if !consumers.is_empty() {
            say(&table.to_string())?;
        }
        complain(&format!("{} answers taken back, {} cases told", body["answers"], body["cases"]));
        Ok(Ended::Well)
    }
}
