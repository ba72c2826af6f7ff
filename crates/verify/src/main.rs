//! The `qovsaq-verify` program: files in, sentences out, exit code.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Parser, ValueEnum};
use verify::export::Form;
use verify::{Given, Key, Keys, Language, Leaf, Report, examine};

/// The longest file that is held; exports are not, but a bundle from standard input is.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest file of keys.
const KEYS_BYTES_MAX: u64 = 64 * 1024;
/// The longest leaf a journal writes (docs/journal-format.md, "Leaf and tree").
const LEAF_BYTES_MAX: u64 = 65_535;
/// The most files at once.
const FILES_MAX: usize = 1000;

/// Verify receipts, proofs, checkpoints and exports of a journal, without the gateway and without a network.
///
/// What a file is, is told from its content: a receipt, an answer with receipts, an entry as
/// `qovsaq journal show --json` prints it, a C2SP tlog-proof, a checkpoint, a consistency proof, an export of
/// entries (NDJSON, or CSV with its checkpoint given along) or an evidence bundle (ZIP). Several files are also
/// compared with each other.
#[derive(Debug, Parser)]
#[command(
    name = "qovsaq-verify",
    version,
    after_help = "Exit codes: 0 all of it is proven; 1 something is not proven, is wrong, or convicts the log of a fork; 2 wrong usage or a file that cannot be read.\n\nTake the key from where the log's keeper publishes it, never from where the files came from: without a key nothing is proven."
)]
struct Arguments {
    /// A file to verify; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A log's key, as `<origin>+<8 hex digits>+<base64>`
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// A file of keys, one a line
    #[arg(long, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The raw bytes of an entry, to compare with what the files are about
    #[arg(long, value_name = "FILE")]
    leaf: Vec<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    /// The language of the report
    #[arg(long, default_value = "en")]
    language: Tongue,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tongue {
    Az,
    En,
}

impl From<Tongue> for Language {
    fn from(tongue: Tongue) -> Self {
        match tongue {
            Tongue::Az => Self::Azerbaijani,
            Tongue::En => Self::English,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = run(&arguments).and_then(|report| show(&report, &arguments).map(|()| report.exit_code()));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // A closed standard error is nobody's loss.
            writeln!(std::io::stderr().lock(), "error: {error:#}").unwrap_or_default();
            ExitCode::from(2)
        }
    }
}

/// Reads everything before anything is judged: half of the evidence could look better than all of it.
fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let count = arguments.files.len() + arguments.leaf.len();
    ensure!(count <= FILES_MAX, "{count} files; at most {FILES_MAX} are compared at once");
    let from_stdin = arguments.files.iter().chain(&arguments.leaf).chain(&arguments.keys).filter(|path| is_stdin(path)).count();
    ensure!(from_stdin <= 1, "standard input (-) can be read only once");

    let mut keys = Keys::default();
    for key in &arguments.key {
        Key::parse(key).and_then(|key| keys.add(key)).context("--key")?;
    }
    for path in &arguments.keys {
        let bytes = read(path, KEYS_BYTES_MAX)?;
        let text = String::from_utf8(bytes).with_context(|| name(path))?;
        keys.add_lines(&text).with_context(|| name(path))?;
    }
    let given = read_files(&arguments.files)?;
    let leaves =
        arguments.leaf.iter().map(|path| Ok(Leaf::new(name(path), &read(path, LEAF_BYTES_MAX)?))).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(examine(&given, &leaves, &keys))
}

/// Reads all files, tables last: their proofs lead to checkpoints in the other files.
fn read_files(paths: &[PathBuf]) -> anyhow::Result<Vec<Given>> {
    let mut given: Vec<(usize, Given)> = Vec::with_capacity(paths.len());
    let mut tables = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        let opened = open(path)?;
        if opened.form == Some(Form::Table) {
            tables.push((at, path, opened));
        } else {
            given.push((at, read_file(path, opened)?));
        }
    }
    let beside: Vec<Given> = if tables.is_empty() { Vec::new() } else { given.iter().map(|(_, given)| given.clone()).collect() };
    for (at, path, opened) in tables {
        let table = Given::table(name(path), opened.bytes, &beside).with_context(|| format!("cannot read {}", name(path)))?;
        given.push((at, table));
    }
    // The report has them in the order in which they were given.
    given.sort_by_key(|(at, _)| *at);
    Ok(given.into_iter().map(|(_, given)| given).collect())
}

/// A file whose first bytes were looked at.
struct Opened {
    form: Option<Form>,
    bytes: Box<dyn Read>,
}

fn open(path: &Path) -> anyhow::Result<Opened> {
    let cannot = || format!("cannot read {}", name(path));
    let mut bytes: Box<dyn Read> =
        if is_stdin(path) { Box::new(std::io::stdin()) } else { Box::new(File::open(path).with_context(cannot)?) };
    let mut start = Vec::new();
    bytes.by_ref().take(Form::START_BYTES as u64).read_to_end(&mut start).with_context(cannot)?;
    Ok(Opened { form: Form::of(&start), bytes: Box::new(Cursor::new(start).chain(bytes)) })
}

fn read_file(path: &Path, opened: Opened) -> anyhow::Result<Given> {
    let cannot = || format!("cannot read {}", name(path));
    match opened.form {
        Some(Form::Lines) => Given::lines(name(path), BufReader::new(opened.bytes)).with_context(cannot),
        // A ZIP is read from its end, so it needs a file.
        Some(Form::Bundle) if !is_stdin(path) => Ok(Given::bundle(name(path), File::open(path).with_context(cannot)?)),
        Some(Form::Bundle | Form::Table) | None => Ok(Given::read(name(path), &bounded(path, opened.bytes, FILE_BYTES_MAX)?)),
    }
}

fn show(report: &Report, arguments: &Arguments) -> anyhow::Result<()> {
    let language = arguments.language.into();
    let text = if arguments.json { serde_json::to_string_pretty(&report.to_json(language))? + "\n" } else { report.to_text(language) };
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write the report")
}

/// Reads a file, but never more than `bytes_max`, whatever it says of its own length.
fn read(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    bounded(path, open(path)?.bytes, bytes_max)
}

fn bounded(path: &Path, reader: impl Read, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let count = reader.take(bytes_max + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", name(path)))?;
    ensure!(u64::try_from(count).is_ok_and(|count| count <= bytes_max), "{} is longer than {bytes_max} bytes", name(path));
    Ok(bytes)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) { "standard input".to_owned() } else { verify::encoding::visible(&path.to_string_lossy()) }
}
