//! Planned windows of a source: when it has said beforehand that it does not answer, or answers badly. All times are
//! those of Baku.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::contract::Bilingual;
use crate::time::{self, baku};

/// How far ahead the next window is looked for, in days: more than a year, so that a yearly one is found.
const AHEAD_DAYS: i32 = 400;
/// Most days that windows which touch each other are followed over.
const JOINED_DAYS: i32 = 62;
/// Most days of an outage that are compared with windows; what lies behind them counts as unplanned.
const COMPARED_DAYS: i32 = 400;

/// One planned window, which comes again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedWindow {
    /// The days on which it begins.
    pub on: Recurs,
    /// The minute of the day at which it begins.
    pub from: u16,
    /// The minute of the day at which it ends, at most 1,440; where that is not later than `from`, of the next day.
    pub to: u16,
    /// What it means for those who ask.
    pub effect: Effect,
    /// Why, in words.
    pub reason: Bilingual,
}

/// On which days a window begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurs {
    /// Every day.
    Daily,
    /// Days of the week, Monday first.
    Weekly([bool; 7]),
    /// Days of months.
    Monthly {
        /// Days of the month, 1 to 31; empty for all, unless `last` is set.
        days: Vec<i8>,
        /// Whether the last day of the month is one of them.
        last: bool,
        /// Months, January first.
        months: [bool; 12],
    },
}

/// What a window means for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The source does not answer.
    Down,
    /// It answers late, or not always.
    Degraded,
}

impl Effect {
    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
        }
    }
}

/// From one moment to another, the last not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The end.
    pub until: Timestamp,
}

impl PlannedWindow {
    /// The span in which a moment lies; windows of the same kind that touch it are one with it.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Span> {
        let today = time::day(now);
        let mut span =
            [yesterday(today), today].into_iter().filter_map(|day| self.on(day)).find(|span| (span.from..span.until).contains(&now))?;
        for _ in 0..JOINED_DAYS {
            let end = time::day(span.until);
            let next = [yesterday(end), end]
                .into_iter()
                .filter_map(|day| self.on(day))
                .find(|next| next.from <= span.until && next.until > span.until);
            let Some(next) = next else { break };
            span.until = next.until;
        }
        Some(span)
    }

    /// The next span that begins after a moment.
    #[must_use]
    pub fn after(&self, now: Timestamp) -> Option<Span> {
        let today = time::day(now);
        (0..AHEAD_DAYS).filter_map(|days| self.on(today.checked_add(days.days()).ok()?)).find(|span| span.from > now)
    }

    /// The span that begins on a day.
    fn on(&self, day: Date) -> Option<Span> {
        let begins = match &self.on {
            Recurs::Daily => true,
            Recurs::Weekly(days) => days[weekday(day.weekday())],
            Recurs::Monthly { days, last, months } => {
                let month = usize::try_from(day.month() - 1).ok().and_then(|month| months.get(month).copied()).unwrap_or(false);
                let is_last = *last && day == day.last_of_month();
                month && (is_last || days.contains(&day.day()) || (days.is_empty() && !last))
            }
        };
        if !begins {
            return None;
        }
        let end = if self.to > self.from { day } else { day.checked_add(1.day()).ok()? };
        Some(Span { from: moment(day, self.from)?, until: moment(end, self.to)? })
    }
}

/// Of several windows the span that covers a moment and ends last, with its window.
#[must_use]
pub fn at(windows: &[PlannedWindow], now: Timestamp) -> Option<(&PlannedWindow, Span)> {
    windows.iter().filter_map(|window| Some((window, window.at(now)?))).max_by_key(|(_, span)| span.until)
}

/// Of several windows the span that begins next, with its window.
#[must_use]
pub fn after(windows: &[PlannedWindow], now: Timestamp) -> Option<(&PlannedWindow, Span)> {
    windows.iter().filter_map(|window| Some((window, window.after(now)?))).min_by_key(|(_, span)| span.from)
}

/// How long of a span was planned: what windows cover together, each moment once.
#[must_use]
pub fn planned(windows: &[PlannedWindow], span: Span) -> SignedDuration {
    let first = yesterday(time::day(span.from));
    let mut spans: Vec<Span> = (0..COMPARED_DAYS)
        .map_while(|days| first.checked_add(days.days()).ok())
        .take_while(|day| moment(*day, 0).is_some_and(|begins| begins < span.until))
        .flat_map(|day| windows.iter().filter_map(move |window| window.on(day)))
        .collect();
    spans.sort_unstable();
    let mut covered = SignedDuration::ZERO;
    let mut from = span.from;
    for Span { from: begins, until } in spans {
        let (begins, until) = (begins.max(from), until.min(span.until));
        if until > begins {
            covered += until.duration_since(begins);
            from = until;
        }
    }
    covered
}

fn yesterday(day: Date) -> Date {
    day.checked_sub(1.day()).unwrap_or(day)
}

fn weekday(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

/// A minute of a day in Baku; 1,440 is the next midnight.
fn moment(day: Date, minute: u16) -> Option<Timestamp> {
    let at = DateTime::from_parts(day, Time::midnight()).checked_add(i64::from(minute).minutes()).ok()?;
    Some(at.to_zoned(baku().clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(on: Recurs, from: u16, to: u16) -> PlannedWindow {
        let reason = Bilingual { az: "Texniki iş".to_owned(), en: "Maintenance".to_owned() };
        PlannedWindow { on, from, to, effect: Effect::Down, reason }
    }

    fn baku(text: &str) -> Timestamp {
        format!("{text}+04:00").parse().expect("a moment")
    }

    fn shown(span: Option<Span>) -> String {
        span.map_or("none".to_owned(), |span| {
            let text = |at| time::rfc3339(at).replace(":00+04:00", "");
            format!("{} {}", text(span.from), text(span.until))
        })
    }

    const MONTHS: [bool; 12] = [true; 12];

    #[test]
    fn a_weekly_window_is_that_of_bakus_week() {
        let sunday = window(Recurs::Weekly([false, false, false, false, false, false, true]), 180, 300);
        // Saturday evening in UTC is Sunday in Baku.
        assert_eq!(shown(sunday.at("2026-03-14T23:30:00Z".parse().expect("a moment"))), "2026-03-15T03:00 2026-03-15T05:00");
        assert_eq!(shown(sunday.at(baku("2026-03-15T05:00:00"))), "none");
        assert_eq!(shown(sunday.at(baku("2026-03-14T04:00:00"))), "none");
        assert_eq!(shown(sunday.after(baku("2026-03-15T03:00:00"))), "2026-03-22T03:00 2026-03-22T05:00");
        assert_eq!(shown(sunday.after(baku("2026-03-15T02:59:59"))), "2026-03-15T03:00 2026-03-15T05:00");
    }

    #[test]
    fn a_window_may_end_on_the_next_day() {
        let night = window(Recurs::Weekly([true, true, true, true, true, false, false]), 18 * 60 + 30, 9 * 60);
        assert_eq!(shown(night.at(baku("2026-03-13T08:59:00"))), "2026-03-12T18:30 2026-03-13T09:00");
        // Friday's ends on Saturday, and Saturday has none.
        assert_eq!(shown(night.at(baku("2026-03-14T08:59:00"))), "2026-03-13T18:30 2026-03-14T09:00");
        assert_eq!(shown(night.at(baku("2026-03-15T08:59:00"))), "none");
        let midnight = window(Recurs::Daily, 23 * 60, 1440);
        assert_eq!(shown(midnight.at(baku("2026-03-14T23:59:59"))), "2026-03-14T23:00 2026-03-15T00:00");
    }

    #[test]
    fn days_of_the_month_know_how_long_it_is() {
        let end = window(Recurs::Monthly { days: Vec::new(), last: true, months: MONTHS }, 0, 1440);
        assert_eq!(shown(end.after(baku("2028-02-01T00:00:00"))), "2028-02-29T00:00 2028-03-01T00:00");
        let twentieth = window(Recurs::Monthly { days: vec![20], last: false, months: MONTHS }, 18 * 60, 1440);
        assert_eq!(shown(twentieth.after(baku("2026-03-20T18:00:00"))), "2026-04-20T18:00 2026-04-21T00:00");
        let august = std::array::from_fn(|month| month == 7);
        let week = window(Recurs::Monthly { days: vec![25, 26], last: false, months: august }, 0, 1440);
        assert_eq!(shown(week.after(baku("2026-09-01T00:00:00"))), "2027-08-25T00:00 2027-08-26T00:00");
        // Days that touch each other are one window.
        assert_eq!(shown(week.at(baku("2026-08-25T12:00:00"))), "2026-08-25T00:00 2026-08-27T00:00");
        let thirtieth = window(Recurs::Monthly { days: vec![30], last: false, months: MONTHS }, 0, 60);
        assert_eq!(shown(thirtieth.after(baku("2026-02-01T00:00:00"))), "2026-03-30T00:00 2026-03-30T01:00");
    }

    #[test]
    fn of_several_windows_each_moment_is_planned_once() {
        let windows = [window(Recurs::Daily, 60, 180), window(Recurs::Daily, 120, 240)];
        let span = |from: &str, until: &str| Span { from: baku(from), until: baku(until) };
        let minutes = |from, until| planned(&windows, span(from, until)).as_mins();
        assert_eq!(minutes("2026-03-14T00:00:00", "2026-03-15T00:00:00"), 180);
        assert_eq!(minutes("2026-03-14T02:30:00", "2026-03-14T05:00:00"), 90);
        assert_eq!(minutes("2026-03-14T04:00:00", "2026-03-15T00:30:00"), 0);
        assert_eq!(minutes("2026-03-14T00:00:00", "2026-03-17T00:00:00"), 540);
        assert_eq!(shown(at(&windows, baku("2026-03-14T02:30:00")).map(|(_, span)| span)), "2026-03-14T02:00 2026-03-14T04:00");
        assert_eq!(shown(after(&windows, baku("2026-03-14T01:30:00")).map(|(_, span)| span)), "2026-03-14T02:00 2026-03-14T04:00");
    }
}
