//! Test or production, and the rule that keeps synthetic and real persons apart.

use serde::{Deserialize, Serialize};

/// The deployment's profile. The marks of synthetic data are enforced in both directions: a test
/// profile accepts only marked identifiers, a production profile refuses them (agency catalogue,
/// "Synthetic data only").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Synthetic persons only; changed files reload.
    Test,
    /// Real persons only; the official's signed assertion is mandatory.
    Production,
}

impl Profile {
    /// The word used in configuration and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Production => "production",
        }
    }

    /// Whether `fin` (or a foreigner's PIN, which has the same form) is well-formed under this profile.
    ///
    /// Production: seven of digits and Latin capitals without `I` and `O` (`^[0-9A-HJ-NP-Z]{7}$`).
    /// Test: the same, but the last character is the letter `O`, which no real one contains.
    #[must_use]
    pub fn accepts_fin(self, fin: &str) -> bool {
        let real = |b: u8| b.is_ascii_digit() || (b.is_ascii_uppercase() && b != b'I' && b != b'O');
        let bytes = fin.as_bytes();
        if bytes.len() != 7 || !bytes[..6].iter().all(|b| real(*b)) {
            return false;
        }
        match self {
            Self::Test => bytes[6] == b'O',
            Self::Production => real(bytes[6]),
        }
    }

    /// Whether `tin` (VÖEN) is well-formed under this profile: ten digits, the last 1 or 2 for a
    /// real taxpayer, 3 or 4 for a synthetic one.
    #[must_use]
    pub fn accepts_tin(self, tin: &str) -> bool {
        let bytes = tin.as_bytes();
        if bytes.len() != 10 || !bytes.iter().all(u8::is_ascii_digit) {
            return false;
        }
        match self {
            Self::Test => matches!(bytes[9], b'3' | b'4'),
            Self::Production => matches!(bytes[9], b'1' | b'2'),
        }
    }

    /// Whether a document series belongs to this profile: synthetic documents have series `ZZ`.
    #[must_use]
    pub fn accepts_document_series(self, series: &str) -> bool {
        let formed = (1..=4).contains(&series.len()) && series.bytes().all(|b| b.is_ascii_uppercase());
        formed && (series == "ZZ") == (self == Self::Test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_identifiers_belong_to_the_test_profile_alone() {
        assert!(Profile::Test.accepts_fin("5K7QX2O"));
        assert!(!Profile::Production.accepts_fin("5K7QX2O"));
        assert!(Profile::Production.accepts_fin("5K7QX2A"));
        assert!(!Profile::Test.accepts_fin("5K7QX2A"));
        assert!(Profile::Test.accepts_tin("9900001233"));
        assert!(Profile::Production.accepts_tin("9900001231"));
        assert!(!Profile::Production.accepts_tin("9900001233"));
        assert!(Profile::Test.accepts_document_series("ZZ"));
        assert!(!Profile::Production.accepts_document_series("ZZ"));
        assert!(Profile::Production.accepts_document_series("AZE"));
    }

    #[test]
    fn malformed_identifiers_belong_to_no_profile() {
        for bad in ["", "5K7QX2", "5K7QX2OO", "5k7qx2O", "5K7QI2O", "5K7QO2O", "5K7QXƏO"] {
            assert!(!Profile::Test.accepts_fin(bad) && !Profile::Production.accepts_fin(bad), "{bad}");
        }
    }
}
