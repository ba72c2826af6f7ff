//! The citizen's assertion: a signed statement of the identity provider of citizens that this person, now, asks
//! through this consumer who used his data. Nobody is told that without one.
//!
//! A compact JWS (RFC 7515, [`crate::jws`]), its key named by `kid` in the configured JWK set (RFC 7517). Claims
//! (RFC 7519): `iss` the configured issuer, `aud` `qovsaq`, `azp` the consumer it was made for, `scope`
//! `subject-accesses`, `jti`, `iat` and `exp` at most ten minutes apart, and one of `fin` and `pin`. It serves the
//! list it is first used for, page by page, and no other. Where the provider knows that its holder represents somebody,
//! `represents` says whom and as what (`kind`, and `fin` or `pin`). The form is an assumption until the state's provider
//! of citizens' identities is known.

use std::path::Path;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use model::{ConsumerId, RepresentativeKind, Subject};
use serde::Deserialize;

use crate::jws::{AUDIENCE, Fault, KEY_SET_BYTES_MAX, KeySet, NotBound, Times, USES_MAX, Use, Uses};
use crate::problem::Language;

/// What an assertion allows.
const SCOPE: &str = "subject-accesses";
/// Longest life of an assertion.
const LIFE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Knows the identity provider of citizens.
#[derive(Debug)]
pub struct Citizens {
    issuer: String,
    keys: KeySet,
    uses: Uses,
    /// When this process began to remember uses.
    started: Timestamp,
}

/// Why an assertion is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// It does not prove what it must.
    Unproven(Unproven),
    /// It may be good, but its use cannot be remembered now.
    NoRoom,
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
    /// It has been used for something else.
    Replayed,
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
            Self::Replayed => "assertion-replayed",
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
            Self::Replayed => {
                language.pick("başqa siyahı üçün istifadə olunub; yenisini alın", "has been used for another list; get a new one")
            }
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    azp: String,
    scope: String,
    jti: String,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    fin: Option<String>,
    pin: Option<String>,
    /// Whom he represents, as the identity provider has found out.
    represents: Option<Represents>,
}

/// A person whom the holder of an assertion represents.
#[derive(Deserialize)]
struct Represents {
    kind: RepresentativeKind,
    fin: Option<String>,
    pin: Option<String>,
}

/// Whether an assertion may be a representative's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The person himself alone.
    Himself,
    /// Also somebody whom the identity provider knows to represent him.
    OrRepresentative,
}

/// Who asks with an assertion that holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Representative {
    /// As what he acts.
    pub kind: RepresentativeKind,
    /// Who he is.
    pub person: Subject,
}

impl std::fmt::Debug for Representative {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Representative").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Citizens {
    /// Reads the identity provider's key set. `started` is the moment from which uses are remembered: what was issued
    /// before it may have been used, and is not taken.
    ///
    /// # Errors
    /// When the file cannot be read, is no JWK set, or holds no key to verify with.
    pub fn load(issuer: &str, keys: &Path, started: Timestamp) -> anyhow::Result<Self> {
        Ok(Self { issuer: issuer.to_owned(), keys: key_set(keys)?, uses: Uses::new(USES_MAX), started })
    }

    /// Whether an assertion proves that this person asks for this list (`parts` tell it from others), through this
    /// consumer, at this moment. Where a representative asks for him, gives who that is.
    ///
    /// # Errors
    /// Why it does not.
    pub fn prove(
        &self,
        assertion: &str,
        (subject, asker): (&Subject, Asker),
        consumer: &ConsumerId,
        parts: &[&str],
        now: Timestamp,
    ) -> Result<Option<Representative>, NotTaken> {
        let claims = self.keys.verify::<Claims>(assertion).map_err(|fault| {
            NotTaken::Unproven(match fault {
                Fault::Malformed => Unproven::Malformed,
                Fault::UnknownKey | Fault::Signature => Unproven::Signature,
            })
        })?;
        let (until, by) = self.holds(&claims, (subject, asker), consumer, now).map_err(NotTaken::Unproven)?;
        let person = subject.canonical();
        let used_for = [&[consumer.as_str(), &person], parts].concat();
        let bound = self.uses.bind(&claims.jti, Use::of(&used_for), until, now);
        bound.map(|()| by).map_err(|why| match why {
            NotBound::Replayed => NotTaken::Unproven(Unproven::Replayed),
            NotBound::Full => NotTaken::NoRoom,
        })
    }

    /// Until when the claims hold for this person and consumer, and who acts for him where he does not himself.
    fn holds(
        &self,
        claims: &Claims,
        (subject, asker): (&Subject, Asker),
        consumer: &ConsumerId,
        now: Timestamp,
    ) -> Result<(Timestamp, Option<Representative>), Unproven> {
        if claims.iss != self.issuer || claims.aud != AUDIENCE || claims.scope != SCOPE {
            return Err(Unproven::Purpose);
        }
        if claims.azp != consumer.as_str() {
            return Err(Unproven::OtherConsumer);
        }
        let times = Times { issued: claims.iat, expires: claims.exp, not_before: claims.nbf };
        let until = times.hold(LIFE_MAX, now).filter(|_| claims.iat >= self.started.as_second()).ok_or(Unproven::Time)?;
        if is(subject, claims.fin.as_ref(), claims.pin.as_ref()) {
            return Ok((until, None));
        }
        let represents = claims.represents.as_ref().filter(|_| asker == Asker::OrRepresentative);
        let kind = represents.filter(|whom| is(subject, whom.fin.as_ref(), whom.pin.as_ref())).map(|whom| whom.kind);
        let person = claims.fin.clone().map(Subject::Fin).or_else(|| claims.pin.clone().map(Subject::Pin));
        kind.zip(person).map(|(kind, person)| (until, Some(Representative { kind, person }))).ok_or(Unproven::OtherPerson)
    }
}

/// Whether a person is the one with this FIN or this PIN: one form never proves the other.
fn is(subject: &Subject, fin: Option<&String>, pin: Option<&String>) -> bool {
    match subject {
        Subject::Fin(own) => fin == Some(own),
        Subject::Pin(own) => pin == Some(own),
        Subject::Tin(_) | Subject::Document(_) => false,
    }
}

/// Reads a key set from its file.
///
/// # Errors
/// When it cannot be read, is larger than 256 KiB, or is no key set to verify with.
pub fn key_set(file: &Path) -> anyhow::Result<KeySet> {
    let length = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    anyhow::ensure!(length <= KEY_SET_BYTES_MAX as u64, "{} is larger than a key set may be (256 KiB)", file.display());
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    KeySet::parse(&text).map_err(|why| anyhow::anyhow!("{} {why}", file.display()))
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
            jti: "1".to_owned(),
            iat,
            exp,
            nbf: None,
            fin: Some("5K7QX2O".to_owned()),
            pin: None,
            represents: None,
        }
    }

    fn holds(claims: &Claims) -> Result<(), Unproven> {
        let started = Timestamp::from_second(999_350).expect("a moment");
        let citizens = Citizens { issuer: "https://id.test".to_owned(), keys: KeySet::default(), uses: Uses::new(1), started };
        let consumer = ConsumerId::new("e-sosial").expect("a code");
        let now = Timestamp::from_second(1_000_000).expect("a moment");
        citizens.holds(claims, (&Subject::Fin("5K7QX2O".to_owned()), Asker::Himself), &consumer, now).map(drop)
    }

    #[test]
    fn a_representative_is_known_by_the_provider_alone_and_only_where_one_may_ask() {
        let citizens =
            Citizens { issuer: "https://id.test".to_owned(), keys: KeySet::default(), uses: Uses::new(1), started: Timestamp::UNIX_EPOCH };
        let consumer = ConsumerId::new("e-sosial").expect("a code");
        let now = Timestamp::from_second(1_000_000).expect("a moment");
        let child = Subject::Fin("3M9RT4O".to_owned());
        let asks = |claims: &Claims, asker| citizens.holds(claims, (&child, asker), &consumer, now).map(|(_, by)| by);
        let parent = |fin: &str| Claims {
            represents: Some(Represents { kind: RepresentativeKind::Parent, fin: Some(fin.to_owned()), pin: None }),
            ..claims(999_900, 1_000_100)
        };
        let by = asks(&parent("3M9RT4O"), Asker::OrRepresentative).expect("proven").expect("a representative");
        assert_eq!((by.kind, by.person), (RepresentativeKind::Parent, Subject::Fin("5K7QX2O".to_owned())));
        assert_eq!(asks(&parent("3M9RT4O"), Asker::Himself), Err(Unproven::OtherPerson));
        assert_eq!(asks(&parent("1A2B3CO"), Asker::OrRepresentative), Err(Unproven::OtherPerson));
        assert_eq!(asks(&claims(999_900, 1_000_100), Asker::OrRepresentative), Err(Unproven::OtherPerson));
    }

    #[test]
    fn an_assertion_lives_ten_minutes_and_is_not_older_than_the_process() {
        for (iat, exp, good) in [
            (999_900, 1_000_500, true),
            (999_900, 1_000_501, false),
            (999_360, 999_960, true),
            (999_350, 999_950, true),
            // As good as the others, but it may have been used before the start.
            (999_349, 999_949, false),
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
            let error = Citizens::load("https://id.test", &file, Timestamp::UNIX_EPOCH).expect_err("refused");
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
        assert!(Citizens::load("https://id.test", &folder.path().join("none"), Timestamp::UNIX_EPOCH).is_err());
    }
}
