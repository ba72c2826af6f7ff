//! `qovsaq journal verify|show|prove|search|explain|export`
//!
//! - `journal/console.rs`: what is asked of a running gateway's console.
//! - `journal/succession.rs`: how the logs of a folder follow each other.

mod console;
mod succession;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use journal::read::EntryView;
use journal::verify::{VerifyError, verify};
use journal::{ConsistencyProof, InclusionProof, ProofError, Receipt, SignedHead};
use seal::{KeyTable, NodeKey};
use serde_json::{Value as Json, json};

use super::{Ended, Usage, complain, say};
use crate::record::Kind;

/// Verify the journal and look at its entries.
#[derive(Debug, Args)]
pub struct JournalCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Verify a journal: read-only, needs no key
    ///
    /// Where the folder holds the logs of several half-years, also that each goes on from the one before.
    #[command(after_help = "Exit codes: 0 sound (a torn tail is reported), 1 damaged (says where and what), 2 wrong usage.")]
    Verify {
        /// The journal's folder, or one log's own
        dir: PathBuf,
    },
    /// Show one entry: its place and hash without a key, all of it with one
    Show {
        /// The journal's folder; where it holds several logs, one log's own
        dir: PathBuf,
        /// Index of the entry
        index: u64,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
        /// The node key's file; with --key-table it opens the entry
        #[arg(long, requires = "key_table", env = "QOVSAQ_NODE_KEY")]
        node_key: Option<PathBuf>,
        /// Folder of wrapped epoch keys
        #[arg(long, requires = "node_key", env = "QOVSAQ_KEY_TABLE")]
        key_table: Option<PathBuf>,
    },
    /// Prove an entry under the newest checkpoint, or that the log has only grown since an older one
    ///
    /// Needs no key, and may be used while the gateway runs. What it prints, `qovsaq-verify` checks.
    Prove {
        /// The journal's folder; where it holds several logs, one log's own
        dir: PathBuf,
        /// Index of the entry: prints a C2SP tlog-proof
        #[arg(required_unless_present = "since")]
        index: Option<u64>,
        /// An older checkpoint of this log that was kept elsewhere, or the receipt that holds one: prints a proof, as
        /// JSON, that the log's tree begins with its tree
        #[arg(long, conflicts_with = "index", value_name = "FILE")]
        since: Option<PathBuf>,
    },
    Search(console::Search),
    Explain(console::Explain),
    Export(console::Export),
}

impl JournalCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When the journal or a key cannot be read.
    pub async fn run(self) -> anyhow::Result<Ended> {
        match self.action {
            Action::Search(search) => search.run().await,
            Action::Explain(explain) => explain.run().await,
            Action::Export(export) => export.run().await,
            Action::Verify { dir } => run_verify(&dir),
            Action::Show { dir, index, json, node_key, key_table } => show(&dir, index, json, node_key.zip(key_table)),
            Action::Prove { dir, index: Some(index), .. } => prove(&dir, index),
            Action::Prove { dir, since, .. } => prove_since(&dir, &since.context("an index or --since is needed")?),
        }
    }
}

fn run_verify(dir: &Path) -> anyhow::Result<Ended> {
    let bar = ProgressBar::new(0);
    let report = verify(dir, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    });
    bar.finish_and_clear();
    let report = match report {
        Ok(report) => report,
        Err(error @ VerifyError::NoLog(_)) => return Err(Usage(error.to_string()).into()),
        Err(error) => return Err(error.into()),
    };
    for log in &report.logs {
        for damage in &log.damage {
            let index = damage.index.map(|index| format!(", entry {index}")).unwrap_or_default();
            say(&format!("damaged: {} at byte {}{index}: {}", damage.file, damage.offset, damage.what))?;
        }
        if let Some(torn) = &log.torn {
            say(&format!(
                "torn tail: {} at byte {}: {} bytes that no signed head covers; harmless, the next start moves them aside",
                torn.segment, torn.offset, torn.bytes
            ))?;
        }
        let state = if log.damage.is_empty() { "sound" } else { "DAMAGED" };
        say(&format!(
            "{}: {state}, {} entries in {} frames, {} segments, {} exchanges open, root {}",
            log.name, log.size, log.frames, log.segments, log.open, log.root
        ))?;
        if let Some(key) = &log.key {
            complain(&format!("signed by {key}; whether that is the right key only an outside copy of it can say"));
        }
    }
    let succession = succession::check(&report.logs)?;
    for broken in &succession.broken {
        say(&format!("broken: {broken}"))?;
    }
    succession.elsewhere.iter().for_each(|elsewhere| complain(elsewhere));
    Ok(if report.is_sound() && succession.broken.is_empty() { Ended::Well } else { Ended::Badly })
}

fn prove(dir: &Path, index: u64) -> anyhow::Result<Ended> {
    let (levels, head, _) = journal::read::levels(dir)?;
    let proof = InclusionProof::of(index, &levels, &head).map_err(|error| later(error, &head))?;
    write!(std::io::stdout().lock(), "{proof}")?;
    complain(&format!("leaf hash {}", proof.leaf_hash()));
    Ok(Ended::Well)
}

fn prove_since(dir: &Path, file: &Path) -> anyhow::Result<Ended> {
    let (levels, head, key) = journal::read::levels(dir)?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    // A receipt holds the checkpoint of its commit.
    let note = serde_json::from_str::<Receipt>(&text).map_or(text, |receipt| receipt.head);
    let old = SignedHead::parse(&note, &key).with_context(|| {
        format!("{} is no checkpoint of {} and no receipt with one; give one that this log has signed", file.display(), key.origin())
    })?;
    let proof = ConsistencyProof::of(&old, &levels, &head).map_err(|error| later(error, &head))?;
    say(&serde_json::to_string_pretty(&proof)?)?;
    Ok(Ended::Well)
}

/// What is beyond the checkpoint needs a little patience, not another command.
fn later(error: ProofError, head: &SignedHead) -> anyhow::Error {
    let beyond = matches!(error, ProofError::Beyond { .. });
    let error = anyhow::Error::new(error);
    if beyond {
        error.context(format!("the newest checkpoint covers {} entries; a running gateway writes one every ten seconds", head.size()))
    } else {
        error
    }
}

fn show(dir: &Path, index: u64, as_json: bool, keys: Option<(PathBuf, PathBuf)>) -> anyhow::Result<Ended> {
    let entry = journal::read::entry(dir, index)?;
    let mut shown = json!({
        "origin": entry.origin.as_str(),
        "index": entry.index,
        "kind": Kind::name_of(entry.kind),
        "leaf_hash": entry.leaf_hash,
        "frame": entry.frame,
    });
    let view = seal::entry::parse(&entry.body).context("the entry's body cannot be read")?;
    shown["event_id"] = json!(view.event_id);
    shown["epoch"] = json!(view.epoch);
    let time = i64::try_from(view.time_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    shown["time"] = json!(time.map(model::time::rfc3339));
    if let journal::Role::Closes(of) = entry.role {
        shown["closes"] = json!(of);
    }
    if let Some(plain) = view.plain_metadata() {
        shown["metadata"] = serde_json::from_slice(plain).unwrap_or(Json::Null);
    } else if let Some((node_key, table)) = keys {
        open(&mut shown, &entry, &view, &node_key, &table)?;
    }
    if as_json {
        say(&serde_json::to_string_pretty(&shown)?)?;
    } else {
        for (name, value) in shown.as_object().into_iter().flatten() {
            say(&format!("{name:<10} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))?;
        }
        if shown.get("metadata").is_none() {
            complain("sealed; --node-key and --key-table open it");
        }
    }
    Ok(Ended::Well)
}

fn open(shown: &mut Json, entry: &EntryView, view: &seal::entry::BodyView<'_>, node_key: &Path, table: &Path) -> anyhow::Result<()> {
    // Opening them would make what is missing; who only looks leaves nothing behind.
    anyhow::ensure!(node_key.is_file(), "there is no node key at {}; name the file that `keys.node` says", node_key.display());
    let is_table = table.join("epochs").is_dir() && table.join("tokens").is_dir();
    anyhow::ensure!(is_table, "there is no key table in {}; name the folder that `keys.table` says", table.display());
    let keys = KeyTable::open(table, NodeKey::load_or_create(node_key)?)?;
    let epoch = keys
        .epoch(view.epoch)?
        .with_context(|| format!("the keys of epoch {} are not in the table; they may have been destroyed", view.epoch))?;
    let (role, link) = (entry.role.code(), entry.role.link());
    let opened = seal::entry::open_entry(&epoch, entry.origin.as_str(), entry.kind, role, link, &entry.body, Some(&entry.payload))
        .context("the entry does not open with these keys")?;
    shown["metadata"] = serde_json::from_slice(&opened.metadata).context("the metadata are not JSON")?;
    if let Some(payload) = opened.payload {
        shown["payload"] =
            serde_json::from_slice(&payload).unwrap_or_else(|_| json!(base64::engine::general_purpose::STANDARD.encode(&payload)));
    }
    Ok(())
}
