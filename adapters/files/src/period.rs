//! The day, week or month that a file is of, as its name says it.

use std::fmt;

use jiff::ToSpan as _;
use jiff::civil::{Date, ISOWeekDate, Weekday};

/// How often a source delivers, and so how its files are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cadence {
    /// `yyyyMMdd`.
    Daily,
    /// `yyyyWW`, weeks as in ISO 8601.
    Weekly,
    /// `yyyyMM`.
    Monthly,
}

/// What a file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    first: Date,
    number: u32,
    digits: u8,
}

impl Period {
    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Date {
        self.first
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.number, width = usize::from(self.digits))
    }
}

impl Cadence {
    /// The word of the names of files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Daily => "yyyyMMdd",
            Self::Weekly => "yyyyWW",
            Self::Monthly => "yyyyMM",
        }
    }

    /// Reads a period from exactly its digits.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Period> {
        if text.len() != self.word().len() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: u32 = text.parse().ok()?;
        let year = i16::try_from(if self == Self::Daily { number / 10_000 } else { number / 100 }).ok()?;
        let last = i8::try_from(number % 100).ok()?;
        let first = match self {
            Self::Daily => Date::new(year, i8::try_from(number / 100 % 100).ok()?, last).ok()?,
            Self::Weekly => ISOWeekDate::new(year, last, Weekday::Monday).ok()?.date(),
            Self::Monthly => Date::new(year, last, 1).ok()?,
        };
        Some(Period { first, number, digits: if self == Self::Daily { 8 } else { 6 } })
    }

    /// The period that a day lies in.
    #[must_use]
    pub fn of(self, day: Date) -> Period {
        let year = |year: i16| u32::from(year.unsigned_abs());
        let part = |part: i8| u32::from(part.unsigned_abs());
        match self {
            Self::Daily => Period { first: day, number: (year(day.year()) * 100 + part(day.month())) * 100 + part(day.day()), digits: 8 },
            Self::Weekly => {
                let week = day.iso_week_date();
                let first = day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days());
                Period { first, number: year(week.year()) * 100 + part(week.week()), digits: 6 }
            }
            Self::Monthly => {
                let first = day.first_of_month();
                Period { first, number: year(day.year()) * 100 + part(day.month()), digits: 6 }
            }
        }
    }

    /// The period before.
    #[must_use]
    pub fn before(self, period: Period) -> Period {
        self.of(period.first.saturating_sub(1.days()))
    }
}

/// The name of a source's files: one `{yyyyMMdd}`, `{yyyyWW}` or `{yyyyMM}` among fixed signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: Box<str>,
    after: Box<str>,
    /// How files are numbered.
    pub cadence: Cadence,
}

impl Pattern {
    /// Reads a pattern such as `QAZ_HESABLAMA_{yyyyMMdd}.csv`; `None` where it is none. The fixed signs are letters,
    /// digits, `_`, `-` and `.`, so that no name leads out of its folder.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let (before, rest) = text.split_once('{')?;
        let (word, after) = rest.split_once('}')?;
        let cadence = [Cadence::Daily, Cadence::Weekly, Cadence::Monthly].into_iter().find(|cadence| cadence.word() == word)?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let sound = plain(before) && plain(after) && !before.is_empty() && !before.starts_with('.') && text.len() <= 100;
        sound.then(|| Self { before: before.into(), after: after.into(), cadence })
    }

    /// What a file of this name is of; `None` for another file.
    #[must_use]
    pub fn period(&self, name: &str) -> Option<Period> {
        self.cadence.read(name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?)
    }

    /// The name of the file of a period.
    #[must_use]
    pub fn name(&self, period: Period) -> String {
        format!("{}{period}{}", self.before, self.after)
    }
}
