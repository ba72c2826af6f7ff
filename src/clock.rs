//! The one place that reads the wall clock; everything below takes `now` as a value.

use jiff::Timestamp;

/// The present moment.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}
