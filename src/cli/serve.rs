//! `qovsaq serve --config FILE`

use std::path::PathBuf;

use clap::Args;
use model::Problems;
use tokio::signal::unix::{SignalKind, signal};

use super::{Ended, complain, say_problems};
use crate::config::Config;
use crate::gateway::{Running, StartError};

/// Run the gateway until SIGTERM or Ctrl-C, then drain and write a last checkpoint. SIGHUP reloads
/// certificates and, in the test profile, changed data.
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
        complain(&format!("ready: internal https://{}, ops http://{}", running.internal, running.ops));
        serve_until_told_to_stop(&running).await?;
        complain("stopping: finishing requests in flight");
        running.stop().await?;
        complain("stopped; the journal is closed with a checkpoint");
        Ok(Ended::Well)
    }
}

/// Serves until SIGTERM or Ctrl-C; SIGHUP reloads.
///
/// # Errors
/// When signals cannot be listened for.
pub async fn serve_until_told_to_stop(running: &Running) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut stop = std::pin::pin!(until_told_to_stop());
    loop {
        tokio::select! {
            stopped = &mut stop => return stopped,
            _ = hangup.recv() => reload(running).await,
        }
    }
}

/// SIGHUP: what cannot be used is told, and what was active stays active.
async fn reload(running: &Running) {
    match running.reload().await {
        Ok(()) => complain("reloaded"),
        Err(StartError::Problems(problems)) => {
            problems.into_sorted().iter().for_each(|problem| complain(&problem.to_string()));
            complain("not reloaded; the old data stay active");
        }
        Err(StartError::Other(error)) => complain(&format!("not reloaded: {error:#}")),
    }
}

/// Waits for SIGTERM or Ctrl-C.
///
/// # Errors
/// When signals cannot be listened for.
pub async fn until_told_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
