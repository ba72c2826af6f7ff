//! Keeps a recorded exchange as fixtures: an example of the mapping, and a file that `qovsaq mock --answers` plays.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mapping::{Plan, WireQuestion};
use model::document::Document;
use model::{Problems, Subject, Value};
use serde_json::{Value as Json, json};

use super::script::Stage;
use super::spoil::Syntax;
use super::synthetic::{Masked, Recipe, question_text};

/// Most recordings of one service in a folder.
const RECORDINGS_MAX: u32 = 1_000;

/// What was written.
#[derive(Debug)]
pub struct Recorded {
    /// The files.
    pub files: Vec<PathBuf>,
    /// The line for the mapping's `examples`; what it must become is the author's to say.
    pub example: String,
}

/// Makes an exchange synthetic and writes it below a folder. `mappings` holds the mapping.
///
/// # Errors
/// When it cannot be made synthetic, or a file cannot be written; then no file of it is left.
pub fn record(
    folder: &Path,
    mappings: &Path,
    plan: &Plan,
    (subject, inputs): (Option<&Subject>, &[(Box<str>, Value)]),
    (status, answer): (u16, &str),
) -> anyhow::Result<Recorded> {
    let service = plan.service();
    anyhow::ensure!(!answer.contains('\u{fffd}'), "the answer is not UTF-8; nothing is written");
    let mut problems = Problems::default();
    let document =
        Document::read(&mappings.join(format!("{}.yaml", service.versioned()))).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let raw = document.decode(&mut problems).context("the mapping cannot be read")?;
    let masked = Recipe::new(plan, &raw).mask(subject, inputs, status, answer.as_bytes()).context("nothing is written")?;

    let own = folder.join(service.id.provider()).join(service.id.service());
    std::fs::create_dir_all(&own).with_context(|| format!("cannot make {}", own.display()))?;
    let extension = match Stage::of(plan.protocol()) {
        // Rows are looked up as JSON.
        Stage::Http(Syntax::Json) | Stage::Delivered => "json",
        Stage::Http(Syntax::Xml) => "xml",
    };
    let name = (1..=RECORDINGS_MAX)
        .map(|number| format!("recorded-{number}"))
        .find(|name| !own.join(format!("{name}.answer.{extension}")).exists());
    let name = name.with_context(|| format!("{} holds {RECORDINGS_MAX} recordings already; name another folder", own.display()))?;
    let file = format!("{name}.answer.{extension}");
    let mut files = vec![own.join(&file), own.join(format!("{name}.question.txt"))];
    write(&files[0], &masked.answer)?;
    write(&files[1], question_text(&masked.question).as_bytes())?;
    if let Some(played) = played(&masked.question) {
        let played = folder.join("answers").join(played);
        write(&played, &masked.answer)?;
        files.push(played);
    }
    Ok(Recorded { files, example: example(&file, status, &masked) })
}

/// The file that `qovsaq mock --answers` answers a question from; none where it plays no such question.
fn played(question: &WireQuestion) -> Option<PathBuf> {
    let WireQuestion::Rest { method: "GET", path_and_query, body: None } = question else { return None };
    let (path, query) = path_and_query.split_once('?').map_or((path_and_query.as_str(), None), |(path, query)| (path, Some(query)));
    // What cannot be a plain file name is not played.
    let is_plain = |text: &str| !text.contains(['%', '\\']) && !text.contains("..");
    if !is_plain(path_and_query) || query.is_some_and(|query| query.contains('/')) {
        return None;
    }
    let path = Path::new(path.trim_start_matches('/'));
    Some(match query {
        Some(query) => path.join(format!("{query}.json")),
        None => PathBuf::from(format!("{}.json", path.display())),
    })
}

fn example(file: &str, status: u16, masked: &Masked) -> String {
    let subject = masked.subject.as_ref().map(|subject| json!({"subject": subject}));
    let mut asked = subject.unwrap_or_else(|| json!({}));
    let plain: serde_json::Map<String, Json> =
        masked.inputs.iter().filter_map(|(name, value)| Some((name.to_string(), json!(value.as_text()?)))).collect();
    if !plain.is_empty() {
        asked["input"] = Json::Object(plain);
    }
    let status = if status == 200 { String::new() } else { format!("status: {status}, ") };
    format!("- {{answer: {file}, {status}asked: {asked}, expect: }}")
}

fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, content).with_context(|| format!("cannot write {}", file.display()))
}
