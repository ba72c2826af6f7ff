//! What the State Border Service knows: who crossed the border, when and where.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use super::hidden;

/// The register of crossings, by FIN; whoever is not in it has never crossed. `Debug` hides it.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Border {
    /// Each person's crossings, the oldest first.
    pub crossings: BTreeMap<Box<str>, Vec<Crossing>>,
}

/// One crossing of the border. `Debug` hides it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crossing {
    /// Out of the country or into it.
    pub direction: Direction,
    /// Days before today, counted in UTC.
    pub days_ago: u16,
    /// Time of the day, UTC: from 20:00 on it is the next day in Baku.
    pub time: Time,
    /// The checkpoint, `BM-TEST-…`.
    pub checkpoint: Box<str>,
    /// The country on its other side.
    pub neighbour: Box<str>,
}

impl Crossing {
    /// The moment, seen from `today`.
    #[must_use]
    pub fn at(&self, today: Date) -> Timestamp {
        let day = today.saturating_sub(i64::from(self.days_ago).days());
        TimeZone::UTC.to_timestamp(day.to_datetime(self.time)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Its day in Baku, seen from `today`.
    #[must_use]
    pub fn day(&self, today: Date) -> Date {
        model::time::day(self.at(today))
    }
}

/// Which way somebody crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the country.
    Entry,
    /// Out of it.
    Exit,
}

impl Border {
    /// A person's crossings, the oldest first.
    #[must_use]
    pub fn of(&self, fin: &str) -> &[Crossing] {
        self.crossings.get(fin).map(Vec::as_slice).unwrap_or_default()
    }
}

hidden!(Border, Crossing);
