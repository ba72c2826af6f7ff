//! `qovsaq mock [AGENCY…]`

use std::path::PathBuf;

use clap::Args;

use super::canned::Canned;
use super::serve::Signals;
use super::table::Table;
use super::{Ended, Usage, complain, say, say_problems};
use crate::demo::{AGENCIES, Environment, Options, Ports};
use crate::scenario::Scenario;
use mock_agencies::Latency;

/// Run the mock agencies by themselves, over mutual TLS, until Ctrl-C; or play a REST source from files.
#[derive(Debug, Args)]
#[command(after_help = "  qovsaq mock interior taxes\n\
  qovsaq mock --answers answers --listen 127.0.0.1:9540 --cert beekeepers.pem --key beekeepers.key --client-ca ca.pem\n\n\
With --answers, GET /a/b?c=d is answered from DIR/a/b/c=d.json, else from DIR/a/b.json, else by 404.")]
pub struct Mock {
    /// Which agencies; all where none is named
    agencies: Vec<String>,
    /// Folder for certificates
    #[arg(long, default_value = "qovsaq-demo")]
    dir: PathBuf,
    /// Ports from here on instead of 9501… and 9601…
    #[arg(long)]
    port_base: Option<u16>,
    /// Answer at once instead of with the catalogue's latencies
    #[arg(long)]
    no_latency: bool,
    /// List faults that each service can be told to show, and stop
    #[arg(long)]
    faults: bool,
    /// List the synthetic families that the agencies know, and stop
    #[arg(long)]
    people: bool,
    /// What the generated families are made from: the same number gives the same persons everywhere
    #[arg(long, default_value_t = mock_agencies::SEED)]
    seed: u64,
    /// Set and clear faults as a file says, from the start on (docs/guide/write-an-adapter.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["faults", "people", "answers"])]
    scenario: Option<PathBuf>,
    /// Play a REST source from the files of a folder instead
    #[arg(long, value_name = "DIR", requires_all = ["listen", "cert", "key", "client_ca"], conflicts_with_all = ["agencies", "faults", "people"])]
    answers: Option<PathBuf>,
    /// Where that source listens, such as 127.0.0.1:9540
    #[arg(long, requires = "answers")]
    listen: Option<String>,
    /// Its certificate, PEM
    #[arg(long, requires = "answers")]
    cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, requires = "answers")]
    key: Option<PathBuf>,
    /// Who signs the certificates of those who may ask it, PEM
    #[arg(long, requires = "answers")]
    client_ca: Option<PathBuf>,
}

impl Mock {
    /// Runs the command.
    ///
    /// # Errors
    /// When an agency is unknown or cannot be started.
    pub async fn run(self) -> anyhow::Result<Ended> {
        if let (Some(answers), Some(listen), Some(cert), Some(key), Some(client_ca)) =
            (self.answers, self.listen, self.cert, self.key, self.client_ca)
        {
            return Canned { answers, listen, cert, key, client_ca }.run().await;
        }
        let known: Vec<&str> = AGENCIES.iter().map(|code| code.as_str()).collect();
        if let Some(unknown) = self.agencies.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(Usage(format!("there is no agency `{unknown}`; accepted: {}", known.join(", "))).into());
        }
        if self.faults {
            return Self::list_faults();
        }
        if self.people {
            return Self::list_people(self.seed);
        }
        let scenario = match self.scenario.as_deref().map(Scenario::read).transpose() {
            Ok(scenario) => scenario,
            Err(problems) => {
                say_problems(problems)?;
                return Ok(Ended::Badly);
            }
        };
        let latency = if self.no_latency { Latency::None } else { Latency::Catalogue { seed: 1 } };
        let ports = self.port_base.map_or(Ports::Standard, Ports::Base);
        let outside = Environment::start_outside(&Options { dir: self.dir, ports, latency, seed: self.seed }).await?;
        // Before the addresses are told. There is nothing to reload, but who reloads a neighbour by name
        // must not end this one.
        let mut signals = Signals::catch()?;
        let mut table = Table::new(&["Agency", "Address", "Control"]);
        let wanted = |code: &str| self.agencies.is_empty() || self.agencies.iter().any(|name| name == code);
        for (code, agency) in outside.agencies.iter().filter(|(_, agency)| wanted(agency.code().as_str())) {
            table.row(vec![(*code).to_owned(), format!("https://{}", agency.address), format!("http://{}", agency.control_address)]);
        }
        if self.agencies.is_empty() {
            let identity = &outside.identity;
            table.row(vec!["identity provider".to_owned(), identity.issuer().to_owned(), format!("http://{}", identity.control_address)]);
        }
        say(&table.to_string())?;
        complain(&format!("certificates are in {}; stop with Ctrl-C", outside.dir.join("agencies").display()));
        match &scenario {
            None => signals.stop().await,
            Some(scenario) => {
                let play = async {
                    scenario.play(&outside.agencies, |step| complain(&step.to_string())).await;
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = signals.stop() => {}
                    () = play => {}
                }
            }
        }
        for (_, agency) in outside.agencies {
            agency.shutdown().await;
        }
        outside.identity.shutdown().await;
        Ok(Ended::Well)
    }

    fn list_people(seed: u64) -> anyhow::Result<Ended> {
        let personas = mock_agencies::Personas::populated(seed);
        let mut table = Table::new(&["Family", "Applicant", "Members", "Application", "Shows"]);
        for family in personas.families() {
            let application = family.applications.first().map(|application| application.number.to_string()).unwrap_or_default();
            let members = family.members.len().to_string();
            table.row(vec![family.name.to_string(), family.applicant().fin.to_string(), members, application, family.shows.to_string()]);
        }
        say(&table.to_string())?;
        Ok(Ended::Well)
    }

    fn list_faults() -> anyhow::Result<Ended> {
        let mut table = Table::new(&["Agency", "Service", "Fault", "What it does"]);
        for code in AGENCIES {
            for service in code.services() {
                for fault in mock_agencies::Fault::accepted(code, service) {
                    table.row(vec![code.as_str().to_owned(), (*service).to_owned(), fault.as_str().to_owned(), fault.meaning().to_owned()]);
                }
            }
        }
        say(&table.to_string())?;
        Ok(Ended::Well)
    }
}
