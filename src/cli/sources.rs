//! `qovsaq sources`

use clap::Args;
use serde_json::Value as Json;

use super::console::Console;
use super::outages::lasted;
use super::table::Table;
use super::{Ended, complain, say};

/// Show how every source stands, and how far what it delivers has come
#[derive(Debug, Args)]
#[command(
    after_help = "  qovsaq sources --as operator-1\n\nExit codes: 0 all is well, 1 a source is out or late, or the console does not answer, 2 wrong usage."
)]
pub struct Sources {
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

impl Sources {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let Some(body) = self.console.get("/v1/sources").await? else { return Ok(Ended::Badly) };
        let mut table =
            Table::new(&["SOURCE", "FEED", "HOW", "STATE", "SINCE", "LAST SUCCESS", "LAG", "ROWS", "ERRORS", "LATE", "PLANNED WINDOW"]);
        let sources = body["sources"].as_array().map(Vec::as_slice).unwrap_or_default();
        for source in sources {
            if self.json {
                say(&source.to_string())?;
            } else {
                table.row(row(source));
            }
        }
        if !self.json && !sources.is_empty() {
            say(&table.to_string())?;
        }
        let out = sources.iter().filter(|source| source["health"] == "down").count();
        let late = sources.iter().filter(|source| source["overdue"] == true).count();
        complain(&format!("{} feeds, {out} of sources that are out, {late} late", sources.len()));
        Ok(if out + late == 0 { Ended::Well } else { Ended::Badly })
    }
}

fn row(source: &Json) -> Vec<String> {
    let text = |key: &str| match &source[key] {
        Json::String(text) => text.clone(),
        Json::Null => "–".to_owned(),
        other => other.to_string(),
    };
    let window = &source["window"];
    let planned = match (window["now"].as_bool(), window["from"].as_str(), window["until"].as_str()) {
        (Some(true), _, Some(until)) => format!("now, until {until}"),
        (Some(false), Some(from), _) => from.to_owned(),
        _ => "–".to_owned(),
    };
    let by_itself = source["mode"] != "call";
    vec![
        text("provider"),
        text("feed"),
        text("mode"),
        text("health"),
        text("down_since"),
        text("last_success"),
        source["lag_seconds"].as_u64().map_or_else(|| "–".to_owned(), lasted),
        if by_itself { text("rows") } else { "–".to_owned() },
        text("errors"),
        if by_itself { text("overdue") } else { "–".to_owned() },
        planned,
    ]
}
