//! What an official's assertion must say (OpenID Connect Core 1.0, section 2; RFC 7519): `iss` the configured issuer,
//! `aud` us, `azp` the consumer, the official's number in a configured claim, `acr` a configured level, `iat` and `exp`
//! at most fifteen minutes apart, a `jti` of its own; where `cnf` binds it to a client certificate (RFC 8705, section
//! 3.1), the one of the connection. The form is an assumption until the state's provider of officials' identities is
//! known.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use model::contract::Assurance;
use model::{CaseId, ConsumerId};
use policy::Unproven;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::OfficialsConfig;
use crate::jws::{Times, Use};

/// Longest life of an assertion.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(15);
/// Longest `jti` and `sub`, in bytes (`sub`: OpenID Connect Core 1.0, section 2).
const TEXT_BYTES_MAX: usize = 255;

/// An assertion as a request brings it. `Debug` shows none of it.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The compact JWS.
    pub assertion: &'a str,
    /// Who asks, by the certificate.
    pub consumer: &'a ConsumerId,
    /// SHA-256 of that certificate.
    pub certificate: &'a [u8; 32],
    /// The official of the envelope, `robot:<name>` for an automated caller.
    pub official: &'a str,
    /// The case that it is to serve.
    pub case: &'a CaseId,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}

impl Presented<'_> {
    /// The one use that it may have.
    #[must_use]
    pub fn used_for(&self) -> Use {
        Use::of(&[self.consumer.as_str(), self.case.as_str(), self.official])
    }
}

/// The claims that are looked at. `Debug` shows none of them.
#[derive(Clone, Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    jti: String,
    acr: String,
    cnf: Option<Confirmation>,
    /// Among them the official's number.
    #[serde(flatten)]
    others: Map<String, Json>,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(…)")
    }
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// What the holder must prove besides. Any other way than by certificate is unknown here, and so missing.
#[derive(Clone, Deserialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    certificate: String,
}

/// What an assertion is held against.
#[derive(Debug, Clone)]
pub struct Terms {
    issuer: String,
    audience: String,
    official_claim: String,
    levels: BTreeMap<String, Assurance>,
    started: Timestamp,
}

/// An assertion that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// How sure the provider is of the official.
    pub level: Assurance,
    /// Its id, the same however often it is sent.
    pub id: String,
    /// Until when it may be used.
    pub until: Timestamp,
}

impl Terms {
    /// Those of a configured provider. What was issued before `started` is not taken: it may have been used.
    #[must_use]
    pub fn new(config: &OfficialsConfig, started: Timestamp) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            official_claim: config.official_claim.clone(),
            levels: config.levels.clone(),
            started,
        }
    }

    /// Whether verified claims prove that this official asks, through this consumer, at this moment.
    ///
    /// # Errors
    /// Why they do not.
    pub fn judge(&self, claims: &Claims, presented: &Presented<'_>, now: Timestamp) -> Result<Proven, Unproven> {
        let bounded = |text: &str| (1..=TEXT_BYTES_MAX).contains(&text.len());
        let official = claims.others.get(&self.official_claim).and_then(Json::as_str).ok_or(Unproven::Malformed)?;
        if !bounded(&claims.jti) || !bounded(&claims.sub) {
            return Err(Unproven::Malformed);
        }
        if claims.iss != self.issuer || !claims.aud.has(&self.audience) {
            return Err(Unproven::Purpose);
        }
        if claims.azp != presented.consumer.as_str() {
            return Err(Unproven::OtherConsumer);
        }
        let certificate = || URL_SAFE_NO_PAD.encode(presented.certificate);
        if claims.cnf.as_ref().is_some_and(|confirmation| confirmation.certificate != certificate()) {
            return Err(Unproven::OtherConsumer);
        }
        let times = Times { issued: claims.iat, expires: claims.exp, not_before: claims.nbf };
        let until = times.hold(LIFE_MAX, now).filter(|_| claims.iat >= self.started.as_second()).ok_or(Unproven::Time)?;
        if official != presented.official {
            return Err(Unproven::OtherOfficial);
        }
        let level = *self.levels.get(&claims.acr).ok_or(Unproven::Purpose)?;
        Ok(Proven { level, id: claims.jti.clone(), until })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CERTIFICATE: [u8; 32] = [7; 32];

    fn terms() -> Terms {
        Terms {
            issuer: "https://id.test".to_owned(),
            audience: "qovsaq".to_owned(),
            official_claim: "employee_number".to_owned(),
            levels: BTreeMap::from([("loa-low".to_owned(), Assurance::Low), ("loa-high".to_owned(), Assurance::High)]),
            started: Timestamp::from_second(999_500).expect("a moment"),
        }
    }

    fn claims() -> Json {
        json!({
            "iss": "https://id.test", "sub": "s-1", "aud": "qovsaq", "azp": "targeted-aid", "iat": 999_900, "exp": 1_000_800,
            "jti": "j-1", "acr": "loa-high", "employee_number": "AZ-0001", "name": "not looked at",
        })
    }

    fn judged(claims: Json) -> Result<Assurance, Unproven> {
        let Ok(claims) = serde_json::from_value::<Claims>(claims) else { return Err(Unproven::Malformed) };
        let (consumer, case) = (ConsumerId::new("targeted-aid").expect("a code"), CaseId::new("c-1").expect("a name"));
        let presented = Presented { assertion: "", consumer: &consumer, certificate: &CERTIFICATE, official: "AZ-0001", case: &case };
        terms().judge(&claims, &presented, Timestamp::from_second(1_000_000).expect("a moment")).map(|proven| proven.level)
    }

    fn with(member: &str, value: Json) -> Json {
        let mut claims = claims();
        claims[member] = value;
        claims
    }

    fn without(member: &str) -> Json {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(member);
        claims
    }

    #[test]
    fn every_claim_counts() {
        assert_eq!(judged(claims()), Ok(Assurance::High));
        assert_eq!(judged(with("acr", json!("loa-low"))), Ok(Assurance::Low));
        assert_eq!(judged(with("aud", json!(["targeted-aid", "qovsaq"]))), Ok(Assurance::High));
        assert_eq!(judged(with("cnf", json!({"x5t#S256": URL_SAFE_NO_PAD.encode(CERTIFICATE)}))), Ok(Assurance::High));
        for (claims, why) in [
            (with("iss", json!("https://id.test/")), Unproven::Purpose),
            (with("aud", json!("targeted-aid")), Unproven::Purpose),
            (with("aud", json!([])), Unproven::Purpose),
            (with("acr", json!("loa-unheard-of")), Unproven::Purpose),
            (with("azp", json!("e-sosial")), Unproven::OtherConsumer),
            (with("cnf", json!({"x5t#S256": URL_SAFE_NO_PAD.encode([8; 32])})), Unproven::OtherConsumer),
            (with("cnf", json!({"jkt": "AAAA"})), Unproven::Malformed),
            (with("employee_number", json!("AZ-0002")), Unproven::OtherOfficial),
            (with("employee_number", json!(1)), Unproven::Malformed),
            (with("exp", json!(1_000_801)), Unproven::Time),
            (with("exp", json!(999_939)), Unproven::Time),
            (with("iat", json!(1_000_061)), Unproven::Time),
            (with("nbf", json!(1_000_061)), Unproven::Time),
            // Before the start: it may have been used for something that is not remembered.
            (with("iat", json!(999_499)), Unproven::Time),
            (with("iat", json!("999900")), Unproven::Malformed),
            (with("jti", json!("")), Unproven::Malformed),
            (with("jti", json!("j".repeat(256))), Unproven::Malformed),
        ] {
            assert_eq!(judged(claims.clone()), Err(why), "{claims}");
        }
        for member in ["iss", "sub", "aud", "azp", "iat", "exp", "jti", "acr", "employee_number"] {
            assert_eq!(judged(without(member)), Err(Unproven::Malformed), "{member}");
        }
    }

    #[test]
    fn a_claim_that_stands_twice_is_refused() {
        let twice = claims().to_string().replacen(r#""sub""#, r#""azp":"e-sosial","sub""#, 1);
        assert!(serde_json::from_str::<Claims>(&twice).is_err());
    }
}
