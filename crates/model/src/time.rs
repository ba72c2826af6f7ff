//! Civil time of the deployment: days, months and offsets are those of `Asia/Baku`, computed with
//! the IANA zone, never with a fixed offset (past years had summer time).

use std::sync::OnceLock;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

/// The zone of every date the gateway states.
///
/// # Panics
/// Never in a built binary: the zone database is compiled in.
#[must_use]
pub fn baku() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(|| TimeZone::get("Asia/Baku").expect("the bundled zone database has Asia/Baku"))
}

/// The day in Baku at a moment.
#[must_use]
pub fn day(now: Timestamp) -> Date {
    now.to_zoned(baku().clone()).date()
}

/// RFC 3339 with the offset of Baku, to the millisecond: the form of every time on the surface.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let at = at.round(Unit::Millisecond).unwrap_or(at);
    at.display_with_offset(baku().to_offset(at)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_the_offset_of_baku() {
        let at: Timestamp = "2026-03-11T20:30:00.25Z".parse().expect("valid");
        assert_eq!(rfc3339(at), "2026-03-12T00:30:00.25+04:00");
        assert_eq!(day(at).to_string(), "2026-03-12");
    }
}
