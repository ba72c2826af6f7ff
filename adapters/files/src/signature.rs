//! `OpenPGP` signatures beside files (RFC 9580, section 10.4): who may sign for a source, and whether one of them did.
//!
//! A signature is taken where it is of the whole file as it lies, by a key whose certificate allows it to sign, made
//! while the key was valid, with a hash of at least 256 bits. Whether a certificate is the source's own is decided where
//! it is configured, by whoever compared its fingerprint: there is no web of trust here.

use std::fmt::Write as _;
use std::io::{self, Read};

use jiff::Timestamp;
use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails as _, VerifyingKey};

use crate::refusal::{Refusal, Rule};

/// What stands behind a file's name in the name of its signature.
pub const SUFFIX: &str = ".asc";
/// Longest signature, in bytes.
pub const SIGNATURE_BYTES_MAX: u64 = 16 << 10;
/// Longest file of certificates, in bytes.
pub const CERTIFICATES_BYTES_MAX: u64 = 256 << 10;
/// Most certificates of one source: the one in use, and those it changes from and to.
pub const CERTIFICATES_MAX: usize = 8;
/// How far the source's clock may be before ours, in seconds.
const CLOCK_SECONDS_MAX: i64 = 300;

/// Why a text is not the certificates of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSigners {
    /// It is not one armoured block of certificates.
    #[error("not an armoured block of OpenPGP certificates")]
    Unreadable,
    /// A certificate does not bind its parts.
    #[error("a certificate is not bound by its own key")]
    Unbound,
    /// None of its keys may sign.
    #[error("a certificate has no key that may sign, or is revoked")]
    SignsNothing,
    /// There are more than are accepted.
    #[error("more than {CERTIFICATES_MAX} certificates")]
    TooMany,
}

/// Whoever may sign for a source.
#[derive(Debug, Clone)]
pub struct Signers(Vec<Signer>);

/// A key that may sign.
#[derive(Debug, Clone)]
struct Signer {
    key: SigningKey,
    /// Seconds since 1970 from which on it is valid, and from which on no more.
    from: i64,
    until: Option<i64>,
}

#[derive(Debug, Clone)]
enum SigningKey {
    Primary(Box<SignedPublicKey>),
    Subkey(Box<SignedPublicSubKey>),
}

impl Signers {
    /// Reads the certificates of one armoured block.
    ///
    /// # Errors
    /// Where one of them is not sound: nothing of the block is taken then.
    pub fn parse(armoured: &[u8]) -> Result<Self, NoSigners> {
        let (certificates, _) = SignedPublicKey::from_armor_many_buf(armoured).map_err(|_| NoSigners::Unreadable)?;
        let mut signers = Vec::new();
        for (place, certificate) in certificates.enumerate() {
            if place >= CERTIFICATES_MAX {
                return Err(NoSigners::TooMany);
            }
            let certificate = certificate.map_err(|_| NoSigners::Unreadable)?;
            certificate.verify_bindings().map_err(|_| NoSigners::Unbound)?;
            let own = of_certificate(&certificate);
            if own.is_empty() {
                return Err(NoSigners::SignsNothing);
            }
            signers.extend(own);
        }
        if signers.is_empty() { Err(NoSigners::Unreadable) } else { Ok(Self(signers)) }
    }

    /// The fingerprints of the keys, in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<String> {
        self.0.iter().map(Signer::fingerprint).collect()
    }

    /// Reads the data to its end and checks the signature, binary or armoured, of it. Gives the fingerprint of the key.
    ///
    /// # Errors
    /// The refusal; where reading fails, that of the data's reader is the one to look at.
    pub fn verify(&self, signature: &[u8], mut data: impl Read, now: Timestamp) -> Result<String, Refusal> {
        let bad = |detail: &'static str| Refusal::new(Rule::BadSignature, detail);
        let signature = parsed(signature).ok_or_else(|| bad("the file beside it is not one OpenPGP signature"))?;
        let signer =
            self.0.iter().find(|signer| signer.made(&signature)).ok_or_else(|| bad("the signature is of no key of the source's"))?;
        if signature.typ() != Some(SignatureType::Binary) {
            return Err(bad("the signature is not of the bytes of a file"));
        }
        let strong = matches!(
            signature.hash_alg(),
            Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512 | HashAlgorithm::Sha3_256 | HashAlgorithm::Sha3_512)
        );
        if !strong {
            return Err(bad("the signature is made with a weak hash"));
        }
        if has_unknown_critical(&signature) {
            return Err(bad("the signature has a condition that is not known here"));
        }
        let created = signature.created().map(|created| i64::from(created.as_secs())).ok_or_else(|| bad("the signature has no date"))?;
        let ends = signature.signature_expiration_time().map(|term| i64::from(term.as_secs())).filter(|term| *term > 0);
        let now = now.as_second();
        if created > now + CLOCK_SECONDS_MAX {
            return Err(bad("the signature is of a time to come"));
        }
        if created < signer.from || signer.until.is_some_and(|until| created >= until) {
            return Err(bad("the signature was made when its key was not valid"));
        }
        if ends.is_some_and(|term| created + term <= now) {
            return Err(bad("the signature has expired"));
        }
        let verified = match &signer.key {
            SigningKey::Primary(key) => signature.verify(&key.primary_key, &mut data),
            SigningKey::Subkey(key) => signature.verify(&key.key, &mut data),
        };
        verified.map_err(|_| bad("the signature is not of these bytes"))?;
        Ok(signer.fingerprint())
    }
}

impl Signer {
    fn fingerprint(&self) -> String {
        let bytes = match &self.key {
            SigningKey::Primary(key) => key.primary_key.fingerprint(),
            SigningKey::Subkey(key) => key.key.fingerprint(),
        };
        bytes.as_bytes().iter().fold(String::new(), |mut hex, byte| {
            // Writing into a text does not fail.
            write!(hex, "{byte:02x}").unwrap_or_default();
            hex
        })
    }

    /// Whether the signature names this key as its maker.
    fn made(&self, signature: &Signature) -> bool {
        fn of(key: &impl VerifyingKey, signature: &Signature) -> bool {
            let (fingerprint, id) = (key.fingerprint(), key.legacy_key_id());
            let fingerprints = signature.issuer_fingerprint();
            if fingerprints.is_empty() { signature.issuer_key_id().contains(&&id) } else { fingerprints.contains(&&fingerprint) }
        }
        match &self.key {
            SigningKey::Primary(key) => of(&key.primary_key, signature),
            SigningKey::Subkey(key) => of(&key.key, signature),
        }
    }
}

/// The keys of a certificate that may sign. Its bindings are verified already.
fn of_certificate(certificate: &SignedPublicKey) -> Vec<Signer> {
    let details = &certificate.details;
    if !details.revocation_signatures.is_empty() {
        return Vec::new();
    }
    // What its own key has said last counts.
    let own = details.users.iter().flat_map(|user| &user.signatures).chain(&details.direct_signatures);
    let own = own.filter(|signature| signature.typ() != Some(SignatureType::CertRevocation));
    let Some(latest) = own.max_by_key(|signature| signature.created()) else { return Vec::new() };
    let from = i64::from(certificate.primary_key.created_at().as_secs());
    let until = until(from, latest);
    let mut signers = Vec::new();
    if latest.key_flags().sign() {
        signers.push(Signer { key: SigningKey::Primary(Box::new(certificate.clone())), from, until });
    }
    for subkey in &certificate.public_subkeys {
        let revoked = subkey.signatures.iter().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
        let latest = subkey.signatures.iter().max_by_key(|signature| signature.created());
        if let Some(latest) = latest.filter(|latest| !revoked && latest.key_flags().sign()) {
            let from = i64::from(subkey.key.created_at().as_secs());
            let own = self::until(from, latest);
            // A subkey ends with its certificate at the latest.
            let until = [own, until].into_iter().flatten().min();
            signers.push(Signer { key: SigningKey::Subkey(Box::new(subkey.clone())), from, until });
        }
    }
    signers
}

fn until(from: i64, binding: &Signature) -> Option<i64> {
    binding.key_expiration_time().map(|term| i64::from(term.as_secs())).filter(|term| *term > 0).map(|term| from + term)
}

fn parsed(bytes: &[u8]) -> Option<Signature> {
    let read = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        DetachedSignature::from_bytes_many(bytes).ok()?.collect::<Result<Vec<_>, _>>()
    } else {
        DetachedSignature::from_armor_many_buf(bytes).ok()?.0.collect::<Result<Vec<_>, _>>()
    };
    match read.ok()?.as_slice() {
        [only] => Some(only.signature.clone()),
        _ => None,
    }
}

fn has_unknown_critical(signature: &Signature) -> bool {
    signature.config().is_none_or(|config| {
        config.hashed_subpackets().any(|subpacket| {
            let unknown = matches!(subpacket.data, SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_));
            subpacket.is_critical && unknown
        })
    })
}

/// Reads a signature; none where there is none.
pub(crate) fn read_beside(open: io::Result<Box<dyn Read>>) -> Result<Vec<u8>, Refusal> {
    let file = match open {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Refusal::new(Rule::Unsigned, format!("no signature lies beside it, under its name with `{SUFFIX}` behind")));
        }
        Err(error) => return Err(Refusal::io(&error)),
    };
    let mut bytes = Vec::new();
    file.take(SIGNATURE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| Refusal::io(&error))?;
    if bytes.len() as u64 > SIGNATURE_BYTES_MAX {
        return Err(Refusal::new(Rule::BadSignature, format!("the signature is longer than {SIGNATURE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &[u8] = include_bytes!("../fixtures/signed.csv");

    fn signers(armoured: &[u8]) -> Signers {
        Signers::parse(armoured).expect("certificates")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn verify(certificate: &[u8], signature: &[u8], data: &[u8]) -> Result<String, Box<str>> {
        signers(certificate).verify(signature, data, at("2026-02-01T00:00:00Z")).map_err(|refusal| {
            assert_eq!(refusal.rule, Rule::BadSignature);
            refusal.detail
        })
    }

    macro_rules! fixture {
        ($name:literal) => {
            include_bytes!(concat!("../fixtures/", $name)).as_slice()
        };
    }

    // All of them made by GnuPG.
    #[test]
    fn signatures_by_a_primary_key_a_subkey_and_rsa_are_taken() {
        for (certificate, signature) in [
            (fixture!("primary.public.asc"), fixture!("primary.asc")),
            (fixture!("subkey.public.asc"), fixture!("subkey.asc")),
            (fixture!("rsa.public.asc"), fixture!("rsa.asc")),
            // Made while the key was valid; the key has ended since.
            (fixture!("short-lived.public.asc"), fixture!("short-lived.asc")),
        ] {
            let by = verify(certificate, signature, CSV).expect("signed");
            assert_eq!(signers(certificate).fingerprints(), [by]);
        }
    }

    #[test]
    fn other_bytes_another_key_and_a_weak_signature_are_refused() {
        let (certificate, signature) = (fixture!("primary.public.asc"), fixture!("primary.asc"));
        let mut changed = CSV.to_vec();
        for place in 0..changed.len() {
            changed[place] ^= 1;
            assert_eq!(&*verify(certificate, signature, &changed).expect_err("changed"), "the signature is not of these bytes");
            changed[place] ^= 1;
        }
        assert!(verify(certificate, signature, &CSV[..CSV.len() - 1]).is_err());
        assert!(verify(certificate, signature, &[CSV, b" "].concat()).is_err());
        let refused = |certificate: &[u8], signature: &[u8]| verify(certificate, signature, CSV).expect_err("refused");
        assert_eq!(&*refused(fixture!("rsa.public.asc"), signature), "the signature is of no key of the source's");
        assert_eq!(&*refused(fixture!("rsa.public.asc"), fixture!("sha1.asc")), "the signature is made with a weak hash");
        assert_eq!(&*refused(fixture!("rsa.public.asc"), fixture!("text.asc")), "the signature is not of the bytes of a file");
        assert_eq!(&*refused(certificate, b""), "the file beside it is not one OpenPGP signature");
        assert_eq!(&*refused(certificate, CSV), "the file beside it is not one OpenPGP signature");
        let early = signers(certificate).verify(signature, CSV, at("2026-01-09T00:00:00Z")).expect_err("early");
        assert_eq!(&*early.detail, "the signature is of a time to come");
    }

    #[test]
    fn a_revoked_certificate_and_what_is_none_are_not_configured() {
        assert_eq!(Signers::parse(fixture!("revoked.public.asc")).map(drop), Err(NoSigners::SignsNothing));
        assert_eq!(Signers::parse(fixture!("primary.asc")).map(drop), Err(NoSigners::Unreadable));
        assert_eq!(Signers::parse(b"").map(drop), Err(NoSigners::Unreadable));
        assert_eq!(Signers::parse(CSV).map(drop), Err(NoSigners::Unreadable));
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_sign_nothing_and_panic_nowhere(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            assert!(verify(fixture!("primary.public.asc"), &bytes, CSV).is_err());
            Signers::parse(&bytes).map(drop).unwrap_or_default();
        }
    }
}
