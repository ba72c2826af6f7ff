//! What of an entry's text stands in columns of its own, for people.

use serde_json::Value as Json;

/// The columns that are read off the metadata, in order.
pub(super) const NAMES: [&str; 8] = ["consumer", "official", "role", "service", "purpose", "case", "outcome", "fields"];

/// Their values; all are empty where the text is not known.
pub(super) fn of(metadata: Option<&str>) -> [String; 8] {
    let metadata: Json = metadata.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    NAMES.map(|name| match (name, metadata[name].as_str()) {
        ("fields", _) => given(&metadata, |item| item["fields"].as_array().map_or(&[], Vec::as_slice)),
        ("outcome", None) => given(&metadata, |item| std::slice::from_ref(&item["outcome"])),
        (_, text) => text.unwrap_or_default().to_owned(),
    })
}

/// The different texts among what is given, in the order in which they first occur.
fn given(metadata: &Json, texts: impl Fn(&Json) -> &[Json]) -> String {
    let mut different = Vec::new();
    for text in metadata["given"].as_array().into_iter().flatten().flat_map(texts).filter_map(Json::as_str) {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    different.join(" ")
}
