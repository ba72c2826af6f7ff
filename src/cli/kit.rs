//! `qovsaq kit [PROVIDER[/SERVICE]…]`: the contract test suite for whoever adds a source.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::ServiceId;
use serde_json::json;

use super::table::Table;
use super::{Ended as Command, Usage, complain, say, say_problems};
use crate::clock;
use crate::gateway::StartError;
use crate::kit::{Case, Cell, Ended, Suite, Workplace};

/// Run the contract test suite: every service in every case, against a source played from the mapping's examples.
#[derive(Debug, Args)]
#[command(after_help = "Nothing real is asked: the source is played on this machine, and a gateway of its own asks it.\n\n  \
  qovsaq kit agriculture --data .\n  \
  qovsaq kit taxes/person-income --case fault-in-200 --case hung\n  \
  qovsaq kit --list\n\n\
Exit codes: 0 every case is as ordered or does not apply, 1 one is not, 2 wrong usage.")]
pub struct Kit {
    /// provider or provider/service; every service where none is named
    #[arg(value_name = "PROVIDER[/SERVICE]")]
    names: Vec<String>,
    /// Data to use instead of what is built in: a folder with contracts/ and mappings/
    #[arg(long)]
    data: Option<PathBuf>,
    /// Only these cases (see --list)
    #[arg(long = "case", value_name = "CASE")]
    cases: Vec<String>,
    /// List the cases, and stop
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Kit {
    /// Runs the command.
    ///
    /// # Errors
    /// When a name is unknown, or nothing can be started.
    pub async fn run(self) -> anyhow::Result<Command> {
        if self.list {
            return self.list_cases();
        }
        let cases = self.cases()?;
        let dir = std::env::temp_dir().join(format!("qovsaq-kit-{}", crate::record::new_id().simple()));
        let ended = Box::pin(self.run_in(&dir, &cases)).await;
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        let cells = match ended {
            Ok(cells) => cells,
            Err(StartError::Problems(problems)) => {
                say_problems(problems)?;
                return Ok(Command::Badly);
            }
            Err(StartError::Other(error)) => return Err(error),
        };
        if self.json {
            self.print_json(&cells)?
        } else {
            print(&cells)?
        }
        Ok(if cells.iter().any(|cell| matches!(cell.ended, Ended::Red { .. })) { Command::Badly } else { Command::Well })
    }

    async fn run_in(&self, dir: &Path, cases: &[Case]) -> Result<Vec<Cell>, StartError> {
        std::fs::create_dir_all(dir).map_err(anyhow::Error::new)?;
        let place = Workplace::prepare(dir, self.data.as_deref(), clock::now())?;
        let services = self.services(&place)?;
        let progress = progress(services.len() * cases.len());
        let suite = Suite::start(place, &services).await?;
        let begun = |service: &ServiceId, case: Case| {
            progress.set_message(format!("{service} {}", case.as_str()));
            progress.inc(1);
        };
        let cells = suite.run(cases, |_, _, step| step, begun).await?;
        progress.finish_and_clear();
        Ok(cells)
    }

    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        if self.cases.is_empty() {
            return Ok(Case::ALL.to_vec());
        }
        let read = |name: &String| name.parse::<Case>().map_err(|unknown| Usage(format!("`{name}`: {unknown}")).into());
        self.cases.iter().map(read).collect()
    }

    /// The services that are named.
    fn services(&self, place: &Workplace) -> anyhow::Result<BTreeSet<ServiceId>> {
        let known: Vec<&ServiceId> = place.materials.iter().map(|material| &material.service.id).collect();
        let is_named = |service: &ServiceId, name: &str| service.as_str() == name || service.provider() == name;
        for name in &self.names {
            if !known.iter().any(|service| is_named(service, name)) {
                let known: Vec<&str> = known.iter().map(|service| service.as_str()).collect();
                return Err(Usage(format!("there is no provider or service `{name}`; accepted: {}", known.join(", "))).into());
            }
        }
        let wanted = |service: &&&ServiceId| self.names.is_empty() || self.names.iter().any(|name| is_named(service, name));
        Ok(known.iter().filter(wanted).map(|service| (*service).clone()).collect())
    }

    fn list_cases(&self) -> anyhow::Result<Command> {
        if self.json {
            let cases: Vec<_> =
                Case::ALL.iter().map(|case| json!({"case": case.as_str(), "plays": case.plays(), "todo": case.todo()})).collect();
            say(&serde_json::to_string_pretty(&cases)?)?;
            return Ok(Command::Well);
        }
        let mut table = Table::new(&["Case", "What the source does"]);
        for case in Case::ALL {
            table.row(vec![case.as_str().to_owned(), case.plays().to_owned()]);
        }
        say(&table.to_string())?;
        Ok(Command::Well)
    }

    fn print_json(&self, cells: &[Cell]) -> anyhow::Result<()> {
        let [green, red, not_applicable] = counts(cells);
        say(&serde_json::to_string_pretty(&json!({"green": green, "red": red, "not_applicable": not_applicable, "cells": cells}))?)
    }
}

/// A row for each service, or for each case where it is one service; then what failed, with what to do.
fn print(cells: &[Cell]) -> anyhow::Result<()> {
    let services: BTreeSet<&ServiceId> = cells.iter().map(|cell| &cell.service).collect();
    if services.len() == 1 {
        let mut table = Table::new(&["Case", "Result", ""]);
        for cell in cells {
            let (result, more) = match &cell.ended {
                Ended::Green { asked } => ("green", format!("{asked} question{}", if *asked == 1 { "" } else { "s" })),
                Ended::Red { why, .. } => ("RED", why.first().cloned().unwrap_or_default()),
                Ended::NotApplicable { reason } => ("-", reason.clone()),
            };
            table.row(vec![cell.case.as_str().to_owned(), result.to_owned(), more]);
        }
        say(&table.to_string())?;
    } else {
        let mut table = Table::new(&["Service", "Green", "Red", "Not applicable"]);
        for service in services {
            let own: Vec<Cell> = cells.iter().filter(|cell| cell.service == *service).cloned().collect();
            let counts = counts(&own).map(|count| count.to_string());
            table.row(std::iter::once(service.to_string()).chain(counts).collect());
        }
        say(&table.to_string())?;
    }
    for cell in cells {
        let Ended::Red { why, todo } = &cell.ended else { continue };
        say(&format!("{} {}", cell.service, cell.case.as_str()))?;
        for why in why {
            say(&format!("  {why}"))?;
        }
        say(&format!("  do: {todo}"))?;
    }
    let [green, red, not_applicable] = counts(cells);
    complain(&format!("{} cells: {green} green, {red} red, {not_applicable} do not apply", cells.len()));
    Ok(())
}

/// How many are green, are red, and do not apply.
fn counts(cells: &[Cell]) -> [usize; 3] {
    let count = |is: fn(&Ended) -> bool| cells.iter().filter(|cell| is(&cell.ended)).count();
    [
        count(|ended| matches!(ended, Ended::Green { .. })),
        count(|ended| matches!(ended, Ended::Red { .. })),
        count(|ended| matches!(ended, Ended::NotApplicable { .. })),
    ]
}

fn progress(cells: usize) -> ProgressBar {
    let progress = ProgressBar::new(u64::try_from(cells).unwrap_or(u64::MAX));
    if !std::io::stderr().is_terminal() {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}
