//! `qovsaq outages`

use clap::Args;
use serde_json::Value as Json;

use super::console::Console;
use super::table::Table;
use super::{Ended, complain, say};

/// Show the register of outages, of the sources and of the gateway itself
#[derive(Debug, Args)]
#[command(after_help = "  qovsaq outages --as operator-1\n\
  qovsaq outages --open --as operator-1\n\
  qovsaq outages --month 2026-03 --source taxes --as auditor-1 --json\n\n\
Exit codes: 0 shown, 1 refused or unavailable, 2 wrong usage.")]
pub struct Outages {
    /// Only those that last
    #[arg(long)]
    open: bool,
    /// Only those of a month, such as 2026-03
    #[arg(long)]
    month: Option<String>,
    /// Only those of a provider, or `gateway`
    #[arg(long)]
    source: Option<String>,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

impl Outages {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let query = [("month", self.month), ("provider", self.source), ("open", self.open.then(|| "true".to_owned()))];
        let path = super::console::path("/v1/outages", query)?;
        let Some(body) = self.console.get(&path).await? else { return Ok(Ended::Badly) };
        let mut table = Table::new(&["SOURCE", "BEGAN", "ENDED", "LASTED", "CAUSE", "WHERE", "PLANNED", "QUESTIONS", "DOSSIERS"]);
        let outages = body["outages"].as_array().map(Vec::as_slice).unwrap_or_default();
        for outage in outages {
            if self.json {
                say(&outage.to_string())?;
                continue;
            }
            table.row(row(outage));
        }
        if !self.json && !outages.is_empty() {
            say(&table.to_string())?;
        }
        let lasting = outages.iter().filter(|outage| outage["ended_at"].is_null()).count();
        let more = if body["more"] == true { " (older ones by --month)" } else { "" };
        complain(&format!("{} outages, {lasting} of them last{more}", outages.len()));
        Ok(Ended::Well)
    }
}

fn row(outage: &Json) -> Vec<String> {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Null => "–".to_owned(),
        other => other.to_string(),
    };
    let source = match (outage["provider"].as_str(), outage["instance"].as_str()) {
        (Some(provider), Some(instance)) if provider != instance => format!("{provider}/{instance}"),
        (Some(provider), _) => provider.to_owned(),
        (None, _) => "gateway".to_owned(),
    };
    vec![
        source,
        text(&outage["began_at"]),
        text(&outage["ended_at"]),
        lasted(outage["seconds"].as_u64().unwrap_or(0)),
        text(&outage["cause"]),
        text(&outage["origin"]),
        text(&outage["planned"]),
        text(&outage["effect"]["questions_not_answered"]),
        text(&outage["effect"]["dossiers_held"]),
    ]
}

/// A length of time in words: the two largest units.
pub(super) fn lasted(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::lasted;

    #[test]
    fn a_length_of_time_has_its_two_largest_units() {
        assert_eq!([0, 59, 60, 3_661, 90_000].map(lasted), ["0 s", "59 s", "1 min 0 s", "1 h 1 min", "1 d 1 h"]);
    }
}
