//! Examples: answers written by hand from the provider's documentation, which the mapping must
//! read as their author says. They keep mapping and mock from agreeing on the same mistake.

use std::path::Path;

use jiff::Timestamp;
use model::document::{Document, FILE_BYTES_MAX};
use model::{Outcome, Problems, Profile, Subject, Value};
use serde_json::Value as Json;

use crate::plan::Plan;
use crate::raw::{Expect, Expected};
use crate::read::{Limits, ReadError, Reading, WireAnswer};

/// An example of a mapping.
#[derive(Debug, Clone)]
pub struct Example {
    /// File with the body, beside the mapping in `examples/<service>/`; `None` for an empty body.
    pub answer: Option<Box<str>>,
    /// HTTP status.
    pub status: u16,
    /// The question it answers; without it nothing is confirmed.
    pub asked: Option<Question>,
    /// What the answer must become.
    pub expect: Expect,
}

/// The question that an example's answer is held to.
#[derive(Debug, Clone)]
pub struct Question {
    /// Whom it was about.
    pub subject: Option<Subject>,
    /// Its inputs, in the contract's types.
    pub inputs: Vec<(Box<str>, Value)>,
    /// When it was asked.
    pub at: Timestamp,
}

/// What differs between an example and its reading, in words. Examples are synthetic, so unlike
/// every other error here this one shows values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub Box<str>);

/// Reads an example and compares; gives the rule that decided, where one did.
pub(crate) fn run(plan: &Plan, example: &Example, answer: &[u8], expected: &Expected) -> Result<Option<usize>, Mismatch> {
    let answer = WireAnswer { status: example.status, body: answer };
    let read = plan.read(answer, Profile::Test, &Limits::default()).and_then(|reading| {
        let asked = example.asked.as_ref();
        let contradiction = asked.and_then(|asked| plan.contradiction(&reading, asked.subject.as_ref(), &asked.inputs, asked.at));
        match contradiction {
            Some(rule) => Err(ReadError::Field { path: rule.field.clone(), rule: "another-question" }),
            None => Ok(reading),
        }
    });
    match read {
        Ok(reading) => {
            compare(plan, &reading, expected)?;
            Ok(Some(reading.rule))
        }
        Err(error) if expected.outcome != Outcome::InvalidData => {
            Err(Mismatch(format!("it is INVALID_DATA: {error}, instead of {}", expected.outcome).into()))
        }
        Err(error) => {
            same("the rule", expected.rule.as_deref(), error.rule())?;
            same("the path", expected.path.as_deref(), error.path().unwrap_or_default())?;
            Ok(None)
        }
    }
}

fn compare(plan: &Plan, reading: &Reading, expected: &Expected) -> Result<(), Mismatch> {
    same("the outcome", Some(expected.outcome.as_str()), reading.outcome.as_str())?;
    if let Some(count) = expected.undeclared {
        same("the number of undeclared parts", Some(&count.to_string()), &reading.undeclared.count.to_string())?;
    }
    let delivered = match &reading.facts {
        Some(facts) => serde_json::to_value(facts.show(&plan.service().agreed())).unwrap_or_default(),
        None => Json::Null,
    };
    let wanted = expected.fields.clone().unwrap_or_default();
    match difference(&wanted, &delivered, String::new()) {
        None => Ok(()),
        Some((at, wanted, read)) => Err(Mismatch(format!("{at} is {read} instead of {wanted}").into())),
    }
}

fn same(what: &str, wanted: Option<&str>, read: &str) -> Result<(), Mismatch> {
    match wanted {
        Some(wanted) if wanted != read => Err(Mismatch(format!("{what} is `{read}` instead of `{wanted}`").into())),
        _ => Ok(()),
    }
}

/// The first place where two values differ, with both sides.
fn difference(wanted: &Json, read: &Json, at: String) -> Option<(String, String, String)> {
    match (wanted, read) {
        (Json::Object(wanted), Json::Object(read)) => {
            let keys = wanted.keys().chain(read.keys().filter(|key| !wanted.contains_key(*key)));
            for key in keys {
                let found = match (wanted.get(key), read.get(key)) {
                    (Some(wanted), Some(read)) => difference(wanted, read, format!("{at}/{key}")),
                    (wanted, read) => Some((format!("{at}/{key}"), text(wanted), text(read))),
                };
                if found.is_some() {
                    return found;
                }
            }
            None
        }
        (Json::Array(wanted), Json::Array(read)) if wanted.len() == read.len() => {
            let mut pairs = wanted.iter().zip(read).enumerate();
            pairs.find_map(|(place, (wanted, read))| difference(wanted, read, format!("{at}/{place}")))
        }
        _ if wanted == read => None,
        _ => Some((if at.is_empty() { "the record".to_owned() } else { at }, wanted.to_string(), read.to_string())),
    }
}

fn text(value: Option<&Json>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Json::to_string)
}

/// Reads every example beside the mapping file and reports those that are missing, cannot be read
/// or do not become what they should, and the outcome rules that no example shows.
pub fn check_examples(document: &Document, plan: &Plan, problems: &mut Problems) {
    let folder = document.path.parent().unwrap_or(Path::new("")).join("examples").join(plan.id().service());
    let mut shown = vec![false; plan.rules().len()];
    let mut all_ran = true;
    for (place, example) in plan.examples().iter().enumerate() {
        let pointer = format!("/examples/{place}");
        let mut report = |key: &str, rule, message: String, accepted: &str| {
            problems.push(document.problem(&format!("{pointer}{key}"), rule, message, accepted));
        };
        let answer = match &example.answer {
            None => Vec::new(),
            Some(file) => match read(&folder.join(&**file)) {
                Ok(bytes) => bytes,
                Err(error) => {
                    report("/answer", "missing-example", format!("`{file}` cannot be read: {error}"), "a file in examples/<service>/");
                    all_ran = false;
                    continue;
                }
            },
        };
        let expected = match &example.expect {
            Expect::Inline(expected) => expected.clone(),
            Expect::File(file) => {
                let read = read(&folder.join(file)).and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into));
                match read {
                    Ok(expected) => expected,
                    Err(error) => {
                        report(
                            "/expect",
                            "missing-example",
                            format!("`{file}` cannot be read: {error}"),
                            "a JSON file in examples/<service>/",
                        );
                        all_ran = false;
                        continue;
                    }
                }
            }
        };
        match run(plan, example, &answer, &expected) {
            Ok(rule) => {
                if let Some(seen) = rule.and_then(|rule| shown.get_mut(rule)) {
                    *seen = true;
                }
            }
            Err(mismatch) => {
                let name = example.answer.as_deref().unwrap_or("the empty answer");
                report("", "example-mismatch", format!("{name}: {mismatch}"), "what `expect` says");
                all_ran = false;
            }
        }
    }
    // With a broken example the next message would only repeat it.
    for (place, _) in shown.iter().enumerate().filter(|(_, seen)| all_ran && !**seen) {
        let message = format!("no example shows the rule `{}`", plan.rules()[place].when);
        problems.push(document.problem(
            &format!("/response/outcome/{place}"),
            "rule-without-example",
            message,
            "an example for every rule",
        ));
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(std::io::Error::other("larger than 1 MiB"));
    }
    std::fs::read(path)
}
