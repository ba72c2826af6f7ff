//! How the logs of a folder follow each other: what a log says of its end against what the next says of its beginning.
//! Both stand in clear, so this needs no key.

use std::collections::BTreeMap;

use anyhow::Context as _;
use journal::SignedHead;
use journal::read;
use journal::verify::LogReport;

use crate::logs::{self, HalfYear, LogBegun, LogEnded, Previous};
use crate::record::Kind;

/// What was found about logs that follow each other.
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// What does not agree.
    pub(super) broken: Vec<String>,
    /// What could not be compared, because a log is elsewhere.
    pub(super) elsewhere: Vec<String>,
}

/// One log as far as it speaks of others.
struct Log<'a> {
    report: &'a LogReport,
    begins: Beginning,
    ended: Option<LogEnded>,
}

/// How a log begins.
enum Beginning {
    /// It has only been made.
    NotYet,
    /// As the node's first.
    First,
    /// Behind another.
    After(Previous),
}

/// Compares the ends and beginnings of logs that are sound.
///
/// # Errors
/// When a log that was just verified cannot be read.
pub(super) fn check(reports: &[LogReport]) -> anyhow::Result<Succession> {
    let mut found = Succession::default();
    let mut nodes: BTreeMap<&str, BTreeMap<HalfYear, Log<'_>>> = BTreeMap::new();
    for report in reports.iter().filter(|report| report.damage.is_empty()) {
        // Logs of other names have no half-year to follow each other by.
        if let Some((base, half_year)) = logs::parts(&report.name) {
            nodes.entry(base).or_default().insert(half_year, Log::read(report)?);
        }
    }
    for logs in nodes.into_values() {
        let logs: Vec<Log<'_>> = logs.into_values().collect();
        for pair in logs.windows(2) {
            if let [earlier, later] = pair {
                found.broken.extend(disagreement(earlier, later));
            }
        }
        let here = |name: &str| logs.iter().any(|log| log.report.name == name);
        for log in &logs {
            let name = &log.report.name;
            if let Beginning::After(previous) = &log.begins
                && !here(previous.origin.as_str())
            {
                found.elsewhere.push(format!("{name} goes on from {}, which is not here to be compared", previous.origin));
            }
            if let Some(ended) = &log.ended
                && !here(ended.next.as_str())
            {
                found.elsewhere.push(format!("{name} has ended; the next, {}, is not here to be compared", ended.next));
            }
        }
    }
    Ok(found)
}

impl<'a> Log<'a> {
    fn read(report: &'a LogReport) -> anyhow::Result<Self> {
        let cannot = |what: &str| format!("the {what} of {} cannot be read", report.name);
        let first = logs::beginning(&report.dir).with_context(|| cannot("beginning"))?;
        let last = read::last(&report.dir).with_context(|| cannot("end"))?;
        let begins = match first {
            None => Beginning::NotYet,
            Some(entry) if entry.kind == Kind::LogBegun.number() => {
                Beginning::After(logs::plain::<LogBegun>(&entry).with_context(|| cannot("log-begun"))?.previous)
            }
            Some(_) => Beginning::First,
        };
        let ended = match last {
            Some(entry) if entry.kind == Kind::LogEnded.number() => Some(logs::plain(&entry).with_context(|| cannot("log-ended"))?),
            Some(_) | None => None,
        };
        Ok(Self { report, begins, ended })
    }
}

/// What is wrong between a log and the next one that is here.
fn disagreement(earlier: &Log<'_>, later: &Log<'_>) -> Option<String> {
    let (before, after) = (&earlier.report.name, &later.report.name);
    let Some(ended) = &earlier.ended else {
        return Some(format!("{before} does not end with log-ended, yet {after} comes after it"));
    };
    if ended.next.as_str() != after {
        // One between them may be archived elsewhere.
        let names = logs::parts(ended.next.as_str()).zip(logs::parts(after));
        let between = names.is_some_and(|((base, named), (own, half_year))| base == own && named < half_year);
        let goes_on_from_it = match &later.begins {
            Beginning::NotYet => true,
            Beginning::First => false,
            Beginning::After(previous) => previous.origin.as_str() != before,
        };
        return (!between || !goes_on_from_it)
            .then(|| format!("{before} names {} as the next log, yet {after} comes after it", ended.next));
    }
    if later.report.key.as_ref().is_some_and(|key| key.to_string() != ended.next_key) {
        return Some(format!("{before} announces another key for {after} than that one is signed by"));
    }
    let previous = match &later.begins {
        Beginning::NotYet => return None,
        Beginning::First => return Some(format!("{after} does not begin with log-begun, yet {before} names it as the next log")),
        Beginning::After(previous) => previous,
    };
    if previous.origin.as_str() != before {
        return Some(format!("{after} goes on from {}, yet {before} names it as the next log", previous.origin));
    }
    let head = earlier.report.key.as_ref().and_then(|key| SignedHead::parse(&previous.head, key).ok());
    match head {
        None => Some(format!("{after} goes on from a head of {before} that its key has not signed")),
        Some(head) if (head.size(), head.root()) != (earlier.report.size, &earlier.report.root) => Some(format!(
            "{after} goes on from {before} at {} entries with root {}, yet that one has {} with root {}",
            head.size(),
            head.root(),
            earlier.report.size,
            earlier.report.root
        )),
        Some(_) => None,
    }
}
