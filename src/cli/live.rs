//! A dossier as it is made, for people: each element as it settles, on standard error.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value as Json;

use crate::client::Client;

/// Asks a dossier and shows its elements as they settle. Gives the whole dossier.
///
/// # Errors
/// When the dossier is refused, or the stream ends before the dossier does.
pub async fn ask(
    client: &Client,
    dossier: &str,
    body: &Json,
    language: &str,
    seconds: u64,
    name_of: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Json> {
    let progress = progress();
    let started = Instant::now();
    let mut settled = None;
    let mut problem = None;
    client
        .stream(&format!("/v1/dossiers/{dossier}"), body, language, seconds, |event, data| match event {
            "element" => {
                progress.inc(1);
                progress.println(line(data, started.elapsed(), &name_of));
                ControlFlow::Continue(())
            }
            "settled" | "pending" => {
                settled = Some(data.clone());
                ControlFlow::Break(())
            }
            _ => {
                problem = data["detail"].as_str().map(str::to_owned);
                ControlFlow::Break(())
            }
        })
        .await?;
    progress.finish_and_clear();
    if let Some(problem) = problem {
        anyhow::bail!("the dossier was stopped: {problem}");
    }
    settled.context("the stream ended before the dossier did")
}

/// One element: when, what, about whom, and what it came to.
fn line(element: &Json, at: Duration, name_of: &impl Fn(&str) -> Option<String>) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let fin = text(&element["for"]["fin"]);
    let outcome = match element["absence"].as_str() {
        Some(absence) => format!("{} ({absence})", text(&element["outcome"])),
        None => text(&element["outcome"]),
    };
    format!("{:>6.2} s  {:<24} {:<26} {outcome}", at.as_secs_f64(), text(&element["element"]), name_of(&fin).unwrap_or(fin),)
}

fn progress() -> ProgressBar {
    let progress = ProgressBar::new_spinner();
    if !std::io::stderr().is_terminal() {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} asking the sources: {pos} elements settled, {elapsed}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}
