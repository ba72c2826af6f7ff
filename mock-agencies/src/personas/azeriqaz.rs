//! What Azəriqaz knows of a person (`personas/azeriqaz.json`, by the holder's FIN).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::hidden;

/// A gas account. `Debug` hides it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gas {
    /// Subscriber code, such as `TEST-QZ-000333`.
    pub subscriber_code: Box<str>,
    /// What is used in a December, in hundredths of a cubic metre; other months follow the season.
    pub december_m3_hundredths: u32,
    /// Whether the account was closed.
    #[serde(default)]
    pub closed: bool,
}

hidden!(Gas);

/// Every account, by its holder's FIN, in the order of FINs.
///
/// # Panics
/// Never in a built crate: a test reads the same file.
#[must_use]
pub fn gas_accounts() -> &'static BTreeMap<Box<str>, Vec<Gas>> {
    static ONCE: LazyLock<BTreeMap<Box<str>, Vec<Gas>>> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../personas/azeriqaz.json")).expect("a test of this crate reads it"));
    &ONCE
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::Personas;

    #[test]
    fn accounts_are_of_personas_and_each_code_is_one_account() {
        let personas = Personas::embedded();
        let mut codes = HashSet::new();
        for (fin, accounts) in gas_accounts() {
            assert!(personas.by_fin(fin).is_some(), "{fin} is nobody");
            for account in accounts {
                assert!(account.subscriber_code.starts_with("TEST-QZ-") && codes.insert(account.subscriber_code.clone()));
            }
        }
        for family in [personas.reference_family(), personas.requests_family()] {
            assert_eq!(gas_accounts().get(&family.applicant().fin).map(Vec::len), Some(1), "{}", family.name);
        }
    }
}
