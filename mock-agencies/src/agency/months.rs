//! Months as the sources write them.

use jiff::civil::Date;

/// A month, counted from the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month(i32);

impl Month {
    pub(super) fn of(date: Date) -> Self {
        Self(i32::from(date.year()) * 12 + i32::from(date.month()) - 1)
    }

    /// Reads `MM` and `yyyy` with a sign between them, such as `12.2025`.
    pub(super) fn read_month_first(text: &str, sign: char) -> Option<Self> {
        let (month, year) = text.split_once(sign)?;
        Self::read(year, month)
    }

    /// Reads `yyyy-MM`.
    pub(super) fn read_iso(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        Self::read(year, month)
    }

    fn read(year: &str, month: &str) -> Option<Self> {
        let digits = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        Some(Self::of(Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?))
    }

    /// Writes `MM` and `yyyy` with a sign between them.
    pub(super) fn month_first(self, sign: char) -> String {
        format!("{:02}{sign}{:04}", self.calendar(), self.year())
    }

    /// Writes `yyyy-MM`.
    pub(super) fn iso(self) -> String {
        format!("{:04}-{:02}", self.year(), self.calendar())
    }

    /// The month of the year, 1 to 12.
    pub(super) fn calendar(self) -> i8 {
        i8::try_from(self.0.rem_euclid(12) + 1).unwrap_or(1)
    }

    /// What a table of twelve says for this month of the year, January first.
    pub(super) fn of_year<T: Copy>(self, table: &[T; 12]) -> T {
        let [first, ..] = *table;
        usize::try_from(self.0.rem_euclid(12)).ok().and_then(|month| table.get(month).copied()).unwrap_or(first)
    }

    fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// The months from this one to another, both counted; 0 or less where the other is earlier.
    pub(super) fn count_to(self, last: Self) -> i32 {
        last.0 - self.0 + 1
    }

    /// The closed months of a window that the source still has: from this one to `last`, no further
    /// back than `history` months before the current one, which is not closed.
    pub(super) fn closed_to(self, last: Self, today: Date, history: i32) -> impl Iterator<Item = Self> {
        let current = Self::of(today).0;
        (self.0.max(current - history)..=last.0.min(current - 1)).map(Self)
    }

    /// Whether it is the last closed one.
    pub(super) fn is_last_closed(self, today: Date) -> bool {
        self.0 + 1 == Self::of(today).0
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn windows_end_with_the_last_closed_month_and_begin_with_the_history() {
        let month = |text: &str| Month::read_iso(text).expect("a month");
        let closed = |from: &str, to: &str| month(from).closed_to(month(to), date(2026, 1, 31), 3).map(Month::iso).collect::<Vec<_>>();
        assert_eq!(closed("2025-11", "2026-01"), ["2025-11", "2025-12"]);
        assert_eq!(closed("2020-01", "2025-10"), ["2025-10"]);
        assert!(closed("2026-01", "2026-03").is_empty() && closed("2020-01", "2020-12").is_empty());
        assert!(month("2025-12").is_last_closed(date(2026, 1, 1)) && !month("2025-11").is_last_closed(date(2026, 1, 1)));
        assert_eq!((month("2025-03").count_to(month("2026-02")), month("2025-03").count_to(month("2025-02"))), (12, 0));
        assert_eq!(month("2025-12").of_year(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]), 7);
    }

    #[test]
    fn other_forms_are_none() {
        for bad in ["13.2025", "2025.12", "1.2025", "00.2025", "12.25", "12/2025", "+1.2025", ""] {
            assert_eq!(Month::read_month_first(bad, '.'), None, "{bad}");
        }
        for bad in ["2025-13", "12-2025", "2025-1", "2025/12", ""] {
            assert_eq!(Month::read_iso(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(year in 1_i16..9999, month in 1_i8..=12, sign in prop::sample::select(vec!['.', '/'])) {
            let own = Month::of(date(year, month, 1));
            prop_assert_eq!(Month::read_month_first(&own.month_first(sign), sign), Some(own));
            prop_assert_eq!(Month::read_iso(&own.iso()), Some(own));
            prop_assert_eq!(own.calendar(), month);
        }
    }
}
