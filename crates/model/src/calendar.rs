//! Working days of the deployment: every day but Saturdays, Sundays and what `contracts/calendar.yaml` names.
//! A year that it does not cover is an error, never a guess.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan as _};

use crate::time;

/// The non-working days of some years.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeMap<i16, BTreeSet<Date>>,
}

/// A day lies in a year whose non-working days are not known: complete `contracts/calendar.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the non-working days of {year} are not in calendar.yaml")]
pub struct UnknownYear {
    /// The year.
    pub year: i16,
}

impl Calendar {
    /// The calendar of these years, with their non-working days besides Saturdays and Sundays.
    #[must_use]
    pub fn new(years: BTreeMap<i16, BTreeSet<Date>>) -> Self {
        Self { years }
    }

    /// Whether people work on this day (Asia/Baku).
    ///
    /// # Errors
    /// When the calendar does not cover its year.
    pub fn is_working(&self, day: Date) -> Result<bool, UnknownYear> {
        let days_off = self.years.get(&day.year()).ok_or(UnknownYear { year: day.year() })?;
        Ok(!matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !days_off.contains(&day))
    }

    /// The moment at which a term of so many working days ends: midnight in Baku after the last of them. The day on
    /// which it begins does not count (004, 17.5 "from the day of receipt"; that the first day is left out is an
    /// assumption).
    ///
    /// # Errors
    /// When the calendar does not cover a year that the term touches.
    pub fn term(&self, from: Timestamp, working_days: u32) -> Result<Timestamp, UnknownYear> {
        let mut day = time::day(from);
        let mut left = working_days;
        while left > 0 {
            day = next(day)?;
            left -= u32::from(self.is_working(day)?);
        }
        let end = next(day)?;
        end.to_zoned(time::baku().clone()).map(|midnight| midnight.timestamp()).map_err(|_| UnknownYear { year: end.year() })
    }
}

fn next(day: Date) -> Result<Date, UnknownYear> {
    day.checked_add(1.day()).map_err(|_| UnknownYear { year: day.year() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar() -> Calendar {
        let novruz = (20..=24).map(|day| Date::constant(2026, 3, day)).collect();
        Calendar::new([(2026, novruz)].into())
    }

    fn term(from: &str, days: u32) -> Result<String, UnknownYear> {
        calendar().term(from.parse().expect("a moment"), days).map(time::rfc3339)
    }

    #[test]
    fn weekends_and_days_off_do_not_count() {
        // Received on Thursday the 19th; Friday to Tuesday are Novruz.
        assert_eq!(term("2026-03-19T08:00:00Z", 2).expect("covered"), "2026-03-27T00:00:00+04:00");
        // Received on a Saturday.
        assert_eq!(term("2026-03-07T08:00:00Z", 2).expect("covered"), "2026-03-11T00:00:00+04:00");
        // Late on the 18th in UTC is the 19th in Baku.
        assert_eq!(term("2026-03-18T21:00:00Z", 1).expect("covered"), "2026-03-26T00:00:00+04:00");
    }

    #[test]
    fn a_year_that_is_not_covered_is_not_guessed_at() {
        assert_eq!(term("2026-12-30T08:00:00Z", 2), Err(UnknownYear { year: 2027 }));
        assert_eq!(calendar().is_working(Date::constant(2025, 3, 3)), Err(UnknownYear { year: 2025 }));
    }
}
