//! What a provider's own file says besides its name: its planned windows.

use crate::raw;
use crate::rule;
use crate::window::{PlannedWindow, Recurs};

use super::file::File;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// The planned windows that are sound.
pub(super) fn windows(file: &mut File<'_>, raw: Vec<raw::PlannedWindow>) -> Vec<PlannedWindow> {
    let mut windows = Vec::with_capacity(raw.len());
    for (place, raw) in raw.into_iter().enumerate() {
        let at = format!("/windows/{place}");
        file.bilingual(&format!("{at}/reason"), &raw.reason);
        let on = recurs(file, &format!("{at}/on"), &raw.on);
        let (from, to) = (file.minute(&format!("{at}/from"), &raw.from), file.minute(&format!("{at}/to"), &raw.to));
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from == to {
            file.refuse(&format!("{at}/to"), rule::WRONG_HOURS, "the end is the beginning", "another time; a whole day is 00:00 to 24:00");
        } else if from == DAY {
            file.refuse(&format!("{at}/from"), rule::WRONG_HOURS, "24:00 begins no day", "00:00 to 23:59");
        } else {
            windows.push(PlannedWindow { on, from, to, effect: raw.effect, reason: raw.reason });
        }
    }
    windows
}

fn recurs(file: &mut File<'_>, at: &str, raw: &raw::WindowDays) -> Recurs {
    match raw {
        raw::WindowDays::Daily(_) => Recurs::Daily,
        raw::WindowDays::OfWeek(listed) => {
            file.no_repetition(at, listed);
            let mut days = [false; 7];
            listed.iter().for_each(|day| days[*day as usize] = true);
            Recurs::Weekly(days)
        }
        raw::WindowDays::OfMonth(raw::DaysOfMonth { days, months }) => {
            if days.is_empty() && months.is_empty() {
                file.refuse(at, rule::TOO_FEW, "it names neither days nor months", "days, months or both; or daily");
            }
            file.no_repetition(&format!("{at}/days"), days);
            file.no_repetition(&format!("{at}/months"), months);
            let numbers = days.iter().filter_map(|day| match day {
                raw::DayOfMonth::Number(number) => Some(*number),
                raw::DayOfMonth::Last(_) => None,
            });
            Recurs::Monthly {
                days: numbers.collect(),
                last: days.iter().any(|day| matches!(day, raw::DayOfMonth::Last(_))),
                months: std::array::from_fn(|place| months.is_empty() || months.iter().any(|month| usize::from(*month) == place + 1)),
            }
        }
    }
}
