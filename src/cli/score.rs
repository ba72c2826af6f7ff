//! `qovsaq score`

use clap::Args;
use serde_json::Value as Json;

use super::console::{Console, path};
use super::outages::lasted;
use super::table::Table;
use super::{Ended, complain, say};

/// Show the score-cards of sources for a month, or what they do not hold electronically
#[derive(Debug, Args)]
#[command(after_help = "  qovsaq score --as operator-1\n\
  qovsaq score taxes --month 2026-03 --as assessor-1 --json\n\
  qovsaq score --not-held --as assessor-1\n\n\
Exit codes: 0 shown, 1 refused or unavailable, 2 wrong usage.")]
pub struct Score {
    /// One provider, with a row for each of its services
    source: Option<String>,
    /// The month, such as 2026-03; default: the present one
    #[arg(long)]
    month: Option<String>,
    /// What is not held electronically, by service, instead of the cards
    #[arg(long)]
    not_held: bool,
    /// JSON lines instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    console: Console,
}

impl Score {
    /// Runs the command.
    ///
    /// # Errors
    /// When no console answers.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let route = if self.not_held { "/v1/not-held" } else { "/v1/scores" };
        let path = path(route, [("month", self.month.clone()), ("provider", self.source.clone())])?;
        let Some(body) = self.console.get(&path).await? else { return Ok(Ended::Badly) };
        let rows = if self.not_held { &body["services"] } else { &body["sources"] };
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        if self.json {
            rows.iter().try_for_each(|row| say(&row.to_string()))?;
        } else if self.not_held {
            not_held(rows)?;
        } else {
            cards(rows, self.source.is_some())?;
            let own = &body["gateway"];
            complain(&format!(
                "the gateway itself was there {} % of the time: {} outages, {} not planned",
                figure(&own["available_percent"]),
                own["outages"],
                lasted(own["unplanned_seconds"].as_u64().unwrap_or(0)),
            ));
        }
        complain(&format!("{} in {}", rows.len(), body["month"].as_str().unwrap_or_default()));
        Ok(Ended::Well)
    }
}

fn cards(cards: &[Json], with_services: bool) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        "SOURCE",
        "THERE %",
        "OUTAGES",
        "UNPLANNED",
        "PLANNED",
        "ASKED",
        "ANSWERED %",
        "P50 ms",
        "P95 ms",
        "P99 ms",
        "INVALID %",
        "UNDECLARED",
        "ERRORS",
    ]);
    for card in cards {
        let time = &card["time"];
        let seconds = |key: &str| lasted(time[key].as_u64().unwrap_or(0));
        let mut row = vec![
            name(card),
            figure(&time["available_percent"]),
            figure(&time["outages"]),
            seconds("unplanned_seconds"),
            seconds("planned_seconds"),
        ];
        row.extend(work(&card["work"]));
        table.row(row);
        for (service, counts) in card["services"].as_object().into_iter().flatten().filter(|_| with_services) {
            let mut row = vec![format!("  {service}"), String::new(), String::new(), String::new(), String::new()];
            row.extend(work(counts));
            table.row(row);
        }
    }
    if cards.is_empty() { Ok(()) } else { say(&table.to_string()) }
}

fn name(card: &Json) -> String {
    match (card["provider"].as_str().unwrap_or_default(), card["instance"].as_str().unwrap_or_default()) {
        (provider, instance) if provider == instance => provider.to_owned(),
        (provider, instance) => format!("{provider}/{instance}"),
    }
}

fn work(work: &Json) -> Vec<String> {
    let errors: Vec<String> = work["failures"].as_object().into_iter().flatten().map(|(cause, count)| format!("{cause} {count}")).collect();
    vec![
        figure(&work["asked"]),
        figure(&work["answered_percent"]),
        figure(&work["took_ms"]["p50"]),
        figure(&work["took_ms"]["p95"]),
        figure(&work["took_ms"]["p99"]),
        figure(&work["invalid_data_percent"]),
        figure(&work["undeclared_fields"]),
        if errors.is_empty() { "–".to_owned() } else { errors.join(", ") },
    ]
}

fn figure(value: &Json) -> String {
    if value.is_null() { "–".to_owned() } else { value.to_string() }
}

fn not_held(rows: &[Json]) -> anyhow::Result<()> {
    let mut table = Table::new(&["SOURCE", "SERVICE", "ASKED", "NOT HELD ELECTRONICALLY", "ABSENCE UNKNOWN"]);
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let count = |key: &str| figure(&row[key]);
        table.row(vec![text("provider"), text("service"), count("asked"), count("not_held_electronically"), count("absence_unknown")]);
    }
    if rows.is_empty() { Ok(()) } else { say(&table.to_string()) }
}
