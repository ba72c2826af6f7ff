//! NDJSON: docs/journal-format.md, "Exports", "NDJSON".

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::entry::{Checker, Given};
use super::{Export, FORM, LINE_BYTES_MAX, LOGS_MAX};
use crate::checkpoint::Checkpoint;
use crate::encoding::{self, base64_of};
use crate::key::Key;
use crate::malformed::{Malformed, Rule};
use crate::receipt::object;

/// How an end line begins; no entry begins so.
const END: &str = "{\"end\":";

/// The header's members; all but the checkpoints are claims that nobody has signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    export: String,
    #[serde(rename = "made_at")]
    _made_at: String,
    #[serde(rename = "made_by")]
    _made_by: String,
    #[serde(rename = "reason")]
    _reason: String,
    #[serde(borrow, rename = "filter")]
    _filter: &'a RawValue,
    checkpoints: Vec<String>,
    keys: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    origin: Cow<'a, str>,
    index: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    leaf_hash: Cow<'a, str>,
    #[serde(borrow)]
    leaf: Cow<'a, str>,
    blind: Option<String>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    proof: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: bool,
    entries: u64,
    sha256: String,
}

/// Reads an export line by line.
///
/// # Errors
/// When the reader fails; whatever stands in it is no error but a fault.
pub(crate) fn read(mut reader: impl BufRead) -> io::Result<Export> {
    let mut checker = Checker::default();
    // Of everything before the line that is looked at.
    let mut before = Sha256::new();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        let part = format!("line {number}");
        let fault = |rule| Malformed::new(part.as_str(), rule);
        let Some(bytes) = line.strip_suffix(b"\n") else {
            // Neither a line that is too long nor one that was cut can be followed by anything.
            let rule = if line.len() == LINE_BYTES_MAX { Rule::TooLong { bytes_max: LINE_BYTES_MAX } } else { Rule::Cut };
            checker.export.faults.add(fault(rule));
            break;
        };
        let text = std::str::from_utf8(bytes);
        match text {
            Err(_) => checker.export.faults.add(fault(Rule::NotUtf8)),
            Ok(text) if number == 1 => read_header(&mut checker, &part, text),
            Ok(text) if text.starts_with(END) => {
                if let Err(broken) = read_end(text, checker.export.entries, before) {
                    checker.export.faults.add(broken.within(&part));
                }
                if !reader.fill_buf()?.is_empty() {
                    checker.export.faults.add(fault(Rule::BehindEnd));
                }
                break;
            }
            Ok(text) => read_entry(&mut checker, &part, text),
        }
        if number > 1 {
            checker.export.entries += 1;
        }
        before.update(&line);
    }
    Ok(checker.end())
}

fn read_header(checker: &mut Checker, part: &str, text: &str) {
    let header: Header<'_> = match object(part, text) {
        Ok(header) => header,
        Err(broken) => return checker.export.faults.add(broken),
    };
    if header.export != FORM {
        checker.export.faults.add(Malformed::new(format!("{part}.export"), Rule::ExportForm));
    }
    for (name, count) in [("checkpoints", header.checkpoints.len()), ("keys", header.keys.len())] {
        if count > LOGS_MAX {
            return checker.export.faults.add(Malformed::new(format!("{part}.{name}"), Rule::TooMany { max: LOGS_MAX }));
        }
    }
    for (at, note) in header.checkpoints.into_iter().enumerate() {
        let part = format!("{part}.checkpoints[{at}]");
        match Checkpoint::parse(&note) {
            Ok(checkpoint) if checker.knows(&checkpoint.head.origin) => {
                checker.export.faults.add(Malformed::new(part, Rule::SecondCheckpoint));
            }
            Ok(checkpoint) => {
                checker.export.notes.insert(checkpoint.head.origin.clone(), note);
                checker.add_checkpoint(checkpoint);
            }
            Err(broken) => checker.export.faults.add(broken.within(&part)),
        }
    }
    for (at, key) in header.keys.iter().enumerate() {
        match Key::parse(key) {
            Ok(key) => checker.export.claimed.push(key),
            Err(broken) => checker.export.faults.add(broken.within(&format!("{part}.keys[{at}]"))),
        }
    }
}

fn read_entry(checker: &mut Checker, part: &str, text: &str) {
    let line: Line<'_> = match object(part, text) {
        Ok(line) => line,
        Err(broken) => return checker.export.faults.add(broken),
    };
    // Everything has one form, so what another reader could read differently is refused.
    if serde_json::to_string(&line).is_ok_and(|again| again != text) {
        return checker.export.faults.add(Malformed::new(part, Rule::NotCanonical));
    }
    let given = Given {
        origin: &line.origin,
        index: line.index,
        kind: &line.kind,
        at: &line.at,
        leaf_hash: &line.leaf_hash,
        leaf: &line.leaf,
        blind: line.blind.as_deref(),
        metadata: line.metadata.map(RawValue::get),
        proof: &mut line.proof.iter().map(String::as_str),
    };
    checker.add(part, given);
    if !checker.knows(&line.origin) {
        checker.export.faults.add(Malformed::new(format!("{part}.origin"), Rule::NoSuchCheckpoint));
    }
}

fn read_end(text: &str, entries: u64, before: Sha256) -> Result<(), Malformed> {
    let end: End = object("end", text)?;
    if !end.end || serde_json::to_string(&end).is_ok_and(|again| again != text) {
        return Err(Malformed::new("end", Rule::NotCanonical));
    }
    encoding::hash("sha256", &end.sha256)?;
    if end.entries != entries {
        return Err(Malformed::new("entries", Rule::Count { found: entries }));
    }
    if end.sha256 != base64_of(&before.finalize()) {
        return Err(Malformed::new("sha256", Rule::NotOfThisText));
    }
    Ok(())
}
