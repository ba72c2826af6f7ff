//! Who is next: one queue per consumer, served round robin, one turn each.
//!
//! That is max–min fairness: a consumer that asks for less than its share gets all it asks for, the
//! others divide what remains, and none can make another wait longer by asking more. Consumers are
//! equal; a share not used by one is not saved up for it.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::ConsumerId;
use tokio::time::Instant;

/// Waiting `W`s, each with the moment after which its turn is worth nothing.
#[derive(Debug)]
pub(super) struct Queues<W> {
    /// Consumers that have somebody waiting, each once; the first has the next turn.
    turns: VecDeque<ConsumerId>,
    /// The queue of each of `turns`, never empty.
    lines: HashMap<ConsumerId, VecDeque<Waiter<W>>>,
    waiting: usize,
    next_place: Place,
}

/// Names one who waits, for as long as the queues live.
pub(super) type Place = u64;

#[derive(Debug)]
struct Waiter<W> {
    place: Place,
    deadline: Instant,
    what: W,
}

impl<W> Default for Queues<W> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), lines: HashMap::new(), waiting: 0, next_place: 0 }
    }
}

impl<W> Queues<W> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// How many of one consumer wait.
    pub(super) fn len_of(&self, consumer: &ConsumerId) -> usize {
        self.lines.get(consumer).map_or(0, VecDeque::len)
    }

    /// Adds one at the end of its consumer's queue. A consumer that had none waiting gets its turn
    /// after all others.
    pub(super) fn push(&mut self, consumer: &ConsumerId, deadline: Instant, what: W) -> Place {
        let place = self.next_place;
        self.next_place += 1;
        let line = self.lines.entry(consumer.clone()).or_default();
        if line.is_empty() {
            self.turns.push_back(consumer.clone());
        }
        line.push_back(Waiter { place, deadline, what });
        self.waiting += 1;
        place
    }

    /// Ends the turn of the next one and hands it over; its consumer's next turn is after all others'.
    pub(super) fn pop(&mut self) -> Option<W> {
        let consumer = self.turns.pop_front()?;
        let line = self.lines.get_mut(&consumer)?;
        let waiter = line.pop_front()?;
        self.waiting -= 1;
        if line.is_empty() {
            self.lines.remove(&consumer);
        } else {
            self.turns.push_back(consumer);
        }
        Some(waiter.what)
    }

    /// Takes out those whose deadline has passed and who would be next; what follows them keeps its turn.
    pub(super) fn drop_late_heads(&mut self, now: Instant) {
        while let Some(place) = self.late_head(now) {
            let Some(consumer) = self.turns.front().cloned() else { return };
            self.remove(&consumer, place);
        }
    }

    fn late_head(&self, now: Instant) -> Option<Place> {
        let head = self.lines.get(self.turns.front()?)?.front()?;
        (head.deadline < now).then_some(head.place)
    }

    /// Takes one out, wherever it stands; the turns of the others stay. False when it is not there.
    pub(super) fn remove(&mut self, consumer: &ConsumerId, place: Place) -> bool {
        let Some(line) = self.lines.get_mut(consumer) else { return false };
        let Some(index) = line.iter().position(|waiter| waiter.place == place) else { return false };
        line.remove(index);
        self.waiting -= 1;
        if line.is_empty() {
            self.lines.remove(consumer);
            self.turns.retain(|other| other != consumer);
        }
        true
    }

    /// Takes out everybody.
    pub(super) fn drain(&mut self) -> Vec<W> {
        self.turns.clear();
        self.waiting = 0;
        self.lines.drain().flat_map(|(_, line)| line).map(|waiter| waiter.what).collect()
    }

    /// When one that joins now would have its turn, if the next turn is at `first` and then one comes
    /// every `period`.
    ///
    /// Those ahead whose deadline ends before their own turn are passed over, as they will be then. True if
    /// nobody comes or leaves: consumers that join later delay it by a turn each and round, those who leave
    /// hasten it. Costs a step for each one ahead.
    pub(super) fn forecast(&self, consumer: &ConsumerId, first: Instant, period: Duration) -> Instant {
        let newcomer = VecDeque::new();
        let mut lines: VecDeque<_> = self.turns.iter().filter_map(|id| Some((id, self.lines.get(id)?.iter()))).collect();
        if !self.lines.contains_key(consumer) {
            lines.push_back((consumer, newcomer.iter()));
        }
        let mut turn = first;
        while let Some((id, mut line)) = lines.pop_front() {
            if line.any(|waiter| waiter.deadline >= turn) {
                turn += period;
                lines.push_back((id, line));
            } else if id == consumer {
                break;
            }
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: Duration = Duration::from_millis(10);

    fn consumer(number: usize) -> ConsumerId {
        ConsumerId::new(&format!("c{number}")).expect("a slug")
    }

    #[test]
    fn turns_go_round() {
        let mut queues = Queues::default();
        let far = Instant::now() + Duration::from_secs(60);
        for (who, what) in [(0, "a1"), (0, "a2"), (0, "a3"), (1, "b1"), (2, "c1"), (1, "b2")] {
            queues.push(&consumer(who), far, what);
        }
        let served: Vec<_> = std::iter::from_fn(|| queues.pop()).collect();
        assert_eq!(served, ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(queues.is_empty());
    }

    #[test]
    fn one_that_leaves_costs_nobody_a_turn() {
        let mut queues = Queues::default();
        let far = Instant::now() + Duration::from_secs(60);
        let first = queues.push(&consumer(0), far, "a1");
        queues.push(&consumer(0), far, "a2");
        queues.push(&consumer(1), far, "b1");
        assert!(queues.remove(&consumer(0), first));
        assert!(!queues.remove(&consumer(0), first));
        assert!(!queues.remove(&consumer(9), first));
        assert_eq!([queues.pop(), queues.pop(), queues.pop()], [Some("a2"), Some("b1"), None]);
    }

    proptest! {
        /// What is forecast happens, when nobody comes or goes in between but those whose time is up.
        #[test]
        fn the_forecast_is_what_happens(
            waiting in prop::collection::vec((0_usize..6, 0_u32..60), 0..80),
            asks in 0_usize..8,
        ) {
            let start = Instant::now();
            let mut queues = Queues::default();
            for (who, patience) in waiting {
                queues.push(&consumer(who), start + PERIOD * patience, false);
            }
            let forecast = queues.forecast(&consumer(asks), start, PERIOD);
            queues.push(&consumer(asks), start + Duration::from_secs(3600), true);
            let mut now = start;
            let turn = loop {
                queues.drop_late_heads(now);
                if queues.pop().expect("the newcomer is still there") {
                    break now;
                }
                now += PERIOD;
            };
            prop_assert_eq!(turn, forecast);
        }

        /// Whoever comes and goes: counts agree, and between two turns of one consumer every other that
        /// waits all the while has exactly one.
        #[test]
        fn nobody_is_passed_over(steps in prop::collection::vec((0_u8..4, 0_usize..5), 0..300)) {
            let far = Instant::now() + Duration::from_secs(60);
            let mut queues: Queues<usize> = Queues::default();
            let mut there: Vec<(usize, Place)> = Vec::new();
            let mut turns_waited = [0_usize; 5];
            for (what, who) in steps {
                match what {
                    0 | 1 => there.push((who, queues.push(&consumer(who), far, who))),
                    2 => {
                        if let Some(index) = there.iter().position(|(owner, _)| *owner == who) {
                            let (_, place) = there.remove(index);
                            prop_assert!(queues.remove(&consumer(who), place));
                            if !there.iter().any(|(owner, _)| *owner == who) {
                                turns_waited[who] = 0;
                            }
                        }
                    }
                    _ => {
                        let Some(served) = queues.pop() else {
                            prop_assert!(there.is_empty());
                            continue;
                        };
                        let first = there.iter().position(|(owner, _)| *owner == served);
                        there.remove(first.expect("only those who wait are served"));
                        turns_waited[served] = 0;
                        for other in (0..5).filter(|other| *other != served) {
                            let waits = there.iter().any(|(owner, _)| *owner == other);
                            turns_waited[other] = if waits { turns_waited[other] + 1 } else { 0 };
                            prop_assert!(turns_waited[other] < 5, "consumer {other} is passed over");
                        }
                    }
                }
                prop_assert_eq!(queues.len(), there.len());
                prop_assert_eq!(queues.len_of(&consumer(who)), there.iter().filter(|(owner, _)| *owner == who).count());
            }
            prop_assert_eq!(queues.drain().len(), there.len());
            prop_assert!(queues.is_empty());
        }
    }
}
