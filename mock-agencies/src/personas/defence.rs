//! What the Ministry of Defence delivers of a person's service (`personas/defence.json`), and the State Service for
//! Mobilisation of participants of the war (`personas/war-participants.json`), by FIN.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

use super::hidden;

/// A time of service. `Debug` hides it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// First day.
    pub from: Date,
    /// Last day; none while the person serves.
    #[serde(default)]
    pub to: Option<Date>,
    /// As what.
    pub kind: ServiceKind,
    /// By how much it counts for a pension, with a decimal comma.
    pub factor: Box<str>,
    /// Code of the ground of discharge.
    #[serde(default)]
    pub ground: Option<Box<str>>,
}

/// As what a person serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceKind {
    /// Called up.
    Conscript,
    /// Under contract.
    Contract,
    /// As an officer.
    Officer,
}

/// Somebody on the list of participants of the war. `Debug` hides it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarParticipant {
    /// As what.
    pub status: WarStatus,
    /// Number of the certificate, `TEST-MI-…`.
    pub certificate_no: Box<str>,
    /// When it was granted.
    pub granted_on: Date,
}

/// As what somebody is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarStatus {
    /// Took part.
    Participant,
    /// Took part and is a veteran.
    Veteran,
    /// Of the family of somebody who fell.
    MartyrFamily,
}

hidden!(Service);
hidden!(WarParticipant);

/// Everybody's service, in the order of FINs.
///
/// # Panics
/// Never in a built crate: a test reads the same file.
#[must_use]
pub fn service_records() -> &'static BTreeMap<Box<str>, Vec<Service>> {
    static ONCE: LazyLock<BTreeMap<Box<str>, Vec<Service>>> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../personas/defence.json")).expect("a test of this crate reads it"));
    &ONCE
}

/// Everybody on the list, in the order of FINs.
///
/// # Panics
/// Never in a built crate: a test reads the same file.
#[must_use]
pub fn war_participants() -> &'static BTreeMap<Box<str>, WarParticipant> {
    static ONCE: LazyLock<BTreeMap<Box<str>, WarParticipant>> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../personas/war-participants.json")).expect("a test of this crate reads it")
    });
    &ONCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Personas;

    #[test]
    fn who_served_is_a_persona_and_the_register_of_mobilisation_agrees() {
        let personas = Personas::embedded();
        for (fin, services) in service_records() {
            assert!(personas.by_fin(fin).is_some(), "{fin} is nobody");
            let register: &serde_json::Value =
                &serde_json::from_str::<serde_json::Value>(include_str!("../../personas/mobilisation.json")).expect("JSON")[&**fin];
            let first = services.first().expect("a service");
            assert_eq!(register["from"], first.from.to_string(), "{fin}");
            assert_eq!(register["to"].as_str().map(str::to_owned), first.to.map(|to| to.to_string()), "{fin}");
            assert!(services.windows(2).all(|pair| pair[0].to.is_some_and(|to| to < pair[1].from)), "{fin}");
            assert!(services.iter().all(|service| service.to.is_some() == service.ground.is_some()), "{fin}");
        }
        for fin in war_participants().keys() {
            assert!(personas.by_fin(fin).is_some(), "{fin} is nobody");
        }
        for family in [personas.reference_family(), personas.requests_family()] {
            assert!(service_records().contains_key(&family.applicant().fin), "{}", family.name);
            assert!(war_participants().contains_key(&family.applicant().fin), "{}", family.name);
        }
    }
}
