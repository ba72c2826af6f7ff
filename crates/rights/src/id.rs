//! The register's own identifiers: short, checked, and impossible to swap for one another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {accepted}")]
pub struct IdError {
    /// What was expected.
    pub kind: &'static str,
    /// What is accepted, in words.
    pub accepted: &'static str,
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $accepted:literal, $check:expr, $debug:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Checks the text: ", $accepted, ".")]
            ///
            /// # Errors
            /// When it has another form.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(IdError { kind: $kind, accepted: $accepted }) }
            }

            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&str) -> &str = $debug;
                write!(f, "{}({})", stringify!($name), show(&self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

checked_text!(
    /// The number under which an official is known everywhere, such as `AZ-0001`. `Debug` hides it.
    OfficialNumber,
    "official's number",
    "1 to 64 letters, digits, '-', '.' or '_'",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
    |_| "…"
);

checked_text!(
    /// A territory as a path from the whole country down, such as `baku/sabail`; what stands below it begins with it.
    ///
    /// That the parts of the path stand in for the hierarchy of the classification of territories is an assumption: the
    /// structure of its codes is not known here.
    Territory,
    "territory",
    "1 to 6 codes of lower-case letters, digits and inner hyphens, joined by '/', at most 96 bytes",
    is_path,
    |text| text
);

fn is_path(text: &str) -> bool {
    let code = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 96 && text.split('/').count() <= 6 && text.split('/').all(code)
}

impl Territory {
    /// Whether `other` is this territory or lies in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Reads 64 lower-case hexadecimal digits.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not 64 lower-case hexadecimal digits"))
            }
        }
    };
}

digest!(
    /// Who a person is, as a keyed digest that the caller makes: equal for one person, and of no use to whoever lacks the
    /// key. `Debug` hides it.
    PersonKey
);
digest!(
    /// The SHA-256 of a document's bytes.
    Sha256
);

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey(…)")
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// The written document that something rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentRef {
    /// Its number and date, as the archive finds it: 1 to [`crate::TEXT_BYTES_MAX`] bytes.
    pub reference: Box<str>,
    /// The hash of its bytes.
    pub sha256: Sha256,
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A right's number, counted from 1 and never used again.
    RightId
);
number!(
    /// A request's number, counted from 1 and never used again.
    RequestId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_territory_covers_what_lies_in_it_and_no_neighbour() {
        let of = |text: &str| Territory::new(text).expect("valid");
        assert!(of("baku").covers(&of("baku")) && of("baku").covers(&of("baku/sabail")));
        assert!(!of("baku").covers(&of("baku-2")) && !of("baku/sabail").covers(&of("baku")));
        for bad in ["", "/", "baku/", "Baku", "a//b", "-a", "a/b/c/d/e/f/g"] {
            assert!(Territory::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_and_digests_have_one_form() {
        assert!(OfficialNumber::new("AZ-0001").is_ok());
        for bad in ["", "AZ 1", "robot:x", &"a".repeat(65)] {
            assert!(OfficialNumber::new(bad).is_err(), "{bad}");
        }
        let key = PersonKey([0xab; 32]);
        assert_eq!(PersonKey::from_hex(&key.to_string()), Some(key));
        assert_eq!(PersonKey::from_hex(&"AB".repeat(32)), None);
        assert_eq!(format!("{key:?} {:?}", OfficialNumber::new("AZ-0001").expect("valid")), "PersonKey(…) OfficialNumber(…)");
    }
}
