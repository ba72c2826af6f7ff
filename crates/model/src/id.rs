//! Identifiers: short, validated, cheap to clone, and impossible to swap for one another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest slug accepted anywhere, in bytes.
pub const SLUG_BYTES_MAX: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {accepted}")]
pub struct IdError {
    /// What was expected, such as `provider code`.
    pub kind: &'static str,
    /// What is accepted, in words.
    pub accepted: &'static str,
}

fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= SLUG_BYTES_MAX
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

const SLUG_RULE: &str = "lower-case letters, digits and inner hyphens, at most 64";

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and makes the identifier.
            ///
            /// # Errors
            /// When the text is not a slug: lower-case letters, digits and inner hyphens, at most 64 bytes.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if is_slug(text) { Ok(Self(text.into())) } else { Err(IdError { kind: $kind, accepted: SLUG_RULE }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_like!($name);
    };
}

macro_rules! text_like {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
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

slug!(
    /// A primary source (or source class), such as `interior`: the URL segment of the internal API.
    ProviderId, "provider code"
);
slug!(
    /// One instance of a source, such as one district's executive body. A source that is one body has one instance, of its
    /// own code.
    InstanceId, "instance code"
);
slug!(
    /// A subsystem or agency that asks, such as `targeted-aid`.
    ConsumerId, "consumer code"
);
slug!(
    /// A purpose from the closed list of `contracts/purposes.yaml`.
    PurposeId, "purpose code"
);
slug!(
    /// A legal act from the register `contracts/acts.yaml`.
    ActId, "legal act code"
);
slug!(
    /// A role of an official inside one consumer, such as `case-officer`.
    RoleId, "role code"
);
slug!(
    /// A comparison of what two sources say, such as `income-after-death`.
    ComparisonId, "comparison code"
);
slug!(
    /// A dossier's name without its version, such as `adsy-means-test`.
    DossierId, "dossier code"
);

/// One operation of a provider, `interior/person-identity`. The version stands beside it, not in it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId {
    text: Arc<str>,
    slash: u8,
}

impl ServiceId {
    /// Checks `provider/service` and makes the identifier.
    ///
    /// # Errors
    /// When there is not exactly one slash with a slug on either side.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let error = IdError { kind: "service", accepted: "provider/service, both lower-case slugs" };
        let Some((provider, service)) = text.split_once('/') else { return Err(error) };
        if !is_slug(provider) || !is_slug(service) {
            return Err(error);
        }
        let slash = u8::try_from(provider.len()).map_err(|_| error)?;
        Ok(Self { text: text.into(), slash })
    }

    /// The whole identifier, `provider/service`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The provider's code.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.text.split_at(usize::from(self.slash)).0
    }

    /// The service's own name.
    #[must_use]
    pub fn service(&self) -> &str {
        self.text.split_at(usize::from(self.slash) + 1).1
    }
}

text_like!(ServiceId);

/// A consumer's own name for a case, such as `c-2026-000042`: 1 to 64 of letters, digits, `-`, `_`, `.`.
///
/// It is the consumer's; two consumers may use the same text for different cases.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseId(Arc<str>);

impl CaseId {
    /// Checks the text and makes the identifier.
    ///
    /// # Errors
    /// When it is empty, longer than 64 bytes or has a character outside the list.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > SLUG_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(IdError { kind: "case", accepted: "1 to 64 letters, digits, '-', '_' or '.'" });
        }
        Ok(Self(text.into()))
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_like!(CaseId);

/// A contract's version, `1.0.0` (semantic versioning: a change of meaning raises the first number).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Arc<str>);

impl Version {
    /// Checks `major.minor.patch`.
    ///
    /// # Errors
    /// When it is not three numbers of at most five digits joined by points.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let number = |part: &str| !part.is_empty() && part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit());
        if text.split('.').count() == 3 && text.split('.').all(number) {
            Ok(Self(text.into()))
        } else {
            Err(IdError { kind: "version", accepted: "major.minor.patch, such as 1.0.0" })
        }
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_like!(Version);

/// Splits `name@1.0.0`, the way contracts, mappings and dossiers are named.
///
/// # Errors
/// When there is no `@` or what follows it is not a version.
pub fn split_versioned(text: &str) -> Result<(&str, Version), IdError> {
    let (name, version) = text.split_once('@').ok_or(IdError { kind: "versioned name", accepted: "name@major.minor.patch" })?;
    Ok((name, Version::new(version)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_provider_slash_service() {
        let id = ServiceId::new("interior/person-identity").expect("valid");
        assert_eq!((id.provider(), id.service()), ("interior", "person-identity"));
        for bad in ["interior", "interior/", "/x", "a/b/c", "Interior/x", "a/b@1.0.0", "-a/b"] {
            assert!(ServiceId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(split_versioned("a/b@1.0.0").expect("valid").1.as_str(), "1.0.0");
        for bad in ["1.0", "1.0.0.0", "v1.0.0", "1..0", ""] {
            assert!(Version::new(bad).is_err(), "{bad}");
        }
    }
}
