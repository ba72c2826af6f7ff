//! How much a grant may be used on one day of Baku: questions, and different persons (Decree 634, 6.2.13).
//!
//! Counted in memory, by this process: a restart begins anew. Persons are kept as hashes under a key of this process.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use model::{ConsumerId, Subject};
use policy::{Allowance, GrantKey};

/// The grants with a volume that were used today.
#[derive(Debug, Default)]
pub struct Volumes {
    used: Mutex<HashMap<(ConsumerId, GrantKey), Used>>,
    hasher: RandomState,
}

/// What was used of one grant on one day.
#[derive(Debug)]
struct Used {
    day: Date,
    requests: u32,
    /// At most as many as the volume allows persons.
    persons: HashSet<u64>,
}

/// The day's volume of the grant is used up. The consumer's fault; nothing was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the grant's volume of the day is used up")]
pub struct Spent {
    /// Whether it is that of different persons: those asked about already may be asked about again.
    pub persons: bool,
    /// Whole seconds until the next day of Baku, at least 1.
    pub retry_after: u64,
}

impl Volumes {
    /// Counts one question under a grant, about this person.
    ///
    /// # Errors
    /// When the day's volume is used up; the question does not count then.
    pub fn count(&self, consumer: &ConsumerId, allowance: &Allowance, subject: Option<&Subject>, now: Timestamp) -> Result<(), Spent> {
        let day = model::time::day(now);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = used.entry((consumer.clone(), allowance.grant.clone())).or_insert_with(|| Used::of(day));
        // A clock that is set back begins no new day: the volume of the later one would be given twice.
        if day > used.day {
            *used = Used::of(day);
        }
        let volume = &allowance.volume;
        let spent = |persons| Spent { persons, retry_after: until_tomorrow(now) };
        if volume.requests_per_day.is_some_and(|max| used.requests >= max) {
            return Err(spent(false));
        }
        if let (Some(max), Some(subject)) = (volume.persons_per_day, subject) {
            let person = self.hasher.hash_one(subject.canonical());
            let full = used.persons.len() >= usize::try_from(max).unwrap_or(usize::MAX);
            if full && !used.persons.contains(&person) {
                return Err(spent(true));
            }
            used.persons.insert(person);
        }
        used.requests = used.requests.saturating_add(1);
        Ok(())
    }
}

impl Used {
    fn of(day: Date) -> Self {
        Self { day, requests: 0, persons: HashSet::new() }
    }
}

fn until_tomorrow(now: Timestamp) -> u64 {
    let here = now.to_zoned(model::time::baku().clone());
    let tomorrow = here.date().checked_add(1.day()).and_then(|day| day.to_zoned(model::time::baku().clone()));
    let left = tomorrow.map_or(60, |tomorrow| tomorrow.timestamp().duration_since(now).as_secs());
    // Rounded up: a moment before midnight is still today.
    u64::try_from(left).unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use model::contract::{SubjectForm, Volume};
    use model::{PurposeId, RoleId, ServiceId};

    use super::*;

    fn allowance(requests_per_day: Option<u32>, persons_per_day: Option<u32>) -> Allowance {
        let grant = GrantKey {
            service: ServiceId::new("taxes/person-income").expect("a service"),
            purpose: PurposeId::new("labour-pension").ok(),
            role: RoleId::new("case-officer").ok(),
            subject: Some(SubjectForm::Fin),
        };
        Allowance { volume: Volume { requests_per_day, persons_per_day }, grant }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn fin(text: &str) -> Subject {
        Subject::Fin(text.to_owned())
    }

    fn pension() -> ConsumerId {
        ConsumerId::new("pension").expect("a consumer")
    }

    // clause: 634/6.2.13
    #[test]
    fn questions_of_a_day_are_counted_until_midnight_in_baku() {
        let (volumes, two) = (Volumes::default(), allowance(Some(2), None));
        let count = |text| volumes.count(&pension(), &two, Some(&fin("5K7QX2O")), at(text));
        assert_eq!((count("2026-03-12T09:00:00+04:00"), count("2026-03-12T23:00:00+04:00")), (Ok(()), Ok(())));
        assert_eq!(count("2026-03-12T23:59:00+04:00"), Err(Spent { persons: false, retry_after: 61 }));
        assert_eq!(count("2026-03-12T23:59:59.5+04:00"), Err(Spent { persons: false, retry_after: 1 }));
        // The next day in Baku is the same day in Greenwich; a clock that goes back begins no third one.
        assert_eq!((count("2026-03-12T20:00:00Z"), count("2026-03-12T20:00:01Z")), (Ok(()), Ok(())));
        assert!(count("2026-03-12T23:00:00+04:00").is_err() && count("2026-03-13T01:00:00+04:00").is_err());
    }

    // clause: 634/6.2.13 000/5.1.5
    #[test]
    fn persons_of_a_day_are_counted_once_each() {
        let (volumes, two) = (Volumes::default(), allowance(None, Some(2)));
        let now = at("2026-03-12T09:00:00+04:00");
        let count = |subject: Option<&Subject>| volumes.count(&pension(), &two, subject, now);
        for person in ["5K7QX2O", "3M9RT4O", "5K7QX2O", "3M9RT4O"] {
            assert_eq!(count(Some(&fin(person))), Ok(()));
        }
        assert_eq!(count(Some(&fin("8B2HN6O"))), Err(Spent { persons: true, retry_after: 15 * 3_600 + 1 }));
        // Who is known already, and a question about nobody, go on.
        assert_eq!((count(Some(&fin("5K7QX2O"))), count(None)), (Ok(()), Ok(())));
        // Named as something else it is another person, as far as anybody here knows.
        assert!(count(Some(&Subject::Pin("5K7QX2O".to_owned()))).is_err());
        // Another consumer's, or another grant's, volume is its own.
        let other = ConsumerId::new("sovqat").expect("a consumer");
        assert_eq!(volumes.count(&other, &two, Some(&fin("8B2HN6O")), now), Ok(()));
        let mut grant = two.clone();
        grant.grant.role = RoleId::new("clerk").ok();
        assert_eq!(volumes.count(&pension(), &grant, Some(&fin("8B2HN6O")), now), Ok(()));
        assert!(!format!("{volumes:?}").contains("5K7QX2O"));
    }

    #[test]
    fn what_is_refused_does_not_count() {
        let (volumes, one) = (Volumes::default(), allowance(Some(2), Some(1)));
        let now = at("2026-03-12T09:00:00+04:00");
        let count = |person| volumes.count(&pension(), &one, Some(&fin(person)), now);
        assert_eq!(count("5K7QX2O"), Ok(()));
        for _ in 0..5 {
            assert_eq!(count("3M9RT4O").map_err(|spent| spent.persons), Err(true));
        }
        assert_eq!(count("5K7QX2O"), Ok(()));
        assert_eq!(count("5K7QX2O").map_err(|spent| spent.persons), Err(false));
        // A volume that is raised while it is used goes on from what was used.
        let more = Allowance { volume: Volume { requests_per_day: Some(3), persons_per_day: Some(1) }, ..one };
        assert_eq!(volumes.count(&pension(), &more, Some(&fin("5K7QX2O")), now), Ok(()));
        assert!(volumes.count(&pension(), &more, Some(&fin("5K7QX2O")), now).is_err());
    }
}
