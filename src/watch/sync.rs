//! The synchronisation from each source (004, 12.2): of those that deliver by themselves as they say how far they are, of
//! those that are asked when they last answered.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use adapter_core::{SyncState, Synchronised};
use jiff::Timestamp;
use serde::Serialize;

use super::register::Source;

/// How a source's data come to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is asked.
    Call,
    /// It lays down files.
    File,
    /// It pushes events.
    Push,
}

impl Mode {
    /// The word on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::File => "file",
            Self::Push => "push",
        }
    }
}

/// One feed of a source, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The source.
    pub source: Source,
    /// The feed's name: of what is asked, the provider's code.
    pub name: String,
    /// How it comes.
    pub mode: Mode,
    /// How it stands.
    pub state: SyncState,
}

/// A feed's source and name.
type Key = (Source, String);

/// A feed that says itself how it stands.
#[derive(Debug)]
struct Known {
    mode: Mode,
    feed: Arc<dyn Synchronised>,
}

/// The feeds that say themselves how they stand.
#[derive(Debug, Default)]
pub struct Feeds {
    known: RwLock<BTreeMap<Key, Known>>,
    late: RwLock<BTreeMap<Key, bool>>,
}

impl Feeds {
    /// Watches over a feed from now on, in the place of one of the same name.
    pub fn add(&self, source: Source, name: &str, mode: Mode, feed: Arc<dyn Synchronised>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert((source, name.to_owned()), Known { mode, feed });
    }

    /// How each stands at a moment.
    #[must_use]
    pub fn states(&self, now: Timestamp) -> Vec<Feed> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let state = |((source, name), known): (&Key, &Known)| Feed {
            source: source.clone(),
            name: name.clone(),
            mode: known.mode,
            state: known.feed.sync_state(now),
        };
        known.iter().map(state).collect()
    }

    /// Shows how feeds stand in the metrics, and says once when one becomes late, and once when it has come.
    pub fn show(&self, feeds: &[Feed]) {
        let mut late = self.late.write().unwrap_or_else(PoisonError::into_inner);
        for Feed { source: Source { provider, instance }, name, mode, state } in feeds {
            let labels = [("provider", provider.clone()), ("provider_instance", instance.clone()), ("feed", name.clone())];
            if let Some(at) = state.last_success {
                metrics::gauge!("qovsaq_sync_last_success_timestamp_seconds", &labels).set(seconds(at));
            }
            if let Some(lag) = state.lag {
                metrics::gauge!("qovsaq_sync_lag_seconds", &labels).set(lag.as_secs_f64());
            }
            metrics::gauge!("qovsaq_sync_overdue", &labels).set(if state.overdue { 1.0 } else { 0.0 });
            metrics::counter!("qovsaq_sync_errors_total", &labels).absolute(state.errors);
            if *mode != Mode::Call {
                metrics::gauge!("qovsaq_sync_rows", &labels).set(f64::from(u32::try_from(state.rows).unwrap_or(u32::MAX)));
            }
            let key = (Source { provider: provider.clone(), instance: instance.clone() }, name.clone());
            let was = late.insert(key, state.overdue).unwrap_or(false);
            match (was, state.overdue) {
                (false, true) => tracing::error!(provider, feed = name, "a delivery is late; what is here is older than agreed"),
                (true, false) => tracing::warn!(provider, feed = name, "the late delivery has come"),
                (true, true) | (false, false) => {}
            }
        }
    }
}

/// Seconds since 1970, as metrics have moments.
fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Delivers every day, and has come at this moment.
    #[derive(Debug)]
    struct Daily(Timestamp);

    impl Synchronised for Daily {
        fn sync_state(&self, now: Timestamp) -> SyncState {
            let lag = Duration::try_from(now.duration_since(self.0)).unwrap_or_default();
            SyncState { last_success: Some(self.0), lag: Some(lag), rows: 3, errors: 1, overdue: lag > Duration::from_hours(26) }
        }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3_600).expect("a moment")
    }

    // clause: 004/12.2
    #[test]
    fn a_feed_says_how_it_stands_and_when_it_is_late() {
        let source = Source { provider: "defence".to_owned(), instance: "defence".to_owned() };
        let feeds = Feeds::default();
        feeds.add(source.clone(), "service-record", Mode::File, Arc::new(Daily(at(0))));
        let overdue = |now| {
            let states = feeds.states(now);
            feeds.show(&states);
            let [feed] = &states[..] else { panic!("one feed") };
            assert_eq!((&feed.source, &*feed.name, feed.mode, feed.state.rows), (&source, "service-record", Mode::File, 3));
            feed.state.overdue
        };
        assert!(!overdue(at(26)) && overdue(at(27)));
        // A later delivery takes its place.
        feeds.add(source.clone(), "service-record", Mode::File, Arc::new(Daily(at(27))));
        assert!(!overdue(at(28)));
    }
}
