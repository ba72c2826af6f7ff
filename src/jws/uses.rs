//! What each assertion was first used for. An assertion serves that one use, however often it is repeated, and no
//! other: who has got hold of one cannot turn it to another case or another consumer.
//!
//! In memory alone. A restart forgets it, and so whoever keeps it refuses what was issued before he started.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::wire::sha256_of;

/// Most assertions remembered at once: at 17 minutes each, 245 new ones a second for as long as one likes. Each takes
/// about 100 bytes.
pub const USES_MAX: usize = 250_000;

/// A digest of an assertion's id, or of what it is used for.
type Digest = [u8; 16];

/// What an assertion is used for, as a digest of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use(Digest);

impl Use {
    /// The use that these parts make up; each counts with its length, so that no two uses share one.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        Self(digest(parts))
    }
}

/// Why an assertion may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBound {
    /// It has been used for something else.
    Replayed,
    /// As many as may be are remembered: this one could not be, and is not taken on trust.
    Full,
}

/// Remembers uses until their assertions have run out.
#[derive(Debug)]
pub struct Uses {
    max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    uses: HashMap<Digest, Use>,
    /// When each may be forgotten, in seconds since 1970, the earliest on top.
    ends: BinaryHeap<Reverse<(i64, Digest)>>,
}

impl Uses {
    /// Remembers at most so many.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, held: Mutex::default() }
    }

    /// Binds the assertion with this id (`jti`) to a use. It is remembered until `until`, after which it must not be
    /// accepted any more.
    ///
    /// # Errors
    /// When it is bound to another use already, or there is no room to remember it.
    pub fn bind(&self, id: &str, used_for: Use, until: Timestamp, now: Timestamp) -> Result<(), NotBound> {
        let id = digest(&[id]);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(Reverse((_, over))) = held.ends.peek().copied().filter(|Reverse((end, _))| *end < now.as_second()) {
            held.ends.pop();
            held.uses.remove(&over);
        }
        match held.uses.get(&id) {
            Some(bound) if *bound == used_for => Ok(()),
            Some(_) => Err(NotBound::Replayed),
            None if held.uses.len() >= self.max => Err(NotBound::Full),
            None => {
                held.uses.insert(id, used_for);
                held.ends.push(Reverse((until.as_second(), id)));
                Ok(())
            }
        }
    }
}

fn digest(parts: &[&str]) -> Digest {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(&sha256_of(&[&text])[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    #[test]
    fn an_assertion_serves_its_first_use_again_and_no_other() {
        let uses = Uses::new(10);
        let (one, two) = (Use::of(&["consumer", "case"]), Use::of(&["consumer", "other"]));
        assert_eq!(uses.bind("a", one, at(100), at(1)), Ok(()));
        assert_eq!(uses.bind("a", one, at(100), at(100)), Ok(()));
        assert_eq!(uses.bind("a", two, at(100), at(100)), Err(NotBound::Replayed));
        assert_eq!(uses.bind("b", two, at(100), at(100)), Ok(()));
        // Where a part ends is part of the use.
        assert_ne!(Use::of(&["ab", "c"]), Use::of(&["a", "bc"]));
    }

    #[test]
    fn nothing_is_forgotten_before_its_time_and_there_is_room_after_it() {
        let uses = Uses::new(2);
        let used = |case: &str| Use::of(&[case]);
        assert_eq!(uses.bind("a", used("1"), at(100), at(1)), Ok(()));
        assert_eq!(uses.bind("b", used("1"), at(50), at(1)), Ok(()));
        assert_eq!(uses.bind("c", used("1"), at(100), at(50)), Err(NotBound::Full));
        // Those that are remembered serve on.
        assert_eq!(uses.bind("b", used("1"), at(50), at(50)), Ok(()));
        assert_eq!(uses.bind("c", used("1"), at(100), at(51)), Ok(()));
        assert_eq!(uses.bind("a", used("2"), at(100), at(100)), Err(NotBound::Replayed));
        assert_eq!(uses.bind("d", used("1"), at(200), at(101)), Ok(()));
        let held = uses.held.lock().expect("sound");
        assert_eq!((held.uses.len(), held.ends.len()), (1, 1));
    }
}
