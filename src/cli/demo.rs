//! `qovsaq demo`: the main job on embedded defaults.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mock_agencies::{Family, Latency};
use serde_json::{Value as Json, json};

use super::serve::{Signals, serve_until_told_to_stop};
use super::{Ended, complain, dossier_view, say, say_problems};
use crate::client::Client;
use crate::demo::{CONSUMER, Environment, Options, Ports, ca_file, consumer_files};
use crate::gateway::StartError;

/// Run a whole deployment on loopback and ask the reference family's dossier.
#[derive(Debug, Args)]
#[command(after_help = "Makes development certificates, starts mock agencies and the gateway on loopback, opens a case,\n\
asks the dossier of a synthetic family of five as `targeted-aid`, verifies the receipts, and stays up\n\
with ready-made curl lines. DIR/demo.json tells programs where everything is.\n\n\
Exit codes with --once: 0 as expected, 1 not.")]
pub struct Demo {
    /// Folder for certificates, data, journal and `demo.json`
    #[arg(long, default_value = "qovsaq-demo")]
    dir: PathBuf,
    /// Stop after the run
    #[arg(long)]
    once: bool,
    /// Ports from here on instead of 8443, 9090, 9501… and 9601…
    #[arg(long)]
    port_base: Option<u16>,
    /// Agencies answer at once instead of with the catalogue's latencies
    #[arg(long)]
    no_latency: bool,
}

impl Demo {
    /// Runs the command.
    ///
    /// # Errors
    /// When something cannot be started, or the gateway does not answer as it should.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let latency = if self.no_latency { Latency::None } else { Latency::Catalogue { seed: 1 } };
        let ports = self.port_base.map_or(Ports::Standard, Ports::Base);
        let environment = match Environment::start(&Options { dir: self.dir.clone(), ports, latency }).await {
            Ok(environment) => environment,
            Err(StartError::Problems(problems)) => {
                say_problems(problems)?;
                return Ok(Ended::Badly);
            }
            Err(StartError::Other(error)) => return Err(error),
        };
        complain(&format!("gateway and {} agencies are up; everything is in {}", environment.agencies.len(), environment.dir.display()));
        let good = show_dossier(&environment).await?;
        // Before demo.json says that everything is ready: who reads it may tell us to stop at once.
        let signals = if self.once { None } else { Some(Signals::catch()?) };
        environment.write_demo_json().await?;
        if let Some(signals) = signals {
            say(&curl_lines(&environment))?;
            complain("stays up until Ctrl-C; reloads its folder's data on SIGHUP");
            serve_until_told_to_stop(&environment.gateway, signals).await;
        }
        environment.stop().await?;
        Ok(if good { Ended::Well } else { Ended::Badly })
    }
}

/// Asks the reference family's dossier with one source deliberately out of order, and says whether
/// everything came out as it must.
async fn show_dossier(environment: &Environment) -> anyhow::Result<bool> {
    let client = environment.client(CONSUMER)?;
    let family = environment.personas.reference_family();
    let case = environment.open_case(&client, family).await?;
    complain(&format!("case {case}: a synthetic family of {}; azerishiq's meters are deliberately out of order", family.members.len()));
    let azerishiq = &environment.agencies["azerishiq"];
    azerishiq.set_fault("consumption", "error", None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let dossier = ask(&client, &case).await?;
    azerishiq.clear_faults();

    say(&dossier_view::table(&dossier, |fin| name_of(family, fin))?)?;
    let receipts = dossier_view::verify(&dossier, environment.gateway.gateway.verifying_key(), &environment.dir.join("journal"))?;
    say(&receipts.to_string())?;
    let outcomes = dossier_view::outcomes(&dossier);
    Ok(receipts.all_good() && ["FOUND", "NOT_FOUND", "UNAVAILABLE"].iter().all(|expected| outcomes.contains(*expected)))
}

fn name_of(family: &Family, fin: &str) -> Option<String> {
    let member = family.members.iter().find(|member| *member.fin == *fin)?;
    Some(format!("{} ({})", member.given_name, member.role.as_str()))
}

/// Asks without waiting and reads again until every element has been asked, showing progress.
async fn ask(client: &Client, case: &str) -> anyhow::Result<Json> {
    let body = json!({"input": {}, "purpose": "adsy-means-test", "case": case, "official": "AZ-0001", "role": "case-officer"});
    let opened = client.post_waiting("/v1/dossiers/adsy-means-test", &body, "en", 0).await?;
    anyhow::ensure!(opened.status == 200 || opened.status == 202, "the dossier was answered {}: {}", opened.status, opened.body);
    let mut dossier = opened.json()?;
    let location = opened.headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let total = dossier["elements"].as_array().map_or(0, Vec::len);
    let progress = progress_bar(total);
    loop {
        let answered = dossier["elements"].as_array().into_iter().flatten().filter(|element| !element["outcome"].is_null()).count();
        progress.set_position(u64::try_from(answered)?);
        if answered >= dossier["elements"].as_array().map_or(0, Vec::len) {
            progress.finish_and_clear();
            return Ok(dossier);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        dossier = client.get(&location, "en").await?.json()?;
    }
}

fn progress_bar(total: usize) -> ProgressBar {
    let progress = ProgressBar::new(u64::try_from(total).unwrap_or(0));
    if !std::io::stderr().is_terminal() {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{spinner} asking the sources {bar:30} {pos}/{len} {elapsed}") {
        progress.set_style(style);
    }
    progress
}

fn curl_lines(environment: &Environment) -> String {
    let (cert, key) = consumer_files(&environment.dir, CONSUMER);
    let curl = format!("curl --cacert {} --cert {} --key {}", ca_file(&environment.dir).display(), cert.display(), key.display());
    let body = |request: &str| format!("-H 'content-type: application/json' -d @{}", environment.request_file(request).display());
    let internal = environment.internal();
    let interior = &environment.agencies["interior"];
    format!(
        "Try it:\n\
         \x20 {curl} {internal}/v1/catalogue\n\
         \x20 {curl} {internal}/v1/services/interior/person-identity {}\n\
         \x20 {curl} {internal}/v1/dossiers/adsy-means-test {}\n\
         \x20 curl -X PUT http://{}/faults -d '{{\"service\": \"person-identity\", \"fault\": \"hang\", \"times\": 1}}'\n\
         \x20 curl http://{}/metrics\n\
         \x20 qovsaq journal verify {}",
        body("interior/person-identity"),
        body("adsy-means-test"),
        interior.control_address,
        environment.gateway.ops,
        environment.dir.join("journal").display(),
    )
}
