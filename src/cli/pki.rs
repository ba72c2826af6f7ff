//! `qovsaq pki init|issue|revoke|list`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::table::Table;
use super::{Ended, complain, say};
use crate::clock;
use crate::pki::{Authority, CRL_VALIDITY, LEAF_VALIDITY, Validity};

/// Development and test certificates: an authority in a folder, with its revocation list.
#[derive(Debug, Args)]
pub struct Pki {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an authority
    Init {
        /// Folder to make
        dir: PathBuf,
        /// Name of the authority
        #[arg(long, default_value = "Qovsaq development CA")]
        name: String,
    },
    /// Issue a certificate
    Issue {
        /// Folder of the authority
        dir: PathBuf,
        /// What it is for
        usage: Usage,
        /// Name of its files
        name: String,
        /// Names it carries as subject alternative names (a consumer is known by one of them)
        #[arg(long = "san", required = true)]
        names: Vec<String>,
        /// Days it is valid
        #[arg(long, default_value_t = 397)]
        days: u32,
        /// Issue it already expired, for tests
        #[arg(long, conflicts_with = "days")]
        expired: bool,
    },
    /// Revoke certificates by serial number or name, and write the revocation list anew
    Revoke {
        /// Folder of the authority
        dir: PathBuf,
        /// Serial number, or the name of the certificate's files
        which: String,
    },
    /// List what was issued
    List {
        /// Folder of the authority
        dir: PathBuf,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Usage {
    /// A listener's certificate
    Server,
    /// A caller's certificate
    Client,
}

impl Pki {
    /// Runs the command.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or names nothing known.
    pub fn run(self) -> anyhow::Result<Ended> {
        let now = clock::now();
        match self.action {
            Action::Init { dir, name } => {
                let authority = Authority::init(&dir, &name, CRL_VALIDITY, now)?;
                say(&format!("authority: {}\nrevocation list: {}", authority.certificate().display(), authority.crl().display()))?;
            }
            Action::Issue { dir, usage, name, names, days, expired } => {
                let lasts = if days == 397 { LEAF_VALIDITY } else { Duration::from_secs(u64::from(days) * 86_400) };
                let validity = if expired { Validity::expired(now) } else { Validity::starting(now, lasts) };
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let mut authority = Authority::open(&dir)?;
                let issued = match usage {
                    Usage::Server => authority.issue_server(&name, &names, validity, now)?,
                    Usage::Client => authority.issue_client(&name, &names, validity, now)?,
                };
                say(&format!("certificate: {}\nkey: {}\nserial: {}", issued.certificate.display(), issued.key.display(), issued.serial))?;
            }
            Action::Revoke { dir, which } => {
                let mut authority = Authority::open(&dir)?;
                let revoked = authority.revoke(&which, now)?;
                for serial in revoked {
                    say(&format!("revoked: {serial}"))?;
                }
                complain("the gateway reads the list again on SIGHUP or restart");
            }
            Action::List { dir, json } => list(&Authority::open(&dir)?, json)?,
        }
        Ok(Ended::Well)
    }
}

fn list(authority: &Authority, json: bool) -> anyhow::Result<()> {
    if json {
        return say(&serde_json::to_string_pretty(authority.list())?);
    }
    let mut table = Table::new(&["Serial", "Name", "Usage", "Names", "Until", "Revoked"]);
    for entry in authority.list() {
        let revoked = entry.revoked_at.map(model::time::rfc3339).unwrap_or_default();
        let usage = format!("{:?}", entry.usage).to_lowercase();
        table.row(vec![
            entry.serial.clone(),
            entry.name.clone(),
            usage,
            entry.names.join(", "),
            model::time::rfc3339(entry.until),
            revoked,
        ]);
    }
    say(&table.to_string())
}
