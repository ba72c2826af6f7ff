//! The citizen's assertion: a signed statement of the identity provider of citizens that this person, now, asks
//! through this consumer who used his data. Nobody is told that without one.
//!
//! A compact JWS (RFC 7515), `EdDSA` or `ES256`, its key named by `kid` in the configured JWK set (RFC 7517). Claims
//! (RFC 7519): `iss` the configured issuer, `aud` `qovsaq`, `azp` the consumer it was made for, `scope`
//! `subject-accesses`, `iat` and `exp` at most ten minutes apart, and one of `fin` and `pin`. The form is an
//! assumption until the state's provider of citizens' identities is known.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use model::{ConsumerId, Subject};
use serde::Deserialize;

use crate::problem::Language;

/// Who assertions are for.
const AUDIENCE: &str = "qovsaq";
/// What they allow.
const SCOPE: &str = "subject-accesses";
/// Longest assertion read, in bytes.
pub const ASSERTION_BYTES_MAX: usize = 8 * 1024;
/// Longest life of an assertion.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// How far clocks may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);
/// Largest key set read, in bytes.
const KEYS_BYTES_MAX: u64 = 1 << 20;

/// Knows the identity provider of citizens.
pub struct Citizens {
    issuer: String,
    /// By key id, with the one algorithm of each.
    keys: HashMap<String, (Algorithm, DecodingKey)>,
}

impl std::fmt::Debug for Citizens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Citizens").field("issuer", &self.issuer).field("keys", &self.keys.len()).finish()
    }
}

/// Why an assertion does not prove what it must. No part of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// No identity provider of citizens is configured.
    NotOffered,
    /// It is no compact JWS of ours to read.
    Malformed,
    /// Its key or algorithm is not one of the identity provider's, or the signature does not hold.
    Signature,
    /// Another issuer, audience or scope.
    Purpose,
    /// It was made for another consumer.
    OtherConsumer,
    /// It has expired, is not valid yet, or lives longer than allowed.
    Time,
    /// It is somebody else's.
    OtherPerson,
}

impl Unproven {
    /// The reason's code, as it is journalled.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotOffered => "assertion-not-offered",
            Self::Malformed => "assertion-malformed",
            Self::Signature => "assertion-signature",
            Self::Purpose => "assertion-purpose",
            Self::OtherConsumer => "assertion-other-consumer",
            Self::Time => "assertion-time",
            Self::OtherPerson => "assertion-other-person",
        }
    }

    /// The reason in words.
    #[must_use]
    pub fn text(self, language: Language) -> &'static str {
        match self {
            Self::NotOffered => language.pick(
                "vətəndaşların eyniləşdirmə xidməti qurulmayıb; operatora müraciət edin",
                "no identity provider of citizens is configured; ask the operator",
            ),
            Self::Malformed => language.pick("yığcam JWS (RFC 7515) olmalıdır", "must be a compact JWS (RFC 7515)"),
            Self::Signature => language.pick(
                "imza eyniləşdirmə xidmətinin açarlarından heç birinə uyğun deyil",
                "the signature does not hold with any key of the identity provider",
            ),
            Self::Purpose => language.pick(
                "başqa məqsəd üçündür: aud qovsaq, scope subject-accesses və tanınan iss olmalıdır",
                "is for something else: aud qovsaq, scope subject-accesses and the known iss are accepted",
            ),
            Self::OtherConsumer => language.pick("başqa istehlakçı üçün verilib (azp)", "was made for another consumer (azp)"),
            Self::Time => language.pick(
                "vaxtı keçib və ya on dəqiqədən uzun müddətə verilib; yenisini alın",
                "has expired, is not valid yet or lives longer than ten minutes; get a new one",
            ),
            Self::OtherPerson => language.pick("başqa şəxsə verilib", "is another person's"),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    azp: String,
    scope: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    fin: Option<String>,
    pin: Option<String>,
}

impl Citizens {
    /// Reads the identity provider's key set.
    ///
    /// # Errors
    /// When the file cannot be read, is no JWK set, or holds no key with an id for `EdDSA` or `ES256`.
    pub fn load(issuer: &str, keys: &Path) -> anyhow::Result<Self> {
        let length = std::fs::metadata(keys).with_context(|| format!("cannot read {}", keys.display()))?.len();
        anyhow::ensure!(length <= KEYS_BYTES_MAX, "{} is larger than a key set may be (1 MiB)", keys.display());
        let text = std::fs::read(keys).with_context(|| format!("cannot read {}", keys.display()))?;
        let set: JwkSet = serde_json::from_slice(&text).with_context(|| format!("{} is no JWK set (RFC 7517)", keys.display()))?;
        let usable = |jwk: &jsonwebtoken::jwk::Jwk| {
            let algorithm = match jwk.common.key_algorithm? {
                jsonwebtoken::jwk::KeyAlgorithm::EdDSA => Algorithm::EdDSA,
                jsonwebtoken::jwk::KeyAlgorithm::ES256 => Algorithm::ES256,
                _ => return None,
            };
            Some((jwk.common.key_id.clone()?, (algorithm, DecodingKey::from_jwk(jwk).ok()?)))
        };
        let keys_by_id: HashMap<_, _> = set.keys.iter().filter_map(usable).collect();
        anyhow::ensure!(!keys_by_id.is_empty(), "{} holds no key with kid and alg EdDSA or ES256", keys.display());
        Ok(Self { issuer: issuer.to_owned(), keys: keys_by_id })
    }

    /// Whether an assertion proves that this person asks, through this consumer, at this moment.
    ///
    /// # Errors
    /// Why it does not.
    pub fn prove(&self, assertion: &str, subject: &Subject, consumer: &ConsumerId, now: Timestamp) -> Result<(), Unproven> {
        if assertion.len() > ASSERTION_BYTES_MAX {
            return Err(Unproven::Malformed);
        }
        let header = decode_header(assertion).map_err(|_| Unproven::Malformed)?;
        let (algorithm, key) = header.kid.and_then(|kid| self.keys.get(&kid)).ok_or(Unproven::Signature)?;
        let mut validation = Validation::new(*algorithm);
        // Time and audience are looked at below, by our own clock and with our own words.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(assertion, key, &validation).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature | jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => Unproven::Signature,
            _ => Unproven::Malformed,
        })?;
        self.holds(&claims.claims, subject, consumer, now)
    }

    fn holds(&self, claims: &Claims, subject: &Subject, consumer: &ConsumerId, now: Timestamp) -> Result<(), Unproven> {
        if claims.iss != self.issuer || claims.aud != AUDIENCE || claims.scope != SCOPE {
            return Err(Unproven::Purpose);
        }
        if claims.azp != consumer.as_str() {
            return Err(Unproven::OtherConsumer);
        }
        let at = |second| Timestamp::from_second(second).map_err(|_| Unproven::Time);
        let (issued, expires) = (at(claims.iat)?, at(claims.exp)?);
        let life = expires.duration_since(issued);
        let not_before = claims.nbf.map(at).transpose()?;
        if not_before.is_some_and(|from| now.duration_since(from) < -CLOCKS_DIFFER) || life.is_negative() {
            return Err(Unproven::Time);
        }
        if life > LIFE_MAX || now.duration_since(issued) < -CLOCKS_DIFFER || now.duration_since(expires) > CLOCKS_DIFFER {
            return Err(Unproven::Time);
        }
        let own = match subject {
            Subject::Fin(fin) => claims.fin.as_ref() == Some(fin),
            Subject::Pin(pin) => claims.pin.as_ref() == Some(pin),
            Subject::Tin(_) | Subject::Document(_) => false,
        };
        if own { Ok(()) } else { Err(Unproven::OtherPerson) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(iat: i64, exp: i64) -> Claims {
        Claims {
            iss: "https://id.test".to_owned(),
            aud: AUDIENCE.to_owned(),
            azp: "e-sosial".to_owned(),
            scope: SCOPE.to_owned(),
            iat,
            exp,
            nbf: None,
            fin: Some("5K7QX2O".to_owned()),
            pin: None,
        }
    }

    fn holds(claims: &Claims) -> Result<(), Unproven> {
        let citizens = Citizens { issuer: "https://id.test".to_owned(), keys: HashMap::new() };
        let consumer = ConsumerId::new("e-sosial").expect("a code");
        let now = Timestamp::from_second(1_000_000).expect("a moment");
        citizens.holds(claims, &Subject::Fin("5K7QX2O".to_owned()), &consumer, now)
    }

    #[test]
    fn an_assertion_lives_ten_minutes_and_clocks_differ_by_one() {
        for (iat, exp, good) in [
            (999_900, 1_000_500, true),
            (999_400, 1_000_000, true),
            (999_340, 999_940, true),
            (999_339, 999_939, false),
            (1_000_060, 1_000_600, true),
            (1_000_061, 1_000_600, false),
            (999_900, 1_000_501, false),
            (i64::MIN, i64::MAX, false),
            (i64::MAX, i64::MIN, false),
            (1_000_030, 1_000_020, false),
        ] {
            assert_eq!(holds(&claims(iat, exp)), if good { Ok(()) } else { Err(Unproven::Time) }, "{iat} {exp}");
        }
    }

    #[test]
    fn every_claim_counts() {
        assert_eq!(holds(&Claims { nbf: Some(1_000_060), ..claims(999_900, 1_000_100) }), Ok(()));
        assert_eq!(holds(&Claims { nbf: Some(1_000_061), ..claims(999_900, 1_000_100) }), Err(Unproven::Time));
        let good = || claims(999_900, 1_000_100);
        let pin = |text: &str| Some(text.to_owned());
        for (claims, why) in [
            (Claims { iss: "https://other.test".to_owned(), ..good() }, Unproven::Purpose),
            (Claims { aud: "other".to_owned(), ..good() }, Unproven::Purpose),
            (Claims { scope: "login".to_owned(), ..good() }, Unproven::Purpose),
            (Claims { azp: "targeted-aid".to_owned(), ..good() }, Unproven::OtherConsumer),
            (Claims { fin: pin("3M9RT4O"), ..good() }, Unproven::OtherPerson),
            // A FIN is not proven by an equal PIN.
            (Claims { fin: None, pin: pin("5K7QX2O"), ..good() }, Unproven::OtherPerson),
            (Claims { fin: None, ..good() }, Unproven::OtherPerson),
        ] {
            assert_eq!(holds(&claims), Err(why));
        }
    }

    #[test]
    fn a_key_set_without_a_usable_key_is_refused_in_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("keys.json");
        for (text, words) in [
            ("{", "is no JWK set"),
            (r#"{"keys": []}"#, "holds no key"),
            (r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "1", "alg": "HS256"}]}"#, "holds no key"),
        ] {
            std::fs::write(&file, text).expect("written");
            let error = Citizens::load("https://id.test", &file).expect_err("refused");
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
        assert!(Citizens::load("https://id.test", &folder.path().join("none")).is_err());
    }
}
