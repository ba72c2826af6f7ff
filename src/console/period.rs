//! What the console's views of the sources' work are asked by: a month, a provider.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use model::window::Span;
use store::quality::State;

use crate::rule::{Broken, Rule};

/// A query, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Within which month.
    pub(super) period: Option<Period>,
    /// Of which provider; `gateway` for the gateway itself.
    pub(super) provider: Option<String>,
    /// Only what is open.
    pub(super) open: bool,
    /// Only items of the quarantine in this state.
    pub(super) state: Option<State>,
}

/// A month of Baku's calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    /// Such as `2026-03`.
    pub(super) month: String,
    /// From its first moment to the next month's, or to now.
    pub(super) span: Span,
}

impl Asked {
    /// Reads a query of these keys, each at most once.
    ///
    /// # Errors
    /// Every broken rule, with the key as its pointer.
    pub(super) fn read(query: Option<&str>, keys: &[&str], now: Timestamp) -> Result<Self, Vec<Broken>> {
        let mut asked = Self::default();
        let mut seen = Vec::new();
        let mut broken = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !keys.contains(&key) || seen.contains(&key) {
                broken.push(Broken::new("", Rule::Keys(keys.join(", "))));
                continue;
            }
            seen.push(key);
            match key {
                "month" => match Period::of(value, now) {
                    Some(period) => asked.period = Some(period),
                    None => broken.push(Broken::new("/month", Rule::Month)),
                },
                "provider" if model::ProviderId::new(value).is_ok() => asked.provider = Some(value.to_owned()),
                "state" => match State::ALL.into_iter().find(|state| state.as_str() == value) {
                    Some(state) => asked.state = Some(state),
                    None => broken.push(Broken::new("/state", Rule::OneOf("open, overdue, solved, expired"))),
                },
                "open" if ["true", "false"].contains(&value) => asked.open = value == "true",
                "open" => broken.push(Broken::new("/open", Rule::OneOf("true, false"))),
                _ => broken.push(Broken::new("/provider", Rule::Code)),
            }
        }
        if broken.is_empty() { Ok(asked) } else { Err(broken) }
    }
}

impl Period {
    /// The month of this name, as far as it has passed; none where it is no month or lies in the future.
    #[must_use]
    pub(super) fn of(month: &str, now: Timestamp) -> Option<Self> {
        let first: Date = (month.len() == 7).then(|| format!("{month}-01").parse().ok()).flatten()?;
        let moment = |day: Date| Some(day.to_zoned(model::time::baku().clone()).ok()?.timestamp());
        let (from, until) = (moment(first)?, moment(first.checked_add(1.month()).ok()?)?);
        (from <= now).then(|| Self { month: month.to_owned(), span: Span { from, until: until.min(now) } })
    }

    /// The month of a moment.
    ///
    /// # Panics
    /// Never: a moment's month is one.
    #[must_use]
    pub(super) fn current(now: Timestamp) -> Self {
        Self::of(&model::time::day(now).strftime("%Y-%m").to_string(), now).expect("a moment's month is one")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, Vec<Broken>> {
        Asked::read(Some(query), &["month", "provider", "open"], "2026-03-12T08:00:00Z".parse().expect("a moment"))
    }

    #[test]
    fn a_month_is_bakus_and_ends_now_at_the_latest() {
        let span = |month: &str| {
            let asked = read(&format!("month={month}")).expect("a month");
            let Span { from, until } = asked.period.expect("a month").span;
            (model::time::rfc3339(from), model::time::rfc3339(until))
        };
        assert_eq!(span("2026-02"), ("2026-02-01T00:00:00+04:00".to_owned(), "2026-03-01T00:00:00+04:00".to_owned()));
        assert_eq!(span("2026-03").1, "2026-03-12T12:00:00+04:00");
        for wrong in ["2026-04", "2026-13", "2026-3", "2026", "", "202603", "2026-ə"] {
            assert_eq!(read(&format!("month={wrong}")), Err(vec![Broken::new("/month", Rule::Month)]), "{wrong}");
        }
    }

    #[test]
    fn a_query_has_known_keys_once_each() {
        let asked = read("provider=taxes&open=true").expect("understood");
        assert_eq!((asked.provider.as_deref(), asked.open, asked.period), (Some("taxes"), true, None));
        for wrong in ["month=2026-03&month=2026-02", "from=2026", "open=1", "provider=Taxes%20", "open"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Asked::read(None, &[], Timestamp::UNIX_EPOCH), Ok(Asked::default()));
    }
}
