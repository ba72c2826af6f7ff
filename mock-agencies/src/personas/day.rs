//! Days that may move with the calendar.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;

/// A day in the data: a date, or so many days before the day it is read on, for what must stay
/// within a window that ends today (`{"days_ago": 40}`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Day {
    /// This date.
    On(Date),
    /// So many days ago.
    #[serde(rename_all = "snake_case")]
    Ago {
        /// Days before today.
        days_ago: u16,
    },
}

impl Day {
    /// The date, seen from `today`.
    #[must_use]
    pub fn seen_from(self, today: Date) -> Date {
        match self {
            Self::On(date) => date,
            Self::Ago { days_ago } => today.saturating_sub(i64::from(days_ago).days()),
        }
    }
}
