//! The command line: every command on this page, each in a file of its own under `cli/`.
//!
//! Exit codes: 0 done; 1 problems were found or the answer is bad; 2 wrong usage. What a command is
//! for goes to standard output, everything else (logs, progress, prompts) to standard error.

pub mod access;
pub mod accesses;
pub mod ask;
pub mod bundle;
mod canned;
pub mod check;
mod console;
pub mod demo;
pub mod dossier_view;
pub mod drift;
pub mod explain;
pub mod inventory;
pub mod journal;
pub mod kit;
pub mod live;
mod mask;
pub mod matrix;
pub mod mock;
pub mod outages;
pub mod overrides;
pub mod pki;
pub mod plan_view;
pub mod quarantine;
pub mod recall;
pub mod score;
pub mod serve;
pub mod sources;
pub mod table;
pub mod try_service;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Qovşaq: one window to the primary sources, with a journal that proves every exchange.
#[derive(Debug, Parser)]
#[command(name = "qovsaq", version, about, after_help = "Exit codes: 0 done, 1 problems found, 2 wrong usage.\nBegin with: qovsaq demo")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole deployment on loopback and ask the reference family's dossier
    Demo(demo::Demo),
    /// Run the gateway
    Serve(serve::Serve),
    /// Check configuration, contracts, mappings and dossiers; print every problem with its place
    Check(check::Check),
    /// Make one call and show every step of it
    Try(try_service::Try),
    /// Run the contract test suite: every service in every case, against a played source
    Kit(kit::Kit),
    /// Ask a service or a dossier as a consumer, over mutual TLS
    Ask(ask::Ask),
    /// Look at and change who may act in which role
    Access(access::Access),
    /// List who used a person's data, as he asks it himself
    Accesses(accesses::Accesses),
    /// Show the register of outages, of the sources and of the gateway itself
    Outages(outages::Outages),
    /// Show how every source stands, and how far what it delivers has come
    Sources(sources::Sources),
    /// Show the score-cards of sources for a month, or what they do not hold electronically
    Score(score::Score),
    /// Look at the emergencies in which an official acted beyond his own case
    Overrides(overrides::Overrides),
    /// Look at and solve what sources sent against their contracts
    Quarantine(quarantine::Quarantine),
    /// Show what sources sent in a month that their contracts do not know
    Drift(drift::Drift),
    /// Tell everybody who was told of facts that their source has taken them back
    Recall(recall::Recall),
    /// Run the mock agencies by themselves
    Mock(mock::Mock),
    /// Change contracts, mappings and grants as bundles that two persons sign
    Bundle(bundle::BundleCommand),
    /// Development and test certificates
    Pki(pki::Pki),
    /// Say why a consumer may or may not be given what, or draw a dossier's plan
    Explain(explain::Explain),
    /// Verify the journal and look at its entries
    Journal(journal::JournalCommand),
}

/// Runs a command; the program's only exit.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    // What its gateway would tell an operator is the suite's own doing.
    start_logging(if matches!(cli.command, Command::Kit(_)) { "off" } else { "warn,qovsaq=info" });
    let ended = match cli.command {
        Command::Demo(command) => on_runtime(command.run()),
        Command::Serve(command) => on_runtime(command.run()),
        Command::Check(command) => command.run(),
        Command::Try(command) => on_runtime(command.run()),
        Command::Kit(command) => on_runtime(command.run()),
        Command::Ask(command) => on_runtime(command.run()),
        Command::Access(command) => on_runtime(command.run()),
        Command::Accesses(command) => on_runtime(command.run()),
        Command::Outages(command) => on_runtime(command.run()),
        Command::Sources(command) => on_runtime(command.run()),
        Command::Score(command) => on_runtime(command.run()),
        Command::Overrides(command) => on_runtime(command.run()),
        Command::Quarantine(command) => on_runtime(command.run()),
        Command::Drift(command) => on_runtime(command.run()),
        Command::Recall(command) => on_runtime(command.run()),
        Command::Mock(command) => on_runtime(command.run()),
        Command::Bundle(command) => on_runtime(command.run()),
        Command::Pki(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Journal(command) => on_runtime(command.run()),
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("qovsaq: {}", one_line(&error)));
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As hoped.
    Well,
    /// It found problems, and has printed them.
    Badly,
}

/// The arguments do not make sense together; exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Tasks polled between two looks at the queue that all workers share: always there first. A worker's own queue
/// holds 256 tasks, and those that do not fit, the oldest, go to the shared one; at the library's default they
/// waited there behind all newer ones, a third of a second under a thousand callers.
const SHARED_QUEUE_EVERY: u32 = 1;

fn on_runtime(command: impl Future<Output = anyhow::Result<Ended>>) -> anyhow::Result<Ended> {
    tokio::runtime::Builder::new_multi_thread().enable_all().global_queue_interval(SHARED_QUEUE_EVERY).build()?.block_on(command)
}

/// Logs go to standard error: readable on a terminal, JSON lines otherwise. `QOVSAQ_LOG` chooses what.
fn start_logging(usual: &str) {
    let filter = EnvFilter::try_from_env("QOVSAQ_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() { logs.compact().try_init() } else { logs.json().try_init() };
    // A second initialisation (tests) keeps the first.
    started.unwrap_or_default();
}

/// An input of the command line: `KEY=TEXT`, or `KEY:=JSON` for numbers, truth values and lists.
fn key_value(text: &str) -> anyhow::Result<(&str, serde_json::Value)> {
    let (key, value) = text.split_once('=').ok_or_else(|| Usage(format!("`{text}` is neither KEY=TEXT nor KEY:=JSON")))?;
    match key.strip_suffix(':') {
        Some(key) => {
            let json = serde_json::from_str(value)
                .map_err(|_| Usage(format!("the value of `{key}` is not JSON, such as 3, true or [\"birth\"]")))?;
            Ok((key, json))
        }
        None => Ok((key, serde_json::Value::from(value))),
    }
}

/// A path with those parameters that are given. Their values are codes: anything else is refused here.
fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> anyhow::Result<String> {
    let mut with = path.to_owned();
    for (name, value) in parameters {
        let Some(value) = value else { continue };
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Usage(format!("`--{name}` is written with a-z, 0-9 and `-`")).into());
        }
        with.push(if with.contains('?') { '&' } else { '?' });
        with.push_str(&format!("{name}={value}"));
    }
    Ok(with)
}

fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Prints a line of a command's result.
///
/// # Errors
/// When standard output is closed.
pub fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// Prints a line beside the result. A closed standard error is nobody's loss.
pub fn complain(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
}

/// A problem document in words: what is wrong, and every place.
fn refusal(problem: &serde_json::Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{} {}: {}", problem["status"], text("title"), text("detail"))];
    for error in problem["errors"].as_array().into_iter().flatten() {
        lines.push(format!("  {} {}", error["pointer"].as_str().unwrap_or_default(), error["detail"].as_str().unwrap_or_default()));
    }
    lines.join("\n")
}

/// Prints data problems, one a line, and their count.
///
/// # Errors
/// When standard output is closed.
pub fn say_problems(problems: model::Problems) -> anyhow::Result<()> {
    let problems = problems.into_sorted();
    for problem in &problems {
        say(&problem.to_string())?;
    }
    complain(&format!("{} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" }));
    Ok(())
}
