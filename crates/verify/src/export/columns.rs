//! The columns for people: docs/journal-format.md, "Exports", "CSV". They say nothing that the metadata do not say, so
//! they are made again and compared.

use serde_json::Value as Json;

/// The columns that are read off the metadata, in order.
pub(super) const NAMES: [&str; 8] = ["consumer", "official", "role", "service", "purpose", "case", "outcome", "fields"];

/// What the metadata say in a column; empty without metadata.
pub(super) fn of(metadata: &Json, name: &str) -> String {
    let texts_of_given = |texts: &mut dyn FnMut(&Json) -> Vec<String>| {
        let mut seen: Vec<String> = Vec::new();
        for item in metadata["given"].as_array().into_iter().flatten() {
            for text in texts(item) {
                if !seen.contains(&text) {
                    seen.push(text);
                }
            }
        }
        seen.join(" ")
    };
    let text = |value: &Json| value.as_str().map(str::to_owned);
    match name {
        "fields" => texts_of_given(&mut |item| item["fields"].as_array().into_iter().flatten().filter_map(text).collect()),
        "outcome" if !metadata["outcome"].is_string() => texts_of_given(&mut |item| text(&item["outcome"]).into_iter().collect()),
        _ => text(&metadata[name]).unwrap_or_default(),
    }
}

/// A cell as it is written: an apostrophe goes before what a spreadsheet would take for a formula.
pub(super) fn cell(text: &str) -> String {
    let is_formula = matches!(text.bytes().next(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'));
    if is_formula { format!("'{text}") } else { text.to_owned() }
}
