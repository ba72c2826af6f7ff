//! `qovsaq overrides list|review`

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::console::Console;
use super::table::Table;
use super::{Ended, complain, refusal, say};

/// Look at the emergencies in which an official acted beyond his own case
#[derive(Debug, Args)]
pub struct Overrides {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what waits for its review, the oldest first
    #[command(after_help = "qovsaq overrides list --as dpo-1\n\nExit codes: 0 listed, 1 refused or unavailable, 2 wrong usage.")]
    List {
        /// JSON lines instead of a table
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        console: Console,
    },
    /// Say what you found; an unjustified one ends at once
    #[command(after_help = "qovsaq overrides review 019…  --as dpo-1 --verdict justified --reason \"the police confirmed it\"\n\n\
Exit codes: 0 taken down, 1 refused or unavailable, 2 wrong usage.")]
    Review {
        /// The override's id
        id: Uuid,
        /// What you found
        #[arg(long)]
        verdict: Verdict,
        /// Why, in 10 to 500 characters
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        console: Console,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verdict {
    Justified,
    Unjustified,
}

impl Overrides {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers.
    pub async fn run(self) -> anyhow::Result<Ended> {
        match self.command {
            Command::List { json, console } => list(&console, json).await,
            Command::Review { id, verdict, reason, console } => review(&console, id, verdict, &reason).await,
        }
    }
}

async fn list(console: &Console, as_json: bool) -> anyhow::Result<Ended> {
    let answer = console.client()?.get("/v1/overrides", &console.lang).await?;
    let body = answer.json()?;
    if answer.status != 200 {
        complain(&refusal(&body));
        return Ok(Ended::Badly);
    }
    let mut table = Table::new(&["OVERRIDE", "CONSUMER", "CASE", "OFFICIAL", "PERSONS", "SINCE", "UNTIL", "REASON"]);
    let waiting = body["overrides"].as_array().map(Vec::as_slice).unwrap_or_default();
    for entry in waiting {
        if as_json {
            say(&entry.to_string())?;
            continue;
        }
        let text = |key: &str| match &entry[key] {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        table.row(["override", "consumer", "case", "official", "persons", "begun_at", "until", "reason"].map(text).to_vec());
    }
    if !as_json && !waiting.is_empty() {
        say(&table.to_string())?;
    }
    complain(&format!("{} to review", waiting.len()));
    Ok(Ended::Well)
}

async fn review(console: &Console, id: Uuid, verdict: Verdict, reason: &str) -> anyhow::Result<Ended> {
    let verdict = match verdict {
        Verdict::Justified => "justified",
        Verdict::Unjustified => "unjustified",
    };
    let body = json!({"verdict": verdict, "reason": reason});
    let answer = console.client()?.post(&format!("/v1/overrides/{id}/review"), &body, &console.lang).await?;
    if answer.status != 201 {
        complain(&refusal(&answer.json()?));
        return Ok(Ended::Badly);
    }
    say(&format!("{id} {verdict}"))?;
    Ok(Ended::Well)
}
