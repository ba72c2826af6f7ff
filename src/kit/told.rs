//! What a consumer was told, as the interface orders it.

use serde_json::Value as Json;

/// What the consumer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// 200 with the record.
    Found,
    /// 200: there is no record.
    NotFound {
        /// `fact` or `unknown`.
        absence: &'static str,
    },
    /// 200: the source holds it on paper alone.
    NotHeld,
    /// 504: the time limit passed.
    Late,
    /// 503, or what the source says about when to ask again.
    Unavailable {
        /// `provider` or `route`.
        origin: &'static str,
        /// Seconds.
        retry_after: u64,
    },
    /// 502 `INVALID_DATA`.
    Broken,
    /// 502 `DENIED`.
    Refused {
        /// `provider` or `route`.
        origin: &'static str,
    },
}

impl Told {
    /// Reads an answer of `POST /v1/services/…`; none where it is nothing of what the interface orders.
    #[must_use]
    pub fn of(status: u16, json: &Json, retry_after: Option<u64>) -> Option<Self> {
        let text = |key: &str| json[key].as_str().unwrap_or_default();
        let told = match (status, text("outcome"), text("code"), text("origin")) {
            (200, "FOUND", "", "") => Self::Found,
            (200, "NOT_FOUND", "", "") => match text("absence") {
                "fact" => Self::NotFound { absence: "fact" },
                "unknown" => Self::NotFound { absence: "unknown" },
                _ => return None,
            },
            (200, "NOT_HELD_ELECTRONICALLY", "", "") => Self::NotHeld,
            (504, "UNAVAILABLE", "deadline-passed", "provider" | "route") => Self::Late,
            (503, "UNAVAILABLE", "source-unavailable", "provider") => Self::Unavailable { origin: "provider", retry_after: retry_after? },
            (503, "UNAVAILABLE", "source-unavailable", "route") => Self::Unavailable { origin: "route", retry_after: retry_after? },
            (502, "INVALID_DATA", "invalid-data", "provider") => Self::Broken,
            (502, "DENIED", "provider-denied", "route") => Self::Refused { origin: "route" },
            (502, "DENIED", "provider-denied", "provider") => Self::Refused { origin: "provider" },
            _ => return None,
        };
        // Only a record carries data; a problem names itself to machines.
        let has_data = !json["data"].is_null();
        let named = status == 200 || json["type"] == format!("urn:qovsaq:problem:{}", text("code"));
        (has_data == (told == Self::Found) && named).then_some(told)
    }
}
