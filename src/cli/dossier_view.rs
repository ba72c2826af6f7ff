//! A dossier for people: one line per element, with provider, age and outcome; and its receipts
//! checked against the journal on disk.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use journal::{Receipt, VerifyingKey};
use serde_json::Value as Json;

use super::table::Table;

/// Most characters of an element's values in the table.
const VALUES_CHARS_MAX: usize = 44;

/// The dossier as a table.
///
/// # Errors
/// When the dossier has no elements.
pub fn table(dossier: &Json, name_of: impl Fn(&str) -> Option<String> + Copy) -> anyhow::Result<String> {
    let elements = dossier["elements"].as_array().context("the dossier has no elements")?;
    let mut table = Table::new(&["Element", "For", "Outcome", "Source", "Age", "Says", "Receipt"]);
    for element in elements {
        let fin = element["for"]["fin"].as_str().unwrap_or_default();
        let outcome = element["outcome"].as_str().unwrap_or("…");
        let outcome = match element["absence"].as_str() {
            Some(absence) => format!("{outcome} ({absence})"),
            None => outcome.to_owned(),
        };
        let source = &element["source"];
        let from = match (source["provider"].as_str(), source["route"].as_str()) {
            (Some(provider), Some(route)) if source["via"] == "provider" => format!("{provider} ({route})"),
            (Some(provider), Some(_)) => format!("{provider} (kept)"),
            _ => String::new(),
        };
        let age = source["age_seconds"].as_u64().map(|age| format!("{age} s")).unwrap_or_default();
        let receipt = element["receipt"]["index"].as_u64().map(|index| format!("#{index}")).unwrap_or_default();
        table.row(vec![
            element["element"].as_str().unwrap_or_default().to_owned(),
            name_of(fin).unwrap_or_else(|| fin.to_owned()),
            outcome,
            from,
            age,
            values(&element["data"]),
            receipt,
        ]);
    }
    let mut text = table.to_string();
    for (key, words) in [("not_needed", "not asked"), ("documents_required", "document wanted")] {
        // One line for each reason and those it concerns, with the elements.
        let mut of_element: Vec<((&str, &str), Vec<String>)> = Vec::new();
        for item in dossier[key].as_array().into_iter().flatten() {
            let of = (item["element"].as_str().unwrap_or_default(), item["because"].as_str().unwrap_or_default());
            let whom = match (item["for"]["fin"].as_str(), item["for"]["member"].as_u64()) {
                (Some(fin), _) => name_of(fin).unwrap_or_else(|| fin.to_owned()),
                (None, Some(number)) => format!("member {number}"),
                (None, None) => String::new(),
            };
            match of_element.iter_mut().find(|(there, _)| *there == of) {
                Some((_, whom_all)) => whom_all.push(whom),
                None => of_element.push((of, vec![whom])),
            }
        }
        let mut lines: Vec<(&str, Vec<String>, Vec<&str>)> = Vec::new();
        for ((element, because), whom) in of_element {
            match lines.iter_mut().find(|(reason, persons, _)| *reason == because && *persons == whom) {
                Some((_, _, elements)) => elements.push(element),
                None => lines.push((because, whom, vec![element])),
            }
        }
        for (because, whom, elements) in lines {
            text.push_str(&format!("{words}: {} for {} ({because})\n", elements.join(", "), whom.join(", ")));
        }
    }
    text.push_str(&format!("status: {}{}", dossier["status"].as_str().unwrap_or_default(), why(elements, name_of)));
    Ok(text)
}

/// What keeps a dossier from being complete: the elements without a usable answer.
fn why(elements: &[Json], name_of: impl Fn(&str) -> Option<String>) -> String {
    let missing = elements.iter().filter(|element| !matches!(element["outcome"].as_str(), Some("FOUND" | "NOT_FOUND" | "STALE")));
    let one = |element: &Json| {
        let text = |value: &Json| value.as_str().unwrap_or("not answered yet").to_owned();
        let fin = element["for"]["fin"].as_str().unwrap_or_default();
        let whom = name_of(fin).unwrap_or_else(|| fin.to_owned());
        format!("{} of {whom} {} ({})", text(&element["element"]), text(&element["outcome"]), text(&element["need"]))
    };
    let missing: Vec<String> = missing.map(one).collect();
    if missing.is_empty() { String::new() } else { format!(": {}", missing.join(", ")) }
}

fn values(data: &Json) -> String {
    let Some(members) = data.as_object() else { return String::new() };
    let shown = members.iter().map(|(name, value)| match value {
        Json::Array(items) => format!("{name}: {} items", items.len()),
        Json::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    });
    let text = shown.collect::<Vec<_>>().join(", ");
    match text.char_indices().nth(VALUES_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", text.split_at(cut).0),
        None => text,
    }
}

/// The providers that gave an answer, once for each of their elements.
pub fn providers(dossier: &Json) -> impl Iterator<Item = &str> {
    dossier["elements"].as_array().into_iter().flatten().filter_map(|element| element["source"]["provider"].as_str())
}

/// The outcomes that occur.
#[must_use]
pub fn outcomes(dossier: &Json) -> BTreeSet<String> {
    let elements = dossier["elements"].as_array().into_iter().flatten();
    elements.filter_map(|element| element["outcome"].as_str().map(str::to_owned)).collect()
}

/// What came of checking a dossier's receipts.
#[derive(Debug)]
pub struct Receipts {
    elements: usize,
    good: usize,
    whole: Result<u64, String>,
}

impl Receipts {
    /// Whether every receipt is good.
    #[must_use]
    pub fn all_good(&self) -> bool {
        self.elements == self.good && self.whole.is_ok()
    }
}

impl fmt::Display for Receipts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whole {
            Ok(size) => write!(f, "receipts verified: the dossier's disclosure under the signed head of {size} entries")?,
            Err(why) => write!(f, "the dossier's receipt does NOT verify: {why}")?,
        }
        write!(f, ", {} of {} elements' entries found in the journal with the same hash", self.good, self.elements)
    }
}

/// Checks the dossier's own receipt (signature and inclusion path) and finds each element's entry in
/// the journal on disk.
///
/// # Errors
/// When the journal cannot be read.
pub fn verify(dossier: &Json, key: &VerifyingKey, journal: &Path) -> anyhow::Result<Receipts> {
    let receipt: Receipt = serde_json::from_value(dossier["receipt"].clone()).context("the dossier has no receipt")?;
    let whole = receipt.verify(key).map(|()| receipt.index + 1).map_err(|error| error.to_string());
    let (mut elements, mut good) = (0, 0);
    for element in dossier["elements"].as_array().into_iter().flatten() {
        let Some(index) = element["receipt"]["index"].as_u64() else { continue };
        elements += 1;
        let entry = journal::read::entry(journal, index)?;
        good += usize::from(element["receipt"]["leaf_hash"] == serde_json::to_value(entry.leaf_hash)?);
    }
    Ok(Receipts { elements, good, whole })
}
