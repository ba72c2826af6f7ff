//! The classifiers of the statistics committee (`personas/statistics.json`): invented codes, each version as it is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// The classifiers, by version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifiers {
    /// Code, parent (empty at the top), name, kind, first and last day (empty for none) of each territory.
    pub territories: BTreeMap<Box<str>, Vec<[Box<str>; 6]>>,
    /// Code, parent and name of each occupation.
    pub occupations: BTreeMap<Box<str>, Vec<[Box<str>; 3]>>,
    /// Code, parent and name of each activity.
    pub activities: BTreeMap<Box<str>, Vec<[Box<str>; 3]>>,
}

/// All of them.
///
/// # Panics
/// Never in a built crate: a test reads the same file.
#[must_use]
pub fn classifiers() -> &'static Classifiers {
    static ONCE: LazyLock<Classifiers> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../personas/statistics.json")).expect("a test of this crate reads it"));
    &ONCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Personas;

    #[test]
    fn every_parent_and_every_territory_of_a_persona_is_there() {
        let classifiers = classifiers();
        let known = |codes: &[&str], code: &str| code.is_empty() || codes.contains(&code);
        for rows in classifiers.territories.values() {
            let codes: Vec<&str> = rows.iter().map(|row| &*row[0]).collect();
            assert!(rows.iter().all(|row| known(&codes, &row[1])));
            for person in Personas::embedded().people() {
                let territory = person.residence.as_ref().map_or("", |residence| &*residence.territory_code);
                assert!(known(&codes, territory), "{territory}");
            }
        }
        for rows in classifiers.occupations.values().chain(classifiers.activities.values()) {
            let codes: Vec<&str> = rows.iter().map(|row| &*row[0]).collect();
            assert!(rows.iter().all(|row| known(&codes, &row[1])));
        }
    }
}
