//! `qovsaq journal search|export`: what an auditor asks the console of a gateway.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value as Json, json};

use crate::cli::console::Console;
use crate::cli::table::Table;
use crate::cli::{Ended, Usage, complain, key_value, refusal, say};

/// What to look for, and why.
#[derive(Debug, Args)]
pub(super) struct Asking {
    /// Conditions, all of which an entry must meet: fin, pin, tin, document (SERIES:NUMBER:BIRTH-DATE), consumer,
    /// official, provider, service, purpose, case, outcome, kind, from, to. The same key again: any of its values
    #[arg(value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// What is looked for and why, in at least ten characters; it is journalled
    #[arg(long)]
    reason: String,
}

impl Asking {
    fn body(&self) -> anyhow::Result<Json> {
        let mut filter = Map::new();
        for condition in &self.filter {
            let (key, value) = key_value(condition)?;
            let (key, value) = match key {
                "fin" | "pin" | "tin" => ("subject", json!({key: value})),
                "document" => ("subject", document(&value)?),
                _ => (key, value),
            };
            match filter.get_mut(key) {
                None => drop(filter.insert(key.to_owned(), value)),
                Some(Json::Array(values)) => values.push(value),
                Some(first) => *first = json!([first.take(), value]),
            }
        }
        Ok(json!({"reason": self.reason, "filter": filter}))
    }
}

fn document(value: &Json) -> anyhow::Result<Json> {
    let mut parts = value.as_str().unwrap_or_default().split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(series), Some(number), Some(birth_date), None) => {
            Ok(json!({"document": {"series": series, "number": number}, "birth_date": birth_date}))
        }
        _ => Err(Usage("document is SERIES:NUMBER:BIRTH-DATE, such as ZZ:1234567:1980-01-31".to_owned()).into()),
    }
}

/// Search the journal as an auditor
#[derive(Debug, Args)]
#[command(after_help = "Newest first. The search itself is journalled.\n\n\
  qovsaq journal search --reason \"complaint 17: who looked\" fin=5K7QX2O\n\
  qovsaq journal search --reason \"review of October\" official=AZ-0001 kind=disclosed from=2026-10-01T00:00:00+04:00\n\n\
Exit codes: 0 searched (also when nothing was found), 1 refused or unavailable, 2 wrong usage.")]
pub(super) struct Search {
    #[command(flatten)]
    asking: Asking,
    /// Entries at most; all of them are read page by page
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

/// Entries of one page.
const PAGE: usize = 1_000;

impl Search {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers or the arguments make no sense.
    pub(super) async fn run(self) -> anyhow::Result<Ended> {
        let client = self.console.client()?;
        let mut body = self.asking.body()?;
        let mut table = Table::new(&["AT", "ENTRY", "KIND", "CONSUMER", "OFFICIAL", "SERVICE", "PURPOSE", "CASE", "OUTCOME"]);
        let (mut count, mut more) = (0, true);
        while more && count < self.limit {
            body["limit"] = json!((self.limit - count).min(PAGE));
            let answer = client.post("/v1/journal/search", &body, &self.console.lang).await?;
            let page = answer.json()?;
            if answer.status != 200 {
                complain(&refusal(&page));
                return Ok(Ended::Badly);
            }
            for entry in page["entries"].as_array().into_iter().flatten() {
                count += 1;
                if self.json {
                    say(&entry.to_string())?;
                } else {
                    table.row(row(entry));
                }
            }
            for log in page["covered"].as_array().into_iter().flatten().filter(|log| log["searched"] != log["of"]) {
                complain(&format!(
                    "{}: the index has taken in {} of {} entries; what is missing was not searched",
                    log["origin"], log["searched"], log["of"]
                ));
            }
            more = !page["next"].is_null();
            body["cursor"] = page["next"].clone();
        }
        if !self.json && count > 0 {
            write!(std::io::stdout().lock(), "{table}")?;
        }
        let rest = if more { "; there are more, raise --limit" } else { "" };
        complain(&format!("{count} entr{} found{rest}", if count == 1 { "y" } else { "ies" }));
        Ok(Ended::Well)
    }
}

fn row(entry: &Json) -> Vec<String> {
    let metadata = &entry["metadata"];
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let outcome = match metadata["given"].as_array() {
        None => text(&metadata["outcome"]),
        Some(given) => {
            let mut outcomes: Vec<&str> = given.iter().filter_map(|given| given["outcome"].as_str()).collect();
            outcomes.sort_unstable();
            outcomes.dedup();
            outcomes.join(" ")
        }
    };
    let who = if metadata["auditor"].is_string() { &metadata["auditor"] } else { &metadata["official"] };
    vec![
        text(&entry["at"]),
        format!("{}/{}", text(&entry["origin"]), entry["index"]),
        text(&entry["kind"]),
        text(&metadata["consumer"]),
        text(who),
        text(&metadata["service"]),
        text(&metadata["purpose"]),
        text(&metadata["case"]),
        outcome,
    ]
}

/// Explain the decision of one entry by the rules of then, and compare it with what was recorded
#[derive(Debug, Args)]
#[command(after_help = "The explanation itself is journalled. Of an answer or a failure the question's decision is explained.\n\n\
  qovsaq journal explain node-1.example.2026h2 41 --lang az\n\n\
Exit codes: 0 explained, and what was recorded agrees; 1 it does not, cannot be explained, or was refused; 2 wrong usage.")]
pub(super) struct Explain {
    /// The log's name, as receipts and searches have it
    origin: String,
    /// Index of the entry
    index: u64,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers.
    pub(super) async fn run(self) -> anyhow::Result<Ended> {
        // It becomes part of a path.
        let origin = journal::Origin::new(&self.origin).map_err(|error| Usage(error.to_string()))?;
        let client = self.console.client()?;
        let answer = client.get(&format!("/v1/journal/entries/{origin}/{}/explanation", self.index), &self.console.lang).await?;
        let body = answer.json()?;
        if answer.status != 200 {
            complain(&refusal(&body));
            return Ok(Ended::Badly);
        }
        if self.json {
            say(&serde_json::to_string_pretty(&body)?)?;
        } else {
            let text = &body["text"];
            let text = if self.console.lang == "en" { &text["en"] } else { &text["az"] };
            say(text.as_str().unwrap_or_default())?;
        }
        Ok(if body["explained"]["agrees"] == true { Ended::Well } else { Ended::Badly })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line of JSON per entry: evidence, and for programs
    Ndjson,
    /// A row per entry, for spreadsheets
    Csv,
    /// All about one case in a ZIP, for a court
    Bundle,
}

/// Export entries with their proofs, for `qovsaq-verify`
#[derive(Debug, Args)]
#[command(after_help = "The export itself is journalled. Check the file with `qovsaq-verify --keys LOG.pub FILE`; with a CSV name its\n\
checkpoints (FILE.<origin>.checkpoint) too.\n\n\
  qovsaq journal export --reason \"court order 2-118\" --format bundle --out evidence.zip case=c-2026-000042\n\n\
Exit codes: 0 written, 1 refused or broken off, 2 wrong usage.")]
pub(super) struct Export {
    #[command(flatten)]
    asking: Asking,
    /// What to write
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Form,
    /// The file to write; one that is there is not replaced
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    console: Console,
}

impl Export {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers, the file cannot be written, or the export was broken off.
    pub(super) async fn run(self) -> anyhow::Result<Ended> {
        anyhow::ensure!(!self.out.exists(), "{} is there already; name another --out", self.out.display());
        let client = self.console.client()?;
        let mut body = self.asking.body()?;
        body["format"] = json!(self.format.to_possible_value().map(|value| value.get_name().to_owned()));
        let mut download = match client.download("/v1/journal/export", &body, &self.console.lang).await? {
            Ok(download) => download,
            Err(answer) => {
                complain(&refusal(&answer.json()?));
                return Ok(Ended::Badly);
            }
        };
        let beside = with_suffix(&self.out, "part");
        let result = async {
            let mut file = BufWriter::new(File::create(&beside).with_context(|| format!("cannot write {}", beside.display()))?);
            let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {bytes} ({bytes_per_sec})")?);
            let mut bytes = 0;
            while let Some(chunk) = download.chunk().await? {
                file.write_all(&chunk)?;
                bytes += chunk.len() as u64;
                bar.set_position(bytes);
            }
            bar.finish_and_clear();
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&beside, &self.out)?;
            anyhow::Ok(bytes)
        };
        let bytes = match result.await {
            Ok(bytes) => bytes,
            Err(error) => {
                // What was begun is worth nothing.
                drop(std::fs::remove_file(&beside));
                return Err(error.context("the export is not whole; run it again"));
            }
        };
        let mut written = format!("{}: {bytes} bytes", self.out.display());
        for note in download.headers().get_all("qovsaq-checkpoint") {
            let note = base64::engine::general_purpose::STANDARD.decode(note).context("the checkpoint's header is not base64")?;
            let note = String::from_utf8(note).context("the checkpoint is not text")?;
            if self.format == Form::Csv {
                let file = with_suffix(&self.out, &format!("{}.checkpoint", note.lines().next().unwrap_or_default()));
                std::fs::write(&file, note).with_context(|| format!("cannot write {}", file.display()))?;
                written.push_str(&format!("\n{}: the checkpoint it is proven under", file.display()));
            }
        }
        say(&written)?;
        complain("check it with: qovsaq-verify --keys LOG.pub FILE, and with a CSV its checkpoints beside it");
        Ok(Ended::Well)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
