//! `qovsaq demo`: the main job on embedded defaults.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use mock_agencies::{Family, Latency};
use serde_json::{Value as Json, json};

use super::serve::{Signals, serve_until_told_to_stop};
use super::{Ended, complain, dossier_view, live, say, say_problems};
use crate::demo::{self, CONSUMER, DOSSIER, Environment, Options, Ports, ca_file, consumer_files};
use crate::gateway::StartError;

/// Of the catalogue's latencies, draws in which the slowest of the family's questions takes about two
/// seconds: the credit bureau's own twentieth-slowest would take twenty.
const SEED: u64 = 6;

/// Run a whole deployment on loopback and ask the reference family's dossier.
#[derive(Debug, Args)]
#[command(after_help = "Makes development certificates, starts mock agencies and the gateway on loopback, opens a case,\n\
asks the dossier of a synthetic family as `targeted-aid` from all its sources, verifies the receipts, and stays up\n\
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
        let latency = if self.no_latency { Latency::None } else { Latency::Catalogue { seed: SEED } };
        let ports = self.port_base.map_or(Ports::Standard, Ports::Base);
        let environment = match Environment::start(&Options { dir: self.dir.clone(), ports, latency, seed: mock_agencies::SEED }).await {
            Ok(environment) => environment,
            Err(StartError::Problems(problems)) => {
                say_problems(problems)?;
                return Ok(Ended::Badly);
            }
            Err(StartError::Other(error)) => return Err(error),
        };
        complain(&format!("gateway and {} agencies are up; everything is in {}", demo::AGENCIES.len(), environment.dir.display()));
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
    // Of the family only the applicant is told: the others are named by the notarised application.
    let case = environment.open_case_of(&client, &family.members[..1]).await?;
    complain(&format!("case {case}: the applicant of a synthetic family; the purchases at property are deliberately out of order"));
    let property = &environment.agencies["property"];
    property.set_fault("transactions", "error", None).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut body = demo::body(family, &case, &demo::dossier_inputs(&environment.personas, family));
    body["subject"].take();
    let started = Instant::now();
    let dossier = live::ask(&client, DOSSIER, &body, "en", 30, |fin| name_of(family, fin)).await?;
    let took = started.elapsed();
    property.clear_faults();

    say(&dossier_view::table(&dossier, |fin| name_of(family, fin))?)?;
    let sources: BTreeSet<&str> = dossier_view::providers(&dossier).collect();
    say(&format!(
        "{} questions; {} sources answered in {:.2} s: {}",
        dossier["elements"].as_array().map_or(0, Vec::len),
        sources.len(),
        took.as_secs_f64(),
        sources.iter().copied().collect::<Vec<_>>().join(", ")
    ))?;
    let receipts = dossier_view::verify(&dossier, environment.gateway.gateway.verifying_key(), &environment.dir.join("journal"))?;
    say(&receipts.to_string())?;
    let again = client.post("/v1/services/interior/person-identity", &demo::body(family, &case, &json!({})), "en").await?;
    say(&again_line(&again.json()?, &again))?;
    let outcomes = dossier_view::outcomes(&dossier);
    let shown = ["FOUND", "NOT_FOUND", "UNAVAILABLE"].iter().all(|expected| outcomes.contains(*expected));
    let active = environment.gateway.gateway.active();
    let plan = active.snapshot.dossiers.values().find(|plan| plan.id.as_str() == DOSSIER);
    let asked: BTreeSet<&str> = plan.into_iter().flat_map(|plan| &plan.elements).map(|element| element.service.provider()).collect();
    let settled = dossier["status"] == "incomplete" && sources == asked;
    Ok(receipts.all_good() && shown && settled && again.status == 200)
}

/// What a second question for the same fact came to.
fn again_line(answer: &Json, raw: &crate::client::Answer) -> String {
    let header = |name: &str| raw.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    format!(
        "asked again: identity {} via {}, {} s old, receipt #{} (Cache-Status: {})",
        answer["outcome"].as_str().unwrap_or_default(),
        answer["source"]["via"].as_str().unwrap_or_default(),
        answer["source"]["age_seconds"],
        answer["receipt"]["index"],
        header("cache-status"),
    )
}

fn name_of(family: &Family, fin: &str) -> Option<String> {
    let member = family.members.iter().find(|member| *member.fin == *fin)?;
    Some(format!("{} ({})", member.given_name, member.role.as_str()))
}

fn curl_lines(environment: &Environment) -> String {
    let (cert, key) = consumer_files(&environment.dir, CONSUMER);
    let curl = format!("curl --cacert {} --cert {} --key {}", ca_file(&environment.dir).display(), cert.display(), key.display());
    let body = |request: &str| format!("-H 'content-type: application/json' -d @{}", environment.request_file(request).display());
    let internal = environment.internal();
    let interior = &environment.agencies["interior"];
    let (dir, fin) = (environment.dir.display(), &environment.personas.reference_family().applicant().fin);
    format!(
        "Try it:\n\
         \x20 {curl} {internal}/v1/catalogue\n\
         \x20 {curl} {internal}/v1/services/interior/person-identity {}\n\
         \x20 {curl} {internal}/v1/dossiers/adsy-means-test {}\n\
         \x20 {curl} -N -H 'accept: text/event-stream' {internal}/v1/dossiers/adsy-means-test {}\n\
         \x20 curl -X PUT http://{}/faults -d '{{\"service\": \"person-identity\", \"fault\": \"hang\", \"times\": 1}}'\n\
         \x20 curl http://{}/metrics\n\
         \x20 qovsaq journal search --dir {dir} --reason 'a look at the demo' fin={fin}\n\
         \x20 qovsaq accesses --dir {dir} {fin}\n\
         \x20 qovsaq journal verify {}",
        body("interior/person-identity"),
        body("adsy-means-test"),
        body("adsy-means-test"),
        interior.control_address,
        environment.gateway.ops,
        environment.dir.join("journal").display(),
    )
}
