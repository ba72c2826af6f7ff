//! Compact JWS (RFC 7515) by a JWK set (RFC 7517): what the assertions of citizens and of officials have in common.
//! Pure: keys, text and moment come as arguments.
//!
//! `EdDSA`, `ES256` and `RS256` alone. A key has one algorithm, and a header that names another is refused, so that
//! neither `none` nor an HMAC over a public key passes. A header with `crit` is refused whatever it lists: none of it
//! is understood here (section 4.1.11).
//!
//! - `jws/uses.rs`: what each assertion was first used for, so that it serves nothing else.

mod uses;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::uses::{NotBound, USES_MAX, Use, Uses};

/// Who assertions are for, where the configuration names no other audience.
pub const AUDIENCE: &str = "qovsaq";
/// Longest assertion read, in bytes.
pub const ASSERTION_BYTES_MAX: usize = 8 * 1024;
/// Largest key set read, in bytes.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// How far clocks may differ.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);
/// Most keys of a set.
const KEYS_MAX: usize = 64;
/// Longest name of a key, in bytes.
const KID_BYTES_MAX: usize = 128;

/// Why an assertion is not that of a key set. No part of it is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is no compact JWS of ours to read, or a claim is missing or not of its type.
    Malformed,
    /// No key of the set has its `kid`.
    UnknownKey,
    /// Its algorithm is not its key's, or the signature does not hold.
    Signature,
}

/// Why a text is no key set to verify with. What was active stays active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKeySet {
    /// Larger than 256 KiB, or more than 64 keys.
    #[error("is larger than a key set may be (256 KiB, 64 keys)")]
    TooLarge,
    /// It is no JWK set.
    #[error("is no JWK set (RFC 7517)")]
    Form,
    /// Which of two keys of one name is meant would be a guess.
    #[error("holds two keys with the same kid")]
    KidTwice,
    /// None that can verify.
    #[error("holds no key with a kid for EdDSA, ES256 or RS256")]
    Empty,
}

/// The public keys of an issuer, by their names.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: HashMap<String, (Algorithm, DecodingKey)>,
    sha256: [u8; 32],
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("kids", &self.kids()).finish_non_exhaustive()
    }
}

impl KeySet {
    /// Reads a JWK set. Keys for other ends (encryption, other algorithms) are passed over, as RFC 7517 (section 5)
    /// asks.
    ///
    /// # Errors
    /// When it is no set, or holds no key to verify with.
    pub fn parse(text: &[u8]) -> Result<Self, NoKeySet> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        if text.len() > KEY_SET_BYTES_MAX {
            return Err(NoKeySet::TooLarge);
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| NoKeySet::Form)?;
        if set.keys.len() > KEYS_MAX {
            return Err(NoKeySet::TooLarge);
        }
        let mut keys = HashMap::new();
        // One by one: a key of an unknown type does not spoil those beside it.
        for jwk in set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()) {
            let Some((kid, key)) = usable(&jwk) else { continue };
            if keys.insert(kid, key).is_some() {
                return Err(NoKeySet::KidTwice);
            }
        }
        if keys.is_empty() {
            return Err(NoKeySet::Empty);
        }
        Ok(Self { keys, sha256: crate::wire::sha256_of(&[text]) })
    }

    /// The names of its keys, in order.
    #[must_use]
    pub fn kids(&self) -> Vec<&str> {
        let mut kids: Vec<&str> = self.keys.keys().map(String::as_str).collect();
        kids.sort_unstable();
        kids
    }

    /// SHA-256 of the text it was read from.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Verifies the signature and reads the claims; what they say is the caller's to judge.
    ///
    /// # Errors
    /// Why it is not an assertion under these keys.
    pub fn verify<C: DeserializeOwned>(&self, assertion: &str) -> Result<C, Fault> {
        let kid = kid_of(assertion)?;
        let (algorithm, key) = self.keys.get(&kid).ok_or(Fault::UnknownKey)?;
        let mut validation = Validation::new(*algorithm);
        // Times and audience are looked at by the caller, by our own clock and with our own words.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let verified = decode::<C>(assertion, key, &validation).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature | jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => Fault::Signature,
            _ => Fault::Malformed,
        })?;
        Ok(verified.claims)
    }
}

/// A key that verifies, with its name.
fn usable(jwk: &Jwk) -> Option<(String, (Algorithm, DecodingKey))> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => (Algorithm::EdDSA, KeyAlgorithm::EdDSA),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => (Algorithm::ES256, KeyAlgorithm::ES256),
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        _ => return None,
    };
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    // RFC 7517 leaves `alg` open; where it is given it must be the one that we would take.
    let fits = common.key_algorithm.is_none_or(|given| given == name);
    let kid = common.key_id.clone().filter(|kid| (1..=KID_BYTES_MAX).contains(&kid.len()))?;
    (signs && fits).then(|| Some((kid, (algorithm, DecodingKey::from_jwk(jwk).ok()?)))).flatten()
}

/// The name of the key that an assertion says it is signed with.
fn kid_of(assertion: &str) -> Result<String, Fault> {
    if assertion.len() > ASSERTION_BYTES_MAX {
        return Err(Fault::Malformed);
    }
    let header = decode_header(assertion).map_err(|_| Fault::Malformed)?;
    let is_jwt = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    if header.crit.is_some() || !is_jwt {
        return Err(Fault::Malformed);
    }
    header.kid.ok_or(Fault::UnknownKey)
}

/// The times that an assertion says of itself, in seconds since 1970 (RFC 7519, section 4.1).
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// `iat`.
    pub issued: i64,
    /// `exp`.
    pub expires: i64,
    /// `nbf`, where it is given.
    pub not_before: Option<i64>,
}

impl Times {
    /// Until when it may be used, where it may be at `now`: it has begun, has not ended, and lives no longer than
    /// `life_max`. Clocks may differ by [`CLOCKS_DIFFER`].
    #[must_use]
    pub fn hold(self, life_max: SignedDuration, now: Timestamp) -> Option<Timestamp> {
        let at = |second| Timestamp::from_second(second).ok();
        let (issued, expires) = (at(self.issued)?, at(self.expires)?);
        let life = expires.duration_since(issued);
        let begun = |from: Timestamp| now.duration_since(from) >= -CLOCKS_DIFFER;
        let not_before = match self.not_before {
            Some(second) => at(second)?,
            None => issued,
        };
        let until = expires.checked_add(CLOCKS_DIFFER).ok()?;
        (!life.is_negative() && life <= life_max && begun(issued) && begun(not_before) && now <= until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value as Json, json};

    use super::*;

    /// A key for signing and its public part.
    fn key(algorithm: Algorithm) -> (EncodingKey, Json) {
        let signing = match algorithm {
            Algorithm::EdDSA => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                let public = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x});
                return (EncodingKey::from_ed_der(pkcs8.as_ref()), public);
            }
            Algorithm::ES256 => {
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
                EncodingKey::from_ec_der(pkcs8.as_ref())
            }
            Algorithm::RS256 => {
                use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
                let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("its form");
                // The library takes the key itself (PKCS #1), which stands behind 26 bytes of PKCS #8 (RFC 5208).
                EncodingKey::from_rsa_der(pkcs8.as_ref().get(26..).expect("longer"))
            }
            other => panic!("{other:?} is not ours"),
        };
        let public = serde_json::to_value(Jwk::from_encoding_key(&signing, algorithm).expect("a public key")).expect("JSON");
        (signing, public)
    }

    fn named(mut jwk: Json, kid: &str) -> Json {
        jwk["kid"] = json!(kid);
        jwk
    }

    fn signed(algorithm: Algorithm, key: &EncodingKey, kid: &str, change: impl FnOnce(&mut Header)) -> String {
        let mut header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        change(&mut header);
        encode(&header, &json!({"sub": "somebody"}), key).expect("signed")
    }

    fn set(keys: &[Json]) -> Result<KeySet, NoKeySet> {
        KeySet::parse(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn each_algorithm_verifies_with_its_own_key_and_no_other() {
        for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
            let (own, public) = key(algorithm);
            let (other, _) = key(algorithm);
            let keys = set(&[named(public.clone(), "one")]).expect("a set");
            let good = signed(algorithm, &own, "one", |_| {});
            assert_eq!(keys.verify::<Json>(&good), Ok(json!({"sub": "somebody"})), "{algorithm:?}");
            assert_eq!(keys.verify::<Json>(&signed(algorithm, &other, "one", |_| {})), Err(Fault::Signature));
            assert_eq!(keys.verify::<Json>(&signed(algorithm, &own, "two", |_| {})), Err(Fault::UnknownKey));
            // `alg` may be missing from the set.
            let mut silent = named(public, "one");
            silent.as_object_mut().expect("an object").remove("alg");
            assert_eq!(set(&[silent]).expect("a set").verify::<Json>(&good), Ok(json!({"sub": "somebody"})));
        }
    }

    #[test]
    fn a_header_that_asks_for_something_else_is_refused() {
        let (own, public) = key(Algorithm::EdDSA);
        let keys = set(&[named(public.clone(), "one")]).expect("a set");
        let good = signed(Algorithm::EdDSA, &own, "one", |_| {});
        let crit = signed(Algorithm::EdDSA, &own, "one", |header| header.crit = Some(vec!["exp".to_owned()]));
        assert_eq!(keys.verify::<Json>(&crit), Err(Fault::Malformed));
        let empty = signed(Algorithm::EdDSA, &own, "one", |header| header.crit = Some(Vec::new()));
        assert_eq!(keys.verify::<Json>(&empty), Err(Fault::Malformed));
        let access_token = signed(Algorithm::EdDSA, &own, "one", |header| header.typ = Some("at+jwt".to_owned()));
        assert_eq!(keys.verify::<Json>(&access_token), Err(Fault::Malformed));
        let untyped = signed(Algorithm::EdDSA, &own, "one", |header| header.typ = None);
        assert!(keys.verify::<Json>(&untyped).is_ok());
        let nameless = signed(Algorithm::EdDSA, &own, "one", |header| header.kid = None);
        assert_eq!(keys.verify::<Json>(&nameless), Err(Fault::UnknownKey));
        // The public key as the secret of an HMAC, and no signature at all.
        let x = URL_SAFE_NO_PAD.decode(public["x"].as_str().expect("a key")).expect("base64");
        let hmac = signed(Algorithm::HS256, &EncodingKey::from_secret(&x), "one", |_| {});
        assert_eq!(keys.verify::<Json>(&hmac), Err(Fault::Signature));
        let claims = good.split('.').nth(1).expect("claims");
        let none = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(br#"{"alg":"none","kid":"one"}"#));
        assert_eq!(keys.verify::<Json>(&none), Err(Fault::Malformed));
        for text in ["", ".", "..", "a.b.c", &"x".repeat(ASSERTION_BYTES_MAX + 1)] {
            assert_eq!(keys.verify::<Json>(text), Err(Fault::Malformed));
        }
    }

    #[test]
    fn keys_for_other_ends_are_passed_over_and_one_name_is_one_key() {
        let ((_, one), (_, two)) = (key(Algorithm::EdDSA), key(Algorithm::ES256));
        let with = |mut jwk: Json, member: &str, value: Json| {
            jwk[member] = value;
            jwk
        };
        let good = named(one.clone(), "one");
        for useless in [
            named(with(two.clone(), "use", json!("enc")), "two"),
            named(with(two.clone(), "key_ops", json!(["sign"])), "two"),
            named(with(two.clone(), "alg", json!("EdDSA")), "two"),
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "two", "alg": "HS256"}),
            json!({"kty": "AKP", "alg": "ML-DSA-65", "kid": "two", "pub": "AAAA"}),
            named(two.clone(), &"k".repeat(200)),
            two.clone(),
            json!("no key"),
        ] {
            assert_eq!(set(&[useless.clone(), good.clone()]).expect("a set").kids(), ["one"], "{useless}");
            assert_eq!(set(&[useless]).expect_err("empty"), NoKeySet::Empty);
        }
        assert_eq!(set(&[good.clone(), named(two, "one")]).expect_err("twice"), NoKeySet::KidTwice);
        assert_eq!(set(&vec![good; 65]).expect_err("too many"), NoKeySet::TooLarge);
        assert_eq!(KeySet::parse(b"{").expect_err("no JSON"), NoKeySet::Form);
        assert_eq!(KeySet::parse(&vec![b' '; KEY_SET_BYTES_MAX + 1]).expect_err("too large"), NoKeySet::TooLarge);
    }

    #[test]
    fn an_assertion_lives_as_long_as_it_may_and_clocks_differ_by_a_minute() {
        let now = Timestamp::from_second(1_000_000).expect("a moment");
        for (issued, expires, not_before, good) in [
            (999_900, 1_000_500, None, true),
            (999_400, 1_000_000, None, true),
            (999_340, 999_940, None, true),
            (999_339, 999_939, None, false),
            (1_000_060, 1_000_600, None, true),
            (1_000_061, 1_000_600, None, false),
            (999_900, 1_000_501, None, false),
            (i64::MIN, i64::MAX, None, false),
            (i64::MAX, i64::MIN, None, false),
            (1_000_030, 1_000_020, None, false),
            (999_900, 1_000_100, Some(1_000_060), true),
            (999_900, 1_000_100, Some(1_000_061), false),
            (999_900, 1_000_100, Some(i64::MIN), false),
        ] {
            let times = Times { issued, expires, not_before };
            assert_eq!(times.hold(SignedDuration::from_mins(10), now).is_some(), good, "{times:?}");
        }
    }
}
