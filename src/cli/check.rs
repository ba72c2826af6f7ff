//! `qovsaq check [DIR]`

use std::path::PathBuf;

use clap::Args;
use model::Problems;

use super::{Ended, Usage, complain, say_problems};
use crate::config::{Config, DataFolders};
use crate::{clock, data};

/// Check configuration, contracts, mappings and dossiers; print every problem with its place.
#[derive(Debug, Args)]
#[command(
    after_help = "Each problem is printed as file:line:column: rule: message, what is accepted.\nThe rules are explained in docs/guide/check.md.\nExit codes: 0 nothing wrong, 1 problems, 2 wrong usage."
)]
pub struct Check {
    /// Folder with `contracts/` and `mappings/`, and `qovsaq.yaml` where there is one
    #[arg(default_value = ".")]
    dir: PathBuf,
}

/// The data that a configuration leads to: its folders, or else the active bundle's.
fn folders_of(config: &Config) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    if let Some(DataFolders { contracts, mappings }) = &config.data {
        return Ok(Some((contracts.clone(), mappings.clone())));
    }
    let Some(bundles) = &config.change else { return Ok(None) };
    let Some(pointer) = bundles.active()? else { return Ok(None) };
    let bundle = bundles.pointed(pointer)?;
    Ok(Some((bundle.dir.join("contracts"), bundle.dir.join("mappings"))))
}

impl Check {
    /// Runs the command.
    ///
    /// # Errors
    /// When the folder holds nothing to check, or standard output is closed.
    pub fn run(self) -> anyhow::Result<Ended> {
        let mut problems = Problems::default();
        let mut configured = None;
        let mut folders = (self.dir.join("contracts"), self.dir.join("mappings"));
        let file = self.dir.join("qovsaq.yaml");
        if file.is_file()
            && let Some(config) = Config::load(&file, &mut problems)
        {
            if let Some(checked) = folders_of(&config)? {
                folders = checked;
            }
            configured = Some(config);
        }
        if !folders.0.is_dir() || !folders.1.is_dir() {
            return Err(
                Usage(format!("{} has no contracts/ and mappings/ folders; name the folder that has them", self.dir.display())).into()
            );
        }
        let active = data::load(&folders.0, &folders.1, model::time::day(clock::now()), &mut problems);
        if let Some(config) = &configured {
            data::check_ways(config, &active, &mut problems);
            data::check_access(config, &active, &mut problems);
        }
        if !problems.is_empty() {
            say_problems(problems)?;
            return Ok(Ended::Badly);
        }
        let snapshot = &active.snapshot;
        complain(&format!(
            "sound: {} providers, {} services with mappings, {} consumers, {} dossiers (data version {})",
            snapshot.providers.len(),
            active.plans.len(),
            snapshot.consumers.len(),
            snapshot.dossiers.len(),
            active.hash.get(..12).unwrap_or_default()
        ));
        Ok(Ended::Well)
    }
}
