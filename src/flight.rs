//! Shared flights: questions that are the same and asked at the same time become one call.
//!
//! The flight owns the call: the work runs in a task of its own, so neither the caller that began it nor
//! any that joined can stop it by going away. Who may join whom is the [`Key`]'s matter: for a service of
//! class C or S it contains consumer and purpose, and a consent-bound service has none and flies alone.
//! A follower holds its own authorisation and discloses as it would a cache hit.
//!
//! - At most one flight per key. What lands is given to everyone aboard as it is, errors too.
//! - Whoever comes after the landing begins a new flight: the entry is gone before the result is out.
//! - A flight that ends without a result (its task panicked or was dropped with its runtime) tells
//!   everyone [`Waited::Gone`] and leaves no entry; the next caller begins anew.
//!
//! How many flights there may be, and how long the work may take, is for the work's own limits.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::cache::Key;

/// The flights under way whose results are of type `T`; clones share them.
pub struct Flights<T>(Arc<Mutex<Aloft<T>>>);

/// By key, where each result will appear. Held under the lock for single map operations only.
type Aloft<T> = HashMap<Key, watch::Receiver<Option<T>>>;

/// A place aboard a flight. Dropping it leaves the flight as it is.
pub struct Flight<T> {
    landing: watch::Receiver<Option<T>>,
    led: bool,
}

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited<T> {
    /// The work is done.
    Landed {
        /// Its result.
        value: T,
        /// Whether this caller began the flight, rather than joined it.
        led: bool,
    },
    /// The deadline passed first. The flight goes on, and may be waited for again.
    Deadline,
    /// The flight ended without a result.
    Gone,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Makes a set with no flight under way.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Joins the flight under this key, or begins it: then `work` is called and runs in a task of
    /// `spawner`. With no key the flight is nobody else's.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn fly<W, F>(&self, key: Option<Key>, spawner: &TaskTracker, work: W) -> Flight<T>
    where
        W: FnOnce() -> F + Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (lander, landing) = match self.board(key) {
            Boarded::Follower(landing) => return Flight { landing, led: false },
            Boarded::Leader(lander, landing) => (lander, landing),
        };
        // `work` is called inside the task: if it panics there, the lander still cleans up.
        spawner.spawn(async move {
            let value = work().await;
            lander.land(value);
        });
        Flight { landing, led: true }
    }

    /// How many shared flights are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.0).len()
    }

    fn board(&self, key: Option<Key>) -> Boarded<T> {
        let mut aloft = lock(&self.0);
        if let Some(landing) = key.and_then(|key| aloft.get(&key)) {
            return Boarded::Follower(landing.clone());
        }
        let (sender, landing) = watch::channel(None);
        if let Some(key) = key {
            aloft.insert(key, landing.clone());
        }
        Boarded::Leader(Lander { entry: key.map(|key| (Arc::clone(&self.0), key)), sender }, landing)
    }
}

enum Boarded<T> {
    Leader(Lander<T>, watch::Receiver<Option<T>>),
    Follower(watch::Receiver<Option<T>>),
}

/// Held by the flight's task: the only way to land it. Dropped unlanded, it takes the entry away, and
/// the closing of its channel tells those aboard.
struct Lander<T> {
    /// The entry it has to take away; none for an unshared flight, or once that is done. While it is
    /// some, the entry under the key is this flight's own.
    entry: Option<(Arc<Mutex<Aloft<T>>>, Key)>,
    sender: watch::Sender<Option<T>>,
}

impl<T> Lander<T> {
    fn land(mut self, value: T) {
        // First the entry, then the result: in between a newcomer begins anew, and none sees an old result.
        self.leave();
        self.sender.send_replace(Some(value));
    }

    fn leave(&mut self) {
        if let Some((flights, key)) = self.entry.take() {
            lock(&flights).remove(&key);
        }
    }
}

impl<T> Drop for Lander<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T: Clone> Flight<T> {
    /// Whether this caller began the flight, rather than joined it.
    #[must_use]
    pub fn led(&self) -> bool {
        self.led
    }

    /// Waits for the landing, at most until `deadline`. What has landed is given even when the deadline
    /// has passed. May be cancelled and called again at will.
    pub async fn wait(&mut self, deadline: Instant) -> Waited<T> {
        let led = self.led;
        match tokio::time::timeout_at(deadline, self.landing.wait_for(Option::is_some)).await {
            Ok(Ok(landed)) => landed.clone().map_or(Waited::Gone, |value| Waited::Landed { value, led }),
            Ok(Err(_closed)) => Waited::Gone,
            Err(_elapsed) => Waited::Deadline,
        }
    }
}

/// A panic cannot leave the map half changed, so a poisoned lock is as good as any.
fn lock<T>(flights: &Mutex<Aloft<T>>) -> MutexGuard<'_, Aloft<T>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Clone + Send + Sync + 'static> Default for Flights<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("count", &lock(&self.0).len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Flight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("led", &self.led).finish_non_exhaustive()
    }
}
