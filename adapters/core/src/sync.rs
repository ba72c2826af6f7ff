//! How far what comes from a source by itself has come: the same for files that it lays down and for events that it
//! pushes, and for whoever watches over them (004, 12.2).

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// How a feed stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncState {
    /// When something was last taken over whole; none where nothing was yet.
    pub last_success: Option<Timestamp>,
    /// How far behind the source's own state what we have is; none where that is not known.
    pub lag: Option<Duration>,
    /// Rows of the present snapshot, or events taken over since the start.
    pub rows: u64,
    /// What was refused since the start: files, or events.
    pub errors: u64,
    /// Whether the next delivery should have been here by now.
    pub overdue: bool,
}

/// A feed that can say how it stands. Called every second or so, from any thread: it must neither wait for a disk nor
/// take long.
pub trait Synchronised: fmt::Debug + Send + Sync {
    /// How it stands at `now`.
    fn sync_state(&self, now: Timestamp) -> SyncState;
}
