//! `qovsaq serve --config FILE`

use std::io;
use std::path::PathBuf;

use clap::Args;
use model::Problems;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Ended, complain, say_problems};
use crate::config::Config;
use crate::gateway::{Running, StartError};

/// Run the gateway until SIGTERM or Ctrl-C, then drain and write a last checkpoint. SIGHUP reloads
/// certificates and takes the bundle that lies ready; without bundles (test profile), changed data.
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
}

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    /// When the gateway cannot start or cannot stop in order.
    pub async fn run(self) -> anyhow::Result<Ended> {
        let mut problems = Problems::default();
        let Some(config) = Config::load(&self.config, &mut problems) else {
            say_problems(problems)?;
            return Ok(Ended::Badly);
        };
        let running = match Running::start(config).await {
            Ok(running) => running,
            Err(StartError::Problems(problems)) => {
                say_problems(problems)?;
                return Ok(Ended::Badly);
            }
            Err(StartError::Other(error)) => return Err(error),
        };
        // Before anybody is told that it is ready: who knows may tell it to stop at once.
        let signals = Signals::catch()?;
        let console = running.console.map_or_else(String::new, |console| format!(", console https://{console}"));
        complain(&format!("ready: internal https://{}, ops http://{}{console}", running.internal, running.ops));
        serve_until_told_to_stop(&running, signals).await;
        complain("stopping: finishing requests in flight");
        running.stop().await?;
        complain("stopped; the journal is closed with a checkpoint");
        Ok(Ended::Well)
    }
}

/// The signals the program obeys, caught from the moment this is made; one that comes before anybody
/// waits for it is kept.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches SIGTERM, Ctrl-C and SIGHUP from now on.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or Ctrl-C; SIGHUP is passed over.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until SIGTERM or Ctrl-C; SIGHUP reloads.
pub async fn serve_until_told_to_stop(running: &Running, mut signals: Signals) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => reload(running).await,
        }
    }
}

/// SIGHUP: what cannot be used is told, and what was active stays active.
async fn reload(running: &Running) {
    match running.reload().await {
        Ok(()) => {
            tracing::info!("reloaded");
            complain("reloaded");
        }
        Err(StartError::Problems(problems)) => {
            problems.into_sorted().iter().for_each(|problem| complain(&problem.to_string()));
            tracing::error!("the data were not reloaded; certificates and the revocation list were");
            complain("certificates and the revocation list were reloaded, the data were not: the old ones stay active");
        }
        Err(StartError::Other(error)) => {
            tracing::error!(error = format!("{error:#}"), "not reloaded");
            complain(&format!("not reloaded: {error:#}"));
        }
    }
}
