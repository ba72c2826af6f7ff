//! The quarterly review of rights (004, 11.3; 000, 5.1.3): what is held, what is not used, what lapses. The figures are
//! assumptions: the clauses name none.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use model::time;
use serde::{Deserialize, Serialize};

use crate::id::{OfficialNumber, RightId};
use crate::power::Power;
use crate::register::{Register, Right, RightState};

/// A right not used for so long is marked `unused`: 90 days. (Assumption.)
pub const UNUSED_AFTER: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Days after a quarter's end within which its rights are confirmed; what is not lapses: 30. (Assumption.)
pub const QUARTER_GRACE: i64 = 30;

/// The last day on which each right was used, kept outside the events: a use changes no right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uses(BTreeMap<RightId, Date>);

impl Uses {
    /// Takes a use down; says whether it is the first of its day.
    pub fn note(&mut self, right: RightId, now: Timestamp) -> bool {
        let today = time::day(now);
        let last = self.0.entry(right).or_insert(Date::MIN);
        let first = today > *last;
        *last = today.max(*last);
        first
    }

    /// The last day of use.
    #[must_use]
    pub fn last(&self, right: RightId) -> Option<Date> {
        self.0.get(&right).copied()
    }

    /// Forgets rights that the register does not know any more.
    pub fn retain(&mut self, register: &Register) {
        self.0.retain(|right, _| register.right(*right).is_some());
    }
}

/// One right in the review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewItem<'a> {
    /// The right.
    pub right: &'a Right,
    /// How it stands.
    pub state: RightState,
    /// The last day on which it was used.
    pub last_use: Option<Date>,
    /// Whether it has not been used for [`UNUSED_AFTER`], and has stood for as long.
    pub unused: bool,
    /// Whether the quarter that ended waits for its confirmation.
    pub due: bool,
}

/// The review as one reviewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review<'a> {
    /// First day after the quarter that is reviewed.
    pub quarter_ended: Date,
    /// First day on which a right that nobody has confirmed does not act any more.
    pub lapses_on: Date,
    /// The rights in the reviewer's scope that have not ended.
    pub items: Vec<ReviewItem<'a>>,
}

impl Register {
    /// The list of rights in the scope of what `reviewer` holds.
    #[must_use]
    pub fn review(&self, reviewer: &OfficialNumber, uses: &Uses, now: Timestamp) -> Review<'_> {
        let now = self.moment(now);
        let held: Vec<&Power> = self.in_force(reviewer, now).map(|right| &right.power).collect();
        let quarter_ended = quarter_begin(time::day(now));
        let items = self
            .rights
            .values()
            .filter(|right| !right.is_over(now) && held.iter().any(|power| power.guards(&right.power)))
            .map(|right| {
                let last_use = uses.last(right.id);
                let since = now.checked_sub(UNUSED_AFTER).unwrap_or(Timestamp::MIN);
                ReviewItem {
                    right,
                    state: right.state(now),
                    last_use,
                    unused: right.begins <= since && last_use.is_none_or(|day| day <= time::day(since)),
                    due: is_due(right, now),
                }
            })
            .collect();
        let lapses_on = quarter_ended.checked_add(QUARTER_GRACE.days()).unwrap_or(quarter_ended);
        Review { quarter_ended, lapses_on, items }
    }
}

/// Whether a quarter has ended since it was last seen to.
pub(crate) fn is_due(right: &Right, now: Timestamp) -> bool {
    time::day(right.seen_to_at) < quarter_begin(time::day(now))
}

/// When a right that was last seen to at a moment lapses: so many days after the end of that moment's quarter.
pub(crate) fn lapses_after(seen_to: Timestamp) -> Option<Timestamp> {
    let begin = quarter_begin(time::day(seen_to));
    let last = begin.checked_add(3.months()).ok()?.checked_add(QUARTER_GRACE.days()).ok()?;
    last.to_zoned(time::baku().clone()).ok().map(|midnight| midnight.timestamp())
}

/// The first day of the quarter in which a day lies.
fn quarter_begin(day: Date) -> Date {
    let month = (day.month() - 1) / 3 * 3 + 1;
    Date::new(day.year(), month, 1).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_lapses_thirty_days_after_its_quarter() {
        let lapses = |at: &str| lapses_after(at.parse().expect("a moment")).map(time::rfc3339);
        assert_eq!(lapses("2026-02-10T08:00:00Z").as_deref(), Some("2026-05-01T00:00:00+04:00"));
        assert_eq!(lapses("2026-12-31T19:59:59Z").as_deref(), Some("2027-01-31T00:00:00+04:00"));
        // Midnight in Baku belongs to the next quarter.
        assert_eq!(lapses("2026-12-31T20:00:00Z").as_deref(), Some("2027-05-01T00:00:00+04:00"));
    }

    #[test]
    fn the_first_use_of_a_day_is_told() {
        let mut uses = Uses::default();
        let at = |text: &str| text.parse().expect("a moment");
        assert!(uses.note(RightId(1), at("2026-02-10T08:00:00Z")));
        assert!(!uses.note(RightId(1), at("2026-02-10T09:00:00Z")));
        assert!(uses.note(RightId(1), at("2026-02-11T08:00:00Z")));
        assert!(!uses.note(RightId(1), at("2026-02-10T08:00:00Z")), "a clock put back");
        assert_eq!(uses.last(RightId(1)), Some(Date::constant(2026, 2, 11)));
    }
}
