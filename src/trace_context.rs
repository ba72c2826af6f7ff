//! W3C Trace Context, level 1: the trace a request belongs to, as far as logs and the answer name it.
//!
//! The context ends at this gateway: a provider is another organisation, and what ties its call to the
//! trace is the exchange's id, which both journals and X-Road carry (W3C Trace Context, section 7: a
//! system at a trust boundary may restart a trace).

use std::fmt;

use http::HeaderValue;
use uuid::Uuid;

/// A request's place in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    /// Our own part of the trace.
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`; one that is not well-formed is as good as none (section 3.2.2).
    #[must_use]
    pub fn read(header: Option<&HeaderValue>) -> Option<Self> {
        let text = header?.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let version = hex(version, 2)?;
        // Version 00 has exactly four parts; a later one may have more. ff is forbidden.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace_id, parent_id, flags) = (hex(trace, 32)?, hex(parent, 16)?, hex(flags, 2)?);
        (trace_id != 0 && parent_id != 0).then(|| Self { trace_id, span_id: span_id(), sampled: flags & 1 == 1 })
    }

    /// The trace's id, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceContext {
    /// The `traceparent` of our part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

fn span_id() -> u64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    (high ^ low).max(1)
}

/// Lower-case hexadecimal of exactly so many digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if plain { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Option<TraceContext> {
        TraceContext::read(Some(&HeaderValue::from_static(text)))
    }

    #[test]
    fn the_trace_goes_on_under_a_span_of_our_own() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = read(given).expect("well-formed");
        let ours = context.to_string();
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(ours.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && ours.ends_with("-01") && ours != given, "{ours}");
        assert!(read("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like").is_some());
    }

    #[test]
    fn what_is_not_well_formed_is_as_good_as_none() {
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(TraceContext::read(None), None);
    }
}
