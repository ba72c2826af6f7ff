//! `qovsaq bundle key|make|rollback|sign|show|diff|activate|history|verify`

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use journal::{Origin, SigningKey, VerifyingKey};
use model::Problems;
use rustix::process::{Pid, Signal};
use serde_json::json;

use super::table::Table;
use super::{Ended, Usage, complain, say, say_problems};
use crate::change::difference::{Change, Side, difference};
use crate::change::making::{self, Making};
use crate::change::{Bundle, Bundles, Pointer, Signer, Signers};
use crate::config::Config;
use crate::data::Active;
use crate::{clock, data};

/// How long `activate` waits for a gateway that it has signalled.
const ACTIVATION_WAIT: Duration = Duration::from_secs(30);
/// Pause between two looks at the pointer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Change control: contracts, mappings and grants as bundles that two persons sign.
#[derive(Debug, Args)]
pub struct BundleCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a signer's key: FILE, mode 0600, and FILE.pub for the configuration
    Key {
        /// The signer's name, as the configuration has it
        name: String,
        /// The private key's file
        file: PathBuf,
    },
    /// Make a bundle of the data in a folder; two persons sign it afterwards
    #[command(after_help = "Exit codes: 0 made, 1 the data have problems or a bundle cannot hold a file, 2 wrong usage.")]
    Make {
        /// Folder with contracts/ and mappings/
        data: PathBuf,
        /// The bundle's folder, which does not exist yet
        out: PathBuf,
        #[command(flatten)]
        reason: Reason,
        /// The bundle that it follows: its folder. Without this and --bundles: the first of all
        #[arg(long, conflicts_with = "bundles")]
        after: Option<PathBuf>,
        /// The deployment's folder of bundles: it follows the active one
        #[arg(long)]
        bundles: Option<PathBuf>,
    },
    /// Make a bundle that brings back the data of an earlier one, as a change of its own
    #[command(after_help = "Exit codes: 0 made, 1 there is no such bundle or its data have problems today, 2 wrong usage.")]
    Rollback {
        /// The deployment's folder of bundles
        bundles: PathBuf,
        /// The bundle's folder, which does not exist yet
        out: PathBuf,
        /// Number of the earlier bundle
        #[arg(long, value_name = "SEQUENCE")]
        to: u64,
        #[command(flatten)]
        reason: Reason,
    },
    /// Sign a bundle
    Sign {
        /// The bundle's folder
        bundle: PathBuf,
        /// The signer's name
        #[arg(long)]
        name: String,
        /// His private key's file
        #[arg(long)]
        key: PathBuf,
    },
    /// Show a bundle and what it changes, in words
    Show {
        /// The bundle's folder
        bundle: PathBuf,
        /// What it is compared with: the folder of the bundle before it. Default: that one where it lies beside it,
        /// or the active one of --bundles
        #[arg(long)]
        against: Option<PathBuf>,
        /// The deployment's folder of bundles
        #[arg(long)]
        bundles: Option<PathBuf>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Say in words what changes from one bundle to another
    Diff {
        /// Folder of the one
        from: PathBuf,
        /// Folder of the other
        to: PathBuf,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Check a bundle as the gateway does, put it into its place and tell the gateway
    #[command(after_help = "Without --pid the gateway takes it with its next SIGHUP or start.\n\
Exit codes: 0 in its place (with --pid: active, or to become so later), 1 it may not follow, 2 wrong usage.")]
    Activate {
        /// The bundle's folder
        bundle: PathBuf,
        /// The gateway's configuration file
        #[arg(long)]
        config: PathBuf,
        /// The running gateway's process, which is sent SIGHUP
        #[arg(long)]
        pid: Option<i32>,
    },
    /// List the bundles of a deployment
    History {
        /// Its folder of bundles
        bundles: PathBuf,
        /// JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Verify the whole row of bundles: order, signatures, documents, files; taking one after the other rebuilds the state
    #[command(after_help = "Exit codes: 0 sound, 1 not (says which bundle and why), 2 wrong usage.")]
    Verify {
        /// The folder of bundles
        bundles: PathBuf,
        /// The gateway's configuration file, which names the signers
        #[arg(long, conflicts_with = "signers", required_unless_present = "signers")]
        config: Option<PathBuf>,
        /// Files of the signers' public keys, taken from elsewhere than the bundles
        #[arg(long = "signer", value_name = "FILE")]
        signers: Vec<PathBuf>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
}

/// What grounds a change (Decree 634, 6.2.5, 5.0.14).
#[derive(Debug, Args)]
struct Reason {
    /// File of the document that grounds the change
    #[arg(long)]
    document: PathBuf,
    /// What the document is cited by, such as an order's number
    #[arg(long)]
    reference: String,
    /// Date of the document
    #[arg(long)]
    date: Date,
    /// What is changed and why, at least 10 characters; no personal data
    #[arg(long)]
    note: String,
    /// Reference of the reasoned demand that the change answers
    #[arg(long)]
    requirement: Option<String>,
    /// From when it is to be in force, RFC 3339; at once where it is not given
    #[arg(long, value_name = "TIME")]
    effective_from: Option<Timestamp>,
}

impl BundleCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// When a bundle is refused, or a file cannot be read or written.
    pub async fn run(self) -> anyhow::Result<Ended> {
        match self.action {
            Action::Key { name, file } => make_key(&name, &file),
            Action::Make { data, out, reason, after, bundles } => {
                let after = match (after, bundles) {
                    (Some(after), _) => Some(Pointer::to(&Bundle::open(&after)?)),
                    (None, Some(dir)) => unsigned(dir).active()?,
                    (None, None) => None,
                };
                make(&data.join("contracts"), &data.join("mappings"), reason, None, after, &out)
            }
            Action::Rollback { bundles, out, to, reason } => {
                let bundles = unsigned(bundles);
                let active = bundles.active()?;
                let earlier = bundles.get(to)?;
                earlier.check_files()?;
                make(&earlier.dir.join("contracts"), &earlier.dir.join("mappings"), reason, Some(to), active, &out)
            }
            Action::Sign { bundle, name, key } => sign(&bundle, &name, &key),
            Action::Show { bundle, against, bundles, json } => show(&bundle, against, bundles, json),
            Action::Diff { from, to, json } => diff(&from, &to, json),
            Action::Activate { bundle, config, pid } => activate(&bundle, &config, pid).await,
            Action::History { bundles, json } => history(&unsigned(bundles), json),
            Action::Verify { bundles, config, signers, json } => verify(bundles, config.as_deref(), &signers, json),
        }
    }
}

/// The folder of bundles where nobody's signature is looked at.
fn unsigned(dir: PathBuf) -> Bundles {
    Bundles { dir, signers: Signers::new() }
}

fn signer_name(name: &str) -> anyhow::Result<Origin> {
    Ok(Origin::new(name).map_err(|_| Usage(format!("`{name}` is no signer's name; accepted: 1 to 64 of a-z, 0-9, '.' and '-'")))?)
}

fn make_key(name: &str, file: &Path) -> anyhow::Result<Ended> {
    let name = signer_name(name)?;
    anyhow::ensure!(!file.exists(), "{} is there already; a key is never made over another", file.display());
    let key = SigningKey::load_or_create(file)?.public(&name);
    let mut public = file.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    let mut written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&public)
        .with_context(|| format!("cannot make {}", public.display()))?;
    writeln!(written, "{key}").with_context(|| format!("cannot write {}", public.display()))?;
    say(&format!("private key: {}\npublic key: {}\n{key}", file.display(), public.display()))?;
    Ok(Ended::Well)
}

fn make(
    contracts: &Path,
    mappings: &Path,
    reason: Reason,
    restores: Option<u64>,
    after: Option<Pointer>,
    out: &Path,
) -> anyhow::Result<Ended> {
    if !contracts.is_dir() || !mappings.is_dir() {
        let why = "there are no contracts/ and mappings/ folders; name the folder that has them";
        return Err(Usage(why.to_owned()).into());
    }
    let mut problems = Problems::default();
    data::load(contracts, mappings, day_of(reason.effective_from), &mut problems);
    if !problems.is_empty() {
        say_problems(problems)?;
        return Ok(Ended::Badly);
    }
    let Reason { document, reference, date, note, requirement, effective_from } = reason;
    let making = Making { contracts, mappings, document: &document, reference, date, note, requirement, effective_from, restores };
    let bundle = making::make(making, after, out)?;
    say(&format!("bundle {}: {}\nhash: {}", bundle.manifest.sequence, out.display(), bundle.hash))?;
    complain("two different persons look at it (`qovsaq bundle show`) and sign it (`qovsaq bundle sign`)");
    Ok(Ended::Well)
}

fn sign(dir: &Path, name: &str, key: &Path) -> anyhow::Result<Ended> {
    let name = signer_name(name)?;
    // Reading it would make what is missing.
    anyhow::ensure!(key.is_file(), "there is no key at {}; `qovsaq bundle key` makes one", key.display());
    let bundle = making::sign(dir, &name, &SigningKey::load_or_create(key)?)?;
    say(&format!("signed by {name}: bundle {}, hash {}", bundle.manifest.sequence, bundle.hash))?;
    Ok(Ended::Well)
}

/// The day on which a change takes effect.
fn day_of(effective_from: Option<Timestamp>) -> Date {
    model::time::day(moment_of(effective_from))
}

/// The moment at which a change takes effect: its own, or now where that has passed.
fn moment_of(effective_from: Option<Timestamp>) -> Timestamp {
    let now = clock::now();
    effective_from.map_or(now, |from| from.max(now))
}

/// A bundle with its data, files checked, problems passed over: they are another command's.
fn loaded(dir: &Path) -> anyhow::Result<(Bundle, Active)> {
    let bundle = Bundle::open(dir).with_context(|| dir.display().to_string())?;
    bundle.check_files().with_context(|| dir.display().to_string())?;
    let active = data::load_bundle(&bundle, day_of(bundle.manifest.effective_from), &mut Problems::default())?;
    Ok((bundle, active))
}

fn changes(from: Option<&(Bundle, Active)>, to: &(Bundle, Active)) -> Vec<Change> {
    let nothing = model::Snapshot::default();
    let old = from.map_or(Side { snapshot: &nothing, files: &[] }, |(bundle, active)| Side {
        snapshot: &active.snapshot,
        files: &bundle.manifest.files,
    });
    let (bundle, active) = to;
    difference(old, Side { snapshot: &active.snapshot, files: &bundle.manifest.files }, moment_of(bundle.manifest.effective_from))
}

fn show(dir: &Path, against: Option<PathBuf>, bundles: Option<PathBuf>, as_json: bool) -> anyhow::Result<Ended> {
    let to = loaded(dir)?;
    let manifest = &to.0.manifest;
    let before = match (against, bundles) {
        (Some(against), _) => Some(against),
        (None, Some(bundles)) => {
            let bundles = unsigned(bundles);
            bundles.active()?.map(|pointer| bundles.place_of(pointer.sequence))
        }
        // In its place, the one before lies beside it.
        (None, None) => {
            let beside =
                dir.canonicalize()?.parent().map(|parent| unsigned(parent.to_path_buf()).place_of(manifest.sequence.saturating_sub(1)));
            beside.filter(|before| before.is_dir())
        }
    };
    anyhow::ensure!(
        manifest.sequence == 1 || before.is_some(),
        Usage("the bundle before it is not beside it; name it with --against, or the folder of bundles with --bundles".to_owned())
    );
    let from = before.as_deref().map(loaded).transpose()?;
    if let Some((before, _)) = &from
        && Some(before.hash) != manifest.predecessor
    {
        complain(&format!("{} is not the bundle that this one was made after", before.dir.display()));
    }
    let changes = changes(from.as_ref(), &to);
    let signatures: Vec<String> = journal::SignedText::parse(&to.0.note)
        .map(|note| note.signatures.iter().map(|signature| signature.name.to_owned()).collect())
        .unwrap_or_default();
    if as_json {
        let mut facts = serde_json::to_value(manifest)?;
        if let Some(members) = facts.as_object_mut() {
            members.remove("files");
        }
        say(&serde_json::to_string_pretty(&json!({"hash": to.0.hash, "manifest": facts, "signatures": signatures, "changes": changes}))?)?;
        return Ok(Ended::Well);
    }
    let document = manifest.document();
    let mut text = format!("bundle {}  {}\n", manifest.sequence, to.0.hash);
    let mut line = |name: &str, value: &str| writeln!(text, "{name:<15} {value}").unwrap_or_default();
    line("document", &format!("{}, {} ({}, {})", document.reference, document.date, document.path, document.sha256));
    line("note", &manifest.note);
    if let Some(requirement) = &manifest.requirement {
        line("requirement", requirement);
    }
    if let Some(from) = manifest.effective_from {
        line("effective from", &model::time::rfc3339(from));
    }
    if let Some(restores) = manifest.restores {
        line("brings back", &format!("bundle {restores}"));
    }
    // Whether they hold is for `activate` and `verify`, which know the signers.
    line("signatures", &if signatures.is_empty() { "none".to_owned() } else { format!("{} (not verified here)", signatures.join(", ")) });
    say(text.trim_end())?;
    say_changes(&changes)?;
    Ok(Ended::Well)
}

fn diff(from: &Path, to: &Path, as_json: bool) -> anyhow::Result<Ended> {
    let changes = changes(Some(&loaded(from)?), &loaded(to)?);
    if as_json {
        say(&serde_json::to_string_pretty(&json!({"changes": changes}))?)?;
    } else {
        say_changes(&changes)?;
    }
    Ok(Ended::Well)
}

fn say_changes(changes: &[Change]) -> anyhow::Result<()> {
    if changes.is_empty() {
        return say("\nheç nə dəyişmir\nnothing changes");
    }
    let lines = |words: fn(&Change) -> &str| changes.iter().map(|change| format!("  {}\n", words(change))).collect::<String>();
    say(&format!("\nNə dəyişir\n{}\nWhat changes\n{}", lines(|change| &change.az), lines(|change| &change.en).trim_end()))
}

async fn activate(dir: &Path, config: &Path, pid: Option<i32>) -> anyhow::Result<Ended> {
    let mut problems = Problems::default();
    let Some(config) = Config::load(config, &mut problems) else {
        say_problems(problems)?;
        return Ok(Ended::Badly);
    };
    let Some(bundles) = &config.change else {
        return Err(Usage("the configuration has no section `change`, so its gateway takes no bundles".to_owned()).into());
    };
    let pid = pid.map(|pid| Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(|| Usage(format!("{pid} is no process")))).transpose()?;
    let bundle = Bundle::open(dir)?;
    let signers = bundles.admit(&bundle, bundles.active()?)?;
    // All that `check` finds, also what a running gateway would live with.
    let mut problems = Problems::default();
    let active = data::load_bundle(&bundle, day_of(bundle.manifest.effective_from), &mut problems)?;
    data::check_ways(&config, &active, &mut problems);
    if !problems.is_empty() {
        say_problems(problems)?;
        return Ok(Ended::Badly);
    }
    let placed = bundles.place(&bundle)?;
    say(&format!("bundle {} in its place: {} (signed by {})", placed.manifest.sequence, placed.dir.display(), signers.join(", ")))?;
    let Some(pid) = pid else {
        complain("the gateway takes it with its next SIGHUP or start");
        return Ok(Ended::Well);
    };
    rustix::process::kill_process(pid, Signal::HUP).with_context(|| format!("the process {} cannot be signalled", pid.as_raw_nonzero()))?;
    if let Some(from) = placed.manifest.effective_from.filter(|from| *from > clock::now()) {
        say(&format!("it becomes active at {}", model::time::rfc3339(from)))?;
        return Ok(Ended::Well);
    }
    let until = Instant::now() + ACTIVATION_WAIT;
    while Instant::now() < until {
        if bundles.active()? == Some(Pointer::to(&placed)) {
            say(&format!("active: {}", placed.hash))?;
            return Ok(Ended::Well);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    complain("the gateway has not activated it; its log says why");
    Ok(Ended::Badly)
}

fn history(bundles: &Bundles, as_json: bool) -> anyhow::Result<Ended> {
    let active = bundles.active()?.map_or(0, |pointer| pointer.sequence);
    let state = |sequence: u64| match sequence.cmp(&active) {
        std::cmp::Ordering::Less => "past",
        std::cmp::Ordering::Equal => "active",
        std::cmp::Ordering::Greater => "ready",
    };
    let mut table = Table::new(&["Sequence", "State", "Hash", "Document", "Date", "Effective from", "Restores", "Signatures", "Note"]);
    let mut listed = Vec::new();
    let mut ended = Ended::Well;
    for sequence in bundles.numbers()? {
        let bundle = match bundles.get(sequence) {
            Ok(bundle) => bundle,
            Err(error) => {
                complain(&format!("bundle {sequence}: {error}"));
                ended = Ended::Badly;
                continue;
            }
        };
        let manifest = &bundle.manifest;
        let note = journal::SignedText::parse(&bundle.note).map_err(|error| anyhow::anyhow!("bundle {sequence}: {error}"))?;
        let names: Vec<&str> = note.signatures.iter().map(|signature| signature.name).collect();
        let from = manifest.effective_from.map(model::time::rfc3339);
        if as_json {
            listed.push(json!({
                "sequence": sequence, "state": state(sequence), "hash": bundle.hash, "predecessor": manifest.predecessor,
                "document": manifest.document(), "note": manifest.note, "requirement": manifest.requirement,
                "effective_from": from, "restores": manifest.restores, "signatures": names,
            }));
        } else {
            table.row(vec![
                sequence.to_string(),
                state(sequence).to_owned(),
                bundle.hash.to_string().get(..12).unwrap_or_default().to_owned(),
                manifest.document().reference.clone(),
                manifest.document().date.to_string(),
                from.unwrap_or_default(),
                manifest.restores.map(|restores| restores.to_string()).unwrap_or_default(),
                names.join(", "),
                manifest.note.replace('\n', " "),
            ]);
        }
    }
    if as_json {
        say(&serde_json::to_string_pretty(&listed)?)?;
    } else {
        say(table.to_string().trim_end())?;
    }
    Ok(ended)
}

fn verify(dir: PathBuf, config: Option<&Path>, files: &[PathBuf], as_json: bool) -> anyhow::Result<Ended> {
    let signers = match config {
        Some(config) => {
            let mut problems = Problems::default();
            let Some(config) = Config::load(config, &mut problems) else {
                say_problems(problems)?;
                return Ok(Ended::Badly);
            };
            config.change.context("the configuration has no section `change`, which names the signers")?.signers
        }
        None => files.iter().map(|file| public_key(file)).collect::<anyhow::Result<_>>()?,
    };
    if !dir.is_dir() {
        return Err(Usage(format!("{} is no folder of bundles", dir.display())).into());
    }
    let bundles = Bundles { dir, signers };
    let row = match bundles.replay() {
        Ok(row) => row,
        Err((sequence, error)) => {
            let error = anyhow::Error::new(error);
            if as_json {
                say(&serde_json::to_string_pretty(&json!({"sound": false, "sequence": sequence, "error": format!("{error:#}")}))?)?;
            } else {
                say(&format!("bundle {sequence}: {error:#}"))?;
            }
            return Ok(Ended::Badly);
        }
    };
    let active = bundles.active()?;
    if as_json {
        let told: Vec<_> = row
            .iter()
            .map(|past| json!({"sequence": past.bundle.manifest.sequence, "hash": past.bundle.hash, "signers": past.signers, "files": past.bundle.manifest.files.len()}))
            .collect();
        say(&serde_json::to_string_pretty(&json!({"sound": true, "bundles": told, "active": active}))?)?;
        return Ok(Ended::Well);
    }
    for past in &row {
        let (manifest, signers) = (&past.bundle.manifest, past.signers.join(", "));
        say(&format!("{}  {}  {} files, signed by {signers}", manifest.sequence, past.bundle.hash, manifest.files.len()))?;
    }
    match active {
        Some(active) => say(&format!("sound: {} bundles, active is {} ({})", row.len(), active.sequence, active.bundle))?,
        None => say(&format!("sound: {} bundles, none active yet", row.len()))?,
    }
    Ok(Ended::Well)
}

fn public_key(file: &Path) -> anyhow::Result<(String, Signer)> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(1024).read_to_string(&mut text));
    read.with_context(|| format!("cannot read {}", file.display()))?;
    let key = VerifyingKey::parse(text.trim()).with_context(|| format!("{} is no public key of a signer", file.display()))?;
    Ok((key.origin().to_string(), Signer { key, former: false }))
}
