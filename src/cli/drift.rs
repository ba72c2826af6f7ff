//! `qovsaq drift`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::Value as Json;

use super::console::Console;
use super::table::Table;
use super::{Ended, complain, refusal, say};

/// Show what sources sent in a month that their contracts do not know
#[derive(Debug, Args)]
#[command(after_help = "qovsaq drift --as operator-1\n\
qovsaq drift --as operator-1 --month 2026-03 --report reports\n\n\
With --report, one file for each source is written into the folder: <provider>-<month>.md, for the body that answers for\n\
its data. Names of parts, paths and rules stand there, never a content.\n\n\
Exit codes: 0 shown, 1 refused or unavailable, 2 wrong usage.")]
pub struct Drift {
    /// The month, yyyy-mm; default the present one
    #[arg(long)]
    month: Option<String>,
    /// Only this provider
    #[arg(long)]
    provider: Option<String>,
    /// Write a report for each source into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

impl Drift {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers, or a report cannot be written.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let Self { month, provider, report, json: as_json, console } = self;
        let client = console.client()?;
        let path = super::with_query("/v1/drift", &[("month", month), ("provider", provider.clone())])?;
        let answer = client.get(&path, &console.lang).await?;
        let body = answer.json()?;
        if answer.status != 200 {
            complain(&refusal(&body));
            return Ok(Ended::Badly);
        }
        let sums = body["sums"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut table = Table::new(&["SERVICE", "WHAT", "NAME", "ANSWERS", "FIRST", "LAST"]);
        for sum in sums {
            if as_json {
                say(&sum.to_string())?;
            } else {
                table.row(row(sum));
            }
        }
        if !as_json && !sums.is_empty() {
            say(&table.to_string())?;
        }
        if let Some(dir) = report {
            let listed = client.get(&super::with_query("/v1/quarantine", &[("provider", provider)])?, &console.lang).await?;
            let listed = listed.json()?;
            let items = listed["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let month = body["month"].as_str().unwrap_or_default();
            for file in write_reports(&dir, month, sums, items)? {
                complain(&format!("written: {}", file.display()));
            }
        }
        Ok(Ended::Well)
    }
}

fn row(sum: &Json) -> Vec<String> {
    let text = |key: &str| match &sum[key] {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    ["service", "what", "name", "answers", "first", "last"].map(text).to_vec()
}

/// One report for each source that sent something.
fn write_reports(dir: &Path, month: &str, sums: &[Json], items: &[Json]) -> anyhow::Result<Vec<PathBuf>> {
    let mut by_provider: BTreeMap<&str, Vec<&Json>> = BTreeMap::new();
    for sum in sums {
        by_provider.entry(sum["provider"].as_str().unwrap_or_default()).or_default().push(sum);
    }
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut written = Vec::new();
    for (provider, sums) in by_provider.into_iter().filter(|(provider, _)| !provider.is_empty()) {
        let of_month =
            |item: &&Json| item["provider"] == provider && item["received_at"].as_str().is_some_and(|received| received.starts_with(month));
        let path = dir.join(format!("{provider}-{month}.md"));
        let text = report(provider, month, &sums, &items.iter().filter(of_month).collect::<Vec<_>>());
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// A source's month, for the body that answers for its data.
fn report(provider: &str, month: &str, sums: &[&Json], items: &[&Json]) -> String {
    let owner = sums.first().map(|sum| &sum["owner"]).unwrap_or(&Json::Null);
    let names = |language: &str| owner[language].as_str().unwrap_or(provider).to_owned();
    let mut text = String::new();
    let mut line = |words: &str| writeln!(text, "{words}").unwrap_or_default();
    line(&format!("# {provider}, {month}\n"));
    line(&format!("{}: müqavilədən kənar göndərilənlər / {}: what came beside the contract.\n", names("az"), names("en")));
    line("Adlar, yollar və qaydalar göstərilir, məzmun heç vaxt. / Names, paths and rules, never a content.\n");
    line("| Xidmət / Service | Nə / What | Ad / Name | Cavab / Answers | İlk / First | Son / Last |\n|---|---|---|---|---|---|");
    for sum in sums {
        line(&format!("| {} |", row(sum).join(" | ")));
    }
    line("\n## Karantin / Quarantine\n");
    if items.is_empty() {
        line("Bu ay heç nə. / Nothing this month.");
        return text;
    }
    line(
        "| Element / Item | Vəziyyət / State | Xidmət / Service | Qayda / Rule | Yol / Path | Müddət / Until |\n|---|---|---|---|---|---|",
    );
    for item in items {
        let cells = ["item", "state", "service", "rule", "path", "deadline"].map(|key| item[key].as_str().unwrap_or("-"));
        line(&format!("| {} |", cells.join(" | ")));
    }
    text
}
