//! What the Ministry of Health knows of births: those that hospitals have reported since the register began in 2021.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Time};
use serde::Deserialize;

use super::{Day, Sex, hidden};

/// The register of births, by the mother's FIN. `Debug` hides it.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Health {
    /// Each woman's births, the oldest first; one for each child.
    pub births: BTreeMap<Box<str>, Vec<BirthFact>>,
}

/// The birth of one child. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BirthFact {
    /// Number of the medical certificate, `TEST-DT-…`.
    pub certificate: Box<str>,
    /// Its day in Baku.
    pub day: Day,
    /// The time by Baku's clocks.
    pub time: Time,
    /// The child's sex.
    pub sex: Sex,
    /// Whether it was born alive.
    pub live: bool,
    /// The medical institution, `TM-TEST-…`.
    pub org: Box<str>,
}

impl BirthFact {
    /// The moment by Baku's clocks, seen from `today`.
    #[must_use]
    pub fn at(&self, today: Date) -> DateTime {
        DateTime::from_parts(self.day.seen_from(today), self.time)
    }
}

impl Health {
    /// A woman's births, the oldest first.
    #[must_use]
    pub fn of(&self, fin: &str) -> &[BirthFact] {
        self.births.get(fin).map(Vec::as_slice).unwrap_or_default()
    }

    /// A woman who has given birth not long ago: the first in the register.
    #[must_use]
    pub fn mother(&self) -> Option<&str> {
        let lately = |birth: &BirthFact| matches!(birth.day, Day::Ago { .. });
        self.births.iter().find(|(_, births)| births.iter().any(lately)).map(|(fin, _)| &**fin)
    }
}

hidden!(Health, BirthFact);
